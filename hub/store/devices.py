"""Devices in the registry: number, kind, firmware, epoch of keys, state; one-time codes; certificates.

Enters and leaves: plain rows. Keys are never here.
"""

from hub.store.registry_file import RegistryFile


class Devices:
    """Every method is one short transaction."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file

    def epochs(self) -> dict[int, int]:
        """Devices that may send: number -> epoch of keys."""
        sql = "SELECT device, epoch FROM devices WHERE state = 'active'"
        return {int(str(d)): int(str(e)) for d, e in self._file.rows(sql)}
