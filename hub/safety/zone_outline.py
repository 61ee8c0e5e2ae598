"""The outline of a zone as it is now, to be drawn.

Enters: a zone, its shape, its pose. Leaves: GeoJSON, right-handed (RFC 7946). Pure. Caller: `hub.safety.zones`.
Who is inside is never judged by it: an outline is as fine as a screen needs.
"""

from itertools import pairwise
from math import atan2, cos, hypot, pi, radians, sin, tan
from typing import Any

import numpy as np

from hub.live.picture import F64
from hub.safety.zone import Point, Zone
from hub.safety.zone_field import Field, Pose
from hub.safety.zone_shape import Shape, east_m
from protocols.units import METRES_PER_DEG_LAT

CORNERS = 48
"""Of a whole circle."""
DRAWN_POINTS_MAX = 1_500
"""Of an outline; of a larger one every second, third … point is drawn."""
NODES_MIN, NODES_MAX = 24, 72
TESTS_MAX = 1_000_000
Ring = list[Point]


def outline(zone: Zone, shape: Shape, pose: Pose) -> dict[str, Any] | None:
    """Where it is now. None: nowhere, since its unit was never seen."""
    if np.isnan(pose.lat_deg):
        return None
    if zone.shape == "circle" or (zone.shape == "cone" and (pose.is_round or shape.half_open >= pi - 1e-9)):
        return _geojson([[_placed(arc(0, 2 * pi, shape.radius_m + pose.grown_m)[:-1], pose)]])
    if zone.shape == "corridor":
        line = [(float(x), float(y)) for x, y in (*shape.edges[:, :2], shape.edges[-1, 2:])]
        return _geojson([[_placed(around(line, shape.radius_m + pose.grown_m), pose)]])
    if zone.shape == "cone" and pose.grown_m <= 0:
        middle = pi / 2 - radians(pose.bearing_deg)
        ring = arc(middle - shape.half_open, middle + shape.half_open, shape.radius_m)
        return _geojson([[_placed([(0.0, 0.0), *ring], pose)]])
    if pose.grown_m > 0:
        return _geojson([[_placed(ring, pose) for ring in polygon] for polygon in contour(shape, pose)])
    lon, lat = pose.lon_deg - shape.origin[0], pose.lat_deg - shape.origin[1]
    step = -(-zone.points // DRAWN_POINTS_MAX)
    moved = [
        [[(x + lon, y + lat) for x, y in _thinned(ring, step)] for ring in polygon] for polygon in zone.areas
    ]
    return _geojson(moved)


def _thinned(ring: tuple[Point, ...], step: int) -> Ring:
    return list(ring) if step == 1 or len(ring) < 4 * step else [*ring[:-1:step], ring[0]]


def _placed(ring: Ring, pose: Pose) -> Ring:
    """Metres around the origin as degrees, closed."""
    east = east_m(pose.lat_deg)
    out = [(pose.lon_deg + x / east, pose.lat_deg + y / METRES_PER_DEG_LAT) for x, y in ring]
    return [*out, out[0]]


def _geojson(polygons: list[list[Ring]]) -> dict[str, Any]:
    rounded = [[[[round(x, 7), round(y, 7)] for x, y in ring] for ring in polygon] for polygon in polygons]
    if len(rounded) == 1:
        return {"type": "Polygon", "coordinates": rounded[0]}
    return {"type": "MultiPolygon", "coordinates": rounded}


def arc(from_rad: float, to_rad: float, radius_m: float) -> Ring:
    """From one angle (counter-clockwise from east) to another, both ends in it."""
    n = max(2, round(CORNERS * abs(to_rad - from_rad) / (2 * pi)))
    angles = (from_rad + (to_rad - from_rad) * i / n for i in range(n + 1))
    return [(radius_m * cos(a), radius_m * sin(a)) for a in angles]


def around(line: Ring, half_m: float) -> Ring:
    """The outline of a line with a width, round at its ends and at the outer side of its bends, counter-clockwise."""
    there = _side(line, half_m)
    return [*there, *_side(line[::-1], half_m)]


def _side(line: Ring, half_m: float) -> Ring:
    """The right side of a line in its direction, then round its end."""
    legs = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(line)]
    right = [atan2(y, x) - pi / 2 for x, y in legs]
    out: Ring = [_beside(line[0], right[0], half_m)]
    for i, corner in enumerate(line[1:-1]):
        bend = (right[i + 1] - right[i] + pi) % (2 * pi) - pi
        short_m = half_m * tan(-bend / 2)
        if bend < 0 and short_m <= min(hypot(*legs[i]), hypot(*legs[i + 1])):
            out.append(_beside(corner, right[i] + bend / 2, half_m / cos(bend / 2)))
        else:
            turns = max(1, round(CORNERS * abs(bend) / (2 * pi)))
            out += [_beside(corner, right[i] + bend * k / turns, half_m) for k in range(turns + 1)]
    return [*out, *(_beside(line[-1], right[-1] + pi * k / 24, half_m) for k in range(24))]


