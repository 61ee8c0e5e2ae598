"""Answers to commands that were given with an idempotency key, so that asking again does nothing twice.

Enters: digests, never keys or bodies in the clear. Leaves: the answer that was given. Caller: `hub.api.once`.
"""

from typing import NamedTuple

from hub.store.registry_file import RegistryFile

KEEP_MS = 24 * 3_600_000
ANSWERS_MAX = 10_000
"""Beyond it the oldest goes first."""


class AnswerRow(NamedTuple):
    """`digest` of person and key, `asked` of the whole request."""

    digest: str
    asked: str
    status: int
    body: bytes
    media: str
    t_utc_ms: int


class Answers:
    """Every method is one short transaction."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file

    def get(self, digest: str, now_ms: int) -> AnswerRow | None:
        """The answer, None when none was given within KEEP_MS."""
        sql = "SELECT digest, asked, status, body, media, t_utc_ms FROM answers WHERE digest = ? AND t_utc_ms > ?"
        found = self._file.rows(sql, [digest, now_ms - KEEP_MS])
        return AnswerRow(*found[0]) if found else None  # type: ignore[arg-type]

    def put(self, row: AnswerRow) -> None:
        """Keep it, and forget what is too old or too much."""
        with self._file.all_or_none():
            self._file.write("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", list(row))
            self._file.write("DELETE FROM answers WHERE t_utc_ms <= ?", [row.t_utc_ms - KEEP_MS])
            oldest = "SELECT digest FROM answers ORDER BY t_utc_ms DESC LIMIT -1 OFFSET ?"
            self._file.write(f"DELETE FROM answers WHERE digest IN ({oldest})", [ANSWERS_MAX])
