"""Outlines of Shandong's cities by the code of GB/T 2260, for warnings that name their area by code only.

Enters: hub/static/map/shandong.geojson, the map's own data (schematic, WGS-84). Leaves: rings. Caller: `warnings`.
A province's code is all its cities; a county has no outline here and is shown as its city, which is said.
"""

import json
from pathlib import Path
from typing import Any

from hub.safety.bulletin import Ring

OUTLINES = Path(__file__).parent.parent / "static" / "map" / "shandong.geojson"
PROVINCE = "37"


class Places:
    """Rings by city code. Empty when the file is not there: then codes are named as not understood."""

    def __init__(self, cities: dict[str, tuple[Ring, ...]]) -> None:
        self._cities = cities

    def of(self, code: str) -> tuple[tuple[Ring, ...], str]:
        """The outer rings of what the code names, and words when they are not exactly that; no rings: not known."""
        if not (code[:6].isascii() and code[:6].isdecimal() and len(code) >= 6):
            return (), f"area code {code[:20]!r}: six digits of GB/T 2260 needed"
        if code[:6] == f"{PROVINCE}0000":
            return tuple(ring for rings in self._cities.values() for ring in rings), ""
        rings = self._cities.get(f"{code[:4]}00")
        if rings is None:
            return (), f"area code {code[:20]!r}: no outline of it here"
        exact = code[4:6] == "00" and not code[6:].strip("0")
        return rings, "" if exact else f"area code {code[:20]!r}: shown as the whole city {code[:4]}00"


def load(path: Path = OUTLINES) -> Places:
    """Read the outlines. A hub without its map still runs."""
    try:
        collection: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return Places({})
    cities: dict[str, tuple[Ring, ...]] = {}
    for feature in collection["features"]:
        shape = feature["geometry"]
        if shape["type"] not in ("Polygon", "MultiPolygon"):
            continue  # its provincial border is lines
        parts = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
        rings = [tuple((float(x), float(y)) for x, y, *_ in part[0]) for part in parts]
        cities[str(feature["properties"]["adcode"])] = tuple(rings)
    return Places(cities)
