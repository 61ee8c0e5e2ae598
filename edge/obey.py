"""Which orders are obeyed: each once, none that is late, evacuate and retreat always.

Enters: what an order says, once it is known to be genuine, and UTC or None while no clock is proven. Leaves: a verdict,
and what must survive a restart. Pure. Called by `edge.obey_desk`.

An evacuation or retreat is never refused for time: it is obeyed once, unless an all-clear with a higher number is
known. Numbers are given by one hub, rising, so one window of numbers refuses replays whoever the issuer is. Grave
orders have a window of their own, so that no number of texts can push an evacuation out.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

from protocols.orders import NEVER_LATE, SEQ_MAX, Order, OrderType

SKEW_MS = 60_000
"""So much earlier than its time an order is obeyed: clocks differ."""
GRAVE = NEVER_LATE | {OrderType.ALL_CLEAR}
NEEDS_CLOCK = frozenset({OrderType.ALL_CLEAR, OrderType.CONFIG})
"""Without a proven clock an expired key could lift an evacuation. They go by ways that bring the hub's time anyway."""
KEPT_GRAVE, KEPT_OTHERS = 128, 256
CODES_MAX = 8
TEXT_CHARS_MAX = 2_000


class Said(NamedTuple):
    """What an order says, in whichever form it came. Times UTC ms; `expires_utc_ms` 0: never. Degrees times 10^7."""

    seq: int
    type: OrderType
    text: str = ""
    issuer: str = ""
    role: str = ""
    not_before_utc_ms: int = 0
    expires_utc_ms: int = 0
    lat_deg_e7: int | None = None
    lon_deg_e7: int | None = None


class Now(NamedTuple):
    """The boot's clock; UTC by a proven clock or None; the machine's own idea of UTC, for what people read."""

    t_ms: int
    utc_ms: int | None
    about_utc_ms: int


class Verdict(Enum):
    """What to do with an order."""

    OBEY = auto()
    LIFTED = auto()  # a newer all-clear is known: it is taken, and not obeyed
    AGAIN = auto()  # it was taken before: only its receipts are given again
    OLD = auto()  # its number is below all that are kept: a replay
    LATE = auto()  # it has expired
    EARLY = auto()  # its time has not come; the hub says it again
    CLOCK = auto()  # it is obeyed only by a proven clock; the hub says it again


@dataclass(slots=True)
class _Window:
    """The highest `kept` numbers that were taken, each with its receipts; all below `floor` are replays."""

    kept: int
    floor: int = -1
    taken: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    def add(self, key: tuple[int, int], codes: list[int]) -> None:
        self.taken[key] = codes
        while len(self.taken) > self.kept:
            lowest = min(self.taken)
            self.floor = max(self.floor, lowest[0])
            del self.taken[lowest]


class Judge:
    """The numbers that were taken, and the highest all-clear."""

    def __init__(self) -> None:
        self.cleared = -1
        self._grave, self._others = _Window(KEPT_GRAVE), _Window(KEPT_OTHERS)

    def _window(self, kind: int) -> _Window:
        return self._grave if kind in GRAVE else self._others

    def judge(self, said: Said, t_utc_ms: int | None) -> Verdict:
        """What to do with a genuine order now."""
        window = self._window(said.type)
        if (said.seq, said.type) in window.taken:
            return Verdict.AGAIN
        if said.seq <= window.floor:
            return Verdict.OLD
        if said.type in NEVER_LATE:
            return Verdict.LIFTED if said.seq < self.cleared else Verdict.OBEY
        if t_utc_ms is None:
            return Verdict.CLOCK if said.type in NEEDS_CLOCK else Verdict.OBEY
        if said.expires_utc_ms and t_utc_ms > said.expires_utc_ms:
            return Verdict.LATE
        return Verdict.EARLY if t_utc_ms + SKEW_MS < said.not_before_utc_ms else Verdict.OBEY

    def take(self, said: Said) -> None:
        """From now on it is AGAIN. An all-clear lifts what has a lower number."""
        self._window(said.type).add((said.seq, said.type), [])
        if said.type == OrderType.ALL_CLEAR:
            self.cleared = max(self.cleared, said.seq)

    def note(self, said: Said, code: int) -> None:
        """A receipt was given."""
        codes = self._window(said.type).taken.get((said.seq, said.type))
        if codes is None:
            return
        if code in codes:
            codes.remove(code)
        codes.append(code)
        del codes[:-CODES_MAX]

    def codes(self, said: Said) -> tuple[int, ...]:
        """The receipts that were given, the last one last."""
        return tuple(self._window(said.type).taken.get((said.seq, said.type), ()))

    # --- over a restart ----------------------------------------------------------------------------

    def keep(self) -> dict[str, Any]:
        """For JSON."""
        windows = (self._grave, self._others)
        return {
            "cleared": self.cleared,
            "floors": [window.floor for window in windows],
            "taken": [[*key, codes] for window in windows for key, codes in sorted(window.taken.items())],
        }

    def resume(self, kept: dict[str, Any]) -> None:
        """Take up what `keep` said. ValueError, TypeError or KeyError when it is not that; nothing is taken then."""
        cleared = _number(kept["cleared"])
        grave, others = (_number(floor) for floor in kept["floors"])
        windows = _Window(KEPT_GRAVE, grave), _Window(KEPT_OTHERS, others)
        for seq, kind, codes in kept["taken"]:
            window = windows[0] if OrderType(kind) in GRAVE else windows[1]
            window.add((_number(seq), kind), [_number(code) for code in codes][:CODES_MAX])
        self.cleared, (self._grave, self._others) = cleared, windows


def _number(value: Any) -> int:
    if type(value) is not int or not -1 <= value <= SEQ_MAX:
        raise ValueError(f"kept: {value!r} is no number of an order")
    return value


def said_of(order: Order) -> Said:
    """What an order in its full form says, cut to what is kept."""
    text, lat, lon = (order.body.get(name) for name in ("text", "lat_deg_e7", "lon_deg_e7"))
    is_place = type(lat) is int and type(lon) is int and abs(lat) <= 900_000_000 and abs(lon) <= 1_800_000_000
    return Said(
        order.seq, OrderType(order.type), (text if isinstance(text, str) else "")[:TEXT_CHARS_MAX],
        order.issuer[:TEXT_CHARS_MAX], order.role[:TEXT_CHARS_MAX],
        order.not_before_utc_ms, order.expires_utc_ms, lat if is_place else None, lon if is_place else None,
    )  # fmt: skip
