"""By which ways gateways are reached: what they say of their bearers, and by which ways the hub heard them.

Enters: requests. Leaves: one entry a device that the asker may see. Thin: `hub.live.links` and `hub.live.paths` know.
"""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel

from hub.api.guard import needs, who
from hub.identity.permissions import Permission, Principal
from hub.live.links import Told
from hub.live.paths import Heard, Way
from hub.state import HubState
from protocols.catalog import Bearer, BearerState
from protocols.topics import DEVICE_MAX


class LinkOut(BaseModel):
    """One bearer as its gateway told it at `t_utc_ms`. null where it does not know."""

    place: int
    name: str
    bearer: str
    state: str
    loss_permille: int | None
    delay_ms: int | None
    backlog_rows: int | None
    ok_utc_ms: int | None
    duty_permille: int | None
    sent_frames: int
    sent_bytes: int
    t_utc_ms: int
    t_hub_ms: int


class WayOut(BaseModel):
    """A way by which the hub heard the device. `relay` 0: itself; `bearer`: by what the relay, or the hub, heard it."""

    bearer: str
    relay: int
    relay_callsign: str
    heard_utc_ms: int
    frames: int


class DeviceLinksOut(BaseModel):
    """A device's bearers and ways. `unit` "" when nobody carries it now."""

    device: int
    unit: str
    callsign: str
    links: list[LinkOut]
    ways: list[WayOut]


class LinksOut(BaseModel):
    """By device."""

    devices: list[DeviceLinksOut]


def router(state: HubState) -> APIRouter:
    """`/links` and `/links/{device}`."""
    routes = APIRouter(tags=["links"])

    @routes.get("/links", dependencies=[needs(Permission.PICTURE)])
    async def links(me: Principal = who) -> LinksOut:
        """Of every device that said something of its bearers or was heard since the hub's start."""
        known = set(state.ingest.links.devices()) | state.ingest.paths.devices()
        seen = [device for device in sorted(known) if _sees(state, device, me)]
        return LinksOut(devices=[_device(state, device) for device in seen])

    @routes.get("/links/{device}", dependencies=[needs(Permission.PICTURE)])
    async def device_links(
        device: Annotated[int, Path(ge=1, le=DEVICE_MAX)], me: Principal = who
    ) -> DeviceLinksOut:
        """One device. 404 also for one whose unit one does not see."""
        if device not in state.ingest.keys.ever or not _sees(state, device, me):
            raise HTTPException(404, f"no device {device}")
        return _device(state, device)

    return routes


def _sees(state: HubState, device: int, me: Principal) -> bool:
    """Whoever sees the unit; of a device that nobody carries, whoever looks after devices."""
    slot = state.units.carrier_of(device)
    if slot is None:
        return me.may(Permission.DEVICES)
    return me.audience.sees(state.units.rows[slot].agency)


def _device(state: HubState, device: int) -> DeviceLinksOut:
    slot = state.units.carrier_of(device)
    paths = state.ingest.paths
    own = paths.own(device)
    ways = [(Way(Bearer.MQTT), own)] if own is not None else []
    ways += paths.ways(device).items()
    return DeviceLinksOut(
        device=device,
        unit="" if slot is None else state.units.rows[slot].id,
        callsign=state.units.callsign_of(device),
        links=[_link(told) for told in state.ingest.links.of(device)],
        ways=[_way(state, way, heard) for way, heard in sorted(ways, key=lambda each: -each[1].last_ms)],
    )


def _link(told: Told) -> LinkOut:
    link = told.link
    return LinkOut(
        place=link.place,
        name=link.name,
        bearer=Bearer(link.kind).name.lower(),
        state=BearerState(link.state).name.lower(),
        loss_permille=link.loss_permille,
        delay_ms=link.delay_ms,
        backlog_rows=link.backlog_rows,
        ok_utc_ms=told.ok_utc_ms,
        duty_permille=link.duty_permille,
        sent_frames=link.sent_frames,
        sent_bytes=link.sent_bytes,
        t_utc_ms=told.t_utc_ms,
        t_hub_ms=told.t_hub_ms,
    )


def _way(state: HubState, way: Way, heard: Heard) -> WayOut:
    return WayOut(
        bearer=Bearer(way.bearer).name.lower(),
        relay=way.relay,
        relay_callsign=state.units.callsign_of(way.relay) if way.relay else "",
        heard_utc_ms=heard.last_ms,
        frames=heard.frames,
    )
