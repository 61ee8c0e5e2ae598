"""The commander's screen as a whole, in the system's Chromium against the real hub: time, keyboard, phone, a hub that
is away, and nothing over an alarm. Leaves screenshots in tests/artifacts/ as test_browser.py does."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, BrowserContext, Page, expect

from hub.identity.keys import KeyRing, load_master
from hub.store.interface import UnitRow
from hub.store.registry import SqliteRegistry
from protocols import frame, topics
from protocols.catalog import FIELDS_BY_NAME, ClockSource, EventCode, Kind, Lane, Stream

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREEN: dict[str, Any] = {
    "viewport": {"width": 1920, "height": 1080},
    "locale": "zh-CN",
    "color_scheme": "dark",
}
PHONE: dict[str, Any] = {
    **SCREEN,
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}
CUT = "ERR_"
"""What the console says of a connection to a hub that is not there."""
DEVICES = range(2001, 2007)
PASSWORD = "correct horse battery"
LAT, LON, STEP = 366_500_000, 1_170_000_000, 200
AXE = Path(__file__).parents[2] / "hub" / "web" / "node_modules" / "axe-core" / "axe.min.js"

COVERED = """() => [...document.querySelectorAll('[data-testid=alarm-row]')].flatMap(row => {
  const box = row.getBoundingClientRect()
  return [0.02, 0.25, 0.5, 0.75, 0.98].map(share => [box.left + box.width * share, box.top + box.height / 2])
    .filter(([x, y]) => !row.contains(document.elementFromPoint(x, y)))
})"""
"""Places of alarm rows where something else lies on top."""
SMALL = """() => [...document.querySelectorAll('button, select, input, a')]
  .filter(one => one.offsetParent && !one.closest('.skips, .choice, .check') && !one.matches('.moment'))
  .map(one => [one.textContent || one.className, one.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && (box.height < 43.5 || box.width < 43.5) && box.top < innerHeight)
  .map(([name, box]) => `${name} ${box.width}x${box.height}`)"""
LATE = """window.WebSocket = class extends WebSocket {
  set onmessage(take) { super.onmessage = event => setTimeout(() => take(event), window.__lateMs ?? 0) }
}"""
"""A slow link: Chromium's own emulation leaves WebSockets alone."""
SIZES = """() => ['.row .callsign', '.row .age', '.alarm .name', '.count b', '.clock']
  .map(one => document.querySelector(one))
  .map(one => parseFloat(getComputedStyle(one).fontSize) * one.currentCSSZoom)"""
HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden })
  Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => hidden ? 'hidden' : 'visible' })
  document.dispatchEvent(new Event('visibilitychange'))
}"""
"""A page that is looked at by a test is never hidden for Chromium; what the page does about it is all ours."""


class Field:
    """Devices at the broker, each where it is told to be."""

    def __init__(self, hub: Any) -> None:
        self.ring = KeyRing(load_master(hub.data / "master.key"), "live")
        self.ring.epochs = dict.fromkeys(DEVICES, 0)
        self.rows = dict.fromkeys(DEVICES, 0)
        self.zero_ms = int(time.time() * 1000) - 60_000
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.connect("127.0.0.1", hub.mqtt_port)
        self.client.loop_start()

    def send(self, device: int, kind: Kind, lane: Lane, row: dict[str, int]) -> None:
        key = self.ring.get(device)
        assert key is not None
        stream = Stream.EVENTS if kind == Kind.EVENT else Stream.ROWS
        made = frame.Row(
            int(time.time() * 1000) - self.zero_ms, {FIELDS_BY_NAME[n].bit: v for n, v in row.items()}
        )
        data = frame.pack(
            key, kind=kind, lane=lane, device=device, boot=3 + stream, stream=stream, row=self.rows[device],
            rows=[made], utc_zero_ms=self.zero_ms, clock_source=ClockSource.GNSS,
        )  # fmt: skip
        self.rows[device] += 1
        self.client.publish(topics.up("live", device, lane), data, qos=1)

    def place(self, step: int = 0) -> None:
        """Everyone somewhere, `step` steps further north."""
        for i, device in enumerate(DEVICES):
            row = {
                "lat_deg_e7": LAT + STEP * step + 9_000 * (i % 3),
                "lon_deg_e7": LON + 12_000 * (i // 3),
                "fix_mode": 3,
            }
            self.send(device, Kind.STATE, Lane.LIVE, row)

    def sos(self, device: int, number: int) -> None:
        row = {"event_code": int(EventCode.SOS), "event_id": number, "event_phase": 0}
        self.send(device, Kind.EVENT, Lane.SOS, row)


@pytest.fixture(scope="module")
def hub(shared_hub: Any) -> Any:
    """One for all: what a test leaves behind is what a night leaves behind."""
    return shared_hub


@pytest.fixture(scope="module")
def everybody(hub: Any) -> Iterator[Field]:
    registry = SqliteRegistry(hub.data / "registry.db")
    now_ms = int(time.time() * 1000)
    registry.open(now_ms)
    names = [
        (d, UnitRow("", f"泰山消防-{d - 2000:02d}", "person", "fire", ("甲队", "乙队")[d % 2], 600, 1800))
        for d in DEVICES
    ]
    registry.enrol(names, now_ms)
    registry.unbind(1001, now_ms)
    registry.close()
    with hub.client() as client:
        hub.sign_in(client, "observer")
        while len(client.get("/api/v1/units").json()["units"]) <= len(DEVICES):
            pass  # the hub looks twice a second
    made = Field(hub)
    yield made
    made.client.disconnect()
    made.client.loop_stop()


@pytest.fixture
def field(everybody: Field) -> Field:
    """Everybody has just said where they are."""
    everybody.place()
    return everybody


def ready(page: Page) -> None:
    """Live, everyone there, and a moment that can be gone back to."""
    expect(page.get_by_test_id("live-state")).to_have_attribute("data-state", "live", timeout=20_000)
    expect(page.get_by_test_id("count-online")).to_have_text(str(len(DEVICES)), timeout=20_000)
    page.wait_for_function("() => window.__zhantu.kept().until > window.__zhantu.kept().from")


def uncovered(page: Page) -> None:
    expect(page.get_by_test_id("alarm-row").first).to_be_visible()
    assert page.evaluate(COVERED) == [], "something lies over an alarm"


def shapes(page: Page, what: str) -> list[str]:
    """Violations that axe calls serious or critical, in words."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{what}: {one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]} "
        f"{one['nodes'][0].get('failureSummary', '')[:300]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def has_password(hub: Any, role: str) -> None:
    """The person called like the role may sign in with a password."""
    with hub.client() as client:
        hub.sign_in(client, role)
        client.put("/api/v1/session/password", json={"password": PASSWORD}).raise_for_status()


