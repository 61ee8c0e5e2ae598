"""Rules: each kind by its table, the latch against the law, whom they are about, when they speak."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.live.picture import CHANNEL, CHANNEL_OF_BIT, Changes, Picture
from hub.live.units import Units
from hub.safety.alarm_book import AlarmBook
from hub.safety.condition import Condition, Priority
from hub.safety.kinds import KINDS
from hub.safety.rule_engine import TOLD_MAX, WATCHES, WORDS_MS, Engine, speaks
from hub.safety.rule_file import rule_of
from hub.safety.rule_kinds import KIND_TITLES, RULE_KINDS, Who
from hub.safety.rule_latch import Latches
from hub.safety.rule_places import bearing_words, candidates, distance_m
from hub.safety.rule_scene import Entries, Roster, Scene
from hub.store.interface import UnitRow
from protocols.catalog import FIELDS_BY_NAME, EventCode, Kind
from protocols.laws.latch import Latch

T0 = 1_795_000_000_000
LAT, LON = 36.65, 117.0
M = 1 / 111_320
"""Degrees of latitude of a metre."""


@dataclass
class Circle:
    """A zone of a test."""

    id: str
    name: str
    kind: str
    lat: float = LAT
    radius_m: float = 100.0


class Zones:
    """Circles around places north of the middle. `doubted`: slots that are only perhaps inside."""

    def __init__(self, world: "World", *zones: Circle) -> None:
        self.world = world
        self.zones = {zone.id: zone for zone in zones}
        self.doubted: set[int] = set()

    def all(self) -> list[Circle]:
        return list(self.zones.values())

    def get(self, zone_id: str) -> Circle | None:
        return self.zones.get(zone_id)

    def inside(self, zone_id: str) -> npt.NDArray[np.int64]:
        picture, n = self.world.picture, len(self.world.units.rows)
        lat, lon = picture.pos[0, :n] / 1e7, picture.pos[1, :n] / 1e7
        lat[np.isnan(picture.pos_time[:n])] = np.nan
        found = np.flatnonzero(self.contains(self.zones[zone_id], lat, lon, 0))
        return np.array([slot for slot in found if slot not in self.doubted], np.int64)

    def unsure(self, zone_id: str) -> npt.NDArray[np.int64]:
        return np.array(sorted(self.doubted), np.int64)

    def contains(self, zone: Any, lat_deg: Any, lon_deg: Any, t_ms: int) -> Any:
        return np.hypot(lat_deg - zone.lat, (lon_deg - LON) * np.cos(np.radians(LAT))) / M <= zone.radius_m


class World:
    """Units with a hand on what they say, and a second that passes."""

    def __init__(
        self, *units: UnitRow, zones: tuple[Circle, ...] = (), rules: tuple[dict[str, Any], ...] = ()
    ) -> None:
        self.picture = Picture(4)
        self.units = Units(self.picture)
        self.units.load(units or [unit(1), unit(2)], [])
        self.roster, self.entries = Roster(self.units), Entries()
        self.zones = Zones(self, *zones) if zones else None
        self.now = self.since = T0
        self.engine = Engine([rule_of(said) for said in rules])

    def says(self, slot: int = 0, ago_ms: int = 0, **values: float) -> "World":
        """One row of a unit, in quanta; `north_m`, `east_m`: where."""
        t_ms = self.now - ago_ms
        if "north_m" in values or "east_m" in values:
            north, east = values.pop("north_m", 0.0), values.pop("east_m", 0.0)
            values["lat_deg_e7"] = round((LAT + north * M) * 1e7)
            values["lon_deg_e7"] = round((LON + east * M / np.cos(np.radians(LAT))) * 1e7)
        changes = Changes()
        for kind in (Kind.STATE, Kind.HEALTH):
            mine = {b: [int(v)] for n, v in values.items() if (b := FIELDS_BY_NAME[n].bit) in CHANNEL_OF_BIT[kind]
                    and FIELDS_BY_NAME[n].page == kind}  # fmt: skip
            if mine:
                changes.add_columns(slot, kind, [t_ms], [t_ms], mine, 0)  # type: ignore[arg-type]
        changes.rx.append((slot, t_ms, t_ms, 0))
        self.picture.apply(changes)
        return self

    @property
    def scene(self) -> Scene:
        self.roster.look()
        return Scene(self.picture, self.units, self.roster, self.entries, self.zones, self.now, self.since)

    def look(self, after_ms: int = 0) -> dict[str, Condition]:
        self.now += after_ms
        return {key: told.condition for key, told in self.engine.step(self.scene).items()}


def unit(number: int, **more: Any) -> UnitRow:
    plain: dict[str, Any] = {
        "kind": "person",
        "branch": "fire",
        "team": "A",
        "stale_s": 30,
        "lost_s": 300,
        "agency": "",
    }
    return UnitRow(f"u{number}", f"C{number}", **(plain | more))


def a_rule(kind: str, **more: Any) -> dict[str, Any]:
    return {"id": "r", "kind": kind, **more}


# --- the latch ---------------------------------------------------------------------------------------------------


FACTS = [99, 101, 99, 101, 102, 97, 96, 94, 96, 94, 93, 99], [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0]


def test_the_row_of_the_facts() -> None:
    """H 100, deadband 5, on = off = 2 s, once a second: through file, scene and engine."""
    world = World(rules=(a_rule("threshold", channel="co_ppm", above=100, deadband=5, on_s=2, off_s=2),))
    stood = []
    for value in FACTS[0]:
        world.now += 1_000
        stood.append(int(bool(world.says(co_ppm=value).look())))
    assert stood == FACTS[1]


samples = st.lists(
    st.tuples(st.integers(-20, 20), st.sampled_from([0, 1, 400, 1_000, 4_000, 9_000, 60_000])),
    min_size=1,
    max_size=40,
)


@given(rows=st.lists(samples, min_size=1, max_size=4), limit=st.integers(-10, 10), deadband=st.integers(0, 6),
       on_ms=st.sampled_from([0, 1_000, 3_000]), off_ms=st.sampled_from([0, 2_000]), falling=st.booleans())  # fmt: skip
def test_many_latches_are_each_the_law(
    rows: list[Any], limit: int, deadband: int, on_ms: int, off_ms: int, falling: bool
) -> None:
    many = Latches(on_ms, off_ms)
    many.grow(len(rows))
    laws = [Latch(limit, deadband, on_ms, off_ms, falling=falling) for _ in rows]
    sign, times = -1 if falling else 1, [0] * len(rows)
    for at in range(max(map(len, rows))):
        slots = np.array([slot for slot, row in enumerate(rows) if at < len(row)])
        for slot in slots:
            times[slot] += rows[slot][at][1]
        values = np.array([float(rows[slot][at][0]) for slot in slots])
        many.step(
            slots, sign * values, sign * limit, deadband, np.array([float(times[slot]) for slot in slots])
        )
        expected = [laws[slot].step(rows[slot][at][0], times[slot]) for slot in slots]
        assert many.stands[slots].tolist() == expected


def test_a_sample_counts_once_however_often_it_is_looked_at() -> None:
    world = World(rules=(a_rule("threshold", channel="co_ppm", above=100, on_s=3),))
    world.says(co_ppm=150)
    assert [bool(world.look(1_000)) for _ in range(10)] == [False] * 10, "one sample is no three seconds"


# --- each kind: what is said, and whether it stands ----------------------------------------------------------------


def test_the_tables_know_the_same_kinds() -> None:
    assert RULE_KINDS.keys() == WATCHES.keys() == KIND_TITLES.keys()
    assert RULE_KINDS.keys() - {"sensor_fault"} <= KINDS.keys()


@pytest.mark.parametrize(
    ("said", "row", "stands"),
    [
        (a_rule("threshold", channel="o2_permille", below=19.5), {"o2_permille": 195}, True),
        (a_rule("threshold", channel="o2_permille", below=19.5), {"o2_permille": 196}, False),
        (a_rule("threshold", channel="ambient_dc", above=-5.5), {"ambient_dc": -55}, True),
        (a_rule("threshold", channel="scba_kpa", below=5500), {"scba_kpa": 5_400}, True),
        (a_rule("threshold", channel="scba_kpa", below=5500), {"co_ppm": 1}, False),
        (a_rule("battery"), {"battery_pct": 20}, True),
        (a_rule("battery"), {"battery_pct": 21}, False),
        (a_rule("battery", channel="board_pct", below=5), {"board_pct": 4}, True),
        (a_rule("sensor_fault"), {"gas_faults": 2}, True),
        (a_rule("sensor_fault", signals=["ports_down"]), {"gas_faults": 2, "ports_down": 0}, False),
        (a_rule("sensor_fault", signals=["ports_down"]), {"ports_down": 1}, True),
    ],
)  # fmt: skip
def test_a_value_stands_or_not(said: dict[str, Any], row: dict[str, Any], stands: bool) -> None:
    assert bool(World(rules=(said,)).says(**row).look(500)) == stands


def test_what_it_says_names_value_limit_and_age() -> None:
    world = World(
        rules=(
            a_rule("threshold", zh="缺氧", en="Oxygen", channel="o2_permille", below=19.5, advice_zh="撤"),
        )
    )
    world.says(north_m=0).says(o2_permille=182)
    (said,) = world.look(4_000).values()
    assert (said.key, said.kind, said.units, said.joins) == (
        "rules:r:u1",
        "gas",
        ("u1",),
        f"0:{EventCode.GAS:d}",
    )
    assert (said.zh, said.en) == (
        "缺氧：氧气 18.2 % vol（限 19.5 % vol）",
        "Oxygen: Oxygen 18.2 % vol (limit 19.5 % vol)",
    )
    assert [(one.name, one.value, one.unit, one.t_utc_ms) for one in said.why] == [
        ("o2_permille", 18.2, "% vol", T0), ("limit", 19.5, "% vol", None), ("age", 4, "s", T0),
    ]  # fmt: skip
    assert (said.lat_deg, said.lon_deg, said.advice_zh, said.cause) == (LAT, LON, "撤", "rules:r")


def test_an_old_value_says_nothing_or_is_an_alarm_of_its_own() -> None:
    more = {"channel": "co_ppm", "above": 100, "max_age_s": 30}
    plain, asking = a_rule("threshold", **more), a_rule("threshold", old="absence", **more) | {"id": "a"}
    world = World(rules=(plain, asking)).says(co_ppm=150)
    assert set(world.look(30_000)) == {"rules:r:u1", "rules:a:u1"}
    found = world.look(1_000)
    assert set(found) == {"rules:a:u1:old"}
    assert found["rules:a:u1:old"].kind == "absence"
    assert found["rules:a:u1:old"].zh == "无数据：一氧化碳已 31 s 无数据"
    assert set(world.says(co_ppm=150).look()) == {"rules:r:u1", "rules:a:u1"}


@pytest.mark.parametrize(
    ("channel", "kind", "private", "code"),
    [("heart_bpm", "body", True, EventCode.HEART), ("core_dc", "body", True, EventCode.HEAT), ("co_ppm", "gas", False,
      EventCode.GAS), ("scba_kpa", "air", False, EventCode.LOW_AIR), ("speed_dmps", "threshold", False, 0)],
)  # fmt: skip
def test_a_channel_gives_the_kind_and_whose_alarm_it_joins(
    channel: str, kind: str, private: bool, code: int
) -> None:
    world = World(rules=(a_rule("threshold", channel=channel, above=1),)).says(**{channel: 500})
    (said,) = world.look().values()
    assert (said.kind, said.private, said.joins) == (kind, private, f"0:{int(code)}" if code else "")
    alone = World(rules=(a_rule("threshold", channel=channel, above=1, joins="none"),)).says(**{channel: 500})
    assert [one.joins for one in alone.look().values()] == [""]


def test_a_rate_needs_half_its_window_and_falls_with_it() -> None:
    world = World(rules=(a_rule("rate", channel="ambient_dc", above=20, window_s=60, max_age_s=30),))
    stood = []
    for second in range(0, 100, 5):
        world.says(ambient_dc=200 + 10 * min(second, 50) * 4 / 5)  # 48 °C a minute, for 50 s
        stood.append(bool(world.look(5_000)))
    assert stood.index(True) == 6, "30 s"
    (said,) = World.look(world.says(ambient_dc=1_000), 1_000).values()
    assert said.why[0].name == "rate"
    assert said.kind == "rate"
    for _ in range(14):
        world.says(ambient_dc=1_000)
        world.look(5_000)
    assert not world.look()


def test_a_fall_is_a_rate_below_zero() -> None:
    world = World(rules=(a_rule("rate", channel="scba_kpa", below=-3_000, window_s=30),))
    for second in range(0, 40, 2):
        world.says(0, scba_kpa=30_000 - 100 * second).says(1, scba_kpa=30_000 - 20 * second)
        found = world.look(2_000)
    assert [one.units for one in found.values()] == [("u1",)]
    assert next(iter(found.values())).zh == "变化过快：气瓶压力 -6000 kPa/min（限 -3000）"


def test_absence_is_of_what_came_once() -> None:
    world = World(rules=(a_rule("absence", channel="scba_kpa", after_s=60, give_up_s=600),))
    world.says(0, scba_kpa=20_000).says(1, heart_bpm=80)
    assert not world.look(60_000)
    assert [one.units for one in world.look(1_000).values()] == [("u1",)], "the other never had one"
    assert not world.look(600_000), "away on purpose"
    assert not world.says(0, scba_kpa=20_000).look()


def test_lost_by_the_units_own_limit_or_the_rules() -> None:
    own, mine = a_rule("lost", give_up_s=7_200), a_rule("lost", after_s=60) | {"id": "mine"}
    world = World(unit(1, lost_s=300), unit(2, lost_s=20), rules=(own, mine)).says(0).says(1)
    assert set(world.look(30_000)) == {"rules:r:u2"}
    assert set(world.look(31_000)) == {"rules:r:u2", "rules:mine:u1", "rules:mine:u2"}
    found = world.look(300_000)
    assert found["rules:r:u1"].zh == "失联：已 6 min 无消息"
    assert [(one.name, one.value) for one in found["rules:r:u1"].why] == [("silent", 361), ("limit", 300)]
    assert set(world.look(7_200_000)) == {"rules:mine:u1", "rules:mine:u2"}


def test_nobody_is_lost_because_the_hub_was_away() -> None:
    """Silence is counted from when somebody listened, unless the alarm stood before."""
    world = World(rules=(a_rule("lost", after_s=60), a_rule("absence", after_s=60) | {"id": "a"}))
    world.says(0, ago_ms=900_000).says(1, ago_ms=900_000)
    world.engine.seed(world.scene, "rules:r:u2")
    assert set(world.look()) == {"rules:r:u2"}
    assert set(world.look(61_000)) == {"rules:r:u1", "rules:r:u2", "rules:a:u1", "rules:a:u2"}
    world.says(1)
    assert set(world.look()) == {"rules:r:u1", "rules:a:u1"}
    assert set(world.look(30_000)) == {"rules:r:u1", "rules:a:u1"}, "heard again, it is as the others"


@pytest.mark.parametrize(
    ("events", "stands"),
    [
        ([(EventCode.ENTERED, 0)], True),
        ([(EventCode.ENTERED, 0), (EventCode.LEFT, 600)], False),
        ([(EventCode.LEFT, 600), (EventCode.ENTERED, 0)], False),
        ([(EventCode.ENTERED, 0), (EventCode.LEFT, 0)], False),
        ([(EventCode.LEFT, 0), (EventCode.ENTERED, 60)], True),
        ([(EventCode.ENTERED, 1_260)], False),
        ([(EventCode.SOS, 0)], False),
    ],
)
def test_overdue_is_who_went_in_and_did_not_come_out(
    events: list[tuple[EventCode, int]], stands: bool
) -> None:
    world = World(rules=(a_rule("overdue", minutes=20),))
    for code, second in events:
        world.entries.hear(code, 0, T0 + 1_000 * second)
    assert not world.look(1_199_000)
    assert bool(world.look(61_000)) == stands


def test_who_says_that_he_is_out_is_out_and_an_entry_is_forgotten_at_last() -> None:
    world = World(rules=(a_rule("overdue", minutes=20, forget_h=2),))
    world.entries.hear(EventCode.ENTERED, 0, T0)
    world.entries.hear(EventCode.ENTERED, 1, T0)
    world.says(0, duty=2).says(1, duty=2)
    world.now += 1_200_000
    world.says(1, duty=4)
    (said,) = world.look().values()
    assert (said.units, said.zh) == (("u1",), "超时未出：入内 20 分钟未出（限 20）")
    assert not world.look(7_200_000)


# --- whom, when --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "found"),
    [
        ({}, "1234"), ({"kind": ["vehicle"]}, "3"), ({"branch": ["medical", "mine"]}, "24"), ({"team": ["A"]}, "13"),
        ({"agency": ["市消防"]}, "3"), ({"units": ["u1"]}, "1"), ({"units": ["C2", "u9"]}, "2"),
        ({"units": ["医*"]}, "4"), ({"kind": ["person"], "team": ["A"]}, "1"), ({"duty": ["entered"]}, "2"),
        ({"duty": ["on_air", "standby"]}, "1"), ({"zone": ["火场"]}, "12"), ({"zone": ["z1"], "kind": ["vehicle"]}, ""),
    ],
)  # fmt: skip
def test_whom_a_rule_is_about(who: dict[str, list[str]], found: str) -> None:
    world = World(
        unit(1), unit(2, branch="medical", team="B"), unit(3, kind="vehicle", agency="市消防"),
        unit(4, branch="mine", team="B")._replace(callsign="医疗-04"),
        zones=(Circle("z1", "火场", "danger"),), rules=(a_rule("battery", who=who),),
    )  # fmt: skip
    world.says(0, battery_pct=1, duty=1, north_m=0).says(1, battery_pct=1, duty=2, north_m=50)
    world.says(2, battery_pct=1, north_m=500).says(3, battery_pct=1)
    assert "".join(sorted(one.units[0][1:] for one in world.look().values())) == found


def test_a_unit_that_another_reports_is_nobodys_subject() -> None:
    world = World(rules=(a_rule("lost", after_s=10),)).says(0).says(1)
    world.units.add_reported(unit(3), "mesh", "u1")
    world.says(2)
    assert set(world.look(11_000)) == {"rules:r:u1", "rules:r:u2"}


@pytest.mark.parametrize(
    ("hours", "minute", "speaking"),
    [((), 0, True), (("08:00", "18:00"), 480, True), (("08:00", "18:00"), 1_080, False), (("22:00", "06:00"), 0, True),
     (("22:00", "06:00"), 1_320, True), (("22:00", "06:00"), 360, False)],
)  # fmt: skip
def test_times_of_day(hours: tuple[str, ...], minute: int, speaking: bool) -> None:
    assert speaks(hours, minute) is speaking


def test_a_rule_that_sleeps_goes_on_watching() -> None:
    """T0 is 19:06 in Beijing; it speaks from 19:07."""
    world = World(rules=(a_rule("battery", hours=["19:07", "20:00"], on_s=30),))
    for _ in range(5):
        world.says(battery_pct=5)
        assert not world.look(4_000)
    found: dict[str, Condition] = {}
    while not found:
        world.says(battery_pct=5)
        found = world.look(4_000)
    assert (world.now // 60_000 + 480) % 1_440 == 19 * 60 + 7, "at once, not half a minute later"


# --- zones ---------------------------------------------------------------------------------------------------------


def zone_world(**more: Any) -> World:
    fire, camp = Circle("z1", "火场", "danger"), Circle("z2", "集结区", "staging", LAT + 1_000 * M)
    return World(unit(1), unit(2), zones=(fire, camp), rules=(a_rule("zone", zones=["火场"], **more),))


WALK = (200, 200, 50, 50, 50, 50, 200, 200, 200, 200)
"""Metres from the middle, a second each: two outside, four inside, four outside."""


@pytest.mark.parametrize(
    ("more", "stood"),
    [
        ({"event": "inside"}, "0011110000"),
        ({"event": "inside", "on_s": 2}, "0001110000"),
        ({"event": "inside", "off_s": 2}, "0011111000"),
        ({"event": "outside"}, "1100001111"),
        ({"event": "enter", "hold_s": 2}, "0011000000"),
        ({"event": "enter", "hold_s": 5}, "0011111000"),
        ({"event": "leave", "hold_s": 2}, "0000001100"),
        ({"event": "stay", "stay_s": 2}, "0000110000"),
    ],
)
def test_a_walk_through_a_zone(more: dict[str, Any], stood: str) -> None:
    world = zone_world(**more)
    found = []
    for north in WALK:
        world.says(0, north_m=north)
        found.append(str(int("rules:r:u1:z1" in world.look(1_000))))
    assert "".join(found) == stood


def test_who_was_inside_at_the_start_has_not_entered() -> None:
    world = zone_world(event="enter").says(0, north_m=0)
    assert not world.look(1_000)


def test_doubt_is_no_entry_and_no_exit() -> None:
    world = zone_world(event="leave").says(0, north_m=0)
    assert not world.look(1_000)
    world.zones.doubted = {0}  # type: ignore[union-attr]
    assert not world.look(1_000)
    world.zones.doubted = set()  # type: ignore[union-attr]
    assert not world.look(1_000)
    careful = zone_world(event="inside", perhaps=True).says(0, north_m=0)
    careful.zones.doubted = {0, 1}  # type: ignore[union-attr]
    assert set(careful.look(1_000)) == {"rules:r:u1:z1", "rules:r:u2:z1"}


def test_zones_by_kind_and_one_that_is_not_there() -> None:
    world = World(unit(1), zones=(Circle("z1", "火场", "danger"),), rules=(
        a_rule("zone", zone_kinds=["danger"]), a_rule("zone", zones=["水源"]) | {"id": "w"},
    )).says(0, north_m=0)  # fmt: skip
    (said,) = world.look().values()
    assert (said.key, said.zh) == ("rules:r:u1:z1", "区域：在火场内")
    assert world.engine.watched["w"].watch.trouble == "no zone '水源' now"
    bare = World(rules=(a_rule("zone", zones=["火场"]), a_rule("capability", zones=["火场"]) | {"id": "c"}))
    assert not bare.look()
    assert {one.watch.trouble for one in bare.engine.watched.values()} == {"no zones in this hub"}


def capability_world(**more: Any) -> World:
    zones = Circle("z1", "集结区", "staging"), Circle("z2", "火场", "danger", LAT + 1_000 * M)
    rule = a_rule("capability", zh="无医疗", zone_kinds=["staging"], who={"branch": ["medical"]}, **more)
    world = World(unit(1, branch="medical"), unit(2, branch="medical"), unit(3), zones=zones, rules=(rule,))
    return world.says(2, north_m=0)


def test_a_zone_with_nobody_left_who_can() -> None:
    world = capability_world()
    assert not world.look(), "there never was one"
    world.says(0, north_m=10).says(1, north_m=20)
    assert not world.look(1_000)
    world.says(0, north_m=400)
    assert not world.look(1_000)
    world.says(1, north_m=1_000)
    (said,) = world.look(1_000).values()
    assert (said.key, said.kind, said.units) == ("rules:r:z1", "capability", ("u2",))
    assert said.zh == "无医疗：集结区只剩 0 个（需 1）；最后是 C2，现在火场"
    assert [(one.name, one.value) for one in said.why] == [
        ("left", 0),
        ("needed", 1),
        ("last", "C2"),
        ("went", "now in 火场"),
    ]
    world.says(0, north_m=0)
    assert not world.look(1_000)


def test_who_is_lost_is_not_left_there_and_where_the_last_one_went_is_said() -> None:
    world = capability_world().says(0, north_m=0).says(1, north_m=0)
    world.look(1_000)
    for _ in range(301):
        world.says(1, north_m=0)
        assert not world.look(1_000)
    (said,) = world.says(1, north_m=300, east_m=300).look(1_000).values()
    assert said.en.endswith("last was C2, 424 m north-east")
    world.says(1, north_m=0)
    assert not world.look(1_000)
    (said,) = world.look(301_000).values()
    assert said.zh.endswith("最后是 C2，已失联")


def test_a_capability_that_must_be_there_from_the_start() -> None:
    world = capability_world(had=False, least=2).says(0, north_m=0)
    (said,) = world.look().values()
    assert said.zh == "无医疗：集结区只剩 1 个（需 2）"


# --- proximity -----------------------------------------------------------------------------------------------------


def near_world(**more: Any) -> World:
    rule = a_rule("proximity", who={"kind": ["person"]}, near={"kind": ["vehicle"]}, **more)
    return World(unit(1), unit(2, kind="vehicle"), unit(3), rules=(rule,))


@pytest.mark.parametrize(
    ("metres", "hacc_m", "perhaps", "stands"),
    [(30, 1, False, True), (49, 1, False, False), (47, 1, False, True), (60, 8, False, False), (60, 8, True, True),
     (70, 8, True, False)],
)  # fmt: skip
def test_nearer_counts_both_circles(metres: float, hacc_m: float, perhaps: bool, stands: bool) -> None:
    world = near_world(nearer_m=50, perhaps=perhaps)
    world.says(0, north_m=0, hacc_dm=10 * hacc_m).says(1, north_m=metres, hacc_dm=10 * hacc_m)
    assert bool(world.look()) == stands


def test_a_pair_says_how_near_and_how_sure() -> None:
    world = (
        near_world(nearer_m=50, perhaps=True).says(0, north_m=0, hacc_dm=50).says(1, east_m=45, hacc_dm=50)
    )
    (said,) = world.look().values()
    assert (said.key, said.units, said.zh) == ("rules:r:u1:u2", ("u1", "u2"), "过近：可能距 C2 45 ± 10 m")
    assert [one.name for one in said.why] == ["distance", "doubt", "limit", "age C1", "age C2"]
    assert not world.look(61_000), "where they were a minute ago says nothing"


def test_one_group_with_itself_makes_each_pair_once() -> None:
    rule = a_rule("proximity", nearer_m=50)
    world = World(unit(1), unit(2), unit(3), rules=(rule,))
    for slot in range(3):
        world.says(slot, north_m=10 * slot, hacc_dm=10)
    assert len(world.look()) == 3


@pytest.mark.parametrize(
    ("metres", "perhaps", "stands"),
    [(60, False, True), (51, False, False), (51, True, True), (47, True, False)],
)
def test_farther_is_who_has_nobody_within(metres: float, perhaps: bool, stands: bool) -> None:
    world = near_world(farther_m=50, perhaps=perhaps)
    world.says(0, north_m=0, hacc_dm=10).says(1, north_m=metres, hacc_dm=10)
    found = world.look()
    assert bool(found) == stands
    if stands:
        assert next(iter(found.values())).zh == "过近：50 m 内无人"


def test_a_pair_must_last_and_must_be_over() -> None:
    world = near_world(nearer_m=50, on_s=2, off_s=2)
    stood = ""
    for metres in (90, 20, 20, 20, 90, 20, 90, 90, 90):
        world.says(0, north_m=0, hacc_dm=10).says(1, north_m=metres, hacc_dm=10)
        stood += str(int(bool(world.look(1_000))))
    assert stood == "000111100"


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_candidates_hold_every_pair_within_reach(seed: int, reach_m: int) -> None:
    rng = np.random.default_rng(seed)
    lat, lon = LAT + rng.normal(0, 200, 60) * M, LON + rng.normal(0, 200, 60) * M
    a, b = np.arange(0, 40), np.arange(20, 60)
    left, right, cut = candidates(lat, lon, a, b, float(reach_m))
    found = set(zip(left.tolist(), right.tolist(), strict=True))
    near = {
        (i, j) for i in a.tolist() for j in b.tolist()
        if i != j and distance_m(lat[i], lon[i], lat[j], lon[j]) <= reach_m
    }  # fmt: skip
    assert not cut
    assert near <= found
    assert len(found) == len(left), "each once"


def test_too_dense_is_said_and_alarms_nobody_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.safety.rule_places.PAIRS_LOOKED_MAX", 1)
    rule = a_rule("proximity", farther_m=50)
    world = World(unit(1), unit(2), unit(3), rules=(rule,))
    for slot in range(3):
        world.says(slot, north_m=10 * slot)
    assert not world.look()
    assert world.engine.watched["r"].watch.trouble.startswith("too dense")


@pytest.mark.parametrize(
    ("north", "east", "word"), [(1, 0, "north"), (1, 1, "north-east"), (0, -1, "west"), (-1, 0.1, "south")]
)
def test_directions(north: float, east: float, word: str) -> None:
    assert bearing_words(LAT, LON, LAT + north * M, LON + east * M)[1] == word


# --- many ------------------------------------------------------------------------------------------------------------


def test_words_change_seldom_while_it_stands() -> None:
    """Each change of an alarm goes to every screen and to the disk."""
    world = World(rules=(a_rule("battery", below=50, deadband=5),))
    said = set()
    for second in range(30):
        said.add(next(iter(world.says(battery_pct=40 - second).look(1_000).values())).zh)
    assert len(said) == 30_000 // WORDS_MS


def test_words_stay_as_they_were_while_the_off_delay_runs() -> None:
    """A unit that is heard again was never "silent for 1 s"."""
    world = World(unit(1), rules=(a_rule("lost", after_s=60, off_s=30),)).says(0)
    assert not world.look(60_000)
    world.look(5_000)
    for _ in range(25):
        world.says(0)
        (said,) = world.look(1_000).values()
        assert said.zh == "失联：已 65 s 无消息"
    gas = World(unit(1), rules=(a_rule("threshold", channel="co_ppm", above=100, deadband=10, off_s=30),))
    told = []
    for value in (150, 140, *[80] * 25):
        told += [said.zh for said in gas.says(co_ppm=value).look(1_000).values()]
    assert set(told) == {"气体：一氧化碳 150 ppm（限 100 ppm）"}


def test_more_than_can_be_told_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.safety.rule_engine.TOLD_MAX", 1)
    world = World(rules=(a_rule("battery"),)).says(0, battery_pct=1).says(1, battery_pct=1)
    assert len(world.look()) == 1
    assert world.engine.watched["r"].left_out == 1
    assert TOLD_MAX > 1


def test_a_look_costs_a_step_a_rule_however_many_units() -> None:
    units = [unit(number) for number in range(3_000)]
    rules = tuple(a_rule("battery", who={"team": ["A"]}, below=1 + i) | {"id": f"r{i}"} for i in range(20))
    world = World(*units, rules=rules)
    world.look()
    masks, steps = dict(world.roster._masks), world.engine.steps
    assert not world.look(1_000)
    assert world.engine.steps == steps + len(rules)
    assert len(masks) == 1, "one `who` is looked up once"
    assert world.roster._masks == masks


def test_a_changed_rule_keeps_what_stands_and_the_others_do_not_notice() -> None:
    rules = a_rule("battery", on_s=60, below=20), a_rule("threshold", channel="co_ppm", above=1) | {"id": "t"}
    world = World(rules=rules)
    for _ in range(20):
        world.says(battery_pct=10, co_ppm=5)
        world.look(4_000)
    other = world.engine.watched["t"]
    first = rule_of(rules[0])
    world.engine.put([replace(first, zh="快没电"), rule_of(rules[1])], world.scene)
    assert world.engine.watched["t"] is other
    assert world.look(1_000)["rules:r:u1"].zh.startswith("快没电"), "it does not wait for its delay again"
    world.engine.put([replace(first, enabled=False)], world.scene)
    assert not world.look()


SEEDED: dict[str, tuple[dict[str, Any], str]] = {
    "threshold": ({"channel": "co_ppm", "above": 100, "deadband": 20, "on_s": 60}, "u1"),
    "battery": ({"on_s": 60}, "u1"), "rate": ({"channel": "co_ppm", "above": 1, "deadband": 1, "off_s": 60}, "u1"),
    "absence": ({"channel": "scba_kpa", "after_s": 10, "on_s": 60}, "u1"), "lost": ({"after_s": 2, "on_s": 60}, "u2"),
    "sensor_fault": ({"on_s": 60}, "u1"), "overdue": ({"minutes": 1, "on_s": 60}, "u1"),
    "zone": ({"zones": ["z1"], "event": "stay", "stay_s": 600}, "u1:z1"),
    "proximity": ({"nearer_m": 500, "on_s": 60, "who": {"units": ["u1"]}, "max_age_s": 900}, "u1:u2"),
    "capability": ({"zones": ["z1"], "who": {"kind": ["vehicle"]}}, "z1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", RULE_KINDS)
def test_what_stood_before_a_start_does_not_blink(kind: str) -> None:
    """Of every kind: seeded, it stands at the first look after a start; without, its delay begins anew."""
    more, subject = SEEDED[kind]
    for seeded in (True, False):
        world = World(
            unit(1), unit(2), zones=(Circle("z1", "火场", "danger"),), rules=(a_rule(kind, **more),)
        )
        world.says(0, co_ppm=90, battery_pct=10, gas_faults=1, north_m=0).says(0, ago_ms=20_000, scba_kpa=1)
        world.says(1, ago_ms=20_000, north_m=5)
        world.entries.hear(EventCode.ENTERED, 0, T0 - 120_000)
        key = f"rules:r:{subject}"
        if seeded:
            world.engine.seed(world.scene, key)
        found = world.look(1_000)
        assert (key in found) is seeded, (kind, found)
        if seeded:
            assert all(one.value == one.value for one in found[key].why), "no number that is none"


def test_a_gateways_alarm_and_the_rule_are_one() -> None:
    from hub.live.events import Event, Said

    world = World(rules=(a_rule("threshold", channel="scba_kpa", below=5_500),)).says(scba_kpa=5_000)
    book = AlarmBook()
    event = Event("7-1", 7, 1, 0, EventCode.LOW_AIR, t_hub_ms=T0, t_event_ms=T0)
    event.raised = Said(1, 1, T0)
    book.hear(event, "u1", T0)
    book.tell("rules", list(world.look().values()), T0)
    (alarm,) = book.open()
    assert (alarm.id, [one["name"] for one in alarm.more["rules:r:u1"]]) == (
        "7-1",
        ["scba_kpa", "limit", "age"],
    )
    event.cleared = Said(1, 2, T0 + 1)
    book.hear(event, "u1", T0 + 1)
    book.tell("rules", list(world.look(1_000).values()), world.now)
    assert [one.id for one in book.open() if one.stands] != ["7-1"], "the device is content, the hub is not"


def test_priorities() -> None:
    assert rule_of(a_rule("battery")).rank == Priority.LOW
    assert rule_of(a_rule("battery", priority="high")).rank == Priority.HIGH
    assert rule_of(a_rule("threshold", channel="scba_kpa", below=1)).rank == Priority.CRITICAL
    assert Who() == rule_of(a_rule("battery")).who
    assert "battery_pct" in CHANNEL
