"""The table of drivers, recognising, and decoding of files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_bridge.decode import decode_file, decode_lines
from firmware_bridge.drivers import AUTO, DRIVERS, Settings, make_driver, score, sniff
from firmware_bridge.recording import receiver_bytes, recorded_rollover
from firmware_bridge.rollover import RECORDED, Rollover

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
    assert sniff(capture("bu303-moving")) == "sirf"
    assert sniff(b"nobody's bytes" * 50) is None
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


@pytest.mark.parametrize(
    ("header", "reference_utc_ms"),
    [
        (b"# Name: x\r\n# Date: 2005-06-09\r\n$GPGGA", 1_118_275_200_000),
        (b"#Date:1980-01-06 \n", 315_964_800_000),
        (b"# Date: 2005-06-09\n# Date: 2010-01-01\n", 1_118_275_200_000),
        (b"# Date = 2015-03-18\n", None),
        (b"# Date: 9 June 2005\n", None),
        (b"# Date: 2005-06-09 or so\n", None),
        (b"# Date: 2005-02-30\n", None),
        (b"# Date: 0001-01-01\n", None),
        (b"# Date: 2105-06-09\n", None),
        (b"# Comment: not # Date: 2005-06-09\n", None),
        (b"$GPGGA,1\n# Date: 2005-06-09\n", None),
        (b"", None),
    ],
)
def test_only_an_iso_date_in_the_header_moves_the_weeks(header: bytes, reference_utc_ms: int | None) -> None:
    expected = RECORDED if reference_utc_ms is None else Rollover.around(reference_utc_ms)
    assert recorded_rollover(header) == expected


def test_decode_takes_the_date_of_the_header_unless_it_is_told_otherwise(captures: Path) -> None:
    """Week 302 of the log is of June 2005; without its header, January 2025 is as likely."""
    log = (captures / "bu303-moving.log").read_bytes()
    assert next(decode_lines(log))["t_utc_ms"] == 1_118_327_684_280
    told = next(decode_lines(log, settings=Settings(Rollover.live(None))))
    assert told["t_utc_ms"] == next(decode_lines(receiver_bytes(log)))["t_utc_ms"] == 1_737_642_884_280
