"""Drill files: YAML in, frozen dataclasses out, or one error that says where and what is allowed.

Enters: the text of a scenario file (docs: sim/README.md; sample: sim/scenarios/jinan.yaml). Leaves: a
`Scenario`. Callers: `sim.run`, `sim.demo`. Nothing here moves or sends anything.
"""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from protocols.topics import DEVICE_MAX

FILE_BYTES_MAX = 1_000_000
UNITS_MAX = 20_000
EVENTS_MAX = 10_000
POINTS_MAX = 1_000
DESK_MAX = 100
CALLSIGN_MAX = 40
RADIUS_KM_MAX = 100.0
"""A drill lies within this distance of its centre, so that one flat plane serves it."""

KINDS = ("person", "vehicle", "drone", "vessel", "base")
BRANCHES = ("fire", "medical", "mine", "flood", "hazmat", "police", "command", "other")
FIDELITIES = ("light", "agent")
RECEIVERS = ("nmea", "ubx")
SENSORS = ("heart", "air", "gas")
DEVICES = ("gnss", "board", "gas", "air", "obd", "weather")
"""What the gateway of an agent unit may be connected to."""
HAPPENINGS = ("sos", "outage", "entry", "man_down")
ENDINGS = ("stay", "back", "loop")
_TOP = ("scenario", "name", "seed", "centre", "places", "hazards", "teams", "units", "events", "desk")


class ScenarioError(ValueError):
    """A scenario file is not what is allowed. The message names the file, the place in it and the rule."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the ground: degrees, WGS-84."""

    lat_deg: float
    lon_deg: float


@dataclass(frozen=True, slots=True)
class Hazard:
    """A point that gas comes from. Its values are at the point itself; they fall off as a bell of
    `radius_m`.
    """

    name: str
    at: Place
    radius_m: float
    lel_permille: int = 0
    co_ppm: int = 0
    h2s_dppm: int = 0
    o2_drop_permille: int = 0


@dataclass(frozen=True, slots=True)
class Drive:
    """Along waypoints, at a speed between two bounds, slower at corners; at the end `then`."""

    points: tuple[Place, ...]
    speed_kmh: tuple[float, float]
    then: str


@dataclass(frozen=True, slots=True)
class Search:
    """A lawn-mower pattern over a rectangle whose south-west corner is `corner`, then back the same way."""

    corner: Place
    width_m: float
    height_m: float
    spacing_m: float
    speed_kmh: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Circle:
    """Round a point at a height above ground."""

    centre: Place
    radius_m: float
    height_m: float
    speed_kmh: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Stay at a place, shifting about by a few metres."""

    at: Place


PathOf = Drive | Search | Circle | Hold


@dataclass(frozen=True, slots=True)
class Unit:
    """One person, vehicle or drone of the drill, and what it carries. `sensors`: what its body is asked for;
    `devices`: what an agent unit's gateway is connected to, in the order of DEVICES.
    """

    callsign: str
    kind: str
    branch: str
    team: str
    device: int
    fidelity: str
    receiver: str
    path: PathOf
    sensors: frozenset[str]
    devices: tuple[str, ...]
    stale_s: int
    lost_s: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a unit at a time: `what` is one of HAPPENINGS; `for_s` is an outage's length."""

    at_s: float
    unit: str
    what: str
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeskZone:
    """A circle on the commander's map. `kind`: a word of the hub's table of zones."""

    name: str
    kind: str
    at: Place
    radius_m: float


@dataclass(frozen=True, slots=True)
class DeskTeam:
    """An entry team: units by callsign, and people without a device, each with the pressure read, bar."""

    name: str
    task: str
    units: tuple[str, ...]
    people: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What stands at the hub before the drill begins."""

    zones: tuple[DeskZone, ...] = ()
    entry_teams: tuple[DeskTeam, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole drill, checked."""

    name: str
    seed: int
    centre: Place
    hazards: tuple[Hazard, ...]
    units: tuple[Unit, ...]
    events: tuple[Event, ...]
    desk: Prepared = Prepared()


