"""Units inside buildings and underground: their floor, their last fix, and where they went in.

Enters: the picture, events of entering, the tracks' kept fixes. Leaves: the feed's `inside`, documents. Callers:
`hub.app`, `hub.api.unit_routes`. GNSS alone gives no floor and no place inside, so no marker is invented: the unit
stays at its last fix, and screens list it beside the entrance (docs/tracking.md).
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hub.identity.permissions import Audience, Principal
from hub.live.events import Event
from hub.live.picture import CHANNEL, POSITION_ABSENT
from hub.safety.inside_law import GOOD_M, INSIDE_DUTIES, Told, Where, where
from hub.safety.part import Ground, Maker, Part
from protocols.catalog import EventCode

KIND = "inside"
ENTRIES_MAX = 20_000
"""Places where somebody told that they go in; the oldest is forgotten first."""
ENTRY_MS_MAX = 600_000
"""An older word of entering is of another entry."""
_MODE, _DUTY, _FLOOR, _BAND = (CHANNEL[name] for name in ("fix_mode", "duty", "floor", "floor_band_e1"))


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where it went in. `how`: `event`, the wearer or the gateway said so there; `fix`, its last good fix before;
    `last`, its last fix, such as it is. `radius_m` of the 68 % circle, None not known."""

    lat_deg: float
    lon_deg: float
    t_utc_ms: int
    how: str
    radius_m: float | None = None


@dataclass(slots=True)
class Inside:
    """One unit that is inside, since when, and where it went in (None: nobody knows)."""

    unit: str
    where: Where
    since_ms: int
    entrance: Entrance | None
    band: float | None = None


