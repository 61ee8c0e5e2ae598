"""SiRF binary frames in a byte stream, NMEA sentences between them.

Enters: chunks as a port gives them. Leaves: what `framing.Splitter` leaves, with SiRF frames in place of UBX ones:
the id is the first byte of the payload, and the payload is whole. Called by the SiRF driver.
**Source:** SiRF Binary Protocol Reference Manual, 1050-0041 revision 2.4; gpsd, `packet.c`.
"""

from firmware_bridge.framing import Splitter, token_pattern
from firmware_bridge.interface import Stats

SIRF_SYNC = b"\xa0\xa2"
SIRF_END = b"\xb0\xb3"
SIRF_PAYLOAD_SIZE_MAX = 1023
"""A longer length is noise that looks like a frame."""

SIRF_HEADER_SIZE = 4
SIRF_TRAILER_SIZE = 4


def sirf_checksum(payload: bytes) -> int:
    """The sum of the bytes, 15 bits."""
    return sum(payload) & 0x7FFF


class SirfSplitter(Splitter):
    """See `framing.Splitter`."""

    sync = SIRF_SYNC
    token = token_pattern(SIRF_SYNC)

    def _frame(self, data: bytes, start: int) -> int | None:
        """Where to go on after the sync at `start`; None to wait for more bytes."""
        body = start + SIRF_HEADER_SIZE
        if body > len(data):
            return None
        size = data[start + 2] << 8 | data[start + 3]
        if not 0 < size <= SIRF_PAYLOAD_SIZE_MAX:
            self._bad()
            return start + len(SIRF_SYNC)
        end = body + size + SIRF_TRAILER_SIZE
        if end > len(data):
            return None
        payload = data[body : body + size]
        if data[end - 4 : end] != sirf_checksum(payload).to_bytes(2, "big") + SIRF_END:
            self._bad()
            return start + len(SIRF_SYNC)
        self._on_frame(payload[0], payload)
        return end


def count_sirf(data: bytes) -> int:
    """How many SiRF frames with a valid checksum `data` holds, sentences left aside."""
    count = 0

    def on_frame(_: int, __: bytes) -> None:
        nonlocal count
        count += 1

    SirfSplitter(Stats(), lambda _body, _digits: None, on_frame, lambda: None).feed(data)
    return count
