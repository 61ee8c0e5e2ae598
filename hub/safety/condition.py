"""A condition: something that stands now and that people must know. Rules, zones and boards give them to alarms.

Pure data. A source tells all of its conditions that stand, again and again; `hub.safety.alarms` finds what began and
what ended. The same `key` is the same alarm for as long as it stands.
"""

from dataclasses import dataclass, field
from enum import IntEnum


class Priority(IntEnum):
    """How grave. CRITICAL is somebody in danger now: never shelved, never suppressed, escalates."""

    CRITICAL = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that was known when it was judged. `value` in `unit`; `t_utc_ms`: of when the value is."""

    name: str
    value: float | int | str
    unit: str = ""
    t_utc_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """Why somebody is called.

    key       stable: "source:rule:subject"
    kind      a word of `hub.safety.kinds.KINDS`
    units     ids of the units it is about: who sees one of them sees it; none: everybody does
    zh, en    what stands, in few words, without the callsign
    cause     conditions of the same cause are one group: "zone:z12", "link:mesh", "unit:u7"
    joins     "SLOT:CODE" of an edge's own alarm that says the same: while that one is open, both are one alarm
    on_ms     must stand so long before it alarms; `off_ms`: must be over so long before it ends
    private   says how a body is doing: its words are for those who may see that
    """

    key: str
    kind: str
    priority: Priority
    units: tuple[str, ...]
    zh: str
    en: str
    why: tuple[Input, ...] = field(default=())
    cause: str = ""
    joins: str = ""
    advice_zh: str = ""
    advice_en: str = ""
    lat_deg: float | None = None
    lon_deg: float | None = None
    on_ms: int = 0
    off_ms: int = 0
    private: bool = False
