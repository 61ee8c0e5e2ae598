"""Frames: rows packed for one network message, and back.

Enters: rows in the catalog's quanta (`Row`). Leaves: bytes that decode alone, ended by a MAC; and from such
bytes an `Envelope` (authentic, header known) and then a `Frame` (columns restored). docs/wire.md is this
module in words. Callers: `edge.sender`, `hub.live.ingest`, `sim.load`.

A frame is `msgpack([ver, kind|lane, device, boot, row|stream, t0, zero|source, dt, n, mask, body, …]) + mac`.
The first nine elements never move in any version, so a hub can acknowledge what it cannot yet understand.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, cast

import msgpack

from protocols.catalog import FIELDS_BY_NAME, PRIVATE_FIELDS, ClockSource, Kind, Lane, Stream, page_fields
from protocols.errors import FrameError
from protocols.keys import MAC_BYTES, MacKey, same
from protocols.links import check_link
from protocols.sealing import NONCE_BYTES
from protocols.topics import DEVICE_MAX

VERSION = 1
HEADER_ELEMENTS = 9
ELEMENTS = 11
ELEMENTS_MAX = 16
ROWS_MAX = 240
STEP_MAX = 1_000
FRAME_BYTES_MAX = 8_192
FRAME_BYTES_MIN = HEADER_ELEMENTS + 1 + MAC_BYTES
ROW_NUMBER_MAX = 2**53
T_MONO_MS_MAX = 2**42
UTC_ZERO_MS_MAX = 2**52
TEXT_BYTES_MAX = 1_000
RANGES_MAX = 64


class _Column(NamedTuple):
    """What packing and unpacking need of a field."""

    bit: int
    lo: int
    hi: int
    order: int
    name: str


_PAGES = {int(kind): page_fields(kind) for kind in Kind if kind < Kind.TEXT}
_COLUMNS = {
    kind: [_Column(bit, f.lo, f.hi, f.order, f.name) for bit, f in sorted(page.items())]
    for kind, page in _PAGES.items()
}
_KNOWN_MASK = {kind: sum(1 << bit for bit in page) for kind, page in _PAGES.items()}
_PRIVATE_BITS = {
    kind: sum(1 << f.bit for name in PRIVATE_FIELDS if (f := FIELDS_BY_NAME[name]).page == kind)
    for kind in _PAGES
}
WORD_KINDS = frozenset({Kind.SAID, Kind.LINK, Kind.TEXT})
"""Kinds whose rows are lists of words; a frame of TEXT has one string a row in their place."""
_INT_ONLY = {int}
_INT_OR_NONE = {int, type(None)}
_packer = msgpack.Packer(use_bin_type=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One numbered row: its time on the boot's clock (ms) and its values by bit, in quanta. A row of SAID, LINK or
    TEXT has `words` instead: [source, id, what, text], `protocols.links.LinkState`, or the text alone."""

    t_mono_ms: int
    values: dict[int, int]
    words: tuple[Any, ...] | None = None


class Envelope(NamedTuple):
    """An authentic frame whose header is known; its columns are not decoded yet.

    A tuple, as `Frame` is: a hub makes ten thousand a second, and a frozen dataclass costs more to make.

    n rows `row`, `row + step` … of (device, boot, stream). `n` 0 is a control frame (GAP, HELD). `step` above 1: the
    gateway had no room, and what else is up to `last` will never come.
    `is_preview`: a narrow-band preview (`protocols.narrow`): it has no row numbers and acknowledges nothing.
    """

    version: int
    kind: int
    lane: int
    device: int
    boot: int
    stream: int
    row: int
    n: int
    elements: list[Any]
    is_preview: bool = False
    step: int = 1

    @property
    def last(self) -> int:
        """The highest number that this frame speaks for: its last row's, or of those behind it that were shed."""
        return self.row + self.n * self.step - 1


