"""Tracks and receivers: the same whatever came first, and what the feed shows of them."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.live import track_law as law
from hub.live.picture import FLAG_OUTLIER, FLAG_SMOOTHED, Changes, Picture
from hub.live.track_replay import GONE, KEPT, RING
from hub.live.tracks import Tracks
from hub.live.units import Units
from hub.store.interface import Binding, UnitRow
from protocols.catalog import FIELDS_BY_NAME, Kind

T0 = 1_795_000_000_000
BIT = {name: FIELDS_BY_NAME[name].bit for name in ("lat_deg_e7", "lon_deg_e7", "hacc_dm", "fix_mode")}
LAT0, LON0 = 366_500_000, 1_170_000_000
ONE = np.zeros(1, np.int64)


class World:
    """A picture with three units: 7; 8 and 9 on one; 10."""

    def __init__(self) -> None:
        self.picture = Picture(4)
        self.units = Units(self.picture)
        rows = [
            UnitRow(f"u{i}", f"U{i}", kind, "fire", "", 30, 300)
            for i, kind in enumerate(("person", "person", "vehicle"))
        ]
        carried = [(7, "u0"), (8, "u1"), (9, "u1"), (10, "u2")]
        self.units.load(rows, [Binding(device, unit, 0, None) for device, unit in carried])
        self.slot = {device: int(unit[1]) for device, unit in carried}
        self.tracks = Tracks(self.picture, self.units)

    def put(self, *frames: tuple[int, list[tuple[int, int, int, int]]]) -> None:
        """Frames of (device, rows of (time, lat, lon, hacc)), as ingest does it."""
        changes = Changes()
        for device, rows in frames:
            times = [row[0] for row in rows]
            columns: Any = {bit: [row[i + 1] for row in rows] for i, bit in enumerate(BIT.values()) if i < 3}
            columns[BIT["fix_mode"]] = [3 if device == 8 else 4] * len(rows)
            slot = self.slot[device]
            ranks = [device * 10**9 + t - T0 for t in times]
            holder = device if slot in self.units.shared else 0
            self.tracks.hear(slot, device, times, columns, preview=False)
            self.tracks.receivers.hear_modes(slot, device, times, ranks, columns)
            changes.add_columns(slot, Kind.STATE, times, ranks, columns, 0, holder)
        self.picture.apply(changes)
        for device, (slot, t_ms, rank, tag, *values) in changes.held:
            self.tracks.receivers.hear(slot, device, t_ms, rank, tag, tuple(values))

    def all(self) -> list[Any]:
        self.tracks.settle()
        columns = {k: v for k, v in self.picture.columns(np.arange(3)).items() if k not in ("hist", "t_rx")}
        drawn = [self.tracks.receivers.drawn(slot) for slot in range(3)]
        return [[self.tracks.state(slot) for slot in range(3)], columns, drawn]


def same(one: list[Any], other: list[Any]) -> None:
    np.testing.assert_allclose(one[0], other[0], rtol=1e-12, atol=0)
    assert one[1:] == other[1:]


def row(t_ms: int, east: int = 0, north: int = 0, hacc_dm: int = 50) -> tuple[int, int, int, int]:
    """Metres from a place."""
    return T0 + t_ms, 366_500_000 + 90 * north, 1_170_000_000 + 112 * east, hacc_dm


FIX = st.builds(
    row, st.integers(0, 200).map(lambda i: 400 * i), st.integers(-150, 150), st.integers(-150, 150),
    st.sampled_from((-1, 20, 50, 300)),
)  # fmt: skip
FRAME = st.tuples(st.sampled_from((7, 8, 9, 10)), st.lists(FIX, min_size=1, max_size=4))


def unique(frames: list[Any]) -> list[Any]:
    """A device's fix of one moment is one fix, and a frame's rows are in order of time."""
    known: dict[tuple[int, int], Any] = {}
    for device, rows in frames:
        for one in rows:
            known.setdefault((device, one[0]), one)
    return sorted(((device, [one]) for (device, _), one in known.items()), key=lambda f: (f[1][0][0], f[0]))


@settings(max_examples=60)
@given(st.lists(FRAME, min_size=1, max_size=25), st.data())
def test_shuffled_doubled_and_late_is_as_ordered(frames: list[Any], data: st.DataObject) -> None:
    ordered = unique(frames)
    first = World()
    for frame in ordered:
        first.put(frame)
        first.tracks.step(0)
    mixed = data.draw(st.permutations(ordered + data.draw(st.lists(st.sampled_from(ordered), max_size=6))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(mixed)), max_size=3)))
    second = World()
    for begin, end in zip([0, *cuts], [*cuts, len(mixed)], strict=True):
        second.put(*mixed[begin:end])
        second.tracks.step(data.draw(st.integers(0, 5)) * 1_000)
    same(first.all(), second.all())


@pytest.mark.parametrize("seed", range(2))
def test_ten_minutes_with_five_minutes_of_disorder(seed: int) -> None:
    """More than is kept, so that the oldest have gone: late by up to 280 fixes is still as if it had been in time."""
    wild = random.Random(seed)
    rows = [
        row(1_000 * i, int(1.3 * i) + (80 if i % 97 == 5 else 0), wild.randrange(-4, 5)) for i in range(700)
    ]
    first, second = World(), World()
    first.put(*[(7, [one]) for one in rows])
    behind = [(i + wild.random() * wild.choice((0, 3, 280)), i) for i in range(700)]
    order = [i for _, i in sorted(behind)]
    for begin in range(0, 700, 35):
        second.put(*[(7, [rows[i]]) for i in order[begin : begin + 35]])
        second.tracks.step(begin * 1_000)
    same(first.all(), second.all())
    assert second.tracks.late_dropped == 0
    assert second.tracks.replayed >= 3
    assert first.tracks.outliers(0) >= 7
    assert KEPT + GONE == RING


def test_what_is_older_than_all_that_is_kept_is_left_to_the_trail() -> None:
    world = World()
    world.put(*[(7, [row(1_000 * i)]) for i in range(10, 10 + RING + 1)])
    before = world.all()
    world.put((7, [row(0, 500)]))
    same(before, world.all())
    assert world.tracks.late_dropped == 1


def test_a_repeat_of_all_changes_nothing_and_runs_nothing_again() -> None:
    world = World()
    frames = [(7, [row(1_000 * i, i)]) for i in range(50)]
    world.put(*frames)
    before = world.all()
    world.put(*frames)
    same(before, world.all())
    assert world.tracks.replayed == 0


def test_an_outlier_is_drawn_where_it_was_measured_with_a_circle_to_where_it_was_expected() -> None:
    world = World()
    world.put(*[(7, [row(1_000 * i)]) for i in range(30)])
    world.put((7, [row(30_000, 60)]))
    world.tracks.step(0)
    columns = world.picture.columns(ONE)
    assert np.frombuffer(columns["lon"], "<i4")[0] == 1_170_000_000 + 112 * 60
    assert int(np.frombuffer(columns["hacc"], "<u2")[0]) == pytest.approx(600, abs=10)
    assert world.picture.flags(ONE)[0] & FLAG_OUTLIER
    assert (world.tracks.outliers(0), world.tracks.outliers_in_all(), world.tracks.outlying()) == (1, 1, 1)
    world.put((7, [row(31_000, 0)]))
    world.tracks.step(0)
    assert not world.picture.flags(ONE)[0] & FLAG_OUTLIER
    assert np.frombuffer(world.picture.columns(ONE)["hacc"], "<u2")[0] == 50


def test_speed_of_a_receiver_that_gives_none_is_the_tracks_and_says_so() -> None:
    world = World()
    world.put(*[(10, [row(1_000 * i, 8 * i)]) for i in range(30)])
    world.tracks.step(0)
    two = np.array([2])
    columns = world.picture.columns(two)
    assert int(np.frombuffer(columns["speed"], "<u2")[0]) == pytest.approx(80, abs=2)
    assert np.frombuffer(columns["course"], "<u2")[0] == 90
    assert world.picture.flags(two)[0] & FLAG_SMOOTHED
    assert np.frombuffer(columns["lon"], "<i4")[0] == 1_170_000_000 + 112 * 8 * 29, (
        "the place is the fix's own"
    )


def test_two_receivers_are_one_marker_that_does_not_zigzag() -> None:
    world, one, drawn = World(), np.array([1]), []
    for i in range(60):
        world.put((8, [row(1_000 * i, 15, 0, 200)]))
        world.tracks.step(0)
        world.put((9, [row(1_000 * i + 300, 0, 0, 30)]))
        world.tracks.step(0)
        drawn.append(int(np.frombuffer(world.picture.columns(one)["lon"], "<i4")[0]))
    assert set(drawn[1:]) == {1_170_000_000}
    assert world.tracks.receivers.drawn(1) == 9
    assert world.picture.columns(one)["mode"] == b"\x04", "the mode is that receiver's too"
    world.put(*[(8, [row(60_000 + 1_000 * i, 15, 0, 200)]) for i in range(60)])
    world.tracks.step(0)
    assert world.tracks.receivers.drawn(1) == 8, "the better one has been silent for a minute"
    assert world.picture.pos_time[1] == T0 + 119_000


def test_a_unit_that_gives_a_device_back_is_as_any_other() -> None:
    world = World()
    world.put((8, [row(0)]), (9, [row(300, 0, 0, 500)]))
    world.tracks.step(0)
    assert world.tracks.receivers.drawn(1) == 8
    world.units.load([], [Binding(7, "u0", 0, None), Binding(9, "u1", 0, None)])
    world.tracks.step(0)
    assert (world.tracks.receivers.drawn(1), world.picture.shared_mode[1]) == (0, -1)
    world.put((9, [row(1_000, 5, 0, 500)]))
    assert world.picture.pos_time[1] == T0 + 1_000


def test_a_device_that_was_handed_on_is_not_where_the_unit_is() -> None:
    world = World()
    world.units.load([], [Binding(device, "u1", 0, None) for device in (8, 9, 11)])
    world.slot[11] = 1
    world.put((9, [row(0, 0, 0, 20)]), (8, [row(100, 30, 0, 100)]), (11, [row(200, 31, 0, 100)]))
    world.tracks.step(0)
    assert world.tracks.receivers.drawn(1) == 9
    world.units.load([], [Binding(device, "u1", 0, None) for device in (8, 11)] + [Binding(9, "u0", 0, None)])
    world.put((8, [row(1_000, 30, 0, 100)]))
    world.tracks.step(0)
    assert world.tracks.receivers.drawn(1) == 8
    assert world.picture.pos_time[1] == T0 + 1_000


def test_who_gets_a_second_device_stays_where_the_first_one_measured_until_it_is_silent() -> None:
    world = World()
    world.units.load([], [Binding(7, "u0", 0, None), Binding(8, "u1", 0, None)])
    world.put((8, [row(0, 5)]))
    world.tracks.step(0)
    world.units.load([], [Binding(8, "u1", 0, None), Binding(9, "u1", 0, None)])
    world.put((9, [row(1_000, 90)]))
    world.tracks.step(0)
    assert (world.picture.pos_time[1], world.tracks.receivers.drawn(1)) == (T0, 0)
    world.put((9, [row(9_000, 90)]))
    world.tracks.step(0)
    assert (world.picture.pos_time[1], world.tracks.receivers.drawn(1)) == (T0 + 9_000, 9)


def test_fixes_of_ten_a_second_are_thinned_to_one() -> None:
    world = World()
    world.put(*[(7, [row(100 * i)]) for i in range(100)])
    world.tracks.step(0)
    assert world.tracks.state(0)[law.HITS] == 10


def test_the_tracks_follow_units_that_are_new() -> None:
    world = World()
    rows = [UnitRow(f"v{i}", f"V{i}", "person", "fire", "", 30, 300) for i in range(300)]
    world.units.load(rows, [Binding(100 + i, f"v{i}", 0, None) for i in range(300)])
    world.slot |= {100 + i: world.units.slot_by_id[f"v{i}"] for i in range(300)}
    world.put((7, [row(0)]), *[(100 + i, [row(0, i)]) for i in range(300)])
    world.tracks.step(0)
    assert world.tracks.of(302) is not None
    assert world.tracks.believed(302) == 399


def test_rows_without_a_position_or_a_radius() -> None:
    world = World()
    lat, lon = BIT["lat_deg_e7"], BIT["lon_deg_e7"]
    times = [T0, T0 + 1_000, T0 + 2_000]
    world.tracks.hear(0, 7, times, {lat: [366_500_000, None, 366_500_000], lon: [1, 2, None]}, preview=False)
    world.tracks.hear(0, 7, times, {BIT["hacc_dm"]: [1, 2, 3]}, preview=False)
    world.tracks.step(0)
    assert (world.tracks.state(0)[law.HITS], world.tracks.state(0)[law.ACC]) == (1, 25.0)
    assert world.tracks.good_fix(0, 30.0) is None, "a radius that nobody told is not good"


def test_a_preview_gives_way_to_the_full_row_of_its_moment() -> None:
    first, second = World(), World()
    coarse, full = [row(0, 9)], [row(0, 0)]
    for world, order in ((first, ((coarse, True), (full, False))), (second, ((full, False), (coarse, True)))):
        for rows, preview in order:
            columns: Any = {bit: [one[i + 1] for one in rows] for i, bit in enumerate(BIT.values()) if i < 3}
            world.tracks.hear(0, 7, [rows[0][0]], columns, preview=preview)
            world.tracks.step(0)
    same(first.all()[:1], second.all()[:1])
    assert first.tracks.good_fix(0, 30.0) == (T0, 36.65, 117.0, 5.0)


MOVES = st.lists(
    st.tuples(st.sampled_from((7, 8)), st.integers(0, 59), st.integers(0, 40), st.sampled_from((20, 40, 300))),
    min_size=2, max_size=12, unique_by=lambda move: move[:2],
)  # fmt: skip


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(MOVES, st.data())
def test_frames_of_two_devices_of_one_unit_in_any_order(
    new_bench: Any, moves: Any, data: st.DataObject
) -> None:
    """Through ingest, log and all: shuffled, doubled and late is as ordered."""

    def run(order: list[Any], cuts: list[int]) -> list[Any]:
        bench = new_bench()
        bench.registry.bind(8, bench.units.rows[0].id, 0)
        bench.load()
        start = bench.clock.now
        bench.clock.now += 60_000
        frames = [
            bench.frame(
                device, second, t_ms=start + 1_000 * second,
                rows=[{"lat_deg_e7": LAT0 + 90 * north, "lon_deg_e7": LON0, "hacc_dm": hacc, "fix_mode": 3}],
            )
            for device, second, north, hacc in order
        ]  # fmt: skip
        for begin, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
            bench.put(*frames[begin:end])
            bench.ingest.tracks.step(bench.clock.now)
        bench.ingest.tracks.settle()
        columns = bench.picture.columns(ONE)
        return [
            bench.ingest.tracks.state(0),
            {k: v for k, v in columns.items() if k != "hist"},
            bench.units.meta([0]),
        ]

    ordered = sorted(moves, key=lambda move: (move[1], move[0]))
    mixed = data.draw(st.permutations(ordered + data.draw(st.lists(st.sampled_from(ordered), max_size=4))))
    same(run(ordered, list(range(1, len(ordered)))), run(mixed, [data.draw(st.integers(0, len(mixed)))]))
