"""The MQTT bearer: frames up, acknowledgements and orders down, over TCP or TLS.

Enters: frames to publish. Leaves: bytes of the topics down, and whether the link is up. One session at a time goes to
one of several routes, brokers or networks of the same hub, in order of preference (`edge.bearers.routes`).
Called by `edge.agent` from its one loop: paho's socket is read and written there. Only connecting, which can
block for seconds on a dead network, runs in a thread of its own, and the loop touches the client only after.

paho keeps what it cannot send in memory, so nothing is published while the link is down, and frames of rows go
with QoS 0: a PUBACK proves nothing, the hub's own acknowledgement does. Events and ranges go with QoS 1,
because MQTT 5 answers those with "not authorized" when the broker forbids them.
"""

import random
import ssl
import struct
import threading
from collections.abc import Callable
from enum import Enum
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.bearers.binding import BoundClient, connect
from edge.bearers.interface import BearerStats, Traits
from edge.bearers.routes import Routes
from edge.config import MqttConfig, RouteConfig
from protocols import topics
from protocols.catalog import Bearer, BearerState, Lane
from protocols.frame import FRAME_BYTES_MAX

BACKOFF_S_MIN = 1.0
BACKOFF_S_MAX = 60.0
CONNECT_TIMEOUT_S = 10.0
CONNACK_TIMEOUT_S = 10.0
DOWN_QOS = (0, 1, 1)
"""Of acknowledgements, of orders, of what is for those behind a relay."""
BROKEN = (ValueError, TypeError, IndexError, KeyError, struct.error, MQTTException)
"""What paho raises on bytes that are not MQTT; a broker must not be able to stop the agent."""


class Phase(Enum):
    """Where the link is."""

    DOWN = "down"
    CONNECTING = "connecting"
    OPENING = "opening"  # TCP is up, the broker has not answered yet
    UP = "up"


