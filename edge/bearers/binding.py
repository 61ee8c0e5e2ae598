"""TCP and UDP sockets that leave by one network interface, as the LTE modem or the mesh radio.

Enters: an address, the interface's name or "". Leaves: sockets. Callers: the bearers over IP.
"""

import socket
from typing import Any

import paho.mqtt.client as paho


def connect(host: str, port: int, interface: str, timeout_s: float) -> socket.socket:
    """A TCP connection. OSError with the interface's name when it is not there. Blocks up to `timeout_s` an address."""
    last: OSError = OSError(f"{host}: no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            bind(sock, interface)
            sock.settimeout(timeout_s)
            sock.connect(address)
            return sock
        except OSError as err:
            sock.close()
            last = err
    raise last


def bind(sock: socket.socket, interface: str) -> None:
    """Let `sock` use only `interface`. **Source:** socket(7), SO_BINDTODEVICE; free for everybody from Linux 5.7 on."""
    if not interface:
        return
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except OSError as err:
        raise OSError(err.errno, f"interface {interface}: {err.strerror}") from None


class BoundClient(paho.Client):
    """paho's client on one interface. It has no setting for that; the method that opens its socket is replaced."""

    def __init__(self, interface: str, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._interface = interface

    def _create_socket_connection(self) -> socket.socket:
        return connect(self._host, self._port, self._interface, self._connect_timeout)
