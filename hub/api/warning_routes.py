"""Warnings over HTTP: take in, list, issue one's own, end; drafts of combined warnings. docs/warnings.md."""

from dataclasses import asdict
from itertools import count
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from hub.api.guard import needs, who
from hub.api.paging import LIMIT, After, Limit, page
from hub.identity.permissions import Permission, Principal
from hub.safety.bulletin import Area, BulletinError
from hub.safety.cap import read, write
from hub.safety.warnings_book import Warned
from hub.safety.warnings_drafts import issued
from hub.state import HubState

T_MAX = 2**52
Id = Annotated[str, Path(min_length=1, max_length=40, examples=["5f1c0a9be233"])]
Lon = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Lat = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Time = Annotated[int, Field(ge=0, le=T_MAX, examples=[1_795_003_600_000])]


class Feature(BaseModel):
    """GeoJSON. `properties`: the feed's `warning` (docs/warnings.md)."""

    type: Literal["Feature"] = "Feature"
    id: str = Field(examples=["5f1c0a9be233"])
    geometry: dict[str, Any] | None = Field(examples=[{"type": "MultiPolygon", "coordinates": []}])
    properties: dict[str, Any] = Field(
        examples=[{"state": "standing", "colour": "red", "zh": "暴雨红色预警"}]
    )


