"""What every request passes before anything else: Host, Origin, who asks, safe headers; and what each route declares.

Enters: an ASGI scope. Leaves: the request to the app, or a problem. Sign-in is needed unless a route says
`open_to_all`, and `check_declared` refuses an app with a route that says nothing, so nothing is open by accident.

    @routes.get("/devices", dependencies=[needs(Permission.DEVICES)])
    def devices(me: Principal = who) -> DevicesOut: ...
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.problems import problem
from hub.identity.permissions import Permission, Principal
from hub.identity.signin import SignIn
from hub.settings import is_loopback

COOKIE = "zhantu"
COOKIE_TLS = "__Host-zhantu"
"""Over HTTPS: a browser takes this name only with Secure, Path=/ and no Domain, so no neighbour can plant one."""
OPEN_PREFIXES = ("/assets/", "/map/")
OPEN_PATHS = frozenset({"/", "/index.html", "/icon.svg", "/sw.js", "/manifest.webmanifest"})
"""The screen's own files. The feed checks by itself, because a browser only sees a close code after the socket is
accepted."""
FEED_PATH = "/api/v1/feed"
FALLBACK_PATH = "/api/{_path:path}"
UNDECLARED = frozenset({FALLBACK_PATH, "/"})
"""Routes that declare nothing: the answer to unknown addresses, which needs sign-in, and the plain page."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSP = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline';"
    " connect-src 'self'{0}; media-src 'self' blob:{0}; frame-ancestors 'none'; base-uri 'none'; form-action 'self';"
    " object-src 'none'"
)
"""{0}: origins of cameras that people have entered, each with a blank before it."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "x-frame-options": "DENY",
}
BODY_BYTES_MAX = 65_536
LARGE_BYTES_MAX = 1_048_576
LARGE = ("/api/v1/warnings", "/api/v1/zones", "/api/v1/rules", "/api/v1/search", "/api/v1/drawings")
"""Addresses that take files of others: warnings, drawings, rules."""
PLAN_BYTES_MAX = 20_971_520
PLANS = "/api/v1/plans"
"""The one address that takes pictures."""


# --- what a route declares ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Needs:
    """Every one of `permissions`, or one of them when `any_of`.

    in_person  not with an API token: what could make its holder more than the token is
    loopback   from this machine itself nobody is asked
    """

    permissions: tuple[Permission, ...]
    any_of: bool = False
    in_person: bool = False
    loopback: bool = False

    async def __call__(self, request: Request) -> None:
        if self.loopback and from_loopback(request.scope):
            return
        refusal = self.refusal(principal_of(request.scope))
        if refusal:
            raise HTTPException(*refusal)

    def refusal(self, me: Principal | None) -> tuple[int, str] | None:
        """Status and words, None when this person may."""
        if me is None:
            return 401, "not signed in"
        if self.in_person and me.is_token:
            return 403, "an API token cannot do this: sign in"
        missing = [permission for permission in self.permissions if not me.may(permission)]
        if missing and not (self.any_of and len(missing) < len(self.permissions)):
            words = (" or " if self.any_of else ", ").join(missing)
            return 403, f"{me.role.value} {me.name} may not: {words} is needed"
        return None


@dataclass(frozen=True)
class Open:
    """For everybody, and why."""

    why: str

    async def __call__(self) -> None:
        return None


def needs(
    *permissions: Permission, any_of: bool = False, in_person: bool = False, loopback: bool = False
) -> Any:
    """A route's declaration: what a caller must be allowed to do. Nothing named: any signed-in person."""
    return Depends(Needs(permissions, any_of, in_person, loopback))


def open_to_all(why: str) -> Any:
    """A route's declaration: nobody is asked who they are, because `why`."""
    return Depends(Open(why))


def principal_of(scope: Scope) -> Principal | None:
    """Who asks, as the guard found out."""
    found: Principal | None = scope.get("state", {}).get("principal")
    return found


def _who(request: Request) -> Principal:
    principal = principal_of(request.scope)
    if principal is None:
        raise HTTPException(401, "not signed in")
    return principal


who: Any = Depends(_who)
"""The Principal of a request, for routes that declare `needs`."""


@dataclass(frozen=True)
class Declared:
    """A route of the app with what it declares, None: nothing."""

    path: str
    methods: frozenset[str]
    rule: Needs | Open | None


