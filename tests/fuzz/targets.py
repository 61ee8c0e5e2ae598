"""What is fuzzed: one function a decoder, which takes any bytes and must not raise.

Run by tests/fuzz with Hypothesis, and by its atheris script where that is installed.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

from edge.ntrip_wire import CasterError, Dechunker, parse_answer
from firmware_bridge import rtcm
from firmware_bridge.apart.ais import AisDecoder
from firmware_bridge.apart.pipe import LINE_SIZE_MAX, LineReader
from firmware_bridge.board import fuzz as _board
from firmware_bridge.framing import UBX_PAYLOAD_SIZE_MAX
from firmware_bridge.gnss import GnssDriver
from firmware_bridge.heart_strap import parse_heart_rate, reading
from firmware_bridge.interface import Settings
from firmware_bridge.line import LINE_SIZE_MAX as TEXT_SIZE_MAX
from firmware_bridge.line import LineDriver
from firmware_bridge.line import options as line_options
from firmware_bridge.mavlink_radio import MavlinkDriver
from firmware_bridge.mavlink_wire import FRAME_SIZE_MAX
from firmware_bridge.mesh_radio import MeshDriver
from firmware_bridge.mesh_wire import FRAME_SIZE_MAX as MESH_FRAME_SIZE_MAX
from firmware_bridge.modbus import HEARD_SIZE_MAX, ModbusDriver, count_pairs
from firmware_bridge.modbus import options as modbus_options
from firmware_bridge.obd import REPLY_SIZE_MAX, ObdDriver, count_obd
from firmware_bridge.rdss import RdssDriver
from firmware_bridge.rdss_frames import SENTENCE_LEN_MAX
from firmware_bridge.sirf import SirfDriver
from firmware_bridge.sirf_framing import SIRF_PAYLOAD_SIZE_MAX
from protocols import narrow
from protocols.errors import FrameError
from protocols.keys import MacKey

_KEY = MacKey(bytes(32), "live")


def _ais(data: bytes) -> None:
    decoder = AisDecoder()
    decoder.feed(data, 0)
    decoder.feed(data, 10**11)
    assert decoder.pending_size <= 20_000


def _pipe(data: bytes) -> None:
    reader = LineReader()
    reader.feed(data)
    assert reader.pending_size < LINE_SIZE_MAX


def _heart_strap(data: bytes) -> None:
    rate = parse_heart_rate(data)
    assert rate is None or reading(rate) is None or rate.bpm


def _mavlink(data: bytes) -> None:
    driver = MavlinkDriver(Settings())
    driver.feed(data, 0)
    assert driver.pending_size < FRAME_SIZE_MAX
    driver.idle(10**10)
    assert driver.pending_size == 0


def _mesh(data: bytes) -> None:
    driver = MeshDriver(Settings())
    driver.feed(data, 0)
    assert driver.pending_size < MESH_FRAME_SIZE_MAX
    driver.idle(10**10)
    assert driver.pending_size == 0


def _narrow(data: bytes) -> None:
    """Any bytes, and any bytes under a good MAC."""
    for whole in (data, bytes([0x11]) + data, narrow.is_narrow(data) and data + _KEY.narrow(data)):
        with contextlib.suppress(FrameError):
            if whole:
                narrow.peek_device(whole)
                narrow.decode(narrow.open_envelope(whole, _KEY), _KEY)
    with contextlib.suppress(FrameError):
        narrow.unpack_container(data)


def _rdss(data: bytes) -> None:
    driver = RdssDriver(Settings())
    driver.feed(data, 0)
    driver.talk(0)
    driver.send(1, data[:78], 0)
    assert driver.pending_size <= SENTENCE_LEN_MAX + 16
    driver.idle(10**10)
    assert driver.pending_size == 0


def _gnss(data: bytes) -> None:
    driver = GnssDriver(Settings())
    for second in range(0, 40, 10):  # satellites are counted from the second on
        driver.feed(data, second * 10**9)
        assert driver.pending_size <= UBX_PAYLOAD_SIZE_MAX + 8
    driver.idle(10**11)


def _sirf(data: bytes) -> None:
    driver = SirfDriver(Settings())
    driver.feed(data, 0)
    assert driver.pending_size <= SIRF_PAYLOAD_SIZE_MAX + 8
    driver.idle(10**11)


def _rtcm(data: bytes) -> None:
    splitter = rtcm.RtcmSplitter()
    assert all(rtcm.crc24q(frame) == 0 for frame in splitter.feed(data))
    assert splitter.pending_size <= rtcm.FRAME_SIZE_MAX


def _ntrip(data: bytes) -> None:
    for head in (b"", b"HTTP/1.1 200 OK\r\n", b"ICY 200 OK\r\n"):
        try:
            parse_answer(head + data)
            Dechunker().feed(data)
        except CasterError as err:
            assert str(err).isprintable()


MODBUS = modbus_options({"maps": ["gas-detector", "weather-station"]}, Path())
LINE = line_options(
    {
        "pattern": r"(?P<t>[^,]*),(?P<h>[^,]*)",
        "fields": {"t": {"field": "ambient_dc"}, "h": {"field": "scba_kpa"}},
    },
    Path(),
)


def _modbus(data: bytes) -> None:
    driver = ModbusDriver(Settings(options=MODBUS))
    driver.talk(0)
    driver.feed(data, 0)
    assert driver.pending_size <= HEARD_SIZE_MAX
    driver.idle(10**10)
    driver.talk(10**10)
    count_pairs(data)


def _obd(data: bytes) -> None:
    driver = ObdDriver(Settings())
    for at in range(0, len(data), 100):
        driver.talk(at * 10**8)
        driver.feed(data[at : at + 100] + b">", at * 10**8)
    driver.feed(data, 10**12)
    assert driver.pending_size <= REPLY_SIZE_MAX
    driver.idle(10**13)
    count_obd(data)


def _line(data: bytes) -> None:
    driver = LineDriver(Settings(options=LINE))
    driver.feed(data, 0)
    assert driver.pending_size <= TEXT_SIZE_MAX + 4
    driver.idle(10**10)
    assert driver.pending_size == 0


TARGETS: dict[str, Callable[[bytes], None]] = {
    "board": _board,
    "ais": _ais,
    "pipe": _pipe,
    "heart_strap": _heart_strap,
    "narrow": _narrow,
    "rdss": _rdss,
    "mavlink": _mavlink,
    "mesh": _mesh,
    "modbus": _modbus,
    "obd": _obd,
    "line": _line,
    "gnss": _gnss,
    "sirf": _sirf,
    "rtcm": _rtcm,
    "ntrip": _ntrip,
}
