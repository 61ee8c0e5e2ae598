"""The law of a track: reference gains, outliers, receivers, and a fixed number of numpy calls."""

import math
from typing import Any

import numpy as np
import pytest

from hub.live import track_law as law
from hub.live.track_law import Fixes

T0 = 1_795_000_000_000
M = 0.011_131_949
PERSON = np.array(law.motion("person"))[:, None]


def fixes(t_s: float, east_m: float, north_m: float, radius_m: float = 5 * 1.51, device: int = 7) -> Fixes:
    lat, lon = 366_500_000 + north_m / M, 1_170_000_000 + east_m / (M * math.cos(math.radians(36.65)))
    values = (T0 + 1_000 * t_s, lat, lon, radius_m, device)
    return Fixes(*(np.array([float(value)]) for value in values))


def run(*steps: Fixes, motions: Any = PERSON) -> Any:
    state = law.begin(1)
    for fix in steps:
        state = law.step(state, fix, motions)
    return state[:, 0]


def test_steady_gains_are_kalatas() -> None:
    """T 1 s, σa 1, σz 5: α .467328, β .145969."""
    before = run(*(fixes(t, 0, 0) for t in range(200)))
    after = run(*(fixes(t, 0, 0) for t in range(200)), fixes(200, 1, 0))
    alpha, beta = after[law.E] - before[law.E], after[law.VE] - before[law.VE]
    assert alpha == pytest.approx(0.467328, abs=1e-6)
    assert beta == pytest.approx(0.145969, abs=1e-6)


def test_velocity_of_who_walks_north_east() -> None:
    state = run(*(fixes(t, 1.2 * t, 1.2 * t) for t in range(60)))
    said = law.smoothed(state[:, None])
    assert said.speed_mps[0] == pytest.approx(1.2 * math.sqrt(2), rel=1e-3)
    assert said.course_deg[0] == pytest.approx(45, abs=0.1)
    assert said.radius_m[0] < 5 * 1.51, "better than one fix"
    assert state[law.COUNT] == 0


def test_one_fix_that_is_off_is_quarantined() -> None:
    still = [fixes(t, 0, 0) for t in range(30)]
    off = run(*still, fixes(30, 60, 0))
    assert (off[law.OUT], off[law.COUNT]) == (1, 1)
    assert off[law.AWAY] == pytest.approx(60, abs=0.1)
    back = run(*still, fixes(30, 60, 0), fixes(31, 0, 0))
    assert (back[law.OUT], back[law.AWAY], back[law.COUNT]) == (0, 0, 1)
    assert abs(back[law.E]) < 1e-6, "it was never fed to the filter"


def test_three_that_agree_are_believed_and_three_that_do_not_are_not() -> None:
    still = [fixes(t, 0, 0) for t in range(30)]
    moved = run(*still, *(fixes(t, 200, 0) for t in (30, 31, 32)))
    assert (moved[law.OUT], moved[law.COUNT], moved[law.HITS]) == (0, 2, 1)
    wild = run(*still, fixes(30, 200, 0), fixes(31, -200, 0), fixes(32, 0, 200))
    assert (wild[law.OUT], wild[law.COUNT]) == (1, 3)


def test_silence_opens_the_gate_and_a_long_one_begins_anew() -> None:
    still = [fixes(t, 0, 0) for t in range(30)]
    assert run(*still, fixes(89, 300, 0))[law.OUT] == 0, "a minute is enough to walk 300 m away"
    assert run(*still, fixes(330, 0, 0))[law.HITS] == 1


def test_the_better_receiver_is_believed_and_they_do_not_take_turns() -> None:
    phone = [fixes(t + 0.5, 15, 0, 20.0, 9) for t in range(20)]
    terminal = [fixes(t, 0, 0, 4.0, 7) for t in range(20)]
    both = sorted(phone + terminal, key=lambda fix: fix.t_ms[0])
    mine = [run(*both[: i + 1])[law.DEVICE] for i in range(len(both))]
    assert set(mine) == {7.0}
    late = run(*both, *(fixes(20 + t, 15, 0, 20.0, 9) for t in range(50)))
    assert late[law.DEVICE] == 9, (
        "the better one is silent: 4 m and 0.8 m/s are more than twice 20 m after 45 s"
    )
    assert run(*both, fixes(30, 15, 0, 20.0, 9))[law.DEVICE] == 7
    first = run(fixes(0, 15, 0, 20.0, 9), fixes(0.5, 0, 0, 12.0, 7))
    assert first[law.DEVICE] == 9, "a little better is no reason to change"


def test_places_far_from_the_anchor_and_beyond_the_date_line() -> None:
    state = law.begin(1)
    motions = np.array(law.motion("vehicle"))[:, None]
    lon = 1_799_990_000
    for t in range(0, 2_000, 1):
        here = (lon + 3_000 * t + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
        row = (T0 + 1_000.0 * t, 366_500_000.0, float(here), 5.0, 7.0)
        state = law.step(state, Fixes(*(np.array([value]) for value in row)), motions)
    said = law.smoothed(state)
    assert state[law.COUNT, 0] == 0
    assert said.lon_deg[0] == pytest.approx(here / 1e7, abs=1e-5)
    assert said.speed_mps[0] == pytest.approx(3_000 * M * math.cos(math.radians(36.65)), rel=1e-2)
    assert abs(state[law.E, 0]) < law.FAR_M + 1_000


class Counted(np.ndarray[Any, Any]):
    """Counts what numpy is asked for."""

    calls = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **more: Any) -> Any:
        Counted.calls += 1
        plain = [one.view(np.ndarray) if isinstance(one, Counted) else one for one in inputs]
        if out is not None:
            more["out"] = tuple(one.view(np.ndarray) if isinstance(one, Counted) else one for one in out)
        made = getattr(ufunc, method)(*plain, **more)
        return made.view(Counted) if isinstance(made, np.ndarray) else made

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        Counted.calls += 1
        return super().__array_function__(func, types, args, kwargs)


def calls(n: int) -> int:
    Counted.calls = 0
    one = fixes(1, 0, 0)
    many = Fixes(*(np.repeat(value, n).view(Counted) for value in one))
    law.step(law.begin(n).view(Counted), many, np.repeat(PERSON, n, axis=1).view(Counted))
    return Counted.calls


def test_a_step_is_a_fixed_number_of_numpy_calls() -> None:
    assert calls(1) == calls(10_000) < 160
