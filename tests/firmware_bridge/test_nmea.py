"""Words, sentences and epochs of NMEA 0183."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import nmea
from firmware_bridge.drivers import Settings, make_driver
from firmware_bridge.framing import count_nmea, nmea_checksum
from firmware_bridge.nmea_build import (
    build_gga,
    build_gsa,
    build_gst,
    build_gsv,
    build_rmc,
    build_zda,
    sentence,
)
from firmware_bridge.rollover import PERIOD_MS, Rollover
from protocols.samples import Fix, FixMode
from protocols.units import NS_PER_MS

DAY_MS = 86_400_000
T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
NOON = T0 + DAY_MS // 2


def fix_at(t_utc_ms: int | None, **changes: object) -> Fix:
    said: dict[str, object] = {
        "mode": FixMode.FIX_3D,
        "lat_deg_e9": 31_247_950_000,
        "lon_deg_e9": 121_587_438_300,
    }
    return Fix(t_utc_ms, **(said | {"alt_mm": 5_000, "sats_used": 9, "hdop_e2": 110} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "places", "number"),
    [
        (b"545.4", 3, 545_400),
        (b"-30.46", 1, -305),
        (b"0.25", 1, 2),
        (b"0.35", 1, 4),
        (b"-0.5", 0, 0),
        (b"7", 2, 700),
        (b".5", 1, 5),
        (b"-", 1, None),
        (b"", 1, None),
        (b".", 1, None),
        (b"1e3", 1, None),
        (b"1_0", 1, None),
        (b"+1", 1, None),
        (b" 1", 1, None),
        (b"1.2.3", 1, None),
        (b"9" * 13, 0, None),
    ],
)
def test_scaled(text: bytes, places: int, number: int | None) -> None:
    assert nmea.scaled(text, places) == number


@pytest.mark.parametrize(
    ("text", "hemisphere", "deg_e9"),
    [
        (b"4807.038", b"N", 48_117_300_000),
        (b"01131.000", b"E", 11_516_666_667),
        (b"12118.85481", b"W", -121_314_246_833),
        (b"4707.7455620", b"N", 47_129_092_700),
        (b"9000.0000", b"S", -90_000_000_000),
        (b"18000", b"W", -180_000_000_000),
        (b"9000.0001", b"N", None),
        (b"18000.001", b"E", None),
        (b"4860.000", b"N", None),
        (b"4807.038", b"X", None),
        (b"4807.038", b"", None),
        (b"48.038", b"N", None),
        (b"-4807.038", b"N", None),
        (b"4807.0 8", b"N", None),
        (b"", b"N", None),
    ],
)
def test_degrees(text: bytes, hemisphere: bytes, deg_e9: int | None) -> None:
    assert nmea.degrees_e9(text, hemisphere) == deg_e9


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (b"000000", 0),
        (b"123519", 45_319_000),
        (b"123519.8", 45_319_800),
        (b"235960.5", 86_400_500),
        (b"053229.438", 19_949_438),
        (b"240000", None),
        (b"126019", None),
        (b"125961", None),
        (b"12351", None),
        (b"12351a", None),
    ],
)
def test_day_ms(text: bytes, ms: int | None) -> None:
    assert nmea.day_ms(text) == ms


@pytest.mark.parametrize(
    ("parts", "day"),
    [
        ((b"01", b"01", b"70"), 18_262 + 18_263),  # 2070
        ((b"06", b"01", b"80"), 3_657),  # 1980, where GPS begins
        ((b"22", b"08", b"1999"), 10_825),
        ((b"31", b"02", b"26"), None),
        ((b"00", b"01", b"26"), None),
        ((b"01", b"01", b"026"), None),
        ((b"", b"", b""), None),
    ],
)
def test_day_number(parts: tuple[bytes, bytes, bytes], day: int | None) -> None:
    assert nmea.day_number(*parts) == day


def test_checksum_of_the_standard_example() -> None:
    body = b"GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"
    assert nmea_checksum(body) == 0x47
    assert count_nmea(b"$" + body + b"*47\r\n$" + body + b"*48\r\n") == 1


@given(st.binary(max_size=256))
def test_checksum_is_the_plain_xor(data: bytes) -> None:
    plain = 0
    for byte in data:
        plain ^= byte
    assert nmea_checksum(data) == plain


@pytest.mark.parametrize("talker", ["GP", "GL", "GA", "GN", "GQ", "GI", "BD", "GB", "PQ", "QZ", "IN"])
def test_every_talker(talker: str, run: Callable) -> None:
    fix = fix_at(NOON, speed_mmps=1_500, course_cdeg=9_000)
    samples, _ = run(build_gga(fix, talker, 8) + build_rmc(fix, talker, 8) + build_gsa(fix, talker))
    assert len(samples) == 1
    assert (samples[0].t_utc_ms, samples[0].lat_deg_e9, samples[0].mode) == (
        NOON,
        fix.lat_deg_e9,
        FixMode.FIX_3D,
    )


modes = st.sampled_from([mode for mode in FixMode if mode])


@given(
    st.integers(T0, T0 + 300 * DAY_MS),
    modes,
    st.integers(-90 * 10**9, 90 * 10**9),
    st.integers(-180 * 10**9, 180 * 10**9),
    st.integers(-500_000, 9_000_000),
    st.integers(0, 90_000),
    st.integers(0, 35_999),
    st.integers(0, 50),
)
def test_builders_round_trip(
    t: int, mode: FixMode, lat: int, lon: int, alt: int, speed: int, course: int, sats: int
) -> None:
    fix = Fix(t, mode, lat, lon, alt, speed, course, sats_used=sats, hdop_e2=99)
    driver = make_driver("nmea")
    driver.feed(build_rmc(fix, places=8) + build_gsa(fix) + build_gga(fix, places=8) + build_zda(fix), 0)
    (read,) = driver.idle(10**10)
    assert isinstance(read, Fix)
    assert (read.t_utc_ms, read.mode, read.sats_used, read.hdop_e2) == (t, mode, sats, 99)
    assert read.alt_mm == (None if mode is FixMode.FIX_2D else alt)
    assert abs(read.lat_deg_e9 - lat) <= 1
    assert abs(read.lon_deg_e9 - lon) <= 1
    assert abs(read.speed_mmps - speed) <= 1
    assert read.course_cdeg == course


def test_builder_never_writes_sixty_minutes(run: Callable) -> None:
    fix = fix_at(NOON, lat_deg_e9=30_999_999_999, lon_deg_e9=-30_999_999_999)
    assert b",3100.00000,N,03100.00000,W," in build_gga(fix)


@pytest.mark.parametrize(
    ("gga", "rmc", "gsa", "mode"),
    [
        ("1", "A,,A", 3, FixMode.FIX_3D),
        ("1", "A,,A", 2, FixMode.FIX_2D),
        ("2", "A,,D", 3, FixMode.DGNSS),
        ("4", "A,,R", 3, FixMode.RTK_FIXED),
        ("5", "A,,F", 3, FixMode.RTK_FLOAT),
        ("6", "A,,E", 3, FixMode.DEAD_RECKONED),
        ("0", "A,,A", 3, FixMode.NONE),
        ("", "A,,A", 3, FixMode.NONE),
        ("1", "V,,A", 3, FixMode.NONE),
        ("1", "A,,N", 3, FixMode.NONE),
        ("1", "A,,A", 1, FixMode.NONE),
        ("7", "A,,M", 3, FixMode.NONE),
        ("8", "A,,S", 3, FixMode.NONE),
    ],
)
def test_void_anywhere_is_void(gga: str, rmc: str, gsa: int, mode: FixMode, run: Callable) -> None:
    place = "3114.8770,N,12135.2463,E"
    status, _, letter = rmc.split(",")
    stream = (
        sentence(f"GNGGA,120000.00,{place},{gga},09,1.1,5.0,M,,M,,")
        + sentence(f"GNGSA,A,{gsa},,,,,,,,,,,,,,1.1,")
        + sentence(f"GNRMC,120000.00,{status},{place},0.0,0.0,010126,,,{letter}")
    )
    (fix,), _ = run(stream)
    assert fix.mode is mode
    assert (fix.lat_deg_e9 is None) == (mode is FixMode.NONE)


def test_void_zero_position_is_no_position(run: Callable) -> None:
    (fix,), _ = run(sentence("GPRMC,235948.00,V,0000.0000,N,00000.0000,E,,,161206,,,N"))
    assert fix == Fix(None, FixMode.NONE)


def test_sentence_order_does_not_matter(run: Callable) -> None:
    fix = fix_at(NOON, speed_mmps=1_500, course_cdeg=9_000, hacc_mm=2_000)
    parts = [build_gga(fix), build_rmc(fix), build_gst(fix), build_zda(fix)]
    expected = run(b"".join(parts))[0]
    assert len(expected) == 1
    for turn in range(1, 4):
        assert run(b"".join(parts[turn:] + parts[:turn]))[0] == expected


def test_corrupt_line_does_not_pair_later_epochs_wrongly(run: Callable) -> None:
    """RMC of one epoch is damaged: speeds stay with their own epochs."""
    stream = b""
    for index in range(6):
        fix = fix_at(NOON + index * 1000, speed_mmps=1_000 * (index + 1), course_cdeg=0)
        rmc = build_rmc(fix)
        stream += build_gga(fix) + (rmc.replace(b",A,", b",B,") if index == 2 else rmc)
    samples, stats = run(stream)
    assert [fix.t_utc_ms for fix in samples] == [NOON + index * 1000 for index in range(6)]
    assert [fix.speed_mmps for fix in samples] == [1_000, 2_000, None, 4_000, 5_000, 6_000]
    assert stats.bad == 1


def test_untimed_sentence_after_damage_joins_nothing(run: Callable) -> None:
    """The GGA between two epochs is damaged, so nobody knows whose the VTG after it is."""
    vtg = sentence("GNVTG,90.0,T,,M,10.0,N,18.5,K,A")
    first, second = build_gga(fix_at(NOON)), build_gga(fix_at(NOON + 1000)).replace(b"N", b"S", 1)
    (fix,), _ = run(first + second + vtg)
    assert fix.speed_mmps is None


def test_contradiction_is_void_and_counted(run: Callable) -> None:
    """A double error that XOR does not see: GGA and RMC of one moment a degree apart."""
    stream = build_gga(fix_at(NOON)) + build_rmc(fix_at(NOON, lat_deg_e9=32_247_950_000))
    (fix,), stats = run(stream)
    assert fix.mode is FixMode.NONE
    assert stats.bad == 1


def test_midnight(run: Callable) -> None:
    """GGA before its RMC on both sides of midnight."""
    times = [T0 + DAY_MS + offset for offset in (-2000, -1000, 0, 1000)]
    stream = b"".join(build_gga(fix_at(t)) + build_rmc(fix_at(t)) for t in times)
    assert [fix.t_utc_ms for fix in run(stream)[0]] == times


def test_midnight_with_a_date_that_flips_too_early(run: Callable) -> None:
    """RMC 23:59:59 already has the next day's date: that is not 24 h ahead."""
    late = T0 + DAY_MS - 1000
    wrong = build_rmc(fix_at(late + DAY_MS))
    stream = build_rmc(fix_at(late - 1000)) + wrong + build_rmc(fix_at(late + 1000))
    assert [fix.t_utc_ms for fix in run(stream)[0]] == [late - 1000, late, late + 1000]


