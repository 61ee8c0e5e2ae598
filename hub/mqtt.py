"""The hub's MQTT: messages in, acknowledgements out.

Enters: the broker's address. Leaves: batches of (topic, payload) in a bounded inbox. Callers: `hub.app`.

It runs on the hub's own loop: a client with a thread of its own costs more in handing over than all the rest
of ingest (measured, see hub/README.md). The subscription is QoS 0: safety is the hub's own
acknowledgement after its commit, and QoS 1 would double the cost of every message without adding any.

Two connections: an SOS never waits behind rows, neither in the broker's queue for us nor in a socket. And as
the rows have one of their own, it can be read in gulps: waking up for every message costs more than the message.
"""

import asyncio
import logging
import random
import ssl
from collections import deque
from collections.abc import Callable
from functools import lru_cache

from hub.errors import HubError
from protocols import mqtt_wire, topics
from protocols.catalog import Lane
from protocols.errors import MqttError

log = logging.getLogger(__name__)
QUEUE_MAX = 100_000
"""Messages waiting for ingest. Beyond it new ones are dropped and counted: unacknowledged, they come again.
The SOS and receipts lanes have a queue of their own."""
URGENT_MAX = 20_000
URGENT_LANES = (Lane.SOS, Lane.RECEIPTS)
ROW_LANES = tuple(lane for lane in Lane if lane not in URGENT_LANES)
GULP_S = 0.1
"""How long rows gather in the socket between two reads; the first after a pause is read at once. All that a
batch costs once (wake-ups, transaction, caches gone cold) is paid this often."""
GULP_BYTES = 131_072
"""A read of this much says that more is waiting: then the next one follows at once."""
KEEPALIVE_S = 15
PING_EVERY_S = 5.0
CONNECT_S_MAX = 5.0
WAITING_ACKS_BYTES_MAX = 8 * 2**20
RECONNECT_S = (0.2, 5.0)

Messages = list[mqtt_wire.Message]
TopicOf = Callable[[str, int], str]
"""The topic of (realm, device)."""


class Inbox:
    """Messages between the connections and the pipeline."""

    def __init__(self) -> None:
        self._queue: deque[mqtt_wire.Message] = deque()
        self._urgent: deque[mqtt_wire.Message] = deque()
        self.dropped = 0
        self.arrived = asyncio.Event()

    def put(self, messages: Messages) -> None:
        """Rows."""
        self._put(self._queue, QUEUE_MAX, messages)

    def put_urgent(self, messages: Messages) -> None:
        """What must not wait behind rows."""
        self._put(self._urgent, URGENT_MAX, messages)

    def _put(self, queue: deque[mqtt_wire.Message], most: int, messages: Messages) -> None:
        room = max(0, most - len(queue))
        self.dropped += max(0, len(messages) - room)
        queue.extend(messages[:room])
        self.arrived.set()

    def take(self, most: int) -> Messages:
        """The next batch, urgent ones first."""
        self.arrived.clear()
        batch: Messages = []
        for queue in (self._urgent, self._queue):
            batch += [queue.popleft() for _ in range(min(len(queue), most - len(batch)))]
        if self._queue or self._urgent:
            self.arrived.set()
        return batch


