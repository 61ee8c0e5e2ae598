"""Ingest on a real log: what is kept, shown, acknowledged and refused."""

from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.live.coverage import OLD_MS
from hub.live.picture import FLAG_CLOCK, FLAG_MAN_DOWN, FLAG_QUARANTINED, FLAG_SOS
from protocols import frame
from protocols.catalog import ClockSource, Kind, Lane, Stream
from protocols.errors import REASONS

T0 = 1_795_000_000_000
BOOT = 2**63 + 11


def some(n: int, start: int = 0) -> list[dict[str, int]]:
    return [{"lat_deg_e7": 366_500_000 + start + i, "lon_deg_e7": 1_170_000_000} for i in range(n)]


# --- kept once, acknowledged ------------------------------------------------------------------------------


def test_live_rows_are_acknowledged_together(bench: Any) -> None:
    for row in range(7):
        bench.put(bench.frame(row=row))
    assert bench.acks() == []
    bench.clock.now += 1_000
    ((device, ack),) = bench.acks()
    assert (device, ack.boot, ack.stream, ack.watermark, ack.ranges) == (7, BOOT, Stream.ROWS, 7, ())
    assert bench.acks() == []


@pytest.mark.parametrize("lane", [Lane.SOS, Lane.RECEIPTS, Lane.HISTORY, Lane.BULK])
def test_other_lanes_are_acknowledged_at_once(bench: Any, lane: Lane) -> None:
    bench.put(bench.frame(row=0, lane=lane))
    assert len(bench.acks()) == 1


def test_eight_live_frames_are_acknowledged_at_once(bench: Any) -> None:
    bench.put(*[bench.frame(row=row) for row in range(8)])
    assert bench.acks()[0][1].watermark == 8


def test_a_repeat_is_acknowledged_again_and_stored_once(bench: Any) -> None:
    message = bench.frame(row=0)
    bench.put(message, message)
    bench.put(message)
    assert bench.acks()[0][1].watermark == 1
    assert bench.stored_rows() == [(7, BOOT, 1, 0)]
    assert bench.counters.duplicates == 2


def test_rows_packed_differently_are_stored_once(bench: Any) -> None:
    bench.put(bench.frame(row=2, rows=some(3, 2)))
    bench.put(bench.frame(row=0, rows=some(8), lane=Lane.HISTORY))
    assert sorted(row[3] for row in bench.stored_rows()) == list(range(8))
    assert bench.acks()[0][1].watermark == 8


def test_holes_show_in_the_acknowledgement(bench: Any) -> None:
    bench.put(bench.frame(row=0), bench.frame(row=2, rows=some(2)), bench.frame(row=9, lane=Lane.HISTORY))
    ack = bench.acks()[0][1]
    assert (ack.watermark, ack.ranges) == (1, ((2, 3), (9, 9)))


def test_what_is_left_of_a_thinned_night_closes_the_rest(bench: Any) -> None:
    bench.put(bench.frame(row=0, rows=some(6)))
    thin = bench.frame(row=0, rows=some(3), step=10, lane=Lane.HISTORY, step_ms=10_000)
    bench.put(thin, thin)
    assert sorted(row[3] for row in bench.stored_rows()) == [0, 1, 2, 3, 4, 5, 10, 20]
    assert bench.acks()[0][1].watermark == 30
    assert bench.counters.gap_rows == 4 + 9 + 9
    bench.restart()
    bench.put(thin)
    assert len(bench.stored_rows()) == 8


def test_known_after_a_restart(bench: Any) -> None:
    message = bench.frame(row=0, rows=some(5))
    bench.put(message)
    bench.restart()
    bench.put(message)
    assert len(bench.stored_rows()) == 5
    assert bench.acks()[0][1].watermark == 5


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_row_once_in_any_packing(new_bench: Any, data: st.DataObject) -> None:
    bench = new_bench()
    spans = data.draw(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), min_size=1, max_size=12))
    for first, n in spans:
        if data.draw(st.integers(0, 5)) == 0:
            bench.restart()
        t_ms = T0 - 100_000 + first * 1_000
        bench.put(bench.frame(row=first, rows=some(n, first), t_ms=t_ms, lane=Lane.HISTORY))
    wanted = sorted({row for first, n in spans for row in range(first, first + n)})
    assert sorted(row[3] for row in bench.stored_rows()) == wanted
    trail = bench.history.trail(bench.units.carried(bench.slot()), 0, 2**50, 1_000)
    assert trail.lat_deg_e7 == [366_500_000 + row for row in wanted]
    assert bench.lat() == 366_500_000 + wanted[-1]


