"""The spool's file: how it is opened, set aside when it is damaged, and the room laid aside beside it.

Enters: paths. Leaves: connections and file names. Callers: `edge.spool`, `edge.salvage`.
"""

import os
import sqlite3
import time
from pathlib import Path

from edge import spool_room

RESERVE_BYTES = 512 * 1024
"""Given up when the disk is full, so that what frees room can be written."""
ASIDE_MAX = 4
"""Files set aside that are kept; of more, the oldest goes, one that was salvaged first."""
DAMAGED, SALVAGED = ".damaged-", ".salvaged-"
_SUFFIXES = ("", "-wal", "-shm")
_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS boots (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS rows (
  boot INTEGER NOT NULL, stream INTEGER NOT NULL, row INTEGER NOT NULL, kind INTEGER NOT NULL,
  t_mono_ms INTEGER NOT NULL, utc_zero_ms INTEGER, clock_source INTEGER NOT NULL, data BLOB NOT NULL, sum INTEGER,
  PRIMARY KEY (boot, stream, row)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gaps (
  boot INTEGER NOT NULL, stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (boot, stream, first)) STRICT, WITHOUT ROWID;
"""
    + spool_room.SCHEMA
)


def connect(place: Path | str) -> sqlite3.Connection:
    """Open or make a spool's file, or ":memory:". sqlite3.OperationalError: the disk refuses; any other
    sqlite3.DatabaseError: the file is damaged."""
    db = sqlite3.connect(place, timeout=1.0, isolation_level="DEFERRED")
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=256")
        if db.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("spool: the integrity check failed")
        db.executescript(_SCHEMA)
        if "sum" not in [column[1] for column in db.execute("PRAGMA table_info(rows)")]:
            db.execute("ALTER TABLE rows ADD COLUMN sum INTEGER")  # a file of before there were sums
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def set_aside(path: Path) -> Path:
    """Give the file and its log another name. The new name."""
    number = int(time.time())
    while (aside := path.with_name(f"{path.name}{DAMAGED}{number}")).exists():
        number += 1
    _rename(path, aside)
    kept = sorted(path.parent.glob(f"{path.name}{SALVAGED}*[0-9]")) + damaged(path)
    for old in kept[: max(0, len(kept) - ASIDE_MAX)]:
        for suffix in _SUFFIXES:
            Path(f"{old}{suffix}").unlink(missing_ok=True)
    return aside


def mark_salvaged(aside: Path) -> Path:
    """What could be read of it is in a spool again. The new name."""
    after = aside.with_name(aside.name.replace(DAMAGED, SALVAGED))
    _rename(aside, after)
    return after


def damaged(path: Path) -> list[Path]:
    """Files set aside that nobody has salvaged, oldest first."""
    return sorted(path.parent.glob(f"{path.name}{DAMAGED}*[0-9]"))


def _rename(before: Path, after: Path) -> None:
    for suffix in _SUFFIXES:
        if (part := Path(f"{before}{suffix}")).exists():
            os.replace(part, f"{after}{suffix}")


def free_bytes(path: Path) -> int:
    """Room on its disk for us."""
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


def reserve_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.reserve")


def lay_reserve(path: Path) -> None:
    """Room that nobody else can take. On a disk without so much there is none until the next start."""
    reserve = reserve_of(path)
    try:
        with reserve.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
    except OSError:
        reserve.unlink(missing_ok=True)
