"""A driver in a process of its own: the real process on a real line, and processes that misbehave."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge import apart_worker
from edge.agent import Agent
from edge.apart_worker import FLOOD_SIZE_PER_S, MISSING_RETRY_MS, NS_PER_S, ApartWorker, make_worker
from edge.config import PortConfig, load
from edge.serial_worker import SerialWorker
from edge.spool import SpoolRow
from firmware_bridge.apart.pipe import encode
from firmware_bridge.heart_strap import HEART
from protocols.catalog import Kind, Said, Source, Stream, field_id
from protocols.frame import Row
from protocols.samples import Heard, Identity, Observed, Reading, Sample
from protocols.units import NS_PER_MS
from sim.devices.ais import AisReceiver, Vessel
from sim.devices.heart_strap import Heart, HeartStrap
from sim.pty import PtyLine

VESSEL = Vessel(413_000_001, 36.675_8, 117.024_9, 123, 2_193, 45, 0, 30, "LU JINAN 01", 51)
LIMIT_S = 15
Make = Callable[..., tuple[ApartWorker, list[Sample]]]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes workers that run a script in place of a driver's module, or the module itself; ends them all."""
    made: list[ApartWorker] = []

    def make(script: str = "", config: PortConfig | None = None) -> tuple[ApartWorker, list[Sample]]:
        samples: list[Sample] = []
        one = make_worker(
            config or PortConfig("a", "/dev/null", "ais"), lambda sample, _t: samples.append(sample)
        )
        assert isinstance(one, ApartWorker)
        if script:
            monkeypatch.setattr(one, "command", lambda: [sys.executable, "-c", script])
        made.append(one)
        return one, samples

    yield make
    for one in made:
        one.close()


def turn(worker: ApartWorker, until: Callable[[], object], each: Callable[[], None] = lambda: None) -> None:
    """The agent's loop, until something is so."""
    end_s = time.monotonic() + LIMIT_S
    while not until():
        assert time.monotonic() < end_s, worker.status()
        each()
        worker.maintain(time.monotonic_ns())
        fd = worker.fileno()
        ready, _, _ = select.select([] if fd is None else [fd], [], [], 0.02)
        if ready:
            worker.on_readable()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[PtyLine]:
    line = PtyLine(tmp_path / "ais0", 38_400)
    line.plug()
    yield line
    line.unplug()


def test_ais_from_a_line_to_samples_with_the_real_process(worker: Make, line: PtyLine) -> None:
    """Auto-baud, the process, the pipe, the worker; then unplugged and plugged in again."""
    one, samples = worker(config=PortConfig("river", str(line.link), "ais"))
    receiver = AisReceiver()

    def speak() -> None:
        if line.queue_size == 0:
            line.write(receiver.position(VESSEL, 1) + receiver.static(VESSEL))
        line.pump(time.monotonic_ns())

    turn(one, lambda: len(samples) >= 6, speak)
    assert isinstance(samples[0], Observed)
    assert samples[0].id == 413_000_001
    assert Heard(Source.AIS, 413_000_001, Said.NAME, "LU JINAN 01") in samples
    turn(one, lambda: one.status()["open"], speak)
    status = one.status()
    assert (status["baud"], status["starts"], status["bad_lines"]) == (38_400, 1, 0)
    assert one.bad() <= 2, "a sentence may be cut where the port opens"
    assert not one.silent(time.monotonic_ns())
    line.unplug()
    turn(one, lambda: not one.status()["open"])
    line.plug()
    before = len(samples)
    turn(one, lambda: len(samples) > before and one.status()["open"], speak)
    assert one.status()["starts"] == 1, "the process has outlived its device"


