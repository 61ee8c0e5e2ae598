"""HTTP: sign-in, who may see what, safe headers, typed answers."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgpack
import numpy as np
import pytest
from starlette.routing import Mount

from hub.api import app as api
from hub.api.guard import Names
from hub.identity.signin import TRIES_MAX, TRIES_WINDOW_MS, SignIn
from hub.live.feed import Feed
from hub.settings import Settings
from hub.state import Health, HubState

HOST = "http://127.0.0.1:8600"
OPEN = {("GET", "/healthz"), ("GET", "/metrics"), ("POST", "/api/v1/session")}


@pytest.fixture
def health() -> Health:
    return Health([], [])


@pytest.fixture
def state(bench: Any, health: Health) -> Iterator[HubState]:
    sign_in = SignIn(bench.registry, bench.clock, token_s=900, session_s=3600)
    feed = Feed(
        bench.picture,
        bench.units,
        bench.ingest.events,
        lambda: {"broker": True},
        bench.clock,
        realm="live",
        drill=False,
    )
    with ThreadPoolExecutor(1) as readers:
        yield HubState(
            settings=Settings(),
            version="1",
            clock=bench.hub_clock,
            sign_in=sign_in,
            units=bench.units,
            picture=bench.picture,
            feed=feed,
            ingest=bench.ingest,
            history=bench.history,
            counters=bench.counters,
            readers=readers,
            health=lambda: health,
            gauges=lambda: {"units": 1.0},
        )


Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(state: HubState, tmp_path: Path) -> Ask:
    """One request at a time, cookies kept, `client` the address it comes from."""
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<p>screen")
    (static / "assets" / "a.mjs").write_text("1")
    (static / "assets" / "b.geojson").write_text("{}")
    made = api.make(state, Names("127.0.0.1", 8600, ("hub.example",)), static)
    jar = httpx.Cookies()

    def request(
        method: str, path: str, client: str = "127.0.0.1", base: str = HOST, **more: Any
    ) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(made, client=(client, 1))
            async with httpx.AsyncClient(transport=transport, base_url=base, cookies=jar) as http:
                answer = await http.request(method, path, **more)
                jar.update(http.cookies)
                if 'zhantu=""' in answer.headers.get("set-cookie", ""):
                    jar.clear()
                return answer

        return asyncio.run(go())

    return request


@pytest.fixture
def signed_in(ask: Ask, state: HubState) -> Ask:
    assert ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("李")}).status_code == 200
    return ask


def test_sign_in_and_out(ask: Ask, state: HubState, bench: Any) -> None:
    token = state.sign_in.new_token("李")
    assert ask("GET", "/api/v1/session").status_code == 401
    answer = ask("POST", "/api/v1/session", json={"token": token})
    assert answer.json() == {
        "name": "李",
        "role": "commander",
        "realm": "live",
        "drill": False,
        "version": "1",
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
    (session,) = bench.registry.people.sessions(bench.clock())
    bench.registry.people.end_session(session.id, bench.clock())
    bench.clock.now += 1_000
    assert signed_in("GET", "/api/v1/units").status_code == 401
    token = state.sign_in.new_token("Li")
    signed_in("POST", "/api/v1/session", json={"token": token})
    bench.clock.now += 3_601_000
    assert signed_in("GET", "/api/v1/units").status_code == 401


def test_guessing_is_throttled_and_never_locks_out_a_right_token(
    ask: Ask, state: HubState, bench: Any
) -> None:
    for _ in range(TRIES_MAX):
        assert ask("POST", "/api/v1/session", json={"token": "guess"}).status_code == 401
    answer = ask("POST", "/api/v1/session", json={"token": "guess"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("Li")}).status_code == 200
    bench.clock.now += TRIES_WINDOW_MS
    assert ask("POST", "/api/v1/session", json={"token": "guess"}).status_code == 401


def test_every_route_needs_sign_in_but_the_named(ask: Ask, state: HubState) -> None:
    """Walks the app's own routes, so that a new one is covered."""
    guarded = api.make(state, Names("127.0.0.1", 8600, ()))
    paths = set()
    for route in guarded._app.routes:  # type: ignore[attr-defined]
        if isinstance(route, Mount) or not hasattr(route, "methods"):
            continue
        paths |= {(method, route.path) for method in route.methods - {"HEAD"}}
    schema = guarded._app.openapi()["paths"]  # type: ignore[attr-defined]
    paths |= {(method.upper(), path) for path, methods in schema.items() for method in methods}
    assert ("GET", "/api/v1/units/{unit_id}") in paths
    for method, path in sorted(paths - OPEN - {("GET", "/")}):
        if (method, path) == ("DELETE", "/api/v1/session"):
            continue  # signing out when signed out is no secret
        assert ask(method, path.replace("{unit_id}", "u1")).status_code == 401, (method, path)


def test_metrics_from_loopback_or_signed_in(ask: Ask, state: HubState) -> None:
    assert "zhantu_hub_frames_total" in ask("GET", "/metrics").text
    assert ask("GET", "/metrics", client="10.0.0.9").status_code == 401
    ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("Li")})
    assert ask("GET", "/metrics", client="10.0.0.9").status_code == 200


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
