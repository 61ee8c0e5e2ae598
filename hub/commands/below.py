"""`zhantu-hub below {add,join}`: a hub below this one, or its standby. Works beside the running hub."""

import argparse
import os
from pathlib import Path
from urllib.parse import urlsplit

from hub import addresses
from hub.commands.opening import registry_of, settings_of, utc_ms
from hub.errors import RosterError, SettingsError
from hub.files import write_whole
from hub.forward import seed as seeds
from hub.forward.seed import Seed
from hub.identity.keys import load_master
from hub.settings import Settings
from hub.store.interface import UnitRow
from hub.store.registry import SqliteRegistry


def run(args: argparse.Namespace) -> int:
    return _add(args) if args.action == "add" else _join(args)


# --- on the hub that is there ----------------------------------------------------------------------------------


def _add(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    out = Path(args.out)
    if out.exists():
        raise SettingsError(f"--out {out}: is there already")
    with registry_of(args) as registry:
        realm = registry.setting("realm") or settings.realm
        master = load_master(Path(args.data) / "master.key", create=True)
        host, port, tls = _asked_at(args.address, settings, registry.setting("address") or "")
        with registry.together():
            device, authority = _numbers(registry, args.callsign)
            peer = _own_number(registry) if args.standby else 0
            said: dict[str, object] = {"device": device, "callsign": args.callsign, "standby": bool(peer)}
            registry.record(utc_ms(), "cli", "hub below made", said)
        code = seeds.new_code()
        made = Seed(realm, master, device, authority, host, port, tls, peer, registry.sharing.entries())
        write_whole(out, seeds.pack(made, code), mode=0o600)
    print(f"device   {device}  {args.callsign}")
    print(f"file     {out}   (holds the master key: carry it by hand, delete it when it was used)")
    print(f"code     {code}   (tell it apart from the file; it is kept nowhere)")
    print(f"on the new hub:\n\n    zhantu-hub below join {out.name} --code {code} --data DIR\n")
    if peer:
        print("in this hub's hub.toml, so that the standby has all of it; then start it again:\n")
        print(
            f'    above_host = "ADDRESS OF THE STANDBY"\n    above_port = {port}\n    above_device = {peer}'
        )
        print(f"    above_peer = {device}\n    above_tls = {str(tls).lower()}\n")
    return 0


def _numbers(registry: SqliteRegistry, callsign: str) -> tuple[int, int]:
    """The new hub's number here, where it is a relay at once, and the range of the numbers that it will give."""
    if registry.setting("authority"):
        raise RosterError(
            "below: this hub was made by another, and two that give ranges of numbers could give one twice; let the"
            " first hub make the file, with --address of this hub"
        )
    authority = int(registry.setting("authorities") or 0) + 1
    if authority > seeds.AUTHORITY_MAX:
        raise RosterError(f"below: {seeds.AUTHORITY_MAX} hubs were made already")
    registry.set_setting("authorities", str(authority))
    device = registry.devices.reserve(None, "hub", True, utc_ms())
    registry.devices.activate(device, "hub", utc_ms())
    registry.enrol([(device, UnitRow("", callsign, "base", "command", "", 30, 300))], utc_ms())
    return device, authority


def _own_number(registry: SqliteRegistry) -> int:
    """Under which this hub passes its own log to the standby."""
    known = registry.setting("own_number")
    if known is not None:
        return int(known)
    device = registry.devices.reserve(None, "hub", True, utc_ms())
    registry.devices.activate(device, "hub", utc_ms())
    registry.set_setting("own_number", str(device))
    return device


def _asked_at(given: str | None, settings: Settings, ran_at: str) -> tuple[str, int, bool]:
    """Host, port and whether over TLS, as the new hub reaches this one's broker. `ran_at`: where it runs, or ran."""
    ran = urlsplit(ran_at)
    tls = bool(settings.devices_at) or ran.scheme == "https"
    host = (ran.hostname or addresses.reached_at(settings)) if tls else settings.host
    port = settings.devices_port if tls else settings.mqtt_port
    if given is not None:
        host, colon, said = (
            given.rpartition(":") if given.count(":") == 1 or "]" in given else (given, "", "")
        )
        if colon and not said.isdecimal():
            raise SettingsError(
                f"--address {given[:80]!r}: HOST or HOST:PORT of the devices' TLS port is needed"
            )
        port = int(said) if colon else port
    return host.strip("[]"), port, tls


# --- on the new machine ------------------------------------------------------------------------------------------


def _join(args: argparse.Namespace) -> int:
    data = Path(args.data)
    for name in ("master.key", "registry.db", "hub.toml"):
        if (data / name).exists():
            raise SettingsError(f"--data {data}: holds a {name} already; a hub joins before its first start")
    seed = seeds.unpack(Path(args.file).read_bytes(), args.code)
    with registry_of(args, make=True) as registry, registry.together():
        registry.set_setting("realm", seed.realm)
        registry.set_setting("authority", str(seed.authority))
        for entry in seed.entries:
            registry.sharing.merge(entry, utc_ms())
        said: dict[str, object] = {"device": seed.device, "above": seed.above_host}
        registry.record(utc_ms(), "cli", "joined a hub", said)
    (data / "tls").mkdir(mode=0o700, exist_ok=True)
    write_whole(data / "master.key", seed.master.hex().encode() + b"\n", mode=0o600)
    write_whole(data / "hub.toml", seeds.settings_text(seed).encode())
    os.chmod(data, 0o700)
    print(
        f"This hub is device {seed.device} of the hub at {seed.above_host}:{seed.above_port}, realm {seed.realm}."
    )
    print(
        f"{len(seed.entries)} devices are known. Delete {args.file} now. Start it with `zhantu-hub run --data {data}`."
    )
    return 0
