"""A short list that people keep by hand: loaded, changed, written within a second, and told to every screen.

Enters: entries with an id. Leaves: documents of the registry, one message of the feed an entry. Callers: the parts of
this room, which say what an entry is; their routes record who did it before it counts.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field, asdict
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from hub.identity.permissions import Audience, Principal
from hub.safety.part import Ground, Maker, Part


class Entry(Protocol):
    """A frozen dataclass with an id and an agency ("" for all)."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def id(self) -> str: ...
    @property
    def agency(self) -> str: ...


E = TypeVar("E", bound=Entry)


class Kept(Part, Generic[E]):
    """`name`: of the part. `word`: the document's kind and the feed's `k`. `most`: entries at once."""

    word = ""
    most = 500

    def __init__(self, ground: Ground, read: Callable[[dict[str, Any]], E]) -> None:
        self._ground = ground
        self._read = read
        self._entries: dict[str, E] = {}
        self._fresh: dict[str, E | None] = {}
        self._unkept: dict[str, E | None] = {}

    def __iter__(self) -> Iterator[E]:
        return iter(self._entries.values())

    def get(self, id: str) -> E | None:
        return self._entries.get(id)

    def sees(self, entry: E, audience: Audience) -> bool:
        """Whether the audience may know of it."""
        return audience.sees(entry.agency)

    def put(self, entry: E) -> None:
        """A new one, or another state of a known one. ValueError when there is no room."""
        if entry.id not in self._entries and len(self._entries) >= self.most:
            raise ValueError(f"{self.most} are kept at most; remove one first")
        self._entries[entry.id] = entry
        self._fresh[entry.id] = self._unkept[entry.id] = entry

    def drop(self, id: str) -> None:
        """Forget one; screens are told that it is gone."""
        gone = self._entries.pop(id)
        self._fresh[id] = gone
        self._unkept[id] = None

    # --- the part ------------------------------------------------------------------------------------------

    def load(self) -> None:
        kept = self._ground.registry.documents.all(self.word).values()
        self._entries = {entry.id: entry for entry in map(self._read, kept)}

    def keep(self) -> None:
        unkept, documents = dict(self._unkept), self._ground.registry.documents
        there = {id: asdict(entry) for id, entry in unkept.items() if entry is not None}
        gone = [id for id, entry in unkept.items() if entry is None]
        if there:
            documents.put(self.word, there, self._ground.clock_ms())
        if gone:
            documents.drop(self.word, gone)
        for id, entry in unkept.items():
            if self._unkept.get(id) is entry:
                del self._unkept[id]

    def changes(self) -> Iterable[Maker]:
        fresh, self._fresh = self._fresh, {}
        return [self._maker(entry) for entry in fresh.values() if entry is not None]

    def _maker(self, entry: E) -> Maker:
        gone = entry.id not in self._entries

        def make(audience: Audience) -> dict[str, Any] | None:
            return self.message(entry, gone=gone) if self.sees(entry, audience) else None

        return make

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        return [self.message(entry) for entry in self if self.sees(entry, me.audience)]

    def message(self, entry: E, *, gone: bool = False) -> dict[str, Any]:
        return {"k": self.word, **asdict(entry), "gone": gone}
