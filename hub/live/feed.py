"""The feed: docs/feed.md's messages, made once a tick for all viewers who may see the same, and each viewer's queue.

Enters: the picture, units and events. Leaves: binary messages in each `Viewer`. Pure apart from asyncio.Event;
`hub.api.feed_socket` does the sending.

Whoever may see the same is one `Audience`, and its columns are encoded once: without the units of agencies that it does
not see, and with the heart rate absent where it may not be seen.

Every slot knows the tick of its last change. So a viewer that missed ticks, asks to resume, or was paused gets
"all that changed since the last tick you have", which cannot lose a change.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from hub.identity.permissions import Audience, Permission, Principal
from hub.live.events import Event, EventBook
from hub.live.picture import I64, Picture
from hub.live.reported import Message
from hub.live.units import Units

VERSION = 1
TICK_MS, TICK_MANY_MS = 250, 500
MANY_UNITS = 10_000
"""Above it ticks are half as frequent: each holds twice as many units, and costs a screen as much."""
SNAPSHOT_EVERY_MS = 30_000
EVENTS_QUEUE_MAX = 1_000
SAID_SHOWN_MAX = 50
"""Messages of others that a new screen gets."""
RESUME_TICKS_MAX = 1_200
"""Five minutes: older than that a snapshot is sent instead."""

AUDIENCES_MAX = 256
"""Of which is remembered what they see; beyond it, those without a viewer are forgotten."""

_packer = msgpack.Packer(use_bin_type=True)


def encode(message: dict[str, Any]) -> bytes:
    """One message of the feed."""
    data: bytes = _packer.pack(message)
    return data


@dataclass(frozen=True, slots=True)
class Sight:
    """What an audience sees, by slot. None: everything, which costs nothing."""

    units: npt.NDArray[np.bool_] | None
    bodies: npt.NDArray[np.bool_] | None

    def sees(self, slot: int) -> bool:
        return self.units is None or bool(self.units[slot])

    def sees_body(self, slot: int) -> bool:
        return self.bodies is None or bool(self.bodies[slot])

    def of(self, slots: Iterable[int]) -> list[int]:
        return [slot for slot in slots if self.sees(slot)]

    def event(self, event: Event) -> bytes:
        """The event as this audience may know it."""
        return encode(event.message(body=self.sees_body(event.slot)))


class Viewer:
    """What one screen is owed: a queue that is never dropped, and the tick it has last.

    `closing` holds the `bye` word when the viewer has to go.
    """

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.audience = principal.audience
        self.queue: deque[bytes] = deque()
        self.wake = asyncio.Event()
        self.seq = -1  # the last tick it has; -1: needs a snapshot
        self.snapped = -1  # the tick in the making when it got its last snapshot
        self.paused = False
        self.closing = ""
        self.tick_due = False

    def push(self, data: bytes) -> None:
        """Queue a message that must arrive, in order. A viewer that is 1,000 behind is sent away."""
        if len(self.queue) >= EVENTS_QUEUE_MAX:
            self.closing = self.closing or "slow"
        else:
            self.queue.append(data)
        self.wake.set()

    def close(self, why: str) -> None:
        self.closing = self.closing or why
        self.wake.set()


class Feed:
    """All viewers. `tick` every `tick_ms`; `tell` at once."""

    def __init__(
        self,
        picture: Picture,
        units: Units,
        events: EventBook,
        link: Callable[[], dict[str, object]],
        clock_ms: Callable[[], int],
        *,
        realm: str,
        drill: bool,
        messages: Sequence[Message] = (),
    ) -> None:
        self.picture = picture
        self.units = units
        self.events = events
        self.messages = messages
        self.viewers: set[Viewer] = set()
        self._link = link
        self._link_said: dict[str, object] = {}
        self._clock_ms = clock_ms
        self._realm = realm
        self._drill = drill
        # Ticks are numbered from the hub's start time, so that a number of an earlier run is never taken for
        # one of this: a screen that comes back sees a gap.
        self.first_seq = picture.seq = clock_ms() // TICK_MS
        picture.changed[: picture.n] = picture.seq - 1
        self._made: dict[tuple[Audience, int, int], bytes] = {}
        self._sights: dict[Audience, Sight] = {}
        self.greetings: list[Callable[[Principal], Iterable[dict[str, Any]]]] = []
        """What a viewer is told after its first snapshot, beside the open events."""
        self.parts: list[str] = []
        """Which rooms of hub.safety this hub has: a screen shows their boards."""
        self.listeners: dict[str, Callable[[Viewer, dict[str, Any]], None]] = {}
        """Who hears a screen's message, by its `k`."""
        self.ticks = 0

    # --- viewers -----------------------------------------------------------------------------------------

    def join(self, viewer: Viewer) -> None:
        """Greet a screen: hello, all units, a snapshot, the link, every event that is open, and the greetings."""
        me, sight = viewer.principal, self._sight(viewer.audience)
        hello = {
            "k": "hello",
            "v": VERSION,
            "t": self._clock_ms(),
            "realm": self._realm,
            "tick_ms": self.tick_ms,
        }
        person = {"name": me.name, "role": me.role.value, "permissions": sorted(me.allowed)}
        viewer.push(encode({**hello, **person, "drill": self._drill, "parts": self.parts}))
        viewer.push(self._meta(sight.of(range(len(self.units.rows)))))
        self._push_snapshot(viewer)
        seen = [event for event in self.events.open() if sight.sees(event.slot)]
        for event in seen[-(EVENTS_QUEUE_MAX // 2) :]:
            viewer.push(sight.event(event))
        for said in self._said_to(sight):
            viewer.push(encode(said))
        for greeting in self.greetings:
            for message in greeting(me):
                viewer.push(encode(message))
        self.viewers.add(viewer)

    def greet_again(self, viewer: Viewer, principal: Principal) -> None:
        """Role, agency or team have changed: what was queued may be no longer for this person."""
        viewer.principal, viewer.audience = principal, principal.audience
        viewer.queue.clear()
        viewer.snapped = -1
        self.join(viewer)

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)

    def hear(self, viewer: Viewer, message: object) -> None:
        """A message of a screen. Anything unknown is ignored."""
        if not isinstance(message, dict):
            return
        word = message.get("k")
        if word == "pause":
            viewer.paused = True
        elif word == "go":
            viewer.paused = False
            self._push_snapshot(viewer)
        elif word == "resume":
            seq = message.get("seq")
            oldest = max(self.first_seq, self._sent_seq - RESUME_TICKS_MAX)
            if isinstance(seq, int) and oldest <= seq <= self._sent_seq:
                viewer.seq = min(viewer.seq, seq) if viewer.seq >= 0 else seq
                viewer.tick_due = True
                viewer.wake.set()
            else:
                self._push_snapshot(viewer)
        elif isinstance(word, str) and word in self.listeners:
            self.listeners[word](viewer, message)

    def next_message(self, viewer: Viewer) -> bytes | None:
        """What to send next: first the queue, then the newest tick with all that was missed."""
        if viewer.queue:
            return viewer.queue.popleft()
        if viewer.tick_due and not viewer.paused and viewer.seq < self._sent_seq:
            viewer.tick_due = False
            since, viewer.seq = viewer.seq, self._sent_seq
            return self._tick_since(since, viewer.audience)
        viewer.tick_due = False
        return None

    @property
    def tick_ms(self) -> int:
        """How far ticks are apart now."""
        return TICK_MS if self.picture.n <= MANY_UNITS else TICK_MANY_MS

    def is_due(self, turn: int) -> bool:
        """Whether this turn of TICK_MS closes a tick."""
        return turn % (self.tick_ms // TICK_MS) == 0

    # --- telling -----------------------------------------------------------------------------------------

    @property
    def _sent_seq(self) -> int:
        """The latest finished tick: `picture.seq` is the one in the making."""
        return self.picture.seq - 1

    def tick(self) -> None:
        """Close the tick in the making and wake every viewer."""
        self.picture.seq += 1
        self.ticks += 1
        self._made.clear()
        self.tell_link()
        snapshot = self.ticks % (SNAPSHOT_EVERY_MS // self.tick_ms) == 0
        for viewer in self.viewers:
            if viewer.paused:
                continue
            if snapshot:
                self._push_snapshot(viewer)
            else:
                viewer.tick_due = True
                viewer.wake.set()

    def tell(self, events: Iterable[Event]) -> None:
        """Events, at once and to everyone who sees the unit, paused or not."""
        for event in events:
            made: dict[bool, bytes] = {}
            for viewer in self.viewers:
                sight = self._sight(viewer.audience)
                if sight.sees(event.slot):
                    body = sight.sees_body(event.slot)
                    made[body] = made.get(body) or sight.event(event)
                    viewer.push(made[body])

    def tell_said(self, messages: Iterable[Message]) -> None:
        """What others wrote, as devices heard it: to everyone who sees the unit that reported it."""
        for message in messages:
            data = encode(message.as_dict())
            for viewer in self.viewers:
                if self._sight(viewer.audience).sees(message.by_slot):
                    viewer.push(data)

    def _said_to(self, sight: Sight) -> list[dict[str, object]]:
        seen = [message for message in self.messages if sight.sees(message.by_slot)]
        return [message.as_dict() for message in seen[-SAID_SHOWN_MAX:]]

    def say(self, message: dict[str, Any], permission: Permission) -> None:
        """Any other message that must arrive, at once and to everyone who has the permission."""
        data = encode(message)
        for viewer in self.viewers:
            if viewer.principal.may(permission):
                viewer.push(data)

    def say_seen(
        self, make: Callable[[Audience], dict[str, Any] | None], permission: Permission = Permission.PICTURE
    ) -> None:
        """A message that says to each audience what it may know; None: nothing. Encoded once for all who are alike."""
        made: dict[Audience, bytes | None] = {}
        for viewer in self.viewers:
            if not viewer.principal.may(permission):
                continue
            if viewer.audience not in made:
                message = make(viewer.audience)
                made[viewer.audience] = None if message is None else encode(message)
            data = made[viewer.audience]
            if data is not None:
                viewer.push(data)

    def tell_units(self, slots: list[int]) -> None:
        """Units that are new or changed. Who saw one before and may not now is told that it is gone."""
        if not slots:
            return
        before, self._sights = self._sights, {}
        self._made.clear()
        # All their columns come again with the next tick: for those who did not see the unit, or its heart rate.
        self.picture.changed[slots] = self.picture.seq
        made: dict[Audience, list[bytes]] = {}
        for viewer in self.viewers:
            audience = viewer.audience
            if audience not in made:
                made[audience] = self._unit_changes(slots, before.get(audience), self._sight(audience))
            for data in made[audience]:
                viewer.push(data)

    def _unit_changes(self, slots: list[int], before: Sight | None, now: Sight) -> list[bytes]:
        """`gone` and `meta`, and the open events of units of which more may be seen now, or less."""
        said = []
        seen = now.of(slots)
        masks = [] if before is None else [mask for mask in (before.units, before.bodies) if mask is not None]
        count = min(map(len, masks), default=0)
        if before is not None and before.units is not None:
            gone = [slot for slot in slots if slot < count and before.sees(slot) and not now.sees(slot)]
            if gone:
                said.append(encode({"k": "gone", "slots": gone}))
        if seen:
            said.append(self._meta(seen))
        came = {slot for slot in seen if slot < count and before is not None and not before.sees(slot)}
        came |= {
            slot for slot in seen if slot < count and before and before.sees_body(slot) != now.sees_body(slot)
        }
        if came:
            said += [now.event(event) for event in self.events.open() if event.slot in came]
        return said

    def tell_link(self) -> None:
        """The link, when it changed."""
        link = self._link()
        if link != self._link_said:
            self._link_said = link
            data = encode({"k": "link", **link})
            for viewer in self.viewers:
                if not viewer.paused:  # `go` tells it again
                    viewer.push(data)

    def stop(self) -> None:
        for viewer in self.viewers:
            viewer.close("stopping")

    # --- making ------------------------------------------------------------------------------------------

    def _meta(self, slots: Iterable[int]) -> bytes:
        return encode({"k": "meta", "units": self.units.meta(list(slots))})

    def _push_snapshot(self, viewer: Viewer) -> None:
        """All units, then the link. It holds what the tick in the making has so far; that comes again."""
        if viewer.snapped == self.picture.seq:
            return  # it had one within this tick
        viewer.snapped = self.picture.seq
        key = (viewer.audience, -1, self.picture.seq)
        data = self._made.get(key)
        if data is None:
            slots = np.arange(self.picture.n, dtype=np.int64)
            data = self._made[key] = self._columns("snap", slots, {}, viewer.audience)
        viewer.push(data)
        viewer.push(encode({"k": "link", **self._link()}))
        viewer.seq = self._sent_seq
        viewer.tick_due = False

    def _tick_since(self, since: int, audience: Audience) -> bytes:
        """Changes after tick `since`. Made once for all viewers of an audience that have the same tick."""
        key = (audience, since, self._sent_seq)
        data = self._made.get(key)
        if data is None:
            slots = self.picture.changed_since(since)
            data = self._made[key] = self._columns("tick", slots, {"since": since}, audience)
        return data

    def _columns(self, word: str, slots: I64, more: dict[str, object], audience: Audience) -> bytes:
        sight = self._sight(audience)
        if sight.units is not None:
            slots = slots[sight.units[slots]]
        columns = self.picture.columns(slots)
        if sight.bodies is not None:
            hearts = np.frombuffer(columns["hr"], "u1")
            columns["hr"] = np.where(sight.bodies[slots], hearts, 255).astype("u1").tobytes()
        head = {"k": word, "t": self._clock_ms(), "seq": self._sent_seq, "n": len(slots)}
        return encode({**head, "c": columns, **more})

    def _sight(self, audience: Audience) -> Sight:
        """Found out once, until units change. Units beyond it are new: they are looked at too."""
        sight = self._sights.get(audience)
        rows = self.units.rows
        if sight is None or any(m is not None and len(m) != len(rows) for m in (sight.units, sight.bodies)):
            units = bodies = None
            if audience.agencies is not None:
                units = np.array([audience.sees(row.agency) for row in rows], np.bool_)
            if audience.physiology != "all":
                bodies = np.array([audience.sees_body(row.team) for row in rows], np.bool_)
            if len(self._sights) >= AUDIENCES_MAX:
                watching = {viewer.audience for viewer in self.viewers}
                self._sights = {a: s for a, s in self._sights.items() if a in watching}
            sight = self._sights[audience] = Sight(units, bodies)
        return sight
