"""The part `zones`: who is called, what screens and other rooms are told, over restarts; its routes."""

from typing import Any

import httpx
import numpy as np
import pytest

from hub.errors import Refused
from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import ALLOWED, Audience, Principal, Role
from hub.live.outbox_desk import OrderRefused
from hub.live.picture import Changes
from hub.safety import cap, zones
from hub.safety.zone import Zone
from hub.safety.zone_conditions import EACH_MAX, Coming, conditions
from hub.safety.zone_kinds import KINDS
from hub.safety.zone_members import LEFT_MS, LOG_MAX, Came, Members
from hub.safety.zone_shape import east_m
from hub.safety.zone_sight import ZoneSight
from hub.safety.zones import GREETED_MAX, TOLD_A_TICK, Zones
from hub.state import HubState
from hub.store.interface import UnitRow
from protocols.orders import OrderType
from protocols.units import METRES_PER_DEG_LAT

LON, LAT = 117.0, 36.65
ALL = Audience(None, "all")
FIRE, MINE = "市消防", "矿山"


def point(east: float = 0.0, north: float = 0.0) -> tuple[float, float]:
    return LON + east / east_m(LAT), LAT + north / METRES_PER_DEG_LAT


def circle(id: str = "z1", radius_m: float = 100.0, kind: str = "danger", **more: Any) -> Zone:
    about = KINDS[kind]
    plain: dict[str, Any] = {
        "areas": (((point(),),),),
        "on_enter": about.on_enter,
        "on_leave": about.on_leave,
        "lead_s": about.lead_s,
        "name": "罐区",
    }
    plain |= {"source": "person:Li", "by": "Li"}
    return Zone(id, kind=kind, shape="circle", radius_m=radius_m, **{**plain, **more})


class Ground:
    """Units that a test puts where it wants, and a second that passes when it says so."""

    def __init__(self, bench: Any, state: HubState) -> None:
        self.bench, self.state, self.rank = bench, state, 0
        entries = [(d, UnitRow("", f"C{d}", "person", "fire", "A", 30, 300, a)) for d, a in
                   ((7, ""), (21, FIRE), (31, MINE))]  # fmt: skip
        bench.registry.enrol(entries, bench.clock())
        bench.load()
        state.feed.tell_units([0, 1, 2])

    @property
    def part(self) -> Zones:
        return self.state.safety.zones

    def at(self, slot: int, east: float, north: float = 0.0, speed: float = 0.0, course: int = 0) -> None:
        """A fix of now, good to 3 m."""
        lon, lat = point(east, north)
        self.rank += 1
        changes = Changes()
        place = (round(lat * 1e7), round(lon * 1e7), 500, round(speed * 10), course, 30)
        changes.pos.append((slot, self.bench.clock(), self.rank, 0, *place))
        self.bench.picture.apply(changes)

    def look(self, seconds: int = 1, source: Any = None) -> None:
        for _ in range(seconds):
            self.bench.clock.now += 1_000
            for part in self.state.safety:
                part.look(self.bench.clock())

    def stands(self) -> list[tuple[str, str]]:
        """(key, words) of what stands of zones."""
        alarms = self.state.safety.alarms.open()
        return sorted((a.key, a.zh) for a in alarms if a.stands and a.source in ("zones", "warnings"))

    def told(self, audience: Audience = ALL) -> list[dict[str, Any]]:
        made = [make(audience) for make in self.part.changes()]
        return [message for message in made if message is not None]

    def restart(self) -> None:
        for part in self.state.safety:
            part.keep()
        again = Zones(self.part._ground, self.state.safety.alarms.tell)
        again.load()
        object.__setattr__(self.state.safety, "zones", again)


@pytest.fixture
def ground(bench: Any, state: HubState) -> Ground:
    return Ground(bench, state)


# --- who is called -----------------------------------------------------------------------------------------


