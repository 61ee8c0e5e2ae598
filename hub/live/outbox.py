"""The outbox: every order is brought to each of its devices, again and again, until that device says that it has it.

Enters: orders that were accepted (`hub.live.outbox_desk`), receipts out of event rows (`hub.live.ingest`), who carries
what. Leaves: messages down, rows for the registry, what changed. All of it runs on the loop; only
`kept` blocks. A restart forgets only when something was sent last: everything open is sent again at once.

`hub.live.outbox_sending` says how often. An order ends with its time; an evacuation or retreat only with a newer
all-clear for that unit.
"""

import heapq
import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hub.identity.keys import KeyRing
from hub.live.outbox_broadcast import Broadcasts
from hub.live.outbox_sending import Sending, pause_ms
from hub.live.outbox_state import WORDS, Entry, Receipt, Target, merge
from hub.live.paths import Paths
from hub.live.picture import Picture
from hub.live.units import Units
from hub.store.orders import CarrierRow, OrderRow, Orders, ReceiptRow
from protocols.catalog import FIELDS_BY_NAME, EventCode
from protocols.orders import NEVER_LATE, Order, OrderType
from protocols.units import MS_PER_DAY

log = logging.getLogger(__name__)
BROADCAST_LOOK_MS = 1_000
SENDS_MAX = 100
"""A step; at four steps a second 500 devices are told within 1.25 s, and acknowledgements still get through."""
LOOKED_MAX = 20_000
KEPT_MAX = 200
"""Orders in memory; of more, the oldest that is not an open evacuation or retreat is sent no more."""
OPEN_DAYS = 7
"""An evacuation that is older than this is not sent any more once the hub has been started again."""
_CODE, _ORDER, _VALUE = (FIELDS_BY_NAME[name].bit for name in ("event_code", "event_order", "event_value"))
_RANK = {OrderType.EVACUATE: 0, OrderType.RETREAT: 0, OrderType.ALL_CLEAR: 1, OrderType.ROLL_CALL: 2}


class Unkept(NamedTuple):
    """What the registry does not have yet."""

    receipts: list[ReceiptRow]
    carriers: list[CarrierRow]


