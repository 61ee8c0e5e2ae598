"""Roll-calls and evacuations over HTTP: call the roll, say whom one has heard, see who has NOT answered.

`hub.safety.rollcall` and `hub.safety.evacuation` decide. An evacuation is given at /orders/signed.
"""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from hub.api.guard import needs, who
from hub.api.paging import LIMIT, After, Limit, page
from hub.errors import StoreError
from hub.identity.permissions import Permission, Principal
from hub.live.outbox_state import Entry as Order
from hub.safety.evacuation import check
from hub.safety.rollcall_book import Roll
from hub.state import HubState

WHO_MAX = 500
Id = Annotated[str, Field(max_length=80)]
Seq = Annotated[int, Path(ge=0, le=2**53, examples=[1_795_000_000_000])]


class RollPersonOut(BaseModel):
    """One who is asked. `state`: unconfirmed, stale, refused, voice, confirmed. `by`: the officer who heard them."""

    key: str = Field(examples=["u7"])
    unit: str | None
    person: str
    name: str = Field(examples=["李四"])
    state: str = Field(examples=["unconfirmed"])
    by: str
    t: int | None


class RollCallOut(BaseModel):
    """A roll-call (docs/rollcall.md). `counts`: of each state; `people`: at most 2,000, the missing first."""

    id: str = Field(examples=["r1795000000000"])
    target: str = Field(examples=["entry:e1795000000000-1"])
    by: str
    name: str
    reason: str
    reason_zh: str
    reason_en: str
    t: int
    ended: int | None
    ended_by: str
    replaced_by: str
    counts: dict[str, int] = Field(
        examples=[{"confirmed": 1, "voice": 0, "unconfirmed": 2, "stale": 0, "refused": 0}]
    )
    people: list[RollPersonOut]


class RollCallsOut(BaseModel):
    """The newest first. `next`: give it as `after`."""

    roll_calls: list[RollCallOut]
    next: str | None


class RollIn(BaseModel):
    """`target`: all, team:NAME, entry:ID, zone:ID, a unit's id, or units:ID,ID,…"""

    target: str = Field(min_length=1, max_length=4_000, examples=["all"])
    reason: Literal["", "strategy", "missing", "hazard", "channel"] = ""


class VoiceIn(BaseModel):
    """Keys of people; or team:NAME, entry:ID: all of that squad who have not answered."""

    who: list[Annotated[str, Field(min_length=1, max_length=120)]] = Field(
        min_length=1, max_length=WHO_MAX, examples=[["u7"]]
    )


class EvacuationPersonOut(BaseModel):
    """Times of each step, null: not yet. `by`: the officer who told them by voice. `lifted`: an all-clear holds."""

    key: str
    unit: str | None
    person: str
    name: str
    delivered: int | None
    seen: int | None
    acknowledged: int | None
    refused: int | None
    by: str
    lifted: bool


class EvacuationOut(BaseModel):
    """An evacuation or retreat with the people whom one sees. `not`: keys of those who have NOT acknowledged."""

    id: str
    seq: int
    type: str = Field(examples=["evacuate"])
    target: str
    text: str
    by: list[str]
    t: int
    over: bool
    total: int
    people: list[EvacuationPersonOut]
    not_: list[str] = Field(alias="not")


class EvacuationsOut(BaseModel):
    """The newest first. `next`: give it as `after`."""

    evacuations: list[EvacuationOut]
    next: str | None


