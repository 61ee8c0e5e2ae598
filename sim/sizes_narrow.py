"""`zhantu-sim sizes --profile narrow`: what fits a message of a narrow way, and what dead reckoning costs and shows.

Enters: the points of a track. Leaves: one dict a track, under the keys that `EPILOG` describes. Caller: `sim.sizes`.
"""

import statistics
from collections.abc import Sequence
from typing import Any

from protocols import narrow
from protocols.catalog import FIELDS_BY_NAME, ClockSource
from protocols.frame import ROWS_MAX, Row
from protocols.keys import MacKey
from protocols.laws.reckon import ERROR_M, T_MAX_S, Trigger, state_of_columns
from protocols.narrow import Head

BUDGETS = (51, 78, 233)
REPORT_BYTES = 63
BUDGET_MIN, BUDGET_MAX = 24, 2_048
TEN = 10
_LAT, _LON = FIELDS_BY_NAME["lat_deg_e7"].bit, FIELDS_BY_NAME["lon_deg_e7"].bit
_SPEED, _COURSE = FIELDS_BY_NAME["speed_dmps"].bit, FIELDS_BY_NAME["course_deg"].bit
_FOUR = {*(FIELDS_BY_NAME[name].bit for name in ("alt_dm", "battery_pct", "heart_bpm")), _LAT, _LON}
_GASES = {FIELDS_BY_NAME[name].bit for name in ("lel_permille", "o2_permille", "co_ppm", "h2s_dppm")}

EPILOG = """\
--profile narrow: frames of protocols.narrow, their header and 4-byte MAC included, heart rate sealed. --json gives
{"profile", "budgets", "error_m", "t_max_s", "tracks": [...]}; each track: "track", "points", "hours",
  "budgets": one {"budget", "fixes_median", "fixes_min", "messages_per_h", "with_gases_median"} for each: consecutive
      1 Hz fixes (position 1.1 m, altitude, heart rate, battery; beside them four gases) in messages of so many bytes
  "ten_exact", "ten_preview"   bytes a fix, thirteen fields, ten fixes a frame, in the two profiles
  "reports": {"messages_per_h", "bytes_mean", "bytes_max", "fixes_mean", "error_p95_m", "error_max_m", "bound_m"}:
      reports by dead reckoning (E = 25 m, 60 s, at most 63 bytes), each with every position since the last, and as far
      as they fit altitude, speed, course, battery and heart rate of the last fix. Errors: between the track and what
      the other end draws, each second.
"""


def _only(rows: Sequence[Row], kept: set[int]) -> list[Row]:
    return [Row(row.t_mono_ms, {b: v for b, v in row.values.items() if b in kept}) for row in rows]


def _filled(key: MacKey, head: Head, rows: Sequence[Row], budget: int) -> list[int]:
    """Rows in each message, when each is filled; the last, which may be short, only when it is alone."""
    counts, at = [], 0
    while at < len(rows):
        _data, count = narrow.pack_as_many(key, head, rows[at : at + ROWS_MAX], budget)
        if not count:
            break
        counts.append(count)
        at += count
    return counts[:-1] or counts or [0]


def budget_row(key: MacKey, head: Head, rows: Sequence[Row], budget: int) -> dict[str, Any]:
    """What fits messages of `budget` bytes."""
    counts = _filled(key, head, _only(rows, _FOUR), budget)
    seconds = (rows[-1].t_mono_ms - rows[0].t_mono_ms) / 1_000 + 1
    mean = statistics.fmean(counts)
    return {
        "budget": budget,
        "fixes_median": statistics.median(counts),
        "fixes_min": min(counts),
        "messages_per_h": round(3_600 * len(rows) / seconds / mean, 1) if mean else 0.0,
        "with_gases_median": statistics.median(_filled(key, head, _only(rows, _FOUR | _GASES), budget)),
    }


