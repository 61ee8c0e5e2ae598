"""What hubs of one family tell each other: of devices who may send, under which epoch, who carries it; and open orders.

Enters and leaves: `Shared`, `SharedOrder`. No secret is in it. Callers: `hub.forward.family`, `hub.app`.

Merging goes one way only: an epoch never falls, a revoked device comes back only by a higher epoch, a later binding
takes the place of an earlier one. A unit that is known keeps its own words here.
"""

from collections.abc import Callable
from typing import NamedTuple

from hub.store.devices import Devices
from hub.store.interface import UnitRow
from hub.store.orders import CarrierRow, OrderRow, Orders
from hub.store.registry_file import RegistryFile
from protocols.orders import NEVER_LATE, open_order

STATES = ("active", "revoked")
ORDERS_MAX = 32
ORDERS_MS = 7 * 86_400_000
_ENTRY = (
    "SELECT d.device, d.epoch, d.state, d.kind, d.relay, d.firmware, d.enrolled_utc_ms, d.not_after_utc_ms, d.why,"
    " b.from_utc_ms, u.callsign, u.kind, u.branch, u.team, u.stale_s, u.lost_s, u.agency FROM devices d"
    " LEFT JOIN bindings b ON b.device = d.device AND b.to_utc_ms IS NULL LEFT JOIN units u ON u.id = b.unit"
    " WHERE d.state != 'reserved' ORDER BY d.changed_utc_ms DESC, d.device"
)


class Shared(NamedTuple):
    """One device. `unit` None: nobody carries it now; else its words, and since when."""

    device: int
    epoch: int
    state: str
    kind: str
    relay: bool
    firmware: str
    enrolled_utc_ms: int | None
    not_after_utc_ms: int | None
    why: str
    from_utc_ms: int | None
    unit: UnitRow | None


class SharedOrder(NamedTuple):
    """An order that still holds, with the devices that it was for. `signatures` as in `OrderRow`."""

    core: bytes
    signatures: list[tuple[str, str, str]]
    t_utc_ms: int
    origin: str
    devices: tuple[int, ...]


class Sharing:
    """Reads and merges, each in one transaction."""

    def __init__(
        self,
        file: RegistryFile,
        unit_id: Callable[[UnitRow], str],
        bind: Callable[[int, str, int], None],
    ) -> None:
        self._unit_id = unit_id
        self._bind = bind
        self._file = file
        self._devices = Devices(file)
        self._orders = Orders(file)

    def entries(self) -> list[Shared]:
        """All devices that a code was used for, or a key given to; those that changed last first."""
        return [_shared(row) for row in self._file.rows(_ENTRY)]

    def merge(self, entry: Shared, t_utc_ms: int) -> bool:
        """Take over what is news; whether anything was."""
        with self._file.all_or_none():
            changed = self._merge_device(entry, t_utc_ms)
            return self._merge_binding(entry) or changed

    def open_orders(self, now_ms: int) -> list[SharedOrder]:
        """The newest that have not expired, and evacuations of the last week; the newest first."""
        found = []
        for row in reversed(self._orders.newest(ORDERS_MAX, NEVER_LATE, now_ms - ORDERS_MS)):
            order = open_order(row.core)
            if order.type in NEVER_LATE or order.expires_utc_ms > now_ms:
                devices = tuple(carrier.device for carrier in self._orders.carriers(row.seq))
                found.append(SharedOrder(row.core, row.signatures, row.t_utc_ms, row.origin, devices))
        return found[:ORDERS_MAX]

    def take_order(self, shared: SharedOrder) -> OrderRow | None:
        """Keep an order of another hub as one of ours, for the units that carry its devices here; None: it is known.
        OrderError when its core is none."""
        order = open_order(shared.core)
        if self._orders.has(order.id):
            return None
        marks = ", ".join("?" * len(shared.devices))
        sql = f"SELECT device, unit FROM bindings WHERE to_utc_ms IS NULL AND device IN ({marks})"
        carried = [(int(str(device)), str(unit)) for device, unit in self._file.rows(sql, shared.devices)]
        units = tuple(dict.fromkeys(unit for _, unit in carried))
        row = OrderRow(
            order.seq,
            order.id,
            order.type,
            shared.core,
            shared.signatures,
            shared.t_utc_ms,
            shared.origin,
            units,
        )
        self._orders.add(row, [CarrierRow(order.seq, device, unit) for device, unit in carried])
        return row

    def _merge_device(self, entry: Shared, t_utc_ms: int) -> bool:
        known = self._devices.row(entry.device)
        if known is not None and known.state != "reserved":
            ours = known.epoch, STATES.index(known.state), known.not_after_utc_ms or 0
            if ours >= (entry.epoch, STATES.index(entry.state), entry.not_after_utc_ms or 0):
                return False
            if known.epoch < entry.epoch or entry.state == "revoked":
                self._devices.end_certificates(entry.device, t_utc_ms)
        sql = (
            "INSERT INTO devices (device, epoch, state, kind, relay, firmware, enrolled_utc_ms, not_after_utc_ms, why,"
            " changed_utc_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device) DO UPDATE SET"
            " epoch = excluded.epoch, state = excluded.state, kind = excluded.kind, relay = excluded.relay,"
            " firmware = excluded.firmware, enrolled_utc_ms = excluded.enrolled_utc_ms,"
            " not_after_utc_ms = excluded.not_after_utc_ms, why = excluded.why,"
            " changed_utc_ms = excluded.changed_utc_ms"
        )
        self._file.write(sql, [*entry[:4], int(entry.relay), *entry[5:9], t_utc_ms])
        return True

    def _merge_binding(self, entry: Shared) -> bool:
        if entry.unit is None or entry.from_utc_ms is None:
            return False
        sql = "SELECT max(from_utc_ms), max(coalesce(to_utc_ms, 0)) FROM bindings WHERE device = ?"
        from_ms, to_ms = self._file.rows(sql, [entry.device])[0]
        if from_ms is not None and max(int(str(from_ms)), int(str(to_ms))) >= entry.from_utc_ms:
            return False
        self._bind(entry.device, self._unit_id(entry.unit), entry.from_utc_ms)
        return True


def _shared(row: tuple[object, ...]) -> Shared:
    *head, callsign, kind, branch, team, stale_s, lost_s, agency = row
    unit = None if callsign is None else UnitRow("", callsign, kind, branch, team, stale_s, lost_s, agency)  # type: ignore[arg-type]
    shared = Shared._make([*head, unit])
    return shared._replace(relay=bool(shared.relay))
