"""Stations over HTTP: values with thresholds and ages, and how each source does. docs/stations.md."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from hub.api.guard import needs
from hub.api.paging import LIMIT, After, Limit, page
from hub.identity.permissions import Permission
from hub.safety.stations_book import Station
from hub.state import HubState


class StationFeature(BaseModel):
    """GeoJSON. `geometry` null: nobody told where it is. `properties`: the feed's `station`."""

    type: Literal["Feature"] = "Feature"
    id: str = Field(examples=["hydro:41800100"])
    geometry: dict[str, Any] | None = Field(examples=[{"type": "Point", "coordinates": [117.06, 36.71]}])
    properties: dict[str, Any] = Field(examples=[{"name": "黄台桥", "kind": "hydrology", "values": []}])


class StationsOut(BaseModel):
    """GeoJSON, the newest values first. `next`: for the page after this one."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[StationFeature]
    next: str | None = Field(None, examples=[None])


class BadOut(BaseModel):
    """A value or row that was refused. `row`: of CSV the line; `column` "": the whole row."""

    t_utc_ms: int
    row: int = Field(examples=[3])
    column: str = Field(examples=["Z"])
    words: str = Field(examples=["'abc' is no number"])


class SupplyOut(BaseModel):
    """One source. `failing_since_ms` null: it answers. `refused`: values absurd, no number, or of the future."""

    name: str = Field(examples=["hydro"])
    kind: str = Field(examples=["hydrology"])
    way: str = Field(examples=["csv"])
    where: str = Field(examples=["stations/hydro"])
    t_ok_ms: int | None
    failing_since_ms: int | None
    why: str
    rows: int
    readings: int
    refused: int
    absent: int
    dropped: int
    bad: list[BadOut]


class SuppliesOut(BaseModel):
    """`trouble`: why the mapping file is not used, "" when it is."""

    sources: list[SupplyOut]
    trouble: str


def feature(station: Station) -> StationFeature:
    place = None
    if station.lat_deg is not None:
        place = {"type": "Point", "coordinates": [station.lon_deg, station.lat_deg]}
    return StationFeature(id=station.id, geometry=place, properties=station.message())


def router(state: HubState) -> APIRouter:
    routes = APIRouter(tags=["stations"])
    part = state.safety.stations

    @routes.get("/stations", dependencies=[needs(Permission.PICTURE)])
    async def stations(
        over: Annotated[bool, Query(description="only those over a threshold")] = False,
        after: After = None,
        limit: Limit = LIMIT,
    ) -> StationsOut:
        """Stations with their newest values, each with its threshold, its source and of when it is."""
        chosen = list(part.book)
        if over:
            ids = {station.id for station, _ in part.book.over(state.clock.now_ms())}
            chosen = [station for station in chosen if station.id in ids]
        shown, following = page(chosen, lambda s: (s.t_utc_ms, s.id), after, limit)
        return StationsOut(features=[feature(station) for station in shown], next=following)

    @routes.get("/stations/sources", dependencies=[needs(Permission.PICTURE)])
    async def sources() -> SuppliesOut:
        """How each source does, and the last values of it that were refused, with row and column."""
        made = [
            SupplyOut(
                name=s.source.name, kind=s.source.kind, way=s.source.way, where=s.source.shown_where, t_ok_ms=s.t_ok_ms,
                failing_since_ms=s.failing_since_ms, why=s.why, rows=s.rows, readings=s.readings, refused=s.refused,
                absent=s.absent, dropped=s.dropped,
                bad=[BadOut(t_utc_ms=t, row=b.row, column=b.column, words=b.words) for t, b in s.bad],
            )
            for s in part.supplies
        ]  # fmt: skip
        return SuppliesOut(sources=made, trouble=part.trouble)

    return routes
