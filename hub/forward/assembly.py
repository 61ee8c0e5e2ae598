"""The way up, made of the hub's parts when the settings name a hub above; and the list of keys for hubs below.

Caller: `hub.app`.
"""

from collections.abc import Callable

from hub.forward.passer import Passer, setting_of
from hub.forward.uplink import Uplink, tls_of
from hub.identity.authority import Authority
from hub.identity.commanders import Standing
from hub.identity.keys import KeyRing
from hub.live.ingest import Ingest
from hub.settings import Settings
from hub.store.passing import PassingLog
from hub.store.registry import SqliteRegistry
from hub.store.segments import SegmentLog
from protocols import orders

LIST_AGAIN_MS = 60_000


def passer_of(
    settings: Settings,
    segments: SegmentLog,
    registry: SqliteRegistry,
    authority: Authority,
    ingest: Ingest,
    clock_ms: Callable[[], int],
    take_list: Callable[[bytes], object],
) -> Passer | None:
    """None: there is no hub above."""
    if not settings.above_host:
        return None
    device, address = settings.above_device, (settings.above_host, settings.above_port)
    tls = tls_of(authority, device, settings.certificate_days, clock_ms) if settings.above_tls else None
    return Passer(
        device,
        settings.above_peer,
        lambda hear: Uplink(settings.realm, device, address, hear, clock_ms, tls),
        PassingLog(segments),
        ingest.below,
        ingest.keys,
        registry,
        setting_of(*address),
        clock_ms,
        lambda to, data: ingest.paths.hand_on(to, data, clock_ms(), settings.above_peer),
        take_list,
    )


class ListsBelow:
    """Brings the list of commanders' keys to each hub below, whose own list then holds them for its devices."""

    def __init__(self, ingest: Ingest, keys: KeyRing, publish: Callable[[int, bytes], None]) -> None:
        self._ingest = ingest
        self._keys = keys
        self._publish = publish
        self._sent: dict[int, tuple[int, int]] = {}

    def step(self, standing: Standing, now_ms: int) -> None:
        """Send what is due."""
        for hub in self._ingest.below.hubs(now_ms):
            key = self._keys.get(hub)
            number, sent_ms = self._sent.get(hub, (0, 0))
            due = number != standing.number or not 0 <= now_ms - sent_ms < LIST_AGAIN_MS
            if key is not None and standing.number and due:
                self._publish(hub, orders.pack_down(orders.What.KEYS, standing.signed, key))
                self._sent[hub] = (standing.number, now_ms)

    def serves(self, device: int) -> bool:
        """Whether the device's last news came by a hub below: then that one brings it its list."""
        return self._ingest.below.is_hub(self._ingest.paths.via(device))
