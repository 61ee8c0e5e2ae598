"""Bodies in a drill's world: where each unit is, how hard it works, and what its sensors would say.

Enters: a `Scenario`, seconds. Leaves: `State` (the truth) and `measure` (what a device reports of it, in the
catalog's quanta). Pure: time comes as steps, and every random number from `generator(seed, entity, purpose)`,
so that adding a unit or a sensor disturbs no other one's numbers. Caller: `sim.drill`.
"""

import hashlib
import math
import random
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from protocols.catalog import PAGE_BITS, field_id
from protocols.units import METRES_PER_DEG_LAT
from sim.scenario import Circle, Drive, Hazard, Hold, PathOf, Place, Scenario, Search, Unit

GROUND_M = 30.0
"""Height of the ground above sea level everywhere: the world is flat so far."""
SCBA_FULL_KPA = 30_000.0
SCBA_CHANGE_KPA = 3_000.0
SCBA_WORK_KPA_PER_S = 9.8
"""40 L/min out of a 6.8 L cylinder: 5.9 bar a minute. **Source:** facts of the air-left formula, EN 137."""
DISCHARGE_PCT_PER_S = 10 / 3600
ACCEL_MPS2 = {"person": 0.8, "vehicle": 1.8, "drone": 3.0, "vessel": 0.5, "base": 0.5}
CORNER_MPS = {"person": 0.7, "vehicle": 4.0, "drone": 3.0, "vessel": 1.5, "base": 0.5}
_MPS_PER_KMH = 1 / 3.6


def generator(seed: int, entity: str, purpose: str) -> random.Random:
    """The random generator of one entity for one purpose. The same three give the same numbers everywhere."""
    digest = hashlib.sha256(f"{seed}|{entity}|{purpose}".encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))


