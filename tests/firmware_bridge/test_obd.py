"""OBD-II by ELM327. The oracle is SAE J1979's table of reference values: the usual library is GPL and stays out."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.interface import Settings
from firmware_bridge.obd import REPLY_SIZE_MAX, ObdDriver, count_obd, options
from firmware_bridge.obd_words import (
    AIR_FLOW,
    PIDS,
    Answer,
    crc8_j1850,
    parse_answer,
    parse_volts,
    pick,
    pids_in,
)
from protocols.catalog import FIELDS_BY_ID
from protocols.samples import Identity, Note, Reading, Sample, sample_as_dict
from sim.devices.elm327 import Elm327, Vehicle

MS = 10**6
TRUTH = Vehicle(80, 1_726, 83, 49.8, 50.2, 14.0, 5.0)
EXPECTED = {
    "wheel_dmps": 222, "engine_rpm": 1_726, "coolant_c": 83, "engine_load_permille": 498, "fuel_permille": 502,
    "supply_mv": 14_000, "fuel_dlph": 50,
}  # fmt: skip


class Line:
    """An adapter and a driver on one clock of milliseconds."""

    def __init__(self, elm: Elm327, chunk: int = 10_000, **raw: object) -> None:
        self.elm, self.t_ms, self._chunk = elm, 0, chunk
        self.driver = ObdDriver(Settings(options=options(raw, None)))  # type: ignore[arg-type]
        self.samples: list[Sample] = []

    def run(self, ms: int) -> "Line":
        for _ in range(ms):
            self.feed(self.elm.step(self.t_ms))
            due_ns = self.driver.talk_mono_ns
            if due_ns is not None and self.t_ms * MS >= due_ns:
                command = self.driver.talk(self.t_ms * MS)
                if command:
                    self.feed(self.elm.answer(command))
            self.t_ms += 1
        self.samples += self.driver.idle(self.t_ms * MS)
        return self

    def feed(self, data: bytes) -> None:
        for at in range(0, len(data), self._chunk):
            self.samples += self.driver.feed(data[at : at + self._chunk], self.t_ms * MS)

    def values(self) -> dict[str, int]:
        out: dict[str, int] = {}
        for sample in self.samples:
            if isinstance(sample, Reading):
                out |= {FIELDS_BY_ID[field].name: value for field, value in sample.values.items()}
        return out

    def count(self, name: str) -> int:
        return sum(
            FIELDS_BY_ID[next(iter(sample.values))].name == name
            for sample in self.samples
            if isinstance(sample, Reading)
        )

    def notes(self) -> list[object]:
        return [sample.words["state"] for sample in self.samples if isinstance(sample, Note)]


@pytest.mark.parametrize(
    ("data", "name", "value"),
    [
        ("410C1AF8", "engine_rpm", 1_726),
        ("410D50", "wheel_dmps", 222),  # 80 km/h
        ("41057B", "coolant_c", 83),
        ("41047F", "engine_load_permille", 498),
        ("412F80", "fuel_permille", 502),
        ("414236B0", "supply_mv", 14_000),
        ("415E0064", "fuel_dlph", 50),
    ],
)
def test_the_reference_values(data: str, name: str, value: int) -> None:
    answer = parse_answer(data)
    assert answer is not None
    pid = PIDS[answer.pid]
    assert pid.field is not None
    assert (pid.field.name, pid.quanta(answer.raw)) == (name, value)


def test_air_flow_has_its_reference_value_though_the_catalog_has_no_field() -> None:
    assert parse_answer("411001F4") == Answer("", AIR_FLOW, 500)  # 5.00 g/s


@pytest.mark.parametrize(
    ("line", "ecu"),
    [
        ("41 0D 50", ""),
        ("410d50", ""),
        ("7E8 03 41 0D 50", "7E8"),
        ("7E803410D50", "7E8"),
        ("7E8 03 41 0D 50 AA AA AA AA", "7E8"),
        ("18 DA F1 10 03 41 0D 50", "18DAF110"),
        ("48 6B 10 41 0D 50 61", "486B10"),
        ("83 F1 11 41 0D 50 23", "83F111"),
    ],
)
def test_forms_of_a_line(line: str, ecu: str) -> None:
    assert parse_answer(line) == Answer(ecu, 0x0D, 80)


@pytest.mark.parametrize(
    "line",
    [
        "", "41", "410D", "41 0D 50 00", "7E8 04 41 0D 50", "7E8 02 41 0D", "7E8 03 41 0D 5", "7F 01 12", "010D",
        "7E8 03 7F 01 12", "48 6B 10 41 0D 50 62", "41 0D 5G", "7E8 03 41 0D 50 00 00 00 00 00", "NO DATA", "41 99 50",
        "7E8 03 41 0D 50 AA AA AB", "OK", "41 0C 1A", "ELM327 v1.5", "7E8 10 14 49 02 01 31 47 31",
    ],
)  # fmt: skip
def test_what_is_no_answer(line: str) -> None:
    assert parse_answer(line) is None


def test_words() -> None:
    assert crc8_j1850(b"123456789") == 0x4B
    assert [parse_volts(text) for text in ("12.6V", "9.8", "12.6VV", "NO DATA")] == [
        12_600,
        9_800,
        None,
        None,
    ]
    assert pids_in(0, 0xBE1FA813) == {1, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 19, 21, 28, 31, 32}
    assert pick([Answer("7E9", 13, 1), Answer("7E8", 13, 2)], 13) == Answer("7E8", 13, 2)


def test_init_and_truth() -> None:
    elm = Elm327(TRUTH)
    line = Line(elm).run(5_000)
    assert elm.asked[:6] == ["ATZ", "ATE0", "ATL0", "ATH1", "ATSP0", "0100"]
    assert "ATDPN" in elm.asked
    assert line.driver.protocol == "A6"
    assert line.values() == EXPECTED
    assert line.samples[0] == Identity("ELM327 V1.5")
    assert line.driver.stats.bad == line.driver.stats.noise == 0
    assert 4 <= line.count("engine_rpm") <= 6
    assert line.count("coolant_c") == 1
    line = Line(Elm327(TRUTH), protocol="6").run(100)
    assert "ATSP6" in line.elm.asked


@pytest.mark.parametrize(
    "quirks",
    [
        {"echo_stays": True},
        {"spaces": False},
        {"no_headers": True},
        {"no_headers": True, "echo_stays": True, "spaces": False},
        {"padding": b"\xaa"},
        {"bus": "can29", "ecus": ("10",)},
        {"bus": "iso", "ecus": ("10",)},
        {"ecus": ("7E8", "7E9")},
        {"ecus": ("7EA", "7E8", "7E9"), "spaces": False},
        {"nuls": True},
        {"slow_ms": 40},
    ],
)
@pytest.mark.parametrize("chunk", [1, 3, 10_000])
def test_quirks(quirks: dict[str, object], chunk: int) -> None:
    elm = Elm327(TRUTH, **quirks)  # type: ignore[arg-type]
    line = Line(elm, chunk).run(5_000)
    assert line.values() == EXPECTED
    assert line.driver.stats.bad == 0


def test_a_slow_clone_starves_nobody() -> None:
    line = Line(Elm327(TRUTH, slow_ms=900)).run(60_000)
    assert line.values() == EXPECTED
    assert "ATZ" not in line.elm.asked[1:]
    assert line.count("coolant_c") >= 3
    assert line.count("engine_rpm") >= 12


@pytest.mark.parametrize(
    "word",
    [
        b"STOPPED\r\r>", b"BUFFER FULL\r\r>", b"CAN ERROR\r\r>", b"?\r\r>", b"NO DATA\r\r>", b"SEARCHING...\r\r>",
        b"BUS INIT: ...ERROR\r\r>", b"\x00\xff\xfe\x80garbage\r\r>", b"7E8 03 41 0D\xff 99\r\r>", b"\r>",
        b"7E8 04 41 0C 1A", b"", b"x" * 5_000 + b">", b"<DATA ERROR\r>", b"7E8 06 41 00 FF FF\r>", b">>>>",
        b"UNABLE TO CONNECT\r\r>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [0, 1_900])
def test_it_survives(word: bytes, before: int) -> None:
    """Whatever comes in place of an answer, in the set-up or later, the truth is there again soon."""
    line = Line(Elm327(TRUTH)).run(before)
    line.elm.say = [word] * 2
    line.run(20_000)
    line.samples.clear()
    line.run(35_000)
    assert line.values() == EXPECTED


def test_a_reset_in_the_middle_sets_it_up_anew() -> None:
    line = Line(Elm327(TRUTH)).run(3_000)
    line.feed(line.elm.reset())
    line.samples.clear()
    line.run(3_000)
    assert line.elm.asked.count("ATH1") == 2
    assert line.values()["engine_rpm"] == 1_726


def test_ignition_off_is_no_error() -> None:
    vehicle = Vehicle(ignition=False)
    line = Line(Elm327(vehicle)).run(120_000)
    assert line.notes() == ["no answer of the vehicle"]
    assert line.values() == {"supply_mv": 12_600}  # the adapter measures the battery itself
    assert line.elm.asked.count("0100") <= 10
    assert line.elm.asked.count("ATZ") == 1
    vehicle.ignition = True
    line.run(32_000)
    assert line.notes()[-1] == "answers"
    assert line.values()["engine_rpm"] == 800
    vehicle.ignition = False
    line.run(10_000)
    assert line.notes()[-1] == "no answer of the vehicle"
    line.samples.clear()
    assert "engine_rpm" not in line.run(60_000).values()


def test_only_what_is_supported_is_asked() -> None:
    line = Line(Elm327(Vehicle(fuel_pct=None, supply_v=None, fuel_lph=None))).run(40_000)
    assert {"012F", "0142", "015E", "0140"}.isdisjoint(line.elm.asked)
    assert line.values()["supply_mv"] == 12_600


def test_a_dead_adapter_is_asked_seldom() -> None:
    driver, asked = ObdDriver(Settings()), 0
    for t_ms in range(0, 300_000, 10):
        asked += bool(driver.talk(t_ms * MS))
    assert 5 <= asked <= 20


@given(
    st.integers(0, 255),
    st.integers(0, 16_383),
    st.integers(-40, 215),
    st.integers(0, 100),
    st.integers(0, 65_535),
)
def test_many_values(speed: int, rpm: int, coolant: int, fuel: int, supply_mv: int) -> None:
    data = Vehicle(speed, rpm, coolant, None, fuel, supply_mv / 1_000).data()
    said = {pid: PIDS[pid].quanta(int.from_bytes(data[pid], "big")) for pid in (0x0D, 0x0C, 0x05, 0x2F, 0x42)}
    assert abs(said[0x0D] - speed * 10 / 3.6) <= 0.5
    assert (said[0x0C], said[0x05], said[0x42]) == (rpm, coolant, supply_mv)
    assert abs(said[0x2F] - fuel * 10) <= 3  # a step of 1/255


def test_damaged_twins_give_no_exception_and_nothing_out_of_range() -> None:
    """Between adapter and gateway there is no checksum: a digit that became another digit cannot be seen."""
    line = b"7E8 04 41 0C 1A F8"
    for bit in range(8 * len(line)):
        twin = bytearray(line)
        twin[bit // 8] ^= 1 << bit % 8
        answer = parse_answer(twin.decode("latin-1"))
        assert answer is None or (answer.pid == 0x0C and bit // 8 < 3) or bit // 8 >= 10
    for size in range(len(line) - 1):
        assert parse_answer(line[:size].decode()) is None


@settings(max_examples=200)
@given(st.lists(st.tuples(st.binary(max_size=400), st.integers(0, 5_000)), max_size=15))
def test_garbage_never_raises_and_is_bounded(chunks: list[tuple[bytes, int]]) -> None:
    driver, t_ms = ObdDriver(Settings()), 0
    for data, wait_ms in chunks:
        driver.talk(t_ms * MS)
        driver.feed(data + b">", t_ms * MS)
        driver.feed(data, t_ms * MS)
        assert driver.pending_size <= REPLY_SIZE_MAX
        t_ms += wait_ms
        driver.idle(t_ms * MS)


def test_the_capture() -> None:
    """What an adapter said to the driver's questions, from the ignition on; replayed, it is asked and says the same."""
    here = Path(__file__).parent / "captures/obd"
    replies = [line.split(" < ") for line in (here / "drive.txt").read_text().splitlines()]
    driver, samples, t_ms = ObdDriver(Settings()), [], 0
    for command, reply in replies:
        while not (asked := driver.talk(t_ms * MS)):
            t_ms += 10
        assert asked.decode() == command + "\r"
        samples += driver.feed(reply.encode().decode("unicode_escape").encode("latin-1"), t_ms * MS)
    told = "".join(f"{sample_as_dict(sample)}\n" for sample in samples)
    assert told == (here / "drive.golden").read_text()


def test_score_and_options() -> None:
    assert count_obd(b"ATI\r\rELM327 v1.5\r\r>") == 2
    assert count_obd(b"7E8 04 41 0C 1A F8 \r\r>41 0D 50\r\r>NO DATA\r\r>41 0D") == 2
    assert count_obd(b"$GPGGA,1,2*00\r\n" * 50) == 0
    for raw, words in [
        ({"protocol": "X"}, "protocol"),
        ({"protocoll": "6"}, "did you mean 'protocol'"),
        ({"fast_s": 0}, "0.2–60"),
        ({"protocol": 6}, "text in quotes"),
    ]:
        with pytest.raises(ValueError, match=words):
            options(raw, None)  # type: ignore[arg-type]
