"""Measures what the design promises and writes tests/bench/RESULTS.md: one run, one machine, a table each.

    python tests/bench/run.py [--only SECTION,…] [--tracks FILE …]

Figures of earlier runs that a section did not measure again are kept. Absolute times are this machine's; ratios and
bytes are not. Load goes to loopback only.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent))

import at_once
import backlog
import crowd
import edge_agent
import identity
import screen
import wear
import zones_at_once
from alarm_probe import AlarmProbe
from serial_probe import SerialProbe

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests/bench/RESULTS.md"
TRACKS = sorted((ROOT / "../shared/captures/tracks").glob("*.csv.gz"))
FIRST_DEVICE = 100_000
PRESSES, STILLNESSES = 100, 20
RETURNING = 500
ZONES, VIEWERS, VIEWED = 200, 100, 5_000
SAMPLED_S = 15
Section = tuple[str, str]


def run_json(*arguments: str) -> Any:
    """The JSON that one of our programs prints."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def table(head: list[str], rows: list[list[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def machine() -> str:
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.machine(),
    )  # fmt: skip
    load = os.getloadavg()[0]
    return (
        f"{datetime.date.today()}, {os.cpu_count()} cores of {cpu}, Python {platform.python_version()}, "
        f"load {load:.1f} before"
    )


# --- sections ----------------------------------------------------------------------------------------


def sizes(tracks: list[Path]) -> Section:
    if not tracks:
        return "Bytes a fix", "No tracks here: give `--tracks`."
    report = run_json("sim", "sizes", *map(str, tracks), "--json")
    names = [track["track"] for track in report["tracks"]]
    rows: list[list[object]] = []
    for key, label in (
        ("ours", "ours, 10 fixes a frame"), ("ours_cloudy", "ours, small gas clouds"),
        ("ours_restless", "ours, all gases restless"), ("ours_one_median", "ours, one-fix live frame, median"),
        ("ours_one_max", "ours, one-fix live frame, largest"), ("msgpack", "msgpack map with names"),
        ("json", "JSON"), ("cot_minimal", "CoT XML, minimal"), ("cot_full", "CoT XML, full"),
    ):  # fmt: skip
        rows.append([label, *(track[key] for track in report["tracks"])])
    note = (
        "Thirteen fields: time, device, latitude, longitude, altitude, speed, course, battery, heart rate, four "
        "gases. Battery and gases are synthetic. Header and 8-byte MAC are counted, MQTT's bytes for no format. "
        "Aim: ≤ 15 in frames of ten, ≤ 75 for one."
    )
    return "Bytes a fix", table(["", *names], rows) + "\n\n" + note


def speed(tracks: list[Path]) -> Section:
    if not tracks:
        return "Packing and unpacking", "No tracks here: give `--tracks`."
    report = run_json("sim", "sizes", str(tracks[0]), "--json", "--speed-test")
    track = report["tracks"][0]
    rows: list[list[object]] = [
        ["pack", f"{track['pack_fixes_per_s']:,.0f}"],
        ["unpack, MAC checked", f"{track['unpack_fixes_per_s']:,.0f}"],
    ]
    return "Packing and unpacking", table(["frames of 10 fixes, 13 fields", "fixes/s"], rows)


def edge(_tracks: list[Path]) -> Section:
    result = edge_agent.measure(60)
    text = (
        f"10 Hz GNSS (six sentences an epoch, ten rows kept a second) and five 1 Hz channels (five more serial ports), "
        f"TLS, every row acknowledged: **{result['cpu_pct']} % of a core, {int(str(result['rss_kb'])) / 1024:.1f} MB "
        f"resident** over {result['seconds']} s. Aim: ≤ 0.6 %, ≤ 40 MB."
    )
    return "Edge agent", text


