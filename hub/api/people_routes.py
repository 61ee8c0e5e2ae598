"""Accounts, the table of roles, and the operator records. `hub.identity.people` decides."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from hub.api.guard import needs, who
from hub.errors import AccountError
from hub.identity.people import AGENCIES_MAX, NAME_CHARS_MAX, Person, sees_of
from hub.identity.permissions import ALLOWED, TITLES, Permission, Principal, Role
from hub.state import HubState
from hub.store.chain import parsed

RECORDS_MAX = 1_000
Name = Annotated[str, Field(max_length=NAME_CHARS_MAX)]
NamePath = Annotated[str, Path(min_length=1, max_length=NAME_CHARS_MAX)]


class PersonIn(BaseModel):
    """What an administrator decides. `sees`: agencies beside the own one, ["*"] for all."""

    role: Role
    agency: Name = ""
    sees: list[Name] = Field(default=[], max_length=AGENCIES_MAX)
    team: Name = ""
    state: Name = "active"


class PersonOut(BaseModel):
    """An account."""

    name: str
    role: str
    agency: str
    sees: list[str]
    team: str
    state: str
    has_password: bool


class PeopleOut(BaseModel):
    """By name."""

    people: list[PersonOut]


class LinkOut(BaseModel):
    """A one-time link: the hub's address and then `path`."""

    token: str
    path: str
    expires_utc_ms: int


class RoleOut(BaseModel):
    """A row of docs/roles.md."""

    role: str
    zh: str
    en: str
    permissions: list[str]


class RolesOut(BaseModel):
    """The table of who may do what."""

    roles: list[RoleOut]


class RecordOut(BaseModel):
    """Who did what. `digest` continues the digest of the record before."""

    seq: int
    t_utc_ms: int
    who: str
    what: str
    content: dict[str, Any]
    digest: str


class AuditOut(BaseModel):
    """`whole`: the chain of all fits; `words` say so, or where it is broken. `newest`: number of the last record."""

    records: list[RecordOut]
    whole: bool
    words: str
    newest: int


def person_out(person: Person) -> PersonOut:
    return PersonOut(
        name=person.name,
        role=person.role,
        agency=person.agency,
        sees=list(person.sees),
        team=person.team,
        state=person.state,
        has_password=person.has_password,
    )


def record_out(row: tuple[Any, ...]) -> RecordOut:
    seq, t_utc_ms, by, what, content, _previous, digest = row
    return RecordOut(seq=seq, t_utc_ms=t_utc_ms, who=by, what=what, content=parsed(content), digest=digest)


def router(state: HubState) -> APIRouter:
    """The people and audit routes of docs/api.md."""
    routes = APIRouter(tags=["people"])
    accounts = state.sign_in.accounts

    @routes.get("/people", dependencies=[needs(Permission.PEOPLE)])
    def people() -> PeopleOut:
        """Every account."""
        return PeopleOut(people=[person_out(person) for person in accounts.everybody()])

    @routes.put("/people/{name}", dependencies=[needs(Permission.PEOPLE, in_person=True)])
    def put(name: NamePath, body: PersonIn, me: Principal = who) -> PersonOut:
        """Make an account, or change it. Locking ends its sessions and API tokens; the last active administrator can
        be neither locked nor made something else."""
        person = Person(name, body.role, body.agency, sees_of(body.sees), body.team, body.state)
        accounts.put(person, me.name, state.clock.now_ms())
        state.sign_in.forget()
        return person_out(accounts.person(name))

    @routes.post("/people/{name}/link", dependencies=[needs(Permission.PEOPLE, in_person=True)])
    def link(name: NamePath, me: Principal = who) -> LinkOut:
        """A one-time sign-in link for somebody who has an account."""
        try:
            accounts.person(name)
        except AccountError as err:
            raise HTTPException(404, str(err)) from None
        token, expires_utc_ms = state.sign_in.new_link(name, by=me.name)
        return LinkOut(token=token, path=f"/#t={token}", expires_utc_ms=expires_utc_ms)

    @routes.get("/roles", dependencies=[needs()])
    def roles() -> RolesOut:
        """The table of who may do what."""
        return RolesOut(
            roles=[
                RoleOut(role=role, zh=TITLES[role][0], en=TITLES[role][1], permissions=sorted(ALLOWED[role]))
                for role in Role
            ]
        )

    @routes.get("/audit", dependencies=[needs(Permission.AUDIT)])
    def audit(
        after: Annotated[int, Query(ge=0, le=2**52)] = 0,
        count: Annotated[int, Query(ge=0, le=RECORDS_MAX)] = 200,
    ) -> AuditOut:
        """Operator records after number `after`, oldest first, and whether the chain of all is whole."""
        verdict = state.registry.audit()
        return AuditOut(
            records=[record_out(row) for row in state.registry.records(after, count)],
            whole=verdict.broken is None,
            words=verdict.words,
            newest=state.registry.newest_record(),
        )

    return routes
