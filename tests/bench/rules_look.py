"""What a second of rules costs: 10,000 units, the sample's rules and more, zones and pairs.

`python tests/bench/rules_look.py` prints milliseconds of CPU a look (median and worst of 30),
whole and by rule. Aim: 20 rules on 10,000 units in 20 ms.
"""

import statistics
import time
from typing import Any

import numpy as np

from hub.live.picture import CHANNEL, F64, I64, Picture
from hub.live.units import Units
from hub.safety.rule_engine import Engine
from hub.safety.rule_file import SAMPLE, read, rule_of
from hub.safety.rule_kinds import Rule
from hub.safety.rule_scene import Entries, Roster, Scene
from hub.store.interface import UnitRow

N, LOOKS, T0 = 10_000, 30, 1_795_000_000_000
EXTRA: tuple[dict[str, Any], ...] = (
    {"id": "x1", "kind": "rate", "channel": "co_ppm", "above": 500},
    {"id": "x2", "kind": "absence", "channel": "heart_bpm", "after_s": 60},
    {"id": "x3", "kind": "threshold", "channel": "speed_dmps", "above": 900, "on_s": 5},
    {"id": "x4", "kind": "zone", "zone_kinds": ["danger"], "event": "stay", "stay_s": 60},
    {
        "id": "x5",
        "kind": "proximity",
        "who": {"kind": ["person"]},
        "near": {"kind": ["vehicle"]},
        "nearer_m": 10,
    },
)


class Discs:
    """Ten danger zones of a hundred units each."""

    def __init__(self) -> None:
        self.found = [
            type("Disc", (), {"id": f"z{i}", "name": f"z{i}", "kind": "danger"})() for i in range(10)
        ]

    def all(self) -> list[Any]:
        return self.found

    def get(self, zone_id: str) -> Any:
        return self.found[int(zone_id[1:])]

    def inside(self, zone_id: str) -> I64:
        return np.arange(100) + 100 * int(zone_id[1:])

    def unsure(self, zone_id: str) -> I64:
        return np.zeros(0, np.int64)

    def contains(self, zone: Any, lat_deg: F64, lon_deg: F64, t_ms: int) -> Any:
        return np.zeros(len(lat_deg), np.bool_)


def main() -> None:
    rng = np.random.default_rng(1)
    picture = Picture(N)
    units = Units(picture)
    kinds, branches = ("person", "person", "person", "vehicle"), ("fire", "medical", "mine")
    units.load([UnitRow(f"u{i}", f"C{i}", kinds[i % 4], branches[i % 3], "A", 30, 300) for i in range(N)], [])
    picture.pos[0, :N] = rng.normal(366_500_000, 400_000, N)
    picture.pos[1, :N] = rng.normal(1_170_000_000, 400_000, N)
    picture.pos[5, :N] = 30
    good = {
        "battery_pct": 80,
        "board_pct": 80,
        "o2_permille": 209,
        "scba_kpa": 25_000,
        "duty": 3,
        "ambient_dc": 300,
    }
    channels = [
        *good,
        "lel_permille",
        "co_ppm",
        "heart_bpm",
        "speed_dmps",
        "gas_faults",
        "ports_down",
        "ports_silent",
    ]
    roster, entries, zones = Roster(units), Entries(), Discs()

    def measure(rules: list[Rule]) -> tuple[float, float, int]:
        engine, took, told = Engine(rules), [], 0
        for second in range(LOOKS):
            now_ms = T0 + 1_000 * second
            for name in channels:
                picture.value[CHANNEL[name], :N] = good.get(name, 0)
                picture.time[CHANNEL[name], :N] = now_ms - 200
            picture.value[CHANNEL["battery_pct"], : N // 100] = 9  # one in a hundred stands
            picture.pos_time[:N] = picture.row_time[:N] = now_ms - 200
            began = time.process_time()
            roster.look()
            scene = Scene(picture, units, roster, entries, zones, now_ms, T0)
            told = len(engine.step(scene))
            took.append(1_000 * (time.process_time() - began))
        return statistics.median(took), max(took[1:]), told

    rules = [*(rule for rule in read(SAMPLE.read_text(encoding="utf-8"), "sample").rules if rule.enabled)]
    rules += [rule_of(said) for said in EXTRA]
    median, worst, told = measure(rules)
    print(
        f"{N} units, {len(rules)} rules: median {median:.1f} ms, worst {worst:.1f} ms, {told} conditions stand"
    )
    for rule in rules:
        median, worst, told = measure([rule])
        print(f"  {rule.id:24} {rule.kind:13} {median:6.2f} ms, worst {worst:6.2f}, {told} stand")


if __name__ == "__main__":
    main()
