"""Sign-in: one-time links, passwords, session cookies, API tokens. The store sees digests and argon2 only.

Enters: secrets from browsers and programs. Leaves: a `Principal`, or None. Failed tries are throttled.
Callers: `hub.api` (from threads and the loop), `hub.commands`.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from hub.errors import AccountError, Refused
from hub.identity.people import ACTIVE, Accounts, Passwords, Person, check_password, default_sees
from hub.identity.permissions import Permission, Principal, Role, allowed_to
from hub.store.interface import PersonRow, SessionRow, TokenRow
from hub.store.registry import SqliteRegistry
from protocols.units import MS_PER_DAY

TOKEN_BYTES = 16
API_TOKEN_MARK = "zt_"
API_TOKEN_DAYS_MAX = 365
API_TOKENS_MAX = 50
"""That hold at once, of one person."""
SECRET_CHARS_MAX = 64
CACHED_MS = 1_000
CACHED_MAX = 10_000
SEEN_EVERY_MS = 60_000
BROWSER_CHARS_MAX = 120

FREE_TRIES_OF_NAME = 5
FREE_TRIES_OF_ADDRESS = 20
WAIT_MS_FIRST = 1_000
WAIT_MS_MAX = 15 * 60_000
FORGOTTEN_MS = 30 * 60_000
REMEMBERED_MAX = 10_000


def digest(secret: str) -> str:
    """What is stored of a token. SHA-256 suffices: tokens are 128 random bits, not words of people."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Throttled(Refused):
    """Too many wrong tries. `wait_ms`: how long to stay away; told in whole seconds, never too few."""

    def __init__(self, wait_ms: int) -> None:
        super().__init__(429, "too many wrong tries, wait a little", -(-wait_ms // 1000))


@dataclass(slots=True)
class _Tries:
    failed: int
    until_ms: int
    last_ms: int


class Throttle:
    """Waits that double with each wrong try, of a name from an address and of an address.

    A name alone is never made to wait: who guesses at a commander's password from one address must not keep the
    commander out at another. IPv6 counts by /64, since that is what one customer gets.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tries: dict[tuple[str, str], _Tries] = {}

    def wait_ms(self, name: str, address: str, now_ms: int) -> int:
        """0: try; else how long to wait."""
        with self._lock:
            found = [self._tries[key] for key in _places(name, address) if key in self._tries]
        return max(0, max((tries.until_ms - now_ms for tries in found), default=0))

    def failed(self, name: str, address: str, now_ms: int) -> None:
        with self._lock:
            for key, free in _places(name, address).items():
                tries = self._tries.pop(key, None)
                if tries is None or now_ms - tries.last_ms > FORGOTTEN_MS:
                    tries = _Tries(0, 0, 0)
                tries.failed += 1
                tries.last_ms = now_ms
                over = tries.failed - free
                if over >= 0:
                    tries.until_ms = now_ms + min(WAIT_MS_FIRST << min(over, 20), WAIT_MS_MAX)
                self._tries[key] = tries
            while len(self._tries) > REMEMBERED_MAX:
                del self._tries[next(iter(self._tries))]

    def succeeded(self, name: str, address: str) -> None:
        """A right password forgives its name's tries from there; those of the address stay."""
        with self._lock:
            self._tries.pop((name, _network(address)), None)


def _places(name: str, address: str) -> dict[tuple[str, str], int]:
    """What tries are counted under, and how many are free."""
    network = _network(address)
    places = {("", network): FREE_TRIES_OF_ADDRESS}
    if name:
        places[name, network] = FREE_TRIES_OF_NAME
    return places


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:SECRET_CHARS_MAX]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


@dataclass(frozen=True, slots=True)
class Began:
    """A session that has just begun. `cookie` is its secret."""

    cookie: str
    principal: Principal


class SignIn:
    """Secrets become principals. They are looked up again and again, so they are cached for a second.

    `alarm` is told of every wrong try: reason, device 0, name and address (`hub.identity.watch`).
    """

    def __init__(
        self,
        registry: SqliteRegistry,
        clock_ms: Callable[[], int],
        *,
        token_s: int,
        session_s: int,
        passwords: Passwords | None = None,
    ) -> None:
        self._registry = registry
        self._people = registry.people
        self._clock_ms = clock_ms
        self._token_ms = token_s * 1000
        self._session_ms = session_s * 1000
        self._cached: dict[str, tuple[int, Principal | None]] = {}
        self._seen: dict[str, int] = {}  # session id -> when it was last used, not written yet
        self._seen_written_ms = 0
        self.accounts = Accounts(registry)
        self.passwords = passwords or Passwords()
        self.throttle = Throttle()
        self.alarm: Callable[[str, int, str], None] = lambda _reason, _device, _words: None

    # --- one-time links ----------------------------------------------------------------------------------

    def new_token(self, user: str, role: Role | None = Role.COMMANDER, by: str = "cli") -> str:
        """A one-time token for `user`, who gets an account when new (AccountError when `role` is None and needed)."""
        return self.new_link(user, role, by)[0]

    def new_link(self, user: str, role: Role | None = None, by: str = "cli") -> tuple[str, int]:
        """As `new_token`, with the time until which it holds."""
        now_ms = self._clock_ms()
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._registry.together():
            known = self._people.person(user)
            if known is None:
                person = Person(user, self.accounts.role_for_new(role), "", default_sees(""), "", ACTIVE)
                self.accounts.put(person, by, now_ms)
            elif known.state != ACTIVE:
                raise AccountError(f"{user!r} is locked; `user unlock` lets them in again")
            self._people.add_link(digest(token), user, now_ms + self._token_ms)
            self._registry.record(now_ms, by, "token made", {"user": user})
        return token, now_ms + self._token_ms

    def sign_in(self, token: str, address: str = "", browser: str = "") -> Began | None:
        """A session for a good one-time token, which is taken whatever others guess; None for any other.

        Throttled when this address tried too many wrong ones.
        """
        now_ms = self._clock_ms()
        user = self._people.use_link(digest(token), now_ms)
        if user is None:
            self._refuse("", address, now_ms)
            return None
        return self._begin(user, address, browser, now_ms, by_link=True)

    # --- passwords ---------------------------------------------------------------------------------------

    def sign_in_password(
        self, name: str, password: str, address: str = "", browser: str = ""
    ) -> Began | None:
        """A session for name and password, None when they do not fit. Throttled, or Busy, before they are looked at."""
        now_ms = self._clock_ms()
        wait_ms = self.throttle.wait_ms(name, address, now_ms)
        if wait_ms > 0:
            self._tell(name, address)
            raise Throttled(wait_ms)
        person = self._people.person(name)
        stored = None if person is None or person.state != ACTIVE else person.password
        if not self.passwords.matches(stored, password):
            self._refuse(name, address, now_ms)
            return None
        self.throttle.succeeded(name, address)
        if stored is not None and self.passwords.is_old(stored):
            self._people.set_password(name, self.passwords.hash(password))
        return self._begin(name, address, browser, now_ms, by_link=False)

    def set_password(self, me: Principal, password: str, old: str, address: str = "") -> None:
        """AccountError when it is not allowed. Ends every other session of this person, and links not used yet.

        The old one is needed when there is one, unless this session began with a link: that is how a forgotten
        password is replaced.
        """
        now_ms = self._clock_ms()
        held = next((s for s, _ in self._people.sessions(now_ms) if s.id == me.id), None)
        person = self._people.person(me.name)
        if held is None or person is None:
            raise AccountError("password: this session has ended")
        check_password(password, me.name)
        if person.password is not None and not held.by_link:
            wait_ms = self.throttle.wait_ms(me.name, address, now_ms)
            if wait_ms > 0:
                raise Throttled(wait_ms)
            if not self.passwords.matches(person.password, old):
                self._refuse(me.name, address, now_ms)
                raise AccountError("password: the old one is not right")
        made = self.passwords.hash(password)
        with self._registry.together():
            self._people.set_password(me.name, made)
            self._people.end_sessions(me.name, now_ms, but=me.id)
            self._people.end_links(me.name)
            self._registry.record(now_ms, me.name, "password changed", {"person": me.name})
        self.forget()

    # --- sessions ----------------------------------------------------------------------------------------

    def _begin(self, user: str, address: str, browser: str, now_ms: int, *, by_link: bool) -> Began | None:
        cookie, session_id = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_hex(4)
        shown = "".join(c for c in browser if c.isprintable())[:BROWSER_CHARS_MAX]
        times = (now_ms, now_ms + self._session_ms, now_ms)
        row = SessionRow(session_id, user, *times, address, shown, int(by_link))
        with self._registry.together():
            self._people.add_session(digest(cookie), row)
            how = "link" if by_link else "password"
            content: dict[str, object] = {"session": session_id, "address": address, "how": how}
            self._registry.record(now_ms, user, "signed in", content)
        principal = self.session(cookie)
        return None if principal is None else Began(cookie, principal)

    def session(self, cookie: str | None) -> Principal | None:
        """Whose cookie this is, while it holds. A change by another program is seen within a second."""
        if not cookie or len(cookie) > SECRET_CHARS_MAX:
            return None
        principal = self._cached_or(digest(cookie), self._session_principal)
        if principal is not None:
            self._seen[principal.id] = self._clock_ms()
            self._write_seen()
        return principal

    def token(self, secret: str) -> Principal | None:
        """Whose API token this is, while it holds."""
        if not secret.startswith(API_TOKEN_MARK) or len(secret) > SECRET_CHARS_MAX:
            return None
        return self._cached_or(digest(secret), self._token_principal)

    def _cached_or(self, key: str, look: Callable[[str, int], Principal | None]) -> Principal | None:
        now_ms = self._clock_ms()
        cached = self._cached.get(key)
        if cached and 0 <= now_ms - cached[0] < CACHED_MS:
            return cached[1]
        if len(self._cached) >= CACHED_MAX:
            self._cached.clear()
        principal = look(key, now_ms)
        self._cached[key] = (now_ms, principal)
        return principal

    def _session_principal(self, key: str, now_ms: int) -> Principal | None:
        found = self._people.session(key, now_ms)
        return _principal(found[1], found[0].id, found[0].expires_utc_ms, None) if found else None

    def _token_principal(self, key: str, now_ms: int) -> Principal | None:
        found = self._people.token(key, now_ms)
        return _principal(found[1], found[0].id, found[0].expires_utc_ms, found[0].scope) if found else None

    def _write_seen(self) -> None:
        """Once a minute for all: a write for each request would wear out the disk."""
        now_ms = self._clock_ms()
        if not 0 <= now_ms - self._seen_written_ms < SEEN_EVERY_MS:
            self._seen_written_ms = now_ms
            seen, self._seen = self._seen, {}
            self._people.seen(seen)

    def sessions(self) -> list[tuple[SessionRow, PersonRow]]:
        """All that hold, oldest first."""
        seen = dict(self._seen)
        return [
            (row._replace(seen_utc_ms=seen.get(row.id, row.seen_utc_ms)), person)
            for row, person in self._people.sessions(self._clock_ms())
        ]

    def end_session(self, session_id: str, by: str) -> bool:
        """False when there is no such session."""
        now_ms = self._clock_ms()
        with self._registry.together():
            user = self._people.end_session(session_id, now_ms)
            if user is not None:
                what = "signed out" if user == by else "session ended"
                self._registry.record(now_ms, by, what, {"session": session_id, "user": user})
        self.forget()
        return user is not None

    def sign_out(self, me: Principal) -> None:
        """End the session, or the API token, that asks."""
        _ = self.end_token(me.id, me.name) if me.is_token else self.end_session(me.id, me.name)

    def forget(self) -> None:
        """Something about people has changed: look everything up again."""
        self._cached.clear()

    # --- API tokens --------------------------------------------------------------------------------------

    def new_api_token(
        self, user: str, name: str, scope: Iterable[Permission], days: int, by: str
    ) -> tuple[str, str]:
        """(id, secret). AccountError when the scope is more than the person may, or the time too long."""
        person, wanted = self.accounts.person(user), frozenset(scope)
        if person.state != ACTIVE:
            raise AccountError(f"token: {user!r} is locked")
        allowed = allowed_to(person.role, wanted)
        if not wanted or wanted - allowed:
            words = ", ".join(sorted(wanted - allowed)) or "nothing"
            can = ", ".join(sorted(allowed_to(person.role, Permission)))
            raise AccountError(f"token: scope {words}; a token of {person.role} {user} can have {can}")
        if not 1 <= days <= API_TOKEN_DAYS_MAX:
            raise AccountError(f"token: {days} days, 1–{API_TOKEN_DAYS_MAX} allowed")
        if not 1 <= len(name) <= 40 or not name.isprintable():
            raise AccountError(f"token: name {name[:50]!r}, 1–40 printable characters needed")
        now_ms = self._clock_ms()
        if sum(token.user == person.name for token in self._people.tokens(now_ms)) >= API_TOKENS_MAX:
            raise AccountError(f"token: {person.name} has {API_TOKENS_MAX} already; end one first")
        secret, token_id = API_TOKEN_MARK + secrets.token_urlsafe(TOKEN_BYTES), secrets.token_hex(4)
        spelled, until_ms = " ".join(sorted(wanted)), now_ms + days * MS_PER_DAY
        with self._registry.together():
            self._people.add_token(
                digest(secret), TokenRow(token_id, person.name, name, spelled, now_ms, until_ms)
            )
            content: dict[str, object] = {"token": token_id, "user": person.name, "name": name}
            content |= {"scope": spelled, "expires_utc_ms": until_ms}
            self._registry.record(now_ms, by, "API token made", content)
        return token_id, secret

    def tokens(self) -> list[TokenRow]:
        """All API tokens that hold, oldest first."""
        return self._people.tokens(self._clock_ms())

    def end_token(self, token_id: str, by: str) -> bool:
        """False when there is no such API token."""
        now_ms = self._clock_ms()
        with self._registry.together():
            user = self._people.end_token(token_id, now_ms)
            if user is not None:
                self._registry.record(now_ms, by, "API token ended", {"token": token_id, "user": user})
        self.forget()
        return user is not None

    # --- wrong tries -------------------------------------------------------------------------------------

    def _refuse(self, name: str, address: str, now_ms: int) -> None:
        """Count a wrong try. Throttled from the second one that comes too early."""
        self._tell(name, address)
        wait_ms = self.throttle.wait_ms(name, address, now_ms)
        self.throttle.failed(name, address, now_ms)
        if wait_ms > 0:
            raise Throttled(wait_ms)

    def _tell(self, name: str, address: str) -> None:
        self.alarm("sign_in", 0, f"{name or 'link'} from {address or '?'}")


def _principal(person: PersonRow, id: str, expires_utc_ms: int, scope: str | None) -> Principal | None:
    """None for a role that this version does not know."""
    try:
        known = Person.of(person)
    except ValueError:
        return None
    names = {permission.value: permission for permission in Permission}
    scoped = None if scope is None else [names[word] for word in scope.split() if word in names]
    return Principal(
        known.name,
        known.role,
        known.agency,
        known.sees,
        known.team,
        id,
        allowed_to(known.role, scoped),
        expires_utc_ms,
        is_token=scope is not None,
    )
