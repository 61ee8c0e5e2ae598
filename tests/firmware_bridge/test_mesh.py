"""The Meshtastic radio: bytes by hand, Google's protobuf as the other end, splits, damage, ages, frames of ours.

The oracle is built here at run time out of field numbers alone.
"""

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import mesh_wire as wire
from firmware_bridge import mesh_words as words
from firmware_bridge.drivers import DRIVERS, sniff
from firmware_bridge.interface import Settings, Stats
from firmware_bridge.mesh_radio import (
    ASK_AGAIN_MS,
    HEARTBEAT_MS,
    NODES_MAX,
    QUEUED_MAX,
    SILENT_MS,
    TAKEN_MAX,
    MeshDriver,
    MeshOptions,
    question,
)
from protocols.catalog import Said, Source
from protocols.samples import Heard, Identity, Note, Observed, sample_as_dict
from sim.devices.mesh_radio import LOG, MeshRadio, NodeTruth

S, MS = 10**9, 10**6
UTC_S = 1_790_000_000
OWN, RIDGE, VALLEY = 0x11223344, 0xA1B2C3D4, 0x0BADCAFE


def nodes() -> list[NodeTruth]:
    return [
        NodeTruth(
            RIDGE,
            "山脊一号",
            "R1",
            36.6512345,
            117.1234567,
            412,
            5,
            271.0,
            81,
            3.95,
            -97,
            7.25,
            2,
            fix_age_s=12,
        ),
        NodeTruth(VALLEY, "Valley", "V", -33.5, -70.25, -12, battery_pct=101, hops=0),
    ]


def connect(radio: MeshRadio, driver: MeshDriver, t_ns: int = S) -> list[Any]:
    return driver.feed(radio.answer(driver.talk(t_ns)), t_ns)


def observed(samples: list[Any]) -> list[dict[str, object]]:
    return [sample_as_dict(sample) for sample in samples if isinstance(sample, Observed)]


def recording() -> bytes:
    """What a radio says to a program: its log, all that it knows, two moments, texts, a packet without a key."""
    around = nodes()
    radio = MeshRadio(OWN, around, UTC_S)
    out = LOG + radio.answer(question(1)) + radio.step(5_000) + radio.says(around[0], "北坡两人需要水")
    out += radio.secret(around[1]) + radio.packet(around[1], words.PRIVATE_APP, bytes(range(200)))
    return (
        out
        + radio.packet(around[0], 70, b"\x08\x01")
        + radio.step(10_000)
        + radio.answer(b"\x94\xc3\0\x02\x3a\0")
    )


def run(data: bytes, chunk: int) -> tuple[list[Any], Stats, list[Any]]:
    driver = MeshDriver(Settings())
    driver.talk(S)
    out: list[Any] = []
    for at in range(0, len(data), chunk):
        out += driver.feed(data[at : at + chunk], S)
    return out + driver.idle(3 * S), driver.stats, list(driver.taken)


# --- bytes by hand ---------------------------------------------------------------------------------


def test_questions_by_hand() -> None:
    assert question(1) == b"\xc3" * 32 + bytes.fromhex("94c30006 18 8180 80d0 05".replace(" ", ""))
    assert wire.frame(wire.put(wire.HEARTBEAT, b"")) == bytes.fromhex("94c300023a00")


