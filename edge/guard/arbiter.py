"""Which pattern sounds: of all that are open the most urgent; a confirmation may interrupt one that has no end.

Enters: which patterns are open, confirmations, the time. Leaves: Play commands for the boards. Called by
`edge.guard.guard`. Patterns and urgencies: `protocols.wearer`. A board lets a more urgent pattern end before it takes
a lesser one, so a lesser one is told after that, or after OFF.
"""

from collections import deque
from collections.abc import Hashable

from firmware_bridge.interface import Play
from protocols.wearer import PATTERNS, Pattern

WAITING_MAX = 8
"""Confirmations that wait; of more, the oldest goes."""
GAP_MS = 100
_ROW = {row.pattern: row for row in PATTERNS}


def length_ms(pattern: Pattern) -> int | None:
    """How long a pattern takes; None for one without an end."""
    row = _ROW[pattern]
    return row.times * sum(on_ms + off_ms for on_ms, off_ms in row.steps) if row.times else None


class Arbiter:
    """One voice. Finite patterns sound when they open and again each `again_ms`, until they are quieted."""

    def __init__(self, again_ms: int) -> None:
        self._again_ms = again_ms
        self._open: dict[Hashable, Pattern] = {}
        self._due_ms: dict[Pattern, int | None] = {}
        self._waiting: deque[Pattern] = deque(maxlen=WAITING_MAX)
        self._playing = Pattern.OFF
        self._until_ms: int | None = 0

    @property
    def playing(self) -> Pattern:
        return self._playing

    def open(self, key: Hashable, pattern: Pattern, t_ms: int) -> None:
        """A pattern is wanted, from now until `close`."""
        self._open[key] = pattern
        self._due_ms[pattern] = t_ms

    def wants(self, key: Hashable) -> bool:
        """Whether a pattern is open under this key."""
        return key in self._open

    def close(self, key: Hashable) -> None:
        """Nobody wants it any more, unless under another key."""
        pattern = self._open.pop(key, None)
        if pattern is not None and pattern not in self._open.values():
            self._due_ms.pop(pattern, None)

    def quiet(self) -> None:
        """The wearer has answered: what has an end does not sound again by itself."""
        for pattern in self._due_ms:
            if length_ms(pattern) is not None:
                self._due_ms[pattern] = None

    def replay(self) -> None:
        """A board has come that does not know what sounds: an endless pattern is told again."""
        if self._until_ms is None:
            self._playing, self._until_ms = Pattern.OFF, 0

    def confirm(self, pattern: Pattern) -> None:
        """Sound it once, as soon as possible."""
        self._waiting.append(pattern)

    def step(self, t_ms: int) -> list[Play]:
        """What to tell the boards now."""
        out: list[Play] = []
        if self._until_ms is not None and t_ms >= self._until_ms:
            self._playing = Pattern.OFF
        elif self._until_ms is None and self._playing not in self._due_ms:
            out.append(self._silence())
        best = self._best(t_ms)
        endless = self._until_ms is None
        if self._waiting and (self._playing == Pattern.OFF or endless):
            if endless and self._playing != Pattern.OFF:
                out.append(self._silence())
            out.append(self._start(self._waiting.popleft(), t_ms))
        elif best is not None and _ROW[best].urgency > _ROW[self._playing].urgency and not self._confirms():
            out.append(self._start(best, t_ms))
        return out

    def _confirms(self) -> bool:
        """Whether a confirmation sounds: it is short, and heard to its end."""
        return self._playing != Pattern.OFF and self._playing not in self._due_ms

    def _best(self, t_ms: int) -> Pattern | None:
        due = [pattern for pattern, due_ms in self._due_ms.items() if due_ms is not None and t_ms >= due_ms]
        return max(due, key=lambda pattern: _ROW[pattern].urgency, default=None)

    def _silence(self) -> Play:
        self._playing, self._until_ms = Pattern.OFF, 0
        return Play(Pattern.OFF)

    def _start(self, pattern: Pattern, t_ms: int) -> Play:
        length = length_ms(pattern)
        self._playing = pattern
        self._until_ms = None if length is None else t_ms + length + GAP_MS
        if pattern in self._due_ms and length is not None:
            self._due_ms[pattern] = t_ms + max(self._again_ms, length)
        return Play(pattern)