def test_nothing_is_acknowledged_without_its_commit(bench: Any) -> None:
    admitted = bench.ingest.admit([bench.frame(row=0), bench.event(0)])
    events = bench.ingest.settle(admitted, safe=False)
    assert bench.acks() == []
    assert bench.lat() == 366_500_000, "a full disk hides nothing from the commander"
    assert [event.code for event in events] == [1]
    assert bench.stored_rows() == []
    assert bench.put(bench.frame(row=0), bench.event(0)) == [], "the same SOS does not alarm twice"
    bench.clock.now += 1_000
    assert len(bench.acks()) == 2
    assert len(bench.stored_rows()) == 2


# --- gaps -------------------------------------------------------------------------------------------------


def test_shed_rows_are_closed(bench: Any) -> None:
    bench.put(bench.frame(row=0), bench.frame(row=5))
    bench.put(bench.ranges(Kind.GAP, [Stream.ROWS, 1, 3]))
    ack = next(ack for _, ack in bench.acks() if ack.stream == Stream.ROWS)
    assert (ack.watermark, ack.ranges) == (4, ((5, 5),))
    assert bench.counters.gap_rows == 3


def test_a_row_declared_lost_is_still_kept_when_it_comes(bench: Any) -> None:
    bench.put(bench.ranges(Kind.GAP, [Stream.ROWS, 0, 3]))
    bench.restart()
    bench.put(bench.frame(row=2))
    assert bench.stored_rows() == [(7, BOOT, 1, 2)]


def test_held_closes_older_boots_only(bench: Any) -> None:
    bench.put(bench.frame(row=0), bench.frame(row=9))
    held = [BOOT, Stream.ROWS, 4, 6]
    bench.put(bench.ranges(Kind.HELD, held))
    bench.acks()
    assert bench.counters.gap_rows == 0, "the running boot still makes rows"
    bench.put(bench.ranges(Kind.HELD, held, boot=5))
    ack = next(ack for _, ack in bench.acks() if ack.boot == BOOT)
    assert (ack.watermark, ack.ranges) == (4, ((7, 9),))
    bench.put(bench.frame(row=4, rows=some(3), lane=Lane.HISTORY))
    assert bench.acks()[0][1].watermark == 10


# --- refused ----------------------------------------------------------------------------------------------


def test_bad_frames_move_nothing(bench: Any) -> None:
    """Each is refused with its reason, counted, and the next good frame goes through."""
    bench.enrol(8)
    bench.put(bench.frame(row=0))
    good = bench.frame(row=1)[1]
    topic = bench.topic(7, Lane.LIVE)
    cases = [
        ("size", (topic, b"")),
        ("size", (topic, b"x" * 9_000)),
        ("mac", (topic, bytes(60))),
        ("mac", (topic, good[:-1] + bytes([good[-1] ^ 1]))),
        ("mac", bench.frame(row=1, key_of=8)),
        ("mac", bench.frame(device=8, row=1, topic_of=7)),
        ("device", bench.frame(device=8, row=1, topic_of=7, key_of=7)),
        ("unknown_device", bench.frame(device=99, row=1)),
        ("realm", ("z/drill/0/7/2", good)),
        ("realm", ("z/live/0/7/9", good)),
        ("realm", ("", good)),
    ]
    for reason, message in cases:
        before = bench.counters.refused[reason]
        bench.put(message)
        assert bench.counters.refused[reason] == before + 1, reason
    assert bench.lat() == 366_500_000
    assert len(bench.stored_rows()) == 1
    bench.put((topic, good))
    assert bench.lat() == 366_500_001
    assert bench.counters.refused_last_minute(T0) == len(cases)


