"""The arithmetic of search: detection, posterior, and where the next hours do most.

Enters: plain numbers. Leaves: plain numbers. Pure. Caller: `hub.safety.search`.
**Source:** B. O. Koopman, Search and Screening (1946): POD = 1 − e^(−WL/A); optimal effort by one Lagrange multiplier.
"""

from collections.abc import Sequence
from math import exp, log

SWEEP = {"low": 1.1, "medium": 1.6, "high": 1.8}
"""Sweep width over detection range Rd, by how well the target can be seen."""


def pod(sweep_m: float, track_m: float, area_m2: float) -> float:
    """Probability of detection, 0–1, of one who is in the area. `area_m2` above 0."""
    return 1.0 - exp(-sweep_m * track_m / area_m2)


def posterior(poa: Sequence[float], pods: Sequence[float]) -> list[float]:
    """POA after a search that found nobody. The rest of the world is one of the cells, its POD 0. All 0 when every cell
    was searched with certainty: then the prior was wrong."""
    left = [p * (1.0 - d) for p, d in zip(poa, pods, strict=True)]
    whole = sum(left)
    return [p / whole if whole > 0 else 0.0 for p in left]


def allocate(poa: Sequence[float], rates: Sequence[float], hours: float) -> list[float]:
    """Hours for each cell, their sum `hours`, so that most is found: t = [ln(p·a) − ln λ]/a where that is above 0.

    `rates` a = W·v/A per hour, 0 where one cannot search. Cells of no probability get nothing.
    """
    cells = [(i, p * a, a) for i, (p, a) in enumerate(zip(poa, rates, strict=True)) if p * a > 0]
    cells.sort(key=lambda cell: -cell[1])
    found = [0.0] * len(poa)
    for n in range(len(cells), 0, -1):  # how many cells are worth searching at all
        used = cells[:n]
        log_lambda = (sum(log(pa) / a for _, pa, a in used) - hours) / sum(1 / a for _, _, a in used)
        if log(used[-1][1]) >= log_lambda:
            for i, pa, a in used:
                found[i] = (log(pa) - log_lambda) / a
            break
    return found


def success(poa: Sequence[float], rates: Sequence[float], hours: Sequence[float]) -> float:
    """POS of these hours, 0–1."""
    return sum(p * (1.0 - exp(-a * t)) for p, a, t in zip(poa, rates, hours, strict=True))
