"""Security notices over HTTP: what is open, and taking one."""

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from hub.api.guard import needs, who
from hub.identity.permissions import Permission, Principal
from hub.state import HubState


class NoticeOut(BaseModel):
    """`reason`: a word of protocols.errors, `denied`, `tls`, `sign_in` or `break_glass`. `device` 0: not known."""

    id: str
    reason: str
    device: int
    callsign: str
    words: str
    count: int
    first_utc_ms: int
    last_utc_ms: int
    taken_by: str


class NoticesOut(BaseModel):
    """Open notices, the latest first."""

    notices: list[NoticeOut]


def router(state: HubState) -> APIRouter:
    routes = APIRouter(tags=["security"])

    @routes.get("/notices", dependencies=[needs(Permission.SECURITY)])
    async def notices() -> NoticesOut:
        """What somebody must look at."""
        return NoticesOut(notices=[NoticeOut(**state.watch.shown(notice)) for notice in state.watch.open()])

    @routes.post("/notices/{id}/take", status_code=204, dependencies=[needs(Permission.SECURITY)])
    async def take(id: str, me: Principal = who) -> None:
        """I have seen to it. The same thing again, a minute later, is a new notice."""
        if not await run_in_threadpool(state.watch.take, id, me.name):
            raise HTTPException(404, f"no open notice {id[:20]!r}; somebody may have taken it")

    return routes
