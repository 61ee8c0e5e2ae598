"""Roll-calls: who has answered, who has not, and that nothing but an answer or an officer's word confirms."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.identity.permissions import Audience, Role
from hub.safety.entry import Hand
from hub.safety.rollcall import AGAIN_MS, GREETED, HUB, LARGE, RollCalls
from hub.safety.rollcall_book import STATES, Roll, RollRefused
from hub.state import HubState
from hub.store.interface import UnitRow
from protocols.catalog import EventCode, Kind, Lane, Stream

T0 = 1_795_000_000_000
MINE, FIRE = "矿山", "市消防"
EVERYBODY = Audience(None, "all")


class Call:
    """An officer who calls the roll, and the devices that may answer."""

    def __init__(self, bench: Any, state: HubState, signed_in: Any) -> None:
        self.bench, self.state, self.signed_in = bench, state, signed_in
        self.ask = signed_in("王海", Role.SAFETY_OFFICER)
        self.part, self.entry = state.safety.rollcall, state.safety.entry
        self.rows = itertools.count(100)

    def __call__(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        answer = self.ask(method, path, **body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def look(self, after_s: float = 0) -> None:
        """Twice, as the hub's own roll-calls are written on another thread in between."""
        self.bench.clock.now += round(after_s * 1000)
        for _ in range(2):
            for part in (self.entry, self.part):
                part.look(self.bench.clock())
            for one in self.part._starting:
                one.rows.exception()

    def says(
        self, device: int, code: EventCode, seq: int | None, ago_s: float = 0, number: int | None = None
    ) -> None:
        """A receipt of a device, as a frame."""
        row = next(self.rows)
        values = {"event_code": int(code), "event_id": number or row, "event_phase": 0}
        values |= {} if seq is None else {"event_order": seq}
        t_ms = self.bench.clock() - round(ago_s * 1000)
        made = self.bench.put(
            self.bench.frame(
                device=device, row=row, rows=[values], kind=Kind.EVENT, lane=Lane.RECEIPTS, stream=Stream.EVENTS,
                t_ms=t_ms,
            )
        )  # fmt: skip
        self.part.hear(made)

    def lives(self, device: int) -> None:
        """Telemetry, and nothing else."""
        row = next(self.rows)
        self.bench.put(
            self.bench.frame(
                device=device, row=row, rows=[{"heart_bpm": 90, "activity_mg": 900, "scba_kpa": 20_000}]
            )
        )

    def states(self, id: str) -> dict[str, str]:
        """By name."""
        return {one["name"]: one["state"] for one in self("GET", f"/roll-calls/{id}")["people"]}

    def team(self, *hands: str, **more: Any) -> str:
        """An entry team inside, with people by hand."""
        id = self("POST", "/entry-teams", name="攻坚一组", **more)["id"]
        for name in hands:
            self("POST", f"/entry-teams/{id}/people", name=name, bar=290)
        self("POST", f"/entry-teams/{id}/go", step="inside")
        return str(id)

    def alarms(self) -> dict[str, Any]:
        return {alarm.key: alarm for alarm in self.state.safety.alarms.open() if alarm.stands}


@pytest.fixture
def field(bench: Any, state: HubState) -> Any:
    rows = [(7, "A", FIRE), (8, "A", FIRE), (21, "M", MINE)]
    bench.registry.enrol(
        [(d, UnitRow("", f"C{d}", "person", "fire", team, 30, 300, agency)) for d, team, agency in rows], T0
    )
    bench.load()
    return bench


@pytest.fixture
def call(field: Any, state: HubState, signed_in: Any) -> Call:
    made = Call(field, state, signed_in)
    for device in (7, 8, 21):
        made.lives(device)
    return made


# --- the book, pure ----------------------------------------------------------------------------------------


def roll(*units: str, hands: tuple[str, ...] = ()) -> Roll:
    return Roll("r1", 1, "all", "王海", "", T0, [1], list(units), {h: Hand(h, h, "", "e1") for h in hands})


said_words = st.sampled_from(["confirmed", "refused", "voice"])
words = st.lists(st.tuples(said_words, st.sampled_from(["u1", "u2", "h"]), st.integers(0, 9)), max_size=10)