def test_by_keyboard_from_the_door_to_an_order(
    hub: Any, field: Field, browser: Browser, opened: Callable[..., Any], artifacts: Path
) -> None:
    """Not one click: sign in, find a unit in three keys, answer an alarm, give orders, change the language; and no
    serious finding of axe on the way."""
    has_password(hub, "commander")
    bad: list[str] = []
    with opened(browser, hub.url, "401 (Unauthorized)", **SCREEN) as page:
        expect(page.locator("input[name=name]")).to_be_focused()
        page.keyboard.type("commander")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        ready(page)
        for key in ("/", "4", "Enter"):
            page.keyboard.press(key)
        expect(page.get_by_test_id("detail-callsign")).to_have_text("泰山消防-04")
        bad += shapes(page, "unit")
        page.keyboard.press("Control+k")
        page.keyboard.type("tsxf5")
        expect(page.get_by_test_id("palette-unit").first).to_contain_text("泰山消防-05")
        bad += shapes(page, "palette")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("detail-callsign")).to_have_text("泰山消防-05")

        field.sos(2002, 11)
        row = page.get_by_test_id("alarm-row").filter(has_text="泰山消防-02")
        expect(row).to_be_visible()
        expect(page.locator("[role=alert]").first).to_contain_text("泰山消防-02")
        page.keyboard.press("Control+k")
        uncovered(page)
        page.screenshot(path=artifacts / "night-zh-palette.png")
        page.keyboard.press("Escape")
        page.keyboard.press("Space")
        expect(row.get_by_test_id("alarm-seen-by")).to_contain_text("commander 已看到")
        page.keyboard.press("n")
        expect(page.get_by_test_id("detail-callsign")).to_have_text("泰山消防-02")
        drawers = (
            ("a", "alarms-drawer"), ("o", "orders"), ("s", "safety"), ("k", "links-board"), ("g", "settings"),
            ("?", "help"), ("m", "map-window"),
        )  # fmt: skip
        for key, drawer in drawers:
            page.keyboard.press(key)
            expect(page.get_by_test_id(drawer)).to_be_visible()
            uncovered(page)
            bad += shapes(page, drawer)
            page.screenshot(path=artifacts / f"night-zh-{drawer}.png")
        page.keyboard.press("Escape")
        page.keyboard.press("l")
        expect(page.locator("html")).to_have_attribute("lang", "en")
        words = "".join(page.locator(".topbar, .rail, .conductor").all_inner_texts()) + page.locator(
            "[aria-label]"
        ).evaluate_all("all => all.map(one => one.ariaLabel).join()")
        assert re.findall(r"[\u4e00-\u9fff]{2,}", words.replace("泰山消防", "").replace("中文", "")) == [], (
            words
        )
        page.keyboard.press("d")
        page.screenshot(path=artifacts / "day-en-desk.png")
        bad += shapes(page, "day")
        page.keyboard.press("r")
        page.screenshot(path=artifacts / "red-en-desk.png")
        page.keyboard.press("w")
        expect(page.locator(".on-wall")).to_be_visible()
        uncovered(page)
        page.screenshot(path=artifacts / "red-en-wall.png")
        page.keyboard.press("r")
        page.keyboard.press("l")
        page.screenshot(path=artifacts / "night-zh-wall.png")
        sizes = page.evaluate(SIZES)
        assert min(sizes) >= 32, f"too small for four metres: {sizes}"
    assert bad == []


