"""Where units are now, and how far each may be from there: the hub's twin of hub/web/src/laws/doubt.ts and reckon.ts.

Enters: the picture, slots, the time. Leaves: columns of degrees and metres. Pure. Callers: the rooms of
`hub.safety` that ask who is inside, near, or gone.

**Source:** docs/feed.md "Doubt" and "Dead reckoning": an Ornstein–Uhlenbeck velocity integrated over the silence,
capped by the fastest straight line; IEEE 1278.1 for units that report by dead reckoning.
"""

from typing import NamedTuple

import numpy as np

from hub.live.picture import F64, FLAG_RECKONED, I64, Picture
from protocols.laws.reckon import Law
from protocols.units import METRES_PER_DEG_LAT

MEMORY_S = 60.0
"""How long a velocity lasts."""
ON_FOOT, ON_WHEELS = (0.8, 6.0), (8.0, 40.0)
"""Spread of the velocity, and what nobody of the kind exceeds, m/s."""
MOTIONS = {"person": ON_FOOT, "base": ON_FOOT, "vehicle": ON_WHEELS, "drone": ON_WHEELS, "vessel": ON_WHEELS}
ACCURACY_UNKNOWN_M = 25.0
"""Taken for a fix that came without a radius: a poor one between buildings."""
_ABSENT = 65535
_RECKON = Law()


class Places(NamedTuple):
    """One entry a slot. `lat_deg`, `lon_deg` NaN: never had a position. `radius_m`: of the 68 % circle now, never less
    than the accuracy of the fix. `age_s` ≥ 0."""

    lat_deg: F64
    lon_deg: F64
    radius_m: F64
    age_s: F64


def radius_m(accuracy_m: F64, age_s: F64, sigma_mps: F64, speed_max_mps: F64) -> F64:
    """Radius of the 68 % circle `age_s` seconds after a fix. On foot from 5 m: 9.3, 41.5, 136, 366 m after 10, 60,
    300, 1,800 s."""
    silence_s = np.maximum(0.0, age_s)
    walked = 2 * sigma_mps**2 * MEMORY_S * (silence_s - MEMORY_S * (1 - np.exp(-silence_s / MEMORY_S)))
    out: F64 = np.minimum(np.sqrt(accuracy_m**2 + walked), speed_max_mps * silence_s + accuracy_m)
    return out


def places(picture: Picture, motions: F64, slots: I64, now_ms: int) -> Places:
    """Where these slots are at `now_ms`. `motions` (n, 2): a row of MOTIONS a slot (`Units.motions`)."""
    lat, lon = picture.pos[0, slots] / 1e7, picture.pos[1, slots] / 1e7
    never = np.isnan(picture.pos_time[slots])
    lat[never] = lon[never] = np.nan
    age_s = np.maximum(0.0, (now_ms - picture.pos_time[slots]) / 1000)
    hacc_dm = picture.accuracy_dm(slots)
    accuracy_m = np.where(hacc_dm < 0, ACCURACY_UNKNOWN_M, hacc_dm / 10)
    sigma_mps, speed_max_mps = motions[slots, 0], motions[slots, 1]
    doubt_m = radius_m(accuracy_m, age_s, sigma_mps, speed_max_mps)
    reckoned = (picture.flags(slots) & FLAG_RECKONED) != 0
    if reckoned.any():
        carried_s = np.where(reckoned, np.minimum(age_s, _RECKON.quiet_s), 0.0)
        speed, course = picture.pos[3, slots], picture.pos[4, slots]
        known = (speed != _ABSENT) & (course != _ABSENT)
        went_m = np.where(known, speed / 10, 0.0) * carried_s
        turn = np.radians(np.where(known, course, 0))
        lat = lat + went_m * np.cos(turn) / METRES_PER_DEG_LAT
        lon = lon + went_m * np.sin(turn) / (METRES_PER_DEG_LAT * np.maximum(0.01, np.cos(np.radians(lat))))
        late_s = np.maximum(0.0, age_s - _RECKON.quiet_s)
        doubt_m = np.where(reckoned, accuracy_m + _RECKON.error_m + speed_max_mps * late_s, doubt_m)
    return Places(lat, lon, doubt_m, age_s)
