"""Narrow-band frames: rows packed to the bit, for ways of 51, 78 or 233 bytes a message, and back.

Enters: rows in the catalog's quanta. Leaves: bytes that decode alone, ended by a MAC of 4 bytes; and from such bytes
`protocols.frame.Envelope` and `Frame`, as a wide frame gives. docs/wire.md "Narrow-band frames" is this module in
words. Callers: `edge.bearers`, `hub.live.ingest`, `sim.sizes`.

Two profiles. EXACT: boot, row numbers, times and values as in a wide frame, so the hub counts and acknowledges the
rows. PREVIEW: seconds and coarse quanta, no row numbers, never acknowledged: the full rows follow when IP is back.
"""

import hashlib
from collections.abc import Sequence

from protocols import bits, narrow_columns, narrow_head
from protocols.catalog import FIELDS_BY_NAME, Kind
from protocols.container import is_container, pack_container, unpack_container
from protocols.errors import FrameError
from protocols.frame import ROWS_MAX, Envelope, Frame, Row
from protocols.keys import NARROW_MAC_BYTES, MacKey, same
from protocols.narrow_columns import columns_of
from protocols.narrow_head import MARK, VERSION, Head, Header
from protocols.sealing import NONCE_BYTES

__all__ = [
    "Head", "decode", "is_container", "is_narrow", "open_envelope", "pack", "pack_as_many",
    "pack_container", "pack_report", "peek_device", "peek_lane", "times_ms",
    "unpack_container",
]  # fmt: skip

NARROW_BYTES_MIN = 9
NARROW_BYTES_MAX = 2_048
REPORT_STEPS = ((False, 1), (True, 1), (True, 2), (True, 3), (True, 5), (True, 10), (True, 20), (True, 0))
"""How a report grows shorter: whether only what is needed stays, and one position of so many (0: only the last)."""
_POSITION = frozenset(FIELDS_BY_NAME[name].bit for name in ("lat_deg_e7", "lon_deg_e7"))
_NEEDED = _POSITION | {FIELDS_BY_NAME[name].bit for name in ("speed_dmps", "course_deg")}
_DEVICE_BYTES = 6
"""The first byte, two bits of width and at most 32 of device."""


# --- packing -----------------------------------------------------------------------------------------


def pack(mac_key: MacKey, head: Head, rows: Sequence[Row]) -> bytes:
    """1–240 rows of one page. ValueError for what is our own mistake: too many rows, a boot of 64 bits, a value out
    of its range, no column that the profile has."""
    text, private = _write(head, rows)
    if private:
        text += _sealed(mac_key, text, private) if head.sealed else private
    data = bits.to_bytes(text)
    return data + mac_key.narrow(data)


def pack_as_many(mac_key: MacKey, head: Head, rows: Sequence[Row], budget: int) -> tuple[bytes, int]:
    """The longest beginning of `rows` that fits `budget` bytes, and how many rows it holds; (b"", 0) when none does.

    More rows are never shorter: the number is found by doubling, then by halving.
    """
    rows = rows[:ROWS_MAX]
    allowed = 8 * (min(budget, NARROW_BYTES_MAX) - NARROW_MAC_BYTES)
    fits, too_many = 0, len(rows) + 1
    while too_many - fits > 1:
        at = min(max(8, 2 * fits), len(rows)) if too_many > len(rows) else (fits + too_many) // 2
        if sum(map(len, _write(head, rows[:at]))) <= allowed:
            fits = at
        else:
            too_many = at
    return (pack(mac_key, head, rows[:fits]), fits) if fits else (b"", 0)


def pack_report(mac_key: MacKey, head: Head, rows: Sequence[Row], budget: int) -> bytes:
    """A preview for dead reckoning out of the rows since the last report: every position, and all else of the last row.

    What does not fit `budget` is left out: first all but position, speed and course, then one position of two, of
    three … counted from the last, which is always there; b"" when not even that fits.
    """
    rows = rows[-ROWS_MAX:]
    for needed_only, stride in REPORT_STEPS:
        kept = rows[::-1][::stride][::-1] if stride else rows[-1:]
        data, count = pack_as_many(mac_key, head, _as_trail(kept, needed_only), budget)
        if count == len(kept):
            return data
    return b""


def _as_trail(rows: Sequence[Row], needed_only: bool) -> list[Row]:
    """Every position, and in the last row all else, or only what tells the velocity."""
    thin = [Row(row.t_mono_ms, _only(row, _POSITION)) for row in rows[:-1]]
    last = rows[-1]
    return [*thin, Row(last.t_mono_ms, _only(last, _NEEDED)) if needed_only else last]


def _only(row: Row, kept: frozenset[int]) -> dict[int, int]:
    return {bit: value for bit, value in row.values.items() if bit in kept}


