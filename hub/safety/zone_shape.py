"""The form of a zone at rest, in metres around its origin, made once. Where it stands and has grown to comes later.

Enters: a `Zone`. Leaves: `Shape`: a disc, a sector, or edges. Pure numpy. Callers: `zone_field`, `zone_outline`.

Degrees become metres by one scale east and one north, of the origin: lines stay straight, so inside and outside are
exactly those of the drawing; distances are right to 0.2 % within 20 km and to 3 % within 200 km of the origin.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, radians

import numpy as np

from hub.live.picture import F64, I64
from hub.safety.zone import Point, Zone
from protocols.units import METRES_PER_DEG_LAT

DISC, SECTOR, EDGED = 0, 1, 2
BANDED_EDGES = 64
"""A shape of more edges is cut into bands, so that a unit is tried against those edges only that may be near it."""
BANDS_MAX = 128
CLIP_M = 1_000.0
"""Of a shape in bands, distances farther than this (and its growth) are told as this."""
COS_MIN = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One form. `half` (x, y): of a box around the origin that holds all of it.

    origin     (lon, lat)
    radius_m   of a disc or sector; half the width of a corridor, 0 of a polygon
    half_open  of a sector, radians
    edges      (n, 4): from x, y to x, y; one at least
    is_area    edges enclose; else they are a line
    bands      (b + 1,) where each band's edges begin in `of_band`; the first band begins at `band_y0`
    reach_m    distances are exact up to here, and told as this beyond
    """

    sort: int
    origin: Point
    half: Point
    radius_m: float
    half_open: float
    edges: F64
    is_area: bool
    bands: I64
    of_band: I64
    band_y0: float
    band_m: float
    reach_m: float


def east_m(lat_deg: float) -> float:
    """Metres of one degree of longitude there."""
    return METRES_PER_DEG_LAT * max(COS_MIN, cos(radians(lat_deg)))


def wrapped(lon_deg: F64) -> F64:
    """Differences of longitudes within ±180°."""
    out: F64 = (lon_deg + 180.0) % 360.0 - 180.0
    return out


def shape_of(zone: Zone) -> Shape:
    """The form of this zone. One that has no place of its own has its origin at (0, 0)."""
    return _made(
        zone.shape, zone.areas, zone.radius_m, zone.width_m, zone.opening_deg,
        zone.grows_max_m if zone.grows_mps > 0 else 0.0,
    )  # fmt: skip


@lru_cache(maxsize=4_096)
def _made(
    shape: str,
    areas: tuple[tuple[tuple[Point, ...], ...], ...],
    radius_m: float,
    width_m: float,
    opening_deg: float,
    grown_m: float,
) -> Shape:
    if shape in ("circle", "cone"):
        origin = areas[0][0][0] if areas else (0.0, 0.0)
        sort = DISC if shape == "circle" else SECTOR
        return Shape(
            sort, origin, (radius_m, radius_m), radius_m, min(pi, radians(opening_deg) / 2),
            np.zeros((1, 4)), False, np.zeros(2, np.int64), np.zeros(1, np.int64), 0.0, 1.0, np.inf,
        )  # fmt: skip
    rings = [np.array(ring, np.float64) for polygon in areas for ring in polygon]
    origin = _middle(rings)
    scale = (east_m(origin[1]), METRES_PER_DEG_LAT)
    flat = [np.column_stack((wrapped(r[:, 0] - origin[0]), r[:, 1] - origin[1])) * scale for r in rings]
    edges = np.concatenate([np.hstack((ring[:-1], ring[1:])) for ring in flat])
    half_m = width_m / 2
    x, y = np.abs(edges[:, ::2]).max(), np.abs(edges[:, 1::2]).max()
    reach_m = np.inf if len(edges) <= BANDED_EDGES else CLIP_M + grown_m + half_m
    return Shape(
        EDGED, origin, (float(x) + half_m, float(y) + half_m), half_m, 0.0, edges, shape == "polygon",
        *_bands(edges, reach_m), reach_m,
    )  # fmt: skip


def _middle(rings: list[F64]) -> Point:
    """Of the box around all, also across the 180th meridian."""
    first = rings[0][0, 0]
    lons = np.concatenate([wrapped(ring[:, 0] - first) for ring in rings])
    lats = np.concatenate([ring[:, 1] for ring in rings])
    lon = (lons.min() + lons.max()) / 2 + first
    return float((lon + 180) % 360 - 180), float((lats.min() + lats.max()) / 2)


def _bands(edges: F64, reach_m: float) -> tuple[I64, I64, float, float]:
    """Where bands begin, the edges of each (all that come within reach of it), the first band's y, their height."""
    low, high = np.minimum(edges[:, 1], edges[:, 3]), np.maximum(edges[:, 1], edges[:, 3])
    y0, tall = float(low.min()), float(high.max() - low.min())
    count = 1 if np.isinf(reach_m) else int(np.clip(tall / reach_m, 1, BANDS_MAX))
    band_m = max(tall / count, 1e-9)
    found = []
    for band in range(count):
        near = np.ones(len(edges), np.bool_)
        if band > 0:
            near &= high >= y0 + band * band_m - reach_m
        if band < count - 1:
            near &= low <= y0 + (band + 1) * band_m + reach_m
        at = np.flatnonzero(near)
        found.append(at if len(at) else np.zeros(1, np.int64))
    starts = np.concatenate(([0], np.cumsum([len(at) for at in found]))).astype(np.int64)
    return starts, np.concatenate(found), y0, band_m
