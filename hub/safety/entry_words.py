"""What is said of an entry team: the feed's `air`, and the conditions that call people.

Enters: a team as it was judged, who looks. Leaves: maps and conditions. Pure. Caller: `hub.safety.entry`.
"""

from dataclasses import dataclass
from typing import Any

from hub.identity.permissions import Audience
from hub.live.units import Units
from hub.safety.condition import Condition, Input, Priority
from hub.safety.entry_air import Air
from hub.safety.entry_retreat import Retreat
from hub.safety.entry_team import KPA_PER_BAR, Team
from hub.safety.part import Ground
from protocols.catalog import EventCode

STATES = {
    "standby": ("待命", "standing by"), "inside": ("在内", "inside"), "coming_out": ("撤出中", "coming out"),
    "out": ("已出", "out"), "ended": ("已结束", "ended"),
}  # fmt: skip
CLEAR_MS = 10_000
"""What goes by a hair's breadth does not call again and again."""


@dataclass(slots=True)
class Judged:
    """An entry team as it is now. `retreat`, `egress_s` None: nobody is inside."""

    team: Team
    airs: list[Air]
    retreat: Retreat | None
    egress_s: float | None

    @property
    def lowest(self) -> Air | None:
        """Who has the least time; of those inside, when somebody is."""
        some = [
            one for one in self.airs if one.left_s is not None and (one.member.inside or not self.team.inside)
        ]
        return min(some, key=lambda one: one.left_s or 0.0, default=None)

    @property
    def back_s(self) -> float | None:
        return min((one.back_s for one in self.airs if one.back_s is not None), default=None)


def board_of(judged: Judged, units: Units, audience: Audience, now_ms: int) -> dict[str, Any]:
    """One team of the feed's `air`, with the members that this audience sees."""
    team, lowest = judged.team, judged.lowest
    seen = [one for one in judged.airs if _sees(one, team, units, audience)]
    since_ms = team.since_ms
    zh, en = STATES[team.state]
    if since_ms is not None:
        minutes = max(0, now_ms - since_ms) // 60_000
        zh, en = f"{zh} {minutes} 分", f"{en} {minutes} min"
    body = all(_body(one, units, audience) for one in judged.airs)
    return {
        "id": team.id, "name": team.name, "zh": zh, "en": en, "state": team.state, "team": team.team,
        "agency": team.agency, "task": team.task, "point": team.point, "lat": team.lat, "lon": team.lon, "by": team.by,
        "t": team.t, "t_in": since_ms, "planned_s": team.planned_s, "whole_squad": team.whole_squad,
        "daylight": team.daylight, "ended": team.ended, "members": [_member(one) for one in seen],
        "lowest": lowest.member.key if lowest is not None and lowest in seen else None,
        "turn_back_s": _whole(judged.back_s), "egress_s": _whole(judged.egress_s),
        "retreat": None if judged.retreat is None else judged.retreat.message(body=body),
    }  # fmt: skip


def _sees(one: Air, team: Team, units: Units, audience: Audience) -> bool:
    slot = None if one.member.unit is None else units.slot_by_id.get(one.member.unit)
    return audience.sees(team.agency if slot is None else units.rows[slot].agency)


def _body(one: Air, units: Units, audience: Audience) -> bool:
    slot = None if one.member.unit is None else units.slot_by_id.get(one.member.unit)
    return slot is None or (
        audience.sees(units.rows[slot].agency) and audience.sees_body(units.rows[slot].team)
    )


def _member(one: Air) -> dict[str, Any]:
    member = one.member
    return {
        "unit": member.unit, "person": "" if member.unit else member.key, "name": member.name,
        "bar": None if one.kpa is None else round(one.kpa / KPA_PER_BAR, 1), "t_bar": one.t_kpa,
        "minutes_left": None if one.left_s is None else round(one.left_s / 60, 1), "turn_back_s": _whole(one.back_s),
        "by_hand": member.unit is None, "stale": one.stale, "inside": member.inside, "t_in": member.entered,
        "t_out": member.left, "lpm": round(one.lpm, 1), "low": one.low,
    }  # fmt: skip


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


