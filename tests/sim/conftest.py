"""Fixtures of the simulator's tests: a small drill, a hub that only acknowledges, and a real broker."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocols import acks, frame
from protocols.acks import Ack
from protocols.catalog import Kind, Lane
from protocols.frame import Row
from protocols.intervals import Intervals
from protocols.keys import MacKey

KEY = MacKey(bytes(range(32)), "live")
DRILL = """\
scenario: 1
name: 小演练
seed: 7
centre: [36.65, 117.0]
places: {甲: [36.66, 117.01], 乙: [36.67, 117.03]}
hazards: [{name: 罐, at: 乙, radius_m: 100, lel_permille: 400, co_ppm: 90}]
teams: [{name: 消防, branch: fire}, {name: 医疗, branch: medical}]
units:
  - {callsign: 消防-01, kind: vehicle, team: 消防, device: 1001, path: {drive: {through: [甲, 乙]}}}
  - {callsign: 消防-02, kind: person, team: 消防, device: 1002, sensors: [heart, air, gas],
     path: {search: {corner: 乙, width_m: 100, height_m: 60}}}
  - {callsign: 医疗-01, kind: drone, team: 医疗, device: 2001, path: {circle: {centre: 甲, radius_m: 100}}}
  - {callsign: 医疗-02, kind: person, team: 医疗, device: 2002, path: {hold: {at: 甲}}}
events:
  - {at_s: 5, unit: 消防-02, what: outage, for_s: 40}
  - {at_s: 20, unit: 医疗-02, what: sos}
"""


class FakeHub:
    """Keeps the rows of authentic frames and says what it holds. `deaf`: the network loses what is sent."""

    def __init__(self, mac_key: MacKey = KEY) -> None:
        self._mac_key = mac_key
        self.frames: list[tuple[Lane, frame.Frame]] = []
        self.rows: dict[tuple[int, int, int, int], Row] = {}
        self.repeats = 0
        self.deaf = False
        self._held: defaultdict[tuple[int, int, int], Intervals] = defaultdict(Intervals)

    def take(self, lane: Lane, data: bytes) -> Ack | None:
        """Keeps a frame; the acknowledgement for its stream, None for control frames and while deaf."""
        if self.deaf:
            return None
        decoded = frame.decode(frame.open_envelope(data, self._mac_key))
        envelope = decoded.envelope
        assert lane == envelope.lane, "the topic's lane is not the frame's"
        self.frames.append((lane, decoded))
        if not envelope.n:
            return None
        stream = envelope.device, envelope.boot, envelope.stream
        for i in range(envelope.n):
            values = {
                bit: value for bit, column in decoded.columns.items() if (value := column[i]) is not None
            }
            row = Row(decoded.t_mono_ms[i], values)
            key = (*stream, envelope.row + i)
            assert self.rows.get(key, row) == row, "one number, two contents"
            self.repeats += key in self.rows
            self.rows[key] = row
        held = self._held[stream]
        held.add(envelope.row, envelope.row + envelope.n - 1)
        ranges = list(held)
        watermark = ranges.pop(0)[1] + 1 if ranges[0][0] == 0 else 0
        return Ack(1_795_000_000_000, envelope.boot, envelope.stream, watermark, tuple(ranges))

    def pack(self, ack: Ack) -> bytes:
        return acks.pack(ack, self._mac_key)

    def kinds(self) -> list[Kind]:
        return [Kind(decoded.envelope.kind) for _lane, decoded in self.frames]

    def row_numbers(self, device: int, stream: int) -> list[int]:
        return sorted(row for d, _boot, s, row in self.rows if (d, s) == (device, stream))


@pytest.fixture
def mac_key() -> MacKey:
    return KEY


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def drill_text() -> str:
    return DRILL


@pytest.fixture
def tracks_dir() -> Path:
    """Real tracks beside the repository; a clone alone has none."""
    folder = Path(__file__).parents[3] / "shared" / "captures" / "tracks"
    if not folder.is_dir():
        pytest.skip("no ../shared/captures/tracks beside this repository")
    return folder


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Waits for other programs; the limit is only reached when the test fails."""

    def wait(done: Callable[[], bool], timeout_s: float = 15.0) -> None:
        end_s = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < end_s, "did not happen in time"
            time.sleep(0.01)

    return wait


@pytest.fixture
def broker_port(tmp_path: Path, free_port: int) -> Iterator[int]:
    """The port of a real mosquitto that lives as long as the test."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {free_port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    with subprocess.Popen(
        [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        end_s = time.monotonic() + 10
        while time.monotonic() < end_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", free_port), 0.2):
                break
        yield free_port
        child.terminate()
