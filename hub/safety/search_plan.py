"""A search plan out of GeoJSON: what a planner drew, checked before anything is reckoned with it.

Enters: a FeatureCollection as a map. Leaves: segments, or PlanError naming the feature and what is allowed. Pure.
Caller: `hub.api.coverage_routes`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hub.errors import Refused
from hub.safety.search import F64, SEGMENTS_MAX, Segment, area_m2, flat
from hub.safety.search_law import SWEEP

POINTS_MAX = 500
RANGE_M_MAX = 1_000.0
AREA_M2 = (100.0, 1e10)
SUM_SLACK = 1e-6
"""Priors of a spreadsheet add up to 1 only so well."""


class PlanError(Refused):
    """Something that is no segment of a search."""

    def __init__(self, words: str) -> None:
        super().__init__(422, words)


def segments(features: Sequence[Mapping[str, Any]]) -> tuple[Segment, ...]:
    """Segments of features: polygons with `poa`, `range_m`, and if wished `name`, `visibility` in their properties."""
    if not 1 <= len(features) <= SEGMENTS_MAX:
        raise PlanError(f"features: {len(features)}, 1–{SEGMENTS_MAX} allowed")
    made = tuple(_segment(i, feature) for i, feature in enumerate(features, 1))
    names = [segment.id for segment in made]
    if len(set(names)) != len(names):
        raise PlanError("features: two have the same id")
    whole = sum(segment.poa for segment in made)
    if whole > 1 + SUM_SLACK:
        raise PlanError(f"poa: {whole:.4g} together, at most 1: what is left of it is the rest of the world")
    return made


def _segment(number: int, feature: Mapping[str, Any]) -> Segment:
    where = f"feature {number}"
    about = feature.get("properties") or {}
    visibility = about.get("visibility", "medium")
    if visibility not in SWEEP:
        raise PlanError(f"{where}: visibility = {str(visibility)[:20]!r}, {', '.join(SWEEP)} allowed")
    id = str(feature.get("id") or about.get("id") or f"s{number}")[:40]
    return Segment(
        id, str(about.get("name") or id)[:80], _ring(where, feature.get("geometry")),
        _number(where, about, "poa", 0.0, 1.0), _number(where, about, "range_m", 0.5, RANGE_M_MAX), visibility,
    )  # fmt: skip


def _number(where: str, about: Mapping[str, Any], name: str, least: float, most: float) -> float:
    value = about.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise PlanError(f"{where}: {name} = {str(value)[:20]}, a number of {least:g}–{most:g} is needed")
    return float(value)


def _ring(where: str, geometry: Any) -> tuple[tuple[float, float], ...]:
    if not isinstance(geometry, Mapping) or geometry.get("type") != "Polygon":
        said = geometry.get("type") if isinstance(geometry, Mapping) else geometry
        raise PlanError(f"{where}: geometry = {str(said)[:20]}, a Polygon is needed: one feature a segment")
    rings = geometry.get("coordinates")
    if not isinstance(rings, Sequence) or len(rings) != 1 or not isinstance(rings[0], Sequence):
        raise PlanError(f"{where}: one ring is needed; holes are not taken, draw two segments")
    if not 3 <= len(rings[0]) <= POINTS_MAX:
        raise PlanError(f"{where}: {len(rings[0])} points, 3–{POINTS_MAX} allowed")
    points = [_point(where, point) for point in rings[0]]
    if points[0] != points[-1]:
        points.append(points[0])
    ring = flat(points, sum(lat for _, lat in points) / len(points))
    area = area_m2(ring)
    if not AREA_M2[0] <= area <= AREA_M2[1]:
        raise PlanError(f"{where}: {area:.0f} m², {AREA_M2[0]:g}–{AREA_M2[1]:g} allowed")
    if crosses_itself(ring):
        raise PlanError(f"{where}: its border crosses itself")
    return tuple(points)


def _point(where: str, point: Any) -> tuple[float, float]:
    """Longitude and latitude; a height is left out."""
    both = point[:2] if isinstance(point, Sequence) and not isinstance(point, str) else ()
    fit = len(both) == 2 and all(isinstance(x, int | float) and not isinstance(x, bool) for x in both)
    if not fit or not (abs(both[0]) <= 180 and abs(both[1]) <= 85):
        raise PlanError(f"{where}: point {str(point)[:40]}, [longitude, latitude] in degrees is needed")
    return float(both[0]), float(both[1])


def crosses_itself(ring: F64) -> bool:
    """Whether two edges of a closed ring, (n, 2) metres, cross that are not neighbours."""
    p, q = ring[:-1], ring[1:]

    def side(a: F64, b: F64, c: F64) -> F64:
        out: F64 = (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (
            c[..., 0] - a[..., 0]
        )
        return out

    a, b, c, d = p[:, None], q[:, None], p[None], q[None]
    apart = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    return bool(np.any(apart))
