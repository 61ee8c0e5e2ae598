"""Rows of a damaged spool, saved: everything that can still be read, and as it was made, goes into a spool again.

Enters: a spool's file that was set aside, with its write-ahead log. Leaves: rows in an open spool file, which the agent
sends as those of earlier boots; a report. Called by `zhantu-edge salvage`, and by `edge.spool` for small files.

The pages are read one by one (`edge.sqlite_pages`), whatever became of the tree above them; a row counts when its own
checksum says so. A file of before there were checksums gives rows that make sense. Rows that the hub had acknowledged
already may be among them: it knows them. What is missing the hub learns at the next connection, because the agent then
says which rows of earlier boots it holds.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import msgpack

from edge import spool_file, sqlite_pages
from edge.spool_row import COLUMNS, SpoolRow
from protocols.catalog import Kind, Stream
from protocols.intervals import Intervals
from protocols.sqlite_wal import Frame, wal_frames

BATCH_ROWS = 5_000
RANGES_SHOWN_MAX = 100
WAL_BYTES_MAX = 64 * 2**20


class Saved(NamedTuple):
    """A row, and whether its checksum proves it."""

    row: SpoolRow
    proven: bool


@dataclass(slots=True)
class Span:
    """What was saved of one stream of one boot. Times in ms of the boot's clock."""

    rows: Intervals = field(default_factory=Intervals)
    t_first_ms: int = 2**62
    t_last_ms: int = 0
    utc_zero_ms: int | None = None

    def add(self, row: SpoolRow) -> None:
        self.rows.add(row.row, row.row)
        self.t_first_ms, self.t_last_ms = (
            min(self.t_first_ms, row.t_mono_ms),
            max(self.t_last_ms, row.t_mono_ms),
        )
        self.utc_zero_ms = self.utc_zero_ms if row.utc_zero_ms is None else row.utc_zero_ms

    def missing(self) -> list[tuple[int, int]]:
        """Rows between the first and the last that are not there: acknowledged before, shed, or lost."""
        ranges = list(self.rows)
        return [(a[1] + 1, b[0] - 1) for a, b in pairwise(ranges)]


@dataclass(slots=True)
class Report:
    """`rows` were saved, `added` of them were not in the spool yet, `unproven` have no checksum."""

    rows: int = 0
    added: int = 0
    unproven: int = 0
    spans: dict[tuple[int, int], Span] = field(default_factory=lambda: defaultdict(Span))

    def note(self, saved: Saved) -> None:
        self.rows += 1
        self.unproven += not saved.proven
        self.spans[saved.row.boot, saved.row.stream].add(saved.row)

    def boots(self) -> list[int]:
        """Newest first; those without a clock are taken to be oldest."""
        zeros: dict[int, int] = {}
        for (boot, _), span in self.spans.items():
            zeros[boot] = max(zeros.get(boot, -1), -1 if span.utc_zero_ms is None else span.utc_zero_ms)
        return sorted(zeros, key=zeros.__getitem__, reverse=True)


# --- reading -----------------------------------------------------------------------------------------


def rows_of(path: Path) -> Iterator[Saved]:
    """Every row that can be read of a file and its log. The same row may come more than once."""
    with path.open("rb") as file:
        size = sqlite_pages.page_bytes(file.read(100))

        def read_page(number: int) -> bytes:
            file.seek((number - 1) * size)
            return file.read(size)

        number = 1
        while page := read_page(number):
            yield from _rows_in(page, read_page)
            number += 1
    yield from rows_of_wal(wal_frames(read_wal(path)))


def read_wal(path: Path) -> bytes:
    """The write-ahead log of a file, as far as WAL_BYTES_MAX; b"" where there is none."""
    try:
        with Path(f"{path}-wal").open("rb") as file:
            return file.read(WAL_BYTES_MAX)
    except OSError:
        return b""


def rows_of_wal(frames: list[Frame]) -> Iterator[Saved]:
    """Rows of the newest image of each page in a log."""
    newest = {frame.page: frame.data for frame in frames}
    for page in newest.values():
        yield from _rows_in(page, lambda number: newest.get(number, b""))


