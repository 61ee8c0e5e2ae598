"""Programs the hub starts itself: they end with it, even when it is killed.

Enters: a command line. Leaves: a process that the kernel ends when the hub's process ends.
"""

import asyncio
import ctypes
import logging
import os
import random
import resource
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

log = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
RESTART_WAIT_S = (0.1, 5.0)
STEADY_S = 10.0
END_WAIT_S = 5.0
FILES_MAX = 65_536
"""Files and sockets that a child may open, where the machine allows it: 1,024, the usual, is too few for a broker."""


def _prepare() -> None:
    """In the child, before exec. **Source:** prctl(2), PR_SET_PDEATHSIG."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < min(FILES_MAX, hard):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES_MAX, hard), hard))


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)


class Child:
    """A program that is started again, with growing waits, whenever it ends.

    `command` is asked anew before each start. `output` takes what the program says: a file, or an open descriptor.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[], Sequence[str]],
        output: Path | int,
        *,
        given: int = asyncio.subprocess.DEVNULL,
    ) -> None:
        self.name = name
        self.starts = 0
        self.pid: int | None = None
        self._command = command
        self._output = output
        self._given = given

    async def run(self, stop: asyncio.Event) -> None:
        """Keep it running until `stop`, then end it."""
        loop = asyncio.get_running_loop()
        wait_s = RESTART_WAIT_S[0]
        while not stop.is_set():
            began = loop.time()
            await self._run_once(stop)
            if stop.is_set():
                break
            if loop.time() - began > STEADY_S:
                wait_s = RESTART_WAIT_S[0]
            log.error("%s ended by itself; starting it again in %.1f s", self.name, wait_s)
            try:
                await asyncio.wait_for(stop.wait(), wait_s)
            except TimeoutError:
                wait_s = min(RESTART_WAIT_S[1], random.uniform(wait_s, 3 * wait_s))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal while it runs."""
        if self.pid is not None:
            os.kill(self.pid, number)  # not waited for yet, so the number is still its own

    async def _run_once(self, stop: asyncio.Event) -> None:
        # From the main thread: the parent-death signal belongs to the thread that forked.
        output = os.dup(self._output) if isinstance(self._output, int) else _opened(self._output)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=self._given,
                stdout=output,
                stderr=output,
                preexec_fn=_prepare,
                start_new_session=True,  # a Ctrl-C in the terminal is the hub's to handle
            )
        finally:
            os.close(output)
        self.pid, self.starts = process.pid, self.starts + 1
        ended = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            await self._end(process, ended)
        self.pid = None

    async def _end(self, process: asyncio.subprocess.Process, ended: "asyncio.Future[int]") -> None:
        process.terminate()
        done, _ = await asyncio.wait({ended}, timeout=END_WAIT_S)
        if not done:
            process.kill()
            await ended
