"""`zhantu-sim load`: a load generator against any hub, which reports what it cost itself.

Enters: how many devices, how often, for how long; a hub, a broker, keys. Leaves: rate, loss, latency of
publish→acknowledgement and, when it may sign in, of publish→screen through the feed. One asyncio loop does it
all, in slots of 5 ms. Caller: `sim.cli`.
"""

import argparse
import asyncio
import json
import math
import secrets
import shlex
import subprocess
import sys
import time
from array import array
from dataclasses import dataclass
from typing import Any

import msgpack

from protocols import mqtt_wire, topics
from protocols.catalog import Lane
from protocols.errors import TopicError
from sim.access import AccessError, HubAddress, key_source, loopback_only, mqtt_address, sign_in, token_of
from sim.load_fleet import Fleet, Histogram
from sim.mqtt_batch import BatchClient, MqttRefused, publish_head

UNITS_MAX = 100_000
FRAMES_PER_S_MAX = 50_000
SECONDS_MAX = 86_400
CONNECTIONS = 4
SLOT_S = 0.005
SLOT_FRAMES_MAX = 2_000
"""When the generator has fallen behind it catches up by at most this many frames a slot."""
PING_EVERY_S = 20
FEED_BYTES_MAX = 64_000_000

EPILOG = """\
report (--json gives these keys in one object):
  units, hz, seconds, fixes         what was asked
  frames, rows                      what was published; rows_per_s, frames_per_s: over the time it took
  late_s_max                        how far the generator itself fell behind; above 0.1 it was the bottleneck
  rows_acked, rows_lost, loss       rows never acknowledged within --settle seconds, and their share
  acks_bad                          acknowledgements whose MAC or form was wrong
  ack                               latency publish->acknowledgement: count, p50_ms, p90_ms, p99_ms, max_ms
  screen                            latency publish->feed, the same keys; null without --token
  screen_ticks, screen_gaps         ticks received, and jumps in their numbers
  generator_cpu_s, generator_cpu    CPU time of this program and its share of one core
Latencies are of the newest row of each frame; the clock is this machine's, so hub and generator must share
it.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to generate."""

    units: int
    hz: float
    seconds: float
    fixes: int
    realm: str
    first_device: int
    settle_s: float

    @property
    def frames_per_s(self) -> float:
        return self.units * self.hz / self.fixes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("--units", type=int, default=100, help=f"devices, 1–{UNITS_MAX} (default 100)")
    parser.add_argument("--hz", type=float, default=1.0, help="rows a second of each device (default 1)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to publish (default 10)")
    parser.add_argument("--fixes", type=int, default=1, help="rows a frame, 1–60 (default 1)")
    parser.add_argument("--settle", type=float, default=5.0, metavar="S", help="wait for the last answers")
    parser.add_argument("--hub", default="http://127.0.0.1:8600", help="default http://127.0.0.1:8600")
    parser.add_argument("--mqtt", default="127.0.0.1:18830", metavar="HOST:PORT")
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument("--master", metavar="FILE", help="the hub's master key file (64 hexadecimal digits)")
    keys.add_argument("--keys", metavar="DIR", help="a folder of <device>.key files")
    parser.add_argument("--realm", default="live")
    parser.add_argument("--first-device", type=int, default=100_000, metavar="N")
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--token", help="one-time link or its token: also measure publish->screen")
    token.add_argument("--token-command", metavar="CMD", help="a command that prints such a link")
    parser.add_argument("--yes-not-loopback", action="store_true", help="allow a hub on another machine")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """The whole command. AccessError and others are turned into one line by `sim.cli`."""
    plan = _plan(args)
    hub, (host, port) = HubAddress.parse(args.hub), mqtt_address(args.mqtt)
    if not args.yes_not_loopback:
        loopback_only("--hub", hub.host)
        loopback_only("--mqtt", host)
    key_of = key_source(args.master, args.keys, plan.realm)
    if not args.json:
        print(
            f"preparing {plan.units} devices from {plan.first_device}, {plan.frames_per_s:g} frames/s",
            file=sys.stderr,
        )
    span_ms = round(1_000 * plan.fixes / plan.hz)
    fleet = Fleet(
        plan.units,
        plan.first_device,
        key_of,
        boot=secrets.randbits(64),
        utc_zero_ms=int(time.time() * 1_000) - 60_000 - span_ms,
        rows_per_frame=plan.fixes,
        row_ms=round(1_000 / plan.hz),
    )
    cookie = sign_in(hub, token_of(_token(args))) if args.token or args.token_command else None
    try:
        report = asyncio.run(_measure(plan, fleet, hub, host, port, cookie))
    except OSError as err:  # MqttRefused too
        raise AccessError(f"{args.mqtt}: {err}") from None
    print(json.dumps(report) if args.json else _words(report))
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    limits: list[tuple[str, float, float, float]] = [
        ("--units", args.units, 1, UNITS_MAX),
        ("--hz", args.hz, 0.01, 100),
        ("--seconds", args.seconds, 0.1, SECONDS_MAX),
        ("--fixes", args.fixes, 1, 60),
        ("--settle", args.settle, 0, 600),
        ("--first-device", args.first_device, 1, topics.DEVICE_MAX - UNITS_MAX),
    ]
    for name, value, lo, hi in limits:
        if not (math.isfinite(value) and lo <= value <= hi):
            raise AccessError(f"{name}: {value:g}, {lo:g}–{hi:g} allowed")
    try:
        topics.check_realm(args.realm)
    except TopicError as err:
        raise AccessError(f"--realm: {err}") from None
    plan = Plan(args.units, args.hz, args.seconds, args.fixes, args.realm, args.first_device, args.settle)
    if plan.frames_per_s > FRAMES_PER_S_MAX:
        raise AccessError(f"load: {plan.frames_per_s:g} frames/s, at most {FRAMES_PER_S_MAX} allowed")
    return plan


