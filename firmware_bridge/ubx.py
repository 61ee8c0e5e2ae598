"""u-blox binary messages to fixes.

Enters: checked UBX frames from the splitter. Leaves: one `Fix` a NAV-PVT and one `Identity` a MON-VER.
Called by the GNSS driver. NAV-HPPOSLLH adds the last two digits of a position: once a receiver sends it, a
NAV-PVT waits for the one with the same time of week, and leaves without it at the next message that shows
that none came.
**Source:** u-blox F9 HPG 1.32 interface description (UBX-22008968) and M8 (UBX-13003221).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import lru_cache
from struct import Struct

from firmware_bridge.interface import Stats
from protocols.samples import Fix, FixMode, Identity, Sample
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
        self._held: tuple[int, Fix] | None = None  # time of week and fix that waits for its last digits
        self._expects_hp = False

    def frame(self, message: int, payload: bytes) -> None:
        """One checked frame; `message` is class * 256 + id."""
        if message == NAV_PVT:
            self._nav_pvt(payload)
        elif message == NAV_HPPOSLLH:
            self._nav_hpposllh(payload)
        elif message == MON_VER and payload:
            self._mon_ver(payload)
        else:
            if message == NAV_EOE:
                self.flush()
            self._stats.skipped += 1

    def flush(self) -> None:
        """Lets a held fix go: its last digits did not come."""
        if self._held is not None:
            fix, self._held = self._held[1], None
            self._expects_hp = False
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
        if self._expects_hp and fix.mode:
            self._held = int.from_bytes(payload[:4], "little"), fix
        else:
            self._emit(fix)

    def _nav_hpposllh(self, payload: bytes) -> None:
        if len(payload) != HPPOSLLH_STRUCT.size:
            self._stats.bad += 1
            return
        _, _, flags, itow, lon, lat, _, hmsl, lon_hp, lat_hp, _, hmsl_hp, hacc, _ = HPPOSLLH_STRUCT.unpack(
            payload
        )
        self._stats.good += 1
        held = self._held
        if held is not None and held[0] == itow and not flags & 1:
            lat_deg_e9, lon_deg_e9 = lat * E9_PER_E7 + lat_hp, lon * E9_PER_E7 + lon_hp
            if abs(lat_deg_e9) <= LAT_DEG_E9_MAX and abs(lon_deg_e9) <= LON_DEG_E9_MAX:
                fix = replace(
                    held[1],
                    lat_deg_e9=lat_deg_e9,
                    lon_deg_e9=lon_deg_e9,
                    alt_mm=None if held[1].alt_mm is None else divide_half_even(hmsl * 10 + hmsl_hp, 10),
                    hacc_mm=divide_half_even(hacc, 10),
                )
                self._held = itow, fix
        self.flush()
        self._expects_hp = True

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
