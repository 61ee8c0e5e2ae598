"""Several bearers at once: alarms on all, each lane on the cheapest in time, no more in flight than a link carries."""

import random
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bearers.interface import BearerStats, Traits
from edge.bearers.routes import PAUSE_S_MAX, PROBE_S, PROBES_NEEDED, Routes
from edge.flow import BYTES_FIRST, IN_FLIGHT_MS
from edge.scheduler import DEADLINES_MS, STEADY_MS
from edge.sender import Sender
from edge.spool import Spool
from protocols.catalog import Bearer, BearerState, EventCode, Kind, Lane, Stream
from protocols.frame import Row
from protocols.keys import MacKey

CODE = 0
OVERHEAD_BYTES = 28


class Link:
    """A bearer to the hub of conftest.py over a link of `bps` bytes a second, with loss both ways and a delay."""

    def __init__(
        self, hub: Any, name: str = "a", cost: int = 1, *, bps: float = 1e6, loss: float = 0.0, delay_ms: int = 30,
        mtu: int = 1_200, seed: int = 1, history: bool = True,
    ) -> None:  # fmt: skip
        self.hub, self.bps, self.loss, self.delay_ms = hub, bps, loss, delay_ms
        self.rng = random.Random(seed)
        self.state = BearerState.UP
        self.stats = BearerStats()
        self.traits = Traits(Bearer.DATAGRAM, name, cost, mtu, history=history)
        self.now_ms = 0.0
        self.free_ms = 0.0
        self.sent: list[tuple[Lane, bytes]] = []
        self.way: deque[tuple[float, str, Any]] = deque()
        self.arrived: list[tuple[float, bytes]] = []
        self.queued_ms_max = 0.0

    def publish(self, lane: Lane, data: bytes) -> bool:
        self.sent.append((lane, data))
        start_ms = max(self.now_ms, self.free_ms)
        self.free_ms = start_ms + (len(data) + OVERHEAD_BYTES) * 1_000 / self.bps
        self.queued_ms_max = max(self.queued_ms_max, self.free_ms - self.now_ms)
        if self.rng.random() >= self.loss:
            self.way.append((self.free_ms + self.delay_ms, "up", data))
        return True

    def run(self, sender: Sender, t_ms: int) -> None:
        """What has arrived by now, at the hub and back."""
        self.now_ms = t_ms
        due = sorted((item for item in self.way if item[0] <= t_ms), key=lambda item: item[0])
        self.way = deque(item for item in self.way if item[0] > t_ms)
        for at_ms, what, thing in due:
            if what == "up":
                self.hub.publish(Lane.LIVE, thing)
                self.arrived.append((at_ms, thing))
                if self.rng.random() >= self.loss:
                    self.way.append((at_ms + self.delay_ms, "down", self.hub.acks()))
            else:
                for ack in thing:
                    sender.on_ack(ack, t_ms, self)


def state(spool: Spool, sender: Sender, t_ms: int) -> None:
    sender.add(
        spool.append(Stream.ROWS, Kind.STATE, Row(t_ms, {0: 366_500_000 + t_ms % 977, 3: t_ms % 90}), 5, 1)
    )


def event(spool: Spool, sender: Sender, t_ms: int, code: EventCode = EventCode.SOS) -> int:
    kept = spool.append(Stream.EVENTS, Kind.EVENT, Row(t_ms, {CODE: int(code), 1: t_ms, 2: 0}), 5, 1)
    spool.commit()
    sender.add(kept)
    return kept.row


def made(spool: Spool, mac_key: MacKey, *links: Link) -> Sender:
    sender = Sender(spool, mac_key, 1001, live_ms=1_000)
    for link in links:
        sender.attach(link)
    return sender


def run(sender: Sender, links: list[Link], spool: Spool, from_ms: int, to_ms: int, step_ms: int = 50) -> None:
    for t_ms in range(from_ms, to_ms, step_ms):
        if t_ms % 1_000 == 0:
            state(spool, sender, t_ms)
        for link in links:
            link.run(sender, t_ms)
        sender.pump(t_ms)
        spool.commit()


