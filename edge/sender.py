"""The sender: which rows go next, by which bearer, on which lane, and which must go again.

Enters: new rows, acknowledgements, bearers. Leaves: frames handed to them. Pure but for the spool it reads; its clock
is an argument. Called by `edge.agent` on every turn of its loop.

Lanes: 0 alarms (at once, by every bearer, each repeating until the hub has them), 1 receipts, ranges held and shed,
2 the newest rows, 3 what is older. `edge.scheduler` says which bearer takes which lane, `edge.flow` how much of it.
When newest and oldest wait for the same bearer, three frames of the newest go for one of the oldest, so the live
picture never queues behind the backlog.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from edge.bearers.interface import Bearer
from edge.flow import WINDOW_MAX, Flight, Flow, Key
from edge.scheduler import KNOCK_MS, PROBE_MS, Scheduler
from edge.spool import Spool, SpoolRow
from protocols import frame
from protocols.acks import Ack
from protocols.catalog import FIELDS_BY_NAME, HAPPENINGS_FROM, Kind, Lane, Stream
from protocols.intervals import Intervals
from protocols.keys import MacKey

LIVE_PER_HISTORY = 3
HISTORY_ROWS = 120
LIVE_EARLY = 0.2
"""A live frame may go this part of its period early, so that a row which comes early does not wait."""
LIVE_ROWS_KEPT = 256
"""Newest rows kept in memory, so that live frames need no read from the disk."""
_CODE = FIELDS_BY_NAME["event_code"].bit


class Where(IntEnum):
    """How far a row has come."""

    WAITING = 0
    FLYING = 1  # sent, not acknowledged yet
    HELD = 2  # the hub has it


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
    """Takes rows from the spool to the bearers and back out of the spool when they are safe."""

    def __init__(
        self, spool: Spool, mac_key: MacKey, device: int, *, live_ms: int, rows_max: int = HISTORY_ROWS
    ) -> None:
        self._spool = spool
        self._mac_key = mac_key
        self._device = device
        self._live_ms = live_ms
        self._rows_max = rows_max
        self._todo: defaultdict[Key, Intervals] = defaultdict(Intervals)
        self._alarms: defaultdict[Key, Intervals] = defaultdict(Intervals)
        self._recent: deque[SpoolRow] = deque(maxlen=LIVE_ROWS_KEPT)
        self.flows: list[Flow] = []
        self.scheduler = Scheduler()
        self.stats = SenderStats()

    def attach(self, bearer: Bearer) -> Flow:
        """A wide bearer to send by. Before the first `pump`."""
        flow = Flow(bearer)
        self.flows.append(flow)
        return flow

    # --- what there is to send ---------------------------------------------------------------------

    def start(self) -> None:
        """Take up what earlier boots left in the spool."""
        for boot, stream, first, last in self._spool.held():
            if stream != Stream.EVENTS:
                self._todo[boot, stream].add(first, last)
                continue
            for row in self._spool.read(boot, stream, first, last, last - first + 1):
                self._queue(row)

    def add(self, row: SpoolRow) -> None:
        """A new row: it is newest state, or an event that goes at once."""
        self._queue(row)
        self._recent.append(row)

    def _queue(self, row: SpoolRow) -> None:
        todo = self._alarms if is_alarm(row) else self._todo
        todo[row.boot, row.stream].add(row.row, row.row)

    def connected(self, flow: Flow, t_mono_ms: int) -> None:
        """A bearer is up: say what earlier boots still hold, and try everything unanswered on it again."""
        self._give_back(flow.restart())
        flow.probe_due_ms = t_mono_ms
        flow.hello.clear()
        held: defaultdict[Key, list[int]] = defaultdict(list)
        for boot in self._spool.earlier_boots():
            held.update({(boot, int(stream)): [] for stream in Stream})
        for boot, stream, first, last in self._spool.held():
            if boot != self._spool.boot and len(held[boot, stream]) < 2 * frame.RANGES_MAX:
                held[boot, stream] += [first, last]
        for (boot, stream), ranges in held.items():
            # a list cut at its limit would declare rows lost that we hold: then nothing is said
            if len(ranges) < 2 * frame.RANGES_MAX:
                said = self._ranges(Kind.HELD, self._spool.boot, [boot, stream, *ranges], t_mono_ms)
                flow.hello.append(said)
        flow.hello.extend(self._gaps(t_mono_ms))

    def say_gaps(self, t_mono_ms: int) -> None:
        """Say which rows were shed, so that the hub does not wait for them."""
        said = self._gaps(t_mono_ms)
        for flow in self.flows:
            flow.hello.extend(said)

    def _gaps(self, t_mono_ms: int) -> list[bytes]:
        # joined, because what was thinned and then dropped may overlap
        shed: defaultdict[Key, Intervals] = defaultdict(Intervals)
        for boot, stream, first, last in self._spool.gaps():
            shed[boot, stream].add(first, last)
            self._todo[boot, stream].remove(first, last)
        return [
            self._ranges(Kind.GAP, boot, [stream, *gaps.flat()], t_mono_ms)
            for (boot, stream), gaps in shed.items()
        ]

    def _ranges(self, kind: Kind, boot: int, body: list[int], t_mono_ms: int) -> bytes:
        return frame.pack_ranges(
            self._mac_key, kind, device=self._device, boot=boot, t_mono_ms=t_mono_ms, body=body
        )

    def _give_back(self, flights: Iterable[Flight]) -> None:
        for flight in flights:
            if flight.lane != Lane.SOS:  # alarms never leave their list before they are safe
                self._todo[flight.key].add(flight.first, flight.last)

    # --- sending -----------------------------------------------------------------------------------

    def pump(self, t_mono_ms: int) -> None:
        """Send what may go now."""
        for flow in self.flows:
            late = flow.expire(t_mono_ms)
            self._give_back(late)
            self.stats.timeouts += len(late)
            if flow.is_up and not flow.was_up:
                self.connected(flow, t_mono_ms)
            elif not flow.is_up and flow.was_up:
                self._give_back(flow.restart())
            flow.was_up = flow.is_up
        before = dict(self.scheduler.choices)
        chosen = self.scheduler.choose(self.flows, t_mono_ms)
        for lane, flow in before.items():
            if chosen.get(lane) is not flow:
                self._give_back(flow.take_back(lane))
        # those that only probe go first: else the newest row is always gone before their turn
        for flow in sorted(self.flows, key=lambda flow: chosen.get(Lane.LIVE) is flow):
            if flow.is_open:
                self._pump_flow(flow, chosen, t_mono_ms)

    def _pump_flow(self, flow: Flow, chosen: dict[Lane, Flow], t_mono_ms: int) -> None:
        """All that one bearer should take now, most urgent first; it stops when it takes nothing more."""
        if not self._send_alarms(flow, t_mono_ms):
            return
        while flow.is_up and flow.hello:
            if not self._publish(flow, Lane.RECEIPTS, flow.hello[0]):
                return
            flow.hello.popleft()
        while flow.has_room() and not self._alarm_waits(flow):
            receipts = chosen.get(Lane.RECEIPTS) is flow and self._send_receipts(flow, t_mono_ms)
            if not receipts and not self._send_rows(flow, chosen, t_mono_ms):
                return

    def _send_alarms(self, flow: Flow, t_mono_ms: int) -> bool:
        """Every alarm that does not fly on this bearer; False when it takes nothing more."""
        for key, alarms in self._alarms.items():
            if not alarms:
                continue
            due = Intervals(list(alarms))
            for flight in flow.flights:
                if flight.key == key:
                    due.remove(flight.first, flight.last)
            while due and len(flow.flights) < WINDOW_MAX:
                first, last = due.first()
                if not self._send(flow, key, Lane.SOS, (first, last), t_mono_ms):
                    return False
                sent = flow.flights[-1] if flow.flights else None
                done = sent.last if sent is not None and sent.key == key and sent.first == first else last
                due.remove(first, done)
        return True

    def _alarm_waits(self, flow: Flow) -> bool:
        return flow.is_slow and any(flight.lane == Lane.SOS for flight in flow.flights)

    def _send_receipts(self, flow: Flow, t_mono_ms: int) -> bool:
        for key, todo in self._todo.items():
            if key[1] == Stream.EVENTS and todo:
                return self._send(flow, key, Lane.RECEIPTS, todo.first(), t_mono_ms)
        return False

    def _send_rows(self, flow: Flow, chosen: dict[Lane, Flow], t_mono_ms: int) -> bool:
        """One frame of the newest or of the oldest rows; False when there is nothing to do now."""
        live_key = (self._spool.boot, int(Stream.ROWS))
        live = self._todo.get(live_key)
        is_probe = chosen.get(Lane.LIVE) is not flow
        due_ms = flow.probe_due_ms if is_probe else flow.live_due_ms
        oldest = self._oldest(live_key) if chosen.get(Lane.HISTORY) is flow else None
        if live and t_mono_ms >= due_ms and (oldest is None or flow.live_run < LIVE_PER_HISTORY):
            flow.live_run += 1
            first, last = live.last()
            span = (max(first, last - flow.rows_max(self._rows_max) + 1), last)
            return self._send(flow, live_key, Lane.LIVE, span, t_mono_ms)
        if oldest is None:
            return False
        flow.live_run = 0
        return self._send(flow, oldest, Lane.HISTORY, self._todo[oldest].first(), t_mono_ms)

    def _oldest(self, live_key: Key) -> Key | None:
        """The stream whose backlog goes next: earlier boots first, then this one's holes below the newest row."""
        for key, todo in self._todo.items():
            if key[1] == Stream.EVENTS or not todo:
                continue
            if key != live_key or todo.total() > self._rows_max or len(todo) > 1:
                return key
        return None

    def _send(self, flow: Flow, key: Key, lane: Lane, span: tuple[int, int], t_mono_ms: int) -> bool:
        todo = self._alarms[key] if lane == Lane.SOS else self._todo[key]
        rows = self._rows(key, *span, most=flow.rows_max(self._rows_max), newest=lane == Lane.LIVE)
        if not rows:
            # acknowledged or shed meanwhile
            todo.remove(*span)
            return True
        packed = self._pack(flow, rows, lane)
        while len(rows) > 1 and len(packed) > min(flow.size_max(), frame.FRAME_BYTES_MAX):
            rows = rows[: len(rows) // 2] if lane != Lane.LIVE else rows[(len(rows) + 1) // 2 :]
            packed = self._pack(flow, rows, lane)
        if not self._publish(flow, lane, packed):
            return False
        first, last = rows[0].row, rows[-1].last
        if lane != Lane.SOS:
            todo.remove(first, last)
        if lane != Lane.LIVE:
            todo.remove(span[0], first - 1)
        elif rows[0].kind == Kind.STATE:  # a row of health must not keep the next position waiting
            flow.live_due_ms = t_mono_ms + round((1 - LIVE_EARLY) * self._live_ms)
            flow.probe_due_ms = t_mono_ms + (PROBE_MS if self.scheduler.choices else KNOCK_MS)
        is_probe = lane == Lane.LIVE and self.scheduler.chosen(lane) is not flow
        flow.sent(Flight(key, first, last, lane, t_mono_ms, len(packed), is_probe), len(rows))
        return True

    def _rows(self, key: Key, first: int, last: int, *, most: int, newest: bool) -> list[SpoolRow]:
        """Consecutive rows of one kind and clock out of first…last: the run at its end, or at its beginning."""
        recent = [r for r in self._recent if (r.boot, r.stream) == key and first <= r.row <= last]
        if not recent or recent[0].row != first:
            recent = self._spool.read(*key, first, last, most)
        if newest:
            run = _same_run(recent[::-1], -1)
            return run[::-1]
        return _same_run(recent, 1)[:most]

    def _pack(self, flow: Flow, rows: list[SpoolRow], lane: Lane) -> bytes:
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
            sealed=not flow.bearer.traits.is_private,
            step=head.step,
        )

    def _publish(self, flow: Flow, lane: Lane, data: bytes) -> bool:
        if not flow.bearer.publish(lane, data):
            return False
        self.stats.frames += 1
        self.stats.bytes += len(data)
        return True

    # --- acknowledgement ---------------------------------------------------------------------------

    def on_ack(self, ack: Ack, t_mono_ms: int, by: object = None) -> None:
        """Forget what the hub holds. Acknowledgements only ever add, so an old one does no harm. `by`: the bearer
        that brought it; None: there is but one."""
        self.stats.acks += 1
        self.stats.refused += len(ack.refused)
        self.stats.last_ack_ms = t_mono_ms
        key = (ack.boot, ack.stream)
        safe = Intervals([(0, ack.watermark - 1), *ack.ranges])
        for flow in self.flows:
            missing = [f for f in flow.flights if f.key == key and safe.missing(f.first, f.last)]
            is_mine = flow.bearer is by or (by is None and len(self.flows) == 1)
            flow.answered(key, missing, t_mono_ms, is_mine=is_mine)
            if is_mine:
                self.stats.rtt_ms = flow.rtt_ms
        for first, last in safe:
            self._todo[key].remove(first, last)
            self._alarms[key].remove(first, last)
            self._spool.forget(ack.boot, ack.stream, first, last)

    def open_events(self) -> list[SpoolRow]:
        """Alarms and receipts that the hub has not acknowledged, alarms first: for ways that are not flows."""
        rows: list[SpoolRow] = []
        for part in (self._alarms, self._todo):
            for key, todo in part.items():
                if key[1] == Stream.EVENTS:
                    for first, last in todo:
                        rows += self._rows(key, first, last, most=WINDOW_MAX, newest=False)
        return rows

    def where(self, row: SpoolRow) -> Where:
        """How far an event row has come; events are never shed, so what is nowhere is at the hub."""
        key = (row.boot, row.stream)
        flights = (flight for flow in self.flows for flight in flow.flights)
        if any(f.key == key and f.first <= row.row <= f.last for f in flights):
            return Where.FLYING
        waits = row.row in self._todo.get(key, ()) or row.row in self._alarms.get(key, ())
        return Where.WAITING if waits else Where.HELD

    def waiting_rows(self) -> int:
        """Rows not yet acknowledged, in flight or not."""
        flights = (flight for flow in self.flows for flight in flow.flights if flight.lane != Lane.SOS)
        flying = sum(flight.last - flight.first + 1 for flight in flights)
        waiting = [*self._todo.values(), *self._alarms.values()]
        return flying + sum(todo.total() for todo in waiting)


def is_alarm(row: SpoolRow) -> bool:
    """Whether it goes on every way there is. What merely happened, receipts among it, takes the cheapest in time."""
    if row.stream != Stream.EVENTS or row.kind != Kind.EVENT:
        return False
    code = row.as_row().values.get(_CODE)
    return code is None or code < HAPPENINGS_FROM


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
