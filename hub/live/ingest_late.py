"""What comes late: whoever has made something of old rows is told that it is out of date.

Enters: devices and the times of their rows, as they are shown. Leaves: calls. Callers: `hub.live.ingest`; listeners are
`hub.live.slices` and `hub.safety.search`.
"""

from collections.abc import Callable

LATE_MS = 60_000
Listener = Callable[[int, int], None]
"""Is told the device, and the least time (UTC ms, 0: all of them) from which on its rows are others now."""


class Late:
    """Those who want to know."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def tell(self, device: int, t_utc_ms: int) -> None:
        for listener in self.listeners:
            listener(device, t_utc_ms)