def test_an_alarm_goes_by_every_bearer_and_what_merely_happened_by_one(
    spool: Spool, hub: Any, mac_key: MacKey
) -> None:
    links = [Link(hub, "a", 1), Link(hub, "b", 2), Link(hub, "c", 9)]
    sender = made(spool, mac_key, *links)
    run(sender, links, spool, 0, 3_000)
    for link in links:
        link.sent.clear()
    event(spool, sender, 3_000)
    event(spool, sender, 3_000, EventCode.RECEIVED)
    sender.pump(3_000)
    assert [sum(lane == Lane.SOS for lane, _ in link.sent) for link in links] == [1, 1, 1]
    assert [sum(lane == Lane.RECEIPTS for lane, _ in link.sent) for link in links] == [1, 0, 0]
    run(sender, links, spool, 3_050, 5_000)
    assert all(sum(lane == Lane.SOS for lane, _ in link.sent) == 1 for link in links), "answered: no repeat"
    assert sender.open_events() == []


def test_alarms_are_tried_on_a_bearer_that_has_not_answered_yet(
    spool: Spool, hub: Any, mac_key: MacKey
) -> None:
    link = Link(hub)
    link.state = BearerState.CONNECTING
    sender = made(spool, mac_key, link)
    event(spool, sender, 0)
    sender.pump(0)
    assert [lane for lane, _ in link.sent] == [Lane.SOS]
    link.state = BearerState.DOWN
    sender.pump(60_000)
    assert len(link.sent) == 1


def test_the_cheapest_in_time_is_left_when_late_and_taken_again_when_it_has_been_good_for_a_while(
    spool: Spool, hub: Any, mac_key: MacKey
) -> None:
    cheap, dear = Link(hub, "lan", 1), Link(hub, "lte", 5)
    sender = made(spool, mac_key, cheap, dear)
    run(sender, [cheap, dear], spool, 0, 20_000)
    live = sender.scheduler.chosen
    assert live(Lane.LIVE) is sender.flows[0]
    cheap.loss = 1.0
    run(sender, [cheap, dear], spool, 20_000, 20_000 + DEADLINES_MS[Lane.LIVE] + 3_000)
    assert live(Lane.LIVE) is sender.flows[1], "a way that answers nothing is left within its deadline"
    cheap.loss = 0.0
    run(sender, [cheap, dear], spool, 29_000, 29_000 + STEADY_MS - 1_000)
    assert live(Lane.LIVE) is sender.flows[1], "one good second is not enough"
    run(sender, [cheap, dear], spool, 38_000, 90_000)
    assert live(Lane.LIVE) is sender.flows[0]
    assert hub.repeats < 20
    assert sender.waiting_rows() <= 2


def test_a_bearer_that_carries_nothing_is_probed_and_known(spool: Spool, hub: Any, mac_key: MacKey) -> None:
    links = [Link(hub, "a", 1), Link(hub, "b", 5)]
    sender = made(spool, mac_key, *links)
    run(sender, links, spool, 0, 65_000)
    assert 3 <= len(links[1].sent) <= 6
    assert sender.flows[1].rtt_ms is not None
    links[1].loss = 1.0
    run(sender, links, spool, 65_000, 240_000)
    missing = set(range(230)) - {row for _, _, row in hub.rows}
    assert missing == set(), "a dead bearer's probes keep no row waiting"


def test_history_keeps_off_a_bearer_that_must_not_carry_it(spool: Spool, hub: Any, mac_key: MacKey) -> None:
    link = Link(hub, history=False)
    sender = made(spool, mac_key, link)
    for second in range(600):
        state(spool, sender, second * 1_000)
    spool.commit()
    run(sender, [link], spool, 600_000, 640_000)
    assert {lane for lane, _ in link.sent} == {Lane.LIVE}


@pytest.mark.parametrize("bps", [150, 1_000, 20_000])
def test_no_more_flies_than_two_seconds_of_what_the_link_was_measured_to_carry(
    spool: Spool, hub: Any, mac_key: MacKey, bps: int
) -> None:
    link = Link(hub, bps=bps, delay_ms=100)
    sender = made(spool, mac_key, link)
    for second in range(3_600):
        state(spool, sender, second * 1_000)
    spool.commit()
    start_ms = 3_600_000
    for t_ms in range(start_ms, start_ms + 120_000, 50):
        if t_ms % 1_000 == 0:
            state(spool, sender, t_ms)
        link.run(sender, t_ms)
        sender.pump(t_ms)
        flow = sender.flows[0]
        assert flow.flying_bytes <= flow.allowed_bytes + flow.size_max()
    rate = sender.flows[0].rate_bps
    assert rate is not None
    assert rate <= 1.3 * bps
    frame_ms = (BYTES_FIRST + OVERHEAD_BYTES) * 1_000 / bps
    assert link.queued_ms_max <= max(IN_FLIGHT_MS * 1.5, 2 * frame_ms) + 500
    assert rate >= 0.3 * min(bps, 20_000), "and it is used"