def reports(key: MacKey, head: Head, rows: Sequence[Row]) -> dict[str, Any]:
    """The track sent by dead reckoning and drawn at the other end: how much is sent, how wrong is it."""
    trigger, pending = Trigger(), list[Row]()
    sizes, fixes, errors = list[int](), list[int](), list[float]()
    kept = _FOUR | {_SPEED, _COURSE}
    for row in _only(rows, kept):
        pending.append(row)
        place = (row.values[_LAT], row.values[_LON])
        if trigger.due(row.t_mono_ms, *place):
            data = narrow.pack_report(key, head, pending, REPORT_BYTES)
            frame = narrow.decode(narrow.open_envelope(data, key), key)
            shift_ms = row.t_mono_ms - frame.t_mono_ms[-1]
            state = state_of_columns([t_ms + shift_ms for t_ms in frame.t_mono_ms], frame.columns)
            assert state is not None
            trigger.sent(state)
            sizes.append(len(data))
            fixes.append(frame.envelope.n)
            pending.clear()
        errors.append(trigger.error_m(row.t_mono_ms, *place))
    hours = (rows[-1].t_mono_ms - rows[0].t_mono_ms + 1_000) / 3_600_000
    return {
        "messages_per_h": round(len(sizes) / hours, 1),
        "bytes_mean": round(statistics.fmean(sizes), 1),
        "bytes_max": max(sizes),
        "fixes_mean": round(statistics.fmean(fixes), 1),
        "error_p95_m": round(sorted(errors)[int(0.95 * len(errors))], 1),
        "error_max_m": round(max(errors), 1),
        "bound_m": ERROR_M,
    }


def measure(
    name: str, rows: Sequence[Row], budgets: Sequence[int], device: int, boot: int, zero_ms: int
) -> dict[str, Any]:
    """One track. `rows` have the thirteen fields; `boot` is cut to 63 bits, as an agent's is."""
    key = MacKey(bytes(32), "live")
    exact = Head(device, boot & (2**63 - 1), zero_ms, ClockSource.GNSS, row=43_210)
    preview = Head(device, boot, zero_ms, ClockSource.GNSS, is_preview=True)
    return {
        "track": name,
        "points": len(rows),
        "hours": round((rows[-1].t_mono_ms - rows[0].t_mono_ms) / 3_600_000, 2),
        "budgets": [budget_row(key, preview, rows, budget) for budget in budgets],
        "ten_exact": _ten(key, exact, rows),
        "ten_preview": _ten(key, preview, rows),
        "reports": reports(key, preview, rows),
    }


def _ten(key: MacKey, head: Head, rows: Sequence[Row]) -> float:
    starts = range(0, len(rows) - TEN + 1, TEN)
    sizes = [len(narrow.pack(key, head, rows[at : at + TEN])) for at in starts]
    return round(sum(sizes) / (TEN * len(sizes)), 2)


def speed(rows: Sequence[Row], device: int, zero_ms: int, clock: Any) -> dict[str, int]:
    """Fixes a second that this process packs and unpacks, in frames of sixty fixes with the four fields."""
    key, head = MacKey(bytes(32), "live"), Head(device, 1, zero_ms, ClockSource.GNSS, is_preview=True)
    rows = _only(rows, _FOUR)
    batches = [rows[at : at + 60] for at in range(0, len(rows) - 59, 60)] or [rows]
    begin = clock()
    packed = [narrow.pack(key, head, batch) for batch in batches]
    middle = clock()
    for data in packed:
        narrow.decode(narrow.open_envelope(data, key), key)
    end = clock()
    count = sum(map(len, batches))
    return {
        "pack_fixes_per_s": round(count / max(1e-9, middle - begin)),
        "unpack_fixes_per_s": round(count / max(1e-9, end - middle)),
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """The results as text: a block a track."""
    out = [
        "Narrow-band frames, header and 4-byte MAC included. Fixes: 1 Hz, 1.1 m, altitude, heart rate, battery;",
        "in brackets with four gases. Battery and gases are synthetic.",
    ]
    for result in results:
        out += ["", f"{result['track']}: {result['points']} fixes, {result['hours']:g} h"]
        for row in result["budgets"]:
            out.append(
                f"  {row['budget']:5} B  median {row['fixes_median']:g} ({row['with_gases_median']:g}), "
                f"least {row['fixes_min']}; {row['messages_per_h']:g} messages/h carry it all"
            )
        out.append(
            f"  thirteen fields, ten fixes: {result['ten_exact']:g} B a fix exact, {result['ten_preview']:g} preview"
        )
        told = result["reports"]
        out.append(
            f"  dead reckoning, E = {told['bound_m']:g} m, {T_MAX_S:g} s: {told['messages_per_h']:g} messages/h of "
            f"{told['bytes_mean']:g} B (at most {told['bytes_max']}), drawn within {told['error_p95_m']:g} m (95 %), "
            f"{told['error_max_m']:g} m at most"
        )
        if "pack_fixes_per_s" in result:
            out.append(
                f"  packs {result['pack_fixes_per_s']:,} and unpacks {result['unpack_fixes_per_s']:,} fixes/s"
            )
    return "\n".join(out)
