"""The outbox: sent until the receipt, never after it; receipts in any order; a restart keeps everything."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.identity.keys import KeyRing
from hub.identity.permissions import ALLOWED, Audience, Principal, Role
from hub.live.outbox import KEPT_MAX, SENDS_MAX, Outbox
from hub.live.outbox_screen import OrderScreen
from hub.live.outbox_sending import (
    AGAIN_MS,
    FAST_FOR_MS,
    FAST_MS,
    NARROW_AFTER,
    SLOW_FOR_MS,
    SLOW_MS,
)
from hub.live.outbox_state import WORDS, Receipt, merge, word
from hub.live.paths import NARROW_MS, Paths, Way
from hub.live.picture import Picture
from hub.live.texts import Texts, TextUp
from hub.live.units import Units
from hub.store.interface import UnitRow
from hub.store.orders import CarrierRow, OrderRow
from hub.store.registry import SqliteRegistry
from protocols import orders, relay, topics
from protocols.brief import is_broadcast, open_brief, pack_broadcast
from protocols.catalog import FIELDS_BY_NAME, Bearer, EventCode
from protocols.orders import Order, OrderType, What

T0 = 1_795_000_000_000
MINUTE_MS = 60_000
EVERYBODY = Audience(None, "all")
CODE, ORDER = (FIELDS_BY_NAME[name].bit for name in ("event_code", "event_order"))


class Post:
    """An outbox on a real registry, with devices that hear it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ms = T0
        self.down: list[tuple[str, int, bytes]] = []
        self.keys = KeyRing(bytes(range(32)), "live")
        self.open()

    def open(self) -> None:
        self.registry = SqliteRegistry(self.folder / "registry.db")
        self.registry.open(self.now_ms)
        self.picture = Picture(4)
        self.units = Units(self.picture)
        self.paths = Paths(
            lambda topic, device, data: self.down.append((topic("live", device), device, data))
        )
        self.load()
        self.outbox = Outbox(
            self.registry.orders, self.units, self.picture, self.keys, self.paths, lambda: self.now_ms,
            lambda order: pack_broadcast(order, lambda data: bytes(64)),
        )  # fmt: skip
        self.outbox.load()
        self.screen = OrderScreen(self.outbox, Texts(), self.units, lambda: self.now_ms)

    def load(self) -> None:
        self.keys.replace(self.registry.devices.epochs(), self.registry.devices.all_epochs())
        self.units.load(self.registry.units(), self.registry.bindings())

    def restart(self) -> None:
        """As after a kill: only what is on disk is known."""
        self.registry.close()
        self.open()

    def enrol(self, *devices: int, team: str = "A") -> None:
        entries = [(d, UnitRow("", f"C{d}", "person", "fire", team, 30, 300)) for d in devices]
        self.registry.enrol(entries, self.now_ms)
        self.load()

    def give(
        self, type: OrderType = OrderType.TEXT, units: tuple[str, ...] | None = None, **more: Any
    ) -> int:
        """An order to these units, all by default; its number."""
        seq = more.pop("seq", self.now_ms)
        values: dict[str, Any] = {
            "target": "all",
            "body": {"text": "撤到集结点"},
            "issuer": "王海",
            "role": "commander",
        }
        values |= {"not_before_utc_ms": self.now_ms, "expires_utc_ms": self.now_ms + 12 * 60 * MINUTE_MS}
        order = Order(id=f"o{seq}", realm="live", type=int(type), seq=seq, **{**values, **more})
        meant = tuple(row.id for row in self.units.rows) if units is None else units
        signed = [("ab" * 8, "cd" * 64, "王海")] if type in orders.SIGNED else []
        row = OrderRow(seq, order.id, int(type), orders.pack_order(order), signed, self.now_ms, "", meant)
        devices = self.units.devices_now()
        carriers = [
            CarrierRow(seq, device, self.units.rows[slot].id)
            for slot, carried in devices.items()
            for device in carried
            if self.units.rows[slot].id in meant
        ]
        self.registry.orders.add(row, carriers)
        self.outbox.add(row)
        return int(seq)

    def receipt(self, device: int, seq: int | None, code: int, t_ms: int | None = None) -> bool:
        values: dict[int, int | None] = {CODE: int(code), ORDER: seq}
        return self.outbox.take(device, values, self.now_ms if t_ms is None else t_ms, self.now_ms)

    def hear(self, *devices: int) -> None:
        for device in devices:
            slot = self.units.slot_at(device, self.now_ms)
            self.picture.t_rx[slot] = self.now_ms
            self.paths.note_own(device, self.now_ms)

    def run(self, ms: int, every_ms: int = 250) -> list[int]:
        """Step on; to which devices something was sent, in order."""
        before = len(self.down)
        for _ in range(0, ms, every_ms):
            self.outbox.step()
            self.now_ms += every_ms
        return [device for _, device, _ in self.down[before:]]

    def keep(self) -> None:
        self.outbox.keep(self.outbox.unkept())

    def states(self, seq: int) -> dict[str, Any]:
        entry = self.outbox.entry(seq)
        assert entry is not None
        said = self.screen.order(entry, EVERYBODY)
        assert said is not None
        return {target["unit"]: target for target in said["targets"]}

    def state(self, seq: int, unit: str = "u1") -> str:
        return str(self.states(seq)[unit]["state"])

    def opened(self, at: int = -1) -> tuple[int, bytes]:
        """(what, body) of a message that was sent, as the device reads it."""
        _, device, data = self.down[at]
        key = self.keys.get(device)
        assert key is not None
        return orders.unpack_down(data, key)


