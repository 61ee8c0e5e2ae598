"""Brokers: the child is started again, ends with a killed hub, and amqtt stands in."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from hub import broker
from hub.children import Child
from hub.errors import BrokerError
from hub.mqtt import QUEUE_MAX, ROW_LANES, URGENT_LANES, URGENT_MAX, Inbox
from protocols.catalog import Lane

WAIT_S = 15


@pytest.mark.parametrize("address", ["", "host", "host:", ":1883", "host:x", "host:0", "host:70000"])
def test_wrong_address(address: str) -> None:
    with pytest.raises(BrokerError, match="host:port needed"):
        broker.external(address)


def test_external() -> None:
    found = broker.external("[::1]:1883")
    assert (found.kind, found.host, found.port, found.child) == ("external", "::1", 1883, None)


def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    async def go() -> int:
        stop = asyncio.Event()
        marks = tmp_path / "starts"
        script = (
            f"import time; open({str(marks)!r}, 'a').write('x');"
            f" time.sleep(0 if len(open({str(marks)!r}).read()) < 3 else 60)"
        )
        child = Child("x", lambda: [sys.executable, "-c", script], tmp_path / "x.log")
        running = asyncio.create_task(child.run(stop))
        async with asyncio.timeout(WAIT_S):
            while child.starts < 3:
                await asyncio.sleep(0.01)
        stop.set()
        await running
        return child.starts

    assert asyncio.run(go()) == 3


def test_a_killed_hub_leaves_no_broker(tmp_path: Path, free_port: Callable[[], int]) -> None:
    words = [sys.executable, "-m", "hub", "run", "--data", str(tmp_path), "--port", "0", "--json"]
    port = str(free_port())
    for _ in range(2):
        with subprocess.Popen(
            [*words, "--mqtt-port", port], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as hub:
            assert hub.stdout is not None
            assert hub.stdout.readline().startswith(b"{"), "the second start is not blocked"
            (child,) = psutil.Process(hub.pid).children()
            os.kill(hub.pid, signal.SIGKILL)
            hub.wait(WAIT_S)
        psutil.wait_procs([child], WAIT_S)
        assert not child.is_running()


def test_amqtt_stands_in(
    running: Callable[..., Any], device_at: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    with running() as run:
        run.enrol(7)
        assert run.hub.broker.kind == "amqtt"
        assert "broker: embedded amqtt, for demonstration only" in run.hub.health().notes
        device = device_at(run, 7)
        assert device.send(device.side.event(0, zero_ms=device.side.clock.now - 5_000)).watermark == 1


def test_the_inbox_is_bounded_and_keeps_sos_apart() -> None:
    async def go() -> None:
        inbox = Inbox()
        row, sos = ("z/live/0/1/2", b""), ("z/live/0/1/0", b"sos")
        inbox.put([row] * (QUEUE_MAX - 1))
        inbox.put([row] * 6)
        inbox.put([row])
        assert inbox.dropped == 6
        inbox.put_urgent([sos])
        assert inbox.take(2) == [sos, row]
        assert inbox.arrived.is_set(), "there is more"
        inbox.put_urgent([sos] * (URGENT_MAX + 1))
        assert inbox.dropped == 7
        assert len(inbox.take(10**6)) == URGENT_MAX + QUEUE_MAX - 1
        assert not inbox.arrived.is_set()

    asyncio.run(go())


def test_every_lane_is_heard_on_one_of_the_two_connections() -> None:
    assert sorted([*URGENT_LANES, *ROW_LANES]) == sorted(Lane)
    assert {Lane.SOS, Lane.RECEIPTS} == set(URGENT_LANES)
