"""Hubs of one master tell each other who is enrolled and what is ordered: what is new soon, everything again and again.

Enters: the registry's devices, bodies of FAMILY. Leaves: bodies, and what a body says. Pure. Caller: `hub.app`.

No answer is needed: what got lost comes round again. `msgpack([[device, epoch, state, kind, relay, firmware, enrolled,
certificate's end, why, carried since, unit or nil], …])`, a unit as [callsign, kind, branch, team, stale_s, lost_s,
agency]. An order is a body of its own: `msgpack(["order", core, [[key id, signature, name], …], given at, origin,
devices])`, key ids and signatures in hexadecimal, devices of 4 bytes each, big-endian.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgpack

from hub import roster
from hub.errors import RosterError
from hub.store.devices import EPOCH_MAX, FIRMWARE_CHARS_MAX, KINDS
from hub.store.interface import UnitRow
from hub.store.sharing import STATES, Shared, SharedOrder
from protocols.topics import DEVICE_MAX

AT_ONCE = 10
"""Entries a message: about 1.5 KB, so that alarms pass on a slow link too."""
FIRST = 2 * AT_ONCE
EVERY_MS, REST_MS = 5_000, 60_000
"""Between news, and between messages that only repeat."""
ENTRIES_MAX = 64
ORDER = "order"
ORDERS_AT_ONCE = 4
DEVICES_MAX = 1_000
WHY_CHARS_MAX = 200
_T_MAX = 2**52


class OrderTeller:
    """Which orders one other hub was told when."""

    def __init__(self) -> None:
        self._told_ms: dict[bytes, int] = {}

    def due(self, open_orders: Sequence[SharedOrder], now_ms: int) -> list[bytes]:
        """Bodies: new orders at once, each again after a minute; a few at a time, so that alarms pass too."""
        cores = {order.core for order in open_orders}
        self._told_ms = {core: at_ms for core, at_ms in self._told_ms.items() if core in cores}
        some = [
            order
            for order in open_orders
            if not 0 <= now_ms - self._told_ms.get(order.core, -REST_MS) < REST_MS
        ]
        self._told_ms |= {order.core: now_ms for order in some[:ORDERS_AT_ONCE]}
        return [pack_order(order) for order in some[:ORDERS_AT_ONCE]]


class Teller:
    """What one other hub was told. After a restart the devices that changed last are told again at once, the others in
    their turn."""

    def __init__(self) -> None:
        self._told: dict[int, Shared] | None = None
        self._at = 0
        self._last_ms = -EVERY_MS
        self._turn_ms = 0
        self._asked_ms = -REST_MS

    def due(self, entries: Sequence[Shared], now_ms: int, unknown: Iterable[int] = ()) -> bytes | None:
        """The next body, None: not yet. What is new goes first, then the rest in turn. `unknown`: devices that the
        other one said it does not know."""
        if 0 <= now_ms - self._last_ms < EVERY_MS:
            return None
        self._last_ms = now_ms
        if self._told is None:
            self._told, self._turn_ms = {entry.device: entry for entry in entries[FIRST:]}, now_ms
        if not 0 <= now_ms - self._asked_ms < REST_MS:
            self._asked_ms = now_ms
            for device in unknown:
                self._told.pop(device, None)
        some = [entry for entry in entries if self._told.get(entry.device) != entry][:AT_ONCE]
        if not some:
            some = self._rest(entries, now_ms)
        self._told.update((entry.device, entry) for entry in some)
        return pack(some) if some else None

    def _rest(self, entries: Sequence[Shared], now_ms: int) -> list[Shared]:
        if not entries or 0 <= now_ms - self._turn_ms < REST_MS:
            return []
        self._turn_ms = now_ms
        self._at = self._at if self._at < len(entries) else 0
        some = list(entries[self._at : self._at + AT_ONCE])
        self._at += AT_ONCE
        return some


def pack(entries: Sequence[Shared]) -> bytes:
    data: bytes = msgpack.packb([[*e[:-1], e.unit and list(e.unit[1:])] for e in entries])
    return data


def pack_order(order: SharedOrder) -> bytes:
    devices = b"".join(device.to_bytes(4, "big") for device in order.devices[:DEVICES_MAX])
    said = [list(signature) for signature in order.signatures]
    data: bytes = msgpack.packb([ORDER, order.core, said, order.t_utc_ms, order.origin, devices])
    return data


def unpack_order(body: bytes) -> SharedOrder | None:
    """The order in a body, None when it speaks of devices; RosterError when it is not allowed."""
    try:
        said: Any = msgpack.unpackb(body, max_array_len=ENTRIES_MAX, max_map_len=0, max_ext_len=0)
    except (ValueError, RecursionError) as err:
        raise RosterError(f"family: not msgpack: {err}") from None
    if type(said) is not list or not said or said[0] != ORDER:
        return None
    if [type(part) for part in said[1:6]] != [bytes, list, int, str, bytes] or len(said[5]) % 4:
        raise RosterError("family: an order is a core, signatures, a time, an origin and devices")
    _, core, signatures, t_utc_ms, origin, devices = said[:6]
    if any(type(one) is not list or [type(part) for part in one] != [str] * 3 for one in signatures):
        raise RosterError("family: a signature is three texts")
    _whole("time of an order", t_utc_ms, 0, _T_MAX)
    numbers = tuple(int.from_bytes(devices[at : at + 4], "big") for at in range(0, len(devices), 4))
    return SharedOrder(core, [tuple(one) for one in signatures], t_utc_ms, origin[:WHY_CHARS_MAX], numbers)


def unpack(body: bytes) -> list[Shared]:
    """The entries of a body; RosterError when one is not allowed."""
    try:
        said: Any = msgpack.unpackb(body, max_array_len=ENTRIES_MAX, max_map_len=0, max_ext_len=0)
    except (ValueError, RecursionError) as err:
        raise RosterError(f"family: not msgpack: {err}") from None
    if type(said) is not list or any(type(one) is not list or len(one) < 11 for one in said):
        raise RosterError("family: a list of devices is needed")
    return [_entry(one[:11]) for one in said]


def _entry(said: list[Any]) -> Shared:
    device, epoch, state, kind, relay, firmware, enrolled, end, why, since, unit = said
    _whole("device", device, 1, DEVICE_MAX)
    _whole("epoch", epoch, 0, EPOCH_MAX)
    for name, value in (("enrolled", enrolled), ("end", end), ("since", since)):
        if value is not None:
            _whole(name, value, 0, _T_MAX)
    if state not in STATES or kind not in KINDS or type(relay) is not bool:
        raise RosterError(f"family: device {device} is {state!r}, {kind!r}")
    for name, value, most in (("firmware", firmware, FIRMWARE_CHARS_MAX), ("why", why, WHY_CHARS_MAX)):
        if type(value) is not str or len(value) > most:
            raise RosterError(f"family: {name} of device {device} is not a text of at most {most} characters")
    return Shared(device, epoch, state, kind, relay, firmware, enrolled, end, why, since, _unit(device, unit))


def _unit(device: int, said: Any) -> UnitRow | None:
    if said is None:
        return None
    if type(said) is not list or len(said) < 7:
        raise RosterError(f"family: the unit of device {device} is not a list of words")
    names = ("callsign", "kind", "branch", "team", "stale_s", "lost_s", "agency")
    words = {name: str(value) for name, value in zip(names, said, strict=False)}
    return roster.entry({"device": str(device), **words}, "family")[1]


def _whole(name: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise RosterError(f"family: {name} {str(value)[:20]}, {least}–{most} allowed")
