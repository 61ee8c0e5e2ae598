"""The desk where orders are given: who may, to whom, in which words; then registry, operator record, outbox.

Enters: requests of signed-in people, with a commander's signature where one is needed, and all-clears that two people
gave. Leaves: an order in the registry together with its record in the chain. `OrderRefused` says why not. Methods block
and may be called from any thread: of the live units they read only what is replaced as a whole or grows at its end.
Callers: `hub.api.order_routes`, `hub.app` (all-clears, each second).
"""

import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from hub.errors import Refused, StoreError
from hub.identity.commanders import Commanders
from hub.identity.people import Person
from hub.identity.permissions import ALLOWED, Audience, Permission, Principal, Role
from hub.live.units import Units
from hub.store.orders import CarrierRow, OrderRow
from hub.store.registry import SqliteRegistry
from protocols import orders
from protocols.orders import Order, OrderType
from protocols.units import MS_PER_DAY

log = logging.getLogger(__name__)
ALL, TEAM, SOME, ZONE = "all", "team:", "units:", "zone:"
NAMED_MAX = 200
"""Units that one order may name one by one."""
TEXT_CHARS_MAX = 500
BODY_BYTES_MAX = 4_096
EXPIRES_S = {
    OrderType.TEXT: 12 * 3_600,
    OrderType.ROLL_CALL: 3_600,
    OrderType.TASK: 12 * 3_600,
    OrderType.CONFIG: 24 * 3_600,
}
"""For how long an order is sent and obeyed when nobody says otherwise."""
EXPIRES_S_MAX = 7 * 24 * 3_600
RECORDED_UNITS = 500
UNWRITTEN_MAX = 50
"""Evacuations given while the registry could not be written; of more the oldest is sent, and never kept."""
P = Permission
NEEDS: dict[OrderType, tuple[Permission, ...]] = {
    OrderType.EVACUATE: (P.ORDER,),
    OrderType.RETREAT: (P.ORDER,),
    OrderType.ALL_CLEAR: (P.ALL_CLEAR,),
    OrderType.TEXT: (P.DISPATCH, P.ORDER, P.ACKNOWLEDGE),
    OrderType.ROLL_CALL: (P.DISPATCH, P.ORDER, P.ACKNOWLEDGE),
    OrderType.TASK: (P.DISPATCH,),
    OrderType.CONFIG: (P.DEVICES,),
}
"""One of these is needed. A team leader speaks to the own team only."""


class OrderRefused(Refused):
    """Refused: 403 not yours to give, 404 no such unit, 409 too late or doubled, 422 not allowed."""


class Group(NamedTuple):
    """Whom a target means now: the units, and the devices they carry."""

    units: tuple[str, ...]
    carriers: tuple[tuple[int, str], ...]


class Given(NamedTuple):
    """What `_keep` writes."""

    order: Order
    core: bytes
    signatures: list[tuple[str, str, str]]
    group: Group
    who: str
    t_utc_ms: int
    origin: str = ""

    @property
    def row(self) -> OrderRow:
        order = self.order
        return OrderRow(
            order.seq, order.id, order.type, self.core, self.signatures, self.t_utc_ms, self.origin, self.group.units
        )  # fmt: skip


