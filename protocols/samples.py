"""Samples: what a driver makes of a device's bytes, in full precision, before pacing and packing.

Enters: nothing; drivers construct these. Leaves: `edge.pace` turns them into rows of the catalog's quanta.
A sample carries the device's own time only; the port's worker knows when the bytes came.
"""

from dataclasses import dataclass, fields
from enum import IntEnum

from protocols.catalog import FIELDS_BY_ID, Said, Source
from protocols.wearer import Gesture


class FixMode(IntEnum):
    """How a position was obtained. Larger is better, except that 1 is an estimate without satellites.

    **Source:** NMEA 0183 GGA quality and u-blox NAV-PVT fixType/carrSoln, folded into one scale.
    """

    NONE = 0
    DEAD_RECKONED = 1
    FIX_2D = 2
    FIX_3D = 3
    DGNSS = 4
    RTK_FLOAT = 5
    RTK_FIXED = 6


@dataclass(frozen=True, slots=True)
class Fix:
    """One epoch of a GNSS receiver. None means that the receiver did not say.

    t_utc_ms      UTC of validity, milliseconds since 1970
    mode          how it was obtained; NONE carries no position
    lat_deg_e9    WGS-84 latitude, 1e-9 degrees, ±90e9, north positive
    lon_deg_e9    WGS-84 longitude, 1e-9 degrees, ±180e9, east positive
    alt_mm        height above mean sea level, mm
    speed_mmps    ground speed, mm/s, >= 0
    course_cdeg   course over ground, 0.01 degrees from true north, 0–35999
    hacc_mm       horizontal accuracy (about 68 %), mm
    sats_used     satellites used in the solution
    sats_seen     satellites in view
    hdop_e2       horizontal dilution of precision, times 100
    heading_cdeg  where the vehicle points (two antennas), 0.01 degrees from true north, 0–35999
    """

    t_utc_ms: int | None
    mode: FixMode
    lat_deg_e9: int | None = None
    lon_deg_e9: int | None = None
    alt_mm: int | None = None
    speed_mmps: int | None = None
    course_cdeg: int | None = None
    hacc_mm: int | None = None
    sats_used: int | None = None
    sats_seen: int | None = None
    hdop_e2: int | None = None
    heading_cdeg: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Values by catalog field id, in the catalog's quanta; pages STATE and HEALTH. `t_utc_ms` is mostly None."""

    values: dict[int, int]
    t_utc_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """Something else that the device heard or saw. `values` by field id of page OBSERVED, without source and id."""

    source: Source
    id: int
    values: dict[int, int]
    t_utc_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A name or a message of something else; at most 1,000 bytes of UTF-8 are sent on."""

    source: Source
    id: int
    what: Said
    text: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """What the wearer did with the buttons of a board."""

    gesture: Gesture


@dataclass(frozen=True, slots=True)
class Impact:
    """A blow that a board felt: its peak in 0.001 g."""

    peak_mg: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device says of itself: a model, a firmware. Used to recognise a port, not sent as a row."""

    model: str
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What a driver has to say to people and to its own caller (a refusal, a card's data); never sent as a row."""

    about: str
    words: dict[str, int | str]


Sample = Fix | Reading | Observed | Heard | Pressed | Impact | Identity | Note


def sample_as_dict(sample: Sample) -> dict[str, object]:
    """A sample for people and for JSON: the unit is in each name, absent values are left out."""
    out: dict[str, object] = {"sample": type(sample).__name__.lower()}
    for field in fields(sample):
        value = getattr(sample, field.name)
        if value is None:
            continue
        if field.name == "values":
            out.update({FIELDS_BY_ID[field_id].name: number for field_id, number in value.items()})
        elif field.name == "words":
            out.update(value)
        elif isinstance(value, IntEnum):
            out[field.name] = value.name.lower()
        else:
            out[field.name] = value
    return out
