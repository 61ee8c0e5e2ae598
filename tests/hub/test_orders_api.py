"""Orders over HTTP: who may give which, forged and doubled ones, two people, and receipts that came as frames."""

from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.errors import StoreFull
from hub.identity.commanders import proof_bytes, verify
from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import Role
from hub.live.outbox_desk import NEEDS
from hub.state import HubState
from hub.store.interface import UnitRow
from protocols import frame, orders
from protocols.catalog import EventCode, Kind, Lane, Stream
from protocols.orders import Order, OrderType, What

T0 = 1_795_000_000_000
HOUR_MS = 3_600_000
MINE, FIRE = "矿山", "市消防"


@pytest.fixture
def field(bench: Any, state: HubState) -> Any:
    """Two units of all (7, 8: team A), one of the miners (21: team M), and a text of nobody."""
    bench.enrol(7, 8)
    bench.registry.enrol([(21, UnitRow("", "M21", "person", "mine", "M", 30, 300, MINE))], T0)
    bench.load()
    return bench


class Somebody:
    """A signed-in person at a browser, with a key when they begin a shift."""

    def __init__(
        self, state: HubState, browser: Any, name: str, role: Role, agency: str = "", team: str = "A"
    ):
        self.state, self.browser, self.name, self.role = state, browser, name, role
        sees = () if agency else ("*",)
        state.sign_in.accounts.put(Person(name, role, agency, sees, team, ACTIVE), "test", 1)
        began = state.sign_in.sign_in(state.sign_in.new_token(name))
        assert began is not None
        browser.jar.set("zhantu", began.cookie)
        self.secret = Ed25519PrivateKey.generate()
        self.public = self.secret.public_key().public_bytes_raw()
        self.key_id = orders.key_id(self.public).hex()

    def __call__(self, method: str, path: str, **body: Any) -> httpx.Response:
        more = {"json": body} if method != "GET" else {}
        answer: httpx.Response = self.browser(method, f"/api/v1{path}", **more)
        return answer

    def begin(self) -> "Somebody":
        proof = self.secret.sign(proof_bytes(self.name, "live", self.public))
        body = {"public": self.public.hex(), "proof": proof.hex(), "hours": 12}
        assert self("POST", "/commanders", **body).status_code == 200
        return self

    def core(self, type: OrderType = OrderType.EVACUATE, **other: Any) -> bytes:
        now_ms = self.state.clock.now_ms()
        values: dict[str, Any] = {
            "id": f"o{self.state.commanders.next_seq}", "realm": "live", "target": "all", "type": int(type), "body": {},
            "issuer": self.name, "role": str(self.role), "seq": self.state.commanders.next_seq,
            "not_before_utc_ms": now_ms, "expires_utc_ms": now_ms + HOUR_MS,
        }  # fmt: skip
        return orders.pack_order(Order(**{**values, **other}))

    def signature(self, core: bytes) -> dict[str, str]:
        return {"key_id": self.key_id, "signature": self.secret.sign(orders.signed_bytes(core)).hex()}

    def signed(self, core: bytes, **other: Any) -> httpx.Response:
        body = {"core": core.hex(), **self.signature(core), **other}
        return self("POST", "/orders/signed", **body)


@pytest.fixture
def people(state: HubState, new_browser: Any, field: Any) -> Any:
    def make(name: str, role: Role, **more: Any) -> Somebody:
        return Somebody(state, new_browser(), name, role, **more)

    return make


def words(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("detail", "")


def heard(bench: Any, device: int) -> list[tuple[Order, tuple[orders.Signature, ...]]]:
    """The orders that went to a device, as it reads them."""
    found = []
    for _, to, data in bench.down:
        if to == device:
            what, body = orders.unpack_down(data, bench.mac_key(device))
            if what == What.ORDER:
                core, said = orders.open_signed(body)
                found.append((orders.open_order(core), said))
    return found


def receipt(bench: Any, device: int, row: int, seq: int, code: int) -> None:
    values = {"event_code": int(code), "event_id": 1000 + row, "event_order": seq}
    more = {"kind": Kind.EVENT, "lane": Lane.RECEIPTS, "stream": Stream.EVENTS}
    bench.put(bench.frame(device, row, [values], **more))


# --- signed orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [OrderType.EVACUATE, OrderType.RETREAT])
def test_a_signed_order_reaches_everybody_as_it_was_signed(people: Any, field: Any, kind: OrderType) -> None:
    wang = people("王海", Role.COMMANDER).begin()
    core = wang.core(kind, body={"text": "东门集结"})
    answer = wang.signed(core)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["type"], said["by"], said["text"]) == (kind.name.lower(), ["王海"], "东门集结")
    assert [target["callsign"] for target in said["targets"]] == ["C7", "C8", "M21"]
    keys = orders.KeyList(
        1,
        "live",
        T0,
        (orders.CommanderKey(bytes.fromhex(wang.key_id), wang.public, "王海", "commander", 2**52),),
    )
    for device in (7, 8, 21):
        ((order, signatures),) = heard(field, device)
        assert orders.check_signatures(orders.pack_order(order), signatures, keys, verify, T0) == (
            order,
            ("王海",),
        )
    record = field.registry.records()[-1]
    assert (record[2], record[3]) == ("王海", f"order given: {kind.name.lower()}")
    assert core.hex() in str(record[4])
    assert field.registry.verify_records() is None