@given(words, st.randoms())
def test_receipts_in_any_order_and_again_end_alike(said: list[tuple[str, str, int]], random: Any) -> None:
    def after(some: list[tuple[str, str, int]]) -> Roll:
        made = roll("u1", "u2", hands=("h",))
        for word, who, t in some:
            if word == "voice":
                made.voice.setdefault(who, None)  # type: ignore[arg-type]
            elif who != "h":
                heard = {who: T0 + t}
                made.hear(heard if word == "confirmed" else {}, heard if word == "refused" else {})
        return made

    shuffled = said + said[:3]
    random.shuffle(shuffled)
    one, other = after(said), after(shuffled)
    assert (one.answered, one.refused) == (other.answered, other.refused)
    for who in one.who:
        silent = frozenset({"u2"})
        assert one.state(who, silent) == other.state(who, silent)
        has = {word for word, key, _ in said if key == who and not (key == "h" and word != "voice")}
        wanted = next(
            (state for state in reversed(STATES) if state in has), "stale" if who == "u2" else "unconfirmed"
        )
        assert one.state(who, silent) == wanted


def test_its_document_is_whole() -> None:
    made = roll("u1", hands=("h",))
    made.say(["h"], "王海", T0)
    made.end("王海", T0 + 1, frozenset({"u1"}))
    assert Roll.of(made.as_document()) == made
    assert made.state("u1", frozenset()) == "stale", "as it was when it ended"
    with pytest.raises(RollRefused, match="has ended"):
        made.say(["u1"], "王海", T0)


# --- answers -----------------------------------------------------------------------------------------------


def test_telemetry_alone_never_confirms(call: Call) -> None:
    made = call("POST", "/roll-calls", target="all")
    assert made["counts"] == {"confirmed": 0, "voice": 0, "unconfirmed": 3, "stale": 0, "refused": 0}
    for device in (7, 8, 21):
        for _ in range(5):
            call.lives(device)
        call.says(device, EventCode.RECEIVED, int(made["id"][1:]))
        call.says(device, EventCode.SHOWN, int(made["id"][1:]))
        call.says(device, EventCode.ENTERED, None)
    call.look(5)
    assert set(call.states(made["id"]).values()) == {"unconfirmed"}


def test_confirmed_voice_refused_stale_and_unconfirmed_are_counted_apart(call: Call) -> None:
    call.bench.registry.enrol([(9, UnitRow("", "C9", "person", "fire", "A", 600, 900, FIRE))], T0)
    call.bench.load()
    call.lives(9)
    call.team("李四", "王五")
    made = call("POST", "/roll-calls", target="all")
    seq = int(made["id"][1:])
    call.says(7, EventCode.ROLL_CALL, seq)
    call.says(8, EventCode.REFUSED, seq)
    hand = next(one["key"] for one in made["people"] if one["name"] == "李四")
    call("POST", f"/roll-calls/{made['id']}/voice", who=[hand])
    call.look(31)  # 21 is silent for longer than its 30 s, 9 may be for ten minutes
    now = call("GET", f"/roll-calls/{made['id']}")
    assert now["counts"] == {"confirmed": 1, "voice": 1, "unconfirmed": 2, "stale": 1, "refused": 1}
    people = {one["name"]: one for one in now["people"]}
    assert {name: one["state"] for name, one in people.items()} == {
        "C7": "confirmed", "C8": "refused", "C9": "unconfirmed", "C21": "stale", "李四": "voice", "王五": "unconfirmed",
    }  # fmt: skip
    assert (people["李四"]["by"], people["C7"]["by"]) == ("王海", "")
    assert [one["state"] for one in now["people"]] == sorted(
        (one["state"] for one in now["people"]), key=STATES.index
    ), "the missing first"
    assert people["C21"]["t"] == T0, "since when it is silent"


def test_a_wearer_s_own_answer_is_more_than_a_word_for_them(call: Call) -> None:
    made = call("POST", "/roll-calls", target="team:A")
    call("POST", f"/roll-calls/{made['id']}/voice", who=["u1"])
    call("POST", f"/roll-calls/{made['id']}/voice", 404, who=["u3"])
    assert call.states(made["id"])["C7"] == "voice"
    call.says(7, EventCode.ROLL_CALL, int(made["id"][1:]))
    call.look()
    assert call.states(made["id"])["C7"] == "confirmed"


