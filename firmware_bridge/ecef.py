"""Earth-centred, Earth-fixed metres to what a fix holds.

Enters: a position in metres and a velocity in any unit, both ECEF. Leaves: latitude and longitude, and velocity over
ground. Called by drivers of receivers that speak ECEF. Pure double precision.
**Source:** WGS 84, NGA.STND.0036, table 3.1; B. R. Bowring, "Transformation from spatial to geographical
coordinates", Survey Review 23 (1976).
"""

from math import atan2, cos, hypot, sin, sqrt

SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257_223_563
SEMI_MINOR_M = SEMI_MAJOR_M * (1 - FLATTENING)

ROUNDS = 2
"""Bowring's formula is good to 1e-9 degrees near the ground after one round; the second serves any height."""

_E2 = FLATTENING * (2 - FLATTENING)
_E2_SEMI_MAJOR_M = _E2 * SEMI_MAJOR_M
_EP2_SEMI_MINOR_M = _E2 / (1 - _E2) * SEMI_MINOR_M
_AXES_RATIO = sqrt(1 - _E2)


def geodetic(x_m: float, y_m: float, z_m: float) -> tuple[float, float]:
    """(latitude, longitude), radians on WGS 84: ±pi/2, ±pi. Any point above or near the ground; pole: longitude 0."""
    axis_m = hypot(x_m, y_m)
    reduced = atan2(z_m, axis_m * _AXES_RATIO)
    for _ in range(ROUNDS):
        lat = atan2(
            z_m + _EP2_SEMI_MINOR_M * sin(reduced) ** 3, axis_m - _E2_SEMI_MAJOR_M * cos(reduced) ** 3
        )
        reduced = atan2(_AXES_RATIO * sin(lat), cos(lat))
    return lat, atan2(y_m, x_m)


def over_ground(lat: float, lon: float, vx: float, vy: float, vz: float) -> tuple[float, float]:
    """(east, north) of an ECEF velocity at a place in radians, in the velocity's unit."""
    outward = cos(lon) * vx + sin(lon) * vy  # away from the Earth's axis
    return cos(lon) * vy - sin(lon) * vx, cos(lat) * vz - sin(lat) * outward
