"""The one table, walked: every route and every message of the feed × role × agency."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import msgpack
import numpy as np
import pytest
from fastapi import APIRouter

from hub.api import app as api
from hub.api import unit_routes
from hub.api.guard import Declared, Names, Needs, Open, declared, open_to_all, principal_of
from hub.identity import signin
from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import ALLOWED, PHYSIOLOGY_FIELDS, TITLES, Permission, Principal, Role
from hub.live.feed import Viewer
from hub.state import Health, HubState
from hub.store.interface import UnitRow

HOST = "http://127.0.0.1:8600"
OPEN = "open"
P = Permission

EXPECTED: dict[tuple[str, str], str | tuple[str, ...]] = {
    ("GET", "/healthz"): OPEN,
    ("GET", "/metrics"): ("devices|security",),
    ("GET", "/api/v1/session"): (),
    ("POST", "/api/v1/session"): OPEN,
    ("DELETE", "/api/v1/session"): OPEN,
    ("PUT", "/api/v1/session/password"): ("in person",),
    ("GET", "/api/v1/sessions"): (),
    ("DELETE", "/api/v1/sessions/{id}"): (),
    ("GET", "/api/v1/tokens"): (),
    ("POST", "/api/v1/tokens"): ("in person",),
    ("DELETE", "/api/v1/tokens/{id}"): (),
    ("GET", "/api/v1/people"): ("people",),
    ("PUT", "/api/v1/people/{name}"): ("people", "in person"),
    ("POST", "/api/v1/people/{name}/link"): ("people", "in person"),
    ("GET", "/api/v1/roles"): (),
    ("GET", "/api/v1/audit"): ("audit",),
    ("GET", "/api/v1/units"): ("picture",),
    ("GET", "/api/v1/units/{unit_id}"): ("picture",),
    ("GET", "/api/v1/units/{unit_id}/trail"): ("picture",),
    ("GET", "/api/v1/units/{unit_id}/series"): ("picture",),
    ("PUT", "/api/v1/units/{unit_id}/vehicle-state"): ("dispatch", "in person"),
    ("DELETE", "/api/v1/units/{unit_id}/vehicle-state"): ("dispatch", "in person"),
    ("GET", "/api/v1/events"): ("picture",),
    ("GET", "/api/v1/alarms"): ("picture",),
    ("GET", "/api/v1/alarms/health"): ("picture",),
    ("POST", "/api/v1/alarms/callout/test"): ("shelve", "in person"),
    ("GET", "/api/v1/alarms/{id}"): ("picture",),
    ("POST", "/api/v1/alarms/{id}/acknowledge"): ("acknowledge", "in person"),
    ("POST", "/api/v1/alarms/{id}/shelve"): ("shelve", "in person"),
    ("POST", "/api/v1/alarms/{id}/unshelve"): ("shelve", "in person"),
    ("POST", "/api/v1/alarms/{id}/close"): ("shelve", "in person"),
    ("GET", "/api/v1/above"): ("picture",),
    ("GET", "/api/v1/links"): ("picture",),
    ("GET", "/api/v1/links/{device}"): ("picture",),
    ("POST", "/api/v1/events/{id}/seen"): ("acknowledge", "in person"),
    ("GET", "/api/v1/notices"): ("security",),
    ("POST", "/api/v1/notices/{id}/take"): ("security",),
    ("GET", "/api/v1/commanders"): ("picture",),
    ("POST", "/api/v1/commanders"): ("order", "in person"),
    ("DELETE", "/api/v1/commanders/{key_id}"): ("in person",),
    ("POST", "/api/v1/commanders/{key_id}/handover"): ("order", "in person"),
    ("GET", "/api/v1/all-clears"): ("picture",),
    ("POST", "/api/v1/all-clears"): ("all-clear", "in person"),
    ("POST", "/api/v1/all-clears/{id}/sign"): ("all-clear", "in person"),
    ("GET", "/api/v1/orders"): ("picture",),
    ("GET", "/api/v1/orders/{seq}"): ("picture",),
    ("POST", "/api/v1/orders"): ("dispatch|order|acknowledge", "in person"),
    ("POST", "/api/v1/orders/task"): ("dispatch", "in person"),
    ("POST", "/api/v1/orders/config"): ("devices", "in person"),
    ("POST", "/api/v1/orders/signed"): ("order", "in person"),
    ("GET", "/api/v1/texts"): ("picture",),
    ("GET", "/api/v1/devices"): ("devices",),
    ("POST", "/api/v1/devices/enrolment"): ("devices",),
    ("POST", "/api/v1/devices/{device}/revoke"): ("devices",),
    ("PUT", "/api/v1/devices/{device}/binding"): ("devices",),
    ("GET", "/api/v1/warnings"): ("picture",),
    ("POST", "/api/v1/warnings"): ("warnings",),
    ("POST", "/api/v1/warnings/issue"): ("warnings", "in person"),
    ("GET", "/api/v1/warnings/drafts"): ("warnings",),
    ("POST", "/api/v1/warnings/drafts/{id}/dismiss"): ("warnings", "in person"),
    ("GET", "/api/v1/warnings/feeds"): ("picture",),
    ("GET", "/api/v1/warnings/{id}.cap"): ("picture",),
    ("GET", "/api/v1/warnings/{id}"): ("picture",),
    ("POST", "/api/v1/warnings/{id}/end"): ("warnings", "in person"),
    ("GET", "/api/v1/rules"): ("picture",),
    ("GET", "/api/v1/rules/schema"): ("picture",),
    ("POST", "/api/v1/rules"): ("rules", "in person"),
    ("PUT", "/api/v1/rules/{id}"): ("rules", "in person"),
    ("DELETE", "/api/v1/rules/{id}"): ("rules", "in person"),
    ("POST", "/api/v1/rules/try"): ("rules",),
    ("GET", "/api/v1/entry-teams"): ("picture",),
    ("POST", "/api/v1/entry-teams"): ("entry", "in person"),
    ("GET", "/api/v1/entry-teams/{id}"): ("picture",),
    ("PUT", "/api/v1/entry-teams/{id}/plan"): ("entry", "in person"),
    ("POST", "/api/v1/entry-teams/{id}/people"): ("entry", "in person"),
    ("POST", "/api/v1/entry-teams/{id}/people/{person}/pressure"): ("entry", "in person"),
    ("POST", "/api/v1/entry-teams/{id}/people/{person}/go"): ("entry", "in person"),
    ("POST", "/api/v1/entry-teams/{id}/go"): ("entry", "in person"),
    ("POST", "/api/v1/entry-teams/{id}/end"): ("entry", "in person"),
    ("GET", "/api/v1/roll-calls"): ("picture",),
    ("POST", "/api/v1/roll-calls"): ("roll-call", "in person"),
    ("GET", "/api/v1/roll-calls/{id}"): ("picture",),
    ("POST", "/api/v1/roll-calls/{id}/voice"): ("roll-call", "in person"),
    ("POST", "/api/v1/roll-calls/{id}/end"): ("roll-call", "in person"),
    ("GET", "/api/v1/evacuations"): ("picture",),
    ("GET", "/api/v1/evacuations/{seq}"): ("picture",),
    ("POST", "/api/v1/evacuations/{seq}/voice"): ("roll-call", "in person"),
    ("GET", "/api/v1/maps"): ("picture",),
    ("GET", "/maps/{id}/{z}/{x}/{y}"): ("picture",),
    ("GET", "/maps/{id}.pmtiles"): ("picture",),
    ("GET", "/api/v1/plans"): ("picture",),
    ("GET", "/api/v1/plans/{id}/image"): ("picture",),
    ("POST", "/api/v1/plans"): ("zones",),
    ("PUT", "/api/v1/plans/{id}"): ("zones",),
    ("DELETE", "/api/v1/plans/{id}"): ("zones",),
    ("GET", "/api/v1/drawings"): ("picture",),
    ("PUT", "/api/v1/drawings/{id}"): ("zones",),
    ("DELETE", "/api/v1/drawings/{id}"): ("zones",),
    ("GET", "/api/v1/authority"): OPEN,
    ("GET", "/trust"): OPEN,
    ("GET", "/trust/authority.crt"): OPEN,
    ("POST", "/api/v1/enrol"): OPEN,
    ("POST", "/api/v1/renew"): OPEN,
}
"""What a person decided. A route that is not here is walked by what it declares itself."""

BODIES = {Role.SAFETY_OFFICER: "all", Role.MEDIC: "all", Role.TEAM_LEADER: "own team"}
OWN, FOREIGN, SHARED = "市消防", "矿山", ""
UNITS = (  # device, agency, team
    (7, SHARED, "A"), (21, OWN, "A"), (22, OWN, "B"), (31, FOREIGN, "A"), (32, FOREIGN, "B"),
)  # fmt: skip
SIGHTS = {
    "own": (OWN, ()), "own and foreign": (OWN, (FOREIGN,)), "all": (OWN, ("*",)), "none": ("", ()), "any": ("", ("*",)),
}  # fmt: skip
"""(agency, sees) of the person."""


def wanted(route: Declared, method: str) -> str | tuple[str, ...]:
    if (method, route.path) in EXPECTED:
        return EXPECTED[method, route.path]
    if not isinstance(route.rule, Needs):
        return OPEN
    words = [p.value for p in route.rule.permissions]
    if route.rule.any_of:
        words = ["|".join(words)]
    return (*words, "in person") if route.rule.in_person else tuple(words)


def may(rule: str | tuple[str, ...], allowed: frozenset[Permission], *, is_token: bool) -> bool:
    """Said again here in other words than the guard's."""
    if rule == OPEN:
        return True
    has = {p.value for p in allowed}
    return all(not is_token if word == "in person" else bool(has & set(word.split("|"))) for word in rule)


