"""What stations say now: the newest of each number, whether it is over its threshold, and how old it is.

Enters: readings. Leaves: `Station`s, conditions, the feed's `station`, exceedances for drafts. Pure.
Caller: `hub.safety.stations`.

A threshold is a latch over the times of the readings themselves, so that a file of a whole day gives the same as a day.
What is older than the newest known changes nothing. A value that went silent keeps its exceedance for SILENT_MS.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.safety.bulletin import COLOUR_ZH
from hub.safety.condition import Condition, Input, Priority
from hub.safety.stations_map import GRAVE, Quantity, Source
from hub.safety.stations_read import Reading, thresholds
from hub.safety.warnings_drafts import Exceeded
from protocols.laws.latch import Latch

STATIONS_MAX = 2_000
"""Beyond it new ones are counted and left out."""
SILENT_MS = 86_400_000
"""So long after its last value a station's exceedance is told no more: nobody knows of now."""
PRIORITIES = {
    "red": Priority.HIGH,
    "orange": Priority.MEDIUM,
    "yellow": Priority.MEDIUM,
    "blue": Priority.LOW,
}
ALARM = "station"


@dataclass(slots=True)
class Value:
    """The newest of one quantity. `limits`: (colour, limit), the gravest first; `over`: the gravest that stands."""

    quantity: Quantity
    value: float
    t_utc_ms: int
    t_hub_ms: int
    limits: tuple[tuple[str, float], ...]
    latches: dict[str, Latch] = field(default_factory=dict)

    @property
    def over(self) -> str:
        return next((colour for colour, _ in self.limits if self.latches[colour].stands), "")

    @property
    def limit(self) -> float | None:
        """That which it is over, else that which it would reach first."""
        limits = dict(self.limits)
        return limits[self.over] if self.over else (self.limits[-1][1] if self.limits else None)

    def kept(self) -> dict[str, Any]:
        """For the registry."""
        over = [colour for colour, latch in self.latches.items() if latch.stands]
        limits = [list(limit) for limit in self.limits]
        return {
            "value": self.value,
            "t": self.t_utc_ms,
            "t_hub": self.t_hub_ms,
            "limits": limits,
            "over": over,
        }

    def set_limits(self, limits: tuple[tuple[str, float], ...], vouch_ms: int) -> None:
        """Other thresholds: what stood stands until a value says otherwise."""
        stood = {colour for colour, latch in self.latches.items() if latch.stands}
        quantity, self.limits = self.quantity, limits
        self.latches = {
            colour: Latch(limit, quantity.deadband, quantity.on_ms, quantity.off_ms,
                          falling=not quantity.is_rising, vouch_ms=vouch_ms)
            for colour, limit in limits
        }  # fmt: skip
        for colour in stood & set(self.latches):
            self.latches[colour].stands = True

    def step(self, value: float, t_utc_ms: int, t_hub_ms: int) -> None:
        self.value, self.t_utc_ms, self.t_hub_ms = value, t_utc_ms, t_hub_ms
        for latch in self.latches.values():
            latch.step(value, t_utc_ms)


@dataclass(slots=True)
class Station:
    """`id`: "source:station". Degrees WGS-84; None: nobody told where it is."""

    id: str
    source: Source
    name: str
    lat_deg: float | None
    lon_deg: float | None
    values: dict[str, Value] = field(default_factory=dict)

    @property
    def t_utc_ms(self) -> int:
        return max((value.t_utc_ms for value in self.values.values()), default=0)

    def message(self) -> dict[str, Any]:
        """The feed's `station` (docs/stations.md)."""
        values = [
            {
                "name": v.quantity.name, "zh": v.quantity.zh, "en": v.quantity.en, "value": v.value,
                "unit": v.quantity.unit, "threshold": v.limit, "over": bool(v.over), "colour": v.over, "t": v.t_utc_ms,
            }
            for v in self.values.values()
        ]  # fmt: skip
        return {
            "k": "station", "id": self.id, "name": self.name or self.id, "kind": self.source.kind,
            "source": self.source.name, "lat": self.lat_deg, "lon": self.lon_deg,
            "stale_s": self.source.stale_ms // 1_000, "values": values,
        }  # fmt: skip