class Frame(NamedTuple):
    """A decoded frame.

    t_mono_ms     n times on the boot's clock, ms
    utc_zero_ms   UTC of that clock's zero, ms since 1970; None while the gateway knows no UTC
    columns       bit -> n values in the catalog's quanta, None where a row has none
    body          strings of TEXT; a list of words a row of SAID and LINK;
                  ranges [stream, from, to, …] of GAP and [boot, stream, from, to, …] of HELD
    """

    envelope: Envelope
    t_mono_ms: list[int]
    utc_zero_ms: int | None
    clock_source: int
    columns: dict[int, list[int | None]]
    body: list[Any]


# --- packing -----------------------------------------------------------------------------------------


def _differences(column: list[int | None], order: int) -> tuple[int | None, list[int | None]]:
    """A column's first value and its differences of first or second order; a None is passed over."""
    out: list[int | None] = []
    last, step = column[0], 0
    for value in column[1:]:
        if value is None:
            out.append(None)
            continue
        if last is None:
            out.append(value)
        else:
            delta = value - last
            out.append(delta - step)
            if order == 2:
                step = delta
        last = value
    return column[0], out


def _times(rows: Sequence[Row]) -> tuple[int, int | list[int]]:
    """t0 and either one step or the list of steps. Steps may be negative: rows keep their own time."""
    times = [row.t_mono_ms for row in rows]
    steps = [b - a for a, b in pairwise(times)]
    if all(step == steps[0] for step in steps):
        return times[0], steps[0] if steps else 0
    return times[0], steps


def _body(kind: int, rows: Sequence[Row], wanted: int) -> tuple[int, list[Any]]:
    """Mask and body of the wanted columns: a key for each, then, when there is more than one row, its differences."""
    mask = 0
    for row in rows:
        for bit in row.values:
            mask |= 1 << bit
    mask &= wanted
    keys: list[Any] = []
    columns: list[Any] = []
    for bit, _lo, _hi, order, _name in _COLUMNS[kind]:
        if not mask >> bit & 1:
            continue
        key, deltas = _differences([row.values.get(bit) for row in rows], order)
        keys.append(key)
        constant = key is not None and not any(deltas) and None not in deltas
        columns.append(0 if constant else deltas)
    return mask, keys + columns if len(rows) > 1 else keys


def pack(
    mac_key: MacKey,
    *,
    kind: int,
    lane: int,
    device: int,
    boot: int,
    stream: int,
    row: int,
    rows: Sequence[Row],
    utc_zero_ms: int | None,
    clock_source: int = ClockSource.NONE,
    sealed: bool = False,
    step: int = 1,
) -> bytes:
    """Pack 1–240 consecutive rows of one page, of one boot and stream, under one clock offset. `sealed`: others can
    read the way, so what a body does (`PRIVATE_FIELDS`) is hidden from them. `step` 2–1000: of each so many rows only
    the first is left.

    ValueError when there are no rows or too many, or a value is not of this page: that is our own mistake,
    so `Row`s are checked where they are made (`edge.pace`), not here again.
    """
    if not 1 <= len(rows) <= ROWS_MAX:
        raise ValueError(f"frame: {len(rows)} rows, 1–{ROWS_MAX} allowed")
    t0, dt = _times(rows)
    head = [
        VERSION,
        kind << 3 | lane,
        device,
        boot,
        row << 2 | stream,
        t0,
        _zero(utc_zero_ms, clock_source),
        dt,
        len(rows),
    ]
    more: list[Any] = [] if step == 1 else [None, step]
    if kind in WORD_KINDS:
        words = [row.words[0] if kind == Kind.TEXT and row.words else row.words for row in rows]
        return seal(mac_key, [*head, 0, words, *more])
    hidden = _PRIVATE_BITS[kind] if sealed else 0
    elements: list[Any] = [*head, *_body(kind, rows, ~hidden)]
    private = _body(kind, rows, hidden) if hidden else (0, [])
    if private[0]:
        more = [mac_key.seal(_nonce(elements, step), _packer.pack(private)), *more[1:]]
    return seal(mac_key, elements + more)


