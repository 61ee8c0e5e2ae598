"""u-blox binary messages to fixes.

Enters: checked UBX frames from the splitter. Leaves: one `Fix` a NAV-PVT, one `Identity` a MON-VER, and a `Reading` of
satellites when it is asked for one. Called by the GNSS driver. NAV-HPPOSLLH adds the last two digits of a position,
NAV-RELPOSNED the heading of two antennas: once a receiver sends them, a NAV-PVT waits for those with the same time
of week, and leaves without them at the next message that shows that none came.
**Source:** u-blox F9 HPG 1.32 interface description (UBX-22008968) and M8 (UBX-13003221).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import lru_cache
from struct import Struct

from firmware_bridge.interface import Stats
from firmware_bridge.rollover import WEEK_MS
from firmware_bridge.sky import parse_nav_sat, parse_nav_sig
from protocols.catalog import field_id
from protocols.samples import Fix, FixMode, Identity, Reading, Sample
from protocols.units import (
    E9_PER_E7,
    LAT_DEG_E9_MAX,
    LON_DEG_E9_MAX,
    MS_PER_DAY,
    MS_PER_S,
    NS_PER_MS,
    divide_half_even,
)

NAV_PVT = 0x0107
NAV_HPPOSLLH = 0x0114
NAV_SAT = 0x0135
NAV_RELPOSNED = 0x013C
NAV_SIG = 0x0143
NAV_EOE = 0x0161
MON_VER = 0x0A04
CFG_MSG = 0x0601
CFG_VALSET = 0x068A
ACK_ACK = 0x0501
ACK_NAK = 0x0500

NAV_PVT_STRUCT = Struct("<IHBBBBBBIiBBBBiiiiIIiiiiiIIHHIihH")
NAV_PVT_SIZES = (92, 84)
"""92 bytes; 84 before protocol 15, without the last three fields."""

_PVT_READ = Struct("<4xHBBBBBBIiBBxBii4xiI16xii10xH")  # what we use of it

HPPOSLLH_STRUCT = Struct("<BHBIiiiibbbbII")
RELPOSNED_STRUCT = Struct("<BxHIiiiii4xbbbbIIIII4xI")
RELPOSNED_VERSION = 1  # version 0, of M8P, has no heading
RELPOS_GOOD = 0x01 | 0x04 | 0x20 | 0x100
"""Flags that must stand: fix OK, relative position valid, moving base, heading valid. With a base that stands still the
"heading" is the direction from there to here, which is nobody's heading."""
HEADING_ACC_E5_MAX = 5 * 10**5
"""Degrees times 1e5. Two antennas a metre apart are good for half a degree."""
HEADING_AGE_MS_MAX = 1_000

PVT_AGE_AT = 78
_AGE_DS = (None, 10, 20, 50, 100, 150, 200, 300, 450, 600, 900, 1_200, 1_200)
"""Age of corrections by its code in NAV-PVT, bits 1–4 of flags3: the longer end of each range, 0.1 s."""
CORRECTIONS_AGE = field_id("corrections_age_ds")
SKY_EPOCHS_MAX = 10
"""NAV-PVTs that a reading waits for a list of satellites; then it goes without."""

_VERSION_STRUCT = Struct("30s10s")
_EXTENSION_SIZE = 30

VALID_DATE_AND_TIME = 0x03
FLAG_FIX_OK = 0x01
FLAG_DIFFERENTIAL = 0x02
CARRIER_SHIFT = 6
FLAG3_INVALID_LLH = 0x01

TIME_ACCURACY_NS_MAX = 10**9
"""A receiver that does not yet know the leap seconds marks its time valid but says that it is seconds off."""

_FLAGS_OF_MODE = FLAG_FIX_OK | FLAG_DIFFERENTIAL | 0x03 << CARRIER_SHIFT


def _modes() -> dict[int, FixMode]:
    """fixType * 256 + the flags that matter -> mode. What is missing is void: fixType 0, 5 (time only), not OK.

    fixType 1 is dead reckoning, 4 is satellites and dead reckoning together.
    """
    modes: dict[int, FixMode] = {}
    for differential in (0, FLAG_DIFFERENTIAL):
        for carrier in range(4):
            flags = FLAG_FIX_OK | differential | carrier << CARRIER_SHIFT
            best = FixMode.DGNSS if differential else FixMode.FIX_3D
            best = {1: FixMode.RTK_FLOAT, 2: FixMode.RTK_FIXED}.get(carrier, best)
            modes[1 << 8 | flags] = FixMode.DEAD_RECKONED
            modes[2 << 8 | flags] = FixMode.FIX_2D
            modes[3 << 8 | flags] = modes[4 << 8 | flags] = best
    return modes


_MODES = _modes()
_UNIX_EPOCH_DAY = date(1970, 1, 1).toordinal()


