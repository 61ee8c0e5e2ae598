"""A wearer with two buttons and a buzzer: the emulated board, its driver and the guard together, on a fake clock."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge.events import EventRow
from edge.guard.guard import TICK_MS, Acts, Guard
from edge.guard.settings import GuardConfig, Person
from firmware_bridge.board import BoardDriver
from firmware_bridge.interface import Settings
from protocols.catalog import EventCode, EventPhase, Posture
from protocols.wearer import GESTURES, Gesture, GestureRow, Pattern
from sim.devices.board import Board

STEP_MS = 50
NS_PER_MS = 1_000_000
MOVING, STILL = 400, 20


class Wearer:
    """Presses real buttons; bytes go both ways; `events` is what the guard gave out."""

    def __init__(self, config: GuardConfig) -> None:
        self.guard = Guard(config, Person(), 1)
        self.driver = BoardDriver(Settings())
        self.board = Board(values={"activity_mg": MOVING, "posture": Posture.UPRIGHT, "heart_bpm": 90})
        self.t_ms = 0
        self.events: list[EventRow] = []
        self.board.answer(self.driver.hello())

    def _do(self, acts: Acts) -> None:
        self.events += acts.rows
        for command in acts.commands:
            assert self.driver.tell(command), command

    def _carry(self, up: bytes) -> None:
        for sample in self.driver.feed(up, self.t_ms * NS_PER_MS):
            self._do(self.guard.hear(sample, self.t_ms))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1000 / STEP_MS)):
            self.t_ms += STEP_MS
            self._carry(self.board.step(self.t_ms))
            if self.t_ms % TICK_MS == 0:
                self._do(self.guard.tick(self.t_ms))
            for _ in range(4):
                self._carry(self.board.answer(self.driver.talk(self.t_ms * NS_PER_MS)))

    def press(self, gesture: Gesture) -> None:
        row: GestureRow = next(row for row in GESTURES if row.gesture == gesture)
        for _ in range(row.presses):
            self.board.levels(row.buttons in ("red", "both"), row.buttons in ("grey", "both"), self.t_ms)
            self.run((row.hold_ms + 200) / 1000 if row.hold_ms else 0.15)
            self.board.levels(False, False, self.t_ms)
            self.run(0.2)
        self.run(1.5)

    def phases(self, code: EventCode) -> list[EventPhase]:
        return [event.phase for event in self.events if event.code == code]

    def heard(self) -> list[Pattern]:
        return [pattern for _, pattern in self.board.played]


@pytest.fixture
def new_wearer() -> Callable[..., Wearer]:
    def make(**changes: Any) -> Wearer:
        made = Wearer(replace(GuardConfig(), **changes))
        made.run(2)
        return made

    return make


@pytest.fixture
def wearer(new_wearer: Callable[..., Wearer]) -> Wearer:
    return new_wearer()


@pytest.mark.parametrize(
    ("gesture", "code"),
    [(Gesture.SOS, EventCode.SOS), (Gesture.ENTRY, EventCode.ENTERED), (Gesture.ANSWER, EventCode.RECEIVED),
     (Gesture.ACCEPT, EventCode.ACCEPTED), (Gesture.REFUSE, EventCode.REFUSED), (Gesture.DONE, EventCode.DONE)],
)  # fmt: skip
def test_each_gesture_of_the_table_is_its_event_once(
    wearer: Wearer, gesture: Gesture, code: EventCode
) -> None:
    wearer.press(gesture)
    wearer.run(5)
    assert [event.code for event in wearer.events] == [code]


def test_an_sos_is_confirmed_seen_and_cancelled_by_ear(wearer: Wearer) -> None:
    wearer.press(Gesture.SOS)
    (row,) = wearer.events
    wearer.guard.sent(row, wearer.t_ms, held=False)
    wearer.run(1)
    wearer.guard.sent(row, wearer.t_ms, held=True)
    wearer.run(1)
    wearer._do(wearer.guard.seen(row.event_id, "王指挥", wearer.t_ms))
    wearer.run(3)
    wearer.press(Gesture.CANCEL)
    assert wearer.heard() == [Pattern.SENDING, Pattern.SENDING, Pattern.SEEN, Pattern.CLEARED]
    assert wearer.phases(EventCode.SOS) == [EventPhase.RAISED, EventPhase.REPEATED, EventPhase.CANCELLED]
    shown = [text for _, text in wearer.board.shown]
    assert "指挥员已看到 seen: 王指挥" in shown


def test_pass_from_the_entry_to_the_cancel(wearer: Wearer) -> None:
    wearer.press(Gesture.ENTRY)
    wearer.board.values["activity_mg"] = STILL
    wearer.run(24)
    assert wearer.board.playing == Pattern.PRE_ALARM
    wearer.press(Gesture.ANSWER)
    assert wearer.board.playing == Pattern.OFF
    wearer.run(32)
    assert wearer.board.playing == Pattern.ALARM
    wearer.board.reset()
    wearer.run(8)
    assert wearer.board.playing == Pattern.ALARM  # a board that was reset sounds again
    wearer.press(Gesture.CANCEL)
    wearer.run(2)
    assert wearer.board.playing == Pattern.OFF
    assert wearer.phases(EventCode.MAN_DOWN) == [EventPhase.RAISED, EventPhase.CANCELLED]


def test_another_board_on_the_port_is_told_what_sounds(wearer: Wearer) -> None:
    wearer.guard.ask(Pattern.EVACUATE, "全体撤离", wearer.t_ms)
    wearer.run(2)
    wearer.driver, wearer.board = BoardDriver(Settings()), Board(board=0x2002, values={"activity_mg": MOVING})
    wearer.board.answer(wearer.driver.hello())
    wearer.run(3)
    assert wearer.board.playing == Pattern.EVACUATE
    assert [text for _, text in wearer.board.shown] == ["全体撤离"]
    wearer.press(Gesture.ANSWER)
    assert wearer.board.playing == Pattern.OFF
    assert wearer.phases(EventCode.RECEIVED) == [EventPhase.RAISED]


def test_a_fall_by_the_board(wearer: Wearer) -> None:
    wearer.press(Gesture.ENTRY)
    wearer.board.impact(6_000)
    wearer.board.values |= {"activity_mg": STILL, "posture": Posture.LYING}
    wearer.run(8)
    assert wearer.board.playing == Pattern.PRE_ALARM
    wearer.run(10)
    assert wearer.phases(EventCode.FALL) == [EventPhase.RAISED]
    assert wearer.board.playing == Pattern.ALARM


def test_air_and_gas_by_the_board(wearer: Wearer) -> None:
    wearer.board.values |= {"scba_kpa": 5_000, "co_ppm": 0}
    wearer.press(Gesture.ENTRY)
    wearer.run(4)
    assert wearer.phases(EventCode.LOW_AIR) == wearer.phases(EventCode.TURN_BACK) == [EventPhase.RAISED]
    assert Pattern.TURN_BACK in wearer.heard()
    wearer.board.values["co_ppm"] = 500
    wearer.run(20)
    assert wearer.phases(EventCode.GAS) == [EventPhase.RAISED, EventPhase.RAISED]
    assert Pattern.GAS in wearer.heard()
