"""The sender: which rows go next, on which lane, and which must go again.

Enters: new rows, acknowledgements, the bearer's state. Leaves: frames to publish. Pure but for the spool it
reads; its clock is an argument. Called by `edge.agent` on every turn of its loop.

Lanes: 0 events (at once, and again until acknowledged), 1 ranges held and shed, 2 the newest rows, 3 what is
older. When both wait, three frames of the newest go for one of the oldest, so the live picture never queues
behind the backlog. At most `WINDOW_MAX` frames are unacknowledged; silence of the hub shrinks the window to one.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from edge.spool import Spool, SpoolRow
from protocols import frame
from protocols.acks import Ack
from protocols.catalog import Kind, Lane, Stream
from protocols.intervals import Intervals
from protocols.keys import MacKey

WINDOW_MAX = 20
"""Frames in flight. **Source:** measured: paho's memory grows with its queue, so it is fed at most 20."""
TIMEOUT_MS_MIN = 3_000
TIMEOUT_MS_MAX = 60_000
EVENT_REPEAT_MS = 2_000
LIVE_PER_HISTORY = 3
HISTORY_ROWS = 120
LIVE_EARLY = 0.2
"""A live frame may go this part of its period early, so that a row which comes early does not wait."""
LIVE_ROWS_KEPT = 256
"""Newest rows kept in memory, so that live frames need no read from the disk."""

Publish = Callable[[Lane, bytes], bool]
Key = tuple[int, int]


class Where(IntEnum):
    """How far a row has come."""

    WAITING = 0
    FLYING = 1  # sent, not acknowledged yet
    HELD = 2  # the hub has it


@dataclass(slots=True)
class _Flight:
    """A frame that waits for its acknowledgement."""

    key: Key
    first: int
    last: int
    lane: Lane
    sent_ms: int


@dataclass(slots=True)
class SenderStats:
    """Counters since the start, and the last round trip."""

    frames: int = 0
    bytes: int = 0
    timeouts: int = 0
    acks: int = 0
    refused: int = 0
    rtt_ms: int | None = None
    last_ack_ms: int | None = None


