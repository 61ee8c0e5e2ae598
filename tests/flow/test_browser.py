"""A commander's first minutes, in the system's Chromium: `make run`'s program, its link, thirty moving units.

Leaves screenshots in tests/artifacts/; they are there to be looked at.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

UNITS = 30
STALE_AGE_S = 12


def states(page: Page, ids: list[str] | None = None) -> dict[str, Any]:
    """What the page itself says of these units, None: of those whose row is in sight, fewer when alarms come."""
    found: dict[str, Any] = page.evaluate(
        "(ids) => Object.fromEntries((ids ?? [...document.querySelectorAll('[data-testid=unit-row]')]"
        ".map(row => row.dataset.unitId)).map(id => [id, window.__zhantu.unit(id)]))",
        ids,
    )
    return found


@pytest.mark.browser
@pytest.mark.slow
def test_a_commanders_first_minutes(
    demo: Any, browser: Browser, opened: Callable[..., Any], artifacts: Path, patiently: Callable[..., Any]
) -> None:
    screen = {"viewport": {"width": 1920, "height": 1080}, "locale": "zh-CN", "color_scheme": "dark"}
    with opened(browser, demo.link(), **screen) as page:
        expect(page.get_by_test_id("unit-row").first).to_be_visible(timeout=20_000)
        patiently(lambda: page.evaluate("window.__zhantu.units") == UNITS, "not all units are there")
        assert "#t=" not in page.url, "the token stays in the address"
        expect(page.get_by_test_id("live-state")).to_contain_text("实时")
        before = states(page)
        ids = list(before)
        patiently(
            lambda: sum(u["t_fix"] > before[k]["t_fix"] for k, u in states(page, ids).items()) >= len(ids) - 2,
            "the units do not move", 20,
        )  # fmt: skip
        page.screenshot(path=artifacts / "night-zh.png")

        row = page.get_by_test_id("unit-row").first
        row.click()
        detail = page.get_by_test_id("detail")
        expect(detail).to_be_visible()
        chosen = row.get_attribute("data-unit-id")
        assert page.evaluate("window.__zhantu.selected") == chosen
        expect(page.get_by_test_id("detail-callsign")).not_to_be_empty()
        patiently(lambda: page.evaluate(f"window.__zhantu.unit('{chosen}').trail_points") > 3, "no trail")
        page.screenshot(path=artifacts / "night-zh-detail.png")

        page.get_by_test_id("lang-switch").click()
        expect(page.get_by_test_id("live-state")).to_contain_text("LIVE")
        page.get_by_test_id("theme-switch").click()
        page.screenshot(path=artifacts / "day-en-detail.png")
        cut_and_restore_the_broker(page, demo.broker_pid(), chosen, artifacts, patiently)
    phone(browser, opened, artifacts, demo)


def cut_and_restore_the_broker(
    page: Page, broker: int, unit: str | None, artifacts: Path, patiently: Callable[..., Any]
) -> None:
    """A broker that hangs is worse than one that ended: every connection looks well. Ages must not."""
    assert broker
    points = page.evaluate(f"window.__zhantu.unit('{unit}').trail_points")
    os.kill(broker, signal.SIGSTOP)
    try:
        cut = {key: unit["t_fix"] for key, unit in states(page).items()}
        patiently(
            lambda: all(u["age_s"] > STALE_AGE_S for u in states(page).values()),
            "a unit is drawn younger than its last fix", STALE_AGE_S + 15,
        )  # fmt: skip
        now = page.evaluate("window.__zhantu.hubNow()")
        for key, found in states(page, list(cut)).items():
            assert abs((now - found["t_fix"]) / 1000 - found["age_s"]) < 2, "the age shown is not the age"
            assert found["t_fix"] - cut[key] < 3_000, "a fix arrived through a dead broker"
            assert found["state"] != "online" or found["age_s"] < 30, found
        page.screenshot(path=artifacts / "day-en-broker-cut.png")
    finally:
        os.kill(broker, signal.SIGCONT)
    patiently(
        lambda: sum(u["age_s"] < 5 for u in states(page, list(cut)).values()) >= len(cut) - 2,
        "the units do not come back",
        90,
    )
    patiently(
        lambda: page.evaluate(f"window.__zhantu.unit('{unit}').trail_points") > points,
        "the gap is not filled",
    )
    page.screenshot(path=artifacts / "day-en-restored.png")


def phone(browser: Browser, opened: Callable[..., Any], artifacts: Path, demo: Any) -> None:
    settings = {"viewport": {"width": 390, "height": 844}, "locale": "zh-CN", "is_mobile": True, "has_touch": True,
                "device_scale_factor": 2}  # fmt: skip
    with opened(browser, demo.next_link(), **settings) as page:
        page.wait_for_function("() => window.__zhantu && window.__zhantu.units >= 30", timeout=20_000)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
            "it scrolls sideways"
        )
        page.screenshot(path=artifacts / "phone-zh.png")
    with opened(browser, demo.link(), "401 (Unauthorized)", **settings) as page:
        expect(page.get_by_test_id("signin")).to_be_visible()
        page.screenshot(path=artifacts / "phone-used-link.png")
