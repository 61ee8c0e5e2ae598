"""The line protocol between a process of its own and the agent: one JSON object a line.

Enters: samples and the process's state. Leaves: lines; and at the other end the same samples and states, each checked
against the catalog, because a process that went wrong must not harm the agent. Callers: `firmware_bridge.apart.ais` and
`ble` write, `edge.apart_worker` reads.

A line is `{"v": 1, "k": kind, …}` and "\\n", UTF-8, at most LINE_SIZE_MAX bytes. Kinds: observed, heard, reading,
identity, note, state. `values` go by the field's id as a decimal number in quotes.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from protocols.catalog import FIELDS_BY_ID, Kind, Said, Source
from protocols.samples import Heard, Identity, Note, Observed, Reading, Sample

VERSION = 1
LINE_SIZE_MAX = 8_192
"""The longest: a text of 1,000 bytes, each escaped to six."""

TEXT_SIZE_MAX = 1_000
WORDS_MAX = 32
ID_MAX = 2**63 - 1
T_UTC_MS_MAX = 2**53
COUNT_MAX = 2**63 - 1

EXIT_EXTRA_MISSING = 69
"""The process ends with this when its library is not installed: there is no use in starting it again soon.
**Source:** EX_UNAVAILABLE of sysexits.h."""


@dataclass(frozen=True, slots=True)
class State:
    """How the process is doing, said once a second and at each change. Counters grow since its start.

    open   whether the device is there: the port is open, the strap connected
    error  the newest trouble in a few words, "" for none
    """

    open: bool = False
    locked: bool = False
    baud: int = 0
    byte_count: int = 0
    good: int = 0
    bad: int = 0
    skipped: int = 0
    noise: int = 0
    error: str = ""


CROSSING = Observed | Heard | Reading | Identity | Note


def encode(thing: Sample | State) -> bytes:
    """One line with its end. ValueError for a sample that does not cross the pipe, or is too long for it."""
    if isinstance(thing, State):
        body: dict[str, Any] = {"k": "state", **asdict(thing)}
    elif isinstance(thing, CROSSING):
        body = {"k": type(thing).__name__.lower()}
        for field in fields(thing):
            value = getattr(thing, field.name)
            if value is not None:
                body[field.name] = value
    else:
        raise ValueError(
            f"pipe: {type(thing).__name__} does not cross it; observed, heard, reading, identity, note do"
        )
    line = json.dumps({"v": VERSION, **body}, ensure_ascii=False, separators=(",", ":")).encode(
        errors="replace"
    )
    if len(line) >= LINE_SIZE_MAX:
        raise ValueError(f"pipe: a line of {len(line)} bytes, at most {LINE_SIZE_MAX - 1} are allowed")
    return line + b"\n"


def decode(line: bytes) -> Sample | State | None:
    """What a line says; None for one that is damaged, of another version, or holds what the catalog does not allow."""
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or raw.get("v") != VERSION or not isinstance(raw.get("k"), str):
        return None
    kind = _KINDS.get(raw["k"])
    if kind is None:
        return None
    try:
        return kind(raw)
    except (KeyError, ValueError, TypeError):
        return None


class LineReader:
    """Cuts what a pipe gives into lines. Bounded: of a line that is too long nothing is kept."""

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self._tail = b""
        self._dropping = False

    @property
    def pending_size(self) -> int:
        """Bytes kept for the next call, at most LINE_SIZE_MAX."""
        return len(self._tail)

    def feed(self, data: bytes) -> list[Sample | State]:
        """Everything valid in the whole lines."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        out: list[Sample | State] = []
        for line in lines:
            thing = None if self._dropping or len(line) >= LINE_SIZE_MAX else decode(line)
            self.bad += thing is None and not self._dropping
            self.good += thing is not None
            self._dropping = False
            if thing is not None:
                out.append(thing)
        if len(self._tail) >= LINE_SIZE_MAX:
            self.bad += not self._dropping
            self._dropping, self._tail = True, b""
        elif self._dropping:
            self._tail = b""
        return out


def _text(raw: dict[str, Any], key: str, size_max: int = TEXT_SIZE_MAX) -> str:
    value = raw[key]
    if not isinstance(value, str) or len(value.encode()) > size_max:
        raise ValueError(key)
    return value


def _number(raw: dict[str, Any], key: str, hi: int) -> int:
    value = raw[key]
    if type(value) is not int or not 0 <= value <= hi:
        raise ValueError(key)
    return value


def _when(raw: dict[str, Any]) -> int | None:
    return _number(raw, "t_utc_ms", T_UTC_MS_MAX) if "t_utc_ms" in raw else None


def _values(raw: dict[str, Any], pages: tuple[Kind, ...]) -> dict[int, int]:
    """Field id -> number; every one has to be of these pages and within its range."""
    out: dict[int, int] = {}
    if not isinstance(raw["values"], dict):
        raise ValueError("values")
    for key, number in raw["values"].items():
        field = FIELDS_BY_ID[int(key)]
        if field.page not in pages or type(number) is not int or not field.lo <= number <= field.hi:
            raise ValueError(key)
        out[field.id] = number
    return out


def _observed(raw: dict[str, Any]) -> Observed:
    values = _values(raw, (Kind.OBSERVED,))
    return Observed(Source(raw["source"]), _number(raw, "id", ID_MAX), values, _when(raw))


def _heard(raw: dict[str, Any]) -> Heard:
    return Heard(Source(raw["source"]), _number(raw, "id", ID_MAX), Said(raw["what"]), _text(raw, "text"))


def _reading(raw: dict[str, Any]) -> Reading:
    return Reading(_values(raw, (Kind.STATE, Kind.HEALTH)), _when(raw))


def _identity(raw: dict[str, Any]) -> Identity:
    return Identity(_text(raw, "model"), _text(raw, "firmware"))


def _note(raw: dict[str, Any]) -> Note:
    words = raw["words"]
    if not isinstance(words, dict) or len(words) > WORDS_MAX:
        raise ValueError("words")
    for key, word in words.items():
        key.encode()  # half a surrogate pair, which JSON can spell, would fail where it is shown
        if type(word) is not int:
            _text(words, key)
    return Note(_text(raw, "about"), dict(words))


def _flag(raw: dict[str, Any], key: str) -> bool:
    value = raw[key]
    if type(value) is not bool:
        raise ValueError(key)
    return value


def _state(raw: dict[str, Any]) -> State:
    open_, locked, error = _flag(raw, "open"), _flag(raw, "locked"), _text(raw, "error")
    names = ("baud", "byte_count", "good", "bad", "skipped", "noise")
    baud, byte_count, good, bad, skipped, noise = (_number(raw, name, COUNT_MAX) for name in names)
    return State(open_, locked, baud, byte_count, good, bad, skipped, noise, error)


_KINDS: dict[str, Callable[[dict[str, Any]], Sample | State]] = {
    "observed": _observed,
    "heard": _heard,
    "reading": _reading,
    "identity": _identity,
    "note": _note,
    "state": _state,
}
