"""Ports whose device is found out by listening, and kept: roles, pins, sniffing."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge import serial_worker, sniffing
from edge.cli import main
from edge.config import ConfigError, PortConfig, load
from edge.pins import PINS_MAX, Pins
from edge.serial_worker import SerialWorker
from firmware_bridge.drivers import AUTO, make_driver
from firmware_bridge.recognise import HEARD_SIZE_MAX, Recogniser
from protocols.samples import Fix, FixMode, Sample
from sim.devices.ais import AisReceiver, Vessel
from sim.devices.gnss_nmea import NmeaReceiver
from sim.devices.gnss_ubx import UbxReceiver
from sim.pty import PtyLine

FIX = Fix(
    1_795_000_000_000, FixMode.FIX_3D, 36_650_000_000, 117_000_000_000, 30_000, 1_500, 9_000, 1_500, 12, 20
)


class Bench:
    """A device on a pty, and a worker that listens to it."""

    def __init__(self, line: PtyLine, pins: Pins | None, baud: int = 0) -> None:
        self.line = line
        self.samples: list[Sample] = []
        self.worker = SerialWorker(
            PortConfig("x", str(line.link), AUTO, baud),
            lambda sample, _t: self.samples.append(sample),
            7,
            pins,
        )

    def turn(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        self.line.write(data)
        for _ in range(40):
            now_ns += 5_000_000
            self.line.pump(now_ns)
        self.worker.maintain(time.monotonic_ns())
        if self.worker.fileno() is not None:
            self.worker.on_readable()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[PtyLine]:
    line = PtyLine(tmp_path / "dev", 115_200)
    line.plug()
    yield line
    line.unplug()


def test_a_device_is_recognised_and_its_role_is_kept(line: PtyLine, tmp_path: Path) -> None:
    pins = Pins(tmp_path / "ports.json")
    bench = Bench(line, pins)
    for _ in range(4):
        bench.turn(NmeaReceiver().epoch(FIX))
    assert bench.worker.status()["driver"] == "gnss"
    assert any(isinstance(sample, Fix) and sample.lat_deg_e9 == FIX.lat_deg_e9 for sample in bench.samples)
    bench.worker.close()

    again = Pins(tmp_path / "ports.json")
    again.load()
    assert again.get(str(line.link)) == "gnss"
    second = Bench(line, again)
    second.turn(b"")
    assert second.worker.status()["driver"] == "gnss", "known before it has said anything"
    second.worker.close()


def test_what_was_heard_before_the_role_was_known_is_not_lost(line: PtyLine) -> None:
    bench = Bench(line, None, baud=115_200)
    bench.turn(b"")  # opens
    bench.turn(NmeaReceiver().epoch(FIX))
    bench.turn(b"")
    assert bench.worker.status()["driver"] == "gnss"
    assert bench.worker.status()["messages"]["good"] >= 4  # type: ignore[index]
    bench.worker.close()


def test_another_device_takes_the_port(
    line: PtyLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = Pins(tmp_path / "ports.json")
    pins.put(str(line.link), "sirf")  # what was here once
    monkeypatch.setattr(serial_worker, "LOST_MESSAGES_MS", 0)
    bench = Bench(line, pins, baud=115_200)
    bench.turn(b"")
    assert bench.worker.status()["driver"] == "sirf"
    receiver = UbxReceiver(nmea=False)
    receiver.answer(make_driver("gnss").hello())  # somebody has set it to UBX
    for _ in range(6):
        bench.turn(receiver.epoch(FIX))
    assert bench.worker.status()["driver"] == "gnss"
    assert pins.get(str(line.link)) == "gnss"
    bench.worker.close()


def test_noise_is_never_recognised_and_never_grows() -> None:
    recogniser = Recogniser()
    for i in range(40):
        recogniser.feed(bytes((i * 7 + n * 31) & 0xFF for n in range(1_000)), i)
    assert recogniser.found is None
    assert len(recogniser.heard) <= HEARD_SIZE_MAX


def test_pins_are_bounded_and_damage_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    pins = Pins(path)
    for i in range(PINS_MAX + 5):
        pins.put(f"/dev/nothing{i}", "gnss")
    assert len(json.loads(path.read_text())) == PINS_MAX
    path.write_text("{")
    fresh = Pins(path)
    fresh.load()
    assert fresh.get("/dev/nothing9") is None
    path.write_text('{"/dev/a": "no-such-driver", "/dev/b": "sirf"}')
    fresh.load()
    assert (fresh.get("/dev/a"), fresh.get("/dev/b")) == (None, "sirf")


def test_auto_has_no_options_and_a_near_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    head = '[device]\nnumber = 7\n[[port]]\nname = "a"\npath = "/dev/x"\n'
    path.write_text(head + 'driver = "auto"\n')
    assert load(path).ports[0].driver == AUTO
    path.write_text(head + 'driver = "auto"\n[port.options]\nspeed = 1\n')
    with pytest.raises(ConfigError, match="port a: options: speed given, this driver has none"):
        load(path)
    path.write_text(head + 'driver = "auti"\n')
    with pytest.raises(ConfigError, match="did you mean 'auto'"):
        load(path)
    path.write_text(head + "options = 3\n")
    with pytest.raises(ConfigError, match="options: a table is needed, got int"):
        load(path)


def test_ports_says_what_is_on_them(
    line: PtyLine, tmp_path: Path, wait_for: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    import threading

    silent, river = PtyLine(tmp_path / "silent", 9_600), PtyLine(tmp_path / "river", 38_400)
    silent.plug()
    river.plug()
    vessels = AisReceiver()
    stop = threading.Event()

    def play() -> None:
        while not stop.wait(0.02):
            if not line.queue_size:
                line.write(NmeaReceiver().epoch(FIX))
            if not river.queue_size:
                river.write(vessels.position(Vessel(413_000_000, 36.7, 117.1, 50, 900, 90, 0)))
            for each in (line, river):
                each.read()
                each.pump(time.monotonic_ns())

    player = threading.Thread(target=play)
    player.start()
    try:
        paths = [str(line.link), str(silent.link), "/dev/there-is-none", str(river.link)]
        found = sniffing.sniff(paths, 6.0, ask=False)
        assert main(["ports", str(silent.link), "--seconds", "1"]) == 0
    finally:
        stop.set()
        player.join()
        silent.unplug()
        river.unplug()
    assert (found[0]["driver"], found[0]["baud"]) == ("gnss", 115_200)
    assert (found[3]["driver"], found[3]["baud"]) == ("ais", 38_400)
    assert found[0]["values"]["lat_deg_e9"] == FIX.lat_deg_e9
    assert (found[1]["driver"], found[1]["error"]) == (None, "")
    assert "no such device" in found[2]["error"]
    text = sniffing.as_text(found)
    assert 'driver = "gnss", 115200 baud' in text
    assert "CANNOT BE OPENED: no such device" in text
    assert "silent; a device that speaks only when asked" in capsys.readouterr().out
