"""Pacing: which samples become rows. One row a period holds everything heard in it.

Enters: samples with the time their bytes came. Leaves: rows of the STATE page. Called by `edge.agent`.
A value stands in a row only when it was heard since the row before, so an absent value means silence and
nothing is ever repeated as if it were new.
"""

from edge.clock import BootClock
from protocols.catalog import PAGE_BITS, field_id
from protocols.frame import Row
from protocols.samples import Fix, FixMode, Reading, Sample
from protocols.units import CDEG_PER_DDEG, deg, deg_e7, divide_half_even, dm, dmps

LAT = field_id("lat_deg_e7")
LON = field_id("lon_deg_e7")
ALT = field_id("alt_dm")
SPEED = field_id("speed_dmps")
COURSE = field_id("course_deg")
MODE = field_id("fix_mode")
HEADING = field_id("heading_ddeg")
HACC = field_id("hacc_dm")
SATS = field_id("sats_used")
COURSE_SPEED_DMPS_MIN = 5
"""Below half a metre a second a receiver's course is noise, and noise costs bytes."""
EARLY = 0.04
"""A fix may come this part of a period early and still open the next row."""


def clamp(value: int, lo: int, hi: int) -> int:
    """The nearest value that the catalog allows."""
    return lo if value < lo else hi if value > hi else value


def fix_values(fix: Fix) -> dict[int, int]:
    """A fix in the catalog's quanta. A fix without a position says only its mode and satellites."""
    out = {MODE: int(fix.mode)}
    if fix.sats_used is not None:
        out[SATS] = clamp(fix.sats_used, 0, 255)
    if fix.mode == FixMode.NONE or fix.lat_deg_e9 is None or fix.lon_deg_e9 is None:
        return out
    out[LAT] = deg_e7(fix.lat_deg_e9)
    out[LON] = deg_e7(fix.lon_deg_e9)
    if fix.alt_mm is not None:
        out[ALT] = clamp(dm(fix.alt_mm), -50_000, 1_000_000)
    if fix.speed_mmps is not None:
        out[SPEED] = clamp(dmps(fix.speed_mmps), 0, 10_000)
    if fix.course_cdeg is not None and out.get(SPEED, COURSE_SPEED_DMPS_MIN) >= COURSE_SPEED_DMPS_MIN:
        out[COURSE] = deg(fix.course_cdeg)
    if fix.heading_cdeg is not None:
        out[HEADING] = divide_half_even(fix.heading_cdeg, CDEG_PER_DDEG) % 3_600
    if fix.hacc_mm is not None:
        out[HACC] = clamp(dm(fix.hacc_mm), 0, 1_000_000)
    return out


class Pace:
    """Gathers samples and lets out one row a period: on a fix where there is one, else on the clock."""

    def __init__(self, clock: BootClock, period_ms: int) -> None:
        self._clock = clock
        self._period_ms = period_ms
        self._values: dict[int, int] = {}
        self._due_ms = 0
        self._last_fix_ms = -(10**9)
        self._first_heard_ms: int | None = None

    def take(self, sample: Sample, t_mono_ns: int) -> Row | None:
        """Note a sample; a row when this fix opens the next period."""
        if isinstance(sample, Fix):
            return self._take_fix(sample, t_mono_ns)
        if isinstance(sample, Reading):
            values = {field: value for field, value in sample.values.items() if field < PAGE_BITS}
            if values:
                self._note(self._clock.mono_ms(t_mono_ns), values)
        return None

    def _note(self, now_ms: int, values: dict[int, int]) -> None:
        if self._first_heard_ms is None:
            self._first_heard_ms = now_ms
        self._values.update(values)

    def _take_fix(self, fix: Fix, t_mono_ns: int) -> Row | None:
        t_ms = self._clock.row_time_ms(fix.t_utc_ms, t_mono_ns)
        early_ms = self._due_ms - t_ms
        if self._period_ms * EARLY < early_ms <= self._period_ms:
            return None
        self._last_fix_ms = self._clock.mono_ms(t_mono_ns)
        self._note(self._last_fix_ms, fix_values(fix))
        return self._close(t_ms)

    def idle(self, t_mono_ns: int) -> Row | None:
        """A row without a fix, when values wait and no fix has come for two periods."""
        now_ms = self._clock.mono_ms(t_mono_ns)
        if self._first_heard_ms is None or now_ms - self._first_heard_ms < self._period_ms:
            return None
        if now_ms - self._last_fix_ms < 2 * self._period_ms:
            return None
        return self._close(now_ms)

    def _close(self, t_ms: int) -> Row:
        row = Row(t_ms, self._values)
        self._values = {}
        self._first_heard_ms = None
        # the grid is kept while fixes keep to it, so that jitter does not add up
        late_ms = t_ms - self._due_ms
        self._due_ms = (self._due_ms if abs(late_ms) < self._period_ms // 2 else t_ms) + self._period_ms
        return row