class MqttBearer:
    """One connection to a broker, kept up. The constructor does no I/O."""

    def __init__(
        self,
        config: MqttConfig,
        realm: str,
        device: int,
        *,
        on_ack: Callable[[bytes], None],
        on_order: Callable[[bytes], None],
        rng: random.Random,
        on_back: Callable[[bytes], None] | None = None,
    ) -> None:
        """`on_back`: of a relay, takes what is for those behind it."""
        self._config = config
        self._realm = realm
        self._device = device
        self._down = {topics.ack(realm, device): on_ack, topics.orders(realm, device): on_order}
        if on_back is not None:
            self._down[topics.back(realm, device)] = on_back
        self._relayed = topics.relayed(realm, device)
        self._rng = rng
        self._topics = {lane: topics.up(realm, device, lane) for lane in Lane}
        self._v5 = config.version != "3.1.1"
        self._client: paho.Client | None = None
        self._thread: threading.Thread | None = None
        self._thread_error: str | None = None
        self._retry_s = 0.0
        self._backoff_s = BACKOFF_S_MIN
        self._opened_s = 0.0
        self._is_heard = False
        self._probe: threading.Thread | None = None
        self._probe_ok = False
        self._routes = Routes(1 + len(config.route))
        self._is_private = config.ca_file is not None
        self.phase = Phase.DOWN
        self.stats = BearerStats()

    @property
    def traits(self) -> Traits:
        return Traits(
            Bearer.MQTT, self._config.name, self._config.cost, FRAME_BYTES_MAX, is_private=self._is_private
        )

    @property
    def state(self) -> BearerState:
        """UP: the broker lets us hear the hub's answers too."""
        if self.phase == Phase.UP and self._is_heard:
            return BearerState.UP
        return BearerState.DOWN if self.phase == Phase.DOWN else BearerState.CONNECTING

    @property
    def route(self) -> RouteConfig:
        """The one that is used, or tried."""
        return self._config.routes()[self._routes.current]

    # --- for the loop ------------------------------------------------------------------------------

    def fileno(self) -> int | None:
        """The socket to wait on, or None while there is none or a thread owns it."""
        if self.phase not in (Phase.OPENING, Phase.UP) or self._client is None:
            return None
        sock = self._client.socket()
        return None if sock is None or sock.fileno() < 0 else sock.fileno()

    def wants_write(self) -> bool:
        return (
            self.phase in (Phase.OPENING, Phase.UP) and self._client is not None and self._client.want_write()
        )

    def on_readable(self) -> None:
        """Read what came. TLS may hold more than the socket shows, so read until it is empty."""
        client = self._client
        if client is None:
            return
        try:
            client.loop_read()
            sock = client.socket()
            while isinstance(sock, ssl.SSLSocket) and sock.pending():
                client.loop_read()
                sock = client.socket()
        except BROKEN as err:
            self.stats.last_error = f"not MQTT: {type(err).__name__} {err}"
            self._drop_socket(client)

    def on_writable(self) -> None:
        if self._client is not None:
            self._client.loop_write()

    def maintain(self, t_mono_s: float) -> None:
        """Connect when it is time, finish a connection that a thread made, keep the session alive."""
        if self.phase == Phase.DOWN:
            if t_mono_s >= self._retry_s:
                self._start(t_mono_s)
        elif self.phase == Phase.CONNECTING:
            self._finish(t_mono_s)
        elif self._client is not None:
            self._client.loop_misc()
            if self.phase == Phase.OPENING and t_mono_s - self._opened_s > CONNACK_TIMEOUT_S:
                self._fail("no answer from the broker", t_mono_s)
            elif (sock := self._client.socket()) is None or sock.fileno() < 0:
                self._fail(self.stats.last_error or "connection lost", t_mono_s)
            elif self.phase == Phase.UP:
                self._look_for_better(t_mono_s)

    def publish(self, lane: Lane, data: bytes) -> bool:
        """Hand one frame over. False when the link is down or its socket is behind; try again later."""
        client = self._client
        if self.phase != Phase.UP or client is None or client.want_write():
            return False
        qos = 1 if lane <= Lane.RECEIPTS else 0
        return client.publish(self._topics[lane], data, qos=qos).rc == paho.MQTT_ERR_SUCCESS

    def pass_on(self, data: bytes) -> bool:
        """Of a relay: what it carries of others. False as in `publish`."""
        client = self._client
        if self.phase != Phase.UP or client is None or client.want_write():
            return False
        return client.publish(self._relayed, data, qos=0).rc == paho.MQTT_ERR_SUCCESS

    def reconnect(self) -> None:
        """Leave and come back at the next turn, with the certificate that is on the disk by then."""
        if self.phase == Phase.UP:
            self.close()

    def close(self) -> None:
        """Say goodbye and let go of the socket."""
        if self._client is not None and self.phase == Phase.UP:
            self._client.disconnect()
            self._client.loop_write()
        self._drop()

    # --- connecting --------------------------------------------------------------------------------

    def _start(self, t_mono_s: float) -> None:
        self.phase = Phase.CONNECTING
        self._thread_error = None
        try:
            self._client = self._make_client()
        except (OSError, ValueError) as err:  # a certificate file that is missing or wrong
            self._fail(f"{err}", t_mono_s)
            return
        self._thread = threading.Thread(target=self._connect, args=(self._client,), daemon=True)
        self._thread.start()

    def _make_client(self) -> paho.Client:
        route = self.route
        client = BoundClient(
            route.interface,
            CallbackAPIVersion.VERSION2,
            client_id=f"z{self._device}m",
            protocol=MQTTProtocolVersion.MQTTv5 if self._v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            clean_session=None if self._v5 else True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._config.ca_file is not None:
            context = ssl.create_default_context(cafile=str(self._config.ca_file))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._config.cert_file is not None:
                context.minimum_version = ssl.TLSVersion.TLSv1_3  # the certificate is not sent in the clear
                context.load_cert_chain(self._config.cert_file, self._config.cert_key_file)
            client.tls_set_context(context)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_publish = self._published
        client.on_subscribe = self._subscribed
        client.connect_async(route.host, route.port, self._config.keepalive_s)
        return client

    def _connect(self, client: paho.Client) -> None:
        """The thread: the only code that may block. It says how it went and ends."""
        try:
            client.reconnect()
        except (OSError, ValueError) as err:
            self._thread_error = str(err) or type(err).__name__

    def _finish(self, t_mono_s: float) -> None:
        if self._thread is None or self._thread.is_alive():
            return
        self._thread = None
        if self._thread_error is not None:
            self._fail(self._thread_error, t_mono_s)
            return
        self.phase = Phase.OPENING
        self._opened_s = t_mono_s

    def _fail(self, why: str, t_mono_s: float) -> None:
        """Back off with decorrelated jitter, 1–60 s, so that a fleet does not come back all at once."""
        answered = self.phase == Phase.UP
        if self.phase == Phase.OPENING and self._config.version == "auto":
            # a broker of 3.1.1 only drops a client of MQTT 5 before it answers
            self._v5 = not self._v5
        self._drop()
        self._routes.failed(t_mono_s)
        self.stats.failures += 1
        self.stats.last_error = why
        if answered or self._routes.is_untried:
            self._backoff_s = BACKOFF_S_MIN
        self._backoff_s = min(BACKOFF_S_MAX, self._rng.uniform(BACKOFF_S_MIN, 3 * self._backoff_s))
        self._retry_s = t_mono_s + self._backoff_s

    def _look_for_better(self, t_mono_s: float) -> None:
        """While a later route serves, knock at the first one now and then; go back when it answered each time."""
        if self._probe is not None and not self._probe.is_alive():
            self._probe = None
            if self._routes.probed(t_mono_s, self._probe_ok):
                self.close()
                self._retry_s = t_mono_s
        elif self._probe is None and self._routes.probe_due(t_mono_s):
            self._probe_ok = False
            self._probe = threading.Thread(target=self._knock, args=(self._config.routes()[0],), daemon=True)
            self._probe.start()

    def _knock(self, route: RouteConfig) -> None:
        """A thread: whether something takes a connection there."""
        try:
            connect(route.host, route.port, route.interface, CONNECT_TIMEOUT_S).close()
        except OSError:
            return
        self._probe_ok = True

    def _drop(self) -> None:
        client, self._client = self._client, None
        self.phase, self._is_heard = Phase.DOWN, False
        if client is not None:
            self._drop_socket(client)

    @staticmethod
    def _drop_socket(client: paho.Client) -> None:
        if (sock := client.socket()) is not None:
            sock.close()

    # --- paho's callbacks, on the loop's own thread --------------------------------------------------

    def _connected(
        self, client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _props: Properties | None
    ) -> None:
        if code.is_failure:
            self.stats.last_error = f"refused: {code}"
            return
        self.phase = Phase.UP
        self._routes.worked(self._opened_s)
        self.stats.connects += 1
        self.stats.last_error = ""
        self._backoff_s = BACKOFF_S_MIN
        client.subscribe([(topic, qos) for topic, qos in zip(self._down, DOWN_QOS, strict=False)])

    def _subscribed(
        self, _client: paho.Client, _data: Any, _mid: int, codes: list[ReasonCode], _props: Properties | None
    ) -> None:
        for code, what in zip(codes, ("acknowledgements", "orders", "what is for others"), strict=False):
            if code.is_failure:
                self.stats.denied += 1
                self.stats.last_error = f"may not hear {what}: {code}"
        self._is_heard = bool(codes) and not codes[0].is_failure

    def _disconnected(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _props: Properties | None
    ) -> None:
        if not self.stats.last_error:
            self.stats.last_error = f"disconnected: {code}"

    def _message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        hear = self._down.get(message.topic)
        if hear is not None:
            hear(bytes(message.payload))

    def _published(
        self, _client: paho.Client, _data: Any, _mid: int, code: ReasonCode, _props: Properties | None
    ) -> None:
        if code.is_failure:
            self.stats.denied += 1
            self.stats.last_error = f"broker refused a frame: {code}"