@contextmanager
def hub(units: int) -> Iterator[tuple[Path, int, int, Callable[[], float]]]:
    """A hub with `units` devices: its data folder, ports, and the CPU seconds of hub and broker so far."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        port, mqtt_port = edge_agent.free_port(), edge_agent.free_port()
        command = [sys.executable, "-m", "hub"]
        subprocess.run(
            [*command, "roster", "add", "--data", data, "--count", str(units), "--first-device",
             str(FIRST_DEVICE), "--prefix", "L"],
            check=True, cwd=ROOT, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        with (Path(name) / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "run", "--data", data, "--port", str(port), "--mqtt-port", str(mqtt_port)],
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            wait_until_ready(port)

            def cpu_s() -> float:
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                return sum(edge_agent.usage(int(pid))[0] for pid in [str(process.pid), *children])

            yield data, port, mqtt_port, cpu_s
        finally:
            process.terminate()
            process.wait(20)


def hub_pid(port: int) -> int:
    """Of the hub that listens there."""
    (line,) = (c for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == "LISTEN")
    return int(line.pid or 0)


def wait_until_ready(port: int) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit("the hub does not become ready")


def load(
    hub_at: tuple[Path, int, int, Callable[[], float]],
    units: int,
    hz: float,
    fixes: int,
    seconds: int,
    screen: bool,
) -> tuple[dict[str, Any], float]:
    """The load generator's report, and the CPU seconds of hub and broker during it."""
    data, port, mqtt_port, cpu_s = hub_at
    arguments = [
        "sim", "load", "--units", str(units), "--hz", str(hz), "--seconds", str(seconds), "--fixes", str(fixes),
        "--hub", f"http://127.0.0.1:{port}", "--mqtt", f"127.0.0.1:{mqtt_port}",
        "--master", str(data / "master.key"), "--first-device", str(FIRST_DEVICE), "--json",
    ]  # fmt: skip
    if screen:
        link = (
            f"{sys.executable} -m hub user link --name screen --role commander --data {data} "
            f"--url http://127.0.0.1:{port}"
        )
        arguments += ["--token-command", link]
    before = cpu_s()
    report = run_json(*arguments)
    return report, cpu_s() - before


def ingest(_tracks: list[Path]) -> Section:
    rows: list[list[object]] = []
    for units, hz, fixes, seconds in ((1_000, 10, 10, 20), (10_000, 2, 10, 20), (10_000, 1, 1, 20)):
        with hub(units) as hub_at:
            report, cpu_s = load(hub_at, units, hz, fixes, seconds, screen=False)
        rows.append(
            [f"{units:,}", fixes, f"{report['frames_per_s']:,.0f}", f"{report['rows_per_s']:,.0f}",
             f"**{1e6 * cpu_s / report['rows']:.1f}**", f"{1e6 * cpu_s / report['frames']:.0f}",
             f"{100 * report['loss']:.3g} %", report["generator_cpu"], report["late_s_max"]]
        )  # fmt: skip
    head = ["units", "fixes a frame", "frames/s", "fixes/s", "CPU µs a fix", "CPU µs a frame", "never acknowledged",
            "generator's cores", "generator late, s"]  # fmt: skip
    note = (
        "CPU of hub and broker together, commits with synchronous=FULL included, the generator (which shares the two "
        "cores) not counted. Aims: ≤ 15 µs a fix in frames of ten; ≥ 10,000 one-fix frames/s."
    )
    return "Hub ingest with commit", table(head, rows) + "\n\n" + note


