"""Alarms, zones, roll-call and the boards on the screen, in the system's Chromium against the real hub.

Leaves screenshots in tests/artifacts/ as test_browser.py does.
"""

# ruff: noqa: E501 - a table of messages is read along its rows

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from hub.identity.keys import KeyRing, load_master
from protocols import frame, topics
from protocols.catalog import FIELDS_BY_NAME, ClockSource, EventCode, Kind, Lane, Stream

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREEN: dict[str, Any] = {
    "viewport": {"width": 1920, "height": 1080},
    "locale": "zh-CN",
    "color_scheme": "dark",
}
PHONE: Any = {"width": 390, "height": 844}
LAT, LON = 36.65, 117.0


UNTOUCHED = """
addEventListener('pointerdown', () => { window.__touched = true }, true)
window.AudioContext = class extends AudioContext {
  get state() { return window.__touched ? 'running' : 'suspended' }
  resume() { return Promise.resolve() }
}
"""
"""Whatever a test asks of the page counts for the browser as a hand on it, and no machine of tests has a loudspeaker: this
waits for a real click, and then plays."""


def alarm(number: int, **over: Any) -> dict[str, Any]:
    now = int(time.time() * 1000)
    plain = {
        "k": "alarm", "id": f"t{number}", "kind": "sos", "priority": 1, "state": "raised", "open": True, "units": ["u"],
        "slots": [0], "zh": "求救", "en": "Mayday", "advice_zh": "", "advice_en": "", "why": [], "lat": LAT, "lon": LON,
        "cause": f"unit:{number}", "group": None, "t_raised": now - 8_000, "t_hub": now - 7_900, "late": False,
        "t_cleared": None, "seen": None, "shelved": None, "event": None, "code": None, "escalation": 0, "count": 1,
        "sound": True, "calls": [],
    }  # fmt: skip
    return {**plain, **over}