class _Connection(asyncio.Protocol):
    """One connection, from CONNECT to its end. A broker that breaks the rules is disconnected."""

    def __init__(self, line: "Line", name: str) -> None:
        self._line = line
        self._name = name
        self._reader = mqtt_wire.Reader(version_5=line.version_5)
        self.transport: asyncio.Transport | None = None
        self.subscribed = asyncio.Event()
        self.ended = asyncio.Event()
        self.why = "closed"
        self.heard = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        line = self._line
        transport.write(
            mqtt_wire.connect(self._name, KEEPALIVE_S, version_5=line.version_5, login=line.login)
        )

    def data_received(self, data: bytes) -> None:
        self.heard = True
        self._line.hear()
        try:
            messages, others = self._reader.feed(data)
            for kind, body in others:
                self._other(kind, body)
        except MqttError as err:
            self.abort(str(err))
            return
        if messages:
            self._line.put(messages)
            if self._line.gulp_s and len(data) < GULP_BYTES:
                self._rest(self._line.gulp_s)

    def _rest(self, seconds: float) -> None:
        """Leave what comes next in the socket for a while."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(seconds, self.transport.resume_reading)

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
            wanted = self._line.filters
            self.transport.write(mqtt_wire.subscribe(wanted, version_5=self._line.version_5))
        elif kind == mqtt_wire.SUBACK:
            if any(code >= mqtt_wire.REFUSED_FROM for code in body[-len(self._line.filters) :]):
                raise MqttError("mqtt: the broker does not let the hub subscribe")
            self.subscribed.set()
        elif kind == mqtt_wire.DISCONNECT:
            raise MqttError(f"mqtt: the broker disconnected the hub, code {body[:1].hex() or '00'}")

    def abort(self, why: str) -> None:
        self.why = why
        if self.transport is not None:
            self.transport.abort()


class Line:
    """One of the hub's connections, kept up for ever with jitter between tries. `tls` is asked at each try."""

    def __init__(
        self,
        name: str,
        filters: list[str],
        put: Callable[[Messages], None],
        address: tuple[str, int],
        *,
        version_5: bool,
        clock_ms: Callable[[], int],
        gulp_s: float = 0.0,
        tls: Callable[[], ssl.SSLContext] | None = None,
        patience: int = 1,
        login: tuple[str, str] | None = None,
    ) -> None:
        """`patience`: how many times longer than on this machine an answer may take. `login`: name and password."""
        self.name = name
        self.filters = filters
        self.put = put
        self.version_5 = version_5
        self.gulp_s = gulp_s
        self.login = login
        self.since_ms = self.heard_ms = clock_ms()
        self.connects = 0
        self.transport: asyncio.Transport | None = None  # None: not connected
        self._address = address
        self._clock_ms = clock_ms
        self._tls = tls
        self._connect_s = CONNECT_S_MAX * patience
        self._silent_max = 2 * patience

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
            level = logging.WARNING if self.connects > before else logging.DEBUG
            log.log(level, "broker, %s: %s", self.name, why)
            try:
                await asyncio.wait_for(stop.wait(), wait_s)
            except TimeoutError:
                wait_s = min(RECONNECT_S[1], random.uniform(RECONNECT_S[0], 3 * wait_s))

    async def _one_connection(self, stop: asyncio.Event) -> str:
        """From connecting to the end; why it ended."""
        loop = asyncio.get_running_loop()
        name = f"hub-{self.name}-{random.getrandbits(32):08x}"
        try:
            async with asyncio.timeout(self._connect_s):
                transport, connection = await loop.create_connection(
                    lambda: _Connection(self, name), *self._address, ssl=self._tls() if self._tls else None
                )
        except (OSError, TimeoutError, HubError) as err:
            return str(err) or "no answer"
        try:
            async with asyncio.timeout(self._connect_s):
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
                if silent > self._silent_max:
                    connection.abort("mqtt: the broker does not answer")
                    break
                connection.heard = False
                connection.transport.write(mqtt_wire.PINGREQ_PACKET)
        finally:
            stopping.cancel()
            ended.cancel()
        if stop.is_set() and connection.transport is not None:
            connection.transport.write(mqtt_wire.DISCONNECT_PACKET)

    def hear(self) -> None:
        """The broker said something."""
        self.heard_ms = self._clock_ms()

    def _up(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.connects += 1
        self.since_ms = self._clock_ms()
        log.info("broker, %s: connected", self.name)

    def _down(self) -> None:
        if self.transport is not None:
            self.since_ms = self._clock_ms()
        self.transport = None


class MqttLink:
    """The hub's way to the broker: one line for what is urgent, both ways, and one for rows."""

    def __init__(
        self, inbox: Inbox, realm: str, host: str, port: int, *, version_5: bool, clock_ms: Callable[[], int]
    ) -> None:
        def line(name: str, filters: list[str], put: Callable[[Messages], None], gulp_s: float) -> Line:
            return Line(
                f"{realm}-{name}", filters, put, (host, port),
                version_5=version_5, clock_ms=clock_ms, gulp_s=gulp_s,
            )  # fmt: skip

        self.realm = realm
        self.version_5 = version_5
        self._urgent = line(
            "urgent",
            [*topics.all_up(realm, URGENT_LANES), topics.all_relayed(realm), topics.all_family(realm)],
            inbox.put_urgent,
            0.0,
        )
        self._rows = line("rows", topics.all_up(realm, ROW_LANES), inbox.put, GULP_S)
        self._waiting: list[bytes] = []

    @property
    def connected(self) -> bool:
        """Both ways are open."""
        return self._urgent.transport is not None and self._rows.transport is not None

    @property
    def since_ms(self) -> int:
        """When that last changed, hub clock, UTC."""
        return max(self._urgent.since_ms, self._rows.since_ms)

    @property
    def heard_ms(self) -> int:
        """When the broker was last heard on both. It answers a ping every 5 s, so older than 10 s is a broker that
        hangs, long before the connection is given up."""
        return min(self._urgent.heard_ms, self._rows.heard_ms)

    @property
    def connects(self) -> int:
        """How often both were opened."""
        return min(self._urgent.connects, self._rows.connects)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep connected until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._urgent.run(stop))
            tasks.create_task(self._rows.run(stop))

    def publish(self, topic: TopicOf, device: int, payload: bytes) -> None:
        """Say something to a device, on its `topics.ack` or `topics.orders`. Sent by `flush`.

        QoS 0: a lost acknowledgement is asked for again by the repeat of the frame, and an order is said again until
        the device reports that it has it.
        """
        self._waiting.append(mqtt_wire.publish(_head(topic, self.realm, device, self.version_5), payload))

    def flush(self) -> None:
        """Send what `publish` gathered, in one piece. A broker that takes nothing more loses them."""
        transport = self._urgent.transport
        if (
            self._waiting
            and transport is not None
            and transport.get_write_buffer_size() < WAITING_ACKS_BYTES_MAX
        ):
            transport.write(b"".join(self._waiting))
        self._waiting.clear()


@lru_cache(maxsize=65_536)
def _head(topic: TopicOf, realm: str, device: int, version_5: bool) -> bytes:
    return mqtt_wire.publish_head(topic(realm, device), version_5=version_5)
