"""Dead reckoning: the law, its twin's vectors, and what it costs and shows on real tracks and a drive."""

import json
import math
import os
import random
from pathlib import Path

import pytest

from protocols.laws import reckon
from protocols.laws.reckon import ERROR_M, LATE_S, T_MAX_S, Law, State, Trigger, bound_m, predict, state_of

VECTORS = Path(__file__).resolve().parents[1] / "web/reckon_vectors.json"
"""Rewritten with WRITE_VECTORS=1; read by hub/web/test/reckon.test.ts too."""
LAT, LON = 366_500_000, 1_170_000_000


def made_vectors() -> dict[str, object]:
    rng = random.Random(5)
    out = []
    for at in range(60):
        lat, lon = rng.randint(-850_000_000, 850_000_000), rng.randint(-1_800_000_000, 1_799_999_999)
        if at % 10 == 3:
            lon = 1_799_999_000 if at % 20 == 3 else -1_799_999_000
        speed = None if at % 7 == 5 else rng.choice((0, 2, 3, 14, 55, 300))
        course = None if at % 11 == 7 else rng.randint(0, 359)
        age_s = rng.choice((-3, 0, 0.25, 1, 30, 60, 75, 76, 300))
        state = state_of([5_000], [lat], [lon], [speed], [course])
        assert state is not None
        vmax = rng.choice((6, 40))
        out.append(
            {
                "speed_dmps": speed, "course_deg": course, "lat_deg_e7": lat, "lon_deg_e7": lon, "age_s": age_s,
                "predicted_e7": [round(x, 3) for x in predict(state, 5_000 + round(1_000 * age_s))],
                "speed_max_mps": vmax, "bound_m": bound_m(age_s, vmax),
            }
        )  # fmt: skip
    return {"law": {"error_m": ERROR_M, "t_max_s": T_MAX_S, "late_s": LATE_S}, "vectors": out}


def test_the_vectors_of_the_screens_twin_are_current():
    text = json.dumps(made_vectors(), indent=0) + "\n"
    if os.environ.get("WRITE_VECTORS"):
        VECTORS.write_text(text, encoding="utf-8")
    had = json.loads(VECTORS.read_text(encoding="utf-8"))
    for old, new in zip(had["vectors"], made_vectors()["vectors"], strict=True):
        assert old["predicted_e7"] == pytest.approx(new["predicted_e7"], abs=0.01)
        assert {**old, "predicted_e7": 0} == {**new, "predicted_e7": 0}
    assert had["law"] == made_vectors()["law"]


def test_the_vectors_are_not_all_the_same():
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    assert sum(v["predicted_e7"] != [v["lat_deg_e7"], v["lon_deg_e7"]] for v in vectors) > 25
    assert len({v["bound_m"] for v in vectors}) > 3


def test_speed_and_course_tell_the_velocity():
    state = state_of([0, 1_000], [LAT, LAT], [LON, LON], [None, 100], [None, 90])
    assert (state.north_mps, state.east_mps) == (pytest.approx(0, abs=1e-9), pytest.approx(10))
    lat, lon = predict(state, 11_000)
    north_m, east_m = reckon.offset_m(LAT, LON, lat, lon)
    assert (north_m, east_m) == (pytest.approx(0, abs=1e-6), pytest.approx(100, abs=0.01))


def test_without_them_the_trail_tells_it():
    step = round(2 / reckon.METRES_PER_DEG_LAT * 1e7)
    times, lats = [1_000 * at for at in range(9)], [LAT + step * max(0, at - 4) for at in range(9)]
    assert state_of(times, lats, [LON] * 9).north_mps == pytest.approx(2, abs=0.01)
    broken = [*times[:7], 20_000, 21_000]
    assert state_of(broken, lats, [LON] * 9).north_mps == pytest.approx(2, abs=0.01)
    assert state_of([1_000], [LAT], [LON]) == State(1_000, LAT, LON)
    assert state_of([1_000, 1_000], [LAT, LAT + 500], [LON, LON]) == State(1_000, LAT + 500, LON)


