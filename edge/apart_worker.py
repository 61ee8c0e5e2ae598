"""A device whose driver runs in a process of its own: that process started, heard and started again.

Enters: a `PortConfig` of a driver with `apart`. Leaves: samples with the time their line came, through a callback.
Called by `edge.agent` and `edge.check`, with the methods of a `SerialWorker`. The process has a pipe on stdout, and on
stdin one whose end tells it that the agent is gone. Nothing that it does can harm the agent: what it writes is bounded,
counted and checked, and beyond FLOOD_SIZE_PER_S it is not read at all until the next second.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from edge.config import PortConfig
from edge.pins import Pins
from edge.serial_worker import SerialWorker
from firmware_bridge.apart.pipe import EXIT_EXTRA_MISSING, LineReader, State
from firmware_bridge.drivers import DRIVERS
from firmware_bridge.interface import Command, Stats
from protocols.samples import Identity, Sample
from protocols.units import NS_PER_MS

log = logging.getLogger("zhantu.edge.apart")

RETRY_MS_MIN, RETRY_MS_MAX = 1_000, 60_000
"""Between the end of a process and the next start; doubled each time, forgotten after PROVEN_MS of running."""
MISSING_RETRY_MS = 600_000
"""The library is not installed: somebody may do that while the agent runs, but not soon."""
PROVEN_MS = 60_000
SILENT_MS = 60_000
"""An empty river is silent for longer than a GNSS receiver."""
STATE_MS_MAX = 10_000
"""A process says its state each second; one that did not for so long hangs, and is killed."""

READ_SIZE = 65_536
FLOOD_SIZE_PER_S = 262_144
LAST_WORDS_SIZE = 400
ENVIRONMENT = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "XDG_RUNTIME_DIR",
    "DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS",
)  # fmt: skip
"""All that the process is told of ours. A secret that stands in another variable is none of its business."""

NS_PER_S = 1_000 * NS_PER_MS


class ApartWorker:
    """Keeps a process running and hears it. The constructor starts nothing."""

    def __init__(self, config: PortConfig, on_sample: Callable[[Sample, int], None]) -> None:
        self.name = config.name
        self.identity: Identity | None = None
        self._config = config
        self._on_sample = on_sample
        self._process: subprocess.Popen[bytes] | None = None
        self._out_fd: int | None = None
        self._reader = LineReader()
        self._state = State()
        self._bad_before = 0
        self._start_ns = self._heard_ns = self._good_ns = self._next_start_ns = 0
        self._good = 0
        self._retry_ms = RETRY_MS_MIN
        self._window_ns = 0
        self._window_size = 0
        self._starts = self._floods = 0
        self._error = ""
        self._last_words = b""

    def command(self) -> list[str]:
        """What is run. The driver's options are its arguments."""
        words = [sys.executable, "-m", DRIVERS[self._config.driver].apart, "--path", self._config.path]
        if self._config.baud:
            words += ["--baud", str(self._config.baud)]
        return [*words, *(self._config.options or ())]

    def fileno(self) -> int | None:
        """The pipe to wait on; None while there is no process, or while it has said too much in this second."""
        return self._out_fd if self._window_size < FLOOD_SIZE_PER_S else None

    def maintain(self, t_mono_ns: int) -> None:
        """Start, bury, start again."""
        if t_mono_ns - self._window_ns >= NS_PER_S:
            self._window_ns, self._window_size = t_mono_ns, 0
        process = self._process
        if process is None:
            if t_mono_ns >= self._next_start_ns:
                self._start(t_mono_ns)
            return
        self._hear_last_words(process)
        if process.poll() is not None:
            self._ended(process, t_mono_ns)
        elif t_mono_ns - self._heard_ns > STATE_MS_MAX * NS_PER_MS:
            self._error = "hangs"
            process.kill()
            self._heard_ns = t_mono_ns  # give the kernel a while before it is killed again

    def _start(self, t_mono_ns: int) -> None:
        self._next_start_ns = t_mono_ns + self._retry_ms * NS_PER_MS
        environment = {key: os.environ[key] for key in ENVIRONMENT if key in os.environ}
        try:
            process = subprocess.Popen(
                self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment, start_new_session=True,
            )  # fmt: skip
        except OSError as err:
            self._say(f"cannot start: {err.strerror}")
            return
        assert process.stdout is not None
        assert process.stderr is not None
        self._process, self._out_fd = process, process.stdout.fileno()
        os.set_blocking(self._out_fd, False)
        os.set_blocking(process.stderr.fileno(), False)
        self._starts += 1
        self._start_ns = self._heard_ns = self._good_ns = t_mono_ns
        self._last_words, self._good, self._window_size = b"", 0, 0

    def _ended(self, process: subprocess.Popen[bytes], t_mono_ns: int) -> None:
        """Read what is left, and set the time of the next start."""
        self._read(t_mono_ns)
        error = self._state.error
        self._forget(process)
        if process.returncode == EXIT_EXTRA_MISSING:
            self._next_start_ns = t_mono_ns + MISSING_RETRY_MS * NS_PER_MS
            self._say(error or "a package is missing")
            return
        if t_mono_ns - self._start_ns >= PROVEN_MS * NS_PER_MS:
            self._retry_ms = RETRY_MS_MIN
        self._next_start_ns = t_mono_ns + self._retry_ms * NS_PER_MS
        self._retry_ms = min(2 * self._retry_ms, RETRY_MS_MAX)
        words = self._last_words.decode(errors="replace").strip().splitlines()
        self._say(
            f"ended with {process.returncode}: {words[-1] if words else self._error or 'no word'}"[:200]
        )

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        self._bad_before += self._state.bad + self._reader.bad
        self._process, self._out_fd = None, None
        self._reader, self._state = LineReader(), State()

    def _say(self, error: str) -> None:
        """Log what is new."""
        if error != self._error:
            log.warning("%s: %s", self.name, error)
        self._error = error

    def _hear_last_words(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        try:
            data = os.read(process.stderr.fileno(), READ_SIZE)
        except BlockingIOError:
            return
        self._last_words = (self._last_words + data)[-LAST_WORDS_SIZE:]

    def on_readable(self) -> None:
        """Read what is there, once, and pass on what it says."""
        self._read(time.monotonic_ns())

    def _read(self, t_mono_ns: int) -> None:
        if self._out_fd is None:
            return
        try:
            data = os.read(self._out_fd, READ_SIZE)
        except OSError:
            return
        if not data:  # it has closed its end; `maintain` finds out why
            self._window_size = FLOOD_SIZE_PER_S
            return
        before, self._window_size = self._window_size, self._window_size + len(data)
        self._floods += before < FLOOD_SIZE_PER_S <= self._window_size
        for thing in self._reader.feed(data):
            self._heard_ns = t_mono_ns
            if isinstance(thing, State):
                self._note(thing, t_mono_ns)
            else:
                self._pass_on(thing, t_mono_ns)

    def _note(self, state: State, t_mono_ns: int) -> None:
        if state.good != self._good:
            self._good, self._good_ns = state.good, t_mono_ns
            self._error = ""
        self._state = state

    def _pass_on(self, sample: Sample, t_mono_ns: int) -> None:
        if isinstance(sample, Identity):
            self.identity = sample
        self._on_sample(sample, t_mono_ns)

    def due_mono_ns(self) -> int | None:
        """Nothing here is in a hurry."""
        return None

    def tell(self, command: Command) -> bool:
        """Such a device takes no commands."""
        return False

    def send(self, data: bytes) -> bool:
        """Such a device takes no bytes."""
        return False

    def silent(self, t_mono_ns: int) -> bool:
        """Whether its device is there and has said nothing valid for SILENT_MS."""
        return self._state.open and t_mono_ns - self._good_ns > SILENT_MS * NS_PER_MS

    def bad(self) -> int:
        """Messages and lines that were wrong, since the agent's start."""
        return self._bad_before + self._state.bad + self._reader.bad

    def status(self) -> dict[str, object]:
        """For `zhantu-edge status` and `check`: what a `SerialWorker` says, and what the process is."""
        state = self._state
        return {
            "path": self._config.path,
            "open": self._process is not None and state.open,
            "locked": state.locked,
            "driver": self._config.driver,
            "model": self.identity.model if self.identity else "",
            "messages": asdict(Stats(state.good, state.bad, state.skipped, state.noise, state.byte_count)),
            "byte_count": state.byte_count,
            "baud": state.baud,
            "last_error": state.error or self._error,
            "process": self._process.pid if self._process else None,
            "starts": self._starts,
            "bad_lines": self._reader.bad,
            "floods": self._floods,
        }

    def close(self) -> None:
        """End the process."""
        process = self._process
        if process is None:
            return
        process.kill()
        process.wait(timeout=5)
        self._forget(process)


Worker = SerialWorker | ApartWorker


def make_worker(
    config: PortConfig, on_sample: Callable[[Sample, int], None], device: int = 0, pins: Pins | None = None
) -> Worker:
    """The worker of a port, by where its driver runs. The arguments are those of `SerialWorker`."""
    row = DRIVERS.get(config.driver)  # None for "auto"
    if row is not None and row.apart:
        return ApartWorker(config, on_sample)
    return SerialWorker(config, on_sample, device, pins)
