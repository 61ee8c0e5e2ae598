"""Units with their last values, trails and series. Thin: `hub.live` does the work."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import msgpack
import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response

from hub.api.guard import needs, who
from hub.api.models import SeriesColumns, SeriesOut, TrailColumns, TrailOut, UnitOut, UnitsOut, ValueOut
from hub.api.paging import LIMIT_MAX, After, page
from hub.api.unit_devices import devices, track
from hub.identity.permissions import PHYSIOLOGY_FIELDS, Audience, Permission, Principal
from hub.live.history import Trail
from hub.live.measure import scaled
from hub.live.picture import CHANNEL
from hub.state import HubState
from protocols.catalog import FIELDS_BY_NAME

HOUR_MS = 3_600_000
POINTS_MAX = 50_000
CHANNELS_MAX = 16
T_MAX = 2**52


def _or_none(number: float) -> int | None:
    return None if number != number else int(number)


def unit_out(state: HubState, slot: int, audience: Audience) -> UnitOut:
    """One unit as the API shows it to this audience."""
    picture = state.picture
    hidden = frozenset() if audience.sees_body(state.units.rows[slot].team) else PHYSIOLOGY_FIELDS
    meta: dict[str, Any] = state.units.meta([slot])[0]
    t_fix = _or_none(float(picture.pos_time[slot]))
    values = [
        ValueOut(name=f.name, zh=f.zh, en=f.en, unit=f.unit, value=scaled(f, value), t_utc_ms=t_utc_ms)
        for f, value, t_utc_ms in picture.last_values(slot)
        if f.name not in hidden
    ]
    values += [
        ValueOut(name=f.name, zh=f.zh, en=f.en, unit=f.unit, value=scaled(f, value), t_utc_ms=t_utc_ms)
        for f, value, t_utc_ms in state.ingest.reported.more(slot)
    ]
    fix_device = meta.pop("fix_device", None)
    return UnitOut(
        **meta,
        t_fix_utc_ms=t_fix,
        t_rx_utc_ms=_or_none(float(picture.t_rx[slot])),
        lat_deg=None if t_fix is None else int(picture.pos[0, slot]) / 1e7,
        lon_deg=None if t_fix is None else int(picture.pos[1, slot]) / 1e7,
        flags=int(picture.flags(np.array([slot]))[0]),
        values=values,
        fix_device=fix_device,
        via=_via(state, state.units.device_of(slot)),
    )


def _via(state: HubState, device: int) -> str:
    """The callsign of who passed a device's last news on, or its number; "" when it came by itself."""
    relay = state.ingest.paths.via(device)
    return (state.units.callsign_of(relay) or str(relay)) if relay else ""


def _trail_msgpack(trail: Trail) -> bytes:
    columns = {
        "t": np.array(trail.t_utc_ms, "<f8").tobytes(),
        "lat": np.array(trail.lat_deg_e7, "<i4").tobytes(),
        "lon": np.array(trail.lon_deg_e7, "<i4").tobytes(),
    }
    data: bytes = msgpack.packb({"n": len(trail.t_utc_ms), "c": columns})
    return data


def _channel_names(channels: str) -> list[str]:
    names = [name for name in channels.split(",") if name]
    unknown = [name for name in names if name not in CHANNEL]
    if unknown or not 1 <= len(names) <= CHANNELS_MAX:
        raise HTTPException(
            422, f"channels: {', '.join(unknown) or channels!r}; 1–{CHANNELS_MAX} of {', '.join(CHANNEL)}"
        )
    return names


def _series(found: dict[str, dict[str, list[int]]]) -> Iterator[tuple[str, SeriesColumns]]:
    for name, columns in found.items():
        field = FIELDS_BY_NAME[name]
        low, high = ([scaled(field, value) for value in columns[word]] for word in ("min", "max"))
        yield name, SeriesColumns(t=columns["t"], min=low, max=high)


UnitsLimit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="at most so many units")]
From = Annotated[
    int | None, Query(alias="from", ge=0, le=T_MAX, description="UTC ms; default an hour before `to`")
]
To = Annotated[int | None, Query(alias="to", ge=0, le=T_MAX, description="UTC ms; default now")]


