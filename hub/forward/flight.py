"""Packets on the way to the hub above, and how much may be on it by how fast it answers.

Enters: items, times. Leaves: the same. Pure. Caller: `hub.forward.queue`.
"""

from dataclasses import dataclass

from hub.forward.track import Item

AGAIN_MS = (10_000, 60_000)
"""After so much silence a packet goes again, first and at most. After a cut it does so at once."""
BUDGET_BYTES = (200, 1_000, 120_000)
"""Of what is no alarm, on the way at once: at least, at the start, at most."""
FAST_MS, SLOW_MS = 500, 2_000


@dataclass(slots=True)
class Flight:
    """A packet on the way. `is_probe`: it asks whether its device is known by now."""

    items: tuple[Item, ...]
    sent_ms: int
    wait_ms: int = AGAIN_MS[0]
    is_probe: bool = False
    is_repeated: bool = False

    @property
    def size_bytes(self) -> int:
        return sum(len(item.data) for item in self.items)


class Rate:
    """The budget: a fast answer doubles it, a slow one and silence halve it, so that on a slow way an alarm does not
    stand behind minutes of history."""

    def __init__(self) -> None:
        self.budget_bytes = BUDGET_BYTES[1]

    def measure(self, took_ms: int) -> None:
        """What was sent once was answered after so long."""
        if 0 <= took_ms < FAST_MS:
            self.budget_bytes = min(2 * self.budget_bytes, BUDGET_BYTES[2])
        elif took_ms > SLOW_MS:
            self.silence()

    def silence(self) -> None:
        """An answer is late."""
        self.budget_bytes = max(self.budget_bytes // 2, BUDGET_BYTES[0])
