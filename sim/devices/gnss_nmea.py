"""An emulated GNSS receiver that speaks NMEA 0183.

Enters: the world's truth as a `Fix`. Leaves: the bytes of one epoch. Called by the player and by drills.
"""

from firmware_bridge import nmea_build
from protocols.samples import Fix


class NmeaReceiver:
    """GGA, GSA, GSV, RMC, GST and ZDA, in the order of most receivers. It takes no commands."""

    def __init__(self, talker: str = "GN", places: int = nmea_build.PLACES_DEFAULT) -> None:
        """`places`: digits of the minutes; 5 is 1.9 cm."""
        self._talker = talker
        self._places = places

    def epoch(self, fix: Fix) -> bytes:
        """All sentences of one moment. Without `sats_seen` there is no GSV, without `hacc_mm` no GST."""
        talker = self._talker
        parts = [nmea_build.build_gga(fix, talker, self._places), nmea_build.build_gsa(fix, talker)]
        if fix.sats_seen is not None:
            parts.append(nmea_build.build_gsv(fix, "GP"))
        parts.append(nmea_build.build_rmc(fix, talker, self._places))
        if fix.hacc_mm is not None:
            parts.append(nmea_build.build_gst(fix, talker))
        parts.append(nmea_build.build_zda(fix, talker))
        return b"".join(parts)

    def answer(self, data: bytes) -> bytes:
        """What the receiver says to what a client wrote: nothing."""
        return b""
