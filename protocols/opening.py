"""Frames of either form, wide or narrow-band, by one name each.

Enters: bytes that came by any way. Leaves: what `protocols.frame` and `protocols.narrow` make of them. Callers:
the hub, and relays that look into what they carry.
"""

from protocols import brief, frame, narrow
from protocols.datagram import Datagram
from protocols.frame import Envelope, Frame
from protocols.keys import KEY_BYTES, MAC_BYTES, NARROW_MAC_BYTES, MacKey

_NOBODY = MacKey(bytes(KEY_BYTES), "nobody")


def peek_device(data: bytes) -> int:
    """Whose frame this says it is, before its MAC is checked. FrameError when it says nothing."""
    return narrow.peek_device(data) if narrow.is_narrow(data) else frame.peek_device(data)


def open_envelope(data: bytes, mac_key: MacKey) -> Envelope:
    """An authentic frame's header. FrameError with its reason when refused."""
    return (
        narrow.open_envelope(data, mac_key) if narrow.is_narrow(data) else frame.open_envelope(data, mac_key)
    )


def decode(data: bytes, envelope: Envelope, mac_key: MacKey | None = None) -> Frame:
    """The rows of an authentic frame. FrameError when the content is refused."""
    return narrow.decode(envelope, mac_key) if narrow.is_narrow(data) else frame.decode(envelope, mac_key)


def parts(data: bytes) -> list[bytes]:
    """The frames of a packet: of a container those within it, else the bytes themselves. FrameError."""
    return narrow.unpack_container(data) if narrow.is_container(data) else [data]


def peek_lane(data: bytes) -> int:
    """The lane this says it is on, unproven. FrameError when it says nothing."""
    return narrow.peek_lane(data) if narrow.is_narrow(data) else frame.peek_lane(data)


def look(data: bytes) -> Frame:
    """The rows of a frame whose key nobody here has: nothing of it is proven, sealed columns are left out. FrameError
    when it cannot be read."""
    if narrow.is_narrow(data):
        body = data[:-NARROW_MAC_BYTES]
        opened = body + _NOBODY.narrow(body)
    else:
        body = data[:-MAC_BYTES]
        opened = body + _NOBODY.up(body)
    return decode(opened, open_envelope(opened, _NOBODY))


def is_ours(data: bytes) -> bool:
    """Whether a packet of a narrow way looks like one of this system: a frame, several, or a message back."""
    if not data:
        return False
    back = data[0] in (Datagram.ACK, Datagram.ORDER) and len(data) > MAC_BYTES
    return back or narrow.is_narrow(data) or narrow.is_container(data) or brief.is_broadcast(data)
