"""The spool: rows kept on disk until the hub has acknowledged them.

Enters: rows, numbered here per (boot, stream), and acknowledged ranges. Leaves: rows to send, in order, and
the ranges that are held or were shed. Called by `edge.agent` and `edge.sender`, from one thread.

Lanes have budgets: events are never evicted, bulk goes first, and history is thinned before it is dropped
(`edge.spool_room`). On a full disk a reserve that was laid aside lets events commit while the oldest history goes.

SQLite in WAL mode with synchronous=FULL: a committed row survives a power cut. One transaction a second holds
the inserts and the deletions of what was acknowledged; an event commits at once, before it is sent. What was
numbered but not committed when the power goes is at most a second, and never numbered again: a start is a new boot.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgpack

from edge import spool_room
from edge.spool_room import Thinned
from protocols.catalog import Stream
from protocols.frame import RANGES_MAX, WORD_KINDS, Row

BOOTS_KEPT = 8
PENDING_ROWS_MAX = 10_000
"""Rows in memory while the disk refuses them; the oldest that are not events are shed beyond it."""
RESERVE_BYTES = 512 * 1024
"""Given up when the disk is full, so that what frees room can be written."""
RETRIES_FULL = 3
MEMORY_BYTES_MAX = 16 * 2**20
"""Some hours of rows at 1 Hz, while the agent stays small."""
_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS boots (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS rows (
  boot INTEGER NOT NULL, stream INTEGER NOT NULL, row INTEGER NOT NULL, kind INTEGER NOT NULL,
  t_mono_ms INTEGER NOT NULL, utc_zero_ms INTEGER, clock_source INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (boot, stream, row)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gaps (
  boot INTEGER NOT NULL, stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (boot, stream, first)) STRICT, WITHOUT ROWID;
"""
    + spool_room.SCHEMA
)


@dataclass(frozen=True, slots=True)
class SpoolRow:
    """A numbered row with the clock offset that was known when it was made. `step`: of so many rows one is left."""

    boot: int
    stream: int
    row: int
    kind: int
    t_mono_ms: int
    utc_zero_ms: int | None
    clock_source: int
    data: bytes
    step: int = 1

    @property
    def last(self) -> int:
        """The highest number that this row speaks for."""
        return self.row + self.step - 1

    def as_row(self) -> Row:
        flat = msgpack.unpackb(self.data)
        if self.kind in WORD_KINDS:
            return Row(self.t_mono_ms, {}, tuple(flat))
        return Row(self.t_mono_ms, dict(zip(flat[::2], flat[1::2], strict=True)))


@dataclass(slots=True)
class SpoolStats:
    """Counters since the start."""

    appended: int = 0
    acknowledged: int = 0
    shed: int = 0
    thinned: int = 0
    commits: int = 0
    commit_failures: int = 0
    quarantined: str = ""
    memory_only: str = ""


