"""Cameras over HTTP. `hub.readiness.cameras` keeps them."""

from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field

from hub.api.guard import needs, who
from hub.identity.permissions import Permission, Principal
from hub.readiness.cameras import Camera, origin_of
from hub.state import HubState

Id = Annotated[str, Path(min_length=1, max_length=40, examples=["c5f1c0a9be23"])]
LOOKS_AFTER = needs(Permission.DEVICES, Permission.DISPATCH, any_of=True, in_person=True)


class CameraIn(BaseModel):
    """Of a unit, or of a place. `way`: `hls` (a playlist, .m3u8) or `whep` (WebRTC)."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=60, examples=["泉城路口"])
    way: Literal["hls", "whep"] = Field(examples=["hls"])
    url: str = Field(min_length=8, max_length=500, examples=["https://video.example/cam1/index.m3u8"])
    unit: str = Field("", max_length=120, examples=[""])
    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = Field(None, examples=[36.66])
    lon: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] | None = Field(None, examples=[117.02])


class CameraOut(BaseModel):
    """`by`, `t_utc_ms`: who entered it, and when."""

    id: str = Field(examples=["c5f1c0a9be23"])
    name: str
    way: str
    url: str
    unit: str
    lat: float | None
    lon: float | None
    agency: str
    by: str
    t_utc_ms: int


class CamerasOut(BaseModel):
    """All that one sees; at most 500."""

    cameras: list[CameraOut]


def router(state: HubState) -> APIRouter:
    """`/cameras`."""
    routes = APIRouter(tags=["cameras"])
    cameras = state.safety.cameras

    def found(id: str, me: Principal) -> Camera:
        camera = cameras.get(id)
        if camera is None or not cameras.sees(camera, me.audience):
            raise HTTPException(404, f"no camera {id[:40]!r}")
        return camera

    def made(id: str, asked: CameraIn, me: Principal) -> Camera:
        """Checked. 422 says what is wrong."""
        slot = state.units.slot_by_id.get(asked.unit)
        seen = slot is not None and me.audience.sees(state.units.rows[slot].agency)
        if asked.unit and not seen:
            raise HTTPException(422, f"unit = {asked.unit[:40]!r}: no such unit")
        if (asked.lat is None) != (asked.lon is None):
            raise HTTPException(422, "lat and lon: both, or none")
        try:
            origin_of(asked.url)
        except ValueError as err:
            raise HTTPException(422, str(err)) from None
        return Camera(
            id, asked.name, asked.way, asked.url, asked.unit, asked.lat, asked.lon, me.agency, me.name,
            state.clock.now_ms(),
        )  # fmt: skip

    async def put(camera: Camera, me: Principal, what: str) -> CameraOut:
        if cameras.get(camera.id) is None and len(list(cameras)) >= cameras.most:
            raise HTTPException(409, f"{cameras.most} cameras are kept at most; remove one first")
        await state.record(me.name, what, {"camera": camera.id, "name": camera.name, "url": camera.url})
        cameras.put(camera)
        return CameraOut.model_validate(camera, from_attributes=True)

    @routes.get("/cameras", dependencies=[needs(Permission.PICTURE)])
    async def listed(me: Principal = who) -> CamerasOut:
        """Every camera one sees."""
        seen = [camera for camera in cameras if cameras.sees(camera, me.audience)]
        return CamerasOut(cameras=[CameraOut.model_validate(c, from_attributes=True) for c in seen])

    @routes.post("/cameras", status_code=201, dependencies=[LOOKS_AFTER])
    async def add(body: CameraIn, me: Principal = who) -> CameraOut:
        """A new camera."""
        return await put(made(f"c{uuid4().hex[:11]}", body, me), me, "camera added")

    @routes.put("/cameras/{id}", dependencies=[LOOKS_AFTER])
    async def change(id: Id, body: CameraIn, me: Principal = who) -> CameraOut:
        """Another address, name or place."""
        return await put(made(found(id, me).id, body, me), me, "camera changed")

    @routes.delete("/cameras/{id}", status_code=204, dependencies=[LOOKS_AFTER])
    async def remove(id: Id, me: Principal = who) -> None:
        """It is not there any more."""
        camera = found(id, me)
        await state.record(me.name, "camera removed", {"camera": id, "name": camera.name})
        cameras.drop(id)

    return routes
