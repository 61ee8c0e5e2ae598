"""All alarms: what begins, what ends, who has taken it, what is put aside, and when it calls louder.

Enters: conditions that stand (`tell`), devices' events (`hear`), what people do, the time (`look`). Leaves: alarms, and
which of them changed. Pure. Caller: `hub.safety.alarms`.

A source tells everything that stands, each time; so what a source does not say any more has ended, and a part that is
told twice, late or never does no harm. Edge alarms keep the id of their event, so that there is one truth of them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hub.live.events import Event
from hub.safety.alarm import Alarm, By
from hub.safety.condition import Condition, Input, Priority
from hub.safety.flood import Flood
from hub.safety.kinds import KINDS, kind_of_code

ESCALATE_MS = (30_000, 60_000)
"""Unacknowledged for so long: the next roles are called; then everybody."""
SHELVE_MS_MAX = 8 * 3_600_000
"""One shift: whoever comes next decides anew."""
GROUP_MIN = 3
CLOSED_MAX = 5_000
"""Closed alarms remembered; beyond it the oldest is forgotten. They stay in the registry's records."""
TRACKED_MAX = 50_000
"""Conditions watched at once; beyond it, new ones that are not grave are left out and counted."""


@dataclass(slots=True)
class _Track:
    """A condition that stands, or has just ended."""

    said: Condition
    since_ms: int
    over_ms: int | None = None
    alarm: Alarm | None = None
    joined: Alarm | None = None