def _token(args: argparse.Namespace) -> str:
    if args.token:
        return str(args.token)
    try:
        done = subprocess.run(
            shlex.split(args.token_command), capture_output=True, text=True, timeout=30, check=True
        )
    except subprocess.CalledProcessError as err:
        said = err.stderr.strip()[-200:]
        raise AccessError(f"--token-command: exit code {err.returncode}: {said}") from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as err:
        raise AccessError(f"--token-command: {err}") from None
    words = done.stdout.split()
    if not words:
        raise AccessError("--token-command: it printed nothing, a link or token is needed")
    return words[-1]


class Screen:
    """The feed as a browser receives it: notes when each of our devices' fixes arrives."""

    def __init__(self, first_device: int, units: int) -> None:
        self._ours = range(first_device, first_device + units)
        self._slots: set[int] = set()
        self._newest: dict[int, float] = {}
        self._from_ms = math.inf
        self.latency = Histogram()
        self.ticks, self.gaps, self._seq = 0, 0, -1

    def begin(self, t_utc_ms: float) -> None:
        """Fixes older than this are of an earlier run."""
        self._from_ms = t_utc_ms

    def apply(self, message: dict[str, Any], t_utc_ms: float) -> None:
        kind = message.get("k")
        if kind == "meta":
            self._slots.update(unit["slot"] for unit in message["units"] if unit["device"] in self._ours)
        elif kind in ("tick", "snap"):
            self._count(message, kind == "tick")
            self._fixes(message["c"], message["n"], t_utc_ms)

    def _count(self, message: dict[str, Any], is_tick: bool) -> None:
        seq = int(message["seq"])
        if is_tick:
            self.ticks += 1
            self.gaps += self._seq >= 0 and seq != self._seq + 1
        self._seq = seq

    def _fixes(self, columns: dict[str, bytes], n: int, t_utc_ms: float) -> None:
        if not n:
            return
        slots, times = array("I", columns["slot"]), array("d", columns["t_fix"])
        newest, known = self._newest, self._slots
        for slot, t_fix in zip(slots, times, strict=True):
            if slot in known and t_fix >= self._from_ms and newest.get(slot) != t_fix:
                newest[slot] = t_fix
                self.latency.add(t_utc_ms - t_fix)


