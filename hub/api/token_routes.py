"""API tokens of one's own, for programs. `hub.identity.signin` decides."""

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from hub.api.guard import needs, who
from hub.api.session_routes import Id, is_mine
from hub.identity.permissions import Permission, Principal
from hub.identity.signin import API_TOKEN_DAYS_MAX
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


def router(state: HubState) -> APIRouter:
    """The token routes of docs/api.md."""
    routes = APIRouter(tags=["session"])
    sign_in = state.sign_in

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
        if not is_mine(theirs, id, me) or not sign_in.end_token(id, me.name):
            raise HTTPException(404, f"no API token {id!r} holds")

    return routes
