"""Orders over HTTP: give one, see how far each is, and what wearers write. `hub.live.outbox_desk` decides."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from hub.api.commander_routes import SignatureIn
from hub.api.guard import needs, who
from hub.errors import StoreError
from hub.identity.permissions import Permission, Principal
from hub.live.outbox_desk import EXPIRES_S_MAX, TEXT_CHARS_MAX, text_of
from hub.live.outbox_state import Entry
from hub.state import HubState
from hub.store.orders import OrderRow
from protocols.orders import OrderType

T_MAX = 2**52
PAGE, PAGE_MAX = 20, 200
CORE_HEX = Annotated[str, Field(pattern="^([0-9a-f]{2})+$", max_length=8_192)]
Times = list[int] | None


class TargetOut(BaseModel):
    """One unit. `state`: waiting, sent, received, shown, answered, accepted, refused, done; or no_device, expired,
    lifted. A receipt is [UTC ms by the device, UTC ms heard by the hub]; `sent` counts messages since the hub began;
    `why` is the number with which settings were refused (docs/orders.md)."""

    unit: str
    callsign: str
    state: str
    sent: int
    received: Times = None
    shown: Times = None
    answered: Times = None
    accepted: Times = None
    refused: Times = None
    done: Times = None
    why: int | None = None


class OrderOut(BaseModel):
    """An order with the units that one sees. `by`: who signed it, or gave it."""

    seq: int
    id: str
    type: str
    target: str
    text: str
    lat: float | None
    lon: float | None
    break_glass: str | None
    issuer: str
    role: str
    by: list[str]
    t: int
    expires_utc_ms: int
    targets: list[TargetOut]


class OrdersOut(BaseModel):
    """The newest first."""

    orders: list[OrderOut]


class Order(BaseModel):
    """`target`: all, team:NAME, a unit's id, units:ID,ID,… or zone:ID"""

    target: str = Field(min_length=1, max_length=4_000)
    expires_s: int | None = Field(None, ge=10, le=EXPIRES_S_MAX, description="sent and obeyed for so long")


class WordsIn(Order):
    """A text, or a roll-call with its name. `text` may be empty in a roll-call."""

    type: Literal["text", "roll_call"]
    text: str = Field("", max_length=TEXT_CHARS_MAX)


class TaskIn(Order):
    """A task, and where."""

    text: str = Field(max_length=TEXT_CHARS_MAX)
    lat: float | None = Field(None, ge=-90, le=90)
    lon: float | None = Field(None, ge=-180, le=180)


class ConfigIn(Order):
    """Changes of a gateway's settings, signed by the hub. A gateway that does not reach the hub again within
    `confirm_s` goes back to what it had. null gives a setting back to the gateway's own file."""

    changes: dict[str, str | int | float | bool | None] = Field(min_length=1, max_length=32)
    confirm_s: int = Field(120, ge=10, le=3_600)


class SignedIn(SignatureIn):
    """An evacuation or retreat as msgpack (docs/wire.md) with its commander's signature."""

    core: CORE_HEX


class TextOut(BaseModel):
    """What a wearer wrote; when by the device, and when the hub heard it."""

    id: str
    unit: str
    slot: int
    text: str
    t: int
    t_hub: int


class TextsOut(BaseModel):
    """The oldest first."""

    texts: list[TextOut]


ORDERING = (Permission.DISPATCH, Permission.ORDER, Permission.ACKNOWLEDGE)


