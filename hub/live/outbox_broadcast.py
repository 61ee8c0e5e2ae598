"""A mass evacuation by LoRa and BeiDou: one broadcast a relay, in place of one message a device.

Enters: an evacuation or retreat with the devices that have not answered. Leaves: `relay.Back` messages for nobody in
particular (device 0), which a relay says on its narrow bearers to all who hear it. Caller: `hub.live.outbox`.

Only for an order that means everybody, or all of a team: a broadcast cannot leave anybody out. While a relay says it,
the devices behind it get no message of their own by its narrow ways; after COVERED_MS those that have not answered do.
"""

from collections import Counter
from collections.abc import Callable, Collection

from hub.live.outbox_state import Entry
from hub.live.paths import Paths
from hub.live.units import Units
from protocols.orders import Order

AGAIN_MS = 60_000
COVERED_MS = 300_000
DEVICES_MIN = 2
RELAYS_MAX = 256
TEAM = "team:"


class Broadcasts:
    """Which relay said which order last. `pack`: the signed broadcast of an order, b"" for none."""

    def __init__(self, units: Units, paths: Paths, pack: Callable[[Order], bytes]) -> None:
        self._units = units
        self._paths = paths
        self._pack = pack
        self._said: dict[tuple[int, int], int] = {}  # (order, relay) -> when
        self._packed: dict[int, bytes] = {}

    def step(self, entry: Entry, waiting: Collection[int], now_ms: int) -> None:
        """Say it where two or more of the devices that wait were heard through one relay's narrow bearers."""
        if len(waiting) < DEVICES_MIN or not self._means_all(entry):
            return
        relays = Counter(relay for device in waiting for relay in self._paths.narrow_relays(device, now_ms))
        for relay, count in relays.most_common(RELAYS_MAX):
            said_ms = self._said.get((entry.order.seq, relay))
            if count < DEVICES_MIN or (said_ms is not None and 0 <= now_ms - said_ms < AGAIN_MS):
                continue
            data = self._packed.get(entry.order.seq) or self._pack(entry.order)
            if not data:
                return
            self._packed = {entry.order.seq: data}
            self._said[entry.order.seq, relay] = now_ms
            while len(self._said) > 4 * RELAYS_MAX:
                del self._said[next(iter(self._said))]
            self._paths.broadcast(relay, data)

    def covers(self, entry: Entry, device: int, now_ms: int) -> bool:
        """Whether a broadcast is being said for this device just now."""
        if not 0 <= now_ms - entry.row.t_utc_ms < COVERED_MS:
            return False
        relays = self._paths.narrow_relays(device, now_ms)
        return bool(relays) and all((entry.order.seq, relay) in self._said for relay in relays)

    def _means_all(self, entry: Entry) -> bool:
        """Nobody would hear it who is not meant: not even a unit that whoever gave it does not see."""
        target = entry.order.target
        if target != "all" and not target.startswith(TEAM):
            return False
        team = target.removeprefix(TEAM)
        return all(
            row.id in entry.units
            for slot, row in enumerate(self._units.rows)
            if not self._units.is_reported(slot) and (target == "all" or row.team == team)
        )
