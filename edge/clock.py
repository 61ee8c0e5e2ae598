"""The gateway's three clocks, kept apart: GNSS time, the boot's monotonic clock, and the hub's.

Enters: pairs of (UTC from somewhere, monotonic time when it came). Leaves: `utc_zero_ms`, the UTC of the boot
clock's zero, and its source. Callers: `edge.agent` for fixes and acknowledgements, `edge.pace` for row times.

Messages come late, never early, so of the recent pairs the one with the largest offset had the least delay.
"""

from collections import deque

from protocols.catalog import ClockSource

PAIRS = 16
PAIRS_NEEDED = 3
AGREE_MS = 2_000
STEP_MS = 250
"""The offset is left alone while the best recent pair is nearer than this: rows of one frame share it."""
GNSS_TRUST_MS = 3_600_000
"""How long a GNSS offset outranks the hub's time after the last fix; a quartz drifts about 0.2 s in it."""


class BootClock:
    """Time since the agent's start, and what UTC that start was. Takes its monotonic time as an argument."""

    def __init__(self, start_mono_ns: int) -> None:
        self._start_mono_ns = start_mono_ns
        self._pairs: dict[ClockSource, deque[int]] = {}
        self._gnss_heard_ms = -GNSS_TRUST_MS
        self.utc_zero_ms: int | None = None
        self.source = ClockSource.NONE
        self.error_ms = 0

    def mono_ms(self, t_mono_ns: int) -> int:
        """Milliseconds on the boot's clock; never negative."""
        return max(0, (t_mono_ns - self._start_mono_ns) // 1_000_000)

    def hear(self, source: ClockSource, t_utc_ms: int, t_mono_ns: int) -> None:
        """Note that `source` said UTC at a monotonic time. Three that agree within 2 s make it believed."""
        now_ms = self.mono_ms(t_mono_ns)
        if source == ClockSource.GNSS:
            self._gnss_heard_ms = now_ms
        elif self.source == ClockSource.GNSS and now_ms - self._gnss_heard_ms < GNSS_TRUST_MS:
            return
        pairs = self._pairs.setdefault(source, deque(maxlen=PAIRS))
        pairs.append(t_utc_ms - now_ms)
        recent = list(pairs)[-PAIRS_NEEDED:]
        if len(recent) < PAIRS_NEEDED or max(recent) - min(recent) > AGREE_MS:
            return
        agreed = [zero for zero in pairs if abs(zero - recent[-1]) <= AGREE_MS]
        self._settle(source, max(agreed), max(agreed) - min(agreed))

    def _settle(self, source: ClockSource, zero: int, spread_ms: int) -> None:
        self.error_ms = spread_ms
        if self.utc_zero_ms is None or self.source != source or abs(zero - self.utc_zero_ms) >= STEP_MS:
            self.utc_zero_ms = max(0, zero)
            self.source = source

    def row_time_ms(self, t_utc_ms: int | None, t_mono_ns: int) -> int:
        """A row's time on the boot's clock: such that the offset gives the device's own UTC back exactly.

        The device's UTC counts only when it is near the time the bytes came; a stale or garbage time is not.
        """
        now_ms = self.mono_ms(t_mono_ns)
        if t_utc_ms is not None and self.utc_zero_ms is not None:
            exact = t_utc_ms - self.utc_zero_ms
            if exact >= 0 and abs(exact - now_ms) <= 5 * AGREE_MS:
                return exact
        return now_ms
