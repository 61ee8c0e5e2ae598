"""Rows out of the pages of an SQLite file, without SQLite: for files that it refuses to open.

Enters: the bytes of a database and of its write-ahead log. Leaves: records, as lists of values, from every page that
can be read. Pure. Callers: `edge.salvage`, `edge.spool`. Nothing that is damaged raises: it is left out.

**Source:** SQLite, "Database File Format": 1.6 (pages of b-trees), 2.1 (records), 4 (the write-ahead log).
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

INDEX_INTERIOR, INDEX_LEAF = 2, 10
PAGE_SIZES = tuple(1 << bits for bits in range(9, 17))
PAGE_BYTES = 4_096
"""Taken where the file's own header says nothing possible."""
PAYLOAD_BYTES_MAX = 1 << 20
_WAL_MAGIC = (0x377F0682, 0x377F0683)
_WAL_HEAD, _FRAME_HEAD = 32, 24
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)

Value = int | bytes | None
ReadPage = Callable[[int], bytes]
"""A page by its number, from 1 on; b"" where there is none."""


class Frame(NamedTuple):
    """One page in a write-ahead log. `sound`: SQLite takes it; `commits`: it ends a transaction."""

    page: int
    data: bytes
    commits: bool
    sound: bool


def page_bytes(head: bytes) -> int:
    """The size of pages by the file's header."""
    size = int.from_bytes(head[16:18], "big") if len(head) >= 18 else 0
    size = 65_536 if size == 1 else size
    return size if size in PAGE_SIZES else PAGE_BYTES


# --- b-trees -----------------------------------------------------------------------------------------


def records(page: bytes, read_page: ReadPage) -> Iterator[list[Value]]:
    """The records of a page of a table without rowid, or of an index. Nothing for any other page."""
    if len(page) < 12 or page[0] not in (INDEX_LEAF, INDEX_INTERIOR):
        return
    interior = page[0] == INDEX_INTERIOR
    head, skip = (12, 4) if interior else (8, 0)
    count = min(int.from_bytes(page[3:5], "big"), (len(page) - head) // 2)
    for i in range(count):
        at = int.from_bytes(page[head + 2 * i : head + 2 * i + 2], "big") + skip
        try:
            record = _record(_payload(page, at, read_page))
        except (IndexError, ValueError, struct.error):
            continue
        yield record


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where the next begins)."""
    value = 0
    for i in range(8):
        byte = data[at + i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + i + 1
    return value << 8 | data[at + 8], at + 9


def _payload(page: bytes, at: int, read_page: ReadPage) -> bytes:
    """A cell's payload, with what overflowed to other pages."""
    size, at = _varint(page, at)
    if not 0 < size <= PAYLOAD_BYTES_MAX:
        raise ValueError("sqlite: a payload's size")
    usable = len(page)
    most, least = (usable - 12) * 64 // 255 - 23, (usable - 12) * 32 // 255 - 23
    if size <= most:
        here = size
    else:
        here = least + (size - least) % (usable - 4)
        here = here if here <= most else least
    data = page[at : at + here]
    if here == size:
        return data
    next_page = int.from_bytes(page[at + here : at + here + 4], "big")
    while next_page and len(data) < size:
        more = read_page(next_page)
        if len(more) < 5:
            break
        next_page = int.from_bytes(more[:4], "big")
        data += more[4 : 4 + size - len(data)]
    return data


def _record(data: bytes) -> list[Value]:
    """A record's values. ValueError for text, which none of our tables has, and for what runs over the end."""
    head_end, at = _varint(data, 0)
    body = head_end
    values: list[Value] = []
    while at < head_end:
        kind, at = _varint(data, at)
        if kind == 0:
            values.append(None)
            continue
        if kind <= 6:
            size = _INTEGER_BYTES[kind]
            value: Value = int.from_bytes(data[body : body + size], "big", signed=True)
        elif kind in (8, 9):
            size, value = 0, kind - 8
        elif kind >= 12 and kind % 2 == 0:
            size = (kind - 12) // 2
            value = data[body : body + size]
        else:
            raise ValueError("sqlite: a value's type")
        body += size
        if body > len(data):
            raise ValueError("sqlite: a record runs over its end")
        values.append(value)
    return values


# --- the write-ahead log -----------------------------------------------------------------------------


def wal_frames(data: bytes) -> list[Frame]:
    """All frames of the log's newest generation: also those behind a damaged one, which SQLite would forget."""
    if len(data) < _WAL_HEAD:
        return []
    magic, _version, size, _number = struct.unpack(">IIII", data[:16])
    if size not in PAGE_SIZES:
        size = PAGE_BYTES
    order = "<" if magic == _WAL_MAGIC[0] else ">"
    heads = range(_WAL_HEAD, len(data) - _FRAME_HEAD - size + 1, _FRAME_HEAD + size)
    # the header's salts may be what was hit: most frames of one generation agree with one another
    salts = [data[at + 8 : at + 16] for at in heads]
    salt = data[16:24] if data[16:24] in salts or not salts else salts[0]
    sums = _sums(order, data[:24], (0, 0))
    sound = magic in _WAL_MAGIC and struct.pack(">II", *sums) == data[24:32]
    frames = []
    for at, own in zip(heads, salts, strict=True):
        page = data[at + _FRAME_HEAD : at + _FRAME_HEAD + size]
        if sound:
            sums = _sums(order, page, _sums(order, data[at : at + 8], sums))
            sound = own == salt and struct.pack(">II", *sums) == data[at + 16 : at + 24]
        if own == salt or sound:
            number, in_pages = struct.unpack(">II", data[at : at + 8])
            frames.append(Frame(number, page, in_pages > 0, sound))
    return frames


def _sums(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for i in range(0, len(words), 2):
        first = first + words[i] + second & 0xFFFF_FFFF
        second = second + words[i + 1] + first & 0xFFFF_FFFF
    return first, second


def forgotten(frames: list[Frame]) -> bool:
    """Whether SQLite would silently forget committed transactions. A power cut leaves one that is torn behind the last
    good one; a second one behind it was synced, and must have been good."""
    return sum(frame.commits and not frame.sound for frame in frames) > 1
