"""What the processes share: lines to stdout, a state each second, and the end when the agent ends.

Enters: samples and states. Leaves: lines. Called by `ais` and `ble`. The agent holds the other end of stdin: its end of
file is how a process learns that the agent is gone, however that died.
"""

import os
import sys
from collections.abc import Callable

from firmware_bridge.apart import pipe
from protocols.samples import Sample

STDIN_FD = 0
STATE_EVERY_NS = 10**9


class Mouth:
    """Says samples and states. A state is said when it changed or a second after the last one."""

    def __init__(self, out_fd: int = 1) -> None:
        self._out_fd = out_fd
        self._state = pipe.State()
        self._said_ns = -STATE_EVERY_NS

    def say(self, *samples: Sample) -> None:
        """Write samples; blocks while the agent does not read, which is how it slows us down."""
        self._write(b"".join(pipe.encode(sample) for sample in samples))

    def state(self, state: pipe.State, t_mono_ns: int) -> None:
        """Say how it is: at once when the device came, went or failed, else once a second."""
        old = self._state
        news = (state.open, state.locked, state.error) != (old.open, old.locked, old.error)
        if news or t_mono_ns - self._said_ns >= STATE_EVERY_NS:
            self._state, self._said_ns = state, t_mono_ns
            self._write(pipe.encode(state))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._out_fd, data) :]


def extra_missing(extra: str, err: ImportError) -> int:
    """Say which extra is missing; the status to exit with."""
    Mouth().state(pipe.State(error=f"needs pip install zhantu[{extra}] ({err})"[:200]), 0)
    return pipe.EXIT_EXTRA_MISSING


def run(main: Callable[[], int]) -> None:
    """End the process with the status of `main()`; a reader that is gone is no error."""
    try:
        sys.exit(main())
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
