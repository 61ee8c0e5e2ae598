"""Device keys: the hub's one master file, and each device's MacKey made once.

Enters: the data folder, realm, device, epoch. Leaves: keys. KeyFileError says what is wrong with the file.
"""

import os
import secrets
from pathlib import Path

from hub.errors import KeyFileError
from protocols.keys import KEY_BYTES, MacKey, device_key

CACHED_MAX = 65_536
"""Made MacKeys kept in memory; beyond it the oldest is made again when needed."""


def load_master(path: Path, *, create: bool = False) -> bytes:
    """The master key. Created on first use, readable by its owner only."""
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return load_master(path)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
    try:
        mode = path.stat().st_mode & 0o777
        master = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as err:
        raise KeyFileError(
            f"master key {path.name}: {err}; {2 * KEY_BYTES} hexadecimal digits needed"
        ) from None
    if mode & 0o077:
        raise KeyFileError(f"master key {path.name}: mode {mode:04o} lets others read it, 0600 needed")
    if len(master) < KEY_BYTES:
        raise KeyFileError(f"master key {path.name}: {len(master)} bytes, at least {KEY_BYTES} needed")
    return master


class KeyRing:
    """MacKeys of enrolled devices. `epochs` is the registry's list and may be replaced at any time."""

    def __init__(self, master: bytes, realm: str) -> None:
        self._master = master
        self._realm = realm
        self._made: dict[int, MacKey] = {}
        self.epochs: dict[int, int] = {}

    def replace(self, epochs: dict[int, int]) -> None:
        """A new list of devices: keys whose epoch changed are forgotten."""
        for device in [d for d in self._made if epochs.get(d) != self.epochs.get(d)]:
            del self._made[device]
        self.epochs = epochs

    def get(self, device: int) -> MacKey | None:
        """The key of an enrolled device, None for others."""
        key = self._made.get(device)
        if key is None and device in self.epochs:
            if len(self._made) >= CACHED_MAX:
                del self._made[next(iter(self._made))]
            key = MacKey(self.secret(device), self._realm)
            self._made[device] = key
        return key

    def secret(self, device: int) -> bytes:
        """The 32 bytes to put on the device itself."""
        return device_key(self._master, self._realm, device, self.epochs.get(device, 0))
