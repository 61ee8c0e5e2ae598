"""An SOS as a row: raised once, with the last place and how old it is; cancelled by the wearer.

Enters: fixes and presses. Leaves: rows of the EVENT page. Called by `edge.agent`.
"""

from edge.pace import ALT, LAT, LON, fix_values
from protocols.catalog import FIELDS_BY_NAME, EventCode, EventPhase
from protocols.frame import Row
from protocols.samples import Fix

_BIT = {name: field.bit for name, field in FIELDS_BY_NAME.items()}
ID_BITS = 14
"""An event id is the boot's 48 random bits and a count, so that it is the device's own for ever."""


class Sos:
    """At most one SOS is open. Pressing again repeats it under the same id."""

    def __init__(self, boot_bits: int) -> None:
        self._base = boot_bits << ID_BITS
        self._count = 0
        self._open_id: int | None = None
        self._fix: dict[int, int] = {}
        self._fix_ms = 0

    def note_fix(self, fix: Fix, t_mono_ms: int) -> None:
        """Remember the last place."""
        values = fix_values(fix)
        if LAT in values:
            self._fix, self._fix_ms = values, t_mono_ms

    def raise_(self, t_mono_ms: int) -> Row:
        """A row that raises the SOS, or repeats the open one."""
        phase = EventPhase.RAISED if self._open_id is None else EventPhase.REPEATED
        if self._open_id is None:
            self._count += 1
            self._open_id = self._base | self._count
        return self._row(self._open_id, phase, t_mono_ms)

    def cancel(self, t_mono_ms: int) -> Row | None:
        """A row that cancels the open SOS; None when none is open."""
        if self._open_id is None:
            return None
        row = self._row(self._open_id, EventPhase.CANCELLED, t_mono_ms)
        self._open_id = None
        return row

    def _row(self, event_id: int, phase: EventPhase, t_mono_ms: int) -> Row:
        values = {
            _BIT["event_code"]: int(EventCode.SOS),
            _BIT["event_id"]: event_id,
            _BIT["event_phase"]: int(phase),
        }
        if self._fix:
            values[_BIT["event_lat_deg_e7"]] = self._fix[LAT]
            values[_BIT["event_lon_deg_e7"]] = self._fix[LON]
            values[_BIT["event_fix_age_s"]] = max(0, t_mono_ms - self._fix_ms) // 1000
            if ALT in self._fix:
                values[_BIT["event_alt_dm"]] = self._fix[ALT]
        return Row(t_mono_ms, values)
