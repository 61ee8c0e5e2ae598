"""Trails, series and exports: rows read back out of the log.

Enters: a unit's devices and a time window. Leaves: rows, each committed row once, dated as well as is known by
now. Callers: `hub.api` and `hub.commands.export`, on a reader's thread.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hub.live.clock import AHEAD_MS_MAX
from hub.live.picture import LAT, LON
from hub.store.interface import Log, LogFrame
from protocols import frame, opening
from protocols.catalog import FIELDS_BY_NAME, Kind
from protocols.errors import FrameError
from protocols.keys import MacKey

FRAMES_MAX = 20_000
"""Frames decoded for one trail or series. Of more, evenly spread ones are taken."""

OBS_SOURCE, OBS_ID, OBS_LAT, OBS_LON, OBS_AGE = (
    FIELDS_BY_NAME[name].id
    for name in ("obs_source", "obs_id", "obs_lat_deg_e7", "obs_lon_deg_e7", "obs_age_s")
)

Carried = list[tuple[int, int, int]]
Keys = Callable[[int], Iterable[MacKey]]
"""Every key that a device ever had: `KeyRing.logged`."""


class HistoryRow(NamedTuple):
    """One row. `t_utc_ms` None: its boot's clock was never told. Values by field id."""

    device: int
    boot: int
    stream: int
    row: int
    kind: int
    t_hub_ms: int
    t_utc_ms: int | None
    values: dict[int, int]
    text: str = ""


def open_logged(stored: LogFrame, keys: Keys) -> frame.Frame:
    """A stored frame, its MAC checked again under the key of its time. FrameError when none of its device's fits, or
    when what stands beside it in the log does not: a disk that flips bits flips those too."""
    failed = FrameError("unknown_device", f"device {stored.device} was never enrolled")
    for key in keys(stored.device):
        try:
            envelope = opening.open_envelope(stored.raw, key)
            _check_columns(stored, envelope)
            return opening.decode(stored.raw, envelope, key)
        except FrameError as err:
            failed = err
            if err.reason != "mac":
                break
    raise failed


def _check_columns(stored: LogFrame, head: frame.Envelope) -> None:
    if head.is_preview:
        return  # it has no number of its own
    same = (stored.boot, stored.stream, stored.row, stored.n) == (head.boot, head.stream, head.row, head.n)
    fresh = stored.fresh or []
    if not same or len(fresh) % 2 or any(not head.row <= row <= head.last for row in fresh):
        raise FrameError("mac", f"device {stored.device}: the log's columns do not fit the frame")


class Decoder:
    """Rows of stored frames; what cannot be read any more is counted in `unreadable`."""

    def __init__(self, log: Log, keys: Keys) -> None:
        self._log = log
        self._keys = keys
        self.unreadable = 0

    def decode(self, stored: LogFrame) -> tuple[frame.Frame, int | None] | None:
        """The frame and its boot's zero. The MAC is checked again: the log is evidence."""
        try:
            decoded = open_logged(stored, self._keys)
        except FrameError:
            self.unreadable += 1
            return None
        zero_ms = decoded.utc_zero_ms
        return decoded, self._log.clock(stored.device, stored.boot) if zero_ms is None else zero_ms

    def rows(self, stored: LogFrame, *, quarantined: bool = False) -> Iterator[HistoryRow]:
        """The rows that were new with this frame. Those from the future only when `quarantined` asks for them."""
        decoded = self.decode(stored)
        if decoded is None:
            return
        head, zero_ms = decoded[0].envelope, decoded[1]
        page = head.kind * 64
        for i in _fresh(stored, head.step):
            t_utc_ms = None if zero_ms is None else decoded[0].t_mono_ms[i] + zero_ms
            ahead = t_utc_ms is not None and t_utc_ms > stored.t_hub_ms + AHEAD_MS_MAX
            if ahead and not quarantined:
                continue
            values = {page + bit: v for bit, c in decoded[0].columns.items() if (v := c[i]) is not None}
            place = (stored.device, stored.boot, stored.stream, stored.row + i * head.step)
            text = decoded[0].body[i] if head.kind == Kind.TEXT else ""
            if head.kind == Kind.SAID:
                values, text = (
                    {OBS_SOURCE: decoded[0].body[i][0], OBS_ID: decoded[0].body[i][1]},
                    decoded[0].body[i][3],
                )
            yield HistoryRow(*place, head.kind, stored.t_hub_ms, t_utc_ms, values, text)


