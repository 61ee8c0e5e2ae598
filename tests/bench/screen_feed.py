"""A hub that is only a feed: the screen's files, a session, and a WebSocket of a picture that moves.

    python tests/bench/screen_feed.py --port 8700 --units 10000 --hz 10 [--static hub/static]

Enters: how many units move how often. Leaves: what docs/feed.md promises, encoded by the hub's own encoder, to every
screen that connects. Started by screen.py. Every unit changes in every tick, which is the worst that a tick can hold;
few are in danger, some are silent, so that every state is drawn. It serves loopback only.
"""

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from hub.live.feed import encode

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT_S = 30.0
CENTRE_LAT_E7, CENTRE_LON_E7 = 366_500_000, 1_170_000_000
WALK_MPS = 1.4
E7_PER_M = 90.0
KINDS = ("person", "person", "person", "vehicle", "drone", "vessel")
BRANCHES = ("fire", "medical", "mine", "flood", "hazmat", "police", "command", "other")
FLAG_SOS, FLAG_MAN_DOWN = 1, 2
SILENT_EVERY, DANGER_EVERY = 50, 2_500
NAMES = ("泰山", "沂蒙", "趵突", "崂山", "微山湖", "黄河")


class Crowd:
    """`count` units that walk about within `spread_m` of a city, as columns of the feed."""

    def __init__(self, count: int, spread_m: float, seed: int = 7) -> None:
        self.count = count
        self._random = np.random.default_rng(seed)
        self._lat = CENTRE_LAT_E7 + self._random.normal(0, spread_m * E7_PER_M, count)
        self._lon = CENTRE_LON_E7 + self._random.normal(0, spread_m * E7_PER_M, count)
        self._course = self._random.uniform(0, 2 * np.pi, count)
        self._moved_s = time.monotonic()
        slots = np.arange(count)
        self._silent = slots % SILENT_EVERY == 1
        self._flags = np.zeros(count, "<u2")
        self._flags[slots % DANGER_EVERY == 3] = FLAG_SOS
        self._flags[slots % DANGER_EVERY == 7] = FLAG_MAN_DOWN
        self._fixed = {
            "slot": slots.astype("<u4").tobytes(), "alt": np.full(count, 500, "<i4").tobytes(),
            "speed": np.full(count, round(WALK_MPS * 10), "<u2").tobytes(), "hacc": np.full(count, 40, "<u2").tobytes(),
            "mode": np.full(count, 3, "u1").tobytes(), "flags": self._flags.tobytes(),
            "hr": np.full(count, 90, "u1").tobytes(), "bat": np.full(count, 80, "u1").tobytes(),
            "air": np.full(count, 21_000, "<u2").tobytes(), "hist": np.zeros(count, "<u4").tobytes(),
        }  # fmt: skip

    def meta(self) -> list[dict[str, Any]]:
        return [
            {"slot": i, "id": f"u{i}", "callsign": f"{NAMES[i % len(NAMES)]}-{i:05d}", "kind": KINDS[i % len(KINDS)],
             "branch": BRANCHES[i % len(BRANCHES)], "team": f"{i % 40:02d} 队", "device": i + 1, "stale_s": 30,
             "lost_s": 300}
            for i in range(self.count)
        ]  # fmt: skip

    def columns(self, t_ms: float) -> dict[str, bytes]:
        """All units, moved on to now."""
        now_s = time.monotonic()
        step = (now_s - self._moved_s) * WALK_MPS * E7_PER_M
        self._moved_s = now_s
        self._course += self._random.normal(0, 0.1, self.count)
        self._lat += step * np.cos(self._course)
        self._lon += step * np.sin(self._course)
        fix = np.where(self._silent, t_ms - 60_000, t_ms).astype("<f8")
        course = np.mod(np.degrees(self._course), 360)
        return self._fixed | {
            "t_fix": fix.tobytes(), "t_rx": fix.tobytes(), "lat": self._lat.astype("<i4").tobytes(),
            "lon": self._lon.astype("<i4").tobytes(), "course": course.astype("<u2").tobytes(),
        }  # fmt: skip


async def send(socket: WebSocket, crowd: Crowd, hz: float) -> None:
    """The whole story of one screen, until it goes away. A screen that is slow gets fewer ticks, as from the hub."""
    await socket.accept()

    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    def picture(word: str, seq: int) -> bytes:
        t = now_ms()
        return encode(
            {"k": word, "t": t, "seq": seq, "since": seq - 1, "n": crowd.count, "c": crowd.columns(t)}
        )

    await socket.send_bytes(encode({
        "k": "hello", "v": 1, "t": now_ms(), "realm": "bench", "tick_ms": round(1000 / hz), "name": "测量",
        "drill": True, "role": "safety-officer", "permissions": ["picture", "acknowledge"], "parts": [],
    }))  # fmt: skip
    await socket.send_bytes(encode({"k": "meta", "units": crowd.meta()}))
    seq, next_s = 1, time.monotonic()
    snapped_s = -SNAPSHOT_S
    try:
        while True:
            whole = time.monotonic() - snapped_s >= SNAPSHOT_S
            snapped_s = time.monotonic() if whole else snapped_s
            await socket.send_bytes(picture("snap" if whole else "tick", seq))
            seq, next_s = seq + 1, max(next_s + 1 / hz, time.monotonic() - 1 / hz)
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
    except (WebSocketDisconnect, RuntimeError):
        return


def app(crowd: Crowd, hz: float, static: Path) -> Starlette:
    async def session(_request: Request) -> Response:
        return JSONResponse({
            "name": "测量", "role": "safety-officer", "title_zh": "安全员", "title_en": "Safety officer", "agency": "",
            "sees": [], "team": "", "realm": "bench", "drill": True, "version": "0", "permissions": ["picture"],
            "session": "0", "expires_utc_ms": 2**42, "has_password": True,
        })  # fmt: skip

    async def nothing(_request: Request) -> Response:
        return JSONResponse({"title": "not here"}, status_code=404)

    async def feed(socket: WebSocket) -> None:
        await send(socket, crowd, hz)

    return Starlette(routes=[
        Route("/api/v1/session", session), WebSocketRoute("/api/v1/feed", feed), Route("/api/{rest:path}", nothing),
        Mount("/", StaticFiles(directory=static, html=True)),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--hz", type=float, default=10.0)
    parser.add_argument("--spread-m", type=float, default=4_000.0)
    parser.add_argument("--static", type=Path, default=ROOT / "hub/static")
    args = parser.parse_args()
    crowd = Crowd(args.units, args.spread_m)
    uvicorn.run(
        app(crowd, args.hz, args.static), host="127.0.0.1", port=args.port, log_level="warning",
        ws_per_message_deflate=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
