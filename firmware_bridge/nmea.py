"""The words of NMEA 0183: numbers, times, dates and positions out of the text of one sentence.

Enters: fields as bytes. Leaves: integers in the project's units, or None for an empty or a wrong field.
Called by the epoch assembler. Exact: no number ever passes through floating point.
**Source:** NMEA 0183 version 4.11; field orders as in gpsd's "NMEA Revealed".
"""

from datetime import date
from functools import lru_cache

from protocols.samples import FixMode
from protocols.units import (
    LAT_DEG_E9_MAX,
    LON_DEG_E9_MAX,
    MMPS_PER_KNOT_E3,
    MS_PER_S,
    divide_half_even,
)

_DIGITS_MAX = 12  # a longer number is damage
_UNIX_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MINUTES_PER_DEG = 60
_CENTURY_PIVOT = 80  # two-digit years from 80 are 19xx: GPS began in January 1980

MODE_BY_QUALITY = {
    b"1": FixMode.FIX_3D,
    b"2": FixMode.DGNSS,
    b"3": FixMode.FIX_3D,
    b"4": FixMode.RTK_FIXED,
    b"5": FixMode.RTK_FLOAT,
    b"6": FixMode.DEAD_RECKONED,
    b"9": FixMode.DGNSS,
}
"""GGA field 6. 0 is void; 7 (typed in) and 8 (simulated) are nobody's position, so they are void too."""

MODE_BY_LETTER = {
    b"": FixMode.FIX_3D,
    b"A": FixMode.FIX_3D,
    b"D": FixMode.DGNSS,
    b"E": FixMode.DEAD_RECKONED,
    b"F": FixMode.RTK_FLOAT,
    b"P": FixMode.DGNSS,
    b"R": FixMode.RTK_FIXED,
}
"""RMC field 12, GLL field 7, each letter of GNS field 6. N, M (typed in) and S (simulated) are void."""

HEADING_LETTERS = (b"A", b"D", b"F", b"P", b"R")
"""THS field 2, as in RMC. E, M, S and V are no measurement of two antennas; nor is an empty one."""


def scaled(text: bytes, places: int) -> int | None:
    """`text` times 10**places, rounded half to even: `scaled(b"-30.46", 1)` is -305. None if it is no number."""
    whole, _, fraction = text.partition(b".")
    negative = whole[:1] == b"-"
    digits = (whole[1:] if negative else whole) + fraction
    if not digits.isdigit() or len(digits) > _DIGITS_MAX:
        return None
    missing = places - len(fraction)
    number = int(digits)
    number = number * 10**missing if missing >= 0 else divide_half_even(number, 10**-missing)
    return -number if negative else number


def degrees_e9(text: bytes, hemisphere: bytes) -> int | None:
    """`ddmm.mmmm` or `dddmm.mmmm` and N, S, E or W -> 1e-9 degrees, rounded half to even."""
    whole, _, fraction = text.partition(b".")
    digits = whole + fraction
    if not digits.isdigit() or len(digits) > _DIGITS_MAX + 3 or len(whole) < 3:
        return None
    minutes = int(whole[-2:] + fraction)
    unit = 10 ** len(fraction)
    if minutes >= _MINUTES_PER_DEG * unit:
        return None
    degrees = int(whole[:-2]) * 10**9 + divide_half_even(minutes * 10**9, _MINUTES_PER_DEG * unit)
    if hemisphere in (b"N", b"S"):
        limit = LAT_DEG_E9_MAX
    elif hemisphere in (b"E", b"W"):
        limit = LON_DEG_E9_MAX
    else:
        return None
    if degrees > limit:
        return None
    return -degrees if hemisphere in (b"S", b"W") else degrees


def position(lat: bytes, north: bytes, lon: bytes, east: bytes) -> tuple[int, int] | None:
    """Four fields -> (lat_deg_e9, lon_deg_e9)."""
    if north not in (b"N", b"S") or east not in (b"E", b"W"):
        return None
    lat_deg_e9, lon_deg_e9 = degrees_e9(lat, north), degrees_e9(lon, east)
    return None if lat_deg_e9 is None or lon_deg_e9 is None else (lat_deg_e9, lon_deg_e9)


def day_ms(text: bytes) -> int | None:
    """`hhmmss` with any fraction -> ms since midnight, 0–86,401,000 (a leap second is 60). None if wrong."""
    whole, _, fraction = text.partition(b".")
    if len(whole) != 6 or not (whole + fraction).isdigit():
        return None
    hours, minutes, seconds = int(whole[:2]), int(whole[2:4]), int(whole[4:])
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    fraction_ms = scaled(b"0." + fraction[:9], 3) if fraction else 0
    return (hours * 3600 + minutes * 60 + seconds) * MS_PER_S + (fraction_ms or 0)


@lru_cache(maxsize=8)
def day_number(day: bytes, month: bytes, year: bytes) -> int | None:
    """Day, month and two- or four-digit year -> days since 1970-01-01. None if there is no such day."""
    if not (day + month + year).isdigit() or len(year) not in (2, 4):
        return None
    full_year = int(year)
    if len(year) == 2:
        full_year += 1900 if full_year >= _CENTURY_PIVOT else 2000
    try:
        return date(full_year, int(month), int(day)).toordinal() - _UNIX_EPOCH_DAY
    except ValueError:
        return None


def knots_to_mmps(text: bytes) -> int | None:
    """Knots, >= 0 -> mm/s."""
    knots_e3 = scaled(text, 3)
    return None if knots_e3 is None or knots_e3 < 0 else divide_half_even(knots_e3 * MMPS_PER_KNOT_E3, 10**6)


def kmph_to_mmps(text: bytes) -> int | None:
    """Kilometres an hour, >= 0 -> mm/s."""
    mph = scaled(text, 3)
    return None if mph is None or mph < 0 else divide_half_even(mph * 10, 36)


def course_cdeg(text: bytes) -> int | None:
    """Degrees from true north -> 0.01 degrees, 0–35999."""
    cdeg = scaled(text, 2)
    return None if cdeg is None or not -36_000 <= cdeg <= 72_000 else cdeg % 36_000


def heading_cdeg(kind: bytes, body: bytes) -> int | None:
    """HDT, THS or PASHR -> where the vehicle points, 0.01 degrees from true north, 0–35999; None if not valid.

    THS says by a letter how it was found (E is dead reckoning), PASHR by a number in its tenth field.
    """
    fields = body.split(b",", 11)
    if kind == b"HDT,":
        return course_cdeg(fields[1]) if len(fields) == 3 and fields[2] == b"T" else None
    if kind == b"THS,":
        return course_cdeg(fields[1]) if len(fields) == 3 and fields[2] in HEADING_LETTERS else None
    valid = body[:2] == b"PA" and len(fields) == 12 and fields[3] == b"T" and fields[10] not in (b"", b"0")
    return course_cdeg(fields[2]) if valid else None
