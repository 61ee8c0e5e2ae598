"""Base maps over HTTP: which there are, and their tiles. docs/maps.md.

Tiles are below /maps, beside the API: a map asks for hundreds, and browsers keep them.
"""

import hashlib
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import FileResponse

from hub.api.guard import needs
from hub.identity.permissions import Permission
from hub.maps.proxy import Proxy
from hub.maps.shelf import Maps, Shelved, pmtiles_path
from hub.maps.tile import Tile
from hub.state import HubState

KEEP_S = 86_400
"""Browsers ask again after a day; of an old tile at once."""
Id = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["tianditu-img"])]
Number = Annotated[int, Path(ge=0, lt=2**24)]


class MapOut(BaseModel):
    """A base map. `failing`: why it gives nothing new, "" when it is well; `t_ok_ms`: when its server last answered."""

    id: str = Field(examples=["tianditu-img"])
    name: str = Field(examples=["天地图影像"])
    name_en: str = Field(examples=["Tianditu imagery"])
    form: Literal["web", "pmtiles", "mbtiles", "folder"]
    kind: Literal["raster", "vector", "dem"]
    crs: Literal["wgs84", "gcj02", "bd09"]
    encoding: Literal["terrarium", "mapbox"]
    attribution: str
    approval: str = Field(description="审图号", examples=["GS(2024)0650号"])
    source: str
    date: str = Field(examples=["2026-10"])
    tile_px: int
    min_zoom: int
    max_zoom: int
    bounds: tuple[float, float, float, float] = Field(
        description="west, south, east, north, degrees of `crs`"
    )
    reachable: bool
    failing: str = Field(examples=["no answer in time"])
    failing_since_ms: int | None
    t_ok_ms: int | None


class MapsOut(BaseModel):
    """In the order of the settings; `--basemap` first."""

    maps: list[MapOut]


def out(one: Shelved) -> MapOut:
    made, facts = one.made, one.facts
    proxy = one.source if isinstance(one.source, Proxy) else None
    told = {
        "id": made.id, "name": made.name, "name_en": made.name_en, "form": made.form, "kind": facts.kind,
        "crs": made.crs, "encoding": made.encoding, "attribution": facts.attribution, "approval": made.approval,
        "source": made.source, "date": made.date, "tile_px": made.tile_px, "min_zoom": facts.min_zoom,
        "max_zoom": facts.max_zoom, "bounds": facts.bounds, "reachable": not one.failing, "failing": one.failing,
        "failing_since_ms": proxy.failing_since_ms if proxy else None, "t_ok_ms": proxy.t_ok_ms if proxy else None,
    }  # fmt: skip
    return MapOut.model_validate(told)


def answer(tile: Tile | None, request: Request) -> Response:
    """The tile; 204 where there is none, 304 when the browser has it."""
    if tile is None:
        return Response(status_code=204, headers={"cache-control": f"private, max-age={KEEP_S}"})
    etag = f'"{hashlib.sha256(tile.body).hexdigest()[:16]}"'
    headers = {"etag": etag, "cache-control": f"private, max-age={KEEP_S if tile.t_old_ms is None else 0}"}
    if tile.t_old_ms is not None:
        headers["x-zhantu-old-since"] = str(tile.t_old_ms)
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    if tile.is_gzip:
        headers["content-encoding"] = "gzip"
    return Response(tile.body, media_type=tile.media, headers=headers)


def router(state: HubState) -> APIRouter:
    """`GET /api/v1/maps`."""
    routes = APIRouter(tags=["maps"])

    @routes.get("/maps", dependencies=[needs(Permission.PICTURE)])
    async def maps() -> MapsOut:
        """The base maps of this hub: what they are, whence, of when, in which coordinates, and how they do."""
        shelf: Maps = state.safety.maps
        return MapsOut(maps=[out(one) for one in shelf.shelved.values()])

    return routes


def tiles(state: HubState) -> APIRouter:
    """What is below /maps, for maps and not for programs: it is not in the API's document."""
    routes = APIRouter(include_in_schema=False)
    shelf: Maps = state.safety.maps

    @routes.get("/maps/{id}.pmtiles", dependencies=[needs(Permission.PICTURE)])
    async def archive(id: Id) -> FileResponse:
        """The whole archive, or ranges of it (206)."""
        path = pmtiles_path(shelf.get(id))
        return FileResponse(
            path, media_type="application/vnd.pmtiles", headers={"cache-control": "private, no-cache"}
        )

    @routes.get("/maps/{id}/{z}/{x}/{y}", dependencies=[needs(Permission.PICTURE)])
    async def tile(id: Id, z: Number, x: Number, y: Number, request: Request) -> Response:
        """One tile; rows are counted from the north, whatever the file does."""
        return answer(await shelf.tile(id, z, x, y), request)

    return routes