def test_entering_calls_after_a_while_and_leaving_ends_it(ground: Ground) -> None:
    ground.part.put(circle(lead_s=0))
    ground.at(0, 500)
    ground.look()
    assert ground.stands() == []
    ground.at(0, 50)
    ground.look(2)
    assert ground.stands() == [], "two seconds, so that a leap of one second calls nobody"
    ground.at(0, 50)
    ground.look(1)
    assert ground.stands() == [("zones:z1:in:u1", "在危险区“罐区”内")]
    (alarm,) = ground.state.safety.alarms.open()
    assert (alarm.cause, alarm.priority, alarm.units) == ("zone:z1", 2, ("u1",))
    assert {one["name"] for one in alarm.why} == {"metres_to_edge", "doubt"}
    ground.at(0, 103)
    ground.look(10)
    assert [words for _, words in ground.stands()] == ["可能在危险区“罐区”内"], (
        "its edge lies within the doubt"
    )
    ground.at(0, 400)
    ground.look(4)
    assert len(ground.stands()) == 1
    ground.at(0, 400)
    ground.look(3)
    assert ground.stands() == []


def test_what_ends_a_zone_ends_its_alarms(ground: Ground) -> None:
    ground.part.put(circle("z1"))
    ground.part.put(circle("z2", until_utc_ms=ground.bench.clock() + 10_000))
    ground.at(0, 0)
    ground.look(4)
    assert [key for key, _ in ground.stands()] == ["zones:z1:in:u1", "zones:z2:in:u1"]
    ground.look(9)
    assert [key for key, _ in ground.stands()] == ["zones:z1:in:u1", "zones:z2:in:u1"]
    ground.look(3)
    assert [key for key, _ in ground.stands()] == ["zones:z1:in:u1"], "until, and five seconds"
    ended = ground.part.get("z2")
    assert ended is not None
    assert ended.ended_by == "time"
    ground.part.end("z1", "Li", ground.bench.clock())
    ground.look(6)
    assert ground.stands() == []


def test_a_zone_begins_when_it_says(ground: Ground) -> None:
    ground.part.put(circle(from_utc_ms=ground.bench.clock() + 5_000))
    ground.at(0, 0)
    ground.look(4)
    assert (ground.part.inside("z1").tolist(), ground.part.all()[0].state(ground.bench.clock())) == (
        [],
        "coming",
    )
    ground.look(1)
    assert ground.part.inside("z1").tolist() == [0]
    assert [line.what for line in ground.part.members("z1").log] == ["found"]


def test_leaving_a_safe_area_calls_until_they_come_back(ground: Ground) -> None:
    ground.part.put(circle(kind="safe"))
    ground.at(0, 0)
    ground.look(4)
    assert ground.stands() == []
    ground.at(0, 300)
    ground.look(4)
    assert ground.stands() == [("zones:z1:out:u1", "离开安全区“罐区”")]
    ground.at(0, 0)
    ground.look(7)
    assert ground.stands() == []
    assert [line.what for line in ground.part.members("z1").log] == ["found", "left", "entered"]


def test_who_left_long_ago_is_simply_elsewhere() -> None:
    members = Members()
    members.came("u1", Came(0, -5, 3), found=False)
    members.went("u1", Came(10, 5, 3))
    assert not members.forget_leavers(LEFT_MS + 9)
    assert members.forget_leavers(LEFT_MS + 10)
    assert members.left == {}
    for t in range(2 * LOG_MAX):
        members.came("u2", Came(t, 0, 0), found=False)
        members.went("u2", Came(t, 0, 0))
    assert len(members.log) == LOG_MAX


def test_coming_nearer_calls_in_time_and_a_growing_zone_overtakes(ground: Ground) -> None:
    ground.part.put(circle(lead_s=120))
    ground.part.put(circle("z2", grows_mps=2.0, grows_from_utc_ms=ground.bench.clock(), lead_s=120))
    for _ in range(4):
        ground.at(0, 260, speed=2.0, course=270)
        ground.at(1, -250)
        ground.look()
    assert ground.stands() == [
        ("zones:z1:near:u1", "约 80 秒后进入危险区“罐区”"),
        ("zones:z2:near:u1", "约 40 秒后进入危险区“罐区”"),
        ("zones:z2:near:u2", "约 70 秒后进入危险区“罐区”"),
    ]
    (soonest, later) = ground.part.coming("z2", 3_600)
    assert (soonest.unit, later.unit) == ("u1", "u2")
    assert later.seconds == pytest.approx((150 - 8) / 2, abs=0.5)


