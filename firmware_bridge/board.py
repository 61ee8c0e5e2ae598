"""The driver `board`: a microcontroller board that a responder wears.

Enters: the board's bytes. Leaves: readings, gestures, impacts, beacons, who it is; and bytes down: acknowledgements,
time, patterns, text. Called through the table in `drivers.py`. What the wearer pressed reaches the caller once,
however often the board repeats it, and is acknowledged each time.
"""

from collections import deque
from collections.abc import Callable

from firmware_bridge.board_wire import (
    BEACON,
    COMMAND_ACK,
    EVENT_ACK,
    SHOW_SIZE_MAX,
    TIME,
    TIME_ANSWER,
    TIME_ASK,
    VERSION,
    Can,
    Down,
    FrameSplitter,
    Hello,
    Result,
    Up,
    count_frames,
    pack_frame,
    unpack_event,
    unpack_hello,
    unpack_samples,
)
from firmware_bridge.interface import Clock, Command, DriverRow, Play, Settings, Stats
from protocols.catalog import FIELDS, FIELDS_BY_ID, Field, Kind, Source, field_id
from protocols.samples import Identity, Impact, Note, Observed, Pressed, Reading, Sample
from protocols.units import NS_PER_MS
from protocols.wearer import PATTERNS, Gesture, Pattern

HELLO_EVERY_MS = 1_000
COMMAND_EVERY_MS = 300
COMMAND_TRIES_MAX = 20
"""Six seconds: a board that was reset is back by then. After that the caller is told by a note."""
PLAYS_MAX = 8
"""Patterns that wait for their acknowledgement; of more, the least urgent goes, the oldest of equals."""
DONE_MAX = 32
EVENTS_KEPT = 64
"""Of so many gestures and impacts it is known that they were passed on. A board holds 8 that wait."""
STALE_MS = 60_000
"""An answer so old is to a question that nobody asks any more: acknowledged, not passed on. An SOS never is."""
REPLY_SIZE_MAX = 2_048
"""Bytes of acknowledgements that wait to be written; more are not made, and the board asks again."""
OBS_RSSI = field_id("obs_rssi_dbm")
ID_MASK = 2**63 - 1
FOREVER = frozenset((Up.HELLO, Up.GESTURE))
"""Types whose first bytes stay as they are in every later version: also a board that is newer may cry for help."""
_PATTERN_ROWS = {row.pattern: row for row in PATTERNS}
_SOUND = Can.BUZZER | Can.VIBRATION


def _may_send(field: Field) -> bool:
    """STATE and HEALTH, but neither what only a gateway knows nor positions: an SOS takes its place from fixes."""
    return (
        field.page in (Kind.STATE, Kind.HEALTH) and field.sender != "gateway" and "GNSS" not in field.sender
    )


MAY_SEND: tuple[Field, ...] = tuple(field for field in FIELDS if _may_send(field))
_RANGES = {field.id: (field.lo, field.hi) for field in MAY_SEND}


class _Waiting:
    """A command that waits for its acknowledgement."""

    __slots__ = ("command", "due_mono_ns", "frame", "name", "pattern", "sequence", "tries")

    def __init__(self, name: str, sequence: int, frame: bytes, command: Command) -> None:
        self.name, self.sequence, self.frame, self.command = name, sequence, frame, command
        self.pattern = command.pattern if isinstance(command, Play) else None
        self.tries = 0
        self.due_mono_ns = 0


