"""One alarm: what it is about, where it stands in its life, and what each audience may know of it.

Enters: a condition or a device's event. Leaves: its state, the feed's `alarm`, its document. Pure.
Callers: `hub.safety.alarms`, `hub.api.alarm_routes`.

    raised → acknowledged → cleared → closed
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from hub.safety.kinds import KINDS, AlarmKind


@dataclass(slots=True)
class By:
    """Who did it, when, and why or until when."""

    by: str
    t: int
    why: str = ""
    until: int = 0


@dataclass(slots=True)
class Alarm:
    """`key`: of its condition or its event; `t_raised`: by whoever judged it; `t_hub`: when it came; `t_began`: when it
    last called anew, from which escalation counts. `event`: id of the device's event, or ""."""

    id: str
    key: str
    source: str
    kind: str
    priority: int
    units: tuple[str, ...]
    zh: str
    en: str
    t_raised: int
    t_hub: int
    t_began: int
    advice_zh: str = ""
    advice_en: str = ""
    why: list[dict[str, Any]] = field(default_factory=list)
    cause: str = ""
    lat: float | None = None
    lon: float | None = None
    private: bool = False
    late: bool = False
    event: str = ""
    code: int | None = None
    joins: str = ""
    stands: bool = True
    count: int = 1
    t_cleared: int | None = None
    seen: By | None = None
    shelved: By | None = None
    closed: By | None = None
    shown_ms: int | None = None
    escalation: int = 0
    more: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def about(self) -> AlarmKind:
        return KINDS[self.kind]

    @property
    def is_protected(self) -> bool:
        """Never shelved, never suppressed."""
        return self.about.protected or self.priority == 1

    @property
    def is_acknowledged(self) -> bool:
        """Since it last called."""
        return self.seen is not None and self.seen.t >= self.t_began

    @property
    def state(self) -> str:
        if self.closed is not None:
            return "closed"
        if not self.stands:
            return "cleared"
        return "acknowledged" if self.is_acknowledged else "raised"

    @property
    def is_open(self) -> bool:
        return self.closed is None

    @property
    def calls(self) -> bool:
        """Somebody has to take it."""
        return self.is_open and not self.is_acknowledged and self.shelved is None

    def as_document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Alarm":
        """Out of its document."""
        known = {name: kept[name] for name in cls.__slots__ if name in kept}
        for name in ("seen", "shelved", "closed"):
            known[name] = None if known.get(name) is None else By(**known[name])
        known["units"] = tuple(known["units"])
        return cls(**known)

    def message(
        self, slots: dict[str, int], group: str, *, sound: bool, calls: Iterable[str], body: bool
    ) -> dict[str, Any]:
        """The feed's `alarm`. `slots`: of the units that are seen; `body` False hides what a body does; `calls`: the
        roles whose screens sound, none: everybody's."""
        hidden = self.private and not body
        why = [] if hidden else [*self.why, *(one for more in self.more.values() for one in more)]
        return {
            "k": "alarm",
            "id": self.id,
            "kind": self.kind,
            "priority": self.priority,
            "state": self.state,
            "open": self.is_open,
            "units": list(slots),
            "slots": list(slots.values()),
            "zh": self.about.zh if hidden else self.zh,
            "en": self.about.en if hidden else self.en,
            "advice_zh": self.advice_zh,
            "advice_en": self.advice_en,
            "why": why,
            "lat": self.lat,
            "lon": self.lon,
            "cause": self.cause,
            "group": group or None,
            "t_raised": self.t_raised,
            "t_hub": self.t_hub,
            "late": self.late,
            "t_cleared": self.t_cleared,
            "seen": None if self.seen is None else {"by": self.seen.by, "t": self.seen.t},
            "shelved": None
            if self.shelved is None
            else {"by": self.shelved.by, "until": self.shelved.until, "why": self.shelved.why},
            "closed": None
            if self.closed is None
            else {"by": self.closed.by, "t": self.closed.t, "why": self.closed.why},
            "event": self.event or None,
            "code": 0 if hidden and self.code is not None else self.code,
            "escalation": self.escalation,
            "count": self.count,
            "sound": sound,
            "calls": sorted(calls),
        }