def test_many_in_one_zone_call_one_by_one_and_the_rest_together() -> None:
    members = Members({f"u{i:03}": Came(i, -1, 1) for i in range(EACH_MAX + 30)})
    made = conditions(circle(), members, lambda _unit: False, [], lambda _unit: "", {})
    assert len(made) == EACH_MAX + 1
    assert made[-1].key == "zones:z1:in:more"
    assert (len(made[-1].units), made[-1].zh) == (30, "危险区另有 30 个单位在内")
    assert len({one.cause for one in made}) == 1
    coming = [Coming(f"u{i}", 5, 9) for i in range(99)]
    near = conditions(circle(), Members(), lambda _unit: False, coming, lambda _unit: "", {})
    assert len(near) == EACH_MAX


def test_a_unit_of_another_agency_does_not_tell_the_zones_name() -> None:
    members = Members({"u1": Came(0, -1, 1), "u2": Came(0, -1, 1)})
    agency = {"u1": FIRE, "u2": MINE}
    made = conditions(circle(agency=FIRE), members, lambda _unit: True, [], agency.__getitem__, {})
    assert [one.zh for one in made] == ["在危险区“罐区”内", "在危险区内"]


# --- zones that move ---------------------------------------------------------------------------------------


def test_a_cordon_goes_with_its_vehicle_and_widens_while_that_is_silent(ground: Ground) -> None:
    ground.at(1, 1_000)
    ground.look()
    ground.part.put(circle(kind="cordon", follows="u2", areas=(), on_enter=True))
    for second in range(60):
        ground.at(0, 1_000)
        if second < 10:
            ground.at(1, 1_000)
        ground.look()
        if second == 5:
            assert ground.part.inside("z1").tolist() == [0], "its own unit is not in it"
            assert ground.part.says("z1") == ("", "")
    zh, en = ground.part.says("z1")
    assert "随行单位 50 秒无新位置" in zh
    assert "silent for 50 s" in en
    (message,) = [m for m in ground.told() if m["id"] == "z1"]
    assert (message["says_zh"], message["says_en"]) == (zh, en)
    ring = np.array(message["now"]["coordinates"][0])
    assert (ring[:, 1].max() - LAT) * METRES_PER_DEG_LAT > 105
    ground.at(1, 3_000)
    ground.look()
    assert ground.part.inside("z1").tolist() == []
    centre = np.array(ground.told()[0]["now"]["coordinates"][0]).mean(axis=0)
    assert (centre[0] - LON) * east_m(LAT) == pytest.approx(3_000, abs=15)


def test_a_zone_of_a_unit_that_was_never_seen_is_nowhere(ground: Ground) -> None:
    ground.at(0, 0)
    ground.part.put(circle(follows="u3", areas=()))
    ground.look()
    assert ground.part.inside("z1").tolist() == ground.part.unsure("z1").tolist() == []
    assert "没有位置" in ground.part.says("z1")[0]
    assert ground.told()[0]["now"] is None


def test_a_cone_lies_downwind_and_is_the_whole_circle_without_wind(ground: Ground, bench: Any) -> None:
    cone = Zone(
        "z1",
        "烟",
        "hot",
        "cone",
        (((point(),),),),
        radius_m=1_000,
        opening_deg=60,
        on_enter=True,
        source="person:Li",
    )
    ground.part.put(cone)
    ground.at(0, 500)
    ground.at(1, -500)
    ground.look()
    assert ground.part.inside("z1").tolist() == [0, 1]
    assert "按整圆" in ground.part.says("z1")[0]
    row = {"lat_deg_e7": round(LAT * 1e7), "lon_deg_e7": round((LON + 0.1) * 1e7), "wind_dmps": 50}
    bench.put(bench.frame(device=31, rows=[{**row, "wind_from_deg": 270}]))
    ground.look()
    assert ground.part.inside("z1").tolist() == [0], "the wind blows from the west"
    assert ground.part.says("z1")[0] == "下风向 90°，风速 5.0 m/s"


# --- what is kept and told ---------------------------------------------------------------------------------


def test_a_restart_keeps_zones_members_and_alarms_and_calls_nobody_anew(ground: Ground) -> None:
    ground.part.put(circle())
    ground.part.put(circle("z2", kind="safe"))
    ground.at(0, 50)
    ground.look(10)
    ground.at(0, 103)  # in doubt: only what was kept says that it is in
    ground.look(6)
    before = [(a.id, a.count, a.t_began) for a in ground.state.safety.alarms.open()]
    ground.restart()
    ground.look(3)
    assert [(a.id, a.count, a.t_began) for a in ground.state.safety.alarms.open()] == before
    assert ground.stands() == [("zones:z1:in:u1", "可能在危险区“罐区”内")]
    assert [line.what for line in ground.part.members("z1").log] == ["found"]
    assert len(ground.part.all()) == 2


