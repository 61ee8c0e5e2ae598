"""What the commands have in common: settings, the registry, times."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.addresses import web_address
from hub.errors import SettingsError
from hub.settings import Settings, load
from hub.store.registry import SqliteRegistry

UTC_MS_MAX = 2**52
RUN_KEYS = (
    "host",
    "port",
    "mqtt_port",
    "realm",
    "broker",
    "devices_host",
    "devices_port",
    "datagrams_port",
    "basemap",
)


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


def settings_of(args: argparse.Namespace) -> Settings:
    """Settings out of --config, or DATA/hub.toml, and the command line."""
    path = Path(args.config) if args.config else Path(args.data) / "hub.toml"
    overrides: dict[str, Any] = {key: getattr(args, key, None) for key in RUN_KEYS}
    return load(path if args.config or path.exists() else None, overrides)


@contextmanager
def registry_of(args: argparse.Namespace, *, make: bool = False) -> Iterator[SqliteRegistry]:
    """The registry of --data. The folder is made only on `make`: a mistyped one would give links that sign in nowhere.

    A folder that was there before keeps its mode: it may be somebody else's.
    """
    data = Path(args.data)
    if not data.is_dir():
        if not make:
            raise SettingsError(f"--data {data}: no such folder; `zhantu-hub run` or `roster add` makes it")
        data.mkdir(parents=True)
        data.chmod(0o700)
    registry = SqliteRegistry(data / "registry.db")
    registry.open(utc_ms())
    try:
        yield registry
    finally:
        registry.close()


def address_of(settings: Settings, registry: SqliteRegistry) -> str:
    """Where screens reach the hub: as it runs, or ran last; before its first run, as the settings say."""
    ran = registry.setting("address")
    return ran or web_address(settings, settings.port)


def time_of(text: str) -> int:
    """UTC ms of `2026-11-23T08:00:00Z`, `…+08:00` or of a number of milliseconds."""
    if text.isascii() and text.isdecimal():
        if int(text) > UTC_MS_MAX:
            raise SettingsError(f"time {text!r}: at most {UTC_MS_MAX} (UTC milliseconds)")
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"time {text!r}: 2026-11-23T08:00:00Z or UTC milliseconds needed") from None
    if moment.tzinfo is None:
        raise SettingsError(f"time {text!r}: needs its zone, such as Z or +08:00")
    return int(moment.timestamp() * 1000)


def shown(t_utc_ms: int) -> str:
    """2026-11-23T08:00:00.123Z"""
    moment = datetime.fromtimestamp(t_utc_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{t_utc_ms % 1000:03d}Z"
