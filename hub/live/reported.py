"""What devices heard or saw of others: mesh nodes, vessels, drones, RDSS terminals as units; and messages.

Enters: rows of OBSERVED and SAID frames with the unit that carried the device then. Leaves: slots and columns of
reported units, their names, messages. Pure. Caller: `hub.live.ingest`.

A thing is (source, id) as one agency hears it: it is seen by whoever sees its reporters, and no agency learns what
another one heard. A device may say anything about things and nothing about units: a reported unit has a slot of its
own, which no binding leads to. Bounded in all: what is beyond a bound is in the log only, and counted.
"""

import unicodedata
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.live.counters import Counters
from hub.live.gate import Columns, Gates, without
from hub.live.picture import LAT, LON, Changes
from hub.live.units import Units
from hub.store.interface import UnitRow
from protocols.catalog import FIELDS_BY_NAME, PAGE_BITS, Field, Kind, Said, Source

THINGS_MAX = 2_000
THINGS_OF_DEVICE_MAX = 1_000
"""So that one gateway's inventions leave room for what others hear."""
NAMES_MAX = 4_000
MESSAGES_MAX = 200
MESSAGES_AT_ONCE_MAX, MESSAGES_WINDOW_MS = 10, 10_000
"""Of one device: a flood is in the log, and does not send screens away."""
SAME_MESSAGE_MS = 600_000
"""One message heard by several devices is one message."""
NAME_CHARS_MAX = 40
REPORTERS_MAX = 16
REPORTER_KEPT_MS = 60_000
"""Of several reporters of a thing one is named, until it has been silent for so long."""
AGE_S_MAX = 30 * 86_400

_SOURCES = {  # kind of unit, word, seconds until stale, until lost
    Source.MESH: ("person", "mesh", 900, 3_600),
    Source.AIS: ("vessel", "ais", 360, 1_800),
    Source.DRONE: ("drone", "drone", 30, 120),
    Source.RDSS: ("person", "rdss", 900, 3_600),
}
"""Sources that become units. A beacon stands still: it is kept in the log for positions indoors."""
_BIT = {name: f.bit for name, f in FIELDS_BY_NAME.items()}
_SOURCE, _ID, _AGE = _BIT["obs_source"], _BIT["obs_id"], _BIT["obs_age_s"]
OBS_LAT, OBS_LON = _BIT["obs_lat_deg_e7"], _BIT["obs_lon_deg_e7"]
_OF_FIX = {
    OBS_LAT: LAT, OBS_LON: LON, _BIT["obs_alt_dm"]: _BIT["alt_dm"], _BIT["obs_speed_dmps"]: _BIT["speed_dmps"],
    _BIT["obs_course_deg"]: _BIT["course_deg"], _BIT["obs_heading_ddeg"]: _BIT["heading_ddeg"],
    _BIT["obs_fix_mode"]: _BIT["fix_mode"],
}  # fmt: skip
_OF_ROW = {_BIT["obs_battery_pct"]: _BIT["battery_pct"], _BIT["obs_supply_mv"]: _BIT["supply_mv"]}
_MORE = {
    _BIT[f.name]: f
    for f in FIELDS_BY_NAME.values()
    if f.page == Kind.OBSERVED and f.bit not in {_SOURCE, _ID, _AGE, *_OF_FIX, *_OF_ROW}
}
"""Values without a column in the picture: shown with the unit, not as series."""
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def field_id(bit: int) -> int:
    return int(Kind.OBSERVED) * PAGE_BITS + bit


class Key(NamedTuple):
    source: int
    id: int
    agency: str


class Reporter(NamedTuple):
    """Who said it: a device, and the unit that carried it then."""

    device: int
    slot: int
    unit: str
    agency: str


class Message(NamedTuple):
    """What somebody wrote, as a device heard it. `slot` None: nothing else is known of who wrote it."""

    slot: int | None
    source: int
    id: int
    name: str
    text: str
    t_utc_ms: int
    by: str
    by_slot: int

    def as_dict(self) -> dict[str, object]:
        """The feed's `said`."""
        return {
            "k": "said", "slot": self.slot, "source": self.source, "id": self.id, "name": self.name, "text": self.text,
            "t": self.t_utc_ms, "by": self.by,
        }  # fmt: skip


class Row(NamedTuple):
    """One row of an OBSERVED frame: its UTC, its rank, its values by bit."""

    t_ms: int
    rank: int
    values: dict[int, int]


@dataclass(slots=True)
class Thing:
    """A reported unit: its slot, who is named as its reporter and when it last spoke, all that reported it."""

    key: Key
    slot: int
    by: str
    by_ms: int
    reporters: set[int]
    more: dict[int, tuple[int, int]] = field(default_factory=dict)  # bit -> (value, time)


