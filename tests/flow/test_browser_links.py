"""A gateway's bearers and ways on the screen, in the system's Chromium against the real hub. Leaves screenshots."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, expect

from hub.identity.keys import KeyRing, load_master
from protocols import frame, relay, topics
from protocols.catalog import FIELDS_BY_NAME, Bearer, BearerState, ClockSource, Kind, Lane, Stream
from protocols.links import LinkState

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREEN = {"viewport": {"width": 1920, "height": 1080}, "locale": "zh-CN", "color_scheme": "dark"}
PHONE = {"width": 390, "height": 844}
LINKS = (
    LinkState(0, "LTE", Bearer.MQTT, BearerState.UP, 12, 120, 0, 1, 900, 90_000),
    LinkState(1, "datagram", Bearer.DATAGRAM, BearerState.DOWN, None, None, 340, 95, 10, 700),
    LinkState(2, "mesh", Bearer.MESH, BearerState.CONNECTING),
    LinkState(3, "rdss", Bearer.RDSS, BearerState.HELD, 0, 4_000, 0, 61, 4, 300, 125),
)


def send(hub: Any, now_ms: int) -> None:
    """Device 1001 says how its bearers do; then a position of it comes by relay 1002."""
    ring = KeyRing(load_master(hub.data / "master.key"), "live")
    ring.epochs = {1001: 0}
    key = ring.get(1001)
    assert key is not None
    common: dict[str, Any] = {"lane": Lane.LIVE, "device": 1001, "boot": 9, "stream": Stream.ROWS}
    common |= {"utc_zero_ms": now_ms - 60_000, "clock_source": ClockSource.GNSS}
    rows = [frame.Row(60_000, {}, tuple(link)) for link in LINKS]
    told = frame.pack(key, kind=Kind.LINK, row=0, rows=rows, **common)
    place = {"lat_deg_e7": 366_500_000, "lon_deg_e7": 1_170_000_000, "fix_mode": 3}
    values = {FIELDS_BY_NAME[name].bit: value for name, value in place.items()}
    fix = frame.pack(key, kind=Kind.STATE, row=9, rows=[frame.Row(60_000, values)], **common)
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", hub.mqtt_port)
    client.loop_start()
    client.publish(topics.up("live", 1001, Lane.LIVE), told, qos=1).wait_for_publish(10)
    carried = relay.pack_up(relay.Carried(Bearer.MESH, fix))
    client.publish(topics.relayed("live", 1002), carried, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_bearers_and_ways_of_a_gateway(
    new_hub: Callable[[], Any], browser: Browser, opened: Callable[..., Any], artifacts: Path
) -> None:
    hub = new_hub()
    hub.add(1001, "济南消防-01")
    hub.add(1002, "中继车-02", "vehicle", "二队")
    hub.command(
        "enrol", "--device", "1002", "--callsign", "中继车-02", "--relay", "--kind", "relay", "--json"
    )
    above = 'above_host = "127.0.0.1"\nabove_port = 1\nabove_device = 1003\nabove_tls = false\n'
    (hub.data / "hub.toml").write_text(above)
    hub.start()
    with opened(browser, hub.link("technician"), **SCREEN) as page:
        send(hub, int(time.time() * 1000))
        page.get_by_test_id("unit-row").filter(has=page.locator(".callsign", has_text="济南消防-01")).click()
        links = page.get_by_test_id("detail").get_by_test_id("links")
        expect(links.get_by_test_id("link")).to_have_count(4)
        expect(links).to_contain_text("LTE  120 ms · 丢 1.2 %")
        expect(links.locator("[data-state=held]")).to_contain_text("备用")
        expect(links.get_by_test_id("ways")).to_contain_text("经 中继车-02（LoRa 自组网）")
        links.scroll_into_view_if_needed()
        page.screenshot(path=artifacts / "night-zh-links.png")
        page.get_by_test_id("lang-switch").click()
        page.get_by_test_id("theme-switch").click()
        expect(links.get_by_test_id("ways")).to_contain_text("by 中继车-02 (LoRa mesh)")
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        links.scroll_into_view_if_needed()
        page.screenshot(path=artifacts / "phone-en-links.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.set_viewport_size(SCREEN["viewport"])  # type: ignore[arg-type]
        page.get_by_test_id("admin-button").click()
        row = page.locator("[data-testid=device-row][data-device='1001']")
        expect(row.get_by_test_id("link")).to_have_count(4)
        expect(page.get_by_test_id("above")).to_have_attribute("data-connected", "false")
        page.screenshot(path=artifacts / "day-en-devices-links.png")
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.screenshot(path=artifacts / "phone-en-devices-links.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
