"""Room in a full spool: history is thinned before it is dropped, and every row that goes is accounted for.

Enters: the spool's database. Leaves: fewer rows, a note of how far each boot is thinned, and gap records. Called by
`edge.spool` alone, inside its transactions. Events are never touched.

Of the oldest half every second row goes, then, of the oldest of these, all but every tenth; only then are the oldest
dropped. What is left is sent in frames with a step (`protocols.frame`), which say themselves that the rows between
will never come. Where nobody is left to say so, a gap record does.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from protocols.catalog import Stream

STEPS = (2, 10)
"""Of how many rows one is left, lightly and hard thinned. Each divides the next."""
BATCH_ROWS = 1_200
LIGHT_SHARE, HARD_SHARE = 0.5, 0.5
"""Thin while more than this share of all rows is whole; thin hard while more than this share of the rest is light."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS thinned (
  boot INTEGER PRIMARY KEY, light INTEGER NOT NULL, hard INTEGER NOT NULL, shed INTEGER NOT NULL) STRICT;
"""
Key = tuple[int, int]


class Thinned(NamedTuple):
    """Of one boot's rows: those below `hard` are left 1 of 10, below `light` 1 of 2; `shed` are gone by this."""

    light: int = 0
    hard: int = 0
    shed: int = 0

    def step(self, row: int) -> int:
        """One of how many rows is left around `row`."""
        return STEPS[1] if row < self.hard else STEPS[0] if row < self.light else 1


def load(db: sqlite3.Connection) -> dict[int, Thinned]:
    """Boot -> how far it is thinned."""
    db.execute(
        "DELETE FROM thinned WHERE boot NOT IN (SELECT boot FROM rows) AND boot NOT IN (SELECT boot FROM boots)"
    )
    return {row[0]: Thinned(*row[1:]) for row in db.execute("SELECT boot, light, hard, shed FROM thinned")}


def make(db: sqlite3.Connection, thinned: dict[int, Thinned]) -> int:
    """One batch less, by the mildest way there still is; how many rows went. 0: only events are left."""
    bulk = _oldest(db, Stream.BULK)
    if bulk:
        return _drop(db, bulk)
    whole, light, hard = _counts(db, thinned)
    total = whole + light + hard
    if whole > LIGHT_SHARE * total and (gone := _thin(db, thinned, STEPS[0])):
        return gone
    if light > HARD_SHARE * (light + hard) and (gone := _thin(db, thinned, STEPS[1])):
        return gone
    return _drop(db, _oldest(db, Stream.ROWS))


def note_gap(db: sqlite3.Connection, boot: int, stream: int, first: int, last: int) -> None:
    """Remember rows that will never be sent; it grows the gap before it when there is one."""
    joined = db.execute(
        "UPDATE gaps SET last = ? WHERE boot = ? AND stream = ? AND last = ?", (last, boot, stream, first - 1)
    )
    if joined.rowcount == 0:
        db.execute("INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)", (boot, stream, first, last))


def runs(
    rows: Iterable[tuple[int, int, int]], thinned: dict[int, Thinned]
) -> Iterator[tuple[int, int, int, int]]:
    """(boot, stream, row) in order, joined to (boot, stream, first, last); a row speaks for its whole step."""
    run: tuple[int, int, int, int] | None = None
    for boot, stream, row in rows:
        step = thinned[boot].step(row) if boot in thinned and stream == Stream.ROWS else 1
        last = row + step - 1 if row % step == 0 else row
        if run is not None and run[:2] == (boot, stream) and run[3] == row - 1:
            run = (boot, stream, run[2], last)
            continue
        if run is not None:
            yield run
        run = (boot, stream, row, last)
    if run is not None:
        yield run


def _oldest(db: sqlite3.Connection, stream: Stream) -> list[tuple[int, int, int]]:
    return db.execute(
        "SELECT r.boot, r.stream, r.row FROM boots b JOIN rows r ON r.boot = b.boot "
        "WHERE r.stream = ? ORDER BY b.seq, r.row LIMIT ?",
        (int(stream), BATCH_ROWS),
    ).fetchall()


def _counts(db: sqlite3.Connection, thinned: dict[int, Thinned]) -> tuple[int, int, int]:
    """Rows held whole, light, hard."""
    counts = [0, 0, 0]
    for (boot,) in db.execute("SELECT boot FROM boots").fetchall():
        state = thinned.get(boot, Thinned())
        for place, lo, hi in ((2, 0, state.hard), (1, state.hard, state.light), (0, state.light, 2**62)):
            if lo < hi:
                sql = "SELECT count(*) FROM rows WHERE boot = ? AND stream = ? AND row >= ? AND row < ?"
                counts[place] += db.execute(sql, (boot, int(Stream.ROWS), lo, hi)).fetchone()[0]
    return counts[0], counts[1], counts[2]


def _thin(db: sqlite3.Connection, thinned: dict[int, Thinned], step: int) -> int:
    """The oldest batch of rows that is not thinned so far yet. Its end is a multiple of every step."""
    hard = step == STEPS[1]
    for (boot,) in db.execute("SELECT boot FROM boots ORDER BY seq").fetchall():
        state = thinned.get(boot, Thinned())
        start, top = (state.hard, state.light) if hard else (state.light, 2**62)
        sql = (
            "SELECT row FROM rows WHERE boot = ? AND stream = ? AND row >= ? AND row < ? ORDER BY row LIMIT ?"
        )
        found = [row for (row,) in db.execute(sql, (boot, int(Stream.ROWS), start, top, BATCH_ROWS))]
        end = (found[-1] + 1) // STEPS[1] * STEPS[1] if found else 0
        found = [row for row in found if row < end]
        if not found or end <= start:
            continue
        gone = _thin_rows(db, boot, found, step, state)
        light = max(state.light, end)
        thinned[boot] = Thinned(light, end if hard else state.hard, state.shed + gone)
        db.execute("INSERT OR REPLACE INTO thinned VALUES (?, ?, ?, ?)", (boot, *thinned[boot]))
        if gone:
            return gone
    return 0


def _thin_rows(db: sqlite3.Connection, boot: int, rows: list[int], step: int, state: Thinned) -> int:
    """Keep each group's first row. A group without it has nobody to speak for the others: they become a gap."""
    held = set(rows)
    gone = [row for row in rows if row % step]
    sql = "DELETE FROM rows WHERE boot = ? AND stream = ? AND row = ?"
    db.executemany(sql, [(boot, int(Stream.ROWS), row) for row in gone])
    for row in gone:
        if row - row % step not in held:
            before = state.step(row)
            note_gap(db, boot, Stream.ROWS, row, row + before - 1 if row % before == 0 else row)
    return len(gone)


def _drop(db: sqlite3.Connection, rows: list[tuple[int, int, int]]) -> int:
    """The oldest go, and are remembered as gaps."""
    for boot, stream, first, last in runs(rows, load(db)):
        db.execute(
            "DELETE FROM rows WHERE boot = ? AND stream = ? AND row BETWEEN ? AND ?",
            (boot, stream, first, last),
        )
        note_gap(db, boot, stream, first, last)
    return len(rows)
