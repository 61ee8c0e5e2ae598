"""What is on the serial ports of this machine, for a technician who has just plugged something in.

Enters: paths, or nothing for all ports. Leaves: a report, one entry a port. Called by `zhantu-edge ports`. It listens
with the agent's own ports and drivers, all ports at once; only with `ask` is a silent device asked to speak.
"""

import select
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from edge.config import PortConfig
from edge.serial_worker import SerialWorker
from firmware_bridge.drivers import AUTO, DRIVERS
from firmware_bridge.ports import PortInfo, list_ports
from protocols.samples import Sample, sample_as_dict

LINGER_S = 2.0
"""How long a recognised device is heard on, for its name and its values."""


@dataclass(slots=True)
class _Port:
    """One port under the ear."""

    info: PortInfo
    values: dict[str, object] = field(default_factory=dict)
    worker: SerialWorker | None = None
    apart: bool = False
    """The driver that listens works in a process apart: what is known of it is that its rate was found."""
    known_at_s: float | None = None

    def note(self, sample: Sample, _t_mono_ns: int) -> None:
        said = sample_as_dict(sample)
        said.pop("sample")
        self.values |= said

    def listen(self, driver: str) -> None:
        if self.worker is not None:
            self.worker.close()
        config = PortConfig(self.info.path, self.info.by_id or self.info.path, driver)
        self.worker, self.known_at_s = SerialWorker(config, self.note), None
        self.apart = driver in DRIVERS and bool(DRIVERS[driver].apart)

    def is_done(self, now_s: float) -> bool:
        """Whether it is known and was heard for a while since."""
        assert self.worker is not None
        if self.known_at_s is None and self.is_known():
            self.known_at_s = now_s
        return self.known_at_s is not None and now_s - self.known_at_s >= LINGER_S

    def is_known(self) -> bool:
        """Whether what listens has understood something."""
        assert self.worker is not None
        status = self.worker.status()
        return bool(status["locked"] if self.apart else status["messages"]["good"])  # type: ignore[index]

    def is_heard(self) -> bool:
        """Whether bytes came from it."""
        assert self.worker is not None
        return bool(self.worker.status()["byte_count"])

    def report(self) -> dict[str, object]:
        assert self.worker is not None
        status = self.worker.status()
        known = self.is_known()
        return {
            **asdict(self.info),
            "driver": status["driver"] if known else None,
            "baud": status["baud"] if known else None,
            "model": status["model"],
            "bytes": status["byte_count"],
            "error": status["last_error"] if not status["open"] else "",
            "values": self.values,
        }


def sniff(paths: list[str], seconds: float, ask: bool) -> list[dict[str, Any]]:
    """One entry a port: path, by_id, description, driver (None: not recognised), baud, model, bytes, error, values."""
    infos = [PortInfo(path, "", "") for path in paths] or list_ports()
    ports = [_Port(info) for info in infos]
    for port in ports:
        port.listen(AUTO)
    _hear(ports, seconds)
    for name, row in DRIVERS.items():
        if row.apart and row.bauds:
            _try(name, [port for port in ports if not port.is_known() and port.is_heard()], seconds)
    for name, row in DRIVERS.items():
        if ask and row.probe:
            _try(
                name, [port for port in ports if not port.is_known() and not port.report()["error"]], seconds
            )
    found = [port.report() for port in ports]
    for port in ports:
        if port.worker is not None:
            port.worker.close()
    return found


def _try(driver: str, ports: list[_Port], seconds: float) -> None:
    for port in ports:
        port.listen(driver)
    _hear(ports, seconds)


def _hear(ports: list[_Port], seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while ports and (now_s := time.monotonic()) < end_s:
        workers = [port.worker for port in ports if port.worker is not None]
        for worker in workers:
            worker.maintain(time.monotonic_ns())
        readers = {fd: worker for worker in workers if (fd := worker.fileno()) is not None}
        for fd in select.select(list(readers), [], [], 0.05)[0]:
            readers[fd].on_readable()
        ports = [port for port in ports if not port.is_done(now_s)]


def as_text(found: list[dict[str, Any]]) -> str:
    """For a person: the path to put into the configuration, and what is on it."""
    if not found:
        return "no serial ports; plug a device in, or check that you may read /dev/tty* (group dialout)"
    return "\n".join(f"{port['by_id'] or port['path']}\n    {_what(port)}" for port in found)


def _what(port: dict[str, Any]) -> str:
    name = f"  ({port['description']})" if port["description"] else ""
    if port["error"]:
        return f"CANNOT BE OPENED: {port['error']}{name}"
    if port["driver"]:
        values = "  ".join(f"{key}={value}" for key, value in list(port["values"].items())[:8])
        model = f" {port['model']}" if port["model"] else ""
        return f'driver = "{port["driver"]}", {port["baud"]} baud{model}{name}\n    {values}'
    if port["bytes"]:
        return f"{port['bytes']} bytes that no driver knows; try a longer --seconds, or set driver and baud{name}"
    return f"silent; a device that speaks only when asked is found with --ask{name}"
