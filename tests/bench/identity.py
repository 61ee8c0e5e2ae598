"""Devices with certificates: how fast a hub starts with them, what a revocation does to the others, how long an
enrolment takes.

    python tests/bench/identity.py [--devices 1000]

Enters: nothing; the devices are made straight in the registry, as `hub.identity.enrolment` does. Leaves: figures as
JSON. Called by run.py. Everything goes over loopback; every client has a key and a certificate of its own.
"""

import argparse
import asyncio
import json
import re
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_agent import free_port, usage

from edge.certificates import new_request
from hub.identity.authority import Authority
from hub.identity.keys import load_master
from hub.store.interface import UnitRow
from hub.store.registry import SqliteRegistry
from protocols import mqtt_wire
from protocols.errors import MqttError

ROOT = Path(__file__).resolve().parents[2]
FIRST_DEVICE = 1_001
STARTS = 3
ENROLMENTS = 5
WATCH_S = 10.0
CONNECT_S_MAX = 120.0
START_S_MAX = 60
KEEPALIVE_S = 300
FILES_SPARE = 200
PING_S = 5.0
"""Who has not answered a ping by then counts as dropped, too."""


def enrol_all(data: Path, certificates: Path, count: int) -> None:
    """`count` active devices in the registry of `data`; certificate and key of each in one file."""
    now_ms = time.time_ns() // 1_000_000
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = Authority(load_master(data / "master.key", create=True), "live", data / "tls")
    registry = SqliteRegistry(data / "registry.db")
    registry.open(now_ms)
    with registry.together():
        for device in range(FIRST_DEVICE, FIRST_DEVICE + count):
            request = new_request()
            issued = authority.client(request.csr, device, 90)
            unit = UnitRow("", f"T{device}", "person", "fire", "", 30, 300)
            registry.devices.reserve(device, "gateway", False, now_ms)
            registry.enrol([(device, unit)], now_ms)
            row = registry.devices.activate(device, "bench", now_ms)
            assert row is not None
            registry.devices.add_certificate(issued.serial, device, row.epoch, *issued[2:])
            (certificates / f"{device}.pem").write_text(issued.pem + request.key)
    registry.close()


# --- the hub -------------------------------------------------------------------------------------------------


