"""Wind and weather as edge stations report them: the latest of each, means over a circle, and what holds at a place.

Enters: the picture's wind channels. Leaves: `Wind`, with every input. Pure. Callers: whoever needs
wind at a place: cones of `hub.safety.zones` (`wind_at`).

A mean of directions is that of unit vectors; its spread is Yamartino's.
**Source:** R. J. Yamartino, J. Climate Appl. Meteor. 23 (1984) 1362: σ = asin(e)(1 + 0.1547 e³), e² = 1 − s² − c².
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, atan2, cos, degrees, hypot, radians, sin, sqrt

import numpy as np

from hub.live.measure import scaled
from hub.live.picture import CHANNEL, Picture
from hub.live.units import Units
from protocols.catalog import FIELDS_BY_NAME

FRESH_MS = 600_000
"""Older wind says nothing of now."""
NEAR_M = 50_000.0
MORE = ("ambient_dc", "humidity_permille", "pressure_pa", "sun_wpm2")


@dataclass(frozen=True, slots=True)
class Wind:
    """At one station. `from_deg`: whence it blows, 0–360; `values`: what else it measures, by field name."""

    unit: str
    lat_deg: float
    lon_deg: float
    speed_mps: float
    from_deg: float
    t_utc_ms: int
    age_ms: int
    distance_m: float
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class MeanWind:
    """Of several. `from_deg` None: they cancel each other out, there is no direction."""

    from_deg: float | None
    spread_deg: float
    speed_mps: float
    inputs: tuple[Wind, ...]


def circular_mean(degrees_from: Sequence[float]) -> tuple[float | None, float]:
    """Mean direction in 0–360 (None when there is none) and Yamartino's spread, degrees. At least one is needed."""
    n = len(degrees_from)
    s = sum(sin(radians(d)) for d in degrees_from) / n
    c = sum(cos(radians(d)) for d in degrees_from) / n
    e = sqrt(max(0.0, 1.0 - s * s - c * c))
    spread = degrees(asin(min(1.0, e)) * (1.0 + (2.0 / sqrt(3.0) - 1.0) * e**3))
    if hypot(s, c) < 1e-9:
        return None, spread
    mean = degrees(atan2(s, c)) % 360.0
    return (0.0 if mean > 360.0 - 1e-9 else mean), spread


def metres_between(lat_1: float, lon_1: float, lat_2: float, lon_2: float) -> float:
    """Great circle on a sphere of 6,371 km."""
    a, b = radians(lat_1), radians(lat_2)
    h = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * sin(radians(lon_2 - lon_1) / 2) ** 2
    return 2 * 6_371_000.0 * asin(min(1.0, sqrt(h)))


class Weather:
    """Reads the picture when it is asked; keeps nothing."""

    def __init__(self, picture: Picture, units: Units) -> None:
        self._picture = picture
        self._units = units

    def near(self, lat_deg: float, lon_deg: float, now_ms: int, within_m: float = NEAR_M) -> list[Wind]:
        """Fresh wind of every station within the distance, the nearest first."""
        picture, n = self._picture, self._picture.n
        speed, course = CHANNEL["wind_dmps"], CHANNEL["wind_from_deg"]
        t = np.minimum(picture.time[speed, :n], picture.time[course, :n])
        fresh = (now_ms - t <= FRESH_MS) & ~np.isnan(picture.pos_time[:n])
        found = [
            self._wind(int(slot), int(t[slot]), lat_deg, lon_deg, now_ms) for slot in np.flatnonzero(fresh)
        ]
        return sorted((w for w in found if w.distance_m <= within_m), key=lambda w: w.distance_m)

    def _wind(self, slot: int, t_utc_ms: int, lat_deg: float, lon_deg: float, now_ms: int) -> Wind:
        picture = self._picture
        lat, lon = int(picture.pos[0, slot]) / 1e7, int(picture.pos[1, slot]) / 1e7

        def value(name: str) -> float:
            return float(scaled(FIELDS_BY_NAME[name], int(picture.value[CHANNEL[name], slot])))

        more = {name: value(name) for name in MORE if now_ms - picture.time[CHANNEL[name], slot] <= FRESH_MS}
        return Wind(
            self._units.rows[slot].id, lat, lon, value("wind_dmps"), value("wind_from_deg"), t_utc_ms,
            now_ms - t_utc_ms, metres_between(lat_deg, lon_deg, lat, lon), more,
        )  # fmt: skip

    def wind_at(self, lat_deg: float, lon_deg: float, now_ms: int) -> Wind | None:
        """Of the nearest fresh station; None: nobody measures within 50 km."""
        return next(iter(self.near(lat_deg, lon_deg, now_ms)), None)

    def mean(self, winds: Sequence[Wind]) -> MeanWind | None:
        """Of these stations, each counted once: direction by unit vectors, speed by its plain mean."""
        if not winds:
            return None
        direction, spread = circular_mean([w.from_deg for w in winds])
        return MeanWind(direction, spread, sum(w.speed_mps for w in winds) / len(winds), tuple(winds))
