"""Power cuts at any write, with what was not synced torn at 512 bytes: what was said to be safe is there, once.

The recorder sees the same system calls that the disk does. That the test can fail is shown by a twin without sync.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.spool import Spool
from hub.store.segments import SegmentLog
from protocols.catalog import Stream

CUTS = 220
MIDNIGHT_MS = 1_795_046_400_000


def points(operations: list[Any], seed: int) -> list[tuple[int, random.Random]]:
    """Where the power goes, and the disk's mood at each."""
    rng = random.Random(seed)
    return [(rng.randrange(len(operations) + 1), random.Random(rng.random())) for _ in range(CUTS)]


def spool_loses(powercut: Any, operations: list[Any], data: Path, place: Path, seed: int) -> list[str]:
    """What a spool lost over CUTS cuts."""
    faults = []
    for i, (at, rng) in enumerate(points(operations, seed)):
        found = place / str(i)
        found.mkdir(parents=True)
        powercut.cut(operations, at, rng, str(data), found)
        said = powercut.marks(operations, at, str(data / "marks"))
        row, event, acked = (int(part) for part in said[-1].split()) if said else (-1, -1, -1)
        spool = Spool(found / "spool.db", 78, 10 * 2**20)
        spool.open()
        if spool.stats.quarantined:
            faults.append(f"cut {at}: the file is damaged")
        rows = spool.read(77, Stream.ROWS, 0, 10**6, 10**6)
        for one in rows:
            if one.as_row().values != {0: one.row // 10, 1: one.row % 10, 3: 5}:
                faults.append(f"cut {at}: row {one.row} holds {one.as_row()}")
        numbers = {one.row for one in rows}
        held = set(range(acked + 1, row + 1))
        if not held <= numbers:
            faults.append(f"cut {at}: rows {sorted(held - numbers)[:5]} of {row} are gone")
        events = {one.row for one in spool.read(77, Stream.EVENTS, 0, 10**6, 10**6)}
        if not set(range(event + 1)) <= events:
            faults.append(f"cut {at}: events {set(range(event + 1)) - events} are gone")
        spool.close()
    return faults


def test_a_power_cut_takes_nothing_from_the_spool(
    recorded: Callable[..., Any], powercut: Any, tmp_path: Path, seed: int, report: Callable[..., None]
) -> None:
    operations, data = recorded("write_spool.py")
    assert spool_loses(powercut, operations, data, tmp_path / "cuts", seed) == []
    report("power cut at the gateway's spool", times=CUTS, made=820, stored=820)


def test_the_same_spool_without_sync_would_lose_rows(
    recorded: Callable[..., Any], powercut: Any, tmp_path: Path, seed: int
) -> None:
    """Else the recorder, or the judge above, would be blind."""
    operations, data = recorded("write_spool.py", "OFF")
    assert len(spool_loses(powercut, operations, data, tmp_path / "cuts", seed)) > CUTS // 10


def log_loses(powercut: Any, operations: list[Any], data: Path, place: Path, seed: int) -> list[str]:
    """What a hub's log lost: frames it had said were safe, or coverage that promises frames it has not."""
    faults = []
    for i, (at, rng) in enumerate(points(operations, seed)):
        found = place / str(i)
        found.mkdir(parents=True)
        powercut.cut(operations, at, rng, str(data), found)
        said = powercut.marks(operations, at, str(data / "marks"))
        safe = int(said[-1]) if said else 0
        log = SegmentLog(found / "log")
        log.open(MIDNIGHT_MS + 60_000)
        for device in range(1, 6):
            rows = [frame.row for frame in log.frames(device, 0, MIDNIGHT_MS * 2)]
            if rows != list(range(len(rows))) or len(rows) < safe:
                faults.append(f"cut {at}: device {device} has {len(rows)} frames of {safe}")
            cover = log.coverage(device, 9, 1)
            closed = cover.closed if cover else []
            if closed != ([0, len(rows) - 1] if rows else []):
                faults.append(f"cut {at}: device {device} has {len(rows)} frames, coverage {closed}")
        log.close()
    return faults


@pytest.mark.slow
def test_a_power_cut_takes_nothing_from_the_hubs_log(
    recorded: Callable[..., Any], powercut: Any, tmp_path: Path, seed: int, report: Callable[..., None]
) -> None:
    operations, data = recorded("write_log.py")
    assert log_loses(powercut, operations, data, tmp_path / "cuts", seed) == []
    report("power cut at the hub's log", times=CUTS, made=200, stored=200)
