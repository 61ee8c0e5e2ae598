"""Trails and series out of whole columns: nothing is lost, nothing is out of date, and how true a thin track is."""

from collections.abc import Callable
from typing import Any

import httpx
import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import Role
from hub.live import columns as col
from hub.live import trail_law
from hub.live.history import bucketed, thinned
from hub.live.slices import HOUR_MS, SETTLE_MS, Cache
from hub.state import HubState
from hub.store.interface import UnitRow
from protocols.catalog import FIELDS_BY_NAME, Kind, Lane

BITS = {name: FIELDS_BY_NAME[name].bit for name in ("lat_deg_e7", "lon_deg_e7", "heart_bpm", "speed_dmps")}


# --- the law -----------------------------------------------------------------------------------------------


def errors_m(t: Any, at: Any, kept: Any) -> Any:
    """The synchronous error of every point, reckoned point by point."""
    out = []
    for i in range(len(t)):
        k = int(np.searchsorted(kept, i, "right")) - 1
        a, b = int(kept[k]), int(kept[min(k + 1, len(kept) - 1)])
        share = 0.0 if t[b] == t[a] else (t[i] - t[a]) / (t[b] - t[a])
        out.append(float(np.hypot(*(at[i] - (at[a] + share * (at[b] - at[a]))))))
    return np.array(out)


STEPS = st.lists(
    st.tuples(st.integers(1, 90_000), st.floats(-30, 30), st.floats(-30, 30)), min_size=0, max_size=60
)


@given(STEPS, st.sampled_from(trail_law.TOLERANCES_M))
def test_no_point_is_farther_off_than_the_tolerance(
    steps: list[tuple[int, float, float]], tolerance: float
) -> None:
    t = np.cumsum([0, *(dt for dt, _, _ in steps)]).astype(np.int64)
    at = np.cumsum([(0.0, 0.0), *((x, y) for _, x, y in steps)], axis=0).reshape(-1, 2)
    kept = trail_law.kept(t, at, tolerance)
    assert kept[0] == 0
    assert kept[-1] == len(t) - 1
    assert errors_m(t, at, kept).max() <= tolerance + 1e-9
    for i in np.flatnonzero(np.diff(t) >= trail_law.GAP_MS):
        assert {i, i + 1} <= set(kept.tolist()), "both ends of a gap stay"


def test_a_straight_walk_is_two_points_and_a_halt_stays_a_halt() -> None:
    t = np.arange(100, dtype=np.int64) * 1_000
    straight = np.column_stack((np.arange(100) * 1.2, np.zeros(100)))
    assert trail_law.kept(t, straight, 1.0).tolist() == [0, 99]
    halt = straight.copy()
    halt[40:70] = halt[40]
    halt[70:] = halt[40] + (np.arange(30) * 1.2)[:, None] * (1, 0)
    assert len(trail_law.kept(t, halt, 1.0)) >= 4, "it lies on the same line, at other times"


ZOOMS = ((20, 1.0), (17, 1.0), (15, 1.0), (14, 2.5), (13, 5.0), (8, 160.0), (0, 1280.0))


@pytest.mark.parametrize(("zoom", "tolerance"), ZOOMS)
def test_a_tolerance_is_at_most_a_pixel_and_at_most_five_metres_near_by(zoom: int, tolerance: float) -> None:
    found = trail_law.tolerance_m(zoom, 36.6)
    assert found == tolerance
    pixel_m = trail_law.M_PER_PX_AT_0 * np.cos(np.radians(36.6)) / 2**zoom
    assert found <= max(1.0, pixel_m)


# --- columns -----------------------------------------------------------------------------------------------

COLUMN = st.lists(
    st.tuples(st.integers(0, 1_000), st.one_of(st.none(), st.integers(-(2**40), 2**40))), max_size=30
)


@given(st.lists(COLUMN, max_size=4))
def test_columns_joined_are_the_same_as_their_rows(parts: list[list[tuple[int, int | None]]]) -> None:
    made = []
    for part in parts:
        rows = sorted(part, key=lambda row: row[0])
        wide = any(v is not None and abs(v) >= 2**31 - 1 for _, v in rows)
        absent = col.ABSENT_WIDE if wide else col.ABSENT
        values = np.array([absent if v is None else v for _, v in rows], np.int64 if wide else np.int32)
        made.append(col.Columns(np.array([t for t, _ in rows], np.int64), {3: values} if rows else {}))
    t, values = col.joined(made).known(3)
    assert sorted(zip(t.tolist(), values.tolist(), strict=True)) == sorted(
        (t, v) for part in parts for t, v in part if v is not None
    )


