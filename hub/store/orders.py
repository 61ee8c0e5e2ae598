"""Orders in the registry: what was ordered, to whom, and what came back.

Enters and leaves: plain rows. Nothing is ever deleted: an order and its receipts are evidence. Callers:
`hub.live.outbox_desk` (add), `hub.live.outbox` (load, keep).
"""

import json
from collections.abc import Collection, Iterable
from typing import NamedTuple

from hub.store.registry_file import RegistryFile
from hub.store.trust import AllClearRow


class OrderRow(NamedTuple):
    """An order as it was signed. `signatures` [(key id, signature, name)], hexadecimal; none where the MAC is enough.
    `origin`: the all-clear of two people that it came from, or "". `units`: whom it was for when it was given."""

    seq: int
    id: str
    type: int
    core: bytes
    signatures: list[tuple[str, str, str]]
    t_utc_ms: int
    origin: str
    units: tuple[str, ...]


class ReceiptRow(NamedTuple):
    """What a device said of an order: the code, when by its clock, when the hub heard it, and a number (0 for none)."""

    seq: int
    device: int
    code: int
    t_device_ms: int
    t_hub_ms: int
    value: int


class CarrierRow(NamedTuple):
    """A device that carried a unit of an order while it held."""

    seq: int
    device: int
    unit: str


class Orders:
    """Every method is one short transaction."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file

    def add(self, row: OrderRow, carriers: Iterable[CarrierRow]) -> None:
        """A new order with all its units and devices, or nothing."""
        with self._file.all_or_none():
            self._file.write(
                "INSERT INTO orders (seq, id, type, core, signatures, t_utc_ms, origin) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [*row[:4], json.dumps(row.signatures), row.t_utc_ms, row.origin],
            )
            for unit in row.units:
                self._file.write("INSERT INTO order_units (seq, unit) VALUES (?, ?)", [row.seq, unit])
            self.keep((), carriers)

    def keep(self, receipts: Iterable[ReceiptRow], carriers: Iterable[CarrierRow]) -> None:
        """What is known by now, in place of what was kept before. May be repeated."""
        with self._file.all_or_none():
            for carrier in carriers:
                sql = "INSERT OR IGNORE INTO order_devices (seq, device, unit) VALUES (?, ?, ?)"
                self._file.write(sql, carrier)
            for receipt in receipts:
                sql = (
                    "INSERT OR REPLACE INTO order_receipts (seq, device, code, t_device_ms, t_hub_ms, value)"
                    " VALUES (?, ?, ?, ?, ?, ?)"
                )
                self._file.write(sql, receipt)

    def has(self, id: str) -> bool:
        return bool(self._file.rows("SELECT 1 FROM orders WHERE id = ?", [id]))

    def newest(self, most: int, always: Collection[int], since_utc_ms: int) -> list[OrderRow]:
        """The newest orders, and all of some types since a time; oldest first."""
        marks = ", ".join("?" * len(always))
        sql = (
            "SELECT seq, id, type, core, signatures, t_utc_ms, origin FROM orders"
            " WHERE seq IN (SELECT seq FROM orders ORDER BY seq DESC LIMIT ?)"
            f" OR (type IN ({marks}) AND t_utc_ms > ?) ORDER BY seq"
        )
        return [self._order(row) for row in self._file.rows(sql, [most, *always, since_utc_ms])]

    def _order(self, row: tuple[object, ...]) -> OrderRow:
        seq, id, type, core, signatures, t_utc_ms, origin = row
        units = self._file.rows("SELECT unit FROM order_units WHERE seq = ? ORDER BY rowid", [seq])
        said = [(str(key), str(made), str(name)) for key, made, name in json.loads(str(signatures))]
        return OrderRow(
            int(str(seq)), str(id), int(str(type)), bytes(core), said,  # type: ignore[call-overload]
            int(str(t_utc_ms)), str(origin), tuple(str(unit) for (unit,) in units),
        )  # fmt: skip

    def carriers(self, seq: int) -> list[CarrierRow]:
        sql = "SELECT seq, device, unit FROM order_devices WHERE seq = ? ORDER BY rowid"
        return [CarrierRow(*row) for row in self._file.rows(sql, [seq])]  # type: ignore[arg-type]

    def receipts(self, seq: int) -> list[ReceiptRow]:
        sql = "SELECT seq, device, code, t_device_ms, t_hub_ms, value FROM order_receipts WHERE seq = ?"
        return [ReceiptRow(*row) for row in self._file.rows(sql, [seq])]  # type: ignore[arg-type]

    def given_all_clears(self, since_utc_ms: int) -> list[AllClearRow]:
        """All-clears that were given, were proposed after this time, and are no order yet."""
        sql = (
            "SELECT id, core, proposed_by, proposed_utc_ms, expires_utc_ms, state, signatures FROM all_clears"
            " WHERE state = 'given' AND proposed_utc_ms > ? AND id NOT IN (SELECT origin FROM orders)"
            " ORDER BY proposed_utc_ms"
        )
        return [
            AllClearRow(*row[:-1], [(str(k), str(s), str(n)) for k, s, n in json.loads(str(row[-1]))])  # type: ignore[arg-type, call-arg]
            for row in self._file.rows(sql, [since_utc_ms])
        ]