class BoardDriver:
    """One board on one port."""

    def __init__(self, settings: Settings) -> None:
        self.stats = Stats()
        self.talk_mono_ns: int | None = None
        self.board: Hello | None = None
        self.lost_count = 0
        """Frames of the board that its sequence says are missing."""
        self.done: deque[Command] = deque(maxlen=DONE_MAX)
        """Commands that the board says it has done; who reads them takes them out."""
        self._splitter = FrameSplitter(self.stats, self._frame)
        self._out: list[Sample] = []
        self._replies = bytearray()
        self._sequence = 0
        self._last_up: int | None = None
        self._newer = False
        self._seen: deque[tuple[int, int]] = deque(maxlen=EVENTS_KEPT)
        self._plays: deque[_Waiting] = deque()
        self._show: _Waiting | None = None
        self._standing: Pattern | None = None
        self._ask_mono_ns: int | None = None
        self._clock_told_ms: int | None = None
        self._utc_zero_ms: int | None = None
        self._asks: deque[int] = deque(maxlen=4)
        self._parsers: dict[int, Callable[[int, bytes], bool | None]] = {
            Up.HELLO: self._hello, Up.SAMPLES: self._samples, Up.GESTURE: self._event, Up.IMPACT: self._event,
            Up.BEACON: self._beacon, Up.COMMAND_ACK: self._command_ack, Up.TIME_ASK: self._time_ask,
        }  # fmt: skip

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        self._splitter.feed(data)
        return self._take()

    def idle(self, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        return self._take()

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls, for tests of the bound."""
        return self._splitter.pending_size + len(self._replies)

    def hello(self) -> bytes:
        """Asks the board who it is."""
        return self._pack(Down.HELLO_ASK, bytes((VERSION,)))

    def talk(self, t_mono_ns: int) -> bytes:
        """Acknowledgements, the time, and commands that are due."""
        self._set_clock(t_mono_ns)
        while self._asks:
            self._answer_time(self._asks.popleft(), t_mono_ns)
        out, self._replies = self._replies, bytearray()
        if self._ask_mono_ns is None or (self.board is None and t_mono_ns >= self._ask_mono_ns):
            if self._ask_mono_ns is not None:  # the first question went out by `hello`
                out += self.hello()
            self._ask_mono_ns = t_mono_ns + HELLO_EVERY_MS * NS_PER_MS
        for waiting in self._in_front():
            if t_mono_ns >= waiting.due_mono_ns:
                out += self._try(waiting, t_mono_ns)
        dues = [waiting.due_mono_ns for waiting in self._in_front()]
        self.talk_mono_ns = min([*dues, *([self._ask_mono_ns] if self.board is None else [])], default=None)
        return bytes(out)

    def tell(self, command: Command) -> bool:
        """Play, Show and Clock; False where the board said that it has no such part, or for a text over 64 bytes."""
        can = self.board.can if self.board is not None else _SOUND | Can.DISPLAY
        if isinstance(command, Clock):
            self._clock_told_ms = command.t_utc_ms
            return True
        if isinstance(command, Play):
            return bool(can & _SOUND) and self._play(command.pattern)
        text = command.text.encode()
        if not can & Can.DISPLAY or len(text) > SHOW_SIZE_MAX:
            return False
        self._show = self._command("show", Down.SHOW, text, command)
        return True

    # --- up ----------------------------------------------------------------------------------------

    def _frame(self, kind: int, sequence: int, payload: bytes) -> None:
        if self._last_up is not None:
            self.lost_count += (sequence - self._last_up - 1) & 0xFF
        self._last_up = sequence
        parse = self._parsers.get(kind)
        whole = parse(kind, payload) if parse and (kind in FOREVER or not self._newer) else None
        if whole is None:
            self.stats.skipped += 1
        elif whole:
            self.stats.good += 1
        else:
            self.stats.bad += 1

    def _hello(self, _kind: int, payload: bytes) -> bool | None:
        hello = unpack_hello(payload)
        if hello is None:
            return False
        self._reply(Down.HELLO_ACK, bytes((VERSION,)))
        self._newer = hello.version > VERSION
        if self._newer:
            return None
        before, self.board = self.board, hello
        if before != hello:
            numbers = hello.firmware
            version = f"{numbers >> 16}.{numbers >> 8 & 0xFF}.{numbers & 0xFF}"
            self._out.append(Identity(f"board {hello.board:016x} hardware {hello.hardware}", version))
            if before is not None and self._standing is not None and not self._plays:
                self._play(self._standing)  # a board that was reset has forgotten its alarm
        return True

    def _samples(self, _kind: int, payload: bytes) -> bool:
        found = unpack_samples(payload)
        if found is None:
            return False
        values: dict[int, int] = {}
        well = True
        for field, value in found[1].items():
            limits = _RANGES.get(field)
            if limits is None:
                well &= (
                    field not in FIELDS_BY_ID
                )  # a field of a newer catalog is no fault, one of ours not to send is
            elif limits[0] <= value <= limits[1]:
                values[field] = value
            else:
                well = False
        if values:
            self._out.append(Reading(values))
        return well

    def _event(self, kind: int, payload: bytes) -> bool:
        event = unpack_event(kind, payload)
        if event is None:
            return False
        self._reply(Down.EVENT_ACK, EVENT_ACK.pack(event.boot, event.number))
        if (event.boot, event.number) in self._seen:
            return True
        self._seen.append((event.boot, event.number))
        if kind == Up.GESTURE:
            return self._gesture(event.what, event.age_ms)
        if event.age_ms <= STALE_MS:
            self._out.append(Impact(event.what))
        return True

    def _gesture(self, number: int, age_ms: int) -> bool:
        try:
            gesture = Gesture(number)
        except ValueError:
            return False
        if gesture == Gesture.SOS or age_ms <= STALE_MS:
            self._out.append(Pressed(gesture))
        return True

    def _beacon(self, _kind: int, payload: bytes) -> bool:
        if not payload or len(payload) % BEACON.size:
            return False
        for beacon, rssi_dbm in BEACON.iter_unpack(payload):
            self._out.append(
                Observed(Source.BEACON, beacon & ID_MASK, {OBS_RSSI: max(-128, min(50, rssi_dbm))})
            )
        return True

    def _command_ack(self, _kind: int, payload: bytes) -> bool:
        if len(payload) < COMMAND_ACK.size:
            return False
        sequence, result = COMMAND_ACK.unpack_from(payload)
        for waiting in self._in_front():
            if waiting.sequence == sequence and waiting.tries:
                self._drop(waiting)
                if result == Result.DONE:
                    self.done.append(waiting.command)
                else:
                    self._out.append(
                        Note("board refused a command", {"command": waiting.name, "result": result})
                    )
        return True

    def _time_ask(self, _kind: int, payload: bytes) -> bool:
        if len(payload) < TIME_ASK.size:
            return False
        self._asks.append(TIME_ASK.unpack_from(payload)[0])
        return True

    # --- down --------------------------------------------------------------------------------------

    def _set_clock(self, t_mono_ns: int) -> None:
        if self._clock_told_ms is not None:
            self._utc_zero_ms = self._clock_told_ms - t_mono_ns // NS_PER_MS
            self._reply(Down.TIME, TIME.pack(max(0, self._clock_told_ms)))
            self._clock_told_ms = None

    def _answer_time(self, asked_ms: int, t_mono_ns: int) -> None:
        if self._utc_zero_ms is not None:  # else nobody has told us: the board asks again
            utc_ms = max(0, self._utc_zero_ms + t_mono_ns // NS_PER_MS)
            self._reply(Down.TIME, TIME_ANSWER.pack(utc_ms, asked_ms))

    def _play(self, pattern: Pattern) -> bool:
        if pattern == Pattern.OFF:
            self._plays.clear()
            self._standing = None
        elif _PATTERN_ROWS[pattern].times == 0:
            self._standing = pattern
        if len(self._plays) >= PLAYS_MAX:
            # The first one stays: it may be the silence that all others wait for.
            later = list(self._plays)[1:]
            self._plays.remove(
                min(later, key=lambda play: _PATTERN_ROWS[play.pattern or Pattern.OFF].urgency)
            )
        self._plays.append(self._command("play", Down.PLAY, bytes((pattern,)), Play(pattern)))
        return True

    def _command(self, name: str, kind: Down, payload: bytes, command: Command) -> _Waiting:
        frame = self._pack(kind, payload)
        return _Waiting(name, (self._sequence - 1) & 0xFF, frame, command)

    def _in_front(self) -> list[_Waiting]:
        """The first pattern, because they have an order among them, and the text."""
        return [*([self._plays[0]] if self._plays else []), *([self._show] if self._show else [])]

    def _try(self, waiting: _Waiting, t_mono_ns: int) -> bytes:
        if waiting.tries >= COMMAND_TRIES_MAX:
            self._drop(waiting)
            self._out.append(Note("board did not take a command", {"command": waiting.name}))
            return b""
        waiting.tries += 1
        waiting.due_mono_ns = t_mono_ns + COMMAND_EVERY_MS * NS_PER_MS
        return waiting.frame

    def _drop(self, waiting: _Waiting) -> None:
        if waiting is self._show:
            self._show = None
        else:
            self._plays.remove(waiting)

    def _reply(self, kind: Down, payload: bytes) -> None:
        if len(self._replies) < REPLY_SIZE_MAX:
            self._replies += self._pack(kind, payload)

    def _pack(self, kind: Down, payload: bytes) -> bytes:
        frame = pack_frame(kind, self._sequence, payload)
        self._sequence = (self._sequence + 1) & 0xFF
        return frame

    def _take(self) -> list[Sample]:
        if not self._out:
            return []
        out = self._out.copy()
        self._out.clear()
        return out


def _probe() -> bytes:
    return pack_frame(Down.HELLO_ASK, 0, bytes((VERSION,)))


READS = (*(field.name for field in MAY_SEND), "observed", "pressed", "impact")
ROWS = (
    DriverRow(
        "board",
        "microcontroller board of a responder, Zhantu board link",
        BoardDriver,
        count_frames,
        READS,
        bauds=(115_200,),
        probe=_probe(),
    ),
)


def fuzz(data: bytes) -> None:
    """Any bytes, fed and talked to; for tests/fuzz."""
    driver = BoardDriver(Settings())
    driver.feed(data, 0)
    driver.talk(1)
    assert driver.pending_size <= 2 * REPLY_SIZE_MAX
