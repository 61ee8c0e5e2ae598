"""What each target begins with under the fuzzer: whole messages of its device, so that it gets past checksums.

Enters: nothing. Leaves: target -> messages. Called by atheris_run.py. They come from our emulators and captures.
"""

import struct
from collections.abc import Callable
from pathlib import Path

from firmware_bridge import nmea_build, rtcm
from firmware_bridge.modbus_map import SHIPPED
from firmware_bridge.sirf_framing import SIRF_END, SIRF_SYNC, sirf_checksum
from firmware_bridge.ubx import CFG_MSG, NAV_PVT, NAV_SAT
from firmware_bridge.ubx_build import build
from protocols.samples import Fix, FixMode
from protocols.wearer import Gesture
from sim.devices.board import Board
from sim.devices.gnss_ubx import UbxReceiver
from sim.devices.mavlink_drone import Drone, DroneTruth
from sim.devices.modbus import Bus, Slave

CAPTURES = Path(__file__).parents[1] / "firmware_bridge/captures"
FIX = Fix(
    1_795_000_000_000, FixMode.FIX_3D, 36_650_000_000, 117_000_000_000, 30_000, 1_500, 9_000, 1_500,
    sats_used=14, sats_seen=18, hdop_e2=80, heading_cdeg=4_500,
)  # fmt: skip
PIECE_SIZE_MAX = 2_000
"""Of a capture; a short input is run many times where a long one is run once."""


def _board() -> list[bytes]:
    board = Board(values={"heart_bpm": 120, "activity_mg": 300, "posture": 1, "scba_kpa": 28_000})
    first = board.step(0)
    board.press(Gesture.SOS)
    board.impact(5_000)
    board.beacon(77, -60)
    return [first, board.step(1_000), first + board.step(2_000)]


def _drone() -> list[bytes]:
    drone = Drone()
    truth = DroneTruth(36.65, 117.0, 120.0, 90.0, 5.0, 53.0, 90.0)
    return [drone.moment(truth, 1_000), drone.says("battery low")]


def _receiver() -> list[bytes]:
    receiver = UbxReceiver()
    words = receiver.epoch(FIX)
    for message in (NAV_PVT, NAV_SAT):
        receiver.answer(build(CFG_MSG, message.to_bytes(2, "big") + b"\x01"))
    return [words, receiver.epoch(FIX)[len(words) :]]


def _sirf() -> list[bytes]:
    """Message 2: a place on the ground, and the same in rest."""
    found = []
    for speed in (0, 80):
        payload = struct.pack(
            ">BiiihhhBBBHIB12x",
            2,
            -2_326_000,
            4_565_000,
            3_785_000,
            speed,
            speed,
            0,
            4,
            10,
            0,
            1_950,
            3_600_000,
            9,
        )
        frame = SIRF_SYNC + len(payload).to_bytes(2, "big") + payload
        found.append(frame + sirf_checksum(payload).to_bytes(2, "big") + SIRF_END)
    return [*found, found[0] + nmea_build.build_rmc(FIX, "GP", 5) + found[1]]


def _bus() -> list[bytes]:
    names = ("gas-detector", "weather-station")
    bus = Bus([Slave.of_map(SHIPPED / f"{name}.toml") for name in names])
    asked = [bytes.fromhex(frame) for frame in ("01030000000ac5cd", "020401f4000231f6", "020401f60005d1f4")]
    return [bus.answer(each) for each in asked] + asked


_MADE: dict[str, Callable[[], list[bytes]]] = {
    "board": _board,
    "mavlink": _drone,
    "gnss": _receiver,
    "sirf": _sirf,
    "modbus": _bus,
    "rtcm": lambda: [rtcm.build(bytes((0x3E, 0xD0, *range(60)))), rtcm.build(bytes((0x43, 0x50, *range(20)))) * 2],
    "ntrip": lambda: [b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", b"\r\n\xd3\x00\x00\x47\xea\x4b"],
    "pipe": lambda: [
        b'{"v": 1, "k": "reading", "values": {"6": 88}}\n',
        b'{"v": 1, "k": "note", "kind": "ais", "words": {"a": 1}}\n{"v": 1, "k": "state", "open": true}\n',
    ],
    "obd": lambda: [
        line.partition("< ")[2].encode().decode("unicode_escape").encode("latin-1").rstrip(b">")
        for line in (CAPTURES / "obd/drive.txt").read_text().splitlines()
    ],
    "heart_strap": lambda: [
        bytes.fromhex(line.split()[1])
        for line in (CAPTURES / "heart_strap/stairs.hex").read_text().splitlines()[1:]
    ],
}  # fmt: skip


def of(name: str) -> list[bytes]:
    """The first inputs of a target: made here, else its captures in pieces."""
    if name in _MADE:
        return _MADE[name]()
    found = []
    for path in sorted((CAPTURES / name).glob("*")):
        if path.suffix not in (".golden", ".jsonl"):
            data = path.read_bytes()
            found += [data[at : at + PIECE_SIZE_MAX] for at in range(0, len(data), PIECE_SIZE_MAX)]
    return found
