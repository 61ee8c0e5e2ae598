"""`zhantu-sim play`: plays a recorded log or a track as a receiver on a pty.

Enters: a file and a unit's name. Leaves: bytes on `<dir>/<name>`, which an edge agent opens like any serial port.
Called by the command line.

A receiver's log (.log .nmea .ubx) is played byte for byte, so its old dates stay; lines of a gpsd log that people
wrote ("#" at its head, delay cookies) are not the receiver's and are left out. Its pace comes from the times in the
stream: the bytes from one time to the next are one burst. Where there is no time, the line's rate is the pace.

A track (.gpx .csv .csv.gz) is played by an emulated receiver, one point an epoch. It is dated to the moment of
playing, or a commander would rightly see fixes that are years old; `--as-recorded` keeps its own times.
"""

import argparse
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from firmware_bridge import nmea
from firmware_bridge.recording import receiver_bytes
from protocols.units import MS_PER_DAY, MS_PER_S, NS_PER_MS
from sim.devices.gnss_nmea import NmeaReceiver
from sim.devices.gnss_ubx import UbxReceiver
from sim.pty import BITS_PER_BYTE, PtyLine
from sim.tracks import SUFFIXES, TrackError, TrackPoint, as_fix, read_track

RAW_SUFFIXES = (".log", ".nmea", ".ubx")
PORTS_DIR = Path(".data/ports")
BAUD_DEFAULT = 115_200
SPEED_MIN, SPEED_MAX = 0.1, 1_000.0
LOOP_PAUSE_MS = 1_000
TICK_MS_MAX = 200
LINGER_S = 0.5

_UNIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TIMED = re.compile(
    rb"\$(?:[A-Z]{2}(?:GGA|RMC|GNS|ZDA),(\d{6}(?:\.\d+)?),|[A-Z]{2}GLL,[^,\r\n$]*,[NS]?,[^,\r\n$]*,[EW]?,(\d{6}(?:\.\d+)?),)"
    rb"|\xb5b\x01\x07(?:\x5c|\x54)\x00(....)",
    re.DOTALL,
)
_STEP_MS_MAX = 10_000  # a longer step is a garbage time, not a pause worth waiting for
_STEP_MS_DEFAULT = 1_000
_WEEK_MS = 7 * MS_PER_DAY


class Source(Protocol):
    """What is played: the time of each step, ms from the first one, and its bytes."""

    @property
    def times_ms(self) -> Sequence[int]:
        """One a step, rising from 0."""

    def step(self, index: int, t_utc_ms: int) -> bytes:
        """The bytes of one step, sent at `t_utc_ms`."""

    def answer(self, data: bytes) -> bytes:
        """What the device says to what a client wrote."""


class RawSource:
    """A receiver's own bytes."""

    def __init__(self, data: bytes, baud: int) -> None:
        """`data`: a whole log. ValueError if it holds no byte of a receiver."""
        self._data = receiver_bytes(data)
        if not self._data:
            raise ValueError("no bytes of a receiver in it")
        self._starts, self.times_ms = split_epochs(self._data, baud)

    def step(self, index: int, t_utc_ms: int) -> bytes:
        end = self._starts[index + 1] if index + 1 < len(self._starts) else len(self._data)
        return self._data[self._starts[index] : end]

    def answer(self, data: bytes) -> bytes:
        return b""


class TrackSource:
    """A track, as an emulated receiver would tell it."""

    def __init__(
        self, points: Sequence[TrackPoint], receiver: NmeaReceiver | UbxReceiver, as_recorded: bool
    ) -> None:
        self._points = points
        self._receiver = receiver
        self._as_recorded = as_recorded
        first_ms = points[0].t_utc_ms
        self.times_ms = [point.t_utc_ms - first_ms for point in points]

    def step(self, index: int, t_utc_ms: int) -> bytes:
        point = self._points[index]
        before = self._points[index - 1] if index else None
        return self._receiver.epoch(as_fix(point, before, point.t_utc_ms if self._as_recorded else t_utc_ms))

    def answer(self, data: bytes) -> bytes:
        return self._receiver.answer(data)


