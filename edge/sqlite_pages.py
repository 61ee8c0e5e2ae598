"""Rows out of the pages of an SQLite file, without SQLite: for files that it refuses to open.

Enters: the bytes of pages. Leaves: records, as lists of values, from every page that can be read. Pure. Called by
`edge.salvage`. Nothing that is damaged raises: it is left out.

**Source:** SQLite, "Database File Format": 1.6 (pages of b-trees), 2.1 (records).
"""

import struct
from collections.abc import Callable, Iterator

from protocols.sqlite_wal import PAGE_BYTES, PAGE_SIZES

INDEX_INTERIOR, INDEX_LEAF = 2, 10
PAYLOAD_BYTES_MAX = 1 << 20
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)

Value = int | bytes | None
ReadPage = Callable[[int], bytes]
"""A page by its number, from 1 on; b"" where there is none."""


def page_bytes(head: bytes) -> int:
    """The size of pages by the file's header."""
    size = int.from_bytes(head[16:18], "big") if len(head) >= 18 else 0
    size = 65_536 if size == 1 else size
    return size if size in PAGE_SIZES else PAGE_BYTES


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