class Spool:
    """One file of rows. `open()` does the I/O; the constructor does none."""

    def __init__(self, path: Path, boot: int, bytes_max: int) -> None:
        self._path = path
        self.boot = boot
        self._bytes_max = bytes_max
        self._next: dict[int, int] = {}
        self._pending: list[SpoolRow] = []
        self._acked: list[tuple[int, int, int, int]] = []
        self._thinned: dict[int, Thinned] = {}
        self._db: sqlite3.Connection | None = None
        self.stats = SpoolStats()

    def open(self) -> None:
        """Open or make the file. A damaged one is set aside under another name and a new one is started; where the disk
        takes nothing at all, memory serves until the next start."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        had_reserve = self._reserve.exists()
        try:
            try:
                self._db = self._connect()
                self._begin_boot()
            except sqlite3.OperationalError:
                if not had_reserve:
                    raise
                self._reserve.unlink(missing_ok=True)  # the disk was filled while we were away
                self._db = self._connect()
                self._begin_boot()
        except sqlite3.OperationalError as err:
            # a full or failing disk: an agent that keeps rows in memory is better than none
            self.stats.memory_only = str(err)
            self._bytes_max = min(self._bytes_max, MEMORY_BYTES_MAX)
            self._db = self._connect(":memory:")
            self._begin_boot()
        except sqlite3.DatabaseError:
            self.stats.quarantined = self._quarantine()
            self._db = self._connect()
            self._begin_boot()
        self._lay_reserve()

    def _begin_boot(self) -> None:
        with self.db:
            self.db.execute("INSERT INTO boots (boot) VALUES (?)", (self.boot,))
            self.db.execute(
                "DELETE FROM boots WHERE boot NOT IN (SELECT boot FROM rows) AND boot NOT IN "
                "(SELECT boot FROM gaps) AND boot NOT IN "
                "(SELECT boot FROM boots ORDER BY seq DESC LIMIT ?)",
                (BOOTS_KEPT,),
            )
            self._thinned = spool_room.load(self.db)

    def _connect(self, place: str = "") -> sqlite3.Connection:
        db = sqlite3.connect(place or self._path, timeout=1.0, isolation_level="DEFERRED")
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA wal_autocheckpoint=256")
            if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("spool: quick_check failed")
            db.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def _quarantine(self) -> str:
        aside = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{self._path}{suffix}")
            if part.exists():
                os.replace(part, f"{aside}{suffix}")
        return str(aside)

    @property
    def db(self) -> sqlite3.Connection:
        assert self._db is not None, "spool: open() first"
        return self._db

    # --- in ----------------------------------------------------------------------------------------

    def append(
        self, stream: int, kind: int, row: Row, utc_zero_ms: int | None, clock_source: int
    ) -> SpoolRow:
        """Number a row. It is safe only after the next `commit`."""
        number = self._next.get(stream, 0)
        self._next[stream] = number + 1
        flat = row.words or [part for bit, value in row.values.items() for part in (bit, value)]
        made = SpoolRow(
            self.boot, stream, number, kind, row.t_mono_ms, utc_zero_ms, clock_source, msgpack.packb(flat)
        )
        self._pending.append(made)
        self.stats.appended += 1
        return made

    def forget(self, boot: int, stream: int, first: int, last: int) -> None:
        """The hub holds rows first…last of (boot, stream): drop them at the next commit."""
        self._acked.append((boot, stream, first, last))

    def commit(self) -> bool:
        """Write what waits in one transaction. False when the disk refuses: it all stays."""
        if not self._pending and not self._acked:
            return True
        for _ in range(RETRIES_FULL):
            try:
                with self.db:
                    self._write(self._pending, self._acked)
            except sqlite3.Error as err:
                if getattr(err, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL and self._free_disk():
                    continue
                break
            self._pending, self._acked = [], []
            self.stats.commits += 1
            return True
        self.stats.commit_failures += 1
        self._shed_memory()
        return False

    def _write(self, inserts: list[SpoolRow], acked: list[tuple[int, int, int, int]]) -> None:
        self.db.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (r.boot, r.stream, r.row, r.kind, r.t_mono_ms, r.utc_zero_ms, r.clock_source, r.data)
                for r in inserts
            ],
        )
        for boot, stream, first, last in acked:
            gone = self.db.execute(
                "DELETE FROM rows WHERE boot = ? AND stream = ? AND row BETWEEN ? AND ?",
                (boot, stream, first, last),
            )
            self.stats.acknowledged += gone.rowcount
            self.db.execute(
                "DELETE FROM gaps WHERE boot = ? AND stream = ? AND first >= ? AND last <= ?",
                (boot, stream, first, last),
            )
            if boot in self._thinned and stream == Stream.ROWS:
                self._close_group(boot, last)

    def _close_group(self, boot: int, last: int) -> None:
        """A row that was sent before its neighbours were thinned away was acknowledged without them."""
        step = self._thinned[boot].step(last)
        end = last - last % step + step - 1
        sql = "SELECT 1 FROM rows WHERE boot = ? AND stream = ? AND row BETWEEN ? AND ?"
        if (
            last < end
            and not self.db.execute(sql, (boot, int(Stream.ROWS), last - last % step, end)).fetchone()
        ):
            spool_room.note_gap(self.db, boot, Stream.ROWS, last + 1, end)

    # --- limits ------------------------------------------------------------------------------------

    def size_bytes(self) -> int:
        """Pages in use, in bytes: what the rows need, not what the file once grew to."""
        pages, free, size = (
            self.db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def shed(self) -> int:
        """When over the byte budget, thin history, then drop the oldest of it; how many rows went. Events stay."""
        count = 0
        try:
            while self.size_bytes() > self._bytes_max and (gone := self._make_room()):
                count += gone
        except sqlite3.Error:
            self.stats.commit_failures += 1
        return count

    def _make_room(self) -> int:
        try:
            with self.db:
                gone = spool_room.make(self.db, self._thinned)
        except sqlite3.Error:
            self._thinned = spool_room.load(self.db)
            raise
        self.stats.shed += gone
        self.stats.thinned = sum(state.shed for state in self._thinned.values())
        return gone

    def _free_disk(self) -> bool:
        """The disk is full: give up the reserve, and let the oldest history go, so that the next try has room."""
        self._reserve.unlink(missing_ok=True)
        try:
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            gone = self._make_room()
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error:
            return False
        self._lay_reserve()
        return gone > 0

    @property
    def _reserve(self) -> Path:
        return self._path.with_name(f"{self._path.name}.reserve")

    def _lay_reserve(self) -> None:
        """Room that nobody else can take. On a disk without so much there is none until the next start."""
        if self.stats.memory_only:
            return
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except OSError:
            self._reserve.unlink(missing_ok=True)

    def _shed_memory(self) -> None:
        """While the disk refuses, memory is the spool: bounded, and events outlive everything else."""
        excess = len(self._pending) - PENDING_ROWS_MAX
        if excess <= 0:
            return
        kept = []
        for row in self._pending:
            if excess > 0 and row.stream != Stream.EVENTS:
                excess -= 1
                self.stats.shed += 1
            else:
                kept.append(row)
        self._pending = kept

    # --- out ---------------------------------------------------------------------------------------

    def read(self, boot: int, stream: int, first: int, last: int, limit: int) -> list[SpoolRow]:
        """Rows first…last of (boot, stream), at most `limit`, rising; those not committed yet are included."""
        thinned = self._thinned.get(boot, Thinned()) if stream == Stream.ROWS else Thinned()
        found = self.db.execute(
            "SELECT * FROM rows WHERE boot = ? AND stream = ? AND row BETWEEN ? AND ? ORDER BY row LIMIT ?",
            (boot, stream, first, last, limit),
        ).fetchall()
        rows = [SpoolRow(*(*columns, thinned.step(columns[2]))) for columns in found]
        if boot == self.boot and len(rows) < limit:
            rows += [r for r in self._pending if r.stream == stream and first <= r.row <= last]
        return rows[:limit]

    def held(self) -> Iterator[tuple[int, int, int, int]]:
        """Every range that is on disk: (boot, stream, first, last), oldest boot first."""
        rows = self.db.execute(
            "SELECT r.boot, r.stream, r.row FROM boots b JOIN rows r ON r.boot = b.boot "
            "ORDER BY b.seq, r.stream, r.row"
        )
        yield from spool_room.runs(rows, self._thinned)

    def earlier_boots(self) -> list[int]:
        """Boots before this one that are still remembered, newest first."""
        return [
            boot
            for (boot,) in self.db.execute(
                "SELECT boot FROM boots WHERE boot != ? ORDER BY seq DESC", (self.boot,)
            )
        ]

    def gaps(self) -> list[tuple[int, int, int, int]]:
        """Ranges that were shed and that the hub has not closed yet: (boot, stream, first, last)."""
        found = self.db.execute("SELECT boot, stream, first, last FROM gaps LIMIT ?", (RANGES_MAX,))
        return [tuple(columns) for columns in found]

    def count(self) -> int:
        """Rows that wait for the hub."""
        (on_disk,) = self.db.execute("SELECT count(*) FROM rows").fetchone()
        return int(on_disk) + len(self._pending)

    def backlog_ms(self, now_ms: int) -> int:
        """How long the oldest waiting row has waited on this boot's clock; an earlier boot's counts as all of it."""
        (oldest,) = self.db.execute(
            "SELECT min(CASE WHEN boot = ? THEN t_mono_ms ELSE 0 END) FROM rows", (self.boot,)
        ).fetchone()
        return 0 if oldest is None else max(0, now_ms - oldest)

    def close(self) -> None:
        """Commit and close; the next start opens the same file."""
        if self._db is not None:
            self.commit()
            self._db.close()
            self._db = None
