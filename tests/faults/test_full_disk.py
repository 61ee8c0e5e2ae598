"""A disk that fills up: orders and SOS still commit, the oldest history goes, and every row is accounted for."""

import contextlib
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.spool import PENDING_ROWS_MAX, Spool
from protocols.catalog import Kind, Stream
from protocols.frame import Row

MIB = 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 4 MiB; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"may not mount: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def opened(place: Path, boot: int) -> Spool:
    spool = Spool(place / "spool.db", boot, 100 * MIB)
    spool.open()
    return spool


def row(number: int, pad: int = 12) -> Row:
    return Row(1_000 * number, dict.fromkeys(range(pad), 100_000 + number))


def fill_up(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4_096)):
            pass


@pytest.mark.parametrize(("others_mib", "kept"), [(0.5, 10_000), (2, 2_000), (2.5, 500)])
def test_events_commit_on_a_full_disk_and_the_oldest_history_goes(
    small_disk: Path, report: Callable[..., None], others_mib: float, kept: int
) -> None:
    spool = opened(small_disk, 7)
    (small_disk / "other").write_bytes(bytes(int(others_mib * MIB)))  # somebody else's
    for second in range(40_000):
        spool.append(Stream.ROWS, Kind.STATE, row(second), None, 0)
        if second % 1_000 == 500:
            spool.append(Stream.EVENTS, Kind.EVENT, row(second, 3), None, 0)
            assert spool.commit(), f"the event of second {second} did not reach the disk"
        elif second % 50 == 0:
            assert spool.commit()
    assert spool.stats.shed > 10_000
    assert (spool.stats.memory_only, spool.stats.quarantined, spool.stats.commit_failures) == ("", "", 0)
    spool.close()
    after = opened(small_disk, 8)
    assert [one.row for one in after.read(7, Stream.EVENTS, 0, 10**6, 10**6)] == list(range(40))
    rows = after.read(7, Stream.ROWS, 0, 10**6, 10**6)
    spoken_for = {number for one in rows for number in range(one.row, one.last + 1)}
    gaps = {number for _, _, first, last in after.gaps() for number in range(first, last + 1)}
    assert spoken_for | gaps >= set(range(40_000))
    assert rows[-1].row == 39_999
    assert len(rows) >= kept, "more went than had to"
    shed = len(set(range(40_000)) - {one.row for one in rows})
    report("disk full, of the spool", times=1, made=40_040, stored=len(rows) + 40, shed=shed)
    after.close()


def test_a_disk_that_takes_nothing_for_hours_says_what_memory_could_not_hold(
    small_disk: Path, report: Callable[..., None]
) -> None:
    """While the disk refuses, memory is the spool; what it sheds becomes a gap when the disk takes rows again."""
    spool = opened(small_disk, 7)
    blocker = sqlite3.connect(small_disk / "spool.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    spool.db.execute("PRAGMA busy_timeout=0")
    for second in range(PENDING_ROWS_MAX + 5_000):
        spool.append(Stream.ROWS, Kind.STATE, row(second), None, 0)
        if second % 100 == 0:
            assert not spool.commit()
            assert spool.fault() == "the disk refuses the spool"
    spool.append(Stream.EVENTS, Kind.EVENT, row(1, 3), None, 0)
    assert not spool.commit()
    blocker.execute("COMMIT")
    blocker.close()
    assert spool.commit()
    assert spool.fault() == ""
    assert spool.shed() == spool.stats.shed >= 5_000
    rows = {one.row for one in spool.read(7, Stream.ROWS, 0, 10**6, 10**6)}
    gaps = {number for _, _, first, last in spool.gaps() for number in range(first, last + 1)}
    assert rows | gaps == set(range(PENDING_ROWS_MAX + 5_000))
    assert not rows & gaps
    assert len(spool.read(7, Stream.EVENTS, 0, 9, 9)) == 1
    report(
        "disk that refuses for hours",
        times=1,
        made=len(rows | gaps) + 1,
        stored=len(rows) + 1,
        shed=len(gaps),
    )
    spool.close()


def test_a_disk_that_somebody_filled_meanwhile_still_starts(small_disk: Path) -> None:
    spool = opened(small_disk, 7)
    for second in range(2_000):
        spool.append(Stream.ROWS, Kind.STATE, row(second), None, 0)
    assert spool.commit()
    spool.close()
    fill_up(small_disk / "other")
    after = opened(small_disk, 8)
    assert after.stats.memory_only == ""
    after.append(Stream.EVENTS, Kind.EVENT, row(1, 3), None, 0)
    assert after.commit()
    assert len(after.read(8, Stream.EVENTS, 0, 10, 10)) == 1
    after.close()
