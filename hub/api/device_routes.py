"""Devices: their list, codes for new ones, revocation, bindings; and where gateways enrol and renew.

Enters: requests of technicians, and of gateways that prove themselves with a code or their key. Leaves: registry
changes, which act at once.
"""

import io
from collections.abc import Callable
from math import isnan
from typing import Annotated, Any, TypeVar

import segno
from fastapi import APIRouter, HTTPException, Path, Request
from pydantic import BaseModel, Field, StringConstraints, create_model
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse

from hub import addresses
from hub.api.guard import address_of, needs, open_to_all, who
from hub.errors import HubError, Refused
from hub.identity.enrolment import HOURS_MAX, Wanted, revoke
from hub.identity.permissions import Permission, Principal
from hub.roster import NAME_CHARS_MAX
from hub.settings import is_loopback
from hub.state import HubState
from protocols.enrolment import BODY_BYTES_MAX, SECRET_CHARS, Granted
from protocols.topics import DEVICE_MAX

CSR_CHARS_MAX = 8_192
WHY_CHARS_MAX = 200
Name = Annotated[str, Field(max_length=NAME_CHARS_MAX)]
Number = Annotated[int, Field(ge=1, le=DEVICE_MAX)]
NumberPath = Annotated[int, Path(ge=1, le=DEVICE_MAX)]
Csr = Annotated[str, Field(max_length=CSR_CHARS_MAX)]
Answer = TypeVar("Answer")


class DeviceOut(BaseModel):
    """A device. `state` reserved, active or revoked; `not_after_utc_ms` null: it has a key but no certificate."""

    device: int
    unit: str
    callsign: str
    kind: str
    relay: bool
    state: str
    epoch: int
    firmware: str
    not_after_utc_ms: int | None
    enrolled_utc_ms: int | None
    heard_utc_ms: int | None
    why: str


class DevicesOut(BaseModel):
    """By number."""

    devices: list[DeviceOut]


class EnrolmentIn(BaseModel):
    """What a code shall stand for. What is left out stays as a known unit has it."""

    callsign: Name = ""
    device: Number | None = None
    unit_kind: Name | None = None
    branch: Name | None = None
    team: Name | None = None
    agency: Name | None = None
    kind: Name = "gateway"
    relay: bool = False
    hours: int = Field(default=24, ge=1, le=HOURS_MAX)


class EnrolmentOut(BaseModel):
    """A one-time code, shown once."""

    device: int
    code: str
    qr_svg: str
    expires_utc_ms: int


class RevokeIn(BaseModel):
    """Why, for the record."""

    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WHY_CHARS_MAX)]


class BindingIn(BaseModel):
    """Which unit carries the device from when on; "" nobody. Without a time: from now on."""

    unit: Name
    from_utc_ms: int | None = Field(default=None, ge=0, le=2**52)


class EnrolIn(BaseModel):
    """A gateway's half of docs/enrolment.md."""

    secret: str = Field(min_length=SECRET_CHARS, max_length=SECRET_CHARS)
    csr: Csr
    firmware: str = Field(default="", max_length=200)
    machine: str = Field(default="", max_length=200)


class RenewIn(BaseModel):
    """A gateway that shows its key."""

    device: Number
    t_utc_ms: int = Field(ge=0, le=2**52)
    csr: Csr
    mac: str = Field(pattern="^[0-9a-fA-F]*$", max_length=64)


GRANTED: Any = {name: (kind, ...) for name, kind in Granted.__annotations__.items()}
GrantedOut = create_model("GrantedOut", __doc__="protocols.enrolment.Granted.", **GRANTED)


def qr_svg(code: str) -> str:
    """The code as a picture for the screen."""
    out = io.BytesIO()
    segno.make(code, error="m").save(out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2)
    return out.getvalue().decode()


class PemResponse(PlainTextResponse):
    """A certificate."""

    media_type = "application/x-pem-file"


