"""Searches: a planner's segments with their prior, what was walked in them, and what that says. Never acts by itself.

Enters: plans of people, trails out of the log (on a reader's thread). Leaves: shares with every input, the feed's
`search`. Callers: `hub.app`, `hub.api.coverage_routes`.

Effort is track length inside a segment, cut at its border. A leg longer than LEG_M_MAX or LEG_MS_MAX is a gap and
counts nothing: nobody knows where the searcher was. Each unit is read on from where it was read last, a bounded
step each second, so a plan of hours costs no more than its newest minute.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from math import cos, radians
from typing import Any

import numpy as np
import numpy.typing as npt

from hub.identity.permissions import Audience, Principal
from hub.live.history import Carried, History, Trail
from hub.safety.part import Ground, Maker, Part
from hub.safety.search_law import SWEEP, allocate, pod, posterior, success

F64 = npt.NDArray[np.float64]
KIND = "search_plan"
PLANS_MAX = 50
SEGMENTS_MAX, UNITS_MAX = 100, 200
POINTS_A_STEP = 5_000
"""Of one unit and one step; a longer stretch is read in several steps."""
STEP_MS = 1_800_000
LATE_MS = 60_000
"""How far behind now a step ends, so that what comes a little late still counts."""
LEG_M_MAX, LEG_MS_MAX = 200.0, 120_000
M_PER_DEG = 111_320.0

ReadTrail = Callable[[Carried, int, int, int], Trail]


@dataclass(frozen=True, slots=True)
class Segment:
    """`ring`: (lon, lat), closed. `poa`: the planner's prior, 0–1. `range_m`: how far the target is seen there."""

    id: str
    name: str
    ring: tuple[tuple[float, float], ...]
    poa: float
    range_m: float
    visibility: str = "medium"

    @property
    def sweep_m(self) -> float:
        return SWEEP[self.visibility] * self.range_m


@dataclass(frozen=True, slots=True)
class Plan:
    """`units`: whose trails count, from `from_utc_ms` to `until_utc_ms` (None: still going on)."""

    id: str
    name: str
    segments: tuple[Segment, ...]
    units: tuple[str, ...]
    from_utc_ms: int
    until_utc_ms: int | None
    by: str
    t_utc_ms: int

    @property
    def rest(self) -> float:
        """Of the rest of the world."""
        return max(0.0, 1.0 - sum(s.poa for s in self.segments))


def plan_of(kept: dict[str, Any]) -> Plan:
    segments = tuple(
        Segment(**{**s, "ring": tuple((float(x), float(y)) for x, y in s["ring"])}) for s in kept["segments"]
    )
    return Plan(**{**kept, "segments": segments, "units": tuple(kept["units"])})


def flat(points: Sequence[tuple[float, float]], lat_0: float) -> F64:
    """Metres east and north of (0, 0), local: right to 0.1 % over the tens of kilometres of a search."""
    out: F64 = np.array(points, np.float64).reshape(-1, 2) * (M_PER_DEG * cos(radians(lat_0)), M_PER_DEG)
    return out


def area_m2(ring: F64) -> float:
    """Of a simple ring, closed or not."""
    ring = ring - ring[0]
    x, y = ring[:, 0], ring[:, 1]
    return float(abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2)


def inside_length_m(start: F64, end: F64, ring: F64) -> float:
    """How much of the legs start→end, (n, 2) metres each, lies inside the ring. Legs are cut where they cross it."""
    low, high = ring.min(axis=0), ring.max(axis=0)
    near = ~(((np.maximum(start, end) < low) | (np.minimum(start, end) > high)).any(axis=1))
    return sum(_one_inside(a, b, ring) for a, b in zip(start[near], end[near], strict=True))