def test_at_30_percent_loss_and_1200_bits_an_alarm_is_there_in_ten_seconds(
    tmp_path: Any, hub: Any, mac_key: MacKey
) -> None:
    """p99 over 200 alarms on a datagram bearer that is busy with live state all the time."""
    took_ms: list[float] = []
    for seed in range(10):
        spool = Spool(tmp_path / f"{seed}.db", boot=seed + 1, bytes_max=2**24)
        spool.open()
        fresh = type(hub)()
        link = Link(fresh, bps=150, loss=0.3, delay_ms=150, seed=seed, history=False)
        sender = made(spool, mac_key, link)
        rows: dict[int, int] = {}
        for t_ms in range(0, 800_000, 50):
            if t_ms % 1_000 == 0:
                state(spool, sender, t_ms)
            if t_ms % 40_000 == 15_000:
                rows[event(spool, sender, t_ms)] = t_ms
            link.run(sender, t_ms)
            for row in [row for row in rows if (spool.boot, Stream.EVENTS, row) in fresh.rows]:
                took_ms.append(t_ms - rows.pop(row))
            sender.pump(t_ms)
        assert rows == {}, "every alarm arrives"
        spool.close()
    took_ms.sort()
    assert len(took_ms) == 200
    p50, p99 = took_ms[100], took_ms[197]
    print(f"SOS at 30 % loss and 1.2 kbit/s: p50 {p50:g} ms, p99 {p99:g} ms, most {took_ms[-1]:g} ms")
    assert p99 <= 10_000


def test_routes_the_next_after_a_failure_and_back_after_three_answers() -> None:
    routes = Routes(3)
    routes.failed(0)
    assert (routes.current, routes.is_untried) == (1, True)
    routes.worked(1)
    assert not routes.probe_due(PROBE_S)
    t_s = 1 + PROBE_S
    for knock in range(PROBES_NEEDED):
        assert routes.probe_due(t_s)
        assert routes.probed(t_s, answered=True) == (knock == PROBES_NEEDED - 1)
        t_s += PROBE_S
    assert routes.current == 0
    routes.worked(t_s)
    routes.failed(t_s + 5)
    routes.worked(t_s + 6)
    assert not routes.probe_due(t_s + 6 + PROBE_S), "a first route that flaps is left alone for longer"
    assert routes.probe_due(t_s + 6 + 2 * PROBE_S)


@given(st.lists(st.tuples(st.sampled_from(["fail", "work", "yes", "no"]), st.integers(1, 400)), max_size=60))
def test_routes_never_leave_their_range_and_come_back(steps: list[tuple[str, int]]) -> None:
    routes, t_s = Routes(3), 0.0
    for step, wait_s in steps:
        t_s += wait_s
        if step == "fail":
            routes.failed(t_s)
        elif step == "work":
            routes.worked(t_s)
        elif routes.probe_due(t_s):
            routes.probed(t_s, step == "yes")
        assert routes.current in (0, 1, 2)
    routes.worked(t_s)
    for _ in range(PROBES_NEEDED):
        t_s += PAUSE_S_MAX
        if routes.probe_due(t_s):
            routes.probed(t_s, answered=True)
    assert routes.current == 0


def test_while_nothing_is_up_each_way_that_may_work_is_tried_often(
    spool: Spool, hub: Any, mac_key: MacKey
) -> None:
    link = Link(hub)
    link.state = BearerState.CONNECTING
    sender = made(spool, mac_key, link)
    for t_ms in range(0, 30_000, 50):
        if t_ms % 1_000 == 0:
            state(spool, sender, t_ms)
        sender.pump(t_ms)
    assert 6 <= len(link.sent) <= 9
