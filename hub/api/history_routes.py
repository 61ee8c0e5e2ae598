"""Where units were and how their values went: trails and series, as JSON or as typed columns in msgpack.

Thin: `hub.live.history` does the work, on a reader's thread, a few units or hours at a time, so that a long window
keeps nobody else waiting. docs/feed.md says what is answered.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import msgpack
import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel

from hub.api.bounds import Bbox, bounds
from hub.api.guard import needs, who
from hub.api.models import SeriesColumns, SeriesOut, TrailColumns, TrailOut
from hub.identity.permissions import PHYSIOLOGY_FIELDS, Audience, Permission, Principal
from hub.live.history import Carried, Series, Track, thinned, track_of, width_of
from hub.live.measure import scaled_all
from hub.live.picture import CHANNEL, F64, I64
from hub.live.slices import HOUR_MS, SLICED_MS_MAX
from hub.live.trail_law import TOLERANCES_M, tolerance_m
from hub.state import HubState
from protocols.catalog import FIELDS_BY_NAME

POINTS_MAX = 50_000
CHANNELS_MAX = 16
SERIES_UNITS_MAX = 50
VALUES_MAX = 500_000
"""Units × channels × points of one answer."""
TRAILS_MAX = 200
TRAIL_POINTS_MAX = 100_000
"""Of all trails of one answer; the next page goes on."""
UNIT_POINTS_MAX = 5_000
"""Of one of them; beyond it a coarser tolerance is taken, and told."""
AT_ONCE = 5
"""Units read in one turn of a reader's thread."""
WARM_MS = 4 * HOUR_MS
"""Of a long window, so much is read in one turn."""
LAT_DEG_USUAL = 36.0
T_MAX = 2**52
TYPED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/msgpack": {"schema": {"type": "string", "format": "binary"}}}}
}
"""What these routes answer beside JSON."""

From = Annotated[
    int | None, Query(alias="from", ge=0, le=T_MAX, description="UTC ms; default an hour before `to`")
]
To = Annotated[int | None, Query(alias="to", ge=0, le=T_MAX, description="UTC ms; default now")]
Points = Annotated[int, Query(ge=1, le=POINTS_MAX)]
Zoom = Annotated[
    float,
    Query(
        ge=0,
        le=24,
        allow_inf_nan=False,
        description="of the map, tiles of 512 px; the track is true to one pixel",
    ),
]


class UnitTrail(BaseModel):
    """One unit's. `whole`: how many positions it stands for."""

    id: str
    n: int
    whole: int
    tolerance_m: float
    c: TrailColumns


class TrailsOut(BaseModel):
    """Trails of a window. `next`: give it as `after` for the units that follow."""

    units: list[UnitTrail]
    next: str | None