def declared(routes: Iterable[Any], prefix: str = "") -> Iterator[Declared]:
    """Every FastAPI route, those of included routers too: FastAPI keeps them nested or flat, by its version."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from declared(inner.routes, prefix + route.include_context.prefix)
        elif isinstance(route, APIRoute):
            rules = [d.dependency for d in route.dependencies if isinstance(d.dependency, Needs | Open)]
            path, methods = prefix + route.path, frozenset(route.methods or ())
            if len(rules) > 1:
                raise TypeError(f"{sorted(methods)} {path} declares {len(rules)} rules, one is allowed")
            yield Declared(path, methods, next(iter(rules), None))


def check_declared(routes: Iterable[Any]) -> list[Declared]:
    """All routes. TypeError names one that declares neither `needs` nor `open_to_all`."""
    found = list(declared(routes))
    for one in found:
        if one.rule is None and one.path not in UNDECLARED:
            raise TypeError(f"{sorted(one.methods)} {one.path} declares neither needs() nor open_to_all()")
    return found


# --- what a request brings ---------------------------------------------------------------------------------


class Names:
    """The names under which this hub may be asked, and the one origin that each has.

    A foreign name is a browser's rebinding trick, so names are exact. An address cannot be rebound: a hub that listens
    everywhere takes any, also one that the machine gets later.
    """

    def __init__(
        self,
        host: str,
        port: int,
        public_hosts: tuple[str, ...],
        names: Iterable[str] = (),
        *,
        https: bool = False,
    ) -> None:
        loopback = ("127.0.0.1", "localhost", "::1") if is_loopback(host) or _any(host) else ()
        hosts = {_bracketed(name.lower()) for name in (host, *loopback, *names)}
        ending = "" if port == (443 if https else 80) else f":{port}"
        self._own = {f"{name}:{port}" for name in hosts} | {f"{name}{ending}" for name in hosts}
        self._public = {name.lower() for name in public_hosts}
        self._any_address_at = f":{port}" if _any(host) else ""
        self._scheme = "https" if https else "http"

    def host_is_ours(self, headers: Headers) -> bool:
        host = headers.get("host", "").lower()
        if host in self._own or host in self._public:
            return True
        ending = self._any_address_at
        return bool(ending) and host.endswith(ending) and _is_address(host.removesuffix(ending))

    def origin_is_ours(self, headers: Headers) -> bool:
        """The origin is exactly this hub under the name it was asked by. Before a plain hub with a public name there
        may be a proxy that speaks HTTPS."""
        host = headers.get("host", "").lower()
        wanted = {f"{self._scheme}://{host}"} | ({f"https://{host}"} if host in self._public else set())
        return headers.get("origin") in wanted and self.host_is_ours(headers)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_address(host: str) -> bool:
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ip_address(bare)
    except ValueError:
        return False
    return True


def _any(host: str) -> bool:
    return host in ("0.0.0.0", "::")


def is_secure(scope: Scope) -> bool:
    """Whether the request came over TLS."""
    return scope.get("scheme") in ("https", "wss")


def address_of(request: Request) -> str:
    """From which address this comes, "" when the server does not say."""
    return request.client.host if request.client else ""


def from_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and is_loopback(client[0])


def cookie_of(scope: Scope) -> str | None:
    """The session cookie's value."""
    try:
        cookies = SimpleCookie(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return None
    found = cookies.get(COOKIE_TLS if is_secure(scope) else COOKIE)
    return found.value if found else None


def bearer_of(scope: Scope) -> str | None:
    """The API token's value, None without an Authorization header of that kind."""
    kind, _, value = Headers(scope=scope).get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else None


def asking(scope: Scope, sign_in: SignIn) -> Principal | None:
    """Who sends this: by API token when there is one, else by cookie."""
    bearer = bearer_of(scope)
    return sign_in.session(cookie_of(scope)) if bearer is None else sign_in.token(bearer)


class Guard:
    """ASGI middleware around the whole app, `inner`. `passed`: what stands between the two. `origins`: where else
    a page may fetch pictures of cameras."""

    def __init__(
        self,
        app: FastAPI,
        names: Names,
        routes: Iterable[Declared],
        sign_in: SignIn,
        passed: ASGIApp,
        origins: Callable[[], Iterable[str]] = lambda: (),
    ) -> None:
        self.inner = app
        self._origins = origins
        self._passed = passed
        self._names = names
        self._sign_in = sign_in
        self._asks_nobody = [
            (compile_path(route.path)[0], route.methods, isinstance(route.rule, Needs))
            for route in routes
            if isinstance(route.rule, Open) or (isinstance(route.rule, Needs) and route.rule.loopback)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = CSP.format("".join(f" {o}" for o in self._origins()))
                for name, value in HEADERS.items():
                    headers[name] = value
                if scope["path"].startswith("/api/"):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._passed(scope, receive, send_safely)
        else:
            await problem(*refusal)(scope, receive, send_safely)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if not self._names.host_is_ours(headers):
            return 421, "this hub is not called that; public_hosts lists its other names"
        if scope["method"] not in SAFE_METHODS:
            if "origin" in headers and not self._names.origin_is_ours(headers):
                return 403, "the request comes from another site"
            length = headers.get("content-length", "0")
            most = LARGE_BYTES_MAX if scope["path"].startswith(LARGE) else BODY_BYTES_MAX
            most = PLAN_BYTES_MAX if scope["path"] == PLANS else most
            if not length.isdecimal() or int(length) > most or "transfer-encoding" in headers:
                return 413, f"a body of at most {most} bytes, with its length, is allowed"
        principal = asking(scope, self._sign_in)
        scope.setdefault("state", {})["principal"] = principal
        if principal is None and not self._is_open(scope):
            return 401, "sign in first; zhantu-hub user link makes a one-time link"
        return None

    def _is_open(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if path in OPEN_PATHS or path.startswith(OPEN_PREFIXES):
            return True
        return any(
            pattern.match(path) and scope["method"] in methods and (not only_loopback or from_loopback(scope))
            for pattern, methods, only_loopback in self._asks_nobody
        )
