"""The driver of OBD-II adapters with an ELM327 or a clone of it: speed, engine, fuel, voltage of a vehicle.

Enters: bytes of the adapter and the time. Leaves: readings, the adapter's name, notes when the vehicle falls silent or
speaks again, and the next command. Called through the table in `drivers.py`. One command is on its way at a time; what
is due longest goes first, so that a slow clone answers everything, only more seldom. Ignition off is no error.
"""

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.interface import DriverRow, Quiet, Settings, Stats
from firmware_bridge.obd_words import (
    ERRORS,
    IDENTITY,
    PIDS,
    SUPPORTED,
    VOLTAGE,
    Answer,
    parse_answer,
    parse_volts,
    pick,
    pids_in,
)
from firmware_bridge.quantity import check_keys, near, rational, take
from protocols.catalog import field_id
from protocols.samples import Identity, Note, Reading, Sample
from protocols.units import NS_PER_MS

REPLY_SIZE_MAX = 1_024
"""Bytes between two prompts; more is an adapter that babbles."""
LINES_MAX = 32
OUT_MAX = 16
RESET_MS, SETTING_MS, SEARCH_MS, REPLY_MS = 2_500, 2_000, 15_000, 4_000
"""How long is waited for a prompt: a search through all buses takes ten seconds, a slow clone's answer nearly two."""
DRAIN_MS = 300
"""After an answer that was lost, a late one is let run out before the next question."""
MISSES_MAX = 3
"""Answers in a row without sense until the adapter is set up anew."""
NO_DATA_MAX = 4
"""PIDs in a row without data: the ignition is off."""
RETRY_FIRST_MS, RETRY_MAX_MS = 1_000, 30_000
ASK_AGAIN_EVERY_S = 60
"""A PID that the vehicle did not answer MISSES_MAX times is asked so seldom, though the list named it."""

SETUP = ("ATZ", "ATE0", "ATL0", "ATH1", "ATSP{protocol}")
PROTOCOLS = tuple("0123456789ABC")
SUPPLY = field_id("supply_mv")


@dataclass(frozen=True, slots=True)
class ObdOptions:
    """`[port.options]`. `protocol` is the adapter's number of a bus, "0" to search; `fast_s` how often speed and rpm
    are asked; the others keep their proportion."""

    protocol: str = "0"
    fast_s: float = 1.0


