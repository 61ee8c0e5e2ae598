"""Entry control: who is inside, with how much air, until when, and whether they should come out.

Enters: acts of people (`hub.api.entry_routes`), entering and leaving as devices say it, the picture. Leaves: the
feed's `air`, conditions, documents. Callers: `hub.app`; `hub.safety.rollcall` and `evacuation`, which count people
without a device too.

It recommends and never orders. Who is in a team by hand has no alarm of a device behind them: theirs are all here.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from hub.identity.permissions import Audience, Principal
from hub.live.events import Event
from hub.safety.condition import Condition
from hub.safety.entry_air import Air, Breathing, latest
from hub.safety.entry_retreat import Strain, Term, judge
from hub.safety.entry_team import Member, Team, by_hand
from hub.safety.entry_words import Judged, board_of, conditions_of
from hub.safety.part import Ground, Maker, Part
from hub.safety.shelf import Shelf
from hub.safety.sun import sunset_ms
from protocols.catalog import EventCode
from protocols.laws import heart

KIND = "entry_team"
TEAMS_MAX = 500
"""Remembered; of more the oldest that has ended is forgotten. Acts stay in the records."""
BOARD_MS = 2_000
"""Air counts down: the board is told so often."""
ENTRY_KEPT_MS = 12 * 3_600_000
"""An entering that is older says nothing about now, as in the gateway (`guard.entry.kept_h`)."""
FAULTS = frozenset({EventCode.AIR_SENSOR_LOST, EventCode.GAS_FAULT, EventCode.LOW_AIR, EventCode.TURN_BACK})

Tell = Callable[[str, Sequence[Condition], int], None]


class ZoneTimes(Protocol):
    """What entry control needs of the zones: the soonest that a growing or moving danger zone reaches one of these
    slots, in seconds, and the zone's name; None: none does."""

    def time_to_danger_s(self, slots: Sequence[int], now_ms: int) -> tuple[float, str] | None: ...


class Hand(NamedTuple):
    """A person without a working device, wherever people are counted."""

    key: str
    name: str
    agency: str
    team: str  # id of the entry team