def test_half_a_minute_back_while_somebody_calls_for_help(
    hub: Any,
    field: Field,
    browser: Browser,
    opened: Callable[..., Any],
    artifacts: Path,
    patiently: Callable[..., Any],
) -> None:
    with opened(browser, hub.link("commander"), **SCREEN) as page:
        ready(page)
        page.keyboard.press("/")
        page.keyboard.press("3")
        unit = page.get_by_test_id("unit-row").first.get_attribute("data-unit-id")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")

        def drawn() -> float:
            return float(page.evaluate(f"window.__zhantu.drawn('{unit}').lat"))

        first = drawn()
        field.place(step=5)
        patiently(lambda: drawn() > first + 5e-5, "it does not move")
        page.keyboard.press("[")
        mark = page.get_by_test_id("replay-mark")
        expect(mark).to_contain_text("回放")
        assert drawn() == first, "the past is not what it was"
        assert page.evaluate(f"window.__zhantu.unit('{unit}').lat") > first, "the live picture was stopped"

        field.sos(2003, 12)
        row = page.get_by_test_id("alarm-row").filter(has_text="泰山消防-03")
        expect(row).to_be_visible()
        expect(mark).to_be_visible()
        uncovered(page)
        page.screenshot(path=artifacts / "night-zh-replay.png")
        expect(page.get_by_test_id("live-state")).to_have_attribute("data-state", "live")
        page.keyboard.press("p")
        expect(mark).to_contain_text("暂停")
        stood = page.evaluate(f"window.__zhantu.drawn('{unit}').t")

        def stepped() -> bool:
            page.keyboard.press(".")  # not each tick brings something of this unit
            return bool(page.evaluate(f"window.__zhantu.drawn('{unit}').t") > stood)

        patiently(stepped, "a step goes nowhere")
        page.keyboard.press("p")
        page.get_by_test_id("speed").select_option("64")
        expect(mark).to_have_count(0)  # it has caught up, and is live by itself
        patiently(lambda: drawn() > first + 5e-5, "it is not of now")
        box = page.get_by_test_id("track").bounding_box()
        assert box
        page.mouse.click(box["x"] + box["width"] - 40, box["y"] + box["height"] / 2)
        expect(mark).to_be_visible()
        page.keyboard.press("l")
        page.keyboard.press("d")
        page.screenshot(path=artifacts / "day-en-replay.png")
        page.keyboard.press("End")
        expect(mark).to_have_count(0)
        assert page.locator(".moment").count() == 1, "the alarm has no mark on the line"


