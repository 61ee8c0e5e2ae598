"""Search plans, signal cells and wind over HTTP, by parts that read a real log."""

import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import Role
from hub.safety.search_plan import PlanError, segments
from hub.safety.signal_cells import WAIT_MS
from hub.state import HubState
from hub.store.interface import UnitRow
from protocols import frame, topics
from protocols.catalog import Bearer, BearerState, ClockSource, Kind, Lane, Stream

Ask = Callable[..., httpx.Response]
LAT, LON = 36.6, 117.0
M_PER_DEG = 111_320.0


@pytest.fixture
def as_role(state: HubState, ask: Any) -> Callable[..., Ask]:
    """Asks as somebody of this role and agency."""

    def sign_in(role: Role, agency: str = "", sees: tuple[str, ...] = ("*",)) -> Ask:
        name = f"{role.value}{agency}"
        state.sign_in.accounts.put(Person(name, role, agency, sees, "A", ACTIVE), "test", 1)
        began = state.sign_in.sign_in(state.sign_in.new_token(name))
        assert began is not None
        headers = {"Cookie": f"zhantu={began.cookie}"}
        return lambda method, path, **more: ask(method, f"/api/v1{path}", headers=headers, **more)

    return sign_in


def box(east_m: float, width_m: float, height_m: float, **about: Any) -> dict[str, Any]:
    """A segment of this size, so far east of the origin."""
    per_deg = M_PER_DEG * math.cos(math.radians(LAT))
    west, east, north = LON + east_m / per_deg, LON + (east_m + width_m) / per_deg, LAT + height_m / M_PER_DEG
    ring = [[west, LAT], [east, LAT], [east, north], [west, north], [west, LAT]]
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": about}


def plan(features: list[dict[str, Any]], units: list[str], from_ms: int, **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "name": "沟谷", "units": units, "from_utc_ms": from_ms,
            "features": features, "crs": "of another program", **more}  # fmt: skip


def test_effort_as_the_reference_has_it(as_role: Callable[..., Ask], bench: Any) -> None:
    """Areas 2, 1, 1.5, 3 km², W·v 0.06 km²/h: 60 m at 1 km/h."""
    ask = as_role(Role.COMMANDER)
    features = [
        box(i * 5_000, 1_000, area * 1_000, name=f"段{i}", poa=poa, range_m=60 / 1.6)
        for i, (area, poa) in enumerate(((2, 0.4), (1, 0.3), (1.5, 0.2), (3, 0.1)))
    ]
    made = ask("POST", "/search/plans", json=plan(features, [], bench.clock()))
    assert made.status_code == 200, made.text
    id = made.json()["plans"][0]["id"]
    effort = ask("POST", f"/search/plans/{id}/allocate", json={"hours": 60, "speed_mps": 1 / 3.6}).json()
    assert [row["hours"] for row in effort["segments"]] == pytest.approx(
        [28.168, 20.842, 10.990, 0], abs=0.02
    )
    assert effort["pos"] == pytest.approx(0.513418, abs=2e-4)


def test_what_was_walked_is_seen_with_its_inputs(
    as_role: Callable[..., Ask], bench: Any, state: HubState
) -> None:
    ask, unit = as_role(Role.COMMANDER), bench.units.rows[0].id
    start = bench.clock()
    made = ask("POST", "/search/plans", json=plan([box(0, 200, 200, poa=0.8, range_m=10, visibility="high")],
                                                  [unit], start))  # fmt: skip
    id = made.json()["plans"][0]["id"]
    step = 90  # 1e-7 degrees each second: 1 m
    rows = [
        {"lat_deg_e7": 366_005_000 + i * step, "lon_deg_e7": 1_170_010_000, "fix_mode": 3} for i in range(120)
    ]
    bench.clock.now += 400_000
    bench.put(bench.frame(rows=rows, t_ms=start))
    for _ in range(6):
        state.safety.search.look(bench.clock())
        state.readers.submit(int).result()
    (feature,) = ask("GET", "/search").json()["features"]
    about = feature["properties"]
    length = 119 * step * 1e-7 * M_PER_DEG
    assert about["length_m"] == pytest.approx(length, rel=0.01)
    w, area = 18.0, 40_000.0
    assert (about["sweep_m"], about["area_m2"]) == (pytest.approx(w), pytest.approx(area, rel=1e-3))
    assert about["pod"] == pytest.approx(1 - math.exp(-w * length / area), rel=0.01)
    assert about["searched_share"] == pytest.approx(w * length / area, rel=0.01)
    left = 0.8 * (1 - about["pod"])
    assert about["posterior"] == pytest.approx(left / (left + 0.2))
    assert state.safety.search.notes() == []
    (told,) = [make(None) for make in state.safety.search.changes()]  # type: ignore[arg-type]
    assert (told["k"], told["plan"], told["gone"]) == ("search", id, False)