@pytest.fixture
def posts(tmp_path: Path) -> Iterator[Callable[[], Post]]:
    made: list[Post] = []

    def new() -> Post:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Post(folder))
        made[-1].enrol(7, 8)
        return made[-1]

    yield new
    for one in made:
        one.registry.close()


@pytest.fixture
def post(posts: Callable[[], Post]) -> Post:
    return posts()


# --- sending ---------------------------------------------------------------------------------------------


def test_what_is_sent_is_what_was_signed(post: Post) -> None:
    seq = post.give(OrderType.EVACUATE, ("u1",))
    assert post.run(250) == [7]
    topic, _, _ = post.down[0]
    what, body = post.opened()
    core, signatures = orders.open_signed(body)
    assert (topic, what) == (topics.orders("live", 7), What.ORDER)
    assert signatures == (orders.Signature(bytes.fromhex("ab" * 8), bytes.fromhex("cd" * 64)),)
    assert orders.open_order(core).seq == seq


def test_fast_then_slow_then_only_when_it_is_heard(post: Post) -> None:
    seq = post.give(units=("u1",))
    assert len(post.run(FAST_FOR_MS)) == FAST_FOR_MS // FAST_MS
    slow = len(post.run(SLOW_FOR_MS - FAST_FOR_MS))
    assert slow == pytest.approx((SLOW_FOR_MS - FAST_FOR_MS) / SLOW_MS, abs=1)
    assert post.run(10 * MINUTE_MS, 1_000) == []  # silent: nothing is wasted on it
    post.hear(7)
    assert post.run(5_000) == [7]
    assert post.run(AGAIN_MS, 1_000) == []  # once for each time that it was heard
    post.hear(7)
    assert post.run(5_000) == [7]
    assert post.state(seq) == "sent"


@pytest.mark.parametrize("code", list(WORDS))
def test_no_receipt_no_rest_and_after_it_nothing(post: Post, code: EventCode) -> None:
    seq = post.give(OrderType.EVACUATE)
    assert set(post.run(1_000)) == {7, 8}
    assert post.receipt(7, seq, code)
    assert set(post.run(20_000)) == {8}
    post.receipt(8, seq, code)
    post.hear(7, 8)
    assert post.run(15 * MINUTE_MS, 1_000) == []


def test_a_text_ends_with_its_time_and_an_evacuation_does_not(post: Post) -> None:
    text = post.give(expires_utc_ms=post.now_ms + MINUTE_MS)
    post.run(250)
    evacuate = post.give(OrderType.EVACUATE, seq=text + 1, expires_utc_ms=post.now_ms + MINUTE_MS)
    post.now_ms += 24 * 60 * MINUTE_MS
    post.hear(7, 8)
    assert sorted(post.run(5_000)) == [7, 8]
    assert (post.state(text), post.state(evacuate)) == ("expired", "sent")


