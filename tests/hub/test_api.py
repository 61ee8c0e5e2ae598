"""HTTP: sign-in, who may see what, safe headers, typed answers."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgpack
import numpy as np
import pytest

from hub.api import app as api
from hub.api.guard import Names
from hub.identity.permissions import ALLOWED, Role
from hub.identity.signin import FREE_TRIES_OF_ADDRESS, FREE_TRIES_OF_NAME, WAIT_MS_MAX
from hub.state import Health, HubState

HOST = "http://127.0.0.1:8600"
Ask = Callable[..., httpx.Response]


@pytest.fixture
def signed_in(ask: Ask, state: HubState) -> Ask:
    token = state.sign_in.new_token("李", Role.SAFETY_OFFICER)
    assert ask("POST", "/api/v1/session", json={"token": token}).status_code == 200
    return ask


def test_sign_in_and_out(ask: Ask, state: HubState, bench: Any) -> None:
    token = state.sign_in.new_token("李")
    assert ask("GET", "/api/v1/session").status_code == 401
    answer = ask("POST", "/api/v1/session", json={"token": token})
    said = answer.json()
    assert len(said.pop("session")) == 8
    assert said == {
        "name": "李",
        "role": "commander",
        "title_zh": "指挥员",
        "title_en": "Commander",
        "agency": "",
        "sees": ["*"],
        "team": "",
        "realm": "live",
        "drill": False,
        "version": "1",
        "permissions": sorted(ALLOWED[Role.COMMANDER]),
        "expires_utc_ms": bench.clock() + 3_600_000,
        "has_password": False,
    }
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    secret = answer.cookies["zhantu"]
    assert secret not in str(bench.registry._file.rows("SELECT * FROM sessions")), (
        "the store has digests only"
    )
    assert token not in str(bench.registry._file.rows("SELECT * FROM tokens"))
    assert ask("GET", "/api/v1/session").json()["name"] == "李"
    assert ask("DELETE", "/api/v1/session").status_code == 204
    assert ask("GET", "/api/v1/units", headers={"cookie": f"zhantu={secret}"}).status_code == 401


def test_a_token_works_once_and_expires(ask: Ask, state: HubState, bench: Any) -> None:
    token = state.sign_in.new_token("Li")
    assert ask("POST", "/api/v1/session", json={"token": token}).status_code == 200
    assert ask("POST", "/api/v1/session", json={"token": token}).status_code == 401
    late = state.sign_in.new_token("Li")
    bench.clock.now += 901_000
    assert ask("POST", "/api/v1/session", json={"token": late}).status_code == 401


def test_a_session_expires_or_is_ended(signed_in: Ask, state: HubState, bench: Any) -> None:
    assert signed_in("GET", "/api/v1/units").status_code == 200
    ((session, _person),) = bench.registry.people.sessions(bench.clock())
    bench.registry.people.end_session(session.id, bench.clock())
    bench.clock.now += 1_000
    assert signed_in("GET", "/api/v1/units").status_code == 401
    token = state.sign_in.new_token("Li")
    signed_in("POST", "/api/v1/session", json={"token": token})
    bench.clock.now += 3_601_000
    assert signed_in("GET", "/api/v1/units").status_code == 401


def sign_in(ask: Ask, body: dict[str, str], client: str = "127.0.0.1") -> httpx.Response:
    return ask("POST", "/api/v1/session", client=client, json=body)


def test_guessing_is_throttled_and_never_locks_out_a_right_token(
    ask: Ask, state: HubState, bench: Any
) -> None:
    for _ in range(FREE_TRIES_OF_ADDRESS):
        assert sign_in(ask, {"token": "guess"}).status_code == 401
    waits = []
    for _ in range(12):
        answer = sign_in(ask, {"token": "guess"})
        assert answer.status_code == 429
        waits.append(int(answer.headers["retry-after"]))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert sign_in(ask, {"token": "guess"}, "10.0.0.9").status_code == 401, "another address does not wait"
    assert sign_in(ask, {"token": state.sign_in.new_token("Li")}).status_code == 200
    bench.clock.now += WAIT_MS_MAX
    assert sign_in(ask, {"token": "guess"}).status_code == 401
    assert [notice.reason for notice in state.watch.open()] == ["sign_in"]


PASSWORD = "correct horse 战图"


@pytest.fixture
def li(ask: Ask, state: HubState) -> dict[str, str]:
    """Somebody with a password; signed out."""
    sign_in(ask, {"token": state.sign_in.new_token("Li")})
    assert ask("PUT", "/api/v1/session/password", json={"password": PASSWORD}).status_code == 204
    assert ask("DELETE", "/api/v1/session").status_code == 204
    return {"name": "Li", "password": PASSWORD}


def test_name_and_password(ask: Ask, state: HubState, bench: Any, li: dict[str, str]) -> None:
    assert sign_in(ask, li).json()["has_password"] is True
    assert PASSWORD not in str(bench.registry._file.rows("SELECT * FROM users"))
    words = set()
    for wrong in ({**li, "password": "x" * 12}, {**li, "name": "nobody"}, {"name": "Li", "password": "y"}):
        answer = sign_in(ask, wrong)
        assert answer.status_code == 401
        words.add(answer.json()["detail"])
    assert words == {"name and password do not fit"}, "who has an account is not told"
    for incomplete in ({}, {"name": "Li"}, {"password": PASSWORD}):
        assert sign_in(ask, incomplete).status_code == 422


def test_guessing_a_password_waits_and_never_locks_out_another_address(
    ask: Ask, state: HubState, bench: Any, li: dict[str, str]
) -> None:
    for _ in range(FREE_TRIES_OF_NAME):
        assert sign_in(ask, {**li, "password": "guess" * 3}, "10.0.0.9").status_code == 401
    answer = sign_in(ask, li, "10.0.0.9")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1"), "not even looked at"
    assert sign_in(ask, li, "10.0.0.10").status_code == 200
    state.sign_in.new_token("Wang")
    assert sign_in(ask, {"name": "Wang", "password": "guess" * 3}, "10.0.0.9").status_code == 401
    bench.clock.now += 1_000
    assert sign_in(ask, li, "10.0.0.9").status_code == 200
    assert sign_in(ask, {**li, "password": "guess" * 3}, "10.0.0.9").status_code == 401, "and forgiven"


def test_changing_a_password(ask: Ask, new_browser: Any, state: HubState, li: dict[str, str]) -> None:
    other = new_browser()
    assert sign_in(ask, li).status_code == sign_in(other, li).status_code == 200
    path, new = "/api/v1/session/password", "another long one"
    assert ask("PUT", path, json={"password": new}).status_code == 422, "the old one is needed"
    assert ask("PUT", path, json={"password": new, "old": "x"}).status_code == 422
    for bad in ("short", "x" * 129, "aaaaaaaaaaaaa", "Password123"):
        assert ask("PUT", path, json={"password": bad, "old": PASSWORD}).status_code == 422, bad
    unused = state.sign_in.new_token("Li")
    assert ask("PUT", path, json={"password": new, "old": PASSWORD}).status_code == 204
    assert ask("GET", "/api/v1/session").status_code == 200
    assert other("GET", "/api/v1/session").status_code == 401, "other sessions end at once"
    assert sign_in(other, {"token": unused}).status_code == 401, "so do links"
    assert sign_in(other, li).status_code == 401
    assert sign_in(other, {**li, "password": new}).status_code == 200
    sign_in(other, {"token": state.sign_in.new_token("Li")})
    assert other("PUT", path, json={"password": PASSWORD}).status_code == 204, (
        "a link replaces a forgotten one"
    )


def test_cookie_over_https(ask: Ask, new_browser: Any, state: HubState) -> None:
    base = "https://hub.example"
    answer = ask("POST", "/api/v1/session", base=base, json={"token": state.sign_in.new_token("Li")})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-zhantu=")
    assert {"HttpOnly", "SameSite=strict", "Secure", "Path=/"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()
    secret = cookie.partition(";")[0].partition("=")[2]
    for name, wanted in (("__Host-zhantu", 200), ("zhantu", 401)):
        headers = {"cookie": f"{name}={secret}"}
        assert new_browser()("GET", "/api/v1/session", base=base, headers=headers).status_code == wanted, name


def test_api_tokens(ask: Ask, new_browser: Any, state: HubState, bench: Any) -> None:
    sign_in(ask, {"token": state.sign_in.new_token("Li")})
    wanted = {"name": "wall display", "scope": ["picture"], "days": 1}
    for bad in (
        {"scope": ["people"]}, {"scope": ["order"]}, {"scope": ["all-clear"]}, {"scope": []}, {"days": 0},
        {"days": 366}, {"name": ""}, {"scope": ["nonsense"]},
    ):  # fmt: skip
        assert ask("POST", "/api/v1/tokens", json={**wanted, **bad}).status_code == 422, bad
    made = ask("POST", "/api/v1/tokens", json=wanted).json()
    assert made["token"].startswith("zt_")
    assert made["token"] not in str(bench.registry._file.rows("SELECT * FROM api_tokens"))
    program, headers = new_browser(), {"Authorization": f"Bearer {made['token']}"}
    said = program("GET", "/api/v1/session", headers=headers).json()
    assert (said["name"], said["permissions"], said["session"]) == ("Li", ["picture"], made["id"])
    assert program("GET", "/api/v1/units", headers=headers).status_code == 200
    assert program("GET", "/api/v1/notices", headers=headers).status_code == 403
    for path, body in (("tokens", wanted), ("session/password", {"password": PASSWORD})):
        method = "POST" if path == "tokens" else "PUT"
        assert program(method, f"/api/v1/{path}", headers=headers, json=body).status_code == 403, path
    (listed,) = ask("GET", "/api/v1/tokens").json()["tokens"]
    assert (listed["id"], listed["name"], listed["scope"]) == (made["id"], "wall display", ["picture"])
    wrong = {"Authorization": "Bearer zt_nonsense"}
    assert ask("GET", "/api/v1/units", headers=wrong).status_code == 401, "a cookie beside it does not help"
    bench.clock.now += 86_400_000
    assert program("GET", "/api/v1/units", headers=headers).status_code == 401, "expired"


def test_an_ended_api_token_is_refused_at_once(ask: Ask, new_browser: Any, state: HubState) -> None:
    sign_in(ask, {"token": state.sign_in.new_token("Li")})
    made = ask("POST", "/api/v1/tokens", json={"name": "x", "scope": ["picture"], "days": 1}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    other = new_browser()
    sign_in(other, {"token": state.sign_in.new_token("Wang")})
    assert other("GET", "/api/v1/tokens").json() == {"tokens": []}
    assert other("DELETE", f"/api/v1/tokens/{made['id']}").status_code == 404, "another's"
    assert other("GET", "/api/v1/units", headers=headers).status_code == 200
    assert ask("DELETE", f"/api/v1/tokens/{made['id']}").status_code == 204
    assert other("GET", "/api/v1/units", headers=headers).status_code == 401


def test_sessions_are_listed_and_ended(ask: Ask, new_browser: Any, state: HubState, bench: Any) -> None:
    sign_in(ask, {"token": state.sign_in.new_token("Li")})
    phone = new_browser()
    bench.clock.now += 1
    token = state.sign_in.new_token("Li")
    phone(
        "POST",
        "/api/v1/session",
        client="10.0.0.7",
        json={"token": token},
        headers={"User-Agent": "Ph\x01one"},
    )
    wang = new_browser()
    sign_in(wang, {"token": state.sign_in.new_token("Wang", Role.ADMINISTRATOR)})
    bench.clock.now += 5_000
    phone("GET", "/api/v1/session")
    listed = ask("GET", "/api/v1/sessions").json()["sessions"]
    assert [(s["user"], s["address"], s["mine"]) for s in listed] == [
        ("Li", "127.0.0.1", True), ("Li", "10.0.0.7", True)
    ]  # fmt: skip
    assert (listed[1]["browser"], listed[1]["seen_utc_ms"]) == ("Phone", bench.clock())
    everybody = wang("GET", "/api/v1/sessions").json()["sessions"]
    assert sorted(s["user"] for s in everybody) == ["Li", "Li", "Wang"]
    (wangs,) = [s["id"] for s in everybody if s["mine"]]
    assert ask("DELETE", f"/api/v1/sessions/{wangs}").status_code == 404, "another's"
    assert ask("DELETE", f"/api/v1/sessions/{listed[1]['id']}").status_code == 204
    assert phone("GET", "/api/v1/session").status_code == 401
    assert wang("DELETE", f"/api/v1/sessions/{listed[0]['id']}").status_code == 204
    assert ask("GET", "/api/v1/session").status_code == 401


def test_metrics_from_loopback_or_by_who_looks_after_it(ask: Ask, new_browser: Any, state: HubState) -> None:
    assert "zhantu_hub_frames_total" in ask("GET", "/metrics").text
    for role, wanted in ((Role.MEMBER, 403), (Role.TECHNICIAN, 200)):
        one = new_browser()
        assert one("GET", "/metrics", client="10.0.0.9").status_code == 401
        sign_in(one, {"token": state.sign_in.new_token(role.value, role)})
        assert one("GET", "/metrics", client="10.0.0.9").status_code == wanted


def test_health(ask: Ask, health: Health) -> None:
    assert ask("GET", "/healthz").json() == {"ok": True, "reasons": [], "notes": []}
    health.reasons.append("store: full")
    answer = ask("GET", "/healthz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["store: full"])


@pytest.mark.parametrize(
    "host", ["http://evil.example", "http://127.0.0.1:9999", "http://127.0.0.1.evil.example:8600"]
)
def test_other_names_are_refused(ask: Ask, host: str) -> None:
    assert ask("GET", "/", base=host).status_code == 421


def test_other_sites_cannot_post(signed_in: Ask) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:8601"):
        assert signed_in("DELETE", "/api/v1/session", headers={"Origin": origin}).status_code == 403
    assert signed_in("GET", "/api/v1/session").status_code == 200
    assert signed_in("DELETE", "/api/v1/session", headers={"Origin": HOST}).status_code == 204


def test_a_large_body_is_refused(ask: Ask) -> None:
    assert ask("POST", "/api/v1/session", content=b"x" * 70_000).status_code == 413
    assert ask("POST", "/api/v1/session", json={"token": "x" * 200}).status_code == 422


@pytest.mark.parametrize(
    ("path", "mime"),
    [("/", "text/html"), ("/assets/a.mjs", "text/javascript"), ("/assets/b.geojson", "application/geo+json")],
)
def test_screen_files(ask: Ask, path: str, mime: str) -> None:
    answer = ask("GET", path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(mime)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/assets/../registry.db", "/assets/%2e%2e/%2e%2e/master.key", "/map/../../x", "/assets/"]
)
def test_no_way_out_of_the_screens_folder(ask: Ask, path: str) -> None:
    assert ask("GET", path).status_code in (401, 404)


def test_plain_page_without_a_screen(state: HubState, tmp_path: Path) -> None:
    made = api.make(state, Names("127.0.0.1", 8600, ()), tmp_path / "none")

    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url=HOST) as http:
            return await http.get("/")

    assert "hub/static is empty" in asyncio.run(go()).text


def test_units(signed_in: Ask, bench: Any) -> None:
    assert signed_in("GET", "/api/v1/units").json()["units"][0]["t_fix_utc_ms"] is None
    rows = [{"lat_deg_e7": 366_500_000, "lon_deg_e7": 1_170_000_000, "speed_dmps": 13, "heart_bpm": 101}]
    bench.put(bench.frame(row=0, rows=rows))
    unit = signed_in("GET", "/api/v1/units/u1").json()
    assert (unit["callsign"], unit["device"], unit["lat_deg"], unit["t_fix_utc_ms"]) == (
        "C7",
        7,
        36.65,
        bench.clock(),
    )
    speed = next(value for value in unit["values"] if value["name"] == "speed_dmps")
    assert speed == {
        "name": "speed_dmps",
        "zh": "速度",
        "en": "Speed",
        "unit": "m/s",
        "value": 1.3,
        "t_utc_ms": bench.clock(),
    }
    answer = signed_in("GET", "/api/v1/units/nobody")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_trail_and_series(signed_in: Ask, bench: Any) -> None:
    rows = [{"lat_deg_e7": i, "lon_deg_e7": -i, "heart_bpm": 90 + i} for i in range(10)]
    bench.put(bench.frame(row=0, rows=rows, t_ms=bench.clock() - 9_000))
    packed = msgpack.unpackb(signed_in("GET", "/api/v1/units/u1/trail?points=3").content)
    assert (packed["n"], np.frombuffer(packed["c"]["lat"], "<i4").tolist()) == (3, [0, 4, 9])
    assert np.frombuffer(packed["c"]["t"], "<f8")[-1] == bench.clock()
    plain = signed_in(
        "GET", f"/api/v1/units/u1/trail?to={bench.clock() - 5_000}", headers={"Accept": "application/json"}
    )
    assert plain.json()["c"]["lon"] == [0, -1, -2, -3, -4]
    found = signed_in("GET", "/api/v1/units/u1/series?channels=heart_bpm,speed_dmps&points=1").json()[
        "channels"
    ]
    assert (found["heart_bpm"]["min"], found["heart_bpm"]["max"], found["speed_dmps"]["t"]) == (
        [90],
        [99],
        [],
    )


@pytest.mark.parametrize(
    "query",
    [
        "trail?points=0",
        "trail?from=5&to=4",
        "trail?from=x",
        "series",
        "series?channels=nonsense",
        "trail?to=-1",
    ],
)
def test_wrong_questions(signed_in: Ask, query: str) -> None:
    answer = signed_in("GET", f"/api/v1/units/u1/{query}")
    assert (answer.status_code, answer.json()["status"]) == (422, 422)
