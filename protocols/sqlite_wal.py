"""SQLite's write-ahead log, read and mended without SQLite: it silently forgets all that stands behind a damaged frame.

Enters: the bytes of a log. Leaves: its frames, and a log that SQLite takes as a whole. Pure. Callers: `edge.salvage`,
`edge.spool`, `hub.store.mending`; here because both may import it. What is damaged never raises.

**Source:** SQLite, "Database File Format", 4; each frame's checksum begins with that of the frame before.
"""

import struct
from typing import NamedTuple

PAGE_SIZES = tuple(1 << bits for bits in range(9, 17))
PAGE_BYTES = 4_096
"""Taken where a header says nothing possible."""
_MAGIC = (0x377F0682, 0x377F0683)
_VERSION = 3_007_000
_HEAD, _FRAME_HEAD = 32, 24


class Frame(NamedTuple):
    """One page in a log. `in_pages`: not 0 where it ends a transaction, after which the file has so many. `sound`:
    SQLite takes it. `whole`: it fits the frame before it, whatever became of earlier ones."""

    page: int
    in_pages: int
    data: bytes
    sound: bool
    whole: bool

    @property
    def commits(self) -> bool:
        return self.in_pages > 0


def wal_frames(data: bytes) -> list[Frame]:
    """All frames of the log's newest generation: also those behind a damaged one."""
    if len(data) < _HEAD:
        return []
    size, order, salt, heads = _layout(data)
    told = sums = _sums(order, data[:24], (0, 0))
    sound = int.from_bytes(data[:4], "big") in _MAGIC and struct.pack(">II", *sums) == data[24:32]
    if sound or heads:
        told = struct.unpack(">II", data[24:32])
    frames = []
    for at in heads:
        head, page = data[at : at + _FRAME_HEAD], data[at + _FRAME_HEAD : at + _FRAME_HEAD + size]
        fits = head[8:16] == salt and struct.pack(
            ">II", *_sums(order, page, _sums(order, head[:8], told))
        ) == head[16:24]  # fmt: skip
        sound = sound and fits
        number, in_pages = struct.unpack(">II", head[:8])
        frames.append(Frame(number, in_pages, page, sound, fits))
        told = struct.unpack(">II", head[16:24])
    return frames


def _layout(data: bytes) -> tuple[int, str, bytes, list[int]]:
    """(size of pages, order of bytes in sums, salt, where the frames of this generation begin)."""
    magic, _version, size = struct.unpack(">III", data[:12])
    size = size if size in PAGE_SIZES else PAGE_BYTES
    heads = list(range(_HEAD, len(data) - _FRAME_HEAD - size + 1, _FRAME_HEAD + size))
    salts = [data[at + 8 : at + 16] for at in heads]
    # the header's salt may be what was hit: the first frame is of this generation
    salt = data[16:24] if data[16:24] in salts or not salts else salts[0]
    last = max((i for i, own in enumerate(salts) if own == salt), default=-1)
    return size, ">" if magic == _MAGIC[1] else "<", salt, heads[: last + 1]


def _sums(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for i in range(0, len(words), 2):
        first = first + words[i] + second & 0xFFFF_FFFF
        second = second + words[i + 1] + first & 0xFFFF_FFFF
    return first, second


def forgotten(frames: list[Frame]) -> bool:
    """Whether SQLite would forget committed transactions. A power cut leaves one that is torn behind the last good one;
    a second one behind it was synced, and must have been good."""
    return sum(frame.commits and not frame.sound for frame in frames) > 1


def mended(data: bytes) -> bytes | None:
    """The log with its sums made anew, so that SQLite takes every transaction; None when it forgets none. A flipped bit
    stays where it is, in its page. A last transaction that is not whole may be torn, and is left out."""
    frames = wal_frames(data)
    if not forgotten(frames):
        return None
    ends = [i for i, frame in enumerate(frames) if frame.commits]
    if not all(frame.whole for frame in frames[ends[-2] + 1 : ends[-1] + 1]):
        ends.pop()
    size, order, salt, _heads = _layout(data)
    magic = _MAGIC[1] if order == ">" else _MAGIC[0]
    head = struct.pack(">IIII", magic, _VERSION, size, int.from_bytes(data[12:16], "big")) + salt
    sums = _sums(order, head, (0, 0))
    parts = [head, struct.pack(">II", *sums)]
    for frame in frames[: ends[-1] + 1]:
        numbers = struct.pack(">II", frame.page, frame.in_pages)
        sums = _sums(order, frame.data, _sums(order, numbers, sums))
        parts += [numbers, salt, struct.pack(">II", *sums), frame.data]
    return b"".join(parts)