class AlarmBook:
    """See the module. `changed` are ids to tell and to keep; whoever takes them empties it."""

    def __init__(self) -> None:
        self._alarms: dict[str, Alarm] = {}
        self._closed: dict[str, None] = {}  # ids, in the order of their closing
        self._tracks: dict[str, dict[str, _Track]] = {}  # source -> key -> track
        self._edge: dict[str, str] = {}  # "SLOT:CODE" -> id of the device's open alarm
        self._causes: Counter[str] = Counter()  # open alarms that may be grouped, by cause
        self._number = 0
        self.flood = Flood()
        self.changed: dict[str, None] = {}
        self.forgotten: set[str] = set()
        self.escalated: list[Alarm] = []
        self.left_out = 0
        self.steps = 0  # conditions looked at, so that a test can count the work

    # --- reading -------------------------------------------------------------------------------------------

    def get(self, id: str) -> Alarm | None:
        return self._alarms.get(id)

    def all(self) -> Iterable[Alarm]:
        return self._alarms.values()

    def open(self) -> list[Alarm]:
        """Those that are not closed, the gravest first, of equals the newest."""
        found = [alarm for alarm in self._alarms.values() if alarm.is_open]
        return sorted(found, key=lambda alarm: (alarm.priority, -alarm.t_began))

    def group_of(self, alarm: Alarm) -> str:
        """The cause that it is shown under, together with others; "" for one that stands alone."""
        together = alarm.is_open and _groups(alarm) and self._causes[alarm.cause] >= GROUP_MIN
        return alarm.cause if together else ""

    def sounds(self, alarm: Alarm) -> bool:
        """In a flood only what is grave or protected."""
        quiet = self.flood.stands and not alarm.is_protected and alarm.priority > Priority.HIGH
        return alarm.calls and not quiet

    # --- restart -------------------------------------------------------------------------------------------

    def restore(self, kept: Iterable[Alarm], now_ms: int) -> None:
        """Alarms as they were kept: none calls anew. What stood is taken to stand until its source says otherwise."""
        for alarm in sorted(kept, key=lambda alarm: alarm.t_hub):
            self._alarms[alarm.id] = alarm
            if not alarm.is_open:
                self._closed[alarm.id] = None
                continue
            self._count(alarm, +1)
            if alarm.event:
                if alarm.stands and alarm.joins:
                    self._edge[alarm.joins] = alarm.id
            else:
                said = Condition(
                    alarm.key,
                    alarm.kind,
                    Priority(alarm.priority),
                    alarm.units,
                    alarm.zh,
                    alarm.en,
                    cause=alarm.cause,
                )
                over_ms = None if alarm.stands else now_ms
                track = _Track(said, alarm.t_raised, over_ms, alarm)
                self._tracks.setdefault(alarm.source, {})[alarm.key] = track

    # --- conditions ----------------------------------------------------------------------------------------

    def tell(self, source: str, standing: Sequence[Condition], now_ms: int) -> None:
        """All that stands of a source."""
        tracks = self._tracks.setdefault(source, {})
        here = set()
        for said in standing:
            self.steps += 1
            here.add(said.key)
            track = tracks.get(said.key)
            if track is None:
                if len(tracks) >= TRACKED_MAX and said.priority > Priority.HIGH:
                    self.left_out += 1
                    continue
                track = tracks[said.key] = _Track(said, now_ms)
            elif track.over_ms is not None and track.alarm is None:
                track.since_ms = now_ms
            track.said, track.over_ms = said, None
            self._stand(source, track, now_ms)
        for key in [key for key in tracks if key not in here]:
            self.steps += 1
            self._over(tracks, key, now_ms)

    def _stand(self, source: str, track: _Track, now_ms: int) -> None:
        said = track.said
        edge = self._alarms.get(self._edge.get(said.joins, "")) if said.joins else None
        if edge is not None:
            self._join(track, edge, now_ms)
        elif now_ms - track.since_ms >= said.on_ms or (track.alarm is not None and track.alarm.stands):
            self._part(track)
            self._raise(source, track, now_ms)

    def _join(self, track: _Track, edge: Alarm, now_ms: int) -> None:
        """The device says the same: one alarm, with the hub's reasons beside its own."""
        why = [_input(one) for one in track.said.why]
        if edge.more.get(track.said.key) != why:
            edge.more[track.said.key] = why
            self.changed[edge.id] = None
        track.joined = edge
        if track.alarm is not None and track.alarm.is_open:
            self._close(track.alarm, By("", now_ms, edge.id))
        track.alarm = None

    def _part(self, track: _Track) -> None:
        if track.joined is not None and track.joined.more.pop(track.said.key, None) is not None:
            self.changed[track.joined.id] = None
        track.joined = None

    def _raise(self, source: str, track: _Track, now_ms: int) -> None:
        said, alarm = track.said, track.alarm
        if alarm is None or not alarm.is_open:
            about = KINDS[said.kind]
            alarm = track.alarm = Alarm(
                self._new_id(now_ms), said.key, source, said.kind, int(said.priority), said.units, said.zh,
                said.en, track.since_ms, now_ms, now_ms,
                advice_zh=said.advice_zh or about.advice_zh, advice_en=said.advice_en or about.advice_en,
                cause=said.cause, private=said.private, joins=said.joins,
            )  # fmt: skip
            self._add(alarm, now_ms)
        elif not alarm.stands:
            alarm.stands, alarm.t_cleared = True, None
            alarm.count += 1
            self._call_anew(alarm, now_ms)
        elif said.priority < alarm.priority:
            self._count(alarm, -1)
            alarm.priority = int(said.priority)
            self._count(alarm, +1)
            self._call_anew(alarm, now_ms)
        self._update(alarm, said)

    def _new_id(self, now_ms: int) -> str:
        """Another than all that are known: a start within the same millisecond begins to count anew."""
        self._number += 1
        while f"h{now_ms}-{self._number}" in self._alarms:
            self._number += 1
        return f"h{now_ms}-{self._number}"

    def _update(self, alarm: Alarm, said: Condition) -> None:
        why = [_input(one) for one in said.why]
        new = (said.zh, said.en, why, said.units, said.lat_deg, said.lon_deg, int(said.priority))
        if new != (alarm.zh, alarm.en, alarm.why, alarm.units, alarm.lat, alarm.lon, alarm.priority):
            self._count(alarm, -1)
            alarm.zh, alarm.en, alarm.why, alarm.units, alarm.lat, alarm.lon, alarm.priority = new
            self._count(alarm, +1)
            self.changed[alarm.id] = None

    def _over(self, tracks: dict[str, _Track], key: str, now_ms: int) -> None:
        track = tracks[key]
        if track.over_ms is None:
            track.over_ms = now_ms
            self._part(track)
        alarm = track.alarm
        if alarm is None or not alarm.is_open:
            del tracks[key]
        elif now_ms - track.over_ms >= track.said.off_ms and alarm.stands:
            self._clear(alarm, now_ms)
            if not alarm.is_open:
                del tracks[key]

    # --- devices -------------------------------------------------------------------------------------------

    def hear(self, event: Event, unit: str, now_ms: int) -> None:
        """A device's alarm, new or changed. Happenings are none."""
        if event.happened:
            return
        alarm = self._alarms.get(event.id)
        if alarm is None:
            if not event.is_open:
                return  # it was over before we heard of it
            kind = kind_of_code(event.code)
            about = KINDS[kind]
            at_ms = event.t_event_ms if event.first is None else event.first.t_utc_ms
            alarm = Alarm(
                event.id, event.id, "edge", kind, int(about.priority), (unit,), about.zh, about.en, at_ms,
                event.t_hub_ms, now_ms, advice_zh=about.advice_zh, advice_en=about.advice_en, cause=f"unit:{unit}",
                private=event.is_bodily, late=event.late, event=event.id, code=event.code,
                joins=f"{event.slot}:{event.code}",
            )  # fmt: skip
            self._add(alarm, now_ms)
        self._follow(alarm, event, now_ms)

    def _follow(self, alarm: Alarm, event: Event, now_ms: int) -> None:
        """What the event says now."""
        if event.seen is not None and alarm.seen is None:
            alarm.seen = By(event.seen.by, max(event.seen.t_utc_ms, alarm.t_began))
        if event.lat_deg_e7 is not None and event.lon_deg_e7 is not None:
            alarm.lat, alarm.lon = event.lat_deg_e7 / 1e7, event.lon_deg_e7 / 1e7
        alarm.why = _why(event)
        self.changed[alarm.id] = None
        if event.is_open and not (alarm.stands and alarm.is_open):
            self._reopen(alarm, now_ms)
        elif not event.is_open and alarm.stands:
            self._clear(alarm, now_ms)
        if alarm.stands and alarm.is_open:
            self._edge[alarm.joins] = alarm.id

    def _reopen(self, alarm: Alarm, now_ms: int) -> None:
        if not alarm.is_open:
            alarm.closed = None
            self._closed.pop(alarm.id, None)
            self._count(alarm, +1)
        alarm.stands, alarm.t_cleared = True, None
        alarm.count += 1
        self._call_anew(alarm, now_ms)

    # --- people --------------------------------------------------------------------------------------------

    def acknowledge(self, id: str, who: str, now_ms: int) -> Alarm:
        """The first who takes it since it last called counts. One that is over ends with it, unless it latches."""
        alarm = self._alarms[id]
        if alarm.is_open and not alarm.is_acknowledged:
            alarm.seen = By(who, max(now_ms, alarm.t_began))
            alarm.escalation = 0
            self.changed[id] = None
            self._end_if_over(alarm, now_ms)
        return alarm

    def shelve(self, id: str, who: str, until_ms: int, why: str, now_ms: int) -> Alarm:
        """Put it aside for a while. ValueError: it may not be."""
        alarm = self._alarms[id]
        if alarm.is_protected:
            raise ValueError(f"{alarm.kind}: somebody may be in danger; it cannot be shelved")
        if not alarm.is_open:
            raise ValueError("it is over")
        alarm.shelved = By(who, now_ms, why, until_ms)
        self.changed[id] = None
        return alarm

    def unshelve(self, id: str, now_ms: int) -> Alarm:
        """It calls again when it still stands."""
        alarm = self._alarms[id]
        if alarm.shelved is not None:
            alarm.shelved = None
            self.changed[id] = None
            if alarm.is_open and alarm.stands:
                self._call_anew(alarm, now_ms)
            self._end_if_over(alarm, now_ms)
        return alarm

    def close(self, id: str, who: str, why: str, now_ms: int) -> Alarm:
        """A person says that it is over. ValueError while it stands: only its cause, or its wearer, ends it."""
        alarm = self._alarms[id]
        if alarm.stands and alarm.is_open:
            raise ValueError("it still stands: its cause, or its wearer, has to end first")
        if alarm.is_open:
            alarm.seen = alarm.seen or By(who, now_ms)
            self._close(alarm, By(who, now_ms, why))
        return alarm

    # --- time ----------------------------------------------------------------------------------------------

    def look(self, now_ms: int) -> None:
        """Shelves that end, alarms that call again, escalation, the flood."""
        was, now = self.flood.stands, self.flood.look(now_ms)
        for alarm in [alarm for alarm in self._alarms.values() if alarm.is_open]:
            if was != self.flood.stands:
                self.changed[alarm.id] = None
            if alarm.shelved is not None and now_ms >= alarm.shelved.until:
                self.unshelve(alarm.id, now_ms)
            self._call_again(alarm, now_ms)
            self._escalate(alarm, now_ms)
        assert now >= 0

    def _call_again(self, alarm: Alarm, now_ms: int) -> None:
        again_ms = 1000 * alarm.about.again_s
        taken = alarm.seen if alarm.stands and alarm.is_acknowledged and alarm.shelved is None else None
        if taken is not None and again_ms and now_ms - taken.t >= again_ms:
            self._call_anew(alarm, now_ms)

    def _escalate(self, alarm: Alarm, now_ms: int) -> None:
        if not (alarm.is_protected and alarm.calls and alarm.stands):
            return
        step = sum(now_ms - alarm.t_began >= after for after in ESCALATE_MS)
        if step > alarm.escalation:
            alarm.escalation = step
            self.changed[alarm.id] = None
            self.escalated.append(alarm)

    # --- its life ------------------------------------------------------------------------------------------

    def _add(self, alarm: Alarm, now_ms: int) -> None:
        self._alarms[alarm.id] = alarm
        self._count(alarm, +1)
        self.flood.began(now_ms)
        self.changed[alarm.id] = None

    def _call_anew(self, alarm: Alarm, now_ms: int) -> None:
        alarm.t_began, alarm.escalation = now_ms, 0
        if alarm.seen is not None and alarm.seen.t >= now_ms:
            alarm.seen.t = now_ms - 1
        self.flood.began(now_ms)
        self.changed[alarm.id] = None

    def _clear(self, alarm: Alarm, now_ms: int) -> None:
        alarm.stands, alarm.t_cleared, alarm.escalation = False, now_ms, 0
        if self._edge.get(alarm.joins) == alarm.id:
            self._unlink(alarm.joins)
        self.changed[alarm.id] = None
        self._end_if_over(alarm, now_ms)

    def _unlink(self, joins: str) -> None:
        """The device's newest alarm of a code is over; another of the same code, as of another gas, may stand still."""
        del self._edge[joins]
        for other in self._alarms.values():
            if other.event and other.joins == joins and other.stands and other.is_open:
                self._edge[joins] = other.id

    def _end_if_over(self, alarm: Alarm, now_ms: int) -> None:
        """A call for help ends by a person's word. What is grave stays until somebody has taken it; the rest ends."""
        if not alarm.is_open or alarm.stands or alarm.about.latches:
            return
        if alarm.is_acknowledged or (alarm.priority > Priority.HIGH and not alarm.is_protected):
            self._close(alarm, By("", now_ms))

    def _close(self, alarm: Alarm, by: By) -> None:
        self._count(alarm, -1)
        alarm.closed, alarm.shelved, alarm.stands = by, None, False
        alarm.t_cleared = alarm.t_cleared or by.t
        self._closed[alarm.id] = None
        self.changed[alarm.id] = None
        while len(self._closed) > CLOSED_MAX:
            oldest = next(iter(self._closed))
            del self._closed[oldest], self._alarms[oldest]
            self.changed.pop(oldest, None)
            self.forgotten.add(oldest)

    def _count(self, alarm: Alarm, by: int) -> None:
        """Of its group, which tells its others when it begins or ends."""
        if not alarm.is_open or not _groups(alarm):
            return
        before = self._causes[alarm.cause]
        self._causes[alarm.cause] = before + by
        if (before >= GROUP_MIN) != (before + by >= GROUP_MIN):
            others = (one for one in self._alarms.values() if one.cause == alarm.cause and one.is_open)
            self.changed.update(dict.fromkeys(one.id for one in others))
        if not self._causes[alarm.cause]:
            del self._causes[alarm.cause]


def _groups(alarm: Alarm) -> bool:
    """Nobody in danger disappears in a group."""
    return bool(alarm.cause) and not alarm.is_protected


def _input(one: Input) -> dict[str, object]:
    return {"name": one.name, "value": one.value, "unit": one.unit, "t": one.t_utc_ms}


def _why(event: Event) -> list[dict[str, object]]:
    said = event.message()
    if event.value is None:
        return []
    name = event.field.name if event.field is not None else "value"
    made: list[dict[str, object]] = [
        {"name": name, "value": said["value"], "unit": said["unit"], "t": event.t_event_ms}
    ]
    if event.threshold is not None:
        made.append({"name": "limit", "value": said["threshold"], "unit": said["unit"], "t": None})
    return made
