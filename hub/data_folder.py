"""A data folder belongs to one running hub, and to one realm for ever. Caller: `hub.app`."""

import socket
from pathlib import Path

from hub.errors import HubError
from hub.store.registry import SqliteRegistry


def lock(data: Path) -> socket.socket:
    """Only one hub on one data folder. An abstract socket ends with its process, however that ends."""
    held = socket.socket(socket.AF_UNIX)
    inode = data.stat()
    try:
        held.bind(f"\0zhantu-hub-{inode.st_dev}-{inode.st_ino}")
    except OSError:
        held.close()
        raise HubError(f"data: another hub runs on {data}") from None
    return held


def check_realm(registry: SqliteRegistry, realm: str) -> None:
    """HubError when the folder is another realm's: a drill never ends up among live data."""
    known = registry.setting("realm")
    if known is None:
        registry.set_setting("realm", realm)
    elif known != realm:
        raise HubError(f"data: this folder holds realm {known!r}, not {realm!r}; give another --data")
