"""What a relay carries: others' frames up, acknowledgements and messages down, unchanged.

Enters and leaves: bytes. A relay is a gateway that others reach when they do not reach the hub, or a hub below another
hub. It cannot change a frame: the MAC in it is under its device's key. Topics: `…/<relay>/r`, `…/<relay>/b`.

Up `msgpack([1, bearer, frame, number?])`: by what the relay heard it (`catalog.Bearer`), and, of a relay that keeps
what it passes on, its running number, which the hub answers with `What.PASSED`: `msgpack([ranges, refused])`, flat
ranges of numbers that it has committed or refused, and of these `[number, reason, …]`. A number says nothing of others.
Down `msgpack([1, device, lane, message])`: `lane` is `a` or `o`, as in the topic that a device hears itself.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgpack

from protocols.catalog import Bearer
from protocols.errors import RelayError
from protocols.topics import DEVICE_MAX

VERSION = 1
UP_BYTES_MAX = 8_192 + 32
DOWN_BYTES_MAX = 8_192 + 32
ACK, ORDER = "a", "o"
EVERYBODY = 0
"""As the device of a message back: a broadcast, to be said by all narrow bearers of the relay."""
PASSED_MAX = 1_024
"""Numbers that one PASSED speaks of."""
_packer = msgpack.Packer(use_bin_type=True)


class Carried(NamedTuple):
    """A frame that a relay heard. `number` None: it keeps nothing."""

    bearer: int
    data: bytes
    number: int | None = None


class Back(NamedTuple):
    """Bytes for `device`, as its own topic of `lane` would bring them; EVERYBODY: a broadcast (`protocols.brief`)."""

    device: int
    lane: str
    data: bytes


def pack_up(carried: Carried) -> bytes:
    """What a relay publishes of one frame."""
    more = [] if carried.number is None else [carried.number]
    data: bytes = _packer.pack([VERSION, carried.bearer, carried.data, *more])
    return data


def unpack_up(data: bytes) -> Carried:
    """The frame in it; RelayError says why it is refused."""
    elements = _array(data, UP_BYTES_MAX, 3)
    number = elements[3] if len(elements) > 3 else None
    version, bearer, inner = elements[:3]
    if version != VERSION or bearer not in set(Bearer) or type(inner) is not bytes:
        raise RelayError(f"relay: not a frame that is carried, version {VERSION}")
    if number is not None and (type(number) is not int or not 0 <= number < 2**63):
        raise RelayError("relay: its number is not a whole number below 2^63")
    return Carried(bearer, inner, number)


def pack_back(back: Back) -> bytes:
    """What a hub publishes for a device behind a relay."""
    data: bytes = _packer.pack([VERSION, *back])
    return data


def unpack_back(data: bytes) -> Back:
    """For whom it is, and what; RelayError says why it is refused."""
    version, device, lane, inner = _array(data, DOWN_BYTES_MAX, 4)[:4]
    if version != VERSION or type(device) is not int or lane not in (ACK, ORDER) or type(inner) is not bytes:
        raise RelayError(f"relay: not a message back, version {VERSION}")
    if not 0 <= device <= DEVICE_MAX:
        raise RelayError(f"relay: device {device}, 0–{DEVICE_MAX} allowed")
    return Back(device, lane, inner)


def pack_passed(numbers: Iterable[int], refused: Mapping[int, int]) -> bytes:
    """The body of PASSED: what the hub has done with these numbers. `refused`: number -> a number of REASONS."""
    said = [part for pair in refused.items() for part in pair]
    data: bytes = _packer.pack([_ranges(sorted(set(numbers))), said])
    return data


def unpack_passed(body: bytes) -> tuple[list[tuple[int, int]], dict[int, int]]:
    """(ranges, refused) of a body of PASSED; RelayError when it is not one."""
    try:
        elements: Any = msgpack.unpackb(body, max_array_len=2 * PASSED_MAX, max_map_len=0, max_ext_len=0)
    except (ValueError, RecursionError) as err:
        raise RelayError(f"relay: not msgpack: {err}") from None
    if type(elements) is not list or len(elements) < 2:
        raise RelayError("relay: ranges and refusals are needed")
    for part in elements[:2]:
        if type(part) is not list or len(part) % 2 or {type(number) for number in part} - {int}:
            raise RelayError("relay: ranges and refusals are pairs of whole numbers")
    ranges, refused = ([*zip(part[::2], part[1::2], strict=True)] for part in elements[:2])
    return ranges, dict(refused)


def _ranges(numbers: list[int]) -> list[int]:
    """Rising numbers as flat, inclusive ranges."""
    flat: list[int] = []
    for number in numbers:
        if flat and number == flat[-1] + 1:
            flat[-1] = number
        else:
            flat += [number, number]
    return flat


def _array(data: bytes, most: int, least: int) -> list[Any]:
    if len(data) > most:
        raise RelayError(f"relay: {len(data)} bytes, at most {most} allowed")
    try:
        elements: Any = msgpack.unpackb(data, max_array_len=16, max_map_len=0, max_ext_len=0)
    except (ValueError, RecursionError) as err:
        raise RelayError(f"relay: not msgpack: {err}") from None
    if type(elements) is not list or len(elements) < least:
        raise RelayError(f"relay: an array of at least {least} elements is needed")
    return elements
