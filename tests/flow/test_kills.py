"""kill -9 of edge, broker and hub at random moments: every committed row is at the hub, once, and as it was made.

The receiver counts its fixes in its latitude, so that a row that was lost, doubled or changed is seen by its content
and not only by its number. What an agent had numbered but not yet committed when it was killed (at most its last
second) may be missing, and must then stand in the hub's coverage as a gap at the end of that boot.

ZHANTU_KILLS_S sets the length of the run (default 25), ZHANTU_KILLS_SEED its seed.
"""

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SECONDS = float(os.environ.get("ZHANTU_KILLS_S", "25"))
SEED = int(os.environ.get("ZHANTU_KILLS_SEED", "20261123"))
HZ = 5.0
Key = tuple[int, int, int]


def in_the_spool(path: Path) -> set[Key]:
    """What the agent's own file holds: rows that were committed and not yet acknowledged."""
    with contextlib.closing(sqlite3.connect(path)) as spool:
        return set(spool.execute("SELECT boot, stream, row FROM rows"))


def kill_one(victim: str, hub: Any, gateway: Any, patiently: Callable[..., Any]) -> set[Key]:
    """Kill it, and start it again as its supervisor would. The rows that must survive."""
    if victim == "edge":
        gateway.program.kill()
        kept = in_the_spool(gateway.folder / "spool.db")
        gateway.program.start()
        return kept
    if victim == "broker":
        try:
            os.kill(hub.broker_pid(), signal.SIGKILL)
        except (AssertionError, ProcessLookupError):
            return set()  # it is just being started again
    else:
        hub.program.kill()
        hub.program.start()
    return set()


@pytest.mark.slow
def test_random_kills_lose_and_double_nothing(
    hub: Any, new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    rng = random.Random(SEED)
    gateway = new_gateway(hub, 1001, hz=HZ, row_s=1 / HZ)
    gateway.start_and_wait()
    end, kills, committed = time.monotonic() + SECONDS, Counter[str](), set[Key]()
    while time.monotonic() < end:
        pause_end = time.monotonic() + rng.uniform(0.3, 4.0)
        patiently(lambda until=pause_end: time.monotonic() >= until, "time stands still")
        victim = rng.choice(["edge", "edge", "broker", "hub"])
        committed |= kill_one(victim, hub, gateway, patiently)
        kills[victim] += 1
    patiently(hub.ready, "the hub does not come back")
    patiently(
        lambda: (told := gateway.status())["link"] == "up" and told["waiting_rows"] <= HZ,
        "the backlog remains",
        90,
    )
    gateway.receiver.close()
    patiently(lambda: gateway.status().get("waiting_rows") == 0, "rows remain unacknowledged", 90)

    rows = [row for row in hub.rows() if row["device"] == 1001]
    numbered = Counter((row["boot"], row["stream"], row["row"]) for row in rows)
    assert max(numbered.values()) == 1, "a row is stored twice"
    assert committed <= set(numbered), f"lost: {sorted(committed - set(numbered))[:10]}"
    check_numbers(numbered, kills)
    check_contents(rows, gateway.receiver.count, kills)
    print(f"kills {dict(kills)}, {len(rows)} rows of {gateway.receiver.count} fixes")


def check_numbers(numbered: Counter[Key], kills: Counter[str]) -> None:
    """Within a boot nothing is missing but the last second before its kill."""
    by_stream: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for boot, stream, row in numbered:
        by_stream[boot, stream].append(row)
    missing = {key: sorted(set(range(max(found) + 1)) - set(found)) for key, found in by_stream.items()}
    holes = [numbers for numbers in missing.values() if numbers]
    assert len(holes) <= kills["edge"], missing
    for key, numbers in missing.items():
        assert all(number >= max(by_stream[key]) - 2 * HZ for number in numbers), (key, numbers)


def check_contents(rows: list[dict[str, Any]], fixes: int, kills: Counter[str]) -> None:
    """Each fix stands in one row at most, and only those of the kills' own seconds are missing."""
    places = Counter(row["lat_deg_e7"] for row in rows if "lat_deg_e7" in row)
    assert max(places.values()) == 1, "one fix in two rows"
    # an agent that is killed misses fixes until it reads again: its start, the baud, and a fix to know the date
    assert len(places) >= fixes - kills["edge"] * 6 * HZ, (len(places), fixes, kills)
