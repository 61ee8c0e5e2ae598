"""The zones as other rooms ask for them: who is inside, who will be reached, and what contained a place in the past.

Enters: zones. Leaves: slots, seconds. Callers: rules, roll-calls, entry control, vehicles (`hub.safety.parts`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hub.live.picture import F64, I64
from hub.live.units import Units
from hub.safety.zone import Zone
from hub.safety.zone_conditions import Coming
from hub.safety.zone_field import contains
from hub.safety.zones import Zones

DANGER_S = 3_600.0
"""What reaches nobody within an hour threatens no stay inside."""


class ZoneSight:
    """See the module. `inside`, `unsure`: KeyError when no such zone stands."""

    def __init__(self, zones: Zones, units: Units) -> None:
        self._zones = zones
        self._units = units
        self._ahead: tuple[int, dict[str, list[Coming]]] = (-1, {})

    def all(self) -> list[Zone]:
        """Those that stand now: one to come calls nobody yet."""
        return self._zones.standing()

    def get(self, zone_id: str) -> Zone | None:
        return self._zones.get(zone_id)

    def inside(self, zone_id: str) -> I64:
        """Slots of units that are in it for sure."""
        return self._zones.inside(self._standing(zone_id).id)

    def unsure(self, zone_id: str) -> I64:
        """Slots of units that may be in it."""
        return self._zones.unsure(self._standing(zone_id).id)

    def _standing(self, zone_id: str) -> Zone:
        zone = self._zones.get(zone_id)
        if zone is None or zone.ended_by:
            raise KeyError(zone_id)
        return zone

    def contains(self, zone: Zone, lat_deg: F64, lon_deg: F64, t_ms: int) -> npt.NDArray[np.bool_]:
        """Which of these places were inside at that time."""
        return contains(zone, lat_deg, lon_deg, t_ms)

    def time_to_danger_s(self, slots: Sequence[int], now_ms: int) -> tuple[float, str] | None:
        """The soonest that a growing or moving zone which nobody should be in reaches one of these, and its name."""
        if self._ahead[0] != now_ms:
            threats = [z for z in self._zones.standing() if z.on_enter and (z.grows_mps > 0 or z.follows)]
            self._ahead = (now_ms, {zone.id: self._zones.coming(zone.id, DANGER_S) for zone in threats})
        units = {self._units.rows[slot].id for slot in slots}
        found = [
            (one.seconds, id) for id, coming in self._ahead[1].items() for one in coming if one.unit in units
        ]
        if not found:
            return None
        seconds, id = min(found)
        zone = self._zones.get(id)
        return seconds, (zone.name or zone.about.zh) if zone is not None else ""
