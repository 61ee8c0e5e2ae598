"""The driver of SiRF receivers: SiRF binary, and NMEA whenever the receiver falls back to it.

Enters: bytes of the receiver. Leaves: fixes. Called through the table in `drivers.py`. A SiRF receiver starts in NMEA,
is switched to binary by some other program, and forgets that when its battery is empty; so both are read, one
after the other. Nothing is sent to it.

Every fix is one Measured Navigation Data, message 2. Its place is in whole metres from the Earth's centre, so there is
no height worth telling: the receiver's own, in message 41, comes marked as no fix from SiRF II firmware, and gpsd
has stopped reading it too. Its time is a 10-bit GPS week and a time of week without leap seconds: `rollover` says
which week is meant, and takes today's 18 leap seconds, for old recordings too, as gpsd does.
**Source:** SiRF Binary Protocol Reference Manual, 1050-0041 revision 2.4, message 2; what its modes mean in
practice, gpsd, `drivers/driver_sirf.c`, `sirf_msg_navsol`.
"""

from math import atan2, degrees, hypot, sqrt
from struct import Struct

from firmware_bridge.ecef import geodetic, over_ground
from firmware_bridge.epoch import EpochAssembler
from firmware_bridge.fix_from_nmea import hacc_mm_from_hdop
from firmware_bridge.framing import count_nmea
from firmware_bridge.interface import DriverRow, Settings
from firmware_bridge.rollover import WEEK_MS, Rollover
from firmware_bridge.sirf_framing import SirfSplitter, count_sirf
from firmware_bridge.stream_driver import StreamDriver
from protocols.samples import Fix, FixMode
from protocols.units import CDEG_PER_DEG

MEASURED_NAVIGATION = 2
MEASURED_NAVIGATION_SIZE_MIN = 41
"""Id to the twelfth channel. Later firmware adds bytes at the end."""

_READ = Struct(">xiiihhhBBxHIB")  # what we use of it: up to the count of satellites

MODE_MASK = 0x07
FLAG_DIFFERENTIAL = 0x80
_MODES = {
    1: FixMode.DEAD_RECKONED,
    2: FixMode.DEAD_RECKONED,
    3: FixMode.FIX_2D,
    4: FixMode.FIX_3D,
    5: FixMode.FIX_2D,
    6: FixMode.FIX_3D,
    7: FixMode.DEAD_RECKONED,
}
"""0 is no solution; 1 to 4 count satellites, 5 and 6 are least squares, 7 is dead reckoning. One or two satellites
make no position: the receiver holds its course or its clock, so that is an estimate too (gpsd calls it 2D)."""

RADIUS_M_MIN, RADIUS_M_MAX = 6_340_000, 6_480_000
"""From the Earth's centre, poles to equator, 16 km below to 100 km above. Elsewhere there is damage, no unit."""

HDOP_E2_PER_UNIT = 20  # fifths
MMPS_PER_UNIT = 125  # eighths of a metre a second
MS_PER_TOW_UNIT = 10  # hundredths of a second


class SirfDriver(StreamDriver):
    """One receiver on one port."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._rollover = settings.rollover
        self._assembler = EpochAssembler(self.stats, settings.rollover, self._out.append)
        self._splitter = SirfSplitter(
            self.stats, self._assembler.sentence, self._frame, self._assembler.damage
        )

    def _silent(self) -> None:
        self._assembler.flush()

    def hello(self) -> bytes:
        """Nothing: what the receiver was set to is left alone."""
        return b""

    def _frame(self, message: int, payload: bytes) -> None:
        """One checked frame."""
        if message != MEASURED_NAVIGATION:
            self.stats.skipped += 1
            return
        self._assembler.flush()  # the receiver has left NMEA: what was open there is complete, and older
        fix = parse_measured_navigation(payload, self._rollover)
        if fix is None:
            self.stats.bad += 1
        else:
            self.stats.good += 1
            self._out.append(fix)


def parse_measured_navigation(payload: bytes, rollover: Rollover) -> Fix | None:
    """Message 2, id byte included -> Fix; None if it is too short, or its place or time is out of range."""
    if len(payload) < MEASURED_NAVIGATION_SIZE_MIN:
        return None
    x_m, y_m, z_m, vx, vy, vz, mode1, hdop, week, tow, sats_used = _READ.unpack_from(payload)
    mode = _MODES.get(mode1 & MODE_MASK)
    if mode is None:
        return Fix(None, FixMode.NONE, sats_used=sats_used)
    if mode is FixMode.FIX_3D and mode1 & FLAG_DIFFERENTIAL:
        mode = FixMode.DGNSS
    tow_ms = tow * MS_PER_TOW_UNIT
    radius_m = sqrt(x_m * x_m + y_m * y_m + z_m * z_m)
    if tow_ms >= WEEK_MS or not RADIUS_M_MIN <= radius_m <= RADIUS_M_MAX:
        return None
    lat, lon = geodetic(x_m, y_m, z_m)
    east, north = over_ground(lat, lon, vx, vy, vz)
    speed_mmps = round(hypot(east, north) * MMPS_PER_UNIT)
    hdop_e2 = hdop * HDOP_E2_PER_UNIT or None
    return Fix(
        rollover.utc_ms(week, tow_ms),
        mode,
        round(degrees(lat) * 1e9),
        round(degrees(lon) * 1e9),
        None,
        speed_mmps,
        round(degrees(atan2(east, north)) * CDEG_PER_DEG) % 36_000 if speed_mmps else None,
        hacc_mm_from_hdop(hdop_e2, mode),
        sats_used,
        None,
        hdop_e2,
    )


def _count_both(data: bytes) -> int:
    return count_nmea(data) + count_sirf(data)


READS = ("lat_deg_e7", "lon_deg_e7", "speed_dmps", "course_deg", "fix_mode", "hacc_dm", "sats_used")
ROWS = (DriverRow("sirf", "SiRF receiver, SiRF binary and NMEA 0183", SirfDriver, _count_both, READS),)
