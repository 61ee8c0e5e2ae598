"""From the last byte of an epoch on a serial line to the WebSocket message that shows it, through the real agent.

Used by run.py while the load generator keeps the hub busy with other units.
"""

import os
import pty
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

import httpx
import msgpack
import numpy as np
from edge_agent import epoch
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

DEVICE = 99


def hub_command(data: Path, *arguments: str) -> str:
    """What a command of the hub prints."""
    command = [sys.executable, "-m", "hub", *arguments, "--data", str(data)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def enrol(data: Path, device: int) -> None:
    """A person on the roster, with a key below `data`."""
    hub_command(data, "roster", "add", "--device", str(device), "--callsign", f"probe-{device}", "--kind", "person",
                "--branch", "fire", "--team", "t", "--keys", str(data / "keys"))  # fmt: skip


def open_feed(data: Path, port: int) -> ClientConnection:
    """The feed as a signed-in screen hears it."""
    url = f"http://127.0.0.1:{port}"
    token = (
        hub_command(data, "user", "link", "--name", "screen", "--role", "commander", "--url", url)
        .partition("#t=")[2]
        .split()[0]
    )
    with httpx.Client(base_url=url, headers={"Origin": url}) as client:
        client.post("/api/v1/session", json={"token": token}).raise_for_status()
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return connect(
        f"ws://127.0.0.1:{port}/api/v1/feed", origin=url, additional_headers={"Cookie": cookie}, max_size=None
    )


class SerialProbe:
    """One agent with a 1 Hz receiver on a pty, and a screen that waits for its fixes."""

    def __init__(self, data: Path, port: int, mqtt_port: int) -> None:
        self._data, self._port, self._mqtt_port = data, port, mqtt_port
        self._stop = threading.Event()
        self._written: dict[int, float] = {}
        self._threads: list[threading.Thread] = []
        self.latency_ms: list[float] = []

    def __enter__(self) -> "SerialProbe":
        enrol(self._data, DEVICE)
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        config = self._data / "probe.toml"
        config.write_text(
            f'[device]\nnumber = {DEVICE}\nkey_file = "keys/{DEVICE}.key"\n[spool]\npath = "probe.db"\n'
            f'[[port]]\nname = "gnss"\npath = "{os.ttyname(slave)}"\nbaud = 115200\n[mqtt]\nport = {self._mqtt_port}\n'
        )
        self._agent = subprocess.Popen([sys.executable, "-m", "edge", "run", "--config", config])
        self._threads = [threading.Thread(target=part, daemon=True) for part in (self._write, self._watch)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._agent.terminate()
        self._agent.wait(10)
        for thread in self._threads:
            thread.join(5)

    def _write(self) -> None:
        """An epoch each second, a little after it, as a receiver would; off the beat of the hub's ticks."""
        t_ms = (int(time.time()) + 1) * 1000
        while not self._stop.wait(max(0.0, t_ms / 1000 + 0.13 - time.time())):
            os.write(self._master, epoch(t_ms / 1000 + 1e-4, full=True))  # sentences cut off below 10 ms
            self._written[t_ms] = time.time()
            t_ms += 1_070

    def _watch(self) -> None:
        slot = None
        with open_feed(self._data, self._port) as feed:
            while not self._stop.is_set():
                try:
                    message = msgpack.unpackb(feed.recv(timeout=1))
                except (TimeoutError, ConnectionClosed):
                    continue
                now = time.time()
                if message["k"] == "meta":
                    slot = next((u["slot"] for u in message["units"] if u["device"] == DEVICE), slot)
                elif message["k"] == "tick" and message["n"] and slot is not None:
                    self._note(message["c"], slot, now)

    def _note(self, columns: dict[str, bytes], slot: int, now: float) -> None:
        (rows,) = np.nonzero(np.frombuffer(columns["slot"], "<u4") == slot)
        if len(rows):
            t_fix = float(np.frombuffer(columns["t_fix"], "<f8")[rows[0]])
            written = self._written.pop(round(t_fix), None) if t_fix == t_fix else None
            if written is not None:
                self.latency_ms.append(1000 * (now - written))

    def percentiles(self) -> tuple[float, float, int]:
        """p50 and p99 in ms, and how many fixes were seen."""
        if not self.latency_ms:
            raise SystemExit("the probe's fixes never reached the screen")
        p50, p99 = np.percentile(self.latency_ms, [50, 99])
        return round(float(p50), 1), round(float(p99), 1), len(self.latency_ms)
