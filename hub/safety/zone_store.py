"""Zones, their members and logs in the registry.

Enters: what changed, on the hub's loop. Leaves: documents, written on a reader's thread. Caller: `hub.safety.zones`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from hub.safety.zone import Zone, zone_of
from hub.safety.zone_members import Members, members_of
from hub.store.documents import Documents

KIND, MEMBERS = "zone", "zone_members"
MEMBERS_MS = 5_000
"""Who is inside is written this often at most. After a kill it is judged anew; the log lacks so much."""


class ZoneStore:
    """What is marked is written; a mark is taken away before its zone is read, so that no later change is lost."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._zones: dict[str, None] = {}
        self._members: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._gathered: dict[str, dict[str, Any]] = {}
        self._gathered_ms = 0

    def load(self) -> tuple[dict[str, Zone], dict[str, Members]]:
        zones = {id: zone_of(kept) for id, kept in self._documents.all(KIND).items()}
        kept = {id: members_of(one) for id, one in self._documents.all(MEMBERS).items()}
        return zones, {id: kept.get(id) or Members() for id in zones}

    def mark(self, zone_id: str) -> None:
        self._zones[zone_id] = None

    def mark_members(self, zone_id: str) -> None:
        self._members[zone_id] = None

    def forget(self, zone_id: str) -> None:
        self._gone[zone_id] = None

    def gather(self, members: Mapping[str, Members], now_ms: int) -> None:
        """On the loop: copies of the members that changed, when it is time."""
        if now_ms - self._gathered_ms >= MEMBERS_MS:
            self._gathered_ms = now_ms
            found = {id: members[id].as_document() for id in self._members if id in members}
            self._members = {}
            self._gathered = self._gathered | found

    def write(self, zones: Iterable[Zone], now_ms: int) -> None:
        """At once. Blocks. StoreError."""
        self._documents.put(KIND, {zone.id: zone.as_document() for zone in zones}, now_ms)

    def keep(self, zones: Mapping[str, Zone], now_ms: int) -> None:
        """On a reader's thread. StoreError: all is marked still."""
        marked, gone = _taken(self._zones), _taken(self._gone)
        gathered, self._gathered = self._gathered, {}
        try:
            known = [zone for id in marked if (zone := zones.get(id)) is not None]
            if known:
                self.write(known, now_ms)
            if gathered:
                self._documents.put(MEMBERS, gathered, now_ms)
            if gone:
                self._documents.drop(KIND, gone)
                self._documents.drop(MEMBERS, gone)
        except Exception:
            self._zones.update(dict.fromkeys(marked))
            self._gone.update(dict.fromkeys(gone))
            self._gathered = gathered | self._gathered
            raise


def _taken(marks: dict[str, None]) -> list[str]:
    taken = []
    while marks:
        taken.append(marks.popitem()[0])
    return taken
