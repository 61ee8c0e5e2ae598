"""An emulated serial line: one end is a device of ours, the other a path that any program may open.

Enters: bytes that the device sends. Leaves: bytes that the client wrote. Called by the player and by emulated
devices. It behaves as a wire does: bytes leave at the device's rate, are lost when nobody takes them, are
garbage when the client listens at another rate, and the device can be unplugged and come back under the same path.
"""

import os
import termios
import tty
from pathlib import Path

from protocols.units import MS_PER_S, NS_PER_MS

BITS_PER_BYTE = 10
"""One start bit, eight of data, one stop bit."""

QUEUE_SIZE_MAX = 1 << 20
"""Bytes that wait for their turn on the line; more are dropped, newest first, as a full buffer in a device does."""

WRITE_SIZE_MAX = 4_096
READ_SIZE = 65_536

_NS_PER_S = MS_PER_S * NS_PER_MS
_BAUD_BY_SPEED = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
}
_GARBAGE = bytes((number * 167 + 91) & 0xFF | 0x80 for number in range(256))
"""What wrong sampling makes of a byte: never text, always the same, so that a test can repeat it."""


class PtyLine:
    """A pty pair and a stable link to its slave. The constructor does no I/O; `plug` does."""

    def __init__(self, link: Path, baud: int, speed: float = 1.0, garble: bool = True) -> None:
        """`link` becomes a symbolic link to the slave. Bytes leave at `baud` times `speed`.

        `garble`: send garbage while the client's rate is not `baud`. ValueError for a rate that is not positive.
        """
        if baud <= 0 or speed <= 0:
            raise ValueError(f"pty {link}: baud {baud} and speed {speed} must be positive")
        self.link = link
        self.baud = baud
        self.dropped_size = 0
        self._bytes_per_s = baud * speed / BITS_PER_BYTE
        self._garble = garble
        self._master: int | None = None
        self._slave: int | None = None
        self._queue = bytearray()
        self._credit = 0.0
        self._last_mono_ns: int | None = None

    @property
    def plugged(self) -> bool:
        return self._master is not None

    @property
    def queue_size(self) -> int:
        """Bytes that still wait for their turn."""
        return len(self._queue)

    def fileno(self) -> int | None:
        """The descriptor that becomes readable when the client has written; None while unplugged."""
        return self._master

    def plug(self) -> str:
        """Creates the pair and the link; leaves the path of the slave. FileExistsError if `link` is a real file."""
        if self._master is not None:
            return os.readlink(self.link)
        if self.link.exists() and not self.link.is_symlink():
            raise FileExistsError(f"pty: {self.link} exists and is not a link; give another path")
        master, slave = os.openpty()
        # The slave stays open here too, or the master would fail with EIO each time a client closes.
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._master, self._slave = master, slave
        path = os.ttyname(slave)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.link.with_name(f".{self.link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(path)
        fresh.replace(self.link)
        return path

    def unplug(self) -> None:
        """The device goes: a client gets an error or an end of file, and the link is gone."""
        if self._master is None or self._slave is None:
            return
        self.link.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = None
        self._queue.clear()
        self._credit, self._last_mono_ns = 0.0, None

    def client_baud(self) -> int:
        """The rate that the client has set; 0 while unplugged or for a rate that has no name."""
        if self._master is None:
            return 0
        return _BAUD_BY_SPEED.get(termios.tcgetattr(self._master)[5], 0)

    def write(self, data: bytes) -> None:
        """Queues what the device sends; `pump` moves it."""
        room = QUEUE_SIZE_MAX - len(self._queue) if self.plugged else 0
        self._queue += data[:room]
        self.dropped_size += max(0, len(data) - room)

    def read(self) -> bytes:
        """What the client has written, b"" for nothing."""
        if self._master is None:
            return b""
        try:
            return os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return b""

    def pump(self, t_mono_ns: int) -> None:
        """Moves as many bytes as the rate allows since the last call. An idle line saves up nothing."""
        if self._last_mono_ns is not None:
            self._credit += (t_mono_ns - self._last_mono_ns) * self._bytes_per_s / _NS_PER_S
        self._last_mono_ns = t_mono_ns
        if self._master is None or not self._queue:
            self._credit = 0.0
            return
        size = min(int(self._credit), len(self._queue), WRITE_SIZE_MAX)
        if size == 0:
            return
        self._credit -= size
        data = bytes(self._queue[:size])
        del self._queue[:size]
        if self._garble and self.client_baud() != self.baud:
            data = data.translate(_GARBAGE)
        try:
            written = os.write(self._master, data)
        except BlockingIOError:
            written = 0
        self.dropped_size += size - written  # nobody reads: a wire does not wait

    def wait_ns(self) -> int | None:
        """How long until a handful of bytes may leave; None if nothing waits."""
        if not self._queue:
            return None
        size = min(len(self._queue), 64)
        return max(0, int((size - self._credit) / self._bytes_per_s * _NS_PER_S))
