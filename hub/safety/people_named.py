"""People of a roll-call or an evacuation: their names, whose they are, who sees them, and who is silent.

Enters: ids of units, people by hand. Leaves: names, agencies. Pure. Callers: `hub.safety.rollcall`, `evacuation`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from hub.identity.permissions import Audience, Principal, Role
from hub.live.units import Units
from hub.safety.entry import Entry, Hand

NAMED_MAX = 6
"""People by hand in the words of an alarm. All are among its reasons."""
UNITS_MAX = 500


class People:
    """Looks names up; remembers nothing."""

    def __init__(self, units: Units, entry: Entry) -> None:
        self._units = units
        self._entry = entry

    def name(self, key: str, hands: Mapping[str, Hand]) -> str:
        if key in hands:
            return hands[key].name
        slot = self._units.slot_by_id.get(key)
        return key if slot is None else self._units.rows[slot].callsign

    def agency(self, key: str, hands: Mapping[str, Hand]) -> str:
        if key in hands:
            return hands[key].agency
        slot = self._units.slot_by_id.get(key)
        return "" if slot is None else self._units.rows[slot].agency

    def seen(self, keys: Iterable[str], hands: Mapping[str, Hand], audience: Audience) -> list[str]:
        """Those whose agency this audience sees."""
        return [key for key in keys if audience.sees(self.agency(key, hands))]

    def are_of(self, me: Principal, keys: Iterable[str], hands: Mapping[str, Hand]) -> bool:
        """Whether this person may act for them: a team leader for the own team only."""
        if me.role != Role.TEAM_LEADER:
            return True
        return bool(me.team) and all(self._team(key, hands) == me.team for key in keys)

    def is_in(self, key: str, hands: Mapping[str, Hand], squad: str) -> bool:
        """Whether somebody is of team:NAME or entry:ID."""
        kind, _, name = squad.partition(":")
        if kind == "team":
            return self._team(key, hands) == name
        team = self._entry.shelf.get(name) if kind == "entry" else None
        return team is not None and key in team.members

    def _team(self, key: str, hands: Mapping[str, Hand]) -> str:
        if key in hands:
            team = self._entry.shelf.get(hands[key].team)
            return "" if team is None else team.team
        slot = self._units.slot_by_id.get(key)
        return "" if slot is None else self._units.rows[slot].team

    def by_agency(self, keys: Iterable[str], hands: Mapping[str, Hand]) -> dict[str, list[str]]:
        """An alarm names people, so each agency has its own."""
        found: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            found[self.agency(key, hands)].append(key)
        return found

    def words(self, keys: list[str], hands: Mapping[str, Hand]) -> tuple[str, str]:
        """After a count, zh and en: an alarm names its units beside its words, people by hand only in them."""
        some = [hands[key].name for key in keys if key in hands]
        if not some:
            return "", ""
        names, more = "、".join(some[:NAMED_MAX]), len(some) > NAMED_MAX
        zh, en = f"等 {len(some)} 人" if more else "", f" and more, {len(some)} in all" if more else ""
        return f"（无设备：{names}{zh}）", f" (without a device: {names}{en})"
