"""Wrong clocks: of the hub by an hour, of the receiver by an hour, back and forth, and none at all at the start.

The machine's own clock is not asked by a gateway that has heard its receiver or its hub; that it may be wrong too is
tried with the real programs in test_programs.py.
"""

from collections.abc import Callable
from typing import Any

import pytest

from protocols.catalog import Bearer
from sim.net.link import LinkSpec

HOUR_MS = 3_600_000
MQTT = (Bearer.MQTT, LinkSpec(delay_ms=50))
NEAR_MS = 2_500
"""Between a row's time at the hub and the truth, where the receiver says the truth."""


def worst_error_ms(world: Any, since_ms: int = 0, until_ms: int = 2**60) -> int:
    """Of the times in the hub's log, against when the emulator said it."""
    errors = [
        abs(t_utc_ms - world.said[key].t_utc_ms)
        for key, _, t_utc_ms in world.stored()
        if t_utc_ms is not None and since_ms <= world.said[key].t_ms < until_ms
    ]
    return max(errors, default=0)


@pytest.mark.parametrize("error_ms", [HOUR_MS, -HOUR_MS])
def test_the_hubs_clock_is_wrong(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int, error_ms: int
) -> None:
    world = new_world(seed, MQTT)
    world.run(60_000)
    world.hub_error_ms = error_ms
    world.run(60_000)
    world.kill_edge()
    world.kill_hub()
    world.run(30_000)
    world.hub_error_ms = 0
    world.run(60_000)
    judge("clock of the hub ±1 h, and back", world, 2)
    # the hub's time is taken for the first seconds of a start, until the receiver has said its own three times
    assert worst_error_ms(world, until_ms=120_000) <= NEAR_MS, (
        "rows are dated by the receiver, not by the hub"
    )
    assert worst_error_ms(world, since_ms=124_000) <= NEAR_MS


@pytest.mark.parametrize("error_ms", [HOUR_MS, -HOUR_MS])
def test_the_receivers_clock_jumps(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int, error_ms: int
) -> None:
    world = new_world(seed, MQTT)
    world.run(60_000)
    world.gnss_error_ms = error_ms
    world.run(60_000)
    world.gnss_error_ms = 0
    world.run(120_000)
    judge("clock of the receiver ±1 h, and back", world, 2)
    assert worst_error_ms(world, until_ms=60_000) <= NEAR_MS
    assert worst_error_ms(world, since_ms=130_000) <= NEAR_MS, "the right time is not believed again"


def test_a_start_before_there_is_any_time(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int
) -> None:
    """Neither receiver nor hub is heard for ten minutes: the rows are dated when one of them is."""
    world = new_world(seed, MQTT)
    world.has_gnss = False
    world.fault(600_000, world.ways[0].cut, world.ways[0].join)
    world.run(60_000)
    world.has_gnss = True
    world.run(60_000)
    judge("start before there is any time", world, 1)
    assert worst_error_ms(world) <= NEAR_MS
    assert all(t_utc_ms is not None for _, _, t_utc_ms in world.stored())


def test_a_start_without_receiver_at_a_hub_that_is_wrong(
    new_world: Callable[..., Any], judge: Callable[..., Any], seed: int
) -> None:
    """Time of the hub is taken for want of better, and GNSS corrects it when it comes."""
    world = new_world(seed, MQTT)
    world.has_gnss, world.hub_error_ms = False, -HOUR_MS
    world.run(120_000)
    world.has_gnss = True
    world.run(60_000)
    judge("start at a hub an hour behind, without receiver", world, 1)
    assert worst_error_ms(world, since_ms=130_000) <= NEAR_MS
