"""What the hub needs of a store, whatever it is made of. hub.store.sqlite is one; PostgreSQL may be another.

Enters and leaves: the plain records below. Every method blocks; callers put it on the writer's or a reader's
thread. Errors are StoreError, and StoreFull when there is no room.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class LogFrame(NamedTuple):
    """One frame of the log, raw, with what is needed to find it again.

    t_hub_ms        when it came, hub clock, UTC
    stream          0 events, 1 rows, 2 bulk; control frames have n 0
    t_first_utc_ms  earliest and latest row, None while the boot's clock is unknown
    fresh           flat ranges of the rows that were new, None: all of them
    refused         why its content is not used, a number of protocols.errors.REASONS; 0: it is
    """

    t_hub_ms: int
    device: int
    boot: int
    stream: int
    row: int
    n: int
    lane: int
    kind: int
    t_first_utc_ms: int | None
    t_last_utc_ms: int | None
    fresh: list[int] | None
    refused: int
    raw: bytes


class CoverageRow(NamedTuple):
    """The closed rows and gaps of one (device, boot, stream), flat ranges."""

    device: int
    boot: int
    stream: int
    closed: list[int]
    gaps: list[int]


class ClockRow(NamedTuple):
    """The UTC of a boot's zero, as the device told it. `redate`: undated frames of this boot may be stored."""

    device: int
    boot: int
    utc_zero_ms: int
    redate: bool = True


@dataclass(frozen=True, slots=True)
class Commit:
    """What goes into the log in one transaction."""

    t_hub_ms: int
    frames: list[LogFrame] = field(default_factory=list)
    coverage: list[CoverageRow] = field(default_factory=list)
    clocks: list[ClockRow] = field(default_factory=list)


class Log(Protocol):
    """The append-only log of frames with its coverage."""

    def commit(self, commit: Commit) -> None:
        """Keep all of it, or none: durable against power loss when this returns."""

    def coverage(self, device: int, boot: int, stream: int) -> CoverageRow | None:
        """What is known of a stream, None when it was never heard."""

    def clock(self, device: int, boot: int) -> int | None:
        """UTC of the boot's zero, ms, None while unknown."""

    def frames(self, device: int, from_utc_ms: int, to_utc_ms: int) -> Iterator[LogFrame]:
        """The usable frames of a device that hold a dated row within the window, in order of their coming."""

    def all_frames(self, from_utc_ms: int, to_utc_ms: int) -> Iterator[LogFrame]:
        """As `frames`, of all devices, the undated ones that came within the window included."""

    def newest(self, t_least_hub_ms: int, most: int) -> Iterator[LogFrame]:
        """The latest usable frames of each device on itself, to rebuild the picture; at most `most` a device."""

    def events(self) -> Iterator[LogFrame]:
        """Every event frame kept, oldest first."""

    def heard(self, t_least_hub_ms: int, most: int) -> Iterator[LogFrame]:
        """What devices heard of others (OBSERVED, SAID) since a time, newest first; at most `most`."""

    def links(self, t_least_hub_ms: int, most: int) -> Iterator[LogFrame]:
        """How gateways' bearers did (LINK) since a time, newest first; at most `most`."""

    def texts(self, t_least_hub_ms: int, most: int) -> Iterator[LogFrame]:
        """What wearers wrote (TEXT) since a time, newest first; at most `most`."""

    def close(self) -> None:
        """Close the files."""


class UnitRow(NamedTuple):
    """A unit as registered."""

    id: str
    callsign: str
    kind: str
    branch: str
    team: str
    stale_s: int
    lost_s: int
    agency: str = ""


class Binding(NamedTuple):
    """Device carried by unit from one time until another, None: until now."""

    device: int
    unit: str
    from_utc_ms: int
    to_utc_ms: int | None


class PersonRow(NamedTuple):
    """An account. `sees`: agencies with commas between them, or "*"; `password`: argon2's own form, or None."""

    name: str
    role: str
    agency: str
    sees: str
    team: str
    state: str
    password: str | None = None


class SessionRow(NamedTuple):
    """A session without its secret. `by_link`: it began with a one-time link."""

    id: str
    user: str
    created_utc_ms: int
    expires_utc_ms: int
    seen_utc_ms: int
    address: str
    browser: str
    by_link: int


class TokenRow(NamedTuple):
    """An API token without its secret. `scope`: permissions with spaces between them."""

    id: str
    user: str
    name: str
    scope: str
    created_utc_ms: int
    expires_utc_ms: int


class Hold(NamedTuple):
    """A stretch of time that retention must not touch, and why."""

    id: int
    from_utc_ms: int
    to_utc_ms: int
    reason: str


class Registry(Protocol):
    """Devices, units, people, settings and operator records."""

    def version(self) -> int:
        """Grows when another program has changed the registry."""

    def units(self) -> list[UnitRow]:
        """All units in the order of their registration."""

    def bindings(self) -> list[Binding]:
        """All bindings, oldest first."""

    def enrol(self, entries: Sequence[tuple[int, UnitRow]], t_utc_ms: int) -> tuple[int, int]:
        """Register devices with their units (unit ids are given here): counts (new, changed)."""

    def record(self, t_utc_ms: int, who: str, what: str, content: dict[str, object]) -> None:
        """Add an operator record to the chain."""

    def verify_records(self) -> str | None:
        """None when the chain of operator records is whole, else where it is broken."""