class UnitsSeriesOut(BaseModel):
    """Series by unit and channel. A bucket that is missing is a gap; each is `width_ms` wide."""

    width_ms: int
    units: dict[str, dict[str, SeriesColumns]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A track as it is answered: how true it is (0: exact), and of how many positions it was made."""

    track: Track
    tolerance_m: float
    whole: int

    def msgpack(self) -> dict[str, Any]:
        columns = {
            "t": self.track.t_ms.astype("<f8").tobytes(),
            "lat": self.track.lat_deg_e7.astype("<i4").tobytes(),
            "lon": self.track.lon_deg_e7.astype("<i4").tobytes(),
            "gap": (self.track.gaps > 0).astype("u1").tobytes(),
        }
        return {"n": len(self.track), "c": columns, "tolerance_m": self.tolerance_m, "whole": self.whole}

    def columns(self) -> TrailColumns:
        told = self.track.listed()
        gap = (self.track.gaps > 0).astype(int).tolist()
        return TrailColumns(t=told.t_utc_ms, lat=told.lat_deg_e7, lon=told.lon_deg_e7, gap=gap)


def wants_json(request: Request, default: bool) -> bool:
    """What Accept asks for, msgpack or JSON; neither: the route's default."""
    accept = request.headers.get("accept", "")
    if "msgpack" in accept:
        return False
    return "application/json" in accept or default


def packed(body: dict[str, Any]) -> Response:
    return Response(msgpack.packb(body), media_type="application/msgpack")


def channel_names(channels: str) -> list[str]:
    """1–16 channels, or `*` for all. 422."""
    names = list(CHANNEL) if channels == "*" else [name for name in channels.split(",") if name]
    unknown = [name for name in names if name not in CHANNEL]
    if unknown or not names or (len(names) > CHANNELS_MAX and channels != "*"):
        said = f"1–{CHANNELS_MAX} of {', '.join(CHANNEL)}, or * for all"
        raise HTTPException(422, f"channels: {', '.join(unknown) or channels!r}; {said}")
    return list(dict.fromkeys(names))


def _listed(name: str, series: Series) -> SeriesColumns:
    field = FIELDS_BY_NAME[name]
    low, high = (scaled_all(field, column) for column in (series.least, series.most))
    return SeriesColumns(t=series.t_ms.tolist(), n=series.n.tolist(), min=low.tolist(), max=high.tolist())


def _typed(name: str, series: Series) -> dict[str, Any]:
    field = FIELDS_BY_NAME[name]

    def as_f8(column: I64 | F64) -> bytes:
        return column.astype("<f8").tobytes()

    return {
        "unit": field.unit, "t": as_f8(series.t_ms), "n": series.n.astype("<u4").tobytes(),
        "min": as_f8(scaled_all(field, series.least)), "max": as_f8(scaled_all(field, series.most)),
    }  # fmt: skip


def router(state: HubState) -> APIRouter:
    """The trail and series routes of docs/feed.md."""
    routes = APIRouter(tags=["history"])
    window = _Window(state)
    _trail_routes(routes, state, window)
    _series_routes(routes, state, window)
    return routes


class _Window:
    """What all these routes ask first: which unit, which time, and a turn of a reader's thread."""

    def __init__(self, state: HubState) -> None:
        self._state = state

    def slot_of(self, unit_id: str, me: Principal) -> int:
        """A unit that is not seen is answered as one that is not there."""
        slot = self._state.units.slot_by_id.get(unit_id)
        if slot is None or not me.audience.sees(self._state.units.rows[slot].agency):
            raise HTTPException(404, f"no unit {unit_id[:40]!r}")
        return slot

    def of(self, from_ms: int | None, to_ms: int | None) -> tuple[int, int]:
        last = self._state.clock.now_ms() if to_ms is None else to_ms
        first = last - HOUR_MS if from_ms is None else from_ms
        if first > last:
            raise HTTPException(422, f"from {first} is later than to {last}")
        return first, last

    async def read(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._state.readers, work)

    async def warm(self, carried: Carried, kinds: set[int], first: int, last: int) -> None:
        """Hours that will be needed, some at a time: between them others have their turn."""
        if not WARM_MS < last - first <= SLICED_MS_MAX:
            return
        columns = self._state.history.slices.columns
        for begin, end in pairwise([*range(first, last, WARM_MS), last]):
            for device, since_ms, until_ms in carried:
                if since_ms <= end and begin < until_ms:
                    for kind in kinds:
                        await self.read(partial(columns, device, kind, begin, end))


def _trail_routes(routes: APIRouter, state: HubState, window: _Window) -> None:
    def latitude(slot: int) -> float:
        known = not np.isnan(state.picture.pos_time[slot])
        return int(state.picture.pos[0, slot]) / 1e7 if known else LAT_DEG_USUAL

    def simplified(slot: int, zoom: float, first: int, last: int, points: int) -> Shown:
        """True to one pixel; coarser where that would be more points than were asked for."""
        carried = state.units.carried(slot)
        whole = len(state.history.track(carried, first, last))
        finest = tolerance_m(zoom, latitude(slot))
        for tolerance in [t for t in TOLERANCES_M if t >= finest]:
            track = state.history.simplified(carried, first, last, tolerance)
            if len(track) <= points:
                return Shown(track, tolerance, whole)
        return Shown(track.at(np.linspace(0, len(track) - 1, points).astype(np.intp)), tolerance, whole)

    def some(slots: list[int], zoom: float, first: int, last: int) -> list[Shown]:
        return [simplified(slot, zoom, first, last, UNIT_POINTS_MAX) for slot in slots]

    @routes.get(
        "/units/{unit_id}/trail",
        response_model=TrailOut,
        responses=TYPED,
        dependencies=[needs(Permission.PICTURE)],
    )
    async def trail(
        request: Request,
        unit_id: str,
        from_ms: From = None,
        to_ms: To = None,
        points: Points = 2_000,
        zoom: Zoom | None = None,
        me: Principal = who,
    ) -> Any:
        """Positions, oldest first: with `zoom` no position is more than a pixel off at its own time (1 m at the least),
        without it evenly taken; every one when `points` is large."""
        slot = window.slot_of(unit_id, me)
        first, last = window.of(from_ms, to_ms)
        thing = state.ingest.reported.thing(slot)
        reporters = [slot] if thing is None else sorted(thing.reporters)
        carried = [span for one in reporters for span in state.units.carried(one)]
        await window.warm([] if thing else carried, {0}, first, last)

        def read() -> Shown:
            if thing is not None:
                told = state.history.reported_trail(carried, thing.key[:2], first, last, points)
                columns = (told.t_utc_ms, told.lat_deg_e7, told.lon_deg_e7)
                return Shown(track_of(*(np.array(c, np.int64) for c in columns)), 0.0, len(told.t_utc_ms))
            if zoom is not None:
                return simplified(slot, zoom, first, last, points)
            whole = state.history.track(carried, first, last)
            return Shown(thinned(whole, points), 0.0, len(whole))

        found: Shown = await window.read(read)
        if wants_json(request, default=False):
            return TrailOut(
                n=len(found.track), c=found.columns(), tolerance_m=found.tolerance_m, whole=found.whole
            )
        return packed(found.msgpack())

    @routes.get(
        "/trails", response_model=TrailsOut, responses=TYPED, dependencies=[needs(Permission.PICTURE)]
    )
    async def trails(
        request: Request,
        zoom: Zoom,
        from_ms: From = None,
        to_ms: To = None,
        bbox: Bbox = None,
        after: Annotated[str | None, Query(max_length=64, description="`next` of the answer before")] = None,
        limit: Annotated[int, Query(ge=1, le=TRAILS_MAX, description="units looked at")] = TRAILS_MAX,
        me: Principal = who,
    ) -> Any:
        """Simplified trails of all units that one sees, of every agency, in the order of their ids; with `bbox` of
        those that were in it. At most two days."""
        first, last = window.of(from_ms, to_ms)
        if last - first > SLICED_MS_MAX:
            raise HTTPException(
                422, f"from {first} to {last}: at most {SLICED_MS_MAX // HOUR_MS} h are allowed"
            )
        box = bounds(bbox)
        seen = sorted(
            (row.id, slot) for slot, row in enumerate(state.units.rows)
            if me.audience.sees(row.agency) and not state.units.is_reported(slot) and row.id > (after or "")
        )  # fmt: skip
        made: list[tuple[str, Shown]] = []
        at, room = 0, TRAIL_POINTS_MAX
        while at < min(len(seen), limit) and room > 0:
            chosen = seen[at : min(at + AT_ONCE, limit)]
            found: list[Shown] = await window.read(
                partial(some, [slot for _, slot in chosen], zoom, first, last)
            )
            made += [(id, one) for (id, _), one in zip(chosen, found, strict=True) if _is_in(one.track, box)]
            at += len(chosen)
            room -= sum(len(one.track) for one in found)
        following = seen[at - 1][0] if at < len(seen) else None
        if wants_json(request, default=False):
            units = [
                UnitTrail(
                    id=id, n=len(one.track), whole=one.whole, tolerance_m=one.tolerance_m, c=one.columns()
                )
                for id, one in made
            ]
            return TrailsOut(units=units, next=following)
        return packed({"units": [{"id": id, **one.msgpack()} for id, one in made], "next": following})


def _is_in(track: Track, box: tuple[float, float, float, float] | None) -> bool:
    """Whether there is a position, and one within the box."""
    if box is None or len(track) == 0:
        return len(track) > 0
    west, south, east, north = (edge * 1e7 for edge in box)
    lats, lons = track.lat_deg_e7, track.lon_deg_e7
    return bool(np.any((lons >= west) & (lons <= east) & (lats >= south) & (lats <= north)))


def _series_routes(routes: APIRouter, state: HubState, window: _Window) -> None:
    def check_body(names: list[str], slots: list[int], audience: Audience) -> None:
        bodily = PHYSIOLOGY_FIELDS.intersection(names)
        if bodily and not all(audience.sees_body(state.units.rows[slot].team) for slot in slots):
            raise HTTPException(
                403, f"channels: {', '.join(sorted(bodily))} of this unit is not for you to see"
            )

    async def found_of(slot: int, names: list[str], first: int, last: int, points: int) -> dict[str, Series]:
        carried = state.units.carried(slot)
        await window.warm(carried, {FIELDS_BY_NAME[name].page for name in names}, first, last)
        found: dict[str, Series] = await window.read(
            lambda: state.history.series(carried, names, first, last, points)
        )
        return found

    def chosen_names(channels: str, slots: list[int], me: Principal) -> list[str]:
        """`*` leaves out what one may not see; what is asked for by name is refused."""
        names = channel_names(channels)
        if channels == "*" and not all(me.audience.sees_body(state.units.rows[slot].team) for slot in slots):
            names = [name for name in names if name not in PHYSIOLOGY_FIELDS]
        check_body(names, slots, me.audience)
        return names

    @routes.get(
        "/units/{unit_id}/series",
        response_model=SeriesOut,
        responses=TYPED,
        dependencies=[needs(Permission.PICTURE)],
    )
    async def series(
        request: Request,
        unit_id: str,
        channels: Annotated[str, Query(max_length=500)],
        from_ms: From = None,
        to_ms: To = None,
        points: Points = 300,
        me: Principal = who,
    ) -> Any:
        """Least and greatest value in each of at most `points` equal stretches of time, and how many there were: no
        extreme is lost, and a stretch that is missing is a gap. msgpack with typed columns when Accept asks for it."""
        slot = window.slot_of(unit_id, me)
        names = chosen_names(channels, [slot], me)
        first, last = window.of(from_ms, to_ms)
        found = await found_of(slot, names, first, last, points)
        width_ms = width_of(first, last, points)
        if wants_json(request, default=True):
            listed = {name: _listed(name, one) for name, one in found.items()}
            return SeriesOut(channels=listed, width_ms=width_ms)
        columns = {name: _typed(name, one) for name, one in found.items()}
        return packed({"from": first, "to": last, "width_ms": width_ms, "channels": columns})

    @routes.get(
        "/series", response_model=UnitsSeriesOut, responses=TYPED, dependencies=[needs(Permission.PICTURE)]
    )
    async def several(
        request: Request,
        units: Annotated[str, Query(max_length=4_000, description="ids, with commas between them")],
        channels: Annotated[str, Query(max_length=500)],
        from_ms: From = None,
        to_ms: To = None,
        points: Points = 300,
        me: Principal = who,
    ) -> Any:
        """The same of several units, to lay them over one another."""
        ids = list(dict.fromkeys(id for id in units.split(",") if id))
        if not 1 <= len(ids) <= SERIES_UNITS_MAX:
            raise HTTPException(422, f"units: {len(ids)}, 1–{SERIES_UNITS_MAX} allowed")
        slots = [window.slot_of(id, me) for id in ids]
        names = chosen_names(channels, slots, me)
        if len(ids) * len(names) * points > VALUES_MAX:
            raise HTTPException(
                422, f"{len(ids)} units × {len(names)} channels × {points} points: at most {VALUES_MAX}"
            )
        first, last = window.of(from_ms, to_ms)
        found = {id: await found_of(s, names, first, last, points) for id, s in zip(ids, slots, strict=True)}
        width_ms = width_of(first, last, points)
        if wants_json(request, default=True):
            return UnitsSeriesOut(
                width_ms=width_ms, units={id: dict(_each(one, _listed)) for id, one in found.items()}
            )
        body = {id: dict(_each(one, _typed)) for id, one in found.items()}
        return packed({"from": first, "to": last, "width_ms": width_ms, "units": body})


def _each(found: dict[str, Series], made: Callable[[str, Series], Any]) -> Iterator[tuple[str, Any]]:
    for name, one in found.items():
        yield name, made(name, one)
