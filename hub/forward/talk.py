"""Brings what hubs of the family tell each other of devices and orders into the registry, and tells them.

Enters: bodies of FAMILY from the hub above and those below, and the registry. Leaves: the same. Caller: `hub.app`,
once a second: `merge` and `entries` on a reader's thread, `step` on the loop.
"""

import logging
from collections.abc import Callable, Sequence

from hub.errors import RosterError
from hub.forward import family
from hub.forward.family import OrderTeller, Teller
from hub.forward.passer import Passer
from hub.identity.keys import KeyRing
from hub.live.ingest import Ingest
from hub.store.orders import OrderRow
from hub.store.registry import SqliteRegistry
from hub.store.sharing import Shared, SharedOrder
from protocols import orders
from protocols.errors import OrderError

log = logging.getLogger(__name__)


class FamilyTalk:
    """`publish(device, message)` sends down to a hub below."""

    def __init__(
        self,
        ingest: Ingest,
        keys: KeyRing,
        registry: SqliteRegistry,
        passer: Passer | None,
        publish: Callable[[int, bytes], None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._ingest = ingest
        self._keys = keys
        self._registry = registry
        self._passer = passer
        self._publish = publish
        self._clock_ms = clock_ms
        self._tellers: dict[int, Teller] = {}  # 0: the hub above
        self._order_tellers: dict[int, OrderTeller] = {}
        self._adopted: list[OrderRow] = []
        self._stepped_ms = -family.EVERY_MS
        self.merged = self.refused = 0

    @property
    def is_due(self) -> bool:
        """Whether it is time, and there is anybody to talk to."""
        above = self._passer is not None and self._passer.uplink.is_up
        is_time = not 0 <= self._clock_ms() - self._stepped_ms < family.EVERY_MS
        return is_time and (above or bool(self._hubs()))

    def _hubs(self) -> set[int]:
        return self._ingest.below.hubs(self._clock_ms()) & self._ingest.hubs

    def take(self) -> list[bytes]:
        """What was heard since."""
        told = self._ingest.below.take_told()
        return told + (self._passer.take_told() if self._passer is not None else [])

    def merge(self, told: Sequence[bytes]) -> bool:
        """Take over what is news; whether anything was. Blocks."""
        changed = 0
        now_ms = self._clock_ms()
        for body in told:
            try:
                shared = family.unpack_order(body)
                if shared is not None:
                    self._adopt(shared, now_ms)
                    continue
                entries = family.unpack(body)
            except (RosterError, OrderError) as err:
                self.refused += 1
                log.warning("%s", err)
                continue
            news = [entry for entry in entries if self._registry.sharing.merge(entry, now_ms)]
            changed += len(news)
            for entry in news:
                said: dict[str, object] = {"device": entry.device, "state": entry.state, "epoch": entry.epoch}
                self._registry.record(now_ms, "hub", "device told by another hub", said)
        self.merged += changed
        return changed > 0

    def _adopt(self, shared: SharedOrder, now_ms: int) -> None:
        row = self._registry.sharing.take_order(shared)
        if row is None:
            return
        last = int(self._registry.setting("order_seq") or 0)
        self._registry.set_setting("order_seq", str(max(last, row.seq)))
        said: dict[str, object] = {"seq": row.seq, "id": row.id, "core": row.core.hex()}
        self._registry.record(now_ms, "hub", "order told by another hub", said)
        self._adopted.append(row)

    def adopted(self) -> list[OrderRow]:
        """Orders of other hubs that are ours too since the last call."""
        rows, self._adopted = self._adopted, []
        return rows

    @property
    def has_listeners(self) -> bool:
        """Whether there is anybody to tell an order now."""
        return (self._passer is not None and self._passer.uplink.is_up) or bool(self._hubs())

    def tell_orders(self, open_orders: Sequence[SharedOrder]) -> None:
        """Each second: an order must be known elsewhere before this hub can be lost."""
        now_ms = self._clock_ms()
        if self._passer is not None and self._passer.uplink.is_up:
            for body in self._order_tellers.setdefault(0, OrderTeller()).due(open_orders, now_ms):
                self._passer.say_family(body)
        for hub in self._hubs():
            key = self._keys.get(hub)
            if key is None:
                continue
            for body in self._order_tellers.setdefault(hub, OrderTeller()).due(open_orders, now_ms):
                self._publish(hub, orders.pack_down(orders.What.FAMILY, body, key))

    def step(self, entries: Sequence[Shared]) -> None:
        """Tell each other hub what it is time to tell."""
        now_ms = self._stepped_ms = self._clock_ms()
        if self._passer is not None and self._passer.uplink.is_up:
            body = self._tellers.setdefault(0, Teller()).due(entries, now_ms, self._passer.queue.held)
            if body is not None:
                self._passer.say_family(body)
        for hub in self._hubs():
            key, teller = self._keys.get(hub), self._tellers.setdefault(hub, Teller())
            body = teller.due(entries, now_ms) if key is not None else None
            if key is not None and body is not None:
                self._publish(hub, orders.pack_down(orders.What.FAMILY, body, key))
