"""People in the registry: accounts, one-time links, sessions.

Enters and leaves: plain rows; secrets as digests only.
"""

from hub.store.interface import SessionRow
from hub.store.registry_file import RegistryFile


class People:
    """Every method is one short transaction."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file

    def add_user(self, name: str, role: str, t_utc_ms: int) -> None:
        self._file.write(
            "INSERT OR IGNORE INTO users (name, role, created_utc_ms) VALUES (?, ?, ?)",
            [name, role, t_utc_ms],
        )

    def users(self) -> list[tuple[str, str]]:
        return [(str(n), str(r)) for n, r in self._file.rows("SELECT name, role FROM users ORDER BY name")]

    def add_token(self, digest: str, user: str, expires_utc_ms: int) -> None:
        self._file.write("DELETE FROM tokens WHERE expires_utc_ms < ?", [expires_utc_ms - 86_400_000])
        self._file.write("INSERT INTO tokens VALUES (?, ?, ?, NULL)", [digest, user, expires_utc_ms])

    def use_token(self, digest: str, t_utc_ms: int) -> str | None:
        """The name a one-time token stands for, and never again; None when unknown, used or expired."""
        used = self._file.write(
            "UPDATE tokens SET used_utc_ms = ? WHERE digest = ? AND used_utc_ms IS NULL AND expires_utc_ms > ?",
            [t_utc_ms, digest, t_utc_ms],
        )
        if not used:
            return None
        return str(self._file.rows("SELECT user FROM tokens WHERE digest = ?", [digest])[0][0])

    def add_session(self, digest: str, session_id: str, user: str, now_ms: int, expires_utc_ms: int) -> None:
        self._file.write("DELETE FROM sessions WHERE expires_utc_ms < ?", [now_ms])
        self._file.write(
            "INSERT INTO sessions (digest, id, user, created_utc_ms, expires_utc_ms) VALUES (?, ?, ?, ?, ?)",
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
        return [SessionRow(*row) for row in self._file.rows(sql, arguments)]  # type: ignore[arg-type]

    def end_session(self, session_id: str, now_ms: int) -> bool:
        """False when there is no such session, or it has ended already."""
        sql = "UPDATE sessions SET ended_utc_ms = ? WHERE id = ? AND ended_utc_ms IS NULL"
        return self._file.write(sql, [now_ms, session_id]) > 0
