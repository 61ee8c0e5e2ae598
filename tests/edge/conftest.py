"""Fixtures of the edge tests: rows, an open spool, a hub that only acknowledges, one that only enrols, agents."""

import json
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.bearers.interface import BearerStats, Traits
from edge.sender import Sender
from edge.spool import Spool
from protocols import acks, frame
from protocols.acks import Ack
from protocols.catalog import Bearer, BearerState, Kind, Lane
from protocols.intervals import Intervals
from protocols.keys import MacKey

KEY = MacKey(bytes(range(32)), "live")
PATIENCE_S = 30.0


class FakeHub:
    """Keeps every frame and row it was given, and can acknowledge them; a network that loses is `deaf`."""

    def __init__(self) -> None:
        self.frames: list[tuple[Lane, frame.Frame]] = []
        self.rows: dict[tuple[int, int, int], frame.Row] = {}
        self.repeats = 0
        self.held: dict[tuple[int, int], Intervals] = {}
        self.bodies: list[tuple[Kind, list[int]]] = []
        self.deaf = False
        self.full = False

        self.state = BearerState.UP
        self.stats = BearerStats()
        self.traits = Traits(Bearer.MQTT, "mqtt", 1, frame.FRAME_BYTES_MAX)

    def publish(self, lane: Lane, data: bytes) -> bool:
        if self.full:
            return False
        if self.deaf:
            return True
        decoded = frame.decode(frame.open_envelope(data, KEY))
        envelope = decoded.envelope
        self.frames.append((lane, decoded))
        if envelope.n == 0:
            self.bodies.append((Kind(envelope.kind), decoded.body))
            if envelope.kind == Kind.GAP:
                closed = self.held.setdefault((envelope.boot, decoded.body[0]), Intervals())
                for first, last in zip(decoded.body[1::2], decoded.body[2::2], strict=True):
                    closed.add(first, last)
        for i in range(envelope.n):
            key = (envelope.boot, envelope.stream, envelope.row + i * envelope.step)
            values = {bit: v for bit, column in decoded.columns.items() if (v := column[i]) is not None}
            row = frame.Row(decoded.t_mono_ms[i], values)
            assert self.rows.get(key, row) == row, "one number, two contents"
            self.repeats += key in self.rows
            self.rows[key] = row
            self.held.setdefault(key[:2], Intervals()).add(key[2], key[2] + envelope.step - 1)
        return True

    def acks(self) -> list[Ack]:
        made = []
        for (boot, stream), held in self.held.items():
            ranges = list(held)
            watermark = ranges.pop(0)[1] + 1 if ranges and ranges[0][0] == 0 else 0
            made.append(Ack(1_795_000_000_000, boot, stream, watermark, tuple(ranges)))
        return [acks.unpack(acks.pack(ack, KEY), KEY) for ack in made]


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def mac_key() -> MacKey:
    return KEY


@pytest.fixture
def make_certificates() -> Callable[[Path], None]:
    """Writes cert.pem and key.pem for localhost into a folder."""
    path = Path(__file__).parents[1] / "bench/certificates.py"
    made: Callable[[Path], None] = runpy.run_path(str(path))["make_certificates"]
    return made


def patiently(what: Callable[[], Any], why: str) -> Any:
    """The first true answer of `what`, asked every 50 ms."""
    end, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while time.monotonic() < end:
        if answer := what():
            return answer
        pause.wait(0.05)
    raise AssertionError(f"waited {PATIENCE_S:g} s in vain: {why}")


@pytest.fixture(scope="session")
def wait_for() -> Callable[[Callable[[], Any], str], Any]:
    return patiently


@pytest.fixture(scope="session")
def parts() -> SimpleNamespace:
    """The classes of hub_of_a_test.py."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hub_of_a_test.py"))))


@pytest.fixture
def new_hub(tmp_path: Path, parts: SimpleNamespace) -> Iterator[Callable[..., Any]]:
    """Makes hubs that enrol; all end with the test."""
    made: list[Any] = []

    def make(**how: Any) -> Any:
        made.append(parts.EnrollingHub(tmp_path / f"hub-{len(made)}", **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def tls_broker(parts: SimpleNamespace) -> Iterator[Callable[[Any], Any]]:
    """Starts the broker of a hub."""
    made: list[Any] = []

    def start(hub: Any) -> Any:
        made.append(parts.TlsBroker(hub))
        return made[-1]

    yield start
    for one in made:
        one.kill()


class AgentProgram:
    """An unmodified agent as a program."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.log = config.with_name("agent.log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge", "run", "--config", config], stdout=log, stderr=log
            )

    def status(self) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "edge", "status", "--config", self.config],
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}

    def loaded(self) -> str:
        """The libraries that are mapped into it. **Source:** proc(5), /proc/pid/maps."""
        return Path(f"/proc/{self.process.pid}/maps").read_text(encoding="utf-8")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(15)


@pytest.fixture
def start_agent() -> Iterator[Callable[[Path], AgentProgram]]:
    """Starts agents; all end with the test."""
    made: list[AgentProgram] = []

    def start(config: Path) -> AgentProgram:
        made.append(AgentProgram(config))
        return made[-1]

    yield start
    for agent in made:
        if agent.process.poll() is None:
            agent.stop()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool.db", boot=77, bytes_max=10 * 2**20)
    made.open()
    yield made
    made.close()


@pytest.fixture
def sender(spool: Spool, hub: FakeHub) -> Sender:
    made = Sender(spool, KEY, 1001, live_ms=1000)
    made.attach(hub)
    made.start()
    return made


@pytest.fixture
def new_drive() -> Callable[..., Any]:
    """The class of guard_drive.py: a guard with a fake clock."""
    made: Callable[..., Any] = runpy.run_path(str(Path(__file__).with_name("guard_drive.py")))["Drive"]
    return made


@pytest.fixture
def drive(new_drive: Callable[..., Any]) -> Any:
    """A guard with the default settings, outside the danger area."""
    return new_drive()


@pytest.fixture
def new_rig() -> Callable[..., Any]:
    """The class of obey_rig.py: a desk of orders with a fake wearer and clock."""
    made: Callable[..., Any] = runpy.run_path(str(Path(__file__).with_name("obey_rig.py")))["Rig"]
    return made


@pytest.fixture
def rig(new_rig: Callable[..., Any], tmp_path: Path) -> Any:
    """A desk with two commanders on the held list."""
    return new_rig(tmp_path / "spool.orders.json")
