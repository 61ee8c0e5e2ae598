"""A team that goes in: who is in it, with a device or without, when they went in and came out, pressures as read.

Enters: what people say and what devices say of entering and leaving. Leaves: its state, its document. Pure. Callers:
`hub.safety.entry`, `hub.api.entry_routes`.

Nothing is stepped: a member is inside when the newest entry is newer than the newest leaving, and the team's state
follows from its members. So late, repeated and shuffled happenings end in the same state.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from hub.errors import Refused
from protocols.laws import air

MEMBERS_MAX = 50
READINGS_MAX = 60
"""Pressures of one person; of more the oldest goes."""
BY_HAND_SILENCE_MS = 3_600_000
"""Readings that far apart still belong to one cylinder: people ask each five or ten minutes, devices each second."""
AT_ENTRY_MS = 900_000
"""A pressure that was read so long before going in is what one went in with."""
KPA_PER_BAR = 100


class EntryRefused(Refused):
    """Refused: 404 nobody of that name, 409 doubled or over, 422 too many."""


@dataclass(slots=True)
class Read:
    """A pressure as it was read: when, what, by whom."""

    t: int
    kpa: int
    by: str


@dataclass(slots=True)
class Member:
    """`key`: id of the unit, or of the person by hand. `entered`, `left`: the newest each, UTC ms. `entry_kpa`: what a
    device's wearer went in with."""

    key: str
    unit: str | None
    name: str
    by: str
    cylinder_l: float
    entered: int | None = None
    left: int | None = None
    entry_kpa: int | None = None
    readings: list[Read] = field(default_factory=list)

    @property
    def inside(self) -> bool:
        return self.entered is not None and (self.left is None or self.left < self.entered)

    def read(self, reading: Read) -> None:
        """Pressures lie in the order of their reading, however they were written down."""
        self.readings = sorted([*self.readings, reading], key=lambda one: one.t)[-READINGS_MAX:]

    def consumption(self, prior_lpm: float) -> tuple[air.Consumption, int | None]:
        """Of a person by hand: the fit over all readings, and the pressure at the entry (of another cylinder, its
        first)."""
        fit = air.Consumption(self.cylinder_l, prior_lpm, BY_HAND_SILENCE_MS)
        entry_kpa = None
        for one in self.readings:
            refilled = fit.hear(one.kpa, one.t)
            before = self.entered is not None and self.entered - AT_ENTRY_MS <= one.t <= self.entered
            if (
                before
                or refilled
                or (entry_kpa is None and self.entered is not None and one.t > self.entered)
            ):
                entry_kpa = one.kpa
        return fit, entry_kpa


