"""A hub whose clock is wrong calls for somebody, and stops when it is right again."""

from typing import Any


def test_a_suspect_clock_is_an_alarm_until_it_is_set(bench: Any, state: Any) -> None:
    safety = state.safety
    safety.clock.look(bench.clock())
    assert safety.alarms.open() == []
    for device in range(3):
        state.clock.witness(device, bench.clock() + 120_000)
    assert state.clock.judge()
    safety.clock.look(bench.clock())
    (alarm,) = safety.alarms.open()
    assert (alarm.kind, alarm.zh, alarm.en) == ("clock", "中心时钟慢 120 s", "The hub is 120 s behind")
    assert alarm.is_protected
    for device in range(3):
        state.clock.witness(device, bench.clock())
    assert state.clock.judge()
    safety.clock.look(bench.clock() + 1_000)
    assert (alarm.stands, alarm.state) == (False, "cleared"), "somebody has to look at it still"
