"""Every kind of device on one agent: its processor and memory, and how long each takes to come back after a replug.

Uses the devices and the agent of tests/flow/test_all_devices.py.
"""

import json
import runpy
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WARM_UP_S, MEASURE_S, PATIENCE_S = 15.0, 30.0, 30.0
CLOCK_TICKS = 100


@dataclass
class Found:
    cpu_pct: float
    rss_kib: int
    replug_s: dict[str, float]

    def replug_words(self) -> str:
        return ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.replug_s.items())


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def measure() -> Found:
    test = runpy.run_path(str(Path(__file__).parents[1] / "flow/test_all_devices.py"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = test["Bench"](folder)
        config = test["write_config"](folder, bench)
        command = [sys.executable, "-m", "edge", "run", "--config", str(config)]
        program = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            time.sleep(WARM_UP_S)
            before_s, began_s = cpu_s(program.pid), time.monotonic()
            time.sleep(MEASURE_S)
            cpu_pct = 100 * (cpu_s(program.pid) - before_s) / (time.monotonic() - began_s)
            rss_kib = test["rss_kib"](program.pid)
            return Found(cpu_pct, rss_kib, {each: _replug_s(bench, config, each) for each in test["DRIVERS"]})
        finally:
            program.terminate()
            program.wait(30)
            bench.close()


def _port(config: Path, name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "edge", "status", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return dict(json.loads(done.stdout)["ports"][name])


def _replug_s(bench: Any, config: Path, name: str) -> float:
    bench.unplug(name)
    while (port := _port(config, name))["open"]:
        continue
    bench.plug(name)
    began_s = time.monotonic()
    while time.monotonic() - began_s < PATIENCE_S:
        now = _port(config, name)
        if now["open"] and now["messages"]["good"] not in (0, port["messages"]["good"]):
            break
    return time.monotonic() - began_s
