"""How gateways' bearers do, and by which ways the hub heard them: the newest, over a restart, to those who may."""

from typing import Any

import pytest

from hub.api import link_routes
from hub.identity.permissions import ALLOWED, Principal, Role
from hub.live import links as live_links
from hub.live.links import GONE_MS, PLACES_MAX, Links, Told
from protocols import frame, relay, topics
from protocols.catalog import Bearer, BearerState, ClockSource, Kind, Lane, Stream
from protocols.links import LinkState

T0 = 1_795_000_000_000
BOOT = 2**63 + 11


def state_of(place: int, name: str = "lte", state: int = BearerState.UP, **more: Any) -> LinkState:
    return LinkState(place, name, more.pop("kind", Bearer.MQTT), state, **more)


def told(place: int, t_ms: int, name: str = "lte") -> Told:
    return Told(state_of(place, name), t_ms, t_ms)


def link_frame(
    bench: Any, row: int, *states: LinkState, device: int = 7, ago_ms: int = 0
) -> tuple[str, bytes]:
    at = bench.clock() - ago_ms - (T0 - 1_000_000)
    packed = frame.pack(
        bench.mac_key(device), kind=Kind.LINK, lane=Lane.LIVE, device=device, boot=BOOT, stream=Stream.ROWS, row=row,
        rows=[frame.Row(at, {}, tuple(state)) for state in states], utc_zero_ms=T0 - 1_000_000,
        clock_source=ClockSource.GNSS,
    )  # fmt: skip
    return bench.topic(device, Lane.LIVE), packed


def names(bench: Any, device: int = 7) -> list[tuple[str, int]]:
    return [(one.link.name, one.link.state) for one in bench.ingest.links.of(device)]


# --- what is remembered ----------------------------------------------------------------------------------------


def test_the_newest_row_of_a_place_wins_in_any_order() -> None:
    links = Links()
    for t_ms, name in ((3_000, "new"), (1_000, "old"), (2_000, "older")):
        links.tell(7, told(0, t_ms, name))
    assert [one.link.name for one in links.of(7)] == ["new"]


def test_a_bearer_that_is_told_no_more_goes_and_places_have_a_bound() -> None:
    links = Links()
    for place in range(PLACES_MAX + 3):
        links.tell(7, told(place, T0))
    assert len(links.of(7)) == PLACES_MAX
    links.tell(7, told(1, T0 + GONE_MS + 1))
    assert [one.link.place for one in links.of(7)] == [1]


def test_devices_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_links, "DEVICES_MAX", 2)
    links = Links()
    for device in (1, 2, 3):
        links.tell(device, told(0, T0))
    assert links.devices() == [1, 2]
    assert links.of(3) == []


# --- through ingest --------------------------------------------------------------------------------------------


def test_rows_of_bearers_are_kept_and_come_back_after_a_kill(bench: Any) -> None:
    held = state_of(1, "beidou", BearerState.HELD, kind=Bearer.RDSS)
    bench.put(link_frame(bench, 0, state_of(0), held))
    bench.put(bench.frame(row=2))
    assert names(bench) == [("lte", BearerState.UP), ("beidou", BearerState.HELD)]
    bench.restart()
    bench.ingest.restore(reversed(list(bench.log.links(T0 - 1_000, 10))))
    assert names(bench) == [("lte", BearerState.UP), ("beidou", BearerState.HELD)]
    assert bench.lat() == 366_500_002, "the picture is rebuilt of positions"


def test_positions_are_rebuilt_however_much_is_said_of_links(bench: Any) -> None:
    bench.put(bench.frame(row=0))
    for row in range(1, 20):
        bench.clock.now += 1_000
        bench.put(link_frame(bench, row, state_of(0)))
    bench.restart()
    assert bench.t_fix() == T0


def test_rows_of_a_clock_that_runs_ahead_are_not_newer_than_their_arrival(bench: Any) -> None:
    bench.put(link_frame(bench, 0, state_of(0), ago_ms=-5_000))
    assert bench.ingest.links.of(7)[0].t_utc_ms == T0


# --- to those who may ------------------------------------------------------------------------------------------


def test_links_and_ways_of_each_device(ask: Any, state: Any, bench: Any) -> None:
    assert ask("GET", "/api/v1/links").status_code == 401
    token = state.sign_in.new_token("Li")
    ask("POST", "/api/v1/session", json={"token": token})
    bench.enrol(9)
    bench.ingest.relays = frozenset({9})
    bench.put(link_frame(bench, 0, state_of(0, loss_permille=12, delay_ms=120, ok_age_s=4, backlog_rows=3)))
    bench.clock.now += 2_000
    carried = relay.pack_up(relay.Carried(Bearer.MESH, bench.frame(row=1)[1]))
    bench.put((topics.relayed("live", 9), carried))
    found = ask("GET", "/api/v1/links/7").json()
    assert found["callsign"] == "C7"
    (link,) = found["links"]
    assert (link["bearer"], link["state"], link["delay_ms"], link["ok_utc_ms"]) == (
        "mqtt",
        "up",
        120,
        T0 - 4_000,
    )
    assert [(way["bearer"], way["relay"], way["relay_callsign"]) for way in found["ways"]] == [
        ("mesh", 9, "C9"),
        ("mqtt", 0, ""),
    ]
    assert [one["device"] for one in ask("GET", "/api/v1/links").json()["devices"]] == [7]
    assert ask("GET", "/api/v1/links/8").status_code == 404


def test_who_does_not_see_the_unit_does_not_see_its_links(state: Any, bench: Any) -> None:
    bench.put(link_frame(bench, 0, state_of(0)))
    bench.units.rows[bench.slot()] = bench.units.rows[bench.slot()]._replace(agency="矿山")

    def may(role: Role, agency: str) -> bool:
        me = Principal("x", role, agency, (), "", "s", ALLOWED[role], 2**52)
        return link_routes._sees(state, 7, me)

    assert may(Role.COMMANDER, "矿山")
    assert not may(Role.COMMANDER, "消防")
    bench.registry.unbind(7, 0)
    bench.load()
    assert not may(Role.COMMANDER, "矿山")
    assert may(Role.TECHNICIAN, "消防")
