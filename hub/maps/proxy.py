"""Tiles of another server: asked for with the key that stays here, kept, and given from what is kept when it is gone.

Enters: a declared address. Leaves: `Tile`, None where the server has none, or MapError. Blocks: callers are threads of
`hub.maps.shelf`. Only the host of the settings is asked; a redirect to another is an error. No words of an error or of
the log hold the address: it has the key in it.
"""

import hashlib
import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from hub.maps.cache import Kept, TileCache
from hub.maps.declared import BaseMap
from hub.maps.errors import MapError
from hub.maps.grid import tile_at
from hub.maps.tile import TILE_BYTES_MAX, Tile, media_of
from protocols.units import MS_PER_DAY

RETRY_MS = 10_000
"""A server that failed is left alone for so long: a map that is panned offline must not wait for each tile."""
NONE_DAYS = 1
"""That there is no tile is asked again after this."""
_CHUNK = 65_536
_NO_TILE = (204, 404, 410)


class _SameHost(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            fp.close()
            raise urllib.error.URLError(f"sends the hub on to {there.hostname}, which is not asked")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Proxy:
    """One map of another server."""

    def __init__(self, made: BaseMap, kind: str, cache: TileCache, clock_ms: Callable[[], int]) -> None:
        self._map = made
        self._kind = kind
        self._cache = cache
        self._clock_ms = clock_ms
        # A new address under an old id must not find the old one's tiles.
        self._folder = f"{made.id}-{hashlib.sha256(made.url.encode()).hexdigest()[:8]}"
        self._opener = urllib.request.build_opener(_SameHost)
        self._lock = threading.Lock()
        self.t_ok_ms: int | None = None
        self.failing_since_ms: int | None = None
        self.why = ""
        self._retry_ms = 0
        self.asked = self.hits = 0

    @property
    def host(self) -> str:
        return urlsplit(self._address(0, 0, 0)).netloc

    def tile(self, z: int, x: int, y: int) -> Tile | None:
        """The tile; MapError when it is not kept and the server does not give it."""
        now_ms = self._clock_ms()
        key = (self._folder, z, x, y)
        kept = self._cache.get(key, now_ms)
        if kept is not None and self._is_fresh(kept, now_ms):
            self.hits += 1
            return self._shown(kept, None)
        if now_ms < self._retry_ms:
            return self._old(kept)
        try:
            got = self._ask(z, x, y, kept)
        except (OSError, ValueError, http.client.HTTPException, MapError) as err:
            self._failed(err, now_ms)
            return self._old(kept)
        self._well(now_ms)
        self._cache.put(key, got, now_ms)
        return self._shown(got, None)

    def check(self) -> str:
        """What is wrong with the server, "" when it answers: one tile is asked for."""
        z = self._map.min_zoom or 0
        west, south, east, north = self._map.bounds or (0.0, 0.0, 0.0, 0.0)
        x, y = tile_at((west + east) / 2, (south + north) / 2, z)
        try:
            self._ask(z, x, y, None)
        except (OSError, ValueError, http.client.HTTPException, MapError) as err:
            return _words(err)
        return ""

    # --- asking ----------------------------------------------------------------------------------------------------

    def _ask(self, z: int, x: int, y: int, kept: Kept | None) -> Kept:
        headers = {"User-Agent": "zhantu-hub"}
        if kept is not None and kept.etag:
            headers["If-None-Match"] = kept.etag
        self.asked += 1
        request = urllib.request.Request(self._address(z, x, y), headers=headers)
        ends_s = time.monotonic() + self._map.timeout_s
        now_ms = self._clock_ms()
        try:
            with self._opener.open(request, timeout=self._map.timeout_s) as answer:
                if answer.status in _NO_TILE:
                    return Kept(b"", "", now_ms)
                body = _body(answer, ends_s)
                etag = answer.headers.get("ETag", "")
        except urllib.error.HTTPError as err:
            err.close()
            if err.code == 304 and kept is not None:
                return Kept(kept.body, kept.etag, now_ms)
            if err.code in _NO_TILE:
                return Kept(b"", "", now_ms)
            raise MapError(f"HTTP {err.code}") from None
        if media_of(body, self._kind) is None:
            raise MapError(f"what came is no {self._kind} tile ({len(body)} bytes)")
        return Kept(body, etag, now_ms)

    def _address(self, z: int, x: int, y: int) -> str:
        names = self._map.subdomains
        south = (1 << z) - 1 - y
        filled = self._map.url.replace("{s}", names[(x + y) % len(names)] if names else "")
        filled = filled.replace("{key}", self._map.key).replace("{z}", str(z)).replace("{x}", str(x))
        return filled.replace("{-y}", str(south)).replace("{y}", str(south if self._map.tms else y))

    # --- judging ---------------------------------------------------------------------------------------------------

    def _is_fresh(self, kept: Kept, now_ms: int) -> bool:
        days = self._map.fresh_days if kept.body else min(NONE_DAYS, self._map.fresh_days)
        return now_ms - kept.t_utc_ms < days * MS_PER_DAY

    def _shown(self, kept: Kept, t_old_ms: int | None) -> Tile | None:
        media = media_of(kept.body, self._kind)
        return Tile(kept.body, media, t_old_ms) if media else None

    def _old(self, kept: Kept | None) -> Tile | None:
        if kept is None:
            raise MapError(f"{self.host} does not answer ({self.why}), and this tile was never kept")
        return self._shown(kept, kept.t_utc_ms)

    def _failed(self, err: Exception, now_ms: int) -> None:
        with self._lock:
            self.why = _words(err)
            self.failing_since_ms = self.failing_since_ms or now_ms
            self._retry_ms = now_ms + RETRY_MS

    def _well(self, now_ms: int) -> None:
        with self._lock:
            self.t_ok_ms, self.failing_since_ms, self.why, self._retry_ms = now_ms, None, "", 0


def _body(answer: Any, ends_s: float) -> bytes:
    """All of it, within the time and the size that a tile may have."""
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(_CHUNK):
        size += len(part)
        if size > TILE_BYTES_MAX:
            raise MapError(f"a tile of more than {TILE_BYTES_MAX} bytes")
        if time.monotonic() > ends_s:
            raise MapError("too slow")
        parts.append(part)
    return b"".join(parts)


def _words(err: Exception) -> str:
    """Without the address: `urllib` names hosts and numbers only, and so do we."""
    reason = getattr(err, "reason", None)
    if isinstance(err, TimeoutError) or isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError):
        return reason.strerror or type(reason).__name__
    if isinstance(err, MapError):
        return str(err)
    return str(reason)[:100] if isinstance(err, urllib.error.URLError) else type(err).__name__
