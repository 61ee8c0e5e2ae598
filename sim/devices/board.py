"""An emulated board of a responder: a body with heart, cylinder and motion, two buttons, a buzzer.

Enters: the wearer's truth as catalog values, presses, the gateway's bytes, a time in ms. Leaves: the board's bytes, and
the list of patterns and texts that the wearer got. Called by drills and tests. It repeats what was pressed until it is
acknowledged, as the C library does.
"""

from collections import deque
from dataclasses import dataclass, field

from firmware_bridge.board_wire import (
    BEACON,
    COMMAND_ACK,
    EVENT_ACK,
    TIME,
    TIME_ASK,
    Can,
    Down,
    Event,
    FrameSplitter,
    Hello,
    Result,
    Up,
    pack_event,
    pack_frame,
    pack_hello,
    pack_samples,
)
from firmware_bridge.interface import Stats
from protocols.catalog import FIELDS_BY_NAME
from protocols.wearer import PATTERNS, Gesture, Pattern
from sim.devices.board_buttons import Buttons

EVERYTHING = Can.BUZZER | Can.VIBRATION | Can.DISPLAY | Can.BUTTONS | Can.MOTION | Can.HEART | Can.SCBA
HELLO_MS, HELLO_KNOWN_MS, EVENT_MS, ASK_MS = 1_000, 5_000, 300, 60_000
EVENTS_MAX = 8
PLAYED_MAX = 1_000
"""Of what the wearer heard and read, the newest are kept."""
_URGENCY = {row.pattern: row.urgency for row in PATTERNS}


