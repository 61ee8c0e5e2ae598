"""Events of units: what is open, what happened, who has seen it, and what to tell the screens.

Enters: rows of event frames, in any order, repeated or late. Leaves: `Event`s for the feed and open flags per
unit. Pure. An event is open while its latest raise is later than its latest clear, so order does not matter;
and a clear that was overtaken by its raise still clears. Codes from HAPPENINGS_FROM on are never open: told once.

An alarm that somebody acknowledged stays open; `seen` says who and when, `heard` that the device told its wearer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hub.identity.permissions import PHYSIOLOGY_FIELDS
from hub.live.measure import scaled
from hub.live.picture import EVENT_FLAGS
from protocols.catalog import (
    FIELDS_BY_ID,
    FIELDS_BY_NAME,
    HAPPENINGS_FROM,
    ClockSource,
    EventCode,
    EventPhase,
    Field,
)

LATE_MS = 30_000
EVENTS_MAX = 50_000
"""Events remembered; beyond it the oldest closed one is forgotten, and only then the oldest open one."""
SEEN_MAX = 10_000
"""Acknowledgements remembered for events that are not known (yet), as when the log is read again."""
BODY_CODES = frozenset({EventCode.HEART, EventCode.STRAIN, EventCode.HEAT})
BODY_CODE_HIDDEN = 0
"""In place of one of these, for who may not see bodies: that there is an alarm is never hidden."""
WEARER_TOLD = 1
"""Of `event_seen`: the device has told its wearer that somebody has seen it."""

_BIT = {name: field.bit for name, field in FIELDS_BY_NAME.items() if name.startswith("event_")}


class Said(NamedTuple):
    """Where in its boot, and when, something was said."""

    boot: int
    row: int
    t_ms: int

    def later_than(self, other: "Said | None") -> bool:
        """Within a boot rows are in order whatever its clock says; across boots only time is left."""
        if other is None:
            return True
        if self.boot == other.boot:
            return self.row > other.row
        return self.t_ms > other.t_ms


class Clocks(NamedTuple):
    """When something was said, by the boot's clock, by UTC with its source, and when it came to the hub."""

    t_mono_ms: int
    t_utc_ms: int
    source: int
    t_hub_ms: int

    def as_dict(self) -> dict[str, object]:
        return {**self._asdict(), "source": ClockSource(self.source).name.lower()}


class Seen(NamedTuple):
    """Who acknowledged an event, and when."""

    by: str
    t_utc_ms: int


@dataclass(slots=True)
class Event:
    """One event of a device. `number` is the device's own, None when it gave none. `late`: it was more than 30 s old
    when it came. `first`: its earliest raise, `ended`: its latest clear."""

    id: str
    device: int
    number: int | None
    slot: int
    code: int
    phase: int = 0
    value: int | None = None
    threshold: int | None = None
    field: Field | None = None
    duty: int | None = None
    lat_deg_e7: int | None = None
    lon_deg_e7: int | None = None
    t_event_ms: int = 0
    t_hub_ms: int = 0
    late: bool = False
    raised: Said | None = None
    cleared: Said | None = None
    first: Clocks | None = None
    ended: Clocks | None = None
    seen: Seen | None = None
    heard: bool = False

    @property
    def happened(self) -> bool:
        return self.code >= HAPPENINGS_FROM

    @property
    def is_open(self) -> bool:
        return not self.happened and self.raised is not None and self.raised.later_than(self.cleared)

    @property
    def is_bodily(self) -> bool:
        """It says how a body is doing."""
        return self.code in BODY_CODES or (self.field is not None and self.field.name in PHYSIOLOGY_FIELDS)

    @property
    def state(self) -> str:
        if self.happened:
            return "happened"
        if not self.is_open:
            return "cleared"
        return "raised" if self.seen is None else "acknowledged"

    def message(self, *, body: bool = True) -> dict[str, object]:
        """The feed's `event` (docs/feed.md). `body` False: for who may not see how a body is doing."""
        hidden = self.is_bodily and not body
        field = None if hidden else self.field
        value, threshold = (None, None) if hidden else (self.value, self.threshold)
        return {
            "k": "event",
            "id": self.id,
            "t": self.t_hub_ms,
            "slot": self.slot,
            "code": BODY_CODE_HIDDEN if hidden else self.code,
            "phase": self.phase,
            "value": value if value is None or field is None else scaled(field, value),
            "lat": None if self.lat_deg_e7 is None else self.lat_deg_e7 / 1e7,
            "lon": None if self.lon_deg_e7 is None else self.lon_deg_e7 / 1e7,
            "t_event": self.t_event_ms,
            "late": self.late,
            "threshold": threshold if threshold is None or field is None else scaled(field, threshold),
            "field": None if field is None else field.name,
            "unit": "" if field is None else field.unit,
            "duty": self.duty,
            "state": self.state,
            "t_raised": None if self.first is None else self.first.t_utc_ms,
            "seen": None if self.seen is None else {"by": self.seen.by, "t": self.seen.t_utc_ms, "heard": self.heard},
        }  # fmt: skip