def _one_inside(a: F64, b: F64, ring: F64) -> float:
    p, q = ring[:-1], ring[1:]
    d, e = b - a, q - p
    cross = d[0] * e[:, 1] - d[1] * e[:, 0]
    w = p - a
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (w[:, 0] * e[:, 1] - w[:, 1] * e[:, 0]) / cross
        u = (w[:, 0] * d[1] - w[:, 1] * d[0]) / cross
    cuts = t[(cross != 0) & (t > 0) & (t < 1) & (u >= 0) & (u <= 1)]
    at = np.concatenate(([0.0], np.sort(cuts), [1.0]))
    middles = a + ((at[1:] + at[:-1]) / 2)[:, None] * d
    within = np.array([_contains(ring, m) for m in middles])
    return float(np.sum(np.diff(at)[within]) * np.hypot(*d))


def _contains(ring: F64, point: F64) -> bool:
    x, y = ring[:-1, 0], ring[:-1, 1]
    x2, y2 = ring[1:, 0], ring[1:, 1]
    spans = (y > point[1]) != (y2 > point[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        right = point[0] < (x2 - x) * (point[1] - y) / (y2 - y) + x
    return bool(np.count_nonzero(spans & right) % 2)


class Tally:
    """What was walked in each segment of one plan, unit by unit."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        lats = [lat for s in plan.segments for _, lat in s.ring]
        self._lat_0 = sum(lats) / max(1, len(lats))
        self._rings = [flat(s.ring, self._lat_0) for s in plan.segments]
        self.areas_m2 = [area_m2(ring) for ring in self._rings]
        self.length_m = [0.0] * len(plan.segments)
        self.read_ms: dict[str, int] = dict.fromkeys(plan.units, plan.from_utc_ms)
        self.legs = self.gaps = 0
        self.newest_ms: int | None = None
        self._last: dict[str, tuple[int, float, float]] = {}

    def due(self, now_ms: int) -> tuple[str, int, int] | None:
        """(unit, from, to) of the next stretch to read; None: all is read."""
        end = min(now_ms - LATE_MS, self.plan.until_utc_ms or now_ms)
        unit = min(self.read_ms, key=lambda u: self.read_ms[u], default=None)
        if unit is None or self.read_ms[unit] >= end:
            return None
        return unit, self.read_ms[unit], min(end, self.read_ms[unit] + STEP_MS)

    def add(self, unit: str, trail: Trail, to_ms: int) -> None:
        """A stretch of a unit's trail, from where the last one ended."""
        lats, lons = trail.lat_deg_e7, trail.lon_deg_e7
        points = [(t, lon / 1e7, lat / 1e7) for t, lat, lon in zip(trail.t_utc_ms, lats, lons, strict=True)]
        if unit in self._last:
            points = [self._last[unit], *(p for p in points if p[0] > self._last[unit][0])]
        self.read_ms[unit] = to_ms
        if not points:
            return
        self._last[unit] = points[-1]
        self.newest_ms = max(self.newest_ms or 0, points[-1][0])
        if len(points) < 2:
            return
        at = flat([(lon, lat) for _, lon, lat in points], self._lat_0)
        times = np.array([t for t, _, _ in points], np.int64)
        long = np.hypot(*(at[1:] - at[:-1]).T) > LEG_M_MAX
        known = ~(long | (np.diff(times) > LEG_MS_MAX))
        self.legs += int(known.sum())
        self.gaps += int((~known).sum())
        for i, ring in enumerate(self._rings):
            self.length_m[i] += inside_length_m(at[:-1][known], at[1:][known], ring)

    def share(self) -> dict[str, Any]:
        """What is searched, with every input."""
        plan = self.plan
        pods = [
            pod(s.sweep_m, length, area)
            for s, length, area in zip(plan.segments, self.length_m, self.areas_m2, strict=True)
        ]
        prior = [*(s.poa for s in plan.segments), plan.rest]
        after = posterior(prior, [*pods, 0.0])
        rows = [
            {"id": s.id, "name": s.name, "poa": s.poa, "area_m2": self.areas_m2[i], "sweep_m": s.sweep_m,
             "length_m": self.length_m[i], "pod": pods[i], "posterior": after[i]}
            for i, s in enumerate(plan.segments)
        ]  # fmt: skip
        pos = sum(p * d for p, d in zip(prior, pods, strict=False))
        return {
            "plan": plan.id, "segments": rows, "rest_poa": plan.rest, "rest_posterior": after[-1], "pos": pos,
            "legs": self.legs, "gaps": self.gaps, "newest_utc_ms": self.newest_ms, "units": len(plan.units),
            "read_to_utc_ms": min(self.read_ms.values(), default=None),
        }  # fmt: skip

    def effort(self, hours: float, speed_mps: float) -> dict[str, Any]:
        """Where the next `hours` of searching at this speed would do most, after what was searched already."""
        after = [row["posterior"] for row in self.share()["segments"]]
        speed_mph = speed_mps * 3_600.0
        rates = [s.sweep_m * speed_mph / a for s, a in zip(self.plan.segments, self.areas_m2, strict=True)]
        found = allocate(after, rates, hours)
        rows = [
            {"id": s.id, "name": s.name, "posterior": p, "rate_per_h": a, "hours": t}
            for s, p, a, t in zip(self.plan.segments, after, rates, found, strict=True)
        ]
        return {"plan": self.plan.id, "hours": hours, "speed_mps": speed_mps, "segments": rows,
                "pos": success(after, rates, found)}  # fmt: skip


class Search(Part):
    """All plans. `read` gives a unit's trail; it is called on a reader's thread."""

    name = "search"

    def __init__(self, ground: Ground, read: ReadTrail | None = None) -> None:
        self._ground = ground
        self._read = read or History(ground.log, ground.ingest.keys.logged).trail
        self.tallies: dict[str, Tally] = {}
        self._dirty: set[str] = set()
        self._fresh: set[str] = set()
        self._reading: tuple[str, str, int, Future[Trail]] | None = None

    def load(self) -> None:
        for kept in self._ground.registry.documents.all(KIND).values():
            plan = plan_of(kept)
            self.tallies[plan.id] = Tally(plan)

    def put(self, plan: Plan) -> None:
        """A new plan, or a changed one, whose trails are then read anew."""
        self.tallies[plan.id] = Tally(plan)
        self._dirty.add(plan.id)

    def end(self, id: str, now_ms: int) -> Plan:
        """No trail counts from now on."""
        tally = self.tallies[id]
        tally.plan = replace(tally.plan, until_utc_ms=now_ms)
        self._dirty.add(id)
        return tally.plan

    def look(self, now_ms: int) -> None:
        """Take what was read, and read one more stretch: one at a time, so that trails never crowd out the rest."""
        if self._reading is not None:
            id, unit, to_ms, future = self._reading
            if not future.done():
                return
            self._reading = None
            tally = self.tallies.get(id)
            if tally is not None and future.exception() is None and unit in tally.read_ms:
                tally.add(unit, future.result(), to_ms)
                self._fresh.add(id)
        for id, tally in self.tallies.items():
            due = tally.due(now_ms)
            if due is not None:
                unit, from_ms, to_ms = due
                slot = self._ground.units.slot_by_id.get(unit)
                carried = [] if slot is None else self._ground.units.carried(slot)
                future = self._ground.readers.submit(self._read, carried, from_ms, to_ms, POINTS_A_STEP)
                self._reading = (id, unit, to_ms, future)
                return

    def keep(self) -> None:
        dirty, self._dirty = self._dirty, set()
        try:
            plans = {id: asdict(self.tallies[id].plan) for id in dirty if id in self.tallies}
            if plans:
                self._ground.registry.documents.put(KIND, plans, self._ground.clock_ms())
        except Exception:
            self._dirty |= dirty
            raise

    def changes(self) -> Iterable[Maker]:
        fresh, self._fresh = self._fresh, set()
        return [
            _saying({"k": "search", **self.tallies[id].share()}) for id in sorted(fresh) if id in self.tallies
        ]

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        return [{"k": "search", **tally.share()} for tally in self.tallies.values()]


def _saying(message: dict[str, Any]) -> Maker:
    def make(_audience: Audience) -> dict[str, Any]:
        return message

    return make
