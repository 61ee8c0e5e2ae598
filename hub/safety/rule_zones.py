"""Rules about zones: who is in, out, on the way, too long there; and a zone with nobody left who can.

Enters: scenes with zones. Leaves: (zone, slot) or zones that stand. Pure. Caller: `hub.safety.rule_engine`.

Who is only perhaps inside has neither come nor gone: the doubt of a position makes no entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hub.live.picture import F64
from hub.safety.condition import Input
from hub.safety.rule_kinds import Capability, Zone
from hub.safety.rule_latch import Flags, Latches
from hub.safety.rule_places import bearing_words, distance_m
from hub.safety.rule_scene import Scene, ZoneLike
from hub.safety.rule_watch import Said, Watch, lasting
from protocols.laws.latch import Latch

NO_ZONES = "no zones in this hub"
InZone = tuple[str, int]


def _missing(scene: Scene, names: Sequence[str], found: Sequence[ZoneLike]) -> str:
    """Why a rule of zones cannot be judged, or not wholly."""
    if scene.zones is None:
        return NO_ZONES
    known = {word for zone in found for word in (zone.id, zone.name)}
    lacking = [name for name in names if name not in known]
    return f"no zone {', '.join(repr(name[:40]) for name in lacking)} now" if lacking else ""


@dataclass(slots=True)
class _Held:
    """One zone: who was inside, since when, and until when coming or going is told."""

    latches: Latches
    known: bool = False
    was: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    since_ms: F64 = field(default_factory=lambda: np.zeros(0))
    until_ms: F64 = field(default_factory=lambda: np.zeros(0))

    def grow(self, n: int) -> None:
        self.latches.grow(n)
        more = n - len(self.was)
        if more > 0:
            self.was = np.append(self.was, np.zeros(more, np.bool_))
            self.since_ms = np.append(self.since_ms, np.full(more, np.nan))
            self.until_ms = np.append(self.until_ms, np.full(more, -np.inf))


class ZoneWatch(Watch[Zone, InZone]):
    """See the module."""

    def __init__(self, rule: Zone) -> None:
        super().__init__(rule)
        self._held: dict[str, _Held] = {}

    def step(self, scene: Scene) -> Sequence[InZone]:
        zones = scene.zones_of(self.rule.zones, self.rule.zone_kinds)
        self.trouble = _missing(scene, self.rule.zones, zones)
        here = {zone.id for zone in zones}
        for gone in [id for id in self._held if id not in here]:
            del self._held[gone]
        among = scene.mask(self.rule.who)
        return [(zone.id, slot) for zone in zones for slot in self._of_zone(scene, zone, among)]

    def _of_zone(self, scene: Scene, zone: ZoneLike, among: Flags) -> list[int]:
        held = self._zone(zone.id)
        held.grow(scene.n)
        so = self._so(scene, zone, held) & among
        if self.rule.on_s or self.rule.off_s:
            slots = np.flatnonzero(among)
            held.latches.reset(~among)
            held.latches.hold(slots, so[slots], scene.now_ms)
            so = held.latches.stands[: scene.n]
        found: list[int] = np.flatnonzero(so).tolist()
        return found

    def _zone(self, id: str) -> _Held:
        if id not in self._held:
            self._held[id] = _Held(Latches(1000 * self.rule.on_s, 1000 * self.rule.off_s))
        return self._held[id]

    def _so(self, scene: Scene, zone: ZoneLike, held: _Held) -> Flags:
        """Whether it is so of each slot, before the rule's delays."""
        assert scene.zones is not None
        rule, n, now_ms = self.rule, scene.n, float(scene.now_ms)
        inside, unsure = scene.flags(scene.zones.inside(zone.id)), scene.flags(scene.zones.unsure(zone.id))
        somewhere = ~np.isnan(scene.picture.pos_time[:n])
        outside = somewhere & ~inside & ~unsure
        if rule.perhaps:
            inside, outside = inside | unsure, outside | unsure
        came, went = inside & ~held.was[:n], outside & held.was[:n]
        if not held.known:
            came_now = went_now = np.zeros(n, np.bool_)
        else:
            came_now, went_now = came, went
        held.known = True
        start = came & np.isnan(held.since_ms[:n])
        held.since_ms[:n][start] = now_ms
        held.since_ms[:n][went] = np.nan
        held.was[:n] = (held.was[:n] | inside) & ~went
        moved = came_now if rule.event == "enter" else went_now
        held.until_ms[:n][moved] = now_ms + 1000 * rule.hold_s
        if rule.event == "enter":
            return held.until_ms[:n] > now_ms
        if rule.event == "leave":
            return ~held.was[:n] & (held.until_ms[:n] > now_ms)
        if rule.event == "stay":
            out: Flags = held.was[:n] & (now_ms - held.since_ms[:n] >= 1000 * rule.stay_s)
            return out
        return inside if rule.event == "inside" else outside

    def key(self, scene: Scene, subject: InZone) -> str:
        return f"{scene.units.rows[subject[1]].id}:{subject[0]}"

    def seed(self, scene: Scene, key: str) -> None:
        unit, _, zone = key.partition(":")
        slot = scene.units.slot_by_id.get(unit)
        if slot is None:
            return
        held = self._zone(zone)
        held.grow(max(scene.n, slot + 1))
        held.latches.seed(slot)
        held.since_ms[slot] = scene.now_ms - 1000 * self.rule.stay_s
        held.until_ms[slot] = scene.now_ms + 1000 * self.rule.hold_s

    def say(self, scene: Scene, subject: InZone) -> Said:
        id, slot = subject
        name = _name(scene, id)
        longest = lasting(self.rule.stay_s)
        words = {
            "enter": (f"进入{name}", f"entered {name}"), "leave": (f"离开{name}", f"left {name}"),
            "inside": (f"在{name}内", f"inside {name}"), "outside": (f"不在{name}内", f"not inside {name}"),
            "stay": (f"在{name}内超过 {longest}", f"inside {name} for over {longest}"),
        }[self.rule.event]  # fmt: skip
        why: tuple[Input, ...] = (Input("zone", name),)
        since_ms = self._held[id].since_ms[slot] if id in self._held else np.nan
        if not np.isnan(since_ms) and self.rule.event in ("inside", "stay", "enter"):
            why = (*why, Input("inside", round((scene.now_ms - since_ms) / 1000), "s", int(since_ms)))
        where = scene.places()
        if not np.isnan(where.lat_deg[slot]):
            fix_ms = int(scene.picture.pos_time[slot])
            why = (*why, Input("doubt", round(float(where.radius_m[slot])), "m", fix_ms))
        return Said((slot,), *words, why)


