"""The guard: runs the rules, and turns what they say into event rows, sounds and lines for the wearer.

Enters: samples, ticks of the clock, what the sender and the hub say of an event. Leaves: `Acts`, and values of the
state row. Pure: `edge.agent` gives the time and does what is asked. Every alarm is raised once and ended once, whatever
comes; state is bounded by the tables of fields, gases and codes.
"""

import math
from collections.abc import Hashable
from dataclasses import asdict, dataclass, field
from typing import Any

from edge.events import EventRow, Events, Key, OpenEvent
from edge.guard import words
from edge.guard.arbiter import Arbiter
from edge.guard.asked import Ask, Asked
from edge.guard.disk import DiskRule
from edge.guard.entry import Entry
from edge.guard.forged import ForgedRule
from edge.guard.rule import WEARERS, Now, Rule, Standing
from edge.guard.rules import RULES, RuleRow, is_on
from edge.guard.settings import GuardConfig, Person
from edge.guard.words import SOUNDS, cut, line
from firmware_bridge.interface import Command, Show
from protocols.catalog import FIELDS_BY_ID, Duty, EventCode, EventPhase, PassState, field_id
from protocols.samples import Fix, Identity, Impact, Pressed, Reading, Sample
from protocols.wearer import PATTERNS, Gesture, Pattern

TICK_MS = 200
NOTICE_MS = 6_000
"""So long a confirmation stays on the display."""
TELL_ALL_MS = 30_000
"""Duty and estimates are said again so often, changed or not."""
CLAIM_MS = 120_000
"""An alarm of before a restart that no rule finds again in this time is over."""
DUTY, PASS_STATE = field_id("duty"), field_id("pass_state")
AT_ONCE = frozenset((DUTY, PASS_STATE))
WANTED = frozenset(
    field_id(name) for name in ("activity_mg", "posture", "scba_kpa", "heart_bpm", "pressure_pa")
)
WORN = WANTED - {field_id("pressure_pa")}
"""A gateway that hears one of these is worn by somebody; a vehicle's says nothing of duty."""
ANSWERS = {
    Gesture.ANSWER: EventCode.RECEIVED,
    Gesture.ACCEPT: EventCode.ACCEPTED,
    Gesture.REFUSE: EventCode.REFUSED,
    Gesture.DONE: EventCode.DONE,
}
_URGENCY = {row.pattern: row.urgency for row in PATTERNS}
_PATTERN_WORDS = {row.pattern: cut(f"{row.zh} {row.en}") for row in PATTERNS}
QUESTION = "question"


@dataclass(slots=True)
class Acts:
    """What is to be done: rows into the spool at once, commands to every board. `answers`: [order, code] of those rows
    that are the wearer's word on an order."""

    rows: list[EventRow] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    answers: list[tuple[int, EventCode]] = field(default_factory=list)


