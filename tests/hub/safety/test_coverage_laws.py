"""Reference values of search, wind, links and coordinates, and the parts that use them."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.live.history import Trail
from hub.safety import search, search_law, signal_law
from hub.safety.signal_cells import CELLS_MAX, Cells, as_features
from hub.safety.weather import Weather, circular_mean
from hub.state import HubState
from protocols.laws import gcj

POA, RATES = (0.4, 0.3, 0.2, 0.1), tuple(0.06 / a for a in (2, 1, 1.5, 3))
VECTORS = [  # of the npm package gcoord 1.0.7 (MIT): WGS-84, GCJ-02, BD-09 as lon, lat
    ((116.99722, 36.66833), (117.0030503, 36.6685847), (117.0094334, 36.6749286)),
    ((120.38042, 36.06488), (120.3855519, 36.0651539), (120.3920218, 36.0712357)),
    ((122.11356, 37.50914), (122.1186256, 37.5101768), (122.125179, 37.5159683)),
    ((139.7, 35.7), (139.7, 35.7), (139.7, 35.7)),
]


@pytest.mark.parametrize(("wgs84", "gcj02", "bd09"), VECTORS)
def test_coordinates_of_map_services(wgs84: Any, gcj02: Any, bd09: Any) -> None:
    for made, off in (
        (gcj.wgs84_of_gcj02(gcj02[1], gcj02[0]), 1e-7),
        (gcj.wgs84_of_bd09(bd09[1], bd09[0]), 2e-6),  # its own way back is an approximation
    ):
        assert made == pytest.approx((wgs84[1], wgs84[0]), abs=off)
    assert gcj.gcj02_of(wgs84[1], wgs84[0]) == pytest.approx((gcj02[1], gcj02[0]), abs=1e-7)


def test_search_reference_values() -> None:
    assert search_law.posterior(POA, (0.6, 0, 0, 0)) == pytest.approx(
        (0.210526, 0.394737, 0.263158, 0.131579), abs=1e-6
    )
    assert search_law.pod(10, 1_000, 1e4) == pytest.approx(0.632, abs=5e-4)
    hours = search_law.allocate(POA, RATES, 60)
    assert hours == pytest.approx((28.168, 20.842, 10.990, 0), abs=5e-4)
    assert search_law.success(POA, RATES, hours) == pytest.approx(0.513418, abs=1e-6)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 10)), min_size=1, max_size=8), st.floats(0.01, 100)
)
def test_no_hour_is_lost_and_none_is_better_elsewhere(cells: list[tuple[float, float]], hours: float) -> None:
    poa, rates = [p for p, _ in cells], [a for _, a in cells]
    found = search_law.allocate(poa, rates, hours)
    assert min(found) >= -1e-9
    if max(poa) > 1e-6:
        assert sum(found) == pytest.approx(hours, rel=1e-6)
        even = [hours / len(cells)] * len(cells)
        assert search_law.success(poa, rates, found) >= search_law.success(poa, rates, even) - 1e-9


def square() -> tuple[tuple[float, float], ...]:
    return ((117.0, 36.0), (117.01, 36.0), (117.01, 36.01), (117.0, 36.01), (117.0, 36.0))


def plan(**more: Any) -> search.Plan:
    segments = (search.Segment("s1", "沟", square(), 0.6, 20.0, "high"),)
    return search.Plan("p1", "n", segments, ("u1",), 0, None, "Li", 0, **more)


def walk(lon_deg: tuple[float, ...], step_ms: int = 10_000) -> Trail:
    """Eastward through the middle of the square."""
    return Trail(
        [i * step_ms for i in range(len(lon_deg))],
        [360_050_000] * len(lon_deg),
        [round(x * 1e7) for x in lon_deg],
    )


def test_a_walk_counts_inside_only_and_a_gap_counts_nothing() -> None:
    tally = search.Tally(plan())
    lons = tuple(116.999 + i * 0.001 for i in range(13))  # one step before the square, ten in it, two after
    tally.add("u1", walk(lons[:7]), 60_000)
    whole = walk(lons)
    rest = Trail(whole.t_utc_ms[6:], whole.lat_deg_e7[6:], whole.lon_deg_e7[6:])
    tally.add("u1", rest, 120_000)
    width_m = 0.01 * 111_320.0 * math.cos(math.radians(36.004))
    assert tally.length_m[0] == pytest.approx(width_m, rel=1e-3)
    share = tally.share()
    assert share["segments"][0]["sweep_m"] == pytest.approx(36.0)
    assert share["rest_posterior"] + share["segments"][0]["posterior"] == pytest.approx(1.0)
    assert share["rest_posterior"] > share["rest_poa"], "what was searched in vain makes elsewhere likelier"
    gap = search.Tally(plan())
    gap.add("u1", walk((117.0, 117.01)), 10_000)
    said = gap.share()
    assert (gap.length_m, said["gaps"], said["legs"]) == ([0.0], 1, 0)


def test_a_plan_is_kept_and_reads_its_trails(state: HubState, bench: Any) -> None:
    asked: list[Any] = []

    def read(carried: Any, first: int, last: int, points: int) -> Trail:
        asked.append((first, last))
        return walk((117.001, 117.002))

    part = search.Search(state.safety.alarms._ground, read)
    now = bench.clock()
    unit = bench.units.rows[0].id
    part.put(search.Plan("p1", "n", plan().segments, (unit,), now - 3_600_000, None, "Li", now))
    for _ in range(5):
        part.look(now)
        state.readers.submit(int).result()
    assert asked == [(now - 3_600_000, now - 1_800_000), (now - 1_800_000, now - 60_000)], "each stretch once"
    part.keep()
    again = search.Search(part._ground, read)
    again.load()
    assert again.tallies["p1"].plan == part.tallies["p1"].plan


def test_what_comes_late_is_counted_too() -> None:
    """A backlog after an outage: the unit is read anew from the beginning, and what was read counts until then."""
    tally = search.Tally(plan())
    far, near = (lambda _unit: 1e15), (lambda _unit: 60_000.0)
    assert tally.due(10_000_000, near) == [("u1", 0, 60_000)], (
        "nothing is read beyond the unit's newest position"
    )
    tally.add("u1", walk((117.001, 117.002)), 9_940_000)
    before = tally.length_m[0]
    tally.came_late("u1", 20_000, 10_000_000)
    assert tally.due(10_000_000, far) == [], "not while the backlog is coming in"
    now = 10_000_000 + search.QUIET_MS
    assert tally.due(now, far) == [("u1", 0, search.STEP_MS)]
    assert tally.length_m[0] == before
    tally.add("u1", walk((117.001, 117.002, 117.003)), 9_939_999)
    assert tally.length_m[0] == before, "not before it is as far as it was"
    assert tally.due(now, far) == [("u1", 9_939_999, now - search.LATE_MS)]
    tally.add("u1", walk((117.003,)), now - search.LATE_MS)
    assert tally.due(now, far) == []
    assert tally.length_m[0] == pytest.approx(2 * before, rel=1e-6)


def test_wind_reference_values() -> None:
    mean, spread = circular_mean((350, 0, 10, 20, 340))
    assert mean == pytest.approx(0.0, abs=1e-9)
    assert spread == pytest.approx(14.15, abs=5e-3)
    assert circular_mean((0, 180))[0] is None


def test_wind_of_the_nearest_fresh_station(bench: Any) -> None:
    bench.enrol(8)
    for device, lat, wind in ((7, 366_000_000, 30), (8, 367_000_000, 50)):
        rows = [
            {
                "lat_deg_e7": lat,
                "lon_deg_e7": 1_170_000_000,
                "fix_mode": 3,
                "wind_dmps": wind,
                "wind_from_deg": 350,
            }
        ]
        bench.put(bench.frame(device=device, rows=rows))
    weather = Weather(bench.picture, bench.units)
    found = weather.wind_at(36.69, 117.0, bench.clock() + 1_000)
    assert found is not None
    assert (found.speed_mps, found.from_deg, found.age_ms) == (5.0, 350.0, 1_000)
    mean = weather.mean(weather.near(36.69, 117.0, bench.clock()))
    assert mean is not None
    assert (mean.speed_mps, round(mean.from_deg or 0), len(mean.inputs)) == (4.0, 350, 2)
    assert weather.wind_at(36.69, 117.0, bench.clock() + 601_000) is None, "old wind says nothing of now"
    assert weather.wind_at(30.0, 117.0, bench.clock()) is None


def test_signal_reference_value_and_cells() -> None:
    assert signal_law.p_link(-115, -124.5, 8) == pytest.approx(0.882, abs=5e-4)
    cells = Cells()
    for up in (False, False, True):
        cells.add(1, 36.65, 117.0, "u1", 5, up=up)
    cells.add(3, 36.65, 117.0, "u1", 6, up=True, rssi_dbm=-110)
    mqtt, mesh = as_features(cells.all())
    assert (mqtt["properties"]["hole"], mqtt["properties"]["samples"]) == (True, 3)
    assert (mesh["properties"]["hole"], mesh["properties"]["rssi_median_dbm"]) == (False, -110.0)
    ring = mqtt["geometry"]["coordinates"][0]
    assert ring[0][0] <= 117.0 <= ring[2][0]
    assert ring[0][1] <= 36.65 <= ring[2][1]
    assert list(cells.all(bearer=1, since_ms=6)) == []


def test_cells_are_bounded() -> None:
    cells = Cells()
    for i in range(CELLS_MAX + 5):
        cells.add(1, 36.0, 100.0 + i * 0.002, "u", i, up=True)
    assert (len(cells), cells.forgotten) == (CELLS_MAX, 5)
