"""The MQTT bearer against a real broker, and against things that only pretend to be one."""

import contextlib
import random
import re
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge import enrol
from edge.bearers.mqtt import MqttBearer, Phase
from edge.config import MqttConfig, load
from protocols import topics
from protocols.catalog import BearerState, Lane

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
PATIENCE_S = 20.0


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


class Driven:
    """A bearer with the loop that the agent would give it."""

    def __init__(self, config: MqttConfig) -> None:
        self.ups = 0
        self._was_up = False
        self.acks: list[bytes] = []
        self.orders: list[bytes] = []
        self.bearer = MqttBearer(
            config, "live", 1001, on_ack=self.acks.append, on_order=self.orders.append,
            rng=random.Random(4),
        )  # fmt: skip

    def until(self, what: Callable[[], object], why: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < end, f"{why}; last error: {self.bearer.stats.last_error}"
            self.bearer.maintain(time.monotonic())
            is_up = self.bearer.state == BearerState.UP
            self.ups += is_up and not self._was_up
            self._was_up = is_up
            fd = self.bearer.fileno()
            readers = [fd] if fd is not None else []
            ready, writable, _ = select.select(
                readers, readers if self.bearer.wants_write() else [], [], 0.02
            )
            if ready:
                self.bearer.on_readable()
            if writable:
                self.bearer.on_writable()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[int, Callable[[], None], Callable[[], None]]]:
    """A mosquitto on a free port: the port, and how to start and kill it."""
    port, made = free_port(), list[subprocess.Popen[bytes]]()
    config = tmp_path / "m.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    assert MOSQUITTO, "mosquitto is missing; `make test` installs it"

    def start() -> None:
        made.append(subprocess.Popen([MOSQUITTO, "-c", config], stderr=subprocess.DEVNULL))

    def kill() -> None:
        made[-1].kill()
        made[-1].wait(10)

    start()
    yield port, start, kill
    kill()


def hearing(port: int) -> tuple[paho.Client, list[tuple[str, bytes]]]:
    """A subscriber to everything."""
    heard: list[tuple[str, bytes]] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _c, _d, message: heard.append((message.topic, bytes(message.payload)))
    client.connect("127.0.0.1", port)
    client.subscribe("z/#")
    client.loop_start()
    return client, heard


def test_frames_go_up_and_acknowledgements_come_down_across_a_killed_broker(
    broker: tuple[int, Callable[[], None], Callable[[], None]],
) -> None:
    port, start, kill = broker
    driven = Driven(MqttConfig(port=port))
    assert not driven.bearer.publish(Lane.LIVE, b"too early")
    driven.until(lambda: driven.ups == 1, "no link")
    client, heard = hearing(port)
    driven.until(client.is_connected, "no listener")
    driven.until(lambda: driven.bearer.publish(Lane.LIVE, b"fix") and heard, "the frame does not arrive")
    driven.until(lambda: driven.bearer.publish(Lane.SOS, b"sos"), "the SOS is not taken")
    driven.until(lambda: (topics.up("live", 1001, Lane.SOS), b"sos") in heard, "the SOS does not arrive")
    client.publish(topics.ack("live", 1001), b"ack")
    driven.until(lambda: driven.acks == [b"ack"], "the acknowledgement does not arrive")
    client.loop_stop()
    kill()
    driven.until(lambda: driven.bearer.phase != Phase.UP, "a dead broker looks alive")
    assert not driven.bearer.publish(Lane.LIVE, b"into the void")
    start()
    driven.until(lambda: driven.ups == 2, "the link does not come back")
    driven.bearer.close()
    client.disconnect()


