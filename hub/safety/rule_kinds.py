"""The kinds of rules and what may be said of each: frozen dataclasses, their limits and their words.

Pure data; the reader of files, the JSON Schema and docs/rules.md are made of it. Callers: `hub.safety.rule_file` and
whoever watches a rule. A new kind is a class here, one line in RULE_KINDS, and one in `rule_engine.WATCHES`.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

from hub.live.picture import CHANNEL
from hub.safety.condition import Priority
from hub.safety.kinds import KINDS
from protocols.catalog import FIELDS_BY_NAME, GAS_FIELDS, PRIVATE_FIELDS, Duty, EventCode, Field

PRIORITIES = {priority.name.lower(): priority for priority in Priority}
DUTIES = {duty.name.lower(): int(duty) for duty in Duty}
JOINS = {"": 0, "none": 0} | {code.name.lower(): int(code) for code in EventCode if code < EventCode.ENTERED}
JOINED_BY = dict.fromkeys(GAS_FIELDS, EventCode.GAS) | {
    "scba_kpa": EventCode.LOW_AIR, "turn_back_s": EventCode.TURN_BACK, "heart_bpm": EventCode.HEART,
    "strain_e1": EventCode.STRAIN, "core_dc": EventCode.HEAT, "gas_faults": EventCode.GAS_FAULT,
    "gas_over": EventCode.GAS_OVER_RANGE,
}  # fmt: skip
"""A gateway's own alarm of the same channel: while it is open, both are one."""
SIGNALS = ("gas_faults", "gas_over", "ports_down", "ports_silent")
ZONE_EVENTS = ("enter", "leave", "inside", "outside", "stay")
DAY_S = 86_400
NEVER_S = 30 * DAY_S
TEXT_MAX, LIST_MAX = 200, 50


