"""The driver of GNSS receivers: NMEA and UBX, also both on one port.

Enters: bytes of the receiver. Leaves: fixes, the receiver's identity when it answers, and every SKY_EVERY_MS at most a
`Reading` of its satellites and the age of its corrections. Called through the table in `drivers.py`. Where a receiver
sends both, NAV-PVT wins, because it has its own accuracy and validity: NMEA fixes are then left out, and come back
when three of them in a row had no NAV-PVT between them.
"""

from firmware_bridge.epoch import EpochAssembler
from firmware_bridge.framing import Splitter, count_nmea, count_ubx
from firmware_bridge.interface import DriverRow, Settings
from firmware_bridge.sky import SKY_EVERY_MS
from firmware_bridge.stream_driver import StreamDriver
from firmware_bridge.ubx import MON_VER, NAV_HPPOSLLH, NAV_PVT, NAV_SAT, UbxDecoder
from firmware_bridge.ubx_build import (
    KEYS_NAV_HPPOSLLH,
    KEYS_NAV_PVT,
    KEYS_NAV_SAT,
    build,
    build_cfg_msg,
    build_cfg_valset,
)
from protocols.samples import Fix, Reading, Sample
from protocols.units import NS_PER_MS

UBX_LEADS_EPOCHS = 3
SAT_EVERY_EPOCHS = 5
"""A NAV-SAT of 40 satellites has 496 bytes: at 1 Hz a tenth of a line of 9600 baud."""


class GnssDriver(StreamDriver):
    """One receiver on one port."""

    def __init__(self, settings: Settings, nmea: bool = True, ubx: bool = True) -> None:
        super().__init__()
        self._nmea, self._ubx = nmea, ubx
        self._assembler = EpochAssembler(self.stats, settings.rollover, self._out_nmea)
        self._decoder = UbxDecoder(self.stats, self._out_ubx)
        self._splitter = Splitter(
            self.stats,
            self._assembler.sentence if nmea else self._skip_sentence,
            self._decoder.frame if ubx else self._skip_frame,
            self._assembler.damage,
        )
        self._ubx_leads = 0
        self._sky_due_mono_ns = 0
        self._sky_wanted = False

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`. The first count of satellites begins SKY_EVERY_MS after the first bytes."""
        if t_mono_ns >= self._sky_due_mono_ns:
            if self._sky_due_mono_ns:
                self._sky_wanted = True
                self._assembler.count_sky()
                self._decoder.count_sky()
            self._sky_due_mono_ns = t_mono_ns + SKY_EVERY_MS * NS_PER_MS
        return super().feed(data, t_mono_ns)

    def _silent(self) -> None:
        self._assembler.flush()
        self._decoder.flush()

    def hello(self) -> bytes:
        """Asks a u-blox for NAV-PVT, high-precision digits, its satellites, and its name; others ignore it.

        NAV-RELPOSNED is not asked for: it says something only where somebody has set up two antennas.
        """
        if not self._ubx:
            return b""
        # One message per key group: a receiver refuses all keys of a message of which it does not know one.
        return (
            build_cfg_msg(NAV_PVT)
            + build_cfg_msg(NAV_HPPOSLLH)
            + build_cfg_msg(NAV_SAT, SAT_EVERY_EPOCHS)
            + build_cfg_valset(KEYS_NAV_PVT)
            + build_cfg_valset(KEYS_NAV_HPPOSLLH)
            + build_cfg_valset(KEYS_NAV_SAT, SAT_EVERY_EPOCHS)
            + build(MON_VER)
        )

    def _out_nmea(self, sample: Fix | Reading) -> None:
        if isinstance(sample, Reading):
            self._out_sky(sample)
        elif self._ubx_leads > 0:
            self._ubx_leads -= 1
        else:
            self._out.append(sample)

    def _out_ubx(self, sample: Sample) -> None:
        if isinstance(sample, Fix):
            self._ubx_leads = UBX_LEADS_EPOCHS
        if isinstance(sample, Reading):
            self._out_sky(sample)
        else:
            self._out.append(sample)

    def _out_sky(self, reading: Reading) -> None:
        """The first that is complete is told; where a receiver speaks both languages the other one is left out."""
        if self._sky_wanted:
            self._sky_wanted = False
            self._sky_due_mono_ns = self._last_byte_mono_ns + SKY_EVERY_MS * NS_PER_MS
            self._out.append(reading)

    def _skip_sentence(self, _body: bytes, _digits: bytes) -> None:
        self.stats.skipped += 1

    def _skip_frame(self, _message: int, _payload: bytes) -> None:
        self.stats.skipped += 1


def _count_both(data: bytes) -> int:
    return count_nmea(data) + count_ubx(data)


READS = (
    "lat_deg_e7", "lon_deg_e7", "alt_dm", "speed_dmps", "course_deg", "heading_ddeg", "fix_mode", "hacc_dm",
    "sats_used", "gps_used", "glonass_used", "galileo_used", "beidou_used", "qzss_used", "sats_seen",
    "corrections_age_ds",
)  # fmt: skip

ROWS = (
    DriverRow("gnss", "GNSS receiver, NMEA 0183 and u-blox binary mixed", GnssDriver, _count_both, READS),
    DriverRow(
        "nmea",
        "GNSS receiver, NMEA 0183 only",
        lambda settings: GnssDriver(settings, ubx=False),
        count_nmea,
        READS,
    ),
    DriverRow(
        "ubx",
        "u-blox receiver, binary only",
        lambda settings: GnssDriver(settings, nmea=False),
        count_ubx,
        READS,
    ),
)
