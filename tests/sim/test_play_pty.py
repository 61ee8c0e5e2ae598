"""The emulated line, with a clock of our own; the client is the real port of the product."""

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.drivers import DRIVERS, make_driver
from firmware_bridge.ports import Port
from protocols.samples import Fix, FixMode, Reading
from protocols.units import NS_PER_MS
from sim.devices.gnss_ubx import UbxReceiver
from sim.pty import QUEUE_SIZE_MAX, PtyLine

ms = NS_PER_MS
FIX = Fix(1_767_268_800_000, FixMode.FIX_3D, 31_247_950_000, 121_587_438_000, 5_000, 0, 0, 900, 9, 12, 90)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[PtyLine]:
    line = PtyLine(tmp_path / "ports" / "r01", 9_600)
    yield line
    line.unplug()


def drain(fd: int) -> bytes:
    data = b""
    while select.select([fd], [], [], 0.05)[0]:
        data += os.read(fd, 4096)
    return data


def test_bytes_leave_at_the_rate_of_the_line(line: PtyLine) -> None:
    line.plug()
    port = Port(str(line.link), baud=9_600)
    port.maintain(0)
    line.write(bytes(range(256)) * 4)
    line.pump(0)
    for t_ms in (100, 200):
        line.pump(t_ms * ms)
    got = drain(port.fileno() or -1)
    assert len(got) == 192  # 9600 baud, ten bits a byte, 0.2 s
    assert got == (bytes(range(256)) * 4)[:192]
    wait_ns = line.wait_ns()
    assert wait_ns is not None
    assert 0 < wait_ns <= 67 * ms
    port.close()


def test_an_idle_line_saves_up_no_bytes(line: PtyLine) -> None:
    line.plug()
    port = Port(str(line.link), baud=9_600)
    port.maintain(0)
    line.pump(0)
    line.pump(60_000 * ms)
    line.write(b"x" * 500)
    line.pump(60_010 * ms)
    assert len(drain(port.fileno() or -1)) <= 10
    port.close()


def test_wrong_rate_hears_garbage(line: PtyLine) -> None:
    line.plug()
    port = Port(str(line.link), baud=115_200)
    port.maintain(0)
    assert line.client_baud() == 115_200
    line.pump(0)
    line.write(b"$GPGGA" * 50)
    line.pump(1000 * ms)
    got = drain(port.fileno() or -1)
    assert len(got) == 300
    assert min(got) >= 0x80
    port.close()


def test_nobody_reads_and_the_queue_is_bounded(line: PtyLine) -> None:
    line.plug()
    line.write(b"x" * (QUEUE_SIZE_MAX + 5))
    assert (line.queue_size, line.dropped_size) == (QUEUE_SIZE_MAX, 5)
    for turn in range(300):
        line.pump(turn * 1000 * ms)
    assert line.dropped_size > 5
    line.unplug()
    line.write(b"lost")
    assert line.queue_size == 0


def test_link_is_replaced_but_a_file_is_not(line: PtyLine) -> None:
    line.link.parent.mkdir()
    line.link.symlink_to("/nowhere")
    path = line.plug()
    assert os.readlink(line.link) == path
    assert line.plug() == path
    line.unplug()
    assert not line.link.is_symlink()
    line.link.write_text("precious")
    with pytest.raises(FileExistsError, match="is not a link"):
        line.plug()
    line.link.unlink()


def test_unplug_and_replug_under_a_real_port(line: PtyLine) -> None:
    line.plug()
    port = Port(str(line.link), baud=9_600)
    port.maintain(0)
    fd = port.fileno()
    assert fd is not None
    line.unplug()
    assert select.select([fd], [], [], 1.0)[0]
    port.read(1000 * ms)
    assert port.fileno() is None
    line.plug()
    opened_ms = next(
        t for t in range(0, 2001, 50) if port.maintain((1000 + t) * ms) and port.fileno() is not None
    )
    assert opened_ms <= 2000
    port.close()


def test_bad_rates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        PtyLine(tmp_path / "x", 0)


@pytest.mark.parametrize("baud", [9_600, 38_400, 4_800])
def test_auto_baud_greets_and_gets_high_precision(baud: int, tmp_path: Path) -> None:
    """The whole way: rate found among garbage, receiver asked, NAV-PVT and its last digits read."""
    line, receiver = PtyLine(tmp_path / "r01", baud), UbxReceiver()
    line.plug()
    port = Port(str(line.link), score=DRIVERS["gnss"].score)
    driver = make_driver("gnss")
    samples = []
    greeted = False
    for t_ms in range(0, 20_000, 50):
        now = t_ms * ms
        port.maintain(now)
        if port.locked and not greeted:
            greeted = port.write(driver.hello())
        if t_ms % 1000 == 0:
            line.write(receiver.epoch(FIX))
        line.write(receiver.answer(line.read()))
        line.pump(now)
        samples += [one for one in driver.feed(port.read(now), now) if not isinstance(one, Reading)]
        if len(samples) > 8:
            break
    assert port.stats.baud == baud
    assert {type(sample).__name__ for sample in samples} == {"Fix", "Identity"}
    last = samples[-1]
    assert isinstance(last, Fix)
    assert (last.lat_deg_e9, last.lon_deg_e9, last.hacc_mm) == (FIX.lat_deg_e9, FIX.lon_deg_e9, FIX.hacc_mm)
    port.close()
    line.unplug()
