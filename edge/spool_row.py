"""A row as the spool keeps it, and its checksum: SQLite itself does not notice a flipped bit in a value.

Enters: a row's columns. Leaves: `SpoolRow`, and whether it is as it was made. Callers: `edge.spool`, `edge.salvage`,
`edge.sender`.
"""

import struct
import zlib
from dataclasses import dataclass

import msgpack

from protocols.frame import WORD_KINDS, Row

_NUMBERS = struct.Struct("<7q")
COLUMNS = "boot, stream, row, kind, t_mono_ms, utc_zero_ms, clock_source, data, sum"


@dataclass(frozen=True, slots=True)
class SpoolRow:
    """A numbered row with the clock offset that was known when it was made. `step`: of so many rows one is left."""

    boot: int
    stream: int
    row: int
    kind: int
    t_mono_ms: int
    utc_zero_ms: int | None
    clock_source: int
    data: bytes
    step: int = 1

    @property
    def last(self) -> int:
        """The highest number that this row speaks for."""
        return self.row + self.step - 1

    @property
    def sum(self) -> int:
        """CRC-32 over everything that is kept of it."""
        zero_ms = -1 if self.utc_zero_ms is None else self.utc_zero_ms
        numbers = (self.boot, self.stream, self.row, self.kind, self.t_mono_ms, zero_ms, self.clock_source)
        return zlib.crc32(self.data, zlib.crc32(_NUMBERS.pack(*numbers)))

    @property
    def columns(self) -> tuple[object, ...]:
        """As COLUMNS."""
        return (
            self.boot, self.stream, self.row, self.kind, self.t_mono_ms, self.utc_zero_ms, self.clock_source,
            self.data, self.sum,
        )  # fmt: skip

    def as_row(self) -> Row:
        flat = msgpack.unpackb(self.data)
        if self.kind in WORD_KINDS:
            return Row(self.t_mono_ms, {}, tuple(flat))
        return Row(self.t_mono_ms, dict(zip(flat[::2], flat[1::2], strict=True)))