def _fresh(stored: LogFrame, step: int) -> Iterable[int]:
    """Indices of the rows of a stored frame that were not stored before it."""
    if not stored.fresh:
        return range(stored.n)
    flat = stored.fresh
    spans = zip(flat[::2], flat[1::2], strict=True)
    return [(row - stored.row) // step for first, last in spans for row in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Trail:
    """Positions, oldest first."""

    t_utc_ms: list[int]
    lat_deg_e7: list[int]
    lon_deg_e7: list[int]


class History:
    """Queries over the log for one unit."""

    def __init__(self, log: Log, keys: Keys) -> None:
        self._log = log
        self._keys = keys

    def rows(self, carried: Carried, from_ms: int, to_ms: int, kind: int) -> Iterator[HistoryRow]:
        """Rows of one kind within the window, thinned by whole frames when there are very many."""
        decoder = Decoder(self._log, self._keys)
        for device, since_ms, until_ms in carried:
            first, last = max(from_ms, since_ms), min(to_ms, until_ms - 1)
            if first > last:
                continue
            stored = [f for f in self._log.frames(device, first, last) if f.kind == kind]
            step = -(-len(stored) // FRAMES_MAX) or 1
            for one in stored[::step]:
                for row in decoder.rows(one):
                    if row.t_utc_ms is not None and first <= row.t_utc_ms <= last:
                        yield row

    def trail(self, carried: Carried, from_ms: int, to_ms: int, points: int) -> Trail:
        """At most `points` positions, evenly taken, first and last always among them."""
        found = sorted(
            {
                (row.t_utc_ms or 0, row.values[LAT], row.values[LON])
                for row in self.rows(carried, from_ms, to_ms, Kind.STATE)
                if LAT in row.values and LON in row.values
            }
        )
        return _thinned(found, points)

    def reported_trail(
        self, carried: Carried, thing: tuple[int, int], from_ms: int, to_ms: int, points: int
    ) -> Trail:
        """As `trail`, of a thing (source, id) that these devices reported, at the times when it was there."""
        found = {
            (t_ms, row.values[OBS_LAT], row.values[OBS_LON])
            for row in self.rows(carried, from_ms, to_ms, Kind.OBSERVED)
            if (row.values.get(OBS_SOURCE), row.values.get(OBS_ID)) == thing
            and OBS_LAT in row.values
            and OBS_LON in row.values
            and from_ms <= (t_ms := (row.t_utc_ms or 0) - 1_000 * row.values.get(OBS_AGE, 0))
        }
        return _thinned(sorted(found), points)

    def series(
        self, carried: Carried, channels: list[str], from_ms: int, to_ms: int, points: int
    ) -> dict[str, dict[str, list[int]]]:
        """Per channel at most `points` buckets: middle time, least and greatest value in quanta."""
        width_ms = max(1, -(-(to_ms - from_ms + 1) // points))
        buckets: dict[str, dict[int, tuple[int, int]]] = {name: {} for name in channels}
        by_kind: dict[int, list[str]] = {}
        for name in channels:
            by_kind.setdefault(FIELDS_BY_NAME[name].page, []).append(name)
        for kind, names in by_kind.items():
            for row in self.rows(carried, from_ms, to_ms, kind):
                for name in names:
                    value = row.values.get(FIELDS_BY_NAME[name].id)
                    if value is not None:
                        at = ((row.t_utc_ms or 0) - from_ms) // width_ms
                        lo, hi = buckets[name].get(at, (value, value))
                        buckets[name][at] = (min(lo, value), max(hi, value))
        return {name: _columns(found, from_ms, width_ms) for name, found in buckets.items()}


def _thinned(found: list[tuple[int, int, int]], points: int) -> Trail:
    if len(found) > points:
        last = len(found) - 1
        found = [found[i * last // max(points - 1, 1)] for i in range(points)]
    return Trail([t for t, _, _ in found], [lat for _, lat, _ in found], [lon for _, _, lon in found])


def _columns(found: dict[int, tuple[int, int]], from_ms: int, width_ms: int) -> dict[str, list[int]]:
    order = sorted(found)
    return {
        "t": [from_ms + at * width_ms + width_ms // 2 for at in order],
        "min": [found[at][0] for at in order],
        "max": [found[at][1] for at in order],
    }
