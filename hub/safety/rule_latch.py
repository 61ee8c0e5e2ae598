"""Many latches at once: `protocols.laws.latch.Latch`, a column a unit.

Enters: slots, their values signed so that more is worse, and times. Leaves: which stand. Pure. Callers: the watches of
`hub.safety.rule_engine`. A test with Hypothesis holds it against the law.

**Source:** EEMUA 191 and ISA-18.2: deadband, on-delay, off-delay.
"""

import numpy as np
import numpy.typing as npt

from hub.live.picture import F64, I64
from protocols.laws.latch import VOUCH_MS

Flags = npt.NDArray[np.bool_]


class Latches:
    """One latch a slot. `last_ms` NaN: it has heard nothing yet. Delays in ms; a delay of 0 acts on one sample."""

    def __init__(self, on_ms: float, off_ms: float) -> None:
        self._on_ms, self._off_ms = on_ms, off_ms
        self.stands: Flags = np.zeros(0, np.bool_)
        self._held_ms: F64 = np.zeros(0)
        self.last_ms: F64 = np.zeros(0)

    def grow(self, n: int) -> None:
        """Room for n slots."""
        if n > len(self.stands):
            more = max(n, 2 * len(self.stands)) - len(self.stands)
            self.stands = np.append(self.stands, np.zeros(more, np.bool_))
            self._held_ms = np.append(self._held_ms, np.zeros(more))
            self.last_ms = np.append(self.last_ms, np.full(more, np.nan))

    def step(self, slots: I64, worse: F64, limit: float, deadband: float, t_ms: F64) -> None:
        """One sample of each of these slots, none of them twice. `worse`, `limit`: more is worse."""
        stands = self.stands[slots]
        before_ms = self.last_ms[slots]
        vouched_ms = np.where(np.isnan(before_ms), 0.0, np.clip(t_ms - before_ms, 0, VOUCH_MS))
        changes = np.where(stands, worse < limit - deadband, worse >= limit)
        held_ms = np.where(changes, self._held_ms[slots] + vouched_ms, 0.0)
        flips = changes & (held_ms >= np.where(stands, self._off_ms, self._on_ms))
        self.stands[slots] = stands ^ flips
        self._held_ms[slots] = np.where(flips, 0.0, held_ms)
        self.last_ms[slots] = t_ms

    def hold(self, slots: I64, so: Flags, now_ms: int) -> None:
        """The same for what is so or is not."""
        self.step(slots, so.astype(np.float64), 1.0, 0.0, np.full(len(slots), float(now_ms)))

    def reset(self, which: Flags) -> None:
        """As if nothing had ever been heard of these (a flag a slot)."""
        n = len(which)
        self.stands[:n] &= ~which
        self._held_ms[:n][which] = 0.0
        self.last_ms[:n][which] = np.nan

    def seed(self, slot: int) -> None:
        """It stood before the hub was started anew."""
        self.grow(slot + 1)
        self.stands[slot] = True
