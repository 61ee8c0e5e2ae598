"""Builds NMEA sentences: what an emulated receiver sends, and the GGA that an NTRIP caster wants.

Enters: a `Fix`. Leaves: whole lines with checksum and line end. Called by `sim.devices` and by tests.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from firmware_bridge.framing import nmea_checksum
from protocols.samples import Fix, FixMode
from protocols.units import MMPS_PER_KNOT_E3, MS_PER_S, divide_half_even

PLACES_DEFAULT = 5
"""Digits after the point of the minutes; 5 is 1.9 cm, what most receivers send. 8 keeps every nanodegree."""

_QUALITY = {
    FixMode.NONE: 0,
    FixMode.DEAD_RECKONED: 6,
    FixMode.FIX_2D: 1,
    FixMode.FIX_3D: 1,
    FixMode.DGNSS: 2,
    FixMode.RTK_FLOAT: 5,
    FixMode.RTK_FIXED: 4,
}
_LETTER = {
    FixMode.NONE: "N",
    FixMode.DEAD_RECKONED: "E",
    FixMode.FIX_2D: "A",
    FixMode.FIX_3D: "A",
    FixMode.DGNSS: "D",
    FixMode.RTK_FLOAT: "F",
    FixMode.RTK_FIXED: "R",
}


def sentence(body: str) -> bytes:
    """`body` between "$" and "*", ASCII -> the whole line."""
    raw = body.encode("ascii")
    return b"$%b*%02X\r\n" % (raw, nmea_checksum(raw))


def build_gga(
    fix: Fix, talker: str = "GN", places: int = PLACES_DEFAULT, corrections_age_ds: int | None = None
) -> bytes:
    """GGA. A fix of mode NONE has an empty position and quality 0."""
    position = _position(fix, places)
    sats = "" if fix.sats_used is None else f"{fix.sats_used:02d}"
    height = "" if fix.alt_mm is None or fix.mode is FixMode.NONE else _decimal(fix.alt_mm, 3)
    hdop = "" if fix.hdop_e2 is None else _decimal(fix.hdop_e2, 2)
    head = f"{talker}GGA,{_time(fix)},{position},{_QUALITY[fix.mode]}"
    age = "" if corrections_age_ds is None else _decimal(corrections_age_ds, 1)
    return sentence(f"{head},{sats},{hdop},{height},M,,M,{age},{'0000' if age else ''}")


def build_rmc(fix: Fix, talker: str = "GN", places: int = PLACES_DEFAULT) -> bytes:
    """RMC with status, speed, course, date and mode letter."""
    status = "A" if fix.mode else "V"
    speed = (
        ""
        if fix.speed_mmps is None
        else _decimal(divide_half_even(fix.speed_mmps * 10**6, MMPS_PER_KNOT_E3), 3)
    )
    course = "" if fix.course_cdeg is None else _decimal(fix.course_cdeg, 2)
    date = "" if fix.t_utc_ms is None else f"{_when(fix.t_utc_ms):%d%m%y}"
    head = f"{talker}RMC,{_time(fix)},{status},{_position(fix, places)}"
    return sentence(f"{head},{speed},{course},{date},,,{_LETTER[fix.mode]}")


def build_gsa(fix: Fix, talker: str = "GN", numbers: Sequence[int] = (), system: int | None = None) -> bytes:
    """GSA: 1 without a fix, 2 or 3 dimensions; up to 12 satellites, and NMEA 4.11's system id (1 GPS … 6 NavIC)."""
    dimensions = 1 if not fix.mode else 2 if fix.mode is FixMode.FIX_2D else 3
    hdop = "" if fix.hdop_e2 is None else _decimal(fix.hdop_e2, 2)
    listed = ",".join([f"{number:02d}" for number in numbers] + [""] * (12 - len(numbers)))
    last = "" if system is None else f",{system}"
    return sentence(f"{talker}GSA,A,{dimensions},{listed},,{hdop},{last}")


