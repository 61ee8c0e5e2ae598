"""The book of orders: what was taken and what is open, in memory and in one small file beside the spool.

Enters: orders that are obeyed, receipts. Leaves: the open ones, also after a restart. Called by `edge.obey_desk`. The
file is replaced as a whole; where the disk refuses it, memory serves, and that is said once.
"""

import json
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import identity
from edge.obey import TEXT_CHARS_MAX, Judge, Said, Verdict
from protocols.catalog import EventCode
from protocols.orders import NEVER_LATE, SEQ_MAX, OrderType

log = logging.getLogger("zhantu.edge.orders")

OPEN_MAX = 32
"""Open orders; of more, the oldest that is no evacuation goes."""
FILE_BYTES_MAX = 2**20
RETRY_MS = 5_000
ENDS = frozenset({EventCode.REFUSED, EventCode.DONE, EventCode.ROLL_CALL})


@dataclass(slots=True)
class Open:
    """An order that the wearer has not answered to the end. `since_utc_ms`: when it came, by the best clock."""

    said: Said
    since_utc_ms: int


class Book:
    """Written after each change by `save`; nothing else does I/O but `load`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.judge = Judge()
        self.open: dict[int, Open] = {}
        self._is_dirty = self._is_told = False
        self._retry_ms = 0

    def load(self) -> None:
        """Take up what was before a restart. A damaged file is said and begun anew."""
        try:
            with self._path.open("rb") as file:
                kept = unpack(file.read(FILE_BYTES_MAX))
            found = [_open(*one) for one in kept["open"]]
            self.judge.resume(kept)
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
            log.error("%s: %s; orders that were obeyed before may be obeyed again", self._path, err)
            return
        self.open = {one.said.seq: one for one in found[:OPEN_MAX]}

    def take(self, said: Said, t_utc_ms: int, *, is_open: bool) -> Open | None:
        """It is obeyed, and open until `end`. What went for want of room."""
        self.judge.take(said)
        self._is_dirty = True
        if not is_open:
            return None
        self.open[said.seq] = Open(said, t_utc_ms)
        if len(self.open) <= OPEN_MAX:
            return None
        spare = next((one for one in self.open.values() if one.said.type not in NEVER_LATE), None)
        return self.open.pop((spare or next(iter(self.open.values()))).said.seq)

    def note(self, said: Said, code: int) -> None:
        """A receipt was given."""
        self.judge.note(said, code)
        self._is_dirty = True

    def end(self, seq: int) -> None:
        """Nothing more is expected of the wearer."""
        self._is_dirty = self.open.pop(seq, None) is not None or self._is_dirty

    def is_answered(self, one: Open) -> bool:
        """Whether the wearer has said all that there is to say. An accepted task still waits for DONE."""
        codes = self.judge.codes(one.said)
        accepted = EventCode.ACCEPTED in codes and one.said.type != OrderType.TASK
        return accepted or any(code in ENDS for code in codes)

    def save(self, t_ms: int) -> bool:
        """Write what has changed. False when the disk refuses it; it is tried again now and then."""
        if not self._is_dirty:
            return True
        if self._is_told and t_ms < self._retry_ms:
            return False
        kept = self.judge.keep() | {
            "open": [[*one.said, one.since_utc_ms] for one in self.open.values()],
        }
        try:
            identity.write(self._path, pack(kept))
        except OSError as err:
            if not self._is_told:
                log.error(
                    "%s: %s; orders are in memory only until it can be written", self._path, err.strerror
                )
            self._is_told, self._retry_ms = True, t_ms + RETRY_MS
            return False
        self._is_dirty = self._is_told = False
        return True

    def verdict(self, said: Said, t_utc_ms: int | None) -> Verdict:
        """See `Judge.judge`."""
        return self.judge.judge(said, t_utc_ms)


def pack(kept: Any) -> bytes:
    """The file: a checksum, then JSON. One flipped bit in the number of an all-clear could silence evacuations."""
    text = json.dumps(kept, ensure_ascii=False).encode()
    return b"%08x\n%s\n" % (zlib.crc32(text), text)


def unpack(data: bytes) -> Any:
    """What `pack` was given; ValueError when it is not that."""
    mark, _, rest = data.partition(b"\n")
    text = rest.removesuffix(b"\n")
    if len(rest) == len(text) or mark != b"%08x" % zlib.crc32(text):
        raise ValueError("not as it was written")
    return json.loads(text)


def _open(
    seq: Any, kind: Any, text: Any, issuer: Any, role: Any, not_before: Any, expires: Any, lat: Any, lon: Any,
    since: Any,
) -> Open:  # fmt: skip
    for number in (seq, not_before, expires, since):
        if type(number) is not int or not 0 <= number <= SEQ_MAX:
            raise ValueError(f"kept: {number!r} in an open order")
    for words in (text, issuer, role):
        if type(words) is not str or len(words) > TEXT_CHARS_MAX:
            raise ValueError(f"kept: {words!r:.40} in an open order")
    for degrees in (lat, lon):
        if degrees is not None and type(degrees) is not int:
            raise ValueError(f"kept: {degrees!r} in an open order")
    return Open(Said(seq, OrderType(kind), text, issuer, role, not_before, expires, lat, lon), since)
