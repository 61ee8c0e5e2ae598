"""What vehicles are doing: the law by a table, and a person's word that is never taken back by the hub."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hub.live.picture import I64
from hub.safety.vehicle_law import WORDS, Code, Judged, Seen, judge
from hub.safety.vehicles import Vehicles
from hub.state import HubState
from hub.store.interface import UnitRow
from protocols.catalog import Pump

HOME = Seen(speed_mps=0.0, stood_s=900, place="station", place_name="城东站")
TASK = replace(HOME, task=5, to_task_m=4_000.0, from_start_m=0.0)
ROAD = Seen(speed_mps=15.0, task=5, to_task_m=2_000.0, from_start_m=2_000.0)
LIGHT = replace(ROAD, speed_mps=0.0, stood_s=40.0)
THERE = Seen(speed_mps=0.2, stood_s=30.0, task=5, to_task_m=60.0, from_start_m=4_000.0)
WATER = replace(THERE, pump=Pump.DELIVERING)
DRY = replace(THERE, pump=Pump.STOPPED)
SOURCE = Seen(
    speed_mps=0.0,
    stood_s=60,
    place="water",
    place_name="消火栓",
    task=5,
    to_task_m=1_500.0,
    from_start_m=3_000.0,
)
TRIP = Seen(speed_mps=12.0, task=5, to_task_m=900.0, from_start_m=3_000.0)
BACK = Seen(speed_mps=12.0)
BASE = Seen(speed_mps=0.0, stood_s=600, place="staging", place_name="集结点")
SHIFT = [
    (HOME, 10), (TASK, 20), (ROAD, 21), (LIGHT, 21), (ROAD, 21), (replace(THERE, stood_s=3.0), 21), (THERE, 22),
    (WATER, 23), (DRY, 24), (replace(DRY, pump=None), 24), (WATER, 23), (DRY, 24), (TRIP, 21), (THERE, 22),
    (SOURCE, 27), (TRIP, 27),
    (THERE, 22), (BACK, 25), (replace(BACK, speed_mps=0.0), 25), (HOME, 10), (BASE, 26),
]  # fmt: skip


def test_a_shift_as_it_goes() -> None:
    """Each step of it, with reasons."""
    now: Judged | None = None
    for i, (seen, code) in enumerate(SHIFT):
        now = judge(seen, now)
        assert now is not None
        assert (i, now.code) == (i, code)
        assert now.reasons, WORDS[code]
    assert {code for _, code in SHIFT} == set(Code) - {Code.TRAINING}, "30 is only ever a person's word"


@pytest.mark.parametrize(
    ("seen", "before", "code"),
    [
        (Seen(), None, None),
        (Seen(speed_mps=0.0, stood_s=9_999), None, None),
        (BACK, None, None),
        (replace(HOME, pump=Pump.DELIVERING), None, 10),
        (replace(WATER, task=0, to_task_m=None), None, 23),
        (replace(THERE, to_task_m=390.0, speed_mps=8.0), Judged(22, (), 5), 22),
        (replace(THERE, to_task_m=410.0, speed_mps=8.0), Judged(22, (), 5), 21),
        (replace(THERE, to_task_m=390.0, speed_mps=8.0), None, 21),
    ],
)
def test_what_is_known_and_what_is_not(seen: Seen, before: Judged | None, code: int | None) -> None:
    now = judge(seen, before)
    assert (None if now is None else now.code) == code


def test_who_is_silent_keeps_its_state_and_says_so() -> None:
    before = judge(THERE, None)
    silent = judge(replace(ROAD, is_stale=True), before)
    assert silent is not None
    assert silent.code == 22
    assert [reason.name for reason in silent.reasons][-1] == "silent"
    assert judge(replace(ROAD, is_stale=True), silent) == silent


class Zone:
    def __init__(self, id: str, kind: str, name: str) -> None:
        self.id, self.kind, self.name = id, kind, name


class Sight:
    """Zones by hand."""

    def __init__(self) -> None:
        self.there: dict[str, list[int]] = {}

    def all(self) -> list[Zone]:
        return [Zone("z1", "station", "城东站"), Zone("z2", "danger", "火场"), Zone("z3", "water", "消火栓")]

    def inside(self, zone_id: str) -> I64:
        return np.array(self.there.get(zone_id, []), np.int64)


class Post:
    """A fire engine with device 20, its part with zones, and a browser of a commander."""

    def __init__(self, bench: Any, state: HubState, ask: Any) -> None:
        self.bench, self.state, self.ask = bench, state, ask
        bench.registry.enrol([(20, UnitRow("", "东风-1", "vehicle", "fire", "A", 30, 300))], 0)
        bench.load()
        self.slot = bench.slot(20)
        self.unit = bench.units.rows[self.slot].id
        self.part = state.safety.vehicles
        self.zones = Sight()
        self.part._zones = self.zones
        self.row = 0
        self.path = f"/api/v1/units/{self.unit}/vehicle-state"
        ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("王海")})

    def goes(self, seconds: int, north_m: int = 0, speed_dmps: int = 0, **more: int) -> list[dict[str, Any]]:
        """What the screens are told meanwhile."""
        told = []
        for _ in range(seconds):
            self.bench.clock.now += 1_000
            self.row += 1
            values = {
                "lat_deg_e7": 366_500_000 + 90 * north_m, "lon_deg_e7": 1_170_000_000, "hacc_dm": 30, "fix_mode": 3,
                "speed_dmps": speed_dmps, **more,
            }  # fmt: skip
            self.bench.put(self.bench.frame(device=20, row=self.row, rows=[values]))
            self.part.look(self.bench.clock.now)
            told += [make(EVERYBODY) for make in self.part.changes()]
        self.part.keep()
        return [one for one in told if one is not None]

    def now(self) -> Any:
        return self.ask("GET", f"/api/v1/units/{self.unit}").json()["vehicle"]

    def records(self) -> list[str]:
        return [str(row[3]) for row in self.bench.registry.records()]


class Everybody:
    def sees(self, _agency: str) -> bool:
        return True


EVERYBODY: Any = Everybody()


@pytest.fixture
def post(bench: Any, state: HubState, ask: Callable[..., Any]) -> Post:
    return Post(bench, state, ask)


def test_a_task_is_followed_and_told_once_a_state(post: Post) -> None:
    post.zones.there = {"z1": [post.slot]}
    assert [one["code"] for one in post.goes(10)] == [10]
    assert post.now()["zh"] == "备勤"
    order = {"target": post.unit, "text": "火场", "lat": 36.68, "lon": 117.0}
    assert post.ask("POST", "/api/v1/orders/task", json=order).status_code == 200
    post.zones.there = {}
    told = post.goes(10, 100, 30) + post.goes(10, 1_000, 150) + post.goes(20, 3_335, 0)
    assert [one["code"] for one in told] == [20, 21, 22]
    assert {"task", "to_task"} <= {reason["name"] for reason in post.now()["reasons"]}
    told = post.goes(10, 3_335, 0, pump=1) + post.goes(10, 3_335, 0, pump=0)
    assert [one["code"] for one in told] == [23, 24]
    assert post.goes(60, 3_335, 0, pump=0) == [], "the same state is not told again"


def test_a_persons_word_stands_until_a_person_takes_it_back(post: Post) -> None:
    post.zones.there = {"z1": [post.slot]}
    post.goes(5)
    answer = post.ask("PUT", post.path, json={"code": 30, "why": "季度训练"})
    assert (answer.status_code, answer.json()["by"], answer.json()["hub"]["code"]) == (200, "王海", 10)
    post.zones.there = {}
    told = post.goes(30, 500, 100, pump=1)
    assert {one["code"] for one in told} == {30}, "the hub's own judgement does not change it"
    now = post.now()
    assert (now["code"], now["by"], now["why"], now["hub"]["code"]) == (30, "王海", "季度训练", 23)
    assert post.ask("PUT", post.path, json={"code": 22}).json()["code"] == 22, "a newer word counts"
    assert post.ask("DELETE", post.path).status_code == 204
    assert post.ask("DELETE", post.path).status_code == 204
    now = post.now()
    assert (now["code"], now["by"], now["hub"]) == (23, "", None)
    whats = [w for w in post.records() if w.startswith("vehicle")]
    assert sorted(whats) == ["vehicle state released", "vehicle state set", "vehicle state set"]


def test_it_is_kept_over_a_restart(post: Post) -> None:
    post.zones.there = {"z1": [post.slot]}
    post.goes(6)
    post.ask("PUT", post.path, json={"code": 26, "why": "前置驻防"})
    again = Vehicles(post.part._ground)
    again.load()
    said = again.of(post.slot)
    assert said is not None
    assert (said["code"], said["by"], said["hub"]["code"]) == (26, "王海", 10)
    me: Any = type("Me", (), {"audience": EVERYBODY})
    assert [one["code"] for one in again.greeting(me)] == [26]
    assert again.gauges() == {"vehicles_overridden": 1}


def test_what_is_refused(post: Post) -> None:
    person = post.bench.units.rows[0].id
    assert post.ask("PUT", f"/api/v1/units/{person}/vehicle-state", json={"code": 10}).status_code == 422
    assert post.ask("PUT", post.path, json={"code": 11}).status_code == 422
    assert post.ask("PUT", "/api/v1/units/nobody/vehicle-state", json={"code": 10}).status_code == 404
    assert post.now() is None


def test_others_do_not_hear_of_it(post: Post) -> None:
    post.ask("PUT", post.path, json={"code": 22})
    stranger: Any = type("Stranger", (), {"sees": lambda _self, _agency: False})()
    assert [make(stranger) for make in post.part.changes()] == [None]
