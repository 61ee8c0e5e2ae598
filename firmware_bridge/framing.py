"""Splits one byte stream into NMEA sentences and UBX frames, in any mixture and however it was cut.

Enters: chunks as a port gives them. Leaves: calls to `on_sentence(body, digits)` (the text between "$" and
"*", not yet checked, so that uninteresting sentences cost no checksum) and `on_frame(id, payload)`
(checked). Called by the GNSS drivers; `sirf_framing` puts its own frames in UBX's place. What comes out depends on
the bytes only, never on where the chunks end.
"""

import re
from collections.abc import Callable
from itertools import accumulate
from typing import ClassVar

from firmware_bridge.interface import Stats

SENTENCE_LEN_MAX = 250
"""Characters between "$" and "*". The standard says 79; Quectel and Unicore send up to 200."""

UBX_PAYLOAD_SIZE_MAX = 4096
"""A longer length is noise that looks like a frame. RXM-RAWX with 100 signals has 3,216 bytes."""

LANES_SIZE_MAX = 1024  # 342 lanes: their weighted sum, at most 15 million, still fits into 24 bits
_LANES = int.from_bytes(b"\0\0\xff" * 342, "big")
_X_LESS_1 = (1 << 24) - 1
_X_LESS_1_SQUARED = _X_LESS_1 * _X_LESS_1

_BITS_1024, _BITS_512, _BITS_256, _BITS_128 = ((1 << bits) - 1 for bits in (1024, 512, 256, 128))
HEX_DIGITS = {form % number: number for number in range(256) for form in (b"%02X", b"%02x")}
"""The two characters after "*" -> number. Mixed case is nobody's checksum."""

UBX_SYNC = b"\xb5b"
_UBX_OVERHEAD = 8
_UBX_HEADER = 6

_BODY = rb"[ -#%-)+-~]"  # printable, without "$" and "*"
_SENTENCE = rb"\$(" + _BODY + rb"{1,%d}+)\*([0-9A-Fa-f]{2})" % SENTENCE_LEN_MAX
_UNFINISHED = re.compile(rb"\$" + _BODY + rb"{0,%d}+(?:\*[0-9A-Fa-f]?)?\Z" % SENTENCE_LEN_MAX)
_LINE_ENDS = b"\r\n"


def token_pattern(sync: bytes) -> re.Pattern[bytes]:
    """What a splitter looks for: a whole sentence (two groups), the two bytes that begin a frame, or a lone "$"."""
    return re.compile(_SENTENCE + b"|" + re.escape(sync) + rb"|\$")


_TOKEN = token_pattern(UBX_SYNC)


def nmea_checksum(body: bytes) -> int:
    """XOR of up to 256 bytes, 0–255. Folding one large number takes half the time of a loop over the bytes."""
    number = int.from_bytes(body, "big")
    if len(body) > 128:
        number = (number ^ number >> 1024) & _BITS_1024
    number = (number ^ number >> 512) & _BITS_512
    number = (number ^ number >> 256) & _BITS_256
    number = (number ^ number >> 128) & _BITS_128
    number ^= number >> 64
    number ^= number >> 32
    number ^= number >> 16
    return (number ^ number >> 8) & 0xFF


def ubx_checksum(data: bytes) -> int:
    """Fletcher-8 over class … payload, as the little-endian number that stands in the frame.

    The plain sums are sum(data) and sum(accumulate(data)). A frame of up to LANES_SIZE_MAX is taken as three
    large numbers with one byte in each 24 bits, P(x) at x = 2^24: P modulo (x - 1)^2 is P(1) + (x - 1)
    P'(1), that is the plain sum and the sum weighted by position. It takes half the time for NAV-PVT, a
    third for NAV-SIG.
    **Source:** u-blox interface description, "UBX checksum" (RFC 1145).
    """
    if len(data) > LANES_SIZE_MAX:
        return sum(data) & 0xFF | (sum(accumulate(data)) & 0xFF) << 8
    number = int.from_bytes(data, "big")
    weighted0, sum0 = divmod((number & _LANES) % _X_LESS_1_SQUARED, _X_LESS_1)
    weighted1, sum1 = divmod((number >> 8 & _LANES) % _X_LESS_1_SQUARED, _X_LESS_1)
    weighted2, sum2 = divmod((number >> 16 & _LANES) % _X_LESS_1_SQUARED, _X_LESS_1)
    second = 3 * (weighted0 + weighted1 + weighted2) + sum0 + 2 * sum1 + 3 * sum2
    return (sum0 + sum1 + sum2) & 0xFF | (second & 0xFF) << 8


