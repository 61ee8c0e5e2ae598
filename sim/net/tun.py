"""Two hosts on one machine with a bad link between them: network namespaces, joined by two TUN devices and our own
relay.

Enters: names, addresses, what is wrong with the link. Leaves: namespaces to run programs in (`ip netns exec`). Needs
root, /dev/net/tun and iproute2: ask `possible()` first. Here real TCP meets real loss; netem is not in every kernel.
Callers: the campaign of faults. **Source:** Linux, Documentation/networking/tuntap.rst.
"""

import ctypes
import fcntl
import heapq
import os
import select
import struct
import subprocess
import threading
import time
from pathlib import Path

from sim.net.link import Link, LinkSpec

TUNSETIFF = 0x4004_54CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x4000_0000
PACKET_BYTES_MAX = 2_048
HELD_PACKETS_MAX = 50_000
MTU = 1_400


def possible() -> str:
    """Why it cannot be done on this machine, or "" when it can."""
    if os.geteuid() != 0:
        return "needs root"
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun is missing"
    try:
        name = f"zt{os.getpid()}"
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError) as err:
        return f"no network namespaces: {err}"
    return ""


def _ip(*arguments: str) -> None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    subprocess.run(["ip", *arguments], check=True, capture_output=True, env={**os.environ, "PATH": path})


class TunLink:
    """Namespaces `<name>a` (10.77.0.1) and `<name>b` (10.77.0.2). Use with `with`."""

    def __init__(self, name: str, up: LinkSpec, down: LinkSpec, seed: int) -> None:
        self.names = (f"{name}a", f"{name}b")
        self.addresses = ("10.77.0.1", "10.77.0.2")
        self.up, self.down = Link(up, seed), Link(down, seed + 1)
        self._fds: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "TunLink":
        for name, own, other in zip(self.names, self.addresses, self.addresses[::-1], strict=True):
            _ip("netns", "add", name)
            self._fds.append(_tun_in(name))
            for (
                line
            ) in f"link set lo up|addr add {own} peer {other}/32 dev tun0|link set tun0 mtu {MTU} up".split(
                "|"
            ):
                _ip("-n", name, *line.split())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
        for fd in self._fds:
            os.close(fd)
        for name in self.names:
            _ip("netns", "del", name)

    def inside(self, side: int, *command: str) -> list[str]:
        """The command line that runs a program in namespace 0 or 1."""
        return ["ip", "netns", "exec", self.names[side], *command]

    def cut(self, *, up: bool = True, down: bool = True) -> None:
        """Partition, both ways or one."""
        self.up.cut, self.down.cut = up, down

    def join(self) -> None:
        """End of the partition."""
        self.cut(up=False, down=False)

    def _run(self) -> None:
        """Packets wait in a heap until their time. Serial numbers keep packets of one time in order."""
        waiting: list[tuple[float, int, int, bytes]] = []
        serial = 0
        links = {self._fds[0]: (self.up, self._fds[1]), self._fds[1]: (self.down, self._fds[0])}
        while not self._stop.is_set():
            now_ms = time.monotonic() * 1_000
            pause_s = min(0.05, max(0.0, (waiting[0][0] - now_ms) / 1_000)) if waiting else 0.05
            ready, _, _ = select.select(self._fds, [], [], pause_s)
            now_ms = time.monotonic() * 1_000
            for fd in ready:
                data = os.read(fd, PACKET_BYTES_MAX)
                link, out = links[fd]
                for at_ms in link.packet(len(data), now_ms):
                    if len(waiting) < HELD_PACKETS_MAX:
                        serial += 1
                        heapq.heappush(waiting, (at_ms, serial, out, data))
            while waiting and waiting[0][0] <= now_ms:
                _, _, out, data = heapq.heappop(waiting)
                try:
                    os.write(out, data)
                except OSError:
                    continue  # the device is not up any more


def _tun_in(namespace: str) -> int:
    """A TUN device `tun0` inside a namespace; its file works from anywhere. A thread enters, since entering is for
    ever."""
    made: list[int] = []
    errors: list[OSError] = []

    def enter() -> None:
        try:
            with Path(f"/run/netns/{namespace}").open() as file:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
            made.append(fd)
        except OSError as err:
            errors.append(err)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return made[0]
