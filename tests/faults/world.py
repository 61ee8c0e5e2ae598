"""One gateway and one hub in virtual time, with bad ways between them: the real spool, sender, clock, ingest and log.

Run by path from conftest.py. What the emulator said is kept here and compared with the hub's log, row by row, by
number, content and time. Two hours take seconds, and the same seed gives the same fates.
"""

import heapq
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.bearers.interface import BearerStats, Traits
from edge.clock import BootClock
from edge.sender import Sender
from edge.spool import Spool
from hub.live.history import Decoder
from hub.live.paths import mark
from protocols import acks, datagram, topics
from protocols.catalog import FIELDS_BY_NAME, Bearer, BearerState, ClockSource, Kind, Lane, Stream
from protocols.datagram import Datagram
from protocols.frame import FRAME_BYTES_MAX, Row
from protocols.keys import MacKey
from sim.net.link import Link, LinkSpec

DEVICE = 7
UDP_HEAD, TCP_HEAD = 28, 52
KEEPALIVE_MS = 30_000
HEARD_MS = 45_000
LAT, LON = FIELDS_BY_NAME["lat_deg_e7"].bit, FIELDS_BY_NAME["lon_deg_e7"].bit
LAT_0 = 300_000_000
CODE, EVENT_ID, PHASE = (FIELDS_BY_NAME[f"event_{name}"].bit for name in ("code", "id", "phase"))
Key = tuple[int, int, int]


@dataclass
class Said:
    """A row as the emulator made it. `kept`: it was on the gateway's disk."""

    serial: int
    t_ms: int
    t_utc_ms: int
    kept: bool = False


@dataclass
class Outcome:
    """What a run came to. `unkept`: numbered, but not on the disk yet when the gateway was killed."""

    made: int
    stored: int
    shed: int
    unkept: int
    lost: int
    twice: int
    changed: int
    worst_ms: int
    faults: Counter[str] = field(default_factory=Counter)


class Way:
    """A bearer over two links in virtual time. TCP holds back what a partition stops and gives up after
    KEEPALIVE_MS; UDP drops it."""

    def __init__(
        self, world: "World", kind: Bearer, cost: int, up: LinkSpec, down: LinkSpec, seed: int
    ) -> None:
        self.world = world
        self.up, self.down = Link(up, seed), Link(down, seed + 1)
        self.is_stream = kind == Bearer.MQTT
        mtu = FRAME_BYTES_MAX if self.is_stream else datagram.PAYLOAD_BYTES_MAX
        self.traits = Traits(kind, kind.name.lower(), cost, mtu)
        self.stats = BearerStats()
        self.state = BearerState.UP if self.is_stream else BearerState.CONNECTING
        self.heard_ms = -HEARD_MS
        self.cut_ms: int | None = None
        self.session = 0
        self.in_flight_ms = 0.0
        self._stuck: list[tuple[bool, Any]] = []

    def publish(self, lane: Lane, data: bytes) -> bool:
        if self.is_stream and self.state != BearerState.UP:
            return False
        self._send(True, (lane, data), len(data))
        return True

    def answer(self, data: bytes) -> None:
        """From the hub back to the gateway."""
        if not self.is_stream or self.state == BearerState.UP:
            self._send(False, data, len(data))

    def _send(self, is_up: bool, what: Any, size: int) -> None:
        link, now = self.up if is_up else self.down, self.world.now_ms
        if not self.is_stream:
            for at in link.packet(size + UDP_HEAD, now):
                self.world.later(at, self, is_up, what)
        elif self.cut_ms is not None:
            self._stuck.append((is_up, what))
        else:
            self.world.later(link.chunk(size + TCP_HEAD, now), self, is_up, what)

    def cut(self, *, up: bool = True, down: bool = True) -> None:
        """A stream stands still when either direction does."""
        self.up.cut, self.down.cut = up, down
        self.cut_ms = self.world.now_ms

    def join(self) -> None:
        self.up.cut = self.down.cut = False
        self.cut_ms = None
        stuck, self._stuck = self._stuck, []
        for is_up, what in stuck:
            self._send(is_up, what, len(what[1] if is_up else what))

    def drop(self) -> None:
        """A stream's connection is gone, with all that was in it."""
        self.session += 1
        self._stuck = []
        self.state = BearerState.DOWN

    def maintain(self, rng: random.Random) -> None:
        now = self.world.now_ms
        if not self.is_stream:
            up = now - self.heard_ms < HEARD_MS
            self.state = BearerState.UP if up else BearerState.CONNECTING
        elif self.state == BearerState.UP:
            if self.cut_ms is not None and now - self.cut_ms > KEEPALIVE_MS:
                self.drop()
        elif self.cut_ms is None and not self.world.broker_down and rng.random() < 0.02:
            self.state = BearerState.UP