class Book:
    """All stations. `changed`: ids to tell and to keep."""

    def __init__(self) -> None:
        self._stations: dict[str, Station] = {}
        self._over: dict[tuple[str, str], None] = {}  # (station, quantity) of what is over a threshold
        self.changed: dict[str, None] = {}
        self.left_out = self.older = 0

    def __len__(self) -> int:
        return len(self._stations)

    def __iter__(self) -> Iterator[Station]:
        return iter(self._stations.values())

    def get(self, id: str) -> Station | None:
        return self._stations.get(id)

    def take(self, source: Source, reading: Reading, now_ms: int) -> None:
        """One reading; those of a quantity in the order of their times."""
        id = f"{source.name}:{reading.station}"
        station = self._stations.get(id)
        if station is None:
            if len(self._stations) >= STATIONS_MAX:
                self.left_out += 1
                return
            station = self._stations[id] = Station(id, source, reading.name, reading.lat_deg, reading.lon_deg)
        station.name = reading.name or station.name
        if reading.lat_deg is not None:
            station.lat_deg, station.lon_deg = reading.lat_deg, reading.lon_deg
        quantity = next(q for q in source.quantities if q.name == reading.quantity)
        value = station.values.get(quantity.name)
        if value is None:
            value = station.values[quantity.name] = Value(quantity, reading.value, -1, now_ms, ())
        if reading.t_utc_ms < value.t_utc_ms:
            self.older += 1
            return
        limits = thresholds(quantity, reading.limit)
        if limits != value.limits and (limits or not quantity.threshold_column):
            value.set_limits(limits, source.stale_ms)
        value.step(reading.value, reading.t_utc_ms, now_ms)
        self._note(station, value)
        self.changed[id] = None

    def _note(self, station: Station, value: Value) -> None:
        if value.over:
            self._over[station.id, value.quantity.name] = None
        else:
            self._over.pop((station.id, value.quantity.name), None)

    # --- over a restart ------------------------------------------------------------------------------------

    def kept(self, id: str) -> dict[str, Any] | None:
        station = self._stations.get(id)
        if station is None:
            return None
        return {
            "source": station.source.name, "name": station.name, "lat": station.lat_deg, "lon": station.lon_deg,
            "values": {name: value.kept() for name, value in station.values.items()},
        }  # fmt: skip

    def restore(self, id: str, kept: Mapping[str, Any], sources: Mapping[str, Source]) -> bool:
        """As it was kept; False: its source or all of its quantities are in the mapping no more."""
        source = sources.get(kept["source"])
        if source is None or len(self._stations) >= STATIONS_MAX:
            return False
        station = Station(id, source, kept["name"], kept["lat"], kept["lon"])
        for quantity in source.quantities:
            told = kept["values"].get(quantity.name)
            if told is None:
                continue
            limits = quantity.thresholds or tuple(
                (str(colour), float(limit)) for colour, limit in told["limits"]
            )
            value = station.values[quantity.name] = Value(
                quantity, told["value"], told["t"], told["t_hub"], ()
            )
            value.set_limits(limits, source.stale_ms)
            for colour in set(told["over"]) & set(value.latches):
                value.latches[colour].stands = True
        if station.values:
            self._stations[id] = station
        for value in station.values.values():
            self._note(station, value)
        return bool(station.values)

    # --- what it means -------------------------------------------------------------------------------------

    def over(self, now_ms: int) -> Iterator[tuple[Station, Value]]:
        """Every value over its threshold that is not silent for long."""
        for id, name in self._over:
            station = self._stations[id]
            value = station.values[name]
            if now_ms - value.t_utc_ms <= SILENT_MS:
                yield station, value

    def conditions(self, now_ms: int) -> list[Condition]:
        return [_condition(station, value) for station, value in self.over(now_ms)]

    def exceeded(self, now_ms: int) -> list[Exceeded]:
        """For drafts: those whose place is known, the newest first."""
        found = [
            _exceeded(station, value) for station, value in self.over(now_ms) if station.lat_deg is not None
        ]
        return sorted(found, key=lambda one: -one.t_utc_ms)


def _exceeded(station: Station, value: Value) -> Exceeded:
    assert station.lat_deg is not None
    assert station.lon_deg is not None
    assert value.limit is not None
    return Exceeded(
        station.name or station.id, station.source.kind, value.quantity.name, value.value, value.limit,
        value.quantity.unit, value.over, station.source.name, value.t_utc_ms, station.lat_deg, station.lon_deg,
    )  # fmt: skip


def _condition(station: Station, value: Value) -> Condition:
    quantity, over, limit = value.quantity, value.over, value.limit
    assert limit is not None
    name, sign = station.name or station.id, "≥" if quantity.is_rising else "≤"
    said = f"{value.value:g} {quantity.unit}".rstrip()
    why = (
        Input(quantity.name, value.value, quantity.unit, value.t_utc_ms),
        Input("threshold", limit, quantity.unit),
        Input("colour", over),
        Input("source", station.source.name, "", value.t_hub_ms),
    )
    return Condition(
        f"stations:{station.id}:{quantity.name}", ALARM, PRIORITIES[over], (),
        f"{name}：{quantity.zh} {said} {sign} {limit:g}（{COLOUR_ZH[over]}）"[:200],
        f"{name}: {quantity.en} {said} {sign} {limit:g} ({over})"[:200],
        why, f"station:{station.id}", lat_deg=station.lat_deg, lon_deg=station.lon_deg,
    )  # fmt: skip


def grave_rank(colour: str) -> int:
    """0 red … 3 blue."""
    return GRAVE.index(colour)
