"""How an order is sent to one device: how often, and in which form by which ways.

Enters: an order and one of its devices. Leaves: ORDER and BRIEF messages. Caller: `hub.live.outbox`.

Every 2 s for a minute, every 10 s for ten minutes, then when the device has been heard again, at most once a minute. By
ways of few bytes (LoRa, BeiDou) once a minute at most, and only when no wide one was heard of late or an urgent order
had no answer; there an order goes in its brief form, or whole when it has none and is small.

A commander's key may end while an order is still under way, as at the end of a shift. Devices then take the signature
for a stranger's. So an evacuation or retreat goes on in its brief form, under the hub's word that it was signed when it
was given; an all-clear stops: whoever commands now has to give it.
"""

import logging
from collections.abc import Callable

from hub.identity.keys import KeyRing
from hub.live.outbox_broadcast import Broadcasts
from hub.live.outbox_state import Entry, Target
from hub.live.paths import NARROW_BYTES, NARROW_MS, Paths
from hub.live.picture import Picture
from hub.live.units import Units
from protocols import brief, orders
from protocols.errors import OrderError
from protocols.keys import MacKey
from protocols.orders import SIGNED, What

log = logging.getLogger(__name__)
FAST_MS, FAST_FOR_MS = 2_000, 60_000
SLOW_MS, SLOW_FOR_MS = 10_000, 600_000
AGAIN_MS = 60_000
"""After that: as long as the device is heard, and says nothing of the order."""
WIDE_HEARD_MS = 30_000
"""A device that was heard by a wide way within this needs no narrow one yet."""
NARROW_AFTER = 5
"""Messages without an answer after which an urgent order takes the narrow ways too."""


def pause_ms(age_ms: int) -> int:
    """Until it is looked at again. An age below 0: the clock was set back since, and nothing is known."""
    return SLOW_MS if FAST_FOR_MS <= age_ms < SLOW_FOR_MS else FAST_MS


class Sending:
    """Sends; what was sent stands in the target."""

    def __init__(
        self, units: Units, picture: Picture, keys: KeyRing, paths: Paths, broadcasts: Broadcasts
    ) -> None:
        self._units = units
        self._picture = picture
        self._keys = keys
        self._paths = paths
        self._broadcasts = broadcasts
        self.holds: Callable[[str], bool] = lambda _key_id: (
            True
        )  # whether a commander's key is on the newest list

    def once(self, entry: Entry, target: Target, now_ms: int) -> bool:
        """Send, if the device is with a unit of this order and it is of use now. Whether it was sent."""
        slot = self._units.slot_at(target.device, now_ms)
        unit = None if slot is None else self._units.rows[slot].id
        key = self._keys.get(target.device)
        if (
            slot is None
            or unit not in entry.units
            or key is None
            or not self._is_of_use(target, slot, now_ms)
        ):
            return False
        over = entry.order.type in SIGNED and not all(self.holds(mark) for mark, _, _ in entry.row.signatures)
        if over and not entry.never_late:
            return False
        by_narrow = self._needs_narrow(entry, target, now_ms)
        try:
            data, narrow = _packed(entry, key, narrow=by_narrow, whole=not over)
        except OrderError:
            log.exception("order %d cannot be packed", entry.order.seq)
            return False
        self._paths.send(target.device, data, now_ms, narrow=narrow)
        if by_narrow:
            target.narrow_ms = now_ms
        target.sent += 1
        target.last_ms = now_ms
        return True

    def _is_of_use(self, target: Target, slot: int, now_ms: int) -> bool:
        """After ten minutes only when the device has been heard since the last try. A NaN is no hearing."""
        if now_ms - target.since_ms < SLOW_FOR_MS or not target.last_ms:
            return True
        heard = bool(self._picture.t_rx[slot] > target.last_ms)
        return heard and not 0 <= now_ms - target.last_ms < AGAIN_MS

    def _needs_narrow(self, entry: Entry, target: Target, now_ms: int) -> bool:
        if self._broadcasts.covers(entry, target.device, now_ms):
            return False
        if target.narrow_ms and 0 <= now_ms - target.narrow_ms < NARROW_MS:
            return False
        urgent = entry.order.type in SIGNED and target.sent >= NARROW_AFTER
        return urgent or not self._paths.is_wide(target.device, now_ms, WIDE_HEARD_MS)


def _packed(entry: Entry, key: MacKey, *, narrow: bool, whole: bool) -> tuple[bytes, bytes]:
    """The message for wide ways, and the one for narrow ones: b"" for none. `whole` False: the signature is over."""
    short = brief.pack_brief(entry.order) if narrow or not whole else b""
    said = [orders.Signature(bytes.fromhex(k), bytes.fromhex(s)) for k, s, _ in entry.row.signatures]
    full = orders.pack_down(What.ORDER, orders.pack_signed(entry.row.core, said), key)
    little = orders.pack_down(What.BRIEF, short, key) if short else b""
    if not little and len(full) <= NARROW_BYTES:
        little = full
    return full if whole else little, little if narrow else b""
