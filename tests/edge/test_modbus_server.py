"""pymodbus's simulator as an RS-485 bus on a real tty, and our non-blocking master as the agent runs it: what its
slaves hold is what we read, refusals and a slave that is not there harm only themselves."""

import asyncio
import os
import pty
import random
import select
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.config import PortConfig
from edge.serial_worker import SerialWorker
from firmware_bridge.modbus import ModbusDriver, SlaveStats, options
from protocols.catalog import FIELDS_BY_ID
from protocols.samples import Note, Reading, Sample

MAPS = ["gas-detector", "weather-station", "scba-transmitter"]
LIMIT_S = 20.0
NOBODY = 9
"""A slave that is not there."""
BAUD = 115_200


class Truth:
    """What the slaves hold. `refusal`: what the transmitter answers in place of its registers."""

    def __init__(self) -> None:
        self.gas = [125, 209, 20, 34, 45, 3, 12, 10, 0, 12_300]
        self.refusal: ExcCodes | None = None

    async def on_gas(
        self, function: int, start: int, address: int, count: int, registers: list[int], written: object
    ) -> ExcCodes | None:
        registers[: len(self.gas)] = self.gas
        return None

    async def on_scba(
        self, function: int, start: int, address: int, count: int, registers: list[int], written: object
    ) -> ExcCodes | None:
        return self.refusal

    def devices(self) -> list[SimDevice]:
        """The slaves of the maps that ship, numbers turned into registers by pymodbus where it has the order."""
        low, high = struct.unpack(">HH", struct.pack(">f", 1013.25))[::-1]
        weather = [
            SimData(500, values=[346, 360], datatype=DataType.UINT16),
            SimData(502, values=-123, datatype=DataType.INT16),
            SimData(503, values=456, datatype=DataType.UINT16),
            SimData(504, values=[low, high], datatype=DataType.REGISTERS),
            SimData(506, values=812, datatype=DataType.UINT16),
        ]
        scba = [
            SimData(16, values=28_437, datatype=DataType.UINT32),
            SimData(18, values=3_612, datatype=DataType.UINT16),
        ]
        return [
            SimDevice(1, [SimData(0, values=self.gas, datatype=DataType.UINT16)], action=self.on_gas),
            SimDevice(2, weather),
            SimDevice(3, scba, action=self.on_scba),
        ]


class Wires:
    """Two ptys and a thread that carries bytes between them: a null-modem cable."""

    def __init__(self) -> None:
        pairs = [pty.openpty() for _ in range(2)]
        self._masters = [master for master, _ in pairs]
        self._slaves = [slave for _, slave in pairs]
        for slave in self._slaves:
            tty.setraw(slave)
        self.paths = [os.ttyname(slave) for slave in self._slaves]
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        while True:
            ready, _, _ = select.select([*self._masters, self._stop], [], [])
            if self._stop in ready:
                return
            for master in ready:
                os.write(self._masters[1 - self._masters.index(master)], os.read(master, 4_096))

    def close(self) -> None:
        os.write(self._wake, b".")
        self._thread.join()
        for number in (*self._masters, *self._slaves, self._stop, self._wake):
            os.close(number)


def _lost(sending: bool, data: bytes) -> bytes:
    """The simulator refuses for slaves that it does not have; on a bus, nobody says anything."""
    return b"" if sending and data[:1] == bytes((NOBODY,)) else data


class Server:
    """pymodbus's serial server in a loop of its own."""

    def __init__(self, truth: Truth, path: str) -> None:
        self._truth, self._path = truth, path
        self._loop = asyncio.new_event_loop()
        self._up, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._up.wait(LIMIT_S)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = ModbusSerialServer(self._truth.devices(), port=self._path, baudrate=BAUD, trace_packet=_lost)
        await server.serve_forever(background=True)
        self._up.set()
        await self._end.wait()
        await server.shutdown()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()


