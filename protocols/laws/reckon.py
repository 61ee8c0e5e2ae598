"""Dead reckoning: a unit reports only when a straight line from its last report no longer shows where it is.

Enters: positions and times. Leaves: when to report, where to draw the unit since, and how far it may be from there.
Callers: the edge's narrow bearers (`Trigger`), the hub and, in its twin hub/web/src/laws/reckon.ts, the screen. Both
ends compute from the decoded report, so they agree. Times are ms on one clock, any. The twins share
tests/web/reckon_vectors.json.

The law. A unit is drawn at `position + velocity · min(age, t_max + late)`. Until `t_max + late` it is within E of
there: else it would have reported, at the latest after t_max, and `late` is what the report may take on its way. After
that a report is missing: the drawn place stands still and the bound grows as fast as such a unit can move.
**Source:** IEEE 1278.1 (DIS), dead reckoning model F of first order, without rotation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, hypot, radians, sin

from protocols.catalog import FIELDS_BY_NAME
from protocols.units import METRES_PER_DEG_LAT

ERROR_M = 25.0
T_MAX_S = 60.0
LATE_S = 15.0
"""What a report may take on its way before it counts as missing."""
TRAIL_MS = 4_000
"""Without speed and course the velocity is that of the last so many ms of trail."""
TRAIL_GAP_MS_MAX = 5_000
STANDING_MPS = 0.3
"""Below, a receiver's course is noise."""
_E7 = 1e7
_BITS = [FIELDS_BY_NAME[name].bit for name in ("lat_deg_e7", "lon_deg_e7", "speed_dmps", "course_deg")]


@dataclass(frozen=True, slots=True)
class Law:
    """The settings of a unit: E, m; the longest silence of a unit that is well, s; a report's time on its way, s."""

    error_m: float = ERROR_M
    t_max_s: float = T_MAX_S
    late_s: float = LATE_S

    @property
    def quiet_s(self) -> float:
        """Silence up to here says that all is as drawn."""
        return self.t_max_s + self.late_s


@dataclass(frozen=True, slots=True)
class State:
    """Where a unit was, and how it moved: metres a second to the north and east."""

    t_ms: int
    lat_deg_e7: int
    lon_deg_e7: int
    north_mps: float = 0.0
    east_mps: float = 0.0


def state_of(
    times_ms: Sequence[int],
    lat_deg_e7: Sequence[int | None],
    lon_deg_e7: Sequence[int | None],
    speed_dmps: Sequence[int | None] = (),
    course_deg: Sequence[int | None] = (),
) -> State | None:
    """The state at the end of a report's rows, oldest first; None when no row has a position.

    Speed and course count when the last row with a position has them; else the trail tells the velocity.
    """
    pairs = zip(lat_deg_e7, lon_deg_e7, strict=False)
    placed = [at for at, (lat, lon) in enumerate(pairs) if lat is not None and lon is not None]
    if not placed:
        return None
    last = placed[-1]
    lat, lon = lat_deg_e7[last] or 0, lon_deg_e7[last] or 0
    speed = speed_dmps[last] if last < len(speed_dmps) else None
    course = course_deg[last] if last < len(course_deg) else None
    if speed is not None and (course is not None or speed / 10 < STANDING_MPS):
        mps, turn = speed / 10, radians(course or 0)
        north, east = (mps * cos(turn), mps * sin(turn)) if mps >= STANDING_MPS else (0.0, 0.0)
        return State(times_ms[last], lat, lon, north, east)
    first = _trail_start(times_ms, placed)
    dt_s = (times_ms[last] - times_ms[first]) / 1_000
    if dt_s <= 0:
        return State(times_ms[last], lat, lon)
    north_m, east_m = offset_m(lat_deg_e7[first] or 0, lon_deg_e7[first] or 0, lat, lon)
    return State(times_ms[last], lat, lon, north_m / dt_s, east_m / dt_s)


def state_of_columns(times_ms: Sequence[int], columns: Mapping[int, Sequence[int | None]]) -> State | None:
    """The state at the end of a frame of STATE: `protocols.frame.Frame.columns`, and times on the caller's clock."""
    return state_of(times_ms, *(columns.get(bit, ()) for bit in _BITS))


def _trail_start(times_ms: Sequence[int], placed: Sequence[int]) -> int:
    """The row from which the trail is unbroken and long enough."""
    first = placed[-1]
    for at in reversed(placed[:-1]):
        gap_ms = times_ms[first] - times_ms[at]
        if times_ms[placed[-1]] - times_ms[first] >= TRAIL_MS or not 0 < gap_ms < TRAIL_GAP_MS_MAX:
            break
        first = at
    return first


def offset_m(
    lat_deg_e7: float, lon_deg_e7: float, to_lat_deg_e7: float, to_lon_deg_e7: float
) -> tuple[float, float]:
    """Metres north and east from one place to a near one, on a plane; across 180° too."""
    turn_e7 = (to_lon_deg_e7 - lon_deg_e7 + 180 * _E7) % (360 * _E7) - 180 * _E7
    north_m = (to_lat_deg_e7 - lat_deg_e7) / _E7 * METRES_PER_DEG_LAT
    return north_m, turn_e7 / _E7 * METRES_PER_DEG_LAT * cos(radians(lat_deg_e7 / _E7))


def predict(state: State, t_ms: int, law: Law = Law()) -> tuple[float, float]:
    """Where to draw the unit: latitude and longitude, 1e-7 degrees. Before its report it is where it reported."""
    dt_s = min(max(0.0, (t_ms - state.t_ms) / 1_000), law.quiet_s)
    scale = METRES_PER_DEG_LAT * max(0.01, cos(radians(state.lat_deg_e7 / _E7)))
    lat = state.lat_deg_e7 + state.north_mps * dt_s / METRES_PER_DEG_LAT * _E7
    lon = state.lon_deg_e7 + state.east_mps * dt_s / scale * _E7
    return min(max(lat, -90 * _E7), 90 * _E7), (lon + 180 * _E7) % (360 * _E7) - 180 * _E7


def bound_m(age_s: float, speed_max_mps: float, law: Law = Law()) -> float:
    """The error to draw `age_s` after the reported fix, metres. `speed_max_mps`: nobody of this kind is faster."""
    return law.error_m + speed_max_mps * max(0.0, age_s - law.quiet_s)


class Trigger:
    """Says when to report. Pure: every call brings its time."""

    __slots__ = ("_law", "_state")

    def __init__(self, error_m: float = ERROR_M, t_max_s: float = T_MAX_S) -> None:
        self._law = Law(error_m, t_max_s)
        self._state: State | None = None

    def error_m(self, t_ms: int, lat_deg_e7: int, lon_deg_e7: int) -> float:
        """How far the unit is from where the other end draws it; infinite before the first report."""
        if self._state is None:
            return float("inf")
        return hypot(*offset_m(*predict(self._state, t_ms, self._law), lat_deg_e7, lon_deg_e7))

    def due(self, t_ms: int, lat_deg_e7: int | None = None, lon_deg_e7: int | None = None) -> bool:
        """Whether to report now. Without a fix only the longest silence counts."""
        if self._state is None:
            return lat_deg_e7 is not None
        if t_ms - self._state.t_ms >= 1_000 * self._law.t_max_s:
            return True
        if lat_deg_e7 is None or lon_deg_e7 is None:
            return False
        return self.error_m(t_ms, lat_deg_e7, lon_deg_e7) > self._law.error_m

    def sent(self, state: State) -> None:
        """The report has been handed to a bearer; `state` is of its decoded rows (`state_of`)."""
        self._state = state
