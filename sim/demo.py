"""`zhantu-sim demo`: a hub, its roster and a drill in one go, and nothing left behind. What `make run` calls.

Enters: a data folder, ports, a scenario. Leaves: one line with a link to open; everything stops at Ctrl-C. The
hub and the agents are programs of their own; the drill runs here. Caller: `sim.cli`.
"""

import argparse
import csv
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

from sim import programs
from sim.access import AccessError, HubAddress
from sim.desk import Desk
from sim.run import play, stop_on_signals
from sim.scenario import Prepared, Scenario, built_in, load

HUB_START_S = 30.0
IMPORT_S = 60.0
ROLES = ("commander", "safety-officer", "administrator")
"""No role may see and do everything, so the demo offers three."""
STAFF = "导调席"
"""Who has prepared what stands at the hub before the drill begins: a safety officer of the drill's staff."""
ROSTER_COLUMNS = ("device", "callsign", "kind", "branch", "team", "stale_s", "lost_s")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default=".data", metavar="DIR", help="the hub's data (default .data)")
    parser.add_argument("--port", type=int, default=8600, help="of the screen (default 8600)")
    parser.add_argument("--mqtt-port", type=int, default=18830, help="of the broker (default 18830)")
    parser.add_argument("--scenario", metavar="FILE", help="a drill (default: the built-in one of Jinan)")
    parser.add_argument("--realm", default="drill", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """The whole command: 0 after Ctrl-C, 1 with the reason when something ends by itself."""
    scenario = load(Path(args.scenario) if args.scenario else built_in())
    for option, port in (("--port", args.port), ("--mqtt-port", args.mqtt_port)):
        check_port_free(option, port)
    stop = stop_on_signals()
    data = Path(args.data).absolute()
    folder, keys = data / "agents", data / "keys"
    folder.mkdir(parents=True, exist_ok=True)
    roster = folder / "roster.csv"
    write_roster(scenario, roster)
    hub: programs.Program | None = None
    try:
        import_roster(roster, keys, data, args.realm)
        hub = programs.start("hub", hub_command(args, data))
        links = dict(hub.start_line(HUB_START_S).get("links", {}))
        prepare(scenario, args.port, data)
        play(
            scenario, "127.0.0.1", args.mqtt_port, keys, args.realm, folder, stop,
            watch=hub.check,
            ready=lambda: announce(scenario, links),
        )  # fmt: skip
    finally:
        if hub is not None:
            programs.stop_all([hub])
        print("stopped", file=sys.stderr)
    return 0


def prepare(scenario: Scenario, port: int, data: Path) -> None:
    """What the staff would have done before. A hub that does not take it is told, and the drill goes on."""
    if scenario.desk == Prepared():
        return
    hub = HubAddress("http", "127.0.0.1", port)
    role = ("--name", STAFF, "--role", "safety-officer")
    try:
        link = run_hub("user", "link", *role, "--url", hub.origin, "--data", str(data))
        Desk(hub, link).prepare(scenario)
    except (AccessError, programs.ProgramError) as err:
        print(f"desk: {err}", file=sys.stderr)


def announce(scenario: Scenario, links: dict[str, str]) -> None:
    """The one line that a person needs, and then what only other roles see."""
    link = links.get(ROLES[0], "")
    print(f"{scenario.name}: {len(scenario.units)} units. Open {link} (once; Ctrl-C stops all)")
    print(f"  as safety officer, who sees heart rates: {links.get(ROLES[1], '')}")
    print(f"  as administrator of devices and people: {links.get(ROLES[2], '')}", flush=True)


def hub_command(args: argparse.Namespace, data: Path) -> list[str]:
    """How the hub is started: loopback only, sign-in links in its JSON start line."""
    ports = ["--port", str(args.port), "--mqtt-port", str(args.mqtt_port)]
    links = [word for role in ROLES for word in ("--print-link", role)]
    return ["hub", "run", "--data", str(data), *ports, "--realm", args.realm, *links, "--json"]


def check_port_free(option: str, port: int) -> None:
    """AccessError when something else listens on a port that the hub will need."""
    if not 1 <= port <= 65_535:
        raise AccessError(f"{option}: {port}, 1–65535 allowed")
    with socket.socket() as probe:
        # As servers do, so that connections of the last run that still linger do not count as "in use".
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as err:
            if err.errno != errno.EADDRINUSE:
                raise AccessError(f"{option}: port {port}: {os.strerror(err.errno or 0)}") from None
            hint = f"stop what listens there, or give another {option}"
            raise AccessError(f"{option}: port {port} is in use; {hint}") from None


def write_roster(scenario: Scenario, path: Path) -> None:
    """The scenario's units as the CSV that `zhantu-hub roster import` reads."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(ROSTER_COLUMNS)
        for unit in scenario.units:
            rows.writerow([getattr(unit, column) for column in ROSTER_COLUMNS])


def import_roster(roster: Path, keys: Path, data: Path, realm: str) -> None:
    """Makes the units and their keys known to the hub. ProgramError with its words when it refuses."""
    run_hub("roster", "import", str(roster), "--keys", str(keys), "--data", str(data), "--realm", realm)


def run_hub(*arguments: str) -> str:
    """What a command of the hub prints. ProgramError with its words when it refuses."""
    name = f"hub {' '.join(arguments[:2])}"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "hub", *arguments],
            capture_output=True,
            text=True,
            timeout=IMPORT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise programs.ProgramError(f"{name} took longer than {IMPORT_S:g} s") from None
    if done.returncode:
        last = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise programs.ProgramError(f"{name} ended with exit code {done.returncode}:\n  {last}")
    return done.stdout
