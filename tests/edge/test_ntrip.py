"""Corrections: from a caster over TCP through the client and a serial line to a receiver, and every way it can fail."""

import dataclasses
import random
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pynmeagps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import ntrip
from edge.config import Config, NtripConfig, PortConfig, load
from edge.ntrip import QUEUE_SIZE_MAX, Ntrip, Timing
from edge.ntrip_wire import CasterError, Dechunker, parse_answer, read_account, request
from edge.serial_worker import SerialWorker
from firmware_bridge import rtcm
from protocols.catalog import Corrections, field_id
from protocols.samples import Fix, FixMode, Reading, Sample
from sim.devices.gnss_nmea import NmeaReceiver
from sim.devices.gnss_rtk import RtkReceiver
from sim.devices.ntrip_caster import Caster
from sim.pty import PtyLine

FIX = Fix(
    1_795_000_000_000,
    FixMode.FIX_3D,
    36_651_234_567,
    117_009_876_543,
    30_000,
    1_500,
    9_000,
    1_500,
    12,
    20,
    90,
)
QUICK = Timing(
    connect_s=2.0, gga_s=0.05, silent_s=0.5, backoff_s_min=0.02, backoff_s_max=0.1, refused_s_min=0.05
)
ACCOUNT = ("fire", "咸水")


@pytest.fixture
def account_file(tmp_path: Path) -> Path:
    path = tmp_path / "account"
    path.write_text("\n".join(ACCOUNT) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def new_caster() -> Iterator[Callable[..., Caster]]:
    made: list[Caster] = []

    def make(manner: str = "good", **how: Any) -> Caster:
        made.append(Caster(period_s=0.02, **how))
        made[-1].manner = manner
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def new_client() -> Iterator[Callable[..., Ntrip]]:
    made: list[Ntrip] = []

    def make(caster: Caster, send: Callable[[bytes], bool] | None = None, **how: Any) -> Ntrip:
        config = NtripConfig(how.pop("host", "127.0.0.1"), caster.tcp_port, "VRS", **how)
        made.append(Ntrip(config, send or (lambda _frame: True), random.Random(5), QUICK))
        made[-1].note_fix(FIX, time.monotonic_ns())
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close()


def turn(client: Ntrip) -> None:
    """What the agent's loop does for it."""
    fd = client.fileno()
    if fd is not None and select.select([fd], [], [], 0)[0]:
        client.on_readable()


# --- good casters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("asked", ["auto", "1", "2"])
def test_either_version_gives_whole_frames(
    version: int,
    asked: str,
    new_caster: Callable,
    new_client: Callable,
    account_file: Path,
    wait_for: Callable,
) -> None:
    caster = new_caster(version=version, account=ACCOUNT)
    got: list[bytes] = []
    client = new_client(caster, lambda frame: not got.append(frame), version=asked, account_file=account_file)
    if (version, asked) == (1, "2"):
        wait_for(lambda: "without an answer" in client.why, "a caster of version 1 hangs up")
        return
    wait_for(lambda: turn(client) or len(got) >= 10, "frames")
    assert client.state is Corrections.FLOWING
    assert all(rtcm.crc24q(frame) == 0 for frame in got)
    assert [rtcm.message_number(frame) for frame in got[:5]] == [1074, 1084, 1094, 1124, 1006]
    wait_for(lambda: len(caster.ggas) >= 3, "a GGA again and again")
    gga = pynmeagps.NMEAReader.parse(caster.ggas[-1] + b"\r\n", validate=1)
    assert (round(gga.lat, 9), round(gga.lon, 9), gga.numSV) == (36.651234567, 117.009876543, 12)
    assert client.stats.bad == 0
    health = client.health(time.monotonic_ns())
    assert health[field_id("corrections")] == Corrections.FLOWING
    assert 0 <= health[field_id("corrections_age_ds")] < 100


def test_tls(
    new_caster: Callable,
    new_client: Callable,
    make_certificates: Callable,
    tmp_path: Path,
    wait_for: Callable,
) -> None:
    make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    caster = new_caster(tls=context)
    trusting = new_client(caster, host="localhost", tls=True, ca_file=tmp_path / "cert.pem")
    wait_for(lambda: trusting.stats.frames > 5, "frames over TLS")
    doubting = new_client(caster, host="localhost", tls=True)
    wait_for(lambda: "certificate" in doubting.why.lower(), "nobody signed it")
    assert doubting.stats.frames == 0


def test_no_place_is_told_without_a_fresh_fix(
    new_caster: Callable, new_client: Callable, wait_for: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ntrip, "FIX_AGE_S_MAX", -1)
    caster = new_caster()
    client = new_client(caster)
    wait_for(lambda: client.stats.frames > 20, "frames")
    assert (client.stats.ggas, caster.ggas) == (0, [])
    assert b"Ntrip-GGA" not in caster.requests[0]
    client.note_fix(Fix(None, FixMode.NONE), time.monotonic_ns())
    assert client._fix is not None
    assert client._fix[0] is FIX, "a void fix is no place"


# --- bad casters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manner", "version", "state", "words"),
    [
        ("refuse", 2, Corrections.REFUSED, "403 Forbidden"),
        ("bad password", 2, Corrections.REFUSED, "401 Unauthorized"),
        ("bad password", 1, Corrections.REFUSED, "ERROR - Bad Password"),
        ("no mountpoint", 2, Corrections.REFUSED, "404 Not Found"),
        ("no mountpoint", 1, Corrections.REFUSED, "no such mountpoint: the caster sent its source table"),
        ("silent", 2, Corrections.SILENT, "no corrections for 0.5 s"),
        ("garbage", 2, Corrections.SILENT, "no corrections for 0.5 s"),
        ("cut", 2, Corrections.CONNECTING, "the caster hung up"),
        ("broken", 2, Corrections.CONNECTING, ""),
    ],
)
def test_what_goes_wrong_is_said_and_tried_again(
    manner: str, version: int, state: Corrections, words: str, new_caster: Callable, new_client: Callable,
    wait_for: Callable,
) -> None:  # fmt: skip
    caster = new_caster(manner, version=version)
    got: list[bytes] = []
    client = new_client(caster, lambda frame: not got.append(frame))

    def wrong() -> bool:
        turn(client)
        return client.state is state and words in client.why and bool(client.why)

    wait_for(wrong, f"{state.name} {words}")
    assert client.status(time.monotonic_ns())["why"] == client.why
    wait_for(lambda: len(caster.requests) >= 3, "it asks again")
    assert all(rtcm.crc24q(frame) == 0 for frame in got), "garbage is never handed on"
    caster.manner = "good"
    wait_for(lambda: client.state is Corrections.FLOWING, "it recovers by itself")
    assert client.why == ""


