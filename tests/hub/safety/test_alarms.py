"""Alarms: from raised to closed, over restarts, in floods, and for whom."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.identity.permissions import ALLOWED, Audience, Permission, Principal, Role
from hub.live.events import Event, Said, Seen
from hub.live.feed import Viewer
from hub.safety.alarm import Alarm
from hub.safety.alarm_book import CLOSED_MAX, ESCALATE_MS, GROUP_MIN, SHELVE_MS_MAX, AlarmBook
from hub.safety.alarms import SHOWN_MS
from hub.safety.callout import CallOut
from hub.safety.condition import Condition, Input, Priority
from hub.safety.escalation import EVERYBODY, FIRST, NEXT, called
from hub.safety.flood import SPAN_MS, Flood
from hub.safety.kinds import KINDS, OF_CODE, kind_of_code
from protocols.catalog import HAPPENINGS_FROM, EventCode

T0 = 1_795_000_000_000


def standing(key: str = "k", kind: str = "zone", priority: int = 2, **more: Any) -> Condition:
    return Condition(key, kind, Priority(priority), more.pop("units", ("u1",)), "在区内", "inside", **more)


def sos(number: int = 1, *, is_open: bool = True, code: int = EventCode.SOS, late: bool = False) -> Event:
    event = Event(
        f"7-{number}", 7, number, 0, code, t_hub_ms=T0, t_event_ms=T0 - (600_000 if late else 500), late=late
    )
    event.raised = Said(1, 1, event.t_event_ms)
    event.cleared = None if is_open else Said(1, 2, T0)
    return event


class Book(AlarmBook):
    """With a hand on its clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0

    def says(self, *conditions: Condition, after_ms: int = 1_000, source: str = "rules") -> None:
        self.now += after_ms
        self.tell(source, conditions, self.now)
        self.look(self.now)

    @property
    def only(self) -> Alarm:
        (alarm,) = self.all()
        return alarm


# --- a life ------------------------------------------------------------------------------------------------


def test_raised_acknowledged_cleared_closed() -> None:
    book = Book()
    book.says(standing())
    alarm = book.only
    assert (alarm.state, alarm.is_open, alarm.t_raised) == ("raised", True, book.now)
    book.acknowledge(alarm.id, "王海", book.now)
    assert alarm.state == "acknowledged"
    book.says()
    assert (alarm.state, alarm.is_open) == ("closed", False), "taken, and over"


def test_a_grave_one_that_nobody_took_stays_after_its_end_and_a_light_one_goes() -> None:
    book = Book()
    book.says(standing("a", priority=2), standing("b", kind="battery", priority=4))
    book.says()
    a, b = book.all()
    assert (a.state, b.state) == ("cleared", "closed")
    book.acknowledge(a.id, "王海", book.now)
    assert a.state == "closed"


def test_a_call_for_help_ends_by_its_wearer_and_a_person() -> None:
    book = Book()
    book.hear(sos(), "u1", T0)
    alarm = book.only
    with pytest.raises(ValueError, match="still stands"):
        book.close(alarm.id, "王海", "看到了", T0)
    book.acknowledge(alarm.id, "王海", T0)
    book.hear(sos(is_open=False), "u1", T0 + 1)
    assert (alarm.state, alarm.is_open) == ("cleared", True), "the wearer cancelled: a person must confirm"
    book.close(alarm.id, "王海", "本人安全", T0 + 2)
    assert alarm.closed is not None
    assert (alarm.state, alarm.closed.by) == ("closed", "王海")


def test_it_comes_again_as_the_same_alarm_and_is_counted() -> None:
    book = Book()
    for _ in range(3):
        book.says(standing())
        book.says()
    assert (book.only.count, book.only.state) == (3, "cleared")


def test_delays_keep_a_chattering_condition_quiet() -> None:
    """on 2 s, off 2 s, once a second: the row of EEMUA's example."""
    book, seen = Book(), []
    above = [0, 1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0]
    for one in above:
        book.says(*([standing(on_ms=2_000, off_ms=2_000)] if one else []))
        seen.append(any(alarm.stands for alarm in book.all()))
    assert seen == [bool(x) for x in [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0]]
    assert book.only.count == 1


