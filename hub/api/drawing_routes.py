"""Own drawings over HTTP: GeoJSON in and out. docs/maps.md."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool

from hub.api.guard import needs, who
from hub.identity.permissions import Permission, Principal
from hub.maps.drawings import POINTS_MAX, Drawing, DrawingKind, Drawings
from hub.state import HubState

RADIUS_M_MAX = 200_000.0
RINGS_MAX = 12
SIGNS = ("dot", "cross", "flag", "square", "triangle", "star", "door", "water", "camera", "pad")
INKS = ("plain", "blue", "green", "brown", "violet")
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{8,40}$", examples=["k3J9x-0aQ2"])]
Lon = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Lat = Annotated[float, Field(ge=-85, le=85, allow_inf_nan=False)]
Place = tuple[Lon, Lat]
Bearing = Annotated[float, Field(ge=0, le=360, allow_inf_nan=False)]


class PointIn(BaseModel):
    type: Literal["Point"]
    coordinates: Place


class LineIn(BaseModel):
    type: Literal["LineString"]
    coordinates: list[Place] = Field(min_length=2, max_length=POINTS_MAX)


class AreaIn(BaseModel):
    """One ring, closed."""

    type: Literal["Polygon"]
    coordinates: list[Annotated[list[Place], Field(min_length=4, max_length=POINTS_MAX)]] = Field(
        min_length=1, max_length=1
    )


class PropertiesIn(BaseModel):
    """`own`: only for those who see the drawer's agency. `radii_m`: of range rings, or one of a sector, which lies
    clockwise between its bearings."""

    model_config = ConfigDict(extra="forbid")
    kind: DrawingKind
    words: str = Field("", max_length=200, examples=["集结点 A"])
    sign: Literal["dot", "cross", "flag", "square", "triangle", "star", "door", "water", "camera", "pad"] = (
        "dot"
    )
    ink: Literal["plain", "blue", "green", "brown", "violet"] = "plain"
    radii_m: list[Annotated[float, Field(gt=0, le=RADIUS_M_MAX, allow_inf_nan=False)]] = Field(
        [], max_length=RINGS_MAX
    )
    from_deg: Bearing | None = None
    to_deg: Bearing | None = None
    own: bool = False


class DrawingIn(BaseModel):
    """A GeoJSON feature. `rev`: the revision that was changed, 0 for a new one, null: whichever stands."""

    type: Literal["Feature"] = "Feature"
    geometry: PointIn | LineIn | AreaIn = Field(discriminator="type")
    properties: PropertiesIn
    rev: int | None = Field(None, ge=0, le=2**31)

    @model_validator(mode="after")
    def goes_together(self) -> "DrawingIn":
        """The kind with its geometry."""
        kind, said = self.properties.kind, self.properties
        wanted = {"line": "LineString", "arrow": "LineString", "area": "Polygon"}.get(kind, "Point")
        if self.geometry.type != wanted:
            raise ValueError(f"{kind} with {self.geometry.type}: {wanted} is needed")
        if (
            isinstance(self.geometry, AreaIn)
            and self.geometry.coordinates[0][0] != self.geometry.coordinates[0][-1]
        ):
            raise ValueError("the ring of an area begins and ends at the same place")
        if kind == "rings" and not said.radii_m:
            raise ValueError("rings need radii_m")
        if kind == "sector" and (len(said.radii_m) != 1 or said.from_deg is None or said.to_deg is None):
            raise ValueError("a sector needs one radius, from_deg and to_deg")
        return self


class DrawingOut(BaseModel):
    """GeoJSON. `properties`: as put in, with `agency` ("": seen by all), `by`, `t_utc_ms`, `rev`."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: dict[str, Any] = Field(examples=[{"type": "Point", "coordinates": [117.0, 36.65]}])
    properties: dict[str, Any] = Field(examples=[{"kind": "point", "words": "集结点 A", "rev": 1}])


class DrawingsOut(BaseModel):
    """GeoJSON, those that one sees."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[DrawingOut]


def out(drawing: Drawing) -> DrawingOut:
    names = ("kind", "words", "sign", "ink", "from_deg", "to_deg", "agency", "by", "t_utc_ms", "rev")
    said = {name: getattr(drawing, name) for name in names}
    return DrawingOut(
        id=drawing.id, geometry=drawing.geometry, properties={**said, "radii_m": list(drawing.radii_m)}
    )


def router(state: HubState) -> APIRouter:
    routes = APIRouter(tags=["maps"])
    part: Drawings = state.safety.drawings
    turns = asyncio.Lock()
    """One at a time: what a change is judged by must still stand when it is kept."""

    @routes.get("/drawings", dependencies=[needs(Permission.PICTURE)])
    async def listed(me: Principal = who) -> DrawingsOut:
        """All drawings that one sees, as GeoJSON."""
        return DrawingsOut(features=[out(drawing) for drawing in part.seen_by(me)])

    @routes.put("/drawings/{id}", dependencies=[needs(Permission.ZONES)])
    async def put(id: Id, asked: DrawingIn, me: Principal = who) -> DrawingOut:
        """Make it, or change it. The same again changes nothing; with `rev`, 409 when somebody was faster."""
        said, old = asked.properties, part.drawings.get(id)
        agency = (old.agency or me.agency) if old and said.own else me.agency if said.own else ""
        wanted = Drawing(
            id, said.kind, asked.geometry.model_dump(mode="json"), said.words.strip(), said.sign, said.ink,
            tuple(said.radii_m), said.from_deg, said.to_deg, agency, me.name, state.clock.now_ms(), 0,
        )  # fmt: skip
        async with turns:
            drawing, is_news = part.next_of(wanted, asked.rev, me)
            if is_news:
                await run_in_threadpool(part.keep_one, drawing)
                part.told(id, drawing)
        return out(drawing)

    @routes.delete("/drawings/{id}", dependencies=[needs(Permission.ZONES)])
    async def drop(
        id: Id, rev: Annotated[int | None, Query(ge=0, le=2**31)] = None, me: Principal = who
    ) -> DrawingOut:
        """Delete it; the answer is what it was, for putting it back. What was drawn stays in the records."""
        async with turns:
            drawing = part.get(id, me)
            part.check(drawing, rev)
            await run_in_threadpool(part.drop_one, drawing, me.name)
            part.told(id, None)
        return out(drawing)

    return routes
