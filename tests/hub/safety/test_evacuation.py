"""The evacuation board: who has NOT acknowledged, people by hand too, until an all-clear lifts it for all."""

import itertools
from typing import Any

import pytest

from hub.identity.permissions import Audience, Role
from hub.safety.evacuation import GREETED, Evacuations
from hub.safety.rollcall import HUB
from hub.state import HubState
from hub.store.interface import UnitRow
from hub.store.orders import CarrierRow, OrderRow
from protocols import orders
from protocols.catalog import EventCode, Kind, Lane, Stream
from protocols.orders import Order, OrderType

T0 = 1_795_000_000_000
MINE, FIRE = "矿山", "市消防"
EVERYBODY = Audience(None, "all")


class Board:
    """An officer at the board, commanders whose orders are signed elsewhere, and devices that answer."""

    def __init__(self, bench: Any, state: HubState, signed_in: Any) -> None:
        self.bench, self.state, self.signed_in = bench, state, signed_in
        self.ask = signed_in("王海", Role.SAFETY_OFFICER)
        self.part, self.entry = state.safety.evacuation, state.safety.entry
        self.rows = itertools.count(100)

    def __call__(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        answer = self.ask(method, path, **body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def look(self, after_s: float = 0) -> None:
        self.bench.clock.now += round(after_s * 1000)
        self.part.look(self.bench.clock())

    def give(self, target: str, *units: str, type: OrderType = OrderType.EVACUATE) -> int:
        """A signed order, as it stands in the registry and the outbox."""
        self.bench.clock.now += 1
        seq = now_ms = self.bench.clock()
        made = Order(
            f"o{seq}", "live", target, int(type), {}, "指挥员", "commander", seq, now_ms, now_ms + 10**7
        )
        signed = [("ab" * 8, "cd" * 64, "指挥员")]
        row = OrderRow(seq, made.id, int(type), orders.pack_order(made), signed, now_ms, "", units)
        slots, devices = self.bench.units.slot_by_id, self.bench.units.devices_now()
        carriers = [CarrierRow(seq, d, unit) for unit in units for d in devices.get(slots[unit], ())]
        self.bench.registry.orders.add(row, carriers)
        self.state.outbox.add(row)
        return seq

    def says(self, device: int, code: EventCode, seq: int, ago_s: float = 0) -> None:
        row = next(self.rows)
        values = {"event_code": int(code), "event_id": row, "event_phase": 0, "event_order": seq}
        t_ms = self.bench.clock() - round(ago_s * 1000)
        self.bench.put(
            self.bench.frame(
                device=device, row=row, rows=[values], kind=Kind.EVENT, lane=Lane.RECEIPTS, stream=Stream.EVENTS,
                t_ms=t_ms,
            )
        )  # fmt: skip

    def team(self, *hands: str, **more: Any) -> str:
        id = self("POST", "/entry-teams", **{"name": "攻坚一组", **more})["id"]
        for name in hands:
            self("POST", f"/entry-teams/{id}/people", name=name, bar=290)
        return str(id)

    def not_(self, seq: int) -> list[str]:
        """Names of those who have not."""
        said = self("GET", f"/evacuations/{seq}")
        names = {one["key"]: one["name"] for one in said["people"]}
        return sorted(names[key] for key in said["not"])

    def alarms(self) -> dict[str, Any]:
        return {alarm.key: alarm for alarm in self.state.safety.alarms.open() if alarm.stands}


@pytest.fixture
def board(bench: Any, state: HubState, signed_in: Any) -> Board:
    rows = [(7, "A", FIRE), (8, "A", FIRE), (21, "M", MINE)]
    bench.registry.enrol(
        [(d, UnitRow("", f"N{d}", "person", "fire", team, 30, 300, agency)) for d, team, agency in rows[1:]],
        T0,
    )
    bench.registry.enrol([(7, UnitRow("", "C7", "person", "fire", "A", 30, 300, FIRE))], T0)
    bench.load()
    return Board(bench, state, signed_in)


def test_each_step_of_each_person(board: Board) -> None:
    board.team("李四")
    seq = board.give("all", "u1", "u2", "u3")
    board.look()
    said = board("GET", f"/evacuations/{seq}")
    assert (said["type"], said["by"], said["over"], said["total"]) == ("evacuate", ["指挥员"], False, 4)
    assert board.not_(seq) == ["C7", "N21", "N8", "李四"]
    board.says(7, EventCode.RECEIVED, seq)
    board.bench.clock.now += 2_000
    board.says(7, EventCode.SHOWN, seq)
    board.says(8, EventCode.RECEIVED, seq)
    board.bench.clock.now += 3_000
    board.says(7, EventCode.ACCEPTED, seq)
    said = board("GET", f"/evacuations/{seq}")
    people = {one["name"]: one for one in said["people"]}
    steps = ("delivered", "seen", "acknowledged")
    assert [people["C7"][step] - seq for step in steps] == [0, 2_000, 5_000]
    assert [people["N8"][step] for step in steps] == [seq + 2_000, None, None]
    assert [people["李四"][step] for step in steps] == [None, None, None]
    assert board.not_(seq) == ["N21", "N8", "李四"]
    assert said["people"][-1]["name"] == "C7", "who has done it is last"


def test_receipts_in_any_order_late_and_again(board: Board) -> None:
    seq = board.give("u1", "u1")
    board.bench.clock.now += 600_000
    for code, ago_s in ((EventCode.ACCEPTED, 300), (EventCode.RECEIVED, 500), (EventCode.ACCEPTED, 300)):
        board.says(7, code, seq, ago_s)
    (one,) = board("GET", f"/evacuations/{seq}")["people"]
    now = board.bench.clock()
    assert (one["delivered"], one["seen"], one["acknowledged"]) == (
        now - 500_000,
        now - 300_000,
        now - 300_000,
    )


def test_who_refuses_has_not(board: Board) -> None:
    seq = board.give("u1", "u1")
    board.says(7, EventCode.REFUSED, seq)
    (one,) = board("GET", f"/evacuations/{seq}")["people"]
    assert (one["acknowledged"], one["refused"]) == (None, seq)
    assert board.not_(seq) == ["C7"]
    board.bench.clock.now += 1_000
    board.says(7, EventCode.ACCEPTED, seq)
    assert board.not_(seq) == []


def test_people_by_hand_are_not_until_an_officer_has_told_them(board: Board) -> None:
    id = board.team("李四")
    seq = board.give("all", "u1")
    board.says(7, EventCode.ACCEPTED, seq)
    board.look()
    assert board.not_(seq) == ["李四"]
    board("POST", f"/entry-teams/{id}/people", name="王五", bar=200)
    board.look()
    assert board.not_(seq) == ["李四", "王五"], "who comes while it stands is meant, too"
    (hand,) = [one["key"] for one in board("GET", f"/evacuations/{seq}")["people"] if one["name"] == "李四"]
    said = board("POST", f"/evacuations/{seq}/voice", who=[hand])
    (one,) = [one for one in said["people"] if one["name"] == "李四"]
    assert (one["by"], one["acknowledged"]) == ("王海", board.bench.clock())
    assert board.not_(seq) == ["王五"]
    assert len(board("POST", f"/evacuations/{seq}/voice", who=[f"entry:{id}"])["not"]) == 0
    records = [row for row in board.bench.registry.records() if row[3] == "evacuation told by voice"]
    assert [row[2] for row in records] == ["王海", "王海"]
    newer = board.give("all", "u1")
    board.look()
    assert board.not_(newer) == ["C7", "李四", "王五"], "a new order asks anew"
    board("POST", f"/evacuations/{seq}/voice", 404, who=["u3"])
    board("POST", "/evacuations/5/voice", 404, who=["u1"])


@pytest.mark.parametrize(
    ("target", "units", "meant"),
    [
        ("all", ("u1", "u2"), ["C7", "N8", "乙", "甲"]),  # of agencies that have a unit in it, and of none
        ("team:A", ("u1", "u2"), ["C7", "N8", "甲"]),
        ("units:u1,u2", ("u1", "u2"), ["C7", "N8", "甲"]),  # the whole of their entry team
        ("u1", ("u1",), ["C7"]),  # one of it
        ("team:M", ("u3",), ["N21", "丙"]),
    ],
)
def test_whom_of_those_by_hand_a_target_means(
    board: Board, target: str, units: tuple[str, ...], meant: list[str]
) -> None:
    board.team("甲", name="一组", units=["u1", "u2"])
    board.team("乙", name="二组")
    board.team("丙", name="三组", units=["u3"])
    seq = board.give(target, *units)
    board.look()
    assert board.not_(seq) == sorted(meant)


def test_who_is_told_of_a_newer_one_obeys_the_older_too(board: Board) -> None:
    """As the gateway's own answer does (docs/orders.md)."""
    board.team("李四")
    older, newer = board.give("all", "u1"), board.give("all", "u1", "u2")
    board.look()
    hand = next(one["key"] for one in board("GET", f"/evacuations/{newer}")["people"] if one["person"])
    board("POST", f"/evacuations/{newer}/voice", who=[hand, "u1"])
    assert (board.not_(older), board.not_(newer)) == ([], ["N8"])


def test_after_a_minute_it_calls_by_name_and_an_all_clear_ends_it(board: Board) -> None:
    seq = board.give("all", "u1", "u2", "u3")
    board.says(7, EventCode.ACCEPTED, seq)
    board.look(59.9)
    assert board.alarms() == {}
    board.look(0.1)
    assert {(alarm.zh, alarm.priority, alarm.kind, alarm.units) for alarm in board.alarms().values()} == {
        ("撤离 1 人未应", 1, "evacuation", ("u2",)), ("撤离 1 人未应", 1, "evacuation", ("u3",)),
    }  # fmt: skip
    assert {why["name"] for alarm in board.alarms().values() for why in alarm.why} == {"N8", "N21"}
    board.give("units:u1,u2", "u1", "u2", type=OrderType.ALL_CLEAR)
    board.look()
    assert board.not_(seq) == ["N21"], "lifted for some"
    assert board("GET", f"/evacuations/{seq}")["over"] is False
    board.give("all", "u1", "u2", "u3", type=OrderType.ALL_CLEAR)
    board.look()
    assert board("GET", f"/evacuations/{seq}")["over"] is True
    assert (board.not_(seq), board.alarms()) == ([], {})
    assert board("GET", "/evacuations?open=true")["evacuations"] == []


def test_a_retreat_is_one_too_and_other_orders_are_not(board: Board) -> None:
    seq = board.give("u1", "u1", type=OrderType.RETREAT)
    text = board.give("u1", "u1", type=OrderType.TEXT)
    board.look()
    assert [one["type"] for one in board("GET", "/evacuations")["evacuations"]] == ["retreat"]
    board("GET", f"/evacuations/{text}", 404)
    assert board.not_(seq) == ["C7"]


def test_who_may(board: Board) -> None:
    seq = board.give("all", "u1", "u2", "u3")
    miner = board.signed_in("矿长", Role.SAFETY_OFFICER, MINE)
    seen = miner("GET", f"/evacuations/{seq}").json()
    assert ([one["name"] for one in seen["people"]], seen["not"], seen["total"]) == (
        ["N21"],
        ["u3"],
        1,
    )
    assert miner("POST", f"/evacuations/{seq}/voice", who=["u1"]).status_code == 404
    leader = board.signed_in("队长", Role.TEAM_LEADER, team="A")
    assert leader("POST", f"/evacuations/{seq}/voice", who=["u3"]).status_code == 403
    assert leader("POST", f"/evacuations/{seq}/voice", who=["team:A"]).status_code == 200
    assert board.not_(seq) == ["N21"]
    fire = board.give("u1", "u1")
    assert miner("GET", f"/evacuations/{fire}").status_code == 404


def test_a_kill_forgets_no_word(board: Board) -> None:
    board.team("李四", "王五")
    seq = board.give("all", "u1")
    board.look()
    (hand,) = [one["key"] for one in board("GET", f"/evacuations/{seq}")["people"] if one["name"] == "李四"]
    board("POST", f"/evacuations/{seq}/voice", who=[hand])
    again = Evacuations(board.part._ground, board.entry, lambda *_: None)
    again.load()
    again.look(board.bench.clock())
    order = again.order(str(seq))
    assert order is not None
    said = again.message(order, EVERYBODY)
    assert said is not None
    assert {one["name"] for one in said["people"] if one["key"] in said["not"]} == {"C7", "王五"}


def test_screens_hear_of_every_step_once(board: Board) -> None:
    board.look()
    assert list(board.part.changes()) == []
    seq = board.give("all", "u1", "u2")
    told = [maker(EVERYBODY) for maker in board.part.changes()]
    assert [len(one["not"]) for one in told] == [2]
    assert list(board.part.changes()) == []
    board.says(7, EventCode.ACCEPTED, seq)
    (maker,) = board.part.changes()
    assert len(maker(EVERYBODY)["not"]) == 1
    board.give("all", "u1", "u2", type=OrderType.ALL_CLEAR)
    (maker,) = board.part.changes()
    assert maker(EVERYBODY)["over"] is True
    for _ in range(GREETED + 1):
        board.give("u1", "u1")
    greeted = [one["seq"] for one in board.part.greeting(HUB)]
    assert (len(greeted), greeted) == (GREETED, sorted(greeted))


def test_an_evacuation_calls_the_roll_where_that_is_set(board: Board) -> None:
    rolls = board.state.safety.rollcall
    rolls.look(board.bench.clock())
    board.give("all", "u1", "u2")
    rolls.look(board.bench.clock())
    assert rolls.shelf.all() == [], "not unless it is set: the board itself says who has not"
    object.__setattr__(rolls._ground.settings, "roll_call_triggers", ("evacuation",))
    board.give("all", "u1", "u2")
    board.bench.clock.now += 1
    rolls.look(board.bench.clock())
    rolls._starting[0].rows.result()
    rolls.look(board.bench.clock())
    (roll,) = rolls.shelf.all()
    assert (roll.target, roll.reason, roll.by) == ("all", "evacuation", "hub")