def test_what_gets_worse_calls_again_and_what_was_taken_long_ago_too() -> None:
    book = Book()
    book.says(standing(priority=3))
    book.acknowledge(book.only.id, "王海", book.now)
    book.says(standing(priority=2))
    assert book.only.state == "raised"
    book.acknowledge(book.only.id, "王海", book.now)
    book.says(standing(priority=2), after_ms=1000 * KINDS["zone"].again_s - 1)
    assert book.only.state == "acknowledged"
    book.says(standing(priority=2), after_ms=1)
    assert book.only.state == "raised"


def test_the_hub_joins_what_the_device_says_itself() -> None:
    book = Book()
    why = (Input("lowest", 60, "bar", T0),)
    book.says(standing("air", "turn_back", joins="0:7", why=why))
    assert book.only.kind == "turn_back"
    book.hear(sos(1, code=EventCode.TURN_BACK), "u1", book.now)
    book.says(standing("air", "turn_back", joins="0:7", why=why))
    (edge,) = book.open()
    assert edge.event == "7-1"
    assert list(edge.more) == ["air"]
    book.hear(sos(1, code=EventCode.TURN_BACK, is_open=False), "u1", book.now)
    book.says(standing("air", "turn_back", joins="0:7", why=why))
    assert {alarm.source for alarm in book.open() if alarm.stands} == {"rules"}, "it stands for the hub still"


# --- people ------------------------------------------------------------------------------------------------


def test_shelving_ends_by_itself_and_calls_again() -> None:
    book = Book()
    book.says(standing(kind="lost", priority=3))
    book.shelve(book.only.id, "王海", book.now + 60_000, "已知", book.now)
    assert not book.only.calls
    book.says(standing(kind="lost", priority=3), after_ms=59_999)
    assert not book.sounds(book.only)
    book.says(standing(kind="lost", priority=3), after_ms=1)
    assert (book.only.shelved, book.only.state, book.sounds(book.only)) == (None, "raised", True)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.protected])
def test_nobody_in_danger_can_be_shelved(kind: str) -> None:
    book = Book()
    book.says(standing(kind=kind, priority=int(KINDS[kind].priority)))
    with pytest.raises(ValueError, match="danger"):
        book.shelve(book.only.id, "王海", book.now + 1, "安静", book.now)


def test_the_first_who_takes_it_counts() -> None:
    book = Book()
    book.says(standing())
    book.acknowledge(book.only.id, "王海", book.now)
    book.acknowledge(book.only.id, "李强", book.now + 1)
    assert book.only.seen is not None
    assert book.only.seen.by == "王海"


def test_escalation_by_its_times() -> None:
    book = Book()
    book.hear(sos(), "u1", T0)
    steps = []
    for after in (
        ESCALATE_MS[0] - 1,
        ESCALATE_MS[0],
        ESCALATE_MS[1] - 1,
        ESCALATE_MS[1],
        10 * ESCALATE_MS[1],
    ):
        book.look(T0 + after)
        steps.append(book.only.escalation)
    assert steps == [0, 1, 1, 2, 2]
    assert [alarm.id for alarm in book.escalated] == ["7-1", "7-1"]
    book.acknowledge("7-1", "王海", T0 + 10 * ESCALATE_MS[1])
    assert book.only.escalation == 0


@pytest.mark.parametrize(
    ("priority", "step", "present", "whom"),
    [
        (1, 0, {Role.DUTY_OFFICER}, EVERYBODY),
        (2, 0, {Role.DUTY_OFFICER, Role.COMMANDER}, FIRST),
        (2, 1, {Role.DUTY_OFFICER, Role.COMMANDER}, NEXT),
        (2, 2, {Role.DUTY_OFFICER, Role.COMMANDER}, EVERYBODY),
        (3, 0, {Role.COMMANDER}, NEXT),
        (2, 0, {Role.OBSERVER}, EVERYBODY),
        (4, 0, set(), EVERYBODY),
    ],
)
def test_whom_it_calls(priority: int, step: int, present: set[Role], whom: frozenset[Role]) -> None:
    assert called(priority, step, present) == whom


# --- many --------------------------------------------------------------------------------------------------


