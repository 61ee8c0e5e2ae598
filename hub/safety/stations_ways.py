"""By what ways the rows of stations come: files, pages that are asked, topics.

Enters: sources of a mapping. Leaves: documents as bytes. Caller: `hub.safety.stations`; `ask` blocks and runs on its
threads. A page may lead to another of its own host, never elsewhere; a document has a bound, an answer a deadline.
"""

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from hub.mqtt import Line
from hub.safety.stations_map import Source
from hub.safety.stations_read import BYTES_MAX

FILES_MAX = 200
"""Of one folder; of more, those that were changed last."""
UNSETTLED_MAX = 10
"""A file that grows at every look is read all the same after so many."""
SECRET_BYTES_MAX = 16_384
CHUNK_BYTES = 65_536
PATIENCE = 4
"""For a broker that is not on this machine."""

Document = tuple[bytes, str]
"""The bytes, and from what: a file's name, or a topic."""


class WayError(Exception):
    """Nothing could be had; says why."""


def secret(data: Path, name: str) -> str:
    """A file of secrets, whole. WayError when it is not there, or when others may read it."""
    path = data / name
    try:
        if path.stat().st_mode & 0o077:
            raise WayError(f"{name}: others may read it; chmod 600 {name}")
        return path.read_text(encoding="utf-8")[:SECRET_BYTES_MAX]
    except (OSError, UnicodeDecodeError) as err:
        raise WayError(f"{name}: {err}") from None


class Files:
    """A file or folder: what has changed since it was read, once it has kept its size from one look to the next."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._path = path
        self._suffix = suffix
        self._read: dict[Path, tuple[int, int]] = {}
        self._seen: dict[
            Path, tuple[tuple[int, int], int]
        ] = {}  # what it was at the last look, looks in a row

    def ask(self) -> tuple[list[Document], bool]:
        """What is new, and whether something is still being written: then look again soon."""
        try:
            now = self._there()
            documents, waits = [], False
            for path, mark in now.items():
                if self._read.get(path) == mark:
                    continue
                before, looks = self._seen.get(path, (None, 0))
                if before != mark and looks < UNSETTLED_MAX:
                    self._seen[path] = mark, looks + 1
                    waits = True
                    continue
                with path.open("rb") as file:
                    documents.append((file.read(BYTES_MAX + 1), path.name))
                self._read[path] = mark
                self._seen.pop(path, None)
        except OSError as err:
            raise WayError(f"{self._path.name}: {err.strerror or err}") from None
        self._read = {path: mark for path, mark in self._read.items() if path in now}
        self._seen = {path: seen for path, seen in self._seen.items() if path in now}
        return documents, waits

    def _there(self) -> dict[Path, tuple[int, int]]:
        paths = [self._path]
        if self._path.is_dir():
            paths = [p for p in self._path.iterdir() if p.suffix.lower() == self._suffix and p.is_file()]
        stats = [(path, path.stat()) for path in paths if not path.name.startswith(".")]
        stats.sort(key=lambda one: (one[1].st_mtime_ns, one[0].name))
        return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats[-FILES_MAX:]}


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Headers with keys in them are for one host, and the hub is nobody's errand boy in its own network."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            raise WayError(f"it leads to another host, {there.hostname}: not followed")
        made: urllib.request.Request | None = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        return made


class Page:
    """An address that is asked again and again."""

    def __init__(self, source: Source, data: Path) -> None:
        self._source = source
        self._data = data
        self._open = urllib.request.build_opener(_SameHost).open
        self._tags: dict[str, str] = {}

    def ask(self) -> tuple[list[Document], bool]:
        """The document, or none when it is as it was. WayError."""
        source, until = self._source, time.monotonic() + self._source.timeout_s
        headers = {"User-Agent": "zhantu-hub", "Accept": "application/json, text/csv, */*;q=0.5"}
        try:
            request = urllib.request.Request(source.where, headers=headers | self._own_headers() | self._tags)
            with self._open(request, timeout=source.timeout_s) as answer:
                body = bytearray()
                while chunk := answer.read1(CHUNK_BYTES):
                    body += chunk
                    if len(body) > BYTES_MAX:
                        raise WayError(f"more than {BYTES_MAX} bytes")
                    if time.monotonic() > until:
                        raise WayError(f"not whole after {source.timeout_s:g} s")
                told = {
                    "If-None-Match": answer.headers.get("ETag"),
                    "If-Modified-Since": answer.headers.get("Last-Modified"),
                }
        except urllib.error.HTTPError as err:
            err.close()
            if err.code == 304:
                return [], False
            raise WayError(f"HTTP {err.code}") from None
        except (OSError, HTTPException, ValueError) as err:
            raise WayError(str(err)[:200] or type(err).__name__) from None
        self._tags = {name: value for name, value in told.items() if value}
        return [(bytes(body), source.shown_where)], False

    def _own_headers(self) -> dict[str, str]:
        if not self._source.headers_file:
            return {}
        lines = [line for line in secret(self._data, self._source.headers_file).splitlines() if line.strip()]
        parts = [line.partition(":") for line in lines]
        if not all(name.strip() and colon for name, colon, _ in parts):
            raise WayError(f"{self._source.headers_file}: lines of `Name: value` are needed")
        return {name.strip(): value.strip() for name, _, value in parts}


def line_of(
    source: Source,
    own: tuple[str, int],
    data: Path,
    put: Callable[[list[tuple[str, bytes]]], None],
    clock_ms: Callable[[], int],
) -> Line:
    """The connection of a topic, to the hub's own broker or the one that the source names. WayError."""
    host, _, port = source.broker.rpartition(":")
    login = None
    if source.login_file:
        name, _, password = secret(data, source.login_file).strip().partition(":")
        login = name, password
    context = ssl.create_default_context() if source.tls else None
    return Line(
        f"stations-{source.name}", [source.where], put, (host, int(port)) if source.broker else own, version_5=False,
        clock_ms=clock_ms, tls=(lambda: context) if context else None, patience=PATIENCE if source.broker else 1,
        login=login,
    )  # fmt: skip
