"""The hub with everything on: zones, rules, tracking and alarms beside the ingest; and a crowd of screens.

Used by run.py, which starts the hub and the load. Leaves: zones at the hub, what viewers received, memory.
"""

import math
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from serial_probe import hub_command, open_feed
from websockets.exceptions import ConnectionClosed

LAT, LON = 36.65, 117.0
"""Around here the load generator's units walk."""
ZONES_A_REQUEST = 100


def signed_in(data: Path, port: int, role: str = "commander") -> httpx.Client:
    """A person of the role, as their browser is."""
    url = f"http://127.0.0.1:{port}"
    link = hub_command(data, "user", "link", "--name", role, "--role", role, "--url", url)
    client = httpx.Client(base_url=f"{url}/api/v1", headers={"Origin": url}, timeout=30)
    client.post("/session", json={"token": link.partition("#t=")[2].split()[0]}).raise_for_status()
    return client


def zone(i: int, n: int) -> dict[str, Any]:
    """One of `n` zones on a spiral through the units: a circle, or a polygon of twenty corners."""
    turn, away = 2.4 * i, 0.002 + 0.05 * i / n
    lat, lon = LAT + away * math.cos(turn), LON + away * math.sin(turn)
    kind = ("danger", "cordon", "safe")[i % 3]
    properties: dict[str, Any] = {"name": f"Z{i}", "kind": kind}
    if i % 2:
        return {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lon, lat]},
            "properties": {**properties, "shape": "circle", "radius_m": 300},
        }
    ring = [
        [lon + 0.004 * math.sin(2 * math.pi * k / 20), lat + 0.003 * math.cos(2 * math.pi * k / 20)]
        for k in range(20)
    ]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": {**properties, "shape": "polygon"},
    }


def draw_zones(data: Path, port: int, n: int) -> None:
    with closing(signed_in(data, port)) as client:
        for i in range(n):
            client.post("/zones", json=zone(i, n)).raise_for_status()


def resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise SystemExit(f"no memory of {pid}")


class Crowd:
    """`n` signed-in screens in a process of its own, which throws away what it reads."""

    def __init__(self, data: Path, port: int, n: int) -> None:
        command = [sys.executable, __file__, str(data), str(port), str(n)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise SystemExit("the screens could not be opened")

    def end(self) -> tuple[int, int]:
        """Messages and bytes that all of them received."""
        said, _ = self._process.communicate("\n", timeout=60)
        messages, size = said.split()
        return int(messages), int(size)


def _watch(data: Path, port: int, n: int) -> None:
    received = [0, 0]
    lines = [open_feed(data, port) for _ in range(n)]

    def read(line: Any) -> None:
        try:
            for message in line:
                received[0] += 1
                received[1] += len(message)
        except ConnectionClosed:
            return

    threads = [threading.Thread(target=read, args=(line,), daemon=True) for line in lines]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.readline()
    print(*received, flush=True)


if __name__ == "__main__":
    _watch(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
