"""Under which addresses this machine is reached.

Enters: what the kernel says. Leaves: addresses and names for certificates and enrolment codes. Callers: `hub.broker`,
`hub.identity.enrolment`, `zhantu-hub enrol`. No name service is asked: an incident has none.
"""

import fcntl
import socket
import struct
from pathlib import Path

from hub.settings import Settings, is_loopback
from protocols.enrolment import address

ANY = ("", "0.0.0.0", "::")
_SIOCGIFADDR = 0x8915
_OUTWARD = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation: connecting a UDP socket sends nothing, it only chooses a route."""


def outward() -> str:
    """This machine's address towards the default route; "127.0.0.1" when it has none."""
    for family, far in _OUTWARD:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
                return str(probe.getsockname()[0])
            except OSError:
                continue
    return "127.0.0.1"


def own() -> list[str]:
    """Every address of this machine but link-local ones, which mean nothing without their interface."""
    found = {"127.0.0.1", "::1", outward()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # an interface without IPv4
            found.add(socket.inet_ntoa(answer[20:24]))
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        lines = []
    six = [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])) for line in lines]
    return sorted(found.union(one for one in six if not one.startswith("fe80")))


def listening_at(host: str) -> list[str]:
    """The addresses that `host` listens on."""
    return own() if host in ANY else [host]


def public_names(settings: Settings) -> list[str]:
    """The host names of `public_hosts`, without their ports."""
    return [_host(name) for name in settings.public_hosts]


def reached_at(settings: Settings) -> str:
    """The host that a gateway should ask: a public name first, then the hub's own address."""
    for name in [*public_names(settings), settings.host]:
        if name not in ANY and not is_loopback(name):
            return name
    return outward() if settings.host in ANY else settings.host


def web_address(settings: Settings, port: int) -> str:
    """https://host:port or http://…, as another machine would ask for it."""
    scheme = "https" if settings.https else "http"
    if settings.public_hosts:
        return f"{scheme}://{settings.public_hosts[0]}"
    return f"{scheme}://{address(reached_at(settings), port)}"


def server_names(settings: Settings, host: str) -> list[str]:
    """What the certificate of a server on `host` must say."""
    return [*listening_at(host), *public_names(settings), socket.gethostname(), "localhost"]


def _host(name: str) -> str:
    host, colon, port = name.rpartition(":")
    return (host if colon and port.isdecimal() and not host.endswith(":") else name).strip("[]")
