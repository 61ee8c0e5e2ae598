"""What a Meshtastic radio says on its serial port: frames, and the little of protobuf that is needed of them.

Enters: bytes of the port, with the firmware's log text between frames. Leaves: what is in each `FromRadio`; bytes of a
`ToRadio`. Called by `mesh_words`, the driver `mesh`, and the emulated radio.
**Source:** meshtastic.org, "Client API (Serial/TCP/BLE)": `94 C3`, length (u16, high byte first, 512 at most),
protobuf; protobuf.dev, "Encoding". There is no checksum: a frame is one when its bytes are a whole `FromRadio`.
"""

from collections.abc import Callable

from firmware_bridge.interface import Stats

SYNC = b"\x94\xc3"
WAKE = b"\xc3" * 32
HEADER_SIZE = 4
PAYLOAD_SIZE_MAX = 512
FRAME_SIZE_MAX = HEADER_SIZE + PAYLOAD_SIZE_MAX

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_VARINT_SIZE_MAX = 10
_U32, _U64 = 2**32 - 1, 2**64 - 1

Words = dict[int, int | bytes]
"""One message by tag, that is field number * 8 + wire type: what comes with another wire type is another field."""

# FromRadio
PACKET, MY_INFO, NODE_INFO, CONFIG_COMPLETE, REBOOTED, QUEUE_STATUS, METADATA = 18, 26, 34, 56, 64, 90, 106
_ID = 8
_VARIANTS = frozenset(
    {CONFIG_COMPLETE, REBOOTED, *(number * 8 + BYTES for number in (2, 3, 4, 5, 6, *range(9, 32)))}
)
"""Numbers above 20 do not exist yet; a few are left for radios that are newer than this."""
# ToRadio
TO_PACKET, WANT_CONFIG, HEARTBEAT = 10, 24, 58


class MeshWireError(ValueError):
    """Bytes that are not a protobuf message."""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, modulo 2^64, and where it ends."""
    number = shift = 0
    for position in range(at, min(at + _VARINT_SIZE_MAX, len(data))):
        byte = data[position]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _U64, position + 1
        shift += 7
    raise MeshWireError(f"mesh: varint at byte {at} of {len(data)} does not end")


def read(data: bytes) -> Words:
    """One message, one level deep; of a field that comes twice, the last. Raises MeshWireError.

    It does not call itself: a message within is read by whoever knows that it is one, so depth is bounded by our code.
    """
    out: Words = {}
    at, size = 0, len(data)
    while at < size:
        tag = data[at]
        at += 1
        if tag >= 0x80:
            tag, at = _varint(data, at - 1)
        kind = tag & 7
        if tag < 8 or tag > _U32:
            raise MeshWireError(f"mesh: tag {tag} at byte {at}")
        if kind == VARINT:
            out[tag], at = _varint(data, at)
            continue
        if kind == BYTES:
            length, at = _varint(data, at)
        elif kind == FIXED32:
            length = 4
        elif kind == FIXED64:
            length = 8
        else:  # groups: nobody has used them since 2008
            raise MeshWireError(f"mesh: wire type {kind} at byte {at}")
        end = at + length
        if end > size:
            raise MeshWireError(f"mesh: field {tag >> 3} needs {length} bytes, {size - at} are there")
        part = data[at:end]
        out[tag] = part if kind == BYTES else int.from_bytes(part, "little")
        at = end
    return out


def number(words: Words, tag: int) -> int:
    """A number of at most 32 bits, unsigned; 0 where it is absent, as in protobuf."""
    value = words.get(tag, 0)
    return value & _U32 if isinstance(value, int) else 0


def signed(words: Words, tag: int) -> int:
    """int32 and sfixed32."""
    value = number(words, tag)
    return value - 2**32 if value >> 31 else value


def part(words: Words, tag: int) -> bytes:
    """Bytes, a text or a message; empty where it is absent."""
    value = words.get(tag, b"")
    return value if isinstance(value, bytes) else b""


def _pack_varint(value: int) -> bytes:
    value &= _U64
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put(tag: int, value: int | bytes) -> bytes:
    """One field. The tag says how; negative numbers are allowed."""
    head = _pack_varint(tag)
    if isinstance(value, bytes):
        return head + _pack_varint(len(value)) + value
    if tag & 7 == FIXED32:
        return head + (value & _U32).to_bytes(4, "little")
    return head + _pack_varint(value)


def frame(payload: bytes) -> bytes:
    """A payload of at most 512 bytes as it goes over the line."""
    if len(payload) > PAYLOAD_SIZE_MAX:
        raise ValueError(f"mesh: {len(payload)} bytes, {PAYLOAD_SIZE_MAX} allowed")
    return SYNC + len(payload).to_bytes(2, "big") + payload


def variant(payload: bytes) -> tuple[int, int | bytes] | None:
    """The one thing that a `FromRadio` holds, by its tag; None where the bytes are not a `FromRadio`."""
    try:
        words = read(payload)
    except MeshWireError:
        return None
    words.pop(_ID, None)
    if len(words) != 1:
        return None
    ((tag, value),) = words.items()
    return (tag, value) if tag in _VARIANTS else None


class MeshSplitter:
    """Finds frames in a stream. What comes out depends on the bytes only, never on where the chunks end.

    Inside a good frame nothing is looked for: its payload was written by strangers, who could put a frame there.
    """

    def __init__(self, stats: Stats, on_message: Callable[[int, int | bytes], None]) -> None:
        """`on_message` takes the tag in `FromRadio` and its value, and counts it as good, bad or skipped."""
        self._stats = stats
        self._on_message = on_message
        self._tail = b""

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls; less than FRAME_SIZE_MAX."""
        return len(self._tail)

    def feed(self, data: bytes) -> None:
        """Take a chunk of any size."""
        self._stats.bytes += len(data)
        self._scan(self._tail + data)

    def give_up_frame(self) -> None:
        """After a silence, an unfinished frame will not be finished: looks for frames inside it."""
        while self._tail:
            if self._tail.startswith(SYNC):
                self._stats.bad += 1
            else:
                self._stats.noise += 1
            self._scan(self._tail[1:])

    def _scan(self, data: bytes) -> None:
        at = 0
        while (start := data.find(SYNC, at)) >= 0:
            self._stats.noise += start - at
            if len(data) - start < HEADER_SIZE:
                self._tail = data[start:]
                return
            end = start + HEADER_SIZE + int.from_bytes(data[start + 2 : start + 4], "big")
            if end - start > FRAME_SIZE_MAX:
                self._stats.bad += 1
                at = start + 1
                continue
            if end > len(data):
                self._tail = data[start:]
                return
            found = variant(data[start + HEADER_SIZE : end])
            if found is None:
                self._stats.bad += 1
                at = start + 1
                continue
            self._on_message(*found)
            at = end
        keep = 1 if data.endswith(SYNC[:1]) and len(data) > at else 0
        self._stats.noise += len(data) - at - keep
        self._tail = data[len(data) - keep :]


def count_messages(data: bytes) -> int:
    """How many frames of `data` hold a whole `FromRadio`."""
    stats = Stats()
    count = 0

    def on_message(tag: int, value: int | bytes) -> None:
        nonlocal count
        count += 1

    MeshSplitter(stats, on_message).feed(data)
    return count
