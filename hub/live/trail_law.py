"""A track with fewer points, none of which was farther from it than a tolerance at its own time.

Enters: times and places. Leaves: which points to keep. Pure. Caller: `hub.live.history`.

Top-down time-ratio: a point's error is its distance from where the simplified track is at the same time, not from its
line: a halt stays a halt. A gap of GAP_MS is never bridged: both its ends stay.
**Source:** N. Meratnia, R. de By, EDBT 2004 (TD-TR, synchronous Euclidean distance).
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hub.live.picture import F64, I64
from protocols.units import METRES_PER_DEG_LAT

TOLERANCES_M = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1_280.0)
M_PER_PX_AT_0 = 78_271.517
"""On the equator, tiles of 512 px as MapLibre counts zooms."""
GAP_MS = 30_000
"""The screen's own limit for a unit that reports each second or so: longer is not known."""


def tolerance_m(zoom: float, lat_deg: float) -> float:
    """The coarsest of TOLERANCES_M that is at most one pixel; the finest, 1 m, where a pixel is smaller."""
    pixel_m = M_PER_PX_AT_0 * float(np.cos(np.radians(lat_deg))) / 2.0**zoom
    return max((t for t in TOLERANCES_M if t <= pixel_m), default=TOLERANCES_M[0])


def flat_m(lat_deg_e7: I64, lon_deg_e7: I64) -> F64:
    """(n, 2) float64, metres east and north, true to 0.1 % over the reach of an hour."""
    if len(lat_deg_e7) == 0:
        return np.zeros((0, 2))
    scale = METRES_PER_DEG_LAT * 1e-7
    lat = (lat_deg_e7 - lat_deg_e7[0]) * scale
    lon = (lon_deg_e7 - lon_deg_e7[0] + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
    east = lon * (scale * np.cos(np.radians(lat_deg_e7[0] * 1e-7)))
    return np.column_stack((east, lat)).astype(np.float64)


def kept(t_ms: I64, at_m: F64, tolerance: float) -> npt.NDArray[np.intp]:
    """Indices of the points to keep, rising, first and last among them. `t_ms` rising (n,), `at_m` (n, 2)."""
    n = len(t_ms)
    if n <= 2:
        return np.arange(n)
    gaps = np.flatnonzero(np.diff(t_ms) >= GAP_MS)
    keep = np.zeros(n, np.bool_)
    keep[[0, n - 1]] = True
    keep[gaps] = keep[gaps + 1] = True
    ends = np.flatnonzero(keep)
    todo = [(int(a), int(b)) for a, b in pairwise(ends) if b - a > 1]
    t = t_ms.astype(np.float64)
    while todo:
        a, b = todo.pop()
        span = t[b] - t[a]
        share = (t[a + 1 : b] - t[a]) / span if span > 0 else np.zeros(b - a - 1)
        off = at_m[a + 1 : b] - (at_m[a] + share[:, None] * (at_m[b] - at_m[a]))
        error = np.einsum("ij,ij->i", off, off)
        worst = int(error.argmax())
        if error[worst] > tolerance * tolerance:
            middle = a + 1 + worst
            keep[middle] = True
            todo += [(x, y) for x, y in ((a, middle), (middle, b)) if y - x > 1]
    return np.flatnonzero(keep)
