"""MAVLink: reference frame, pymavlink as the independent end both ways, damage, splits, several drones."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import mavlink_wire as wire
from firmware_bridge.drivers import DRIVERS, sniff
from firmware_bridge.interface import Settings, Stats
from firmware_bridge.mavlink_radio import DRONES_MAX, MavlinkDriver, MavlinkOptions
from protocols.catalog import Said, Source, field_id
from protocols.samples import Heard, Note, Observed, sample_as_dict
from sim.devices.mavlink_drone import Drone, DroneTruth

S = 10**9
REFERENCE = bytes.fromhex("fd09000005010100000000000000020351040395b8")
TRUTH = DroneTruth(36.65, 117.0, 120.0, 90.0, 5.0, 53.13, 90.0, 6.0, -11.0, 77)


def observed(samples: list[Any]) -> list[dict[str, object]]:
    return [sample_as_dict(sample) for sample in samples if isinstance(sample, Observed)]


def heard_all(data: bytes, chunk: int) -> tuple[list[Any], Stats]:
    driver, out = MavlinkDriver(Settings(device=7)), []
    for at in range(0, len(data), chunk):
        out += driver.feed(data[at : at + chunk], S)
    out += driver.idle(3 * S)
    return out, driver.stats


def test_the_reference_frame() -> None:
    assert wire.x25(b"123456789") == 0x6F91
    found: list[wire.Frame] = []
    wire.FrameSplitter(Stats(), found.append).feed(REFERENCE)
    (frame,) = found
    assert (frame.system, frame.component, frame.message) == (1, 1, wire.HEARTBEAT)
    assert frame.payload == bytes.fromhex("000000000203510403")
    assert wire.build(frame, 5) == REFERENCE


def test_a_drone_becomes_an_observation() -> None:
    samples, stats = heard_all(Drone(3).moment(TRUTH, 1_000), 10_000)
    (first,) = observed(samples)
    assert first["id"] == 7 * 256 + 3
    assert first["obs_armed"] == 1
    driver, drone = MavlinkDriver(Settings(device=7)), Drone(3)
    driver.feed(drone.moment(TRUTH, 0), S)
    (told,) = observed(driver.feed(drone.moment(TRUTH, 2_000), 3 * S))
    assert told == {
        "sample": "observed", "source": "drone", "id": 1_795,
        "obs_lat_deg_e7": 366_500_000, "obs_lon_deg_e7": 1_170_000_000, "obs_alt_dm": 1_200, "obs_height_dm": 900,
        "obs_speed_dmps": 50, "obs_course_deg": 53, "obs_heading_ddeg": 900, "obs_roll_deg": 6, "obs_pitch_deg": -11,
        "obs_battery_pct": 77, "obs_supply_mv": 15_200, "obs_mode": 4, "obs_armed": 1, "obs_fix_mode": 3,
    }  # fmt: skip
    assert (stats.good, stats.bad, stats.noise) == (5, 0, 0)


def test_pymavlink_reads_what_the_emulator_sends() -> None:
    dialect = pytest.importorskip("pymavlink.dialects.v20.common")
    other = dialect.MAVLink(io.BytesIO())
    other.robust_parsing = False
    messages = other.parse_buffer(bytearray(Drone(3).moment(TRUTH, 1_000) + Drone(3).says("起飞")))
    by_name = {message.get_type(): message for message in messages}
    assert len(messages) == 6
    assert by_name["GLOBAL_POSITION_INT"].lat == 366_500_000
    assert by_name["GLOBAL_POSITION_INT"].hdg == 9_000
    assert by_name["BATTERY_STATUS"].battery_remaining == 77
    assert by_name["GPS_RAW_INT"].fix_type == 3
    assert by_name["HEARTBEAT"].custom_mode == 4


def test_we_read_what_pymavlink_sends() -> None:
    """500 positions, attitudes and batteries, each to the last unit."""
    dialect = pytest.importorskip("pymavlink.dialects.v20.common")
    import random

    rng, mav = random.Random(5), dialect.MAVLink(io.BytesIO(), srcSystem=9, srcComponent=1)
    driver = MavlinkDriver(Settings(device=7))
    agreed = 0
    for i in range(500):
        lat, lon = rng.randrange(-900_000_000, 900_000_000), rng.randrange(1, 1_800_000_000)
        alt, height = rng.randrange(-500_000, 9_000_000), rng.randrange(-500_000, 9_000_000)
        heading, battery = rng.randrange(36_000), rng.randrange(101)
        sent = (
            dialect.MAVLink_battery_status_message(0, 0, 0, 0, [4_000] + [65_535] * 9, 1, 1, 1, battery),
            dialect.MAVLink_global_position_int_message(i, lat, lon, alt, height, 0, 0, 0, heading),
        )
        (told,) = observed(driver.feed(b"".join(message.pack(mav) for message in sent), (3 * i + 6) * S // 2))
        want = (lat, lon, round(alt / 100), round(height / 100), round(heading / 10) % 3_600, battery)
        names = ("lat_deg_e7", "lon_deg_e7", "alt_dm", "height_dm", "heading_ddeg", "battery_pct")
        agreed += want == tuple(told[f"obs_{name}"] for name in names)
    assert agreed == 500
    assert driver.stats.bad == driver.stats.noise == 0


def test_signed_frames_are_read_and_unknown_flags_refused() -> None:
    frame = bytearray(REFERENCE)
    frame[2] = wire.SIGNED
    crc = wire.x25(bytes((50,)), wire.x25(bytes(frame[1:-2])))
    signed = bytes(frame[:-2]) + crc.to_bytes(2, "little") + bytes(13)
    assert wire.count_frames(signed + REFERENCE) == 2
    frame[2] = 0x02
    assert wire.count_frames(bytes(frame)) == 0


def test_unknown_messages_are_skipped_whole_wherever_the_chunks_end() -> None:
    other = bytearray(REFERENCE)
    other[7] = 200  # a message that is not in the table, with 0xFD in its payload
    other[12] = wire.MAGIC
    data = REFERENCE + bytes(other) + REFERENCE + bytes(other)
    for chunk in range(1, len(data)):
        _, stats = heard_all(data, chunk)
        assert (stats.good, stats.skipped, stats.bad, stats.noise) == (2, 2, 0, 0), chunk


def test_every_split_gives_the_same() -> None:
    data = Drone(1).moment(TRUTH, 0) + b"noise" + Drone(2).moment(TRUTH, 0) + Drone(1).says("ok")
    whole = heard_all(data, len(data))
    for chunk in range(1, 80):
        assert heard_all(data, chunk) == whole, chunk


def test_no_damaged_bit_moves_a_drone() -> None:
    data = Drone(1).moment(TRUTH, 0)
    found: list[wire.Frame] = []
    wire.FrameSplitter(Stats(), found.append).feed(data)
    whole = set(found)
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        frames: list[wire.Frame] = []
        splitter = wire.FrameSplitter(Stats(), frames.append)
        splitter.feed(bytes(bad))
        splitter.give_up_frame()
        # X.25 finds every single bit; a damaged length may cost the frame behind it too.
        assert set(frames) <= whole
        assert len(frames) >= len(whole) - 2


@given(st.binary(max_size=600))
def test_garbage_is_survived_and_bounded(data: bytes) -> None:
    driver = MavlinkDriver(Settings(device=7))
    for at in range(0, len(data), 7):
        driver.feed(data[at : at + 7], S)
        assert driver.pending_size < wire.FRAME_SIZE_MAX
    driver.idle(3 * S)
    assert driver.pending_size == 0
    assert observed(driver.feed(Drone(1).moment(TRUTH, 0), 9 * S)) or driver.stats.good >= 4


def test_a_position_that_was_heard_long_ago_is_not_told_again() -> None:
    driver, drone = MavlinkDriver(Settings(device=7)), Drone(1)
    driver.feed(drone.moment(TRUTH, 0), S)
    heartbeat = drone.moment(TRUTH, 9_000)[:21]
    told = observed(driver.feed(heartbeat, 10 * S))
    assert told
    assert all("obs_lat_deg_e7" not in one for one in told)


def test_before_the_first_fix_there_is_no_position() -> None:
    driver, drone = MavlinkDriver(Settings(device=7)), Drone(1)
    nowhere = DroneTruth(0, 0, 0, 0, 0, 0, 0, fix=0)
    for second in range(4):
        for one in observed(driver.feed(drone.moment(nowhere, 0), second * 2 * S)):
            assert "obs_lat_deg_e7" not in one


def test_texts_ground_stations_and_the_radio_itself() -> None:
    driver = MavlinkDriver(Settings(device=7))
    (text,) = driver.feed(Drone(3).says("电量低"), S)
    assert text == Heard(Source.DRONE, 1_795, Said.MESSAGE, "电量低")
    station = wire.build(wire.Frame(255, 1, wire.HEARTBEAT, bytes((0, 0, 0, 0, 6, 8, 0, 4, 3))), 1)
    assert driver.feed(station, 2 * S) == []
    radio = wire.build(wire.Frame(51, 68, wire.RADIO_STATUS, bytes((0, 0, 0, 0, 200, 190, 50, 9, 9))), 1)
    assert driver.feed(radio, 3 * S) == [Note("radio", {"rssi": 200, "remote_rssi": 190})]


def test_drones_are_bounded() -> None:
    driver = MavlinkDriver(Settings(device=7))
    for system in range(1, 100):
        driver.feed(Drone(system).moment(TRUTH, 0), system * S)
    assert len(driver._drones) == DRONES_MAX


def test_it_asks_only_when_told_to() -> None:
    assert MavlinkDriver(Settings()).talk(S) == b""
    driver = MavlinkDriver(Settings(options=MavlinkOptions(ask=True)))
    assert wire.count_frames(driver.talk(S)) == 1
    assert driver.talk(S + 1) == b""
    assert driver.talk_mono_ns == 2 * S
    row = DRIVERS["mavlink"]
    with pytest.raises(ValueError, match="known is ask"):
        row.options({"asks": True}, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="true or false needed, got 1"):
        row.options({"ask": 1}, None)  # type: ignore[arg-type]


def test_it_is_recognised() -> None:
    assert sniff(Drone(1).moment(TRUTH, 0)) == "mavlink"
    assert field_id("obs_lat_deg_e7") == 194
