"""Serial ports: opening, auto-baud, unplugging, coming back. The only importer of pyserial.

Enters: a path and the bytes of a device. Leaves: those bytes and a file descriptor to wait on. Called by the
edge agent's single `selectors` loop, like this:

    port = Port("/dev/serial/by-id/usb-u-blox*", score=DRIVERS["gnss"].score)
    while running:
        if port.maintain(monotonic_ns()):            # opened, closed, or closed and opened
            forget(old_fd)                           # take the old descriptor out of the selector
            if port.fileno() is not None:            # None: no device, `maintain` goes on trying
                register(port.fileno())
                driver = make_driver("gnss")         # a new device begins with an empty driver
                port.write(driver.hello())           # waits by itself until the rate is known
        ready = selector.select(0.05)
        samples = driver.feed(port.read(monotonic_ns()), monotonic_ns()) if ready else driver.idle(monotonic_ns())

`read` closes the port itself when the device is gone; `fileno()` is None from then on and the descriptor
must be taken out of the selector before the next wait (`maintain` says so by returning True).
"""

import errno
import os
import select
import termios
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic

import serial
from serial.tools import list_ports as _list_ports

from protocols.units import NS_PER_MS

BAUDS = (115_200, 9_600, 38_400, 4_800, 19_200, 57_600, 230_400, 460_800, 921_600)
"""Order of trial, after the last good rate: what most receivers are set to first."""

BAUD_MIN, BAUD_MAX = 300, 4_000_000
LOCK_MESSAGES = 2
"""Messages with a valid checksum that lock a rate. One may be chance: 1 in 256 for noise that looks like NMEA."""

TRIAL_MS = 1_300
"""How long a rate is tried: receivers send at least once a second, and a burst takes up to 0.3 s."""

GARBAGE_SIZE = 1_024
"""Bytes without a valid message that end a trial early: more than the longest message that receivers send often."""

SNIFF_SIZE_MAX = 16_384
REOPEN_MS = 500
"""Between two attempts to open. With the device back, recovery takes at most this and one turn of the loop."""

READ_SIZE = 65_536
READS_MAX = 16
"""Reads of one `read`, so that a device that babbles cannot hold the loop."""

WRITE_PENDING_SIZE_MAX = 4_096

NO_BAUD_PREFIXES = ("/dev/ttyACM",)
"""USB CDC devices ignore the rate, so there is nothing to find out."""

_GONE = (OSError, termios.error)  # SerialException is an OSError; pyserial lets termios.error through