class RunningHub:
    """A hub whose broker serves TLS, and how long it took until its start line."""

    def __init__(self, data: Path, log: Path, host: str = "127.0.0.1") -> None:
        self.data, self.log = data, log
        self.tls_port = free_port()
        command = [
            sys.executable, "-m", "hub", "run", "--data", str(data), "--host", host, "--port", str(free_port()),
            "--mqtt-port", str(free_port()), "--devices-host", "127.0.0.1", "--devices-port", str(self.tls_port),
            "--json",
        ]  # fmt: skip
        began = time.monotonic()
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.start_s = time.monotonic() - began
        if not line:
            raise SystemExit(f"the hub does not start: {log.read_text()[-2000:]}")
        self.said = json.loads(line)

    def broker_pid(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = [int(pid) for pid in children if "mosquitto" in Path(f"/proc/{pid}/comm").read_text()]
        assert len(found) == 1, found
        return found[0]

    def connects(self) -> int:
        """How often the hub's two lines to the broker were opened, both counted."""
        return len(re.findall(r"broker, \S+: connected", self.log.read_text()))


@contextmanager
def running(data: Path, log: Path, host: str = "127.0.0.1") -> Iterator[RunningHub]:
    hub = RunningHub(data, log, host)
    try:
        yield hub
    finally:
        hub.process.terminate()
        hub.process.wait(START_S_MAX)


def starts(data: Path, log: Path) -> list[float]:
    """Seconds to the start line, STARTS times."""
    found = []
    for _ in range(STARTS):
        with running(data, log) as hub:
            found.append(round(hub.start_s, 2))
    return found


# --- clients -------------------------------------------------------------------------------------------------


class Client(asyncio.Protocol):
    """A device: connects, and notes when it was let in and when it was thrown out."""

    def __init__(self) -> None:
        self.reader = mqtt_wire.Reader(version_5=True)
        self.answered = asyncio.Event()
        self.is_in = False
        self.pongs = 0
        self.lost_s: float | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(mqtt_wire.connect("any name", KEEPALIVE_S, version_5=True))

    def data_received(self, data: bytes) -> None:
        try:
            _, packets = self.reader.feed(data)
        except MqttError:
            packets = []
        for kind, body in packets:
            if kind == mqtt_wire.CONNACK:
                self.is_in = body[1] == 0
                self.answered.set()
            self.pongs += kind == mqtt_wire.PINGRESP

    def connection_lost(self, _err: Exception | None) -> None:
        self.lost_s = time.monotonic()
        self.answered.set()

    def ping(self) -> None:
        if self.transport is not None:
            self.transport.write(mqtt_wire.PINGREQ_PACKET)

    def end(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def context_of(data: Path, certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(data / "tls/authority.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate)
    return context


async def connect(port: int, context: ssl.SSLContext) -> Client:
    """Whether it was let in stands in the client: the broker judges certificates after TLS 1.3's handshake."""
    loop = asyncio.get_running_loop()
    client = Client()
    try:
        await loop.create_connection(
            lambda: client, "127.0.0.1", port, ssl=context, server_hostname="127.0.0.1",
            ssl_handshake_timeout=CONNECT_S_MAX,
        )  # fmt: skip
        await asyncio.wait_for(client.answered.wait(), CONNECT_S_MAX)
    except OSError:
        client.lost_s = time.monotonic()
    return client


async def revoke(data: Path, device: int) -> tuple[float, float]:
    """When `zhantu-hub device revoke` was begun and when it had ended."""
    began = time.monotonic()
    command = ("device", "revoke", str(device), "--why", "bench", "--data", str(data))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", *command, cwd=ROOT, stdout=subprocess.DEVNULL
    )
    assert await process.wait() == 0
    return began, time.monotonic()


async def sessions(hub: RunningHub, certificates: Path, count: int) -> dict[str, Any]:
    """All connect at once, one is revoked, and the others are watched for WATCH_S."""
    devices = range(FIRST_DEVICE, FIRST_DEVICE + count)
    contexts = [context_of(hub.data, certificates / f"{device}.pem") for device in devices]
    pid, connects = hub.broker_pid(), hub.connects()
    empty_kb = usage(pid)[1]
    began, cpu_s = time.monotonic(), usage(pid)[0]
    clients = await asyncio.gather(*(connect(hub.tls_port, context) for context in contexts))
    connect_s, connect_cpu_s = time.monotonic() - began, usage(pid)[0] - cpu_s
    let_in = sum(client.is_in and client.lost_s is None for client in clients)
    full_kb = usage(pid)[1]

    chosen = count // 2
    revoke_began, revoke_ended = await revoke(hub.data, FIRST_DEVICE + chosen)
    await asyncio.sleep(WATCH_S)
    gone_s = clients[chosen].lost_s
    others = [client for i, client in enumerate(clients) if i != chosen]
    for client in others:
        client.ping()
    await asyncio.sleep(PING_S)
    dropped = sum(client.lost_s is not None or not client.pongs for client in others)
    again = await connect(hub.tls_port, contexts[chosen])
    neighbour = await connect(hub.tls_port, contexts[chosen + 1])
    result = {
        "clients": count, "let_in": let_in, "connect_s": round(connect_s, 2),
        "broker_cpu_s": round(connect_cpu_s, 2),
        "broker_empty_mb": round(empty_kb / 1024, 1), "broker_full_mb": round(full_kb / 1024, 1),
        "kb_a_session": round((full_kb - empty_kb) / max(1, let_in), 1),
        "dropped": dropped,
        "revoke_command_s": round(revoke_ended - revoke_began, 2),
        "gone_s": None if gone_s is None else round(gone_s - revoke_began, 2),
        "revoked_comes_back": again.is_in, "neighbour_comes_back": neighbour.is_in,
        "same_broker": hub.broker_pid() == pid, "hub_reconnects": hub.connects() - connects,
    }  # fmt: skip
    for client in (*clients, again, neighbour):
        client.end()
    return result


# --- enrolment -----------------------------------------------------------------------------------------------


def enrolments(hub: RunningHub, folder: Path) -> list[float]:
    """Seconds of `zhantu-edge enrol` as a whole, HTTPS, ENROLMENTS times."""
    found = []
    port = hub.said["http"].rpartition(":")[2]
    for i in range(ENROLMENTS):
        made = subprocess.run(
            [sys.executable, "-m", "hub", "enrol", "--data", hub.data, "--callsign", f"N{i}", "--json",
             "--address", f"127.0.0.1:{port}"],
            check=True, capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
        command = ["enrol", json.loads(made.stdout)["code"], "--dir", folder / f"gateway-{i}"]
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "edge", *command], check=True, stdout=subprocess.DEVNULL, cwd=ROOT
        )
        found.append(round(time.monotonic() - began, 2))
    return found


def measure(count: int) -> dict[str, Any]:
    """All figures."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count + FILES_SPARE), hard), hard))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates = folder / "certificates"
        certificates.mkdir(mode=0o700)
        result: dict[str, Any] = {"starts_0": starts(folder / "empty", folder / "log")}
        enrol_all(folder / "data", certificates, count)
        result["starts_all"] = starts(folder / "data", folder / "log")
        with running(folder / "data", folder / "log") as hub:
            result |= asyncio.run(sessions(hub, certificates, count))
        with running(folder / "data", folder / "log", "0.0.0.0") as hub:
            assert hub.said["http"].startswith("https://"), hub.said
            result["enrol_s"] = enrolments(hub, folder)
    result["enrol_median_s"] = statistics.median(result["enrol_s"])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=1_000)
    print(json.dumps(measure(parser.parse_args().devices), indent=1))


if __name__ == "__main__":
    main()
