"""Counts satellites: used and in view, of each constellation.

Enters: GSA and GSV sentences, or NAV-SAT and NAV-SIG payloads. Leaves: values of the HEALTH page by field id.
Called by the epoch assembler and by the UBX decoder. Counting costs more than a fix does, so a `Sky` counts only
while it is `listing`: from the end of one epoch to the end of the next, whenever its driver asks for it, which is every
SKY_EVERY_MS. Whatever order a receiver keeps, each of its sentences comes once in that time.

Whose satellite a GSA names: its system id says it (NMEA 4.11, field 18), else the talker, else the number. Some old
receivers put a decimal number in field 18, which is no id. A GSV of a set for another signal repeats the same
satellites: they are told apart by constellation and number, so that each is counted once.
**Source:** NMEA 0183 version 4.11, GSA and GSV; ranges of numbers as u-blox ("Satellite numbering"), Quectel and ST use
them; u-blox F9 HPG 1.32, NAV-SAT and NAV-SIG.
"""

from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from struct import Struct

from protocols.catalog import field_id

SKY_EVERY_MS = 8_000
"""With an epoch of listing, one reading goes into each health row of ten seconds."""
LIST_EPOCHS_MAX = 10
"""Some receivers send GSV every fifth second."""
SATELLITES_MAX = 255
"""Kept of one constellation, and the highest count that the catalog takes."""


class System(IntEnum):
    """Constellations, numbered as in NMEA 4.11 field 18. SBAS is in view, but of no constellation."""

    SBAS = 0
    GPS = 1
    GLONASS = 2
    GALILEO = 3
    BEIDOU = 4
    QZSS = 5
    NAVIC = 6


Satellite = tuple[System, int]

USED = {
    System.GPS: field_id("gps_used"),
    System.GLONASS: field_id("glonass_used"),
    System.GALILEO: field_id("galileo_used"),
    System.BEIDOU: field_id("beidou_used"),
    System.QZSS: field_id("qzss_used"),
}
SEEN = field_id("sats_seen")

_BY_ID = {b"%d" % system: system for system in System if system}
_BY_TALKER = {
    b"GP": System.GPS,
    b"GL": System.GLONASS,
    b"GA": System.GALILEO,
    b"BD": System.BEIDOU,
    b"GB": System.BEIDOU,
    b"PQ": System.BEIDOU,
    b"GQ": System.QZSS,
    b"QZ": System.QZSS,
    b"GI": System.NAVIC,
}
_RANGES = (
    (1, 32, System.GPS, 0),
    (33, 64, System.SBAS, -87),
    (65, 99, System.GLONASS, 64),
    (120, 158, System.SBAS, 0),
    (193, 200, System.QZSS, 192),
    (201, 263, System.BEIDOU, 200),
    (301, 336, System.GALILEO, 300),
    (401, 463, System.BEIDOU, 400),
)
"""First and last number, whose it is, and what to take off to get the constellation's own. 33 is SBAS 120."""

_SYSTEM_FIELD = 18
_FIRST_USED, _LAST_USED = 3, 15
_GSV_HEAD = 4

_SAT_HEAD, _SAT = Struct("<4xBB2x"), Struct("<BB6xI")
_SIG_HEAD, _SIG = Struct("<4xBB2x"), Struct("<BB8xH4x")
SAT_USED = 0x08
SIG_USED = 0x38  # pseudorange, carrier phase or Doppler
_BY_GNSS_ID = (
    System.GPS, System.SBAS, System.GALILEO, System.BEIDOU, None, System.QZSS, System.GLONASS, System.NAVIC,
)  # fmt: skip


def satellite(system: System | None, number: int) -> Satellite | None:
    """Which satellite a number means; None where nobody knows. `system` None: the sentence does not say."""
    for first, last, owner, less in _RANGES:
        if first <= number <= last and (
            system in (None, owner) or (system is System.GPS and owner in (System.SBAS, System.QZSS))
        ):
            return owner, number - less
    if system is None or not 0 < number <= SATELLITES_MAX:
        return None
    return system, number


@lru_cache(maxsize=1_024)
def _named(system: System | None, text: bytes) -> Satellite | None:
    """A number as it stands in a sentence; the same ones come again and again."""
    return satellite(system, int(text)) if text.isdigit() and len(text) <= 3 else None


