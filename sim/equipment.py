"""The devices of an agent unit, and the truth that they measure.

Enters: a unit, `State`s and acts of the drill, the gateway's bytes. Leaves: ports with an emulated device each, and the
tables that name them in edge.toml. Caller: `sim.agents`. Gas, pressure of the cylinder and heart come out of the same
`State` as those of light units.
"""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from firmware_bridge.modbus_map import SHIPPED
from protocols.samples import Fix
from sim.devices.board import Board
from sim.devices.elm327 import Elm327, Vehicle
from sim.devices.gnss_nmea import NmeaReceiver
from sim.devices.gnss_ubx import UbxReceiver
from sim.devices.modbus import OVER, Bus, Slave
from sim.drill import STEP_MS
from sim.scenario import Unit
from sim.surroundings import Air, Engine, Weather
from sim.wearer import Wearer
from sim.world import State, generator

WAITING_MAX = 4
"""Moments that wait for a choked line; of more, the oldest is dropped."""
ACTS_MAX = 64
BAUDS = {"nmea": 38_400, "ubx": 115_200}
MAPS = {"gas": "gas-detector", "weather": "weather-station", "air": "scba-transmitter"}
"""Device -> the register map of its slave."""
CO_MG_PER_PPM = Fraction(2_801, 2_240)
"""The detector tells CO in mg/m³, by 28.01 g and 22.4 L a mole."""
CLEAN: dict[str, float | Fraction] = {
    "co2_ppm": Fraction(42, 1_000),
    "so2_dppm": 0,
    "nh3_dppm": 0,
    "cl2_dppm": 0,
    "voc_dppm": 0,
}
"""What the world knows nothing of, in the units of the detector's registers."""


class Device(Protocol):
    """An emulated device on a line. `measure` is called once a second, `act` when the wearer does something."""

    def measure(self, fix: Fix, state: State, air: Air) -> None: ...
    def act(self, what: str, t_ms: int) -> None: ...
    def answer(self, data: bytes) -> bytes: ...
    def step(self, t_ms: int) -> bytes: ...


class _Gnss:
    def __init__(self, unit: Unit) -> None:
        self._receiver: NmeaReceiver | UbxReceiver = (
            UbxReceiver() if unit.receiver == "ubx" else NmeaReceiver()
        )
        self._fix: Fix | None = None

    def measure(self, fix: Fix, state: State, air: Air) -> None:
        self._fix = fix

    def act(self, what: str, t_ms: int) -> None:
        """A receiver feels nothing."""

    def answer(self, data: bytes) -> bytes:
        return self._receiver.answer(data)

    def step(self, t_ms: int) -> bytes:
        fix, self._fix = self._fix, None
        return self._receiver.epoch(fix) if fix is not None else b""


class _Board:
    def __init__(self, unit: Unit, seed: int) -> None:
        self._board = Board(board=unit.device)
        self._wearer = Wearer(self._board, generator(seed, unit.callsign, "board"), "air" in unit.devices)

    def measure(self, fix: Fix, state: State, air: Air) -> None:
        self._wearer.feel(state, air)

    def act(self, what: str, t_ms: int) -> None:
        self._wearer.act(what, t_ms)

    def answer(self, data: bytes) -> bytes:
        return self._board.answer(data)

    def step(self, t_ms: int) -> bytes:
        self._wearer.step(t_ms)
        return self._board.step(t_ms)


class _Bus:
    """Detector, station and transmitter, as many as the unit has, on one pair of wires."""

    def __init__(self, names: list[str]) -> None:
        self._slaves = {name: Slave.of_map(SHIPPED / f"{MAPS[name]}.toml") for name in names}
        self._bus = Bus(list(self._slaves.values()))

    def measure(self, fix: Fix, state: State, air: Air) -> None:
        for name, slave in self._slaves.items():
            for register, value in _registers(name, state, air).items():
                _put(slave, register, value)

    def act(self, what: str, t_ms: int) -> None:
        """Instruments feel nothing."""

    def answer(self, data: bytes) -> bytes:
        return self._bus.answer(data)

    def step(self, t_ms: int) -> bytes:
        return self._bus.step(t_ms)


