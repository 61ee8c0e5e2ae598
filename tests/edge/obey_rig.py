"""A gateway's desk of orders with real signatures, a fake wearer and a fake clock. Run by path from conftest.py."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from edge.obey import Now
from edge.obey_book import Book
from edge.obey_desk import ObeyDesk
from edge.overlay import Outcome
from edge.trust import verify
from protocols import brief, orders
from protocols.catalog import EventCode
from protocols.orders import CommanderKey, KeyList, Order, OrderType, Signature
from protocols.wearer import Pattern

UTC_MS = 1_795_000_000_000
HOUR_MS = 3_600_000
HUB = SigningKey(b"h" * 32)
LI, WANG, THIEF = (SigningKey(letter * 32) for letter in (b"l", b"w", b"t"))
NAMES = {bytes(LI.verify_key): "李", bytes(WANG.verify_key): "王", bytes(THIEF.verify_key): "贼"}


def commander(key: SigningKey, until_ms: int = UTC_MS + 24 * HOUR_MS) -> CommanderKey:
    public = bytes(key.verify_key)
    return CommanderKey(orders.key_id(public), public, NAMES[public], "commander", until_ms)


@dataclass
class Trust:
    """Whose orders count."""

    keys: KeyList | None = field(
        default_factory=lambda: KeyList(7, "live", UTC_MS, (commander(LI), commander(WANG)))
    )
    signer: bytes | None = bytes(HUB.verify_key)


@dataclass
class Ears:
    """What the wearer is asked, and what the hub was told."""

    asked: dict[int, tuple[Pattern, str]] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)
    told: list[tuple[int, EventCode, int | None]] = field(default_factory=list)
    alarms: int = 0

    def ask(self, pattern: Pattern, text: str, t_ms: int, order: int, *, is_task: bool) -> None:
        self.asked[order] = (pattern, text)
        self.times[order] = self.times.get(order, 0) + 1

    def unask(self, what: int) -> None:
        self.asked.pop(what, None)

    def accept(self, order: int) -> None:
        self.asked.pop(order, None)

    def say(self, code: EventCode, order: int, t_ms: int, value: int | None = None) -> None:
        self.told.append((order, code, value))

    def forged(self) -> None:
        self.alarms += 1

    def codes(self, order: int) -> list[EventCode]:
        return [code for seq, code, _ in self.told if seq == order]


class Rig:
    """`restart` loses all but the file. `utc_ms` None: no clock is proven."""

    def __init__(self, path: Path, team: str = "") -> None:
        self.path, self.team = path, team
        self.trust = Trust()
        self.t_ms = 0
        self.utc_ms: int | None = UTC_MS
        self.configured: list[tuple[int, dict[str, Any]]] = []
        self.outcome: Outcome | None = None
        self.restart()

    def restart(self) -> None:
        self.ears = Ears()
        self.desk = ObeyDesk(
            Book(self.path), "live", self.team, self.trust, self.ears, verify, self._now, self._configure
        )
        self.desk.load(self.t_ms)

    def _now(self, _t_ns: int) -> Now:
        return Now(self.t_ms, self.utc_ms, self.utc_ms or 0)

    def _configure(self, order: int, body: dict[str, Any]) -> Outcome | None:
        self.configured.append((order, body))
        return self.outcome

    # --- the hub -----------------------------------------------------------------------------------

    def order(self, kind: OrderType, seq: int, **changes: Any) -> Order:
        made = Order(
            f"o{seq}", "live", "all", int(kind), {}, "李", "commander", seq, UTC_MS, UTC_MS + HOUR_MS
        )
        return made._replace(**changes)

    def send(
        self, kind: OrderType, seq: int, by: tuple[SigningKey, ...] | None = None, **changes: Any
    ) -> None:
        """In its full form, signed as it has to be unless the test says otherwise."""
        if by is None:
            need = {OrderType.EVACUATE: (LI,), OrderType.RETREAT: (LI,), OrderType.ALL_CLEAR: (LI, WANG)}
            by = (HUB,) if kind == OrderType.CONFIG else need.get(kind, ())
        core = orders.pack_order(self.order(kind, seq, **changes))
        said = [
            Signature(
                orders.key_id(bytes(key.verify_key)), bytes(key.sign(orders.signed_bytes(core)).signature)
            )
            for key in by
        ]
        self.desk.hear_order(orders.pack_signed(core, said), self.t_ms * 10**6)

    def send_brief(self, kind: OrderType, seq: int, **changes: Any) -> None:
        self.desk.hear_brief(brief.pack_brief(self.order(kind, seq, **changes)), self.t_ms * 10**6)

    def broadcast(
        self, kind: OrderType, seq: int, target: str = "all", by: SigningKey = HUB, **changes: Any
    ) -> None:
        order = self.order(kind, seq, target=target, **changes)
        data = brief.pack_broadcast(order, lambda message: bytes(by.sign(message).signature))
        self.desk.hear_broadcast(data, self.t_ms * 10**6)

    def run(self, seconds: float) -> None:
        self.t_ms += round(seconds * 1000)
        if self.utc_ms is not None:
            self.utc_ms += round(seconds * 1000)
        self.desk.tick(self.t_ms * 10**6)