def test_what_is_forged_doubled_or_not_yours_is_refused(people: Any, field: Any) -> None:
    wang, li = people("王海", Role.COMMANDER).begin(), people("李安", Role.SAFETY_OFFICER)
    core = wang.core()
    forged = Ed25519PrivateKey.generate().sign(orders.signed_bytes(core)).hex()
    cases: list[tuple[httpx.Response, int, str]] = [
        (wang.signed(core, signature=forged), 422, "does not fit"),
        (wang.signed(core, signature=wang.secret.sign(core).hex()), 422, "does not fit"),
        (wang.signed(wang.core(issuer="李安")), 422, "not yours"),
        (wang.signed(wang.core(realm="drill")), 422, "realm"),
        (wang.signed(wang.core(OrderType.TEXT)), 422, "evacuation or retreat"),
        (wang.signed(wang.core(OrderType.ALL_CLEAR)), 422, "evacuation or retreat"),
        (wang.signed(wang.core(seq=T0 - HOUR_MS)), 409, "ask for it again"),
        (wang.signed(wang.core(seq=T0 + HOUR_MS)), 409, "ask for it again"),
        (wang.signed(wang.core(not_before_utc_ms=T0 - HOUR_MS)), 422, "clock"),
        (wang.signed(wang.core(target="u99")), 404, "no unit"),
        (wang.signed(wang.core(target="team:X")), 422, "nobody is meant"),
        (wang.signed(b"\x90"), 422, "at least 10"),
        (li.signed(core), 422, "not yours"),
        (li.signed(li.core()), 404, "no key"),
        (li.signed(li.core(), key_id=wang.key_id), 403, "key is of 王海"),
    ]
    for answer, status, detail in cases:
        assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), answer.text
    assert heard(field, 7) == []
    assert wang.signed(core).status_code == 200
    assert words(wang.signed(core))[0] == 409
    assert wang.signed(wang.core(id=orders.open_order(core).id)).status_code == 409


def test_a_key_that_ended_signs_nothing(people: Any, field: Any) -> None:
    wang = people("王海", Role.COMMANDER).begin()
    field.clock.now += 13 * HOUR_MS
    again = people("王海", Role.COMMANDER)
    again.secret, again.key_id = wang.secret, wang.key_id
    assert again.signed(again.core()).status_code == 404
    assert heard(field, 7) == []


def test_an_all_clear_goes_out_with_its_second_signature(people: Any, field: Any, state: HubState) -> None:
    wang, li = people("王海", Role.COMMANDER).begin(), people("李安", Role.SAFETY_OFFICER).begin()
    evacuate = wang.signed(wang.core()).json()["seq"]
    field.clock.now += 60_000
    core = wang.core(OrderType.ALL_CLEAR)
    proposed = wang("POST", "/all-clears", core=core.hex(), **wang.signature(core)).json()
    assert state.order_desk.adopt() == []
    assert words(wang("POST", f"/all-clears/{proposed['id']}/sign", **wang.signature(core)))[0] == 403
    assert li("POST", f"/all-clears/{proposed['id']}/sign", **li.signature(core)).json()["state"] == "given"
    (row,) = state.order_desk.adopt()
    state.outbox.add(row)
    state.outbox.step()
    order, signatures = heard(field, 7)[-1]
    assert (order.type, len(signatures)) == (OrderType.ALL_CLEAR, 2)
    assert state.order_desk.adopt() == []  # once
    assert {t["state"] for t in wang("GET", f"/orders/{evacuate}").json()["targets"]} == {"lifted"}
    assert field.registry.records()[-1][3] == "order given: all clear"


