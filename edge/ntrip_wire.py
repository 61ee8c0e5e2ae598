"""The words of NTRIP: what we ask a caster, and what its answer means.

Enters: a configuration, bytes of an answer. Leaves: a request, a verdict, and the bytes of the stream behind it.
Called by `edge.ntrip`. A version 1 caster answers `ICY 200 OK`, `SOURCETABLE 200 OK` or `ERROR - …`, a version 2
caster in HTTP.
**Source:** RTCM 10410.1 (NTRIP 2.0) and BKG's description of NTRIP 1.0; RFC 9112 section 7.1, chunked coding.
"""

import stat
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from edge.config import NtripConfig

AGENT = "NTRIP Zhantu/1"
HEAD_SIZE_MAX = 8_192
WORDS_MAX = 120
CHUNK_LINE_MAX = 64
ACCOUNT_SIZE_MAX = 1_024


class CasterError(Exception):
    """The caster cannot be used. `refused`: it said no, so asking again soon is of no use."""

    def __init__(self, words: str, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Answer:
    """A stream was granted. `rest`: bytes of it that came with the head."""

    chunked: bool
    rest: bytes


def read_account(path: Path) -> tuple[str, str]:
    """User and password out of a file of two lines that only its owner may read; CasterError else."""
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8")[:ACCOUNT_SIZE_MAX].splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise CasterError(f"{path}: {getattr(err, 'strerror', None) or err}", refused=True) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CasterError(f"{path}: others can read this password; chmod 600 it", refused=True)
    if len(lines) != 2 or not lines[0] or ":" in lines[0]:
        raise CasterError(f"{path}: two lines are needed, user and password", refused=True)
    return lines[0], lines[1]


def request(config: NtripConfig, account: tuple[str, str] | None, version: int, gga: bytes) -> bytes:
    """The whole request. `gga`: a line for the caster's choice of a station, or b""."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    lines = [f"GET /{config.mountpoint} HTTP/1.{version - 1}", f"User-Agent: {AGENT}"]
    if version == 2:
        lines[1:1] = [f"Host: {host}:{config.tcp_port}", "Ntrip-Version: Ntrip/2.0"]
        if gga:
            lines.append(f"Ntrip-GGA: {gga.decode('ascii').strip()}")
        lines.append("Connection: close")
    if account is not None:
        lines.append(f"Authorization: Basic {b64encode(':'.join(account).encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def parse_answer(data: bytes) -> Answer | None:
    """What a caster said first; None to wait for more. CasterError when it is not a stream."""
    line, end, rest = data.partition(b"\r\n")
    if not end:
        if len(data) > HEAD_SIZE_MAX:
            raise CasterError(f"no NTRIP caster: {_words(data)}")
        return None
    if line.startswith(b"ICY 200"):
        return Answer(chunked=False, rest=rest)  # headers or an empty line may follow: they are no frames
    if line.startswith(b"SOURCETABLE"):
        raise CasterError("no such mountpoint: the caster sent its source table", refused=True)
    if not line.startswith(b"HTTP/1."):
        raise CasterError(_words(line), refused=line.startswith((b"ERROR", b"ICY")))
    status = line.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise CasterError(_words(line), refused=status[:1] < [b"500"])
    head, end, body = rest.partition(b"\r\n\r\n")
    if not end:
        if len(data) > HEAD_SIZE_MAX:
            raise CasterError("the caster's headers do not end")
        return None
    headers = head.lower()
    if b"gnss/sourcetable" in headers or b"text/html" in headers:
        raise CasterError("no such mountpoint: the caster sent a page, not a stream", refused=True)
    return Answer(b"transfer-encoding: chunked" in headers, body)


def _words(line: bytes) -> str:
    text = line[:WORDS_MAX].decode("ascii", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)


class Dechunker:
    """Takes the chunked coding off a stream. Keeps at most one line of CHUNK_LINE_MAX bytes."""

    def __init__(self) -> None:
        self._left = 0
        self._line = b""
        self._in_data = False

    def feed(self, data: bytes) -> bytes:
        """The bytes inside; CasterError when the coding is wrong or the stream has ended."""
        out = b""
        while data:
            if self._in_data:
                part, data = data[: self._left], data[self._left :]
                self._left -= len(part)
                out += part
                self._in_data = self._left > 0
                continue
            head, end, rest = data.partition(b"\n")
            self._line += head
            if len(self._line) > CHUNK_LINE_MAX:
                raise CasterError("the caster's chunks cannot be read")
            if not end:
                break
            data, line, self._line = rest, self._line.strip(), b""
            if line:  # an empty one ends the chunk before
                self._begin(line.partition(b";")[0])
        return out

    def _begin(self, digits: bytes) -> None:
        try:
            self._left = int(digits.strip(), 16)
        except ValueError:
            self._left = -1
        if self._left == 0:
            raise CasterError("the caster has ended the stream")
        if self._left < 0:
            raise CasterError("the caster's chunks cannot be read")
        self._in_data = True