def router(state: HubState) -> APIRouter:
    """The order routes of docs/api.md."""
    routes = APIRouter(tags=["orders"])
    desk, outbox, screen = state.order_desk, state.outbox, state.order_screen

    def order_out(entry: Entry, me: Principal) -> OrderOut | None:
        said = screen.order(entry, me.audience)
        if said is None:
            return None
        rows = state.units.rows
        for target in said["targets"]:
            target["callsign"] = rows[state.units.slot_by_id[target["unit"]]].callsign
        return OrderOut(**said)

    async def give(me: Principal, make: Callable[[], OrderRow]) -> OrderOut:
        """Written on another thread, then on its way."""
        try:
            row = await asyncio.get_running_loop().run_in_executor(state.readers, make)
        except StoreError as err:
            raise HTTPException(503, f"the order was not given: {err}") from None
        entry = outbox.add(row)
        outbox.step()
        made = order_out(entry, me)
        assert made is not None, "who gave it sees its units"
        return made

    @routes.get("/orders", dependencies=[needs(Permission.PICTURE)])
    async def orders(
        since: Annotated[int | None, Query(ge=0, le=T_MAX, description="given at or after, UTC ms")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
        me: Principal = who,
    ) -> OrdersOut:
        """The latest orders, each with how far it is with every unit."""
        found: list[OrderOut] = []
        for entry in outbox.entries():
            made = order_out(entry, me) if since is None or entry.row.t_utc_ms >= since else None
            if made is not None:
                found.append(made)
            if len(found) == limit:
                break
        return OrdersOut(orders=found)

    @routes.get("/orders/{seq}", dependencies=[needs(Permission.PICTURE)])
    async def order(seq: int, me: Principal = who) -> OrderOut:
        """One order."""
        entry = outbox.entry(seq)
        made = None if entry is None else order_out(entry, me)
        if made is None:
            raise HTTPException(404, f"no order {seq}")
        return made

    @routes.post("/orders", dependencies=[needs(*ORDERING, any_of=True, in_person=True)])
    async def words(body: WordsIn, me: Principal = who) -> OrderOut:
        """A text or a roll-call. A team leader speaks to the own team only."""
        kind = OrderType[body.type.upper()]
        text = text_of(body.text) if body.text.strip() or kind == OrderType.TEXT else ""
        said: dict[str, Any] = {"text": text} if text else {}
        return await give(me, lambda: desk.give(me, kind, body.target, said, body.expires_s))

    @routes.post("/orders/task", dependencies=[needs(Permission.DISPATCH, in_person=True)])
    async def task(body: TaskIn, me: Principal = who) -> OrderOut:
        """A task, to be accepted or refused, and then done."""
        if (body.lat is None) != (body.lon is None):
            raise HTTPException(422, "a place needs lat and lon")
        said: dict[str, Any] = {"text": text_of(body.text)}
        if body.lat is not None and body.lon is not None:
            said |= {"lat_deg_e7": round(body.lat * 1e7), "lon_deg_e7": round(body.lon * 1e7)}
        return await give(me, lambda: desk.give(me, OrderType.TASK, body.target, said, body.expires_s))

    @routes.post("/orders/config", dependencies=[needs(Permission.DEVICES, in_person=True)])
    async def config(body: ConfigIn, me: Principal = who) -> OrderOut:
        """Change settings of gateways from afar. `version` is the order's number."""
        said: dict[str, Any] = {"changes": body.changes, "confirm_s": body.confirm_s}
        return await give(me, lambda: desk.give(me, OrderType.CONFIG, body.target, said, body.expires_s))

    @routes.post("/orders/signed", dependencies=[needs(Permission.ORDER, in_person=True)])
    async def signed(body: SignedIn, me: Principal = who) -> OrderOut:
        """Evacuate or retreat, signed in the browser with the key of one's shift. `next_seq` of /commanders is its
        number; 409: somebody else took it, sign again. An all-clear is proposed at /all-clears."""
        core, signature = bytes.fromhex(body.core), bytes.fromhex(body.signature)
        return await give(me, lambda: desk.give_signed(me, core, body.key_id, signature))

    @routes.get("/texts", dependencies=[needs(Permission.PICTURE)])
    async def texts(
        unit: Annotated[str | None, Query(max_length=120, description="id of a unit")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_MAX,
        me: Principal = who,
    ) -> TextsOut:
        """What wearers wrote of late, of all or of one unit."""
        found = [text for text in screen.texts(me.audience) if unit is None or text.unit == unit]
        return TextsOut(texts=[TextOut(**text.as_dict()) for text in found[-limit:]])  # type: ignore[arg-type]

    return routes