class Splitter:
    """Keeps the unfinished end of the stream: at most one sentence or one frame.

    A subclass reads another binary protocol: it sets `sync` and `token`, and overrides `_frame`.
    """

    sync: ClassVar[bytes] = UBX_SYNC
    token: ClassVar[re.Pattern[bytes]] = _TOKEN

    def __init__(
        self,
        stats: Stats,
        on_sentence: Callable[[bytes, bytes], None],
        on_frame: Callable[[int, bytes], None],
        on_damage: Callable[[], None],
    ) -> None:
        """`on_damage` is called at each bad message, so that what follows is not paired with what came before."""
        self._stats = stats
        self._on_sentence = on_sentence
        self._on_frame = on_frame
        self._on_damage = on_damage
        self._tail = b""

    @property
    def pending_size(self) -> int:
        """Bytes kept for the next call; at most 8 + the longest payload, 4104 for UBX."""
        return len(self._tail)

    def feed(self, data: bytes) -> None:
        """Takes any number of bytes, from one to a burst of megabytes."""
        self._stats.bytes += len(data)
        self._scan(self._tail + data if self._tail else data)

    def give_up_frame(self) -> None:
        """After a silence, an unfinished frame will not be finished: looks for messages inside it."""
        while self._tail.startswith(self.sync):
            self._bad()
            self._scan(self._tail[len(self.sync) :])

    def _scan(self, data: bytes) -> None:
        search = self.token.search
        position = 0
        while (token := search(data, position)) is not None:
            start = token.start()
            if start - position > len(_LINE_ENDS):
                self._noise(data[position:start])
            if token.lastindex:
                position = token.end()
                self._on_sentence(token[1], token[2])
                continue
            following = self._frame(data, start) if data[start] != 0x24 else self._stray(data, start)
            if following is None:
                self._tail = data[start:]
                return
            position = following
        keep = len(data) - 1 if data.endswith(self.sync[:1], position) else len(data)
        self._noise(data[position:keep])
        self._tail = data[keep:]

    def _frame(self, data: bytes, start: int) -> int | None:
        """Where to go on after the UBX sync at `start`; None to wait for more bytes."""
        if len(data) - start < _UBX_HEADER:
            return None
        size = data[start + 4] | data[start + 5] << 8
        if size > UBX_PAYLOAD_SIZE_MAX:
            self._bad()
            return start + len(UBX_SYNC)
        end = start + _UBX_OVERHEAD + size
        if end > len(data):
            return None
        if ubx_checksum(data[start + 2 : end - 2]) != data[end - 2] | data[end - 1] << 8:
            self._bad()
            return start + len(UBX_SYNC)
        self._on_frame(data[start + 2] << 8 | data[start + 3], data[start + _UBX_HEADER : end - 2])
        return end

    def _stray(self, data: bytes, start: int) -> int | None:
        """Where to go on after a "$" that begins no whole sentence; None to wait for more bytes."""
        if _UNFINISHED.match(data, start):
            return None
        if data[start + 1] != 0x24:  # "$$" is how some receivers mark a line, not damage
            self._bad()
        return start + 1

    def _bad(self) -> None:
        self._stats.bad += 1
        self._on_damage()

    def _noise(self, gap: bytes) -> None:
        self._stats.noise += len(gap.strip(_LINE_ENDS))


def count_nmea(data: bytes) -> int:
    """How many sentences with a valid checksum `data` holds."""
    return sum(nmea_checksum(body) == HEX_DIGITS.get(digits) for body, digits in _TOKEN.findall(data) if body)


def count_ubx(data: bytes) -> int:
    """How many UBX frames with a valid checksum `data` holds, sentences left aside."""
    count = 0

    def on_frame(_: int, __: bytes) -> None:
        nonlocal count
        count += 1

    Splitter(Stats(), lambda _body, _digits: None, on_frame, lambda: None).feed(data)
    return count
