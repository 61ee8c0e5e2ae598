"""Events of units: what is open, and what to tell the screens. Only the thin beginning of alarms.

Enters: rows of event frames, in any order, repeated or late. Leaves: `Event`s for the feed and open flags per
unit. Pure. An event is open while its latest raise is later than its latest clear, so order does not matter;
and a clear that was overtaken by its raise still clears.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.live.picture import EVENT_FLAGS
from protocols.catalog import FIELDS_BY_NAME, EventPhase

LATE_MS = 30_000
EVENTS_MAX = 50_000
"""Events remembered; beyond it the oldest closed one is forgotten, and only then the oldest open one."""

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


@dataclass(slots=True)
class Event:
    """One event of a device. `late`: it was more than 30 s old when it came."""

    id: str
    slot: int
    code: int
    phase: int
    value: int | None
    lat_deg_e7: int | None
    lon_deg_e7: int | None
    t_event_ms: int
    t_hub_ms: int
    late: bool
    raised: Said | None = field(default=None)
    cleared: Said | None = field(default=None)

    @property
    def is_open(self) -> bool:
        return self.raised is not None and self.raised.later_than(self.cleared)

    def message(self) -> dict[str, object]:
        """The feed's `event` (docs/feed.md)."""
        return {
            "k": "event",
            "id": self.id,
            "t": self.t_hub_ms,
            "slot": self.slot,
            "code": self.code,
            "phase": self.phase,
            "value": self.value,
            "lat": None if self.lat_deg_e7 is None else self.lat_deg_e7 / 1e7,
            "lon": None if self.lon_deg_e7 is None else self.lon_deg_e7 / 1e7,
            "t_event": self.t_event_ms,
            "late": self.late,
        }


class EventBook:
    """All events known. `apply` one row; None when it says nothing that was not known."""

    def __init__(self) -> None:
        self._events: dict[tuple[int, int], Event] = {}

    def open(self) -> Iterator[Event]:
        """The open events, in the order of their coming."""
        return (event for event in self._events.values() if event.is_open)

    def is_open(self, slot: int, code: int) -> bool:
        return any(e.slot == slot and e.code == code and e.is_open for e in self._events.values())

    def apply(
        self, device: int, said: Said, slot: int, values: dict[int, int | None], t_hub_ms: int
    ) -> Event | None:
        """One row of an event frame. A row without a code is not an event; without an id it is its own."""
        code = values.get(_BIT["event_code"])
        if code is None:
            return None
        number = values.get(_BIT["event_id"])
        key = (device, -1 - hash((said.boot, said.row)) % 2**62 if number is None else number)
        known = self._events.get(key)
        phase = values.get(_BIT["event_phase"]) or EventPhase.RAISED
        clears = phase in (EventPhase.CLEARED, EventPhase.CANCELLED)
        if known is not None and said in (known.raised, known.cleared):
            return None
        event = known or self._new(key, slot, code)
        self._merge(event, said, clears)
        at = [values.get(_BIT[f"event_{name}"]) for name in ("value", "lat_deg_e7", "lon_deg_e7")]
        event.phase, event.t_event_ms, event.t_hub_ms = int(phase), said.t_ms, t_hub_ms
        event.late = t_hub_ms - said.t_ms > LATE_MS
        event.value = at[0]
        if at[1] is not None and at[2] is not None:
            event.lat_deg_e7, event.lon_deg_e7 = at[1], at[2]
        return event

    def _new(self, key: tuple[int, int], slot: int, code: int) -> Event:
        if len(self._events) >= EVENTS_MAX:
            closed = (k for k, e in self._events.items() if not e.is_open)
            del self._events[next(closed, next(iter(self._events)))]
        event = Event(f"{key[0]}-{key[1]}", slot, code, 0, None, None, None, 0, 0, False)
        self._events[key] = event
        return event

    def _merge(self, event: Event, said: Said, clears: bool) -> None:
        if clears and said.later_than(event.cleared):
            event.cleared = said
        elif not clears and said.later_than(event.raised):
            event.raised = said


def flag_of(code: int) -> int:
    """The feed's flag bit of an event code, 0 when it has none."""
    return EVENT_FLAGS.get(code, 0)
