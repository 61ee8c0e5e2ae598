"""The devices of a load run: cheap authentic frames, what was acknowledged, how long it took.

Enters: keys, times, acknowledgement bytes. Leaves: frames and figures. Pure: time is an argument. Caller:
`sim.load`. A frame is made once by `protocols.frame`; afterwards only its row number, time and MAC change,
and its columns alternate between a few prepared ones, which costs a fifth of packing anew.
"""

import math
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack

from protocols import acks, frame
from protocols.catalog import PAGE_BITS, ClockSource, Kind, Lane, Stream, field_id
from protocols.errors import AckError
from protocols.frame import Row
from protocols.intervals import Intervals
from protocols.keys import MAC_BYTES, MacKey
from protocols.units import METRES_PER_DEG_LAT

VARIANTS = 4
WAITING_MAX = 60
"""Frames of one device whose acknowledgement is timed; older ones are still counted, no longer timed."""
BUCKET_MS = 0.1
BUCKETS = 600_000


class Histogram:
    """Latencies in buckets of 0.1 ms up to 60 s; what is longer stands in the last one."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * BUCKETS))
        self.count = 0
        self.max_ms = 0.0

    def add(self, latency_ms: float) -> None:
        latency_ms = max(0.0, latency_ms)
        self._counts[min(BUCKETS - 1, int(latency_ms / BUCKET_MS))] += 1
        self.count += 1
        self.max_ms = max(self.max_ms, latency_ms)

    def quantile_ms(self, part: float) -> float | None:
        """The upper edge of the bucket that holds this part (0–1) of all; None when nothing was added."""
        wanted, seen = math.ceil(part * self.count), 0
        if not self.count:
            return None
        for i, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return round(min(self.max_ms, (i + 1) * BUCKET_MS), 1)
        return self.max_ms

    def summary(self) -> dict[str, float | int | None]:
        """The keys of a latency in the JSON report; documented in sim/README.md."""
        return {
            "count": self.count,
            "p50_ms": self.quantile_ms(0.5),
            "p90_ms": self.quantile_ms(0.9),
            "p99_ms": self.quantile_ms(0.99),
            "max_ms": round(self.max_ms, 1) if self.count else None,
        }


@dataclass(slots=True)
class _Sender:
    """One device: its prepared parts, its next row, and what the hub said it holds."""

    device: int
    mac_key: MacKey
    head: bytes
    tails: list[bytes]
    next_row: int
    waiting: deque[tuple[int, float]]
    acked: Intervals


class Fleet:
    """`count` devices from `first_device` on. `key_of` gives each device's key."""

    def __init__(
        self,
        count: int,
        first_device: int,
        key_of: Callable[[int], MacKey],
        *,
        boot: int,
        utc_zero_ms: int,
        rows_per_frame: int,
        row_ms: int,
        centre: tuple[float, float] = (36.65, 117.0),
    ) -> None:
        self._boot, self._utc_zero_ms = boot, utc_zero_ms
        self._rows, self._row_ms = rows_per_frame, row_ms
        self._packer = msgpack.Packer()
        self._span_ms = (rows_per_frame - 1) * row_ms
        self.first_device = first_device
        self.acks_bad = 0
        self.rows_sent = 0
        self.ack_latency = Histogram()
        self.senders = [
            self._sender(i, first_device + i, key_of(first_device + i), count, centre) for i in range(count)
        ]

    def _sender(self, i: int, device: int, key: MacKey, count: int, centre: tuple[float, float]) -> _Sender:
        side = math.ceil(math.sqrt(count))
        lat_deg, lon_deg = centre[0] + i // side * 0.001, centre[1] + i % side * 0.001
        tails = []
        for variant in range(VARIANTS):
            elements = self._elements(device, key, lat_deg, lon_deg, variant)
            head = b"\x9b" + b"".join(self._packer.pack(element) for element in elements[:4])
            tails.append(b"".join(self._packer.pack(element) for element in elements[6:]))
        return _Sender(device, key, head, tails, 0, deque(maxlen=WAITING_MAX), Intervals())

    def _elements(self, device: int, key: MacKey, lat_deg: float, lon_deg: float, variant: int) -> list[Any]:
        """A real frame's elements: walking round a square of a few metres with all thirteen fields."""
        angle = variant * math.pi / 2
        rows = [Row(n * self._row_ms, _values(lat_deg, lon_deg, angle + n / 10)) for n in range(self._rows)]
        data = frame.pack(
            key,
            kind=Kind.STATE,
            lane=Lane.LIVE,
            device=device,
            boot=self._boot,
            stream=Stream.ROWS,
            row=0,
            rows=rows,
            utc_zero_ms=self._utc_zero_ms,
            clock_source=ClockSource.SYSTEM,
        )
        elements: list[Any] = msgpack.unpackb(data[:-MAC_BYTES])
        return elements

    def frame(self, i: int, t_utc_ms: float) -> bytes:
        """The next frame of device `i`. Its newest row's time is `t_utc_ms`, the moment of publishing."""
        sender = self.senders[i]
        row = sender.next_row
        t_mono_ms = int(t_utc_ms) - self._utc_zero_ms - self._span_ms
        pack = self._packer.pack
        tail = sender.tails[row // self._rows % VARIANTS]
        data = sender.head + pack(row << 2 | Stream.ROWS) + pack(max(0, t_mono_ms)) + tail
        sender.next_row = row + self._rows
        sender.waiting.append((sender.next_row - 1, t_utc_ms))
        self.rows_sent += self._rows
        return bytes(data + sender.mac_key.up(data))

    def on_ack(self, device: int, payload: bytes, t_utc_ms: float) -> None:
        """An acknowledgement for a device arrived."""
        index = device - self.first_device
        if not 0 <= index < len(self.senders):
            return
        sender = self.senders[index]
        try:
            ack = acks.unpack(payload, sender.mac_key)
        except AckError:
            self.acks_bad += 1
            return
        if ack.boot != self._boot or ack.stream != Stream.ROWS:
            return
        for first, last in ((0, ack.watermark - 1), *ack.ranges):
            sender.acked.add(first, last)
        for _ in range(len(sender.waiting)):
            row, sent_ms = sender.waiting.popleft()
            if row in sender.acked:
                self.ack_latency.add(t_utc_ms - sent_ms)
            else:
                sender.waiting.append((row, sent_ms))

    def rows_acked(self) -> int:
        """Rows that the hub said it holds."""
        return sum(
            sender.next_row - sum(b - a + 1 for a, b in sender.acked.missing(0, sender.next_row - 1))
            for sender in self.senders
        )


_BITS = [
    field_id(name) % PAGE_BITS
    for name in (
        *("lat_deg_e7", "lon_deg_e7", "alt_dm", "speed_dmps", "course_deg", "battery_pct", "heart_bpm"),
        *("lel_permille", "o2_permille", "co_ppm", "h2s_dppm"),
    )
]


def _values(lat_deg: float, lon_deg: float, angle: float) -> dict[int, int]:
    """A row with the thirteen fields (time and device are the frame's), 10 m from a point."""
    lat_e7 = round((lat_deg + 10 * math.cos(angle) / METRES_PER_DEG_LAT) * 1e7)
    lon_e7 = round((lon_deg + 10 * math.sin(angle) / METRES_PER_DEG_LAT) * 1e7)
    course_deg = round(math.degrees(angle) + 90) % 360
    return dict(zip(_BITS, (lat_e7, lon_e7, 300, 10, course_deg, 80, 95, 1, 209, 0, 0), strict=True))
