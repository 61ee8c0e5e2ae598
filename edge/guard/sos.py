"""SOS: the wearer's own call. Always armed; only CANCEL ends it.

Enters: the gesture, or the local socket. Leaves: the alarm. Called by `edge.guard.guard`.
"""

from edge.guard.rule import Now, Rule, Standing
from protocols.catalog import EventCode
from protocols.wearer import Gesture


class SosRule(Rule):
    """At most one is open. Pressing again repeats it under the same id, which the guard does."""

    def __init__(self) -> None:
        self.open = False

    def press(self, gesture: Gesture, now: Now) -> bool:
        """See `Rule`."""
        if gesture == Gesture.SOS:
            self.open = True
        elif gesture == Gesture.CANCEL:
            self.open = False
        return False

    def step(self, now: Now) -> list[Standing]:
        """See `Rule`."""
        return [Standing(EventCode.SOS)] if self.open else []

    def status(self, now: Now) -> dict[str, object]:
        """See `Rule`."""
        return {"state": "open" if self.open else "armed"}

    def resume(self, kept: dict[str, float], standing: list[Standing]) -> None:
        """See `Rule`."""
        self.open = bool(standing)
