"""An emulated NTRIP caster: real TCP, on loopback, with threads; it can misbehave.

Enters: what a rover writes. Leaves: an answer of version 1 or 2 and a stream of RTCM frames, whose messages are random.
Called by drills and tests. `manner` may be changed while it runs: connections that are open follow.
"""

import random
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable

from firmware_bridge import rtcm

MESSAGES = (1074, 1084, 1094, 1124, 1006)
"""GPS, GLONASS, Galileo, BeiDou, and the station's place."""
MESSAGE_SIZES = (120, 90, 110, 160, 21)
LINES_MAX = 1_000
REQUEST_SIZE_MAX = 8_192
MANNERS = ("good", "silent", "garbage", "cut", "refuse", "no mountpoint", "bad password", "mute", "broken")
"""silent: grants a stream and sends nothing; cut: hangs up in the middle of a frame; mute: never answers."""


class Caster:
    """One caster with one mountpoint. The constructor opens its socket; `start` serves."""

    def __init__(
        self,
        account: tuple[str, str] | None = None,
        mountpoint: str = "VRS",
        version: int = 2,
        period_s: float = 1.0,
        tls: ssl.SSLContext | None = None,
        seed: int = 1,
    ) -> None:
        """`version` 1 answers ICY and hangs up on what it does not know; 2 answers HTTP, chunked."""
        self.manner = "good"
        self.ggas: list[bytes] = []
        self.requests: list[bytes] = []
        self.sent_frames = 0
        self._account, self._mountpoint, self._version = account, mountpoint, version
        self._period_s = period_s
        self._tls = tls
        self._rng = random.Random(seed)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)

    @property
    def tcp_port(self) -> int:
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        self._thread(self._accept)

    def close(self) -> None:
        """Hangs up on everybody."""
        self._stop.set()
        for thread in self._threads:
            thread.join(5.0)
        self._listener.close()

    def frames(self) -> bytes:
        """What it sends in one period."""
        out = b""
        for number, size in zip(MESSAGES, MESSAGE_SIZES, strict=True):
            out += rtcm.build((number << 4).to_bytes(2, "big") + self._rng.randbytes(size - 2))
        return out

    def _thread(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                rover, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._thread(self._serve, rover)

    def _serve(self, rover: socket.socket) -> None:
        rover.settimeout(2.0)
        try:
            if self._tls is not None:
                rover = self._tls.wrap_socket(rover, server_side=True)
            with rover:
                request, rest = self._request(rover)
                self.requests.append(request)
                two = self._version == 2 and b"Ntrip-Version: Ntrip/2.0" in request
                if self._greet(rover, request, two):
                    self._stream(rover, rest, chunked=two)
        except OSError:
            rover.close()

    def _request(self, rover: socket.socket) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data and len(data) < REQUEST_SIZE_MAX:
            part = rover.recv(4_096)
            if not part:
                break
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def _greet(self, rover: socket.socket, request: bytes, two: bool) -> bool:
        """Whether a stream follows. `two`: both speak version 2."""
        wanted = b"".join(request.split(b" ", 2)[1:2]).lstrip(b"/").decode("ascii", "replace")
        if self.manner == "mute":
            self._stop.wait(2.0)
            return False
        if self.manner == "broken":
            rover.sendall(b"\x00\xff" * 300)
            return False
        if self._version == 1 and b"HTTP/1.0" not in request:
            return False
        if self.manner == "refuse":
            rover.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return False
        if not self._knows(request):
            rover.sendall(b"HTTP/1.1 401 Unauthorized\r\n\r\n" if two else b"ERROR - Bad Password\r\n")
            return False
        if wanted != self._mountpoint or self.manner == "no mountpoint":
            rover.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n" if two else b"SOURCETABLE 200 OK\r\n\r\n")
            return False
        granted = b"HTTP/1.1 200 OK\r\nContent-Type: gnss/data\r\nTransfer-Encoding: chunked\r\n\r\n"
        rover.sendall(granted if two else b"ICY 200 OK\r\n\r\n")
        return True

    def _knows(self, request: bytes) -> bool:
        if self.manner == "bad password":
            return False
        return self._account is None or b"Basic " + b64encode(":".join(self._account).encode()) in request

    def _stream(self, rover: socket.socket, rest: bytes, chunked: bool) -> None:
        said = rest
        rover.settimeout(self._period_s)
        while not self._stop.is_set():
            if self.manner != "silent":
                data = self.frames() if self.manner != "garbage" else self._rng.randbytes(500)
                if self.manner == "cut":
                    data = data[: len(data) // 2 + 3]
                rover.sendall(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
                self.sent_frames += len(MESSAGES) if self.manner == "good" else 0
                if self.manner == "cut":
                    return
            try:
                part = rover.recv(4_096)
            except TimeoutError:
                continue
            if not part:
                return
            said += part
            *lines, said = said.split(b"\r\n")
            self.ggas = (self.ggas + [line for line in lines if line[3:6] == b"GGA"])[-LINES_MAX:]
            self._stop.wait(self._period_s)