def refused(answer: httpx.Response) -> int:
    """401 or 403 of the guard; 0 for what the route itself answered."""
    if "problem" not in answer.headers.get("content-type", ""):
        return 0
    words = answer.json()["detail"]
    by_guard = (
        "sign in first" in words,
        "may not:" in words,
        "API token cannot" in words,
        "not signed in" in words,
    )
    return answer.status_code if answer.status_code in (401, 403) and any(by_guard) else 0


@pytest.fixture
def app(new_browser: Any) -> Any:
    return new_browser().app


@pytest.fixture
def routes(app: Any) -> list[Declared]:
    return list(declared(app.inner.routes))


def enter(
    state: HubState, role: Role, agency: str = "", sees: tuple[str, ...] = ("*",), team: str = "A"
) -> str:
    """A cookie of somebody new."""
    name = f"{role.value} {agency} {','.join(sees)} {team}".strip()
    state.sign_in.accounts.put(Person(name, role, agency, sees, team, ACTIVE), "test", 1)
    began = state.sign_in.sign_in(state.sign_in.new_token(name))
    assert began is not None
    return began.cookie


def api_token(state: HubState, cookie: str, scope: set[Permission]) -> str:
    me = state.sign_in.session(cookie)
    assert me is not None
    return state.sign_in.new_api_token(me.name, "t", scope, 1, "test")[1]


