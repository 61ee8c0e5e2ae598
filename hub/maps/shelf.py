"""The base maps of this hub, opened: what there is, how each does, and its tiles.

Enters: the settings, the data folder. Leaves: tiles, a list for screens, notes. Callers: `hub.safety.parts`,
`hub.api.map_routes`, `hub.commands.maps`. Files are read on two threads, other servers asked on four of their own, so a
server that does not answer keeps nobody else. At most WAITING_MAX tiles wait; more are told to come again.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from hub.errors import Refused
from hub.maps.cache import TileCache
from hub.maps.declared import WORLD, BaseMap
from hub.maps.errors import MapError
from hub.maps.grid import is_in_grid
from hub.maps.proxy import Proxy
from hub.maps.sources import Facts, Source, open_file
from hub.maps.tile import Tile
from hub.safety.part import Ground, Part

FILE_THREADS, WEB_THREADS = 2, 4
WAITING_MAX = 256
CACHE = "maps/cache"
MIB = 1_048_576


@dataclass(slots=True)
class Shelved:
    """One base map. `trouble`: why it cannot be read, "" when it can."""

    made: BaseMap
    facts: Facts
    source: Source | Proxy | None
    trouble: str = ""

    @property
    def failing(self) -> str:
        """Why it gives nothing new now, "" when it does."""
        if isinstance(self.source, Proxy) and self.source.failing_since_ms is not None:
            return self.source.why
        return self.trouble


class Maps(Part):
    """See the module."""

    name = "maps"

    def __init__(self, ground: Ground) -> None:
        self._maps = ground.settings.basemap
        self._clock_ms = ground.clock_ms
        self.cache = TileCache(ground.data / CACHE, ground.settings.map_cache_mib * MIB)
        self.shelved: dict[str, Shelved] = {}
        self._files: ThreadPoolExecutor | None = None
        self._web: ThreadPoolExecutor | None = None
        self._asked: dict[tuple[str, int, int, int], asyncio.Future[Tile | None]] = {}
        self.served = self.old = 0

    # --- the part --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.open(self._maps)

    def open(self, maps: Iterable[BaseMap]) -> None:
        """Open these too. One that cannot be read stays in the list with what is wrong with it."""
        for made in maps:
            self.shelved[made.id] = open_map(made, self.cache, self._clock_ms)

    def close(self) -> None:
        for pool in (self._files, self._web):
            if pool is not None:
                # A server that does not answer must not hold up the end; a file is closed only when nobody reads it.
                pool.shutdown(wait=pool is self._files, cancel_futures=True)
        for one in self.shelved.values():
            if one.source is not None and not isinstance(one.source, Proxy):
                one.source.close()

    def gauges(self) -> dict[str, float]:
        if not self.shelved:
            return {}
        return {
            "maps": float(len(self.shelved)),
            "maps_failing": float(sum(bool(one.failing) for one in self.shelved.values())),
            "map_tiles_served": float(self.served),
            "map_tiles_old": float(self.old),
            "map_cache_bytes": float(self.cache.bytes),
        }

    def notes(self) -> list[str]:
        return [f"maps: {one.made.id}: {one.failing}" for one in self.shelved.values() if one.failing]

    # --- tiles -----------------------------------------------------------------------------------------------------

    def get(self, id: str) -> Shelved:
        """Refused (404) when there is none."""
        found = self.shelved.get(id)
        if found is None:
            raise Refused(404, f"no base map {id[:40]!r}")
        return found

    async def tile(self, id: str, z: int, x: int, y: int) -> Tile | None:
        """One tile, None where there is none. Refused: 404 for what cannot be, 503 when nobody can give it now."""
        found = self.get(id)
        if not is_in_grid(z, x, y):
            raise Refused(404, f"tile {z}/{x}/{y}: z 0–24 and 0 ≤ x, y < 2^z are allowed")
        if found.source is None:
            raise Refused(503, f"base map {id}: {found.trouble}")
        if not found.facts.min_zoom <= z <= found.facts.max_zoom:
            return None
        key = (id, z, x, y)
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= WAITING_MAX:
                raise Refused(503, f"{WAITING_MAX} tiles are waited for", 1)
            asked = self._asked[key] = self._ask(found.source, z, x, y)
            asked.add_done_callback(lambda done: self._done(key, done))
        try:
            # Who goes away does not take the tile from others who wait for the same.
            tile = await asyncio.shield(asked)
        except MapError as err:
            raise Refused(503, f"base map {id}: {err}") from None
        self.served += 1
        self.old += tile is not None and tile.t_old_ms is not None
        return tile

    def _done(self, key: tuple[str, int, int, int], done: asyncio.Future[Tile | None]) -> None:
        self._asked.pop(key, None)
        if not done.cancelled():
            done.exception()  # looked at, also when nobody waits any more

    def _ask(self, source: Source | Proxy, z: int, x: int, y: int) -> asyncio.Future[Tile | None]:
        loop = asyncio.get_running_loop()
        if isinstance(source, Proxy):
            self._web = self._web or ThreadPoolExecutor(WEB_THREADS, "hub-map-web")
            return loop.run_in_executor(self._web, source.tile, z, x, y)
        self._files = self._files or ThreadPoolExecutor(FILE_THREADS, "hub-map-file")
        return loop.run_in_executor(self._files, source.tile, z, x, y)


def open_map(made: BaseMap, cache: TileCache, clock_ms: Callable[[], int]) -> Shelved:
    """A declared map with what its file says of itself. Never raises: what is wrong is `trouble`."""
    said = Facts("raster", 0, 19)
    source: Source | Proxy
    try:
        if made.form == "web":
            source = Proxy(made, made.kind or "raster", cache, clock_ms)
        else:
            source = open_file(made)
            said = source.facts
            if made.crs != "wgs84" and (made.kind or said.kind) != "raster":
                source.close()
                raise MapError(f"crs {made.crs} is understood for raster maps only, this is {said.kind}")
    except MapError as err:
        return Shelved(made, _told(made, said), None, str(err))
    return Shelved(replace(made, attribution=made.attribution or said.attribution), _told(made, said), source)


def _told(made: BaseMap, said: Facts) -> Facts:
    """What was declared, else what the file says."""
    return Facts(
        made.kind or said.kind,
        said.min_zoom if made.min_zoom is None else made.min_zoom,
        said.max_zoom if made.max_zoom is None else made.max_zoom,
        made.bounds or said.bounds or WORLD,
        made.attribution or said.attribution,
    )


def pmtiles_path(shelved: Shelved) -> Path:
    """The archive itself. Refused (404) when this map is none."""
    if shelved.made.form != "pmtiles" or shelved.source is None:
        raise Refused(404, f"base map {shelved.made.id} is no PMTiles archive that can be read")
    return Path(shelved.made.file)
