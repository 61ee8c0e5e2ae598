"""Topics: `z/<realm>/<cell>/<device>/<lane>` up, `…/a` acknowledgements and `…/o` orders down; of a relay, what it
carries of others: `…/<relay>/r` up and `…/<relay>/b` down.

Enters: realm, device, lane. Leaves: short strings, and back. A cell is one hexadecimal digit of the device's
hash: one ingest worker owns a cell.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from protocols.catalog import Lane
from protocols.errors import TopicError

_REALM = re.compile(r"[a-z0-9][a-z0-9-]{0,15}\Z")
DEVICE_MAX = 2**32 - 1
"""A device is `authority << 20 | number`; authority 0 is a hub that has joined no other."""
_LANES = {str(int(lane)): lane for lane in Lane}


class Up(NamedTuple):
    """What an uplink topic says: which device, on which lane."""

    device: int
    lane: Lane


def check_realm(realm: str) -> str:
    """The realm itself, or TopicError: 1–16 of a–z, 0–9 and '-', not beginning with '-'."""
    if not _REALM.match(realm):
        raise TopicError(f"topics: realm {realm!r}, allowed are 1–16 of a–z 0–9 -")
    return realm


@lru_cache(maxsize=65_536)
def cell(device: int) -> str:
    """One hexadecimal digit: the low four bits of BLAKE2b-8 over the device as 4 bytes big-endian."""
    return format(hashlib.blake2b(device.to_bytes(4, "big"), digest_size=1).digest()[0] & 15, "x")


def up(realm: str, device: int, lane: Lane) -> str:
    """The topic that `device` publishes its frames of `lane` on."""
    return f"z/{realm}/{cell(device)}/{device}/{int(lane)}"


def ack(realm: str, device: int) -> str:
    """The topic that `device` hears acknowledgements on."""
    return f"z/{realm}/{cell(device)}/{device}/a"


def orders(realm: str, device: int) -> str:
    """The topic that `device` hears orders on."""
    return f"z/{realm}/{cell(device)}/{device}/o"


def relayed(realm: str, relay: int) -> str:
    """The topic that a relay passes others' frames on by (`protocols.relay`)."""
    return f"z/{realm}/{cell(relay)}/{relay}/r"


def family(realm: str, hub: int) -> str:
    """The topic that a hub below says on who is enrolled there."""
    return f"z/{realm}/{cell(hub)}/{hub}/h"


def all_family(realm: str) -> str:
    """The subscription of a hub to what hubs below say."""
    return f"z/{realm}/+/+/h"


def back(realm: str, relay: int) -> str:
    """The topic that a relay hears others' acknowledgements and messages on."""
    return f"z/{realm}/{cell(relay)}/{relay}/b"


def all_relayed(realm: str) -> str:
    """The subscription of a hub to what relays pass on."""
    return f"z/{realm}/+/+/r"


def all_up(realm: str, lanes: Iterable[Lane] = Lane) -> list[str]:
    """The subscriptions of a hub: one a lane, over all cells and devices."""
    return [f"z/{realm}/+/+/{int(lane)}" for lane in lanes]


@lru_cache(maxsize=4_096)
def parse_family(realm: str, topic: str) -> int | None:
    """The hub of a topic `…/h`, None for others; TopicError for a wrong one."""
    return parse_up(realm, f"{topic[:-1]}0").device if topic.endswith("/h") else None


@lru_cache(maxsize=4_096)
def parse_relayed(realm: str, topic: str) -> int:
    """The relay of a topic `…/r`; TopicError when it is not one."""
    if not topic.endswith("/r"):
        raise TopicError(f"topics: {topic[:80]!r} is not z/{realm}/<cell>/<relay>/r")
    return parse_up(realm, f"{topic[:-1]}0").device


@lru_cache(maxsize=65_536)
def parse_up(realm: str, topic: str) -> Up:
    """The device and lane of an uplink topic. TopicError says what is wrong with it."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[0] != "z" or parts[1] != realm:
        raise TopicError(f"topics: {topic[:80]!r} is not z/{realm}/<cell>/<device>/<lane>")
    number = parts[3]
    if not (number.isascii() and number.isdecimal()) or len(number) > 10 or int(number) > DEVICE_MAX:
        raise TopicError(f"topics: device {number[:20]!r}, allowed are 0–{DEVICE_MAX}")
    device = int(number)
    lane = _LANES.get(parts[4])
    if lane is None or parts[2] != cell(device) or str(device) != number:
        raise TopicError(f"topics: {topic[:80]!r}, lane or cell is not the device's")
    return Up(device, lane)
