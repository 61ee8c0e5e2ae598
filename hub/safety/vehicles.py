"""What the vehicles of this hub are doing: the hub's own judgement, and a person's word, which stands above it.

Enters: the picture, open tasks, zones, what people say. Leaves: the feed's `vehicle`, documents. Callers: `hub.app`,
`hub.api.vehicle_routes`. A person's word stands until a person takes it back or says another; what the hub would say
meanwhile is shown beside it. It is recorded by name before it counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from hub.identity.permissions import Audience, Principal
from hub.live.doubt import places
from hub.live.outbox_state import Entry
from hub.live.picture import CHANNEL, I64
from hub.safety.part import Ground, Maker, Part
from hub.safety.vehicle_law import MOVES_MPS, WORDS, Judged, Reason, Seen, judge
from protocols.orders import OrderType
from protocols.units import METRES_PER_DEG_LAT

KIND = "vehicle_state"
HOLD_MS = 3_000
"""A new state of the hub's own must stand so long before it is told."""
FRESH_MS = 60_000
"""An older value of the pump says nothing of now."""
PLACES = ("station", "staging", "water")
"""Kinds of zones that say what a vehicle does there, the strongest first."""
OVER = frozenset({"done", "refused", "expired", "lifted"})


class ZoneLike(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...


class ZoneSight(Protocol):
    """What vehicles need of the zones (`hub.safety.zones.Zones`)."""

    def all(self) -> Sequence[ZoneLike]: ...
    def inside(self, zone_id: str) -> I64:
        """Slots of units that are in it for sure."""
        ...


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said."""

    code: int
    by: str
    t_utc_ms: int
    why: str = ""


@dataclass(slots=True)
class Vehicle:
    """One vehicle: what the hub judges and since when, what it is about to judge, a person's word; since when it
    stands, and where its task found it."""

    unit: str
    judged: Judged | None = None
    since_ms: int = 0
    coming: int | None = None
    coming_ms: int = 0
    word: Word | None = None
    stands_ms: int | None = None
    task: int = 0
    start: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """An open order of a vehicle with a place."""

    number: int
    lat_deg: float | None
    lon_deg: float | None


class Vehicles(Part):
    """See the module. `zones` None: nobody is at a station or a water source."""

    name = "vehicles"

    def __init__(self, ground: Ground, zones: ZoneSight | None = None) -> None:
        self._ground = ground
        self._zones = zones
        self._of: dict[int, Vehicle] = {}
        self._kept: dict[str, Vehicle] = {}  # of units that are not loaded (yet)
        self._changed: dict[int, None] = {}
        self._dirty: dict[str, None] = {}

    # --- the part ------------------------------------------------------------------------------------------

    def load(self) -> None:
        for unit, kept in self._ground.registry.documents.all(KIND).items():
            self._kept[unit] = _vehicle_of(unit, kept)
        slots = self._ground.units.slot_by_id
        for slot in [slots[unit] for unit in self._kept if unit in slots]:
            self._vehicle(slot)

    def look(self, now_ms: int) -> None:
        rows = self._ground.units.rows
        slots = [
            slot
            for slot, row in enumerate(rows)
            if row.kind == "vehicle" and not self._ground.units.is_reported(slot)
        ]
        if not slots:
            return
        at = np.array(slots, np.int64)
        where = places(self._ground.picture, self._ground.units.motions, at, now_ms)
        tasks, zones = self._tasks(now_ms), self._inside()
        speeds = self._speeds(at)
        for i, slot in enumerate(slots):
            vehicle = self._vehicle(slot)
            place = (float(where.lat_deg[i]), float(where.lon_deg[i]))
            task = tasks.get(vehicle.unit)
            seen = self._seen(slot, vehicle, place, speeds[i], task, zones.get(slot, ("", "")), now_ms)
            self._take(slot, vehicle, judge(seen, vehicle.judged), now_ms)

    def keep(self) -> None:
        mine = list(self._dirty)
        slots = self._ground.units.slot_by_id
        bodies = {unit: _document(self._of[slots[unit]]) for unit in mine if slots.get(unit) in self._of}
        if bodies:
            self._ground.registry.documents.put(KIND, bodies, self._ground.clock_ms())
        for unit in mine:
            self._dirty.pop(unit, None)

    def changes(self) -> Iterable[Maker]:
        changed, self._changed = self._changed, {}
        return [self._maker(slot) for slot in changed]

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        for slot in sorted(self._of):
            said = self.message(slot, me.audience)
            if said is not None:
                yield said

    def gauges(self) -> dict[str, float]:
        return {"vehicles_overridden": sum(vehicle.word is not None for vehicle in self._of.values())}

    # --- people --------------------------------------------------------------------------------------------

    def say(self, slot: int, word: Word | None) -> None:
        """A person's word, recorded and written already; None: it is taken back. On the hub's loop."""
        self._vehicle(slot).word = word
        self._touch(slot)

    def document(self, slot: int, word: Word | None) -> dict[str, dict[str, Any]]:
        """What is written together with the record of a person's word, so that both outlive a kill."""
        vehicle = replace(self._vehicle(slot), word=word)
        return {vehicle.unit: _document(vehicle)}

    def word(self, slot: int) -> Word | None:
        return self._vehicle(slot).word

    # --- saying --------------------------------------------------------------------------------------------

    def of(self, slot: int) -> dict[str, Any] | None:
        """What is shown of one vehicle; None: neither hub nor person says anything."""
        vehicle = self._of.get(slot)
        if vehicle is None or (vehicle.judged is None and vehicle.word is None):
            return None
        hub = None
        if vehicle.judged is not None:
            reasons = [reason._asdict() for reason in vehicle.judged.reasons]
            hub = _said(vehicle.judged.code, "", vehicle.since_ms) | {"reasons": reasons}
        if vehicle.word is None:
            assert hub is not None
            return hub | {"why": "", "hub": None}
        word = vehicle.word
        why = [Reason("why", word.why, word.why, word.why)._asdict()] if word.why else []
        return _said(word.code, word.by, word.t_utc_ms) | {"reasons": why, "why": word.why, "hub": hub}

    def message(self, slot: int, audience: Audience) -> dict[str, Any] | None:
        """The feed's `vehicle`, as an audience may know it."""
        row = self._ground.units.rows[slot]
        if not audience.sees(row.agency):
            return None
        said = self.of(slot)
        if said is None:
            return {"k": "vehicle", "slot": slot, "unit": row.id, "code": 0} if slot in self._of else None
        return {"k": "vehicle", "slot": slot, "unit": row.id, **said}

    def _maker(self, slot: int) -> Maker:
        return lambda audience: self.message(slot, audience)

    # --- looking -------------------------------------------------------------------------------------------

    def _vehicle(self, slot: int) -> Vehicle:
        vehicle = self._of.get(slot)
        if vehicle is None:
            unit = self._ground.units.rows[slot].id
            vehicle = self._of[slot] = self._kept.pop(unit) if unit in self._kept else Vehicle(unit)
            if vehicle.judged is not None or vehicle.word is not None:
                self._changed[slot] = None
        return vehicle

    def _tasks(self, now_ms: int) -> dict[str, Task]:
        """The newest open task of each unit."""
        found: dict[str, Task] = {}
        for entry in self._ground.outbox.entries():
            if entry.order.type != OrderType.TASK or entry.is_over(now_ms):
                continue
            head = entry.head()
            for unit in entry.units:
                if unit not in found and _is_open(entry, unit, now_ms):
                    lat, lon = head["lat"], head["lon"]
                    assert lat is None or isinstance(lat, float)
                    assert lon is None or isinstance(lon, float)
                    found[unit] = Task(entry.order.seq, lat, lon)
        return found

    def _inside(self) -> dict[int, tuple[str, str]]:
        """(kind, name) of the zone of PLACES that each unit is in."""
        found: dict[int, tuple[str, str]] = {}
        if self._zones is None:
            return found
        for kind in PLACES:
            for zone in self._zones.all():
                if zone.kind == kind:
                    for slot in self._zones.inside(zone.id).tolist():
                        found.setdefault(slot, (kind, zone.name))
        return found

    def _speeds(self, slots: I64) -> list[float | None]:
        """m/s of the shown fixes: the receiver's, else the track's."""
        dmps = np.frombuffer(self._ground.picture.columns(slots)["speed"], "<u2")
        return [None if value == 65_535 else float(value) / 10 for value in dmps]

    def _seen(
        self, slot: int, vehicle: Vehicle, place: tuple[float, float], speed_mps: float | None, task: Task | None,
        zone: tuple[str, str], now_ms: int,
    ) -> Seen:  # fmt: skip
        picture, known = self._ground.picture, place[0] == place[0]
        heard_ms = picture.row_time[slot]
        if speed_mps is None or speed_mps >= MOVES_MPS:
            vehicle.stands_ms = None
        elif vehicle.stands_ms is None:
            vehicle.stands_ms = int(heard_ms)
        number = 0 if task is None else task.number
        if number != vehicle.task:
            vehicle.task, vehicle.start = number, place if known and number else None
            self._dirty[vehicle.unit] = None
        stale_s, _ = self._ground.units.limits_of(slot)
        there = (
            None
            if task is None or task.lat_deg is None or task.lon_deg is None
            else (task.lat_deg, task.lon_deg)
        )
        return Seen(
            speed_mps=speed_mps,
            stood_s=0.0 if vehicle.stands_ms is None else max(0.0, (heard_ms - vehicle.stands_ms) / 1_000),
            is_stale=not known or now_ms - heard_ms > 1_000 * stale_s,
            place=zone[0],
            place_name=zone[1],
            task=number,
            to_task_m=None if there is None or not known else metres(place, there),
            from_start_m=None if vehicle.start is None or not known else metres(place, vehicle.start),
            pump=self._pump(slot, now_ms),
        )

    def _pump(self, slot: int, now_ms: int) -> int | None:
        picture, channel = self._ground.picture, CHANNEL["pump"]
        t_ms = picture.time[channel, slot]
        return int(picture.value[channel, slot]) if now_ms - t_ms <= FRESH_MS else None

    def _take(self, slot: int, vehicle: Vehicle, judged: Judged | None, now_ms: int) -> None:
        """A state that differs is told once it has stood for a while; new reasons of the same are only kept."""
        before = vehicle.judged
        if judged is None or judged == before:
            vehicle.coming = None
        elif before is not None and judged.code == before.code:
            vehicle.coming = None
            vehicle.judged = judged
            if judged.reached != before.reached:
                self._dirty[vehicle.unit] = None
        elif vehicle.coming != judged.code:
            vehicle.coming, vehicle.coming_ms = judged.code, now_ms
        elif now_ms - vehicle.coming_ms >= HOLD_MS:
            vehicle.judged, vehicle.since_ms, vehicle.coming = judged, vehicle.coming_ms, None
            self._touch(slot)

    def _touch(self, slot: int) -> None:
        self._changed[slot] = None
        self._dirty[self._of[slot].unit] = None


def _is_open(entry: Entry, unit: str, now_ms: int) -> bool:
    return entry.unit_state(unit, now_ms, 0)["state"] not in OVER


def _said(code: int, by: str, t_utc_ms: int) -> dict[str, Any]:
    zh, en = WORDS[code]
    return {"code": code, "zh": zh, "en": en, "by": by, "t_utc_ms": t_utc_ms}


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Between two (latitude, longitude) in degrees, at the scale of a city."""
    north = (b[0] - a[0]) * METRES_PER_DEG_LAT
    east = ((b[1] - a[1] + 180) % 360 - 180) * METRES_PER_DEG_LAT * np.cos(np.radians((a[0] + b[0]) / 2))
    return float(np.hypot(north, east))


def _document(vehicle: Vehicle) -> dict[str, Any]:
    judged = vehicle.judged
    return {
        "judged": None if judged is None else asdict(judged) | {"reasons": [list(r) for r in judged.reasons]},
        "since_ms": vehicle.since_ms,
        "word": None if vehicle.word is None else asdict(vehicle.word),
        "task": vehicle.task,
        "start": vehicle.start,
    }


def _vehicle_of(unit: str, kept: dict[str, Any]) -> Vehicle:
    judged, word, start = kept["judged"], kept["word"], kept["start"]
    return Vehicle(
        unit,
        None
        if judged is None
        else Judged(judged["code"], tuple(Reason(*r) for r in judged["reasons"]), judged["reached"]),
        kept["since_ms"],
        word=None if word is None else Word(**word),
        task=kept["task"],
        start=None if start is None else (start[0], start[1]),
    )
