"""MQTT packets at every split point, malformed, and too long. Brokers and paho read them in the flow tests."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import mqtt_wire
from protocols.errors import MqttError
from protocols.mqtt_wire import Reader

Read = tuple[list[Any], list[Any]]


def read(pieces: list[bytes], version_5: bool = True) -> Read:
    messages: list[Any] = []
    others: list[Any] = []
    reader = Reader(version_5=version_5)
    for piece in pieces:
        more_messages, more_others = reader.feed(piece)
        messages += more_messages
        others += more_others
    return messages, others


def published(topic: str, payload: bytes, version_5: bool = True) -> bytes:
    return mqtt_wire.publish(mqtt_wire.publish_head(topic, version_5=version_5), payload)


@pytest.mark.parametrize("version_5", [True, False])
def test_every_split_point(version_5: bool) -> None:
    long = bytes(300)
    data = published("z/live/0/1/2", b"abc", version_5) + b"\xd0\x00" + published("t", long, version_5)
    data += published("战图", b"", version_5)
    wanted = ([("z/live/0/1/2", b"abc"), ("t", long), ("战图", b"")], [(mqtt_wire.PINGRESP, b"")])
    for cut in range(len(data) + 1):
        assert read([data[:cut], data[cut:]], version_5) == wanted
    assert read([bytes([byte]) for byte in data], version_5) == wanted


@pytest.mark.parametrize(
    ("packet", "wanted"),
    [
        (mqtt_wire.connect("a", 60, version_5=False), "100d 0004 4d515454 04 02 003c 0001 61"),
        (mqtt_wire.connect("a", 60, version_5=True), "100e 0004 4d515454 05 02 003c 00 0001 61"),
        (mqtt_wire.subscribe(["t"], version_5=False, packet_id=258), "8206 0102 0001 74 00"),
        (mqtt_wire.subscribe(["t", "u"], version_5=True), "820b 0001 00 0001 74 00 0001 75 00"),
        (published("t", b"\x07", version_5=False), "3004 0001 74 07"),
        (published("t", b"\x07"), "3005 0001 74 00 07"),
    ],
)
def test_packets_as_the_standard_has_them(packet: bytes, wanted: str) -> None:
    assert packet.hex() == wanted.replace(" ", "")


def test_properties_are_passed_over() -> None:
    assert read([b"\x30\x09\x00\x01t\x03\x01\x01\x01ab"])[0] == [("t", b"ab")]
    long = b"\x00\x01t\x82\x01" + bytes(130) + b"ab"
    assert read([b"\x30" + mqtt_wire.varint(len(long)) + long])[0] == [("t", b"ab")]


@pytest.mark.parametrize(
    "data",
    [
        b"\x32\x05\x00\x01t\x00\x01",  # QoS 1
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x30\xff\xff\xff\xff",  # the same, known before its end
        b"\x30\xff\xff\x7f",  # 2 MiB
        b"\x30\x81\x80\x04",  # one more than PACKET_BYTES_MAX
        b"\x30\x00",  # no topic
        b"\x30\x01\x00",  # half a topic's length
        b"\x30\x04\x00\x09t\x00",  # a topic longer than its packet
        b"\x30\x04\x00\x01t\x05",  # properties longer than their packet
        b"\x30\x03\x00\x01t",  # no properties
        b"\x30\x04\x00\x01t\x80",  # half a length of properties
        b"\x30\x04\x00\x01\xff\x00",  # not UTF-8
    ],
)
def test_what_mqtt_does_not_allow(data: bytes) -> None:
    with pytest.raises(MqttError):
        read([data])
    with pytest.raises(MqttError):
        read([bytes([byte]) for byte in data])


def test_the_longest_packet() -> None:
    payload = bytes(mqtt_wire.PACKET_BYTES_MAX - 4)
    assert read([published("t", payload)])[0] == [("t", payload)]
    with pytest.raises(MqttError, match="65536 accepted"):
        read([published("t", payload + b"\0")[:5]])


@given(st.lists(st.binary(max_size=20), max_size=8), st.booleans())
def test_noise_raises_nothing_else(pieces: list[bytes], version_5: bool) -> None:
    try:
        read(pieces, version_5)
    except MqttError:
        pass


@given(st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=200)), max_size=6), st.data())
def test_any_cut_gives_the_same(messages: list[tuple[str, bytes]], data: st.DataObject) -> None:
    version_5 = data.draw(st.booleans())
    stream = b"".join(published(topic, payload, version_5) for topic, payload in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(pieces, version_5) == (messages, [])


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (2_097_152, "80808001"),
        (2**28 - 1, "ffffff7f"),
    ],
)
def test_lengths_are_mqtts(number: int, data: str) -> None:
    assert mqtt_wire.varint(number).hex() == data


@given(st.integers(0, mqtt_wire.VARINT_MAX))
def test_varint(number: int) -> None:
    data = mqtt_wire.varint(number)
    assert mqtt_wire._read_varint(data, 0, len(data)) == (number, len(data))
    assert mqtt_wire._read_varint(data, 0, len(data) - 1) is None


def test_a_login_stands_behind_the_name() -> None:
    """**Source:** MQTT 3.1.1, 3.1.2.3 and 3.1.3: clean session, user name and password flags."""
    made = mqtt_wire.connect("c", 15, version_5=False, login=("u", "pw"))
    assert made == bytes.fromhex("1014 0004 4d515454 04 c2 000f 0001 63 0001 75 0002 7077")
