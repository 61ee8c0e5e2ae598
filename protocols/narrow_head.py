"""The header of a narrow-band frame: whose rows, when, which columns.

Enters: a `Head`, row times, a mask. Leaves: bits, and back. Caller: `protocols.narrow`, which says what
the profiles are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from protocols import bits, narrow_columns
from protocols.catalog import ClockSource, Kind, Lane, Stream
from protocols.errors import FrameError
from protocols.frame import ROW_NUMBER_MAX, ROWS_MAX, T_MONO_MS_MAX
from protocols.narrow_columns import Column, columns_of
from protocols.topics import DEVICE_MAX

VERSION = 1
MARK = 0x10
"""The high half of the first byte; the low half is the version. No wide frame begins so: its first byte is 0x9b."""
HEADER_BYTES_AIM = 26
"""Header and MAC of a frame of one row, in a boot's first 37 hours, with a device number below 2^16."""
EPOCH_UTC_MS = 1_262_304_000_000
"""2010-01-01: times are told since then, in 40 bits of ms or 30 bits of s: until 2044."""
ZERO_BITS = 40
SECOND_BITS = 30
BOOT_BITS = 63
TAG_BITS = 16
BOOT_TAG_MASK = (1 << TAG_BITS) - 1
STEP_MS = 1_000
DEVICE_BITS = (12, 16, 24, 32)
MONO_BITS = (22, 27, 32, 43)
"""70 minutes, 37 hours, 49 days, ever."""
SHAPES = (
    (Kind.EVENT, Lane.SOS, Stream.EVENTS),
    (Kind.EVENT, Lane.RECEIPTS, Stream.EVENTS),
    (Kind.STATE, Lane.LIVE, Stream.ROWS),
    (Kind.STATE, Lane.HISTORY, Stream.ROWS),
    (Kind.HEALTH, Lane.LIVE, Stream.ROWS),
    (Kind.OBSERVED, Lane.LIVE, Stream.ROWS),
    (Kind.HEALTH, Lane.HISTORY, Stream.ROWS),
)
"""What is sent most, by its number of 3 bits; 7: kind, lane and stream are spelled out."""
EVENT_MASKS = (0b1001_1110_0111, 0b1001_0110_0111, 0b1000_0000_0111, 0b1011_1111_1111, 0b1_1001_1110_0111,
               0b1_1000_0000_0111, 0b1001_1110_1111)  # fmt: skip
"""Sets of columns that events have most, by a number of 3 bits; 7: the mask is spelled out."""
_PREVIEW_SHAPE = (Kind.STATE, Lane.LIVE, Stream.ROWS)
_SPELLED = 7
_ROW_SHIFT = 7
_MASK_CHUNK = {True: 7, False: 12}
_MASK_BITS_MAX = 72


@dataclass(frozen=True, slots=True)
class Head:
    """What is said of all rows of a frame. A preview needs only `device`, `boot` and the clock.

    `sealed`: what a body does is hidden from those without the device's key; narrow ways can be overheard.
    """

    device: int
    boot: int
    utc_zero_ms: int | None
    clock_source: int = ClockSource.NONE
    kind: int = Kind.STATE
    lane: int = Lane.LIVE
    stream: int = Stream.ROWS
    row: int = 0
    is_preview: bool = False
    sealed: bool = True


def write(head: Head, times_ms: Sequence[int], mask: int) -> str:
    """All bits before the columns. ValueError for what does not fit: our own mistake."""
    kind = Kind.STATE if head.is_preview else head.kind
    start = _write_preview(head, times_ms) if head.is_preview else _write_exact(head, times_ms)
    profile = "0" if head.is_preview else "1"
    sealed = str(int(head.sealed)) if kind == Kind.STATE else ""  # no other page has private fields
    return write_device(head.device) + profile + start + sealed + _write_mask(kind, head.is_preview, mask)


def write_device(device: int) -> str:
    if not 0 <= device <= DEVICE_MAX:
        raise ValueError(f"narrow: device {device}, 0–{DEVICE_MAX} allowed")
    return bits.fixed(MARK | VERSION, 8) + _write_sized(device, DEVICE_BITS)


