"""The alarms of this hub: told to screens, kept over restarts, watched until somebody has seen them.

Enters: conditions of other parts (`tell`), devices' events, what people and screens say. Leaves: the feed's `alarm` and
`alarm_health`, documents, operator records. Callers: `hub.app`, `hub.api.alarm_routes`, every part that has conditions.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from hub.errors import SettingsError
from hub.identity.permissions import Audience, Principal, Role
from hub.live.events import Event
from hub.live.feed import Feed, Viewer
from hub.safety import callout
from hub.safety.alarm import Alarm
from hub.safety.alarm_book import AlarmBook
from hub.safety.callout import CallOut
from hub.safety.condition import Condition, Input, Priority
from hub.safety.escalation import called
from hub.safety.part import Ground, Maker, Part

KIND = "alarm"
SHOWN_MS = 5_000
"""A critical alarm that no screen says it shows for so long is called out by other means."""
SHOWN_IDS_MAX = 500
NAMED_MAX = 3
"""Callsigns in the words of a call."""
ESCALATIONS_MAX = 1_000
"""Escalations that wait to be recorded; beyond it the oldest is only on the screens."""


class Alarms(Part):
    """See the module."""

    name = "alarms"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.book = AlarmBook()
        self.call_out = CallOut([], "", ground.clock_ms)
        self._feed: Feed | None = None
        self._silent: dict[Viewer, bool] = {}
        self._present: frozenset[Role] = frozenset()
        self._unkept: dict[str, None] = {}
        self._escalations: deque[dict[str, object]] = deque(maxlen=ESCALATIONS_MAX)
        self._called: dict[str, int] = {}
        self._health: dict[str, object] = {}
        self._since_ms = ground.clock_ms()

    # --- what other parts use ------------------------------------------------------------------------------

    def tell(self, source: str, standing: Sequence[Condition], now_ms: int) -> None:
        """The full set of conditions of a source that stand now."""
        self.book.tell(source, standing, now_ms)

    def open(self) -> list[Alarm]:
        return self.book.open()

    def by_id(self, id: str) -> Alarm | None:
        return self.book.get(id)

    def attach(self, feed: Feed) -> None:
        """Screens say what they show, and whether they may sound."""
        self._feed = feed
        feed.listeners["shown"] = self._hear_shown
        feed.listeners["sound"] = self._hear_sound

    # --- the part ------------------------------------------------------------------------------------------

    def load(self) -> None:
        try:
            ways = callout.read(self._ground.data / "callout.toml", self._ground.data)
            self.call_out = CallOut(ways, "", self._ground.clock_ms)
        except SettingsError as err:
            self.call_out = CallOut([], str(err), self._ground.clock_ms)
        kept = self._ground.registry.documents.all(KIND).values()
        self.book.restore((Alarm.of(one) for one in kept), self._ground.clock_ms())
        for event in self._ground.events.all():
            if event.is_open or self.book.get(event.id) is not None:
                self._hear(event)

    def hear(self, events: Sequence[Event]) -> None:
        for event in events:
            self._hear(event)

    def _hear(self, event: Event) -> None:
        self.book.hear(event, self._ground.units.rows[event.slot].id, self._ground.clock_ms())

    def look(self, now_ms: int) -> None:
        for alarm in self.book.open():
            event = self._ground.events.by_id(alarm.event) if alarm.event else None
            if event is not None and event.seen is not None and alarm.seen is None:
                self._hear(event)
        self.book.look(now_ms)
        for alarm in self.book.escalated:
            said = {"alarm": alarm.id, "kind": alarm.kind, "step": alarm.escalation}
            self._escalations.append(said)
        self.book.escalated.clear()
        self._look_who_is_there()
        self._call(now_ms)
        self.call_out.look(now_ms)
        self.book.tell("callout", self._failing(), now_ms)

    def _look_who_is_there(self) -> None:
        """Another role came or went: whom an alarm calls may be others now."""
        viewers = set() if self._feed is None else self._feed.viewers
        present = frozenset(viewer.principal.role for viewer in viewers)
        if present != self._present:
            self._present = present
            self.book.changed.update(dict.fromkeys(alarm.id for alarm in self.book.open() if alarm.calls))

    def _call(self, now_ms: int) -> None:
        """Whoever is in danger and on no screen. Once an alarm, until it calls anew."""
        for alarm in self.book.open():
            unseen = alarm.shown_ms is None or alarm.shown_ms < alarm.t_began
            if (
                alarm.priority > 1
                or not alarm.calls
                or not unseen
                or now_ms - max(alarm.t_began, self._since_ms) < SHOWN_MS
            ):
                continue
            if self._called.get(alarm.id) != alarm.t_began:
                self._called[alarm.id] = alarm.t_began
                rows, slots = self._ground.units.rows, self._ground.units.slot_by_id
                names = [rows[slots[unit]].callsign for unit in alarm.units if unit in slots]
                self.call_out.call(" ".join((f"{alarm.zh} {alarm.en}", *names[:NAMED_MAX])))
        if len(self._called) > 2 * SHOWN_IDS_MAX:
            self._called = {
                id: t for id, t in self._called.items() if (one := self.book.get(id)) and one.is_open
            }

    def _failing(self) -> list[Condition]:
        """A way that does not work is known before it is needed."""
        return [
            Condition(
                f"callout:{name}", "callout", Priority.HIGH, (), f"呼叫不通：{callout.WORDS_ZH[name]}",
                f"Call-out fails: {name}", (Input("why", why[:200]),),
            )
            for name, why in self.call_out.failing.items()
        ]  # fmt: skip

    def close(self) -> None:
        self.call_out.close()

    def keep(self) -> None:
        documents = self._ground.registry.documents
        mine, forgotten = dict(self._unkept), set(self.book.forgotten)
        bodies = {id: alarm.as_document() for id in mine if (alarm := self.book.get(id)) is not None}
        if bodies:
            documents.put(KIND, bodies, self._ground.clock_ms())
        if forgotten:
            documents.drop(KIND, forgotten)
        for id in mine:
            self._unkept.pop(id, None)
        self.book.forgotten -= forgotten
        while self._escalations:
            self._ground.record("hub", "alarm escalated", self._escalations[0])
            self._escalations.popleft()

    def changes(self) -> Iterable[Maker]:
        changed, self.book.changed = self.book.changed, {}
        self._unkept.update(changed)
        makers: list[Maker] = [
            self._maker(alarm) for id in changed if (alarm := self.book.get(id)) is not None
        ]
        health = self.health()
        if health != self._health:
            self._health = health
            makers.append(lambda _audience: {"k": "alarm_health", **health})
        return makers

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        for alarm in reversed(self.book.open()):  # the gravest last: a queue that is cut loses the least
            said = self.message(alarm, me.audience)
            if said is not None:
                yield said
        yield {"k": "alarm_health", **self.health()}

    def gauges(self) -> dict[str, float]:
        health = self.health()
        return {f"alarms_{name}": float(str(health[name])) for name in ("unacknowledged", "shelved", "in_10_min")} | {
            "alarms_open": float(str(health["open"])), "alarms_left_out": self.book.left_out
        }  # fmt: skip

    def notes(self) -> list[str]:
        ok, _, words = self._call_out_words()
        return [] if ok else [f"call-out: {words}"]

    # --- saying --------------------------------------------------------------------------------------------

    def _maker(self, alarm: Alarm) -> Maker:
        return lambda audience: self.message(alarm, audience)

    def message(self, alarm: Alarm, audience: Audience) -> dict[str, Any] | None:
        """The alarm as an audience may know it, None: not at all. Of no unit: everybody's."""
        rows, slot_by_id = self._ground.units.rows, self._ground.units.slot_by_id
        slots = {unit: slot for unit in alarm.units if (slot := slot_by_id.get(unit)) is not None}
        seen = {unit: slot for unit, slot in slots.items() if audience.sees(rows[slot].agency)}
        if alarm.units and not seen:
            return None
        body = all(audience.sees_body(rows[slot].team) for slot in seen.values())
        return alarm.message(
            seen, self.book.group_of(alarm), sound=self.book.sounds(alarm),
            calls=called(alarm.priority, alarm.escalation, self._present), body=body,
        )  # fmt: skip

    def health(self) -> dict[str, object]:
        """How the alarms themselves do: the feed's `alarm_health`."""
        alarms = self.book.open()
        ok, zh, en = self._call_out_words()
        viewers = set() if self._feed is None else self._feed.viewers
        self._silent = {viewer: silent for viewer, silent in self._silent.items() if viewer in viewers}
        return {
            "open": len(alarms),
            "unacknowledged": sum(alarm.calls for alarm in alarms),
            "shelved": sum(alarm.shelved is not None for alarm in alarms),
            "flood": self.book.flood.stands,
            "in_10_min": self.book.flood.look(self._ground.clock_ms()),
            "callout": {"ok": ok, "words_zh": zh, "words_en": en},
            "screens": len(viewers),
            "screens_silent": sum(self._silent.get(viewer, True) for viewer in viewers),
        }

    def _call_out_words(self) -> tuple[bool, str, str]:
        return self.call_out.words()

    # --- screens -------------------------------------------------------------------------------------------

    def _hear_shown(self, viewer: Viewer, message: dict[str, Any]) -> None:
        ids = message.get("ids")
        for id in ids[:SHOWN_IDS_MAX] if isinstance(ids, list) else ():
            alarm = self.book.get(id) if isinstance(id, str) else None
            if alarm is not None and self.message(alarm, viewer.audience) is not None:
                alarm.shown_ms = self._ground.clock_ms()

    def _hear_sound(self, viewer: Viewer, message: dict[str, Any]) -> None:
        self._silent[viewer] = message.get("may") is not True
