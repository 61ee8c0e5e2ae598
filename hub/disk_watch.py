"""How full the hub's disk is, and what is deleted in time. Caller: `hub.app`.

Enters: the data folder, settings, holds. Leaves: `space`, which the pipeline asks before it writes; days of the log
deleted, each with an operator record.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from hub.rounds import Trouble, every
from hub.settings import Settings
from hub.store.budget import Retention, Space, measure
from hub.store.registry import SqliteRegistry
from hub.store.segments import SegmentLog

log = logging.getLogger(__name__)
SPACE_EVERY_S = 10.0
RETENTION_EVERY_S = 60.0


class DiskWatch:
    """`space` is as last measured; until the first time there is room."""

    def __init__(
        self,
        data: Path,
        settings: Settings,
        segments: SegmentLog,
        registry: SqliteRegistry,
        clock_ms: Callable[[], int],
    ) -> None:
        self.space = Space(0, 1, 1 << 40)
        self._data = data
        self._budget_gib = settings.disk_budget_gib
        self._retention = Retention(
            segments, history_days=settings.history_days, events_days=settings.events_days
        )
        self._registry = registry
        self._clock_ms = clock_ms

    def measure(self) -> None:
        self.space = measure(self._data, self._budget_gib)

    async def run(self, stop: asyncio.Event, readers: Executor, trouble: Trouble) -> None:
        loop = asyncio.get_running_loop()
        due = 0.0
        async for _ in every(SPACE_EVERY_S, stop):
            with trouble.noting("space"):
                await loop.run_in_executor(readers, self.measure)
                if loop.time() >= due:
                    due = loop.time() + RETENTION_EVERY_S
                    # Not on the writer's thread: deleting a day takes long, and an SOS would wait behind it.
                    await loop.run_in_executor(None, self._retain)

    def _retain(self) -> None:
        holds = self._registry.holds()
        now_ms = self._clock_ms()
        done = self._retention.by_age(now_ms, holds)
        done += self._retention.by_space(self._data, self._budget_gib, holds)
        for line in done:
            log.warning("retention: %s", line)
            self._registry.record(now_ms, "hub", "retention", {"done": line})
