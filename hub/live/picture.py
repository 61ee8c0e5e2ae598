"""The live picture: columns in numpy, one slot a unit.

Enters: newest values of batches (`Changes`). Leaves: columns for the feed and last values for the API. Pure.
Callers: `hub.live.ingest` (apply), `hub.live.feed` (read).

Every merge is "the newest time wins", per unit and per field, and ties are broken by a number made of device,
boot and row. So the order of arrival, repeats and old data do not matter. A position is one thing: latitude,
longitude, altitude, speed, course and accuracy come from the same row or are absent.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from protocols.catalog import FIELDS, FIELDS_BY_NAME, EventCode, Kind

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

UNITS_MAX = 200_000
FLAG_SOS, FLAG_MAN_DOWN, FLAG_LOW_AIR, FLAG_GAS, FLAG_CLOCK, FLAG_QUARANTINED = (1 << bit for bit in range(6))
FLAG_STRAIN, FLAG_DEVICE, FLAG_RECKONED = 1 << 6, 1 << 7, 1 << 8
FLAG_OUTLIER, FLAG_SMOOTHED = 1 << 9, 1 << 10
TRACK_FRESH_MS = 1_000
"""A track judges one fix a second: the newest fix may be so much newer than the one that was judged."""
_CODES_OF_FLAG = {
    FLAG_SOS: (EventCode.SOS,),
    FLAG_MAN_DOWN: (EventCode.MAN_DOWN, EventCode.FALL),
    FLAG_LOW_AIR: (EventCode.LOW_AIR, EventCode.TURN_BACK, EventCode.AIR_SENSOR_LOST),
    FLAG_GAS: (
        EventCode.GAS, EventCode.GAS_STEL, EventCode.GAS_TWA, EventCode.GAS_RISE, EventCode.GAS_FAULT,
        EventCode.GAS_OVER_RANGE,
    ),
    FLAG_STRAIN: (EventCode.HEART, EventCode.STRAIN, EventCode.HEAT),
    FLAG_DEVICE: (EventCode.SPOOL_FAULT, EventCode.FORGED_ORDER),
}  # fmt: skip
EVENT_FLAGS = {int(code): flag for flag, codes in _CODES_OF_FLAG.items() for code in codes}
FIELDS_SHOWN = [field for field in FIELDS if field.page in (Kind.STATE, Kind.HEALTH)]
CHANNELS = len(FIELDS_SHOWN)
CHANNEL_OF_BIT = {
    kind: {f.bit: i for i, f in enumerate(FIELDS_SHOWN) if f.page == kind}
    for kind in (Kind.STATE, Kind.HEALTH)
}
CHANNEL = {field.name: i for i, field in enumerate(FIELDS_SHOWN)}
_BIT = {name: FIELDS_BY_NAME[name].bit for name in CHANNEL}
LAT, LON = _BIT["lat_deg_e7"], _BIT["lon_deg_e7"]
POSITION_BITS = tuple(
    _BIT[name] for name in ("lat_deg_e7", "lon_deg_e7", "alt_dm", "speed_dmps", "course_deg", "hacc_dm")
)
POSITION_ABSENT = (0, 0, -(2**31), 65535, 65535, -1)
_POSITION_PARTS = tuple(zip(POSITION_BITS, POSITION_ABSENT, strict=True))
_U16_ABSENT = 65535
_RANK_MASK = 2**62 - 1


def rank(device: int, boot: int, stream: int, row: int) -> int:
    """A number that decides between rows of one unit with the same time, the same in every order of arrival."""
    mixed = (boot ^ device * 0x9E3779B97F4A7C15 ^ stream << 60) * 0xD1342543DE82EF95 + row
    return mixed & _RANK_MASK


def clock_tag(device: int, boot: int) -> int:
    """Marks estimated times of one boot, so that they can be moved later. Never 0."""
    return (boot * 0x9E3779B97F4A7C15 + device & _RANK_MASK) | 1


class Changes:
    """What one batch says, gathered in lists: scattered into the picture at once.

    `heads` has one entry for each run of values with the same slot, time, rank and tag; `channels` and
    `values` have one for each value.
    """

    __slots__ = ("channels", "counts", "heads", "held", "hist", "pos", "quarantined", "rx", "values")

    def __init__(self) -> None:
        self.heads: list[tuple[int, int, int, int]] = []  # slot, t, rank, tag
        self.counts: list[int] = []
        self.channels: list[int] = []
        self.values: list[int] = []
        self.pos: list[tuple[int, ...]] = []  # slot, t, rank, tag, then the values of POSITION_BITS
        self.held: list[
            tuple[int, tuple[int, ...]]
        ] = []  # device, then as `pos`: of units with several devices
        self.rx: list[tuple[int, int, int, int]] = []  # slot, time of the newest row, of its arrival, tag
        self.hist: list[tuple[int, int]] = []  # slot, earliest time of a frame of several positions
        self.quarantined: list[int] = []

    def add_columns(
        self,
        slot: int,
        kind: int,
        times: list[int],
        ranks: Sequence[int],
        columns: dict[int, list[int | None]],
        tag: int,
        holder: int = 0,
    ) -> None:
        """Rows of one page, one unit, fit to be shown. Times UTC ms; columns bit -> values, None for absent.

        Ranks rise, so the last row is the newest one unless an earlier one has a later time. `holder`: the device, when
        the unit carries several: then its position is held for `hub.live.receivers`.
        """
        last = len(times) - 1
        if last and times[last] < max(times):
            last = max(range(len(times)), key=lambda i: (times[i], ranks[i]))
        newest = [column[last] for column in columns.values()]
        if not newest:
            return  # rows without any column are allowed, and say only that the device lives
        if None in newest:
            self._add_one_by_one(slot, kind, times, ranks, columns, tag)
        else:
            self.heads.append((slot, times[last], ranks[last], tag))
            self.counts.append(len(newest))
            self.channels += _channels(kind, tuple(columns))
            self.values += newest  # type: ignore[arg-type]
        if kind == Kind.STATE and LAT in columns and LON in columns:
            self._add_position(slot, times, ranks, columns, tag, last, holder)

    def _add_one_by_one(
        self,
        slot: int,
        kind: int,
        times: list[int],
        ranks: Sequence[int],
        columns: dict[int, list[int | None]],
        tag: int,
    ) -> None:
        """The newest row has holes: each column's own newest value, with its own time."""
        for bit, column in columns.items():
            at = _newest(times, ranks, column)
            if at is not None:
                self.heads.append((slot, times[at], ranks[at], tag))
                self.counts.append(1)
                self.channels += _channels(kind, (bit,))
                self.values.append(column[at])  # type: ignore[arg-type]

    def _add_position(
        self,
        slot: int,
        times: list[int],
        ranks: Sequence[int],
        columns: dict[int, list[int | None]],
        tag: int,
        last: int,
        holder: int,
    ) -> None:
        lats, lons = columns[LAT], columns[LON]
        at: int | None = last
        if lats[last] is None or lons[last] is None:
            both = [lat if lon is not None else None for lat, lon in zip(lats, lons, strict=True)]
            at = _newest(times, ranks, both)
        if at is None:
            return
        values = [
            absent if (column := columns.get(bit)) is None or (value := column[at]) is None else value
            for bit, absent in _POSITION_PARTS
        ]
        if holder:
            self.held.append((holder, (slot, times[at], ranks[at], tag, *values)))
        else:
            self.pos.append((slot, times[at], ranks[at], tag, *values))
        if len(times) > 1:
            self.hist.append((slot, min(times)))


