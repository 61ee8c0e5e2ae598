"""Sets of whole numbers kept as sorted, disjoint, inclusive ranges.

Enters: ranges of row numbers. Leaves: the same, joined. Callers: `edge.sender` (rows still to send) and
`hub.live.coverage` (rows held). Cost is in the number of ranges, not of rows.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence


class Intervals:
    """A mutable set of integers as ranges. `add` and `remove` return the sub-ranges that really changed."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: "list[tuple[int, int]] | None" = None) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges or []:
            self.add(first, last)

    @classmethod
    def of_flat(cls, flat: Sequence[int]) -> "Intervals":
        """The set that `flat` told of: [from, to, from, to, …], rising and separate."""
        made = cls()
        made._firsts, made._lasts = list(flat[::2]), list(flat[1::2])
        return made

    def flat(self) -> list[int]:
        """[from, to, from, to, …]"""
        if len(self._firsts) == 1:  # the common case: a stream without holes
            return [self._firsts[0], self._lasts[0]]
        return [number for pair in zip(self._firsts, self._lasts, strict=True) for number in pair]

    def __len__(self) -> int:
        """How many ranges, not how many numbers."""
        return len(self._firsts)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(list(self._firsts), list(self._lasts), strict=True)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Intervals({list(self)})"

    def total(self) -> int:
        """How many numbers."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def first(self) -> tuple[int, int]:
        """The lowest range; IndexError when empty."""
        return self._firsts[0], self._lasts[0]

    def last(self) -> tuple[int, int]:
        """The highest range; IndexError when empty."""
        return self._firsts[-1], self._lasts[-1]

    def touches(self, first: int, last: int) -> bool:
        """Whether first…last would join a range that is there."""
        at = bisect_left(self._lasts, first - 1)
        return at < len(self._firsts) and self._firsts[at] <= last + 1

    def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """The parts of first…last that are not in the set."""
        out = []
        at = bisect_left(self._lasts, first)
        while first <= last and at < len(self._firsts) and self._firsts[at] <= last:
            if first < self._firsts[at]:
                out.append((first, self._firsts[at] - 1))
            first = self._lasts[at] + 1
            at += 1
        if first <= last:
            out.append((first, last))
        return out

    def add(self, first: int, last: int) -> list[tuple[int, int]]:
        """Put first…last in; the parts that were new."""
        if last < first:
            return []
        if self._firsts and self._firsts[-1] <= first <= self._lasts[-1] + 1 and self._lasts[-1] < last:
            fresh = [(self._lasts[-1] + 1, last)]  # the common case: the next rows of a stream
            self._lasts[-1] = last
            return fresh
        fresh = self.missing(first, last)
        if fresh:
            lo = bisect_left(self._lasts, first - 1)
            hi = bisect_right(self._firsts, last + 1)
            if lo < hi:
                first, last = min(first, self._firsts[lo]), max(last, self._lasts[hi - 1])
            self._firsts[lo:hi] = [first]
            self._lasts[lo:hi] = [last]
        return fresh

    def remove(self, first: int, last: int) -> list[tuple[int, int]]:
        """Take first…last out; the parts that were in."""
        lo = bisect_left(self._lasts, first)
        hi = bisect_right(self._firsts, last)
        if lo >= hi or last < first:
            return []
        gone = [(max(first, self._firsts[i]), min(last, self._lasts[i])) for i in range(lo, hi)]
        kept = []
        if self._firsts[lo] < first:
            kept.append((self._firsts[lo], first - 1))
        if self._lasts[hi - 1] > last:
            kept.append((last + 1, self._lasts[hi - 1]))
        self._firsts[lo:hi] = [a for a, _ in kept]
        self._lasts[lo:hi] = [b for _, b in kept]
        return gone
