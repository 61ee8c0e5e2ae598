"""The hub's one MQTT client: messages in, acknowledgements out.

Enters: the broker's address. Leaves: batches of (topic, payload) in a bounded inbox. Callers: `hub.app`.

It runs on the hub's own loop: a client with a thread of its own costs more in handing over than all the rest
of ingest (measured, see hub/README.md). The subscription is QoS 0: safety is the hub's own
acknowledgement after its commit, and QoS 1 would double the cost of every message without adding any.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable

from hub import mqtt_wire
from hub.mqtt_wire import MqttError
from protocols import topics

log = logging.getLogger(__name__)
QUEUE_MAX = 100_000
"""Messages waiting for ingest. Beyond it new ones are dropped and counted: unacknowledged, they come again.
The SOS and receipts lanes have a queue of their own."""
URGENT_MAX = 20_000
KEEPALIVE_S = 15
PING_EVERY_S = 5.0
CONNECT_S_MAX = 5.0
WAITING_ACKS_BYTES_MAX = 8 * 2**20
RECONNECT_S = (0.2, 5.0)
_URGENT = ("/0", "/1")


class Inbox:
    """Messages between the connection and the pipeline."""

    def __init__(self) -> None:
        self._queue: deque[tuple[str, bytes]] = deque()
        self._urgent: deque[tuple[str, bytes]] = deque()
        self.dropped = 0
        self.arrived = asyncio.Event()
        self.urgent = asyncio.Event()

    def put(self, topic: str, payload: bytes) -> None:
        urgent = topic.endswith(_URGENT)
        queue, most = (self._urgent, URGENT_MAX) if urgent else (self._queue, QUEUE_MAX)
        if len(queue) >= most:
            self.dropped += 1
            return
        queue.append((topic, payload))
        self.arrived.set()
        if urgent:
            self.urgent.set()

    def take(self, most: int) -> list[tuple[str, bytes]]:
        """The next batch, urgent ones first."""
        self.arrived.clear()
        self.urgent.clear()
        batch: list[tuple[str, bytes]] = []
        for queue in (self._urgent, self._queue):
            while queue and len(batch) < most:
                batch.append(queue.popleft())
        if self._queue or self._urgent:
            self.arrived.set()
        return batch


class _Connection(asyncio.Protocol):
    """One connection, from CONNECT to its end. A broker that breaks the rules is disconnected."""

    def __init__(self, link: "MqttLink", name: str) -> None:
        self._link = link
        self._name = name
        self._reader = mqtt_wire.Reader(link.inbox.put, self._other, version_5=link.version_5)
        self.transport: asyncio.Transport | None = None
        self.subscribed = asyncio.Event()
        self.ended = asyncio.Event()
        self.why = "closed"
        self.heard = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(mqtt_wire.connect(self._name, KEEPALIVE_S, version_5=self._link.version_5))

    def data_received(self, data: bytes) -> None:
        self.heard = True
        try:
            self._reader.feed(data)
        except MqttError as err:
            self.abort(str(err))

    def connection_lost(self, err: Exception | None) -> None:
        if err is not None:
            self.why = str(err)
        self.ended.set()
        self.subscribed.set()

    def _other(self, kind: int, body: bytes) -> None:
        assert self.transport is not None
        if kind == mqtt_wire.CONNACK:
            if len(body) < 2 or body[1]:
                raise MqttError(f"mqtt: the broker refused the hub, code {body[1:2].hex()}")
            wanted = topics.all_up(self._link.realm)
            self.transport.write(mqtt_wire.subscribe(wanted, version_5=self._link.version_5))
        elif kind == mqtt_wire.SUBACK:
            if any(code >= 0x80 for code in body[-len(topics.all_up(self._link.realm)) :]):
                raise MqttError("mqtt: the broker does not let the hub subscribe")
            self.subscribed.set()
        elif kind == mqtt_wire.DISCONNECT:
            raise MqttError(f"mqtt: the broker disconnected the hub, code {body[:1].hex() or '00'}")

    def abort(self, why: str) -> None:
        self.why = why
        if self.transport is not None:
            self.transport.abort()


class MqttLink:
    """The connection to the broker, kept up for ever with jitter between tries."""

    def __init__(
        self, inbox: Inbox, realm: str, host: str, port: int, *, version_5: bool, clock_ms: Callable[[], int]
    ) -> None:
        self.inbox = inbox
        self.realm = realm
        self.version_5 = version_5
        self.connected = False
        self.since_ms = clock_ms()
        self.connects = 0
        self._address = (host, port)
        self._clock_ms = clock_ms
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Keep connected until `stop`."""
        wait_s = RECONNECT_S[0]
        while not stop.is_set():
            before = self.connects
            why = await self._one_connection(stop)
            if self.connects > before:
                wait_s = RECONNECT_S[0]
            if stop.is_set():
                break
            log.log(logging.WARNING if self.connects > before else logging.DEBUG, "broker: %s", why)
            try:
                await asyncio.wait_for(stop.wait(), wait_s)
            except TimeoutError:
                wait_s = min(RECONNECT_S[1], random.uniform(RECONNECT_S[0], 3 * wait_s))

    async def _one_connection(self, stop: asyncio.Event) -> str:
        """From connecting to the end; why it ended."""
        loop = asyncio.get_running_loop()
        name = f"hub-{self.realm}-{random.getrandbits(32):08x}"
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                transport, connection = await loop.create_connection(
                    lambda: _Connection(self, name), *self._address
                )
        except (OSError, TimeoutError) as err:
            return str(err) or "no answer"
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await connection.subscribed.wait()
            if not connection.ended.is_set():
                self._up(transport)
                await self._stay(connection, stop)
        except TimeoutError:
            connection.why = "mqtt: no answer to CONNECT"
        finally:
            self._down()
            transport.close() if stop.is_set() else transport.abort()
        return connection.why

    async def _stay(self, connection: _Connection, stop: asyncio.Event) -> None:
        """Ping until either side ends. Silence through two pings means that nobody is there."""
        stopping = asyncio.ensure_future(stop.wait())
        ended = asyncio.ensure_future(connection.ended.wait())
        silent = 0
        try:
            while True:
                await asyncio.wait(
                    {stopping, ended}, timeout=PING_EVERY_S, return_when=asyncio.FIRST_COMPLETED
                )
                if stopping.done() or ended.done() or connection.transport is None:
                    break
                silent = 0 if connection.heard else silent + 1
                if silent > 2:
                    connection.abort("mqtt: the broker does not answer")
                    break
                connection.heard = False
                connection.transport.write(mqtt_wire.PINGREQ_PACKET)
        finally:
            stopping.cancel()
            ended.cancel()
        if stop.is_set() and connection.transport is not None:
            self.flush()
            connection.transport.write(mqtt_wire.DISCONNECT_PACKET)

    def _up(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.connected = True
        self.connects += 1
        self.since_ms = self._clock_ms()
        log.info("broker connected")

    def _down(self) -> None:
        if self.connected:
            self.since_ms = self._clock_ms()
        self.connected = False
        self._transport = None
        self._waiting.clear()

    def publish_ack(self, device: int, payload: bytes) -> None:
        """QoS 0: a lost acknowledgement is asked for again by the repeat of the frame. Sent by `flush`."""
        if self.connected:
            topic = topics.ack(self.realm, device)
            self._waiting.append(mqtt_wire.publish(topic, payload, version_5=self.version_5))

    def flush(self) -> None:
        """Send what `publish_ack` gathered, in one piece. A broker that takes nothing more loses them."""
        if self._waiting and self._transport is not None:
            if self._transport.get_write_buffer_size() < WAITING_ACKS_BYTES_MAX:
                self._transport.write(b"".join(self._waiting))
            self._waiting.clear()
