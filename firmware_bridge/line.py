"""The driver of any device that speaks lines of text: a regular expression of the configuration names the values.

Enters: bytes of the device and the time; `[port.options]`. Leaves: readings, and the question that such a device wants.
Called through the table in `drivers.py`. A line that does not match is skipped, one with a wrong checksum is bad; no
line is longer than LINE_SIZE_MAX.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from firmware_bridge.framing import HEX_DIGITS, nmea_checksum
from firmware_bridge.interface import DriverRow, Quiet, Settings, Stats
from firmware_bridge.line_pattern import compiled
from firmware_bridge.modbus_frames import crc16
from firmware_bridge.quantity import Quantity, check_keys, near, quantity, rational, take
from protocols.catalog import FIELDS, PAGE_BITS, Kind
from protocols.samples import Reading, Sample
from protocols.units import NS_PER_MS

LINE_SIZE_MAX = 512
NUMBER_LEN_MAX = 24
SEPARATOR_LEN_MAX = 4
ASK_SIZE_MAX = 64
GROUPS_MAX = 32
STALL_MS = 1_000
"""The rest of a line that does not come within this time does not come any more."""

ENCODINGS = ("ascii", "utf-8", "gbk", "latin-1")
CHECKSUMS = ("none", "nmea", "crc16-modbus")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\Z")
_NMEA = re.compile(rb"[$!]?([^*]*)\*([0-9A-Fa-f]{2})\Z")
_HEX4 = re.compile(rb"[0-9A-Fa-f]{4}\Z")
_KEYS = ("pattern", "fields", "separator", "checksum", "encoding", "ask", "ask_s")


@dataclass(frozen=True, slots=True)
class LineOptions:
    """`[port.options]`, checked. `groups` is group of the pattern -> quantity."""

    pattern: re.Pattern[str]
    groups: tuple[tuple[str, Quantity], ...]
    separator: bytes = b"\n"
    checksum: str = "none"
    encoding: str = "ascii"
    ask: bytes = b""
    ask_ms: int = 1_000


class LineDriver(Quiet):
    """One device on one port."""

    def __init__(self, settings: Settings) -> None:
        self._options: LineOptions | None = settings.options
        self._separator = self._options.separator if self._options else b"\n"
        self.stats = Stats()
        self._tail = bytearray()
        self._is_too_long = False
        self._last_byte_ns = 0
        self.talk_mono_ns = 0 if self._options and self._options.ask else None

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls; at most LINE_SIZE_MAX and a separator."""
        return len(self._tail)

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        self.stats.bytes += len(data)
        self._last_byte_ns = t_mono_ns
        out: list[Sample] = []
        # In pieces, so that what is kept is bounded however much comes at once.
        for at in range(0, len(data), LINE_SIZE_MAX):
            self._tail += data[at : at + LINE_SIZE_MAX]
            *lines, rest = self._tail.split(self._separator)
            for line in lines:
                self._whole(bytes(line), out)
            self._tail = rest
            if len(rest) > LINE_SIZE_MAX + SEPARATOR_LEN_MAX:
                self._is_too_long = True
                self.stats.noise += len(rest) - SEPARATOR_LEN_MAX
                del self._tail[:-SEPARATOR_LEN_MAX]
        return out

    def idle(self, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        if self._tail and t_mono_ns - self._last_byte_ns >= STALL_MS * NS_PER_MS:
            self.stats.noise += len(self._tail)
            self._tail.clear()
        return []

    def talk(self, t_mono_ns: int) -> bytes:
        """See `interface.Driver`: the question, every `ask_s`."""
        if self._options is None or self.talk_mono_ns is None or t_mono_ns < self.talk_mono_ns:
            return b""
        self.talk_mono_ns = t_mono_ns + self._options.ask_ms * NS_PER_MS
        return self._options.ask

    def _whole(self, line: bytes, out: list[Sample]) -> None:
        if self._is_too_long or len(line) > LINE_SIZE_MAX:
            self._is_too_long = False
            self.stats.bad += 1
            return
        line = line.strip(b"\r\n\0")
        if not line:
            return
        if self._options is None:
            self.stats.skipped += 1
            return
        body = checked(line, self._options.checksum)
        try:
            text = None if body is None else body.decode(self._options.encoding)
        except UnicodeDecodeError:
            text = None
        if text is None:
            self.stats.bad += 1
            return
        found = self._options.pattern.match(text)
        if found is None:
            self.stats.skipped += 1
            return
        self._read(found, self._options, out)

    def _read(self, found: re.Match[str], options: LineOptions, out: list[Sample]) -> None:
        """A group that took no part is absent; one that is no number or out of its range is told in `bad`."""
        values: dict[int, int] = {}
        for group, wanted in options.groups:
            word = found[group]
            if word is None:
                continue
            word = word.strip()
            if len(word) > NUMBER_LEN_MAX or not _NUMBER.match(word):
                self.stats.bad += 1
                continue
            value = wanted.quanta(*Fraction(word).as_integer_ratio())
            if wanted.lo <= value <= wanted.hi:
                values[wanted.field.id] = value
            else:
                self.stats.bad += 1
        if values:
            self.stats.good += 1
            out.append(Reading(values))


def checked(line: bytes, checksum: str) -> bytes | None:
    """The line without its checksum; None where that is missing or wrong."""
    if checksum == "nmea":
        found = _NMEA.match(line)
        if found is None or len(found[1]) > 256 or HEX_DIGITS.get(found[2]) != nmea_checksum(found[1]):
            return None
        return found[1]
    if checksum == "crc16-modbus":
        digits = line[-4:]
        return line[:-4] if _HEX4.match(digits) and int(digits, 16) == crc16(line[:-4]) else None
    return line


def count_lines(data: bytes) -> int:
    """How many whole lines of printable text `data` holds, four characters or more. Other devices write those too, so
    this driver is only taken where it is asked for."""
    lines = (line.rstrip(b"\r") for line in data.split(b"\n")[:-1])
    return sum(len(line) >= 4 and line.isascii() and line.decode("ascii").isprintable() for line in lines)


def options(raw: dict[str, Any], folder: Path) -> LineOptions:
    """See `LineOptions`; ValueError says which key is wrong."""
    check_keys("options", raw, _KEYS)
    text = take("options", raw, "pattern", str)
    try:
        pattern = compiled(text)
    except ValueError as err:
        raise ValueError(f"options pattern: {err}") from None
    separator = take("options", raw, "separator", str, "\n").encode("latin-1", "replace")
    if not 1 <= len(separator) <= SEPARATOR_LEN_MAX:
        raise ValueError(
            f"options separator: {len(separator)} characters came, 1–{SEPARATOR_LEN_MAX} are allowed"
        )
    encoding = _one_of(raw, "encoding", ENCODINGS)
    ask = take("options", raw, "ask", str, "").encode(encoding, "replace")
    if len(ask) > ASK_SIZE_MAX:
        raise ValueError(f"options ask: {len(ask)} bytes came, at most {ASK_SIZE_MAX} are allowed")
    ask_s = rational("options ask_s", raw.get("ask_s", 1))
    if not 100 <= ask_s * 1_000 <= 3_600_000:
        raise ValueError(f"options ask_s: {raw['ask_s']} came, 0.1–3600 is allowed")
    return LineOptions(
        pattern,
        _groups(raw, pattern),
        separator,
        _one_of(raw, "checksum", CHECKSUMS),
        encoding,
        ask,
        int(ask_s * 1_000),
    )


def _one_of(raw: dict[str, Any], key: str, known: tuple[str, ...]) -> str:
    value: str = take("options", raw, key, str, known[0])
    if value not in known:
        raise ValueError(f"options {key}: {value!r} came; {near(value, known)}")
    return value


def _groups(raw: dict[str, Any], pattern: re.Pattern[str]) -> tuple[tuple[str, Quantity], ...]:
    tables = take("options", raw, "fields", dict)
    names = list(pattern.groupindex)
    if not 1 <= len(tables) <= GROUPS_MAX:
        raise ValueError(f"options fields: {len(tables)} tables came, 1–{GROUPS_MAX} are allowed")
    out: dict[str, Quantity] = {}
    for group, table in tables.items():
        where = f"options [fields.{group}]"
        if group not in names:
            hint = near(group, names) if names else "the pattern has none, write (?P<name>…)"
            raise ValueError(f"{where}: the pattern has no group {group!r}; {hint}")
        if not isinstance(table, dict):
            raise ValueError(f'{where}: {table!r} came, a table is needed, as {{ field = "ambient_dc" }}')
        check_keys(
            where, table, ("field", "scale", "offset", "unit", "min", "max", "molar_mass", "molar_volume")
        )
        made = _bounded(where, table)
        if any(one.field is made.field for one in out.values()):
            raise ValueError(f"{where} field: {made.field.name} came, another group has it already")
        out[group] = made
    return tuple(out.items())


def _bounded(where: str, table: dict[str, Any]) -> Quantity:
    """`min` and `max` are in the unit, after scale and offset."""
    made = quantity(where, table, take(where, table, "field", str))
    lo, hi = made.lo, made.hi
    plain = quantity(
        where, {key: one for key, one in table.items() if key not in ("scale", "offset")}, made.field.name
    )
    if "min" in table:
        lo = max(lo, plain.quanta(*rational(f"{where} min", table["min"]).as_integer_ratio()))
    if "max" in table:
        hi = min(hi, plain.quanta(*rational(f"{where} max", table["max"]).as_integer_ratio()))
    if lo > hi:
        raise ValueError(
            f"{where} min: {table.get('min')}–{table.get('max')} came, it has to rise and lie in the catalog's"
        )
    return Quantity(made.field, made.up, made.add, made.down, lo, hi)


READS = tuple(
    field.name
    for field in FIELDS
    if field.id // PAGE_BITS == Kind.STATE
    and field.sender not in ("gateway", "GNSS")
    and "gas_" not in field.name
)

ROWS = (
    DriverRow(
        "line",
        "any device that writes lines of text, by a regular expression",
        LineDriver,
        count_lines,
        READS,
        options,
        bauds=(9_600, 115_200),
        auto=False,
    ),
)
