"""Who commands: keys of a shift, their transfer, the list devices get, and the all-clear of two people."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.identity.commanders import PROPOSED_MS, SHOWN_MAX, CommandError, Commanders, proof_bytes, verify
from hub.identity.permissions import ALLOWED, Permission, Principal, Role
from hub.store.interface import PersonRow
from hub.store.registry import SqliteRegistry
from protocols import orders
from protocols.errors import OrderError

REALM = "live"
HOUR_MS = 3_600_000


class Person:
    """Somebody with a browser: a key that never leaves it."""

    def __init__(self, name: str, role: Role) -> None:
        self.secret = Ed25519PrivateKey.generate()
        self.public = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = orders.key_id(self.public).hex()
        self.me = Principal(name, role, "", ("*",), "", "s1", ALLOWED[role], 2**50)

    @property
    def proof(self) -> bytes:
        return self.secret.sign(proof_bytes(self.me.name, REALM, self.public))

    def sign(self, core: bytes) -> bytes:
        return self.secret.sign(orders.signed_bytes(core))


class Post:
    """A command post: registry, clock, what screens and the watch were told."""

    def __init__(self, path: Path) -> None:
        self.now_ms = 1_795_000_000_000
        self.said: list[dict[str, Any]] = []
        self.alarms: list[tuple[str, str]] = []
        self.signer = Ed25519PrivateKey.generate()
        self.registry = SqliteRegistry(path / "registry.db")
        self.registry.open(self.now_ms)
        self.commanders = self.start()

    def start(self) -> Commanders:
        public = self.signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Commanders(
            self.registry, self.signer.sign, public, REALM, lambda: self.now_ms,
            lambda message, _: self.said.append(message), lambda *said: self.alarms.append(said),
        )  # fmt: skip

    def hire(self, name: str, role: Role) -> Person:
        self.registry.people.add_person(PersonRow(name, str(role), "", "*", "", "active"), self.now_ms)
        return Person(name, role)

    def begin(self, person: Person, **more: Any) -> int:
        return self.commanders.register(person.me, person.public, person.proof, 12, **more)

    def listed(self) -> orders.KeyList:
        """The newest list, as a device reads it."""
        public = self.signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return orders.open_list(self.commanders.standing.signed, public, REALM, verify)

    def core(self, person: Person, **other: Any) -> bytes:
        values: dict[str, Any] = {
            "id": "a1", "realm": REALM, "target": "all", "type": orders.OrderType.ALL_CLEAR, "body": {},
            "issuer": person.me.name, "role": str(person.me.role), "seq": self.commanders.next_seq,
            "not_before_utc_ms": self.now_ms, "expires_utc_ms": self.now_ms + HOUR_MS,
        }  # fmt: skip
        return orders.pack_order(orders.Order(**{**values, **other}))

    def propose(self, person: Person, core: bytes) -> Any:
        return self.commanders.propose(person.me, core, person.key_id, person.sign(core))


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path)
    yield made
    made.registry.close()


@pytest.fixture
def wang(post: Post) -> Person:
    return post.hire("王海", Role.COMMANDER)


@pytest.fixture
def li(post: Post) -> Person:
    return post.hire("李安", Role.SAFETY_OFFICER)


def refused(status: int, words: str, call: Callable[[], object]) -> None:
    with pytest.raises(CommandError) as err:
        call()
    assert (err.value.status, words in str(err.value)) == (status, True), str(err.value)


# --- keys ------------------------------------------------------------------------------------------------


def test_nobody_commands_at_first(post: Post) -> None:
    assert (post.commanders.standing.number, post.commanders.standing.keys) == (0, ())
    assert next(iter(post.commanders.greeting(Person("x", Role.MEMBER).me)))["keys"] == []


def test_a_shift_makes_a_list_that_devices_can_verify(post: Post, wang: Person) -> None:
    number = post.begin(wang)
    said = post.listed()
    assert said.number == number
    assert [(k.name, k.role, k.public, k.until_utc_ms) for k in said.keys] == [
        ("王海", "commander", wang.public, post.now_ms + 12 * HOUR_MS)
    ]
    assert post.said[-1]["list_number"] == number


def test_a_new_shift_ends_the_old_key(post: Post, wang: Person) -> None:
    first = post.begin(wang)
    again = Person("王海", Role.COMMANDER)
    assert post.begin(again) > first
    assert [k.public for k in post.listed().keys] == [again.public]
    refused(409, "each shift makes a new one", lambda: post.begin(wang))


def test_the_shift_ends_by_itself_and_the_list_empties(post: Post, wang: Person) -> None:
    first = post.begin(wang)
    post.now_ms += 12 * HOUR_MS + 1
    post.commanders.look()
    assert (post.listed().keys, post.listed().number > first) == ((), True)


@pytest.mark.parametrize("change", ["UPDATE users SET role = 'member'", "UPDATE users SET state = 'locked'"])
def test_who_may_not_command_any_more_loses_the_key(post: Post, wang: Person, change: str) -> None:
    post.begin(wang)
    post.registry._file.write(change)
    post.commanders.look()
    assert post.listed().keys == ()


def test_the_proof_is_of_this_person_realm_and_key(post: Post, wang: Person, li: Person) -> None:
    for proof in (
        li.proof,
        wang.secret.sign(proof_bytes("李安", REALM, wang.public)),
        wang.secret.sign(proof_bytes("王海", "drill", wang.public)),
        b"",
    ):
        refused(422, "proof", lambda p=proof: post.commanders.register(wang.me, wang.public, p, 12))  # type: ignore[misc]
    refused(422, "hours 25", lambda: post.commanders.register(wang.me, wang.public, wang.proof, 25))
    assert post.commanders.standing.number == 0


@pytest.mark.parametrize("role", [role for role in Role if Permission.ORDER not in ALLOWED[role]])
def test_other_roles_hold_no_key(post: Post, role: Role) -> None:
    refused(403, "may not order", lambda: post.begin(post.hire("x", role)))


def test_a_token_never_commands(post: Post, wang: Person) -> None:
    me = Principal(
        "王海", Role.COMMANDER, "", ("*",), "", "t1", ALLOWED[Role.COMMANDER], 2**50, is_token=True
    )
    refused(403, "may not order", lambda: post.commanders.register(me, wang.public, wang.proof, 12))


def test_transfer_of_command_takes_the_old_power_away(post: Post, wang: Person) -> None:
    chen = post.hire("陈明", Role.COMMANDER)
    post.begin(wang)
    held = post.listed()
    post.commanders.hand_over(wang.me, wang.key_id, "陈明")
    assert post.commanders.standing.keys[0].offered_to == "陈明"
    assert post.begin(chen, takes_over=wang.key_id) > held.number
    assert [k.name for k in post.listed().keys] == ["陈明"]
    core = post.core(wang, type=orders.OrderType.EVACUATE)
    said = [orders.Signature(bytes.fromhex(wang.key_id), wang.sign(core))]
    orders.check_signatures(core, said, held, verify, post.now_ms)  # it was good before
    with pytest.raises(OrderError, match="on no list"):
        orders.check_signatures(core, said, post.listed(), verify, post.now_ms)


def test_taking_over_unasked_needs_a_reason_and_alarms(post: Post, wang: Person) -> None:
    chen = post.hire("陈明", Role.COMMANDER)
    post.begin(wang)
    refused(403, "not offered to you", lambda: post.begin(chen, takes_over=wang.key_id))
    assert [k.name for k in post.listed().keys] == ["王海"], "nothing is done by half"
    post.begin(chen, takes_over=wang.key_id, reason="指挥员受伤，已送医院，由我接替")
    assert [k.name for k in post.listed().keys] == ["陈明"]
    assert [reason for reason, _ in post.alarms] == ["break_glass"]


def test_only_the_holder_offers_and_only_to_who_may(post: Post, wang: Person, li: Person) -> None:
    post.hire("周", Role.MEMBER)
    post.begin(wang)
    refused(403, "only the holder", lambda: post.commanders.hand_over(li.me, wang.key_id, "李安"))
    for to in ("周", "nobody", "王海"):
        refused(422, "not another person", lambda t=to: post.commanders.hand_over(wang.me, wang.key_id, t))  # type: ignore[misc]


def test_a_lost_computer(post: Post, wang: Person, li: Person) -> None:
    post.begin(wang)
    refused(403, "only its holder", lambda: post.commanders.end(li.me, wang.key_id))
    post.commanders.end(post.hire("root", Role.ADMINISTRATOR).me, wang.key_id)
    assert post.listed().keys == ()
    refused(404, "no key", lambda: post.commanders.end(wang.me, wang.key_id))


def test_a_restart_keeps_the_list_and_makes_none(post: Post, wang: Person) -> None:
    number = post.begin(wang)
    assert post.start().standing.number == number
    post.signer = Ed25519PrivateKey.generate()  # another master: devices know another signer
    assert post.start().standing.number > number


def test_the_number_grows_also_when_the_registry_was_lost(post: Post, wang: Person, tmp_path: Path) -> None:
    number = post.begin(wang)
    (tmp_path / "new").mkdir()
    new = Post(tmp_path / "new")
    new.now_ms = post.now_ms + 60_000
    assert new.begin(new.hire("王海", Role.COMMANDER)) > number
    new.registry.close()


# --- all-clear -------------------------------------------------------------------------------------------


def test_an_all_clear_names_no_zone(post: Post, wang: Person) -> None:
    post.begin(wang)
    with pytest.raises(CommandError, match="others are in a zone by now"):
        post.propose(wang, post.core(wang, target="zone:z1"))


def test_two_people_give_an_all_clear(post: Post, wang: Person, li: Person) -> None:
    post.begin(wang), post.begin(li)
    core = post.core(wang)
    row = post.propose(wang, core)
    assert (row.state, post.said[-1]["state"], post.said[-1]["by"]) == ("proposed", "proposed", ["王海"])
    row = post.commanders.sign_too(li.me, row.id, li.key_id, li.sign(core))
    assert (row.state, post.said[-1]["state"], post.said[-1]["by"]) == ("given", "given", ["王海", "李安"])
    said = [orders.Signature(bytes.fromhex(k), bytes.fromhex(s)) for k, s, _ in row.signatures]
    assert orders.check_signatures(core, said, post.listed(), verify, post.now_ms)[1] == ("王海", "李安")
    assert [what for _, _, _, what, *_ in post.registry.records()][-2:] == [
        "all-clear proposed",
        "all-clear given",
    ]
    assert post.registry.verify_records() is None
    assert post.alarms == []


def test_nobody_is_two_people(post: Post, wang: Person, li: Person) -> None:
    post.begin(wang), post.begin(li)
    core = post.core(wang)
    row = post.propose(wang, core)
    refused(
        403, "two people", lambda: post.commanders.sign_too(wang.me, row.id, wang.key_id, wang.sign(core))
    )
    refused(403, "not yours", lambda: post.commanders.sign_too(li.me, row.id, wang.key_id, wang.sign(core)))
    refused(422, "does not fit", lambda: post.commanders.sign_too(li.me, row.id, li.key_id, wang.sign(core)))
    assert post.commanders.all_clears()[0].state == "proposed"


def test_it_is_decided_once(post: Post, wang: Person, li: Person) -> None:
    post.begin(wang), post.begin(li)
    core = post.core(wang)
    row = post.propose(wang, core)
    post.commanders.sign_too(li.me, row.id, li.key_id, li.sign(core))
    refused(409, "given", lambda: post.commanders.sign_too(li.me, row.id, li.key_id, li.sign(core)))


def test_a_proposal_expires(post: Post, wang: Person, li: Person) -> None:
    post.begin(wang), post.begin(li)
    core = post.core(wang)
    row = post.propose(wang, core)
    post.now_ms += PROPOSED_MS + 1
    refused(409, "expired", lambda: post.commanders.sign_too(li.me, row.id, li.key_id, li.sign(core)))
    post.commanders.look()
    assert post.commanders.all_clears()[0].state == "expired"


def test_every_proposal_expires_however_many_wait(post: Post, wang: Person) -> None:
    post.begin(wang)
    rows = [post.propose(wang, post.core(wang)) for _ in range(SHOWN_MAX + 5)]
    post.now_ms += PROPOSED_MS + 1
    post.said.clear()
    post.commanders.look()
    assert {said["id"] for said in post.said if said["state"] == "expired"} == {row.id for row in rows}
    assert post.registry.trust.waiting_all_clears() == []


def test_a_screen_is_told_what_waits_also_behind_many_that_are_given(post: Post, wang: Person) -> None:
    post.begin(wang)
    waiting = post.propose(wang, post.core(wang))
    for _ in range(SHOWN_MAX):
        post.now_ms += 1
        post.propose(wang, post.core(wang, body={"break_glass": "安全员失联，现场已确认无危险"}))
    _, *told = post.commanders.greeting(wang.me)
    assert [said["id"] for said in told] == [waiting.id]


def test_the_first_signers_key_must_still_hold(post: Post, wang: Person, li: Person) -> None:
    post.begin(wang), post.begin(li)
    core = post.core(wang)
    row = post.propose(wang, core)
    post.commanders.end(wang.me, wang.key_id)
    refused(409, "on no list", lambda: post.commanders.sign_too(li.me, row.id, li.key_id, li.sign(core)))


def test_break_glass_is_given_at_once_recorded_and_alarmed(post: Post, wang: Person) -> None:
    post.begin(wang)
    core = post.core(wang, body={"break_glass": "安全员失联，现场已确认无危险"})
    assert post.propose(wang, core).state == "given"
    assert post.alarms == [("break_glass", "王海: 安全员失联，现场已确认无危险")]
    assert post.registry.records()[-1][3] == "all-clear given by one person"


@pytest.mark.parametrize(
    ("other", "status", "words"),
    [
        ({"body": {"break_glass": "因为"}}, 422, "reason"),
        ({"body": {"break_glass": 1}}, 422, "reason"),
        ({"realm": "drill"}, 422, "realm"),
        ({"type": 1}, 422, "all-clear"),
        ({"issuer": "李安"}, 422, "not yours"),
        ({"role": "safety-officer"}, 422, "not yours"),
        ({"seq": 5}, 409, "seq 5"),
        ({"seq": 2**53}, 409, "seq"),
        ({"expires_utc_ms": 1_795_000_000_000 + 25 * HOUR_MS}, 422, "times"),
        ({"not_before_utc_ms": 1_795_000_000_000 - HOUR_MS}, 422, "times"),
    ],
)
def test_a_wrong_all_clear(post: Post, wang: Person, other: dict[str, Any], status: int, words: str) -> None:
    post.begin(wang)
    core = post.core(wang, **other)
    refused(status, words, lambda: post.propose(wang, core))
    assert post.commanders.all_clears() == []


def test_a_number_is_used_once(post: Post, wang: Person) -> None:
    post.begin(wang)
    core = post.core(wang)
    post.propose(wang, core)
    refused(409, "seq", lambda: post.propose(wang, core))
    post.now_ms -= 3 * HOUR_MS  # the clock was set back
    assert post.commanders.next_seq > orders.open_order(core).seq
    post.propose(wang, post.core(wang))


def test_the_clock_goes_on_between_asking_and_signing(post: Post, wang: Person) -> None:
    post.begin(wang)
    core = post.core(wang)
    post.now_ms += 40_000
    assert post.propose(wang, core).state == "proposed"


def test_a_command_that_is_no_order(post: Post, wang: Person) -> None:
    post.begin(wang)
    for core in (b"", b"\xc1", b"\x93\x01\x02\x03", post.core(wang)[:-3]):
        refused(422, "order:", lambda c=core: post.propose(wang, c))  # type: ignore[misc]


# --- a hub above ------------------------------------------------------------------------------------------


@pytest.fixture
def below(post: Post, tmp_path: Path) -> Iterator[Post]:
    """A second post of the same family: the same signer."""
    folder = tmp_path / "below"
    folder.mkdir()
    made = Post(folder)
    made.signer = post.signer
    made.commanders = made.start()
    yield made
    made.registry.close()


def test_keys_of_the_hub_above_stand_on_the_list_below_until_they_end(post: Post, below: Post) -> None:
    high, low = post.hire("王海", Role.COMMANDER), below.hire("李安", Role.COMMANDER)
    below.begin(low)
    post.begin(high)
    below.now_ms += 1_000
    below.commanders.hear_above(post.commanders.standing.signed)
    assert {key.name for key in below.listed().keys} == {"王海", "李安"}
    number = below.commanders.standing.number
    below.commanders = below.start()
    assert below.commanders.standing.number == number, "kept over a restart, link or no link"
    post.now_ms += 5_000
    post.commanders.end(high.me, high.key_id)
    below.commanders.hear_above(post.commanders.standing.signed)
    assert {key.name for key in below.listed().keys} == {"李安"}


def test_a_list_that_both_agree_on_is_one_list(post: Post, below: Post) -> None:
    post.now_ms += 10_000
    post.begin(post.hire("王海", Role.COMMANDER))
    below.commanders.hear_above(post.commanders.standing.signed)
    assert below.commanders.standing.signed == post.commanders.standing.signed


def test_a_key_that_ended_here_does_not_come_back_by_an_echo(post: Post, below: Post) -> None:
    low = below.hire("李安", Role.COMMANDER)
    below.begin(low)
    post.commanders.hear_above(below.commanders.standing.signed)
    below.now_ms += 2_000
    below.commanders.end(low.me, low.key_id)
    below.commanders.hear_above(post.commanders.standing.signed)
    assert below.listed().keys == ()


def test_a_list_of_a_stranger_or_an_older_one_is_not_taken(post: Post, below: Post) -> None:
    stranger = Ed25519PrivateKey.generate()
    keys = orders.KeyList(9, REALM, 0, ())
    below.commanders.hear_above(orders.pack_list(keys, stranger.sign))
    below.commanders.hear_above(orders.pack_list(keys._replace(number=7), post.signer.sign))
    below.commanders.hear_above(orders.pack_list(keys._replace(number=6), post.signer.sign))
    assert below.commanders._above_list is not None
    assert below.commanders._above_list.number == 7