class Master:
    """The agent's own worker with the driver, turned as the agent's loop turns it."""

    def __init__(self, path: str, folder: Path) -> None:
        maps = [*MAPS, "ours.toml"]
        (folder / "ours.toml").write_text(
            f'slave = {NOBODY}\n[register.nobody]\nfield = "coolant_c"\naddress = 0\n'
        )
        made = options({"maps": maps, "poll_s": 0.1, "timeout_ms": 100}, folder)
        self.samples: list[Sample] = []
        self.worker = SerialWorker(
            PortConfig("bus", path, "modbus", BAUD, made), lambda sample, _t: self.samples.append(sample)
        )

    def slave(self, number: int) -> SlaveStats:
        """The driver's own counters; zeros until the port is open."""
        driver = self.worker._driver
        return driver.slaves[number] if isinstance(driver, ModbusDriver) else SlaveStats()

    def until(self, done: Callable[[], object], why: str) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not done():
            assert time.monotonic() < end_s, f"in vain: {why}; {self.worker.status()}"
            number = self.worker.fileno()
            ready, _, _ = select.select([number] if number is not None else [], [], [], 0.005)
            if ready:
                self.worker.on_readable()
            self.worker.maintain(time.monotonic_ns())

    def values(self) -> dict[str, int]:
        out: dict[str, int] = {}
        for sample in self.samples:
            if isinstance(sample, Reading):
                out |= {FIELDS_BY_ID[field].name: value for field, value in sample.values.items()}
        return out

    def notes(self) -> list[tuple[object, ...]]:
        words = [sample.words for sample in self.samples if isinstance(sample, Note)]
        return [(told["slave"], told["state"], told.get("exception")) for told in words]


@pytest.fixture
def truth() -> Truth:
    return Truth()


@pytest.fixture
def master(truth: Truth, tmp_path: Path) -> Iterator[Master]:
    wires = Wires()
    server = Server(truth, wires.paths[1])
    made = Master(wires.paths[0], tmp_path)
    yield made
    made.worker.close()
    server.close()
    wires.close()


def test_we_read_what_its_slaves_hold(master: Master) -> None:
    expected = {
        "lel_permille": 125, "o2_permille": 209, "co_ppm": 16, "h2s_dppm": 34, "co2_ppm": 450, "so2_dppm": 3,
        "nh3_dppm": 12, "cl2_dppm": 1, "voc_dppm": 123, "gas_faults": 0, "gas_over": 0,
        "wind_dmps": 35, "wind_from_deg": 0, "ambient_dc": -123, "humidity_permille": 456,
        "pressure_pa": 101_325, "sun_wpm2": 812, "scba_kpa": 28_437, "supply_mv": 3_612,
    }  # fmt: skip
    master.until(lambda: master.values() == expected, "the values do not agree")
    assert master.worker.bad() == 0


def test_many_values_agree(master: Master, truth: Truth) -> None:
    dice = random.Random(7)
    for _ in range(8):  # the detector is asked once a second
        lel, co, voc_ppb = dice.randint(0, 1_000), dice.randint(0, 1_250), 100 * dice.randint(0, 20_000)
        truth.gas = [lel, dice.randint(0, 300), co, 0, 0, 0, 0, 0, *divmod(voc_ppb, 1 << 16)]
        # CO comes in mg/m³: 28.01 g and 22.4 L a mole. A half may go either way.
        ppm = co * 22.4 / 28.01
        wanted = (lel, truth.gas[1], voc_ppb // 100)

        def agree(wanted: tuple[int, ...] = wanted, ppm: float = ppm) -> bool:
            now = master.values()
            told = tuple(now.get(name) for name in ("lel_permille", "o2_permille", "voc_dppm"))
            return told == wanted and abs(now["co_ppm"] - ppm) <= 0.5001

        master.until(agree, f"{truth.gas} is not what we read: {master.values()}")


@pytest.mark.parametrize("refusal", [ExcCodes.DEVICE_BUSY, ExcCodes.ILLEGAL_ADDRESS, ExcCodes.DEVICE_FAILURE])
def test_refusals_are_told_once_and_end(master: Master, truth: Truth, refusal: ExcCodes) -> None:
    truth.refusal = refusal
    master.until(lambda: master.slave(3).exceptions >= 2, "no refusal came")
    master.until(lambda: "co_ppm" in master.values() and "wind_dmps" in master.values(), "others suffer")
    assert "scba_kpa" not in master.values()
    assert [note for note in master.notes() if note[0] == 3] == [(3, "refuses", int(refusal))]
    truth.refusal = None
    master.until(lambda: master.values().get("scba_kpa") == 28_437, "it does not come back")
    assert master.notes()[-1][:2] == (3, "answers")


def test_a_slave_that_is_not_there_is_silent_and_the_others_go_on(master: Master) -> None:
    master.until(lambda: (NOBODY, "silent", None) in master.notes(), "nobody misses it")
    before = master.slave(1).answered
    master.until(lambda: master.slave(1).answered > before + 5, "the detector is starved")
    assert master.slave(NOBODY).answered == 0
    assert "coolant_c" not in master.values()
