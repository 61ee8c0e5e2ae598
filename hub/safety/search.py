"""Searches: a planner's segments with their prior, what was walked in them, and what that says. Never acts by itself.

Enters: plans of people, trails out of the log (on a reader's thread). Leaves: shares with every input, the feed's
`search`. Callers: `hub.app`, `hub.api.coverage_routes`.

Effort is track length inside a segment, cut at its border. A leg longer than LEG_M_MAX or LEG_MS_MAX is a gap and
counts nothing: nobody knows where the searcher was. Each unit is read on from where it was read last, a bounded
step each second, so a plan of hours costs no more than its newest minute.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from math import cos, radians
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hub.errors import Refused
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
QUIET_MS, LATE_MS_MAX = 60_000, 600_000
"""A unit whose backlog comes in is read anew once so long nothing old has come, or after so long all the same."""
LEG_M_MAX, LEG_MS_MAX = 200.0, 120_000
M_PER_DEG = 111_320.0

STRETCHES_A_LOOK = 4
Stretch = tuple[str, int, int]
"""Unit, from, to."""
Point = tuple[int, float, float]
"""UTC ms, longitude, latitude."""
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
        """W."""
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


class Walked:
    """What one unit walked, segment by segment, and up to when it is read."""

    def __init__(self, segments: int, from_ms: int) -> None:
        self.length_m = [0.0] * segments
        self.read_ms = from_ms
        self.legs = self.gaps = 0
        self.last: Point | None = None

    @property
    def newest_ms(self) -> int | None:
        return self.last[0] if self.last else None


class Step(NamedTuple):
    """What one stretch of a trail adds to a `Walked`."""

    last: Point | None
    length_m: list[float]
    legs: int
    gaps: int


class Tally:
    """What was walked in each segment of one plan, unit by unit.

    A unit whose old positions came late is read anew from the beginning of the plan; until that is done, what was read
    before counts.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        lats = [lat for s in plan.segments for _, lat in s.ring]
        self._lat_0 = sum(lats) / max(1, len(lats))
        self._rings = [flat(s.ring, self._lat_0) for s in plan.segments]
        self.areas_m2 = [area_m2(ring) for ring in self._rings]
        self.walked = {unit: self._unread() for unit in plan.units}
        self._anew: dict[str, Walked] = {}
        self._late: dict[str, tuple[int, int]] = {}  # unit -> when something first and last came late

    def _unread(self) -> Walked:
        return Walked(len(self.plan.segments), self.plan.from_utc_ms)

    @property
    def length_m(self) -> list[float]:
        """L of each segment."""
        columns = [walked.length_m for walked in self.walked.values()]
        return [sum(column) for column in zip(*columns, strict=True)] or [0.0] * len(self.plan.segments)

    def came_late(self, unit: str, t_utc_ms: int, now_ms: int) -> None:
        """Positions from `t_utc_ms` on are others than those that were read."""
        known = self.walked.get(unit)
        if known is not None and t_utc_ms < max(known.read_ms, self._reading(unit).read_ms):
            self._late[unit] = self._late.get(unit, (now_ms, now_ms))[0], now_ms

    def _reading(self, unit: str) -> Walked:
        return self._anew.get(unit, self.walked[unit])

    def due(self, now_ms: int, newest_ms: Callable[[str], float]) -> list[Stretch]:
        """The next stretches to read, of the units that are furthest behind; none: all is read.

        `newest_ms` of a unit: its newest position. Nothing beyond it is read: what a silent unit walked comes later.
        """
        for unit, (first_ms, last_ms) in list(self._late.items()):
            if now_ms - last_ms >= QUIET_MS or now_ms - first_ms >= LATE_MS_MAX:
                del self._late[unit]
                self._anew[unit] = self._unread()
        end = min(now_ms - LATE_MS, self.plan.until_utc_ms or now_ms)
        found: list[Stretch] = []
        for unit in self.walked:
            read_ms, newest = self._reading(unit).read_ms, newest_ms(unit)
            to_ms = end if newest != newest else min(end, int(newest))
            if read_ms < to_ms:
                found.append((unit, read_ms, min(to_ms, read_ms + STEP_MS)))
        return sorted(found, key=lambda stretch: stretch[1])[:STRETCHES_A_LOOK]

    def add(self, unit: str, trail: Trail, to_ms: int) -> None:
        """A stretch of a unit's trail, from where the last one ended."""
        self.take(unit, self.measure(unit, trail), to_ms)

    def measure(self, unit: str, trail: Trail) -> Step:
        """What a stretch adds. On a reader's thread: a thousand legs and a hundred segments take their time."""
        last = self._reading(unit).last
        lats, lons = trail.lat_deg_e7, trail.lon_deg_e7
        points = [(t, lon / 1e7, lat / 1e7) for t, lat, lon in zip(trail.t_utc_ms, lats, lons, strict=True)]
        if last is not None:
            points = [last, *(p for p in points if p[0] > last[0])]
        if len(points) < 2:
            return Step(points[-1] if points else None, [0.0] * len(self._rings), 0, 0)
        at = flat([(lon, lat) for _, lon, lat in points], self._lat_0)
        times = np.array([t for t, _, _ in points], np.int64)
        long = np.hypot(*(at[1:] - at[:-1]).T) > LEG_M_MAX
        known = ~(long | (np.diff(times) > LEG_MS_MAX))
        lengths = [inside_length_m(at[:-1][known], at[1:][known], ring) for ring in self._rings]
        return Step(points[-1], lengths, int(known.sum()), int((~known).sum()))

    def take(self, unit: str, step: Step, to_ms: int) -> None:
        """Count what was measured."""
        into = self._reading(unit)
        into.last = step.last or into.last
        into.legs, into.gaps = into.legs + step.legs, into.gaps + step.gaps
        into.length_m = [a + b for a, b in zip(into.length_m, step.length_m, strict=True)]
        into.read_ms = to_ms
        if unit in self._anew and to_ms >= self.walked[unit].read_ms:
            self.walked[unit] = self._anew.pop(unit)

    def share(self) -> dict[str, Any]:
        """What is searched, with every input."""
        plan, lengths, walked = self.plan, self.length_m, self.walked.values()
        pods = [
            pod(s.sweep_m, length, area)
            for s, length, area in zip(plan.segments, lengths, self.areas_m2, strict=True)
        ]
        prior = [*(s.poa for s in plan.segments), plan.rest]
        after = posterior(prior, [*pods, 0.0])
        rows = [
            {"id": s.id, "name": s.name, "poa": s.poa, "area_m2": area, "range_m": s.range_m, "sweep_m": s.sweep_m,
             "visibility": s.visibility, "length_m": length, "searched_share": min(1.0, s.sweep_m * length / area),
             "pod": found, "posterior": left}
            for s, area, length, found, left in zip(plan.segments, self.areas_m2, lengths, pods, after, strict=False)
        ]  # fmt: skip
        pos = sum(p * d for p, d in zip(prior, pods, strict=False))
        return {
            "plan": plan.id, "name": plan.name, "segments": rows, "rest_poa": plan.rest, "rest_posterior": after[-1],
            "pos": pos, "legs": sum(one.legs for one in walked), "gaps": sum(one.gaps for one in walked),
            "newest_utc_ms": max((one.newest_ms for one in walked if one.newest_ms is not None), default=None),
            "units": len(plan.units), "read_to_utc_ms": min((one.read_ms for one in walked), default=None),
            "until_utc_ms": plan.until_utc_ms,
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
        self._dropped: set[str] = set()
        self._fresh: set[str] = set()
        self._reading: tuple[Tally, list[Stretch], Future[list[Step]]] | None = None
        self._trouble = ""
        ground.ingest.late.listeners.append(self._hear_late)

    def load(self) -> None:
        for kept in self._ground.registry.documents.all(KIND).values():
            plan = plan_of(kept)
            self.tallies[plan.id] = Tally(plan)

    def put(self, plan: Plan) -> None:
        """A new plan, or a changed one, whose trails are then read anew. Refused when there are too many."""
        if plan.id not in self.tallies and len(self.tallies) >= PLANS_MAX:
            raise Refused(409, f"{PLANS_MAX} plans are kept at most: end one and remove it")
        self.tallies[plan.id] = Tally(plan)
        self._dirty.add(plan.id)
        self._fresh.add(plan.id)

    def drop(self, id: str) -> None:
        """Away with it; the caller has recorded what it was."""
        del self.tallies[id]
        self._dropped.add(id)
        self._fresh.add(id)

    def _hear_late(self, device: int, t_utc_ms: int) -> None:
        if self.tallies:
            units = [self._ground.units.rows[slot].id for slot in self._ground.units.slots_of(device)]
            for tally in self.tallies.values():
                for unit in units:
                    tally.came_late(unit, t_utc_ms, self._ground.clock_ms())

    def look(self, now_ms: int) -> None:
        """Take what was read, and read a few more stretches: so few that trails never crowd out the rest."""
        if self._reading is not None:
            tally, stretches, future = self._reading
            if not future.done():
                return
            self._reading = None
            err = future.exception()
            self._trouble = (
                "" if err is None else f"search: trails of {tally.plan.name} cannot be read: {err}"
            )
            if err is None and self.tallies.get(tally.plan.id) is tally:
                for (unit, _, to_ms), step in zip(stretches, future.result(), strict=True):
                    tally.take(unit, step, to_ms)
                self._fresh.add(tally.plan.id)
        for tally in self.tallies.values():
            stretches = tally.due(now_ms, self._newest_ms)
            if stretches:
                asked = [(unit, (self._carried(unit), first, last)) for unit, first, last in stretches]
                future = self._ground.readers.submit(self._measure_all, tally, asked)
                self._reading = (tally, stretches, future)
                return

    def _measure_all(self, tally: Tally, asked: Sequence[tuple[str, tuple[Carried, int, int]]]) -> list[Step]:
        return [tally.measure(unit, self._read(*window, POINTS_A_STEP)) for unit, window in asked]

    def _carried(self, unit: str) -> Carried:
        slot = self._ground.units.slot_by_id.get(unit)
        return [] if slot is None else self._ground.units.carried(slot)

    def _newest_ms(self, unit: str) -> float:
        slot = self._ground.units.slot_by_id.get(unit)
        return float("nan") if slot is None else float(self._ground.picture.pos_time[slot])

    def notes(self) -> list[str]:
        return [self._trouble] if self._trouble else []

    def keep(self) -> None:
        dirty, self._dirty = self._dirty, set()
        dropped, self._dropped = self._dropped, set()
        try:
            plans = {id: asdict(self.tallies[id].plan) for id in dirty if id in self.tallies}
            if plans:
                self._ground.registry.documents.put(KIND, plans, self._ground.clock_ms())
            if dropped:
                self._ground.registry.documents.drop(KIND, dropped)
        except Exception:
            self._dirty |= dirty
            self._dropped |= dropped
            raise

    def changes(self) -> Iterable[Maker]:
        fresh, self._fresh = self._fresh, set()
        return [
            _saying({"k": "search", **self.tallies[id].share(), "gone": False} if id in self.tallies
                    else {"k": "search", "plan": id, "gone": True})
            for id in sorted(fresh)
        ]  # fmt: skip

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        return [{"k": "search", **tally.share(), "gone": False} for tally in self.tallies.values()]


def _saying(message: dict[str, Any]) -> Maker:
    def make(_audience: Audience) -> dict[str, Any]:
        return message

    return make
