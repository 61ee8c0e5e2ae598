"""Samples: what a driver makes of a device's bytes, in full precision, before pacing and packing.

Enters: nothing; drivers construct these. Leaves: `edge.pace` turns them into rows of the catalog's quanta.
A sample carries the device's own time only; the port's worker knows when the bytes came.
"""

from dataclasses import dataclass, fields
from enum import IntEnum


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


@dataclass(frozen=True, slots=True)
class Reading:
    """Values of sensors, by catalog field id, in the catalog's quanta. `t_utc_ms` is mostly None."""

    values: dict[int, int]
    t_utc_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device says of itself: a model, a firmware. Used to recognise a port, not sent as a row."""

    model: str
    firmware: str = ""


Sample = Fix | Reading | Identity


def sample_as_dict(sample: Sample) -> dict[str, object]:
    """A sample for people and for JSON: the unit is in each name, absent values are left out."""
    from protocols.catalog import FIELDS_BY_ID

    out: dict[str, object] = {"sample": type(sample).__name__.lower()}
    for field in fields(sample):
        value = getattr(sample, field.name)
        if value is None:
            continue
        if field.name == "values":
            out.update({FIELDS_BY_ID[field_id].name: number for field_id, number in value.items()})
        elif field.name == "mode":
            out["mode"] = value.name.lower()
        else:
            out[field.name] = value
    return out
