"""The driver of a Modbus RTU bus: one master, several slaves, register maps as data.

Enters: bytes of the bus and the time. Leaves: readings, notes on slaves that fall silent, refuse or come back, and the
next request. Called through the table in `drivers.py`. A slave that is silent, refuses or babbles costs the others
its time-out at growing intervals, and no more.
"""

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.interface import DriverRow, Quiet, Settings, Stats
from firmware_bridge.modbus_frames import (
    EXCEPTION_SIZE,
    SLAVE_MAX,
    Reply,
    Request,
    count_pairs,
    find_reply,
    looks_damaged,
)
from firmware_bridge.modbus_map import BLOCKS_MAX, POLL_S_MAX, Block, check_once, decode, read_map
from firmware_bridge.quantity import check_keys, near, rational, take, take_within
from protocols.catalog import GAS_FIELDS, field_id
from protocols.samples import Note, Reading, Sample
from protocols.units import NS_PER_MS

HEARD_SIZE_MAX = 512
"""Bytes kept while a reply is waited for: twice the longest frame, so that one fits behind another's."""
BUSY_MS_MAX = 60
"""A bus that is never silent is spoken on all the same: somebody babbles."""
BYTE_US = 1_200
"""Added to the time-out for each byte that is expected: a little more than one takes at 9600 baud."""
BACKOFF_FIRST_MS, BACKOFF_MAX_MS = 500, 30_000
SILENT_AFTER = 2
"""Time-outs in a row until people are told."""
MAPS_MAX = 16
NOTES_MAX = 64

GAS_FAULTS, GAS_OVER = field_id("gas_faults"), field_id("gas_over")


@dataclass(frozen=True, slots=True)
class ModbusOptions:
    """`[port.options]`, checked."""

    blocks: tuple[Block, ...] = ()
    timeout_ms: int = 300
    silence_ms: int = 4


@dataclass(slots=True)
class SlaveStats:
    """Counters of one slave; they only grow, but `misses`, which are time-outs in a row."""

    asked: int = 0
    answered: int = 0
    timeouts: int = 0
    exceptions: int = 0
    damaged: int = 0
    misses: int = 0


class _Slave:
    def __init__(self, number: int) -> None:
        self.number = number
        self.stats = SlaveStats()
        self.ready_ns = 0
        self.asked_ns = -1
        self.is_suspect = False
        """After a time-out the next reply may be the late one, to another question: it is not believed."""
        self.gases = self.faults = self.over = 0


