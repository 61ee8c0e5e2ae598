"""Zones over HTTP: draw, change, end, import; who is in one, who will be, who came and went. docs/zones.md."""

import hashlib
import json
import secrets
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from hub.api.guard import needs, who
from hub.api.paging import LIMIT, After, Limit, page
from hub.identity.permissions import Permission, Principal
from hub.safety.zone import GROWN_M_MAX, GROWS_MPS_MAX, LEAD_S_MAX, RADIUS_M_MAX, Zone
from hub.safety.zone_kinds import KINDS
from hub.safety.zone_reading import ZoneRefused, read_areas
from hub.state import HubState

T_MAX = 2**52
IMPORT_MAX = 500
RECORDED_BYTES_MAX = 20_000
"""A geometry that is larger stands in its operator record by its digest."""
AHEAD_S_MAX = 3_600
SQUARE = [[[117.0, 36.65], [117.002, 36.65], [117.002, 36.652], [117.0, 36.652], [117.0, 36.65]]]
Id = Annotated[str, Path(min_length=1, max_length=60, examples=["z5f1c0a9b"])]
Time = Annotated[int, Field(ge=0, le=T_MAX, examples=[1_795_003_600_000])]
Kind = Annotated[str, Field(max_length=20, json_schema_extra={"enum": list(KINDS)}, examples=["danger"])]
Geometry = Annotated[
    dict[str, Any] | None,
    Field(
        description="Point, LineString, Polygon, MultiPolygon: [longitude, latitude]; null: around the unit it follows",
        examples=[{"type": "Polygon", "coordinates": SQUARE}],
    ),
]


def metres(most: float, example: float) -> Any:
    return Field(None, gt=0, le=most, allow_inf_nan=False, examples=[example])


class ZoneIn(BaseModel):
    """What a zone is. A Point is a circle with `radius_m`, or a cone with `opening_deg` and `radius_m` (how far it
    reaches); a LineString is a corridor of `width_m`."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field("", max_length=60, examples=["罐区"])
    kind: Kind
    shape: Literal["circle", "corridor", "cone", "polygon"] | None = Field(None, examples=["polygon"])
    radius_m: float | None = metres(RADIUS_M_MAX, 300.0)
    width_m: float | None = metres(RADIUS_M_MAX, 30.0)
    bearing_deg: float | None = Field(
        None,
        ge=0,
        lt=360,
        allow_inf_nan=False,
        description="of a cone's middle; none: downwind",
        examples=[135.0],
    )
    opening_deg: float | None = metres(360, 60.0)
    from_utc_ms: Time | None = None
    until_utc_ms: Time | None = None
    grows_mps: float = Field(0.0, ge=0, le=GROWS_MPS_MAX, allow_inf_nan=False, examples=[0.5])
    grows_from_utc_ms: Time | None = None
    grows_max_m: float | None = metres(GROWN_M_MAX, 500.0)
    follows: str = Field("", max_length=80, description="id of a unit that carries it", examples=["u7"])
    on_enter: bool | None = Field(None, description="who enters calls; none: as its kind says")
    on_leave: bool | None = None
    lead_s: int | None = Field(
        None, ge=0, le=LEAD_S_MAX, description="who will enter within so many seconds calls"
    )
    agency: str = Field(
        "", max_length=60, description="only who sees this agency sees the zone; '': everybody"
    )
    note: str = Field("", max_length=500, examples=["风向变化时复核"])


class ZoneFeatureIn(BaseModel):
    """GeoJSON."""

    type: Literal["Feature"] = "Feature"
    geometry: Geometry = None
    properties: ZoneIn


class ZonesIn(BaseModel):
    """GeoJSON. All or none."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[ZoneFeatureIn] = Field(min_length=1, max_length=IMPORT_MAX)


class ZonePatchIn(BaseModel):
    """What is to be another than it is; the rest stays."""

    geometry: Geometry = None
    properties: dict[str, Any] = Field(
        {}, description="some of ZoneIn", examples=[{"until_utc_ms": 1_795_003_600_000}]
    )


class ZoneOut(BaseModel):
    """GeoJSON of where it is now; `properties.geometry`: as it was drawn. `inside`, `unsure`: slots of units.

    `says_zh`, `says_en`: what of its place a person should know (its unit is silent, no wind is measured).
    """

    type: Literal["Feature"] = "Feature"
    id: str = Field(examples=["z5f1c0a9b"])
    geometry: dict[str, Any] | None
    properties: dict[str, Any] = Field(
        examples=[{"name": "罐区", "kind": "danger", "state": "standing", "inside": [3], "unsure": []}]
    )


