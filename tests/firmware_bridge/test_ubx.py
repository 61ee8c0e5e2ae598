"""UBX frames: what we read, what we build."""

from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.drivers import make_driver
from firmware_bridge.framing import UBX_PAYLOAD_SIZE_MAX, count_ubx, ubx_checksum
from firmware_bridge.nmea_build import build_gga, build_rmc
from firmware_bridge.ubx import NAV_EOE, NAV_PVT, parse_nav_pvt
from firmware_bridge.ubx_build import (
    KEYS_NAV_PVT,
    build,
    build_cfg_msg,
    build_cfg_valset,
    build_mon_ver,
    build_mon_ver_poll,
    build_nav_hpposllh,
    build_nav_pvt,
    itow_ms,
)
from protocols.samples import Fix, FixMode, Identity

NOON = 1_767_268_800_000


def fix_at(t_utc_ms: int | None = NOON, mode: FixMode = FixMode.RTK_FIXED) -> Fix:
    return Fix(t_utc_ms, mode, 47_129_092_712, 15_212_043_239, 826_560, 12, 19_795, 337, 19)


def payload_with(**changes: int) -> bytes:
    """A good NAV-PVT payload with some bytes changed, by offset `at_11=3`."""
    payload = bytearray(build_nav_pvt(fix_at())[6:-2])
    for name, value in changes.items():
        payload[int(name[3:])] = value
    return bytes(payload)


def test_known_frames() -> None:
    assert build_cfg_msg(NAV_PVT) == bytes.fromhex("B562060103000107011351")
    assert build_mon_ver_poll() == bytes.fromhex("B5620A0400000E34")
    assert build_cfg_valset(KEYS_NAV_PVT[1:2])[6:-2] == bytes.fromhex("00010000 07009120 01")


@given(st.binary(max_size=1100))
def test_checksum_is_plain_fletcher(data: bytes) -> None:
    assert ubx_checksum(data) == sum(data) & 0xFF | (sum(accumulate(data)) & 0xFF) << 8


@pytest.mark.parametrize("size", [0, 1023, 1024, 1025, UBX_PAYLOAD_SIZE_MAX])
def test_checksum_of_the_largest_sums(size: int) -> None:
    data = b"\xff" * size
    assert ubx_checksum(data) == sum(data) & 0xFF | (sum(accumulate(data)) & 0xFF) << 8


def test_too_long_a_payload_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 4096"):
        build(NAV_PVT, bytes(UBX_PAYLOAD_SIZE_MAX + 1))


@pytest.mark.parametrize("mode", [mode for mode in FixMode if mode])
@pytest.mark.parametrize("t_utc_ms", [NOON, NOON + 999, NOON + 40, None])
def test_nav_pvt_round_trip(mode: FixMode, t_utc_ms: int | None) -> None:
    fix = parse_nav_pvt(build_nav_pvt(fix_at(t_utc_ms, mode))[6:-2])
    assert fix is not None
    assert (fix.t_utc_ms, fix.mode, fix.sats_used, fix.hacc_mm, fix.speed_mmps) == (
        t_utc_ms,
        mode,
        19,
        337,
        12,
    )
    assert (fix.lat_deg_e9, fix.lon_deg_e9, fix.course_cdeg) == (47_129_092_700, 15_212_043_200, 19_795)
    assert fix.alt_mm == (None if mode is FixMode.FIX_2D else 826_560)


def test_old_nav_pvt_of_84_bytes() -> None:
    assert parse_nav_pvt(payload_with()[:84]) == parse_nav_pvt(payload_with())


@pytest.mark.parametrize(
    ("changes", "mode", "dated"),
    [
        ({}, FixMode.RTK_FIXED, True),
        ({"at_11": 0x01}, FixMode.RTK_FIXED, False),  # no valid time
        ({"at_11": 0x02}, FixMode.RTK_FIXED, False),  # no valid date
        ({"at_6": 13}, FixMode.RTK_FIXED, False),  # month 13
        ({"at_15": 0x77}, FixMode.RTK_FIXED, False),  # time accuracy 2 s: leap seconds unknown
        ({"at_21": 0x00}, FixMode.NONE, False),  # not OK
        ({"at_20": 0}, FixMode.NONE, False),
        ({"at_20": 5}, FixMode.NONE, False),  # time only
        ({"at_20": 4, "at_21": 0x01}, FixMode.FIX_3D, True),
        ({"at_20": 1, "at_21": 0x01}, FixMode.DEAD_RECKONED, True),
        ({"at_78": 0x01}, FixMode.NONE, False),  # position invalid
    ],
)
def test_nav_pvt_validity(changes: dict[str, int], mode: FixMode, dated: bool) -> None:
    fix = parse_nav_pvt(payload_with(**changes))
    assert fix is not None
    assert (fix.mode, fix.t_utc_ms is not None) == (mode, dated)
    assert (fix.lat_deg_e9 is None) == (mode is FixMode.NONE)