def test_a_flood_begins_above_ten_and_ends_below_five() -> None:
    flood = Flood()
    for i in range(10):
        flood.began(T0 + i)
    assert not flood.stands
    flood.began(T0 + 10)
    assert flood.stands
    assert (flood.look(T0 + SPAN_MS + 5), flood.stands) == (5, True)
    assert (flood.look(T0 + SPAN_MS + 6), flood.stands) == (4, False)


def test_in_a_flood_only_what_is_grave_or_protected_sounds() -> None:
    book = Book()
    book.says(
        *(standing(f"m{i}", "lost", 3) for i in range(11)),
        standing("h", "zone", 2),
        standing("c", "clock", 3),
    )
    book.hear(sos(), "u1", book.now)
    assert book.flood.stands
    assert {alarm.kind for alarm in book.all() if book.sounds(alarm)} == {"zone", "clock", "sos"}


def test_one_cause_is_one_group_and_nobody_in_danger_is_in_it() -> None:
    book = Book()
    many = [standing(f"l{i}", "lost", 3, cause="link:mesh") for i in range(GROUP_MIN)]
    book.says(*many[:-1])
    assert {book.group_of(alarm) for alarm in book.all()} == {""}
    book.changed.clear()
    book.says(*many, standing("s", "overdue", 2, cause="link:mesh"))
    groups = {alarm.key: book.group_of(alarm) for alarm in book.all()}
    assert groups == {"l0": "link:mesh", "l1": "link:mesh", "l2": "link:mesh", "s": ""}
    assert len(book.changed) == 4, "the others are told that they are a group now"
    book.says()
    assert not book._causes


def test_ten_thousand_conditions_are_looked_at_once_each() -> None:
    book = Book()
    many = [standing(f"k{i}", "lost", 3) for i in range(10_000)]
    book.says(*many)
    book.steps = 0
    book.changed.clear()
    book.says(*many)
    assert (book.steps, len(book.changed)) == (10_000, 0)


def test_closed_ones_are_forgotten_the_oldest_first() -> None:
    book = Book()
    for i in range(0, CLOSED_MAX + 100, 100):
        book.says(*(standing(f"k{i}-{j}", "battery", 4) for j in range(100)))
    book.says()
    assert len(list(book.all())) == CLOSED_MAX
    assert len(book.forgotten) == 100


# --- the table ---------------------------------------------------------------------------------------------


def test_every_alarm_of_a_device_has_a_kind() -> None:
    codes = [code for code in EventCode if code < HAPPENINGS_FROM]
    assert {code for code in codes if code not in OF_CODE} == set()
    assert kind_of_code(63) == "device", "of a newer device"
    for kind in KINDS.values():
        assert all((kind.zh, kind.en, kind.advice_zh, kind.advice_en))
        assert kind.protected or not kind.latches


# --- at the hub ---------------------------------------------------------------------------------------------


@pytest.fixture
def enrolled(bench: Any, state: Any) -> Any:
    bench.enrol(7)
    bench.load()
    return state


def tell(state: Any, *conditions: Condition) -> None:
    state.safety.alarms.tell("test", conditions, state.clock.now_ms())
    state.safety.alarms.look(state.clock.now_ms())


def test_the_first_who_are_called_depend_on_who_is_there(enrolled: Any) -> None:
    alarms = enrolled.safety.alarms
    alarms.attach(enrolled.feed)
    everybody = Audience(None, "all")
    tell(enrolled, standing(units=()))
    (alarm,) = alarms.open()
    assert alarms.message(alarm, everybody)["calls"] == []
    role = Role.DUTY_OFFICER
    viewer = Viewer(Principal("Li", role, "", ("*",), "", "s", ALLOWED[role], 2**50))
    enrolled.feed.viewers.add(viewer)
    list(alarms.changes())
    alarms.look(enrolled.clock.now_ms())
    told = [make(everybody) for make in alarms.changes()]
    assert [one["calls"] for one in told if one["k"] == "alarm"] == [sorted(FIRST)], (
        "told anew: others are called"
    )
    enrolled.feed.viewers.clear()


