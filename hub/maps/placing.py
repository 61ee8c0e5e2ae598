"""How a plan lies on the map: fitted to control points. Pure; pixels right and down from the upper left corner, degrees
WGS-84, metres.

Two points give a similarity (turned, scaled, moved), three or more an affine map by least squares. Both are fitted in
metres of the ellipsoid about the middle of the points, which are Web Mercator's stretched a little along each axis: the
map draws by Web Mercator, which alone would make a plan 0.4 % too long one way. Callers: `hub.maps.plans`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hub.maps.errors import PlanRefused

A_M, E2 = 6_378_137.0, 0.00669437999014
"""WGS-84: half of the long axis, and the square of the eccentricity."""
POINTS_MAX = 50
SPREAD_PX_MIN = 4.0
SPREAD_M_MIN = 0.5
SIDE_M_MAX = 2_000_000.0
_F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Control:
    """A place of the plan and where it is."""

    x_px: float
    y_px: float
    lon_deg: float
    lat_deg: float


@dataclass(frozen=True, slots=True)
class Placed:
    """`corners`: longitude and latitude of upper left, upper right, lower right, lower left.

    residuals_m   of each control point, after the fit
    rms_m         their root mean square; None with two points, which always fit
    undistorted_rms_m  the same for a plan that may not be sheared or stretched: what three points tell of an error
    m_per_px      metres of a pixel, along and across
    turn_deg      true bearing of the plan's upward direction
    """

    method: str
    corners: tuple[tuple[float, float], ...]
    residuals_m: tuple[float, ...]
    rms_m: float | None
    undistorted_rms_m: float | None
    m_per_px: tuple[float, float]
    turn_deg: float


def place(width_px: int, height_px: int, controls: Sequence[Control]) -> Placed:
    """Fit. PlanRefused (422) when the points cannot tell: too few, too near, in one line, mirrored."""
    if not 2 <= len(controls) <= POINTS_MAX:
        raise PlanRefused(422, f"{len(controls)} control points, 2–{POINTS_MAX} are allowed")
    pixels = np.array([(c.x_px, c.y_px) for c in controls], np.float64)
    world = np.array([mercator(c.lon_deg, c.lat_deg) for c in controls], np.float64)
    metres = metres_of_unit(float(np.mean([c.lat_deg for c in controls])))
    world *= metres
    _check_spread(pixels, world)
    turned = _similarity(pixels, world)
    matrix = turned if len(controls) == 2 else _affine(pixels, world)
    along, across = matrix[:, 0], matrix[:, 1]
    if along[0] * across[1] - along[1] * across[0] <= 0:
        raise PlanRefused(422, "the control points turn the plan over: two of them seem to be exchanged")
    scales = float(np.hypot(*along)), float(np.hypot(*across))
    if max(scales) * max(width_px, height_px) > SIDE_M_MAX:
        raise PlanRefused(422, f"the plan would be longer than {SIDE_M_MAX / 1000:.0f} km")
    corners = np.array([(0, 0), (width_px, 0), (width_px, height_px), (0, height_px)], np.float64)
    off = _off(matrix, pixels, world)
    many = len(controls) > 2
    return Placed(
        "affine" if many else "similarity",
        tuple(degrees(x, y) for x, y in _applied(matrix, corners) / metres),
        tuple(round(float(one), 3) for one in off),
        _rms(off) if many else None,
        _rms(_off(turned, pixels, world)) if many else None,
        (round(scales[0], 6), round(scales[1], 6)),
        round(math.degrees(math.atan2(-across[0], across[1])) % 360, 3),
    )


def mercator(lon_deg: float, lat_deg: float) -> tuple[float, float]:
    """0..1 east and south. **Source:** EPSG:3857."""
    return (lon_deg + 180) / 360, (1 - math.asinh(math.tan(math.radians(lat_deg))) / math.pi) / 2


def metres_of_unit(lat_deg: float) -> _F64:
    """(2,): metres of one unit of `mercator` east and south, at a latitude. **Source:** radii of curvature, WGS-84."""
    sine, cosine = math.sin(math.radians(lat_deg)), math.cos(math.radians(lat_deg))
    root = math.sqrt(1 - E2 * sine * sine)
    return 2 * math.pi * A_M * cosine / root * np.array([1.0, (1 - E2) / (root * root)])


def degrees(x: float, y: float) -> tuple[float, float]:
    """And back, rounded to a tenth of a millimetre."""
    lat = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y))))
    return round(x * 360 - 180, 9), round(lat, 9)


def _check_spread(pixels: _F64, metres: _F64) -> None:
    for points, least, unit in ((pixels, SPREAD_PX_MIN, "pixels"), (metres, SPREAD_M_MIN, "m")):
        apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
        nearest = float(apart[np.triu_indices(len(points), 1)].min())
        if nearest < least:
            raise PlanRefused(422, f"two control points are {nearest:.2g} {unit} apart, {least:g} are needed")
        if len(points) > 2:
            spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
            if spread[1] < 0.01 * spread[0]:
                raise PlanRefused(422, "the control points lie in one line: add one beside it")


def _similarity(pixels: _F64, world: _F64) -> _F64:
    """(2, 3): x' = a x − b y + c, y' = b x + a y + d, least squares."""
    middle, there = pixels.mean(0), world.mean(0)
    p, w = pixels - middle, world - there
    size = float((p * p).sum())
    a = float((p * w).sum()) / size
    b = float((p[:, 0] * w[:, 1] - p[:, 1] * w[:, 0]).sum()) / size
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, there - turn @ middle])


def _affine(pixels: _F64, world: _F64) -> _F64:
    """(2, 3), least squares. Centred, because both are large numbers with small differences."""
    middle, there = pixels.mean(0), world.mean(0)
    turn = np.linalg.lstsq(pixels - middle, world - there, rcond=None)[0].T
    return np.column_stack([turn, there - turn @ middle])


def _applied(matrix: _F64, pixels: _F64) -> _F64:
    return np.asarray(pixels @ matrix[:, :2].T + matrix[:, 2], np.float64)


def _off(matrix: _F64, pixels: _F64, world: _F64) -> _F64:
    return np.asarray(np.hypot(*(_applied(matrix, pixels) - world).T), np.float64)


def _rms(off: _F64) -> float:
    return round(float(np.sqrt((off * off).mean())), 3)
