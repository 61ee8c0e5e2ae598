"""A vehicle's team: who it may ask while no hub is in reach, and how.

Enters: mates with their ask keys, asks. Leaves: bytes, and back. The hub tells a relay its team by a message down of
kind TEAM: `msgpack([[device, callsign, ask key], …])`. An ask is `relay (4 B) seq (7 B) + MAC` under the ask key of
that relay and that device, in a datagram or packet of type ASK: it can ask for an answer, and nothing else.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

from protocols.errors import OrderError
from protocols.keys import KEY_BYTES, MAC_BYTES, MacKey, same
from protocols.topics import DEVICE_MAX

MATES_MAX = 100
CALLSIGN_CHARS_MAX = 40
_SEQ_BYTES = 7
ASK_BYTES = 4 + _SEQ_BYTES + MAC_BYTES


class Mate(NamedTuple):
    """One device of the team. `ask_key` is `MacKey.ask_key` of the relay: 32 bytes."""

    device: int
    callsign: str
    ask_key: bytes


def pack_team(mates: Sequence[Mate]) -> bytes:
    """The body of TEAM: the first MATES_MAX."""
    cut = [[mate.device, mate.callsign[:CALLSIGN_CHARS_MAX], mate.ask_key] for mate in mates[:MATES_MAX]]
    data: bytes = msgpack.packb(cut, use_bin_type=True)
    return data


def open_team(body: bytes) -> list[Mate]:
    """The mates in a body of TEAM; OrderError when it is not one."""
    try:
        found: Any = msgpack.unpackb(body, max_array_len=MATES_MAX, max_map_len=0, max_ext_len=0)
    except (ValueError, RecursionError) as err:
        raise OrderError(f"team: not msgpack: {err}") from None
    if type(found) is not list:
        raise OrderError("team: a list of mates is needed")
    return [_mate(entry) for entry in found]


def _mate(entry: Any) -> Mate:
    if type(entry) is not list or [type(part) for part in entry[:3]] != [int, str, bytes]:
        raise OrderError("team: a mate is [device, callsign, key]")
    mate = Mate(*entry[:3])
    if not 0 <= mate.device <= DEVICE_MAX or len(mate.ask_key) != KEY_BYTES:
        raise OrderError(f"team: device {mate.device} with a key of {len(mate.ask_key)} bytes")
    return mate._replace(callsign=mate.callsign[:CALLSIGN_CHARS_MAX])


def pack_ask(relay: int, seq: int, ask_key: bytes, realm: str) -> bytes:
    """A roll-call's question to one device. `seq` rises with each call (UTC ms)."""
    body = relay.to_bytes(4, "big") + seq.to_bytes(_SEQ_BYTES, "big")
    return body + MacKey(ask_key, realm).order(body)


def open_ask(body: bytes, mac_key: MacKey, realm: str) -> tuple[int, int]:
    """(relay, seq) of a question to the device of `mac_key`; OrderError when it is another's, or nobody's."""
    if len(body) != ASK_BYTES:
        raise OrderError(f"ask: {len(body)} bytes, {ASK_BYTES} needed")
    said = body[:-MAC_BYTES]
    relay = int.from_bytes(said[:4], "big")
    if not same(MacKey(mac_key.ask_key(relay), realm).order(said), body[-MAC_BYTES:]):
        raise OrderError("ask: MAC is not the relay's")
    return relay, int.from_bytes(said[4:], "big")