class ObdDriver(Quiet):
    """One adapter on one port."""

    def __init__(self, settings: Settings) -> None:
        self._options: ObdOptions = settings.options or ObdOptions()
        self.stats = Stats()
        self._out: deque[Sample] = deque(maxlen=OUT_MAX)
        self._reply = bytearray()
        self._steps: deque[str] = deque()
        self._sent = ""
        self._deadline_ns = 0
        self._misses = self._no_data = self._retries = 0
        self._is_told_off = False
        self._model = ""
        self.protocol = ""
        self.supported: set[int] = set()
        self._due_ns: dict[int, int] = {}
        self._without: dict[int, int] = {}  # by PID: how often in a row it had no data
        self._volts_due_ns = 0
        self.talk_mono_ns: int | None = 0
        self._set_up(0)

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls; at most REPLY_SIZE_MAX."""
        return len(self._reply)

    # --- bytes in ----------------------------------------------------------------------------------

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        self.stats.bytes += len(data)
        *whole, rest = data.split(b">")
        for part in whole:
            self._keep(part)
            reply, self._reply = bytes(self._reply), bytearray()
            self._prompt(reply, t_mono_ns)
        self._keep(rest)
        return self._take()

    def _keep(self, part: bytes) -> None:
        room = REPLY_SIZE_MAX - len(self._reply)
        self._reply += part[:room]
        self.stats.noise += max(0, len(part) - room)

    def idle(self, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        if self._sent and t_mono_ns >= self._deadline_ns:
            self._time_out(t_mono_ns)
        return self._take()

    def _prompt(self, reply: bytes, t_mono_ns: int) -> None:
        """The adapter is ready again; `reply` is everything since its last prompt."""
        sent, self._sent = self._sent, ""
        self.talk_mono_ns = max(t_mono_ns, self.talk_mono_ns or 0) if not sent else t_mono_ns
        lines = _lines(reply)
        text = " ".join(lines)
        identity = IDENTITY.search(text)
        if identity is not None and sent not in ("ATZ", "ATI"):
            self.stats.good += 1
            self._set_up(t_mono_ns)  # it has been reset in the middle, and has forgotten its settings
        elif not sent:
            self.stats.noise += len(reply)
        elif sent.startswith("AT"):
            self._setting(sent, lines, identity[0] if identity else "", t_mono_ns)
        else:
            self._heard(int(sent[2:], 16), lines, text, t_mono_ns)

    def _setting(self, sent: str, lines: list[str], model: str, t_mono_ns: int) -> None:
        """What it says to a setting does not matter: clones say "?" to half of them."""
        self.stats.skipped += 1
        if sent == "ATZ" and model and model != self._model:
            self._model = model
            self._out.append(Identity(model))
        elif sent == "ATDPN" and lines:
            self.protocol = lines[-1][:4]
        elif sent == "ATRV":
            volts = next((mv for line in lines if (mv := parse_volts(line)) is not None), None)
            if volts is not None:
                self.stats.good += 1
                self._out.append(Reading({SUPPLY: volts}))

    def _heard(self, pid: int, lines: list[str], text: str, t_mono_ns: int) -> None:
        answers = [answer for line in lines if (answer := parse_answer(line)) is not None]
        self.stats.skipped += sum(answer.pid != pid for answer in answers)
        if any(answer.pid == pid for answer in answers):
            self._answered(pid, answers, t_mono_ns)
        elif "NO DATA" in text:
            self._without_data(pid, t_mono_ns)
        elif "STOPPED" in text or "BUFFER FULL" in text:
            self.stats.bad += 1
            self._again(pid, t_mono_ns)
        elif any(word in text for word in ERRORS):
            self._vehicle_off(text, t_mono_ns)
        elif "?" in text:
            self._without_data(pid, t_mono_ns)
        else:
            self.stats.bad += 1
            self._missed(pid, t_mono_ns)

    def _answered(self, pid: int, answers: list[Answer], t_mono_ns: int) -> None:
        self.stats.good += 1
        self._misses = self._no_data = self._retries = 0
        self._without.pop(pid, None)
        if self._is_told_off:
            self._is_told_off = False
            self._out.append(Note("obd", {"state": "answers"}))
        if pid in SUPPORTED:
            for answer in answers:
                if answer.pid == pid:
                    self._list(pid, answer.raw, t_mono_ns)
            return
        chosen, meant = pick(answers, pid), PIDS[pid]
        if chosen is not None and meant.field is not None:
            value = meant.quanta(chosen.raw)
            if meant.field.lo <= value <= meant.field.hi:
                self._out.append(Reading({meant.field.id: value}))

    def _list(self, base: int, raw: int, t_mono_ns: int) -> None:
        """A list of supported PIDs: what the catalog has a field for is asked from now on. Lists of units add up."""
        listed = pids_in(base, raw)
        self.supported |= listed
        for pid in listed:
            if pid in PIDS and PIDS[pid].field is not None:
                self._due_ns.setdefault(pid, t_mono_ns)
            elif pid in SUPPORTED and f"01{pid:02X}" not in self._steps:
                self._steps.append(f"01{pid:02X}")

    # --- what goes wrong -----------------------------------------------------------------------------

    def _without_data(self, pid: int, t_mono_ns: int) -> None:
        self.stats.skipped += 1
        self._no_data += 1
        if pid == SUPPORTED[0] or self._no_data >= NO_DATA_MAX:
            self._vehicle_off("NO DATA", t_mono_ns)
            return
        self._without[pid] = self._without.get(pid, 0) + 1
        if pid in self._due_ns and self._without[pid] >= MISSES_MAX:
            self._due_ns[pid] = t_mono_ns + ASK_AGAIN_EVERY_S * 1_000 * NS_PER_MS

    def _again(self, pid: int, t_mono_ns: int) -> None:
        """The answer was broken off: once more, after a pause."""
        if pid in self._due_ns:
            self._due_ns[pid] = t_mono_ns
        self._missed(pid, t_mono_ns)

    def _vehicle_off(self, why: str, t_mono_ns: int) -> None:
        """The ignition is off, or the bus does not work: asked again at growing intervals, without a reset."""
        self._misses = self._no_data = 0
        self._due_ns.clear()
        self.supported.clear()
        self._steps = deque((f"01{SUPPORTED[0]:02X}",))
        if not self._is_told_off:
            self._is_told_off = True
            word = next((word for word in ERRORS if word in why), "NO DATA")
            self._out.append(Note("obd", {"state": "no answer of the vehicle", "said": word}))
        self._wait(self._retry_ms(), t_mono_ns)

    def _missed(self, pid: int, t_mono_ns: int) -> None:
        self._misses += 1
        if self._misses >= MISSES_MAX:
            self._set_up(t_mono_ns)
            self._wait(self._retry_ms(), t_mono_ns)
            return
        if pid in SUPPORTED and f"01{pid:02X}" not in self._steps:
            self._steps.appendleft(f"01{pid:02X}")
        self._wait(DRAIN_MS, t_mono_ns)

    def _time_out(self, t_mono_ns: int) -> None:
        sent, self._sent = self._sent, ""
        self.stats.noise += len(self._reply)
        self._reply.clear()
        if sent.startswith("01"):
            self._missed(int(sent[2:], 16), t_mono_ns)
        elif sent == "ATZ":
            self._set_up(t_mono_ns)
            self._wait(self._retry_ms(), t_mono_ns)
        else:
            self._wait(0, t_mono_ns)

    def _retry_ms(self) -> int:
        self._retries += 1
        return min(RETRY_FIRST_MS << min(self._retries - 1, 8), RETRY_MAX_MS)

    def _wait(self, ms: int, t_mono_ns: int) -> None:
        self.talk_mono_ns = t_mono_ns + ms * NS_PER_MS

    def _set_up(self, t_mono_ns: int) -> None:
        """Begin with a reset: nothing is known of its settings."""
        setup = (step.format(protocol=self._options.protocol) for step in SETUP)
        self._steps = deque((*setup, f"01{SUPPORTED[0]:02X}", "ATDPN"))
        self._due_ns.clear()
        self.supported.clear()
        self._misses = self._no_data = 0
        self.talk_mono_ns = t_mono_ns

    # --- commands ------------------------------------------------------------------------------------

    def talk(self, t_mono_ns: int) -> bytes:
        """See `interface.Driver`: the next command, when the adapter is ready for it."""
        if self._sent:
            if t_mono_ns < self._deadline_ns:
                self.talk_mono_ns = self._deadline_ns
                return b""
            self._time_out(t_mono_ns)
        if self.talk_mono_ns is not None and t_mono_ns < self.talk_mono_ns:
            return b""
        command = self._next(t_mono_ns)
        if not command:
            return b""
        self._sent = command
        self._reply.clear()
        self._deadline_ns = self.talk_mono_ns = t_mono_ns + self._patience_ms(command) * NS_PER_MS
        return command.encode() + b"\r"

    def _next(self, t_mono_ns: int) -> str:
        """Steps of the set-up first; then what has been due longest. "" when nothing is due yet."""
        needs_volts = VOLTAGE not in self._due_ns and "ATRV" not in self._steps
        may_ask = (
            self._is_told_off or not self._steps
        )  # not before the lists have said whether the vehicle knows it
        if needs_volts and may_ask and t_mono_ns >= self._volts_due_ns and not self._is_setting_up():
            self._volts_due_ns = t_mono_ns + self._every_ns(VOLTAGE)
            return "ATRV"
        if self._steps:
            return self._steps.popleft()
        if not self._due_ns:
            self._steps.append(f"01{SUPPORTED[0]:02X}")
            self._wait(self._retry_ms(), t_mono_ns)
            return ""
        pid = min(self._due_ns, key=lambda one: self._due_ns[one])
        if self._due_ns[pid] > t_mono_ns:
            self.talk_mono_ns = self._due_ns[pid]
            return ""
        every_ns = self._every_ns(pid)
        self._due_ns[pid] = max(self._due_ns[pid] + every_ns, t_mono_ns + every_ns // 2)
        return f"01{pid:02X}"

    def _is_setting_up(self) -> bool:
        return any(step.startswith("AT") for step in self._steps)

    def _every_ns(self, pid: int) -> int:
        return int(PIDS[pid].every_s * self._options.fast_s * 1_000) * NS_PER_MS

    def _patience_ms(self, command: str) -> int:
        if command == "ATZ":
            return RESET_MS
        if command.startswith("AT"):
            return SETTING_MS
        return SEARCH_MS if int(command[2:], 16) == SUPPORTED[0] else REPLY_MS

    def _take(self) -> list[Sample]:
        if not self._out:
            return []
        out = list(self._out)
        self._out.clear()
        return out


def _lines(reply: bytes) -> list[str]:
    """Lines of text; NULs are dropped, as the data sheet says. A line with other garbage in it is no line."""
    text = reply.replace(b"\0", b"").replace(b"\r", b"\n")
    out = []
    for line in text.split(b"\n"):
        line = line.strip()
        if line and line.isascii() and line.decode("ascii").isprintable():
            out.append(line.decode("ascii").upper().replace("SEARCHING...", "").strip())
    return [line for line in out if line][:LINES_MAX]


def count_obd(data: bytes) -> int:
    """How many words of such an adapter `data` holds: its name counts twice, as it is nobody else's."""
    lines = [line for part in data.split(b">")[:-1] for line in _lines(part)]
    return sum(2 if IDENTITY.search(line) else parse_answer(line) is not None for line in lines)


def options(raw: dict[str, Any], folder: Path) -> ObdOptions:
    """See `ObdOptions`; ValueError says which key is wrong."""
    check_keys("options", raw, ("protocol", "fast_s"))
    protocol = take("options", raw, "protocol", str, "0").upper()
    if protocol not in PROTOCOLS:
        raise ValueError(f"options protocol: {protocol!r} came; {near(protocol, PROTOCOLS)}")
    fast_s = rational("options fast_s", raw.get("fast_s", 1))
    if not 0.2 <= fast_s <= 60:
        raise ValueError(f"options fast_s: {raw['fast_s']} came, 0.2–60 is allowed")
    return ObdOptions(protocol, float(fast_s))


ROWS = (
    DriverRow(
        "obd",
        "OBD-II adapter with an ELM327 or a clone: speed, engine, fuel, voltage",
        ObdDriver,
        count_obd,
        (*(pid.field.name for pid in PIDS.values() if pid.field is not None), "note"),
        options,
        bauds=(38_400, 115_200, 9_600),
        probe=b"ATI\r",
    ),
)
