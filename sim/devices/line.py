"""An emulated device of lines of text: any format, any line end, with or without a checksum.

Enters: truth by name, a format of Python such as "T={t:.1f},H={h}". Leaves: lines. Called by drills and tests. It
speaks by itself, or when it is asked. Checksums are computed here, bit by bit.
"""

from dataclasses import dataclass, field

from sim.devices.modbus import checksum as crc_bytes

PENDING_SIZE_MAX = 64


@dataclass(slots=True)
class LineDevice:
    """`asked` empty: a line each `period_ms`; else a line each time it has come."""

    form: str
    values: dict[str, float] = field(default_factory=dict)
    separator: str = "\r\n"
    checksum: str = "none"
    encoding: str = "ascii"
    asked: bytes = b""
    period_ms: int = 1_000
    _due_ms: int = 0
    _heard: bytes = b""

    def line(self) -> bytes:
        """One line with its end."""
        body = self.form.format(**self.values).encode(self.encoding)
        if self.checksum == "nmea":
            parity = 0
            for byte in body:
                parity ^= byte
            body = b"$%s*%02X" % (body, parity)
        elif self.checksum == "crc16-modbus":
            body += crc_bytes(body)[::-1].hex().upper().encode()
        return body + self.separator.encode(self.encoding)

    def answer(self, data: bytes) -> bytes:
        """What it says to a question."""
        if not self.asked:
            return b""
        self._heard = (self._heard + data)[-PENDING_SIZE_MAX:]
        count = self._heard.count(self.asked)
        if count:
            self._heard = b""
        return self.line() * count

    def step(self, t_ms: int) -> bytes:
        """What it says by itself until `t_ms`."""
        if self.asked or t_ms < self._due_ms:
            return b""
        self._due_ms = t_ms + self.period_ms
        return self.line()
