"""A GeoJSON feature as a zone, or why not: what came, where, and what is allowed.

Enters: geometry and properties as a person or a file gave them. Leaves: the parts of a `Zone` that say where it is.
Pure. Callers: `hub.api.zone_routes`, `hub.safety.zones` (areas of warnings).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hub.errors import Refused
from hub.live.picture import F64
from hub.safety.zone import POINTS_MAX, Areas, Point
from hub.safety.zone_outline import area2, encloses
from hub.safety.zone_shape import east_m, wrapped
from protocols.units import METRES_PER_DEG_LAT

SHAPES = ("Point", "LineString", "Polygon", "MultiPolygon")
AREA_M2_MIN = 1.0
SPAN_DEG_MAX = 30.0
"""A zone that is wider is a mistake: zero, zero among its points."""


class ZoneRefused(Refused):
    """What is wrong with it: 422 as it is, 409 as things are."""

    def __init__(self, words: str, status: int = 422) -> None:
        super().__init__(status, words)


def read_areas(geometry: dict[str, Any] | None) -> Areas:
    """The areas of a geometry; () for None. ZoneRefused: what of it cannot be."""
    if geometry is None:
        return ()
    sort, coordinates = geometry.get("type"), geometry.get("coordinates")
    if sort not in SHAPES:
        raise ZoneRefused(f"geometry: type {str(sort)[:40]!r}, one of {', '.join(SHAPES)} is allowed")
    if sort == "Point":
        return (((_point(coordinates, "Point"),),),)
    if sort == "LineString":
        return ((_line(coordinates),),)
    polygons = [coordinates] if sort == "Polygon" else _list(coordinates, sort)
    _count(polygons)
    areas = tuple(_polygon(rings, f"polygon {i}") for i, rings in enumerate(polygons))
    if not areas:
        raise ZoneRefused("MultiPolygon: 0 polygons, at least 1 is needed")
    _apart(areas)
    for polygon in areas:
        m2 = abs(area2(polygon[0])) / 2 * METRES_PER_DEG_LAT * east_m(polygon[0][0][1])
        if m2 < AREA_M2_MIN:
            raise ZoneRefused(f"it encloses {m2:.2g} m², at least {AREA_M2_MIN:g} m² are needed")
    return areas


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ZoneRefused(f"{where}: {str(value)[:40]!r}, a list is needed")
    return list(value)


def _count(polygons: Sequence[Any]) -> None:
    points = sum(
        len(r) for p in polygons if isinstance(p, list | tuple) for r in p if isinstance(r, list | tuple)
    )
    if points > POINTS_MAX:
        raise ZoneRefused(f"{points} points, at most {POINTS_MAX} are allowed")


def _point(value: object, where: str) -> Point:
    at = _list(value, where)
    if len(at) < 2 or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in at[:2]):
        raise ZoneRefused(f"{where}: {str(value)[:60]}, [longitude, latitude] is needed")
    lon, lat = float(at[0]), float(at[1])
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        swapped = "; longitude comes first: they seem swapped" if abs(lon) <= 90 < abs(lat) <= 180 else ""
        raise ZoneRefused(f"{where}: longitude {lon:g}, latitude {lat:g}: ±180 and ±90 are allowed{swapped}")
    if abs(lat) > 89:
        raise ZoneRefused(f"{where}: latitude {lat:g}: no zones within 1° of a pole")
    return lon, lat


def _points(value: object, where: str, least: int) -> list[Point]:
    listed = _list(value, where)
    if len(listed) > POINTS_MAX:
        raise ZoneRefused(f"{where}: {len(listed)} points, at most {POINTS_MAX} are allowed")
    points = [_point(one, f"{where} point {i}") for i, one in enumerate(listed)]
    unique = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
    if len(unique) < least:
        raise ZoneRefused(f"{where}: {len(unique)} different points, at least {least} are needed")
    lons = wrapped(np.array([x for x, _ in unique]) - unique[0][0])
    lats = np.array([y for _, y in unique])
    if max(np.ptp(lons), np.ptp(lats)) > SPAN_DEG_MAX:
        raise ZoneRefused(f"{where}: it spans more than {SPAN_DEG_MAX:g}°: is one of its points elsewhere?")
    return [(unique[0][0] + float(x), y) for x, (_, y) in zip(lons, unique, strict=True)]


def _line(coordinates: object) -> tuple[Point, ...]:
    return tuple(_points(coordinates, "LineString", 2))


def _polygon(value: object, where: str) -> tuple[tuple[Point, ...], ...]:
    rings = [_ring(one, f"{where} ring {i}") for i, one in enumerate(_list(value, where))]
    if not rings:
        raise ZoneRefused(f"{where}: 0 rings, at least 1 is needed")
    for i, hole in enumerate(rings[1:], 1):
        if not any(encloses(rings[0], point) for point in hole):
            raise ZoneRefused(f"{where} ring {i}: a hole has to lie within ring 0")
    turned = [ring if (area2(ring) > 0) == (i == 0) else ring[::-1] for i, ring in enumerate(rings)]
    return tuple(turned)


def _ring(value: object, where: str) -> tuple[Point, ...]:
    points = _points(value, where, 3)
    ring = points if points[0] == points[-1] else [*points, points[0]]
    if len(ring) < 4:
        raise ZoneRefused(f"{where}: {len(ring) - 1} different corners, at least 3 are needed")
    return tuple(ring)


def _apart(areas: Areas) -> None:
    """No edge crosses another, of the same ring or not: else nobody could say what is inside."""
    rings = [np.array(ring, np.float64) for polygon in areas for ring in polygon]
    first = rings[0][0, 0]
    for ring in rings:
        ring[:, 0] = wrapped(ring[:, 0] - first)
    a, b = np.concatenate([ring[:-1] for ring in rings]), np.concatenate([ring[1:] for ring in rings])
    for i in range(len(a) - 1):
        meets = _crosses(a[i], b[i], a[i + 1 :], b[i + 1 :])
        if meets.any():
            j = i + 1 + int(np.flatnonzero(meets)[0])
            lon, lat = float(a[j][0] + first), float(a[j][1])
            raise ZoneRefused(f"its outline crosses itself: edge {i} and edge {j}, near {lon:.5f}, {lat:.5f}")


def _crosses(a: F64, b: F64, c: F64, d: F64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether the segment a–b properly crosses each of c–d, or lies upon one of them."""

    def side(p: F64, q: F64, r: F64) -> F64:
        out: F64 = (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (
            r[..., 0] - p[..., 0]
        )
        return out

    first, second = side(a, b, c), side(a, b, d)
    third, fourth = side(c, d, a), side(c, d, b)
    proper: np.ndarray[tuple[int], np.dtype[np.bool_]] = (first * second < 0) & (third * fourth < 0)
    same_line = (first == 0) & (second == 0)
    if same_line.any():
        along = int(np.argmax(np.abs(b - a)))
        low, high = np.minimum(c[:, along], d[:, along]), np.maximum(c[:, along], d[:, along])
        from_, to = min(a[along], b[along]), max(a[along], b[along])
        proper |= same_line & (np.minimum(high, to) - np.maximum(low, from_) > 0)
    return proper
