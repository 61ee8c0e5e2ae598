"""MBTiles files: tiles in SQLite, read only. **Source:** MBTiles 1.3 (Mapbox), tables `metadata` and `tiles`.

Enters: a path. Leaves: metadata and tiles, or StoreError. Caller: `hub.maps.sources`, on its own threads.
"""

import threading
from pathlib import Path

from hub.errors import StoreError
from hub.store.files import naming, open_reader

METADATA_ROWS_MAX = 200


class Mbtiles:
    """One open file. Calls of several threads take turns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise StoreError(f"store: {path.name}: there is no such file")
        self._lock = threading.Lock()
        self._db = open_reader(path)

    def metadata(self) -> dict[str, str]:
        """`format`, `minzoom`, `bounds` and the like, as they stand. StoreError when it is no MBTiles."""
        sql = "SELECT name, value FROM metadata LIMIT ?"
        return {str(name): str(value) for name, value in self._rows(sql, [METADATA_ROWS_MAX])}

    def zooms(self) -> tuple[int, int] | None:
        """Least and greatest zoom that have tiles; None when there are none."""
        least, most = self._rows("SELECT min(zoom_level), max(zoom_level) FROM tiles", [])[0]
        return None if least is None else (int(str(least)), int(str(most)))

    def any_tile(self) -> bytes | None:
        """One tile, to look at."""
        found = self._rows("SELECT tile_data FROM tiles LIMIT 1", [])
        return bytes(found[0][0]) if found else None  # type: ignore[call-overload]

    def tile(self, z: int, x: int, y: int) -> bytes | None:
        """The tile as it is kept. `y` counts from the north, as everywhere in this hub; the file's from the south."""
        sql = "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?"
        found = self._rows(sql, [z, x, (1 << z) - 1 - y])
        return bytes(found[0][0]) if found else None  # type: ignore[call-overload]

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _rows(self, sql: str, arguments: list[object]) -> list[tuple[object, ...]]:
        with self._lock, naming(self.path):
            return list(self._db.execute(sql, arguments).fetchall())