def latency(_tracks: list[Path]) -> Section:
    rows: list[list[object]] = []
    for units in (200, 1_000, 5_000):
        with hub(units) as hub_at, SerialProbe(*hub_at[:3]) as probe:
            report, cpu_s = load(hub_at, units, 1, 1, 60, screen=True)
        p50, p99, count = probe.percentiles()
        screen, ack = report["screen"], report["ack"]
        rows.append(
            [f"{units:,}", f"**{p50}**", f"**{p99}**", count, screen["p50_ms"], screen["p99_ms"], screen["max_ms"],
             ack["p99_ms"], f"{100 * report['loss']:.3g} %", f"{100 * cpu_s / report['seconds']:.0f} %"]
        )  # fmt: skip
    head = ["units, 1 Hz", "serial byte to screen p50 ms", "p99 ms", "fixes", "publish to screen p50 ms", "p99 ms",
            "max ms", "to acknowledgement p99 ms", "never acknowledged", "hub and broker, of a core"]  # fmt: skip
    note = (
        "Serial byte: from the last byte of an epoch written to a pty, through the unmodified agent, to the WebSocket "
        "message that shows it. Ticks are 250 ms apart, so half of one is the least median. Live acknowledgements are "
        "gathered for up to 1 s. Aim: p99 ≤ 1 s at 5,000 units."
    )
    return "Latency to the screen", table(head, rows) + "\n\n" + note


def devices(_tracks: list[Path]) -> Section:
    found = identity.measure(1_000)

    def each(name: str) -> str:
        return ", ".join(f"{seconds:.2f}" for seconds in found[name])

    rows: list[list[object]] = [
        ["hub to its start line, no devices, s", each("starts_0"), "< 5"],
        ["the same, 1,000 devices, s", each("starts_all"), "< 5"],
        ["1,000 clients at once until the last is let in, s", found["connect_s"], ""],
        ["of it mosquitto's CPU, s", found["broker_cpu_s"], ""],
        ["clients let in", found["let_in"], "1,000"],
        ["mosquitto resident, none and all connected, MB", f"{found['broker_empty_mb']} and {found['broker_full_mb']}",
         ""],
        ["the same a session, kB", found["kb_a_session"], ""],
        ["one revoked: until it is disconnected, s", found["gone_s"], ""],
        ["of it the command itself, s", found["revoke_command_s"], ""],
        ["others dropped within 10 s, of 999", f"**{found['dropped']}**", "0"],
        ["broker restarts; hub's reconnections to it",
         f"{int(not found['same_broker'])}; {found['hub_reconnects']}", "0; 0"],
        ["revoked one, another one come back", f"{found['revoked_comes_back']}, {found['neighbour_comes_back']}",
         "False, True"],
        ["`zhantu-edge enrol` as a whole, over HTTPS, s", f"{each('enrol_s')}; median {found['enrol_median_s']}", ""],
    ]  # fmt: skip
    note = (
        "Each client has its own key and certificate, over TLS 1.3, from one process that shares the two cores with "
        "the hub. Not dropped is who is still connected and answers a ping."
    )
    return "Devices with certificates", table(["", "measured", "aim"], rows) + "\n\n" + note


def alarms(_tracks: list[Path]) -> Section:
    with hub(1) as (data, port, mqtt_port, _cpu_s), AlarmProbe(data, port, mqtt_port) as probe:
        probe.warm_up()
        pressed, still = probe.presses(PRESSES), probe.stillnesses(STILLNESSES)
    rows: list[list[object]] = []
    for label, found, aim in (
        ("SOS: the button's frame on the board's line to the feed", pressed, "p99 ≤ 500"),
        ("man-down: the rule fires (the event's own time) to the feed", still, "≤ 2,000"),
    ):
        p50, p99 = np.percentile(found, [50, 99])
        rows.append([label, len(found), f"**{p50:.0f}**", f"{p99:.0f}", f"**{max(found):.0f}**", aim])
    note = (
        "One agent with a board on a pty, its guard, the hub and a signed-in screen, all on loopback, nothing else to "
        "do; event rows are committed at the edge and at the hub before they go on. A gesture's own hold (1.5 s) is "
        "before the frame. The event's time is by the edge's clock, which it has from the hub's acknowledgements, a "
        "few ms behind."
    )
    return "Alarms to the screen", table(["ms", "times", "p50", "p99", "max", "aim"], rows) + "\n\n" + note


