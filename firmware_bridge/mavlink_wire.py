"""MAVLink version 2 frames: split out of a stream, checked, and built.

Enters: bytes of a telemetry radio. Leaves: (system, component, message id, payload) of the messages in MESSAGES, whose
checksum can be known. Called by the driver `mavlink` and by the emulated drone.
**Source:** mavlink.io, "Serialization": `FD len incompat compat seq sys comp id[3] payload crc`, X.25 with CRC_EXTRA.
"""

from collections.abc import Callable
from typing import NamedTuple

from firmware_bridge.interface import Stats

MAGIC = 0xFD
HEADER_SIZE = 10
CRC_SIZE = 2
SIGNATURE_SIZE = 13
SIGNED = 0x01
"""The only incompatible flag that exists. A frame with another one must be refused: it may mean another layout."""
PAYLOAD_SIZE_MAX = 255
FRAME_SIZE_MAX = HEADER_SIZE + PAYLOAD_SIZE_MAX + CRC_SIZE + SIGNATURE_SIZE


class Message(NamedTuple):
    """What is needed of a message: its full payload's size, and the byte that its definition adds to the CRC."""

    size: int
    extra: int


HEARTBEAT, SYS_STATUS, GPS_RAW_INT, ATTITUDE, GLOBAL_POSITION_INT = 0, 1, 24, 30, 33
RADIO_STATUS, BATTERY_STATUS, STATUSTEXT = 109, 147, 253
MESSAGES = {
    HEARTBEAT: Message(9, 50),
    SYS_STATUS: Message(43, 124),
    GPS_RAW_INT: Message(52, 24),
    ATTITUDE: Message(28, 39),
    GLOBAL_POSITION_INT: Message(28, 104),
    RADIO_STATUS: Message(9, 185),
    BATTERY_STATUS: Message(54, 154),
    STATUSTEXT: Message(54, 83),
}


class Frame(NamedTuple):
    """One frame with a good checksum; `payload` has its trimmed zeros again."""

    system: int
    component: int
    message: int
    payload: bytes


def _table() -> tuple[int, ...]:
    out = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
        out.append(value)
    return tuple(out)


_CRC = _table()


def x25(data: bytes, crc: int = 0xFFFF) -> int:
    """CRC-16/MCRF4XX, as MAVLink calls X.25: "123456789" gives 6F91."""
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def build(frame: Frame, sequence: int) -> bytes:
    """The bytes of a frame, zeros at the payload's end left out, as version 2 does."""
    message = MESSAGES[frame.message]
    payload = frame.payload.rstrip(b"\0") or b"\0"
    head = bytes((len(payload), 0, 0, sequence & 0xFF, frame.system, frame.component))
    body = head + frame.message.to_bytes(3, "little") + payload
    return bytes((MAGIC,)) + body + x25(bytes((message.extra,)), x25(body)).to_bytes(2, "little")


class FrameSplitter:
    """Finds frames in a stream. What comes out depends on the bytes only, never on where the chunks end."""

    def __init__(self, stats: Stats, on_frame: Callable[[Frame], None]) -> None:
        self._stats = stats
        self._on_frame = on_frame
        self._tail = b""

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls; less than FRAME_SIZE_MAX."""
        return len(self._tail)

    def feed(self, data: bytes) -> None:
        """Take a chunk of any size."""
        self._stats.bytes += len(data)
        self._scan(self._tail + data, ended=False)

    def give_up_frame(self) -> None:
        """After a silence nothing more belongs to what waits: look for frames inside it."""
        if self._tail:
            self._scan(self._tail, ended=True)

    def _scan(self, data: bytes, *, ended: bool) -> None:
        at = 0
        while (start := data.find(MAGIC, at)) >= 0:
            self._stats.noise += start - at
            after = self._frame(data, start)
            if after is None and ended:
                after = self._last(data, start)
            if after is None:
                self._tail = data[start:]
                return
            at = after
        self._stats.noise += len(data) - at
        self._tail = b""

    def _last(self, data: bytes, start: int) -> int:
        """Where to go on after what no byte followed: a whole frame of an unknown message, or a piece of one."""
        size = _whole_size(data, start) if len(data) - start >= HEADER_SIZE else 0
        if size == len(data) - start:
            self._stats.skipped += 1
            return len(data)
        self._stats.bad += 1
        return start + 1

    def _frame(self, data: bytes, start: int) -> int | None:
        """Where to go on after the magic at `start`; None to wait for more."""
        if len(data) - start < HEADER_SIZE:
            return None
        size, flags = data[start + 1], data[start + 2]
        message = int.from_bytes(data[start + 7 : start + 10], "little")
        known = MESSAGES.get(message)
        if flags & ~SIGNED or (known is not None and size > known.size):
            self._stats.bad += 1
            return start + 1
        whole = start + _whole_size(data, start)
        if whole + (known is None) > len(data):
            return None
        if known is None:
            # Its CRC_EXTRA is not known to us, so whether it is a frame at all is seen by what follows it.
            if data[whole] != MAGIC:
                self._stats.noise += 1
                return start + 1
            self._stats.skipped += 1
            return whole
        end = start + HEADER_SIZE + size + CRC_SIZE
        crc = x25(bytes((known.extra,)), x25(data[start + 1 : end - CRC_SIZE]))
        if crc != int.from_bytes(data[end - CRC_SIZE : end], "little"):
            self._stats.bad += 1
            return start + 1
        payload = data[start + HEADER_SIZE : end - CRC_SIZE].ljust(known.size, b"\0")
        self._stats.good += 1
        self._on_frame(Frame(data[start + 5], data[start + 6], message, payload))
        return whole


def _whole_size(data: bytes, start: int) -> int:
    """Bytes of the frame at `start`, whose header is there."""
    signature = SIGNATURE_SIZE if data[start + 2] & SIGNED else 0
    return HEADER_SIZE + data[start + 1] + CRC_SIZE + signature


def count_frames(data: bytes) -> int:
    """How many frames of MESSAGES with a good checksum `data` holds."""
    stats = Stats()
    FrameSplitter(stats, lambda _frame: None).feed(data)
    return stats.good
