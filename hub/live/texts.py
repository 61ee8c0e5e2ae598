"""What wearers write to the command post: the latest texts of each unit.

Enters: rows of TEXT frames, repeated or late. Leaves: the feed's `text`, and pages for the API. Pure. Kept in the log;
after a start the latest come out of it again. Callers: `hub.live.ingest` (hear), `hub.app` (each tick),
`hub.api.order_routes`.
"""

from collections import deque
from typing import NamedTuple

TEXTS_MAX = 1_000
CHARS_MAX = 1_000


class TextUp(NamedTuple):
    """One text. `slot`: of the unit that carried the device then. Times UTC ms, by the device and by the hub."""

    id: str
    device: int
    slot: int
    unit: str
    text: str
    t_utc_ms: int
    t_hub_ms: int

    def as_dict(self) -> dict[str, object]:
        return {
            "id": self.id, "unit": self.unit, "slot": self.slot, "text": self.text, "t": self.t_utc_ms,
            "t_hub": self.t_hub_ms,
        }  # fmt: skip

    def message(self) -> dict[str, object]:
        """The feed's `text`."""
        return {"k": "text", **self.as_dict()}


class Texts:
    """The latest ones, oldest first. `fresh`: those that no screen was told yet."""

    def __init__(self) -> None:
        self._known: dict[str, TextUp] = {}
        self.fresh: deque[TextUp] = deque(maxlen=TEXTS_MAX)

    def hear(self, text: TextUp, *, old: bool) -> None:
        """`old`: out of the log at a start, told to nobody."""
        said = text._replace(text=text.text[:CHARS_MAX])
        if said.id in self._known or not said.text.strip():
            return
        self._known[said.id] = said
        if len(self._known) > TEXTS_MAX:
            del self._known[min(self._known, key=lambda id: self._known[id].t_hub_ms)]
        if not old:
            self.fresh.append(said)

    def all(self) -> list[TextUp]:
        return sorted(self._known.values(), key=lambda one: (one.t_utc_ms, one.id))

    def take_fresh(self) -> list[TextUp]:
        told = list(self.fresh)
        self.fresh.clear()
        return told
