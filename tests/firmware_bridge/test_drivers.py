"""The table of drivers, recognising, and decoding of files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_bridge.decode import decode_file, decode_lines
from firmware_bridge.drivers import AUTO, DRIVERS, make_driver, score, sniff
from firmware_bridge.recording import receiver_bytes

DOCS = Path(__file__).resolve().parents[2] / "docs/devices.md"


@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_is_whole(name: str) -> None:
    driver = make_driver(name)
    assert list(driver.feed(b"", 0)) == []
    assert list(driver.idle(10**12)) == []
    assert isinstance(driver.hello(), bytes)
    assert DRIVERS[name].score(b"\x00\xff" * 500) == 0
    assert f"`{name}`" in DOCS.read_text(encoding="utf-8"), f"docs/devices.md does not name driver {name}"


def test_unknown_driver_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean gnss"):
        make_driver("gns")


def test_sniff(capture: Callable[[str], bytes]) -> None:
    assert sniff(capture("neo-m8n")) == "gnss"
    assert sniff(capture("ublox-zed-f9p-rtk")) == "gnss"
    assert sniff(capture("bu303-moving")) is None
    assert score(AUTO, capture("ublox-zed-f9p-rtk")) == 70
    assert score("nmea", capture("ublox-zed-f9p-rtk")) == 0


def test_decode_ends_with_a_summary(captures: Path) -> None:
    lines = list(decode_file(captures / "ublox-zed-f9p-rtk.log"))
    assert lines[0]["sample"] == "fix"
    assert lines[0]["lat_deg_e9"] == 47_129_092_700
    assert lines[-1] == {
        "summary": {
            "driver": "gnss",
            "samples": 10,
            "fixes": 10,
            "good": 10,
            "bad": 0,
            "skipped": 60,
            "noise_bytes": 0,
            "bytes": 8821,
        }
    }


def test_decode_of_nothing() -> None:
    (summary,) = decode_lines(b"")
    assert summary["summary"]["samples"] == 0  # type: ignore[index]


def test_header_and_delay_cookies_are_not_the_receivers() -> None:
    log = b"# Name: x\r\n# Delay-Cookie: | 0.01\n\n$GP|GGA,1\n# not a header\n"
    assert receiver_bytes(log) == b"$GPGGA,1\n# not a header\n"
    assert receiver_bytes(b"$GP|GGA") == b"$GP|GGA"
    assert receiver_bytes(b"# only a header") == b""