def test_a_whole_squad_by_voice(call: Call) -> None:
    id = call.team("李四", "王五", units=["u1"])
    made = call("POST", "/roll-calls", target=f"entry:{id}")
    assert {one["name"] for one in made["people"]} == {"C7", "李四", "王五"}
    call.says(7, EventCode.ROLL_CALL, int(made["id"][1:]))
    call.look()
    now = call("POST", f"/roll-calls/{made['id']}/voice", who=[f"entry:{id}"])
    assert now["counts"] == {"confirmed": 1, "voice": 2, "unconfirmed": 0, "stale": 0, "refused": 0}
    (record,) = [row for row in call.bench.registry.records() if row[3] == "confirmed by voice"]
    assert record[2] == "王海"
    assert "李四" in str(record[4])
    assert "C7" not in str(record[4]), "who has answered needs nobody's word"


def test_a_late_answer_counts_also_after_the_end_with_its_own_time(call: Call) -> None:
    made = call("POST", "/roll-calls", target="team:A")
    call.look(300)
    ended = call("POST", f"/roll-calls/{made['id']}/end")
    assert (ended["ended"], ended["ended_by"]) == (T0 + 300_000, "王海")
    (record,) = [row for row in call.bench.registry.records() if row[3] == "roll-call ended"]
    assert '"missing":["C7","C8"]' in str(record[4])
    list(call.part.changes())
    call.look(60)
    call.says(7, EventCode.ROLL_CALL, int(made["id"][1:]), ago_s=200)
    (maker,) = call.part.changes()
    people = {one["name"]: one for one in maker(EVERYBODY)["people"]}
    assert (people["C7"]["state"], people["C7"]["t"]) == ("confirmed", T0 + 160_000)
    call("POST", f"/roll-calls/{made['id']}/voice", 409, who=["u2"])
    call("POST", f"/roll-calls/{made['id']}/end", 409)


def test_one_given_in_the_orders_drawer_is_on_the_board_and_its_early_answers_too(call: Call) -> None:
    """The receipt came before the board heard of the order."""
    call.team("李四")
    seq = call("POST", "/orders", type="roll_call", target="all", text="14:00 点名")["seq"]
    call.says(7, EventCode.ROLL_CALL, seq)
    call.look()
    call.look()
    (made,) = call("GET", "/roll-calls")["roll_calls"]
    assert (made["id"], made["by"], made["name"]) == (f"r{seq}", "王海", "14:00 点名")
    assert call.states(made["id"]) == {
        "C7": "confirmed",
        "C8": "unconfirmed",
        "C21": "unconfirmed",
        "李四": "unconfirmed",
    }
    call.says(8, EventCode.ROLL_CALL, None)  # by a gesture, without the number
    call.look()
    assert call.states(made["id"])["C8"] == "confirmed"


def test_the_board_s_own_roll_call_is_one_order_and_one_entry(call: Call) -> None:
    made = call("POST", "/roll-calls", target="all", reason="strategy")
    call.look()
    call.look()
    assert len(call("GET", "/roll-calls")["roll_calls"]) == 1
    (order,) = call("GET", "/orders")["orders"]
    assert (f"r{order['seq']}", order["type"], order["text"]) == (made["id"], "roll_call", "战法改变")
    assert call.bench.down, "it is on its way"


def test_people_by_hand_alone_are_a_roll_call_without_an_order(call: Call) -> None:
    id = call.team("李四", "王五")
    made = call("POST", "/roll-calls", target=f"entry:{id}")
    assert made["counts"]["unconfirmed"] == 2
    assert call("GET", "/orders")["orders"] == []
    call("POST", "/roll-calls", 404, target="entry:e9")
    call("POST", "/roll-calls", 422, target="team:nobody")
    call("POST", "/roll-calls", 404, target="zone:z1")


class Zone:
    def inside(self, id: str) -> list[int]:
        return {"z1": [0], "z2": []}[id]

    def unsure(self, id: str) -> list[int]:
        return {"z1": [2], "z2": []}[id]


def test_a_zone_means_who_is_and_may_be_inside_and_those_with_them(call: Call) -> None:
    call.part._zones = Zone()
    call.team("李四", units=["u1", "u2"])
    made = call("POST", "/roll-calls", target="zone:z1")
    assert {one["name"] for one in made["people"]} == {"C7", "C21", "李四"}
    call("POST", "/roll-calls", 404, target="zone:z9")
    call("POST", "/roll-calls", 422, target="zone:z2")


