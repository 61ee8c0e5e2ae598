"""When acknowledgements are due."""

from hub.live.acks import LIVE_FRAMES_MAX, LIVE_WAIT_MS, AckSchedule

A, B, C = (1, 5, 1), (2, 5, 1), (3, 5, 0)


def keys(schedule: AckSchedule, now_ms: int) -> list[tuple[int, int, int]]:
    return [key for key, _ in schedule.due(now_ms)]


def test_each_waits_its_own_second() -> None:
    schedule = AckSchedule()
    schedule.note(A, 0, urgent=False)
    schedule.note(B, 400, urgent=False)
    schedule.note(A, 900, urgent=False)
    assert keys(schedule, LIVE_WAIT_MS - 1) == []
    assert keys(schedule, LIVE_WAIT_MS) == [A]
    assert keys(schedule, LIVE_WAIT_MS + 400) == [B]
    assert keys(schedule, 10**9) == []


def test_what_is_urgent_goes_at_once_and_alone() -> None:
    schedule = AckSchedule()
    schedule.note(A, 0, urgent=False)
    schedule.note(C, 0, urgent=True)
    schedule.note(C, 0, urgent=True)
    assert keys(schedule, 0) == [C]
    for _ in range(LIVE_FRAMES_MAX - 1):
        schedule.note(A, 0, urgent=False)
    schedule.note(B, 0, urgent=False, refused=[(9, 5)])
    assert schedule.due(0) == [(A, []), (B, [(9, 5)])]


def test_due_and_urgent_is_said_once() -> None:
    schedule = AckSchedule()
    schedule.note(A, 0, urgent=True)
    assert keys(schedule, LIVE_WAIT_MS) == [A]
    assert keys(schedule, 2 * LIVE_WAIT_MS) == []


def test_a_clock_set_back_delays_nothing() -> None:
    schedule = AckSchedule()
    schedule.note(A, 10**9, urgent=False)
    schedule.note(B, 10**6, urgent=False)
    assert keys(schedule, 10**6) == [A]
    assert keys(schedule, 10**6 + LIVE_WAIT_MS) == [B]
