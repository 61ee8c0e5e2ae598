"""Brokers: the child is started again, ends with a killed hub, and amqtt stands in; the devices' door over TLS."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub import broker
from hub.broker_log import LINES_KEPT_MAX, BrokerLog
from hub.children import Child
from hub.device_door import DeviceDoor
from hub.errors import BrokerError
from hub.identity.authority import Authority
from hub.identity.enrolment import Wanted, revoke
from hub.mqtt import QUEUE_MAX, ROW_LANES, URGENT_LANES, URGENT_MAX, Inbox
from hub.settings import Settings
from hub.store.registry import SqliteRegistry
from protocols import mqtt_wire, topics
from protocols.catalog import Lane
from protocols.enrolment import unpack

WAIT_S = 15


@pytest.mark.parametrize("address", ["", "host", "host:", ":1883", "host:x", "host:0", "host:70000"])
def test_wrong_address(address: str) -> None:
    with pytest.raises(BrokerError, match="host:port needed"):
        broker.external(address)


def test_external() -> None:
    found = broker.external("[::1]:1883")
    assert (found.kind, found.host, found.port, found.child) == ("external", "::1", 1883, None)


def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    async def go() -> int:
        stop = asyncio.Event()
        marks = tmp_path / "starts"
        script = (
            f"import time; open({str(marks)!r}, 'a').write('x');"
            f" time.sleep(0 if len(open({str(marks)!r}).read()) < 3 else 60)"
        )
        child = Child("x", lambda: [sys.executable, "-c", script], tmp_path / "x.log")
        running = asyncio.create_task(child.run(stop))
        async with asyncio.timeout(WAIT_S):
            while child.starts < 3:
                await asyncio.sleep(0.01)
        stop.set()
        await running
        return child.starts

    assert asyncio.run(go()) == 3


def test_a_killed_hub_leaves_no_broker(tmp_path: Path, free_port: Callable[[], int]) -> None:
    words = [sys.executable, "-m", "hub", "run", "--data", str(tmp_path), "--port", "0", "--json"]
    port = str(free_port())
    for _ in range(2):
        with subprocess.Popen(
            [*words, "--mqtt-port", port], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as hub:
            assert hub.stdout is not None
            assert hub.stdout.readline().startswith(b"{"), "the second start is not blocked"
            (child,) = psutil.Process(hub.pid).children()
            os.kill(hub.pid, signal.SIGKILL)
            hub.wait(WAIT_S)
        psutil.wait_procs([child], WAIT_S)
        assert not child.is_running()


def test_amqtt_stands_in(
    running: Callable[..., Any], device_at: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    with running() as run:
        run.enrol(7)
        assert run.hub.broker.kind == "amqtt"
        assert "broker: embedded amqtt, for demonstration only" in run.hub.health().notes
        device = device_at(run, 7)
        assert device.send(device.side.event(0, zero_ms=device.side.clock.now - 5_000)).watermark == 1


def test_the_inbox_is_bounded_and_keeps_sos_apart() -> None:
    async def go() -> None:
        inbox = Inbox()
        row, sos = ("z/live/0/1/2", b""), ("z/live/0/1/0", b"sos")
        inbox.put([row] * (QUEUE_MAX - 1))
        inbox.put([row] * 6)
        inbox.put([row])
        assert inbox.dropped == 6
        inbox.put_urgent([sos])
        assert inbox.take(2) == [sos, row]
        assert inbox.arrived.is_set(), "there is more"
        inbox.put_urgent([sos] * (URGENT_MAX + 1))
        assert inbox.dropped == 7
        assert len(inbox.take(10**6)) == URGENT_MAX + QUEUE_MAX - 1
        assert not inbox.arrived.is_set()

    asyncio.run(go())


def test_every_lane_is_heard_on_one_of_the_two_connections() -> None:
    assert sorted([*URGENT_LANES, *ROW_LANES]) == sorted(Lane)
    assert {Lane.SOS, Lane.RECEIPTS} == set(URGENT_LANES)


# --- the devices' door -----------------------------------------------------------------------------------------


class Gateway:
    """A device with its certificate, at the TLS listener, speaking plain MQTT packets."""

    def __init__(self, door: "Door", device: int, folder: Path, *, version_5: bool = True) -> None:
        self.device = device
        self.version_5 = version_5
        context = ssl.create_default_context(cadata=door.authority.pem)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(folder / f"{device}.pem", folder / f"{device}.key")
        with socket.create_connection(("127.0.0.1", door.port), WAIT_S) as raw:
            self.line = context.wrap_socket(raw, server_hostname="127.0.0.1")
        door.lines.append(self.line)
        self.line.settimeout(WAIT_S)
        self.line.sendall(mqtt_wire.connect("some name of its own", 60, version_5=version_5))
        self.connack = self.line.recv(100)

    def publish(self, topic: str, payload: bytes = b"x" * 20) -> None:
        self.line.sendall(mqtt_wire.publish(mqtt_wire.publish_head(topic, version_5=self.version_5), payload))

    def subscribe(self, topic: str) -> None:
        self.line.sendall(mqtt_wire.subscribe([topic], version_5=self.version_5))
        self.line.recv(100)

    def alive(self) -> bool:
        """Whether the session goes on: the broker answers a ping."""
        try:
            self.line.sendall(mqtt_wire.PINGREQ_PACKET)
            return bool(self.line.recv(100))
        except OSError:
            return False


class Door:
    """A running hub with its TLS listener on loopback, and certificates for devices."""

    def __init__(self, run: Any, folder: Path) -> None:
        self.run = run
        self.hub = run.hub
        self.authority: Authority = run.hub.authority
        self.port: int = run.hub.settings.devices_port
        self.folder = folder
        self.lines: list[ssl.SSLSocket] = []
        self.told: list[tuple[str, int, str, int]] = []
        self.hub.broker_log._tell = lambda *said: self.told.append(said)

    def enrol(self, device: int, days: int = 90, **wanted: Any) -> int:
        """As a gateway would be enrolled, without HTTP between."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = (
            x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        )
        csr = request.public_bytes(serialization.Encoding.PEM).decode()
        self.hub.enrolment._settings = Settings(certificate_days=max(1, days))
        made = self.hub.enrolment.make(
            Wanted(f"C{device}", device=device, **wanted), ("127.0.0.1", 8600), 1, "t"
        )
        got = self.hub.enrolment.grant(unpack(made.code).secret, csr, "", "", "")
        pem = got.certificate if days > 0 else self.authority.client(csr, device, days).pem
        (self.folder / f"{device}.pem").write_text(pem)
        (self.folder / f"{device}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.run.loop.call_soon_threadsafe(self.hub.reload)
        return device

    def connect(self, device: int, *, version_5: bool = True) -> Gateway:
        return Gateway(self, device, self.folder, version_5=version_5)

    def refused(self, device: int) -> bool:
        """Whether the handshake, or the first read behind it, fails. TLS 1.3 tells a client late."""
        try:
            return not self.connect(device).connack
        except (ssl.SSLError, ConnectionError):
            return True

    def admitted(self) -> int:
        return int(self.hub.counters.frames)


@pytest.fixture
def door(running: Callable[..., Any], free_port: Callable[[], int], tmp_path: Path) -> Iterator[Door]:
    with running(devices_host="127.0.0.1", devices_port=free_port()) as run:
        run.until(lambda: run.hub.link.connected)
        made = Door(run, tmp_path)
        yield made
        for line in made.lines:
            line.close()


def own(device: int, lane: int | str = 2) -> str:
    return topics.up("live", device, Lane.LIVE)[:-1] + str(lane)


@pytest.mark.parametrize("version_5", [True, False])
def test_a_device_is_who_its_certificate_says(door: Door, version_5: bool) -> None:
    door.enrol(1001)
    door.enrol(1002)
    device = door.connect(1001, version_5=version_5)
    assert device.line.version() == "TLSv1.3"
    device.publish(own(1001))
    door.run.until(lambda: door.admitted() == 1)
    device.publish(own(1002))
    device.publish("elsewhere")
    device.publish(own(1001, "r"))
    device.publish(own(1001))
    door.run.until(lambda: door.admitted() == 2)
    door.run.until(lambda: door.hub.broker_log.denied == 3)
    assert {said[:2] for said in door.told} == {("denied", 1001)}, "named, and nobody else"
    assert device.alive()


def test_denials_become_a_notice(door: Door) -> None:
    door.hub.broker_log._tell = door.hub.watch.tell
    door.enrol(1001)
    door.connect(1001).publish(own(1002))
    door.run.until(lambda: [(n.reason, n.device) for n in door.hub.watch.open()] == [("denied", 1001)])


def test_acknowledgements_reach_only_their_device(door: Door) -> None:
    door.enrol(1001)
    door.enrol(1002)
    mine, other = door.connect(1001), door.connect(1002)
    for device in (mine, other):
        device.subscribe("z/live/+/1001/a")
    door.hub.link.publish(topics.ack, 1001, b"for 1001")
    door.run.loop.call_soon_threadsafe(door.hub.link.flush)
    assert b"for 1001" in mine.line.recv(200)
    other.line.sendall(mqtt_wire.PINGREQ_PACKET)
    assert other.line.recv(200) == b"\xd0\x00", "nothing but the ping's answer"


def test_only_enrolled_devices_are_told_who_commands(door: Door) -> None:
    judges = door.hub.list_sender._can_judge
    door.run.enrol(7)  # by the roster: it has no identity of its own
    door.enrol(1001)
    door.run.until(lambda: judges() == {1001})
    revoke(door.hub.registry, 1001, "lost", "t", door.hub.clock.now_ms())
    door.run.loop.call_soon_threadsafe(door.hub.reload)
    door.run.until(lambda: judges() == set())


def test_only_a_relay_writes_its_relay_topic(door: Door) -> None:
    door.enrol(1001, kind="relay")
    door.enrol(1002)
    door.enrol(1003, kind="relay")
    acl = (door.hub.data / "tls/devices.acl").read_text()
    door.run.until(lambda: "user 1003" in (door.hub.data / "tls/devices.acl").read_text())
    assert "1002" not in acl
    relay, plain = door.connect(1001), door.connect(1002)
    relay.publish(own(1001, "r"))
    relay.publish(own(1001))
    door.run.until(lambda: door.admitted() == 1)
    assert door.hub.broker_log.denied == 0
    relay.publish(own(1003, "r"))
    plain.publish(own(1002, "r"))
    door.run.until(lambda: door.hub.broker_log.denied == 2)
    assert {said[:2] for said in door.told} == {("denied", 1001), ("denied", 1002)}


def test_certificates_that_are_refused(door: Door, tmp_path: Path) -> None:
    door.enrol(1001, days=-1)
    assert door.refused(1001)
    door.run.until(lambda: door.hub.broker_log.refused == 1)
    assert door.told[-1] == ("tls", 0, "127.0.0.1", 1)
    stranger = Authority(bytes(32), "live", tmp_path / "strange")
    chain, key = stranger.server(["1001"], "x")
    (door.folder / "1001.pem").write_bytes(chain.read_bytes())
    (door.folder / "1001.key").write_bytes(key.read_bytes())
    assert door.refused(1001)
    with socket.create_connection(("127.0.0.1", door.port), WAIT_S) as line:
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        door.run.until(lambda: door.hub.broker_log.refused == 3)
    assert door.hub.link.connected


def test_revocation_ends_one_session_and_no_other(door: Door) -> None:
    devices = [door.connect(door.enrol(number)) for number in range(1001, 1021)]
    pid, connects = door.hub.broker.child.pid, door.hub.link.connects
    revoke(door.hub.registry, 1005, "lost", "t", 0)
    door.run.loop.call_soon_threadsafe(door.hub.reload)
    door.run.until(lambda: 1005 not in door.hub.keys.epochs)
    door.run.until(lambda: door.hub.ingest.barred == {1005: "revoked"})
    gone = devices.pop(4)
    try:
        assert gone.line.recv(100) in (b"", b"\xe0\x01\x8e"), "taken over, and closed"
    except OSError:
        pass
    assert not gone.alive()
    assert door.refused(1005)
    assert all(device.alive() for device in devices), "the same connections go on"
    assert (door.hub.broker.child.pid, door.hub.link.connects) == (pid, connects)
    assert door.hub.broker.child.starts == 1
    door.enrol(1005)
    door.run.until(lambda: 1005 in door.hub.keys.epochs)
    assert door.connect(1005).alive(), "enrolled again, with another certificate"


def test_another_program_revokes_within_a_moment(door: Door) -> None:
    device = door.connect(door.enrol(1001))
    words = [sys.executable, "-m", "hub", "device", "revoke", "1001", "--why", "lost", "--data"]
    subprocess.run([*words, str(door.hub.data)], check=True, stdout=subprocess.DEVNULL)
    door.run.until(lambda: door.hub.ingest.barred == {1001: "revoked"})
    door.run.until(lambda: not device.alive())


def test_a_new_server_certificate_drops_nobody(door: Door) -> None:
    device = door.connect(door.enrol(1001))
    before = device.line.getpeercert(binary_form=True)
    (door.hub.data / "tls/broker.pem").unlink()
    door.run.loop.call_soon_threadsafe(door.hub._refresh_door)
    door.run.until(lambda: _shown(door) not in (None, before))
    assert device.alive()


def _shown(door: Door) -> bytes | None:
    """The certificate that the listener shows now."""
    context = ssl.create_default_context(cadata=door.authority.pem)
    with socket.create_connection(("127.0.0.1", door.port), WAIT_S) as raw:
        try:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as line:
                return line.getpeercert(binary_form=True)
        except OSError:
            return None


def test_no_device_can_write_another_into_the_log(door: Door) -> None:
    line = "1795000000: Denied PUBLISH from 1002 (d0, q0, r0, m0, 'z', ... (5 bytes))"
    door.enrol(1001)
    for topic in (f"x\n{line}", f"x\r{line}", f"x\x85{line}", f"x\x00{line}"):
        device = door.connect(1001)
        device.publish(topic)
        assert device.line.recv(100)[:1] in (b"", b"\xe0"), "mosquitto takes no control characters"
    device = door.connect(1001)
    # long enough that mosquitto cuts its line
    for topic in (f"x', ... {line}", f"\u2028{line}", "x" * 2_000 + line, "y" * 960 + line):
        device.publish(topic)
    door.run.until(lambda: door.hub.broker_log.denied == 4)
    assert {said[:2] for said in door.told if said[0] == "denied"} == {("denied", 1001)}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_broker_goes_on_without_grep(door: Door, number: signal.Signals) -> None:
    device = door.connect(door.enrol(1001))
    door.run.until(lambda: door.hub.broker_log.grep.pid)
    grep = door.hub.broker_log.grep.pid
    os.kill(grep, number)
    for _ in range(20):
        for _ in range(1_000):  # some 3 MB of log in all, more than both pipes hold
            device.publish(own(1002))
        assert device.alive()
    if number == signal.SIGSTOP:
        os.kill(grep, signal.SIGKILL)
    door.run.until(lambda: door.hub.broker_log.grep.starts >= 2)
    seen = door.hub.broker_log.denied
    device.publish(own(1002))
    door.run.until(lambda: door.hub.broker_log.denied > seen)
    assert door.hub.broker.child.starts == 1


def test_the_log_is_bounded(tmp_path: Path) -> None:
    told: list[tuple[str, int, str, int]] = []
    said = BrokerLog(tmp_path / "x.log", 8883, lambda *words: told.append(words))
    line = b"1795000000: Denied PUBLISH from %d (d0, q0, r0, m0, 'z/live/c/1/2', ... (20 bytes))"
    said.take(b"\n".join([line % 1001] * 900 + [line % 1002] * 100))
    assert sorted(told) == [
        ("denied", 1001, "published as another", 900),
        ("denied", 1002, "published as another", 100),
    ]
    kept = (tmp_path / "x.log").read_text().splitlines()
    assert len(kept) == LINES_KEPT_MAX + 1
    assert kept[-1] == "zhantu-hub: 900 more lines left out"
    for _ in range(2_000):
        said.take(b"\n".join([b"x" * 60] * 100))
    assert sum(path.stat().st_size for path in tmp_path.glob("x.log*")) < 9 * 2**20
    for end in said._ends:
        os.close(end)


def test_nobody_is_blamed_for_a_handshake_on_a_guess(tmp_path: Path) -> None:
    told: list[tuple[str, int, str, int]] = []
    said = BrokerLog(tmp_path / "x.log", 8883, lambda *words: told.append(words))
    failed = b"\n2: OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed"
    said.take(b"1: New connection from 10.0.0.1:500 on port 8883." + failed)
    said.take(
        b"1: New connection from 10.0.0.1:501 on port 8883.\n1: New connection from 10.0.0.2:500 on port 8883."
    )
    said.take(failed[1:])
    said.take(b"1: New client connected from 10.0.0.2:500 as 1002 (p5, c1, k60, u'1002').")
    said.take(b"1: New connection from 10.0.0.3:500 on port 18830." + failed)
    assert [words[2] for words in told] == ["10.0.0.1", "", ""]
    for end in said._ends:
        os.close(end)


def test_tls_needs_mosquitto(
    running: Callable[..., Any], free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    run = running(devices_host="127.0.0.1", devices_port=free_port())
    with pytest.raises(BrokerError, match="mosquitto is not installed"):
        run.__enter__()
    run._thread.join(WAIT_S)


def test_a_thousand_devices_cost_three_files(tmp_path: Path) -> None:
    registry = SqliteRegistry(tmp_path / "registry.db")
    registry.open(0)
    clock = 1_795_000_000_000
    with registry.together():
        for device in range(1001, 2001):
            registry.devices.reserve(device, "gateway", False, clock)
            registry.devices.activate(device, "", clock)
            registry.devices.add_certificate(f"{device:x}", device, 0, 0, clock + 10**9)
    authority = Authority(bytes(32), "live", tmp_path / "tls", lambda: clock)
    signed = []
    sign, authority.revocations = authority.revocations, lambda rows: signed.append(1) or sign(rows)  # type: ignore
    settings = Settings(devices_host="127.0.0.1")
    door = DeviceDoor(settings, tmp_path / "tls", authority, registry.devices, lambda: clock)
    assert door.write() == (True, set())
    names = {path.name for path in (tmp_path / "tls").iterdir()}
    assert names == {"authority.pem", "broker.pem", "broker.key", "revoked.pem", "devices.acl"}
    assert door.write() == (False, set())
    assert (len(signed), door.writes) == (1, 2), "nothing is made twice"
    revoke(registry, 1500, "lost", "t", clock)
    assert door.write() == (True, {1500})
    assert (len(signed), door.writes) == (2, 3)
    assert len((tmp_path / "tls/devices.acl").read_bytes()) < 500
    registry.close()
