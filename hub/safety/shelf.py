"""Documents that people's acts change: written before the answer, and by nobody overwritten with older words.

Enters: things with a `rev` that grows with each change. Leaves: documents of the registry, and the operator record of
the act in the same transaction. Callers: `hub.safety.entry`, `rollcall`, `evacuation`; their `keep`.

An act is tried on a copy. When the copy and its record are on the disk the act happens to the thing itself, which the
hub's loop may have changed meanwhile. So a hub that is killed has either not answered, or not forgotten.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Generic, Protocol, Self, TypeVar

from hub.errors import StoreError
from hub.safety.part import Ground


class Kept(Protocol):
    """What lies on a shelf. `rev` grows by one with each change."""

    id: str
    rev: int

    def as_document(self) -> dict[str, Any]: ...

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self: ...


T = TypeVar("T", bound=Kept)


class Shelf(Generic[T]):
    """All things of one kind, by id, the oldest first (ids begin with their time). On the hub's loop but for what says
    otherwise. `most`: of more, the oldest that is over is forgotten, and only then the oldest."""

    def __init__(
        self, ground: Ground, kind: str, of: type[T], most: int, is_over: Callable[[T], bool]
    ) -> None:
        self._ground = ground
        self._kind = kind
        self._of = of
        self._most = most
        self._is_over = is_over
        self._all: dict[str, T] = {}
        self._written: dict[str, int] = {}
        self._waiting: dict[str, tuple[int, dict[str, Any]]] = {}
        self._gone: set[str] = set()
        self._writing = threading.Lock()
        self._acting = asyncio.Lock()

    def load(self) -> None:
        for id, body in sorted(self._ground.registry.documents.all(self._kind).items()):
            self._all[id] = self._of.of(body)
            self._written[id] = self._all[id].rev

    def all(self) -> list[T]:
        return list(self._all.values())

    def get(self, id: str) -> T | None:
        return self._all.get(id)

    def put(self, thing: T) -> None:
        """A new one."""
        self._all[thing.id] = thing
        self._gone.discard(thing.id)
        while len(self._all) > self._most:
            over = (id for id, one in self._all.items() if self._is_over(one))
            self.drop(next(over, next(iter(self._all))))

    def drop(self, id: str) -> None:
        if self._all.pop(id, None) is not None:
            self._waiting.pop(id, None)
            self._gone.add(id)

    async def act(
        self, thing: T, act: Callable[[T], None], who: str, what: str, content: dict[str, Any]
    ) -> None:
        """A person's act, with its record. Refused: as `act` says. StoreError: nothing was done."""
        async with self._acting:
            draft = self._of.of(thing.as_document())
            act(draft)
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._ground.readers, self._record, draft, who, what, content)
            act(thing)
            if (
                self._written.get(thing.id) != thing.rev
            ):  # it changed meanwhile, and without the act it was written
                newer = {thing.id: (thing.rev, thing.as_document())}
                with suppress(StoreError):  # what was done stands in the record; `keep` tries again
                    await loop.run_in_executor(self._ground.readers, self._write, newer)

    async def add(self, thing: T, who: str, what: str, content: dict[str, Any]) -> None:
        """A new one by a person. StoreError: it is not there, unless it was put there before."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._ground.readers, self._record, thing, who, what, content)
        if thing.id not in self._all:
            self.put(thing)

    def collect(self) -> None:
        """Take what changed; `keep` writes it."""
        for id, thing in self._all.items():
            if self._written.get(id) != thing.rev:
                self._waiting[id] = (thing.rev, thing.as_document())

    def keep(self) -> None:
        """On a reader's thread: write what was collected. StoreError: asked again."""
        waiting, gone = dict(self._waiting), set(self._gone)
        self._write(waiting)
        for id, (rev, _) in waiting.items():
            if self._waiting.get(id, (None,))[0] == rev:
                self._waiting.pop(id, None)
        if gone:
            self._ground.registry.documents.drop(self._kind, gone)
            self._gone -= gone

    def _record(self, draft: T, who: str, what: str, content: dict[str, Any]) -> None:
        self._write(
            {draft.id: (draft.rev, draft.as_document())}, lambda: self._ground.record(who, what, content)
        )

    def _write(
        self, bodies: Mapping[str, tuple[int, dict[str, Any]]], record: Callable[[], None] | None = None
    ) -> None:
        """What is newer than what was written, and the record, in one transaction. The lock is held until the numbers
        are noted, or an older word could come after."""
        with self._writing:
            newer = {id: said for id, said in bodies.items() if said[0] > self._written.get(id, -1)}
            if record is None and not newer:
                return
            with self._ground.registry.together():
                if record is not None:
                    record()
                documents = {id: body for id, (_, body) in newer.items()}
                self._ground.registry.documents.put(self._kind, documents, self._ground.clock_ms())
            self._written.update({id: rev for id, (rev, _) in newer.items()})
