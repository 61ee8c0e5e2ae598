"""The generic line driver: patterns that cannot run away, checksums, fields, and an emulated device of any format."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pynmeagps import nmeahelpers

from firmware_bridge.interface import Settings
from firmware_bridge.line import LINE_SIZE_MAX, LineDriver, checked, count_lines, options
from firmware_bridge.line_pattern import compiled
from protocols.catalog import FIELDS_BY_ID
from protocols.samples import Reading, Sample
from sim.devices.line import LineDevice

FOLDER = Path()
PATTERN = r"T=(?P<t>[-+.\d]+),H=(?P<h>[.\d]+)(?:,P=(?P<p>\d+))?"
FIELDS = {
    "t": {"field": "ambient_dc", "min": -40, "max": 60},
    "h": {"field": "humidity_permille"},
    "p": {"field": "pressure_pa", "unit": "hPa"},
}
FORM = "T={t:.1f},H={h:.0f}"


def make(**more: object) -> LineDriver:
    return LineDriver(Settings(options=options({"pattern": PATTERN, "fields": FIELDS} | more, FOLDER)))


def named(samples: list[Sample]) -> list[dict[str, int]]:
    return [
        {FIELDS_BY_ID[field].name: value for field, value in sample.values.items()}
        for sample in samples
        if isinstance(sample, Reading)
    ]


def test_values_come_out_in_the_catalogs_quanta() -> None:
    driver = make()
    got = named(driver.feed(b"T=-12.34,H=45.6,P=1013\r\nT=+.5,H=7.,P=9\r\nhello there\r\nT=x\r\n", 0))
    assert got == [
        {"ambient_dc": -123, "humidity_permille": 456, "pressure_pa": 101_300},
        {"ambient_dc": 5, "humidity_permille": 70},  # 9 hPa is outside the catalog
    ]
    assert (driver.stats.good, driver.stats.bad, driver.stats.skipped) == (2, 1, 2)
    assert named(make().feed(b"T=61,H=5\nT=-.-,H=1\nT=-41,H=101\n", 0)) == [
        {"humidity_permille": 50}, {"humidity_permille": 10},
    ]  # fmt: skip


@given(st.floats(-40, 60), st.integers(0, 100), st.sampled_from(["none", "nmea", "crc16-modbus"]))
def test_the_emulator_is_understood(t: float, h: int, checksum: str) -> None:
    device = LineDevice(FORM, {"t": t, "h": h}, checksum=checksum, separator=";")
    (values,) = named(make(checksum=checksum, separator=";").feed(device.line(), 0))
    assert values == {"ambient_dc": round(float(f"{t:.1f}") * 10), "humidity_permille": h * 10}


@given(st.binary(min_size=1, max_size=60).filter(lambda one: b"*" not in one and one[0] not in b"$!"))
def test_checksums_agree_with_others(body: bytes) -> None:
    crc = FramerRTU.compute_CRC(body)
    digits = b"%04X" % ((crc & 0xFF) << 8 | crc >> 8)
    assert checked(body + digits, "crc16-modbus") == body
    text = body.decode("latin-1")
    assert (
        checked(b"$" + body + b"*" + nmeahelpers.calc_checksum(text).encode(), "nmea") == body
        or not body.isascii()
    )


@pytest.mark.parametrize("checksum", ["nmea", "crc16-modbus"])
def test_damaged_twins_say_nothing_false(checksum: str) -> None:
    line = LineDevice(FORM, {"t": 21.5, "h": 40}, checksum=checksum).line()
    expected = named(make(checksum=checksum).feed(line, 0))
    for bit in range(8 * (len(line) - 2)):
        twin = bytearray(line)
        twin[bit // 8] ^= 1 << bit % 8
        assert named(make(checksum=checksum).feed(bytes(twin), 0)) in ([], expected)
    for size in range(len(line) - 2):
        assert not make(checksum=checksum).feed(line[:size] + b"\r\n", 0)


def test_every_split_gives_the_same() -> None:
    data = b"\xff\x00T=1,H=2\r\n" + b"x" * 700 + b"\r\nT=3,H=4\r\n" + b"\r\nT=5,H=6,P=1000\r\nT="
    whole = make()
    expected = named(whole.feed(data, 0))
    assert [one["ambient_dc"] for one in expected] == [30, 50]
    for cut in range(len(data)):
        driver = make()
        assert named(driver.feed(data[:cut], 0) + driver.feed(data[cut:], 0)) == expected
        assert driver.stats.good == 2


def test_the_question_is_asked_in_time() -> None:
    device = LineDevice(FORM, {"t": 20, "h": 50}, asked=b"READ\r")
    driver = make(ask="READ\r", ask_s=2)
    asked = 0
    for t_ms in range(0, 10_000, 10):
        if driver.talk_mono_ns is not None and t_ms * 10**6 >= driver.talk_mono_ns:
            question = driver.talk(t_ms * 10**6)
            asked += 1
            assert len(driver.feed(device.answer(question), t_ms * 10**6)) == 1
    assert asked == 5
    assert make().talk_mono_ns is None
    assert make().talk(10**12) == b""


def test_encodings() -> None:
    raw = {"pattern": "温度(?P<t>[.0-9]+)度", "fields": {"t": {"field": "ambient_dc"}}}
    for encoding in ("gbk", "utf-8"):
        driver = LineDriver(Settings(options=options(raw | {"encoding": encoding}, FOLDER)))
        assert named(driver.feed("温度21.5度\n".encode(encoding), 0)) == [{"ambient_dc": 215}]
    driver = LineDriver(Settings(options=options(raw | {"encoding": "utf-8"}, FOLDER)))
    assert not driver.feed("温度21.5度\n".encode("gbk"), 0)
    assert driver.stats.bad == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"pattern": "("}, "options pattern: no regular expression"),
        ({"pattern": 5}, "text in quotes"),
        ({"patern": "x"}, "did you mean 'pattern'"),
        ({"fields": {"x": {"field": "ambient_dc"}}}, "no group 'x'"),
        ({"fields": {}}, "1–32"),
        ({"fields": {"t": {"field": "ambiant_dc"}}}, "did you mean 'ambient_dc'"),
        ({"fields": {"t": {"field": "ambient_dc", "scael": 1}}}, "did you mean 'scale'"),
        ({"fields": {"t": "ambient_dc"}}, "a table is needed"),
        ({"fields": {"t": {"field": "ambient_dc"}, "h": {"field": "ambient_dc"}}}, "another group has it"),
        ({"fields": {"t": {"field": "ambient_dc", "min": 5, "max": 1}}}, "has to rise"),
        ({"separator": ""}, "separator: 0 characters"),
        ({"checksum": "crc"}, "checksum: 'crc' came"),
        ({"encoding": "utf8"}, "did you mean 'utf-8'"),
        ({"ask": "x" * 65}, "at most 64"),
        ({"ask_s": 0}, "0.1–3600"),
    ],
)
def test_errors_of_options(more: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        options({"pattern": PATTERN, "fields": FIELDS} | more, FOLDER)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$", r"(a*)*b", r"(a|aa)+$", r"(a|a?)+$", r"(\d+,?)*x", r"(.*),(.*),(.*),(.*)x", r"(\w+\s?)*$",
        r"(x+x+)+y", r"(a+){2,}b", r"([a-zA-Z]+)*$", r"(.*a){12}", r"(\d+)\1", r"(?=a)b", r"(?<!a)b", r"(?i)a",
        r"((a+b?)+c)+",        r"(?s).", r"(?i:a)", r"a" * 501, r"(?:(a)|b)(?(1)c|d)", r"\d*\d*\d*\d*x",
    ],
)  # fmt: skip
def test_patterns_that_could_run_away_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        PATTERN, r"(?:[^,]*,){5}(?P<x>\d+)$", r".*T=(?P<t>\d+)", r".*?T=(\d+),.*H=(\d+)$",
        r"(?:a|b|c)+d", r"[^,]*,[^,]*,[^y]*y", r".*,.*,[^y]*y", r"(\w+)=(\d+);(\w+)=(\d+)x", r"^\d{3,5}-\d*x$",
        r"a?b?c?.*z", r"\s*([-+]?\d+(?:\.\d+)?)\s+C$",
    ],
)  # fmt: skip
def test_patterns_that_are_allowed_are_quick_on_bad_lines(pattern: str) -> None:
    made = compiled(pattern)
    for seed in (",", "a", "1", "T=1,", "T=1,H=1", " ", "1 ", "a=1;", "abc", "-", "12345-"):
        line = (seed * LINE_SIZE_MAX)[:LINE_SIZE_MAX]
        best_s = min(_time_s(made, line) for _ in range(3))
        assert best_s < 0.2, (pattern, seed, best_s)


def _time_s(made: object, line: str) -> float:
    begin_s = time.perf_counter()
    made.match(line)  # type: ignore[attr-defined]
    return time.perf_counter() - begin_s


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=1_500), max_size=10), st.sampled_from(["none", "nmea", "crc16-modbus"]))
def test_garbage_never_raises_and_is_bounded(chunks: list[bytes], checksum: str) -> None:
    driver = make(checksum=checksum, encoding="gbk")
    for data in chunks:
        driver.feed(data, 0)
        assert driver.pending_size <= LINE_SIZE_MAX + 4
    driver.idle(10**10)
    assert driver.pending_size == 0
    assert len(driver.feed(b"\nT=1,H=2\n", 0)) == (checksum == "none")


def test_the_capture() -> None:
    """A weather mast's lines, a greeting without a checksum, one damaged, one cut, and what they say."""
    here = Path(__file__).parent / "captures/line"
    driver = make(checksum="nmea")
    lines = [f"{one}\n" for one in map(str, named(driver.feed((here / "mast.log").read_bytes(), 0)))]
    assert "".join(lines) == (here / "mast.golden").read_text()
    assert driver.stats.bad == 3


def test_score() -> None:
    assert count_lines(b"T=1,H=2\r\nabc\r\nT=3,H=4\r\nT=5") == 2
    assert count_lines(bytes(range(256)) * 4) == 0
