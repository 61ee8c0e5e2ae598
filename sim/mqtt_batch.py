"""A bare MQTT 3.1.1 client at QoS 0 for the load generator: many messages into one write, many out of one
read.

Enters: topics and payloads; bytes of a socket. Leaves: packets; (topic, payload) of what arrives. Caller:
`sim.load`. paho costs about 30 µs of CPU for a message each way, which at 10,000 a second would measure the
generator instead of the hub; this costs about 2. Everything else uses paho.

**Source:** MQTT 3.1.1 (OASIS), sections 2.2.3 remaining length, 3.1 CONNECT, 3.3 PUBLISH, 3.8 SUBSCRIBE.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence

KEEPALIVE_S = 60
PACKET_BYTES_MAX = 1_000_000
UNSENT_BYTES_MAX = 4_000_000
_CONNACK, _PUBLISH, _SUBACK, _PINGRESP = 2, 3, 9, 13


class MqttRefused(ConnectionError):
    """The broker refused the connection or a subscription, or sent what is not MQTT."""


def remaining_length(count: int) -> bytes:
    """The variable-length byte count of MQTT: seven bits a byte, low first."""
    out = bytearray()
    while True:
        count, low = count >> 7, count & 127
        out.append(low | (128 if count else 0))
        if not count:
            return bytes(out)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def connect_packet(client_id: str) -> bytes:
    body = _text("MQTT") + struct.pack(">BBH", 4, 2, KEEPALIVE_S) + _text(client_id)
    return b"\x10" + remaining_length(len(body)) + body


def subscribe_packet(packet_id: int, topics: Sequence[str]) -> bytes:
    body = struct.pack(">H", packet_id) + b"".join(_text(topic) + b"\0" for topic in topics)
    return b"\x82" + remaining_length(len(body)) + body


def publish_packet(topic: bytes, payload: bytes) -> bytes:
    """A PUBLISH at QoS 0. `topic` comes with its two length bytes already before it."""
    return b"\x30" + remaining_length(len(topic) + len(payload)) + topic + payload


def topic_field(topic: str) -> bytes:
    """A topic as `publish_packet` wants it, made once for each device."""
    return _text(topic)


def split_packets(buffer: bytearray) -> list[tuple[int, bytes]]:
    """Takes whole packets off the front of `buffer`: (first byte, body). MqttRefused when one is too long."""
    out: list[tuple[int, bytes]] = []
    at, end = 0, len(buffer)
    while end - at >= 2:
        length, shift, cursor = 0, 0, at + 1
        while cursor < end and shift <= 21:
            byte = buffer[cursor]
            length |= (byte & 127) << shift
            shift, cursor = shift + 7, cursor + 1
            if byte < 128:
                break
        else:
            if shift > 21:
                raise MqttRefused("mqtt: a remaining length of more than 4 bytes")
            break
        if length > PACKET_BYTES_MAX:
            raise MqttRefused(f"mqtt: a packet of {length} bytes, at most {PACKET_BYTES_MAX} allowed")
        if end - cursor < length:
            break
        out.append((buffer[at], bytes(buffer[cursor : cursor + length])))
        at = cursor + length
    del buffer[:at]
    return out


class BatchClient(asyncio.Protocol):
    """One connection. `on_publish(topic, payload)` is called in the loop for each message that arrives."""

    def __init__(self, client_id: str, on_publish: Callable[[bytes, bytes], None]) -> None:
        self._client_id, self._on_publish = client_id, on_publish
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self.lost: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = str(exc) if exc else "the broker closed the connection"
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(MqttRefused(f"mqtt: {self.lost}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            packets = split_packets(self._buffer)
        except MqttRefused as err:
            self.close()
            self.lost = str(err)
            return
        for first, body in packets:
            kind = first >> 4
            if kind == _PUBLISH:
                length = body[0] << 8 | body[1]
                self._on_publish(body[2 : 2 + length], body[2 + length :])
            elif kind in self._waiting and not self._waiting[kind].done():
                self._waiting[kind].set_result(body)

    async def _ask(self, packet: bytes, answer: int, timeout_s: float = 10) -> bytes:
        self._waiting[answer] = asyncio.get_running_loop().create_future()
        self.write(packet)
        try:
            return await asyncio.wait_for(self._waiting[answer], timeout_s)
        except TimeoutError:
            raise MqttRefused(f"mqtt: no answer within {timeout_s:g} s") from None
        finally:
            del self._waiting[answer]

    async def sign_in(self) -> None:
        """CONNECT; MqttRefused says why not."""
        body = await self._ask(connect_packet(self._client_id), _CONNACK)
        if body[1:2] != b"\0":
            raise MqttRefused(f"mqtt: connection refused with code {body[1:2].hex()}")

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribes at QoS 0, at most 200 topics a packet."""
        for i in range(0, len(topics), 200):
            body = await self._ask(subscribe_packet(i // 200 % 65_535 + 1, topics[i : i + 200]), _SUBACK)
            if b"\x80" in body[2:]:
                raise MqttRefused("mqtt: a subscription was refused")

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self.lost:
            self._transport.write(data)

    def full(self) -> bool:
        """The broker does not take what was written."""
        return self._transport is not None and self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX

    def ping(self) -> None:
        self.write(b"\xc0\0")

    def close(self) -> None:
        if self._transport is not None:
            self.write(b"\xe0\0")
            self._transport.close()
