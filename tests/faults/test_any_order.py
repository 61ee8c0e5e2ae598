"""Frames and acknowledgements in any order, twice, late or never, with restarts of the hub: what the hub has in the end
is what it has after a clean run. A state machine draws what happens.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from edge.bearers.interface import BearerStats, Traits
from edge.sender import Sender
from edge.spool import Spool
from hub.live.picture import FLAG_OUTLIER, FLAG_SMOOTHED
from protocols import acks, topics
from protocols.catalog import FIELDS_BY_NAME, Bearer, BearerState, Kind, Lane, Stream
from protocols.frame import FRAME_BYTES_MAX, Row

DEVICE, BOOT = 7, 4711
LAT, LON, MODE = (FIELDS_BY_NAME[name].bit for name in ("lat_deg_e7", "lon_deg_e7", "fix_mode"))
CODE, EVENT_ID, PHASE = (FIELDS_BY_NAME[f"event_{name}"].bit for name in ("code", "id", "phase"))
ROUNDS_MAX = 400


class Net:
    """A bearer that keeps what it was given until somebody delivers it."""

    def __init__(self) -> None:
        self.state = BearerState.UP
        self.stats = BearerStats()
        self.traits = Traits(Bearer.MQTT, "net", 1, FRAME_BYTES_MAX)
        self.up: list[tuple[Lane, bytes]] = []
        self.down: list[bytes] = []

    def publish(self, lane: Lane, data: bytes) -> bool:
        self.up.append((lane, data))
        return True


class Pair:
    """A gateway's spool and sender, and a hub, with a net between them."""

    def __init__(self, parts: Any, folder: Path) -> None:
        self.folder = folder
        (folder / "hub").mkdir(parents=True)
        self.bench = parts.Bench(folder / "hub", parts.FakeClock())
        self.bench.enrol(DEVICE)
        self.make_quick()
        self.key = self.bench.mac_key(DEVICE)
        self.start_utc_ms = self.bench.clock.now
        self.net = Net()
        self.spool = Spool(folder / "spool.db", BOOT, 2**20)
        self.spool.open()
        self.spool.db.execute("PRAGMA synchronous=OFF")
        self.sender = Sender(self.spool, self.key, DEVICE, live_ms=1_000)
        self.sender.attach(self.net)
        self.t_ms = 0

    def make_quick(self) -> None:
        """Power is not cut here."""
        for db in (self.bench.log._db, self.bench.log._archive):
            db.conn.execute("PRAGMA synchronous=OFF")

    def say(self, stream: Stream, kind: Kind, values: dict[int, int]) -> None:
        self.sender.add(self.spool.append(stream, kind, Row(self.t_ms, values), self.start_utc_ms, 2))
        self.spool.commit()

    def deliver(self, lane: Lane, data: bytes) -> None:
        self.bench.put((topics.up("live", DEVICE, lane), data))
        self.bench.sent.clear()
        self.bench.ingest.acknowledge(lambda _device, ack: self.net.down.append(ack))

    def answer(self, data: bytes) -> None:
        self.sender.on_ack(acks.unpack(data, self.key), self.t_ms)

    def clean_turn(self) -> None:
        """Everything arrives, in order, once."""
        self.sender.pump(self.t_ms)
        while self.net.up:
            self.deliver(*self.net.up.pop(0))
        while self.net.down:
            self.answer(self.net.down.pop(0))
        self.spool.commit()

    def move(self, ms: int) -> None:
        self.t_ms += ms
        self.bench.clock.now = self.start_utc_ms + self.t_ms

    def state(self) -> dict[str, Any]:
        """What a commander can see, and what the hub would acknowledge."""
        cover = {stream: self.bench.ingest.coverage((DEVICE, BOOT, int(stream))) for stream in Stream}
        seen = {"at": self.bench.lat(), "t": self.bench.t_fix()} if self.spool._next.get(Stream.ROWS) else {}
        return {
            "rows": sorted(self.bench.stored_rows()),  # doubled ones are there twice
            "coverage": {stream: (list(c.closed), list(c.gaps)) for stream, c in cover.items()},
            # Whether a fix was smoothed or surprised the track depends on the fixes that came before it, by design.
            "flags": self.bench.flags() & ~(FLAG_SMOOTHED | FLAG_OUTLIER),
            **seen,
        }

    def close(self) -> None:
        self.spool.close()
        self.bench.close()
        shutil.rmtree(self.folder)


