"""The gateway's own disk: an alarm while it refuses the spool, and where a damaged spool was found.

Enters: whether either is so (`Spool.fault`). Leaves: SPOOL_FAULT. Called by `edge.guard.guard`. Always armed.
"""

from edge.guard.rule import Now, Rule, Standing
from protocols.catalog import EventCode


class DiskRule(Rule):
    """One failed commit begins it, one that succeeds ends it: what waits in memory is on the disk then."""

    def __init__(self) -> None:
        self.refuses = False

    def step(self, now: Now) -> list[Standing]:
        """See `Rule`."""
        return [Standing(EventCode.SPOOL_FAULT)] if self.refuses else []

    def status(self, now: Now) -> dict[str, object]:
        """See `Rule`."""
        return {"state": "the disk refuses, or has damaged the spool" if self.refuses else "armed"}
