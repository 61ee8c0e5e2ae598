"""Our MQTT packets against paho's reading of them elsewhere (test_flow), and every split point here."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import mqtt_wire
from hub.mqtt_wire import MqttError, Reader


def read(pieces: list[bytes], version_5: bool = True) -> tuple[list[Any], list[Any]]:
    messages: list[Any] = []
    others: list[Any] = []
    reader = Reader(lambda *m: messages.append(m), lambda *o: others.append(o), version_5=version_5)
    for piece in pieces:
        reader.feed(piece)
    return messages, others


@pytest.mark.parametrize("version_5", [True, False])
def test_every_split_point(version_5: bool) -> None:
    long = bytes(300)
    data = mqtt_wire.publish("z/live/0/1/2", b"abc", version_5=version_5) + b"\xd0\x00"
    data += mqtt_wire.publish("t", long, version_5=version_5)
    wanted = ([("z/live/0/1/2", b"abc"), ("t", long)], [(mqtt_wire.PINGRESP, b"")])
    for cut in range(len(data) + 1):
        assert read([data[:cut], data[cut:]], version_5) == wanted
    assert read([bytes([byte]) for byte in data], version_5) == wanted


def test_properties_are_passed_over() -> None:
    assert read([b"\x30\x09\x00\x01t\x03\x01\x01\x01ab"])[0] == [("t", b"ab")]


@pytest.mark.parametrize(
    "data",
    [
        b"\x32\x05\x00\x01t\x00\x01",  # QoS 1
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x30\xff\xff\x7f",  # 2 MiB
        b"\x30\x04\x00\x09t\x00",  # a topic longer than its packet
        b"\x30\x04\x00\x01t\x05",  # properties longer than their packet
        b"\x30\x04\x00\x01\xff\x00",  # not UTF-8
    ],
)
def test_what_mqtt_does_not_allow(data: bytes) -> None:
    with pytest.raises(MqttError):
        read([data])


@given(st.lists(st.binary(max_size=20), max_size=8), st.booleans())
def test_noise_raises_nothing_else(pieces: list[bytes], version_5: bool) -> None:
    try:
        read(pieces, version_5)
    except MqttError:
        pass


@given(st.integers(0, 2**28 - 1))
def test_varint(number: int) -> None:
    data = mqtt_wire.varint(number)
    assert mqtt_wire._read_varint(data, 0, len(data)) == (number, len(data))
