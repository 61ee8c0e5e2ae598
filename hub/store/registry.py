"""registry.db: devices, units, dated bindings, people, sessions as digests, settings, operator records.

Enters: what operators decide. Leaves: the same, and a version that grows when another program (the command
line beside a running hub) has changed something. One connection, guarded by a lock: all of it is small.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

from sqlite_utils import Database

from hub.errors import RosterError
from hub.store.chain import START, canonical, link
from hub.store.files import naming, open_writer
from hub.store.interface import Binding, Hold, SessionRow, UnitRow
from hub.store.migrations import Step, migrate


def _first_schema(db: Database) -> None:
    db.table("devices").create({"device": int, "epoch": int, "enrolled_utc_ms": int}, pk="device")
    db.table("units").create(
        {
            "number": int,
            "id": str,
            "callsign": str,
            "kind": str,
            "branch": str,
            "team": str,
            "stale_s": int,
            "lost_s": int,
        },
        pk="number",
        not_null={"id", "callsign"},
    )
    db.table("units").create_index(["id"], unique=True)
    db.table("units").create_index(["callsign"], unique=True)
    db.table("bindings").create(
        {"id": int, "device": int, "unit": str, "from_utc_ms": int, "to_utc_ms": int}, pk="id"
    )
    db.table("bindings").create_index(["device"])
    db.table("users").create({"name": str, "role": str, "created_utc_ms": int}, pk="name")
    db.table("tokens").create(
        {"digest": str, "user": str, "expires_utc_ms": int, "used_utc_ms": int}, pk="digest"
    )
    db.table("sessions").create(
        {
            "digest": str,
            "id": str,
            "user": str,
            "created_utc_ms": int,
            "expires_utc_ms": int,
            "ended_utc_ms": int,
        },
        pk="digest",
    )
    db.table("holds").create({"id": int, "from_utc_ms": int, "to_utc_ms": int, "reason": str}, pk="id")
    db.table("settings").create({"key": str, "value": str}, pk="key")
    db.table("records").create(
        {
            "seq": int,
            "t_utc_ms": int,
            "who": str,
            "what": str,
            "content": str,
            "previous": str,
            "digest": str,
        },
        pk="seq",
    )


STEPS: tuple[Step, ...] = (_first_schema,)


class SqliteRegistry:
    """The registry in one file. Every method is one short transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._db: Database | None = None

    def open(self, now_ms: int) -> None:
        with self._lock:
            self._db = open_writer(self.path)
            with naming(self.path):
                migrate(self._db, STEPS, now_ms)
        self.path.chmod(0o600)

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _rows(self, sql: str, arguments: Sequence[object] = ()) -> list[tuple[object, ...]]:
        assert self._db is not None, "the registry is not open"
        with self._lock, naming(self.path):
            return list(self._db.execute(sql, list(arguments)).fetchall())

    def _write(self, sql: str, arguments: Sequence[object]) -> int:
        assert self._db is not None, "the registry is not open"
        with self._lock, naming(self.path):
            return int(self._db.execute(sql, list(arguments)).rowcount)

    def version(self) -> int:
        """SQLite's own counter of changes made by other connections."""
        return int(str(self._rows("PRAGMA data_version")[0][0]))

    # --- devices and units -----------------------------------------------------------------------------

    def devices(self) -> dict[int, int]:
        return {int(str(d)): int(str(e)) for d, e in self._rows("SELECT device, epoch FROM devices")}

    def units(self) -> list[UnitRow]:
        sql = "SELECT id, callsign, kind, branch, team, stale_s, lost_s FROM units ORDER BY number"
        return [UnitRow(*row) for row in self._rows(sql)]  # type: ignore[arg-type]

    def bindings(self) -> list[Binding]:
        sql = "SELECT device, unit, from_utc_ms, to_utc_ms FROM bindings ORDER BY from_utc_ms, id"
        return [Binding(*row) for row in self._rows(sql)]  # type: ignore[arg-type]

    def enrol(self, entries: Sequence[tuple[int, UnitRow]], t_utc_ms: int) -> tuple[int, int]:
        """Register devices and their units, all or none. A unit is known by its callsign.

        The first binding of a device counts from the beginning, since its earliest rows may come late; a
        later one from `t_utc_ms`. Returns counts (new devices, changed units).
        """
        assert self._db is not None, "the registry is not open"
        new = changed = 0
        with self._lock, naming(self.path), self._db.atomic():
            for device, unit in entries:
                unit_id, differs = self._upsert_unit(unit)
                changed += differs
                new += self._bind(device, unit_id, t_utc_ms)
        return new, changed

    def _upsert_unit(self, unit: UnitRow) -> tuple[str, bool]:
        assert self._db is not None
        found = self._rows("SELECT id FROM units WHERE callsign = ?", [unit.callsign])
        if not found:
            number = int(str(self._rows("SELECT coalesce(max(number), 0) + 1 FROM units")[0][0]))
            row = {"number": number, **unit._asdict(), "id": f"u{number}"}
            self._db.table("units").insert(row)
            return f"u{number}", False
        unit_id = str(found[0][0])
        values = [unit.kind, unit.branch, unit.team, unit.stale_s, unit.lost_s]
        sql = (
            "UPDATE units SET kind = ?, branch = ?, team = ?, stale_s = ?, lost_s = ? WHERE id = ?"
            " AND (kind, branch, team, stale_s, lost_s) != (?, ?, ?, ?, ?)"
        )
        return unit_id, self._write(sql, [*values, unit_id, *values]) > 0

    def _bind(self, device: int, unit_id: str, t_utc_ms: int) -> int:
        new = self._write("INSERT OR IGNORE INTO devices VALUES (?, 0, ?)", [device, t_utc_ms])
        bound = self._rows("SELECT unit FROM bindings WHERE device = ? AND to_utc_ms IS NULL", [device])
        if bound and bound[0][0] == unit_id:
            return new
        self._write(
            "UPDATE bindings SET to_utc_ms = ? WHERE device = ? AND to_utc_ms IS NULL", [t_utc_ms, device]
        )
        start_ms = t_utc_ms if bound else 0
        self._write(
            "INSERT INTO bindings (device, unit, from_utc_ms) VALUES (?, ?, ?)", [device, unit_id, start_ms]
        )
        return new

    # --- people ------------------------------------------------------------------------------------------

    def add_user(self, name: str, role: str, t_utc_ms: int) -> None:
        self._write("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", [name, role, t_utc_ms])

    def users(self) -> list[tuple[str, str]]:
        return [(str(n), str(r)) for n, r in self._rows("SELECT name, role FROM users ORDER BY name")]

    def add_token(self, digest: str, user: str, expires_utc_ms: int) -> None:
        self._write("DELETE FROM tokens WHERE expires_utc_ms < ?", [expires_utc_ms - 86_400_000])
        self._write("INSERT INTO tokens VALUES (?, ?, ?, NULL)", [digest, user, expires_utc_ms])

    def use_token(self, digest: str, t_utc_ms: int) -> str | None:
        """The name a one-time token stands for, and never again; None when unknown, used or expired."""
        used = self._write(
            "UPDATE tokens SET used_utc_ms = ? WHERE digest = ? AND used_utc_ms IS NULL AND expires_utc_ms > ?",
            [t_utc_ms, digest, t_utc_ms],
        )
        if not used:
            return None
        return str(self._rows("SELECT user FROM tokens WHERE digest = ?", [digest])[0][0])

    def add_session(self, digest: str, session_id: str, user: str, now_ms: int, expires_utc_ms: int) -> None:
        self._write("DELETE FROM sessions WHERE expires_utc_ms < ?", [now_ms])
        self._write(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, NULL)",
            [digest, session_id, user, now_ms, expires_utc_ms],
        )

    def session(self, digest: str, now_ms: int) -> SessionRow | None:
        """The session of a cookie's digest while it holds."""
        found = self._sessions("digest = ? AND ended_utc_ms IS NULL AND expires_utc_ms > ?", [digest, now_ms])
        return found[0] if found else None

    def sessions(self, now_ms: int) -> list[SessionRow]:
        """Every session that holds, oldest first."""
        return self._sessions("ended_utc_ms IS NULL AND expires_utc_ms > ?", [now_ms])

    def _sessions(self, where: str, arguments: list[object]) -> list[SessionRow]:
        sql = (
            "SELECT s.id, s.user, u.role, s.created_utc_ms, s.expires_utc_ms FROM sessions s"
            f" JOIN users u ON u.name = s.user WHERE {where} ORDER BY s.created_utc_ms"
        )
        return [SessionRow(*row) for row in self._rows(sql, arguments)]  # type: ignore[arg-type]

    def end_session(self, session_id: str, now_ms: int) -> bool:
        """False when there is no such session, or it has ended already."""
        sql = "UPDATE sessions SET ended_utc_ms = ? WHERE id = ? AND ended_utc_ms IS NULL"
        return self._write(sql, [now_ms, session_id]) > 0

    # --- holds, settings, records ------------------------------------------------------------------------

    def add_hold(self, from_utc_ms: int, to_utc_ms: int, reason: str) -> int:
        """Keep everything of a stretch of time, for an incident."""
        if from_utc_ms > to_utc_ms or not reason.strip():
            raise RosterError("hold: needs a time range that does not run backwards, and a reason")
        self._write(
            "INSERT INTO holds (from_utc_ms, to_utc_ms, reason) VALUES (?, ?, ?)",
            [from_utc_ms, to_utc_ms, reason],
        )
        return int(str(self._rows("SELECT max(id) FROM holds")[0][0]))

    def end_hold(self, hold_id: int) -> bool:
        return self._write("DELETE FROM holds WHERE id = ?", [hold_id]) > 0

    def holds(self) -> list[Hold]:
        return [Hold(*row) for row in self._rows("SELECT * FROM holds ORDER BY id")]  # type: ignore[arg-type]

    def setting(self, key: str) -> str | None:
        found = self._rows("SELECT value FROM settings WHERE key = ?", [key])
        return str(found[0][0]) if found else None

    def set_setting(self, key: str, value: str) -> None:
        self._write("INSERT OR REPLACE INTO settings VALUES (?, ?)", [key, value])

    def record(self, t_utc_ms: int, who: str, what: str, content: dict[str, object]) -> None:
        """Add an operator record. BEGIN IMMEDIATE: two programs never continue from the same digest."""
        assert self._db is not None, "the registry is not open"
        text = canonical(content)
        with self._lock, naming(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                last = self._rows("SELECT seq, digest FROM records ORDER BY seq DESC LIMIT 1")
                seq, previous = (int(str(last[0][0])) + 1, str(last[0][1])) if last else (1, START)
                digest = link(previous, seq, t_utc_ms, who, what, text)
                self._write(
                    "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [seq, t_utc_ms, who, what, text, previous, digest],
                )
                self._db.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise

    def records(self) -> list[tuple[object, ...]]:
        """(seq, t_utc_ms, who, what, content, previous, digest), oldest first."""
        return self._rows("SELECT * FROM records ORDER BY seq")

    def verify_records(self) -> str | None:
        """None when the chain is whole, else the first place where it is broken."""
        previous = START
        for expected, row in enumerate(self.records(), 1):
            seq, t_utc_ms, who, what, content, said, digest = row
            if seq != expected:
                return f"records: number {seq} where {expected} belongs"
            made = link(previous, expected, int(str(t_utc_ms)), str(who), str(what), str(content))
            if said != previous or digest != made:
                return f"records: number {seq} ({what}) does not fit the chain"
            previous = made
        return None

    def check(self) -> str:
        """SQLite's own word on the file: `ok`, or what is wrong."""
        return str(self._rows("PRAGMA quick_check")[0][0])
