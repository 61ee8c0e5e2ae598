"""What is known of an order and its receipts, and what follows from it. Pure.

Enters: receipts in any order, repeated or late. Leaves: per device what it said first (or last, of accepting and
refusing), per unit one word. Merging is order-free: the same receipts in any order end in the same state. Callers:
`hub.live.outbox`, `hub.api.order_routes`.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from hub.store.orders import OrderRow
from protocols.catalog import EventCode
from protocols.orders import BREAK_GLASS, NEVER_LATE, Order, OrderType, open_order

WORDS = {
    EventCode.RECEIVED: "received",
    EventCode.SHOWN: "shown",
    EventCode.ROLL_CALL: "answered",
    EventCode.ACCEPTED: "accepted",
    EventCode.REFUSED: "refused",
    EventCode.DONE: "done",
}
"""The receipts there are, from little to much."""
_LAST_COUNTS = frozenset({EventCode.ACCEPTED, EventCode.REFUSED})
"""A wearer may change their mind; everything else counts from when it was first so."""


class Receipt(NamedTuple):
    """When by the device's clock, and when the hub heard it, UTC ms. `value`: why it was refused, 0 when not said."""

    t_device_ms: int
    t_hub_ms: int
    value: int = 0


Receipts = dict[int, Receipt]


def merge(into: Receipts, code: int, receipt: Receipt) -> bool:
    """Whether it says something new."""
    known = into.get(code)
    if known is not None and (receipt <= known if code in _LAST_COUNTS else receipt >= known):
        return False
    into[code] = receipt
    return True


def word(receipts: Receipts) -> str:
    """The most that was said, or ""."""
    if EventCode.DONE in receipts:
        return "done"
    decided = [code for code in (EventCode.REFUSED, EventCode.ACCEPTED) if code in receipts]
    if decided:
        return WORDS[max(decided, key=lambda code: receipts[code].t_device_ms)]
    for code in (EventCode.ROLL_CALL, EventCode.SHOWN, EventCode.RECEIVED):
        if code in receipts:
            return WORDS[code]
    return ""


@dataclass(slots=True)
class Target:
    """One device of an order. `since_ms`: from when it is to be told. `sent`: how often since the hub's start.
    `queued`: it is in the outbox's queue."""

    device: int
    since_ms: int
    units: list[str] = field(default_factory=list)  # that it carried while the order held
    receipts: Receipts = field(default_factory=dict)
    sent: int = 0
    last_ms: int = 0
    narrow_ms: int = 0
    queued: bool = False


@dataclass(slots=True)
class Entry:
    """One order: what was signed, whom it is for (`units`: id -> its devices so far), and what came back."""

    row: OrderRow
    order: Order
    units: dict[str, dict[int, None]]
    targets: dict[int, Target] = field(default_factory=dict)

    @classmethod
    def of(cls, row: OrderRow) -> "Entry":
        return cls(row, open_order(row.core), {unit: {} for unit in row.units})

    @property
    def never_late(self) -> bool:
        return self.order.type in NEVER_LATE

    def is_over(self, now_ms: int) -> bool:
        """Its time is over, and it is no order that holds without one."""
        return not self.never_late and now_ms > self.order.expires_utc_ms

    def carry(self, unit: str, device: int, now_ms: int) -> bool:
        """A device carries a unit of this order. Whether that is new."""
        devices = self.units.get(unit)
        if devices is None or device in devices:
            return False
        devices[device] = None
        self.targets.setdefault(device, Target(device, now_ms)).units.append(unit)
        return True

    # --- for people --------------------------------------------------------------------------------------

    def head(self) -> dict[str, object]:
        """What the order says, for screens."""
        order, body = self.order, self.order.body
        return {
            "seq": order.seq,
            "id": order.id,
            "type": OrderType(order.type).name.lower(),
            "target": order.target,
            "text": _text(body.get("text")),
            "lat": _degrees(body.get("lat_deg_e7")),
            "lon": _degrees(body.get("lon_deg_e7")),
            "break_glass": _text(body.get(BREAK_GLASS)) or None,
            "issuer": order.issuer,
            "role": order.role,
            "by": [name for _, _, name in self.row.signatures] or [order.issuer],
            "t": self.row.t_utc_ms,
            "expires_utc_ms": order.expires_utc_ms,
        }

    def unit_state(self, unit: str, now_ms: int, cleared: int) -> dict[str, object]:
        """Of one unit: how far it is, and when each receipt was given and heard. `cleared`: the number of the newest
        all-clear for it."""
        targets = [self.targets[device] for device in self.units[unit]]
        merged: Receipts = {}
        for target in targets:
            for code, receipt in target.receipts.items():
                merge(merged, code, receipt)
        state = word(merged) or self._untold(targets, now_ms, cleared)
        said: dict[str, object] = {
            WORDS[EventCode(code)]: list(at[:2]) for code, at in sorted(merged.items())
        }
        if EventCode.REFUSED in merged and merged[EventCode.REFUSED].value:
            said["why"] = merged[EventCode.REFUSED].value
        return {"unit": unit, "state": state, "sent": sum(target.sent for target in targets), **said}

    def _untold(self, targets: list[Target], now_ms: int, cleared: int) -> str:
        if self.never_late and cleared > self.order.seq:
            return "lifted"
        if self.is_over(now_ms):
            return "expired"
        if not targets:
            return "no_device"
        return "sent" if any(target.sent for target in targets) else "waiting"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _degrees(value: object) -> float | None:
    return value / 1e7 if isinstance(value, int) else None
