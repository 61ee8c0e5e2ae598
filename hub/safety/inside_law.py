"""Who is inside or underground, out of what their devices say. Pure.

Enters: last values of one unit with their times (`Told`), and whether it was inside before. Leaves: in which way it is
inside and why, or that it is out. All times are the devices' UTC ms, so late data and silence change nothing by
themselves: who falls silent inside is inside.
"""

from typing import NamedTuple

from protocols.catalog import Duty

LOST_MS = 10_000
"""A receiver that has said so long that it has no fix has lost the sky, and is not behind a tree."""
REGAINED_MS = 10_000
"""Fixes for so long again are outside, and not a reflection in a window."""
FLOOR_FRESH_MS = 60_000
"""The gateway says the floor only of who has entered; an older one is of an entry that is over."""
GOOD_M = 30.0
"""A fix no worse than this tells the entrance."""
INSIDE_DUTIES = frozenset({Duty.ENTERED, Duty.ON_AIR})


class Told(NamedTuple):
    """(value, UTC ms) as the device said it last; None: never.

    `heard_ms`: of its newest row; `fix_ms`: of its newest position; `fixed_since_ms`: since when it has had fixes
    without saying in between that it has none.
    """

    heard_ms: float | None = None
    fix_ms: float | None = None
    fixed_since_ms: float | None = None
    mode: tuple[int, float] | None = None
    duty: tuple[int, float] | None = None
    floor: tuple[int, float] | None = None
    is_mine: bool = False


class Where(NamedTuple):
    """`state`: `underground`, `inside` or `no_fix`; `floor` None: not known. `reasons`: `duty`, `floor`, `no_fix`."""

    state: str
    floor: int | None
    reasons: tuple[str, ...]


def where(told: Told, before: Where | None) -> Where | None:
    """In which way a unit is inside; None: it is out, or nothing says that it is in."""
    duty_in = told.duty is not None and told.duty[0] in INSIDE_DUTIES
    fresh = _has_floor(told, duty_in=duty_in)
    no_fix = _has_no_fix(told, before)
    reasons = tuple(
        name for name, is_so in (("duty", duty_in), ("floor", fresh), ("no_fix", no_fix)) if is_so
    )
    if not reasons:
        return None
    kept = before.floor if before is not None else None
    floor = told.floor[0] if fresh and told.floor is not None else kept
    if (floor is not None and floor < 0) or (told.is_mine and no_fix):
        return Where("underground", floor, reasons)
    if duty_in or floor is not None:
        return Where("inside", floor, reasons)
    return Where("no_fix", None, reasons)


def _has_floor(told: Told, *, duty_in: bool) -> bool:
    """The floor is of this entry: heard lately, and not from before a word that it is over."""
    if told.floor is None or told.heard_ms is None or told.heard_ms - told.floor[1] > FLOOR_FRESH_MS:
        return False
    return duty_in or told.duty is None or told.duty[1] <= told.floor[1]


def _has_no_fix(told: Told, before: Where | None) -> bool:
    """It says so and has for a while; once so, until it has had fixes again for a while."""
    if told.mode is None:
        return False
    was = before is not None and "no_fix" in before.reasons
    if told.mode[0] == 0:
        return was or told.fix_ms is None or told.mode[1] - told.fix_ms >= LOST_MS
    if not was:
        return False
    steady_ms = (
        0.0 if told.fix_ms is None or told.fixed_since_ms is None else told.fix_ms - told.fixed_since_ms
    )
    return steady_ms < REGAINED_MS
