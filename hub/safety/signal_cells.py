"""Where each bearer works and where it does not, by what units report there.

Enters: each second, the bearers' states (LINK rows) and what was heard of others with its strength, at the place of the
unit that says so. Leaves: cells with counts. Callers: `hub.app`, `hub.api.coverage_routes`.

A hole is a cell where units were and the bearer was down or answered nothing, more often than it was up: it is known,
unlike a cell where nobody was. A sample counts only with a place no older than PLACE_MS_MAX at its time. Cells are made
anew at each start out of the links of the last day in the log.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from hub.live.history import Carried, History, Trail
from hub.live.links import Told
from hub.live.picture import Picture
from hub.safety.part import Ground, Part
from hub.safety.signal_law import cell_of, ring_of
from protocols.catalog import Bearer, BearerState

CELLS_MAX = 50_000
"""Of all bearers together; the one that was used longest ago is forgotten for a new one."""
STRENGTHS_MAX = 32
"""Newest strengths kept of a cell: its median and its tenth percentile are of these."""
PLACE_MS_MAX = 30_000
COUNTED_MAX = 100_000
"""Rows remembered so that none counts twice; beyond it the oldest is forgotten."""
WAITING_MAX = 5_000
"""Rows that wait for a place out of the log; beyond it they are counted as unplaced."""
WAIT_MS = 30_000
"""The positions of a time without bearers come with its rows, not before them."""
STRETCH_MS = 3_600_000
"""So much of a unit's trail is read at once."""
POINTS_MAX = 20_000
ReadTrail = Callable[[Carried, int, int, int], Trail]
UP = (BearerState.UP, BearerState.HELD)