def test_screens_are_told_what_changed_and_only_that(ground: Ground) -> None:
    ground.part.put(circle())
    (message,) = ground.told()
    assert (message["k"], message["kind"], message["geometry"]["type"], message["now"]["type"]) == (
        "zone", "danger", "Point", "Polygon",
    )  # fmt: skip
    assert (message["source"], message["by"], message["gone"]) == ("person:Li", "Li", False)
    ground.look()
    assert ground.told() == []
    ground.at(0, 0)
    ground.look()
    assert [(m["inside"], m["unsure"]) for m in ground.told()] == [([0], [])]
    ground.part.end("z1", "Li", ground.bench.clock())
    assert [m["gone"] for m in ground.told()] == [True]
    assert ground.told() == []


def test_what_others_reported_a_day_ago_is_in_no_zone(ground: Ground, bench: Any) -> None:
    slot = bench.units.add_reported(UnitRow("r1", "船", "vessel", "other", "", 60, 600), "ais", "u1")
    ground.part.put(circle())
    ground.at(slot, 0)
    ground.look()
    assert ground.part.inside("z1").tolist() == [slot]
    bench.clock.now += 86_400_000
    ground.look()
    assert (ground.part.inside("z1").tolist(), ground.part.unsure("z1").tolist()) == ([], [])


def test_each_audience_is_told_what_it_may_see(ground: Ground) -> None:
    fire, mine = Audience(frozenset((FIRE,)), "none"), Audience(frozenset((MINE,)), "none")
    for slot in (0, 1, 2):
        ground.at(slot, 0)
    ground.part.put(circle(agency=FIRE))
    ground.part.put(circle("z2", follows="u3", areas=()))
    ground.look()
    makers = list(ground.part.changes())
    by = {id(who): [m for make in makers if (m := make(who)) is not None] for who in (ALL, fire, mine)}
    assert [(m["id"], m["inside"]) for m in by[id(ALL)]] == [("z1", [0, 1, 2]), ("z2", [0, 1])]
    assert [(m["id"], m["inside"]) for m in by[id(fire)]] == [("z1", [0, 1])]
    assert [(m["id"], m["inside"]) for m in by[id(mine)]] == [("z2", [0])], (
        "where it is says where its unit is"
    )
    me = Principal("Li", Role.MEMBER, MINE, (), "", "s", ALLOWED[Role.MEMBER], 2**50)
    assert [m["id"] for m in ground.part.greeting(me)] == ["z2"]
    ground.part.put(circle("z2", agency=FIRE))
    assert [(m["id"], m["gone"]) for m in ground.told(mine)] == [("z2", True)], (
        "who saw it is told that it is gone"
    )


def test_a_new_screen_is_told_all_of_many_zones_bit_by_bit(ground: Ground) -> None:
    for i in range(GREETED_MAX + 60):
        ground.part.put(circle(f"z{i}", 5.0, "search"))
    ground.part.put(circle("zd"))
    while ground.told():
        pass
    me = Principal("Li", Role.MEMBER, "", ("*",), "", "s", ALLOWED[Role.MEMBER], 2**50)
    greeted = [m["id"] for m in ground.part.greeting(me)]
    assert (greeted[0], len(greeted)) == ("zd", GREETED_MAX)
    later = [ground.told(), ground.told(), ground.told()]
    assert [len(some) for some in later] == [TOLD_A_TICK, 11, 0]
    assert {m["id"] for some in later for m in some} | set(greeted) == {z.id for z in ground.part.all()}


def test_zones_are_bounded(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "ZONES_MAX", 3)
    monkeypatch.setattr(zones, "OVER_MAX", 2)
    for i in range(3):
        ground.part.put(circle(f"z{i}"))
    with pytest.raises(Refused, match="at most 3"):
        ground.part.put(circle("z3"))
    ground.part.put(circle("z2", 50.0))
    for i in range(3):
        ground.part.end(f"z{i}", "Li", ground.bench.clock() + i)
    assert [zone.id for zone in ground.part.over()] == ["z1", "z2"]
    ground.restart()
    assert ground.part.get("z0") is None
    assert [zone.id for zone in ground.part.over()] == ["z1", "z2"]


