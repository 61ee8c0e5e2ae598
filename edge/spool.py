"""The spool: rows kept on disk until the hub has acknowledged them.

Enters: rows, numbered here per (boot, stream), and acknowledged ranges. Leaves: rows to send, in order, and
the ranges that are held or were shed. Called by `edge.agent` and `edge.sender`, from one thread.

Lanes have budgets: events are never evicted, bulk goes first, and history is thinned before it is dropped
(`edge.spool_room`). On a full disk a reserve that was laid aside lets events commit while the oldest history goes.

SQLite in WAL mode with synchronous=FULL: a committed row survives a power cut. One transaction a second holds
the inserts and the deletions of what was acknowledged; an event commits at once, before it is sent. What was
numbered but not committed when the power goes is at most a second, and never numbered again: a start is a new boot.
A row whose checksum does not hold (`edge.spool_row`) is not sent: it becomes a gap.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from edge import salvage, spool_file, spool_room
from edge.spool_room import Thinned
from edge.spool_row import COLUMNS
from edge.spool_row import SpoolRow as SpoolRow
from protocols import sqlite_wal
from protocols.catalog import Stream
from protocols.frame import RANGES_MAX, Row
from protocols.intervals import Intervals

BOOTS_KEPT = 8
PENDING_ROWS_MAX = 10_000
"""Rows in memory while the disk refuses them; the oldest that are not events are shed beyond it."""
RETRIES_FULL = 3
BATCHES_MAX = 100
FREE_BYTES_MIN = 512 * 1024
"""Room for commits and for thinning: with less of it on the disk and in the file's free pages, history goes. Going by
a full disk alone, each filling of the log would cost a batch of history, though the file had room."""
MEMORY_BYTES_MAX = 16 * 2**20
"""Some hours of rows at 1 Hz, while the agent stays small."""
SALVAGE_BYTES_MAX = 16 * 2**20
"""A damaged file as large as this is salvaged at once, in some seconds; of a larger one a person decides."""
TOLD_COMMITS = 60
"""So many commits after a start that found damage, SPOOL_FAULT stands at least."""


@dataclass(slots=True)
class SpoolStats:
    """Counters since the start."""

    appended: int = 0
    acknowledged: int = 0
    shed: int = 0
    thinned: int = 0
    commits: int = 0
    commit_failures: int = 0
    damaged_rows: int = 0
    salvaged_rows: int = 0
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
        self._lost: defaultdict[tuple[int, int], Intervals] = defaultdict(Intervals)
        self._refuses = self._damage_left = False
        self._told_until = 0
        self._thinned: dict[int, Thinned] = {}
        self._db: sqlite3.Connection | None = None
        self.stats = SpoolStats()

    def open(self) -> None:
        """Open or make the file. A damaged one is set aside under another name and a new one is started, into which
        a small one's rows are saved; where the disk takes nothing at all, memory serves until the next start."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        had_reserve = self._reserve.exists()
        frames = sqlite_wal.wal_frames(salvage.read_wal(self._path))
        try:
            try:
                self._db = spool_file.connect(self._path)
                self._begin_boot()
            except sqlite3.OperationalError:
                if not had_reserve:
                    raise
                self._reserve.unlink(missing_ok=True)  # the disk was filled while we were away
                self._db = spool_file.connect(self._path)
                self._begin_boot()
            if sqlite_wal.forgotten(frames):
                self._note_damage()
                self._save(salvage.rows_of_wal(frames))
        except sqlite3.OperationalError as err:
            # a full or failing disk: an agent that keeps rows in memory is better than none
            self.stats.memory_only = str(err)
            self._bytes_max = min(self._bytes_max, MEMORY_BYTES_MAX)
            self._db = spool_file.connect(":memory:")
            self._begin_boot()
        except sqlite3.DatabaseError:
            self._start_anew()
        if not self.stats.memory_only:
            spool_file.lay_reserve(self._path)
        self.look_for_damage()

    def _start_anew(self) -> None:
        if self._db is not None:
            self._db.close()
        self._note_damage()
        aside = spool_file.set_aside(self._path)
        self._db = spool_file.connect(self._path)
        self._begin_boot()
        if (
            aside.exists()
            and aside.stat().st_size <= SALVAGE_BYTES_MAX
            and self._save(salvage.rows_of(aside))
        ):
            aside = spool_file.mark_salvaged(aside)
        self.stats.quarantined = str(aside)

    def _save(self, found: Iterator[salvage.Saved]) -> bool:
        """Whether rows were saved. What goes wrong here must not keep the agent from starting."""
        try:
            report = salvage.save(found, self.db)
        except (sqlite3.Error, OSError):
            return False
        self.stats.salvaged_rows += report.added
        return report.rows > 0

    def look_for_damage(self) -> None:
        """Whether a damaged file lies there that nobody has salvaged; now and then, for it costs a look at the disk."""
        self._damage_left = bool(spool_file.damaged(self._path))

    def fault(self) -> str:
        """Why SPOOL_FAULT stands, or ""."""
        if self._refuses or self.stats.memory_only:
            return "the disk refuses the spool"
        if self._damage_left:
            return "a damaged spool lies there that was not salvaged"
        return "the spool was damaged" if self.stats.commits < self._told_until else ""

    def _note_damage(self) -> None:
        self._told_until = self.stats.commits + TOLD_COMMITS

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
            self._refuses = False
            self.stats.commits += 1
            return True
        self._refuses = True
        self.stats.commit_failures += 1
        self._shed_memory()
        return False

    def _write(self, inserts: list[SpoolRow], acked: list[tuple[int, int, int, int]]) -> None:
        marks = ", ".join("?" * len(COLUMNS.split(",")))
        self.db.executemany(f"INSERT INTO rows ({COLUMNS}) VALUES ({marks})", [r.columns for r in inserts])
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

    def _free_pages_bytes(self) -> int:
        pages, size = (
            self.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size")
        )
        return int(pages * size)

    def shed(self) -> int:
        """When over the byte budget, thin history, then drop the oldest of it; how many rows went, with those that
        were found damaged and those that memory could not hold. Events stay."""
        count = self._note_lost()
        try:
            while self.size_bytes() > self._bytes_max and (gone := self._make_room()):
                count += gone
        except sqlite3.Error:
            self.stats.commit_failures += 1
        return count

    def _note_lost(self) -> int:
        """Remember what is lost as gaps."""
        lost = [(*key, *span) for key, spans in self._lost.items() for span in spans]
        sql = "DELETE FROM rows WHERE boot = ? AND stream = ? AND row BETWEEN ? AND ?"
        try:
            with self.db:
                self.db.executemany(sql, lost)
                for boot, stream, first, last in lost:
                    spool_room.note_gap(self.db, boot, stream, first, last)
        except sqlite3.Error:
            return 0
        self._lost.clear()
        return sum(last - first + 1 for _, _, first, last in lost)

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
        """The disk is full: give up the reserve, so that the log can be emptied into the file. Where that leaves
        little, and the file has few free pages, let the oldest history go. Whether the next try may have room."""
        self._reserve.unlink(missing_ok=True)
        try:
            for _ in range(BATCHES_MAX):
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                free = spool_file.free_bytes(self._path) - spool_file.RESERVE_BYTES
                if max(free, self._free_pages_bytes()) >= FREE_BYTES_MIN or not self._make_room():
                    break
        except sqlite3.Error:
            return False
        spool_file.lay_reserve(self._path)
        return True

    @property
    def _reserve(self) -> Path:
        return spool_file.reserve_of(self._path)

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
                self._lost[row.boot, row.stream].add(row.row, row.row)
            else:
                kept.append(row)
        self._pending = kept

    # --- out ---------------------------------------------------------------------------------------

    def read(self, boot: int, stream: int, first: int, last: int, limit: int) -> list[SpoolRow]:
        """Rows first…last of (boot, stream), at most `limit`, rising; those not committed yet are included."""
        thinned = self._thinned.get(boot, Thinned()) if stream == Stream.ROWS else Thinned()
        found = self.db.execute(
            f"SELECT {COLUMNS} FROM rows WHERE boot = ? AND stream = ? AND row BETWEEN ? AND ? ORDER BY row LIMIT ?",
            (boot, stream, first, last, limit),
        ).fetchall()
        rows = [row for columns in found if (row := self._sound(columns, thinned)) is not None]
        if boot == self.boot and len(rows) < limit:
            rows += [r for r in self._pending if r.stream == stream and first <= r.row <= last]
        return rows[:limit]

    def _sound(self, columns: tuple[Any, ...], thinned: Thinned) -> SpoolRow | None:
        """The row, unless it is not as it was written: then it is lost, and said to be."""
        row = SpoolRow(*(*columns[:-1], thinned.step(columns[2])))
        if columns[-1] is None or columns[-1] == row.sum:
            return row
        if self._lost[row.boot, row.stream].add(row.row, row.row):
            self.stats.damaged_rows += 1
            self._note_damage()
        return None

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
