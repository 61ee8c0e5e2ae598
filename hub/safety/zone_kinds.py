"""The kinds of zones: what each is called, and whether entering or leaving one calls somebody.

Pure data; docs/zones.md is made of it. A new kind is one line here, and its words on the screen.
"""

from dataclasses import dataclass

from hub.safety.condition import Priority

H, M = Priority.HIGH, Priority.MEDIUM


@dataclass(frozen=True, slots=True)
class ZoneKind:
    """One line of the table. Each zone may say otherwise for itself, but for the priority.

    on_enter, on_leave  calls for whoever goes in, goes out
    lead_s              calls so long before somebody goes in, 0: not
    colour              of its edge on a map that knows no kinds
    """

    zh: str
    en: str
    priority: Priority
    on_enter: bool = False
    on_leave: bool = False
    lead_s: int = 0
    colour: str = "#96acc0"


K = ZoneKind
KINDS: dict[str, ZoneKind] = {
    "danger": K("危险区", "Danger", H, on_enter=True, lead_s=30, colour="#ff6a5a"),
    "no_go": K("禁入区", "No go", H, on_enter=True, lead_s=30, colour="#ff6a5a"),
    "hot": K("热区", "Hot zone", M, on_enter=True, colour="#ff6a5a"),
    "warm": K("温区", "Warm zone", M, colour="#ffa64d"),
    "cold": K("冷区", "Cold zone", M),
    "cordon": K("警戒区", "Cordon", M, colour="#ffa64d"),
    "safe": K("安全区", "Safe area", M, on_leave=True, colour="#63c27d"),
    "assembly": K("集合点", "Assembly point", M, on_leave=True, colour="#63c27d"),
    "entry": K("进入口", "Entry", M),
    "sector": K("作业段", "Sector", M),
    "staging": K("集结点", "Staging", M),
    "search": K("搜索段", "Search", M),
    "water": K("水源", "Water", M),
    "warning": K("预警区", "Warning", M, colour="#e2c46a"),
    "station": K("站点", "Station", M),
    "other": K("其他", "Other", M),
}
"""`warning`: the areas of warnings; whoever is inside is called by the warning itself."""
