"""`zhantu-hub device {list,show,revoke,relay,bind,unbind}`: works while the hub runs, which acts in half a second."""

import argparse

from hub.commands.opening import registry_of, shown, time_of, utc_ms
from hub.errors import RosterError
from hub.identity.enrolment import callsign_of, revoke
from hub.store.devices import DeviceRow
from hub.store.registry import SqliteRegistry


def run(args: argparse.Namespace) -> int:
    with registry_of(args) as registry:
        if args.action == "list":
            print("device\tstate\tkind\tcallsign\tcertificate until\tfirmware")
            for row in registry.devices.rows():
                print("\t".join(_line(registry, row)))
        elif args.action == "show":
            _show(registry, _known(registry, args.device))
        elif args.action == "revoke":
            _known(registry, args.device)
            if not revoke(registry, args.device, args.why, "cli", utc_ms()):
                raise RosterError(f"device {args.device}: revoked already")
            print(f"device {args.device}: revoked; `zhantu-hub enrol --device {args.device}` takes it back")
        elif args.action == "relay":
            _known(registry, args.device)
            registry.devices.set_relay(args.device, not args.off, utc_ms())
            registry.record(utc_ms(), "cli", "device relay", {"device": args.device, "relay": not args.off})
            print(f"device {args.device}: {'no relay' if args.off else 'a relay'} from now on")
        else:
            _carry(registry, args)
    return 0


def _known(registry: SqliteRegistry, device: int) -> DeviceRow:
    row = registry.devices.row(device)
    if row is None:
        raise RosterError(f"device {device}: not known; `device list` shows them")
    return row


def _line(registry: SqliteRegistry, row: DeviceRow) -> list[str]:
    until = shown(row.not_after_utc_ms) if row.not_after_utc_ms else "-"
    return [str(row.device), row.state, row.kind, callsign_of(registry, row.device), until, row.firmware]


def _show(registry: SqliteRegistry, row: DeviceRow) -> None:
    for name, value in row._asdict().items():
        if name.endswith("_utc_ms"):
            name, value = name.removesuffix("_utc_ms"), shown(value) if value else "-"
        print(f"{name:10} {value}")
    callsigns = {unit.id: unit.callsign for unit in registry.units()}
    for binding in registry.bindings():
        if binding.device == row.device:
            until = "now" if binding.to_utc_ms is None else shown(binding.to_utc_ms)
            since = shown(binding.from_utc_ms) if binding.from_utc_ms else "the beginning"
            print(f"carried by {callsigns.get(binding.unit, binding.unit)} from {since} until {until}")


def _carry(registry: SqliteRegistry, args: argparse.Namespace) -> None:
    """bind and unbind."""
    _known(registry, args.device)
    now_ms = utc_ms()
    from_ms = now_ms if args.from_ is None else time_of(args.from_)
    unit = ""
    with registry.together():
        if args.action == "bind":
            ids = {name: u.id for u in registry.units() for name in (u.id, u.callsign)}
            if args.unit not in ids:
                raise RosterError(f"no unit {args.unit!r}; `roster list` shows them")
            unit = ids[args.unit]
            registry.bind(args.device, unit, from_ms)
        elif not registry.unbind(args.device, from_ms):
            raise RosterError(f"device {args.device}: no unit carries it")
        said: dict[str, object] = {"device": args.device, "unit": unit, "from": from_ms}
        registry.record(now_ms, "cli", "device bound", said)