def test_gga_takes_the_nearest_day(run: Callable) -> None:
    """The date is known from one RMC; then only GGA, over midnight."""
    start = T0 + DAY_MS - 1500
    times = [start, start + 1000, start + 2000, start + 3000]
    stream = build_rmc(fix_at(start)) + b"".join(build_gga(fix_at(t)) for t in times[1:])
    assert [fix.t_utc_ms for fix in run(stream)[0]] == times


def test_no_date_is_no_time(run: Callable) -> None:
    (fix,), _ = run(build_gga(fix_at(NOON)))
    assert fix.t_utc_ms is None
    assert fix.lat_deg_e9 is not None


def test_date_of_a_void_fix_is_not_believed(run: Callable) -> None:
    """After a cold start the clock says 2010 until there is a fix."""
    stream = sentence("GPRMC,120000.00,V,,,,,,,250910,,,N") + build_gga(fix_at(NOON + 1000))
    void, fix = run(stream)[0]
    assert (void.mode, void.t_utc_ms) == (FixMode.NONE, None)
    assert fix.t_utc_ms is None


def test_date_that_comes_after_a_pause_serves_the_next_fix() -> None:
    driver = make_driver("gnss")
    fixes = []
    for index in range(4):
        fix, t_mono_ns = fix_at(NOON + index * 1000), index * 10**9
        fixes += driver.feed(build_gga(fix), t_mono_ns)
        fixes += driver.idle(t_mono_ns + 200 * NS_PER_MS)
        fixes += driver.feed(build_rmc(fix), t_mono_ns + 300 * NS_PER_MS)
    assert [fix.t_utc_ms for fix in fixes] == [None, NOON + 1000, NOON + 2000, NOON + 3000]


