"""Coordinates of a plan's file into degrees WGS-84, for the systems that such files use here. Pure.

CGCS2000 is taken as WGS-84: they differ by centimetres, a plan by more. Transverse Mercator by Krüger's series.
**Source:** Karney 2011, "Transverse Mercator with an accuracy of a few nanometers", (36) to fourth order: < 1 mm within
4° of the middle line; EPSG registry for zones. Caller: `hub.maps.geotiff`.
"""

import math
from dataclasses import dataclass

A_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
_N = FLATTENING / (2 - FLATTENING)
_R_M = A_M / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_BETA = (
    _N / 2 - 2 * _N**2 / 3 + 37 * _N**3 / 96 - _N**4 / 360,
    _N**2 / 48 + _N**3 / 15 - 437 * _N**4 / 1440,
    17 * _N**3 / 480 - 37 * _N**4 / 840,
    4397 * _N**4 / 161280,
)
KNOWN = "4326, 4490, 3857, 32601–32660, 32701–32760 (UTM), 4491–4554 (CGCS2000 Gauss–Krüger)"


@dataclass(frozen=True, slots=True)
class Strip:
    """A transverse Mercator strip: its middle line, scale, and what is added to its numbers."""

    middle_deg: float
    scale: float
    east_m: float
    north_m: float = 0.0


def strip_of(epsg: int) -> Strip | None:
    """None when it is none that is known."""
    if 32601 <= epsg <= 32660:
        return Strip(6 * (epsg - 32600) - 183, 0.9996, 500_000)
    if 32701 <= epsg <= 32760:
        return Strip(6 * (epsg - 32700) - 183, 0.9996, 500_000, 10_000_000)
    if 4491 <= epsg <= 4501:  # six-degree strips 13–23, the strip's number before the easting
        zone = epsg - 4478
        return Strip(6 * zone - 3, 1.0, zone * 1_000_000 + 500_000)
    if 4502 <= epsg <= 4512:
        return Strip(6 * (epsg - 4502) + 75, 1.0, 500_000)
    if 4513 <= epsg <= 4533:  # three-degree strips 25–45
        zone = epsg - 4488
        return Strip(3 * zone, 1.0, zone * 1_000_000 + 500_000)
    if 4534 <= epsg <= 4554:
        return Strip(3 * (epsg - 4534) + 75, 1.0, 500_000)
    return None


def degrees_of(epsg: int, x: float, y: float) -> tuple[float, float] | None:
    """Longitude and latitude; None when the system is not known, or the numbers are none of it."""
    if epsg in (4326, 4490):
        lon, lat = x, y
    elif epsg == 3857:
        lon, lat = math.degrees(x / A_M), math.degrees(math.atan(math.sinh(max(-4.0, min(4.0, y / A_M)))))
    else:
        strip = strip_of(epsg)
        if strip is None:
            return None
        lon, lat = _inverse(strip, x, y)
    return (lon, lat) if -180 <= lon <= 180 and -89 <= lat <= 89 else None


def _inverse(strip: Strip, x: float, y: float) -> tuple[float, float]:
    xi = (y - strip.north_m) / (strip.scale * _R_M)
    eta = (x - strip.east_m) / (strip.scale * _R_M)
    if abs(xi) > math.pi / 2 or abs(eta) > 0.5:
        return math.inf, math.inf
    xi0, eta0 = xi, eta
    for j, beta in enumerate(_BETA, 1):
        xi0 -= beta * math.sin(2 * j * xi) * math.cosh(2 * j * eta)
        eta0 -= beta * math.cos(2 * j * xi) * math.sinh(2 * j * eta)
    lon = math.atan2(math.sinh(eta0), math.cos(xi0))
    conformal = math.sin(xi0) / math.hypot(math.sinh(eta0), math.cos(xi0))
    tau = conformal
    e = math.sqrt(FLATTENING * (2 - FLATTENING))
    for _ in range(6):  # Newton; three steps reach a double's end
        sigma = math.sinh(e * math.atanh(e * tau / math.hypot(1, tau)))
        guess = tau * math.hypot(1, sigma) - sigma * math.hypot(1, tau)
        slope = (1 + (1 - e * e) * tau * tau) / ((1 - e * e) * math.hypot(1, tau) * math.hypot(1, guess))
        tau += (conformal - guess) * slope
    return strip.middle_deg + math.degrees(lon), math.degrees(math.atan(tau))