class Guard:
    """One wearer's rules. Times are milliseconds of the boot's clock and never fall."""

    def __init__(self, config: GuardConfig, person: Person, boot_bits: int) -> None:
        self._config, self._person = config, person
        self._now = Now()
        self._events = Events(boot_bits)
        self._entry = Entry(config.entry, person.cylinder_l)
        self._rules: list[tuple[RuleRow, Rule]] = [
            (row, row.make(config, person)) for row in RULES if is_on(row, config)
        ]
        self._disk = next(rule for _, rule in self._rules if isinstance(rule, DiskRule))
        self._forged = next(rule for _, rule in self._rules if isinstance(rule, ForgedRule))
        self._stood: list[dict[Key, Standing]] = [{} for _ in self._rules]
        self._unclaimed: set[Key] = set()
        self._arbiter = Arbiter(round(config.again_s * 1000))
        self._asked = Asked()
        self._notice = ("", 0)
        self._shown = ""
        self._worn = False
        self._told: dict[int, int] = {}
        self._told_ms = self._told_all_ms = -TELL_ALL_MS

    # --- in ----------------------------------------------------------------------------------------

    def hear(self, sample: Sample, t_ms: int) -> Acts:
        """A sample of any device."""
        now = self._at(t_ms)
        acts = Acts()
        if isinstance(sample, Fix):
            self._events.note_fix(sample, now.t_ms)
        elif isinstance(sample, Reading):
            for found in sample.values.keys() & WANTED:
                now.values[found] = (sample.values[found], now.t_ms)
                self._worn = self._worn or found in WORN
        elif isinstance(sample, Pressed | Impact):
            self._worn = True
        elif isinstance(sample, Identity):
            self._arbiter.replay()
            self._shown = ""
        if self._config.on:
            duty = self._entry.hear(sample, now)
            if duty is not None:
                self._set_duty(duty, acts)
        for _, rule in self._rules:
            rule.hear(sample, now)
        if isinstance(sample, Pressed):
            self._press(sample.gesture, acts)
        self._judge(acts)
        return acts

    def tick(self, t_ms: int) -> Acts:
        """The time has come on; each TICK_MS."""
        now = self._at(t_ms)
        acts = Acts()
        self._judge(acts)
        if self._unclaimed and now.t_ms >= CLAIM_MS:
            for key in self._unclaimed:
                acts.rows.append(self._end(key))
            self._unclaimed = set()
        question = next((asked for _, rule in self._rules if (asked := rule.question())), None)
        if question is None:
            self._arbiter.close(QUESTION)
        elif not self._arbiter.wants(QUESTION):
            self._arbiter.open(QUESTION, question, now.t_ms)
        acts.commands += self._arbiter.step(now.t_ms)
        self._show(question, acts)
        self._asked.told(acts.commands)
        return acts

    def press(self, gesture: Gesture, t_ms: int) -> Acts:
        """A gesture that came another way than from a board: the local socket's `sos` and `cancel`."""
        return self.hear(Pressed(gesture), t_ms)

    def set_duty(self, duty: Duty, t_ms: int) -> Acts:
        """The duty state as somebody set it, such as rehab."""
        self._at(t_ms)
        acts = Acts()
        self._worn = True
        self._set_duty(duty, acts)
        self._judge(acts)
        return acts

    def ask(self, pattern: Pattern, text: str, t_ms: int, order: int = 0, *, is_task: bool = False) -> None:
        """A roll-call, an order, evacuate: it sounds until the wearer answers or `unask`. `order`: its number, 0 for
        none."""
        now = self._at(t_ms)
        key = _asked_key(order or pattern)
        gone = self._asked.put(Ask(key, pattern, cut(text or _PATTERN_WORDS[pattern]), order, is_task))
        if gone is not None:
            self._arbiter.close(gone.key)
            if gone.key == key:
                return
        self._arbiter.open(key, pattern, now.t_ms)

    def unask(self, what: int) -> None:
        """It is over: what was asked under this order's number, or of no order under this pattern."""
        key = _asked_key(what)
        self._asked.drop(key)
        self._arbiter.close(key)

    def accept(self, order: int) -> None:
        """A task was accepted another way than by a gesture: it waits for DONE."""
        self._asked.accept(_asked_key(order))
        self._arbiter.close(_asked_key(order))

    def shown(self, command: Command, t_ms: int) -> Acts:
        """A board has done this command: orders that the wearer was shown by it."""
        acts = Acts()
        for order in self._asked.shown(command):
            self._say(EventCode.SHOWN, order, self._at(t_ms), acts)
        return acts

    def say(self, code: EventCode, order: int, t_ms: int, value: int | None = None) -> Acts:
        """A receipt, or an answer that came another way. It is not among `answers`: who calls knows it."""
        row = self._events.happened(code, self._now.duty, self._at(t_ms).t_ms, order=order, value=value)
        return Acts(rows=[row])

    def forged(self) -> None:
        """An order came that nobody made who may; the next tick says so."""
        self._forged.note()

    def disk(self, refuses: bool) -> None:
        """Whether the disk refuses the spool; the next tick says so."""
        self._disk.refuses = refuses

    def sent(self, row: EventRow, t_ms: int, *, held: bool) -> None:
        """A row has gone out; `held`: the hub has it. The wearer of an SOS or a man-down hears both."""
        if row.code not in WEARERS or row.phase not in (EventPhase.RAISED, EventPhase.REPEATED):
            return
        self._at(t_ms)
        for event in self._events.open.values():
            if event.id == row.event_id:
                event.sent, event.held = True, held or event.held
                self._arbiter.confirm(Pattern.SENDING)

    def seen(self, event_id: int, by_name: str, t_ms: int) -> Acts:
        """A commander has seen an event. The hub is told, once, that the wearer was."""
        now = self._at(t_ms)
        row, event = self._events.seen(event_id, now.duty, now.t_ms)
        if event is not None:
            self._arbiter.confirm(Pattern.SEEN)
            self._notice = (cut(f"指挥员已看到 seen: {by_name}"), now.t_ms + NOTICE_MS)
        return Acts(rows=[row] if row is not None else [])

    def _at(self, t_ms: int) -> Now:
        self._now.t_ms = max(self._now.t_ms, t_ms)
        return self._now

    # --- duty and answers --------------------------------------------------------------------------

    def _set_duty(self, duty: Duty, acts: Acts) -> None:
        now = self._now
        was_inside, now.duty = now.inside, duty
        if now.inside == was_inside:
            return
        now.entered_ms = now.t_ms if now.inside else None
        if not now.inside:
            self._entry.left(now.t_ms)
        code = EventCode.ENTERED if now.inside else EventCode.LEFT
        acts.rows.append(self._events.happened(code, duty, now.t_ms))
        for _, rule in self._rules:
            rule.entered(now)
        self._arbiter.confirm(Pattern.ENTRY)

    def _press(self, gesture: Gesture, acts: Acts) -> None:
        now = self._now
        again = (int(EventCode.SOS), -1, 0)
        if gesture == Gesture.SOS and again in self._events.open:
            acts.rows.append(self._events.raised(Standing(EventCode.SOS), now.duty, now.t_ms))
        used = [rule.press(gesture, now) for _, rule in self._rules]
        if gesture not in ANSWERS or (gesture == Gesture.ANSWER and any(used)):
            return
        self._arbiter.quiet()
        answered = self._asked.answer(gesture)
        if answered is None:
            acts.rows.append(self._events.happened(ANSWERS[gesture], now.duty, now.t_ms))
            return
        ask, code, is_over = answered
        if is_over or ask.is_accepted:
            self._arbiter.close(ask.key)
        self._say(code, ask.order, now, acts)

    def _say(self, code: EventCode, order: int, now: Now, acts: Acts) -> None:
        acts.rows.append(self._events.happened(code, now.duty, now.t_ms, order=order))
        if order:
            acts.answers.append((order, code))

    # --- alarms ------------------------------------------------------------------------------------

    def _judge(self, acts: Acts) -> None:
        """What began and what ended since the last time, rule by rule."""
        for i, (_, rule) in enumerate(self._rules):
            standing, stood = rule.step(self._now), self._stood[i]
            if not standing and not stood:
                continue
            current = {one.key: one for one in standing}
            for key in [key for key in stood if key not in current]:
                del stood[key]
                acts.rows.append(self._end(key))
            for key, one in current.items():
                if key not in stood:
                    stood[key] = one
                    acts.rows.append(self._begin(one))

    def _begin(self, standing: Standing) -> EventRow:
        self._unclaimed.discard(standing.key)
        pattern = SOUNDS.get(standing.code)
        if pattern is not None:
            self._arbiter.open(standing.key, pattern, self._now.t_ms)
        return self._events.raised(_within(standing), self._now.duty, self._now.t_ms)

    def _end(self, key: Key) -> EventRow:
        self._arbiter.close(key)
        by_wearer = key[0] in WEARERS
        if by_wearer:
            self._arbiter.confirm(Pattern.CLEARED)
        phase = EventPhase.CANCELLED if by_wearer else EventPhase.CLEARED
        return self._events.ended(key, phase, self._now.duty, self._now.t_ms)

    # --- what the wearer sees ----------------------------------------------------------------------

    def _show(self, question: Pattern | None, acts: Acts) -> None:
        text = self._line(question)
        if text != self._shown:
            self._shown = text
            acts.commands.append(Show(text))

    def _line(self, question: Pattern | None) -> str:
        """The confirmation just made, else the most urgent of the question, the alarms and what was asked."""
        notice, until_ms = self._notice
        if self._now.t_ms < until_ms:
            return notice
        best, text = -1, ""
        asked = self._asked.top()
        if asked is not None:
            best, text = _URGENCY[asked.pattern], asked.text
        if question is not None and _URGENCY[question] > best:
            best, text = _URGENCY[question], _PATTERN_WORDS[question]
        top = max(self._events.open.values(), key=_event_urgency, default=None)
        if top is not None and _event_urgency(top) > best:
            return line(top.standing, self._told, _way(top))
        if not text and self._now.inside and self._told.get(PASS_STATE) == PassState.OFF:
            return "呼救器未工作 PASS is off"
        return text

    # --- out ---------------------------------------------------------------------------------------

    def report(self, t_ms: int) -> dict[int, int]:
        """Values for the state row: duty and PASS as they change, estimates each `report_s`, and all now and then."""
        now = self._at(t_ms)
        if not self._worn and now.duty == Duty.STANDBY:
            return {}
        values: dict[int, int] = {DUTY: int(now.duty)}
        for _, rule in self._rules:
            values |= rule.values(now)
        every = now.t_ms - self._told_all_ms >= TELL_ALL_MS
        due = every or now.t_ms - self._told_ms >= self._config.report_s * 1000
        out = {
            key: value
            for key, value in values.items()
            if every or (self._told.get(key) != value and (due or key in AT_ONCE))
        }
        self._told_all_ms = now.t_ms if every else self._told_all_ms
        self._told_ms = now.t_ms if due else self._told_ms
        self._told = {key: value for key, value in self._told.items() if key in values} | out
        return out

    def status(self, t_ms: int) -> dict[str, object]:
        """For `zhantu-edge guard`: what is armed, what is open, values and settings."""
        now = self._at(t_ms)
        return {
            "duty": now.duty.name.lower(),
            "entered_s": None if now.entered_ms is None else (now.t_ms - now.entered_ms) // 1000,
            "sounds": self._arbiter.playing.name.lower(),
            "shows": self._shown,
            "open": [
                {
                    "event": event.standing.code.name.lower(),
                    "id": event.id,
                    "field": FIELDS_BY_ID[event.standing.field].name if event.standing.field is not None else None,
                    "value": event.standing.value,
                    "threshold": event.standing.threshold,
                    "since_s": (now.t_ms - event.since_ms) // 1000,
                    "sent": event.sent,
                    "held": event.held,
                    "seen": event.seen,
                }
                for event in self._events.open.values()
            ],
            "rules": {
                row.name: rule.status(now) for row, rule in self._rules
            }
            | {row.name: {"state": "off"} for row in RULES if not is_on(row, self._config)},
            "values": {FIELDS_BY_ID[key].name: value for key, value in self._told.items()},
            "settings": {"guard": asdict(self._config), "person": asdict(self._person)},
        }  # fmt: skip

    # --- over a restart ----------------------------------------------------------------------------

    def mark(self) -> tuple[object, ...]:
        """Differs when something has changed that `keep` should write at once."""
        return (self._now.duty, *(event.id for event in self._events.open.values()))

    def keep(self) -> dict[str, Any]:
        """What must survive a restart, as JSON: duty, open alarms, the air clock, doses."""
        return {
            "duty": int(self._now.duty),
            "open": [
                [event.id, int(one.code), one.field, one.value, one.threshold, one.level]
                for event in self._events.open.values()
                for one in (event.standing,)
            ],
            "rules": {row.name: rule.keep() for row, rule in self._rules},
        }

    def resume(self, kept: dict[str, Any], t_ms: int) -> None:
        """Take up what `keep` said. ValueError, TypeError or KeyError when it is not that; nothing is taken then."""
        now = self._at(t_ms)
        duty = Duty(kept["duty"])
        found = [(int(event_id), _standing(*rest)) for event_id, *rest in kept["open"]]
        numbers = {
            name: {str(key): _finite(value) for key, value in told.items()}
            for name, told in kept["rules"].items()
        }
        now.duty = duty
        now.entered_ms = now.t_ms if now.inside else None
        self._events.resume(found, now.t_ms)
        self._worn = duty != Duty.STANDBY or bool(found)
        for i, (row, rule) in enumerate(self._rules):
            mine = [one for _, one in found if one.code in row.events]
            rule.resume(numbers.get(row.name, {}), mine)
            for one in rule.step(now):
                if one.key in self._events.open:
                    self._stood[i][one.key] = one
                    if one.code in SOUNDS:
                        self._arbiter.open(one.key, SOUNDS[one.code], now.t_ms)
        claimed = {key for stood in self._stood for key in stood}
        self._unclaimed = {key for key in self._events.open if key not in claimed}


