"""How likely a link is, and which cell of the ground a place belongs to.

Enters: plain numbers. Leaves: plain numbers. Pure. Callers: `hub.safety.signal_cells`, its routes.
Cells are squares of Web Mercator, EPSG:3857, 128 m at the equator: about 103 m on the ground at 36.5° N.
**Source:** ITU-R P.1546 calls the shadow fading log-normal: P(link) = Φ((RSSI − sensitivity)/σ).
"""

from math import atan, degrees, erf, log, pi, radians, sinh, sqrt, tan

CELL_M = 128.0
LAT_MAX = 85.0
_R_M = 6_378_137.0


def p_link(rssi_dbm: float, sensitivity_dbm: float, sigma_db: float) -> float:
    """0–1. `sigma_db` above 0; 8 dB is usual in broken ground."""
    return 0.5 * (1.0 + erf((rssi_dbm - sensitivity_dbm) / (sigma_db * sqrt(2.0))))


def cell_of(lat_deg: float, lon_deg: float) -> tuple[int, int] | None:
    """Column and row; None beyond 85° of latitude."""
    if abs(lat_deg) > LAT_MAX:
        return None
    x = radians(lon_deg) * _R_M
    y = log(tan(pi / 4 + radians(lat_deg) / 2)) * _R_M
    return int(x // CELL_M), int(y // CELL_M)


def ring_of(column: int, row: int) -> list[list[float]]:
    """The cell's corners as a closed ring of GeoJSON."""
    corners = ((column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1), (column, row))
    return [[degrees(c * CELL_M / _R_M), degrees(atan(sinh(r * CELL_M / _R_M)))] for c, r in corners]