# --- warnings and orders -----------------------------------------------------------------------------------

WARNING = f"""<?xml version="1.0"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
<identifier>A</identifier><sender>w</sender><sent>2026-11-18T08:00:00+08:00</sent><status>Actual</status>
<msgType>KIND</msgType><scope>Public</scope>REFS<info><language>zh-CN</language><category>Met</category>
<event>山洪</event><urgency>Expected</urgency><severity>Severe</severity><certainty>Likely</certainty>
<headline>山洪橙色预警</headline><area><areaDesc>沟口</areaDesc><circle>{LAT},{LON} 1</circle>
<circle>{LAT + 0.005},{LON} 1</circle></area></info></alert>"""


def test_a_warning_is_a_zone_calls_who_is_inside_and_clears_by_itself(ground: Ground) -> None:
    warnings = ground.state.safety.warnings
    ground.at(0, 900)
    ground.at(1, 3_000)
    made = cap.read(WARNING.replace("KIND", "Alert").replace("REFS", "").encode())
    warned, _ = warnings.take(made, "test", "", ground.bench.clock())
    ground.look(2)
    assert [(zone.kind, zone.source) for zone in ground.part.all()] == [("warning", f"warning:{warned.id}")]
    assert ground.part.units_in_warning(warned.id) == [0]
    assert ground.stands() == [(f"warnings:{warned.id}", "橙色预警区内有 1 个单位：山洪橙色预警")]
    (message,) = ground.told()
    assert (message["name"], message["by"], message["now"]["type"]) == ("山洪橙色预警", "w", "MultiPolygon")
    refs = "<references>w,A,2026-11-18T08:00:00+08:00</references>"
    cancel = WARNING.replace("KIND", "Cancel").replace("REFS", refs).replace(">A<", ">B<")
    warnings.take(cap.read(cancel.encode()), "test", "", ground.bench.clock())
    ground.look(1)
    assert ground.stands() == []
    assert [m["gone"] for m in ground.told()] == [True]
    assert ground.part.all() == ground.part.over() == []


def test_an_order_to_a_zone_means_who_is_or_may_be_in_it(ground: Ground) -> None:
    desk = ground.state.order_desk
    me = Principal("Li", Role.COMMANDER, "", ("*",), "", "s", ALLOWED[Role.COMMANDER], 2**50)
    ground.at(0, 0)
    ground.at(1, 102)
    ground.at(2, 900)
    ground.part.put(circle())
    ground.look()
    assert desk.resolve(me, OrderType.TEXT, "zone:z1").units == ("u1", "u2")
    given = desk.give(me, OrderType.TEXT, "zone:z1", {"text": "撤"})
    ground.at(0, 900)
    ground.look()
    assert given.units == ("u1", "u2"), "fixed when it was given"
    fire = Principal("Wu", Role.COMMANDER, FIRE, (), "", "s", ALLOWED[Role.COMMANDER], 2**50)
    assert desk.resolve(fire, OrderType.TEXT, "zone:z1").units == ("u2",)
    ground.part.put(circle(agency=MINE))
    for who, target in ((fire, "zone:z1"), (me, "zone:zz")):
        with pytest.raises(OrderRefused, match="no zone"):
            desk.resolve(who, OrderType.TEXT, target)
    ground.part.end("z1", "Li", ground.bench.clock())
    with pytest.raises(OrderRefused, match="stands"):
        desk.resolve(me, OrderType.TEXT, "zone:z1")


# --- routes ------------------------------------------------------------------------------------------------


class Somebody:
    def __init__(self, state: HubState, ask: Any, role: Role = Role.COMMANDER, agency: str = "") -> None:
        name = f"{role} {agency}".strip()
        sees = () if agency else ("*",)
        state.sign_in.accounts.put(Person(name, role, agency, sees, "A", ACTIVE), "test", 1)
        began = state.sign_in.sign_in(state.sign_in.new_token(name))
        assert began is not None
        self.ask, self.headers = ask, {"Cookie": f"zhantu={began.cookie}"}

    def __call__(self, method: str, path: str, **body: Any) -> httpx.Response:
        more = {} if method in ("GET", "DELETE") else {"json": body}
        answer: httpx.Response = self.ask(method, f"/api/v1{path}", headers=self.headers, **more)
        return answer

    def draw(self, geometry: Any, **properties: Any) -> httpx.Response:
        said = {"kind": "danger", **properties}
        return self("POST", "/zones", type="Feature", geometry=geometry, properties=said)


