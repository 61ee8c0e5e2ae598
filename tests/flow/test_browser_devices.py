"""What devices say of body, air, gas and others, on the screen in the system's Chromium against the real hub.

The frames are made here and go through the broker as a gateway's do, so that every value is known. Leaves screenshots
in tests/artifacts/, to be looked at.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, Page, expect

from hub.identity.keys import KeyRing, load_master
from protocols import frame, orders, topics
from protocols.catalog import (
    FIELDS_BY_NAME,
    ClockSource,
    EventCode,
    Kind,
    Lane,
    Said,
    Source,
    Stream,
    field_id,
)
from protocols.keys import MacKey

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREEN = {"viewport": {"width": 1920, "height": 1080}, "locale": "zh-CN", "color_scheme": "dark"}
PHONE = {"width": 390, "height": 844}
NODE = 0xA1B2C3D4
PERSON = {
    "lat_deg_e7": 366_500_000, "lon_deg_e7": 1_170_000_000, "alt_dm": 420, "speed_dmps": 6, "course_deg": 80,
    "hacc_dm": 31, "fix_mode": 4, "sats_used": 17, "battery_pct": 77, "heart_bpm": 162, "strain_e1": 78,
    "core_dc": 384, "core_band_dc": 3, "duty": 3, "pass_state": 1, "posture": 2, "activity_mg": 412,
    "scba_kpa": 14_300, "air_left_s": 512, "turn_back_s": 95, "air_dlpm": 623, "lel_permille": 61,
    "o2_permille": 196, "co_ppm": 38, "h2s_dppm": 153, "gas_faults": 0b100, "gas_over": 0, "floor": 3,
    "floor_band_e1": 10,
}  # fmt: skip
TRUCK = {
    "lat_deg_e7": 366_520_000, "lon_deg_e7": 1_170_040_000, "fix_mode": 6, "hacc_dm": 1, "engine_rpm": 870,
    "coolant_c": 88, "fuel_permille": 640, "supply_mv": 27_420, "wheel_dmps": 0, "heading_ddeg": 915,
    "ambient_dc": 243, "wind_dmps": 42, "wind_from_deg": 210, "humidity_permille": 583, "pressure_pa": 100_830,
}  # fmt: skip


class Device:
    """A gateway's end of the broker: rows up, messages down."""

    def __init__(self, hub: Any, device: int) -> None:
        ring = KeyRing(load_master(hub.data / "master.key"), "live")
        ring.epochs = {device: 0}
        key = ring.get(device)
        assert key is not None
        self.key: MacKey = key
        self.device = device
        self.heard: list[tuple[int, str, int]] = []
        self._zero_ms = int(time.time() * 1000) - 600_000
        self._row = 0
        self._taken = threading.Semaphore(0)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_publish = lambda *_: self._taken.release()
        self._client.on_message = lambda _client, _data, message: self._hear(message.payload)
        self._client.connect("127.0.0.1", hub.mqtt_port)
        self._client.subscribe(topics.orders("live", device), qos=0)
        self._client.loop_start()

    def _hear(self, payload: bytes) -> None:
        what, body = orders.unpack_down(payload, self.key)
        if what == orders.What.SEEN:
            self.heard.append(orders.open_seen(body))

    def send(
        self, kind: Kind, lane: Lane, values: dict[str, int], words: Any = None, ago_ms: int = 0
    ) -> None:
        stream = Stream.EVENTS if kind == Kind.EVENT else Stream.ROWS
        at = int(time.time() * 1000) - ago_ms - self._zero_ms
        bits = {FIELDS_BY_NAME[name].bit: value for name, value in values.items()}
        data = frame.pack(
            self.key, kind=kind, lane=lane, device=self.device, boot=9, stream=stream, row=self._row,
            rows=[frame.Row(at, bits, words)], utc_zero_ms=self._zero_ms, clock_source=ClockSource.GNSS,
        )  # fmt: skip
        self._row += 1
        self._client.publish(topics.up("live", self.device, lane), data, qos=1)
        assert self._taken.acquire(timeout=10), "the broker did not take it"

    def event(self, code: EventCode, number: int, phase: int = 0, ago_ms: int = 0, **more: int) -> None:
        values = {"event_code": int(code), "event_id": number, "event_phase": phase}
        values |= {f"event_{name}": value for name, value in more.items()}
        self.send(Kind.EVENT, Lane.SOS, values, ago_ms=ago_ms)

    def observe(self, source: Source, number: int, **values: int) -> None:
        self.send(Kind.OBSERVED, Lane.LIVE, {"obs_source": int(source), "obs_id": number, **values})

    def say(self, source: Source, number: int, what: Said, text: str) -> None:
        self.send(Kind.SAID, Lane.LIVE, {}, (int(source), number, int(what), text))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def devices(hub: Any) -> Iterator[tuple[Device, Device]]:
    hub.add(1002, "抢险车-02", "vehicle", "二队")
    made = (Device(hub, 1001), Device(hub, 1002))
    yield made
    for device in made:
        device.close()


