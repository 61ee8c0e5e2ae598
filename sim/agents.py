"""Agent units: the unmodified edge agent, started as a program, on an emulated receiver's pty.

Enters: fixes of the world. Leaves: bytes on ptys, one `python -m edge run` for each unit of fidelity agent.
Caller: `sim.run`. One thread serves all lines, because bytes leave at a receiver's rate, not at a drill's.
"""

import json
import shutil
import threading
import time
from collections import deque
from pathlib import Path
from select import select
from types import TracebackType
from typing import Protocol

from protocols.samples import Fix
from sim import programs
from sim.access import AccessError
from sim.devices.gnss_nmea import NmeaReceiver
from sim.devices.gnss_ubx import UbxReceiver
from sim.pty import PtyLine
from sim.scenario import Scenario, Unit

AGENTS_MAX = 200
FIXES_WAITING_MAX = 4
BAUDS = {"nmea": 38_400, "ubx": 115_200}
IDLE_S = 0.02


class Receiver(Protocol):
    """An emulated GNSS receiver."""

    def epoch(self, fix: Fix) -> bytes: ...
    def answer(self, data: bytes) -> bytes: ...


def config_toml(unit: Unit, host: str, port: int, realm: str, key_file: Path, pty: Path) -> str:
    """An agent's configuration. The one place that knows its format; paths are absolute or beside the file."""
    text = json.dumps  # a JSON string of such values is a TOML string too
    return "\n".join(
        [
            "[device]",
            f"number = {unit.device}",
            f"realm = {text(realm)}",
            f"key_file = {text(str(key_file.resolve()), ensure_ascii=False)}",
            f"callsign = {text(unit.callsign, ensure_ascii=False)}",
            "[spool]",
            f'path = "{unit.device}.spool.db"',
            "[[port]]",
            'name = "gnss"',
            f"path = {text(str(pty.absolute()), ensure_ascii=False)}",
            'driver = "gnss"',
            "baud = 0",
            "[mqtt]",
            f"host = {text(host)}",
            f"port = {port}",
            "",
        ]
    )


class _Line:
    """One pty with the receiver behind it, and the fixes that wait for it."""

    def __init__(self, unit: Unit, link: Path) -> None:
        self.receiver: Receiver = UbxReceiver() if unit.receiver == "ubx" else NmeaReceiver()
        self.pty = PtyLine(link, BAUDS[unit.receiver])
        self.fixes: deque[Fix] = deque(maxlen=FIXES_WAITING_MAX)

    def serve(self, t_mono_ns: int) -> None:
        if heard := self.pty.read():
            self.pty.write(self.receiver.answer(heard))
        while self.fixes:
            self.pty.write(self.receiver.epoch(self.fixes.popleft()))
        self.pty.pump(t_mono_ns)


class Agents:
    """All agent units of a scenario: a context that starts them and leaves nothing behind."""

    def __init__(
        self, scenario: Scenario, host: str, port: int, keys: Path, realm: str, folder: Path
    ) -> None:
        self._units = [unit for unit in scenario.units if unit.fidelity == "agent"]
        if len(self._units) > AGENTS_MAX:
            raise AccessError(f"scenario: {len(self._units)} agent units, at most {AGENTS_MAX} allowed")
        self._host, self._port, self._keys, self._realm = host, port, keys, realm
        self._folder = folder.absolute()
        self._lines: dict[int, _Line] = {}
        self._programs: list[programs.Program] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="ptys", daemon=True)

    def __enter__(self) -> "Agents":
        try:
            for unit in self._units:
                self._start(unit)
            self._thread.start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _start(self, unit: Unit) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        line = _Line(unit, self._folder / f"{unit.device}.gnss")
        line.pty.plug()
        self._lines[unit.device] = line
        key_file = self._folder / f"{unit.device}.key"
        shutil.copyfile(self._keys / key_file.name, key_file)
        key_file.chmod(0o600)
        config = self._folder / f"{unit.device}.toml"
        config.write_text(
            config_toml(unit, self._host, self._port, self._realm, key_file, line.pty.link), encoding="utf-8"
        )
        self._programs.append(
            programs.start(f"agent {unit.callsign}", ["edge", "run", "--config", str(config)], self._folder)
        )

    def feed(self, device: int, fix: Fix) -> None:
        """A new fix for a unit's receiver; when its line is choked the oldest waiting one is dropped."""
        self._lines[device].fixes.append(fix)

    def check(self) -> None:
        """ProgramError when an agent has ended."""
        for program in self._programs:
            program.check()

    def _serve(self) -> None:
        lines = list(self._lines.values())
        masters = [number for line in lines if (number := line.pty.fileno()) is not None]
        while lines and not self._stop.is_set():
            t_mono_ns = time.monotonic_ns()
            for line in lines:
                line.serve(t_mono_ns)
            waits = [wait / 1e9 for line in lines if (wait := line.pty.wait_ns()) is not None]
            select(masters, [], [], min([IDLE_S, *waits]))

    def _close(self) -> None:
        programs.stop_all(self._programs)
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for line in self._lines.values():
            line.pty.unplug()
