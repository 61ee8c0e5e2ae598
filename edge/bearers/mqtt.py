"""The MQTT bearer: frames up, acknowledgements and orders down, over TCP or TLS.

Enters: topics and bytes to publish. Leaves: bytes of the two topics down, and whether the link is up.
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
from dataclasses import dataclass
from enum import Enum
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import MqttConfig
from protocols import topics
from protocols.catalog import Lane

BACKOFF_S_MIN = 1.0
BACKOFF_S_MAX = 60.0
CONNECT_TIMEOUT_S = 10.0
CONNACK_TIMEOUT_S = 10.0
DOWN_QOS = (0, 1)
"""Of acknowledgements and of orders."""
BROKEN = (ValueError, TypeError, IndexError, KeyError, struct.error, MQTTException)
"""What paho raises on bytes that are not MQTT; a broker must not be able to stop the agent."""


class State(Enum):
    """Where the link is."""

    DOWN = "down"
    CONNECTING = "connecting"
    OPENING = "opening"  # TCP is up, the broker has not answered yet
    UP = "up"


@dataclass(slots=True)
class BearerStats:
    """Counters since the start."""

    connects: int = 0
    failures: int = 0
    denied: int = 0
    last_error: str = ""


class MqttBearer:
    """One connection to a broker, kept up. The constructor does no I/O."""

    def __init__(
        self,
        config: MqttConfig,
        realm: str,
        device: int,
        *,
        on_up: Callable[[], None],
        on_ack: Callable[[bytes], None],
        on_order: Callable[[bytes], None],
        rng: random.Random,
    ) -> None:
        self._config = config
        self._realm = realm
        self._device = device
        self._on_up = on_up
        self._down = {topics.ack(realm, device): on_ack, topics.orders(realm, device): on_order}
        self._rng = rng
        self._topics = {lane: topics.up(realm, device, lane) for lane in Lane}
        self._v5 = config.version != "3.1.1"
        self._client: paho.Client | None = None
        self._thread: threading.Thread | None = None
        self._thread_error: str | None = None
        self._retry_s = 0.0
        self._backoff_s = BACKOFF_S_MIN
        self._opened_s = 0.0
        self.state = State.DOWN
        self.stats = BearerStats()

    # --- for the loop ------------------------------------------------------------------------------

    def fileno(self) -> int | None:
        """The socket to wait on, or None while there is none or a thread owns it."""
        if self.state not in (State.OPENING, State.UP) or self._client is None:
            return None
        sock = self._client.socket()
        return None if sock is None or sock.fileno() < 0 else sock.fileno()

    def wants_write(self) -> bool:
        return (
            self.state in (State.OPENING, State.UP) and self._client is not None and self._client.want_write()
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
        if self.state == State.DOWN:
            if t_mono_s >= self._retry_s:
                self._start(t_mono_s)
        elif self.state == State.CONNECTING:
            self._finish(t_mono_s)
        elif self._client is not None:
            self._client.loop_misc()
            if self.state == State.OPENING and t_mono_s - self._opened_s > CONNACK_TIMEOUT_S:
                self._fail("no answer from the broker", t_mono_s)
            elif (sock := self._client.socket()) is None or sock.fileno() < 0:
                self._fail(self.stats.last_error or "connection lost", t_mono_s)

    def publish(self, lane: Lane, data: bytes) -> bool:
        """Hand one frame over. False when the link is down or its socket is behind; try again later."""
        client = self._client
        if self.state != State.UP or client is None or client.want_write():
            return False
        qos = 1 if lane <= Lane.RECEIPTS else 0
        return client.publish(self._topics[lane], data, qos=qos).rc == paho.MQTT_ERR_SUCCESS

    def reconnect(self) -> None:
        """Leave and come back at the next turn, with the certificate that is on the disk by then."""
        if self.state == State.UP:
            self.close()

    def close(self) -> None:
        """Say goodbye and let go of the socket."""
        if self._client is not None and self.state == State.UP:
            self._client.disconnect()
            self._client.loop_write()
        self._drop()

    # --- connecting --------------------------------------------------------------------------------

    def _start(self, t_mono_s: float) -> None:
        self.state = State.CONNECTING
        self._thread_error = None
        try:
            self._client = self._make_client()
        except (OSError, ValueError) as err:  # a certificate file that is missing or wrong
            self._fail(f"{err}", t_mono_s)
            return
        self._thread = threading.Thread(target=self._connect, args=(self._client,), daemon=True)
        self._thread.start()

    def _make_client(self) -> paho.Client:
        client = paho.Client(
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
        client.connect_async(self._config.host, self._config.port, self._config.keepalive_s)
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
        self.state = State.OPENING
        self._opened_s = t_mono_s

    def _fail(self, why: str, t_mono_s: float) -> None:
        """Back off with decorrelated jitter, 1–60 s, so that a fleet does not come back all at once."""
        answered = self.state == State.UP
        if self.state == State.OPENING and self._config.version == "auto":
            # a broker of 3.1.1 only drops a client of MQTT 5 before it answers
            self._v5 = not self._v5
        self._drop()
        self.stats.failures += 1
        self.stats.last_error = why
        if answered:
            self._backoff_s = BACKOFF_S_MIN
        self._backoff_s = min(BACKOFF_S_MAX, self._rng.uniform(BACKOFF_S_MIN, 3 * self._backoff_s))
        self._retry_s = t_mono_s + self._backoff_s

    def _drop(self) -> None:
        client, self._client = self._client, None
        self.state = State.DOWN
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
        self.state = State.UP
        self.stats.connects += 1
        self.stats.last_error = ""
        self._backoff_s = BACKOFF_S_MIN
        client.subscribe([(topic, qos) for topic, qos in zip(self._down, DOWN_QOS, strict=True)])

    def _subscribed(
        self, _client: paho.Client, _data: Any, _mid: int, codes: list[ReasonCode], _props: Properties | None
    ) -> None:
        for code, what in zip(codes, ("acknowledgements", "orders"), strict=False):
            if code.is_failure:
                self.stats.denied += 1
                self.stats.last_error = f"may not hear {what}: {code}"
        if codes and not codes[0].is_failure:
            self._on_up()

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
