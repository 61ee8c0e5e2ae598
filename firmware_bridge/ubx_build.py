"""Builds UBX frames: what we send to a receiver, and what an emulated receiver sends to us.

Enters: numbers or a `Fix`. Leaves: whole frames. Called by the GNSS driver's `hello` and by `sim.devices`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from struct import pack

from firmware_bridge.framing import UBX_PAYLOAD_SIZE_MAX, UBX_SYNC, ubx_checksum
from firmware_bridge.rollover import GPS_EPOCH_UTC_MS, LEAP_MS, WEEK_MS
from firmware_bridge.ubx import (
    CARRIER_SHIFT,
    CFG_MSG,
    CFG_VALSET,
    FLAG_DIFFERENTIAL,
    FLAG_FIX_OK,
    HPPOSLLH_STRUCT,
    MON_VER,
    NAV_HPPOSLLH,
    NAV_PVT,
    NAV_PVT_STRUCT,
    NAV_RELPOSNED,
    NAV_SAT,
    RELPOS_GOOD,
    RELPOSNED_STRUCT,
    RELPOSNED_VERSION,
)
from protocols.samples import Fix, FixMode
from protocols.units import E9_PER_E7, NS_PER_MS, deg_e7

RAM_LAYER = 0x01
"""CFG-VALSET: until the next power cycle. We never write into somebody's flash."""

# Output rates by port: I2C, UART1, UART2, USB, SPI. **Source:** F9 HPG 1.32, "CFG-MSGOUT".
KEYS_NAV_PVT = (0x20910006, 0x20910007, 0x20910008, 0x20910009, 0x2091000A)
KEYS_NAV_HPPOSLLH = (0x20910033, 0x20910034, 0x20910035, 0x20910036, 0x20910037)
KEYS_NAV_SAT = (0x20910015, 0x20910016, 0x20910017, 0x20910018, 0x20910019)

_FIX_TYPE = {FixMode.NONE: 0, FixMode.DEAD_RECKONED: 1, FixMode.FIX_2D: 2}
_CARRIER = {FixMode.RTK_FLOAT: 1, FixMode.RTK_FIXED: 2}


def build(message: int, payload: bytes = b"") -> bytes:
    """A whole frame. `message` is class * 256 + id; ValueError if the payload is longer than a splitter takes."""
    if len(payload) > UBX_PAYLOAD_SIZE_MAX:
        raise ValueError(f"ubx: payload of {len(payload)} bytes, at most {UBX_PAYLOAD_SIZE_MAX}")
    body = pack(">H", message) + pack("<H", len(payload)) + payload
    return UBX_SYNC + body + pack("<H", ubx_checksum(body))


def build_cfg_msg(message: int, rate: int = 1) -> bytes:
    """Asks for `message` on the port this arrives at, every `rate` epochs (0: never). Firmware before F9."""
    return build(CFG_MSG, pack(">H", message) + bytes([rate]))


def build_cfg_valset(keys: Sequence[int], value: int = 1, layers: int = RAM_LAYER) -> bytes:
    """Sets one-byte keys, at most 64. Firmware from F9 on; older receivers answer with a NAK."""
    assert 0 < len(keys) <= 64
    return build(CFG_VALSET, pack("<BBH", 0, layers, 0) + b"".join(pack("<IB", key, value) for key in keys))


def build_mon_ver_poll() -> bytes:
    """Asks a receiver who it is."""
    return build(MON_VER)


def build_mon_ver(software: str, hardware: str, extensions: Sequence[str] = ()) -> bytes:
    """What a receiver answers: texts of up to 30, 10 and 30 each characters."""
    payload = pack("30s10s", software.encode("ascii"), hardware.encode("ascii"))
    return build(MON_VER, payload + b"".join(pack("30s", text.encode("ascii")) for text in extensions))


def itow_ms(t_utc_ms: int | None) -> int:
    """GPS time of week, ms, 0 for an unknown time."""
    if t_utc_ms is None:
        return 0
    return (t_utc_ms - GPS_EPOCH_UTC_MS + LEAP_MS) % WEEK_MS


