"""Frames of Modbus RTU: checksum, a request to read registers, the reply to it.

Enters: bytes of the bus. Leaves: replies, and how many bytes are used. Called by `modbus` and by the emulated bus.
**Source:** MODBUS over Serial Line V1.02, 2.5; MODBUS Application Protocol V1.1b3, 6.3, 6.4 and 7.
"""

import struct
from dataclasses import dataclass

SLAVE_MAX = 247
READ_COUNT_MAX = 125
HOLDING, INPUT = 3, 4
EXCEPTION_BIT = 0x80
REQUEST_SIZE = 8
EXCEPTION_SIZE = 5
REPLY_OVERHEAD = 5
FRAME_SIZE_MAX = 256


def _table() -> tuple[int, ...]:
    made = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ 0xA001 if number & 1 else number >> 1
        made.append(number)
    return tuple(made)


_CRC = _table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: b"123456789" -> 0x4B37. On the wire its low byte goes first."""
    crc, table = 0xFFFF, _CRC
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def with_crc(body: bytes) -> bytes:
    """A whole frame of slave, function and data."""
    return body + crc16(body).to_bytes(2, "little")


def is_whole(frame: bytes) -> bool:
    """Whether the last two bytes are the checksum of the others."""
    return len(frame) >= 4 and crc16(frame[:-2]) == frame[-2] | frame[-1] << 8


@dataclass(frozen=True, slots=True)
class Request:
    """Read `count` registers (1–125) from `address` on, of slave 1–247, by function 3 or 4."""

    slave: int
    function: int
    address: int
    count: int

    def pack(self) -> bytes:
        return with_crc(struct.pack(">BBHH", self.slave, self.function, self.address, self.count))

    @property
    def reply_size(self) -> int:
        return REPLY_OVERHEAD + 2 * self.count


@dataclass(frozen=True, slots=True)
class Reply:
    """`registers` is big-endian bytes, two a register; with `exception` there are none. `start` and `end` are where it
    stood in the bytes."""

    registers: bytes
    exception: int
    start: int
    end: int


def find_reply(data: bytes | bytearray, request: Request) -> Reply | None:
    """The first whole reply to `request` in `data`, whatever stands before it: garbage, an echo, others' frames.

    A reply does not say which address it is for, so slave, function, length and checksum all have to be right.
    """
    size = request.reply_size
    head = bytes((request.slave, request.function, 2 * request.count))
    refusal = bytes((request.slave, request.function | EXCEPTION_BIT))
    at = data.find(head)
    while at >= 0 and at + size <= len(data):
        if is_whole(bytes(data[at : at + size])):
            return Reply(bytes(data[at + 3 : at + size - 2]), 0, at, at + size)
        at = data.find(head, at + 1)
    at = data.find(refusal)
    while at >= 0 and at + EXCEPTION_SIZE <= len(data):
        if is_whole(bytes(data[at : at + EXCEPTION_SIZE])):
            return Reply(b"", data[at + 2], at, at + EXCEPTION_SIZE)
        at = data.find(refusal, at + 1)
    return None


def looks_damaged(data: bytes | bytearray, request: Request) -> bool:
    """Whether a reply of the right slave, function and length was heard, with a wrong checksum."""
    return len(data) >= request.reply_size and bytes(data[:3]) == bytes(
        (request.slave, request.function, 2 * request.count)
    )


def parse_request(frame: bytes) -> Request | None:
    """A whole request to read registers; None for anything else."""
    if len(frame) != REQUEST_SIZE or frame[1] not in (HOLDING, INPUT) or not 1 <= frame[0] <= SLAVE_MAX:
        return None
    slave, function, address, count = struct.unpack(">BBHH", frame[:6])
    if not 1 <= count <= READ_COUNT_MAX or not is_whole(frame):
        return None
    return Request(slave, function, address, count)


def count_pairs(data: bytes) -> int:
    """How many requests with their replies the bytes hold: what one hears on a bus where another master asks."""
    count = at = 0
    while at + REQUEST_SIZE + EXCEPTION_SIZE <= len(data):
        request = parse_request(data[at : at + REQUEST_SIZE]) if data[at + 1] in (HOLDING, INPUT) else None
        if request is None:
            at += 1
            continue
        at += REQUEST_SIZE
        reply = find_reply(data[at : at + request.reply_size], request)
        if reply is not None and reply.start == 0:
            count += 1
            at += reply.end
    return count
