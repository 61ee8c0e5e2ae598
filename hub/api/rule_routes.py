"""Rules over HTTP: which there are and what stands, changing them by name, trying one on the past. docs/rules.md."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict, Field, RootModel

from hub.api.guard import needs, who
from hub.identity.permissions import Permission, Principal
from hub.safety import rule_file
from hub.safety.rule_file import RuleError, as_map, rule_of
from hub.safety.rule_kinds import Rule
from hub.safety.rule_trial import SPAN_MS_MAX, Past, Trial
from hub.safety.rules import Shown
from hub.state import HubState

T_MAX = 2**52
UNITS_MAX = 500
PAUSE_S = 0.02
"""Between two slices of a dry run: the readers' threads are everybody's."""
EXAMPLE = {"id": "battery", "kind": "battery", "zh": "电量低", "en": "Low battery", "below": 15}
Id = Annotated[str, Path(min_length=1, max_length=40, examples=["battery"])]


class RuleIn(RootModel[Annotated[dict[str, Any], Field(max_length=60, examples=[EXAMPLE])]]):
    """One rule, its keys as in rules.toml; `GET /rules/schema` says which."""


class ChangedOut(BaseModel):
    """Who changed or added it through the API, and when."""

    by: str = Field(examples=["王海"])
    t_utc_ms: int = Field(examples=[1_795_000_000_000])


class RuleOut(BaseModel):
    """A rule. `origin`: file, sample, changed (over one of these) or added; `standing`: what stands and one sees."""

    id: str = Field(examples=["battery"])
    kind: str = Field(examples=["battery"])
    zh: str
    en: str
    enabled: bool
    priority: int = Field(examples=[4])
    private: bool
    origin: str = Field(examples=["sample"])
    changed: ChangedOut | None
    standing: int
    left_out: int
    trouble: str = Field(examples=[""])
    rule: dict[str, Any] = Field(examples=[EXAMPLE])


class RulesOut(BaseModel):
    """`file`: where they are from; `errors`: what of it could not be understood and is left out."""

    rules: list[RuleOut]
    file: str = Field(examples=["rules.toml"])
    errors: list[str]


class TryIn(BaseModel):
    """Which rule, by its id or whole as it might be saved; from when until when, UTC ms; `units`: only these."""

    model_config = ConfigDict(extra="forbid")
    rule: Annotated[str, Field(max_length=40)] | Annotated[dict[str, Any], Field(max_length=60)] = Field(
        examples=["battery"]
    )
    from_: int = Field(alias="from", ge=0, le=T_MAX, examples=[1_794_913_600_000])
    to: int = Field(ge=0, le=T_MAX, examples=[1_795_000_000_000])
    units: list[Annotated[str, Field(max_length=120)]] | None = Field(None, max_length=UNITS_MAX)


class FiringOut(BaseModel):
    """Once that it would have alarmed. `until_utc_ms` null: it still stood at the end."""

    t_utc_ms: int
    until_utc_ms: int | None
    unit: str
    callsign: str
    value: float | None
    lat: float | None
    lon: float | None
    zh: str
    en: str


class TryOut(BaseModel):
    """What it would have said. `truncated`: only so far as `looked_until_utc_ms`; `count` counts all, `firings` are the
    first 500; `trouble`: why it could not be judged, or not wholly."""

    count: int
    firings: list[FiringOut]
    looked_rows: int
    unreadable: int
    looked_until_utc_ms: int
    by_unit: dict[str, int]
    truncated: bool
    trouble: str


def _read(said: Any) -> Rule:
    try:
        return rule_of(said)
    except RuleError as err:
        raise HTTPException(422, str(err)) from None


def router(state: HubState) -> APIRouter:
    """The routes of docs/rules.md."""
    routes = APIRouter(tags=["rules"])
    part = state.safety.rules
    changing = asyncio.Lock()

    def seen(shown: Shown, me: Principal) -> int:
        """Of what stands, what is about somebody one sees, or about nobody."""
        rows, slots = state.units.rows, state.units.slot_by_id
        sees = me.audience.sees
        return sum(
            not said.units or any(unit in slots and sees(rows[slots[unit]].agency) for unit in said.units)
            for said in shown.standing
        )

    def out(shown: Shown, me: Principal) -> RuleOut:
        rule, changed = shown.rule, shown.changed
        return RuleOut(
            id=rule.id, kind=rule.kind, zh=rule.zh, en=rule.en, enabled=rule.enabled, priority=int(rule.rank),
            private=rule.is_private, origin=shown.origin,
            changed=None if changed is None else ChangedOut(by=changed.by, t_utc_ms=changed.t_utc_ms),
            standing=seen(shown, me), left_out=shown.left_out, trouble=shown.trouble, rule=as_map(rule),
        )  # fmt: skip

    def one(id: str, me: Principal) -> RuleOut:
        return next(out(shown, me) for shown in part.shown() if shown.rule.id == id)

    async def keep(rule: Rule, what: str, me: Principal) -> RuleOut:
        """Kept and recorded before it counts."""
        now_ms = state.clock.now_ms()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(state.readers, part.keep_change, rule, me.name, what, now_ms)
        part.change(rule, me.name, now_ms)
        return one(rule.id, me)

    @routes.get("/rules", dependencies=[needs(Permission.PICTURE)])
    async def rules(me: Principal = who) -> RulesOut:
        """Every rule, whose it is, and how many conditions of it stand."""
        return RulesOut(
            rules=[out(shown, me) for shown in part.shown()], file=part.file_name, errors=part.errors
        )

    @routes.get("/rules/schema", dependencies=[needs(Permission.PICTURE)])
    async def schema() -> dict[str, Any]:
        """JSON Schema of rules.toml; a rule of the API is one of `properties.rule.items`."""
        return rule_file.schema()

    @routes.post("/rules", dependencies=[needs(Permission.RULES, in_person=True)])
    async def add(asked: RuleIn, me: Principal = who) -> RuleOut:
        """A new rule. It counts at once."""
        rule = _read(asked.root)
        async with changing:
            if part.get(rule.id) is not None:
                raise HTTPException(409, f"rule {rule.id!r}: is there already; PUT changes it")
            if not part.has_room():
                raise HTTPException(409, f"at most {rule_file.RULES_MAX} rules")
            return await keep(rule, "rule added", me)

    @routes.post("/rules/try", dependencies=[needs(Permission.RULES)])
    async def dry_run(asked: TryIn, request: Request, me: Principal = who) -> TryOut:
        """How often, when, where and of whom it would have alarmed: the same judgement over what is in the log. Of
        units that one sees; of a rule about bodies, those whose bodies one may see."""
        rule = part.get(asked.rule) if isinstance(asked.rule, str) else _read(asked.rule)
        if rule is None:
            raise HTTPException(404, f"no rule {str(asked.rule)[:40]!r}")
        if not 0 <= asked.to - asked.from_ <= SPAN_MS_MAX:
            raise HTTPException(
                422, f"from {asked.from_} to {asked.to}: at most {SPAN_MS_MAX // 86_400_000} days, forwards"
            )
        if part.trying:
            raise HTTPException(429, "another dry run is under way", {"Retry-After": "5"})
        part.trying = True
        try:
            trial = await tried(Past(rule, asked.from_, asked.to, visible(rule, asked.units, me)), request)
        finally:
            part.trying = False
        found = asdict(trial.found)
        if me.audience.agencies is not None:  # words may name somebody who is not seen
            found["firings"] = [firing | {"zh": "", "en": ""} for firing in found["firings"]]
        return TryOut(**found, trouble=trial.trouble)

    def visible(rule: Rule, asked: list[str] | None, me: Principal) -> frozenset[str]:
        sees, body = me.audience.sees, me.audience.sees_body
        units = {
            row.id for row in state.units.rows if sees(row.agency) and (not rule.is_private or body(row.team))
        }
        return frozenset(units & set(asked)) if asked is not None else frozenset((*units, ""))

    async def tried(past: Past, request: Request) -> Trial:
        """Slice by slice, until it is done or nobody waits for it."""
        loop = asyncio.get_running_loop()
        trial = await loop.run_in_executor(state.readers, part.trial, past)
        while not await loop.run_in_executor(state.readers, trial.slice):
            if await request.is_disconnected():
                trial.close()
                raise HTTPException(409, "nobody waits for it any more")
            await asyncio.sleep(PAUSE_S)
        return trial

    @routes.put("/rules/{id}", dependencies=[needs(Permission.RULES, in_person=True)])
    async def change(id: Id, asked: RuleIn, me: Principal = who) -> RuleOut:
        """Change one, whole. It counts at once, over the file, until it is taken back."""
        rule = _read({"id": id, **asked.root})
        if rule.id != id:
            raise HTTPException(422, f"id = {rule.id!r}: another than {id!r}")
        async with changing:
            if part.get(id) is None:
                raise HTTPException(404, f"no rule {id[:40]!r}")
            return await keep(rule, "rule changed", me)

    @routes.delete("/rules/{id}", dependencies=[needs(Permission.RULES, in_person=True)])
    async def revert(id: Id, me: Principal = who) -> RulesOut:
        """Take back what was changed through the API: the file's rule counts again; one that was added is gone."""
        async with changing:
            if part.get(id) is None:
                raise HTTPException(404, f"no rule {id[:40]!r}")
            if not part.is_changed(id):
                raise HTTPException(
                    409, f"rule {id[:40]!r} is as in {part.file_name}: switch it off with enabled = false"
                )
            now_ms = state.clock.now_ms()
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(state.readers, part.keep_revert, id, me.name, now_ms)
            part.revert(id, now_ms)
        return await rules(me)

    return routes