class Outbox:
    """All orders of late, and what is due."""

    def __init__(
        self,
        registry: Orders,
        units: Units,
        picture: Picture,
        keys: KeyRing,
        paths: Paths,
        clock_ms: Callable[[], int],
        broadcast: Callable[[Order], bytes] = lambda _: b"",
    ) -> None:
        self._broadcasts = Broadcasts(units, paths, broadcast)
        self.sending = Sending(units, picture, keys, paths, self._broadcasts)
        self._registry = registry
        self._units = units
        self._clock_ms = clock_ms
        self._entries: dict[int, Entry] = {}
        self._cleared: dict[str, int] = {}  # unit -> number of the newest all-clear for it
        self._due: list[tuple[int, int, int]] = []  # (when, order, device)
        self._unkept: deque[ReceiptRow] = deque()
        self._new_carriers: deque[CarrierRow] = deque()
        self._changed: dict[int, set[str]] = {}
        self._stepped_ms = 0
        self._broadcast_ms = 0
        self.sent = 0
        self.receipts = 0
        self.strange_receipts = 0

    # --- orders --------------------------------------------------------------------------------------------

    def load(self) -> None:
        """What was ordered before a restart."""
        since_ms = self._clock_ms() - OPEN_DAYS * MS_PER_DAY
        for row in self._registry.newest(KEPT_MAX, NEVER_LATE, since_ms):
            entry = self._put(row)
            for carrier in self._registry.carriers(row.seq):
                entry.carry(carrier.unit, carrier.device, row.t_utc_ms)
            for receipt in self._registry.receipts(row.seq):
                target = entry.targets.get(receipt.device)
                if target is not None:
                    merge(target.receipts, receipt.code, Receipt(*receipt[3:]))
            self._schedule(entry)
        self._changed.clear()
        self.look()

    def add(self, row: OrderRow) -> Entry:
        """An order that is in the registry now. It is sent with the next step."""
        known = self._entries.get(row.seq)
        if known is not None:
            return known
        entry = self._put(row)
        self._carry(entry, self._carriers(), row.t_utc_ms)
        self._schedule(entry)
        return entry

    def _put(self, row: OrderRow) -> Entry:
        entry = self._entries[row.seq] = Entry.of(row)
        if entry.order.type == OrderType.ALL_CLEAR:
            for unit in entry.units:
                if self._cleared.get(unit, 0) < row.seq:
                    self._cleared[unit] = row.seq
                    self._lift(unit, row.seq)
        self._changed.setdefault(row.seq, set()).update(entry.units)
        while len(self._entries) > KEPT_MAX:
            now_ms = self._clock_ms()
            spare = (
                seq for seq, one in self._entries.items() if not one.never_late or self._settled(one, now_ms)
            )
            del self._entries[next(spare, next(iter(self._entries)))]
        return entry

    def _settled(self, entry: Entry, now_ms: int) -> bool:
        return all(self._is_settled(entry, target, now_ms) for target in entry.targets.values())

    def _lift(self, unit: str, seq: int) -> None:
        """The states of older evacuations and retreats of this unit change."""
        for other in self._entries.values():
            if other.never_late and other.order.seq < seq and unit in other.units:
                self._changed.setdefault(other.order.seq, set()).add(unit)

    def look(self) -> None:
        """After each change of the roster: a device that a targeted unit carries now is told too."""
        carriers, now_ms = self._carriers(), self._clock_ms()
        for entry in self._entries.values():
            if not entry.is_over(now_ms) and self._carry(entry, carriers, now_ms):
                self._schedule(entry)

    def _carriers(self) -> dict[str, list[int]]:
        rows = self._units.rows
        return {rows[slot].id: devices for slot, devices in self._units.devices_now().items()}

    def _carry(self, entry: Entry, carriers: dict[str, list[int]], since_ms: int) -> bool:
        found = False
        for unit in entry.units:
            for device in carriers.get(unit, ()):
                if entry.carry(unit, device, since_ms):
                    found = True
                    self._new_carriers.append(CarrierRow(entry.order.seq, device, unit))
                    self._changed.setdefault(entry.order.seq, set()).add(unit)
        return found

    def entries(self) -> Iterator[Entry]:
        """The newest first."""
        return (self._entries[seq] for seq in sorted(self._entries, reverse=True))

    def entry(self, seq: int) -> Entry | None:
        return self._entries.get(seq)

    # --- sending -------------------------------------------------------------------------------------------

    def _schedule(self, entry: Entry) -> None:
        """What of an order is not waiting in the queue is due now."""
        for target in entry.targets.values():
            if not target.queued and not target.receipts:
                target.queued = True
                heapq.heappush(self._due, (0, entry.order.seq, target.device))

    def step(self) -> None:
        """Send what is due. Four times a second."""
        now_ms = self._clock_ms()
        if now_ms < self._stepped_ms:  # the clock was set back: what was due in an hour is due now
            self._due = sorted((0, seq, device) for _, seq, device in self._due)
        self._stepped_ms = now_ms
        self._broadcast(now_ms)
        budget = SENDS_MAX
        for _, due_ms, entry, target in self._ready(now_ms):
            if budget > 0:
                if self.sending.once(entry, target, now_ms):
                    budget -= 1
                    self.sent += 1
                    if target.sent == 1:
                        self._changed.setdefault(entry.order.seq, set()).update(target.units)
                due_ms = now_ms + pause_ms(now_ms - target.since_ms)
            target.queued = True
            heapq.heappush(self._due, (due_ms, entry.order.seq, target.device))

    def _broadcast(self, now_ms: int) -> None:
        """Once a second: before the messages of single devices, which it saves."""
        if 0 <= now_ms - self._broadcast_ms < BROADCAST_LOOK_MS:
            return
        self._broadcast_ms = now_ms
        for entry in self._entries.values():
            if entry.never_late:
                waiting = [
                    d for d, target in entry.targets.items() if not self._is_settled(entry, target, now_ms)
                ]
                if all(self._cleared.get(unit, 0) < entry.order.seq for unit in entry.units):
                    self._broadcasts.step(entry, waiting, now_ms)

    def _ready(self, now_ms: int) -> list[tuple[int, int, Entry, Target]]:
        """What is due, out of the queue, the gravest and longest waiting first: (rank, when, order, device)."""
        ready: list[tuple[int, int, Entry, Target]] = []
        while self._due and self._due[0][0] <= now_ms and len(ready) < LOOKED_MAX:
            due_ms, seq, device = heapq.heappop(self._due)
            entry = self._entries.get(seq)
            if entry is None:
                continue
            target = entry.targets[device]
            target.queued = False
            if not self._is_settled(entry, target, now_ms):
                ready.append((_RANK.get(OrderType(entry.order.type), 3), due_ms, entry, target))
        ready.sort(key=lambda one: one[:2])
        return ready

    def _is_settled(self, entry: Entry, target: Target, now_ms: int) -> bool:
        """Nothing has to be sent any more."""
        if target.receipts or entry.is_over(now_ms):
            return True
        if not entry.never_late:
            return False
        return all(self._cleared.get(unit, 0) > entry.order.seq for unit in target.units)

    # --- receipts ------------------------------------------------------------------------------------------

    def take(self, device: int, values: dict[int, int | None], t_device_ms: int, t_hub_ms: int) -> bool:
        """One row of an event frame. Whether it was about an order: then it is no event."""
        code, seq = values.get(_CODE), values.get(_ORDER)
        if code not in WORDS:
            return False
        if seq is None:
            self._answer(device, int(code), Receipt(t_device_ms, t_hub_ms))
            return False
        entry = self._entries.get(seq)
        target = None if entry is None else entry.targets.get(device)
        if entry is None or target is None:
            self.strange_receipts += 1
            return True
        self._merge(entry, target, int(code), Receipt(t_device_ms, t_hub_ms, values.get(_VALUE) or 0))
        return True

    def _merge(self, entry: Entry, target: Target, code: int, receipt: Receipt) -> None:
        if merge(target.receipts, code, receipt):
            self.receipts += 1
            self._unkept.append(ReceiptRow(entry.order.seq, target.device, code, *receipt))
            self._changed.setdefault(entry.order.seq, set()).update(target.units)

    def _answer(self, device: int, code: int, receipt: Receipt) -> None:
        """By a gesture a wearer answers a roll-call without its number: the latest one. That is an event too."""
        if code != EventCode.ROLL_CALL:
            return
        for entry in self.entries():
            target = entry.targets.get(device)
            if target is None or entry.order.type != OrderType.ROLL_CALL:
                continue
            if entry.row.t_utc_ms <= receipt.t_device_ms <= entry.order.expires_utc_ms:
                self._merge(entry, target, code, receipt)
                return

    def unkept(self) -> Unkept:
        """What has to be written now. On the loop; `keep` then writes it on another thread."""
        made = Unkept(list(self._unkept), list(self._new_carriers))
        self._unkept.clear()
        self._new_carriers.clear()
        return made

    def keep(self, some: Unkept) -> None:
        """Write; blocks. What cannot be written waits for the next time, and stands in the log anyway."""
        if some.receipts or some.carriers:
            try:
                self._registry.keep(some.receipts, some.carriers)
            except Exception:
                self._unkept.extendleft(reversed(some.receipts))
                self._new_carriers.extendleft(reversed(some.carriers))
                raise

    # --- for screens ---------------------------------------------------------------------------------------

    def cleared(self, unit: str) -> int:
        """The number of the newest all-clear for a unit, 0 for none."""
        return self._cleared.get(unit, 0)

    def changes(self) -> list[tuple[Entry, set[str] | None]]:
        """Orders whose states changed since the last call, with the units; None: all of them."""
        changed, self._changed = self._changed, {}
        found = [(self._entries.get(seq), units) for seq, units in changed.items()]
        return [
            (entry, None if len(units) == len(entry.units) else units)
            for entry, units in found
            if entry is not None
        ]
