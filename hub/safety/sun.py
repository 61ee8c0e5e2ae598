"""When the sun sets: the daylight term of the retreat rule.

Enters: a place, a time. Leaves: UTC ms. Pure. Caller: `hub.safety.entry_retreat`.

**Source:** NOAA Global Monitoring Laboratory, "General Solar Position Calculations" (fractional year, equation of time,
declination); sunset where the centre of the sun stands 0.833° below the horizon, refraction and its radius allowed for.
Within two minutes of published tables between 60° south and north.
"""

import math
from datetime import UTC, datetime

from protocols.units import MS_PER_DAY

SUNSET_ZENITH_DEG = 90.833
MS_PER_MINUTE = 60_000


def sunset_ms(lat_deg: float, lon_deg: float, t_utc_ms: int) -> int | None:
    """The sunset of the local solar day that `t_utc_ms` is in, UTC ms; it may be past. None: the sun does not set that
    day, or does not rise."""
    solar_ms = t_utc_ms + round(lon_deg / 360 * MS_PER_DAY)  # the day begins at the place's own midnight
    day_ms = solar_ms // MS_PER_DAY * MS_PER_DAY
    day = datetime.fromtimestamp(day_ms / 1000, UTC)
    # The sun of about that hour: it moves by a minute a day in spring.
    year_rad = 2 * math.pi / _days(day.year) * (day.timetuple().tm_yday - 1 + (18 - 12) / 24)
    minutes = _sunset_minutes(lat_deg, year_rad)
    return None if minutes is None else day_ms + round((minutes - 4 * lon_deg) * MS_PER_MINUTE)


def _days(year: int) -> int:
    return 366 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 365


def _sunset_minutes(lat_deg: float, year_rad: float) -> float | None:
    """Minutes after midnight of the place's mean solar time."""
    g = year_rad
    equation_min = 229.18 * (
        0.000075 + 0.001868 * math.cos(g) - 0.032077 * math.sin(g) - 0.014615 * math.cos(2 * g)
        - 0.040849 * math.sin(2 * g)
    )  # fmt: skip
    declination = (
        0.006918 - 0.399912 * math.cos(g) + 0.070257 * math.sin(g) - 0.006758 * math.cos(2 * g)
        + 0.000907 * math.sin(2 * g) - 0.002697 * math.cos(3 * g) + 0.00148 * math.sin(3 * g)
    )  # fmt: skip
    lat = math.radians(lat_deg)
    cosine = math.cos(math.radians(SUNSET_ZENITH_DEG)) / (math.cos(lat) * math.cos(declination)) - math.tan(
        lat
    ) * math.tan(declination)
    if not -1 <= cosine <= 1:
        return None
    return 720 + 4 * math.degrees(math.acos(cosine)) - equation_min
