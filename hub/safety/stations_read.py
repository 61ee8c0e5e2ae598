"""Rows of a source into readings: what station, what number, of when. What cannot be read says its row and column.

Enters: bytes as they came, and a mapping. Leaves: `Reading`s and `Bad`s; ReadError when it is no document at all.
Nothing else is ever raised. Pure. Callers: `hub.safety.stations`, `zhantu-hub stations check`.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.safety.stations_map import ARRIVAL, PLAIN, Quantity, Source, wgs84

BYTES_MAX = 4_194_304
ROWS_MAX = 20_000
"""Of one document; of more, the last."""
BAD_MAX = 100
"""Kept of one document, with their words; beyond it they are counted."""
FUTURE_MS = 300_000
"""A station's clock may be so much ahead of ours; a time beyond it is not believed."""
CELL_CHARS_MAX = 4_096


class ReadError(Exception):
    """It is no CSV or JSON of this mapping at all; says why."""


@dataclass(frozen=True, slots=True)
class Bad:
    """What was not taken. `row` from 1, of CSV the line; "" for a column: the whole row."""

    row: int
    column: str
    words: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One number of one station. `limit`: the row's own threshold; place None: it is not known."""

    station: str
    name: str
    lat_deg: float | None
    lon_deg: float | None
    quantity: str
    value: float
    limit: float | None
    t_utc_ms: int


@dataclass(slots=True)
class Taken:
    """All of one document. `absent`: numbers that were said to be not measured."""

    readings: list[Reading] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    bad_more: int = 0
    rows: int = 0
    absent: int = 0

    def refuse(self, row: int, column: str, words: str) -> None:
        if len(self.bad) < BAD_MAX:
            self.bad.append(Bad(row, column, words))
        else:
            self.bad_more += 1


class _Unfit(Exception):
    """A cell that cannot be used."""


def take(source: Source, data: bytes, now_ms: int, topic: str = "") -> Taken:
    """All readings of a document. `now_ms`: when it came, which is also the time of rows that tell none."""
    if len(data) > BYTES_MAX:
        raise ReadError(f"{len(data)} bytes, at most {BYTES_MAX} are allowed")
    rows = _csv_rows(source, data) if source.format == "csv" else _json_rows(source, data)
    taken = Taken()
    for number, row in rows[-ROWS_MAX:]:
        taken.rows += 1
        _take_row(taken, source, number, row, now_ms, topic)
    return taken


# --- documents ---------------------------------------------------------------------------------------------


def _csv_rows(source: Source, data: bytes) -> list[tuple[int, Any]]:
    """(line, row by column). The first line names the columns."""
    reader = csv.reader(io.StringIO(_text(source, data), newline=""), delimiter=source.delimiter)
    try:
        head = [name.strip() for name in next(reader, [])]
        if not any(head):
            raise ReadError("it is empty: a first line with the names of the columns is needed")
        wanted = {source.id_column, source.time_column, *(q.column for q in source.quantities)}
        for column in sorted(wanted - {ARRIVAL}):
            if column not in head and not column.startswith("@topic."):
                raise ReadError(f"there is no column {column!r}; there are {', '.join(head)[:200]}")
        return [(reader.line_num, dict(zip(head, row, strict=False))) for row in reader if any(row)]
    except csv.Error as err:
        raise ReadError(f"line {reader.line_num}: {err}") from None


def _text(source: Source, data: bytes) -> str:
    try:
        return data.decode(source.encoding)
    except UnicodeDecodeError as err:
        raise ReadError(f"byte {err.start} is no {source.encoding}") from None
    except (ValueError, LookupError) as err:
        raise ReadError(f"{source.encoding}: {err}") from None


def _json_rows(source: Source, data: bytes) -> list[tuple[int, Any]]:
    try:
        said = json.loads(_text(source, data))
    except (ValueError, RecursionError) as err:
        raise ReadError(f"json: {str(err)[:120]}") from None
    rows = at_path(said, source.rows) if source.rows else said
    if rows is None and source.rows:
        raise ReadError(f"there is nothing at {source.rows!r}")
    return list(enumerate(rows if isinstance(rows, list) else [rows], 1))


def at_path(said: Any, path: str) -> Any:
    """What stands at "a.b.0" in maps and lists; None: nothing does."""
    for step in path.split("."):
        if isinstance(said, dict):
            said = said.get(step)
        elif isinstance(said, list) and step.isdecimal() and len(step) < 9 and int(step) < len(said):
            said = said[int(step)]
        else:
            return None
    return said


# --- rows --------------------------------------------------------------------------------------------------


