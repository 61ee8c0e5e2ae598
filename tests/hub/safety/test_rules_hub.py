"""Rules in a hub: its file, its alarms, a restart, and people who change and try them."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hub.api import rule_routes
from hub.errors import StoreError
from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import Role
from hub.safety import parts as safety
from hub.safety.rule_file import SAMPLE
from hub.store.interface import UnitRow
from protocols.catalog import EventCode

T0 = 1_795_000_000_000
S = 1_000
BATTERY = {"id": "battery", "kind": "battery", "zh": "快没电", "en": "Nearly empty", "below": 50}


def look(state: Any, bench: Any, after_ms: int = 0) -> None:
    bench.clock.now += after_ms
    for part in state.safety:
        part.look(bench.clock())


def empty(bench: Any, device: int = 7, row: int = 0, **more: Any) -> None:
    bench.put(bench.frame(device=device, row=row, rows=[{"battery_pct": 10, "heart_bpm": 190}], **more))


@pytest.fixture
def as_role(state: Any, new_browser: Callable[[], Any]) -> Callable[..., Any]:
    """A browser of somebody of a role."""

    def enter(role: Role = Role.SAFETY_OFFICER, agency: str = "", sees: tuple[str, ...] = ("*",)) -> Any:
        state.sign_in.accounts.put(Person("王海", role, agency, sees, "A", ACTIVE), "test", 1)
        ask = new_browser()
        assert (
            ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("王海")}).status_code == 200
        )
        return ask

    return enter


@pytest.fixture
def ask(as_role: Callable[..., Any]) -> Any:
    return as_role()


# --- alarms ----------------------------------------------------------------------------------------


def test_a_hub_without_a_file_judges_by_the_sample(state: Any, bench: Any) -> None:
    for row in range(6):
        empty(bench, row=row)
        look(state, bench, 4 * S)
    (alarm,) = [one for one in state.safety.alarms.open() if one.kind == "battery"]
    assert (alarm.key, alarm.zh) == (f"rules:battery:{alarm.units[0]}", "电量低：电量 10 %（限 20 %）")
    assert state.safety.rules.gauges()["rules_standing"] == 1
    assert state.safety.rules.notes() == []


def test_a_file_alone_counts_and_a_broken_one_leaves_the_sample(state: Any, tmp_path: Any) -> None:
    rules = state.safety.rules
    text = '[[rule]]\nid = "mine"\nkind = "lost"\n[[rule]]\nkind = "los"\n'
    (tmp_path / "rules.toml").write_text(text, encoding="utf-8")
    rules.load()
    assert [rule.id for rule in rules.effective()] == ["mine"]
    assert rules.notes() == [f"rules: {words}" for words in rules.errors]
    assert len(rules.errors) == 1
    for broken in (b"[[rule", b"\xff"):
        (tmp_path / "rules.toml").write_bytes(broken)
        rules.load()
        assert rules.file_name == SAMPLE.name
        assert len(rules.effective()) > 10, "not a hub without rules"
        assert rules.notes()[0].startswith("rules: rules.toml: ")


def test_a_restart_neither_ends_nor_repeats_what_stands(state: Any, bench: Any) -> None:
    for row in range(6):
        empty(bench, row=row)
        look(state, bench, 4 * S)
    before = state.safety.alarms
    (alarm,) = before.open()
    list(before.changes())
    before.keep()
    bench.clock.now += 20 * S
    again = safety.make(before._ground)
    for part in again:
        part.load()
    for _ in range(3):
        bench.clock.now += S
        for part in again:
            part.look(bench.clock())
        (kept,) = again.alarms.open()
        assert (kept.id, kept.stands, kept.count, kept.t_began) == (alarm.id, True, 1, alarm.t_began)
    empty(bench, row=9)
    bench.put(bench.frame(row=10, rows=[{"battery_pct": 80}], t_ms=bench.clock() + S))
    bench.clock.now += S
    again.rules.look(bench.clock())
    assert again.alarms.open() == [], "and it ends when its cause ends"


def test_a_fault_in_a_rule_ends_neither_the_hub_nor_what_it_told(
    state: Any, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for row in range(6):
        empty(bench, row=row)
        look(state, bench, 4 * S)

    def fails(*_: Any) -> Any:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("hub.safety.rule_values.BatteryWatch.step", fails)
    bench.clock.now += 301 * S
    look(state, bench)
    assert [(one.kind, one.stands) for one in state.safety.alarms.open()] == [
        ("lost", True),
        ("battery", True),
    ]
    assert (
        state.safety.rules.notes()[0] == "rules: battery: a fault of the program: ZeroDivisionError: by zero"
    )
    monkeypatch.undo()
    look(state, bench, S)
    assert state.safety.rules.notes() == []


def test_what_joined_a_gateways_alarm_ends_with_it(state: Any, bench: Any) -> None:
    """Several gases are several alarms of one code; and the rule's off-delay outlasts them all."""

    def gas(number: int, phase: int, row: int) -> None:
        state.safety.alarms.hear(bench.put(bench.event(row, phase, number=number, code=int(EventCode.GAS))))

    def alarms() -> list[str]:
        return sorted(one.source for one in state.safety.alarms.open() if one.stands)

    gas(1, 0, 0)
    gas(2, 0, 1)
    for row in range(8):
        bench.put(bench.frame(row=row, rows=[{"lel_permille": 300}]))
        look(state, bench, 1 * S)
    assert state.safety.rules.gauges()["rules_standing"] == 1
    assert alarms() == ["edge", "edge"]
    gas(2, 2, 2)
    look(state, bench, 1 * S)
    assert alarms() == ["edge"], "the other gas still stands, and says the same"
    bench.put(bench.frame(row=20, rows=[{"lel_permille": 0}]))
    look(state, bench, 1 * S)
    gas(1, 2, 3)
    for _ in range(3):
        look(state, bench, 1 * S)
        assert alarms() == [], "a delay that only ends an alarm begins none"
    assert state.safety.rules.gauges()["rules_standing"] == 1
    bench.put(bench.frame(row=21, rows=[{"lel_permille": 300}]))
    look(state, bench, 1 * S)
    assert alarms() == ["rules"], "back in the gas, and the gateway says nothing"


