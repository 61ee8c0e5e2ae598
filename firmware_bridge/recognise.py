"""Recognising what speaks on a port, by its bytes alone.

Enters: bytes of an unknown device. Leaves: a driver's name. Called by `edge.serial_worker` for `driver = "auto"` and by
`zhantu-edge ports`. It only listens: a question that one device expects can be a command to another.
"""

from firmware_bridge.drivers import AUTO, score, sniff
from firmware_bridge.interface import Quiet, Stats
from firmware_bridge.ports import LOCK_MESSAGES
from protocols.samples import Sample

HEARD_SIZE_MAX = 16_384


class Recogniser(Quiet):
    """Stands for the driver until it is known. `found` is its name then, `heard` all bytes to begin with."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.heard = b""
        self.found: str | None = None

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`; there never is a sample."""
        self.stats.bytes += len(data)
        self.heard = (self.heard + data)[-HEARD_SIZE_MAX:]
        if score(AUTO, self.heard) >= LOCK_MESSAGES:
            self.found = sniff(self.heard)
        return []

    def idle(self, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        return []
