"""The registry's file: one connection, guarded by a lock, on which its parts do short transactions.

Enters: SQL of hub.store. Leaves: rows, or StoreError. Parts: `registry` (units, bindings, settings, records),
`people` (accounts, sessions, tokens), `devices` (states, codes, certificates), `trust` (commanders' keys, all-clears,
notices).
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from hub.store.files import naming, open_writer
from hub.store.migrations import migrate
from hub.store.schema import STEPS


class RegistryFile:
    """registry.db. All of it is small."""

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

    def rows(self, sql: str, arguments: Sequence[object] = ()) -> list[tuple[object, ...]]:
        assert self._db is not None, "the registry is not open"
        with self._lock, naming(self.path):
            return list(self._db.execute(sql, list(arguments)).fetchall())

    def write(self, sql: str, arguments: Sequence[object] = ()) -> int:
        """One statement; how many rows it changed."""
        assert self._db is not None, "the registry is not open"
        with self._lock, naming(self.path):
            return int(self._db.execute(sql, list(arguments)).rowcount)

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Several statements in one transaction that no other program comes between (BEGIN IMMEDIATE)."""
        assert self._db is not None, "the registry is not open"
        with self._lock, naming(self.path):
            if self._db.conn.in_transaction:
                yield  # part of a larger one
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise
