"""Register maps: a TOML file says where a maker's device keeps what, and becomes few reads of adjacent registers.

Enters: a file, checked. Leaves: `Register`s grouped in `Block`s. Called by the options of `modbus`, and by the emulated
bus. Maps are data, never code: docs/devices.md describes every key. An error says the file, the table, the key, what
came and what is allowed.
"""

import math
import struct
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.modbus_frames import HOLDING, INPUT, READ_COUNT_MAX, SLAVE_MAX
from firmware_bridge.quantity import Quantity, check_keys, near, quantity, rational, take, take_within
from protocols.catalog import GAS_FIELDS, field_id

SHIPPED = Path(__file__).with_name("maps")
FILE_SIZE_MAX = 65_536
REGISTERS_MAX = 128
BLOCKS_MAX = 64
SENTINELS_MAX = 16
GAP_MAX = 16
DRIFT_PART = 20
"""A gas sensor's zero drifts: a value below its range by a twentieth of it is its lower end, further down a fault."""
POLL_S_MAX = 3_600

_INTEGERS = {"u16": (1, False), "s16": (1, True), "u32": (2, False), "s32": (2, True)}
TYPES = (*_INTEGERS, "f32")
ORDERS = ("abcd", "cdab", "badc", "dcba")
"""Where the four bytes of a number stand: abcd is high word first, cdab low word first."""

_FILE_KEYS = ("about", "source", "slave", "function", "poll_s", "gap", "register")
_REGISTER_KEYS = (
    "slave", "function", "address", "type", "order", "field", "scale", "offset", "unit", "range",
    "molar_mass", "molar_volume", "fault", "over", "poll_s",
)  # fmt: skip

GAS_BITS = {field_id(name): 1 << bit for bit, name in enumerate(GAS_FIELDS)}


@dataclass(frozen=True, slots=True)
class Register:
    """One value of a slave. `fault` and `over` are raw numbers that mean "no value" and "beyond my range"."""

    name: str
    slave: int
    function: int
    address: int
    type: str
    order: str
    quantity: Quantity
    fault: frozenset[int]
    over: frozenset[int]
    poll_ms: int

    @property
    def size(self) -> int:
        """In registers."""
        return 1 if self.type in ("u16", "s16") else 2

    @property
    def gas_bit(self) -> int:
        """Its bit of `gas_faults` and `gas_over`; 0 for what is no gas."""
        return GAS_BITS.get(self.quantity.field.id, 0)

    def raw(self, data: bytes) -> int | float:
        """The number in 2 or 4 bytes as they came."""
        if self.order in ("badc", "dcba"):
            data = b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
        if self.order in ("cdab", "dcba"):
            data = data[2:] + data[:2]
        if self.type == "f32":
            number: float = struct.unpack(">f", data)[0]
            return number
        return int.from_bytes(data, "big", signed=_INTEGERS[self.type][1])


@dataclass(frozen=True, slots=True)
class Block:
    """Adjacent registers of one slave that are asked for together, at most READ_COUNT_MAX."""

    map: str
    slave: int
    function: int
    address: int
    count: int
    poll_ms: int
    registers: tuple[Register, ...]


@dataclass(slots=True)
class Decoded:
    """What a block said: quanta by field id, bits of gases that failed or are beyond their range, and of all its gases;
    `bad` counts values that no sensor of the map gives."""

    values: dict[int, int] = field(default_factory=dict)
    faults: int = 0
    over: int = 0
    gases: int = 0
    bad: int = 0


def decode(block: Block, data: bytes) -> Decoded:
    """The registers of a reply. A sentinel is never a value."""
    out = Decoded()
    for register in block.registers:
        at = 2 * (register.address - block.address)
        _decode_one(register, register.raw(data[at : at + 2 * register.size]), out)
    return out


def _decode_one(register: Register, raw: int | float, out: Decoded) -> None:
    wanted, bit = register.quantity, register.gas_bit
    out.gases |= bit
    if raw in register.fault or not math.isfinite(raw):
        out.faults |= bit
        return
    value = wanted.hi + 1 if raw in register.over else wanted.quanta(*raw.as_integer_ratio())
    if value > wanted.hi and bit:
        # The end of the range is the least that is there: a limit below it has been passed.
        out.over |= bit
        value = wanted.hi
    elif value < wanted.lo and bit:
        if (wanted.lo - value) * DRIFT_PART <= wanted.hi - wanted.lo:
            value = wanted.lo
        else:
            out.faults |= bit
    if wanted.lo <= value <= wanted.hi:
        out.values[wanted.field.id] = value
    elif raw not in register.over:
        out.bad += 1


