"""The BeiDou bearer: narrow-band frames as short messages of a terminal that is on one of the gateway's ports.

Enters: messages of 78 to 1,750 bytes, as the card allows. Leaves: messages of other cards. Callers:
`edge.narrow_sender`, `edge.agent`. The terminal takes one message a card interval, and none without a beam or under
an inhibit; it says so, and is obeyed.
"""

import time
from collections.abc import Callable

from edge.apart_worker import Worker
from edge.bearers.interface import BearerStats, Traits
from edge.config import RdssConfig
from edge.serial_worker import SerialWorker
from firmware_bridge.rdss import RdssDriver
from protocols.brief import is_broadcast
from protocols.catalog import Bearer, BearerState, Lane

MTU_BEFORE_CARD = 78
"""**Source:** BD 2.1, the smallest message of a card of level 3."""


class RdssBearer:
    """One terminal."""

    def __init__(
        self, config: RdssConfig, port: Worker, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._config = config
        self._port = port
        self._clock_ns = clock_ns
        self._quiet_until_ns = 0
        self.stats = BearerStats()

    @property
    def _driver(self) -> RdssDriver | None:
        driver = self._port.driver if isinstance(self._port, SerialWorker) else None
        return driver if isinstance(driver, RdssDriver) and self._port.fileno() is not None else None

    @property
    def traits(self) -> Traits:
        driver = self._driver
        mtu = (driver.size_max if driver is not None else 0) or MTU_BEFORE_CARD
        return Traits(
            Bearer.RDSS,
            self._config.name,
            self._config.cost,
            mtu,
            event_repeat_ms=0,
            history=False,
            is_private=False,
        )

    @property
    def everybody(self) -> int:
        """The broadcast number of the card's group, 0 where it is not known: then nothing is sent to all."""
        return self._config.broadcast

    @property
    def duty_permille(self) -> int | None:
        """Of the card's interval, how much is still to be waited for."""
        driver = self._driver
        if driver is None or driver.card is None or not driver.card.interval_s:
            return None
        return min(1_000, 1_000 * driver.wait_s // driver.card.interval_s)

    @property
    def state(self) -> BearerState:
        driver = self._driver
        if driver is None or not driver.size_max:
            return BearerState.DOWN
        return BearerState.HELD if driver.why_not() else BearerState.UP

    def ready(self, lane: Lane) -> bool:
        """Whether a message of this lane may go now."""
        if self.state != BearerState.UP:
            return False
        return lane == Lane.SOS or self._clock_ns() >= self._quiet_until_ns

    def publish(self, lane: Lane, data: bytes, to: int = 0) -> bool:
        """Give the terminal one message, for card `to` or the one of the configuration."""
        driver = self._driver
        if driver is None or (is_broadcast(data) and not to):
            return False
        now_ns = self._clock_ns()
        why = driver.send(to or self._config.to, data, now_ns)
        if why:
            self.stats.last_error = why
            return False
        self._quiet_until_ns = now_ns + round(self._config.every_s * 1e9)
        return True

    def taken(self) -> list[tuple[int, bytes]]:
        """(card, message) that came since; what was written by people is not ours."""
        driver = self._driver
        if driver is None:
            return []
        found = [(one.sender, one.body) for one in driver.taken if not one.is_text]
        driver.taken.clear()
        return found
