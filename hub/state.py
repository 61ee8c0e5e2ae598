"""The parts of a running hub, gathered for the API. Made by `hub.app`, read by `hub.api`."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from hub.forward.passer import Passer
from hub.identity.authority import Authority
from hub.identity.commanders import Commanders
from hub.identity.enrolment import Enrolment
from hub.identity.list_sender import ListSender
from hub.identity.signin import SignIn
from hub.identity.watch import Watch
from hub.live.clock import HubClock
from hub.live.counters import Counters
from hub.live.feed import Feed
from hub.live.history import History
from hub.live.ingest import Ingest
from hub.live.outbox import Outbox
from hub.live.outbox_desk import OrderDesk
from hub.live.outbox_screen import OrderScreen
from hub.live.picture import Picture
from hub.live.seen import SeenEvents
from hub.live.units import Units
from hub.safety.parts import Parts
from hub.settings import Settings
from hub.store.registry import SqliteRegistry


@dataclass(frozen=True, slots=True)
class Health:
    """`reasons`: why the hub is not well, empty when it is. `notes`: what a person should know anyway."""

    reasons: list[str]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class HubState:
    """Everything the API may look at."""

    settings: Settings
    version: str
    clock: HubClock
    registry: SqliteRegistry
    authority: Authority
    enrolment: Enrolment
    reload: Callable[[], None]
    sign_in: SignIn
    watch: Watch
    commanders: Commanders
    list_sender: ListSender
    units: Units
    picture: Picture
    feed: Feed
    ingest: Ingest
    seen: SeenEvents
    outbox: Outbox
    order_desk: OrderDesk
    order_screen: OrderScreen
    history: History
    counters: Counters
    readers: Executor
    health: Callable[[], Health]
    gauges: Callable[[], dict[str, float]]
    safety: Parts
    passer: Passer | None = None

    async def record(self, who: str, what: str, content: Mapping[str, object]) -> None:
        """Write an operator record, before what it says counts. StoreError when the disk refuses."""
        now_ms, loop = self.clock.now_ms(), asyncio.get_running_loop()
        write = self.registry.record
        await loop.run_in_executor(self.readers, lambda: write(now_ms, who, what, dict(content)))