def _write_sized(value: int, widths: tuple[int, ...]) -> str:
    place = next(place for place, width in enumerate(widths) if value < 1 << width)
    return bits.fixed(place, 2) + bits.fixed(value, widths[place])


def _write_exact(head: Head, times_ms: Sequence[int]) -> str:
    shape = (head.kind, head.lane, head.stream)
    if head.kind >= Kind.TEXT:
        raise ValueError(f"narrow: kind {head.kind}, only pages of columns are narrow")
    if shape in SHAPES:
        told = [bits.fixed(SHAPES.index(shape), 3)]
    else:
        told = [
            bits.fixed(value, width) for value, width in zip((_SPELLED, *shape), (3, 3, 3, 2), strict=True)
        ]
    zero_ms, source = _zero(head)
    told += [
        bits.golomb(len(times_ms) - 1, 0),
        bits.fixed(head.boot, BOOT_BITS),
        bits.golomb(head.row, _ROW_SHIFT),
        bits.fixed(source, 2),
        bits.fixed(zero_ms, ZERO_BITS) if source else "",
        _write_sized(times_ms[0], MONO_BITS),
        _write_steps([b - a for a, b in pairwise(times_ms)], STEP_MS),
    ]
    return "".join(told)


def _write_preview(head: Head, times_ms: Sequence[int]) -> str:
    zero_ms, source = _zero(head)
    seconds = [(zero_ms + t_ms + STEP_MS // 2) // STEP_MS for t_ms in times_ms]
    return "".join(
        [
            bits.fixed(len(times_ms) - 1, 8),
            bits.fixed(source, 2),
            "" if source else bits.fixed(head.boot & BOOT_TAG_MASK, TAG_BITS),
            bits.fixed(seconds[0], SECOND_BITS),
            _write_steps([b - a for a, b in pairwise(seconds)], 1),
        ]
    )


def _zero(head: Head) -> tuple[int, int]:
    """UTC of the boot's zero since EPOCH, and by which clock; (0, 0) when it is not known or absurd."""
    if head.utc_zero_ms is None or not head.clock_source:
        return 0, 0
    zero_ms = head.utc_zero_ms - EPOCH_UTC_MS
    return (zero_ms, int(head.clock_source)) if 0 <= zero_ms < 1 << ZERO_BITS else (0, 0)


def _write_steps(steps: Sequence[int], usual: int) -> str:
    """Nothing for one row, one bit while all steps are as usual."""
    if not steps:
        return ""
    if all(step == usual for step in steps):
        return "0"
    return (
        "1"
        + narrow_columns.write_wide(bits.zigzag(steps[0]))
        + bits.residuals([step - steps[0] for step in steps[1:]])
    )


def _write_mask(kind: int, is_preview: bool, mask: int) -> str:
    """Chunks, each after a 1 when it is not the first, a 0 behind the last."""
    out = ""
    if kind == Kind.EVENT:
        if mask in EVENT_MASKS:
            return bits.fixed(EVENT_MASKS.index(mask), 3)
        out = bits.fixed(_SPELLED, 3)
    chunk = _MASK_CHUNK[is_preview]
    while True:
        out += bits.fixed(mask & ((1 << chunk) - 1), chunk)
        mask >>= chunk
        if not mask:
            return out + "0"
        out += "1"


class Header(NamedTuple):
    """A header as read. `boot` is only a tag in a preview without UTC, and 0 in one with UTC."""

    shape: tuple[int, int, int]
    boot: int
    row: int
    times_ms: list[int]
    utc_zero_ms: int | None
    clock_source: int
    columns: tuple[Column, ...]
    is_preview: bool
    sealed: bool


def read_device(reader: bits.Reader) -> tuple[int, int]:
    """Version and device, which stand in the same place in every version."""
    first = reader.take(8)
    if first >> 4 << 4 != MARK:
        raise FrameError("shape", f"first byte {first:#04x}, a narrow-band frame begins with 0x1_")
    return first & 15, reader.take(DEVICE_BITS[reader.take(2)])


def read(reader: bits.Reader) -> Header:
    """What follows the device in version 1. FrameError with its reason when it is refused."""
    made = _read_exact(reader) if reader.take(1) else _read_preview(reader)
    sealed = made.shape[0] == Kind.STATE and reader.take(1) == 1
    return made._replace(sealed=sealed, columns=_read_mask(reader, made))


def _read_exact(reader: bits.Reader) -> Header:
    place = reader.take(3)
    kind, lane, stream = (
        (reader.take(3), reader.take(3), reader.take(2)) if place == _SPELLED else SHAPES[place]
    )
    if stream > Stream.BULK or lane > Lane.BULK:
        raise FrameError("lane", f"stream {stream}, lane {lane}; 0–2 and 0–4 exist")
    count = reader.golomb(0) + 1
    if count > ROWS_MAX:
        raise FrameError("count", f"{count} rows, at most {ROWS_MAX} allowed")
    boot, row = reader.take(BOOT_BITS), reader.golomb(_ROW_SHIFT)
    if row + count > ROW_NUMBER_MAX:
        raise FrameError("range", f"row {row}: too large")
    source = reader.take(2)
    zero_ms = EPOCH_UTC_MS + reader.take(ZERO_BITS) if source else None
    first_ms = reader.take(MONO_BITS[reader.take(2)])
    times_ms = _read_times(reader, first_ms, count, STEP_MS)
    if min(times_ms) < 0 or max(times_ms) > T_MONO_MS_MAX:
        raise FrameError("range", "a row's time is outside 0–2^42 ms")
    return Header((kind, lane, stream), boot, row, times_ms, zero_ms, source, (), False, False)


def _read_preview(reader: bits.Reader) -> Header:
    count = reader.take(8) + 1
    if count > ROWS_MAX:
        raise FrameError("count", f"{count} rows, at most {ROWS_MAX} allowed")
    source = reader.take(2)
    tag = 0 if source else reader.take(TAG_BITS)
    seconds = _read_times(reader, reader.take(SECOND_BITS), count, 1)
    if min(seconds) < 0 or max(seconds) >= 1 << SECOND_BITS:
        raise FrameError("range", f"a row's time is outside 0–2^{SECOND_BITS} s")
    begin = min(seconds) if source else 0
    times_ms = [STEP_MS * (second - begin) for second in seconds]
    zero_ms = EPOCH_UTC_MS + STEP_MS * begin if source else None
    return Header(_PREVIEW_SHAPE, tag, 0, times_ms, zero_ms, source, (), True, False)


def _read_times(reader: bits.Reader, first: int, count: int, usual: int) -> list[int]:
    if count == 1 or not reader.take(1):
        return list(range(first, first + usual * count, usual))
    step = bits.unzigzag(narrow_columns.read_wide(reader))
    return list(accumulate([step, *(step + more for more in reader.residuals(count - 2))], initial=first))


def _read_mask(reader: bits.Reader, header: Header) -> tuple[Column, ...]:
    kind = header.shape[0]
    columns = columns_of(kind, header.is_preview)
    if not columns:
        raise FrameError("kind", f"kind {kind} has no columns")
    preset = reader.take(3) if kind == Kind.EVENT else _SPELLED
    mask = EVENT_MASKS[preset] if preset != _SPELLED else _read_chunks(reader, _MASK_CHUNK[header.is_preview])
    found = [c for place, c in enumerate(columns) if mask >> (place if header.is_preview else c.bit) & 1]
    if not mask or len(found) != mask.bit_count():
        raise FrameError("field", f"mask {mask:#x} names no fields, or some that kind {kind} has not")
    return tuple(found)


def _read_chunks(reader: bits.Reader, chunk: int) -> int:
    mask = reader.take(chunk)
    width = chunk
    while reader.take(1):
        mask |= reader.take(chunk) << width
        width += chunk
        if width > _MASK_BITS_MAX:
            raise FrameError("field", f"a mask of more than {_MASK_BITS_MAX} bits")
    return mask
