"""The law run again over units to which fixes came late, a part of it at a time.

Enters: the merged fixes of some units and the states before them. Leaves: their states as if all had come in order.
Pure. Caller: `hub.live.tracks`.
"""

import numpy as np

from hub.live import track_law as law
from hub.live.picture import F64, I64
from hub.live.track_fixes import COLUMNS, Rows, as_fixes

RING, KEPT = 320, 300
"""Places for fixes of one unit, and how many stay when they are full: the oldest go by twenties."""
GONE = RING - KEPT


class Replay:
    """`merged`: slot, its fixes in order, the first that is new.

    `gone`: how many of the oldest go into `base` because there are too many; `near` is the state before `near_at`.
    """

    def __init__(
        self, merged: list[tuple[int, Rows, int]], base: F64, near: F64, near_at: I64, motions: F64
    ) -> None:
        self.slots: I64 = np.array([slot for slot, _, _ in merged], np.int64)
        self.lengths: I64 = np.array([len(rows["t"]) for _, rows, _ in merged], np.int64)
        firsts = np.array([first for _, _, first in merged], np.int64)
        self.gone = np.maximum(0, -(-(self.lengths - RING) // GONE)) * GONE
        self.near_at = self.gone + (self.lengths - 1 - self.gone) // GONE * GONE
        from_near = (firsts >= near_at) & (self.gone == 0)
        self.base = base
        self.state: F64 = np.where(from_near, near, base)
        self.near = self.state.copy()
        self.rows = {name: np.zeros((len(merged), int(self.lengths.max())), np.int64) for name in COLUMNS}
        for i, (_, rows, _) in enumerate(merged):
            for name in COLUMNS:
                self.rows[name][i, : self.lengths[i]] = rows[name]
        self._at: I64 = np.where(from_near, near_at, 0)
        self._motions = motions

    def go_on(self, rounds: int) -> bool:
        """So many fixes of each unit. Whether all is done."""
        for _ in range(rounds):
            on = np.flatnonzero(self._at < self.lengths)
            if not len(on):
                return True
            at = self._at[on]
            cut = on[(at == self.gone[on]) & (self.gone[on] > 0)]
            mark = on[at == self.near_at[on]]
            self.base[:, cut], self.near[:, mark] = self.state[:, cut], self.state[:, mark]
            fixes = as_fixes({name: column[on, at] for name, column in self.rows.items()})
            self.state[:, on] = law.step(self.state[:, on], fixes, self._motions[:, on])
            self._at[on] += 1
        return bool((self._at >= self.lengths).all())
