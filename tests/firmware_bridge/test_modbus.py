"""Modbus RTU: frames, register maps, the driver on an emulated bus; minimalmodbus and pymodbus as the other ends."""

import struct
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import minimalmodbus
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

from firmware_bridge.interface import Settings
from firmware_bridge.modbus import HEARD_SIZE_MAX, ModbusDriver, options
from firmware_bridge.modbus_frames import Request, count_pairs, crc16, find_reply, is_whole, parse_request
from firmware_bridge.modbus_map import SHIPPED, decode, parse_map
from protocols.catalog import FIELDS_BY_ID, GAS_FIELDS, field_id
from protocols.samples import Note, Reading, Sample
from sim.devices.modbus import BABBLE, Bus, Slave
from sim.pty import PtyLine

NAMES = ("gas-detector", "weather-station", "scba-transmitter")
FOLDER = Path("/nowhere")
MS = 10**6


class Line:
    """A bus and a driver on one clock, byte times left aside."""

    def __init__(self, *names: str, bus: Bus | None = None, **more: object) -> None:
        self.bus = bus or Bus([Slave.of_map(SHIPPED / f"{name}.toml") for name in names])
        made = options({"maps": list(names), **more}, FOLDER)
        self.driver = ModbusDriver(Settings(options=made))
        self.t_ms = 0
        self.samples: list[tuple[int, Sample]] = []

    def run(self, ms: int, noise: Callable[[int], bytes] = lambda _: b"") -> "Line":
        for _ in range(ms):
            t_ns = self.t_ms * MS
            said = self.bus.step(self.t_ms) + noise(self.t_ms)
            due_ns = self.driver.talk_mono_ns
            if said:
                self.feed(said)
            elif due_ns is not None and t_ns >= due_ns:
                asked = self.driver.talk(t_ns)
                if asked and (answer := self.bus.answer(asked)):
                    self.feed(answer)
            self.t_ms += 1
        self.samples += [(self.t_ms, sample) for sample in self.driver.idle(self.t_ms * MS)]
        return self

    def feed(self, data: bytes) -> None:
        self.samples += [(self.t_ms, sample) for sample in self.driver.feed(data, self.t_ms * MS)]
        self.driver.talk(self.t_ms * MS)

    def values(self, since_ms: int = 0) -> dict[str, int]:
        out: dict[str, int] = {}
        for t_ms, sample in self.samples:
            if isinstance(sample, Reading) and t_ms >= since_ms:
                out |= {FIELDS_BY_ID[field].name: value for field, value in sample.values.items()}
        return out

    def notes(self) -> list[dict[str, int | str]]:
        return [sample.words for _, sample in self.samples if isinstance(sample, Note)]


# --- frames ---------------------------------------------------------------------------------------


def test_the_reference_frames() -> None:
    assert crc16(b"123456789") == 0x4B37
    assert Request(1, 3, 0, 10).pack().hex(" ").upper() == "01 03 00 00 00 0A C5 CD"
    request = Request(0x11, 3, 0x6B, 3)
    assert request.pack().hex(" ").upper() == "11 03 00 6B 00 03 76 87"
    assert parse_request(request.pack()) == request
    reply = find_reply(bytes.fromhex("11 03 06 AE 41 56 52 43 40 49 AD"), request)
    assert reply is not None
    assert reply.registers.hex() == "ae4156524340"
    assert count_pairs(request.pack() + bytes.fromhex("11 03 06 AE 41 56 52 43 40 49 AD")) == 1


@given(st.integers(1, 247), st.sampled_from([3, 4]), st.integers(0, 0xFFFF), st.integers(1, 125))
def test_pymodbus_reads_our_requests(slave: int, function: int, address: int, count: int) -> None:
    used, pdu = FramerRTU(DecodePDU(True)).handleFrame(Request(slave, function, address, count).pack(), 0, 0)
    assert used == 8
    assert pdu is not None
    assert (pdu.dev_id, pdu.function_code, pdu.address, pdu.count) == (slave, function, address, count)