def _asked_key(what: int) -> Hashable:
    """Under which the arbiter knows it: numbers of orders and of patterns are never the same thing."""
    return what if isinstance(what, Pattern) else ("order", what)


def _way(event: OpenEvent) -> str:
    if event.standing.code not in WEARERS:
        return ""
    return (
        words.SEEN
        if event.seen
        else words.HELD
        if event.held
        else words.SENT
        if event.sent
        else words.WAITING
    )


def _finite(value: Any) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(f"kept: {value!r} is no number")
    return number


def _event_urgency(event: OpenEvent) -> int:
    if event.standing.code in WEARERS:
        return _URGENCY[Pattern.ALARM]
    return _URGENCY[SOUNDS.get(event.standing.code, Pattern.OFF)]


def _standing(code: int, found: int | None, value: int | None, threshold: int | None, level: int) -> Standing:
    for number in (found, value, threshold, level):
        if number is not None and type(number) is not int:
            raise TypeError(f"kept: {number!r} in an alarm")
    return Standing(EventCode(code), found, value, threshold, level)


def _within(standing: Standing) -> Standing:
    """A device may send any number; an event row takes 53 bits."""
    limit = 2**53
    value = standing.value
    return standing if value is None else standing._replace(value=max(-limit, min(limit, value)))