CENTRE = {"type": "Point", "coordinates": [LON, LAT]}


def test_a_zone_over_http_from_drawing_to_its_end(ground: Ground, state: HubState, ask: Any) -> None:
    li = Somebody(state, ask)
    ground.at(0, 0)
    ground.at(1, 300, speed=2.0, course=270)
    drawn = li.draw(CENTRE, name="罐区", shape="circle", radius_m=100.0)
    assert drawn.status_code == 200, drawn.text
    id, said = drawn.json()["id"], drawn.json()["properties"]
    assert (said["on_enter"], said["lead_s"], said["by"], said["state"]) == (
        True,
        30,
        "commander",
        "standing",
    )
    ground.look()
    listed = li("GET", f"/zones/{id}/units").json()
    assert [(u["callsign"], u["state"], u["edge_m"]) for u in listed["units"]] == [("C7", "inside", -100.0)]
    assert [(c["unit"], round(c["seconds"])) for c in listed["coming"]] == [("u2", 100)]
    changed = li("PATCH", f"/zones/{id}", properties={"name": "罐区二", "radius_m": 320.0})
    assert changed.json()["properties"]["name"] == "罐区二"
    ground.look()
    assert li("GET", f"/zones/{id}").json()["properties"]["inside"] == [0, 1]
    assert [line["what"] for line in li("GET", f"/zones/{id}/log").json()["log"]] == ["found", "found"]
    line = {"type": "LineString", "coordinates": [[LON, LAT], [LON + 0.01, LAT]]}
    put = li("PUT", f"/zones/{id}", geometry=line, properties={"kind": "sector", "width_m": 20.0})
    assert put.json()["properties"]["shape"] == "corridor"
    assert len(li("GET", "/zones").json()["features"]) == 1
    assert li("DELETE", f"/zones/{id}").json()["properties"]["ended_by"] == "commander"
    assert li("DELETE", f"/zones/{id}").status_code == 409
    assert li("GET", "/zones").json()["features"] == []
    assert len(li("GET", "/zones?only=all").json()["features"]) == 1
    whats = [(record[2], str(record[3])) for record in state.registry.records()]
    assert [what for who, what in whats if who == "commander" and what.startswith("zone")] == [
        "zone drawn", "zone changed", "zone changed", "zone ended",
    ]  # fmt: skip


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (CENTRE, {"kind": "lava", "radius_m": 5.0}, "kind 'lava': one of danger, no_go"),
    (CENTRE, {}, "radius_m of a circle: needed"),
    (CENTRE, {"radius_m": 5.0, "width_m": 5.0}, "width_m of a circle: not allowed"),
    (CENTRE, {"radius_m": 5.0, "shape": "polygon"}, "a Point is a circle"),
    (CENTRE, {"radius_m": -1.0}, "radius_m"),
    (CENTRE, {"radius_m": 5.0, "until_utc_ms": 5}, "until_utc_ms 5: later than now"),
    (CENTRE, {"radius_m": 5.0, "agency": "矿山"}, "not one that you see"),
    ({"type": "Point", "coordinates": [LAT, LON]}, {"radius_m": 5.0}, "swapped"),
    (None, {"radius_m": 5.0}, "null is allowed"),
    (None, {"radius_m": 5.0, "follows": "u3"}, "no unit 'u3'"),
    ({"type": "LineString", "coordinates": [[LON, LAT], [LON + 1, LAT]]}, {"width_m": 9.0, "follows": "u2"},
     "no position yet"),
]  # fmt: skip


def test_what_is_wrong_with_a_zone_is_said(ground: Ground, state: HubState, ask: Any) -> None:
    fire = Somebody(state, ask, agency=FIRE)
    for geometry, properties, words in WRONG:
        answer = fire.draw(geometry, **properties)
        assert answer.status_code in (404, 409, 422), words
        assert words in answer.json()["detail"]
    assert ground.part.all() == []


