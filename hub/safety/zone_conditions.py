"""What of a zone calls for people: who is in and should not, who has left, who will be in soon.

Enters: a zone, its members, who comes near. Leaves: conditions, the same as long as nothing changed. Pure.
Caller: `hub.safety.zones`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite

from hub.safety.condition import Condition, Input, Priority
from hub.safety.zone import Zone
from hub.safety.zone_members import Came, Members

EACH_MAX = 50
"""Units of a zone that call one by one; more of them call together, as one."""
TOGETHER_MAX = 500
MADE_MAX = 500
"""Conditions remembered of a zone; then they are made anew."""
IN_ON_MS, IN_OFF_MS = 2_000, 5_000
NEAR_ON_MS, NEAR_OFF_MS = 2_000, 10_000


@dataclass(frozen=True, slots=True)
class Coming:
    """A unit that will be in after so many seconds, `edge_m` metres from the edge now."""

    unit: str
    seconds: float
    edge_m: float


def conditions(
    zone: Zone,
    members: Members,
    is_sure: Callable[[str], bool],
    coming: Sequence[Coming],
    agency_of: Callable[[str], str],
    made_before: dict[str, Condition],
) -> list[Condition]:
    """`is_sure`: the unit is inside beyond doubt. `made_before`: of the last look, taken again where nothing changed.
    The areas of warnings call by the warning itself."""
    if zone.is_warning:
        return []
    made: list[Condition] = []
    name = _namer(zone, agency_of)

    def again(key: str, make: Callable[[], Condition]) -> Condition:
        found = made_before.get(key)
        if found is None:
            found = made_before[key] = make()
        return found

    def inside(unit: str, came: Came) -> Condition:
        sure = is_sure(unit)
        return again(f"{unit} {came.t_ms} {sure}", lambda: _inside(zone, unit, came, sure, name(unit)))

    def outside(unit: str, went: Came) -> Condition:
        return again(f"{unit} {went.t_ms} out", lambda: _outside(zone, unit, went, name(unit)))

    def near(one: Coming) -> Condition:
        tens = (_tens(one.seconds), _tens(one.edge_m))
        return again(f"{one.unit} {tens}", lambda: _near(zone, one.unit, *tens, name(one.unit)))

    if len(made_before) > MADE_MAX:
        made_before.clear()
    if zone.on_enter:
        made += _each(zone, "in", members.inside, inside)
    if zone.on_leave:
        made += _each(zone, "out", members.left, outside)
    if zone.lead_s > 0:
        made += [near(one) for one in coming[:EACH_MAX] if one.unit not in members.inside]
    return made


def _namer(zone: Zone, agency_of: Callable[[str], str]) -> Callable[[str], tuple[str, str]]:
    """What the zone is called towards those who see a unit: they may not see a zone of another agency."""
    plain = (zone.about.zh, zone.about.en)
    full = (f"{zone.about.zh}“{zone.name}”", f"{zone.about.en} “{zone.name}”") if zone.name else plain

    def name(unit: str) -> tuple[str, str]:
        return full if not zone.agency or zone.agency == agency_of(unit) else plain

    return name


def _each(
    zone: Zone, what: str, units: dict[str, Came], make: Callable[[str, Came], Condition]
) -> list[Condition]:
    """One a unit, those first that came first; beyond EACH_MAX all others as one."""
    in_turn = iter(units.items())
    made = [make(unit, came) for unit, came in islice(in_turn, EACH_MAX)]
    rest = [unit for unit, _ in islice(in_turn, TOGETHER_MAX)]
    if rest:
        more = len(units) - EACH_MAX
        zh, en = {"in": ("在内", "inside"), "out": ("离开", "outside")}[what]
        made.append(
            Condition(
                f"zones:{zone.id}:{what}:more", "zone", zone.about.priority, tuple(rest),
                f"{zone.about.zh}另有 {more} 个单位{zh}", f"{more} more units {en}: {zone.about.en.lower()}",
                (Input("units", more),), _cause(zone), on_ms=IN_ON_MS, off_ms=IN_OFF_MS,
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


def _inside(zone: Zone, unit: str, came: Came, sure: bool, name: tuple[str, str]) -> Condition:
    zh, en = ("在", "Inside") if sure else ("可能在", "Perhaps inside")
    return Condition(
        f"zones:{zone.id}:in:{unit}", "zone", zone.about.priority, (unit,), f"{zh}{name[0]}内", f"{en}: {name[1]}",
        _why(came), _cause(zone), on_ms=IN_ON_MS, off_ms=IN_OFF_MS,
    )  # fmt: skip


def _outside(zone: Zone, unit: str, went: Came, name: tuple[str, str]) -> Condition:
    return Condition(
        f"zones:{zone.id}:out:{unit}", "zone", zone.about.priority, (unit,), f"离开{name[0]}", f"Left: {name[1]}",
        _why(went), _cause(zone), on_ms=IN_ON_MS, off_ms=IN_OFF_MS,
    )  # fmt: skip


def _tens(value: float) -> int:
    """Rounded to tens, so that it is not news every second; 10 at least."""
    return max(10, 10 * round(value / 10))


def _near(zone: Zone, unit: str, seconds: int, edge_m: int, name: tuple[str, str]) -> Condition:
    """One step less grave than to be inside."""
    priority = Priority(min(Priority.LOW, zone.about.priority + 1))
    why = (Input("metres_to_edge", edge_m, "m"), Input("lead", zone.lead_s, "s"))
    return Condition(
        f"zones:{zone.id}:near:{unit}", "zone", priority, (unit,), f"约 {seconds} 秒后进入{name[0]}",
        f"In about {seconds} s inside: {name[1]}", why, _cause(zone),
        advice_zh="提醒其改道", advice_en="tell them to turn", on_ms=NEAR_ON_MS, off_ms=NEAR_OFF_MS,
    )  # fmt: skip
