"""The board link's wire: frames and messages, read and written. docs/board.md is its specification.

Enters: bytes of a board, or messages. Leaves: frames and messages, and bytes. Called by the driver `board`, by the
updater and by the emulated board. A frame is 0x00, COBS(type, sequence, payload, CRC-32), 0x00.

CRC-32 and not CRC-16: one damaged bit of a COBS code byte moves zeros, so damage is wider than what 16 bits promise
to find, and garbage at a wrong rate would pass 16 bits every half hour: as an SOS, perhaps.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from zlib import crc32

from firmware_bridge.interface import Stats

VERSION = 1
PAYLOAD_SIZE_MAX = 240
_CRC_SIZE = 4
_BODY_SIZE_MIN, _BODY_SIZE_MAX = 2 + _CRC_SIZE, 2 + PAYLOAD_SIZE_MAX + _CRC_SIZE
ENCODED_SIZE_MAX = _BODY_SIZE_MAX + 1
"""A body of less than 255 bytes costs one byte of COBS."""
SHOW_SIZE_MAX = 64
VARINT_SIZE_MAX = 10


class Up(IntEnum):
    """Types of frames of the board."""

    HELLO = 0x01
    SAMPLES = 0x02
    GESTURE = 0x03
    IMPACT = 0x04
    BEACON = 0x05
    COMMAND_ACK = 0x06
    TIME_ASK = 0x07
    UPDATE_STATUS = 0x08


class Down(IntEnum):
    """Types of frames of the gateway."""

    HELLO_ASK = 0x40
    HELLO_ACK = 0x41
    TIME = 0x42
    PLAY = 0x43
    SHOW = 0x44
    EVENT_ACK = 0x45
    UPDATE_BEGIN = 0x50
    UPDATE_DATA = 0x51
    UPDATE_END = 0x52
    UPDATE_CONFIRM = 0x53
    UPDATE_ABORT = 0x54


class Can(IntFlag):
    """What a board has."""

    BUZZER = 1
    VIBRATION = 2
    DISPLAY = 4
    BUTTONS = 8
    UPDATE = 16
    MOTION = 32
    HEART = 64
    SCBA = 128
    BAROMETER = 256
    BEACONS = 512


class Result(IntEnum):
    """What became of a command."""

    DONE = 0
    CANNOT = 1
    WRONG = 2


class UpdateState(IntEnum):
    """Where an update stands. TRIAL: the new image runs and is not confirmed."""

    IDLE = 0
    RECEIVING = 1
    TRYING = 2
    TRIAL = 3
    CONFIRMED = 4
    ROLLED_BACK = 5


class UpdateError(IntEnum):
    """Why a board refuses a step of an update."""

    NONE = 0
    HEADER = 1
    HARDWARE = 2
    OLDER = 3
    SIGNATURE = 4
    SIZE = 5
    FLASH = 6
    HASH = 7
    STATE = 8


def cobs_encode(body: bytes) -> bytes:
    """`body`, shorter than 255 bytes, without any 0x00. **Source:** Cheshire & Baker 1999, section 3."""
    return b"".join(bytes((len(part) + 1,)) + part for part in body.split(b"\x00"))


def cobs_decode(data: bytes) -> bytes | None:
    """The body; None where a code points beyond the end or there is a zero."""
    if not data or 0 in data:
        return None
    parts, start = [], 0
    while start < len(data):
        code = data[start]
        parts.append(data[start + 1 : start + code])
        start += code
        if start < len(data) and code != 0xFF:
            parts.append(b"\x00")
    return b"".join(parts) if start == len(data) else None


def pack_frame(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    """One frame with its delimiters. ValueError for a payload of more than 240 bytes."""
    if len(payload) > PAYLOAD_SIZE_MAX:
        raise ValueError(f"board: payload of {len(payload)} bytes, at most {PAYLOAD_SIZE_MAX}")
    body = bytes((kind, sequence & 0xFF)) + payload
    return b"\x00" + cobs_encode(body + crc32(body).to_bytes(_CRC_SIZE, "little")) + b"\x00"


def unpack_body(encoded: bytes) -> bytes | None:
    """Type, sequence and payload of what stood between two delimiters; None for damage."""
    body = cobs_decode(encoded)
    if body is None or not _BODY_SIZE_MIN <= len(body) <= _BODY_SIZE_MAX:
        return None
    head = body[:-_CRC_SIZE]
    return head if crc32(head) == int.from_bytes(body[-_CRC_SIZE:], "little") else None


class FrameSplitter:
    """Finds frames in a stream. What comes out depends on the bytes only, never on where the chunks end."""

    def __init__(self, stats: Stats, on_frame: Callable[[int, int, bytes], None]) -> None:
        """`on_frame(type, sequence, payload)` is called for each frame with a good CRC; it does the counting."""
        self._stats = stats
        self._on_frame = on_frame
        self._rest = b""
        self._too_long = False

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls."""
        return len(self._rest)

    def feed(self, data: bytes) -> None:
        """Take a chunk."""
        self._stats.bytes += len(data)
        *whole, rest = (self._rest + data).split(b"\x00")
        for encoded in whole:
            self._take(encoded)
        if (
            len(rest) > ENCODED_SIZE_MAX
        ):  # no frame is so long: count it now, forget it until the next delimiter
            self._stats.noise += len(rest)
            rest, self._too_long = b"", True
        self._rest = rest

    def _take(self, encoded: bytes) -> None:
        too_long, self._too_long = self._too_long, False
        if not encoded:
            return
        if too_long or not _BODY_SIZE_MIN < len(encoded) <= ENCODED_SIZE_MAX:
            self._stats.noise += len(encoded)
            return
        body = unpack_body(encoded)
        if body is None:
            self._stats.bad += 1
        else:
            self._on_frame(body[0], body[1], body[2:])


