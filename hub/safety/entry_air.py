"""The air of each member of an entry team: pressure with its age, time to the whistle, time to turning back.

Enters: the picture's columns, pressures as people read them, the time. Leaves: `Air` of each member. Caller:
`hub.safety.entry`. Laws: `protocols.laws.air`, the same as in the gateway.

The wearer and the board must not contradict each other: while the gateway's own estimates are fresh, they are shown. It
knows the person's cylinder and breath. Else the hub reckons with a fit of its own. Between two pressures, and after the
last, time is counted down.
"""

from typing import NamedTuple

from hub.live.picture import CHANNEL, Picture
from hub.live.units import Units
from hub.safety.entry_team import Member, Read, Team
from hub.settings import Settings
from protocols.laws import air

PRESSURE, AIR_LEFT, TURN_BACK = "scba_kpa", "air_left_s", "turn_back_s"


class Air(NamedTuple):
    """How one member does. `kpa`, `t_kpa`: the newest pressure and when it was so; `left_s` to the whistle, `back_s` to
    turning back, None: not known, or nobody counts it outside. `stale`: the pressure is too old to be relied on, or
    there is none inside. `low`: at the whistle. `lpm`: consumption."""

    member: Member
    kpa: int | None
    t_kpa: int | None
    left_s: float | None
    back_s: float | None
    stale: bool
    low: bool
    lpm: float


def latest(picture: Picture, name: str, slot: int) -> tuple[int, int] | None:
    """(value, UTC ms) of a channel of the picture, None: never heard."""
    channel = CHANNEL[name]
    t = picture.time[channel, slot]
    return None if t != t else (int(picture.value[channel, slot]), int(t))


class Breathing:
    """Fits of all units that are in a team. Asked again and again; a pressure is taken once."""

    def __init__(self, settings: Settings, units: Units, picture: Picture) -> None:
        self._settings = settings
        self._units = units
        self._picture = picture
        self._fits: dict[str, air.Consumption] = {}
        self._heard: dict[str, int] = {}
        self._typed: dict[str, tuple[list[Read], int | None, air.Consumption, int | None]] = {}

    def forget(self, keys: set[str]) -> None:
        """Only these are in a team still."""
        for known in (self._fits, self._heard, self._typed):
            for gone in [key for key in known if key not in keys]:
                del known[gone]

    def of(self, team: Team, member: Member, now_ms: int) -> Air:
        """How a member does at `now_ms`."""
        slot = None if member.unit is None else self._units.slot_by_id.get(member.unit)
        if slot is None:
            return self._by_hand(member, now_ms)
        return self._by_device(team, member, slot, now_ms)

    def _by_hand(self, member: Member, now_ms: int) -> Air:
        fit, entry_kpa = self._fit_typed(member)
        if not member.readings:
            return Air(member, None, None, None, None, member.inside, False, fit.lpm)
        last = member.readings[-1]
        stale = member.inside and now_ms - last.t > 1000 * self._settings.entry_reading_s
        return self._counted(member, (last.kpa, last.t), entry_kpa, fit.lpm, now_ms, stale)

    def _fit_typed(self, member: Member) -> tuple[air.Consumption, int | None]:
        """Made anew only when somebody has read again, or they have gone in again."""
        known = self._typed.get(member.key)
        if known is None or known[0] is not member.readings or known[1] != member.entered:
            fitted = member.consumption(self._settings.entry_lpm)
            known = self._typed[member.key] = (member.readings, member.entered, *fitted)
        return known[2:]

    def _by_device(self, team: Team, member: Member, slot: int, now_ms: int) -> Air:
        unit = self._units.rows[slot]
        fit = self._fits.get(unit.id)
        if fit is None:
            fit = self._fits[unit.id] = air.Consumption(member.cylinder_l, self._settings.entry_lpm)
        heard = latest(self._picture, PRESSURE, slot)
        typed = member.readings[-1] if member.readings else None
        if typed is not None and (heard is None or typed.t - heard[1] > 1000 * unit.stale_s):
            return self._by_hand(member, now_ms)  # its sensor is silent, and somebody has asked
        if heard is None:
            return Air(member, None, None, None, None, member.inside, False, fit.lpm)
        kpa, t_ms = heard
        if t_ms > self._heard.get(unit.id, -1):
            self._heard[unit.id] = t_ms
            refilled = fit.hear(kpa, t_ms)
            if member.inside and (member.entry_kpa is None or refilled):
                team.went_in_with(member, kpa)
        stale = member.inside and now_ms - t_ms > 1000 * unit.stale_s
        counted = self._counted(member, heard, member.entry_kpa, fit.lpm, now_ms, stale)
        return counted._replace(
            left_s=self._said(AIR_LEFT, member, slot, now_ms, counted.left_s),
            back_s=self._said(TURN_BACK, member, slot, now_ms, counted.back_s),
        )

    def _said(self, name: str, member: Member, slot: int, now_ms: int, else_s: float | None) -> float | None:
        """What the gateway itself reckons, while it is fresh and of this entry."""
        said = latest(self._picture, name, slot)
        if said is None or member.entered is None or not member.inside or said[1] < member.entered:
            return else_s
        age_ms = max(0, now_ms - said[1])
        return else_s if age_ms > 1000 * self._units.rows[slot].stale_s else said[0] - age_ms / 1000

    def _counted(
        self,
        member: Member,
        heard: tuple[int, int],
        entry_kpa: int | None,
        lpm: float,
        now_ms: int,
        stale: bool,
    ) -> Air:
        (kpa, t_ms), has = heard, self._settings
        age_s = max(0, now_ms - t_ms) / 1000 if member.inside else 0.0
        left_s = air.left_s(kpa, has.entry_whistle_kpa, member.cylinder_l, lpm) - age_s
        back_s = None
        if member.inside:
            began_kpa = max(kpa, entry_kpa if entry_kpa is not None else kpa)
            litres, factor = member.cylinder_l, has.entry_factor
            back_s = air.turn_back_s(kpa, began_kpa, has.entry_reserve_kpa, litres, lpm, factor) - age_s
        return Air(member, kpa, t_ms, left_s, back_s, stale, kpa <= has.entry_whistle_kpa, lpm)
