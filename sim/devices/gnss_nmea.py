"""An emulated GNSS receiver that speaks NMEA 0183.

Enters: the world's truth as a `Fix`. Leaves: the bytes of one epoch. Called by the player and by drills.
"""

from collections.abc import Iterator

from firmware_bridge import nmea_build
from protocols.samples import Fix
from sim.devices.gnss_sky import TALKERS, satellites

L1_SIGNAL, L5_SIGNAL = 1, 8
GSA_MAX = 12


class NmeaReceiver:
    """GGA, GSA, GSV, RMC, GST and ZDA, in the order of most receivers; THS with two antennas. It takes no commands."""

    def __init__(self, talker: str = "GN", places: int = nmea_build.PLACES_DEFAULT, ids: bool = True) -> None:
        """`places`: digits of the minutes; 5 is 1.9 cm. `ids`: NMEA 4.11, satellites listed by constellation and
        signal; else one GSA and one GSV that only count."""
        self._talker = talker
        self._places = places
        self._ids = ids

    def epoch(self, fix: Fix, corrections_age_ds: int | None = None) -> bytes:
        """All sentences of one moment. Without `sats_seen` there is no GSV, without `hacc_mm` no GST, without
        `heading_cdeg` no THS."""
        talker = self._talker
        parts = [nmea_build.build_gga(fix, talker, self._places, corrections_age_ds)]
        parts += self._satellites(fix) if self._ids else self._counted(fix)
        parts.append(nmea_build.build_rmc(fix, talker, self._places))
        if fix.heading_cdeg is not None:
            parts.append(nmea_build.build_ths(fix, talker))
        if fix.hacc_mm is not None:
            parts.append(nmea_build.build_gst(fix, talker))
        parts.append(nmea_build.build_zda(fix, talker))
        return b"".join(parts)

    def _counted(self, fix: Fix) -> Iterator[bytes]:
        yield nmea_build.build_gsa(fix, self._talker)
        if fix.sats_seen is not None:
            yield nmea_build.build_gsv(fix, "GP")

    def _satellites(self, fix: Fix) -> Iterator[bytes]:
        """One GSA a constellation, two where twelve are not enough; every second GPS satellite is seen on L5 too."""
        for system, numbers in satellites(fix.sats_used or 0).items():
            for start in range(0, max(1, len(numbers)), GSA_MAX):
                part = numbers[start : start + GSA_MAX]
                yield nmea_build.build_gsa(fix, self._talker, part, int(system))
        for system, numbers in satellites(fix.sats_seen or 0).items():
            if numbers:
                yield from nmea_build.build_gsvs(TALKERS[system], numbers, L1_SIGNAL)
                if TALKERS[system] == "GP":
                    yield from nmea_build.build_gsvs("GP", numbers[::2], L5_SIGNAL)

    def answer(self, data: bytes) -> bytes:
        """What the receiver says to what a client wrote: nothing."""
        return b""
