"""Which warnings stand: every bulletin taken in, what replaced or ended it, in whatever order they came.

Enters: bulletins. Leaves: `Warned` records with their state at a time. Pure. Caller: `hub.safety.warnings`.

A message is known by (sender, identifier, sent). An update ends what it refers to, a cancel too; both may come before
it. Only its own sender can end a message: somebody else's cancel is kept and ends nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hub.safety.bulletin import Bulletin, BulletinError, Reference, bulletin_of

WARNINGS_MAX = 5_000
"""Kept. Beyond it the oldest that is over is forgotten; when all stand, a new one is refused in words."""


@dataclass(slots=True)
class Warned:
    """One bulletin. `source`: by what way it came ("upload", "folder", "feed:NAME", "person:NAME"), and when.

    ended_by  id of the update or cancel, or "person:NAME"; "" while nobody ended it
    text      the original as it came
    """

    id: str
    bulletin: Bulletin
    source: str
    t_hub_ms: int
    text: str
    ended_by: str = ""
    ended_why: str = ""
    t_ended_ms: int | None = None

    def state(self, now_ms: int) -> str:
        """standing, coming (its onset is ahead), over (expired), replaced, cancelled, ended (by a person), told (a
        cancel itself, or one that is only a test)."""
        bulletin = self.bulletin
        if bulletin.kind == "cancel" or bulletin.status != "actual":
            return "told"
        if self.ended_by:
            return self.ended_why
        if bulletin.expires_utc_ms is not None and now_ms >= bulletin.expires_utc_ms:
            return "over"
        return "coming" if now_ms < bulletin.from_utc_ms else "standing"

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id, "bulletin": self.bulletin.as_dict(), "source": self.source, "t_hub_ms": self.t_hub_ms,
            "text": self.text, "ended_by": self.ended_by, "ended_why": self.ended_why, "t_ended_ms": self.t_ended_ms,
        }  # fmt: skip


def warned_of(kept: dict[str, Any]) -> Warned:
    return Warned(**{**kept, "bulletin": bulletin_of(kept["bulletin"])})


def id_of(bulletin: Bulletin) -> str:
    """Short, and the same for the same message on every hub."""
    sender, identifier, sent = bulletin.key
    return sha256(f"{sender}\n{identifier}\n{sent}".encode()).hexdigest()[:12]


class WarningBook:
    """All of them, by id."""

    def __init__(self) -> None:
        self._all: dict[str, Warned] = {}
        self._gone: list[str] = []

    def __iter__(self) -> Iterator[Warned]:
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def get(self, id: str) -> Warned | None:
        return self._all.get(id)

    def put(self, warned: Warned) -> None:
        """One that was kept before."""
        self._all[warned.id] = warned

    def take(self, bulletin: Bulletin, source: str, text: str, now_ms: int) -> tuple[Warned, list[Warned]]:
        """The record, and all records that changed with it; none when it was known already."""
        id = id_of(bulletin)
        known = self._all.get(id)
        if known is not None:
            return known, []
        self._make_room(now_ms)
        made = self._all[id] = Warned(id, bulletin, source, now_ms, text)
        changed = [made]
        for other in self._all.values():
            if other is made:
                continue
            if _ends(bulletin, other.bulletin):
                changed += [other] if _end(other, made, now_ms) else []
            elif _ends(other.bulletin, bulletin):
                _end(made, other, now_ms)
        return made, changed

    def end(self, warned: Warned, who: str, now_ms: int) -> None:
        """A person says that it is over."""
        warned.ended_by, warned.ended_why, warned.t_ended_ms = f"person:{who}", "ended", now_ms

    def forgotten(self) -> list[str]:
        """Ids that were dropped since this was asked last."""
        gone, self._gone = self._gone, []
        return gone

    def _make_room(self, now_ms: int) -> None:
        if len(self._all) < WARNINGS_MAX:
            return
        over = (w for w in self._all.values() if w.state(now_ms) not in ("standing", "coming"))
        oldest = min(over, key=lambda w: w.t_hub_ms, default=None)
        if oldest is None:
            raise BulletinError(f"{WARNINGS_MAX} warnings stand, no more are taken: end some")
        del self._all[oldest.id]
        self._gone.append(oldest.id)


def _ends(later: Bulletin, earlier: Bulletin) -> bool:
    """Whether `later` updates or cancels `earlier`. A test or draft ends nothing that is actual."""
    if later.kind == "alert" or later.status != earlier.status or later.key == earlier.key:
        return False
    return any(_fits(reference, earlier) for reference in later.references) and later.sender == earlier.sender


def _fits(reference: Reference, of: Bulletin) -> bool:
    same_time = reference.sent_utc_ms is None or reference.sent_utc_ms == of.sent_utc_ms
    return reference.identifier == of.identifier and reference.sender in ("", of.sender) and same_time


def _end(warned: Warned, by: Warned, now_ms: int) -> bool:
    """The latest word on it counts, so that the order of coming does not matter."""
    why = "cancelled" if by.bulletin.kind == "cancel" else "replaced"
    if (warned.ended_by, warned.ended_why) == (by.id, why) or warned.ended_why == "cancelled":
        return False
    warned.ended_by, warned.ended_why, warned.t_ended_ms = by.id, why, now_ms
    return True
