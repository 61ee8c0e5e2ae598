"""The chain that makes tampering with operator records visible.

Enters: the digest before and a record's content. Leaves: its own digest. Pure.
"""

import hashlib
import json

START = "0" * 64
"""The digest before the first record."""


def canonical(content: dict[str, object]) -> str:
    """One spelling for one content: JSON, keys sorted, no spaces, UTF-8 as it is."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def link(previous: str, seq: int, t_utc_ms: int, who: str, what: str, content: str) -> str:
    """SHA-256 over the previous digest and the canonical record, hexadecimal."""
    record: dict[str, object] = {
        "content": content,
        "seq": seq,
        "t_utc_ms": t_utc_ms,
        "what": what,
        "who": who,
    }
    return hashlib.sha256((previous + canonical(record)).encode()).hexdigest()
