"""What goes down to a device beside acknowledgements: the list of commanders' keys, and what a commander signs.

Enters: keys, orders, signatures. Leaves: bytes, and back. Pure: `verify(public, message, signature)` is Ed25519 of
whatever library the caller has. **Source:** RFC 8032 (Ed25519); DESIGN, orders.

A message on topic `…/o` is `msgpack([1, what, body]) + MAC` under the device's own key. `what` 1: the hub-signed list
of commanders' keys. A device keeps the list with the highest number it has seen and never goes back.
"""

import hashlib
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, NamedTuple

import msgpack

from protocols.errors import OrderError
from protocols.keys import MAC_BYTES, MacKey, same

VERSION = 1
DOWN_BYTES_MAX = 8_192
KEYS_MAX = 32
LIST_NUMBER_MAX = 2**32 - 1
"""A device reports the number in its health row, whose field ends here."""
PUBLIC_BYTES, SIGNATURE_BYTES, KEY_ID_BYTES = 32, 64, 8
SIGNATURES_MAX = 4
_LIST_MARK = b"zhantu-keys\0"
_ORDER_MARK = b"zhantu-order\0"
BREAK_GLASS = "break_glass"
"""Key of an all-clear's body: why one person alone signed it."""

Verify = Callable[[bytes, bytes, bytes], bool]
_packer = msgpack.Packer(use_bin_type=True)


class What(IntEnum):
    """What a message down carries."""

    KEYS = 1
    SEEN = 2  # somebody has seen an event of this device: tell its wearer
    ORDER = 3  # [core, [[key_id, signature], …]]
    BRIEF = 4  # an evacuation or retreat for a way that is too narrow for signatures
    PASSED = 5  # to a relay that keeps what it passes on: what became of its numbers (`protocols.relay`)
    TEAM = 6  # to a relay: by which keys it may ask a roll-call while no hub is in reach
    FAMILY = 7  # between hubs of one master, both ways: who is enrolled


class OrderType(IntEnum):
    """What an order is about. Those of `SIGNED` need a commander's signature, CONFIG the hub's own."""

    EVACUATE = 1
    RETREAT = 2
    ALL_CLEAR = 3
    TEXT = 4  # body: text
    ROLL_CALL = 5  # to be answered by the wearer
    CONFIG = 6  # body: version, changes, confirm_s
    TASK = 7  # body: text, and lat_deg_e7, lon_deg_e7 of where; to be accepted, refused, done


class ConfigRefusal(IntEnum):
    """Why a gateway refused a configuration, or went back from it: `event_value` of its REFUSED."""

    SHAPE = 1  # the body is not version, changes, confirm_s
    VERSION = 2  # not higher than one that was there before
    KEY = 3  # a key that is not to be changed so, is unknown, or has a value out of range
    DISK = 4  # it cannot be written
    STOPPED = 5  # the gateway stopped or crashed during the trial, or another change came; it went back
    NOT_REACHED = 6  # the hub was not reached within confirm_s, and it went back


SIGNED = frozenset({OrderType.EVACUATE, OrderType.RETREAT, OrderType.ALL_CLEAR})
NEVER_LATE = frozenset({OrderType.EVACUATE, OrderType.RETREAT})
"""Never refused for their time: obeyed once, unless a newer all-clear is known."""
SEQ_MAX = 2**53


class CommanderKey(NamedTuple):
    """A key that may sign orders until a time. `name` is the account's, `public` 32 bytes of Ed25519."""

    key_id: bytes
    public: bytes
    name: str
    role: str
    until_utc_ms: int


class KeyList(NamedTuple):
    """All keys that may sign now. A list with a higher `number` replaces it, also by none."""

    number: int
    realm: str
    t_utc_ms: int
    keys: tuple[CommanderKey, ...]


class Order(NamedTuple):
    """An order as it is signed. `target` "all", "team:<name>", a unit's id, "units:<id>,<id>…" or "zone:<id>"; times
    UTC ms. `seq` is its number in all receipts: max(last + 1, UTC ms) of whoever gives numbers, so no two of a hub have
    the same."""

    id: str
    realm: str
    target: str
    type: int
    body: dict[str, Any]
    issuer: str
    role: str
    seq: int
    not_before_utc_ms: int
    expires_utc_ms: int


class Signature(NamedTuple):
    """One person's signature under an order's bytes."""

    key_id: bytes
    signature: bytes


def key_id(public: bytes) -> bytes:
    """The first 8 bytes of SHA-256 over a public key."""
    return hashlib.sha256(public).digest()[:KEY_ID_BYTES]