def _nonce(elements: list[Any], step: int) -> bytes:
    """Out of all that is not sealed: the same rows in the same frame give the same nonce and the same text, others do
    not."""
    return hashlib.blake2b(
        _packer.pack([*elements, step]), digest_size=NONCE_BYTES, person=b"zhantu-nonce"
    ).digest()


def pack_text(
    mac_key: MacKey,
    *,
    device: int,
    boot: int,
    row: int,
    t_mono_ms: int,
    text: str,
    utc_zero_ms: int | None,
    clock_source: int = ClockSource.NONE,
) -> bytes:
    """One line of text as a row of the events stream. At most 1,000 bytes of UTF-8."""
    if len(text.encode()) > TEXT_BYTES_MAX:
        raise ValueError(f"frame: text of {len(text.encode())} bytes, {TEXT_BYTES_MAX} allowed")
    head = [VERSION, Kind.TEXT << 3 | Lane.RECEIPTS, device, boot, row << 2 | Stream.EVENTS, t_mono_ms]
    return seal(mac_key, [*head, _zero(utc_zero_ms, clock_source), 0, 1, 0, [text]])


def pack_ranges(
    mac_key: MacKey, kind: Kind, *, device: int, boot: int, t_mono_ms: int, body: list[int]
) -> bytes:
    """A control frame (GAP or HELD): it carries ranges, takes no row number, and may be repeated freely."""
    head = [VERSION, kind << 3 | Lane.RECEIPTS, device, boot, int(Stream.EVENTS), t_mono_ms]
    return seal(mac_key, [*head, None, 0, 0, 0, body])


def _zero(utc_zero_ms: int | None, clock_source: int) -> int | None:
    return None if utc_zero_ms is None else utc_zero_ms << 2 | clock_source


def seal(mac_key: MacKey, elements: list[Any]) -> bytes:
    """The bytes of a frame: its elements, then the MAC over them."""
    data: bytes = _packer.pack(elements)
    return data + mac_key.up(data)


# --- unpacking ---------------------------------------------------------------------------------------


def _elements(packed: bytes) -> list[Any]:
    """The array of a frame without its MAC."""
    try:
        elements = msgpack.unpackb(
            packed,
            strict_map_key=True,
            max_array_len=ROWS_MAX + 2 * 64,
            max_map_len=0,
            max_ext_len=0,
            max_str_len=TEXT_BYTES_MAX,
            max_bin_len=FRAME_BYTES_MAX,
        )
    except (ValueError, TypeError, RecursionError, struct.error) as err:  # msgpack's errors are ValueErrors
        raise FrameError("msgpack", f"not msgpack: {str(err)[:80]}") from None
    if type(elements) is not list:
        raise FrameError("shape", f"a {type(elements).__name__}, an array is needed")
    return elements


def peek_device(data: bytes) -> int:
    """Whose frame this says it is, before its MAC is checked: to find the key. FrameError when it says nothing."""
    device = _peek(data)[2]
    if type(device) is not int or not 0 <= device <= DEVICE_MAX:
        raise FrameError("range", f"device {str(device)[:20]}, 0–{DEVICE_MAX} allowed")
    return device


def peek_lane(data: bytes) -> int:
    """The lane this says it is on, before its MAC is checked. FrameError when it says nothing."""
    kind_lane = _peek(data)[1]
    if type(kind_lane) is not int or not 0 <= kind_lane & 7 <= Lane.BULK:
        raise FrameError("lane", f"{str(kind_lane)[:20]} is no kind and lane")
    return kind_lane & 7


