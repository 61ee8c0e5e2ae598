"""Acknowledging an alarm: kept, told to the screens, and brought to the wearer until the device says that it was told.

Enters: a person's word that they have seen an event. Leaves: a row and an audit record of the registry, and SEEN
messages on `…/o`.
Callers: `hub.api.event_routes` (see), `hub.app` (load, step each second).
"""

from collections.abc import Callable

from hub.identity.keys import KeyRing
from hub.live.events import SEEN_MAX, Event, EventBook, Seen
from hub.store.registry import SqliteRegistry
from protocols import orders

AGAIN_MS = 5_000
TRY_MS = 600_000
"""A wearer whom nobody could tell within ten minutes is told no more: it would say nothing about now."""
AT_ONCE_MAX = 500


class SeenEvents:
    """Which device was told when. Idempotent: the first person who saw an event counts."""

    def __init__(
        self,
        registry: SqliteRegistry,
        events: EventBook,
        keys: KeyRing,
        publish: Callable[[int, bytes], None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._events = events
        self._keys = keys
        self._publish = publish
        self._clock_ms = clock_ms
        self._sent: dict[str, int] = {}

    def load(self) -> None:
        """What was seen before a restart."""
        for id, by, t_utc_ms in self._registry.trust.seen_events():
            self._events.see(id, Seen(by, t_utc_ms))

    def keep(self, event_id: str, by: str, callsign: str, code: int) -> Seen:
        """Write it down; blocks. The caller then tells `note` on the loop. The record is read by people who may not see
        bodies, so of such an alarm `code` is 0."""
        seen = Seen(by, self._clock_ms())
        with self._registry.together():
            self._registry.trust.see_event(event_id, by, seen.t_utc_ms, SEEN_MAX)
            what = {"event": event_id, "callsign": callsign, "code": code}
            self._registry.record(seen.t_utc_ms, by, "event seen", what)
        return seen

    def note(self, event_id: str, seen: Seen) -> Event | None:
        """It counts from now on. The device is told at once."""
        event = self._events.see(event_id, seen)
        self.step()
        return event

    def step(self) -> None:
        """Send what is due."""
        now_ms = self._clock_ms()
        waiting = [event for event in self._events.open() if self._is_due(event, now_ms)]
        for event in waiting[:AT_ONCE_MAX]:
            key = self._keys.get(event.device)
            if key is None or event.seen is None or event.number is None:
                continue
            body = orders.pack_seen(event.number, event.seen.by, event.seen.t_utc_ms)
            self._publish(event.device, orders.pack_down(orders.What.SEEN, body, key))
            self._sent[event.id] = now_ms
        if len(self._sent) > 2 * SEEN_MAX:
            self._sent.clear()

    def _is_due(self, event: Event, now_ms: int) -> bool:
        if event.seen is None or event.heard or event.number is None:
            return False
        if not 0 <= now_ms - event.seen.t_utc_ms < TRY_MS:
            return False
        return not 0 <= now_ms - self._sent.get(event.id, -AGAIN_MS) < AGAIN_MS
