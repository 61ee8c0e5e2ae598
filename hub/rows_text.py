"""Exports: rows of the log as CSV, JSON lines or GPX.

Enters: `Exported` rows. Leaves: text lines. Pure. Every name of a value holds its unit, and a drill is marked
DRILL on every line, so that a cut-out piece cannot be taken for the real thing.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from protocols.catalog import FIELDS, FIELDS_BY_ID, FIELDS_BY_NAME

LAT, LON, ALT = (FIELDS_BY_NAME[name].id for name in ("lat_deg_e7", "lon_deg_e7", "alt_dm"))


class Exported(NamedTuple):
    """One committed row, with who carried the device then. Times as text; `t_utc` "" while undated."""

    realm: str
    mark: str
    t_utc: str
    t_hub: str
    unit: str
    callsign: str
    device: int
    boot: int
    stream: int
    row: int
    kind: str
    values: dict[int, int]
    text: str


HEAD = Exported._fields[:-2]


def as_csv(rows: Iterable[Exported]) -> Iterator[str]:
    """A header line, then one line a row. Columns are named as in the catalog: lat_deg_e7, speed_dmps …"""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*HEAD, *(field.name for field in FIELDS), "text"])
    yield buffer.getvalue()
    for row in rows:
        buffer.seek(0)
        buffer.truncate()
        cells = [_plain(cell) for cell in row[: len(HEAD)]]
        writer.writerow([*cells, *(row.values.get(field.id, "") for field in FIELDS), _plain(row.text)])
        yield buffer.getvalue()


def _plain(cell: object) -> object:
    """A text that a spreadsheet would take for a formula gets a quote before it."""
    return "'" + cell if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else cell


def as_jsonl(rows: Iterable[Exported]) -> Iterator[str]:
    """One object a row; absent values are left out."""
    for row in rows:
        said: dict[str, object] = dict(zip(HEAD, row, strict=False))
        said.update({FIELDS_BY_ID[number].name: value for number, value in row.values.items()})
        if row.text:
            said["text"] = row.text
        yield json.dumps(said, ensure_ascii=False) + "\n"


def as_gpx(rows: Iterable[Exported]) -> Iterator[str]:
    """Dated positions as GPX 1.1, one track a unit. **Source:** GPX 1.1 schema."""
    tracks: dict[str, list[Exported]] = {}
    mark = ""
    for row in rows:
        mark = mark or row.mark
        if row.t_utc and LAT in row.values and LON in row.values:
            tracks.setdefault(row.callsign or str(row.device), []).append(row)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    creator = quoteattr(f"zhantu {mark}".strip())
    yield f'<gpx version="1.1" creator={creator} xmlns="http://www.topografix.com/GPX/1/1">\n'
    for name, points in tracks.items():
        yield f"<trk><name>{_xml(f'{mark} {name}'.strip())}</name><trkseg>\n"
        for point in sorted(points, key=lambda p: p.t_utc):
            lat, lon = point.values[LAT] / 1e7, point.values[LON] / 1e7
            ele = f"<ele>{point.values[ALT] / 10:.1f}</ele>" if ALT in point.values else ""
            yield f'<trkpt lat="{lat:.7f}" lon="{lon:.7f}">{ele}<time>{point.t_utc}</time></trkpt>\n'
        yield "</trkseg></trk>\n"
    yield "</gpx>\n"


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


FORMATS = {"csv": as_csv, "jsonl": as_jsonl, "gpx": as_gpx}
