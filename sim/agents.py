"""Agent units: the unmodified edge agent, started as a program, with emulated devices on ptys.

Enters: moments and acts of the drill. Leaves: bytes on ptys, one `python -m edge run` for each unit of fidelity agent.
Caller: `sim.run`. One thread serves all lines, because bytes leave at a device's rate, not at a drill's.
"""

import json
import resource
import select
import shutil
import threading
import time
from pathlib import Path
from types import TracebackType

from protocols.samples import Fix
from sim import programs
from sim.access import AccessError
from sim.equipment import Equipment, EquipmentPort
from sim.pty import PtyLine
from sim.scenario import Scenario, Unit
from sim.world import State

AGENTS_MAX = 200
FILES_PER_UNIT, FILES_SPARE = 12, 256
"""Open files: two for each of four lines, the child's two pipes, some to start it."""
IDLE_MS = 20


def config_toml(
    unit: Unit, host: str, port: int, realm: str, key_file: Path, tables: list[str], settings: str = ""
) -> str:
    """An agent's configuration. The one place that knows its format; paths are absolute or beside the file. `tables`
    are those of the ports, `settings` what the drill's user adds.
    """
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
            *tables,
            "[mqtt]",
            f"host = {text(host)}",
            f"port = {port}",
            settings,
            "",
        ]
    )


def allow_files(count: int) -> None:
    """Raises this process's own limit of open files where `count` needs it; the hard limit stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class _Line:
    """One pty with the device behind it."""

    def __init__(self, port: EquipmentPort, link: Path) -> None:
        self.port = port
        self.pty = PtyLine(link, port.baud)

    def serve(self, t_mono_ns: int, t_ms: int) -> None:
        if heard := self.pty.read():
            self.pty.write(self.port.device.answer(heard))
        self.pty.write(self.port.device.step(t_ms))
        self.pty.pump(t_mono_ns)

    def toml(self) -> list[str]:
        return self.port.toml(self.pty.link.absolute())


class _Station:
    """One unit: its devices and their lines."""

    def __init__(self, unit: Unit, seed: int, folder: Path) -> None:
        self.equipment = Equipment(unit, seed)
        self.lines = [_Line(port, folder / f"{unit.device}.{port.name}") for port in self.equipment.ports]

    def serve(self, t_mono_ns: int, t_ms: int) -> None:
        self.equipment.step(t_ms)
        for line in self.lines:
            line.serve(t_mono_ns, t_ms)


class Agents:
    """All agent units of a scenario: a context that starts them and leaves nothing behind."""

    def __init__(
        self,
        scenario: Scenario,
        host: str,
        port: int,
        keys: Path,
        realm: str,
        folder: Path,
        settings: str = "",
    ) -> None:
        self._units = [unit for unit in scenario.units if unit.fidelity == "agent"]
        if len(self._units) > AGENTS_MAX:
            raise AccessError(f"scenario: {len(self._units)} agent units, at most {AGENTS_MAX} allowed")
        self._host, self._port, self._keys, self._realm = host, port, keys, realm
        self._folder, self._seed, self._settings = folder.absolute(), scenario.seed, settings
        self._stations: dict[int, _Station] = {}
        self._programs: list[programs.Program] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="ptys", daemon=True)

    def __enter__(self) -> "Agents":
        allow_files(FILES_SPARE + FILES_PER_UNIT * len(self._units))
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
        station = self._stations[unit.device] = _Station(unit, self._seed, self._folder)
        for line in station.lines:
            line.pty.plug()
        key_file = self._folder / f"{unit.device}.key"
        shutil.copyfile(self._keys / key_file.name, key_file)
        key_file.chmod(0o600)
        config = self._folder / f"{unit.device}.toml"
        tables = [word for line in station.lines for word in line.toml()]
        config.write_text(
            config_toml(unit, self._host, self._port, self._realm, key_file, tables, self._settings),
            encoding="utf-8",
        )
        self._programs.append(
            programs.start(f"agent {unit.callsign}", ["edge", "run", "--config", str(config)], self._folder)
        )

    def feed(self, device: int, fix: Fix, state: State) -> None:
        """A new moment for a unit's devices; when they are behind, the oldest waiting one is dropped."""
        self._stations[device].equipment.feed(fix, state)

    def act(self, device: int, what: str) -> None:
        """What a unit's wearer does: an `Event.what`."""
        self._stations[device].equipment.act(what)

    def check(self) -> None:
        """ProgramError when an agent has ended."""
        for program in self._programs:
            program.check()

    def _serve(self) -> None:
        stations, zero_ns = list(self._stations.values()), time.monotonic_ns()
        lines = [line for station in stations for line in station.lines]
        readable = select.poll()  # unlike select, it takes descriptors beyond 1023
        for line in lines:
            if (number := line.pty.fileno()) is not None:
                readable.register(number, select.POLLIN)
        while lines and not self._stop.is_set():
            t_mono_ns = time.monotonic_ns()
            for station in stations:
                station.serve(t_mono_ns, (t_mono_ns - zero_ns) // 1_000_000)
            waits_ms = [wait / 1e6 for line in lines if (wait := line.pty.wait_ns()) is not None]
            readable.poll(min([IDLE_MS, *waits_ms]))

    def _close(self) -> None:
        programs.stop_all(self._programs)
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for station in self._stations.values():
            for line in station.lines:
                line.pty.unplug()
