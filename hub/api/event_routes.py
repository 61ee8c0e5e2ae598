"""Events over HTTP: what is open, what was, and that somebody has seen one. Thin: `hub.live` does the work."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from hub.api.guard import needs, who
from hub.identity.permissions import Permission, Principal, Role
from hub.live.events import BODY_CODE_HIDDEN, Event
from hub.state import HubState

T_MAX = 2**52
PAGE, PAGE_MAX = 100, 500


class ClocksOut(BaseModel):
    """By the boot's clock, by UTC and where that came from (none, gnss, system, hub), and when it came to the hub."""

    t_mono_ms: int
    t_utc_ms: int
    source: str
    t_hub_ms: int


class SeenOut(BaseModel):
    """Who acknowledged it, when, and whether the device has told its wearer."""

    by: str
    t: int
    heard: bool


class EventOut(BaseModel):
    """An event of docs/feed.md with its clocks. `state`: raised, acknowledged, cleared or happened."""

    id: str
    slot: int
    unit_id: str
    callsign: str
    code: int
    phase: int
    state: str
    value: float | int | None
    threshold: float | int | None
    field: str | None
    unit: str
    duty: int | None
    lat: float | None
    lon: float | None
    t: int
    t_event: int
    t_raised: int | None
    late: bool
    raised: ClocksOut | None
    cleared: ClocksOut | None
    seen: SeenOut | None


class EventsOut(BaseModel):
    """The newest first. `next`: give it as `after` for the following page, null at the end."""

    events: list[EventOut]
    next: str | None


def event_out(state: HubState, event: Event, me: Principal) -> EventOut:
    """An event as this person may know it."""
    row = state.units.rows[event.slot]
    said: dict[str, Any] = event.message(body=me.audience.sees_body(row.team))
    del said["k"]
    clocks: dict[str, Any] = {
        "raised": event.first and event.first.as_dict(),
        "cleared": event.ended and event.ended.as_dict(),
    }
    return EventOut(**said, **clocks, unit_id=row.id, callsign=row.callsign)


def _place(event: Event) -> tuple[int, str]:
    """Where an event stands among all, the same on every page."""
    at = event.first or event.ended
    return (0 if at is None else at.t_utc_ms, event.id)


def router(state: HubState) -> APIRouter:
    """The event routes of docs/api.md."""
    routes = APIRouter(tags=["events"])
    book = state.ingest.events

    def visible(event: Event, me: Principal) -> bool:
        return me.audience.sees(state.units.rows[event.slot].agency)

    @routes.get("/events", dependencies=[needs(Permission.PICTURE)])
    async def events(
        unit: Annotated[
            str | None, Query(max_length=120, description="id of a unit; closed ones too")
        ] = None,
        since: Annotated[int | None, Query(ge=0, le=T_MAX, description="UTC ms; closed ones too")] = None,
        after: Annotated[str | None, Query(max_length=80, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
        me: Principal = who,
    ) -> EventsOut:
        """Open events; with `unit` or `since` also those that are over or just happened. The newest first."""
        slot = None if unit is None else state.units.slot_by_id.get(unit)
        if unit is not None and (slot is None or not me.audience.sees(state.units.rows[slot].agency)):
            raise HTTPException(404, f"no unit {unit[:40]!r}")
        below = _cursor(after)
        some = book.open() if unit is None and since is None else book.all()
        found = [
            event
            for event in some
            if (slot is None or event.slot == slot)
            and visible(event, me)
            and (since is None or _place(event)[0] >= since)
            and (below is None or _place(event) < below)
        ]
        found.sort(key=_place, reverse=True)
        page = found[:limit]
        more = len(found) > limit
        return EventsOut(
            events=[event_out(state, event, me) for event in page],
            next="{}:{}".format(*_place(page[-1])) if more else None,
        )

    @routes.post("/events/{id}/seen", dependencies=[needs(Permission.ACKNOWLEDGE, in_person=True)])
    async def seen(id: str, me: Principal = who) -> EventOut:
        """I have seen it: recorded, told to every screen and, by sound and vibration, to the wearer. It stays open.
        Of several people the first one counts; what is over or only happened needs nobody."""
        event = book.by_id(id)
        if event is None or not visible(event, me):
            raise HTTPException(404, f"no event {id[:40]!r}")
        row = state.units.rows[event.slot]
        if me.role == Role.TEAM_LEADER and row.team != me.team:
            raise HTTPException(403, f"{row.callsign} is not of your team")
        if event.is_open and event.seen is None:
            loop = asyncio.get_running_loop()
            code = BODY_CODE_HIDDEN if event.is_bodily else event.code
            arguments = (event.id, me.name, row.callsign, code)
            made = await loop.run_in_executor(state.readers, lambda: state.seen.keep(*arguments))
            state.seen.note(event.id, made)
            state.feed.tell([event])
        return event_out(state, event, me)

    return routes


def _cursor(after: str | None) -> tuple[int, str] | None:
    if after is None:
        return None
    t, _, id = after.partition(":")
    if not t.lstrip("-").isdecimal() or not id:
        raise HTTPException(422, "after: `next` of the page before is needed")
    return int(t), id
