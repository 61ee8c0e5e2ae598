"""Settings: an optional TOML file and the command line, read once into a frozen dataclass.

Enters: paths and overrides. Leaves: `Settings`, or SettingsError. hub/sample.toml holds every key.
"""

import difflib
import tomllib
from dataclasses import dataclass, fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from hub.errors import SettingsError
from hub.maps.declared import BaseMap, of_file, with_own_ids
from hub.maps.declared import read as read_maps
from protocols.errors import TopicError
from protocols.topics import DEVICE_MAX, check_realm


@dataclass(frozen=True, slots=True)
class Settings:
    """As in hub/sample.toml, key by key."""

    realm: str = "live"
    host: str = "127.0.0.1"
    port: int = 8600
    tls_cert: str = ""
    tls_key: str = ""
    mqtt_port: int = 18830
    devices_host: str = ""
    devices_port: int = 8883
    datagrams_port: int = 0
    certificate_days: int = 90
    broker: str = ""
    public_hosts: tuple[str, ...] = ()
    token_s: int = 900
    session_s: int = 43_200
    disk_budget_gib: int = 0
    history_days: int = 90
    events_days: int = 3_650
    rebuild_days: int = 2
    above_host: str = ""
    above_port: int = 8883
    above_device: int = 0
    above_peer: int = 0
    above_tls: bool = True
    entry_whistle_kpa: int = 5_500
    entry_reserve_kpa: int = 5_500
    entry_factor: float = 1.0
    entry_cylinder_l: float = 6.8
    entry_lpm: float = 40.0
    entry_reading_s: int = 300
    entry_planned_s: int = 1_200
    entry_margin_s: int = 120
    entry_whole_squad: bool = False
    roll_call_every_s: int = 1_800
    roll_call_wait_s: int = 60
    roll_call_triggers: tuple[str, ...] = ("sos", "man_down")
    evacuation_wait_s: int = 60
    map_cache_mib: int = 512
    basemap: tuple[BaseMap, ...] = ()

    @property
    def https(self) -> bool:
        """Whether screens and API speak HTTPS: always beyond loopback, and with the installer's certificate."""
        return bool(self.tls_cert) or not is_loopback(self.host)

    @property
    def devices_at(self) -> str:
        """The address of the broker's TLS port, "" for none."""
        return self.devices_host or ("" if is_loopback(self.host) else self.host)

    @property
    def drill(self) -> bool:
        return self.realm != "live"


_RANGES = {
    "port": (0, 65_535),
    "mqtt_port": (1, 65_535),
    "devices_port": (1, 65_535),
    "datagrams_port": (0, 65_535),
    "certificate_days": (1, 3_650),
    "token_s": (10, 86_400),
    "session_s": (60, 30 * 86_400),
    "disk_budget_gib": (0, 1_000_000),
    "history_days": (0, 36_500),
    "events_days": (0, 36_500),
    "rebuild_days": (0, 36_500),
    "above_port": (1, 65_535),
    "above_device": (0, DEVICE_MAX),
    "above_peer": (0, DEVICE_MAX),
    "entry_whistle_kpa": (1_000, 20_000),
    "entry_reserve_kpa": (0, 20_000),
    "entry_factor": (0.2, 3),
    "entry_cylinder_l": (0.5, 60),
    "entry_lpm": (10, 150),
    "entry_reading_s": (30, 3_600),
    "entry_planned_s": (60, 86_400),
    "entry_margin_s": (0, 3_600),
    "roll_call_every_s": (0, 86_400),
    "roll_call_wait_s": (10, 3_600),
    "evacuation_wait_s": (10, 3_600),
    "map_cache_mib": (0, 1_000_000),
}
ROLL_CALL_TRIGGERS = ("sos", "man_down", "evacuation")


def load(path: Path | None, overrides: dict[str, Any]) -> Settings:
    """Defaults, then the file, then what the command line says (None: nothing)."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text())
        except (OSError, ValueError) as err:
            raise SettingsError(f"{path}: {err}") from None
        _check_keys(path.name, values)
        if "basemap" in values:
            values["basemap"] = read_maps(values["basemap"], path.name, path.resolve().parent)
    files = [of_file(name) for name in overrides.get("basemap") or ()]
    values.update({key: value for key, value in overrides.items() if value is not None and key != "basemap"})
    if files:
        values["basemap"] = with_own_ids([*files, *values.get("basemap", ())])
    return _check(replace(Settings(), **_typed(values)))


def _check_keys(name: str, values: dict[str, Any]) -> None:
    known = [field.name for field in fields(Settings)]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0)
            raise SettingsError(f"{name}: unknown key {key!r}, did you mean {near[0]!r}?")


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    out = dict(values)
    defaults = Settings()
    for key, value in values.items():
        wanted = type(getattr(defaults, key))
        if wanted is tuple and isinstance(value, list) and all(isinstance(item, str) for item in value):
            out[key] = tuple(value)
        elif type(value) is not wanted:
            raise SettingsError(f"settings: {key} = {value!r}, {wanted.__name__} needed")
    return out


def _check(settings: Settings) -> Settings:
    for key, (lo, hi) in _RANGES.items():
        value = getattr(settings, key)
        if not lo <= value <= hi:
            raise SettingsError(f"settings: {key} = {value}, {lo}–{hi} allowed")
    for word in settings.roll_call_triggers:
        if word not in ROLL_CALL_TRIGGERS:
            allowed = ", ".join(ROLL_CALL_TRIGGERS)
            raise SettingsError(f"settings: roll_call_triggers: {word!r}, allowed are {allowed}")
    try:
        check_realm(settings.realm)
    except TopicError as err:
        raise SettingsError(str(err)) from None
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise SettingsError("settings: tls_cert and tls_key go together")
    if settings.above_host and not settings.above_device:
        raise SettingsError(
            "settings: above_host needs above_device, the number of this hub at the one above"
        )
    return settings


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
