"""The few MQTT packets that the hub needs, as bytes and back. Pure.

Enters: bytes from a broker. Leaves: PUBLISHes as (topic, payload) and the types of other packets; and packets to
send. QoS 0 only, MQTT 5 or 3.1.1. Own code because a general client costs about 50 µs a message, and this 2.

**Source:** OASIS MQTT 5.0 sections 2.1, 3.1–3.3, 3.8, 3.12, 3.14; MQTT 3.1.1 the same sections.
"""

from collections.abc import Callable, Sequence

CONNACK, PUBLISH, SUBACK, PINGRESP, DISCONNECT = 2, 3, 9, 13, 14
PINGREQ_PACKET = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"
PACKET_BYTES_MAX = 65_536
_CLEAN_START = 0x02


class MqttError(Exception):
    """The broker sent what MQTT does not allow, or more than the hub accepts."""


def varint(number: int) -> bytes:
    """A length in 1–4 bytes of seven bits."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + varint(len(body)) + body


def connect(client_id: str, keepalive_s: int, *, version_5: bool) -> bytes:
    """CONNECT without a session, a will or a name."""
    head = _text("MQTT") + bytes([5 if version_5 else 4, _CLEAN_START]) + keepalive_s.to_bytes(2, "big")
    return _packet(0x10, head + (b"\0" if version_5 else b"") + _text(client_id))


def subscribe(topics: Sequence[str], *, version_5: bool) -> bytes:
    """SUBSCRIBE at QoS 0."""
    filters = b"".join(_text(topic) + b"\0" for topic in topics)
    return _packet(0x82, b"\0\x01" + (b"\0" if version_5 else b"") + filters)


def publish(topic: str, payload: bytes, *, version_5: bool) -> bytes:
    """PUBLISH at QoS 0, not retained."""
    return _packet(0x30, _text(topic) + (b"\0" if version_5 else b"") + payload)


class Reader:
    """Cuts a stream of bytes into packets. `message` is called for each PUBLISH, `other` for the rest."""

    def __init__(
        self, message: Callable[[str, bytes], None], other: Callable[[int, bytes], None], *, version_5: bool
    ) -> None:
        self._message = message
        self._other = other
        self._version_5 = version_5
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """The next bytes. MqttError: nothing more can be read from this connection."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while True:
            found = _frame(data, at, end)
            if found is None:
                break
            start, stop = found
            if data[at] >> 4 == PUBLISH:
                self._publish(data, data[at], start, stop)
            else:
                self._other(data[at] >> 4, data[start:stop])
            at = stop
        self._rest = data[at:]

    def _publish(self, data: bytes, first: int, start: int, stop: int) -> None:
        if first & 0x06:
            raise MqttError(f"mqtt: a PUBLISH of QoS {first >> 1 & 3}, subscribed at 0")
        at = start + 2
        topic_end = at + int.from_bytes(data[start:at], "big")
        payload = topic_end
        if self._version_5 and payload < stop:
            length, payload = _read_varint(data, payload, stop)
            payload += length
        if payload > stop:
            raise MqttError("mqtt: a PUBLISH is longer inside than outside")
        try:
            topic = data[at:topic_end].decode()
        except UnicodeDecodeError:
            raise MqttError("mqtt: a topic is not UTF-8") from None
        self._message(topic, data[payload:stop])


def _frame(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` begins and ends; None: more bytes needed."""
    if end - at < 2:
        return None
    length = data[at + 1]
    start = at + 2
    if length & 0x80:
        length &= 0x7F
        for shift in (7, 14, 21):
            if start >= end:
                return None
            byte = data[start]
            start += 1
            length |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
        else:
            raise MqttError("mqtt: a length of more than 4 bytes")
    if length > PACKET_BYTES_MAX:
        raise MqttError(f"mqtt: a packet of {length} bytes, at most {PACKET_BYTES_MAX} accepted")
    return (start, start + length) if start + length <= end else None


def _read_varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    number = shift = 0
    while at < stop and shift < 28:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return number, at
        shift += 7
    raise MqttError("mqtt: properties have no length")
