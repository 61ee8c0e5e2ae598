"""Air, gas, heart and floor: what the instruments say, and what the rules make of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge.guard.settings import GasConfig, GuardConfig, HeartConfig, Person
from protocols.catalog import GAS_FIELDS, Duty, EventCode, EventPhase, field_id
from protocols.laws import air
from protocols.wearer import Gesture, Pattern

Drive = Any
RAISED, REPEATED, CLEARED, CANCELLED = EventPhase
MOVING = 400


def enter(drive: Drive, **values: int) -> None:
    drive.say(activity_mg=MOVING, **values)
    drive.press(Gesture.ENTRY)


# --- air -------------------------------------------------------------------------------------------


def test_the_air_clock_starts_with_the_entry_and_stops_with_leaving(drive: Drive) -> None:
    drive.run(10, scba_kpa=30_000)
    assert "air_left_s" not in drive.state
    enter(drive, scba_kpa=30_000)
    drive.run(31, activity_mg=MOVING, scba_kpa=30_000)
    assert drive.state["air_left_s"] == int(air.left_s(30_000, 5_500, 6.8, 40))
    assert drive.state["turn_back_s"] == int(air.left_s(30_000, 5_500, 6.8, 40) / 2)
    assert drive.state["air_dlpm"] == 400
    drive.press(Gesture.ENTRY)
    drive.run(31)
    assert drive.guard.status(drive.t_ms)["values"] == {"duty": 1, "pass_state": 0}


def pressure(lpm: float, start_kpa: int = 30_000) -> Callable[[int], int]:
    """The pressure at a second of somebody who breathes so much."""
    start_l = air.litres(start_kpa, 6.8)

    def at(second: int) -> int:
        lo, hi = 0, start_kpa
        while hi - lo > 1:
            mid = (lo + hi) // 2
            lo, hi = (mid, hi) if air.litres(mid, 6.8) <= start_l - lpm * second / 60 else (lo, mid)
        return lo

    return at


def test_a_whole_bottle_turn_back_then_the_whistle_each_once(drive: Drive) -> None:
    enter(drive)
    drive.run(26 * 60, activity_mg=MOVING, scba_kpa=pressure(60))
    (back_ms,) = [t for t, row in drive.rows if row["event_code"] == EventCode.TURN_BACK]
    (low_ms,) = [t for t, row in drive.rows if row["event_code"] == EventCode.LOW_AIR]
    spare_s = air.left_s(30_000, 5_500, 6.8, 60)
    assert back_ms / 1000 == pytest.approx(spare_s / 2, abs=15)
    assert low_ms / 1000 == pytest.approx(spare_s, abs=15)
    assert drive.state["duty"] == Duty.ON_AIR
    assert drive.played(Pattern.TURN_BACK) > 5 < drive.played(Pattern.LOW_AIR) + 10
    row = next(row for _, row in drive.rows if row["event_code"] == EventCode.LOW_AIR)
    assert (row["event_field"], row["event_threshold"]) == (field_id("scba_kpa"), 5_500)
    assert row["event_value"] <= 5_500


def test_an_answer_silences_the_repetition_and_not_the_alarm(drive: Drive) -> None:
    enter(drive)
    drive.run(5, activity_mg=MOVING, scba_kpa=5_000)
    drive.press(Gesture.ANSWER)
    before = drive.played(Pattern.LOW_AIR) + drive.played(Pattern.TURN_BACK)
    drive.run(120, activity_mg=MOVING, scba_kpa=5_000)
    assert drive.played(Pattern.LOW_AIR) + drive.played(Pattern.TURN_BACK) == before
    assert drive.events(EventCode.LOW_AIR) == [RAISED]


def test_a_lost_sensor_counts_down_a_minute_a_minute_and_says_so(drive: Drive) -> None:
    enter(drive, scba_kpa=12_000)
    drive.run(40, activity_mg=MOVING, scba_kpa=12_000)
    left_s = drive.state["air_left_s"]
    drive.run(60, activity_mg=MOVING)
    assert drive.events(EventCode.AIR_SENSOR_LOST) == [RAISED]
    assert left_s - 62 <= drive.state["air_left_s"] <= left_s - 55
    drive.run(300, activity_mg=MOVING)
    assert left_s - 362 <= drive.state["air_left_s"] <= left_s - 355
    assert any("air sensor lost ~" in text for text in drive.shows)
    drive.run(left_s, activity_mg=MOVING)
    assert drive.state["air_left_s"] == 0
    assert drive.events(EventCode.LOW_AIR) == drive.events(EventCode.TURN_BACK) == [RAISED]
    drive.run(20, activity_mg=MOVING, scba_kpa=11_500)
    assert drive.events(EventCode.AIR_SENSOR_LOST) == drive.events(EventCode.LOW_AIR) == [RAISED, CLEARED]


def test_on_air_without_any_pressure_is_a_lost_sensor(drive: Drive) -> None:
    drive.take(drive.guard.set_duty(Duty.ON_AIR, 0))
    drive.run(12)
    assert drive.events(EventCode.AIR_SENSOR_LOST) == [RAISED]


def test_another_cylinder_starts_the_reckoning_anew(drive: Drive) -> None:
    enter(drive)
    drive.run(15, activity_mg=MOVING, scba_kpa=6_000)
    drive.run(60, activity_mg=MOVING, scba_kpa=29_000)
    assert drive.state["turn_back_s"] == int(air.left_s(29_000, 5_500, 6.8, 40) / 2)


def test_outside_an_empty_cylinder_is_no_alarm(drive: Drive) -> None:
    drive.run(60, scba_kpa=0)
    assert drive.rows == []


# --- gas -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "clean", "first", "second"),
    [("lel_permille", 0, 100, 500), ("co_ppm", 0, 24, 160), ("h2s_dppm", 0, 60, 200), ("cl2_dppm", 0, 3, 20)],
)
def test_two_limits_a_gas_each_raised_once_and_cleared_once(
    drive: Drive, field: str, clean: int, first: int, second: int
) -> None:
    drive.say(**{field: first - 1})
    assert drive.rows == []
    for _ in range(5):
        drive.say(**{field: first})
        drive.say(**{field: first - 1})
    drive.say(**{field: second})
    told = [(row["event_value"], row["event_threshold"], row["event_field"]) for _, row in drive.rows]
    assert told[:2] == [(first, first, field_id(field)), (second, second, field_id(field))]
    drive.run(30, **{field: clean})
    assert sorted(drive.events(EventCode.GAS)) == [RAISED, RAISED, CLEARED, CLEARED]


def test_oxygen_has_two_sides(drive: Drive) -> None:
    drive.run(5, o2_permille=209)
    drive.say(o2_permille=195)
    drive.run(30, o2_permille=209)
    drive.say(o2_permille=235)
    drive.run(30, o2_permille=209)
    told = [(row["event_value"], row["event_threshold"]) for _, row in drive.rows]
    assert told == [(195, 195), (195, 195), (235, 235), (235, 235)]
    assert drive.events(EventCode.GAS) == [RAISED, CLEARED, RAISED, CLEARED]


def test_stel_is_a_quarter_of_an_hour_and_twa_a_shift(new_drive: Callable[..., Drive]) -> None:
    gas = replace(GasConfig(), co_ppm=replace(GasConfig().co_ppm, low=0.0, high=0.0, rise=0.0))
    drive = new_drive(GuardConfig(gas=gas))
    drive.run(16 * 60, co_ppm=30)
    (stel_ms,) = [t for t, row in drive.rows if row["event_code"] == EventCode.GAS_STEL]
    assert stel_ms / 60_000 == pytest.approx(12, abs=0.5)  # 12 minutes at 30 ppm are 24 ppm over 15
    assert drive.events(EventCode.GAS_TWA) == []
    drive.guard.resume(
        drive.guard.keep() | {"rules": {"gas": {"dose_co_ppm": 16 * 8 * 3_600_000}}}, drive.t_ms
    )
    drive.run(1, co_ppm=0)
    assert drive.events(EventCode.GAS_TWA) == [RAISED]


def test_a_rise_is_told_before_the_limit(new_drive: Callable[..., Drive]) -> None:
    drive = new_drive(GuardConfig(gas=replace(GasConfig(), co_ppm=replace(GasConfig().co_ppm, rise=20.0))))
    drive.run(60, co_ppm=0)
    drive.run(15, co_ppm=lambda s: s + 8)
    assert drive.events(EventCode.GAS_RISE) == [RAISED]
    assert drive.events(EventCode.GAS) == []


def test_a_failed_sensor_is_neither_clean_nor_zero(drive: Drive) -> None:
    bit = 1 << GAS_FIELDS.index("co_ppm")
    drive.say(co_ppm=200, gas_faults=0)
    drive.run(60, co_ppm=0, gas_faults=bit)
    assert drive.events(EventCode.GAS_FAULT) == [RAISED]
    assert drive.events(EventCode.GAS) == [RAISED, RAISED]  # nothing has shown that the gas is gone
    assert drive.guard.status(drive.t_ms)["rules"]["gas"]["gases"]["co_ppm"]["state"] == "sensor failed"
    drive.run(30, co_ppm=0, gas_faults=0)
    assert drive.events(EventCode.GAS_FAULT) == [RAISED, CLEARED]
    assert drive.events(EventCode.GAS) == [RAISED, RAISED, CLEARED, CLEARED]


def test_over_range_is_beyond_every_limit(drive: Drive) -> None:
    drive.say(lel_permille=0, gas_over=1 << GAS_FIELDS.index("lel_permille"))
    assert drive.events(EventCode.GAS_OVER_RANGE) == [RAISED]
    assert drive.events(EventCode.GAS) == [RAISED, RAISED]


def test_over_range_without_a_value_is_told_too(drive: Drive) -> None:
    drive.say(gas_over=1)
    assert drive.events(EventCode.GAS_OVER_RANGE) == [RAISED]


def test_gas_outlives_a_short_silence_of_the_detector_and_not_a_long_one(drive: Drive) -> None:
    drive.say(co_ppm=200)
    drive.run(590)
    assert drive.events(EventCode.GAS) == [RAISED, RAISED]
    drive.run(20)
    assert drive.events(EventCode.GAS) == [RAISED, RAISED, CLEARED, CLEARED]


def test_gas_may_rest_outside(new_drive: Callable[..., Drive]) -> None:
    drive = new_drive(GuardConfig(gas=GasConfig(standby=False)))
    drive.run(5, co_ppm=200)
    assert drive.rows == []
    enter(drive)
    drive.run(2, co_ppm=200)
    assert drive.events(EventCode.GAS) == [RAISED, RAISED]


# --- heart -----------------------------------------------------------------------------------------


def test_a_heart_that_is_too_high_for_too_long(new_drive: Callable[..., Drive]) -> None:
    drive = new_drive(None, Person(heart_max_bpm=190))
    drive.run(110, heart_bpm=171, activity_mg=MOVING)
    drive.run(5, heart_bpm=150, activity_mg=MOVING)
    assert drive.events(EventCode.HEART) == []
    drive.run(125, heart_bpm=171, activity_mg=MOVING)
    assert drive.events(EventCode.HEART) == [RAISED]
    assert (drive.rows[0][1]["event_value"], drive.rows[0][1]["event_threshold"]) == (171, 171)
    drive.run(60, heart_bpm=165, activity_mg=MOVING)
    assert drive.events(EventCode.HEART) == [RAISED]
    drive.run(60, heart_bpm=150, activity_mg=MOVING)
    assert drive.events(EventCode.HEART) == [RAISED, CLEARED]
    assert drive.played(Pattern.STRAIN) >= 1


def test_a_heart_that_does_not_recover(drive: Drive) -> None:
    drive.run(60, heart_bpm=150, activity_mg=MOVING)
    drive.run(140, heart_bpm=145, activity_mg=20)
    assert drive.events(EventCode.HEART) == [RAISED]
    assert (drive.rows[0][1]["event_value"], drive.rows[0][1]["event_threshold"]) == (145, 125)
    drive.run(10, heart_bpm=120, activity_mg=20)
    assert drive.events(EventCode.HEART) == [RAISED, CLEARED]


def test_a_heart_that_recovers(drive: Drive) -> None:
    drive.run(60, heart_bpm=150, activity_mg=MOVING)
    drive.run(300, heart_bpm=lambda s: max(90, 150 - s), activity_mg=20)
    assert drive.rows == []


def test_a_strap_without_contact_says_nothing(drive: Drive) -> None:
    drive.run(300, heart_bpm=0)
    drive.run(300, heart_bpm=255)
    assert drive.rows == []


def test_core_temperature_is_off_unless_it_is_switched_on(new_drive: Callable[..., Drive]) -> None:
    drive = new_drive()
    drive.run(600, heart_bpm=150)
    assert not {"core_dc", "strain_e1", "core_band_dc"} & set(drive.state)
    drive = new_drive(GuardConfig(heart=HeartConfig(core=True)))
    drive.run(30 * 60 + 30, heart_bpm=150, activity_mg=MOVING)
    assert drive.state["core_dc"] == 380  # 37.956 after 30 steps
    assert drive.state["core_band_dc"] == 7  # 0.63, never shown as less
    assert drive.state["strain_e1"] == 55
    assert drive.events(EventCode.HEAT) == []
    drive.run(40 * 60, heart_bpm=150, activity_mg=MOVING)
    assert drive.events(EventCode.HEAT) == [RAISED]


# --- floor -----------------------------------------------------------------------------------------


def test_the_floor_is_against_the_entrance_and_its_band_grows(drive: Drive) -> None:
    enter(drive, pressure_pa=101_325)
    drive.run(31, pressure_pa=101_325 - 108)
    assert (drive.state["floor"], drive.state["floor_band_e1"]) == (3, 4)
    drive.run(3_600, pressure_pa=101_325 + 36)
    assert (drive.state["floor"], drive.state["floor_band_e1"]) == (-1, 18)
    drive.press(Gesture.ENTRY)
    drive.run(31, pressure_pa=101_000)
    assert "floor" not in drive.guard.status(drive.t_ms)["values"]
