"""A file of the log that was damaged while nobody wrote it: what can be mended is, and the rest is said.

Enters: a path, before SQLite opens it. Leaves: a write-ahead log that SQLite takes as a whole, the damaged one beside
it under another name, and words for a person. Called by `hub.store.segments`.
"""

import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlite_utils import Database

from hub.errors import StoreError
from hub.store.files import naming, open_reader, open_writer
from protocols import sqlite_wal

log = logging.getLogger(__name__)
WAL_BYTES_MAX = 64 * 2**20
"""A longer one is left as it is: reading it would take minutes of a start."""
CHECK_BYTES_MAX = 256 * 2**20
"""A larger file is left to `zhantu-hub doctor`: this takes about a second."""
RUN_ROWS = 4_096
DAMAGED = ".damaged-"


def mend(path: Path, now_ms: int) -> str:
    """Mend the log of a file. What was done, in words, or ""."""
    wal = Path(f"{path}-wal")
    try:
        if not 0 < wal.stat().st_size <= WAL_BYTES_MAX:
            return ""
    except OSError:
        return ""
    better = sqlite_wal.mended(wal.read_bytes())
    if better is None:
        return ""
    aside, new = Path(f"{wal}{DAMAGED}{now_ms}"), Path(f"{wal}.new")
    with new.open("wb") as file:
        file.write(better)
        file.flush()
        os.fsync(file.fileno())
    os.link(wal, aside)
    os.replace(new, wal)
    words = f"{path.name}: its write-ahead log was damaged; mended, the damaged one is kept as {aside.name}"
    log.error("store: %s", words)
    return words


def check(path: Path) -> str:
    """What SQLite finds wrong with a file of moderate size, or ""."""
    if not path.exists() or path.stat().st_size > CHECK_BYTES_MAX:
        return ""
    try:
        db = open_reader(path)
        try:
            with naming(path):
                said = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
        finally:
            db.close()
    except StoreError as err:
        said = str(err)
    if said == "ok":
        return ""
    words = f"{path.name}: damaged: {' '.join(said.split())[:200]}"
    log.error("store: %s", words)
    return words


def rebuild(path: Path, now_ms: int, make: Callable[[Database], None]) -> str:
    """Copy all that can be read of a damaged segment into a new one in its place; `make` gives it its tables. What was
    done, in words. The damaged one is kept under another name."""
    new, aside = path.with_name(f"{path.name}.new"), path.with_name(f"{path.name}{DAMAGED}{now_ms}")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{new}{suffix}").unlink(missing_ok=True)
    db = open_writer(new)
    with naming(path):
        make(db)
        old = sqlite3.connect(path)
        try:
            lost = sum(_copy(old, db, table) for table in ("coverage", "clocks"))
            lost += _copy_runs(old, db)
        finally:
            old.close()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        db.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    os.replace(path, aside)
    os.replace(new, path)
    words = f"{path.name}: made anew; {lost or 'no'} runs of rows could not be read; the damaged one is {aside.name}"
    log.error("store: %s", words)
    return words


def _copy(old: sqlite3.Connection, db: Database, table: str) -> int:
    """All rows of a small table as far as they can be read; 1 when some cannot."""
    try:
        with db.atomic():
            for row in old.execute(f"SELECT * FROM {table}"):
                marks = ",".join("?" * len(row))
                db.conn.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)
    except sqlite3.DatabaseError:
        return 1
    return 0


def _copy_runs(old: sqlite3.Connection, db: Database) -> int:
    """Frames by runs of ids; a run that cannot be read is halved, down to the frame. How many runs are lost."""
    top, lost = _top(old), 0
    runs = [(first, first + RUN_ROWS - 1) for first in range(1, top + 1, RUN_ROWS)][::-1]
    while runs:
        first, last = runs.pop()
        try:
            rows = old.execute(
                "SELECT * FROM frames NOT INDEXED WHERE id BETWEEN ? AND ?", (first, last)
            ).fetchall()
        except sqlite3.DatabaseError:
            if first == last:
                lost += 1
            else:
                middle = (first + last) // 2
                runs += [(middle + 1, last), (first, middle)]
            continue
        with db.atomic():
            for row in rows:
                marks = ",".join("?" * len(row))
                db.conn.execute(f"INSERT OR IGNORE INTO frames VALUES ({marks})", row)
    return lost


def _top(old: sqlite3.Connection) -> int:
    """The highest id that may be there. A damaged page may say nonsense: pages bound it."""
    (pages,) = old.execute("PRAGMA page_count").fetchone()
    bound = int(pages) * 100
    for sql in ("SELECT max(id) FROM frames", "SELECT max(id) FROM frames INDEXED BY frames_by_device"):
        try:
            (top,) = old.execute(sql).fetchone()
        except sqlite3.DatabaseError:
            continue
        if top is not None and 0 < top <= bound:
            return int(top)
    return bound