@dataclass(slots=True)
class PortStats:
    """Counters since the port was made; `*_mono_ns` and `baud` are the newest values, 0 for none yet.

    open_count counts successful openings, unplug_count devices that went away, dropped_size bytes that a full
    pending buffer could not take for writing.
    """

    byte_count: int = 0
    open_count: int = 0
    unplug_count: int = 0
    dropped_size: int = 0
    baud: int = 0
    last_byte_mono_ns: int = 0
    opened_mono_ns: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial device of this machine. `by_id` is the stable path to put into a configuration, "" if there is none."""

    path: str
    by_id: str
    description: str


def list_ports() -> list[PortInfo]:
    """The serial devices that are plugged in now, by path. Pseudo-terminals are not listed by the system."""
    by_id = {os.path.realpath(link): link for link in sorted(glob("/dev/serial/by-id/*"))}
    found = sorted(_list_ports.comports(), key=lambda info: info.device)
    return [PortInfo(info.device, by_id.get(info.device, ""), info.description or "") for info in found]


class Port:
    """One device, present or not. The constructor does no I/O; every time comes as an argument."""

    def __init__(
        self,
        path: str,
        baud: int | None = None,
        score: Callable[[bytes], int] | None = None,
        bauds: Sequence[int] = (),
        probe: bytes = b"",
    ) -> None:
        """`path` may be a glob pattern; its first match is taken. `baud` None finds the rate with `score`.

        `score` counts valid messages in a stretch of bytes (a row of the table of drivers has one). `bauds` are tried
        first. `probe` is written at the beginning of each trial, for devices that speak only when asked.
        ValueError for neither a rate nor a score, or a rate outside 300–4,000,000.
        """
        if baud is None and score is None:
            raise ValueError(f"port {path}: auto-baud needs a score; give a baud or a score")
        if baud is not None and not BAUD_MIN <= baud <= BAUD_MAX:
            raise ValueError(f"port {path}: baud {baud}, allowed are {BAUD_MIN}–{BAUD_MAX}")
        self.path = path
        self.stats = PortStats()
        self._fixed_baud = baud
        self._score = score
        self._first_bauds = tuple(bauds)
        self._probe = probe
        self._serial: serial.Serial | None = None
        self._poll = select.poll()
        self._fd: int | None = None
        self._changed = False
        self._next_open_mono_ns: int | None = None
        self._good_baud: int | None = None
        self._search: _BaudSearch | None = None
        self._pending = bytearray()
        self._now_mono_ns = 0

    @property
    def locked(self) -> bool:
        """Whether the port is open at a rate that is known to be right (or was given)."""
        return self._fd is not None and self._search is None

    def fileno(self) -> int | None:
        """The descriptor to wait on; None while there is no device."""
        return self._fd

    def maintain(self, t_mono_ns: int) -> bool:
        """Opens, reopens, tries rates, sends what is pending. True if `fileno()` changed since the last call.

        Call it every turn of the loop, at least every 250 ms.
        """
        self._now_mono_ns = t_mono_ns
        if self._fd is None and (self._next_open_mono_ns is None or t_mono_ns >= self._next_open_mono_ns):
            self._next_open_mono_ns = t_mono_ns + REOPEN_MS * NS_PER_MS
            self._open()
        elif self._search is not None and self._search.is_over(t_mono_ns):
            self._try_next_baud(self._search)
        if self._pending:
            self._flush()
        changed, self._changed = self._changed, False
        return changed

    def read(self, t_mono_ns: int | None = None) -> bytes:
        """What has arrived, b"" for nothing. Closes the port when the device has gone.

        While the rate is being searched it keeps the bytes, and gives them all once the rate is locked.
        Without a time, the one of the last `maintain` counts.
        """
        if t_mono_ns is not None:
            self._now_mono_ns = t_mono_ns
        data = self._drain()
        if data:
            self.stats.byte_count += len(data)
            self.stats.last_byte_mono_ns = self._now_mono_ns
            if self._search is not None:
                return self._sniff(self._search, data)
        return data

    def write(self, data: bytes) -> bool:
        """Sends as much as fits now and the rest from `maintain`. False if bytes were dropped.

        Bytes are dropped while there is no device, and beyond 4,096 that the device does not take. While the
        rate is searched they wait for it.
        """
        room = WRITE_PENDING_SIZE_MAX - len(self._pending) if self._fd is not None else 0
        self._pending += data[:room]
        self.stats.dropped_size += max(0, len(data) - room)
        self._flush()
        return len(data) <= room

    def search_baud(self) -> None:
        """Begins to search the rate anew: for a device that still speaks, but no longer anything that is valid."""
        if self._fd is not None and self._auto():
            self._search = _BaudSearch(self._bauds(), self._now_mono_ns)
            self._ask()

    def close(self) -> None:
        """Lets the device go. The next `maintain` opens it again."""
        if self._serial is None:
            return
        try:
            self._serial.close()
        except _GONE as error:
            self.stats.last_error = f"close: {error}"
        self._serial, self._fd, self._search = None, None, None
        self._pending.clear()
        self._poll = select.poll()
        self._changed = True

    def _auto(self) -> bool:
        return self._fixed_baud is None

    def _bauds(self) -> list[int]:
        good = [self._good_baud] if self._good_baud else []
        return list(dict.fromkeys([*good, *self._first_bauds, *BAUDS]))

    def _open(self) -> None:
        path = self._resolve()
        if path is None:
            self.stats.last_error = f"no such device: {self.path}"
            return
        search = None
        if self._auto() and not os.path.realpath(path).startswith(NO_BAUD_PREFIXES):
            search = _BaudSearch(self._bauds(), self._now_mono_ns)
        baud = self._fixed_baud or (search.baud if search else self._bauds()[0])
        try:
            device = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
            fd = device.fileno()
        except (*_GONE, ValueError) as error:
            self.stats.last_error = f"open: {error}"
            return
        self._serial, self._fd, self._search = device, fd, search
        self._poll.register(fd, select.POLLIN)
        self._changed = True
        self.stats.open_count += 1
        self.stats.baud = baud
        self.stats.opened_mono_ns = self._now_mono_ns
        if search is not None:
            self._ask()

    def _ask(self) -> None:
        """Write the probe at the rate of this trial. What does not fit, or fails, is asked at the next one."""
        if self._probe and self._fd is not None:
            try:
                os.write(self._fd, self._probe)
            except OSError:
                return

    def _resolve(self) -> str | None:
        if not has_magic(self.path):
            return self.path if os.path.exists(self.path) else None
        return min(glob(self.path), default=None)

    def _drain(self) -> bytes:
        """Everything that the kernel holds. A poll goes before each read: at the end of a tty read gives b"" too."""
        parts: list[bytes] = []
        for _ in range(READS_MAX):
            if self._fd is None or not self._poll.poll(0):
                break
            try:
                part = os.read(self._fd, READ_SIZE)
            except BlockingIOError:
                break
            except OSError as error:
                self._unplugged(f"read: {error}")
                break
            if not part:
                self._unplugged("read: end of file")
                break
            parts.append(part)
        return b"".join(parts)

    def _flush(self) -> None:
        if self._fd is None or self._search is not None or not self._pending:
            return
        try:
            del self._pending[: os.write(self._fd, self._pending)]
        except BlockingIOError:
            return
        except OSError as error:
            self._unplugged(f"write: {error}")

    def _unplugged(self, why: str) -> None:
        self.close()
        self.stats.unplug_count += 1
        self.stats.last_error = why
        self._next_open_mono_ns = self._now_mono_ns + REOPEN_MS * NS_PER_MS

    def _sniff(self, search: "_BaudSearch", data: bytes) -> bytes:
        """Looks for valid messages; b"" until enough of them are there."""
        assert self._score is not None
        search.heard = (search.heard + data)[-SNIFF_SIZE_MAX:]
        search.fresh_size += len(data)
        found = self._score(search.heard)
        if found < LOCK_MESSAGES:
            search.found = found
            return b""
        self._good_baud = search.baud
        self._search = None
        return search.heard

    def _try_next_baud(self, search: "_BaudSearch") -> None:
        assert self._serial is not None
        assert self._fd is not None
        search.next(self._now_mono_ns)
        try:
            self._serial.baudrate = search.baud
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except ValueError:
            return  # this device does not know the rate: its trial runs out without a message
        except _GONE as error:
            if isinstance(error, OSError) and error.errno == errno.ENOTTY:
                return
            self._unplugged(f"baud {search.baud}: {error}")
            return
        self.stats.baud = search.baud
        self._ask()


class _BaudSearch:
    """One round of trials after another, without end: a device may be silent now and speak later."""

    def __init__(self, bauds: list[int], t_mono_ns: int) -> None:
        self._bauds = bauds
        self._index = 0
        self._end_mono_ns = t_mono_ns + TRIAL_MS * NS_PER_MS
        self._extended = False
        self.heard = b""
        self.fresh_size = 0
        self.found = 0

    @property
    def baud(self) -> int:
        return self._bauds[self._index]

    def is_over(self, t_mono_ns: int) -> bool:
        """Whether to try the next rate: time is up, or nothing but garbage came. One message buys more time."""
        if self.found and not self._extended:
            self._extended = True
            self._end_mono_ns += TRIAL_MS * NS_PER_MS
        return t_mono_ns >= self._end_mono_ns or (not self.found and self.fresh_size >= GARBAGE_SIZE)

    def next(self, t_mono_ns: int) -> None:
        """Goes on to the next rate."""
        self._index = (self._index + 1) % len(self._bauds)
        self._end_mono_ns = t_mono_ns + TRIAL_MS * NS_PER_MS
        self._extended = False
        self.heard, self.fresh_size, self.found = b"", 0, 0
