"""Words of an ELM327 adapter: which of its lines is an answer of an engine control unit (ECU), and what it says.

Enters: one line of the adapter. Leaves: the ECU and its data; a PID's value in the catalog's quanta. Called by `obd`.
There is no checksum between adapter and gateway: a line has to have exactly the right form, or it is none.
**Source:** ELM327 data sheet v2.2, "Interpreting OBD messages"; SAE J1979, appendix B.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocols.catalog import FIELDS_BY_NAME, Field
from protocols.units import divide_half_even

SPEED, RPM, COOLANT, LOAD, FUEL, VOLTAGE, FUEL_RATE = 0x0D, 0x0C, 0x05, 0x04, 0x2F, 0x42, 0x5E
AIR_FLOW = 0x10
SUPPORTED = (0x00, 0x20, 0x40)
"""PIDs that list the next 32."""

_ANSWER = 0x41
_HEX = re.compile(r"[0-9A-F]+\Z")
_HEADS = (
    ("can", re.compile(r"(7E[89A-F])0([2-7])((?:..)+)\Z")),
    ("can", re.compile(r"(18DAF1..)0([2-7])((?:..)+)\Z")),
    ("sum", re.compile(r"((?:486B|8[1-7]F1)..)()((?:..)+)\Z")),
)
_VOLTS = re.compile(r"(\d{1,2})\.(\d)V?\Z")
ERRORS = (
    "UNABLE TO CONNECT", "CAN ERROR", "BUS ERROR", "BUS BUSY", "FB ERROR", "DATA ERROR", "RX ERROR", "ERROR",
    "LV RESET", "LP ALERT", "ACT ALERT",
)  # fmt: skip
"""The bus does not work now: the ignition is off, or a plug is loose."""
IDENTITY = re.compile(r"ELM ?327 ?[vV]?[0-9.a-z]{0,8}")


@dataclass(frozen=True, slots=True)
class Pid:
    """`size` bytes as one big-endian number -> `quanta`; `every_s` is how often it is asked."""

    number: int
    size: int
    field: Field | None
    quanta: Callable[[int], int]
    every_s: float


def _field(name: str) -> Field:
    return FIELDS_BY_NAME[name]


PIDS: dict[int, Pid] = {
    pid.number: pid
    for pid in (
        Pid(SPEED, 1, _field("wheel_dmps"), lambda raw: divide_half_even(raw * 100, 36), 1),
        Pid(RPM, 2, _field("engine_rpm"), lambda raw: divide_half_even(raw, 4), 1),
        Pid(LOAD, 1, _field("engine_load_permille"), lambda raw: divide_half_even(raw * 1_000, 255), 5),
        Pid(COOLANT, 1, _field("coolant_c"), lambda raw: raw - 40, 10),
        Pid(FUEL_RATE, 2, _field("fuel_dlph"), lambda raw: divide_half_even(raw, 2), 5),
        Pid(VOLTAGE, 2, _field("supply_mv"), lambda raw: raw, 10),
        Pid(FUEL, 1, _field("fuel_permille"), lambda raw: divide_half_even(raw * 1_000, 255), 30),
        Pid(
            AIR_FLOW, 2, None, lambda raw: raw, 0
        ),  # 0.01 g/s; the catalog has no field for it, so it is not asked
        *(Pid(number, 4, None, lambda raw: raw, 0) for number in SUPPORTED),
    )
}


@dataclass(frozen=True, slots=True)
class Answer:
    """`ecu` is the header of the unit that answers, "" where the adapter leaves headers out."""

    ecu: str
    pid: int
    raw: int


def parse_answer(line: str) -> Answer | None:
    """An answer to mode 01 with one PID of PIDS, with or without spaces and headers; None for anything else."""
    text = line.replace(" ", "").upper()
    if len(text) > 30 or not _HEX.match(text):
        return None
    for kind, head in _HEADS:
        found = head.match(text)
        if found:
            return _with_head(kind, found[1], found[2], found[3])
    return None if len(text) % 2 else _answer("", bytes.fromhex(text))


def _with_head(kind: str, ecu: str, size: str, rest: str) -> Answer | None:
    data = bytes.fromhex(rest)
    if kind == "can":
        padding = data[int(size) :]
        # Adapters show what fills the frame up to eight bytes; anything longer is no single frame.
        return (
            _answer(ecu, data[: int(size)])
            if int(size) <= len(data) <= 7 and len(set(padding)) <= 1
            else None
        )
    body = bytes.fromhex(ecu) + data[:-1]
    return _answer(ecu, data[:-1]) if data[-1] in (sum(body) & 0xFF, crc8_j1850(body)) else None


def _answer(ecu: str, data: bytes) -> Answer | None:
    if len(data) < 3 or data[0] != _ANSWER:
        return None
    pid = PIDS.get(data[1])
    if pid is None or len(data) != 2 + pid.size:
        return None
    return Answer(ecu, pid.number, int.from_bytes(data[2:], "big"))


def crc8_j1850(data: bytes) -> int:
    """The checksum of J1850 buses: b"123456789" -> 0x4B."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x1D) & 0xFF if crc & 0x80 else crc << 1
    return crc ^ 0xFF


def parse_volts(line: str) -> int | None:
    """ATRV: "12.6V" -> 12,600 mV."""
    found = _VOLTS.match(line.strip().upper())
    return int(found[1]) * 1_000 + int(found[2]) * 100 if found else None


def pids_in(base: int, raw: int) -> set[int]:
    """The PIDs that a list says: bit 31 is base + 1, bit 0 is base + 32."""
    return {base + 32 - bit for bit in range(32) if raw >> bit & 1}


def pick(answers: Sequence[Answer], pid: int) -> Answer | None:
    """One of several units' answers to `pid`: the engine's has the lowest header."""
    return min((one for one in answers if one.pid == pid), key=lambda one: one.ecu, default=None)
