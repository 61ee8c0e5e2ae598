"""The one MQTT connection that all light units of a drill share.

Enters: topics and payloads to publish, at QoS 0 because units resend until the hub acknowledges. Leaves:
acknowledgements in a bounded queue. paho's thread only hands over. Caller: `sim.run`.
"""

import secrets
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

INBOX_MAX = 20_000
"""Acknowledgements waiting to be applied; beyond it the oldest is dropped, which costs one resend."""
TOPICS_PER_SUBSCRIBE = 200
KEEPALIVE_S = 20
RECONNECT_S = (1, 10)


class MqttLink:
    """Publishes for many devices and hears their acknowledgements. `start` connects in the background."""

    def __init__(self, host: str, port: int, ack_topics: Sequence[str]) -> None:
        self._host, self._port = host, port
        self._ack_topics = list(ack_topics)
        self._inbox: deque[tuple[str, bytes]] = deque(maxlen=INBOX_MAX)
        self._up = threading.Event()
        self.refusal: str | None = None
        # MQTT 3.1.1, because the demonstration broker speaks nothing newer.
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"zhantu-sim-{secrets.token_hex(4)}",
            protocol=mqtt.MQTTv311,
        )
        self._client.reconnect_delay_set(*RECONNECT_S)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        self._client.connect_async(self._host, self._port, KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def up(self) -> bool:
        """Connected, and subscribed to all acknowledgements."""
        return self._up.is_set()

    def wait_up(self, timeout_s: float) -> bool:
        return self._up.wait(timeout_s)

    def publish(self, topic: str, data: bytes) -> None:
        """At QoS 0; dropped when the connection has just gone."""
        self._client.publish(topic, data, qos=0)

    def received(self) -> list[tuple[str, bytes]]:
        """The acknowledgements since the last call: topic and bytes."""
        out = []
        while self._inbox:
            out.append(self._inbox.popleft())
        return out

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if reason.is_failure:
            self.refusal = str(reason)
            return
        self.refusal = None
        for topics in batched_list(self._ack_topics, TOPICS_PER_SUBSCRIBE):
            client.subscribe([(topic, 0) for topic in topics])
        self._up.set()

    def _on_disconnect(self, *_args: Any) -> None:
        self._up.clear()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._inbox.append((message.topic, bytes(message.payload)))


def batched_list(items: list[str], size: int) -> list[list[str]]:
    """`items` in lists of at most `size`."""
    return [items[i : i + size] for i in range(0, len(items), size)]
