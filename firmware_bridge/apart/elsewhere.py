"""The driver of a row that runs in a process of its own: in the agent's process there is nothing to do.

Enters: bytes, which it only counts. Leaves: nothing. Made by the rows `ais` and `heart_strap`, whose `apart` module
does the work.
"""

from firmware_bridge.interface import Quiet, Settings, Stats
from protocols.samples import Sample


class Elsewhere(Quiet):
    """Takes everything as noise."""

    pending_size = 0

    def __init__(self, _settings: Settings) -> None:
        self.stats = Stats()

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        self.stats.bytes += len(data)
        self.stats.noise += len(data)
        return []

    def idle(self, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        return []
