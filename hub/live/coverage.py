"""Which rows of one (device, boot, stream) are safe: the memory that makes repeats harmless.

Enters: ranges of rows, inclusive. Leaves: the part of them that is new, and what to acknowledge. Pure; kept
on disk by hub.store in the same transaction as the frames. Callers: `hub.live.ingest`.

Two sets are kept. `closed` holds every row that needs no sending any more; `gaps`, a part of it, those that
will never come. A row of a gap that comes after all (by another bearer) is still new: it was never stored.
"""

from collections.abc import Iterable, Sequence

from protocols.intervals import Intervals

RANGES_MAX = 4_096
"""Separate ranges kept of one stream. A frame that would open one more is neither stored nor acknowledged:
the device sends it again when older holes are filled."""

OLD_MS = 600_000

Pair = tuple[int, int]


class CoverageFull(Exception):
    """One more separate range than RANGES_MAX."""


class Coverage:
    """The closed rows of one stream, and those of them that are gaps."""

    __slots__ = ("_marked_ms", "_old", "_young", "closed", "gaps")

    def __init__(self, closed: Sequence[int] = (), gaps: Sequence[int] = ()) -> None:
        self.closed = Intervals.of_flat(closed)
        self.gaps = Intervals.of_flat(gaps)
        self._marked_ms = 0
        self._young = self._old = 0  # the watermark when last marked, and at the mark before

    @property
    def watermark(self) -> int:
        """Every row below this is closed."""
        if not self.closed:
            return 0
        first, last = self.closed.first()
        return last + 1 if first == 0 else 0

    def mark(self, now_ms: int) -> None:
        """Note the watermark now and then, so that `long_closed` knows what it was OLD_MS ago."""
        if now_ms - self._marked_ms >= OLD_MS:
            self._marked_ms, self._old, self._young = now_ms, self._young, self.watermark

    def long_closed(self, row: int) -> bool:
        """Whether this row was below the watermark already OLD_MS ago, as far as this hub's run has seen."""
        return row < self._old

    @property
    def top(self) -> int:
        """The highest closed row, or -1."""
        return self.closed.last()[1] if self.closed else -1

    def further(self, most: int) -> tuple[Pair, ...]:
        """At most `most` closed ranges above the watermark, lowest first, but always the highest one:
        it holds what the device sent last, which it would otherwise send again and again."""
        pairs = list(self.closed)
        above = pairs[1:] if self.watermark else pairs
        return tuple(above if len(above) <= most else [*above[: most - 1], above[-1]])

    def add(self, first: int, last: int) -> list[Pair]:
        """Rows first…last came: the parts that were not stored before, rising. CoverageFull: nothing done."""
        self._make_room(first, last)
        fresh = self.closed.add(first, last)
        if self.gaps:
            fresh = sorted([*fresh, *self.gaps.remove(first, last)])
        return fresh

    def add_steps(self, first: int, count: int, step: int) -> tuple[list[Pair], int]:
        """Rows first, first + step … came, and the others up to the next step never will: those that were not stored
        before, each a pair of its own, and how many are lost by this. CoverageFull: nothing done.

        What is lost is not noted as a gap: a hole a second would be a range a second. Should one of them come after
        all, it counts as a repeat.
        """
        last = first + count * step - 1
        self._make_room(first, last)
        carried = range(first, last + 1, step)
        new = Intervals(self.closed.missing(first, last))
        late = Intervals(self.gaps.remove(first, last)) if self.gaps else Intervals()
        fresh = [(row, row) for row in carried if row in new or row in late]
        for start, end in late:
            for row in range(start, end + 1):
                if row % step != first % step:
                    self.gaps.add(row, row)
        self.closed.add(first, last)
        return fresh, new.total() - sum(row in new for row in carried)

    def close(self, first: int, last: int) -> list[Pair]:
        """Rows first…last will never come: the parts that became gaps by this. CoverageFull: nothing done."""
        self._make_room(first, last)
        lost = self.closed.add(first, last)
        for start, end in lost:
            self.gaps.add(start, end)
        return lost

    def _make_room(self, first: int, last: int) -> None:
        if len(self.closed) >= RANGES_MAX and not self.closed.touches(first, last):
            raise CoverageFull(f"coverage: more than {RANGES_MAX} separate ranges")

    def close_all_but(self, held: Iterable[Pair], *, complete: bool) -> list[Pair]:
        """An older boot's edge says which rows it still holds: all others will never come.

        Looks only up to the highest row known of, from here or from the list. `complete` False (a list that
        was cut) looks only up to the end of the list.
        """
        lost: list[Pair] = []
        at = 0
        for start, end in held:
            if start > at:
                lost += self.close(at, start - 1)
            at = max(at, end + 1)
        if complete and at <= self.top:
            lost += self.close(at, self.top)
        return lost