def test_a_hub_that_stalls_dies_and_comes_back(
    hub: Any, field: Field, browser: Browser, opened: Callable[..., Any], artifacts: Path
) -> None:
    with opened(browser, hub.link("commander"), CUT, **SCREEN) as page:
        ready(page)
        live, banner = page.get_by_test_id("live-state"), page.get_by_test_id("banner")
        before = page.evaluate("window.__zhantu.hubNow() - performance.now()")
        os.kill(hub.program.pid, signal.SIGSTOP)
        try:
            expect(live).to_have_attribute("data-state", "cut")
            expect(page.get_by_test_id("attempt")).to_have_attribute("data-state", "stalled")
            expect(banner).to_contain_text("画面为最后已知")
            expect(page.locator(".page.not-live")).to_be_visible()
        finally:
            os.kill(hub.program.pid, signal.SIGCONT)
        expect(live).to_have_attribute("data-state", "live")
        expect(banner).to_have_count(0)
        drift = page.evaluate("window.__zhantu.hubNow() - performance.now()") - before
        assert abs(drift) < 500, f"the hub's time jumped by {drift} ms"

        hub.program.kill()
        expect(page.locator("[data-testid=attempt][data-state=waiting]")).to_contain_text("后重连")
        page.screenshot(path=artifacts / "night-zh-hub-lost.png")
        age = page.get_by_test_id("unit-age").first.inner_text()
        expect(page.get_by_test_id("unit-age").first).not_to_have_text(age)  # it goes on counting
        hub.start()
        expect(live).to_have_attribute("data-state", "live", timeout=20_000)

        page.evaluate(HIDE, True)
        expect(live).to_have_attribute("data-state", "paused")
        os.kill(hub.program.pid, signal.SIGSTOP)
        try:
            page.evaluate(HIDE, False)
            expect(banner).to_have_attribute(
                "data-cause", re.compile("paused|hub")
            )  # its own pause, then the silence
        finally:
            os.kill(hub.program.pid, signal.SIGCONT)
        expect(live).to_have_attribute("data-state", "live")


def test_a_slow_link_and_a_wrong_clock_are_told_in_words(
    hub: Any, field: Field, browser: Browser, opened: Callable[..., Any]
) -> None:
    context = browser.new_context(**SCREEN)
    context.add_init_script(LATE)
    with contextlib.closing(context):
        page = context.new_page()
        page.goto(hub.link("commander"))
        ready(page)
        words = page.get_by_test_id("link-words")
        expect(words).to_contain_text(re.compile(r"上行 \d+\.\d s|30 s 内无新定位"))
        expect(words).to_contain_text("无失联")
        page.evaluate("window.__lateMs = 2_500")
        expect(words).to_contain_text("本屏滞后", timeout=15_000)
        page.evaluate("window.__lateMs = 0")
        expect(words).not_to_contain_text("本屏滞后")
    fast = "const now = Date.now.bind(Date); Date.now = () => now() + 95_000"
    context = browser.new_context(**SCREEN)
    context.add_init_script(fast)
    page = context.new_page()
    field.place()
    page.goto(hub.link("commander"))
    ready(page)
    expect(page.get_by_test_id("link-words")).to_contain_text("本机时钟快 1:3")
    assert float(page.get_by_test_id("unit-age").first.inner_text().split()[0]) < 80, (
        "an age by the wrong clock"
    )
    context.close()


def is_kept(context: BrowserContext, page: Page) -> None:
    """The page's files are all in the browser, and its last picture."""
    page.evaluate("() => navigator.serviceWorker.ready.then(() => null)")
    page.wait_for_function("async () => (await caches.keys()).length === 1")
    page.evaluate(HIDE, True)
    page.evaluate(HIDE, False)
    page.wait_for_function("""() => new Promise(done => {
      const open = indexedDB.open('zhantu-picture', 1)
      open.onsuccess = () => {
        const asked = open.result.transaction('last').objectStore('last').get('last')
        asked.onsuccess = () => { open.result.close(); done(asked.result !== undefined) }
      }
    })""")