def head(**other: Any) -> list[Any]:
    made = {
        "ver": 1,
        "kind": Kind.STATE << 3 | Lane.LIVE,
        "device": 7,
        "boot": BOOT,
        "row": 1 << 2 | 1,
        "t0": 1_000,
    }
    made |= {"zero": T0 << 2 | 1, "dt": 0, "n": 1, "mask": 3, "body": [1, 2]}
    return list((made | other).values())


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    ("reason", "elements"),
    [
        ("version", head(ver=9)),
        ("kind", head(kind=20 << 3 | 2)),
        ("shape", head(body="x")),
        ("shape", head(body=[1.5, float("nan")])),
        ("field", head(mask=1 << 60, body=[1])),
        ("range", head(body=[900_000_001, 0])),
        ("range", head(zero=-5)),
        ("shape", head(n=3)),
    ],
)
def test_authentic_but_refused_is_kept_and_acknowledged(bench: Any, reason: str, elements: list[Any]) -> None:
    message = bench.topic(7, Lane.LIVE), frame.seal(bench.mac_key(7), elements)
    bench.put(message)
    ack = bench.acks()[0][1]
    assert ack.ranges[0][0] == 1
    assert ack.refused == ((1, REASONS[reason]),)
    assert bench.counters.refused[reason] == 1
    assert bench.t_fix() != bench.t_fix(), "no position"
    bench.put(message)
    assert bench.counters.duplicates == 1


@pytest.mark.parametrize(
    "elements",
    [
        head(n=10**9),
        head(row=-4),
        head(kind=7),
        [1, 2],
        7,
        nested(600),
        head(n=float("nan")),
        head(device=2**40),
    ],
)
def test_authentic_without_a_header_is_kept_once(bench: Any, elements: Any) -> None:
    message = bench.topic(7, Lane.LIVE), frame.seal(bench.mac_key(7), elements)
    bench.put(message, message)
    bench.put(message)
    assert bench.acks() == []
    assert sum(bench.counters.refused.values()) == 3
    bench.put(bench.frame(row=0))
    assert len(bench.stored_rows()) == 1


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans(), st.sampled_from(["z/live/x", "/", "z/live/5/7/2"]))
def test_random_bytes(bench: Any, data: bytes, sealed: bool, topic: str) -> None:
    payload = data + bench.mac_key(7).up(data) if sealed else data
    bench.put((bench.topic(7, Lane.LIVE) if sealed else topic, payload))
    assert bench.t_fix() != bench.t_fix()


def test_a_replay_moves_nothing(bench: Any) -> None:
    old = bench.frame(row=0)
    bench.clock.now += 60_000
    bench.put(old)
    bench.put(bench.frame(row=1))
    newest = bench.t_fix()
    bench.restart()
    for _ in range(3):
        bench.put(old)
    assert (bench.lat(), bench.t_fix()) == (366_500_001, newest)


# --- clocks -----------------------------------------------------------------------------------------------


def test_a_fix_from_the_future_moves_nothing(bench: Any) -> None:
    bench.put(bench.frame(row=0))
    bench.put(bench.frame(row=1, t_ms=T0 + 31_000))
    assert (bench.lat(), bench.t_fix()) == (366_500_000, T0)
    assert bench.flags() & FLAG_QUARANTINED
    assert bench.counters.refused["future"] == 1
    bench.clock.now += 1_000
    assert bench.acks()[0][1].watermark == 2, "kept and acknowledged all the same"
    bench.put(bench.frame(row=2))
    assert not bench.flags() & FLAG_QUARANTINED
    assert bench.history.trail(bench.units.carried(0), 0, 2**50, 10).lat_deg_e7 == [366_500_000, 366_500_002]


def test_undated_rows_are_doubted_and_dated_later(bench: Any) -> None:
    bench.put(bench.frame(row=0, rows=some(3), t_ms=50_000, zero_ms=None))  # newest at 52 s of its boot
    assert (bench.t_fix(), bench.flags() & FLAG_CLOCK) == (T0, FLAG_CLOCK)
    old = bench.frame(row=3, rows=some(1, 50), t_ms=10_000, zero_ms=None, lane=Lane.HISTORY)
    bench.clock.now += 5_000
    bench.put(old)
    assert bench.t_fix() == T0, "42 s older by its boot's clock, so not newer for coming later"
    zero = T0 - 60_000  # the newest undated fix was really 8 s old
    bench.put(bench.frame(row=4, rows=some(1, 4), t_ms=zero + 20_000, zero_ms=zero, lane=Lane.HISTORY))
    assert (bench.t_fix(), bench.flags() & FLAG_CLOCK) == (T0 - 8_000, 0)
    trail = bench.history.trail(bench.units.carried(0), 0, 2**50, 10)
    assert trail.t_utc_ms == [zero + t for t in (10_000, 20_000, 50_000, 51_000, 52_000)]
    bench.restart()
    assert (bench.t_fix(), bench.flags() & FLAG_CLOCK) == (T0 - 8_000, 0)