def test_silence_closes_an_epoch() -> None:
    driver = make_driver("gnss")
    assert driver.feed(build_gga(fix_at(NOON)), 10**9) == []
    assert driver.idle(10**9 + 149 * NS_PER_MS) == []
    assert len(driver.idle(10**9 + 150 * NS_PER_MS)) == 1
    assert driver.idle(2 * 10**9) == []


def test_learned_end_closes_at_once_and_is_forgotten_when_wrong() -> None:
    driver = make_driver("gnss")
    fixes = []
    for index in range(10):
        fix = fix_at(NOON + index * 1000)
        lines = [build_gga(fix), build_rmc(fix), build_gst(fix)]
        if index >= 5:
            lines.append(build_zda(fix))
        fixes.append([len(driver.feed(line, 0)) for line in lines])
    assert fixes == [
        [0, 0, 0],
        [1, 0, 0],
        [1, 0, 1],  # two epochs ended with GST: from now on it closes
        [0, 0, 1],
        [0, 0, 1],
        [0, 0, 1, 0],  # ZDA comes too late, so the end is learned anew
        [0, 0, 0, 0],
        [1, 0, 0, 0],
        [1, 0, 0, 1],
        [0, 0, 0, 1],
    ]


def test_end_is_not_learned_from_damaged_epochs(run: Callable) -> None:
    """Without this the third epoch would close at RMC, before its GST says how good the fix is."""
    stream = b""
    for index in range(4):
        fix = fix_at(NOON + index * 1000, hacc_mm=1_414)
        gst = build_gst(fix)
        damaged = gst[:-4] + (b"00" if gst[-4:-2] != b"00" else b"01") + b"\r\n"
        stream += build_gga(fix) + build_rmc(fix) + (damaged if index < 2 else gst)
    samples, _ = run(stream)
    assert [abs(fix.hacc_mm - 1_414) <= 2 for fix in samples] == [False, False, True, True]


