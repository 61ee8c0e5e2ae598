"""What the hub does again and again: its rhythm, and what is not well with it.

Enters: how often, and until when. Leaves: turns; the trouble of each part in words. Callers: `hub.app`,
`hub.disk_watch`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from hub.errors import StoreError

log = logging.getLogger(__name__)


async def every(seconds: float, stop: asyncio.Event) -> AsyncIterator[None]:
    """A turn now and after every so many seconds, until `stop`. Turns that were missed are not made up for."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while not stop.is_set():
        yield
        due = max(due + seconds, loop.time())
        try:
            await asyncio.wait_for(stop.wait(), due - loop.time())
        except TimeoutError:
            continue


class Trouble:
    """`words`: what does not work now, by part of the hub."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    @contextmanager
    def noting(self, part: str) -> Iterator[None]:
        """Keep a store's error as the trouble of one part until it works again."""
        try:
            yield
        except (StoreError, OSError) as err:
            if part not in self.words:
                log.error("%s: %s", part, err)
            self.words[part] = str(err)
        else:
            self.words.pop(part, None)
