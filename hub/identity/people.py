"""Accounts: who there is, with which role, whose units they see; passwords.

Enters: what an administrator or a person decides. Leaves: registry rows and operator records. AccountError says why
something is refused. Callers: `hub.api.people_routes`, `hub.commands.user`, `hub.identity.signin`.
"""

import threading
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from hub.errors import AccountError, Refused
from hub.identity.permissions import ALL_AGENCIES, Role
from hub.store.interface import PersonRow
from hub.store.registry import SqliteRegistry

NAME_CHARS_MAX = 40
AGENCIES_MAX = 32
PASSWORD_CHARS = (10, 128)
ACTIVE, LOCKED = "active", "locked"
STATES = (ACTIVE, LOCKED)
HASHING_MAX = 2
"""Passwords hashed at once: each takes 64 MiB and an eighth of a second."""
WAITING_MAX = 8
"""More than these are sent away: a flood must not take every thread of the hub's HTTP."""
_COMMON = (
    "0123456789 1234567890 12345678910 0987654321 9876543210 1111111111 0000000000 8888888888 6666666666 1234512345"
    " 1qaz2wsx3edc 1q2w3e4r5t qwertyuiop asdfghjkl; qwerty123456 password12 password123 passw0rd123 administrator"
    " admin12345 admin123456 woaini1314 woaini5201314 5201314520 a123456789 zhantu1234 zhantu12345 zhantuzhantu"
    " commander1 commander123 changeme123 letmein1234 iloveyou123"
)
COMMON = frozenset(_COMMON.split())
"""Refused. Only the first that anybody tries: guesses are throttled, and length does the rest."""


class Busy(Refused):
    """Too many passwords are being checked at once."""

    def __init__(self) -> None:
        super().__init__(503, "too many passwords are being checked; try again", 1)


class Passwords:
    """argon2id with RFC 9106's second recommended choice. Blocks; callers are threads, not the loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._places = threading.Semaphore(HASHING_MAX)
        self._waiting = threading.Semaphore(HASHING_MAX + WAITING_MAX)
        self._nobody = ""

    def hash(self, password: str) -> str:
        """What is stored of a password."""
        with self._place():
            return self._hasher.hash(_plain(password))

    def matches(self, stored: str | None, password: str) -> bool:
        """Takes as long for a person without a password, or for nobody."""
        with self._place():
            if not self._nobody:
                self._nobody = self._hasher.hash("nobody's")
            try:
                return self._hasher.verify(stored or self._nobody, _plain(password)) and bool(stored)
            except (VerificationError, InvalidHashError):
                return False

    def is_old(self, stored: str) -> bool:
        """Whether a good password should be hashed anew, with today's parameters."""
        return self._hasher.check_needs_rehash(stored)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._waiting.acquire(blocking=False):
            raise Busy
        try:
            with self._places:
                yield
        finally:
            self._waiting.release()


def _plain(password: str) -> str:
    """One form for one text: keyboards differ in how they compose characters."""
    return unicodedata.normalize("NFC", password)


def check_password(password: str, name: str) -> None:
    """AccountError when it is too short, too long, the name, or what everybody tries first."""
    low, high = PASSWORD_CHARS
    if not low <= len(_plain(password)) <= high:
        raise AccountError(f"password: {len(_plain(password))} characters, {low}–{high} needed")
    folded = _plain(password).casefold()
    if folded == _plain(name).casefold():
        raise AccountError("password: it is the name; choose another")
    if folded in COMMON or len(set(folded)) == 1:
        raise AccountError("password: it is among the first that anybody tries; choose another")


@dataclass(frozen=True, slots=True)
class Person:
    """An account as people see it. `sees`: agencies beside the own one, ("*",) for all."""

    name: str
    role: Role
    agency: str
    sees: tuple[str, ...]
    team: str
    state: str
    has_password: bool = False

    @classmethod
    def of(cls, row: PersonRow) -> "Person":
        sees = tuple(agency for agency in row.sees.split(",") if agency)
        return cls(row.name, Role(row.role), row.agency, sees, row.team, row.state, row.password is not None)

    def row(self) -> PersonRow:
        return PersonRow(self.name, self.role.value, self.agency, ",".join(self.sees), self.team, self.state)