def fill(person: Device, truck: Device) -> None:
    """A responder in trouble, an engine with a weather station, and what they hear of others."""
    person.event(EventCode.ENTERED, 1, ago_ms=540_000, duty=2)
    person.event(EventCode.GAS_RISE, 2, ago_ms=400_000, field=field_id("co_ppm"), value=30, threshold=25)
    person.event(EventCode.GAS_RISE, 2, phase=2, ago_ms=340_000)
    person.event(EventCode.RECEIVED, 3, ago_ms=120_000)
    person.send(Kind.STATE, Lane.LIVE, PERSON)
    health = {"corrections": 2, "clock_source": 1, "beidou_used": 9, "rtt_ms": 42, "board_pct": 64}
    person.send(Kind.HEALTH, Lane.LIVE, health)
    truck.send(Kind.STATE, Lane.LIVE, TRUCK)
    truck.say(Source.MESH, NODE, Said.NAME, "山脊一号")
    at = {"obs_lat_deg_e7": 366_475_000, "obs_lon_deg_e7": 1_170_020_000}
    truck.observe(Source.MESH, NODE, **at, obs_battery_pct=81, obs_snr_ddb=72, obs_hops=2)
    truck.observe(
        Source.AIS, 413_000_123, obs_lat_deg_e7=366_540_000, obs_lon_deg_e7=1_169_960_000, obs_ship_type=36
    )
    truck.observe(
        Source.DRONE, 1002 * 256 + 1, obs_lat_deg_e7=366_510_000, obs_lon_deg_e7=1_170_060_000, obs_armed=1
    )
    truck.say(Source.MESH, NODE, Said.MESSAGE, "<img src=x onerror=alert(1)> 北坡两人需要水")
    for code, number, more in (
        (EventCode.TURN_BACK, 11, {}),
        (EventCode.STRAIN, 12, {"field": field_id("strain_e1"), "value": 78, "threshold": 75}),
        (EventCode.GAS, 13, {"field": field_id("h2s_dppm"), "value": 153, "threshold": 100}),
        (EventCode.SOS, 14, {}),
    ):
        person.event(code, number, **more)


def row_of(page: Page, callsign: str) -> Any:
    return page.get_by_test_id("unit-row").filter(has=page.locator(".callsign", has_text=callsign))


