"""Site and floor plans over HTTP: put in, placed, looked at, deleted. docs/maps.md."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from hub.api.guard import needs, who
from hub.identity.permissions import Permission, Principal
from hub.maps.errors import PlanRefused
from hub.maps.placing import POINTS_MAX, Control, place
from hub.maps.plans import Plans, new_plan
from hub.state import HubState

LEVEL_MIN, LEVEL_MAX = -50, 500
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{1,24}$", examples=["5f1c0a9be233"])]
Level = Annotated[int, Field(ge=LEVEL_MIN, le=LEVEL_MAX, examples=[2])]
Name = Annotated[str, Field(min_length=1, max_length=80, examples=["综合楼二层"])]


class ControlIn(BaseModel):
    """A place of the picture, pixels from its upper left corner, and where that is."""

    model_config = ConfigDict(extra="forbid")
    x_px: float = Field(ge=-100_000, le=100_000, allow_inf_nan=False, examples=[120.5])
    y_px: float = Field(ge=-100_000, le=100_000, allow_inf_nan=False, examples=[80.0])
    lon_deg: float = Field(ge=-180, le=180, allow_inf_nan=False, examples=[117.0])
    lat_deg: float = Field(ge=-85, le=85, allow_inf_nan=False, examples=[36.65])


class PlacedOut(BaseModel):
    """How it lies. `rms_m`: of the control points; null with two, which always fit. `undistorted_rms_m`: of the same
    plan when it may not be sheared or stretched: much more than `rms_m` means that a point is wrong, or the plan is out
    of scale."""

    method: Literal["similarity", "affine"]
    corners: list[tuple[float, float]] = Field(description="upper left, upper right, lower right, lower left")
    residuals_m: list[float]
    rms_m: float | None
    undistorted_rms_m: float | None
    m_per_px: tuple[float, float]
    turn_deg: float


class PlanOut(BaseModel):
    """A plan. `note`: why it lies nowhere yet."""

    id: str
    name: str
    site: str
    level: int
    form: Literal["png", "jpeg"]
    from_form: Literal["png", "jpeg", "pdf", "tiff"]
    width_px: int
    height_px: int
    bytes: int
    note: str
    source: str
    t_utc_ms: int
    by: str
    controls: list[ControlIn]
    placed: PlacedOut | None


class PlansOut(BaseModel):
    """By site and level."""

    plans: list[PlanOut]


class PlanIn(BaseModel):
    """All that can be changed of a plan. `controls` empty: it lies nowhere."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    site: str = Field("", max_length=80, examples=["第一人民医院"])
    level: Level = 0
    source: str = Field("", max_length=200, examples=["基建科 2025-06"])
    controls: list[ControlIn] = Field([], max_length=POINTS_MAX)


def router(state: HubState) -> APIRouter:
    routes = APIRouter(tags=["maps"])
    plans: Plans = state.safety.plans
    picture = {"schema": {"type": "string", "format": "binary", "maxLength": 20_971_520}}
    kinds = ("image/png", "image/jpeg", "image/tiff", "application/pdf")
    upload = {"requestBody": {"required": True, "content": dict.fromkeys(kinds, picture)}}

    @routes.get("/plans", dependencies=[needs(Permission.PICTURE)])
    async def listed() -> PlansOut:
        """All plans."""
        order = sorted(plans.plans.values(), key=lambda plan: (plan.site, plan.level, plan.name))
        return PlansOut(plans=[PlanOut(**plan.message()) for plan in order])

    @routes.post("/plans", dependencies=[needs(Permission.ZONES)], openapi_extra=upload)
    async def add(
        request: Request,
        name: Annotated[str, Query(min_length=1, max_length=80)],
        site: Annotated[str, Query(max_length=80)] = "",
        level: Annotated[int, Query(ge=LEVEL_MIN, le=LEVEL_MAX)] = 0,
        source: Annotated[str, Query(max_length=200)] = "",
        page: Annotated[int, Query(ge=1, le=999, description="of a PDF")] = 1,
        me: Principal = who,
    ) -> PlanOut:
        """Put one in: the file itself is the body, at most 20 MiB; its first bytes say what it is. PNG and JPEG always,
        PDF and TIFF where the hub has the extra `plans`. A GeoTIFF lies at once where it says."""
        made, form, controls, note = await plans.looked_at(await request.body(), page)
        plan = new_plan(
            made, form, controls, note, name=name, site=site, level=level, source=source, by=me.name,
            now_ms=state.clock.now_ms(),
        )  # fmt: skip
        await run_in_threadpool(plans.add, made, plan)
        plans.told(plan.id, plan)
        return PlanOut(**plan.message())

    @routes.put("/plans/{id}", dependencies=[needs(Permission.ZONES)])
    async def change(id: Id, asked: PlanIn, me: Principal = who) -> PlanOut:
        """Name it and place it. Two control points turn and scale it, three or more fit it by least squares."""
        plan = plans.get(id)
        controls = tuple(Control(**one.model_dump()) for one in asked.controls)
        placed = place(plan.width_px, plan.height_px, controls) if controls else None
        plan = replace(
            plan, name=asked.name, site=asked.site, level=asked.level, source=asked.source, controls=controls,
            placed=placed, note="", by=me.name, t_utc_ms=state.clock.now_ms(),
        )  # fmt: skip
        await run_in_threadpool(plans.change, plan)
        plans.told(id, plan)
        return PlanOut(**plan.message())

    @routes.get("/plans/{id}/image", dependencies=[needs(Permission.PICTURE)], response_class=Response)
    async def image(id: Id) -> Response:
        """Its picture: PNG or JPEG. It never changes under one id, so browsers keep it."""
        plan = plans.get(id)
        if not plans.path(plan).is_file():
            raise PlanRefused(404, f"plan {id}: its picture is gone from the data folder")
        headers = {"cache-control": "private, max-age=604800, immutable"}
        return FileResponse(plans.path(plan), media_type=f"image/{plan.form}", headers=headers)

    @routes.delete("/plans/{id}", dependencies=[needs(Permission.ZONES)], status_code=204)
    async def drop(id: Id, me: Principal = who) -> None:
        """Delete it. What was done with it stays in the records."""
        plan = plans.get(id)
        await run_in_threadpool(plans.drop, plan, me.name)
        plans.told(id, None)

    return routes