@dataclass(frozen=True, slots=True)
class Plane:
    """A flat plane touching the ground at the drill's centre: metres east and north <-> degrees.

    Good to 0.1 % within the 100 km that a scenario may span.
    """

    centre: Place

    def to_metres(self, place: Place) -> tuple[float, float]:
        scale = METRES_PER_DEG_LAT * math.cos(math.radians(self.centre.lat_deg))
        east_m = (place.lon_deg - self.centre.lon_deg) * scale
        return east_m, (place.lat_deg - self.centre.lat_deg) * METRES_PER_DEG_LAT

    def to_degrees(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Latitude and longitude, degrees."""
        scale = METRES_PER_DEG_LAT * math.cos(math.radians(self.centre.lat_deg))
        return self.centre.lat_deg + north_m / METRES_PER_DEG_LAT, self.centre.lon_deg + east_m / scale


@dataclass(slots=True)
class Motion:
    """Where a body is and how it moves: metres east-north-up of the centre, m/s, degrees from true north."""

    east_m: float
    north_m: float
    up_m: float = GROUND_M
    speed_mps: float = 0.0
    course_deg: float = 0.0


class Mover(Protocol):
    """How a body moves. `advance` is called with the seconds passed and gives the new motion, also `motion`."""

    motion: Motion

    def advance(self, dt_s: float) -> Motion: ...


class Route:
    """Along a polyline: the wanted speed drifts between its bounds, corners are taken slowly."""

    def __init__(
        self,
        points: list[tuple[float, float]],
        speed_kmh: tuple[float, float],
        then: str,
        kind: str,
        rng: random.Random,
    ) -> None:
        self._points = [points[0], *(b for a, b in pairwise(points) if a != b)]
        if then == "loop" and self._points[0] != self._points[-1]:
            self._points.append(self._points[0])
        self._then, self._rng = then, rng
        self._lo_mps, self._hi_mps = (kmh * _MPS_PER_KMH for kmh in speed_kmh)
        self._wish = rng.random()
        self._accel, self._corner = ACCEL_MPS2[kind], min(CORNER_MPS[kind], self._lo_mps)
        self._leg, self._along_m = 0, 0.0
        self.motion = Motion(*self._points[0])
        self._head()

    def _head(self) -> float:
        """Turns to the current leg; its length in metres, 0 when there is none left."""
        if self._leg >= len(self._points) - 1:
            return 0.0
        (e0, n0), (e1, n1) = self._points[self._leg : self._leg + 2]
        self.motion.course_deg = math.degrees(math.atan2(e1 - e0, n1 - n0)) % 360
        return math.hypot(e1 - e0, n1 - n0)

    def _wanted_mps(self, left_m: float) -> float:
        """The speed wanted now: within bounds, and low enough to be at a corner's speed at the corner."""
        cruise = self._lo_mps + (self._hi_mps - self._lo_mps) * self._wish
        return min(cruise, math.sqrt(self._corner**2 + 2 * self._accel * max(left_m, 0.0)))

    def advance(self, dt_s: float) -> Motion:
        motion = self.motion
        length_m = self._head()
        if length_m == 0.0:
            motion.speed_mps = 0.0
            return motion
        self._wish = min(1.0, max(0.0, self._wish + self._rng.gauss(0, 0.08) * math.sqrt(dt_s)))
        change = self._wanted_mps(length_m - self._along_m) - motion.speed_mps
        motion.speed_mps += max(-2 * self._accel * dt_s, min(self._accel * dt_s, change))
        self._along_m += motion.speed_mps * dt_s
        while length_m and self._along_m >= length_m:
            self._along_m -= length_m
            self._next_leg()
            length_m = self._head()
        self._place(length_m)
        return motion

    def _next_leg(self) -> None:
        self._leg += 1
        if self._leg < len(self._points) - 1 or self._then == "stay":
            return
        self._leg = 0
        if self._then == "back":
            self._points.reverse()

    def _place(self, length_m: float) -> None:
        """Sets the position from the leg and the way along it."""
        if not length_m:
            self.motion.east_m, self.motion.north_m = self._points[-1]
            return
        (e0, n0), (e1, n1) = self._points[self._leg : self._leg + 2]
        part = self._along_m / length_m
        self.motion.east_m, self.motion.north_m = e0 + (e1 - e0) * part, n0 + (n1 - n0) * part


class Orbit:
    """Round a centre, clockwise, at a height."""

    def __init__(self, centre: tuple[float, float], path: Circle, rng: random.Random) -> None:
        self._centre, self._radius_m = centre, path.radius_m
        self._speed_mps = path.speed_kmh * _MPS_PER_KMH
        self._up_m = GROUND_M + path.height_m
        self._angle = rng.uniform(0, 2 * math.pi)
        self.motion = self._on_circle()

    def advance(self, dt_s: float) -> Motion:
        self._angle = (self._angle + self._speed_mps * dt_s / self._radius_m) % (2 * math.pi)
        self.motion = self._on_circle()
        return self.motion

    def _on_circle(self) -> Motion:
        east_m = self._centre[0] + self._radius_m * math.sin(self._angle)
        north_m = self._centre[1] + self._radius_m * math.cos(self._angle)
        course_deg = (math.degrees(self._angle) + 90) % 360
        return Motion(east_m, north_m, self._up_m, self._speed_mps, course_deg)


class Stand:
    """At a place, with steps of a metre or two now and then."""

    def __init__(self, at: tuple[float, float], kind: str, rng: random.Random) -> None:
        self._home, self._rng, self._moves = at, rng, kind == "person"
        self.motion = Motion(*at)

    def advance(self, dt_s: float) -> Motion:
        motion = self.motion
        motion.speed_mps = 0.0
        if self._moves and self._rng.random() < 0.1 * dt_s:
            east_m = self._home[0] + self._rng.gauss(0, 1.5)
            north_m = self._home[1] + self._rng.gauss(0, 1.5)
            step_east, step_north = east_m - motion.east_m, north_m - motion.north_m
            motion.speed_mps = min(1.5, math.hypot(step_east, step_north) / dt_s)
            motion.course_deg = math.degrees(math.atan2(step_east, step_north)) % 360
            motion.east_m, motion.north_m = east_m, north_m
        return motion


def mover(path: PathOf, kind: str, plane: Plane, rng: random.Random) -> Mover:
    """The mover of a scenario's path."""
    match path:
        case Drive(points, speed_kmh, then):
            return Route([plane.to_metres(point) for point in points], speed_kmh, then, kind, rng)
        case Search():
            return Route(lawn_mower(path, plane), path.speed_kmh, "back", kind, rng)
        case Circle():
            return Orbit(plane.to_metres(path.centre), path, rng)
        case Hold(at):
            return Stand(plane.to_metres(at), kind, rng)


def lawn_mower(path: Search, plane: Plane) -> list[tuple[float, float]]:
    """The corners of a lawn-mower pattern: lanes east and west, each `spacing_m` further north."""
    east_m, north_m = plane.to_metres(path.corner)
    points: list[tuple[float, float]] = []
    for lane in range(int(path.height_m / path.spacing_m) + 1):
        ends = [(east_m, north_m), (east_m + path.width_m, north_m)]
        points += ends if lane % 2 == 0 else ends[::-1]
        north_m += path.spacing_m
    return points


class Drift:
    """A value that wanders about zero with a memory (an Ornstein-Uhlenbeck process)."""

    def __init__(self, sigma: float, tau_s: float, rng: random.Random) -> None:
        self._sigma, self._tau_s, self._rng = sigma, tau_s, rng
        self.value = rng.gauss(0, sigma)

    def advance(self, dt_s: float) -> float:
        keep = math.exp(-dt_s / self._tau_s)
        self.value = self.value * keep + self._rng.gauss(0, self._sigma * math.sqrt(1 - keep * keep))
        return self.value


@dataclass(frozen=True, slots=True)
class State:
    """What a unit's devices would measure at one moment, and how its body does. None: it has no such sensor.

    lat_deg, lon_deg   as the receiver gives them, WGS-84, with its error
    alt_m              above mean sea level
    hacc_m             the receiver's own estimate of its error
    up_m               the true height, for a barometer
    effort             0 at rest … 1 at the limit
    lying              the wearer is down and does not move
    """

    lat_deg: float
    lon_deg: float
    alt_m: float
    speed_mps: float
    course_deg: float
    hacc_m: float
    sats_used: int
    battery_pct: float
    heart_bpm: float | None
    scba_kpa: float | None
    gas: dict[str, int] | None
    up_m: float = GROUND_M
    effort: float = 0.0
    lying: bool = False


class Body:
    """One unit in the world. `advance` moves it on and gives what its devices measure then. `lying`: it went down."""

    def __init__(self, unit: Unit, scenario: Scenario) -> None:
        def rng(purpose: str) -> random.Random:
            return generator(scenario.seed, unit.callsign, purpose)

        self.lying = False
        self._lies_at = Motion(0.0, 0.0)
        self._unit, self._plane = unit, Plane(scenario.centre)
        self._mover = mover(unit.path, unit.kind, self._plane, rng("path"))
        self._gnss = [Drift(sigma, 60, rng(f"gnss {axis}")) for axis, sigma in (("e", 1), ("n", 1), ("u", 2))]
        person = rng("person")
        self._rest_bpm, self._top_bpm = person.uniform(58, 75), person.uniform(165, 190)
        self._heart_bpm, self._heart_rng = self._rest_bpm + 15, rng("heart")
        self._scba_kpa = person.uniform(0.85, 1.0) * SCBA_FULL_KPA
        self._battery_pct = rng("battery").uniform(70, 100)
        self._gas_rng = rng("gas")
        self._gas_drift = Drift(0.15, 20, rng("gas drift"))
        self._hazards = [(hazard, self._plane.to_metres(hazard.at)) for hazard in scenario.hazards]

    def advance(self, dt_s: float) -> State:
        """Moves the body `dt_s` seconds on (0 < dt_s)."""
        motion = self._lies_at if self.lying else self._mover.advance(dt_s)
        east_m, north_m, up_m = (drift.advance(dt_s) for drift in self._gnss)
        lat_deg, lon_deg = self._plane.to_degrees(motion.east_m + east_m, motion.north_m + north_m)
        self._battery_pct = max(5.0, self._battery_pct - DISCHARGE_PCT_PER_S * dt_s)
        sensors = self._unit.sensors
        effort = self._effort(motion)
        return State(
            lat_deg=lat_deg,
            lon_deg=lon_deg,
            alt_m=motion.up_m + up_m,
            speed_mps=motion.speed_mps,
            course_deg=motion.course_deg,
            hacc_m=1.5 + abs(east_m) * 0.5,
            sats_used=18 + round(abs(up_m)),
            battery_pct=self._battery_pct,
            heart_bpm=self._heart(effort, dt_s) if "heart" in sensors else None,
            scba_kpa=self._air(effort, dt_s) if "air" in sensors else None,
            gas=self._gas(motion, dt_s) if "gas" in sensors else None,
            up_m=motion.up_m,
            effort=effort,
            lying=self.lying,
        )

    def lie_down(self) -> None:
        """The wearer goes down where he is, and stays there."""
        if not self.lying:
            self._lies_at = replace(self._mover.motion, speed_mps=0.0)
            self.lying = True

    def _effort(self, motion: Motion) -> float:
        """0 at rest … 1 at the limit: a person walking at 1.4 m/s with equipment works at about a half."""
        if self._unit.kind != "person":
            return 0.15
        return min(1.0, 0.2 + 0.25 * motion.speed_mps)

    def _heart(self, effort: float, dt_s: float) -> float:
        target_bpm = self._rest_bpm + (self._top_bpm - self._rest_bpm) * effort
        self._heart_bpm += (target_bpm - self._heart_bpm) * (1 - math.exp(-dt_s / 40))
        self._heart_bpm += self._heart_rng.gauss(0, 0.6)
        return min(210.0, max(45.0, self._heart_bpm))

    def _air(self, effort: float, dt_s: float) -> float:
        self._scba_kpa -= SCBA_WORK_KPA_PER_S * (0.4 + effort) * dt_s
        if self._scba_kpa < SCBA_CHANGE_KPA:
            self._scba_kpa = SCBA_FULL_KPA  # a new cylinder
        return self._scba_kpa

    def _gas(self, motion: Motion, dt_s: float) -> dict[str, int]:
        """Clean air with the sensors' noise, and on top what each hazard gives at this distance."""
        wave = 1 + self._gas_drift.advance(dt_s)
        lel, co, h2s, o2 = (self._gas_rng.random() for _ in range(4))
        sums = {"lel_permille": 3 * lel * lel, "co_ppm": 2 * co * co, "h2s_dppm": 2 * h2s * h2s}
        drop = 0.0
        for hazard, (east_m, north_m) in self._hazards:
            part = wave * _bell(hazard, math.hypot(motion.east_m - east_m, motion.north_m - north_m))
            for gas in sums:
                sums[gas] += getattr(hazard, gas) * part
            drop += hazard.o2_drop_permille * part
        limits = {"lel_permille": 2_000, "co_ppm": 10_000, "h2s_dppm": 10_000}
        values = {gas: min(limits[gas], max(0, round(value))) for gas, value in sums.items()}
        values["o2_permille"] = max(0, round(209 - drop + (o2 < 0.1)))
        return values


def _bell(hazard: Hazard, distance_m: float) -> float:
    """1 at the hazard, 0.61 at its radius, nothing far away."""
    return math.exp(-0.5 * (distance_m / hazard.radius_m) ** 2)


_BIT = {
    name: field_id(name) % PAGE_BITS
    for name in (
        *("lat_deg_e7", "lon_deg_e7", "alt_dm", "speed_dmps", "course_deg", "battery_pct", "heart_bpm"),
        *(
            "lel_permille",
            "o2_permille",
            "co_ppm",
            "h2s_dppm",
            "fix_mode",
            "hacc_dm",
            "sats_used",
            "scba_kpa",
        ),
    )
}


def measure(state: State) -> dict[int, int]:
    """The columns of a row of page STATE, by bit, in the catalog's quanta."""
    values = {
        "lat_deg_e7": round(state.lat_deg * 1e7),
        "lon_deg_e7": round(state.lon_deg * 1e7),
        "alt_dm": round(state.alt_m * 10),
        "speed_dmps": round(state.speed_mps * 10),
        "course_deg": round(state.course_deg) % 360,
        "battery_pct": round(state.battery_pct),
        "fix_mode": 3,
        "hacc_dm": round(state.hacc_m * 10),
        "sats_used": state.sats_used,
    }
    if state.heart_bpm is not None:
        values["heart_bpm"] = round(state.heart_bpm)
    if state.scba_kpa is not None:
        # Transmitters report in steps of 100 kPa (1 bar).
        values["scba_kpa"] = round(state.scba_kpa / 100) * 100
    if state.gas is not None:
        values.update(state.gas)
    return {_BIT[name]: value for name, value in values.items()}
