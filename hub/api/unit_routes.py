"""Units with their last values. Thin: `hub.live` does the work."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Query

from hub.api.guard import needs, who
from hub.api.models import UnitOut, UnitsOut, ValueOut
from hub.api.paging import LIMIT_MAX, After, page
from hub.api.unit_devices import devices, track
from hub.identity.permissions import PHYSIOLOGY_FIELDS, Audience, Permission, Principal
from hub.live.measure import scaled
from hub.state import HubState


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


UnitsLimit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="at most so many units")]


def router(state: HubState) -> APIRouter:
    """The unit routes of docs/feed.md."""
    routes = APIRouter(tags=["units"])

    def slot_of(unit_id: str, me: Principal) -> int:
        """A unit that is not seen is answered as one that is not there."""
        slot = state.units.slot_by_id.get(unit_id)
        if slot is None or not me.audience.sees(state.units.rows[slot].agency):
            raise HTTPException(404, f"no unit {unit_id[:40]!r}")
        return slot

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

    return routes
