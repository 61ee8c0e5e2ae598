"""Coordinates of Chinese map services, GCJ-02 and BD-09, to WGS-84.

Enters: degrees as a source gives them. Leaves: WGS-84 degrees. Pure. Callers: `hub.safety.stations_read`.
The way back has no closed form: the forward law is run against itself until it fits to 1e-9 degrees.

**Source:** the published reading of the GCJ-02 obfuscation (a = 6378245 m, e² = 0.00669342162296594323).
"""

from math import atan2, cos, hypot, pi, sin, sqrt

_A_M = 6_378_245.0
_EE = 0.00669342162296594323
_BD = pi * 3000.0 / 180.0
STEPS = 8
"""Of the way back; each gains about two digits, so six reach the last one."""


def is_shifted(lat_deg: float, lon_deg: float) -> bool:
    """Whether GCJ-02 differs there: the box of mainland China. Outside it is the identity."""
    return 73.66 < lon_deg < 135.05 and 3.86 < lat_deg < 53.55


def _delta(lat_deg: float, lon_deg: float) -> tuple[float, float]:
    x, y = lon_deg - 105.0, lat_deg - 35.0
    both = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + both
    north += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + both
    east += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    lat = lat_deg / 180.0 * pi
    magic = 1.0 - _EE * sin(lat) ** 2
    d_lat = north * 180.0 / (_A_M * (1.0 - _EE) / (magic * sqrt(magic)) * pi)
    return d_lat, east * 180.0 / (_A_M / sqrt(magic) * cos(lat) * pi)


def gcj02_of(lat_deg: float, lon_deg: float) -> tuple[float, float]:
    """(lat, lon) GCJ-02 of WGS-84."""
    if not is_shifted(lat_deg, lon_deg):
        return lat_deg, lon_deg
    d_lat, d_lon = _delta(lat_deg, lon_deg)
    return lat_deg + d_lat, lon_deg + d_lon


def wgs84_of_gcj02(lat_deg: float, lon_deg: float) -> tuple[float, float]:
    """(lat, lon) WGS-84 of GCJ-02."""
    lat, lon = lat_deg, lon_deg
    for _ in range(STEPS):
        made_lat, made_lon = gcj02_of(lat, lon)
        lat, lon = lat + lat_deg - made_lat, lon + lon_deg - made_lon
    return lat, lon


def wgs84_of_bd09(lat_deg: float, lon_deg: float) -> tuple[float, float]:
    """(lat, lon) WGS-84 of BD-09."""
    if not is_shifted(lat_deg, lon_deg):
        return lat_deg, lon_deg
    x, y = lon_deg - 0.0065, lat_deg - 0.006
    z = hypot(x, y) - 0.00002 * sin(y * _BD)
    theta = atan2(y, x) - 0.000003 * cos(x * _BD)
    return wgs84_of_gcj02(z * sin(theta), z * cos(theta))
