"""An emulated heart-rate strap: the bytes of its notifications.

Enters: the truth of a heart. Leaves: values of characteristic 0x2A37, and lines of a recording that the strap's process
plays (`--replay`). Called by drills and tests.
"""

from dataclasses import dataclass
from struct import pack


@dataclass(frozen=True, slots=True)
class Heart:
    """Truth. `contact` None: a strap that does not know. `energy_kj` None: one that does not say."""

    bpm: int
    contact: bool | None = True
    energy_kj: int | None = None
    rr_e1024: tuple[int, ...] = ()
    """Times between beats in 1/1024 s."""


class HeartStrap:
    """Notifies once a second. It takes no commands."""

    def __init__(self, wide: bool = False) -> None:
        """`wide`: the rate in two bytes also where one would do."""
        self._wide = wide

    def notification(self, heart: Heart) -> bytes:
        """The value of one notification."""
        wide = self._wide or heart.bpm > 255
        flags = wide | (heart.energy_kj is not None) << 3 | bool(heart.rr_e1024) << 4
        if heart.contact is not None:
            flags |= 0b100 | heart.contact << 1
        out = pack("<BH" if wide else "<BB", flags, heart.bpm)
        if heart.energy_kj is not None:
            out += pack("<H", heart.energy_kj)
        return out + b"".join(pack("<H", beat) for beat in heart.rr_e1024)

    def step(self, t_ms: int, heart: Heart) -> str:
        """One line of a recording."""
        return f"{t_ms} {self.notification(heart).hex()}\n"

    def answer(self, data: bytes) -> bytes:
        """What the strap says to what a client wrote: nothing."""
        return b""