def router(state: HubState) -> APIRouter:
    """The routes of docs/rollcall.md."""
    routes = APIRouter(tags=["roll-call"])
    rolls, evacuations = state.safety.rollcall, state.safety.evacuation
    acting = [needs(Permission.ROLL_CALL, in_person=True)]

    def roll_out(roll: Roll, me: Principal) -> RollCallOut | None:
        said = rolls.message(roll, me.audience)
        return None if said is None else RollCallOut(**said)

    def roll_of(id: str, me: Principal) -> Roll:
        roll = rolls.shelf.get(id)
        if roll is None or roll_out(roll, me) is None:
            raise HTTPException(404, f"no roll-call {id[:40]!r}")
        return roll

    def shown(roll: Roll, me: Principal) -> RollCallOut:
        made = roll_out(roll, me)
        assert made is not None, "found before"
        return made

    def out(order: Order, me: Principal) -> EvacuationOut | None:
        said: dict[str, Any] | None = evacuations.message(order, me.audience)
        return None if said is None else EvacuationOut(**said)

    def squads(keys: list[str], people: list[str], hands: Any) -> list[str]:
        """Keys, with squads spelled out."""
        found: dict[str, None] = {}
        for key in keys:
            some = [one for one in people if rolls.people.is_in(one, hands, key)] if ":" in key else [key]
            found.update(dict.fromkeys(some))
        if not found:
            raise HTTPException(404, f"nobody {keys[0][:40]!r} is missing")
        return list(found)

    def may(me: Principal, keys: list[str], hands: Any) -> None:
        """For people whom one sees; a team leader for the own team."""
        if len(rolls.people.seen(keys, hands, me.audience)) < len(keys):
            raise HTTPException(404, "nobody of that key")
        if not rolls.people.are_of(me, keys, hands):
            raise HTTPException(403, "not all of these are of your team")

    # --- roll-calls ----------------------------------------------------------------------------------------

    @routes.get("/roll-calls", dependencies=[needs(Permission.PICTURE)])
    async def listed(
        open: Annotated[bool | None, Query(description="true: open ones, false: ended ones")] = None,
        after: After = None,
        limit: Limit = LIMIT,
        me: Principal = who,
    ) -> RollCallsOut:
        """Roll-calls, the newest first."""
        some = [
            roll
            for roll in rolls.shelf.all()
            if (open is None or (roll.ended is None) == open)
            and rolls.people.seen(roll.who, roll.hands, me.audience)
        ]
        found, more = page(some, lambda roll: (roll.t, roll.id), after, limit)
        return RollCallsOut(roll_calls=[shown(roll, me) for roll in found], next=more)

    @routes.get("/roll-calls/{id}", dependencies=[needs(Permission.PICTURE)])
    async def one(id: Id, me: Principal = who) -> RollCallOut:
        """One roll-call, as it is now."""
        return shown(roll_of(id, me), me)

    @routes.post("/roll-calls", dependencies=acting)
    async def begin(body: RollIn, me: Principal = who) -> RollCallOut:
        """Call the roll: devices are asked at once, people without one are listed. An open roll-call of the same target
        ends. A team leader calls the own team."""
        asked = rolls.ask(me, body.target)
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(state.readers, rolls.give, me, asked, body.reason)
            roll = rolls.begin(me, asked, body.reason, rows)
            state.outbox.step()
            said = {"roll": roll.id, "target": roll.target, "reason": roll.reason, "orders": roll.seqs}
            await rolls.shelf.add(roll, me.name, "roll-call begun", said | {"by_hand": len(roll.hands)})
        except StoreError as err:
            raise HTTPException(503, f"it is not recorded: {err}") from None
        return shown(roll, me)

    @routes.post("/roll-calls/{id}/voice", dependencies=acting)
    async def voice(id: Id, body: VoiceIn, me: Principal = who) -> RollCallOut:
        """I have heard them, by radio or with my own ears. Counted apart, with my name."""
        roll, now_ms = roll_of(id, me), state.clock.now_ms()
        keys = squads(body.who, rolls.missing(roll), roll.hands)
        may(me, keys, roll.hands)
        names = [rolls.people.name(key, roll.hands) for key in keys]
        try:
            said = {"roll": roll.id, "who": names}
            await rolls.shelf.act(
                roll, lambda roll: roll.say(keys, me.name, now_ms), me.name, "confirmed by voice", said
            )
        except StoreError as err:
            raise HTTPException(503, f"it was not done: {err}") from None
        return shown(roll, me)

    @routes.post("/roll-calls/{id}/end", dependencies=acting)
    async def end(id: Id, me: Principal = who) -> RollCallOut:
        """It is over; who is missing now stands in the record by name."""
        roll, now_ms = roll_of(id, me), state.clock.now_ms()
        may(me, rolls.people.seen(roll.who, roll.hands, me.audience), roll.hands)
        try:
            await rolls.end(roll, me.name, now_ms)
        except StoreError as err:
            raise HTTPException(503, f"it was not done: {err}") from None
        return shown(roll, me)

    # --- evacuations ---------------------------------------------------------------------------------------

    def order_of(seq: int, me: Principal) -> Order:
        order = evacuations.order(str(seq))
        if order is None or out(order, me) is None:
            raise HTTPException(404, f"no evacuation {seq}")
        return order

    async def say(order: Order, keys: list[str], me: Principal, now_ms: int) -> None:
        spoken, missing = evacuations.meant(order), set(evacuations.missing(order))
        some = [key for key in keys if key in missing]
        if some:
            names = [evacuations.people.name(key, spoken.hands) for key in some]
            said: dict[str, Any] = {"seq": order.order.seq, "who": names}
            await evacuations.shelf.act(
                spoken, lambda one: one.say(some, me.name, now_ms), me.name, "evacuation told by voice", said
            )

    @routes.get("/evacuations", dependencies=[needs(Permission.PICTURE)])
    async def boards(
        open: Annotated[bool | None, Query(description="true: those that hold, false: lifted ones")] = None,
        after: After = None,
        limit: Limit = LIMIT,
        me: Principal = who,
    ) -> EvacuationsOut:
        """Evacuations and retreats, the newest first, with how far each is with everybody."""
        made = {
            order.order.seq: said
            for order in evacuations.orders()
            if (open is None or open != evacuations.is_over(order)) and (said := out(order, me)) is not None
        }
        found, more = page(made, lambda seq: (made[seq].t, str(seq)), after, limit)
        return EvacuationsOut(evacuations=[made[seq] for seq in found], next=more)

    @routes.get("/evacuations/{seq}", dependencies=[needs(Permission.PICTURE)])
    async def board(seq: Seq, me: Principal = who) -> EvacuationOut:
        """One evacuation, as it is now."""
        made = out(order_of(seq, me), me)
        assert made is not None
        return made

    @routes.post("/evacuations/{seq}/voice", dependencies=acting)
    async def told(seq: Seq, body: VoiceIn, me: Principal = who) -> EvacuationOut:
        """I have told them, or heard that they know. Recorded with my name; their devices go on being told."""
        order, now_ms = order_of(seq, me), state.clock.now_ms()
        spoken = evacuations.meant(order)
        keys = squads(body.who, evacuations.missing(order), spoken.hands)
        check(order, spoken, keys)
        may(me, keys, spoken.hands)
        try:
            for one in [order, *evacuations.older(order)]:  # who leaves now obeys those before it, too
                await say(one, keys, me, now_ms)
        except StoreError as err:
            raise HTTPException(503, f"it was not done: {err}") from None
        made = out(order, me)
        assert made is not None
        return made

    return routes