# --- what calls --------------------------------------------------------------------------------------------


def test_who_has_not_answered_is_an_alarm_by_name_and_agency(call: Call) -> None:
    call.team("李四")
    made = call("POST", "/roll-calls", target="all")
    call.says(7, EventCode.ROLL_CALL, int(made["id"][1:]))
    call.look(59)
    assert not [key for key in call.alarms() if key.startswith("rollcall")]
    call.look(2)
    alarms = {key: alarm for key, alarm in call.alarms().items() if key.startswith("rollcall")}
    assert {(alarm.zh, alarm.units) for alarm in alarms.values()} == {
        ("点名 1 人未应", ("u2",)), ("点名 1 人未应", ("u3",)), ("点名 1 人未应（无设备：李四）", ()),
    }  # fmt: skip
    call("POST", f"/roll-calls/{made['id']}/end")
    call.look()
    assert not [key for key in call.alarms() if key.startswith("rollcall")]


def test_every_so_often_while_somebody_is_inside(call: Call) -> None:
    id = call.team("李四", units=["u1"])
    call.look(1_799)
    assert call("GET", "/roll-calls")["roll_calls"] == []
    call.look(1)
    (first,) = call("GET", "/roll-calls")["roll_calls"]
    assert (first["target"], first["reason"], first["by"]) == (f"entry:{id}", "timer", "hub")
    call.look(900)
    by_hand = call("POST", "/roll-calls", target="all")  # covers the team: the timer begins anew
    call.ask = call.signed_in("李明", Role.SAFETY_OFFICER)  # a session is over after an hour
    call.look(1_000)
    call.ask = call.signed_in("张强", Role.SAFETY_OFFICER)
    assert len(call("GET", "/roll-calls")["roll_calls"]) == 2
    call.look(800)
    newest = call("GET", "/roll-calls")["roll_calls"][0]
    assert (newest["target"], newest["reason"]) == (f"entry:{id}", "timer")
    old = call("GET", f"/roll-calls/{first['id']}")
    assert (old["ended"], old["ended_by"], old["replaced_by"]) == (newest["t"], "", newest["id"])
    call.part.keep()
    said = [(row[2], row[3]) for row in call.bench.registry.records() if str(row[3]).startswith("roll-call")]
    assert said == [
        ("王海", "roll-call begun"),
        *[("hub", f"roll-call {word}") for word in ("begun", "replaced", "begun")],
    ]
    assert call("GET", f"/roll-calls/{by_hand['id']}")["ended"] is None, (
        "a person's of others is not ended by it"
    )
    call("POST", f"/entry-teams/{id}/end")
    call.look(3_600)
    assert len(call.part.shelf.all()) == 3, "nobody is inside"


@pytest.mark.parametrize(
    ("code", "in_team", "ago_s", "target"),
    [
        (EventCode.SOS, True, 0, "entry"),
        (EventCode.MAN_DOWN, False, 0, "team:A"),
        (EventCode.SOS, False, AGAIN_MS / 1000 + 1, ""),  # too old to say where they are now
        (EventCode.LOW_AIR, True, 0, ""),
    ],
)
def test_a_call_for_help_calls_the_roll_of_the_group(
    call: Call, code: EventCode, in_team: bool, ago_s: float, target: str
) -> None:
    id = call.team("李四", units=["u1"] if in_team else [])
    call.says(7, code, None, ago_s, number=500)
    call.look()
    call.says(7, code, None, ago_s - 1, number=501)
    call.look()
    made = call("GET", "/roll-calls")["roll_calls"]
    wanted = [f"entry:{id}" if target == "entry" else target] if target else []
    assert [one["target"] for one in made] == wanted, "once, however often they call"
    names = {person["name"] for one in made for person in one["people"]}
    assert names == (set() if not target else {"李四"} if target == "entry" else {"C8"}), (
        "whoever calls is known"
    )


# --- who ---------------------------------------------------------------------------------------------------


