"""Limits of silence follow how often a unit reports and by what, without saying so again and again."""

from typing import Any

import pytest

from hub.live.contact import LOST_S_MAX, STALE_S_MAX, Contact, limits
from hub.live.picture import Changes, Picture
from hub.live.rhythm import GAPS_MAX, Rhythms
from hub.live.units import Units
from hub.store.interface import Binding, UnitRow
from protocols.catalog import Bearer, Lane

T0 = 1_795_000_000_000
LTE, BEIDOU, MESH = Bearer.MQTT, Bearer.RDSS, Bearer.MESH


class Post:
    """One unit with device 7, stale after 30 s and lost after 300 by the roster."""

    def __init__(self) -> None:
        self.picture = Picture(4)
        self.units = Units(self.picture)
        row = UnitRow("u", "U", "person", "fire", "", 30, 300)
        self.units.load([row], [Binding(7, "u", 0, None)])
        self.rhythms = Rhythms()
        self.contact = Contact(self.units, self.rhythms)
        self.now_ms = T0
        self.flaps = 0
        self.metas: list[tuple[int, int]] = []
        self.was_silent = False

    def run(self, seconds: int, **every_s: int) -> None:
        """Second by second; `LTE=1` reports each second by it."""
        for _ in range(seconds):
            self.now_ms += 1_000
            for name, each_s in every_s.items():
                if (self.now_ms - T0) // 1_000 % each_s == 0:
                    self.rhythms.hear(7, globals()[name], self.now_ms)
                    changes = Changes()
                    changes.rx.append((0, self.now_ms, self.now_ms, 0))
                    self.picture.apply(changes)
            if self.contact.look(self.now_ms):
                self.metas.append(self.units.limits_of(0))
            silent = self.units.silent(self.now_ms) == 1
            self.flaps += silent != self.was_silent
            self.was_silent = silent


def test_a_unit_by_beidou_each_minute_does_not_flap() -> None:
    post = Post()
    post.run(3_600, BEIDOU=60)
    assert post.flaps == 0
    assert post.metas == [(180, 600)]
    post.run(200)
    assert post.was_silent, "it is stale three minutes after its last report"
    assert post.metas == [(180, 600)]


def test_a_unit_at_one_hertz_is_stale_as_the_roster_says() -> None:
    post = Post()
    post.run(600, LTE=1)
    assert (post.metas, post.flaps) == ([], 0)
    post.run(31)
    assert post.was_silent
    assert not post.rhythms.slow


def test_of_two_ways_the_quickest_that_lives_counts() -> None:
    post = Post()
    post.run(300, LTE=1, BEIDOU=60)
    assert post.metas == [], "the quick one counts"
    post.run(600, BEIDOU=60)
    assert post.metas == [(180, 600)]
    assert post.flaps <= 2, "at most once, while the quick way goes silent"
    post.run(50, LTE=1, BEIDOU=60)
    assert len(post.metas) == 1, "not shortened at once"
    post.run(60, LTE=1, BEIDOU=60)
    assert post.metas[1:] == [(30, 300)]


def test_an_interval_that_wavers_moves_nothing() -> None:
    post = Post()
    for round_ in range(40):
        post.run(50 + round_ % 3 * 10)
        post.run(1, MESH=1)
    assert len(post.metas) <= 2
    assert post.flaps == 0


def test_a_unit_of_the_live_picture_tells_its_limits() -> None:
    post = Post()
    post.run(600, BEIDOU=60)
    meta: Any = post.units.meta([0])[0]
    assert (meta["stale_s"], meta["lost_s"]) == (180, 600)
    post.units.load([post.units.rows[0]._replace(stale_s=300, lost_s=900)], [Binding(7, "u", 0, None)])
    post.run(60, BEIDOU=60)
    assert post.units.limits_of(0) == (300, 900), "the roster's are longer"


@pytest.mark.parametrize(
    ("interval_s", "wanted"),
    [(0, (30, 300)), (10, (30, 300)), (11, (45, 300)), (60, (180, 600)), (3_000, (STALE_S_MAX, LOST_S_MAX))],
)
def test_limits(interval_s: int, wanted: tuple[int, int]) -> None:
    assert limits((30, 300), 1_000 * interval_s) == wanted
    assert limits((3_600, 86_400), 1_000 * interval_s) == (3_600, 86_400), "never below the roster's"


def test_bursts_and_backlogs_say_nothing(bench: Any) -> None:
    for i in range(10):
        bench.clock.now += 60_000
        bench.put(bench.frame(row=100 * i), bench.frame(row=100 * i + 1, t_ms=bench.clock.now - 400))
    rhythm = bench.ingest.rhythms.of(7)[LTE]
    assert rhythm.usual_ms == 60_000
    for i in range(50):
        bench.clock.now += 250
        bench.put(bench.frame(row=5_000 + i, lane=Lane.HISTORY, t_ms=bench.clock.now - 900_000 + 1_000 * i))
    assert rhythm.usual_ms == 60_000
    assert len(rhythm.gaps) <= GAPS_MAX


def test_a_restart_learns_nothing_from_the_log(bench: Any) -> None:
    bench.put(bench.frame())
    bench.restart()
    assert bench.ingest.rhythms.last_bearer(7) == 0
