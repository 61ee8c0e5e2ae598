"""Rows of one device out of the log as columns of numpy: read at once, not row by row.

Enters: a device, a window, a page of fields. Leaves: `Columns`. Callers: `hub.live.slices`, `hub.live.history`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hub.live.clock import AHEAD_MS_MAX
from hub.live.picture import I64
from hub.store.interface import LogFrame
from protocols import frame

ABSENT = -(2**31)
"""In a column of 32 bits: this row has no value of the field."""
ABSENT_WIDE = -(2**63)
Values = npt.NDArray[np.signedinteger[Any]]
"""int32, or int64 where a value does not fit."""
Decode = Callable[[LogFrame], tuple[frame.Frame, int | None] | None]
Fresh = Callable[[LogFrame, int], Iterable[int]]


@dataclass(frozen=True, slots=True)
class Columns:
    """`t_ms` (n,) int64, UTC, rising; `values`: by bit of the page, (n,) in quanta, absent where there is none."""

    t_ms: I64
    values: dict[int, Values]

    def known(self, bit: int) -> tuple[I64, Values]:
        """Times and values of the rows that have the field."""
        column = self.values.get(bit)
        if column is None:
            return self.t_ms[:0], np.zeros(0, np.int32)
        there = column != (ABSENT if column.dtype == np.int32 else ABSENT_WIDE)
        return self.t_ms[there], column[there]

    def within(self, first_ms: int, last_ms: int) -> "Columns":
        """The rows from `first_ms` to `last_ms`, both included."""
        i, j = np.searchsorted(self.t_ms, [first_ms, last_ms + 1])
        if i == 0 and j == len(self.t_ms):
            return self
        return Columns(self.t_ms[i:j], {bit: column[i:j] for bit, column in self.values.items()})

    @property
    def nbytes(self) -> int:
        return self.t_ms.nbytes + sum(column.nbytes for column in self.values.values())


EMPTY = Columns(np.zeros(0, np.int64), {})


class Gathering:
    """Columns in the making: lists that grow frame by frame, and become arrays once."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._rows: dict[int, list[int]] = {}
        self._values: dict[int, list[int]] = {}

    def add(
        self, stored: LogFrame, decoded: frame.Frame, zero_ms: int | None, fresh: Sequence[int] | None
    ) -> None:
        """The rows of a frame that were new with it (`fresh`: their indices, None: all) and not from the future."""
        if zero_ms is None:
            return
        times = [t + zero_ms for t in decoded.t_mono_ms]
        latest_ms = stored.t_hub_ms + AHEAD_MS_MAX
        kept: Sequence[int] | None = fresh
        if max(times) > latest_ms:
            kept = [i for i in (range(len(times)) if fresh is None else fresh) if times[i] <= latest_ms]
        start = len(self._times)
        if kept is not None:
            times = [times[i] for i in kept]
        self._times += times
        for bit, column in decoded.columns.items():
            values = column if kept is None else [column[i] for i in kept]
            rows: Iterable[int] = range(start, start + len(values))
            if None in values:
                rows = [start + i for i, value in enumerate(values) if value is not None]
                values = [value for value in values if value is not None]
            if bit in self._rows:
                self._rows[bit] += rows
                self._values[bit] += values  # type: ignore[arg-type]
            else:
                self._rows[bit] = list(rows)
                self._values[bit] = list(values)  # type: ignore[arg-type]

    def columns(self) -> Columns:
        """Everything, by time."""
        if not self._times:
            return EMPTY
        t_ms = np.array(self._times, np.int64)
        order = np.argsort(t_ms, kind="stable")
        made: dict[int, Values] = {}
        for bit, rows in self._rows.items():
            values = np.array(self._values[bit], np.int64)
            narrow = len(values) == 0 or bool(values.min() > ABSENT and values.max() < 2**31)
            column: Values = np.full(
                len(t_ms), ABSENT if narrow else ABSENT_WIDE, np.int32 if narrow else np.int64
            )
            column[rows] = values
            made[bit] = column[order]
        return Columns(t_ms[order], made)


def joined(parts: Sequence[Columns]) -> Columns:
    """Several as one, by time. They may lie over one another: two devices of one unit."""
    parts = [part for part in parts if len(part.t_ms)]
    if len(parts) <= 1:
        return parts[0] if parts else EMPTY
    t_ms = np.concatenate([part.t_ms for part in parts])
    rises = all(a.t_ms[-1] <= b.t_ms[0] for a, b in pairwise(parts))
    order = slice(None) if rises else np.argsort(t_ms, kind="stable")
    bits = dict.fromkeys(bit for part in parts for bit in part.values)
    return Columns(t_ms[order], {bit: _column(parts, bit)[order] for bit in bits})


def _column(parts: Sequence[Columns], bit: int) -> Values:
    found = [part.values.get(bit) for part in parts]
    is_wide = any(column is not None and column.dtype == np.int64 for column in found)
    if not is_wide:
        return np.concatenate(
            [
                np.full(len(p.t_ms), ABSENT, np.int32) if c is None else c
                for p, c in zip(parts, found, strict=True)
            ]
        )
    made = []
    for part, column in zip(parts, found, strict=True):
        if column is None:
            column = np.full(len(part.t_ms), ABSENT_WIDE, np.int64)
        elif column.dtype == np.int32:
            column = np.where(column == ABSENT, ABSENT_WIDE, column.astype(np.int64))
        made.append(column)
    return np.concatenate(made)
