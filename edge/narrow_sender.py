"""What goes by narrow ways, LoRa and BeiDou, while no wide one is in time: alarms, receipts, and the trail.

Enters: rows, the state of the wide bearers, frames that this gateway relays. Leaves: packets for narrow bearers. Pure
but for the bearers; the clock is an argument. Called by `edge.agent`.

Alarms go always, as exact frames that the hub counts and acknowledges, again until it does. Receipts go while no wide
way takes them in time. Positions go as previews by dead reckoning, each with the whole trail since the last
(`protocols.narrow`); their rows stay in the spool and follow when IP is back. Now and then an exact row takes a
preview's place: the hub's answer to it proves that the way leads anywhere.
"""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from edge.bearers.interface import BearerStats, Traits
from edge.sender import Sender, is_alarm
from edge.spool import SpoolRow
from protocols import narrow
from protocols.brief import BROADCAST_MARK
from protocols.catalog import FIELDS_BY_NAME, BearerState, Kind, Lane
from protocols.datagram import Datagram
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.laws.reckon import Trigger, state_of_columns
from protocols.links import LinkState
from protocols.narrow import Head

TRAIL_ROWS = 240
PROOF_MS = 300_000
PROVEN_MS = 2 * PROOF_MS
RECEIPT_REPEAT_MS = 60_000
ROWS_A_PACKET = 4
BACKS_MAX = 64
"""Answers that wait for a narrow way; a card sends one a minute."""
_LAT, _LON = FIELDS_BY_NAME["lat_deg_e7"].bit, FIELDS_BY_NAME["lon_deg_e7"].bit


class NarrowBearer(Protocol):
    """A way for packets of a few bytes."""

    stats: BearerStats

    @property
    def traits(self) -> Traits: ...

    @property
    def state(self) -> BearerState: ...

    @property
    def duty_permille(self) -> int | None: ...

    @property
    def everybody(self) -> int: ...

    def ready(self, lane: Lane) -> bool: ...
    def publish(self, lane: Lane, data: bytes, to: int = 0) -> bool: ...
    def taken(self) -> list[tuple[int, bytes]]: ...


class Way:
    """One narrow bearer, and what has gone by it."""

    def __init__(self, bearer: NarrowBearer) -> None:
        self.bearer = bearer
        self.sent_ms: dict[tuple[int, int, int], int] = {}
        self.proof: tuple[int, int] | None = None
        self.proof_ms: int | None = None
        self.heard_ms: int | None = None
        self.frames = 0
        self.bytes = 0
        self.delay_ms: int | None = None
        self.backs: dict[tuple[int, int], bytes] = {}

    def is_proven(self, t_mono_ms: int) -> bool:
        """Whether the hub answered by this way lately."""
        return self.heard_ms is not None and t_mono_ms - self.heard_ms < PROVEN_MS

    def answer(self, number: int, message: bytes) -> None:
        """Keep an answer for node or card `number`; a newer one of its kind takes its place. The oldest falls out."""
        self.backs.pop((number, message[0]), None)
        if len(self.backs) >= BACKS_MAX:
            del self.backs[max(self.backs, key=_urgency)]
        self.backs[number, message[0]] = message

    def next_answer(self) -> tuple[int, int] | None:
        """Which goes next: broadcasts, orders, questions, then acknowledgements."""
        return min(self.backs, key=_urgency, default=None)

    def heard(self, t_mono_ms: int) -> None:
        """The hub has answered by this way."""
        self.heard_ms = t_mono_ms
        if self.proof_ms is not None:
            self.delay_ms = t_mono_ms - self.proof_ms

    def link(self, place: int, backlog_rows: int, t_mono_ms: int) -> LinkState:
        """For the hub."""
        traits = self.bearer.traits
        age_s = None if self.heard_ms is None else (t_mono_ms - self.heard_ms) // 1_000
        return LinkState(
            place, traits.name, traits.kind, self.bearer.state, None, self.delay_ms, backlog_rows, age_s,
            self.frames, self.bytes, self.bearer.duty_permille,
        )  # fmt: skip