def _says(
    about: str, default: Any = MISSING, lo: float | None = None, hi: float | None = None, *,
    unit: str = "", words: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    """A key of a rule: what it means, what it is by default, and what is allowed."""
    metadata = {"about": about, "lo": lo, "hi": hi, "unit": unit, "words": words}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Whom a rule is about: those to whom everything that is said applies; an empty list says nothing."""

    units: tuple[str, ...] = _says("ids or callsigns; `*` at the end: all that begin so", ())
    kind: tuple[str, ...] = _says("person, vehicle, drone, vessel, base", ())
    branch: tuple[str, ...] = _says("such as fire, medical, mine", ())
    team: tuple[str, ...] = _says("teams", ())
    agency: tuple[str, ...] = _says("agencies", ())
    duty: tuple[str, ...] = _says("what they said last that they do", (), words=tuple(DUTIES))
    zone: tuple[str, ...] = _says("inside one of these zones, by id or name", ())


EVERYBODY = Who()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What every rule says."""

    kind: ClassVar[str] = ""
    what: ClassVar[str] = ""
    id: str = _says("a-z, 0-9, - and _, at most 40: its name in alarms, API and records")
    zh: str = _says("its name, and what the alarm says first", "")
    en: str = _says("the same in English", "")
    enabled: bool = _says("it is judged at all", True)
    priority: str = _says("how grave; empty: as its kind of alarm", "", words=("", *PRIORITIES))
    who: Who = _says("whom it is about; empty: every registered unit", EVERYBODY)  # noqa: RUF009 -- a field
    hours: tuple[str, ...] = _says(
        'it speaks from one time of day until another, as `["22:00", "06:00"]`', ()
    )
    advice_zh: str = _says("what to do first; empty: as its kind of alarm", "")
    advice_en: str = _says("the same in English", "")
    on_s: float = _says("it must be so for so long before it alarms", 0.0, 0, 3_600, unit="s")
    off_s: float = _says("it must be over for so long before it ends", 0.0, 0, 3_600, unit="s")
    joins: str = _says(
        "a gateway's own alarm that says the same; empty: that of the channel; none: no one's",
        "",
        words=tuple(JOINS),
    )

    @property
    def channels(self) -> tuple[str, ...]:
        """Columns of the catalog that it looks at."""
        return ()

    @property
    def alarm_kind(self) -> str:
        """A word of KINDS."""
        return self.kind

    @property
    def rank(self) -> Priority:
        return PRIORITIES[self.priority] if self.priority else KINDS[self.alarm_kind].priority

    @property
    def is_private(self) -> bool:
        """It says how a body is doing."""
        return not PRIVATE_FIELDS.isdisjoint(self.channels)

    def joined_code(self, channel: str = "") -> int:
        """The code of a gateway's own alarm that says the same, 0: none."""
        return (
            JOINS[self.joins]
            if self.joins
            else int(JOINED_BY.get(channel or next(iter(self.channels), ""), 0))
        )

    def faults(self) -> Iterator[str]:
        """What is said that cannot be meant."""
        for channel in self.channels:
            if channel not in CHANNEL:
                yield f"channel = {channel!r}"


def field_of(channel: str) -> Field:
    """A channel's line of the catalog."""
    return FIELDS_BY_NAME[channel]


def _about_channel(channel: str) -> str:
    """The kind of alarm of a channel's value."""
    if channel in GAS_FIELDS:
        return "gas"
    if channel == "scba_kpa":
        return "air"
    return "body" if channel in PRIVATE_FIELDS else ""


def _one_of(rule: Any, first: str, second: str) -> Iterator[str]:
    if (getattr(rule, first) is None) == (getattr(rule, second) is None):
        yield f"{first} or {second} is needed, not both"


_OLD = ("end", "absence")
_CHANNEL = "a channel of docs/wire.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(Rule):
    kind: ClassVar[str] = "threshold"
    what: ClassVar[str] = "a value at or beyond its limit"
    channel: str = _says(_CHANNEL)
    above: float | None = _says("the limit, in the channel's unit", None)
    below: float | None = _says("the limit, in the channel's unit", None)
    deadband: float = _says("so far back inside the limit it must come to end", 0.0, 0, 1e9)
    max_age_s: float = _says("an older value says nothing any more", 60.0, 1, DAY_S, unit="s")
    old: str = _says(
        "what an older value is: `end`, nothing; `absence`, an alarm of its own", "end", words=_OLD
    )

    @property
    def channels(self) -> tuple[str, ...]:
        return (self.channel,)

    @property
    def alarm_kind(self) -> str:
        return _about_channel(self.channel) or self.kind

    def faults(self) -> Iterator[str]:
        yield from Rule.faults(self)
        yield from _one_of(self, "above", "below")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(Rule):
    kind: ClassVar[str] = "rate"
    what: ClassVar[str] = "a value that changes too fast"
    channel: str = _says(_CHANNEL)
    above: float | None = _says("rises by so much a minute", None, 0, 1e9)
    below: float | None = _says("falls by so much a minute: a negative number", None, -1e9, 0)
    deadband: float = _says("so far back inside the limit it must come to end", 0.0, 0, 1e9)
    window_s: float = _says("over so long; half of it at least must be known", 60.0, 5, 3_600, unit="s")
    max_age_s: float = _says("an older value says nothing any more", 60.0, 1, DAY_S, unit="s")

    @property
    def channels(self) -> tuple[str, ...]:
        return (self.channel,)

    @property
    def alarm_kind(self) -> str:
        return "body" if self.channel in PRIVATE_FIELDS else self.kind

    def joined_code(self, channel: str = "") -> int:
        """A level and its slope are two things: only what the rule names is the same."""
        return JOINS[self.joins]

    def faults(self) -> Iterator[str]:
        yield from Rule.faults(self)
        yield from _one_of(self, "above", "below")


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence(Rule):
    kind: ClassVar[str] = "absence"
    what: ClassVar[str] = "a channel that came once and comes no more"
    channel: str = _says(f"{_CHANNEL}; empty: anything at all", "")
    after_s: float = _says("so long after its last value", 60.0, 1, DAY_S, unit="s")
    give_up_s: float = _says(
        "after so long it is taken to be away on purpose; 0: never", 0.0, 0, NEVER_S, unit="s"
    )

    @property
    def channels(self) -> tuple[str, ...]:
        return (self.channel,) if self.channel else ()

    def joined_code(self, channel: str = "") -> int:
        return JOINS[self.joins]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Rule):
    kind: ClassVar[str] = "lost"
    what: ClassVar[str] = "a unit of which nothing is heard any more"
    after_s: float = _says("so long after its last word; 0: the unit's own `lost_s`", 0.0, 0, DAY_S, unit="s")
    give_up_s: float = _says("after so long it is taken to be off duty; 0: never", 0.0, 0, NEVER_S, unit="s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery(Rule):
    kind: ClassVar[str] = "battery"
    what: ClassVar[str] = "a battery that is nearly empty"
    channel: str = _says("whose", "battery_pct", words=("battery_pct", "board_pct"))
    below: float = _says("the limit", 20.0, 1, 99, unit="%")
    deadband: float = _says("so far above it must come to end", 5.0, 0, 50, unit="%")
    max_age_s: float = _says("an older value says nothing any more", 900.0, 1, DAY_S, unit="s")

    @property
    def channels(self) -> tuple[str, ...]:
        return (self.channel,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFault(Rule):
    kind: ClassVar[str] = "sensor_fault"
    what: ClassVar[str] = "a sensor or port that its own gateway calls failed"
    signals: tuple[str, ...] = _says("which of its words", SIGNALS, words=SIGNALS)
    max_age_s: float = _says("an older word says nothing any more", 300.0, 1, DAY_S, unit="s")

    @property
    def channels(self) -> tuple[str, ...]:
        return self.signals

    @property
    def alarm_kind(self) -> str:
        return "gas_sensor" if set(self.signals) <= {"gas_faults", "gas_over"} else "device"

    def faults(self) -> Iterator[str]:
        if not self.signals:
            yield "signals = []"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue(Rule):
    kind: ClassVar[str] = "overdue"
    what: ClassVar[str] = "somebody who went in and has not come out"
    minutes: float = _says("so long after the entry", 30.0, 0.1, 1_440, unit="min")
    forget_h: float = _says("an entry so old is one whose end was not heard", 24.0, 1, 240, unit="h")


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfZones(Rule):
    zones: tuple[str, ...] = _says("ids or names of zones", ())
    zone_kinds: tuple[str, ...] = _says("and all zones of these kinds, such as danger", ())

    def faults(self) -> Iterator[str]:
        yield from Rule.faults(self)
        if not self.zones and not self.zone_kinds:
            yield "zones or zone_kinds is needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone(_OfZones):
    kind: ClassVar[str] = "zone"
    what: ClassVar[str] = "a unit and a zone"
    event: str = _says(
        "enter, leave: for `hold_s` after it; inside, outside: as long as; stay: longer than `stay_s`", "inside",
        words=ZONE_EVENTS,
    )  # fmt: skip
    stay_s: float = _says("of `stay`", 600.0, 1, DAY_S, unit="s")
    hold_s: float = _says("of `enter` and `leave`", 60.0, 1, 3_600, unit="s")
    perhaps: bool = _says("also who may be there by the doubt of the position", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability(_OfZones):
    kind: ClassVar[str] = "capability"
    what: ClassVar[str] = "a zone with too few units of a capability left; `who` says the capability"
    least: int = _says("fewer than so many alarm; who is lost does not count", 1, 1, 1_000)
    had: bool = _says("only once there were enough", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proximity(Rule):
    kind: ClassVar[str] = "proximity"
    what: ClassVar[str] = "two groups that come too near, or too far apart"
    near: Who = _says("the other group", EVERYBODY)  # noqa: RUF009 -- a field
    nearer_m: float | None = _says("nearer than this", None, 0.1, 100_000, unit="m")
    farther_m: float | None = _says("nobody of the other group within this", None, 0.1, 100_000, unit="m")
    perhaps: bool = _says("also when only the doubt of the positions allows it", False)
    max_age_s: float = _says("an older position says nothing any more", 60.0, 1, DAY_S, unit="s")

    def faults(self) -> Iterator[str]:
        yield from Rule.faults(self)
        yield from _one_of(self, "nearer_m", "farther_m")


RULE_KINDS: dict[str, type[Rule]] = {
    one.kind: one
    for one in (Threshold, Rate, Absence, Zone, Proximity, Overdue, Lost, Battery, SensorFault, Capability)
}  # fmt: skip
KIND_TITLES = {
    "threshold": ("超限", "Threshold"), "rate": ("变化过快", "Rate"), "absence": ("无数据", "Absence"),
    "zone": ("区域", "Zone"), "proximity": ("距离", "Proximity"), "overdue": ("超时未出", "Overdue entry"),
    "lost": ("失联", "Lost contact"), "battery": ("电量低", "Low battery"),
    "sensor_fault": ("传感器故障", "Sensor fault"), "capability": ("力量空缺", "Capability gone"),
}  # fmt: skip
COMMON = tuple(one.name for one in fields(Rule))