def build_gst(fix: Fix, talker: str = "GN") -> bytes:
    """GST: the horizontal accuracy split evenly between north and east."""
    if fix.hacc_mm is None or not fix.mode:
        return sentence(f"{talker}GST,{_time(fix)},,,,,,,")
    one_mm = divide_half_even(fix.hacc_mm * 70_711, 100_000)  # 1/sqrt(2)
    sigma = _decimal(one_mm, 3)
    return sentence(f"{talker}GST,{_time(fix)},,,,,{sigma},{sigma},")


def build_gsv(fix: Fix, talker: str = "GP") -> bytes:
    """GSV with the number of satellites in view, and none listed."""
    return sentence(f"{talker}GSV,1,1,{fix.sats_seen or 0:02d}")


def build_gsvs(talker: str, numbers: Sequence[int], signal: int | None = None) -> Iterator[bytes]:
    """A set of GSV that lists satellites, four a sentence, with the signal id of NMEA 4.11."""
    last = "" if signal is None else f",{signal:X}"
    count = max(1, -(-len(numbers) // 4))
    for index in range(count):
        part = numbers[4 * index : 4 * index + 4]
        listed = "".join(f",{number:02d},{20 + number % 60},{number * 7 % 360:03d},40" for number in part)
        yield sentence(f"{talker}GSV,{count},{index + 1},{len(numbers):02d}{listed}{last}")


def build_hdt(fix: Fix, talker: str = "GN") -> bytes:
    """HDT: the heading of two antennas, empty without one."""
    return sentence(f"{talker}HDT,{_heading(fix)},T")


def build_ths(fix: Fix, talker: str = "GN") -> bytes:
    """THS: the same with a letter, A or V (not valid)."""
    return sentence(f"{talker}THS,{_heading(fix)},{'V' if fix.heading_cdeg is None else 'A'}")


def _heading(fix: Fix) -> str:
    return "" if fix.heading_cdeg is None else _decimal(fix.heading_cdeg, 2)


def build_zda(fix: Fix, talker: str = "GN") -> bytes:
    """ZDA: time and date of four digits."""
    date = ",," if fix.t_utc_ms is None else f"{_when(fix.t_utc_ms):%d,%m,%Y}"
    return sentence(f"{talker}ZDA,{_time(fix)},{date},00,00")


def _position(fix: Fix, places: int) -> str:
    if fix.lat_deg_e9 is None or fix.lon_deg_e9 is None or not fix.mode:
        return ",,,"
    north, east = "NS"[fix.lat_deg_e9 < 0], "EW"[fix.lon_deg_e9 < 0]
    lat, lon = _minutes(abs(fix.lat_deg_e9), 2, places), _minutes(abs(fix.lon_deg_e9), 3, places)
    return f"{lat},{north},{lon},{east}"


def _minutes(deg_e9: int, width: int, places: int) -> str:
    """1e-9 degrees, >= 0 -> `ddmm.mmm`, rounded as a whole so that no 60.000 minutes come out."""
    unit = 10**places
    minutes = divide_half_even(deg_e9 * 60 * unit, 10**9)
    degrees, rest = divmod(minutes, 60 * unit)
    return f"{degrees:0{width}d}{rest // unit:02d}.{rest % unit:0{places}d}"


def _decimal(number: int, places: int) -> str:
    """An integer in units of 10**-places -> decimal text."""
    whole, rest = divmod(abs(number), 10**places)
    return f"{'-' * (number < 0)}{whole}.{rest:0{places}d}"


def _when(t_utc_ms: int) -> datetime:
    return datetime.fromtimestamp(t_utc_ms // MS_PER_S, UTC)


def _time(fix: Fix) -> str:
    return "" if fix.t_utc_ms is None else f"{_when(fix.t_utc_ms):%H%M%S}.{fix.t_utc_ms % MS_PER_S:03d}"
