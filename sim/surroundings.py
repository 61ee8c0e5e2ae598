"""What is round the units beside gas: weather and air pressure. And what a vehicle's engine does.

Enters: the drill's seed, seconds that pass, a unit's `State`. Leaves: values in natural units. Pure, as `sim.world`;
the weather is the same for every unit, because each reckons it from the same generators. Caller: `sim.equipment`.
"""

import math
from dataclasses import dataclass

from sim.world import Drift, State, generator

SEA_LEVEL_HPA = 1_013.25
_HPA_POWER, _PER_M = 5.25588, 2.25577e-5
_KMH_PER_MPS = 3.6
_WORLD = "world"


@dataclass(frozen=True, slots=True)
class Air:
    """The weather at one moment, as a station tells it; `sea_hpa` is the pressure at sea level."""

    wind_mps: float
    wind_from_deg: float
    temperature_c: float
    humidity_pct: float
    sea_hpa: float
    sun_wpm2: float

    def pressure_hpa(self, up_m: float) -> float:
        """At a height above the sea. **Source:** ICAO standard atmosphere."""
        return float(self.sea_hpa * (1 - _PER_M * up_m) ** _HPA_POWER)


class Weather:
    """Wanders about a mild day with a light wind."""

    def __init__(self, seed: int) -> None:
        def drift(purpose: str, sigma: float, tau_s: float) -> Drift:
            return Drift(sigma, tau_s, generator(seed, _WORLD, f"weather {purpose}"))

        self._wind, self._gusts = drift("wind", 0.8, 900), drift("gusts", 0.6, 8)
        self._from, self._swing = drift("from", 60, 7_200), drift("swing", 8, 20)
        self._temperature, self._humidity = drift("temperature", 1.5, 7_200), drift("humidity", 6, 7_200)
        self._sea_hpa, self._sun = drift("pressure", 0.5, 10_800), drift("sun", 120, 600)

    def advance(self, dt_s: float) -> Air:
        """The weather `dt_s` seconds later (0 < dt_s)."""
        wind_from = 225 + self._from.advance(dt_s) + self._swing.advance(dt_s)
        return Air(
            wind_mps=max(0.0, 3.0 + self._wind.advance(dt_s) + self._gusts.advance(dt_s)),
            wind_from_deg=wind_from % 360,
            temperature_c=18.0 + self._temperature.advance(dt_s),
            humidity_pct=min(100.0, max(5.0, 55.0 + self._humidity.advance(dt_s))),
            sea_hpa=SEA_LEVEL_HPA + self._sea_hpa.advance(dt_s),
            sun_wpm2=max(0.0, 450.0 + self._sun.advance(dt_s)),
        )


@dataclass(frozen=True, slots=True)
class Running:
    """How an engine runs."""

    speed_kmh: float
    rpm: float
    load_pct: float
    coolant_c: float
    fuel_pct: float
    supply_v: float


class Engine:
    """A diesel that begins cold; five gears, fuel by load."""

    GEARS_KMH = (0.0, 15.0, 30.0, 45.0, 60.0)

    def __init__(self, seed: int, callsign: str) -> None:
        rng = generator(seed, callsign, "engine")
        self._coolant_c = rng.uniform(15, 30)
        self._fuel_pct = rng.uniform(55, 98)
        self._supply = Drift(0.08, 30, generator(seed, callsign, "supply"))
        self._last_mps = 0.0

    def advance(self, state: State, dt_s: float) -> Running:
        """How it runs at the vehicle's speed, `dt_s` seconds later (0 < dt_s)."""
        kmh = state.speed_mps * _KMH_PER_MPS
        accel_mps2 = (state.speed_mps - self._last_mps) / dt_s
        self._last_mps = state.speed_mps
        load_pct = min(100.0, max(5.0, 15 + 0.5 * kmh + 40 * accel_mps2))
        self._coolant_c += (88.0 - self._coolant_c) * (1 - math.exp(-dt_s / 240))
        self._fuel_pct = max(2.0, self._fuel_pct - 2e-5 * load_pct * dt_s)
        gear = sum(kmh >= limit for limit in self.GEARS_KMH)
        rpm = 750.0 if kmh < 1 else 900 + 1_300 * (kmh / (15.0 * gear))
        return Running(kmh, rpm, load_pct, self._coolant_c, self._fuel_pct, 13.9 + self._supply.advance(dt_s))