class NarrowSender:
    """Shares the narrow ways among alarms, answers to others, others' frames, receipts and the trail, in this order."""

    def __init__(self, sender: Sender, mac_key: MacKey, device: int, bearers: Sequence[NarrowBearer]) -> None:
        self._sender = sender
        self._mac_key = mac_key
        self._device = device
        self._trigger = Trigger()
        self._trail: deque[SpoolRow] = deque(maxlen=TRAIL_ROWS)
        self.ways = [Way(bearer) for bearer in sorted(bearers, key=lambda bearer: bearer.traits.cost)]
        self.carried: deque[bytes] = deque(maxlen=64)
        """Frames of others that wait for a narrow way; the oldest fall out."""

    def add(self, row: SpoolRow) -> None:
        """A new row: the trail takes those of STATE."""
        if row.kind == Kind.STATE and self.ways:
            self._trail.append(row)

    def has_sent(self, row: SpoolRow) -> bool:
        """Whether an event is on its way by one of them."""
        return any((row.boot, row.stream, row.row) in way.sent_ms for way in self.ways)

    def pump(self, t_mono_ms: int) -> None:
        """Send what may go now."""
        if not self.ways:
            return
        # texts have no narrow form and wait for a wide way
        waiting = [row for row in self._sender.open_events() if row.kind == Kind.EVENT]
        alarms = [row for row in waiting if is_alarm(row)]
        late = not self._sender.scheduler.in_time(Lane.RECEIPTS, t_mono_ms)
        receipts = [row for row in waiting if not is_alarm(row)] if late else []
        for way in self.ways:
            self._forget(way, waiting)
            self._pump_way(way, alarms, receipts, t_mono_ms)

    def _pump_way(self, way: Way, alarms: list[SpoolRow], receipts: list[SpoolRow], t_mono_ms: int) -> None:
        repeat_ms = way.bearer.traits.event_repeat_ms
        if way.bearer.ready(Lane.SOS) and (due := _due(way, alarms, repeat_ms, t_mono_ms)):
            self._send_events(way, Lane.SOS, due, t_mono_ms)
        elif way.backs and way.bearer.ready(Lane.SOS):
            self._send_answer(way)
        elif not way.bearer.ready(Lane.LIVE):
            return
        elif self.carried:
            self._send(way, Lane.RECEIPTS, [], t_mono_ms)
        elif due := _due(way, receipts, max(repeat_ms, RECEIPT_REPEAT_MS), t_mono_ms):
            self._send_events(way, Lane.RECEIPTS, due, t_mono_ms)
        elif self._is_mine(way, t_mono_ms) and not self._sender.scheduler.in_time(Lane.LIVE, t_mono_ms):
            self._send_trail(way, t_mono_ms)

    def _send_answer(self, way: Way) -> None:
        key = way.next_answer()
        if key is None:
            return
        message = way.backs[key]
        if len(message) > way.bearer.traits.mtu or way.bearer.publish(Lane.SOS, message, key[0]):
            del way.backs[key]
            way.frames += 1
            way.bytes += len(message)

    def _is_mine(self, way: Way, t_mono_ms: int) -> bool:
        """The trail goes by the cheapest way that is proven, and by all before it, until one is."""
        for other in self.ways:
            if other is way:
                return True
            if other.is_proven(t_mono_ms) and other.bearer.state != BearerState.DOWN:
                return False
        return False

    def _forget(self, way: Way, waiting: list[SpoolRow]) -> None:
        still = {(row.boot, row.stream, row.row) for row in waiting}
        way.sent_ms = {key: at_ms for key, at_ms in way.sent_ms.items() if key in still}

    # --- events ------------------------------------------------------------------------------------

    def _send_events(self, way: Way, lane: Lane, rows: list[SpoolRow], t_mono_ms: int) -> None:
        """As many frames of one row as fit a packet, the newest first: the oldest are rarely what matters."""
        budget = way.bearer.traits.mtu
        frames, sent = list[bytes](), list[SpoolRow]()
        for row in rows[::-1][:ROWS_A_PACKET]:
            data, count = narrow.pack_as_many(self._mac_key, self._head(row, lane), [row.as_row()], budget)
            if count:
                frames.append(data)
                sent.append(row)
        gone = self._send(way, lane, frames, t_mono_ms)
        for row in sent[:gone]:
            way.sent_ms[row.boot, row.stream, row.row] = t_mono_ms

    def _head(self, row: SpoolRow, lane: Lane, *, is_preview: bool = False) -> Head:
        return Head(
            self._device,
            row.boot,
            row.utc_zero_ms,
            row.clock_source,
            row.kind,
            lane,
            row.stream,
            row.row,
            is_preview,
        )

    def _send(self, way: Way, lane: Lane, frames: list[bytes], t_mono_ms: int) -> int:
        """One packet: ours, and others' that still fit; how many of ours went."""
        others = list(self.carried)
        packet, count = narrow.pack_container([*frames, *others], way.bearer.traits.mtu)
        if not count or not way.bearer.publish(lane, packet):
            if not count and not frames and self.carried:
                self.carried.popleft()  # it fits no packet of this way
            return 0
        for _ in range(count - len(frames)):
            self.carried.popleft()
        way.frames += 1
        way.bytes += len(packet)
        return min(count, len(frames))

    # --- the trail ---------------------------------------------------------------------------------

    def _send_trail(self, way: Way, t_mono_ms: int) -> None:
        if not self._trail:
            return
        last = self._trail[-1]
        values = last.as_row().values
        if not self._trigger.due(last.t_mono_ms, values.get(_LAT), values.get(_LON)):
            return
        if way.proof_ms is None or t_mono_ms - way.proof_ms >= PROOF_MS:
            self._prove(way, last, t_mono_ms)
            return
        rows = _one_clock(self._trail)
        data = narrow.pack_report(
            self._mac_key, self._head(last, Lane.LIVE, is_preview=True), rows, way.bearer.traits.mtu
        )
        if data and self._send(way, Lane.LIVE, [data], t_mono_ms):
            self._reported(data, last)
            self._trail.clear()

    def _prove(self, way: Way, last: SpoolRow, t_mono_ms: int) -> None:
        """The newest row as an exact frame: the hub answers it. The trail before it goes with the next report."""
        data, count = narrow.pack_as_many(
            self._mac_key, self._head(last, Lane.LIVE), [last.as_row()], way.bearer.traits.mtu
        )
        if count and self._send(way, Lane.LIVE, [data], t_mono_ms):
            way.proof_ms = t_mono_ms
            self._reported(data, last)

    def _reported(self, data: bytes, last: SpoolRow) -> None:
        """The other end draws on from what it decodes, so this end does too."""
        frame = narrow.decode(narrow.open_envelope(data, self._mac_key), self._mac_key)
        shift_ms = last.t_mono_ms - frame.t_mono_ms[-1]
        state = state_of_columns([t_ms + shift_ms for t_ms in frame.t_mono_ms], frame.columns)
        if state is not None:
            self._trigger.sent(state)


def _urgency(key: tuple[int, int]) -> int:
    """Of an answer, by its first byte."""
    order = (BROADCAST_MARK, Datagram.ORDER, Datagram.ASK, Datagram.ACK)
    return order.index(key[1]) if key[1] in order else len(order)


def _due(way: Way, rows: list[SpoolRow], repeat_ms: int, t_mono_ms: int) -> list[SpoolRow]:
    """Those that did not go by this way within the repeat."""
    return [
        row
        for row in rows
        if (at_ms := way.sent_ms.get((row.boot, row.stream, row.row))) is None
        or t_mono_ms - at_ms >= repeat_ms
    ]


def _one_clock(trail: deque[SpoolRow]) -> list[Row]:
    """The newest rows of the trail under one clock offset."""
    head = trail[-1]
    rows: list[Row] = []
    for row in reversed(trail):
        if (row.boot, row.utc_zero_ms, row.clock_source) != (head.boot, head.utc_zero_ms, head.clock_source):
            break
        rows.append(row.as_row())
    return rows[::-1]