def test_an_entry_is_known_after_a_restart(state: Any, bench: Any) -> None:
    for event in bench.put(bench.event(0, number=3, code=int(EventCode.ENTERED))):
        state.safety.rules.hear([event])
    bench.clock.now += 1_800 * S
    empty(bench)
    again = safety.make(state.safety.alarms._ground)
    for part in (state.safety, again):
        part.rules.load()
        part.rules.look(bench.clock())
        assert [one.kind for one in part.alarms.open()] == ["overdue"]


# --- people ----------------------------------------------------------------------------------------


def test_the_list_says_what_stands_and_whose_it_is(ask: Any, state: Any, bench: Any) -> None:
    for row in range(6):
        empty(bench, row=row)
        look(state, bench, 4 * S)
    said = ask("GET", "/api/v1/rules").json()
    rules = {rule["id"]: rule for rule in said["rules"]}
    assert (said["file"], said["errors"]) == ("sample_rules.toml", [])
    battery = rules["battery"]
    assert (battery["standing"], battery["priority"], battery["origin"], battery["changed"]) == (
        1,
        4,
        "sample",
        None,
    )
    assert (rules["no-medic-staging"]["trouble"], rules["alone"]["enabled"]) == ("", False)
    assert battery["rule"] == {
        "id": "battery",
        "kind": "battery",
        "zh": "电量低",
        "en": "Low battery",
        "on_s": 10,
    }
    assert ask("GET", "/api/v1/rules/schema").json()["properties"]["rule"]["maxItems"] == 200