def test_stale_time_without_a_fix_keeps_telling_so(run: Callable) -> None:
    """A receiver under a roof repeats its last time: every second is void, none hides the next."""
    stale = sentence("GPRMC,120000.00,V,,,,,,,010126,,,N") + sentence("GPGGA,120000.00,,,,,0,00,,,M,,M,,")
    samples, _ = run(stale * 5)
    assert [fix.mode for fix in samples] == [FixMode.NONE] * 5


def test_cold_start_without_time(run: Callable) -> None:
    cold = sentence("GPGGA,,,,,,0,,,,M,,M,,") + sentence("GPRMC,,V,,,,,,,,,,N")
    samples, stats = run(cold * 3)
    assert [fix.mode for fix in samples] == [FixMode.NONE] * 3
    assert stats.bad == 0


def test_hacc_from_gst_else_from_hdop(run: Callable) -> None:
    fix = fix_at(NOON, hacc_mm=1_414)
    assert abs(run(build_gga(fix) + build_gst(fix))[0][0].hacc_mm - 1_414) <= 2
    assert run(build_gga(fix))[0][0].hacc_mm == 110 * 5_000 // 100


def test_satellites_in_view_add_up_over_talkers_not_signals(run: Callable) -> None:
    fix = fix_at(NOON, sats_seen=13)
    gsv = build_gsv(fix, "GP") + sentence("GPGSV,1,1,05,,,,,8") + build_gsv(fix_at(NOON, sats_seen=8), "GL")
    assert run(build_gga(fix) + gsv + build_gga(fix_at(NOON + 1000)))[0][0].sats_seen == 21