class _Obd:
    def __init__(self, unit: Unit, seed: int) -> None:
        self._engine = Engine(seed, unit.callsign)
        self._adapter = Elm327()

    def measure(self, fix: Fix, state: State, air: Air) -> None:
        now = self._engine.advance(state, STEP_MS / 1_000)
        self._adapter.vehicle = Vehicle(
            now.speed_kmh, now.rpm, now.coolant_c, now.load_pct, now.fuel_pct, now.supply_v
        )

    def act(self, what: str, t_ms: int) -> None:
        """A vehicle feels nothing."""

    def answer(self, data: bytes) -> bytes:
        return self._adapter.answer(data)

    def step(self, t_ms: int) -> bytes:
        return self._adapter.step(t_ms)


def _registers(name: str, state: State, air: Air) -> dict[str, float | Fraction]:
    """What one slave holds, in the units of its registers."""
    if name == "gas" and state.gas is not None:
        return {
            **CLEAN,
            "lel_permille": Fraction(state.gas["lel_permille"], 10),
            "o2_permille": Fraction(state.gas["o2_permille"], 10),
            "co_ppm": state.gas["co_ppm"] * CO_MG_PER_PPM,
            "h2s_dppm": Fraction(state.gas["h2s_dppm"], 10),
        }
    if name == "air" and state.scba_kpa is not None:
        return {"scba_kpa": Fraction(round(state.scba_kpa), 1_000), "supply_mv": 3_600}
    if name == "weather":
        return {
            "wind_dmps": air.wind_mps,
            "wind_from_deg": air.wind_from_deg,
            "ambient_dc": air.temperature_c,
            "humidity_permille": air.humidity_pct,
            "pressure_pa": air.pressure_hpa(state.up_m),
            "sun_wpm2": air.sun_wpm2,
        }
    return {}


def _put(slave: Slave, register: str, value: float | Fraction) -> None:
    """A value beyond what the sensor can tell is its sentinel for that, or the end of its range."""
    table: dict[str, Any] = slave.registers[register]
    highest = table.get("range", (0, float("inf")))[1]
    if value <= highest:
        slave.put(register, value)
    else:
        slave.put(register, OVER if "over" in table else highest)


@dataclass(frozen=True, slots=True)
class EquipmentPort:
    """One line: what edge.toml says of it, and the device at its other end. `baud` is the device's."""

    name: str
    driver: str
    baud: int
    finds_baud: bool
    device: Device
    options: str = ""

    def toml(self, path: Path) -> list[str]:
        """Its table in edge.toml, lines. The receiver's rate is left to the agent to find."""
        rate = 0 if self.finds_baud else self.baud
        quoted = json.dumps(str(path), ensure_ascii=False)  # a JSON string of a path is a TOML string too
        lines = ["[[port]]", f'name = "{self.name}"', f"path = {quoted}", f'driver = "{self.driver}"']
        return [*lines, f"baud = {rate}", *([f"[port.options]\n{self.options}"] if self.options else [])]


class Equipment:
    """All devices of one agent unit. `feed` and `act` may come from another thread than `step`."""

    def __init__(self, unit: Unit, seed: int) -> None:
        self.ports = list(_ports(unit, seed))
        self._weather = Weather(seed)
        self._moments: deque[tuple[Fix, State]] = deque(maxlen=WAITING_MAX)
        self._acts: deque[str] = deque(maxlen=ACTS_MAX)

    def feed(self, fix: Fix, state: State) -> None:
        """A new moment of the world."""
        self._moments.append((fix, state))

    def act(self, what: str) -> None:
        """The wearer does something."""
        self._acts.append(what)

    def step(self, t_ms: int) -> None:
        """Tells the devices what has come since."""
        while self._moments:
            fix, state = self._moments.popleft()
            air = self._weather.advance(STEP_MS / 1_000)
            for port in self.ports:
                port.device.measure(fix, state, air)
        while self._acts:
            what = self._acts.popleft()
            for port in self.ports:
                port.device.act(what, t_ms)


def _ports(unit: Unit, seed: int) -> Iterator[EquipmentPort]:
    """The cylinder's transmitter is on the board where there is one, else on the bus."""
    if "gnss" in unit.devices:
        yield EquipmentPort("gnss", "gnss", BAUDS[unit.receiver], True, _Gnss(unit))
    if "board" in unit.devices:
        yield EquipmentPort("board", "board", 115_200, False, _Board(unit, seed))
    bus = [name for name in MAPS if name in unit.devices and not (name == "air" and "board" in unit.devices)]
    if bus:
        names = ", ".join(f'"{MAPS[name]}"' for name in bus)
        yield EquipmentPort("bus", "modbus", 9_600, False, _Bus(bus), f"maps = [{names}]")
    if "obd" in unit.devices:
        yield EquipmentPort("obd", "obd", 38_400, False, _Obd(unit, seed))
