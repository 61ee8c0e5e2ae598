"""When silence is stale and when contact is lost: limits that follow how often a unit reports, and by what.

Enters: rhythms of devices, the roster's limits. Leaves: limits of units into `Units`, and which have changed. Pure.
Caller: `hub.app`, every few seconds.

Stale is three usual intervals, lost ten, never less than the roster says. Of several ways that live the quickest
counts: who reports each second by LTE and each minute by BeiDou is stale soon, until LTE has been silent itself.
"""

from math import ceil

from hub.live.rhythm import Rhythms
from hub.live.units import Units

LOOK_MS = 5_000
STALE_INTERVALS, LOST_INTERVALS = 3, 10
STALE_S_MAX, LOST_S_MAX = 1_800, 21_600
"""However seldom somebody reports: after half an hour nobody knows where they are, after six somebody must look."""
STEP_S = 15
LONGER, SHORTER = 1.2, 0.7
"""A limit moves when it would be so much longer, at once, or so much shorter, after SHORTER_MS."""
SHORTER_MS = 60_000
Limits = tuple[int, int]


class Contact:
    """Limits of units that report seldom. `told`: how often a limit was moved."""

    def __init__(self, units: Units, rhythms: Rhythms) -> None:
        self._units = units
        self._rhythms = rhythms
        self._looked_ms = 0
        self._shorter: dict[int, int] = {}  # slot -> since when it should be shorter
        self.told = 0

    def look(self, now_ms: int) -> list[int]:
        """Slots whose limits have changed."""
        if 0 <= now_ms - self._looked_ms < LOOK_MS:
            return []
        self._looked_ms = now_ms
        carriers = (self._units.carrier_of(device) for device in self._rhythms.slow)
        slots = {slot for slot in carriers if slot is not None} | set(self._units.limits)
        changed = [slot for slot in sorted(slots) if self._judge(slot, now_ms)]
        self.told += len(changed)
        return changed

    def _judge(self, slot: int, now_ms: int) -> bool:
        row = self._units.rows[slot]
        roster = (row.stale_s, row.lost_s)
        now = self._units.limits.get(slot, roster)
        interval_ms = self._interval_ms(slot, roster[0], now_ms)
        if interval_ms is None:
            return False  # silent by every way: nothing is learned from that
        wanted = limits(roster, interval_ms)
        if wanted[0] > LONGER * now[0] or wanted[1] > LONGER * now[1]:
            return self._set(slot, wanted, roster)
        if wanted[0] >= SHORTER * now[0] and wanted[1] >= SHORTER * now[1]:
            self._shorter.pop(slot, None)
            return False
        since_ms = self._shorter.setdefault(slot, now_ms)
        return now_ms - since_ms >= SHORTER_MS and self._set(slot, wanted, roster)

    def _set(self, slot: int, wanted: Limits, roster: Limits) -> bool:
        self._shorter.pop(slot, None)
        self._units.set_limits(slot, None if wanted == roster else wanted)
        return True

    def _interval_ms(self, slot: int, stale_s: int, now_ms: int) -> int | None:
        """Of the quickest way that lives; None: none does."""
        usual = [
            rhythm.usual_ms
            for device in self._units.devices_of(slot)
            for rhythm in self._rhythms.of(device).values()
            if now_ms - rhythm.last_ms <= max(1_000 * stale_s, STALE_INTERVALS * rhythm.usual_ms)
        ]
        return min(usual, default=None)


def limits(roster: Limits, interval_ms: int) -> Limits:
    """(stale_s, lost_s) of who reports so often: in steps of 15 s, never below the roster's, never above the bounds."""
    made = []
    for least_s, intervals, most_s in (
        (roster[0], STALE_INTERVALS, STALE_S_MAX),
        (roster[1], LOST_INTERVALS, LOST_S_MAX),
    ):
        wanted_s = ceil(intervals * interval_ms / 1_000 / STEP_S) * STEP_S
        made.append(max(least_s, min(wanted_s, most_s)) if wanted_s > least_s else least_s)
    return made[0], max(made[0], made[1])
