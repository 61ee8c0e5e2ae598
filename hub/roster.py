"""Rosters: lines of CSV into units with their devices.

Enters: text with the columns `device,callsign,kind,branch,team[,stale_s,lost_s,agency]`. Leaves: entries for
`Registry.enrol`. Pure. RosterError says file, line, what came and what is allowed; nothing is taken in part.
"""

import csv
from collections.abc import Iterator

from hub.errors import RosterError
from hub.store.interface import UnitRow
from protocols.topics import DEVICE_MAX

KINDS = ("person", "vehicle", "drone", "vessel", "base")
BRANCHES = ("fire", "medical", "mine", "flood", "hazmat", "police", "command", "other")
NEEDED = ("device", "callsign", "kind", "branch", "team")
ALLOWED = (*NEEDED, "stale_s", "lost_s", "agency")
NAME_CHARS_MAX = 40
SECONDS_MAX = 86_400
ROWS_MAX = 200_000
STALE_S, LOST_S = 30, 300

Entry = tuple[int, UnitRow]


def parse(text: str, name: str) -> list[Entry]:
    """All entries of a CSV file called `name`."""
    lines = csv.reader(text.removeprefix("﻿").splitlines())
    header = [cell.strip() for cell in next(lines, [])]
    missing = [column for column in NEEDED if column not in header]
    unknown = [column for column in header if column not in ALLOWED]
    if missing or unknown or len(set(header)) != len(header):
        raise RosterError(f"{name}: line 1: columns {','.join(header)!r}, allowed are {','.join(ALLOWED)}")
    entries = list(_entries(lines, header, name))
    if not entries:
        raise RosterError(f"{name}: no units in it")
    return entries


def _entries(lines: Iterator[list[str]], header: list[str], name: str) -> Iterator[Entry]:
    seen: dict[int, int] = {}
    for number, cells in enumerate(lines, 2):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{name}: line {number}"
        if len(cells) != len(header) or number > ROWS_MAX:
            raise RosterError(
                f"{where}: {len(cells)} columns, {len(header)} needed (at most {ROWS_MAX} lines)"
            )
        device, unit = entry(dict(zip(header, map(str.strip, cells), strict=True)), where)
        if device in seen:
            raise RosterError(f"{where}: device {device} stands on line {seen[device]} already")
        seen[device] = number
        yield device, unit


def entry(values: dict[str, str], where: str) -> Entry:
    """One entry. Absent or empty stale_s and lost_s take their defaults."""
    device = _whole(values["device"], where, "device", 1, DEVICE_MAX)
    callsign = _name(values["callsign"], where, "callsign")
    if not callsign:
        raise RosterError(f"{where}: callsign is empty, 1–{NAME_CHARS_MAX} characters needed")
    stale_s = _whole(values.get("stale_s") or str(STALE_S), where, "stale_s", 1, SECONDS_MAX)
    lost_s = _whole(values.get("lost_s") or str(max(LOST_S, stale_s)), where, "lost_s", 1, SECONDS_MAX)
    if lost_s < stale_s:
        raise RosterError(f"{where}: lost_s {lost_s} is less than stale_s {stale_s}")
    kind = _one_of(values["kind"] or "person", where, "kind", KINDS)
    branch = _one_of(values["branch"] or "other", where, "branch", BRANCHES)
    team = _name(values["team"], where, "team")
    agency = _name(values.get("agency", ""), where, "agency")
    return device, UnitRow("", callsign, kind, branch, team, stale_s, lost_s, agency)


def _whole(text: str, where: str, column: str, lo: int, hi: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and lo <= int(text) <= hi):
        raise RosterError(f"{where}: {column} {text[:20]!r}, a whole number {lo}–{hi} is needed")
    return int(text)


def _one_of(text: str, where: str, column: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise RosterError(f"{where}: {column} {text[:20]!r}, allowed are {', '.join(allowed)}")
    return text


def _name(text: str, where: str, column: str) -> str:
    if len(text) > NAME_CHARS_MAX or not text.isprintable():
        raise RosterError(
            f"{where}: {column} {text[:50]!r}, at most {NAME_CHARS_MAX} printable characters allowed"
        )
    return text
