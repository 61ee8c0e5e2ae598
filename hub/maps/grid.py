"""The grid of Web Mercator tiles, rows counted from the north. Pure; degrees. **Source:** EPSG:3857, OGC 17-083r4."""

import math

LAT_MAX = 85.051129


def tile_at(lon_deg: float, lat_deg: float, z: int) -> tuple[int, int]:
    """Column and row of the tile that holds a place."""
    side = 1 << z
    lat = math.radians(max(-LAT_MAX, min(LAT_MAX, lat_deg)))
    x = math.floor((lon_deg + 180) / 360 * side)
    y = math.floor((1 - math.asinh(math.tan(lat)) / math.pi) / 2 * side)
    return max(0, min(side - 1, x)), max(0, min(side - 1, y))


def is_in_grid(z: int, x: int, y: int) -> bool:
    """Whether there is such a tile at all."""
    return 0 <= z <= 24 and 0 <= x < 1 << z and 0 <= y < 1 << z
