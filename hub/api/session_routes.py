"""Signing in and out, one's password, and the sessions and API tokens that hold."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field

from hub.api.guard import COOKIE, COOKIE_TLS, address_of, is_secure, needs, open_to_all, principal_of, who
from hub.api.models import PasswordIn, SessionOut, SessionRowOut, SessionsOut, SignInIn
from hub.identity.permissions import TITLES, Permission, Principal
from hub.identity.signin import API_TOKEN_DAYS_MAX, Began
from hub.state import HubState


class TokenIn(BaseModel):
    """A new API token: for what, with which permissions, for how many days."""

    name: str = Field(min_length=1, max_length=40)
    scope: list[Permission] = Field(min_length=1, max_length=len(Permission))
    days: int = Field(ge=1, le=API_TOKEN_DAYS_MAX)


class TokenMadeOut(BaseModel):
    """`token` is shown this once."""

    id: str
    token: str


class TokenOut(BaseModel):
    """An API token that holds, without its secret."""

    id: str
    user: str
    name: str
    scope: list[str]
    created_utc_ms: int
    expires_utc_ms: int


class TokensOut(BaseModel):
    """Oldest first."""

    tokens: list[TokenOut]


Id = Annotated[str, Field(max_length=16)]


def router(state: HubState) -> APIRouter:
    """The session and token routes of docs/api.md."""
    routes = APIRouter(tags=["session"])
    sign_in = state.sign_in

    def said(me: Principal) -> SessionOut:
        person = sign_in.accounts.person(me.name)
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

    @routes.get("/session", dependencies=[needs()])
    def session(me: Principal = who) -> SessionOut:
        """Who is signed in, or 401."""
        return said(me)

    @routes.post("/session", dependencies=[open_to_all("this is how one signs in; guessing is throttled")])
    def begin(body: SignInIn, request: Request, response: Response) -> SessionOut:
        """Give a one-time token, or name and password, for a session cookie. A token works once, and a right one is
        taken whatever others guess."""
        began = _began(body, request)
        if began is None:
            words = "this link was used already or has expired; zhantu-hub user link makes a new one"
            raise HTTPException(401, words if body.token else "name and password do not fit")
        _set_cookie(request, response, began.cookie)
        return said(began.principal)

    def _began(body: SignInIn, request: Request) -> Began | None:
        place = (address_of(request), request.headers.get("user-agent", ""))
        if body.token:
            return sign_in.sign_in(body.token, *place)
        if not body.name or not body.password:
            raise HTTPException(422, "body: token, or name and password, needed")
        return sign_in.sign_in_password(body.name, body.password, *place)

    def _set_cookie(request: Request, response: Response, cookie: str) -> None:
        secure = is_secure(request.scope)
        response.set_cookie(
            COOKIE_TLS if secure else COOKIE,
            cookie,
            max_age=state.settings.session_s,
            path="/",
            httponly=True,
            samesite="strict",
            secure=secure,
        )

    @routes.delete(
        "/session", status_code=204, dependencies=[open_to_all("signing out when signed out is no secret")]
    )
    def sign_out(request: Request, response: Response) -> None:
        """End this session everywhere."""
        me = principal_of(request.scope)
        if me is not None:
            sign_in.sign_out(me)
        secure = is_secure(request.scope)
        name = COOKIE_TLS if secure else COOKIE
        response.delete_cookie(name, path="/", httponly=True, samesite="strict", secure=secure)

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
                SessionRowOut(
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
                for row, person in sign_in.sessions()
                if row.user == me.name or me.may(Permission.PEOPLE)
            ]
        )

    @routes.delete("/sessions/{id}", status_code=204, dependencies=[needs()])
    def end(id: Id, me: Principal = who) -> None:
        """End a session of one's own, or with the permission `people` anybody's."""
        theirs = {row.id: row.user for row, _ in sign_in.sessions()}
        if not _mine(theirs, id, me) or not sign_in.end_session(id, me.name):
            raise HTTPException(404, f"no session {id!r} holds")

    @routes.get("/tokens", dependencies=[needs()])
    def tokens(me: Principal = who) -> TokensOut:
        """One's own API tokens; everybody's with the permission `people`."""
        return TokensOut(
            tokens=[
                TokenOut(**{**row._asdict(), "scope": row.scope.split()})
                for row in sign_in.tokens()
                if row.user == me.name or me.may(Permission.PEOPLE)
            ]
        )

    @routes.post("/tokens", status_code=201, dependencies=[needs(in_person=True)])
    def new_token(body: TokenIn, me: Principal = who) -> TokenMadeOut:
        """Make an API token of one's own. Its scope is part of what one may do oneself; it never orders."""
        token_id, secret = sign_in.new_api_token(me.name, body.name, body.scope, body.days, me.name)
        return TokenMadeOut(id=token_id, token=secret)

    @routes.delete("/tokens/{id}", status_code=204, dependencies=[needs()])
    def end_token(id: Id, me: Principal = who) -> None:
        """End an API token of one's own, or with the permission `people` anybody's."""
        theirs = {row.id: row.user for row in sign_in.tokens()}
        if not _mine(theirs, id, me) or not sign_in.end_token(id, me.name):
            raise HTTPException(404, f"no API token {id!r} holds")

    return routes


def _mine(users: dict[str, str], id: str, me: Principal) -> bool:
    """Whether it is one's own, or one looks after people. What is not is answered as if it were not there."""
    return users.get(id) == me.name or (id in users and me.may(Permission.PEOPLE))