def default_sees(agency: str) -> tuple[str, ...]:
    """Nothing said: who belongs to an agency sees its units, who belongs to none sees all."""
    return () if agency else (ALL_AGENCIES,)


def check_person(person: Person) -> None:
    """AccountError when a part is not allowed."""
    if not person.name.strip() or person.name != person.name.strip():
        raise AccountError(f"name {person.name!r}: it must not be empty, or begin or end with a space")
    texts = (("name", person.name), ("agency", person.agency), ("team", person.team))
    for word, text in (*texts, *(("sees", agency) for agency in person.sees)):
        if len(text) > NAME_CHARS_MAX or not text.isprintable():
            raise AccountError(
                f"{word} {text[:50]!r}: at most {NAME_CHARS_MAX} printable characters are allowed"
            )
    if len(person.sees) > AGENCIES_MAX or any(not a or "," in a for a in person.sees):
        raise AccountError(f"sees: at most {AGENCIES_MAX} agencies, without commas in their names")
    if person.state not in STATES:
        raise AccountError(f"state {person.state[:20]!r}: {' or '.join(STATES)} needed")


class Accounts:
    """What can be done to accounts. Every method that changes something leaves an operator record of `by`."""

    def __init__(self, registry: SqliteRegistry) -> None:
        self._registry = registry

    def everybody(self) -> list[Person]:
        """Accounts whose role this version knows, by name."""
        known = {role.value for role in Role}
        return [Person.of(row) for row in self._registry.people.everybody() if row.role in known]

    def person(self, name: str) -> Person:
        """AccountError when there is none of that name."""
        row = self._registry.people.person(name)
        if row is None:
            raise AccountError(
                f"nobody is called {name[:NAME_CHARS_MAX]!r}; `zhantu-hub user list` shows all"
            )
        return Person.of(row)

    def put(self, person: Person, by: str, now_ms: int, *, new_only: bool = False) -> None:
        """Make an account, or change it: locking ends its sessions, links and API tokens.

        The last active administrator stays one: nobody could let anybody in any more, except on the hub's machine.
        """
        check_person(person)
        people, row = self._registry.people, person.row()
        with self._registry.together():
            before = people.person(person.name)
            if before is None:
                people.add_person(row, now_ms)
            elif new_only:
                raise AccountError(f"{person.name!r} has an account already; `user set` changes it")
            elif before._replace(password=None) == row:
                return
            else:
                self._check_last_administrator(before, row)
                people.set_person(row)
            if person.state == LOCKED:
                people.end_sessions(person.name, now_ms)
                people.end_tokens(person.name, now_ms)
                people.end_links(person.name)
            said = {name: value for name, value in row._asdict().items() if name not in ("name", "password")}
            what = "person added" if before is None else "person changed"
            self._registry.record(now_ms, by, what, {"person": person.name, **said})

    def _check_last_administrator(self, before: PersonRow, after: PersonRow) -> None:
        admin = Role.ADMINISTRATOR.value
        was, stays = ((row.role, row.state) == (admin, ACTIVE) for row in (before, after))
        if was and not stays:
            others = [p for p in self._registry.people.everybody() if p.name != before.name]
            if not any((p.role, p.state) == (admin, ACTIVE) for p in others):
                raise AccountError(
                    f"{before.name!r} is the last active administrator: make another one first"
                )

    def role_for_new(self, role: Role | None) -> Role:
        """The role of somebody new: the very first is an administrator unless said otherwise."""
        if role is not None:
            return role
        if self._registry.people.everybody():
            raise AccountError(f"a new person needs a role: {', '.join(r.value for r in Role)}")
        return Role.ADMINISTRATOR


def role_of(word: str) -> Role:
    """AccountError for a word that is no role."""
    try:
        return Role(word)
    except ValueError:
        raise AccountError(f"role {word[:20]!r}: one of {', '.join(r.value for r in Role)} needed") from None


def sees_of(words: str | Sequence[str]) -> tuple[str, ...]:
    """Agencies out of text with commas between them."""
    parts = words.split(",") if isinstance(words, str) else words
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
