"""The log: one SQLite file a UTC day, frames and coverage in the same transaction.

Enters: `Commit`s. Leaves: frames by device and time. Callers: `hub.app` (commits, on the writer's thread),
`hub.live.history` and `hub.live.rebuild` (reads, on any thread, over connections of their own).

A day's file is complete in itself for what it must not lose: coverage and clocks in use are copied into a
new segment before its first commit; those not used for CARRY_DAYS go to the archive, `coverage.db`, first.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
from sqlite_utils import Database

from hub.store import mending
from hub.store.files import naming, open_reader, open_writer, signed, unsigned
from hub.store.interface import ClockRow, Commit, CoverageRow, LogFrame
from hub.store.migrations import Step, migrate
from protocols import narrow
from protocols.units import MS_PER_DAY

CARRY_DAYS = 30
_COLUMNS = (
    "t_hub_ms, device, boot, stream, row, n, lane, kind, t_first_utc_ms, t_last_utc_ms, fresh, refused, raw"
)
_INSERT = f"INSERT INTO frames ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
_COVER = (
    "INSERT INTO coverage (device, boot, stream, closed, gaps, t_used_ms) VALUES (?,?,?,?,?,?)"
    " ON CONFLICT (device, boot, stream)"
    " DO UPDATE SET closed = excluded.closed, gaps = excluded.gaps, t_used_ms = excluded.t_used_ms"
)
_CLOCK = (
    "INSERT INTO clocks (device, boot, utc_zero_ms, t_used_ms) VALUES (?,?,?,?)"
    " ON CONFLICT (device, boot) DO UPDATE SET utc_zero_ms = excluded.utc_zero_ms, t_used_ms = excluded.t_used_ms"
)
_STATE_TABLES = """
CREATE TABLE coverage (device INTEGER, boot INTEGER, stream INTEGER, closed BLOB, gaps BLOB,
                       t_used_ms INTEGER, PRIMARY KEY (device, boot, stream)) WITHOUT ROWID;
CREATE TABLE clocks (device INTEGER, boot INTEGER, utc_zero_ms INTEGER, t_used_ms INTEGER,
                     PRIMARY KEY (device, boot)) WITHOUT ROWID;
