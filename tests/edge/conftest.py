"""Fixtures of the edge tests: rows, an open spool, and a hub that only acknowledges."""

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.sender import Sender
from edge.spool import Spool
from protocols import acks, frame
from protocols.acks import Ack
from protocols.catalog import Kind, Lane
from protocols.intervals import Intervals
from protocols.keys import MacKey

KEY = MacKey(bytes(range(32)), "live")


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
        for i in range(envelope.n):
            key = (envelope.boot, envelope.stream, envelope.row + i)
            values = {bit: v for bit, column in decoded.columns.items() if (v := column[i]) is not None}
            row = frame.Row(decoded.t_mono_ms[i], values)
            assert self.rows.get(key, row) == row, "one number, two contents"
            self.repeats += key in self.rows
            self.rows[key] = row
            self.held.setdefault(key[:2], Intervals()).add(key[2], key[2])
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


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool.db", boot=77, bytes_max=10 * 2**20)
    made.open()
    yield made
    made.close()


@pytest.fixture
def sender(spool: Spool) -> Sender:
    made = Sender(spool, KEY, 1001, live_ms=1000)
    made.start()
    return made
