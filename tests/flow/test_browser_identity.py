"""People, devices, commanders and notices on the screen, in the system's Chromium against the real hub.

One test each for two people and a break-glass, a password, a technician, a forged frame, and HTTPS. Leaves
screenshots in tests/artifacts/ as test_browser.py does.
"""

import base64
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, Page, expect

from hub import addresses
from hub.settings import is_loopback
from protocols import frame, topics
from protocols.catalog import FIELDS_BY_NAME, ClockSource, Kind, Lane, Stream
from protocols.keys import MacKey

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREEN = {"viewport": {"width": 1920, "height": 1080}, "locale": "zh-CN", "color_scheme": "dark"}
PHONE = {"width": 390, "height": 844}
UNAUTHORIZED = "401 (Unauthorized)"
"""What the console says of a request without a session: the sign-in page's first."""
COMMANDER, OFFICER = "王海", "李安"
PASSWORD, REASON = "correct horse battery", "另一名指挥员受伤，无法会签命令"
MAC_NOTICE_AT = 3
KEYS_OF_THE_SCREEN = """async () => {
  const asked = indexedDB.open('zhantu')
  const db = await new Promise(done => asked.onsuccess = () => done(asked.result))
  const all = db.transaction('commander_keys').objectStore('commander_keys').getAll()
  const keys = await new Promise(done => all.onsuccess = () => done(all.result))
  db.close()
  return Promise.all(keys.map(({privateKey}) =>
    crypto.subtle.exportKey('pkcs8', privateKey).then(() => 'exported', error => error.name)))
}"""


def shoot(page: Page, artifacts: Path, name: str) -> None:
    """Night, Chinese, wide; then day, English, on a phone, where nothing may be out of sight to the right."""
    page.screenshot(path=artifacts / f"night-zh-{name}.png")
    page.get_by_test_id("lang-switch").click()
    page.get_by_test_id("theme-switch").click()
    narrow(page, artifacts, name)
    page.get_by_test_id("theme-switch").click()
    page.get_by_test_id("lang-switch").click()


def narrow(page: Page, artifacts: Path, name: str) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.screenshot(path=artifacts / f"phone-en-{name}.png")
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(SCREEN["viewport"])  # type: ignore[arg-type]
    assert wide <= PHONE["width"], f"{name} scrolls sideways on a phone"


def twice(page: Page, test_id: str) -> None:
    """A button that asks first."""
    button = page.get_by_test_id(test_id)
    button.click()
    expect(button).to_have_class(re.compile("sure"))
    button.click()


def add_person(page: Page, name: str, role: str) -> str:
    """Make a person as an administrator does; their one-time link."""
    page.get_by_test_id("page-people").click()
    page.get_by_test_id("person-add").click()
    page.fill("input[name=name]", name)
    page.select_option("select[name=role]", role)
    page.get_by_test_id("person-save").click()
    expect(page.locator("[data-testid=link-card] h3")).to_contain_text(name)
    return page.get_by_test_id("link").inner_text()


def begin_shift(page: Page) -> None:
    page.get_by_test_id("key-chip").click()
    page.get_by_test_id("shift-begin").click()
    expect(page.get_by_test_id("shift")).to_be_visible()
    expect(page.get_by_test_id("key-chip")).to_have_attribute("data-state", "ready")


def sign_in(page: Page, name: str, password: str) -> None:
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.get_by_test_id("signin-button").click()


def test_two_people_give_the_all_clear_and_one_breaks_the_glass(
    hub: Any, browser: Browser, opened: Callable[..., Any], artifacts: Path
) -> None:
    with opened(browser, hub.link("administrator"), **SCREEN) as admin:
        admin.get_by_test_id("admin-button").click()
        links = [add_person(admin, COMMANDER, "commander"), add_person(admin, OFFICER, "safety-officer")]
        expect(admin.get_by_test_id("person-row")).to_have_count(3)
        shoot(admin, artifacts, "people")
        with opened(browser, links[0], **SCREEN) as first, opened(browser, links[1], **SCREEN) as second:
            for page in (first, second):
                begin_shift(page)
                assert page.evaluate(KEYS_OF_THE_SCREEN) == ["InvalidAccessError"], (
                    "the key can be taken away"
                )
            twice(first, "all-clear-propose")
            expect(second.get_by_test_id("sign-too")).to_be_visible()
            expect(first.get_by_test_id("sign-too")).to_have_count(0)
            shoot(second, artifacts, "proposal")
            twice(second, "sign-too")
            for page in (first, second):
                row = page.locator("[data-testid=all-clear-row][data-state=given]")
                expect(row).to_contain_text(COMMANDER)
                expect(row).to_contain_text(OFFICER)

            first.get_by_test_id("break-glass").click()
            expect(first.get_by_test_id("break-glass-do")).to_be_disabled()
            first.fill("textarea[name=reason]", REASON)
            twice(first, "break-glass-do")
            notice = admin.locator("[data-testid=notice-row][data-reason=break_glass]")
            expect(notice).to_contain_text(REASON)
            expect(notice).to_contain_text(COMMANDER)
            admin.get_by_test_id("admin-button").click()
            shoot(admin, artifacts, "notice")
            notice.get_by_role("button").click()
            expect(notice).to_have_attribute("data-taken-by", "administrator")


