"""The picture: the same in every order of arrival, and its columns."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hub.live.picture import CHANNEL, FLAG_CLOCK, Changes, Picture, clock_tag, rank
from protocols.catalog import FIELDS_BY_NAME, Kind

FIELDS = ("lat_deg_e7", "lon_deg_e7", "speed_dmps", "heart_bpm", "battery_pct")
ROW = st.tuples(st.integers(0, 2), st.integers(1, 2), st.integers(0, 5), st.integers(0, 6))
VALUES = st.fixed_dictionaries({name: st.none() | st.integers(0, 90) for name in FIELDS})
FRAMES = st.lists(st.tuples(ROW, st.lists(VALUES, min_size=1, max_size=3)), min_size=1, max_size=8)


def changes_of(frames: list[Any]) -> Changes:
    changes = Changes()
    for (slot, device, row, t), rows in frames:
        n = len(rows)
        columns = {FIELDS_BY_NAME[f].bit: [values[f] for values in rows] for f in FIELDS}
        columns = {bit: column for bit, column in columns.items() if any(v is not None for v in column)}
        ranks = [rank(device, 1, 1, row * 10 + i) for i in range(n)]
        changes.add_columns(slot, Kind.STATE, [1000 * t + 500 * i for i in range(n)], ranks, columns, 0)
    return changes


def state(picture: Picture) -> list[Any]:
    parts = [picture.time, picture.rank, picture.pos_time, picture.pos_rank, picture.pos]
    known = np.where(np.isnan(picture.time), 0, picture.value)
    return [part[..., : picture.n].tolist() for part in [*parts, known]]


def made(batches: list[list[Any]]) -> Picture:
    picture = Picture(2)
    for _ in range(3):
        picture.add_unit()
    for batch in batches:
        picture.apply(changes_of(batch))
    return picture


@given(FRAMES, st.data())
def test_order_repeats_and_batches_do_not_matter(frames: list[Any], data: st.DataObject) -> None:
    # A row is one thing: the same device, row and time never carry two contents.
    unique = list({(r[1], r[2]): (r, v) for r, v in frames}.values())
    mixed = data.draw(st.permutations(unique + data.draw(st.lists(st.sampled_from(unique), max_size=5))))
    cut = data.draw(st.integers(0, len(mixed)))
    np.testing.assert_equal(state(made([mixed[:cut], mixed[cut:]])), state(made([unique])))
    np.testing.assert_equal(state(made([[one] for one in mixed])), state(made([unique])))


def test_a_position_is_one_thing() -> None:
    picture = made([])
    both = {"lat_deg_e7": 5, "lon_deg_e7": 6, "speed_dmps": 30, "heart_bpm": 80, "battery_pct": None}
    bare = {"lat_deg_e7": 7, "lon_deg_e7": 8, "speed_dmps": None, "heart_bpm": None, "battery_pct": None}
    picture.apply(changes_of([((0, 1, 0, 1), [both])]))
    picture.apply(changes_of([((0, 1, 1, 2), [bare])]))
    columns = picture.columns(np.array([0]))
    assert np.frombuffer(columns["lat"], "<i4").tolist() == [7]
    assert np.frombuffer(columns["speed"], "<u2").tolist() == [65535], (
        "the speed of another place is not shown"
    )
    assert columns["hr"] == bytes([80]), "a heart rate has its own time"
    assert picture.time[CHANNEL["heart_bpm"], 0] == 1000


def test_absent_values() -> None:
    columns = made([]).columns(np.array([0]))
    assert np.isnan(np.frombuffer(columns["t_fix"], "<f8")).all()
    assert np.frombuffer(columns["alt"], "<i4").tolist() == [-(2**31)]
    for name, absent in (("speed", 65535), ("course", 65535), ("hacc", 65535), ("air", 65535)):
        assert np.frombuffer(columns[name], "<u2").tolist() == [absent], name
    assert columns["hr"] == columns["bat"] == b"\xff"
    assert columns["mode"] == b"\0"


def test_worst_accuracy_is_not_absent() -> None:
    picture = made([])
    changes = Changes()
    bits = [FIELDS_BY_NAME[name].bit for name in ("lat_deg_e7", "lon_deg_e7", "hacc_dm")]
    changes.add_columns(0, Kind.STATE, [1], [1], dict(zip(bits, [[1], [2], [900_000]], strict=True)), 0)
    picture.apply(changes)
    assert np.frombuffer(picture.columns(np.array([0]))["hacc"], "<u2").tolist() == [65534]


def test_hist_grows_when_the_trail_on_screen_is_out_of_date() -> None:
    picture = made([])
    fix = {"lat_deg_e7": 5, "lon_deg_e7": 6, "speed_dmps": 1, "heart_bpm": 1, "battery_pct": 1}
    picture.apply(changes_of([((0, 1, 5, 5), [fix])]))
    assert picture.hist[0] == 0
    picture.apply(changes_of([((0, 1, 1, 1), [fix])]))
    assert picture.hist[0] == 1
    assert picture.pos_time[0] == 5000
    picture.apply(changes_of([((0, 1, 6, 6), [fix, fix])]))
    assert picture.hist[0] == 2


def test_estimated_times_move_and_are_proven() -> None:
    picture, tag = made([]), clock_tag(1, 9)
    changes = Changes()
    changes.add_columns(0, Kind.STATE, [1000], [1], {0: [1], 1: [2], 6: [80]}, tag)
    changes.rx.append((0, 1000, 1000, tag))
    picture.apply(changes)
    assert picture.flags(np.array([0])).tolist() == [FLAG_CLOCK]
    picture.redate(0, tag, -300, proven=False)
    assert (picture.pos_time[0], picture.row_time[0]) == (700, 700)
    picture.redate(0, tag, -100, proven=True)
    picture.redate(0, tag, -100, proven=True)
    assert (picture.pos_time[0], picture.flags(np.array([0])).tolist()) == (600, [0])


def test_grows_and_keeps() -> None:
    picture = made([[((2, 1, 1, 1), [dict.fromkeys(FIELDS, 3)])]])
    for _ in range(100):
        picture.add_unit()
    assert picture.pos_time[2] == 1000
    assert picture.value[CHANNEL["heart_bpm"], 2] == 3
    assert picture.capacity >= picture.n == 103