class AnyOrder(RuleBasedStateMachine):
    parts: Any

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.wild = Pair(self.parts, self.folder / "wild")
        self.clean = Pair(self.parts, self.folder / "clean")
        self.past: list[tuple[Lane, bytes]] = []
        self.past_acks: list[bytes] = []
        self.serial = 0

    def both(self, stream: Stream, kind: Kind, values: dict[int, int]) -> None:
        for pair in (self.wild, self.clean):
            pair.say(stream, kind, values)
        self.clean.clean_turn()

    @rule(count=st.integers(1, 4))
    def rows(self, count: int) -> None:
        for _ in range(count):
            self.serial += 1
            self.pass_time(1_000)
            values = {LAT: 366_000_000 + self.serial, LON: 1_170_000_000, MODE: 3}
            self.both(Stream.ROWS, Kind.STATE, values)

    @rule(phase=st.sampled_from([0, 2]), number=st.integers(1, 3))
    def event(self, phase: int, number: int) -> None:
        self.pass_time(100)
        self.both(Stream.EVENTS, Kind.EVENT, {CODE: 1, EVENT_ID: number, PHASE: phase})

    @rule(ms=st.sampled_from([50, 1_100, 4_000, 70_000]))
    def pass_time(self, ms: int) -> None:
        for pair in (self.wild, self.clean):
            pair.move(ms)

    @rule()
    def pump(self) -> None:
        self.wild.sender.pump(self.wild.t_ms)

    @rule(data=st.data(), keep=st.booleans())
    def deliver(self, data: st.DataObject, keep: bool) -> None:
        """Any frame that is under way; `keep`: it comes once more."""
        if self.wild.net.up:
            at = data.draw(st.integers(0, len(self.wild.net.up) - 1))
            sent = self.wild.net.up[at] if keep else self.wild.net.up.pop(at)
            self.past.append(sent)
            self.wild.deliver(*sent)

    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        """A frame of long ago."""
        if self.past:
            self.wild.deliver(*data.draw(st.sampled_from(self.past)))

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        if self.wild.net.up:
            self.wild.net.up.pop(data.draw(st.integers(0, len(self.wild.net.up) - 1)))

    @rule(data=st.data(), keep=st.booleans())
    def answer(self, data: st.DataObject, keep: bool) -> None:
        if self.wild.net.down:
            at = data.draw(st.integers(0, len(self.wild.net.down) - 1))
            ack = self.wild.net.down[at] if keep else self.wild.net.down.pop(at)
            self.past_acks.append(ack)
            self.wild.answer(ack)

    @rule(data=st.data())
    def answer_again(self, data: st.DataObject) -> None:
        if self.past_acks:
            self.wild.answer(data.draw(st.sampled_from(self.past_acks)))

    @rule()
    def restart_hub(self) -> None:
        self.wild.bench.restart()
        self.wild.make_quick()

    def teardown(self) -> None:
        try:
            for _ in range(ROUNDS_MAX):
                self.wild.clean_turn()
                self.clean.clean_turn()
                if not self.wild.sender.waiting_rows() and not self.clean.sender.waiting_rows():
                    break
                self.pass_time(1_000)
            assert self.wild.spool.count() == 0, "rows remain"
            assert self.wild.state() == self.clean.state()
        finally:
            for pair in (self.wild, self.clean):
                pair.close()
            shutil.rmtree(self.folder)


@pytest.mark.slow
def test_any_order_ends_in_the_state_of_a_clean_run(
    bench_parts: Any, report: Callable[..., None], minutes: float
) -> None:
    examples = min(2_000, round(40 * max(1.0, minutes)))
    made = 0

    class Counted(AnyOrder):
        parts = bench_parts

        def teardown(self) -> None:
            nonlocal made
            made += sum(self.wild.spool._next.values())
            super().teardown()

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Counted,
        settings=settings(max_examples=examples, stateful_step_count=40, derandomize=True),
    )
    report("any order, twice, or never", times=examples, made=made, stored=made)