def test_a_plan_is_changed_kept_and_removed(as_role: Callable[..., Ask], bench: Any, state: HubState) -> None:
    ask, part = as_role(Role.COMMANDER), state.safety.search
    feature = box(0, 200, 200, poa=0.5, range_m=10)
    id = ask("POST", "/search/plans", json=plan([feature], [], 0)).json()["plans"][0]["id"]
    changed = ask("PUT", f"/search/plans/{id}", json=plan([feature], [], 0, until_utc_ms=bench.clock()))
    assert changed.json()["plans"][0]["until_utc_ms"] == bench.clock()
    part.keep()
    again = type(part)(part._ground)
    again.load()
    assert again.tallies[id].plan == part.tallies[id].plan
    assert ask("DELETE", f"/search/plans/{id}").status_code == 204
    part.keep()
    assert ask("DELETE", f"/search/plans/{id}").status_code == 404
    assert state.registry.documents.all("search_plan") == {}
    whats = [str(record[3]) for record in state.registry.records()]
    assert {"search plan made", "search plan changed", "search plan removed"} <= set(whats)
    observer = as_role(Role.OBSERVER)
    assert observer("POST", "/search/plans", json=plan([feature], [], 0)).status_code == 403
    assert observer("GET", "/search").status_code == 200


BOW = {
    "type": "Polygon",
    "coordinates": [[[117, 36], [117.01, 36.01], [117.01, 36], [117, 36.02], [117, 36]]],
}
RING = [[117, 36], [117.01, 36], [117.01, 36.01], [117, 36]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"properties": {"range_m": 5}}, "feature 1: poa = None"),
        ({"properties": {"poa": True, "range_m": 5}}, "poa = True"),
        ({"properties": {"poa": 0.5, "range_m": 0}}, "range_m = 0"),
        ({"properties": {"poa": 0.5, "range_m": 5, "visibility": "fog"}}, "low, medium, high allowed"),
        ({"geometry": {"type": "Point", "coordinates": [1, 2]}}, "a Polygon is needed"),
        ({"geometry": {"type": "Polygon", "coordinates": [RING, RING]}}, "holes are not taken"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[117, 36], [117, 36]]]}}, "2 points"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[36, 117], *RING[1:]]]}}, r"\[36, 117\]"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[117, 36]] * 4]}}, "0 m²"),
        ({"geometry": {"type": "Polygon", "coordinates": [["ab", *RING]]}}, "point ab"),
        ({"geometry": BOW}, "crosses itself"),
    ],
)
def test_what_is_no_segment_says_why(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        segments([{**box(0, 200, 200, poa=0.5, range_m=10), **change}])


def test_priors_beyond_certainty_and_strangers_are_refused(as_role: Callable[..., Ask], bench: Any) -> None:
    ask = as_role(Role.COMMANDER)
    two = [box(i * 500, 200, 200, poa=0.6, range_m=10) for i in (0, 1)]
    answer = ask("POST", "/search/plans", json=plan(two, [], 0))
    assert answer.status_code == 422
    assert "1.2 together" in answer.json()["detail"]
    assert ask("POST", "/search/plans", json=plan(two[:1], ["nobody"], 0)).status_code == 404


def link_row(
    bench: Any, row: int, t_ms: int, state: BearerState, *, zero: int = 1_794_999_000_000
) -> tuple[str, bytes]:
    """A gateway's word of its MQTT bearer."""
    words = [0, "lte", int(Bearer.MQTT), int(state), None, None, None, None, 0, 0, None]
    packed = frame.pack(
        bench.mac_key(7), kind=Kind.LINK, lane=Lane.LIVE, device=7, boot=2**63 + 11, stream=Stream.ROWS, row=row,
        rows=[frame.Row(t_ms - zero, {}, words=words)], utc_zero_ms=zero, clock_source=ClockSource.GNSS,
    )  # fmt: skip
    return topics.up("live", 7, Lane.LIVE), packed


def test_a_hole_is_known_also_when_it_is_told_late(
    as_role: Callable[..., Ask], bench: Any, state: HubState
) -> None:
    """Without any bearer nobody can say so: it comes afterwards, and the log knows where the unit was."""
    ask, now = as_role(Role.COMMANDER), bench.clock()
    bench.put(bench.frame(row=0, t_ms=now, rows=[{"lat_deg_e7": 366_500_000, "lon_deg_e7": 1_170_000_000}]))
    bench.put(link_row(bench, 1, now, BearerState.UP))
    state.safety.signal.look(now)
    bench.clock.now += 900_000
    then = now + 600_000
    bench.put(
        bench.frame(
            row=2, t_ms=bench.clock(), rows=[{"lat_deg_e7": 366_900_000, "lon_deg_e7": 1_170_000_000}]
        )
    )
    bench.put(link_row(bench, 3, then, BearerState.DOWN))
    bench.put(bench.frame(row=4, t_ms=then, rows=[{"lat_deg_e7": 366_700_000, "lon_deg_e7": 1_170_000_000}]))
    state.safety.signal.look(bench.clock())
    state.safety.signal.look(bench.clock() + WAIT_MS)
    state.readers.submit(int).result()
    state.safety.signal.look(bench.clock() + WAIT_MS)
    said = ask("GET", "/signal?bearer=mqtt").json()
    found = {f["properties"]["hole"]: f for f in said["features"]}
    assert set(found) == {True, False}
    south, north = (found[True]["geometry"]["coordinates"][0][i][1] for i in (0, 2))
    assert south <= 36.67 <= north
    assert (found[True]["properties"]["down"], found[True]["properties"]["up"]) == (1, 0)
    assert said["inputs"]["samples"] == 2
    assert ask("GET", "/signal?bearer=mesh").json()["features"] == []
    assert ask("GET", "/signal?limit=1").json()["left_out"] == 1
    near = ask("GET", "/signal?bbox=116.9,36.66,117.1,36.68").json()["features"]
    assert [f["properties"]["hole"] for f in near] == [True]
    assert ask("GET", "/signal?bbox=1,2,3").status_code == 422


def test_no_cell_tells_where_another_agency_is(
    as_role: Callable[..., Ask], bench: Any, state: HubState
) -> None:
    bench.registry.enrol([(9, UnitRow("", "C9", "person", "fire", "A", 30, 300, "矿山"))], bench.clock())
    bench.load()
    unit = bench.units.rows[-1].id
    state.safety.signal.cells.add(1, LAT, LON, unit, 5, up=True)
    assert as_role(Role.COMMANDER, "市消防", ())("GET", "/signal").json()["features"] == []
    assert len(as_role(Role.COMMANDER)("GET", "/signal").json()["features"]) == 1


def test_wind_where_one_stands(as_role: Callable[..., Ask], bench: Any) -> None:
    ask = as_role(Role.COMMANDER)
    assert ask("GET", "/weather?lat=36.6&lon=117").json()["nearest"] is None
    bench.enrol(8)
    for device, lat, course in ((7, 366_000_000, 350), (8, 367_000_000, 10)):
        row = {"lat_deg_e7": lat, "lon_deg_e7": 1_170_000_000, "wind_dmps": 40, "wind_from_deg": course}
        bench.put(bench.frame(device=device, rows=[row]))
    said = ask("GET", "/weather?lat=36.69&lon=117").json()
    assert said["nearest"]["callsign"] == "C8"
    assert (said["speed_mps"], len(said["inputs"])) == (4.0, 2)
    assert said["from_deg"] == pytest.approx(0, abs=1e-6) or said["from_deg"] == pytest.approx(360, abs=1e-6)
    assert said["spread_deg"] == pytest.approx(10, abs=0.2)
    assert ask("GET", "/weather?lat=91&lon=117").status_code == 422
