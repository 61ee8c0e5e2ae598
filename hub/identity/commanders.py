"""Commanders' keys, the signed list of them that reaches devices, and the all-clear that two people give.

Enters: requests of signed-in people, with public keys and signatures made in their browsers. Leaves: registry rows,
operator records, messages to screens, lists to publish. CommandError says why something is refused.
Callers: `hub.api.commander_routes`, `hub.app`.

A key is made for one shift and ends with it. Every change makes a new list with a higher number; a device obeys only
keys of the newest list it has seen, so a transfer of command takes the old commander's power away everywhere.
"""

import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hub.errors import Refused
from hub.identity.permissions import ALLOWED, Permission, Principal, Role
from hub.store.registry import SqliteRegistry
from hub.store.trust import AllClearRow, KeyRow
from protocols import orders
from protocols.errors import OrderError

HOUR_MS = 3_600_000
SHIFT_HOURS_MAX = 24
PROPOSED_MS = 10 * 60_000
ALL_CLEAR_MS_MAX = 24 * HOUR_MS
CLOCK_MS = 60_000
"""How far a browser's idea of the hub's time may be off."""
REASON_CHARS = (10, 500)
SHOWN_MAX = 20
ABOVE_SETTING = "list above"
_PROOF_MARK = b"zhantu-key\0"


class CommandError(Refused):
    """Refused: 403 not yours, 404 unknown, 409 too late, 422 not allowed."""


P = ParamSpec("P")
T = TypeVar("T")


def _one_at_a_time(
    method: Callable[Concatenate["Commanders", P], T],
) -> Callable[Concatenate["Commanders", P], T]:
    """Routes run in threads, and the hub looks each second: what holds and what the registry has must agree."""

    @wraps(method)
    def alone(self: "Commanders", /, *arguments: P.args, **named: P.kwargs) -> T:
        with self._lock:
            return method(self, *arguments, **named)

    return alone


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Ed25519, RFC 8032. False for anything that is not a good signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def proof_bytes(name: str, realm: str, public: bytes) -> bytes:
    """What a new key signs to show that its holder has it, for this person and this realm."""
    return b"\0".join((_PROOF_MARK + name.encode(), realm.encode(), public))


@dataclass(frozen=True, slots=True)
class Standing:
    """The keys that hold now, and the signed list of them. `number` 0: there never was a key."""

    number: int
    signed: bytes
    keys: tuple[KeyRow, ...]