def _peek(data: bytes) -> list[Any]:
    """The first three elements, of whatever type."""
    unpacker = msgpack.Unpacker(max_buffer_size=FRAME_BYTES_MAX)
    unpacker.feed(data[:64])
    try:
        if unpacker.read_array_header() < HEADER_ELEMENTS:
            raise FrameError("shape", "too few elements")
        return [unpacker.unpack() for _ in range(3)]
    except (ValueError, msgpack.OutOfData, struct.error, TypeError) as err:
        raise FrameError("msgpack", f"not a frame: {str(err)[:80]}") from None


def open_envelope(data: bytes, mac_key: MacKey) -> Envelope:
    """Check size and MAC, then read the header. FrameError with its reason when refused.

    Only what this returns may be acknowledged; its content may still be refused by `decode`.
    """
    if not FRAME_BYTES_MIN <= len(data) <= FRAME_BYTES_MAX:
        raise FrameError("size", f"{len(data)} bytes, {FRAME_BYTES_MIN}–{FRAME_BYTES_MAX} allowed")
    packed = data[:-MAC_BYTES]
    if not same(mac_key.up(packed), data[-MAC_BYTES:]):
        raise FrameError("mac", f"{len(data)} bytes, MAC is not the device's")
    elements = _elements(packed)
    if len(elements) < HEADER_ELEMENTS:
        raise FrameError("shape", f"{len(elements)} elements, at least {HEADER_ELEMENTS} needed")
    head = elements[:5] + elements[8:9]
    if set(map(type, head)) != _INT_ONLY or min(head) < 0:
        raise FrameError("shape", "a header element is not a whole number >= 0")
    version, kind_lane, device, boot, row_stream, n = head
    if n > ROWS_MAX:
        raise FrameError("count", f"{n} rows, at most {ROWS_MAX} allowed")
    row, stream = row_stream >> 2, row_stream & 3
    if stream > Stream.BULK or kind_lane & 7 > Lane.BULK:
        raise FrameError("lane", f"stream {stream}, lane {kind_lane & 7}; 0–2 and 0–4 exist")
    if device > DEVICE_MAX or row + n * STEP_MAX > ROW_NUMBER_MAX or boot >= 2**64:
        raise FrameError("range", f"device {device}, row {row}, boot {boot}: too large")
    step = elements[ELEMENTS + 1] if version == VERSION and len(elements) > ELEMENTS + 1 else 1
    if type(step) is not int or not 1 <= step <= STEP_MAX:
        raise FrameError("range", f"step {str(step)[:20]}, 1–{STEP_MAX} allowed")
    return Envelope(version, kind_lane >> 3, kind_lane & 7, device, boot, stream, row, n, elements, step=step)


def decode(envelope: Envelope, mac_key: MacKey | None = None) -> Frame:
    """Restore the rows of an authentic frame. FrameError with its reason when the content is refused.

    `mac_key` opens sealed columns; without it (a relay, a tool) they are left out.
    """
    elements = envelope.elements
    if envelope.version != VERSION:
        raise FrameError("version", f"version {envelope.version}, this program speaks {VERSION}")
    if not ELEMENTS <= len(elements) <= ELEMENTS_MAX:
        raise FrameError("shape", f"{len(elements)} elements, {ELEMENTS}–{ELEMENTS_MAX} allowed")
    t0, zero, dt, n, mask, body = elements[5:11]
    if type(body) is not list or type(mask) is not int or mask < 0:
        raise FrameError("shape", "mask or body has the wrong type")
    utc_zero_ms, source = _unpack_zero(zero)
    times = _unpack_times(t0, dt, n)
    if envelope.kind in _COLUMNS:
        if n == 0:
            raise FrameError("count", "0 rows, columns need at least 1")
        columns = _unpack_columns(envelope.kind, n, mask, body)
        if mac_key is not None and len(elements) > ELEMENTS and type(elements[ELEMENTS]) is bytes:
            columns |= _open_sealed(envelope, mac_key)
        return Frame(envelope, times, utc_zero_ms, source, columns, [])
    _check_body(envelope.kind, n, body)
    return Frame(envelope, times, utc_zero_ms, source, {}, body)


