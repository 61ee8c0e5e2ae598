"""Every conversion constant of the project, and the few conversions that more than one room needs.

Enters: a number in one unit. Leaves: the same quantity in another. A conversion changes the name, so a
variable's suffix always says what it holds.
"""

MMPS_PER_KNOT_E3 = 514_444
"""Micrometres a second in one knot, rounded. **Source:** SI brochure, 1 kn = 1852/3600 m/s."""

MM_PER_M = 1_000
MM_PER_DM = 100
MMPS_PER_DMPS = 100
CDEG_PER_DEG = 100
CDEG_PER_DDEG = 10
E9_PER_E7 = 100
MS_PER_S = 1_000
NS_PER_MS = 1_000_000
MS_PER_DAY = 86_400_000

LAT_DEG_E9_MAX = 90 * 10**9
LON_DEG_E9_MAX = 180 * 10**9

METRES_PER_DEG_LAT = 111_194.93
"""Metres in one degree of latitude on a sphere of 6,371,008.8 m. **Source:** IUGG mean radius R1."""


def divide_half_even(value: int, divisor: int) -> int:
    """Integer division that rounds to nearest, ties to even, so that repeated rounding does not drift.

    `divisor` > 0. Works for negative values, unlike `//`.
    """
    quotient, remainder = divmod(value, divisor)
    twice = 2 * remainder
    if twice > divisor or (twice == divisor and quotient & 1):
        quotient += 1
    return quotient


def deg_e7(deg_e9: int) -> int:
    """1e-9 degrees -> 1e-7 degrees (1.1 cm of latitude), the quantum of the wire."""
    return divide_half_even(deg_e9, E9_PER_E7)


def dm(mm: int) -> int:
    """Millimetres -> decimetres."""
    return divide_half_even(mm, MM_PER_DM)


def dmps(mmps: int) -> int:
    """Millimetres a second -> decimetres a second."""
    return divide_half_even(mmps, MMPS_PER_DMPS)


def deg(cdeg: int) -> int:
    """Hundredths of a degree of course -> whole degrees 0–359."""
    return divide_half_even(cdeg, CDEG_PER_DEG) % 360
