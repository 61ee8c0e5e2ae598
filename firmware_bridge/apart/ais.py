"""AIS in a process of its own: a receiver's sentences to vessels.

Enters: bytes of a serial port. Leaves: `Observed` and `Heard` of source AIS, as lines on stdout. Started by
`edge.apart_worker` as `python -m firmware_bridge.apart.ais --path /dev/ttyUSB0 [--baud 38400]`. `AisDecoder` is
pure. pyais decodes the messages; putting sentences together is done here, because its own assembler has neither a
time-out nor a bound.
"""

import argparse
import select
import struct
import sys
import time

try:
    from pyais import decode as pyais_decode
    from pyais.exceptions import AISBaseException
except ImportError as _err:
    if __name__ != "__main__":
        raise
    from firmware_bridge.apart.process import extra_missing

    sys.exit(extra_missing("ais", _err))

import re
from typing import Any

from firmware_bridge.ais import AIS, BODY, SENTENCE_LEN_MAX, count_ais
from firmware_bridge.apart.pipe import State
from firmware_bridge.apart.process import STDIN_FD, Mouth, run
from firmware_bridge.framing import HEX_DIGITS, nmea_checksum
from firmware_bridge.interface import Stats
from firmware_bridge.ports import Port
from protocols.catalog import Said, Source, field_id
from protocols.samples import Heard, Observed, Sample
from protocols.units import MMPS_PER_KNOT_E3, NS_PER_MS, divide_half_even

GROUP_AGE_MS_MAX = 10_000
GROUPS_MAX = 16
"""Messages whose sentences are still coming. Sequence numbers are 0–9 on two channels."""

LAT, LON, SPEED, COURSE, HEADING, MODE, SHIP_TYPE = (
    field_id(f"obs_{name}")
    for name in ("lat_deg_e7", "lon_deg_e7", "speed_dmps", "course_deg", "heading_ddeg", "mode", "ship_type")
)
BITS_MIN = {1: 168, 2: 168, 3: 168, 4: 168, 5: 420, 18: 168, 19: 312, 24: 160, 27: 96}
"""Types that are used, and the bits that they need at least. **Source:** ITU-R M.1371-5, annex 8; some transponders
leave out the last bits of 5 and 24."""

SPEED_KNOTS_MAX = {27: 62.0}
SPEED_KNOTS_MAX_OTHERS = 102.2
"""Beyond these the speed is not available (1023, or 63 in type 27)."""
NAVIGATION_STATUS_UNDEFINED = 15

_TOKEN = re.compile(b"([!$])(" + BODY + rb"{1,%d}+)\*([0-9A-Fa-f]{2})|[!$]" % SENTENCE_LEN_MAX)
_UNFINISHED = re.compile(b"[!$]" + BODY + rb"{0,%d}+(?:\*[0-9A-Fa-f]?)?\Z" % SENTENCE_LEN_MAX)
_PAYLOAD = re.compile(rb"[0-W`-w]+\Z")
_LINE_ENDS = b"\r\n"
_DECODE_ERRORS = (
    AISBaseException, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, struct.error,
)  # fmt: skip

Group = tuple[int, list[bytes]]


