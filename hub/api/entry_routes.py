"""Entry control over HTTP: teams that go in, people without a device, pressures as read. `hub.safety.entry` decides."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub.api.guard import needs, who
from hub.api.paging import LIMIT, After, Limit, page
from hub.errors import StoreError
from hub.identity.permissions import Permission, Principal, Role
from hub.safety.entry_team import KPA_PER_BAR, Read, Team
from hub.state import HubState

AGO_MS_MAX, AHEAD_MS_MAX = 12 * 3_600_000, 60_000
NAME_MAX, WORDS_MAX, UNITS_MAX = 60, 200, 50
Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX, pattern=r"\S")]
Bar = Annotated[float, Field(ge=0, le=400, allow_inf_nan=False, examples=[280])]
When = Annotated[
    int | None, Field(ge=0, le=2**52, description="UTC ms; none: now", examples=[1_795_000_000_000])
]
Id = Annotated[str, Field(max_length=80)]


class AirMemberOut(BaseModel):
    """One who is in it. `unit` None: a person without a device, known by `person`. `t_bar`: when the pressure was so.
    `stale`: too old to rely on. `low`: at the whistle."""

    unit: str | None = Field(examples=[None])
    person: str = Field(examples=["e1795000000000-1.1"])
    name: str = Field(examples=["李四"])
    bar: float | None = Field(examples=[182.0])
    t_bar: int | None
    minutes_left: float | None = Field(examples=[14.2])
    turn_back_s: int | None
    by_hand: bool
    stale: bool
    inside: bool
    t_in: int | None
    t_out: int | None
    lpm: float = Field(examples=[43.5])
    low: bool


class RetreatTermOut(BaseModel):
    """What ends the stay, and in how long."""

    name: str = Field(examples=["air"])
    zh: str
    en: str
    value: float | None
    unit: str


class RetreatOut(BaseModel):
    """A recommendation: a person decides. `margin_s`: what is left of the binding term, less the way out."""

    recommend: bool
    binding: str = Field(examples=["air"])
    margin_s: int | None
    zh: str
    en: str
    terms: list[RetreatTermOut]


class EntryTeamOut(BaseModel):
    """A team of the board (docs/entry.md). `state`: standby, inside, coming_out, out, ended."""

    id: str = Field(examples=["e1795000000000-1"])
    name: str = Field(examples=["攻坚一组"])
    zh: str
    en: str
    state: str
    team: str
    agency: str
    task: str
    point: str
    lat: float | None
    lon: float | None
    by: str
    t: int
    t_in: int | None
    planned_s: int
    whole_squad: bool
    daylight: bool
    ended: int | None
    members: list[AirMemberOut]
    lowest: str | None
    turn_back_s: int | None
    egress_s: int | None
    retreat: RetreatOut | None


class EntryTeamsOut(BaseModel):
    """The newest first. `next`: give it as `after`."""

    teams: list[EntryTeamOut]
    next: str | None


class PlanIn(BaseModel):
    """What is not said stays. `egress_s` null: as measured."""

    model_config = ConfigDict(extra="forbid")
    task: str = Field("", max_length=WORDS_MAX, examples=["三层搜救"])
    point: str = Field("", max_length=WORDS_MAX, description="where they go in", examples=["东门"])
    lat: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False)
    lon: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False)
    egress_s: int | None = Field(None, ge=0, le=36_000, description="the way out takes so long")
    planned_s: int = Field(1_200, ge=60, le=86_400, description="inside for longer is overdue")
    margin_s: int = Field(120, ge=0, le=3_600, description="of the retreat rule")
    daylight: bool = Field(False, description="works outdoors: out by sunset; needs lat and lon")
    whole_squad: bool = Field(False, description="one who fails or is low takes all out")

    @model_validator(mode="after")
    def _place(self) -> "PlanIn":
        if (self.lat is None) != (self.lon is None):
            raise ValueError("a place needs lat and lon")
        return self


class TeamIn(PlanIn):
    """A new team. Its planned time, margin and rule are the hub's settings unless said."""

    name: Name = Field(examples=["攻坚一组"])
    team: str | None = Field(None, max_length=NAME_MAX, description="whose leader may act on it")
    units: list[Annotated[str, Field(max_length=120)]] = Field([], max_length=UNITS_MAX)


