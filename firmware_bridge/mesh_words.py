"""What the messages of a mesh say: users, positions, batteries, packets; field numbers and units.

Enters: bytes of a protobuf message. Leaves: names, and values by catalog field id. Called by the driver `mesh`; the
emulated radio shares the tags. A message that is not one raises MeshWireError.
**Source:** github.com/meshtastic/protobufs, mesh.proto, telemetry.proto, portnums.proto (numbers only).
"""

from struct import pack, unpack
from typing import NamedTuple

from firmware_bridge.mesh_wire import Words, number, part, read, signed
from protocols.catalog import FIELDS_BY_NAME
from protocols.samples import FixMode

# Tags: field number * 8 + wire type. MeshPacket and, within it, Data:
FROM, TO, CHANNEL, DECODED, ENCRYPTED, RX_TIME, RX_SNR = 13, 21, 24, 34, 42, 61, 69
HOP_LIMIT, RX_RSSI, VIA_MQTT, HOP_START = 72, 96, 112, 120
PORTNUM, PAYLOAD, BITFIELD = 8, 18, 72
# Position
LAT, LON, ALTITUDE, TIME, TIMESTAMP = 13, 21, 24, 37, 61
SPEED, TRACK, FIX_TYPE, PRECISION = 120, 128, 144, 184
# NodeInfo, User, DeviceMetrics, Telemetry
NUM, USER, POSITION, SNR, LAST_HEARD, METRICS, NODE_VIA_MQTT, HOPS_AWAY = 8, 18, 26, 37, 45, 50, 64, 72
LONG_NAME, SHORT_NAME = 18, 26
BATTERY, VOLTAGE, CHANNEL_USE, AIR_USE, DEVICE_METRICS = 8, 21, 29, 37, 18
# MyNodeInfo, Metadata, QueueStatus
MY_NUM, PIO_ENV, FIRMWARE = 8, 106, 10
RESULT, FREE = 8, 16

TEXT_APP, POSITION_APP, NODEINFO_APP, DETECTION_APP, ALERT_APP = 1, 3, 4, 10, 11
TELEMETRY_APP, PRIVATE_APP = 67, 256
TEXT_APPS = (TEXT_APP, DETECTION_APP, ALERT_APP)
BROADCAST = 0xFFFF_FFFF
DATA_SIZE_MAX = 233
"""Bytes in one packet. **Source:** mesh.proto, Constants.DATA_PAYLOAD_LEN."""

CLOCK_S_MIN = 1_767_225_600
"""2026-01-01: a radio that says an earlier time has no clock."""
POWERED_PCT_MIN = 101
"""So much battery means: on external power."""
PRECISE_BITS_MIN = 21
"""Of a position's 32 bits so many have to be left: a cell of 23 m, as large as a receiver's own error. Nodes blur what
they send by the channel's setting, the public channel by kilometres."""
TRACK_CDEG_MAX = 36_000
METRES_PER_BIT = 0.011_12
MODE_OF_FIX = {2: FixMode.FIX_2D, 3: FixMode.FIX_3D}
Values = dict[int, int]


class Packet(NamedTuple):
    """A packet that somebody sent. `rx_s`: when our radio heard it, UTC, 0 without a clock; `values`: how it came."""

    sender: int
    to: int
    port: int
    payload: bytes
    rx_s: int
    values: Values


class Place(NamedTuple):
    """A position. `t_s`: UTC, 0 for not known; `blur_m`: width of the cell that the sender made of it, or 0."""

    values: Values
    t_s: int
    blur_m: int


class Node(NamedTuple):
    """A node as the radio remembers it; `heard_s` UTC, 0 for never. `values`: battery, and how it was heard."""

    number: int
    name: str
    place: Place | None
    heard_s: int
    values: Values


def _keep(values: dict[str, int]) -> Values:
    """By field id, without what is beyond the catalog's range."""
    known = ((FIELDS_BY_NAME[name], value) for name, value in values.items())
    return {field.id: value for field, value in known if field.lo <= value <= field.hi}


def _float(words: Words, tag: int) -> float:
    """0.0 where it is absent or not a number."""
    (value,) = unpack("<f", pack("<I", number(words, tag)))
    return value if -1e6 < value < 1e6 else 0.0


