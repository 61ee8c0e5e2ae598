"""When to acknowledge what. Pure; the clock is an argument.

Enters: notes of what was committed. Leaves: (device, boot, stream) that are due, with refused rows. SOS and
receipts, repeats and history are said at once; live rows together, so that a device hears once a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

LIVE_FRAMES_MAX = 8
LIVE_WAIT_MS = 1_000
REFUSED_MAX = 32

Key = tuple[int, int, int]


@dataclass(slots=True)
class Pending:
    """What one stream is owed."""

    since_ms: int
    frames: int = 0
    refused: list[tuple[int, int]] = field(default_factory=list)


class AckSchedule:
    """Streams that are owed an acknowledgement. At most one entry a stream."""

    def __init__(self) -> None:
        self._pending: dict[Key, Pending] = {}  # longest waiting first, so that `due` looks at few
        self._urgent: dict[Key, None] = {}

    def note(self, key: Key, now_ms: int, *, urgent: bool, refused: Sequence[tuple[int, int]] = ()) -> None:
        """Rows of this stream are safe (again)."""
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = Pending(now_ms)
        pending.frames += 1
        if refused:
            pending.refused = [*pending.refused, *refused][-REFUSED_MAX:]
        if urgent or refused or pending.frames >= LIVE_FRAMES_MAX:
            self._urgent[key] = None

    def due(self, now_ms: int) -> list[tuple[Key, list[tuple[int, int]]]]:
        """Those to send now; they are owed nothing any more."""
        due, self._urgent = self._urgent, {}
        for key, pending in self._pending.items():
            if 0 <= now_ms - pending.since_ms < LIVE_WAIT_MS:
                break
            due[key] = None
        return [(key, self._pending.pop(key).refused) for key in due]
