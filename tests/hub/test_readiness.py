"""hub.readiness: cameras and nets that people enter, over HTTP, on screens, over restarts."""

from typing import Any

import pytest

from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import Audience, Role
from hub.readiness.cameras import ORIGINS_MAX, Camera, origin_of

CAMERA = {
    "name": "泉城路口", "way": "hls", "url": "https://Video.example:8443/1/index.m3u8?x=1", "lat": 36.6, "lon": 117.0,
}  # fmt: skip
NET = {"group": "voice", "name": "370 MHz 指挥组", "state": "up", "note": "信道 3"}
ALL, OTHERS = Audience(None, "all"), Audience(frozenset({"B"}), "none")


@pytest.fixture
def person(ask: Any, state: Any, bench: Any) -> Any:
    bench.enrol(7)
    bench.load()
    ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("王海")})
    return ask


def last_acts(bench: Any, n: int) -> list[object]:
    return [row[3] for row in bench.registry.records()][-n:]


def test_a_camera_is_entered_changed_and_removed(person: Any, state: Any, bench: Any) -> None:
    made = person("POST", "/api/v1/cameras", json=CAMERA)
    assert made.status_code == 201, made.text
    id = made.json()["id"]
    assert (made.json()["by"], made.json()["t_utc_ms"]) == ("王海", bench.clock())
    cameras = state.safety.cameras
    told = [make(ALL) for make in cameras.changes()]
    assert [(one["k"], one["name"], one["gone"]) for one in told] == [("camera", "泉城路口", False)]
    assert not list(cameras.changes()), "told once"
    assert person("PUT", f"/api/v1/cameras/{id}", json={**CAMERA, "name": "北门"}).json()["name"] == "北门"
    assert [c["name"] for c in person("GET", "/api/v1/cameras").json()["cameras"]] == ["北门"]
    assert person("DELETE", f"/api/v1/cameras/{id}").status_code == 204
    assert [make(ALL)["gone"] for make in cameras.changes()] == [True]
    assert person("PUT", f"/api/v1/cameras/{id}", json=CAMERA).status_code == 404
    assert last_acts(bench, 3) == ["camera added", "camera changed", "camera removed"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"url": "rtsp://10.0.0.1/live"}, "http://host"),
        ({"url": "https://u:p@10.0.0.1/a.m3u8"}, "on every screen"),
        ({"url": "https://a;b/a.m3u8"}, "is no host"),
        ({"url": "https://a:99999/a.m3u8"}, "ort"),
        ({"unit": "nobody"}, "no such unit"),
        ({"lat": None}, "both, or none"),
        ({"way": "rtsp"}, "whep"),
    ],
)
def test_what_a_camera_may_not_be(person: Any, wrong: dict[str, Any], says: str) -> None:
    refused = person("POST", "/api/v1/cameras", json={**CAMERA, **wrong})
    assert refused.status_code == 422
    assert says in refused.text


def test_a_page_may_fetch_from_cameras_and_from_nobody_else(person: Any, state: Any) -> None:
    def policy() -> str:
        return str(person("GET", "/api/v1/cameras").headers["content-security-policy"])

    assert "connect-src 'self'; media-src 'self' blob:; " in policy()
    person("POST", "/api/v1/cameras", json=CAMERA)
    assert (
        "connect-src 'self' https://video.example:8443; media-src 'self' blob: https://video.example:8443;"
        in policy()
    )
    for i in range(ORIGINS_MAX + 5):
        state.safety.cameras.put(Camera(f"c{i}", "x", "hls", f"http://h{i}/a", "", None, None, "", "", 0))
    assert len(state.safety.cameras.origins()) == ORIGINS_MAX
    assert origin_of("HTTP://H1/a") == "http://h1"


def test_who_sees_a_camera_is_who_sees_its_unit(person: Any, state: Any) -> None:
    unit = state.units.rows[0]
    made = person("POST", "/api/v1/cameras", json={**CAMERA, "unit": unit.id})
    assert made.status_code == 201, made.text
    camera = state.safety.cameras.get(made.json()["id"])
    assert state.safety.cameras.sees(camera, OTHERS)
    state.units.rows[0] = unit._replace(agency="A")
    assert not state.safety.cameras.sees(camera, OTHERS)
    assert [make(OTHERS) for make in state.safety.cameras.changes()] == [None]


def test_a_hidden_unit_is_answered_as_one_that_is_not_there(new_browser: Any, state: Any, bench: Any) -> None:
    bench.enrol(7)
    bench.load()
    unit = state.units.rows[0]
    state.units.rows[0] = unit._replace(agency="A")
    state.sign_in.accounts.put(Person("调度", Role.DISPATCHER, "B", (), "", ACTIVE), "test", 1)
    browser = new_browser()
    browser("POST", "/api/v1/session", json={"token": state.sign_in.new_token("调度")})
    made = browser("POST", "/api/v1/cameras", json={**CAMERA, "unit": unit.id})
    assert (made.status_code, "no such unit" in made.text) == (422, True)


def test_nets_are_told_by_people_and_kept(person: Any, state: Any, bench: Any) -> None:
    id = person("POST", "/api/v1/nets", json=NET).json()["id"]
    bench.clock.now += 60_000
    said = person("PUT", f"/api/v1/nets/{id}", json={**NET, "state": "down"}).json()
    assert (said["state"], said["by"], said["t_utc_ms"]) == ("down", "王海", bench.clock())
    other = person("POST", "/api/v1/nets", json={**NET, "group": "beidou", "name": "北斗短报文"}).json()["id"]
    assert person("DELETE", f"/api/v1/nets/{other}").status_code == 204
    assert person("POST", "/api/v1/nets", json={**NET, "group": "pigeons"}).status_code == 422
    nets = state.safety.nets
    nets.keep()
    again = type(nets)(nets._ground)
    again.load()
    assert [(net.id, net.state) for net in again] == [(id, "down")]
    assert last_acts(bench, 4) == ["net told", "net told", "net told", "net removed"]


def test_there_is_an_end_to_what_is_kept(person: Any, state: Any) -> None:
    state.safety.nets.most = 1
    assert person("POST", "/api/v1/nets", json=NET).status_code == 201
    assert person("POST", "/api/v1/nets", json=NET).status_code == 409


def test_a_disk_that_refuses_is_asked_again(person: Any, state: Any) -> None:
    nets = state.safety.nets
    person("POST", "/api/v1/nets", json=NET)
    documents, broken = nets._ground.registry.documents, []

    def refuse(*_: object) -> None:
        broken.append(1)
        raise OSError("full")

    put, documents.put = documents.put, refuse
    with pytest.raises(OSError, match="full"):
        nets.keep()
    documents.put = put
    nets.keep()
    assert broken == [1]
    assert len(documents.all("net")) == 1
