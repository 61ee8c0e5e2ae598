"""The tracks of all units: what came is put in order of time, and the law runs over it.

Enters: dated positions that passed the teleport gate, as lists, in any order, repeated or late. Leaves: smoothed
velocity, outlier verdicts and the receiver that is believed, into the picture. Pure. Callers: `hub.live.ingest` (hear),
`hub.app` (step, each tick), `hub.api.unit_routes` (of).

Of each unit the newest 300 fixes are kept, one a second and device at most: five minutes at one a second. What comes
late within them is put in its place and the law runs again from before it, so the order of arrival does not matter.
What is older than them is in the trail only, and counted.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hub.live import track_law as law
from hub.live.picture import F64, I64, LAT, LON, Picture
from hub.live.receivers import Receivers
from hub.live.track_fixes import COLUMNS, NONE, Rows, as_fixes, first_difference, flat, ordered, place_in_run
from hub.live.track_law import Fixes, Smoothed
from hub.live.track_replay import GONE, KEPT, RING, Replay
from hub.live.units import Units
from protocols.catalog import FIELDS_BY_NAME
from protocols.frame import ROWS_MAX

LATE_MAX = 300
"""Late fixes of one unit that wait to be put in; more are in the trail only."""
LATE_UNITS_MAX = 20_000
PENDING_MAX = 50_000
"""Fixes that wait for the next step; with more, it is made at once."""
REPLAY_EVERY_MS = 1_000
REPLAYED_MAX = 100
"""Units a replay; the others wait for the next one, their tracks going on without what came late."""
ROUNDS_MAX = 40
"""Fixes a step that a replay goes on by: a long one takes several, and the loop is never held for longer."""
DEVICES_A_SECOND = 8
"""Fixes of other devices of the unit that are looked through for one of the same device and second."""
HITS_MIN = 3
SPEED_MPS_MIN = 0.5
"""Below it a course is noise."""
_ABSENT = 65535
_NONES: tuple[tuple[None, ...], ...] = tuple((None,) * n for n in range(ROWS_MAX + 1))
_HACC = FIELDS_BY_NAME["hacc_dm"].bit

Heard = tuple[int, int, Sequence[int], Sequence[int | None], Sequence[int | None], Sequence[int | None], bool]
"""Positions of one frame: slot, device, times, latitudes, longitudes, radii, whether it is a preview."""


class Tracks:
    """All tracks, by slot. `replayed`: units run again since the start; `late_dropped`: fixes that came too late."""

    def __init__(self, picture: Picture, units: Units) -> None:
        self._picture = picture
        self._units = units
        self.receivers = Receivers(picture, units)
        self._heard: list[Heard] = []
        self._pending = 0
        self._late: dict[int, list[Rows]] = {}
        self._replay_ms = 0
        self._replay: Replay | None = None
        self.late_dropped = 0
        self.replayed = 0
        self._size = 0
        self._make(256)

    def _make(self, size: int) -> None:
        old = dict(vars(self)) if self._size else {}
        self._head, self._near, self._base = (law.begin(size) for _ in range(3))
        self._near_at: I64 = np.zeros(size, np.int64)
        self._count: I64 = np.zeros(size, np.int64)
        self._busy: npt.NDArray[np.bool_] = np.zeros(size, np.bool_)
        self._ring: dict[str, npt.NDArray[Any]] = {
            name: np.zeros((size, RING), np.int64 if name in ("t", "who") else np.int32) for name in COLUMNS
        }
        if old:
            for name in ("_head", "_near", "_base", "_near_at", "_count", "_busy"):
                getattr(self, name)[..., : self._size] = old[name]
            for name, column in old["_ring"].items():
                self._ring[name][: self._size] = column
        self._size = size

    # --- hearing -------------------------------------------------------------------------------------------

    def hear(
        self,
        slot: int,
        device: int,
        times: Sequence[int],
        columns: dict[int, list[int | None]],
        *,
        preview: bool,
    ) -> None:
        """Positions of one frame, dated, and past the teleport gate. Kept for the next step."""
        lats, lons = columns.get(LAT), columns.get(LON)
        if lats is None or lons is None:
            return
        haccs = columns.get(_HACC) or _NONES[len(times)]
        self._heard.append((slot, device, times, lats, lons, haccs, preview))
        self._pending += len(times)
        if self._pending > PENDING_MAX:
            self.step(self._replay_ms)

    def step(self, now_ms: int) -> None:
        """Run over all that came, and go on with what came late. The picture has it afterwards."""
        touched: list[I64] = []
        if self._heard:
            touched.append(self._put(*self._take()))
        if self._late and self._replay is None:
            due = not 0 <= now_ms - self._replay_ms < REPLAY_EVERY_MS
            if due or len(self._late) >= REPLAYED_MAX:
                self._replay_ms = now_ms
                self._replay = self._begin_replay(list(self._late)[:REPLAYED_MAX])
        if self._replay is not None and self._replay.go_on(ROUNDS_MAX):
            touched.append(self._end_replay(self._replay))
        if touched:
            slots = np.unique(np.concatenate(touched))
            self._show(slots)
            self.receivers.look_again(slots)
        self.receivers.settle(self._head[law.DEVICE])

    def settle(self) -> None:
        """Everything that came, late or not, now. For a start and for tests."""
        self.step(self._replay_ms)
        while self._late or self._replay is not None:
            self._replay_ms -= REPLAY_EVERY_MS
            self.step(self._replay_ms + REPLAY_EVERY_MS)

    def _take(self) -> tuple[I64, Rows]:
        """All fixes of the frames that came, in order of unit, time and device; one a second and device."""
        heard, self._heard, self._pending = self._heard, [], 0
        while self._size < len(self._units.rows):
            self._make(2 * self._size)
        by_slot, devices, times, lats, lons, haccs, previews = zip(*heard, strict=True)
        counts = [len(one) for one in times]
        slots = np.repeat(np.array(by_slot, np.int64), counts)
        rows = {
            "t": flat(times),
            "who": np.repeat(2 * np.array(devices, np.int64) + np.array(previews, np.int64), counts),
            "lat": flat(lats),
            "lon": flat(lons),
            "hacc": flat(haccs),
        }
        known = (rows["lat"] != NONE) & (rows["lon"] != NONE)
        rows["hacc"] = np.where(rows["hacc"] == NONE, -1, rows["hacc"])
        return ordered(slots[known], {name: column[known] for name, column in rows.items()})

    # --- in order ------------------------------------------------------------------------------------------

    def _put(self, slots: I64, rows: Rows) -> I64:
        """What is newer than all of its unit runs on at once; the rest waits. The slots that moved."""
        if not len(slots):
            return slots
        count = self._count[slots]
        last = np.maximum(count - 1, 0)
        last_t, last_who = self._ring["t"][slots, last], self._ring["who"][slots, last]
        later = (rows["t"] > last_t) | ((rows["t"] == last_t) & (rows["who"] > last_who))
        fresh = (count == 0) | later
        same_second = (count > 0) & (rows["t"] // 1_000 == last_t // 1_000)
        again = same_second & fresh & (rows["who"] >> 1 == last_who >> 1)
        # Another device has spoken within that second: its own fix may be a place or two before the last.
        among = np.flatnonzero(same_second & fresh & ~again)
        if len(among):
            again[among] = self._is_among(slots[among], last[among], rows["who"][among], rows["t"][among])
        fresh &= ~self._busy[slots]  # its turn comes when the replay of its unit is done
        late = np.flatnonzero(~fresh & ~again)
        if len(late):
            self._wait(slots[late], {name: column[late] for name, column in rows.items()})
        chosen = np.flatnonzero(fresh & ~again)
        slots, rows = slots[chosen], {name: column[chosen] for name, column in rows.items()}
        part = place_in_run(slots) // GONE  # no more of a unit at once than are let go when its ring is full
        for k in range(int(part.max(initial=-1)) + 1):
            now = np.flatnonzero(part == k)
            self._append(slots[now], {name: column[now] for name, column in rows.items()})
        return slots

    def _is_among(self, slots: I64, last: I64, who: I64, t_ms: I64) -> npt.NDArray[np.bool_]:
        """Whether the same device has a fix of the same second among the last of its unit."""
        before = last[:, None] - np.arange(1, DEVICES_A_SECOND)
        at = np.maximum(before, 0)
        there_who, there_t = self._ring["who"][slots[:, None], at], self._ring["t"][slots[:, None], at]
        same = (there_who >> 1 == who[:, None] >> 1) & (there_t // 1_000 == t_ms[:, None] // 1_000)
        out: npt.NDArray[np.bool_] = (same & (before >= 0)).any(axis=1)
        return out

    def _append(self, slots: I64, rows: Rows) -> None:
        """At most GONE fixes a slot, in order and newer than what is there."""
        place = place_in_run(slots)
        first = np.flatnonzero(place == 0)
        many = np.diff(np.append(first, len(slots)))
        by_length = np.argsort(-many, kind="stable")  # so that each round is the first so many of them
        first, many = first[by_length], many[by_length]
        at = slots[first]
        full = at[self._count[at] + many > RING]
        if len(full):
            self._let_go(full)
        count = self._count[at]
        to = self._count[slots] + place
        for name in COLUMNS:
            self._ring[name][slots, to] = rows[name]
        fixes, motions, state = as_fixes(rows), self._motion_of(at), self._head[:, at]
        for k in range(int(many[0])):
            m = int(np.count_nonzero(many > k))
            mark = np.flatnonzero((count[:m] + k) % GONE == 0)
            self._near[:, at[mark]] = state[:, mark]
            self._near_at[at[mark]] = count[mark] + k
            now = first[:m] + k
            state[:, :m] = law.step(state[:, :m], Fixes(*(column[now] for column in fixes)), motions[:, :m])
        self._head[:, at] = state
        self._count[at] = count + many

    def _let_go(self, full: I64) -> None:
        """The oldest fixes of full rings go into the state before them."""
        motions = self._motion_of(full)
        state = self._base[:, full]
        for i in range(GONE):
            state = law.step(
                state, as_fixes({name: column[full, i] for name, column in self._ring.items()}), motions
            )
        self._base[:, full] = state
        for column in self._ring.values():
            column[full, :KEPT] = column[full, GONE:]
        self._count[full] -= GONE
        self._near_at[full] -= GONE

    def _motion_of(self, slots: I64) -> F64:
        return self._units.tracking[:, slots]

    # --- late ----------------------------------------------------------------------------------------------

    def _wait(self, slots: I64, rows: Rows) -> None:
        """Late fixes wait for the next replay. Those before all that is kept, or beyond the bounds, are left out."""
        began = (self._base[law.T, slots] // 1_000 + 1) * 1_000
        begun = self._base[law.DEVICE, slots] >= 0
        old = begun & (rows["t"] < began)
        self.late_dropped += int(np.count_nonzero(old))
        slots, rows = slots[~old], {name: column[~old] for name, column in rows.items()}
        begins = np.flatnonzero(place_in_run(slots) == 0)
        for begin, end in pairwise([*begins.tolist(), len(slots)]):
            slot = int(slots[begin])
            may = slot in self._late or len(self._late) < LATE_UNITS_MAX
            waiting = self._late.setdefault(slot, []) if may else []
            if sum(len(one["t"]) for one in waiting) + end - begin > LATE_MAX or not may:
                self.late_dropped += end - begin
            else:
                waiting.append({name: column[begin:end] for name, column in rows.items()})

    def _begin_replay(self, slots: list[int]) -> Replay | None:
        """Put in what came late, to run the law again from before it. None: all of it was known."""
        merged: list[tuple[int, Rows, int]] = []
        for slot in slots:
            count = int(self._count[slot])
            mine = {name: column[slot, :count].astype(np.int64) for name, column in self._ring.items()}
            parts = [mine, *self._late.pop(slot)]
            all_rows = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
            _, rows = ordered(np.zeros(len(all_rows["t"]), np.int64), all_rows)
            first = first_difference(mine, rows)
            if first is not None:
                merged.append((slot, rows, first))
        if not merged:
            return None
        at = np.array([slot for slot, _, _ in merged], np.int64)
        self._busy[at] = True
        self.replayed += len(merged)
        return Replay(
            merged, self._base[:, at], self._near[:, at], self._near_at[at], self._motion_of(at)
        )  # fmt: skip

    def _end_replay(self, done: Replay) -> I64:
        """The tracks as they are with what came late. The slots that changed."""
        slots, self._replay = done.slots, None
        self._busy[slots] = False
        self._head[:, slots], self._near[:, slots], self._base[:, slots] = done.state, done.near, done.base
        self._count[slots], self._near_at[slots] = done.lengths - done.gone, done.near_at - done.gone
        for i, slot in enumerate(slots):
            for name, column in self._ring.items():
                kept = done.rows[name][i, done.gone[i] : done.lengths[i]]
                column[slot, : len(kept)] = kept
        return slots

    # --- what follows --------------------------------------------------------------------------------------

    def _show(self, slots: I64) -> None:
        """Into the picture: what these tracks say of their units' newest fixes."""
        state = self._head[:, slots]
        said = law.smoothed(state)
        sure = (state[law.HITS] >= HITS_MIN) & (state[law.OUT] == 0)
        speed = np.where(sure, np.minimum(np.round(said.speed_mps * 10), _ABSENT - 1), _ABSENT)
        moves = sure & (said.speed_mps >= np.maximum(SPEED_MPS_MIN, said.speed_sigma_mps))
        course = np.where(moves, np.round(said.course_deg) % 360, _ABSENT)
        away_dm = np.ceil(state[law.AWAY] * 10)
        self._picture.set_tracks(slots, state[law.SEEN], speed, course, away_dm)

    def believed(self, slot: int) -> int:
        """The device whose fixes are taken; 0: none yet."""
        return max(0, int(self._head[law.DEVICE, slot])) if slot < self._size else 0

    def outliers(self, slot: int) -> int:
        return int(self._head[law.COUNT, slot]) if slot < self._size else 0

    def outliers_in_all(self) -> int:
        return int(self._head[law.COUNT].sum())

    def outlying(self) -> int:
        """Units whose newest fix is an outlier."""
        return int(np.count_nonzero(self._head[law.OUT]))

    def of(self, slot: int) -> tuple[Smoothed, float] | None:
        """What the track of one unit says, and as of when (UTC ms); None: there is none yet."""
        if slot >= self._size or self._head[law.HITS, slot] < 1:
            return None
        return law.smoothed(self._head[:, slot : slot + 1]), float(self._head[law.T, slot])

    def good_fix(self, slot: int, radius_m: float) -> tuple[int, float, float, float] | None:
        """The newest kept fix with a radius of at most this: (UTC ms, latitude, longitude, radius), or None."""
        if slot >= self._size:
            return None
        count = int(self._count[slot])
        hacc = self._ring["hacc"][slot, :count]
        good = np.flatnonzero((hacc >= 0) & (hacc <= 10 * radius_m))
        if not len(good):
            return None
        i = int(good[-1])
        lat, lon = (int(self._ring[name][slot, i]) / 1e7 for name in ("lat", "lon"))
        return int(self._ring["t"][slot, i]), lat, lon, float(hacc[i]) / 10

    def state(self, slot: int) -> list[float]:
        """The whole state of a track, for tests that compare two."""
        return [float(value) for value in self._head[:, slot]]
