"""Salvage: what can be read of a damaged spool is saved as it was made, and what is not is said to be missing."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge import salvage, spool_file, sqlite_pages
from edge.sender import Sender
from edge.spool import SALVAGE_BYTES_MAX, TOLD_COMMITS, Spool
from protocols import sqlite_wal
from protocols.catalog import Kind, Stream
from protocols.frame import Row
from protocols.keys import MacKey

ROWS = 3_000
ZERO_MS = 1_795_000_000_000
KEY = MacKey(bytes(range(32)), "live")


def fill(spool: Spool, count: int, first: int = 0) -> None:
    for i in range(first, first + count):
        spool.append(Stream.ROWS, Kind.STATE, Row(1_000 * i, {0: i, 3: 7 * i}), ZERO_MS, 1)
        if i % 100 == 0:
            spool.append(Stream.EVENTS, Kind.EVENT, Row(1_000 * i, {0: 1, 1: i}), ZERO_MS, 1)


def words(i: int) -> Row:
    return Row(i, {}, (b"x" * 3_000, "名", i))


def opened(path: Path, boot: int) -> Spool:
    spool = Spool(path, boot, 100 * 2**20)
    spool.open()
    return spool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed spool of boot 77 with some pages of rows."""
    made = tmp_path / "spool.db"
    spool = opened(made, 77)
    fill(spool, ROWS)
    spool.append(Stream.BULK, Kind.SAID, words(5), ZERO_MS, 1)  # overflows to pages of its own
    assert spool.commit()
    spool.close()
    return made


def hit(path: Path, rng: random.Random, count: int, least: int = 0) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[rng.randrange(least, len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))


def saved_rows(spool: Spool, boot: int = 77) -> dict[int, Row]:
    found = {row.row: row.as_row() for row in spool.read(boot, Stream.ROWS, 0, 10**6, 10**6)}
    assert all(row == Row(1_000 * i, {0: i, 3: 7 * i}) for i, row in found.items()), "a row was changed"
    return found


