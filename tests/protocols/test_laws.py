"""Laws: every reference value, and what holds for all inputs."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.laws import air, floor, gas, heart
from protocols.laws.latch import Latch

SECOND = 1_000


# --- alarm -----------------------------------------------------------------------------------------


def test_the_alarm_of_the_reference() -> None:
    latch = Latch(100, 5, 2 * SECOND, 2 * SECOND)
    values = [99, 101, 99, 101, 102, 97, 96, 94, 96, 94, 93, 99]
    got = [int(latch.step(value, i * SECOND)) for i, value in enumerate(values)]
    assert got == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0]


def test_a_falling_alarm_is_the_same_upside_down() -> None:
    latch = Latch(-100, 5, 2 * SECOND, 2 * SECOND, falling=True)
    values = [99, 101, 99, 101, 102, 97, 96, 94, 96, 94, 93, 99]
    got = [int(latch.step(-value, i * SECOND)) for i, value in enumerate(values)]
    assert got == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0]


def test_without_delays_one_sample_acts() -> None:
    latch = Latch(10, 2, 0, 0)
    assert [latch.step(v, i) for i, v in enumerate([9, 10, 9, 8, 7.9])] == [False, True, True, True, False]


def test_a_silence_is_not_time_in_danger() -> None:
    latch = Latch(10, 0, 60 * SECOND, 0)
    assert not latch.step(11, 0)
    assert not latch.step(11, 3_600 * SECOND)


@given(st.lists(st.tuples(st.integers(0, 3_000), st.floats(90, 110)), max_size=60))
def test_an_alarm_changes_only_when_the_value_is_beyond(steps: list[tuple[int, float]]) -> None:
    latch, t_ms, before = Latch(100, 5, SECOND, SECOND), 0, False
    for gap_ms, value in steps:
        t_ms += gap_ms
        now = latch.step(value, t_ms)
        assert now == before or (value >= 100 if now else value < 95)
        before = now


# --- air -------------------------------------------------------------------------------------------


def test_air_of_the_reference() -> None:
    assert air.minutes_simple(30_000, 5_500, 6.8, 40) == pytest.approx(41.65)
    assert round(air.compressibility(30_000), 4) == 1.0565
    assert round(air.litres(30_000, 6.8)) == 1_906
    assert round(6.8 * 300) == 2_040
    assert air.left_s(30_000, 5_500, 6.8, 40) / 60 < 41.65  # a full bottle holds less than p·V says
    assert air.left_s(5_500, 5_500, 6.8, 40) == 0


def test_compressibility_is_smooth_and_near_one_at_the_atmosphere() -> None:
    values = [air.compressibility(kpa) for kpa in range(0, 60_001, 250)]
    assert values[0] == pytest.approx(1.0)
    assert all(abs(b - a) < 0.01 for a, b in pairwise(values))
    assert air.compressibility(10**9) == air.compressibility(60_000)
    assert air.litres(-5, 6.8) == 0


def test_more_pressure_is_more_air() -> None:
    litres = [air.litres(kpa, 6.8) for kpa in range(0, 60_001, 500)]
    assert litres == sorted(litres)


def test_turning_back_comes_when_the_rest_is_what_the_way_in_took() -> None:
    entry, reserve, lpm, litres = 30_000, 5_500, 40.0, 6.8
    left = air.turn_back_s(entry, entry, reserve, litres, lpm, 1.0)
    spare = air.litres(entry, litres) - air.litres(reserve, litres)
    assert left == pytest.approx(spare / 2 / lpm * 60)  # half of it for each way
    assert air.turn_back_s(entry, entry, reserve, litres, lpm, 2.0) == pytest.approx(spare / 3 / lpm * 60)
    assert air.turn_back_s(10_000, entry, reserve, litres, lpm, 1.0) < 0


def pressures(lpm: float, minutes: int, start_l: float = 1_900.0) -> list[tuple[int, int]]:
    """(kPa, ms) once a second of somebody who breathes `lpm` out of 6.8 L."""
    out, kpa = [], 30_000
    for second in range(minutes * 60):
        wanted = start_l - lpm * second / 60
        while air.litres(kpa, 6.8) > wanted:
            kpa -= 10
        out.append((kpa, second * SECOND))
    return out


@pytest.mark.parametrize("lpm", [25.0, 60.0, 90.0])
def test_consumption_is_fitted_to_the_person_in_minutes(lpm: float) -> None:
    fit = air.Consumption(6.8, 40.0)
    for kpa, t_ms in pressures(lpm, 5):
        fit.hear(kpa, t_ms)
    assert fit.lpm == pytest.approx((lpm * 290 + 40 * 60) / 350, rel=0.02)


def test_wild_points_leaks_and_another_cylinder_do_not_count() -> None:
    fit = air.Consumption(6.8, 40.0)
    for i, (kpa, t_ms) in enumerate(pressures(60.0, 4)):
        fit.hear(kpa - (400 if i % 50 == 40 else 0), t_ms)
    assert 50 < fit.lpm < 62
    known = fit.lpm
    assert fit.hear(30_000, 250 * SECOND)
    assert fit.lpm == known
    for i in range(60):  # a bleed: 100 bar in a minute
        assert not fit.hear(30_000 - i * 166, (251 + i) * SECOND)
    assert fit.lpm == known
    for i in range(120):  # nobody breathes
        fit.hear(20_000, (320 + i) * SECOND)
    assert fit.lpm == known


@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 400_000)), max_size=80))
def test_a_fit_stays_within_what_people_breathe(steps: list[tuple[int, int]]) -> None:
    fit, t_ms = air.Consumption(6.8, 40.0), 0
    for kpa, gap_ms in steps:
        t_ms += gap_ms
        fit.hear(kpa, t_ms)
        assert air.LPM_MIN <= fit.lpm <= air.LPM_MAX


# --- gas -------------------------------------------------------------------------------------------


def test_units_of_the_reference() -> None:
    co = gas.MOLAR_G["co_ppm"]
    assert round(gas.ppm(20, co)) == 16
    assert round(gas.ppm(20, co, gas.MOLAR_L_25C), 2) == 17.46
    assert gas.mg_per_m3(gas.ppm(20, co), co) == pytest.approx(20)


def test_stel_and_twa_of_a_constant_gas() -> None:
    exposure = gas.Exposure()
    for second in range(0, 15 * 60 + 60, 5):
        exposure.hear(100, second * SECOND)
    assert exposure.stel(16 * 60 * SECOND) == pytest.approx(100, rel=0.02)
    assert exposure.twa() == pytest.approx(100 * 955 / (8 * 3_600))
    for second in range(16 * 60, 33 * 60, 5):
        exposure.hear(0, second * SECOND)
    assert exposure.stel(33 * 60 * SECOND) == 0
    assert exposure.twa() == pytest.approx(100 * 960 / (8 * 3_600), rel=0.01)


def test_a_detector_that_is_off_gives_no_dose() -> None:
    exposure = gas.Exposure()
    exposure.hear(100, 0)
    exposure.hear(100, 3_600 * SECOND)
    assert exposure.dose == 100 * gas.HOLD_MS


def test_eight_hours_of_the_limit_are_the_limit() -> None:
    exposure = gas.Exposure()
    for minute in range(8 * 120 + 1):
        exposure.hear(16, minute * 30 * SECOND)
    assert exposure.twa() == pytest.approx(16)


def test_a_rise_is_told_a_minute() -> None:
    rise = gas.Rise()
    got = [rise.hear(second, second * SECOND) for second in range(120)]
    assert got[0] == 0
    assert got[60] == pytest.approx(60)
    assert got[119] == pytest.approx(60)


# --- heart, floor ----------------------------------------------------------------------------------


def test_strain_of_the_reference() -> None:
    assert round(heart.psi(38.5, 150, 37.0, 70), 4) == 6.6364
    assert heart.psi(37.0, 70, 37.0, 70) == 0
    assert heart.heart_max_bpm(40) == 180


def test_core_temperature_of_the_reference() -> None:
    core = heart.CoreTemperature()
    got = [core.step(150) for _ in range(60)]
    assert [round(got[i - 1], 6) for i in (1, 10, 30, 60)] == [37.004466, 37.213993, 37.955657, 38.554312]
    assert heart.CORE_BAND_C == 0.63


@given(st.lists(st.one_of(st.none(), st.floats(0, 300)), max_size=200))
def test_core_temperature_stays_a_temperature(minutes: list[float | None]) -> None:
    core = heart.CoreTemperature()
    for bpm in minutes:
        assert heart.CORE_MIN_C <= core.step(bpm) <= heart.CORE_MAX_C


def test_floors_and_their_band() -> None:
    assert floor.height_m(101_325, 101_325) == 0
    up_m = floor.height_m(101_325 - 120, 101_325)
    assert up_m == pytest.approx(10, abs=0.1)
    assert floor.storeys(up_m, 3.0) == 3
    assert floor.storeys(floor.height_m(101_325 + 36, 101_325), 3.0) == -1
    fresh = floor.band_storeys(0, 50, 12, 101_325, 3.0)
    assert fresh == pytest.approx(0.33, abs=0.01)
    assert floor.band_storeys(3_600, 50, 12, 101_325, 3.0) == pytest.approx(fresh + 1.39, abs=0.01)
    assert math.isfinite(floor.height_m(20_000, 120_000))


def test_what_is_measured_each_ten_minutes_may_vouch_for_them() -> None:
    latch = Latch(10, 0, 600 * SECOND, 0, vouch_ms=900 * SECOND)
    assert [latch.step(11, t * 600 * SECOND) for t in range(3)] == [False, True, True]
    sparse = Latch(10, 0, 600 * SECOND, 0, vouch_ms=300 * SECOND)
    assert [sparse.step(11, t * 3_600 * SECOND) for t in range(4)] == [False, False, True, True], (
        "no more than that"
    )
