"""Splits the bytes of a BeiDou short-message terminal into sentences and binary frames, and builds both.

Enters: chunks as a port gives them. Leaves: calls to `on_sentence(body)` and `on_frame(command, address, body)`, both
with a checked checksum. Called by `rdss`. Both kinds begin with "$": BD-2 and BD-3 terminals speak sentences like those
of NMEA (`$BDICI,…*33`), whose text may be raw GBK and thousands of characters long; BD 4.0 speaks binary frames of a
command of four letters, a length, a user address, a body and an XOR that covers the "$" too.
"""

import re
from collections.abc import Callable

from firmware_bridge.framing import HEX_DIGITS
from firmware_bridge.interface import Stats

SENTENCE_LEN_MAX = 4_096
"""A message of 14,000 bits has 3,500 hexadecimal digits."""

FRAME_SIZE_MIN, FRAME_SIZE_MAX = 11, 512
"""Command, length, address and XOR; the longest message has 210 bytes."""

HEAD_SIZE = 10
ADDRESS_MAX = 2**21 - 1
"""The low 21 bits of three bytes are a card's number."""

_BODY = rb"[^$*\r\n\x00-\x1f]"
_TOKEN = re.compile(rb"\$([A-Z]{5}," + _BODY + rb"{0,%d}+)\*([0-9A-Fa-f]{2})" % SENTENCE_LEN_MAX)
_UNFINISHED = re.compile(
    rb"\$(?:[A-Z]{0,5}|[A-Z]{5}," + _BODY + rb"{0,%d}+(?:\*[0-9A-Fa-f]?)?)\Z" % SENTENCE_LEN_MAX
)
_FRAME = re.compile(rb"\$([A-Z]{4})([\x00\x01])(.)", re.DOTALL)
_FRAME_UNFINISHED = re.compile(rb"\$[A-Z]{4}[\x00\x01]?\Z")
_LINE_ENDS = b"\r\n"


def xor(data: bytes) -> int:
    """XOR of any number of bytes."""
    out = 0
    for byte in data:
        out ^= byte
    return out


def sentence(body: str) -> bytes:
    """`body` between "$" and "*", with its checksum and line end."""
    raw = body.encode("ascii")
    return b"$%s*%02X\r\n" % (raw, xor(raw))


def frame(command: str, address: int, body: bytes) -> bytes:
    """A binary frame; `command` has four letters. ValueError for an address of more than 21 bits."""
    if not 0 <= address <= ADDRESS_MAX:
        raise ValueError(f"rdss: address {address}, 0–{ADDRESS_MAX} allowed")
    size = HEAD_SIZE + len(body) + 1
    data = b"$%s%s%s%s" % (command.encode("ascii"), size.to_bytes(2, "big"), address.to_bytes(3, "big"), body)
    return data + bytes([xor(data)])


class RdssSplitter:
    """Keeps the unfinished end of the stream: at most one sentence or one frame."""

    def __init__(
        self,
        stats: Stats,
        on_sentence: Callable[[bytes], None],
        on_frame: Callable[[bytes, int, bytes], None],
    ) -> None:
        self._stats = stats
        self._on_sentence = on_sentence
        self._on_frame = on_frame
        self._tail = b""

    @property
    def pending_size(self) -> int:
        """Bytes kept for the next call, at most SENTENCE_LEN_MAX + 10."""
        return len(self._tail)

    def feed(self, data: bytes) -> None:
        """Takes any number of bytes."""
        self._stats.bytes += len(data)
        self._scan(self._tail + data)

    def give_up(self) -> None:
        """After a silence, what is unfinished will not be finished: looks for messages inside it."""
        while self._tail:
            self._stats.bad += 1
            self._scan(self._tail[1:])

    def _scan(self, data: bytes) -> None:
        position = 0
        while (start := data.find(b"$", position)) >= 0:
            self._noise(data[position:start])
            following = self._at(data, start)
            if following is None:
                self._tail = data[start:]
                return
            position = following
        self._noise(data[position:])
        self._tail = b""

    def _at(self, data: bytes, start: int) -> int | None:
        """Where to go on after the "$" at `start`; None to wait for more bytes."""
        token = _TOKEN.match(data, start)
        if token is not None:
            if HEX_DIGITS.get(token[2]) != xor(token[1]):
                self._stats.bad += 1
                return start + 1
            self._on_sentence(token[1])
            return token.end()
        head = _FRAME.match(data, start)
        if head is not None:
            return self._frame(data, start, head[2][0] << 8 | head[3][0])
        if _UNFINISHED.match(data, start) or _FRAME_UNFINISHED.match(data, start):
            return None
        self._stats.bad += 1
        return start + 1

    def _frame(self, data: bytes, start: int, size: int) -> int | None:
        if not FRAME_SIZE_MIN <= size <= FRAME_SIZE_MAX:
            self._stats.bad += 1
            return start + 1
        end = start + size
        if end > len(data):
            return None
        if xor(data[start : end - 1]) != data[end - 1]:
            self._stats.bad += 1
            return start + 1
        address = int.from_bytes(data[start + 7 : start + HEAD_SIZE], "big") & ADDRESS_MAX
        self._on_frame(data[start + 1 : start + 5], address, data[start + HEAD_SIZE : end - 1])
        return end

    def _noise(self, gap: bytes) -> None:
        self._stats.noise += len(gap.strip(_LINE_ENDS))