# --- messages down -----------------------------------------------------------------------------------------


def pack_down(what: What, body: bytes, mac_key: MacKey) -> bytes:
    """A message for one device; OrderError when it is longer than a device takes."""
    data: bytes = _packer.pack([VERSION, int(what), body])
    if len(data) + MAC_BYTES > DOWN_BYTES_MAX:
        raise OrderError(f"order: {len(data) + MAC_BYTES} bytes, at most {DOWN_BYTES_MAX} allowed")
    return data + mac_key.order(data)


def unpack_down(data: bytes, mac_key: MacKey) -> tuple[int, bytes]:
    """(what, body) of a message; OrderError says why it is refused. `what` may be one this program does not know."""
    if not MAC_BYTES < len(data) <= DOWN_BYTES_MAX:
        raise OrderError(f"order: {len(data)} bytes, at most {DOWN_BYTES_MAX} allowed")
    if not same(mac_key.order(data[:-MAC_BYTES]), data[-MAC_BYTES:]):
        raise OrderError("order: MAC is not the hub's")
    elements = _array(data[:-MAC_BYTES], "order", 3)
    version, what, body = elements[:3]
    if version != VERSION or type(what) is not int or type(body) is not bytes:
        raise OrderError(f"order: not a message of version {VERSION}")
    return what, body


# --- orders down -------------------------------------------------------------------------------------------


def pack_signed(core: bytes, signatures: Iterable[Signature]) -> bytes:
    """The body of ORDER: the very bytes that were signed, and who signed."""
    data: bytes = _packer.pack([core, [list(said) for said in signatures]])
    return data


def open_signed(body: bytes) -> tuple[bytes, tuple[Signature, ...]]:
    """(core, signatures) of a body of ORDER; OrderError when it is not one. Nothing is verified yet."""
    core, said = _array(body, "order", 2)[:2]
    if type(core) is not bytes or type(said) is not list or len(said) > SIGNATURES_MAX:
        raise OrderError(f"order: a core and at most {SIGNATURES_MAX} signatures are needed")
    for pair in said:
        if type(pair) is not list or [type(part) for part in pair[:2]] != [bytes, bytes]:
            raise OrderError("order: a signature is [key id, bytes]")
    return core, tuple(Signature(*pair[:2]) for pair in said)


# --- somebody has seen it ----------------------------------------------------------------------------------


def pack_seen(event_id: int, by: str, t_utc_ms: int) -> bytes:
    """The body of SEEN: the device's own number of the event, who has seen it, and when."""
    data: bytes = _packer.pack([event_id, by, t_utc_ms])
    return data


def open_seen(body: bytes) -> tuple[int, str, int]:
    """(event id, by, t_utc_ms) of a body of SEEN; OrderError when it is not one."""
    event_id, by, t_utc_ms = _array(body, "seen", 3)[:3]
    if type(event_id) is not int or type(by) is not str or type(t_utc_ms) is not int:
        raise OrderError("seen: an event id, a name and a time are needed")
    if not 0 <= event_id < 2**63 or not 0 <= t_utc_ms < 2**52:
        raise OrderError(f"seen: event {event_id} at {t_utc_ms} ms: out of range")
    return event_id, by, t_utc_ms


# --- the list of commanders' keys --------------------------------------------------------------------------


def pack_list(keys: KeyList, sign: Callable[[bytes], bytes]) -> bytes:
    """The list with the hub's signature."""
    if len(keys.keys) > KEYS_MAX:
        raise OrderError(f"keys: {len(keys.keys)} keys, at most {KEYS_MAX} allowed")
    body: bytes = _packer.pack([keys.number, keys.realm, keys.t_utc_ms, [list(key) for key in keys.keys]])
    data: bytes = _packer.pack([body, sign(_LIST_MARK + body)])
    return data


def open_list(data: bytes, signer: bytes, realm: str, verify: Verify) -> KeyList:
    """The list in `data`; OrderError unless the hub whose public key is `signer` signed it for this realm."""
    body, signature = _array(data, "keys", 2)[:2]
    if type(body) is not bytes or type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
        raise OrderError("keys: a body and a signature of 64 bytes are needed")
    if not verify(signer, _LIST_MARK + body, signature):
        raise OrderError("keys: the signature is not the hub's")
    number, said_realm, t_utc_ms, entries = _array(body, "keys", 4)[:4]
    if type(number) is not int or type(t_utc_ms) is not int or type(entries) is not list:
        raise OrderError("keys: number, realm, time and a list of keys are needed")
    if not 0 <= number <= LIST_NUMBER_MAX or len(entries) > KEYS_MAX:
        raise OrderError(f"keys: number {number} with {len(entries)} keys, at most {KEYS_MAX} allowed")
    if said_realm != realm:
        raise OrderError(f"keys: for realm {str(said_realm)[:20]!r}, not {realm!r}")
    return KeyList(number, realm, t_utc_ms, tuple(_commander(entry) for entry in entries))


