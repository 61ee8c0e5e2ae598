"""What mosquitto says while it serves devices over TLS: denials and refused handshakes are counted, the rest is kept.

Enters: mosquitto's debug log through a pipe, `grep` and another pipe. Leaves: counts to `tell`, lines to a file of
bounded size. Caller: `hub.app`.

Denials stand only in the debug log, a few lines a frame; grep throws those lines away for 2–3 µs each. The first
pipe does not block its writer: when grep or the hub is slow, lines are lost and the broker goes on. A line is written
whole or not at all (pipe(7): up to 4,096 bytes), and mosquitto cuts its lines at 1,000. It refuses topics and client
ids with control characters, so no device can begin a line; what stands at a line's beginning is mosquitto's own word.
"""

import asyncio
import fcntl
import logging
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hub.children import Child

log = logging.getLogger(__name__)
Tell = Callable[[str, int, str, int], None]
"""`tell(reason, device, words, n)`."""
CHATTER = r"^[0-9]+: (Received|Sending|No will|Will message|[[:space:]])"
GREP = ("grep", "-a", "-v", "--line-buffered", "-E", CHATTER)
PIPE_BYTES = 2**20
GULP_BYTES = 2**18
GULP_S = 0.1
"""After a read, lines gather this long: at most 2.6 MB/s are looked at, some 20,000 denials a second."""
LINES_KEPT_MAX = 100
"""Of one read, lines that go to the file; the others are only counted."""
FILE_BYTES_MAX = 4 * 2**20
UNRESOLVED_MAX = 4_096
_DENIED = re.compile(rb"^\d+: Denied PUBLISH from (\d{1,10}) \(d\d, q\d, r\d, m\d+, '", re.M)
_CONNECTS = re.compile(
    rb"^\d+: (?:New connection from (?P<new>[0-9a-fA-F.:]+):(?P<new_port>\d+) on port (?P<listener>\d+)\.$"
    rb"|New client connected from (?P<done>[0-9a-fA-F.:]+):(?P<done_port>\d+) as "
    rb"|Client connection from (?P<failed>[0-9a-fA-F.:]+) failed: (?P<why>.*)$"
    rb"|(?P<unknown>OpenSSL Error\[0\]: .*)$)",
    re.M,
)


class BrokerLog:
    """The reading end. `denied` and `refused` count since the start."""

    def __init__(self, path: Path, tls_port: int, tell: Tell) -> None:
        self.denied = 0
        self.refused = 0
        self.left_out = 0
        self._path = path
        self._tls_port = tls_port
        self._tell = tell
        self._rest = b""
        self._waiting: dict[tuple[str, str], None] = {}  # connections whose handshake has not ended
        self._size = 0
        from_broker, self.write_end = os.pipe()
        self._from_grep, to_hub = os.pipe()
        # The hub keeps both ends of both pipes, so broker and grep can end and start again one without the other.
        self._ends = (from_broker, self.write_end, self._from_grep, to_hub)
        for end in self._ends[:2]:
            fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self.write_end, False)
        os.set_blocking(self._from_grep, False)
        self.grep = Child("grep", lambda: ("env", "LC_ALL=C", *GREP), to_hub, given=from_broker)

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        self._path.write_bytes(b"")
        stopping = asyncio.ensure_future(stop.wait())
        filtering = asyncio.ensure_future(self.grep.run(stop))
        try:
            while not stop.is_set():
                arrived.clear()
                loop.add_reader(self._from_grep, arrived.set)
                waiting = asyncio.ensure_future(arrived.wait())
                await asyncio.wait({stopping, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                loop.remove_reader(self._from_grep)
                self._read()
                await asyncio.wait({stopping}, timeout=GULP_S)
        finally:
            await filtering
            self._read()
            for end in self._ends:
                os.close(end)

    def _read(self) -> None:
        try:
            data = os.read(self._from_grep, GULP_BYTES)
        except BlockingIOError:
            return
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if len(self._rest) > GULP_BYTES:
            self._rest = b""  # no line is that long
        if newline:
            self.take(whole)

    def take(self, lines: bytes) -> None:
        """Whole lines."""
        for device, n in Counter(_DENIED.findall(lines)).items():
            self.denied += n
            self._tell("denied", int(device), "published as another", n)
        refused: Counter[str] = Counter()
        for found in _CONNECTS.finditer(lines):
            self._connection(found, refused)
        for address, n in refused.items():
            self.refused += n
            self._tell("tls", 0, address, n)
        self._keep(lines)

    def _connection(self, found: re.Match[bytes], refused: Counter[str]) -> None:
        """Follow connections up to the end of their handshake; mosquitto does not say whose failed."""
        said = {name: value.decode("ascii", "replace") for name, value in found.groupdict().items() if value}
        if "new" in said:
            if said["listener"] == str(self._tls_port):
                while len(self._waiting) >= UNRESOLVED_MAX:
                    del self._waiting[next(iter(self._waiting))]
                self._waiting[said["new"], said["new_port"]] = None
        elif "done" in said:
            self._waiting.pop((said["done"], said["done_port"]), None)
        elif "failed" in said:
            self._forget(said["failed"])
            refused[said["failed"]] += 1
        else:
            address = self._only_address()
            self._forget(address)
            refused[address] += 1

    def _only_address(self) -> str:
        """The address whose handshake failed, "" when it may have been one of several: nobody is blamed on a guess."""
        addresses = {address for address, _ in self._waiting}
        return addresses.pop() if len(addresses) == 1 else ""

    def _forget(self, address: str) -> None:
        """The oldest unfinished connection of an address has ended."""
        for place in self._waiting:
            if not address or place[0] == address:
                del self._waiting[place]
                return

    def _keep(self, lines: bytes) -> None:
        """Into the file, which is begun anew when it is full, the one before kept."""
        first = lines.split(b"\n", LINES_KEPT_MAX)
        left = first[LINES_KEPT_MAX].count(b"\n") + 1 if len(first) > LINES_KEPT_MAX else 0
        text = b"\n".join(first[:LINES_KEPT_MAX]) + b"\n"
        if left:
            self.left_out += left
            text += f"zhantu-hub: {left} more lines left out\n".encode()
        try:
            if self._size + len(text) > FILE_BYTES_MAX:
                self._path.replace(self._path.with_suffix(".log.1"))
                self._size = 0
            with self._path.open("ab") as file:
                file.write(text)
            self._size += len(text)
        except OSError as err:
            log.warning("broker's log: %s", err)  # a full disk is told elsewhere; the broker goes on
