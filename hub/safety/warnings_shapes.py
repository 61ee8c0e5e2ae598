"""The areas of a bulletin as shapes that can be drawn: polygons, circles, and outlines of what is named by code.

Enters: a bulletin and the outlines. Leaves: shapes, and what could not be drawn, in words. Pure.
Callers: `hub.safety.warnings` and its routes.
"""

from dataclasses import dataclass
from math import cos, pi, radians, sin
from typing import Any

from hub.safety.bulletin import Bulletin, Ring
from hub.safety.warnings_places import Places

SHAPES_MAX = 64
"""Of one warning; of more the largest, by their points: a province's rocks in the sea are left out first."""
CIRCLE_POINTS = 64
M_PER_DEG = 111_320.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A ring, or a circle when `radius_m` is not None (then `ring` holds its centre only)."""

    name: str
    ring: Ring
    radius_m: float | None = None

    def geometry(self) -> dict[str, Any]:
        """GeoJSON; a circle as a polygon of 64 corners on it."""
        if self.radius_m is None:
            return {"type": "Polygon", "coordinates": [[list(p) for p in self.ring]]}
        lon, lat = self.ring[0]
        east = self.radius_m / (M_PER_DEG * max(0.01, cos(radians(lat))))
        corners = [2 * pi * i / CIRCLE_POINTS for i in range(CIRCLE_POINTS)]
        ring = [[lon + east * sin(a), lat + self.radius_m / M_PER_DEG * cos(a)] for a in corners]
        return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def shapes(bulletin: Bulletin, places: Places) -> tuple[list[Shape], list[str]]:
    """What can be drawn, and words on the rest. An area with a polygon or circle is not drawn by its code too."""
    made: list[Shape] = []
    missing: list[str] = []
    for area in bulletin.areas:
        made += [Shape(area.name, ring) for ring in area.polygons]
        made += [Shape(area.name, ((lon, lat),), radius_m) for lon, lat, radius_m in area.circles]
        if area.polygons or area.circles:
            continue
        for code in dict.fromkeys(area.codes):
            rings, words = places.of(code)
            made += [Shape(area.name, ring) for ring in rings]
            missing += [words] if words else []
        if not area.codes:
            missing.append(f"area {area.name[:60]!r}: no polygon, circle or code")
    unique = list({(shape.ring, shape.radius_m): shape for shape in made}.values())
    if len(unique) > SHAPES_MAX:
        missing.append(f"{len(unique)} shapes: the {SHAPES_MAX} largest are drawn")
        unique = sorted(unique, key=lambda s: -len(s.ring))[:SHAPES_MAX]
    return unique, missing
