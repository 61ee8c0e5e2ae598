"""Stations of weather, water, earth, sea and forest: values with thresholds and ages, alarms, drafts of warnings.

Enters: DATA/stations.toml and what comes by its ways. Leaves: conditions of kind `station`, drafts, the feed's
`station`. Callers: `hub.app`, `hub.api.station_routes`. Reading and asking happen on threads of its own: a page that
does not answer keeps nobody waiting. What cannot be used is counted; its last ones are kept with row and column.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from hub.errors import SettingsError
from hub.identity.permissions import Audience, Principal
from hub.mqtt import Line
from hub.safety import stations_map
from hub.safety.condition import Condition
from hub.safety.part import Ground, Maker, Part
from hub.safety.stations_book import Book
from hub.safety.stations_map import Mappings, Source
from hub.safety.stations_read import Bad, ReadError, Reading, Taken, newest, take
from hub.safety.stations_rules import drafts
from hub.safety.stations_ways import Document, Files, Page, WayError, line_of
from hub.safety.warnings_drafts import Drafts

log = logging.getLogger(__name__)
KIND = "station"
THREADS = 4
MESSAGES_MAX = 1_000
"""Of a topic, waiting to be read; beyond it the oldest go, and are counted."""
MESSAGES_A_READ = 200
READINGS_MAX = 20_000
"""Of a source, waiting to be shown; beyond it the oldest go, and are counted."""
READINGS_A_LOOK = 3_000
TOLD_A_TICK = 40
GREETED_MAX = 200
BAD_SHOWN_MAX = 20
SOON_MS = 1_000
NOT_CONNECTED = "not connected to the broker"
Tell = Callable[[str, Sequence[Condition], int], None]


@dataclass(slots=True)
class Supply:
    """One source and how it does. `failing_since_ms` None: it answers. `bad`: the last rows that were refused."""

    source: Source
    way: Files | Page | None
    due_ms: int = 0
    t_ok_ms: int | None = None
    failing_since_ms: int | None = None
    why: str = ""
    rows: int = 0
    readings: int = 0
    refused: int = 0
    absent: int = 0
    dropped: int = 0
    bad: deque[tuple[int, Bad]] = field(default_factory=lambda: deque(maxlen=BAD_SHOWN_MAX))
    line: Line | None = None
    messages: deque[Document] = field(default_factory=lambda: deque(maxlen=MESSAGES_MAX))
    waiting: deque[Reading] = field(default_factory=lambda: deque(maxlen=READINGS_MAX))
    asking: "Future[Answer] | None" = None
    known_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    """Newest time of (station, quantity) that was read: a file that grows is not told anew. Of the reading thread."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one look at a source brought. `why` "": it went well."""

    taken: tuple[Taken, ...] = ()
    why: str = ""
    is_soon: bool = False


def read_all(supply: Supply, documents: Iterable[Document], now_ms: int) -> tuple[list[Taken], str]:
    """All documents; why the last unreadable one was not read. Nothing is raised."""
    made, why = [], ""
    for data, name in documents:
        try:
            made.append(take(supply.source, data, now_ms, name))
        except ReadError as err:
            why = f"{name}: {err}"[:300]
    return made, why


def _ask(supply: Supply, messages: Sequence[Document], now_ms: int) -> Answer:
    """On a thread. Whatever is wrong is an answer."""
    try:
        documents, is_soon = (list(messages), False) if supply.way is None else supply.way.ask()
    except WayError as err:
        return Answer(why=str(err)[:300])
    taken, why = read_all(supply, documents, now_ms)
    for one in taken:
        one.readings = [r for r in newest(one.readings) if _is_news(supply, r)]
    return Answer(tuple(taken), why, is_soon)


def _is_news(supply: Supply, reading: Reading) -> bool:
    """Whether it is not older than what was read before. As many keys are kept as there may be stations."""
    key = (reading.station, reading.quantity)
    before = supply.known_ms.get(key)
    if before is not None and reading.t_utc_ms < before:
        return False
    if before is None and len(supply.known_ms) >= READINGS_MAX:
        return True
    supply.known_ms[key] = reading.t_utc_ms
    return True


