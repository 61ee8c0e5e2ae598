"""How passing on to the hub above does. Thin: `hub.forward.passer` knows."""

from fastapi import APIRouter
from pydantic import BaseModel

from hub.api.guard import needs
from hub.identity.permissions import Permission
from hub.state import HubState


class AboveOut(BaseModel):
    """`configured` false: there is no hub above. `held_back`: devices unknown there; `refused`: how often and why."""

    configured: bool
    connected: bool = False
    since_utc_ms: int | None = None
    answered_utc_ms: int | None = None
    on_the_way: int = 0
    waiting: int = 0
    passed: int = 0
    repeated: int = 0
    held_back: list[int] = []
    refused: dict[str, int] = {}
    handed_on: int = 0


def router(state: HubState) -> APIRouter:
    """`/above`."""
    routes = APIRouter(tags=["links"])

    @routes.get("/above", dependencies=[needs(Permission.PICTURE)])
    async def above() -> AboveOut:
        """Whether the hub above, or the standby, has what this one has."""
        if state.passer is None:
            return AboveOut(configured=False)
        return AboveOut(configured=True, **state.passer.status())

    return routes
