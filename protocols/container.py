"""Several frames of several units in one packet of a narrow way.

Enters: frames, narrow or wide, and the packet's size. Leaves: one packet, and the frames back. Callers: a relay's
narrow bearers and whoever hears them. A packet is `0x21`, then for each frame its length (7 bits a byte, low ones
first, the high bit says that more follow) and its bytes; one frame alone travels bare. No MAC of its own: each frame
has one.
"""

from collections.abc import Sequence

from protocols.errors import FrameError

VERSION = 1
MARK = 0x20
FRAMES_MAX = 64
PACKET_BYTES_MAX = 16_384
_LENGTH_BYTES_MAX = 2


def is_container(data: bytes) -> bool:
    """Whether this says that it holds several frames, in any version."""
    return len(data) > 0 and data[0] & 0xF0 == MARK


def pack_container(frames: Sequence[bytes], budget: int) -> tuple[bytes, int]:
    """As many of `frames`, from the first on, as fit `budget` bytes, and how many; (b"", 0) when the first does not."""
    budget = min(budget, PACKET_BYTES_MAX)
    out = bytes((MARK | VERSION,))
    count = 0
    for frame in frames[:FRAMES_MAX]:
        more = _length(len(frame)) + frame
        if len(out) + len(more) > budget:
            break
        out += more
        count += 1
    if count <= 1 and frames and len(frames[0]) <= budget:
        return bytes(frames[0]), 1
    return (out, count) if count else (b"", 0)


def unpack_container(data: bytes) -> list[bytes]:
    """The frames of a packet; a packet that is no container is itself the only one. FrameError when it is broken."""
    if not is_container(data):
        return [data]
    if data[0] & 15 != VERSION:
        raise FrameError("version", f"container of version {data[0] & 15}, this program speaks {VERSION}")
    if len(data) > PACKET_BYTES_MAX:
        raise FrameError("size", f"packet of {len(data)} bytes, {PACKET_BYTES_MAX} allowed")
    frames: list[bytes] = []
    at = 1
    while at < len(data):
        size, at = _read_length(data, at)
        if size == 0 or at + size > len(data):
            raise FrameError("shape", f"a frame of {size} bytes, {len(data) - at} are left")
        if len(frames) == FRAMES_MAX:
            raise FrameError("count", f"more than {FRAMES_MAX} frames in a packet")
        frames.append(data[at : at + size])
        at += size
    if not frames:
        raise FrameError("shape", "an empty packet")
    return frames


def _length(size: int) -> bytes:
    if not 0 < size < 1 << 7 * _LENGTH_BYTES_MAX:
        raise ValueError(f"container: frame of {size} bytes")
    return bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    size = 0
    for place in range(_LENGTH_BYTES_MAX):
        if at >= len(data):
            raise FrameError("shape", "a length ends too early")
        size |= (data[at] & 127) << 7 * place
        at += 1
        if not data[at - 1] & 128:
            return size, at
    raise FrameError("shape", "a length of more than two bytes")
