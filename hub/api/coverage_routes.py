"""Search plans and what was searched, signal cells, and the wind at a place. docs/coverage.md."""

from collections.abc import Iterable
from dataclasses import asdict
from secrets import token_hex
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from hub.api.bounds import Bbox, bounds
from hub.api.guard import needs, who
from hub.identity.permissions import Audience, Permission, Principal
from hub.safety.search import SEGMENTS_MAX, UNITS_MAX, Plan, Tally
from hub.safety.search_plan import segments
from hub.safety.signal_cells import Cell, as_features
from hub.safety.weather import FRESH_MS, NEAR_M, Weather, Wind
from hub.state import HubState
from protocols.catalog import Bearer

T_MAX = 2**52
CELLS_MAX = 5_000
WINDS_MAX = 50
Id = Annotated[str, Path(min_length=1, max_length=40, examples=["5f1c0a9be233"])]
Time = Annotated[int, Field(ge=0, le=T_MAX, examples=[1_795_003_600_000])]
UnitId = Annotated[str, Field(min_length=1, max_length=64)]
Lat = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, examples=[36.65])]
Lon = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, examples=[117.0])]
BEARERS = tuple(bearer.name.lower() for bearer in Bearer if bearer)
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[117.0, 36.6], [117.01, 36.6], [117.01, 36.61], [117.0, 36.61], [117.0, 36.6]]],
}


class FeatureOut(BaseModel):
    """GeoJSON."""

    type: Literal["Feature"] = "Feature"
    id: str = Field(examples=["5f1c0a9be233/s1"])
    geometry: dict[str, Any] = Field(examples=[SQUARE])
    properties: dict[str, Any] = Field(examples=[{"poa": 0.4, "pod": 0.632, "posterior": 0.21}])


class PlanOut(BaseModel):
    """A plan and what was searched of it. `read_to_utc_ms`: up to when all trails are read."""

    id: str = Field(examples=["5f1c0a9be233"])
    name: str = Field(examples=["沟谷搜索"])
    units: list[str] = Field(examples=[["u1"]])
    from_utc_ms: int
    until_utc_ms: int | None
    by: str
    t_utc_ms: int
    rest_poa: float = Field(examples=[0.1])
    rest_posterior: float = Field(examples=[0.2])
    pos: float = Field(examples=[0.31])
    legs: int
    gaps: int
    newest_utc_ms: int | None
    read_to_utc_ms: int | None


class SearchOut(BaseModel):
    """GeoJSON: every segment of the plans asked for, with all it was reckoned with; and the plans."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[FeatureOut]
    plans: list[PlanOut]


class SegmentIn(BaseModel):
    """A feature of GeoJSON: a Polygon with `poa`, `range_m` and, if wished, `name` and `visibility`."""

    type: Literal["Feature"] = "Feature"
    id: str | int | None = None
    geometry: dict[str, Any] = Field(examples=[SQUARE])
    properties: dict[str, Any] = Field(
        examples=[{"name": "沟", "poa": 0.4, "range_m": 20, "visibility": "high"}]
    )


class PlanIn(BaseModel):
    """A FeatureCollection of GeoJSON with a few words of ours beside it; what else stands in it is left out."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["FeatureCollection"] = "FeatureCollection"
    name: str = Field(min_length=1, max_length=80, examples=["沟谷搜索"])
    units: list[UnitId] = Field([], max_length=UNITS_MAX, examples=[["u1"]])
    from_utc_ms: Time
    until_utc_ms: Time | None = None
    features: list[SegmentIn] = Field(min_length=1, max_length=SEGMENTS_MAX)


class EffortIn(BaseModel):
    """Hours of searching to share out. `speed_mps`: how fast one searches there."""

    hours: float = Field(gt=0, le=100_000, allow_inf_nan=False, examples=[60])
    speed_mps: float = Field(0.5, gt=0.01, le=100, allow_inf_nan=False)


class EffortRow(BaseModel):
    """`rate_per_h`: a = W·v/A. Of no use anywhere else: `hours` 0."""

    id: str
    name: str
    posterior: float
    rate_per_h: float
    hours: float


class EffortOut(BaseModel):
    """Where these hours find most: a proposal, that nothing carries out. `pos`: what they would find."""

    plan: str
    hours: float
    speed_mps: float
    segments: list[EffortRow]
    pos: float


class SignalOut(BaseModel):
    """GeoJSON: cells where units reported how a bearer did, the latest used first. Where there is no cell, nobody was.

    `left_out`: more cells than were asked for. `inputs`: what a cell rests on.
    """

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[FeatureOut]
    left_out: int
    inputs: dict[str, Any] = Field(examples=[{"samples": 120, "cells": 7}])