def test_speed_from_vtg_where_rmc_is_missing(run: Callable) -> None:
    (fix,), _ = run(build_gga(fix_at(NOON)) + sentence("GNVTG,90.0,T,,M,10.0,N,18.5,K,A"))
    assert (fix.speed_mmps, fix.course_cdeg) == (5_144, 9_000)


def test_gns_serves_where_gga_is_missing(run: Callable) -> None:
    (fix,), _ = run(sentence("GNGNS,120000.00,3114.8770,N,12135.2463,E,ANNA,05,1.3,156.9,8.3,,"))
    assert (fix.mode, fix.lat_deg_e9, fix.alt_mm, fix.sats_used) == (
        FixMode.FIX_3D,
        31_247_950_000,
        156_900,
        5,
    )


@pytest.mark.parametrize(
    ("said", "now", "meant"),
    [
        (T0, None, T0),
        (T0 - PERIOD_MS, None, T0),  # a receiver that says May 2006
        (T0 - 2 * PERIOD_MS, None, T0),
        (T0 + DAY_MS - PERIOD_MS, T0 + 30 * DAY_MS, T0 + DAY_MS),
        (T0 - 6 * 365 * DAY_MS, None, T0 - 6 * 365 * DAY_MS),  # a recording of 2020 stays
        (T0 + 12 * 365 * DAY_MS, T0 + 12 * 365 * DAY_MS, T0 + 12 * 365 * DAY_MS),
    ],
)
def test_rollover_live(said: int, now: int | None, meant: int) -> None:
    assert Rollover.live(now).mend(said) == meant


def test_rollover_of_the_cold_started_receiver(run: Callable) -> None:
    """1999-08-22 is week 0 of the second epoch; the third one makes it 2019-04-07, live and recorded."""
    stream = sentence("GPRMC,000428.00,A,4808.9993,N,01135.0798,E,0.0,0.0,220899,,,A")
    for settings in (None, Settings(Rollover.live(None))):
        assert run(stream, settings=settings)[0][0].t_utc_ms == 1_554_595_468_000


def test_rollover_live_moves_2007_and_recorded_keeps_it(run: Callable) -> None:
    stream = sentence("GPRMC,193221.00,A,2037.7279,N,08704.0848,W,00.1,201.8,231207,01,W,A")
    assert run(stream)[0][0].t_utc_ms == 1_198_438_341_000
    assert run(stream, settings=Settings(Rollover.live(None)))[0][0].t_utc_ms == 1_198_438_341_000 + PERIOD_MS
