"""The datagram bearer: frames over UDP with our own repeat, to the hub or to a relay in the same LAN.

Enters: frames. Leaves: datagrams (`protocols.datagram`), and what comes back. Called by `edge.agent` from its one loop.
For alarms and the newest state where TCP stands still: at 30 % loss and 1.2 kbit/s. Looking up a name can block, so it
happens in a thread. UP means that the hub answered within `HEARD_S`.
"""

import random
import socket
import threading
import time
from collections.abc import Callable

from edge.bearers.binding import bind
from edge.bearers.interface import BearerStats, Traits
from edge.config import DatagramConfig
from protocols import datagram
from protocols.catalog import Bearer, BearerState, Lane
from protocols.datagram import PAYLOAD_BYTES_MAX, Datagram
from protocols.errors import FrameError
from protocols.keys import MacKey

HEARD_S = 45.0
ALIVE_S = 20.0
"""Mobile networks forget the way back of a silent UDP flow after 30 s and more."""
RETRY_S_MIN, RETRY_S_MAX = 1.0, 60.0
LOOKUP_S = 600.0
"""A name is looked up again after so long without an answer."""
READS_MAX = 64


class DatagramBearer:
    """One UDP socket. The constructor does no I/O."""

    def __init__(
        self,
        config: DatagramConfig,
        device: int,
        mac_key: MacKey,
        *,
        on_ack: Callable[[bytes], None],
        on_order: Callable[[bytes], None],
        rng: random.Random,
        on_ask: Callable[[bytes], None] = lambda _body: None,
    ) -> None:
        self._config = config
        self._device = device
        self._mac_key = mac_key
        self._hear = {Datagram.ACK: on_ack, Datagram.ORDER: on_order, Datagram.ASK: on_ask}
        self._rng = rng
        self._sock: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._found: socket.socket | OSError | None = None
        self._retry_s = self._now_s = self._opened_s = 0.0
        self._backoff_s = RETRY_S_MIN
        self._heard_s: float | None = None
        self._alive_s = 0.0
        self._number = 0
        self.stats = BearerStats()
        self.traits = Traits(
            Bearer.DATAGRAM, config.name, config.cost, PAYLOAD_BYTES_MAX, history=config.history
        )

    @property
    def state(self) -> BearerState:
        if self._sock is None:
            return BearerState.DOWN if self._config.host else BearerState.OFF
        heard = self._heard_s is not None and self._now_s - self._heard_s < HEARD_S
        return BearerState.UP if heard else BearerState.CONNECTING

    # --- for the loop ------------------------------------------------------------------------------

    def fileno(self) -> int | None:
        return None if self._sock is None else self._sock.fileno()

    def wants_write(self) -> bool:
        return False

    def on_writable(self) -> None:
        """A datagram goes or is dropped; nothing waits."""

    def on_readable(self) -> None:
        """Read what came. What is not authentic is the callbacks' to refuse."""
        for _ in range(READS_MAX):
            if self._sock is None:
                return
            try:
                data = self._sock.recv(PAYLOAD_BYTES_MAX + 2)
            except BlockingIOError:
                return
            except OSError as err:  # "refused" by a host without a hub, a network that went
                self.stats.last_error = err.strerror or str(err)
                return
            try:
                what, body = datagram.unpack(data)
            except FrameError:
                continue
            hear = self._hear.get(what)
            if hear is not None:
                hear(body)

    def heard(self, t_mono_s: float) -> None:
        """The hub has answered by this way, and it was authentic."""
        if self.state != BearerState.UP:
            self.stats.connects += 1
            self.stats.last_error = ""
        self._heard_s = t_mono_s

    def maintain(self, t_mono_s: float) -> None:
        """Open when it is time, show that we live, look the name up anew when nobody answers."""
        self._now_s = t_mono_s
        if not self._config.host:
            return
        if self._sock is None:
            self._open(t_mono_s)
            return
        if t_mono_s >= self._alive_s:
            self._alive_s = t_mono_s + ALIVE_S
            self._number = max(self._number + 1, round(time.time() * 1_000))
            self._send(datagram.pack_alive(self._device, self._number, self._mac_key))
        if t_mono_s - max(self._opened_s, self._heard_s or 0.0) > LOOKUP_S:
            self.close()

    def publish(self, lane: Lane, data: bytes) -> bool:
        """Hand one frame over. False when there is no socket, or it takes nothing now."""
        return len(data) <= PAYLOAD_BYTES_MAX and self._send(datagram.pack(Datagram.FRAME, data))

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None

    # --- opening -----------------------------------------------------------------------------------

    def _send(self, data: bytes) -> bool:
        if self._sock is None:
            return False
        try:
            self._sock.send(data)
        except BlockingIOError:
            return False
        except OSError as err:
            self.stats.last_error = err.strerror or str(err)
            self.stats.failures += 1
            return False
        return True

    def _open(self, t_mono_s: float) -> None:
        if self._thread is None:
            if t_mono_s >= self._retry_s:
                self._found = None
                self._thread = threading.Thread(target=self._look_up, daemon=True)
                self._thread.start()
            return
        if self._thread.is_alive():
            return
        self._thread = None
        if isinstance(self._found, socket.socket):
            self._sock, self._found = self._found, None
            self._opened_s, self._alive_s, self._backoff_s = t_mono_s, t_mono_s, RETRY_S_MIN
            return
        self.stats.failures += 1
        self.stats.last_error = str(self._found)
        self._backoff_s = min(RETRY_S_MAX, self._rng.uniform(RETRY_S_MIN, 3 * self._backoff_s))
        self._retry_s = t_mono_s + self._backoff_s

    def _look_up(self) -> None:
        """The thread: the only code that may block."""
        try:
            found = socket.getaddrinfo(self._config.host, self._config.port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = found[0]
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                bind(sock, self._config.interface)
                sock.connect(address)
            except OSError:
                sock.close()
                raise
        except OSError as err:
            self._found = err
            return
        self._found = sock
