"""Alarms over HTTP: what calls, who has taken it, what is put aside. `hub.safety.alarms` decides."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from hub.api.guard import needs, who
from hub.api.paging import LIMIT, After, Limit, page
from hub.identity.permissions import Permission, Principal, Role
from hub.live.events import BODY_CODE_HIDDEN
from hub.safety.alarm import Alarm
from hub.safety.alarm_book import SHELVE_MS_MAX
from hub.state import HubState

T_MAX = 2**52
WORDS_MAX = 200
MINUTES_MAX = SHELVE_MS_MAX // 60_000


class AlarmInputOut(BaseModel):
    """One thing that was known when it was judged; `t`: of when, UTC ms."""

    name: str = Field(examples=["scba_kpa"])
    value: float | int | str | None = Field(examples=[5500])
    unit: str = Field(examples=["kPa"])
    t: int | None = Field(examples=[1795000000000])


class AlarmSeenOut(BaseModel):
    """Who took it, and when."""

    by: str = Field(examples=["王海"])
    t: int = Field(examples=[1795000000000])


class AlarmShelvedOut(BaseModel):
    """Who put it aside, until when, and why."""

    by: str = Field(examples=["王海"])
    until: int = Field(examples=[1795000600000])
    why: str = Field(examples=["传感器待换"])


class AlarmClosedOut(BaseModel):
    """Who closed it, "" for nobody: it ended by itself."""

    by: str = Field(examples=["王海"])
    t: int = Field(examples=[1795000000000])
    why: str = Field(examples=["本人确认安全"])


class AlarmOut(BaseModel):
    """An alarm (docs/alarms.md). `state`: raised, acknowledged, cleared or closed."""

    id: str = Field(examples=["1001-4242"])
    kind: str = Field(examples=["sos"])
    priority: int = Field(examples=[1])
    state: str = Field(examples=["raised"])
    open: bool
    units: list[str] = Field(examples=[["u1"]])
    slots: list[int]
    zh: str = Field(examples=["求救"])
    en: str = Field(examples=["SOS"])
    advice_zh: str
    advice_en: str
    why: list[AlarmInputOut]
    lat: float | None
    lon: float | None
    cause: str
    group: str | None
    t_raised: int
    t_hub: int
    late: bool
    t_cleared: int | None
    seen: AlarmSeenOut | None
    shelved: AlarmShelvedOut | None
    closed: AlarmClosedOut | None
    event: str | None
    code: int | None
    escalation: int
    count: int
    sound: bool
    calls: list[str] = Field(
        description="roles whose screens sound; none: everybody's", examples=[["duty-officer"]]
    )


class AlarmsOut(BaseModel):
    """The newest call first. `next`: give it as `after`."""

    alarms: list[AlarmOut]
    next: str | None


class CallOutOut(BaseModel):
    """Whether somebody is called when no screen shows a grave alarm."""

    ok: bool
    words_zh: str
    words_en: str


class AlarmHealthOut(BaseModel):
    """How the alarms themselves do. More than 10 in 10 min is a flood; one in 10 min is the aim."""

    open: int
    unacknowledged: int
    shelved: int
    flood: bool
    in_10_min: int
    callout: CallOutOut
    screens: int
    screens_silent: int
    standing_long: list[str] = Field(description="ids of those that stand for more than a day")
    chattering: list[str] = Field(
        description="ids of the ten that came again most often, at least three times"
    )


class ShelveIn(BaseModel):
    """For how long, and why."""

    minutes: int = Field(ge=1, le=MINUTES_MAX, examples=[30])
    why: str = Field(min_length=1, max_length=WORDS_MAX, examples=["传感器待换"])


class CloseIn(BaseModel):
    """How one knows that it is over."""

    why: str = Field(min_length=1, max_length=WORDS_MAX, examples=["本人确认安全"])


Id = Annotated[str, Field(max_length=80)]
LONG_MS = 24 * 3_600_000
CHATTERING_MIN = 3


def router(state: HubState) -> APIRouter:
    """The alarm routes of docs/alarms.md."""
    routes = APIRouter(tags=["alarms"])
    alarms = state.safety.alarms
    book = alarms.book

    def shown(alarm: Alarm, me: Principal) -> AlarmOut | None:
        said = alarms.message(alarm, me.audience)
        return None if said is None else AlarmOut(**said)

    def found(id: str, me: Principal) -> Alarm:
        alarm = book.get(id)
        if alarm is None or alarms.message(alarm, me.audience) is None:
            raise HTTPException(404, f"no alarm {id[:40]!r}")
        return alarm

    def mine(id: str, me: Principal) -> Alarm:
        """To act on: a team leader acts on the own team."""
        alarm = found(id, me)
        rows, slot_by_id = state.units.rows, state.units.slot_by_id
        if me.role == Role.TEAM_LEADER and any(
            rows[slot_by_id[unit]].team != me.team for unit in alarm.units if unit in slot_by_id
        ):
            raise HTTPException(403, f"{alarm.id} is not of your team")
        return alarm

    def out(id: str, me: Principal) -> AlarmOut:
        made = shown(found(id, me), me)
        assert made is not None
        return made

    @routes.get("/alarms", dependencies=[needs(Permission.PICTURE)])
    async def listed(
        open: Annotated[bool | None, Query(description="true: open ones, false: closed ones")] = None,
        unit: Annotated[str | None, Query(max_length=120, description="id of a unit")] = None,
        since: Annotated[int | None, Query(ge=0, le=T_MAX, description="called since, UTC ms")] = None,
        priority: Annotated[int | None, Query(ge=1, le=4, description="so grave or graver")] = None,
        after: After = None,
        limit: Limit = LIMIT,
        me: Principal = who,
    ) -> AlarmsOut:
        """Alarms, the newest call first."""
        some = [
            alarm
            for alarm in book.all()
            if (open is None or alarm.is_open == open)
            and (unit is None or unit in alarm.units)
            and (since is None or alarm.t_began >= since)
            and (priority is None or alarm.priority <= priority)
            and alarms.message(alarm, me.audience) is not None
        ]
        shown_now, more = page(some, lambda alarm: (alarm.t_began, alarm.id), after, limit)
        return AlarmsOut(alarms=[out(alarm.id, me) for alarm in shown_now], next=more)

    @routes.get("/alarms/health", dependencies=[needs(Permission.PICTURE)])
    async def health(me: Principal = who) -> AlarmHealthOut:
        """Whether there are too many, too long, too often; and whether somebody is called when nobody looks."""
        now_ms = state.clock.now_ms()
        seen = [alarm for alarm in book.open() if alarms.message(alarm, me.audience) is not None]
        often = sorted((a for a in seen if a.count >= CHATTERING_MIN), key=lambda a: -a.count)
        said: dict[str, Any] = alarms.health()
        return AlarmHealthOut(
            **said,
            standing_long=[a.id for a in seen if a.stands and now_ms - a.t_hub > LONG_MS],
            chattering=[a.id for a in often[:10]],
        )

    @routes.post(
        "/alarms/callout/test", status_code=202, dependencies=[needs(Permission.SHELVE, in_person=True)]
    )
    async def test_callout(me: Principal = who) -> CallOutOut:
        """Every way to call shows that it would work; how it went stands in the alarms' health some seconds later."""
        await state.record(me.name, "call-out tested", {})
        alarms.call_out.test()
        ok, zh, en = alarms.call_out.words()
        return CallOutOut(ok=ok, words_zh=zh, words_en=en)

    @routes.get("/alarms/{id}", dependencies=[needs(Permission.PICTURE)])
    async def one(id: Id, me: Principal = who) -> AlarmOut:
        """One alarm."""
        return out(id, me)

    @routes.post("/alarms/{id}/acknowledge", dependencies=[needs(Permission.ACKNOWLEDGE, in_person=True)])
    async def acknowledge(id: Id, me: Principal = who) -> AlarmOut:
        """I take it. Of several people the first one counts. The wearer of a device's alarm is told."""
        alarm = mine(id, me)
        if alarm.is_open and not alarm.is_acknowledged:
            event = state.ingest.events.by_id(alarm.event) if alarm.event else None
            if event is not None and event.is_open and event.seen is None:
                callsign = state.units.rows[event.slot].callsign
                code = BODY_CODE_HIDDEN if event.is_bodily else event.code
                loop = asyncio.get_running_loop()
                kept = await loop.run_in_executor(
                    state.readers, lambda: state.seen.keep(event.id, me.name, callsign, code)
                )
                state.seen.note(event.id, kept)
                state.feed.tell([event])
            else:
                await state.record(me.name, "alarm acknowledged", {"alarm": id, "kind": alarm.kind})
            book.acknowledge(id, me.name, state.clock.now_ms())
        return out(id, me)

    @routes.post("/alarms/{id}/shelve", dependencies=[needs(Permission.SHELVE, in_person=True)])
    async def shelve(id: Id, body: ShelveIn, me: Principal = who) -> AlarmOut:
        """Put it aside for a while, by name. Nobody who may be in danger can be put aside."""
        alarm = mine(id, me)
        now_ms = state.clock.now_ms()
        if alarm.is_protected:
            raise HTTPException(422, f"{alarm.kind}: somebody may be in danger; it cannot be shelved")
        said = {"alarm": id, "kind": alarm.kind, "minutes": body.minutes, "why": body.why}
        await state.record(me.name, "alarm shelved", said)
        try:
            book.shelve(id, me.name, now_ms + body.minutes * 60_000, body.why, now_ms)
        except ValueError as err:
            raise HTTPException(409, str(err)) from None
        return out(id, me)

    @routes.post("/alarms/{id}/unshelve", dependencies=[needs(Permission.SHELVE, in_person=True)])
    async def unshelve(id: Id, me: Principal = who) -> AlarmOut:
        """Take it back up: it calls again when it still stands."""
        alarm = mine(id, me)
        if alarm.shelved is not None:
            await state.record(me.name, "alarm unshelved", {"alarm": id, "kind": alarm.kind})
            book.unshelve(id, state.clock.now_ms())
        return out(id, me)

    @routes.post("/alarms/{id}/close", dependencies=[needs(Permission.SHELVE, in_person=True)])
    async def close(id: Id, body: CloseIn, me: Principal = who) -> AlarmOut:
        """It is over, and I know it: the end of a call for help, after the wearer has cancelled it."""
        alarm = mine(id, me)
        if alarm.stands and alarm.is_open:
            raise HTTPException(409, "it still stands: its cause, or its wearer, has to end first")
        if alarm.is_open:
            await state.record(me.name, "alarm closed", {"alarm": id, "kind": alarm.kind, "why": body.why})
            try:
                book.close(id, me.name, body.why, state.clock.now_ms())
            except ValueError as err:
                raise HTTPException(409, str(err)) from None
        return out(id, me)

    return routes
