"""An agent unit's devices: the world's truth goes in, and our drivers read the same truth out of their bytes."""

import tomllib

import pytest

from firmware_bridge.drivers import DRIVERS, make_driver
from firmware_bridge.interface import Settings
from protocols.catalog import FIELDS_BY_ID, Posture
from protocols.samples import Fix, FixMode, Impact, Pressed, Reading
from protocols.wearer import Gesture
from sim import scenario
from sim.equipment import Equipment
from sim.surroundings import Weather
from sim.world import Body

FIX = Fix(1_795_000_000_000, FixMode.FIX_3D, 36_650_000_000, 117_000_000_000, 30_000, 0, 0, sats_used=12)
DRILL = """\
scenario: 1
name: 设备
seed: 7
centre: [36.65, 117.0]
hazards: [{name: 罐, at: [36.65, 117.0], radius_m: 100, lel_permille: 400, co_ppm: 90, h2s_dppm: 30}]
teams: [{name: 消防, branch: fire}]
units: [{callsign: 甲, kind: KIND, team: 消防, device: 1, fidelity: agent, devices: [DEVICES], path: PATH}]
"""
HOLD = "{hold: {at: [36.65, 117.0]}}"
DRIVE = "{drive: {through: [[36.65, 117.0], [36.69, 117.0]], speed_kmh: [50, 50]}}"


class Bench:
    """A unit's devices and the drivers that hear them, on one clock without waiting."""

    def __init__(self, devices, kind="person", path=HOLD, tmp_path=None, h2s="30"):
        text = DRILL.replace("h2s_dppm: 30", f"h2s_dppm: {h2s}")
        text = text.replace("KIND", kind).replace("DEVICES", devices).replace("PATH", path)
        drill = scenario.parse(text)
        self.body, self.equipment = Body(drill.units[0], drill), Equipment(drill.units[0], drill.seed)
        self.drivers = {}
        for port in self.equipment.ports:
            row = DRIVERS[port.driver]
            made = row.options(tomllib.loads(port.options), tmp_path) if port.options else None
            self.drivers[port.name] = make_driver(port.driver, Settings(options=made, device=1))
        self.t_ms, self.state, self.samples = 0, None, []

    def run(self, seconds):
        for _ in range(seconds * 50):
            if self.t_ms % 1_000 == 0:
                self.state = self.body.advance(1.0)
                self.equipment.feed(FIX, self.state)
            self.equipment.step(self.t_ms)
            t_ns = self.t_ms * 10**6
            for port in self.equipment.ports:
                driver = self.drivers[port.name]
                said = port.device.step(self.t_ms)
                for _ in range(4):
                    self.samples += driver.feed(said, t_ns)
                    asked = driver.talk(t_ns)
                    said = port.device.answer(asked) if asked else b""
                    if not said:
                        break
                self.samples += driver.idle(t_ns)
            self.t_ms += 20
        return self

    def values(self):
        out = {}
        for sample in self.samples:
            if isinstance(sample, Reading):
                out |= {FIELDS_BY_ID[field].name: value for field, value in sample.values.items()}
        return out

    def gestures(self):
        return [sample.gesture for sample in self.samples if isinstance(sample, Pressed)]


def test_a_board_and_a_bus_tell_the_worlds_truth(tmp_path):
    bench = Bench("gnss, board, gas, air", tmp_path=tmp_path).run(30)
    values, state = bench.values(), bench.state
    assert abs(values["heart_bpm"] - state.heart_bpm) <= 3
    assert abs(values["scba_kpa"] - state.scba_kpa) <= 15
    assert values["posture"] == Posture.UPRIGHT
    assert abs(values["pressure_pa"] - 100_970) < 200  # 30 m above the sea
    assert values["co_ppm"] > 50
    for gas in ("lel_permille", "o2_permille", "co_ppm", "h2s_dppm"):
        assert abs(values[gas] - state.gas[gas]) <= 0.2 * state.gas[gas] + 3, gas  # it is a second older
    assert (values["co2_ppm"], values["gas_faults"], values["gas_over"]) == (420, 0, 0)
    assert [sample.sats_used for sample in bench.samples if isinstance(sample, Fix)][-1] == 12
    assert sum(driver.stats.bad for driver in bench.drivers.values()) == 0


def test_a_gas_beyond_the_detectors_range_is_over_range(tmp_path):
    bench = Bench("gas", tmp_path=tmp_path, h2s="5000")  # 500 ppm, and the detector ends at 100
    values = bench.run(4).values()
    assert values["h2s_dppm"] == 1_000
    assert values["gas_over"] == 1 << 3


def test_air_without_a_board_is_on_the_bus(tmp_path):
    bench = Bench("air", tmp_path=tmp_path)
    assert [port.name for port in bench.equipment.ports] == ["bus"]
    bench.run(5)
    assert abs(bench.values()["scba_kpa"] - bench.state.scba_kpa) <= 40


@pytest.mark.parametrize(("what", "gesture"), [("sos", Gesture.SOS), ("entry", Gesture.ENTRY)])
def test_an_act_holds_the_buttons_and_the_board_understands(tmp_path, what, gesture):
    bench = Bench("board", tmp_path=tmp_path).run(3)
    bench.equipment.act(what)
    bench.run(1)
    assert bench.gestures() == [], "a hold takes its time"
    bench.run(3)
    assert bench.gestures() == [gesture]


def test_acts_at_once_are_done_one_after_the_other(tmp_path):
    bench = Bench("board", tmp_path=tmp_path).run(3)
    bench.equipment.act("entry")
    bench.equipment.act("sos")
    bench.run(6)
    assert bench.gestures() == [Gesture.ENTRY, Gesture.SOS]


def test_who_goes_down_gives_a_blow_and_lies_still(tmp_path):
    bench = Bench("board", tmp_path=tmp_path).run(5)
    bench.body.lie_down()
    bench.equipment.act("man_down")
    bench.samples.clear()
    bench.run(30)
    assert [sample.peak_mg for sample in bench.samples if isinstance(sample, Impact)] == [5_200]
    assert bench.values()["posture"] == Posture.LYING
    assert bench.values()["activity_mg"] < 120


def test_nobody_who_stands_is_still_for_as_long_as_the_rule_waits(tmp_path):
    """A drill of hours must not call for people who only stand."""
    bench = Bench("board", tmp_path=tmp_path)
    still_s = longest_s = 0
    for _ in range(7_200):
        bench.equipment.feed(FIX, bench.body.advance(1.0))
        bench.equipment.step(0)
        (port,) = bench.equipment.ports
        moved = port.device._board.values["activity_mg"] >= 120
        still_s = 0 if moved else still_s + 1
        longest_s = max(longest_s, still_s)
    assert longest_s < 15


def test_a_vehicle_and_its_weather_station(tmp_path):
    bench = Bench("gnss, obd, weather", "vehicle", DRIVE, tmp_path).run(60)
    values, state = bench.values(), bench.state
    assert abs(values["wheel_dmps"] - 10 * state.speed_mps) <= 6
    assert 900 < values["engine_rpm"] < 3_000
    assert values["coolant_c"] > 20
    assert 13_000 < values["supply_mv"] < 15_000
    assert 0 <= values["wind_dmps"] < 120
    assert 0 <= values["wind_from_deg"] < 360
    assert 400 < values["humidity_permille"] < 900


def test_all_units_are_in_one_weather():
    one, other = Weather(7), Weather(7)
    assert [one.advance(1.0) for _ in range(20)] == [other.advance(1.0) for _ in range(20)]
    assert Weather(8).advance(1.0) != Weather(7).advance(1.0)
