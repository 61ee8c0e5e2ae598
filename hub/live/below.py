"""Hubs below this one: what they passed up is answered after the commit, and remembered for a while.

Enters: numbers of relays that keep what they pass on. Leaves: bodies of `What.PASSED`, and which hubs are below. Pure.
Callers: `hub.live.ingest` (note, due), `hub.forward.passer` (came_from).

Nothing needs to be kept over a restart: a number that was not answered comes again with its frame.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from protocols import relay

HUBS_MAX = 256
HEARD_MS = 60_000
FRAMES_MAX = 100_000
ANSWER_MAX = 500
TOLD_MAX = 200


class Passed(NamedTuple):
    """One number of a relay: why its packet was refused (0: it was not), and a mark of each frame's bytes."""

    hub: int
    number: int
    reason: int
    marks: tuple[int, ...]


class Below:
    """Answers that are due, and which frames came from which hub."""

    def __init__(self) -> None:
        self._due: dict[int, list[Passed]] = {}
        self._heard: dict[int, int] = {}
        self._marks: dict[tuple[int, int], None] = {}
        self._told: list[bytes] = []

    def note(self, passed: Iterable[Passed], now_ms: int) -> None:
        """These are committed, or refused."""
        for one in passed:
            if one.hub not in self._heard and len(self._heard) >= HUBS_MAX:
                continue
            self._heard[one.hub] = now_ms
            self._due.setdefault(one.hub, []).append(one)
            self._marks.update(((one.hub, mark), None) for mark in one.marks)
        while len(self._marks) > FRAMES_MAX:
            del self._marks[next(iter(self._marks))]

    def told(self, hub: int, body: bytes, now_ms: int) -> None:
        """A hub said who is enrolled there; `take_told` has it. Beyond the bound the rest is said again later."""
        self._heard[hub] = now_ms
        if len(self._told) < TOLD_MAX:
            self._told.append(body)

    def take_told(self) -> list[bytes]:
        """All that hubs below said since."""
        told, self._told = self._told, []
        return told

    def due(self) -> Iterator[tuple[int, bytes]]:
        """(hub, body of PASSED) of all that was noted since."""
        due, self._due = self._due, {}
        for hub, passed in due.items():
            for at in range(0, len(passed), ANSWER_MAX):
                some = passed[at : at + ANSWER_MAX]
                refused = {one.number: one.reason for one in some if one.reason}
                yield hub, relay.pack_passed([one.number for one in some], refused)

    def hubs(self, now_ms: int) -> set[int]:
        """Hubs that passed something within the last minute."""
        return {hub for hub, heard_ms in self._heard.items() if 0 <= now_ms - heard_ms < HEARD_MS}

    def is_hub(self, device: int) -> bool:
        """Whether it passed something with a number since the start."""
        return device in self._heard

    def came_from(self, hub: int, data: bytes) -> bool:
        """Whether that hub passed these very bytes not long ago: it need not get them back."""
        return (hub, hash(data)) in self._marks