@lru_cache(maxsize=4_096)
def _channels(kind: int, page_bits: tuple[int, ...]) -> tuple[int, ...]:
    """The channels of a frame's columns. Devices send few different sets."""
    channel_of = CHANNEL_OF_BIT[Kind(kind)]
    return tuple(channel_of[bit] for bit in page_bits)


def _newest(times: list[int], ranks: Sequence[int], column: list[int | None]) -> int | None:
    known = [i for i, value in enumerate(column) if value is not None]
    return max(known, key=lambda i: (times[i], ranks[i])) if known else None


class Picture:
    """All units. `seq` is the tick in the making: what changes now is sent with it."""

    def __init__(self, capacity: int = 256) -> None:
        self.n = 0
        self.seq = 0
        self.capacity = capacity
        self.value: I64 = np.zeros((CHANNELS, capacity), np.int64)
        self.time: F64 = np.full((CHANNELS, capacity), np.nan)
        self.rank: I64 = np.zeros((CHANNELS, capacity), np.int64)
        self.tag: I64 = np.zeros((CHANNELS, capacity), np.int64)
        self.pos: I64 = np.zeros((len(POSITION_BITS), capacity), np.int64)
        self.pos_time: F64 = np.full(capacity, np.nan)
        self.pos_rank: I64 = np.zeros(capacity, np.int64)
        self.pos_tag: I64 = np.zeros(capacity, np.int64)
        self.row_time: F64 = np.full(capacity, np.nan)
        self.row_tag: I64 = np.zeros(capacity, np.int64)
        self.t_rx: F64 = np.full(capacity, np.nan)
        self.alarms: I64 = np.zeros(capacity, np.int64)
        self.quarantined: npt.NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self.hist: I64 = np.zeros(capacity, np.int64)
        # What the track says of the fix of `track_time`: 0.1 m/s, degrees, dm that an outlier is off.
        self.track: I64 = np.tile(np.array([[_U16_ABSENT], [_U16_ABSENT], [0]], np.int64), (1, capacity))
        self.track_time: F64 = np.full(capacity, np.nan)
        self.shared_mode: I64 = np.full(capacity, -1, np.int64)
        self.changed: I64 = np.zeros(capacity, np.int64)
        self.pos[:, :] = np.array(POSITION_ABSENT, np.int64)[:, None]

    def add_unit(self) -> int:
        """A new slot. Slots are never reused while the hub runs."""
        if self.n == self.capacity:
            self._grow()
        self.n += 1
        self.changed[self.n - 1] = self.seq
        return self.n - 1

    def _grow(self) -> None:
        assert self.capacity < UNITS_MAX, "more units than a hub may have"
        new = Picture(min(2 * self.capacity, UNITS_MAX))
        for name, old in vars(self).items():
            if isinstance(old, np.ndarray):
                getattr(new, name)[..., : self.capacity] = old
                setattr(self, name, getattr(new, name))
        self.capacity = new.capacity

    # --- apply -----------------------------------------------------------------------------------------

    def apply(self, changes: Changes) -> None:
        """Merge a batch."""
        if changes.pos or changes.hist:
            self._apply_positions(changes)
        if changes.heads:
            self._apply_channels(changes)
        if changes.rx:
            self._apply_arrivals(changes)
        for slot in changes.quarantined:
            self.quarantined[slot] = True
            self.changed[slot] = self.seq

    def _apply_channels(self, changes: Changes) -> None:
        heads = np.repeat(np.array(changes.heads, np.int64), changes.counts, axis=0)
        slots, ranks, tags = heads[:, 0], heads[:, 2], heads[:, 3]
        times = heads[:, 1].astype(np.float64)
        where = np.array(changes.channels, np.int64) * self.capacity + slots
        best = _last_of_each(where, times, ranks, alone=_alone(changes.heads))
        at = where[best]
        wins = _newer(times[best], ranks[best], self.time.ravel()[at], self.rank.ravel()[at])
        best, at = best[wins], at[wins]
        self.time.ravel()[at] = times[best]
        self.rank.ravel()[at] = ranks[best]
        self.value.ravel()[at] = np.array(changes.values, np.int64)[best]
        self.tag.ravel()[at] = tags[best]
        self.changed[slots[best]] = self.seq

    def _apply_positions(self, changes: Changes) -> None:
        rows = np.array(changes.pos, np.int64).reshape(-1, 4 + len(POSITION_BITS))
        slots, ranks = rows[:, 0], rows[:, 2]
        times = rows[:, 1].astype(np.float64)
        best = _last_of_each(slots, times, ranks, alone=_alone(changes.pos))
        at = slots[best]
        wins = _newer(times[best], ranks[best], self.pos_time[at], self.pos_rank[at])
        best, at = best[wins], at[wins]
        self.pos_time[at] = times[best]
        self.pos_rank[at] = ranks[best]
        self.pos_tag[at] = rows[best, 3]
        self.pos[:, at] = rows[best, 4:].T
        self.quarantined[at] = False
        self.changed[at] = self.seq
        # Positions that did not become the newest belong to the trail behind it.
        behind = slots[times < self.pos_time[slots]]
        if changes.hist:
            several = np.array(changes.hist, np.int64)
            reaching_back = several[several[:, 1] < self.pos_time[several[:, 0]], 0]
            behind = np.concatenate((behind, reaching_back))
        behind = np.unique(behind)
        self.hist[behind] = self.hist[behind] + 1 & 0xFFFFFFFF
        self.changed[behind] = self.seq

    def _apply_arrivals(self, changes: Changes) -> None:
        rows = np.array(changes.rx, np.int64)
        slots, times = rows[:, 0], rows[:, 1].astype(np.float64)
        best = _last_of_each(slots, times, -rows[:, 2], alone=_alone(changes.rx))  # the first to say so
        best = best[~(times[best] <= self.row_time[slots[best]])]
        at = slots[best]
        self.row_time[at], self.t_rx[at], self.row_tag[at] = times[best], rows[best, 2], rows[best, 3]
        self.changed[at] = self.seq

    def put_position(self, slot: int, t_ms: float, rank: int, tag: int, values: Sequence[int]) -> None:
        """The position of a unit with several devices, as `hub.live.receivers` decided: not always the newest."""
        if (self.pos_time[slot], self.pos_rank[slot], self.pos_tag[slot]) == (t_ms, rank, tag):
            return
        if t_ms < self.pos_time[slot]:
            self.touch_trail(slot)
        self.pos_time[slot], self.pos_rank[slot], self.pos_tag[slot] = t_ms, rank, tag
        self.pos[:, slot] = values
        self.quarantined[slot] = False
        self.changed[slot] = self.seq

    def set_mode(self, slot: int, mode: int) -> None:
        """The mode of the fix that a unit with several devices is drawn at; -1: the channel's."""
        if self.shared_mode[slot] != mode:
            self.shared_mode[slot] = mode
            self.changed[slot] = self.seq

    def touch_trail(self, slot: int) -> None:
        """The trail on screen is out of date."""
        self.hist[slot] = self.hist[slot] + 1 & 0xFFFFFFFF
        self.changed[slot] = self.seq

    def set_tracks(self, slots: I64, times: F64, speed_dmps: F64, course_deg: F64, away_dm: F64) -> None:
        """What the tracks of these slots say of the fixes of `times` (UTC ms), 65535 where nothing."""
        said = np.stack((speed_dmps, course_deg, away_dm)).astype(np.int64)
        moved = (self.track[:, slots] != said).any(axis=0) | (self.track_time[slots] != times)
        slots = slots[moved]
        self.track[:, slots] = said[:, moved]
        self.track_time[slots] = times[moved]
        self.changed[slots] = self.seq

    def set_alarm(self, slot: int, flag: int, is_open: bool) -> None:
        """An event of this kind is open, or none is any more."""
        old = int(self.alarms[slot])
        new = old | flag if is_open else old & ~flag
        if new != old:
            self.alarms[slot] = new
            self.changed[slot] = self.seq

    def redate(self, slot: int, tag: int, add_ms: int, *, proven: bool) -> None:
        """Move estimated times of one boot; once proven, they are no longer in doubt."""
        mine = self.tag[:, slot] == tag
        self.time[mine, slot] += add_ms
        if self.pos_tag[slot] == tag:
            self.pos_time[slot] += add_ms
            self.pos_tag[slot] = 0 if proven else tag
        if self.row_tag[slot] == tag:
            self.row_time[slot] += add_ms
            self.row_tag[slot] = 0 if proven else tag
        if proven:
            self.tag[mine, slot] = 0
        self.hist[slot] = self.hist[slot] + 1 & 0xFFFFFFFF
        self.changed[slot] = self.seq

    # --- read ------------------------------------------------------------------------------------------

    def changed_since(self, seq: int) -> I64:
        """Slots that changed in ticks after `seq`."""
        return np.flatnonzero(self.changed[: self.n] > seq)

    def columns(self, slots: I64) -> dict[str, bytes]:
        """The feed's columns of these slots, little-endian (docs/feed.md)."""
        smoothed = self._is_smoothed(slots)
        speed = np.where(smoothed, self.track[0, slots], self.pos[3, slots])
        course = np.where(smoothed, self.track[1, slots], self.pos[4, slots])
        return {
            "slot": slots.astype("<u4").tobytes(),
            "t_fix": self.pos_time[slots].astype("<f8").tobytes(),
            "t_rx": self.t_rx[slots].astype("<f8").tobytes(),
            "lat": self.pos[0, slots].astype("<i4").tobytes(),
            "lon": self.pos[1, slots].astype("<i4").tobytes(),
            "alt": self.pos[2, slots].astype("<i4").tobytes(),
            "speed": speed.astype("<u2").tobytes(),
            "course": course.astype("<u2").tobytes(),
            "hacc": self._accuracy(slots).astype("<u2").tobytes(),
            "mode": self._mode(slots).astype("u1").tobytes(),
            "flags": self.flags(slots).astype("<u2").tobytes(),
            "hr": self._last("heart_bpm", slots, 255).astype("u1").tobytes(),
            "bat": self._last("battery_pct", slots, 255).astype("u1").tobytes(),
            "air": self._last("scba_kpa", slots, 65535).astype("<u2").tobytes(),
            "hist": self.hist[slots].astype("<u4").tobytes(),
        }

    def flags(self, slots: I64) -> I64:
        """The feed's flags of these slots."""
        doubt = np.where(self.pos_tag[slots] != 0, FLAG_CLOCK, 0)
        quarantined = np.where(self.quarantined[slots], FLAG_QUARANTINED, 0)
        # only a preview's rank is below zero: the unit reports by dead reckoning
        reckoned = np.where((self.pos_rank[slots] < 0) & ~np.isnan(self.pos_time[slots]), FLAG_RECKONED, 0)
        outlier = np.where(self.outlying_dm(slots) > 0, FLAG_OUTLIER, 0)
        smoothed = np.where(self._is_smoothed(slots), FLAG_SMOOTHED, 0)
        return self.alarms[slots] | doubt | quarantined | reckoned | outlier | smoothed

    def _judged(self, slots: I64) -> npt.NDArray[np.bool_]:
        """Whose shown fix the track has judged."""
        newer_ms = self.pos_time[slots] - self.track_time[slots]
        out: npt.NDArray[np.bool_] = (
            (newer_ms >= 0) & (newer_ms < TRACK_FRESH_MS) & (self.pos_tag[slots] == 0)
        )
        return out

    def outlying_dm(self, slots: I64) -> I64:
        """How far the shown fix is from where the track expected it, when it is an outlier, else 0."""
        out: I64 = np.where(self._judged(slots), self.track[2, slots], 0)
        return out

    def accuracy_dm(self, slots: I64) -> I64:
        """Radius of the 68 % circle round the shown fix, -1 absent. An outlier's reaches to where it was expected:
        the truth is at one of the two."""
        hacc, away = self.pos[5, slots], self.outlying_dm(slots)
        out: I64 = np.where(away > 0, np.maximum(hacc, away), hacc)
        return out

    def _is_smoothed(self, slots: I64) -> npt.NDArray[np.bool_]:
        """Whose speed and course are the track's, because the receiver gave none. Not those that are carried on along
        them: nothing is drawn where only a guess leads."""
        none = (self.pos[3, slots] == _U16_ABSENT) & (self.pos[4, slots] == _U16_ABSENT)
        out: npt.NDArray[np.bool_] = (
            none & self._judged(slots) & (self.pos_rank[slots] >= 0) & (self.track[0, slots] != _U16_ABSENT)
        )
        return out

    def _mode(self, slots: I64) -> I64:
        """Of a unit with several devices, that of the one it is drawn at."""
        shared = self.shared_mode[slots]
        out: I64 = np.where(shared >= 0, shared, self._last("fix_mode", slots, 0))
        return out

    def _accuracy(self, slots: I64) -> I64:
        """hacc in dm: the largest number that fits when it is worse than that, never "absent" by accident."""
        hacc = self.accuracy_dm(slots)
        out: I64 = np.where(hacc < 0, _U16_ABSENT, np.minimum(hacc, _U16_ABSENT - 1))
        return out

    def _last(self, name: str, slots: I64, absent: int) -> I64:
        channel = CHANNEL[name]
        return np.where(np.isnan(self.time[channel, slots]), absent, self.value[channel, slots])

    def last_values(self, slot: int) -> Iterable[tuple[Any, int, int]]:
        """(field, value, time UTC ms) of every field this unit ever sent."""
        for channel, field in enumerate(FIELDS_SHOWN):
            time = self.time[channel, slot]
            if not np.isnan(time):
                yield field, int(self.value[channel, slot]), int(time)


def _newer(times: F64, ranks: I64, than_times: F64, than_ranks: I64) -> npt.NDArray[np.bool_]:
    tie_won = (times == than_times) & (ranks > than_ranks)
    out: npt.NDArray[np.bool_] = np.isnan(than_times) | (times > than_times) | tie_won
    return out


def _alone(entries: Sequence[tuple[int, ...]]) -> bool:
    """Whether no slot comes twice: then nothing need be sorted, which would cost more than all the rest."""
    return len({entry[0] for entry in entries}) == len(entries)


def _last_of_each(where: I64, times: F64, ranks: I64, *, alone: bool) -> I64:
    """Indices of the newest entry of each place. `alone`: each place comes once."""
    if alone:
        return np.arange(len(where))
    order = np.lexsort((ranks, times, where))
    places = where[order]
    is_last = np.append(places[1:] != places[:-1], True)
    out: I64 = order[is_last]
    return out
