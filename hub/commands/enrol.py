"""`zhantu-hub enrol`: a one-time code for a gateway. Works beside the running hub, and without it."""

import argparse
import json
import sys
from pathlib import Path

import segno

from hub import addresses
from hub.commands.opening import registry_of, settings_of, shown, utc_ms
from hub.errors import SettingsError
from hub.identity.authority import Authority, authority_der
from hub.identity.enrolment import Made, Wanted, make_code
from hub.identity.keys import load_master
from hub.settings import Settings, is_loopback
from hub.store.registry import SqliteRegistry


def run(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with registry_of(args, make=True) as registry:
        at = _asked_at(args.address, settings, registry)
        wanted = Wanted(
            args.callsign or "",
            args.device,
            args.unit_kind,
            args.branch,
            args.team,
            args.agency,
            args.kind,
            args.relay,
        )
        der = _authority_der(Path(args.data), registry, settings)
        made = make_code(registry, der, wanted, at, args.hours, "cli", utc_ms())
    if args.json:
        said = {"device": made.device, "callsign": made.callsign, "code": made.code}
        print(json.dumps({**said, "expires_utc_ms": made.expires_utc_ms}, ensure_ascii=False))
    else:
        _print(made, at, show_qr=args.qr or sys.stdout.isatty())
    return 0


def _print(made: Made, at: tuple[str, int], *, show_qr: bool) -> None:
    print(f"device   {made.device}  {made.callsign}")
    print(f"code     {made.code}")
    print(f"valid    once, until {shown(made.expires_utc_ms)}")
    print(f"on the gateway:\n\n    zhantu-edge enrol {made.code}\n")
    if show_qr:
        segno.make(made.code, error="m").terminal(compact=True)
    if is_loopback(at[0]):
        print(
            "note: this address is loopback, so only a gateway on this machine reaches the hub; for others run it"
            " with --host 0.0.0.0, or say --address HOST:PORT"
        )


def _authority_der(data: Path, registry: SqliteRegistry, settings: Settings) -> bytes:
    """As it lies there; the master is needed only before the hub's first start."""
    folder = data / "tls"
    found = authority_der(folder)
    if found is not None:
        return found
    realm = registry.setting("realm") or settings.realm
    return Authority(load_master(data / "master.key", create=True), realm, folder).der


def _asked_at(given: str | None, settings: Settings, registry: SqliteRegistry) -> tuple[str, int]:
    """Host and port for the code: as given, else where the hub was started last, else as it is set."""
    host, port = _started_at(registry) or (settings.host, settings.port)
    if given is None:
        public = [name for name in addresses.public_names(settings) if not is_loopback(name)]
        if public:
            return _split(settings.public_hosts[addresses.public_names(settings).index(public[0])], port)
        return (addresses.outward() if host in addresses.ANY else host), port
    return _split(given, port)


def _started_at(registry: SqliteRegistry) -> tuple[str, int] | None:
    """What the hub noted at its last start."""
    url = registry.setting("address")
    return None if url is None else _split(url.partition("://")[2], 0)


def _split(text: str, port: int) -> tuple[str, int]:
    """HOST, HOST:PORT, an IPv6 address with or without brackets."""
    host, colon, said = text.rpartition(":")
    if not colon or text.endswith("]") or (text.count(":") > 1 and not host.endswith("]")):
        host, said = text, str(port)
    if not host or not said.isdecimal() or not 0 < int(said) < 65_536:
        raise SettingsError(f"address {text[:80]!r}: HOST or HOST:PORT needed, such as 10.0.0.5:8600")
    return host.strip("[]"), int(said)
