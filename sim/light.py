"""A light unit: the sending half of a gateway in a few kilobytes of memory, thousands to a process.

Enters: values of rows, acknowledgements, the time. Leaves: the same frames an edge agent would send, built
with the same codec. Rows live in a small window in memory until the hub has acknowledged them, which is
enough for a unit that does not exist. Pure: time is an argument. Caller: `sim.drill`.

Sending order on every turn: HELD once, GAP after shedding, events (again every 2 s until acknowledged), the
newest rows, then at most one frame of older rows a second, so that the live picture never queues behind them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from protocols import acks, frame
from protocols.acks import Ack
from protocols.catalog import ClockSource, Kind, Lane, Stream
from protocols.frame import Row
from protocols.intervals import Intervals
from protocols.keys import MacKey

WINDOW_ROWS_MAX = 14_400
"""Rows kept of each stream: four hours at 1 Hz. Beyond it the oldest is shed and declared a gap."""
LIVE_ROWS_MAX = 10
HISTORY_ROWS_MAX = 60
HISTORY_EVERY_MS = 1_000
EVENT_ROWS_MAX = 10
EVENT_REPEAT_MS = 2_000
TIMEOUT_MS_MIN = 3_000
TIMEOUT_MS_MAX = 60_000
SHED_ROWS = 60
_EVENTS, _ROWS = int(Stream.EVENTS), int(Stream.ROWS)


class Outgoing(NamedTuple):
    """A frame and the lane (topic) it goes on."""

    lane: Lane
    data: bytes


@dataclass(slots=True)
class _Flight:
    """Rows first…last that were sent and wait for their acknowledgement."""

    first: int
    last: int
    resend_ms: int


class _Window:
    """The unacknowledged rows of one stream, and which of them are to be sent now."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.next_row = 0
        self.todo = Intervals()
        self.flights: list[_Flight] = []
        self.shed: list[tuple[int, int]] = []

    def add(self, row: Row) -> None:
        if len(self.rows) >= WINDOW_ROWS_MAX:
            oldest = sorted(self.rows)[:SHED_ROWS]
            self.forget(oldest[0], oldest[-1])
            self.shed.append((oldest[0], oldest[-1]))
        self.rows[self.next_row] = row
        self.todo.add(self.next_row, self.next_row)
        self.next_row += 1

    def forget(self, first: int, last: int) -> None:
        self.todo.remove(first, last)
        span = range(max(first, 0), min(last, self.next_row - 1) + 1)
        for number in span if len(span) <= len(self.rows) else [n for n in self.rows if n in span]:
            self.rows.pop(number, None)

    def expire(self, t_mono_ms: int) -> bool:
        """Puts rows whose acknowledgement is overdue back to be sent; True when there were any."""
        late = [flight for flight in self.flights if t_mono_ms >= flight.resend_ms]
        if late:
            self.flights = [flight for flight in self.flights if t_mono_ms < flight.resend_ms]
        for flight in late:
            for number in range(flight.first, flight.last + 1):
                if number in self.rows:
                    self.todo.add(number, number)
        return bool(late)

    def answered(self) -> None:
        """Drops the flights whose rows are all acknowledged."""
        self.flights = [f for f in self.flights if any(n in self.rows for n in range(f.first, f.last + 1))]