@dataclass(slots=True)
class Team:
    """An entry team. `team`, `agency`: whose it is, "" for everybody's. Times UTC ms. `egress_s`: the way out as
    somebody said it, None: as measured. `daylight`: it works outdoors, and must be out by sunset."""

    id: str
    rev: int
    name: str
    by: str
    t: int
    team: str = ""
    agency: str = ""
    task: str = ""
    point: str = ""
    lat: float | None = None
    lon: float | None = None
    egress_s: int | None = None
    planned_s: int = 1_200
    margin_s: int = 120
    daylight: bool = False
    whole_squad: bool = False
    arrived: int | None = None
    coming_out: int | None = None
    ended: int | None = None
    numbered: int = 0
    members: dict[str, Member] = field(default_factory=dict)

    # --- what follows ----------------------------------------------------------------------------------------------

    @property
    def inside(self) -> list[Member]:
        return [one for one in self.members.values() if one.inside]

    @property
    def since_ms(self) -> int | None:
        """Since when the first of those who are inside is inside."""
        return min((one.entered for one in self.inside if one.entered is not None), default=None)

    @property
    def state(self) -> str:
        """standby, inside, coming_out, out, ended."""
        if self.ended is not None:
            return "ended"
        since_ms = self.since_ms
        if since_ms is None:
            return "out" if any(one.entered is not None for one in self.members.values()) else "standby"
        return "coming_out" if self.coming_out is not None and self.coming_out >= since_ms else "inside"

    def egress_left_s(self, now_ms: int) -> float | None:
        """How long the way out takes from here: as somebody said, else as long as the way in took, to the place of
        work when they have told that they are there. On the way out it grows less. None: nobody is inside."""
        since_ms = self.since_ms
        if since_ms is None:
            return None
        turned_ms = self.coming_out if self.state == "coming_out" and self.coming_out is not None else now_ms
        arrived = self.arrived is not None and since_ms <= self.arrived <= turned_ms
        until_ms = self.arrived if arrived and self.arrived is not None else turned_ms
        whole_s = self.egress_s if self.egress_s is not None else (until_ms - since_ms) / 1000
        return max(0.0, whole_s - (now_ms - turned_ms) / 1000)

    # --- what people do --------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self.ended is not None:
            raise EntryRefused(409, f"{self.name}: it has ended")
        self.rev += 1

    def add(self, member: Member, t: int) -> None:
        """A unit, or a person by hand, who gets a key here. Who joins those who are inside is inside, unless a device
        says otherwise."""
        self._changed()
        if len(self.members) >= MEMBERS_MAX:
            raise EntryRefused(422, f"{self.name}: {MEMBERS_MAX} people, no more are taken")
        if any(one.name == member.name or one.key == member.key for one in self.members.values()):
            raise EntryRefused(409, f"{member.name}: is in {self.name} already")
        if member.unit is None:
            self.numbered += 1
            member.key = f"{self.id}.{self.numbered}"
        if self.since_ms is not None and member.entered is None and member.left is None:
            member.entered = t
        self.members[member.key] = member

    def member(self, key: str) -> Member:
        """By key, or by name. EntryRefused 404."""
        found = self.members.get(key) or next((one for one in self.members.values() if one.name == key), None)
        if found is None:
            raise EntryRefused(404, f"{self.name}: nobody {key[:40]!r}")
        return found

    def read(self, key: str, reading: Read) -> None:
        """A pressure as somebody read it."""
        member = self.member(key)
        self._changed()
        member.read(reading)

    def go(self, step: str, t: int, who: str | None = None) -> None:
        """inside, arrived, coming_out or out, since `t`: all, or one person."""
        some = list(self.members.values()) if who is None else [self.member(who)]
        if not some:
            raise EntryRefused(409, f"{self.name}: nobody is in it")
        self._changed()
        if step == "inside":
            for one in some:
                if not one.inside:
                    one.entered, one.entry_kpa = max(t, (one.left or 0) + 1), None
        elif step == "out":
            for one in some:
                if one.inside:
                    one.left = max(t, one.entered or 0)
        elif self.since_ms is None:
            raise EntryRefused(409, f"{self.name}: nobody is inside")
        elif step == "arrived":
            self.arrived = t
        else:
            self.coming_out = max(t, self.since_ms)

    def plan(self, changes: dict[str, Any]) -> None:
        """Task, entry point, times and rules anew."""
        self._changed()
        for name, value in changes.items():
            setattr(self, name, value)

    def end(self, t: int) -> None:
        """All are out, says a person."""
        self._changed()
        for one in self.inside:
            one.left = max(t, one.entered or 0)
        self.ended = t

    # --- what devices say ------------------------------------------------------------------------------------------

    def hear(self, unit: str, *, entered: bool, t: int) -> bool:
        """A device's happening. Whether it is newer than all that was known."""
        member = self.members.get(unit)
        if member is None or self.ended is not None:
            return False
        known = member.entered if entered else member.left
        if known is not None and known >= t:
            return False
        if entered:
            member.entered, member.entry_kpa = t, None
        else:
            member.left = t
        self.rev += 1
        return True

    def went_in_with(self, member: Member, kpa: int) -> None:
        """The pressure at the entry, by the wearer's device."""
        member.entry_kpa = kpa
        self.rev += 1

    # --- its document ----------------------------------------------------------------------------------------------

    def as_document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Team":
        known = {name: kept[name] for name in cls.__slots__ if name in kept}
        known["members"] = {key: _member(one) for key, one in kept["members"].items()}
        return cls(**known)


def by_hand(name: str, by: str, cylinder_l: float) -> Member:
    """A person without a device; the team gives the key."""
    return Member("", None, name, by, cylinder_l)


def _member(kept: dict[str, Any]) -> Member:
    known = {name: kept[name] for name in Member.__slots__ if name in kept}
    return Member(**known | {"readings": [Read(**one) for one in kept["readings"]]})
