"""Reads recorded tracks: GPX files and our own CSV.

Enters: a `.gpx`, `.csv` or `.csv.gz` file. Leaves: points in the order of time. Called by the player and by
drills. The CSV has one header line, `t_utc_s,lat_deg_e7,lon_deg_e7,alt_dm,speed_mmps,hr_bpm`; an empty cell is missing.
**Source:** GPX 1.1 schema, topografix.com/GPX/1/1.
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import atan2, cos, degrees, radians
from pathlib import Path
from xml.parsers import expat

from firmware_bridge.nmea import scaled
from protocols.samples import Fix, FixMode
from protocols.units import E9_PER_E7, LAT_DEG_E9_MAX, LON_DEG_E9_MAX, MM_PER_DM, MS_PER_S

COLUMNS = ("t_utc_s", "lat_deg_e7", "lon_deg_e7", "alt_dm", "speed_mmps", "hr_bpm")
POINTS_MAX = 1_000_000
SUFFIXES = (".gpx", ".csv", ".csv.gz")

_RANGES = {
    "t_utc_s": (0, 2**33),
    "lat_deg_e7": (-LAT_DEG_E9_MAX // E9_PER_E7, LAT_DEG_E9_MAX // E9_PER_E7),
    "lon_deg_e7": (-LON_DEG_E9_MAX // E9_PER_E7, LON_DEG_E9_MAX // E9_PER_E7),
    "alt_dm": (-50_000, 1_000_000),
    "speed_mmps": (0, 1_000_000),
    "hr_bpm": (0, 255),
}
_HACC_MM = 3_000  # what we claim for a track, which does not tell its own accuracy
_COURSE_SPEED_MMPS_MIN = 300  # below, the course of a receiver is noise


class TrackError(ValueError):
    """A track file is not what it should be; the message names file, line, what came and what is allowed."""


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """One moment of a track. None: the recorder did not say. Without a position both coordinates are None."""

    t_utc_ms: int
    lat_deg_e9: int | None
    lon_deg_e9: int | None
    alt_mm: int | None = None
    speed_mmps: int | None = None
    heart_bpm: int | None = None


def read_track(path: Path) -> list[TrackPoint]:
    """All points, times strictly rising (others are errors). TrackError, or OSError if the file cannot be read."""
    name = path.name.lower()
    if name.endswith(".gpx"):
        numbered = _read_gpx(path)
    elif name.endswith((".csv", ".csv.gz")):
        numbered = _read_csv(path)
    else:
        raise TrackError(f"{path}: this kind of file is unknown; allowed are {', '.join(SUFFIXES)}")
    points: list[TrackPoint] = []
    for line, point in numbered:
        if points and point.t_utc_ms <= points[-1].t_utc_ms:
            raise TrackError(
                f"{path}:{line}: time {point.t_utc_ms} ms follows {points[-1].t_utc_ms}; times must rise"
            )
        if len(points) >= POINTS_MAX:
            raise TrackError(f"{path}:{line}: more than {POINTS_MAX} points")
        points.append(point)
    if not points:
        raise TrackError(f"{path}: no points; at least one is needed")
    return points


def as_fix(point: TrackPoint, before: TrackPoint | None, t_utc_ms: int) -> Fix:
    """The fix that a good receiver would have given, dated `t_utc_ms`; `before` gives the course."""
    if point.lat_deg_e9 is None or point.lon_deg_e9 is None:
        return Fix(t_utc_ms, FixMode.NONE, sats_used=0, sats_seen=4)
    course = None
    if before is not None and (point.speed_mmps or 0) >= _COURSE_SPEED_MMPS_MIN:
        course = course_cdeg(before, point)
    return Fix(
        t_utc_ms,
        FixMode.FIX_3D if point.alt_mm is not None else FixMode.FIX_2D,
        point.lat_deg_e9,
        point.lon_deg_e9,
        point.alt_mm,
        point.speed_mmps,
        course,
        _HACC_MM,
        sats_used=12,
        sats_seen=20,
        hdop_e2=90,
    )


def course_cdeg(start: TrackPoint, end: TrackPoint) -> int | None:
    """Course from one point to a near one, 0.01 degrees, on a plane; None if they are at the same place."""
    if start.lat_deg_e9 is None or start.lon_deg_e9 is None:
        return None
    if end.lat_deg_e9 is None or end.lon_deg_e9 is None:
        return None
    north = end.lat_deg_e9 - start.lat_deg_e9
    east = (end.lon_deg_e9 - start.lon_deg_e9) * cos(radians(end.lat_deg_e9 / 1e9))
    if north == 0 and east == 0:
        return None
    return round(degrees(atan2(east, north)) * 100) % 36_000


def _read_csv(path: Path) -> Iterator[tuple[int, TrackPoint]]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if tuple(header) != COLUMNS:
                raise TrackError(f"{path}:1: header {','.join(header)!r}; needed is {','.join(COLUMNS)!r}")
            for row in rows:
                yield rows.line_num, _point(f"{path}:{rows.line_num}", row)
    except (UnicodeDecodeError, csv.Error, EOFError, gzip.BadGzipFile) as error:
        raise TrackError(f"{path}: {error}; needed is UTF-8 text, plain or gzip by its suffix") from error


def _point(where: str, row: list[str]) -> TrackPoint:
    if len(row) != len(COLUMNS):
        raise TrackError(f"{where}: {len(row)} cells; needed are {len(COLUMNS)}")
    cells = [_cell(where, name, text) for name, text in zip(COLUMNS, row, strict=True)]
    t_utc_s, lat_deg_e7, lon_deg_e7, alt_dm, speed_mmps, heart_bpm = cells
    if t_utc_s is None:
        raise TrackError(f"{where}: t_utc_s is empty; every point needs a time")
    if (lat_deg_e7 is None) != (lon_deg_e7 is None):
        raise TrackError(f"{where}: only one of lat_deg_e7 and lon_deg_e7; allowed are both or none")
    return TrackPoint(
        t_utc_s * MS_PER_S,
        None if lat_deg_e7 is None else lat_deg_e7 * E9_PER_E7,
        None if lon_deg_e7 is None else lon_deg_e7 * E9_PER_E7,
        None if alt_dm is None else alt_dm * MM_PER_DM,
        speed_mmps,
        heart_bpm,
    )


def _cell(where: str, name: str, text: str) -> int | None:
    if not text:
        return None
    low, high = _RANGES[name]
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text)
    if (
        not (digits.isascii() and digits.isdigit())
        or len(digits) > 12
        or not low <= sign * int(digits) <= high
    ):
        raise TrackError(f"{where}: {name} {text!r}; allowed are integers {low}–{high} or nothing")
    return sign * int(digits)


def _read_gpx(path: Path) -> Iterator[tuple[int, TrackPoint]]:
    reader = _GpxReader(path)
    yield from reader.read()


class _GpxReader:
    """Collects `trkpt` elements with their line numbers, which ElementTree would not give."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._points: list[tuple[int, TrackPoint]] = []
        self._open: dict[str, str] | None = None
        self._line = 0
        self._text = ""
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self) -> list[tuple[int, TrackPoint]]:
        try:
            self._parser.Parse(self._path.read_bytes(), True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise TrackError(f"{self._path}:{error.lineno}: {what}; needed is XML") from error
        return self._points

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._text = ""
        if name.rpartition(":")[2] == "trkpt":
            self._open = dict(attributes)
            self._line = self._parser.CurrentLineNumber

    def _characters(self, text: str) -> None:
        if self._open is not None:
            self._text += text

    def _doctype(self, *_: object) -> None:
        # Entities can make a small file grow without bound, and no GPX needs them.
        raise TrackError(f"{self._path}:{self._parser.CurrentLineNumber}: a DOCTYPE; GPX has none")

    def _end(self, name: str) -> None:
        if self._open is None:
            return
        name = name.rpartition(":")[2]
        if name == "trkpt":
            self._points.append((self._line, self._finish(self._open)))
            self._open = None
        elif name in ("ele", "time", "hr", "speed"):
            self._open[name] = self._text.strip()
        self._text = ""

    def _finish(self, said: dict[str, str]) -> TrackPoint:
        where = f"{self._path}:{self._line}"
        lat_deg_e9 = _decimal(where, "lat", said.get("lat"), 9, LAT_DEG_E9_MAX)
        lon_deg_e9 = _decimal(where, "lon", said.get("lon"), 9, LON_DEG_E9_MAX)
        if lat_deg_e9 is None or lon_deg_e9 is None:
            raise TrackError(f"{where}: a point without lat or lon; both are needed")
        return TrackPoint(
            _time_ms(where, said.get("time")),
            lat_deg_e9,
            lon_deg_e9,
            _decimal(where, "ele", said.get("ele"), 3, 10**8),
            _decimal(where, "speed", said.get("speed"), 3, 10**6),
            _decimal(where, "hr", said.get("hr"), 0, 255),
        )


def _decimal(where: str, name: str, text: str | None, places: int, limit: int) -> int | None:
    """Decimal text times 10**places, within ±limit; digits beyond 12 in all are cut (0.1 mm)."""
    if not text:
        return None
    whole, _, fraction = text.partition(".")
    number = scaled(f"{whole}.{fraction[: max(0, 12 - len(whole))]}".encode("utf-8", "replace"), places)
    if number is None or abs(number) > limit:
        allowed = f"decimal numbers within ±{limit / 10**places:g}"
        raise TrackError(f"{where}: {name} {text!r}; allowed are {allowed}")
    return number


def _time_ms(where: str, text: str | None) -> int:
    try:
        when = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise TrackError(f"{where}: time {text!r}; needed is ISO 8601 as 2026-01-31T12:00:00Z") from error
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * MS_PER_S + since.microseconds // 1_000