def test_it_opens_without_a_hub_and_says_what_it_cannot_know(
    hub: Any, field: Field, browser: Browser, artifacts: Path
) -> None:
    context = browser.new_context(**SCREEN)
    page = context.new_page()
    page.goto(hub.link("commander"))
    ready(page)
    is_kept(context, page)
    kept = page.evaluate("() => caches.keys().then(names => caches.open(names[0])).then(cache => cache.keys())"
                         ".then(all => all.length)")  # fmt: skip
    assert kept >= 15, "not the whole page"
    manifest = page.evaluate("() => fetch('manifest.webmanifest').then(answer => answer.json())")
    assert manifest["display"] == "standalone"
    hub.program.stop()
    again = context.new_page()
    page.close()
    again.goto(hub.url)
    expect(again.get_by_test_id("banner")).to_have_attribute("data-cause", "old", timeout=15_000)
    expect(again.get_by_test_id("banner")).to_contain_text("此后情况未知")
    expect(again.get_by_test_id("live-state")).to_have_attribute("data-state", "old")
    expect(again.get_by_test_id("unit-row")).to_have_count(len(DEVICES) + 1)
    expect(again.locator(".page.not-live")).to_be_visible()
    again.screenshot(path=artifacts / "night-zh-offline.png")
    hub.start()
    expect(again.get_by_test_id("live-state")).to_have_attribute("data-state", "live", timeout=20_000)
    expect(again.get_by_test_id("banner")).to_have_count(0)
    again.get_by_test_id("sign-out").click()
    again.get_by_test_id("sign-out").click()
    expect(again.locator("input[name=name]")).to_be_visible()
    again.wait_for_function("""() => new Promise(done => {
      const open = indexedDB.open('zhantu-picture', 1)
      open.onsuccess = () => {
        const asked = open.result.transaction('last').objectStore('last').get('last')
        asked.onsuccess = () => { open.result.close(); done(asked.result === undefined) }
      }
    })""")
    context.close()


def test_a_team_leaders_phone(
    hub: Any, field: Field, browser: Browser, opened: Callable[..., Any], artifacts: Path
) -> None:
    with hub.client() as client:
        hub.sign_in(client, "administrator")
        client.put("/api/v1/people/li", json={"role": "team-leader", "team": "甲队"}).raise_for_status()
        path = client.post("/api/v1/people/li/link").raise_for_status().json()["path"]
    with opened(browser, hub.url + path, **PHONE) as page:
        ready(page)
        page.screenshot(path=artifacts / "phone-zh-map.png")
        page.get_by_test_id("phone-people").tap()
        squad = page.get_by_test_id("squad-member")
        expect(squad).to_have_count(3)
        expect(squad.first).to_contain_text("泰山消防-02")
        field.sos(2004, 13)
        row = page.get_by_test_id("alarm-row")
        expect(row).to_have_count(1)
        expect(squad.first).to_have_attribute("data-state", "sos")
        page.screenshot(path=artifacts / "phone-zh-squad.png")
        body, grip = page.locator(".body").bounding_box(), page.get_by_test_id("sheet-grip")
        assert body
        heights = []
        for share in (0.95, 0.3, 0.5):
            box = grip.bounding_box()
            assert box
            page.mouse.move(box["x"] + 60, box["y"] + 20)
            page.mouse.down()
            page.mouse.move(box["x"] + 60, body["y"] + body["height"] * (1 - share), steps=4)
            page.mouse.up()
            uncovered(page)
            sheet = page.locator(".side").bounding_box()
            assert sheet
            heights.append(round(sheet["height"] / body["height"], 2))
        # an alarm's row is a line higher after 30 s
        assert heights == pytest.approx([0.94, 0.3, 0.56], abs=0.03)
        assert page.evaluate(SMALL) == []
        page.get_by_test_id("squad-roll").tap()
        page.get_by_test_id("phone-alarms").tap()
        expect(page.get_by_test_id("alarms-drawer")).to_be_visible()
        assert page.evaluate(SMALL) == []
        uncovered(page)
        bad = shapes(page, "phone")
        page.get_by_test_id("phone-more").tap()
        expect(page.get_by_test_id("more").get_by_test_id("orders-chip")).to_contain_text("点名")
        page.get_by_test_id("set_language-en").check()
        page.get_by_test_id("set_look-day").check()
        page.screenshot(path=artifacts / "phone-day-en-more.png")
        bad += shapes(page, "phone, more")
        page.get_by_test_id("phone-map").tap()
        page.get_by_test_id("rewind").tap()
        expect(page.get_by_test_id("replay-mark")).to_be_visible()
        page.screenshot(path=artifacts / "phone-day-en-replay.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, "it scrolls sideways"
        assert bad == []