class Insides(Part):
    """See the module."""

    name = "inside"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._of: dict[int, Inside] = {}
        self._entries: OrderedDict[int, Entrance] = OrderedDict()
        self._fixed_since: dict[int, float] = {}
        self._changed: dict[int, None] = {}
        self._dirty: dict[str, dict[str, Any] | None] = {}

    # --- the part ------------------------------------------------------------------------------------------

    def load(self) -> None:
        slots = self._ground.units.slot_by_id
        for unit, kept in self._ground.registry.documents.all(KIND).items():
            if unit in slots:
                self._of[slots[unit]] = _inside_of(unit, kept)

    def hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.code != EventCode.ENTERED or event.lat_deg_e7 is None or event.lon_deg_e7 is None:
                continue
            known = self._entries.pop(event.slot, None)
            told = Entrance(event.lat_deg_e7 / 1e7, event.lon_deg_e7 / 1e7, event.t_event_ms, "event")
            self._entries[event.slot] = (
                known if known is not None and known.t_utc_ms > told.t_utc_ms else told
            )
            if len(self._entries) > ENTRIES_MAX:
                self._entries.popitem(last=False)

    def look(self, now_ms: int) -> None:
        picture, n = self._ground.picture, len(self._ground.units.rows)
        mode, duty = picture.value[_MODE, :n], picture.value[_DUTY, :n]
        says_no_fix = (mode == 0) & ~np.isnan(picture.time[_MODE, :n])
        is_in = np.isin(duty, list(INSIDE_DUTIES)) & ~np.isnan(picture.time[_DUTY, :n])
        has_floor = ~np.isnan(picture.time[_FLOOR, :n])
        self._fixed_since = {
            slot: since
            for slot, since in self._fixed_since.items()
            if slot in self._of and not says_no_fix[slot]
        }
        for slot in {*np.flatnonzero(says_no_fix | is_in | has_floor).tolist(), *self._of}:
            if not self._ground.units.is_reported(slot):
                self._judge(slot, now_ms)

    def keep(self) -> None:
        mine, self._dirty = self._dirty, {}
        try:
            bodies = {unit: body for unit, body in mine.items() if body is not None}
            if bodies:
                self._ground.registry.documents.put(KIND, bodies, self._ground.clock_ms())
            gone = [unit for unit, body in mine.items() if body is None]
            if gone:
                self._ground.registry.documents.drop(KIND, gone)
        except Exception:
            self._dirty = {**mine, **self._dirty}
            raise

    def changes(self) -> Iterable[Maker]:
        changed, self._changed = self._changed, {}
        return [self._maker(slot) for slot in changed]

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        for slot in sorted(self._of):
            said = self.message(slot, me.audience)
            if said is not None:
                yield said

    def gauges(self) -> dict[str, float]:
        states = [one.where.state for one in self._of.values()]
        return {f"units_{state}": states.count(state) for state in ("inside", "underground", "no_fix")}

    # --- looking -------------------------------------------------------------------------------------------

    def _judge(self, slot: int, now_ms: int) -> None:
        before = self._of.get(slot)
        told = self._told(slot)
        now = where(told, None if before is None else before.where)
        if now is None:
            if before is not None:
                del self._of[slot]
                self._touch(slot, before.unit)
            return
        band = self._band(slot) if now.floor is not None else None
        if before is None:
            unit = self._ground.units.rows[slot].id
            self._of[slot] = Inside(unit, now, _since_ms(told, now, now_ms), self._entrance(slot, told), band)
            self._touch(slot, unit)
        elif (now, band) != (before.where, before.band) or before.entrance is None:
            entrance = before.entrance or self._entrance(slot, told)
            if now == before.where and entrance == before.entrance:
                before.band = band  # it only grows with time: not worth telling by itself
                return
            before.where, before.band, before.entrance = now, band, entrance
            self._touch(slot, before.unit)

    def _told(self, slot: int) -> Told:
        fix_ms, mode = self._known(self._ground.picture.pos_time[slot]), self._last(_MODE, slot)
        if fix_ms is not None and (mode is None or mode[0] != 0):
            self._fixed_since.setdefault(slot, fix_ms)
        return Told(
            heard_ms=self._known(self._ground.picture.row_time[slot]),
            fix_ms=fix_ms,
            fixed_since_ms=self._fixed_since.get(slot),
            mode=mode,
            duty=self._last(_DUTY, slot),
            floor=self._last(_FLOOR, slot),
            is_mine=self._ground.units.rows[slot].branch == "mine",
        )

    def _last(self, channel: int, slot: int) -> tuple[int, float] | None:
        t_ms = self._known(self._ground.picture.time[channel, slot])
        return None if t_ms is None else (int(self._ground.picture.value[channel, slot]), t_ms)

    def _known(self, t_ms: float) -> float | None:
        return None if np.isnan(t_ms) else float(t_ms)

    def _band(self, slot: int) -> float | None:
        found = self._last(_BAND, slot)
        return None if found is None else found[0] / 10

    def _entrance(self, slot: int, told: Told) -> Entrance | None:
        """By what is known best: the word of entering, then the last good fix, then the last one."""
        picture, said = self._ground.picture, self._entries.get(slot)
        if said is not None and told.heard_ms is not None and told.heard_ms - said.t_utc_ms <= ENTRY_MS_MAX:
            return said
        good = self._ground.ingest.tracks.good_fix(slot, GOOD_M)
        if good is not None:
            return Entrance(good[1], good[2], good[0], "fix", good[3])
        if told.fix_ms is None:
            return None
        lat, lon, hacc_dm = (int(picture.pos[i, slot]) for i in (0, 1, 5))
        radius_m = None if hacc_dm == POSITION_ABSENT[5] else hacc_dm / 10
        return Entrance(lat / 1e7, lon / 1e7, int(told.fix_ms), "last", radius_m)

    # --- saying --------------------------------------------------------------------------------------------

    def _touch(self, slot: int, unit: str) -> None:
        self._changed[slot] = None
        inside = self._of.get(slot)
        self._dirty[unit] = None if inside is None else _document(inside)

    def of(self, slot: int) -> dict[str, Any] | None:
        """How a unit is inside; None: it is out."""
        inside = self._of.get(slot)
        if inside is None:
            return None
        now = inside.where
        return {
            "state": now.state,
            "floor": now.floor,
            "band": inside.band,
            "since_utc_ms": inside.since_ms,
            "entrance": None if inside.entrance is None else asdict(inside.entrance),
            "reasons": list(now.reasons),
        }

    def message(self, slot: int, audience: Audience) -> dict[str, Any] | None:
        """The feed's `inside`, as an audience may know it; `state` `out` when it has come out."""
        row = self._ground.units.rows[slot]
        if not audience.sees(row.agency):
            return None
        return {"k": "inside", "slot": slot, "unit": row.id, **(self.of(slot) or {"state": "out"})}

    def _maker(self, slot: int) -> Maker:
        return lambda audience: self.message(slot, audience)


def _since_ms(told: Told, now: Where, now_ms: int) -> int:
    """Since the last fix when only that is lost, else since the device said so."""
    if "duty" in now.reasons and told.duty is not None:
        return int(told.duty[1])
    if "no_fix" in now.reasons and told.fix_ms is not None:
        return int(told.fix_ms)
    return now_ms if told.heard_ms is None else int(told.heard_ms)


def _document(inside: Inside) -> dict[str, Any]:
    return asdict(inside) | {"where": inside.where._asdict()}


def _inside_of(unit: str, kept: dict[str, Any]) -> Inside:
    said, entrance = kept["where"], kept["entrance"]
    return Inside(
        unit,
        Where(said["state"], said["floor"], tuple(said["reasons"])),
        kept["since_ms"],
        None if entrance is None else Entrance(**entrance),
        kept["band"],
    )
