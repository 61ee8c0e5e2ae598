"""The laws of entry control: sunset, the retreat rule, who is inside, breath out of typed pressures. Tables."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.safety.entry_retreat import DEADBAND_S, HIDDEN, Strain, Term, judge
from hub.safety.entry_team import MEMBERS_MAX, READINGS_MAX, EntryRefused, Member, Read, Team, by_hand
from hub.safety.sun import sunset_ms
from protocols.laws import air

T0 = 1_795_000_000_000
MINUTE_MS = 60_000


def utc(words: str) -> int:
    return int(datetime.fromisoformat(words).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("lat", "lon", "at", "sunset"),
    [  # published to the minute
        (51.5074, -0.1278, "2007-10-02T12:00", "2007-10-02T17:37"),
        (51.5074, -0.1278, "2007-12-22T12:00", "2007-12-22T15:53"),
        (51.5074, -0.1278, "2015-12-01T01:00", "2015-12-01T15:55"),
        (51.5074, -0.1278, "2018-11-04T22:00", "2018-11-04T16:29"),
        (41.9028, 12.4964, "2000-01-01T12:00", "2000-01-01T15:49"),
        (52.2297, 21.0122, "2014-10-03T12:00", "2014-10-03T16:10"),
        (-33.9252, 18.4241, "2016-12-21T12:00", "2016-12-21T17:57"),
        (
            40.7128,
            -74.0060,
            "2026-06-22T00:00",
            "2026-06-22T00:31",
        ),  # New York's evening is the next day in UTC
        (39.9042, 116.4074, "2026-06-21T00:00", "2026-06-21T11:46"),
        (39.9042, 116.4074, "2026-12-21T08:00", "2026-12-21T08:53"),
    ],
)
def test_the_sun_sets_when_tables_say(lat: float, lon: float, at: str, sunset: str) -> None:
    found = sunset_ms(lat, lon, utc(at))
    assert found is not None
    assert abs(found - utc(sunset)) <= 2 * MINUTE_MS


def test_where_the_sun_does_not_set_or_rise_there_is_no_sunset() -> None:
    assert sunset_ms(69.65, 18.96, utc("2026-06-21T12:00")) is None
    assert sunset_ms(69.65, 18.96, utc("2026-12-21T12:00")) is None


def test_the_least_term_binds_and_the_way_out_counts() -> None:
    terms = [
        Term("air", "空气", "air", 900),
        Term("daylight", "日落", "sunset", 700),
        Term("zone", "险", "zone", 800),
    ]
    made = judge(terms, egress_s=500, margin_s=120, stood=False)
    assert (made.binding, made.slack_s, made.recommend) == (terms[1], 200, False)
    assert judge(terms, 580, 120, stood=False).recommend is False, "exactly the margin is enough"
    assert judge(terms, 581, 120, stood=False).recommend is True
    assert judge(terms, 580 - DEADBAND_S + 1, 120, stood=True).recommend is True, "it ends with a deadband"
    assert judge(terms, 580 - DEADBAND_S, 120, stood=True).recommend is False
    assert judge([], 10, 120, stood=True).recommend is False, "of nothing nothing follows"
    said = made.message(body=True)
    assert [(t["name"], t["value"]) for t in said["terms"]][-2:] == [("egress", 8.3), ("margin", 2.0)]


def test_who_may_not_see_bodies_sees_that_they_should_come_out_and_not_why() -> None:
    terms = [Term("air", "空气", "air", 900), Term("strain", "体力：李四", "strain of Li", 30, private=True)]
    made = judge(terms, 100, 120, stood=False)
    whole, less = made.message(body=True), made.message(body=False)
    assert (whole["binding"], whole["margin_s"]) == ("strain", -70)
    assert (less["recommend"], less["binding"], less["margin_s"]) == (True, HIDDEN[0], None)
    assert "李四" not in str(less)


def test_strain_is_a_line_through_ten_minutes() -> None:
    strain = Strain()
    assert strain.left_s(4.0, T0) is None, "one point is no line"
    assert strain.left_s(5.0, T0 + 5 * MINUTE_MS) == pytest.approx(2.5 / 1.0 * 300)
    assert strain.left_s(4.9, T0 + 15 * MINUTE_MS) is None, "it falls"
    assert strain.left_s(7.5, T0 + 16 * MINUTE_MS) == 0


# --- who is inside -----------------------------------------------------------------------------------------


def team(*units: str, **more: Any) -> Team:
    made = Team("e1", 1, "攻坚一组", "王海", T0, **more)
    for unit in units:
        made.add(Member(unit, unit, unit.upper(), "王海", 6.8), T0)
    return made


moves = st.lists(st.tuples(st.sampled_from(["u1", "u2"]), st.booleans(), st.integers(0, 40)), max_size=12)


@given(moves, st.randoms())
def test_happenings_in_any_order_end_alike(said: list[tuple[str, bool, int]], random: Any) -> None:
    """Shuffled, doubled and late: the newest of each member counts, and of the same time that they left."""
    ordered, shuffled = team("u1", "u2"), team("u1", "u2")
    doubled = said + said[: len(said) // 2]
    random.shuffle(doubled)
    for some, one in ((sorted(said, key=lambda move: move[2]), ordered), (doubled, shuffled)):
        for unit, entered, t in some:
            one.hear(unit, entered=entered, t=T0 + t)
    assert [(m.entered, m.left) for m in ordered.members.values()] == [
        (m.entered, m.left) for m in shuffled.members.values()
    ]
    assert ordered.state == shuffled.state
    for unit, member in ordered.members.items():
        newest = max((t for u, entered, t in said if u == unit and entered), default=-1)
        left = max((t for u, entered, t in said if u == unit and not entered), default=-1)
        assert member.inside == (newest > left)


def test_standby_inside_coming_out_out() -> None:
    one = team("u1")
    one.add(by_hand("李四", "王海", 6.8), T0)
    assert one.state == "standby"
    with pytest.raises(EntryRefused, match="nobody is inside"):
        one.go("coming_out", T0)
    one.hear("u1", entered=True, t=T0 + 1)
    assert (one.state, [m.name for m in one.inside]) == ("inside", ["U1"])
    one.go("inside", T0 + 5)
    assert [m.entered for m in one.inside] == [T0 + 1, T0 + 5], "who is inside stays inside since then"
    one.go("coming_out", T0 + 9)
    assert one.state == "coming_out"
    one.hear("u1", entered=False, t=T0 + 20)
    assert (one.state, one.since_ms) == ("coming_out", T0 + 5), "the one without a device is not out by that"
    one.go("out", T0 + 30, "李四")
    assert one.state == "out"
    one.go("inside", T0 + 40, "李四")
    assert one.state == "inside", "the earlier turning back is not of this entry"
    one.end(T0 + 50)
    assert (one.state, one.inside) == ("ended", [])
    with pytest.raises(EntryRefused, match="has ended"):
        one.go("inside", T0 + 60)


def test_the_way_out_is_as_long_as_the_way_in() -> None:
    one = team("u1")
    assert one.egress_left_s(T0) is None
    one.hear("u1", entered=True, t=T0)
    assert one.egress_left_s(T0 + 300_000) == 300
    one.go("arrived", T0 + 360_000)
    assert one.egress_left_s(T0 + 900_000) == 360, "since they are there it takes no longer"
    one.go("coming_out", T0 + 1_000_000)
    assert one.egress_left_s(T0 + 1_100_000) == 260
    assert one.egress_left_s(T0 + 1_500_000) == 0
    one.plan({"egress_s": 500})
    assert one.egress_left_s(T0 + 1_100_000) == 400, "as somebody said it"


def test_bounds_and_doubles() -> None:
    one = team("u1")
    with pytest.raises(EntryRefused, match="already"):
        one.add(by_hand("U1", "王海", 6.8), T0)
    for i in range(MEMBERS_MAX - 1):
        one.add(by_hand(f"n{i}", "王海", 6.8), T0)
    with pytest.raises(EntryRefused, match="no more"):
        one.add(by_hand("x", "王海", 6.8), T0)
    for i in range(READINGS_MAX + 5):
        one.read("n0", Read(T0 + i, 20_000, "王海"))
    assert len(one.member("n0").readings) == READINGS_MAX
    assert Team.of(one.as_document()) == one


# --- breath ------------------------------------------------------------------------------------------------


def test_without_a_second_reading_the_prior_counts_and_with_it_the_person() -> None:
    member = by_hand("李四", "王海", 6.8)
    member.read(Read(T0, 28_000, "王海"))
    assert member.consumption(40.0)[0].lpm == 40.0
    member.read(Read(T0 + 6 * MINUTE_MS, 20_000, "王海"))  # six minutes apart, as people ask
    used_l = air.litres(28_000, 6.8) - air.litres(20_000, 6.8)
    lpm = member.consumption(40.0)[0].lpm
    assert lpm == pytest.approx((used_l / 6 * 6 + 40.0 * 1) / 7)
    assert lpm > 60


def test_readings_written_down_late_are_the_same_person() -> None:
    said = [Read(T0, 28_000, "a"), Read(T0 + 300_000, 24_000, "a"), Read(T0 + 700_000, 19_000, "a")]
    one, other = by_hand("x", "a", 6.8), by_hand("x", "a", 6.8)
    for reading in said:
        one.read(reading)
    for reading in reversed(said):
        other.read(reading)
    assert one.readings == other.readings
    assert one.consumption(40.0)[0].lpm == other.consumption(40.0)[0].lpm


@pytest.mark.parametrize(
    ("readings", "entered", "entry_kpa"),
    [
        ([(0, 28_000)], 60, 28_000),  # read before going in
        ([(0, 28_000), (300, 24_000)], 60, 28_000),
        ([(100, 27_000), (300, 24_000)], 60, 27_000),  # the first inside
        ([(-2_000, 30_000), (100, 27_000)], 60, 27_000),  # too long before
        ([(0, 28_000), (300, 15_000), (400, 29_000), (600, 25_000)], 60, 29_000),  # another cylinder
    ],
)
def test_what_one_went_in_with(readings: list[tuple[int, int]], entered: int, entry_kpa: int) -> None:
    member = by_hand("x", "a", 6.8)
    member.entered = T0 + entered * 1000
    for t, kpa in readings:
        member.read(Read(T0 + t * 1000, kpa, "a"))
    assert member.consumption(40.0)[1] == entry_kpa
