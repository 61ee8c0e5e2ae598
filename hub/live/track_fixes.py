"""Fixes as columns, in order of unit, time and device. Pure helpers of `hub.live.tracks` and `hub.live.track_replay`.

Enters: the lists of frames. Leaves: columns, each unit's fixes in an order that does not depend on how they came.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from hub.live import track_law as law
from hub.live.picture import I64
from hub.live.track_law import Fixes

Rows = dict[str, I64]
"""`t` UTC ms, `who` device number × 2 (+ 1: a preview), `lat`, `lon` 1e-7°, `hacc` dm or −1."""
COLUMNS = ("t", "who", "lat", "lon", "hacc")
NONE = -(2**40)
"""In place of what is absent."""


def flat(columns: Sequence[Sequence[int | None]]) -> I64:
    """One column out of the frames' own; `NONE` for what is absent."""
    try:
        return np.fromiter(chain.from_iterable(columns), np.int64)
    except TypeError:  # there is an absent one
        values = chain.from_iterable(columns)
        return np.fromiter((NONE if value is None else value for value in values), np.int64)


def ordered(slots: I64, rows: Rows) -> tuple[I64, Rows]:
    """Sorted by slot, time and device, the first of each slot, second and device alone. Any content decides at last,
    so that the order of arrival never does."""
    if not _is_strictly_ordered(slots, rows["t"]):
        order = np.argsort(slots, kind="stable")  # mostly enough: each unit's own fixes come in order
        slots, rows = slots[order], {name: column[order] for name, column in rows.items()}
    if not _is_strictly_ordered(slots, rows["t"]):
        keys = (rows["hacc"], rows["lon"], rows["lat"], rows["who"], rows["t"], slots)
        order = np.lexsort(keys)
        slots, rows = slots[order], {name: column[order] for name, column in rows.items()}
    second, device = rows["t"] // 1_000, rows["who"] >> 1
    if not ((slots[1:] == slots[:-1]) & (second[1:] == second[:-1])).any():
        return slots, rows
    by_device = np.lexsort((np.arange(len(slots)), second, device, slots))
    alike = np.zeros(len(slots), np.bool_)
    one, two = by_device[:-1], by_device[1:]
    alike[two] = (slots[one] == slots[two]) & (device[one] == device[two]) & (second[one] == second[two])
    if not alike.any():
        return slots, rows
    return slots[~alike], {name: column[~alike] for name, column in rows.items()}


def _is_strictly_ordered(slots: I64, times: I64) -> bool:
    rises = (slots[1:] > slots[:-1]) | ((slots[1:] == slots[:-1]) & (times[1:] > times[:-1]))
    return bool(rises.all())


def place_in_run(slots: I64) -> I64:
    """0, 1, 2 … within each run of the same slot."""
    n = len(slots)
    begins = np.append(True, slots[1:] != slots[:-1]) if n else np.zeros(0, np.bool_)
    starts = np.flatnonzero(begins)
    out: I64 = np.arange(n) - np.repeat(starts, np.diff(np.append(starts, n)))
    return out


def as_fixes(rows: Rows) -> Fixes:
    values = {name: column.astype(np.float64) for name, column in rows.items()}
    return Fixes(
        values["t"], values["lat"], values["lon"], law.radius_of(values["hacc"]), np.floor(values["who"] / 2)
    )


def first_difference(mine: Rows, merged: Rows) -> int | None:
    """Where fixes that were put in begin to differ from those there were; None: nowhere."""
    same = min(len(mine["t"]), len(merged["t"]))
    differs = np.zeros(same, np.bool_)
    for name in COLUMNS:
        differs |= merged[name][:same] != mine[name][:same]
    if differs.any():
        return int(np.argmax(differs))
    return None if len(merged["t"]) == len(mine["t"]) else same