def packet(data: bytes) -> Packet | None:
    """A packet that our radio could decode; None for one it has no key for."""
    words = read(data)
    if DECODED not in words:
        return None
    inner = read(part(words, DECODED))
    values = {}
    if not number(words, VIA_MQTT):  # else it came by the internet, and nothing was received
        rssi_dbm, snr_db = signed(words, RX_RSSI), _float(words, RX_SNR)
        if rssi_dbm:
            values["obs_rssi_dbm"] = rssi_dbm
        if rssi_dbm or snr_db:
            values["obs_snr_ddb"] = round(10 * snr_db)
    start, limit = number(words, HOP_START), number(words, HOP_LIMIT)
    if start >= limit and (start or BITFIELD in inner):  # firmware before 2.3 does not say the start
        values["obs_hops"] = start - limit
    rx_s = number(words, RX_TIME)
    return Packet(
        number(words, FROM), number(words, TO), number(inner, PORTNUM), part(inner, PAYLOAD),
        rx_s if rx_s >= CLOCK_S_MIN else 0, _keep(values),
    )  # fmt: skip


def place(data: bytes) -> Place | None:
    """None where there is no position: 0, 0 is what a node without a fix says."""
    words = read(data)
    lat, lon = signed(words, LAT), signed(words, LON)
    if (lat == 0 and lon == 0) or abs(lat) > 900_000_000 or abs(lon) > 1_800_000_000:
        return None
    values = {"obs_lat_deg_e7": lat, "obs_lon_deg_e7": lon}
    if ALTITUDE in words:
        values["obs_alt_dm"] = signed(words, ALTITUDE) * 10
    if SPEED in words:
        values["obs_speed_dmps"] = round(number(words, SPEED) / 0.36)  # km/h
    # The definition says 0.01 degrees, the firmware sends 0.00001; what could be either is left out.
    if number(words, TRACK) > TRACK_CDEG_MAX:
        values["obs_course_deg"] = round(number(words, TRACK) / 100_000) % 360
    mode = MODE_OF_FIX.get(number(words, FIX_TYPE))
    if mode is not None:
        values["obs_fix_mode"] = int(mode)
    bits = number(words, PRECISION)
    blur_m = round((1 << 32 - bits) * METRES_PER_BIT) if 0 < bits < PRECISE_BITS_MIN else 0
    t_s = number(words, TIMESTAMP) or number(words, TIME)
    return Place(_keep(values), t_s if t_s >= CLOCK_S_MIN else 0, blur_m)


def name(data: bytes) -> str:
    """What a user calls the node: the long name, else the short one."""
    words = read(data)
    raw = part(words, LONG_NAME).strip() or part(words, SHORT_NAME).strip()
    return raw.decode("utf-8", "replace")


def metrics(data: bytes) -> Values:
    """DeviceMetrics: battery and voltage."""
    words = read(data)
    values = {}
    if BATTERY in words and number(words, BATTERY) < POWERED_PCT_MIN:
        values["obs_battery_pct"] = number(words, BATTERY)
    millivolts = round(1_000 * _float(words, VOLTAGE))
    if millivolts > 0:
        values["obs_supply_mv"] = millivolts
    return _keep(values)


def air_use(data: bytes) -> tuple[float, float]:
    """Of a radio's own Telemetry: how busy the channel is, and how much of that it sent itself, %."""
    told = read(part(read(data), DEVICE_METRICS))
    return _float(told, CHANNEL_USE), _float(told, AIR_USE)


def telemetry(data: bytes) -> Values:
    """Telemetry: of its kinds, the device's own metrics."""
    return metrics(part(read(data), DEVICE_METRICS))


def node(data: bytes) -> Node:
    """NodeInfo, out of the radio's memory."""
    words = read(data)
    values = metrics(part(words, METRICS))
    if not number(words, NODE_VIA_MQTT):
        snr_db = _float(words, SNR)
        how = {"obs_snr_ddb": round(10 * snr_db)} if snr_db else {}
        if HOPS_AWAY in words:
            how["obs_hops"] = number(words, HOPS_AWAY)
        values |= _keep(how)
    position = part(words, POSITION)
    heard_s = number(words, LAST_HEARD)
    return Node(
        number(words, NUM), name(part(words, USER)), place(position) if position else None,
        heard_s if heard_s >= CLOCK_S_MIN else 0, values,
    )  # fmt: skip