def split_epochs(data: bytes, baud: int) -> tuple[list[int], list[int]]:
    """Where each epoch of a stream begins, and when, ms from the first one.

    A step of 0–10 s between two times is kept; any other (midnight apart) is garbage and counts as 1 s. A stream
    without any time is cut into seconds of a line at `baud`.
    """
    starts, times_ms = [0], [0]
    last: tuple[bool, int] | None = None
    for match in _TIMED.finditer(data):
        text, binary = match[1] or match[2], match[3]
        stamp = int.from_bytes(binary, "little") if binary else nmea.day_ms(text)
        if stamp is None or (last is not None and last == (binary is None, stamp)):
            continue
        if last is not None and last[0] == (binary is None):
            step_ms = (stamp - last[1]) % (MS_PER_DAY if binary is None else _WEEK_MS)
            starts.append(match.start())
            times_ms.append(times_ms[-1] + (step_ms if step_ms <= _STEP_MS_MAX else _STEP_MS_DEFAULT))
        if last is None or last[0] == (binary is None):
            last = (binary is None, stamp)
    if last is None:
        size = max(1, baud // BITS_PER_BYTE)
        starts = list(range(0, len(data), size))
        times_ms = [index * MS_PER_S for index in range(len(starts))]
    return starts, times_ms


class Player:
    """Sends the steps of a source when they are due. Pure but for its line; every time is an argument."""

    def __init__(self, source: Source, line: PtyLine, speed: float, loop: bool) -> None:
        """ValueError for a speed outside 0.1–1000."""
        if not SPEED_MIN <= speed <= SPEED_MAX:
            raise ValueError(f"speed {speed:g}; allowed are {SPEED_MIN:g}–{SPEED_MAX:g}")
        self._source = source
        self._line = line
        self._speed = speed
        self._loop = loop
        self._start_mono_ns: int | None = None
        self._index = 0
        self.step_count = 0

    def turn(self, t_mono_ns: int, t_utc_ms: int) -> int | None:
        """Does what is due. Leaves the ns until the next turn is needed, or None when all has been sent."""
        if self._start_mono_ns is None:
            self._start_mono_ns = t_mono_ns
        answer = self._source.answer(self._line.read())
        if answer:
            self._line.write(answer)
        while (due_ns := self._due_ns()) is not None and due_ns <= t_mono_ns:
            self._line.write(self._source.step(self._index, t_utc_ms))
            self.step_count += 1
            self._index += 1
            if self._index >= len(self._source.times_ms) and self._loop:
                self._index = 0
                self._start_mono_ns = t_mono_ns + int(LOOP_PAUSE_MS * NS_PER_MS / self._speed)
        self._line.pump(t_mono_ns)
        waits = [wait for wait in (self._line.wait_ns(), due_ns and due_ns - t_mono_ns) if wait is not None]
        return min(waits, default=None)

    def _due_ns(self) -> int | None:
        if self._start_mono_ns is None or self._index >= len(self._source.times_ms):
            return None
        return self._start_mono_ns + int(self._source.times_ms[self._index] * NS_PER_MS / self._speed)


def play(player: Player, line: PtyLine, stop: Callable[[], bool]) -> None:
    """Turns the player with the real clock until all has been sent or `stop()`."""
    while not stop():
        wait_ns = player.turn(time.monotonic_ns(), time.time_ns() // NS_PER_MS)
        if wait_ns is None:
            return
        fd = line.fileno()
        timeout_s = min(wait_ns, TICK_MS_MAX * NS_PER_MS) / (MS_PER_S * NS_PER_MS)
        select.select([] if fd is None else [fd], [], [], max(timeout_s, 0.001))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `zhantu-sim play`."""
    parser.add_argument("file", type=Path, metavar="FILE", help=f"log {RAW_SUFFIXES} or track {SUFFIXES}")
    parser.add_argument(
        "--as", dest="unit", required=True, metavar="NAME", help="unit, and the name of its port"
    )
    parser.add_argument(
        "--profile", choices=("nmea", "ubx"), default="nmea", help="receiver that plays a track"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="times real time (default 1)")
    parser.add_argument("--baud", type=int, default=BAUD_DEFAULT, help="rate of the line (default 115200)")
    parser.add_argument("--link", type=Path, help=f"path of the port (default {PORTS_DIR}/NAME)")
    parser.add_argument("--loop", action="store_true", help="begin again after the end")
    dating = parser.add_mutually_exclusive_group()
    dating.add_argument(
        "--now", action="store_true", help="date a track to the moment of playing (the default)"
    )
    dating.add_argument("--as-recorded", action="store_true", help="keep the times of a track")


def make_source(args: argparse.Namespace) -> tuple[Source, str]:
    """The source of a file, and what is said about it. ValueError for a kind or a combination that does not exist."""
    path: Path = args.file
    if path.suffix.lower() in RAW_SUFFIXES:
        if args.now:
            raise ValueError(
                "--now: a log is played byte for byte, so only tracks can be dated to the present"
            )
        raw = RawSource(path.read_bytes(), args.baud)
        return raw, f"{len(raw.times_ms)} epochs, bytes and times as recorded"
    receiver = UbxReceiver() if args.profile == "ubx" else NmeaReceiver()
    track = TrackSource(read_track(path), receiver, args.as_recorded)
    dated = "times as recorded" if args.as_recorded else "dated to now"
    return track, f"{len(track.times_ms)} points as {args.profile}, {dated}"


def run(args: argparse.Namespace) -> int:
    """Plays until the end or Ctrl-C. Leaves the exit status: 0, or 2 if the file or an argument is wrong."""
    stopped = threading.Event()
    # A link that is left behind may come to point to somebody else's terminal, so a kill ends in order too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    try:
        if not _UNIT_NAME.fullmatch(args.unit):
            raise ValueError(f"--as {args.unit!r}; allowed are letters, digits, '_' and '-', at most 64")
        source, about = make_source(args)
        line = PtyLine(args.link or PORTS_DIR / args.unit, args.baud, args.speed)
        player = Player(source, line, args.speed, args.loop)
        line.plug()
    except (TrackError, ValueError, OSError) as error:
        print(f"zhantu-sim play: {args.file}: {error}", file=sys.stderr)
        return 2
    print(
        f"{line.link}: {args.unit} plays {args.file.name}, {about}, speed {args.speed:g}, {args.baud} baud",
        flush=True,
    )
    try:
        play(player, line, stopped.is_set)
        if not stopped.is_set():
            select.select([], [], [], LINGER_S)  # what the client has not read yet would go with the line
    finally:
        line.unplug()
    return 0