class _Poll:
    """One block and when it is due."""

    def __init__(self, block: Block, slave: _Slave) -> None:
        self.block, self.slave = block, slave
        self.request = Request(block.slave, block.function, block.address, block.count)
        self.packed = self.request.pack()
        self.due_ns = 0
        self.refused = 0

    def next(self, t_mono_ns: int) -> None:
        period_ns = self.block.poll_ms * NS_PER_MS
        self.due_ns = max(self.due_ns + period_ns, t_mono_ns + period_ns // 2)


class ModbusDriver(Quiet):
    """One bus on one port."""

    def __init__(self, settings: Settings) -> None:
        self._options: ModbusOptions = settings.options or ModbusOptions()
        self.stats = Stats()
        numbers = sorted({block.slave for block in self._options.blocks})
        self._slaves = {number: _Slave(number) for number in numbers}
        self._polls = [_Poll(block, self._slaves[block.slave]) for block in self._options.blocks]
        self._waiting: _Poll | None = None
        self._sent_ns = self._deadline_ns = 0
        self._heard = bytearray()
        self._last_byte_ns: int | None = None
        self._wanted_ns: int | None = None
        self._out: deque[Sample] = deque(maxlen=NOTES_MAX)
        self.talk_mono_ns = 0 if self._polls else None

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls; at most HEARD_SIZE_MAX."""
        return len(self._heard)

    @property
    def slaves(self) -> dict[int, SlaveStats]:
        """The counters by slave."""
        return {number: slave.stats for number, slave in self._slaves.items()}

    # --- bytes in ----------------------------------------------------------------------------------

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`. Bytes that nobody was asked for are noise."""
        if not data:
            return self._take()
        self.stats.bytes += len(data)
        self._last_byte_ns = t_mono_ns
        poll = self._waiting
        if poll is None:
            self.stats.noise += len(data)
        elif t_mono_ns >= self._deadline_ns:
            self.stats.noise += len(data)
            self._time_out(poll, t_mono_ns)
        else:
            self._listen(poll, data, t_mono_ns)
        return self._take()

    def idle(self, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        if self._waiting is not None and t_mono_ns >= self._deadline_ns:
            self._time_out(self._waiting, t_mono_ns)
        return self._take()

    def _listen(self, poll: _Poll, data: bytes, t_mono_ns: int) -> None:
        """In pieces, so that one long burst finds what the same bytes in many bursts would."""
        for at in range(0, len(data), HEARD_SIZE_MAX // 2):
            self._heard += data[at : at + HEARD_SIZE_MAX // 2]
            reply = find_reply(self._heard, poll.request)
            if reply is not None:
                self.stats.noise += reply.start + len(self._heard) - reply.end
                self.stats.noise += max(0, len(data) - at - HEARD_SIZE_MAX // 2)
                self._end_wait(t_mono_ns)
                self._answered(poll, reply, t_mono_ns)
                return
            spare = len(self._heard) - HEARD_SIZE_MAX // 2 - 1
            if spare > 0:
                self.stats.noise += spare
                del self._heard[:spare]

    def _answered(self, poll: _Poll, reply: Reply, t_mono_ns: int) -> None:
        slave, was_silent = poll.slave, poll.slave.stats.misses >= SILENT_AFTER
        slave.stats.answered += 1
        slave.stats.misses = 0
        if was_silent:
            self._note(poll, "answers")
        if slave.is_suspect:
            # Were this the late reply, the one to our question would come within the time-out, and be taken as the
            # one to the next question. So it is waited for in silence.
            slave.is_suspect = False
            slave.ready_ns = t_mono_ns + self._timeout_ns(poll.request)
            self.stats.skipped += 1
            return
        poll.next(t_mono_ns)
        if reply.exception:
            self._refused(poll, reply.exception)
            return
        self.stats.good += 1
        if poll.refused:
            poll.refused = 0
            self._note(poll, "answers")
        self._read(poll, reply.registers)

    def _refused(self, poll: _Poll, exception: int) -> None:
        """The slave lives and does not give this block: it is asked for more seldom, and people are told once."""
        poll.slave.stats.exceptions += 1
        self.stats.skipped += 1
        if not poll.refused:
            self._note(poll, "refuses", exception=exception)
        self._forget(poll.slave, poll.block)
        poll.refused = min(poll.refused + 1, 10)
        poll.due_ns += _backoff_ms(poll.refused) * NS_PER_MS

    def _read(self, poll: _Poll, registers: bytes) -> None:
        slave, said = poll.slave, decode(poll.block, registers)
        self.stats.bad += said.bad
        values = said.values
        if said.gases:
            slave.gases |= said.gases
            slave.faults = slave.faults & ~said.gases | said.faults
            slave.over = slave.over & ~said.gases | said.over
            values[GAS_FAULTS] = values[GAS_OVER] = 0
            for each in self._slaves.values():
                values[GAS_FAULTS] |= each.faults
                values[GAS_OVER] |= each.over
        if values:
            self._out.append(Reading(values))

    # --- silence -----------------------------------------------------------------------------------

    def _time_out(self, poll: _Poll, t_mono_ns: int) -> None:
        damaged = looks_damaged(self._heard, poll.request)
        self.stats.noise += 0 if damaged else len(self._heard)
        self._end_wait(t_mono_ns)
        slave = poll.slave
        poll.next(t_mono_ns)
        if damaged:
            # It has answered: the reply is not late, and its next one is believed.
            slave.stats.damaged += 1
            self.stats.bad += 1
            poll.due_ns = t_mono_ns
        slave.stats.timeouts += 1
        slave.stats.misses += 1
        slave.is_suspect = not damaged
        wait_ms = 0 if damaged and slave.stats.misses == 1 else _backoff_ms(slave.stats.misses)
        slave.ready_ns = t_mono_ns + wait_ms * NS_PER_MS
        if slave.stats.misses == SILENT_AFTER:
            self._note(poll, "silent")
            self._forget(slave)

    def _forget(self, slave: _Slave, block: Block | None = None) -> None:
        """What a slave said of its sensors is not known any more."""
        gone = slave.gases
        if block is not None:
            gone = 0
            for register in block.registers:
                gone |= register.gas_bit
        slave.faults &= ~gone
        slave.over &= ~gone

    def _end_wait(self, t_mono_ns: int) -> None:
        self._waiting = None
        self._heard.clear()
        self.talk_mono_ns = t_mono_ns

    # --- requests ----------------------------------------------------------------------------------

    def talk(self, t_mono_ns: int) -> bytes:
        """See `interface.Driver`: the next request, when the bus has been silent for long enough."""
        if self._waiting is not None:
            if t_mono_ns < self._deadline_ns:
                self.talk_mono_ns = self._deadline_ns
                return b""
            self._time_out(self._waiting, t_mono_ns)
        if not self._polls:
            return b""
        due_ns = min(max(poll.due_ns, poll.slave.ready_ns) for poll in self._polls)
        if due_ns > t_mono_ns:
            self.talk_mono_ns = due_ns
            return b""
        if self._is_busy(t_mono_ns):
            return b""
        return self._ask(t_mono_ns)

    def _is_busy(self, t_mono_ns: int) -> bool:
        """Whether to wait for the silence between frames; not for ever."""
        if self._wanted_ns is None:
            self._wanted_ns = t_mono_ns
        if self._last_byte_ns is None:
            return False
        free_ns = self._last_byte_ns + self._options.silence_ms * NS_PER_MS
        end_ns = self._wanted_ns + max(BUSY_MS_MAX, self._options.silence_ms) * NS_PER_MS
        if t_mono_ns >= min(free_ns, end_ns):
            return False
        self.talk_mono_ns = min(free_ns, end_ns)
        return True

    def _ask(self, t_mono_ns: int) -> bytes:
        """The slave that was asked longest ago goes first, so that each has its turn."""
        ready = [poll for poll in self._polls if max(poll.due_ns, poll.slave.ready_ns) <= t_mono_ns]
        poll = min(ready, key=lambda one: (one.slave.asked_ns, one.due_ns))
        poll.slave.asked_ns = t_mono_ns
        poll.slave.stats.asked += 1
        self._waiting, self._sent_ns, self._wanted_ns = poll, t_mono_ns, None
        self._heard.clear()
        self._deadline_ns = self.talk_mono_ns = t_mono_ns + self._timeout_ns(poll.request)
        return poll.packed

    def _timeout_ns(self, request: Request) -> int:
        return self._options.timeout_ms * NS_PER_MS + request.reply_size * BYTE_US * 1_000

    # --- notes -------------------------------------------------------------------------------------

    def _note(self, poll: _Poll, state: str, **more: int) -> None:
        words: dict[str, int | str] = {"map": poll.block.map, "slave": poll.slave.number, "state": state}
        if state != "silent":
            words["address"] = poll.block.address
        words.update(more)
        self._out.append(Note("modbus", words))

    def _take(self) -> list[Sample]:
        if not self._out:
            return []
        out = list(self._out)
        self._out.clear()
        return out


def _backoff_ms(misses: int) -> int:
    return min(BACKOFF_FIRST_MS << min(misses - 1, 10), BACKOFF_MAX_MS)


def options(raw: dict[str, Any], folder: Path) -> ModbusOptions:
    """See `ModbusOptions`; reads the maps. ValueError says which file, table and key is wrong."""
    check_keys("options", raw, ("maps", "slaves", "poll_s", "timeout_ms", "silence_ms"))
    names = take("options", raw, "maps", list)
    if not 1 <= len(names) <= MAPS_MAX or not all(isinstance(name, str) for name in names):
        raise ValueError(f"options maps: {names!r} came, 1–{MAPS_MAX} names of maps are needed")
    slaves = take("options", raw, "slaves", dict, {})
    for name in slaves:
        if name not in names:
            raise ValueError(f"options.slaves: {name!r} is not in maps; {near(name, names)}")
    blocks: list[Block] = []
    for name in names:
        slave = take_within("options.slaves", slaves, name, 1, SLAVE_MAX) if name in slaves else None
        blocks += read_map(name, folder, slave)
    if len(blocks) > BLOCKS_MAX:
        raise ValueError(f"options maps: {len(blocks)} separate reads, at most {BLOCKS_MAX} are allowed")
    check_once(blocks)
    return ModbusOptions(
        tuple(_paced(blocks, raw)),
        take_within("options", raw, "timeout_ms", 20, 10_000, 300),
        take_within("options", raw, "silence_ms", 4, 1_000, 4),
    )


def _paced(blocks: list[Block], raw: dict[str, Any]) -> list[Block]:
    """`poll_s` of the options is the shortest period for every map."""
    floor_s = rational("options poll_s", raw.get("poll_s", "1/10"))
    floor_ms = int(floor_s * 1_000)
    if not 100 <= floor_ms <= POLL_S_MAX * 1_000:
        raise ValueError(f"options poll_s: {raw['poll_s']} came, 0.1–{POLL_S_MAX} is allowed")
    return [
        Block(
            one.map,
            one.slave,
            one.function,
            one.address,
            one.count,
            max(one.poll_ms, floor_ms),
            one.registers,
        )
        for one in blocks
    ]


READS = (
    *GAS_FIELDS, "gas_faults", "gas_over", "scba_kpa", "ambient_dc", "wind_dmps", "wind_from_deg",
    "humidity_permille", "pressure_pa", "sun_wpm2", "supply_mv", "note",
)  # fmt: skip

ROWS = (
    DriverRow(
        "modbus",
        "Modbus RTU bus: gas detectors, weather stations, transmitters, by register maps",
        ModbusDriver,
        count_pairs,
        READS,
        options,
        bauds=(9_600, 19_200, 115_200, 4_800),
        auto=False,
    ),
)

assert HEARD_SIZE_MAX // 2 >= 255 > EXCEPTION_SIZE
