"""Opening SQLite files the one way this hub does: WAL, FULL, bounded waits; and naming their errors.

Enters: a path. Leaves: a `sqlite_utils.Database`, or StoreError / StoreFull.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from hub.errors import StoreError, StoreFull

BUSY_WAIT_S = 5.0
CACHE_KIB = 16_384
_SIGN = 1 << 63


def signed(number: int) -> int:
    """An unsigned 64-bit number as SQLite's signed one."""
    return number - (_SIGN << 1) if number >= _SIGN else number


def unsigned(number: int) -> int:
    """And back."""
    return number + (_SIGN << 1) if number < 0 else number


def open_writer(path: Path) -> Database:
    """Open or create a file for writing. FULL costs little in batches and loses nothing at a power cut."""
    with naming(path):
        conn = sqlite3.connect(path, timeout=BUSY_WAIT_S, check_same_thread=False, isolation_level=None)
        db = Database(conn)
        for pragma in (
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"cache_size = -{CACHE_KIB}",
            "wal_autocheckpoint = 2000",
            "temp_store = MEMORY",
        ):
            conn.execute(f"PRAGMA {pragma}").close()
        return db


def open_reader(path: Path) -> Database:
    """Open an existing file for reading only."""
    with naming(path):
        uri = f"{path.resolve().as_uri()}?mode=ro"
        conn = sqlite3.connect(uri, uri=True, timeout=BUSY_WAIT_S, check_same_thread=False)
        conn.execute("PRAGMA query_only = ON").close()
        return Database(conn)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, naming the file."""
    try:
        yield
    except sqlite3.Error as err:
        full = getattr(err, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR_WRITE"))
        raise (StoreFull if full else StoreError)(f"store: {path.name}: {err}") from err
