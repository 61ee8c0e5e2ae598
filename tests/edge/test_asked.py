"""What the wearer is asked by others, and which of it a gesture answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.guard.asked import ASKED_MAX, Ask, Asked
from firmware_bridge.interface import Play, Show
from protocols.catalog import EventCode
from protocols.wearer import PATTERNS, Gesture, Pattern

URGENCY = {row.pattern: row.urgency for row in PATTERNS}
A, C, R, D = Gesture.ANSWER, Gesture.ACCEPT, Gesture.REFUSE, Gesture.DONE


def ask(order: int, pattern: Pattern = Pattern.ORDER, *, is_task: bool = False) -> Ask:
    return Ask(order, pattern, f"text {order}", order, is_task)


@pytest.mark.parametrize(
    ("made", "gestures", "codes"),
    [
        (ask(5, Pattern.EVACUATE), [A], [EventCode.ACCEPTED]),
        (ask(5, Pattern.EVACUATE), [R], [EventCode.REFUSED]),
        (ask(5, Pattern.EVACUATE), [D], [EventCode.DONE]),
        (ask(5), [A], [EventCode.ACCEPTED]),
        (ask(5, Pattern.ROLL_CALL), [R, C, A], [None, None, EventCode.ROLL_CALL]),
        (ask(5, is_task=True), [A, C, D], [EventCode.RECEIVED, EventCode.ACCEPTED, EventCode.DONE]),
        (ask(5, is_task=True), [R], [EventCode.REFUSED]),
        (ask(5, is_task=True), [D], [EventCode.DONE]),
        (ask(0, Pattern.EVACUATE), [A], [EventCode.RECEIVED]),
    ],
)  # fmt: skip
def test_gestures_answer(made: Ask, gestures: list[Gesture], codes: list[EventCode | None]) -> None:
    asked = Asked()
    asked.put(made)
    answers = [asked.answer(gesture) for gesture in gestures]
    assert [answer and answer[1] for answer in answers] == codes
    assert asked.top() is None
    assert asked.answer(A) is None


def test_the_most_urgent_is_answered_first_of_equals_the_newest() -> None:
    asked = Asked()
    for one in (
        ask(1),
        ask(2, Pattern.EVACUATE),
        ask(3),
        ask(4, Pattern.ROLL_CALL),
        ask(5, Pattern.EVACUATE),
    ):
        asked.put(one)
    orders = []
    while (answer := asked.answer(A)) is not None:
        orders.append(answer[0].order)
    assert orders == [5, 2, 4, 3, 1]


def test_a_task_that_was_accepted_lets_the_next_one_show_and_is_done_by_done() -> None:
    asked = Asked()
    for one in (ask(1, is_task=True), ask(2, is_task=True)):
        asked.put(one)
    assert asked.answer(C)
    top = asked.top()
    assert top is not None
    assert top.order == 1
    asked.accept(1)
    assert asked.top() is None
    done = [asked.answer(D), asked.answer(D)]
    assert [one and (one[0].order, one[1]) for one in done] == [(2, EventCode.DONE), (1, EventCode.DONE)]


def test_a_board_shows_what_it_was_told_of_and_is_told_once() -> None:
    asked = Asked()
    asked.put(ask(1))
    assert asked.shown(Play(Pattern.ORDER)) == []  # of something earlier
    asked.told([Play(Pattern.ORDER)])
    asked.put(ask(2))
    assert asked.shown(Play(Pattern.ORDER)) == [1]
    assert asked.shown(Show("text 2")) == [2]
    assert asked.shown(Show("text 2")) == asked.shown(Play(Pattern.ORDER)) == []


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from((Pattern.ORDER, Pattern.ROLL_CALL, Pattern.EVACUATE)))
    )
)
def test_a_flood_of_texts_pushes_no_evacuation_out(found: list[tuple[int, Pattern]]) -> None:
    asked, evacuations = Asked(), dict[int, None]()
    for order, pattern in found:
        gone = asked.put(ask(order, pattern))
        evacuations.pop(order, None)
        if pattern == Pattern.EVACUATE:
            evacuations[order] = None
        if gone is not None:
            assert gone.pattern != Pattern.EVACUATE or len(evacuations) > ASKED_MAX
            evacuations.pop(gone.order, None)
    top = asked.top()
    assert (top is not None and top.pattern == Pattern.EVACUATE) == bool(evacuations)