def test_a_newer_all_clear_ends_an_evacuation_where_it_holds(post: Post) -> None:
    evacuate = post.give(OrderType.EVACUATE)
    post.run(250)
    post.now_ms += 1_000
    clear = post.give(OrderType.ALL_CLEAR, ("u1",))
    sent = post.run(10_000)
    assert {
        orders.open_order(orders.open_signed(post.opened(i)[1])[0]).seq for i in range(-len(sent), 0)
    } == {
        evacuate,
        clear,
    }
    assert (post.state(evacuate), post.state(evacuate, "u2")) == ("lifted", "sent")
    post.receipt(7, clear, EventCode.RECEIVED)
    assert set(post.run(10_000)) == {8}


def test_an_evacuation_after_an_all_clear_stands(post: Post) -> None:
    post.give(OrderType.ALL_CLEAR)
    post.now_ms += 1_000
    evacuate = post.give(OrderType.EVACUATE)
    post.run(250)
    assert post.state(evacuate) == "sent"


def test_five_hundred_devices_are_no_burst_and_the_gravest_goes_first(post: Post) -> None:
    post.enrol(*range(100, 600))
    post.give(OrderType.TEXT)
    evacuate = post.give(OrderType.EVACUATE, seq=post.now_ms + 1)
    steps = []
    for _ in range(6):
        before = len(post.down)
        post.outbox.step()
        post.now_ms += 250
        steps.append(len(post.down) - before)
    assert steps == [SENDS_MAX] * 6
    told = [orders.open_order(orders.open_signed(post.opened(i)[1])[0]).seq for i in range(502)]
    assert (set(told), len({device for _, device, _ in post.down[:502]})) == ({evacuate}, 502)


def test_a_device_that_comes_to_a_targeted_unit_later_is_told_too(post: Post) -> None:
    post.enrol(9, team="B")
    seq = post.give(units=("u1",))
    assert set(post.run(1_000)) == {7}
    post.now_ms += 30 * MINUTE_MS
    post.registry.bind(9, "u1", post.now_ms)
    post.load()
    post.outbox.look()
    assert set(post.run(1_000)) == {9}
    post.keep()
    post.restart()
    post.receipt(9, seq, EventCode.RECEIVED)
    assert post.state(seq) == "received"


def test_a_device_that_left_its_unit_hears_no_more(post: Post) -> None:
    seq = post.give(units=("u1",))
    post.registry.unbind(7, post.now_ms)
    post.load()
    post.outbox.look()
    assert post.run(10_000) == []
    assert post.receipt(7, seq, EventCode.RECEIVED)
    assert post.state(seq) == "received"


def test_a_unit_without_a_device_is_in_the_count(post: Post) -> None:
    post.registry.unbind(8, post.now_ms)
    post.load()
    seq = post.give(OrderType.EVACUATE)
    assert (post.state(seq), post.state(seq, "u2")) == ("waiting", "no_device")


def test_a_clock_that_is_set_back_silences_nothing(post: Post) -> None:
    post.give(OrderType.EVACUATE, ("u1",))
    post.run(1_000)
    post.now_ms -= 60 * MINUTE_MS
    assert len(post.run(10_000)) >= 4


def test_when_the_key_of_the_signer_ends_an_evacuation_goes_on_in_brief_and_an_all_clear_stops(
    post: Post,
) -> None:
    seq = post.give(OrderType.EVACUATE, ("u1",))
    post.give(OrderType.ALL_CLEAR, ("u2",), seq=seq + 1)
    assert sorted(post.run(250)) == [7, 8]
    post.outbox.sending.holds = lambda _key_id: False
    post.now_ms += 30 * MINUTE_MS
    post.hear(7, 8)
    assert post.run(5_000) == [7]
    what, body = post.opened()
    assert (what, open_brief(body).seq, open_brief(body).type) == (What.BRIEF, seq, OrderType.EVACUATE)


# --- ways of few bytes -----------------------------------------------------------------------------------