def test_a_team_leader_calls_the_own_team(call: Call) -> None:
    leader = call.signed_in("队长", Role.TEAM_LEADER, team="A")
    foreign = call.team("李四", team="M")
    assert leader("POST", "/roll-calls", target="all").status_code == 403
    assert leader("POST", "/roll-calls", target="team:M").status_code == 403
    assert leader("POST", "/roll-calls", target=f"entry:{foreign}").status_code == 403
    made = leader("POST", "/roll-calls", target="team:A").json()
    assert leader("POST", f"/roll-calls/{made['id']}/voice", who=["u1"]).status_code == 200
    everybody = call("POST", "/roll-calls", target="all")
    assert leader("POST", f"/roll-calls/{everybody['id']}/voice", who=["u3"]).status_code == 403
    assert leader("POST", f"/roll-calls/{everybody['id']}/voice", who=["u1", "u3"]).status_code == 403
    assert leader("POST", f"/roll-calls/{everybody['id']}/end").status_code == 403
    assert leader("POST", f"/roll-calls/{everybody['id']}/voice", who=["u2"]).status_code == 200


def test_who_sees_less_does_not_end_a_roll_call_of_more(call: Call) -> None:
    made = call("POST", "/roll-calls", target="all")
    miner = call.signed_in("矿长", Role.SAFETY_OFFICER, MINE)
    call.bench.clock.now += 1_000
    assert miner("POST", "/roll-calls", target="all").status_code == 200
    assert call("GET", f"/roll-calls/{made['id']}")["ended"] is None
    call.bench.clock.now += 1_000
    call("POST", "/roll-calls", target="all")
    assert len(call("GET", "/roll-calls?open=true")["roll_calls"]) == 1


def test_other_agencies_are_not_there(call: Call) -> None:
    made = call("POST", "/roll-calls", target="all")
    miner = call.signed_in("矿长", Role.SAFETY_OFFICER, MINE)
    seen = miner("GET", f"/roll-calls/{made['id']}").json()
    assert [one["name"] for one in seen["people"]] == ["C21"]
    assert sum(seen["counts"].values()) == 1
    assert miner("POST", f"/roll-calls/{made['id']}/voice", who=["u1"]).status_code == 404
    fire = call("POST", "/roll-calls", target="team:A")
    assert miner("GET", f"/roll-calls/{fire['id']}").status_code == 404
    assert call.part.message(call.part.shelf.get(fire["id"]), Audience(frozenset({MINE}), "none")) is None


def test_a_kill_forgets_no_answer_and_no_word(call: Call) -> None:
    id = call.team("李四", units=["u1", "u2"])
    made = call("POST", "/roll-calls", target=f"entry:{id}")
    hand = next(one["key"] for one in made["people"] if one["person"])
    call.says(7, EventCode.ROLL_CALL, int(made["id"][1:]))
    call("POST", f"/roll-calls/{made['id']}/voice", who=[hand])
    ground = call.part._ground
    ground.outbox.keep(ground.outbox.unkept())
    again = RollCalls(ground, call.entry, lambda *_: None)
    again.load()
    again.look(call.bench.clock())
    (kept,) = again.shelf.all()
    message = again.message(kept, EVERYBODY)
    assert message is not None
    assert {one["name"]: one["state"] for one in message["people"]} == {
        "C7": "confirmed", "C8": "unconfirmed", "李四": "voice",
    }  # fmt: skip
    assert [one["id"] for one in again.greeting(HUB)] == [made["id"]]


def test_a_new_screen_gets_the_newest_twenty_the_oldest_first(call: Call) -> None:
    for _ in range(GREETED + 2):
        call.bench.clock.now += 1_000
        call("POST", "/roll-calls", target="u1")
    told = [one["t"] for one in call.part.greeting(HUB)]
    assert told == sorted(told)
    assert (len(told), told[-1]) == (GREETED, call.bench.clock())


def test_a_large_one_is_not_told_with_every_answer(call: Call) -> None:
    entries = [
        (1_000 + i, UnitRow("", f"X{i}", "person", "fire", "X", 9_999, 9_999)) for i in range(LARGE + 1)
    ]
    call.bench.registry.enrol(entries, T0)
    call.bench.load()
    seq = int(call("POST", "/roll-calls", target="team:X")["id"][1:])
    assert len(list(call.part.changes())) == 1
    call.says(1_000, EventCode.ROLL_CALL, seq)
    assert list(call.part.changes()) == []
    call.bench.clock.now += 5_000
    (maker,) = call.part.changes()
    assert maker(EVERYBODY)["counts"]["confirmed"] == 1