async def _watch(hub: HubAddress, cookie: str, screen: Screen, ready: asyncio.Event) -> None:
    """Receives the feed until cancelled."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    try:
        async with connect(
            hub.feed_url,
            origin=hub.origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie},
            max_size=FEED_BYTES_MAX,
            compression=None,
            proxy=None,
        ) as socket:
            async for data in socket:
                t_utc_ms = time.time() * 1_000
                message = msgpack.unpackb(data)
                screen.apply(message, t_utc_ms)
                if message.get("k") == "snap":
                    ready.set()
        raise AccessError("feed: the hub closed the connection")
    except WebSocketException as err:
        raise AccessError(f"feed: {err}") from None


async def _publish(plan: Plan, fleet: Fleet, clients: list[BatchClient]) -> tuple[int, float, float]:
    """Publishes evenly over each period. Frames sent, seconds taken, and how far it fell behind at most."""
    ups = [publish_head(topics.up(plan.realm, s.device, Lane.LIVE)) for s in fleet.senders]
    total = max(1, round(plan.frames_per_s * plan.seconds))
    begin, sent, late_s_max, next_ping_s = time.monotonic(), 0, 0.0, PING_EVERY_S
    while sent < total:
        now_s = time.monotonic() - begin
        due = min(total, int(now_s * plan.frames_per_s) + 1)
        if sent < due:
            late_s_max = max(late_s_max, now_s - sent / plan.frames_per_s)
        parts: list[list[bytes]] = [[] for _ in clients]
        for number in range(sent, min(due, sent + SLOT_FRAMES_MAX)):
            i = number % plan.units
            data = fleet.frame(i, time.time() * 1_000)
            parts[i % len(clients)].append(mqtt_wire.publish(ups[i], data))
        sent = min(due, sent + SLOT_FRAMES_MAX)
        for client, packets in zip(clients, parts, strict=True):
            client.write(b"".join(packets))
            if now_s >= next_ping_s:
                client.ping()
        next_ping_s += PING_EVERY_S if now_s >= next_ping_s else 0
        for client in clients:
            if client.lost:
                raise MqttRefused(f"after {sent} frames: {client.lost}")
        while any(client.full() for client in clients):
            await asyncio.sleep(SLOT_S)
        await asyncio.sleep(SLOT_S)
    return sent, time.monotonic() - begin, late_s_max


async def _clients(plan: Plan, fleet: Fleet, host: str, port: int) -> list[BatchClient]:
    loop = asyncio.get_running_loop()

    def on_publish(topic: str, payload: bytes) -> None:
        parts = topic.split("/")
        if len(parts) == 5 and parts[4] == "a" and parts[3].isdecimal():
            fleet.on_ack(int(parts[3]), payload, time.time() * 1_000)

    clients = []
    name = secrets.token_hex(4)
    count = min(CONNECTIONS, plan.units)
    for i in range(count):
        client = BatchClient(f"zhantu-load-{name}-{i}", on_publish)
        await loop.create_connection(lambda client=client: client, host, port)  # type: ignore[misc]
        await client.sign_in()
        await client.subscribe([topics.ack(plan.realm, s.device) for s in fleet.senders[i::count]])
        clients.append(client)
    return clients


async def _measure(
    plan: Plan, fleet: Fleet, hub: HubAddress, host: str, port: int, cookie: str | None
) -> dict[str, Any]:
    clients = await _clients(plan, fleet, host, port)
    screen = Screen(plan.first_device, plan.units)
    watcher: asyncio.Task[None] | None = None
    if cookie is not None:
        ready = asyncio.Event()
        watcher = asyncio.create_task(_watch(hub, cookie, screen, ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({watcher, waiting}, timeout=15, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if watcher.done():
            await watcher
        if not ready.is_set():
            raise AccessError("feed: no snapshot within 15 s")
    screen.begin(time.time() * 1_000 - 1)
    cpu_s = time.process_time()
    frames, took_s, late_s_max = await _publish(plan, fleet, clients)
    settled = time.monotonic() + plan.settle_s
    while time.monotonic() < settled and fleet.rows_acked() < fleet.rows_sent:
        await asyncio.sleep(0.25)
    if watcher is not None:
        await asyncio.sleep(min(plan.settle_s, 0.6))  # the last tick is still on its way
        if watcher.done():
            await watcher
        watcher.cancel()
    for client in clients:
        client.close()
    cpu_s = time.process_time() - cpu_s
    return _report(plan, fleet, screen if cookie else None, frames, took_s, late_s_max, cpu_s)


def _report(
    plan: Plan,
    fleet: Fleet,
    screen: Screen | None,
    frames: int,
    took_s: float,
    late_s_max: float,
    cpu_s: float,
) -> dict[str, Any]:
    acked = fleet.rows_acked()
    return {
        "units": plan.units,
        "hz": plan.hz,
        "seconds": round(took_s, 3),
        "fixes": plan.fixes,
        "frames": frames,
        "rows": fleet.rows_sent,
        "frames_per_s": round(frames / took_s, 1),
        "rows_per_s": round(fleet.rows_sent / took_s, 1),
        "late_s_max": round(late_s_max, 3),
        "rows_acked": acked,
        "rows_lost": fleet.rows_sent - acked,
        "loss": round(1 - acked / fleet.rows_sent, 6),
        "acks_bad": fleet.acks_bad,
        "ack": fleet.ack_latency.summary(),
        "screen": screen.latency.summary() if screen else None,
        "screen_ticks": screen.ticks if screen else None,
        "screen_gaps": screen.gaps if screen else None,
        "generator_cpu_s": round(cpu_s, 3),
        "generator_cpu": round(cpu_s / took_s, 3),
    }


def _words(report: dict[str, Any]) -> str:
    def latency(name: str) -> str:
        values = report[name]
        if values is None:
            return "not measured (give --token)"
        if not values["count"]:
            return "nothing arrived"
        return (
            f"p50 {values['p50_ms']} ms, p90 {values['p90_ms']} ms, p99 {values['p99_ms']} ms, "
            f"max {values['max_ms']} ms over {values['count']}"
        )

    return "\n".join(
        [
            f"sent    {report['rows']} rows in {report['frames']} frames, {report['rows_per_s']} rows/s, "
            f"{report['frames_per_s']} frames/s",
            f"lost    {report['rows_lost']} rows never acknowledged ({report['loss']:.4%})",
            f"ack     {latency('ack')}",
            f"screen  {latency('screen')}",
            f"self    {report['generator_cpu']:.0%} of a core, at most {report['late_s_max']} s behind",
        ]
    )
