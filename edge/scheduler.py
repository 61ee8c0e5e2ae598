"""Which wide bearer takes which lane: the cheapest that is in time. Pure.

Enters: flows and the time. Leaves: one flow a lane, or none. Caller: `edge.sender`. A way that was too slow, or that
costs more, is left only for one that has been better for `STEADY_MS`; one that is down is left at once.
Alarms are not here: they go on every way there is.
"""

from collections.abc import Sequence

from edge.flow import Flow
from protocols.catalog import Lane

DEADLINES_MS = {Lane.RECEIPTS: 30_000, Lane.LIVE: 5_000, Lane.HISTORY: 20_000}
"""From sending to the hub's acknowledgement."""
STEADY_MS = 10_000
PROBE_MS = 15_000
"""A way that carries nothing else takes one live frame each so often, so that what is known of it is true."""
KNOCK_MS = 4_000
"""While no wide way is up, each that might work is tried so often."""


class Scheduler:
    """Remembers what it chose."""

    def __init__(self) -> None:
        self.choices: dict[Lane, Flow] = {}
        self._better: dict[Lane, tuple[Flow, int]] = {}

    def choose(self, flows: Sequence[Flow], t_mono_ms: int) -> dict[Lane, Flow]:
        """The flow of each lane that has one."""
        for lane, deadline_ms in DEADLINES_MS.items():
            ready = [f for f in flows if f.is_up and (lane != Lane.HISTORY or f.bearer.traits.history)]
            self._choose(lane, ready, deadline_ms, t_mono_ms)
        return self.choices

    def chosen(self, lane: Lane) -> Flow | None:
        """Who takes the lane now."""
        return self.choices.get(lane)

    def in_time(self, lane: Lane, t_mono_ms: int) -> bool:
        """Whether the lane has a way that meets its deadline."""
        flow = self.choices.get(lane)
        return flow is not None and flow.is_up and flow.delay_ms(t_mono_ms) <= DEADLINES_MS[lane]

    def _choose(self, lane: Lane, ready: list[Flow], deadline_ms: int, t_mono_ms: int) -> None:
        now = self.choices.get(lane)
        if not ready:
            self.choices.pop(lane, None)
            return
        best = min(ready, key=lambda flow: _rank(flow, deadline_ms, t_mono_ms))
        if now is None or now not in ready:
            self.choices[lane] = best
        if best is self.choices[lane]:
            self._better.pop(lane, None)
            return
        rival, since_ms = self._better.get(lane, (best, t_mono_ms))
        self._better[lane] = (best, since_ms if rival is best else t_mono_ms)
        missed = now is not None and now.delay_ms(t_mono_ms) > deadline_ms >= best.delay_ms(t_mono_ms)
        if missed or t_mono_ms - self._better[lane][1] >= STEADY_MS:
            self.choices[lane] = best
            del self._better[lane]


def _rank(flow: Flow, deadline_ms: int, t_mono_ms: int) -> tuple[bool, int, int]:
    """In time before late; then the cheapest, of late ones the fastest."""
    delay_ms = flow.delay_ms(t_mono_ms)
    late = delay_ms > deadline_ms
    return (late, delay_ms if late else flow.bearer.traits.cost, delay_ms)
