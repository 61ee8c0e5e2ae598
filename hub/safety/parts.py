"""The parts of hub.safety, one line each, in the order in which they look: who is read by others comes first.

Enters: the ground. Leaves: `Parts`, which the API reaches its rooms through. Caller: `hub.app`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from hub.maps.drawings import Drawings
from hub.maps.plans import Plans
from hub.maps.shelf import Maps
from hub.readiness.cameras import Cameras
from hub.readiness.nets import Nets
from hub.safety.alarms import Alarms
from hub.safety.clock_watch import ClockWatch
from hub.safety.entry import Entry
from hub.safety.evacuation import Evacuations
from hub.safety.inside import Insides
from hub.safety.part import Ground, Part
from hub.safety.rollcall import RollCalls
from hub.safety.rules import Rules
from hub.safety.search import Search
from hub.safety.signal_cells import Signal
from hub.safety.stations import Stations
from hub.safety.vehicles import Vehicles
from hub.safety.warnings import Warnings
from hub.safety.zone_sight import ZoneSight
from hub.safety.zones import Zones


@dataclass(frozen=True, slots=True)
class Parts:
    """Every part by its name."""

    alarms: Alarms
    clock: ClockWatch
    zones: Zones
    warnings: Warnings
    cameras: Cameras
    nets: Nets
    search: Search
    signal: Signal
    stations: Stations
    rules: Rules
    entry: Entry
    rollcall: RollCalls
    evacuation: Evacuations
    vehicles: Vehicles
    inside: Insides
    maps: Maps
    plans: Plans
    drawings: Drawings

    def __iter__(self) -> Iterator[Part]:
        return iter([getattr(self, one.name) for one in fields(self)])


def make(ground: Ground) -> Parts:
    """All parts, wired to one another."""
    alarms = Alarms(ground)
    zones = Zones(ground, alarms.tell)
    warnings = Warnings(ground, zones, tell=alarms.tell)
    ground.order_desk.zone_slots = zones.slots_of
    sight = ZoneSight(zones, ground.units)
    entry = Entry(ground, alarms.tell, sight)
    return Parts(
        alarms=alarms,
        clock=ClockWatch(ground.clock, alarms.tell),
        zones=zones,
        warnings=warnings,
        cameras=Cameras(ground),
        nets=Nets(ground),
        search=Search(ground),
        signal=Signal(ground),
        stations=Stations(ground, warnings.drafts, alarms.tell),
        rules=Rules(ground, alarms.tell, alarms.open, sight),
        entry=entry,
        rollcall=RollCalls(ground, entry, alarms.tell, sight),
        evacuation=Evacuations(ground, entry, alarms.tell),
        vehicles=Vehicles(ground, sight),
        inside=Insides(ground),
        maps=Maps(ground),
        plans=Plans(ground),
        drawings=Drawings(ground),
    )