# --- conditions --------------------------------------------------------------------------------------------


def conditions_of(judged: Judged, ground: Ground, now_ms: int) -> list[Condition]:
    """Of those who are inside: low air, turning back, no pressure, the retreat rule, overdue."""
    team, made = judged.team, []
    for one in judged.airs:
        if one.member.inside:
            made += _of_member(team, one, ground.units, ground.settings.entry_reading_s)
    units = tuple(one.unit for one in team.inside if one.unit is not None)
    retreat = judged.retreat
    if retreat is not None and retreat.recommend and retreat.binding is not None:
        _, zh, en, _, private = retreat.binding
        told = [term for term in retreat.terms if private or not term.private]
        why = tuple(Input(term.en, round(term.left_s), "s", now_ms) for term in told)
        why += (
            Input("the way out", round(retreat.egress_s), "s"),
            Input("margin", round(retreat.margin_s), "s"),
        )
        made.append(Condition(
            f"entry:{team.id}:retreat", "retreat", Priority.CRITICAL, units, f"{team.name} 建议撤退：{zh}",
            f"{team.name}: retreat advised: {en}", why, f"entry:{team.id}", lat_deg=team.lat, lon_deg=team.lon,
            off_ms=CLEAR_MS, private=private,
        ))  # fmt: skip
    since_ms = team.since_ms
    if since_ms is not None and now_ms - since_ms > 1000 * team.planned_s:
        made.append(_overdue(team, units, since_ms, now_ms))
    return made


def _overdue(team: Team, units: tuple[str, ...], since_ms: int, now_ms: int) -> Condition:
    planned_min = team.planned_s // 60
    why = (
        Input("inside", (now_ms - since_ms) // 60_000, "min", now_ms),
        Input("planned", planned_min, "min"),
    )
    return Condition(
        f"entry:{team.id}:overdue", "overdue", Priority.HIGH, units, f"{team.name} 超时未出（计划 {planned_min} 分）",
        f"{team.name}: overdue, {planned_min} min planned", why, f"entry:{team.id}", lat_deg=team.lat,
        lon_deg=team.lon,
    )  # fmt: skip


def _of_member(team: Team, one: Air, units: Units, reading_s: int) -> list[Condition]:
    member = one.member
    slot = None if member.unit is None else units.slot_by_id.get(member.unit)
    whose = "" if slot is not None else f"{team.name} {member.name} "
    why = () if one.kpa is None else (Input("pressure", round(one.kpa / KPA_PER_BAR, 1), "bar", one.t_kpa),)

    def made(kind: str, priority: Priority, zh: str, en: str, code: EventCode) -> Condition:
        joins = "" if slot is None else f"{slot}:{int(code)}"
        about = () if member.unit is None else (member.unit,)
        return Condition(
            f"entry:{team.id}:{kind}:{member.key}", kind, priority, about, f"{whose}{zh}", f"{whose}{en}", why,
            f"entry:{team.id}", joins, off_ms=CLEAR_MS,
        )  # fmt: skip

    out = []
    if one.low or (one.left_s is not None and one.left_s <= 0):
        out.append(made("air", Priority.CRITICAL, "空气不足", "low air", EventCode.LOW_AIR))
    if one.back_s is not None and one.back_s <= 0:
        out.append(made("turn_back", Priority.HIGH, "该返回", "turn back", EventCode.TURN_BACK))
    if one.stale:
        zh, en = "气压失联", "air sensor lost"
        if one.kpa is None:
            zh, en = "没有压力读数", "no pressure read yet"
        elif slot is None:
            zh, en = (
                f"压力须重报（超过 {reading_s // 60} 分）",
                f"pressure older than {reading_s // 60} min: ask again",
            )
        out.append(made("air_sensor", Priority.HIGH, zh, en, EventCode.AIR_SENSOR_LOST))
    return out
