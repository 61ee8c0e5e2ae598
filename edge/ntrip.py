"""The NTRIP client: RTK corrections from a caster to a receiver on one of the ports.

Enters: a configuration, and the newest fixes. Leaves: whole RTCM frames with a right checksum, to `send`, and how it
goes for health, status and check. Called by `edge.agent` and `edge.check`. Names, TCP and TLS block, so the connection
has a thread of its own; the loop only takes frames out of a bounded queue when its socket wakes it. When the queue is
full the oldest frames go, and what is older than USEFUL_S when the loop gets to it goes too: a receiver cannot use it
any more.
"""

import logging
import random
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from edge.config import NtripConfig
from edge.ntrip_wire import Answer, CasterError, Dechunker, parse_answer, read_account, request
from firmware_bridge.nmea_build import build_gga
from firmware_bridge.rtcm import RtcmSplitter
from protocols.catalog import Corrections, field_id
from protocols.samples import Fix, FixMode

log = logging.getLogger("zhantu.edge.ntrip")

STATE = field_id("corrections")
AGE = field_id("corrections_age_ds")
USEFUL_S = 10
QUEUE_SIZE_MAX = 16_384
"""Bytes of frames; eight seconds of the busiest casters."""
FIX_AGE_S_MAX = 30
"""An older place is not told to a caster."""
GGA_PLACES = 8
READ_SIZE = 4_096
TICK_S = 0.5
"""How long a read waits before the thread looks whether a GGA is due."""
AGE_DS_MAX = 100_000
_NS = 10**9


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. Casters drop a rover that is silent for 30 s, and virtual stations want a GGA every 1–10 s."""

    connect_s: float = 10.0
    gga_s: float = 5.0
    silent_s: float = 30.0
    backoff_s_min: float = 1.0
    backoff_s_max: float = 60.0
    refused_s_min: float = 30.0


@dataclass(slots=True)
class NtripStats:
    """Counters since the start. `stale`: frames that were too old or too many when the loop took them; `unsent`: those
    that the receiver's port did not take."""

    connects: int = 0
    frames: int = 0
    bad: int = 0
    noise: int = 0
    ggas: int = 0
    stale: int = 0
    unsent: int = 0


