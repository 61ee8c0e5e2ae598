"""The dry run: what a rule would have said of the past, by the same engine over the frames of the log.

Enters: a rule, units, frames in the order in which they came, zones. Leaves: firings. Callers: `hub.api.rule_routes`
and `zhantu-hub rules try`, on a reader's thread, slice by slice.

Frames go into a picture of its own just as they went into the hub's, at the time when they came, and each second is
looked at. So what came late is late here too, and live and dry run agree to the second. What differs is said in
docs/rules.md: boots that told their clock later are dated here, zones stand as they are now, and units that others
reported are left out.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hub.live.clock import AHEAD_MS_MAX
from hub.live.gate import Columns, Gates, without
from hub.live.history import Decoder
from hub.live.picture import F64, I64, LAT, LON, Changes, Picture, rank
from hub.live.units import Units
from hub.safety.rule_engine import Engine, Told
from hub.safety.rule_kinds import Absence, Capability, Overdue, Proximity, Rule
from hub.safety.rule_latch import Flags
from hub.safety.rule_scene import Entries, Roster, Scene, ZoneLike, ZoneSight
from hub.store.interface import Binding, Log, LogFrame, UnitRow
from protocols.catalog import FIELDS_BY_NAME, Kind
from protocols.frame import Frame

ROWS_MAX = 2_000_000
SECONDS_MAX = 60.0
"""Of work: what is not reached by then is left out, and said to be."""
SPAN_MS_MAX = 8 * 86_400_000
WARM_MS = 3_600_000
WARM_OVERDUE_MS = 24 * 3_600_000
"""Read before the window, so that its first second knows who is where; nothing of it is counted."""
FIRINGS_MAX = 500
SLICE_S = 0.05
TICK_MS = 1_000
_CODE = FIELDS_BY_NAME["event_code"].bit


@dataclass(slots=True)
class Firing:
    """Once that it would have alarmed. `until_utc_ms` None: it still stood at the end. `value`: as it began."""

    t_utc_ms: int
    unit: str
    callsign: str
    value: float | None
    lat: float | None
    lon: float | None
    zh: str
    en: str
    until_utc_ms: int | None = None


@dataclass(slots=True)
class Found:
    """What a dry run found so far. `looked_until_utc_ms`: so far it got; `truncated`: no farther than that."""

    count: int = 0
    firings: list[Firing] = field(default_factory=list)
    by_unit: dict[str, int] = field(default_factory=dict)
    looked_rows: int = 0
    unreadable: int = 0
    looked_until_utc_ms: int = 0
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """Whose past, from when until when. `units`: ids of those to look at, None: all."""

    rule: Rule
    from_ms: int
    to_ms: int
    units: frozenset[str] | None = None
    offset_min: int = 480


class _ThenZones:
    """The zones of now over the places of then. Without the hub's hysteresis: who is inside is inside."""

    def __init__(self, zones: ZoneSight) -> None:
        self._zones = zones
        self.scene: Scene | None = None

    def all(self) -> Iterable[ZoneLike]:
        return self._zones.all()

    def get(self, zone_id: str) -> ZoneLike | None:
        return self._zones.get(zone_id)

    def inside(self, zone_id: str) -> I64:
        zone = self.get(zone_id)
        if zone is None or self.scene is None:
            return np.zeros(0, np.int64)
        where = self.scene.places()
        found: I64 = np.flatnonzero(
            self._zones.contains(zone, where.lat_deg, where.lon_deg, self.scene.now_ms)
        )
        return found

    def unsure(self, zone_id: str) -> I64:
        return np.zeros(0, np.int64)

    def contains(self, zone: Any, lat_deg: F64, lon_deg: F64, t_ms: int) -> Flags:
        return self._zones.contains(zone, lat_deg, lon_deg, t_ms)


class Trial:
    """One dry run. `slice()` until it says that it is done; `trouble`: why the rule cannot be judged."""

    def __init__(
        self, past: Past, log: Log, decoder: Decoder, units: Iterable[UnitRow], bindings: Iterable[Binding],
        zones: ZoneSight | None = None,
    ) -> None:  # fmt: skip
        self.found = Found(looked_until_utc_ms=past.from_ms)
        self._past, self._decoder = past, decoder
        self._picture, self._changes = Picture(), Changes()
        self._units = Units(self._picture)
        self._units.load(list(units), list(bindings))
        self._roster, self._entries, self._gates = Roster(self._units), Entries(), Gates()
        self._roster.look()
        self._zones = None if zones is None else _ThenZones(zones)
        self._engine = Engine([past.rule], past.offset_min)
        self._standing: dict[str, Firing | None] = {}
        warm_ms = WARM_OVERDUE_MS if isinstance(past.rule, Overdue) else WARM_MS
        self._since_ms = max(0, past.from_ms - warm_ms)
        self._now_ms = past.from_ms - (past.from_ms - self._since_ms) // TICK_MS * TICK_MS
        self._work_s = 0.0
        self._kinds = kinds_of(past.rule)
        self._devices = self._wanted_devices()
        self._steps = self._run(log)

    @property
    def trouble(self) -> str:
        return next((one.trouble for one in self._engine.watched.values()), "the rule is switched off")

    def slice(self, seconds: float = SLICE_S) -> bool:
        """Some of the work; whether it is done. StoreError when the log cannot be read."""
        began = time.perf_counter()
        for _ in self._steps:
            spent_s = time.perf_counter() - began
            if self._work_s + spent_s >= SECONDS_MAX:
                self.found.truncated = True
                self._steps.close()
                return True
            if spent_s >= seconds:
                self._work_s += spent_s
                return False
        return True

    def close(self) -> None:
        """Nobody waits for it any more."""
        self._steps.close()

    def _wanted_devices(self) -> frozenset[int]:
        """Devices that a unit which can matter ever carried: who fits the rule, and of those the ones asked for, unless
        the others are near or left."""
        rule = self._past.rule
        who = self._roster.mask(rule.who)
        if isinstance(rule, Proximity):
            who = who | self._roster.mask(rule.near)
        wanted = None if isinstance(rule, Proximity | Capability) else self._past.units
        slots = [
            slot
            for slot in np.flatnonzero(who).tolist()
            if wanted is None or self._units.rows[slot].id in wanted
        ]
        return frozenset(device for slot in slots for device, _, _ in self._units.carried(slot))

    def _run(self, log: Log) -> Generator[None]:
        """Frames as they came, and a look at each second between them."""
        for stored in log.all_frames(self._since_ms, self._past.to_ms):
            if stored.t_hub_ms < self._since_ms or stored.kind not in self._kinds:
                continue
            if stored.device not in self._devices:
                continue
            if self.found.looked_rows + stored.n > ROWS_MAX:
                self.found.truncated = True
                return
            if not self.found.looked_rows:
                self._skip_until(min(stored.t_hub_ms, self._past.from_ms))
            yield from self._look_until(stored.t_hub_ms)
            if stored.t_hub_ms > self._past.to_ms:
                break
            self._apply(stored)
            yield None
        if not self.found.looked_rows:
            self._skip_until(self._past.from_ms)
        yield from self._look_until(self._past.to_ms + TICK_MS)

    def _skip_until(self, t_ms: int) -> None:
        """Before the first frame there is nothing to look at."""
        self._now_ms += max(0, t_ms - self._now_ms) // TICK_MS * TICK_MS

    def _look_until(self, t_ms: int) -> Iterator[None]:
        """Every whole second before `t_ms`, and within the window."""
        while self._now_ms < t_ms and self._now_ms <= self._past.to_ms:
            self._look(self._now_ms)
            self._now_ms += TICK_MS
            yield None

    def _look(self, now_ms: int) -> None:
        self._picture.apply(self._changes)
        self._changes = Changes()
        scene = Scene(
            self._picture, self._units, self._roster, self._entries, self._zones, now_ms, self._since_ms
        )
        if self._zones is not None:
            self._zones.scene = scene
        standing = self._engine.step(scene)
        for key in [key for key in self._standing if key not in standing]:
            firing = self._standing.pop(key)
            if firing is not None:
                firing.until_utc_ms = now_ms
        for key, told in standing.items():
            if key not in self._standing:
                self._standing[key] = self._fires(told, now_ms) if now_ms >= self._past.from_ms else None
        self.found.looked_until_utc_ms = max(self._past.from_ms, now_ms)

    def _fires(self, told: Told, now_ms: int) -> Firing | None:
        row = self._units.rows[told.slots[0]] if told.slots else None
        unit = row.id if row is not None else ""
        if self._past.units is not None and unit not in self._past.units:
            return None
        said = told.condition
        callsign = row.callsign if row is not None else ""
        place = said.lat_deg, said.lon_deg
        firing = Firing(now_ms, unit, callsign, told.value, *place, said.zh, said.en)
        self.found.count += 1
        self.found.by_unit[unit] = self.found.by_unit.get(unit, 0) + 1
        if len(self.found.firings) < FIRINGS_MAX:
            self.found.firings.append(firing)
        return firing

    # --- frames ----------------------------------------------------------------------------------------------------

    def _apply(self, stored: LogFrame) -> None:
        """Gathered, and put into the picture once before it is looked at, as a batch of the hub is."""
        self.found.looked_rows += stored.n
        decoded = self._decoder.decode(stored)
        self.found.unreadable = self._decoder.unreadable
        frame, zero_ms = decoded if decoded is not None else (None, None)
        if frame is None or zero_ms is None:
            return
        times = [t_mono_ms + zero_ms for t_mono_ms in frame.t_mono_ms]
        only = self._units.only_slot(stored.device)
        if only is not None and max(times) <= stored.t_hub_ms + AHEAD_MS_MAX:
            self._take(frame, only, range(len(times)), times, frame.columns)
            return
        for slot, rows in self._by_slot(stored, times).items():
            columns = {bit: [column[i] for i in rows] for bit, column in frame.columns.items()}
            self._take(frame, slot, rows, [times[i] for i in rows], columns)

    def _by_slot(self, stored: LogFrame, times: list[int]) -> dict[int, list[int]]:
        """Rows by the unit that carried the device then; those from the future are nobody's."""
        rows: dict[int, list[int]] = {}
        for i, t_ms in enumerate(times):
            slot = self._units.slot_at(stored.device, min(t_ms, stored.t_hub_ms))
            if slot is not None and t_ms <= stored.t_hub_ms + AHEAD_MS_MAX:
                rows.setdefault(slot, []).append(i)
        return rows

    def _take(self, frame: Frame, slot: int, rows: Sequence[int], times: list[int], columns: Columns) -> None:
        """As `hub.live.ingest` does it: the same ranks, the same gate."""
        head, changes = frame.envelope, self._changes
        changes.rx.append((slot, max(times), max(times), 0))
        if head.kind == Kind.EVENT:
            for code, t_ms in zip(columns.get(_CODE, [None] * len(times)), times, strict=True):
                self._entries.hear(code, slot, t_ms)
            return
        if head.kind == Kind.STATE and not self._gates.near(head.device, times[-1], columns):
            columns = self._gated(head.device, slot, times, columns)
        base = -head.n if head.is_preview else rank(head.device, head.boot, head.stream, head.row)
        changes.add_columns(slot, head.kind, times, [base + i for i in rows], columns, 0)

    def _gated(self, device: int, slot: int, times: list[int], columns: Columns) -> Columns:
        if LAT not in columns or LON not in columns:
            return columns
        doubted = self._gates.judge(device, self._units.rows[slot].kind, times, columns)
        return without(columns, doubted) if doubted else columns


def kinds_of(rule: Rule) -> frozenset[int]:
    """The kinds of frames that a rule has to see. Each of them says that its unit is there."""
    every = (Kind.STATE, Kind.HEALTH, Kind.EVENT, Kind.TEXT)
    if not rule.channels or isinstance(rule, Absence):
        return frozenset(every)
    return frozenset({int(Kind.STATE)} | {FIELDS_BY_NAME[channel].page for channel in rule.channels})