_UP = frozenset(Up)


def count_frames(data: bytes) -> int:
    """How many frames of a board with a good CRC `data` holds."""
    count = 0
    for encoded in data.split(b"\x00"):
        if _BODY_SIZE_MIN < len(encoded) <= ENCODED_SIZE_MAX:
            body = unpack_body(encoded)
            count += body is not None and body[0] in _UP
    return count


def pack_varint(number: int) -> bytes:
    """Seven bits a byte, lowest first, the highest bit says that more follow. `number` >= 0."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def unpack_varint(data: bytes, start: int) -> tuple[int, int] | None:
    """The number and where the next one begins; None where it ends too soon or is longer than 64 bits."""
    number = shift = 0
    for at in range(start, min(len(data), start + VARINT_SIZE_MAX)):
        number |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return (number, at + 1) if number < 2**64 else None
        shift += 7
    return None


def zigzag(value: int) -> int:
    """Small numbers of either sign to small ones: 0, -1, 1, -2 → 0, 1, 2, 3."""
    return 2 * value if value >= 0 else -2 * value - 1


def unzigzag(number: int) -> int:
    """The other way."""
    return number >> 1 if not number & 1 else -(number >> 1) - 1


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a board is. `firmware` is major << 16 | minor << 8 | patch; `boot` counts its starts."""

    board: int
    hardware: int
    firmware: int
    can: Can
    boot: int
    version: int = VERSION


_HELLO = struct.Struct("<BQIIII")


def pack_hello(hello: Hello) -> bytes:
    """A payload of HELLO."""
    return _HELLO.pack(
        hello.version, hello.board, hello.hardware, hello.firmware, hello.can & 0xFFFFFFFF, hello.boot
    )


def unpack_hello(payload: bytes) -> Hello | None:
    """None when it is too short. More bytes than known are of a newer board and are left aside."""
    if len(payload) < _HELLO.size:
        return None
    version, board, hardware, firmware, can, boot = _HELLO.unpack_from(payload)
    return Hello(board, hardware, firmware, Can(can & sum(Can)), boot, version)


def pack_samples(t_ms: int, values: dict[int, int]) -> bytes:
    """A payload of SAMPLES: the board's clock, then field ids and values."""
    parts = [pack_varint(t_ms)]
    for field, value in values.items():
        parts += (pack_varint(field), pack_varint(zigzag(value)))
    return b"".join(parts)


def unpack_samples(payload: bytes) -> tuple[int, dict[int, int]] | None:
    """The board's clock and the values by field id, not yet held against the catalog; None for damage."""
    found = unpack_varint(payload, 0)
    if found is None:
        return None
    t_ms, at = found
    values: dict[int, int] = {}
    while at < len(payload):
        field = unpack_varint(payload, at)
        value = unpack_varint(payload, field[1]) if field else None
        if field is None or value is None:
            return None
        values[field[0]] = unzigzag(value[0])
        at = value[1]
    return t_ms, values


@dataclass(frozen=True, slots=True)
class Event:
    """The payload of GESTURE (`what`: the gesture) and IMPACT (the peak in 0.001 g). `age_ms`: how long ago."""

    boot: int
    number: int
    age_ms: int
    what: int


_EVENT = {Up.GESTURE: struct.Struct("<IIIB"), Up.IMPACT: struct.Struct("<IIII")}
EVENT_ACK = struct.Struct("<II")
BEACON = struct.Struct("<Qb")
TIME_ASK = struct.Struct("<I")
TIME = struct.Struct("<Q")
TIME_ANSWER = struct.Struct("<QI")
COMMAND_ACK = struct.Struct("<BB")
UPDATE_STATUS = struct.Struct("<BBI")
UPDATE_OFFSET = struct.Struct("<I")


def pack_event(kind: int, event: Event) -> bytes:
    """A payload of GESTURE or IMPACT."""
    return _EVENT[Up(kind)].pack(event.boot, event.number, event.age_ms, event.what)


def unpack_event(kind: int, payload: bytes) -> Event | None:
    """None when it is too short."""
    layout = _EVENT[Up(kind)]
    return Event(*layout.unpack_from(payload)) if len(payload) >= layout.size else None