@given(
    st.integers(1, 247), st.sampled_from([3, 4]), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125),
    st.binary(max_size=40),
)  # fmt: skip
def test_we_read_the_replies_of_pymodbus(
    slave: int, function: int, registers: list[int], before: bytes
) -> None:
    kind = ReadHoldingRegistersResponse if function == 3 else ReadInputRegistersResponse
    frame = FramerRTU(DecodePDU(False)).buildFrame(kind(dev_id=slave, registers=registers))
    request = Request(slave, function, 0, len(registers))
    reply = find_reply(frame, request)
    assert reply is not None
    assert reply.registers == struct.pack(f">{len(registers)}H", *registers)
    assert find_reply(before + frame, request) is not None  # garbage costs no frame
    for other in (
        Request(slave % 247 + 1, function, 0, len(registers)),
        Request(slave, 7 - function, 0, len(registers)),
    ):
        assert find_reply(frame, other) is None


def test_damaged_and_truncated_replies_are_none() -> None:
    request, frame = Request(0x11, 3, 0x6B, 3), bytes.fromhex("11 03 06 AE 41 56 52 43 40 49 AD")
    for size in range(len(frame)):
        assert find_reply(frame[:size], request) is None
    for bit in range(8 * len(frame)):
        twin = bytearray(frame)
        twin[bit // 8] ^= 1 << bit % 8
        assert find_reply(twin, request) is None


# --- maps -----------------------------------------------------------------------------------------


def a_map(**register: object) -> dict[str, object]:
    return {"slave": 1, "register": {"x": {"address": 0, "field": "co_ppm"} | register}}


@pytest.mark.parametrize(
    ("register", "words"),
    [
        ({"adress": 1}, r"m\.toml: \[register\.x\]: unknown key 'adress'; did you mean 'address'"),
        ({"address": 65536}, r"\[register\.x\] address: 65536 came, 0–65535 is allowed"),
        ({"address": "1"}, "address: '1' came, a whole number is needed"),
        ({"type": "u17"}, "type: 'u17' came; did you mean 'u16'"),
        ({"type": "f32", "order": "abdc"}, "order: 'abdc' came; did you mean"),
        ({"order": "cdab"}, "order: 'cdab' came"),
        ({"slave": 248}, "slave: 248 came, 1–247"),
        ({"function": 5}, "function: 5 came, 3–4"),
        ({"field": "co_pmm"}, "'co_pmm' is no field .* did you mean 'co_ppm'"),
        ({"field": "gas_over"}, "'gas_over' is no field"),
        ({"scale": 0}, "scale: 0 came"),
        ({"scale": "1/0"}, "scale: '1/0' came"),
        ({"scale": True}, "scale: True came"),
        ({"unit": "ppn"}, "unit: 'ppn' came for co_ppm; did you mean 'ppm'"),
        ({"unit": "mg/m³"}, "molar_volume: missing"),
        ({"unit": "mg/m³", "molar_volume": 24}, "molar_volume: 24 came, 22.4 or 24.45"),
        ({"molar_volume": 22.4}, "molar_volume: only for a gas in mg/m³"),
        ({"field": "voc_dppm", "unit": "mg/m³", "molar_volume": 22.4}, "molar_mass: missing"),
        ({"fault": [65536]}, "fault: 65536 came, whole numbers 0–65535"),
        ({"over": [1]}, "range: missing"),
        ({"range": [5, 1]}, r"range: \[5, 1\] came"),
        ({"range": [0, 20000]}, "within 0–10000 ppm"),
        ({"poll_s": 0}, "poll_s: 0 came"),
    ],
)
def test_errors_of_a_map(register: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_map("m.toml", a_map(**register))


def test_errors_of_options(tmp_path: Path) -> None:
    for raw, words in [
        ({}, "maps: missing"),
        ({"maps": []}, "1–16 names"),
        ({"maps": ["gas-detektor"]}, "did you mean 'gas-detector'"),
        ({"maps": ["../../etc"]}, "no shipped map"),
        ({"maps": ["my.toml"]}, "No such file"),
        ({"map": ["gas-detector"]}, "did you mean 'maps'"),
        ({"maps": ["gas-detector"], "slaves": {"weather": 1}}, "not in maps"),
        ({"maps": ["gas-detector"], "slaves": {"gas-detector": 0}}, "1–247"),
        ({"maps": ["gas-detector", "gas-detector"]}, "lel_permille came, .* has it already"),
        ({"maps": ["gas-detector"], "poll_s": 0.05}, "0.1–3600"),
        ({"maps": ["gas-detector"], "silence_ms": 1}, "4–1000"),
    ]:
        with pytest.raises(ValueError, match=words):
            options(raw, tmp_path)
    (tmp_path / "bad.toml").write_text("x = ")
    with pytest.raises(ValueError, match=r"bad\.toml: not TOML"):
        options({"maps": ["bad.toml"]}, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_maps_say_whose_they_are(name: str) -> None:
    made = options({"maps": [name], "slaves": {name: 77}, "poll_s": 2}, FOLDER)
    assert {block.slave for block in made.blocks} == {77}
    assert min(block.poll_ms for block in made.blocks) == 2_000
    assert 'source = "our emulator' in (SHIPPED / f"{name}.toml").read_text()


def test_adjacent_registers_are_one_read_and_none_is_longer_than_125() -> None:
    assert [(b.slave, b.address, b.count) for b in options({"maps": list(NAMES)}, FOLDER).blocks] == [
        (1, 0, 10), (2, 500, 2), (2, 502, 5), (3, 16, 3),
    ]  # fmt: skip
    names = [name for name in GAS_FIELDS if name != "voc_dppm"]
    tables = {name: {"address": 20 * index} for index, name in enumerate(names)}
    assert len(parse_map("m", {"slave": 1, "register": tables})) == 8
    tables = {name: {"address": 17 * index} for index, name in enumerate(names)}
    blocks = parse_map("m", {"slave": 1, "gap": 16, "register": tables})
    assert [(block.address, block.count) for block in blocks] == [(0, 120)]
    tables = {name: {"address": 17 * index + (index > 3) * 10} for index, name in enumerate(names)}
    assert all(block.count <= 125 for block in parse_map("m", {"slave": 1, "gap": 16, "register": tables}))


@pytest.mark.parametrize(("volume", "exact"), [(22.4, "16.0"), (24.45, "17.46")])
def test_the_molar_volume_decides(volume: float, exact: str) -> None:
    """20 mg/m³ of CO; asked in hundredths of ppm by a scale of 100."""
    (block,) = parse_map("m", a_map(unit="mg/m³", molar_volume=volume, scale=100))
    assert abs(decode(block, b"\x00\x14").values[field_id("co_ppm")] / 100 - float(exact)) < 0.01


NUMBERS = {
    "u16": st.integers(0, 0xFFFF),
    "s16": st.integers(-0x8000, 0x7FFF),
    "u32": st.integers(0, 0xFFFFFFFF),
    "s32": st.integers(-(2**31), 2**31 - 1),
    "f32": st.floats(width=32),
}


@given(st.data())
def test_types_and_orders_agree_with_minimalmodbus(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(NUMBERS)))
    orders = ["abcd", "badc"] if kind.endswith("16") else ["abcd", "cdab", "badc", "dcba"]
    order, number = data.draw(st.sampled_from(orders)), data.draw(NUMBERS[kind])
    slave = Slave(1, registers={"x": {"address": 0, "type": kind, "order": order}})
    (block,) = parse_map("m", a_map(type=kind, order=order, field="pressure_pa"))
    if (kind == "f32" and number != number) or abs(number) == float("inf"):
        assert not decode(block, struct.pack(">f", number)).values
        return
    slave.put("x", Fraction(number))
    registers = slave.reply(Request(1, 3, 0, block.count).pack())[3:-2]
    raw = block.registers[0].raw(registers)
    assert raw == number
    if not kind.endswith("16"):
        names = {"abcd": 0, "dcba": 1, "badc": 2, "cdab": 3}  # minimalmodbus' BYTEORDER_*
        read = minimalmodbus._bytes_to_float if kind == "f32" else minimalmodbus._bytes_to_long
        extra = (2,) if kind == "f32" else (kind == "s32", 2)
        assert read(registers, *extra, names[order]) == number
    value = decode(block, registers).values.get(field_id("pressure_pa"))
    assert value == (round(number) if 20_000 <= round(number) <= 120_000 else None)


# --- the driver -----------------------------------------------------------------------------------


def all_three() -> Line:
    line = Line(*NAMES)
    gas, weather, scba = line.bus.slaves.values()
    for name, value in {
        "lel_permille": "12.5", "o2_permille": "20.9", "co_ppm": "20", "h2s_dppm": "3.4", "co2_ppm": "0.045",
        "so2_dppm": "0.3", "nh3_dppm": "1.2", "cl2_dppm": "0.1", "voc_dppm": "12300",
    }.items():  # fmt: skip
        gas.put(name, Fraction(value))
    for name, value in {
        "wind_dmps": "3.46", "wind_from_deg": "360", "ambient_dc": "-12.3", "humidity_permille": "45.6",
        "pressure_pa": "1013.25", "sun_wpm2": "812",
    }.items():  # fmt: skip
        weather.put(name, Fraction(value))
    scba.put("scba_kpa", Fraction("28.437"))
    scba.put("supply_mv", 3_612)
    return line


def test_truth_comes_out_in_the_catalogs_quanta() -> None:
    line = all_three().run(1_200)
    assert line.values() == {
        "lel_permille": 125, "o2_permille": 209, "co_ppm": 16, "h2s_dppm": 34, "co2_ppm": 450, "so2_dppm": 3,
        "nh3_dppm": 12, "cl2_dppm": 1, "voc_dppm": 123, "gas_faults": 0, "gas_over": 0,
        "wind_dmps": 35, "wind_from_deg": 0, "ambient_dc": -123, "humidity_permille": 456,
        "pressure_pa": 101_325, "sun_wpm2": 812, "scba_kpa": 28_437, "supply_mv": 3_612,
    }  # fmt: skip
    assert line.driver.stats.bad == line.driver.stats.noise == 0
    assert not line.notes()


def test_faults_and_over_range_are_neither_zero_nor_numbers() -> None:
    line = all_three()
    gas = line.bus.slaves[1]
    gas.put("co_ppm", "fault")
    gas.put("h2s_dppm", "over")
    gas.put("lel_permille", 0)
    gas.put("o2_permille", 31)  # beyond the map's range, without a sentinel
    line.bus.slaves[2].put("ambient_dc", "fault")
    values = line.run(500).values()
    assert "co_ppm" not in values
    assert "ambient_dc" not in values
    assert values["lel_permille"] == 0
    assert values["h2s_dppm"] == 1_000  # the end of the range is the least that is there
    assert values["gas_faults"] == 1 << GAS_FIELDS.index("co_ppm")
    assert values["gas_over"] == 1 << GAS_FIELDS.index("h2s_dppm") | 1 << GAS_FIELDS.index("o2_permille")


def test_a_sensors_zero_may_drift_a_little() -> None:
    (block,) = parse_map("m", a_map(type="s16", range=[0, 1_000]))
    assert decode(block, struct.pack(">h", -3)).values == {field_id("co_ppm"): 0}
    low = decode(block, struct.pack(">h", -300))
    assert (low.values, low.faults, low.bad) == ({}, 1 << GAS_FIELDS.index("co_ppm"), 1)


def test_a_dead_slave_costs_the_others_little() -> None:
    line = all_three()
    line.run(60_000)
    whole = {number: stats.answered for number, stats in line.driver.slaves.items()}
    line = all_three()
    line.bus.slaves[1].silent = True
    line.run(60_000)
    for number in (2, 3):
        assert line.driver.slaves[number].answered >= 0.95 * whole[number]
    assert "co_ppm" not in line.values()
    assert [(words["slave"], words["state"]) for words in line.notes()] == [(1, "silent")]
    assert line.driver.slaves[1].asked <= 9
    line.bus.slaves[1].silent = False
    line.run(33_000)
    assert line.values()["co_ppm"] == 16
    assert line.notes()[-1]["state"] == "answers"


def test_unplugged_values_are_absent_not_old() -> None:
    line = all_three().run(3_000)
    line.bus.slaves[1].silent = True
    line.run(100)
    assert "co_ppm" not in line.run(20_000).values(since_ms=3_100)


def test_a_late_reply_is_not_taken_for_the_next_one() -> None:
    """Two reads of the same length: a reply says nothing of its address."""
    tables = {"co_ppm": {"address": 0}, "h2s_dppm": {"address": 10}}
    slave = Slave(1, registers=tables)
    slave.put("co_ppm", 111)
    slave.put("h2s_dppm", 222)
    line = Line("gas-detector", bus=Bus([slave]))
    made = options({"maps": ["gas-detector"]}, FOLDER)
    blocks = parse_map("m", {"slave": 1, "register": tables})
    line.driver = ModbusDriver(Settings(options=type(made)(blocks)))
    for late_ms in (0, 320, 400, 700, 900, 0):
        slave.late_ms = late_ms
        line.run(12_000)
    readings = [sample.values for _, sample in line.samples if isinstance(sample, Reading)]
    assert all(values.get(field_id("co_ppm"), 111) == 111 for values in readings)
    assert all(values.get(field_id("h2s_dppm"), 2_220) == 2_220 for values in readings)
    line.run(30_000)
    assert line.values(since_ms=70_000)["co_ppm"] == 111


def test_exceptions_are_counted_told_once_and_asked_seldom() -> None:
    line = all_three()
    line.bus.slaves[2].exception = 2
    line.run(60_000)
    notes = line.notes()
    assert [(words["state"], words["exception"]) for words in notes] == [("refuses", 2)] * 2  # two reads
    assert 4 <= line.driver.slaves[2].exceptions <= 16
    assert line.driver.slaves[1].answered >= 55
    line.bus.slaves[2].exception = 0
    line.run(33_000)
    assert line.values()["wind_dmps"] == 35
    assert line.notes()[-1]["state"] == "answers"


def test_a_slave_that_damages_harms_only_itself() -> None:
    line = all_three()
    line.bus.slaves[3].damage = True
    line.run(30_000)
    assert "scba_kpa" not in line.values()
    assert line.driver.slaves[3].damaged > 1
    assert line.driver.slaves[1].answered >= 27


def test_a_babbling_slave_harms_only_itself() -> None:
    line = all_three()
    line.bus.slaves[3].babble = BABBLE  # after everybody's replies
    line.run(30_000, lambda t_ms: BABBLE[:7] if t_ms % 50 < 5 else b"")  # and by itself, without being asked
    assert line.driver.slaves[1].answered >= 25
    assert line.driver.slaves[2].answered >= 25
    assert line.values()["co_ppm"] == 16
    assert line.driver.stats.noise > 10_000
    assert line.driver.pending_size <= HEARD_SIZE_MAX


def test_endless_babble_does_not_stop_the_questions() -> None:
    line = all_three()
    line.run(20_000, lambda t_ms: bytes((t_ms & 0xFF, 0x55)))
    assert line.driver.slaves[1].asked > 3
    assert line.driver.pending_size <= HEARD_SIZE_MAX
    line.run(40_000)
    assert line.values(since_ms=40_000)["co_ppm"] == 16


def test_an_echo_of_the_adapter_is_no_reply() -> None:
    line = all_three()
    line.bus._echo = True
    assert line.run(1_000).values()["co_ppm"] == 16


def test_frames_are_four_milliseconds_apart() -> None:
    line = all_three().run(10_000)
    driver = ModbusDriver(Settings(options=options({"maps": list(NAMES)}, FOLDER)))
    asked = driver.talk(0)
    driver.feed(line.bus.answer(asked), 20 * MS)
    assert driver.talk(20 * MS) == b""
    assert driver.talk_mono_ns == 24 * MS
    assert driver.talk(23 * MS) == b""
    assert parse_request(driver.talk(24 * MS)) is not None


def test_every_split_of_a_reply_gives_the_same() -> None:
    whole: list[Sample] | None = None
    for cut in range(1, 25):
        line = all_three()
        reply = b"\xfe\x01\x03" + line.bus.answer(line.driver.talk(0)) + b"\x00"
        got = line.driver.feed(reply[:cut], MS) + line.driver.feed(reply[cut:-1], MS)
        line.driver.feed(reply[-1:], MS)
        whole = whole or got
        assert got == whole != []
        assert line.driver.stats.noise == 4


@settings(max_examples=200)
@given(st.lists(st.tuples(st.binary(max_size=700), st.integers(0, 500)), max_size=20))
def test_garbage_never_raises_and_is_bounded(chunks: list[tuple[bytes, int]]) -> None:
    driver, t_ms = ModbusDriver(Settings(options=options({"maps": list(NAMES)}, FOLDER))), 0
    for data, wait_ms in chunks:
        driver.talk(t_ms * MS)
        assert not [one for one in driver.feed(data, t_ms * MS) if isinstance(one, Reading)]
        assert driver.pending_size <= HEARD_SIZE_MAX
        t_ms += wait_ms
        driver.idle(t_ms * MS)


def test_the_emulated_bus_answers_minimalmodbus(tmp_path: Path) -> None:
    """An independent master over a real tty: the bus of the three devices, refusals and a dead slave."""
    bus, line = all_three().bus, PtyLine(tmp_path / "bus", 115_200)
    path, stop = line.plug(), threading.Event()

    def serve() -> None:
        while not stop.is_set():
            line.write(bus.answer(line.read()))
            line.pump(time.monotonic_ns())
            stop.wait(0.001)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        master = minimalmodbus.Instrument(path, 1)
        assert master.serial is not None
        master.serial.baudrate, master.serial.timeout = 115_200, 1.0
        assert master.read_registers(0, 10) == [125, 209, 20, 34, 45, 3, 12, 10, 0, 12_300]
        assert master.read_register(1, 1) == 20.9
        assert master.read_long(8) == 12_300
        with pytest.raises(minimalmodbus.IllegalRequestError):
            master.read_registers(9, 2)
        master.address = 2
        assert master.read_register(502, 1, functioncode=4, signed=True) == -12.3
        swapped = minimalmodbus.BYTEORDER_LITTLE_SWAP
        assert master.read_float(504, 4, byteorder=swapped) == 1013.25
        master.address, master.serial.timeout = 9, 0.05
        with pytest.raises(minimalmodbus.NoResponseError):
            master.read_register(0)
        master.serial.close()
    finally:
        stop.set()
        thread.join()
        line.unplug()


def test_the_capture() -> None:
    """Requests and replies of the emulated bus, a refusal and a damaged reply among them."""
    here = Path(__file__).parent / "captures/modbus"
    blocks = {block.address: block for block in options({"maps": list(NAMES)}, FOLDER).blocks}
    told = ""
    for line in (here / "bus.txt").read_text().splitlines():
        asked, said = (bytes.fromhex(part) for part in line.split(" > "))
        request = parse_request(asked)
        assert request is not None
        reply = find_reply(said, request)
        if reply is None or reply.exception:
            told += f"{request.address} {reply and reply.exception}\n"
            continue
        values = decode(blocks[request.address], reply.registers).values
        told += (
            f"{request.address} { {FIELDS_BY_ID[field].name: value for field, value in values.items()} }\n"
        )
    assert told == (here / "bus.golden").read_text()


def test_a_bus_of_others_is_recognised_by_pairs_only() -> None:
    bus = all_three().bus
    request = Request(1, 3, 0, 10).pack()
    reply = bus.answer(request)
    assert is_whole(reply)
    assert count_pairs((request + reply) * 3) == 3
    assert count_pairs(reply * 3) == count_pairs(request * 3) == 0
