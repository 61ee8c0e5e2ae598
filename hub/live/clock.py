"""Three clocks kept apart: the hub's, GNSS's as devices tell it, and each boot's own.

Enters: arrival times and what frames say of their clocks. Leaves: hub time, and the UTC of a boot's zero,
proven or estimated. Pure: the raw hub clock is an argument.

A datum cannot come from the future. So when three or more devices with GNSS time, and more than half of those
heard, are ahead of the hub by more than 30 s and agree with one another, the hub's clock is wrong and their
median is used. The other way round proves nothing: old data looks just like a fast hub clock, and "correcting"
it would show stale units as live. That is only counted and shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

AHEAD_MS_MAX = 30_000
WITNESSES_MIN = 3
WITNESS_AGREE_MS = 10_000
WITNESS_MEMORY_MS = 60_000
WITNESSES_MAX = 256
BOOTS_MAX = 65_536


class HubClock:
    """Hub time = the machine's clock + an offset that GNSS witnesses may force."""

    def __init__(self, raw_ms: Callable[[], int]) -> None:
        self._raw_ms = raw_ms
        self._witnesses: dict[int, tuple[int, int]] = {}  # device -> (raw ms when heard, how far ahead)
        self.offset_ms = 0

    def now_ms(self) -> int:
        return self._raw_ms() + self.offset_ms

    @property
    def suspect(self) -> bool:
        return self.offset_ms != 0

    def witness(self, device: int, t_utc_ms: int) -> None:
        """A live frame of a GNSS-timed device says that it is `t_utc_ms` or later."""
        raw = self._raw_ms()
        if device not in self._witnesses and len(self._witnesses) >= WITNESSES_MAX:
            if t_utc_ms - raw <= AHEAD_MS_MAX:
                return  # enough honest ones are known
            del self._witnesses[next(iter(self._witnesses))]
        self._witnesses[device] = (raw, t_utc_ms - raw)

    def judge(self) -> bool:
        """Weigh the witnesses, about once a second; True when the offset changed."""
        raw = self._raw_ms()
        heard = {d: w for d, w in self._witnesses.items() if 0 <= raw - w[0] <= WITNESS_MEMORY_MS}
        self._witnesses = heard
        ahead = [by for _, by in heard.values()]
        offset = _agreed(ahead) if ahead else self.offset_ms
        if abs(offset - self.offset_ms) < 1_000 or (not ahead and self.suspect):
            return False
        self.offset_ms = offset
        return True


def _agreed(ahead_ms: list[int]) -> int:
    """How far the hub is behind by the word of its witnesses; 0 when they do not prove it."""
    middle = int(median(ahead_ms))
    agreeing = [by for by in ahead_ms if abs(by - middle) <= WITNESS_AGREE_MS]
    proven = middle > AHEAD_MS_MAX and len(agreeing) >= WITNESSES_MIN and 2 * len(agreeing) > len(ahead_ms)
    return int(median(agreeing)) if proven else 0


@dataclass(slots=True)
class BootClock:
    """One boot's zero in UTC. Unproven, it is the least of (arrival - boot time): the truth is not later."""

    zero_ms: int
    proven: bool


class BootClocks:
    """Zeros of boots, the latest heard first to stay."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], BootClock] = {}

    def get(self, device: int, boot: int) -> BootClock | None:
        return self._known.get((device, boot))

    def tell(self, device: int, boot: int, zero_ms: int) -> int | None:
        """A frame told the boot's zero. None: known already; else what to add to estimated times (ms)."""
        clock = self._known.get((device, boot))
        if clock is None:
            self._put(device, boot, BootClock(zero_ms, True))
            return 0
        if clock.proven:
            clock.zero_ms = zero_ms  # each frame carries its own; this is for frames that carry none
            return None
        change = zero_ms - clock.zero_ms
        clock.zero_ms, clock.proven = zero_ms, True
        return change

    def estimate(self, device: int, boot: int, t_mono_ms: int, t_hub_ms: int) -> tuple[int, int]:
        """A row without UTC arrived: (zero to use, what to add to this boot's earlier estimates)."""
        clock = self._known.get((device, boot))
        guess = t_hub_ms - t_mono_ms
        if clock is None:
            self._put(device, boot, BootClock(guess, False))
            return guess, 0
        if clock.proven or guess >= clock.zero_ms:
            return clock.zero_ms, 0
        change, clock.zero_ms = guess - clock.zero_ms, guess
        return guess, change

    def _put(self, device: int, boot: int, clock: BootClock) -> None:
        if len(self._known) >= BOOTS_MAX:
            del self._known[next(iter(self._known))]
        self._known[device, boot] = clock
