"""`zhantu-sim run`: a drill against a hub that is already there; and the loop that `demo` shares with it.

Enters: a scenario, a broker, keys, signals. Leaves: MQTT messages of light units, agent programs on ptys. The
program file of a drill: here `sim.drill` gets its real clock, connection and children.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from protocols import topics
from protocols.errors import ProtocolError
from protocols.samples import Fix
from sim.access import AccessError, key_source, mqtt_address
from sim.drill import AgentAct, AgentState, Drill, Frame, digest
from sim.mqtt_link import MqttLink
from sim.scenario import Scenario, built_in, load
from sim.world import State

WAIT_S_MAX = 0.1
CHECK_EVERY_MS = 500
CONNECT_S = 20.0
DIGEST_SECONDS_MAX = 86_400
STARTS_FILE = "starts.txt"
STARTS_KEPT = 8

EPILOG = """\
--keys is a folder with <device>.key files, as `zhantu-hub roster import FILE --keys DIR` writes them; agents keep
their configuration and spool below --dir, and --edge-settings FILE adds tables to it, [guard.pass] for instance.
--digest N needs no hub: it plays N seconds against a hub that acknowledges at once and prints the SHA-256 over all
light units' frames before their MACs.
"""


class Agents(Protocol):
    """The agent units of a drill: `sim.agents.Agents`, or nothing in tests."""

    def feed(self, device: int, fix: Fix, state: State) -> None: ...
    def act(self, device: int, what: str) -> None: ...
    def check(self) -> None: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("scenario", nargs="?", help="a YAML file (default: the built-in drill of Jinan)")
    parser.add_argument("--mqtt", default="127.0.0.1:18830", metavar="HOST:PORT")
    parser.add_argument("--keys", metavar="DIR", help="folder of <device>.key files")
    parser.add_argument("--realm", default="live")
    parser.add_argument("--dir", default=".data/agents", metavar="DIR", help="default .data/agents")
    parser.add_argument(
        "--edge-settings", metavar="FILE", help="TOML that goes into each agent's edge.toml too"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after so long (default: at Ctrl-C)")
    parser.add_argument("--digest", type=int, metavar="N", help="print the digest of N seconds and stop")


def run(args: argparse.Namespace) -> int:
    """The whole command."""
    scenario = load(Path(args.scenario) if args.scenario else built_in())
    if args.digest is not None:
        if not 1 <= args.digest <= DIGEST_SECONDS_MAX:
            raise AccessError(f"--digest: {args.digest} seconds, 1–{DIGEST_SECONDS_MAX} allowed")
        print(digest(scenario, args.digest))
        return 0
    if args.keys is None:
        raise AccessError("--keys: a folder with the devices' keys is needed")
    host, port = mqtt_address(args.mqtt)
    topics.check_realm(args.realm)
    stop = stop_on_signals()
    if args.seconds is not None:
        timer = threading.Timer(max(0.0, args.seconds), stop.set)
        timer.daemon = True
        timer.start()
    settings = Path(args.edge_settings).read_text(encoding="utf-8") if args.edge_settings else ""
    play(scenario, host, port, Path(args.keys), args.realm, Path(args.dir), stop, settings=settings)
    return 0


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop


def play(
    scenario: Scenario,
    host: str,
    port: int,
    keys: Path,
    realm: str,
    folder: Path,
    stop: threading.Event,
    watch: Callable[[], None] = lambda: None,
    ready: Callable[[], None] = lambda: None,
    settings: str = "",
) -> None:
    """Plays the drill until `stop`. `watch` is called twice a second and may raise; `ready` once, when the
    first connection is up; `settings` is TOML for each agent. AccessError when the broker cannot be reached."""
    from sim.agents import Agents as RealAgents

    key_of = key_source(None, str(keys), realm)
    start_utc_ms = int(time.time() * 1_000)
    drill = Drill(scenario, start_utc_ms, key_of, remember_start(folder / STARTS_FILE, start_utc_ms))
    light = [device for device, actor in drill.actors.items() if actor.light is not None]
    link = MqttLink(host, port, [topics.ack(realm, device) for device in light])
    link.start()
    try:
        with RealAgents(scenario, host, port, keys, realm, folder, settings) as agents:
            if not link.wait_up(CONNECT_S) and not stop.is_set():
                raise AccessError(
                    f"mqtt {host}:{port}: {link.refusal or 'no connection'} within {CONNECT_S:g} s"
                )
            ready()
            _loop(drill, link, agents, realm, start_utc_ms, stop, watch)
    finally:
        link.stop()


def remember_start(path: Path, start_utc_ms: int) -> list[int]:
    """Notes this start beside the earlier ones, which it returns: at most STARTS_KEPT, newest last."""
    try:
        words = path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        words = []
    earlier = [int(word) for word in words if word.isdecimal() and len(word) < 16][-STARTS_KEPT:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(str, [*earlier, start_utc_ms])) + "\n", encoding="ascii")
    return earlier


def _loop(
    drill: Drill,
    link: MqttLink,
    agents: Agents,
    realm: str,
    start_utc_ms: int,
    stop: threading.Event,
    watch: Callable[[], None],
) -> None:
    # The drill's clock is monotonic from the start's UTC on; a step of the wall clock does not move it.
    zero_ns = time.monotonic_ns() - (int(time.time() * 1_000) - start_utc_ms) * 1_000_000
    was_up, next_check_ms = True, 0
    while not stop.is_set():
        t_ms = (time.monotonic_ns() - zero_ns) // 1_000_000
        for topic, data in link.received():
            _hear(drill, topic, data)
        up = link.up()
        if was_up != up:
            print(f"mqtt: {'connected' if up else 'connection lost, units keep their rows'}", file=sys.stderr)
            if not up:
                drill.link_lost()
        was_up = up
        for out in drill.advance(t_ms, up):
            if isinstance(out, Frame):
                link.publish(topics.up(realm, out.device, out.lane), out.data)
            elif isinstance(out, AgentState):
                agents.feed(out.device, out.fix, out.state)
            elif isinstance(out, AgentAct):
                agents.act(out.device, out.what)
        if t_ms >= next_check_ms:
            next_check_ms = t_ms + CHECK_EVERY_MS
            agents.check()
            watch()
        stop.wait(min(WAIT_S_MAX, max(0.0, (drill.next_ms() - t_ms) / 1_000)))


def _hear(drill: Drill, topic: str, data: bytes) -> None:
    """An acknowledgement; what is not one of the hub's is passed over."""
    device = topic.split("/")[3]
    try:
        drill.on_ack(int(device), data)
    except ProtocolError as err:
        print(f"mqtt: {topic}: {err}", file=sys.stderr)
