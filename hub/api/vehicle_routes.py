"""A person's word on what a vehicle is doing, over HTTP. `hub.safety.vehicles` keeps it; docs/vehicles.md."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field

from hub.api.guard import needs, who
from hub.errors import StoreError
from hub.identity.permissions import Permission, Principal
from hub.safety.vehicles import KIND, Word
from hub.state import HubState

UnitId = Annotated[str, Path(max_length=120, examples=["u12"])]


class VehicleStateIn(BaseModel):
    """A state of GA/T 974.39, and why one knows it."""

    model_config = ConfigDict(extra="forbid")
    code: Literal[10, 20, 21, 22, 23, 24, 25, 26, 27, 30] = Field(examples=[23])
    why: str = Field("", max_length=200, examples=["现场报告已出水"])


class ReasonOut(BaseModel):
    """One thing that was known."""

    name: str = Field(examples=["to_task"])
    zh: str
    en: str
    value: float | int | str
    unit: str


class HubStateOut(BaseModel):
    """What the hub judges by itself. `by` is empty."""

    code: int = Field(examples=[22])
    zh: str = Field(examples=["到场"])
    en: str = Field(examples=["On scene"])
    by: str
    t_utc_ms: int
    reasons: list[ReasonOut]


class VehicleStateOut(HubStateOut):
    """What counts. `by`: the person whose word it is, "" the hub. `hub`: what the hub would say meanwhile; nil when it
    is the hub's own, or the hub knows nothing."""

    why: str
    hub: HubStateOut | None


def router(state: HubState) -> APIRouter:
    """The routes of docs/vehicles.md."""
    routes = APIRouter(tags=["units"])
    vehicles = state.safety.vehicles

    def slot_of(unit_id: str, me: Principal) -> int:
        slot = state.units.slot_by_id.get(unit_id)
        if slot is None or not me.audience.sees(state.units.rows[slot].agency):
            raise HTTPException(404, f"no unit {unit_id[:40]!r}")
        if state.units.rows[slot].kind != "vehicle" or state.units.is_reported(slot):
            raise HTTPException(
                422, f"{unit_id[:40]!r} is a {state.units.rows[slot].kind}; a vehicle of ours is needed"
            )
        return slot

    async def write(me: Principal, slot: int, word: Word | None, what: str, content: dict[str, Any]) -> None:
        """The record and the state itself, both or none, before it counts."""
        now_ms, document = state.clock.now_ms(), vehicles.document(slot, word)

        def both() -> None:
            with state.registry.together():
                state.registry.record(now_ms, me.name, what, content)
                state.registry.documents.put(KIND, document, now_ms)

        try:
            await asyncio.get_running_loop().run_in_executor(state.readers, both)
        except StoreError as err:
            raise HTTPException(503, f"it cannot be kept just now: {err}") from None
        vehicles.say(slot, word)

    @routes.put("/units/{unit_id}/vehicle-state", dependencies=[needs(Permission.DISPATCH, in_person=True)])
    async def put(unit_id: UnitId, body: VehicleStateIn, me: Principal = who) -> VehicleStateOut:
        """My word on what this vehicle is doing. It stands until a person takes it back or says another."""
        slot, now_ms = slot_of(unit_id, me), state.clock.now_ms()
        before = vehicles.of(slot)
        said = {"unit": unit_id, "code": body.code, "why": body.why, "before": before and before["code"]}
        await write(me, slot, Word(body.code, me.name, now_ms, body.why), "vehicle state set", said)
        made = vehicles.of(slot)
        assert made is not None
        return VehicleStateOut(**made)

    @routes.delete(
        "/units/{unit_id}/vehicle-state",
        status_code=204,
        dependencies=[needs(Permission.DISPATCH, in_person=True)],
    )
    async def release(unit_id: UnitId, me: Principal = who) -> None:
        """The hub's own judgement counts again. Without a person's word nothing happens."""
        slot = slot_of(unit_id, me)
        word = vehicles.word(slot)
        if word is not None:
            said = {"unit": unit_id, "code": word.code, "by": word.by}
            await write(me, slot, None, "vehicle state released", said)

    return routes
