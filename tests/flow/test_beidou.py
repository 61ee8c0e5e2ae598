"""A soldier with nothing but BeiDou: real hub, broker and two agents, two emulated terminals and a satellite between.

The hub's terminal is a gateway next to it that relays. Cards may send every two seconds here, in the field
once a minute.
"""

import os
import pty
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sim.devices.rdss import Satellite, Terminal

SOLDIER, HUB = 123_456, 654_321
INTERVAL_S = 2


class OnPty:
    """A terminal on a serial line."""

    def __init__(self, path: Path, terminal: Terminal) -> None:
        self.terminal = terminal
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        path.symlink_to(os.ttyname(self._slave))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        start_s = time.monotonic()
        while not self._stop.wait(0.05):
            said = self.terminal.step(round((time.monotonic() - start_s) * 1_000))
            try:
                said += self.terminal.answer(os.read(self._master, 4_096))
            except BlockingIOError:
                pass
            if said:
                os.write(self._master, said)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Puts a terminal with a card on a pty."""
    satellite, made = Satellite(), list[OnPty]()

    def make(card: int) -> Path:
        path = tmp_path / f"rdss-{card}"
        made.append(OnPty(path, Terminal("BD-2", satellite, card, interval_s=INTERVAL_S)))
        return path

    yield make
    for one in made:
        one.close()


def with_terminal(gateway: Any, path: Path, to: int, more: str = "") -> None:
    with gateway.config.open("a") as config:
        config.write(
            f'[[port]]\nname = "rdss"\npath = "{path}"\ndriver = "rdss"\nbaud = 115200\n'
            f'[port.options]\nsize_max = 78\n[[bearer]]\nkind = "rdss"\nto = {to}\nevery_s = 1.0\n{more}'
        )


@pytest.mark.slow
def test_positions_an_sos_and_an_order_by_short_messages_alone(
    hub: Any, new_gateway: Callable[..., Any], patiently: Callable[..., Any], terminals: Callable[[int], Path]
) -> None:
    hub.add(1002, "侦察-02")
    hub.command("device", "relay", "1001")
    command, soldier = new_gateway(hub, 1001), new_gateway(hub, 1002)
    soldier.config.write_text(soldier.config.read_text().replace(f"port = {hub.mqtt_port}", "port = 9"))
    with_terminal(command, terminals(HUB), SOLDIER, "[relay]\non = true\n")
    with_terminal(soldier, terminals(SOLDIER), HUB)
    command.start_and_wait()
    soldier.start()

    def unit() -> dict[str, Any]:
        units = client.get("/api/v1/units").raise_for_status().json()["units"]
        return next(dict(one) for one in units if one["device"] == 1002)

    with hub.client() as client:
        hub.sign_in(client)
        patiently(
            lambda: unit()["t_fix_utc_ms"], f"the soldier is not on the map: {soldier.program.output()}", 60
        )
        soldier.command("sos")
        events = lambda: [r for r in hub.rows() if r["device"] == 1002 and r.get("event_code") == 1]  # noqa: E731
        patiently(events, "no SOS by BeiDou", 60)
        text = {"type": "text", "target": unit()["id"], "text": "撤到集结点"}
        seq = client.post("/api/v1/orders", json=text).raise_for_status().json()["seq"]
        patiently(lambda: f"order {seq} obeyed" in soldier.program.output(), "the text does not come", 120)

        def received() -> Any:
            (target,) = client.get(f"/api/v1/orders/{seq}").json()["targets"]
            return target["received"]

        patiently(received, "its receipt does not come back", 120)
    way = soldier.status()["bearers"]["beidou"]
    assert way["sent_frames"] >= 3
    assert way["ok_age_s"] is not None
    assert soldier.status()["bearers"]["mqtt"]["ok_age_s"] is None
    assert len(events()) == 1, "stored once"
    rows = [row for row in hub.rows() if row["device"] == 1002 and row["kind"] == "state"]
    assert len(rows) <= 2, "previews are shown, the full rows still wait for IP"
