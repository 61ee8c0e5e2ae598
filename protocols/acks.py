"""Acknowledgements: what the hub has committed, said to one device.

Enters: boot, stream, a watermark and further ranges. Leaves: `msgpack([ver, t_hub_ms, boot, stream,
watermark, ranges, refused]) + mac`, and back. All rows below `watermark` are safe, and so is every row of a
range; the edge may then forget them. The hub makes one only after its own commit.
"""

from typing import Any, NamedTuple

import msgpack

from protocols.errors import AckError
from protocols.keys import MAC_BYTES, MacKey, same

VERSION = 1
ACK_BYTES_MAX = 2_048
RANGES_MAX = 64
REFUSED_MAX = 32


_packer = msgpack.Packer()


class Ack(NamedTuple):
    """What is safe at the hub of one (boot, stream).

    t_hub_ms    the hub's UTC, ms
    watermark   every row < watermark is committed (or was declared a gap)
    ranges      further committed rows, inclusive, rising: ((from, to), …), at most 64
    refused     rows that were kept raw but not understood: ((row, reason number), …), at most 32
    """

    t_hub_ms: int
    boot: int
    stream: int
    watermark: int
    ranges: tuple[tuple[int, int], ...] = ()
    refused: tuple[tuple[int, int], ...] = ()


def pack(ack: Ack, mac_key: MacKey) -> bytes:
    """The bytes of an acknowledgement. Longer lists are cut: the rest is said again later."""
    flat = [number for pair in ack.ranges[:RANGES_MAX] for number in pair]
    refused = [number for pair in ack.refused[:REFUSED_MAX] for number in pair]
    data: bytes = _packer.pack([VERSION, *ack[:4], flat, refused])
    return data + mac_key.ack(data)


def unpack(data: bytes, mac_key: MacKey) -> Ack:
    """The acknowledgement in `data`; AckError says why it is refused."""
    if not MAC_BYTES < len(data) <= ACK_BYTES_MAX:
        raise AckError(f"ack: {len(data)} bytes, at most {ACK_BYTES_MAX} allowed")
    if not same(mac_key.ack(data[:-MAC_BYTES]), data[-MAC_BYTES:]):
        raise AckError("ack: MAC is not the hub's")
    try:
        elements: Any = msgpack.unpackb(data[:-MAC_BYTES], max_array_len=256, max_map_len=0, max_ext_len=0)
    except ValueError as err:
        raise AckError(f"ack: not msgpack: {err}") from None
    if type(elements) is not list or len(elements) < 7 or elements[0] != VERSION:
        raise AckError(f"ack: not an acknowledgement of version {VERSION}")
    numbers, flat, refused = elements[1:5], elements[5], elements[6]
    if type(flat) is not list or type(refused) is not list or len(flat) % 2 or len(refused) % 2:
        raise AckError("ack: ranges and refusals come in pairs")
    if set(map(type, [*numbers, *flat, *refused])) != {int}:
        raise AckError("ack: an element is not a whole number")
    t_hub_ms, boot, stream, watermark = numbers
    return Ack(t_hub_ms, boot, stream, watermark, _pairs(flat), _pairs(refused))


def _pairs(flat: list[int]) -> tuple[tuple[int, int], ...]:
    return tuple(zip(flat[::2], flat[1::2], strict=True))
