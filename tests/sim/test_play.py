"""Playing logs and tracks: what is sent, when, and what the product makes of it."""

import argparse
import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.drivers import make_driver
from firmware_bridge.nmea_build import build_gga, build_rmc
from firmware_bridge.ports import Port
from firmware_bridge.recording import receiver_bytes
from firmware_bridge.ubx_build import build_nav_pvt
from protocols.samples import Fix, FixMode
from protocols.units import NS_PER_MS
from sim.devices.gnss_nmea import NmeaReceiver
from sim.play import Player, RawSource, TrackSource, add_arguments, make_source, run, split_epochs
from sim.pty import PtyLine
from sim.tracks import TrackPoint

REPO = Path(__file__).resolve().parents[2]
LOGS = REPO / "../shared/captures/gpsd"
NOON = 1_767_268_800_000
ms = NS_PER_MS


def epoch(t_utc_ms: int) -> bytes:
    fix = Fix(t_utc_ms, FixMode.FIX_3D, 10**9, 2 * 10**9, 5_000, sats_used=9)
    return build_gga(fix) + build_rmc(fix)


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def play_into_port(
    source: RawSource | TrackSource, path: Path, until_ms: int, speed: float = 1.0
) -> list[object]:
    """Everything the product reads while the player plays on a clock of ours: (ms, sample)."""
    line = PtyLine(path, 115_200, speed)
    line.plug()
    port, driver = Port(str(path), baud=115_200), make_driver("gnss")
    port.maintain(0)
    player = Player(source, line, speed, loop=False)
    heard: list[object] = []
    for t_ms in range(0, until_ms, 10):
        wait_ns = player.turn(t_ms * ms, NOON + t_ms)
        data = port.read(t_ms * ms)
        samples = driver.feed(data, t_ms * ms) if data else driver.idle(t_ms * ms)
        heard += [(t_ms, sample) for sample in samples]
        if wait_ns is None:
            break
    heard += [(until_ms, sample) for sample in driver.idle(10**12)]
    port.close()
    line.unplug()
    return heard


def test_epochs_of_nmea_are_split_at_their_times() -> None:
    parts = [epoch(NOON), epoch(NOON + 1_000), epoch(NOON + 1_200), epoch(NOON + 90_000)]
    starts, times_ms = split_epochs(b"".join(parts), 9600)
    assert starts == [0, *itertools.accumulate(len(part) for part in parts[:3])]
    assert times_ms == [0, 1_000, 1_200, 2_200]  # a hole of 89 s is not waited for


def test_epochs_over_midnight_and_of_ubx() -> None:
    assert split_epochs(epoch(NOON - 43_200_500) + epoch(NOON - 43_199_500), 9600)[1] == [0, 1_000]
    frames = [build_nav_pvt(Fix(NOON + i * 100, FixMode.FIX_3D, 1, 2, 3)) for i in range(3)]
    assert split_epochs(b"".join(frames), 9600) == ([0, 100, 200], [0, 100, 200])


def test_bytes_without_time_go_at_the_rate_of_the_line() -> None:
    assert split_epochs(b"\x00" * 2_500, 9_600) == ([0, 960, 1920], [0, 1_000, 2_000])


@pytest.mark.parametrize("name", ["neo-m8n", "ublox-zed-f9p-rtk", "unicore-um621", "bu303-moving"])
def test_a_log_is_played_byte_for_byte(name: str) -> None:
    if not LOGS.is_dir():
        pytest.skip("captures of real receivers are not on this machine")
    data = (LOGS / f"{name}.log").read_bytes()
    source = RawSource(data, 115_200)
    sent = b"".join(source.step(index, 0) for index in range(len(source.times_ms)))
    assert sent == receiver_bytes(data)


def test_a_log_arrives_at_its_own_pace(tmp_path: Path) -> None:
    times = [NOON, NOON + 1_000, NOON + 2_000]
    heard = play_into_port(RawSource(b"".join(epoch(t) for t in times), 115_200), tmp_path / "r01", 4_000)
    assert [fix.t_utc_ms for _, fix in heard] == times
    arrived = [t_ms for t_ms, _ in heard]
    assert all(0 <= got - due <= 300 for got, due in zip(arrived, (0, 1_000, 2_000), strict=True))


