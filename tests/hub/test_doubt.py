"""hub.live.doubt: the same circles as the screen draws."""

from typing import Any

import numpy as np
import pytest

from hub.live.doubt import ACCURACY_UNKNOWN_M, MOTIONS, places, radius_m
from hub.live.picture import Changes

T0 = 1_795_000_000_000
ONE = np.zeros(1, np.int64)


@pytest.mark.parametrize(("silence_s", "metres"), [(10, 9.3), (60, 41.5), (300, 136), (1800, 366)])
def test_reference_values_on_foot(silence_s: float, metres: float) -> None:
    sigma, fastest = (np.array([value]) for value in MOTIONS["person"])
    got = radius_m(np.array([5.0]), np.array([float(silence_s)]), sigma, fastest)[0]
    assert got == pytest.approx(metres, abs=0.5 if metres >= 100 else 0.05)


def test_it_never_shrinks_and_is_capped_by_the_fastest_line() -> None:
    ages = np.arange(0, 4_000, 7.0)
    for sigma, fastest in MOTIONS.values():
        got = radius_m(np.full_like(ages, 5.0), ages, np.full_like(ages, sigma), np.full_like(ages, fastest))
        assert (np.diff(got) >= 0).all()
        assert got[0] == 5.0
    assert radius_m(np.array([0.0]), np.array([1.0]), np.array([100.0]), np.array([6.0]))[0] == 6.0


def fix(picture: Any, slot: int, rank: int, *pos: int) -> None:
    changes = Changes()
    changes.pos.append((slot, T0, rank, 0, *pos))
    picture.apply(changes)


def test_where_a_unit_is(bench: Any) -> None:
    bench.enrol(1001, 1002)
    motions, picture = bench.units.motions, bench.picture
    assert np.isnan(places(picture, motions, ONE, T0).lat_deg[0]), "it never had a position"
    fix(picture, 0, 1, 366_500_000, 1_172_500_000, 500, 15, 90, -1)
    still = places(picture, motions, ONE, T0 + 10_000)
    assert (still.lat_deg[0], still.lon_deg[0], still.age_s[0]) == (36.65, 117.25, 10.0)
    assert still.radius_m[0] > ACCURACY_UNKNOWN_M
    assert places(picture, motions, ONE, T0 - 9_000).age_s[0] == 0.0, (
        "a fix of the future is new, not younger"
    )


def test_dead_reckoning_is_carried_on_as_on_the_screen(bench: Any) -> None:
    bench.enrol(1001)
    fix(bench.picture, 0, -1, 366_500_000, 1_172_500_000, 500, 100, 0, 50)  # a preview: 10 m/s to the north
    motions = bench.units.motions
    at = [places(bench.picture, motions, ONE, T0 + s * 1_000) for s in (0, 60, 75, 80)]
    north_m = [(p.lat_deg[0] - 36.65) * 111_195 for p in at]
    assert north_m == pytest.approx([0, 600, 750, 750], rel=2e-3)
    assert [p.radius_m[0] for p in at] == pytest.approx([30, 30, 30, 30 + 5 * 6.0])


def test_kinds_of_the_roster_move_as_told(bench: Any) -> None:
    bench.enrol(1001)
    assert tuple(bench.units.motions[0]) == MOTIONS["person"]
