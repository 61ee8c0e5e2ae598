"""`zhantu-hub doctor`: is this hub's machine fit, and for how long? Exit code 0: yes; 1: something needs a person.

Works whether the hub runs or not.
"""

import argparse
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hub import broker as brokers
from hub.commands.opening import registry_of, settings_of
from hub.errors import HubError
from hub.identity.authority import days_left
from hub.identity.keys import load_master
from hub.settings import Settings
from hub.store.budget import GIB, STOP_FREE_BYTES, WARN_AT, forecast, integrity, measure
from hub.store.reading import ReadOnlyLog
from hub.store.registry import SqliteRegistry
from protocols.units import MS_PER_DAY

DAYS_LEFT_MIN = 7
AUTHORITY_DAYS_LEFT_MIN = 365
SERVER_DAYS_LEFT_MIN = 30
DEVICE_DAYS_LEFT_MIN = 14
NUMBERS_SHOWN_MAX = 20
BROKER_WAIT_S = 2.0
EARLIEST_UTC_MS = 1_767_225_600_000
"""2026-01-01: a clock before this was never set."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `ok`, `warn` or `bad`, and what was found in words."""

    level: str
    part: str
    words: str


def run(args: argparse.Namespace) -> int:
    settings, data = settings_of(args), Path(args.data)
    findings = list(examine(settings, data, args))
    if args.json:
        print(
            json.dumps(
                {"ok": not _bad(findings), "findings": [asdict(f) for f in findings]}, ensure_ascii=False
            )
        )
    else:
        for finding in findings:
            print(f"{finding.level:4}  {finding.part:9} {finding.words}")
        print("something needs a person" if _bad(findings) else "all is well")
    return 1 if _bad(findings) else 0


def _bad(findings: list[Finding]) -> bool:
    return any(finding.level == "bad" for finding in findings)


