"""RTCM 3 frames out of a stream of bytes, checked.

Enters: bytes of a caster, however they are cut, with anything between the frames. Leaves: whole frames whose checksum
is right. Called by the NTRIP client, so that a caster's garbage never reaches a receiver, and by emulated receivers.
**Source:** RTCM 10403.3, section 4 (transport layer): D3, six zero bits, length of ten bits, message, CRC-24Q.
"""

from dataclasses import dataclass

PREAMBLE = 0xD3
HEAD_SIZE = 3
CRC_SIZE = 3
MESSAGE_SIZE_MAX = 1023
FRAME_SIZE_MAX = HEAD_SIZE + MESSAGE_SIZE_MAX + CRC_SIZE
_POLYNOMIAL = 0x1864CFB
_CRC_TOP = 1 << 24


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & _CRC_TOP:
                crc ^= _POLYNOMIAL
        table.append(crc)
    return tuple(table)


_TABLE = _table()


def crc24q(data: bytes) -> int:
    """CRC-24Q of any bytes, 0–2^24-1; 0 over a whole frame. "123456789" gives CDE703."""
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFFFF) ^ _TABLE[crc >> 16 ^ byte]
    return crc


def build(message: bytes) -> bytes:
    """A whole frame; ValueError for a message that is too long."""
    if len(message) > MESSAGE_SIZE_MAX:
        raise ValueError(f"rtcm: message of {len(message)} bytes, at most {MESSAGE_SIZE_MAX}")
    body = bytes([PREAMBLE, len(message) >> 8, len(message) & 0xFF]) + message
    return body + crc24q(body).to_bytes(CRC_SIZE, "big")


def message_number(frame: bytes) -> int | None:
    """The first twelve bits of a frame's message, such as 1074; None for an empty one."""
    return frame[3] << 4 | frame[4] >> 4 if len(frame) >= HEAD_SIZE + 2 + CRC_SIZE else None


@dataclass(slots=True)
class RtcmStats:
    """Frames that were right and wrong, and bytes that belong to none."""

    good: int = 0
    bad: int = 0
    noise: int = 0


class RtcmSplitter:
    """Keeps the unfinished end of the stream: at most FRAME_SIZE_MAX bytes."""

    def __init__(self) -> None:
        self.stats = RtcmStats()
        self._tail = b""

    @property
    def pending_size(self) -> int:
        """Bytes kept for the next call."""
        return len(self._tail)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, oldest first."""
        data = self._tail + data
        frames: list[bytes] = []
        at = 0
        while True:
            start = data.find(PREAMBLE, at)
            if start < 0:
                start = len(data)
            self.stats.noise += start - at
            at = start
            if len(data) - at < HEAD_SIZE:
                break
            if data[at + 1] > MESSAGE_SIZE_MAX >> 8:
                self.stats.noise += 1  # one of the six bits is set: no frame begins here
                at += 1
                continue
            end = at + HEAD_SIZE + (data[at + 1] << 8 | data[at + 2]) + CRC_SIZE
            if end > len(data):
                break
            if crc24q(data[at:end]) == 0:
                self.stats.good += 1
                frames.append(data[at:end])
                at = end
            else:
                self.stats.bad += 1
                at += 1
        self._tail = data[at:]
        return frames
