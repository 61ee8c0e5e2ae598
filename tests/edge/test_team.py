"""The team of a vehicle without a hub: who is where, in what trouble, how long ago heard; and who answers."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import TeamConfig
from edge.team import ASK_AGAIN_MS, ASK_MS, HEARD_MAX, Team
from edge.team_page import PRESSES_MAX, TeamPage
from protocols import frame, narrow, team
from protocols.catalog import EventCode, EventPhase, Kind, Lane, Stream
from protocols.errors import OrderError
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.team import Mate

UTC_MS = 1_795_000_000_000
RELAY = 9
KEYS = {device: MacKey(bytes([device]) * 32, "live") for device in (1, 2, 3)}
CODE, ID, PHASE = 0, 1, 2


def packed(device: int, kind: Kind, rows: list[Row], zero_ms: int | None = UTC_MS) -> bytes:
    stream, lane = (Stream.EVENTS, Lane.SOS) if kind == Kind.EVENT else (Stream.ROWS, Lane.LIVE)
    return frame.pack(
        KEYS.get(device, KEYS[1]), kind=kind, lane=lane, device=device, boot=5, stream=stream, row=0, rows=rows,
        utc_zero_ms=zero_ms, clock_source=1 if zero_ms else 0, sealed=True,
    )  # fmt: skip


@pytest.fixture
def alarms() -> list[tuple[int, int]]:
    return []


@pytest.fixture
def mates(tmp_path: Path, alarms: list[tuple[int, int]]) -> Team:
    made = Team(tmp_path / "team.bin", lambda t_ms: UTC_MS + t_ms, lambda *alarm: alarms.append(alarm))
    named = [Mate(device, f"队员{device}", KEYS[device].ask_key(RELAY)) for device in KEYS]
    made.name(team.pack_team(named))
    return made


def one(mates: Team, device: int, t_ms: int) -> dict[str, Any]:
    shown: Any = mates.shown(t_ms)["mates"]
    return next(mate for mate in shown if mate["device"] == device)


def test_air_gas_and_place_are_shown_with_the_age_of_each(mates: Team) -> None:
    mates.own = (366_500_000, 1_170_000_000)
    mates.hear(
        packed(1, Kind.STATE, [Row(1_000, {0: 366_510_000, 1: 1_170_010_000, 35: 900, 6: 150})]), 1_000
    )
    mates.hear(packed(1, Kind.STATE, [Row(9_000, {9: 35})]), 9_000)
    told = one(mates, 1, 10_000)
    assert (told["callsign"], told["age_s"]) == ("队员1", 1)
    assert told["values"] == {"air_left_s": [900, 9], "co_ppm": [35, 1]}, "no heart rate: it was sealed"
    assert (told["place"]["age_s"], told["place"]["m"], told["place"]["bearing"]) == (9, 143, 39)
    assert one(mates, 3, 10_000)["age_s"] is None


def test_what_comes_late_out_of_a_backlog_is_old_and_replaces_nothing_newer(mates: Team) -> None:
    mates.hear(packed(1, Kind.STATE, [Row(500_000, {9: 7})]), 500_000)
    mates.hear(packed(1, Kind.STATE, [Row(100_000, {9: 99})]), 501_000)
    assert one(mates, 1, 501_000)["values"]["co_ppm"] == [7, 1]
    mates.hear(packed(2, Kind.STATE, [Row(100_000, {9: 99})]), 501_000)
    assert one(mates, 2, 501_000)["values"]["co_ppm"] == [99, 401]


def test_an_alarm_is_told_once_stands_first_and_ends_with_its_end(mates: Team, alarms: list[Any]) -> None:
    mates.hear(packed(1, Kind.STATE, [Row(1_000, {9: 1})]), 1_000)
    sos = packed(2, Kind.EVENT, [Row(2_000, {CODE: EventCode.SOS, ID: 7, PHASE: EventPhase.RAISED})])
    mates.hear(sos, 2_000)
    mates.hear(sos, 4_000)
    assert alarms == [(2, EventCode.SOS)]
    shown: Any = mates.shown(60_000)["mates"]
    assert shown[0]["device"] == 2
    assert shown[0]["alarms"] == [{"code": "sos", "age_s": 58}]
    mates.hear(
        packed(2, Kind.EVENT, [Row(9_000, {CODE: EventCode.SOS, ID: 7, PHASE: EventPhase.CANCELLED})]), 9_000
    )
    assert one(mates, 2, 9_000)["alarms"] == []


def test_a_narrow_alarm_counts_too_and_strangers_are_bounded(mates: Team, alarms: list[Any]) -> None:
    head = narrow.Head(3, 5, UTC_MS, 1, Kind.EVENT, Lane.SOS, Stream.EVENTS)
    mates.hear(narrow.pack(KEYS[3], head, [Row(2_000, {CODE: EventCode.MAN_DOWN, ID: 7, PHASE: 0})]), 2_000)
    assert alarms == [(3, EventCode.MAN_DOWN)]
    for device in range(100, 100 + 2 * HEARD_MAX):
        mates.hear(packed(device, Kind.STATE, [Row(1_000, {9: 1})]), 3_000)
    shown: Any = mates.shown(4_000)["mates"]
    assert len(shown) <= HEARD_MAX + len(KEYS)


def test_a_roll_call_asks_those_who_have_not_answered_for_a_minute(mates: Team) -> None:
    assert mates.due(1_000) == []
    mates.ask(1_000)
    assert [mate.device for mate in mates.due(1_000)] == [1, 2, 3]
    assert mates.due(1_000 + ASK_AGAIN_MS - 1) == []
    mates.hear(packed(2, Kind.EVENT, [Row(4_000, {CODE: EventCode.ROLL_CALL, ID: 1, PHASE: 0})]), 4_000)
    assert [mate.device for mate in mates.due(1_000 + ASK_AGAIN_MS)] == [1, 3]
    shown = mates.shown(12_000)
    assert (shown["answered"], shown["of"], shown["asked_s"]) == (1, 3, 11)
    assert mates.due(2_000 + ASK_MS) == []
    mates.ask(80_000)
    assert mates.shown(80_000)["answered"] == 0, "yesterday's answer is none"


def test_the_team_is_known_after_a_restart(mates: Team, tmp_path: Path) -> None:
    again = Team(tmp_path / "team.bin", lambda _t_ms: None)
    again.load()
    assert again.shown(0)["of"] == 3
    assert (tmp_path / "team.bin").stat().st_mode & 0o077 == 0, "it holds keys"


def test_only_the_relay_of_the_key_can_ask_and_only_this_device() -> None:
    ask = team.pack_ask(RELAY, UTC_MS, KEYS[1].ask_key(RELAY), "live")
    assert len(ask) == team.ASK_BYTES
    assert team.open_ask(ask, KEYS[1], "live") == (RELAY, UTC_MS)
    other = (RELAY + 1).to_bytes(4, "big") + ask[4:]
    for body, key, realm in (
        (ask, KEYS[2], "live"),
        (ask, KEYS[1], "drill"),
        (other, KEYS[1], "live"),
        (b"", KEYS[1], "live"),
    ):
        with pytest.raises(OrderError):
            team.open_ask(body, key, realm)


@given(st.binary(max_size=200))
def test_no_bytes_harm_it(data: bytes) -> None:
    made = Team(Path("/nowhere/team.bin"), lambda _t_ms: None)
    made.hear(data, 5)
    with pytest.raises(OrderError):
        made.name(b"\xc1" + data)
    made.shown(9)


# --- the page --------------------------------------------------------------------------------------------


@pytest.fixture
def page() -> Iterator[TeamPage]:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    made = TeamPage(TeamConfig(on=True, port=port), b"")
    made.maintain(0.0)
    yield made
    made.close()


def ask(page: TeamPage, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    line = http.client.HTTPConnection("127.0.0.1", page.port or 0, timeout=10)
    line.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = line.getresponse()
    body = answer.read()
    line.close()
    return answer.status, body


def test_the_page_serves_its_files_and_the_team(page: TeamPage, mates: Team) -> None:
    page.show(mates.shown(5))
    assert ask(page, "GET", "/")[0] == 200
    assert b"setInterval" in ask(page, "GET", "/page.js")[1]
    assert json.loads(ask(page, "GET", "/team.json")[1])["of"] == 3
    assert ask(page, "GET", "/../edge.toml")[0] == 404


def test_a_roll_call_needs_the_page_itself_and_presses_are_bounded(page: TeamPage) -> None:
    assert ask(page, "POST", "/roll-call")[0] == 404
    for _ in range(PRESSES_MAX):
        assert ask(page, "POST", "/roll-call", X_Zhantu="1")[0] == 202
    assert ask(page, "POST", "/roll-call", X_Zhantu="1")[0] == 429
    assert page.presses.qsize() == PRESSES_MAX


def test_beyond_loopback_a_code_is_asked_for(page: TeamPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.team_page.WRONG_PAUSE_S", 0.0)
    page.close()
    guarded = TeamPage(page._config, b"jinan-119")
    guarded.maintain(10.0)
    assert ask(guarded, "GET", "/team.json")[0] == 401
    assert ask(guarded, "GET", "/team.json", X_Code="jinan-118")[0] == 401
    assert ask(guarded, "POST", "/roll-call", X_Zhantu="1")[0] == 401
    assert ask(guarded, "GET", "/team.json", X_Code="jinan-119")[0] == 200
    guarded.close()


def test_a_browser_that_says_nothing_holds_up_nobody(page: TeamPage, wait_for: Callable[..., Any]) -> None:
    silent = [socket.create_connection(("127.0.0.1", page.port or 0)) for _ in range(5)]
    assert ask(page, "GET", "/team.json")[0] == 200
    for line in silent:
        line.close()
