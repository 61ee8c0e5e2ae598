"""What every driver offers: the interface, and the counters that it keeps.

Enters: bytes of one device and a monotonic time. Leaves: samples, and bytes to send back. Called by the
edge agent's loop, by `decode`, and by tests. A driver is pure: it opens nothing, reads no clock, and never raises on
bad bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from firmware_bridge.rollover import RECORDED, Rollover
from protocols.samples import Sample
from protocols.wearer import Pattern


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
    options   what the driver's own `DriverRow.options` made of the port's table of options; None for none
    device    the number of the gateway that reports, 0 where nobody is
    """

    rollover: Rollover = RECORDED
    options: Any = None
    device: int = 0


@dataclass(frozen=True, slots=True)
class Play:
    """A command: play a pattern of sound and vibration."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Show:
    """A command: show a line of text, at most 64 bytes of UTF-8; "" clears it."""

    text: str


@dataclass(frozen=True, slots=True)
class Clock:
    """A command: UTC is `t_utc_ms` now."""

    t_utc_ms: int


Command = Play | Show | Clock


class Driver(Protocol):
    """One device's bytes to samples, and back. `StreamDriver` and `Quiet` give the parts that a driver does not use."""

    stats: Stats
    talk_mono_ns: int | None
    """When `talk` has something to say next; None: not before the next `feed`, `idle` or `tell`."""

    def feed(self, data: bytes, t_mono_ns: int) -> Sequence[Sample]:
        """Samples completed by `data`, oldest first. `t_mono_ns`: when the bytes were read. Never raises."""

    def idle(self, t_mono_ns: int) -> Sequence[Sample]:
        """Samples completed by silence. Call it every 50 ms or so when a port has been quiet."""

    def hello(self) -> bytes:
        """What to send when the port opens: settings and questions; empty when there is nothing to say."""

    def talk(self, t_mono_ns: int) -> bytes:
        """What to send now: the next question, an acknowledgement. Called after each `feed` and `tell`, and when
        `talk_mono_ns` has come."""

    def tell(self, command: Command) -> bool:
        """Take a command for the device; `talk` sends it. False when such a device does not do that."""


class Quiet:
    """The parts of a driver that only listens."""

    talk_mono_ns: int | None = None

    def hello(self) -> bytes:
        """See `Driver`."""
        return b""

    def talk(self, t_mono_ns: int) -> bytes:
        """See `Driver`."""
        return b""

    def tell(self, command: Command) -> bool:
        """See `Driver`."""
        return False


def no_options(raw: dict[str, Any], folder: Path) -> None:
    """The options of a driver that has none; ValueError when some are given."""
    if raw:
        raise ValueError(f"options: {', '.join(raw)} given, this driver has none")


@dataclass(frozen=True, slots=True)
class DriverRow:
    """One row of the table of drivers.

    make     builds a driver; does no I/O
    score    how many messages with a valid checksum of this device's kind a stretch of bytes holds; auto-baud
             and auto-driver go by it
    reads    names of catalog fields and of kinds of samples (observed, heard, pressed, note) that it gives
    options  makes the driver's settings of `[port.options]`; paths in it are relative to `folder`. Reads files, and
             raises ValueError that says which key, what came and what is allowed
    bauds    rates to try first, most likely first
    probe    what to write to a silent line to make such a device speak; b"" where it speaks by itself or where a
             question would harm other devices. Only `zhantu-edge ports --ask` and a port's own auto-baud write it
    apart    a module to run as a process of its own in place of `make`, which then is not called (docs/devices.md)
    auto     whether `driver = "auto"` and sniffing may choose it
    """

    name: str
    about: str
    make: Callable[[Settings], Driver]
    score: Callable[[bytes], int]
    reads: tuple[str, ...]
    options: Callable[[dict[str, Any], Path], Any] = no_options
    bauds: tuple[int, ...] = ()
    probe: bytes = b""
    apart: str = ""
    auto: bool = True