def test_a_caster_that_goes_and_comes_back(
    new_caster: Callable, new_client: Callable, wait_for: Callable
) -> None:
    caster = new_caster()
    client = new_client(caster)
    wait_for(lambda: client.state is Corrections.FLOWING, "frames")
    caster.close()
    wait_for(lambda: client.state is Corrections.CONNECTING, "it is gone")
    wait_for(lambda: "refused" in client.why, "nobody listens")


def test_a_password_that_others_can_read_is_not_used(
    new_caster: Callable, new_client: Callable, account_file: Path, wait_for: Callable
) -> None:
    account_file.chmod(0o640)
    caster = new_caster()
    client = new_client(caster, account_file=account_file)
    wait_for(lambda: client.state is Corrections.REFUSED, "refused")
    assert "chmod 600" in client.why
    assert caster.requests == []
    account_file.chmod(0o600)
    wait_for(lambda: client.state is Corrections.FLOWING, "mended")
    assert read_account(account_file) == ACCOUNT
    for text in ("", "one", "a:b\nc", "\nx"):
        account_file.write_text(text)
        with pytest.raises(CasterError, match="two lines"):
            read_account(account_file)
    with pytest.raises(CasterError, match="No such file"):
        read_account(account_file.with_name("none"))


def test_the_queue_is_bounded_and_old_corrections_are_dropped() -> None:
    got: list[bytes] = []
    client = Ntrip(NtripConfig(), lambda frame: not got.append(frame), random.Random(1))
    client._ends = socket.socketpair()
    for end in client._ends:
        end.setblocking(False)
    frames = [rtcm.build(bytes([number]) * 500) for number in range(200)]
    client._put(frames, time.monotonic_ns())
    assert client._queue_size <= QUEUE_SIZE_MAX
    client.on_readable()
    assert got == frames[-len(got) :]
    assert client.stats.stale == 200 - len(got)
    client._put(frames[:3], time.monotonic_ns() - 11 * 10**9)
    client.on_readable()
    assert client.stats.stale == 200 - len(got) + 3
    client.close()


