"""Where a zone stands now: with its unit, downwind, grown, and wider by what its unit may have moved unseen.

Enters: a zone, its unit's place, the wind. Leaves: a pose, and words on it. Pure. Caller: `hub.safety.zones`.
"""

from collections.abc import Callable, Mapping
from math import hypot, isnan
from typing import NamedTuple

import numpy as np

from hub.live.doubt import ACCURACY_UNKNOWN_M, Places
from hub.safety.weather import Wind
from hub.safety.zone import Zone
from hub.safety.zone_field import Pose
from hub.safety.zone_law import DOUBT_M_MAX
from hub.safety.zone_shape import Shape, east_m
from protocols.units import METRES_PER_DEG_LAT

CALM_MPS = 0.5
"""Less wind than this has no direction. **Source:** GB/T 28591: 0 级 is up to 0.2 m/s; a vane needs about 0.5."""
TURNED_DEG, MOVED_M = 5.0, 1.0
"""Less is not news."""

Words = tuple[str, str]
WindAt = Callable[[float, float, int], Wind | None]
NOWHERE = Pose(np.nan, np.nan)


class At(NamedTuple):
    """Where the unit is that carries a zone. NaN: it was never seen."""

    lon_deg: float
    lat_deg: float
    radius_m: float
    age_s: float


def carrier(zone: Zone, places: Places, slot_by_id: Mapping[str, int]) -> At | None:
    """None: nobody carries it."""
    if not zone.follows:
        return None
    slot = slot_by_id.get(zone.follows)
    if slot is None:
        return At(np.nan, np.nan, np.nan, np.nan)
    return At(
        *(float(column[slot]) for column in (places.lon_deg, places.lat_deg, places.radius_m, places.age_s))
    )


def pose_of(
    zone: Zone, shape: Shape, at: At | None, wind_at: WindAt, before: Pose | None, now_ms: int
) -> tuple[Pose, Words]:
    """The pose now, and what a person should know of it, Chinese and English."""
    lon, lat = shape.origin
    grown_m, words = zone.grown_m(now_ms), ("", "")
    if at is not None:
        if np.isnan(at.lat_deg):
            return NOWHERE, (
                "随行单位没有位置：区域不知在何处",
                "its unit has no position: nobody knows where it is",
            )
        if zone.is_placed_by_unit:
            lon, lat = at.lon_deg, at.lat_deg
        elif zone.anchor is not None:
            lon, lat = lon + at.lon_deg - zone.anchor[0], lat + at.lat_deg - zone.anchor[1]
        wider_m, words = _wider(at)
        grown_m += wider_m
    if zone.shape == "cone" and zone.bearing_deg is None:
        bearing, is_round, said = _downwind(wind_at(lat, lon, now_ms), before)
        both = tuple(" · ".join(w for w in pair if w) for pair in zip(words, said, strict=True))
        return Pose(lon, lat, bearing, is_round, grown_m), (both[0], both[1])
    return Pose(lon, lat, zone.bearing_deg or 0.0, False, grown_m), words


def _wider(at: At) -> tuple[float, Words]:
    """By how much a zone is wider since its unit may be elsewhere; 0 while that is known as well as it ever is."""
    wider_m = float(min(DOUBT_M_MAX, at.radius_m - ACCURACY_UNKNOWN_M))
    if wider_m <= 0:
        return 0.0, ("", "")
    silent_s = int(at.age_s) // 10 * 10
    return wider_m, (
        f"随行单位 {silent_s} 秒无新位置：外扩 {wider_m:.0f} 米",
        f"its unit is silent for {silent_s} s: {wider_m:.0f} m wider",
    )


def _downwind(wind: Wind | None, before: Pose | None) -> tuple[float, bool, Words]:
    """Bearing, and whether it is the whole circle since nobody knows better. It turns in steps."""
    if wind is None:
        return 0.0, True, ("附近无风向数据：按整圆", "no wind is measured: the whole circle")
    if wind.speed_mps < CALM_MPS:
        return 0.0, True, ("静风：按整圆", "calm: the whole circle")
    bearing = (wind.from_deg + 180) % 360
    if before is not None and not before.is_round and not np.isnan(before.lat_deg):
        turned = abs((bearing - before.bearing_deg + 180) % 360 - 180)
        bearing = before.bearing_deg if turned < TURNED_DEG else bearing
    speed = f"{wind.speed_mps:.1f} m/s"
    return bearing, False, (f"下风向 {bearing:.0f}°，风速 {speed}", f"downwind {bearing:.0f}°, {speed}")


def has_moved(old: Pose, new: Pose, shape: Shape) -> bool:
    """By more than a metre and a hundredth of its size, or turned."""
    if old == new:
        return False
    if isnan(old.lat_deg) or isnan(new.lat_deg):
        return isnan(old.lat_deg) != isnan(new.lat_deg)
    east_of_it = (new.lon_deg - old.lon_deg) * east_m(new.lat_deg)
    went_m = hypot(east_of_it, (new.lat_deg - old.lat_deg) * METRES_PER_DEG_LAT)
    least_m = max(MOVED_M, 0.01 * (min(shape.half) + new.grown_m))
    turned = (old.bearing_deg, old.is_round) != (new.bearing_deg, new.is_round)
    return turned or went_m >= least_m or abs(new.grown_m - old.grown_m) >= least_m
