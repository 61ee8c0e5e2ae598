"""What to pass up next: a state machine that loses answers, frames, connections and either hub, and no row."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.forward import queue as queues
from hub.forward.flight import AGAIN_MS, BUDGET_BYTES
from hub.forward.queue import BACKLOG_MAX, FLIGHT_MAX, HELD_AGAIN_MS, LIVE_MAX, PACKET_BYTES_MAX, Queue
from hub.forward.track import Item, Track
from protocols.errors import REASONS

UNKNOWN = REASONS["unknown_device"]


def item(place: int, device: int = 7) -> Item:
    return Item(place, device, b"%d" % place)


def sent(queue: Queue, now_ms: int = 0) -> list[tuple[int, int]]:
    """(number, place) of all that goes now."""
    out = []
    while (found := queue.next(now_ms)) is not None:
        out += [(found[0], one.place) for one in found[1]]
    return out


@pytest.fixture
def singly(monkeypatch: pytest.MonkeyPatch) -> None:
    """One frame a packet, on a way that is fast."""
    monkeypatch.setattr(queues, "PACKET_FRAMES_MAX", 1)


def places(queue: Queue, now_ms: int = 0) -> list[int]:
    return [place for _, place in sent(queue, now_ms)]


# --- the order --------------------------------------------------------------------


def test_alarms_first_then_the_newest_then_the_oldest(singly: None) -> None:
    queue = Queue(100)
    queue.take(queue.main, [item(place) for place in range(1, 6)], 5)
    for place in (50, 51):
        queue.offer_newest(0, item(place))
    queue.offer_newest(1, item(52))
    queue.offer_urgent([item(60), item(61)])
    assert places(queue) == [60, 61, 51, 52, 1, 2, 3, 4, 5]


def test_the_window_keeps_room_for_what_is_more_urgent(singly: None) -> None:
    queue = Queue(0)
    queue.take(queue.main, [item(place) for place in range(1, 100)], 99)
    assert len(sent(queue)) == BACKLOG_MAX
    for device in range(10):
        queue.offer_newest(0, item(200 + device, device))
    assert len(sent(queue)) == LIVE_MAX - BACKLOG_MAX
    queue.offer_urgent([item(300 + i) for i in range(10)])
    assert len(sent(queue)) == FLIGHT_MAX - LIVE_MAX
    assert len(queue.flights) == FLIGHT_MAX


def test_a_backlog_is_not_starved_by_what_is_new(singly: None) -> None:
    queue = Queue(0)
    queue.take(queue.main, [item(place) for place in range(1, 20)], 19)
    for device in range(8):
        queue.offer_newest(0, item(100 + device, device))
    assert places(queue)[:8] == [100, 101, 102, 1, 103, 104, 105, 2]


def test_silence_repeats_under_the_same_number_and_a_cut_at_once(singly: None) -> None:
    queue = Queue(0)
    queue.take(queue.main, [item(1)], 1)
    first = sent(queue, 0)
    assert sent(queue, AGAIN_MS[0] - 1) == []
    assert sent(queue, AGAIN_MS[0]) == first
    queue.cut()
    assert sent(queue, AGAIN_MS[0] + 1) == first
    assert sent(queue, AGAIN_MS[0] + 2) == []
    assert queue.repeated == 2


def test_the_cursor_stays_before_the_oldest_that_is_not_answered(singly: None) -> None:
    queue = Queue(0)
    queue.take(queue.main, [item(place) for place in (3, 5, 9)], 10)
    numbers = {place: number for number, place in sent(queue)}
    queue.answer([numbers[5], numbers[9]], {}, 0)
    assert queue.main.cursor == 2
    queue.answer([numbers[3]], {}, 0)
    assert queue.main.cursor == 10


# --- devices that the hub above does not know --------------------------------------------------------


def test_an_unknown_device_is_held_back_and_follows_when_it_is_known(singly: None) -> None:
    queue = Queue(0)
    queue.take(queue.main, [item(1, 7), item(2, 8), item(3, 7), item(4, 8)], 4)
    numbers = {place: number for number, place in sent(queue)}
    queue.answer(numbers.values(), {numbers[1]: UNKNOWN, numbers[3]: UNKNOWN}, 0)
    assert (queue.main.cursor, queue.held) == (4, {7: 1})
    queue.take(queue.main, [item(5, 7), item(6, 8)], 6)
    assert places(queue) == [6]
    assert queue.probe(0) == (7, 1)
    assert queue.probe(1) is None
    assert queue.probe(HELD_AGAIN_MS) == (7, 1)
    found = queue.send_probe(item(1, 7), HELD_AGAIN_MS)
    assert found is not None
    queue.answer([found[0]], {}, 0)
    (track,) = queue.tracks
    assert (track.device, track.cursor, track.until, queue.held) == (7, 0, 6, {})
    queue.take(track, [item(1, 7), item(3, 7), item(5, 7)], 6)
    assert places(queue, HELD_AGAIN_MS) == [6, 3, 5], "6 is repeated"


def test_what_was_left_out_before_the_first_refusal_follows_too(singly: None) -> None:
    queue = Queue(0)
    queue.take(queue.main, [item(place, 8) for place in range(1, 30)] + [item(30, 7)], 30)
    queue.offer_urgent([item(40, 7)])
    numbers = {place: number for number, place in sent(queue)}
    queue.answer([numbers[40]], {numbers[40]: UNKNOWN}, 0)
    queue.answer([number for place, number in numbers.items() if place < 30], {}, 0)
    sent(queue)
    assert queue.held == {7: 30}


def test_a_refusal_for_good_blocks_nothing(singly: None) -> None:
    queue = Queue(0)
    queue.take(queue.main, [item(1), item(2)], 2)
    numbers = [number for number, _ in sent(queue)]
    queue.answer(numbers, {numbers[0]: REASONS["shape"]}, 0)
    assert (queue.main.cursor, queue.held, queue.refused) == (2, {}, {REASONS["shape"]: 1})


def test_too_many_unknown_devices_make_it_wait(singly: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "HELD_MAX", 1)
    queue = Queue(0)
    queue.take(queue.main, [item(1, 7), item(2, 8)], 2)
    numbers = [number for number, _ in sent(queue)]
    queue.answer(numbers, dict.fromkeys(numbers, UNKNOWN), 0)
    assert (queue.main.cursor, queue.held) == (1, {7: 1})


def test_too_many_catching_up_begin_the_main_track_again(
    singly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "TRACKS_MAX", 0)
    queue = Queue(0)
    queue.take(queue.main, [item(1, 7), item(2, 8)], 9)
    numbers = [number for number, _ in sent(queue)]
    queue.answer(numbers, {numbers[0]: UNKNOWN}, 0)
    queue.lost(7)
    assert (queue.main.cursor, queue.held) == (0, {})


# --- packets and the rate ----------------------------------------------------------------------


def big(place: int, size: int = 100) -> Item:
    return Item(place, 7, bytes(size))


def test_a_fast_way_gets_large_packets_and_a_slow_one_single_frames() -> None:
    queue = Queue(0)
    queue.take(queue.main, [big(place) for place in range(1, 9_000)], 8_999)
    assert len(places(queue)) == 10, "two frames a packet, the budget of the start"
    for _ in range(3):
        queue.answer(list(queue.flights), {}, 10)
        sent(queue)
    assert queue.rate.budget_bytes == BUDGET_BYTES[2]
    assert max(len(flight.items) for flight in queue.flights.values()) == PACKET_BYTES_MAX // 100
    assert len(queue.flights) <= BACKLOG_MAX
    for turn in range(1, 12):
        queue.answer(list(queue.flights)[:1], {}, turn * 9_000)
        queue.next(0)
    assert queue.rate.budget_bytes == BUDGET_BYTES[0]


def test_silence_halves_what_is_on_the_way_and_a_cut_does_not() -> None:
    queue = Queue(0)
    queue.take(queue.main, [big(1)], 1)
    sent(queue)
    queue.cut()
    sent(queue)
    assert queue.rate.budget_bytes == BUDGET_BYTES[1]
    sent(queue, AGAIN_MS[0])
    assert queue.rate.budget_bytes == BUDGET_BYTES[1] // 2


def test_of_a_packet_with_a_refusal_each_is_sent_alone() -> None:
    queue = Queue(0)
    queue.take(queue.main, [item(1, 7), item(2, 8), item(3, 7)], 3)
    ((number, _),) = {number: 0 for number, _ in sent(queue)}.items()
    queue.answer([number], {number: UNKNOWN}, 0)
    assert queue.held == {}
    numbers = {place: number for number, place in sent(queue)}
    assert len(set(numbers.values())) == 3
    queue.answer(numbers.values(), {numbers[2]: UNKNOWN}, 0)
    assert (queue.held, queue.main.cursor, queue.passed) == ({8: 2}, 3, 2)


def test_a_frame_too_large_for_company_goes_alone() -> None:
    queue = Queue(0)
    queue.rate.budget_bytes = BUDGET_BYTES[2]
    queue.take(queue.main, [big(1, 5_000), big(2, 8_000), big(3, 10)], 3)
    found = [[one.place for one in items] for _, items in iter(lambda: queue.next(0), None)]
    assert sorted(found) == [[1], [2], [3]]


# --- everything at random --------------------------------------------------------------------


class Forwarding(RuleBasedStateMachine):
    """A log that grows, a hub above that commits or dies, and a way between them that loses what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Item] = []
        self.above: dict[int, int] = {}  # place -> how often it was stored
        self.known = {1, 2}
        self.now_ms = 0
        self.starts = 0
        self.saved = ""
        self.up: list[tuple[int, tuple[Item, ...]]] = []  # sent, not arrived
        self.down: list[tuple[int, int]] = []  # answered, not arrived
        self.start()

    def start(self) -> None:
        self.starts += 1
        self.queue = Queue(self.starts * 10**6, 0, self.saved)
        self.tail = len(self.log)
        self.queue.offer_urgent(one for one in self.log if one.place % 5 == 0)

    @rule(device=st.integers(1, 4), count=st.integers(1, 6))
    def frames_come(self, device: int, count: int) -> None:
        for _ in range(count):
            self.log.append(item(len(self.log) + 1, device))

    @rule()
    def tail_is_read(self) -> None:
        fresh, self.tail = self.log[self.tail :], len(self.log)
        self.queue.offer_urgent(one for one in fresh if one.place % 5 == 0)
        for one in fresh:
            if one.place % 5 == 1:
                self.queue.offer_newest(0, one)

    @rule(most=st.integers(1, 30))
    def backlog_is_read(self, most: int) -> None:
        for track in self.queue.wants():
            self.read(track, most)

    def read(self, track: Track, most: int) -> None:
        end = len(self.log) if track.until is None else track.until
        found = [one for one in self.log if track.read_to < one.place <= end]
        found = [one for one in found if track.device in (0, one.device)]
        more = len(found) > most
        found = found[:most]
        self.queue.take(track, found, found[-1].place if more else end)

    @rule(most=st.integers(1, 25), pass_ms=st.sampled_from([0, 1, 3_000, 10_000, 60_000]))
    def it_sends(self, most: int, pass_ms: int) -> None:
        self.now_ms += pass_ms
        probe = self.queue.probe(self.now_ms)
        if probe is not None:
            device, place = probe
            one = next(one for one in self.log if one.device == device and one.place >= place)
            found = self.queue.send_probe(one, self.now_ms)
            self.up += [found] if found else []
        for _ in range(most):
            found = self.queue.next(self.now_ms)
            if found is None:
                break
            self.up.append(found)

    @rule(data=st.data(), commits=st.booleans())
    def some_arrive(self, data: Any, commits: bool) -> None:
        arrive = [one for one in self.up if data.draw(st.booleans())]
        self.up = [one for one in self.up if one not in arrive]
        if commits:
            self.commit(arrive)

    def commit(self, arrived: list[tuple[int, tuple[Item, ...]]]) -> None:
        for number, items in arrived:
            self.above.update((one.place, 0) for one in items if one.device in self.known)
            strange = any(one.device not in self.known for one in items)
            self.down.append((number, UNKNOWN if strange else 0))

    @rule(data=st.data())
    def some_answers_come(self, data: Any) -> None:
        come = [one for one in self.down if data.draw(st.booleans())]
        self.down = [one for one in self.down if one not in come]
        self.queue.answer([number for number, _ in come], {n: why for n, why in come if why}, self.now_ms)

    @rule()
    def state_is_saved(self) -> None:
        self.saved = self.queue.state

    @rule()
    def connection_is_cut(self) -> None:
        self.up, self.down = [], []
        self.queue.cut()

    @rule()
    def it_is_killed(self) -> None:
        self.start()  # old frames and answers may still be on their way

    @precondition(lambda self: len(self.known) < 4)
    @rule()
    def a_device_is_enrolled_above(self) -> None:
        self.known.add(len(self.known) + 1)

    @invariant()
    def never_too_many_on_the_way(self) -> None:
        assert len(self.queue.flights) <= FLIGHT_MAX

    @invariant()
    def what_is_behind_the_cursor_is_above_or_held(self) -> None:
        for one in self.log:
            if one.place <= self.queue.main.cursor and one.place not in self.above:
                held = self.queue.held.get(one.device, 2**60) <= one.place
                assert held or any(
                    track.device == one.device and track.cursor < one.place <= (track.until or 0)
                    for track in self.queue.tracks
                ), one

    def teardown(self) -> None:
        self.known = {1, 2, 3, 4}
        for _ in range(400):
            self.tail_is_read()
            self.backlog_is_read(30)
            self.it_sends(30, 60_000)
            self.commit(self.up)
            self.up = []
            down, self.down = self.down, []
            self.queue.answer([number for number, _ in down], {n: why for n, why in down if why}, self.now_ms)
            if len(self.above) == len(self.log) and not self.queue.held and not self.queue.tracks:
                break
        assert sorted(self.above) == [one.place for one in self.log]


Forwarding.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
test_nothing_is_lost_whatever_happens = Forwarding.TestCase
