"""The gateway's own health: link, spool, clock, processor, temperature, memory.

Enters: the agent's parts and a few files of /proc and /sys. Leaves: one row of the HEALTH page, and the battery
for the STATE page. Called by `edge.agent` every `health_s`. What cannot be read is left out, never made up.
"""

import os
import time
from pathlib import Path

from edge.clock import BootClock
from edge.sender import Sender
from edge.spool import Spool
from protocols.catalog import FIELDS_BY_NAME, PAGE_BITS
from protocols.frame import Row

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None


def battery_pct(root: Path = Path("/sys/class/power_supply")) -> int | None:
    """The first battery's charge, 0–100 %, or None on a gateway without one."""
    for supply in sorted(root.glob("*/capacity")):
        value = _number(supply)
        if value is not None and 0 <= value <= 100:
            return value
    return None


def cpu_dc(root: Path = Path("/sys/class/thermal")) -> int | None:
    """The hottest thermal zone, 0.1 °C."""
    zones = [value for path in root.glob("thermal_zone*/temp") if (value := _number(path)) is not None]
    return max(zones) // 100 if zones else None


def rss_kib() -> int:
    """The agent's resident memory, KiB. **Source:** proc(5), /proc/self/statm, second field."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_KIB


class Health:
    """Remembers the last reading, because processor use is a difference."""

    def __init__(self, spool_path: Path) -> None:
        self._spool_path = spool_path
        self._cpu_s = time.process_time()
        self._at_ns: int | None = None

    def row(
        self, t_mono_ns: int, clock: BootClock, spool: Spool, sender: Sender, connects: int,
        ports_down: int, serial_bad: int, ports_silent: int, key_list: int | None, told: dict[int, int],
    ) -> Row:  # fmt: skip
        """One row of the HEALTH page. `told`: what devices said of it since the row before, by field id."""
        now_ms = clock.mono_ms(t_mono_ns)
        disk = os.statvfs(self._spool_path.parent)
        values: dict[str, int | None] = {
            "uptime_s": now_ms // 1000,
            "clock_source": int(clock.source),
            "clock_error_ms": clock.error_ms,
            "spool_rows": sender.waiting_rows(),
            "spool_kib": spool.size_bytes() // 1024,
            "backlog_s": spool.backlog_ms(now_ms) // 1000,
            "rtt_ms": sender.stats.rtt_ms,
            "reconnects": max(0, connects - 1),
            "cpu_permille": self._cpu(t_mono_ns),
            "cpu_dc": cpu_dc(),
            "rss_kib": rss_kib(),
            "serial_bad": serial_bad,
            "disk_free_mib": disk.f_bavail * disk.f_frsize // 2**20,
            "ports_down": ports_down,
            "ports_silent": ports_silent,
            "key_list": key_list,
        }
        known = {FIELDS_BY_NAME[name].bit: value for name, value in values.items() if value is not None}
        return Row(now_ms, {field % PAGE_BITS: value for field, value in told.items()} | known)

    def _cpu(self, t_mono_ns: int) -> int | None:
        used, self._cpu_s = time.process_time() - self._cpu_s, time.process_time()
        since_ns, self._at_ns = t_mono_ns - (self._at_ns or t_mono_ns), t_mono_ns
        return round(1000 * used * 1e9 / since_ns) if since_ns > 0 else None
