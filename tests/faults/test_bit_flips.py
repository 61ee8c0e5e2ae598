"""Flipped bits in the spool and in the hub's files, while the programs are stopped: nothing changed is ever believed,
what can be read goes on, and what cannot is recorded as a gap, with an alarm.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocols.catalog import Bearer
from sim.net.link import LinkSpec

MQTT = (Bearer.MQTT, LinkSpec(delay_ms=40))
PAGE_ROWS_MAX = 130
FRAME_ROWS_MAX = 10
HUB_ROWS_MAX = 700
"""Frames of ten rows on a page, and a page that leads to others, whose frames are looked for by their ids."""


def flip(path: Path, rng: random.Random, bits: int) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(bits if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))


def test_flipped_bits_in_the_spool(
    new_world: Callable[..., Any], report: Callable[..., None], seed: int, minutes: float
) -> None:
    alarms = hits = 0
    for turn in range(60 if minutes else 12):
        rng = random.Random(f"{seed} {turn}")
        world = new_world(seed + turn, MQTT, say_ms=500)
        world.run(10_000)
        world.ways[0].cut()
        world.run(rng.choice([20_000, 300_000, 1_200_000]))
        world.kill_edge_with(lambda file, rng=rng: flip(file, rng, rng.choice([1, 1, 3, 20])), rng)
        hits += 1
        world.ways[0].join()
        world.run(20_000)
        world.spool.shed()
        world.sender.say_gaps(world._mono_ms)
        world.settle()
        found = world.outcome()
        assert (found.twice, found.changed) == (0, 0)
        if found.shed or found.lost:
            assert world.fault_told, "rows are missing and nobody is told"
        assert found.lost <= PAGE_ROWS_MAX, (
            "more than the last page before the damage is missing without a record"
        )
        alarms += bool(world.fault_told)
        report(
            "bits flipped in the spool", times=1, made=found.made, stored=found.stored, shed=found.shed,
            lost=found.lost, twice=found.twice,
        )  # fmt: skip
    assert alarms > hits // 3, "else the files were not hit"


def test_flipped_bits_in_the_hubs_log(
    new_world: Callable[..., Any], report: Callable[..., None], seed: int, minutes: float
) -> None:
    """The write-ahead log is mended, a damaged segment is made anew, and a frame that was hit has no good MAC."""
    told = 0
    for turn in range(40 if minutes else 8):
        rng = random.Random(f"{seed} hub {turn}")
        world = new_world(seed + turn, MQTT, say_ms=500)
        world.run(rng.choice([60_000, 400_000]))
        world.kill_hub_with(lambda file, rng=rng: flip(file, rng, rng.choice([1, 1, 3, 20])), rng)
        world.run(20_000)
        world.settle()
        found = world.outcome()
        is_told = bool(world.bench.log.damage) or world.decoder.unreadable > 0
        gone = found.made - found.stored
        assert (found.twice, found.changed) == (0, 0)
        # a bit that hides a frame from every query is not noticed: see docs/reliability.md
        assert is_told or gone <= FRAME_ROWS_MAX, "rows are gone and nobody is told"
        assert gone <= HUB_ROWS_MAX
        told += is_told
        figures = {"shed": gone} if is_told else {"lost": gone}
        report("bits flipped in the hub's log", times=1, made=found.made, stored=found.stored, **figures)
    assert told > 2, "else the files were not hit"
