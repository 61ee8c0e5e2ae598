"""A zone: where it is, what it means, since when and until when. Pure data.

Enters: what people drew, or the areas of a warning. Leaves: `Zone`, its document, its GeoJSON as drawn.
Callers: `hub.safety.zones` and everything around it.
"""

from dataclasses import asdict, dataclass
from typing import Any

from hub.safety.zone_kinds import KINDS, ZoneKind

ZONES_MAX = 2_000
"""That stand or are to come. One more is refused in words."""
POINTS_MAX = 2_000
"""Of one zone that people draw."""
RADIUS_M_MAX = 200_000.0
GROWS_MPS_MAX = 50.0
GROWN_M_MAX = 20_000.0
"""A zone that grows stops there when nobody said where."""
LEAD_S_MAX = 900

Point = tuple[float, float]
Areas = tuple[tuple[tuple[Point, ...], ...], ...]
"""Polygons of closed rings of (lon, lat): the first ring counter-clockwise, its holes clockwise. A circle's and a
cone's is one polygon of one ring of one point, a corridor's is one ring that is its line."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone. Degrees WGS-84, times UTC ms.

    shape           circle, corridor, cone, polygon
    radius_m        of a circle; how far a cone reaches
    width_m         of a corridor, from edge to edge
    bearing_deg     of a cone's middle, clockwise from north; None: downwind, as the weather has it
    opening_deg     of a cone, from side to side
    grows_from_utc_ms, grows_max_m   by how much its edge moves outwards: `grows_mps` since then, at most so far
    follows         id of the unit that carries it, "" for none
    anchor          (lon, lat) of that unit when a corridor or polygon was drawn: it moves as far as the unit does
    agency          whose it is; "": everybody's
    source          "person:NAME" or "warning:ID"
    ended_by        NAME, "time", "warning"; "" while it is not over
    """

    id: str
    name: str
    kind: str
    shape: str
    areas: Areas
    radius_m: float = 0.0
    width_m: float = 0.0
    bearing_deg: float | None = None
    opening_deg: float = 0.0
    from_utc_ms: int | None = None
    until_utc_ms: int | None = None
    grows_mps: float = 0.0
    grows_from_utc_ms: int = 0
    grows_max_m: float = GROWN_M_MAX
    follows: str = ""
    anchor: Point | None = None
    on_enter: bool = False
    on_leave: bool = False
    lead_s: int = 0
    agency: str = ""
    note: str = ""
    source: str = ""
    by: str = ""
    t_utc_ms: int = 0
    ended_by: str = ""
    ended_utc_ms: int | None = None

    @property
    def about(self) -> ZoneKind:
        return KINDS[self.kind]

    @property
    def is_warning(self) -> bool:
        return self.source.startswith("warning:")

    @property
    def moves(self) -> bool:
        """Its place is not that where it was drawn."""
        return bool(self.follows) or (self.shape == "cone" and self.bearing_deg is None)

    @property
    def is_placed_by_unit(self) -> bool:
        """A circle or cone around a unit: that unit is its centre."""
        return bool(self.follows) and self.shape in ("circle", "cone")

    def state(self, now_ms: int) -> str:
        """coming, standing or over."""
        if self.ended_by or (self.until_utc_ms is not None and now_ms >= self.until_utc_ms):
            return "over"
        return "coming" if self.from_utc_ms is not None and now_ms < self.from_utc_ms else "standing"

    def grown_m(self, t_ms: int) -> float:
        """How far its edge has moved outwards until then."""
        if self.grows_mps <= 0:
            return 0.0
        return min(self.grows_max_m, self.grows_mps * max(0, t_ms - self.grows_from_utc_ms) / 1000)

    def geometry(self) -> dict[str, Any] | None:
        """GeoJSON as it was drawn. None: it has no place but its unit's."""
        if not self.areas:
            return None
        if self.shape in ("circle", "cone"):
            return {"type": "Point", "coordinates": list(self.areas[0][0][0])}
        if self.shape == "corridor":
            return {"type": "LineString", "coordinates": [list(p) for p in self.areas[0][0]]}
        polygons = [[[list(p) for p in ring] for ring in polygon] for polygon in self.areas]
        if len(polygons) == 1:
            return {"type": "Polygon", "coordinates": polygons[0]}
        return {"type": "MultiPolygon", "coordinates": polygons}

    @property
    def points(self) -> int:
        return sum(len(ring) for polygon in self.areas for ring in polygon)

    def as_document(self) -> dict[str, Any]:
        return asdict(self)


def zone_of(kept: dict[str, Any]) -> Zone:
    """Out of its document."""
    areas = tuple(
        tuple(tuple((float(x), float(y)) for x, y in ring) for ring in polygon) for polygon in kept["areas"]
    )
    anchor = kept.get("anchor")
    return Zone(**{**kept, "areas": areas, "anchor": None if anchor is None else (anchor[0], anchor[1])})
