"""One wide bearer as the sender sees it: what flies on it, how much may, and how it has done.

Enters: frames that were sent, acknowledgements, the time. Leaves: whether there is room, what was not answered in time,
delay and loss. Pure. Caller: `edge.sender`.

In flight are at most `WINDOW_MAX` frames and as many bytes as the way was measured to carry in `IN_FLIGHT_MS`, so that
what is urgent never stands behind minutes of a slow link's queue. **Source:** the measure is that of BBR: bytes
acknowledged between a frame's sending and its answer, of which the largest lately counts (Cardwell and others, ACM
Queue 14 (2016) 5).
"""

from collections import deque
from dataclasses import dataclass

from edge.bearers.interface import Bearer
from protocols.catalog import BearerState, Lane

WINDOW_MAX = 20
"""Frames in flight. **Source:** measured: paho's memory grows with its queue, so it is fed at most 20."""
TIMEOUT_MS_MIN = 3_000
TIMEOUT_MS_MAX = 60_000
TIMEOUT_RTTS = 4
IN_FLIGHT_MS = 2_000
BYTES_FIRST = 512
"""In flight while nothing is measured: a second or so of the slowest link there is."""
SLOW_BPS = 1_000
"""On a way as slow as this nothing else queues up while an alarm waits for its answer."""
RATE_SAMPLES = 10
RATE_MS = 30_000
SMOOTH = 8
LOSS_SMOOTH = 32

Key = tuple[int, int]


@dataclass(slots=True)
class Flight:
    """A frame that waits for its acknowledgement. `starved`: there was room for more when it went, so its time says
    nothing against the way's rate. `delivered` counts at its sending. `is_probe`: its rows wait for nothing."""

    key: Key
    first: int
    last: int
    lane: Lane
    sent_ms: int
    size: int
    is_probe: bool = False
    delivered: int = 0
    starved: bool = False


