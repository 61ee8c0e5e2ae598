"""Drill files: the shipped one is good, and each kind of mistake is told with its place and the nearest key."""

import pytest

from sim import scenario
from sim.scenario import ScenarioError


def test_the_shipped_drill_has_thirty_units_in_three_teams():
    drill = scenario.load(scenario.built_in())
    assert len(drill.units) == 30
    assert len({unit.team for unit in drill.units}) == 3
    agents = [unit.receiver for unit in drill.units if unit.fidelity == "agent"]
    assert sorted(agents) == ["nmea", "nmea", "ubx"]
    assert {name for unit in drill.units for name in unit.devices} == set(scenario.DEVICES)
    assert {event.what for event in drill.events} == set(scenario.HAPPENINGS)


def test_what_the_staff_has_prepared(drill_text):
    desk = scenario.load(scenario.built_in()).desk
    assert [zone.kind for zone in desk.zones] == ["danger", "cordon"]
    assert [(len(team.units), team.people) for team in desk.entry_teams] == [(3, (("向导老张", 240.0),))]
    assert scenario.parse(drill_text).desk == scenario.Prepared()


@pytest.mark.parametrize(
    ("desk", "says"),
    [
        (
            "{zones: [{name: 区, kind: danger, at: 丙, radius_m: 5}]}",
            "desk.zones[0].at: place '丙' is not in places",
        ),
        ("{zones: [{name: 区, kind: danger, at: 甲}]}", "desk.zones[0]: key 'radius_m' is missing"),
        (
            "{entry_teams: [{name: 组, units: [消防-99]}]}",
            "desk.entry_teams[0].units[0]: '消防-99', did you mean",
        ),
        ("{entry_teams: [{name: 组, people: [{name: 张, bar: 900}]}]}", "people[0].bar: 900, a number 0–400"),
        ("{zone: []}", "desk: unknown key 'zone', did you mean 'zones'?"),
    ],
)
def test_mistakes_of_the_desk(drill_text, desk, says):
    with pytest.raises(ScenarioError) as error:
        scenario.parse(f"{drill_text}\ndesk: {desk}\n")
    assert says in str(error.value)


AGENT = "team: 医疗, fidelity: agent, device: 2002"


def test_an_agent_unit_has_its_receiver_unless_told_otherwise(drill_text):
    text = drill_text.replace("team: 医疗, device: 2002", AGENT).replace(
        "医疗-02, what: sos", "消防-02, what: sos"
    )
    assert scenario.parse(text).units[3].devices == ("gnss",)
    assert scenario.parse(text).units[1].devices == ()
    more = scenario.parse(text.replace(AGENT, AGENT + ", devices: [air, board, gnss]")).units[3]
    assert more.devices == ("gnss", "board", "air")
    assert more.sensors == {"heart", "air"}


