"""By what ways bulletins come in by themselves: files of a folder, and pages that are asked again and again.

Enters: DATA/warnings/in, DATA/warnings.toml. Leaves: `Came` in a bounded queue. Caller: `hub.safety.warnings`, on a
thread that may wait. A file goes to done/ once it is kept, or to refused/ with its reason beside it.
"""

import difflib
import tomllib
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from hub.errors import SettingsError
from hub.safety.bulletin import BYTES_MAX, Bulletin, BulletinError
from hub.safety.cap import read
from hub.safety.warnings_tree import xml

FILES_A_LOOK = 50
KEPT_FILES_MAX = 1_000
"""In done/ and refused/ each; beyond it the oldest go."""
CAME_MAX = 1_000
"""Waiting to be taken. A full queue leaves files where they are, and a feed is asked again."""
TIMEOUT_S = 10.0
ENTRIES_MAX = 100
"""Documents of one index that are asked for at once; of more, the first."""
FEEDS_MAX = 32
_UNFINISHED = (".tmp", ".part")


@dataclass(frozen=True, slots=True)
class Came:
    """One bulletin that came; `path`: of the file that has to go to done/."""

    bulletin: Bulletin
    text: str
    source: str
    path: Path | None = None


class Folder:
    """DATA/warnings/in. A file counts once it has kept its size from one look to the next."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sizes: dict[str, int] = {}

    def look(self) -> list[Came]:
        """What came. Refused files are moved here; the others by `done`, once they are kept."""
        inside = self.root / "in"
        if not inside.is_dir():
            return []
        names = [p for p in sorted(inside.iterdir()) if p.is_file() and not p.is_symlink()]
        names = [p for p in names if not p.name.startswith(".") and p.suffix not in _UNFINISHED]
        before, self._sizes = self._sizes, {p.name: p.stat().st_size for p in names}
        came = []
        for path in [p for p in names if before.get(p.name) == self._sizes[p.name]][:FILES_A_LOOK]:
            try:
                if self._sizes[path.name] > BYTES_MAX:
                    raise BulletinError(f"{self._sizes[path.name]} bytes, at most {BYTES_MAX} are allowed")
                data = path.read_bytes()
                came.append(Came(read(data), data.decode(errors="replace"), "folder", path))
            except BulletinError as err:
                self._move(path, "refused", str(err))
        return came

    def done(self, path: Path) -> None:
        self._move(path, "done", "")

    def refuse(self, path: Path, why: str) -> None:
        self._move(path, "refused", why)

    def _move(self, path: Path, to: str, why: str) -> None:
        folder = self.root / to
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.replace(folder / path.name)
        if why:
            (folder / f"{path.name}.reason.txt").write_text(why + "\n", encoding="utf-8")
        kept = sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)
        for old in kept[:-KEPT_FILES_MAX]:
            old.unlink(missing_ok=True)


@dataclass(slots=True)
class Source:
    """One page of DATA/warnings.toml, and how it does. `failing_since_ms` None: it answers."""

    name: str
    url: str
    every_s: int = 60
    due_ms: int = 0
    etag: str = ""
    modified: str = ""
    t_ok_ms: int | None = None
    failing_since_ms: int | None = None
    why: str = ""
    seen: deque[str] = field(default_factory=lambda: deque(maxlen=10 * ENTRIES_MAX))


def sources(path: Path) -> list[Source]:
    """The feeds of a warnings.toml; none without the file. SettingsError names file, key and the nearest known key."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as err:
        raise SettingsError(f"{path.name}: {err}") from None
    _known(path.name, values, ("feed",))
    found = []
    for i, row in enumerate(values.get("feed", [])[:FEEDS_MAX]):
        where = f"{path.name}, feed {i + 1}"
        _known(where, row, ("name", "url", "every_s"))
        url, every = row.get("url", ""), row.get("every_s", 60)
        if not _is_web(url):
            raise SettingsError(f"{where}: url = {url!r}, http://… or https://… is needed")
        if type(every) is not int or not 5 <= every <= 86_400:
            raise SettingsError(f"{where}: every_s = {every!r}, 5–86400 allowed")
        found.append(Source(str(row.get("name") or urlsplit(url).hostname)[:40], url, every))
    return found


def _is_web(url: Any) -> bool:
    try:
        return (
            isinstance(url, str)
            and urlsplit(url).scheme in ("http", "https")
            and bool(urlsplit(url).hostname)
        )
    except ValueError:
        return False


def _known(where: str, row: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(row, dict):
        raise SettingsError(f"{where}: a table is needed")
    for key in row:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1, 0)[0]
            raise SettingsError(f"{where}: unknown key {key!r}, did you mean {near!r}?")


def poll(source: Source, now_ms: int) -> list[Came]:
    """Ask one feed. Never raises: what goes wrong stands in the source, with since when."""
    source.due_ms = now_ms + 1000 * source.every_s
    try:
        source.why = ""
        found = get(source.url, source.etag, source.modified)
        came = [] if found is None else _documents(source, found[0])
    except (OSError, ValueError, HTTPException, BulletinError) as err:
        source.failing_since_ms = source.failing_since_ms or now_ms
        source.why = str(err)[:200]
        return []
    if found is not None:
        source.etag, source.modified = found[1], found[2]
    source.t_ok_ms, source.failing_since_ms = now_ms, None
    return came


def get(url: str, etag: str = "", modified: str = "", most: int = BYTES_MAX) -> tuple[bytes, str, str] | None:
    """Body, ETag, Last-Modified; None when it is as it was. OSError or ValueError otherwise."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url[:80]!r}: only http and https are asked")
    headers = {"User-Agent": "zhantu-hub", "Accept": "application/cap+xml, application/atom+xml, */*;q=0.5"}
    headers |= {k: v for k, v in (("If-None-Match", etag), ("If-Modified-Since", modified)) if v}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S
        ) as answer:
            body = answer.read(most + 1)
            tags = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
    except urllib.error.HTTPError as err:
        err.close()
        if err.code == 304:
            return None
        raise OSError(f"{url}: HTTP {err.code}") from None
    if len(body) > most:
        raise ValueError(f"{url}: more than {most} bytes")
    return body, *tags


def _documents(source: Source, body: bytes) -> list[Came]:
    """One document, or those that an Atom index leads to and that were not asked for before."""
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] not in (b"{", b"["):
        root = xml(body)
        if root.name == "feed":
            links = [e.first("link") or e.first("id") for e in root.all("entry")]
            fresh = [urljoin(source.url, link) for link in links if link]
            fresh = [url for url in dict.fromkeys(fresh) if url not in source.seen][:ENTRIES_MAX]
            came = [one for url in fresh for one in _one(source, url)]
            return came
    return [Came(read(body), body.decode(errors="replace"), f"feed:{source.name}")]


def _one(source: Source, url: str) -> list[Came]:
    """A document of the index. One that is no bulletin is noted and not asked for again; the others go on."""
    if urlsplit(url).hostname != urlsplit(source.url).hostname:
        source.seen.append(url)
        return []  # an index may not send the hub to other machines
    found = get(url)
    source.seen.append(url)
    try:
        return (
            []
            if found is None
            else [Came(read(found[0]), found[0].decode(errors="replace"), f"feed:{source.name}")]
        )
    except BulletinError as err:
        source.why = f"{url}: {err}"[:200]
        return []
