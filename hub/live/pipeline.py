"""The one task through which every frame goes: take a batch, admit, commit, settle, acknowledge.

Enters: an inbox. Leaves: a log that grew, a picture that moved, acknowledgements. One batch at a time, so
that coverage in memory is what the log has whenever an acknowledgement is made. The commit runs on the
writer's thread, so the loop keeps serving screens while the disk works.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor

from hub.errors import StoreError, StoreFull
from hub.live.events import Event
from hub.live.ingest import Admitted, Ingest
from hub.mqtt import Inbox

log = logging.getLogger(__name__)
BATCH_MAX = 1_200
"""What one transaction holds at most. Smaller ones cost more: the disk's answer takes as long for few frames as for
many; larger ones keep screens and an SOS waiting longer."""
IDLE_S = 0.25
SHOW_AFTER_S = 0.5


class Pipeline:
    """Runs until `stop`; then empties the inbox once more."""

    def __init__(
        self,
        inbox: Inbox,
        ingest: Ingest,
        writer: Executor,
        publish: Callable[[int, bytes], None],
        tell: Callable[[list[Event]], None],
        flush: Callable[[], None] = lambda: None,
    ) -> None:
        self.inbox = inbox
        self.ingest = ingest
        self.writer = writer
        self.publish = publish
        self.tell = tell
        self.flush = flush
        self.fault = ""  # why nothing is acknowledged just now
        self.may_write: Callable[[], str] = lambda: ""  # a reason not to, or ""

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._wait()
            await self.step()
        await self.step()

    async def _wait(self) -> None:
        """Until something came, or acknowledgements may be due. Rows gather before they come (`hub.mqtt`)."""
        try:
            await asyncio.wait_for(self.inbox.arrived.wait(), IDLE_S)
        except TimeoutError:
            return

    async def step(self) -> None:
        """One batch."""
        batch = self.inbox.take(BATCH_MAX)
        if batch:
            admitted = self.ingest.admit(batch)
            self.ingest.counters.batches += 1
            commit = admitted.commit
            safe = not admitted.broken
            if safe and (commit.frames or commit.coverage or commit.clocks):
                safe = await self._commit(admitted)
            self.tell(self.ingest.settle(admitted, safe=safe))
        self.ingest.acknowledge(self.publish)
        self.flush()

    async def _write(self, admitted: Admitted) -> None:
        """Commit; while the disk takes long, show the batch and say so, but acknowledge nothing."""
        loop = asyncio.get_running_loop()
        written = loop.run_in_executor(self.writer, self.ingest.log.commit, admitted.commit)
        done, _ = await asyncio.wait({written}, timeout=SHOW_AFTER_S)
        if not done:
            self.fault = self.fault or f"the disk has been writing for more than {SHOW_AFTER_S:g} s"
            self.tell(self.ingest.show(admitted))
        await written

    async def _commit(self, admitted: Admitted) -> bool:
        try:
            reason = self.may_write()
            if reason:
                raise StoreFull(reason)
            await self._write(admitted)
        except StoreError as err:
            self.ingest.counters.commit_failures += 1
            if not self.fault:
                log.error("nothing is acknowledged: %s", err)
            self.fault = str(err)
            return False
        if self.fault:
            log.warning("the log can be written again")
        self.fault = ""
        return True
