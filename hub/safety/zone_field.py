"""All zones as columns: how far points are from the edges of zones, for many pairs of zone and point at once.

Enters: shapes, where each stands now, points in degrees. Leaves: metres, negative inside. Pure numpy; what a call costs
depends on pairs and their edges, hardly on the number of zones. Callers: `zone_watch`, `contains`.

**Source:** winding number and segment distance: J. O'Rourke, Computational Geometry in C, 7.4; sector: I. Quilez,
"2D distance functions" (sdPie).
"""

from collections.abc import Sequence
from math import pi
from typing import NamedTuple

import numpy as np

from hub.live.picture import F64, I64
from hub.safety.zone import Zone
from hub.safety.zone_shape import COS_MIN, DISC, EDGED, SECTOR, Shape, shape_of, wrapped
from protocols.units import METRES_PER_DEG_LAT

STEP_EDGES = 400_000
"""Pairs of point and edge worked on at once; bounds the memory."""


class Pose(NamedTuple):
    """Where a shape stands: its origin, the bearing of a sector's middle and whether it is the whole circle, how far
    its edge has grown outwards."""

    lon_deg: float
    lat_deg: float
    bearing_deg: float = 0.0
    is_round: bool = False
    grown_m: float = 0.0


class Field:
    """Zones by their number. `edge_tests` counts pairs of point and edge, so that a test can count the work."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = list(shapes)
        self.edge_tests = 0
        self._sort = np.array([s.sort for s in shapes], np.int64)
        self._radius = np.array([s.radius_m for s in shapes], np.float64)
        self._half_open = np.array([s.half_open for s in shapes], np.float64)
        self._reach = np.array([s.reach_m for s in shapes], np.float64)
        self._area = np.array([s.is_area for s in shapes], np.bool_)
        self._half_at_rest = np.array([s.half for s in shapes], np.float64).reshape(-1, 2)
        self._lay_edges()
        self.place([Pose(*s.origin) for s in shapes])

    def _lay_edges(self) -> None:
        """All edges in one table, all bands in one list: `_first_band` + band → where its edges stand."""
        shapes = self.shapes
        tables = [s.edges for s in shapes] or [np.zeros((0, 4))]
        table = np.concatenate(tables)
        ex, ey = table[:, 2] - table[:, 0], table[:, 3] - table[:, 1]
        self._edges = np.vstack((table[:, 0], table[:, 1], ex, ey, 1 / np.maximum(ex * ex + ey * ey, 1e-12)))
        at = np.concatenate(([0], np.cumsum([len(one) for one in tables])))
        lists = [s.of_band + at[i] for i, s in enumerate(shapes)] or [np.zeros(0, np.int64)]
        before = np.concatenate(([0], np.cumsum([len(one) for one in lists])))
        self._in_band = np.concatenate(lists).astype(np.int64)
        self._bands = np.array([len(s.bands) - 1 for s in shapes], np.int64)
        self._first_band = np.concatenate(([0], np.cumsum(self._bands)))[: len(shapes)].astype(np.int64)
        spans = [(s.bands + before[i]) for i, s in enumerate(shapes)]
        self._band_from = np.concatenate([span[:-1] for span in spans] or [np.zeros(0, np.int64)])
        self._band_to = np.concatenate([span[1:] for span in spans] or [np.zeros(0, np.int64)])
        self._band_y0 = np.array([s.band_y0 for s in shapes], np.float64)
        self._band_m = np.array([s.band_m for s in shapes], np.float64)

    def place(self, poses: Sequence[Pose]) -> None:
        """Where each stands now."""
        columns = np.array(poses, np.float64).reshape(-1, 5)
        self.lon, self.lat, turn, round_, self.grown = columns.T.copy()
        self.east = METRES_PER_DEG_LAT * np.maximum(COS_MIN, np.cos(np.radians(self.lat)))
        self._sin, self._cos = np.sin(np.radians(turn)), np.cos(np.radians(turn))
        self._sort_now = np.where((self._sort == SECTOR) & (round_ > 0), DISC, self._sort)
        self.half = self._half_at_rest + self.grown[:, None]

    def local(self, zones: I64, lat_deg: F64, lon_deg: F64) -> tuple[F64, F64]:
        """Metres east and north of each pair's origin."""
        x = wrapped(lon_deg - self.lon[zones]) * self.east[zones]
        y = (lat_deg - self.lat[zones]) * METRES_PER_DEG_LAT
        return x, y

    def is_disc(self, zones: I64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """A circle, or a sector that is one now."""
        disc: np.ndarray[tuple[int], np.dtype[np.bool_]] = self._sort_now[zones] == DISC
        return disc

    def is_edged(self, zones: I64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        edged: np.ndarray[tuple[int], np.dtype[np.bool_]] = self._sort[zones] == EDGED
        return edged

    def radius(self, zones: I64) -> F64:
        """Of a disc as far as it has grown."""
        out: F64 = self._radius[zones] + self.grown[zones]
        return out

    def signed(self, zones: I64, x: F64, y: F64) -> F64:
        """Metres from the edge, negative inside, of points in each pair's own metres. Of a shape in bands at most its
        reach. NaN for a NaN."""
        out = np.full(len(zones), np.nan)
        sort = self._sort_now[zones]
        discs, sectors, edged = (np.flatnonzero(sort == one) for one in (DISC, SECTOR, EDGED))
        if len(discs):
            out[discs] = np.hypot(x[discs], y[discs]) - self._radius[zones[discs]]
        if len(sectors):
            out[sectors] = self._from_sector(zones[sectors], x[sectors], y[sectors])
        if len(edged):
            out[edged] = self._from_edges(zones[edged], x[edged], y[edged])
        return out - self.grown[zones]

    def _from_sector(self, zones: I64, x: F64, y: F64) -> F64:
        sin, cos, radius = self._sin[zones], self._cos[zones], self._radius[zones]
        px, py = np.abs(x * cos - y * sin), x * sin + y * cos
        half = self._half_open[zones]
        cx, cy = np.sin(half), np.cos(half)
        along = np.clip(px * cx + py * cy, 0, radius)
        side = np.hypot(px - cx * along, py - cy * along) * np.sign(cy * px - cx * py)
        rim = np.hypot(px, py) - radius
        return np.where(half >= pi - 1e-9, rim, np.maximum(rim, side))

    def _from_edges(self, zones: I64, x: F64, y: F64) -> F64:
        out = np.empty(len(zones))
        row = np.nan_to_num((y - self._band_y0[zones]) / self._band_m[zones], nan=0.0)
        band = np.clip(np.floor(row), 0, self._bands[zones] - 1).astype(np.int64) + self._first_band[zones]
        starts, counts = self._band_from[band], self._band_to[band] - self._band_from[band]
        ends = np.cumsum(counts)
        self.edge_tests += int(ends[-1])
        first = 0
        while first < len(zones):
            done = 0 if first == 0 else ends[first - 1]
            last = max(first + 1, int(np.searchsorted(ends, done + STEP_EDGES, side="right")))
            at = slice(first, last)
            out[at] = self._step(zones[at], x[at], y[at], starts[at], counts[at])
            first = last
        return out

    def _step(self, zones: I64, x: F64, y: F64, starts: I64, counts: I64) -> F64:
        """Nearest edge and winding number: the edges of point i are counts[i] from starts[i] in the list of bands."""
        begins = np.cumsum(counts) - counts
        which = np.arange(int(counts.sum())) + np.repeat(starts - begins, counts)
        ax, ay, ex, ey, per = self._edges[:, self._in_band[which]]
        wx, wy = np.repeat(x, counts) - ax, np.repeat(y, counts) - ay
        t = np.clip((wx * ex + wy * ey) * per, 0, 1)
        nearest = np.sqrt(np.minimum.reduceat((wx - t * ex) ** 2 + (wy - t * ey) ** 2, begins))
        nearest = np.minimum(nearest, self._reach[zones])
        if not self._area[zones].any():
            return nearest - self._radius[zones]
        left = ex * wy - ey * wx
        up, down = (wy >= 0) & (wy < ey) & (left > 0), (wy < 0) & (wy >= ey) & (left < 0)
        winding = np.add.reduceat(up.astype(np.int64) - down, begins)
        inside = self._area[zones] & (winding != 0)
        return np.where(inside, -nearest, nearest) - self._radius[zones]


def contains(zone: Zone, lat_deg: F64, lon_deg: F64, t_ms: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of these places were inside at that time, grown as far as it had then; none when it did not stand.

    For dry runs over history: a zone that follows a unit is taken where it was drawn (a circle or cone without a place
    holds nobody), one that lies downwind as its whole circle, since neither unit nor wind of then is known here.
    """
    nobody = np.zeros(len(lat_deg), np.bool_)
    begun = zone.from_utc_ms is None or t_ms >= zone.from_utc_ms
    if zone.ended_utc_ms is not None and t_ms >= zone.ended_utc_ms:
        return nobody
    if not zone.areas or not begun or (zone.until_utc_ms is not None and t_ms >= zone.until_utc_ms):
        return nobody
    shape = shape_of(zone)
    field = Field([shape])
    bearing, calm = zone.bearing_deg or 0.0, zone.bearing_deg is None
    field.place([Pose(*shape.origin, bearing, calm, zone.grown_m(t_ms))])
    zones = np.zeros(len(lat_deg), np.int64)
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        field.signed(zones, *field.local(zones, lat_deg, lon_deg)) <= 0
    )
    return inside