def test_break_glass_goes_out_at_once_and_an_unsigned_proposal_never(
    people: Any, field: Any, state: HubState
) -> None:
    wang = people("王海", Role.COMMANDER).begin()
    core = wang.core(OrderType.ALL_CLEAR)
    wang("POST", "/all-clears", core=core.hex(), **wang.signature(core))
    field.clock.now += 1_000
    lone = wang.core(OrderType.ALL_CLEAR, body={orders.BREAK_GLASS: "另一名指挥员失去联系，现场已确认安全"})
    wang("POST", "/all-clears", core=lone.hex(), **wang.signature(lone))
    (row,) = state.order_desk.adopt()
    assert row.core == lone
    field.clock.now += 20 * 60_000
    state.commanders.look()
    state.outbox.add(row)
    assert [order["type"] for order in wang("GET", "/orders").json()["orders"]] == ["all_clear"]


# --- the hub's own word ------------------------------------------------------------------------------------

GIVEN: dict[OrderType, tuple[str, dict[str, Any]]] = {
    OrderType.TEXT: ("/orders", {"type": "text", "text": "收到请回复"}),
    OrderType.ROLL_CALL: ("/orders", {"type": "roll_call", "text": "14:00 点名"}),
    OrderType.TASK: ("/orders/task", {"text": "搜索三层", "lat": 36.65, "lon": 117.0}),
    OrderType.CONFIG: ("/orders/config", {"changes": {"pace.still_s": 30}, "confirm_s": 120}),
}


@pytest.mark.parametrize("role", Role)
def test_who_may_give_what(people: Any, role: Role) -> None:
    me = people("某人", role, team="A")
    for kind, (path, body) in GIVEN.items():
        answer = me("POST", path, target="team:A", **body)
        allowed = any(
            permission in me.state.sign_in.session(me.browser.jar["zhantu"]).allowed
            for permission in NEEDS[kind]
        )
        assert answer.status_code == (200 if allowed else 403), (role, kind, answer.text)


def test_a_team_leader_speaks_to_the_own_team_only(people: Any, field: Any) -> None:
    leader = people("张强", Role.TEAM_LEADER, team="A")
    path, body = GIVEN[OrderType.ROLL_CALL]
    assert leader("POST", path, target="team:A", **body).status_code == 200
    assert words(leader("POST", path, target="all", **body)) == (403, "not all of these are of your team")
    assert heard(field, 21) == []


def test_other_agencies_are_neither_ordered_nor_seen(people: Any, field: Any) -> None:
    fire, mine = people("火", Role.DISPATCHER, agency=FIRE), people("矿", Role.DISPATCHER, agency=MINE)
    said = fire("POST", "/orders", type="text", target="all", text="火警").json()
    assert [target["callsign"] for target in said["targets"]] == ["C7", "C8"]
    assert fire("POST", "/orders", type="text", target="u3", text="火警").status_code == 422
    secret = mine("POST", "/orders", type="text", target="u3", text="井下").json()
    assert words(fire("GET", f"/orders/{secret['seq']}"))[0] == 404
    assert [order["text"] for order in fire("GET", "/orders").json()["orders"]] == ["火警"]
    assert [order["text"] for order in mine("GET", "/orders").json()["orders"]] == ["井下", "火警"]


def test_several_units_by_name(people: Any, field: Any) -> None:
    me = people("调", Role.DISPATCHER)
    said = me("POST", "/orders", type="text", target="units:u2,u1,u2", text="两人").json()
    assert [target["unit"] for target in said["targets"]] == ["u2", "u1"]
    many = "units:" + ",".join(f"u{i}" for i in range(201))
    assert words(me("POST", "/orders", type="text", target=many, text="x"))[0] == 422
    for text in ("", "  ", "a\x00b", "长" * 501):
        assert me("POST", "/orders", type="text", target="all", text=text).status_code == 422


def test_a_configuration_is_signed_by_the_hub_and_its_version_only_rises(
    people: Any, field: Any, state: HubState
) -> None:
    me = people("技", Role.TECHNICIAN)
    path, body = GIVEN[OrderType.CONFIG]
    for _ in range(2):
        me("POST", path, target="u1", **body)
    (first, said), (second, _) = heard(field, 7)
    assert first.body["version"] == first.seq < second.body["version"]
    (signature,) = said
    assert signature.key_id == orders.key_id(state.authority.signer)
    assert verify(state.authority.signer, orders.signed_bytes(orders.pack_order(first)), signature.signature)


