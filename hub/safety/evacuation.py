"""The evacuation board: who has it, who has seen it, who has acknowledged, and first of all who has NOT.

Enters: evacuations and retreats in the outbox with their receipts, officers' words for people without a device.
Leaves: the feed's `evacuation`, conditions, documents. Callers: `hub.app`, `hub.api.rollcall_routes`.

The order itself is signed in a browser, sent and repeated by the outbox, and lifted by an all-clear of two people; all
of that is there, and this part only reads it. People by hand whom it means are NOT until an officer has told them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from hub.identity.permissions import Audience, Principal
from hub.live.outbox_state import Entry as Order
from hub.safety.condition import Condition, Input, Priority
from hub.safety.entry import Entry, Hand
from hub.safety.part import Ground, Maker, Part
from hub.safety.people_named import UNITS_MAX, People
from hub.safety.rollcall_book import RollRefused, Said
from hub.safety.shelf import Shelf
from protocols.orders import NEVER_LATE

KIND = "evacuation"
KEPT_MAX = 500
"""More than the outbox has orders."""
GREETED = 20
PEOPLE_TOLD_MAX = 2_000
"""In one message, those who have not acknowledged first."""
LARGE, LARGE_MS = 300, 2_000
"""An evacuation of more people is told to screens so often at most."""

Tell = Callable[[str, Sequence[Condition], int], None]


@dataclass(slots=True)
class Spoken:
    """What belongs to an evacuation beside its order: people by hand, and officers' words. `id`: its number."""

    id: str
    rev: int
    hands: dict[str, Hand] = field(default_factory=dict)
    voice: dict[str, Said] = field(default_factory=dict)

    def say(self, who: list[str], by: str, t: int) -> None:
        """An officer has told them, or heard that they know. The first word counts."""
        self.rev += 1
        for key in who:
            self.voice.setdefault(key, Said(by, t))

    def mean(self, hands: Iterable[Hand]) -> None:
        """Who comes into a team while it stands is meant, too."""
        for one in hands:
            if one.key not in self.hands:
                self.hands[one.key] = one
                self.rev += 1

    def as_document(self) -> dict[str, Any]:
        return asdict(self) | {"hands": {key: list(one) for key, one in self.hands.items()}}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Spoken":
        hands = {key: Hand(*one) for key, one in kept["hands"].items()}
        voice = {key: Said(**one) for key, one in kept["voice"].items()}
        return cls(kept["id"], kept["rev"], hands, voice)


class How(NamedTuple):
    """How far it is with one person, UTC ms each. `by`: the officer who has told them."""

    delivered: int | None
    seen: int | None
    acknowledged: int | None
    refused: int | None
    by: str
    lifted: bool

    @property
    def is_missing(self) -> bool:
        return self.acknowledged is None and not self.lifted


