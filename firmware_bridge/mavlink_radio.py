"""The driver `mavlink`: a telemetry radio that hears drones.

Enters: the radio's bytes. Leaves: one observation a drone and second, and what drones write. Called through the table
in `drivers.py`. It asks for nothing unless told to: another ground station usually has the command.
"""

from dataclasses import dataclass, field
from math import atan2, degrees
from pathlib import Path
from struct import unpack_from
from typing import Any

from firmware_bridge import mavlink_wire as wire
from firmware_bridge.interface import DriverRow, Settings
from firmware_bridge.stream_driver import StreamDriver
from protocols.catalog import FIELDS_BY_NAME, Said, Source, field_id
from protocols.samples import FixMode, Heard, Note, Observed
from protocols.units import NS_PER_MS

EVERY_MS = 1_000
STALE_MS = 3_000
"""A value that was heard longer ago is left out of an observation."""
BATTERY_KEPT_MS = 10_000
"""While BATTERY_STATUS is heard this often, SYS_STATUS says nothing of the battery."""
DRONES_MAX = 16
AUTOPILOT = 1
GCS_SYSTEM, GCS_COMPONENT, GCS_TYPE = 255, 190, 6
ARMED = 0x80
NO_BATTERY = -1
COURSE_CMPS_MIN = 50
"""Below half a metre a second a course is noise."""
MODE_OF_FIX = (
    FixMode.NONE, FixMode.NONE, FixMode.FIX_2D, FixMode.FIX_3D, FixMode.DGNSS, FixMode.RTK_FLOAT,
    FixMode.RTK_FIXED, FixMode.FIX_3D, FixMode.DGNSS,
)  # fmt: skip
"""GPS_FIX_TYPE 0–8; 7 is static, 8 is PPP."""
_ID = {name: field_id(name) for name in FIELDS_BY_NAME if name.startswith("obs_")}


@dataclass(slots=True)
class _Drone:
    """One system: its values by field id with the time they came, and when it was told of last."""

    values: dict[int, tuple[int, int]] = field(default_factory=dict)
    told_ms: int = -2 * EVERY_MS
    battery_ms: int = -BATTERY_KEPT_MS - 1


@dataclass(frozen=True, slots=True)
class MavlinkOptions:
    """`ask`: say a ground station's heartbeat each second, for autopilots that else are silent."""

    ask: bool = False


def options(raw: dict[str, Any], folder: Path) -> MavlinkOptions:
    """See `interface.DriverRow`."""
    for key, value in raw.items():
        if key != "ask":
            raise ValueError(f"options: {key!r} is unknown; known is ask")
        if type(value) is not bool:
            raise ValueError(f"options.ask: true or false needed, got {value!r}")
    return MavlinkOptions(**raw)


class MavlinkDriver(StreamDriver):
    """One radio on one port."""

    _splitter: wire.FrameSplitter  # type: ignore[assignment]

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._splitter = wire.FrameSplitter(self.stats, self._frame)
        self._reporter = settings.device
        self._ask = settings.options is not None and settings.options.ask
        self._drones: dict[int, _Drone] = {}
        self._now_ms = 0
        self._sequence = 0
        self.talk_mono_ns = 0 if self._ask else None

    def feed(self, data: bytes, t_mono_ns: int) -> list[Any]:
        """See `interface.Driver`."""
        self._now_ms = t_mono_ns // NS_PER_MS
        return super().feed(data, t_mono_ns)

    def talk(self, t_mono_ns: int) -> bytes:
        """See `interface.Driver`."""
        if self.talk_mono_ns is None or t_mono_ns < self.talk_mono_ns:
            return b""
        self.talk_mono_ns = t_mono_ns + EVERY_MS * NS_PER_MS
        self._sequence += 1
        payload = bytes((0, 0, 0, 0, GCS_TYPE, 8, 0, 4, 3))
        return wire.build(wire.Frame(GCS_SYSTEM, GCS_COMPONENT, wire.HEARTBEAT, payload), self._sequence)

    def _silent(self) -> None:
        """A silence completes nothing: each message stands alone."""

    def _frame(self, frame: wire.Frame) -> None:
        if frame.message == wire.RADIO_STATUS:
            rssi, remote = frame.payload[4], frame.payload[5]
            self._out.append(Note("radio", {"rssi": rssi, "remote_rssi": remote}))
        elif frame.message == wire.STATUSTEXT:
            text = frame.payload[1:51].split(b"\0")[0].decode("utf-8", "replace")
            self._out.append(Heard(Source.DRONE, self._id(frame.system), Said.MESSAGE, text))
        elif frame.component == AUTOPILOT and (
            frame.message != wire.HEARTBEAT or frame.payload[4] != GCS_TYPE
        ):
            self._state(frame)

    def _id(self, system: int) -> int:
        return self._reporter * 256 + system

    def _state(self, frame: wire.Frame) -> None:
        drone = self._drones.get(frame.system)
        if drone is None:
            if len(self._drones) >= DRONES_MAX:
                oldest = min(self._drones, key=lambda system: self._drones[system].told_ms)
                del self._drones[oldest]
            drone = self._drones[frame.system] = _Drone()
        if frame.message == wire.BATTERY_STATUS:
            drone.battery_ms = self._now_ms
        elif frame.message == wire.SYS_STATUS and self._now_ms - drone.battery_ms <= BATTERY_KEPT_MS:
            return  # says the same, less well
        for name, value in _PARSERS[frame.message](frame.payload).items():
            known = FIELDS_BY_NAME[name]
            if known.lo <= value <= known.hi:
                drone.values[known.id] = (value, self._now_ms)
        # A position is told with its own message, so that it is not a second old; without any, the rest is told alone.
        every_ms = EVERY_MS if frame.message == wire.GLOBAL_POSITION_INT else 2 * EVERY_MS
        if self._now_ms - drone.told_ms >= every_ms:
            self._tell(frame.system, drone)

    def _tell(self, system: int, drone: _Drone) -> None:
        fresh = {key: value for key, (value, at) in drone.values.items() if self._now_ms - at <= STALE_MS}
        if _ID["obs_lat_deg_e7"] not in fresh and _ID["obs_armed"] not in fresh:
            return
        drone.told_ms = self._now_ms
        self._out.append(Observed(Source.DRONE, self._id(system), fresh))


