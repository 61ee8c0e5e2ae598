"""What every request passes before anything else: Host, Origin, session, safe headers.

Enters: an ASGI scope. Leaves: the request to the app, or a problem. Sign-in is needed unless a path is named
here, so a new route is closed until somebody opens it.
"""

from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.problems import problem
from hub.settings import is_loopback
from hub.store.interface import SessionRow

COOKIE = "zhantu"
OPEN_PREFIXES = ("/assets/", "/map/")
OPEN_PATHS = frozenset({"/", "/index.html", "/icon.svg", "/healthz", "/api/v1/session"})
"""Open to everybody: the screen's own files, the map outline, the state of health, and signing in. The feed
checks by itself, because a browser only sees a close code after the socket is accepted."""
FEED_PATH = "/api/v1/feed"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSP = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline';"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "x-frame-options": "DENY",
}
BODY_BYTES_MAX = 65_536


class Names:
    """The names under which this hub may be asked: `host:port`. Others are a browser's rebinding trick."""

    def __init__(self, host: str, port: int, public_hosts: tuple[str, ...]) -> None:
        bracketed = f"[{host}]" if ":" in host else host
        hosts = {bracketed} | (
            {"127.0.0.1", "localhost", "[::1]"} if is_loopback(host) or _any(host) else set()
        )
        self._allowed = {f"{name}:{port}" for name in hosts} | set(public_hosts)
        if port == 80:
            self._allowed |= hosts

    def host_is_ours(self, headers: Headers) -> bool:
        return headers.get("host", "") in self._allowed

    def origin_is_ours(self, headers: Headers) -> bool:
        """The origin is exactly this hub under the name it was asked by."""
        host = headers.get("host", "")
        return headers.get("origin") in (f"http://{host}", f"https://{host}") and self.host_is_ours(headers)


def _any(host: str) -> bool:
    return host in ("0.0.0.0", "::")


def cookie_of(headers: Headers) -> str | None:
    """The session cookie's value."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


class Guard:
    """ASGI middleware around the whole app."""

    def __init__(
        self, app: ASGIApp, names: Names, session_of: Callable[[str | None], SessionRow | None]
    ) -> None:
        self._app = app
        self._names = names
        self._session_of = session_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if scope["path"].startswith("/api/"):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_safely)
        else:
            await problem(*refusal)(scope, receive, send_safely)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        path: str = scope["path"]
        if not self._names.host_is_ours(headers):
            return 421, "this hub is not called that; public_hosts lists its other names"
        if scope["method"] not in SAFE_METHODS:
            if "origin" in headers and not self._names.origin_is_ours(headers):
                return 403, "the request comes from another site"
            length = headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > BODY_BYTES_MAX or "transfer-encoding" in headers:
                return 413, f"a body of at most {BODY_BYTES_MAX} bytes, with its length, is allowed"
        session = self._session_of(cookie_of(headers))
        scope.setdefault("state", {})["session"] = session
        if session is None and not self._is_open(scope, path):
            return 401, "sign in with a one-time link first: zhantu-hub user link"
        return None

    def _is_open(self, scope: Scope, path: str) -> bool:
        if path == "/metrics":
            client = scope.get("client")
            return client is not None and is_loopback(client[0])
        return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)
