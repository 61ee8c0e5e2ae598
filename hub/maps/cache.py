"""Tiles of other servers, kept in a folder: what was seen once is there when the network is not.

Enters and leaves: `Kept`, by map and z/x/y. Bounds: bytes and TILES_MAX; the tile that was used longest ago goes first.
Each is one file: a line of JSON, then the body. Caller: `hub.maps.proxy`, on its threads.
"""

import json
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

TILES_MAX = 100_000
_TOUCH_S = 3_600.0
"""How exact "used longest ago" is over a restart: a file's time is set at most this often."""

Key = tuple[str, int, int, int]
"""Folder of the map, z, x, y."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A tile as its server gave it at `t_utc_ms`; an empty body: it said that there is none."""

    body: bytes
    etag: str
    t_utc_ms: int


class TileCache:
    """A folder. It is looked through when it is first asked, on the thread that asks: a start does not wait for that.
    `now_ms` of each call is when it is used.
    """

    def __init__(self, root: Path, bytes_max: int) -> None:
        self._root = root
        self._bytes_max = bytes_max
        self._known: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        """Size, and when its file says that it was used; the one used longest ago first."""
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._loaded = False
        self.bytes = 0
        self.failed_writes = 0

    def __len__(self) -> int:
        return len(self._known)

    def load(self) -> None:
        """What earlier runs kept, by when it was used. What is no tile of ours is left alone and not counted."""
        with self._loading:
            if not self._loaded:
                self._look_through()
                self._loaded = True

    def _look_through(self) -> None:
        found: list[tuple[float, Key, int]] = []
        for path in self._root.glob("*/*/*/*"):
            key = _key_of(path.relative_to(self._root).parts)
            if key is not None and path.is_file():
                about = path.stat()
                found.append((about.st_mtime, key, about.st_size))
        with self._lock:
            for used_s, key, size in sorted(found):
                self._known[key] = (size, used_s)
                self.bytes += size
            self._make_room()

    def get(self, key: Key, now_ms: int) -> Kept | None:
        """None when it is not there, or cannot be read any more."""
        self.load()
        with self._lock:
            if key not in self._known:
                return None
            self._known.move_to_end(key)
        try:
            head, _, body = self._path(key).read_bytes().partition(b"\n")
            said = json.loads(head)
            kept = Kept(body, str(said["etag"]), int(said["t"]))
            self._touch(key, now_ms / 1000)
        except (OSError, ValueError, KeyError, TypeError):
            with self._lock:
                self._forget(key)
            return None
        return kept

    def put(self, key: Key, kept: Kept, now_ms: int) -> None:
        """Keep it, in the place of what was kept. A full disk keeps nothing, and is counted."""
        self.load()
        head = json.dumps({"etag": kept.etag[:200], "t": kept.t_utc_ms}).encode()
        data = head + b"\n" + kept.body
        if len(data) > self._bytes_max:
            return
        path = self._path(key)
        part = path.with_name(f"{path.name}.{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            self.failed_writes += 1
            part.unlink(missing_ok=True)
            return
        with self._lock:
            self.bytes += len(data) - self._known.pop(key, (0, 0.0))[0]
            self._known[key] = (len(data), now_ms / 1000)
            self._make_room()

    def _make_room(self) -> None:
        while self._known and (self.bytes > self._bytes_max or len(self._known) > TILES_MAX):
            self._forget(next(iter(self._known)))

    def _forget(self, key: Key) -> None:
        self.bytes -= self._known.pop(key, (0, 0.0))[0]
        self._path(key).unlink(missing_ok=True)

    def _touch(self, key: Key, now_s: float) -> None:
        """So that a restart knows what was used."""
        size, used_s = self._known.get(key, (0, now_s))
        if now_s - used_s > _TOUCH_S:
            os.utime(self._path(key), (now_s, now_s))
            with self._lock:
                if key in self._known:
                    self._known[key] = (size, now_s)

    def _path(self, key: Key) -> Path:
        name, z, x, y = key
        return self._root / name / str(z) / str(x) / str(y)


def _key_of(parts: tuple[str, ...]) -> Key | None:
    if len(parts) != 4 or not all(part.isascii() and part.isdecimal() for part in parts[1:]):
        return None
    return (parts[0], int(parts[1]), int(parts[2]), int(parts[3]))