def _heartbeat(payload: bytes) -> dict[str, int]:
    (mode,) = unpack_from("<I", payload)
    return {"obs_mode": mode, "obs_armed": int(bool(payload[6] & ARMED))}


def _gps(payload: bytes) -> dict[str, int]:
    fix = payload[28]
    return {"obs_fix_mode": int(MODE_OF_FIX[fix])} if fix < len(MODE_OF_FIX) else {}


def _attitude(payload: bytes) -> dict[str, int]:
    roll, pitch = unpack_from("<ff", payload, 4)
    if not (abs(roll) < 4 and abs(pitch) < 4):  # not a number, or not an angle
        return {}
    return {"obs_roll_deg": round(degrees(roll)), "obs_pitch_deg": round(degrees(pitch))}


def _position(payload: bytes) -> dict[str, int]:
    """Zero of both is what an autopilot says before its first fix."""
    _, lat, lon, alt_mm, height_mm, north, east, _, heading_cdeg = unpack_from("<IiiiihhhH", payload)
    if lat == 0 and lon == 0:
        return {}
    speed_cmps = round((north * north + east * east) ** 0.5)
    out = {
        "obs_lat_deg_e7": lat,
        "obs_lon_deg_e7": lon,
        "obs_alt_dm": round(alt_mm / 100),
        "obs_height_dm": round(height_mm / 100),
        "obs_speed_dmps": round(speed_cmps / 10),
    }
    if speed_cmps >= COURSE_CMPS_MIN:
        out["obs_course_deg"] = round(degrees(atan2(east, north))) % 360
    if heading_cdeg < 36_000:
        out["obs_heading_ddeg"] = round(heading_cdeg / 10) % 3_600
    return out


def _battery(payload: bytes) -> dict[str, int]:
    (remaining,) = unpack_from("<b", payload, 35)
    cells = unpack_from("<10H", payload, 10)
    out = {"obs_battery_pct": remaining} if remaining != NO_BATTERY else {}
    millivolts = sum(cell for cell in cells if cell != 0xFFFF)
    return out | ({"obs_supply_mv": millivolts} if millivolts else {})


def _system(payload: bytes) -> dict[str, int]:
    (millivolts,) = unpack_from("<H", payload, 14)
    (remaining,) = unpack_from("<b", payload, 30)
    out = {"obs_battery_pct": remaining} if remaining != NO_BATTERY else {}
    return out | ({"obs_supply_mv": millivolts} if millivolts != 0xFFFF else {})


_PARSERS = {
    wire.HEARTBEAT: _heartbeat,
    wire.SYS_STATUS: _system,
    wire.GPS_RAW_INT: _gps,
    wire.ATTITUDE: _attitude,
    wire.GLOBAL_POSITION_INT: _position,
    wire.BATTERY_STATUS: _battery,
}
READS = ("observed", "heard", "note")
ROWS = (
    DriverRow(
        "mavlink", "MAVLink 2 telemetry radio: drones", MavlinkDriver, wire.count_frames, READS,
        options=options, bauds=(57_600, 115_200),
    ),
)  # fmt: skip