class _Node:
    """A value of the file with its path, so that each complaint can say where it is."""

    def __init__(self, value: Any, where: str) -> None:
        self.value, self.where = value, where

    def bad(self, why: str) -> ScenarioError:
        return ScenarioError(f"{self.where}: {why}")

    def mapping(self, allowed: tuple[str, ...], needed: tuple[str, ...] = ()) -> dict[str, "_Node"]:
        """The keys of a map; an unknown key is an error that names the nearest one."""
        if not isinstance(self.value, dict):
            raise self.bad(f"{_shown(self.value)}, a map with {', '.join(allowed)} is needed")
        for key in self.value:
            if key not in allowed:
                raise self.bad(f"unknown key {key!r}{_nearest(str(key), allowed)}")
        for key in needed:
            if key not in self.value:
                raise self.bad(f"key {key!r} is missing")
        return {key: _Node(value, f"{self.where}.{key}") for key, value in self.value.items()}

    def items(self, count_max: int) -> list["_Node"]:
        if not isinstance(self.value, list) or len(self.value) > count_max:
            raise self.bad(f"{_shown(self.value)}, a list of at most {count_max} is needed")
        return [_Node(value, f"{self.where}[{i}]") for i, value in enumerate(self.value)]

    def text(self, length_max: int = 80) -> str:
        if not isinstance(self.value, str) or not 1 <= len(self.value) <= length_max:
            raise self.bad(f"{_shown(self.value)}, a text of 1–{length_max} characters is needed")
        if any(ord(character) < 32 for character in self.value):
            raise self.bad("a text without control characters is needed")
        return self.value

    def one_of(self, allowed: tuple[str, ...]) -> str:
        if self.value not in allowed:
            raise self.bad(f"{_shown(self.value)}{_nearest(str(self.value), allowed)}")
        return str(self.value)

    def number(self, lo: float, hi: float) -> float:
        value = self.value
        if type(value) not in (int, float) or not math.isfinite(value) or not lo <= value <= hi:
            raise self.bad(f"{_shown(value)}, a number {lo:g}–{hi:g} is needed")
        return float(value)

    def whole(self, lo: int, hi: int) -> int:
        if type(self.value) is not int or not lo <= self.value <= hi:
            raise self.bad(f"{_shown(self.value)}, a whole number {lo}–{hi} is needed")
        return self.value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _nearest(word: str, allowed: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    hint = f", did you mean {near[0]!r}?" if near else ","
    shown = ", ".join(allowed[:20]) + (" …" if len(allowed) > 20 else "")
    return f"{hint} allowed: {shown}"


class _StrictLoader(yaml.SafeLoader):
    """Safe loading that refuses a key given twice: the last one would win silently."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _value in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: key {key!r} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def built_in(name: str = "jinan") -> Path:
    """The path of a scenario that is shipped with the program."""
    return Path(str(resources.files("sim") / "scenarios" / f"{name}.yaml"))


def load(path: Path) -> Scenario:
    """The scenario in a file; ScenarioError when it cannot be read or is not allowed."""
    try:
        data = path.read_bytes()
    except OSError as err:
        raise ScenarioError(f"{path}: {err.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ScenarioError(f"{path}: {len(data)} bytes, at most {FILE_BYTES_MAX} allowed")
    try:
        return parse(data.decode(), path.name)
    except UnicodeDecodeError as err:
        raise ScenarioError(f"{path.name}: not UTF-8 at byte {err.start}") from None


def parse(text: str, name: str = "scenario") -> Scenario:
    """The scenario in a text; `name` begins each complaint."""
    try:
        # YAML aliases are refused: a few lines of them can grow to gigabytes.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ScenarioError(f"{name}: YAML aliases (*name) are not allowed")
        root = yaml.load(text, Loader=_StrictLoader)  # a SafeLoader
    except (yaml.YAMLError, RecursionError) as err:
        raise ScenarioError(f"{name}: not YAML: {' '.join(str(err).split())[:200]}") from None
    return _scenario(_Node(root, name))


def _scenario(root: _Node) -> Scenario:
    top = root.mapping(_TOP, ("scenario", "name", "seed", "centre", "teams", "units"))
    top["scenario"].whole(1, 1)
    places: dict[str, Place] = {}
    centre = _place(top["centre"], places, None)
    if "places" in top:
        raw = top["places"].value
        names = tuple(raw) if isinstance(raw, dict) else ()
        for key, node in top["places"].mapping(names).items():
            places[str(key)] = _place(node, {}, centre)
    teams = _teams(top["teams"])
    hazards = tuple(_hazard(n, places, centre) for n in top["hazards"].items(100)) if "hazards" in top else ()
    units = tuple(_unit(node, places, centre, teams) for node in top["units"].items(UNITS_MAX))
    _check_unique(top["units"], units)
    events = _events(top["events"], units) if "events" in top else ()
    seed = top["seed"].whole(0, 2**63 - 1)
    desk = _desk(top["desk"], places, centre, units) if "desk" in top else Prepared()
    return Scenario(top["name"].text(), seed, centre, hazards, units, events, desk)


def _place(node: _Node, places: Mapping[str, Place], centre: Place | None) -> Place:
    """A place: a name out of `places`, or [latitude, longitude] in degrees."""
    if isinstance(node.value, str):
        if node.value not in places:
            raise node.bad(f"place {node.value!r} is not in places{_nearest(node.value, tuple(places))}")
        return places[node.value]
    if not isinstance(node.value, list) or len(node.value) != 2:
        raise node.bad(f"{_shown(node.value)}, a place's name or [latitude, longitude] is needed")
    lat, lon = node.items(2)
    # Beyond 80° the flat plane of a drill no longer holds.
    place = Place(lat.number(-80, 80), lon.number(-180, 180))
    if centre is not None and _distance_km(centre, place) > RADIUS_KM_MAX:
        raise node.bad(f"{_shown(node.value)} is further than {RADIUS_KM_MAX:g} km from the centre")
    return place


def _distance_km(a: Place, b: Place) -> float:
    north = (b.lat_deg - a.lat_deg) * 111.2
    east = (b.lon_deg - a.lon_deg) * 111.2 * math.cos(math.radians(a.lat_deg))
    return math.hypot(north, east)


def _teams(node: _Node) -> dict[str, str]:
    """Team name -> branch."""
    teams: dict[str, str] = {}
    for item in node.items(1_000):
        keys = item.mapping(("name", "branch"), ("name", "branch"))
        name = keys["name"].text(CALLSIGN_MAX)
        if name in teams:
            raise keys["name"].bad(f"team {name!r} is given twice")
        teams[name] = keys["branch"].one_of(BRANCHES)
    return teams


def _hazard(node: _Node, places: Mapping[str, Place], centre: Place) -> Hazard:
    gases = ("lel_permille", "co_ppm", "h2s_dppm", "o2_drop_permille")
    keys = node.mapping(("name", "at", "radius_m", *gases), ("name", "at", "radius_m"))
    limits = {"lel_permille": 2_000, "co_ppm": 10_000, "h2s_dppm": 10_000, "o2_drop_permille": 209}
    values = {gas: keys[gas].whole(0, limits[gas]) for gas in gases if gas in keys}
    at = _place(keys["at"], places, centre)
    return Hazard(keys["name"].text(), at, keys["radius_m"].number(1, 10_000), **values)


def _desk(node: _Node, places: Mapping[str, Place], centre: Place, units: tuple[Unit, ...]) -> Prepared:
    keys = node.mapping(("zones", "entry_teams"))
    zones = keys["zones"].items(DESK_MAX) if "zones" in keys else []
    teams = keys["entry_teams"].items(DESK_MAX) if "entry_teams" in keys else []
    callsigns = tuple(unit.callsign for unit in units)
    return Prepared(
        tuple(_desk_zone(zone, places, centre) for zone in zones),
        tuple(_desk_team(team, callsigns) for team in teams),
    )


def _desk_zone(node: _Node, places: Mapping[str, Place], centre: Place) -> DeskZone:
    keys = node.mapping(("name", "kind", "at", "radius_m"), ("name", "kind", "at", "radius_m"))
    radius_m = keys["radius_m"].number(1, 50_000)
    return DeskZone(
        keys["name"].text(60), keys["kind"].text(40), _place(keys["at"], places, centre), radius_m
    )


def _desk_team(node: _Node, callsigns: tuple[str, ...]) -> DeskTeam:
    keys = node.mapping(("name", "task", "units", "people"), ("name",))
    units = keys["units"].items(50) if "units" in keys else []
    people = keys["people"].items(50) if "people" in keys else []
    named = [person.mapping(("name", "bar"), ("name", "bar")) for person in people]
    return DeskTeam(
        keys["name"].text(60),
        keys["task"].text(200) if "task" in keys else "",
        tuple(unit.one_of(callsigns) for unit in units),
        tuple((person["name"].text(60), person["bar"].number(0, 400)) for person in named),
    )


_UNIT_KEYS = (
    *("callsign", "kind", "branch", "team", "device", "fidelity"),
    *("receiver", "path", "sensors", "devices", "stale_s", "lost_s"),
)


def _unit(node: _Node, places: Mapping[str, Place], centre: Place, teams: dict[str, str]) -> Unit:
    keys = node.mapping(_UNIT_KEYS, ("callsign", "kind", "team", "device", "path"))
    kind = keys["kind"].one_of(KINDS)
    team = keys["team"].one_of(tuple(teams))
    fidelity = keys["fidelity"].one_of(FIDELITIES) if "fidelity" in keys else "light"
    devices = _devices(keys, kind, fidelity)
    if "receiver" in keys and "gnss" not in devices:
        raise keys["receiver"].bad("only a unit of fidelity agent with the device gnss has a receiver")
    if "sensors" in keys and fidelity == "agent":
        raise keys["sensors"].bad("a unit of fidelity agent has `devices` in place of sensors")
    sensors = frozenset({"heart"} if kind == "person" else ())
    if devices:
        sensors = _sensors_of(devices)
    elif "sensors" in keys:
        sensors = frozenset(item.one_of(SENSORS) for item in keys["sensors"].items(len(SENSORS)))
    stale_s = keys["stale_s"].whole(1, 86_400) if "stale_s" in keys else 30
    lost_s = keys["lost_s"].whole(1, 86_400) if "lost_s" in keys else max(120, stale_s)
    if lost_s < stale_s:
        raise keys["lost_s"].bad(f"{lost_s}, at least stale_s ({stale_s}) is needed")
    return Unit(
        callsign=keys["callsign"].text(CALLSIGN_MAX),
        kind=kind,
        branch=keys["branch"].one_of(BRANCHES) if "branch" in keys else teams[team],
        team=team,
        device=keys["device"].whole(1, DEVICE_MAX),
        fidelity=fidelity,
        receiver=keys["receiver"].one_of(RECEIVERS) if "receiver" in keys else "nmea",
        path=_path(keys["path"], places, centre),
        sensors=sensors,
        devices=devices,
        stale_s=stale_s,
        lost_s=lost_s,
    )


def _devices(keys: dict[str, _Node], kind: str, fidelity: str) -> tuple[str, ...]:
    """What an agent unit's gateway is connected to; nothing for a light unit, which has no gateway."""
    node = keys.get("devices")
    if fidelity != "agent":
        if node is not None:
            raise node.bad("only a unit of fidelity agent has devices; a light one has `sensors`")
        return ()
    if node is None:
        return ("gnss",)
    items = node.items(len(DEVICES))
    found = [item.one_of(DEVICES) for item in items]
    for i, name in enumerate(found):
        if name in found[:i]:
            raise items[i].bad(f"{name!r} is given twice")
        if name == "obd" and kind != "vehicle":
            raise items[i].bad(f"'obd' is for a unit of kind vehicle, this one is a {kind}")
        if name in ("board", "air") and kind != "person":
            raise items[i].bad(f"{name!r} is worn by a unit of kind person, this one is a {kind}")
    if not found:
        raise node.bad(f"no device, at least 1 is needed, allowed: {', '.join(DEVICES)}")
    return tuple(name for name in DEVICES if name in found)


def _sensors_of(devices: tuple[str, ...]) -> frozenset[str]:
    """What the body has to give for these devices."""
    found = {name for name in ("air", "gas") if name in devices}
    return frozenset(found | ({"heart"} if "board" in devices else set()))


def _path(node: _Node, places: Mapping[str, Place], centre: Place) -> PathOf:
    """A path is a map with one key that names the behaviour."""
    keys = node.mapping(tuple(_PATHS))
    if len(keys) != 1:
        raise node.bad(f"{len(keys)} behaviours, exactly one of {', '.join(_PATHS)} is needed")
    [(name, body)] = keys.items()
    return _PATHS[name](body, lambda part: _place(part, places, centre))


_PlaceOf = Callable[[_Node], Place]


def _drive(node: _Node, place: _PlaceOf) -> Drive:
    keys = node.mapping(("through", "speed_kmh", "then"), ("through",))
    points = tuple(place(item) for item in keys["through"].items(POINTS_MAX))
    if len(points) < 2:
        raise keys["through"].bad(f"{len(points)} places, at least 2 are needed")
    speed = _speeds(keys["speed_kmh"]) if "speed_kmh" in keys else (30.0, 60.0)
    return Drive(points, speed, keys["then"].one_of(ENDINGS) if "then" in keys else "back")


def _search(node: _Node, place: _PlaceOf) -> Search:
    allowed = ("corner", "width_m", "height_m", "spacing_m", "speed_kmh")
    keys = node.mapping(allowed, ("corner", "width_m", "height_m"))
    width_m, height_m = keys["width_m"].number(5, 10_000), keys["height_m"].number(5, 10_000)
    spacing_m = keys["spacing_m"].number(2, 1_000) if "spacing_m" in keys else 15.0
    if height_m / spacing_m > POINTS_MAX / 2 - 2:
        raise node.bad(f"{height_m / spacing_m:.0f} lanes, at most {POINTS_MAX // 2 - 2} allowed")
    speed = _speeds(keys["speed_kmh"]) if "speed_kmh" in keys else (2.0, 4.5)
    return Search(place(keys["corner"]), width_m, height_m, spacing_m, speed)


def _circle(node: _Node, place: _PlaceOf) -> Circle:
    keys = node.mapping(("centre", "radius_m", "height_m", "speed_kmh"), ("centre", "radius_m"))
    height_m = keys["height_m"].number(0, 5_000) if "height_m" in keys else 80.0
    speed_kmh = keys["speed_kmh"].number(1, 200) if "speed_kmh" in keys else 36.0
    return Circle(place(keys["centre"]), keys["radius_m"].number(5, 10_000), height_m, speed_kmh)


def _hold(node: _Node, place: _PlaceOf) -> Hold:
    return Hold(place(node.mapping(("at",), ("at",))["at"]))


_PATHS: dict[str, Callable[[_Node, _PlaceOf], PathOf]] = {
    "drive": _drive,
    "search": _search,
    "circle": _circle,
    "hold": _hold,
}


def _speeds(node: _Node) -> tuple[float, float]:
    """[slowest, fastest] in km/h."""
    if not isinstance(node.value, list) or len(node.value) != 2:
        raise node.bad(f"{_shown(node.value)}, [slowest, fastest] is needed")
    lo, hi = (item.number(0.5, 300) for item in node.items(2))
    if lo > hi:
        raise node.bad(f"slowest {lo:g} is faster than fastest {hi:g}")
    return lo, hi


def _check_unique(node: _Node, units: tuple[Unit, ...]) -> None:
    if not units:
        raise node.bad("no unit, at least 1 is needed")
    seen: dict[object, int] = {}
    for i, unit in enumerate(units):
        for key, value in (("callsign", unit.callsign), ("device", unit.device)):
            if value in seen:
                raise ScenarioError(f"{node.where}[{i}].{key}: {value!r} is also units[{seen[value]}]'s")
            seen[value] = i


def _events(node: _Node, units: tuple[Unit, ...]) -> tuple[Event, ...]:
    by_callsign = {unit.callsign: unit for unit in units}
    events: list[Event] = []
    for item in node.items(EVENTS_MAX):
        keys = item.mapping(("at_s", "unit", "what", "for_s"), ("at_s", "unit", "what"))
        callsign = keys["unit"].one_of(tuple(by_callsign))
        what = keys["what"].one_of(HAPPENINGS)
        _check_able(keys["unit"], by_callsign[callsign], what)
        if (what == "outage") != ("for_s" in keys):
            raise item.bad("for_s is given with an outage, and only with it")
        for_s = keys["for_s"].number(1, 864_000) if "for_s" in keys else 0.0
        events.append(Event(keys["at_s"].number(0, 864_000), callsign, what, for_s))
    return tuple(sorted(events, key=lambda event: event.at_s))


def _check_able(node: _Node, unit: Unit, what: str) -> None:
    """An agent unit is pressed and falls by its board, because its gateway hears nothing else."""
    if unit.fidelity == "agent":
        if what == "outage":
            raise node.bad("outage happens to units of fidelity light only so far")
        if "board" not in unit.devices:
            raise node.bad(f"{what} needs `board` among the devices of this agent unit")
    elif what == "entry":
        raise node.bad("entry is pressed on the board of a unit of fidelity agent")
    elif what == "man_down" and unit.kind != "person":
        raise node.bad(f"man_down happens to a unit of kind person, this one is a {unit.kind}")
