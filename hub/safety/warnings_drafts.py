"""Drafts of combined warnings: what stations exceed together, for a person to issue or to dismiss. Never by itself.

Enters: coincidences. Leaves: `Draft`s, and the bulletin a person makes of one or of nothing. Pure.
Callers: `hub.safety.stations` (offer), `hub.api.warning_routes` (issue, dismiss).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.safety.bulletin import COLOURS, Area, Bulletin, BulletinError

DRAFTS_MAX = 200
"""Beyond it the oldest that is decided goes, then the oldest."""
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Exceeded:
    """One station over its threshold, as it went into a draft."""

    station: str
    kind: str
    quantity: str
    value: float
    threshold: float
    unit: str
    colour: str
    source: str
    t_utc_ms: int
    lat_deg: float
    lon_deg: float


@dataclass(frozen=True, slots=True)
class Draft:
    """`state` open, issued, dismissed. `inputs` are all that it rests on; `radius_m` holds them all."""

    id: str
    t_utc_ms: int
    zh: str
    en: str
    colour: str
    lat_deg: float
    lon_deg: float
    radius_m: float
    inputs: tuple[Exceeded, ...]
    rule: str
    state: str = "open"
    by: str = ""
    t_by_ms: int | None = None
    warning: str = ""


class Drafts:
    """By id. A draft for the same stations is offered again only once the one before is a day old or undecided."""

    def __init__(self) -> None:
        self._all: dict[str, Draft] = {}
        self.dirty: set[str] = set()
        self.fresh: list[str] = []

    def all(self) -> list[Draft]:
        return sorted(self._all.values(), key=lambda d: (d.t_utc_ms, d.id), reverse=True)

    def get(self, id: str) -> Draft | None:
        return self._all.get(id)

    def put(self, draft: Draft) -> None:
        self._all[draft.id] = draft

    def offer(self, draft: Draft) -> None:
        """New, or with newer values. What a person has decided stays as it was decided."""
        known = self._all.get(draft.id)
        if known is not None and (known.state != "open" or known.inputs == draft.inputs):
            return
        self._say(replace(draft, t_utc_ms=draft.t_utc_ms if known is None else known.t_utc_ms))
        if len(self._all) > DRAFTS_MAX:
            decided = (d for d in self._all.values() if d.state != "open")
            oldest = min(decided, key=lambda d: d.t_utc_ms, default=self.all()[-1])
            del self._all[oldest.id]

    def decide(self, draft: Draft, state: str, who: str, now_ms: int, warning: str = "") -> Draft:
        made = replace(draft, state=state, by=who, t_by_ms=now_ms, warning=warning)
        self._say(made)
        return made

    def _say(self, draft: Draft) -> None:
        self._all[draft.id] = draft
        self.dirty.add(draft.id)
        self.fresh.append(draft.id)


def draft_of(kept: dict[str, Any]) -> Draft:
    return Draft(**{**kept, "inputs": tuple(Exceeded(**e) for e in kept["inputs"])})


def issued(
    realm: str,
    number: int,
    *,
    who: str,
    now_ms: int,
    colour: str,
    event: str,
    zh: str,
    en: str,
    description: str,
    instruction: str,
    from_utc_ms: int | None,
    until_utc_ms: int,
    areas: Sequence[Area],
) -> Bulletin:
    """A bulletin of our own. BulletinError when it has no area, or ends before it begins or is over already."""
    if colour not in COLOURS[:4]:
        raise BulletinError(f"colour = {colour[:20]!r}, {', '.join(COLOURS[:4])} allowed")
    if not any(area.polygons or area.circles or area.codes for area in areas):
        raise BulletinError("a polygon, a circle or a code of GB/T 2260 is needed")
    if until_utc_ms <= max(now_ms, from_utc_ms or 0):
        raise BulletinError(f"until_utc_ms = {until_utc_ms}: later than now and than its beginning is needed")
    return Bulletin(
        "cap", f"zhantu.{realm}", f"ZT-{now_ms}-{number}", now_ms, "alert", "actual", sender_name=who, event=event,
        colour=colour, urgency="Expected", certainty="Observed", zh=zh, en=en, description=description,
        instruction=instruction, onset_utc_ms=from_utc_ms, expires_utc_ms=until_utc_ms, areas=tuple(areas),
    )  # fmt: skip