def test_a_restart_keeps_every_alarm_and_raises_none_anew(enrolled: Any, bench: Any) -> None:
    alarms = enrolled.safety.alarms
    tell(enrolled, standing("a"), standing("b"), standing("c", "lost", 3))
    a, b, c = (alarm for alarm in alarms.book.all())
    alarms.book.acknowledge(a.id, "王海", bench.clock())
    alarms.book.shelve(c.id, "王海", bench.clock() + 600_000, "已知", bench.clock())
    list(alarms.changes())
    alarms.keep()
    before = {alarm.id: alarm.as_document() for alarm in alarms.book.all()}

    again = type(alarms)(alarms._ground)
    again.load()
    bench.clock.now += 5_000
    again.tell("test", [standing("a"), standing("b"), standing("c", "lost", 3)], bench.clock())
    again.look(bench.clock())
    after = {alarm.id: alarm.as_document() for alarm in again.book.all()}
    assert after == before
    bench.clock.now += ESCALATE_MS[1]
    again.look(bench.clock())
    assert again.by_id(b.id).state == "raised"


def test_what_a_kill_kept_from_the_disk_comes_back_out_of_the_log(enrolled: Any) -> None:
    alarms = enrolled.safety.alarms
    event = sos()
    enrolled.ingest.events._events[7, 1] = enrolled.ingest.events._by_id["7-1"] = event
    enrolled.ingest.events._open[7, 1] = event
    again = type(alarms)(alarms._ground)
    again.load()
    assert [(alarm.id, alarm.kind, alarm.state) for alarm in again.open()] == [("7-1", "sos", "raised")]


def test_a_late_call_for_help_calls_and_says_both_times(enrolled: Any) -> None:
    enrolled.safety.alarms.hear([sos(late=True)])
    (alarm,) = enrolled.safety.alarms.open()
    said = enrolled.safety.alarms.message(alarm, Audience(None, "all"))
    assert (said["late"], said["t_hub"] - said["t_raised"], said["sound"]) == (True, 600_000, True)


def test_whom_it_is_told(enrolled: Any, bench: Any) -> None:
    alarms = enrolled.safety.alarms
    units = bench.units.rows
    units[0] = units[0]._replace(agency="矿山", team="A")
    event = sos(2, code=EventCode.HEART)
    event.value = 190
    alarms.hear([event])
    (alarm,) = alarms.open()
    assert alarms.message(alarm, Audience(frozenset({"市消防"}), "all")) is None
    hidden = alarms.message(alarm, Audience(frozenset({"矿山"}), "none"))
    assert (hidden["zh"], hidden["why"], hidden["code"]) == ("体征", [], 0)
    assert alarms.message(alarm, Audience(None, "team:A"))["why"][0]["value"] == 190


def test_it_is_taken_over_http_and_the_wearer_is_told(enrolled: Any, ask: Any, bench: Any) -> None:
    ask("POST", "/api/v1/session", json={"token": enrolled.sign_in.new_token("王海")})
    event = sos()
    enrolled.ingest.events._by_id["7-1"] = enrolled.ingest.events._open[7, 1] = event
    enrolled.ingest.events._events[7, 1] = event
    enrolled.safety.alarms.hear([event])
    (listed,) = ask("GET", "/api/v1/alarms").json()["alarms"]
    assert (listed["id"], listed["kind"], listed["state"]) == ("7-1", "sos", "raised")
    taken = ask("POST", "/api/v1/alarms/7-1/acknowledge").json()
    assert (taken["state"], taken["seen"]["by"]) == ("acknowledged", "王海")
    assert event.seen == Seen("王海", bench.clock()), "one truth: the event is seen too"
    assert bench.sent, "the wearer is told"
    shelved = ask("POST", "/api/v1/alarms/7-1/shelve", json={"minutes": 5, "why": "安静"})
    assert (shelved.status_code, "danger" in shelved.json()["detail"]) == (422, True)
    assert ask("POST", "/api/v1/alarms/7-1/close", json={"why": "安全"}).status_code == 409
    assert ask("GET", "/api/v1/alarms/nothing").status_code == 404
    assert [row[3] for row in bench.registry.records()][-1] == "event seen"


