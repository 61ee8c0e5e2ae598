"""The log as a hub reads it that passes it on: by places that rise with each commit, over all days.

Enters: a place. Leaves: frames behind it with their own places. Callers: `hub.forward.passer`, on a reader's thread.
A place is one number for (day, id): days never shrink, and within a day ids rise. It means the same after a restart.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from hub.store.files import naming, open_reader
from hub.store.segments import SegmentLog

ID_BITS = 36
"""Of a day's frames; days of 4 000 years fit before them in 63 bits."""
_COLUMNS = "id, device, lane, kind, n, raw"


class Placed(NamedTuple):
    """A frame of the log: what is needed to pass it on."""

    place: int
    device: int
    lane: int
    kind: int
    n: int
    raw: bytes


def place_of(day: str, number: int) -> int:
    return date.fromisoformat(day).toordinal() << ID_BITS | number


def day_at(place: int) -> str:
    """The day of a place; one before all days for 0."""
    ordinal = place >> ID_BITS
    return date.fromordinal(ordinal).isoformat() if ordinal else ""


class PassingLog:
    """A view of the day files, each read on a connection of its own."""

    def __init__(self, log: SegmentLog) -> None:
        self._log = log

    def after(
        self, place: int, most: int, *, until: int | None = None, device: int = 0
    ) -> tuple[list[Placed], int]:
        """At most `most` frames behind a place, of one device or (0) of all, and up to where that is everything."""
        found: list[Placed] = []
        end = place
        for day in self._days(place):
            where = "id > ? AND id <= ?" + (" AND device = ?" if device else "")
            least = max(0, place - place_of(day, 0))
            last = self._last_id(day) if until is None else min(self._last_id(day), until - place_of(day, 0))
            sql = f"SELECT {_COLUMNS} FROM frames WHERE {where} ORDER BY id LIMIT ?"
            more = [device] if device else []
            found += self._read(day, sql, [least, last, *more, most - len(found)])
            if len(found) >= most:
                return found, found[-1].place
            end = max(end, place_of(day, max(last, 0)))
        return found, end if until is None else max(end, until)

    def events(self, place: int, most: int) -> list[Placed]:
        """Events behind a place, oldest first: what is passed before all else."""
        sql = f"SELECT {_COLUMNS} FROM frames WHERE kind = 2 AND id > ? ORDER BY id LIMIT ?"
        return self._each(place, sql, most)

    def newest(self, place: int, most: int) -> list[Placed]:
        """Of each device and kind of state the newest frame behind a place."""
        sql = (
            "SELECT max(id), device, lane, kind, n, raw FROM frames WHERE id > ? AND n > 0 AND kind IN (0, 1)"
            " AND refused = 0 GROUP BY device, kind ORDER BY 1 DESC LIMIT ?"
        )
        found: dict[tuple[int, int], Placed] = {}
        for one in self._each(place, sql, most):
            found[one.device, one.kind] = one
        return list(found.values())

    def end(self) -> int:
        """The place of the last frame of all."""
        days = self._log.days()
        return place_of(days[-1], self._last_id(days[-1])) if days else 0

    def _each(self, place: int, sql: str, most: int) -> list[Placed]:
        out: list[Placed] = []
        for day in self._days(place):
            least = max(0, place - place_of(day, 0))
            out += self._read(day, sql, [least, most - len(out)])
        return out

    def _days(self, place: int) -> list[str]:
        return [day for day in self._log.days() if day >= day_at(place)]

    def _last_id(self, day: str) -> int:
        found = self._rows(day, "SELECT coalesce(max(id), 0) FROM frames", [])
        return int(found[0][0]) if found else 0

    def _read(self, day: str, sql: str, arguments: list[int]) -> Iterator[Placed]:
        for number, *rest in self._rows(day, sql, arguments):
            yield Placed(place_of(day, number), *rest)

    def _rows(self, day: str, sql: str, arguments: list[int]) -> list[tuple[Any, ...]]:
        path = self._log.path(day)
        if not path.exists():
            return []  # retention took it
        db = open_reader(path)
        try:
            with naming(path):
                rows: list[tuple[Any, ...]] = db.execute(sql, arguments).fetchall()
                return rows
        finally:
            db.close()
