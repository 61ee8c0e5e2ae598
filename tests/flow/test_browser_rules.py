"""The board of rules in the system's Chromium against the real hub: a battery that empties, tried, flown to, switched.

Leaves screenshots in tests/artifacts/ as test_browser.py does.
"""

import re
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
    "viewport": {"width": 1600, "height": 1000},
    "locale": "zh-CN",
    "color_scheme": "dark",
}
DEVICE, PAST_S = 1001, 40


def send_a_battery(hub: Any) -> None:
    """40 s of a battery at 12 %, a second each, as one that was cut off sends them: the last one now."""
    ring = KeyRing(load_master(hub.data / "master.key"), "live")
    ring.epochs = {DEVICE: 0}
    key = ring.get(DEVICE)
    assert key is not None
    now_ms = int(time.time() * 1000)
    values = {
        "lat_deg_e7": 366_500_000,
        "lon_deg_e7": 1_170_000_000,
        "fix_mode": 3,
        "hacc_dm": 30,
        "battery_pct": 12,
    }
    row = {FIELDS_BY_NAME[name].bit: value for name, value in values.items()}
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", hub.mqtt_port)
    client.loop_start()
    data = frame.pack(
        key, kind=Kind.STATE, lane=Lane.LIVE, device=DEVICE, boot=4, stream=Stream.ROWS, row=0,
        rows=[frame.Row(900_000 - 1_000 * (PAST_S - second), row) for second in range(PAST_S)],
        utc_zero_ms=now_ms - 900_000, clock_source=ClockSource.GNSS,
    )  # fmt: skip
    client.publish(topics.up("live", DEVICE, Lane.LIVE), data, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_a_rule_is_changed_tried_and_taken_back(
    hub: Any, browser: Browser, opened: Callable[..., Any], artifacts: Path, patiently: Callable[..., Any]
) -> None:
    with opened(browser, hub.link(), **SCREEN) as page, hub.client() as client:
        send_a_battery(hub)
        expect(page.get_by_test_id("count-online")).to_have_text("1", timeout=20_000)
        hub.sign_in(client)
        at_once = {"kind": "battery", "zh": "电量低", "en": "Low battery", "below": 20}
        assert client.put("/api/v1/rules/battery", json=at_once).status_code == 200
        expect(page.get_by_test_id("alarm-row")).to_contain_text("电量 12 %（限 20 %）", timeout=20_000)
        page.get_by_test_id("safety-chip").click()
        page.get_by_test_id("tab-rules").click()
        rule = page.locator("[data-testid=rule][data-rule=battery]")
        expect(rule.get_by_test_id("rule-changed")).to_contain_text("safety-officer 于")
        rule.get_by_test_id("rule-try-hour").click()
        expect(rule.get_by_test_id("rule-tried")).to_have_attribute("data-count", "1", timeout=20_000)
        firing = rule.get_by_test_id("rule-firing")
        expect(firing).to_contain_text("电量 12 %（限 20 %）")
        expect(firing).to_contain_text(re.compile(r"\d+ s 前"))
        firing.click()
        page.screenshot(path=artifacts / "night-zh-rules.png")
        expect(rule.get_by_test_id("rule-standing")).to_have_text("正在告警 1", timeout=20_000)
        rule.get_by_test_id("rule-revert").dblclick()
        expect(rule.get_by_test_id("rule-changed")).to_have_count(0)
        rule.get_by_test_id("rule-switch").dblclick()
        expect(rule).to_have_class(re.compile("over"), timeout=20_000)

        def off() -> bool:
            rules = {one["id"]: one for one in client.get("/api/v1/rules").json()["rules"]}
            return (
                rules["battery"]["enabled"] is False and rules["battery"]["changed"]["by"] == "safety-officer"
            )

        patiently(off, "the hub does not know that it is off")
        page.get_by_test_id("lang-switch").click()
        page.get_by_test_id("theme-switch").click()
        page.screenshot(path=artifacts / "day-en-rules.png")
