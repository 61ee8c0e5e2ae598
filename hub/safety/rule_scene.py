"""What rules look at: units, last values, places, entries and zones at one time. The same live and over the log.

Enters: the picture, units, entries, zones, the time. Leaves: columns, by slot. Pure. Callers: `hub.safety.rules` each
second, `hub.safety.rule_trial` for each second of the past.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hub.live.doubt import Places, places
from hub.live.measure import DIGITS
from hub.live.picture import CHANNEL, F64, I64, Picture
from hub.live.units import Units
from hub.safety.rule_kinds import DUTIES, Who, field_of
from hub.safety.rule_latch import Flags
from hub.store.interface import UnitRow
from protocols.catalog import EventCode

OUTSIDE = (DUTIES["standby"], DUTIES["rehab"])
ENTRIES_MAX = 50_000
"""Units of which an entry is remembered; beyond it the oldest is forgotten."""


class ZoneLike(Protocol):
    """A zone as rules see it."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...


class ZoneSight(Protocol):
    """What rules need of the zones. `inside`: surely; `unsure`: perhaps, by the doubt of the position; slots each."""

    def all(self) -> Iterable[ZoneLike]: ...
    def get(self, zone_id: str) -> ZoneLike | None: ...
    def inside(self, zone_id: str) -> I64: ...
    def unsure(self, zone_id: str) -> I64: ...
    def contains(self, zone: Any, lat_deg: F64, lon_deg: F64, t_ms: int) -> Flags:
        """Whether each place was inside it at that time; NaN is not."""


class Entries:
    """Who went in and came out, as wearers and gateways told it: by slot, UTC ms. The newest counts, in any order."""

    def __init__(self) -> None:
        self.entered: dict[int, int] = {}
        self._left: dict[int, int] = {}

    def hear(self, code: int | None, slot: int, t_ms: int) -> None:
        """An event of a device; others than ENTERED and LEFT say nothing of it."""
        if code not in (EventCode.ENTERED, EventCode.LEFT):
            return
        book = self.entered if code == EventCode.ENTERED else self._left
        book[slot] = max(book.get(slot, t_ms), t_ms)
        if len(book) > ENTRIES_MAX:
            del book[min(book, key=lambda one: book[one])]

    def inside_since(self, slot: int) -> int | None:
        """When this unit went in, None: it is not inside."""
        entered = self.entered.get(slot)
        return None if entered is None or self._left.get(slot, entered - 1) >= entered else entered


class Roster:
    """Who is who, as columns: made again when a row changed."""

    def __init__(self, units: Units) -> None:
        self._units = units
        self._rows: list[UnitRow] = []
        self._masks: dict[Who, Flags] = {}
        self._limits: dict[int, tuple[int, int]] = {}
        self.lost_ms: F64 = np.zeros(0)
        self.registered: Flags = np.zeros(0, np.bool_)

    def look(self) -> None:
        """Whether anybody is new or called otherwise, or reports by another rhythm (`hub.live.contact`)."""
        units = self._units
        if self._rows == units.rows and self._limits == units.limits:
            return
        self._rows, self._limits = list(units.rows), dict(units.limits)
        self._masks.clear()
        self.lost_ms = np.array([1000.0 * units.limits_of(slot)[1] for slot in range(len(units.rows))])
        is_reported = self._units.is_reported
        self.registered = np.array([not is_reported(slot) for slot in range(len(self._rows))], np.bool_)

    def mask(self, who: Who) -> Flags:
        """Registered units that fit what never changes by itself: not duty, not zone."""
        found = self._masks.get(who)
        if found is None:
            found = np.array([_fits(who, row) for row in self._rows], np.bool_) & self.registered
            self._masks[who] = found
        return found


def _fits(who: Who, row: UnitRow) -> bool:
    said = ((who.kind, row.kind), (who.branch, row.branch), (who.team, row.team), (who.agency, row.agency))
    return all(not wanted or value in wanted for wanted, value in said) and (
        not who.units or any(_named(name, row) for name in who.units)
    )


def _named(name: str, row: UnitRow) -> bool:
    if name.endswith("*"):
        return row.callsign.startswith(name[:-1])
    return name in (row.id, row.callsign)


class Scene:
    """All of it at one time; made for each look. `since_ms`: since when this hub has been listening."""

    def __init__(
        self, picture: Picture, units: Units, roster: Roster, entries: Entries, zones: ZoneSight | None,
        now_ms: int, since_ms: int,
    ) -> None:  # fmt: skip
        self.picture, self.units, self.roster, self.entries, self.zones = (
            picture,
            units,
            roster,
            entries,
            zones,
        )
        self.now_ms, self.since_ms = now_ms, since_ms
        self.n = len(units.rows)
        self._values: dict[str, tuple[F64, F64]] = {}
        self._places: Places | None = None
        self._zones: dict[tuple[Sequence[str], Sequence[str]], list[ZoneLike]] = {}

    def value(self, channel: str) -> tuple[F64, F64]:
        """Last values in the channel's unit and their times, NaN for never, by slot."""
        found = self._values.get(channel)
        if found is None:
            at = CHANNEL[channel]
            scale = 10.0 ** DIGITS[field_of(channel).quantum]
            found = self.picture.value[at, : self.n] / scale, self.picture.time[at, : self.n]
            self._values[channel] = found
        return found

    def heard(self) -> F64:
        """When each unit said its newest word, NaN for never."""
        return self.picture.row_time[: self.n]

    def places(self) -> Places:
        """Where everybody is, with doubt."""
        if self._places is None:
            slots = np.arange(self.n)
            self._places = places(self.picture, self.units.motions, slots, self.now_ms)
        return self._places

    def place_of(self, slot: int) -> tuple[float, float] | None:
        """The last position, degrees."""
        if np.isnan(self.picture.pos_time[slot]):
            return None
        return float(self.picture.pos[0, slot] / 1e7), float(self.picture.pos[1, slot] / 1e7)

    def mask(self, who: Who) -> Flags:
        """Whom `who` means now, by slot."""
        found = self.roster.mask(who)
        if who.duty:
            duty, t_ms = self.value("duty")
            found = found & ~np.isnan(t_ms) & np.isin(duty, [DUTIES[word] for word in who.duty])
        if who.zone:
            inside = np.zeros(self.n, np.bool_)
            for zone in self.zones_of(who.zone, ()):
                inside |= self.flags(self.zones.inside(zone.id) if self.zones else ())
            found = found & inside
        return found

    def flags(self, slots: Sequence[int] | I64) -> Flags:
        """Slots as a flag a slot."""
        made: npt.NDArray[np.bool_] = np.zeros(self.n, np.bool_)
        if len(slots):
            made[np.asarray(slots, np.int64)] = True
        return made

    def zones_of(self, names: Sequence[str], kinds: Sequence[str]) -> list[ZoneLike]:
        """Zones by id or name, and those of these kinds; none in a hub without zones."""
        if self.zones is None:
            return []
        key = (names, kinds)
        if key not in self._zones:
            self._zones[key] = [
                zone
                for zone in self.zones.all()
                if zone.kind in kinds or zone.name in names or zone.id in names
            ]
        return self._zones[key]
