"""Gas: parts per million and mg/m³, the mean of 15 minutes (STEL), the dose of 8 hours (TWA), and how fast it rises.

Enters: concentrations in any one unit, times. Leaves: the same unit. Callers: `edge.guard.gas`.
"""

from collections import deque

MOLAR_L_0C = 22.4
"""Litres a mole at 0 °C and 101.325 kPa: what Chinese tables of exposure limits are converted with."""
MOLAR_L_25C = 24.45
"""At 25 °C and 101.325 kPa, as ACGIH and OSHA convert."""
MOLAR_G = {"co_ppm": 28.01, "h2s_dppm": 34.08, "co2_ppm": 44.01, "so2_dppm": 64.06, "nh3_dppm": 17.03,
           "cl2_dppm": 70.90, "o2_permille": 32.00}  # fmt: skip
"""Grams a mole. **Source:** IUPAC standard atomic weights 2021, rounded."""

STEL_MS = 15 * 60_000
TWA_MS = 8 * 3_600_000
BUCKET_MS = 15_000
HOLD_MS = 30_000
"""A concentration stands until the next one, at most so long: a detector that was switched off gives no dose."""
RISE_MS = 60_000
RISE_EVERY_MS = 5_000


def ppm(mg_per_m3: float, molar_g: float, molar_l: float = MOLAR_L_0C) -> float:
    """CO, 20 mg/m³: 16 ppm with 22.4 L/mol, 17.46 with 24.45."""
    return mg_per_m3 * molar_l / molar_g


def mg_per_m3(ppm: float, molar_g: float, molar_l: float = MOLAR_L_0C) -> float:
    """The way back."""
    return ppm * molar_g / molar_l


class Exposure:
    """Rolling mean of 15 minutes and dose of 8 hours of one gas. Time without a value counts as clean air."""

    __slots__ = ("_buckets", "_last", "dose")

    def __init__(self, dose: float = 0.0) -> None:
        """`dose`: concentration times milliseconds that was breathed before, as after a restart."""
        self.dose = dose
        self._buckets: deque[tuple[int, float]] = deque(maxlen=STEL_MS // BUCKET_MS + 1)
        self._last: tuple[int, float] | None = None

    def hear(self, value: float, t_ms: int) -> None:
        """Take a concentration; the one before it stood until now."""
        if self._last is not None:
            amount = self._last[1] * min(max(0, t_ms - self._last[0]), HOLD_MS)
            self.dose += amount
            start_ms = t_ms // BUCKET_MS * BUCKET_MS
            if self._buckets and self._buckets[-1][0] == start_ms:
                self._buckets[-1] = (start_ms, self._buckets[-1][1] + amount)
            else:
                self._buckets.append((start_ms, amount))
        self._last = (t_ms, max(0.0, value))

    def stel(self, t_ms: int) -> float:
        """The mean of the last 15 minutes (to a quarter of a minute)."""
        return sum(amount for start_ms, amount in self._buckets if start_ms > t_ms - STEL_MS) / STEL_MS

    def twa(self) -> float:
        """Σ c·dt / 8 h of all that was heard."""
        return self.dose / TWA_MS


class Rise:
    """How fast a concentration rises, a minute, over the last minute. 0 while it is known for less than 10 s."""

    __slots__ = ("_points",)

    def __init__(self) -> None:
        self._points: deque[tuple[int, float]] = deque(maxlen=RISE_MS // RISE_EVERY_MS + 1)

    def hear(self, value: float, t_ms: int) -> float:
        """Take a concentration; the rise a minute, negative when it falls."""
        while self._points and t_ms - self._points[0][0] > RISE_MS:
            self._points.popleft()
        rise = 0.0
        if self._points and t_ms - self._points[0][0] >= 2 * RISE_EVERY_MS:
            rise = (value - self._points[0][1]) * 60_000 / (t_ms - self._points[0][0])
        if not self._points or t_ms - self._points[-1][0] >= RISE_EVERY_MS:
            self._points.append((t_ms, value))
        return rise
