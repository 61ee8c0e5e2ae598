"""Geometry of zones against a slow oracle, the law of hysteresis, time to entry."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from hub.live.doubt import Places
from hub.safety.zone import Zone
from hub.safety.zone_field import Field, Pose, contains
from hub.safety.zone_law import (
    CALLED,
    HYSTERESIS_M,
    INSIDE,
    NEAR_AT_LAST_M,
    NEAR_ENOUGH_M,
    OUTSIDE,
    UNSURE,
    step,
    to_disc_s,
    to_edge_s,
)
from hub.safety.zone_outline import area2, circle_around, encloses, outline
from hub.safety.zone_reading import ZoneRefused, read_areas
from hub.safety.zone_shape import east_m, shape_of
from hub.safety.zone_watch import Carried, Motion, Watch, join
from protocols.units import METRES_PER_DEG_LAT

LON, LAT = 117.0, 36.65
T0 = 1_795_000_000_000
NOBODY = np.zeros(0, np.int64)


def zone(shape: str = "polygon", areas: Any = (), **more: Any) -> Zone:
    return Zone("z1", "罐区", "danger", shape, areas, **more)


def degrees(points: Any) -> Any:
    """Metres around (LON, LAT) as (lon, lat)."""
    return [(LON + x / east_m(LAT), LAT + y / METRES_PER_DEG_LAT) for x, y in points]


def polygon(*rings: Any) -> Any:
    return read_areas({"type": "Polygon", "coordinates": [degrees(ring) for ring in rings]})


def disc(radius_m: float = 100.0, **more: Any) -> Zone:
    return zone("circle", (((degrees([(0, 0)])[0],),),), radius_m=radius_m, **more)


def edge_m(of: Zone, points: Any, **pose: Any) -> Any:
    """Metres from the edge of places given in metres around (LON, LAT)."""
    shape = shape_of(of)
    field = Field([shape])
    field.place([Pose(*shape.origin, **pose)])
    lons, lats = (np.array(column) for column in zip(*degrees(points), strict=True))
    zones = np.zeros(len(points), np.int64)
    return field.signed(zones, *field.local(zones, lats, lons))


# --- an oracle that is slow and says it in other words -----------------------------------------------------


def to_segment(p: Any, a: Any, b: Any) -> float:
    length2 = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2
    t = 0.0 if length2 == 0 else ((p[0] - a[0]) * (b[0] - a[0]) + (p[1] - a[1]) * (b[1] - a[1])) / length2
    t = min(1.0, max(0.0, t))
    return math.dist(p, (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])))


def even_odd(p: Any, rings: Any) -> bool:
    crossings = 0
    for ring in rings:
        for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
            if (a[1] > p[1]) != (b[1] > p[1]):
                crossings += p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
    return crossings % 2 == 1


def oracle_m(p: Any, rings: Any) -> float:
    away = min(to_segment(p, a, b) for ring in rings for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))
    return -away if even_odd(p, rings) else away


star = st.lists(st.floats(20, 400), min_size=3, max_size=40)
places = st.lists(st.tuples(st.floats(-600, 600), st.floats(-600, 600)), min_size=1, max_size=20)


def ring_of(radii: list[float]) -> Any:
    """A star around the middle: it never crosses itself."""
    n = len(radii)
    return [
        (r * math.cos(2 * math.pi * i / n), r * math.sin(2 * math.pi * i / n)) for i, r in enumerate(radii)
    ]


@given(star, places)
def test_a_polygon_with_a_hole_against_the_oracle(radii: list[float], points: Any) -> None:
    outer, hole = ring_of(radii), [(-5, -5), (5, -5), (0, 6)]
    got = edge_m(zone(areas=polygon(outer, hole)), points)
    assert got == pytest.approx([oracle_m(p, [outer, hole]) for p in points], abs=0.02)


@given(st.integers(70, 400), st.integers(0, 5), places)
@settings(max_examples=30)
def test_bands_of_a_large_polygon_change_nothing_within_reach(n: int, seed: int, points: Any) -> None:
    radii = np.random.default_rng(seed).uniform(4_000, 40_000, n).tolist()
    shape = shape_of(zone(areas=polygon(ring_of(radii))))
    ring = [tuple(corner) for corner in shape.edges[:, :2].tolist()]
    far = [(x * 60, y * 60) for x, y in points]
    x, y = (np.array(column) for column in zip(*far, strict=True))
    got = Field([shape]).signed(np.zeros(len(far), np.int64), x, y)
    want = np.array([oracle_m(p, [ring]) for p in far])
    assert shape.reach_m < 2_000
    assert got == pytest.approx(np.clip(want, -shape.reach_m, shape.reach_m), abs=0.02)


def test_what_lies_in_any_polygon_of_several_is_inside_also_where_they_overlap() -> None:
    a, b = [(0, 0), (100, 0), (100, 100), (0, 100)], [(50, 50), (150, 50), (150, 150), (50, 150)]
    areas = ((tuple(degrees([*a, a[0]])),), (tuple(degrees([*b, b[0]])),))
    got = edge_m(zone(areas=areas), [(75, 75), (25, 25), (125, 125), (125, 25)])
    assert (got < 0).tolist() == [True, True, True, False]


@given(places, st.floats(1, 200))
def test_a_corridor_is_as_wide_as_it_says(points: Any, width_m: float) -> None:
    line = [(-300, 0), (0, 50), (300, -100)]
    areas = read_areas({"type": "LineString", "coordinates": degrees(line)})
    got = edge_m(zone("corridor", areas, width_m=width_m), points)
    want = [min(to_segment(p, a, b) for a, b in pairwise(line)) - width_m / 2 for p in points]
    assert got == pytest.approx(want, abs=0.01)


def test_a_cone_to_the_north_east() -> None:
    cone = zone("cone", (((degrees([(0, 0)])[0],),),), radius_m=1_000, bearing_deg=45, opening_deg=60)
    at = math.sqrt(0.5)
    got = edge_m(cone, [(500 * at, 500 * at), (1_100 * at, 1_100 * at), (-40, -30), (0, 100)], bearing_deg=45)
    assert got == pytest.approx([-250, 100, 50, 100 * math.sin(math.radians(15))], abs=0.01)
    assert edge_m(cone, [(-500, 0)], bearing_deg=0, is_round=True) == pytest.approx([-500], abs=0.01)


def test_growth_moves_the_edge_outwards_and_stops() -> None:
    growing = disc(grows_mps=0.5, grows_from_utc_ms=T0, grows_max_m=50)
    assert [growing.grown_m(T0 + s * 1_000) for s in (-5, 0, 10, 500)] == [0, 0, 5, 50]
    lats = np.array([LAT + 120 / METRES_PER_DEG_LAT])
    lons = np.array([LON])
    assert [bool(contains(growing, lats, lons, T0 + s * 1_000)[0]) for s in (0, 39, 41)] == [
        False,
        False,
        True,
    ]


def test_across_the_antimeridian() -> None:
    ring = [(179.9, 10.0), (-179.9, 10.0), (-179.9, 10.1), (179.9, 10.1), (179.9, 10.0)]
    across = zone(areas=read_areas({"type": "Polygon", "coordinates": [ring]}))
    got = contains(across, np.array([10.05, 10.05, 10.05]), np.array([180.0, -179.95, 179.8]), T0)
    assert got.tolist() == [True, True, False]


def test_contains_holds_to_the_window_of_time() -> None:
    here = (np.array([LAT]), np.array([LON]))
    timed = disc(from_utc_ms=T0, until_utc_ms=T0 + 10)
    assert [bool(contains(timed, *here, T0 + t)[0]) for t in (-1, 0, 9, 10)] == [False, True, True, False]
    assert not contains(zone("circle", (), follows="u1", radius_m=10.0), *here, T0).any()


# --- outlines ----------------------------------------------------------------------------------------------


def test_outlines_lie_on_the_edge_and_turn_as_the_rfc_wants() -> None:
    square = [(-100, -100), (100, -100), (100, 100), (-100, 100)]
    hole = [(-60, -60), (60, -60), (60, 60), (-60, 60)]
    cone = zone("cone", (((degrees([(0, 0)])[0],),),), radius_m=300, bearing_deg=90, opening_deg=90)
    line = read_areas({"type": "LineString", "coordinates": degrees([(0, 0), (200, 0), (250, 200)])})
    for of, pose in (
        (disc(), {}), (disc(), {"grown_m": 30.0}), (zone(areas=polygon(square, hole)), {}),
        (zone(areas=polygon(square, hole)), {"grown_m": 20.0}), (cone, {"bearing_deg": 90.0}),
        (cone, {"bearing_deg": 90.0, "grown_m": 40.0}), (zone("corridor", line, width_m=40), {}),
    ):  # fmt: skip
        shape = shape_of(of)
        said = outline(of, shape, Pose(*shape.origin, **pose))
        assert said is not None
        polygons = said["coordinates"] if said["type"] == "MultiPolygon" else [said["coordinates"]]
        for rings in polygons:
            assert [area2([tuple(p) for p in ring]) > 0 for ring in rings] == [
                i == 0 for i in range(len(rings))
            ]
            for ring in rings:
                assert ring[0] == ring[-1]
                points = [((x - LON) * east_m(LAT), (y - LAT) * METRES_PER_DEG_LAT) for x, y in ring]
                assert np.abs(edge_m(of, points, **pose)).max() < 6
    assert outline(disc(), shape_of(disc()), Pose(np.nan, np.nan)) is None


def test_a_circle_of_a_warning_leaves_nobody_out() -> None:
    ring = circle_around(LON, LAT, 1_000)
    for i in range(100):
        a = 2 * math.pi * i / 100
        assert encloses(ring, degrees([(999.9 * math.cos(a), 999.9 * math.sin(a))])[0])


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        ({"type": "Polygon", "coordinates": [[(36.6, 117.0), (36.7, 117.0), (36.7, 117.1)]]}, "swapped"),
        ({"type": "Polygon", "coordinates": [[(117, 36), (117.1, 36.1), (117.1, 36), (117, 36.1)]]}, "crosses itself"),
        ({"type": "Polygon", "coordinates": [[(117, 36), (117.1, 36), (117.2, 36)]]}, "crosses itself"),
        ({"type": "Polygon", "coordinates": [[(117, 36), (117.000001, 36), (117, 36.000001)]]}, "at least 1 m²"),
        ({"type": "Polygon", "coordinates": [[(117, 36), (117.1, 36)]]}, "at least 3"),
        ({"type": "Polygon", "coordinates": [[(117, 36)] * 2_001]}, "at most 2000"),
        ({"type": "Polygon", "coordinates": [[(0, 0), (117, 36), (117, 36.1)]]}, "spans more than"),
        ({"type": "Polygon", "coordinates": [[(117, 36), (117, "x"), (1, 2)]]}, "point 1"),
        ({"type": "Polygon", "coordinates": 5}, "a list is needed"),
        ({"type": "Polygon", "coordinates": []}, "0 rings"),
        ({"type": "MultiPolygon", "coordinates": []}, "0 polygons"),
        ({"type": "GeometryCollection"}, "GeometryCollection"),
        ({"type": "LineString", "coordinates": [(117, 36), (117, 36)]}, "at least 2"),
        ({"type": "Point", "coordinates": [float("nan"), 36]}, "longitude nan"),
        ({"type": "Point", "coordinates": [117, 89.5]}, "pole"),
        ({"type": "Polygon", "coordinates": [
            [(117, 36), (117.1, 36), (117.1, 36.1), (117, 36.1)], [(118, 36), (118.1, 36), (118.1, 36.1)]]}, "hole"),
        ({"type": "MultiPolygon", "coordinates": [
            [[(117, 36), (117.1, 36), (117.1, 36.1), (117, 36.1)]],
            [[(117.05, 36.05), (117.2, 36.05), (117.2, 36.2), (117.05, 36.2)]]]}, "crosses itself"),
    ],
)  # fmt: skip
def test_what_is_refused_says_what_came_and_what_is_allowed(geometry: Any, words: str) -> None:
    with pytest.raises(ZoneRefused, match=words):
        read_areas(geometry)


@given(
    st.recursive(
        st.one_of(st.floats(), st.integers(), st.text(max_size=3), st.none()), st.lists, max_leaves=12
    )
)
def test_any_coordinates_are_areas_or_a_clear_refusal(coordinates: Any) -> None:
    for sort in ("Point", "LineString", "Polygon", "MultiPolygon"):
        try:
            assert read_areas({"type": sort, "coordinates": coordinates})
        except ZoneRefused as err:
            assert str(err)


def test_rings_are_turned_and_the_height_is_dropped() -> None:
    ring = [[117, 36, 50.0], [117, 36.1, 50.0], [117.1, 36.1, 50.0], [117, 36, 50.0]]
    ((outer,),) = read_areas({"type": "Polygon", "coordinates": [ring]})
    assert area2(outer) > 0
    assert len(outer[0]) == 2


# --- the law -----------------------------------------------------------------------------------------------


def states(before: int, edges: Any, doubt_m: float) -> list[int]:
    out = []
    now = np.array([before], np.int8)
    for edge in edges:
        now = step(now, np.array([float(edge)]), np.array([doubt_m]))
        out.append(int(now[0]))
    return out


def test_inside_unsure_outside_by_the_circle_of_doubt() -> None:
    walk_in = states(OUTSIDE, [30, 11, 9, 1, 0, -9, -14, -16], 10)
    assert walk_in == [OUTSIDE, OUTSIDE, UNSURE, UNSURE, CALLED, CALLED, CALLED, INSIDE]
    walk_out = states(INSIDE, [-11, -9, 0, 9, 14, 16], 10)
    assert walk_out == [INSIDE, CALLED, CALLED, CALLED, CALLED, OUTSIDE]
    assert states(OUTSIDE, [-3], 25) == [CALLED], "a zone smaller than the doubt calls all the same"


@given(st.lists(st.floats(-300, 300), max_size=60), st.floats(0, 100), st.integers(0, 3))
def test_from_called_to_not_one_goes_through_the_whole_doubt(
    edges: list[float], doubt_m: float, start: int
) -> None:
    """A random walk along the edge never toggles more than the doubt allows."""
    now = states(start, edges, doubt_m)
    called = [state >= CALLED for state in now]
    ends = [i for i in range(1, len(now)) if called[i - 1] and not called[i]]
    assert all(edges[i] >= doubt_m + HYSTERESIS_M for i in ends)
    way_m = sum(abs(a - b) for a, b in pairwise(edges))
    toggles = sum(a != b for a, b in pairwise(called))
    assert toggles <= 2 + 2 * way_m / (doubt_m + HYSTERESIS_M)


@given(st.integers(0, 3), st.floats(-300, 300), st.floats(0, 300), st.floats(0, 100))
def test_the_state_never_rises_with_the_distance(
    before: int, edge: float, more: float, doubt_m: float
) -> None:
    assert states(before, [edge + more], doubt_m) <= states(before, [edge], doubt_m)


def one(*values: float) -> list[Any]:
    return [np.array([value], np.float64) for value in values]


def test_time_to_entry_reference_values() -> None:
    assert to_disc_s(*one(500, 0, -1.2, 0, 100, 0))[0] == pytest.approx(333.33, abs=0.005)
    assert to_disc_s(*one(500, 0, -1.2, 0, 100, 0.5))[0] == pytest.approx(235.29, abs=0.005)
    assert to_disc_s(*one(500, 0, 0, 0, 100, 0.5))[0] == 800, "who stands is overtaken"
    assert to_disc_s(*one(500, 0, 1.2, 0, 100, 0.5))[0] == np.inf, "who is faster is not"
    assert to_disc_s(*one(500, 0, -0.5, 0, 100, 0.5))[0] == 400
    assert to_disc_s(*one(50, 0, 9, 9, 100, 0))[0] == 0
    assert to_disc_s(*one(500, 0, -1, 1, 100, 0))[0] == np.inf, "past it"


@given(st.floats(110, 900), st.floats(0, 6.28), st.floats(0.5, 10), st.floats(-0.8, 0.8), st.floats(0, 1))
@example(644.0, 0.0, 0.5, 0.671875, 0.265625)  # 24 steps end 0.1 m from the edge
def test_marching_finds_what_the_quadratic_says(
    away: float, from_rad: float, speed: float, aim: float, grows: float
) -> None:
    x, y = away * math.cos(from_rad), away * math.sin(from_rad)
    vx, vy = -speed * math.cos(from_rad + aim), -speed * math.sin(from_rad + aim)
    want = to_disc_s(*one(x, y, vx, vy, 100, grows))[0]

    def edge_m(_at: Any, t: Any) -> Any:
        return np.hypot(x + vx * t, y + vy * t) - 100 - grows * t

    got = to_edge_s(edge_m, *one(away - 100, speed + grows), np.array([3_600.0]))[0]
    assume(want < 3_500)
    assert got <= want + 0.01, "never too late"
    left_m = edge_m(0, got)
    assert left_m <= NEAR_AT_LAST_M, "and not before the edge is near"
    if left_m <= NEAR_ENOUGH_M:  # it arrived before its steps ran out
        assert got == pytest.approx(want, abs=2.0)


# --- the watch ---------------------------------------------------------------------------------------------


def at(points: Any, doubt_m: float = 5.0) -> Places:
    lons, lats = (np.array(column, np.float64) for column in zip(*degrees(points), strict=True))
    return Places(lats, lons, np.full(len(points), doubt_m), np.zeros(len(points)))


def watching(*zones: Zone) -> Watch:
    watch = Watch()
    field = Field([shape_of(one) for one in zones])
    watch.set(field, {})
    return watch


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_looks_that_remember_say_what_looks_that_do_not_say(seed: int) -> None:
    """Same states by the fast way and pair by pair, while units walk and zones grow."""
    random = np.random.default_rng(seed)
    zones = [zone(areas=polygon(ring_of(random.uniform(30, 300, n).tolist()))) for n in (3, 8, 70)] + [
        disc(150)
    ]
    watch = watching(*zones)
    points = random.uniform(-400, 400, (40, 2))
    plain = np.zeros((4, 40), np.int8)
    for look in range(12):
        points += random.normal(0, 15, points.shape) * (random.random((40, 1)) < 0.5)
        doubt = random.uniform(2, 40, 40)
        grown = 3.0 * look
        here = at(points.tolist())._replace(radius_m=doubt)
        shapes = watch.field.shapes
        watch.field.place([Pose(*shape.origin, grown_m=grown) for shape in shapes])
        watch.look(here, NOBODY)
        for i, of in enumerate(zones):
            plain[i] = step(plain[i], edge_m(of, points.tolist(), grown_m=grown), doubt)
            inside, unsure, called = watch.all()[i]
            assert inside.tolist() == np.flatnonzero(plain[i] == INSIDE).tolist()
            assert called.tolist() == np.flatnonzero(plain[i] >= CALLED).tolist()
            assert unsure.tolist() == np.flatnonzero((plain[i] > 0) & (plain[i] < INSIDE)).tolist()


def test_only_what_is_near_is_tried_and_only_what_moved_is_tried_again() -> None:
    ring = ring_of([100.0] * 50)
    shift = 1_000.0
    zones = [zone(areas=polygon([(x + shift * i, y) for x, y in ring])) for i in range(20)]
    watch = watching(*zones)
    points = [(shift * (i % 20) + 80, 10.0 * (i % 3)) for i in range(200)] + [
        (0.0, 9e4 + i) for i in range(800)
    ]
    watch.look(at(points), NOBODY)
    assert watch.tries == 200, "of 20,000 pairs"
    assert watch.field.edge_tests == 200 * 50
    watch.look(at(points), NOBODY)
    assert watch.tries == 200, "nobody moved"
    points[0] = (82.0, 0.0)
    watch.look(at(points), NOBODY)
    assert watch.tries == 200, "two metres change nothing eleven metres inside"
    points[0] = (99.0, 0.0)
    watch.look(at(points), NOBODY)
    assert watch.tries == 201


@pytest.mark.parametrize("lon", [0.0, 179.99, -179.99, 117.0])
def test_units_anywhere_on_earth_are_found(lon: float) -> None:
    watch = watching(zone("circle", ((((lon, 36.65),),),), radius_m=3_000.0))
    lons = np.array([lon + 180, lon, lon + 0.03, lon - 0.03, lon + 0.2])
    lons = (lons + 180) % 360 - 180
    for first in range(5):  # whoever is first in the list is the middle of the longitudes
        turned = np.roll(lons, first)
        watch.look(Places(np.full(5, 36.65), turned, np.full(5, 5.0), np.zeros(5)), NOBODY)
        assert sorted(turned[watch.all()[0][0]].tolist()) == sorted(lons[1:4].tolist())


def test_a_unit_without_a_place_stays_in_doubt_where_it_was() -> None:
    watch = watching(disc())
    watch.look(at([(0, 0), (500, 0)]), NOBODY)
    assert watch.all()[0][0].tolist() == [0]
    lost = at([(0, 0), (500, 0)])
    lost.lat_deg[:] = np.nan
    watch.look(lost, NOBODY)
    inside, unsure, _ = watch.all()[0]
    assert (inside.tolist(), unsure.tolist()) == ([], [0])
    assert len(watch.went) == 0


def test_other_zones_keep_the_states_of_those_that_stay() -> None:
    a, b = disc(100), disc(300)
    watch = watching(a, b)
    watch.look(at([(0, 0)]), NOBODY)
    watch.set(Field([shape_of(b)]), {1: 0})
    watch.look(at([(0, 0)]), NOBODY)
    assert watch.all()[0][0].tolist() == [0]
    assert len(watch.came) == len(watch.went) == 0
    watch.look(at([(0, 0)]), join(0, np.array([0])))
    assert watch.all()[0][0].tolist() == [], "the unit that carries a zone is not in it"


def test_who_comes_near_and_when() -> None:
    square = [(-100, -100), (100, -100), (100, 100), (-100, 100)]
    watch = watching(disc(100), zone(areas=polygon(square)))
    here = at([(500, 0), (500, 0), (-500, 0), (0, 0), (300, 90)])
    watch.look(here, NOBODY)
    motion = Motion(np.array([-1.2, 0.0, -5.0, 1.0, -10.0]), np.zeros(5))
    still = Carried(np.zeros(2), np.zeros(2), np.zeros(2))
    found = watch.coming(here, motion, still, np.array([400.0, 400.0]))
    assert [(near.zone, near.slot) for near in found] == [(0, 4), (0, 0), (1, 4), (1, 0)]
    assert [near.seconds for near in found] == pytest.approx([25.64, 333.33, 20, 333.33], abs=0.05)
    growing = Carried(np.zeros(2), np.zeros(2), np.array([0.5, 0.0]))
    soon = watch.coming(here, motion, growing, np.array([900.0, 0.0]))
    assert [(near.slot, round(near.seconds, 2)) for near in soon if near.slot < 2] == [
        (0, 235.29),
        (1, 800.0),
    ]
    driven = Carried(np.array([2.0, 0.0]), np.zeros(2), np.zeros(2))
    assert watch.coming(here, motion, driven, np.array([900.0, 0.0]))[0].slot == 4
    assert watch.coming(here, motion, still, np.zeros(2)) == []
