"""The whole hub with a real broker: frame in, acknowledgement and picture out; killed and back again."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgpack
import numpy as np
import pytest
from websockets.sync.client import connect

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None,
    reason="mosquitto is not installed",
)
WAIT_S = 10


@contextmanager
def signed_in(run: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{run.address}") as http:
        assert (
            http.post("/api/v1/session", json={"token": run.hub.sign_in.new_token("Li")}).status_code == 200
        )
        yield http


def feed_of(run: Any, http: httpx.Client, origin: str | None = None) -> Any:
    cookie = {"Cookie": f"zhantu={http.cookies.get('zhantu', '')}"}
    url = f"ws://{run.address}/api/v1/feed"
    return connect(url, origin=origin or f"http://{run.address}", additional_headers=cookie)  # type: ignore[arg-type]


def next_of(feed: Any, word: str, least: int = 0) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = msgpack.unpackb(feed.recv(WAIT_S))
        if message["k"] == word and message.get("n", least) >= least:
            return message


def test_frame_to_screen_and_back(running: Callable[..., Any], device_at: Callable[..., Any]) -> None:
    with running() as run:
        run.enrol(7)
        device = device_at(run, 7)
        side, zero = device.side, device.side.clock.now - 5_000
        with signed_in(run) as http, feed_of(run, http) as feed:
            assert [msgpack.unpackb(feed.recv(WAIT_S))["k"] for _ in range(4)] == [
                "hello",
                "meta",
                "snap",
                "link",
            ]
            ack = device.send(side.frame(row=0, zero_ms=zero))
            assert (ack.stream, ack.watermark, ack.ranges) == (1, 1, ())
            # The unit itself may come with a tick of its own before its first position does.
            while (lats := np.frombuffer(next_of(feed, "tick", 1)["c"]["lat"], "<i4").tolist()) == [0]:
                pass
            assert lats == [366_500_000]
            assert device.send(side.event(0, zero_ms=zero)).stream == 0
            event = next_of(feed, "event")
            assert (event["code"], event["late"], event["slot"]) == (1, False, 0)
            values = http.get("/api/v1/units/u1").json()["values"]
            assert {v["name"]: v["value"] for v in values}["lat_deg_e7"] == 36.65
            trail = http.get("/api/v1/units/u1/trail", headers={"Accept": "application/json"}).json()
            assert trail["n"] == 1


def test_broker_killed(running: Callable[..., Any], device_at: Callable[..., Any]) -> None:
    with running() as run:
        run.enrol(7)
        child = run.hub.broker.child
        first = child.pid
        os.kill(first, signal.SIGKILL)
        run.until(
            lambda: child.pid not in (None, first) and run.hub.link.connects > 1 and run.hub.link.connected
        )
        device = device_at(run, 7)
        assert device.send(device.side.event(0, zero_ms=device.side.clock.now - 5_000)).watermark == 1


def test_second_start_on_the_same_data(running: Callable[..., Any]) -> None:
    with running() as run:
        token = run.hub.sign_in.new_token("Li")
        with pytest.raises(BaseException, match="another hub"), running():
            pass
    with running() as run:
        assert run.hub.sign_in.sign_in(token) is not None


def test_screen_without_cookie_or_from_another_site(running: Callable[..., Any]) -> None:
    with running() as run, signed_in(run) as http, httpx.Client() as stranger:
        for client, origin, code in (
            (stranger, None, 4401),
            (http, "http://evil.example", 4403),
            (http, f"http://{run.address}.evil.example", 4403),
        ):
            with feed_of(run, client, origin) as feed, pytest.raises(Exception, match=str(code)):
                feed.recv(WAIT_S)
