"""How long one look at all zones takes: the part itself, on units that walk, without a hub around it.

Enters: nothing. Leaves: milliseconds. Caller: `run.py`.
"""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import numpy as np

from hub.live.picture import Changes, Picture
from hub.live.units import Units
from hub.safety.part import Ground
from hub.safety.zone import Zone
from hub.safety.zone_shape import east_m
from hub.safety.zones import Zones
from hub.store.interface import UnitRow
from protocols.units import METRES_PER_DEG_LAT

LON, LAT, T0 = 117.0, 36.65, 1_795_000_000_000
LOOKS = 20


class Found(NamedTuple):
    """Milliseconds of CPU. `plain_ms` 0: it was not measured."""

    pairs_near: int
    plain_ms: float
    first_ms: float
    median_ms: float
    worst_ms: float


def measure() -> Iterator[tuple[str, Found, str]]:
    """Label, figures, aim."""
    yield "10,000 units × 200 zones over 20 km", one(10_000, 200, 20_000, plain=True), "≤ 50"
    yield "10,000 × 200 within 3 km", one(10_000, 200, 3_000), "≤ 50"
    yield "10,000 × 200 within 1 km: every third pair is near", one(10_000, 200, 1_000), ""
    yield "2,000 × 50 over 5 km", one(2_000, 50, 5_000), ""
    yield "10,000 × 2,000 over 20 km", one(10_000, 2_000, 20_000), ""


def one(units: int, zones: int, across_m: float, *, plain: bool = False) -> Found:
    random = np.random.default_rng(1)
    clock = [T0]
    ground, apply = _ground(units, lambda: clock[0])
    part = Zones(ground, lambda _source, _standing, _now_ms: None)
    for zone in _zones(random, zones, across_m):
        part.put(zone)
    at = random.uniform(-across_m / 2, across_m / 2, (units, 2))
    accuracy_dm = random.integers(30, 300, units)
    took = []
    for look in range(LOOKS + 1):
        clock[0] += 1_000
        at += random.normal(0, 1.5, at.shape)
        apply(at, accuracy_dm, clock[0], look)
        began = time.process_time()
        part.look(clock[0])
        took.append(1_000 * (time.process_time() - began))
        list(part.changes())
    plain_ms = _plain(part, units) if plain else 0.0
    rest = np.array(took[1:])
    return Found(len(part.watch.pairs.key), plain_ms, took[0], float(np.median(rest)), float(rest.max()))


def _plain(part: Zones, units: int) -> float:
    """All pairs by all edges, once."""
    field, places = part.watch.field, part._places
    began = time.process_time()
    for zone in range(len(field.shapes)):
        number = np.full(units, zone, np.int64)
        field.signed(number, *field.local(number, places.lat_deg, places.lon_deg))
    return 1_000 * (time.process_time() - began)


def _ground(count: int, clock_ms: Callable[[], int]) -> tuple[Ground, Callable[[Any, Any, int, int], None]]:
    picture = Picture(count)
    units = Units(picture)
    units.load([UnitRow(f"u{i}", f"C{i}", "person", "fire", "A", 30, 300) for i in range(count)], [])

    def apply(at: Any, accuracy_dm: Any, t_ms: int, rank: int) -> None:
        changes = Changes()
        lats = np.round((LAT + at[:, 1] / METRES_PER_DEG_LAT) * 1e7).astype(int).tolist()
        lons = np.round((LON + at[:, 0] / east_m(LAT)) * 1e7).astype(int).tolist()
        for slot, (lat, lon, dm) in enumerate(zip(lats, lons, accuracy_dm.tolist(), strict=True)):
            changes.pos.append((slot, t_ms, rank, 0, lat, lon, 500, 15, 90, dm))
        picture.apply(changes)

    registry = SimpleNamespace(documents=None)
    made = SimpleNamespace(picture=picture, units=units, clock_ms=clock_ms, registry=registry)
    return cast(Ground, made), apply


def _zones(random: Any, count: int, across_m: float) -> Iterator[Zone]:
    for i in range(count):
        x, y = random.uniform(-across_m / 2, across_m / 2, 2)
        radius_m = random.uniform(50, 600)
        lon, lat = LON + x / east_m(LAT), LAT + y / METRES_PER_DEG_LAT
        more: dict[str, Any] = {"on_enter": True, "lead_s": 30, "source": "person:bench"}
        if i % 2:
            yield Zone(f"z{i}", "", "danger", "circle", (((((lon, lat)),),),), radius_m=radius_m, **more)
            continue
        far_m = radius_m * random.uniform(0.5, 1, 12)
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        lons = (lon + far_m * np.cos(turn) / east_m(LAT)).tolist()
        lats = (lat + far_m * np.sin(turn) / METRES_PER_DEG_LAT).tolist()
        ring = tuple(zip(lons, lats, strict=True))
        yield Zone(f"z{i}", "", "danger", "polygon", (((*ring, ring[0]),),), **more)