def square(half: float, lat: float = LAT, lon: float = LON) -> dict[str, Any]:
    ring = [
        [lon - half, lat - half],
        [lon + half, lat - half],
        [lon + half, lat + half],
        [lon - half, lat + half],
    ]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def picture() -> list[dict[str, Any]]:
    """What a hub on a bad night may tell, all at once."""
    now = int(time.time() * 1000)
    member = {"unit": None, "by_hand": True, "stale": False, "t_bar": now - 20_000}
    terms = [
        {"name": "reserve", "zh": "保留余量", "en": "reserve", "value": 60, "unit": "bar"},
        {"name": "egress", "zh": "撤出用气", "en": "air to leave", "value": 48, "unit": "bar"},
    ]
    people: list[dict[str, Any]] = [
        {"unit": None, "person": "p1", "name": "李四", "state": "unconfirmed", "by": "", "t": None},
        {"unit": None, "person": "p2", "name": "张三", "state": "confirmed", "by": "", "t": now - 4_000},
        {"unit": None, "person": "p3", "name": "赵六", "state": "voice", "by": "王海", "t": now - 9_000},
        {"unit": None, "person": "p4", "name": "钱七", "state": "stale", "by": "", "t": now - 300_000},
    ]
    out = [
        {
            **one,
            "unit": None,
            "delivered": now - 9_000,
            "seen": None if i else now - 5_000,
            "acknowledged": None if i else now,
        }
        for i, one in enumerate(people)
    ]
    health = {
        "open": 9,
        "unacknowledged": 6,
        "shelved": 1,
        "flood": True,
        "in_10_min": 14,
        "screens": 3,
        "screens_silent": 1,
    }
    return [
        alarm(1, escalation=2, advice_zh="呼叫济南消防-01，派紧急救助小组", advice_en="Call him, send the rapid intervention team"),
        alarm(2, late=True, t_raised=now - 400_000, t_hub=now - 5_000),
        alarm(3), alarm(4), alarm(5, kind="air", zh="应立即撤出", en="Leave now"),
        alarm(6, kind="gas", priority=2, zh="氧气 18.2 % vol（限 19.5）", en="O2 18.2 % vol (limit 19.5)"),
        alarm(7, kind="link", priority=3, zh="失联", en="Lost contact", group="link:mesh"),
        alarm(8, kind="link", priority=3, zh="失联", en="Lost contact", group="link:mesh"),
        alarm(9, kind="battery", priority=4, zh="电量 9 %", en="Battery 9 %",
              shelved={"by": "王海", "until": now + 600_000, "why": "已换电池"}),
        {"k": "alarm_health", **health, "callout": {"ok": False, "words_zh": "外呼自检失败：继电器无应答", "words_en": "Call-out self-test failed: relay silent"}},
        {"k": "zone", "id": "z1", "name": "罐区爆燃危险区", "kind": "danger", "shape": "polygon", "geometry": square(0.004), "now": square(0.004),
         "source": "person:王海", "by": "王海", "inside": [0], "unsure": []},
        {"k": "zone", "id": "z2", "name": "警戒区", "kind": "cordon", "shape": "polygon", "geometry": square(0.009), "now": square(0.009),
         "source": "person:王海", "by": "王海", "follows": "u", "inside": [0], "unsure": [0]},
        {"k": "air", "teams": [{
            "id": "e1", "name": "攻坚一组", "zh": "在内 12 分", "en": "inside 12 min", "state": "inside", "lowest": "p1", "turn_back_s": 95,
            "egress_s": 180, "members": [{**member, "person": "p1", "name": "李四", "bar": 96, "minutes_left": 6.4, "turn_back_s": 95},
                                         {**member, "person": "p2", "name": "张三", "bar": 141, "minutes_left": 13, "turn_back_s": 420, "stale": True}],
            "retreat": {"recommend": True, "binding": "egress", "margin_s": -20, "terms": terms},
        }]},
        {"k": "roll", "id": "r1", "by": "王海", "t": now - 60_000, "ended": None, "people": people,
         "counts": {"confirmed": 1, "voice": 1, "unconfirmed": 1, "stale": 1, "refused": 0}},
        {"k": "evacuation", "seq": 41, "by": ["王海"], "t": now - 30_000, "people": out, "not": ["p2", "p3", "p4"]},
        {"k": "warning", "id": "w1", "state": "standing", "colour": "orange", "zh": "暴雨橙色预警", "en": "Heavy rain, orange",
         "sender_name": "济南市气象台", "instruction": "撤离沟口", "t_from": now, "t_until": now + 7_200_000, "gone": False},
        {"k": "warning_draft", "id": "d1", "state": "open", "colour": "red", "zh": "水位与雨量同时超限", "en": "Level and rain both over",
         "lat_deg": LAT, "lon_deg": LON, "radius_m": 3000, "t_utc_ms": now, "rule": "flood", "inputs": [
             {"station": "小清河黄台桥", "quantity": "水位", "value": 23.41, "threshold": 23.0, "unit": "m", "t_utc_ms": now}]},
        {"k": "station", "id": "s1", "name": "小清河黄台桥", "kind": "水文", "source": "MQTT", "values": [
            {"name": "level", "zh": "水位", "en": "Level", "value": 23.41, "unit": "m", "threshold": 23.0, "over": True, "t": now - 120_000},
            {"name": "rain", "zh": "雨量", "en": "Rain", "value": 31, "unit": "mm/h", "threshold": 50, "over": False, "t": now - 60_000}]},
    ]  # fmt: skip


ROOMS = ["vehicles", "entry", "rollcall", "evacuation", "zones", "warnings", "stations", "rules", "search"]


def as_if_whole(data: bytes) -> bytes:
    """The hub's hello, as if it had every room."""
    message = msgpack.unpackb(data)
    return msgpack.packb({**message, "parts": ROOMS}) if message["k"] == "hello" else data


@pytest.fixture
def told(hub: Any, browser: Browser) -> Iterator[Callable[..., Any]]:
    """Opens a page whose hub says more than it does: `picture()` after its own first snapshot."""
    contexts = []

    def open_it(**settings: Any) -> tuple[Page, list[dict[str, Any]]]:
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        said: list[dict[str, Any]] = []

        def pass_on(screen: WebSocketRoute) -> None:
            hub_side = screen.connect_to_server()

            def down(data: str | bytes) -> None:
                assert isinstance(data, bytes)
                if msgpack.unpackb(data)["k"] not in (
                    "alarm_health",
                    "air",
                ):  # the hub's own truth is a quiet night
                    screen.send(as_if_whole(data))
                if msgpack.unpackb(data)["k"] == "snap":
                    for message in picture():
                        screen.send(msgpack.packb(message))

            def up(data: str | bytes) -> None:
                assert isinstance(data, bytes)
                said.append(msgpack.unpackb(data))
                hub_side.send(data)

            hub_side.on_message(down)
            screen.on_message(up)

        page.add_init_script(UNTOUCHED)
        page.route_web_socket("**/api/v1/feed", pass_on)
        page.goto(hub.link())
        return page, said

    yield open_it
    for context in contexts:
        context.close()