def test_who_does_not_see_a_unit_does_not_count_it(as_role: Any, state: Any, bench: Any) -> None:
    bench.registry.enrol([(9, UnitRow("", "别家", "person", "mine", "M", 30, 300, "矿山"))], bench.clock())
    bench.load()
    for row in range(6):
        empty(bench, 9, row=row)
        look(state, bench, 4 * S)

    def standing(ask: Any) -> int:
        return sum(rule["standing"] for rule in ask("GET", "/api/v1/rules").json()["rules"])

    assert standing(as_role()) == 1
    stranger = as_role(agency="市消防", sees=())
    assert standing(stranger) == 0
    tried = stranger(
        "POST", "/api/v1/rules/try", json={"rule": "battery", "from": T0, "to": T0 + 60 * S}
    ).json()
    assert (tried["count"], tried["firings"]) == (0, [])


def test_a_change_counts_at_once_is_recorded_and_can_be_taken_back(ask: Any, state: Any, bench: Any) -> None:
    bench.put(bench.frame(rows=[{"battery_pct": 40}]))
    look(state, bench, S)
    assert state.safety.alarms.open() == []
    answer = ask("PUT", "/api/v1/rules/battery", json={key: BATTERY[key] for key in BATTERY if key != "id"})
    assert (answer.status_code, answer.json()["origin"], answer.json()["changed"]) == (
        200, "changed", {"by": "王海", "t_utc_ms": bench.clock()},
    )  # fmt: skip
    look(state, bench, S)
    assert [one.zh for one in state.safety.alarms.open()] == ["快没电：电量 40 %（限 50 %）"]
    again = safety.make(state.safety.alarms._ground)
    again.rules.load()
    assert next(one.origin for one in again.rules.shown() if one.rule.id == "battery") == "changed"
    back = ask("DELETE", "/api/v1/rules/battery").json()
    assert next(rule["origin"] for rule in back["rules"] if rule["id"] == "battery") == "sample"
    look(state, bench, S)
    assert state.safety.alarms.open() == []
    records = [(row[2], row[3]) for row in bench.registry.records()][-2:]
    assert records == [("王海", "rule changed"), ("王海", "rule reverted")]
    again.rules.load()
    assert not again.rules.is_changed("battery")


def test_a_rule_is_added_and_gone_again(ask: Any, state: Any) -> None:
    new = BATTERY | {"id": "mine"}
    assert ask("POST", "/api/v1/rules", json=new).json()["origin"] == "added"
    assert ask("POST", "/api/v1/rules", json=new).status_code == 409
    assert ask("DELETE", "/api/v1/rules/mine").status_code == 200
    assert state.safety.rules.get("mine") is None


REFUSED: list[tuple[str, str, Any, int, str]] = [
    (
        "POST",
        "",
        {"id": "x", "kind": "battery", "belo": 1},
        422,
        "unknown key 'belo', did you mean 'below'?",
    ),
    ("PUT", "/battery", {"kind": "battery", "id": "other"}, 422, "another than 'battery'"),
    ("PUT", "/none", {"kind": "battery"}, 404, "no rule 'none'"),
    ("DELETE", "/none", None, 404, "no rule 'none'"),
    ("DELETE", "/battery", None, 409, "switch it off with enabled = false"),
    ("POST", "/try", {"rule": "none", "from": 0, "to": 1}, 404, "no rule 'none'"),
    ("POST", "/try", {"rule": {"id": "x"}, "from": 0, "to": 1}, 422, "kind = None"),
    ("POST", "/try", {"rule": "battery", "from": 2, "to": 1}, 422, "at most 8 days, forwards"),
    ("POST", "/try", {"rule": "battery", "from": 0, "to": T0}, 422, "at most 8 days"),
    ("POST", "/try", {"rule": "battery", "from": 0, "to": 1, "more": 1}, 422, "more"),
]


def test_what_is_refused(ask: Any) -> None:
    for method, path, body, status, words in REFUSED:
        answer = ask(method, f"/api/v1/rules{path}", **({} if body is None else {"json": body}))
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.json()