def examine(settings: Settings, data: Path, args: argparse.Namespace) -> Iterator[Finding]:
    """All checks. A check that fails in an unexpected way is itself a finding."""
    if not data.is_dir():
        yield Finding("bad", "data", f"no folder {data}; `zhantu-hub run` makes it")
        return
    with registry_of(args) as registry:
        checks: list[Callable[[], Iterator[Finding]]] = [
            lambda: check_key(data),
            lambda: check_authority(data, registry),
            lambda: check_registry(registry),
            lambda: check_log(data),
            lambda: check_disk(settings, data),
            lambda: check_clock(data, time.time_ns() // 1_000_000),
            lambda: check_broker(settings),
        ]
        for check in checks:
            try:
                yield from check()
            except (HubError, OSError) as err:
                yield Finding("bad", "check", str(err))


def check_key(data: Path) -> Iterator[Finding]:
    load_master(data / "master.key")
    yield Finding("ok", "key", "master key is there, for its owner only")
    mode = data.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding("bad", "key", f"the data folder has mode {mode:04o}, 0700 needed")


def check_authority(data: Path, registry: SqliteRegistry) -> Iterator[Finding]:
    """Certificates of the authority, of servers and of devices: how long they hold."""
    now_ms = time.time_ns() // 1_000_000
    for name, words, least in (
        ("authority", "the authority's certificate", AUTHORITY_DAYS_LEFT_MIN),
        ("broker", "the broker's certificate", SERVER_DAYS_LEFT_MIN),
        ("web", "the screen's certificate", SERVER_DAYS_LEFT_MIN),
    ):
        left = days_left(data / "tls" / f"{name}.pem", now_ms)
        if left is not None:
            level = "bad" if left < 0 else "warn" if left < least else "ok"
            yield Finding(level, "authority", f"{words} holds {left} days more")
        elif name == "authority":
            yield Finding("warn", "authority", "not made yet; `zhantu-hub run` or `enrol` makes it")
    devices = registry.devices
    expired, soon = devices.expired(now_ms), devices.expired(now_ms + DEVICE_DAYS_LEFT_MIN * MS_PER_DAY)
    if expired:
        yield Finding("warn", "devices", f"certificate ended: {_numbers(expired)}")
    if soon - expired:
        words = f"certificate ends within {DEVICE_DAYS_LEFT_MIN} days: {_numbers(soon - expired)}"
        yield Finding("warn", "devices", words)
    if not soon:
        yield Finding("ok", "devices", f"{len(devices.epochs())} may send, {len(devices.revoked())} revoked")


def _numbers(devices: set[int]) -> str:
    shown = ", ".join(map(str, sorted(devices)[:NUMBERS_SHOWN_MAX]))
    return shown + (
        f" and {len(devices) - NUMBERS_SHOWN_MAX} more" if len(devices) > NUMBERS_SHOWN_MAX else ""
    )


def check_registry(registry: SqliteRegistry) -> Iterator[Finding]:
    said = registry.check()
    yield Finding("ok" if said == "ok" else "bad", "registry", f"integrity: {said}")
    broken = registry.verify_records()
    yield Finding("bad" if broken else "ok", "records", broken or "the chain of operator records is whole")
    units = len(registry.units())
    yield Finding("ok" if units else "warn", "roster", f"{units} units")


def check_log(data: Path) -> Iterator[Finding]:
    log = ReadOnlyLog(data)
    days = log.days()
    for day in days:
        said = integrity(log.path(day))
        if said != "ok":
            yield Finding("bad", "log", f"{day}: {said}")
    yield Finding("ok", "log", f"{len(days)} day segments" + (f", {days[0]} to {days[-1]}" if days else ""))


def check_disk(settings: Settings, data: Path) -> Iterator[Finding]:
    space = measure(data, settings.disk_budget_gib)
    words = f"{space.used / GIB:.2f} GiB used of {space.budget / GIB:.1f} GiB ({space.share:.0%})"
    full = space.free < STOP_FREE_BYTES
    yield Finding("bad" if full else "warn" if space.share >= WARN_AT else "ok", "disk", space.stop or words)
    ahead = forecast(ReadOnlyLog(data), space)
    if ahead.days_left is None:
        yield Finding("ok", "forecast", "too little was logged yet to tell how long the disk lasts")
        return
    words = f"{ahead.bytes_a_day / GIB:.2f} GiB a day; full in {ahead.days_left:.0f} days"
    yield Finding("warn" if ahead.days_left < DAYS_LEFT_MIN else "ok", "forecast", words)


def check_clock(data: Path, now_ms: int) -> Iterator[Finding]:
    if now_ms < EARLIEST_UTC_MS:
        yield Finding("bad", "clock", "this machine's clock was never set")
        return
    newest = max((path.stat().st_mtime for path in data.rglob("*.db*")), default=0.0) * 1000
    if newest > now_ms + 60_000:
        yield Finding(
            "bad", "clock", f"the log was written {(newest - now_ms) / 1000:.0f} s ahead of this clock"
        )
        return
    yield Finding("ok", "clock", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_ms / 1000)))


def check_broker(settings: Settings) -> Iterator[Finding]:
    """Something answers where the broker should be; or one can be started there."""
    if settings.broker:
        broker = brokers.external(settings.broker)
        host, port = broker.host, broker.port
    else:
        host, port = "127.0.0.1", settings.mqtt_port
    try:
        with socket.create_connection((host, port), BROKER_WAIT_S):
            yield Finding("ok", "broker", f"answers at {host}:{port}")
            return
    except OSError as err:
        if settings.broker:
            yield Finding("bad", "broker", f"{host}:{port}: {err.strerror or err}")
            return
    found = brokers.find_mosquitto()
    if found is None:
        yield Finding("warn", "broker", "mosquitto is not installed: only the embedded demonstration broker")
    else:
        yield Finding("ok", "broker", "mosquitto is installed; the hub starts it")