def test_one_wrong_device_does_not_move_the_hubs_clock(bench: Any) -> None:
    bench.enrol(8, 9, 10)
    for device in (8, 9):
        bench.put(bench.frame(device=device, row=0, t_ms=T0 + 100_000))
    assert not bench.hub_clock.judge()
    bench.put(bench.frame(device=10, row=0, t_ms=T0 + 100_400, source=ClockSource.SYSTEM))
    assert not bench.hub_clock.judge(), "only GNSS is a witness"
    bench.put(bench.frame(device=10, row=1, t_ms=T0 + 100_400))
    assert bench.hub_clock.judge()
    assert bench.hub_clock.offset_ms == 100_000
    bench.put(bench.frame(device=10, row=2, t_ms=T0 + 101_000))
    assert bench.t_fix(10) == T0 + 101_000


def test_old_live_data_never_moves_the_hubs_clock(bench: Any) -> None:
    bench.enrol(8, 9, 10)
    for device in (7, 8, 9, 10):
        bench.put(bench.frame(device=device, row=0, t_ms=T0 - 600_000))
    assert not bench.hub_clock.judge()
    assert bench.hub_clock.offset_ms == 0


# --- events -----------------------------------------------------------------------------------------------


def test_sos_opens_repeats_and_clears(bench: Any) -> None:
    (event,) = bench.put(bench.event(0))
    said = event.message()
    assert (said["code"], said["phase"], said["late"], said["lat"]) == (1, 0, False, 36.6)
    assert bench.flags() & FLAG_SOS
    assert len(bench.acks()) == 1
    assert len(bench.put(bench.event(1, phase=1))) == 1
    bench.restart()
    assert bench.flags() & FLAG_SOS, "an open SOS survives a restart"
    (cleared,) = bench.put(bench.event(2, phase=3))
    assert (cleared.phase, bench.flags() & FLAG_SOS) == (3, 0)
    bench.restart()
    assert not bench.flags() & FLAG_SOS


def test_late_sos_still_alarms(bench: Any) -> None:
    (event,) = bench.put(bench.event(0, lane=Lane.HISTORY, t_ms=T0 - 600_000))
    assert event.message()["late"] is True
    assert bench.flags() & FLAG_SOS


def test_sos_from_a_clock_ahead_alarms_at_its_arrival(bench: Any) -> None:
    (event,) = bench.put(bench.event(0, t_ms=T0 + 10**9))
    assert (event.t_event_ms, bench.flags() & FLAG_SOS) == (T0, FLAG_SOS)


def test_a_clear_that_overtakes_its_raise(bench: Any) -> None:
    raised, cleared = bench.event(0), bench.event(1, phase=2, t_ms=T0 - 2_000)
    bench.put(cleared)
    bench.put(raised)
    assert not bench.flags() & FLAG_SOS


def test_two_sos_one_cleared(bench: Any) -> None:
    bench.put(bench.event(0, number=5), bench.event(1, number=6), bench.event(2, number=5, phase=2))
    assert bench.flags() & FLAG_SOS
    bench.put(bench.event(3, number=9, code=2))
    assert bench.flags() & FLAG_MAN_DOWN


def test_rows_go_to_who_wore_the_device_then(bench: Any) -> None:
    bench.put(bench.frame(row=0))
    bench.clock.now += 10_000
    from hub.store.interface import UnitRow

    bench.registry.enrol([(7, UnitRow("", "Other", "person", "fire", "A", 30, 300))], bench.clock())
    bench.load()
    bench.put(bench.frame(row=1, t_ms=T0 + 5_000, lane=Lane.HISTORY))
    bench.put(bench.frame(row=2))
    assert bench.picture.pos_time[:2].tolist() == [T0 + 5_000, T0 + 10_000]
    assert bench.history.trail(bench.units.carried(1), 0, 2**50, 9).lat_deg_e7 == [366_500_002]


def test_ack_is_never_longer_than_allowed(bench: Any) -> None:
    for row in range(0, 400, 2):
        bench.put(bench.frame(row=row, lane=Lane.HISTORY))
    ack = bench.acks()[0][1]
    assert len(ack.ranges) == 64
    assert ack.ranges[-1] == (398, 398)
    assert msgpack.packb(ack.ranges)


# --- who may send, and what nobody could have done -------------------------------------------------------------


def at(north_m: float, **more: int) -> dict[str, int]:
    """A position so far north of the first one."""
    return {"lat_deg_e7": 366_500_000 + round(north_m / 0.01113195), "lon_deg_e7": 1_170_000_000, **more}


