"""Signing in with a one-time link's token, and out."""

from fastapi import APIRouter, HTTPException, Request, Response

from hub.api.guard import COOKIE
from hub.api.models import SessionOut, TokenIn
from hub.state import HubState
from hub.store.interface import SessionRow


def router(state: HubState) -> APIRouter:
    """The three session routes of docs/feed.md."""
    routes = APIRouter(tags=["session"])

    def said(session: SessionRow) -> SessionOut:
        settings = state.settings
        return SessionOut(
            name=session.user,
            role=session.role,
            realm=settings.realm,
            drill=settings.drill,
            version=state.version,
        )

    @routes.get("/session")
    def who(request: Request) -> SessionOut:
        """Who is signed in, or 401."""
        session: SessionRow | None = request.scope["state"]["session"]
        if session is None:
            raise HTTPException(401, "not signed in")
        return said(session)

    @routes.post("/session")
    def sign_in(body: TokenIn, request: Request, response: Response) -> SessionOut:
        """Give a one-time token for a session cookie. A token works once."""
        now_ms = state.clock.now_ms()
        wait_ms = state.sign_in.throttle.wait_ms(now_ms)
        made = state.sign_in.sign_in(body.token)  # a right token is taken whatever others guess
        if made is None and wait_ms:
            seconds = str(-(-wait_ms // 1000))
            raise HTTPException(429, "too many wrong tokens, wait a little", {"Retry-After": seconds})
        if made is None:
            raise HTTPException(
                401, "this link was used already or has expired; zhantu-hub user link makes a new one"
            )
        cookie, session = made
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=state.settings.session_s,
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return said(session)

    @routes.delete("/session", status_code=204)
    def sign_out(request: Request, response: Response) -> None:
        """End this session everywhere."""
        session: SessionRow | None = request.scope["state"]["session"]
        if session is not None:
            state.sign_in.sign_out(session)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")

    return routes
