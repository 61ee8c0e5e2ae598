"""30 % loss at 1.2 kbit/s, in virtual time: an SOS by datagrams is at the hub within 10 s in 99 of 100 cases, while
positions go on; TCP keeps no more in flight than the way carries in 2 s, so that an alarm has not to wait for minutes.
"""

from collections.abc import Callable
from typing import Any

from edge.flow import BYTES_FIRST, IN_FLIGHT_MS
from protocols.catalog import Bearer
from protocols.frame import FRAME_BYTES_MAX
from sim.net.link import LinkSpec

BAD = LinkSpec(loss=0.3, delay_ms=300, jitter_ms=200, rate_bps=1_200, queue_ms=20_000)
SOS_EVERY_MS = 20_000


def sos_delays_s(world: Any, count: int) -> list[float]:
    """From pressing to the hub's log, sorted; one that never came is endless."""
    keys = []
    for _ in range(count):
        world.run(SOS_EVERY_MS + world.rng.randrange(0, 3_000))
        keys.append(world.say_sos())
    world.run(60_000)
    return sorted(
        (world.arrived_ms[key] - world.said[key].t_ms) / 1_000 if key in world.arrived_ms else 1e9
        for key in keys
    )


def test_an_sos_by_datagrams(
    new_world: Callable[..., Any], report: Callable[..., None], seed: int, minutes: float
) -> None:
    world = new_world(seed, (Bearer.DATAGRAM, BAD), event_ms=2**50)
    delays = sos_delays_s(world, 400 if minutes else 120)
    p99_s = delays[int(0.99 * len(delays))]
    print(f"SOS by datagrams: p50 {delays[len(delays) // 2]} s, p99 {p99_s} s, max {delays[-1]} s")
    assert p99_s <= 10
    found = world.outcome()
    assert (found.twice, found.changed) == (0, 0)
    report(
        "30 % loss, 1.2 kbit/s: SOS by datagrams", times=len(delays), made=len(delays), stored=len(delays),
        worst_s=delays[-1],
    )  # fmt: skip


def test_tcp_keeps_little_in_flight_and_loses_nothing(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int, minutes: float
) -> None:
    world = new_world(seed, (Bearer.MQTT, BAD), say_ms=5_000, event_ms=2**50)
    world.fault(300_000, world.ways[0].cut, world.ways[0].join)  # a backlog
    (flow,) = world.sender.flows
    over = []
    for _ in range(3_600 if minutes else 900):
        world.run(1_000)
        most = max(BYTES_FIRST, (flow.rate_bps or 0) * IN_FLIGHT_MS / 1_000) + FRAME_BYTES_MAX // 8
        if flow.flying_bytes > most:
            over.append((world.now_ms, flow.flying_bytes, most))
    assert over == []
    judge("30 % loss, 1.2 kbit/s: everything by TCP", world, 1)
