"""What every driver offers: the interface, and the counters that it keeps.

Enters: bytes of one device and a monotonic time. Leaves: samples. Called by the edge agent's loop, by
`decode`, and by tests. A driver is pure: it opens nothing, reads no clock, and never raises on bad bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.rollover import RECORDED, Rollover
from protocols.samples import Sample


@dataclass(slots=True)
class Stats:
    """Counters since the driver was made. They only grow.

    good     messages with a valid checksum that were used
    bad      messages that looked like ours and were wrong: checksum, length, a value out of range
    skipped  whole messages of kinds that this driver does not use (NMEA ones are not even checked)
    noise    bytes that belong to no message, line ends not counted
    bytes    everything that was fed
    """

    good: int = 0
    bad: int = 0
    skipped: int = 0
    noise: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a driver may be told. Every driver takes all of it and uses what concerns it.

    rollover  how implausible GNSS dates are mended; `Rollover.live(now)` on a gateway, RECORDED for files
    """

    rollover: Rollover = RECORDED


class Driver(Protocol):
    """One device's bytes to samples."""

    stats: Stats

    def feed(self, data: bytes, t_mono_ns: int) -> Sequence[Sample]:
        """Samples completed by `data`, oldest first. `t_mono_ns`: when the bytes were read. Never raises."""

    def idle(self, t_mono_ns: int) -> Sequence[Sample]:
        """Samples completed by silence. Call it every 50 ms or so when a port has been quiet."""

    def hello(self) -> bytes:
        """What to send when the port opens: settings and questions; empty when there is nothing to say."""


@dataclass(frozen=True, slots=True)
class DriverRow:
    """One row of the table of drivers.

    make   builds a driver; does no I/O
    score  how many messages with a valid checksum of this device's kind a stretch of bytes holds; auto-baud
           and auto-driver go by it
    """

    name: str
    about: str
    make: Callable[[Settings], Driver]
    score: Callable[[bytes], int]
