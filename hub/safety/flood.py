"""Alarm flood: when more begin than a person can read.

Enters: the times at which alarms begin. Leaves: whether it is a flood. Pure.
**Source:** ISA-18.2 / EEMUA 191: starts above 10 new alarms in 10 minutes, ends below 5.
"""

from collections import deque

SPAN_MS = 600_000
STARTS_ABOVE, ENDS_BELOW = 10, 5
REMEMBERED_MAX = 10_000
"""Beginnings remembered; beyond it the oldest goes, which can only happen in a flood."""


class Flood:
    """`stands` after each `began` or `look`."""

    def __init__(self) -> None:
        self._began: deque[int] = deque(maxlen=REMEMBERED_MAX)
        self.stands = False

    def began(self, now_ms: int) -> None:
        self._began.append(now_ms)
        self.look(now_ms)

    def look(self, now_ms: int) -> int:
        """How many began within the span."""
        while self._began and now_ms - self._began[0] >= SPAN_MS:
            self._began.popleft()
        count = len(self._began)
        self.stands = count >= ENDS_BELOW if self.stands else count > STARTS_ABOVE
        return count
