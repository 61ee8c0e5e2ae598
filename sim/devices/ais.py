"""An emulated AIS receiver: vessels to AIVDM sentences.

Enters: the truth of a vessel. Leaves: sentences of types 1, 4, 5, 18, 19, 24 and 27, with their checksums; long
messages in several. Called by drills and tests. The bits are laid out here by the standard's tables, so that the
decoder meets bytes that its own library did not write.
**Source:** ITU-R M.1371-5, annex 8; IEC 61162-1 for the sentences.
"""

from dataclasses import dataclass

from firmware_bridge.framing import nmea_checksum

ARMOURED_LEN_MAX = 60
"""Characters of payload in one sentence."""

SIX_BITS = "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_ !\"#$%&'()*+,-./0123456789:;<=>?"
LAT_NONE_DEG, LON_NONE_DEG, COURSE_NONE_DDEG, HEADING_NONE_DEG, SPEED_NONE_DKNOT = (
    91.0,
    181.0,
    3_600,
    511,
    1_023,
)


@dataclass(frozen=True, slots=True)
class Vessel:
    """Truth of a vessel; the defaults mean "not available"."""

    mmsi: int
    lat_deg: float = LAT_NONE_DEG
    lon_deg: float = LON_NONE_DEG
    speed_dknot: int = SPEED_NONE_DKNOT
    course_ddeg: int = COURSE_NONE_DDEG
    heading_deg: int = HEADING_NONE_DEG
    status: int = 15
    second: int = 60
    name: str = ""
    ship_type: int = 0


class AisReceiver:
    """Hears vessels and says their sentences. It takes no commands."""

    def __init__(self, talker: str = "AI") -> None:
        self._talker = talker
        self._sequence = 0

    def position(self, vessel: Vessel, kind: int = 1, channel: str = "A") -> bytes:
        """A report of type 1–3 (class A), 18 or 19 (class B), 4 (base station) or 27 (long range)."""
        parts = {4: _base, 18: _class_b, 19: _class_b_extended, 27: _long_range}.get(kind, _class_a)
        return self.sentences(_head(kind, vessel) + parts(vessel), channel)

    def static(self, vessel: Vessel, channel: str = "A") -> bytes:
        """Type 5: name and type of a class A vessel, in two sentences."""
        return self.sentences(_head(5, vessel) + _static(vessel), channel)

    def static_b(self, vessel: Vessel, channel: str = "A") -> bytes:
        """Type 24, parts A and B: name and type of a class B vessel."""
        part_a = _head(24, vessel) + _bits(0, 2) + _text(vessel.name, 20) + _bits(0, 8)
        part_b = _head(24, vessel) + _bits(1, 2) + _bits(vessel.ship_type, 8) + _text("ZHT", 7) + _text("", 7)
        part_b += _bits(0, 168 - len(part_b))
        return self.sentences(part_a, channel) + self.sentences(part_b, channel)

    def answer(self, data: bytes) -> bytes:
        """What the receiver says to what a client wrote: nothing."""
        return b""

    def sentences(self, bits: str, channel: str = "A") -> bytes:
        """A message's bits as sentences."""
        fill = -len(bits) % 6
        bits += "0" * fill
        payload = "".join(_armoured(int(bits[at : at + 6], 2)) for at in range(0, len(bits), 6))
        chunks = [payload[at : at + ARMOURED_LEN_MAX] for at in range(0, len(payload), ARMOURED_LEN_MAX)]
        sequence = ""
        if len(chunks) > 1:
            sequence = str(self._sequence)
            self._sequence = (self._sequence + 1) % 10
        out = b""
        for number, chunk in enumerate(chunks, 1):
            last_fill = fill if number == len(chunks) else 0
            body = (
                f"{self._talker}VDM,{len(chunks)},{number},{sequence},{channel},{chunk},{last_fill}".encode()
            )
            out += b"!%s*%02X\r\n" % (body, nmea_checksum(body))
        return out


def _bits(value: int, width: int) -> str:
    """Two's complement, most significant first."""
    return format(value & (1 << width) - 1, f"0{width}b")


def _text(text: str, characters: int) -> str:
    return "".join(_bits(SIX_BITS.index(character), 6) for character in text.upper().ljust(characters, "@"))


def _armoured(value: int) -> str:
    return chr(value + 48 if value < 40 else value + 56)


def _head(kind: int, vessel: Vessel) -> str:
    return _bits(kind, 6) + _bits(0, 2) + _bits(vessel.mmsi, 30)


def _place(vessel: Vessel) -> str:
    return _bits(round(vessel.lon_deg * 600_000), 28) + _bits(round(vessel.lat_deg * 600_000), 27)


def _way(vessel: Vessel) -> str:
    return _bits(vessel.course_ddeg, 12) + _bits(vessel.heading_deg, 9) + _bits(vessel.second, 6)


def _class_a(vessel: Vessel) -> str:
    turn_none, accuracy = _bits(-128, 8), _bits(1, 1)
    motion = _bits(vessel.status, 4) + turn_none + _bits(vessel.speed_dknot, 10) + accuracy
    return motion + _place(vessel) + _way(vessel) + _bits(0, 2 + 3 + 1 + 19)


def _base(vessel: Vessel) -> str:
    when = (
        _bits(2026, 14)
        + _bits(11, 4)
        + _bits(24, 5)
        + _bits(2, 5)
        + _bits(10, 6)
        + _bits(vessel.second % 60, 6)
    )
    return when + _bits(1, 1) + _place(vessel) + _bits(1, 4) + _bits(0, 10 + 1 + 19)


def _class_b(vessel: Vessel) -> str:
    return (
        _bits(0, 8)
        + _bits(vessel.speed_dknot, 10)
        + _bits(1, 1)
        + _place(vessel)
        + _way(vessel)
        + _bits(0, 29)
    )


def _class_b_extended(vessel: Vessel) -> str:
    motion = _bits(0, 8) + _bits(vessel.speed_dknot, 10) + _bits(1, 1) + _place(vessel) + _way(vessel)
    return (
        motion + _bits(0, 4) + _text(vessel.name, 20) + _bits(vessel.ship_type, 8) + _bits(0, 30 + 4 + 3 + 4)
    )


def _static(vessel: Vessel) -> str:
    who = _bits(0, 2) + _bits(0, 30) + _text("ZHT", 7) + _text(vessel.name, 20) + _bits(vessel.ship_type, 8)
    return who + _bits(0, 30 + 4 + 20 + 8) + _text("JINAN", 20) + _bits(0, 2)


def _long_range(vessel: Vessel) -> str:
    has_place = abs(vessel.lat_deg) <= 90
    lon = round(vessel.lon_deg * 600) if has_place else 181 * 600
    lat = round(vessel.lat_deg * 600) if has_place else 91 * 600
    speed = 63 if vessel.speed_dknot == SPEED_NONE_DKNOT else min(62, round(vessel.speed_dknot / 10))
    course = 511 if vessel.course_ddeg == COURSE_NONE_DDEG else round(vessel.course_ddeg / 10) % 360
    head = _bits(1, 1) + _bits(0, 1) + _bits(vessel.status, 4)
    return head + _bits(lon, 18) + _bits(lat, 17) + _bits(speed, 6) + _bits(course, 9) + _bits(0, 2)