def _name(scene: Scene, id: str) -> str:
    zone = scene.zones.get(id) if scene.zones is not None else None
    return id if zone is None else zone.name or id


@dataclass(slots=True)
class _Left:
    """One zone: who of the capability was there, whether there were enough, and who went last from where: a place
    inside that was seen before."""

    latch: Latch
    had: bool = False
    here: frozenset[int] = frozenset()
    last: int | None = None
    from_deg: tuple[float, float] | None = None
    t_ms: int = 0
    left: int = 0


class CapabilityWatch(Watch[Capability, str]):
    """See the module. A unit of which nothing is heard is not left: nobody can be sent by it."""

    def __init__(self, rule: Capability) -> None:
        super().__init__(rule)
        self._zones: dict[str, _Left] = {}

    def step(self, scene: Scene) -> Sequence[str]:
        zones = scene.zones_of(self.rule.zones, self.rule.zone_kinds)
        self.trouble = _missing(scene, self.rule.zones, zones)
        able = scene.mask(self.rule.who) & ~self._lost(scene)
        here = {zone.id for zone in zones}
        for gone in [id for id in self._zones if id not in here]:
            del self._zones[gone]
        return [zone.id for zone in zones if self._stands(scene, zone.id, able)]

    def _lost(self, scene: Scene) -> Flags:
        silent = scene.now_ms - np.maximum(scene.heard(), float(scene.since_ms)) > scene.roster.lost_ms
        out: Flags = silent | np.isnan(scene.heard())
        return out

    def _stands(self, scene: Scene, id: str, able: Flags) -> bool:
        assert scene.zones is not None
        zone = self._zone(id)
        here = frozenset(np.flatnonzero(scene.flags(scene.zones.inside(id)) & able).tolist())
        went = zone.here - here
        if went:
            zone.last, zone.t_ms = max(went), scene.now_ms
        zone.here, zone.left = here, len(here)
        if here:
            zone.from_deg = scene.place_of(max(here))
        zone.had = zone.had or len(here) >= self.rule.least
        short = len(here) < self.rule.least and (zone.had or not self.rule.had)
        return zone.latch.step(float(short), scene.now_ms)

    def _zone(self, id: str) -> _Left:
        if id not in self._zones:
            on_ms, off_ms = int(1000 * self.rule.on_s), int(1000 * self.rule.off_s)
            self._zones[id] = _Left(Latch(1.0, 0.0, on_ms, off_ms))
        return self._zones[id]

    def key(self, scene: Scene, subject: str) -> str:
        return subject

    def seed(self, scene: Scene, key: str) -> None:
        zone = self._zone(key)
        zone.had = zone.latch.stands = True

    def say(self, scene: Scene, subject: str) -> Said:
        zone, name = self._zones[subject], _name(scene, subject)
        zh, en = (
            f"{name}只剩 {zone.left} 个（需 {self.rule.least}）",
            f"{name}: {zone.left} left ({self.rule.least} needed)",
        )
        why: tuple[Input, ...] = (Input("left", zone.left), Input("needed", self.rule.least))
        if zone.last is None:
            return Said((), zh, en, why, float(zone.left))
        went_zh, went_en = self._where(scene, zone, zone.last)
        callsign = scene.units.rows[zone.last].callsign
        why = (*why, Input("last", callsign, "", zone.t_ms), Input("went", went_en, "", zone.t_ms))
        return Said(
            (zone.last,),
            f"{zh}；最后是 {callsign}，{went_zh}",
            f"{en}; last was {callsign}, {went_en}",
            why,
            float(zone.left),
        )

    def _where(self, scene: Scene, zone: _Left, slot: int) -> tuple[str, str]:
        """Where the last one went: silent there, into another zone, or so far in a direction."""
        if self._lost(scene)[slot]:
            return "已失联", "lost contact"
        assert scene.zones is not None
        for other in scene.zones.all():
            if slot in scene.zones.inside(other.id):
                return f"现在{other.name or other.id}", f"now in {other.name or other.id}"
        here = scene.place_of(slot)
        if here is None or zone.from_deg is None:
            return "去向不明", "whereabouts not known"
        far_m = distance_m(*zone.from_deg, *here)
        zh, en = bearing_words(*zone.from_deg, *here)
        return (f"向{zh}", f"going {en}") if far_m < 20 else (f"在{zh} {far_m:.0f} m", f"{far_m:.0f} m {en}")