def shots(page: Page, artifacts: Path, name: str) -> None:
    """Night zh, day en, phone."""
    page.screenshot(path=artifacts / f"night-zh-{name}.png")
    page.get_by_test_id("theme-switch").click()
    page.get_by_test_id("lang-switch").click()
    page.screenshot(path=artifacts / f"day-en-{name}.png")
    page.set_viewport_size(PHONE)
    expect(page.get_by_test_id("alarm-row")).to_have_count(1)
    page.screenshot(path=artifacts / f"phone-day-en-{name}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], f"{name} scrolls sideways"
    page.set_viewport_size(SCREEN["viewport"])
    page.get_by_test_id("theme-switch").click()
    page.get_by_test_id("lang-switch").click()


def test_what_a_bad_night_looks_like(
    told: Callable[..., Any], artifacts: Path, patiently: Callable[..., Any]
) -> None:
    page, said = told(**SCREEN)
    rows = page.get_by_test_id("alarm-row")
    expect(rows).to_have_count(3)
    expect(rows.first).to_have_attribute("data-priority", "1")
    expect(page.get_by_test_id("shelved-count")).to_have_text("已搁置 1")
    expect(page.get_by_test_id("no-sound")).to_be_visible()

    def shown() -> set[str]:
        return {one for message in said if message["k"] == "shown" for one in message["ids"]}

    # Nobody in danger is only a number: five stand by name, what is folded away is not said to be shown.
    patiently(lambda: shown() == {"t1", "t2", "t3", "t4", "t5"}, "the screen does not say what it shows")
    patiently(lambda: {"k": "sound", "may": False} in said, "it does not say that it may not sound")
    page.screenshot(path=artifacts / "night-zh-alarms-silent.png")
    page.get_by_test_id("alarms-chip").click()
    patiently(lambda: {"k": "sound", "may": True} in said, "a click does not bring the sound")
    expect(page.get_by_test_id("flood")).to_be_visible()
    expect(page.get_by_test_id("alarm-health")).to_contain_text("继电器无应答")
    shots(page, artifacts, "alarms")
    page.get_by_test_id("safety-chip").click()
    expect(page.get_by_test_id("air-team")).to_have_attribute("data-retreat", "true")
    expect(page.get_by_test_id("air-lowest")).to_have_text("96 bar")
    for tab, inside in (("air", "air-team"), ("roll", "roll"), ("evacuation", "evacuation"), ("zones", "zone"),
                        ("warnings", "warning"), ("stations", "station")):  # fmt: skip
        page.get_by_test_id(f"tab-{tab}").click()
        expect(page.get_by_test_id(inside).first).to_be_visible()
        shots(page, artifacts, f"safety-{tab}")
    draw_a_circle(page, artifacts)


def draw_a_circle(page: Page, artifacts: Path) -> None:
    """Two clicks on the map, one step back, and away with it: nobody is picked meanwhile."""
    page.get_by_test_id("tab-zones").click()
    page.get_by_test_id("draw-circle").click()
    save = page.get_by_test_id("zone-save")
    expect(save).to_be_disabled()
    page.mouse.click(900, 640)
    page.mouse.click(1050, 640)
    expect(save).to_be_enabled()
    expect(page.get_by_test_id("drawing")).to_contain_text("km")
    page.screenshot(path=artifacts / "night-zh-draw-circle.png")
    page.get_by_test_id("draw-undo").click()
    expect(save).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("drawing")).to_have_count(0)
    expect(page.get_by_test_id("safety")).to_be_visible()


