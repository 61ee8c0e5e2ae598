"""Forged orders: an alarm while somebody sends this gateway orders that no commander and no hub made.

Enters: that one came, from `edge.obey_desk`. Leaves: FORGED_ORDER, once for as long as it goes on. Called by
`edge.guard.guard`. Always armed. A flood of them is one alarm.
"""

from edge.guard.rule import Now, Rule, Standing
from protocols.catalog import EventCode

QUIET_MS = 600_000
"""So long without another one ends it."""


class ForgedRule(Rule):
    """`heard` counts them since the start."""

    def __init__(self) -> None:
        self.heard = 0
        self._is_new = False
        self._until_ms: int | None = None

    def note(self) -> None:
        """One came. The next step dates it."""
        self.heard += 1
        self._is_new = True

    def step(self, now: Now) -> list[Standing]:
        """See `Rule`."""
        if self._is_new:
            self._is_new, self._until_ms = False, now.t_ms + QUIET_MS
        if self._until_ms is None or now.t_ms >= self._until_ms:
            return []
        return [Standing(EventCode.FORGED_ORDER)]

    def status(self, now: Now) -> dict[str, object]:
        """See `Rule`."""
        return {"state": f"{self.heard} forged" if self.step(now) else "armed"}

    def resume(self, kept: dict[str, float], standing: list[Standing]) -> None:
        """See `Rule`."""
        self._is_new = bool(standing)
