"""What of a zone calls for people: who is in and should not, who has left, who will be in soon.

Enters: a zone, its members, who comes near. Leaves: conditions, the same as long as nothing changed. Pure.
Caller: `hub.safety.zones`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from hub.safety.condition import Condition, Input, Priority
from hub.safety.zone import Zone
from hub.safety.zone_members import Came, Members

EACH_MAX = 50
"""Units of a zone that call one by one; more of them call together, as one."""
TOGETHER_MAX = 500
IN_ON_MS, IN_OFF_MS = 2_000, 5_000
NEAR_ON_MS, NEAR_OFF_MS = 2_000, 10_000


@dataclass(frozen=True, slots=True)
class Coming:
    """A unit that will be in after so many seconds, `edge_m` metres from the edge now."""

    unit: str
    seconds: float
    edge_m: float


def conditions(
    zone: Zone, members: Members, sure: set[str], coming: Sequence[Coming], agency_of: Callable[[str], str]
) -> list[Condition]:
    """`sure`: units that are inside beyond doubt. The areas of warnings call by the warning itself."""
    if zone.is_warning:
        return []
    made: list[Condition] = []
    name = _namer(zone, agency_of)
    if zone.on_enter:
        made += _each(
            zone, "in", members.inside.items(), lambda u, came: _inside(zone, u, came, sure, name(u))
        )
    if zone.on_leave:
        made += _each(zone, "out", members.left.items(), lambda u, went: _outside(zone, u, went, name(u)))
    if zone.lead_s > 0:
        made += [
            _near(zone, one, name(one.unit)) for one in coming[:EACH_MAX] if one.unit not in members.inside
        ]
    return made


def _namer(zone: Zone, agency_of: Callable[[str], str]) -> Callable[[str], tuple[str, str]]:
    """What the zone is called towards those who see a unit: they may not see a zone of another agency."""
    plain = (zone.about.zh, zone.about.en)
    full = (f"{zone.about.zh}“{zone.name}”", f"{zone.about.en} “{zone.name}”") if zone.name else plain

    def name(unit: str) -> tuple[str, str]:
        return full if zone.agency in ("", agency_of(unit)) else plain

    return name


def _each(
    zone: Zone, what: str, units: Iterable[tuple[str, Came]], make: Callable[[str, Came], Condition]
) -> list[Condition]:
    """One a unit, those first that came first; beyond EACH_MAX all others as one."""
    by_time = sorted(units, key=lambda one: (one[1].t_ms, one[0]))
    made = [make(unit, came) for unit, came in by_time[:EACH_MAX]]
    rest = [unit for unit, _ in by_time[EACH_MAX:]]
    if rest:
        zh, en = {"in": ("在内", "inside"), "out": ("离开", "outside")}[what]
        made.append(
            Condition(
                f"zones:{zone.id}:{what}:more", "zone", zone.about.priority, tuple(rest[:TOGETHER_MAX]),
                f"{zone.about.zh}另有 {len(rest)} 个单位{zh}", f"{len(rest)} more units {en}: {zone.about.en.lower()}",
                (Input("units", len(rest)),), _cause(zone), on_ms=IN_ON_MS, off_ms=IN_OFF_MS,
            )
        )  # fmt: skip
    return made


def _cause(zone: Zone) -> str:
    return f"zone:{zone.id}"


def _why(came: Came) -> tuple[Input, ...]:
    if not isfinite(came.edge_m):
        return ()
    return (
        Input("metres_to_edge", round(came.edge_m, 1), "m", came.t_ms),
        Input("doubt", round(came.doubt_m, 1), "m", came.t_ms),
    )


def _inside(zone: Zone, unit: str, came: Came, sure: set[str], name: tuple[str, str]) -> Condition:
    zh, en = ("在", "Inside") if unit in sure else ("可能在", "Perhaps inside")
    return Condition(
        f"zones:{zone.id}:in:{unit}", "zone", zone.about.priority, (unit,), f"{zh}{name[0]}内", f"{en}: {name[1]}",
        _why(came), _cause(zone), on_ms=IN_ON_MS, off_ms=IN_OFF_MS,
    )  # fmt: skip


def _outside(zone: Zone, unit: str, went: Came, name: tuple[str, str]) -> Condition:
    return Condition(
        f"zones:{zone.id}:out:{unit}", "zone", zone.about.priority, (unit,), f"离开{name[0]}", f"Left: {name[1]}",
        _why(went), _cause(zone), on_ms=IN_ON_MS, off_ms=IN_OFF_MS,
    )  # fmt: skip


def _near(zone: Zone, one: Coming, name: tuple[str, str]) -> Condition:
    """One step less grave than to be inside. Its seconds go by tens, so that it is not news every second."""
    seconds = max(10, 10 * round(one.seconds / 10))
    priority = Priority(min(Priority.LOW, zone.about.priority + 1))
    why = (
        Input("metres_to_edge", max(10, 10 * round(one.edge_m / 10)), "m"),
        Input("lead", zone.lead_s, "s"),
    )
    return Condition(
        f"zones:{zone.id}:near:{one.unit}", "zone", priority, (one.unit,), f"约 {seconds} 秒后进入{name[0]}",
        f"In about {seconds} s inside: {name[1]}", why, _cause(zone),
        advice_zh="提醒其改道", advice_en="tell them to turn", on_ms=NEAR_ON_MS, off_ms=NEAR_OFF_MS,
    )  # fmt: skip