class EventBook:
    """All events known. `apply` one row; None when it says nothing that was not known."""

    def __init__(self) -> None:
        self._events: dict[tuple[int, int], Event] = {}
        self._by_id: dict[str, Event] = {}
        self._open: dict[tuple[int, int], Event] = {}
        self._seen: dict[str, Seen] = {}

    def open(self) -> Iterator[Event]:
        """The open events, in the order of their coming."""
        return iter(list(self._open.values()))

    def all(self) -> Iterator[Event]:
        """Every event remembered, in the order of their coming."""
        return iter(self._events.values())

    def by_id(self, event_id: str) -> Event | None:
        return self._by_id.get(event_id)

    def flag_open(self, slot: int, flag: int) -> bool:
        """Whether an open event of this unit raises this flag of the picture."""
        return any(e.slot == slot and flag_of(e.code) == flag for e in self._open.values())

    def see(self, event_id: str, seen: Seen) -> Event | None:
        """Somebody has seen an event; the first one counts. The event may come later, out of the log."""
        event = self._by_id.get(event_id)
        if event is not None:
            event.seen = event.seen or seen
        self._seen.setdefault(event_id, seen)
        if len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return event

    def apply(
        self,
        device: int,
        said: Said,
        slot: int,
        values: dict[int, int | None],
        t_hub_ms: int,
        t_mono_ms: int = 0,
        source: int = ClockSource.NONE,
    ) -> Event | None:
        """One row of an event frame. A row without a code is not an event; without an id it is its own."""
        code = values.get(_BIT["event_code"])
        if code is None:
            return None
        number = values.get(_BIT["event_id"])
        key = (device, -1 - hash((said.boot, said.row)) % 2**62 if number is None else number)
        known = self._events.get(key)
        if values.get(_BIT["event_seen"]) == WEARER_TOLD:
            return self._told(known)
        phase = values.get(_BIT["event_phase"]) or EventPhase.RAISED
        if known is not None and (known.happened or said in (known.raised, known.cleared)):
            return None
        event = known or self._new(key, number, slot, code)
        if event.happened:
            phase = EventPhase.RAISED
        clears = phase in (EventPhase.CLEARED, EventPhase.CANCELLED)
        newest = said.later_than(event.raised) and said.later_than(event.cleared)
        self._merge(event, said, Clocks(t_mono_ms, said.t_ms, source, t_hub_ms), clears)
        if newest:
            event.phase, event.t_event_ms = int(phase), said.t_ms
        self._fill(event, values, newest)
        event.t_hub_ms, event.late = t_hub_ms, t_hub_ms - said.t_ms > LATE_MS
        if event.is_open:
            self._open.setdefault(key, event)
        else:
            self._open.pop(key, None)
        return event

    def _told(self, event: Event | None) -> Event | None:
        """A receipt says that the wearer was told and nothing else: it neither raises nor ends an alarm, and a device
        that was started anew gives it without knowing the code."""
        if event is None or event.heard:
            return None
        event.heard = True
        return event

    def _new(self, key: tuple[int, int], number: int | None, slot: int, code: int) -> Event:
        if len(self._events) >= EVENTS_MAX:
            closed = (k for k in self._events if k not in self._open)
            oldest = next(closed, next(iter(self._events)))
            del self._by_id[self._events.pop(oldest).id]
            self._open.pop(oldest, None)
        event = Event(f"{key[0]}-{key[1]}", key[0], number, slot, code)
        event.seen = self._seen.get(event.id)
        self._events[key] = self._by_id[event.id] = event
        return event

    def _merge(self, event: Event, said: Said, at: Clocks, clears: bool) -> None:
        if clears:
            if said.later_than(event.cleared):
                event.cleared, event.ended = said, at
            return
        if said.later_than(event.raised):
            event.raised = said
        if event.first is None or at.t_utc_ms < event.first.t_utc_ms:
            event.first = at

    def _fill(self, event: Event, values: dict[int, int | None], newest: bool) -> None:
        """What the row says of it. An older row fills only what no newer one said."""
        field = values.get(_BIT["event_field"])
        lat, lon = values.get(_BIT["event_lat_deg_e7"]), values.get(_BIT["event_lon_deg_e7"])
        if lat is not None and lon is not None and (newest or event.lat_deg_e7 is None):
            event.lat_deg_e7, event.lon_deg_e7 = lat, lon
        if field is not None and (newest or event.field is None):
            event.field = FIELDS_BY_ID.get(field)
        for name in ("value", "threshold", "duty"):
            value = values.get(_BIT[f"event_{name}"])
            if value is not None and (newest or getattr(event, name) is None):
                setattr(event, name, value)


def flag_of(code: int) -> int:
    """The feed's flag bit of an event code, 0 when it has none."""
    return EVENT_FLAGS.get(code, 0)
