"""Which driver a port was recognised as, kept over restarts, so that a role stays with its device.

Enters: ports' paths and drivers' names. Leaves: the same, from a small JSON file beside the spool. Called by
`edge.serial_worker`. The key is the stable path: a ttyUSB number moves from device to device, /dev/serial/by-id does
not.
"""

import json
import logging
import os
from glob import glob
from pathlib import Path

from edge import identity
from firmware_bridge.drivers import DRIVERS

log = logging.getLogger("zhantu.edge.pins")

PINS_MAX = 64


def stable(path: str) -> str:
    """The by-id path of a device, or the path itself where it has none."""
    real = os.path.realpath(path)
    links = (link for link in sorted(glob("/dev/serial/by-id/*")) if os.path.realpath(link) == real)
    return next(links, path)


class Pins:
    """The file. What cannot be read is forgotten, and said; a disk that refuses costs only the memory of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pins: dict[str, str] = {}

    def load(self) -> None:
        """Read the file, if there is one."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as err:
            log.error("%s: %s; ports are recognised anew", self._path, err)
            return
        if isinstance(found, dict):
            self._pins = {str(path): name for path, name in found.items() if name in DRIVERS}

    def get(self, path: str) -> str | None:
        """The driver that this port was recognised as."""
        return self._pins.get(stable(path))

    def put(self, path: str, driver: str | None) -> None:
        """Remember it; None forgets it."""
        key = stable(path)
        if self._pins.pop(key, None) == driver and driver is None:
            return
        if driver is not None:
            self._pins[key] = driver
        while len(self._pins) > PINS_MAX:
            del self._pins[next(iter(self._pins))]
        try:
            identity.write(self._path, json.dumps(self._pins, ensure_ascii=False, indent=1).encode() + b"\n")
        except OSError as err:
            log.error("%s: %s; the role of %s is not kept over a restart", self._path, err.strerror, path)
