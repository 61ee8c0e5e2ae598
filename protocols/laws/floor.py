"""Height out of air pressure against a reference, floors, and how unsure they are.

Enters: pressures in Pa. Leaves: metres, storeys. Callers: `edge.guard.floor`.
"""

import math

_M_PER_LN = 8_434.5
"""R·T/(M·g) of dry air at 15 °C, metres. **Source:** ICAO standard atmosphere."""


def height_m(pressure_pa: float, reference_pa: float) -> float:
    """Metres above where the reference was taken. 101,325 against 101,205 Pa: about 10 m."""
    return _M_PER_LN * math.log(reference_pa / pressure_pa)


def storeys(height_m: float, storey_m: float) -> int:
    """Whole floors, nearest; 0 is the floor of the entrance, -1 the one below."""
    return round(height_m / storey_m)


def band_storeys(
    since_s: float, drift_pa_per_h: float, noise_pa: float, pressure_pa: float, storey_m: float
) -> float:
    """How many floors the estimate may be off: the sensor's noise, and the weather since the reference was taken."""
    drift_pa = noise_pa + drift_pa_per_h * since_s / 3_600
    return drift_pa * _M_PER_LN / pressure_pa / storey_m