"""
_packer = msgpack.Packer()  # of the writer's thread


def _first_schema(db: Database) -> None:
    db.table("frames").create(
        {
            "id": int,
            "t_hub_ms": int,
            "device": int,
            "boot": int,
            "stream": int,
            "row": int,
            "n": int,
            "lane": int,
            "kind": int,
            "t_first_utc_ms": int,
            "t_last_utc_ms": int,
            "fresh": bytes,
            "refused": int,
            "raw": bytes,
        },
        pk="id",
    )
    db.execute("CREATE INDEX frames_by_device ON frames (device, t_first_utc_ms)")
    db.execute("CREATE INDEX frames_undated ON frames (device, boot) WHERE t_first_utc_ms IS NULL AND n > 0")
    db.execute("CREATE INDEX frames_events ON frames (id) WHERE kind = 2")
    _state_schema(db)


def _state_schema(db: Database) -> None:
    for statement in _STATE_TABLES.split(";"):
        if statement.strip():
            db.execute(statement)


def _heard_schema(db: Database) -> None:
    """What devices heard of others is read back at a start, without reading all the rest."""
    db.execute("CREATE INDEX frames_heard ON frames (id) WHERE kind IN (3, 11)")


def _links_schema(db: Database) -> None:
    db.execute("CREATE INDEX frames_links ON frames (id) WHERE kind = 12")


def _texts_schema(db: Database) -> None:
    db.execute("CREATE INDEX frames_texts ON frames (id) WHERE kind = 8")


SEGMENT_STEPS: tuple[Step, ...] = (_first_schema, _heard_schema, _links_schema, _texts_schema)
ARCHIVE_STEPS: tuple[Step, ...] = (_state_schema,)


def day_of(t_utc_ms: int) -> str:
    """2026-11-23"""
    return datetime.fromtimestamp(t_utc_ms / 1000, UTC).strftime("%Y-%m-%d")


class SegmentLog:
    """The log in a folder of day files. One thread commits; any thread reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._day = ""
        self.damage: list[str] = []
        """What was found damaged at the start, in words."""
        self._db: Database | None = None
        self._archive: Database | None = None
        self._lock = threading.RLock()
        """Guards the writing connections, so that coverage can be looked up from the loop's thread."""

    def open(self, now_ms: int) -> None:
        """Open the segment of `now_ms`, or the newest there is when that is later (a clock set back)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            path = self.folder.parent / "coverage.db"
            self._archive = open_writer(path)
            with naming(path):
                migrate(self._archive, ARCHIVE_STEPS, now_ms)
            self._recover(now_ms)
            self._roll(now_ms)

    def _recover(self, now_ms: int) -> None:
        """After a power cut a file may have to be rolled back first, which a reader may not do, or be without
        tables."""
        newest = self.days()[-3:]
        self.damage = []
        for day in self.days():
            path = self.path(day)
            self.damage.append(mending.mend(path, now_ms))
            left = any(path.with_name(f"{path.name}-{rest}").exists() for rest in ("journal", "wal"))
            if left or day in newest:
                db = open_writer(path)
                with naming(path):
                    migrate(db, SEGMENT_STEPS, now_ms)
                db.close()
                self.damage.append(mending.check(path))
                if self.damage[-1]:
                    make: Callable[[Database], None] = lambda new: migrate(new, SEGMENT_STEPS, now_ms)  # noqa: E731
                    self.damage.append(mending.rebuild(path, now_ms, make))
        self.damage = [words for words in self.damage if words]

    def days(self) -> list[str]:
        """The days that have a segment, oldest first."""
        return sorted(path.stem for path in self.folder.glob("????-??-??.db"))

    def path(self, day: str) -> Path:
        return self.folder / f"{day}.db"

    def close(self) -> None:
        with self._lock:
            for db in (self._db, self._archive):
                if db is not None:
                    db.close()
            self._db = self._archive = None

    # --- writing -------------------------------------------------------------------------------------

    def commit(self, commit: Commit) -> None:
        """One transaction: frames, coverage, clocks, and the dating of earlier frames by new clocks."""
        frames = [
            (
                f.t_hub_ms, f.device, signed(f.boot), f.stream, f.row, f.n, f.lane, f.kind,
                f.t_first_utc_ms, f.t_last_utc_ms, f.fresh and msgpack.packb(f.fresh), f.refused, f.raw,
            )
            for f in commit.frames
        ]  # fmt: skip
        with self._lock:
            self._roll(commit.t_hub_ms)
            db = self._writer()
            with naming(self.path(self._day)), db.atomic():
                conn = db.conn
                conn.executemany(_INSERT, frames)
                conn.executemany(_COVER, [_coverage_values(row, commit.t_hub_ms) for row in commit.coverage])
                clocks = [(c.device, signed(c.boot), c.utc_zero_ms, commit.t_hub_ms) for c in commit.clocks]
                conn.executemany(_CLOCK, clocks)
                redate = [clock for clock in commit.clocks if clock.redate]
                for clock in redate:
                    date_frames(db, clock)
        if redate:
            self._date_earlier_segments(redate)

    def _writer(self) -> Database:
        assert self._db is not None, "the log is not open"
        return self._db

    def _roll(self, now_ms: int) -> None:
        day = day_of(now_ms)
        if day <= self._day:
            return  # also when the clock was set back: a segment is never reopened by time
        days = self.days()
        newest = days[-1] if days else ""
        if self._day == "" and newest > day:
            day = newest
        db = open_writer(self.path(day))
        with naming(self.path(day)):
            migrate(db, SEGMENT_STEPS, now_ms)
            if not db.execute("SELECT 1 FROM coverage LIMIT 1").fetchone():
                self._carry(db, [earlier for earlier in days if earlier < day], now_ms)
        if self._db is not None:
            self._db.close()
        self._db, self._day = db, day

    def _carry(self, db: Database, earlier: list[str], now_ms: int) -> None:
        """Copy what is in use from the segment before; put the rest into the archive first. All in one transaction: a
        power cut leaves nothing half carried. One that hit the making of a segment left it empty: it is passed over."""
        least_ms = now_ms - CARRY_DAYS * MS_PER_DAY
        archive = self._archive
        assert archive is not None
        for day in reversed(earlier):
            tables = ("coverage", "?,?,?,?,?,?"), ("clocks", "?,?,?,?")
            found = [
                (table, marks, self._query(day, f"SELECT * FROM {table}", [])) for table, marks in tables
            ]
            rows = [(table, marks, list(each)) for table, marks, each in found]
            if not rows[0][2]:
                continue
            with archive.atomic(), db.atomic():
                for table, marks, each in rows:
                    sql = f"INSERT OR REPLACE INTO {table} VALUES ({marks})"
                    archive.conn.executemany(sql, [row for row in each if row[-1] < least_ms])
                    db.conn.executemany(sql, [row for row in each if row[-1] >= least_ms])
            return

    def _date_earlier_segments(self, clocks: list[ClockRow]) -> None:
        """A boot may have begun on an earlier day than its clock. Repeatable, so outside the transaction."""
        for day in self.days()[-3:]:
            if day == self._day:
                continue
            db = open_writer(self.path(day))
            with naming(self.path(day)), db.atomic():
                for clock in clocks:
                    date_frames(db, clock)
            db.close()

    # --- looking up ----------------------------------------------------------------------------------

    def coverage(self, device: int, boot: int, stream: int) -> CoverageRow | None:
        key = [device, signed(boot), stream]
        sql = "SELECT closed, gaps FROM coverage WHERE device = ? AND boot = ? AND stream = ?"
        found = self._find(sql, key)
        if found is None:
            return None
        return CoverageRow(device, boot, stream, msgpack.unpackb(found[0]), msgpack.unpackb(found[1]))

    def clock(self, device: int, boot: int) -> int | None:
        found = self._find(
            "SELECT utc_zero_ms FROM clocks WHERE device = ? AND boot = ?", [device, signed(boot)]
        )
        return None if found is None else int(found[0])

    def _find(self, sql: str, key: list[int]) -> tuple[Any, ...] | None:
        with self._lock:
            for db in (self._writer(), self._archive):
                assert db is not None
                found: tuple[Any, ...] | None = db.execute(sql, key).fetchone()
                if found is not None:
                    return found
        return None

    # --- reading -------------------------------------------------------------------------------------

    def frames(self, device: int, from_utc_ms: int, to_utc_ms: int) -> Iterator[LogFrame]:
        sql = (
            f"SELECT {_COLUMNS} FROM frames WHERE device = ? AND t_first_utc_ms <= ? AND t_last_utc_ms >= ?"
            " AND refused IN (0, 12) ORDER BY id"
        )
        for day in self.days():
            # A row is never committed before it was made (beyond the quarantine of 30 s).
            if day >= day_of(max(from_utc_ms - 60_000, 0)):
                yield from self._read(day, sql, [device, to_utc_ms, from_utc_ms])

    def all_frames(self, from_utc_ms: int, to_utc_ms: int) -> Iterator[LogFrame]:
        sql = (
            f"SELECT {_COLUMNS} FROM frames WHERE n > 0 AND refused IN (0, 12) AND"
            " ((t_first_utc_ms <= ? AND t_last_utc_ms >= ?)"
            " OR ((t_first_utc_ms IS NULL OR refused = 12) AND t_hub_ms BETWEEN ? AND ?)) ORDER BY id"
        )
        for day in self.days():
            if day >= day_of(max(from_utc_ms - 60_000, 0)):
                yield from self._read(day, sql, [to_utc_ms, from_utc_ms, from_utc_ms, to_utc_ms])

    def newest(self, t_least_hub_ms: int, most: int) -> Iterator[LogFrame]:
        """Per device its `most` latest usable frames by time, from the segments since `t_least_hub_ms`."""
        sql = (
            f"SELECT {_COLUMNS} FROM frames WHERE id IN (SELECT id FROM frames"
            " WHERE device = ? AND refused IN (0, 12) AND n > 0 AND kind NOT IN (3, 8, 11, 12)"
            " ORDER BY t_first_utc_ms DESC LIMIT ?)"
        )
        for day in self.days():
            if day < day_of(t_least_hub_ms):
                continue
            for (device,) in self._query(day, "SELECT DISTINCT device FROM frames", []):
                yield from self._read(day, sql, [device, most])

    def events(self) -> Iterator[LogFrame]:
        for day in self.days():
            yield from self._read(
                day, f"SELECT {_COLUMNS} FROM frames WHERE kind = 2 AND refused IN (0, 12)", []
            )

    def heard(self, t_least_hub_ms: int, most: int) -> Iterator[LogFrame]:
        """What devices heard of others since `t_least_hub_ms`, newest first."""
        yield from self._newest_first("kind IN (3, 11)", t_least_hub_ms, most)

    def links(self, t_least_hub_ms: int, most: int) -> Iterator[LogFrame]:
        """How gateways' bearers did since `t_least_hub_ms`, newest first."""
        yield from self._newest_first("kind = 12", t_least_hub_ms, most)

    def texts(self, t_least_hub_ms: int, most: int) -> Iterator[LogFrame]:
        """What wearers wrote since `t_least_hub_ms`, newest first."""
        yield from self._newest_first("kind = 8", t_least_hub_ms, most)

    def _newest_first(self, which: str, t_least_hub_ms: int, most: int) -> Iterator[LogFrame]:
        sql = (
            f"SELECT {_COLUMNS} FROM frames WHERE {which} AND refused IN (0, 12) AND t_hub_ms >= ?"
            " ORDER BY id DESC LIMIT ?"
        )
        for day in reversed(self.days()):
            if day < day_of(t_least_hub_ms):
                return
            for stored in self._read(day, sql, [t_least_hub_ms, most]):
                most -= 1
                yield stored

    def _read(self, day: str, sql: str, arguments: list[int]) -> Iterator[LogFrame]:
        for row in self._query(day, sql, arguments):
            fresh = row[10] and _flat(row[10])
            yield LogFrame._make([*row[:2], unsigned(row[2]), *row[3:10], fresh, *row[11:]])

    def _query(self, day: str, sql: str, arguments: list[int]) -> Iterator[tuple[Any, ...]]:
        path = self.path(day)
        if not path.exists():
            return  # retention took it between the listing and now
        db = open_reader(path)
        try:
            with naming(path):
                yield from db.execute(sql, arguments)
        finally:
            db.close()


