"""What the drivers of GNSS receivers share: a splitter that is fed, and silence that completes an epoch.

Enters: bytes and the time they came. Leaves: samples, in the order in which they were completed. A driver derives
from this, sets its splitter and says in `_silent` what a silence completes.
"""

from firmware_bridge.framing import Splitter
from firmware_bridge.interface import Quiet, Stats
from protocols.samples import Sample
from protocols.units import NS_PER_MS

IDLE_MS = 150
"""An epoch is complete when its last byte is older. At 4800 baud bytes come every 2 ms; receivers that pause
between sentences were seen to pause for 60 ms."""

FRAME_STALL_MS = 500
"""An unfinished binary frame is given up then. Longer than IDLE_MS, because USB hubs do stop for 200 ms."""


class StreamDriver(Quiet):
    """One receiver on one port."""

    _splitter: Splitter

    def __init__(self) -> None:
        self.stats = Stats()
        self._out: list[Sample] = []
        self._last_byte_mono_ns = 0

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        self._last_byte_mono_ns = t_mono_ns
        self._splitter.feed(data)
        return self._take()

    def idle(self, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        silent_ms = (t_mono_ns - self._last_byte_mono_ns) // NS_PER_MS
        if silent_ms >= FRAME_STALL_MS:
            self._splitter.give_up_frame()
        if silent_ms >= IDLE_MS:
            self._silent()
        return self._take()

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls, for tests of the bound."""
        return self._splitter.pending_size

    def _silent(self) -> None:
        """Complete what a silence of IDLE_MS completes."""
        raise AssertionError("stream_driver: a driver says what silence completes")

    def _take(self) -> list[Sample]:
        if not self._out:
            return []
        out = self._out.copy()
        self._out.clear()
        return out