def test_on_a_full_disk_people_leave_all_the_same_and_it_is_written_later(
    people: Any, field: Any, state: HubState, monkeypatch: pytest.MonkeyPatch
) -> None:
    wang, me = people("王海", Role.COMMANDER).begin(), people("调", Role.DISPATCHER)

    def full(*_: object) -> None:
        raise StoreFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(field.registry.orders, "add", full)
        assert words(me("POST", "/orders", type="text", target="all", text="回"))[0] == 503
        seq = wang.signed(wang.core()).json()["seq"]
        with pytest.raises(StoreFull):
            state.order_desk.write_late()
    assert [order.seq for order, _ in heard(field, 7)] == [seq]
    assert "order given" not in str(field.registry.records())
    field.clock.now += 5_000
    text = me("POST", "/orders", type="text", target="all", text="回").json()["seq"]
    state.order_desk.write_late()
    state.order_desk.write_late()
    assert [row.seq for row in field.registry.orders.newest(9, (), 0)] == [seq, text]
    assert state.commanders.next_seq > text
    assert field.registry.records()[-1][3] == "order given: evacuate"


# --- what comes back ---------------------------------------------------------------------------------------


def test_receipts_come_as_frames_and_are_no_events(people: Any, field: Any, state: HubState) -> None:
    me = people("调", Role.DISPATCHER)
    seq = me("POST", "/orders/task", target="team:A", text="搜索三层").json()["seq"]
    receipt(field, 7, 0, seq, EventCode.RECEIVED)
    receipt(field, 7, 1, seq, EventCode.SHOWN)
    field.clock.now += 5_000
    receipt(field, 7, 2, seq, EventCode.ACCEPTED)
    receipt(field, 21, 0, seq, EventCode.DONE)  # not one of its targets
    said = {t["callsign"]: t for t in me("GET", f"/orders/{seq}").json()["targets"]}
    assert (said["C7"]["state"], said["C7"]["accepted"], said["C8"]["state"]) == (
        "accepted", [T0 + 5_000, T0 + 5_000], "sent",
    )  # fmt: skip
    assert state.outbox.strange_receipts == 1
    assert list(state.ingest.events.all()) == []
    state.outbox.keep(state.outbox.unkept())
    assert len(field.registry.orders.receipts(seq)) == 3


def test_what_the_registry_missed_comes_out_of_the_log(people: Any, field: Any, state: HubState) -> None:
    """Killed between the commit of a frame and the registry: the device was acknowledged, and says it no more."""
    seq = people("调", Role.DISPATCHER)("POST", "/orders", type="text", target="all", text="回").json()["seq"]
    receipt(field, 7, 0, seq, EventCode.RECEIVED)
    state.outbox.unkept()  # lost
    outbox = type(state.outbox)(
        field.registry.orders, field.units, field.picture, field.keys, field.ingest.paths, field.clock
    )
    outbox.load()
    field.ingest.take_receipt = outbox.take
    field.ingest.restore(field.log.events())
    field.down.clear()
    outbox.step()
    assert {device for _, device, _ in field.down} == {8, 21}


def test_texts_of_wearers(people: Any, field: Any, state: HubState) -> None:
    def write(row: int, text: str, device: int = 7) -> None:
        data = frame.pack_text(
            field.mac_key(device),
            device=device,
            boot=5,
            row=row,
            t_mono_ms=1_000 * row,
            text=text,
            utc_zero_ms=T0,
        )
        field.put((field.topic(device, Lane.RECEIPTS), data))

    write(1, "二层已搜完")
    write(0, "进入二层")
    write(0, "进入二层")
    write(0, "井下", device=21)
    me, fire = people("调", Role.DISPATCHER), people("火", Role.DISPATCHER, agency=FIRE)
    assert [t["text"] for t in me("GET", "/texts?unit=u1").json()["texts"]] == ["进入二层", "二层已搜完"]
    assert {t["text"] for t in fire("GET", "/texts").json()["texts"]} == {"进入二层", "二层已搜完"}
    assert len(me("GET", "/texts").json()["texts"]) == 3
    field.restart()
    field.ingest.restore(reversed(list(field.log.texts(0, 100))))
    assert [t.text for t in field.ingest.texts.all() if t.unit == "u1"] == ["进入二层", "二层已搜完"]
    assert field.ingest.texts.take_fresh() == []
