"""Documents in the registry: what the rooms of the hub keep of their own, one JSON map each, by kind and id.

Enters and leaves: plain maps. A document is small (a zone, an alarm, an entry team) and there are thousands of them at
most; what is searched or joined has a table of its own. Callers: the parts of `hub.safety`, on a reader's thread.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hub.errors import StoreError
from hub.store.registry_file import RegistryFile

BYTES_MAX = 1_048_576
"""Of one document: a polygon of 10,000 points fits."""


class Documents:
    """Every method is one short transaction; within `SqliteRegistry.together` they are parts of a larger one."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Every document of a kind, by id, the one that was changed last at the end."""
        found = self._file.rows("SELECT id, body FROM documents WHERE kind = ? ORDER BY t_utc_ms, id", [kind])
        return {str(id): json.loads(str(body)) for id, body in found}

    def put(self, kind: str, documents: Mapping[str, Mapping[str, Any]], t_utc_ms: int) -> None:
        """New documents and new contents of known ones, all or none. StoreError when one is larger than BYTES_MAX."""
        with self._file.all_or_none():
            for id, body in documents.items():
                text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
                if len(text.encode()) > BYTES_MAX:
                    raise StoreError(f"{kind} {id[:40]!r}: more than {BYTES_MAX} bytes")
                sql = "INSERT OR REPLACE INTO documents (kind, id, body, t_utc_ms) VALUES (?, ?, ?, ?)"
                self._file.write(sql, [kind, id, text, t_utc_ms])

    def drop(self, kind: str, ids: Iterable[str]) -> None:
        """Forget these; one that is not there is forgotten already."""
        with self._file.all_or_none():
            for id in ids:
                self._file.write("DELETE FROM documents WHERE kind = ? AND id = ?", [kind, id])
