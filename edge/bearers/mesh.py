"""The LoRa bearer: narrow-band frames as packets of a Meshtastic radio that is on one of the gateway's ports.

Enters: packets of at most 233 bytes. Leaves: packets of other gateways. Callers: `edge.narrow_sender`, `edge.agent`.
Nothing tells that a packet arrived, and the channel is everybody's: above `use_pct_max` of it only alarms go.
"""

from edge.apart_worker import Worker
from edge.bearers.interface import BearerStats, Traits
from edge.config import MeshConfig
from edge.serial_worker import SerialWorker
from firmware_bridge.mesh_radio import MeshDriver
from firmware_bridge.mesh_words import BROADCAST, DATA_SIZE_MAX
from protocols.catalog import Bearer, BearerState, Lane

REPEAT_MS = 20_000
"""A packet of 233 bytes is on the air for about two seconds at each hop of the radio's usual setting."""


class MeshBearer:
    """One radio."""

    def __init__(self, config: MeshConfig, port: Worker) -> None:
        self._config = config
        self._port = port
        self.stats = BearerStats()
        self.traits = Traits(
            Bearer.MESH, config.name, config.cost, DATA_SIZE_MAX, REPEAT_MS, history=False, is_private=False
        )

    @property
    def _driver(self) -> MeshDriver | None:
        driver = self._port.driver if isinstance(self._port, SerialWorker) else None
        return driver if isinstance(driver, MeshDriver) and self._port.fileno() is not None else None

    @property
    def everybody(self) -> int:
        """The number that all nodes hear."""
        return BROADCAST

    @property
    def duty_permille(self) -> int | None:
        """How busy the channel is, with everybody's packets."""
        driver = self._driver
        use_pct = driver.channel_use_pct if driver is not None else None
        return None if use_pct is None else round(10 * use_pct)

    @property
    def state(self) -> BearerState:
        driver = self._driver
        if driver is None or not driver.is_ready:
            return BearerState.DOWN
        return BearerState.HELD if driver.queued or self._is_busy(driver) else BearerState.UP

    def _is_busy(self, driver: MeshDriver) -> bool:
        return driver.channel_use_pct is not None and driver.channel_use_pct > self._config.use_pct_max

    def ready(self, lane: Lane) -> bool:
        """Whether a packet of this lane may go now."""
        driver = self._driver
        if driver is None or not driver.is_ready or driver.queued:
            return False
        return lane == Lane.SOS or not self._is_busy(driver)

    def publish(self, lane: Lane, data: bytes, to: int = 0) -> bool:
        """Give the radio one packet, for node `to` or the one of the configuration."""
        driver = self._driver
        return driver is not None and driver.send_frame(data, to or self._config.to or BROADCAST)

    def taken(self) -> list[tuple[int, bytes]]:
        """(node, packet) that came since."""
        driver = self._driver
        if driver is None:
            return []
        found = [(one.sender, one.data) for one in driver.taken]
        driver.taken.clear()
        return found
