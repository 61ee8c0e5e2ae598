"""One roll-call: who is asked, who has answered, and how one knows.

Enters: receipts of devices, words of officers, who is silent. Leaves: a state for each person, counts, the document.
Pure. Callers: `hub.safety.rollcall`, `hub.api.rollcall_routes`.

A device that sends is not a person who answers: nothing but the wearer's own answer and an officer's word by voice
confirms anybody, and the two are counted apart. An answer counts whenever it comes, also after the end.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from hub.errors import Refused
from hub.safety.entry import Hand

STATES = ("unconfirmed", "stale", "refused", "voice", "confirmed")
"""From who is missing to who has answered. `stale`: no answer, and the device has been silent for too long to expect
one."""
MISSING = frozenset({"unconfirmed", "stale", "refused"})


class RollRefused(Refused):
    """Refused: 403 not yours, 404 nobody of that key, 409 over, 422 nobody is meant."""


@dataclass(slots=True)
class Said:
    """An officer's word for a person."""

    by: str
    t: int


@dataclass(slots=True)
class Roll:
    """A roll-call. `seqs`: its orders to devices. `units`: ids; `hands`: people by hand. `answered`, `refused`: by
    unit, UTC ms. `stale`: units that were silent when it ended. `ended_by`: who ended it, "" when a newer one of the
    same target did (`replaced_by`)."""

    id: str
    rev: int
    target: str
    by: str
    reason: str
    t: int
    seqs: list[int]
    units: list[str]
    hands: dict[str, Hand]
    name: str = ""
    answered: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    voice: dict[str, Said] = field(default_factory=dict)
    ended: int | None = None
    ended_by: str = ""
    replaced_by: str = ""
    stale: list[str] = field(default_factory=list)

    @property
    def who(self) -> list[str]:
        """Everybody's key."""
        return [*self.units, *self.hands]

    def state(self, key: str, silent: frozenset[str]) -> str:
        """Of one person; `silent`: units whose devices are not heard, while it is open."""
        if key in self.answered:
            return "confirmed"
        if key in self.voice:
            return "voice"
        if key in self.refused:
            return "refused"
        return "stale" if key in (silent if self.ended is None else self.stale) else "unconfirmed"

    def missing(self, silent: frozenset[str]) -> list[str]:
        return [key for key in self.who if self.state(key, silent) in MISSING]

    def hear(self, answered: dict[str, int], refused: dict[str, int]) -> bool:
        """What devices have said by now, in any order and again. Whether that is news."""
        news = False
        for known, said in ((self.answered, answered), (self.refused, refused)):
            for unit, t in said.items():
                if unit not in known or t < known[unit]:
                    known[unit], news = t, True
        self.rev += news
        return news

    def say(self, who: list[str], by: str, t: int) -> None:
        """An officer has heard them. Who has answered needs nobody's word."""
        self._is_open()
        unknown = [key for key in who if key not in self.hands and key not in self.units]
        if unknown:
            raise RollRefused(404, f"nobody {unknown[0][:40]!r} in this roll-call")
        self.rev += 1
        for key in who:
            if key not in self.answered and key not in self.voice:
                self.voice[key] = Said(by, t)

    def end(self, by: str, t: int, silent: frozenset[str], replaced_by: str = "") -> None:
        self._is_open()
        self.rev += 1
        self.stale = [key for key in self.units if self.state(key, silent) == "stale"]
        self.ended, self.ended_by, self.replaced_by = t, by, replaced_by

    def _is_open(self) -> None:
        if self.ended is not None:
            raise RollRefused(409, f"roll-call {self.id}: it has ended")

    def as_document(self) -> dict[str, Any]:
        return asdict(self) | {"hands": {key: list(one) for key, one in self.hands.items()}}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Roll":
        known = {name: kept[name] for name in cls.__slots__ if name in kept}
        known["hands"] = {key: Hand(*one) for key, one in kept["hands"].items()}
        known["voice"] = {key: Said(**one) for key, one in kept["voice"].items()}
        return cls(**known)
