"""Nets that people look after, over HTTP. `hub.readiness.nets` keeps them; what gateways tell is at `/links`."""

from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field

from hub.api.guard import needs, who
from hub.identity.permissions import Permission, Principal
from hub.readiness.nets import Net
from hub.state import HubState

Id = Annotated[str, Path(min_length=1, max_length=40, examples=["n5f1c0a9be23"])]
LOOKS_AFTER = needs(Permission.DEVICES, Permission.DISPATCH, any_of=True, in_person=True)


class NetIn(BaseModel):
    """What a person says of a net."""

    model_config = ConfigDict(extra="forbid")
    group: Literal["voice", "video", "sensing", "beidou"] = Field(examples=["voice"])
    name: str = Field(min_length=1, max_length=40, examples=["370 MHz 指挥组"])
    state: Literal["up", "held", "down", "off"] = Field(examples=["up"])
    note: str = Field("", max_length=200, examples=["信道 3"])


class NetOut(NetIn):
    """`by`, `t_utc_ms`: whose word it is, and of when."""

    model_config = ConfigDict(extra="ignore")
    id: str = Field(examples=["n5f1c0a9be23"])
    agency: str
    by: str
    t_utc_ms: int


class NetsOut(BaseModel):
    """All that one sees; at most 200."""

    nets: list[NetOut]


def router(state: HubState) -> APIRouter:
    """`/nets`."""
    routes = APIRouter(tags=["links"])
    nets = state.safety.nets

    def found(id: str, me: Principal) -> Net:
        net = nets.get(id)
        if net is None or not nets.sees(net, me.audience):
            raise HTTPException(404, f"no net {id[:40]!r}")
        return net

    async def put(id: str, body: NetIn, me: Principal) -> NetOut:
        if nets.get(id) is None and len(list(nets)) >= nets.most:
            raise HTTPException(409, f"{nets.most} nets are kept at most; remove one first")
        net = Net(id, body.group, body.name, body.state, body.note, me.agency, me.name, state.clock.now_ms())
        await state.record(me.name, "net told", {"net": id, **body.model_dump()})
        nets.put(net)
        return NetOut.model_validate(net, from_attributes=True)

    @routes.get("/nets", dependencies=[needs(Permission.PICTURE)])
    async def listed(me: Principal = who) -> NetsOut:
        """Every net one sees."""
        seen = [net for net in nets if nets.sees(net, me.audience)]
        return NetsOut(nets=[NetOut.model_validate(net, from_attributes=True) for net in seen])

    @routes.post("/nets", status_code=201, dependencies=[LOOKS_AFTER])
    async def add(body: NetIn, me: Principal = who) -> NetOut:
        """A new net, as it is now."""
        return await put(f"n{uuid4().hex[:11]}", body, me)

    @routes.put("/nets/{id}", dependencies=[LOOKS_AFTER])
    async def tell(id: Id, body: NetIn, me: Principal = who) -> NetOut:
        """How it is now, by one's own word."""
        return await put(found(id, me).id, body, me)

    @routes.delete("/nets/{id}", status_code=204, dependencies=[LOOKS_AFTER])
    async def remove(id: Id, me: Principal = who) -> None:
        """It is not looked after any more."""
        await state.record(me.name, "net removed", {"net": id, "name": found(id, me).name})
        nets.drop(id)

    return routes
