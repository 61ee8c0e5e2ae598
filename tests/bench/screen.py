"""How much of a machine the commander's map needs: the whole page in headless Chromium, fed by screen_feed.py.

    python tests/bench/screen.py [--units 10000 --hz 10] [--seconds 30] [--heap-s 300] [--no-gl] [--static DIR]
                                 [--profile FILE]

Enters: the built page (hub/static unless told). Leaves: figures as JSON; run.py's section `screen` calls `measure`.
Main thread is CDP's TaskDuration over the time: `wall` as the clock goes, so what other programs take of the cores is
in it; `cpu` by the thread's own clock. The heap is read after a forced collection, apart from the other seconds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from edge_agent import free_port

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-precise-memory-info",
]  # fmt: skip
SOFTWARE_GL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SETTLE_S = 8.0
HEAP_EVERY_S = 15.0
PAN_STEPS, PAN_PX = 60, 6
USABLE_S_MAX = 60


@contextmanager
def feed(units: int, hz: float, static: Path) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "screen_feed.py", "--port", str(port), "--units", str(units),
         "--hz", str(hz), "--static", str(static)], cwd=ROOT,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{url}api/v1/session", timeout=1)
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def chromium(*, gl: bool) -> Iterator[Browser]:
    with sync_playwright() as program:
        path = shutil.which("chromium") or "/usr/bin/chromium"
        flags = FLAGS + (SOFTWARE_GL if gl else ["--disable-3d-apis"])
        browser = program.chromium.launch(executable_path=path, args=flags)
        try:
            yield browser
        finally:
            browser.close()


def metrics(session: CDPSession) -> dict[str, float]:
    return {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}


def cpu_s() -> float:
    """CPU seconds of all programs that this one started, and theirs, but the feed: Chromium with its GPU process."""
    ticks = 0
    found = [
        (int(folder.name), stat_of(folder)) for folder in Path("/proc").iterdir() if folder.name.isdigit()
    ]
    parents = {pid: stat for pid, stat in found if stat}
    ours = {os.getpid()}
    while more := {pid for pid, (parent, _, _) in parents.items() if parent in ours} - ours:
        ours |= more
    for pid in ours:
        _, name, used = parents.get(pid, (0, "", 0))
        ticks += used if name.startswith("chrom") else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def stat_of(folder: Path) -> tuple[int, str, int] | None:
    """Parent, name and CPU ticks of a process; None when it has just ended."""
    try:
        name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return None
    fields = rest.split()
    return int(fields[1]), name, int(fields[11]) + int(fields[12])


def busy(page: Page, seconds: float, *, pan: bool = False) -> dict[str, float]:
    """Updates applied and drawn a second, the main thread's share and all of Chromium's CPU, over `seconds`."""
    wall, cpu = page.context.new_cdp_session(page), page.context.new_cdp_session(page)
    wall.send("Performance.enable", {"timeDomain": "timeTicks"})
    cpu.send("Performance.enable", {"timeDomain": "threadTicks"})

    def look() -> tuple[float, ...]:
        ticks, drawn = page.evaluate("[window.__zhantu.ticks, (window.__zhantu.map ?? {drawn: NaN}).drawn]")
        return (
            time.monotonic(), ticks, drawn, metrics(wall)["TaskDuration"], metrics(cpu)["TaskDuration"], cpu_s(),
        )  # fmt: skip

    before = look()
    if pan:
        drag(page, seconds)
    else:
        page.wait_for_timeout(seconds * 1000)
    after = look()
    s, ticks, drawn, wall_s, thread_s, all_s = (b - a for a, b in zip(before, after, strict=True))
    wall.detach()
    cpu.detach()
    return {
        "updates_s": round(ticks / s, 2), "drawn_s": round(drawn / s, 2),
        "main_wall_pct": round(100 * wall_s / s, 1), "main_cpu_pct": round(100 * thread_s / s, 1),
        "chromium_cpu_pct": round(100 * all_s / s, 1),
    }  # fmt: skip


def drag(page: Page, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.mouse.move(640, 400)
        page.mouse.down()
        for i in range(PAN_STEPS):
            page.mouse.move(640 + PAN_PX * (i if i < PAN_STEPS / 2 else PAN_STEPS - i), 400)
            page.wait_for_timeout(16)
        page.mouse.up()


def heap(page: Page, seconds: float) -> dict[str, float]:
    """Used heap after collections, MiB: first, last, and the slope of a straight line through all, MiB a minute."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    points = []
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        session.send("HeapProfiler.collectGarbage")
        points.append(((time.monotonic() - begin) / 60, metrics(session)["JSHeapUsedSize"] / 2**20))
        page.wait_for_timeout(HEAP_EVERY_S * 1000)
    minutes, mib = np.array(points).T
    late = minutes >= minutes[-1] / 2
    return {
        "heap_first_mib": round(float(mib[0]), 1), "heap_last_mib": round(float(mib[-1]), 1),
        "heap_mib_a_min": round(float(np.polyfit(minutes, mib, 1)[0]), 3),
        "heap_mib_a_min_2nd_half": round(float(np.polyfit(minutes[late], mib[late], 1)[0]), 3),
        "heap_minutes": round(float(minutes[-1]), 1),
    }  # fmt: skip


