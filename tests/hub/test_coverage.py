"""Coverage against a naive set."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.live import coverage
from hub.live.coverage import Coverage, CoverageFull

RANGES = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda p: (p[0], p[0] + p[1]))
STEPS = st.lists(st.tuples(st.booleans(), RANGES), max_size=40)


def spread(pairs: list[tuple[int, int]]) -> list[int]:
    return [row for first, last in pairs for row in range(first, last + 1)]


@given(STEPS)
def test_like_a_set(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    made, data, gaps = Coverage(), set(), set()
    for is_gap, (first, last) in steps:
        asked = set(range(first, last + 1))
        if is_gap:
            assert spread(made.close(first, last)) == sorted(asked - data - gaps)
            gaps |= asked - data
        else:
            assert spread(made.add(first, last)) == sorted(asked - data)
            data |= asked
            gaps -= asked
        closed = data | gaps
        assert spread(list(made.closed)) == sorted(closed)
        assert spread(list(made.gaps)) == sorted(gaps)
        assert made.watermark == next(n for n in range(200) if n not in closed)
        assert made.top == max(closed, default=-1)
        pairs = list(made.closed)
        assert all(b + 1 < c for (_, b), (c, _) in pairwise(pairs)), "joined and rising"
        again = Coverage(made.closed.flat(), made.gaps.flat())
        assert list(again.closed) == pairs


@given(
    st.sets(st.integers(0, 80)),
    st.lists(st.integers(0, 80), unique=True, max_size=20).map(sorted),
    st.booleans(),
)
def test_what_is_neither_held_nor_covered_is_lost(have: set[int], held: list[int], complete: bool) -> None:
    made = Coverage()
    for row in have:
        made.add(row, row)
    lost = spread(made.close_all_but([(row, row) for row in held], complete=complete))
    top = max([*held, *have], default=-1) if complete else max(held, default=-1)
    assert lost == [row for row in range(top + 1) if row not in have and row not in held]


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "RANGES_MAX", 3)
    made = Coverage()
    for row in (0, 2, 4):
        made.add(row, row)
    with pytest.raises(CoverageFull):
        made.add(8, 9)
    assert list(made.closed) == [(0, 0), (2, 2), (4, 4)]
    assert made.add(5, 5) == [(5, 5)]
    assert made.add(1, 1) == [(1, 1)]
    assert made.add(8, 9) == [(8, 9)]


def test_further_always_names_the_highest() -> None:
    made = Coverage()
    for row in range(0, 20, 2):
        made.add(row, row)
    assert made.further(3) == ((2, 2), (4, 4), (18, 18))


def test_rows_in_steps_speak_for_those_between_and_are_stored_once() -> None:
    coverage = Coverage()
    coverage.add(0, 4)
    coverage.close(12, 13)
    fresh, lost = coverage.add_steps(0, 3, 10)  # 0, 10, 20 of 0…29
    assert fresh == [(10, 10), (20, 20)]
    assert lost == 29 + 1 - 5 - 2 - 2
    assert coverage.watermark == 30
    assert coverage.add_steps(0, 3, 10) == ([], 0)
    assert coverage.add(12, 12) == [(12, 12)]  # a gap that comes after all is stored, once
    assert coverage.add(10, 12) == []