def read_map(name: str, folder: Path, slave: int | None = None) -> tuple[Block, ...]:
    """A shipped map by its bare name, or a file relative to `folder`. `slave` replaces the map's only slave.

    ValueError when it cannot be used.
    """
    path = folder / name if name.endswith(".toml") else SHIPPED / f"{name}.toml"
    if not name.endswith(".toml") and not (path.parent == SHIPPED and path.is_file()):
        shipped = sorted(file.stem for file in SHIPPED.glob("*.toml"))
        raise ValueError(
            f"options.maps: {name!r} is no shipped map and no file ….toml; {near(name, shipped)}"
        )
    try:
        data = path.read_bytes()
        if len(data) > FILE_SIZE_MAX:
            raise ValueError(f"{path}: {len(data)} bytes, at most {FILE_SIZE_MAX} are allowed")
        raw = tomllib.loads(data.decode())
    except OSError as err:
        raise ValueError(f"{path}: {err.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ValueError(f"{path}: not TOML: {err}") from None
    return parse_map(path.name, raw, slave)


def parse_map(name: str, raw: dict[str, Any], slave: int | None = None) -> tuple[Block, ...]:
    """The blocks of a map that has been read; `name` begins errors."""
    where = f"{name}:"
    check_keys(where, raw, _FILE_KEYS)
    tables = take(where, raw, "register", dict)
    if not 1 <= len(tables) <= REGISTERS_MAX:
        raise ValueError(f"{where} register: {len(tables)} tables came, 1–{REGISTERS_MAX} are allowed")
    registers = [_register(name, key, table, raw) for key, table in tables.items()]
    if slave is not None:
        registers = _moved(name, registers, slave)
    return _grouped(name, registers, take_within(where, raw, "gap", 0, GAP_MAX, 0))


def check_once(blocks: Iterable[Block]) -> None:
    """ValueError when two registers fill the same field: one would hide the other."""
    seen: dict[int, str] = {}
    for block in blocks:
        for register in block.registers:
            here = f"{block.map}: [register.{register.name}] of slave {register.slave}"
            there = seen.setdefault(register.quantity.field.id, here)
            if there is not here:
                raise ValueError(f"{here} field: {register.quantity.field.name} came, {there} has it already")


def _moved(name: str, registers: list[Register], slave: int) -> list[Register]:
    slaves = {register.slave for register in registers}
    if len(slaves) > 1:
        raise ValueError(f"options.slaves: {name} has slaves {sorted(slaves)}; write them into the map")
    return [
        Register(
            one.name, slave, one.function, one.address, one.type, one.order, one.quantity, one.fault, one.over,
            one.poll_ms,
        )
        for one in registers
    ]  # fmt: skip


def _register(name: str, key: str, table: Any, top: dict[str, Any]) -> Register:
    where = f"{name}: [register.{key}]"
    if not isinstance(table, dict):
        raise ValueError(f"{where}: {table!r} came, a table is needed")
    check_keys(where, table, _REGISTER_KEYS)
    table = {one: top[one] for one in ("slave", "function", "poll_s") if one in top} | table
    function = take_within(where, table, "function", HOLDING, INPUT, HOLDING)
    kind = _one_of(where, table, "type", TYPES, "u16")
    size = 1 if kind in ("u16", "s16") else 2
    poll_s = rational(f"{where} poll_s", table.get("poll_s", 1))
    if not 100 <= poll_s * 1_000 <= POLL_S_MAX * 1_000:
        raise ValueError(f"{where} poll_s: {table['poll_s']} came, 0.1–{POLL_S_MAX} is allowed")
    if table.get("over") and "range" not in table:
        raise ValueError(f"{where} range: missing; with over it has to be said where the range ends")
    return Register(
        key,
        take_within(where, table, "slave", 1, SLAVE_MAX),
        function,
        take_within(where, table, "address", 0, 0x10000 - size),
        kind,
        _one_of(where, table, "order", ("abcd", "badc") if size == 1 else ORDERS, "abcd"),
        quantity(where, table, take(where, table, "field", str, key)),
        _sentinels(where, table, "fault", kind),
        _sentinels(where, table, "over", kind),
        int(poll_s * 1_000),
    )


def _one_of(where: str, table: dict[str, Any], key: str, known: tuple[str, ...], default: str) -> str:
    value: str = take(where, table, key, str, default)
    if value not in known:
        raise ValueError(f"{where} {key}: {value!r} came; {near(value, known)}")
    return value


def _sentinels(where: str, table: dict[str, Any], key: str, kind: str) -> frozenset[int]:
    numbers = take(where, table, key, list, [])
    size, signed = _INTEGERS.get(kind, (4, True))
    bits = 16 * size
    lo, hi = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if len(numbers) > SENTINELS_MAX:
        raise ValueError(f"{where} {key}: {len(numbers)} numbers came, at most {SENTINELS_MAX} are allowed")
    for number in numbers:
        if type(number) is not int or not lo <= number <= hi:
            raise ValueError(
                f"{where} {key}: {number!r} came, whole numbers {lo}–{hi} are allowed for {kind}"
            )
    return frozenset(numbers)


def _grouped(name: str, registers: list[Register], gap: int) -> tuple[Block, ...]:
    """Registers with at most `gap` unused ones between them go into one read. A gap may be an address that the device
    refuses, so none is read over unless the map allows it."""
    blocks: list[list[Register]] = []
    for one in sorted(registers, key=lambda one: (one.slave, one.function, one.poll_ms, one.address)):
        last = blocks[-1] if blocks else None
        if last is not None and _same_read(last[-1], one):
            end = max(each.address + each.size for each in last)
            if one.address - end <= gap and one.address + one.size - last[0].address <= READ_COUNT_MAX:
                last.append(one)
                continue
        blocks.append([one])
    if len(blocks) > BLOCKS_MAX:
        raise ValueError(f"{name}: {len(blocks)} separate reads, at most {BLOCKS_MAX} are allowed; see gap")
    return tuple(_block(name, block) for block in blocks)


def _same_read(one: Register, other: Register) -> bool:
    return (one.slave, one.function, one.poll_ms) == (other.slave, other.function, other.poll_ms)


def _block(name: str, registers: list[Register]) -> Block:
    first = registers[0]
    count = max(one.address + one.size for one in registers) - first.address
    return Block(name, first.slave, first.function, first.address, count, first.poll_ms, tuple(registers))