Lists = dict[System, tuple[int, set[int]]]
"""Numbers of each constellation, with the epoch of the list that says so."""


class Sky:
    """One receiver's satellites."""

    __slots__ = ("_epoch", "_seen", "_used", "gsv_comes", "listing", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        self.listing = False
        self._epoch = 0
        self._used: Lists = {}
        self._seen: Lists = {}
        self.gsv_comes = False  # set by whoever hears one

    def begin(self) -> None:
        """Count from the end of this epoch on, unless it already does."""
        self.wanted = True

    def gsa(self, body: bytes) -> None:
        """A checked GSA. One without satellites still says that its constellation has none."""
        fields = body.split(b",")
        system = _BY_ID.get(fields[_SYSTEM_FIELD]) if len(fields) > _SYSTEM_FIELD else None
        system = system or _BY_TALKER.get(body[:2])
        if system is not None:
            self._of(self._used, system)
        self._note(self._used, system, fields[_FIRST_USED:_LAST_USED])

    def gsv(self, body: bytes) -> None:
        """A checked GSV."""
        fields = body.split(b",")
        # four fields a satellite; where (fields - 4) % 4 is 1 a signal id stands last, and is left out too
        self._note(self._seen, _BY_TALKER.get(body[:2]), fields[_GSV_HEAD : len(fields) - 3 : 4])

    def _note(self, lists: Lists, system: System | None, texts: list[bytes]) -> None:
        for text in texts:
            found = _named(system, text) if text else None
            if found is not None:
                self._of(lists, found[0]).add(found[1])

    def _of(self, lists: Lists, system: System) -> set[int]:
        """The list of a constellation; an epoch's first list replaces that of the epoch before."""
        held = lists.get(system)
        if held is None or held[0] != self._epoch:
            lists[system] = held = self._epoch, set()
        return held[1]

    def close(self) -> dict[int, int] | None:
        """An epoch has ended. The counts when the listing is complete, else None."""
        if not self.listing:
            self._used.clear()
            self._seen.clear()
            self._epoch = 0
            self.listing = self.wanted
            return None
        self._epoch += 1
        if self.gsv_comes and not self._seen and self._epoch < LIST_EPOCHS_MAX:
            return None
        self.listing = self.wanted = False
        self.gsv_comes = bool(self._seen)
        seen = [(system, number) for system, (_, numbers) in self._seen.items() for number in numbers]
        used = [(system, number) for system, (_, numbers) in self._used.items() for number in numbers]
        return counts(self._used, used, seen if self._seen else None)


def counts(
    systems: Iterable[System], used: Iterable[Satellite], seen: Iterable[Satellite] | None
) -> dict[int, int]:
    """HEALTH values. `systems`: those the receiver spoke of, whose count may be 0; `seen` None: it said nothing."""
    out = {USED[system]: 0 for system in systems if system in USED}
    for system, _ in set(used):
        if system in USED:
            out[USED[system]] = out.get(USED[system], 0) + 1
    if seen is not None:
        out[SEEN] = min(len(set(seen)), SATELLITES_MAX)
    return out


def parse_nav_sat(payload: bytes) -> dict[int, int] | None:
    """NAV-SAT -> HEALTH values; None if its length is not the one that it says."""
    return _listed(payload, _SAT_HEAD, _SAT, SAT_USED)


def parse_nav_sig(payload: bytes) -> dict[int, int] | None:
    """NAV-SIG -> HEALTH values, each satellite once; None if its length is not the one that it says."""
    return _listed(payload, _SIG_HEAD, _SIG, SIG_USED)


def _listed(payload: bytes, head: Struct, row: Struct, used_mask: int) -> dict[int, int] | None:
    if len(payload) < head.size:
        return None
    _, count = head.unpack_from(payload)
    if len(payload) != head.size + count * row.size:
        return None
    used: set[Satellite] = set()
    seen: set[Satellite] = set()
    for gnss_id, number, flags in row.iter_unpack(payload[head.size :]):
        system = _BY_GNSS_ID[gnss_id] if gnss_id < len(_BY_GNSS_ID) else None
        if system is None:
            continue
        seen.add((system, number))
        if flags & used_mask:
            used.add((system, number))
    return counts({system for system, _ in seen}, used, seen)
