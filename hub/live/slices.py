"""Hours of a device's rows, decoded once and kept: what trails and series are made of.

Enters: devices and windows. Leaves: `Columns`. Callers: `hub.live.history`, on a reader's thread; `hub.app` (late).

Derived and rebuildable: an hour is kept once nothing in it can come in time any more, and forgotten when something of
it comes late after all. Bound: BYTES_MAX, the one that was used longest ago goes first.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, Protocol

from hub.live.columns import Columns, Gathering, joined
from hub.live.ingest_late import LATE_MS

HOUR_MS = 3_600_000
SETTLE_MS = LATE_MS + 10_000
"""An hour that ended so long ago is whole, or what is missing will be told as late."""
BYTES_MAX = 134_217_728
"""An hour of one row a second and ten channels takes 160 kB."""
SLICED_MS_MAX = 48 * HOUR_MS
"""A longer window is read without keeping anything."""


class Kept(Protocol):
    """What the cache holds."""

    @property
    def nbytes(self) -> int: ...


class Cache:
    """Least lately used goes first. Safe for several threads."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._kept: OrderedDict[tuple[Any, ...], tuple[Kept, int]] = OrderedDict()
        self._late: dict[int, int] = {}  # device -> how often something of it came late
        self._lock = Lock()
        self.nbytes = self.hits = self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: tuple[Any, ...]) -> Kept | None:
        with self._lock:
            found = self._kept.get(key)
            self.hits, self.misses = self.hits + (found is not None), self.misses + (found is None)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def generation(self, device: int) -> int:
        """To be noted before the log is read, and given to `put`."""
        with self._lock:
            return self._late.get(device, 0)

    def put(self, key: tuple[Any, ...], made: Kept, device: int, generation: int) -> None:
        """`key` begins with device and hour. Not kept when something came late while it was made."""
        with self._lock:
            if self._late.get(device, 0) != generation:
                return
            self._drop(key)
            size = made.nbytes + 200
            self._kept[key] = made, size
            self.nbytes += size
            while self.nbytes > self._bytes_max:
                _, (_, gone) = self._kept.popitem(last=False)
                self.nbytes -= gone

    def _drop(self, key: tuple[Any, ...]) -> None:
        known = self._kept.pop(key, None)
        if known is not None:
            self.nbytes -= known[1]

    def late(self, device: int, t_ms: int) -> None:
        """Rows of a device from `t_ms` on are others than they were."""
        with self._lock:
            self._late[device] = self._late.get(device, 0) + 1
            for key in [key for key in self._kept if key[0] == device and (key[1] + 1) * HOUR_MS > t_ms]:
                self._drop(key)


class Slices:
    """Columns of devices by hours. `read(device, kind, first, last)` reads it. `clock_ms` None: nothing is kept."""

    def __init__(
        self, read: Callable[[int, int, int, int], Gathering], clock_ms: Callable[[], int] | None
    ) -> None:
        self._read = read
        self._clock_ms = clock_ms
        self.cache = Cache()

    def columns(self, device: int, kind: int, first_ms: int, last_ms: int) -> Columns:
        """Rows of one page from `first_ms` to `last_ms`."""
        if self._clock_ms is None or last_ms - first_ms > SLICED_MS_MAX:
            return self._read(device, kind, first_ms, last_ms).columns().within(first_ms, last_ms)
        hours = range(first_ms // HOUR_MS, last_ms // HOUR_MS + 1)
        found = {hour: self.cache.get((device, hour, kind)) for hour in hours}
        for begin, end in _runs([hour for hour in hours if found[hour] is None]):
            found |= self._hours(device, kind, begin, end)
        parts: list[Columns] = [made for hour in hours if isinstance(made := found[hour], Columns)]
        return joined(parts).within(first_ms, last_ms)

    def is_over(self, hour: int) -> bool:
        """Whether what is made of an hour (its number since 1970) may be kept."""
        return self._clock_ms is not None and (hour + 1) * HOUR_MS + SETTLE_MS <= self._clock_ms()

    def _hours(self, device: int, kind: int, begin: int, end: int) -> dict[int, Kept | None]:
        """Hours `begin` … `end` read in one go; those that are over are kept."""
        generation = self.cache.generation(device)
        whole = self._read(device, kind, begin * HOUR_MS, (end + 1) * HOUR_MS - 1).columns()
        made: dict[int, Kept | None] = {}
        for hour in range(begin, end + 1):
            part = whole.within(hour * HOUR_MS, (hour + 1) * HOUR_MS - 1)
            made[hour] = part
            if self.is_over(hour):
                own = Columns(part.t_ms.copy(), {bit: column.copy() for bit, column in part.values.items()})
                self.cache.put((device, hour, kind), own, device, generation)
        return made


def _runs(hours: list[int]) -> list[tuple[int, int]]:
    """(first, last) of each stretch of neighbours."""
    runs: list[tuple[int, int]] = []
    for hour in hours:
        if runs and runs[-1][1] == hour - 1:
            runs[-1] = runs[-1][0], hour
        else:
            runs.append((hour, hour))
    return runs
