"""Zones on the screen, in the system's Chromium against the real hub: drawn by clicks, entered, left, ended."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, expect

from hub.identity.keys import KeyRing, load_master
from protocols import frame, topics
from protocols.catalog import FIELDS_BY_NAME, ClockSource, Kind, Lane, Stream

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREEN: dict[str, Any] = {
    "viewport": {"width": 1920, "height": 1080},
    "locale": "zh-CN",
    "color_scheme": "dark",
}
LAT, LON = 36.65, 117.0
METRE = 1 / 111_195


class Walker:
    """Device 1001 at the broker, good to 3 m."""

    def __init__(self, hub: Any) -> None:
        ring = KeyRing(load_master(hub.data / "master.key"), "live")
        ring.epochs = {1001: 0}
        key = ring.get(1001)
        assert key is not None
        self.key, self.row = key, 0
        self.zero_ms = int(time.time() * 1000) - 900_000
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.connect("127.0.0.1", hub.mqtt_port)
        self.client.loop_start()

    def goes(self, north_m: float) -> None:
        """There at once. Nobody is so fast: the hub believes it when three fixes, a second apart, say so."""
        for _ in range(4):
            self.fix(north_m)
            time.sleep(1.05)

    def fix(self, north_m: float) -> None:
        lat = round((LAT + north_m * METRE) * 1e7)
        values = {"lat_deg_e7": lat, "lon_deg_e7": round(LON * 1e7), "fix_mode": 3, "hacc_dm": 30}
        bits = {FIELDS_BY_NAME[name].bit: value for name, value in values.items()}
        data = frame.pack(
            self.key, kind=Kind.STATE, lane=Lane.LIVE, device=1001, boot=4, stream=Stream.ROWS, row=self.row,
            rows=[frame.Row(int(time.time() * 1000) - self.zero_ms, bits)], utc_zero_ms=self.zero_ms,
            clock_source=ClockSource.GNSS,
        )  # fmt: skip
        self.row += 1
        self.client.publish(topics.up("live", 1001, Lane.LIVE), data, qos=1)


def test_a_zone_is_drawn_entered_left_and_ended(
    hub: Any,
    browser: Browser,
    opened: Callable[..., Any],
    artifacts: Path,
    patiently: Callable[..., Any],
) -> None:
    walker = Walker(hub)
    with opened(browser, hub.link(), **SCREEN) as page, hub.client() as client:
        hub.sign_in(client)
        walker.goes(200)
        expect(page.get_by_test_id("count-online")).to_have_text("1", timeout=20_000)
        page.get_by_test_id("safety-chip").click()
        page.get_by_test_id("tab-zones").click()
        page.get_by_test_id("draw-circle").click()
        page.mouse.click(700, 500)
        page.mouse.click(720, 500)
        page.get_by_test_id("zone-name").fill("手画")
        page.get_by_test_id("zone-kind").select_option("search")
        page.get_by_test_id("zone-save").click()
        zones = page.get_by_test_id("zone")
        expect(zones).to_have_count(1)
        expect(zones.first).to_contain_text("手画")
        body = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [LON, LAT]}}
        said = {"name": "罐区", "kind": "danger", "radius_m": 100.0}
        origin = {"Origin": str(client.base_url).rstrip("/")}
        drawn = client.post("/api/v1/zones", json={**body, "properties": said}, headers=origin)
        assert drawn.status_code == 200, drawn.text
        danger = page.locator("[data-testid=zone][data-kind=danger]")
        expect(danger.get_by_test_id("zone-inside")).to_have_text("0")

        walker.goes(0)
        row = page.locator("[data-testid=alarm-row][data-cause=zone]")
        expect(danger.get_by_test_id("zone-inside")).to_have_text("1", timeout=10_000)
        expect(row).to_contain_text("罐区", timeout=10_000)
        page.screenshot(path=artifacts / "night-zh-zones.png")

        page.keyboard.press("Space")
        expect(row.get_by_test_id("alarm-seen-by")).to_be_visible()
        walker.goes(200)
        expect(row).to_have_count(0, timeout=15_000)
        log = client.get(f"/api/v1/zones/{drawn.json()['id']}/log").json()["log"]
        assert [line["what"] for line in log] == ["left", "entered"]

        for _ in range(2):  # asked twice
            danger.get_by_test_id("zone-end").click()
        expect(danger).to_have_count(0)
        patiently(lambda: len(client.get("/api/v1/zones").json()["features"]) == 1, "the hub has it still")

        page.get_by_test_id("draw-around").click()
        page.get_by_test_id("zone-follows").fill("无此单位")
        page.get_by_test_id("zone-radius").fill("40")
        page.get_by_test_id("zone-save").click()
        expect(page.get_by_test_id("drawing")).to_contain_text("没有单位“无此单位”")
        page.get_by_test_id("zone-follows").fill("济南消防-01")
        page.get_by_test_id("zone-save").click()
        cordon = page.locator("[data-testid=zone][data-kind=cordon]")
        expect(cordon.get_by_test_id("zone-inside")).to_have_text("0")  # who carries it is not in it
        expect(cordon).to_contain_text("济南消防-01")

        cordon.get_by_test_id("zone-change").click()
        page.get_by_test_id("zone-name").fill("车辆警戒")
        page.get_by_test_id("zone-hours").fill("2")
        page.get_by_test_id("zone-enter").select_option("yes")
        page.get_by_test_id("zone-lead").fill("60")
        page.screenshot(path=artifacts / "night-zh-zone-form.png")
        page.get_by_test_id("zone-save").click()
        expect(cordon).to_contain_text("车辆警戒")
        (kept,) = client.get("/api/v1/zones?kind=cordon").json()["features"]
        is_now = kept["properties"]
        assert (is_now["radius_m"], is_now["lead_s"], is_now["on_enter"]) == (40, 60, True)
        assert is_now["until_utc_ms"] - time.time() * 1000 == pytest.approx(7_200_000, abs=300_000)
    walker.client.disconnect()
    walker.client.loop_stop()