def walk(bench: Any, seconds: int, north_m: float, row: int = 0, **more: Any) -> int:
    """One fix a second at a place, each a frame of its own; the next row's number."""
    for i in range(seconds):
        bench.clock.now += 1_000
        bench.put(bench.frame(row=row + i, rows=[at(north_m + i)], **more))
    return row + seconds


@pytest.mark.parametrize("reason", ["revoked", "expired"])
def test_a_barred_device_is_refused_and_others_go_on(bench: Any, reason: str) -> None:
    bench.enrol(8)
    bench.put(bench.frame(row=0))
    bench.clock.now += 1_000
    assert len(bench.acks()) == 1
    bench.ingest.barred = {7: reason}
    bench.put(bench.frame(row=1), bench.frame(device=8))
    assert bench.refusals == [(reason, 7)]
    assert (bench.counters.refused[reason], bench.counters.refused_by_device[7][reason]) == (1, 1)
    bench.clock.now += 60_000
    assert [device for device, _ in bench.acks()] == [8], "a barred device keeps its rows"
    assert bench.lat() == 366_500_000, "what it sent before stays"
    assert bench.lat(8) == 366_500_000
    bench.ingest.barred = {}
    bench.put(bench.frame(row=1))
    assert bench.lat() == 366_500_001, "renewed: taken up where it stopped"


def test_what_a_revoked_device_sent_is_shown_after_a_restart(bench: Any) -> None:
    bench.put(bench.frame(row=0))
    bench.registry.devices.revoke(7, "lost", bench.clock())
    bench.restart()
    assert bench.keys.get(7) is None
    assert bench.lat() == 366_500_000


def test_forgers_are_told_and_others_go_on(bench: Any) -> None:
    bench.enrol(8)
    topic, data = bench.frame(row=0)
    bench.put(
        (topic, data[:-1] + bytes([data[-1] ^ 1])),
        bench.frame(row=0, topic_of=8, key_of=8),
        bench.frame(device=99),
        bench.frame(device=8),
    )
    assert bench.refusals == [("mac", 7), ("device", 8), ("unknown_device", 99)]
    assert bench.lat(8) == 366_500_000


def test_a_teleport_is_kept_off_the_picture_and_safe(bench: Any) -> None:
    row = walk(bench, 3, 0)
    bench.clock.now += 1_000
    bench.put(bench.frame(row=row, rows=[at(5_000, heart_bpm=99)]))
    assert bench.lat() == at(2)["lat_deg_e7"]
    assert bench.flags() & FLAG_QUARANTINED
    assert bench.refusals == [("teleport", 7)]
    assert bench.counters.refused["teleport"] == 1
    assert [v for f, v, _ in bench.picture.last_values(bench.slot()) if f.name == "heart_bpm"] == [99]
    bench.clock.now += 1_000
    assert bench.acks()[0][1].watermark == row + 1, "nothing is lost"
    assert len(bench.stored_rows()) == row + 1
    bench.put(bench.frame(row=row + 1, rows=[at(3)]))
    assert bench.lat() == at(3)["lat_deg_e7"]
    assert not bench.flags() & FLAG_QUARANTINED
    assert len(bench.refusals) == 1


def test_a_new_place_that_agrees_with_itself_is_believed(bench: Any) -> None:
    row = walk(bench, 1, 0)  # this one was wrong
    row = walk(bench, 5, 5_000, row)
    assert bench.lat() == at(0)["lat_deg_e7"], "five positions, but not yet five seconds"
    walk(bench, 1, 5_005, row)
    assert bench.lat() == at(5_005)["lat_deg_e7"]
    assert not bench.flags() & FLAG_QUARANTINED
    assert bench.refusals == [("teleport", 7)] * 5


def test_one_frame_does_not_prove_itself(bench: Any) -> None:
    walk(bench, 1, 0)
    bench.clock.now += 10_000
    rows = [at(90_000 + i) for i in range(10)]
    bench.put(bench.frame(row=1, rows=rows, t_ms=bench.clock() - 9_000))
    assert bench.lat() == at(0)["lat_deg_e7"]
    bench.clock.now += 10_000
    bench.put(bench.frame(row=11, rows=rows, t_ms=bench.clock() - 9_000))
    assert bench.lat() == at(90_009)["lat_deg_e7"]