# --- routes --------------------------------------------------------------------------------------------------------


def test_every_role_may_do_exactly_what_the_table_says(
    app: Any, state: HubState, routes: list[Declared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signin, "API_TOKENS_MAX", 10_000)  # a fresh one for each route: some routes end them
    walked = 0

    async def walk() -> None:
        nonlocal walked
        transport = httpx.ASGITransport(app, client=("10.0.0.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as http:
            for route in routes:
                if "_path" in route.path:
                    continue
                for method in route.methods:
                    rule = wanted(route, method)
                    path = route.path.replace("{device}", "1").replace("{", "").replace("}", "")
                    body: Any = {"json": {}} if method in ("POST", "PUT") else {}
                    answer = await http.request(method, path, **body)
                    assert refused(answer) == (0 if rule == OPEN else 401), (method, path, "no session")
                    for role in Role:
                        cookie = enter(state, role)
                        for headers, allowed, is_token in (
                            (
                                {"Authorization": f"Bearer {api_token(state, cookie, {P.PICTURE})}"},
                                {P.PICTURE},
                                True,
                            ),
                            ({"Cookie": f"zhantu={cookie}"}, ALLOWED[role], False),
                        ):
                            answer = await http.request(method, path, headers=headers, **body)
                            ok = may(rule, frozenset(allowed), is_token=is_token)
                            assert refused(answer) == (0 if ok else 403), (method, path, role, is_token)
                            assert answer.status_code < 500, (method, path, role, answer.text)
                            walked += 1

    asyncio.run(walk())
    assert walked >= 2 * len(Role) * len(routes) * 0.9


def test_every_route_has_a_row_or_declares_itself(routes: list[Declared]) -> None:
    found = {(method, route.path) for route in routes for method in route.methods}
    assert ("GET", "/api/v1/units/{unit_id}") in found, "routes of included routers are walked too"
    for route in routes:
        assert route.rule is not None or "_path" in route.path, route
        if isinstance(route.rule, Open):
            assert len(route.rule.why) > 20, "a reason"
            assert {EXPECTED[method, route.path] for method in route.methods} == {OPEN}, (
                "only what is named here"
            )


def test_what_is_no_api_route_is_named(app: Any) -> None:
    """Beside the walked: the fallback, the API's own page (signed in), the feed (checks itself), the screen's files."""
    flat = [r for r in app.inner.routes if getattr(r, "original_router", None) is None]
    others = {getattr(r, "path", "") for r in flat} - {"/healthz", "/metrics"}
    assert others == {"/api/{_path:path}", "/api/v1/openapi.json", "/api/v1/feed", ""}


def test_unknown_addresses_and_the_api_page_need_sign_in(app: Any, state: HubState, ask: Any) -> None:
    for path in ("/api/v1/openapi.json", "/api/v1/nothing", "/api/x"):
        assert ask("GET", path).status_code == 401
    cookie = {"Cookie": f"zhantu={enter(state, Role.MEMBER)}"}
    assert ask("GET", "/api/v1/openapi.json", headers=cookie).status_code == 200
    assert ask("GET", "/api/v1/nothing", headers=cookie).status_code == 404


def test_a_route_that_declares_nothing_stops_the_hub(
    state: HubState, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = unit_routes.router

    def with_one_more(rules: list[Any]) -> Any:
        def router(of: HubState) -> APIRouter:
            made = good(of)
            made.add_api_route("/secret", Health([], []).__repr__, dependencies=rules)
            return made

        return router

    for rules, words in (
        ([], "declares neither"),
        ([open_to_all("a"), open_to_all("b")], "declares 2 rules"),
    ):
        monkeypatch.setattr(unit_routes, "router", with_one_more(rules))
        with pytest.raises(TypeError, match=f"/api/v1/secret {words}"):
            api.make(state, Names("127.0.0.1", 8600, ()))
    monkeypatch.setattr(unit_routes, "router", with_one_more([open_to_all("for a test, which is a reason")]))
    api.make(state, Names("127.0.0.1", 8600, ()))


def test_the_table_is_whole() -> None:
    assert set(ALLOWED) == set(TITLES) == set(Role)
    assert not any({P.ORDER, P.PEOPLE} <= allowed for allowed in ALLOWED.values()), (
        "who orders makes no accounts"
    )
    for role, allowed in ALLOWED.items():
        assert P.PICTURE in allowed, role
        assert (P.PHYSIOLOGY in allowed) == (BODIES.get(role) == "all")
        assert (P.PHYSIOLOGY_TEAM in allowed) == (BODIES.get(role) == "own team")
    technician = ALLOWED[Role.TECHNICIAN]
    assert P.DEVICES in technician
    assert not {P.ORDER, P.ALL_CLEAR, P.PHYSIOLOGY, P.PHYSIOLOGY_TEAM} & technician


# --- units ---------------------------------------------------------------------------------------------------------


def visible(sight: str) -> set[int]:
    """Devices whose units are seen."""
    return {
        "own": {7, 21, 22}, "own and foreign": {7, 21, 22, 31, 32}, "all": {7, 21, 22, 31, 32},
        "none": {7}, "any": {7, 21, 22, 31, 32},
    }[sight]  # fmt: skip


def bodies(role: Role, sight: str) -> set[int]:
    """Devices whose heart rate is seen, by somebody of team A."""
    teams = {"all": {"A", "B"}, "own team": {"A"}}.get(BODIES.get(role, ""), set())
    return {device for device, _, team in UNITS if team in teams} & visible(sight)


@pytest.fixture
def mixed(bench: Any, state: HubState) -> Any:
    """Five units of three agencies and two teams, all with a heart rate."""
    entries = [
        (d, UnitRow("", f"C{d}", "person", "fire", team, 30, 300, agency)) for d, agency, team in UNITS
    ]
    bench.registry.enrol(entries, bench.clock())
    bench.load()
    for device, _, _ in UNITS:
        rows = [{"lat_deg_e7": device, "lon_deg_e7": 1, "fix_mode": 3, "heart_bpm": device + 60}]
        bench.put(bench.frame(device=device, rows=rows))
    state.feed.tell_units(list(range(len(UNITS))))
    state.feed.tick()
    return bench


@pytest.mark.parametrize("role", Role)
def test_units_trails_and_series_of_other_agencies_are_not_there(
    mixed: Any, state: HubState, app: Any, role: Role
) -> None:
    async def look(sight: str) -> None:
        cookie = enter(state, role, *SIGHTS[sight])
        headers = {"Cookie": f"zhantu={cookie}", "Accept": "application/json"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers) as http:
            listed = (await http.get("/api/v1/units")).json()["units"]
            assert {unit["device"] for unit in listed} == visible(sight)
            hearts = {u["device"] for u in listed if PHYSIOLOGY_FIELDS & {v["name"] for v in u["values"]}}
            assert hearts == bodies(role, sight)
            for device, _, _ in UNITS:
                unit = f"/api/v1/units/u{[d for d, _, _ in UNITS].index(device) + 1}"
                seen = 200 if device in visible(sight) else 404
                for path in ("", "/trail", "/series?channels=speed_dmps"):
                    answer = await http.get(unit + path)
                    assert answer.status_code == seen, (path, device)
                    if seen == 404:
                        unknown = (await http.get(f"/api/v1/units/u99{path}")).json()
                        said = answer.json()["detail"]
                        assert said.replace(unit[14:], "u99") == unknown["detail"], (
                            "as one that was never there"
                        )
                answer = await http.get(f"{unit}/series?channels=speed_dmps,heart_bpm")
                refusal = 403 if seen == 200 else 404
                assert answer.status_code == (200 if device in bodies(role, sight) else refusal)

    for sight in SIGHTS:
        asyncio.run(look(sight))


# --- the feed ------------------------------------------------------------------------------------------------------


def principal(role: Role, sight: str = "any", team: str = "A") -> Principal:
    return Principal("Li", role, *SIGHTS[sight], team, "s", ALLOWED[role], 2**50)


@pytest.fixture
def loop() -> Iterator[None]:
    with asyncio.Runner() as runner:
        runner.get_loop()
        yield


def drain(state: HubState, viewer: Viewer) -> list[dict[str, Any]]:
    out = []
    while (data := state.feed.next_message(viewer)) is not None:
        out.append(msgpack.unpackb(data))
    return out


def column(message: dict[str, Any], name: str, kind: str) -> list[int]:
    found: list[int] = np.frombuffer(message["c"][name], kind).tolist()
    return found


def slots_in(message: dict[str, Any]) -> set[int]:
    """Every slot that a message tells of."""
    if message["k"] == "meta":
        return {unit["slot"] for unit in message["units"]}
    if message["k"] in ("snap", "tick"):
        assert {len(column(message, name, "u1")) for name in ("hr", "bat", "mode")} == {message["n"]}
        return set(column(message, "slot", "<u4"))
    return {message["slot"]} if message["k"] == "event" else set()


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("sight", SIGHTS)
def test_what_the_feed_tells(mixed: Any, state: HubState, loop: None, role: Role, sight: str) -> None:
    feed, devices = state.feed, [d for d, _, _ in UNITS]
    mixed.put(
        *(mixed.event(0, device=device, number=device) for device in devices[:4])
    )  # open before they come
    viewer = Viewer(principal(role, sight))
    feed.join(viewer)
    said = drain(state, viewer)
    assert said[0]["permissions"] == sorted(ALLOWED[role])
    assert said[0]["role"] == role.value
    for device in devices:
        rows = [{"lat_deg_e7": device, "lon_deg_e7": 2, "fix_mode": 3, "heart_bpm": device + 70}]
        mixed.put(mixed.frame(device=device, row=1, rows=rows, t_ms=mixed.clock() + 1_000))
    feed.tell(mixed.put(*(mixed.event(1, device=device, number=99) for device in devices)))
    feed.tell_units(list(range(5)))
    for kind, permission in (("notice", P.SECURITY), ("commanders", P.PICTURE), ("all_clear", P.ORDER)):
        feed.say({"k": kind, "test": True}, permission)
    feed.tick()
    said += drain(state, viewer)
    feed.hear(viewer, {"k": "resume", "seq": 0})
    said += drain(state, viewer)

    seen = {devices.index(d) for d in visible(sight)}
    hearts = {devices.index(d) for d in bodies(role, sight)}
    kinds = {message["k"] for message in said}
    assert {"hello", "meta", "snap", "tick", "event", "link"} <= kinds
    for message in said:
        assert slots_in(message) <= seen, message["k"]
        if message["k"] in ("snap", "tick"):
            for slot, hr in zip(column(message, "slot", "<u4"), column(message, "hr", "u1"), strict=True):
                assert (hr != 255) == (slot in hearts), (message["k"], slot)
    for kind in ("meta", "snap", "tick", "event"):
        assert set().union(*(slots_in(m) for m in said if m["k"] == kind)) == seen, (
            f"{kind} tells of all it may"
        )
    tested = {m["k"] for m in said if m.get("test")}
    needs = {"notice": P.SECURITY, "commanders": P.PICTURE, "all_clear": P.ORDER}
    assert tested == {kind for kind, permission in needs.items() if permission in ALLOWED[role]}


def move(bench: Any, state: HubState, device: int, agency: str, team: str = "A") -> None:
    bench.registry.enrol([(device, UnitRow("", f"C{device}", "person", "fire", team, 30, 300, agency))], 1)
    slots = bench.units.load(bench.registry.units(), bench.registry.bindings())
    state.feed.tell_units(slots)


def test_a_unit_that_changes_agency_goes_and_comes(mixed: Any, state: HubState, loop: None) -> None:
    own, everyone = Viewer(principal(Role.MEMBER, "own")), Viewer(principal(Role.COMMANDER, "any"))
    for viewer in (own, everyone):
        state.feed.join(viewer)
    state.feed.tell(mixed.put(mixed.event(0, device=21)))
    state.feed.tick()
    last, _ = (drain(state, viewer)[-1]["seq"] for viewer in (own, everyone))

    move(mixed, state, 21, FOREIGN)
    state.feed.tick()
    gone, *rest = drain(state, own)
    assert gone == {"k": "gone", "slots": [1]}
    assert not set().union(*map(slots_in, rest)) & {1}
    assert [m["k"] for m in drain(state, everyone)] == ["meta", "tick"]
    state.feed.hear(own, {"k": "resume", "seq": last})
    assert not set().union(*map(slots_in, drain(state, own))) & {1}, "nor by asking for what was missed"

    move(mixed, state, 21, OWN)
    state.feed.tick()
    back = drain(state, own)
    assert [(m["k"], slots_in(m)) for m in back] == [("meta", {1}), ("event", {1}), ("tick", {1})]
    assert column(back[-1], "hr", "u1") == [255]


def test_a_tick_made_before_the_move_is_not_sent_after_it(mixed: Any, state: HubState, loop: None) -> None:
    quick, slow = (Viewer(principal(Role.MEMBER, "own")) for _ in range(2))
    for viewer in (quick, slow):
        state.feed.join(viewer)
        drain(state, viewer)
    mixed.put(mixed.frame(device=21, row=5, t_ms=mixed.clock() + 5_000))
    state.feed.tick()
    assert slots_in(drain(state, quick)[-1]) == {1}
    move(mixed, state, 21, FOREIGN)
    assert not set().union(*map(slots_in, drain(state, slow))) & {1}


def test_a_unit_that_changes_team_shows_its_heart_to_its_new_leader(
    mixed: Any, state: HubState, loop: None
) -> None:
    leaders = [Viewer(principal(Role.TEAM_LEADER, "any", team)) for team in ("A", "B")]
    for viewer in leaders:
        state.feed.join(viewer)
        drain(state, viewer)
    for team, wanted_hearts in (("B", [255, 81]), ("A", [81, 255])):
        move(mixed, state, 21, OWN, team)
        state.feed.tick()
        ticks = [drain(state, viewer)[-1] for viewer in leaders]
        assert [column(tick, "hr", "u1") for tick in ticks] == [[heart] for heart in wanted_hearts]


def test_who_changes_role_is_greeted_anew(mixed: Any, state: HubState, loop: None) -> None:
    viewer = Viewer(principal(Role.SAFETY_OFFICER, "any"))
    state.feed.join(viewer)
    state.feed.tell(mixed.put(mixed.event(0, device=31)))
    state.feed.greet_again(viewer, principal(Role.OBSERVER, "own"))
    said = drain(state, viewer)
    assert [m["k"] for m in said[:4]] == ["hello", "meta", "snap", "link"]
    assert "event" not in {m["k"] for m in said}
    assert said[0]["role"] == "observer"
    assert set(column(said[2], "slot", "<u4")) == {0, 1, 2}
    assert set(column(said[2], "hr", "u1")) == {255}


def knock(app: Any, **headers: str) -> int | str:
    """Knock at the feed: the close code, or the first message's kind."""

    async def go() -> int | str:
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        heard.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket", "path": "/api/v1/feed", "raw_path": b"/api/v1/feed", "root_path": "", "scheme": "ws",
            "query_string": b"", "subprotocols": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8600),
            "headers": [(k.lower().encode(), v.encode()) for k, v in {"host": "127.0.0.1:8600", **headers}.items()],
        }  # fmt: skip
        serving = asyncio.create_task(app(scope, heard.get, told.put))
        assert (await told.get())["type"] == "websocket.accept"
        message = await told.get()
        heard.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await serving
        if message["type"] == "websocket.close":
            return int(message["code"])
        return str(msgpack.unpackb(message["bytes"])["k"])

    return asyncio.run(go())


def test_who_may_open_the_feed(app: Any, state: HubState) -> None:
    cookie = f"zhantu={enter(state, Role.MEMBER)}"
    assert knock(app, Origin=HOST, Cookie=cookie) == "hello"
    assert knock(app, Origin=HOST) == 4401
    for origin in (
        "http://127.0.0.1:8601",
        "http://127.0.0.1",
        "http://127.0.0.1:8600.evil.example",
        "null",
        f"{HOST}/",
    ):
        assert knock(app, Origin=origin, Cookie=cookie) == 4403, origin
    assert knock(app, Cookie=cookie) == 4403, "a browser always says where it comes from"
    admin = enter(state, Role.ADMINISTRATOR)
    for scope, wanted_code in (({P.PICTURE}, "hello"), ({P.AUDIT}, 4403)):
        assert knock(app, Authorization=f"Bearer {api_token(state, admin, scope)}") == wanted_code
    assert knock(app, Authorization="Bearer zt_x", Origin=HOST, Cookie=cookie) == 4401
    assert not state.feed.viewers
    assert principal_of({}) is None
