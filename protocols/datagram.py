"""A datagram between a gateway and a hub, or a relay in the same LAN: one byte that says what it is, then the thing.

Enters and leaves: bytes. Up: FRAME, a frame or a packet of several; ALIVE, so that the way back stays open through
address translation, and the other end knows where to answer. Down: ACK, ORDER, as a device's own topics bring them.

Nothing here answers before a MAC was good: a hub must not be made to shout at somebody else.
"""

from enum import IntEnum

from protocols.errors import FrameError
from protocols.keys import MAC_BYTES, MacKey, same

PAYLOAD_BYTES_MAX = 1_200
"""Fits every link without fragments: 1,280 is what IPv6 promises. **Source:** RFC 8200, 5."""
_ALIVE_BYTES = 4 + 8
_MARK = b"zhantu-alive\0"


class Datagram(IntEnum):
    """The first byte."""

    FRAME = 0
    ACK = 1
    ORDER = 2
    ALIVE = 3
    ASK = 4  # a relay's roll-call to one device: `protocols.team`


def pack(what: Datagram, body: bytes) -> bytes:
    """One datagram."""
    return bytes([what]) + body


def unpack(data: bytes) -> tuple[Datagram, bytes]:
    """What it is, and its body. FrameError when it is nothing of ours."""
    if not 1 < len(data) <= PAYLOAD_BYTES_MAX + 1:
        raise FrameError("size", f"a datagram of {len(data)} bytes, 2–{PAYLOAD_BYTES_MAX + 1} allowed")
    if data[0] not in set(Datagram):
        raise FrameError("kind", f"a datagram of type {data[0]}, 0–{int(max(Datagram))} allowed")
    return Datagram(data[0]), data[1:]


def pack_alive(device: int, number: int, mac_key: MacKey) -> bytes:
    """A sign of life. `number` only ever rises (UTC ms, or the last one + 1), so that an old one moves nothing."""
    body = device.to_bytes(4, "big") + number.to_bytes(8, "big")
    return pack(Datagram.ALIVE, body + mac_key.up(_MARK + body))


def peek_alive(body: bytes) -> int:
    """Whose sign of life it says it is. FrameError when it is none."""
    if len(body) != _ALIVE_BYTES + MAC_BYTES:
        raise FrameError("size", f"a sign of life of {len(body)} bytes, {_ALIVE_BYTES + MAC_BYTES} needed")
    return int.from_bytes(body[:4], "big")


def open_alive(body: bytes, mac_key: MacKey) -> int:
    """Its number. FrameError unless the device of the key made it."""
    peek_alive(body)
    if not same(mac_key.up(_MARK + body[:_ALIVE_BYTES]), body[_ALIVE_BYTES:]):
        raise FrameError("mac", "a sign of life that is not the device's")
    return int.from_bytes(body[4:_ALIVE_BYTES], "big")