def test_the_agent_keeps_rows_of_vessels(
    tmp_path: Path, line: PtyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes on a line, the real process, and the whole agent, without a hub."""
    (tmp_path / "1001.key").write_text("ab" * 32)
    (tmp_path / "edge.toml").write_text(
        f'[device]\nnumber = 1001\nkey_file = "1001.key"\n[mqtt]\nport = 1\n[[port]]\nname = "river"\n'
        f'path = "{line.link}"\ndriver = "ais"\nbaud = 38400\n'
    )
    agent = Agent(load(tmp_path / "edge.toml"))
    rows: list[tuple[Kind, Row]] = []
    keep, status = agent._keep, {}

    def note(stream: Stream, kind: Kind, row: Row) -> SpoolRow:
        rows.append((kind, row))
        if {Kind.OBSERVED, Kind.SAID} <= {kind for kind, _ in rows} or time.monotonic() > end_s:
            status.update(agent._answer("status"))
            agent.stop()
        return keep(stream, kind, row)

    monkeypatch.setattr(agent, "_keep", note)
    receiver, end_s = AisReceiver(), time.monotonic() + LIMIT_S
    done = threading.Event()

    def speak() -> None:
        while not done.wait(0.02):
            if line.queue_size == 0:
                line.write(receiver.position(VESSEL, 1) + receiver.static(VESSEL))
            line.pump(time.monotonic_ns())

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        agent.run()
    finally:
        done.set()
        speaker.join()
    observed = next(row for kind, row in rows if kind == Kind.OBSERVED)
    assert observed.values[field_id("obs_id") % 64] == 413_000_001
    assert observed.values[field_id("obs_lat_deg_e7") % 64] == 366_758_000
    assert next(row for kind, row in rows if kind == Kind.SAID).words == (2, 413_000_001, 0, "LU JINAN 01")
    process = status["ports"]["river"]["process"]
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_strap_s_recording_with_the_real_process(worker: Make, tmp_path: Path) -> None:
    strap = HeartStrap()
    text = "".join(strap.step(at, Heart(80 + at)) for at in range(5)) + strap.step(5, Heart(0, False))
    (tmp_path / "strap.hex").write_text(text)
    config = PortConfig("strap", "hci0", "heart_strap", options=("--replay", str(tmp_path / "strap.hex")))
    one, samples = worker(config=config)
    turn(one, lambda: one.status()["last_error"] == "the recording has ended")
    assert samples == [Reading({HEART: bpm}) for bpm in range(80, 85)]
    assert one.status()["messages"]["good"] == 6  # type: ignore[index]


@pytest.mark.parametrize(("driver", "package"), [("ais", "pyais"), ("heart_strap", "bleak")])
def test_a_missing_package_is_one_line_and_no_storm(
    worker: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, package: str
) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.getcwd()]))
    one, samples = worker(config=PortConfig("x", "none", driver))
    turn(one, lambda: one.status()["last_error"] and not one.status()["process"])
    assert f"needs pip install zhantu[{'ais' if driver == 'ais' else 'ble'}]" in str(
        one.status()["last_error"]
    )
    now_ns = time.monotonic_ns()
    one.maintain(now_ns + (MISSING_RETRY_MS - 5_000) * NS_PER_MS)
    assert (one.status()["starts"], one.status()["process"], samples) == (1, None, [])
    one.maintain(now_ns + (MISSING_RETRY_MS + 5_000) * NS_PER_MS)
    assert one.status()["starts"] == 2


def test_a_process_that_ends_is_started_again_later_and_later(worker: Make) -> None:
    one, _ = worker("import sys; sys.exit('the dog ate it')")
    now_ns, waits_s = time.monotonic_ns(), []
    for _ in range(8):
        one.maintain(now_ns)
        process = one._process
        assert process is not None
        process.wait(LIMIT_S)
        one.maintain(now_ns)
        assert one.status()["last_error"] == "ended with 1: the dog ate it"
        wait_s = next(s for s in range(100) if _starts(one, now_ns + s * NS_PER_S))
        now_ns += wait_s * NS_PER_S
        waits_s.append(wait_s)
        assert one._process is not None
        one._process.wait(LIMIT_S)
        one.maintain(now_ns)
        now_ns += 100 * NS_PER_S
    assert waits_s[:4] == [1, 4, 16, 60]
    assert max(waits_s) == 60


def _starts(worker: ApartWorker, t_mono_ns: int) -> bool:
    before = worker.status()["starts"]
    worker.maintain(t_mono_ns)
    return worker.status()["starts"] != before


def test_a_flood_is_read_by_a_ration_and_counted(worker: Make) -> None:
    """Valid lines without end: no more than the ration a second is read, and the pipe holds the rest back."""
    text = encode(Identity("x" * 500)).decode()
    one, samples = worker(f"import sys\nwhile True: sys.stdout.write({text!r} * 50)")
    now_ns = time.monotonic_ns()
    one.maintain(now_ns)
    turn_size = []
    for second in range(3):
        one.maintain(now_ns + second * NS_PER_S)
        before = len(samples)
        while (fd := one.fileno()) is not None:
            assert select.select([fd], [], [], LIMIT_S)[0]
            one.on_readable()
        turn_size.append((len(samples) - before) * len(text))
    assert max(turn_size) <= FLOOD_SIZE_PER_S + apart_worker.READ_SIZE
    assert one.status()["floods"] == 3
    assert one.bad() == 0


def test_garbage_is_counted_and_harms_nobody(worker: Make) -> None:
    good = encode(Identity("after it")).decode()
    script = "import sys, os\nos.write(1, bytes(range(256)) * 200 + b'\\n' + b'{\"v\":1}\\n[]\\n')\n"
    one, samples = worker(f"{script}sys.stdout.write({good!r})\nsys.stdout.flush()\nsys.stdin.read()")
    turn(one, lambda: samples)
    assert samples == [Identity("after it")]
    assert one.bad() >= 3
    assert one.status()["model"] == "after it"


def test_a_process_that_hangs_is_killed(worker: Make) -> None:
    one, _ = worker("import sys; sys.stdin.read()")
    now_ns = time.monotonic_ns()
    one.maintain(now_ns)
    process = one._process
    assert process is not None
    one.maintain(now_ns + 9 * NS_PER_S)
    assert process.poll() is None
    one.maintain(now_ns + 11 * NS_PER_S)
    assert process.wait(LIMIT_S) == -signal.SIGKILL
    one.maintain(now_ns + 12 * NS_PER_S)
    assert one.status()["last_error"] == "ended with -9: hangs"


def test_it_inherits_no_secret_and_has_a_group_of_its_own(
    worker: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZHANTU_SECRET", "hunter2")
    out = tmp_path / "seen"
    one, _ = worker(
        f"import os, sys\nopen({str(out)!r} + '.part', 'w').write(f'{{os.getpgid(0) == os.getpid()}} "
        f'{{sorted(os.environ)}} {{sorted(os.listdir("/proc/self/fd"))}}\')\n'
        f"os.rename({str(out)!r} + '.part', {str(out)!r})\nsys.stdin.read()"
    )
    turn(one, out.exists)
    text = out.read_text()
    assert text.startswith("True")
    assert "SECRET" not in text
    assert text.endswith("['0', '1', '2', '3', '4']"), (
        "stdin, stdout, stderr, the file and the listing itself"
    )


@pytest.mark.parametrize("driver", ["ais", "heart_strap"])
def test_the_process_ends_with_the_agent(driver: str, tmp_path: Path) -> None:
    """The agent is killed: all it leaves is an end of file on the process's stdin."""
    script = (
        "import sys, time\nfrom edge.apart_worker import make_worker\nfrom edge.config import PortConfig\n"
        f"w = make_worker(PortConfig('x', {str(tmp_path / 'none')!r}, {driver!r}, "
        f"options={() if driver == 'ais' else ('--replay', str(tmp_path / 'r'))!r}), lambda *_: None)\n"
        "w.maintain(time.monotonic_ns())\n"
        "while not w._reader.good: w.maintain(time.monotonic_ns()); w.on_readable()\n"
        "print(w.status()['process'], flush=True)\nsys.stdin.read()"
    )
    (tmp_path / "r").write_text("0 0048\n99999 0048\n")
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1) as agent:
        assert agent.stdout is not None
        pid = int(agent.stdout.readline())
        watch = os.pidfd_open(pid)
        agent.kill()
        ended, _, _ = select.select([watch], [], [], LIMIT_S)
        os.close(watch)
    assert ended


def test_the_agent_never_loads_what_runs_apart() -> None:
    script = (
        "import edge.agent, edge.check, sys\nprint(sorted({'pyais', 'bleak', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_other_drivers_have_a_serial_worker() -> None:
    assert isinstance(make_worker(PortConfig("g", "/none", "gnss"), print), SerialWorker)


def test_what_it_does_not_do() -> None:
    one = ApartWorker(PortConfig("a", "/dev/x", "ais", baud=4_800), print)
    assert one.command()[1:] == ["-m", "firmware_bridge.apart.ais", "--path", "/dev/x", "--baud", "4800"]
    assert (one.fileno(), one.due_mono_ns(), one.send(b"x"), one.silent(10**18), one.bad()) == (
        None, None, False, False, 0
    )  # fmt: skip
    one.on_readable()
    one.close()