def _beside(point: Point, angle: float, away_m: float) -> Point:
    return point[0] + away_m * cos(angle), point[1] + away_m * sin(angle)


def contour(shape: Shape, pose: Pose) -> list[list[Ring]]:
    """Polygons, metres around the origin, of all that is nearer than it has grown: marching squares over distances."""
    n = int(np.clip((TESTS_MAX / max(1, len(shape.edges))) ** 0.5, NODES_MIN, NODES_MAX))
    half_x, half_y = (half + pose.grown_m * 1.05 + 1 for half in shape.half)
    xs, ys = np.linspace(-half_x, half_x, n), np.linspace(-half_y, half_y, n)
    field = Field([shape])
    field.place([pose])
    x, y = (one.ravel() for one in np.meshgrid(xs, ys))
    edge_m = field.signed(np.zeros(n * n, np.int64), x, y).reshape(n, n)
    rings = _rings(edge_m, xs, ys)
    outer = [[ring] for ring in rings if area2(ring) > 0]
    for hole in (ring for ring in rings if area2(ring) < 0):
        home = next((polygon for polygon in outer if encloses(polygon[0], hole[0])), None)
        if home is not None:
            home.append(hole)
    return outer


def _rings(edge_m: F64, xs: F64, ys: F64) -> list[Ring]:
    """Closed lines along which the distance is 0, what is inside on their left."""
    inside = edge_m < 0
    mixed = inside[:-1, :-1].astype(int) + inside[:-1, 1:] + inside[1:, 1:] + inside[1:, :-1]
    follows: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    for row, column in np.argwhere((mixed > 0) & (mixed < 4)).tolist():
        for begin, end in _crossings(edge_m, row, column):
            follows[begin] = end
    rings = []
    while follows:
        key = next(iter(follows))
        ring: Ring = []
        while key in follows:
            ring.append(_point(edge_m, xs, ys, key))
            key = follows.pop(key)
        if len(ring) >= 3:
            rings.append(ring)
    return rings


def _crossings(edge_m: F64, row: int, column: int) -> list[tuple[tuple[int, int, int], tuple[int, int, int]]]:
    """How lines pass one cell: from side to side. A side is (0 along x or 1 along y, row, column) of its first node."""
    corners = [(row, column), (row, column + 1), (row + 1, column + 1), (row + 1, column)]
    sides = [(0, row, column), (1, row, column + 1), (0, row + 1, column), (1, row, column)]
    isin = [bool(edge_m[at] < 0) for at in corners]
    # walking round the cell: where one comes out of the zone a line begins, where one goes in again it ends
    begins = [i for i in range(4) if isin[i] and not isin[(i + 1) % 4]]
    ends = [i for i in range(4) if not isin[i] and isin[(i + 1) % 4]]
    if len(begins) == 2:
        joined = sum(float(edge_m[at]) for at in corners) < 0
        ends = [(begin + (1 if joined else 3)) % 4 for begin in begins]
    return [(sides[b], sides[e]) for b, e in zip(begins, ends, strict=True)]


def _point(edge_m: F64, xs: F64, ys: F64, side: tuple[int, int, int]) -> Point:
    along, row, column = side
    row_2, column_2 = (row + 1, column) if along else (row, column + 1)
    a, b = float(edge_m[row, column]), float(edge_m[row_2, column_2])
    t = a / (a - b)
    return float(xs[column] + t * (xs[column_2] - xs[column])), float(ys[row] + t * (ys[row_2] - ys[row]))


def area2(ring: Ring | tuple[Point, ...]) -> float:
    """Twice the area, positive counter-clockwise."""
    x0, y0 = ring[0]
    pairs = zip(ring, (*ring[1:], ring[0]), strict=True)
    return float(sum((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0) for (x, y), (x2, y2) in pairs))


def encloses(ring: Ring | tuple[Point, ...], point: Point) -> bool:
    """Even-odd."""
    x, y = point
    inside = False
    for (ax, ay), (bx, by) in zip(ring, (*ring[1:], ring[0]), strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
    return inside


def circle_around(lon_deg: float, lat_deg: float, radius_m: float) -> Ring:
    """A closed ring of 64 corners outside of a circle, counter-clockwise: nobody at its rim is left out."""
    out_m = radius_m / cos(pi / 64)
    ring = [(out_m * cos(2 * pi * i / 64), out_m * sin(2 * pi * i / 64)) for i in range(64)]
    return _placed(ring, Pose(lon_deg, lat_deg))
