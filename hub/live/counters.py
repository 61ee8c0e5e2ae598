"""Numbers about the hub's work, for /metrics, /healthz and the feed's `link`. Pure; plain dictionaries,
because a lock for every frame would cost more than the frame.
"""

from collections import Counter

DEVICES_MAX = 10_000
"""Devices counted one by one; refusals of further ones are only in the totals. Senders that are not enrolled
can name any number, so this must have a bound."""


class Counters:
    """What happened since the start."""

    def __init__(self) -> None:
        self.frames = 0
        self.rows = 0
        self.duplicates = 0
        self.gap_rows = 0
        self.batches = 0
        self.acks = 0
        self.quarantined_rows = 0
        self.dropped_full = 0
        self.commit_failures = 0
        self.events = 0
        self.reported_refused = 0
        self.reported_jumps = 0
        self.said_dropped = 0
        self.track_failures = 0
        self.refused: Counter[str] = Counter()
        self.refused_by_device: dict[int, Counter[str]] = {}
        self._minute = [(-1, 0)] * 60

    def refuse(self, reason: str, device: int | None, now_ms: int) -> None:
        """One frame was refused. `device` None: not even a topic of ours."""
        self.refused[reason] += 1
        second = now_ms // 1000
        stamp, count = self._minute[second % 60]
        self._minute[second % 60] = (second, count + 1 if stamp == second else 1)
        if device is not None:
            known = self.refused_by_device.get(device)
            if known is None and len(self.refused_by_device) < DEVICES_MAX:
                known = self.refused_by_device.setdefault(device, Counter())
            if known is not None:
                known[reason] += 1

    def refused_last_minute(self, now_ms: int) -> int:
        second = now_ms // 1000
        return sum(count for stamp, count in self._minute if 0 <= second - stamp < 60)
