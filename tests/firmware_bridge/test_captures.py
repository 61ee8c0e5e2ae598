"""Our fixes against what gpsd made of the same bytes: time, latitude and longitude to the last printed digit.

Each TPV of gpsd with mode 2 or 3 and a position must be one of our fixes, with the same time where it has one, and
each of our fixes must be one of gpsd's. Everything else stands in EXCEPTIONS with its reason.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from firmware_bridge.rollover import PERIOD_MS
from protocols.samples import Fix, FixMode

Point = tuple[int, int, int | None]  # lat_deg_e9, lon_deg_e9, t_utc_ms


@dataclass(frozen=True)
class Exceptions:
    """How many TPVs and fixes of a log may differ, and by how much gpsd's years are off."""

    tpv_count: int
    fix_count: int
    reason: str = ""
    gpsd_ahead_ms: int = 0
    tpv_differ: int = 0
    fix_differ: int = 0


LOGS = {
    "beidou-bd": Exceptions(15, 5),
    "beidou-gb": Exceptions(9, 2),
    "bu303-moving": Exceptions(12, 12),
    "bu303-nofix": Exceptions(0, 0, "SiRF binary, no fix"),
    "gp-320fw-2019-04-07-coldboot": Exceptions(4, 2),
    "neo-m8n": Exceptions(
        23,
        24,
        "gpsd cannot read this log's header 'Date = 2015-03-18' and adds 1024 weeks to every date, ours is the true "
        "one; and the log ends within its last epoch, which gpsd never reports and we do, for want of more",
        gpsd_ahead_ms=PERIOD_MS,
        fix_differ=1,
    ),
    "quectelLC79D": Exceptions(34, 30),
    "st-teseo-liv4f": Exceptions(148, 12),
    "tcp-torture": Exceptions(
        3,
        1,
        "gpsd adds 1024 weeks to 2007; its third TPV repeats the RMC, whose minutes have a digit less than the GGA's, "
        "and we keep the longer one for the whole epoch",
        gpsd_ahead_ms=PERIOD_MS,
        tpv_differ=1,
    ),
    "ublox-neo-m9n-nmea": Exceptions(67, 61),
    "ublox-zed-f9p-rtk": Exceptions(
        9,
        10,
        "gpsd reports nothing for its first epoch of UBX; NAV-PVT says 3D, fix OK, RTK float there",
        fix_differ=1,
    ),
    "unicore-um621": Exceptions(332, 16),
}


def oracle(path: Path) -> list[Point]:
    """All TPVs with a position."""
    points: list[Point] = []
    for line in gzip.decompress(path.read_bytes()).split(b"\n"):
        if not line.startswith(b'{"class":"TPV"'):
            continue
        tpv = json.loads(line, parse_float=Decimal)
        if tpv["mode"] < 2 or "lat" not in tpv:
            continue
        when = tpv.get("time")
        t_utc_ms = round(datetime.fromisoformat(when).timestamp() * 1000) if when else None
        points.append((int(tpv["lat"] * 10**9), int(tpv["lon"] * 10**9), t_utc_ms))
    return points


def test_every_log_has_a_row(captures: Path) -> None:
    assert {path.stem for path in captures.glob("*.log")} == set(LOGS)


@pytest.mark.parametrize("name", LOGS)
def test_agrees_with_gpsd(name: str, captures: Path, run_log: Callable) -> None:
    expected = LOGS[name]
    ahead_ms = expected.gpsd_ahead_ms
    theirs = [
        (lat, lon, None if t is None else t - ahead_ms)
        for lat, lon, t in oracle(captures / f"{name}.log.chk.gz")
    ]
    samples, _ = run_log(name)
    fixes = [s for s in samples if isinstance(s, Fix) and s.mode is not FixMode.NONE]
    ours = [(fix.lat_deg_e9, fix.lon_deg_e9, fix.t_utc_ms) for fix in fixes]
    our_places = {point[:2] for point in ours}
    tpv_differ = [
        point
        for point in theirs
        if (point[2] is None and point[:2] not in our_places) or (point[2] and point not in ours)
    ]
    undated_places = {point[:2] for point in theirs if point[2] is None}
    fix_differ = [point for point in ours if point not in theirs and point[:2] not in undated_places]
    assert (len(theirs), len(ours)) == (expected.tpv_count, expected.fix_count)
    assert len(tpv_differ) == expected.tpv_differ, (expected.reason, tpv_differ)
    assert len(fix_differ) == expected.fix_differ, (expected.reason, fix_differ)


@pytest.mark.parametrize("name", LOGS)
def test_void_fix_carries_no_position_and_no_time(name: str, run_log: Callable) -> None:
    for sample in run_log(name)[0]:
        if sample.mode is FixMode.NONE:
            assert (sample.t_utc_ms, sample.lat_deg_e9, sample.lon_deg_e9, sample.alt_mm) == (None,) * 4
        else:
            assert sample.lat_deg_e9 is not None
            assert sample.lon_deg_e9 is not None


def test_every_fix_after_the_first_date_is_dated(capture: Callable[[str], bytes], run: Callable) -> None:
    for name in ("neo-m8n", "unicore-um621", "beidou-bd", "quectelLC79D"):
        fixes = [sample for sample in run(capture(name))[0] if sample.mode is not FixMode.NONE]
        assert all(fix.t_utc_ms is not None for fix in fixes[1:]), name


def test_coldboot_gives_nothing_after_the_restart(capture: Callable[[str], bytes], run: Callable) -> None:
    """Void fixes, garbage years, broken checksums and a week number that went back to 1999."""
    samples, stats = run(capture("gp-320fw-2019-04-07-coldboot"))
    modes = [sample.mode for sample in samples]
    assert modes[:2] == [FixMode.FIX_3D] * 2
    assert set(modes[2:]) == {FixMode.NONE}
    assert stats.bad > 15


def test_fix_is_not_delayed_by_an_epoch_once_its_end_is_known(capture: Callable[[str], bytes]) -> None:
    """Fed sentence by sentence, from the fourth epoch on a fix leaves with the last sentence of its own epoch."""
    from firmware_bridge.drivers import make_driver

    driver = make_driver("gnss")
    early = 0
    time_now = b""
    for line in capture("ublox-neo-m9n-nmea").splitlines(keepends=True):
        if line[3:6] in (b"RMC", b"GGA"):
            time_now = line.split(b",")[1]
        for fix in driver.feed(line, 0):
            assert isinstance(fix, Fix)
            assert fix.t_utc_ms is not None
            day_s = fix.t_utc_ms // 1000 % 86_400
            early += b"%02d%02d%02d" % (day_s // 3600, day_s // 60 % 60, day_s % 60) == time_now[:6]
    assert early >= 57  # of 61
