"""What every part of hub.safety is: something that is loaded, looks about each second, keeps itself, and tells screens.

Enters: `Ground`, all that a part may use. Leaves: messages, documents, gauges. Caller: `hub.app`.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.identity.permissions import Audience, Principal
from hub.live.clock import HubClock
from hub.live.events import Event, EventBook
from hub.live.ingest import Ingest
from hub.live.outbox import Outbox
from hub.live.outbox_desk import OrderDesk
from hub.live.picture import Picture
from hub.live.units import Units
from hub.settings import Settings
from hub.store.registry import SqliteRegistry
from hub.store.segments import SegmentLog

Maker = Callable[[Audience], dict[str, Any] | None]
"""Makes one message of the feed for each audience, None: nothing for this one."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the parts stand on. `record(who, what, content)` writes an operator record and blocks. `log` and `registry`
    are read and written on a reader's thread only (`readers`)."""

    settings: Settings
    data: Path
    clock_ms: Callable[[], int]
    clock: HubClock
    registry: SqliteRegistry
    log: SegmentLog
    units: Units
    picture: Picture
    events: EventBook
    ingest: Ingest
    outbox: Outbox
    order_desk: OrderDesk
    readers: Executor

    def record(self, who: str, what: str, content: dict[str, object]) -> None:
        self.registry.record(self.clock_ms(), who, what, content)


class Part:
    """Nothing of it by default. Threads: all on the hub's loop but `keep`."""

    name = ""

    def load(self) -> None:
        """Before the first screen: what was kept, and files of the data folder."""

    def hear(self, events: Sequence[Event]) -> None:
        """Events of devices as they come, late ones too; not those that a start reads again out of the log."""

    def look(self, now_ms: int) -> None:
        """Each second. What takes more than a few milliseconds goes to `readers`."""

    def keep(self) -> None:
        """Each second, on a reader's thread: write what changed. StoreError is told to people; it is asked again."""

    def changes(self) -> Iterable[Maker]:
        """Each tick (250 ms): what to tell the screens."""
        return ()

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        """What a new screen is told after its first snapshot."""
        return ()

    def close(self) -> None:
        """The hub ends."""

    def gauges(self) -> dict[str, float]:
        """For /metrics."""
        return {}

    def notes(self) -> list[str]:
        """What a person should know, for /healthz."""
        return []
