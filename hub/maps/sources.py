"""Base maps that are files of this machine: PMTiles, MBTiles, a folder of z/x/y. Read only.

Enters: a declared file. Leaves: `Facts` of what is in it, and tiles; MapError when it cannot be read. Blocks: callers
are threads of `hub.maps.shelf`, and `zhantu-hub maps check`.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hub.errors import StoreError
from hub.maps.declared import BaseMap
from hub.maps.errors import MapError
from hub.maps.tile import TILE_BYTES_MAX, Tile, media_of
from hub.store.mbtiles import Mbtiles

PMTILES_HEAD_BYTES = 127
_PMTILES_KINDS = {1: "vector", 2: "raster", 3: "raster", 4: "raster", 5: "raster"}
_ENDINGS = ("png", "jpg", "jpeg", "webp", "pbf", "mvt")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a source says of itself; the declaration's own words win over it."""

    kind: str
    min_zoom: int
    max_zoom: int
    bounds: tuple[float, float, float, float] | None = None
    attribution: str = ""


class Source(Protocol):
    """Something with tiles."""

    facts: Facts

    def tile(self, z: int, x: int, y: int) -> Tile | None: ...
    def close(self) -> None: ...


class PmtilesFile:
    """A PMTiles archive: its head is looked at, its tiles are read by browsers with ranges.
    **Source:** PMTiles 3, section 3.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                head = file.read(PMTILES_HEAD_BYTES)
        except OSError as err:
            raise MapError(f"{path.name}: {err.strerror}") from None
        if len(head) < PMTILES_HEAD_BYTES or not head.startswith(b"PMTiles"):
            raise MapError(f"{path.name}: it does not begin as a PMTiles archive")
        if head[7] != 3:
            raise MapError(f"{path.name}: PMTiles version {head[7]}, 3 is understood")
        kind = _PMTILES_KINDS.get(head[99])
        if kind is None:
            raise MapError(f"{path.name}: tile type {head[99]}, 1–5 are understood")
        west, south, east, north = (v / 1e7 for v in struct.unpack_from("<4i", head, 102))
        self.facts = Facts(kind, head[100], head[101], (west, south, east, north))

    def tile(self, z: int, x: int, y: int) -> Tile | None:
        raise MapError("a PMTiles archive is read as a whole, at its own address")

    def close(self) -> None:
        return None


class MbtilesFile:
    """An MBTiles file."""

    def __init__(self, path: Path, kind: str | None) -> None:
        try:
            self._file = Mbtiles(path)
            said, zooms, some = self._file.metadata(), self._file.zooms(), self._file.any_tile()
        except StoreError as err:
            raise MapError(str(err).removeprefix("store: ")) from None
        if zooms is None or some is None:
            raise MapError(f"{path.name}: there is no tile in it")
        found = kind or ("vector" if said.get("format", "") in ("pbf", "mvt") else "raster")
        if media_of(some, found) is None:
            raise MapError(f"{path.name}: its tiles are no {found} tiles")
        self._kind = found
        self.facts = Facts(found, *zooms, _bounds(said.get("bounds", "")), said.get("attribution", "")[:300])

    def tile(self, z: int, x: int, y: int) -> Tile | None:
        try:
            body = self._file.tile(z, x, y)
        except StoreError as err:
            raise MapError(str(err)) from None
        media = media_of(body, self._kind) if body else None
        return Tile(body, media) if body and media else None

    def close(self) -> None:
        self._file.close()


class FolderFiles:
    """A folder of z/x/y.png and the like. Names are made of numbers only, so nothing leads out of it."""

    def __init__(self, root: Path, kind: str | None, *, tms: bool) -> None:
        self._root = root
        self._tms = tms
        try:
            zooms = sorted(int(p.name) for p in root.iterdir() if p.name.isdecimal() and p.is_dir())
        except OSError as err:
            raise MapError(f"{root.name}: {err.strerror}") from None
        some = next((p for z in zooms for p in root.glob(f"{z}/*/*.*") if p.suffix[1:] in _ENDINGS), None)
        if some is None:
            raise MapError(f"{root.name}: no tile z/x/y.{{{','.join(_ENDINGS)}}} is in it")
        self._ending = some.suffix
        found = kind or ("vector" if self._ending in (".pbf", ".mvt") else "raster")
        self._kind = found
        self.facts = Facts(found, zooms[0], zooms[-1])

    def tile(self, z: int, x: int, y: int) -> Tile | None:
        row = (1 << z) - 1 - y if self._tms else y
        path = self._root / str(z) / str(x) / f"{row}{self._ending}"
        try:
            if path.stat().st_size > TILE_BYTES_MAX:
                return None
            body = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as err:
            raise MapError(f"{self._root.name}: {err.strerror}") from None
        media = media_of(body, self._kind)
        return Tile(body, media) if media else None

    def close(self) -> None:
        return None


def open_file(made: BaseMap) -> Source:
    """The source of a declared file. MapError says what is wrong with it."""
    path = Path(made.file)
    if made.form == "pmtiles":
        return PmtilesFile(path)
    if made.form == "mbtiles":
        return MbtilesFile(path, made.kind)
    if not path.is_dir():
        raise MapError(f"{path.name}: a .pmtiles or .mbtiles file or a folder of z/x/y is needed")
    return FolderFiles(path, made.kind, tms=made.tms)


def _bounds(text: str) -> tuple[float, float, float, float] | None:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        return None
    ok = -180 <= west < east <= 180 and -90 <= south < north <= 90
    return (west, south, east, north) if ok else None
