"""Orders on the screen, in the system's Chromium against the real hub, with a squad of devices that answer. Leaves
screenshots in tests/artifacts/ as test_browser.py does."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, Page, expect

from hub.identity.keys import KeyRing, load_master
from hub.store.interface import UnitRow
from hub.store.registry import SqliteRegistry
from protocols import frame, orders, topics
from protocols.catalog import FIELDS_BY_NAME, ClockSource, EventCode, Kind, Lane, Stream
from protocols.orders import OrderType, What

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREEN: dict[str, Any] = {
    "viewport": {"width": 1920, "height": 1080},
    "locale": "zh-CN",
    "color_scheme": "dark",
}
PHONE = {"width": 390, "height": 844}
DEVICES = range(2001, 2015)
SILENT = (2005, 2013)
"""Two of fourteen never hear anything."""
REFUSES = 2003


class Squad:
    """Devices at the broker: each says where it is, hears orders, and answers as its wearer would."""

    def __init__(self, hub: Any) -> None:
        self.ring = KeyRing(load_master(hub.data / "master.key"), "live")
        self.ring.epochs = dict.fromkeys(DEVICES, 0)
        self.rows = dict.fromkeys(DEVICES, 0)
        self.heard: dict[int, list[orders.Order]] = {device: [] for device in DEVICES}
        self.zero_ms = int(time.time() * 1000) - 60_000
        self.lock = threading.Lock()
        ready = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = lambda _c, _u, message: self.hear(message.topic, bytes(message.payload))
        self.client.connect("127.0.0.1", hub.mqtt_port)
        self.client.subscribe("z/live/+/+/o", qos=1)
        self.client.loop_start()
        assert ready.wait(10)

    def send(self, device: int, kind: Kind, lane: Lane, stream: Stream, rows: list[dict[str, int]]) -> None:
        key = self.ring.get(device)
        assert key is not None
        with self.lock:
            first = self.rows[device]
            self.rows[device] += len(rows)
        t_ms = int(time.time() * 1000) - self.zero_ms
        made = [frame.Row(t_ms, {FIELDS_BY_NAME[n].bit: v for n, v in row.items()}) for row in rows]
        data = frame.pack(
            key, kind=kind, lane=lane, device=device, boot=3 + stream, stream=stream, row=first, rows=made,
            utc_zero_ms=self.zero_ms, clock_source=ClockSource.GNSS,
        )  # fmt: skip
        self.client.publish(topics.up("live", device, lane), data, qos=1)

    def place(self) -> None:
        for i, device in enumerate(DEVICES):
            lat, lon = 366_500_000 + 9_000 * (i % 5), 1_170_000_000 + 12_000 * (i // 5)
            row = {"lat_deg_e7": lat, "lon_deg_e7": lon, "fix_mode": 3}
            self.send(device, Kind.STATE, Lane.LIVE, Stream.ROWS, [row])

    def write(self, device: int, text: str) -> None:
        key = self.ring.get(device)
        assert key is not None
        t_ms = int(time.time() * 1000) - self.zero_ms
        data = frame.pack_text(
            key, device=device, boot=9, row=0, t_mono_ms=t_ms, text=text, utc_zero_ms=self.zero_ms
        )
        self.client.publish(topics.up("live", device, Lane.RECEIPTS), data, qos=1)

    def hear(self, topic: str, data: bytes) -> None:
        device = int(topic.split("/")[3])
        key = self.ring.get(device)
        if key is None or device in SILENT:
            return
        what, body = orders.unpack_down(data, key)
        if what != What.ORDER:
            return
        order = orders.open_order(orders.open_signed(body)[0])
        if order.seq in {one.seq for one in self.heard[device]}:
            return
        self.heard[device].append(order)
        self.answer(device, order)

    def answer(self, device: int, order: orders.Order) -> None:
        codes = [EventCode.RECEIVED, EventCode.SHOWN]
        if order.type == OrderType.ROLL_CALL:
            codes += [EventCode.ROLL_CALL] if device % 3 else []
        elif order.type != OrderType.TEXT and device % 2:
            codes += [EventCode.REFUSED if device == REFUSES else EventCode.ACCEPTED]
        rows = [
            {"event_code": int(code), "event_id": 10 * order.seq + i, "event_order": order.seq}
            for i, code in enumerate(codes)
        ]
        self.send(device, Kind.EVENT, Lane.RECEIPTS, Stream.EVENTS, rows)


@pytest.fixture
def squad(hub: Any) -> Iterator[Squad]:
    registry = SqliteRegistry(hub.data / "registry.db")
    now_ms = int(time.time() * 1000)
    registry.open(now_ms)
    teams = ("济南一队", "济南二队")
    names = [
        (d, UnitRow("", f"济南消防-{d - 1990}", "person", "fire", teams[d % 2], 30, 300)) for d in DEVICES
    ]
    registry.enrol(names, now_ms)
    registry.unbind(1001, now_ms)
    registry.close()
    with hub.client() as client:
        hub.sign_in(client, "observer")
        while len(client.get("/api/v1/units").json()["units"]) <= len(DEVICES):
            pass  # the hub looks twice a second
    made = Squad(hub)
    yield made
    made.client.disconnect()
    made.client.loop_stop()


def twice(page: Page, test_id: str) -> None:
    button = page.get_by_test_id(test_id)
    button.click()
    expect(button).to_have_class(re.compile("sure"))
    button.click()


@contextmanager
def other_way(page: Page) -> Iterator[None]:
    """Day and English for a while."""
    for _ in range(2):
        page.get_by_test_id("theme-switch").click()
        page.get_by_test_id("lang-switch").click()
        if _ == 0:
            yield


def card(page: Page, kind: str) -> Any:
    return page.locator(f"[data-testid=order-card][data-type={kind}]").first


def test_an_evacuation_a_roll_call_and_words_both_ways(
    hub: Any, squad: Squad, browser: Browser, opened: Callable[..., Any], artifacts: Path
) -> None:
    with opened(browser, hub.link("commander"), **SCREEN) as page:
        squad.place()
        expect(page.get_by_test_id("count-online")).to_have_text("14")
        page.get_by_test_id("orders-chip").click()
        expect(page.get_by_test_id("order-count")).to_have_text("15")  # one has no device: it is counted
        page.get_by_test_id("order-needs-key").click()
        page.get_by_test_id("shift-begin").click()
        expect(page.get_by_test_id("key-chip")).to_have_attribute("data-state", "ready")
        page.get_by_test_id("orders-chip").click()
        page.screenshot(path=artifacts / "night-zh-orders-empty.png")

        page.fill("[data-testid=order-words]", "楼板异响，立即撤到东门集结点")
        twice(page, "order-evacuate")
        tally = card(page, "evacuate").get_by_test_id("order-tally")
        expect(tally).to_have_text("12/15")
        rows = card(page, "evacuate").get_by_test_id("order-row")
        expect(rows.nth(0)).to_have_attribute("data-state", "no_device")
        expect(rows.nth(1)).to_have_attribute("data-state", "sent")
        expect(rows.nth(3)).to_have_attribute("data-state", "refused")
        expect(page.get_by_test_id("orders-chip")).to_contain_text("撤离 12/15")
        assert all(
            squad.heard[device][0].type == OrderType.EVACUATE for device in DEVICES if device not in SILENT
        )
        page.screenshot(path=artifacts / "night-zh-orders-evacuate.png")
        with other_way(page):
            page.screenshot(path=artifacts / "day-en-orders-evacuate.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= SCREEN["viewport"]["width"]
            page.set_viewport_size(PHONE)
            page.screenshot(path=artifacts / "phone-en-orders-evacuate.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            page.set_viewport_size(SCREEN["viewport"])

        page.select_option("[data-testid=order-target]", "team:济南二队")
        page.get_by_test_id("order-roll-call").click()
        expect(card(page, "roll_call").get_by_test_id("order-tally")).to_have_text("3/7")
        expect(card(page, "roll_call")).to_contain_text("未应答 4")

        for name in ("济南消防-12", "济南消防-14"):
            page.get_by_test_id("unit-row").filter(has=page.locator(".callsign", has_text=name)).click()
        expect(page.get_by_test_id("order-count")).to_have_text("2")
        page.fill("[data-testid=order-words]", "搜索三层西侧")
        page.get_by_test_id("order-text").click()
        expect(card(page, "text").get_by_test_id("order-tally")).to_have_text("2/2")
        squad.write(2002, "三层西侧已搜完，无被困人员")
        expect(page.get_by_test_id("text-up")).to_contain_text("三层西侧已搜完")
        page.screenshot(path=artifacts / "night-zh-orders-texts.png")

        page.get_by_test_id("text-up").click()
        talk = page.get_by_test_id("unit-talk")
        expect(talk).to_contain_text("三层西侧已搜完")
        expect(talk).to_contain_text("搜索三层西侧")
        talk.get_by_test_id("talk-words").fill("收到，撤到二层待命")
        talk.get_by_test_id("talk-send").click()
        expect(talk.locator("p").last).to_contain_text("已显示")
        talk.scroll_into_view_if_needed()
        page.screenshot(path=artifacts / "night-zh-unit-talk.png")

        talk.get_by_test_id("unit-order").click()
        expect(page.get_by_test_id("order-count")).to_have_text("1")
        page.get_by_test_id("order-retreat").click()
        page.screenshot(path=artifacts / "night-zh-orders-ask.png")
        page.get_by_test_id("order-retreat").click()
        expect(card(page, "retreat").get_by_test_id("order-tally")).to_have_text("1/1")

        page.reload()
        page.get_by_test_id("orders-chip").click()
        expect(card(page, "evacuate").get_by_test_id("order-tally")).to_have_text("12/15")


def test_who_may_not_order_sees_how_far_it_is(
    hub: Any, squad: Squad, browser: Browser, opened: Callable[..., Any]
) -> None:
    with hub.client() as client:
        hub.sign_in(client, "dispatcher")
        body = {"type": "text", "target": "team:济南一队", "text": "收到请回复"}
        client.post("/api/v1/orders", json=body).raise_for_status()
        assert client.post("/api/v1/orders/task", json={"target": "all", "text": "x"}).status_code == 200
        assert client.post("/api/v1/orders/signed", json={}).status_code == 403
    with opened(browser, hub.link("observer"), **SCREEN) as page:
        page.get_by_test_id("orders-chip").click()
        expect(card(page, "text").get_by_test_id("order-tally")).to_have_text("7/7")
        for absent in ("order-words", "order-text", "order-evacuate", "order-needs-key"):
            expect(page.get_by_test_id(absent)).to_have_count(0)
