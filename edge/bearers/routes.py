"""Which of several routes to the same hub is used: the first that works, with hysteresis. Pure.

Enters: what became of each, the time. Leaves: the current one, and when to look whether the first works again. Caller:
`edge.bearers.mqtt`. A lesser route stays until the first has answered `PROBES_NEEDED` knocks in a row; a first route
that was gone back to and failed soon is left alone for longer each time.
"""

PROBE_S = 20.0
PROBES_NEEDED = 3
PAUSE_S_MAX = 900.0
SOON_S = 120.0


class Routes:
    """Routes 0 … count - 1, the best first."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.current = 0
        self._answers = 0
        self._pause_s = PROBE_S
        self._next_probe_s = 0.0
        self._back_s: float | None = None
        self._tried = 0

    @property
    def is_untried(self) -> bool:
        """Whether the current route was not tried since one worked: no pause is due before it."""
        return 0 < self._tried < self._count

    def failed(self, t_mono_s: float) -> None:
        """The current route could not be opened, or was lost: the next one's turn."""
        if self.current == 0 and self._back_s is not None and t_mono_s - self._back_s < SOON_S:
            self._pause_s = min(PAUSE_S_MAX, 2 * self._pause_s)
        self._back_s = None
        self._tried += 1
        self.current = (self.current + 1) % self._count
        self._answers = 0

    def worked(self, t_mono_s: float) -> None:
        """The current route is open."""
        self._tried = 0
        self._answers = 0
        self._next_probe_s = t_mono_s + self._pause_s
        if self.current == 0:
            self._back_s = t_mono_s

    def probe_due(self, t_mono_s: float) -> bool:
        """Whether to knock at route 0 now."""
        return self.current != 0 and t_mono_s >= self._next_probe_s

    def probed(self, t_mono_s: float, answered: bool) -> bool:
        """Take a knock's outcome. True: go back to route 0, which is current from now on."""
        self._answers = self._answers + 1 if answered else 0
        self._next_probe_s = t_mono_s + (PROBE_S if answered else self._pause_s)
        if self._answers < PROBES_NEEDED:
            return False
        self.current, self._answers = 0, 0
        return True