@given(st.lists(st.tuples(st.integers(0, 9_999), st.integers(-50, 50)), max_size=80), st.integers(1, 40))
def test_no_extreme_is_lost_and_a_gap_is_seen(rows: list[tuple[int, int]], points: int) -> None:
    rows.sort()
    width = -(-10_000 // points)
    found = bucketed(
        np.array([t for t, _ in rows], np.int64), np.array([v for _, v in rows], np.int64), 0, width
    )
    by_bucket: dict[int, list[int]] = {}
    for t, v in rows:
        by_bucket.setdefault(t // width, []).append(v)
    assert found.t_ms.tolist() == [at * width + width // 2 for at in sorted(by_bucket)]
    assert found.n.tolist() == [len(by_bucket[at]) for at in sorted(by_bucket)]
    assert found.least.tolist() == [min(by_bucket[at]) for at in sorted(by_bucket)]
    assert found.most.tolist() == [max(by_bucket[at]) for at in sorted(by_bucket)]
    assert len(found.t_ms) <= points


# --- what is kept ------------------------------------------------------------------------------------------


def hour_ago(bench: Any) -> int:
    """The beginning of an hour that is over."""
    bench.clock.now = (bench.clock.now // HOUR_MS + 1) * HOUR_MS + SETTLE_MS
    return int(bench.clock.now) - SETTLE_MS - HOUR_MS


def test_what_comes_late_is_in_the_next_answer(bench: Any) -> None:
    start = hour_ago(bench)
    carried, whole = bench.units.carried(0), (start, start + HOUR_MS - 1)
    bench.put(bench.frame(row=0, t_ms=start + 1_000, lane=Lane.HISTORY))
    assert len(bench.history.trail(carried, *whole, 99).t_utc_ms) == 1
    assert len(bench.history.simplified(carried, *whole, 5.0)) == 1
    cache = bench.history.slices.cache
    assert len(cache) == 2
    hits = cache.hits
    bench.history.trail(carried, *whole, 99)
    assert cache.hits == hits + 1
    bench.put(bench.frame(row=1, t_ms=start + 2_000, lane=Lane.HISTORY))
    assert len(cache) == 0
    assert len(bench.history.trail(carried, *whole, 99).t_utc_ms) == 2
    assert len(bench.history.simplified(carried, *whole, 5.0)) == 2


def test_an_hour_that_is_not_over_is_not_kept(bench: Any) -> None:
    start = hour_ago(bench)
    bench.clock.now -= 1
    bench.put(bench.frame(row=0, t_ms=start + 1_000, lane=Lane.HISTORY))
    bench.history.trail(bench.units.carried(0), start, start + HOUR_MS - 1, 99)
    assert len(bench.history.slices.cache) == 0


def test_a_boot_that_is_dated_later_is_in_the_next_answer(bench: Any) -> None:
    start = hour_ago(bench)
    carried, zero = bench.units.carried(0), start
    assert bench.history.trail(carried, start, start + HOUR_MS - 1, 99).t_utc_ms == []
    bench.put(bench.frame(row=0, t_ms=5_000, zero_ms=None, lane=Lane.HISTORY))
    bench.put(bench.frame(row=1, t_ms=zero + 6_000, zero_ms=zero, lane=Lane.HISTORY))
    assert bench.history.trail(carried, start, start + HOUR_MS - 1, 99).t_utc_ms == [
        zero + 5_000,
        zero + 6_000,
    ]


def test_what_was_made_while_something_came_late_is_not_kept() -> None:
    cache = Cache(1_000)
    made = col.Columns(np.zeros(10, np.int64), {})
    before = cache.generation(7)
    cache.late(7, 0)
    cache.put((7, 0, 0), made, 7, before)
    assert len(cache) == 0
    for hour in range(9):
        cache.put((7, hour, 0), made, 7, cache.generation(7))
    assert cache.nbytes <= 1_000
    assert cache.get((7, 8, 0)) is made, "the one that was used longest ago goes first"
    cache.late(7, 8 * HOUR_MS)
    assert cache.get((7, 8, 0)) is None
    assert cache.get((7, 7, 0)) is made, "what was before it holds"


def test_the_same_over_hours_and_in_one_piece(bench: Any) -> None:
    """Rows of two pages, with holes, over the edge of an hour."""
    start = hour_ago(bench) - 2_000
    bench.clock.now += HOUR_MS
    rows = [
        {"lat_deg_e7": 366_500_000 + 90 * i, "lon_deg_e7": 1_170_000_000, "heart_bpm": 80 + i % 7}
        for i in range(9)
    ]
    rows[4] = {"speed_dmps": 5}
    bench.put(bench.frame(row=0, t_ms=start, rows=rows, lane=Lane.HISTORY))
    bench.put(bench.frame(row=20, t_ms=start, rows=[{"cpu_dc": 500}], kind=Kind.HEALTH, lane=Lane.HISTORY))
    carried, window = bench.units.carried(0), (start, start + 9_000)
    first = bench.history.series(carried, ["heart_bpm", "cpu_dc"], *window, 3)
    assert first["heart_bpm"].n.tolist() == [4, 2, 2], "of the second three rows one has none"
    assert first["cpu_dc"].least.tolist() == [500]
    again = bench.history.series(carried, ["heart_bpm"], *window, 3)["heart_bpm"]
    assert [c.tolist() for c in (again.t_ms, again.least, again.most)] == [
        c.tolist() for c in (first["heart_bpm"].t_ms, first["heart_bpm"].least, first["heart_bpm"].most)
    ]
    assert len(bench.history.trail(carried, *window, 99).t_utc_ms) == 8
    assert len(bench.history.simplified(carried, *window, 1.0)) == 4, "two ends in each hour"


def test_no_gap_is_forgotten(bench: Any) -> None:
    start = hour_ago(bench) + HOUR_MS - 300_000
    bench.clock.now += HOUR_MS
    for row, after_s in ((0, 0), (10, 90), (20, 299), (30, 420)):  # the third lies on the edge of the hour
        rows = [{"lat_deg_e7": 366_500_000 + 90 * i, "lon_deg_e7": 1_170_000_000} for i in range(5)]
        bench.put(bench.frame(row=row, t_ms=start + 1_000 * after_s, rows=rows, lane=Lane.HISTORY))
    carried, window = bench.units.carried(0), (start, start + 500_000)
    whole = bench.history.track(carried, *window)
    assert whole.gaps.sum() == 3
    assert bench.history.simplified(carried, *window, 640.0).gaps.sum() == 3
    few = thinned(whole, 4)
    assert (len(few), few.gaps.sum()) == (4, 3)
    assert thinned(whole, 2).gaps.tolist() == [0, 3]


# --- over HTTP ---------------------------------------------------------------------------------------------


@pytest.fixture
def as_role(state: HubState, ask: Any) -> Callable[..., Any]:
    def sign_in(
        role: Role, agency: str = "", sees: tuple[str, ...] = ("*",)
    ) -> Callable[..., httpx.Response]:
        state.sign_in.accounts.put(Person(role.value, role, agency, sees, "B", ACTIVE), "test", 1)
        began = state.sign_in.sign_in(state.sign_in.new_token(role.value))
        assert began is not None

        def get(path: str, accept: str = "application/msgpack") -> httpx.Response:
            headers = {"Cookie": f"zhantu={began.cookie}", "Accept": accept}
            answer: httpx.Response = ask("GET", f"/api/v1{path}", headers=headers)
            return answer

        return get

    return sign_in


def walked(bench: Any) -> tuple[int, int, str]:
    """Two minutes straight north, heart rate rising, then a corner: (from, to, unit)."""
    start = bench.clock()
    bench.clock.now += 200_000
    rows = [
        {"lat_deg_e7": 366_500_000 + 90 * min(i, 100), "lon_deg_e7": 1_170_000_000 + 110 * max(0, i - 100),
         "heart_bpm": 80 + i, "speed_dmps": 12}
        for i in range(120)
    ]  # fmt: skip
    bench.put(bench.frame(row=0, t_ms=start, rows=rows))
    return start, start + 200_000, bench.units.rows[0].id


def test_a_trail_by_zoom_and_whole(as_role: Callable[..., Any], bench: Any) -> None:
    first, last, unit = walked(bench)
    get = as_role(Role.OBSERVER)
    found = msgpack.unpackb(get(f"/units/{unit}/trail?from={first}&to={last}&zoom=17").content)
    assert (found["n"], found["whole"], found["tolerance_m"]) == (3, 120, 1.0)
    t = np.frombuffer(found["c"]["t"], "<f8")
    assert t.tolist() == [first, first + 100_000, first + 119_000]
    assert found["c"]["gap"] == bytes(3), "far apart, and nothing is missing"
    whole = get(f"/units/{unit}/trail?from={first}&to={last}&points=5000", "application/json").json()
    assert (whole["n"], whole["whole"], whole["tolerance_m"]) == (120, 120, 0.0)
    few = msgpack.unpackb(get(f"/units/{unit}/trail?from={first}&to={last}&zoom=17&points=2").content)
    assert (few["n"], few["tolerance_m"]) == (2, 40.0), "coarser, and it says so"


def test_all_trails_in_one_answer(as_role: Callable[..., Any], bench: Any) -> None:
    first, last, unit = walked(bench)
    bench.registry.enrol([(9, UnitRow("", "C9", "person", "fire", "B", 30, 300, "矿山"))], bench.clock())
    bench.load()
    bench.put(
        bench.frame(device=9, rows=[{"lat_deg_e7": 370_000_000, "lon_deg_e7": 1_180_000_000}], t_ms=last)
    )
    get = as_role(Role.OBSERVER)
    query = f"from={first}&to={last}&zoom=15"
    found = msgpack.unpackb(get(f"/trails?{query}").content)
    assert {one["id"]: one["n"] for one in found["units"]} == {unit: 3, bench.units.rows[1].id: 1}
    assert found["next"] is None
    page = get(f"/trails?{query}&limit=1", "application/json").json()
    rest = get(f"/trails?{query}&after={page['next']}", "application/json").json()
    assert len(page["units"]) == len(rest["units"]) == 1
    near = get(f"/trails?{query}&bbox=116.9,36.6,117.1,36.7", "application/json").json()["units"]
    assert [one["id"] for one in near] == [unit]
    assert (
        as_role(Role.MEMBER, "市消防", ())(f"/trails?{query}", "application/json").json()["units"][0]["id"]
        == unit
    )
    assert get(f"/trails?from=0&to={last}&zoom=15").status_code == 422


def test_series_in_typed_columns_of_one_and_several(as_role: Callable[..., Any], bench: Any) -> None:
    first, last, unit = walked(bench)
    get = as_role(Role.MEDIC)
    query = f"channels=heart_bpm,speed_dmps&from={first}&to={last}&points=20"
    found = msgpack.unpackb(get(f"/units/{unit}/series?{query}").content)
    heart = found["channels"]["heart_bpm"]
    columns = {
        name: np.frombuffer(heart[name], "<u4" if name == "n" else "<f8") for name in ("t", "n", "min", "max")
    }
    assert columns["n"].sum() == 120
    assert (columns["min"].min(), columns["max"].max(), heart["unit"]) == (80, 199, "1/min")
    assert len(columns["t"]) == 12, "eighty seconds without data are no buckets"
    assert np.frombuffer(found["channels"]["speed_dmps"]["max"], "<f8").max() == 1.2
    listed = get(f"/units/{unit}/series?{query}", "application/json").json()
    assert listed["channels"]["heart_bpm"]["n"] == columns["n"].tolist()
    assert listed["width_ms"] == found["width_ms"]
    several = msgpack.unpackb(get(f"/series?units={unit}&{query}").content)
    assert several["units"][unit]["heart_bpm"] == heart
    assert get(f"/series?units={unit},nobody&{query}").status_code == 404
    assert get(f"/series?units=&{query}").status_code == 422


def test_a_body_stays_private_in_every_series(as_role: Callable[..., Any], bench: Any) -> None:
    first, last, unit = walked(bench)
    get = as_role(Role.OBSERVER)
    for path in (f"/units/{unit}/series?", f"/series?units={unit}&"):
        assert get(f"{path}channels=heart_bpm&from={first}&to={last}").status_code == 403
        everything = get(f"{path}channels=*&from={first}&to={last}", "application/json").json()
        channels = everything["channels"] if "channels" in everything else everything["units"][unit]
        assert "heart_bpm" not in channels
        assert channels["speed_dmps"]["max"] == [1.2] * len(channels["speed_dmps"]["max"])