def build_nav_pvt(fix: Fix, corrections_age_code: int = 0) -> bytes:
    """NAV-PVT of 92 bytes. What the fix does not say becomes 0; HDOP and satellites in view do not fit in.

    `corrections_age_code` 0–12: not available, up to 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120 s, longer.
    """
    valid, when, nano = 0, datetime(2000, 1, 1), 0
    if fix.t_utc_ms is not None:
        valid = 0x07
        when = datetime(1970, 1, 1) + timedelta(seconds=fix.t_utc_ms // 1_000)
        nano = fix.t_utc_ms % 1_000 * NS_PER_MS
    flags = _CARRIER.get(fix.mode, 0) << CARRIER_SHIFT
    flags |= FLAG_FIX_OK if fix.mode else 0
    flags |= FLAG_DIFFERENTIAL if fix.mode >= FixMode.DGNSS else 0
    course_e5 = (fix.course_cdeg or 0) * 1_000
    payload = NAV_PVT_STRUCT.pack(
        itow_ms(fix.t_utc_ms),
        *(when.year, when.month, when.day, when.hour, when.minute, when.second),
        *(valid, 50, nano),
        *(_FIX_TYPE.get(fix.mode, 3), flags, 0, fix.sats_used or 0),
        *(deg_e7(fix.lon_deg_e9 or 0), deg_e7(fix.lat_deg_e9 or 0), fix.alt_mm or 0, fix.alt_mm or 0),
        *(fix.hacc_mm or 0, fix.hacc_mm or 0),
        *(0, 0, 0, fix.speed_mmps or 0, course_e5),
        *(0, 0, 0, corrections_age_code << 1, 0, 0, 0, 0),
    )
    return build(NAV_PVT, payload)


def build_nav_hpposllh(fix: Fix) -> bytes:
    """The last two digits of a position, 1e-9 degrees, with the time of week of the NAV-PVT before it."""
    lat_deg_e9, lon_deg_e9 = fix.lat_deg_e9 or 0, fix.lon_deg_e9 or 0
    lat, lon = deg_e7(lat_deg_e9), deg_e7(lon_deg_e9)
    alt_mm = fix.alt_mm or 0
    hacc_e1 = (fix.hacc_mm or 0) * 10
    payload = HPPOSLLH_STRUCT.pack(
        *(0, 0, 0 if fix.mode else 1, itow_ms(fix.t_utc_ms), lon, lat, alt_mm, alt_mm),
        *(lon_deg_e9 - lon * E9_PER_E7, lat_deg_e9 - lat * E9_PER_E7, 0, 0, hacc_e1, hacc_e1),
    )
    return build(NAV_HPPOSLLH, payload)


def build_nav_relposned(fix: Fix) -> bytes:
    """Where the rover's antenna stands from the other one, a metre away; without a heading, not valid."""
    valid = bool(fix.mode) and fix.heading_cdeg is not None
    payload = RELPOSNED_STRUCT.pack(
        *(RELPOSNED_VERSION, 0, itow_ms(fix.t_utc_ms), 0, 0, 0, 100),
        *((fix.heading_cdeg or 0) * 1_000 if valid else 0, 0, 0, 0, 0),
        *(100, 100, 100, 100, 50_000 if valid else 18_000_000),
        *(RELPOS_GOOD | 0x02 | 2 << 3 if valid else 0x20,),
    )
    return build(NAV_RELPOSNED, payload)


def build_nav_sat(t_utc_ms: int | None, satellites: Iterable[tuple[int, int, bool]]) -> bytes:
    """NAV-SAT of (u-blox gnssId, number, used)."""
    rows = [pack("<BBBbhhI", *ids, 40, 30, 90, 0, 0x07 | used << 3) for *ids, used in satellites]
    return build(NAV_SAT, pack("<IBBH", itow_ms(t_utc_ms), 1, len(rows), 0) + b"".join(rows))
