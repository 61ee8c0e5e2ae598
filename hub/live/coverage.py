"""Which rows of one (device, boot, stream) are safe: the memory that makes repeats harmless.

Enters: ranges of rows, inclusive. Leaves: the part of them that is new, and what to acknowledge. Pure; kept
on disk by hub.store in the same transaction as the frames. Callers: `hub.live.ingest`.

Two sets are kept. `closed` holds every row that needs no sending any more; `gaps`, a part of it, those that
will never come. A row of a gap that comes after all (by another bearer) is still new: it was never stored.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

RANGES_MAX = 4_096
"""Separate ranges kept of one stream. A frame that would open one more is neither stored nor acknowledged:
the device sends it again when older holes are filled."""

Pair = tuple[int, int]


class CoverageFull(Exception):
    """One more separate range than RANGES_MAX."""


class Intervals:
    """A set of whole numbers as sorted, separate, inclusive ranges."""

    __slots__ = ("ends", "starts")

    def __init__(self, flat: Sequence[int] = ()) -> None:
        self.starts = list(flat[::2])
        self.ends = list(flat[1::2])

    def flat(self) -> list[int]:
        """[from, to, from, to, …]"""
        return [number for pair in zip(self.starts, self.ends, strict=True) for number in pair]

    def pairs(self) -> list[Pair]:
        """[(from, to), …]"""
        return list(zip(self.starts, self.ends, strict=True))

    def missing(self, first: int, last: int) -> list[Pair]:
        """The parts of first…last that are not in the set."""
        out: list[Pair] = []
        at = bisect_left(self.ends, first)
        while first <= last:
            if at == len(self.starts) or self.starts[at] > last:
                out.append((first, last))
                break
            if self.starts[at] > first:
                out.append((first, self.starts[at] - 1))
            first = self.ends[at] + 1
            at += 1
        return out

    def within(self, first: int, last: int) -> list[Pair]:
        """The parts of first…last that are in the set."""
        out: list[Pair] = []
        at = bisect_left(self.ends, first)
        while at < len(self.starts) and self.starts[at] <= last:
            out.append((max(first, self.starts[at]), min(last, self.ends[at])))
            at += 1
        return out

    def add(self, first: int, last: int) -> None:
        """Put first…last into the set, joining ranges that touch."""
        low = bisect_left(self.ends, first - 1)
        high = bisect_right(self.starts, last + 1)
        if low < high:
            first = min(first, self.starts[low])
            last = max(last, self.ends[high - 1])
        self.starts[low:high] = [first]
        self.ends[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        """Take first…last out of the set."""
        keep = []
        for start, end in self.within(first, last):
            at = bisect_left(self.ends, end)
            keep = [(self.starts[at], start - 1), (end + 1, self.ends[at])]
            keep = [(a, b) for a, b in keep if a <= b]
            self.starts[at : at + 1] = [a for a, _ in keep]
            self.ends[at : at + 1] = [b for _, b in keep]


class Coverage:
    """The closed rows of one stream, and those of them that are gaps."""

    __slots__ = ("closed", "gaps")

    def __init__(self, closed: Sequence[int] = (), gaps: Sequence[int] = ()) -> None:
        self.closed = Intervals(closed)
        self.gaps = Intervals(gaps)

    @property
    def watermark(self) -> int:
        """Every row below this is closed."""
        closed = self.closed
        return closed.ends[0] + 1 if closed.starts and closed.starts[0] == 0 else 0

    @property
    def top(self) -> int:
        """The highest closed row, or -1."""
        return self.closed.ends[-1] if self.closed.ends else -1

    def further(self, most: int) -> tuple[Pair, ...]:
        """At most `most` closed ranges above the watermark, lowest first, but always the highest one:
        it holds what the device sent last, which it would otherwise send again and again."""
        pairs = self.closed.pairs()
        above = pairs[1:] if self.watermark else pairs
        return tuple(above if len(above) <= most else [*above[: most - 1], above[-1]])

    def add(self, first: int, last: int) -> list[Pair]:
        """Rows first…last came: the parts that were not stored before, rising. CoverageFull: nothing done."""
        closed = self.closed
        if closed.ends and first == closed.ends[-1] + 1:  # the common case: the next rows
            closed.ends[-1] = last
            return [(first, last)]
        fresh = closed.missing(first, last)
        if self.gaps.starts:
            fresh = sorted([*fresh, *self.gaps.within(first, last)])
        if fresh:
            self._close(first, last)
            if self.gaps.starts:
                self.gaps.remove(first, last)
        return fresh

    def close(self, first: int, last: int) -> list[Pair]:
        """Rows first…last will never come: the parts that became gaps by this."""
        lost = self.closed.missing(first, last)
        if lost:
            self._close(first, last)
            for start, end in lost:
                self.gaps.add(start, end)
        return lost

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

    def _close(self, first: int, last: int) -> None:
        closed = self.closed
        if len(closed.starts) >= RANGES_MAX and not closed.within(first - 1, last + 1):
            raise CoverageFull(f"coverage: more than {RANGES_MAX} separate ranges")
        closed.add(first, last)
