"""The spool: what was committed survives, what was acknowledged goes, what was shed is remembered."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from edge import spool_room
from edge.spool import PENDING_ROWS_MAX, Spool
from edge.spool_room import STEPS
from protocols.catalog import Kind, Stream
from protocols.frame import Row


def fill(spool: Spool, count: int, stream: Stream = Stream.ROWS) -> None:
    for i in range(count):
        spool.append(stream, Kind.STATE, Row(1000 * i, {0: i, 3: 7}), 1_795_000_000_000, 1)


def reopened(spool: Spool, boot: int, bytes_max: int = 10 * 2**20) -> Spool:
    """The file as the next start finds it, without the first one having been closed."""
    other = Spool(spool._path, boot, bytes_max)
    other.open()
    return other


def test_rows_are_numbered_by_stream_and_come_back_in_order(spool: Spool) -> None:
    fill(spool, 5)
    fill(spool, 2, Stream.EVENTS)
    assert spool.commit()
    rows = spool.read(77, Stream.ROWS, 0, 100, 100)
    assert [(r.row, r.as_row()) for r in rows] == [(i, Row(1000 * i, {0: i, 3: 7})) for i in range(5)]
    assert list(spool.held()) == [(77, Stream.EVENTS, 0, 1), (77, Stream.ROWS, 0, 4)]


def test_what_was_committed_is_there_after_a_kill_and_nothing_else(spool: Spool) -> None:
    fill(spool, 3)
    spool.commit()
    fill(spool, 2)  # numbered 3 and 4, never committed
    after = reopened(spool, boot=78)
    assert list(after.held()) == [(77, Stream.ROWS, 0, 2)]
    assert after.earlier_boots() == [77]
    fill(after, 1)
    after.commit()
    assert list(after.held()) == [(77, Stream.ROWS, 0, 2), (78, Stream.ROWS, 0, 0)]
    after.close()


def test_acknowledged_rows_go_and_the_others_stay(spool: Spool) -> None:
    fill(spool, 10)
    spool.commit()
    spool.forget(77, Stream.ROWS, 0, 3)
    spool.forget(77, Stream.ROWS, 6, 7)
    spool.forget(12, Stream.ROWS, 0, 10**9)
    assert spool.count() == 10
    spool.commit()
    assert list(spool.held()) == [(77, 1, 4, 5), (77, 1, 8, 9)]
    assert spool.stats.acknowledged == 6


def test_a_row_may_be_acknowledged_before_it_was_committed(spool: Spool) -> None:
    fill(spool, 2)
    spool.forget(77, Stream.ROWS, 0, 1)
    spool.commit()
    assert list(spool.held()) == []


def test_rows_that_wait_for_the_disk_can_be_read_and_sent(spool: Spool) -> None:
    fill(spool, 2)
    spool.commit()
    fill(spool, 2)
    assert [r.row for r in spool.read(77, Stream.ROWS, 1, 3, 10)] == [1, 2, 3]


def numbers(
    ranges: Iterable[tuple[int, int, int, int]], stream: Stream = Stream.ROWS, boot: int = 1
) -> set[int]:
    return {row for b, s, first, last in ranges if (b, s) == (boot, stream) for row in range(first, last + 1)}


@pytest.mark.parametrize("kib", [40, 100, 150, 250, 330])
def test_over_its_budget_history_is_thinned_then_dropped_and_every_row_is_accounted_for(
    tmp_path: Path, kib: int
) -> None:
    spool = Spool(tmp_path / "s.db", 1, bytes_max=kib * 1024)
    spool.open()
    fill(spool, 50, Stream.EVENTS)
    fill(spool, 10_007)
    spool.commit()
    size = spool.size_bytes()
    assert size > 330 * 1024
    gone = spool.shed()
    assert spool.size_bytes() <= kib * 1024
    rows = spool.read(1, Stream.ROWS, 0, 10**6, 10**6)
    assert (len(rows), spool.stats.shed) == (10_007 - gone, gone)
    assert len(spool.read(1, Stream.EVENTS, 0, 100, 100)) == 50
    assert rows[-1].row == 10_006
    spoken_for = {number for row in rows for number in range(row.row, row.last + 1)}
    assert spoken_for == numbers(spool.held())
    assert spoken_for | numbers(spool.gaps()) >= set(range(10_007))
    assert not spoken_for & numbers(spool.gaps())
    steps = [row.step for row in rows]
    assert steps == sorted(steps, reverse=True)  # the older, the thinner
    assert 1 in steps
    assert 2 in steps or kib == 40
    assert all(row.row % row.step == 0 for row in rows)
    assert rows[0].row == 0 or spool.gaps()[0] == (1, Stream.ROWS, 0, rows[0].row - 1)
    if kib == 330:
        assert (spool.gaps(), spool.stats.thinned) == ([], gone)  # nothing of the night is gone altogether
    after = reopened(spool, 2, kib * 1024)
    assert numbers(after.held()) == spoken_for
    assert [row.step for row in after.read(1, Stream.ROWS, 0, 10**6, 10**6)] == steps
    after.close()


def test_holes_in_what_is_thinned_are_gaps_unless_a_row_speaks_for_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", 1, bytes_max=2**20)
    spool.open()
    fill(spool, 40)
    spool.commit()
    spool.forget(1, Stream.ROWS, 0, 4)  # the hub has these, and 16
    spool.forget(1, Stream.ROWS, 16, 16)
    spool.commit()
    for step in STEPS:
        with spool.db:
            spool_room._thin(spool.db, spool._thinned, step)
        held, gaps = numbers(spool.held()), numbers(spool.gaps())
        assert held | gaps >= set(range(40)) - {0, 1, 2, 3, 4, 16}
    assert [row.row for row in spool.read(1, Stream.ROWS, 0, 100, 100)][:4] == [
        10,
        20,
        30,
        32,
    ]  # ten at a time


def test_a_row_that_was_sent_before_its_neighbours_went_is_acknowledged_without_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", 1, bytes_max=2**20)
    spool.open()
    fill(spool, 40)
    spool.commit()
    for step in STEPS:
        with spool.db:
            spool_room._thin(spool.db, spool._thinned, step)
    spool.forget(1, Stream.ROWS, 0, 4)
    spool.forget(1, Stream.ROWS, 20, 29)
    spool.commit()
    assert numbers(spool.gaps()) == set(range(5, 10))
    assert numbers(spool.held()) == {*range(10, 20), *range(30, 40)}


def test_bulk_goes_before_history(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", 1, bytes_max=150_000)
    spool.open()
    fill(spool, 2_000)
    fill(spool, 2_400, Stream.BULK)
    spool.commit()
    assert spool.shed() % spool_room.BATCH_ROWS == 0
    assert len(spool.read(1, Stream.ROWS, 0, 10**4, 10**4)) == 2_000
    spool.close()


def test_a_damaged_file_is_set_aside_and_a_new_one_serves(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"this is no database, but it is long enough to be looked at" * 100)
    spool = Spool(path, 1, bytes_max=2**20)
    spool.open()
    assert Path(spool.stats.quarantined).read_bytes().startswith(b"this is no database")
    fill(spool, 1)
    assert spool.commit()
    spool.close()


def test_where_nothing_can_be_opened_memory_serves_and_says_so(tmp_path: Path) -> None:
    """An agent that cannot open its file must still carry an SOS: here the file's place is taken by a folder."""
    spool = Spool(tmp_path, 1, bytes_max=2**30)
    spool.open()
    assert "unable to open" in spool.stats.memory_only
    fill(spool, 2, Stream.EVENTS)
    assert spool.commit()
    assert [r.row for r in spool.read(1, Stream.EVENTS, 0, 9, 9)] == [0, 1]
    assert spool._bytes_max <= 2**24
    spool.close()