def test_a_file_without_its_header_gives_every_row(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(bytes(100) + data[100:])
    spool = opened(path, 78)
    assert ".salvaged-" in spool.stats.quarantined
    assert len(saved_rows(spool)) == ROWS
    assert len(spool.read(77, Stream.EVENTS, 0, 10**4, 10**4)) == ROWS // 100
    assert [row.as_row() for row in spool.read(77, Stream.BULK, 0, 9, 9)] == [words(5)]
    assert spool.earlier_boots()[0] == 77
    assert spool.stats.salvaged_rows == ROWS + ROWS // 100 + 1
    spool.close()


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bits_cost_their_own_rows_and_change_none(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    hit(path, rng, count := rng.randrange(1, 12))
    spool = opened(path, 78)
    found = saved_rows(spool)
    spool.shed()
    gaps = {n for b, s, first, last in spool.gaps() if (b, s) == (77, 1) for n in range(first, last + 1)}
    held = {n for b, s, first, last in spool.held() if (b, s) == (77, 1) for n in range(first, last + 1)}
    assert held == set(found)
    assert len(found) >= ROWS - 130 * count, "more than a page for each bit"
    if len(found) < ROWS:
        assert spool.fault() or spool.stats.damaged_rows == 0
        assert gaps or spool.stats.quarantined
    spool.close()


def test_a_flipped_value_is_not_sent_but_said_to_be_lost(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE rows SET data = x'920963' WHERE row = 1234 AND stream = 1")
    db.close()
    spool = opened(path, 78)
    sender = Sender(spool, KEY, 1, live_ms=1_000)
    sender.start()
    assert len(saved_rows(spool)) == ROWS - 1
    assert (spool.stats.damaged_rows, spool.fault()) == (1, "the spool was damaged")
    assert spool.shed() == 1
    assert spool.gaps() == [(77, Stream.ROWS, 1234, 1234)]
    assert spool.shed() == 0
    spool.close()


def test_transactions_that_sqlite_would_forget_are_saved_out_of_its_log(tmp_path: Path) -> None:
    path, taken = tmp_path / "spool.db", tmp_path / "taken" / "spool.db"
    spool = opened(path, 77)
    for second in range(60):
        fill(spool, 10, 10 * second)
        assert spool.commit()
    taken.parent.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{taken}{suffix}")
    spool.close()
    wal = Path(f"{taken}-wal")
    assert not sqlite_wal.forgotten(sqlite_wal.wal_frames(wal.read_bytes()))
    data = bytearray(wal.read_bytes())
    data[len(data) // 2] ^= 4
    wal.write_bytes(bytes(data))
    with sqlite3.connect(tmp_path / "seen.db") as seen:
        shutil.copy(taken, tmp_path / "seen.db")
        shutil.copy(wal, tmp_path / "seen.db-wal")
        assert seen.execute("SELECT count(*) FROM rows").fetchone()[0] < 400, "else this test proves nothing"
    seen.close()
    after = opened(taken, 78)
    assert len(saved_rows(after)) == 600
    assert after.fault() == "the spool was damaged"
    after.close()


def test_a_log_torn_by_a_power_cut_is_not_taken_for_damage(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool.db", 77)
    for second in range(10):
        fill(spool, 10, 10 * second)
        spool.commit()
    data = bytearray(Path(f"{tmp_path}/spool.db-wal").read_bytes())
    spool.close()
    frames = sqlite_wal.wal_frames(bytes(data))
    assert all(frame.sound for frame in frames)
    size = 24 + len(frames[0].data)
    data[len(data) - size + 30] ^= 1
    torn = sqlite_wal.wal_frames(bytes(data))
    assert [frame.sound for frame in torn][-1] is False
    assert not sqlite_wal.forgotten(torn)


def test_the_alarm_stands_until_the_damage_is_told_and_dealt_with(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(SALVAGE_BYTES_MAX + 4_096)  # large files wait for a person
        file.write(b"no database at all")
    spool = opened(path, 78)
    aside = Path(spool.stats.quarantined)
    assert spool_file.damaged(path) == [aside]
    for _ in range(TOLD_COMMITS + 1):
        fill(spool, 1)
        assert spool.commit()
    assert spool.fault() == "a damaged spool lies there that was not salvaged"
    spool_file.mark_salvaged(aside)
    spool.look_for_damage()
    assert spool.fault() == ""
    spool.close()


def test_of_files_set_aside_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    for _ in range(spool_file.ASIDE_MAX + 3):
        path.write_bytes(b"broken" * 1_000)
        spool_file.set_aside(path)
    assert len(spool_file.damaged(path)) == spool_file.ASIDE_MAX


def test_a_file_of_before_there_were_sums_is_read_and_opened(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with sqlite3.connect(old) as db:
        db.executescript(
            "CREATE TABLE boots (seq INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL UNIQUE) STRICT;"
            "CREATE TABLE rows (boot INTEGER NOT NULL, stream INTEGER NOT NULL, row INTEGER NOT NULL, "
            "kind INTEGER NOT NULL, t_mono_ms INTEGER NOT NULL, utc_zero_ms INTEGER, clock_source INTEGER NOT NULL, "
            "data BLOB NOT NULL, PRIMARY KEY (boot, stream, row)) STRICT, WITHOUT ROWID;"
            f"ATTACH '{path}' AS new; INSERT INTO boots SELECT * FROM new.boots;"
            "INSERT INTO rows SELECT boot, stream, row, kind, t_mono_ms, utc_zero_ms, clock_source, data FROM new.rows"
        )
    db.close()
    report = salvage.salvage(old, tmp_path / "into.db")
    assert (report.rows, report.unproven) == (ROWS + ROWS // 100 + 1,) * 2
    spool = opened(old, 78)
    assert len(saved_rows(spool)) == ROWS
    spool.close()


def test_the_command_saves_once_and_says_what_is_missing(path: Path, tmp_path: Path) -> None:
    data = bytearray(path.read_bytes())
    size = sqlite_pages.page_bytes(bytes(data))
    middle = len(data) // size // 2 * size
    data[:100], data[middle : middle + size] = bytes(100), bytes(size)
    broken, into = tmp_path / "broken.db", tmp_path / "into.db"
    broken.write_bytes(bytes(data))
    command = [sys.executable, "-m", "edge", "salvage", str(broken), "--into", str(into)]
    first, again = (
        json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True, timeout=60).stdout)
        for _ in range(2)
    )
    (span,) = (span for span in first["spans"] if span["stream"] == "rows")
    assert (span["boot"], span["first"], span["last"]) == (f"{77:016x}", 0, ROWS - 1)
    assert span["t_first_utc_ms"] == ZERO_MS
    assert span["rows"] + span["missing_rows"] == ROWS
    assert 0 < span["missing_rows"] < 130
    assert first["added"] == first["rows"] > again["added"] == 0
    assert again["spans"] == first["spans"]
    text = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stdout
    assert "are missing" in text
    spool = opened(into, 78)
    assert len(saved_rows(spool)) == span["rows"]
    spool.close()


def test_nothing_to_save_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(random.Random(1).randbytes(50_000))
    command = [sys.executable, "-m", "edge", "salvage", str(tmp_path / "x"), "--into", str(tmp_path / "into")]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 1