def four(page: Page, artifacts: Path, name: str) -> None:
    """Night and day, both languages, wide and on a phone."""
    page.screenshot(path=artifacts / f"night-zh-{name}.png")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.screenshot(path=artifacts / f"phone-night-zh-{name}.png")
    page.set_viewport_size(SCREEN["viewport"])  # type: ignore[arg-type]
    page.get_by_test_id("lang-switch").click()
    page.get_by_test_id("theme-switch").click()
    page.screenshot(path=artifacts / f"day-en-{name}.png")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.screenshot(path=artifacts / f"phone-day-en-{name}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], f"{name} scrolls sideways"
    page.set_viewport_size(SCREEN["viewport"])  # type: ignore[arg-type]
    page.get_by_test_id("theme-switch").click()
    page.get_by_test_id("lang-switch").click()


def test_body_air_gas_alarms_and_what_others_report(
    hub: Any,
    devices: tuple[Device, Device],
    browser: Browser,
    opened: Callable[..., Any],
    artifacts: Path,
    patiently: Callable[..., Any],
) -> None:
    person, truck = devices
    with opened(browser, hub.link(), **SCREEN) as page:
        expect(row_of(page, "抢险车-02")).to_be_visible(timeout=20_000)
        fill(person, truck)
        expect(row_of(page, "山脊一号")).to_be_visible()
        expect(page.get_by_test_id("alarm-row").first).to_have_attribute("data-cause", "sos")
        row_of(page, "济南消防-01").click()
        look_at_a_responder(page)
        four(page, artifacts, "responder")
        say_seen(page, person, patiently)
        four(page, artifacts, "seen")
        look_at_what_is_reported(page)
        four(page, artifacts, "reported")
        row_of(page, "抢险车-02").click()
        expect(page.get_by_test_id("group_vehicle")).to_contain_text("870")
        expect(page.get_by_test_id("group_weather")).to_contain_text("1008.3 hPa")
        four(page, artifacts, "vehicle")
    with opened(browser, hub.link("commander"), **SCREEN) as page:
        expect(page.locator("[data-testid=alarm-row][data-cause=body]")).to_have_count(
            0
        )  # three rows are shown first
        page.locator(".alarms .more").click()
        body = page.locator("[data-testid=alarm-row][data-cause=body]")
        expect(body).to_contain_text("生理报警")
        assert "7.8" not in body.inner_text(), "numbers of a body are not a commander's"
        row_of(page, "济南消防-01").click()
        expect(page.get_by_test_id("physiology-hidden")).to_be_visible()
        page.screenshot(path=artifacts / "night-zh-commander.png")


def look_at_a_responder(page: Page) -> None:
    detail = page.get_by_test_id("detail")
    expect(page.get_by_test_id("countdown")).to_contain_text("1:35")
    for group, words in (
        ("group_life", ("用气作业", "弯腰", "38.4 ±0.3 °C", "162", "7.8", "已布防")),
        ("group_air", ("14.3 MPa", "8:32")),
        ("group_gas", ("一氧化碳", "15.3 ppm")),
        ("group_place", ("3 层 ±1", "正常接收")),
        ("group_device", ("卫星", "77 %")),
    ):
        for word in words:
            expect(detail.get_by_test_id(group)).to_contain_text(word)
    expect(page.get_by_test_id("unit-events")).to_contain_text("进入")
    expect(page.get_by_test_id("unit-events")).to_contain_text("已收到命令")


def say_seen(page: Page, person: Device, patiently: Callable[..., Any]) -> None:
    sos = page.locator("[data-testid=alarm-row][data-cause=sos]")
    sos.get_by_test_id("alarm-seen").click()
    told = sos.get_by_test_id("alarm-seen-by")
    expect(told).to_have_text("safety-officer 已看到 · 尚未告知本人")
    patiently(lambda: len(person.heard) >= 2, "the device is not told again")
    assert {(number, by) for number, by, _ in person.heard} == {(14, "safety-officer")}
    person.event(EventCode.SOS, 14, phase=1, seen=1)
    expect(told).to_have_attribute("data-heard", "true")
    expect(told).to_contain_text("已告知本人")
    count = len(person.heard)
    page.get_by_test_id("detail").locator(".event.open").first.scroll_into_view_if_needed()
    assert len(person.heard) - count <= 1, "it goes on although the wearer knows"


def look_at_what_is_reported(page: Page) -> None:
    row_of(page, "山脊一号").click()
    expect(page.get_by_test_id("reported-by")).to_have_text("网格电台 · 由 抢险车-02 报告")
    expect(page.get_by_test_id("unit-messages")).to_contain_text(
        "<img src=x onerror=alert(1)> 北坡两人需要水"
    )
    expect(page.get_by_test_id("detail").locator(".chip-online")).to_have_count(0)
    expect(page.get_by_test_id("count-online")).to_contain_text("2")