def _write(head: Head, rows: Sequence[Row]) -> tuple[str, str]:
    """The bits without MAC: header and open columns, and the private columns."""
    if not 1 <= len(rows) <= ROWS_MAX:
        raise ValueError(f"narrow: {len(rows)} rows, 1–{ROWS_MAX} allowed")
    kind = Kind.STATE if head.is_preview else head.kind
    columns = columns_of(kind, head.is_preview)
    mask = 0
    opened: list[str] = []
    private: list[str] = []
    for place, column in enumerate(columns):
        values = [row.values.get(column.bit) for row in rows]
        if all(value is None for value in values):
            continue
        mask |= 1 << (place if head.is_preview else column.bit)
        quanta = [None if value is None else narrow_columns.coarse(column, value) for value in values]
        (private if column.is_private else opened).append(narrow_columns.write(column, quanta))
    if not mask:
        raise ValueError("narrow: no row has a column of this profile")
    start = narrow_head.write(head, [row.t_mono_ms for row in rows], mask)
    return "".join([start, *opened]), "".join(private)


def _sealed(mac_key: MacKey, opened: str, private: str) -> str:
    """The private bits under the device's stream, or back; the nonce is out of all that stands before them."""
    nonce = hashlib.blake2b(
        bits.to_bytes(opened + "1"), digest_size=NONCE_BYTES, person=b"zhantu-nonce"
    ).digest()
    hidden = mac_key.seal(nonce, bits.to_bytes(private))
    return bits.to_text(hidden)[: len(private)]


# --- unpacking ---------------------------------------------------------------------------------------


def is_narrow(data: bytes) -> bool:
    """Whether this says that it is a narrow-band frame, of any version."""
    return len(data) > 0 and data[0] & 0xF0 == MARK


def peek_device(data: bytes) -> int:
    """Whose frame this says it is, before its MAC is checked: to find the key. FrameError when it says nothing."""
    return narrow_head.read_device(bits.Reader(bits.to_text(data[:_DEVICE_BYTES])))[1]


def peek_lane(data: bytes) -> int:
    """The lane this says it is on, before its MAC is checked. FrameError when it says nothing."""
    reader = bits.Reader(bits.to_text(data[:-NARROW_MAC_BYTES]))
    narrow_head.read_device(reader)
    return narrow_head.read(reader).shape[1]


def times_ms(data: bytes) -> list[int]:
    """The rows' times of a frame that was opened before, without its key."""
    reader = bits.Reader(bits.to_text(data[:-NARROW_MAC_BYTES]))
    narrow_head.read_device(reader)
    return narrow_head.read(reader).times_ms


def open_envelope(data: bytes, mac_key: MacKey) -> Envelope:
    """Check size, MAC and version, then read the header. FrameError with its reason when refused.

    An exact frame's envelope is as a wide one's. A preview's has `is_preview`, row 0, and as `boot` 0, or, while the
    gateway knows no UTC, the low 16 bits of the boot.
    """
    if not NARROW_BYTES_MIN <= len(data) <= NARROW_BYTES_MAX:
        raise FrameError("size", f"{len(data)} bytes, {NARROW_BYTES_MIN}–{NARROW_BYTES_MAX} allowed")
    body = data[:-NARROW_MAC_BYTES]
    if not same(mac_key.narrow(body), data[-NARROW_MAC_BYTES:]):
        raise FrameError("mac", f"{len(data)} bytes, MAC is not the device's")
    reader = bits.Reader(bits.to_text(body))
    version, device = narrow_head.read_device(reader)
    if version != VERSION:
        raise FrameError("version", f"version {version}, this program speaks {VERSION}")
    header = narrow_head.read(reader)
    kind, lane, stream = header.shape
    return Envelope(
        version, kind, lane, device, header.boot, stream, header.row, len(header.times_ms),
        [header, reader.text, reader.at], is_preview=header.is_preview,
    )  # fmt: skip


def decode(envelope: Envelope, mac_key: MacKey | None = None) -> Frame:
    """Restore the rows of an authentic frame, in the catalog's quanta. FrameError when the content is refused.

    `mac_key` opens sealed columns; without it (a relay, a tool) they are left out. In a preview with UTC, times are
    counted from its first row and `utc_zero_ms` is that row's UTC: it says nothing of a boot's clock.
    """
    header: Header = envelope.elements[0]
    reader = bits.Reader(envelope.elements[1], envelope.elements[2])
    opened = [column for column in header.columns if not column.is_private]
    private = [column for column in header.columns if column.is_private]
    columns = {column.bit: narrow_columns.read(column, envelope.n, reader) for column in opened}
    if private and header.sealed and mac_key is None:
        return _frame(envelope, header, columns)
    if private and header.sealed and mac_key is not None:
        before, after = reader.text[: reader.at], reader.text[reader.at :]
        reader = bits.Reader(before + _sealed(mac_key, before, after), reader.at)
    for column in private:
        columns[column.bit] = narrow_columns.read(column, envelope.n, reader)
    rest = envelope.elements[1][reader.at :]
    if len(rest) >= 8 or "1" in rest:
        raise FrameError("shape", f"{len(rest)} bits after the last column")
    return _frame(envelope, header, columns)


def _frame(envelope: Envelope, header: Header, columns: dict[int, list[int | None]]) -> Frame:
    return Frame(envelope, header.times_ms, header.utc_zero_ms, header.clock_source, columns, [])
