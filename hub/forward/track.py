"""How far one reading of the log has got: what was read, what is not above yet, from where to go on after a kill.

Enters: places of frames in the log, in rising order. Leaves: the cursor. Pure. Caller: `hub.forward.queue`.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple


class Item(NamedTuple):
    """One frame of the log. `place` rises with its coming (`hub.store.segments.place_of`)."""

    place: int
    device: int
    data: bytes


@dataclass(slots=True)
class Track:
    """Reading from `cursor` on: all of it, or one device's until a place.

    cursor   everything up to here is above, or was refused for good
    read_to  everything up to here was read
    """

    cursor: int
    device: int = 0
    until: int | None = None
    read_to: int = 0
    pending: deque[Item] = field(default_factory=deque)
    _open: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.read_to = max(self.read_to, self.cursor)

    @property
    def is_over(self) -> bool:
        return self.until is not None and self.read_to >= self.until and not self._open

    def take(self, items: list[Item], read_to: int) -> None:
        """What was read next. `read_to`: nothing else stands up to there."""
        self.pending.extend(items)
        self._open.update(item.place for item in items)
        self.read_to = max(self.read_to, read_to)
        self._move()

    def close(self, place: int) -> None:
        """This one is above, or need not go there."""
        self._open.discard(place)
        self._move()

    def _move(self) -> None:
        self.cursor = min(self._open) - 1 if self._open else self.read_to
