"""`zhantu-hub`: the words of the command line. The work is in hub/commands, imported only when needed.

Enters: arguments. Leaves: an exit code: 0 done, 1 refused or not well, 2 a wrong word.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from hub.errors import HubError

COMMANDS = {
    "run": "hub.commands.run",
    "user": "hub.commands.user",
    "token": "hub.commands.token",
    "audit": "hub.commands.audit",
    "enrol": "hub.commands.enrol",
    "device": "hub.commands.device",
    "roster": "hub.commands.roster",
    "export": "hub.commands.export",
    "hold": "hub.commands.hold",
    "rules": "hub.commands.rules",
    "below": "hub.commands.below",
    "trust": "hub.commands.trust",
    "maps": "hub.commands.maps",
    "openapi": "hub.commands.openapi",
    "stations": "hub.commands.stations",
    "doctor": "hub.commands.doctor",
}


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser("zhantu-hub", description="Zhantu 战图: the command post.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", default=".data", metavar="DIR", help="the hub's data (default .data)")
    common.add_argument("--config", metavar="FILE", help="settings (default DIR/hub.toml when it exists)")
    _run(commands.add_parser("run", parents=[common], help="run the hub"))
    _user(commands.add_parser("user", help="people, sign-in links and sessions"), common)
    _token(commands.add_parser("token", help="API tokens for programs"), common)
    _audit(commands.add_parser("audit", help="operator records and their chain"), common)
    _enrol(commands.add_parser("enrol", parents=[common], help="a one-time code for a gateway"))
    _device(commands.add_parser("device", help="enrolled devices: list, revoke, bind to units"), common)
    _roster(commands.add_parser("roster", help="units and devices"), common)
    _export(commands.add_parser("export", parents=[common], help="write out what was committed"))
    _hold(commands.add_parser("hold", help="keep a stretch of time from retention"), common)
    _rules(commands.add_parser("rules", help="what alarms: check a file, try a rule on the log"), common)
    _below(commands.add_parser("below", help="a hub below this one, or its standby"), common)
    trust = commands.add_parser(
        "trust", parents=[common], help="how a phone comes to trust this hub's certificate"
    )
    trust.add_argument("--qr", action="store_true", help="the QR code also when this is no terminal")
    trust.add_argument("--out", metavar="FILE", help="write the authority's certificate (DER)")
    trust.add_argument("--json", action="store_true")
    _stations(commands.add_parser("stations", help="mapping files of fixed stations"))
    _maps(commands.add_parser("maps", help="base maps"), common)
    document = commands.add_parser("openapi", help="print the API's OpenAPI document")
    document.add_argument("--out", metavar="FILE", help="write it there instead")
    doctor = commands.add_parser("doctor", parents=[common], help="check disk, log, keys, clock and broker")
    doctor.add_argument("--json", action="store_true", help="one JSON object")
    return top


def _run(run: argparse.ArgumentParser) -> None:
    run.add_argument("--host", help="address of screens and API (default 127.0.0.1; any other speaks HTTPS)")
    run.add_argument("--port", type=int, help="its port (default 8600)")
    run.add_argument("--mqtt-port", type=int, help="port of the embedded broker (default 18830)")
    run.add_argument("--realm", help="live, or the name of a drill (default live)")
    run.add_argument("--broker", metavar="HOST:PORT", help="use this broker instead of starting one")
    run.add_argument("--devices-host", help="address on which devices reach the broker over TLS")
    run.add_argument("--devices-port", type=int, help="its port (default 8883)")
    run.add_argument(
        "--datagrams-port",
        type=int,
        help="UDP port for gateways on lossy links, at the same address (default none)",
    )
    run.add_argument(
        "--print-link",
        nargs="?",
        const="commander",
        action="append",
        metavar="ROLE",
        help="put a one-time sign-in link of this role (default commander) into the start line; repeatable",
    )
    run.add_argument(
        "--basemap", action="append", metavar="FILE",
        help="a base map beside those of the settings: .pmtiles, .mbtiles or a folder of z/x/y; repeatable",
    )  # fmt: skip
    run.add_argument("--json", action="store_true", help="the start line as JSON")


def _maps(maps: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = maps.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", parents=[common], help="exit code 1 when one cannot be read")
    check.add_argument("--basemap", action="append", metavar="FILE", help="this file too; repeatable")
    check.add_argument("--json", action="store_true")


def _user(user: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = user.add_subparsers(dest="action", required=True, metavar="ACTION")
    link = actions.add_parser("link", parents=[common], help="a new one-time sign-in link")
    link.add_argument("--name", default="administrator", help="whose (default administrator)")
    link.add_argument("--role", help="of somebody new; the very first is an administrator")
    link.add_argument("--url", help="where the hub is (default: as it runs, or as its settings say)")
    link.add_argument("--json", action="store_true")
    add = actions.add_parser("add", parents=[common], help="make an account")
    add.add_argument("--role", required=True, help="what they may do: docs/roles.md")
    add.add_argument("--agency", default="", help="whose person; empty: of no agency")
    add.add_argument("--team", default="")
    change = actions.add_parser("set", parents=[common], help="change an account")
    change.add_argument("--role")
    change.add_argument("--agency")
    change.add_argument("--team")
    for one in (add, change):
        one.add_argument(
            "--sees",
            metavar="AGENCY,…",
            help="agencies seen beside the own one, * for all (default of a new person: * without an agency)",
        )
    lock = actions.add_parser("lock", parents=[common], help="end sessions and API tokens, allow no new ones")
    unlock = actions.add_parser("unlock", parents=[common], help="let somebody in again")
    for one in (add, change, lock, unlock):
        one.add_argument("--name", required=True)
    actions.add_parser("list", parents=[common], help="people")
    actions.add_parser("sessions", parents=[common], help="sessions that hold")
    end = actions.add_parser("end", parents=[common], help="end a session")
    end.add_argument("session", help="its id, as `user sessions` shows it")


def _token(token: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = token.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", parents=[common], help="make one; it is shown this once")
    add.add_argument("--user", required=True, help="whose; it can do no more than they")
    add.add_argument("--name", required=True, help="what it is for")
    add.add_argument("--scope", required=True, metavar="PERMISSION,…", help="as in docs/roles.md")
    add.add_argument("--days", type=int, default=90, help="how long it holds (default 90, at most 365)")
    add.add_argument("--json", action="store_true")
    actions.add_parser("list", parents=[common], help="those that hold")
    end = actions.add_parser("end", parents=[common], help="end one")
    end.add_argument("token", help="its id, as `token list` shows it")


def _audit(audit: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = audit.add_subparsers(dest="action", required=True, metavar="ACTION")
    verify = actions.add_parser("verify", parents=[common], help="exit code 1 and the first broken record")
    verify.add_argument("--expect", metavar="NUMBER:DIGEST", help="a head noted earlier that must be there")
    verify.add_argument("--json", action="store_true")
    records = actions.add_parser("list", parents=[common], help="who did what")
    records.add_argument("--after", type=int, default=0, metavar="NUMBER", help="only later ones")
    records.add_argument("--count", type=int, default=-1, help="at most so many (default all)")
    records.add_argument("--json", action="store_true", help="a JSON object a line")


def _enrol(enrol: argparse.ArgumentParser) -> None:
    enrol.add_argument("--callsign", help="the unit that carries it; a new one is registered")
    enrol.add_argument("--device", type=int, metavar="N", help="its number (default: the next free one)")
    enrol.add_argument(
        "--kind", default="gateway", help="gateway, soldier, vehicle, relay or station (default gateway)"
    )
    enrol.add_argument("--unit-kind", help="person, vehicle, drone, vessel or base (default person)")
    enrol.add_argument("--branch", help="such as fire or medical (default other)")
    enrol.add_argument("--team", help="the unit's team")
    enrol.add_argument("--agency", help="whose unit it is; empty: seen by all")
    enrol.add_argument("--relay", action="store_true", help="it may pass on what other devices say")
    enrol.add_argument("--hours", type=int, default=24, help="how long the code holds (default 24)")
    enrol.add_argument("--address", metavar="HOST[:PORT]", help="where the gateway reaches this hub")
    enrol.add_argument("--qr", action="store_true", help="show the QR picture also when this is no terminal")
    enrol.add_argument("--json", action="store_true", help="one JSON object")


def _device(device: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = device.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[common], help="all devices with state and certificate")

    def one(name: str, words: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, parents=[common], help=words)
        action.add_argument("device", type=int, help="its number")
        return action

    one("show", "one device and who carried it when")
    revoke = one("revoke", "refuse it from now on, and end its session")
    revoke.add_argument("--why", required=True, help="kept in the operator records")
    relay = one("relay", "it may pass on what other devices say")
    relay.add_argument("--off", action="store_true", help="no longer")
    bind = one("bind", "from now on, or from a time on, this unit carries it")
    bind.add_argument("unit", help="callsign or id")
    bind.add_argument("--from", dest="from_", metavar="TIME", help="2026-11-23T08:00:00Z or UTC ms")
    unbind = one("unbind", "nobody carries it any more")
    unbind.add_argument("--from", dest="from_", metavar="TIME")


def _roster(roster: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    keys = argparse.ArgumentParser(add_help=False)
    keys.add_argument(
        "--keys", metavar="DIR", help="write one key file a device: DEVICE.key, hexadecimal, mode 0600"
    )
    keys.add_argument("--realm", help="realm of the keys (default: the data's, else live)")
    actions = roster.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[common], help="units and their devices")
    load = actions.add_parser("import", parents=[common, keys], help="register units from a CSV file")
    load.add_argument("file", help="device,callsign,kind,branch,team[,stale_s,lost_s,agency]")
    add = actions.add_parser("add", parents=[common, keys], help="register one unit, or --count of them")
    add.add_argument(
        "--device", "--first-device", dest="device", required=True, help="number of the (first) device"
    )
    add.add_argument(
        "--callsign", "--prefix", dest="callsign", required=True, help="callsign, or its beginning"
    )
    add.add_argument("--count", type=int, help="so many units, numbered from 1")
    add.add_argument("--kind", default="person")
    add.add_argument("--branch", default="other")
    add.add_argument("--team", default="")
    add.add_argument("--stale-s", default="")
    add.add_argument("--lost-s", default="")
    add.add_argument("--agency", default="", help="whose unit it is; empty: seen by all")


def _export(export: argparse.ArgumentParser) -> None:
    export.add_argument(
        "--from", dest="from_", required=True, metavar="TIME", help="2026-11-23T08:00:00Z or UTC ms"
    )
    export.add_argument("--to", required=True, metavar="TIME")
    export.add_argument("--format", choices=("csv", "jsonl", "gpx"), default="csv")
    export.add_argument("--unit", help="only this callsign or id")
    export.add_argument("--out", metavar="FILE", help="default: standard output")


def _hold(hold: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = hold.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", parents=[common], help="keep everything of a stretch of time")
    add.add_argument("--from", dest="from_", required=True, metavar="TIME")
    add.add_argument("--to", required=True, metavar="TIME")
    add.add_argument("--reason", required=True)
    actions.add_parser("list", parents=[common], help="holds")
    end = actions.add_parser("end", parents=[common], help="let retention have it")
    end.add_argument("hold", type=int)


def _rules(rules: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = rules.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", parents=[common], help="read a file of rules and say what is wrong")
    tried = actions.add_parser(
        "try", parents=[common], help="how often one would have alarmed, when and of whom"
    )
    for one in (check, tried):
        one.add_argument("--file", metavar="FILE", help="default DIR/rules.toml, without it the sample")
    tried.add_argument("rule", help="its id")
    tried.add_argument(
        "--from", dest="from_", required=True, metavar="TIME", help="2026-11-23T08:00:00Z or UTC ms"
    )
    tried.add_argument("--to", required=True, metavar="TIME")
    tried.add_argument("--unit", help="only this callsign or id")
    tried.add_argument("--json", action="store_true", help="one JSON object")


def _below(below: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = below.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", parents=[common], help="make the file from which a new hub begins")
    add.add_argument("--callsign", required=True, help="the new hub's name on the picture")
    add.add_argument("--out", required=True, metavar="FILE", help="it holds the master key")
    add.add_argument("--address", metavar="HOST[:PORT]", help="where the new hub reaches this one's TLS port")
    add.add_argument("--standby", action="store_true", help="it follows this hub and can take over")
    join = actions.add_parser("join", parents=[common], help="begin a new hub from that file")
    join.add_argument("file")
    join.add_argument("--code", required=True, help="as `below add` printed it")


def _stations(stations: argparse.ArgumentParser) -> None:
    actions = stations.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="try a mapping on what is there, and say what it reads")
    check.add_argument("file", help="such as DIR/stations.toml")
    check.add_argument("--data", metavar="DIR", help="the hub's data (default: the folder of the file)")
    check.add_argument("--source", metavar="NAME", help="only this source")
    check.add_argument("--sample", metavar="FILE", help="read this in place of what the source says")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    args = parser().parse_args(argv)
    command = importlib.import_module(COMMANDS[args.command])
    try:
        return int(command.run(args))
    except HubError as err:
        print(f"zhantu-hub: {err}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        return 1
    except OSError as err:
        if err.filename is None:
            raise
        print(f"zhantu-hub: {err.filename}: {err.strerror}", file=sys.stderr)
        return 1