class WindOut(BaseModel):
    """At one station. `values`: what else it measures there, by field name."""

    unit: str
    callsign: str
    lat_deg: float
    lon_deg: float
    speed_mps: float
    from_deg: float
    t_utc_ms: int
    age_ms: int
    distance_m: float
    values: dict[str, float]


class WeatherOut(BaseModel):
    """`nearest` null: nobody measures within 50 km, or what is measured is older than ten minutes.

    `from_deg`: the mean of `inputs`, null when they cancel each other out; `spread_deg` is Yamartino's.
    """

    nearest: WindOut | None
    from_deg: float | None
    spread_deg: float | None
    speed_mps: float | None
    inputs: list[WindOut]
    fresh_ms: int = FRESH_MS
    near_m: float = NEAR_M


def _features(tally: Tally) -> Iterable[FeatureOut]:
    share = tally.share()
    for segment, row in zip(tally.plan.segments, share["segments"], strict=True):
        about = {"plan": tally.plan.id, "plan_name": tally.plan.name, "newest_utc_ms": share["newest_utc_ms"],
                 "legs": share["legs"], "gaps": share["gaps"], "read_to_utc_ms": share["read_to_utc_ms"]}  # fmt: skip
        ring = [list(point) for point in segment.ring]
        yield FeatureOut(
            id=f"{tally.plan.id}/{segment.id}",
            geometry={"type": "Polygon", "coordinates": [ring]},
            properties={**row, **about},
        )


def router(state: HubState) -> APIRouter:
    routes = APIRouter(tags=["coverage"])
    _search_routes(routes, state)
    _ground_routes(routes, state)
    return routes


def _search_routes(routes: APIRouter, state: HubState) -> None:
    part = state.safety.search

    def plan_out(tally: Tally, me: Principal) -> PlanOut:
        share, plan = tally.share(), tally.plan
        seen = [unit for unit in plan.units if sees(unit, me.audience)]
        about = {key: share[key] for key in PlanOut.model_fields if key in share}
        kept = {key: getattr(plan, key) for key in ("from_utc_ms", "until_utc_ms", "by", "t_utc_ms")}
        return PlanOut(**{**about, **kept, "id": plan.id, "name": plan.name, "units": seen})

    def sees(unit: str, audience: Audience) -> bool:
        slot = state.units.slot_by_id.get(unit)
        return slot is not None and audience.sees(state.units.rows[slot].agency)

    def found(id: str) -> Tally:
        tally = part.tallies.get(id)
        if tally is None:
            raise HTTPException(404, f"no search plan {id[:40]!r}")
        return tally

    def answer(tallies: Iterable[Tally], me: Principal) -> SearchOut:
        shown = list(tallies)
        features = [feature for tally in shown for feature in _features(tally)]
        return SearchOut(features=features, plans=[plan_out(tally, me) for tally in shown])

    async def record(me: Principal, what: str, plan: Plan) -> None:
        content = {k: v for k, v in asdict(plan).items() if k != "segments"}
        content["segments"] = [{"id": s.id, "name": s.name, "poa": s.poa} for s in plan.segments]
        await run_in_threadpool(state.registry.record, state.clock.now_ms(), me.name, what, content)

    def made(id: str, asked: PlanIn, me: Principal, before: Plan | None) -> Plan:
        kept = set(before.units) if before is not None else set()
        for unit in asked.units:
            if unit not in kept and not sees(unit, me.audience):
                raise HTTPException(404, f"units: no unit {unit[:40]!r}")
        if asked.until_utc_ms is not None and asked.until_utc_ms <= asked.from_utc_ms:
            raise HTTPException(422, f"until_utc_ms = {asked.until_utc_ms}: later than from_utc_ms is needed")
        hidden = [unit for unit in kept if not sees(unit, me.audience)]
        return Plan(
            id, asked.name, segments([one.model_dump() for one in asked.features]),
            tuple(dict.fromkeys([*asked.units, *sorted(hidden)])), asked.from_utc_ms, asked.until_utc_ms, me.name,
            state.clock.now_ms(),
        )  # fmt: skip

    @routes.get("/search", dependencies=[needs(Permission.PICTURE)])
    async def search(
        plan: Annotated[str | None, Query(max_length=40, description="only this one")] = None,
        me: Principal = who,
    ) -> SearchOut:
        """Every segment: its prior, what was searched (POD = 1 − e^(−WL/A), with W, L, A), its posterior."""
        return answer(part.tallies.values() if plan is None else [found(plan)], me)

    @routes.post("/search/plans", dependencies=[needs(Permission.SEARCH)])
    async def add(asked: PlanIn, me: Principal = who) -> SearchOut:
        """Import a plan from GeoJSON. The trails of its units count from `from_utc_ms` on."""
        plan = made(token_hex(6), asked, me, None)
        await record(me, "search plan made", plan)
        part.put(plan)
        return answer([found(plan.id)], me)

    @routes.put("/search/plans/{id}", dependencies=[needs(Permission.SEARCH)])
    async def change(id: Id, asked: PlanIn, me: Principal = who) -> SearchOut:
        """Another prior, other segments or units: all trails are read anew. `until_utc_ms` ends it."""
        plan = made(id, asked, me, found(id).plan)
        await record(me, "search plan changed", plan)
        part.put(plan)
        return answer([found(id)], me)

    @routes.delete("/search/plans/{id}", dependencies=[needs(Permission.SEARCH)], status_code=204)
    async def remove(id: Id, me: Principal = who) -> None:
        """Away with it. What it was stays in the operator records."""
        await record(me, "search plan removed", found(id).plan)
        if id in part.tallies:
            part.drop(id)

    @routes.post("/search/plans/{id}/allocate", dependencies=[needs(Permission.SEARCH)])
    async def allocate(id: Id, asked: EffortIn) -> EffortOut:
        """Where the next hours find most, after all that was searched: t = [ln(p·a) − ln λ]/a. Nothing is ordered."""
        return EffortOut(**found(id).effort(asked.hours, asked.speed_mps))


