"""A log that was damaged while the hub stood still: mended or made anew where that is possible, and always said."""

import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hub.store import mending
from protocols import sqlite_wal

ROWS = 240


@pytest.fixture
def crashed(bench: Any, tmp_path: Path) -> Path:
    """The folder of a hub that was killed after ROWS frames, each in a transaction of its own."""
    for row in range(ROWS):
        bench.put(bench.frame(row=row))
    after = tmp_path / "crashed"
    shutil.copytree(bench.folder, after, ignore=shutil.ignore_patterns("*-shm", "crashed"))
    return after


def hit(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(bytes(data))


def segment(folder: Path) -> Path:
    return next((folder / "log").glob("????-??-??.db"))


def reopened(bench: Any, folder: Path) -> Any:
    return type(bench)(folder, bench.clock)


def test_a_damaged_write_ahead_log_is_mended(bench: Any, crashed: Path) -> None:
    wal = Path(f"{segment(crashed)}-wal")
    hit(wal, wal.stat().st_size // 2)
    with sqlite3.connect(
        f"file:{shutil.copytree(crashed, crashed.with_name('seen'))}/log/{wal.name[:-4]}", uri=True
    ) as db:
        assert db.execute("SELECT count(*) FROM frames").fetchone()[0] < ROWS, "else this test proves nothing"
    db.close()
    after = reopened(bench, crashed)
    assert len(after.stored_rows()) == ROWS
    assert "was damaged; mended" in after.log.damage[0]
    assert list(wal.parent.glob("*-wal.damaged-*"))
    after.close()
    again = reopened(bench, crashed)
    assert again.log.damage == []
    again.close()


def test_a_log_that_is_whole_or_only_torn_at_its_end_is_left_alone(bench: Any, crashed: Path) -> None:
    wal = Path(f"{segment(crashed)}-wal")
    assert sqlite_wal.mended(wal.read_bytes()) is None
    hit(wal, wal.stat().st_size - 100)
    assert sqlite_wal.mended(wal.read_bytes()) is None
    after = reopened(bench, crashed)
    assert (after.log.damage, len(after.stored_rows())) == ([], ROWS - 1)
    after.close()


@pytest.mark.parametrize("seed", range(6))
def test_what_cannot_be_read_of_a_segment_costs_its_own_rows_only(
    bench: Any, crashed: Path, seed: int
) -> None:
    path = segment(crashed)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = bytearray(path.read_bytes())
    page = random.Random(seed).randrange(3, len(data) // 4_096)
    data[4_096 * page : 4_096 * page + 16] = bytes(16)
    path.write_bytes(bytes(data))
    after = reopened(bench, crashed)
    rows = after.stored_rows()
    assert ROWS - 60 <= len(rows) == len(set(rows))
    assert after.log.damage[0].startswith(f"{path.name}: damaged")
    after.put(after.frame(row=ROWS))
    assert len(after.stored_rows()) == len(rows) + 1, "the new file takes frames"
    after.close()


def test_columns_that_do_not_fit_their_frame_are_not_believed(bench: Any) -> None:
    for row in range(3):
        bench.put(bench.frame(row=row))
    db = bench.log._db
    for change in ("row = 7", "boot = 5", "n = 2", "fresh = x'920309'", "fresh = x'c1'"):
        name = change.split()[0]
        (was,) = db.execute(f"SELECT {name} FROM frames WHERE id = 2").fetchone()
        db.execute(f"UPDATE frames SET {change} WHERE id = 2")
        assert len(bench.stored_rows()) == 2, change
        db.execute(f"UPDATE frames SET {name} = ? WHERE id = 2", [was])
    assert len(bench.stored_rows()) == 3


def test_large_files_are_left_to_the_doctor(crashed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mending, "CHECK_BYTES_MAX", 10)
    monkeypatch.setattr(mending, "WAL_BYTES_MAX", 10)
    path = segment(crashed)
    hit(Path(f"{path}-wal"), 5_000)
    assert (mending.mend(path, 1), mending.check(path)) == ("", "")