class Ntrip:
    """One caster's stream. The constructor does no I/O; `start` begins the thread."""

    def __init__(
        self,
        config: NtripConfig,
        send: Callable[[bytes], bool],
        rng: random.Random,
        timing: Timing | None = None,
    ) -> None:
        """`send` is called in the loop with one frame; False: it was not taken."""
        self.stats = NtripStats()
        self.state = Corrections.OFF
        self.why = ""
        self._config = config
        self._send = send
        self._rng = rng
        self._timing = timing or Timing()
        self._fix: tuple[Fix, int] | None = None
        self._frame_ns: int | None = None  # when the last good frame came
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queue_size = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._version = 1 if config.version == "1" else 2

    # --- the loop's side ---------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, in a thread, and keep connected. Does nothing without a caster in the configuration."""
        if not self._config.host:
            return
        self.state = Corrections.CONNECTING
        self._ends = socket.socketpair()
        for end in self._ends:
            end.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="ntrip", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; one that waits for a dead network is left behind after a second."""
        self._stop.set()
        with self._lock:
            if self._socket is not None:
                _shut(self._socket)
        if self._thread is not None:
            self._thread.join(1.0)
        if self._ends is not None:
            ends, self._ends = self._ends, None
            for end in ends:
                end.close()

    def fileno(self) -> int | None:
        return None if self._ends is None else self._ends[0].fileno()

    def on_readable(self) -> None:
        """Hand over what waits."""
        assert self._ends is not None
        try:
            self._ends[0].recv(READ_SIZE)
        except BlockingIOError:
            return
        with self._lock:
            frames = list(self._queue)
            self._queue.clear()
            self._queue_size = 0
        now_ns = time.monotonic_ns()
        for came_ns, frame in frames:
            if now_ns - came_ns > USEFUL_S * _NS:
                self.stats.stale += 1
            elif not self._send(frame):
                self.stats.unsent += 1

    def note_fix(self, fix: Fix, t_mono_ns: int) -> None:
        """The newest place, for the caster; a void one leaves the last."""
        if fix.mode is not FixMode.NONE:
            self._fix = fix, t_mono_ns

    def health(self, t_mono_ns: int) -> dict[int, int]:
        """Values of the HEALTH page; none without a caster in the configuration."""
        if not self._config.host:
            return {}
        out = {STATE: int(self.state)}
        if self._frame_ns is not None:
            out[AGE] = min(max(0, t_mono_ns - self._frame_ns) // (_NS // 10), AGE_DS_MAX)
        return out

    def status(self, t_mono_ns: int) -> dict[str, object]:
        """For `zhantu-edge status` and `check`."""
        age_ds = self.health(t_mono_ns).get(AGE)
        config = self._config
        return {
            "caster": f"{config.host}:{config.tcp_port}/{config.mountpoint}" if config.host else "",
            "port": config.port,
            "state": self.state.name.lower(),
            "why": self.why,
            "age_s": None if age_ds is None else age_ds / 10,
            "connects": self.stats.connects,
            "frames": self.stats.frames,
            "bad": self.stats.bad,
            "noise_bytes": self.stats.noise,
            "ggas": self.stats.ggas,
            "stale": self.stats.stale,
            "unsent": self.stats.unsent,
        }

    # --- the thread's side -------------------------------------------------------------------------

    def _run(self) -> None:
        backoff_s = self._timing.backoff_s_min
        while not self._stop.is_set():
            frames = self.stats.frames
            least_s = 0.0
            try:
                self._session()
            except CasterError as err:
                if err.refused:
                    self._now(Corrections.REFUSED, str(err))
                    least_s = self._timing.refused_s_min
                else:
                    self._failed(str(err))
            except (OSError, ValueError) as err:  # ValueError: a name that no name can be, as idna says it
                self._failed(str(err))
            if self.stats.frames > frames:
                backoff_s = self._timing.backoff_s_min
            self._stop.wait(max(backoff_s, least_s) * self._rng.uniform(0.5, 1.5))
            backoff_s = min(2 * backoff_s, self._timing.backoff_s_max)

    def _failed(self, why: str) -> None:
        """No stream for now. That a caster was silent or refused stays known until it speaks."""
        if not self._stop.is_set():
            was_flowing = self.state is Corrections.FLOWING
            self._now(Corrections.CONNECTING if was_flowing else self.state, why)

    def _now(self, state: Corrections, why: str) -> None:
        if (state, why) != (self.state, self.why):
            log.info("corrections: %s %s", state.name.lower(), why)
        self.state, self.why = state, why

    def _session(self) -> None:
        """One connection, until it ends. CasterError or OSError say why."""
        config, timing = self._config, self._timing
        account = read_account(config.account_file) if config.account_file else None
        connected = socket.create_connection((config.host, config.tcp_port), timing.connect_s)
        try:
            if config.tls:
                context = ssl.create_default_context(cafile=config.ca_file)
                connected = context.wrap_socket(connected, server_hostname=config.host)
            with self._lock:
                self._socket = connected
            if self._stop.is_set():
                return
            self.stats.connects += 1
            connected.sendall(request(config, account, self._version, self._gga()))
            answer = self._answer(connected)
            if self.state is Corrections.REFUSED:
                self._now(Corrections.CONNECTING, "")
            connected.settimeout(min(TICK_S, timing.gga_s))
            self._stream(connected, answer)
        finally:
            with self._lock:
                self._socket = None
            connected.close()

    def _answer(self, connected: socket.socket) -> Answer:
        data = b""
        end_ns = time.monotonic_ns() + round(self._timing.connect_s * _NS)
        while True:
            part = connected.recv(READ_SIZE)
            data += part
            answer = parse_answer(data)
            if answer is not None:
                return answer
            if part and time.monotonic_ns() < end_ns:
                continue
            if not data and self._config.version == "auto":
                self._version = 3 - self._version  # some old casters hang up on what they do not know
            raise CasterError("the caster hung up without an answer" if not part else "no answer in time")

    def _stream(self, connected: socket.socket, answer: Answer) -> None:
        splitter = RtcmSplitter()
        dechunker = Dechunker() if answer.chunked else None
        begun_ns = time.monotonic_ns()
        heard_ns, gga_due_ns = begun_ns, begun_ns
        data = answer.rest
        while not self._stop.is_set():
            frames = splitter.feed(dechunker.feed(data) if dechunker else data) if data else []
            now_ns = time.monotonic_ns()
            self._count(splitter)
            if frames:
                heard_ns = now_ns
                self._put(frames, now_ns)
            elif now_ns - heard_ns > self._timing.silent_s * _NS:
                self._now(Corrections.SILENT, f"no corrections for {self._timing.silent_s:g} s")
                return
            if now_ns >= gga_due_ns and (gga := self._gga()):
                connected.sendall(gga)
                self.stats.ggas += 1
                gga_due_ns = now_ns + round(self._timing.gga_s * _NS)
            try:
                data = connected.recv(READ_SIZE)
            except TimeoutError:
                data = b""
                continue
            if not data:
                raise CasterError("the caster hung up")

    def _count(self, splitter: RtcmSplitter) -> None:
        """What the splitter counted since the last call."""
        stats = splitter.stats
        self.stats.bad += stats.bad
        self.stats.noise += stats.noise
        stats.bad = stats.noise = 0

    def _put(self, frames: list[bytes], now_ns: int) -> None:
        self.stats.frames += len(frames)
        self._frame_ns = now_ns
        if self.state is not Corrections.FLOWING:
            self._now(Corrections.FLOWING, "")
        with self._lock:
            for frame in frames:
                self._queue.append((now_ns, frame))
                self._queue_size += len(frame)
            while self._queue_size > QUEUE_SIZE_MAX:
                self._queue_size -= len(self._queue.popleft()[1])
                self.stats.stale += 1
            ends = self._ends
            if ends is not None:
                try:
                    ends[1].send(b"\0")
                except BlockingIOError:
                    return  # the loop is behind: it has enough to wake it
                except OSError:
                    return  # the loop has closed

    def _gga(self) -> bytes:
        """The newest place as a line; b"" without one that is fresh. "GP", because some casters know no other."""
        if self._fix is None or time.monotonic_ns() - self._fix[1] > FIX_AGE_S_MAX * _NS:
            return b""
        return build_gga(self._fix[0], "GP", GGA_PLACES)


def _shut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself
