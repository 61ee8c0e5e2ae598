"""People in the registry: accounts, one-time links, sessions, API tokens.

Enters and leaves: plain rows; secrets as digests or argon2 only.
"""

from collections.abc import Mapping

from hub.store.interface import PersonRow, SessionRow, TokenRow
from hub.store.registry_file import RegistryFile

_PERSON = "u.name, u.role, u.agency, u.sees, u.team, u.state, u.password"
_SESSION = (
    "s.id, s.user, s.created_utc_ms, s.expires_utc_ms, max(s.seen_utc_ms, s.created_utc_ms), s.address,"
    " s.browser, s.by_link"
)
_TOKEN = "a.id, a.user, a.name, a.scope, a.created_utc_ms, a.expires_utc_ms"


class People:
    """Every method is one short transaction."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file

    # --- accounts ----------------------------------------------------------------------------------------

    def add_person(self, person: PersonRow, t_utc_ms: int) -> bool:
        """False when the name is taken."""
        sql = (
            "INSERT OR IGNORE INTO users (name, role, agency, sees, team, state, password, created_utc_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        return self._file.write(sql, [*person, t_utc_ms]) > 0

    def set_person(self, person: PersonRow) -> bool:
        """Everything but the password. False when nobody has that name."""
        sql = "UPDATE users SET role = ?, agency = ?, sees = ?, team = ?, state = ? WHERE name = ?"
        values = [person.role, person.agency, person.sees, person.team, person.state, person.name]
        return self._file.write(sql, values) > 0

    def set_password(self, name: str, password: str) -> None:
        self._file.write("UPDATE users SET password = ? WHERE name = ?", [password, name])

    def person(self, name: str) -> PersonRow | None:
        found = self._file.rows(f"SELECT {_PERSON} FROM users u WHERE u.name = ?", [name])
        return PersonRow(*found[0]) if found else None  # type: ignore[arg-type]

    def everybody(self) -> list[PersonRow]:
        """All accounts, by name."""
        rows = self._file.rows(f"SELECT {_PERSON} FROM users u ORDER BY u.name")
        return [PersonRow(*row) for row in rows]  # type: ignore[arg-type]

    # --- one-time links ----------------------------------------------------------------------------------

    def add_link(self, digest: str, user: str, expires_utc_ms: int) -> None:
        self._file.write("DELETE FROM tokens WHERE expires_utc_ms < ?", [expires_utc_ms - 86_400_000])
        self._file.write("INSERT INTO tokens VALUES (?, ?, ?, NULL)", [digest, user, expires_utc_ms])

    def use_link(self, digest: str, t_utc_ms: int) -> str | None:
        """The name a one-time token stands for, and never again; None when unknown, used, expired, or its person is
        locked."""
        used = self._file.write(
            "UPDATE tokens SET used_utc_ms = ? WHERE digest = ? AND used_utc_ms IS NULL AND expires_utc_ms > ?"
            " AND user IN (SELECT name FROM users WHERE state = 'active')",
            [t_utc_ms, digest, t_utc_ms],
        )
        if not used:
            return None
        return str(self._file.rows("SELECT user FROM tokens WHERE digest = ?", [digest])[0][0])

    def end_links(self, user: str) -> None:
        self._file.write("DELETE FROM tokens WHERE user = ? AND used_utc_ms IS NULL", [user])

    # --- sessions ----------------------------------------------------------------------------------------

    def add_session(self, digest: str, session: SessionRow) -> None:
        self._file.write("DELETE FROM sessions WHERE expires_utc_ms < ?", [session.created_utc_ms])
        self._file.write(
            "INSERT INTO sessions (digest, id, user, created_utc_ms, expires_utc_ms, seen_utc_ms, address, browser,"
            " by_link) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [digest, *session],
        )

    def session(self, digest: str, now_ms: int) -> tuple[SessionRow, PersonRow] | None:
        """The session of a cookie's digest while it and its account hold."""
        sql = (
            f"SELECT {_SESSION}, {_PERSON} FROM sessions s JOIN users u ON u.name = s.user WHERE s.digest = ?"
            " AND s.ended_utc_ms IS NULL AND s.expires_utc_ms > ? AND u.state = 'active'"
        )
        found = self._sessions(sql, [digest, now_ms])
        return found[0] if found else None

    def sessions(self, now_ms: int) -> list[tuple[SessionRow, PersonRow]]:
        """Every session that holds, oldest first."""
        sql = (
            f"SELECT {_SESSION}, {_PERSON} FROM sessions s JOIN users u ON u.name = s.user"
            " WHERE s.ended_utc_ms IS NULL AND s.expires_utc_ms > ? AND u.state = 'active'"
            " ORDER BY s.created_utc_ms, s.id"
        )
        return self._sessions(sql, [now_ms])

    def _sessions(self, sql: str, arguments: list[object]) -> list[tuple[SessionRow, PersonRow]]:
        at = len(SessionRow._fields)
        rows = self._file.rows(sql, arguments)
        return [(SessionRow(*row[:at]), PersonRow(*row[at:])) for row in rows]  # type: ignore[arg-type]

    def seen(self, seen_utc_ms: Mapping[str, int]) -> None:
        """When sessions were last used, by id."""
        with self._file.all_or_none():
            for session_id, t_utc_ms in seen_utc_ms.items():
                self._file.write("UPDATE sessions SET seen_utc_ms = ? WHERE id = ?", [t_utc_ms, session_id])

    def end_session(self, session_id: str, now_ms: int) -> str | None:
        """Whose it was; None when there is no such session, or it has ended already."""
        sql = "UPDATE sessions SET ended_utc_ms = ? WHERE id = ? AND ended_utc_ms IS NULL"
        if not self._file.write(sql, [now_ms, session_id]):
            return None
        return str(self._file.rows("SELECT user FROM sessions WHERE id = ?", [session_id])[0][0])

    def end_sessions(self, user: str, now_ms: int, but: str = "") -> int:
        """All of one person, except one; how many."""
        sql = "UPDATE sessions SET ended_utc_ms = ? WHERE user = ? AND ended_utc_ms IS NULL AND id != ?"
        return self._file.write(sql, [now_ms, user, but])

    # --- API tokens --------------------------------------------------------------------------------------

    def add_token(self, digest: str, token: TokenRow) -> None:
        self._file.write(
            "INSERT INTO api_tokens (digest, id, user, name, scope, created_utc_ms, expires_utc_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [digest, *token],
        )

    def token(self, digest: str, now_ms: int) -> tuple[TokenRow, PersonRow] | None:
        """The API token of a digest while it and its account hold."""
        sql = (
            f"SELECT {_TOKEN}, {_PERSON} FROM api_tokens a JOIN users u ON u.name = a.user WHERE a.digest = ?"
            " AND a.ended_utc_ms IS NULL AND a.expires_utc_ms > ? AND u.state = 'active'"
        )
        found = self._file.rows(sql, [digest, now_ms])
        if not found:
            return None
        at = len(TokenRow._fields)
        return TokenRow(*found[0][:at]), PersonRow(*found[0][at:])  # type: ignore[arg-type]

    def tokens(self, now_ms: int) -> list[TokenRow]:
        """Every API token that holds, oldest first."""
        sql = (
            f"SELECT {_TOKEN} FROM api_tokens a WHERE a.ended_utc_ms IS NULL AND a.expires_utc_ms > ?"
            " ORDER BY a.created_utc_ms, a.id"
        )
        return [TokenRow(*row) for row in self._file.rows(sql, [now_ms])]  # type: ignore[arg-type]

    def end_token(self, token_id: str, now_ms: int) -> str | None:
        """Whose it was; None when there is no such token, or it has ended already."""
        sql = "UPDATE api_tokens SET ended_utc_ms = ? WHERE id = ? AND ended_utc_ms IS NULL"
        if not self._file.write(sql, [now_ms, token_id]):
            return None
        return str(self._file.rows("SELECT user FROM api_tokens WHERE id = ?", [token_id])[0][0])

    def end_tokens(self, user: str, now_ms: int) -> int:
        """All of one person; how many."""
        sql = "UPDATE api_tokens SET ended_utc_ms = ? WHERE user = ? AND ended_utc_ms IS NULL"
        return self._file.write(sql, [now_ms, user])
