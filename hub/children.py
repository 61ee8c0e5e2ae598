"""Programs the hub starts itself: they end with it, even when it is killed.

Enters: a command line. Leaves: a process that the kernel ends when the hub's process ends.
"""

import asyncio
import ctypes
import logging
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

log = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
RESTART_WAIT_S = (0.1, 5.0)
STEADY_S = 10.0
END_WAIT_S = 5.0


def _end_with_parent() -> None:
    """In the child, before exec. **Source:** prctl(2), PR_SET_PDEATHSIG."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Child:
    """A program that is started again, with growing waits, whenever it ends.

    `command` is asked anew before each start. `output` takes what the program says.
    """

    def __init__(self, name: str, command: Callable[[], Sequence[str]], output: Path) -> None:
        self.name = name
        self.starts = 0
        self.pid: int | None = None
        self._command = command
        self._output = output

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

    async def _run_once(self, stop: asyncio.Event) -> None:
        # From the main thread: the parent-death signal belongs to the thread that forked.
        with self._output.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_end_with_parent,
                start_new_session=True,  # a Ctrl-C in the terminal is the hub's to handle
            )
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