class Commanders:
    """Who commands. All methods are short, may be called from any thread, and write to the disk."""

    def __init__(
        self,
        registry: SqliteRegistry,
        sign: Callable[[bytes], bytes],
        signer: bytes,
        realm: str,
        clock_ms: Callable[[], int],
        say: Callable[[dict[str, Any], Permission], object],
        alarm: Callable[[str, str], None],
    ) -> None:
        self._lock = threading.RLock()
        self._registry = registry
        self._trust = registry.trust
        self._sign = sign
        self._signer = signer
        self._realm = realm
        self._clock_ms = clock_ms
        self._say = say
        self._alarm = alarm
        self._listed: tuple[orders.CommanderKey, ...] = ()
        self._above = b""
        self._above_list: orders.KeyList | None = None
        self._open_above(bytes.fromhex(registry.setting(ABOVE_SETTING) or ""))
        self.standing = Standing(*(self._trust.newest_list() or (0, b"")), ())
        self.look()

    # --- keys --------------------------------------------------------------------------------------------

    @_one_at_a_time
    def look(self) -> None:
        """End keys whose time or whose person's right is over; take over what another program changed. Each second."""
        now_ms = self._clock_ms()
        keys = self._trust.standing_keys()
        over = {key.key_id: why for key in keys if (why := _over(key, now_ms))}
        for key_id, why in over.items():
            self._trust.end_key(key_id, now_ms, why)
            self._registry.record(now_ms, "hub", "command key ended", {"key": key_id, "why": why})
        held = tuple(key for key in keys if key.key_id not in over)
        if over or self._wanted(held, now_ms) != self._listed:
            self._renew(held, now_ms)
        elif held != self.standing.keys:  # only an offer
            self.standing = Standing(self.standing.number, self.standing.signed, held)
            self._tell()
        for row in self._trust.waiting_all_clears():
            if now_ms > row.expires_utc_ms:
                self._settle(row._replace(state="expired"), "hub", "all-clear expired")

    def _renew(self, keys: tuple[KeyRow, ...], now_ms: int) -> None:
        """Sign and keep a new list, unless the newest one in the registry says the same already."""
        entries = self._listed = self._wanted(keys, now_ms)
        last, said = self._trust.newest_list() or (0, b"")
        above = self._above_list
        if not last and not entries:
            return
        listed = self._said_by(said) if last else None
        if listed is not None and set(listed) == set(entries):
            self.standing = Standing(last, said, keys)
        elif above is not None and above.number > last and set(above.keys) == set(entries):
            self._trust.add_list(above.number, now_ms, self._above)  # the very same list: both hubs bring one
            self.standing = Standing(above.number, self._above, keys)
        else:
            # In seconds of UTC, so that a hub restored from an old copy still goes on above what devices hold.
            number = max(last + 1, now_ms // 1000)
            signed = orders.pack_list(orders.KeyList(number, self._realm, now_ms, entries), self._sign)
            self._trust.add_list(number, now_ms, signed)
            self.standing = Standing(number, signed, keys)
        self._tell()

    def _wanted(self, keys: Iterable[KeyRow], now_ms: int) -> tuple[orders.CommanderKey, ...]:
        """The keys of this hub, and those that the hub above lists beside them."""
        own = _entries(keys)
        above = () if self._above_list is None else self._above_list.keys
        foreign = [
            key for key in above if now_ms <= key.until_utc_ms and not self._trust.knows_key(key.key_id.hex())
        ]
        return (*own, *foreign)[: orders.KEYS_MAX]

    @_one_at_a_time
    def hear_above(self, signed: bytes) -> None:
        """The list of the hub above: its keys count for devices here too. One that was ever registered here is this
        hub's own affair and never comes back from there."""
        before = self._above, self._above_list
        if signed == self._above or not self._open_above(signed):
            return
        if (
            before[1] is not None
            and self._above_list is not None
            and self._above_list.number < before[1].number
        ):
            self._above, self._above_list = before
            return
        self._registry.set_setting(ABOVE_SETTING, signed.hex())
        self.look()

    def _open_above(self, signed: bytes) -> bool:
        """Hold this list as the one of the hub above, unless the family's signer did not sign it."""
        try:
            self._above_list = orders.open_list(signed, self._signer, self._realm, verify)
        except OrderError:
            return False
        self._above = signed
        return True

    def _said_by(self, signed: bytes) -> tuple[orders.CommanderKey, ...] | None:
        """The keys of a list as a device would read it; None when this hub's signer did not sign it."""
        try:
            return orders.open_list(signed, self._signer, self._realm, verify).keys
        except OrderError:
            return None

    @_one_at_a_time
    def register(
        self,
        me: Principal,
        public: bytes,
        proof: bytes,
        hours: int,
        takes_over: str | None = None,
        reason: str = "",
    ) -> int:
        """Make `public` the key of this person's shift; the number of the new list.

        `takes_over`: a key that was offered to this person, which ends with this. Without an offer it needs a reason,
        because its holder may be hurt; that is recorded and told to all.
        """
        now_ms = self._clock_ms()
        self._needs(me, Permission.ORDER)
        if not 1 <= hours <= SHIFT_HOURS_MAX:
            raise CommandError(422, f"hours {hours}, 1–{SHIFT_HOURS_MAX} allowed")
        if len(public) != orders.PUBLIC_BYTES or not verify(
            public, proof_bytes(me.name, self._realm, public), proof
        ):
            raise CommandError(422, "the proof does not fit the public key, your name and this realm")
        key_id = orders.key_id(public).hex()
        with self._registry.together():
            if self._trust.knows_key(key_id):
                raise CommandError(409, "this key was registered before; each shift makes a new one")
            mine = [key for key in self._trust.standing_keys() if key.user == me.name]
            if len(self.standing.keys) - len(mine) >= orders.KEYS_MAX:
                raise CommandError(409, f"{orders.KEYS_MAX} keys hold already; end one first")
            for key in mine:
                self._trust.end_key(key.key_id, now_ms, "a new shift")
            if takes_over is not None:
                self._take_over(me, takes_over, reason.strip(), now_ms)
            self._trust.add_key(key_id, public.hex(), me.name, now_ms, now_ms + hours * HOUR_MS)
            self._registry.record(now_ms, me.name, "command key registered", {"key": key_id, "hours": hours})
        self.look()
        return self.standing.number

    def _take_over(self, me: Principal, key_id: str, reason: str, now_ms: int) -> None:
        old = self._held(key_id)
        offered = old.offered_to == me.name
        if not offered and not REASON_CHARS[0] <= len(reason) <= REASON_CHARS[1]:
            raise CommandError(
                403,
                f"the key of {old.user} was not offered to you; taking over needs a reason of"
                f" {REASON_CHARS[0]}–{REASON_CHARS[1]} characters",
            )
        self._trust.end_key(key_id, now_ms, f"taken over by {me.name}")
        said: dict[str, object] = {"key": key_id, "from": old.user, "offered": offered, "reason": reason}
        self._registry.record(now_ms, me.name, "command taken over", said)
        if not offered:
            self._alarm("break_glass", f"{me.name}: {reason}")

    @_one_at_a_time
    def hand_over(self, me: Principal, key_id: str, to: str) -> None:
        """Offer command to another person; it changes hands when that person registers a key."""
        self._needs(me, Permission.ORDER)
        if self._held(key_id).user != me.name:
            raise CommandError(403, "only the holder of a key can offer it")
        if to == me.name or to not in self.may_command():
            raise CommandError(422, f"{to[:40]!r} is not another person who may command")
        self._trust.offer_key(key_id, to)
        self._registry.record(self._clock_ms(), me.name, "command offered", {"key": key_id, "to": to})
        self.look()

    def may_command(self) -> list[str]:
        """Everybody whose role may hold a key, by name."""
        return [
            person.name
            for person in self._registry.people.everybody()
            if person.state == "active" and _commands(person.role)
        ]

    @_one_at_a_time
    def end(self, me: Principal, key_id: str) -> None:
        """End one's own key, or somebody's whose computer was lost."""
        key = self._held(key_id)
        if key.user != me.name and not me.may(Permission.PEOPLE):
            raise CommandError(403, "only its holder or an administrator can end a key")
        now_ms = self._clock_ms()
        self._trust.end_key(key_id, now_ms, f"ended by {me.name}")
        self._registry.record(now_ms, me.name, "command key ended", {"key": key_id, "of": key.user})
        self.look()

    def _held(self, key_id: str) -> KeyRow:
        for key in self._trust.standing_keys():
            if key.key_id == key_id:
                return key
        raise CommandError(404, f"no key {key_id[:16]!r} holds")

    # --- all-clear ---------------------------------------------------------------------------------------

    @property
    def next_seq(self) -> int:
        """The least number that the next order may have. It never goes back, also when the clock does."""
        return max(int(self._registry.setting("order_seq") or 0) + 1, self._clock_ms())

    def take_seq(self, seq: int | None, now_ms: int) -> int:
        """The number of the next order, within the caller's transaction; None: the hub makes it. Whoever signed one
        made it when the browser asked, and the clock has gone on since. 409: another has it, or it is too old."""
        least = int(self._registry.setting("order_seq") or 0) + 1
        first, last = max(least, now_ms - PROPOSED_MS), max(least, now_ms + CLOCK_MS)
        given = max(least, now_ms) if seq is None else seq
        if not first <= given <= last:
            raise CommandError(409, f"seq {given}, {first}–{last} allowed; ask for it again")
        self._registry.set_setting("order_seq", str(given))
        return given

    def note_seq(self, seq: int) -> None:
        """An order of this number was given without being written down; within the caller's transaction."""
        last = int(self._registry.setting("order_seq") or 0)
        self._registry.set_setting("order_seq", str(max(last, seq)))

    @_one_at_a_time
    def signed(self, me: Principal, core: bytes, key_id: str, signature: bytes) -> orders.Order:
        """The evacuation or retreat that this person has signed, judged as each device will judge it."""
        now_ms = self._clock_ms()
        self._needs(me, Permission.ORDER)
        order = self._opened(core)
        if order.type not in orders.NEVER_LATE or order.realm != self._realm:
            raise CommandError(422, f"an evacuation or retreat of realm {self._realm!r} is needed")
        if order.issuer != me.name or order.role != me.role:
            raise CommandError(422, "issuer and role of the order are not yours")
        if abs(order.not_before_utc_ms - now_ms) > PROPOSED_MS:
            raise CommandError(422, "the order's times do not fit the hub's clock")
        self._signed_by(me, core, key_id, signature)
        try:
            keys = orders.KeyList(0, self._realm, now_ms, _entries(self.standing.keys))
            said = [orders.Signature(bytes.fromhex(key_id), signature)]
            return orders.check_signatures(core, said, keys, verify, now_ms)[0]
        except OrderError as err:
            raise CommandError(409, str(err)) from None

    @_one_at_a_time
    def propose(self, me: Principal, core: bytes, key_id: str, signature: bytes) -> AllClearRow:
        """The first signature under an all-clear. With a reason under `break_glass` it is given at once."""
        now_ms = self._clock_ms()
        self._needs(me, Permission.ALL_CLEAR)
        order = self._opened(core)
        lone = order.body.get(orders.BREAK_GLASS)
        if order.type != orders.OrderType.ALL_CLEAR or order.realm != self._realm:
            raise CommandError(422, f"an all-clear of realm {self._realm!r} is needed")
        if order.target.startswith("zone:"):
            raise CommandError(422, "an all-clear names all, a team or units: others are in a zone by now")
        if order.issuer != me.name or order.role != me.role:
            raise CommandError(422, "issuer and role of the order are not yours")
        if lone is not None and (
            not isinstance(lone, str) or not REASON_CHARS[0] <= len(lone.strip()) <= REASON_CHARS[1]
        ):
            raise CommandError(422, f"a reason of {REASON_CHARS[0]}–{REASON_CHARS[1]} characters is needed")
        if (
            abs(order.not_before_utc_ms - now_ms) > PROPOSED_MS
            or order.expires_utc_ms - now_ms > ALL_CLEAR_MS_MAX
        ):
            raise CommandError(422, "the order's times do not fit the hub's clock")
        self._signed_by(me, core, key_id, signature)
        state = "proposed" if lone is None else "given"
        row = AllClearRow(
            secrets.token_hex(8), core, me.name, now_ms, min(now_ms + PROPOSED_MS, order.expires_utc_ms), state,
            [(key_id, signature.hex(), me.name)],
        )  # fmt: skip
        with self._registry.together():
            self.take_seq(order.seq, now_ms)
            self._trust.add_all_clear(row)
            self._record(
                row, me.name, "all-clear proposed" if lone is None else "all-clear given by one person"
            )
        if lone is not None:
            self._alarm("break_glass", f"{me.name}: {lone.strip()}")
        self._say(said_of(row), Permission.PICTURE)
        return row

    @_one_at_a_time
    def sign_too(self, me: Principal, id: str, key_id: str, signature: bytes) -> AllClearRow:
        """The second signature, by another person: the all-clear is given."""
        now_ms = self._clock_ms()
        self._needs(me, Permission.ALL_CLEAR)
        row = self._trust.all_clear(id)
        if row is None:
            raise CommandError(404, f"no all-clear {id[:16]!r}")
        if row.state != "proposed" or now_ms > row.expires_utc_ms:
            raise CommandError(
                409, f"this all-clear is {'expired' if row.state == 'proposed' else row.state}"
            )
        if me.name == row.proposed_by:
            raise CommandError(403, "an all-clear needs two people: somebody else has to sign it")
        self._signed_by(me, row.core, key_id, signature)
        row = row._replace(state="given", signatures=[*row.signatures, (key_id, signature.hex(), me.name)])
        said = [orders.Signature(bytes.fromhex(mark), bytes.fromhex(sig)) for mark, sig, _ in row.signatures]
        try:  # as a device will: the first signer's key may have ended since
            keys = orders.KeyList(0, self._realm, now_ms, _entries(self.standing.keys))
            orders.check_signatures(row.core, said, keys, verify, now_ms)
        except OrderError as err:
            raise CommandError(409, str(err)) from None
        if not self._settle(row, me.name, "all-clear given"):
            raise CommandError(409, "somebody else decided it in this moment")
        return row

    def all_clears(self) -> list[AllClearRow]:
        return self._trust.all_clears(SHOWN_MAX)

    def _settle(self, row: AllClearRow, who: str, what: str) -> bool:
        with self._registry.together():
            if not self._trust.decide(row, self._clock_ms()):
                return False
            self._record(row, who, what)
        self._say(said_of(row), Permission.PICTURE)
        return True

    def _record(self, row: AllClearRow, who: str, what: str) -> None:
        """With the signed bytes themselves: whoever has the log can verify them again without this hub."""
        content: dict[str, object] = {
            "id": row.id,
            "core": row.core.hex(),
            "signatures": [list(said) for said in row.signatures],
        }
        self._registry.record(self._clock_ms(), who, what, content)

    def _opened(self, core: bytes) -> orders.Order:
        try:
            return orders.open_order(core)
        except OrderError as err:
            raise CommandError(422, str(err)) from None

    def _signed_by(self, me: Principal, core: bytes, key_id: str, signature: bytes) -> None:
        self.look()  # a key past its time signs nothing
        key = self._held(key_id)
        if key.user != me.name:
            raise CommandError(403, f"the key is of {key.user}, not yours")
        if not verify(bytes.fromhex(key.public), orders.signed_bytes(core), signature):
            raise CommandError(422, "the signature does not fit the order")

    def _needs(self, me: Principal, permission: Permission) -> None:
        """Also checked by the routes; here again because lives hang on it. A program's token never commands."""
        if me.is_token or not me.may(permission):
            raise CommandError(403, f"role {me.role} may not {permission}")

    # --- telling -----------------------------------------------------------------------------------------

    def _tell(self) -> None:
        self._say(self.message(), Permission.PICTURE)

    def message(self) -> dict[str, object]:
        """The feed's `commanders`."""
        keys = [
            {
                "key_id": key.key_id,
                "name": key.user,
                "role": key.role,
                "from_utc_ms": key.from_utc_ms,
                "until_utc_ms": key.until_utc_ms,
                "offered_to": key.offered_to,
            }
            for key in self.standing.keys
        ]
        return {"k": "commanders", "list_number": self.standing.number, "keys": keys}

    def greeting(self, me: Principal) -> Iterable[dict[str, object]]:
        """What a screen is told first: who commands, and all-clears that wait for a second person."""
        if not me.may(Permission.PICTURE):
            return
        yield self.message()
        for row in self._trust.waiting_all_clears()[:SHOWN_MAX]:
            yield said_of(row)


def said_of(row: AllClearRow) -> dict[str, Any]:
    """The feed's `all_clear`."""
    order = orders.open_order(row.core)
    return {
        "k": "all_clear",
        "id": row.id,
        "state": row.state,
        "target": order.target,
        "by": [name for _, _, name in row.signatures],
        "break_glass": order.body.get(orders.BREAK_GLASS),
        "core": row.core.hex(),
        "t": row.proposed_utc_ms,
        "expires_utc_ms": row.expires_utc_ms,
    }


def _over(key: KeyRow, now_ms: int) -> str:
    """Why a key ends, or ""."""
    if now_ms > key.until_utc_ms:
        return "the shift is over"
    if key.state != "active" or not _commands(key.role):
        return f"{key.user} may not command any more"
    return ""


def _commands(role: str) -> bool:
    return role in set(Role) and Permission.ORDER in ALLOWED[Role(role)]


def _entries(keys: Iterable[KeyRow]) -> tuple[orders.CommanderKey, ...]:
    """The keys as the list holds them."""
    return tuple(
        orders.CommanderKey(
            bytes.fromhex(key.key_id), bytes.fromhex(key.public), key.user, key.role, key.until_utc_ms
        )
        for key in keys
    )
