"""One fix out of all that was said about one moment.

Enters: the sentences of an epoch. Leaves: a `Fix`, and whether its sentences agree. Called by the epoch
assembler when an epoch closes.

A position needs every kind of sentence that speaks of validity (GGA, RMC, GLL, GNS, GSA) to call it valid;
one "void" makes the fix void, and a void fix carries satellite counts and nothing else, not even a time. A
receiver in trouble often repeats a stale time or place in one sentence while another one already says void.
"""

from collections.abc import Callable, Mapping
from math import isqrt

from firmware_bridge import nmea
from protocols.samples import Fix, FixMode
from protocols.units import divide_half_even

UERE_MM = {
    FixMode.FIX_2D: 5_000,
    FixMode.FIX_3D: 5_000,
    FixMode.DGNSS: 2_500,
    FixMode.RTK_FLOAT: 500,
    FixMode.RTK_FIXED: 25,
}
"""Our assumed error along one range, mm: times HDOP it gives `hacc_mm` where a receiver sends no GST.
Cautious round figures for hand-held receivers, not measurements; dead reckoning has none, because its error grows.
**Source:** order of magnitude from the GPS SPS Performance Standard 2020, appendix B (4–7 m)."""

DISAGREEMENT_E9_MAX = 500_000
"""Nanodegrees (55 m of latitude) by which two sentences of one epoch may differ. More is damage that a
checksum did not see: XOR misses one in 256 double errors."""

AGE_DS_MAX = 100_000

_POSITION_AT = {b"GGA": 2, b"GNS": 2, b"RMC": 3, b"GLL": 1}
"""Sentences that bear a fix, best first, and where their four fields of position begin."""

_FIELDS_MIN = 14
_PADDING = [b""] * _FIELDS_MIN  # a short sentence has empty fields, not missing ones

Fields = list[bytes]


class _Claims:
    """What the sentences say: for each kind the best mode of its talkers, and the places of those with a fix."""

    __slots__ = ("bodies", "gga", "modes", "places", "rmc")

    def __init__(self, bodies: Mapping[bytes, bytes]) -> None:
        self.modes: dict[bytes, FixMode] = {}
        self.places: list[Fields] = []
        self.gga: Fields | None = None
        self.rmc: Fields | None = None
        self.bodies: dict[bytes, list[bytes]] = {}
        for name, body in bodies.items():
            self.bodies.setdefault(name[2:], []).append(body)
        for kind, start in _POSITION_AT.items():
            for body in self.bodies.get(kind, ()):
                self._add(kind, start, _split(body))

    def first(self, kind: bytes) -> Fields | None:
        """The fields of the first sentence of a kind."""
        bodies = self.bodies.get(kind)
        return _split(bodies[0]) if bodies else None

    def _add(self, kind: bytes, start: int, fields: Fields) -> None:
        mode = _claim(kind, fields)
        best = self.modes.get(kind)
        if best is None or mode > best:
            self.modes[kind] = mode
            if kind == b"RMC":
                self.rmc = fields
            elif kind == b"GGA" or (kind == b"GNS" and self.gga is None):
                self.gga = fields  # GNS has count, HDOP and height in the same fields
        if mode and (place := fields[start : start + 4]) not in self.places:
            self.places.append(place)


def build_fix(
    bodies: Mapping[bytes, bytes],
    gsa_mode: int,
    vtg: bytes,
    sats_seen: int | None,
    heading_cdeg: int | None,
    dated: Callable[[int | None], int | None],
) -> tuple[Fix, bool]:
    """`bodies` by talker and kind (b"GNGGA"), `gsa_mode` 0 (none seen) or 1–3, `vtg` b"" if there was none.

    `dated` makes a UTC time, ms, or None, from the day since 1970 that the epoch names, or None; it is called
    for valid fixes only. The second value is False if sentences contradict one another or a field is wrong.
    """
    claims = _Claims(bodies)
    gga = claims.gga
    sats_used = int(gga[7]) if gga and gga[7].isdigit() and len(gga[7]) < 4 else None
    mode = _mode(claims, gsa_mode)
    place, sound = _place(claims.places) if mode else (None, True)
    if place is None:
        return Fix(None, FixMode.NONE, sats_used=sats_used, sats_seen=sats_seen), sound
    hdop_e2 = nmea.scaled(gga[8], 2) if gga else None
    speed_mmps, course_cdeg = _velocity(claims.rmc, vtg)
    fix = Fix(
        dated(_day(claims.first(b"ZDA"), claims.rmc)),
        mode,
        place[0],
        place[1],
        nmea.scaled(gga[9], 3) if gga and mode is not FixMode.FIX_2D else None,
        speed_mmps,
        course_cdeg,
        _hacc_mm(claims.first(b"GST"), hdop_e2, mode),
        sats_used,
        sats_seen,
        hdop_e2,
        heading_cdeg,
    )
    return fix, True