class Reported:
    """All things and messages. `fresh_units` and `fresh_messages` are what the feed was not told yet."""

    def __init__(self, units: Units, counters: Counters) -> None:
        self._units = units
        self._counters = counters
        self._gates = Gates()
        self._things: dict[Key, Thing] = {}
        self._by_slot: dict[int, Thing] = {}
        self._undated: dict[int, set[int]] = {}
        self._made_by: dict[int, int] = {}
        self._names: dict[Key, tuple[str, int]] = {}
        self._spoke: dict[int, tuple[int, int]] = {}
        self.messages: deque[Message] = deque(maxlen=MESSAGES_MAX)
        self.fresh_units: set[int] = set()
        self.fresh_messages: list[Message] = []

    def __len__(self) -> int:
        return len(self._things)

    def thing(self, slot: int) -> Thing | None:
        return self._by_slot.get(slot)

    def undated(self, device: int) -> set[int]:
        """Slots of things that the device reported at estimated times, which may be moved."""
        return self._undated.get(device, set())

    def more(self, slot: int) -> list[tuple[Field, int, int]]:
        """(field, value, time) of what the picture has no columns for."""
        thing = self._by_slot.get(slot)
        return [] if thing is None else [(_MORE[bit], *at) for bit, at in sorted(thing.more.items())]

    # --- observed ----------------------------------------------------------------------------------------

    def observe(self, changes: Changes, by: Reporter, rows: Sequence[Row], tag: int, t_hub_ms: int) -> None:
        """Rows of one frame, of one reporter."""
        of_thing: dict[Key, list[Row]] = {}
        for row in rows:
            source, number = row.values.get(_SOURCE), row.values.get(_ID)
            if source in _SOURCES and number is not None:
                of_thing.setdefault(Key(source, number, by.agency), []).append(row)
        for key, some in of_thing.items():
            thing = self._thing(key, by, max(row.t_ms for row in some))
            if thing is not None:
                if tag:
                    self._undated.setdefault(by.device, set()).add(thing.slot)
                self._place(changes, thing, some, tag)
                self._note(changes, thing, some, tag, t_hub_ms)

    def _thing(self, key: Key, by: Reporter, t_ms: int) -> Thing | None:
        thing = self._things.get(key)
        if thing is None:
            if len(self._things) >= THINGS_MAX or self._made_by.get(by.device, 0) >= THINGS_OF_DEVICE_MAX:
                self._counters.reported_refused += 1
                return None
            self._made_by[by.device] = self._made_by.get(by.device, 0) + 1
            slot = self._units.add_reported(self._row(key), _SOURCES[Source(key.source)][1], by.unit)
            thing = self._things[key] = self._by_slot[slot] = Thing(key, slot, by.unit, t_ms, set())
            self.fresh_units.add(slot)
        if by.unit == thing.by:
            thing.by_ms = max(thing.by_ms, t_ms)
        elif t_ms - thing.by_ms > REPORTER_KEPT_MS:
            thing.by, thing.by_ms = by.unit, t_ms
            self._units.set_reported(thing.slot, self._units.rows[thing.slot], by.unit)
            self.fresh_units.add(thing.slot)
        if len(thing.reporters) < REPORTERS_MAX:
            thing.reporters.add(by.slot)
        return thing

    def _row(self, key: Key) -> UnitRow:
        kind, word, stale_s, lost_s = _SOURCES[Source(key.source)]
        number = (
            f"{key.id >> 8}-{key.id & 0xFF}" if key.source == Source.DRONE else label(key.source, key.id)[1]
        )
        unit_id = "-".join(filter(None, (word, number.lstrip("!"), key.agency)))
        return UnitRow(unit_id, self._callsign(key), kind, "other", "", stale_s, lost_s, key.agency)

    def _callsign(self, key: Key) -> str:
        """A name that somebody gave it, never that of a registered unit alone."""
        name, plain = self._names.get(key, ("", 0))[0], " ".join(label(key.source, key.id)).strip()
        if name and self._units.is_registered(name):
            return f"{name} ({plain})"
        return name or plain

    def _place(self, changes: Changes, thing: Thing, rows: list[Row], tag: int) -> None:
        """Positions at the time when they were true."""
        times, placed = [], []
        for row in rows:
            age_s = row.values.get(_AGE, 0)
            if OBS_LAT in row.values and OBS_LON in row.values and age_s <= AGE_S_MAX:
                times.append(row.t_ms - 1_000 * age_s)
                placed.append(row)
        if not placed:
            return
        columns = _columns(placed, _OF_FIX)
        if not tag:
            doubted = self._gates.judge(thing.slot, _SOURCES[Source(thing.key.source)][0], times, columns)
            if doubted:
                self._counters.reported_jumps += len(doubted)
                changes.quarantined.append(thing.slot)
                columns = without(columns, doubted)
        changes.add_columns(thing.slot, Kind.STATE, times, [row.rank for row in placed], columns, tag)

    def _note(self, changes: Changes, thing: Thing, rows: list[Row], tag: int, t_hub_ms: int) -> None:
        """What else was heard, at the time of hearing."""
        times = [row.t_ms for row in rows]
        columns = _columns(rows, _OF_ROW)
        if columns:
            changes.add_columns(thing.slot, Kind.STATE, times, [row.rank for row in rows], columns, tag)
        changes.rx.append((thing.slot, max(times), t_hub_ms, tag))
        for row in rows:
            for bit, value in row.values.items():
                if bit in _MORE and row.t_ms >= thing.more.get(bit, (0, 0))[1]:
                    thing.more[bit] = (value, row.t_ms)

    # --- said --------------------------------------------------------------------------------------------

    def hear(self, by: Reporter, t_ms: int, words: Sequence[object], t_hub_ms: int, *, old: bool) -> None:
        """One row of a SAID frame: [source, id, what, text], as `protocols.frame` checked it. `old`: out of the log."""
        source, number, what, text = words[0], words[1], words[2], words[3]
        assert isinstance(source, int)
        assert isinstance(number, int)
        assert isinstance(text, str)
        key = Key(source, number, by.agency)
        if what == Said.NAME:
            self._name(key, plain_text(text)[:NAME_CHARS_MAX].strip(), t_ms)
        elif what == Said.MESSAGE:
            self._message(key, by, t_ms, plain_text(text), t_hub_ms, old=old)

    def _name(self, key: Key, name: str, t_ms: int) -> None:
        if not name or key.source not in _SOURCES or t_ms < self._names.get(key, ("", 0))[1]:
            return
        self._names.pop(key, None)
        self._names[key] = (name, t_ms)
        if len(self._names) > NAMES_MAX:
            del self._names[next(iter(self._names))]
        thing = self._things.get(key)
        if thing is not None:
            row = self._units.rows[thing.slot]
            named = row._replace(callsign=self._callsign(key))
            if named != row:
                self._units.set_reported(thing.slot, named, thing.by)
                self.fresh_units.add(thing.slot)

    def _message(self, key: Key, by: Reporter, t_ms: int, text: str, t_hub_ms: int, *, old: bool) -> None:
        if not text or any(
            (m.source, m.id, m.text) == (key.source, key.id, text)
            and abs(m.t_utc_ms - t_ms) < SAME_MESSAGE_MS
            and self._units.rows[m.by_slot].agency == by.agency
            for m in self.messages
        ):
            return
        if not old and not self._may_speak(by.device, t_hub_ms):
            self._counters.said_dropped += 1
            return
        thing = self._things.get(key)
        slot, name = (None, self._callsign(key)) if thing is None else (thing.slot, self._callsign(key))
        message = Message(slot, key.source, key.id, name, text, t_ms, by.unit, by.slot)
        self.messages.append(message)
        if not old:
            self.fresh_messages.append(message)
        elif len(self.messages) > 1 and self.messages[-2].t_utc_ms > t_ms:
            in_order = sorted(self.messages, key=lambda m: m.t_utc_ms)
            self.messages.clear()
            self.messages.extend(in_order)

    def _may_speak(self, device: int, t_hub_ms: int) -> bool:
        since, count = self._spoke.get(device, (t_hub_ms, 0))
        if not 0 <= t_hub_ms - since < MESSAGES_WINDOW_MS:
            since, count = t_hub_ms, 0
        self._spoke[device] = (since, count + 1)
        return count < MESSAGES_AT_ONCE_MAX


def label(source: int, number: int) -> tuple[str, str]:
    """What a thing is called as long as it has no name: a word and a number."""
    if source == Source.MESH:
        return "网格", f"!{number & 0xFFFFFFFF:08x}"
    if source == Source.AIS:
        return "AIS", f"{number:09d}"
    if source == Source.DRONE:
        return "无人机", str(number & 0xFF)
    if source == Source.RDSS:
        return "北斗", str(number)
    return "", f"{source}:{number}"


def plain_text(text: str) -> str:
    """Text of strangers without what could hide or turn words round on a screen."""
    kept = (
        "" if c in _BIDI else " " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text
    )
    return "".join(kept).strip()


def _columns(rows: Sequence[Row], bits: dict[int, int]) -> Columns:
    """Columns of the STATE page out of rows of the OBSERVED page."""
    return {
        to: [row.values.get(bit) for row in rows]
        for bit, to in bits.items()
        if any(bit in row.values for row in rows)
    }