def test_an_import_is_whole_or_nothing_and_lists_go_by_pages(
    ground: Ground, state: HubState, ask: Any
) -> None:
    li = Somebody(state, ask)
    good = {"geometry": CENTRE, "properties": {"kind": "search", "radius_m": 5.0}}
    bad = {"geometry": CENTRE, "properties": {"kind": "search"}}
    answer = li("POST", "/zones/import", features=[good, bad])
    assert (answer.status_code, answer.json()["detail"][:10]) == (422, "feature 1:")
    assert ground.part.all() == []
    assert li("POST", "/zones/import", features=[good] * 5).status_code == 200
    first = li("GET", "/zones?limit=3").json()
    rest = li("GET", f"/zones?limit=3&after={first['next']}").json()
    assert len({f["id"] for f in first["features"] + rest["features"]}) == 5
    assert rest["next"] is None


def test_zones_of_other_agencies_are_not_there(ground: Ground, state: HubState, ask: Any) -> None:
    fire, miner = Somebody(state, ask, agency=FIRE), Somebody(state, ask, agency=MINE)
    ground.at(2, 0)
    mine = fire.draw(CENTRE, radius_m=50.0, agency=FIRE).json()["id"]
    theirs = miner.draw(None, radius_m=50.0, follows="u3").json()["id"]
    ground.look()
    for who, id in ((miner, mine), (fire, theirs)):
        for method, path in (("GET", ""), ("GET", "/units"), ("GET", "/log"), ("DELETE", ""), ("PATCH", "")):
            answer = who(method, f"/zones/{id}{path}")
            assert (answer.status_code, answer.json()["detail"]) == (404, f"no zone '{id}'"), (method, path)
        assert id not in [f["id"] for f in who("GET", "/zones").json()["features"]]
    assert fire("GET", f"/zones/{mine}/units").json()["units"] == [], "the miner's unit is not seen"
    assert fire("GET", f"/zones/{mine}/log").json()["log"] == []
    member = Somebody(state, ask, Role.MEMBER)
    assert member("DELETE", f"/zones/{mine}").status_code == 403


def test_the_area_of_a_warning_is_nobodys_to_end(ground: Ground, state: HubState, ask: Any) -> None:
    made = cap.read(WARNING.replace("KIND", "Alert").replace("REFS", "").encode())
    warned, _ = state.safety.warnings.take(made, "test", "", ground.bench.clock())
    ground.look()
    li = Somebody(state, ask)
    assert li("DELETE", f"/zones/w{warned.id}").status_code == 409
    assert li("GET", f"/zones/w{warned.id}").json()["properties"]["source"] == f"warning:{warned.id}"


# --- for other rooms ---------------------------------------------------------------------------------------


def test_what_other_rooms_see_of_zones(ground: Ground) -> None:
    sight = ZoneSight(ground.part, ground.state.units)
    ground.part.put(circle())
    ground.part.put(circle("z2", from_utc_ms=ground.bench.clock() + 3_600_000))
    ground.at(0, 50)
    ground.look()
    assert [zone.id for zone in sight.all()] == ["z1"], "one to come is none yet"
    assert (list(sight.inside("z1")), list(sight.unsure("z1"))) == ([0], [])
    ground.part.end("z1", "Li", ground.bench.clock())
    with pytest.raises(KeyError):
        sight.inside("z1")


def test_entry_control_is_told_when_a_danger_reaches_a_team(ground: Ground) -> None:
    """500 m away, radius 100, growing 0.5 m/s, the unit stands: (500 − 100) / 0.5 s."""
    sight = ZoneSight(ground.part, ground.state.units)
    now = ground.bench.clock()
    ground.part.put(circle(name="罐区", grows_mps=0.5, grows_from_utc_ms=now, grows_max_m=5_000))
    ground.part.put(circle("z2", kind="cordon", grows_mps=9.0, grows_from_utc_ms=now, grows_max_m=5_000))
    ground.part.put(circle("z3", radius_m=300))
    ground.at(0, 500)
    ground.look()
    danger = sight.time_to_danger_s([0], ground.bench.clock())
    assert danger is not None
    assert danger == (pytest.approx(799, abs=2), "罐区"), "a cordon, and what does not grow, threaten nobody"
    assert sight.time_to_danger_s([1], ground.bench.clock()) is None