class AisDecoder:
    """One receiver: bytes in, samples out. Bounded: a sentence, GROUPS_MAX messages of at most nine sentences."""

    def __init__(self) -> None:
        self.stats = Stats()
        self._tail = b""
        self._groups: dict[tuple[bytes, bytes, int], Group] = {}

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls."""
        return len(self._tail) + sum(len(part) for _, parts in self._groups.values() for part in parts)

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """Samples of the messages that `data` completes."""
        self.stats.bytes += len(data)
        data = self._tail + data
        self._expire(t_mono_ns)
        out: list[Sample] = []
        position = 0
        while (token := _TOKEN.search(data, position)) is not None:
            self.stats.noise += len(data[position : token.start()].strip(_LINE_ENDS))
            if token.lastindex is None:
                if _UNFINISHED.match(data, token.start()):
                    self._tail = data[token.start() :]
                    return out
                self.stats.bad += 1
                position = token.start() + 1
                continue
            position = token.end()
            if token[1] == b"!":
                out += self._sentence(token[0], token[2], token[3], t_mono_ns)
            else:
                self.stats.skipped += 1
        self.stats.noise += len(data[position:].strip(_LINE_ENDS))
        self._tail = b""
        return out

    def _sentence(self, whole: bytes, body: bytes, digits: bytes, t_mono_ns: int) -> list[Sample]:
        if nmea_checksum(body) != HEX_DIGITS.get(digits):
            self.stats.bad += 1
            return []
        words = body.split(b",")
        if not AIS.match(body) or words[0].endswith(
            b"O"
        ):  # VDO is the own ship, which has a receiver of its own
            self.stats.skipped += 1
            return []
        if (
            len(words) != 7
            or not _PAYLOAD.match(words[5])
            or words[6] not in (b"0", b"1", b"2", b"3", b"4", b"5")
        ):
            self.stats.bad += 1
            return []
        parts = self._assemble(words, whole, t_mono_ns)
        return self._message(parts) if parts else []

    def _assemble(self, words: list[bytes], whole: bytes, t_mono_ns: int) -> list[bytes]:
        """All sentences of a message once the last one is there, else none. They come in order or not at all."""
        if not (words[1].isdigit() and words[2].isdigit() and len(words[1]) == len(words[2]) == 1):
            self.stats.bad += 1
            return []
        total, number = int(words[1]), int(words[2])
        if total == number == 1:
            return [whole]
        key = (words[3], words[4], total)
        age_mono_ns, parts = self._groups.pop(key, (t_mono_ns, []))
        if number == 1 and parts:
            self.stats.bad += 1
            age_mono_ns, parts = t_mono_ns, []
        if not 1 <= number <= total or number != len(parts) + 1 or not words[3].isdigit():
            self.stats.bad += 1
            return []
        parts.append(whole)
        if number == total:
            return parts
        self._groups[key] = (age_mono_ns, parts)
        if len(self._groups) > GROUPS_MAX:
            del self._groups[next(iter(self._groups))]
            self.stats.bad += 1
        return []

    def _expire(self, t_mono_ns: int) -> None:
        limit_ns = GROUP_AGE_MS_MAX * NS_PER_MS
        old = [key for key, (began_ns, _) in self._groups.items() if t_mono_ns - began_ns > limit_ns]
        for key in old:
            del self._groups[key]
            self.stats.bad += 1

    def _message(self, parts: list[bytes]) -> list[Sample]:
        words = [part.split(b",") for part in parts]
        kind = armoured_value(words[0][5][0])
        bits = sum(6 * len(word[5]) for word in words) - int(words[-1][6][:1])
        if kind not in BITS_MIN:
            self.stats.skipped += 1
            return []
        try:
            message: Any = pyais_decode(*parts) if bits >= BITS_MIN[kind] else None
        except _DECODE_ERRORS:
            message = None
        if message is None or message.mmsi is None or not int(message.mmsi):
            self.stats.bad += 1
            return []
        self.stats.good += 1
        return samples_of(kind, message)


def armoured_value(character: int) -> int:
    """Six bits of an armoured character. **Source:** IEC 61162-1, six-bit encapsulation."""
    value = character - 48
    return value - 8 if value > 40 else value


def samples_of(kind: int, message: Any) -> list[Sample]:
    """What a decoded message says of its sender; values that are not available are left out."""
    mmsi = int(message.mmsi)
    values: dict[int, int] = {}
    if kind not in (5, 24):
        values |= _place(message) | _motion(kind, message)
    ship_type = getattr(message, "ship_type", None)
    if ship_type and 0 < int(ship_type) <= 255:
        values[SHIP_TYPE] = int(ship_type)
    out: list[Sample] = [Observed(Source.AIS, mmsi, values)] if values else []
    name = (getattr(message, "shipname", None) or "").strip().strip("@").strip()
    if name:
        out.append(Heard(Source.AIS, mmsi, Said.NAME, name))
    return out


def _place(message: Any) -> dict[int, int]:
    if message.lat is None or message.lon is None or abs(message.lat) > 90 or abs(message.lon) > 180:
        return {}
    return {LAT: round(message.lat * 1e7), LON: round(message.lon * 1e7)}


def _motion(kind: int, message: Any) -> dict[int, int]:
    out: dict[int, int] = {}
    speed = getattr(message, "speed", None)
    if speed is not None and 0 <= speed <= SPEED_KNOTS_MAX.get(kind, SPEED_KNOTS_MAX_OTHERS):
        # 0.1 knots * µm/s a knot * 1e-6 = 0.1 m/s
        out[SPEED] = divide_half_even(round(speed * 10) * MMPS_PER_KNOT_E3, 10**6)
    course = getattr(message, "course", None)
    if course is not None and 0 <= course < 360:
        out[COURSE] = divide_half_even(round(course * 10), 10) % 360
    heading = getattr(message, "heading", None)
    if heading is not None and 0 <= heading < 360:
        out[HEADING] = int(heading) * 10
    status = getattr(message, "status", None)
    if status is not None and 0 <= int(status) < NAVIGATION_STATUS_UNDEFINED:
        out[MODE] = int(status)
    return out


def _state(port: Port, stats: Stats) -> State:
    return State(
        port.fileno() is not None, port.locked, port.stats.baud, port.stats.byte_count,
        stats.good, stats.bad, stats.skipped, stats.noise, port.stats.last_error[:200],
    )  # fmt: skip


def serve(port: Port, mouth: Mouth, stdin_fd: int = STDIN_FD) -> int:
    """Read the port until the agent closes our stdin."""
    decoder = AisDecoder()
    while True:
        port.maintain(time.monotonic_ns())
        fd = port.fileno()
        ready, _, _ = select.select([stdin_fd] if fd is None else [stdin_fd, fd], [], [], 0.25)
        if stdin_fd in ready:
            return 0
        now_ns = time.monotonic_ns()
        mouth.say(*decoder.feed(port.read(now_ns), now_ns))
        mouth.state(_state(port, decoder.stats), now_ns)


def main() -> int:
    """The command line; returns the status to exit with."""
    words = argparse.ArgumentParser(description="AIS receiver to lines for the agent")
    words.add_argument("--path", required=True, help="serial port or pattern")
    words.add_argument("--baud", type=int, default=0, help="0 finds it, 38400 first")
    given = words.parse_args()
    return serve(Port(given.path, given.baud or None, count_ais, (38_400,)), Mouth())


if __name__ == "__main__":
    run(main)
