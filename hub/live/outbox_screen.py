"""Orders and wearers' texts as screens see them: what a person may know of each, and what each tick has to tell.

Enters: entries of the outbox, texts, who looks. Leaves: the feed's `order`, `receipts` and `text` (docs/feed.md).
Callers: `hub.app` (each tick), `hub.api.order_routes`, and the feed's greeting.
"""

from collections.abc import Callable, Iterable
from typing import Any

from hub.identity.permissions import Audience, Permission, Principal
from hub.live.outbox import Outbox
from hub.live.outbox_state import Entry
from hub.live.texts import Texts, TextUp
from hub.live.units import Units

GREETED, TEXTS_GREETED = 20, 50
"""Orders and texts that a new screen gets."""
Maker = Callable[[Audience], dict[str, Any] | None]


class OrderScreen:
    """Makes messages; remembers nothing."""

    def __init__(self, outbox: Outbox, texts: Texts, units: Units, clock_ms: Callable[[], int]) -> None:
        self._outbox = outbox
        self._texts = texts
        self._units = units
        self._clock_ms = clock_ms

    def sees(self, audience: Audience, unit: str) -> bool:
        slot = self._units.slot_by_id.get(unit)
        return slot is not None and audience.sees(self._units.rows[slot].agency)

    def order(self, entry: Entry, audience: Audience) -> dict[str, Any] | None:
        """The order with the units that this audience sees; None when that is none of them."""
        seen = [unit for unit in entry.units if self.sees(audience, unit)]
        return {**entry.head(), "targets": self._targets(entry, seen)} if seen else None

    def receipts(self, entry: Entry, audience: Audience, units: set[str]) -> dict[str, Any] | None:
        """How some units of an order are now."""
        seen = [unit for unit in entry.units if unit in units and self.sees(audience, unit)]
        return {"seq": entry.order.seq, "targets": self._targets(entry, seen)} if seen else None

    def _targets(self, entry: Entry, units: list[str]) -> list[dict[str, object]]:
        now_ms = self._clock_ms()
        return [entry.unit_state(unit, now_ms, self._outbox.cleared(unit)) for unit in units]

    def changes(self) -> list[Maker]:
        """What to tell the screens, to be made for each audience. Once a tick, however much came."""
        orders = [self._maker(entry, units) for entry, units in self._outbox.changes()]
        return orders + [self._text_maker(text) for text in self._texts.take_fresh()]

    def texts(self, audience: Audience) -> list[TextUp]:
        """Those of units that this audience sees, the oldest first."""
        return [text for text in self._texts.all() if self.sees(audience, text.unit)]

    def _text_maker(self, text: TextUp) -> Maker:
        return lambda audience: text.message() if self.sees(audience, text.unit) else None

    def _maker(self, entry: Entry, units: set[str] | None) -> Maker:
        def make(audience: Audience) -> dict[str, Any] | None:
            if units is None:
                return _named("order", self.order(entry, audience))
            return _named("receipts", self.receipts(entry, audience, units))

        return make

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        """The newest orders and texts, the oldest of them first."""
        if not me.may(Permission.PICTURE):
            return
        told = []
        for entry in self._outbox.entries():
            message = _named("order", self.order(entry, me.audience))
            if message is not None:
                told.append(message)
            if len(told) == GREETED:
                break
        yield from reversed(told)
        for text in self.texts(me.audience)[-TEXTS_GREETED:]:
            yield text.message()


def _named(word: str, said: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if said is None else {"k": word, **said}