class UbxDecoder:
    """One receiver's frames. Samples are handed to `emit` in the order of their epochs."""

    def __init__(self, stats: Stats, emit: Callable[[Sample], None]) -> None:
        self._stats = stats
        self._emit = emit
        self._held: tuple[int, Fix] | None = None  # time of week and fix that waits for what follows it
        self._followers: set[int] = set()  # messages that have followed a NAV-PVT
        self._awaited: set[int] = set()
        self._heading: tuple[int, int] | None = None  # time of week, 0.01 degrees
        self._sky_epochs: int | None = None  # NAV-PVTs since satellites were asked for
        self._age_ds: int | None = None

    def count_sky(self) -> None:
        """The next list of satellites is wanted, as a `Reading`."""
        if self._sky_epochs is None:
            self._sky_epochs = 0

    def frame(self, message: int, payload: bytes) -> None:
        """One checked frame; `message` is class * 256 + id."""
        if message == NAV_PVT:
            self._nav_pvt(payload)
        elif message == NAV_HPPOSLLH:
            self._nav_hpposllh(payload)
        elif message == NAV_RELPOSNED:
            self._nav_relposned(payload)
        elif message in (NAV_SAT, NAV_SIG) and self._sky_epochs is not None:
            self._nav_sat(message, payload)
        elif message == MON_VER and payload:
            self._mon_ver(payload)
        else:
            if message == NAV_EOE:
                self.flush()
            self._stats.skipped += 1

    def flush(self) -> None:
        """Lets a held fix go: what it waited for did not come."""
        if self._held is not None:
            fix, self._held = self._held[1], None
            self._followers -= self._awaited
            self._emit(fix)

    def _nav_pvt(self, payload: bytes) -> None:
        self.flush()
        if len(payload) not in NAV_PVT_SIZES:
            self._stats.bad += 1
            return
        fix = parse_nav_pvt(payload)
        if fix is None:
            self._stats.bad += 1
            return
        self._stats.good += 1
        if self._sky_epochs is not None:
            self._count_epoch(payload, fix)
        if not fix.mode or not (self._followers or self._heading):
            self._emit(fix)
            return
        itow = int.from_bytes(payload[:4], "little")
        self._awaited = set(self._followers)
        if self._heading is not None:
            fix = self._with_heading(itow, fix)
        if self._awaited:
            self._held = itow, fix
        else:
            self._emit(fix)

    def _with_heading(self, itow: int, fix: Fix) -> Fix:
        """A fix with the newest heading, if that is not older than HEADING_AGE_MS_MAX."""
        assert self._heading is not None
        age_ms = (itow - self._heading[0]) % WEEK_MS
        if age_ms == 0:
            self._awaited.discard(NAV_RELPOSNED)
        elif age_ms > HEADING_AGE_MS_MAX:
            self._heading = None
            return fix
        return replace(fix, heading_cdeg=self._heading[1])

    def _follows(self, message: int, itow: int, change: Callable[[Fix], Fix] | None) -> None:
        """A message that belongs to the held fix, or to none. `change` None: it says nothing valid."""
        self._followers.add(message)
        held = self._held
        if held is None:
            return
        if held[0] != itow:
            self._awaited.discard(message)  # it does come; only not for this fix
            self.flush()
            return
        if change is not None:
            self._held = itow, change(held[1])
        self._awaited.discard(message)
        if not self._awaited:
            self.flush()

    def _nav_hpposllh(self, payload: bytes) -> None:
        if len(payload) != HPPOSLLH_STRUCT.size:
            self._stats.bad += 1
            return
        _, _, flags, itow, lon, lat, _, hmsl, lon_hp, lat_hp, _, hmsl_hp, hacc, _ = HPPOSLLH_STRUCT.unpack(
            payload
        )
        self._stats.good += 1
        lat_deg_e9, lon_deg_e9 = lat * E9_PER_E7 + lat_hp, lon * E9_PER_E7 + lon_hp
        if flags & 1 or abs(lat_deg_e9) > LAT_DEG_E9_MAX or abs(lon_deg_e9) > LON_DEG_E9_MAX:
            self._follows(NAV_HPPOSLLH, itow, None)
            return

        def add_digits(fix: Fix) -> Fix:
            return replace(
                fix,
                lat_deg_e9=lat_deg_e9,
                lon_deg_e9=lon_deg_e9,
                alt_mm=None if fix.alt_mm is None else divide_half_even(hmsl * 10 + hmsl_hp, 10),
                hacc_mm=divide_half_even(hacc, 10),
            )

        self._follows(NAV_HPPOSLLH, itow, add_digits)

    def _nav_relposned(self, payload: bytes) -> None:
        if len(payload) != RELPOSNED_STRUCT.size or payload[0] != RELPOSNED_VERSION:
            self._stats.skipped += 1
            return
        self._stats.good += 1
        values = RELPOSNED_STRUCT.unpack(payload)
        itow, heading_e5, acc_e5, flags = values[2], values[7], values[16], values[17]
        self._heading = None
        if flags & RELPOS_GOOD == RELPOS_GOOD and acc_e5 <= HEADING_ACC_E5_MAX:
            heading_cdeg = divide_half_even(heading_e5, 1_000) % 36_000
            self._heading = itow, heading_cdeg
            self._follows(NAV_RELPOSNED, itow, lambda fix: replace(fix, heading_cdeg=heading_cdeg))
        else:
            self._follows(NAV_RELPOSNED, itow, lambda fix: replace(fix, heading_cdeg=None))

    def _count_epoch(self, payload: bytes, fix: Fix) -> None:
        """A NAV-PVT while satellites are wanted: its age of corrections goes with them, or alone."""
        code = payload[PVT_AGE_AT] >> 1 & 0x0F if fix.mode >= FixMode.DGNSS else 0
        self._age_ds = _AGE_DS[min(code, len(_AGE_DS) - 1)]
        assert self._sky_epochs is not None
        self._sky_epochs += 1
        if self._sky_epochs >= SKY_EPOCHS_MAX:
            self._tell_sky({})

    def _nav_sat(self, message: int, payload: bytes) -> None:
        values = parse_nav_sat(payload) if message == NAV_SAT else parse_nav_sig(payload)
        if values is None:
            self._stats.bad += 1
            return
        self._stats.good += 1
        self._tell_sky(values)

    def _tell_sky(self, values: dict[int, int]) -> None:
        if self._age_ds is not None:
            values[CORRECTIONS_AGE] = self._age_ds
        self._sky_epochs = self._age_ds = None
        if values:
            self._emit(Reading(values))

    def _mon_ver(self, payload: bytes) -> None:
        if len(payload) < _VERSION_STRUCT.size:
            self._stats.bad += 1
            return
        self._stats.good += 1
        software, hardware = (_text(part) for part in _VERSION_STRUCT.unpack_from(payload))
        said: dict[str, str] = {}
        for start in range(_VERSION_STRUCT.size, len(payload), _EXTENSION_SIZE):
            key, _, value = _text(payload[start : start + _EXTENSION_SIZE]).partition("=")
            said[key] = value
        self._emit(Identity(said.get("MOD") or f"u-blox {hardware}", said.get("FWVER") or software))