class Stations(Part):
    """See the module. `offers`: where drafts of combined warnings go."""

    name = "stations"

    def __init__(self, ground: Ground, offers: Drafts, tell: Tell) -> None:
        self._ground = ground
        self._offers = offers
        self._tell = tell
        self.mappings = Mappings()
        self.supplies: list[Supply] = []
        self.book = Book()
        self.trouble = ""
        self._pool = ThreadPoolExecutor(THREADS, "hub-stations")
        self._stop = asyncio.Event()
        self._lines: list[asyncio.Task[None]] = []
        self._fresh: dict[str, None] = {}
        self._dirty: dict[str, None] = {}
        self._gone: list[str] = []

    # --- the part ------------------------------------------------------------------------------------------

    def load(self) -> None:
        try:
            self.mappings = stations_map.load(self._ground.data / "stations.toml")
        except SettingsError as err:
            self.trouble = str(err)
        self.supplies = [Supply(source, self._way(source)) for source in self.mappings.sources]
        sources = {source.name: source for source in self.mappings.sources}
        for id, kept in self._ground.registry.documents.all(KIND).items():
            if not self.book.restore(id, kept, sources) and not self.trouble:
                self._gone.append(id)

    def _way(self, source: Source) -> Files | Page | None:
        if source.way == "mqtt":
            return None
        if source.way == "url":
            return Page(source, self._ground.data)
        return Files(self._ground.data / source.where, f".{source.way}")

    def look(self, now_ms: int) -> None:
        for supply in self.supplies:
            if supply.way is None and supply.line is None and supply.due_ms <= now_ms:
                self._connect(supply, now_ms)
            self._collect(supply, now_ms)
            self._begin(supply, now_ms)
            for _ in range(min(len(supply.waiting), READINGS_A_LOOK)):
                self.book.take(supply.source, supply.waiting.popleft(), now_ms)
        self._fresh |= self.book.changed
        self._dirty |= self.book.changed
        self.book.changed.clear()
        self._tell("stations", self.book.conditions(now_ms), now_ms)
        if self.mappings.rules:
            for draft in drafts(self.mappings.rules, self.book.exceeded(now_ms), self._offers.all(), now_ms):
                self._offers.offer(draft)

    def _connect(self, supply: Supply, now_ms: int) -> None:
        settings = self._ground.settings
        host, _, port = settings.broker.rpartition(":")
        own = (host, int(port)) if settings.broker else ("127.0.0.1", settings.mqtt_port)
        supply.due_ms = now_ms + supply.source.every_ms

        def put(messages: list[tuple[str, bytes]]) -> None:
            supply.dropped += max(0, len(supply.messages) + len(messages) - MESSAGES_MAX)
            supply.messages.extend((payload, topic) for topic, payload in messages)

        try:
            supply.line = line_of(supply.source, own, self._ground.data, put, self._ground.clock_ms)
        except (WayError, OSError, ValueError) as err:
            self._fail(supply, str(err), now_ms)
            return
        self._lines.append(asyncio.get_running_loop().create_task(supply.line.run(self._stop)))

    def _begin(self, supply: Supply, now_ms: int) -> None:
        if supply.asking is not None:
            return
        if supply.way is None:
            if supply.line is not None and supply.line.transport is None:
                self._fail(supply, NOT_CONNECTED, now_ms)
            elif supply.why == NOT_CONNECTED:
                supply.failing_since_ms, supply.why = None, ""
            messages = [supply.messages.popleft() for _ in range(min(len(supply.messages), MESSAGES_A_READ))]
            if messages:
                supply.asking = self._pool.submit(_ask, supply, messages, now_ms)
        elif supply.due_ms <= now_ms:
            supply.due_ms = now_ms + supply.source.every_ms
            supply.asking = self._pool.submit(_ask, supply, (), now_ms)

    def _collect(self, supply: Supply, now_ms: int) -> None:
        if supply.asking is None or not supply.asking.done():
            return
        failed = supply.asking.exception()
        answer = (
            Answer(why=f"{type(failed).__name__}: {failed}") if failed is not None else supply.asking.result()
        )
        supply.asking = None
        if answer.is_soon:
            supply.due_ms = min(supply.due_ms, now_ms + SOON_MS)
        for taken in answer.taken:
            supply.rows += taken.rows
            supply.readings += len(taken.readings)
            supply.refused += len(taken.bad) + taken.bad_more
            supply.absent += taken.absent
            supply.bad.extend((now_ms, bad) for bad in taken.bad)
            supply.dropped += max(0, len(supply.waiting) + len(taken.readings) - READINGS_MAX)
            supply.waiting.extend(taken.readings)
        if answer.why:
            self._fail(supply, answer.why, now_ms)
        else:
            supply.t_ok_ms, supply.failing_since_ms, supply.why = now_ms, None, ""

    def _fail(self, supply: Supply, why: str, now_ms: int) -> None:
        if supply.failing_since_ms is None:
            supply.failing_since_ms = now_ms
            log.warning("stations: %s: %s", supply.source.name, why)
        supply.why = why

    def keep(self) -> None:
        dirty, self._dirty = self._dirty, {}
        gone, self._gone = self._gone, []
        documents = self._ground.registry.documents
        try:
            kept = {id: body for id in dirty if (body := self.book.kept(id)) is not None}
            if kept:
                documents.put(KIND, kept, self._ground.clock_ms())
            if gone:
                documents.drop(KIND, gone)
        except Exception:
            self._dirty = dirty | self._dirty
            self._gone += gone
            raise

    def changes(self) -> Iterable[Maker]:
        ids = list(self._fresh)[:TOLD_A_TICK]
        for id in ids:
            del self._fresh[id]
        return [_saying(station.message()) for id in ids if (station := self.book.get(id)) is not None]

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        """Those over a threshold, then the newest; the board asks for all of them."""
        over = {station.id for station, _ in self.book.over(self._ground.clock_ms())}
        order = sorted(self.book, key=lambda station: (station.id in over, station.t_utc_ms))
        return [station.message() for station in order[-GREETED_MAX:]]

    def close(self) -> None:
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def gauges(self) -> dict[str, float]:
        return {
            "stations": float(len(self.book)),
            "stations_over": float(sum(1 for _ in self.book.over(self._ground.clock_ms()))),
            "station_sources_failing": float(sum(s.failing_since_ms is not None for s in self.supplies)),
            "station_values_refused": float(sum(s.refused for s in self.supplies)),
            "station_values_dropped": float(sum(s.dropped for s in self.supplies) + self.book.left_out),
        }

    def notes(self) -> list[str]:
        now_ms = self._ground.clock_ms()
        failing = [
            f"stations: {s.source.name} fails since {(now_ms - s.failing_since_ms) // 1000} s: {s.why}"
            for s in self.supplies
            if s.failing_since_ms is not None
        ]
        return [self.trouble, *failing] if self.trouble else failing


def _saying(message: dict[str, Any]) -> Maker:
    def make(_audience: Audience) -> dict[str, Any]:
        return message

    return make
