"""Own drawings on the map: lines, arrows, areas, points with a sign and words, range rings, sectors.

Enters: what people draw. Leaves: documents, the feed's `drawing`. Callers: `hub.app`, `hub.api.drawing_routes`. A
drawing is kept before it is told, and is seen by its agency, or by all when it has none. Its drawer chooses the id, so
that the same request twice makes one drawing. Bounds: DRAWINGS_MAX, POINTS_MAX each, POINTS_TOTAL_MAX.

Shared plots, which several people edit at once and which belong to an incident, come later: they get a kind of document
of their own and may take a drawing over by its id.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from hub.identity.permissions import Audience, Principal
from hub.maps.errors import PlanRefused
from hub.safety.part import Ground, Maker, Part

KIND = "drawing"
DRAWINGS_MAX = 2_000
POINTS_MAX = 2_000
POINTS_TOTAL_MAX = 100_000
TOLD_POINTS = 20_000
"""In one message of the feed, and at most TOLD drawings: a screen's queue has a bound."""
TOLD = 200

DrawingKind = Literal["line", "arrow", "area", "point", "rings", "sector"]


@dataclass(frozen=True, slots=True)
class Drawing:
    """`geometry`: GeoJSON, WGS-84: a line, a polygon with one ring, or a point with `radii_m` and, for a sector, the
    true bearings it lies between. `agency` "": seen by all. `rev` grows with each change."""

    id: str
    kind: DrawingKind
    geometry: dict[str, Any]
    words: str
    sign: str
    ink: str
    radii_m: tuple[float, ...]
    from_deg: float | None
    to_deg: float | None
    agency: str
    by: str
    t_utc_ms: int
    rev: int

    @property
    def points(self) -> int:
        return count_points(self.geometry["coordinates"])

    def same(self, other: "Drawing") -> bool:
        """Whether it says the same, whoever said it when."""
        return replace(self, by=other.by, t_utc_ms=other.t_utc_ms, rev=other.rev) == other


def count_points(coordinates: Any) -> int:
    if coordinates and isinstance(coordinates[0], list | tuple):
        return sum(map(count_points, coordinates))
    return 1


def drawing_of(kept: dict[str, Any]) -> Drawing:
    """Out of its document."""
    return Drawing(**{**kept, "radii_m": tuple(kept["radii_m"])})


class Drawings(Part):
    """See the module."""

    name = "drawings"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.drawings: dict[str, Drawing] = {}
        self._fresh: dict[str, Drawing | None] = {}
        """What changed since the last tick, with what it was before."""

    def load(self) -> None:
        for kept in self._ground.registry.documents.all(KIND).values():
            drawing = drawing_of(kept)
            self.drawings[drawing.id] = drawing

    def changes(self) -> Iterable[Maker]:
        if not self._fresh:
            return []
        fresh, self._fresh = self._fresh, {}

        def make(to: Audience) -> dict[str, Any] | None:
            now = [self.drawings[id] for id in fresh if id in self.drawings]
            seen = [drawing for drawing in now if to.sees(drawing.agency)]
            told = {drawing.id for drawing in seen}
            gone = [
                id for id, old in fresh.items() if id not in told and old is not None and to.sees(old.agency)
            ]
            if not seen and not gone:
                return None
            return {"k": "drawing", "drawings": [asdict(drawing) for drawing in seen], "gone": gone}

        return [make]

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        for part in _parts(self.seen_by(me)):
            yield {"k": "drawing", "drawings": [asdict(drawing) for drawing in part], "gone": []}

    def gauges(self) -> dict[str, float]:
        return {"drawings": float(len(self.drawings))}

    # --- what people do --------------------------------------------------------------------------------------------

    def seen_by(self, me: Principal) -> list[Drawing]:
        audience = me.audience
        return [drawing for drawing in self.drawings.values() if audience.sees(drawing.agency)]

    def get(self, id: str, me: Principal) -> Drawing:
        """PlanRefused (404) when there is none that one sees."""
        found = self.drawings.get(id)
        if found is None or not me.audience.sees(found.agency):
            raise PlanRefused(404, f"no drawing {id[:40]!r}")
        return found

    def next_of(self, wanted: Drawing, rev: int | None, me: Principal) -> tuple[Drawing, bool]:
        """What is to be kept, and whether it is news. `rev`: the one that was changed, None: whichever stands.
        PlanRefused: 409 when somebody was faster, or there is no room.
        """
        old = self.drawings.get(wanted.id)
        if old is not None and not me.audience.sees(old.agency):
            raise PlanRefused(409, f"drawing {wanted.id[:40]!r}: the id is taken")
        if old is not None and old.same(wanted):
            return old, False
        self.check(old, rev)
        if old is None and len(self.drawings) >= DRAWINGS_MAX:
            raise PlanRefused(409, f"{DRAWINGS_MAX} drawings stand; delete one")
        total = sum(drawing.points for drawing in self.drawings.values()) - (old.points if old else 0)
        if total + wanted.points > POINTS_TOTAL_MAX:
            raise PlanRefused(409, f"drawings of {POINTS_TOTAL_MAX} points stand; delete one")
        return replace(wanted, rev=(old.rev if old else 0) + 1), True

    def check(self, standing: Drawing | None, rev: int | None) -> None:
        """PlanRefused (409) when `rev` is not what stands."""
        if rev is None or rev == (standing.rev if standing else 0):
            return
        words = (
            f"changed by {standing.by} meanwhile (now {standing.rev})" if standing else "deleted meanwhile"
        )
        raise PlanRefused(409, f"drawing: {words}")

    def keep_one(self, drawing: Drawing) -> None:
        """Keep it, with its record. Blocks."""
        registry = self._ground.registry
        about: dict[str, object] = {
            "drawing": drawing.id, "kind": drawing.kind, "words": drawing.words, "agency": drawing.agency,
            "rev": drawing.rev, "geometry": drawing.geometry if drawing.points <= 100 else drawing.points,
        }  # fmt: skip
        with registry.together():
            registry.documents.put(KIND, {drawing.id: asdict(drawing)}, drawing.t_utc_ms)
            self._ground.record(drawing.by, "drawing kept", about)

    def drop_one(self, drawing: Drawing, who: str) -> None:
        """Forget it, with a record. Blocks."""
        registry = self._ground.registry
        about: dict[str, object] = {"drawing": drawing.id, "kind": drawing.kind, "words": drawing.words}
        with registry.together():
            registry.documents.drop(KIND, [drawing.id])
            self._ground.record(who, "drawing deleted", about)

    def told(self, id: str, drawing: Drawing | None) -> None:
        """It is kept, or gone: from now on screens see it so. On the hub's loop."""
        before = self.drawings.get(id)
        if drawing is None:
            self.drawings.pop(id, None)
        else:
            self.drawings[id] = drawing
        self._fresh.setdefault(id, before)


def _parts(drawings: Iterable[Drawing]) -> Iterator[list[Drawing]]:
    """In messages of bounded size."""
    part: list[Drawing] = []
    points = 0
    for drawing in drawings:
        if part and (len(part) >= TOLD or points + drawing.points > TOLD_POINTS):
            yield part
            part, points = [], 0
        part.append(drawing)
        points += drawing.points
    if part:
        yield part