def test_a_packet_by_hand() -> None:
    """from a1b2c3d4 to all, TEXT "hi", rx_time, snr 6.25, hop_limit 1, rssi -97, hop_start 3."""
    packet = bytes.fromhex(
        "0d d4c3b2a1 15 ffffffff 22 06 08 01 12 02 6869 35 01000000 3d 002ab16a 45 0000c840 48 01"
        "60 9fffffffffffffffff01 78 03".replace(" ", "")
    )
    told = words.packet(packet)
    assert told is not None
    assert told[:4] == (RIDGE, words.BROADCAST, 1, b"hi")
    assert told.rx_s == 0x6AB12A00
    assert {sample_as_dict(Observed(Source.MESH, 1, told.values))[key] for key in ("obs_rssi_dbm",)} == {-97}
    assert sorted(told.values.values()) == [-97, 2, 62]
    with pytest.raises(wire.MeshWireError):
        words.packet(packet[:-3])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x08", "varint"), (b"\x08" + b"\xff" * 10, "varint"), (b"\x0d\0\0\0", "needs 4"),
        (b"\x09" + bytes(7), "needs 8"),
        (b"\x12\x05ab", "needs 5"), (b"\x0b", "wire type 3"), (b"\x0c", "wire type 4"), (b"\x00\x01", "tag 0"),
        (b"\xff\xff\xff\xff\xff\x0f\x01", "tag"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(wire.MeshWireError, match=why):
        wire.read(data)


# --- the driver and the emulated radio -------------------------------------------------------------


def test_it_connects_and_tells_of_the_others() -> None:
    around = nodes()
    radio, driver = MeshRadio(OWN, around, UTC_S), MeshDriver(Settings())
    told = connect(radio, driver)
    assert driver.own == OWN
    assert [(h.id, h.what, h.text) for h in told if isinstance(h, Heard)] == [
        (RIDGE, Said.NAME, "山脊一号"), (VALLEY, Said.NAME, "Valley"),
    ]  # fmt: skip
    assert Identity("Meshtastic tbeam", "2.7.4.c1f4f79") in told
    assert Note("mesh", {"node": "!11223344", "asked": 1}) in told
    assert observed(told) == [], "without the radio's clock nothing of its memory has an age"
    place, battery, other, powered = observed(driver.feed(radio.step(5_000), 6 * S))[2:]
    assert place == {
        "sample": "observed", "source": "mesh", "id": RIDGE, "obs_lat_deg_e7": 366_512_345,
        "obs_lon_deg_e7": 1_171_234_567, "obs_alt_dm": 4_120, "obs_speed_dmps": 14, "obs_course_deg": 271,
        "obs_fix_mode": 3, "obs_age_s": 12, "obs_rssi_dbm": -97, "obs_snr_ddb": 72, "obs_hops": 2,
    }  # fmt: skip
    assert battery == {
        "sample": "observed", "source": "mesh", "id": RIDGE, "obs_battery_pct": 81, "obs_supply_mv": 3_950,
        "obs_rssi_dbm": -97, "obs_snr_ddb": 72, "obs_hops": 2,
    }  # fmt: skip
    assert (other["obs_lat_deg_e7"], other["obs_alt_dm"], other["obs_hops"]) == (-335_000_000, -120, 0)
    assert "obs_battery_pct" not in powered, "101 means powered, not 101 per cent"
    assert driver.stats.bad == 0


def test_what_the_radio_remembers_is_told_with_its_age() -> None:
    around = nodes()
    around[0].heard_ago_s = 600
    around[1].heard_ago_s = 90_000
    radio, driver = MeshRadio(OWN, around, UTC_S), MeshDriver(Settings())
    connect(radio, driver)
    me = NodeTruth(OWN, "me", battery_pct=50)
    told = observed(driver.feed(radio.packet(me, words.TELEMETRY_APP, radio._telemetry(me)), 2 * S))
    assert [one["id"] for one in told] == [RIDGE], "of 25 hours ago, and of the radio itself, nothing"
    assert (told[0]["obs_age_s"], told[0]["obs_battery_pct"], told[0]["obs_hops"]) == (612, 81, 2)
    assert observed(driver.feed(radio.packet(me, words.TELEMETRY_APP, b""), 3 * S)) == [], "once"


def test_without_clocks_there_is_a_place_and_no_age() -> None:
    radio, driver = MeshRadio(OWN, nodes(), 0), MeshDriver(Settings())
    connect(radio, driver)
    place = observed(driver.feed(radio.step(5_000), 6 * S))[0]
    assert place["obs_lat_deg_e7"] == 366_512_345
    assert "obs_age_s" not in place


def test_a_blurred_position_is_no_place_and_said_once() -> None:
    around = nodes()[:1]
    around[0].precision_bits = 13
    radio, driver = MeshRadio(OWN, around, UTC_S), MeshDriver(Settings())
    told = connect(radio, driver) + driver.feed(radio.step(5_000) + radio.step(6_000), 6 * S)
    assert [note for note in told if isinstance(note, Note)][1:] == [
        Note("mesh", {"node": "!a1b2c3d4", "blur_m": 5_830})
    ]
    assert observed(told)
    assert all("obs_lat_deg_e7" not in one for one in observed(told))


def test_no_fix_and_nonsense_are_no_place() -> None:
    for lat, lon in ((0, 0), (900_000_001, 5), (5, -1_800_000_001)):
        assert words.place(wire.put(words.LAT, lat) + wire.put(words.LON, lon)) is None
    on_equator = words.place(wire.put(words.LON, 1_000))
    assert on_equator is not None
    assert 0 in on_equator.values.values()


def test_course_of_either_scale() -> None:
    here = wire.put(words.LAT, 1) + wire.put(words.LON, 1)
    for track, course in ((27_100_000, 271), (35_999_999, 0), (27_100, None), (0, None)):
        told = words.place(here + wire.put(words.TRACK, track))
        assert told is not None
        assert sample_as_dict(Observed(Source.MESH, 1, told.values)).get("obs_course_deg") == course


def test_texts_to_us_and_to_all_are_heard_and_others_are_not() -> None:
    around = nodes()
    radio, driver = MeshRadio(OWN, around, UTC_S), MeshDriver(Settings())
    connect(radio, driver)
    heard = [
        sample.text
        for to in (OWN, words.BROADCAST, VALLEY)
        for port in (words.TEXT_APP, words.ALERT_APP, 7)
        for sample in driver.feed(radio.packet(around[0], port, f"{port} an {to:x}".encode(), to), 2 * S)
        if isinstance(sample, Heard)
    ]
    assert heard == ["1 an 11223344", "11 an 11223344", "1 an ffffffff", "11 an ffffffff"]
    (said,) = [x for x in driver.feed(radio.says(around[0], "\xff" * 9), 2 * S) if isinstance(x, Heard)]
    assert said == Heard(Source.MESH, RIDGE, Said.MESSAGE, "ÿ" * 9)


def test_skipped_kinds_are_counted() -> None:
    around = nodes()
    radio, driver = MeshRadio(OWN, around, UTC_S), MeshDriver(Settings())
    connect(radio, driver)
    skipped, good = driver.stats.skipped, driver.stats.good
    me = NodeTruth(OWN, "me")
    data = radio.secret(around[0]) + radio.packet(around[0], 70, b"") + radio.says(me, "mine")
    assert driver.feed(data, 2 * S)[2:] == [], "after what the radio remembered of the two"
    assert (driver.stats.skipped - skipped, driver.stats.good, driver.stats.bad) == (3, good, 0)
    bad = radio.packet(around[0], words.POSITION_APP, b"\x0d\x01")
    assert driver.feed(bad, 2 * S) == []
    assert driver.stats.bad == 1


def test_before_it_says_who_it_is_nobody_is_observed() -> None:
    radio, driver = MeshRadio(OWN, nodes(), UTC_S), MeshDriver(Settings())
    radio.open = True
    assert driver.feed(radio.step(0), S) == []


# --- questions, heartbeats, restarts ---------------------------------------------------------------


def test_it_asks_until_it_is_answered_then_keeps_the_connection_open() -> None:
    radio, driver = MeshRadio(OWN, nodes(), UTC_S), MeshDriver(Settings())
    assert driver.talk(S) == question(1)
    assert driver.talk_mono_ns == S + ASK_AGAIN_MS * MS
    assert driver.talk(2 * S) == b""
    at = S + ASK_AGAIN_MS * MS
    assert driver.talk(at) == question(2)
    driver.feed(radio.answer(question(1)), at)
    assert not driver.send_frame(b"x"), "the answer to an older question"
    driver.feed(radio.answer(question(2)), at)
    assert driver.talk_mono_ns == at + HEARTBEAT_MS * MS
    driver.feed(radio.answer(driver.talk(at + HEARTBEAT_MS * MS)), at + HEARTBEAT_MS * MS)
    assert radio.heartbeats == 1


def test_a_restart_is_noticed_by_its_word_and_by_silence() -> None:
    radio, driver = MeshRadio(OWN, nodes(), UTC_S), MeshDriver(Settings())
    connect(radio, driver)
    driver.feed(radio.reboot(), 2 * S)
    assert driver.talk_mono_ns == 2 * S
    told = connect(radio, driver, 2 * S)
    assert Note("mesh", {"node": "!11223344", "asked": 2}) in told
    assert driver.stats.bad == 0
    radio.reboot()  # nobody hears it
    t_ns = 2 * S
    for _ in range(SILENT_MS // HEARTBEAT_MS):
        t_ns = driver.talk_mono_ns or 0
        asked = driver.talk(t_ns)
    assert asked == question(3)
    assert t_ns <= 2 * S + SILENT_MS * MS


# --- frames of ours --------------------------------------------------------------------------------


def test_frames_go_through_the_mesh() -> None:
    around = nodes()
    radio, driver = (
        MeshRadio(OWN, around, UTC_S),
        MeshDriver(Settings(options=MeshOptions(channel=1, hops=5))),
    )
    assert not driver.send_frame(b"too early")
    connect(radio, driver)
    assert driver.send_frame(bytes(range(233)), RIDGE)
    assert not driver.send_frame(bytes(234))
    assert not driver.send_frame(b"")
    assert driver.talk_mono_ns == S
    driver.feed(radio.answer(driver.talk(S)), S)
    told = words.packet(radio.sent[0])
    assert told is not None
    assert (told.to, told.port, told.payload) == (RIDGE, words.PRIVATE_APP, bytes(range(233)))
    assert (wire.number(wire.read(radio.sent[0]), words.CHANNEL), driver.queued) == (1, 0)
    for number in range(TAKEN_MAX + 5):
        driver.feed(radio.packet(around[0], words.PRIVATE_APP, bytes((number,)), OWN), 2 * S)
    driver.feed(radio.packet(around[0], words.PRIVATE_APP, b"not ours", VALLEY), 2 * S)
    assert len(driver.taken) == TAKEN_MAX
    assert driver.taken[-1] == (RIDGE, OWN, bytes((TAKEN_MAX + 4,)))


def test_a_full_radio_is_given_nothing_and_the_queue_is_bounded() -> None:
    radio, driver = MeshRadio(OWN, [], UTC_S), MeshDriver(Settings())
    connect(radio, driver)
    radio.free = 2
    assert sum(driver.send_frame(b"x") for _ in range(50)) == QUEUED_MAX
    t_ns = S
    for _ in range(10):
        driver.feed(radio.answer(driver.talk(t_ns)), t_ns)
    assert (len(radio.sent), driver.queued) == (2, QUEUED_MAX - 2)
    assert (driver.talk_mono_ns or 0) > t_ns
    radio.free = 9
    for _ in range(20):
        t_ns = driver.talk_mono_ns or 0
        driver.feed(radio.answer(driver.talk(t_ns)), t_ns)
    assert len(radio.sent) == 11


def test_a_refusal_is_noted() -> None:
    radio, driver = MeshRadio(OWN, [], UTC_S), MeshDriver(Settings())
    connect(radio, driver)
    radio.free = 0
    driver.send_frame(b"x")
    assert driver.feed(radio.answer(driver.talk(S)), S) == [Note("mesh", {"refused": 1})]


# --- the stream ------------------------------------------------------------------------------------


def test_the_capture_and_its_golden() -> None:
    here = Path(__file__).parent / "captures/mesh"
    data = (here / "ridge.bin").read_bytes()
    assert data == recording()
    samples, stats, _ = run(data, len(data))
    golden = (here / "ridge.golden").read_text(encoding="utf-8")
    assert "".join(f"{sample_as_dict(sample)}\n" for sample in samples) == golden
    assert (stats.good, stats.bad, stats.skipped, stats.noise) == (17, 0, 3, data.count(LOG) * len(LOG))


def test_every_split_gives_the_same() -> None:
    data = recording() + b"\x94" + LOG
    whole = run(data, len(data))
    for chunk in (*range(1, 64), 200, 511):
        assert run(data, chunk) == whole, chunk


def test_a_stop_within_a_frame_is_given_up() -> None:
    data = recording()
    for size in range(len(data) - 200, len(data)):
        driver = MeshDriver(Settings())
        driver.feed(data[:size], S)
        assert driver.pending_size < wire.FRAME_SIZE_MAX
        driver.idle(3 * S)
        assert driver.pending_size == 0


def test_after_garbage_the_next_frame_is_read() -> None:
    rng = random.Random(4)
    for _ in range(300):
        radio, driver = MeshRadio(OWN, nodes()[:1], UTC_S, prints_log=False), MeshDriver(Settings())
        connect(radio, driver)
        driver.feed(rng.randbytes(rng.randrange(700)), 2 * S)
        driver.idle(4 * S)
        assert len(observed(driver.feed(radio.step(0), 5 * S))) >= 2


def test_a_frame_inside_a_strangers_payload_is_not_read() -> None:
    around = nodes()
    radio, driver = MeshRadio(OWN, around, UTC_S), MeshDriver(Settings())
    connect(radio, driver)
    driver.feed(radio.step(0), S)
    inside = radio.says(around[1], "evacuate")[len(LOG) :]
    for port in (words.TEXT_APP, words.PRIVATE_APP, 300):
        told = driver.feed(radio.packet(around[0], port, inside), 2 * S)
        assert all(sample.id == RIDGE for sample in told)


def test_damage_raises_nothing_and_costs_at_most_the_frame_behind() -> None:
    """There is no checksum on this line: most, not all, damaged bits are seen. What is not seen stays in range."""
    radio = MeshRadio(OWN, nodes()[:1], UTC_S, prints_log=False)
    head = radio.answer(question(1))
    data = radio.step(0)
    behind = radio.step(1_000) + radio.step(2_000)
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        driver = MeshDriver(Settings())
        driver.talk(S)
        driver.feed(head + bytes(bad) + behind, S)
        assert len(observed(driver.idle(3 * S))) + driver.stats.good >= 8, bit


@given(st.binary(max_size=600))
def test_garbage_is_survived_and_bounded(data: bytes) -> None:
    driver = MeshDriver(Settings())
    for at in range(0, len(data), 7):
        driver.feed(data[at : at + 7], S)
        driver.talk(S)
        assert driver.pending_size < wire.FRAME_SIZE_MAX
    driver.idle(3 * S)
    assert driver.pending_size == 0


@given(
    st.lists(st.tuples(st.sampled_from((18, 26, 34, 56, 64, 90, 106)), st.binary(max_size=60)), max_size=12)
)
def test_messages_of_garbage_are_survived(messages: list[tuple[int, bytes]]) -> None:
    driver = MeshDriver(Settings())
    for tag, value in messages:
        body = wire.put(tag, int.from_bytes(value[:8], "big") if tag & 7 == 0 else value)
        for sample in driver.feed(wire.frame(body), S):
            assert sample_as_dict(sample)


def test_nodes_are_bounded() -> None:
    radio, driver = MeshRadio(OWN, [], UTC_S), MeshDriver(Settings())
    radio.nodes = [NodeTruth(number, f"n{number}", "", 1.0, 1.0) for number in range(1, 900)]
    connect(radio, driver)
    assert len(driver._remembered) == NODES_MAX


def test_options_and_recognition() -> None:
    row = DRIVERS["mesh"]
    assert row.options({"channel": 2, "hops": 7}, Path()) == MeshOptions(2, 7)
    for raw, why in (
        ({"chanel": 1}, "known are channel, hops"),
        ({"hops": 8}, "1–7 needed, got 8"),
        ({"channel": True}, "0–7"),
    ):
        with pytest.raises(ValueError, match=why):
            row.options(raw, Path())
    assert sniff(recording()) == "mesh"
    assert wire.count_messages(MeshRadio(OWN, nodes(), UTC_S).answer(row.probe)) == 7


# --- Google's protobuf -----------------------------------------------------------------------------

TYPES = {"u32": 13, "i32": 5, "fixed32": 7, "sfixed32": 15, "float": 2, "bytes": 12, "string": 9, "bool": 8}
SCHEMA = {
    "FromRadio": "1 u32 id,2 MeshPacket packet,3 MyNodeInfo my_info,4 NodeInfo node_info,6 bytes log,7 u32 complete,"
    "8 bool rebooted,11 QueueStatus queue,13 Metadata metadata",
    "ToRadio": "1 MeshPacket packet,3 u32 want_config_id,7 Heartbeat heartbeat",
    "MeshPacket": "1 fixed32 sender,2 fixed32 to,3 u32 channel,4 Data decoded,5 bytes encrypted,6 fixed32 id,"
    "7 fixed32 rx_time,8 float rx_snr,9 u32 hop_limit,10 bool want_ack,12 i32 rx_rssi,14 bool via_mqtt,"
    "15 u32 hop_start",
    "Data": "1 u32 portnum,2 bytes payload,9 u32 bitfield",
    "Position": "1 sfixed32 lat,2 sfixed32 lon,3 i32 altitude,4 fixed32 time,7 fixed32 timestamp,15 u32 speed,"
    "16 u32 track,18 u32 fix_type,19 u32 sats,23 u32 precision_bits",
    "User": "1 string id,2 string long_name,3 string short_name",
    "DeviceMetrics": "1 u32 battery,2 float voltage,5 u32 uptime",
    "Telemetry": "1 fixed32 time,2 DeviceMetrics device_metrics",
    "NodeInfo": "1 u32 num,2 User user,3 Position position,4 float snr,5 fixed32 last_heard,6 DeviceMetrics metrics,"
    "9 u32 hops_away",
    "MyNodeInfo": "1 u32 my_node_num,13 string pio_env",
    "QueueStatus": "1 i32 res,2 u32 free,3 u32 maxlen",
    "Metadata": "1 string firmware_version",
    "Heartbeat": "1 u32 nonce",
}  # fmt: skip


@pytest.fixture(scope="module")
def proto() -> dict[str, Any]:
    """Classes of Google's protobuf, made of SCHEMA. Optional fields have presence, as in proto2."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="mesh_oracle.proto", package="oracle", syntax="proto2")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field in fields.split(","):
            number, kind, label = field.split()
            made = message.field.add(name=label, number=int(number), label=1)
            if kind in TYPES:
                made.type = TYPES[kind]  # type: ignore[assignment]
            else:
                made.type, made.type_name = 11, f".oracle.{kind}"  # type: ignore[assignment]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"oracle.{n}")) for n in SCHEMA}


def test_protobuf_reads_what_the_emulator_and_the_driver_send(proto: dict[str, Any]) -> None:
    data, found = recording(), []
    while (at := data.find(wire.SYNC)) >= 0:
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        found.append(proto["FromRadio"].FromString(data[at + 4 : end]))
        data = data[end:]
    assert len(found) == 20
    assert found[0].my_info.my_node_num == OWN
    packets = [one.packet for one in found if one.HasField("packet")]
    position = proto["Position"].FromString(packets[0].decoded.payload)
    assert (position.lat, position.lon, position.altitude, position.precision_bits) == (
        366_512_345,
        1_171_234_567,
        412,
        32,
    )
    assert (packets[0].rx_rssi, packets[0].rx_snr, packets[0].hop_start - packets[0].hop_limit) == (
        -97,
        7.25,
        2,
    )
    radio, driver = MeshRadio(OWN, [], UTC_S), MeshDriver(Settings(options=MeshOptions(2, 7)))
    asked = proto["ToRadio"].FromString(driver.talk(S)[36:])
    assert asked.want_config_id == 0x5A00_0001
    driver.feed(radio.answer(question(1)), S)
    driver.send_frame(b"\x00\xff" * 100, RIDGE)
    sent = proto["ToRadio"].FromString(driver.talk(S)[4:]).packet
    assert (sent.to, sent.channel, sent.hop_limit, sent.decoded.portnum) == (RIDGE, 2, 7, 256)
    assert sent.decoded.payload == b"\x00\xff" * 100
    assert proto["ToRadio"].FromString(driver.talk(S + HEARTBEAT_MS * MS)[4:]).HasField("heartbeat")


def test_we_read_what_protobuf_writes(proto: dict[str, Any]) -> None:
    """2,000 positions, batteries and nodes with any numbers, each to the last unit."""
    rng, agreed = random.Random(6), 0
    for _ in range(2_000):
        position = proto["Position"](
            lat=rng.randrange(-900_000_000, 900_000_000), lon=rng.randrange(1, 1_800_000_000),
            altitude=rng.randrange(-500, 9_000), timestamp=rng.randrange(words.CLOCK_S_MIN, 2**32),
            speed=rng.randrange(400), track=rng.randrange(36_001, 36_000_000), precision_bits=32,
        )  # fmt: skip
        metrics = proto["DeviceMetrics"](battery=rng.randrange(101), voltage=rng.randrange(1, 9_000) / 1_000)
        packet = proto["MeshPacket"](
            sender=rng.randrange(2**32), to=rng.randrange(2**32), rx_rssi=rng.randrange(-140, -1),
            rx_snr=rng.randrange(-80, 80) / 4, hop_start=7, hop_limit=rng.randrange(8), rx_time=rng.randrange(2**32),
            decoded=proto["Data"](portnum=rng.randrange(512), payload=rng.randbytes(rng.randrange(233))),
        )  # fmt: skip
        info = proto["NodeInfo"](
            num=rng.randrange(2**32), user=proto["User"](long_name="山" * rng.randrange(1, 9)), position=position,
            metrics=metrics, hops_away=rng.randrange(8), last_heard=rng.randrange(2**32),
        )  # fmt: skip
        place, heard = words.place(position.SerializeToString()), words.packet(packet.SerializeToString())
        node = words.node(info.SerializeToString())
        assert place is not None
        assert heard is not None
        where = sample_as_dict(Observed(Source.MESH, 1, place.values))
        how = sample_as_dict(Observed(Source.MESH, 1, heard.values))
        power = sample_as_dict(Observed(Source.MESH, 1, node.values))
        agreed += (
            (
                where["obs_lat_deg_e7"],
                where["obs_lon_deg_e7"],
                where["obs_alt_dm"],
                where["obs_course_deg"],
                place.t_s,
            )
            == (
                position.lat,
                position.lon,
                position.altitude * 10,
                round(position.track / 1e5) % 360,
                position.timestamp,
            )
            and (heard.sender, heard.to, heard.port, heard.payload)
            == (packet.sender, packet.to, packet.decoded.portnum, packet.decoded.payload)
            and (how["obs_rssi_dbm"], how["obs_snr_ddb"], how["obs_hops"])
            == (packet.rx_rssi, round(10 * packet.rx_snr), 7 - packet.hop_limit)
            and (node.number, node.name, node.place) == (info.num, info.user.long_name, place)
            and (power["obs_battery_pct"], power["obs_supply_mv"], power["obs_hops"])
            == (metrics.battery, round(1_000 * metrics.voltage), info.hops_away)
        )
    assert agreed == 2_000


@given(st.binary(max_size=80))
def test_what_protobuf_refuses_we_refuse(proto: dict[str, Any], data: bytes) -> None:
    """And the other way round, but for groups, which no radio sends and we refuse."""
    from google.protobuf.message import DecodeError

    try:
        words_of = wire.read(data)
    except wire.MeshWireError as err:
        if "wire type" not in str(err):
            with pytest.raises(DecodeError):
                proto["Heartbeat"].FromString(data)
        return
    told = proto["Heartbeat"].FromString(data)
    assert told.nonce == wire.number(words_of, 8)


def test_the_radio_tells_how_busy_the_channel_is() -> None:
    radio, driver = MeshRadio(OWN, [], UTC_S), MeshDriver(Settings())
    connect(radio, driver)
    assert (driver.channel_use_pct, driver.air_use_pct) == (None, None)
    busy = wire.put(words.CHANNEL_USE, float_bits(12.5)) + wire.put(words.AIR_USE, float_bits(0.75))
    told = wire.put(words.DEVICE_METRICS, wire.put(words.BATTERY, 80) + busy)
    assert driver.feed(radio.packet(NodeTruth(OWN, "me"), words.TELEMETRY_APP, told), 2 * S) == []
    assert (driver.channel_use_pct, driver.air_use_pct) == (12.5, 0.75)


def float_bits(value: float) -> int:
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


def test_floats_that_are_no_numbers() -> None:
    for bits in (b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\x80\xff"):
        assert words.metrics(wire.put(words.VOLTAGE, struct.unpack("<I", bits)[0])) == {}