def test_shelving_and_closing_are_recorded_by_name(enrolled: Any, ask: Any, bench: Any) -> None:
    ask("POST", "/api/v1/session", json={"token": enrolled.sign_in.new_token("王海")})
    tell(enrolled, standing("a", "zone", 2), standing("b", "lost", 3))
    a, b = (alarm.id for alarm in enrolled.safety.alarms.book.all())
    most = SHELVE_MS_MAX // 60_000
    assert (
        ask("POST", f"/api/v1/alarms/{b}/shelve", json={"minutes": most + 1, "why": "x"}).status_code == 422
    )
    said = ask("POST", f"/api/v1/alarms/{b}/shelve", json={"minutes": 30, "why": "已知"}).json()["shelved"]
    assert (said["by"], said["until"], said["why"]) == ("王海", bench.clock() + 1_800_000, "已知")
    health = ask("GET", "/api/v1/alarms/health").json()
    assert (health["shelved"], health["open"], health["unacknowledged"]) == (1, 2, 1)
    ask("POST", f"/api/v1/alarms/{b}/unshelve")
    tell(enrolled)
    assert ask("POST", f"/api/v1/alarms/{a}/close", json={"why": "已核对"}).json()["closed"]["by"] == "王海"
    what = [row[3] for row in bench.registry.records()]
    assert what[-3:] == ["alarm shelved", "alarm unshelved", "alarm closed"]


def test_a_team_leader_takes_the_own_team_only(enrolled: Any, new_browser: Any, bench: Any) -> None:
    from hub.identity.people import ACTIVE, Person

    enrolled.sign_in.accounts.put(Person("队长", Role.TEAM_LEADER, "", ("*",), "B", ACTIVE), "test", 1)
    browser = new_browser()
    browser("POST", "/api/v1/session", json={"token": enrolled.sign_in.new_token("队长")})
    tell(enrolled, standing(units=(bench.units.rows[0].id,)))
    (alarm,) = enrolled.safety.alarms.open()
    answer = browser("POST", f"/api/v1/alarms/{alarm.id}/acknowledge")
    assert (answer.status_code, "your team" in answer.json()["detail"]) == (403, True)


class Calling(CallOut):
    def __init__(self) -> None:
        super().__init__([], "", lambda: T0)
        self.called: list[str] = []

    def call(self, words: str) -> None:
        self.called.append(words)


def test_somebody_is_called_when_no_screen_says_it_shows_it(enrolled: Any, bench: Any) -> None:
    alarms = enrolled.safety.alarms
    alarms.call_out = calling = Calling()
    me = enrolled.sign_in.session(enrolled.sign_in.sign_in(enrolled.sign_in.new_token("王海")).cookie)
    viewer = Viewer(me)
    enrolled.feed.join(viewer)
    alarms.hear([sos(1), sos(2, code=EventCode.MAN_DOWN)])
    enrolled.feed.hear(viewer, {"k": "shown", "ids": ["7-1", "nothing", 5]})
    alarms.look(bench.clock() + SHOWN_MS - 1)
    assert calling.called == []
    for _ in range(3):
        alarms.look(bench.clock() + SHOWN_MS)
    assert calling.called == [f"倒地 Man down {bench.units.rows[0].callsign}"], "once"
    assert alarms.health()["screens_silent"] == 1, "who has not said that it may sound may not"
    enrolled.feed.hear(viewer, {"k": "sound", "may": True})
    assert alarms.health()["screens_silent"] == 0


def test_a_restart_gives_screens_the_time_to_come_back(enrolled: Any, bench: Any) -> None:
    alarms = enrolled.safety.alarms
    alarms.hear([sos()])
    list(alarms.changes())
    alarms.keep()
    bench.clock.now += 10 * SHOWN_MS
    again = type(alarms)(alarms._ground)
    again.load()
    again.call_out = calling = Calling()
    again.look(bench.clock() + SHOWN_MS - 1)
    assert calling.called == []
    again.look(bench.clock() + SHOWN_MS)
    assert len(calling.called) == 1


def test_without_a_call_out_it_is_said(enrolled: Any) -> None:
    assert enrolled.safety.alarms.notes() == [
        "call-out: not configured: nobody is called when no screen is watched"
    ]


