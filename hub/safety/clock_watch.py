"""The hub's own clock, when devices with GNSS time contradict it: people have to know, and to set it.

Enters: the hub's clock. Leaves: one condition. The picture goes on with the time that the devices agree on
(`hub.live.clock`). Caller: `hub.safety.parts`.
"""

from collections.abc import Callable, Sequence

from hub.live.clock import HubClock
from hub.safety.condition import Condition, Input, Priority
from hub.safety.part import Part

Tell = Callable[[str, Sequence[Condition], int], None]


class ClockWatch(Part):
    """See the module."""

    name = "clock"

    def __init__(self, clock: HubClock, tell: Tell) -> None:
        self._clock = clock
        self._tell = tell

    def look(self, now_ms: int) -> None:
        self._tell("clock", self.conditions(), now_ms)

    def conditions(self) -> list[Condition]:
        if not self._clock.suspect:
            return []
        behind_s = round(self._clock.offset_ms / 1000)
        return [
            Condition(
                "clock:behind", "clock", Priority.HIGH, (), f"中心时钟慢 {behind_s} s",
                f"The hub is {behind_s} s behind", (Input("clock_offset", behind_s, "s"),),
            )
        ]  # fmt: skip