def _commander(entry: Any) -> CommanderKey:
    kinds = (bytes, bytes, str, str, int)
    if type(entry) is not list or len(entry) < len(kinds):
        raise OrderError("keys: an entry is [id, public key, name, role, until]")
    if any(type(value) is not kind for value, kind in zip(entry, kinds, strict=False)):
        raise OrderError("keys: an element of an entry has the wrong type")
    key = CommanderKey(*entry[: len(kinds)])
    if len(key.public) != PUBLIC_BYTES or key.key_id != key_id(key.public):
        raise OrderError("keys: an id does not fit its public key")
    return key


# --- orders ------------------------------------------------------------------------------------------------


def pack_order(order: Order) -> bytes:
    """The bytes that a commander signs: msgpack of the ten elements in their order."""
    data: bytes = _packer.pack(list(order))
    return data


def open_order(core: bytes) -> Order:
    """The order in `core`; OrderError when it is not one."""
    elements = _array(core, "order", len(Order._fields))
    kinds = (str, str, str, int, dict, str, str, int, int, int)
    for name, value, kind in zip(Order._fields, elements, kinds, strict=False):
        if type(value) is not kind:
            raise OrderError(f"order: {name} is {type(value).__name__}, {kind.__name__} needed")
    order = Order(*elements[: len(kinds)])
    if order.type not in set(OrderType):
        raise OrderError(f"order: type {order.type}, known are {', '.join(str(int(t)) for t in OrderType)}")
    if order.not_before_utc_ms >= order.expires_utc_ms:
        raise OrderError("order: it expires before it begins")
    return order


def signed_bytes(core: bytes) -> bytes:
    """What the signature is made over: a mark, so that nothing else that is ever signed can pass as an order."""
    return _ORDER_MARK + core


def check_signatures(
    core: bytes, signatures: Iterable[Signature], keys: KeyList, verify: Verify, t_utc_ms: int | None
) -> tuple[Order, tuple[str, ...]]:
    """The order and the names of its signers; OrderError when it may not be obeyed.

    Evacuate and retreat need one commander of the list. An all-clear needs two different people, or one and a
    reason under `break_glass`. `t_utc_ms` None: the time is not known, so no key counts as expired. Of other types
    nothing is signed here: the message's MAC says that it is the hub's.
    """
    order = open_order(core)
    if order.realm != keys.realm:
        raise OrderError(f"order: for realm {order.realm[:20]!r}, not {keys.realm!r}")
    known = {key.key_id: key for key in keys.keys}
    signers: list[str] = []
    for mark, signature in signatures:
        key = known.get(mark)
        if key is None:
            raise OrderError("order: signed with a key that is on no list: it may have been handed over")
        if t_utc_ms is not None and t_utc_ms > key.until_utc_ms:
            raise OrderError(f"order: the key of {key.name} has expired")
        if not verify(key.public, signed_bytes(core), signature):
            raise OrderError(f"order: the signature of {key.name} does not fit")
        if key.name not in signers:
            signers.append(key.name)
    if not signers:
        raise OrderError("order: nobody signed it")
    if order.issuer not in signers:
        raise OrderError(f"order: {order.issuer!r} is named as its issuer and did not sign")
    reason = order.body.get(BREAK_GLASS)
    alone = isinstance(reason, str) and bool(reason.strip())
    if order.type == OrderType.ALL_CLEAR and len(signers) < 2 and not alone:
        raise OrderError("order: an all-clear needs two people")
    return order, tuple(signers)


def _array(data: bytes, what: str, least: int) -> list[Any]:
    try:
        elements: Any = msgpack.unpackb(data, max_array_len=128, max_map_len=32, max_ext_len=0)
    except (ValueError, RecursionError) as err:
        raise OrderError(f"{what}: not msgpack: {err}") from None
    if type(elements) is not list or len(elements) < least:
        raise OrderError(f"{what}: an array of at least {least} elements is needed")
    return elements
