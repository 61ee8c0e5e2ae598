"""One serial port with its driver: bytes in, samples out.

Enters: a `PortConfig`. Leaves: samples with the time their bytes came, through a callback. Called by
`edge.agent`. A device that comes back begins with an empty driver and is greeted again.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from edge.config import PortConfig
from edge.pins import Pins
from firmware_bridge.drivers import AUTO, DRIVERS, Driver, Settings, make_driver, score
from firmware_bridge.interface import Command
from firmware_bridge.ports import Port
from firmware_bridge.recognise import Recogniser
from firmware_bridge.rollover import Rollover
from protocols.samples import Identity, Sample
from protocols.units import NS_PER_MS

log = logging.getLogger("zhantu.edge.ports")

QUIET_MS = 100
"""After this much silence the driver is asked whether an epoch is complete."""
LOST_MESSAGES_MS = 10_000
"""Bytes but nothing valid for so long: the device's rate has changed, and is looked for again."""


class SerialWorker:
    """Keeps a port open and its driver fed and heard. The constructor does no I/O."""

    def __init__(
        self,
        config: PortConfig,
        on_sample: Callable[[Sample, int], None],
        device: int = 0,
        pins: Pins | None = None,
    ) -> None:
        """`device` is the gateway's number. `pins` remembers what a port with driver "auto" was recognised as."""
        self.name = config.name
        self._config = config
        self._on_sample = on_sample
        self._device = device
        self._pins = pins
        row = DRIVERS.get(config.driver)  # None for "auto"
        self._port = Port(
            config.path,
            baud=config.baud or None,
            score=row.score if row else partial(score, AUTO),
            bauds=row.bauds if row else (),
            probe=row.probe if row else b"",
        )
        self._role = config.driver
        self._driver: Driver = Recogniser()
        self._bad_before = 0
        self._good = 0
        self._good_ns = 0
        self._asked_ns = 0
        self.identity: Identity | None = None

    def _new_driver(self) -> Driver:
        if self._role == AUTO and self._pins is not None:
            self._role = self._pins.get(self._config.path) or AUTO
        if self._role == AUTO:
            return Recogniser()
        now_utc_ms = time.time_ns() // NS_PER_MS
        rollover = Rollover.live(now_utc_ms)
        return make_driver(self._role, Settings(rollover, self._config.options, self._device))

    @property
    def driver(self) -> Driver:
        """The driver of the device that is there: a bearer may ride on it."""
        return self._driver

    def fileno(self) -> int | None:
        return self._port.fileno()

    def maintain(self, t_mono_ns: int) -> None:
        """Reopen, search the rate, and let the driver close what silence completes."""
        if self._port.maintain(t_mono_ns) and self._port.fileno() is not None:
            self._begin(t_mono_ns)
        quiet_ns = t_mono_ns - max(self._port.stats.last_byte_mono_ns, self._asked_ns)
        if quiet_ns >= QUIET_MS * NS_PER_MS:
            self._asked_ns = t_mono_ns
            for sample in self._driver.idle(t_mono_ns):
                self._pass_on(sample, t_mono_ns)
        due_ns = self._driver.talk_mono_ns
        if due_ns is not None and t_mono_ns >= due_ns:
            self._talk(t_mono_ns)

    def _begin(self, t_mono_ns: int) -> None:
        """A device is there, or has turned out to be another one: an empty driver, which greets it."""
        self._bad_before += self._driver.stats.bad
        self._driver = self._new_driver()
        self._good, self._good_ns = 0, t_mono_ns
        self._port.write(self._driver.hello())
        self._talk(t_mono_ns)

    def due_mono_ns(self) -> int | None:
        """When `maintain` has something to do that cannot wait for the loop's own pace."""
        return self._driver.talk_mono_ns if self._port.fileno() is not None else None

    def tell(self, command: Command) -> bool:
        """A command for the device; False when there is none, or it does not do that."""
        if self._port.fileno() is None or not self._driver.tell(command):
            return False
        self._talk(time.monotonic_ns())
        return True

    def send(self, data: bytes) -> bool:
        """Bytes that go to the device as they are, as corrections do. False when some were dropped."""
        return self._port.write(data)

    def _talk(self, t_mono_ns: int) -> None:
        data = self._driver.talk(t_mono_ns)
        if data:
            self._port.write(data)

    def on_readable(self) -> None:
        """Read what is there and pass on what it completes."""
        now_ns = time.monotonic_ns()
        data = self._port.read(now_ns)
        if not data:
            return
        self._feed(data, now_ns)
        if isinstance(self._driver, Recogniser) and self._driver.found is not None:
            self._recognised(self._driver.found, self._driver.heard, now_ns)
        if self._driver.stats.good != self._good:
            self._good, self._good_ns = self._driver.stats.good, now_ns
        elif now_ns - self._good_ns > LOST_MESSAGES_MS * NS_PER_MS:
            self._lost(now_ns)

    def _feed(self, data: bytes, t_mono_ns: int) -> None:
        for sample in self._driver.feed(data, t_mono_ns):
            self._pass_on(sample, t_mono_ns)
        self._talk(t_mono_ns)

    def _recognised(self, role: str, heard: bytes, t_mono_ns: int) -> None:
        """The device has said what it is: that is its port's role from now on, also after a restart."""
        log.info("port %s: recognised as %s", self.name, role)
        self._role = role
        if self._pins is not None:
            self._pins.put(self._config.path, role)
        self._begin(t_mono_ns)
        self._feed(heard, t_mono_ns)

    def _lost(self, t_mono_ns: int) -> None:
        """Nothing valid any more: the rate has changed, or with "auto" another device has taken the port."""
        self._good_ns = t_mono_ns
        if self._config.driver == AUTO and self._role != AUTO:
            log.warning("port %s: nothing of %s any more; recognised anew", self.name, self._role)
            if self._pins is not None:
                self._pins.put(self._config.path, None)
            self._role = AUTO
            self._begin(t_mono_ns)
        self._port.search_baud()

    def _pass_on(self, sample: Sample, t_mono_ns: int) -> None:
        if isinstance(sample, Identity):
            self.identity = sample
        self._on_sample(sample, t_mono_ns)

    def silent(self, t_mono_ns: int) -> bool:
        """Whether it is open and has said nothing valid for LOST_MESSAGES_MS."""
        return self.fileno() is not None and t_mono_ns - self._good_ns > LOST_MESSAGES_MS * NS_PER_MS

    def bad(self) -> int:
        """Messages that were wrong, since the agent's start."""
        return self._bad_before + self._driver.stats.bad

    def status(self) -> dict[str, object]:
        """For `zhantu-edge status` and `check`."""
        return {
            "path": self._config.path,
            "open": self._port.fileno() is not None,
            "locked": self._port.locked,
            "driver": self._role,
            "model": self.identity.model if self.identity else "",
            "messages": asdict(self._driver.stats),
            **asdict(self._port.stats),
        }

    def close(self) -> None:
        self._port.close()
