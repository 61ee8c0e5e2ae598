"""Other programs as children: started so that nothing is ever left behind, their last words kept.

Enters: a command. Leaves: a running `Program`, its JSON start line, its last lines. Callers: `sim.demo`,
`sim.agents`. A child gets SIGTERM when its parent dies in any way (PR_SET_PDEATHSIG), and stands in a session
of its own, so that a Ctrl-C in the terminal reaches only us and we stop the children in order.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LINES_SHOWN = 8
LINE_CHARS_MAX = 2_000
STOP_S = 8.0
_PR_SET_PDEATHSIG = 1


class ProgramError(RuntimeError):
    """A child could not be started, or ended when it should not have. The message holds its last lines."""


def _die_with(parent: int) -> Callable[[], None]:
    """What the child does between fork and exec. The library is loaded before the fork, so nothing
    allocates.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return before_exec


class Program:
    """A running child. Its output is read by two threads that keep the last lines and nothing else."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name, self._process = name, process
        self._out: deque[str] = deque(maxlen=LINES_SHOWN)
        self._err: deque[str] = deque(maxlen=LINES_SHOWN)
        self._start_line: dict[str, Any] | None = None
        self._spoke = threading.Event()
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, lines), daemon=True)
            for pipe, lines in ((process.stdout, self._out), (process.stderr, self._err))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self, pipe: Any, lines: deque[str]) -> None:
        with pipe:
            while line := pipe.readline(LINE_CHARS_MAX):
                text = line.decode(errors="replace").rstrip()
                is_start = self._start_line is None and pipe is self._process.stdout and self._hear(text)
                if not is_start:  # it may hold a sign-in token, which has no place among last words
                    lines.append(text)
        if pipe is self._process.stdout:
            self._spoke.set()

    def _hear(self, text: str) -> bool:
        """Whether this is the start line: a JSON object on standard output."""
        try:
            value = json.loads(text)
        except ValueError:
            return False
        if isinstance(value, dict):
            self._start_line = value
            self._spoke.set()
        return isinstance(value, dict)

    def start_line(self, timeout_s: float) -> dict[str, Any]:
        """The first JSON object it prints. ProgramError when it ends, or says nothing in time."""
        closed = self._spoke.wait(timeout_s)
        if self._start_line is None:
            why = self._ended() if closed else f"gave no start line within {timeout_s:g} s"
            raise ProgramError(self.report(why))
        return self._start_line

    def running(self) -> bool:
        return self._process.poll() is None

    def check(self) -> None:
        """ProgramError when it is no longer running."""
        if not self.running():
            raise ProgramError(self.report(self._ended()))

    def _ended(self) -> str:
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "closed its output"
        return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def report(self, why: str) -> str:
        """What went wrong and the last lines it wrote."""
        if not self.running():
            for reader in self._readers:
                reader.join(1.0)
        # What it complained of comes last, and is never pushed out by what it printed.
        last = [*self._out, *self._err]
        lines = [f"  {line}" for line in last] or ["  (it wrote nothing)"]
        return "\n".join([f"{self.name} {why}; its last lines:", *lines])

    def terminate(self) -> None:
        """Asks it to stop."""
        if self.running():
            self._process.terminate()

    def wait(self, timeout_s: float = STOP_S) -> None:
        """Waits for its end, and kills it when that takes too long."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start(name: str, module_args: Sequence[str], cwd: Path | None = None) -> Program:
    """Starts `python -m …` with this interpreter. Call it from the main thread: the death signal is sent when
    the thread that forked ends, not the process."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", *module_args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        start_new_session=True,
        preexec_fn=_die_with(os.getpid()),
    )
    return Program(name, process)


def stop_all(programs: Sequence[Program]) -> None:
    """Asks all to stop, last started first, then waits for each."""
    for program in reversed(programs):
        program.terminate()
    for program in reversed(programs):
        program.wait()