def test_what_cannot_be_kept_does_not_count(ask: Any, state: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise StoreError("disk")

    monkeypatch.setattr(state.registry.documents, "put", full)
    records = list(state.registry.records())
    with pytest.raises(StoreError):
        ask("PUT", "/api/v1/rules/battery", json={"kind": "battery", "below": 50})
    assert not state.safety.rules.is_changed("battery")
    assert list(state.registry.records()) == records, "no record of what was not done"


def test_try_says_how_often_it_would_have_fired(ask: Any, state: Any, bench: Any) -> None:
    place = {"lat_deg_e7": 366_500_000, "lon_deg_e7": 1_170_000_000}
    for row, level in enumerate((60, 40, 40, 60, 40)):
        bench.clock.now += S
        bench.put(bench.frame(row=row, rows=[{"battery_pct": level, **place}]))
    body = {"rule": BATTERY, "from": T0, "to": T0 + 60 * S}
    said = ask("POST", "/api/v1/rules/try", json=body).json()
    unit = state.units.rows[0].id
    assert (said["count"], said["by_unit"], said["looked_rows"], said["truncated"]) == (
        2,
        {unit: 2},
        5,
        False,
    )
    assert said["firings"][0] == {
        "t_utc_ms": T0 + 2 * S, "until_utc_ms": T0 + 4 * S, "unit": unit, "callsign": "C7", "value": 40, "lat": 36.65,
        "lon": 117.0, "zh": "快没电：电量 40 %（限 50 %）", "en": "Nearly empty: Battery 40 % (limit 50 %)",
    }  # fmt: skip
    assert ask("POST", "/api/v1/rules/try", json=body | {"units": ["u99"]}).json()["count"] == 0
    assert ask("POST", "/api/v1/rules/try", json=body | {"rule": "alone"}).json()["trouble"] == ""
    zones = ask("POST", "/api/v1/rules/try", json=body | {"rule": "no-medic-staging"}).json()
    assert (zones["count"], zones["trouble"]) == (0, "")
    assert state.safety.rules.get("battery").below == 20, "nothing was saved"


def test_a_rule_about_bodies_is_tried_for_who_may_see_them(as_role: Any, bench: Any) -> None:
    empty(bench)
    rule = {"id": "h", "kind": "threshold", "channel": "heart_bpm", "above": 180}
    body = {"rule": rule, "from": T0, "to": T0 + 60 * S}
    for role, count in ((Role.SAFETY_OFFICER, 1), (Role.ADMINISTRATOR, 0)):
        assert as_role(role)("POST", "/api/v1/rules/try", json=body).json()["count"] == count


def test_one_dry_run_at_a_time_and_none_for_nobody(
    ask: Any, state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"rule": "battery", "from": T0, "to": T0 + 60 * S}
    state.safety.rules.trying = True
    answer = ask("POST", "/api/v1/rules/try", json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    state.safety.rules.trying = False

    class Slow:
        closed = False

        def slice(self) -> bool:
            return False

        def close(self) -> None:
            Slow.closed = True

    monkeypatch.setattr(type(state.safety.rules), "trial", lambda *_: Slow())
    monkeypatch.setattr(rule_routes, "PAUSE_S", 0)

    async def leaves() -> None:
        """A browser that asks and goes away."""
        sent = [{"type": "http.request", "body": httpx.Request("POST", "/", json=body).content}]

        async def receive() -> Any:
            return sent.pop() if sent else {"type": "http.disconnect"}

        async def send(_message: Any) -> None:
            return

        cookie = "; ".join(f"{name}={value}" for name, value in ask.jar.items())
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": "/api/v1/rules/try", "raw_path": b"",
            "scheme": "http", "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8600), "headers": [
                (b"host", b"127.0.0.1:8600"), (b"content-type", b"application/json"), (b"cookie", cookie.encode()),
                (b"content-length", str(len(sent[0]["body"])).encode()),
            ],
        }  # fmt: skip
        await ask.app(scope, receive, send)

    asyncio.run(asyncio.wait_for(leaves(), 10))
    assert Slow.closed
    assert not state.safety.rules.trying
