"""Stations and coverage on the screen, from rows of a file and words of a gateway to a person."""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, expect

from hub.identity.keys import KeyRing, load_master
from protocols import frame, topics
from protocols.catalog import FIELDS_BY_NAME, Bearer, BearerState, ClockSource, Kind, Lane, Stream

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREEN: dict[str, Any] = {
    "viewport": {"width": 1600, "height": 1000},
    "locale": "zh-CN",
    "color_scheme": "dark",
}
MAPPING = """
[[source]]
name = "hydro"
kind = "hydrology"
csv = "levels.csv"
every_s = 1
stale_s = 900
[source.station]
id = "id"
name = "name"
lat = "lat"
lon = "lon"
[source.time]
column = "time"
[[source.quantity]]
name = "level"
zh = "水位"
en = "Water level"
column = "z"
unit = "m"
thresholds = { yellow = 22.0, orange = 23.0 }
[[source.quantity]]
name = "rain"
zh = "雨量"
column = "rain"
unit = "mm"
threshold = 50
[[rule]]
name = "flood"
zh = "雨量与水位同时超限"
needs = ["level", "rain"]
within_km = 20
within_min = 60
"""
LAT_E7, LON_E7 = 366_500_000, 1_170_000_000


@pytest.fixture
def ready(new_hub: Callable[..., Any]) -> Any:
    """A hub with a mapping and one unit."""
    hub = new_hub()
    hub.add(1001, "济南消防-01")
    (hub.data / "stations.toml").write_text(MAPPING)
    beijing = timezone(timedelta(hours=8))
    now, then = datetime.now(beijing), datetime.now(beijing) - timedelta(hours=3)
    (hub.data / "levels.csv").write_text(
        "id,name,time,z,rain,lat,lon\n"
        f"1,黄台桥,{now.isoformat()},23.6,,36.71,117.06\n"
        f"2,龙洞,{now.isoformat()},,62,36.66,117.10\n"
        f"3,北大沙河,{then.isoformat()},12.2,,36.55,116.9\n"
        f"4,玉符河,{now.isoformat()},坏,,36.6,116.9\n"
    )
    hub.start()
    return hub


def speak(hub: Any) -> None:
    """Two minutes northward, with the bearer down at the end: what a gateway tells afterwards."""
    ring = KeyRing(load_master(hub.data / "master.key"), "live")
    ring.epochs = {1001: 0}
    key = ring.get(1001)
    assert key is not None
    zero_ms = int(time.time() * 1000) - 300_000
    head: Any = {"device": 1001, "boot": 4, "stream": Stream.ROWS, "lane": Lane.LIVE, "utc_zero_ms": zero_ms,
                 "clock_source": ClockSource.GNSS}  # fmt: skip
    lat, lon = FIELDS_BY_NAME["lat_deg_e7"].bit, FIELDS_BY_NAME["lon_deg_e7"].bit
    walk = [frame.Row(120_000 + 1_000 * i, {lat: LAT_E7 + 120 * i, lon: LON_E7}) for i in range(180)]
    link = [0, "lte", int(Bearer.MQTT), int(BearerState.DOWN), None, None, None, None, 0, 0, None]
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", hub.mqtt_port)
    client.loop_start()
    told = [frame.Row(290_000, {}, words=tuple(link))]
    for kind, row, rows in ((Kind.STATE, 0, walk), (Kind.LINK, 300, told)):
        data = frame.pack(key, kind=kind, row=row, rows=rows, **head)
        client.publish(topics.up("live", 1001, Lane.LIVE), data, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def plan(path: Path) -> Path:
    """One segment around the walk."""
    w, s, e, n = 116.999, 36.649, 117.001, 36.653
    ring = [[w, s], [e, s], [e, n], [w, n], [w, s]]
    segment = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
               "properties": {"name": "一号沟", "poa": 0.6, "range_m": 20, "visibility": "high"}}  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [segment]}))
    return path


def test_from_a_row_to_a_draft_and_from_a_walk_to_a_search(
    ready: Any, browser: Browser, opened: Callable[..., Any], artifacts: Path, tmp_path: Path
) -> None:
    speak(ready)
    with opened(browser, ready.link("commander"), **SCREEN) as page:
        page.get_by_test_id("safety-chip").click()
        page.get_by_test_id("tab-stations").click()
        expect(page.get_by_test_id("station")).to_have_count(3)
        expect(page.get_by_test_id("station").first).to_have_attribute("data-over", "true")
        old = page.get_by_test_id("station").filter(has_text="北大沙河")
        expect(old.locator("tr")).to_have_attribute("data-stale", "true")
        expect(page.get_by_test_id("station-sources")).to_contain_text("第 5 行 z")
        page.screenshot(path=artifacts / "night-zh-stations.png")
        page.get_by_test_id("tab-warnings").click()
        expect(page.get_by_test_id("warning-draft")).to_contain_text("雨量与水位同时超限")
        page.get_by_test_id("tab-coverage").click()
        page.get_by_test_id("layer-signal").click()
        expect(page.get_by_test_id("cells")).to_have_text("1 格，其中盲区 1 格")
        page.get_by_test_id("layer-search").click()
        page.get_by_test_id("search-import").set_input_files(plan(tmp_path / "plan.geojson"))
        expect(page.get_by_test_id("segment")).to_contain_text("先验 → 现在 60.0 % → 60.0 %")
        page.get_by_test_id("search-allocate").click()
        expect(page.get_by_test_id("effort")).to_contain_text("一号沟 10.0 小时")
        page.screenshot(path=artifacts / "night-zh-coverage.png")
        page.get_by_test_id("search-end").click()
        page.get_by_test_id("search-end").click()
        expect(page.get_by_test_id("search-plan")).to_contain_text("已结束")