def _take_row(taken: Taken, source: Source, number: int, row: Any, now_ms: int, topic: str) -> None:
    def cell(column: str) -> Any:
        if column.startswith("@topic."):
            return at_path(topic.split("/"), column[len("@topic.") :])
        found = row.get(column) if source.format == "csv" else at_path(row, column)
        return found.strip()[:CELL_CHARS_MAX] if isinstance(found, str) else found

    def fit(column: str, made: Any) -> Any:
        """`made` of the column's cell, None where it is unfit, which is noted."""
        try:
            return made(cell(column))
        except _Unfit as err:
            taken.refuse(number, column, str(err))
            return None

    if not isinstance(row, dict):
        taken.refuse(number, "", f"{_shown(row)} is no row: a map is needed")
        return
    id = fit(source.id_column, _id)
    t_utc_ms = (
        now_ms
        if source.time_column == ARRIVAL
        else fit(source.time_column, lambda v: _time(source, v, now_ms))
    )
    if id is None or t_utc_ms is None:
        return
    name, place = _who(source, id, cell, fit)
    for quantity in source.quantities:
        said = cell(quantity.column)
        if said is None or (isinstance(said, str) and said in source.missing):
            taken.absent += 1
            continue
        value = fit(quantity.column, lambda v, q=quantity: _value(q, v))
        if value is None:
            continue
        limit = _limit(source, quantity, cell, fit)
        taken.readings.append(Reading(id, name, *place, quantity.name, value, limit, t_utc_ms))


def _who(source: Source, id: str, cell: Any, fit: Any) -> tuple[str, tuple[float | None, float | None]]:
    """Name and place: of the row, else of the mapping's site."""
    site = source.sites.get(id)
    said = cell(source.name_column) if source.name_column else None
    name = str(said)[:80] if isinstance(said, str | int) and said != "" else (site.name if site else "")
    lat = fit(source.lat_column, lambda v: _degrees(v, 90, source)) if source.lat_column else None
    lon = fit(source.lon_column, lambda v: _degrees(v, 180, source)) if source.lon_column else None
    if lat is not None and lon is not None:
        return name, wgs84(source.crs, lat, lon)
    return name, (site.lat_deg, site.lon_deg) if site else (None, None)


def _limit(source: Source, quantity: Quantity, cell: Any, fit: Any) -> float | None:
    if not quantity.threshold_column:
        return None
    said = cell(quantity.threshold_column)
    if said is None or (isinstance(said, str) and said in source.missing):
        return None
    found: float | None = fit(quantity.threshold_column, lambda v: _value(quantity, v))
    return found


# --- cells -------------------------------------------------------------------------------------------------


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a map" if isinstance(value, dict) else "a list"
    return repr(value if not isinstance(value, str) else value[:40])[:44]


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not 1 <= len(str(value)) <= 64:
        raise _Unfit(f"{_shown(value)} names no station: 1–64 characters are needed")
    return str(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Unfit(f"{_shown(value)} is no number")
    try:
        made = float(value) if not isinstance(value, str) or "_" not in value else math.nan
    except (ValueError, OverflowError):
        raise _Unfit(f"{_shown(value)} is no number") from None
    if not math.isfinite(made):
        raise _Unfit(f"{_shown(value)} is no number")
    return made


def _value(quantity: Quantity, value: Any) -> float:
    made = _number(value) * quantity.factor + quantity.offset
    if not quantity.least <= made <= quantity.most:
        allowed = f"{quantity.least:g}–{quantity.most:g} {quantity.unit}".rstrip()
        raise _Unfit(f"{made:g} is absurd, {allowed} allowed")
    return made


def _degrees(value: Any, most: int, source: Source) -> float | None:
    if value is None or (isinstance(value, str) and value in source.missing):
        return None
    made = _number(value)
    if abs(made) > most:
        raise _Unfit(f"{made:g} is no place, {-most}–{most} degrees allowed")
    return made


def _time(source: Source, value: Any, now_ms: int) -> int:
    form = source.time_format
    try:
        if form in ("unix_s", "unix_ms"):
            made = round(_number(value) * (1_000 if form == "unix_s" else 1))
        elif not isinstance(value, str):
            raise _Unfit(f"{_shown(value)} is no time, {form} is needed")
        else:
            read = datetime.fromisoformat(value) if form == "iso" else datetime.strptime(value, form)
            made = round((read if read.tzinfo else read.replace(tzinfo=source.zone)).timestamp() * 1_000)
    except (ValueError, OverflowError, OSError):
        raise _Unfit(f"{_shown(value)} is no time, {form} is needed") from None
    if made > now_ms + FUTURE_MS:
        raise _Unfit(f"{_shown(value)} is {(made - now_ms) // 60_000} min ahead of the hub: not believed")
    if made < 0:
        raise _Unfit(f"{_shown(value)} is before 1970")
    return made


def thresholds(quantity: Quantity, limit: float | None) -> tuple[tuple[str, float], ...]:
    """(colour, limit), the gravest first: the row's own, else the mapping's."""
    return ((PLAIN, limit),) if limit is not None else quantity.thresholds


def newest(readings: Iterable[Reading]) -> Iterator[Reading]:
    """In the order of their times: what a latch has to see."""
    return iter(sorted(readings, key=lambda r: r.t_utc_ms))
