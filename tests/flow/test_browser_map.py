"""The map with many units on it, in the system's Chromium against the real hub: a call, a box, a stack, whom to follow.

Leaves screenshots in tests/artifacts/ as test_browser.py does.
"""

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
CROWD = 1_500
FIRST = 100_000
STACK, FAR = (1, 2, 3), 4
HERE, ELSEWHERE = (36.6400, 116.9900), (36.2000, 117.9000)
MAP = "window.__zhantu.map"


class Walkers:
    """A few devices at the broker that say where they are when told to, and may call for help."""

    def __init__(self, hub: Any, devices: tuple[int, ...]) -> None:
        ring = KeyRing(load_master(hub.data / "master.key"), "live")
        ring.epochs = dict.fromkeys(devices, 0)
        self.keys = {device: ring.get(device) for device in devices}
        self.rows = 0
        self.zero_ms = int(time.time() * 1000) - 60_000
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.connect("127.0.0.1", hub.mqtt_port)
        self.client.loop_start()

    def place(self, device: int, lat: float, lon: float, course: int = 90) -> None:
        row = {"lat_deg_e7": round(lat * 1e7), "lon_deg_e7": round(lon * 1e7), "fix_mode": 3, "hacc_dm": 30,
               "speed_dmps": 14, "course_deg": course}  # fmt: skip
        self._send(device, Kind.STATE, Lane.LIVE, row)

    def sos(self, device: int) -> None:
        row = {"event_code": int(EventCode.SOS), "event_id": device, "event_phase": 0}
        self._send(device, Kind.EVENT, Lane.SOS, row)

    def _send(self, device: int, kind: Kind, lane: Lane, row: dict[str, int]) -> None:
        key = self.keys[device]
        assert key is not None
        made = frame.Row(
            int(time.time() * 1000) - self.zero_ms, {FIELDS_BY_NAME[n].bit: v for n, v in row.items()}
        )
        stream = Stream.EVENTS if kind == Kind.EVENT else Stream.ROWS
        data = frame.pack(
            key, kind=kind, lane=lane, device=device, boot=4, stream=stream, row=self.rows, rows=[made],
            utc_zero_ms=self.zero_ms, clock_source=ClockSource.GNSS,
        )  # fmt: skip
        self.rows += 1
        self.client.publish(topics.up("live", device, lane), data, qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def walkers() -> Iterator[Callable[..., Walkers]]:
    made: list[Walkers] = []

    def start(hub: Any, *devices: int) -> Walkers:
        made.append(Walkers(hub, devices))
        return made[-1]

    yield start
    for one in made:
        one.close()


def id_of(page: Page, callsign: str) -> str:
    """By the list's own search, which leaves it in the page."""
    page.get_by_test_id("search").fill(callsign)
    row = page.get_by_test_id("unit-row")
    expect(row).to_have_count(1)
    found = str(row.get_attribute("data-unit-id"))
    page.get_by_test_id("search").fill("")
    return found


def corner(page: Page) -> tuple[float, float]:
    box = page.locator(".canvases").bounding_box()
    assert box is not None
    return box["x"], box["y"]


def click_at(page: Page, place: dict[str, float], **how: Any) -> None:
    x, y = corner(page)
    page.mouse.click(x + place["x"], y + place["y"], **how)


def places_at_rest(page: Page) -> Any:
    """What can be clicked, once the bars above have the height of their language and the map has followed."""
    before = None
    while (now := page.evaluate(f"{MAP}.places")) != before:
        before = now
        page.wait_for_timeout(400)
    return now


def nobody_is_selected(page: Page) -> None:
    """Each press of Escape is one step back: out of the search, out of the selection."""
    for _ in range(4):
        page.keyboard.press("Escape")
    assert page.evaluate("window.__zhantu.selected") is None


def looks(page: Page, artifacts: Path, name: str) -> None:
    """Night and day, Chinese and English, and a phone's size; as it was afterwards."""
    page.screenshot(path=artifacts / f"map-{name}-night-zh.png")
    page.keyboard.press("l")
    page.keyboard.press("d")
    page.wait_for_timeout(700)
    page.screenshot(path=artifacts / f"map-{name}-day-en.png")
    page.keyboard.press("l")
    page.keyboard.press("d")


def test_a_crowd_a_call_a_box_a_stack_and_somebody_to_follow(
    new_hub: Callable[..., Any],
    walkers: Callable[..., Walkers],
    start_program: Callable[..., Any],
    browser: Browser,
    opened: Callable[..., Any],
    artifacts: Path,
    patiently: Callable[..., Any],
) -> None:
    hub = new_hub()
    for device in STACK:
        hub.add(device, f"泰山-0{device}")
    hub.add(FAR, "沂蒙-09", team="二队")
    hub.command("roster", "add", "--count", str(CROWD), "--first-device", str(FIRST), "--prefix", "L")
    hub.start()
    start_program(
        "load", "sim", "load", "--units", str(CROWD), "--first-device", str(FIRST), "--hz", "1", "--seconds", "90",
        "--hub", hub.url, "--mqtt", f"127.0.0.1:{hub.mqtt_port}", "--master", str(hub.data / "master.key"),
    )  # fmt: skip
    few = walkers(hub, *STACK, FAR)
    for device in STACK:
        few.place(device, *HERE)
    with opened(browser, hub.link(), **SCREEN) as page:
        all_drawn = f"() => window.__zhantu?.units === {CROWD + 4} && ({MAP}?.shown ?? 0) > {CROWD}"
        page.wait_for_function(all_drawn, timeout=20_000)
        begin = time.monotonic()
        page.reload()
        page.wait_for_function(all_drawn)
        print(f"{CROWD} units: {time.monotonic() - begin:.1f} s from opening the page until all are drawn")
        assert page.evaluate(f"{MAP}.dots"), "fifteen hundred symbols cover each other"
        a_call_from_afar(page, few, patiently, artifacts)
        a_box(page)
        a_stack(page, artifacts)
        somebody_to_follow(page, few, patiently, artifacts)
    phone = {"viewport": PHONE, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
    with opened(browser, hub.link(), locale="zh-CN", color_scheme="light", **phone) as page:
        page.wait_for_function(f"() => ({MAP}?.shown ?? 0) > 100", timeout=20_000)
        page.screenshot(path=artifacts / "map-crowd-phone.png")


def a_call_from_afar(
    page: Page, few: Walkers, patiently: Callable[..., Any], artifacts: Path
) -> None:  # fmt: skip
    """It calls from outside the view: an arrow at the edge points there, and a click on it flies there."""
    far = id_of(page, "沂蒙-09")
    few.place(FAR, *ELSEWHERE)
    few.sos(FAR)
    arrow = patiently(
        lambda: page.evaluate(f"{MAP}.places.find(p => p.fly && p.id === '{far}')"),
        "no arrow points at the call",
    )
    looks(page, artifacts, "crowd")
    click_at(page, arrow)
    patiently(
        lambda: page.evaluate("window.__zhantu.selected") == far, "the arrow does not open whom it points at"
    )
    patiently(lambda: page.evaluate(f"{MAP}.places.every(p => !p.fly)"), "the map does not fly there")
    assert page.evaluate(f"window.__zhantu.unit('{far}').state") == "sos"
    nobody_is_selected(page)


def a_box(page: Page) -> None:
    """Everybody within it, and one less by the control key."""
    page.get_by_label("显示全部单位").click()
    page.wait_for_timeout(500)
    size = page.locator(".canvases").bounding_box()
    assert size is not None
    page.keyboard.down("Shift")
    page.mouse.move(size["x"] + 2, size["y"] + 2)
    page.mouse.down()
    page.mouse.move(size["x"] + size["width"] - 2, size["y"] + size["height"] - 2, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    chip = page.get_by_test_id("selection")
    expect(chip).to_have_attribute("data-count", str(CROWD + 4))
    assert page.evaluate(f"{MAP}.selection.length") == CROWD + 4
    assert page.evaluate("window.__zhantu.selected") is None, "a box is no click"
    page.get_by_test_id("selection-clear").click()
    expect(chip).to_have_count(0)


def a_stack(page: Page, artifacts: Path) -> None:
    """Three stand at one point: a click shows all three, the next picks one of them."""
    first = id_of(page, "泰山-01")
    page.get_by_test_id("search").fill("泰山-01")
    page.keyboard.press("Enter")
    page.wait_for_function(
        f"() => {{ const p = {MAP}.at('{first}'); const c = document.querySelector('.canvases');"
        " return p && Math.hypot(p.x - c.clientWidth / 2, p.y - c.clientHeight / 2) < 4 }"
    )
    nobody_is_selected(page)
    page.wait_for_timeout(400)
    click_at(page, page.evaluate(f"{MAP}.at('{first}')"))
    page.wait_for_function(f"() => {MAP}.fan.length === {len(STACK)} && {MAP}.places.length === {len(STACK)}")
    looks(page, artifacts, "stack")
    legs = places_at_rest(page)
    assert len({(leg["x"], leg["y"]) for leg in legs}) == len(STACK)
    click_at(page, legs[1])
    expect(page.get_by_test_id("detail")).to_be_visible()
    assert page.evaluate("window.__zhantu.selected") == legs[1]["id"]
    assert page.evaluate(f"{MAP}.fan") == []


def somebody_to_follow(page: Page, few: Walkers, patiently: Callable[..., Any], artifacts: Path) -> None:
    """The map goes along until a hand pulls it."""
    walker = page.evaluate("window.__zhantu.selected")
    device = int(str(page.get_by_test_id("detail-callsign").inner_text())[-1])
    page.keyboard.press("f")
    expect(page.get_by_test_id("following")).to_be_visible()
    page.keyboard.press("r")
    before = page.evaluate(f"window.__zhantu.unit('{walker}').lon")
    # A walk of a minute: the hub would doubt a leap.
    few.place(device, HERE[0], HERE[1] + 0.0015)
    patiently(
        lambda: page.evaluate(f"window.__zhantu.unit('{walker}').lon") > before + 0.001, "it does not move"
    )

    def is_in_the_middle() -> bool:
        at = page.evaluate(f"{MAP}.at('{walker}')")
        box = page.locator(".canvases").bounding_box()
        assert box is not None
        return bool(abs(at["x"] - box["width"] / 2) < 6 and abs(at["y"] - box["height"] / 2) < 6)

    patiently(is_in_the_middle, "the map does not follow")
    looks(page, artifacts, "follow")
    x, y = corner(page)
    page.mouse.move(x + 300, y + 300)
    page.mouse.down()
    page.mouse.move(x + 420, y + 340, steps=5)
    page.mouse.up()
    expect(page.get_by_test_id("following")).to_have_count(0)
    assert not is_in_the_middle()


def the_card_is_lost(page: Page) -> None:
    """That of the symbols: it says so, and draws on by hand; when the card is back the note is gone."""
    card = "document.querySelector('.overlay.middle').getContext('webgl2').getExtension('WEBGL_lose_context')"
    page.evaluate(f"window.__card = {card}")
    note = page.get_by_test_id("map-note")
    expect(note).to_have_attribute("data-graphics", "gl")
    page.evaluate("window.__card.loseContext()")
    expect(note).to_have_attribute("data-graphics", "lost")
    expect(note).to_contain_text("图形加速已中断")
    expect(page.locator(".overlay.flat")).to_be_visible()
    page.evaluate("window.__card.restoreContext()")
    expect(note).to_have_attribute("data-graphics", "gl")
    expect(page.locator(".overlay.flat")).to_be_hidden()


def with_more(meta: dict[str, dict[str, Any]]) -> Callable[[WebSocketRoute], None]:
    """Adds keys to units of `meta` by callsign, as a hub that knows of floors tells them."""

    def told(data: str | bytes) -> str | bytes:
        if isinstance(data, str):
            return data
        message = msgpack.unpackb(data)
        if message["k"] != "meta":
            return data
        for unit in message["units"]:
            unit.update(meta.get(unit["callsign"], {}))
        return bytes(msgpack.packb(message))

    def route(screen: WebSocketRoute) -> None:
        line = screen.connect_to_server()
        line.on_message(lambda data: screen.send(told(data)))

    return route


def test_who_went_in_stands_beside_the_entrance_and_strangers_have_their_own_signs(
    new_hub: Callable[..., Any],
    walkers: Callable[..., Walkers],
    browser: Browser,
    opened: Callable[..., Any],
    artifacts: Path,
    patiently: Callable[..., Any],
) -> None:
    hub = new_hub()
    names = {1: "泰山-01", 2: "泰山-02", 3: "泰山-03", 4: "友邻-01", 5: "友邻-02"}
    for device, callsign in names.items():
        hub.add(device, callsign)
    hub.start()
    few = walkers(hub, *names)
    for device in (1, 2, 3):
        few.place(device, *HERE)
    few.place(4, HERE[0] + 0.001, HERE[1] + 0.002)
    few.place(5, HERE[0] - 0.001, HERE[1] + 0.002)
    entry = {"lat": HERE[0], "lon": HERE[1], "t": time.time() * 1000 + 60_000}
    more: dict[str, dict[str, Any]] = {
        "泰山-01": {"entry": entry, "floor": -2}, "泰山-02": {"entry": entry, "floor": 3}, "泰山-03": {"floor": 7},
        "友邻-01": {"sidc": "SFGPUCI----D---"}, "友邻-02": {"sidc": "10061000001211000000"},
    }  # fmt: skip
    with opened(browser, hub.link(), **SCREEN) as page:
        page.wait_for_function("() => window.__zhantu?.units === 5", timeout=20_000)
        page.evaluate("localStorage.setItem('zhantu.card', 'any')")
        page.route_web_socket("**/api/v1/feed", with_more(more))
        page.reload()
        page.wait_for_function(f"() => ({MAP}?.inside ?? 0) === 2 && {MAP}.shown === 3", timeout=20_000)
        few.sos(2)
        patiently(lambda: page.evaluate(f"{MAP}.shown") == 4, "a call from inside is on the map too")
        rows = page.evaluate(f"{MAP}.places")
        assert [row["fly"] for row in rows] == [False, False]
        page.wait_for_function(
            "() => performance.getEntriesByType('resource').some(r => /milsymbol/.test(r.name))"
        )
        page.wait_for_timeout(800)
        looks(page, artifacts, "entrance")
        the_card_is_lost(page)
        deep = places_at_rest(page)[1]
        click_at(page, deep)
        expect(page.get_by_test_id("detail-callsign")).to_have_text("泰山-01")