def parse_nav_pvt(payload: bytes) -> Fix | None:
    """92 or 84 bytes -> Fix; None if the position is outside the globe."""
    # fmt: off
    (year, month, day, hour, minute, second, valid, tacc_ns, nano, fix_type, flags, sats_used,
     lon, lat, hmsl_mm, hacc_mm, speed_mmps, heading_e5, flags3) = _PVT_READ.unpack_from(payload)
    # fmt: on
    mode = _MODES.get(fix_type << 8 | flags & _FLAGS_OF_MODE)
    if mode is None or flags3 & FLAG3_INVALID_LLH:
        return Fix(None, FixMode.NONE, sats_used=sats_used)
    lat_deg_e9, lon_deg_e9 = lat * E9_PER_E7, lon * E9_PER_E7
    if not (
        -LAT_DEG_E9_MAX <= lat_deg_e9 <= LAT_DEG_E9_MAX and -LON_DEG_E9_MAX <= lon_deg_e9 <= LON_DEG_E9_MAX
    ):
        return None
    t_utc_ms = None
    if valid & VALID_DATE_AND_TIME == VALID_DATE_AND_TIME and tacc_ns < TIME_ACCURACY_NS_MAX:
        start_ms = _day_start_ms(year, month, day)
        if start_ms is not None:
            # `nano` is from -1e9 to 1e9: the seconds are rounded, not cut.
            seconds = hour * 3600 + minute * 60 + second
            t_utc_ms = start_ms + seconds * MS_PER_S + divide_half_even(nano, NS_PER_MS)
    return Fix(
        t_utc_ms,
        mode,
        lat_deg_e9,
        lon_deg_e9,
        hmsl_mm if fix_type != 2 else None,
        speed_mmps if speed_mmps >= 0 else None,
        divide_half_even(heading_e5, 1_000) % 36_000,
        hacc_mm,
        sats_used,
    )


@lru_cache(maxsize=4)
def _day_start_ms(year: int, month: int, day: int) -> int | None:
    """UTC of a midnight, ms since 1970; None if there is no such day."""
    try:
        return (date(year, month, day).toordinal() - _UNIX_EPOCH_DAY) * MS_PER_DAY
    except ValueError:
        return None


def _text(raw: bytes) -> str:
    """A zero-padded field as text; anything but ASCII becomes a question mark."""
    return raw.split(b"\0", 1)[0].decode("ascii", "replace").strip()