def _ground_routes(routes: APIRouter, state: HubState) -> None:
    part = state.safety.signal
    weather = Weather(state.picture, state.units)

    def seen(cell: Cell, audience: Audience) -> bool:
        """A cell where only units of other agencies were would tell where these are."""
        slots = (state.units.slot_by_id.get(unit) for unit in cell.units)
        return any(slot is not None and audience.sees(state.units.rows[slot].agency) for slot in slots)

    @routes.get("/signal", dependencies=[needs(Permission.PICTURE)])
    async def signal(
        bearer: Annotated[Literal[BEARERS] | None, Query(description="only this one")] = None,  # type: ignore[valid-type]
        since: Annotated[int, Query(ge=0, le=T_MAX, description="used since then, UTC ms")] = 0,
        bbox: Bbox = None,
        limit: Annotated[int, Query(ge=1, le=CELLS_MAX)] = CELLS_MAX,
        me: Principal = who,
    ) -> SignalOut:
        """Cells of about 100 m where a bearer was up or down. `hole`: units were there, and it was down more often."""
        box = bounds(bbox)
        number = None if bearer is None else int(Bearer[bearer.upper()])
        cells = [c for c in part.cells.all(number, since) if c.is_within(box) and seen(c, me.audience)]
        cells.sort(key=lambda cell: -cell.t_last_ms)
        made = as_features(cells[:limit])
        names = [f"{made[i]['properties']['bearer']}/{c.column}/{c.row}" for i, c in enumerate(cells[:limit])]
        features = [FeatureOut(id=name, **one) for name, one in zip(names, made, strict=True)]
        inputs = {"samples": sum(c.up + c.down for c in cells), "cells": len(cells),
                  "samples_without_place": part.unplaced, "cells_forgotten": part.cells.forgotten}  # fmt: skip
        return SignalOut(features=features, left_out=max(0, len(cells) - limit), inputs=inputs)

    def wind_out(wind: Wind) -> WindOut:
        row = state.units.rows[state.units.slot_by_id[wind.unit]]
        return WindOut(**asdict(wind), callsign=row.callsign)

    @routes.get("/weather", dependencies=[needs(Permission.PICTURE)])
    async def at(lat: Lat, lon: Lon, me: Principal = who) -> WeatherOut:
        """Wind of the nearest fresh weather station of ours, and the mean of all within 50 km with its spread."""
        rows, slot_of = state.units.rows, state.units.slot_by_id
        near = weather.near(lat, lon, state.clock.now_ms())
        winds = [wind for wind in near if me.audience.sees(rows[slot_of[wind.unit]].agency)]
        mean = weather.mean(winds[:WINDS_MAX])
        inputs = [wind_out(wind) for wind in winds[:WINDS_MAX]]
        return WeatherOut(
            nearest=inputs[0] if inputs else None, inputs=inputs,
            from_deg=mean.from_deg if mean else None, spread_deg=mean.spread_deg if mean else None,
            speed_mps=mean.speed_mps if mean else None,
        )  # fmt: skip