def _unpack_zero(zero: Any) -> tuple[int | None, int]:
    if zero is None:
        return None, ClockSource.NONE
    if type(zero) is not int or not 0 <= zero >> 2 <= UTC_ZERO_MS_MAX:
        raise FrameError("range", f"UTC offset {str(zero)[:40]}, 0–2^52 ms allowed")
    return zero >> 2, zero & 3


def _unpack_times(t0: Any, dt: Any, n: int) -> list[int]:
    if type(t0) is not int or not 0 <= t0 <= T_MONO_MS_MAX:
        raise FrameError("range", f"t0 {str(t0)[:40]}, 0–2^42 ms allowed")
    if type(dt) is int:
        if abs(dt) > T_MONO_MS_MAX:
            raise FrameError("range", "time step too large")
        if n == 1:
            return [t0]
        times = list(range(t0, t0 + n * dt, dt)) if dt else [t0] * n
    elif type(dt) is list and len(dt) == n - 1 and (n == 1 or set(map(type, dt)) == _INT_ONLY):
        times = list(accumulate(dt, initial=t0))
    else:
        raise FrameError("shape", f"time steps: one number or {n - 1} needed")
    if n and not (min(times) >= 0 and max(times) <= T_MONO_MS_MAX):
        raise FrameError("range", "a row's time is outside 0–2^42 ms")
    return times


def _open_sealed(envelope: Envelope, mac_key: MacKey) -> dict[int, list[int | None]]:
    kind, elements = envelope.kind, envelope.elements
    private = _elements(mac_key.seal(_nonce(elements[:ELEMENTS], envelope.step), elements[ELEMENTS]))
    if len(private) != 2 or type(private[0]) is not int or type(private[1]) is not list:
        raise FrameError("shape", "what is sealed is not a mask and a body")
    mask, body = private
    if mask < 0 or mask & ~_PRIVATE_BITS[kind]:
        raise FrameError("field", f"mask {mask:#x} is sealed; only what a body does may be")
    return _unpack_columns(kind, envelope.n, mask, body)


@lru_cache(maxsize=4_096)
def _plan(kind: int, mask: int) -> list[_Column]:
    """The columns of a mask, in the order of the body. FrameError when the page has not all of them."""
    if mask & ~_KNOWN_MASK[kind]:
        raise FrameError("field", f"mask {mask:#x} names fields that kind {kind} has not")
    return [column for column in _COLUMNS[kind] if mask >> column.bit & 1]


def _unpack_columns(kind: int, n: int, mask: int, body: list[Any]) -> dict[int, list[int | None]]:
    plan = _plan(kind, mask)
    count = len(plan)
    if len(body) != (count if n == 1 else 2 * count):
        raise FrameError("shape", f"{len(body)} body elements for {count} columns of {n} rows")
    if n == 1:
        return _unpack_one(plan, body)
    columns: dict[int, list[int | None]] = {}
    for key, deltas, (bit, lo, hi, order, name) in zip(body, body[count:], plan, strict=False):
        if type(deltas) is int and deltas == 0 and type(key) is int:  # most columns of ten rows do not move
            least = most = key
            column: list[int | None] = [key] * n
        else:
            column = _integrate(key, deltas, n, order, name)
            known = [v for v in column if v is not None] if None in column else cast(list[int], column)
            least, most = (min(known), max(known)) if known else (lo, hi)
        if least < lo or most > hi:
            raise FrameError("range", f"{name} {least}…{most}, {lo}…{hi} allowed")
        columns[bit] = column
    return columns