def every_device(_tracks: list[Path]) -> Section:
    found = at_once.measure()
    rows: list[list[object]] = [
        ["CPU of the agent, % of a core", f"**{found.cpu_pct:.2f}**", "≤ 1.5"],
        ["resident, MB", f"**{found.rss_kib / 1024:.1f}**", "≤ 40"],
        ["from the plug to the first good message, s", found.replug_words(), "≤ 2"],
    ]
    note = (
        "All ten kinds: NMEA at 1 Hz, three Modbus slaves, board, ELM327, MAVLink, AIS and heart strap (processes "
        "apart), RDSS, Meshtastic and a line of text on one agent without a network, guard on, over 30 s after 15; the "
        "emulators run beside it. The strap is Bluetooth and is not plugged."
    )
    return "Every device at once", table(["", "measured", "aim"], rows) + "\n\n" + note


def picture(_tracks: list[Path]) -> Section:
    """Issue: the picture that can be trusted. Zones and rules stand while the units move."""
    rows: list[list[object]] = []
    for units, hz, fixes in ((1_000, 10, 10), (10_000, 2, 10), (30_000, 1, 10)):
        with hub(units) as hub_at:
            data, port = hub_at[:2]
            crowd.draw_zones(data, port, ZONES)
            pid = hub_pid(port)
            empty_kib = crowd.resident_kib(pid)
            report, cpu_s = load(hub_at, units, hz, fixes, 30, screen=True)
            full_kib = crowd.resident_kib(pid)
        screen = report["screen"]
        rows.append(
            [f"{units:,}", f"{report['rows_per_s']:,.0f}", f"**{1e6 * cpu_s / report['rows']:.1f}**",
             f"{100 * cpu_s / report['seconds']:.0f} %", screen["p50_ms"], screen["p99_ms"],
             f"{100 * report['loss']:.3g} %", f"**{(full_kib - empty_kib) / units:.1f}**"]
        )  # fmt: skip
    head = ["units", "fixes/s", "CPU µs a fix", "hub and broker, of a core", "publish to screen p50 ms", "p99 ms",
            "never acknowledged", "kB a unit"]  # fmt: skip
    note = (
        f"Frames of ten; {ZONES} zones among the units, the default rules, tracking and alarms on, one screen. Memory: "
        "resident after the load less before it. Aims: ≤ 20 kB a unit."
    )
    return "Hub with everything on", table(head, rows) + "\n\n" + note


def soak(_tracks: list[Path]) -> Section:
    """Only when asked for by name: ZHANTU_SOAK_S seconds, an hour unless told."""
    seconds = int(os.environ.get("ZHANTU_SOAK_S", "3600"))
    sizes: list[tuple[float, float]] = []
    with hub(VIEWED) as hub_at:
        data, port = hub_at[:2]
        crowd.draw_zones(data, port, ZONES)
        pid, began, over = hub_pid(port), time.monotonic(), threading.Event()

        def watch() -> None:
            while not over.wait(SAMPLED_S):
                sizes.append((time.monotonic() - began, crowd.resident_kib(pid) / 1024))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            report, cpu_s = load(hub_at, VIEWED, 1, 10, seconds, screen=True)
        finally:
            over.set()
            watcher.join()
    t, mib = np.array(sizes).T
    rows: list[list[object]] = []
    for name, first in (("second half", 0.5), ("last quarter", 0.75)):
        late = t > first * seconds
        slope = np.polyfit(t[late], mib[late], 1)[0] * 3_600
        rows.append(
            [
                name,
                f"{mib[late][0]:.0f}",
                f"{mib[late][-1]:.0f}",
                f"{mib[late].max():.0f}",
                f"**{slope:+.1f}**",
            ]
        )
    note = (
        f"{VIEWED:,} units at 1 Hz in frames of ten, {ZONES} zones, default rules, one screen, {seconds / 60:.0f} min: "
        f"{report['rows']:,} fixes, never acknowledged {100 * report['loss']:.3g} %, hub and broker "
        f"{100 * cpu_s / report['seconds']:.0f} % of a core. Resident memory of the hub each {SAMPLED_S} s. Aim: 0."
    )
    head = ["of the run", "MiB at its beginning", "at its end", "at most", "slope, MiB an hour"]
    return "Memory over time", table(head, rows) + "\n\n" + note


