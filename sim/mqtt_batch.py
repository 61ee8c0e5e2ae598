"""A bare MQTT 3.1.1 client at QoS 0 for the load generator: many messages into one write, many out of one
read.

Enters: packets of `protocols.mqtt_wire`; bytes of a socket. Leaves: bytes; (topic, payload) of what arrives.
Caller: `sim.load`. paho costs about 30 µs of CPU for a message each way, which at 10,000 a second would
measure the generator instead of the hub; this costs about 2. Everything else uses paho.
"""

import asyncio
from collections.abc import Callable, Sequence

from protocols import mqtt_wire
from protocols.errors import MqttError

KEEPALIVE_S = 60
UNSENT_BYTES_MAX = 4_000_000
TOPICS_A_PACKET = 200


class MqttRefused(ConnectionError):
    """The broker refused the connection or a subscription, or sent what is not MQTT."""


def publish_head(topic: str) -> bytes:
    """A topic as `mqtt_wire.publish` wants it of this client, made once for each device."""
    return mqtt_wire.publish_head(topic, version_5=False)


class BatchClient(asyncio.Protocol):
    """One connection. `on_publish(topic, payload)` is called in the loop for each message that arrives."""

    def __init__(self, client_id: str, on_publish: Callable[[str, bytes], None]) -> None:
        self._client_id, self._on_publish = client_id, on_publish
        self._reader = mqtt_wire.Reader(version_5=False)
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
        try:
            messages, others = self._reader.feed(data)
        except MqttError as err:
            self.close()
            self.lost = str(err)
            return
        for topic, payload in messages:
            self._on_publish(topic, payload)
        for kind, body in others:
            if kind in self._waiting and not self._waiting[kind].done():
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
        body = await self._ask(
            mqtt_wire.connect(self._client_id, KEEPALIVE_S, version_5=False), mqtt_wire.CONNACK
        )
        if body[1:2] != b"\0":
            raise MqttRefused(f"mqtt: connection refused with code {body[1:2].hex()}")

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribes at QoS 0."""
        for i in range(0, len(topics), TOPICS_A_PACKET):
            number, some = i // TOPICS_A_PACKET % 65_535 + 1, topics[i : i + TOPICS_A_PACKET]
            packet = mqtt_wire.subscribe(some, version_5=False, packet_id=number)
            body = await self._ask(packet, mqtt_wire.SUBACK)
            if any(code >= mqtt_wire.REFUSED_FROM for code in body[2:]):
                raise MqttRefused("mqtt: a subscription was refused")

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self.lost:
            self._transport.write(data)

    def full(self) -> bool:
        """The broker does not take what was written."""
        return self._transport is not None and self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX

    def ping(self) -> None:
        self.write(mqtt_wire.PINGREQ_PACKET)

    def close(self) -> None:
        if self._transport is not None:
            self.write(mqtt_wire.DISCONNECT_PACKET)
            self._transport.close()
