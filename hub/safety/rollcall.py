"""Roll-calls (PAR): begun by people, by a timer and by what happens; answered by wearers and, by voice, for others.

Enters: targets, receipts in the outbox, officers' words, alarms of devices. Leaves: the roll-call order to devices, the
feed's `roll`, conditions, documents. Callers: `hub.app`, `hub.api.rollcall_routes`.

There is one truth of who has answered: the receipts of the order. So a roll-call that was given in the orders drawer
stands on the same board, and a receipt may come before, while or long after the board hears of its order.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

import numpy as np

from hub.errors import HubError
from hub.identity.permissions import Audience, Permission, Principal, Role
from hub.live.events import Event
from hub.live.outbox_desk import NAMED_MAX, OrderRefused
from hub.live.outbox_state import Entry as Order
from hub.live.picture import I64
from hub.safety.condition import Condition, Input, Priority
from hub.safety.entry import Entry, Hand
from hub.safety.entry_team import Team
from hub.safety.part import Ground, Maker, Part
from hub.safety.people_named import UNITS_MAX, People
from hub.safety.rollcall_book import STATES, Roll, RollRefused
from hub.safety.shelf import Shelf
from hub.store.orders import OrderRow
from protocols.catalog import EventCode
from protocols.orders import NEVER_LATE, OrderType
from protocols.units import MS_PER_DAY

log = logging.getLogger(__name__)
KIND = "roll_call"
ROLLS_MAX = 500
"""Remembered; of more the oldest that has ended is forgotten. More than the outbox has orders."""
GREETED = 20
PEOPLE_TOLD_MAX = 2_000
"""In one message, the missing first; counts are of all."""
LARGE, LARGE_MS = 300, 5_000
"""A roll-call of more people is told to screens so often at most."""
AGAIN_MS = 600_000
"""What happens does not call the roll of the same people again within so long, nor when it is so old."""
SPARKS_MAX = 1_000
RECORDED_MAX, UNRECORDED_MAX = 500, 1_000
WORDS_OF: dict[int, str] = {EventCode.SOS: "sos", EventCode.MAN_DOWN: "man_down", EventCode.FALL: "man_down"}
REASONS = {
    "": ("", ""), "timer": ("定时点名", "timed"), "sos": ("求救", "SOS"), "man_down": ("倒地", "man down"),
    "evacuation": ("撤离", "evacuation"), "strategy": ("战法改变", "change of strategy"),
    "missing": ("失踪或被困", "missing or trapped"), "hazard": ("突发险情", "sudden hazard"),
    "channel": ("换频道", "change of channel"),
}  # fmt: skip
"""Why a roll is called. **Source:** PAR triggers of the project's facts, algorithms."""
HUB = Principal("hub", Role.SAFETY_OFFICER, "", ("*",), "", "hub", frozenset({Permission.ACKNOWLEDGE}), 2**52)
"""Who calls the roll by the timer and by what happens. A roll-call is a question and needs nobody's signature."""

Tell = Callable[[str, Sequence[Condition], int], None]


class ZonePeople(Protocol):
    """What roll-calls need of the zones: slots that are, or may be, inside. KeyError: no such zone."""

    def inside(self, zone_id: str) -> I64: ...
    def unsure(self, zone_id: str) -> I64: ...


class Asked(NamedTuple):
    """Whom a roll-call means: orders to give, and people by hand. `fixed`: these and no others. Not: whoever belongs to
    the units of the orders, too."""

    target: str
    orders: list[str]
    hands: dict[str, Hand]
    fixed: bool


class Spark(NamedTuple):
    """Why the hub is to call a roll by itself. `but`: the unit that calls for help. It is known, needs no question, and
    on a narrow way a question would be in the way of the word that somebody has seen it."""

    target: str
    reason: str
    but: str = ""


class Starting(NamedTuple):
    """One that the hub itself begins, while its orders are being written."""

    asked: Asked
    reason: str
    rows: Future[list[OrderRow]]