class Sender:
    """Takes rows from the spool to the bearer and back out of the spool when they are safe."""

    def __init__(
        self, spool: Spool, mac_key: MacKey, device: int, *, live_ms: int, rows_max: int = HISTORY_ROWS
    ) -> None:
        self._spool = spool
        self._mac_key = mac_key
        self._device = device
        self._live_ms = live_ms
        self._rows_max = rows_max
        self._todo: defaultdict[Key, Intervals] = defaultdict(Intervals)
        self._recent: deque[SpoolRow] = deque(maxlen=LIVE_ROWS_KEPT)
        self._flights: list[_Flight] = []
        self._window = WINDOW_MAX
        self._timeout_ms = TIMEOUT_MS_MIN
        self._live_due_ms = 0
        self._live_run = 0
        self._hello: deque[bytes] = deque()
        self.stats = SenderStats()

    # --- what there is to send ---------------------------------------------------------------------

    def start(self) -> None:
        """Take up what earlier boots left in the spool."""
        for boot, stream, first, last in self._spool.held():
            self._todo[boot, stream].add(first, last)

    def add(self, row: SpoolRow) -> None:
        """A new row: it is newest state, or an event that goes at once."""
        self._todo[row.boot, row.stream].add(row.row, row.row)
        self._recent.append(row)

    def connected(self, t_mono_ms: int) -> None:
        """A bearer is up: say what earlier boots still hold, and try everything unanswered again."""
        for flight in self._flights:
            self._todo[flight.key].add(flight.first, flight.last)
        self._flights.clear()
        self._window, self._timeout_ms = WINDOW_MAX, TIMEOUT_MS_MIN
        self._hello.clear()
        held: defaultdict[Key, list[int]] = defaultdict(list)
        for boot in self._spool.earlier_boots():
            held.update({(boot, int(stream)): [] for stream in Stream})
        for boot, stream, first, last in self._spool.held():
            if boot != self._spool.boot and len(held[boot, stream]) < 2 * frame.RANGES_MAX:
                held[boot, stream] += [first, last]
        for (boot, stream), ranges in held.items():
            # a list cut at its limit would declare rows lost that we hold: then nothing is said
            if len(ranges) < 2 * frame.RANGES_MAX:
                self._say(Kind.HELD, self._spool.boot, [boot, stream, *ranges], t_mono_ms)
        self.say_gaps(t_mono_ms)

    def say_gaps(self, t_mono_ms: int) -> None:
        """Say which rows were shed, so that the hub does not wait for them."""
        shed: defaultdict[Key, list[int]] = defaultdict(list)
        for boot, stream, first, last in self._spool.gaps():
            shed[boot, stream] += [first, last]
            self._todo[boot, stream].remove(first, last)
        for (boot, stream), ranges in shed.items():
            self._say(Kind.GAP, boot, [stream, *ranges], t_mono_ms)

    def _say(self, kind: Kind, boot: int, body: list[int], t_mono_ms: int) -> None:
        self._hello.append(
            frame.pack_ranges(
                self._mac_key, kind, device=self._device, boot=boot, t_mono_ms=t_mono_ms, body=body
            )
        )

    # --- sending -----------------------------------------------------------------------------------

    def pump(self, t_mono_ms: int, publish: Publish) -> None:
        """Send what may go now. `publish` returns False when the bearer takes nothing more."""
        self._expire(t_mono_ms)
        while self._hello:
            if not self._publish(Lane.RECEIPTS, self._hello[0], publish):
                return
            self._hello.popleft()
        for key in [k for k in self._todo if k[1] == Stream.EVENTS and self._todo[k]]:
            while self._todo[key]:
                if not self._send(key, Lane.SOS, self._todo[key].first(), t_mono_ms, publish):
                    return
        while len(self._flights) < self._window:
            if not self._send_rows(t_mono_ms, publish):
                return

    def _send_rows(self, t_mono_ms: int, publish: Publish) -> bool:
        """One frame of the newest or of the oldest rows; False when there is nothing to do now."""
        live_key = (self._spool.boot, int(Stream.ROWS))
        live = self._todo.get(live_key)
        live_due = bool(live) and t_mono_ms >= self._live_due_ms
        oldest = self._oldest(live_key)
        if live and live_due and (oldest is None or self._live_run < LIVE_PER_HISTORY):
            self._live_run += 1
            first, last = live.last()
            sent = self._send(
                live_key, Lane.LIVE, (max(first, last - self._rows_max + 1), last), t_mono_ms, publish
            )
            return sent
        if oldest is None:
            return False
        self._live_run = 0
        return self._send(oldest, Lane.HISTORY, self._todo[oldest].first(), t_mono_ms, publish)

    def _oldest(self, live_key: Key) -> Key | None:
        """The stream whose backlog goes next: earlier boots first, then this one's holes below the newest row."""
        for key, todo in self._todo.items():
            if key[1] == Stream.EVENTS or not todo:
                continue
            if key != live_key or todo.total() > self._rows_max or len(todo) > 1:
                return key
        return None

    def _send(self, key: Key, lane: Lane, span: tuple[int, int], t_mono_ms: int, publish: Publish) -> bool:
        rows = self._rows(key, *span, newest=lane == Lane.LIVE)
        if not rows:
            # acknowledged or shed meanwhile
            self._todo[key].remove(*span)
            return True
        packed = self._pack(rows, lane)
        while len(packed) > frame.FRAME_BYTES_MAX:
            rows = rows[: len(rows) // 2]
            packed = self._pack(rows, lane)
        if not self._publish(lane, packed, publish):
            return False
        first, last = rows[0].row, rows[-1].last
        self._todo[key].remove(first, last)
        if lane != Lane.LIVE:
            self._todo[key].remove(span[0], first - 1)
        elif rows[0].kind == Kind.STATE:  # a row of health must not keep the next position waiting
            self._live_due_ms = t_mono_ms + round((1 - LIVE_EARLY) * self._live_ms)
        self._flights.append(_Flight(key, first, last, lane, t_mono_ms))
        return True

    def _rows(self, key: Key, first: int, last: int, newest: bool) -> list[SpoolRow]:
        """Consecutive rows of one kind and clock out of first…last: the run at its end, or at its beginning."""
        recent = [r for r in self._recent if (r.boot, r.stream) == key and first <= r.row <= last]
        if not recent or recent[0].row != first:
            recent = self._spool.read(*key, first, last, self._rows_max)
        if newest:
            run = _same_run(recent[::-1], -1)
            return run[::-1]
        return _same_run(recent, 1)[: self._rows_max]

    def _pack(self, rows: list[SpoolRow], lane: Lane) -> bytes:
        head = rows[0]
        return frame.pack(
            self._mac_key,
            kind=head.kind,
            lane=lane,
            device=self._device,
            boot=head.boot,
            stream=head.stream,
            row=head.row,
            rows=[r.as_row() for r in rows],
            utc_zero_ms=head.utc_zero_ms,
            clock_source=head.clock_source,
            step=head.step,
        )

    def _publish(self, lane: Lane, data: bytes, publish: Publish) -> bool:
        if not publish(lane, data):
            return False
        self.stats.frames += 1
        self.stats.bytes += len(data)
        return True

    # --- acknowledgement ---------------------------------------------------------------------------

    def on_ack(self, ack: Ack, t_mono_ms: int) -> None:
        """Forget what the hub holds. Acknowledgements only ever add, so an old one does no harm."""
        self.stats.acks += 1
        self.stats.refused += len(ack.refused)
        self.stats.last_ack_ms = t_mono_ms
        key = (ack.boot, ack.stream)
        safe = Intervals([(0, ack.watermark - 1), *ack.ranges])
        waiting: list[_Flight] = []
        for flight in self._flights:
            if flight.key == key and not safe.missing(flight.first, flight.last):
                self.stats.rtt_ms = t_mono_ms - flight.sent_ms
                self._window = min(WINDOW_MAX, self._window + 1)
                self._timeout_ms = TIMEOUT_MS_MIN
            else:
                waiting.append(flight)
        self._flights = waiting
        for first, last in safe:
            self._todo[key].remove(first, last)
            self._spool.forget(ack.boot, ack.stream, first, last)

    def _expire(self, t_mono_ms: int) -> None:
        """Rows that were not acknowledged in time are to be sent again, slower each time."""
        waiting: list[_Flight] = []
        late = False
        for flight in self._flights:
            limit = EVENT_REPEAT_MS if flight.lane == Lane.SOS else self._timeout_ms
            if t_mono_ms - flight.sent_ms < limit:
                waiting.append(flight)
                continue
            self._todo[flight.key].add(flight.first, flight.last)
            self.stats.timeouts += 1
            late = late or flight.lane != Lane.SOS
        self._flights = waiting
        if late:
            self._window = max(1, self._window // 2)
            self._timeout_ms = min(TIMEOUT_MS_MAX, 2 * self._timeout_ms)

    def where(self, row: SpoolRow) -> Where:
        """How far an event row has come; events are never shed, so what is nowhere is at the hub."""
        key = (row.boot, row.stream)
        if any(f.key == key and f.first <= row.row <= f.last for f in self._flights):
            return Where.FLYING
        todo = self._todo.get(key)
        return Where.WAITING if todo is not None and row.row in todo else Where.HELD

    def waiting_rows(self) -> int:
        """Rows not yet acknowledged, in flight or not."""
        flying = sum(flight.last - flight.first + 1 for flight in self._flights)
        return flying + sum(todo.total() for todo in self._todo.values())


def _same_run(rows: list[SpoolRow], step: int) -> list[SpoolRow]:
    """The leading rows that one frame can hold: consecutive, of one kind, under one clock offset. `step` -1: backwards.
    Of what was thinned, rows that are as far apart as it was thinned."""
    run = rows[:1]
    for row in rows[1:]:
        head = run[-1]
        if (
            row.row != head.row + step * head.step
            or row.step != head.step
            or row.kind != head.kind
            or row.utc_zero_ms != head.utc_zero_ms
            or row.clock_source != head.clock_source
        ):
            break
        run.append(row)
    return run
