"""The few MQTT packets that a client at QoS 0 needs, as bytes and back. Pure.

Enters: bytes from a broker. Leaves: PUBLISHes as (topic, payload), other packets as (type, body); and packets
to send, of MQTT 3.1.1 or 5. Callers: `hub.mqtt`, `sim.mqtt_batch`. Own code because a general client costs
30–50 µs a message and this 2; everything else uses paho.

**Source:** OASIS MQTT 5.0 sections 1.5.5, 2.1, 3.1–3.3, 3.8, 3.12, 3.14; MQTT 3.1.1 the same matters.
"""

from collections.abc import Sequence

from protocols.errors import MqttError

CONNACK, PUBLISH, SUBACK, PINGRESP, DISCONNECT = 2, 3, 9, 13, 14
PINGREQ_PACKET = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"
PACKET_BYTES_MAX = 65_536
VARINT_MAX = 2**28 - 1
REFUSED_FROM = 0x80
"""Codes of a SUBACK from here on say that a subscription was refused."""
_PUBLISH_QOS_0 = 0x30
_QOS_BITS = 0x06
_CLEAN_START, _LOGIN = 0x02, 0xC0

Message = tuple[str, bytes]
Packet = tuple[int, bytes]


def varint(number: int) -> bytes:
    """A length, 0–VARINT_MAX, in 1–4 bytes of seven bits, low first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + varint(len(body)) + body


def connect(
    client_id: str, keepalive_s: int, *, version_5: bool, login: tuple[str, str] | None = None
) -> bytes:
    """CONNECT without a session or a will. `login`: name and password."""
    flags = _CLEAN_START | (_LOGIN if login else 0)
    head = _text("MQTT") + bytes([5 if version_5 else 4, flags]) + keepalive_s.to_bytes(2, "big")
    who = b"".join(_text(part) for part in (client_id, *(login or ())))
    return _packet(0x10, head + _no_properties(version_5) + who)


def subscribe(topics: Sequence[str], *, version_5: bool, packet_id: int = 1) -> bytes:
    """SUBSCRIBE at QoS 0. `packet_id` 1–65,535."""
    filters = b"".join(_text(topic) + b"\0" for topic in topics)
    return _packet(0x82, packet_id.to_bytes(2, "big") + _no_properties(version_5) + filters)


def publish_head(topic: str, *, version_5: bool) -> bytes:
    """What stands before the payload in a PUBLISH: made once for a topic that is used often."""
    return _text(topic) + _no_properties(version_5)


def publish(head: bytes, payload: bytes) -> bytes:
    """PUBLISH at QoS 0, not retained. `head` is of `publish_head`."""
    return b"\x30" + varint(len(head) + len(payload)) + head + payload


def _no_properties(version_5: bool) -> bytes:
    return b"\0" if version_5 else b""


class Reader:
    """Cuts a stream of bytes into packets."""

    __slots__ = ("_rest", "_version_5")

    def __init__(self, *, version_5: bool) -> None:
        self._version_5 = version_5
        self._rest = b""

    def feed(self, data: bytes) -> tuple[list[Message], list[Packet]]:
        """The next bytes: the messages that they complete, and the other packets.

        MqttError: nothing more can be read from this connection, and what stood before the fault in `data` is
        gone with it, as QoS 0 allows.
        """
        if self._rest:
            data = self._rest + data
        messages: list[Message] = []
        others: list[Packet] = []
        version_5 = self._version_5
        at, end = 0, len(data)
        while end - at >= 2:
            first, length, start = data[at], data[at + 1], at + 2
            if length > 0x7F:
                found = _read_varint(data, at + 1, end)
                if found is None:
                    break
                length, start = found
                if length > PACKET_BYTES_MAX:
                    raise MqttError(f"mqtt: a packet of {length} bytes, at most {PACKET_BYTES_MAX} accepted")
            stop = start + length
            if stop > end:
                break
            if first >> 4 == PUBLISH:
                # In the loop and not in a function of its own: a hub reads ten thousand of these a second.
                payload = text_end = _text_end(data, start, stop, first)
                if version_5:
                    payload = text_end + 1
                    if text_end >= stop or data[text_end]:
                        payload = _properties_end(data, text_end, stop)
                try:
                    messages.append((data[start + 2 : text_end].decode(), data[payload:stop]))
                except UnicodeDecodeError:
                    raise MqttError("mqtt: a topic is not UTF-8") from None
            else:
                others.append((first >> 4, data[start:stop]))
            at = stop
        self._rest = data[at:]
        return messages, others


def _text_end(data: bytes, start: int, stop: int, first: int) -> int:
    """Where a PUBLISH's topic ends."""
    if first & _QOS_BITS:
        raise MqttError(f"mqtt: a PUBLISH of QoS {first >> 1 & 3}, subscribed at 0")
    text_end = start + 2 + int.from_bytes(data[start : start + 2], "big")
    if text_end > stop:
        raise MqttError("mqtt: a PUBLISH is longer inside than outside")
    return text_end


def _properties_end(data: bytes, at: int, stop: int) -> int:
    """Where the properties at `at` end; they say nothing that is needed."""
    found = _read_varint(data, at, stop)
    if found is None:
        raise MqttError("mqtt: properties have no length")
    length, start = found
    if start + length > stop:
        raise MqttError("mqtt: a PUBLISH is longer inside than outside")
    return start + length


def _read_varint(data: bytes, at: int, stop: int) -> tuple[int, int] | None:
    """A length at `at` and where it ends; None: more bytes needed. MqttError: more than four bytes."""
    number = 0
    for i in range(min(4, stop - at)):
        byte = data[at + i]
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return number, at + i + 1
    if stop - at >= 4:
        raise MqttError("mqtt: a length of more than 4 bytes")
    return None