class OrderDesk:
    """Gives numbers, keeps, records."""

    def __init__(
        self,
        registry: SqliteRegistry,
        commanders: Commanders,
        units: Units,
        sign: Callable[[bytes], bytes],
        signer: bytes,
        realm: str,
        clock_ms: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._commanders = commanders
        self._units = units
        self._sign = sign
        self._signer = signer
        self._realm = realm
        self._clock_ms = clock_ms
        self._unwritten: deque[Given] = deque(maxlen=UNWRITTEN_MAX)
        self.zone_slots: Callable[[str, Audience], list[int] | None] = lambda _zone, _audience: None
        """Who is or may be in a zone; None: no such zone. `hub.safety` sets it."""

    # --- whom ----------------------------------------------------------------------------------------------

    def resolve(self, me: Principal, type: OrderType, target: str) -> Group:
        """The units of a target that this person sees. Reported ones are nobody who could obey."""
        if not any(me.may(permission) for permission in NEEDS[type]) or me.is_token:
            raise OrderRefused(403, f"role {me.role} may not order: {type.name.lower()}")
        slots = [
            slot
            for slot in self._slots(target, me.audience)
            if me.audience.sees(self._units.rows[slot].agency)
        ]
        if me.role == Role.TEAM_LEADER and any(self._units.rows[slot].team != me.team for slot in slots):
            raise OrderRefused(403, "not all of these are of your team")
        if not slots:
            raise OrderRefused(422, f"target {target[:40]!r}: nobody is meant")
        return self._group(slots)

    def _slots(self, target: str, audience: Audience) -> list[int]:
        rows, hubs = self._units.rows, self._registry.devices.hubs()  # a hub of the family obeys no orders
        ours = [
            slot
            for slot in range(len(rows))
            if not self._units.is_reported(slot) and self._units.device_of(slot) not in hubs
        ]
        if target == ALL:
            return ours
        if target.startswith(TEAM):
            return [slot for slot in ours if rows[slot].team == target.removeprefix(TEAM)]
        if target.startswith(ZONE):
            found = self.zone_slots(target.removeprefix(ZONE), audience)
            if found is None:
                raise OrderRefused(404, f"no zone {target.removeprefix(ZONE)[:40]!r} stands")
            return sorted(set(found) & set(ours))
        names = target.removeprefix(SOME).split(",")
        if len(names) > NAMED_MAX:
            raise OrderRefused(422, f"target: {len(names)} units, at most {NAMED_MAX} allowed")
        known = {rows[slot].id: slot for slot in ours}
        missing = [name for name in names if name not in known]
        if missing:
            raise OrderRefused(404, f"no unit {missing[0][:40]!r}")
        return [known[name] for name in dict.fromkeys(names)]

    def _group(self, slots: Iterable[int]) -> Group:
        rows, devices = self._units.rows, self._units.devices_now()
        units = tuple(rows[slot].id for slot in slots)
        return Group(units, tuple((d, rows[slot].id) for slot in slots for d in devices.get(slot, ())))

    def resolve_given(self, name: str, target: str) -> Group:
        """Of an all-clear: the units that its proposer sees. None when they are not known any more."""
        row = self._registry.people.person(name)
        if row is None or row.role not in set(Role):
            return Group((), ())
        person = Person.of(row)
        seen = Principal(
            name, person.role, person.agency, person.sees, person.team, "", ALLOWED[person.role], 0
        )
        slots = [
            s for s in self._slots(target, seen.audience) if seen.audience.sees(self._units.rows[s].agency)
        ]
        return self._group(slots)

    # --- giving --------------------------------------------------------------------------------------------

    def give(
        self,
        me: Principal,
        type: OrderType,
        target: str,
        body: Mapping[str, object],
        expires_s: int | None = None,
    ) -> OrderRow:
        """An order that nobody has to sign: the hub's word is enough. A configuration the hub signs itself."""
        if type not in EXPIRES_S:
            raise OrderRefused(422, f"{type.name.lower()} has to be signed by a commander")
        group, now_ms = self.resolve(me, type, target), self._clock_ms()
        until_ms = now_ms + 1000 * (expires_s or EXPIRES_S[type])
        with self._registry.together():
            seq = self._commanders.take_seq(None, now_ms)
            full = {**body, "version": seq} if type == OrderType.CONFIG else dict(body)
            order = Order(
                secrets.token_hex(8), self._realm, target, int(type), full, me.name, str(me.role), seq,
                now_ms, until_ms,
            )  # fmt: skip
            core = orders.pack_order(order)
            said = [self._hubs_word(core)] if type == OrderType.CONFIG else []
            return self._keep(Given(order, core, said, group, me.name, now_ms))

    def _hubs_word(self, core: bytes) -> tuple[str, str, str]:
        made = self._sign(orders.signed_bytes(core))
        return orders.key_id(self._signer).hex(), made.hex(), "hub"

    def give_signed(self, me: Principal, core: bytes, key_id: str, signature: bytes) -> OrderRow:
        """An evacuation or retreat, signed in the commander's browser. It goes out also when the disk refuses it: then
        it is written later (`write_late`), and lost only if the hub is killed before."""
        order = self._commanders.signed(me, core, key_id, signature)
        if "text" in order.body:
            text_of(str(order.body["text"]))
        group, now_ms = self.resolve(me, OrderType(order.type), order.target), self._clock_ms()
        given = Given(order, core, [(key_id, signature.hex(), me.name)], group, me.name, now_ms)
        try:
            with self._registry.together():
                if self._registry.orders.has(order.id):
                    raise OrderRefused(409, f"order {order.id[:40]!r} was given before")
                self._commanders.take_seq(order.seq, now_ms)
                return self._keep(given)
        except StoreError as err:
            log.error("order %d is given, and not written: %s", order.seq, err)
            self._unwritten.append(given)
            return given.row

    def write_late(self) -> None:
        """What the disk refused; orders may have been written since. StoreError: it still refuses."""
        while self._unwritten:
            given = self._unwritten[0]
            with self._registry.together():
                if not self._registry.orders.has(given.order.id):
                    self._commanders.note_seq(given.order.seq)
                    self._keep(given)
            self._unwritten.popleft()

    def adopt(self) -> list[OrderRow]:
        """All-clears that were given since: now they are orders like others. Found in the registry, so that a kill
        between the second signature and this loses none."""
        now_ms = self._clock_ms()
        made = []
        for row in self._registry.orders.given_all_clears(now_ms - MS_PER_DAY):
            order = orders.open_order(row.core)
            if now_ms > order.expires_utc_ms:
                continue
            try:
                group = self.resolve_given(row.proposed_by, order.target)
            except OrderRefused:
                group = Group((), ())
            with self._registry.together():
                made.append(self._keep(Given(order, row.core, row.signatures, group, "hub", now_ms, row.id)))
        return made

    def _keep(self, given: Given) -> OrderRow:
        """Order and record, or neither. The record holds the very bytes: whoever has the log can verify them."""
        order, core, group = given.order, given.core, given.group
        if len(core) > BODY_BYTES_MAX:
            raise OrderRefused(422, f"order: {len(core)} bytes, at most {BODY_BYTES_MAX} allowed")
        self._registry.orders.add(given.row, [CarrierRow(order.seq, *carrier) for carrier in group.carriers])
        content: dict[str, object] = {
            "seq": order.seq,
            "id": order.id,
            "target": order.target,
            "units": len(group.units),
            "devices": len(group.carriers),
            "to": list(group.units[:RECORDED_UNITS]),
            "core": core.hex(),
            "signatures": [list(said) for said in given.signatures],
        }
        name = OrderType(order.type).name.lower().replace("_", " ")
        self._registry.record(given.t_utc_ms, given.who, f"order given: {name}", content)
        return given.row


def text_of(text: str) -> str:
    """Words of an order: not empty, not too long, no control characters but line ends."""
    said = text.strip()
    if not 1 <= len(said) <= TEXT_CHARS_MAX or any(ord(char) < 32 and char != "\n" for char in said):
        raise OrderRefused(422, f"text: 1–{TEXT_CHARS_MAX} characters are needed")
    return said