def back(post: Post) -> list[int]:
    """What went to the relay 50 for the device behind it."""
    found = []
    for topic, _, data in post.down:
        if topic == topics.back("live", 50):
            said = relay.unpack_back(data)
            if said.device == relay.EVERYBODY:
                assert is_broadcast(said.data)
                found.append(0)
                continue
            key = post.keys.get(said.device)
            assert key is not None
            found.append(orders.unpack_down(said.data, key)[0])
    return found


def test_a_device_behind_a_narrow_way_gets_the_short_form_once_a_minute(post: Post) -> None:
    post.give(OrderType.EVACUATE, ("u1",))
    post.paths.note(7, Way(Bearer.RDSS, relay=50), post.now_ms, fresh=True)
    post.run(NARROW_MS - 1_000)
    assert back(post) == [What.BRIEF]
    post.run(2 * FAST_MS + SLOW_MS)
    assert back(post) == [What.BRIEF, What.BRIEF]


def test_while_a_wide_way_works_the_narrow_one_is_left_alone_at_first(post: Post) -> None:
    post.give(OrderType.EVACUATE, ("u1",))
    post.paths.note(7, Way(Bearer.MESH, relay=50), post.now_ms, fresh=True)
    post.hear(7)
    post.run(NARROW_AFTER * FAST_MS)
    assert back(post) == []
    post.run(2 * FAST_MS)
    assert back(post) == [What.BRIEF]


def test_what_has_no_short_form_goes_whole_if_it_is_small(post: Post) -> None:
    post.paths.note(7, Way(Bearer.MESH, relay=50), post.now_ms, fresh=True)
    post.give(OrderType.TASK, ("u1",), body={"text": "回"})
    post.run(250)
    assert back(post) == [What.ORDER]
    post.give(OrderType.TASK, ("u1",), body={"text": "回" * 100}, seq=post.now_ms + 5)
    post.run(250)
    assert back(post) == [What.ORDER]


def test_a_text_is_cut_for_a_narrow_way(post: Post) -> None:
    post.paths.note(7, Way(Bearer.MESH, relay=50), post.now_ms, fresh=True)
    seq = post.give(OrderType.TEXT, ("u1",), body={"text": "从东侧楼梯撤到一层大厅集结点"})
    post.run(250)
    what, body = orders.unpack_down(relay.unpack_back(post.down[-1][2]).data, post.keys.get(7))  # type: ignore[arg-type]
    assert (what, open_brief(body).seq, open_brief(body).text[-1]) == (What.BRIEF, seq, "…")


def test_a_mass_evacuation_is_one_broadcast_a_relay_and_then_one_by_one(post: Post) -> None:
    for device in (7, 8):
        post.paths.note(device, Way(Bearer.RDSS, relay=50), post.now_ms, fresh=True)
    post.give(OrderType.EVACUATE)
    post.run(3 * MINUTE_MS, 1_000)
    assert back(post) == [0, 0, 0]
    for device in (7, 8):
        post.paths.note(device, Way(Bearer.RDSS, relay=50), post.now_ms, fresh=True)
    post.run(3 * MINUTE_MS, 1_000)
    assert {0, What.BRIEF} == set(back(post)[3:])


@pytest.mark.parametrize("target", ["units:u1,u2", "all"])
def test_a_broadcast_never_reaches_who_is_not_meant(post: Post, target: str) -> None:
    post.enrol(9)
    for device in (7, 8):
        post.paths.note(device, Way(Bearer.RDSS, relay=50), post.now_ms, fresh=True)
    post.give(OrderType.EVACUATE, ("u1", "u2"), target=target)
    post.run(MINUTE_MS, 1_000)
    assert set(back(post)) == {What.BRIEF}


def test_other_messages_take_a_narrow_way_once_a_minute_and_only_if_they_are_short(post: Post) -> None:
    post.paths.note(7, Way(Bearer.RDSS, relay=50), post.now_ms, fresh=True)
    key = post.keys.get(7)
    assert key is not None
    short, long = orders.pack_down(What.SEEN, bytes(60), key), orders.pack_down(What.KEYS, bytes(600), key)
    for _ in range(30):
        post.paths.send(7, short, post.now_ms)
        post.paths.send(7, long, post.now_ms)
        post.now_ms += 5_000
    assert back(post) == [What.SEEN] * 3


# --- receipts --------------------------------------------------------------------------------------------

