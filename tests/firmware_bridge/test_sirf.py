"""SiRF binary: frames, Measured Navigation Data, and streams that are cut or damaged."""

import random
from collections.abc import Callable
from struct import pack

import pytest

from firmware_bridge.drivers import DRIVERS, Settings, make_driver, sniff
from firmware_bridge.nmea_build import build_gga, build_rmc
from firmware_bridge.rollover import PERIOD_MS, Rollover
from firmware_bridge.sirf import parse_measured_navigation
from firmware_bridge.sirf_framing import SIRF_PAYLOAD_SIZE_MAX, count_sirf
from protocols.samples import Fix, FixMode, Sample
from protocols.units import NS_PER_MS

DAY = Rollover.around(1_118_275_200_000)  # 2005-06-09
WHEN = 1_118_327_684_280
PLACE = (4_360_953, 579_351, 4_604_558)
PENDING_SIZE_MAX = SIRF_PAYLOAD_SIZE_MAX + 8


def frame(payload: bytes) -> bytes:
    return b"\xa0\xa2" + pack(">H", len(payload)) + payload + pack(">H", sum(payload) & 0x7FFF) + b"\xb0\xb3"


def measured(
    place: tuple[int, int, int] = PLACE,
    velocity: tuple[int, int, int] = (-1, 0, 0),
    mode1: int = 4,
    hdop: int = 12,
    week: int = 302,
    tow: int = 39_810_228,
) -> bytes:
    """A payload of message 2."""
    head = pack(">Biiihhh", 2, *place, *velocity)
    return head + pack(">BBBHIB", mode1, hdop, 2, week, tow, 5) + bytes([8, 10, 4, 2, 27]) + bytes(7)


def nmea_at(second: int) -> bytes:
    fix = Fix(WHEN - 280 + second * 1000, FixMode.FIX_3D, 46 * 10**9, 7 * 10**9, 5_000, sats_used=9)
    return build_gga(fix) + build_rmc(fix)


def places(samples: list[Sample]) -> set[tuple[int | None, int | None, int | None]]:
    return {(s.t_utc_ms, s.lat_deg_e9, s.lon_deg_e9) for s in samples if isinstance(s, Fix) and s.mode}