def viewers(_tracks: list[Path]) -> Section:
    rows: list[list[object]] = []
    for screens in (0, VIEWERS):
        with hub(VIEWED) as hub_at:
            watching = crowd.Crowd(*hub_at[:2], screens) if screens else None
            report, cpu_s = load(hub_at, VIEWED, 1, 1, 30, screen=False)
            messages, size = watching.end() if watching else (0, 0)
        share = 100 * cpu_s / report["seconds"]
        rows.append([screens, f"{share:.0f} %", f"{messages:,}", f"{size / 1e6:,.0f}"])
    more = float(str(rows[1][1]).split()[0]) - float(str(rows[0][1]).split()[0])
    note = (
        f"{VIEWED:,} units at 1 Hz, one fix a frame. The screens cost the difference, **{more:.0f} % of a core**; "
        "aim ≤ 10 %. They are one process that reads and throws away, and shares the two cores."
    )
    head = ["screens", "hub and broker, of a core", "messages received", "MB received"]
    return "Many screens", table(head, rows) + "\n\n" + note


def zones(_tracks: list[Path]) -> Section:
    rows: list[list[object]] = []
    for label, found, aim in zones_at_once.measure():
        rows.append([label, f"{found.pairs_near:,}", f"{found.plain_ms:,.0f}" if found.plain_ms else "",
                     f"{found.first_ms:.1f}", f"**{found.median_ms:.1f}**", f"{found.worst_ms:.1f}", aim])  # fmt: skip
    head = [
        "",
        "pairs near",
        "every pair, every edge, ms",
        "first look, ms",
        "a look, median",
        "worst of 20",
        "aim",
    ]
    note = (
        "CPU of one look of `hub.safety.zones`: places of all units and their doubt, where zones are, states of all "
        "pairs, who came and went, who will come, what calls. Half of the zones are circles, half polygons of 12 "
        "corners, 50–600 m; every unit walks 1.5 m between looks, all that are outside towards the east. Every pair, "
        "every edge: the same law without stretches, boxes and memory."
    )
    return "Zones", table(head, rows) + "\n\n" + note


def outage(_tracks: list[Path]) -> Section:
    written = {(s, a): wear.bytes_a_day(s, answered=a) / 1e9 for s in (1, 5) for a in (True, False)}
    with hub(1) as (data, port, mqtt_port, _cpu_s):
        day = backlog.drain_a_day((data, port, mqtt_port))
    with hub(RETURNING) as (data, port, mqtt_port, _cpu_s):
        back = backlog.come_back((data, port, mqtt_port), FIRST_DEVICE, RETURNING)
    rows: list[list[object]] = [
        ["written by the spool at 1 Hz with ten channels, GB a day, the hub answering", f"**{written[1, True]:.2f}**",
         "≤ 1"],
        ["the same without a hub", f"**{written[1, False]:.2f}**", "≤ 1"],
        ["the same, committed every 5 s: with a hub, without", f"{written[5, True]:.2f}, {written[5, False]:.2f}", ""],
        ["a day at 1 Hz drained, s", f"{day.seconds:.1f}", ""],
        ["times real time", f"**{day.times_real:,.0f}**", "≥ 2,000"],
        ["serial byte to screen meanwhile, at most, ms", f"**{day.age_ms:,.0f}** of {day.updates}", "≤ 2,000"],
        [f"{RETURNING} units after {backlog.AWAY_S // 60} min: newest state at the hub, oldest it became, s, least / "
         "median / largest of the units", f"**{backlog.spread(back.age_s)}**", ""],
        ["their backlogs empty after, s, the same", backlog.spread(back.done_s), "equal"],
        ["rows of backlog a second", f"{back.rows / max(back.done_s):,.0f}", ""],
        ["generator late, s", f"{back.late_s:.2f}", ""],
    ]  # fmt: skip
    note = (
        "Spool: the kernel's count of what the process caused to be written, events and the disk's own journal not in "
        "it. A day: the unmodified agent with 86,400 rows of an earlier boot, a 1 Hz receiver on a pty, mosquitto, the "
        "hub and a signed-in screen on loopback. Units: light ones, in one process that shares the cores; one frame "
        "of history a second each, a new row a second each meanwhile; the age is by the hub's log, just before newer "
        "state came, so 1 s is the least."
    )
    return "After an outage", table(["", "measured", "aim"], rows) + "\n\n" + note


