"""`zhantu-sim sizes`: bytes a fix over real tracks, beside other formats that carry the same thirteen fields.

Enters: tracks. Leaves: one table, or one JSON object. The fields: time, device, latitude, longitude,
altitude, speed, course, battery, heart rate and four gases. Battery and gases are synthetic (tracks have
none), course is the track's own bearing from point to point, speed and heart rate are the track's. Caller:
`sim.cli`.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import msgpack

from protocols import frame
from protocols.catalog import PAGE_BITS, ClockSource, Kind, Lane, Stream, field_id
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.laws.reckon import ERROR_M, T_MAX_S
from protocols.units import METRES_PER_DEG_LAT, deg_e7, dm, dmps
from sim import sizes_narrow
from sim.access import AccessError
from sim.tracks import read_track
from sim.world import Drift, generator

PROFILES = ("ip", "narrow")
FIXES_MAX = frame.ROWS_MAX
DEVICE = 41_277
CALLSIGN = "济南消防-07"
BOOT = 0xC3A5_91E2_7D48_06BF
ROW_FIRST = 43_210
"""Half a day into a boot at 1 Hz: realistic numbers cost more bytes than 0 does."""
MOVING_MPS = 0.5
SPEED_TEST_FRAMES = 2_000
_NAMES = (
    *("lat_deg_e7", "lon_deg_e7", "alt_dm", "speed_dmps", "course_deg", "battery_pct", "heart_bpm"),
    *("lel_permille", "o2_permille", "co_ppm", "h2s_dppm"),
)
_BIT = {name: field_id(name) % PAGE_BITS for name in _NAMES}

EPILOG = f"""\
the thirteen fields: time, device, latitude, longitude, altitude, speed, course, battery, heart rate, LEL, O2,
CO, H2S. Synthetic, from a fixed seed: battery (falls 10 %/h) and the four gases, in three cases: clean air (a
detector holds 0 / 20.9 / 0 / 0 below its dead band), small clouds a tenth of the time, and every gas flickering by
itself each second as the bad case. One-fix frames are in clean air. Course is the track's own bearing. Frames
hold consecutive fixes, header and 8-byte MAC included: device {DEVICE}, a 64-bit boot, rows from {ROW_FIRST:,}
on, UTC known. MQTT's own bytes are not counted for any format.

--json gives {{"profile", "fixes", "tracks": [...]}}; each track: "track", "points", and bytes a fix of
  "ours", "ours_cloudy", "ours_restless"   means over all frames of --fixes fixes: the three cases
  "ours_one_median", "ours_one_max", "ours_one_mean"   frames of one fix, as sent live
  "cot_full", "cot_minimal", "json", "msgpack"         means, one message a fix
with --speed-test also "pack_fixes_per_s" and "unpack_fixes_per_s" (this process, frames of --fixes fixes).