@dataclass(slots=True)
class Board:
    """One board. Set `values` (by catalog name) as the wearer's truth; call `step` every 10–100 ms."""

    board: int = 0x1001
    hardware: int = 1
    firmware: int = 0x010000
    can: Can = EVERYTHING
    boot: int = 1
    period_ms: int = 1_000
    values: dict[str, int] = field(default_factory=dict)
    played: deque[tuple[int, Pattern]] = field(default_factory=lambda: deque(maxlen=PLAYED_MAX))
    shown: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=PLAYED_MAX))
    utc_zero_ms: int | None = None
    _now_ms: int = 0
    _known: bool = False
    _sequence: int = 0
    _number: int = 0
    _events: list[tuple[Up, int, int, int]] = field(default_factory=list)
    _due: dict[str, int] = field(default_factory=dict)
    _out: bytearray = field(default_factory=bytearray)
    _buttons: Buttons = field(default_factory=Buttons)
    _playing: tuple[Pattern, int | None] = (Pattern.OFF, None)
    _splitter: FrameSplitter = field(init=False)

    def __post_init__(self) -> None:
        self._splitter = FrameSplitter(Stats(), self._frame)

    @property
    def playing(self) -> Pattern:
        """What sounds now; OFF for silence."""
        pattern, end_ms = self._playing
        return Pattern.OFF if end_ms is not None and self._now_ms >= end_ms else pattern

    @property
    def waiting(self) -> int:
        """Gestures and impacts that the gateway has not acknowledged."""
        return len(self._events)

    def press(self, gesture: Gesture) -> None:
        """The wearer made a gesture."""
        self._push(Up.GESTURE, gesture)

    def levels(self, red: bool, grey: bool, t_ms: int) -> None:
        """The buttons' levels from `t_ms` on; gestures follow by the table's timing."""
        self._now_ms = t_ms
        for gesture in self._buttons.level(red, grey, t_ms):
            self.press(gesture)

    def impact(self, peak_mg: int) -> None:
        """A blow."""
        self._push(Up.IMPACT, peak_mg)

    def beacon(self, beacon: int, rssi_dbm: int) -> None:
        """A beacon was heard."""
        self._send(Up.BEACON, BEACON.pack(beacon, rssi_dbm))

    def reset(self) -> None:
        """The board starts anew and has forgotten everything but its number."""
        self.boot += 1
        self._known, self._sequence, self._number = False, 0, 0
        self._events.clear()
        self._due.clear()
        self._playing = (Pattern.OFF, None)
        self.utc_zero_ms = None

    def answer(self, data: bytes) -> bytes:
        """What it says at once to what the gateway wrote."""
        self._splitter.feed(data)
        return self._take()

    def step(self, t_ms: int) -> bytes:
        """What it says by itself until `t_ms`."""
        self._now_ms = t_ms
        for gesture in self._buttons.until(t_ms):
            self.press(gesture)
        if self._is_due("hello", HELLO_KNOWN_MS if self._known else HELLO_MS):
            self._hello()
        if self._events and self._is_due("event", EVENT_MS):
            self._send_event()
        if self.values and self._is_due("samples", self.period_ms):
            by_id = {FIELDS_BY_NAME[name].id: value for name, value in self.values.items()}
            self._send(Up.SAMPLES, pack_samples(t_ms, by_id))
        if self._known and self._is_due("time", ASK_MS):
            self._send(Up.TIME_ASK, TIME_ASK.pack(t_ms & 0xFFFFFFFF))
        return self._take()

    def _is_due(self, what: str, every_ms: int) -> bool:
        if self._now_ms < self._due.get(what, 0):
            return False
        self._due[what] = self._now_ms + every_ms
        return True

    def _push(self, kind: Up, what: int) -> None:
        if len(self._events) >= EVENTS_MAX:
            others = [i for i, event in enumerate(self._events) if event[::3] != (Up.GESTURE, Gesture.SOS)]
            if not others:
                return
            del self._events[others[0]]
        self._number += 1
        self._events.append((kind, self._number, self._now_ms, what))
        if len(self._events) == 1:
            self._due["event"] = self._now_ms + EVENT_MS
            self._send_event()

    def _send_event(self) -> None:
        kind, number, born_ms, what = self._events[0]
        self._send(kind, pack_event(kind, Event(self.boot, number, self._now_ms - born_ms, what)))

    def _hello(self) -> None:
        self._send(Up.HELLO, pack_hello(Hello(self.board, self.hardware, self.firmware, self.can, self.boot)))

    def _frame(self, kind: int, sequence: int, payload: bytes) -> None:
        if kind == Down.HELLO_ASK:
            self._hello()
        elif kind == Down.HELLO_ACK:
            self._known = True
        elif kind == Down.EVENT_ACK and self._events:
            if payload == EVENT_ACK.pack(self.boot, self._events[0][1]):
                del self._events[0]
                self._due["event"] = self._now_ms
        elif kind == Down.TIME and len(payload) >= TIME.size:
            self.utc_zero_ms = TIME.unpack_from(payload)[0] - self._now_ms
        elif kind == Down.PLAY and payload:
            self._acknowledge(sequence, self._play(payload[0]))
        elif kind == Down.SHOW:
            able = bool(self.can & Can.DISPLAY)
            if able:
                self.shown.append((self._now_ms, payload.decode(errors="replace")))
            self._acknowledge(sequence, Result.DONE if able else Result.CANNOT)

    def _acknowledge(self, sequence: int, result: Result) -> None:
        self._send(Up.COMMAND_ACK, COMMAND_ACK.pack(sequence, result))

    def _play(self, number: int) -> Result:
        if not self.can & (Can.BUZZER | Can.VIBRATION):
            return Result.CANNOT
        if number not in list(Pattern):
            return Result.WRONG
        pattern = Pattern(number)
        if pattern == Pattern.OFF or _URGENCY[pattern] >= _URGENCY[self.playing]:
            row = next(row for row in PATTERNS if row.pattern == pattern)
            cycle_ms = sum(on + off for on, off in row.steps)
            self._playing = (pattern, self._now_ms + cycle_ms * row.times if row.times else None)
            self.played.append((self._now_ms, pattern))
        return Result.DONE

    def _send(self, kind: Up, payload: bytes) -> None:
        self._out += pack_frame(kind, self._sequence, payload)
        self._sequence = (self._sequence + 1) & 0xFF

    def _take(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out