def screens(_tracks: list[Path]) -> Section:
    rows: list[list[object]] = []
    for units, hz, heap_s in ((1_500, 4.0, 0), (10_000, 10.0, 300), (100_000, 1.0, 0)):
        found = screen.measure(units, hz, 20, heap_s=heap_s)
        rows.append(
            [f"{units:,}", hz, found["open_s"], f"**{found['drawn_s']}**", f"**{found['main_cpu_pct']}**",
             found["main_wall_pct"], found["chromium_cpu_pct"], found["pan"]["drawn_s"], found["pan"]["main_cpu_pct"],
             found.get("heap_mib_a_min_2nd_half", "")]
        )  # fmt: skip
    head = ["units, all moving", "Hz", "open to drawn, s", "pictures drawn/s", "main thread, its own CPU %",
            "the same by the clock %", "all of Chromium, CPU %", "while panning: drawn/s", "main thread, CPU %",
            "heap, MiB a minute"]  # fmt: skip
    note = (
        "The whole page at 1280×720 in headless Chromium without a graphics card, fed by a WebSocket of pictures in "
        "which every unit changes. By the clock what other programs take of the two cores is in it. Heap: after forced "
        "collections, the second half of 5 min. Aims: 10,000 at 10 Hz ≥ 9 drawn/s, main thread < 20 %, heap flat; open "
        "< 3 s with 1,500."
    )
    return "The map", table(head, rows) + "\n\n" + note


SECTIONS: dict[str, Callable[[list[Path]], Section]] = {
    "sizes": sizes, "speed": speed, "edge": edge, "ingest": ingest, "latency": latency, "alarms": alarms,
    "devices": every_device, "identity": devices, "outage": outage, "picture": picture, "viewers": viewers,
    "zones": zones, "screen": screens, "soak": soak,
}  # fmt: skip
LONG = ("soak",)
"""Only when asked for."""
HEAD = "# Measurements\n\nMade by `make bench`; every section names its machine and day.\n"


def merged(new: dict[str, str]) -> str:
    """The page with its sections: the new ones, and what others measured before."""
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    parts = {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in old.split("\n## ")[1:]}
    parts.update(new)
    return HEAD + "".join(f"\n## {title}\n{text.rstrip()}\n" for title, text in parts.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        default=",".join(name for name in SECTIONS if name not in LONG),
        help=f"of {','.join(SECTIONS)}",
    )
    parser.add_argument("--tracks", type=Path, nargs="*", default=TRACKS)
    args = parser.parse_args()
    for name in args.only.split(","):
        if name not in SECTIONS:
            parser.error(f"--only {name}: known are {', '.join(SECTIONS)}")
        where = machine()
        title, text = SECTIONS[name](args.tracks)
        RESULTS.write_text(merged({title: f"\n{where}.\n\n{text}"}), encoding="utf-8")
        print(f"## {title}\n\n{where}.\n\n{text}\n", flush=True)


if __name__ == "__main__":
    main()