RECEIPTS = st.lists(
    st.tuples(st.sampled_from([7, 8, 9]), st.sampled_from(list(WORDS)), st.integers(0, 5)), max_size=12
)


@settings(max_examples=60)
@given(said=RECEIPTS, data=st.data())
def test_receipts_in_any_order_and_number_end_in_one_state(
    said: list[tuple[int, EventCode, int]], data: st.DataObject
) -> None:
    def end(rows: list[tuple[int, EventCode, int]]) -> list[Any]:
        held: dict[int, dict[int, Receipt]] = {7: {}, 8: {}, 9: {}}
        for device, code, t in rows:
            merge(held[device], code, Receipt(T0 + t, T0 + t))
        return [(device, sorted(of.items()), word(of)) for device, of in held.items()]

    shuffled = data.draw(st.permutations(said + said))
    assert end(said) == end(shuffled)


@settings(max_examples=25)
@given(steps=st.lists(st.sampled_from(["step", "7", "8", "keep", "restart", "hear", "wait"]), max_size=25))
def test_after_the_receipt_it_is_never_sent_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    post = Post(tmp_path_factory.mktemp("post"))
    try:
        post.enrol(7, 8)
        seq = post.give(OrderType.EVACUATE)
        told: set[int] = set()
        kept: set[int] = set()
        for step in steps:
            before = len(post.down)
            if step in ("7", "8"):
                post.receipt(int(step), seq, EventCode.RECEIVED)
                told.add(int(step))
            elif step == "keep":
                post.keep()
                kept |= told
            elif step == "restart":
                post.restart()
                told = set(kept)  # the log brings the others back: see test_orders_flow
            elif step == "hear":
                post.hear(7, 8)
            post.now_ms += {"wait": 11 * MINUTE_MS}.get(step, 2_000)
            post.outbox.step()
            assert not {device for _, device, _ in post.down[before:]} & told
        assert {post.state(seq, f"u{d - 6}") for d in told} <= {"received"}
    finally:
        post.registry.close()


def test_every_word_in_its_place(post: Post) -> None:
    seq = post.give(OrderType.TASK, ("u1",))
    assert post.state(seq) == "waiting"
    post.run(250)
    seen = [post.state(seq)]
    for code in (
        EventCode.RECEIVED, EventCode.SHOWN, EventCode.ACCEPTED, EventCode.REFUSED, EventCode.ACCEPTED, EventCode.DONE,
    ):  # fmt: skip
        post.now_ms += 1_000
        post.receipt(7, seq, code)
        seen.append(post.state(seq))
    assert seen == ["sent", "received", "shown", "accepted", "refused", "accepted", "done"]
    said = post.states(seq)["u1"]
    assert (said["received"], said["done"][1] - said["shown"][1]) == ([T0 + 1_250, T0 + 1_250], 4_000)


def test_what_nobody_asked_for_is_counted_and_kept_out(post: Post) -> None:
    seq = post.give(units=("u1",))
    assert post.receipt(8, seq, EventCode.RECEIVED)  # no target
    assert post.receipt(7, 12345, EventCode.DONE)  # no order
    assert (post.outbox.strange_receipts, post.outbox.receipts, post.state(seq)) == (2, 0, "waiting")
    assert not post.receipt(7, seq, EventCode.SOS)  # an alarm is an alarm
    assert not post.receipt(7, None, EventCode.ACCEPTED)  # about nothing: an event as ever


def test_a_gesture_answers_the_roll_call_that_is_open(post: Post) -> None:
    first = post.give(OrderType.ROLL_CALL, expires_utc_ms=post.now_ms + 10 * MINUTE_MS)
    post.now_ms += MINUTE_MS
    second = post.give(OrderType.ROLL_CALL, ("u1",), expires_utc_ms=post.now_ms + 10 * MINUTE_MS)
    assert not post.receipt(7, None, EventCode.ROLL_CALL)
    assert (post.state(first), post.state(second)) == ("waiting", "answered")
    post.now_ms += 60 * MINUTE_MS
    post.receipt(8, None, EventCode.ROLL_CALL)
    assert post.state(first, "u2") == "expired"


