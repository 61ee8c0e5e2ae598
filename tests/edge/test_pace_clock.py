"""Row times, UTC offsets, and which samples become rows."""

import pytest

from edge.clock import GNSS_TRUST_MS, BootClock
from edge.pace import COURSE, HACC, LAT, LON, MODE, SATS, SPEED, Pace, fix_values
from protocols.catalog import FIELDS_BY_NAME, ClockSource, field_id
from protocols.samples import Fix, FixMode, Reading

MS = 1_000_000
UTC = 1_795_000_000_000
HEART = field_id("heart_bpm")


def fix(t_ms: int, **changes: object) -> Fix:
    values: dict[str, object] = {
        "t_utc_ms": UTC + t_ms, "mode": FixMode.FIX_3D, "lat_deg_e9": 36_650_021_649, "lon_deg_e9": 117_000_000_050,
        "alt_mm": 31_450, "speed_mmps": 1_449, "course_cdeg": 35_960, "hacc_mm": 4_049, "sats_used": 12,
    } | changes  # fmt: skip
    return Fix(**values)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> BootClock:
    return BootClock(0)


def hear_gnss(clock: BootClock, *pairs: tuple[int, int]) -> None:
    for t_ms, delay_ms in pairs:
        clock.hear(ClockSource.GNSS, UTC + t_ms, (t_ms + delay_ms) * MS)


def test_three_that_agree_make_a_clock_and_the_least_delayed_sets_it(clock: BootClock) -> None:
    hear_gnss(clock, (1000, 300), (2000, 120))
    assert (clock.utc_zero_ms, clock.source) == (None, ClockSource.NONE)
    hear_gnss(clock, (3000, 200))
    assert (clock.utc_zero_ms, clock.source) == (UTC - 120, ClockSource.GNSS)
    assert clock.error_ms == 180


def test_a_receiver_with_garbage_years_is_not_believed(clock: BootClock) -> None:
    for year_ms in (0, 10**11, 5 * 10**11, 10**10):
        clock.hear(ClockSource.GNSS, UTC + year_ms, 1000 * MS)
    assert clock.utc_zero_ms is None


def test_small_changes_leave_the_offset_alone_and_a_step_moves_it(clock: BootClock) -> None:
    hear_gnss(clock, *((1000 * i, 200) for i in range(1, 20)))
    zero = clock.utc_zero_ms
    hear_gnss(clock, (20_000, 10))
    assert clock.utc_zero_ms == zero
    for i in range(21, 60):
        clock.hear(ClockSource.GNSS, UTC + 1000 * i + 60_000, 1000 * i * MS)
    assert clock.utc_zero_ms == UTC + 60_000


def test_the_hub_serves_until_gnss_speaks_and_again_long_after(clock: BootClock) -> None:
    for i in range(3):
        clock.hear(ClockSource.HUB, UTC + 5 + i, i * MS)
    assert clock.source == ClockSource.HUB
    hear_gnss(clock, (1000, 0), (2000, 0), (3000, 0))
    assert clock.source == ClockSource.GNSS
    clock.hear(ClockSource.HUB, UTC + 900_000, 4000 * MS)
    assert clock.utc_zero_ms == UTC
    later = GNSS_TRUST_MS + 10_000
    for i in range(3):
        clock.hear(ClockSource.HUB, UTC + later + 700 + i, (later + i) * MS)
    assert clock.source == ClockSource.HUB


def test_a_fix_keeps_its_own_utc_exactly(clock: BootClock) -> None:
    hear_gnss(clock, (1000, 300), (2000, 120), (3000, 200))
    assert clock.utc_zero_ms is not None
    t_ms = clock.row_time_ms(UTC + 4000, 4310 * MS)
    assert clock.utc_zero_ms + t_ms == UTC + 4000
    assert clock.row_time_ms(UTC + 90_000, 4310 * MS) == 4310
    assert clock.row_time_ms(None, 4310 * MS) == 4310


def test_values_in_the_catalogs_quanta() -> None:
    values = fix_values(fix(0))
    assert values == {
        LAT: 366_500_216, LON: 1_170_000_000, field_id("alt_dm"): 314, SPEED: 14, COURSE: 0, HACC: 40,
        MODE: 3, SATS: 12,
    }  # fmt: skip
    assert all(FIELDS_BY_NAME[name].lo <= values[field.id] <= FIELDS_BY_NAME[name].hi
               for name, field in FIELDS_BY_NAME.items() if field.id in values)  # fmt: skip


def test_a_void_fix_never_carries_a_position() -> None:
    assert fix_values(fix(0, mode=FixMode.NONE)) == {MODE: 0, SATS: 12}
    assert fix_values(fix(0, lat_deg_e9=None)) == {MODE: 3, SATS: 12}


def test_standing_still_has_no_course() -> None:
    assert COURSE not in fix_values(fix(0, speed_mmps=300))
    assert COURSE in fix_values(fix(0, speed_mmps=None))


def test_one_row_a_period_holds_all_that_was_heard(clock: BootClock) -> None:
    hear_gnss(clock, (0, 0), (1, 0), (2, 0))
    pace = Pace(clock, 1000)
    rows = []
    for t_ms in range(0, 5000, 100):
        if t_ms == 1400:
            assert pace.take(Reading({HEART: 131}), t_ms * MS) is None
        row = pace.take(fix(t_ms), t_ms * MS)
        rows += [row] if row else []
    assert [row.t_mono_ms for row in rows] == [0, 1000, 2000, 3000, 4000]
    assert [row.values.get(HEART) for row in rows] == [None, None, 131, None, None]


def test_sensors_make_rows_when_the_receiver_is_silent(clock: BootClock) -> None:
    pace = Pace(clock, 1000)
    assert pace.take(fix(0), 0) is not None
    pace.take(Reading({HEART: 120}), 500 * MS)
    assert pace.idle(1400 * MS) is None
    assert pace.idle(1999 * MS) is None
    row = pace.idle(2000 * MS)
    assert row is not None
    assert (row.t_mono_ms, row.values) == (2000, {HEART: 120})
    assert pace.idle(9000 * MS) is None