class ZonesOut(BaseModel):
    """The newest first. `next`: for the page after this one."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[ZoneOut]
    next: str | None = Field(None, examples=[None])


class ZoneUnitOut(BaseModel):
    """A unit in a zone. `state`: inside, unsure. `edge_m`: metres from its edge, negative inside; None: no position."""

    unit: str = Field(examples=["u7"])
    slot: int
    callsign: str = Field(examples=["济南-01"])
    state: str = Field(examples=["inside"])
    since_utc_ms: int | None = Field(description="when it came in; None: it is more likely out than in")
    edge_m: float | None = Field(examples=[-35.2])
    doubt_m: float | None = Field(examples=[4.0])


class ZoneComingOut(BaseModel):
    """A unit that will be in after so many seconds when everything goes on as now."""

    unit: str = Field(examples=["u7"])
    callsign: str = Field(examples=["济南-01"])
    seconds: float = Field(examples=[90.0])
    edge_m: float = Field(examples=[108.0])


class ZoneUnitsOut(BaseModel):
    """Who is in, who may be, who will be: the soonest first, at most 100."""

    units: list[ZoneUnitOut]
    coming: list[ZoneComingOut]


class ZoneLogLineOut(BaseModel):
    """`what`: found (there when the zone began), entered, left."""

    t_utc_ms: int
    unit: str
    callsign: str
    what: str = Field(examples=["entered"])
    edge_m: float | None
    doubt_m: float | None


class ZoneLogOut(BaseModel):
    """The newest first, at most 500."""

    log: list[ZoneLogLineOut]


def _shape(asked: ZoneIn, geometry: dict[str, Any] | None) -> str:
    """Named, or told by the geometry. ZoneRefused: they contradict each other, or something is missing."""
    sort = None if geometry is None else str(geometry.get("type"))[:40]
    round_ = "cone" if asked.opening_deg is not None else "circle"
    told = {"LineString": "corridor", "Polygon": "polygon", "MultiPolygon": "polygon"}.get(sort or "", round_)
    shape = asked.shape or told
    if shape != told and not {shape, told} <= {"circle", "cone"}:
        raise ZoneRefused(f"shape {shape!r} of a {sort}: a {sort} is a {told}")
    for name, of in (
        ("radius_m", ("circle", "cone")),
        ("width_m", ("corridor",)),
        ("opening_deg", ("cone",)),
    ):
        if (getattr(asked, name) is None) == (shape in of):
            words = "needed" if shape in of else f"not allowed: it is for {' and '.join(of)}"
            raise ZoneRefused(f"{name} of a {shape}: {words}")
    return shape


def _zone(id: str, asked: ZoneIn, geometry: dict[str, Any] | None, me: str, now_ms: int) -> Zone:
    """What was asked, as a zone. ZoneRefused: what of it cannot be."""
    if asked.kind not in KINDS:
        raise ZoneRefused(f"kind {asked.kind!r}: one of {', '.join(KINDS)} is allowed")
    shape, about = _shape(asked, geometry), KINDS[asked.kind]
    if geometry is None and not asked.follows:
        raise ZoneRefused("geometry: null is allowed for a circle or cone around a unit (follows) only")
    from_ms, until_ms = asked.from_utc_ms, asked.until_utc_ms
    if until_ms is not None and until_ms <= max(now_ms, from_ms or 0):
        raise ZoneRefused(
            f"until_utc_ms {until_ms}: later than now ({now_ms}) and than from_utc_ms is needed"
        )
    return Zone(
        id, asked.name.strip(), asked.kind, shape, read_areas(geometry), asked.radius_m or 0.0, asked.width_m or 0.0,
        asked.bearing_deg, asked.opening_deg or 0.0, from_ms, until_ms, asked.grows_mps,
        asked.grows_from_utc_ms or from_ms or now_ms, asked.grows_max_m or GROWN_M_MAX, asked.follows,
        on_enter=about.on_enter if asked.on_enter is None else asked.on_enter,
        on_leave=about.on_leave if asked.on_leave is None else asked.on_leave,
        lead_s=about.lead_s if asked.lead_s is None else asked.lead_s,
        agency=asked.agency, note=asked.note.strip(), source=f"person:{me}", by=me, t_utc_ms=now_ms,
    )  # fmt: skip


def asked_of(zone: Zone) -> dict[str, Any]:
    """The properties with which it would be drawn the same."""
    said: dict[str, Any] = {name: getattr(zone, name) for name in ZoneIn.model_fields}
    if zone.grows_mps <= 0:
        said["grows_from_utc_ms"] = None
    unset = {
        "circle": ("width_m", "opening_deg"),
        "cone": ("width_m",),
        "corridor": ("radius_m", "opening_deg"),
    }
    for name in unset.get(zone.shape, ("radius_m", "width_m", "opening_deg")):
        said[name] = None
    return said


def _recorded(geometry: dict[str, Any] | None) -> object:
    text = json.dumps(geometry)
    if len(text) <= RECORDED_BYTES_MAX:
        return geometry
    return {"bytes": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def router(state: HubState) -> APIRouter:
    """The routes of docs/zones.md."""
    routes = APIRouter(tags=["zones"])
    part = state.safety.zones
    writes = needs(Permission.ZONES, in_person=True)

    def feature(zone: Zone, me: Principal) -> ZoneOut:
        said = part.message(zone, me.audience)
        said["geometry"] = None if zone.is_warning else zone.geometry()
        more = {
            "state": zone.state(state.clock.now_ms()), "t_utc_ms": zone.t_utc_ms, "radius_m": zone.radius_m,
            "width_m": zone.width_m, "bearing_deg": zone.bearing_deg, "opening_deg": zone.opening_deg,
            "grows_from_utc_ms": zone.grows_from_utc_ms, "grows_max_m": zone.grows_max_m, "note": zone.note,
            "ended_by": zone.ended_by, "ended_utc_ms": zone.ended_utc_ms,
        }  # fmt: skip
        now = said.pop("now")
        del said["k"], said["id"]
        return ZoneOut(id=zone.id, geometry=now, properties={**said, **more})

    def found(id: str, me: Principal) -> Zone:
        zone = part.get(id)
        if zone is None or not part.sees(me.audience, zone):
            raise HTTPException(404, f"no zone {id[:40]!r}")
        return zone

    def mine(id: str, me: Principal) -> Zone:
        zone = found(id, me)
        if zone.is_warning:
            raise HTTPException(409, f"zone {id[:40]!r}: a warning's area ends with the warning")
        if zone.state(state.clock.now_ms()) == "over":
            raise HTTPException(409, f"zone {id[:40]!r}: it is over")
        return zone

    def settled(zone: Zone, me: Principal) -> Zone:
        """With its unit and agency known to be seen."""
        if not me.audience.sees(zone.agency):
            raise ZoneRefused(f"agency {zone.agency!r}: not one that you see")
        if not zone.follows:
            return zone
        slot = state.units.slot_by_id.get(zone.follows)
        if slot is None or not me.audience.sees(state.units.rows[slot].agency):
            raise HTTPException(404, f"no unit {zone.follows[:40]!r}")
        if zone.shape in ("circle", "cone"):
            return replace(zone, areas=())
        anchor = part.anchor_of(zone.follows)
        if anchor is None:
            raise ZoneRefused(
                f"follows {zone.follows!r}: it has no position yet, so a {zone.shape} has no place", 409
            )
        return replace(zone, anchor=anchor)

    async def record(me: Principal, what: str, *zones: Zone) -> None:
        now_ms = state.clock.now_ms()
        for zone in zones:
            content = {"zone": zone.id, **asked_of(zone), "geometry": _recorded(zone.geometry())}
            await run_in_threadpool(state.registry.record, now_ms, me.name, what, content)

    async def changed(zone: Zone, asked: ZoneIn, geometry: dict[str, Any] | None, me: Principal) -> ZoneOut:
        now_ms = state.clock.now_ms()
        made = await run_in_threadpool(_zone, zone.id, asked, geometry, me.name, now_ms)
        if asked.grows_from_utc_ms is None and zone.grows_mps > 0:
            made = replace(made, grows_from_utc_ms=zone.grows_from_utc_ms)
        made = settled(replace(made, t_utc_ms=zone.t_utc_ms), me)
        await record(me, "zone changed", made)
        await run_in_threadpool(part.write, made)
        mine(zone.id, me)  # it may have ended meanwhile
        part.put(made)
        part.settle()
        return feature(made, me)

    @routes.get("/zones", dependencies=[needs(Permission.PICTURE)])
    async def zones(
        only: Annotated[Literal["now", "all"], Query(description="now: that stand or are to come")] = "now",
        kind: Annotated[str | None, Query(max_length=20)] = None,
        after: After = None,
        limit: Limit = LIMIT,
        me: Principal = who,
    ) -> ZonesOut:
        """Zones where they are now, the newest first."""
        listed = part.all() if only == "now" else [*part.all(), *part.over()]
        wanted = [z for z in listed if part.sees(me.audience, z) and kind in (None, z.kind)]
        shown, following = page(wanted, lambda z: (z.t_utc_ms, z.id), after, limit)
        return ZonesOut(features=[feature(zone, me) for zone in shown], next=following)

    @routes.post("/zones", dependencies=[writes])
    async def draw(asked: ZoneFeatureIn, me: Principal = who) -> ZoneOut:
        """Draw a zone. Who is inside is known within a second."""
        made = await drawn([asked], me)
        return feature(made[0], me)

    @routes.post("/zones/import", dependencies=[writes])
    async def bring(asked: ZonesIn, me: Principal = who) -> ZonesOut:
        """Draw all zones of a FeatureCollection, or none of them."""
        made = await drawn(asked.features, me)
        return ZonesOut(features=[feature(zone, me) for zone in made], next=None)

    async def drawn(features: list[ZoneFeatureIn], me: Principal) -> list[Zone]:
        now_ms = state.clock.now_ms()
        made = []
        for i, one in enumerate(features):
            id = f"z{secrets.token_hex(4)}"
            try:
                zone = await run_in_threadpool(_zone, id, one.properties, one.geometry, me.name, now_ms)
            except ZoneRefused as err:
                raise err if len(features) == 1 else ZoneRefused(f"feature {i}: {err}", err.status) from err
            made.append(settled(zone, me))
        part.make_room(len(made))
        await record(me, "zone drawn", *made)
        await run_in_threadpool(part.write, *made)
        for zone in made:
            part.put(zone)
        part.settle()
        return made

    @routes.get("/zones/{id}", dependencies=[needs(Permission.PICTURE)])
    async def zone(id: Id, me: Principal = who) -> ZoneOut:
        """One zone, also when it is over."""
        return feature(found(id, me), me)

    @routes.put("/zones/{id}", dependencies=[writes])
    async def replaced(id: Id, asked: ZoneFeatureIn, me: Principal = who) -> ZoneOut:
        """Another zone in its place. Who was inside and is not now has left it."""
        return await changed(mine(id, me), asked.properties, asked.geometry, me)

    @routes.patch("/zones/{id}", dependencies=[writes])
    async def patched(id: Id, asked: ZonePatchIn, me: Principal = who) -> ZoneOut:
        """Change some of it; how far it has grown is reckoned from when it began to grow."""
        zone = mine(id, me)
        try:
            full = ZoneIn.model_validate({**asked_of(zone), **asked.properties})
        except ValueError as err:
            raise ZoneRefused(f"properties: {str(err)[:500]}") from None
        return await changed(zone, full, asked.geometry or zone.geometry(), me)

    @routes.delete("/zones/{id}", dependencies=[writes])
    async def ended(id: Id, me: Principal = who) -> ZoneOut:
        """It is over, and what it called for with it."""
        zone = mine(id, me)
        await record(me, "zone ended", zone)
        mine(id, me)
        over = part.end(id, me.name, state.clock.now_ms())
        await run_in_threadpool(part.write, over)
        return feature(over, me)

    @routes.get("/zones/{id}/units", dependencies=[needs(Permission.PICTURE)])
    async def units(
        id: Id,
        ahead_s: Annotated[
            int, Query(ge=0, le=AHEAD_S_MAX, description="who comes within so many seconds")
        ] = 600,
        me: Principal = who,
    ) -> ZoneUnitsOut:
        """Who is in it, who may be, and who will be."""
        zone = found(id, me)
        rows, members = state.units.rows, part.members(id)
        listed = []
        for word, slots in (("inside", part.inside(id)), ("unsure", part.unsure(id))):
            seen = part.seen(slots, me.audience)
            edges, doubts = part.edges(id, np.array(seen, np.int64))
            listed += [(word, *one) for one in zip(seen, edges, doubts, strict=True)]
        shown = [
            ZoneUnitOut(
                unit=rows[slot].id, slot=slot, callsign=rows[slot].callsign, state=word,
                since_utc_ms=came.t_ms if (came := members.inside.get(rows[slot].id)) else None,
                edge_m=_metres(edge), doubt_m=_metres(doubt),
            )
            for word, slot, edge, doubt in listed
        ]  # fmt: skip
        by_id = state.units.slot_by_id
        coming = [
            ZoneComingOut(
                unit=c.unit, callsign=rows[by_id[c.unit]].callsign, seconds=c.seconds, edge_m=c.edge_m
            )
            for c in part.coming(zone.id, float(ahead_s))
            if me.audience.sees(rows[by_id[c.unit]].agency)
        ]
        return ZoneUnitsOut(units=shown, coming=coming)

    @routes.get("/zones/{id}/log", dependencies=[needs(Permission.PICTURE)])
    async def log(id: Id, me: Principal = who) -> ZoneLogOut:
        """Who came in and went out, of the units that one sees."""
        found(id, me)
        rows, by_id = state.units.rows, state.units.slot_by_id
        lines = [
            ZoneLogLineOut(
                t_utc_ms=line.t_utc_ms, unit=line.unit, callsign=rows[by_id[line.unit]].callsign, what=line.what,
                edge_m=_metres(line.edge_m), doubt_m=_metres(line.doubt_m),
            )
            for line in reversed(part.members(id).log)
            if line.unit in by_id and me.audience.sees(rows[by_id[line.unit]].agency)
        ]  # fmt: skip
        return ZoneLogOut(log=lines)

    return routes


def _metres(value: float) -> float | None:
    return round(float(value), 1) if np.isfinite(value) else None