def test_a_new_screen_gets_what_is_open_the_gravest_last(enrolled: Any) -> None:
    tell(enrolled, standing("a", "lost", 3), standing("b"))
    enrolled.safety.alarms.hear([sos()])
    me = enrolled.sign_in.session(enrolled.sign_in.sign_in(enrolled.sign_in.new_token("王海")).cookie)
    assert me.may(Permission.PICTURE)
    said = list(enrolled.safety.alarms.greeting(me))
    assert [one.get("kind", one["k"]) for one in said] == ["lost", "zone", "sos", "alarm_health"]


# --- whatever happens ----------------------------------------------------------------------------------------


class Anything(RuleBasedStateMachine):
    """Whatever is told, done, and restarted: who is in danger is never hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.open_events: set[int] = set()
        self.told: dict[str, Condition] = {}
        self.unsettled: set[int] = set()

    @rule(
        numbers=st.sets(st.integers(0, 4)), priority=st.sampled_from([2, 3, 4]), after=st.integers(0, 90_000)
    )
    def conditions(self, numbers: set[int], priority: int, after: int) -> None:
        kinds = ["zone", "lost", "overdue", "battery", "retreat"]
        self.told = {
            f"k{i}": standing(f"k{i}", kinds[i], 1 if kinds[i] == "retreat" else priority, cause="c")
            for i in numbers
        }
        self.book.says(*self.told.values(), after_ms=after)

    @rule(number=st.integers(1, 3), is_open=st.booleans())
    def event(self, number: int, is_open: bool) -> None:
        known = self.book.get(f"7-{number}")
        self.book.hear(sos(number, is_open=is_open), "u1", self.book.now)
        (self.open_events.add if is_open else self.open_events.discard)(number)
        if is_open or (known is not None and known.is_open):
            self.unsettled.add(number)

    @rule(pick=st.integers(0, 20), act=st.sampled_from(["acknowledge", "shelve", "unshelve", "close"]))
    def person(self, pick: int, act: str) -> None:
        alarms = list(self.book.all())
        if not alarms:
            return
        alarm, now = alarms[pick % len(alarms)], self.book.now
        try:
            if act == "acknowledge":
                self.book.acknowledge(alarm.id, "王海", now)
            elif act == "shelve":
                self.book.shelve(alarm.id, "王海", now + 30_000, "已知", now)
            elif act == "unshelve":
                self.book.unshelve(alarm.id, now)
            else:
                self.book.close(alarm.id, "王海", "安全", now)
                if alarm.event:
                    self.unsettled.discard(int(alarm.event.split("-")[1]))
        except ValueError:
            assert act in ("shelve", "close")

    @rule(after=st.integers(0, 700_000))
    def time(self, after: int) -> None:
        self.book.now += after
        self.book.look(self.book.now)

    @precondition(lambda self: any(True for _ in self.book.all()))
    @rule()
    def restart(self) -> None:
        before = [(a.id, a.state, a.count, a.t_began, a.escalation) for a in self.book.all()]
        new = Book()
        new.now = self.book.now
        new.restore([Alarm.of(alarm.as_document()) for alarm in self.book.all()], new.now)
        new.tell("rules", list(self.told.values()), new.now)
        self.book = new
        after = {(a.id, a.state, a.count, a.t_began, a.escalation) for a in self.book.all()}
        assert set(before) <= after, "nothing is raised anew, nothing is lost"

    @invariant()
    def who_is_in_danger_is_seen(self) -> None:
        for number in self.open_events:
            alarm = self.book.get(f"7-{number}")
            assert alarm is not None
            assert (alarm.is_open, alarm.stands, alarm.shelved) == (True, True, None)
            assert self.book.sounds(alarm) or alarm.is_acknowledged
        for number in self.unsettled:
            assert self.book.get(f"7-{number}").is_open  # type: ignore[union-attr]
        standing_now = {
            alarm.key for alarm in self.book.all() if alarm.is_open and alarm.stands and not alarm.event
        }
        assert standing_now == set(self.told)

    @invariant()
    def groups_count_right(self) -> None:
        mine = [a for a in self.book.all() if a.is_open and a.cause == "c" and not a.is_protected]
        assert self.book._causes["c"] == len(mine)


Anything.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestAnything = Anything.TestCase
