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
    "roster": "hub.commands.roster",
    "export": "hub.commands.export",
    "hold": "hub.commands.hold",
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
    _user(commands.add_parser("user", help="sign-in links and sessions"), common)
    _roster(commands.add_parser("roster", help="units and devices"), common)
    _export(commands.add_parser("export", parents=[common], help="write out what was committed"))
    _hold(commands.add_parser("hold", help="keep a stretch of time from retention"), common)
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
        "--print-link", action="store_true", help="put a one-time sign-in link into the start line"
    )
    run.add_argument("--json", action="store_true", help="the start line as JSON")


def _user(user: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = user.add_subparsers(dest="action", required=True, metavar="ACTION")
    link = actions.add_parser("link", parents=[common], help="a new one-time sign-in link")
    link.add_argument("--name", default="commander", help="whose (default commander)")
    link.add_argument(
        "--url", default="http://127.0.0.1:8600", help="where the hub is (default http://127.0.0.1:8600)"
    )
    link.add_argument("--json", action="store_true")
    actions.add_parser("list", parents=[common], help="people")
    actions.add_parser("sessions", parents=[common], help="sessions that hold")
    end = actions.add_parser("end", parents=[common], help="end a session")
    end.add_argument("session", help="its id, as `user sessions` shows it")


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
