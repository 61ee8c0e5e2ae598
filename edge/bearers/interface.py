"""What every bearer offers: a way by which frames leave the gateway.

Enters: lanes and bytes. Leaves: whether they were taken, and what the way can do now. Callers: `edge.sender`,
`edge.narrow_sender`, `edge.agent`. Adding one is one file and one line of `edge.bearers.table`.
"""

from dataclasses import dataclass
from typing import Protocol

from protocols.catalog import Bearer as Kind
from protocols.catalog import BearerState, Lane

NARROW_MTU = 400
"""Below, a frame of columns does not fit: narrow-band frames take its place."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a bearer is like. It does not change while the agent runs.

    cost             the cheapest that is in time is taken; any number from 0 on
    mtu              bytes of one message at most
    event_repeat_ms  an alarm that nobody acknowledged goes again after so long
    history          whether the backlog may go by it
    is_private       whether only the hub can read what goes by it; else what a body does is sealed
    """

    kind: Kind
    name: str
    cost: int
    mtu: int
    event_repeat_ms: int = 2_000
    history: bool = True
    is_private: bool = True

    @property
    def is_narrow(self) -> bool:
        return self.mtu < NARROW_MTU


@dataclass(slots=True)
class BearerStats:
    """Counters since the start."""

    connects: int = 0
    failures: int = 0
    denied: int = 0
    last_error: str = ""


class Bearer(Protocol):
    """A way to the hub. `state` UP: it was answered lately; CONNECTING: it may work, alarms are tried on it."""

    stats: BearerStats

    @property
    def traits(self) -> Traits: ...

    @property
    def state(self) -> BearerState: ...

    def publish(self, lane: Lane, data: bytes) -> bool:
        """Hand one frame over. False: nothing was taken, try again later."""


class Worker(Protocol):
    """What the agent's loop does for a bearer with a file of its own."""

    def fileno(self) -> int | None: ...
    def wants_write(self) -> bool: ...
    def on_readable(self) -> None: ...
    def on_writable(self) -> None: ...
    def maintain(self, t_mono_s: float) -> None: ...
    def close(self) -> None: ...
