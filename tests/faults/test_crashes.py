"""Crashes of gateway, hub and broker at random moments, in virtual time: hundreds, on bad ways, also several at once.

A crash leaves the files as they are at that moment, as kill -9 does; a broker forgets all that it had confirmed.
`tests/faults/test_kills.py` kills the real programs.
"""

import random
from collections.abc import Callable
from typing import Any

from protocols.catalog import Bearer, Stream
from sim.net.link import LinkSpec

WAYS = (
    (Bearer.MQTT, LinkSpec(delay_ms=60, jitter_ms=60)),
    (Bearer.DATAGRAM, LinkSpec(delay_ms=60, jitter_ms=90, loss=0.1, duplicate=0.1, reorder=0.1)),
)


def test_crashes_lose_and_double_nothing(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int, minutes: float
) -> None:
    for turn in range(10 if minutes else 1):
        rng = random.Random(f"{seed} {turn}")
        world = new_world(seed + turn, *WAYS[: 1 + turn % 2], say_ms=200, event_ms=7_000)
        crash = {"gateway": world.kill_edge, "hub": world.kill_hub, "broker": world.kill_broker}
        count = 60
        for _ in range(count):
            world.run(round(10 ** rng.uniform(1, 3.9)))
            for victim in rng.sample(list(crash), rng.choice([1, 1, 1, 2, 3])):
                crash[victim]()
        found = judge("crash of gateway, hub or broker", world, world.counts.total())
        assert found.unkept <= world.counts["edge"] * 5, "more than the last second before a crash"


def test_the_broker_comes_back_empty(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int, minutes: float
) -> None:
    rng = random.Random(seed)
    world = new_world(seed, WAYS[0], say_ms=100)
    count = 100 if minutes else 15
    for _ in range(count):
        world.run(rng.randrange(200, 9_000))
        world.kill_broker()
    judge("broker restarted, empty", world, count)


def test_a_hub_that_stands_still(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int, minutes: float
) -> None:
    rng = random.Random(seed)
    world = new_world(seed, *WAYS, say_ms=200)
    count = 40 if minutes else 8
    for _ in range(count):
        world.run(rng.randrange(1_000, 20_000))
        world.fault(
            rng.randrange(1_000, 60_000),
            lambda: setattr(world, "hub_stopped", True),
            lambda: setattr(world, "hub_stopped", False),
        )
    judge("hub stands still", world, count)


def test_the_judge_sees_what_is_lost_and_what_is_doubled(new_world: Callable[..., Any], seed: int) -> None:
    """Else every other test here would be blind."""
    world = new_world(seed, WAYS[0])
    world.run(20_000)
    world.settle()
    assert (world.outcome().lost, world.outcome().twice) == (0, 0)
    key, said = next((key, said) for key, said in world.said.items() if key[1] == Stream.ROWS)
    world.said[key[0], key[1], 10_000] = said  # on the gateway's disk, and never sent
    assert world.outcome().lost == 1
    db = world.bench.log._db
    db.execute("INSERT INTO frames SELECT NULL, t_hub_ms, device, boot, stream, row, n, lane, kind, t_first_utc_ms, "
               "t_last_utc_ms, fresh, refused, raw FROM frames WHERE n = 1 ORDER BY id LIMIT 1")  # fmt: skip
    assert world.outcome().twice == 1
