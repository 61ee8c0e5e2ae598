"""Entry control on a hub: people by hand, pressures of both kinds, what calls, who may, what a kill leaves."""

from typing import Any

import pytest

from hub.errors import StoreFull
from hub.identity.permissions import Audience, Role
from hub.safety.entry import KIND, Entry
from hub.safety.part import Ground
from hub.safety.sun import sunset_ms
from hub.state import HubState
from hub.store.interface import UnitRow
from protocols.catalog import EventCode, Lane
from protocols.laws import air

T0 = 1_795_000_000_000
MINE, FIRE = "矿山", "市消防"
EVERYBODY = Audience(None, "all")


class Gate:
    """An entry officer at the gate of a hub."""

    def __init__(self, bench: Any, state: HubState, ask: Any) -> None:
        self.bench, self.state, self.ask = bench, state, ask
        self.part = state.safety.entry
        self.row = 0

    def __call__(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        answer = self.ask(method, f"/entry-teams{path}", **body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def look(self, after_s: float = 0) -> None:
        self.bench.clock.now += round(after_s * 1000)
        self.part.look(self.bench.clock())

    def board(self, audience: Audience = EVERYBODY) -> list[dict[str, Any]]:
        self.look()
        return list(self.part._board(audience, self.bench.clock())["teams"])

    @property
    def only(self) -> dict[str, Any]:
        (team,) = self.board()
        return team

    def calls(self) -> dict[str, Any]:
        """Open alarms by kind."""
        return {alarm.kind: alarm for alarm in self.state.safety.alarms.open() if alarm.stands}

    def device(self, device: int = 7, **values: int) -> None:
        self.row += 1
        self.bench.put(self.bench.frame(device=device, row=self.row, rows=[values]))

    def event(
        self, code: EventCode, device: int = 7, number: int = 50, phase: int = 0, ago_s: int = 0
    ) -> None:
        self.row += 1
        t_ms = self.bench.clock() - 1000 * ago_s
        made = self.bench.put(
            self.bench.event(self.row, phase, number, int(code), device=device, t_ms=t_ms, lane=Lane.SOS)
        )
        self.part.hear(made)
        self.state.safety.alarms.hear(made)


@pytest.fixture
def field(bench: Any, state: HubState) -> Any:
    bench.registry.enrol(
        [
            (7, UnitRow("", "C7", "person", "fire", "A", 30, 300, FIRE)),
            (8, UnitRow("", "C8", "person", "fire", "A", 30, 300, FIRE)),
            (21, UnitRow("", "M21", "person", "mine", "M", 30, 300, MINE)),
        ],
        T0,
    )
    bench.load()
    return bench


@pytest.fixture
def gate(field: Any, state: HubState, signed_in: Any) -> Gate:
    return Gate(field, state, signed_in("王海", Role.SAFETY_OFFICER))


def test_a_person_without_a_device_is_in_with_one_request(gate: Gate) -> None:
    team = gate("POST", "", name="攻坚一组", task="三层搜救", point="东门")
    made = gate("POST", f"/{team['id']}/people", name="李四", bar=280)
    (member,) = made["members"]
    assert (member["name"], member["bar"], member["t_bar"], member["by_hand"]) == ("李四", 280.0, T0, True)
    assert (member["unit"], member["stale"], made["state"]) == (None, False, "standby")
    assert gate.only["members"] == [member]
    gate("POST", f"/{team['id']}/people", 409, name="李四", bar=280)
    gate("POST", f"/{team['id']}/people", 422, name=" ")
    gate("POST", f"/{team['id']}/people", 404, unit="u99")


def test_a_typed_pressure_counts_down_ages_and_is_asked_for_anew(gate: Gate) -> None:
    id = gate("POST", "", name="一组", planned_s=3_600)["id"]
    gate("POST", f"/{id}/people", name="李四", bar=280)
    gate("POST", f"/{id}/go", step="inside")
    gate.look(60)
    member = gate.only["members"][0]
    assert member["minutes_left"] == pytest.approx(air.left_s(28_000, 5_500, 6.8, 40.0) / 60 - 1, abs=0.1)
    assert member["turn_back_s"] == pytest.approx(
        air.turn_back_s(28_000, 28_000, 5_500, 6.8, 40.0, 1) - 60, abs=1
    )
    assert gate.calls() == {}
    gate.look(241)
    assert gate.only["members"][0]["stale"] is True
    assert "李四" in gate.calls()["air_sensor"].zh
    person = gate.only["members"][0]["person"]
    gate("POST", f"/{id}/people/{person}/pressure", bar=215)
    gate.look()
    member = gate.only["members"][0]
    assert (member["stale"], member["bar"], member["t_bar"]) == (False, 215.0, gate.bench.clock())
    assert member["lpm"] > 60, "two readings are a person's own breath"
    gate.look(11)
    assert gate.calls() == {}
    gate("POST", f"/{id}/people/王五/pressure", 404, bar=200)
    gate("POST", f"/{id}/people/{person}/pressure", 422, bar=401)
    gate("POST", f"/{id}/people/{person}/pressure", 422, bar=200, t_utc_ms=T0 - 13 * 3_600_000)


def test_nobody_without_any_pressure_is_forgotten(gate: Gate) -> None:
    id = gate("POST", "", name="一组")["id"]
    gate("POST", f"/{id}/people", name="李四")
    gate("POST", f"/{id}/go", step="inside")
    retreat = gate.only["retreat"]
    assert (retreat["recommend"], retreat["binding"]) == (False, "")
    assert "没有压力读数" in gate.calls()["air_sensor"].zh


def test_a_device_s_pressure_is_fitted_and_its_own_estimate_wins_while_fresh(gate: Gate) -> None:
    id = gate("POST", "", name="一组", units=["u1", "u2"])["id"]
    gate.device(7, scba_kpa=29_000)
    gate.event(EventCode.ENTERED, 7)
    gate.look()
    kpa = 29_000
    for _ in range(18):  # three minutes at 10 kPa a second
        kpa -= 100
        gate.bench.clock.now += 10_000
        gate.device(7, scba_kpa=kpa)
        gate.look()
    team = gate.only
    one = next(member for member in team["members"] if member["unit"] == "u1")
    assert (team["state"], team["lowest"], one["inside"], one["by_hand"]) == ("inside", "u1", True, False)
    assert 30 < one["lpm"] < 45
    back_s = air.turn_back_s(kpa, 29_000, 5_500, 6.8, one["lpm"], 1.0)
    assert one["turn_back_s"] == pytest.approx(back_s, rel=0.02)
    gate.device(7, scba_kpa=kpa, turn_back_s=333, air_left_s=700)
    gate.look(4)
    one = next(member for member in gate.only["members"] if member["unit"] == "u1")
    assert (one["turn_back_s"], one["minutes_left"]) == (329, 11.6), "the gateway knows cylinder and person"
    gate.look(40)
    one = next(member for member in gate.only["members"] if member["unit"] == "u1")
    assert one["stale"] is True
    assert one["turn_back_s"] == pytest.approx(back_s - 44, rel=0.03), "silent: the hub goes on counting"
    assert gate.calls()["air_sensor"].units == ("u1",)
    gate("POST", f"/{id}/people/u1/pressure", bar=250)
    gate.look()
    one = next(member for member in gate.only["members"] if member["unit"] == "u1")
    assert (one["bar"], one["stale"]) == (250.0, False), "its sensor is silent, and somebody has asked"


def test_the_hub_joins_what_the_device_says_itself(gate: Gate) -> None:
    gate("POST", "", name="一组", units=["u1"], margin_s=0)
    gate.device(7, scba_kpa=12_000)
    gate.event(EventCode.ENTERED, 7)
    gate.device(7, scba_kpa=12_000, turn_back_s=-5, air_left_s=300)
    gate.look()
    assert gate.calls()["turn_back"].source == "entry"
    gate.event(EventCode.TURN_BACK, 7, number=60)
    gate.look()
    assert gate.calls()["turn_back"].source == "edge", "one alarm, with the hub's reasons beside its own"
    assert list(gate.calls()["turn_back"].more)


def test_retreat_is_advised_with_what_binds_and_orders_nothing(gate: Gate) -> None:
    id = gate("POST", "", name="一组", planned_s=86_400)["id"]
    gate("POST", f"/{id}/people", name="李四", bar=200)
    gate("POST", f"/{id}/people", name="王五", bar=290)
    gate("POST", f"/{id}/go", step="inside")
    orders = len(list(gate.state.outbox.entries()))
    gate.look(60)
    assert gate.only["retreat"]["recommend"] is False
    gate.look(640)
    team = gate.only
    assert team["retreat"]["recommend"] is True
    assert (team["retreat"]["binding"], team["retreat"]["zh"]) == ("air", "空气：李四")
    assert team["egress_s"] == 700
    assert team["lowest"] == team["members"][0]["person"]
    alarm = gate.calls()["retreat"]
    assert (alarm.priority, alarm.zh) == (1, "一组 建议撤退：空气：李四")
    assert len(list(gate.state.outbox.entries())) == orders
    gate("POST", f"/{id}/go", step="out")
    gate.look(1)
    gate.look(11)
    assert gate.only["state"] == "out"
    assert "retreat" not in gate.calls()


class Growing:
    def time_to_danger_s(self, slots: Any, now_ms: int) -> tuple[float, str] | None:
        return (170.0, "罐区") if list(slots) else None


def test_zone_and_daylight_bind_where_they_are_known(gate: Gate) -> None:
    gate.part._zones = Growing()
    sunset = sunset_ms(36.65, 70.0, T0)
    assert sunset is not None
    place = {"lat": 36.65, "lon": 70.0 + (sunset - T0 - 100_000) / 240_000}  # where it sets in 100 s
    one = gate("POST", "", name="一组", units=["u1"], daylight=True, margin_s=0, egress_s=0, **place)["id"]
    gate("POST", "", name="二组", units=["u2"], margin_s=0, egress_s=200, **place)
    gate.device(7, scba_kpa=29_000)
    gate.device(8, scba_kpa=29_000)
    gate.event(EventCode.ENTERED, 7)
    gate.event(EventCode.ENTERED, 8)
    first, second = gate.board()
    assert {term["name"] for term in first["retreat"]["terms"]} == {
        "air",
        "zone",
        "daylight",
        "egress",
        "margin",
    }
    assert first["retreat"]["binding"] == "daylight"
    assert first["retreat"]["margin_s"] == pytest.approx(100, abs=3)
    assert (second["retreat"]["binding"], second["retreat"]["recommend"]) == ("zone", True)
    assert "罐区" in second["retreat"]["zh"]
    assert gate("PUT", f"/{one}/plan", daylight=False)["retreat"]["binding"] == "zone"
    gate("POST", "", 422, name="三组", lat=3)


@pytest.mark.parametrize(
    ("fault", "zh"),
    [
        ("low", "C7 气压低"), ("silent", "C7 气压失联"), ("gas_fault", "C7 装置故障"), ("none", ""),
    ],
)  # fmt: skip
def test_the_whole_squad_rule_of_mines(gate: Gate, fault: str, zh: str) -> None:
    """One fails: all are advised to come out. Without the rule the same is only that person's alarm."""
    ids = [
        gate("POST", "", name=name, whole_squad=rule)["id"] for name, rule in (("矿", True), ("火", False))
    ]
    for id, unit, other in ((ids[0], "u1", "赵六"), (ids[1], "u2", "钱七")):
        gate("POST", f"/{id}/people", unit=unit)
        gate("POST", f"/{id}/people", name=other, bar=290)
    for device in (7, 8):
        gate.device(device, scba_kpa=5_400 if fault == "low" else 29_000)
    for id in ids:
        gate("POST", f"/{id}/go", step="inside")
    if fault == "silent":
        gate.look(31)
    if fault == "gas_fault":
        gate.event(EventCode.GAS_FAULT, 7, number=61)
    ruled, plain = gate.board()
    assert ruled["retreat"]["recommend"] == (fault != "none")
    assert plain["retreat"]["recommend"] == (fault == "low"), "its own air is another matter"
    if zh:
        squad = [term["zh"] for term in ruled["retreat"]["terms"] if term["name"] == "squad"]
        assert squad == [f"全队规则：{zh}"]


def test_overdue(gate: Gate) -> None:
    id = gate("POST", "", name="一组", planned_s=600, margin_s=0, egress_s=0)["id"]
    gate("POST", f"/{id}/people", name="李四", bar=290)
    gate("POST", f"/{id}/go", step="inside")
    gate.look(600)
    assert "overdue" not in gate.calls()
    gate.look(1)
    assert gate.calls()["overdue"].zh == "一组 超时未出（计划 10 分）"


def test_a_device_enters_and_leaves_by_itself_also_late_and_before_it_was_written_in(gate: Gate) -> None:
    gate.event(EventCode.ENTERED, 7, number=70, ago_s=120)
    id = gate("POST", "", name="一组")["id"]
    made = gate("POST", f"/{id}/people", unit="u1")
    assert (made["state"], made["t_in"]) == ("inside", T0 - 120_000)
    made = gate("POST", f"/{id}/people", name="李四", bar=250)
    assert made["members"][1]["inside"], "who joins those inside is inside"
    gate.event(EventCode.LEFT, 7, number=71)
    gate.event(EventCode.ENTERED, 7, number=72, ago_s=600)  # late: an older entry
    assert [member["inside"] for member in gate.only["members"]] == [False, True]
    gate("POST", f"/{id}/people", 409, unit="u1")
    other = gate("POST", "", name="二组")["id"]
    gate("POST", f"/{other}/people", 409, unit="u1")


def test_a_kill_forgets_nobody(gate: Gate) -> None:
    id = gate("POST", "", name="一组", units=["u1"])["id"]
    gate("POST", f"/{id}/people", name="李四", bar=280)
    gate("POST", f"/{id}/go", step="inside")
    before = gate.only
    ground: Ground = gate.part._ground
    again = Entry(ground, lambda *_: None)
    again.load()  # with no `keep` in between: what was answered is on the disk
    again.look(gate.bench.clock())
    (team,) = again._board(EVERYBODY, gate.bench.clock())["teams"]
    assert team == before
    whats = [str(row[3]) for row in gate.bench.registry.records()]
    assert whats[-3:] == ["entry team begun", "entry team joined", "entry team went"]
    gate.part.keep()
    gate("POST", f"/{id}/end")
    gate.part.keep()
    third = Entry(ground, lambda *_: None)
    third.load()
    assert third.open() == []


def test_what_the_disk_refuses_has_not_happened(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    id = gate("POST", "", name="一组")["id"]

    def full(*_: Any) -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(gate.bench.registry.documents, "put", full)
    records = len(gate.bench.registry.records())
    gate("POST", f"/{id}/people", 503, name="李四", bar=280)
    assert gate.only["members"] == []
    assert len(gate.bench.registry.records()) == records, "nor does the record say so"


def test_an_old_word_does_not_overwrite_a_new_one(gate: Gate) -> None:
    """The hub collected the team before the act, and writes it after."""
    id = gate("POST", "", name="一组", units=["u1"])["id"]
    gate.event(EventCode.ENTERED, 7)
    gate.part.shelf.collect()
    gate("POST", f"/{id}/people", name="李四", bar=280)
    gate.part.keep()
    kept = gate.bench.registry.documents.all(KIND)[id]
    assert [one["name"] for one in kept["members"].values()] == ["C7", "李四"]


def test_a_device_that_enters_while_an_act_is_written_takes_nothing_away(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = gate("POST", "", name="一组", units=["u1"])["id"]
    shelf, record = gate.part.shelf, gate.part.shelf._record

    def meanwhile(*arguments: Any) -> None:
        shelf.all()[0].hear("u1", entered=True, t=T0)
        shelf.collect()
        shelf.keep()
        record(*arguments)

    monkeypatch.setattr(shelf, "_record", meanwhile)
    gate("POST", f"/{id}/people", name="李四", bar=280)
    kept = gate.bench.registry.documents.all(KIND)[id]  # as a kill right after the answer would find it
    assert {one["name"]: one["entered"] for one in kept["members"].values()} == {"C7": T0, "李四": T0}


def test_whose_it_is(gate: Gate, signed_in: Any) -> None:
    fire = gate("POST", "", name="消防组", units=["u1"])["id"]
    mine = gate("POST", "", name="矿山组", units=["u3"])["id"]
    shared = gate("POST", "", name="合组", units=[])["id"]
    gate("POST", f"/{shared}/people", name="过路人", bar=200)
    miner = signed_in("矿长", Role.SAFETY_OFFICER, MINE)
    assert {team["name"] for team in miner("GET", "/entry-teams").json()["teams"]} == {"矿山组", "合组"}
    assert miner("GET", f"/entry-teams/{fire}").status_code == 404
    assert miner("POST", f"/entry-teams/{fire}/go", step="inside").status_code == 404
    gate("POST", f"/{mine}/people", unit="u2")
    (team,) = [one for one in miner("GET", "/entry-teams").json()["teams"] if one["id"] == mine]
    assert [one["name"] for one in team["members"]] == ["M21"], "one of another agency is not there"
    assert miner("POST", f"/entry-teams/{mine}/people", unit="u1").status_code == 404
    names = {one["name"] for one in gate.board(Audience(frozenset({FIRE}), "none"))}
    assert names == {"消防组", "矿山组", "合组"}, "a unit of theirs is in the miners' team"


def test_a_team_leader_acts_on_the_own_team(gate: Gate, signed_in: Any) -> None:
    leader = signed_in("队长", Role.TEAM_LEADER, team="A")
    theirs = gate("POST", "", name="矿山组", units=["u3"])["id"]
    assert leader("POST", f"/entry-teams/{theirs}/go", step="inside").status_code == 403
    assert leader("POST", "/entry-teams", name="x", team="M").status_code == 403
    assert leader("POST", "/entry-teams", name="x", units=["u3"]).status_code == 403
    own = leader("POST", "/entry-teams", name="本队").json()
    assert own["team"] == "A"
    assert leader("POST", f"/entry-teams/{own['id']}/people", name="李四", bar=280).status_code == 200
    assert leader("POST", f"/entry-teams/{own['id']}/people", unit="u3").status_code == 403
    assert signed_in("调度", Role.DISPATCHER)("POST", "/entry-teams", name="x").status_code == 403


def test_strain_is_seen_where_the_body_is(gate: Gate) -> None:
    gate("POST", "", name="一组", units=["u1"], margin_s=0, egress_s=0)
    gate.device(7, scba_kpa=29_000, strain_e1=80)
    gate.event(EventCode.ENTERED, 7)
    (whole,), (less,) = gate.board(), gate.board(Audience(None, "none"))
    assert (whole["retreat"]["binding"], whole["retreat"]["recommend"]) == ("strain", False)
    assert "strain" not in str(less["retreat"])
    gate.look()
    gate("PUT", f"/{whole['id']}/plan", margin_s=10)
    gate.look()
    alarm = gate.calls()["retreat"]
    assert alarm.private
    (less,) = gate.board(Audience(None, "none"))
    assert (less["retreat"]["recommend"], less["retreat"]["binding"]) == (True, "hidden")


def test_psi_out_of_core_and_heart_when_the_gateway_sends_no_index(gate: Gate) -> None:
    gate("POST", "", name="一组", units=["u1"], margin_s=1, egress_s=0)
    gate.device(7, core_dc=392, heart_bpm=175, scba_kpa=29_000)  # 4.4 + 4.77
    gate.event(EventCode.ENTERED, 7)
    assert gate.only["retreat"]["binding"] == "strain"
    gate.look(31)
    assert "strain" not in {term["name"] for term in gate.only["retreat"]["terms"]}, "it is too old"


def test_screens_are_told_within_a_tick_and_not_without_news(gate: Gate) -> None:
    assert list(gate.part.changes()) == []
    id = gate("POST", "", name="一组")["id"]
    (maker,) = gate.part.changes()
    assert [team["id"] for team in maker(EVERYBODY)["teams"]] == [id]
    assert list(gate.part.changes()) == []
    gate("POST", f"/{id}/people", name="李四", bar=280)
    gate("POST", f"/{id}/go", step="inside")
    assert len(list(gate.part.changes())) == 1
    gate.bench.clock.now += 500
    assert list(gate.part.changes()) == []
    gate.bench.clock.now += 1_500
    gate.look()
    assert len(list(gate.part.changes())) == 1, "air counts down"


def test_pages_and_gauges(gate: Gate) -> None:
    for i in range(3):
        gate.bench.clock.now += 1
        gate("POST", "", name=f"{i}组")
    first = gate("GET", "?limit=2")
    assert [team["name"] for team in first["teams"]] == ["2组", "1组"]
    rest = gate("GET", f"?limit=2&after={first['next']}")
    assert ([team["name"] for team in rest["teams"]], rest["next"]) == (["0组"], None)
    gate("POST", f"/{first['teams'][0]['id']}/end")
    assert len(gate("GET", "?open=true")["teams"]) == 2
    assert gate.part.gauges() == {"entry_teams_open": 2.0, "entry_people_inside": 0.0}
