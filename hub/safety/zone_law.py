"""Two laws of zones: inside, unsure or outside so that nobody chatters at an edge; and when somebody will be inside.

Enters: metres from edges, doubts, velocities. Leaves: states, seconds. Pure numpy. Caller: `zone_watch`.

A unit against a growing circle is a quadratic; other forms go by sphere tracing, whose step never passes an edge by.
**Source:** J. C. Hart, Sphere tracing, The Visual Computer 12 (1996) 527.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hub.live.picture import F64, I64

OUTSIDE, UNSURE, CALLED, INSIDE = 0, 1, 2, 3
"""UNSURE: the edge lies within the circle of doubt. CALLED: the same, but it was more likely in than out once
since it was outside. INSIDE: the whole circle is."""
HYSTERESIS_M = 5.0
DOUBT_M_MAX = 500.0
"""A circle of doubt counts up to here. After an hour of silence nobody knows where a unit is: it is unsure where it was
last, not in half of the city."""
I8 = npt.NDArray[np.int8]

STEPS_MAX = 24
NEAR_ENOUGH_M = 0.1
NEAR_AT_LAST_M = 5.0
"""As near as a position is wrong."""


def step(before: I8, edge_m: F64, doubt_m: F64) -> I8:
    """The states now. `edge_m`: from the edge, negative inside.

    In at −doubt − 5 m, no longer in at −doubt; out at +doubt + 5 m, no longer out at +doubt: so from called to not
    called somebody has to go through the whole of their doubt. The state never rises with `edge_m`.
    """
    inside = edge_m + doubt_m <= np.where(before == INSIDE, 0.0, -HYSTERESIS_M)
    outside = edge_m - doubt_m >= np.where(before == OUTSIDE, 0.0, HYSTERESIS_M)
    called = (before >= CALLED) | (edge_m <= 0)
    out = np.where(called, CALLED, UNSURE)
    out = np.where(outside & ~inside, OUTSIDE, out)
    return np.where(inside, INSIDE, out).astype(np.int8)


def to_disc_s(x: F64, y: F64, vx: F64, vy: F64, radius_m: F64, grows_mps: F64) -> F64:
    """Seconds until points at (x, y) that move so are within a disc around (0, 0); 0: they are; inf: never.

    500 m away, radius 100, 1.2 m/s straight on: 333.33 s; with a disc growing at 0.5 m/s: 235.29 s.
    """
    far2 = x * x + y * y - radius_m * radius_m
    a = vx * vx + vy * vy - grows_mps * grows_mps
    b = x * vx + y * vy - radius_m * grows_mps  # half of the linear term
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(b * b - a * far2)
        square = np.where(a > 0, (-b - root) / a, (-b - root) / np.where(a == 0, np.nan, a))
        straight = np.where(b < 0, -far2 / (2 * b), np.inf)
    # a < 0: the disc outruns the point, and the one root ahead is the one that is not negative
    found = np.where(np.abs(a) < 1e-9, straight, square)
    found = np.where(np.isnan(found) | (found < 0), np.inf, found)
    return np.where(far2 <= 0, 0.0, found)


def to_edge_s(edge_m: Callable[[I64, F64], F64], first_m: F64, closing_mps: F64, within_s: F64) -> F64:
    """Seconds until points are inside any form; inf: not within so many. `edge_m(at, t_s)`: from the edge then, of the
    pairs `at`; `closing_mps`: by which it can shrink at most. Told too early by at most NEAR_ENOUGH_M's time, never
    too late. After STEPS_MAX steps whoever is within NEAR_AT_LAST_M is told the soonest that it can be, and who passes
    farther from the edge than that may be told 'never'."""
    out = np.where(first_m <= 0, 0.0, np.inf)
    at = np.flatnonzero((first_m > 0) & (first_m <= closing_mps * within_s))
    t = np.zeros(len(at))
    left = first_m[at]
    for _ in range(STEPS_MAX):
        t = t + left / closing_mps[at]
        going = t <= within_s[at]
        at, t = at[going], t[going]
        if not len(at):
            break
        left = edge_m(at, t)
        there = left <= NEAR_ENOUGH_M
        out[at[there]] = t[there]
        at, t, left = at[~there], t[~there], left[~there]
    else:
        near = left <= NEAR_AT_LAST_M
        out[at[near]] = t[near]
    return out
