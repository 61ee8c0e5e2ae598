"""Whatever comes: nothing is raised by Python, alarms nest, state is bounded."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.guard.settings import EntryConfig, GuardConfig, HeartConfig, PassConfig, Person
from protocols.catalog import FIELDS, HAPPENINGS_FROM, Duty, EventPhase, Kind, Source, field_id
from protocols.samples import Fix, FixMode, Heard, Identity, Impact, Note, Observed, Pressed, Reading, Said
from protocols.wearer import Gesture, Pattern

Drive = Any
ALL_ON = replace(GuardConfig(), heart=HeartConfig(core=True), entry=EntryConfig(beacon=3))
STATE_FIELDS = [field for field in FIELDS if field.page == Kind.STATE]
RSSI = field_id("obs_rssi_dbm")
HOT = [field_id(name) for name in ("activity_mg", "posture", "scba_kpa", "heart_bpm", "pressure_pa", "co_ppm",
                                   "o2_permille", "gas_faults", "gas_over", "lel_permille")]  # fmt: skip


def value_of(field_number: int) -> st.SearchStrategy[tuple[int, int]]:
    field = next(f for f in FIELDS if f.id == field_number)
    return st.tuples(st.just(field_number), st.integers(field.lo, field.hi))


readings = st.builds(
    lambda pairs: Reading(dict(pairs)),
    st.lists(st.sampled_from([*HOT, *HOT, *(f.id for f in STATE_FIELDS)]).flatmap(value_of), max_size=4),
)
fixes = st.builds(
    lambda mode, speed: Fix(None, mode, 1, 1, None, speed),
    st.sampled_from(FixMode),
    st.one_of(st.none(), st.integers(0, 10**6)),
)
samples = st.one_of(
    readings, readings, readings, fixes,
    st.builds(Pressed, st.sampled_from(Gesture)),
    st.builds(Impact, st.integers(0, 32_000)),
    st.builds(lambda dbm: Observed(Source.BEACON, 3, {RSSI: dbm}), st.integers(-120, 0)),
    st.just(Heard(Source.MESH, 1, Said.NAME, "x")), st.just(Identity("a")), st.just(Note("a", {})),
)  # fmt: skip
steps = st.lists(
    st.tuples(
        st.one_of(
            samples,
            st.sampled_from(Duty),
            st.sampled_from((Pattern.ROLL_CALL, Pattern.EVACUATE)),
            st.integers(-1, 5),
            st.booleans(),
        ),
        st.sampled_from((0, 1, 200, 1_000, 30_000, 700_000)),
    ),
    max_size=60,
)


def do(drive: Drive, what: Any) -> None:
    if isinstance(what, Duty):
        drive.take(drive.guard.set_duty(what, drive.t_ms))
    elif isinstance(what, Pattern):
        drive.guard.ask(what, "", drive.t_ms)
    elif isinstance(what, bool):
        drive.guard.disk(what)
    elif isinstance(what, int):
        ids = [row["event_id"] for _, row in drive.rows]
        drive.take(drive.guard.seen(ids[what] if 0 <= what < len(ids) else what, "名" * 80, drive.t_ms))
    else:
        drive.hear(what)


def check_nesting(rows: list[tuple[int, dict[str, int]]]) -> None:
    """Every id: raised once, first; ended at most once; after it only answers that say the same end."""
    told: dict[int, list[EventPhase]] = {}
    codes: dict[tuple[int, int, int], int] = {}
    for _, row in rows:
        if row["event_code"] != 0 and row["event_code"] < HAPPENINGS_FROM:
            told.setdefault(row["event_id"], []).append(EventPhase(row["event_phase"]))
            key = (row["event_code"], row.get("event_field", -1), row.get("event_threshold", 0))
            phase = row["event_phase"]
            if phase == EventPhase.RAISED:
                assert key not in codes, "two of a kind open at once"
                codes[key] = row["event_id"]
            elif phase in (EventPhase.CLEARED, EventPhase.CANCELLED) and "event_seen" not in row:
                assert codes.pop(key) == row["event_id"]
    for phases in told.values():
        assert phases[0] == EventPhase.RAISED
        assert phases.count(EventPhase.RAISED) == 1
        ends = [phase in (EventPhase.CLEARED, EventPhase.CANCELLED) for phase in phases]
        assert ends == sorted(ends)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_any_sequence_is_judged_and_its_alarms_nest(
    new_drive: Callable[..., Drive], found: list[Any]
) -> None:
    drive = new_drive(ALL_ON)
    for what, wait_ms in found:
        do(drive, what)
        drive.t_ms += wait_ms
        drive.run(0.2)
    check_nesting(drive.rows)
    drive.guard.status(drive.t_ms)
    after = new_drive(ALL_ON)
    after.guard.resume(drive.guard.keep(), 0)
    assert after.guard.mark() == drive.guard.mark()
    after.run(1)


def test_a_thousand_hours_of_noise_take_no_more_memory(new_drive: Callable[..., Drive]) -> None:
    drive = new_drive(ALL_ON)

    def size() -> int:
        for name in ("rows", "plays", "shows"):
            getattr(drive, name).clear()
        parts = [
            drive.guard._events,
            drive.guard._arbiter,
            drive.guard._entry,
            drive.guard._now,
            drive.guard._asked,
        ]
        rules = [vars(rule) for _, rule in drive.guard._rules]
        return len(pickle.dumps((parts, rules, drive.guard._stood, drive.guard._told)))

    def noise(count: int, seed: int) -> None:
        number = seed
        for _ in range(count):
            number = (number * 1_103_515_245 + 12_345) % 2**31
            for name, top in (
                ("co_ppm", 400),
                ("scba_kpa", 30_000),
                ("heart_bpm", 230),
                ("activity_mg", 500),
            ):
                drive.say(**{name: number % top})
            if number % 7 == 0:
                drive.press(list(Gesture)[number % len(Gesture)])
            drive.take(drive.guard.seen(number, "a", drive.t_ms))
            drive.t_ms += 5_000
            drive.run(0.2)

    noise(1_500, 1)
    first = size()
    noise(3_000, 2)
    assert size() < 1.25 * first


def test_settings_at_their_limits_are_judged_too(new_drive: Callable[..., Drive]) -> None:
    drive = new_drive(
        GuardConfig(pass_=PassConfig(pre_s=5, alarm_s=8)), Person(cylinder_l=60, air_lpm=10, age_years=90)
    )
    drive.press(Gesture.ENTRY)
    drive.run(60, scba_kpa=60_000, heart_bpm=240, activity_mg=0, pressure_pa=20_000)
    assert drive.state["air_left_s"] == 36_000
