"""Heart and heat: the strain index (PSI) and core temperature out of heart rate, with its band.

Enters: heart rates, temperatures in °C. Leaves: an index 0–10, and °C with a band. Callers: `edge.guard.heart`,
`hub.safety.entry`.
"""

CORE_BAND_C = 0.63
"""**Source:** Buller et al. 2013: limits of agreement of the estimate. It is never shown without them."""
CORE_START_C, REST_BPM = 37.0, 70
"""At rest, where a person's own are not known."""
_GAMMA = 0.022**2
_SIGMA = 18.88**2
_B2, _B1, _B0 = -4.5714, 384.4286, -7887.1
CORE_MIN_C, CORE_MAX_C = 35.0, 42.0
"""Beyond these the filter has lost its way."""


def heart_max_bpm(age_years: int) -> int:
    """Expected maximum of a healthy person. **Source:** Tanaka et al. 2001, 208 - 0.7·age."""
    return round(208 - 0.7 * age_years)


def psi(core_c: float, bpm: float, core_rest_c: float, rest_bpm: float) -> float:
    """Physiological strain index, 0 none – 10 very high. **Source:** Moran et al. 1998.

    (38.5 °C, 150; at rest 37.0 °C, 70): 6.6364.
    """
    return 5 * (core_c - core_rest_c) / (39.5 - core_rest_c) + 5 * (bpm - rest_bpm) / (180 - rest_bpm)


class CoreTemperature:
    """Kalman filter of one state, one step a minute. **Source:** Buller et al., Physiol. Meas. 34 (2013) 781.

    From 37.0 °C at 150 a minute: 37.004466 after one step, 37.213993 after 10, 38.554312 after 60. Applied for a
    patent in the USA (10,702,165), so it is off unless it is switched on.
    """

    __slots__ = ("_variance", "core_c")

    def __init__(self, core_c: float = CORE_START_C) -> None:
        self.core_c = core_c
        self._variance = 0.0

    def step(self, bpm: float | None) -> float:
        """One minute with this mean heart rate; None when none was heard: the estimate stays, less sure."""
        variance = self._variance + _GAMMA
        if bpm is None:
            self._variance = variance
            return self.core_c
        x = self.core_c
        slope = 2 * _B2 * x + _B1
        gain = variance * slope / (slope * slope * variance + _SIGMA)
        expected_bpm = _B2 * x * x + _B1 * x + _B0
        self.core_c = min(CORE_MAX_C, max(CORE_MIN_C, x + gain * (bpm - expected_bpm)))
        self._variance = (1 - gain * slope) * variance
        return self.core_c
