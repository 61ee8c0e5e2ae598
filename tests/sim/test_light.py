"""A light unit: what it sends, sends again and forgets, on a fake clock."""

import itertools

import pytest

from protocols.catalog import Kind, Lane, Stream
from protocols.errors import AckError
from sim import light
from sim.light import LightUnit

START_MS = 1_795_000_000_000


@pytest.fixture
def unit(mac_key):
    return LightUnit(1001, mac_key, boot=77, utc_zero_ms=START_MS)


def pump(unit, hub, t_ms):
    """One turn: everything goes out, the hub's answers come back. The lanes of what went out."""
    lanes = []
    for lane, data in unit.outgoing(t_ms):
        lanes.append(lane)
        if ack := hub.take(lane, data):
            unit.on_ack(hub.pack(ack))
    return lanes


def test_a_row_a_second_is_a_live_frame_a_second_and_nothing_stays(unit, hub):
    for second in range(5):
        unit.add_row(1_000 * second, {0: 366_500_000 + second, 1: 1_170_000_000})
        assert pump(unit, hub, 1_000 * second) == [Lane.LIVE]
    assert unit.waiting() == 0
    assert hub.row_numbers(1001, Stream.ROWS) == [0, 1, 2, 3, 4]
    assert hub.frames[0][1].utc_zero_ms == START_MS


def test_what_is_not_acknowledged_goes_again_slower_each_time(unit, hub):
    hub.deaf = True
    unit.add_row(0, {5: 80})
    sent_ms = [t for t in range(0, 30_000, 500) if pump(unit, hub, t)]
    assert sent_ms[0] == 0
    gaps = [b - a for a, b in itertools.pairwise(sent_ms)]
    assert gaps[0] == light.TIMEOUT_MS_MIN
    assert gaps == sorted(gaps)
    assert gaps[-1] > gaps[0]
    hub.deaf = False
    for t in range(30_000, 100_000, 500):
        pump(unit, hub, t)
    assert unit.waiting() == 0
    assert hub.repeats == 0


def test_after_an_outage_the_newest_goes_first_then_history_once_a_second(unit, hub):
    for second in range(200):
        unit.add_row(1_000 * second, {0: second, 5: 80})
    t_ms = 199_000
    assert pump(unit, hub, t_ms) == [Lane.LIVE, Lane.HISTORY]
    newest = hub.frames[0][1].envelope
    assert (newest.row, newest.n) == (190, 10)
    oldest = hub.frames[1][1].envelope
    assert (oldest.row, oldest.n) == (0, light.HISTORY_ROWS_MAX)
    assert pump(unit, hub, t_ms + 500) == []
    while unit.waiting():
        t_ms += 500
        assert t_ms < 220_000
        pump(unit, hub, t_ms)
    assert hub.row_numbers(1001, Stream.ROWS) == list(range(200))
    assert hub.repeats == 0


def test_an_event_goes_at_once_and_every_two_seconds_until_acknowledged(unit, hub):
    hub.deaf = True
    unit.add_row(0, {5: 80})
    unit.add_event(10, {0: 1, 1: 99, 2: 0})
    assert pump(unit, hub, 10) == [Lane.SOS, Lane.LIVE]
    assert pump(unit, hub, 1_000) == []
    assert pump(unit, hub, 10 + light.EVENT_REPEAT_MS) == [Lane.SOS]
    hub.deaf = False
    assert Lane.SOS in pump(unit, hub, 10 + 2 * light.EVENT_REPEAT_MS)
    assert hub.kinds()[0] == Kind.EVENT
    assert hub.row_numbers(1001, Stream.EVENTS) == [0]
    assert Lane.SOS not in pump(unit, hub, 60_000)


def test_a_lost_link_makes_rows_go_again_at_once(unit, hub):
    hub.deaf = True
    unit.add_row(0, {5: 80})
    pump(unit, hub, 0)
    unit.link_lost()
    hub.deaf = False
    assert pump(unit, hub, 10) == [Lane.LIVE]
    assert unit.waiting() == 0


def test_ranges_above_a_hole_are_forgotten_and_the_hole_is_sent(unit, hub):
    from protocols.acks import Ack

    for second in range(6):
        unit.add_row(1_000 * second, {5: second})
    unit.outgoing(5_000)
    unit.on_ack(hub.pack(Ack(START_MS, 77, Stream.ROWS, 2, ((4, 5),))))
    assert unit.waiting() == 2
    pump(unit, hub, 60_000)
    assert hub.row_numbers(1001, Stream.ROWS) == [2, 3]


@pytest.mark.parametrize(("boot", "stream"), [(78, Stream.ROWS), (77, Stream.BULK)])
def test_acknowledgements_of_other_boots_and_streams_change_nothing(unit, hub, boot, stream):
    from protocols.acks import Ack

    unit.add_row(0, {5: 1})
    unit.on_ack(hub.pack(Ack(START_MS, boot, stream, 10)))
    assert unit.waiting() == 1


def test_a_forged_acknowledgement_is_refused_and_changes_nothing(unit, hub):
    from protocols.acks import Ack

    unit.add_row(0, {5: 1})
    data = hub.pack(Ack(START_MS, 77, Stream.ROWS, 1))
    with pytest.raises(AckError):
        unit.on_ack(data[:-1] + bytes([data[-1] ^ 1]))
    assert unit.waiting() == 1


def test_a_full_window_sheds_the_oldest_and_says_so(unit, hub, monkeypatch):
    monkeypatch.setattr(light, "WINDOW_ROWS_MAX", 200)
    monkeypatch.setattr(light, "SHED_ROWS", 50)
    for second in range(251):
        unit.add_row(1_000 * second, {5: 80})
    t_ms = 250_000
    assert pump(unit, hub, t_ms)[0] == Lane.RECEIPTS
    assert hub.frames[0][1].body == [Stream.ROWS, 0, 49, 50, 99]
    for t in range(t_ms, t_ms + 20_000, 1_000):
        pump(unit, hub, t)
    assert hub.row_numbers(1001, Stream.ROWS) == list(range(100, 251))
    assert hub.kinds().count(Kind.GAP) == 1


def test_held_says_once_that_nothing_is_left_of_earlier_boots(mac_key, hub):
    unit = LightUnit(1001, mac_key, 77, START_MS, earlier_boots=[5, 6])
    unit.add_row(0, {5: 80})
    pump(unit, hub, 0)
    pump(unit, hub, 1_000)
    held = [decoded.body for _lane, decoded in hub.frames if decoded.envelope.kind == Kind.HELD]
    assert held == [[5, 0], [5, 1], [6, 0], [6, 1]]