def test_without_a_caster_nothing_happens() -> None:
    client = Ntrip(NtripConfig(), lambda _frame: True, random.Random(1))
    client.start()
    assert (client.fileno(), client.health(0), client.status(0)["state"]) == (None, {}, "off")
    client.close()


# --- words -----------------------------------------------------------------------------------------


def test_what_is_asked() -> None:
    config = NtripConfig("caster.example", 2101, "VRS")
    two = request(config, ("user", "pass"), 2, b"$GPGGA,1*00\r\n").decode()
    assert two == (
        "GET /VRS HTTP/1.1\r\nHost: caster.example:2101\r\nNtrip-Version: Ntrip/2.0\r\nUser-Agent: NTRIP Zhantu/1\r\n"
        "Ntrip-GGA: $GPGGA,1*00\r\nConnection: close\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n"
    )
    assert request(config, None, 1, b"") == b"GET /VRS HTTP/1.0\r\nUser-Agent: NTRIP Zhantu/1\r\n\r\n"
    assert b"Host: [::1]:2101" in request(dataclasses.replace(config, host="::1"), None, 2, b"")


@given(st.binary(max_size=200), st.integers(0, 200))
def test_an_answer_of_any_bytes_is_an_answer_or_an_error(data: bytes, cut: int) -> None:
    for head in (b"", b"HTTP/1.1 200 OK\r\n", b"ICY 200 OK\r\n", b"HTTP/1.1 "):
        try:
            parse_answer(head + data)
            Dechunker().feed(data[:cut])
        except CasterError as err:
            assert str(err).isprintable()


def test_chunks_at_every_cut() -> None:
    stream = b"5\r\nhello\r\nA;x=1\r\n 0123456\r\n\r\n1\r\n!\r\n"
    for cut in range(len(stream)):
        dechunker = Dechunker()
        assert dechunker.feed(stream[:cut]) + dechunker.feed(stream[cut:]) == b"hello 0123456\r\n!"
    for bad in (b"x\r\n", b"-5\r\n", b"0\r\n", b"1" * 65):
        with pytest.raises(CasterError):
            Dechunker().feed(bad)


