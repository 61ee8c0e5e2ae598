"""Where each bearer works and where it does not, by what units report there.

Enters: each second, the bearers' states (LINK rows) and what was heard of others with its strength, at the place of the
unit that says so. Leaves: cells with counts. Callers: `hub.app`, `hub.api.coverage_routes`.

A hole is a cell where units were and the bearer was down or answered nothing, more often than it was up: it is known,
unlike a cell where nobody was. A sample counts only with a place no older than PLACE_MS_MAX at its time.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from hub.live.picture import Picture
from hub.safety.part import Ground, Part
from hub.safety.signal_law import cell_of, ring_of
from protocols.catalog import Bearer, BearerState

CELLS_MAX = 50_000
"""Of all bearers together; the one that was used longest ago is forgotten for a new one."""
STRENGTHS_MAX = 32
"""Newest strengths kept of a cell: its median and its tenth percentile are of these."""
PLACE_MS_MAX = 30_000
DEVICES_MAX = 50_000
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

    def strengths(self) -> tuple[float | None, float | None]:
        """Median and tenth percentile (nearest rank), dBm."""
        if not self.rssi_dbm:
            return None, None
        order = sorted(self.rssi_dbm)
        return float(median(order)), float(order[max(0, -(-len(order) // 10) - 1)])


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
    """Looks each second at what is new of the links and of what is heard of others."""

    name = "signal"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.cells = Cells()
        self._seen: dict[tuple[int, int], int] = {}

    def look(self, now_ms: int) -> None:
        links, units = self._ground.ingest.links, self._ground.units
        for device in links.devices():
            slot = units.carrier_of(device)
            if slot is None:
                continue
            for told in links.of(device):
                key = (device, told.link.place)
                if self._seen.get(key, -1) >= told.t_utc_ms or told.link.state == BearerState.OFF:
                    continue
                if key not in self._seen and len(self._seen) >= DEVICES_MAX:
                    continue
                self._seen[key] = told.t_utc_ms
                place = _place(self._ground.picture, slot, told.t_utc_ms)
                if place is not None:
                    up = told.link.state in UP and told.link.loss_permille != 1000
                    self.cells.add(told.link.kind, *place, units.rows[slot].id, told.t_utc_ms, up=up)
        self._hear_others()

    def _hear_others(self) -> None:
        """A node that is heard says how strong the mesh is where it is."""
        reported, units = self._ground.ingest.reported, self._ground.units
        for slot in range(len(units.rows)):
            if not units.is_reported(slot):
                continue
            for known, value, t_utc_ms in reported.more(slot):
                if known.name != "obs_rssi_dbm" or self._seen.get((-1, slot), -1) >= t_utc_ms:
                    continue
                self._seen[-1, slot] = t_utc_ms
                place = _place(self._ground.picture, slot, t_utc_ms)
                if place is not None:
                    self.cells.add(
                        Bearer.MESH, *place, units.rows[slot].id, t_utc_ms, up=True, rssi_dbm=value
                    )

    def gauges(self) -> dict[str, float]:
        return {"signal_cells": float(len(self.cells)), "signal_samples": float(self.cells.samples)}

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