MISTAKES = [
    ("kind: vehicle", "knd: vehicle", "units[0]: unknown key 'knd', did you mean 'kind'?"),
    ("kind: vehicle", "kind: vehicel", "units[0].kind: 'vehicel', did you mean 'vehicle'?"),
    ("team: 医疗,", "team: 水电,", "units[2].team: '水电'"),
    ("device: 1001", "device: 0", "units[0].device: 0, a whole number 1–4294967295"),
    ("device: 1002", "device: 1001", "units[1].device: 1001 is also units[0]'s"),
    ("callsign: 消防-02", "callsign: 消防-01", "units[1].callsign: '消防-01' is also units[0]'s"),
    ("through: [甲, 乙]", "through: [甲, 丙]", "units[0].path.drive.through[1]: place '丙' is not in places"),
    ("through: [甲, 乙]", "through: [甲]", "1 places, at least 2"),
    ("through: [甲, 乙]", "through: [甲, [36.66, 119.9]]", "further than 100 km"),
    ("drive:", "drvie:", "units[0].path: unknown key 'drvie', did you mean 'drive'?"),
    ("radius_m: 100}}", "radius_m: .nan}}", "units[2].path.circle.radius_m: nan, a number 5–10000"),
    ("what: sos", "what: soss", "events[1].what: 'soss', did you mean 'sos'?"),
    ("for_s: 40", "for_s: -1", "events[0].for_s: -1, a number 1–864000"),
    (", for_s: 40", "", "events[0]: for_s is given with an outage"),
    ("unit: 医疗-02", "unit: 医疗-09", "events[1].unit: '医疗-09', did you mean '医疗-0"),
    ("scenario: 1", "scenario: 2", "scenario: 2, a whole number 1–1"),
    ("seed: 7", "seed: 7\nseed: 8", "line 4: key 'seed' is given twice"),
    ("seed: 7", "seed: true", "seed: True, a whole number"),
    ("name: 小演练", "name: [小演练]", "name: ['小演练'], a text of"),
    ("name: 小演练\n", "", "key 'name' is missing"),
    ("name: 小演练", "name: &a 小演练\nplaces: *a", "aliases"),
    ("name: 小演练", "name: !!python/name:os.system x", "not YAML"),
    ("name: 小演练", "name: {", "not YAML"),
    ("team: 医疗, device: 2002", "team: 医疗, receiver: ubx, device: 2002", "only a unit of fidelity agent"),
    ("team: 医疗, device: 2002", AGENT, "events[1].unit: sos needs `board` among the devices"),
    (
        "team: 医疗, device: 2002",
        AGENT + ", devices: [gnss, bord]",
        "units[3].devices[1]: 'bord', did you mean 'board'? allowed: gnss, board, gas, air, obd, weather",
    ),
    ("team: 医疗, device: 2002", AGENT + ", devices: [gas, gas]", "devices[1]: 'gas' is given twice"),
    (
        "team: 医疗, device: 2002",
        AGENT + ", devices: [obd]",
        "devices[0]: 'obd' is for a unit of kind vehicle",
    ),
    ("team: 医疗, device: 2002", AGENT + ", devices: []", "units[3].devices: no device, at least 1"),
    ("team: 医疗, device: 2002", AGENT + ", devices: gnss", "units[3].devices: 'gnss', a list of at most 6"),
    (
        "team: 医疗, device: 2002",
        AGENT + ", devices: [gas], receiver: ubx",
        "with the device gnss has a receiver",
    ),
    (
        "team: 医疗, device: 2002",
        AGENT + ", sensors: [gas]",
        "units[3].sensors: a unit of fidelity agent has `devices`",
    ),
    (
        "team: 医疗, device: 2002",
        "team: 医疗, devices: [gnss], device: 2002",
        "units[3].devices: only a unit of",
    ),
    (
        "device: 1001,",
        "device: 1001, fidelity: agent, devices: [board],",
        "'board' is worn by a unit of kind person",
    ),
    ("what: sos", "what: entry", "events[1].unit: entry is pressed on the board of a unit of fidelity agent"),
    (
        "消防-02, what: outage, for_s: 40",
        "消防-01, what: man_down",
        "man_down happens to a unit of kind person",
    ),
    (
        "消防-02, what: outage, for_s: 40",
        "消防-02, what: man_down, for_s: 40",
        "for_s is given with an outage",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "words"), MISTAKES, ids=[wrong[:24] for _, wrong, _ in MISTAKES])
def test_a_mistake_is_told_with_its_place(drill_text, right, wrong, words):
    assert right in drill_text
    with pytest.raises(ScenarioError) as told:
        scenario.parse(drill_text.replace(right, wrong, 1), "drill.yaml")
    assert words in str(told.value)
    assert str(told.value).startswith("drill.yaml")


@pytest.mark.parametrize("text", ["", "[]", "5", "\x00", "- - - -", "{" * 500, "scenario: 1"])
def test_what_is_no_drill_at_all_is_one_error(text):
    with pytest.raises(ScenarioError):
        scenario.parse(text)


def test_files_that_cannot_be_read_are_one_error(tmp_path):
    with pytest.raises(ScenarioError, match="No such file"):
        scenario.load(tmp_path / "none.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: \xe4")
    with pytest.raises(ScenarioError, match="not UTF-8 at byte 6"):
        scenario.load(latin)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (scenario.FILE_BYTES_MAX + 1))
    with pytest.raises(ScenarioError, match="at most"):
        scenario.load(large)
