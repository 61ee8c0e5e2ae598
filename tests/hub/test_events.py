"""Events beyond open and closed: what happened, what a body's alarm may show, who has seen it, and the wearer told."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import ALLOWED, Principal, Role
from hub.live.feed import Viewer
from hub.live.picture import (
    EVENT_FLAGS,
    FLAG_DEVICE,
    FLAG_GAS,
    FLAG_LOW_AIR,
    FLAG_MAN_DOWN,
    FLAG_SOS,
    FLAG_STRAIN,
)
from hub.live.seen import SeenEvents
from protocols import orders
from protocols.catalog import HAPPENINGS_FROM, EventCode, Kind, Lane, Stream, field_id

HOST = "http://127.0.0.1:8600"
T0 = 1_795_000_000_000


def alarm(bench: Any, row: int, code: int, number: int = 5, phase: int = 0, **more: Any) -> tuple[str, bytes]:
    fields = {key: more.pop(key) for key in list(more) if key.startswith("event_")}
    values = {"event_code": int(code), "event_id": number, "event_phase": phase, **fields}
    return bench.frame(row=row, rows=[values], kind=Kind.EVENT, lane=Lane.SOS, stream=Stream.EVENTS, **more)


def test_every_alarm_has_a_flag() -> None:
    assert set(EVENT_FLAGS) == {int(code) for code in EventCode if code < HAPPENINGS_FROM}
    old = {
        EventCode.SOS: FLAG_SOS,
        EventCode.MAN_DOWN: FLAG_MAN_DOWN,
        EventCode.LOW_AIR: FLAG_LOW_AIR,
        EventCode.GAS: FLAG_GAS,
    }
    assert [(FLAG_SOS, FLAG_MAN_DOWN, FLAG_LOW_AIR, FLAG_GAS, FLAG_STRAIN, FLAG_DEVICE)] == [
        (1, 2, 4, 8, 64, 128)
    ]
    assert all(EVENT_FLAGS[code] == flag for code, flag in old.items())


def test_a_flag_stands_as_long_as_any_of_its_alarms(bench: Any) -> None:
    bench.put(alarm(bench, 0, EventCode.GAS_STEL, 1), alarm(bench, 1, EventCode.GAS_FAULT, 2))
    bench.put(alarm(bench, 2, EventCode.FALL, 3), alarm(bench, 3, EventCode.TURN_BACK, 4))
    bench.put(alarm(bench, 4, EventCode.HEAT, 6))
    assert bench.flags() == FLAG_GAS | FLAG_MAN_DOWN | FLAG_LOW_AIR | FLAG_STRAIN
    bench.put(alarm(bench, 5, EventCode.GAS_STEL, 1, phase=2))
    assert bench.flags() & FLAG_GAS
    bench.put(alarm(bench, 6, EventCode.GAS_FAULT, 2, phase=2))
    assert not bench.flags() & FLAG_GAS


def test_a_happening_is_told_once_and_never_open(bench: Any) -> None:
    (event,) = bench.put(alarm(bench, 0, EventCode.ENTERED, event_duty=2))
    said = event.message()
    assert (said["code"], said["phase"], said["state"], said["duty"]) == (64, 0, "happened", 2)
    assert (
        bench.put(alarm(bench, 1, EventCode.ENTERED, phase=1), alarm(bench, 2, EventCode.ENTERED, phase=2))
        == []
    )
    assert (bench.flags(), list(bench.ingest.events.open())) == (0, [])
    bench.restart()
    assert bench.flags() == 0


def test_value_threshold_and_clocks(bench: Any) -> None:
    gas = field_id("h2s_dppm")
    row = alarm(
        bench, 0, EventCode.GAS, event_value=153, event_threshold=100, event_field=gas, t_ms=T0 - 2_000
    )
    (event,) = bench.put(row)
    said = event.message()
    assert (said["value"], said["threshold"], said["field"], said["unit"]) == (15.3, 10.0, "h2s_dppm", "ppm")
    assert event.first is not None
    assert event.first.as_dict() == {
        "t_mono_ms": 998_000,
        "t_utc_ms": T0 - 2_000,
        "source": "gnss",
        "t_hub_ms": T0,
    }
    (event,) = bench.put(alarm(bench, 1, EventCode.GAS, phase=1, event_value=180))
    assert (event.message()["value"], event.message()["field"]) == (18.0, "h2s_dppm")
    assert event.message()["t_raised"] == T0 - 2_000


def test_an_old_row_does_not_undo_what_a_newer_one_said(bench: Any) -> None:
    bench.put(alarm(bench, 0, EventCode.GAS, event_value=1))
    bench.put(alarm(bench, 2, EventCode.GAS, phase=2))
    (event,) = bench.put(alarm(bench, 1, EventCode.GAS, phase=1, event_value=2, t_ms=T0 - 1_000))
    assert (event.message()["phase"], event.state, event.is_open) == (2, "cleared", False)


# --- bodies ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def loop() -> Iterator[None]:
    with asyncio.Runner() as runner:
        runner.get_loop()
        yield


def events_for(state: Any, role: Role, team: str = "A") -> list[dict[str, Any]]:
    viewer = Viewer(Principal("Li", role, "", ("*",), team, "s", ALLOWED[role], 2**50))
    state.feed.join(viewer)
    out = []
    while (data := state.feed.next_message(viewer)) is not None:
        out.append(msgpack.unpackb(data))
    return [message for message in out if message["k"] == "event"]


def test_an_alarm_of_a_body_is_seen_by_all_and_its_numbers_by_few(bench: Any, state: Any, loop: None) -> None:
    strain = field_id("strain_e1")
    bench.put(alarm(bench, 0, EventCode.STRAIN, event_value=81, event_threshold=75, event_field=strain))
    for role, team, whole in (
        (Role.MEDIC, "", True), (Role.SAFETY_OFFICER, "", True), (Role.TEAM_LEADER, "A", True),
        (Role.TEAM_LEADER, "B", False), (Role.COMMANDER, "", False), (Role.MEMBER, "A", False),
    ):  # fmt: skip
        (said,) = events_for(state, role, team)
        shown = (said["code"], said["value"], said["threshold"], said["field"], said["unit"])
        assert shown == ((15, 8.1, 7.5, "strain_e1", "") if whole else (0, None, None, None, "")), (
            role,
            team,
        )
        assert said["state"] == "raised"
    assert bench.flags() == FLAG_STRAIN


# --- seen -----------------------------------------------------------------------------------------------------------


def enter(
    ask: Any,
    state: Any,
    role: Role,
    name: str = "王海",
    team: str = "",
    agency: str = "",
    sees: tuple[str, ...] = ("*",),
) -> None:
    state.sign_in.accounts.put(Person(name, role, agency, sees, team, ACTIVE), "test", 1)
    token = state.sign_in.new_token(name)
    assert ask("POST", "/api/v1/session", json={"token": token}, headers={"Origin": HOST}).status_code == 200


def orders_sent(bench: Any) -> list[tuple[int, str, int]]:
    out = []
    for device, data in bench.sent:
        what, body = orders.unpack_down(data, bench.mac_key(device))
        assert what == orders.What.SEEN
        out.append(orders.open_seen(body))
    bench.sent.clear()
    return out


def test_seen_is_kept_told_and_sent_until_the_wearer_knows(
    bench: Any, state: Any, ask: Any, loop: None
) -> None:
    enter(ask, state, Role.COMMANDER)
    bench.put(bench.event(0))
    bench.sent.clear()
    viewer = Viewer(Principal("Li", Role.MEMBER, "", ("*",), "", "s", ALLOWED[Role.MEMBER], 2**50))
    state.feed.join(viewer)
    viewer.queue.clear()
    answer = ask("POST", "/api/v1/events/7-5/seen", headers={"Origin": HOST})
    assert answer.json()["seen"] == {"by": "王海", "t": T0, "heard": False}
    assert answer.json()["state"] == "acknowledged"
    told = msgpack.unpackb(viewer.queue.popleft())
    assert (told["id"], told["seen"]["by"], told["state"]) == ("7-5", "王海", "acknowledged")
    assert orders_sent(bench) == [(5, "王海", T0)]
    assert [r[3] for r in bench.registry.records()][-1] == "event seen"

    state.seen.step()
    bench.clock.now += 4_999
    state.seen.step()
    assert orders_sent(bench) == []
    bench.clock.now += 1
    state.seen.step()
    assert orders_sent(bench) == [(5, "王海", T0)]

    bench.clock.now += 5_000
    bench.put(bench.event(1, phase=1))
    state.seen.step()
    assert orders_sent(bench) == [(5, "王海", T0)], (
        "a repeat does not take it away, nor says that it was heard"
    )
    (event,) = bench.put(alarm(bench, 2, EventCode.SOS, phase=1, event_seen=1))
    assert event.message()["seen"] == {"by": "王海", "t": T0, "heard": True}
    bench.clock.now += 60_000
    state.seen.step()
    assert orders_sent(bench) == []
    enter(ask, state, Role.DISPATCHER, "李安")
    records = bench.registry.newest_record()
    again = ask("POST", "/api/v1/events/7-5/seen", headers={"Origin": HOST}).json()
    assert (again["seen"]["by"], bench.registry.newest_record()) == ("王海", records), "the first one counts"


def test_the_audit_does_not_tell_of_a_body(bench: Any, state: Any, ask: Any) -> None:
    enter(ask, state, Role.MEDIC)
    bench.put(alarm(bench, 0, EventCode.HEAT), alarm(bench, 1, EventCode.GAS, 6))
    for id in ("7-5", "7-6"):
        assert ask("POST", f"/api/v1/events/{id}/seen", headers={"Origin": HOST}).status_code == 200
    content = [str(record[4]) for record in bench.registry.records() if record[3] == "event seen"]
    assert ['"code":0' in content[0], '"code":4' in content[1]] == [True, True], content


def test_a_receipt_neither_raises_nor_ends_an_alarm(bench: Any) -> None:
    bench.put(bench.event(0), bench.event(1, number=6), bench.event(2, number=6, phase=2))
    assert bench.put(alarm(bench, 3, 0, 404, phase=1, event_seen=1)) == [], "of an event that nobody knows"
    assert len(list(bench.ingest.events.all())) == 2
    (event,) = bench.put(alarm(bench, 4, 0, 5, phase=1, event_seen=1, boot=12))
    assert (event.heard, event.code, event.is_open) == (True, 1, True), (
        "a device that was started anew says code 0"
    )
    assert bench.put(alarm(bench, 5, 1, 5, phase=2, event_seen=1)) == []
    assert bench.flags() & FLAG_SOS, "in the phase of an end it does not end"
    (other,) = bench.put(alarm(bench, 6, 1, 6, phase=1, event_seen=1))
    assert (other.heard, other.is_open) == (True, False), "nor does it open again what is over"
    bench.restart()
    assert [(e.number, e.heard, e.is_open) for e in bench.ingest.events.all()] == [
        (5, True, True),
        (6, True, False),
    ]


def test_the_wearer_is_told_no_more_after_ten_minutes_or_a_clear(bench: Any, state: Any) -> None:
    bench.put(bench.event(0), bench.event(1, number=6))
    for id in ("7-5", "7-6"):
        state.seen.note(id, state.seen.keep(id, "Li", "C7", 1))
    assert len(orders_sent(bench)) == 2
    bench.put(bench.event(2, number=6, phase=3))
    bench.clock.now += 10_000
    state.seen.step()
    assert [number for number, _, _ in orders_sent(bench)] == [5]
    bench.clock.now = T0 + 600_000
    state.seen.step()
    assert orders_sent(bench) == []


def test_seen_survives_a_restart(bench: Any, state: Any) -> None:
    bench.put(bench.event(0), bench.event(1, number=6))
    state.seen.note("7-5", state.seen.keep("7-5", "Li", "C7", 1))
    bench.restart()
    after = SeenEvents(
        bench.registry, bench.ingest.events, bench.keys, lambda d, b: bench.sent.append((d, b)), bench.clock
    )
    after.load()
    assert [event.state for event in bench.ingest.events.open()] == ["acknowledged", "raised"]
    bench.sent.clear()
    after.step()
    assert orders_sent(bench) == [(5, "Li", T0)]
    for n in range(30):
        bench.registry.trust.see_event(f"x-{n}", "Li", T0, 10)
    assert len(bench.registry.trust.seen_events()) == 10


@pytest.mark.parametrize("role", Role)
def test_who_may_see(bench: Any, state: Any, ask: Any, role: Role) -> None:
    bench.put(bench.event(0))
    enter(ask, state, role, team="A")
    may = {
        Role.COMMANDER,
        Role.DISPATCHER,
        Role.DUTY_OFFICER,
        Role.SAFETY_OFFICER,
        Role.MEDIC,
        Role.TEAM_LEADER,
    }
    answer = ask("POST", "/api/v1/events/7-5/seen", headers={"Origin": HOST})
    assert answer.status_code == (200 if role in may else 403)


def test_what_cannot_be_seen(bench: Any, state: Any, ask: Any) -> None:
    bench.put(bench.event(0), bench.event(1, number=6), bench.event(2, number=6, phase=3))
    bench.put(alarm(bench, 3, EventCode.LEFT, 9))
    enter(ask, state, Role.TEAM_LEADER, team="B")
    post = {"headers": {"Origin": HOST}}
    assert ask("POST", "/api/v1/events/7-5/seen", **post).status_code == 403, "another team's"
    enter(ask, state, Role.COMMANDER, "Li")
    assert ask("POST", "/api/v1/events/7-404/seen", **post).status_code == 404
    before = bench.registry.newest_record()
    for id in ("7-6", "7-9"):
        answer = ask("POST", f"/api/v1/events/{id}/seen", **post)
        assert (answer.status_code, answer.json()["seen"]) == (200, None)
    assert bench.registry.newest_record() == before
    assert not any(event.seen for event in bench.ingest.events.all())


def test_a_list_of_events(bench: Any, state: Any, ask: Any) -> None:
    enter(ask, state, Role.MEMBER)
    for n in range(6):
        bench.put(
            alarm(bench, n, EventCode.GAS if n < 5 else EventCode.DONE, 10 + n, t_ms=T0 - 10_000 + 1_000 * n)
        )
    bench.put(alarm(bench, 6, EventCode.GAS, 11, phase=2))

    def ids(query: str) -> tuple[list[str], str | None]:
        body = ask("GET", f"/api/v1/events{query}").json()
        return [event["id"] for event in body["events"]], body["next"]

    assert ids("") == (["7-14", "7-13", "7-12", "7-10"], None)
    assert ids("?unit=u1")[0] == ["7-15", "7-14", "7-13", "7-12", "7-11", "7-10"]
    assert ids(f"?since={T0 - 7_000}")[0] == ["7-15", "7-14", "7-13"]
    assert ask("GET", "/api/v1/events?unit=nobody").status_code == 404
    assert ask("GET", "/api/v1/events?after=x").status_code == 422
    walked, after = [], ""
    for _ in range(5):
        some, cursor = ids(f"?unit=u1&limit=2{after}")
        walked += some
        after = f"&after={cursor}"
        if cursor is None:
            break
    assert walked == ["7-15", "7-14", "7-13", "7-12", "7-11", "7-10"]
    one = ask("GET", "/api/v1/events?unit=u1").json()["events"][4]
    assert (one["state"], one["callsign"], one["unit_id"], one["cleared"]["t_hub_ms"]) == (
        "cleared",
        "C7",
        "u1",
        T0,
    )


def test_events_of_other_agencies_are_not_there(bench: Any, state: Any, ask: Any) -> None:
    row = bench.units.rows[0]._replace(agency="矿山")
    bench.registry.enrol([(7, row)], 1)
    bench.load()
    bench.put(bench.event(0))
    enter(ask, state, Role.COMMANDER, agency="消防", sees=())
    assert ask("GET", "/api/v1/events").json()["events"] == []
    assert ask("GET", "/api/v1/events?unit=u1").status_code == 404
    assert ask("POST", "/api/v1/events/7-5/seen", headers={"Origin": HOST}).status_code == 404
