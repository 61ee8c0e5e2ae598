"""Room on the disk: how much there is, what to delete first, and how long it will last.

Enters: the log's folder, the budget, holds and today. Leaves: a `Space`, and smaller segments. Callers: the hub
once a minute on the writer's thread, and the doctor.

History (streams rows and bulk) goes first, oldest day first. Events stay for their own number of days even
when the disk is full; orders and operator records are never deleted. A held stretch of time is not touched.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from hub.store.files import naming, open_reader, open_writer
from hub.store.interface import Hold
from hub.store.segments import SegmentLog, day_of
from protocols.units import MS_PER_DAY

GIB = 2**30
WARN_AT = 0.80
THIN_AT = 0.95
STOP_FREE_BYTES = 64 * 2**20
"""Below this much free disk the hub stops committing, and so acknowledging, before SQLite fails by itself."""
_STREAM_EVENTS = 0


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes: used by the hub's data, allowed to it, free on the disk."""

    used: int
    budget: int
    free: int

    @property
    def share(self) -> float:
        """Used part of what the hub may use, 0–1 and more."""
        return self.used / self.budget if self.budget else 1.0

    @property
    def stop(self) -> str:
        """Why nothing may be written, or ""."""
        if self.free < STOP_FREE_BYTES:
            return f"disk full: {self.free >> 20} MiB free, {STOP_FREE_BYTES >> 20} MiB needed"
        return ""


def measure(data: Path, budget_gib: int) -> Space:
    """How things stand. A budget of 0 is all that the disk has beside other things."""
    used = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    free = shutil.disk_usage(data).free
    return Space(used, budget_gib * GIB if budget_gib else used + free, free)


def held_days(holds: Sequence[Hold], days: Sequence[str]) -> set[str]:
    """The days that a hold touches."""
    return {
        day
        for day in days
        for hold in holds
        if day_of(hold.from_utc_ms) <= day <= day_of(max(0, hold.to_utc_ms))
    }


class Retention:
    """Deletes what may go. The current segment is never touched."""

    def __init__(self, log: SegmentLog, *, history_days: int, events_days: int) -> None:
        self._log = log
        self._history_days = history_days
        self._events_days = events_days

    def by_age(self, now_ms: int, holds: Sequence[Hold]) -> list[str]:
        """Delete what is older than its class allows; what was done, for the log."""
        done = []
        days = self._log.days()[:-1]
        held = held_days(holds, days)
        for day in days:
            if day in held:
                continue
            if self._events_days and day < day_of(max(0, now_ms - self._events_days * MS_PER_DAY)):
                self._remove(day)
                done.append(f"{day}: removed, older than {self._events_days} days")
            elif self._history_days and day < day_of(max(0, now_ms - self._history_days * MS_PER_DAY)):
                rows = self._thin(day)
                if rows:
                    done.append(
                        f"{day}: {rows} frames of history removed, older than {self._history_days} days"
                    )
        return done

    def by_space(self, data: Path, budget_gib: int, holds: Sequence[Hold]) -> list[str]:
        """At 95 % of the budget: remove history, oldest day first, until it is below."""
        done = []
        days = self._log.days()[:-1]
        held = held_days(holds, days)
        for day in days:
            if measure(data, budget_gib).share < THIN_AT:
                break
            if day not in held:
                rows = self._thin(day)
                if rows:
                    done.append(f"{day}: {rows} frames of history removed, the disk budget is used to 95 %")
        return done

    def _thin(self, day: str) -> int:
        path = self._log.path(day)
        db = open_writer(path)
        try:
            with naming(path):
                rows = int(db.execute("DELETE FROM frames WHERE stream != ?", [_STREAM_EVENTS]).rowcount)
                if rows:
                    db.execute("PRAGMA incremental_vacuum").fetchall()
                    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            db.close()
        return rows

    def _remove(self, day: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._log.path(day)}{suffix}").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Growth of the log, bytes a day, and how many days that leaves; None while too little is known."""

    bytes_a_day: float
    days_left: float | None


def forecast(log: SegmentLog, space: Space) -> Forecast:
    """From the sizes of up to seven whole days before today's; with none, from today's own rate."""
    days = log.days()
    sizes = [log.path(day).stat().st_size for day in days[:-1][-7:]]
    rate = sum(sizes) / len(sizes) if sizes else _rate_today(log)
    left = max(0, min(space.budget - space.used, space.free))
    return Forecast(rate, left / rate if rate > 0 else None)


def _rate_today(log: SegmentLog) -> float:
    days = log.days()
    if not days:
        return 0.0
    db: Database = open_reader(log.path(days[-1]))
    try:
        low, high = db.execute("SELECT min(t_hub_ms), max(t_hub_ms) FROM frames").fetchone()
    finally:
        db.close()
    if low is None or high - low < 60_000:
        return 0.0
    return float(log.path(days[-1]).stat().st_size * MS_PER_DAY / (high - low))


def integrity(path: Path) -> str:
    """SQLite's own word on a file: `ok`, or what is wrong."""
    db = open_reader(path)
    try:
        with naming(path):
            return str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    finally:
        db.close()