@dataclass(slots=True)
class Cell:
    """`up`, `down`: samples of either kind. `rssi_dbm`: the newest strengths, where the bearer tells any."""

    bearer: int
    column: int
    row: int
    up: int = 0
    down: int = 0
    units: set[str] = field(default_factory=set)
    rssi_dbm: list[int] = field(default_factory=list)
    t_first_ms: int = 0
    t_last_ms: int = 0
    t_up_ms: int | None = None

    @property
    def is_hole(self) -> bool:
        return self.down > self.up

    def is_within(self, bounds: tuple[float, float, float, float] | None) -> bool:
        """Whether any of it lies within west, south, east, north; None: everywhere."""
        if bounds is None:
            return True
        ring = ring_of(self.column, self.row)
        (west, south), (east, north) = ring[0], ring[2]
        return west <= bounds[2] and east >= bounds[0] and south <= bounds[3] and north >= bounds[1]

    def strengths(self) -> tuple[float | None, float | None]:
        """Median and tenth percentile (nearest rank), dBm."""
        if not self.rssi_dbm:
            return None, None
        order = sorted(self.rssi_dbm)
        return float(median(order)), float(order[max(0, -(-len(order) // 10) - 1)])


@dataclass(slots=True)
class Waiting:
    """Rows of one unit whose place is not known yet."""

    slot: int
    since_ms: int
    told: list[Told] = field(default_factory=list)


class Cells:
    """All cells, the least lately used first."""

    def __init__(self) -> None:
        self._cells: OrderedDict[tuple[int, int, int], Cell] = OrderedDict()
        self.samples = self.forgotten = 0

    def __len__(self) -> int:
        return len(self._cells)

    def add(
        self, bearer: int, lat_deg: float, lon_deg: float, unit: str, t_utc_ms: int, *,
        up: bool, rssi_dbm: int | None = None,
    ) -> None:  # fmt: skip
        """One sample."""
        place = cell_of(lat_deg, lon_deg)
        if place is None:
            return
        key = (bearer, *place)
        cell = self._cells.get(key)
        if cell is None:
            if len(self._cells) >= CELLS_MAX:
                self._cells.popitem(last=False)
                self.forgotten += 1
            cell = self._cells[key] = Cell(bearer, *place, t_first_ms=t_utc_ms)
        self._cells.move_to_end(key)
        self.samples += 1
        cell.up, cell.down = cell.up + up, cell.down + (not up)
        cell.t_last_ms = max(cell.t_last_ms, t_utc_ms)
        if up:
            cell.t_up_ms = max(cell.t_up_ms or 0, t_utc_ms)
        if len(cell.units) < STRENGTHS_MAX:
            cell.units.add(unit)
        if rssi_dbm is not None:
            cell.rssi_dbm = [*cell.rssi_dbm[-STRENGTHS_MAX + 1 :], rssi_dbm]

    def all(self, bearer: int | None = None, since_ms: int = 0) -> Iterator[Cell]:
        """Of one bearer, or of all, used since then."""
        for cell in self._cells.values():
            if (bearer is None or cell.bearer == bearer) and cell.t_last_ms >= since_ms:
                yield cell


class Signal(Part):
    """Looks each second at what is new of the links and of what is heard of others. `read`: a unit's trail, on a
    reader's thread."""

    name = "signal"

    def __init__(self, ground: Ground, read: ReadTrail | None = None) -> None:
        self._ground = ground
        self._read = read or History(ground.log, ground.ingest.keys.logged).trail
        self.cells = Cells()
        self._counted: OrderedDict[tuple[int, int, int], None] = OrderedDict()
        self._heard: dict[int, int] = {}  # slot of a reported unit -> of when its newest strength is
        self._waiting: dict[int, Waiting] = {}  # by slot
        self._n_waiting = 0
        self._reading: tuple[Waiting, Future[Trail]] | None = None
        self.unplaced = 0

    def look(self, now_ms: int) -> None:
        fresh = self._ground.ingest.links.fresh
        while fresh:
            self._take(*fresh.popleft(), now_ms)
        self._place_late(now_ms)
        self._hear_others()

    def _take(self, device: int, told: Told, now_ms: int) -> None:
        """One row, once. Where its unit was then is known at once, or is looked up later."""
        key = (device, told.link.place, told.t_utc_ms)
        slot = self._ground.units.slot_at(device, told.t_utc_ms)
        if slot is None or told.link.state == BearerState.OFF or key in self._counted:
            return
        self._counted[key] = None
        if len(self._counted) > COUNTED_MAX:
            self._counted.popitem(last=False)
        place = _place(self._ground.picture, slot, told.t_utc_ms)
        if place is not None:
            self._count(slot, told, *place)
            return
        if self._n_waiting >= WAITING_MAX:
            self.unplaced += 1
            return
        self._waiting.setdefault(slot, Waiting(slot, now_ms)).told.append(told)
        self._n_waiting += 1

    def _count(self, slot: int, told: Told, lat_deg: float, lon_deg: float) -> None:
        up = told.link.state in UP and told.link.loss_permille != 1000
        unit = self._ground.units.rows[slot].id
        self.cells.add(told.link.kind, lat_deg, lon_deg, unit, told.t_utc_ms, up=up)

    def _place_late(self, now_ms: int) -> None:
        """Rows of a time without any bearer come late, and they are those that tell of a hole: the log knows where
        their unit was. One unit at a time, so that nobody else waits for it."""
        if self._reading is not None:
            waiting, future = self._reading
            if not future.done():
                return
            self._reading = None
            self._count_late(waiting, None if future.exception() else future.result())
        due = next((one for one in self._waiting.values() if now_ms - one.since_ms >= WAIT_MS), None)
        if due is None:
            return
        first = min(told.t_utc_ms for told in due.told)
        now = [told for told in due.told if told.t_utc_ms - first <= STRETCH_MS]
        later = [told for told in due.told if told.t_utc_ms - first > STRETCH_MS]
        due.told = later
        if not later:
            del self._waiting[due.slot]
        self._n_waiting -= len(now)
        carried = self._ground.units.carried(due.slot)
        window = first - PLACE_MS_MAX, first + STRETCH_MS + PLACE_MS_MAX
        future = self._ground.readers.submit(self._read, carried, *window, POINTS_MAX)
        self._reading = (Waiting(due.slot, due.since_ms, now), future)

    def _count_late(self, waiting: Waiting, trail: Trail | None) -> None:
        at = [] if trail is None else trail.t_utc_ms
        for told in waiting.told:
            i = bisect_left(at, told.t_utc_ms)
            around = range(max(0, i - 1), min(len(at), i + 1))
            _, near = min(((abs(at[j] - told.t_utc_ms), j) for j in around), default=(0, None))
            if trail is None or near is None or abs(at[near] - told.t_utc_ms) > PLACE_MS_MAX:
                self.unplaced += 1
            else:
                self._count(waiting.slot, told, trail.lat_deg_e7[near] / 1e7, trail.lon_deg_e7[near] / 1e7)

    def _hear_others(self) -> None:
        """A node that is heard says how strong the mesh is where it is."""
        reported, units = self._ground.ingest.reported, self._ground.units
        for slot in units.reported():
            for known, value, t_utc_ms in reported.more(slot):
                if known.name != "obs_rssi_dbm" or self._heard.get(slot, -1) >= t_utc_ms:
                    continue
                self._heard[slot] = t_utc_ms
                place = _place(self._ground.picture, slot, t_utc_ms)
                if place is not None:
                    self.cells.add(
                        Bearer.MESH, *place, units.rows[slot].id, t_utc_ms, up=True, rssi_dbm=value
                    )

    def gauges(self) -> dict[str, float]:
        return {
            "signal_cells": float(len(self.cells)), "signal_samples": float(self.cells.samples),
            "signal_unplaced": float(self.unplaced),
        }  # fmt: skip

    def notes(self) -> list[str]:
        forgotten = self.cells.forgotten
        return [f"signal: {forgotten} cells forgotten, {CELLS_MAX} are kept"] if forgotten else []


def _place(picture: Picture, slot: int, t_utc_ms: int) -> tuple[float, float] | None:
    """Where the unit was then, as far as its newest position tells."""
    if not abs(float(picture.pos_time[slot]) - t_utc_ms) <= PLACE_MS_MAX:
        return None
    return int(picture.pos[0, slot]) / 1e7, int(picture.pos[1, slot]) / 1e7


def as_features(cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """GeoJSON of cells, each with its inputs."""
    made = []
    for cell in cells:
        middle, low = cell.strengths()
        made.append({
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring_of(cell.column, cell.row)]},
            "properties": {
                "bearer": Bearer(cell.bearer).name.lower(), "hole": cell.is_hole, "samples": cell.up + cell.down,
                "up": cell.up, "down": cell.down, "units": len(cell.units), "rssi_median_dbm": middle,
                "rssi_p10_dbm": low, "t_first_utc_ms": cell.t_first_ms, "t_last_utc_ms": cell.t_last_ms,
                "t_up_utc_ms": cell.t_up_ms,
            },
        })  # fmt: skip
    return made