def test_a_restart_keeps_orders_receipts_and_who_was_not_reached(post: Post) -> None:
    task, evacuate = post.give(OrderType.TASK), post.give(OrderType.EVACUATE, seq=post.now_ms + 1)
    post.run(1_000)
    post.receipt(7, task, EventCode.ACCEPTED)
    post.receipt(8, evacuate, EventCode.SHOWN)
    before = post.states(task), post.states(evacuate)
    post.keep()
    post.restart()
    after = post.states(task), post.states(evacuate)
    for was, now in zip(before, after, strict=True):
        assert {u: {**s, "sent": 0, "state": ""} for u, s in was.items()} == {
            u: {**s, "sent": 0, "state": ""} for u, s in now.items()
        }
    assert sorted(post.run(500)) == [7, 8]  # the evacuation to 7, the task to 8, at once


def test_writing_that_fails_is_tried_again(post: Post) -> None:
    seq = post.give()
    post.receipt(7, seq, EventCode.RECEIVED)
    some = post.outbox.unkept()
    post.registry.close()
    with pytest.raises(AssertionError):
        post.outbox.keep(some)
    post.registry.open(post.now_ms)
    post.keep()
    assert [r.code for r in post.registry.orders.receipts(seq)] == [EventCode.RECEIVED]


def test_why_settings_were_refused_is_kept(post: Post) -> None:
    seq = post.give(OrderType.CONFIG, ("u1",))
    values: dict[int, int | None] = {
        CODE: int(EventCode.REFUSED),
        ORDER: seq,
        FIELDS_BY_NAME["event_value"].bit: 3,
    }
    post.outbox.take(7, values, post.now_ms, post.now_ms)
    post.keep()
    post.restart()
    assert (post.states(seq)["u1"]["state"], post.states(seq)["u1"]["why"]) == ("refused", 3)


def test_memory_is_bounded_and_an_open_evacuation_stays(post: Post) -> None:
    evacuate = post.give(OrderType.EVACUATE)
    for i in range(1, KEPT_MAX + 20):
        post.give(seq=T0 + i, units=("u1",))
    assert (post.outbox.entry(evacuate) is not None, post.outbox.entry(T0 + 1)) == (True, None)
    assert sum(1 for _ in post.outbox.entries()) == KEPT_MAX
    post.restart()
    assert post.outbox.entry(evacuate) is not None


# --- screens ---------------------------------------------------------------------------------------------


def test_changes_are_told_once_and_only_to_who_sees_the_unit(post: Post) -> None:
    post.registry.enrol([(9, UnitRow("", "M9", "person", "mine", "M", 30, 300, "矿山"))], post.now_ms)
    post.load()
    seq = post.give()
    mine = Audience(frozenset({"矿山"}), "none")
    (make,) = post.screen.changes()
    everybody, some = make(EVERYBODY), make(mine)
    assert everybody is not None
    assert some is not None
    assert (everybody["k"], len(everybody["targets"]), len(some["targets"])) == ("order", 3, 3)
    assert post.screen.changes() == []
    post.receipt(9, seq, EventCode.SHOWN)
    (make,) = post.screen.changes()
    fire = Audience(frozenset({"市消防"}), "none")
    assert make(EVERYBODY) == {"k": "receipts", "seq": seq, "targets": [post.states(seq)["u3"]]}
    assert make(fire) is None


def test_a_greeting_holds_the_newest_orders_oldest_first(post: Post) -> None:
    made = [post.give(seq=T0 + i) for i in range(30)]
    me = Principal("王海", Role.MEMBER, "", ("*",), "", "s", ALLOWED[Role.MEMBER], 0)
    assert [said["seq"] for said in post.screen.greeting(me)] == made[-20:]


def test_texts_up_are_bounded_and_told_once() -> None:
    texts = Texts()
    for i in itertools.chain(range(1_010), range(5)):
        texts.hear(TextUp(f"7-1-{i}", 7, 0, "u1", f"第 {i} 条", T0 + i, T0 + i), old=False)
    texts.hear(TextUp("7-1-9999", 7, 0, "u1", " ", T0, T0), old=False)
    assert (len(texts.all()), texts.all()[-1].text) == (1_000, "第 1009 条")
    assert (len(texts.take_fresh()), texts.take_fresh()) == (1_000, [])