def profiled(page: Page, seconds: float, path: Path) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.setSamplingInterval", {"interval": 200})
    session.send("Profiler.start")
    page.wait_for_timeout(seconds * 1000)
    path.write_text(json.dumps(session.send("Profiler.stop")["profile"]))


def top(profile: dict[str, Any], count: int = 25) -> list[str]:
    """Functions by their own time."""
    own: dict[str, float] = {}
    names = {node["id"]: node["callFrame"] for node in profile["nodes"]}
    for node, delta in zip(profile["samples"], profile["timeDeltas"], strict=True):
        frame = names[node]
        file = frame["url"].rsplit("/", 1)[-1]
        key = f"{frame['functionName'] or '(anonymous)'} {file}:{frame['lineNumber']}:{frame['columnNumber']}"
        own[key] = own.get(key, 0) + delta
    total = sum(own.values())
    return [
        f"{100 * us / total:5.1f} % {key}" for key, us in sorted(own.items(), key=lambda one: -one[1])[:count]
    ]


def measure(
    units: int, hz: float, seconds: float, *, heap_s: float = 0, gl: bool = True, static: Path = ROOT / "hub/static",
    profile: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """All figures of one load. `open_s`: from the address to every unit applied and drawn once."""
    with feed(units, hz, static) as url, chromium(gl=gl) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        begin = time.monotonic()
        page.goto(url)
        page.wait_for_function(
            f"() => window.__zhantu?.units === {units} && window.__zhantu.ticks > 1"
            " && (window.__zhantu.map?.drawn ?? 1) > 0",
            timeout=USABLE_S_MAX * 1000,
        )
        found: dict[str, Any] = {"units": units, "hz": hz, "open_s": round(time.monotonic() - begin, 2)}
        page.wait_for_timeout(SETTLE_S * 1000)
        found |= busy(page, seconds)
        found["pan"] = busy(page, min(10.0, seconds), pan=True)
        if profile:
            profiled(page, 10, profile)
        if heap_s:
            found |= heap(page, heap_s)
        page.screenshot(path=ROOT / f"tests/artifacts/bench-{units}-{'gl' if gl else 'canvas'}.png")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--hz", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--heap-s", type=float, default=0.0)
    parser.add_argument("--no-gl", action="store_true")
    parser.add_argument("--static", type=Path, default=ROOT / "hub/static")
    parser.add_argument("--profile", type=Path)
    args = parser.parse_args()
    (ROOT / "tests/artifacts").mkdir(exist_ok=True)
    found = measure(
        args.units, args.hz, args.seconds, heap_s=args.heap_s, gl=not args.no_gl, static=args.static.resolve(),
        profile=args.profile,
    )  # fmt: skip
    print(json.dumps(found))
    if args.profile:
        print("\n".join(top(json.loads(args.profile.read_text()))))


if __name__ == "__main__":
    main()