def _flat(packed: bytes) -> list[int]:
    """Ranges as they were stored; [-1] for what is damaged, which fits no frame."""
    try:
        flat = msgpack.unpackb(packed)
    except (ValueError, msgpack.UnpackException):
        return [-1]
    whole = isinstance(flat, list) and all(isinstance(number, int) for number in flat)
    return flat if whole else [-1]


def _coverage_values(row: CoverageRow, t_used_ms: int) -> tuple[object, ...]:
    closed, gaps = _packer.pack(row.closed), _packer.pack(row.gaps)
    return (row.device, signed(row.boot), row.stream, closed, gaps, t_used_ms)


def date_frames(db: Database, clock: ClockRow) -> None:
    """Date the frames of a boot that came before its clock was known. Their times are on the boot's clock."""
    sql = (
        "SELECT id, raw FROM frames WHERE device = ? AND boot = ? AND t_first_utc_ms IS NULL AND n > 0"
        " AND refused IN (0, 12)"
    )
    boot = signed(clock.boot)
    dated = []
    for frame_id, raw in db.execute(sql, [clock.device, boot]).fetchall():
        first, last = mono_span(raw)
        dated.append((first + clock.utc_zero_ms, last + clock.utc_zero_ms, frame_id))
    db.conn.executemany("UPDATE frames SET t_first_utc_ms = ?, t_last_utc_ms = ? WHERE id = ?", dated)


def mono_span(raw: bytes) -> tuple[int, int]:
    """The earliest and latest time of a stored frame on its boot's clock, ms. It was decoded once before."""
    if narrow.is_narrow(raw):
        times = narrow.times_ms(raw)
        return min(times), max(times)
    elements = msgpack.Unpacker()
    elements.feed(raw)
    frame = elements.unpack()
    t0, dt, n = frame[5], frame[7], frame[8]
    times = [t0]
    for i in range(n - 1):
        times.append(times[-1] + (dt if isinstance(dt, int) else dt[i]))
    return min(times), max(times)