class PersonIn(BaseModel):
    """A unit, or a person without a device by name; with the pressure as it was read."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field("", max_length=NAME_MAX, examples=["李四"])
    unit: str | None = Field(None, max_length=120)
    bar: Bar | None = None
    t_utc_ms: When = None
    cylinder_l: float | None = Field(None, ge=0.5, le=60, allow_inf_nan=False)

    @model_validator(mode="after")
    def _somebody(self) -> "PersonIn":
        if (self.unit is None) == (not self.name.strip()):
            raise ValueError("either a unit or a name is needed")
        return self


class PressureIn(BaseModel):
    """A pressure as read."""

    bar: Bar
    t_utc_ms: When = None


class GoIn(BaseModel):
    """They went in, are at their place of work, come out, are out."""

    step: Literal["inside", "arrived", "coming_out", "out"]
    t_utc_ms: When = None


class GoOneIn(BaseModel):
    """One went in, or is out."""

    step: Literal["inside", "out"]
    t_utc_ms: When = None


def router(state: HubState) -> APIRouter:
    """The entry routes of docs/entry.md."""
    routes = APIRouter(tags=["entry"])
    part = state.safety.entry
    acting = [needs(Permission.ENTRY, in_person=True)]

    def out(team: Team, me: Principal) -> EntryTeamOut:
        now_ms = state.clock.now_ms()
        judged = part.judged(team, now_ms)
        said = part.message(judged, me.audience, now_ms)
        assert said is not None, "found before"
        return EntryTeamOut(**said)

    def found(id: str, me: Principal) -> Team:
        team = part.shelf.get(id)
        if team is None or not part.sees(team, me.audience):
            raise HTTPException(404, f"no entry team {id[:40]!r}")
        return team

    def mine(id: str, me: Principal) -> Team:
        """To act on: a team leader acts on the own team."""
        team = found(id, me)
        if me.role == Role.TEAM_LEADER and (not me.team or team.team != me.team):
            raise HTTPException(403, f"{team.name} is not of your team")
        return team

    def unit_of(id: str, me: Principal) -> str:
        slot = state.units.slot_by_id.get(id)
        if (
            slot is None
            or state.units.is_reported(slot)
            or not me.audience.sees(state.units.rows[slot].agency)
        ):
            raise HTTPException(404, f"no unit {id[:40]!r}")
        row = state.units.rows[slot]
        if me.role == Role.TEAM_LEADER and row.team != me.team:
            raise HTTPException(403, f"{row.callsign} is not of your team")
        other = part.team_of(id)
        if other is not None:
            raise HTTPException(409, f"{row.callsign}: is in {other.name} already")
        return id

    def time_of(t_utc_ms: int | None) -> int:
        now_ms = state.clock.now_ms()
        if t_utc_ms is None:
            return now_ms
        if not now_ms - AGO_MS_MAX <= t_utc_ms <= now_ms + AHEAD_MS_MAX:
            raise HTTPException(422, f"t_utc_ms = {t_utc_ms}: of the last twelve hours is needed")
        return min(t_utc_ms, now_ms)

    async def act(
        me: Principal, team: Team, what: str, content: dict[str, Any], does: Callable[[Team], None]
    ) -> EntryTeamOut:
        """Recorded and kept, then done, then told."""
        try:
            await part.shelf.act(team, does, me.name, what, {"team": team.id, "name": team.name, **content})
        except StoreError as err:
            raise HTTPException(503, f"it was not done: {err}") from None
        part.touch()
        return out(team, me)

    @routes.get("/entry-teams", dependencies=[needs(Permission.PICTURE)])
    async def listed(
        open: Annotated[bool | None, Query(description="true: open ones, false: ended ones")] = None,
        after: After = None,
        limit: Limit = LIMIT,
        me: Principal = who,
    ) -> EntryTeamsOut:
        """Entry teams, the newest first."""
        some = [
            team
            for team in part.shelf.all()
            if (open is None or (team.ended is None) == open) and part.sees(team, me.audience)
        ]
        shown, more = page(some, lambda team: (team.t, team.id), after, limit)
        return EntryTeamsOut(teams=[out(team, me) for team in shown], next=more)

    @routes.get("/entry-teams/{id}", dependencies=[needs(Permission.PICTURE)])
    async def one(id: Id, me: Principal = who) -> EntryTeamOut:
        """One team, as it is now."""
        return out(found(id, me), me)

    @routes.post("/entry-teams", dependencies=acting)
    async def begin(body: TeamIn, me: Principal = who) -> EntryTeamOut:
        """A team that will go in. Who is in it may be said here or later."""
        now_ms = state.clock.now_ms()
        units = [unit_of(id, me) for id in dict.fromkeys(body.units)]
        if me.role == Role.TEAM_LEADER and (not me.team or body.team not in (None, me.team)):
            raise HTTPException(403, "a team leader begins teams of the own team only")
        team = part.new(me, body.name.strip(), now_ms, body.team, units)
        said = body.model_dump(exclude={"name", "team", "units"}, exclude_unset=True)
        for name, value in said.items():
            setattr(team, name, value)
        for unit in units:
            team.add(part.member_unit(unit, me.name, None), now_ms)
        try:
            await part.shelf.add(
                team,
                me.name,
                "entry team begun",
                {"team": team.id, "name": team.name, "units": units, **said},
            )
        except StoreError as err:
            raise HTTPException(503, f"it was not done: {err}") from None
        part.touch()
        return out(team, me)

    @routes.put("/entry-teams/{id}/plan", dependencies=acting)
    async def plan(id: Id, body: PlanIn, me: Principal = who) -> EntryTeamOut:
        """Task, entry point, times and rules anew."""
        said = body.model_dump(exclude_unset=True)
        return await act(me, mine(id, me), "entry team planned", said, lambda team: team.plan(said))

    @routes.post("/entry-teams/{id}/people", dependencies=acting)
    async def join(id: Id, body: PersonIn, me: Principal = who) -> EntryTeamOut:
        """Somebody is in it: a unit, or a person without a device, with the pressure as read."""
        team, t = mine(id, me), time_of(body.t_utc_ms)
        kpa = None if body.bar is None else round(body.bar * KPA_PER_BAR)
        unit = None if body.unit is None else unit_of(body.unit, me)

        member = (
            part.member_by_hand(body.name.strip(), me.name, body.cylinder_l)
            if unit is None
            else part.member_unit(unit, me.name, body.cylinder_l)
        )
        if kpa is not None:
            member.read(Read(t, kpa, me.name))
        said = {"person": body.name.strip(), "unit": unit, "bar": body.bar, "t": t}
        return await act(me, team, "entry team joined", said, lambda team: team.add(replace(member), t))

    @routes.post("/entry-teams/{id}/people/{person}/pressure", dependencies=acting)
    async def read(id: Id, person: Id, body: PressureIn, me: Principal = who) -> EntryTeamOut:
        """A pressure as somebody read it, of a person by hand, or of one whose sensor is silent."""
        reading = Read(time_of(body.t_utc_ms), round(body.bar * KPA_PER_BAR), me.name)
        said = {"person": mine(id, me).member(person).name, "bar": body.bar, "t": reading.t}
        return await act(
            me, mine(id, me), "pressure read", said, lambda team: team.read(person, reading)
        )  # fmt: skip

    @routes.post("/entry-teams/{id}/people/{person}/go", dependencies=acting)
    async def go_one(id: Id, person: Id, body: GoOneIn, me: Principal = who) -> EntryTeamOut:
        """One of them went in, or is out."""
        t = time_of(body.t_utc_ms)
        said = {"person": mine(id, me).member(person).name, "step": body.step, "t": t}
        return await act(
            me, mine(id, me), "entry team went", said, lambda team: team.go(body.step, t, person)
        )

    @routes.post("/entry-teams/{id}/go", dependencies=acting)
    async def go(id: Id, body: GoIn, me: Principal = who) -> EntryTeamOut:
        """They went in, are at their place of work, come out, or are out."""
        t = time_of(body.t_utc_ms)
        said = {"step": body.step, "t": t}
        return await act(me, mine(id, me), "entry team went", said, lambda team: team.go(body.step, t))

    @routes.post("/entry-teams/{id}/end", dependencies=acting)
    async def end(id: Id, me: Principal = who) -> EntryTeamOut:
        """All of them are out, and it is over."""
        team, now_ms = mine(id, me), state.clock.now_ms()
        said = {"out": [one.name for one in team.inside]}
        return await act(me, team, "entry team ended", said, lambda team: team.end(now_ms))

    return routes
