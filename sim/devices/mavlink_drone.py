"""An emulated drone behind a telemetry radio: MAVLink 2, as an autopilot sends it.

Enters: the truth. Leaves: the bytes of one moment. Called by drills and tests.
"""

import math
import struct
from dataclasses import dataclass

from firmware_bridge import mavlink_wire as wire

QUADROTOR, AUTOPILOT = 2, 3
ARMED_GUIDED = 0x89


@dataclass(frozen=True, slots=True)
class DroneTruth:
    """Where a drone is. Degrees, metres, metres a second; `fix` 0–6 as GPS_FIX_TYPE; `mode` the autopilot's own."""

    lat_deg: float
    lon_deg: float
    alt_m: float
    height_m: float
    speed_mps: float
    course_deg: float
    heading_deg: float
    roll_deg: float = 0.0
    pitch_deg: float = 0.0
    battery_pct: int = 80
    supply_mv: int = 15_200
    mode: int = 4
    fix: int = 3
    armed: bool = True


class Drone:
    """One system on the radio. It takes no commands."""

    def __init__(self, system: int = 1) -> None:
        self.system = system
        self._sequence = 0

    def moment(self, truth: DroneTruth, t_ms: int) -> bytes:
        """Heartbeat, position, attitude, receiver and battery at `t_ms` of the drone's clock."""
        north = round(100 * truth.speed_mps * math.cos(math.radians(truth.course_deg)))
        east = round(100 * truth.speed_mps * math.sin(math.radians(truth.course_deg)))
        lat, lon = round(truth.lat_deg * 1e7), round(truth.lon_deg * 1e7)
        place = (lat, lon, round(truth.alt_m * 1000))
        base = ARMED_GUIDED if truth.armed else ARMED_GUIDED & 0x7F
        cells = (truth.supply_mv // 4,) * 4 + (0xFFFF,) * 6
        return b"".join(
            (
                self._frame(wire.HEARTBEAT, struct.pack("<I5B", truth.mode, QUADROTOR, AUTOPILOT, base, 4, 3)),
                self._frame(
                    wire.GPS_RAW_INT, struct.pack("<QiiiHHHHBB", t_ms * 1000, *place, 80, 90, 0, 0, truth.fix, 14)
                ),
                self._frame(
                    wire.ATTITUDE,
                    struct.pack(
                        "<I6f", t_ms, math.radians(truth.roll_deg), math.radians(truth.pitch_deg),
                        math.radians(truth.heading_deg), 0, 0, 0,
                    ),
                ),
                self._frame(
                    wire.BATTERY_STATUS,
                    struct.pack("<iih10HhBBBb", 0, 0, 2_500, *cells, 300, 0, 1, 1, truth.battery_pct),
                ),
                self._frame(
                    wire.GLOBAL_POSITION_INT,
                    struct.pack(
                        "<IiiiihhhH", t_ms, *place, round(truth.height_m * 1000), north, east, 0,
                        round(truth.heading_deg * 100) % 36_000,
                    ),
                ),
            )
        )  # fmt: skip

    def says(self, text: str) -> bytes:
        """A STATUSTEXT of at most 50 bytes."""
        return self._frame(wire.STATUSTEXT, bytes((6,)) + text.encode()[:50].ljust(50, b"\0"))

    def _frame(self, message: int, payload: bytes) -> bytes:
        self._sequence += 1
        full = payload.ljust(wire.MESSAGES[message].size, b"\0")
        return wire.build(wire.Frame(self.system, 1, message, full), self._sequence)
