"""Sign-in: one-time link tokens and session cookies. The store sees digests only.

Enters: tokens from links, cookies from browsers. Leaves: sessions, or None. Failed tries are throttled.
"""

import hashlib
import secrets
from collections import deque
from collections.abc import Callable

from hub.store.interface import SessionRow
from hub.store.registry import SqliteRegistry

TOKEN_BYTES = 16
TRIES_MAX = 10
TRIES_WINDOW_MS = 60_000
CACHED_MAX = 10_000


def digest(secret: str) -> str:
    """What is stored of a token. SHA-256 suffices: tokens are 128 random bits, not words of people."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Throttle:
    """At most TRIES_MAX failed tries in a minute over all callers get a plain answer: tokens are 128 bits, so this
    only tells a guesser to go away. A right token is always taken."""

    def __init__(self) -> None:
        self._failed: deque[int] = deque(maxlen=TRIES_MAX)

    def wait_ms(self, now_ms: int) -> int:
        """0: try; else how long to wait."""
        if len(self._failed) < TRIES_MAX:
            return 0
        return max(0, self._failed[0] + TRIES_WINDOW_MS - now_ms)

    def failed(self, now_ms: int) -> None:
        self._failed.append(now_ms)


class SignIn:
    """Tokens become sessions; cookies are looked up again and again, so they are cached for a second."""

    def __init__(
        self, registry: SqliteRegistry, clock_ms: Callable[[], int], *, token_s: int, session_s: int
    ) -> None:
        self._registry = registry
        self._clock_ms = clock_ms
        self._token_ms = token_s * 1000
        self._session_ms = session_s * 1000
        self._cached: dict[str, tuple[int, SessionRow | None]] = {}
        self.throttle = Throttle()

    def new_token(self, user: str, role: str = "commander") -> str:
        """A one-time token for `user`, who is made known when new."""
        now_ms = self._clock_ms()
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._registry.people.add_user(user, role, now_ms)
        self._registry.people.add_token(digest(token), user, now_ms + self._token_ms)
        self._registry.record(now_ms, "cli", "token made", {"user": user})
        return token

    def sign_in(self, token: str) -> tuple[str, SessionRow] | None:
        """Cookie and session for a good token, None for any other."""
        now_ms = self._clock_ms()
        user = self._registry.people.use_token(digest(token), now_ms)
        if user is None:
            self.throttle.failed(now_ms)
            return None
        cookie = secrets.token_urlsafe(TOKEN_BYTES)
        session_id = secrets.token_hex(4)
        self._registry.people.add_session(digest(cookie), session_id, user, now_ms, now_ms + self._session_ms)
        self._registry.record(now_ms, user, "signed in", {"session": session_id})
        session = self._registry.people.session(digest(cookie), now_ms)
        assert session is not None
        return cookie, session

    def session(self, cookie: str | None) -> SessionRow | None:
        """The session of a cookie while it holds. An end by another program is seen within a second."""
        if not cookie or len(cookie) > 64:
            return None
        now_ms = self._clock_ms()
        key = digest(cookie)
        cached = self._cached.get(key)
        if cached and 0 <= now_ms - cached[0] < 1000:
            return cached[1]
        if len(self._cached) >= CACHED_MAX:
            self._cached.clear()
        session = self._registry.people.session(key, now_ms)
        self._cached[key] = (now_ms, session)
        return session

    def sign_out(self, session: SessionRow) -> None:
        now_ms = self._clock_ms()
        self._cached.clear()
        self._registry.people.end_session(session.id, now_ms)
        self._registry.record(now_ms, session.user, "signed out", {"session": session.id})
