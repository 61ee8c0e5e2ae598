"""The chain that makes tampering with operator records visible.

Enters: the digest before and a record's content. Leaves: its own digest; of many records, a verdict. Pure.

A digest names its algorithm: `sm3:…` (GB/T 32905-2016) where OpenSSL has it, else `sha256:…`. Plain hexadecimal is
SHA-256 of records made before that. A chain shows what was changed, taken out, put in or moved. It cannot show by
itself that its end was cut off, or that all of it was made anew: for that a number and digest noted elsewhere are
compared.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

START = "0" * 64
"""The digest before the first record."""
SM3, SHA256 = "sm3", "sha256"
ALGORITHMS = (SM3, SHA256)
NOTES_MAX = 20


def has_sm3() -> bool:
    """Whether this machine's OpenSSL can make SM3; one in FIPS mode may not."""
    try:
        hashlib.new(SM3)
    except ValueError:
        return False
    return True


BEST = SM3 if has_sm3() else SHA256


def canonical(content: dict[str, object]) -> str:
    """One spelling for one content: JSON, keys sorted, no spaces, UTF-8 as it is."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parsed(text: str) -> dict[str, object]:
    """A record's content again; one that was tampered with may be no JSON any more."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {"unreadable": text}


def link(
    previous: str, seq: int, t_utc_ms: int, who: str, what: str, content: str, algorithm: str = BEST
) -> str:
    """The digest of the previous digest and the canonical record: `algorithm:hexadecimal`, "" for plain SHA-256."""
    record: dict[str, object] = {
        "content": content,
        "seq": seq,
        "t_utc_ms": t_utc_ms,
        "what": what,
        "who": who,
    }
    made = hashlib.new(algorithm or SHA256, (previous + canonical(record)).encode()).hexdigest()
    return f"{algorithm}:{made}" if algorithm else made


@dataclass(slots=True)
class Verdict:
    """`broken` names the first record that does not fit, None when all do. `head`: the last number and digest."""

    count: int = 0
    head_digest: str = START
    broken: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def head(self) -> str:
        return f"{self.count}:{self.head_digest}"

    @property
    def words(self) -> str:
        return self.broken or f"{self.count} operator records, the chain is whole"


def verify(rows: Iterable[tuple[object, ...]], expect: tuple[int, str] | None = None) -> Verdict:
    """Go through (seq, t_utc_ms, who, what, content, previous, digest), oldest first, as far as they fit.

    `expect`: number and digest noted earlier, which must still be there.
    """
    verdict = Verdict()
    strongest = False
    for row in rows:
        wrong = _wrong(verdict, row)
        if wrong is None and expect is not None and row[0] == expect[0] and row[6] != expect[1]:
            wrong = (
                f"records: number {row[0]} ({row[3]}) is not the one that was noted: it has digest {row[6]}"
            )
        if wrong is not None:
            verdict.broken = wrong
            return verdict
        verdict.count, verdict.head_digest = int(str(row[0])), str(row[6])
        weaker = not verdict.head_digest.startswith(f"{SM3}:")
        if strongest and weaker and BEST == SM3 and len(verdict.notes) < NOTES_MAX:
            verdict.notes.append(
                f"number {row[0]} ({row[3]}) uses SHA-256 after SM3: made on another machine?"
            )
        strongest = strongest or not weaker
    if expect is not None and verdict.count < expect[0]:
        verdict.broken = f"records: number {expect[0]} was noted, but the last one is {verdict.count}"
    return verdict


def _wrong(so_far: Verdict, row: tuple[object, ...]) -> str | None:
    seq, t_utc_ms, who, what, content, previous, digest = row
    expected = so_far.count + 1
    if seq != expected:
        return f"records: number {seq} where {expected} belongs"
    algorithm = str(digest).rpartition(":")[0]
    if algorithm and algorithm not in ALGORITHMS:
        return f"records: number {seq} ({what}) has a digest of kind {algorithm[:20]!r}"
    if algorithm == SM3 and BEST != SM3:
        return f"records: number {seq} ({what}) cannot be checked here: this machine's OpenSSL has no SM3"
    try:
        made = link(
            so_far.head_digest, expected, int(str(t_utc_ms)), str(who), str(what), str(content), algorithm
        )
    except ValueError:
        made = ""
    if previous != so_far.head_digest or digest != made:
        return f"records: number {seq} ({what}) does not fit the chain"
    return None
