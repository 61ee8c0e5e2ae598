"""The board of links, videos and the head of a unit's drawer, in the system's Chromium against the real hub.

The camera is real WebRTC: a second page of the browser draws and sends, a server of the test speaks WHEP for it. Leaves
screenshots in tests/artifacts/ as test_browser.py does.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREEN: dict[str, Any] = {
    "viewport": {"width": 1920, "height": 1080},
    "locale": "zh-CN",
    "color_scheme": "dark",
}
WAIT_S = 20
WITHOUT_MULTICAST = ("--disable-features=WebRtcHideLocalIpsWithMdns", "--allow-loopback-in-peer-connection")
"""Names of mDNS are found by nobody on a machine of tests, which may have no network but loopback."""

CAMERA = """
async (offer) => {
  const canvas = document.createElement('canvas'); canvas.width = 320; canvas.height = 180
  const g = canvas.getContext('2d'); let n = 0
  window.draw = setInterval(() => {
    g.fillStyle = '#356'; g.fillRect(0, 0, 320, 180); g.fillStyle = '#fff'; g.font = '60px sans-serif'
    g.fillText(String(n++), 40, 110)
  }, 50)
  const peer = window.peer = new RTCPeerConnection()
  for (const track of canvas.captureStream(15).getTracks()) peer.addTrack(track)
  await peer.setRemoteDescription({ type: 'offer', sdp: offer })
  await peer.setLocalDescription(await peer.createAnswer())
  await new Promise((done) => {
    peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done()
    setTimeout(done, 2000)
  })
  return peer.localDescription.sdp
}
"""


class Whep:
    """A WHEP endpoint on loopback: what it is asked waits for the test's thread, which alone may use the browser."""

    def __init__(self) -> None:
        self.offers: queue.Queue[tuple[str, queue.Queue[str]]] = queue.Queue()
        self.ended: list[str] = []
        whep = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self, status: int, body: str = "", **headers: str) -> None:
                self.send_response(status)
                self.send_header("access-control-allow-origin", "*")
                self.send_header("access-control-allow-headers", "content-type")
                self.send_header("access-control-allow-methods", "POST, DELETE")
                self.send_header("access-control-expose-headers", "location")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def do_OPTIONS(self) -> None:
                self._answer(204)

            def do_GET(self) -> None:
                self._answer(404)

            def do_POST(self) -> None:
                offer = self.rfile.read(int(self.headers["content-length"])).decode()
                reply: queue.Queue[str] = queue.Queue()
                whep.offers.put((offer, reply))
                self._answer(201, reply.get(timeout=WAIT_S), location="/session/1")

            def do_DELETE(self) -> None:
                whep.ended.append(self.path)
                self._answer(200)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def whep() -> Iterator[Whep]:
    made = Whep()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_camera_is_watched_and_a_still_is_no_live_picture(
    hub: Any, launch: Callable[..., Browser], whep: Whep, artifacts: Path
) -> None:
    browser = launch(*WITHOUT_MULTICAST)
    camera = browser.new_page()
    context = browser.new_context(**SCREEN)
    page = context.new_page()
    page.goto(hub.link("commander"))
    page.get_by_test_id("links-chip").click()
    board = page.get_by_test_id("links-board")
    expect(board).to_be_visible()
    add(page, "泉城路口", f"{whep.url}/whep/1")
    add(page, "北门", f"{whep.url}/gone.m3u8")
    page.reload()  # a page may fetch only from cameras that were there when it was opened
    page.keyboard.press("k")
    expect(page.get_by_test_id("camera")).to_have_count(2)
    page.get_by_test_id("camera").filter(has_text="北门").get_by_test_id("camera-watch").click()
    expect(page.get_by_test_id("video")).to_have_attribute("data-state", "failed")
    expect(page.get_by_test_id("video")).to_contain_text("404")

    page.get_by_test_id("camera").filter(has_text="泉城路口").get_by_test_id("camera-watch").click()
    offer, reply = answered(page, whep)
    assert "m=video" in offer
    reply.put(camera.evaluate(CAMERA, offer))
    pane = page.get_by_test_id("video").filter(has_text="泉城路口")
    expect(pane).to_have_attribute("data-state", "live", timeout=WAIT_S * 1000)
    page.screenshot(path=artifacts / "links-video-night-zh.png")
    camera.evaluate(
        "() => { clearInterval(window.draw); window.peer.getSenders().forEach((s) => s.replaceTrack(null)) }"
    )
    expect(pane).to_have_attribute("data-state", "still", timeout=WAIT_S * 1000)
    expect(pane).to_contain_text("画面停在")
    pane.get_by_role("button", name="关闭").click()
    expect(pane).to_have_count(0)
    context.close()
    camera.close()
    assert whep.ended == ["/session/1"], "the server is told that nobody looks any more"


def opened_form(page: Page, name: str) -> Locator:
    form = page.get_by_test_id(name)
    if not form.get_by_role("button").is_visible():
        form.locator("summary").click()
    return form


def add(page: Page, name: str, url: str) -> None:
    form = opened_form(page, "net-add-video")
    form.locator("[name=name]").fill(name)
    form.locator("[name=url]").fill(url)
    form.get_by_role("button").click()
    expect(page.get_by_test_id("camera").filter(has_text=name)).to_be_visible()


def answered(page: Page, whep: Whep) -> tuple[str, "queue.Queue[str]"]:
    """The page's offer. Playwright has to run for the page to make it."""
    for _ in range(WAIT_S * 10):
        if not whep.offers.empty():
            return whep.offers.get()
        page.wait_for_timeout(100)
    raise AssertionError("the page asked for no picture")


def test_the_board_of_links(
    hub: Any, new_gateway: Callable[..., Any], browser: Browser, opened: Any, artifacts: Path
) -> None:
    new_gateway(hub, 1001).start_and_wait()
    with opened(browser, hub.link("commander"), **SCREEN) as page:
        page.get_by_test_id("unit-row").first.click()
        expect(page.get_by_test_id("unit-acts")).to_be_visible()
        page.get_by_test_id("act-text").click()
        expect(page.get_by_test_id("talk-words")).to_be_focused()
        page.get_by_test_id("act-call").click()
        page.screenshot(path=artifacts / "unit-acts-night-zh.png")
        page.keyboard.press("Escape")
        page.locator("body").press("k")
        line = page.get_by_test_id("bearer-sum")
        expect(line).to_have_attribute("data-bearer", "mqtt", timeout=90_000)
        expect(line).to_contain_text("/1 可用")
        form = opened_form(page, "net-add-voice")
        form.locator("[name=name]").fill("370 MHz 指挥组")
        form.locator("[name=note]").fill("信道 3")
        form.get_by_role("button").click()
        net = page.get_by_test_id("net")
        expect(net).to_have_attribute("data-state", "up")
        net.get_by_role("button", name="中断").click()
        expect(net).to_have_attribute("data-state", "down")
        expect(net).to_contain_text("commander")
        page.screenshot(path=artifacts / "links-night-zh.png")
        page.get_by_test_id("lang-switch").click()
        page.get_by_test_id("theme-switch").click()
        expect(page.get_by_test_id("nets-beidou")).to_contain_text("BeiDou guarantee network")
        page.screenshot(path=artifacts / "links-day-en.png")
