"""Which broker the hub uses, and the command that starts it.

Enters: the data folder, a port, and what the machine has. Leaves: `Broker`, with a `Child` unless the broker is
external. mosquitto where the machine has it, else amqtt: slow, MQTT 3.1.1 only, marked demonstration.
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
from hub.errors import BrokerError

PACKET_BYTES_MAX = 16_384
QUEUED_MAX = 50_000
FREE_TRIES = 15
FREE_WAIT_S = 0.2
_PLACES = ("/usr/sbin", "/usr/local/sbin")

CONFIG = """\
# Written by zhantu-hub at each start; changes here are lost.
listener {port} 127.0.0.1
# The hub's own user: a change of user would clear the signal that ends the broker when the hub is killed.
user {user}
# Anonymous on loopback only: every frame and acknowledgement carries a MAC under its device's own key, so the
# broker need not be trusted. Beyond loopback the broker gets TLS, identities and access lists.
allow_anonymous true
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
connection_messages false
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


def embedded(data: Path, port: int) -> Broker:
    """The broker that the hub will start. BrokerError when the port is taken."""
    check_free(port)
    program = find_mosquitto()
    if program is None:
        command = [sys.executable, "-m", "hub.broker_amqtt", str(port)]
        return Broker("amqtt", "127.0.0.1", port, _child("amqtt", command, data))
    config = data / "mosquitto.conf"
    config.write_text(CONFIG.format(port=port, user=_user_name(), packet=PACKET_BYTES_MAX, queued=QUEUED_MAX))
    command = [program, "-c", str(config)]
    return Broker("mosquitto", "127.0.0.1", port, _child("mosquitto", command, data))


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


def check_free(port: int) -> None:
    """BrokerError when something listens on the port for longer than the broker of a killed hub needs to end."""
    for tries_left in reversed(range(FREE_TRIES)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return
            except OSError as err:
                if tries_left:
                    time.sleep(FREE_WAIT_S)
                    continue
                why = err.strerror
    raise BrokerError(
        f"broker: port {port} cannot be used ({why}); choose another with --mqtt-port,"
        " or name a running broker with --broker HOST:PORT"
    )


def _child(name: str, command: Sequence[str], data: Path) -> Child:
    return Child(name, lambda: command, data / f"{name}.log")