def test_answers_that_never_end() -> None:
    with pytest.raises(CasterError):
        parse_answer(b"H" * 9_000)
    with pytest.raises(CasterError, match="do not end"):
        parse_answer(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9_000)
    with pytest.raises(CasterError, match="a page, not a stream"):
        parse_answer(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")
    assert parse_answer(b"HTTP/1.1 200 OK\r\nX") is None


# --- the whole way ---------------------------------------------------------------------------------


class Bench:
    """A caster, the client, a worker on a pty, and a receiver whose seconds pass quickly."""

    def __init__(self, line: PtyLine, client_of: Callable[[Callable[[bytes], bool]], Ntrip]) -> None:
        self.line = line
        self.receiver = RtkReceiver(NmeaReceiver(places=8))
        self.modes: list[FixMode] = []
        self.readings: list[Reading] = []
        self.worker = SerialWorker(PortConfig("gnss", str(line.link), "gnss", 115_200), self._hear)
        self.client = client_of(self.worker.send)
        self.second = 0

    def _hear(self, sample: Sample, t_mono_ns: int) -> None:
        if isinstance(sample, Fix):
            self.modes.append(sample.mode)
            self.client.note_fix(sample, t_mono_ns)
        elif isinstance(sample, Reading):
            self.readings.append(sample)

    def turn(self) -> None:
        self.second += 1
        truth = dataclasses.replace(FIX, t_utc_ms=(FIX.t_utc_ms or 0) + self.second * 1_000)
        self.line.write(self.receiver.answer(self.line.read()) + self.receiver.epoch(truth))
        now_ns = time.monotonic_ns()
        for step in range(60):
            self.line.pump(now_ns + step * 5_000_000)
        now_ns = time.monotonic_ns()
        self.worker.maintain(now_ns)
        if self.worker.fileno() is not None:
            self.worker.on_readable()
        turn(self.client)


def test_from_the_caster_to_a_fixed_position_and_back(
    tmp_path: Path, new_caster: Callable, new_client: Callable, wait_for: Callable
) -> None:
    line = PtyLine(tmp_path / "gnss", 115_200)
    line.plug()
    caster = new_caster()
    bench = Bench(line, lambda send: new_client(caster, send))

    def mode() -> FixMode | None:
        bench.turn()
        return bench.modes[-1] if bench.modes else None

    wait_for(lambda: mode() is FixMode.RTK_FIXED, "fixed")
    assert FixMode.RTK_FLOAT in bench.modes
    assert bench.receiver.corrections.good > 0
    assert bench.receiver.corrections.bad == 0
    caster.manner = "garbage"
    wait_for(lambda: mode() is FixMode.FIX_3D, "falls back when only garbage comes")
    caster.manner = "good"
    wait_for(lambda: mode() is FixMode.RTK_FIXED, "fixed again")
    wait_for(lambda: caster.ggas and caster.ggas[-1].split(b",")[6] == b"4", "the caster is told so")
    bench.worker.close()
    line.unplug()


def config_of(tmp_path: Path, caster: Caster, path: str) -> Config:
    (tmp_path / "1.key").write_text("11" * 32)
    (tmp_path / "1.key").chmod(0o600)
    (tmp_path / "edge.toml").write_text(
        f"""
[device]
number = 1
key_file = "1.key"
[pace]
health_s = 1
[[port]]
name = "gnss"
path = "{path}"
baud = 115200
[mqtt]
port = 9
[ntrip]
host = "127.0.0.1"
tcp_port = {caster.tcp_port}
mountpoint = "VRS"
"""
    )
    return load(tmp_path / "edge.toml")


def test_the_agent_feeds_its_receiver_and_says_so(
    tmp_path: Path, new_caster: Callable, wait_for: Callable, start_agent: Callable
) -> None:
    caster = new_caster()
    line = PtyLine(tmp_path / "gnss", 115_200)
    line.plug()
    receiver = RtkReceiver(NmeaReceiver(places=8))
    config = config_of(tmp_path, caster, str(line.link))
    agent = start_agent(config.path)
    second = 0

    def fixed() -> bool:
        nonlocal second
        second += 1
        truth = dataclasses.replace(FIX, t_utc_ms=(FIX.t_utc_ms or 0) + second * 1_000)
        line.write(receiver.answer(line.read()) + receiver.epoch(truth))
        now_ns = time.monotonic_ns()
        for step in range(60):
            line.pump(now_ns + step * 5_000_000)
        return any(gga.split(b",")[6] == b"4" for gga in caster.ggas)

    wait_for(fixed, "the caster hears of a fixed position: all the way round")
    said = agent.status()["corrections"]
    assert (said["state"], said["port"], said["bad"]) == ("flowing", "gnss", 0)
    assert said["frames"] > 0
    assert said["age_s"] is not None
    line.unplug()


def test_check_says_whether_corrections_flow(tmp_path: Path, new_caster: Callable) -> None:
    from edge import check

    caster = new_caster()
    config = config_of(tmp_path, caster, str(tmp_path / "none"))
    report = check.check(config, 1.0)
    assert report["corrections"]["state"] == "flowing"
    assert f"frames from 127.0.0.1:{caster.tcp_port}/VRS for gnss, no position told yet" in check.as_text(
        report
    )
    assert "FRAMES NOT TAKEN BY gnss" in check.as_text(report)
    caster.manner = "refuse"
    report = check.check(config, 1.0)
    assert not report["ok"]
    assert "corrections: REFUSED at 127.0.0.1" in check.as_text(report)
    assert "403 Forbidden" in check.as_text(report)