def _rows_in(page: bytes, read_page: sqlite_pages.ReadPage) -> Iterator[Saved]:
    for values in sqlite_pages.records(page, read_page):
        if (saved := _as_row(values)) is not None:
            yield saved


def _as_row(values: list[sqlite_pages.Value]) -> Saved | None:
    """A record as a row of the spool; None when it is none, or not as it was made."""
    if len(values) not in (8, 9) or not isinstance(values[7], bytes):
        return None
    boot, stream, number, kind, t_mono_ms, zero_ms, source = values[:7]
    numbers = (boot, stream, number, kind, t_mono_ms, source)
    if not all(isinstance(value, int) for value in numbers) or isinstance(zero_ms, bytes):
        return None
    row = SpoolRow(*values[:8])  # type: ignore[arg-type]
    if len(values) == 9 and values[8] is not None:
        return Saved(row, True) if row.sum == values[8] else None
    try:
        Stream(row.stream), Kind(row.kind)
        row.as_row()
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    return Saved(row, False) if row.row >= 0 and row.t_mono_ms >= 0 else None


# --- saving ------------------------------------------------------------------------------------------


def save(found: Iterable[Saved], db: sqlite3.Connection) -> Report:
    """Put rows into an open spool file, as rows of boots before all that it knows. Done twice it adds nothing."""
    report, rest = Report(), iter(found)
    marks = ", ".join("?" * len(COLUMNS.split(",")))
    while batch := list(islice(rest, BATCH_ROWS)):
        with db:
            before = db.total_changes
            db.executemany(
                f"INSERT OR IGNORE INTO rows ({COLUMNS}) VALUES ({marks})", [s.row.columns for s in batch]
            )
            report.added += db.total_changes - before
        for saved in batch:
            report.note(saved)
    with db:
        db.executemany(
            "INSERT OR IGNORE INTO boots (seq, boot) VALUES ((SELECT coalesce(min(seq), 1) - 1 FROM boots), ?)",
            [(boot,) for boot in report.boots()],
        )
    return report


def salvage(path: Path, into: Path) -> Report:
    """All that can be read of `path`, into the spool file `into`, which is made where there is none."""
    db = spool_file.connect(into)
    try:
        return save(rows_of(path), db)
    finally:
        db.close()


# --- telling -----------------------------------------------------------------------------------------


def as_json(report: Report) -> dict[str, object]:
    """One object: see docs/reliability.md."""
    spans = []
    for (boot, stream), span in sorted(report.spans.items()):
        zero_ms, missing = span.utc_zero_ms, span.missing()
        spans.append(
            {
                "boot": f"{boot:016x}", "stream": Stream(stream).name.lower(), "rows": span.rows.total(),
                "first": span.rows.first()[0], "last": span.rows.last()[1],
                "t_first_utc_ms": zero_ms and zero_ms + span.t_first_ms,
                "t_last_utc_ms": zero_ms and zero_ms + span.t_last_ms,
                "missing": missing[:RANGES_SHOWN_MAX],
                "missing_rows": sum(last - first + 1 for first, last in missing),
            }
        )  # fmt: skip
    return {"rows": report.rows, "added": report.added, "unproven": report.unproven, "spans": spans}


def as_text(report: Report) -> str:
    """The same for a person."""
    from edge.identity import when

    lines = [f"{report.rows} rows read, {report.added} of them new in the spool"]
    if report.unproven:
        lines.append(f"{report.unproven} without a checksum: taken because they make sense")
    for (boot, stream), span in sorted(report.spans.items()):
        zero_ms = span.utc_zero_ms
        times = "time unknown"
        if zero_ms is not None:
            times = f"{when(zero_ms + span.t_first_ms)} to {when(zero_ms + span.t_last_ms)}"
        lines.append(
            f"boot {boot:016x} {Stream(stream).name.lower()}: {span.rows.total()} rows, numbers "
            f"{span.rows.first()[0]}–{span.rows.last()[1]}, {times}"
        )
        missing = span.missing()
        shown = ", ".join(f"{a}–{b}" for a, b in missing[:RANGES_SHOWN_MAX])
        if missing:
            more = " and more" if len(missing) > RANGES_SHOWN_MAX else ""
            lines.append(f"    between them are missing (acknowledged before, shed or lost): {shown}{more}")
    return "\n".join(lines)