class Wearer:
    """One device at the broker: where it is, and its call for help."""

    def __init__(self, hub: Any, device: int) -> None:
        ring = KeyRing(load_master(hub.data / "master.key"), "live")
        ring.epochs = {device: 0}
        key = ring.get(device)
        assert key is not None
        self.key, self.device, self.row = key, device, 0
        self.zero_ms = int(time.time() * 1000) - 900_000
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.connect("127.0.0.1", hub.mqtt_port)
        self.client.loop_start()

    def send(self, kind: Kind, lane: Lane, row: dict[str, int], ago_ms: int = 0) -> None:
        stream = Stream.EVENTS if kind == Kind.EVENT else Stream.ROWS
        t_ms = int(time.time() * 1000) - self.zero_ms - ago_ms
        made = frame.Row(t_ms, {FIELDS_BY_NAME[name].bit: value for name, value in row.items()})
        data = frame.pack(
            self.key, kind=kind, lane=lane, device=self.device, boot=4, stream=stream, row=self.row, rows=[made],
            utc_zero_ms=self.zero_ms, clock_source=ClockSource.GNSS,
        )  # fmt: skip
        self.row += 1
        self.client.publish(topics.up("live", self.device, lane), data, qos=1)

    def place(self) -> None:
        row = {"lat_deg_e7": 366_500_000, "lon_deg_e7": 1_170_000_000, "fix_mode": 3, "hacc_dm": 30}
        self.send(Kind.STATE, Lane.LIVE, row)

    def sos(self, number: int, ago_ms: int = 0) -> None:
        row = {"event_code": int(EventCode.SOS), "event_id": number, "event_phase": 0}
        self.send(Kind.EVENT, Lane.SOS, row, ago_ms)


@pytest.fixture
def wearer(hub: Any) -> Iterator[Wearer]:
    made = Wearer(hub, 1001)
    yield made
    made.client.disconnect()
    made.client.loop_stop()


def test_a_late_mayday_is_seen_and_answered_with_the_space_bar(
    hub: Any,
    wearer: Wearer,
    browser: Browser,
    opened: Callable[..., Any],
    artifacts: Path,
    patiently: Callable[..., Any],
) -> None:
    with opened(browser, hub.link(), **SCREEN) as page:
        wearer.place()
        expect(page.get_by_test_id("count-online")).to_have_text("1", timeout=20_000)
        wearer.sos(7, ago_ms=240_000)
        row = page.locator("[data-testid=alarm-row][data-cause=sos]")
        expect(row).to_have_attribute("data-late", "true")
        expect(row).to_contain_text("才收到（迟到）")
        page.screenshot(path=artifacts / "night-zh-late-sos.png")
        page.keyboard.press("Space")
        expect(row.get_by_test_id("alarm-seen-by")).to_contain_text("safety-officer 已看到")
        with hub.client() as client:
            hub.sign_in(client)

            def seen() -> bool:
                events = client.get("/api/v1/events").json()["events"]
                return [e["seen"] and e["seen"]["by"] for e in events if e["code"] == EventCode.SOS] == [
                    "safety-officer"
                ]

            patiently(seen, "the hub does not know who answered")
            (alarm,) = client.get("/api/v1/alarms").json()["alarms"]
            assert (alarm["kind"], alarm["state"], alarm["late"]) == ("sos", "acknowledged", True)
            assert alarm["seen"]["by"] == "safety-officer"


def test_a_person_without_a_device_is_in_a_team_in_seconds_and_counted(
    hub: Any, browser: Browser, opened: Callable[..., Any], artifacts: Path
) -> None:
    """The board of air, the roll-call of the team, and an officer's word: hub and browser as they are."""
    with opened(browser, hub.link(), **SCREEN) as page:
        page.get_by_test_id("safety-chip").click()
        name = page.get_by_test_id("team-add").locator("input")
        name.fill("攻坚一组")
        name.press("Enter")
        team = page.get_by_test_id("air-team")
        expect(team).to_have_count(1)
        began = time.monotonic()
        person, bar = team.get_by_test_id("member-add").locator("input").all()
        person.fill("李四")
        bar.fill("245")
        bar.press("Enter")
        expect(team.get_by_test_id("air-member")).to_contain_text("245 bar")
        assert time.monotonic() - began < 10
        expect(person).to_be_focused()  # for the next one
        team.get_by_test_id("team-inside").click()
        expect(team).to_have_attribute("data-state", "inside")
        team.get_by_test_id("team-roll").click()
        expect(page.get_by_test_id("roll-missing")).to_have_text("1")
        page.screenshot(path=artifacts / "night-zh-roll-by-hand.png")
        page.get_by_test_id("roll-heard").click()
        expect(page.get_by_test_id("roll-missing")).to_have_text("0")
        expect(page.get_by_test_id("roll-heard")).to_have_count(0)
        with hub.client() as client:
            hub.sign_in(client)
            (roll,) = client.get("/api/v1/roll-calls").json()["roll_calls"]
            assert [(one["name"], one["state"], one["by"]) for one in roll["people"]] == [
                ("李四", "voice", "safety-officer")
            ]