class Evacuations(Part):
    """See the module."""

    name = "evacuation"

    def __init__(self, ground: Ground, entry: Entry, tell: Tell) -> None:
        self._ground = ground
        self._entry = entry
        self._tell = tell
        self.people = People(ground.units, entry)
        self.shelf = Shelf(ground, KIND, Spoken, KEPT_MAX, lambda one: self.order(one.id) is None)
        self._told: dict[int, int] = {}
        self._told_ms: dict[int, int] = {}
        self._seen = (-1, -1, -1)

    # --- reading -------------------------------------------------------------------------------------------

    def orders(self) -> list[Order]:
        """The newest first."""
        return [one for one in self._ground.outbox.entries() if one.order.type in NEVER_LATE]

    def order(self, id: str) -> Order | None:
        found = self._ground.outbox.entry(int(id)) if id.isdecimal() else None
        return found if found is not None and found.order.type in NEVER_LATE else None

    def older(self, order: Order) -> list[Order]:
        """Those given before it that hold."""
        return [one for one in self.orders() if one.order.seq < order.order.seq and not self.is_over(one)]

    def spoken(self, order: Order) -> Spoken:
        return self.shelf.get(str(order.order.seq)) or Spoken(str(order.order.seq), 0)

    def is_over(self, order: Order) -> bool:
        """An all-clear has lifted it for all."""
        return all(self._ground.outbox.cleared(unit) > order.order.seq for unit in order.units)

    def how(self, order: Order, spoken: Spoken, key: str) -> How:
        """How far it is with a unit, or a person by hand."""
        said = spoken.voice.get(key)
        by, told = ("", None) if said is None else (said.by, said.t)
        if key in spoken.hands:
            return How(None, None, told, None, by, self.is_over(order))
        lifted = self._ground.outbox.cleared(key) > order.order.seq
        if not any(order.targets[device].receipts for device in order.units[key]):
            return How(None, None, told, None, by, lifted)  # most of them, for long, when 10,000 are told
        now = order.unit_state(key, self._ground.clock_ms(), self._ground.outbox.cleared(key))
        decided = now["state"] in ("accepted", "done", "answered")
        own = _first(now, "accepted", "done", "answered") if decided else None
        return How(
            _first(now, "received", "shown", "answered", "accepted", "refused", "done"),
            _first(now, "shown", "answered", "accepted", "refused", "done"),
            told if own is None else own, _first(now, "refused") if now["state"] == "refused" else None,
            by if own is None else "", lifted,
        )  # fmt: skip

    def missing(self, order: Order) -> list[str]:
        """Who has not acknowledged, and is not free to come back."""
        spoken = self.spoken(order)
        keys = [*order.units, *spoken.hands]
        return [key for key in keys if self.how(order, spoken, key).is_missing]

    # --- the part ------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.shelf.load()

    def look(self, now_ms: int) -> None:
        for order in self.orders():
            if not self.is_over(order):
                self.meant(order)
        for spoken in self.shelf.all():
            if self.order(spoken.id) is None:
                self.shelf.drop(spoken.id)
        self.shelf.collect()
        self._tell("evacuation", self._conditions(now_ms), now_ms)

    def meant(self, order: Order) -> Spoken:
        """With all people by hand whom it means by now."""
        hands = self._entry.people_with(order.order.target, list(order.units))
        spoken = self.shelf.get(str(order.order.seq))
        if spoken is None:
            spoken = Spoken(str(order.order.seq), 1)
            self.shelf.put(spoken)
        spoken.mean(hands)
        return spoken

    def _conditions(self, now_ms: int) -> list[Condition]:
        made = []
        wait_ms = 1000 * self._ground.settings.evacuation_wait_s
        for order in self.orders():
            if now_ms - order.row.t_utc_ms >= wait_ms and not self.is_over(order):
                spoken = self.spoken(order)
                for agency, keys in self.people.by_agency(self.missing(order), spoken.hands).items():
                    made.append(self._condition(order, spoken, agency, keys))
        return made

    def _condition(self, order: Order, spoken: Spoken, agency: str, keys: list[str]) -> Condition:
        (more_zh, more_en), seq = self.people.words(keys, spoken.hands), order.order.seq
        why = []
        for key in keys[:UNITS_MAX]:
            how = self.how(order, spoken, key)
            step = (
                "refused"
                if how.refused
                else "seen"
                if how.seen
                else "delivered"
                if how.delivered
                else "not there"
            )
            why.append(
                Input(self.people.name(key, spoken.hands), "by voice" if key in spoken.hands else step)
            )
        return Condition(
            f"evacuation:{seq}:{agency}", KIND, Priority.CRITICAL,
            tuple(key for key in keys if key not in spoken.hands)[:UNITS_MAX],
            f"撤离 {len(keys)} 人未应{more_zh}", f"{len(keys)} have not acknowledged{more_en}", tuple(why),
            f"evacuation:{seq}",
        )  # fmt: skip

    def keep(self) -> None:
        self.shelf.keep()

    # --- saying --------------------------------------------------------------------------------------------

    def message(self, order: Order, audience: Audience) -> dict[str, Any] | None:
        """The feed's `evacuation`, with the people whom this audience sees; None when that is nobody."""
        spoken, head = self.spoken(order), order.head()
        seen = self.people.seen([*order.units, *spoken.hands], spoken.hands, audience)
        if not seen:
            return None
        hows = {key: self.how(order, spoken, key) for key in seen}
        first = sorted(seen, key=lambda key: _rank(hows[key]))[:PEOPLE_TOLD_MAX]
        return {
            "k": "evacuation", "id": str(order.order.seq), "seq": order.order.seq, "type": head["type"],
            "target": head["target"], "text": head["text"], "by": head["by"], "t": head["t"],
            "over": self.is_over(order), "total": len(seen),
            "people": [self._person(spoken, key, hows[key]) for key in first],
            "not": [key for key in seen if hows[key].is_missing],
        }  # fmt: skip

    def _person(self, spoken: Spoken, key: str, how: How) -> dict[str, Any]:
        hand = key in spoken.hands
        return {
            "key": key, "unit": None if hand else key, "person": key if hand else "",
            "name": self.people.name(key, spoken.hands), **how._asdict(),
        }  # fmt: skip

    def changes(self) -> Iterable[Maker]:
        outbox = self._ground.outbox
        newest = next(outbox.entries(), None)
        seen = (
            outbox.receipts,
            0 if newest is None else newest.order.seq,
            sum(one.rev for one in self.shelf.all()),
        )
        if seen == self._seen:
            return []
        now_ms, makers, waits = self._ground.clock_ms(), [], False
        for order in self.orders():
            seq, mark = order.order.seq, self._mark(order)
            if self._told.get(seq) == mark:
                continue
            if len(order.units) > LARGE and 0 <= now_ms - self._told_ms.get(seq, -LARGE_MS) < LARGE_MS:
                waits = True
                continue
            self._told[seq], self._told_ms[seq] = mark, now_ms
            makers.append(self._maker(order))
        if not waits:
            self._seen = seen
        return makers

    def _mark(self, order: Order) -> int:
        """Another number when another thing is to be said."""
        receipts = [
            (device, code, receipt.t_device_ms)
            for device, target in order.targets.items()
            for code, receipt in target.receipts.items()
        ]
        cleared = [self._ground.outbox.cleared(unit) > order.order.seq for unit in order.units]
        return hash((self.spoken(order).rev, *receipts, *cleared))

    def _maker(self, order: Order) -> Maker:
        return lambda audience: self.message(order, audience)

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        """The newest, the oldest of them first."""
        told: list[dict[str, Any]] = []
        for order in self.orders():
            said = self.message(order, me.audience)
            if said is not None:
                told.append(said)
            if len(told) == GREETED:
                break
        return told[::-1]

    def gauges(self) -> dict[str, float]:
        still = [order for order in self.orders() if not self.is_over(order)]
        missing = sum(len(self.missing(order)) for order in still)
        return {"evacuations_open": float(len(still)), "evacuation_missing": float(missing)}


def check(order: Order, spoken: Spoken, who: Sequence[str]) -> None:
    """RollRefused 404: somebody is not meant by this evacuation."""
    unknown = [key for key in who if key not in order.units and key not in spoken.hands]
    if unknown:
        raise RollRefused(404, f"nobody {unknown[0][:40]!r} in evacuation {order.order.seq}")


def _first(now: dict[str, object], *words: str) -> int | None:
    """The earliest of these receipts; a device's clock that is ahead counts as the hub's."""
    times = [min(at) for word in words if isinstance(at := now.get(word), list)]
    return min(times, default=None)


def _rank(how: How) -> tuple[bool, bool, bool]:
    """Those to be chased first: refused or nothing there, then delivered, then seen, then done."""
    return not how.is_missing, how.seen is not None, how.delivered is not None