class WarningsOut(BaseModel):
    """GeoJSON, the latest sent first. `next`: for the page after this one."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Feature]
    next: str | None = Field(None, examples=[None])


class WarningOut(BaseModel):
    """One with all that is known of it. `text`: as it came from `source`."""

    warning: Feature
    text: str = Field(examples=["<?xml version=…"])
    new: bool = Field(examples=[True])


class CircleIn(BaseModel):
    lon_deg: Lon
    lat_deg: Lat
    radius_m: float = Field(ge=1, le=2_000_000, allow_inf_nan=False, examples=[3_000.0])


class IssueIn(BaseModel):
    """A warning of this hub. One of polygon, circle, codes is needed. `draft`: the draft that it is made of."""

    model_config = ConfigDict(extra="forbid")
    colour: Literal["red", "orange", "yellow", "blue"] = Field(examples=["orange"])
    event: str = Field(min_length=1, max_length=100, examples=["山洪"])
    zh: str = Field(min_length=1, max_length=200, examples=["山洪橙色预警"])
    en: str = Field("", max_length=200, examples=["Flash flood, orange"])
    description: str = Field("", max_length=2_000, examples=["上游两站一小时雨量超 50 毫米"])
    instruction: str = Field("", max_length=1_000, examples=["撤离沟口"])
    from_utc_ms: Time | None = None
    until_utc_ms: Time
    polygon: list[tuple[Lon, Lat]] | None = Field(None, min_length=3, max_length=500)
    circle: CircleIn | None = None
    codes: list[Annotated[str, Field(pattern=r"^[0-9]{6,12}$")]] = Field(
        [], max_length=16, examples=[["370100"]]
    )
    draft: str = Field("", max_length=40)


class EndIn(BaseModel):
    why: str = Field(min_length=1, max_length=200, examples=["雨停"])


class ExceededOut(BaseModel):
    """One station that went into a draft."""

    station: str
    kind: str
    quantity: str
    value: float
    threshold: float
    unit: str
    colour: str
    source: str
    t_utc_ms: int
    lat_deg: float
    lon_deg: float


class DraftOut(BaseModel):
    """Of a combined warning. `rule`: why these belong together. Nothing issues itself."""

    id: str = Field(examples=["d3a1"])
    t_utc_ms: int
    zh: str
    en: str
    colour: str
    lat_deg: float
    lon_deg: float
    radius_m: float
    rule: str
    state: str = Field(examples=["open"])
    by: str
    t_by_ms: int | None
    warning: str
    inputs: list[ExceededOut]


class DraftsOut(BaseModel):
    """The newest first; at most 200."""

    drafts: list[DraftOut]


class FeedOut(BaseModel):
    """How a feed does. `failing_since_ms` None: it answers."""

    name: str
    url: str
    t_ok_ms: int | None
    failing_since_ms: int | None
    why: str


class FeedsOut(BaseModel):
    feeds: list[FeedOut]


def _areas(asked: IssueIn) -> list[Area]:
    rings = ()
    if asked.polygon is not None:
        points = [(float(x), float(y)) for x, y in asked.polygon]
        if len(set(points)) < 3:
            raise BulletinError("polygon: three different points are needed")
        rings = (tuple(points if points[0] == points[-1] else [*points, points[0]]),)  # type: ignore[assignment]
    circle = asked.circle
    circles = () if circle is None else ((circle.lon_deg, circle.lat_deg, float(circle.radius_m)),)
    return [Area(asked.event, rings, circles, tuple(asked.codes))]


def router(state: HubState) -> APIRouter:
    routes = APIRouter(tags=["warnings"])
    part = state.safety.warnings
    numbers = count(1)

    def feature(warned: Warned) -> Feature:
        found, _ = part.shapes(warned)
        rings = [shape.geometry()["coordinates"] for shape in found]
        geometry = {"type": "MultiPolygon", "coordinates": rings} if rings else None
        message = part.message(warned, state.clock.now_ms())
        return Feature(id=warned.id, geometry=geometry, properties=message)

    def found(id: str) -> Warned:
        warned = part.book.get(id)
        if warned is None:
            raise HTTPException(404, f"no warning {id[:40]!r}")
        return warned

    @routes.get("/warnings", dependencies=[needs(Permission.PICTURE)])
    async def warnings(
        only: Annotated[Literal["now", "all"], Query(description="now: standing or coming")] = "now",
        after: After = None,
        limit: Limit = LIMIT,
    ) -> WarningsOut:
        """Warnings with their areas, the latest sent first."""
        now_ms = state.clock.now_ms()
        wanted = [w for w in part.book if only == "all" or w.state(now_ms) in ("standing", "coming")]
        shown, following = page(wanted, lambda w: (w.bulletin.sent_utc_ms, w.id), after, limit)
        return WarningsOut(features=[feature(w) for w in shown], next=following)

    body = {"schema": {"type": "string", "maxLength": 1_048_576}}
    documents = {
        "requestBody": {"required": True, "content": {"application/xml": body, "application/json": body}}
    }

    @routes.post("/warnings", dependencies=[needs(Permission.WARNINGS)], openapi_extra=documents)
    async def take(request: Request, me: Principal = who) -> WarningOut:
        """Take in a file of CAP 1.2 (XML) or GB/T 35965.1 (XML, JSON). One that is known already changes nothing."""
        data = await request.body()
        bulletin = await run_in_threadpool(read, data)
        about: dict[str, object] = {
            "sender": bulletin.sender,
            "identifier": bulletin.identifier,
            "kind": bulletin.kind,
        }
        await state.record(me.name, "warning taken in", about)
        text = data.decode(errors="replace")
        warned, new = part.take(bulletin, f"upload:{me.name}", text, state.clock.now_ms())
        return WarningOut(warning=feature(warned), text=warned.text, new=new)

    @routes.post("/warnings/issue", dependencies=[needs(Permission.WARNINGS, in_person=True)])
    async def issue(asked: IssueIn, me: Principal = who) -> WarningOut:
        """Issue a warning of this hub, of a draft or of nothing. It can be had as CAP 1.2 and passed on."""
        draft = part.drafts.get(asked.draft) if asked.draft else None
        if asked.draft and (draft is None or draft.state != "open"):
            raise HTTPException(409, f"draft {asked.draft!r}: not open")
        now_ms = state.clock.now_ms()
        said = asked.model_dump(include={"colour", "event", "zh", "en", "description", "instruction"})
        bulletin = issued(
            state.settings.realm, next(numbers), who=me.name, now_ms=now_ms, areas=_areas(asked),
            from_utc_ms=asked.from_utc_ms, until_utc_ms=asked.until_utc_ms, **said,
        )  # fmt: skip
        text = write(bulletin)
        try:
            bulletin = read(text)  # as everybody else will read it
        except BulletinError as err:
            raise HTTPException(422, f"its words do not fit CAP: {err}") from None
        await state.record(
            me.name, "warning issued", {"identifier": bulletin.identifier, "draft": asked.draft, **said}
        )
        warned, _ = part.take(bulletin, f"person:{me.name}", text.decode(), now_ms)
        if draft is not None:
            part.drafts.decide(draft, "issued", me.name, now_ms, warned.id)
        return WarningOut(warning=feature(warned), text=warned.text, new=True)

    @routes.get("/warnings/drafts", dependencies=[needs(Permission.WARNINGS)])
    async def drafts() -> DraftsOut:
        """Combined warnings that stations suggest, each with all it rests on."""
        return DraftsOut(drafts=[DraftOut(**asdict(draft)) for draft in part.drafts.all()])

    @routes.post("/warnings/drafts/{id}/dismiss", dependencies=[needs(Permission.WARNINGS, in_person=True)])
    async def dismiss(id: Id, asked: EndIn, me: Principal = who) -> DraftOut:
        """It is not to be issued, and why."""
        draft = part.drafts.get(id)
        if draft is None:
            raise HTTPException(404, f"no draft {id[:40]!r}")
        if draft.state != "open":
            raise HTTPException(409, f"draft {id[:40]!r}: {draft.state} by {draft.by}")
        await state.record(me.name, "warning draft dismissed", {"draft": id, "why": asked.why})
        made = part.drafts.decide(draft, "dismissed", me.name, state.clock.now_ms())
        return DraftOut(**asdict(made))

    @routes.get("/warnings/feeds", dependencies=[needs(Permission.PICTURE)])
    async def feeds() -> FeedsOut:
        """The pages that are asked for warnings, and since when one fails."""
        return FeedsOut(
            feeds=[
                FeedOut(
                    name=s.name, url=s.url, t_ok_ms=s.t_ok_ms, failing_since_ms=s.failing_since_ms, why=s.why
                )
                for s in part.sources
            ]
        )

    @routes.get("/warnings/{id}.cap", dependencies=[needs(Permission.PICTURE)], response_class=Response)
    async def as_cap(id: Id) -> Response:
        """As CAP 1.2 XML, whatever its form was."""
        return Response(write(found(id).bulletin), media_type="application/cap+xml")

    @routes.get("/warnings/{id}", dependencies=[needs(Permission.PICTURE)])
    async def warning(id: Id) -> WarningOut:
        """One warning, and its text as it came."""
        warned = found(id)
        return WarningOut(warning=feature(warned), text=warned.text, new=False)

    @routes.post("/warnings/{id}/end", dependencies=[needs(Permission.WARNINGS, in_person=True)])
    async def end(id: Id, asked: EndIn, me: Principal = who) -> WarningOut:
        """A person says that it is over here. Its sender is not told."""
        warned = found(id)
        if warned.state(state.clock.now_ms()) not in ("standing", "coming"):
            raise HTTPException(409, f"warning {id[:40]!r}: it is over already")
        await state.record(me.name, "warning ended", {"warning": id, "why": asked.why})
        part.end(warned, me.name, state.clock.now_ms())
        return WarningOut(warning=feature(warned), text=warned.text, new=False)

    return routes
