"""Signing in and out, one's password, and the sessions that hold."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import Field

from hub.api.guard import COOKIE, COOKIE_TLS, address_of, is_secure, needs, open_to_all, principal_of, who
from hub.api.models import PasswordIn, SessionOut, SessionRowOut, SessionsOut, SignInIn
from hub.identity.permissions import TITLES, Permission, Principal
from hub.identity.signin import Began, SignIn
from hub.state import HubState
from hub.store.interface import PersonRow, SessionRow

Id = Annotated[str, Field(max_length=16)]


def router(state: HubState) -> APIRouter:
    """The session routes of docs/api.md."""
    routes = APIRouter(tags=["session"])
    sign_in = state.sign_in

    @routes.get("/session", dependencies=[needs()])
    def session(me: Principal = who) -> SessionOut:
        """Who is signed in, or 401."""
        return _session_out(state, me)

    @routes.post("/session", dependencies=[open_to_all("this is how one signs in; guessing is throttled")])
    def begin(body: SignInIn, request: Request, response: Response) -> SessionOut:
        """Give a one-time token, or name and password, for a session cookie. A token works once, and a right one is
        taken whatever others guess."""
        began = _began(sign_in, body, request)
        if began is None:
            words = "this link was used already or has expired; zhantu-hub user link makes a new one"
            raise HTTPException(401, words if body.token else "name and password do not fit")
        secure = is_secure(request.scope)
        response.set_cookie(
            _cookie_name(secure),
            began.cookie,
            max_age=state.settings.session_s,
            path="/",
            httponly=True,
            samesite="strict",
            secure=secure,
        )
        return _session_out(state, began.principal)

    @routes.delete(
        "/session", status_code=204, dependencies=[open_to_all("signing out when signed out is no secret")]
    )
    def sign_out(request: Request, response: Response) -> None:
        """End this session everywhere."""
        me = principal_of(request.scope)
        if me is not None:
            sign_in.sign_out(me)
        secure = is_secure(request.scope)
        response.delete_cookie(
            _cookie_name(secure), path="/", httponly=True, samesite="strict", secure=secure
        )

    @routes.put("/session/password", status_code=204, dependencies=[needs(in_person=True)])
    def set_password(body: PasswordIn, request: Request, me: Principal = who) -> None:
        """Set one's own password. All one's other sessions end. `old` is needed when there is one, unless this session
        began with a one-time link."""
        sign_in.set_password(me, body.password, body.old, address_of(request))

    @routes.get("/sessions", dependencies=[needs()])
    def sessions(me: Principal = who) -> SessionsOut:
        """One's own sessions; everybody's with the permission `people`."""
        return SessionsOut(
            sessions=[
                _row_out(row, person, me)
                for row, person in sign_in.sessions()
                if row.user == me.name or me.may(Permission.PEOPLE)
            ]
        )

    @routes.delete("/sessions/{id}", status_code=204, dependencies=[needs()])
    def end(id: Id, me: Principal = who) -> None:
        """End a session of one's own, or with the permission `people` anybody's."""
        theirs = {row.id: row.user for row, _ in sign_in.sessions()}
        if not is_mine(theirs, id, me) or not sign_in.end_session(id, me.name):
            raise HTTPException(404, f"no session {id!r} holds")

    return routes


def _began(sign_in: SignIn, body: SignInIn, request: Request) -> Began | None:
    """The session that this body opens. None: its words are not right."""
    place = (address_of(request), request.headers.get("user-agent", ""))
    if body.token:
        return sign_in.sign_in(body.token, *place)
    if not body.name or not body.password:
        raise HTTPException(422, "body: token, or name and password, needed")
    return sign_in.sign_in_password(body.name, body.password, *place)


def _cookie_name(secure: bool) -> str:
    return COOKIE_TLS if secure else COOKIE


def _session_out(state: HubState, me: Principal) -> SessionOut:
    person = state.sign_in.accounts.person(me.name)
    zh, en = TITLES[me.role]
    return SessionOut(
        name=me.name,
        role=me.role,
        title_zh=zh,
        title_en=en,
        agency=me.agency,
        sees=list(me.sees),
        team=me.team,
        realm=state.settings.realm,
        drill=state.settings.drill,
        version=state.version,
        permissions=sorted(me.allowed),
        session=me.id,
        expires_utc_ms=me.expires_utc_ms,
        has_password=person.has_password,
    )


def _row_out(row: SessionRow, person: PersonRow, me: Principal) -> SessionRowOut:
    return SessionRowOut(
        id=row.id,
        user=row.user,
        role=person.role,
        address=row.address,
        browser=row.browser,
        created_utc_ms=row.created_utc_ms,
        seen_utc_ms=row.seen_utc_ms,
        expires_utc_ms=row.expires_utc_ms,
        mine=row.user == me.name,
    )


def is_mine(users: dict[str, str], id: str, me: Principal) -> bool:
    """Whether it is one's own, or one looks after people. What is not is answered as if it were not there."""
    return users.get(id) == me.name or (id in users and me.may(Permission.PEOPLE))
