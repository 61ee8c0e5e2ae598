"""Who commands: keys of a shift, their transfer, and the all-clear of two people. `hub.identity.commanders` decides."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from hub.api.guard import needs, who
from hub.identity.commanders import SHIFT_HOURS_MAX, said_of
from hub.identity.permissions import Permission, Principal
from hub.state import HubState

Hex = Annotated[str, Field(pattern="^([0-9a-f]{2})+$", max_length=8_192)]
KeyId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class KeyOut(BaseModel):
    """A commander's key that holds."""

    key_id: str
    name: str
    role: str
    from_utc_ms: int
    until_utc_ms: int
    offered_to: str
    mine: bool


class CommandersOut(BaseModel):
    """`behind`: enrolled devices heard of late that do not hold the newest list yet. `others`: who could take over."""

    list_number: int
    next_seq: int
    behind: int
    others: list[str]
    keys: list[KeyOut]


class KeyIn(BaseModel):
    """A new key of one's own. `proof`: its signature under `zhantu-key\\0` name `\\0` realm `\\0` public key."""

    public: Hex
    proof: Hex
    hours: int = Field(ge=1, le=SHIFT_HOURS_MAX)
    takes_over: KeyId | None = None
    reason: str = Field("", max_length=500)


class RegisteredOut(BaseModel):
    """The list that holds the new key."""

    key_id: str
    list_number: int


class HandoverIn(BaseModel):
    """Who shall command next."""

    to: str = Field(min_length=1, max_length=40)


class SignatureIn(BaseModel):
    """A signature over `zhantu-order\\0` and the order's bytes."""

    key_id: KeyId
    signature: Hex


class AllClearIn(SignatureIn):
    """An order of type all-clear as msgpack (docs/wire.md), with its first signature."""

    core: Hex


class AllClearOut(BaseModel):
    """`state`: proposed, given or expired. `by`: who signed, in order."""

    id: str
    state: str
    target: str
    by: list[str]
    break_glass: str | None
    core: str
    t: int
    expires_utc_ms: int


class AllClearsOut(BaseModel):
    """The newest first."""

    all_clears: list[AllClearOut]


def router(state: HubState) -> APIRouter:
    """The commander routes of docs/feed.md."""
    routes = APIRouter(tags=["command"])
    commanders = state.commanders

    def all_clear_out(row: Any) -> AllClearOut:
        return AllClearOut(**{name: value for name, value in said_of(row).items() if name != "k"})

    @routes.get("/commanders", dependencies=[needs(Permission.PICTURE)])
    def keys(me: Principal = who) -> CommandersOut:
        """The keys that may sign orders now, and the number of the list that devices get."""
        said: Any = commanders.message()
        held = [KeyOut(**key, mine=key["name"] == me.name) for key in said["keys"]]
        return CommandersOut(
            list_number=said["list_number"],
            next_seq=commanders.next_seq,
            behind=state.list_sender.behind(),
            others=[name for name in commanders.may_command() if name != me.name],
            keys=held,
        )

    @routes.post("/commanders", dependencies=[needs(Permission.ORDER, in_person=True)])
    def register(body: KeyIn, me: Principal = who) -> RegisteredOut:
        """Begin a shift: make a key the signed-in person's, until the shift ends."""
        public, proof = bytes.fromhex(body.public), bytes.fromhex(body.proof)
        number = commanders.register(me, public, proof, body.hours, body.takes_over, body.reason)
        (mine,) = [key for key in commanders.standing.keys if key.user == me.name]
        return RegisteredOut(key_id=mine.key_id, list_number=number)

    @routes.delete("/commanders/{key_id}", status_code=204, dependencies=[needs(in_person=True)])
    def end(key_id: str, me: Principal = who) -> None:
        """End a shift; an administrator may end the key of a lost computer."""
        commanders.end(me, key_id)

    @routes.post(
        "/commanders/{key_id}/handover",
        status_code=204,
        dependencies=[needs(Permission.ORDER, in_person=True)],
    )
    def hand_over(key_id: str, body: HandoverIn, me: Principal = who) -> None:
        """Offer command to another person, who takes it over by registering a key."""
        commanders.hand_over(me, key_id, body.to)

    @routes.get("/all-clears", dependencies=[needs(Permission.PICTURE)])
    def all_clears() -> AllClearsOut:
        """The newest all-clears with their signers."""
        return AllClearsOut(all_clears=[all_clear_out(row) for row in commanders.all_clears()])

    @routes.post("/all-clears", dependencies=[needs(Permission.ALL_CLEAR, in_person=True)])
    def propose(body: AllClearIn, me: Principal = who) -> AllClearOut:
        """Propose an all-clear. It is given when another person signs it too, within ten minutes; with a reason under
        `break_glass` at once, which is recorded and told to all."""
        core, signature = bytes.fromhex(body.core), bytes.fromhex(body.signature)
        return all_clear_out(commanders.propose(me, core, body.key_id, signature))

    @routes.post("/all-clears/{id}/sign", dependencies=[needs(Permission.ALL_CLEAR, in_person=True)])
    def sign_too(id: str, body: SignatureIn, me: Principal = who) -> AllClearOut:
        """Sign another person's all-clear: it is given."""
        return all_clear_out(commanders.sign_too(me, id, body.key_id, bytes.fromhex(body.signature)))

    return routes
