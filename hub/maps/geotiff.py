"""What a GeoTIFF says of where it lies: its tags, without its pixels. Pure.

Enters: the file's bytes. Leaves: `TiffSaid`; PlanRefused (422) when it is no TIFF that can be read.
**Source:** TIFF 6.0 section 2; OGC 19-008r4 (GeoTIFF 1.1), 7.1. Caller: `hub.maps.plans`.
"""

import struct
from dataclasses import dataclass

from hub.maps.errors import PlanRefused
from hub.maps.placing import Control
from hub.maps.projections import KNOWN, degrees_of

TAGS_MAX = 200
VALUES_MAX = 4_096
_SIZES = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4), 12: ("d", 8)}
WIDTH, HEIGHT, ORIENTATION = 256, 257, 274
PIXEL_SCALE, TIEPOINTS, TRANSFORMATION, GEO_KEYS = 33550, 33922, 34264, 34735
RASTER_TYPE, GEOGRAPHIC, PROJECTED = 1025, 2048, 3072
POINT = 2


@dataclass(frozen=True, slots=True)
class TiffSaid:
    """`controls`: its four corners, () when it does not say where it lies; `why` then says what is missing."""

    width_px: int
    height_px: int
    epsg: int | None
    controls: tuple[Control, ...]
    why: str


def read(data: bytes) -> TiffSaid:
    tags = tags_of(data)
    width, height = (int(tags.get(tag, (0,))[0]) for tag in (WIDTH, HEIGHT))
    if width < 1 or height < 1:
        raise PlanRefused(422, "TIFF: it has no size")
    keys = _geo_keys(tags.get(GEO_KEYS, ()))
    epsg = keys.get(PROJECTED) or keys.get(GEOGRAPHIC)
    matrix = _matrix(tags)
    if epsg is None or matrix is None:
        return TiffSaid(width, height, epsg, (), "it does not say where it lies: place it by control points")
    shift = 0.5 if keys.get(RASTER_TYPE) == POINT else 0.0
    controls = []
    for x, y in ((0, 0), (width, 0), (width, height), (0, height)):
        # A file of points counts from the middle of its first pixel.
        i, j = x - shift, y - shift
        found = degrees_of(
            epsg,
            matrix[0] * i + matrix[1] * j + matrix[2],
            matrix[3] * i + matrix[4] * j + matrix[5],
        )
        if found is None:
            words = f"EPSG {epsg} is not understood, but {KNOWN}: place it by control points"
            return TiffSaid(width, height, epsg, (), words)
        controls.append(Control(x, y, *found))
    return TiffSaid(width, height, epsg, tuple(controls), "")


def tags_of(data: bytes) -> dict[int, tuple[float, ...]]:
    """Numbers of the first directory. PlanRefused (422) when the bytes are no classic TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        raise PlanRefused(422, "TIFF: it does not begin as one")
    magic, at = struct.unpack_from(order + "HI", data, 2)
    if magic != 42:
        raise PlanRefused(422, f"TIFF: version {magic}, 42 is understood (no BigTIFF)")
    tags: dict[int, tuple[float, ...]] = {}
    try:
        (count,) = struct.unpack_from(order + "H", data, at)
        for i in range(min(count, TAGS_MAX)):
            tag, kind, n, value = struct.unpack_from(order + "HHI4s", data, at + 2 + 12 * i)
            if kind not in _SIZES or n > VALUES_MAX:
                continue
            letter, size = _SIZES[kind]
            (place,) = struct.unpack(order + "I", value)
            where, offset = (value, 0) if n * size <= 4 else (data, place)
            tags[tag] = struct.unpack_from(f"{order}{n}{letter}", where, offset)
    except struct.error:
        raise PlanRefused(422, "TIFF: it is cut off") from None
    return tags


def _geo_keys(shorts: tuple[float, ...]) -> dict[int, int]:
    """Keys whose value stands in the directory itself."""
    rows = [tuple(map(int, shorts[i : i + 4])) for i in range(4, len(shorts) - 3, 4)]
    return {key: value for key, place, count, value in rows if place == 0 and count == 1}


def _matrix(tags: dict[int, tuple[float, ...]]) -> tuple[float, ...] | None:
    """(a, b, c, d, e, f): x = a i + b j + c, y = d i + e j + f of column i and row j; None when it is not told."""
    given = tags.get(TRANSFORMATION, ())
    if len(given) == 16:
        return (given[0], given[1], given[3], given[4], given[5], given[7])
    scale, tie = tags.get(PIXEL_SCALE, ()), tags.get(TIEPOINTS, ())
    if len(scale) < 2 or len(tie) < 6:
        return None
    sx, sy = scale[0], scale[1]
    return (sx, 0.0, tie[3] - tie[0] * sx, 0.0, -sy, tie[4] + tie[1] * sy)