class RollCalls(Part):
    """See the module. `zones` None: a zone is nobody's target."""

    name = "rollcall"

    def __init__(self, ground: Ground, entry: Entry, tell: Tell, zones: ZonePeople | None = None) -> None:
        self._ground = ground
        self._entry = entry
        self._tell = tell
        self._zones = zones
        self.people = People(ground.units, entry)
        self.shelf = Shelf(ground, KIND, Roll, ROLLS_MAX, lambda roll: roll.ended is not None)
        self._starting: list[Starting] = []
        self._sparks: deque[Spark] = deque(maxlen=SPARKS_MAX)
        self._sparked: dict[str, None] = {}
        self._unrecorded: deque[tuple[str, dict[str, object]]] = deque(maxlen=UNRECORDED_MAX)
        self._evacuated = 0
        self._receipts = -1
        self._told: dict[str, int] = {}
        self._told_ms: dict[str, int] = {}
        self._silent: frozenset[str] = frozenset()
        self._number = 0
        self._trouble = ""

    # --- whom ----------------------------------------------------------------------------------------------

    def ask(self, me: Principal, target: str) -> Asked:
        """Whom a target means, for this person. RollRefused."""
        if target.startswith("entry:"):
            team = self._entry.shelf.get(target.removeprefix("entry:"))
            if team is None or team.ended is not None or not self._entry.sees(team, me.audience):
                raise RollRefused(404, f"no entry team {target[6:46]!r}")
            return self._asked(me, target, [one.unit for one in team.members.values() if one.unit], [team])
        if target.startswith("zone:"):
            return self._in_zone(me, target)
        return Asked(target, [target], self._hands(me, target, ()), fixed=False)

    def _in_zone(self, me: Principal, target: str) -> Asked:
        zone = target.removeprefix("zone:")
        try:
            slots = [] if self._zones is None else {*self._zones.inside(zone), *self._zones.unsure(zone)}
        except KeyError:
            raise RollRefused(404, f"no zone {zone[:40]!r}") from None
        if self._zones is None:
            raise RollRefused(404, "this hub has no zones")
        # A hub of the family obeys no orders, nor does what others have reported.
        rows, units_of, hubs = self._ground.units.rows, self._ground.units, self._ground.ingest.hubs
        ours = [
            slot for slot in slots if not units_of.is_reported(slot) and units_of.device_of(slot) not in hubs
        ]
        units = [rows[slot].id for slot in sorted(ours) if me.audience.sees(rows[slot].agency)]
        teams = [team for team in self._entry.open() if set(units) & set(team.members)]
        return self._asked(me, target, units, teams)

    def _asked(self, me: Principal, target: str, units: list[str], teams: list[Team]) -> Asked:
        hands = {
            one.key: Hand(one.key, one.name, team.agency, team.id)
            for team in teams
            for one in team.members.values()
            if one.unit is None and me.audience.sees(team.agency)
        }
        if not units and not hands:
            raise RollRefused(422, f"target {target[:40]!r}: nobody is meant")
        if not self.people.are_of(me, [*units, *hands], hands):
            raise RollRefused(403, "not all of these are of your team")
        parts = [units[i : i + NAMED_MAX] for i in range(0, len(units), NAMED_MAX)]
        return Asked(target, ["units:" + ",".join(part) for part in parts], hands, fixed=True)

    def _ask_others(self, target: str, but: str) -> Asked:
        """All of an entry team or a team but one unit."""
        if target.startswith("entry:"):
            team = self._entry.shelf.get(target.removeprefix("entry:"))
            units = (
                [] if team is None else [one.unit for one in team.members.values() if one.unit is not None]
            )
            return self._asked(HUB, target, [unit for unit in units if unit != but], [team] if team else [])
        rows, units_of, hubs = self._ground.units.rows, self._ground.units, self._ground.ingest.hubs
        others = [
            row.id
            for slot, row in enumerate(rows)
            if f"team:{row.team}" == target and row.id != but
            if not units_of.is_reported(slot) and units_of.device_of(slot) not in hubs
        ]
        named = [team for team in self._entry.open() if f"team:{team.team}" == target]
        return self._asked(HUB, target, others, named)

    def _hands(self, me: Principal, target: str, units: Sequence[str]) -> dict[str, Hand]:
        """People by hand of `all`, a team, or units, whom this person may call."""
        found = {one.key: one for one in self._entry.people_of(target, units, me.audience.sees)}
        return {key: one for key, one in found.items() if self.people.are_of(me, [key], found)}

    # --- beginning and ending ------------------------------------------------------------------------------

    def give(self, me: Principal, asked: Asked, reason: str) -> list[OrderRow]:
        """The orders to devices; on a reader's thread. No orders when only people by hand are meant."""
        words = REASONS[reason][0]
        body = {"text": words} if words else {}
        rows = []
        for target in asked.orders:
            try:
                rows.append(self._ground.order_desk.give(me, OrderType.ROLL_CALL, target, body))
            except OrderRefused as err:
                if err.status != 422 or not asked.hands:
                    raise
        return rows

    def begin(self, me: Principal, asked: Asked, reason: str, rows: list[OrderRow]) -> Roll:
        """On the loop: the orders go out, and the board has it, in one go. RollRefused: nobody is meant."""
        now_ms = self._ground.clock_ms()
        units = list(dict.fromkeys(unit for row in rows for unit in row.units))
        hands = asked.hands if asked.fixed else asked.hands | self._hands(me, asked.target, units)
        if not units and not hands:
            raise RollRefused(422, f"target {asked.target[:40]!r}: nobody is meant")
        for row in rows:
            self._ground.outbox.add(row)
        self._number += 1
        id = f"r{rows[0].seq}" if rows else f"r{now_ms}-{self._number}"
        known = self.shelf.get(id)
        if known is not None:
            return known
        seqs = [row.seq for row in rows]
        roll = Roll(id, 1, asked.target, me.name, reason, now_ms, seqs, units, hands)
        self._put(roll)
        return roll

    def missing(self, roll: Roll) -> list[str]:
        """Who has not answered, by key."""
        return roll.missing(self._silent)

    async def end(self, roll: Roll, who: str, now_ms: int) -> None:
        """By a person, with the result in the record. StoreError: it is not over."""
        said, silent = self._result(roll), self._silent
        await self.shelf.act(roll, lambda roll: roll.end(who, now_ms, silent), who, "roll-call ended", said)

    def _result(self, roll: Roll) -> dict[str, object]:
        counts = dict.fromkeys(STATES, 0)
        for key in roll.who:
            counts[roll.state(key, self._silent)] += 1
        missing = [self.people.name(key, roll.hands) for key in self.missing(roll)[:RECORDED_MAX]]
        return {"roll": roll.id, "target": roll.target, "counts": counts, "missing": missing}

    def _put(self, roll: Roll) -> None:
        """One that asks the same people and maybe more takes the place of an older one."""
        who = set(roll.who)
        for other in self.shelf.all():
            same = other.ended is None and other.target == roll.target and other.t <= roll.t
            if same and other.id != roll.id and who.issuperset(other.who):
                self._unrecorded.append(("roll-call replaced", self._result(other) | {"by": roll.id}))
                other.end("", roll.t, self._silent, roll.id)
        self.shelf.put(roll)
        self._hear(roll)

    def _adopt(self, now_ms: int) -> None:
        """Roll-calls that were given as orders by others than this part."""
        known = {seq for roll in self.shelf.all() for seq in roll.seqs}
        since_ms = now_ms - MS_PER_DAY
        for order in reversed(list(self._ground.outbox.entries())):
            seq = order.order.seq
            if order.order.type != OrderType.ROLL_CALL or seq in known or order.row.t_utc_ms < since_ms:
                continue
            said, units = order.order, list(order.units)
            hands = {one.key: one for one in self._entry.people_with(said.target, units)}
            name = str(said.body.get("text", ""))
            roll = Roll(
                f"r{seq}", 1, said.target, said.issuer, "", order.row.t_utc_ms, [seq], units, hands, name
            )
            if order.is_over(now_ms):
                roll.end("", said.expires_utc_ms, self._silent)
            self._put(roll)

    # --- the part ------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.shelf.load()
        self._evacuated = max((one.order.seq for one in self._ground.outbox.entries()), default=0)
        self._told = {roll.id: self._mark(roll) for roll in self.shelf.all()}

    def hear(self, events: Sequence[Event]) -> None:
        """Somebody calls for help, or lies still: the roll of their group is called."""
        now_ms = self._ground.clock_ms()
        for event in events:
            word = WORDS_OF.get(event.code)
            fresh = event.is_open and event.id not in self._sparked and now_ms - event.t_event_ms < AGAIN_MS
            if word is None or not fresh or word not in self._ground.settings.roll_call_triggers:
                continue
            self._sparked[event.id] = None
            if len(self._sparked) > SPARKS_MAX:
                del self._sparked[next(iter(self._sparked))]
            row = self._ground.units.rows[event.slot]
            team = self._entry.team_of(row.id)
            if team is not None:
                self._sparks.append(Spark(f"entry:{team.id}", word, row.id))
            elif row.team:
                self._sparks.append(Spark(f"team:{row.team}", word, row.id))

    def look(self, now_ms: int) -> None:
        self._begun()
        self._watch_evacuations()
        self._time(now_ms)
        self._strike(now_ms)
        self._adopt(now_ms)
        self._merge()
        self._silent = self._find_silent(now_ms)
        self.shelf.collect()
        self._tell("rollcall", self._conditions(now_ms), now_ms)

    def _watch_evacuations(self) -> None:
        for order in self._ground.outbox.entries():
            if order.order.seq <= self._evacuated:
                break
            if order.order.type in NEVER_LATE and "evacuation" in self._ground.settings.roll_call_triggers:
                self._sparks.append(Spark(order.order.target, "evacuation"))
        newest = next(self._ground.outbox.entries(), None)
        self._evacuated = max(self._evacuated, 0 if newest is None else newest.order.seq)

    def _time(self, now_ms: int) -> None:
        """Each entry team that is inside, so long after it went in and after its last roll-call."""
        every_ms = 1000 * self._ground.settings.roll_call_every_s
        for team in self._entry.open() if every_ms else ():
            since_ms = team.since_ms
            if since_ms is None:
                continue
            last_ms = max((roll.t for roll in self.shelf.all() if self._covers(roll, team)), default=0)
            if now_ms - max(since_ms, last_ms) >= every_ms:
                self._sparks.append(Spark(f"entry:{team.id}", "timer"))

    def _covers(self, roll: Roll, team: Team) -> bool:
        people = {*roll.units, *roll.hands}
        return all(one.key in people for one in team.inside)

    def _strike(self, now_ms: int) -> None:
        """Begin what is due, unless these people were asked just now."""
        while self._sparks:
            target, reason, but = self._sparks.popleft()
            asked_ms = max((roll.t for roll in self.shelf.all() if roll.target == target), default=0)
            busy = any(one.asked.target == target for one in self._starting)
            if busy or (reason != "timer" and now_ms - asked_ms < AGAIN_MS):
                continue
            try:
                asked = self.ask(HUB, target) if not but else self._ask_others(target, but)
            except RollRefused as err:
                log.info("roll-call of %s (%s): %s", target, reason, err)
                continue
            rows = self._ground.readers.submit(self.give, HUB, asked, reason)
            self._starting.append(Starting(asked, reason, rows))

    def _begun(self) -> None:
        for one in [one for one in self._starting if one.rows.done()]:
            self._starting.remove(one)
            try:
                roll = self.begin(HUB, one.asked, one.reason, one.rows.result())
                said = {"roll": roll.id, "target": roll.target, "reason": roll.reason, "orders": roll.seqs}
                self._unrecorded.append(("roll-call begun", said | {"by_hand": len(roll.hands)}))
                self._trouble = ""
            except HubError as err:
                self._trouble = f"roll-call of {one.asked.target}: {err}"
                log.error("%s", self._trouble)

    def _merge(self) -> None:
        """Receipts that came since. Ended ones hear late answers, too."""
        if self._receipts == self._ground.outbox.receipts:
            return
        self._receipts = self._ground.outbox.receipts
        for roll in self.shelf.all():
            self._hear(roll)

    def _hear(self, roll: Roll) -> None:
        for seq in roll.seqs:
            order = self._ground.outbox.entry(seq)
            if order is not None:
                roll.hear(_times(order, EventCode.ROLL_CALL), _times(order, EventCode.REFUSED))

    def _find_silent(self, now_ms: int) -> frozenset[str]:
        """Units whose devices have said nothing newer than their stale limit."""
        rows = self._ground.units.rows
        return frozenset(rows[slot].id for slot in self._ground.units.silent_slots(now_ms))

    def _conditions(self, now_ms: int) -> list[Condition]:
        made = []
        wait_ms = 1000 * self._ground.settings.roll_call_wait_s
        for roll in self.shelf.all():
            if roll.ended is None and now_ms - roll.t >= wait_ms:
                for agency, keys in self.people.by_agency(roll.missing(self._silent), roll.hands).items():
                    made.append(self._condition(roll, agency, keys))
        return made

    def _condition(self, roll: Roll, agency: str, keys: list[str]) -> Condition:
        more_zh, more_en = self.people.words(keys, roll.hands)
        why = tuple(
            Input(self.people.name(key, roll.hands), roll.state(key, self._silent))
            for key in keys[:UNITS_MAX]
        )
        return Condition(
            f"rollcall:{roll.id}:{agency}", KIND, Priority.HIGH,
            tuple(key for key in keys if key not in roll.hands)[:UNITS_MAX],
            f"点名 {len(keys)} 人未应{more_zh}", f"{len(keys)} have not answered{more_en}", why, f"rollcall:{roll.id}",
        )  # fmt: skip

    def keep(self) -> None:
        self.shelf.keep()
        while self._unrecorded:  # what nobody did by hand
            self._ground.record("hub", *self._unrecorded[0])
            self._unrecorded.popleft()

    # --- saying --------------------------------------------------------------------------------------------

    def message(self, roll: Roll, audience: Audience) -> dict[str, Any] | None:
        """The feed's `roll`, with the people whom this audience sees; None when that is nobody."""
        seen = self.people.seen(roll.who, roll.hands, audience)
        if not seen:
            return None
        states = {key: roll.state(key, self._silent) for key in seen}
        counts = dict.fromkeys(STATES, 0)
        for state in states.values():
            counts[state] += 1
        first = sorted(seen, key=lambda key: STATES.index(states[key]))[:PEOPLE_TOLD_MAX]
        return {
            "k": "roll", "id": roll.id, "target": roll.target, "by": roll.by, "name": roll.name, "reason": roll.reason,
            "reason_zh": REASONS[roll.reason][0], "reason_en": REASONS[roll.reason][1], "t": roll.t,
            "ended": roll.ended, "ended_by": roll.ended_by, "replaced_by": roll.replaced_by, "counts": counts,
            "people": [self._person(roll, key, states[key]) for key in first],
        }  # fmt: skip

    def _person(self, roll: Roll, key: str, state: str) -> dict[str, Any]:
        said = roll.voice.get(key) if state == "voice" else None
        t = (
            roll.answered.get(key)
            if state == "confirmed"
            else roll.refused.get(key)
            if state == "refused"
            else None
        )
        slot = self._ground.units.slot_by_id.get(key)
        if state == "stale" and slot is not None:
            heard = self._ground.picture.row_time[slot]
            t = None if np.isnan(heard) else int(heard)
        hand = key in roll.hands
        return {
            "key": key, "unit": None if hand else key, "person": key if hand else "",
            "name": self.people.name(key, roll.hands), "state": state, "by": "" if said is None else said.by,
            "t": t if said is None else said.t,
        }  # fmt: skip

    def changes(self) -> Iterable[Maker]:
        self._merge()
        now_ms = self._ground.clock_ms()
        makers: list[Maker] = []
        for roll in self.shelf.all():
            mark = self._mark(roll)
            waits = len(roll.units) > LARGE and 0 <= now_ms - self._told_ms.get(roll.id, -LARGE_MS) < LARGE_MS
            if self._told.get(roll.id) != mark and not waits:
                self._told[roll.id], self._told_ms[roll.id] = mark, now_ms
                makers.append(self._maker(roll))
        return makers

    def _mark(self, roll: Roll) -> int:
        """Another number when another thing is to be said."""
        states = () if roll.ended is not None else (roll.state(key, self._silent) for key in roll.who)
        return hash((roll.rev, *states))

    def _maker(self, roll: Roll) -> Maker:
        return lambda audience: self.message(roll, audience)

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        """The newest, the oldest of them first."""
        told: list[dict[str, Any]] = []
        for roll in sorted(self.shelf.all(), key=lambda roll: roll.t, reverse=True):
            said = self.message(roll, me.audience)
            if said is not None:
                told.append(said)
            if len(told) == GREETED:
                break
        return told[::-1]

    def notes(self) -> list[str]:
        return [self._trouble] if self._trouble else []

    def gauges(self) -> dict[str, float]:
        still = [roll for roll in self.shelf.all() if roll.ended is None]
        missing = sum(len(roll.missing(self._silent)) for roll in still)
        return {"roll_calls_open": float(len(still)), "roll_call_missing": float(missing)}


def _times(order: Order, code: EventCode) -> dict[str, int]:
    """When each unit of an order first said so; a device's clock that is ahead counts as now."""
    found: dict[str, int] = {}
    for target in order.targets.values():
        receipt = target.receipts.get(code)
        if receipt is not None:
            t = min(receipt.t_device_ms, receipt.t_hub_ms)
            for unit in target.units:
                found[unit] = min(t, found.get(unit, t))
    return found
