"""Any order of anything: orders in every form, repeated, late, lost clocks, restarts, answers, full disks.

Held: nothing is done twice; an evacuation is obeyed unless an all-clear with a higher number is known, and sounds until
it is answered or lifted; the hub is told of everything that was taken.
"""

import errno
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge import identity
from protocols.catalog import EventCode
from protocols.orders import NEVER_LATE, OrderType

UTC_MS, HOUR_MS = 1_795_000_000_000, 3_600_000
ORDERS = (OrderType.EVACUATE, OrderType.RETREAT, OrderType.ALL_CLEAR, OrderType.TEXT, OrderType.TASK)
BRIEF = (OrderType.EVACUATE, OrderType.RETREAT, OrderType.TEXT)
# few numbers, so that orders are repeated often and lie on both sides of each other
numbers = st.integers(1, 12)


def kind_of(seq: int) -> OrderType:
    """A hub gives a number once."""
    return ORDERS[seq % len(ORDERS)]


class Orders(RuleBasedStateMachine):
    """Against a model: what was taken, and the highest all-clear."""

    new_rig: Any

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.rig = self.new_rig(Path(self.folder.name) / "spool.orders.json")
        self.done: dict[int, int] = {}
        self.answered: set[int] = set()
        self.cleared = 0
        self.full = False

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def note(self, before: dict[int, int]) -> None:
        for seq, times in self.rig.ears.times.items():
            self.done[seq] = self.done.get(seq, 0) + times - before.get(seq, 0)

    def came(self, seq: int, send: Any) -> None:
        kind, before = kind_of(seq), dict(self.rig.ears.times)
        was_taken = seq in self.done
        with self.disk():
            send()
        self.note(before)
        if kind in NEVER_LATE and seq > self.cleared:
            assert self.done[seq] == 1, "an evacuation that nothing lifts is obeyed, once"
        if kind in NEVER_LATE and seq < self.cleared and not was_taken:
            assert seq not in self.done, "a newer all-clear is known"
        if kind == OrderType.ALL_CLEAR and seq in self.done:
            self.cleared = max(self.cleared, seq)
        assert not self.rig.ears.alarms

    def disk(self) -> Any:
        if self.full:
            return patch.object(
                identity, "write", side_effect=OSError(errno.ENOSPC, "No space left on device")
            )
        return patch.object(identity, "write", wraps=identity.write)

    @rule(seq=numbers)
    def full_form(self, seq: int) -> None:
        self.came(seq, lambda: self.rig.send(kind_of(seq), seq, body={"text": "x"}))

    @rule(seq=numbers.filter(lambda seq: kind_of(seq) in BRIEF))
    def brief_form(self, seq: int) -> None:
        self.came(seq, lambda: self.rig.send_brief(kind_of(seq), seq, body={"text": "x"}))

    @rule(seq=numbers.filter(lambda seq: kind_of(seq) in NEVER_LATE))
    def broadcast(self, seq: int) -> None:
        self.came(seq, lambda: self.rig.broadcast(kind_of(seq), seq))

    @rule(jump_ms=st.sampled_from((None, -HOUR_MS, 0, 1, HOUR_MS, 1_000 * HOUR_MS)))
    def clock(self, jump_ms: int | None) -> None:
        """It jumps by an hour, or is not known any more."""
        self.rig.utc_ms = None if jump_ms is None else UTC_MS + jump_ms

    @rule(seconds=st.sampled_from((1, 40)))
    def later(self, seconds: int) -> None:
        self.rig.run(seconds)

    @rule(full=st.booleans())
    def disk_fills(self, full: bool) -> None:
        self.full = full
        if not full:
            self.rig.run(6)

    @rule()
    def restart(self) -> None:
        if self.full:
            return  # what was never written may be done again, and is said
        self.rig.run(6)
        was = {seq for seq in self.rig.ears.asked if kind_of(seq) in NEVER_LATE}
        self.rig.restart()
        assert {seq for seq in self.rig.ears.asked if kind_of(seq) in NEVER_LATE} == was

    @rule(seq=numbers, code=st.sampled_from((EventCode.ACCEPTED, EventCode.REFUSED, EventCode.DONE)))
    def answer(self, seq: int, code: EventCode) -> None:
        if seq in self.rig.ears.asked:
            self.rig.desk.answered(seq, code, self.rig.t_ms)
            self.answered.add(seq)
            if kind_of(seq) in NEVER_LATE:
                self.answered |= {one for one in self.done if one < seq and kind_of(one) in NEVER_LATE}
            if kind_of(seq) == OrderType.TASK and code == EventCode.ACCEPTED:
                self.rig.ears.accept(seq)

    @invariant()
    def evacuations_sound_until_they_are_answered_or_lifted(self) -> None:
        if not hasattr(self, "rig"):
            return
        standing = {
            seq
            for seq in self.done
            if kind_of(seq) in NEVER_LATE and seq > self.cleared and seq not in self.answered
        }
        assert standing <= set(self.rig.ears.asked)
        lifted = {seq for seq in self.rig.ears.asked if kind_of(seq) in NEVER_LATE and seq < self.cleared}
        assert not lifted

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert all(times == 1 for times in getattr(self, "done", {}).values())


def run(new_rig: Any, examples: int, phases: tuple[Phase, ...] = tuple(Phase)) -> None:
    machine: Any = type("Machine", (Orders,), {"new_rig": staticmethod(new_rig)})
    case = machine.TestCase
    case.settings = settings(max_examples=examples, stateful_step_count=40, phases=phases)
    case("runTest").runTest()


def test_any_sequence_of_orders(new_rig: Any) -> None:
    run(new_rig, 80)


@pytest.mark.parametrize(
    "broken", ["edge.obey.Judge.take", "edge.obey.Judge.resume", "edge.obey_desk.ObeyDesk._lift"]
)
def test_the_model_notices_what_is_broken(new_rig: Any, broken: str) -> None:
    """Numbers that are forgotten, at once or by a restart; an all-clear that lifts nothing."""
    with patch(broken, lambda *_: None), pytest.raises((AssertionError, BaseExceptionGroup)):
        run(new_rig, 200, (Phase.generate,))