class Entry(Part):
    """See the module. `zones` None: the rule has no term of zones."""

    name = "entry"

    def __init__(self, ground: Ground, tell: Tell, zones: ZoneTimes | None = None) -> None:
        self._ground = ground
        self._tell = tell
        self._zones = zones
        self.shelf = Shelf(ground, KIND, Team, TEAMS_MAX, lambda team: team.ended is not None)
        self._breathing = Breathing(ground.settings, ground.units, ground.picture)
        self._strains: dict[str, Strain] = {}
        self._recommended: set[str] = set()
        self._judged: dict[str, Judged] = {}
        self._told: list[dict[str, Any]] = []
        self._told_ms = 0
        self._news = False
        self._number = 0

    # --- teams ---------------------------------------------------------------------------------------------

    def open(self) -> list[Team]:
        return [team for team in self.shelf.all() if team.ended is None]

    def new(self, me: Principal, name: str, now_ms: int, team: str | None, units: Sequence[str]) -> Team:
        """With the settings of this hub, not on the shelf yet. Whose it is: as said, else its units', when they are of
        one team and agency, else its maker's."""
        self._number += 1
        has, rows, slots = self._ground.settings, self._ground.units.rows, self._ground.units.slot_by_id
        teams = {rows[slots[unit]].team for unit in units}
        agencies = {rows[slots[unit]].agency for unit in units}
        whose = team if team is not None else teams.pop() if len(teams) == 1 else me.team
        agency = agencies.pop() if len(agencies) == 1 else me.agency
        return Team(
            f"e{now_ms}-{self._number}", 1, name, me.name, now_ms, whose, agency,
            planned_s=has.entry_planned_s, margin_s=has.entry_margin_s, whole_squad=has.entry_whole_squad,
        )  # fmt: skip

    def member_by_hand(self, name: str, who: str, cylinder_l: float | None) -> Member:
        return by_hand(name, who, cylinder_l or self._ground.settings.entry_cylinder_l)

    def member_unit(self, unit: str, who: str, cylinder_l: float | None) -> Member:
        """A unit with what its device has said of entering and leaving lately."""
        slot = self._ground.units.slot_by_id[unit]
        name = self._ground.units.rows[slot].callsign
        made = Member(unit, unit, name, who, cylinder_l or self._ground.settings.entry_cylinder_l)
        for event in self._ground.events.all():
            if event.slot == slot and self._is_move(event):
                if event.code == EventCode.ENTERED:
                    made.entered = max(made.entered or 0, event.t_event_ms)
                else:
                    made.left = max(made.left or 0, event.t_event_ms)
        return made

    def _is_move(self, event: Event) -> bool:
        moved = event.code in (EventCode.ENTERED, EventCode.LEFT)
        return moved and self._ground.clock_ms() - event.t_event_ms < ENTRY_KEPT_MS

    def people_of(self, target: str, units: Iterable[str], sees: Callable[[str], bool]) -> list[Hand]:
        """People by hand that a target means, beside its `units`: `all`, `team:NAME`, or units of whose entry team
        nobody is left out. `sees`: of which agencies."""
        meant, found = set(units), []
        for team in self.open():
            carried = {one.unit for one in team.members.values() if one.unit is not None}
            named = target in ("all", f"team:{team.team}") or (bool(carried) and carried <= meant)
            if named and sees(team.agency):
                hands = [one for one in team.members.values() if one.unit is None]
                found += [Hand(one.key, one.name, team.agency, team.id) for one in hands]
        return found

    def people_with(self, target: str, units: Sequence[str]) -> list[Hand]:
        """The same for an order that was given: of agencies that have a unit in it, and of none."""
        rows, slots = self._ground.units.rows, self._ground.units.slot_by_id
        agencies = {rows[slots[unit]].agency for unit in units if unit in slots}
        return self.people_of(target, units, lambda agency: not agency or agency in agencies)

    def team_of(self, unit: str) -> Team | None:
        """The open team that a unit is in."""
        return next((team for team in self.open() if unit in team.members), None)

    def sees(self, team: Team, audience: Audience) -> bool:
        rows, slots = self._ground.units.rows, self._ground.units.slot_by_id
        seen = [slots[unit] for unit in team.members if unit in slots]
        return audience.sees(team.agency) or any(audience.sees(rows[slot].agency) for slot in seen)

    # --- the part ------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.shelf.load()
        self.hear(list(self._ground.events.all()))  # what came in the last second before a kill

    def hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if self._is_move(event):
                unit, entered = self._ground.units.rows[event.slot].id, event.code == EventCode.ENTERED
                for team in self.open():
                    self._news |= team.hear(unit, entered=entered, t=event.t_event_ms)

    def touch(self) -> None:
        """Something was done: the screens are told with the next tick."""
        self._news = True

    def look(self, now_ms: int) -> None:
        self._judge(now_ms)
        self.shelf.collect()
        said = [
            one for judged in self._judged.values() for one in conditions_of(judged, self._ground, now_ms)
        ]
        self._tell("entry", said, now_ms)

    def _judge(self, now_ms: int) -> None:
        teams = self.open()
        carried = {key for team in teams for key in team.members}
        self._breathing.forget(carried)
        self._strains = {unit: one for unit, one in self._strains.items() if unit in carried}
        self._judged = {team.id: self._judge_one(team, now_ms) for team in teams}
        recommended = {
            id for id, one in self._judged.items() if one.retreat is not None and one.retreat.recommend
        }
        self._news |= recommended != self._recommended
        self._recommended = recommended

    def _judge_one(self, team: Team, now_ms: int) -> Judged:
        airs = [self._breathing.of(team, member, now_ms) for member in team.members.values()]
        egress_s = team.egress_left_s(now_ms)
        retreat = None
        if egress_s is not None:
            terms = self._terms(team, [one for one in airs if one.member.inside], now_ms)
            retreat = judge(terms, egress_s, team.margin_s, stood=team.id in self._recommended)
        return Judged(team, airs, retreat, egress_s)

    def _terms(self, team: Team, airs: list[Air], now_ms: int) -> list[Term]:
        terms = []
        known = [one for one in airs if one.left_s is not None]
        if known:
            one = min(known, key=lambda one: one.left_s or 0.0)
            name, left_s = one.member.name, one.left_s or 0.0
            terms.append(Term("air", f"空气：{name}", f"air of {name}", max(0.0, left_s)))
        slots = self._ground.units.slot_by_id
        inside = [slots[unit] for one in airs if (unit := one.member.unit) is not None and unit in slots]
        danger = self._zones.time_to_danger_s(inside, now_ms) if self._zones is not None and inside else None
        if danger is not None:
            terms.append(
                Term("zone", f"险情逼近：{danger[1]}", f"danger zone {danger[1]}", max(0.0, danger[0]))
            )
        if team.daylight and team.lat is not None and team.lon is not None:
            sunset = sunset_ms(team.lat, team.lon, now_ms)
            if sunset is not None:
                terms.append(Term("daylight", "日落", "sunset", max(0.0, (sunset - now_ms) / 1000)))
        terms += [term for one in airs if (term := self._strain(one.member, now_ms)) is not None]
        if team.whole_squad:
            terms += [term for one in airs if (term := self._fault(one)) is not None]
        return terms

    def _strain(self, member: Member, now_ms: int) -> Term | None:
        """Of a body whose strain index is known and fresh."""
        slot = None if member.unit is None else self._ground.units.slot_by_id.get(member.unit)
        if slot is None or member.unit is None:
            return None
        psi = self._psi(slot, now_ms)
        if psi is None:
            return None
        left_s = self._strains.setdefault(member.unit, Strain()).left_s(psi, now_ms)
        if left_s is None:
            return None
        return Term("strain", f"体力：{member.name}", f"strain of {member.name}", left_s, private=True)

    def _psi(self, slot: int, now_ms: int) -> float | None:
        """The gateway's own index, else of its core temperature and heart rate."""
        fresh_ms = now_ms - 1000 * self._ground.units.rows[slot].stale_s

        def fresh(name: str) -> int | None:
            said = latest(self._ground.picture, name, slot)
            return None if said is None or said[1] < fresh_ms else said[0]

        said, core_dc, bpm = fresh("strain_e1"), fresh("core_dc"), fresh("heart_bpm")
        if said is not None:
            return said / 10
        if core_dc is None or bpm is None:
            return None
        return heart.psi(core_dc / 10, bpm, heart.CORE_START_C, heart.REST_BPM)

    def _fault(self, one: Air) -> Term | None:
        """One whose apparatus fails or is low takes everybody out."""
        member = one.member
        zh, en = "", ""
        if one.low:
            zh, en = "气压低", "low"
        elif one.back_s is not None and one.back_s <= 0:
            zh, en = "到折返点", "has to turn back"
        elif member.unit is not None and one.stale:
            zh, en = "气压失联", "no pressure"
        elif member.unit is not None and self._is_faulty(member.unit):
            zh, en = "装置故障", "apparatus faulty"
        if not zh:
            return None
        return Term("squad", f"全队规则：{member.name} {zh}", f"whole squad: {member.name} {en}", 0.0)

    def _is_faulty(self, unit: str) -> bool:
        slot = self._ground.units.slot_by_id.get(unit)
        return any(event.slot == slot and event.code in FAULTS for event in self._ground.events.open())

    def keep(self) -> None:
        self.shelf.keep()

    # --- saying --------------------------------------------------------------------------------------------

    def judged(self, team: Team, now_ms: int) -> Judged:
        """A team as it is now, also one that has ended."""
        return self._judge_one(team, now_ms)

    def message(self, judged: Judged, audience: Audience, now_ms: int) -> dict[str, Any] | None:
        return (
            board_of(judged, self._ground.units, audience, now_ms)
            if self.sees(judged.team, audience)
            else None
        )

    def _board(self, audience: Audience, now_ms: int) -> dict[str, Any]:
        said = (self.message(judged, audience, now_ms) for judged in self._judged.values())
        return {"k": "air", "teams": [one for one in said if one is not None]}

    def changes(self) -> Iterable[Maker]:
        now_ms = self._ground.clock_ms()
        if not self._news and 0 <= now_ms - self._told_ms < BOARD_MS:
            return []
        if self._news:
            self._judge(now_ms)
        whole = self._board(Audience(None, "all"), now_ms)["teams"]
        self._told_ms, self._news = now_ms, False
        if whole == self._told:
            return []
        self._told = whole
        return [lambda audience: self._board(audience, now_ms)]

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        return [self._board(me.audience, self._ground.clock_ms())]

    def gauges(self) -> dict[str, float]:
        inside = sum(len(team.inside) for team in self.open())
        return {"entry_teams_open": float(len(self.open())), "entry_people_inside": float(inside)}