def _unpack_one(plan: list[_Column], body: list[Any]) -> dict[int, list[int | None]]:
    """The live frame of one row, which a hub gets most of: no differences, so no integration."""
    if not set(map(type, body)) <= _INT_OR_NONE:
        raise FrameError("shape", "a value is not a whole number or nil")
    columns: dict[int, list[int | None]] = {}
    for value, (bit, lo, hi, _order, name) in zip(body, plan, strict=True):
        if value is not None and not lo <= value <= hi:
            raise FrameError("range", f"{name} {value}, {lo}…{hi} allowed")
        columns[bit] = [value]
    return columns


def _integrate(key: Any, deltas: Any, n: int, order: int, name: str) -> list[int | None]:
    """A column from its key and differences. The quick ways are for whole columns, the slow one for holes."""
    if type(key) is int and type(deltas) is list and len(deltas) == n - 1:
        types = set(map(type, deltas))
        if types == _INT_ONLY:
            if order == 2:
                deltas = accumulate(deltas)
            return list(accumulate(deltas, initial=key))
        if types <= _INT_OR_NONE:
            return _integrate_with_holes(key, deltas, order)
    holes = key is None and type(deltas) is list and len(deltas) == n - 1
    if holes and set(map(type, deltas)) <= _INT_OR_NONE:
        return _integrate_with_holes(None, deltas, order)
    raise FrameError("shape", f"column {name}: a key and {n - 1} whole numbers or nil needed")


def _integrate_with_holes(key: int | None, deltas: list[int | None], order: int) -> list[int | None]:
    """As the packer's `_differences`, backwards: after a nil the chain goes on from the last known value."""
    out: list[int | None] = [key]
    last, step = key, 0
    for delta in deltas:
        if delta is None:
            out.append(None)
            continue
        if last is None:
            last = delta
        else:
            change = delta + step
            last += change
            if order == 2:
                step = change
        out.append(last)
    return out


def _check_body(kind: int, n: int, body: list[Any]) -> None:
    if kind == Kind.TEXT:
        if len(body) != n or n == 0 or any(type(text) is not str for text in body):
            raise FrameError("shape", f"{len(body)} texts for {n} rows")
    elif kind == Kind.SAID:
        _check_said(n, body)
    elif kind == Kind.LINK:
        if len(body) != n or n == 0:
            raise FrameError("shape", f"{len(body)} states of bearers for {n} rows")
        for words in body:
            check_link(words)
    elif kind in (Kind.GAP, Kind.HELD):
        _check_ranges(kind, n, body)
    else:
        raise FrameError("kind", f"kind {kind}, known are {', '.join(str(int(k)) for k in Kind)}")


def _check_said(n: int, body: list[Any]) -> None:
    """[source, id, what, text, …] a row; further elements are ignored."""
    if len(body) != n or n == 0:
        raise FrameError("shape", f"{len(body)} sayings for {n} rows")
    for row in body:
        if type(row) is not list or len(row) < 4 or [type(part) for part in row[:4]] != [int, int, int, str]:
            raise FrameError("shape", "a saying is [source, id, what, text]")
        if not 0 <= row[0] <= 255 or not 0 <= row[1] < 2**63 or row[2] < 0:
            raise FrameError("range", "a saying's source, id or what is outside its range")


def _check_ranges(kind: int, n: int, body: list[Any]) -> None:
    """GAP: [stream, from, to, …]. HELD: [boot, stream, from, to, …]: the rows the edge can still send."""
    head = 1 if kind == Kind.GAP else 2
    if n != 0 or len(body) < head or (len(body) - head) % 2 or set(map(type, body)) != _INT_ONLY:
        raise FrameError("shape", f"ranges of {len(body)} elements in a frame of {n} rows")
    stream, pairs = body[head - 1], body[head:]
    ordered = all(a <= b for a, b in pairwise(pairs))
    if min(body) < 0 or stream > Stream.BULK or len(pairs) > 2 * RANGES_MAX or not ordered:
        raise FrameError("range", f"ranges must rise, and at most {RANGES_MAX} are allowed")
    if pairs and pairs[-1] > ROW_NUMBER_MAX:
        raise FrameError("range", "a row number is too large")