def corrections_age_ds(bodies: Mapping[bytes, bytes]) -> int | None:
    """Age of the corrections in use, 0.1 s, from GGA field 13. None where a GGA uses none: some repeat an old age."""
    ages = []
    for name, body in bodies.items():
        if name[2:] == b"GGA":
            fields = _split(body)
            if nmea.MODE_BY_QUALITY.get(fields[6], FixMode.NONE) >= FixMode.DGNSS:
                ages.append(nmea.scaled(fields[13], 1))
    return min((age for age in ages if age is not None and 0 <= age <= AGE_DS_MAX), default=None)


def _split(body: bytes) -> Fields:
    fields = body.split(b",")
    return fields if len(fields) >= _FIELDS_MIN else fields + _PADDING


def _claim(kind: bytes, fields: Fields) -> FixMode:
    """What one sentence says of its own fix; NONE is void."""
    if kind == b"GGA":
        return nmea.MODE_BY_QUALITY.get(fields[6], FixMode.NONE)
    if kind == b"GNS":
        letters = fields[6]
        modes = (nmea.MODE_BY_LETTER.get(letters[i : i + 1], FixMode.NONE) for i in range(len(letters)))
        return max(modes, default=FixMode.NONE)
    status, letter = (fields[2], fields[12]) if kind == b"RMC" else (fields[6], fields[7])
    return nmea.MODE_BY_LETTER.get(letter, FixMode.NONE) if status == b"A" else FixMode.NONE


def _mode(claims: _Claims, gsa_mode: int) -> FixMode:
    """The epoch's mode, by its best kind of sentence; NONE once a kind says void in all its talkers."""
    modes = claims.modes
    if gsa_mode == 1 or not modes or not all(modes.values()):
        return FixMode.NONE
    if FixMode.DEAD_RECKONED in modes.values():
        return FixMode.DEAD_RECKONED  # an old GGA has no number for it, its RMC has the letter
    mode = next(iter(modes.values()))
    if mode is FixMode.FIX_3D:
        has_height = claims.gga is not None and claims.gga[9] != b""
        if gsa_mode == 2 or (gsa_mode == 0 and not has_height):
            return FixMode.FIX_2D
    return mode


def _place(places: list[Fields]) -> tuple[tuple[int, int] | None, bool]:
    """(lat_deg_e9, lon_deg_e9) with the most digits; (None, False) if one is wrong or they contradict another.

    Nobody can say which of two places is the damaged one, so neither is used.
    """
    best, length, first = None, 0, None
    for texts in places:
        place = nmea.position(*texts)
        if place is None:
            return None, False
        if first is None:
            first = place
        elif max(abs(place[0] - first[0]), abs(place[1] - first[1])) > DISAGREEMENT_E9_MAX:
            return None, False
        if len(texts[0]) > length:
            best, length = place, len(texts[0])
    return best, True


def _velocity(rmc: Fields | None, vtg: bytes) -> tuple[int | None, int | None]:
    """Speed, mm/s, and course, 0.01 degrees: from RMC, else from VTG."""
    if rmc is not None and rmc[7]:
        return nmea.knots_to_mmps(rmc[7]), nmea.course_cdeg(rmc[8])
    if not vtg:
        return None, None
    fields = _split(vtg)
    if fields[9] == b"N":  # not valid
        return None, None
    speed_mmps = nmea.knots_to_mmps(fields[5]) if fields[5] else nmea.kmph_to_mmps(fields[7])
    return speed_mmps, nmea.course_cdeg(fields[1])


def _hacc_mm(gst: Fields | None, hdop_e2: int | None, mode: FixMode) -> int | None:
    """From GST's two standard deviations, else HDOP times UERE_MM."""
    if gst is not None:
        north_mm, east_mm = nmea.scaled(gst[6], 3), nmea.scaled(gst[7], 3)
        if north_mm is not None and east_mm is not None:
            return isqrt(north_mm * north_mm + east_mm * east_mm)
    return hacc_mm_from_hdop(hdop_e2, mode)


def hacc_mm_from_hdop(hdop_e2: int | None, mode: FixMode) -> int | None:
    """HDOP times UERE_MM; None without an HDOP, and for dead reckoning."""
    uere_mm = UERE_MM.get(mode)
    return None if hdop_e2 is None or uere_mm is None else divide_half_even(hdop_e2 * uere_mm, 100)


def day_said(kind: bytes, body: bytes) -> int | None:
    """Days since 1970 of a single ZDA, or of an RMC that has a fix; None for any other sentence."""
    fields = _split(body)
    if kind == b"ZDA":
        return _day(fields, None)
    return _day(None, fields) if kind == b"RMC" and _claim(kind, fields) else None


def _day(zda: Fields | None, rmc: Fields | None) -> int | None:
    """Days since 1970: from ZDA, which has four digits of the year, else from RMC."""
    day = nmea.day_number(zda[2], zda[3], zda[4]) if zda is not None else None
    if day is not None or rmc is None or len(rmc[9]) != 6:
        return day
    return nmea.day_number(rmc[9][:2], rmc[9][2:4], rmc[9][4:])
