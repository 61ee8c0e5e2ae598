"""Who is in which zone: the states of all pairs that are near, carried from look to look.

Enters: zones where they stand now, places of all units. Leaves: slots inside and unsure, who came in, who went out, who
will be inside soon. Pure numpy. Caller: `hub.safety.zones`.

Units are sorted by place once a look, and each zone takes stretches of them: what is far costs nothing. A pair whose
edges were tried before is tried again only when the way since then, and the doubt, could have changed its state.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from hub.live.doubt import Places
from hub.live.picture import F64, I64
from hub.safety.zone_field import Field
from hub.safety.zone_law import (
    CALLED,
    DOUBT_M_MAX,
    HYSTERESIS_M,
    I8,
    INSIDE,
    UNSURE,
    step,
    to_disc_s,
    to_edge_s,
)  # fmt: skip
from hub.safety.zone_shape import wrapped
from protocols.units import METRES_PER_DEG_LAT

SLOT_BITS = 24
"""A pair is one number: zone << 24 | slot. UNITS_MAX of the picture is far below it."""
COMING_MAX = 100
NOWHERE_DEG = 90.0
"""Latitude of a unit that is known to be in no zone."""
STRIP_M, STRIPS_MAX = 300.0, 256
STRIP_DEG = 1_000.0
"""Between the keys of two strips: more than all longitudes."""
_NONE = np.zeros(0, np.int64)


class Motion(NamedTuple):
    """How units move now, one entry a slot, m/s east and north; 0 where they stand, and where it is not known."""

    east: F64
    north: F64


class Pairs(NamedTuple):
    """Near pairs, sorted by `key`: state; where the edges of a shape were tried last (NaN: they were not), and how far
    they were, ungrown."""

    key: I64
    state: I8
    x: F64
    y: F64
    rest_m: F64


class Near(NamedTuple):
    """A unit outside, and in how many seconds it will be inside."""

    zone: int
    slot: int
    seconds: float
    edge_m: float


_EMPTY = Pairs(_NONE, _NONE.astype(np.int8), *(_NONE.astype(np.float64) for _ in range(3)))


class Watch:
    """Zones by their place in the list that was given last."""

    def __init__(self) -> None:
        self.field = Field([])
        self.pairs = _EMPTY
        self.came: I64 = _NONE
        self.went: I64 = _NONE
        self.tries = 0
        """Pairs whose edge was tried, so that a test can count the work."""

    def set(self, field: Field, renumbered: dict[int, int]) -> None:
        """Other zones than before; `renumbered`: old number → new one of those that stay. Where they stay is not known:
        a changed one is tried anew."""
        old = self.pairs
        zones, slots = split(old.key)
        new = np.array([renumbered.get(int(z), -1) for z in np.unique(zones)], np.int64)
        number = new[np.searchsorted(np.unique(zones), zones)] if len(zones) else zones
        stays = number >= 0
        key = join(number[stays], slots[stays])
        order = np.argsort(key)
        never = np.full(len(key), np.nan)
        self.pairs = Pairs(key[order], old.state[stays][order], never, never, never)
        self.field = field

    def recall(self, zone: int, slots: Iterable[int]) -> None:
        """These were in this zone when it was looked at last, by what was kept."""
        key = np.concatenate((self.pairs.key, join(zone, np.array(sorted(slots), np.int64))))
        state = np.concatenate((self.pairs.state, np.full(len(key) - len(self.pairs.key), CALLED, np.int8)))
        key, first = np.unique(key, return_index=True)
        never = np.full(len(key), np.nan)
        self.pairs = Pairs(key, state[first], never, never, never)

    # --- a look --------------------------------------------------------------------------------------------

    def look(self, places: Places, nobody: I64) -> None:
        """The states now. `nobody`: keys of pairs that do not count (a zone and the unit that carries it).

        A unit without a place stays in doubt where it was.
        """
        before = self.pairs
        doubt = np.minimum(places.radius_m, DOUBT_M_MAX)
        key, x, y = self._near(places, doubt + HYSTERESIS_M)
        if len(nobody):
            keep = ~np.isin(key, nobody)
            key, x, y = key[keep], x[keep], y[keep]
        zones, slots = split(key)
        was, rest, tried_x, tried_y = self._recalled(key)
        r, grown = doubt[slots], self.field.grown[zones]
        state = step(was, rest - grown, r)
        moved = np.hypot(x - tried_x, y - tried_y)
        open_ = (moved > 0) | np.isnan(moved)
        low, high = rest - moved - grown, rest + moved - grown
        open_ &= np.isnan(rest) | (step(was, low, r) != step(was, high, r))
        at = np.flatnonzero(open_)
        if len(at):
            self.tries += len(at)
            edge = self.field.signed(zones[at], x[at], y[at])
            state[at] = step(was[at], edge, r[at])
            lasting = self.field.is_edged(zones[at])
            at, edge = at[lasting], edge[lasting]
            rest[at], tried_x[at], tried_y[at] = edge + grown[at], x[at], y[at]
        self._told(before, _merged(Pairs(key, state, tried_x, tried_y, rest), self._placeless(places)))

    def _told(self, before: Pairs, now: Pairs) -> None:
        in_before, in_now = (one.key[one.state >= CALLED] for one in (before, now))
        self.came = np.setdiff1d(in_now, in_before, assume_unique=True)
        self.went = np.setdiff1d(in_before, in_now, assume_unique=True)
        self.pairs = now

    def _near(self, places: Places, reach: F64) -> tuple[I64, F64, F64]:
        """Keys, sorted, and local metres of all pairs whose circle comes near the box of the zone."""
        known = np.flatnonzero(places.lat_deg < NOWHERE_DEG)
        if not len(known) or not len(self.field.shapes):
            return _NONE, np.zeros(0), np.zeros(0)
        zones, slots, x, y = _stretches(self.field, places, known, float(reach[known].max()))
        far = reach[slots]
        half = self.field.half[zones]
        near = (np.abs(x) <= half[:, 0] + far) & (np.abs(y) <= half[:, 1] + far)
        zones, slots, x, y = zones[near], slots[near], x[near], y[near]
        key = join(zones, slots)
        order = np.argsort(key)
        return key[order], x[order], y[order]

    def _recalled(self, key: I64) -> tuple[I8, F64, F64, F64]:
        """What was known of these pairs: state, metres from the ungrown edge, and where."""
        old = self.pairs
        was = np.zeros(len(key), np.int8)
        rest, tried_x, tried_y = (np.full(len(key), np.nan) for _ in range(3))
        if len(old.key) and len(key):
            at = np.minimum(np.searchsorted(old.key, key), len(old.key) - 1)
            same = old.key[at] == key
            at = at[same]
            was[same] = old.state[at]
            rest[same], tried_x[same], tried_y[same] = old.rest_m[at], old.x[at], old.y[at]
        return was, rest, tried_x, tried_y

    def _placeless(self, places: Places) -> Pairs:
        """Pairs of units that were in and have no place now."""
        old = self.pairs
        lost = (old.state >= CALLED) & np.isnan(places.lat_deg[split(old.key)[1]])
        never = np.full(int(lost.sum()), np.nan)
        return Pairs(old.key[lost], np.full(len(never), CALLED, np.int8), never, never, never)

    # --- asked ---------------------------------------------------------------------------------------------

    def all(self) -> list[tuple[I64, I64, I64]]:
        """Of every zone the slots inside, those unsure, and those in or more likely in than out."""
        slots, state = split(self.pairs.key)[1], self.pairs.state
        bounds = np.searchsorted(
            self.pairs.key, join(np.arange(len(self.field.shapes) + 1), np.zeros(1, np.int64))
        )
        found = []
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            mine, how = slots[first:last], state[first:last]
            unsure = (how == UNSURE) | (how == CALLED)
            found.append((mine[how == INSIDE], mine[unsure], mine[how >= CALLED]))
        return found

    def edge_m(self, zones: I64, slots: I64, places: Places) -> F64:
        """Metres of pairs from the edge, negative inside, NaN without a place."""
        x, y = self.field.local(zones, places.lat_deg[slots], places.lon_deg[slots])
        return self.field.signed(zones, x, y)

    def coming(self, places: Places, motion: Motion, carried: "Carried", lead_s: F64) -> list[Near]:
        """Who is outside and will be inside within the lead of each zone (0: not asked), zone by zone
        the soonest first, at most COMING_MAX of each."""
        asked = np.flatnonzero(lead_s > 0)
        known = np.flatnonzero(places.lat_deg < NOWHERE_DEG)
        if not len(asked) or not len(known):
            return []
        speed = np.hypot(motion.east, motion.north)
        own = np.hypot(carried.east, carried.north) + carried.grows
        reach = float(((own[asked] + speed[known].max()) * lead_s[asked]).max())
        zones, slots, x, y = _stretches(self.field, places, known, reach, asked)
        closing = speed[slots] + own[zones]
        half = self.field.half[zones]
        far = np.maximum(np.maximum(np.abs(x) - half[:, 0], np.abs(y) - half[:, 1]), 0)
        near = (closing > 0) & (far <= closing * lead_s[zones])
        called = self.pairs.key[self.pairs.state >= CALLED]
        if len(called):
            key = join(zones, slots)
            near &= called[np.minimum(np.searchsorted(called, key), len(called) - 1)] != key
        return self._when(zones[near], slots[near], x[near], y[near], motion, carried, lead_s)

    def _when(
        self, zones: I64, slots: I64, x: F64, y: F64, motion: Motion, carried: "Carried", lead_s: F64
    ) -> list[Near]:
        vx, vy = motion.east[slots] - carried.east[zones], motion.north[slots] - carried.north[zones]
        grows, lead = carried.grows[zones], lead_s[zones]
        edge = self.field.signed(zones, x, y)
        seconds = np.full(len(zones), np.inf)
        disc = self.field.is_disc(zones)
        radius = self.field.radius(zones[disc])
        seconds[disc] = to_disc_s(x[disc], y[disc], vx[disc], vy[disc], radius, grows[disc])
        rest = np.flatnonzero(~disc)

        def edge_then(at: I64, t_s: F64) -> F64:
            i = rest[at]
            return self.field.signed(zones[i], x[i] + vx[i] * t_s, y[i] + vy[i] * t_s) - grows[i] * t_s

        closing = np.hypot(vx[rest], vy[rest]) + grows[rest]
        seconds[rest] = to_edge_s(edge_then, edge[rest], np.maximum(closing, 1e-6), lead[rest])
        found = np.flatnonzero((seconds <= lead) & (edge > 0))
        found = found[np.lexsort((seconds[found], zones[found]))]
        of_zone = zones[found]
        found = found[np.arange(len(found)) - np.searchsorted(of_zone, of_zone) < COMING_MAX]
        return [Near(int(zones[i]), int(slots[i]), float(seconds[i]), float(edge[i])) for i in found]


class Carried(NamedTuple):
    """How zones move, one entry a zone: m/s east and north with their units, and outwards."""

    east: F64
    north: F64
    grows: F64


def join(zones: I64 | int, slots: I64) -> I64:
    """Keys of pairs."""
    return np.asarray(zones, np.int64) << SLOT_BITS | slots


def split(key: I64) -> tuple[I64, I64]:
    """Zones and slots of keys."""
    return key >> SLOT_BITS, key & (1 << SLOT_BITS) - 1


def _stretches(
    field: Field, places: Places, known: I64, reach_m: float, zones: I64 | None = None
) -> tuple[I64, I64, F64, F64]:
    """Pairs of every zone with the units around its box, `reach_m` wider: zones, slots, local metres.

    Units lie in strips of latitude, in each by longitude, in one sorted list; a zone takes one stretch of each strip.
    """
    asked = np.arange(len(field.shapes)) if zones is None else zones
    asked = asked[~np.isnan(field.lat[asked])]
    lats, lons, middle = places.lat_deg[known], places.lon_deg[known], places.lon_deg[known[0]]
    low = lats.min()
    strip = max(STRIP_M / METRES_PER_DEG_LAT, (lats.max() - low) / STRIPS_MAX)
    key = np.floor((lats - low) / strip) * STRIP_DEG + wrapped(lons - middle)
    order = np.argsort(key)
    key, by_key = key[order], known[order]
    high = (field.half[asked, 1] + reach_m) / METRES_PER_DEG_LAT
    wide = (field.half[asked, 0] + reach_m) / field.east[asked]
    last = np.floor((lats.max() - low) / strip)
    first_row = np.clip(np.floor((field.lat[asked] - high - low) / strip), 0, last).astype(np.int64)
    rows = (
        np.clip(np.floor((field.lat[asked] + high - low) / strip), 0, last).astype(np.int64) - first_row + 1
    )
    number, row = _runs(np.arange(len(asked)), first_row, rows)
    at = wrapped(field.lon[asked] - middle)[number]
    around = (np.abs(at) + wide[number]) > 180  # across the other side of the earth: the whole strip
    west, east = np.where(around, -180, at - wide[number]), np.where(around, 180, at + wide[number])
    first = np.searchsorted(key, row * STRIP_DEG + west)
    counts = np.searchsorted(key, row * STRIP_DEG + east, side="right") - first
    number, which = _runs(number, first, counts)
    slots = by_key[which]
    x, y = field.local(asked[number], places.lat_deg[slots], places.lon_deg[slots])
    return asked[number], slots, x, y


def _runs(names: I64, first: I64, counts: I64) -> tuple[I64, I64]:
    """Each name `counts` times, and with it first, first + 1, …"""
    begins = np.cumsum(counts) - counts
    return np.repeat(names, counts), np.arange(int(counts.sum())) + np.repeat(first - begins, counts)


def _merged(a: Pairs, b: Pairs) -> Pairs:
    """Both, sorted. What is not there is outside."""
    if not len(b.key):
        return a
    order = np.argsort(np.concatenate((a.key, b.key)), kind="stable")
    return Pairs(
        np.concatenate((a.key, b.key))[order],
        np.concatenate((a.state, b.state))[order],
        np.concatenate((a.x, b.x))[order],
        np.concatenate((a.y, b.y))[order],
        np.concatenate((a.rest_m, b.rest_m))[order],
    )