def test_while_the_disk_refuses_rows_wait_in_memory_and_are_bounded(spool: Spool) -> None:
    blocker = sqlite3.connect(spool._path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    spool.db.execute("PRAGMA busy_timeout=0")
    fill(spool, 5, Stream.EVENTS)
    fill(spool, PENDING_ROWS_MAX + 100)
    assert not spool.commit()
    assert spool.stats.commit_failures == 1
    assert spool.stats.shed == 105
    assert [r.row for r in spool.read(77, Stream.EVENTS, 0, 9, 10)] == [0, 1, 2, 3, 4]
    blocker.execute("COMMIT")
    blocker.close()
    assert spool.commit()
    assert spool.count() == PENDING_ROWS_MAX


def test_it_commits_with_full_synchronisation(spool: Spool) -> None:
    assert spool.db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert spool.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_old_boots_are_forgotten_once_they_are_empty(tmp_path: Path) -> None:
    for boot in range(1, 14):
        spool = Spool(tmp_path / "s.db", boot, bytes_max=2**20)
        spool.open()
        if boot == 2:
            fill(spool, 1)
        spool.close()
    spool = Spool(tmp_path / "s.db", 99, bytes_max=2**20)
    spool.open()
    assert spool.earlier_boots() == [13, 12, 11, 10, 9, 8, 7, 2]
    spool.close()


@pytest.mark.parametrize("now_ms", [10_000])
def test_backlog_is_the_age_of_the_oldest_row(spool: Spool, now_ms: int) -> None:
    assert spool.backlog_ms(now_ms) == 0
    fill(spool, 3)
    spool.commit()
    spool.forget(77, Stream.ROWS, 0, 1)
    spool.commit()
    assert spool.backlog_ms(now_ms) == 8_000
