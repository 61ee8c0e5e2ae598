"""One direction of a bad link: which packets are lost, and when the others arrive. Pure; the time is an argument.

Enters: sizes of packets and the time. Leaves: times of arrival. Callers: `sim.net.relays`, `sim.net.tun`, tests that
run in virtual time. The same seed gives the same fates in the same order of packets, however fast the machine is.
"""

import random
from dataclasses import dataclass, fields
from typing import Any

RETRANSMIT_MS_MIN, RETRANSMIT_MS_MAX = 200.0, 60_000.0
"""How long TCP waits before it says something again: twice as long each time. **Source:** RFC 6298, 2.4 and 5.5."""


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """What is wrong with a link. Shares are 0–1, times ms, `rate_bps` bits a second with 0 for no limit; `queue_ms`
    is how much may wait in front of it before packets are dropped."""

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    rate_bps: float = 0.0
    queue_ms: float = 5_000.0

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"link: {name} {getattr(self, name)!r}, 0–1 allowed")
        for name in ("delay_ms", "jitter_ms", "rate_bps", "queue_ms"):
            if not 0 <= getattr(self, name) < 1e12:
                raise ValueError(f"link: {name} {getattr(self, name)!r}, 0 or more needed")

    @classmethod
    def of(cls, text: str) -> "LinkSpec":
        """`loss=0.3,rate_bps=1200`; ValueError names what is wrong."""
        known = {spec.name for spec in fields(cls)}
        values: dict[str, Any] = {}
        for part in filter(None, text.split(",")):
            name, _, number = part.partition("=")
            if name not in known:
                raise ValueError(f"link: {name!r} is unknown; known are {', '.join(sorted(known))}")
            try:
                values[name] = float(number)
            except ValueError:
                raise ValueError(f"link: {name}={number!r}, a number is needed") from None
        return cls(**values)


class Link:
    """One direction. `cut` True: nothing arrives, and nothing says so."""

    def __init__(self, spec: LinkSpec, seed: int) -> None:
        self.spec = spec
        self.cut = False
        self.sent = self.lost = self.doubled = 0
        self._rng = random.Random(seed)
        self._free_ms = 0.0
        self._last_ms = 0.0

    def packet(self, size: int, t_ms: float) -> list[float]:
        """When copies of a packet of `size` bytes arrive: none, one or two times."""
        fate = [
            self._rng.random() for _ in range(4)
        ]  # always as many, so that one fate does not shift the next
        self.sent += 1
        spec = self.spec
        start_ms = max(t_ms, self._free_ms)
        if self.cut or fate[0] < spec.loss or start_ms - t_ms > spec.queue_ms:
            self.lost += 1
            if not self.cut and start_ms - t_ms <= spec.queue_ms:
                self._occupy(size, start_ms)  # lost behind the bottleneck: it took its time
            return []
        self._occupy(size, start_ms)
        arrive_ms = self._free_ms + spec.delay_ms + fate[1] * spec.jitter_ms
        if fate[2] < spec.reorder:
            arrive_ms += max(spec.delay_ms, 10.0) * 2
        if fate[3] < spec.duplicate:
            self.doubled += 1
            return [arrive_ms, arrive_ms + max(spec.delay_ms, 1.0)]
        return [arrive_ms]

    def chunk(self, size: int, t_ms: float) -> float:
        """When a piece of a stream arrives: nothing is lost, what TCP has to say again comes late, and in order."""
        start_ms = max(t_ms, self._free_ms)
        wait_ms = max(RETRANSMIT_MS_MIN, 2 * self.spec.delay_ms + RETRANSMIT_MS_MIN)
        while self._rng.random() < self.spec.loss:
            self.lost += 1
            self._occupy(size, start_ms)
            start_ms += wait_ms
            wait_ms = min(2 * wait_ms, RETRANSMIT_MS_MAX)
        self.sent += 1
        self._occupy(size, start_ms)
        arrive_ms = self._free_ms + self.spec.delay_ms + self._rng.random() * self.spec.jitter_ms
        self._last_ms = max(self._last_ms, arrive_ms)
        return self._last_ms

    def behind_ms(self, t_ms: float) -> float:
        """How much already waits in front of the bottleneck."""
        return max(0.0, self._free_ms - t_ms)

    def _occupy(self, size: int, start_ms: float) -> None:
        rate = self.spec.rate_bps
        self._free_ms = start_ms + (size * 8_000 / rate if rate else 0.0)
