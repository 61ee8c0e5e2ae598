"""What a recorded log holds besides the receiver's bytes, and how to leave it out.

Enters: a log file's bytes. Leaves: what the receiver sent. Called by `decode` and by the simulator's player.

gpsd's logs begin with lines that start with "#", written by people, not by receivers. A header
"Delay-Cookie:" names a character that was put between the bytes to mark where a packet ended; it is taken out too.
**Source:** gpsd, gpsfake(1), "Delay-Cookie".
"""

import re

_HEADER = re.compile(rb"(?:#[^\n]*(?:\n|\Z)|\r?\n)+")
_COOKIE = re.compile(rb"#\s*Delay-Cookie:\s*(\S)")


def receiver_bytes(data: bytes) -> bytes:
    """A whole log -> its receiver's bytes; a log without a header comes back unchanged."""
    header = _HEADER.match(data)
    if header is None:
        return data
    rest = data[header.end() :]
    cookie = _COOKIE.search(header[0])
    return rest.replace(cookie[1], b"") if cookie else rest
