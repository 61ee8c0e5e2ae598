"""What a recorded log holds besides the receiver's bytes, and how to leave it out.

Enters: a log file's bytes. Leaves: what the receiver sent, and when it was recorded. Called by `decode` and by the
simulator's player.

gpsd's logs begin with lines that start with "#", written by people, not by receivers. A header
"Delay-Cookie:" names a character that was put between the bytes to mark where a packet ended; it is taken out too.
A header "Date: 2005-06-09" says in which 1024 weeks a receiver counts that sends only a 10-bit week.
**Source:** gpsd, gpsfake(1), "Delay-Cookie", "Date".
"""

import re
from datetime import UTC, datetime

from firmware_bridge.rollover import GPS_EPOCH_UTC_MS, RECORDED, Rollover
from protocols.units import MS_PER_S

_HEADER = re.compile(rb"(?:#[^\n]*(?:\n|\Z)|\r?\n)+")
_COOKIE = re.compile(rb"#\s*Delay-Cookie:\s*(\S)")
_DATE = re.compile(rb"^#[ \t]*Date:[ \t]*(\d{4}-\d\d-\d\d)[ \t\r]*$", re.MULTILINE)


def receiver_bytes(data: bytes) -> bytes:
    """A whole log -> its receiver's bytes; a log without a header comes back unchanged."""
    header = _HEADER.match(data)
    if header is None:
        return data
    rest = data[header.end() :]
    cookie = _COOKIE.search(header[0])
    return rest.replace(cookie[1], b"") if cookie else rest


def recorded_rollover(data: bytes) -> Rollover:
    """How to mend the dates of a whole log: around the day in its header, else RECORDED.

    Only an ISO date between 1980 and what RECORDED allows counts; people have written many other things there.
    """
    header = _HEADER.match(data)
    said = _DATE.search(header[0]) if header else None
    if said is None:
        return RECORDED
    try:
        day = datetime.strptime(said[1].decode("ascii"), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return RECORDED
    reference_utc_ms = int(day.timestamp()) * MS_PER_S
    sound = GPS_EPOCH_UTC_MS <= reference_utc_ms < RECORDED.newest_utc_ms
    return Rollover.around(reference_utc_ms) if sound else RECORDED