def test_a_standing_unit_stands_whatever_its_course_says():
    assert state_of([0], [LAT], [LON], [2], [77]) == State(0, LAT, LON)
    assert state_of([0], [LAT], [LON], [2], [None]) == State(0, LAT, LON)
    assert state_of([0], [None], [LON]) is None
    assert state_of([], [], []) is None


def test_the_prediction_ends_and_the_bound_grows_when_a_report_is_missing():
    law = Law()
    state = State(0, LAT, LON, 1.0, 0.0)
    assert predict(state, -5_000) == (LAT, LON)
    assert predict(state, 75_000) == predict(state, 900_000) != predict(state, 74_000)
    assert bound_m(0, 6) == bound_m(75, 6) == law.error_m
    assert bound_m(85, 6) == law.error_m + 60
    assert all(bound_m(age, 40) <= bound_m(age + 1, 40) for age in range(400))


def test_the_trigger():
    trigger = Trigger(error_m=25, t_max_s=60)
    assert not trigger.due(0)
    assert trigger.due(0, LAT, LON)
    trigger.sent(State(0, LAT, LON))
    near, far = LAT + 2_000, LAT + 2_500
    assert not trigger.due(1_000, near, LON)
    assert trigger.due(1_000, far, LON)
    assert not trigger.due(59_999)
    assert trigger.due(60_000)
    assert trigger.error_m(1_000, far, LON) == pytest.approx(27.8, abs=0.1)


def test_it_works_across_the_date_line_and_near_a_pole():
    trigger = Trigger()
    trigger.sent(State(0, 0, 1_799_999_990, 0.0, 1.0))
    assert trigger.error_m(1_000, 0, -1_799_999_920) < 1
    assert predict(State(0, 900_000_000, 0, 10.0, 10.0), 60_000)[0] == 900_000_000


def drive(seconds: int) -> list[tuple[int, int, int, int]]:
    """Latitude, longitude, speed dm/s, course: a car on a grid of streets, with corners, lights and 1.5 m of noise."""
    rng = random.Random(11)
    north = east = speed = 0.0
    course, target, until, out = 90.0, 14.0, 40, []
    turn_left = 0.0
    for t in range(seconds):
        if t >= until:
            target = rng.choice((0.0, 8.0, 12.0, 14.0, 17.0, 20.0))
            until = t + (rng.randint(5, 25) if target == 0 else rng.randint(15, 60))
            turn_left = rng.choice((0, 0, -90, 90)) if target else 0
        speed += max(-2.5, min(2.0, target - speed))
        bend = max(-22.0, min(22.0, turn_left)) if speed > 3 else 0.0
        turn_left -= bend
        if bend:
            speed = min(speed, 8.0)
        course = (course + bend) % 360
        north += speed * math.cos(math.radians(course))
        east += speed * math.sin(math.radians(course))
        lat = 36.65 + (north + rng.gauss(0, 0.3)) / reckon.METRES_PER_DEG_LAT
        lon = 117.0 + (east + rng.gauss(0, 0.3)) / reckon.METRES_PER_DEG_LAT / math.cos(math.radians(36.65))
        out.append((round(lat * 1e7), round(lon * 1e7), round(10 * speed), round(course) % 360))
    return out


@pytest.fixture
def drive_points():
    return drive(3_600)


def test_a_drive_needs_few_reports_and_is_drawn_within_e(drive_points):
    trigger, sent, errors = Trigger(), 0, []
    for t, (lat, lon, speed, course) in enumerate(drive_points):
        if trigger.due(1_000 * t, lat, lon):
            trigger.sent(state_of([1_000 * t], [lat], [lon], [speed], [course]))
            sent += 1
        errors.append(trigger.error_m(1_000 * t, lat, lon))
    assert 98 <= sent <= 260
    assert max(errors) <= ERROR_M
    assert sorted(errors)[int(0.95 * len(errors))] <= 23