class LightUnit:
    """One emulated device: numbers its rows, sends and resends them, forgets what is acknowledged."""

    def __init__(
        self,
        device: int,
        mac_key: MacKey,
        boot: int,
        utc_zero_ms: int,
        earlier_boots: Sequence[int] = (),
    ) -> None:
        self.device, self.boot = device, boot
        self._earlier_boots = earlier_boots
        self._mac_key, self._utc_zero_ms = mac_key, utc_zero_ms
        self._windows = {_EVENTS: _Window(), _ROWS: _Window()}
        self._said_held = False
        self._timeout_ms = TIMEOUT_MS_MIN
        self._next_history_ms = 0

    def add_row(self, t_mono_ms: int, values: dict[int, int]) -> None:
        """A row of page STATE, by bit in the catalog's quanta."""
        self._windows[_ROWS].add(Row(t_mono_ms, values))

    def add_event(self, t_mono_ms: int, values: dict[int, int]) -> None:
        """A row of page EVENT: it goes at once and again until acknowledged."""
        self._windows[_EVENTS].add(Row(t_mono_ms, values))

    def waiting(self) -> int:
        """Rows that the hub has not acknowledged yet."""
        return sum(len(window.rows) for window in self._windows.values())

    def outgoing(self, t_mono_ms: int) -> list[Outgoing]:
        """The frames to send now, most urgent first. Only call this when the link is up."""
        out = self._control(t_mono_ms)
        events, rows = self._windows[_EVENTS], self._windows[_ROWS]
        events.expire(t_mono_ms)
        if rows.expire(t_mono_ms):
            self._timeout_ms = min(TIMEOUT_MS_MAX, 2 * self._timeout_ms)
        while events.todo:
            out.append(self._send(_EVENTS, Lane.SOS, t_mono_ms, EVENT_REPEAT_MS))
        if rows.todo and rows.todo.last()[1] == rows.next_row - 1:
            out.append(self._send(_ROWS, Lane.LIVE, t_mono_ms, self._timeout_ms))
        if rows.todo and t_mono_ms >= self._next_history_ms:
            self._next_history_ms = t_mono_ms + HISTORY_EVERY_MS
            out.append(self._send(_ROWS, Lane.HISTORY, t_mono_ms, self._timeout_ms))
        return out

    def link_lost(self) -> None:
        """The network is gone: what was in flight is sent again as soon as it is back."""
        for window in self._windows.values():
            for flight in window.flights:
                flight.resend_ms = 0
        self._timeout_ms = TIMEOUT_MS_MIN

    def on_ack(self, data: bytes) -> Ack:
        """Forgets what the hub holds. AckError when the bytes are not an acknowledgement to this device."""
        ack = acks.unpack(data, self._mac_key)
        window = self._windows.get(ack.stream)
        if window is None or ack.boot != self.boot:
            return ack
        for first, last in ((0, ack.watermark - 1), *ack.ranges):
            window.forget(first, last)
        window.answered()
        self._timeout_ms = TIMEOUT_MS_MIN
        return ack

    def _control(self, t_mono_ms: int) -> list[Outgoing]:
        """HELD at the start and GAP after shedding. Both may be lost or repeated without harm.

        A window in memory ends with its process, so nothing is left of earlier boots.
        """
        bodies: list[tuple[Kind, list[int]]] = []
        if not self._said_held:
            bodies += [
                (Kind.HELD, [boot, stream]) for boot in self._earlier_boots for stream in self._windows
            ]
        for stream, window in self._windows.items():
            if window.shed:
                ranges = [n for pair in window.shed[: frame.RANGES_MAX] for n in pair]
                bodies.append((Kind.GAP, [stream, *ranges]))
                window.shed = window.shed[frame.RANGES_MAX :]
        self._said_held = True
        pack = frame.pack_ranges
        out = []
        for kind, body in bodies:
            data = pack(
                self._mac_key, kind, device=self.device, boot=self.boot, t_mono_ms=t_mono_ms, body=body
            )
            out.append(Outgoing(Lane.RECEIPTS, data))
        return out

    def _send(self, stream: int, lane: Lane, t_mono_ms: int, timeout_ms: int) -> Outgoing:
        """Packs the newest run (LIVE) or the oldest run of waiting rows and notes it as in flight."""
        window = self._windows[stream]
        if lane == Lane.LIVE:
            first, last = window.todo.last()
            first = max(first, last - LIVE_ROWS_MAX + 1)
        else:
            first, last = window.todo.first()
            last = min(last, first + (EVENT_ROWS_MAX if lane == Lane.SOS else HISTORY_ROWS_MAX) - 1)
        data = frame.pack(
            self._mac_key,
            kind=Kind.EVENT if stream == _EVENTS else Kind.STATE,
            lane=lane,
            device=self.device,
            boot=self.boot,
            stream=stream,
            row=first,
            rows=[window.rows[number] for number in range(first, last + 1)],
            utc_zero_ms=self._utc_zero_ms,
            clock_source=ClockSource.GNSS,
        )
        window.todo.remove(first, last)
        window.flights.append(_Flight(first, last, t_mono_ms + timeout_ms))
        return Outgoing(lane, data)