def test_speed(tmp_path: Path) -> None:
    stream = b"".join(epoch(NOON + index * 1_000) for index in range(21))
    heard = play_into_port(RawSource(stream, 115_200), tmp_path / "r01", 3_000, speed=20)
    assert len(heard) == 21
    assert heard[-2][0] <= 1_000 + 200


def track() -> list[TrackPoint]:
    return [
        TrackPoint(1_000_000 + i * 1_000, 31 * 10**9 + i * 10_000, 121 * 10**9, 5_000, 1_100)
        for i in range(3)
    ]


def test_a_track_is_dated_to_now(tmp_path: Path) -> None:
    heard = play_into_port(TrackSource(track(), NmeaReceiver(), as_recorded=False), tmp_path / "r01", 4_000)
    assert [fix.t_utc_ms for _, fix in heard] == [NOON, NOON + 1_000, NOON + 2_000]
    assert [fix.lat_deg_e9 for _, fix in heard] == [point.lat_deg_e9 for point in track()]
    assert [fix.course_cdeg for _, fix in heard] == [None, 0, 0]


def test_a_track_as_recorded(tmp_path: Path) -> None:
    points = [TrackPoint(NOON - 10**9, 31 * 10**9, 121 * 10**9, 5_000, 0)]
    ((_, fix),) = play_into_port(
        TrackSource(points, NmeaReceiver(), as_recorded=True), tmp_path / "r01", 1_000
    )
    assert fix.t_utc_ms == NOON - 10**9


def test_loop_begins_again(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "r01", 115_200)
    line.plug()
    player = Player(RawSource(epoch(NOON), 115_200), line, 1.0, loop=True)
    for t_ms in range(0, 3_500, 100):
        assert player.turn(t_ms * ms, NOON) is not None
    assert player.step_count == 4
    line.unplug()


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """`run` takes SIGINT and SIGTERM, as a program may; the tests want them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_run_says_what_it_does_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.play.LINGER_S", 0)
    log = tmp_path / "x.nmea"
    log.write_bytes(epoch(NOON))
    link = tmp_path / "ports" / "r01"
    assert run(parse(str(log), "--as", "r01", "--link", str(link))) == 0
    assert capsys.readouterr().out == (
        f"{link}: r01 plays x.nmea, 1 epochs, bytes and times as recorded, speed 1, 115200 baud\n"
    )
    assert not link.is_symlink()


def test_a_kill_takes_the_link_away(tmp_path: Path) -> None:
    """A link that stays could point to somebody else's terminal one day."""
    log, link = tmp_path / "x.nmea", tmp_path / "r01"
    log.write_bytes(epoch(NOON))
    code = (
        "import argparse, sim.play as p; a = argparse.ArgumentParser(); p.add_arguments(a);"
        f"raise SystemExit(p.run(a.parse_args([{str(log)!r}, '--as', 'r01', '--loop', '--link', {str(link)!r}])))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=REPO) as program:
        assert program.stdout is not None
        assert b"r01 plays x.nmea" in program.stdout.readline()
        assert link.is_symlink()
        program.terminate()
        assert program.wait(5) == 0
    assert not link.is_symlink()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("x.nmea", "--as", "../r01"), "allowed are letters"),
        (("x.nmea", "--as", "r01", "--now"), "only tracks can be dated"),
        (("x.nmea", "--as", "r01", "--speed", "0"), "must be positive"),
        (("x.nmea", "--as", "r01", "--speed", "5000"), "allowed are 0.1–1000"),
        (("none.nmea", "--as", "r01"), "No such file"),
        (("x.kml", "--as", "r01"), "unknown; allowed are .gpx"),
        (("empty.log", "--as", "r01"), "no bytes of a receiver"),
    ],
)
def test_wrong_arguments_are_told(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.nmea").write_bytes(epoch(NOON))
    (tmp_path / "empty.log").write_bytes(b"# nothing\n")
    link = ("--link", str(tmp_path / "link"))
    assert run(parse(str(tmp_path / words[0]), *words[1:], *link)) == 2
    assert message in capsys.readouterr().err


def test_profile_ubx_of_a_track(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("t_utc_s,lat_deg_e7,lon_deg_e7,alt_dm,speed_mmps,hr_bpm\n1,2,3,4,5,6\n")
    source, about = make_source(parse(str(path), "--as", "r01", "--profile", "ubx"))
    assert about == "1 points as ubx, dated to now"
    assert source.answer(make_driver("gnss").hello())
    assert b"\xb5b\x01\x07" in source.step(0, NOON)
