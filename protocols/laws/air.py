"""Breathing air: litres in a cylinder, minutes left, when to turn back, and a person's consumption out of pressures.

Enters: pressures in kPa above the atmosphere, the cylinder's water volume, times. Leaves: litres at 101.325 kPa and
20 °C, seconds, litres a minute. Callers: `edge.guard.air`, `edge.guard.entry`, `hub.safety.entry_air`.
"""

import math
from collections import deque
from statistics import median

ATMOSPHERE_KPA = 101.325
_T_K, _TC_K, _PC_KPA, _OMEGA = 293.15, 132.53, 3_786.0, 0.0335
"""20 °C; critical temperature, critical pressure and acentric factor of dry air."""
_STEP_KPA = 1_000
_KPA_MAX = 60_000


def _peng_robinson(kpa: float) -> float:
    """Compressibility of air at 20 °C: the largest root of the cubic, by Newton from above.

    **Source:** Peng and Robinson, Ind. Eng. Chem. Fundam. 15 (1976) 59. 30 MPa: 1.0565.
    """
    kappa = 0.37464 + 1.54226 * _OMEGA - 0.26992 * _OMEGA**2
    alpha = (1 + kappa * (1 - math.sqrt(_T_K / _TC_K))) ** 2
    a = 0.45724 * alpha * (kpa / _PC_KPA) * (_TC_K / _T_K) ** 2
    b = 0.0778 * (kpa / _PC_KPA) * (_TC_K / _T_K)
    z = 2.0
    for _ in range(60):
        value = ((z - (1 - b)) * z + (a - 3 * b * b - 2 * b)) * z - (a * b - b * b - b**3)
        slope = (3 * z - 2 * (1 - b)) * z + (a - 3 * b * b - 2 * b)
        z -= value / slope
    return z


_Z = tuple(_peng_robinson(kpa) for kpa in range(0, _KPA_MAX + _STEP_KPA + 1, _STEP_KPA))


def compressibility(kpa: float) -> float:
    """Z of air at 20 °C, 0–60 MPa, straight between the steps of 1 MPa. Real air against ideal: litres are p·V/Z."""
    steps = min(max(kpa, 0.0), float(_KPA_MAX)) / _STEP_KPA
    i = int(steps)
    return _Z[i] + (_Z[i + 1] - _Z[i]) * (steps - i)


def litres(kpa: float, cylinder_l: float) -> float:
    """Free air in a cylinder. 6.8 L at 30 MPa: 1,906, where an ideal gas at 1 bar would give 2,040."""
    return cylinder_l * max(kpa, 0.0) / ATMOSPHERE_KPA / compressibility(kpa)


def minutes_simple(kpa: float, whistle_kpa: float, cylinder_l: float, lpm: float) -> float:
    """The rule of thumb (p - whistle)·V/Q with an ideal gas at 1 bar. 300 to 55 bar, 6.8 L, 40 L/min: 41.65."""
    return (kpa - whistle_kpa) / 100 * cylinder_l / lpm


def left_s(kpa: float, whistle_kpa: float, cylinder_l: float, lpm: float) -> float:
    """Seconds until the whistle; negative below it. `lpm` > 0."""
    return (litres(kpa, cylinder_l) - litres(whistle_kpa, cylinder_l)) / lpm * 60


def turn_back_s(
    kpa: float, entry_kpa: float, reserve_kpa: float, cylinder_l: float, lpm: float, factor: float
) -> float:
    """Seconds until what is left above the reserve is `factor` times what was used since the entry; negative after.

    While walking on, the first falls and the second grows, so the two meet at `1 + factor` times the consumption.
    """
    now_l = litres(kpa, cylinder_l)
    spare_l = now_l - litres(reserve_kpa, cylinder_l) - factor * (litres(entry_kpa, cylinder_l) - now_l)
    return spare_l / (lpm * (1 + factor)) * 60


EVERY_MS = 10_000
POINTS_MAX = 30
"""Five minutes of one point each ten seconds."""
SPAN_MS_MIN = 60_000
PRIOR_MS = 60_000
"""The prior weighs as much as a minute of breathing."""
LPM_MIN, LPM_MAX = 8.0, 200.0
"""Nobody who works breathes less, nobody at all breathes more. Outside it is a leak, a bleed or a wrong sensor."""
REFILL_KPA = 500
"""A rise of so much is another cylinder."""


class Consumption:
    """Litres a minute of one person: the median of all slopes (Theil–Sen), drawn towards a prior while it is young.

    **Source:** Sen, J. Amer. Statist. Assoc. 63 (1968) 1379: up to 29 % of the points may be wild.
    """

    def __init__(self, cylinder_l: float, prior_lpm: float, silence_ms: int = POINTS_MAX * EVERY_MS) -> None:
        """`silence_ms`: after so long without a pressure, what was before says nothing any more."""
        self._cylinder_l = cylinder_l
        self._prior_lpm = prior_lpm
        self._silence_ms = silence_ms
        self._points: deque[tuple[int, float]] = deque(maxlen=POINTS_MAX)
        self._last_kpa: int | None = None
        self.lpm = prior_lpm

    def hear(self, kpa: int, t_ms: int) -> bool:
        """Take a pressure. True when it belongs to another cylinder: the fit begins anew, the person stays."""
        refilled = self._last_kpa is not None and kpa - self._last_kpa >= REFILL_KPA
        self._last_kpa = kpa
        if refilled:
            self._points.clear()
        if not self._points or t_ms - self._points[-1][0] >= EVERY_MS:
            now_l = litres(kpa, self._cylinder_l)
            if self._points and self._breaks(now_l, t_ms):
                self._points.clear()
            self._points.append((t_ms, now_l))
            self._fit()
        return refilled

    def _breaks(self, now_l: float, t_ms: int) -> bool:
        """Whether what was before says nothing about now: a long silence, or air let off faster than it is breathed."""
        before_ms, before_l = self._points[-1]
        took_ms = t_ms - before_ms
        return took_ms > self._silence_ms or (before_l - now_l) * 60_000 / took_ms > LPM_MAX

    def _fit(self) -> None:
        points = list(self._points)
        span_ms = points[-1][0] - points[0][0]
        if span_ms < SPAN_MS_MIN:
            return
        slopes = [
            (l0 - l1) * 60_000 / (t1 - t0) for i, (t0, l0) in enumerate(points) for t1, l1 in points[i + 1 :]
        ]
        lpm = median(slopes)
        if LPM_MIN <= lpm <= LPM_MAX:
            self.lpm = (lpm * span_ms + self._prior_lpm * PRIOR_MS) / (span_ms + PRIOR_MS)