def test_a_password_is_set_and_opens_the_door_and_a_wrong_one_is_told_in_words(
    hub: Any, browser: Browser, opened: Callable[..., Any], artifacts: Path
) -> None:
    with opened(browser, hub.link("commander"), UNAUTHORIZED, **SCREEN) as page:
        page.get_by_test_id("password-offer").get_by_role("button").first.click()
        page.fill("input[name=password]", PASSWORD)
        page.get_by_test_id("password-save").click()
        expect(page.get_by_test_id("password-done")).to_be_visible()
        expect(page.get_by_test_id("password-offer")).to_have_count(0)
        twice(page, "sign-out")
        expect(page.locator("input[name=name]")).to_be_visible()
        page.reload()
        expect(page.locator("input[name=name]")).to_be_visible()
        page.screenshot(path=artifacts / "night-zh-signin.png")
        page.emulate_media(color_scheme="light")
        page.reload()
        sign_in(page, "commander", f"{PASSWORD}!")
        expect(page.get_by_test_id("signin-trouble")).to_contain_text("姓名或密码不对")
        narrow(page, artifacts, "signin")
        sign_in(page, "commander", PASSWORD)
        expect(page.get_by_test_id("live-state")).to_have_attribute("data-state", "live")


def test_a_technician_has_devices_and_codes_but_neither_people_nor_command(
    hub: Any, browser: Browser, opened: Callable[..., Any], artifacts: Path
) -> None:
    with opened(browser, hub.link("technician"), **SCREEN) as page:
        page.get_by_test_id("admin-button").click()
        expect(page.locator("[data-testid=device-row][data-device='1001']")).to_contain_text("济南消防-01")
        page.get_by_test_id("enrol").click()
        page.fill("input[name=callsign]", "泰山-01")
        page.get_by_test_id("enrol-make").click()
        code = page.get_by_test_id("enrol-command").inner_text()
        assert re.fullmatch(rf"zhantu-edge enrol \S+:{hub.port}/[0-9A-Z]{{4}}(-[0-9A-Z]{{4}})+", code), code
        qr = page.locator("[data-testid=code-card] img")
        assert qr.evaluate("image => image.decode().then(() => image.naturalWidth)") > 20, "no code to scan"
        expect(page.locator("[data-testid=device-row][data-state=reserved]")).to_contain_text("泰山-01")
        shoot(page, artifacts, "devices")
        for absent in ("page-people", "page-audit", "key-chip", "command"):
            expect(page.get_by_test_id(absent)).to_have_count(0)


def test_frames_under_a_wrong_key_are_told_to_the_administrator(
    hub: Any, browser: Browser, opened: Callable[..., Any]
) -> None:
    with opened(browser, hub.link("administrator"), **SCREEN) as page:
        expect(page.get_by_test_id("live-state")).to_have_attribute("data-state", "live")
        publish(hub.mqtt_port, [forged(1001, row) for row in range(MAC_NOTICE_AT)])
        row = page.locator("[data-testid=notice-row][data-reason=mac]")
        expect(row).to_have_attribute("data-device", "1001")
        expect(row).to_contain_text("签名")
        expect(row).to_contain_text("1001")
        expect(row).to_contain_text("济南消防-01")
        assert page.evaluate("window.__zhantu.units") == 1
        expect(page.get_by_test_id("count-online")).to_have_text("0")


def forged(device: int, row: int) -> bytes:
    """A position that says it is a device's, under a key that is not its own."""
    values = {"lat_deg_e7": 366_500_000, "lon_deg_e7": 1_170_000_000, "fix_mode": 3}
    rows = [frame.Row(1_000, {FIELDS_BY_NAME[name].bit: value for name, value in values.items()})]
    return frame.pack(
        MacKey(secrets.token_bytes(32), "live"), kind=Kind.STATE, lane=Lane.LIVE, device=device, boot=7,
        stream=Stream.ROWS, row=row, rows=rows, utc_zero_ms=time.time_ns() // 1_000_000 - 1_000,
        clock_source=ClockSource.GNSS,
    )  # fmt: skip


def publish(port: int, frames: list[bytes]) -> None:
    """Through the broker, as device 1001 would."""
    taken = threading.Semaphore(0)
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_publish = lambda *_: taken.release()
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        for data in frames:
            client.publish(topics.up("live", 1001, Lane.LIVE), data, qos=1)
        assert all(taken.acquire(timeout=10) for _ in frames), "the broker took not all of them"
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.skipif(is_loopback(addresses.outward()), reason="this machine has no address beyond loopback")
def test_https_on_the_machines_own_address_is_a_secure_context(
    open_hub: Any, launch: Callable[..., Browser], opened: Callable[..., Any]
) -> None:
    """The one certificate is trusted by its key, as a browser that installed the authority would by its name."""
    served = x509.load_pem_x509_certificate((open_hub.data / "tls" / "web.pem").read_bytes())
    spki = served.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(spki).digest()).decode()
    browser = launch(f"--ignore-certificate-errors-spki-list={pin}", "--no-proxy-server")
    with opened(browser, open_hub.link("commander"), **SCREEN) as page:
        # A secure page may open no plain WebSocket, so live means WSS.
        expect(page.get_by_test_id("live-state")).to_have_attribute("data-state", "live")
        assert page.evaluate("[location.protocol, window.isSecureContext]") == ["https:", True]
        begin_shift(page)
