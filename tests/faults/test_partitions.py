"""Partitions of a second to two hours, both ways or one only, by TCP, by UDP, and by both at once, in virtual time."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from protocols.catalog import Bearer
from sim.net.link import LinkSpec

MQTT = (Bearer.MQTT, LinkSpec(delay_ms=40, jitter_ms=20))
UDP = (Bearer.DATAGRAM, LinkSpec(delay_ms=40, jitter_ms=20, loss=0.02, duplicate=0.02, reorder=0.05))
HOURS_2 = 7_200_000
CUTS = {"both ways": (True, True), "up only": (True, False), "down only": (False, True)}


def cut_for(world: Any, ms: int, how: tuple[bool, bool]) -> None:
    world.fault(
        ms,
        lambda: [way.cut(up=how[0], down=how[1]) for way in world.ways],
        lambda: [way.join() for way in world.ways],
    )


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("ways", [(MQTT,), (UDP,), (MQTT, UDP)], ids=["mqtt", "udp", "both"])
def test_partitions_of_a_second_to_minutes(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int, minutes: float, how: str, ways: Any
) -> None:
    rng = random.Random(f"{seed} {how} {len(ways)} {ways[0][0]}")
    world = new_world(seed, *ways)
    count = 6 if not minutes else 40
    for _ in range(count):
        world.run(rng.randrange(1_000, 30_000))
        cut_for(world, round(1_000 * 10 ** rng.uniform(0, 2.2)), CUTS[how])
    judge(f"partition {how}", world, count)


def test_a_partition_of_two_hours(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int, minutes: float
) -> None:
    for i, way in enumerate((MQTT, UDP) if minutes else (MQTT,)):
        world = new_world(seed + i, way)
        world.run(20_000)
        cut_for(world, HOURS_2, (True, True))
        found = judge("partition of two hours", world, 1)
        assert found.made > 7_200
        assert found.worst_ms < 60_000