def test_a_forger_and_the_device_by_turns_change_nothing(bench: Any) -> None:
    row = walk(bench, 1, 0)
    for _ in range(20):
        row = walk(bench, 1, 5_000, row)
        assert bench.lat() == at(0)["lat_deg_e7"]
        row = walk(bench, 1, 0, row)


def test_one_wild_row_in_a_frame_costs_only_itself(bench: Any) -> None:
    walk(bench, 1, 0)
    bench.clock.now += 3_000
    bench.put(bench.frame(row=1, rows=[at(1), at(2), at(9_000)], t_ms=bench.clock() - 2_000))
    assert bench.lat() == at(2)["lat_deg_e7"]
    assert bench.flags() & FLAG_QUARANTINED


@pytest.mark.parametrize(
    ("silent_s", "north_m", "more", "passes"),
    [
        (1, 180, {}, True),
        (1, 250, {}, False),
        (1, 250, {"hacc_dm": 300}, True),
        (1, 50_000, {"hacc_dm": 1_000_000}, False),  # a forged accuracy
        (60, 5_000, {}, True),
        (60, 6_000, {}, False),
        (3_600, 300_000, {}, True),  # after long silence
    ],
)
def test_what_can_be_reached(
    bench: Any, silent_s: int, north_m: float, more: dict[str, int], passes: bool
) -> None:
    walk(bench, 1, 0)
    bench.clock.now += silent_s * 1_000
    bench.put(bench.frame(row=1, rows=[at(north_m, **more)]))
    assert (bench.lat() == at(north_m)["lat_deg_e7"]) is passes
    assert bool(bench.refusals) is not passes


def test_across_the_date_line(bench: Any) -> None:
    for row, lon in enumerate((1_799_999_000, -1_799_999_000)):
        bench.clock.now += 1_000
        bench.put(bench.frame(row=row, rows=[{"lat_deg_e7": 0, "lon_deg_e7": lon}]))
    assert bench.refusals == []


def test_history_is_not_judged(bench: Any) -> None:
    walk(bench, 1, 0)
    bench.put(bench.frame(row=1, rows=[at(90_000)], t_ms=bench.clock() - 5_000, lane=Lane.HISTORY))
    assert bench.refusals == []


def test_two_devices_of_one_unit_do_not_accuse_each_other(bench: Any) -> None:
    bench.registry.enrol([(8, bench.units.rows[bench.slot()])], bench.clock() - 1_000)
    bench.load()
    assert bench.slot(8) == bench.slot(7)
    for row in range(10):
        walk(bench, 1, 0, row)
        walk(bench, 1, 5_000, row, device=8)
    assert bench.refusals == []


def test_a_restart_accuses_nobody_again(bench: Any) -> None:
    row = walk(bench, 3, 0)
    walk(bench, 1, 9_000, row)
    bench.refusals.clear()
    bench.restart()
    assert bench.lat() == at(2)["lat_deg_e7"]
    assert bench.flags() & FLAG_QUARANTINED
    assert bench.refusals == []


def test_a_replay_is_counted_and_harmless(bench: Any) -> None:
    first = bench.frame(row=0)
    bench.put(first)
    bench.clock.now += OLD_MS
    bench.put(bench.frame(row=1))
    bench.acks()
    bench.put(first)
    assert bench.refusals == [], "the watermark is marked only now"
    bench.clock.now += OLD_MS
    bench.put(first)
    assert bench.refusals == [("replay", 7)]
    assert bench.counters.refused["replay"] == 1
    assert bench.acks()[0][1].watermark == 2, "acknowledged like any repeat"
    assert bench.lat() == 366_500_001
    assert len(bench.stored_rows()) == 2


def test_repeats_of_lost_acknowledgements_are_no_replay(bench: Any) -> None:
    message, sos = bench.frame(row=0), bench.event(0)
    for _ in range(20):
        bench.put(message, sos)
        bench.clock.now += 29_000
    assert bench.refusals == []
    bench.clock.now += 2 * OLD_MS
    bench.put(sos)
    bench.clock.now += OLD_MS
    bench.put(sos)
    assert bench.refusals == [], "an SOS goes on until it is acknowledged"


def test_a_topic_of_another_lane_is_counted_and_loses_nothing(bench: Any) -> None:
    _, data = bench.frame(row=0)
    bench.put((bench.topic(7, Lane.SOS), data))
    assert bench.refusals == [("lane", 7)]
    assert bench.lat() == 366_500_000
