"""The parts of hub.safety, one line each, in the order in which they look: who is read by others comes first.

Enters: the ground. Leaves: `Parts`, which the API reaches its rooms through. Caller: `hub.app`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from hub.maps.drawings import Drawings
from hub.maps.plans import Plans
from hub.maps.shelf import Maps
from hub.safety.alarms import Alarms
from hub.safety.clock_watch import ClockWatch
from hub.safety.part import Ground, Part
from hub.safety.warnings import Warnings


@dataclass(frozen=True, slots=True)
class Parts:
    """Every part by its name."""

    alarms: Alarms
    clock: ClockWatch
    warnings: Warnings
    maps: Maps
    plans: Plans
    drawings: Drawings

    def __iter__(self) -> Iterator[Part]:
        return iter([getattr(self, one.name) for one in fields(self)])


def make(ground: Ground) -> Parts:
    """All parts, wired to one another."""
    alarms = Alarms(ground)
    warnings = Warnings(ground, tell=alarms.tell)
    return Parts(
        alarms=alarms,
        clock=ClockWatch(ground.clock, alarms.tell),
        warnings=warnings,
        maps=Maps(ground),
        plans=Plans(ground),
        drawings=Drawings(ground),
    )
