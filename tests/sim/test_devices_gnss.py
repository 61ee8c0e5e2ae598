"""Emulated receivers, read by the product's own drivers."""

import pytest

from firmware_bridge.drivers import make_driver
from firmware_bridge.framing import count_ubx
from firmware_bridge.ubx import NAV_PVT
from firmware_bridge.ubx_build import KEYS_NAV_PVT, build_cfg_msg, build_cfg_valset, build_mon_ver_poll
from protocols.samples import Fix, FixMode, Identity
from sim.devices.gnss_nmea import NmeaReceiver
from sim.devices.gnss_ubx import UbxReceiver

FIX = Fix(
    1_767_268_800_040, FixMode.FIX_3D, 31_247_950_000, 121_587_438_300, 5_000, 1_500, 9_000, 1_414, 9, 12, 90
)
ACK, NAK = b"\xb5b\x05\x01", b"\xb5b\x05\x00"


def read(data: bytes) -> list[object]:
    driver = make_driver("gnss")
    return [*driver.feed(data, 0), *driver.idle(10**10)]


def test_nmea_receiver_tells_the_truth() -> None:
    (fix,) = read(NmeaReceiver(places=8).epoch(FIX))
    assert isinstance(fix, Fix)
    assert abs((fix.hacc_mm or 0) - 1_414) <= 2
    assert (fix.t_utc_ms, fix.mode, fix.lat_deg_e9, fix.lon_deg_e9) == FIX_START
    assert (fix.alt_mm, fix.course_cdeg, fix.sats_used, fix.sats_seen, fix.hdop_e2) == (
        5_000,
        9_000,
        9,
        12,
        90,
    )


FIX_START = (FIX.t_utc_ms, FIX.mode, FIX.lat_deg_e9, FIX.lon_deg_e9)


@pytest.mark.parametrize("receiver", [NmeaReceiver(), UbxReceiver()])
def test_lost_fix_is_void(receiver: NmeaReceiver | UbxReceiver) -> None:
    receiver.answer(build_cfg_msg(NAV_PVT))
    void = Fix(FIX.t_utc_ms, FixMode.NONE, sats_used=2, sats_seen=4)
    for sample in read(receiver.epoch(void)):
        assert isinstance(sample, Fix)
        assert (sample.mode, sample.lat_deg_e9) == (FixMode.NONE, None)


def test_ubx_receiver_obeys() -> None:
    receiver = UbxReceiver(nmea=False)
    assert receiver.epoch(FIX) == b""
    assert receiver.answer(build_cfg_msg(NAV_PVT)).startswith(ACK)
    assert count_ubx(receiver.epoch(FIX)) == 1
    assert receiver.answer(build_cfg_msg(NAV_PVT, 2)).startswith(ACK)
    assert [count_ubx(receiver.epoch(FIX)) for _ in range(4)] == [0, 1, 0, 1]
    assert receiver.answer(build_cfg_valset(KEYS_NAV_PVT, 0)).startswith(ACK)
    assert receiver.epoch(FIX) == b""
    assert receiver.answer(build_cfg_valset([*KEYS_NAV_PVT, 0x20910001])).startswith(NAK)
    assert receiver.answer(build_cfg_msg(0x0199)).startswith(NAK)
    assert receiver.epoch(FIX) == b""


def test_ubx_receiver_says_who_it_is_even_in_pieces() -> None:
    receiver = UbxReceiver("NEO-M9N", "SPG 4.04")
    poll = build_mon_ver_poll()
    answer = receiver.answer(poll[:3]) + receiver.answer(poll[3:])
    assert read(answer) == [Identity("NEO-M9N", "SPG 4.04")]


def test_hello_of_the_driver_brings_every_digit() -> None:
    receiver = UbxReceiver()
    receiver.answer(make_driver("gnss").hello())
    fixes = [sample for sample in read(receiver.epoch(FIX) * 2) if isinstance(sample, Fix)]
    assert (fixes[-1].t_utc_ms, fixes[-1].mode, fixes[-1].lat_deg_e9, fixes[-1].lon_deg_e9) == FIX_START
