"""Brings the list of commanders' keys to every device that can judge it, again until the device says it holds it.

Enters: what devices report in their health (`key_list`), the list that holds. Leaves: messages on `…/o`. No receipt is
needed: a device that was off, or lost the message, still reports the old number. Callers: `hub.app`, each second.
"""

from collections.abc import Callable, Iterator

import numpy as np

from hub.identity.commanders import Standing
from hub.identity.keys import KeyRing
from hub.live.picture import CHANNEL, Picture
from hub.live.units import Units
from protocols import orders

HEARD_MS = 60_000
"""A device that was silent for longer is told when it speaks again."""
AGAIN_MS = 30_000
AT_ONCE_MAX = 500
"""Messages a second: a province's devices do not crowd out acknowledgements."""


class ListSender:
    """Which device was sent which list when. Devices without an identity of their own know no signer: none for them."""

    def __init__(
        self,
        standing: Callable[[], Standing],
        can_judge: Callable[[], set[int]],
        units: Units,
        picture: Picture,
        keys: KeyRing,
        publish: Callable[[int, bytes], None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._standing = standing
        self._can_judge = can_judge
        self._units = units
        self._picture = picture
        self._keys = keys
        self._publish = publish
        self._clock_ms = clock_ms
        self._sent: dict[int, tuple[int, int]] = {}  # device -> (number, when)

    def step(self) -> None:
        """Send what is due."""
        standing, now_ms = self._standing(), self._clock_ms()
        due = [device for device in self._behind(standing, now_ms) if self._is_due(device, standing, now_ms)]
        for device in due[:AT_ONCE_MAX]:
            key = self._keys.get(device)
            if key is not None:
                self._publish(device, orders.pack_down(orders.What.KEYS, standing.signed, key))
                self._sent[device] = (standing.number, now_ms)

    def behind(self) -> int:
        """How many devices that are heard do not hold the newest list."""
        return sum(1 for _ in self._behind(self._standing(), self._clock_ms()))

    def _is_due(self, device: int, standing: Standing, now_ms: int) -> bool:
        number, sent_ms = self._sent.get(device, (0, 0))
        return number != standing.number or not 0 <= now_ms - sent_ms < AGAIN_MS

    def _behind(self, standing: Standing, now_ms: int) -> Iterator[int]:
        if not standing.number:
            return
        n = len(self._units.rows)
        channel = CHANNEL["key_list"]
        held = np.where(np.isnan(self._picture.time[channel, :n]), -1, self._picture.value[channel, :n])
        late = (self._picture.t_rx[:n] > now_ms - HEARD_MS) & (held != standing.number)
        judges = self._can_judge()
        for slot in np.flatnonzero(late):
            device = self._units.device_of(int(slot))
            if device in judges:
                yield device
