"""Trails, series and exports: rows read back out of the log.

Enters: a unit's devices and a time window. Leaves: rows, each committed row once, dated as well as is known by
now. Callers: `hub.api` and `hub.commands.export`, on a reader's thread. Trails and series are made of whole columns
(`hub.live.slices`), of which hours that are over are kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hub.live import trail_law
from hub.live.clock import AHEAD_MS_MAX
from hub.live.columns import ABSENT, Columns, Gathering, joined
from hub.live.picture import I64, LAT, LON
from hub.live.slices import HOUR_MS, SLICED_MS_MAX, Slices
from hub.store.interface import Log, LogFrame
from protocols import frame, opening
from protocols.catalog import FIELDS_BY_NAME, Kind
from protocols.errors import FrameError
from protocols.keys import MacKey

FRAMES_MAX = 20_000
"""Frames decoded for one export's or report's window, or a trail of more than two days. Of more, evenly spread ones."""

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


@dataclass(frozen=True, slots=True)
class Track:
    """The same as arrays, (n,) int64 each. `gaps`: how many of GAP_MS lie between the point before and this one."""

    t_ms: I64
    lat_deg_e7: I64
    lon_deg_e7: I64
    gaps: I64

    def __len__(self) -> int:
        return len(self.t_ms)

    @property
    def nbytes(self) -> int:
        return 4 * self.t_ms.nbytes

    def at(self, indices: npt.NDArray[np.intp]) -> "Track":
        """These points of it, and no gap forgotten."""
        gaps = np.diff(np.cumsum(self.gaps)[indices], prepend=0)
        return Track(self.t_ms[indices], self.lat_deg_e7[indices], self.lon_deg_e7[indices], gaps)

    def listed(self) -> Trail:
        return Trail(self.t_ms.tolist(), self.lat_deg_e7.tolist(), self.lon_deg_e7.tolist())


@dataclass(frozen=True, slots=True)
class Series:
    """Buckets that have data, oldest first: middle time, how many values, the least and the greatest in quanta.

    Buckets are `width_ms` wide from the window's beginning; one that is missing is a gap.
    """

    t_ms: I64
    n: I64
    least: I64
    most: I64
    width_ms: int


class History:
    """Queries over the log for one unit."""

    def __init__(self, log: Log, keys: Keys, clock_ms: Callable[[], int] | None = None) -> None:
        """With a clock hours that are over are kept; then `slices.cache.late` has to be told what comes late."""
        self._log = log
        self._keys = keys
        self.slices = Slices(self._gather, clock_ms)

    def rows(self, carried: Carried, from_ms: int, to_ms: int, kind: int) -> Iterator[HistoryRow]:
        """Rows of one kind within the window, thinned by whole frames when there are very many."""
        decoder = Decoder(self._log, self._keys)
        for device, first, last in _spans(carried, from_ms, to_ms):
            stored = [f for f in self._log.frames(device, first, last) if f.kind == kind]
            step = -(-len(stored) // FRAMES_MAX) or 1
            for one in stored[::step]:
                for row in decoder.rows(one):
                    if row.t_utc_ms is not None and first <= row.t_utc_ms <= last:
                        yield row

    def _gather(self, device: int, kind: int, first_ms: int, last_ms: int) -> Gathering:
        """Of a window beyond SLICED_MS_MAX, evenly spread frames when there are more than FRAMES_MAX."""
        decoder, gathering = Decoder(self._log, self._keys), Gathering()
        stored = [f for f in self._log.frames(device, first_ms, last_ms) if f.kind == kind]
        if last_ms - first_ms > SLICED_MS_MAX:
            stored = stored[:: -(-len(stored) // FRAMES_MAX) or 1]
        for one in stored:
            decoded = decoder.decode(one)
            if decoded is not None:
                fresh = list(_fresh(one, decoded[0].envelope.step)) if one.fresh else None
                gathering.add(one, *decoded, fresh)
        return gathering

    # --- trails --------------------------------------------------------------------------------------------

    def track(self, carried: Carried, from_ms: int, to_ms: int) -> Track:
        """Every position, by time, each once."""
        parts = []
        for device, first, last in _spans(carried, from_ms, to_ms):
            columns = self.slices.columns(device, Kind.STATE, first, last).within(first, last)
            lat, lon = columns.values.get(LAT), columns.values.get(LON)
            if lat is not None and lon is not None:
                there = (lat != ABSENT) & (lon != ABSENT)
                parts.append((columns.t_ms[there], lat[there].astype(np.int64), lon[there].astype(np.int64)))
        if not parts:
            return track_of(*(np.zeros(0, np.int64) for _ in range(3)))
        t_ms, lats, lons = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((lons, lats, t_ms))
        t_ms, lats, lons = t_ms[order], lats[order], lons[order]
        news = np.ones(len(t_ms), np.bool_)
        news[1:] = (np.diff(t_ms) != 0) | (np.diff(lats) != 0) | (np.diff(lons) != 0)
        return track_of(t_ms[news], lats[news], lons[news])

    def trail(self, carried: Carried, from_ms: int, to_ms: int, points: int) -> Trail:
        """At most `points` positions, evenly taken, first and last always among them."""
        return thinned(self.track(carried, from_ms, to_ms), points).listed()

    def simplified(self, carried: Carried, from_ms: int, to_ms: int, tolerance: float) -> Track:
        """None of the positions is farther from it than `tolerance` metres at its own time. Hours that are over are
        simplified once for each tolerance."""
        if to_ms - from_ms > SLICED_MS_MAX:
            return _simpler(self.track(carried, from_ms, to_ms), tolerance)
        parts = []
        for first in range(from_ms - from_ms % HOUR_MS, to_ms + 1, HOUR_MS):
            window = max(first, from_ms), min(first + HOUR_MS - 1, to_ms)
            parts.append(self._simplified_hour(carried, *window, tolerance))
        columns = zip(*((p.t_ms, p.lat_deg_e7, p.lon_deg_e7, p.gaps) for p in parts), strict=True)
        t_ms, lats, lons, gaps = (np.concatenate(column) for column in columns)
        firsts = np.cumsum([len(p) for p in parts])[:-1]
        firsts = firsts[(firsts > 0) & (firsts < len(t_ms))]
        gaps[firsts] = t_ms[firsts] - t_ms[firsts - 1] >= trail_law.GAP_MS  # between two hours
        return Track(t_ms, lats, lons, gaps)

    def _simplified_hour(self, carried: Carried, from_ms: int, to_ms: int, tolerance: float) -> Track:
        spans = tuple(_spans(carried, from_ms, to_ms))
        whole = from_ms % HOUR_MS == 0 and to_ms - from_ms == HOUR_MS - 1 and len(spans) == 1
        if not (whole and self.slices.is_over(from_ms // HOUR_MS)):
            return _simpler(self.track(carried, from_ms, to_ms), tolerance)
        device, cache = spans[0][0], self.slices.cache
        key = (device, from_ms // HOUR_MS, "trail", tolerance, spans)
        known = cache.get(key)
        if isinstance(known, Track):
            return known
        generation = cache.generation(device)
        made = _simpler(self.track(carried, from_ms, to_ms), tolerance)
        cache.put(key, made, device, generation)
        return made

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
        columns = np.array(sorted(found), np.int64).reshape(-1, 3).T
        return thinned(track_of(*columns), points).listed()

    # --- series --------------------------------------------------------------------------------------------

    def series(
        self, carried: Carried, channels: Sequence[str], from_ms: int, to_ms: int, points: int
    ) -> dict[str, Series]:
        """Per channel at most `points` buckets of equal width. No extreme is lost, but of a window beyond SLICED_MS_MAX
        with more than FRAMES_MAX frames."""
        width_ms = width_of(from_ms, to_ms, points)
        pages: dict[int, Columns] = {}
        found = {}
        for name in channels:
            field = FIELDS_BY_NAME[name]
            if field.page not in pages:
                parts = [
                    self.slices.columns(device, field.page, first, last)
                    for device, first, last in _spans(carried, from_ms, to_ms)
                ]
                pages[field.page] = joined(parts)
            found[name] = bucketed(*pages[field.page].known(field.bit), from_ms, width_ms)
        return found


def track_of(t_ms: I64, lat_deg_e7: I64, lon_deg_e7: I64) -> Track:
    """All points of a track, by time."""
    gaps = (np.diff(t_ms, prepend=t_ms[:1]) >= trail_law.GAP_MS).astype(np.int64)
    return Track(t_ms, lat_deg_e7, lon_deg_e7, gaps)


def _spans(carried: Carried, from_ms: int, to_ms: int) -> Iterator[tuple[int, int, int]]:
    """(device, first, last) within the window."""
    for device, since_ms, until_ms in carried:
        first, last = max(from_ms, since_ms), min(to_ms, until_ms - 1)
        if first <= last:
            yield device, first, last


def _simpler(track: Track, tolerance: float) -> Track:
    return track.at(
        trail_law.kept(track.t_ms, trail_law.flat_m(track.lat_deg_e7, track.lon_deg_e7), tolerance)
    )


def thinned(track: Track, points: int) -> Track:
    """Evenly taken, first and last among them."""
    if len(track) <= points:
        return track
    last = len(track) - 1
    return track.at(np.arange(points) * last // max(points - 1, 1))


def width_of(from_ms: int, to_ms: int, points: int) -> int:
    """Of each of at most `points` buckets."""
    return max(1, -(-(to_ms - from_ms + 1) // points))


def bucketed(t_ms: I64, values: npt.NDArray[np.integer[Any]], from_ms: int, width_ms: int) -> Series:
    """Least and greatest of each stretch that has any. `t_ms` rising."""
    if len(t_ms) == 0:
        none = np.zeros(0, np.int64)
        return Series(none, none, none, none, width_ms)
    at = (t_ms - from_ms) // width_ms
    starts = np.flatnonzero(np.diff(at, prepend=at[0] - 1))
    return Series(
        from_ms + at[starts] * width_ms + width_ms // 2,
        np.diff(starts, append=len(at)),
        np.minimum.reduceat(values, starts).astype(np.int64),
        np.maximum.reduceat(values, starts).astype(np.int64),
        width_ms,
    )
