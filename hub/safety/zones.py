"""Zones: where they are now, who is in them, whom that calls.

Enters: what people draw (`hub.api.zone_routes`), areas of warnings, the picture. Leaves: the feed's `zone`, conditions,
documents; `inside`, `unsure`, `get`, `all` for the other rooms. Callers: `hub.app`, `hub.safety.warnings`, orders.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from hub.identity.permissions import Audience, Principal
from hub.live.doubt import Places, places
from hub.live.picture import F64, I64
from hub.safety.condition import Condition
from hub.safety.part import Ground, Maker, Part
from hub.safety.warnings_book import Warned
from hub.safety.warnings_shapes import Shape as WarningShape
from hub.safety.weather import Weather
from hub.safety.zone import ZONES_MAX, Areas, Zone
from hub.safety.zone_conditions import Coming, conditions
from hub.safety.zone_field import Field, Pose
from hub.safety.zone_members import Came, Members
from hub.safety.zone_outline import area2, circle_around, outline
from hub.safety.zone_poses import carrier, has_moved, pose_of
from hub.safety.zone_reading import ZoneRefused
from hub.safety.zone_shape import Shape, shape_of
from hub.safety.zone_store import ZoneStore
from hub.safety.zone_watch import NOWHERE_DEG, Carried, Motion, Watch, join, split

OVER_MAX = 500
"""Zones that are over are remembered, with their logs; beyond it the oldest is forgotten."""
GREETED_MAX = 250
"""Zones that a new screen is told at once; others follow, tick by tick."""
TOLD_A_TICK = 50
REPORTED_S_MAX = 86_400.0
SPEED_S_MAX = 30.0
"""An older speed is no speed of now."""
STANDING_MPS = 0.3
"""So much a receiver says that stands still."""
WARNED_MAX = 1_000
"""Warnings that are drawn at once; of more it is said that they are not."""

Tell = Callable[[str, Sequence[Condition], int], None]
_NO_SLOTS: I64 = np.zeros(0, np.int64)


class Who(NamedTuple):
    """Slots of one zone. `called`: of the others those too that are more likely in than out."""

    inside: I64
    unsure: I64
    called: I64


_NOBODY = Who(_NO_SLOTS, _NO_SLOTS, _NO_SLOTS)


class Zones(Part):
    """See the module. All on the hub's loop, but `keep`, and `slots_of` for the desk of orders."""

    name = "zones"

    def __init__(self, ground: Ground, tell: Tell) -> None:
        self._ground = ground
        self._tell = tell
        self._weather = Weather(ground.picture, ground.units)
        self._zones: dict[str, Zone] = {}
        self._members: dict[str, Members] = {}
        self.watch = Watch()
        self._number: dict[str, int] = {}  # of those that stand, in the field
        self._standing: list[Zone] = []
        self._shapes: dict[str, Shape] = {}
        self._made: dict[str, dict[str, Condition]] = {}  # conditions of the last look, by zone and unit
        # Replaced as a whole: the desk of orders reads it on a thread of its own.
        self._who: dict[str, Who] = {}
        self._poses: dict[str, Pose] = {}
        self._outlines: dict[str, tuple[Zone, Pose, dict[str, Any] | None]] = {}
        self._says: dict[str, tuple[str, str]] = {}
        self._coming: dict[str, list[Coming]] = {}
        self._places = _no_places()
        self._new: set[str] = set()  # not looked at yet: who is in them was found, and did not enter
        self._is_due = False  # zones changed since the last look
        self._fresh: dict[str, None] = {}  # to be told
        self._told: dict[str, tuple[Any, ...]] = {}
        self._seen_by: dict[str, tuple[str, ...]] = {}  # agencies one has to see to be told, as told last
        self._store = ZoneStore(ground.registry.documents)
        self._undrawn = 0

    # --- what other rooms use ------------------------------------------------------------------------------

    def get(self, zone_id: str) -> Zone | None:
        return self._zones.get(zone_id)

    def all(self) -> list[Zone]:
        """Those that stand or are to come."""
        return [zone for zone in self._zones.values() if not zone.ended_by]

    def standing(self) -> list[Zone]:
        """Those that stand now, as of the last look."""
        return list(self._standing)

    def over(self) -> list[Zone]:
        return [zone for zone in self._zones.values() if zone.ended_by]

    def inside(self, zone_id: str) -> I64:
        """Slots of units whose whole circle of doubt is in the zone."""
        return self._who.get(zone_id, _NOBODY).inside

    def unsure(self, zone_id: str) -> I64:
        """Slots of units that may be in it."""
        return self._who.get(zone_id, _NOBODY).unsure

    def slots_of(self, zone_id: str, audience: Audience) -> list[int] | None:
        """Everybody who is or may be in it. None: no such zone stands, or not for this audience."""
        zone = self._zones.get(zone_id)
        if zone is None or zone.ended_by or not self.sees(audience, zone):
            return None
        who = self._who.get(zone_id, _NOBODY)
        return sorted({*who.inside.tolist(), *who.unsure.tolist()})

    def sees(self, audience: Audience, zone: Zone) -> bool:
        """As with units. A zone that follows a unit says where that is."""
        return all(audience.sees(agency) for agency in self._agencies(zone))

    def _agencies(self, zone: Zone) -> tuple[str, ...]:
        slot = self._ground.units.slot_by_id.get(zone.follows) if zone.follows else None
        return (zone.agency,) if slot is None else (zone.agency, self._ground.units.rows[slot].agency)

    def says(self, zone_id: str) -> tuple[str, str]:
        """What a person should know of its place now, Chinese and English; "" for nothing."""
        return self._says.get(zone_id, ("", ""))

    def members(self, zone_id: str) -> Members:
        return self._members.get(zone_id) or Members()

    def edges(self, zone_id: str, slots: I64) -> tuple[F64, F64]:
        """Metres of these units from its edge, negative inside, and the radii of their doubt. NaN: no position."""
        number = self._number.get(zone_id)
        if number is None or not len(slots):
            return np.full(len(slots), np.nan), np.full(len(slots), np.nan)
        edges = self.watch.edge_m(np.full(len(slots), number), slots, self._places)
        return edges, self._places.radius_m[slots]

    def coming(self, zone_id: str, within_s: float) -> list[Coming]:
        """Who will be in it within so many seconds, when all go on as now."""
        number = self._number.get(zone_id)
        if number is None:
            return []
        lead_s = np.zeros(len(self._standing))
        lead_s[number] = within_s
        return self._look_ahead(lead_s).get(zone_id, [])

    def outline(self, zone: Zone) -> dict[str, Any] | None:
        """GeoJSON of where it is now; of one that does not stand, as it was drawn."""
        shape = shape_of(zone)
        pose = self._poses.get(zone.id)
        if pose is None:
            pose = Pose(*(shape.origin if zone.areas else (np.nan, np.nan)), zone.bearing_deg or 0.0)
        made = self._outlines.get(zone.id)
        if made is None or made[:2] != (zone, pose):
            made = self._outlines[zone.id] = (zone, pose, outline(zone, shape, pose))
        return made[2]

    # --- people --------------------------------------------------------------------------------------------

    def make_room(self, count: int) -> None:
        """ZoneRefused when there is none for so many."""
        if sum(not zone.is_warning for zone in self.all()) + count > ZONES_MAX:
            raise ZoneRefused(
                f"{count} zones more than stand: at most {ZONES_MAX} are allowed, end some", 409
            )

    def settle(self) -> None:
        """What was put or ended counts now, not only at the next tick."""
        if self._is_due:
            self._judge(self._ground.clock_ms())

    def write(self, *zones: Zone) -> None:
        """Keep these at once. Blocks. StoreError."""
        self._store.write(zones, self._ground.clock_ms())

    def put(self, zone: Zone) -> None:
        """A new zone, or a known one that is another now. ZoneRefused (409) when there are ZONES_MAX."""
        if zone.id not in self._zones:
            self.make_room(1)
            self._members[zone.id] = Members()
        self._new.add(zone.id)
        self._zones[zone.id] = zone
        self._changed(zone.id)

    def end(self, zone_id: str, who: str, now_ms: int) -> Zone:
        """It is over, and whatever it called for with it."""
        zone = replace(self._zones[zone_id], ended_by=who, ended_utc_ms=now_ms)
        self._zones[zone_id] = zone
        members = self._members[zone_id]
        members.inside.clear()
        members.left.clear()
        self._store.mark_members(zone_id)
        self._changed(zone_id)
        self._forget_oldest()
        return zone

    def _changed(self, zone_id: str) -> None:
        self._is_due = True
        self._fresh[zone_id] = None
        self._store.mark(zone_id)

    def _forget_oldest(self) -> None:
        over = sorted(self.over(), key=lambda zone: zone.ended_utc_ms or 0)
        for zone in over[: max(0, len(over) - OVER_MAX)]:
            self._drop(zone.id)

    def _drop(self, zone_id: str) -> None:
        tables: tuple[dict[str, Any], ...] = (
            self._zones, self._members, self._coming, self._outlines,
        )  # fmt: skip
        for table in tables:
            table.pop(zone_id, None)
        self._store.forget(zone_id)

    def anchor_of(self, unit: str) -> tuple[float, float] | None:
        """(lon, lat) of a unit now, None: it was never seen."""
        slot = self._ground.units.slot_by_id.get(unit)
        if slot is None:
            return None
        motions = self._ground.units.motions
        at = places(self._ground.picture, motions, np.array([slot]), self._ground.clock_ms())
        return None if np.isnan(at.lat_deg[0]) else (float(at.lon_deg[0]), float(at.lat_deg[0]))

    # --- warnings ------------------------------------------------------------------------------------------

    def put_warning(self, warned: Warned, shapes: Sequence[WarningShape], now_ms: int) -> None:
        """The areas of a warning as one zone. One of no area is none. They are not kept: the warning is."""
        id, said = f"w{warned.id}", warned.bulletin
        drawn = sum(zone.is_warning for zone in self._zones.values())
        if not shapes or drawn >= WARNED_MAX:
            self._undrawn += bool(shapes)
            return
        zone = Zone(
            id, (said.zh or said.en or said.event)[:60], "warning", "polygon", _areas_of(shapes),
            from_utc_ms=said.from_utc_ms, until_utc_ms=said.expires_utc_ms, source=f"warning:{warned.id}",
            by=said.sender_name or said.sender, t_utc_ms=now_ms,
        )  # fmt: skip
        self._zones[id] = zone
        self._members.setdefault(id, Members())
        self._new.add(id)
        self._is_due = True
        self._fresh[id] = None

    def end_warning(self, warned_id: str) -> None:
        id = f"w{warned_id}"
        if id in self._zones:
            self._zones[id] = replace(
                self._zones[id], ended_by="warning", ended_utc_ms=self._ground.clock_ms()
            )
            self._is_due = True
            self._fresh[id] = None

    def units_in_warning(self, warned_id: str) -> list[int]:
        """Slots of those who are, or are more likely than not, in the areas of a warning."""
        self.settle()
        return [int(slot) for slot in self._who.get(f"w{warned_id}", _NOBODY).called]

    # --- the part ------------------------------------------------------------------------------------------

    def load(self) -> None:
        self._zones, self._members = self._store.load()
        self._number_anew(self._ground.clock_ms())
        slot_by_id = self._ground.units.slot_by_id
        for id, number in self._number.items():
            slots = [slot_by_id[unit] for unit in self._members[id].inside if unit in slot_by_id]
            self.watch.recall(number, slots)
        self._is_due = True

    def look(self, now_ms: int) -> None:
        self._judge(now_ms)
        lead_s = np.array([0 if zone.is_warning else zone.lead_s for zone in self._standing], np.float64)
        self._coming = self._look_ahead(lead_s)
        self._tell("zones", self.conditions(now_ms), now_ms)
        self._store.gather(self._members, now_ms)

    def conditions(self, now_ms: int) -> list[Condition]:
        made: list[Condition] = []
        for zone in self._standing:
            members = self._members[zone.id]
            if members.forget_leavers(now_ms):
                self._store.mark_members(zone.id)
            coming = self._coming.get(zone.id, [])
            if members.inside or members.left or coming:
                before = self._made.setdefault(zone.id, {})
                made += conditions(zone, members, self._is_in(zone.id), coming, self._agency_of, before)
        return made

    def _is_in(self, zone_id: str) -> Callable[[str], bool]:
        slot_by_id, inside = self._ground.units.slot_by_id, set(self.inside(zone_id).tolist())
        return lambda unit: slot_by_id.get(unit) in inside

    def _agency_of(self, unit: str) -> str:
        slot = self._ground.units.slot_by_id.get(unit)
        return "" if slot is None else self._ground.units.rows[slot].agency

    def keep(self) -> None:
        self._store.keep(self._zones, self._ground.clock_ms())

    def changes(self) -> Iterable[Maker]:
        self.settle()
        makers = []
        for id in list(self._fresh)[:TOLD_A_TICK]:
            del self._fresh[id]
            zone = self._zones.get(id)
            if zone is not None:
                makers.append(self._maker(zone))
                if zone.ended_by and zone.is_warning:
                    self._drop(id)
        return makers

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        """The gravest kinds first. Of more than GREETED_MAX the rest is told again to all, a few each tick."""
        order = sorted(self.all(), key=lambda zone: (zone.is_warning, zone.about.priority, -zone.t_utc_ms))
        self._fresh.update(dict.fromkeys(zone.id for zone in order[GREETED_MAX:]))
        for zone in order[:GREETED_MAX]:
            if self.sees(me.audience, zone):
                yield self.message(zone, me.audience)

    def gauges(self) -> dict[str, float]:
        return {
            "zones_standing": float(len(self._standing)),
            "zones_pairs_near": float(len(self.watch.pairs.key)),
        }

    def notes(self) -> list[str]:
        return [f"zones: {self._undrawn} warnings are not drawn, {WARNED_MAX} are"] if self._undrawn else []

    # --- saying --------------------------------------------------------------------------------------------

    def _maker(self, zone: Zone) -> Maker:
        agencies = self._agencies(zone)
        before = self._seen_by.get(zone.id, agencies)
        self._seen_by[zone.id] = agencies
        if zone.ended_by:
            self._seen_by.pop(zone.id, None)
        now = self.outline(zone)

        def make(audience: Audience) -> dict[str, Any] | None:
            if all(audience.sees(agency) for agency in agencies):
                return self.message(zone, audience, now)
            saw = all(audience.sees(agency) for agency in before)
            return {"k": "zone", "id": zone.id, "gone": True} if saw else None

        return make

    def message(self, zone: Zone, audience: Audience, now: dict[str, Any] | None = None) -> dict[str, Any]:
        """The feed's `zone` (docs/zones.md)."""
        says_zh, says_en = self.says(zone.id)
        drawn = None if zone.is_warning else zone.geometry()
        return {
            "k": "zone", "id": zone.id, "name": zone.name, "kind": zone.kind, "shape": zone.shape, "geometry": drawn,
            "now": now or self.outline(zone), "colour": zone.about.colour, "source": zone.source,
            "from_utc_ms": zone.from_utc_ms, "until_utc_ms": zone.until_utc_ms, "follows": zone.follows,
            "grows_mps": zone.grows_mps, "agency": zone.agency, "by": zone.by,
            "note": zone.note, "says_zh": says_zh, "says_en": says_en,
            "on_enter": zone.on_enter, "on_leave": zone.on_leave, "lead_s": zone.lead_s,
            "inside": self.seen(self.inside(zone.id), audience), "unsure": self.seen(self.unsure(zone.id), audience),
            "gone": bool(zone.ended_by),
        }  # fmt: skip

    def seen(self, slots: I64, audience: Audience) -> list[int]:
        rows = self._ground.units.rows
        return [int(slot) for slot in slots if audience.sees(rows[int(slot)].agency)]

    # --- judging -------------------------------------------------------------------------------------------

    def _judge(self, now_ms: int) -> None:
        """Where zones are now, and who is in them."""
        for zone in [z for z in self.all() if z.state(now_ms) == "over" and not z.is_warning]:
            self.end(zone.id, "time", now_ms)
        standing = [zone for zone in self.all() if zone.state(now_ms) == "standing"]
        if self._is_due or standing != self._standing:
            self._number_anew(now_ms)
        self._is_due = False
        self._places = self._places_of_all(now_ms)
        self._place(now_ms)
        self.watch.look(self._places, self._nobody())
        self._take(now_ms)
        self._find_news()

    def _number_anew(self, now_ms: int) -> None:
        standing = [zone for zone in self.all() if zone.state(now_ms) == "standing"]
        number = {zone.id: i for i, zone in enumerate(standing)}
        self._shapes = {zone.id: shape_of(zone) for zone in standing}
        self._made = {}  # a zone may be called otherwise now
        self.watch.set(
            Field([self._shapes[zone.id] for zone in standing]),
            {old: number[id] for id, old in self._number.items() if id in number},
        )
        for gone in self._number.keys() - number.keys():
            self._poses.pop(gone, None)
        self._number, self._standing = number, standing

    def _places_of_all(self, now_ms: int) -> Places:
        """Of every slot. What others reported a day ago is nowhere."""
        units = self._ground.units
        slots = np.arange(len(units.rows), dtype=np.int64)
        found = places(self._ground.picture, units.motions, slots, now_ms)
        old = [
            int(slot) for slot in np.flatnonzero(found.age_s > REPORTED_S_MAX) if units.is_reported(int(slot))
        ]
        found.lat_deg[old] = NOWHERE_DEG  # not NaN, which would leave it in doubt where it was
        return found

    def _place(self, now_ms: int) -> None:
        slot_by_id, before = self._ground.units.slot_by_id, self._poses
        self._poses, self._says = {}, {}
        for zone in self._standing:
            at = carrier(zone, self._places, slot_by_id)
            made = pose_of(
                zone, self._shapes[zone.id], at, self._weather.wind_at, before.get(zone.id), now_ms
            )
            self._poses[zone.id], self._says[zone.id] = made
        self.watch.field.place(list(self._poses.values()))

    def _nobody(self) -> I64:
        """The unit that carries a zone is not in it."""
        slot_by_id = self._ground.units.slot_by_id
        pairs = [(i, slot_by_id[z.follows]) for i, z in enumerate(self._standing) if z.follows in slot_by_id]
        return join(
            np.array([i for i, _ in pairs], np.int64), np.array([slot for _, slot in pairs], np.int64)
        )

    def _take(self, now_ms: int) -> None:
        """Who came and went since the last look."""
        watch, rows, at = self.watch, self._ground.units.rows, self._places
        for keys, is_in in ((watch.came, True), (watch.went, False)):
            numbers, slots = split(keys)
            edges = np.round(watch.edge_m(numbers, slots, at), 1).tolist()
            doubts = np.round(at.radius_m[slots], 1).tolist()
            for number, slot, edge, doubt in zip(
                numbers.tolist(), slots.tolist(), edges, doubts, strict=True
            ):
                id, came = self._standing[number].id, Came(now_ms, edge, doubt)
                if is_in:
                    self._members[id].came(rows[slot].id, came, found=id in self._new)
                else:
                    self._members[id].went(rows[slot].id, came)
                if not self._standing[number].is_warning:
                    self._store.mark_members(id)
        self._new -= self._number.keys()

    def _find_news(self) -> None:
        """Zones that a screen would draw or list otherwise than it was told."""
        self._who = {zone.id: Who(*who) for zone, who in zip(self._standing, self.watch.all(), strict=True)}
        for zone in self._standing:
            pose = self._poses[zone.id]
            who = tuple(slots.tobytes() for slots in self._who[zone.id][:2])
            told = self._told.get(zone.id)
            if told is None or told[:2] != who or has_moved(told[2], pose, self._shapes[zone.id]):
                self._told[zone.id] = (*who, pose)
                self._fresh[zone.id] = None
        for gone in self._told.keys() - self._number.keys():
            del self._told[gone]

    def _look_ahead(self, lead_s: F64) -> dict[str, list[Coming]]:
        """By zone: who will be in it within its lead."""
        if not lead_s.any():
            return {}
        motion = self._motion()
        rows = self._ground.units.rows
        found: dict[str, list[Coming]] = {}
        nobody = set(self._nobody().tolist())
        for near in self.watch.coming(self._places, motion, self._carried(motion), lead_s):
            if (near.zone << 24 | near.slot) not in nobody:
                coming = Coming(rows[near.slot].id, near.seconds, near.edge_m)
                found.setdefault(self._standing[near.zone].id, []).append(coming)
        return found

    def _motion(self) -> Motion:
        picture, n = self._ground.picture, len(self._places.age_s)
        speed, course = picture.pos[3, :n] / 10, picture.pos[4, :n]
        known = (picture.pos[3, :n] != 65535) & (course != 65535) & (self._places.age_s <= SPEED_S_MAX)
        speed = np.where(known & (speed >= STANDING_MPS), speed, 0.0)
        turn = np.radians(np.where(known, course, 0))
        return Motion(speed * np.sin(turn), speed * np.cos(turn))

    def _carried(self, motion: Motion) -> Carried:
        count = len(self._standing)
        east, north, grows = np.zeros(count), np.zeros(count), np.zeros(count)
        now_ms = self._ground.clock_ms()
        for i, zone in enumerate(self._standing):
            slot = self._ground.units.slot_by_id.get(zone.follows, -1) if zone.follows else -1
            if slot >= 0:
                east[i], north[i] = motion.east[slot], motion.north[slot]
            if zone.grows_mps > 0 and zone.grown_m(now_ms) < zone.grows_max_m:
                grows[i] = zone.grows_mps
        return Carried(east, north, grows)


def _areas_of(shapes: Sequence[WarningShape]) -> Areas:
    """Each shape a polygon; they may overlap, since what any of them holds is inside."""
    made = []
    for shape in shapes:
        if shape.radius_m is not None:
            ring = tuple(circle_around(*shape.ring[0], shape.radius_m))
        else:
            ring = shape.ring if area2(shape.ring) > 0 else shape.ring[::-1]
        made.append((ring,))
    return tuple(made)


def _no_places() -> Places:
    nothing = np.zeros(0)
    return Places(nothing, nothing, nothing, nothing)
