"""Orders for ways of few bytes: BRIEF under one device's MAC, and a signed broadcast to everybody who hears it.

Enters: an `Order`, or bytes that came. Leaves: bytes, or what they say; OrderError when they are refused. Pure: `sign`
and `verify` are Ed25519 of whatever library the caller has. Callers: the hub's outbox, `edge.obey`, relays.

An all-clear has neither form: it needs two people's signatures, and those need 200 bytes. The same order in its brief
and in its full form has the same number and type, so it is obeyed once.
"""

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple

from protocols.errors import OrderError
from protocols.orders import NEVER_LATE, SEQ_MAX, SIGNATURE_BYTES, Order, OrderType, Verify

VERSION: Final = 1
MESSAGE_BYTES_MAX = 60
"""A message down with a body of BRIEF is never longer, its MAC included."""
BODY_BYTES_MAX = 47
TYPES = frozenset({OrderType.EVACUATE, OrderType.RETREAT, OrderType.TEXT, OrderType.ROLL_CALL})
"""What can be said so. A task needs its place, a configuration its signature, an all-clear two of them."""
_SEQ_BYTES, _TIME_BYTES = 7, 4
_HEAD_BYTES = 1 + _SEQ_BYTES + _TIME_BYTES
TEXT_BYTES_MAX = BODY_BYTES_MAX - _HEAD_BYTES
TIME_S_MAX = 2**32 - 1
CUT = "…"

BROADCAST_MARK = 0x31
"""Its high nibble is 3, where a narrow-band frame has 1 and a packet of several 2; the low one is the version."""
TEAM_BYTES = 4
EVERYBODY = bytes(TEAM_BYTES)
CONTENT_BYTES = 2 + _SEQ_BYTES + TEAM_BYTES
BROADCAST_BYTES = CONTENT_BYTES + SIGNATURE_BYTES
"""77: one short message of a BeiDou card of the lowest level."""
_BROADCAST = b"zhantu-broadcast\0"
_TEAM = "team:"


class Brief(NamedTuple):
    """What a body of BRIEF says. `expires_utc_ms` 0: it never expires. `text` ends with … where it was cut."""

    type: OrderType
    seq: int
    expires_utc_ms: int
    text: str


class Broadcast(NamedTuple):
    """An evacuation or retreat for all who hear it. `team`: `team_mark` of a team's name, or EVERYBODY."""

    type: OrderType
    seq: int
    team: bytes


# --- under one device's MAC --------------------------------------------------------------------------------


def pack_brief(order: Order) -> bytes:
    """The body of BRIEF, at most 47 bytes; b"" for an order that cannot be said so. OrderError for a number that is
    out of range."""
    if order.type not in TYPES:
        return b""
    late = order.type in NEVER_LATE
    until_s = 0 if late else min(TIME_S_MAX, max(1, -(-order.expires_utc_ms // 1000)))
    text = order.body.get("text")
    words = cut(text if isinstance(text, str) else "")
    return bytes((VERSION << 4 | order.type,)) + _number(order.seq) + until_s.to_bytes(_TIME_BYTES) + words


def open_brief(body: bytes) -> Brief:
    """What a body of BRIEF says; OrderError when it is none."""
    if not _HEAD_BYTES <= len(body) <= BODY_BYTES_MAX:
        raise OrderError(f"brief: {len(body)} bytes, {_HEAD_BYTES}–{BODY_BYTES_MAX} allowed")
    if body[0] >> 4 != VERSION:
        raise OrderError(f"brief: version {body[0] >> 4}, {VERSION} is known")
    kind = _type(body[0] & 15, TYPES, "brief")
    until_s = int.from_bytes(body[1 + _SEQ_BYTES : _HEAD_BYTES])
    if (until_s == 0) != (kind in NEVER_LATE):
        raise OrderError(f"brief: {kind.name.lower()} that expires at {until_s} s")
    try:
        text = body[_HEAD_BYTES:].decode()
    except UnicodeDecodeError:
        raise OrderError("brief: its text is not UTF-8") from None
    return Brief(kind, _open_number(body[1 : 1 + _SEQ_BYTES], "brief"), until_s * 1000, text)


def cut(text: str) -> bytes:
    """The beginning of a text, between two characters, in at most TEXT_BYTES_MAX bytes of UTF-8."""
    words = text.encode(errors="replace")
    if len(words) <= TEXT_BYTES_MAX:
        return words
    kept = words[: TEXT_BYTES_MAX - len(CUT.encode())].decode(errors="ignore")
    return (kept + CUT).encode()


# --- to everybody ------------------------------------------------------------------------------------------


def team_mark(team: str) -> bytes:
    """The 4 bytes that mean a team in a broadcast; two teams of one in 4 billion have the same."""
    mark = hashlib.blake2b(team.encode(), digest_size=TEAM_BYTES, person=b"zhantu-team").digest()
    return mark if mark != EVERYBODY else b"\0\0\0\1"


def pack_broadcast(order: Order, sign: Callable[[bytes], bytes]) -> bytes:
    """77 bytes under the hub's signature; b"" for an order of another type, or for single units."""
    team = _team(order.target)
    if order.type not in NEVER_LATE or team is None:
        return b""
    content = bytes((BROADCAST_MARK, order.type)) + _number(order.seq) + team
    return content + sign(_signed(order.realm, content))


def is_broadcast(data: bytes) -> bool:
    """Whether a packet of a narrow way looks like one, of this version or another."""
    return len(data) == BROADCAST_BYTES and data[0] >> 4 == BROADCAST_MARK >> 4


def open_broadcast(data: bytes, signer: bytes, realm: str, verify: Verify) -> Broadcast:
    """What a broadcast says; OrderError unless the hub whose public key is `signer` signed it for this realm."""
    if len(data) != BROADCAST_BYTES or data[0] != BROADCAST_MARK:
        raise OrderError(f"broadcast: {len(data)} bytes, {BROADCAST_BYTES} of version 1 needed")
    content, signature = data[:CONTENT_BYTES], data[CONTENT_BYTES:]
    if not verify(signer, _signed(realm, content), signature):
        raise OrderError("broadcast: the signature is not the hub's")
    kind = _type(content[1], NEVER_LATE, "broadcast")
    seq = _open_number(content[2 : 2 + _SEQ_BYTES], "broadcast")
    return Broadcast(kind, seq, content[-TEAM_BYTES:])


def _team(target: str) -> bytes | None:
    if target == "all":
        return EVERYBODY
    return team_mark(target.removeprefix(_TEAM)) if target.startswith(_TEAM) else None


def _signed(realm: str, content: bytes) -> bytes:
    return _BROADCAST + realm.encode() + b"\0" + content


def _number(seq: int) -> bytes:
    if not 0 <= seq <= SEQ_MAX:
        raise OrderError(f"order: number {seq}, 0–{SEQ_MAX} allowed")
    return seq.to_bytes(_SEQ_BYTES)


def _open_number(data: bytes, what: str) -> int:
    seq = int.from_bytes(data)
    if seq > SEQ_MAX:
        raise OrderError(f"{what}: number {seq}, at most {SEQ_MAX} allowed")
    return seq


def _type(number: int, allowed: frozenset[OrderType], what: str) -> OrderType:
    for kind in allowed:
        if kind == number:
            return kind
    raise OrderError(
        f"{what}: type {number}, allowed are {', '.join(str(int(kind)) for kind in sorted(allowed))}"
    )
