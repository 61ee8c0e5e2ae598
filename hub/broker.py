"""Which broker the hub uses, and the command that starts it.

Enters: the data folder, a port, what the machine has, and the devices' door where there is one. Leaves: `Broker`, with
a `Child` unless the broker is external. mosquitto where the machine has it, else amqtt: slow, MQTT 3.1.1 only, marked
demonstration, and without TLS.
"""

import os
import pwd
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.children import Child
from hub.device_door import DeviceDoor
from hub.errors import BrokerError
from hub.files import write_whole

PACKET_BYTES_MAX = 16_384
QUEUED_MAX = 50_000
FREE_TRIES = 15
FREE_WAIT_S = 0.2
_PLACES = ("/usr/sbin", "/usr/local/sbin")

CONFIG = """\
# Written by zhantu-hub at each start; changes here are lost.
per_listener_settings true
# The hub's own user: a change of user would clear the signal that ends the broker when the hub is killed.
user {user}
# Nothing relies on the broker's memory: devices keep rows until the hub itself acknowledges them.
persistence false
max_packet_size {packet}
max_queued_messages {queued}
max_inflight_messages 200
max_keepalive 300
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
log_type notice
"""
PLAIN = """\
connection_messages {connection_messages}
listener {port} 127.0.0.1
# Anonymous on loopback only: every frame and acknowledgement carries a MAC under its device's own key, so the
# broker need not be trusted.
allow_anonymous true
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and what it is. `kind` mosquitto, amqtt or external."""

    kind: str
    host: str
    port: int
    child: Child | None

    @property
    def version_5(self) -> bool:
        return self.kind != "amqtt"

    @property
    def demonstration(self) -> bool:
        return self.kind == "amqtt"


def external(address: str) -> Broker:
    """The broker at `host:port`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise BrokerError(f"broker: {address!r}, host:port needed, such as 10.0.0.5:1883")
    return Broker("external", host.strip("[]"), int(port), None)


def embedded(data: Path, port: int, door: DeviceDoor | None = None, output: int | None = None) -> Broker:
    """The broker that the hub will start. BrokerError when a port is taken, or devices need what it cannot do.

    `door`: where devices come in over TLS; its files are there already. `output`: a descriptor for what the broker
    says, None: a file.
    """
    check_free(port)
    program = find_mosquitto()
    if program is None and door is not None:
        raise BrokerError(
            f"broker: devices at {door.host}:{door.port} need TLS, and mosquitto is not installed"
            " (Debian: apt install mosquitto); without it the hub serves devices on loopback only"
        )
    if program is None:
        command = [sys.executable, "-m", "hub.broker_amqtt", str(port)]
        return Broker("amqtt", "127.0.0.1", port, _child("amqtt", command, data, output))
    lines = CONFIG.format(user=_user_name(), packet=PACKET_BYTES_MAX, queued=QUEUED_MAX)
    if door is not None:
        check_free(door.port, door.host)
        lines += door.global_lines()
    lines += PLAIN.format(port=port, connection_messages=str(door is not None).lower())
    if door is not None:
        lines += door.listener_lines()
    config = data / "mosquitto.conf"
    write_whole(config, lines.encode())
    command = [program, "-c", str(config)]
    return Broker("mosquitto", "127.0.0.1", port, _child("mosquitto", command, data, output))


def find_mosquitto() -> str | None:
    """mosquitto's path; Debian puts it where a plain user's PATH does not look."""
    found = shutil.which("mosquitto")
    for place in _PLACES:
        found = found or shutil.which("mosquitto", path=place)
    return found


def _user_name() -> str:
    """The name of the user that runs the hub; its number where it has no name, as in some containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def check_free(port: int, host: str = "127.0.0.1") -> None:
    """BrokerError when something listens on the port for longer than the broker of a killed hub needs to end."""
    for tries_left in reversed(range(FREE_TRIES)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                return
            except OSError as err:
                if tries_left:
                    time.sleep(FREE_WAIT_S)
                    continue
                why = err.strerror
    raise BrokerError(
        f"broker: {host}:{port} cannot be used ({why}); choose another with --mqtt-port (devices: --devices-host,"
        " --devices-port), or name a running broker with --broker HOST:PORT"
    )


def _child(name: str, command: Sequence[str], data: Path, output: int | None) -> Child:
    return Child(name, lambda: command, data / f"{name}.log" if output is None else output)