class Flow:
    """The state of one bearer."""

    def __init__(self, bearer: Bearer) -> None:
        self.bearer = bearer
        self.flights: list[Flight] = []
        self.hello: deque[bytes] = deque()
        self.was_up = False
        self.live_due_ms = 0
        self.live_run = 0
        self.probe_due_ms = 0
        self.rtt_ms: int | None = None
        self.ok_ms: int | None = None
        self._asked_ms: int | None = None
        self.loss_permille: float = 0.0
        self.frames = 0
        self.bytes = 0
        self.row_bytes = 40.0
        self._window = WINDOW_MAX
        self._timeout_ms = TIMEOUT_MS_MIN
        self._delivered = 0
        self._rates: deque[tuple[int, float]] = deque(maxlen=RATE_SAMPLES)
        self._rate: float | None = None
        self._full_rate: float | None = None

    # --- room --------------------------------------------------------------------------------------

    @property
    def rate_bps(self) -> float | None:
        """Bytes a second that the way was measured to carry."""
        return self._rate

    @property
    def is_slow(self) -> bool:
        """Whether it was full lately and carried as little as SLOW_BPS."""
        return self._full_rate is not None and max(self._full_rate, self._rate or 0) < SLOW_BPS

    @property
    def flying_bytes(self) -> int:
        return sum(flight.size for flight in self.flights)

    @property
    def allowed_bytes(self) -> int:
        """How many may fly."""
        measured = 0 if self._rate is None else int(self._rate * IN_FLIGHT_MS / 1_000)
        return max(BYTES_FIRST, measured)

    def has_room(self) -> bool:
        """Whether another frame may go. One always may."""
        if not self.flights:
            return True
        return len(self.flights) < self._window and self.flying_bytes < self.allowed_bytes

    def size_max(self) -> int:
        """Bytes of the next frame, so that no frame fills the way for longer than IN_FLIGHT_MS."""
        return min(self.bearer.traits.mtu, self.allowed_bytes)

    def rows_max(self, most: int) -> int:
        """Rows that fit a frame by what rows took before."""
        return max(1, min(most, int((self.size_max() - 40) / self.row_bytes)))

    # --- what happens ------------------------------------------------------------------------------

    def sent(self, flight: Flight, rows: int) -> None:
        """A frame was handed over."""
        flight.delivered = self._delivered
        self.flights.append(flight)
        self._asked_ms = flight.sent_ms if self._asked_ms is None else self._asked_ms
        flight.starved = self.has_room()
        self.count(flight.size)
        if rows > 1:
            self.row_bytes += (max(1.0, (flight.size - 40) / rows) - self.row_bytes) / 4

    def count(self, size: int) -> None:
        self.frames += 1
        self.bytes += size

    def answered(self, key: Key, missing: list[Flight], t_mono_ms: int, *, is_mine: bool) -> None:
        """All flights of `key` but the `missing` ones are safe. `is_mine`: the answer came by this bearer."""
        keep = {id(flight) for flight in missing}
        done = [flight for flight in self.flights if flight.key == key and id(flight) not in keep]
        self.flights = [flight for flight in self.flights if flight.key != key or id(flight) in keep]
        if is_mine:
            self.ok_ms, self._asked_ms = t_mono_ms, None
            self._timeout_ms = self._base_timeout_ms()
        for flight in done:
            self._delivered += flight.size
            self._window = min(WINDOW_MAX, self._window + 1)
            if is_mine:
                self.loss_permille += (0 - self.loss_permille) / LOSS_SMOOTH
                self._measure(flight, t_mono_ms)

    def _measure(self, flight: Flight, t_mono_ms: int) -> None:
        took_ms = max(1, t_mono_ms - flight.sent_ms)
        self.rtt_ms = took_ms if self.rtt_ms is None else self.rtt_ms + (took_ms - self.rtt_ms) // SMOOTH
        rate = (self._delivered - flight.delivered) * 1_000 / took_ms
        if not flight.starved:
            self._full_rate = rate
        if self._rate is not None and flight.starved and rate <= self._rate:
            return
        self._rates.append((t_mono_ms, rate))
        while self._rates[0][0] < t_mono_ms - RATE_MS:
            self._rates.popleft()
        self._rate = max(sample for _, sample in self._rates)

    def expire(self, t_mono_ms: int) -> list[Flight]:
        """What was not answered in time; it is to go again, slower each time while nothing at all is answered."""
        waiting: list[Flight] = []
        late: list[Flight] = []
        for flight in self.flights:
            (late if t_mono_ms - flight.sent_ms >= self._limit_ms(flight) else waiting).append(flight)
        self.flights = waiting
        for _ in late:
            self.loss_permille += (1_000 - self.loss_permille) / LOSS_SMOOTH
        rows = [flight for flight in late if flight.lane != Lane.SOS]
        if rows:
            self._window = max(1, self._window // 2)
            if self.ok_ms is None or self.ok_ms < min(flight.sent_ms for flight in rows):
                self._timeout_ms = min(TIMEOUT_MS_MAX, 2 * self._timeout_ms)
        return late

    def _limit_ms(self, flight: Flight) -> int:
        if flight.lane == Lane.SOS:
            return self.bearer.traits.event_repeat_ms
        return TIMEOUT_MS_MIN if flight.is_probe else self._timeout_ms

    def _base_timeout_ms(self) -> int:
        return min(TIMEOUT_MS_MAX, max(TIMEOUT_MS_MIN, TIMEOUT_RTTS * (self.rtt_ms or 0)))

    def take_back(self, lane: Lane) -> list[Flight]:
        """Another bearer has the lane from now on: what flies here on it is to go there."""
        gone = [flight for flight in self.flights if flight.lane == lane]
        self.flights = [flight for flight in self.flights if flight.lane != lane]
        self._window, self._timeout_ms = WINDOW_MAX, TIMEOUT_MS_MIN
        return gone

    def restart(self) -> list[Flight]:
        """The way is new: what flew is to go again, and nothing of what was measured holds."""
        gone, self.flights = self.flights, []
        self._window, self._timeout_ms = WINDOW_MAX, TIMEOUT_MS_MIN
        self._rates.clear()
        self._rate = self._full_rate = self.rtt_ms = self._asked_ms = None
        return gone

    # --- how it does -------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        return self.bearer.state == BearerState.UP

    @property
    def is_open(self) -> bool:
        """Whether an alarm may be tried on it."""
        return self.bearer.state in (BearerState.UP, BearerState.CONNECTING)

    def delay_ms(self, t_mono_ms: int) -> int:
        """What a frame takes to its answer: as it was, or as long as one has been waited for in vain."""
        oldest_ms = min((flight.sent_ms for flight in self.flights), default=t_mono_ms)
        asked_ms = t_mono_ms if self._asked_ms is None else self._asked_ms
        return max(t_mono_ms - oldest_ms, t_mono_ms - asked_ms, self.rtt_ms or 0)
