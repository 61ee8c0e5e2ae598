"""`zhantu-hub stations check FILE`: try a mapping on what is there now, without a hub, and say what it reads."""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

from hub.commands.opening import utc_ms
from hub.errors import SettingsError
from hub.safety import stations_map
from hub.safety.stations_map import Source
from hub.safety.stations_read import ReadError, Reading, Taken, take, thresholds
from hub.safety.stations_ways import Document, Files, Page, WayError

SHOWN_MAX = 20


def run(args: argparse.Namespace) -> int:
    """0: all is read. 1: something cannot be."""
    path = Path(args.file)
    if not path.is_file():
        raise SettingsError(f"{args.file}: no such file")
    mappings = stations_map.load(path)
    chosen = [s for s in mappings.sources if args.source in (None, s.name)]
    if not chosen:
        raise SettingsError(
            f"{path.name}: no source {args.source!r}" if args.source else f"{path.name}: no source"
        )
    bad = 0
    for source in chosen:
        print(f"{source.name}: {source.kind}, {source.way} {source.shown_where}")
        bad += _check(source, Path(args.data) if args.data else path.parent, args.sample)
    for rule in mappings.rules:
        far = f"{rule.within_m / 1e3:g} km, {rule.within_ms // 60_000} min"
        print(f"rule {rule.name}: {' + '.join(rule.needs)} within {far}")
    return 1 if bad else 0


def _check(source: Source, data: Path, sample: str | None) -> int:
    """How many things of a source cannot be read."""
    try:
        documents = _documents(source, data, sample)
    except WayError as err:
        print(f"  ✗ {err}")
        return 1
    bad = 0
    for body, name in documents:
        try:
            taken = take(source, body, utc_ms(), name)
        except ReadError as err:
            print(f"  ✗ {name}: {err}")
            bad += 1
            continue
        _show(source, name, taken)
        bad += len(taken.bad) + taken.bad_more
    if not documents:
        print("  – nothing there" if source.way != "mqtt" else "  – a topic is tried with --sample FILE")
    return bad


def _documents(source: Source, data: Path, sample: str | None) -> list[Document]:
    if sample is not None:
        topic = (
            source.where.replace("+", "x").replace("#", "x") if source.way == "mqtt" else Path(sample).name
        )
        return [(Path(sample).read_bytes(), topic)]
    if source.way == "mqtt":
        return []
    if source.way == "url":
        return Page(source, data).ask()[0]
    files = Files(data / source.where, f".{source.way}")
    documents, waits = files.ask()
    return documents if not waits else files.ask()[0]


def _show(source: Source, name: str, taken: Taken) -> None:
    print(f"  {name}: {taken.rows} rows, {len(taken.readings)} values, {taken.absent} not measured")
    for reading in taken.readings[:SHOWN_MAX]:
        print(f"    {_words(source, reading)}")
    if len(taken.readings) > SHOWN_MAX:
        print(f"    … {len(taken.readings) - SHOWN_MAX} more")
    for bad in taken.bad[:SHOWN_MAX]:
        column = f", column {bad.column}" if bad.column else ""
        print(f"    ✗ row {bad.row}{column}: {bad.words}")
    if len(taken.bad) + taken.bad_more > SHOWN_MAX:
        print(f"    ✗ … {len(taken.bad) + taken.bad_more - SHOWN_MAX} more")


def _words(source: Source, reading: Reading) -> str:
    quantity = next(q for q in source.quantities if q.name == reading.quantity)
    limits = ", ".join(f"{colour} {limit:g}" for colour, limit in thresholds(quantity, reading.limit))
    place = "no place" if reading.lat_deg is None else f"{reading.lat_deg:.5f} {reading.lon_deg:.5f}"
    when = (
        datetime.fromtimestamp(reading.t_utc_ms / 1_000, UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z")
    )
    age_min = (time.time() * 1_000 - reading.t_utc_ms) / 60_000
    return (
        f"{reading.station} {reading.name} ({place}): {quantity.zh} {reading.value:g} {quantity.unit}, limit "
        f"{limits or 'none'}, {when}, {age_min:.0f} min old"
    )