{sizes_narrow.EPILOG}"""


@dataclass(frozen=True, slots=True)
class Point:
    """One fix of a track with the thirteen fields (the device is DEVICE). None: the track has no such value."""

    t_utc_ms: int
    lat_deg_e7: int
    lon_deg_e7: int
    alt_dm: int | None
    speed_dmps: int | None
    course_deg: int
    battery_pct: int
    heart_bpm: int | None
    lel_permille: int
    o2_permille: int
    co_ppm: int
    h2s_dppm: int


@dataclass(frozen=True, slots=True)
class RawPoint:
    """What a track itself says."""

    t_utc_ms: int
    lat_deg_e7: int
    lon_deg_e7: int
    alt_dm: int | None = None
    speed_dmps: int | None = None
    heart_bpm: int | None = None


GasSource = Callable[[float], tuple[int, int, int, int]]
"""Seconds since the last fix -> LEL ‰, O2 ‰, CO ppm, H2S 0.1 ppm."""


def clean_air(_dt_s: float) -> tuple[int, int, int, int]:
    """What a detector shows nearly always: its makers hold the display at zero below a dead band."""
    return 0, 209, 0, 0


def cloudy_gas() -> GasSource:
    """A four-gas detector among small clouds: cells with a slow response, zero shown below the dead band, a
    tenth of the time above it. Oxygen flickers between steps."""
    names = ("lel", "o2", "co", "h2s")
    drifts = [Drift(1, 90, generator(1, "sizes", name)) for name in names]

    def step(dt_s: float) -> tuple[int, int, int, int]:
        lel, o2, co, h2s = (drift.advance(min(600.0, max(0.1, dt_s))) for drift in drifts)
        # Scale and dead band: 1 % LEL, 0.1 % of oxygen, 3 ppm CO, 0.5 ppm H2S.
        return (
            round(8 * lel) if 8 * lel > 10 else 0,
            209 + round(0.6 * o2),
            round(2.5 * co) if 2.5 * co > 3 else 0,
            round(4 * h2s) if 4 * h2s > 5 else 0,
        )

    return step


def restless_gas() -> GasSource:
    """The bad case: every channel flickers by itself each second, as cells without any filter would."""
    rng = generator(1, "sizes", "restless")

    def step(_dt_s: float) -> tuple[int, int, int, int]:
        lel, co, h2s = (rng.choices((0, 1, 2), (80, 14, 6))[0] for _ in range(3))
        return lel, rng.choices((208, 209, 210), (10, 80, 10))[0], co, h2s

    return step


def complete(raw: Sequence[RawPoint], gas: GasSource = clean_air) -> list[Point]:
    """Adds the course along the track and the synthetic battery and gases."""
    points: list[Point] = []
    for fix, (course_deg, speed_mps) in zip(raw, _courses(raw), strict=True):
        hours = (fix.t_utc_ms - raw[0].t_utc_ms) / 3_600_000
        dt_s = (fix.t_utc_ms - points[-1].t_utc_ms) / 1_000 if points else 1.0
        speed_dmps = fix.speed_dmps if fix.speed_dmps is not None else round(10 * speed_mps)
        lel_permille, o2_permille, co_ppm, h2s_dppm = gas(dt_s)
        points.append(
            Point(
                t_utc_ms=fix.t_utc_ms,
                lat_deg_e7=fix.lat_deg_e7,
                lon_deg_e7=fix.lon_deg_e7,
                alt_dm=fix.alt_dm,
                speed_dmps=min(10_000, speed_dmps),
                course_deg=course_deg,
                battery_pct=max(5, round(97 - 10 * hours)),
                heart_bpm=fix.heart_bpm,
                lel_permille=lel_permille,
                o2_permille=o2_permille,
                co_ppm=co_ppm,
                h2s_dppm=h2s_dppm,
            )
        )
    return points


def _courses(raw: Sequence[RawPoint]) -> list[tuple[int, float]]:
    """Bearing (degrees) and speed (m/s) from each point to the next; a standing receiver keeps its course."""
    out: list[tuple[int, float]] = []
    course_deg = 0
    for a, b in pairwise(raw):
        north_m = (b.lat_deg_e7 - a.lat_deg_e7) * 1e-7 * METRES_PER_DEG_LAT
        scale = METRES_PER_DEG_LAT * math.cos(math.radians(a.lat_deg_e7 * 1e-7))
        east_m = (b.lon_deg_e7 - a.lon_deg_e7) * 1e-7 * scale
        dt_s = max(0.001, (b.t_utc_ms - a.t_utc_ms) / 1_000)
        speed_mps = math.hypot(east_m, north_m) / dt_s
        if speed_mps >= MOVING_MPS:
            course_deg = round(math.degrees(math.atan2(east_m, north_m))) % 360
        out.append((course_deg, speed_mps))
    return [*out, out[-1] if out else (0, 0.0)]


def rows_of(points: Sequence[Point]) -> list[Row]:
    """Rows of page STATE, their times on the clock of a boot that began half a day before."""
    zero_ms = _utc_zero_ms(points)
    rows = []
    for point in points:
        values = {_BIT[name]: getattr(point, name) for name in _NAMES}
        known = {bit: value for bit, value in values.items() if value is not None}
        rows.append(Row(point.t_utc_ms - zero_ms, known))
    return rows


def _utc_zero_ms(points: Sequence[Point]) -> int:
    return points[0].t_utc_ms - ROW_FIRST * 1_000 - 417


def frames_of(points: Sequence[Point], fixes: int) -> list[bytes]:
    """The track as frames of `fixes` consecutive fixes; a shorter rest at the end is left out."""
    key, rows, zero_ms = MacKey(bytes(32), "live"), rows_of(points), _utc_zero_ms(points)
    return [
        frame.pack(
            key,
            kind=Kind.STATE,
            lane=Lane.LIVE,
            device=DEVICE,
            boot=BOOT,
            stream=Stream.ROWS,
            row=ROW_FIRST + at,
            rows=rows[at : at + fixes],
            utc_zero_ms=zero_ms,
            clock_source=ClockSource.GNSS,
        )
        for at in range(0, len(rows) - fixes + 1, fixes)
    ]


# --- other formats -----------------------------------------------------------------------------------


def _iso(t_utc_ms: int) -> str:
    when = datetime.fromtimestamp(t_utc_ms / 1_000, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{t_utc_ms % 1_000:03d}Z"


def _plain(point: Point) -> dict[str, Any]:
    """The thirteen fields under names and in units that a programmer would choose without thinking."""
    return {
        "device": DEVICE,
        "time": point.t_utc_ms,
        "lat": point.lat_deg_e7 / 1e7,
        "lon": point.lon_deg_e7 / 1e7,
        "alt": None if point.alt_dm is None else point.alt_dm / 10,
        "speed": None if point.speed_dmps is None else point.speed_dmps / 10,
        "course": point.course_deg,
        "battery": point.battery_pct,
        "heart_rate": point.heart_bpm,
        "lel": point.lel_permille / 10,
        "o2": point.o2_permille / 10,
        "co": point.co_ppm,
        "h2s": point.h2s_dppm / 10,
    }


def as_json(point: Point) -> bytes:
    """Compact JSON, no blanks."""
    return json.dumps(_plain(point), separators=(",", ":")).encode()


def as_msgpack(point: Point) -> bytes:
    """A msgpack map with names and doubles."""
    data: bytes = msgpack.packb(_plain(point))
    return data


def _cot_start(point: Point, stale_s: int) -> str:
    now, stale = _iso(point.t_utc_ms), _iso(point.t_utc_ms + 1_000 * stale_s)
    hae = "9999999.0" if point.alt_dm is None else f"{point.alt_dm / 10:.1f}"
    return (
        f'<event version="2.0" uid="ZT-{DEVICE}" type="a-f-G-U-C" how="m-g" time="{now}" start="{now}" '
        f'stale="{stale}"><point lat="{point.lat_deg_e7 / 1e7:.7f}" lon="{point.lon_deg_e7 / 1e7:.7f}" '
        f'hae="{hae}" ce="9999999.0" le="9999999.0"/><detail>'
    )


def _cot_values(point: Point) -> str:
    speed = 0 if point.speed_dmps is None else point.speed_dmps / 10
    heart = "" if point.heart_bpm is None else f' hr="{point.heart_bpm}"'
    return (
        f'<track course="{point.course_deg}" speed="{speed}"/><status battery="{point.battery_pct}"/>'
        f'<sensors{heart} lel="{point.lel_permille / 10}" o2="{point.o2_permille / 10}" '
        f'co="{point.co_ppm}" h2s="{point.h2s_dppm / 10}"/>'
    )


def as_cot_minimal(point: Point) -> bytes:
    """Cursor on Target with what the thirteen fields need, and nothing a client needs beside."""
    return f"{_cot_start(point, 75)}{_cot_values(point)}</detail></event>".encode()


def as_cot_full(point: Point) -> bytes:
    """Cursor on Target as a client sends its own position: so that others list it as a user."""
    client = (
        f'<takv device="Gateway" platform="ATAK-CIV" os="12" version="4.10.0"/>'
        f'<contact callsign={quoteattr(CALLSIGN)} endpoint="*:-1:stcp"/><uid Droid={quoteattr(CALLSIGN)}/>'
        f'<precisionlocation altsrc="GPS" geopointsrc="GPS"/><__group name="Cyan" role="Team Member"/>'
    )
    xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    return f"{xml}{_cot_start(point, 75)}{client}{_cot_values(point)}</detail></event>".encode()


# --- measuring ---------------------------------------------------------------------------------------


def _mean(sizes: Iterable[int]) -> float:
    return round(statistics.fmean(sizes), 2)


def _a_fix(points: Sequence[Point], fixes: int) -> float:
    """Bytes a fix in frames of `fixes`, over all of them."""
    batches = [len(data) for data in frames_of(points, fixes)]
    return round(sum(batches) / (fixes * len(batches)), 2)


def measure(name: str, raw: Sequence[RawPoint], fixes: int) -> dict[str, Any]:
    """The sizes over one track, under the keys that --help describes. Needs at least `fixes` points."""
    points = complete(raw)
    ones = [len(data) for data in frames_of(points, 1)]
    return {
        "track": name,
        "points": len(points),
        "ours": _a_fix(points, fixes),
        "ours_cloudy": _a_fix(complete(raw, cloudy_gas()), fixes),
        "ours_restless": _a_fix(complete(raw, restless_gas()), fixes),
        "ours_one_median": statistics.median_low(ones),
        "ours_one_max": max(ones),
        "ours_one_mean": _mean(ones),
        "cot_full": _mean(len(as_cot_full(point)) for point in points),
        "cot_minimal": _mean(len(as_cot_minimal(point)) for point in points),
        "json": _mean(len(as_json(point)) for point in points),
        "msgpack": _mean(len(as_msgpack(point)) for point in points),
    }


def speed(points: Sequence[Point], fixes: int, clock: Callable[[], float]) -> dict[str, int]:
    """Fixes a second that this process packs and unpacks (MAC made and checked)."""
    points = points[: fixes * SPEED_TEST_FRAMES]
    key, rows = MacKey(bytes(32), "live"), rows_of(points)
    batches = [rows[at : at + fixes] for at in range(0, len(rows) - fixes + 1, fixes)]
    zero_ms = _utc_zero_ms(points)
    begin = clock()
    packed = [
        frame.pack(
            key,
            kind=Kind.STATE,
            lane=Lane.LIVE,
            device=DEVICE,
            boot=BOOT,
            stream=Stream.ROWS,
            row=ROW_FIRST,
            rows=batch,
            utc_zero_ms=zero_ms,
            clock_source=ClockSource.GNSS,
        )
        for batch in batches
    ]
    middle = clock()
    for data in packed:
        frame.decode(frame.open_envelope(data, key))
    end = clock()
    count = fixes * len(batches)
    return {
        "pack_fixes_per_s": round(count / max(1e-9, middle - begin)),
        "unpack_fixes_per_s": round(count / max(1e-9, end - middle)),
    }


def read(path: Path) -> list[RawPoint]:
    """A track file's points that have a position. TrackError or OSError when it cannot be used."""
    return [
        RawPoint(
            point.t_utc_ms,
            deg_e7(point.lat_deg_e9),
            deg_e7(point.lon_deg_e9),
            None if point.alt_mm is None else dm(point.alt_mm),
            None if point.speed_mmps is None else dmps(point.speed_mmps),
            point.heart_bpm,
        )
        for point in read_track(path)
        if point.lat_deg_e9 is not None and point.lon_deg_e9 is not None
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("tracks", nargs="+", metavar="TRACK", help=".gpx, .csv or .csv.gz")
    parser.add_argument("--fixes", type=int, default=10, help=f"fixes a frame, 1–{FIXES_MAX} (default 10)")
    parser.add_argument("--profile", default="ip", help="ip or narrow (default ip)")
    budgets = ",".join(map(str, sizes_narrow.BUDGETS))
    parser.add_argument(
        "--budget", default=budgets, help=f"bytes a message, with --profile narrow (default {budgets})"
    )
    parser.add_argument("--speed-test", action="store_true", help="also measure packing and unpacking")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """The whole command."""
    if args.profile not in PROFILES:
        raise AccessError(f"--profile: {args.profile!r}, allowed: {', '.join(PROFILES)}")
    if args.profile == "narrow":
        return _run_narrow(args)
    if not 1 <= args.fixes <= FIXES_MAX:
        raise AccessError(f"--fixes: {args.fixes}, 1–{FIXES_MAX} allowed")
    results = []
    for name in args.tracks:
        raw = read(Path(name))
        if len(raw) < args.fixes:
            raise AccessError(f"{name}: {len(raw)} fixes, at least --fixes ({args.fixes}) are needed")
        result = measure(Path(name).name, raw, args.fixes)
        if args.speed_test:
            result.update(speed(complete(raw), args.fixes, time.perf_counter))
        results.append(result)
    if args.json:
        print(json.dumps({"profile": args.profile, "fixes": args.fixes, "tracks": results}))
    else:
        print(table(results, args.fixes))
    return 0


def _budgets(text: str) -> list[int]:
    words = text.split(",")
    lo, hi = sizes_narrow.BUDGET_MIN, sizes_narrow.BUDGET_MAX
    if not all(word.isascii() and word.isdecimal() and lo <= int(word) <= hi for word in words):
        raise AccessError(f"--budget: {text!r}, allowed are whole numbers {lo}–{hi}, with commas between")
    return [int(word) for word in words]


def _run_narrow(args: argparse.Namespace) -> int:
    budgets, results = _budgets(args.budget), []
    for name in args.tracks:
        raw = read(Path(name))
        if len(raw) < sizes_narrow.TEN:
            raise AccessError(f"{name}: {len(raw)} fixes, at least {sizes_narrow.TEN} are needed")
        points = complete(raw)
        rows, zero_ms = rows_of(points), _utc_zero_ms(points)
        result = sizes_narrow.measure(Path(name).name, rows, budgets, DEVICE, BOOT, zero_ms)
        if args.speed_test:
            result.update(sizes_narrow.speed(rows, DEVICE, zero_ms, time.perf_counter))
        results.append(result)
    if args.json:
        law = {"error_m": ERROR_M, "t_max_s": T_MAX_S}
        print(json.dumps({"profile": "narrow", "budgets": budgets, **law, "tracks": results}))
    else:
        print(sizes_narrow.table(results))
    return 0


def table(results: Sequence[dict[str, Any]], fixes: int) -> str:
    """The results as text: one row a format, one column a track."""
    lines = [
        (f"ours, {fixes} fixes a frame, clean air", "ours"),
        (f"ours, {fixes} fixes, small gas clouds", "ours_cloudy"),
        (f"ours, {fixes} fixes, all gases restless", "ours_restless"),
        ("ours, one-fix live frame, median", "ours_one_median"),
        ("ours, one-fix live frame, max", "ours_one_max"),
        ("msgpack map with names", "msgpack"),
        ("JSON", "json"),
        ("CoT XML, minimal", "cot_minimal"),
        ("CoT XML, full", "cot_full"),
    ]
    widths = [max(10, len(result["track"])) for result in results]
    head = "  ".join(result["track"].rjust(width) for result, width in zip(results, widths, strict=True))
    out = [
        "Bytes a fix, 13 fields (battery and gases synthetic); header and MAC included.",
        f"{'':36}  {head}",
    ]
    for title, key in lines:
        cells = (f"{result[key]:g}".rjust(width) for result, width in zip(results, widths, strict=True))
        out.append(f"{title:36}  {'  '.join(cells)}")
    for result in results:
        if "pack_fixes_per_s" in result:
            out.append(
                f"{result['track']}: packs {result['pack_fixes_per_s']:,} and unpacks "
                f"{result['unpack_fixes_per_s']:,} fixes/s in frames of {fixes}"
            )
    return "\n".join(out)
