"""`zhantu-hub roster {add,list,import}`: works while the hub runs, which notices within a second."""

import argparse
import os
from pathlib import Path

from hub import roster
from hub.commands.opening import registry_of, settings_of, utc_ms
from hub.errors import RosterError
from hub.identity.keys import KeyRing, load_master
from hub.store.registry import SqliteRegistry
from protocols.errors import TopicError
from protocols.topics import check_realm

COUNT_MAX = 100_000


def run(args: argparse.Namespace) -> int:
    with registry_of(args, make=args.action != "list") as registry:
        if args.action == "list":
            _list(registry)
            return 0
        entries = _read(Path(args.file)) if args.action == "import" else _made(args)
        # The keys first: a device whose key cannot be written is not registered either.
        if args.keys:
            _write_keys(args, registry, [device for device, _ in entries])
        before = _carriers(registry)
        new, changed = registry.enrol(entries, utc_ms())
        what: dict[str, object] = {"devices": [device for device, _ in entries][:100], "count": len(entries)}
        registry.record(utc_ms(), "cli", f"roster {args.action}", what)
        print(f"{len(entries)} units: {new} new devices, {changed} changed")
        for device, now in _carriers(registry).items():
            if before.get(device, now) != now:
                print(f"device {device} was carried by {before[device]}, from now on by {now}")
    return 0


def _carriers(registry: SqliteRegistry) -> dict[int, str]:
    """Which callsign carries which device now."""
    names = {unit.id: unit.callsign for unit in registry.units()}
    return {b.device: names[b.unit] for b in registry.bindings() if b.to_utc_ms is None}


def _read(path: Path) -> list[roster.Entry]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        raise RosterError(f"{path}: {err.strerror}") from None
    except UnicodeDecodeError as err:
        raise RosterError(f"{path}: byte {err.start} is not UTF-8") from None
    return roster.parse(text, path.name)


def _made(args: argparse.Namespace) -> list[roster.Entry]:
    base = {name: getattr(args, name) for name in ("kind", "branch", "team", "stale_s", "lost_s", "agency")}
    if args.count is None:
        return [roster.entry({**base, "device": args.device, "callsign": args.callsign}, "roster add")]
    if not 1 <= args.count <= COUNT_MAX:
        raise RosterError(f"roster add: --count {args.count}, 1–{COUNT_MAX} allowed")
    first = roster.entry({**base, "device": args.device, "callsign": args.callsign}, "roster add")[0]
    width = len(str(args.count))
    return [
        roster.entry(
            {**base, "device": str(first + i), "callsign": f"{args.callsign}{i + 1:0{width}d}"}, "roster add"
        )
        for i in range(args.count)
    ]


def _write_keys(args: argparse.Namespace, registry: SqliteRegistry, devices: list[int]) -> None:
    known = registry.setting("realm")
    if args.realm and known and args.realm != known:
        raise RosterError(
            f"--realm {args.realm!r}: this data holds realm {known!r}; its hub would refuse such keys"
        )
    realm = args.realm or known or settings_of(args).realm
    try:
        check_realm(realm)
    except TopicError as err:
        raise RosterError(str(err)) from None
    ring = KeyRing(load_master(Path(args.data) / "master.key", create=True), realm)
    ring.epochs = registry.devices.all_epochs()
    lost = registry.devices.revoked().intersection(devices)
    if lost:
        raise RosterError(f"device {min(lost)} was revoked; `zhantu-hub enrol --device` takes it back")
    folder = Path(args.keys)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for device in devices:
            _write_key(folder / f"{device}.key", ring.secret(device))
    except OSError as err:
        raise RosterError(f"{err.filename}: {err.strerror}") from None


def _write_key(path: Path, key: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        os.fchmod(handle, 0o600)
        file.write(key.hex() + "\n")


def _list(registry: SqliteRegistry) -> None:
    bound: dict[str, list[int]] = {}
    for binding in registry.bindings():
        if binding.to_utc_ms is None:
            bound.setdefault(binding.unit, []).append(binding.device)
    print("id\tcallsign\tkind\tbranch\tteam\tstale_s\tlost_s\tagency\tdevices")
    for unit in registry.units():
        print("\t".join(map(str, [*unit, ",".join(map(str, bound.get(unit.id, [])))])))
