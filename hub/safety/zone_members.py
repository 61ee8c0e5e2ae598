"""Who has been in a zone since when, who has left it, and the log of both. What is kept over a restart.

Enters: who came and went at each look. Leaves: members, leavers, the log, a document. Pure. Caller: `hub.safety.zones`.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LOG_MAX = 500
"""Comings and goings remembered of one zone; beyond it the oldest is forgotten."""
LEFT_MS = 1_800_000
"""Who has left and does not come back calls for so long; then they are simply elsewhere."""
LEFT_MAX = 1_000


class Came(NamedTuple):
    """Since when somebody is in, and what was known when that was judged."""

    t_ms: int
    edge_m: float
    doubt_m: float


class Line(NamedTuple):
    """One line of the log. `what`: found (was there when the zone began), entered, left."""

    t_utc_ms: int
    unit: str
    what: str
    edge_m: float
    doubt_m: float


@dataclass(slots=True)
class Members:
    """Of one zone, by the ids of units."""

    inside: dict[str, Came] = field(default_factory=dict)
    left: dict[str, Came] = field(default_factory=dict)
    log: deque[Line] = field(default_factory=lambda: deque(maxlen=LOG_MAX))

    def came(self, unit: str, came: Came, *, found: bool) -> None:
        self.inside[unit] = came
        self.left.pop(unit, None)
        self.log.append(Line(came.t_ms, unit, "found" if found else "entered", came.edge_m, came.doubt_m))

    def went(self, unit: str, now: Came) -> None:
        if self.inside.pop(unit, None) is not None:
            if len(self.left) < LEFT_MAX:
                self.left[unit] = now
            self.log.append(Line(now.t_ms, unit, "left", now.edge_m, now.doubt_m))

    def forget_leavers(self, now_ms: int) -> bool:
        """Of long ago. Whether there were any."""
        old = [unit for unit, went in self.left.items() if now_ms - went.t_ms >= LEFT_MS]
        for unit in old:
            del self.left[unit]
        return bool(old)

    def as_document(self) -> dict[str, Any]:
        """A copy: it is written on another thread."""
        return {
            "inside": dict(self.inside),
            "left": dict(self.left),
            "log": list(self.log),
        }


def members_of(kept: dict[str, Any]) -> Members:
    """Out of its document."""
    log = deque((Line(*line) for line in kept["log"]), maxlen=LOG_MAX)
    came = {unit: Came(*one) for unit, one in kept["inside"].items()}
    return Members(came, {unit: Came(*one) for unit, one in kept["left"].items()}, log)
