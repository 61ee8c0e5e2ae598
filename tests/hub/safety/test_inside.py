"""Who is inside: the law, where they went in, and that no marker is invented."""

from collections.abc import Callable
from typing import Any

import pytest

from hub.safety.inside import Insides
from hub.safety.inside_law import Told, Where, where
from hub.state import HubState
from protocols.catalog import Duty, EventCode

IN, OUT = (Duty.ENTERED, 1e6), (Duty.STANDBY, 1e6)
NO_FIX = Where("no_fix", None, ("no_fix",))


@pytest.mark.parametrize(
    ("told", "before", "state", "floor"),
    [
        (Told(), None, None, None),
        (Told(heard_ms=20e3, fix_ms=15e3, mode=(0, 20e3)), None, None, None),  # under a bridge
        (Told(heard_ms=30e3, fix_ms=15e3, mode=(0, 30e3)), None, "no_fix", None),
        (Told(heard_ms=30e3, mode=(0, 30e3)), None, "no_fix", None),
        (Told(heard_ms=30e3, fix_ms=15e3, mode=(0, 30e3), is_mine=True), None, "underground", None),
        (Told(heard_ms=9e6, fix_ms=15e3), None, None, None),  # silent of its fix is not without one
        (Told(heard_ms=1e6, duty=IN), None, "inside", None),
        (Told(heard_ms=1e6, duty=IN, floor=(7, 1e6)), None, "inside", 7),
        (Told(heard_ms=1e6, duty=IN, floor=(-2, 1e6)), None, "underground", -2),
        (Told(heard_ms=1e6, duty=OUT, floor=(7, 9e5)), Where("inside", 7, ("duty", "floor")), None, None),
        (Told(heard_ms=1e6, duty=IN, floor=(7, 9e5)), Where("inside", 7, ("duty", "floor")), "inside", 7),
        (
            Told(heard_ms=40e3, fix_ms=39e3, fixed_since_ms=35e3, mode=(3, 39e3)),
            NO_FIX,
            "no_fix",
            None,
        ),  # a window
        (Told(heard_ms=50e3, fix_ms=49e3, fixed_since_ms=35e3, mode=(3, 49e3)), NO_FIX, None, None),
    ],
)
def test_the_law(told: Told, before: Where | None, state: str | None, floor: int | None) -> None:
    now = where(told, before)
    assert (None if now is None else now.state) == state
    assert (None if now is None else now.floor) == floor


class Everybody:
    def sees(self, _agency: str) -> bool:
        return True


class Post:
    def __init__(self, bench: Any, state: HubState, ask: Callable[..., Any]) -> None:
        self.bench, self.state, self.ask = bench, state, ask
        self.part, self.row = state.safety.inside, 0
        ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("王海")})

    def says(self, seconds: int, **values: int) -> list[dict[str, Any]]:
        """What screens are told meanwhile."""
        told: list[Any] = []
        for _ in range(seconds):
            self.bench.clock.now += 1_000
            self.row += 1
            self.bench.put(self.bench.frame(row=self.row, rows=[values]))
            self.bench.ingest.tracks.step(self.bench.clock.now)
            self.part.look(self.bench.clock.now)
            everybody: Any = Everybody()
            told += [make(everybody) for make in self.part.changes()]
        self.part.keep()
        return told

    def enters(self, lat: int, lon: int) -> None:
        self.row += 1
        values = {"event_code": EventCode.ENTERED, "event_id": self.row, "event_phase": 0}
        values |= {"event_lat_deg_e7": lat, "event_lon_deg_e7": lon}
        event = self.bench.frame(row=self.row, rows=[values], kind=2, lane=0, stream=0)
        self.part.hear(self.bench.put(event))

    def now(self) -> Any:
        return self.ask("GET", f"/api/v1/units/{self.bench.units.rows[0].id}").json()["inside"]


@pytest.fixture
def post(bench: Any, state: HubState, ask: Callable[..., Any]) -> Post:
    return Post(bench, state, ask)


def fix(north_m: int = 0, hacc_dm: int = 40) -> dict[str, int]:
    return {
        "lat_deg_e7": 366_500_000 + 90 * north_m,
        "lon_deg_e7": 1_170_000_000,
        "hacc_dm": hacc_dm,
        "fix_mode": 3,
    }


def test_who_loses_the_sky_is_listed_at_the_last_good_fix_and_drawn_at_the_last_one(post: Post) -> None:
    post.says(10, **fix(0))
    post.says(3, **fix(4, 900))  # reflections in the doorway
    told = post.says(30, fix_mode=0)
    assert [one["state"] for one in told] == ["no_fix"], "told once"
    assert told[0]["entrance"]["how"] == "fix"
    assert told[0]["entrance"]["lat_deg"] == pytest.approx(36.65)
    assert told[0]["entrance"]["radius_m"] == 4.0
    assert post.bench.lat() == 366_500_000 + 90 * 4, "no marker is invented: it stays at its last fix"
    assert post.now()["state"] == "no_fix"
    assert [one["state"] for one in post.says(15, **fix(30))] == ["out"]
    assert post.now() is None


def test_floors_and_basements_stand_beside_the_entrance(post: Post) -> None:
    post.says(5, **fix())
    post.enters(366_501_234, 1_170_004_321)
    told = post.says(10, duty=Duty.ENTERED, floor=1, floor_band_e1=3)
    told += post.says(10, duty=Duty.ENTERED, floor=3, floor_band_e1=5)
    told += post.says(10, duty=Duty.ENTERED, floor=-2, floor_band_e1=6)
    assert [(one["state"], one["floor"]) for one in told] == [
        ("inside", 1),
        ("inside", 3),
        ("underground", -2),
    ]
    assert {one["entrance"]["how"] for one in told} == {"event"}
    assert told[-1]["entrance"]["lon_deg"] == pytest.approx(117.0004321)
    assert told[-1]["band"] == 0.6
    post.bench.clock.now += 600_000
    post.part.look(post.bench.clock.now)
    assert post.now()["floor"] == -2, "who falls silent inside is inside"
    assert [one["state"] for one in post.says(3, duty=Duty.STANDBY, **fix())] == ["out"]


def test_it_is_kept_over_a_restart(post: Post) -> None:
    post.says(5, **fix())
    post.says(5, duty=Duty.ON_AIR, floor=4)
    before = post.part.of(0)
    again = Insides(post.part._ground)
    again.load()
    assert again.of(0) == before
    again.look(post.bench.clock.now)
    assert again.of(0) == before
    assert list(again.changes()) == []
    assert again.gauges() == {"units_inside": 1, "units_underground": 0, "units_no_fix": 0}
    post.says(3, duty=Duty.STANDBY, **fix())
    gone = Insides(post.part._ground)
    gone.load()
    assert gone.of(0) is None


def test_others_do_not_hear_of_it(post: Post) -> None:
    stranger: Any = type("Stranger", (), {"sees": lambda _self, _agency: False})()
    post.says(2, duty=Duty.ENTERED)
    assert post.part.message(0, stranger) is None
