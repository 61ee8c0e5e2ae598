"""The law of a unit's track: which receiver is believed, which fix is an outlier, how fast the unit goes. Pure maths.

Enters: states of many tracks as columns and one fix for each. Leaves: the states after it. Nothing depends on how the
fixes came, only on their order in time (`hub.live.tracks` keeps that). A step is at most a fixed number of numpy calls
for any number of units, and only of +, −, ×, ÷, √ and comparisons, which give the same bits wherever a unit stands in
an array; the one cosine is rounded.

**Source:** constant velocity with white-noise acceleration over the interval (Bar-Shalom, Estimation with
Applications to Tracking and Navigation, 6.3.2). Its steady gains are Kalata's (The Tracking Index, IEEE AES-20, 1984):
T 1 s, σa 1 m/s², σz 5 m → α 0.467328, β·T 0.145969. Gate: χ² with 2 degrees of freedom, 99 %.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hub.live.doubt import ACCURACY_UNKNOWN_M, MOTIONS, ON_WHEELS

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
(
    T, E, N, VE, VN, P, C, V, LAT0, LON0, COS, DEVICE, ACC, SEEN, MISSES, ME, MN, MT, HITS, OUT, AWAY, COUNT,
) = range(22)  # fmt: skip
"""Rows of a state. T: UTC ms of the newest fix in it. E, N m from the anchor LAT0, LON0 (1e-7°; COS of its latitude);
VE, VN m/s. P, C, V: variance of place m², covariance, variance of velocity, the same for east and north. DEVICE: whose
fixes are taken (−1: nobody's yet), ACC the radius and SEEN the UTC ms of its newest one. MISSES: outliers in a row, ME,
MN, MT the last of them. HITS: fixes since the track began. OUT: the newest fix is an outlier, AWAY how many metres off.
COUNT: outliers in all."""
ROWS = 22
GATE = 9.21
SIGMA_OF_RADIUS = 1 / 1.51
"""σ of each axis out of the radius of a 68 % circle: 1 − exp(−1.51²/2) = 0.68."""
SIGMA_M_MIN = 1.0
"""Errors of one receiver are alike from second to second and jump together; less is not believed."""
GAP_S = 300.0
"""After a silence so long a track begins anew."""
REACQUIRED_AFTER = 3
"""Outliers in a row that agree with one another: then the track was wrong."""
BETTER = 2.0
"""Another receiver takes over when twice its radius is still less than what the one believed would have by now."""
FAR_M = 20_000.0
_M_PER_E7 = 0.011_131_949
_TURN_E7 = 3.6e9

ACCELERATION_MPS2 = {"person": 1.0, "vehicle": 2.5, "drone": 4.0, "vessel": 0.5, "base": 1.0}
ACCELERATION_ANY_MPS2 = 2.5


class Fixes(NamedTuple):
    """One fix a track. UTC ms; 1e-7 degrees; radius of the 68 % circle in m; device number. All (n,) float64."""

    t_ms: F64
    lat_e7: F64
    lon_e7: F64
    radius_m: F64
    device: F64


def motion(kind: str) -> tuple[float, float, float]:
    """(σ of acceleration m/s², spread of velocity m/s, fastest m/s) of a kind of unit."""
    spread, fastest = MOTIONS.get(kind, ON_WHEELS)
    return ACCELERATION_MPS2.get(kind, ACCELERATION_ANY_MPS2), spread, fastest


def begin(n: int) -> F64:
    """States (ROWS, n) of tracks that have no fix yet."""
    state = np.zeros((ROWS, n))
    state[[T, SEEN, MT]] = -1e15
    state[COS], state[DEVICE], state[ACC] = 1.0, -1.0, 1e9
    return state


def radius_of(hacc_dm: F64) -> F64:
    """Radius in m; one that is absent (< 0) is taken for a poor fix."""
    out: F64 = np.where(hacc_dm < 0, ACCURACY_UNKNOWN_M, hacc_dm / 10)
    return out


def step(s: F64, fix: Fixes, motions: F64) -> F64:
    """States (ROWS, n) after one fix each, not older than what is in them. `motions` (3, n): rows of `motion`."""
    new = s.copy()
    acceleration, spread, fastest = motions
    sigma = np.maximum(fix.radius_m * SIGMA_OF_RADIUS, SIGMA_M_MIN)
    dt = (fix.t_ms - s[T]) / 1000
    silent_s = (fix.t_ms - s[SEEN]) / 1000
    same = fix.device == s[DEVICE]
    takes = ~same & (BETTER * fix.radius_m <= s[ACC] + spread * silent_s)
    used = same | takes
    anew = dt > GAP_S
    dt = np.minimum(dt, GAP_S)

    east = _turned(fix.lon_e7 - s[LON0]) * s[COS] * _M_PER_E7
    north = (fix.lat_e7 - s[LAT0]) * _M_PER_E7
    q = acceleration * acceleration
    dt2 = dt * dt
    p = s[P] + 2 * dt * s[C] + dt2 * s[V] + q * dt2 * dt2 / 4
    c = s[C] + dt * s[V] + q * dt2 * dt / 2
    v = s[V] + q * dt2
    off_e, off_n = east - (s[E] + s[VE] * dt), north - (s[N] + s[VN] * dt)
    off2 = off_e * off_e + off_n * off_n
    spread2 = p + sigma * sigma
    out = used & ~anew & (off2 > GATE * spread2)

    # An outlier that agrees with the one before it: nothing of its kind is faster than from there to here.
    moved2 = (east - s[ME]) ** 2 + (north - s[MN]) ** 2
    could_m = 6 * fix.radius_m + fastest * (fix.t_ms - s[MT]) / 1000
    misses = np.where((s[MISSES] > 0) & (moved2 <= could_m * could_m), s[MISSES] + 1, 1.0)
    restart = used & (anew | (out & (takes | (misses >= REACQUIRED_AFTER))))
    out &= ~restart
    taken = used & ~out

    gain, gain_v = p / spread2, c / spread2
    new[E] = np.where(taken, east - off_e + gain * off_e, s[E])
    new[N] = np.where(taken, north - off_n + gain * off_n, s[N])
    new[VE] = np.where(taken, s[VE] + gain_v * off_e, s[VE])
    new[VN] = np.where(taken, s[VN] + gain_v * off_n, s[VN])
    new[P] = np.where(taken, p - gain * p, s[P])
    new[C] = np.where(taken, c - gain * c, s[C])
    new[V] = np.where(taken, v - gain_v * c, s[V])
    new[T] = np.where(taken, fix.t_ms, s[T])
    new[HITS] = np.where(taken, s[HITS] + 1, s[HITS])
    new[DEVICE] = np.where(used, fix.device, s[DEVICE])
    new[ACC] = np.where(used, fix.radius_m, s[ACC])
    new[SEEN] = np.where(used, fix.t_ms, s[SEEN])
    new[MISSES] = np.where(used, np.where(out, misses, 0.0), s[MISSES])
    new[OUT] = np.where(used, out, s[OUT])
    new[AWAY] = np.where(used, np.where(out, np.sqrt(off2), 0.0), s[AWAY])
    if out.any():
        _note(new, out, east, north, fix)
    anchored = restart | (taken & (np.abs(east) + np.abs(north) > FAR_M))
    if anchored.any():
        _restart(new, restart, sigma, fastest)
        _anchor(new, anchored, east, north, fix)
    return new


def _note(new: F64, out: Mask, east: F64, north: F64, fix: Fixes) -> None:
    """The outliers, for those that may agree with them."""
    new[ME], new[MN] = np.where(out, east, new[ME]), np.where(out, north, new[MN])
    new[MT] = np.where(out, fix.t_ms, new[MT])
    new[COUNT] += out


def _restart(new: F64, restart: Mask, sigma: F64, fastest: F64) -> None:
    """Tracks that begin with this fix: it may go anywhere."""
    new[VE], new[VN] = np.where(restart, 0.0, new[VE]), np.where(restart, 0.0, new[VN])
    new[P] = np.where(restart, sigma * sigma, new[P])
    new[C] = np.where(restart, 0.0, new[C])
    new[V] = np.where(restart, fastest * fastest / 4, new[V])
    new[HITS] = np.where(restart, 1.0, new[HITS])
    new[[E, N]] = np.where(restart, 0.0, new[[E, N]])


def _anchor(new: F64, anchored: Mask, east: F64, north: F64, fix: Fixes) -> None:
    """The anchor moves to this fix: of those that begin, which are there, and of those that have gone far."""
    far = anchored & (new[HITS] > 1)
    new[E], new[N] = np.where(far, new[E] - east, new[E]), np.where(far, new[N] - north, new[N])
    new[LAT0] = np.where(anchored, fix.lat_e7, new[LAT0])
    new[LON0] = np.where(anchored, fix.lon_e7, new[LON0])
    cosine = np.maximum(np.round(np.cos(fix.lat_e7 * (np.pi / 1.8e9)), 9), 0.01)
    new[COS] = np.where(anchored, cosine, new[COS])


def _turned(lon_e7: F64) -> F64:
    """A difference of longitudes the short way round."""
    out: F64 = lon_e7 - _TURN_E7 * np.round(lon_e7 / _TURN_E7)
    return out


class Smoothed(NamedTuple):
    """What a track says, one entry a unit: place, radius of its 68 % circle, velocity and the σ of its axes."""

    lat_deg: F64
    lon_deg: F64
    radius_m: F64
    speed_mps: F64
    course_deg: F64
    speed_sigma_mps: F64


def smoothed(s: F64) -> Smoothed:
    """At each track's own time T. Never carried forward."""
    lat = (s[LAT0] + s[N] / _M_PER_E7) / 1e7
    lon = (s[LON0] + s[E] / (_M_PER_E7 * s[COS])) / 1e7
    speed = np.sqrt(s[VE] * s[VE] + s[VN] * s[VN])
    course = np.degrees(np.arctan2(s[VE], s[VN])) % 360
    return Smoothed(
        lat, (lon + 180) % 360 - 180, np.sqrt(s[P]) / SIGMA_OF_RADIUS, speed, course, np.sqrt(s[V])
    )
