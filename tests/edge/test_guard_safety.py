"""SOS, PASS, falls, entry and answers: what the wearer does, what goes out, what is heard."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge.guard.settings import EntryConfig, GuardConfig, PassConfig
from protocols.catalog import Duty, EventCode, EventPhase, PassState, Posture, Source, field_id
from protocols.samples import Observed
from protocols.wearer import Gesture, Pattern

Drive = Any
RAISED, REPEATED, CLEARED, CANCELLED = EventPhase
STILL, MOVING = 30, 400


def enter(drive: Drive, **values: int) -> None:
    drive.say(activity_mg=MOVING, **values)
    drive.press(Gesture.ENTRY)


# --- SOS -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duty", [Duty.STANDBY, Duty.ENTERED, Duty.ON_AIR, Duty.REHAB])
def test_an_sos_is_always_armed_and_only_cancel_ends_it(drive: Drive, duty: Duty) -> None:
    drive.take(drive.guard.set_duty(duty, 0))
    drive.press(Gesture.SOS)
    drive.run(60, activity_mg=MOVING)
    drive.press(Gesture.ANSWER)
    assert drive.events(EventCode.SOS) == [RAISED]
    drive.press(Gesture.CANCEL)
    drive.run(1)
    assert drive.events(EventCode.SOS) == [RAISED, CANCELLED]
    assert drive.played(Pattern.CLEARED) == 1


def test_an_sos_carries_the_last_place_and_its_age(drive: Drive) -> None:
    drive.press(Gesture.SOS)
    assert set(drive.rows[0][1]) == {"event_code", "event_id", "event_phase", "event_duty"}
    drive.fix()
    drive.run(30)
    drive.press(Gesture.SOS)
    first, again = drive.rows[0][1], drive.rows[1][1]
    assert (again["event_id"], again["event_phase"]) == (first["event_id"], REPEATED)
    assert (again["event_lat_deg_e7"], again["event_fix_age_s"]) == (366_500_216, 30)
    drive.press(Gesture.CANCEL)
    drive.press(Gesture.SOS)
    assert drive.rows[3][1]["event_id"] != first["event_id"]


def test_the_wearer_hears_that_it_went_out_that_it_came_and_that_it_was_seen(drive: Drive) -> None:
    acts = drive.guard.press(Gesture.SOS, 0)
    drive.take(acts)
    drive.run(1)
    assert (drive.shows[-1], drive.played(Pattern.SENDING)) == ("求救 SOS: 未发出 not sent", 0)
    drive.guard.sent(acts.rows[0], 0, held=False)
    drive.run(2)
    assert drive.shows[-1] == "求救 SOS: 已发出 sent"
    assert drive.played(Pattern.SENDING) == 1
    drive.guard.sent(acts.rows[0], drive.t_ms, held=True)
    drive.run(2)
    assert drive.played(Pattern.SENDING) == 2
    assert drive.shows[-1] == "求救 SOS: 中心已收到 hub has it"
    drive.take(drive.guard.seen(acts.rows[0].event_id, "王指挥", drive.t_ms))
    drive.run(2)
    assert drive.played(Pattern.SEEN) == 1
    assert "指挥员已看到 seen: 王指挥" in drive.shows
    told = drive.rows[-1][1]
    assert (told["event_id"], told["event_phase"], told["event_seen"]) == (acts.rows[0].event_id, REPEATED, 1)
    drive.take(drive.guard.seen(acts.rows[0].event_id, "王指挥", drive.t_ms))
    drive.run(3)
    assert (len(drive.rows), drive.played(Pattern.SEEN)) == (2, 1)


def test_seen_of_an_alarm_that_has_ended_does_not_open_it_again(drive: Drive) -> None:
    drive.press(Gesture.SOS)
    drive.press(Gesture.CANCEL)
    drive.take(drive.guard.seen(drive.rows[0][1]["event_id"], "a", 0))
    drive.run(2)
    assert (drive.rows[-1][1]["event_phase"], drive.rows[-1][1]["event_seen"]) == (CANCELLED, 1)
    assert drive.played(Pattern.SEEN) == 0


def test_an_unknown_event_is_answered_once(drive: Drive) -> None:
    for _ in range(3):
        drive.take(drive.guard.seen(77, "a", 0))
    assert [(row["event_id"], row["event_code"], row["event_seen"]) for _, row in drive.rows] == [(77, 0, 1)]
    drive.take(drive.guard.seen(-1, "a", 0))
    drive.take(drive.guard.seen(2**63, "a", 0))
    assert len(drive.rows) == 1


# --- PASS ------------------------------------------------------------------------------------------


def test_pass_asks_after_20_s_and_calls_after_30(drive: Drive) -> None:
    enter(drive)
    drive.run(5, activity_mg=MOVING)
    start_ms = drive.t_ms
    drive.run(40, activity_mg=STILL, posture=Posture.UPRIGHT)
    asked = next(t_ms for t_ms, pattern in drive.plays if pattern == Pattern.PRE_ALARM)
    called = next(t_ms for t_ms, row in drive.rows if row["event_code"] == EventCode.MAN_DOWN)
    assert 18_500 <= asked - start_ms <= 20_400
    assert 28_500 <= called - start_ms <= 30_400
    assert drive.plays[-1][1] == Pattern.ALARM
    assert drive.state["pass_state"] == PassState.ALARM
    row = drive.rows[-1][1]
    assert (row["event_field"], row["event_value"], row["event_threshold"]) == (
        field_id("activity_mg"),
        STILL,
        120,
    )
    assert row["event_duty"] == Duty.ENTERED


def test_motion_or_an_answer_ends_the_question(drive: Drive) -> None:
    enter(drive)
    drive.run(24, activity_mg=STILL)
    assert drive.state["pass_state"] == PassState.PRE_ALARM
    drive.run(2, activity_mg=MOVING)
    assert drive.state["pass_state"] == PassState.ARMED
    assert drive.plays[-1][1] == Pattern.OFF
    drive.run(24, activity_mg=STILL)
    drive.press(Gesture.ANSWER)
    drive.run(2, activity_mg=STILL)
    assert drive.state["pass_state"] == PassState.ARMED
    assert drive.events(EventCode.MAN_DOWN) == drive.events(EventCode.RECEIVED) == []


def test_the_full_alarm_ends_by_cancel_alone(drive: Drive) -> None:
    enter(drive)
    drive.run(40, activity_mg=STILL)
    drive.run(60, activity_mg=MOVING)
    drive.press(Gesture.ANSWER)
    drive.press(Gesture.ENTRY)
    drive.run(60, activity_mg=MOVING)
    assert drive.events(EventCode.MAN_DOWN) == [RAISED]
    drive.press(Gesture.CANCEL)
    drive.run(2)
    assert drive.events(EventCode.MAN_DOWN) == [RAISED, CANCELLED]
    assert [pattern for _, pattern in drive.plays[-2:]] == [Pattern.OFF, Pattern.CLEARED]


def test_an_answer_may_end_it_by_the_settings(new_drive: Callable[..., Drive]) -> None:
    drive = new_drive(GuardConfig(pass_=PassConfig(answer_ends_alarm=True)))
    enter(drive)
    drive.run(40, activity_mg=STILL)
    drive.press(Gesture.ANSWER)
    drive.run(1)
    assert drive.events(EventCode.MAN_DOWN) == [RAISED, CANCELLED]


@pytest.mark.parametrize("duty", [Duty.STANDBY, Duty.REHAB])
def test_pass_rests_outside(drive: Drive, duty: Duty) -> None:
    drive.take(drive.guard.set_duty(duty, 0))
    drive.run(300, activity_mg=STILL)
    assert drive.rows == []
    assert drive.state["pass_state"] == PassState.OFF


def test_without_a_motion_value_pass_is_off_and_says_so(drive: Drive) -> None:
    drive.press(Gesture.ENTRY)
    drive.fix(1_500)
    drive.run(60)
    assert drive.state["pass_state"] == PassState.OFF
    assert drive.shows[-1] == "呼救器未工作 PASS is off"
    assert drive.guard.status(drive.t_ms)["rules"]["pass"]["why"] == "no motion value"
    assert drive.events(EventCode.MAN_DOWN) == []
    drive.run(5, activity_mg=MOVING)
    assert drive.state["pass_state"] == PassState.ARMED
    assert drive.shows[-1] == ""
    drive.run(20)
    assert drive.state["pass_state"] == PassState.OFF


def test_a_board_that_breaks_during_the_question_does_not_silence_it(drive: Drive) -> None:
    enter(drive)
    drive.run(22, activity_mg=STILL)
    drive.run(15)
    assert drive.events(EventCode.MAN_DOWN) == [RAISED]


def test_walking_by_gnss_is_motion(drive: Drive) -> None:
    enter(drive)
    for _ in range(60):
        drive.fix(1_500)
        drive.run(1, activity_mg=STILL)
    assert drive.events(EventCode.MAN_DOWN) == []


def test_the_seen_is_heard_through_the_alarm(drive: Drive) -> None:
    enter(drive)
    drive.run(40, activity_mg=STILL)
    drive.take(drive.guard.seen(drive.rows[-1][1]["event_id"], "a", drive.t_ms))
    drive.run(3)
    assert [pattern for _, pattern in drive.plays[-4:]] == [
        Pattern.ALARM,
        Pattern.OFF,
        Pattern.SEEN,
        Pattern.ALARM,
    ]


# --- fall ------------------------------------------------------------------------------------------


def test_a_fall_is_a_blow_lying_still_and_no_answer(drive: Drive) -> None:
    enter(drive)
    drive.strike(5_000)
    struck_ms = drive.t_ms
    drive.run(20, activity_mg=STILL, posture=Posture.LYING)
    (fell,) = [t_ms for t_ms, row in drive.rows if row["event_code"] == EventCode.FALL]
    assert 15_000 <= fell - struck_ms <= 16_000
    assert drive.played(Pattern.PRE_ALARM) == 1
    row = drive.rows[-1][1]
    assert (row["event_value"], row["event_threshold"]) == (5_000, 3_000)
    drive.run(30, activity_mg=MOVING, posture=Posture.UPRIGHT)
    assert drive.events(EventCode.FALL) == [RAISED]
    drive.press(Gesture.CANCEL)
    assert drive.events(EventCode.FALL) == [RAISED, CANCELLED]


@pytest.mark.parametrize(
    "case", ["weak", "upright", "moving", "answered", "outside", "late"], ids=lambda case: str(case)
)
def test_what_is_no_fall(drive: Drive, case: str) -> None:
    if case != "outside":
        enter(drive)
    drive.strike(2_000 if case == "weak" else 5_000)
    if case == "late":
        drive.run(70, activity_mg=MOVING, posture=Posture.UPRIGHT)
    if case == "answered":
        drive.run(10, activity_mg=STILL, posture=Posture.LYING)
        drive.press(Gesture.ANSWER)
    posture = Posture.UPRIGHT if case == "upright" else Posture.LYING
    drive.run(
        17,
        activity_mg=(lambda s: MOVING if s % 8 == 7 else STILL) if case == "moving" else STILL,
        posture=posture,
    )
    assert drive.events(EventCode.FALL) == []


# --- entry, answers --------------------------------------------------------------------------------


def test_entry_toggles_and_is_an_event(drive: Drive) -> None:
    enter(drive)
    drive.run(1, activity_mg=MOVING)
    assert drive.state["duty"] == Duty.ENTERED
    drive.press(Gesture.ENTRY)
    drive.run(1)
    assert drive.state["duty"] == Duty.STANDBY
    assert drive.events(EventCode.ENTERED) == drive.events(EventCode.LEFT) == [RAISED]
    assert drive.played(Pattern.ENTRY) == 2


def test_the_beacon_at_the_entrance_toggles_once_a_passage(new_drive: Callable[..., Drive]) -> None:
    drive = new_drive(GuardConfig(entry=EntryConfig(beacon=7)))
    rssi = field_id("obs_rssi_dbm")

    def pass_by(beacon: int, dbm: int) -> None:
        for _ in range(10):
            drive.hear(Observed(Source.BEACON, beacon, {rssi: dbm}))
            drive.run(1)

    pass_by(8, -30)
    pass_by(7, -80)
    assert drive.rows == []
    pass_by(7, -50)
    assert drive.guard.status(0)["duty"] == "entered"
    drive.run(90)
    pass_by(7, -50)
    assert drive.guard.status(0)["duty"] == "standby"


def test_breathing_from_the_cylinder_is_on_air_and_arms_pass(drive: Drive) -> None:
    drive.run(60, activity_mg=MOVING, scba_kpa=lambda s: 29_000 - 10 * s)
    assert drive.state["duty"] == Duty.ON_AIR
    assert drive.events(EventCode.ENTERED) == [RAISED]
    drive.run(40, activity_mg=STILL, scba_kpa=lambda s: 28_000 - 10 * s)
    assert drive.events(EventCode.MAN_DOWN) == [RAISED]


@pytest.mark.parametrize("fall_kpa", [0, 1, 200, 2_000], ids=["none", "leak", "bleed", "quick bleed"])
def test_what_is_not_breathing(drive: Drive, fall_kpa: int) -> None:
    drive.run(120, scba_kpa=lambda s: max(0, 29_000 - fall_kpa * s))
    assert drive.guard.status(0)["duty"] == "standby"


def test_who_has_just_left_is_not_entered_again_by_breathing(drive: Drive) -> None:
    enter(drive)
    drive.run(60, activity_mg=MOVING, scba_kpa=lambda s: 29_000 - 10 * s)
    drive.press(Gesture.ENTRY)
    drive.run(100, activity_mg=MOVING, scba_kpa=lambda s: 28_000 - 10 * s)
    assert drive.state["duty"] == Duty.STANDBY


@pytest.mark.parametrize(
    ("gesture", "code"),
    [(Gesture.ANSWER, EventCode.RECEIVED), (Gesture.ACCEPT, EventCode.ACCEPTED), (Gesture.REFUSE, EventCode.REFUSED),
     (Gesture.DONE, EventCode.DONE)],
)  # fmt: skip
def test_answers_are_events(drive: Drive, gesture: Gesture, code: EventCode) -> None:
    drive.press(gesture)
    drive.press(gesture)
    assert drive.events(code) == [RAISED, RAISED]
    assert drive.rows[0][1]["event_id"] != drive.rows[1][1]["event_id"]


def test_a_roll_call_sounds_and_is_answered(drive: Drive) -> None:
    drive.guard.ask(Pattern.ROLL_CALL, "点名", 0)
    drive.run(1)
    assert drive.plays[-1][1] == Pattern.ROLL_CALL
    assert drive.shows[-1] == "点名"
    drive.press(Gesture.ANSWER)
    assert drive.events(EventCode.ROLL_CALL) == [RAISED]
    drive.press(Gesture.ANSWER)
    drive.run(1)
    assert (drive.events(EventCode.ROLL_CALL), drive.events(EventCode.RECEIVED)) == ([RAISED], [RAISED])
    assert drive.shows[-1] == ""


def test_the_most_urgent_pattern_sounds(drive: Drive) -> None:
    drive.guard.ask(Pattern.ORDER, "", 0)
    drive.run(0.2)
    drive.guard.ask(Pattern.EVACUATE, "", drive.t_ms)
    drive.run(0.2)
    assert [pattern for _, pattern in drive.plays] == [Pattern.ORDER, Pattern.EVACUATE]
    enter(drive)
    drive.run(40, activity_mg=STILL)
    assert drive.plays[-1][1] == Pattern.ALARM
    drive.press(Gesture.CANCEL)
    drive.run(3, activity_mg=MOVING)
    assert [pattern for _, pattern in drive.plays[-3:]] == [Pattern.OFF, Pattern.CLEARED, Pattern.EVACUATE]


# --- over a restart --------------------------------------------------------------------------------


def test_a_crash_inside_disarms_nothing(drive: Drive, new_drive: Callable[..., Drive]) -> None:
    enter(drive)
    drive.run(40, activity_mg=STILL, scba_kpa=lambda s: 5_000)
    drive.press(Gesture.SOS)
    kept = drive.guard.keep()
    after = new_drive()
    after.guard.resume(kept, 0)
    after.run(3, activity_mg=MOVING, scba_kpa=lambda s: 5_000)
    assert after.state["duty"] == Duty.ENTERED
    assert after.state["pass_state"] == PassState.ALARM
    assert Pattern.ALARM in [pattern for _, pattern in after.plays]
    assert after.events(EventCode.LOW_AIR) == [REPEATED]  # judged anew, under its id
    after.press(Gesture.CANCEL)
    ids = {row["event_code"]: row["event_id"] for _, row in drive.rows}
    for code in (EventCode.SOS, EventCode.MAN_DOWN):
        (row,) = [row for _, row in after.rows if row["event_code"] == code]
        assert (row["event_phase"], row["event_id"]) == (CANCELLED, ids[code])


def test_an_alarm_that_no_rule_finds_again_is_over_in_two_minutes(
    drive: Drive, new_drive: Callable[..., Drive]
) -> None:
    drive.say(co_ppm=200)
    after = new_drive()
    after.guard.resume(drive.guard.keep(), 0)
    after.run(60, co_ppm=0)
    assert after.rows == []
    after.run(61, co_ppm=0)
    assert after.events(EventCode.GAS) == [CLEARED, CLEARED]


@pytest.mark.parametrize(
    "change",
    [{"duty": 99}, {"duty": None}, {"open": [[1, 2]]}, {"open": [[1, 1, "x", None, None, 0]]}, {"open": 5},
     {"rules": {"air": {"entry_kpa": "x"}}}, {"rules": {"gas": {"dose_co_ppm": float("inf")}}}, {"rules": []}],
)  # fmt: skip
def test_a_damaged_file_changes_nothing(drive: Drive, change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        drive.guard.resume(drive.guard.keep() | change, 0)
    assert drive.guard.mark() == (Duty.STANDBY,)


# --- the whole -------------------------------------------------------------------------------------


def test_a_vehicle_says_nothing_of_duty(drive: Drive) -> None:
    drive.fix(9_000)
    drive.run(60, pressure_pa=101_325, ambient_dc=200)
    assert drive.state == {}


def test_switched_off_it_still_takes_an_sos(new_drive: Callable[..., Drive]) -> None:
    drive = new_drive(replace(GuardConfig(), on=False))
    drive.press(Gesture.ENTRY)
    drive.run(60, activity_mg=STILL, co_ppm=500)
    assert drive.rows == []
    drive.press(Gesture.SOS)
    drive.guard.disk(True)
    drive.run(1)
    drive.guard.disk(False)
    drive.run(1)
    assert drive.events(EventCode.SOS) == [RAISED]
    assert drive.events(EventCode.SPOOL_FAULT) == [RAISED, CLEARED]
