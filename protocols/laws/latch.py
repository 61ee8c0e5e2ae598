"""An alarm that does not chatter: it begins after a while above its limit and ends after a while well below it.

Enters: a value and the time. Leaves: whether the alarm stands. Callers: every rule of `edge.guard` with a limit,
`hub.safety.stations_book`.
**Source:** EEMUA 191 and ISA-18.2: deadband, on-delay, off-delay.
"""

VOUCH_MS = 5_000
"""A sample speaks for at most so much of the time before it: silence is neither danger nor safety."""


class Latch:
    """Stands when the value was >= `limit` for `on_ms`; falls when it was < `limit` - `deadband` for `off_ms`.

    `falling` turns it round, for oxygen and air: it stands below and falls above. A delay of 0 acts on one sample.
    `vouch_ms`: another one than VOUCH_MS, for what is measured each ten minutes.
    """

    __slots__ = (
        "_deadband", "_held_ms", "_last_ms", "_limit", "_off_ms", "_on_ms", "_sign", "_vouch_ms", "stands",
    )  # fmt: skip

    def __init__(
        self,
        limit: float,
        deadband: float,
        on_ms: int,
        off_ms: int,
        *,
        falling: bool = False,
        vouch_ms: int = VOUCH_MS,
    ) -> None:
        self._sign = -1 if falling else 1
        self._limit = limit * self._sign
        self._deadband = deadband
        self._on_ms = on_ms
        self._off_ms = off_ms
        self._vouch_ms = vouch_ms
        self._held_ms = 0
        self._last_ms: int | None = None
        self.stands = False

    def step(self, value: float, t_ms: int) -> bool:
        """Take one sample; times must not fall. Returns whether the alarm stands now."""
        vouched_ms = 0 if self._last_ms is None else min(max(0, t_ms - self._last_ms), self._vouch_ms)
        self._last_ms = t_ms
        signed = value * self._sign
        changes = signed < self._limit - self._deadband if self.stands else signed >= self._limit
        self._held_ms = self._held_ms + vouched_ms if changes else 0
        if changes and self._held_ms >= (self._off_ms if self.stands else self._on_ms):
            self.stands = not self.stands
            self._held_ms = 0
        return self.stands

    def reset(self) -> None:
        """As if nothing had ever been heard."""
        self.stands, self._held_ms, self._last_ms = False, 0, None
