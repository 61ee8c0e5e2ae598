"""A value of the catalog in its unit, out of its quanta. Pure."""

import numpy as np
import numpy.typing as npt

from protocols.catalog import Field

DIGITS = {"1": 0, "0.1": 1, "0.001": 3, "1e-7": 7}
"""Digits behind the point of a quantum."""


def scaled(field: Field, value: int) -> float | int:
    """A value in its unit."""
    digits = DIGITS[field.quantum]
    return round(value / 10**digits, digits) if digits else value


def scaled_all(
    field: Field, values: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
    """A column of values in its unit; whole numbers stay whole."""
    digits = DIGITS[field.quantum]
    return np.round(values / 10**digits, digits) if digits else values