def test_nano_rounds_the_second_down_and_up() -> None:
    """nano is signed: 12:00:00 with -0.4 ms is 11:59:59.9996, and rounds to noon; -2 ms stays before it."""
    for nano, t_utc_ms in ((-400_000, NOON), (-2_000_000, NOON - 2), (600_000, NOON + 1)):
        payload = bytearray(payload_with())
        payload[16:20] = nano.to_bytes(4, "little", signed=True)
        fix = parse_nav_pvt(bytes(payload))
        assert fix is not None
        assert fix.t_utc_ms == t_utc_ms


def test_position_outside_the_globe_is_bad(run: Callable) -> None:
    samples, stats = run(build(NAV_PVT, payload_with(at_31=0x7F)))
    assert (samples, stats.bad, stats.good) == ([], 1, 0)


def test_wrong_length_is_bad(run: Callable) -> None:
    samples, stats = run(build(NAV_PVT, payload_with() + b"\0"))
    assert (samples, stats.bad) == ([], 1)


def test_high_precision_is_merged_once_it_is_known_to_come(run: Callable) -> None:
    stream = b"".join(
        build_nav_pvt(fix_at(NOON + 1000 * i)) + build_nav_hpposllh(fix_at(NOON + 1000 * i)) for i in range(3)
    )
    samples, stats = run(stream)
    assert [fix.lat_deg_e9 for fix in samples] == [47_129_092_700, 47_129_092_712, 47_129_092_712]
    assert [fix.t_utc_ms for fix in samples] == [NOON, NOON + 1000, NOON + 2000]
    assert samples[2].lon_deg_e9 == 15_212_043_239
    assert (stats.good, stats.bad) == (6, 0)


@pytest.mark.parametrize("end", [build(NAV_EOE, bytes(4)), build_nav_pvt(fix_at(NOON + 2000)), b""])
def test_high_precision_that_does_not_come_holds_nothing_back(end: bytes, run: Callable) -> None:
    stream = build_nav_pvt(fix_at()) + build_nav_hpposllh(fix_at()) + build_nav_pvt(fix_at(NOON + 1000))
    other = build_nav_hpposllh(fix_at(NOON + 5000))
    assert [fix.t_utc_ms for fix in run(stream + end)[0]][:2] == [NOON, NOON + 1000]
    assert [fix.lat_deg_e9 for fix in run(stream + other)[0]] == [47_129_092_700] * 2


def test_mon_ver(run: Callable) -> None:
    frame = build_mon_ver(
        "EXT CORE 1.00 (0fa0ae)", "00190000", ["FWVER=HPG 1.32", "PROTVER=27.31", "MOD=ZED-F9P"]
    )
    assert run(frame)[0] == [Identity("ZED-F9P", "HPG 1.32")]
    assert run(build_mon_ver("7.03 (45969)", "00040007"))[0] == [Identity("u-blox 00040007", "7.03 (45969)")]


def test_nav_pvt_leads_over_nmea_and_nmea_comes_back(run: Callable) -> None:
    def nmea_at(index: int) -> bytes:
        fix = fix_at(NOON + index * 1000, FixMode.FIX_3D)
        return build_gga(fix) + build_rmc(fix)

    both = b"".join(nmea_at(i) + build_nav_pvt(fix_at(NOON + i * 1000)) for i in range(5))
    samples, _ = run(both + b"".join(nmea_at(i) for i in range(5, 12)))
    modes = [fix.mode for fix in samples]
    assert modes.count(FixMode.RTK_FIXED) == 5
    assert modes[-1] is FixMode.FIX_3D
    times = [fix.t_utc_ms for fix in samples]
    assert times[-1] == NOON + 11_000
    assert len(set(times[1:])) == len(times[1:])


def test_drivers_of_one_language_skip_the_other(run: Callable) -> None:
    stream = build_nav_pvt(fix_at()) + build_gga(fix_at()) + build_rmc(fix_at())
    ubx, ubx_stats = run(stream, "ubx")
    nmea, nmea_stats = run(stream, "nmea")
    assert [fix.lat_deg_e9 for fix in ubx] == [47_129_092_700]
    assert len(nmea) == 1
    assert (ubx_stats.skipped, nmea_stats.skipped) == (2, 1)


def test_hello_is_made_of_whole_frames() -> None:
    hello = make_driver("gnss").hello()
    assert count_ubx(hello) == 7
    assert make_driver("nmea").hello() == b""


def test_time_of_week() -> None:
    """The first NAV-PVT of the ZED-F9P capture: 2022-10-11T11:04:24Z is 212682 s of the week."""
    assert itow_ms(1_665_486_264_000) == 212_682_000