def router(state: HubState) -> APIRouter:
    """The unit routes of docs/feed.md."""
    routes = APIRouter(tags=["units"])

    def slot_of(unit_id: str, me: Principal) -> int:
        """A unit that is not seen is answered as one that is not there."""
        slot = state.units.slot_by_id.get(unit_id)
        if slot is None or not me.audience.sees(state.units.rows[slot].agency):
            raise HTTPException(404, f"no unit {unit_id[:40]!r}")
        return slot

    def window(from_ms: int | None, to_ms: int | None) -> tuple[int, int]:
        last = state.clock.now_ms() if to_ms is None else to_ms
        first = last - HOUR_MS if from_ms is None else from_ms
        if first > last:
            raise HTTPException(422, f"from {first} is later than to {last}")
        return first, last

    @routes.get("/units", dependencies=[needs(Permission.PICTURE)])
    async def units(after: After = None, limit: UnitsLimit = LIMIT_MAX, me: Principal = who) -> UnitsOut:
        """The units one sees with their last values, each with its own time, a page at a time."""
        audience, rows = me.audience, state.units.rows
        slots = [slot for slot, row in enumerate(rows) if audience.sees(row.agency)]
        shown, following = page(slots, lambda slot: (-slot, rows[slot].id), after, limit)
        return UnitsOut(units=[unit_out(state, slot, audience) for slot in shown], next=following)

    @routes.get("/units/{unit_id}", dependencies=[needs(Permission.PICTURE)])
    async def unit(unit_id: str, me: Principal = who) -> UnitOut:
        """One unit, with its devices, its track, where it went in, and what a vehicle is doing."""
        slot = slot_of(unit_id, me)
        said = unit_out(state, slot, me.audience)
        said.devices, said.track = devices(state, slot), track(state, slot)
        said.vehicle, said.inside = state.safety.vehicles.of(slot), state.safety.inside.of(slot)
        return said

    @routes.get("/units/{unit_id}/trail", response_model=TrailOut, dependencies=[needs(Permission.PICTURE)])
    async def trail(
        request: Request,
        unit_id: str,
        from_ms: From = None,
        to_ms: To = None,
        points: Annotated[int, Query(ge=1, le=POINTS_MAX)] = 2_000,
        me: Principal = who,
    ) -> Any:
        """Positions, oldest first: msgpack, or JSON when Accept asks for it."""
        slot = slot_of(unit_id, me)
        first, last = window(from_ms, to_ms)
        thing = state.ingest.reported.thing(slot)
        reporters = [slot] if thing is None else sorted(thing.reporters)
        carried = [span for one in reporters for span in state.units.carried(one)]

        def read() -> Trail:
            if thing is None:
                return state.history.trail(carried, first, last, points)
            return state.history.reported_trail(carried, thing.key[:2], first, last, points)

        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(state.readers, read)
        if "application/json" in request.headers.get("accept", ""):
            columns = TrailColumns(t=found.t_utc_ms, lat=found.lat_deg_e7, lon=found.lon_deg_e7)
            return TrailOut(n=len(found.t_utc_ms), c=columns)
        return Response(_trail_msgpack(found), media_type="application/msgpack")

    @routes.get("/units/{unit_id}/series", dependencies=[needs(Permission.PICTURE)])
    async def series(
        unit_id: str,
        channels: Annotated[str, Query(max_length=500)],
        from_ms: From = None,
        to_ms: To = None,
        points: Annotated[int, Query(ge=1, le=POINTS_MAX)] = 300,
        me: Principal = who,
    ) -> SeriesOut:
        """Least and greatest value in each of at most `points` equal stretches of time."""
        slot, names = slot_of(unit_id, me), _channel_names(channels)
        bodily = PHYSIOLOGY_FIELDS.intersection(names)
        if bodily and not me.audience.sees_body(state.units.rows[slot].team):
            raise HTTPException(
                403, f"channels: {', '.join(sorted(bodily))} of this unit is not for you to see"
            )
        arguments = (state.units.carried(slot), names, *window(from_ms, to_ms), points)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(state.readers, lambda: state.history.series(*arguments))
        return SeriesOut(channels=dict(_series(found)))

    return routes
