"""registry.db: units, dated bindings, settings, holds, operator records; and parts for people, devices, trust, orders.

Enters: what operators decide. Leaves: the same, and a version that grows when another program (the command
line beside a running hub) has changed something.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from hub.errors import RosterError
from hub.store.answers import Answers
from hub.store.chain import START, Verdict, canonical, link, verify
from hub.store.devices import Devices
from hub.store.documents import Documents
from hub.store.interface import Binding, Hold, UnitRow
from hub.store.orders import Orders
from hub.store.people import People
from hub.store.registry_file import RegistryFile
from hub.store.sharing import Sharing
from hub.store.trust import Trust


class SqliteRegistry:
    """The registry in one file. Every method is one short transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = RegistryFile(path)
        self.people = People(self._file)
        self.devices = Devices(self._file)
        self.trust = Trust(self._file)
        self.sharing = Sharing(self._file, self.unit_id, self.bind)
        self.orders = Orders(self._file)
        self.documents = Documents(self._file)
        self.answers = Answers(self._file)

    def open(self, now_ms: int) -> None:
        self._file.open(now_ms)

    def close(self) -> None:
        self._file.close()

    def version(self) -> int:
        """SQLite's own counter of changes made by other connections."""
        return int(str(self._file.rows("PRAGMA data_version")[0][0]))

    def together(self) -> AbstractContextManager[None]:
        """Several methods in one transaction."""
        return self._file.all_or_none()

    # --- units and bindings ------------------------------------------------------------------------------

    def units(self) -> list[UnitRow]:
        sql = "SELECT id, callsign, kind, branch, team, stale_s, lost_s, agency FROM units ORDER BY number"
        return [UnitRow(*row) for row in self._file.rows(sql)]  # type: ignore[arg-type]

    def bindings(self) -> list[Binding]:
        sql = "SELECT device, unit, from_utc_ms, to_utc_ms FROM bindings ORDER BY from_utc_ms, id"
        return [Binding(*row) for row in self._file.rows(sql)]  # type: ignore[arg-type]

    def enrol(self, entries: Sequence[tuple[int, UnitRow]], t_utc_ms: int) -> tuple[int, int]:
        """Register devices and their units, all or none. A unit is known by its callsign.

        The first binding of a device counts from the beginning, since its earliest rows may come late; a
        later one from `t_utc_ms`. Returns counts (new devices, changed units).
        """
        new = changed = 0
        with self._file.all_or_none():
            for device, unit in entries:
                unit_id, differs = self._upsert_unit(unit)
                changed += differs
                new += self._bind(device, unit_id, t_utc_ms)
        return new, changed

    def unit_id(self, unit: UnitRow) -> str:
        """The id of the unit of this callsign; one that is not known is registered."""
        found = self._file.rows("SELECT id FROM units WHERE callsign = ?", [unit.callsign])
        return str(found[0][0]) if found else self._upsert_unit(unit)[0]

    def _upsert_unit(self, unit: UnitRow) -> tuple[str, bool]:
        found = self._file.rows("SELECT id FROM units WHERE callsign = ?", [unit.callsign])
        if not found:
            number = int(str(self._file.rows("SELECT coalesce(max(number), 0) + 1 FROM units")[0][0]))
            row = {"number": number, **unit._asdict(), "id": f"u{number}"}
            names = ", ".join(row)
            self._file.write(
                f"INSERT INTO units ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values())
            )
            return f"u{number}", False
        unit_id = str(found[0][0])
        values = [unit.kind, unit.branch, unit.team, unit.stale_s, unit.lost_s, unit.agency]
        sql = (
            "UPDATE units SET kind = ?, branch = ?, team = ?, stale_s = ?, lost_s = ?, agency = ? WHERE id = ?"
            " AND (kind, branch, team, stale_s, lost_s, agency) != (?, ?, ?, ?, ?, ?)"
        )
        return unit_id, self._file.write(sql, [*values, unit_id, *values]) > 0

    def _bind(self, device: int, unit_id: str, t_utc_ms: int) -> int:
        new = self._file.write(
            "INSERT OR IGNORE INTO devices (device, epoch, enrolled_utc_ms) VALUES (?, 0, ?)",
            [device, t_utc_ms],
        )
        bound = self._file.rows("SELECT unit, to_utc_ms FROM bindings WHERE device = ? ORDER BY id", [device])
        if (unit_id, None) not in bound:
            self.bind(device, unit_id, t_utc_ms if bound else 0)
        return new

    def bind(self, device: int, unit_id: str, from_utc_ms: int) -> None:
        """From this time on the device is carried by this unit. What was said of later times counts no more.

        RosterError: no such device or unit.
        """
        with self._file.all_or_none():
            for table, column, value in (("devices", "device", device), ("units", "id", unit_id)):
                if not self._file.rows(f"SELECT 1 FROM {table} WHERE {column} = ?", [value]):
                    raise RosterError(f"binding: no {table[:-1]} {str(value)[:20]!r}")
            self._end_bindings(device, from_utc_ms)
            self._file.write(
                "INSERT INTO bindings (device, unit, from_utc_ms) VALUES (?, ?, ?)",
                [device, unit_id, from_utc_ms],
            )

    def unbind(self, device: int, t_utc_ms: int) -> bool:
        """From this time on nobody carries the device. False: nobody did."""
        with self._file.all_or_none():
            return self._end_bindings(device, t_utc_ms)

    def _end_bindings(self, device: int, t_utc_ms: int) -> bool:
        later = self._file.write(
            "DELETE FROM bindings WHERE device = ? AND from_utc_ms >= ?", [device, t_utc_ms]
        )
        cut = self._file.write(
            "UPDATE bindings SET to_utc_ms = ? WHERE device = ? AND coalesce(to_utc_ms, ?) > ?",
            [t_utc_ms, device, t_utc_ms + 1, t_utc_ms],
        )
        return later + cut > 0

    # --- holds, settings, records ------------------------------------------------------------------------

    def add_hold(self, from_utc_ms: int, to_utc_ms: int, reason: str) -> int:
        """Keep everything of a stretch of time, for an incident."""
        if from_utc_ms > to_utc_ms or not reason.strip():
            raise RosterError("hold: needs a time range that does not run backwards, and a reason")
        self._file.write(
            "INSERT INTO holds (from_utc_ms, to_utc_ms, reason) VALUES (?, ?, ?)",
            [from_utc_ms, to_utc_ms, reason],
        )
        return int(str(self._file.rows("SELECT max(id) FROM holds")[0][0]))

    def end_hold(self, hold_id: int) -> bool:
        return self._file.write("DELETE FROM holds WHERE id = ?", [hold_id]) > 0

    def holds(self) -> list[Hold]:
        return [Hold(*row) for row in self._file.rows("SELECT * FROM holds ORDER BY id")]  # type: ignore[arg-type]

    def setting(self, key: str) -> str | None:
        found = self._file.rows("SELECT value FROM settings WHERE key = ?", [key])
        return str(found[0][0]) if found else None

    def set_setting(self, key: str, value: str) -> None:
        self._file.write("INSERT OR REPLACE INTO settings VALUES (?, ?)", [key, value])

    def record(self, t_utc_ms: int, who: str, what: str, content: dict[str, object]) -> None:
        """Add an operator record. In one transaction: two programs never continue from the same digest."""
        text = canonical(content)
        with self._file.all_or_none():
            last = self._file.rows("SELECT seq, digest FROM records ORDER BY seq DESC LIMIT 1")
            seq, previous = (int(str(last[0][0])) + 1, str(last[0][1])) if last else (1, START)
            digest = link(previous, seq, t_utc_ms, who, what, text)
            self._file.write(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)",
                [seq, t_utc_ms, who, what, text, previous, digest],
            )

    def records(self, after: int = 0, most: int = -1) -> list[tuple[object, ...]]:
        """(seq, t_utc_ms, who, what, content, previous, digest), oldest first; all, or at most so many after one."""
        sql = "SELECT * FROM records WHERE seq > ? ORDER BY seq LIMIT ?"
        return self._file.rows(sql, [after, most])

    def audit(self, expect: tuple[int, str] | None = None) -> Verdict:
        """Whether the chain of operator records is whole, and its head."""
        return verify(self.records(), expect)

    def newest_record(self) -> int:
        """The number of the last operator record, 0 when there is none."""
        return int(str(self._file.rows("SELECT coalesce(max(seq), 0) FROM records")[0][0]))

    def verify_records(self) -> str | None:
        """None when the chain is whole, else the first place where it is broken."""
        return self.audit().broken

    def check(self) -> str:
        """SQLite's own word on the file: `ok`, or what is wrong."""
        return str(self._file.rows("PRAGMA quick_check")[0][0])
