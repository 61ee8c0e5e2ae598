"""The teleport gate: a position that nothing could have reached since the last one is kept off the picture.

Enters: a device's rows in order of their coming. Leaves: which of them are doubted. Pure. Caller: `hub.live.ingest`.

It is kept by device, not by unit: two devices on one unit that disagree are two honest receivers or one bad one, and
by unit they would accuse each other by turns. Only what is newer than the newest accepted position is judged; older
rows belong to the trail. Silence opens the gate by itself, because the reach grows with time.
"""

from collections.abc import Sequence
from math import cos, hypot, radians

from hub.live.picture import LAT, LON, POSITION_BITS
from protocols.catalog import FIELDS_BY_NAME

Columns = dict[int, list[int | None]]

REACH_MPS = {
    "person": 90.0,  # a person may be flown: rescue helicopters cruise at 70, and there is wind
    "vehicle": 70.0,  # the fastest fire engine does 40, a police car 70
    "drone": 100.0,
    "vessel": 40.0,
    "base": 40.0,  # a command post is a lorry on its way, too
}
REACH_ANY_MPS = 100.0
SLACK_M = 100.0
"""What a receiver may jump for no reason, as under trees and beside walls."""
ACCURACIES = 3.0
"""The stated accuracy is a 68 % circle: three of them hold nearly everything."""
ACCURACY_M_MAX = 2_000.0
"""No more than this is believed of a stated accuracy, else a forged one would open the gate."""
NEAR_E7 = 6_000
"""Within SLACK_M in both directions together: 67 m of latitude, less of longitude. The usual case, tested first."""
AGREEING_MIN = 5
AGREEING_MS_MIN = 5_000
"""So many positions over so long that agree at the new place, in more than one frame, are believed: then the accepted
one may have been the wrong one, and a unit must not stay lost."""
GATES_MAX = 65_536
_M_PER_E7 = 0.011_131_949
"""Metres of a 1e-7 degree of a great circle, WGS 84's equator."""
_TURN_E7 = 3_600_000_000
_HACC = FIELDS_BY_NAME["hacc_dm"].bit


class _Gate:
    """One device: its newest accepted position, and the doubted ones that may replace it."""

    __slots__ = ("agreeing", "doubted", "hacc_dm", "lat", "lon", "since_ms", "t_ms")

    def __init__(self, t_ms: int, lat: int, lon: int, hacc_dm: int) -> None:
        self.accept(t_ms, lat, lon, hacc_dm)

    def accept(self, t_ms: int, lat: int, lon: int, hacc_dm: int) -> None:
        self.t_ms, self.lat, self.lon, self.hacc_dm = t_ms, lat, lon, hacc_dm
        self.doubted: tuple[int, int, int, int] | None = None
        self.agreeing = 0
        self.since_ms = 0


class Gates:
    """All devices that told a position since the start."""

    def __init__(self) -> None:
        self._gates: dict[int, _Gate] = {}

    def near(self, device: int, t_ms: int, columns: Columns) -> bool:
        """The usual case, for a few comparisons: the last row is newer than the accepted position and within NEAR_E7
        of it, or there is no position at all. False: ask `judge`."""
        lats, lons = columns.get(LAT), columns.get(LON)
        if lats is None or lons is None:
            return True
        lat, lon = lats[-1], lons[-1]
        gate = self._gates.get(device)
        if (
            gate is None
            or lat is None
            or lon is None
            or t_ms <= gate.t_ms
            or gate.doubted is not None
            or not -NEAR_E7 <= lat - gate.lat <= NEAR_E7
            or not -NEAR_E7 <= lon - gate.lon <= NEAR_E7
        ):
            return False
        gate.t_ms, gate.lat, gate.lon = t_ms, lat, lon
        hacc = columns.get(_HACC)
        gate.hacc_dm = 0 if hacc is None else hacc[-1] or 0
        return True

    def judge(self, device: int, unit_kind: str, times: Sequence[int], columns: Columns) -> list[int]:
        """Indices of rows whose position is doubted; mostly none. `columns` has latitudes and longitudes."""
        reach_mps = REACH_MPS.get(unit_kind, REACH_ANY_MPS)
        doubted = []
        began_here = False
        haccs = columns.get(_HACC) or [None] * len(times)
        for i, (t_ms, lat, lon, hacc) in enumerate(
            zip(times, columns[LAT], columns[LON], haccs, strict=True)
        ):
            if lat is None or lon is None:
                continue
            here = (t_ms, lat, lon, hacc or 0)
            gate = self._gates.get(device)
            if gate is None:
                self._put(device, _Gate(*here))
            elif t_ms <= gate.t_ms:
                continue
            elif _reachable((gate.t_ms, gate.lat, gate.lon, gate.hacc_dm), here, reach_mps):
                gate.accept(*here)
            else:
                began_here |= self._doubt(gate, here)
                if (
                    gate.agreeing >= AGREEING_MIN
                    and t_ms - gate.since_ms >= AGREEING_MS_MIN
                    and not began_here
                ):
                    gate.accept(*here)
                else:
                    doubted.append(i)
        return doubted

    def _doubt(self, gate: _Gate, here: tuple[int, int, int, int]) -> bool:
        """Whether a new place begins with it: it does not agree with the one doubted before, either."""
        before = gate.doubted
        if before is not None and here[0] <= before[0]:
            return False  # came before, or late: says nothing new
        gate.doubted = here
        if before is not None and _reachable(before, here, REACH_ANY_MPS):
            gate.agreeing += 1
            return False
        gate.agreeing, gate.since_ms = 1, here[0]
        return True

    def _put(self, device: int, gate: _Gate) -> None:
        if len(self._gates) >= GATES_MAX:
            del self._gates[next(iter(self._gates))]
        self._gates[device] = gate


def without(columns: Columns, doubted: Sequence[int]) -> Columns:
    """The same rows, the doubted ones without their position."""
    out = dict(columns)
    for bit in POSITION_BITS:
        if bit in out:
            out[bit] = list(out[bit])
            for i in doubted:
                out[bit][i] = None
    return out


def _reachable(a: tuple[int, int, int, int], b: tuple[int, int, int, int], reach_mps: float) -> bool:
    """Whether something could be at `a` and then at `b`: (t ms, lat, lon 1e-7 degrees, accuracy dm)."""
    north_m = (b[1] - a[1]) * _M_PER_E7
    east_e7 = (b[2] - a[2] + _TURN_E7 // 2) % _TURN_E7 - _TURN_E7 // 2
    east_m = east_e7 * _M_PER_E7 * cos(radians((a[1] + b[1]) / 2e7))
    accuracy_m = sum(min(hacc_dm / 10, ACCURACY_M_MAX) for hacc_dm in (a[3], b[3]))
    reach_m = reach_mps * (b[0] - a[0]) / 1000 + ACCURACIES * accuracy_m + SLACK_M
    return hypot(north_m, east_m) <= reach_m
