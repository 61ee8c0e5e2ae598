"""The rule of proximity: two groups that come too near, or too far apart, with the doubt of both positions.

Enters: scenes. Leaves: pairs of slots, or single slots, that stand. Pure. Caller: `hub.safety.rule_engine`.

Surely nearer is: the distance and both circles are within the limit. Perhaps nearer: it is without them.
"""

from collections.abc import Iterator, Sequence
from math import atan2, cos, degrees, hypot, radians

import numpy as np

from hub.live.picture import F64, I64
from hub.safety.condition import Input
from hub.safety.rule_kinds import Proximity
from hub.safety.rule_latch import Flags
from hub.safety.rule_scene import Scene
from hub.safety.rule_watch import Said, Watch
from protocols.laws.latch import Latch
from protocols.units import METRES_PER_DEG_LAT

PAIRS_LOOKED_MAX = 400_000
"""Pairs that are measured in one look, the candidates of a grid; beyond it the rule says that it is too dense."""
PAIRS_MAX = 2_000
"""Pairs that stand at once, the nearest first."""
Pair = tuple[int, int]
_EIGHT = ("北", "north"), ("东北", "north-east"), ("东", "east"), ("东南", "south-east"), ("南", "south"), (
    "西南", "south-west"), ("西", "west"), ("西北", "north-west")  # fmt: skip


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Between two places of one scene, degrees; flat earth."""
    east = (lon_b - lon_a) * cos(radians((lat_a + lat_b) / 2))
    return hypot(lat_b - lat_a, east) * METRES_PER_DEG_LAT


def bearing_words(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> tuple[str, str]:
    """In which of eight directions the second lies from the first."""
    east = (lon_b - lon_a) * cos(radians((lat_a + lat_b) / 2))
    return _EIGHT[round(degrees(atan2(east, lat_b - lat_a)) / 45) % 8]


class ProximityWatch(Watch[Proximity, Pair]):
    """A pair is (slot of `who`, slot of `near`); of `farther_m` the second is the nearest, or -1."""

    def __init__(self, rule: Proximity) -> None:
        super().__init__(rule)
        self._latches: dict[Pair, Latch] = {}

    def step(self, scene: Scene) -> Sequence[Pair]:
        where = scene.places()
        young = ~np.isnan(where.lat_deg) & (where.age_s <= self.rule.max_age_s)
        who, near = scene.mask(self.rule.who) & young, scene.mask(self.rule.near) & young
        found = self._farther(scene, who, near) if self.rule.farther_m else self._nearer(scene, who, near)
        standing = []
        for pair in found | self._latches.keys():
            latch = self._latches.get(pair) or self._latch(pair)
            if latch.step(float(pair in found), scene.now_ms):
                standing.append(pair)
            elif pair not in found:
                del self._latches[pair]
        return standing

    def _latch(self, pair: Pair) -> Latch:
        self._latches[pair] = Latch(1.0, 0.0, int(1000 * self.rule.on_s), int(1000 * self.rule.off_s))
        return self._latches[pair]

    def _nearer(self, scene: Scene, who: Flags, near: Flags) -> set[Pair]:
        limit_m = self.rule.nearer_m or 0.0
        a, b, far_m, doubt_m = self._measured(scene, who, near, limit_m, self.rule.perhaps)
        within = np.flatnonzero((far_m - doubt_m if self.rule.perhaps else far_m + doubt_m) < limit_m)
        found: set[Pair] = set()
        for i in within[np.argsort(far_m[within], kind="stable")].tolist():
            pair = (int(a[i]), int(b[i]))
            if pair[::-1] not in found:  # of one group with itself each pair comes twice
                found.add(pair)
            if len(found) >= PAIRS_MAX:
                break
        return found

    def _farther(self, scene: Scene, who: Flags, near: Flags) -> set[Pair]:
        """Surely alone is who has nobody within the limit even with the help of both circles. The key is the one who is
        alone: the nearest changes."""
        limit_m = self.rule.farther_m or 0.0
        a, _, far_m, doubt_m = self._measured(scene, who, near, limit_m, not self.rule.perhaps)
        if not near.any() or self.trouble:
            return (
                set()
            )  # the other group is not known to be anywhere, or too dense to be measured: that says nothing
        within = (far_m + doubt_m if self.rule.perhaps else far_m - doubt_m) <= limit_m
        alone = who.copy()
        alone[a[within]] = False
        return {(int(slot), -1) for slot in np.flatnonzero(alone)[:PAIRS_MAX]}

    def _measured(
        self, scene: Scene, who: Flags, near: Flags, limit_m: float, with_doubt: bool
    ) -> tuple[I64, I64, F64, F64]:
        """Pairs that could be within the limit: slots, slots, distance and doubt in metres."""
        where = scene.places()
        a, b = np.flatnonzero(who), np.flatnonzero(near)
        reach_m = limit_m
        if with_doubt and len(a) and len(b):
            reach_m += float(where.radius_m[a].max() + where.radius_m[b].max())
        a, b, cut = candidates(where.lat_deg, where.lon_deg, a, b, reach_m)
        self.trouble = f"too dense: only {PAIRS_LOOKED_MAX} pairs are measured" if cut else ""
        middle = np.radians((where.lat_deg[a] + where.lat_deg[b]) / 2)
        north = where.lat_deg[b] - where.lat_deg[a]
        east = (where.lon_deg[b] - where.lon_deg[a]) * np.cos(middle)
        return a, b, np.hypot(north, east) * METRES_PER_DEG_LAT, where.radius_m[a] + where.radius_m[b]

    def key(self, scene: Scene, subject: Pair) -> str:
        rows = scene.units.rows
        return f"{rows[subject[0]].id}:{rows[subject[1]].id if subject[1] >= 0 else ''}"

    def seed(self, scene: Scene, key: str) -> None:
        first, _, second = key.partition(":")
        slots = scene.units.slot_by_id
        if first in slots and (second in slots or not second):
            self._latch((slots[first], slots.get(second, -1))).stands = True

    def say(self, scene: Scene, subject: Pair) -> Said:
        first, second = subject
        if second < 0:
            limit_m = self.rule.farther_m or 0.0
            why: tuple[Input, ...] = (Input("limit", limit_m, "m"), *self._ages(scene, first))
            return Said((first,), f"{limit_m:.0f} m 内无人", f"nobody within {limit_m:.0f} m", why)
        where, limit_m = scene.places(), self.rule.nearer_m or 0.0
        lat, lon = where.lat_deg, where.lon_deg
        other = scene.units.rows[second].callsign
        if np.isnan(lat[[first, second]]).any():
            return Said(
                subject, f"距 {other} 不明", f"distance to {other} not known", (Input("limit", limit_m, "m"),)
            )
        far_m = distance_m(float(lat[first]), float(lon[first]), float(lat[second]), float(lon[second]))
        doubt_m = float(where.radius_m[first] + where.radius_m[second])
        why = (
            Input("distance", round(far_m, 1), "m"), Input("doubt", round(doubt_m, 1), "m"),
            Input("limit", limit_m, "m"), *self._ages(scene, first, second),
        )  # fmt: skip
        words = f"{far_m:.0f} ± {doubt_m:.0f} m"
        zh, en = f"距 {other} {words}", f"{words} from {other}"
        sure = far_m + doubt_m < limit_m
        return Said(
            subject, zh if sure else f"可能{zh}", en if sure else f"perhaps {en}", why, round(far_m, 1)
        )

    def _ages(self, scene: Scene, *slots: int) -> Iterator[Input]:
        for slot in slots:
            t_ms = scene.picture.pos_time[slot]
            if not np.isnan(t_ms):
                age_s = round(max(0.0, scene.now_ms - t_ms) / 1000)
                yield Input(f"age {scene.units.rows[slot].callsign}", age_s, "s", int(t_ms))


def candidates(lat_deg: F64, lon_deg: F64, a: I64, b: I64, reach_m: float) -> tuple[I64, I64, bool]:
    """Pairs of `a` and `b`, never one with itself, among which are all within `reach_m`; whether some were cut off.

    `b` is sorted into bands of latitude as wide as the reach; each of `a` is paired with what lies within the reach in
    longitude in its own band and the two beside it.
    """
    if not len(a) or not len(b):
        return a[:0], b[:0], False
    wide = max(reach_m, 1.0) / METRES_PER_DEG_LAT
    steep = float(np.cos(np.radians(min(89.0, float(np.abs(lat_deg[np.concatenate((a, b))]).max()) + wide))))
    across = wide / max(0.01, steep) + 1e-5  # what the sorted column below rounds away
    band_a, band_b = np.floor(lat_deg[a] / wide), np.floor(lat_deg[b] / wide)
    span = 2_000.0  # degrees between bands, so that one sorted column holds them all
    place_b = band_b * span + lon_deg[b]
    order = np.argsort(place_b, kind="stable")
    sorted_b = place_b[order]
    firsts, lasts, whose = [], [], []
    for step in (-1.0, 0.0, 1.0):
        place = (band_a + step) * span + lon_deg[a]
        firsts.append(np.searchsorted(sorted_b, place - across, "left"))
        lasts.append(np.searchsorted(sorted_b, place + across, "right"))
        whose.append(a)
    first, count, owner = (
        np.concatenate(firsts),
        np.concatenate(lasts) - np.concatenate(firsts),
        np.concatenate(whose),
    )
    ends = np.cumsum(count)
    cut = bool(ends[-1] > PAIRS_LOOKED_MAX)
    if cut:
        keep = ends <= PAIRS_LOOKED_MAX
        first, count, owner = first[keep], count[keep], owner[keep]
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    left = np.repeat(owner, count)
    right = b[order[np.repeat(first, count) + within]]
    different = left != right
    return left[different], right[different], cut
