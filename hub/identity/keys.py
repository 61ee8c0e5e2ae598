"""Device keys: the hub's one master file, and each device's MacKey made once.

Enters: the data folder, realm, device, epoch. Leaves: keys. KeyFileError says what is wrong with the file.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from hub.errors import KeyFileError
from protocols.keys import KEY_BYTES, MacKey, device_key

CREDENTIAL = "zhantu-master"
AUTHORITY_FILE = "tls/authority.pem"
CACHED_MAX = 65_536
"""Made MacKeys kept in memory; beyond it the oldest is made again when needed."""


def load_master(path: Path, *, create: bool = False) -> bytes:
    """The master key: the service's credential where systemd gives one, else the file at `path`.

    The file is created on first use, readable by its owner only; but never beside an authority that was made before,
    because then the master is elsewhere or lost, and a new one would silently turn every device away.
    """
    credential = _credential()
    if credential is not None:
        return credential
    if create and not path.exists():
        if (path.parent / AUTHORITY_FILE).exists():
            raise KeyFileError(
                f"master key {path.name}: not there, but {AUTHORITY_FILE} is: the hub's service holds it as a"
                f" credential (run this inside the service), or it is lost (put it back from its copy)"
            )
        _create(path)
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


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _credential() -> bytes | None:
    """The systemd credential `zhantu-master`: hexadecimal digits or 32 raw bytes. Its mode is systemd's affair."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder or "/") / CREDENTIAL
    if not folder or not path.exists():
        return None
    try:
        data = path.read_bytes()
        # 32 bytes that all are digits are half of a key in hexadecimal, and no raw one.
        raw = len(data) == KEY_BYTES and not set(data) <= set(b"0123456789abcdefABCDEF")
        master = data if raw else bytes.fromhex(data.decode("ascii").strip())
    except (OSError, ValueError) as err:
        raise KeyFileError(f"credential {CREDENTIAL}: {err}") from None
    if len(master) < KEY_BYTES:
        raise KeyFileError(f"credential {CREDENTIAL}: {len(master)} bytes, at least {KEY_BYTES} needed")
    return master


class KeyRing:
    """MacKeys of enrolled devices. `epochs` is the registry's list and may be replaced at any time; `ever` holds the
    highest epoch of every device that was ever known, for reading what was logged."""

    def __init__(self, master: bytes, realm: str) -> None:
        self._master = master
        self._realm = realm
        self._made: dict[int, MacKey] = {}
        self._past: dict[tuple[int, int], MacKey] = {}
        self.epochs: dict[int, int] = {}
        self.ever: dict[int, int] = {}

    def replace(self, epochs: dict[int, int], ever: dict[int, int] | None = None) -> None:
        """A new list of devices: keys whose epoch changed are forgotten."""
        self.ever = epochs if ever is None else ever
        for device in [d for d in self._made if epochs.get(d) != self.epochs.get(d)]:
            del self._made[device]
        self.epochs = epochs

    def get(self, device: int) -> MacKey | None:
        """The key of an enrolled device, None for others."""
        key = self._made.get(device)
        if key is None and device in self.epochs:
            if len(self._made) >= CACHED_MAX:
                del self._made[next(iter(self._made))]
            key = self.made(device, self.epochs[device])
            self._made[device] = key
        return key

    def logged(self, device: int) -> Iterator[MacKey]:
        """Every key that a device ever had, newest first: the log is evidence also after its key was taken back."""
        for epoch in range(self.ever.get(device, -1), -1, -1):
            key = self.get(device) if epoch == self.epochs.get(device) else self._past.get((device, epoch))
            if key is None:
                if len(self._past) >= CACHED_MAX:
                    self._past.clear()
                key = self._past[device, epoch] = self.made(device, epoch)
            yield key

    def made(self, device: int, epoch: int) -> MacKey:
        """The key of any device and epoch."""
        return MacKey(self.secret_of(device, epoch), self._realm)

    def secret_of(self, device: int, epoch: int) -> bytes:
        """The 32 bytes of any device and epoch."""
        return device_key(self._master, self._realm, device, epoch)

    def secret(self, device: int) -> bytes:
        """The 32 bytes to put on the device itself."""
        return self.secret_of(device, self.epochs.get(device, 0))
