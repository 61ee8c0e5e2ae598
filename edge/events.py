"""Events as rows: each with its id, the last place and how old that is, and the duty state.

Enters: what stands, what ended, what happened, what a commander has seen; fixes. Leaves: rows of the EVENT page.
Called by `edge.guard`. An alarm is raised once and ended once under one id, which is the device's own for ever.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from edge.guard.rule import Standing
from edge.pace import ALT, LAT, LON, fix_values
from protocols.catalog import FIELDS_BY_NAME, Duty, EventCode, EventPhase
from protocols.frame import Row
from protocols.samples import Fix

_BIT = {name: field.bit for name, field in FIELDS_BY_NAME.items() if name.startswith("event_")}
ID_BITS = 14
"""An event id is the boot's 48 random bits and a count, so that it is the device's own for ever."""
CLOSED_KEPT = 64
"""Events that have ended and may still be acknowledged."""
ANSWERED_KEPT = 256
TOLD = 1
"""Value of `event_seen`: the wearer has been told that a commander saw it."""
NO_CODE = 0
"""The code in an answer about an event that this boot does not know."""
Key = tuple[int, int, int]


class EventRow(NamedTuple):
    """A row to keep and send, and what it says."""

    row: Row
    event_id: int
    code: int
    phase: EventPhase


@dataclass(slots=True)
class OpenEvent:
    """An alarm that stands. `sent`, `held`: its row has gone out, the hub has it. `seen`: a commander has."""

    id: int
    standing: Standing
    since_ms: int
    sent: bool = False
    held: bool = False
    seen: bool = False


class Events:
    """The open ones, and the last that ended."""

    def __init__(self, boot_bits: int) -> None:
        self._base = boot_bits << ID_BITS
        self._count = 0
        self.open: dict[Key, OpenEvent] = {}
        self._closed: deque[tuple[int, Standing, EventPhase]] = deque(maxlen=CLOSED_KEPT)
        self._answered: deque[int] = deque(maxlen=ANSWERED_KEPT)
        self._fix: dict[int, int] = {}
        self._fix_ms = 0

    def note_fix(self, fix: Fix, t_mono_ms: int) -> None:
        """Remember the last place."""
        values = fix_values(fix)
        if LAT in values:
            self._fix, self._fix_ms = values, t_mono_ms

    def raised(self, standing: Standing, duty: Duty, t_mono_ms: int) -> EventRow:
        """A new alarm; one that stood before a restart is repeated under its id."""
        known = self.open.get(standing.key)
        if known is not None:
            known.standing = standing
            return self._row(known.id, standing, EventPhase.REPEATED, duty, t_mono_ms)
        event = OpenEvent(self._next_id(), standing, t_mono_ms)
        self.open[standing.key] = event
        return self._row(event.id, standing, EventPhase.RAISED, duty, t_mono_ms)

    def ended(self, key: Key, phase: EventPhase, duty: Duty, t_mono_ms: int) -> EventRow:
        """An open alarm is over. KeyError when it is not open."""
        event = self.open.pop(key)
        self._closed.append((event.id, event.standing, phase))
        return self._row(event.id, event.standing, phase, duty, t_mono_ms)

    def happened(
        self, code: EventCode, duty: Duty, t_mono_ms: int, *, order: int = 0, value: int | None = None
    ) -> EventRow:
        """Something that is never open. `order`: the number of the order that it is about, 0 for none."""
        extra = {_BIT["event_order"]: order} if order else None
        return self._row(
            self._next_id(), Standing(code, value=value), EventPhase.RAISED, duty, t_mono_ms, extra
        )

    def seen(self, event_id: int, duty: Duty, t_mono_ms: int) -> tuple[EventRow | None, OpenEvent | None]:
        """A commander has seen an event: the row that says so to the hub, once for each id, and the event if it is
        open.

        One that has ended is answered in the phase that it ended with, so that it stays ended. An id that this boot
        does not know is answered too, without a code, so that the hub stops asking.
        """
        if event_id in self._answered or not 0 <= event_id < 2**63:
            return None, None
        self._answered.append(event_id)
        extra = {_BIT["event_seen"]: TOLD}
        for event in self.open.values():
            if event.id == event_id:
                event.seen = True
                row = self._row(event_id, event.standing, EventPhase.REPEATED, duty, t_mono_ms, extra)
                return row, event
        for closed_id, standing, phase in self._closed:
            if closed_id == event_id:
                return self._row(event_id, standing, phase, duty, t_mono_ms, extra), None
        values = {
            _BIT["event_code"]: NO_CODE,
            _BIT["event_id"]: event_id,
            _BIT["event_phase"]: int(EventPhase.REPEATED),
        }
        return EventRow(Row(t_mono_ms, values | extra), event_id, NO_CODE, EventPhase.REPEATED), None

    def resume(self, kept: list[tuple[int, Standing]], t_mono_ms: int) -> None:
        """After a restart: the alarms that stood, under their ids."""
        for event_id, standing in kept:
            self.open[standing.key] = OpenEvent(event_id, standing, t_mono_ms)

    def _next_id(self) -> int:
        self._count += 1
        return self._base | self._count

    def _row(
        self, event_id: int, standing: Standing, phase: EventPhase, duty: Duty, t_mono_ms: int,
        extra: dict[int, int] | None = None,
    ) -> EventRow:  # fmt: skip
        values = {
            _BIT["event_code"]: int(standing.code),
            _BIT["event_id"]: event_id,
            _BIT["event_phase"]: int(phase),
        }
        told = {
            "event_value": standing.value,
            "event_threshold": standing.threshold,
            "event_field": standing.field,
        }
        values |= {_BIT[name]: value for name, value in told.items() if value is not None}
        if self._fix:
            values[_BIT["event_lat_deg_e7"]] = self._fix[LAT]
            values[_BIT["event_lon_deg_e7"]] = self._fix[LON]
            values[_BIT["event_fix_age_s"]] = max(0, t_mono_ms - self._fix_ms) // 1000
            if ALT in self._fix:
                values[_BIT["event_alt_dm"]] = self._fix[ALT]
        values[_BIT["event_duty"]] = int(duty)
        return EventRow(Row(t_mono_ms, values | (extra or {})), event_id, int(standing.code), phase)
