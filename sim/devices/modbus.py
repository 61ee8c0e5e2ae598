"""An emulated RS-485 bus of Modbus slaves, which can refuse, fall silent, be slow, damage their bytes and babble.

Enters: truth in natural units by the names of a map's registers, and requests. Leaves: replies. Called by drills and
tests. Registers are filled here by struct from the map's TOML, and checksums are computed bit by bit: nothing but the
map file is shared with the driver.
"""

import struct
import tomllib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

BABBLE = bytes((number * 73 + 41) & 0xFF for number in range(64))
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY = 1, 2, 3, 6
REQUEST_SIZE, PENDING_SIZE_MAX = 8, 256
_FORMATS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "f32": ">f"}
FAULT, OVER = "fault", "over"
"""In place of a number: the sensor's sentinel."""


def checksum(data: bytes) -> bytes:
    """CRC-16/MODBUS, by the bits of the standard's appendix B."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return struct.pack("<H", crc)


@dataclass(slots=True)
class Slave:
    """One slave. `banks` is function -> address -> register.

    exception  answer every request with this code; 0 for none
    silent     answer nothing
    damage     flip a bit of each reply
    babble     bytes sent after each reply, also to others' requests
    late_ms    answer so long after the request (`step` gives it)
    """

    number: int
    banks: dict[int, dict[int, int]] = field(default_factory=lambda: {3: {}, 4: {}})
    exception: int = 0
    silent: bool = False
    damage: bool = False
    babble: bytes = b""
    late_ms: int = 0
    registers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of_map(cls, path: Path, number: int | None = None) -> "Slave":
        """A slave whose bank is what a map file describes, all zero."""
        top = tomllib.loads(path.read_text(encoding="utf-8"))
        defaults = {key: top[key] for key in ("slave", "function") if key in top}
        registers = {name: defaults | table for name, table in top["register"].items()}
        made = cls(number or top["slave"], registers=registers)
        for name in registers:
            made.put(name, 0)
        return made

    def put(self, name: str, value: float | Fraction | str) -> None:
        """Truth in the register's own unit, FAULT or OVER."""
        table = self.registers[name]
        kind = table.get("type", "u16")
        if value in (FAULT, OVER):
            raw: float | int = table[str(value)][0]
        else:
            exact = (Fraction(value) - Fraction(str(table.get("offset", 0)))) / Fraction(
                str(table.get("scale", 1))
            )
            raw = float(exact) if kind == "f32" else round(exact)
        data = struct.pack(_FORMATS[kind], raw)
        words = list(struct.unpack(f">{len(data) // 2}H", data))
        order = table.get("order", "abcd")
        if order in ("cdab", "dcba"):
            words.reverse()
        if order in ("badc", "dcba"):
            words = [word >> 8 | (word & 0xFF) << 8 for word in words]
        bank = self.banks[table.get("function", 3)]
        for index, word in enumerate(words):
            bank[table["address"] + index] = word

    def reply(self, request: bytes) -> bytes:
        """The whole frame of the reply; b"" for a silent slave."""
        if self.silent:
            return b""
        function, address, count = struct.unpack(">BHH", request[1:6])
        bank = self.banks.get(function)
        wanted = range(address, address + count)
        refusal = self.exception
        if not refusal and bank is None:
            refusal = ILLEGAL_FUNCTION
        elif not refusal and not 1 <= count <= 125:
            refusal = ILLEGAL_VALUE
        elif not refusal and bank is not None and not all(number in bank for number in wanted):
            refusal = ILLEGAL_ADDRESS
        if refusal or bank is None:
            body = bytes((self.number, function | 0x80, refusal))
        else:
            body = bytes((self.number, function, 2 * count))
            body += struct.pack(f">{count}H", *(bank[number] for number in wanted))
        frame = body + checksum(body)
        return frame[:3] + bytes((frame[3] ^ 0x10,)) + frame[4:] if self.damage else frame


class Bus:
    """Several slaves on one pair of wires."""

    def __init__(self, slaves: list[Slave], echo: bool = False) -> None:
        """`echo`: the adapter hears what it sends."""
        self.slaves = {slave.number: slave for slave in slaves}
        self.requests: list[tuple[int, bytes]] = []
        self._echo = echo
        self._pending = b""
        self._now_ms = 0
        self._late: list[tuple[int, bytes]] = []

    def answer(self, data: bytes) -> bytes:
        """What the bus says at once to bytes of the master."""
        self._pending = (self._pending + data)[-PENDING_SIZE_MAX:]
        out = data if self._echo else b""
        while len(self._pending) >= REQUEST_SIZE:
            request = self._pending[:REQUEST_SIZE]
            if checksum(request[:-2]) != request[-2:]:
                self._pending = self._pending[1:]
                continue
            self._pending = self._pending[REQUEST_SIZE:]
            out += self._to_all(request)
        return out

    def step(self, t_ms: int) -> bytes:
        """What it says later: replies of slow slaves whose time has come."""
        self._now_ms = t_ms
        due = b"".join(data for at_ms, data in self._late if at_ms <= t_ms)
        self._late = [(at_ms, data) for at_ms, data in self._late if at_ms > t_ms]
        return due

    def _to_all(self, request: bytes) -> bytes:
        self.requests = [*self.requests[-999:], (self._now_ms, request)]
        out = b""
        slave = self.slaves.get(request[0])
        if slave is not None:
            reply = slave.reply(request)
            if slave.late_ms and reply:
                self._late = [*self._late[-99:], (self._now_ms + slave.late_ms, reply)]
            else:
                out += reply
        return out + b"".join(each.babble for each in self.slaves.values())