class World:
    """`bench`: the Bench of the hub's tests. `say_ms`: how often the emulator says where it is."""

    def __init__(
        self, bench_of: Callable[..., Any], clock: Any, folder: Path, seed: int, ways: list[tuple[Bearer, LinkSpec]],
        say_ms: int = 1_000, event_ms: int = 97_000,
    ) -> None:  # fmt: skip
        self.rng = random.Random(seed)
        self.folder, self._bench_of, self.clock = folder, bench_of, clock
        self.now_ms, self._lives = 0, 0
        self.t0_utc_ms = clock.now
        self.hub_error_ms = self.gnss_error_ms = 0
        self.has_gnss = True
        self.broker_down = self.hub_stopped = False
        self.said: dict[Key, Said] = {}
        self.arrived_ms: dict[Key, int] = {}
        self.faults: list[tuple[int, int]] = []
        self.counts: Counter[str] = Counter()
        self._serial = 0
        self._say_ms, self._event_ms = say_ms, event_ms
        self._next_say = self._next_event = self._next_commit = 0
        self._heap: list[tuple[float, int, Way, int, bool, Any]] = []
        self._pushed = 0
        self._waiting: list[tuple[str, bytes]] = []
        self.ways = [
            Way(self, kind, cost, spec, spec, seed + 10 * cost) for cost, (kind, spec) in enumerate(ways, 1)
        ]
        (folder / "hub-0").mkdir(parents=True)
        self._open_hub(folder / "hub-0")
        self.bench.enrol(DEVICE)
        self.key: MacKey = self.bench.mac_key(DEVICE)
        (folder / "edge-0").mkdir()
        self._open_edge(folder / "edge-0")

    # --- both ends -----------------------------------------------------------------------------------

    def _open_hub(self, folder: Path) -> None:
        self.hub_folder = folder
        self.bench = self._bench_of(folder, self.clock)
        for db in (self.bench.log._db, self.bench.log._archive):
            db.conn.execute("PRAGMA synchronous=OFF")  # power is not cut here, and time is short
        ingest = self.bench.ingest
        ingest.paths.publish = lambda _topic, _device, data: self._answer(data, stream=True)
        ingest.paths.to_address = lambda _address, data: self._answer(data[1:], stream=False)

    def _answer(self, data: bytes, *, stream: bool) -> None:
        for way in self.ways:
            if way.is_stream == stream:
                way.answer(data)

    def _open_edge(self, folder: Path) -> None:
        self.edge_folder, self.start_ms = folder, self.now_ms
        self._lives += 1
        self.boot = self.rng.getrandbits(62)
        self.spool = Spool(folder / "spool.db", self.boot, 64 * 2**20)
        self.spool.open()
        self.spool.db.execute("PRAGMA synchronous=OFF")
        self.boot_clock = BootClock(0)
        self.sender = Sender(self.spool, self.key, DEVICE, live_ms=self._say_ms)
        for way in self.ways:
            if not way.is_stream:
                way.heard_ms = -HEARD_MS
            self.sender.attach(way)
        self.sender.start()
        self._fault_told = self.spool.fault()

    def kill_edge(self) -> None:
        """As kill -9: the next start finds the files as they were at this moment."""
        after = self.folder / f"edge-{self._lives}"
        _copy(self.edge_folder, after)
        self.spool.db.close()
        shutil.rmtree(self.edge_folder)
        self._heap = [entry for entry in self._heap if entry[4]]  # nobody hears what was on its way down
        self._open_edge(after)
        self.counts["edge"] += 1

    def kill_edge_with(self, damage: Callable[[Path], None], rng: random.Random) -> None:
        """A crash, and something that happens to one of the gateway's files before the next start."""
        after = self.folder / f"edge-{self._lives}"
        _copy(self.edge_folder, after)
        self.spool.db.close()
        damage(rng.choice([path for path in sorted(after.iterdir()) if path.suffix in (".db", ".db-wal")]))
        self._open_edge(after)

    @property
    def fault_told(self) -> str:
        """Why SPOOL_FAULT stands at the gateway, or did since its last start."""
        self._fault_told = self._fault_told or self.spool.fault()
        return self._fault_told

    def kill_hub(self) -> None:
        after = self.folder / f"hub-{self.counts['hub'] + 1}"
        _copy(self.hub_folder, after)
        self.bench.close()
        shutil.rmtree(self.hub_folder)
        self._waiting = []
        self._open_hub(after)
        self.counts["hub"] += 1

    def kill_hub_with(self, damage: Callable[[Path], None], rng: random.Random) -> None:
        """A crash of the hub, and something that happens to a file of its log before the next start."""
        after = self.folder / f"hub-{self.counts['hub'] + 1}"
        _copy(self.hub_folder, after)
        self.bench.close()
        self._waiting = []
        damage(rng.choice([path for path in sorted(after.rglob("*.db*")) if path.parent.name == "log"]))
        self._open_hub(after)
        self.counts["hub"] += 1

    def kill_broker(self) -> None:
        """All that it held is gone, whatever it had confirmed."""
        self._heap = [entry for entry in self._heap if not entry[2].is_stream]
        for way in self.ways:
            if way.is_stream:
                way.drop()
        self.counts["broker"] += 1

    # --- time ----------------------------------------------------------------------------------------

    def later(self, at_ms: float, way: Way, is_up: bool, what: Any) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (at_ms, self._pushed, way, way.session, is_up, what))

    def run(self, ms: int) -> None:
        """Let time pass."""
        end = self.now_ms + ms
        while self.now_ms < end:
            busy = self._heap or any(flow.flights for flow in self.sender.flows)
            due = min(end, self._next_say, self.now_ms + (50 if busy else 250))
            if self._heap:
                due = min(due, int(self._heap[0][0]) + 1)
            self.now_ms = max(self.now_ms + 1, due)
            self._step()

    def settle(self, most_ms: int = 3_600_000) -> None:
        """Say no more, and run until the gateway's spool is empty."""
        self._next_say = self._next_event = 2**60
        end = self.now_ms + most_ms
        while self.now_ms < end and (self.sender.waiting_rows() or self.spool.count()):
            self.run(500)

    def fault(self, ms: int, begin: Callable[[], None], finish: Callable[[], None]) -> None:
        """A fault that lasts: `begin`, time, `finish`."""
        start = self.now_ms
        begin()
        self.run(ms)
        finish()
        self.faults.append((start, self.now_ms))

    def _step(self) -> None:
        self.clock.now = self.t0_utc_ms + self.now_ms + self.hub_error_ms
        while self._heap and self._heap[0][0] <= self.now_ms:
            _, _, way, session, is_up, what = heapq.heappop(self._heap)
            if way.is_stream and session != way.session:
                continue
            if is_up:
                self._to_hub(way, *what)
            else:
                self._to_edge(way, what)
        if not self.hub_stopped:
            self._hub_turn()
        for way in self.ways:
            way.maintain(self.rng)
        self._edge_turn()

    def _to_hub(self, way: Way, lane: Lane, data: bytes) -> None:
        at = mark(Datagram.FRAME, ("gateway", 1)) if not way.is_stream else topics.up("live", DEVICE, lane)
        self._waiting.append((at, data))

    def _hub_turn(self) -> None:
        batch, self._waiting = self._waiting[:1_200], self._waiting[1_200:]
        if batch:
            admitted = self.bench.ingest.admit(batch)
            self.bench.log.commit(admitted.commit)
            self.bench.ingest.settle(admitted, safe=True)
            for stored in admitted.commit.frames:
                for i in range(stored.n):
                    self.arrived_ms.setdefault((stored.boot, stored.stream, stored.row + i), self.now_ms)
        now_utc_ms = self.bench.hub_clock.now_ms()
        self.bench.ingest.acknowledge(
            lambda device, data: self.bench.ingest.paths.acknowledge(device, data, now_utc_ms)
        )

    def _to_edge(self, way: Way, data: bytes) -> None:
        ack = acks.unpack(data, self.key)
        if not way.is_stream:
            way.heard_ms = self.now_ms
        self.boot_clock.hear(ClockSource.HUB, ack.t_hub_ms, self._mono_ms * 1_000_000)
        self.sender.on_ack(ack, self._mono_ms, way)

    @property
    def _mono_ms(self) -> int:
        return self.now_ms - self.start_ms

    # --- the emulator --------------------------------------------------------------------------------

    def _edge_turn(self) -> None:
        if self.now_ms >= self._next_say:
            self._next_say = self.now_ms + self._say_ms
            if self.has_gnss:
                t_utc_ms = self.t0_utc_ms + self.now_ms + self.gnss_error_ms
                self.boot_clock.hear(ClockSource.GNSS, t_utc_ms, self._mono_ms * 1_000_000)
            self._serial += 1
            self._keep(Stream.ROWS, Kind.STATE, {LAT: LAT_0 + self._serial, LON: 1_170_000_000})
        if self.now_ms >= self._next_event:
            self._next_event = self.now_ms + self._event_ms
            self.say_sos()
        if self.now_ms >= self._next_commit:
            self._next_commit = self.now_ms + 1_000
            self._commit()
        self.sender.pump(self._mono_ms)

    def say_sos(self) -> Key:
        self._serial += 1
        return self._keep(Stream.EVENTS, Kind.EVENT, {CODE: 1, EVENT_ID: self._serial, PHASE: 0})

    def _keep(self, stream: Stream, kind: Kind, values: dict[int, int]) -> Key:
        clock = self.boot_clock
        row = self.spool.append(stream, kind, Row(self._mono_ms, values), clock.utc_zero_ms, clock.source)
        key = (row.boot, row.stream, row.row)
        self.said[key] = Said(self._serial, self.now_ms, self.t0_utc_ms + self.now_ms)
        if stream == Stream.EVENTS:
            self._commit()
        self.sender.add(row)
        return key

    def _commit(self) -> None:
        pending = list(self.spool._pending)
        if self.spool.commit():
            for row in pending:
                self.said[row.boot, row.stream, row.row].kept = True

    # --- what it came to -----------------------------------------------------------------------------

    def stored(self) -> list[tuple[Key, int, int | None]]:
        """(number, serial, UTC) of every row of the hub's log, as an export gives it."""
        decoder = self.decoder = Decoder(self.bench.log, self.bench.keys.logged)
        out = []
        for stored in self.bench.log.all_frames(0, 2**52):
            for row in decoder.rows(stored, quarantined=True):
                field = 2 * 64 + EVENT_ID if row.kind == Kind.EVENT else 64 * Kind.STATE + LAT
                serial = row.values[field] - (0 if row.kind == Kind.EVENT else LAT_0)
                out.append(((row.boot, row.stream, row.row), serial, row.t_utc_ms))
        return out

    def outcome(self) -> Outcome:
        """Compare what was said with what is stored."""
        stored = self.stored()
        times = Counter(key for key, _, _ in stored)
        changed = sum(key not in self.said or self.said[key].serial != serial for key, serial, _ in stored)
        made = {key for key, said in self.said.items() if said.kept or key in times}
        missing = made - set(times)
        closed = self._closed({key[:2] for key in missing})
        shed = sum(any(a <= key[2] <= b for a, b in closed[key[:2]]) for key in missing)
        return Outcome(
            made=len(made), stored=len(times), shed=shed, unkept=len(self.said) - len(made),
            lost=len(missing) - shed, twice=sum(n - 1 for n in times.values()), changed=changed,
            worst_ms=max((self._delay_ms(key) for key in times), default=0), faults=self.counts,
        )  # fmt: skip

    def _closed(self, streams: set[tuple[int, int]]) -> dict[tuple[int, int], list[tuple[int, int]]]:
        """What the hub's own log says will never come."""
        out: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for boot, stream in streams:
            row = self.bench.log.coverage(DEVICE, boot, stream)
            flat = row.closed if row else []
            out[boot, stream] = list(zip(flat[::2], flat[1::2], strict=True))
        return out

    def _delay_ms(self, key: Key) -> int:
        """From its making, or from the end of the fault that held it up, to the hub's log."""
        arrived, base = self.arrived_ms[key], self.said[key].t_ms
        for start, end in self.faults:
            if base < end and arrived >= start:
                base = max(base, end)
        return max(0, arrived - base)

    def close(self) -> None:
        self.spool.close()
        self.bench.close()


def _copy(before: Path, after: Path) -> None:
    """The files of a program that was killed. Memory that processes share is made anew."""
    shutil.copytree(before, after, ignore=shutil.ignore_patterns("*-shm", "*.reserve"))