def router(state: HubState) -> APIRouter:
    """The device routes of docs/feed.md."""
    routes = APIRouter(tags=["devices"])
    technician = [needs(Permission.DEVICES)]

    async def changed(work: Callable[[], Answer]) -> Answer:
        """Do it off the loop, and let the whole hub know before the answer goes out."""
        try:
            done = await run_in_threadpool(work)
        except Refused:
            raise
        except HubError as err:
            raise HTTPException(422, str(err)) from None
        state.reload()
        return done

    @routes.get("/devices", dependencies=technician)
    def devices() -> DevicesOut:
        """Every device with its state and the unit that carries it now."""
        return DevicesOut(devices=_devices(state))

    @routes.post("/devices/enrolment", dependencies=technician)
    async def enrolment(body: EnrolmentIn, request: Request, me: Principal = who) -> EnrolmentOut:
        """A one-time code for a gateway, also as a QR picture. It is shown once."""
        values = body.model_dump()
        hours = int(values.pop("hours"))
        at = _asked_at(state, request)
        made = await changed(lambda: state.enrolment.make(Wanted(**values), at, hours, me.name))
        return EnrolmentOut(
            device=made.device, code=made.code, qr_svg=qr_svg(made.code), expires_utc_ms=made.expires_utc_ms
        )

    @routes.post("/devices/{device}/revoke", dependencies=technician, status_code=204)
    async def revoke_device(device: NumberPath, body: RevokeIn, me: Principal = who) -> None:
        """Take a device's enrolment back: its frames are refused at once and its session ends."""
        now_ms = state.clock.now_ms()
        if not await changed(lambda: revoke(state.registry, device, body.why, me.name, now_ms)):
            raise HTTPException(404, f"device {device} is not enrolled, or revoked already")

    @routes.put("/devices/{device}/binding", dependencies=technician, status_code=204)
    async def bind(device: NumberPath, body: BindingIn, me: Principal = who) -> None:
        """From a time on the device is carried by this unit."""
        now_ms = state.clock.now_ms()
        from_ms = now_ms if body.from_utc_ms is None else body.from_utc_ms

        def work() -> None:
            with state.registry.together():
                if body.unit:
                    state.registry.bind(device, body.unit, from_ms)
                else:
                    state.registry.unbind(device, from_ms)
                said: dict[str, object] = {"device": device, "unit": body.unit, "from": from_ms}
                state.registry.record(now_ms, me.name, "device bound", said)

        await changed(work)

    own_proof = open_to_all("the authority's certificate is public, and its fingerprint is in the code")

    @routes.get("/authority", dependencies=[own_proof], response_class=PemResponse)
    def authority() -> PemResponse:
        """The certificate of the hub's authority, PEM."""
        return PemResponse(state.authority.pem)

    @routes.post(
        "/enrol",
        response_model=GrantedOut,
        dependencies=[open_to_all("a one-time code is its own proof")],
    )
    async def enrol(body: EnrolIn, request: Request) -> dict[str, Any]:
        """A gateway gives its code and a certificate request, and gets all it needs."""
        _check_length(request)
        firmware = f"{body.firmware} ({body.machine})" if body.machine else body.firmware
        place = (address_of(request), request.url.hostname or "")
        granted = await changed(lambda: state.enrolment.grant(body.secret, body.csr, firmware, *place))
        return granted._asdict()

    @routes.post(
        "/renew",
        response_model=GrantedOut,
        dependencies=[open_to_all("the request is made with the device's own key")],
    )
    async def renew(body: RenewIn, request: Request) -> dict[str, Any]:
        """A gateway shows its key and gets a new certificate, also when the old one ran out."""
        _check_length(request)
        place = (address_of(request), request.url.hostname or "")
        said = (body.device, body.t_utc_ms, body.csr, body.mac)
        granted = await changed(lambda: state.enrolment.renew(*said, *place))
        return granted._asdict()

    return routes


def _devices(state: HubState) -> list[DeviceOut]:
    callsigns = {unit.id: unit.callsign for unit in state.registry.units()}
    now = {b.device: b.unit for b in state.registry.bindings() if b.to_utc_ms is None}
    out = []
    for row in state.registry.devices.rows():
        unit = now.get(row.device, "")
        values: dict[str, Any] = {**row._asdict(), "unit": unit, "callsign": callsigns.get(unit, "")}
        out.append(DeviceOut(**values, heard_utc_ms=_heard(state, unit)))
    return out


def _heard(state: HubState, unit: str) -> int | None:
    """When the unit's device was last heard."""
    slot = state.units.slot_by_id.get(unit)
    if slot is None:
        return None
    t_rx_ms = float(state.picture.t_rx[slot])
    return None if isnan(t_rx_ms) else int(t_rx_ms)


def _asked_at(state: HubState, request: Request) -> tuple[str, int]:
    """Where a gateway will ask: as this screen does, unless that is only this machine's own address."""
    host, port = (
        request.url.hostname or "",
        request.url.port or (443 if request.url.scheme == "https" else 80),
    )
    if is_loopback(host) and not is_loopback(state.settings.host):
        host = addresses.reached_at(state.settings)
    return host, port


def _check_length(request: Request) -> None:
    if int(request.headers.get("content-length", "0")) > BODY_BYTES_MAX:
        raise HTTPException(413, f"a body of at most {BODY_BYTES_MAX} bytes is allowed")