def test_the_first_message_of_the_capture(capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture("bu303-moving")
    assert data.startswith(frame(measured()))
    (fix,), stats = run(data[:49], "sirf", Settings(DAY))
    assert fix == Fix(
        WHEN, FixMode.FIX_3D, 46_498_287_177, 7_567_411_672, None, 91, 1038, 12_000, 5, None, 240
    )
    assert (stats.good, stats.bad, stats.skipped, stats.noise) == (1, 0, 0, 0)


@pytest.mark.parametrize(("name", "fixes", "skipped"), [("bu303-moving", 12, 53), ("bu303-nofix", 7, 40)])
def test_counters_of_the_captures(name: str, fixes: int, skipped: int, run_log: Callable) -> None:
    samples, stats = run_log(name)
    assert len(samples) == fixes
    assert (stats.good, stats.bad, stats.skipped, stats.noise) == (fixes, 0, skipped, 0)


@pytest.mark.parametrize(
    ("mode1", "mode", "hacc_mm"),
    [
        (0x00, FixMode.NONE, None),
        (0x80, FixMode.NONE, None),
        (0x01, FixMode.DEAD_RECKONED, None),
        (0x02, FixMode.DEAD_RECKONED, None),
        (0x03, FixMode.FIX_2D, 12_000),
        (0x04, FixMode.FIX_3D, 12_000),
        (0x05, FixMode.FIX_2D, 12_000),
        (0x06, FixMode.FIX_3D, 12_000),
        (0x07, FixMode.DEAD_RECKONED, None),
        (0x83, FixMode.FIX_2D, 12_000),
        (0x84, FixMode.DGNSS, 6_000),
        (0x86, FixMode.DGNSS, 6_000),
        (0x87, FixMode.DEAD_RECKONED, None),
        (0x7C, FixMode.FIX_3D, 12_000),  # altitude hold, power saving and DOP mask do not matter
    ],
)
def test_modes(mode1: int, mode: FixMode, hacc_mm: int | None) -> None:
    fix = parse_measured_navigation(measured(mode1=mode1), DAY)
    assert fix is not None
    assert (fix.mode, fix.hacc_mm, fix.sats_used, fix.alt_mm) == (mode, hacc_mm, 5, None)
    assert (fix.lat_deg_e9 is None) == (fix.t_utc_ms is None) == (mode is FixMode.NONE)


@pytest.mark.parametrize(
    ("velocity", "speed_mmps", "course_cdeg"),
    [
        ((0, 0, 0), 0, None),
        ((8, 0, 0), 0, None),  # straight up
        ((0, 8, 0), 1000, 9_000),
        ((0, -8, 0), 1000, 27_000),
        ((0, 0, 80), 10_000, 0),
        ((0, 0, -80), 10_000, 18_000),
        ((0, 40, 40), 7_071, 4_500),
        ((0, -1, -1), 177, 22_500),
    ],
)
def test_velocity_at_the_equator(
    velocity: tuple[int, int, int], speed_mmps: int, course_cdeg: int | None
) -> None:
    fix = parse_measured_navigation(measured((6_378_137, 0, 0), velocity), DAY)
    assert fix is not None
    assert (fix.speed_mmps, fix.course_cdeg) == (speed_mmps, course_cdeg)


@pytest.mark.parametrize(
    "payload",
    [
        measured()[:40],
        measured((0, 0, 0)),
        measured((6_000_000, 0, 0)),
        measured((-(2**31), -(2**31), -(2**31))),
        measured(tow=60_480_000),
        measured(tow=2**32 - 1),
    ],
)
def test_out_of_range_is_bad(payload: bytes, run: Callable) -> None:
    samples, stats = run(frame(payload), "sirf")
    assert (samples, stats.good, stats.bad) == ([], 0, 1)


def test_later_firmware_has_a_longer_message() -> None:
    assert parse_measured_navigation(measured() + bytes(6), DAY) == parse_measured_navigation(measured(), DAY)


def test_no_hdop_no_accuracy() -> None:
    fix = parse_measured_navigation(measured(hdop=0), DAY)
    assert fix is not None
    assert (fix.hdop_e2, fix.hacc_mm) == (None, None)


@pytest.mark.parametrize("week", [302, 302 + 1024, 302 + 2048])
@pytest.mark.parametrize(
    ("now_utc_ms", "periods"), [(WHEN, 0), (WHEN + PERIOD_MS, 1), (WHEN - PERIOD_MS, -1)]
)
def test_week_is_the_nearest_to_the_reference(week: int, now_utc_ms: int, periods: int) -> None:
    fix = parse_measured_navigation(measured(week=week), Rollover.around(now_utc_ms))
    assert fix is not None
    assert fix.t_utc_ms == WHEN + periods * PERIOD_MS


def test_time_of_week_has_18_leap_seconds() -> None:
    """2022-10-11T11:04:24Z is 212682 s of week 2231, as the ZED-F9P of another capture says it."""
    fix = parse_measured_navigation(measured(week=2231 % 1024, tow=21_268_200), Rollover.live(None))
    assert fix is not None
    assert fix.t_utc_ms == 1_665_486_264_000


def test_nmea_before_and_after(run: Callable) -> None:
    """The receiver is switched to binary, and falls back when its battery is empty; one driver, one order."""
    binary = b"".join(frame(measured(tow=39_810_228 + 100 * i)) for i in range(3, 6))
    stream = nmea_at(2) + binary + nmea_at(6) + nmea_at(7)
    samples, stats = run(stream, "sirf", Settings(DAY))
    seconds = [(fix.t_utc_ms - WHEN + 280) // 1000 for fix in samples]
    assert seconds == list(range(2, 8))  # the driver could not yet know where the first epoch ends
    assert (stats.good, stats.bad, stats.skipped, stats.noise) == (9, 0, 0, 0)
    assert sniff(stream) == "sirf"
    assert sniff(nmea_at(0)) == "gnss"
    assert (DRIVERS["sirf"].score(stream), count_sirf(stream)) == (9, 3)


def test_every_split_point(capture: Callable[[str], bytes], run: Callable) -> None:
    data = nmea_at(-2) + capture("bu303-moving")[:950] + b"\xa0noise$" + nmea_at(9)[:90]
    whole, stats = run(data, "sirf", Settings(DAY))
    assert len(whole) == 5
    for cut in range(len(data) + 1):
        parts, part_stats = run([data[:cut], data[cut:]], "sirf", Settings(DAY))
        assert parts == whole, cut
        assert (part_stats.good, part_stats.bad, part_stats.skipped) == (
            stats.good,
            stats.bad,
            stats.skipped,
        ), cut


def test_dribble_and_burst(capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture("bu303-moving")
    assert run((data[i : i + 1] for i in range(len(data))), "sirf") == run(data, "sirf")


def test_every_flipped_bit_of_a_message_is_found(capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture("bu303-moving")[442:1305]  # from the second message 2 to the third, and no further
    whole, _ = run(data, "sirf", Settings(DAY))
    for bit in range(49 * 8):
        twin = bytearray(data)
        twin[bit // 8] ^= 1 << bit % 8
        samples, stats = run(bytes(twin), "sirf", Settings(DAY))
        assert samples == whole[1:], bit
        assert stats.bad + stats.noise > 0, bit


@pytest.mark.parametrize("name", ["bu303-moving", "bu303-nofix"])
def test_flipped_bits_lose_one_message(name: str, capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture(name)
    whole, _ = run(data, "sirf")
    rng = random.Random(12)
    for _ in range(200):
        twin = bytearray(data)
        twin[rng.randrange(len(twin))] ^= 1 << rng.randrange(8)
        samples, stats = run(bytes(twin), "sirf")
        assert places(samples) <= places(whole)
        assert len(samples) >= len(whole) - 1
        assert stats.bad + stats.noise > 0


def test_truncated_and_holed_streams_invent_nothing(capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture("bu303-moving")
    whole, _ = run(data, "sirf")
    rng = random.Random(13)
    for _ in range(60):
        start = rng.randrange(len(data) - 400)
        before, _ = run(data[:start], "sirf")
        assert before == whole[: len(before)]
        holed, stats = run(data[:start] + data[start + rng.randrange(1, 400) :], "sirf")
        assert places(holed) <= places(whole)
        assert len(holed) >= len(whole) - 2
        assert stats.bytes < len(data)


def test_noise_between_messages_is_counted(run: Callable) -> None:
    noise = bytes(random.Random(14).choices(range(0x80, 0xA0), k=5000))
    samples, stats = run(frame(measured()) + noise + frame(measured()), "sirf")
    assert len(samples) == 2
    assert (stats.good, stats.bad, stats.noise) == (2, 0, 5000)


@pytest.mark.parametrize(
    "damage",
    [
        b"\xa0\xa2\x00\x00",
        b"\xa0\xa2\x00\x00\x00\x00\xb0\xb3",
        b"\xa0\xa2\x04\x00",
        b"\xa0\xa2\xff\xff",
        b"\xa0\xa2\x00\x02ab\x00\x00\xb0\xb3",
    ],
)
def test_impossible_frame_is_bad_at_once(damage: bytes, run: Callable) -> None:
    driver = make_driver("sirf")
    assert len(driver.feed(damage + frame(measured()), 0)) == 1
    assert (driver.stats.good, driver.stats.bad) == (1, 1)


def test_the_end_marks_are_looked_at(run: Callable) -> None:
    _, stats = run(frame(measured())[:-1] + b"\xb4", "sirf")
    assert (stats.good, stats.bad) == (0, 1)


def test_silence_gives_up_an_unfinished_frame() -> None:
    driver = make_driver("sirf")
    assert driver.feed(b"\xa0\xa2\x03\xff" + frame(measured()), 0) == []
    assert driver.idle(499 * NS_PER_MS) == []
    assert len(driver.idle(500 * NS_PER_MS)) == 1
    assert (driver.stats.good, driver.stats.bad) == (1, 1)


def test_pending_is_bounded_under_a_flood() -> None:
    driver = make_driver("sirf")
    for pattern in (
        b"\xa0\xa2\x03\xff",
        b"\xa0",
        b"\xa0\xa2",
        b"$" + b"A" * 100,
        b"\xa0\xa2\x03\xff" + b"x" * 500,
    ):
        for _ in range(300):
            driver.feed(pattern, 0)
            assert driver.pending_size <= PENDING_SIZE_MAX  # type: ignore[attr-defined]


def test_says_nothing_to_the_receiver() -> None:
    assert make_driver("sirf").hello() == b""