@pytest.fixture
def impostor() -> Iterator[Callable[[bytes], int]]:
    """A server that answers whatever it is told with the same bytes, then closes."""
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer, contextlib.suppress(OSError):  # the bearer may leave first
                    peer.recv(1_000)
                    peer.sendall(answer)
                    if answer:
                        peer.recv(1_000)

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x03\x00\x00\x00" + b"\x30\xff\xff\xff\xff\xff" * 20,
        b"\x20\x03\x00\x00\x00" + b"\x30\x05\x00\x10ab" * 9,
        b"\x20\x03\x00\x00\x00" + b"\x90\x01\x00\x90\x03\x00\x01\x63" * 5,
        b"\x20\x08\x00\x00\x05\xfe\xfe\xfe\xfe\xfe",
    ],
)
def test_a_server_that_speaks_nonsense_is_left_and_tried_again(
    impostor: Callable[[bytes], int], answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.bearers.mqtt.CONNACK_TIMEOUT_S", 1.0)
    driven = Driven(MqttConfig(port=impostor(answer), version="5"))
    driven.until(lambda: driven.bearer.stats.failures == 2, "nonsense was not noticed twice")
    assert driven.bearer.stats.last_error
    assert driven.bearer.phase in (Phase.DOWN, Phase.CONNECTING)
    driven.bearer.close()


def test_nobody_there_is_told_and_tried_with_growing_pauses() -> None:
    driven = Driven(MqttConfig(port=free_port()))
    driven.until(lambda: driven.bearer.stats.failures == 3, "not tried again")
    assert "refused" in driven.bearer.stats.last_error
    driven.bearer.close()


def test_auto_falls_back_to_the_older_version_when_the_newer_is_dropped(
    impostor: Callable[[bytes], int],
) -> None:
    driven = Driven(MqttConfig(port=impostor(b"")))
    spoken = []
    for failures in (1, 2, 3):
        spoken.append(driven.bearer._v5)
        driven.until(lambda n=failures: driven.bearer.stats.failures == n, "not tried again")  # type: ignore[misc]
    assert spoken == [True, False, True]
    driven.bearer.close()


# paho leaves the wrapped socket of a failed handshake to the garbage collector, which closes it and says so
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_is_spoken_and_a_stranger_is_not_trusted(
    tmp_path: Path, make_certificates: Callable[[Path], None]
) -> None:
    port, stranger = free_port(), tmp_path / "stranger"
    stranger.mkdir()
    make_certificates(tmp_path)
    make_certificates(stranger)
    config = tmp_path / "m.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n"
        f"certfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem\n"
    )
    assert MOSQUITTO
    broker = subprocess.Popen([MOSQUITTO, "-c", config], stderr=subprocess.DEVNULL)
    try:
        trusting = Driven(MqttConfig(host="localhost", port=port, ca_file=tmp_path / "cert.pem"))
        trusting.until(lambda: trusting.ups == 1, "no link over TLS")
        trusting.bearer.close()
        wary = Driven(MqttConfig(host="localhost", port=port, ca_file=stranger / "cert.pem"))
        wary.until(lambda: wary.bearer.stats.failures, "a stranger's certificate was taken")
        assert "CERTIFICATE_VERIFY_FAILED" in wary.bearer.stats.last_error
        wary.bearer.close()
    finally:
        broker.kill()
        broker.wait(10)


def test_a_certificate_file_that_is_missing_is_told(tmp_path: Path) -> None:
    driven = Driven(MqttConfig(ca_file=tmp_path / "none.pem"))
    driven.until(lambda: driven.bearer.stats.failures == 1, "not noticed")
    assert "No such file" in driven.bearer.stats.last_error
    driven.bearer.close()


def test_with_a_certificate_only_tls_1_3_is_spoken_and_orders_come_down(
    tmp_path: Path, new_hub: Callable[..., Any], tls_broker: Callable[[Any], Any]
) -> None:
    hub = new_hub()
    folder = tmp_path / "zhantu"
    enrol.enrol(hub.code(), folder, replace=False, list_ports=list)
    config = load(folder / "edge.toml").mqtt
    broker = tls_broker(hub)
    driven = Driven(config)
    driven.until(lambda: driven.ups == 1, "no link with a client's certificate")
    spoken = driven.bearer._client.socket()  # type: ignore[union-attr]
    assert spoken.version() == "TLSv1.3"
    client, heard = hearing(broker.hub_port)
    driven.until(client.is_connected, "no listener")
    driven.until(lambda: driven.bearer.publish(Lane.LIVE, b"fix") and heard, "the frame does not arrive")
    client.publish(topics.orders("live", 1001), b"order", qos=1)
    client.publish(topics.orders("live", 1002), b"not for us", qos=1)
    client.publish(topics.ack("live", 1001), b"ack")
    driven.until(lambda: driven.acks == [b"ack"] and driven.orders == [b"order"], "nothing comes down")
    failures = driven.bearer.stats.failures  # the broker may have been slower than the first try
    driven.bearer.reconnect()
    driven.until(lambda: driven.ups == 2, "it does not come back by itself")
    assert driven.bearer.stats.failures == failures
    client.loop_stop()
    client.disconnect()
    driven.bearer.close()


# as above: paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_of_tls_1_2_is_not_shown_the_certificate(
    tmp_path: Path, new_hub: Callable[..., Any]
) -> None:
    hub = new_hub()
    folder = tmp_path / "zhantu"
    enrol.enrol(hub.code(), folder, replace=False, list_ports=list)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(hub.certificate, hub.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_server(("127.0.0.1", hub.mqtt_port)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                peer, _ = listener.accept()
                with peer:
                    context.wrap_socket(peer, server_side=True).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        driven = Driven(load(folder / "edge.toml").mqtt)
        driven.until(lambda: driven.bearer.stats.failures == 1, "an older TLS was accepted")
        assert re.search("(?i)protocol.version", driven.bearer.stats.last_error)
        driven.bearer.close()
        thread.join(10)
