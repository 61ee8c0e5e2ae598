"""From the button's frame on a board's line, and from the instant at which the man-down rule fires, to the feed.

Used by run.py. Board and screen are here, the agent with its guard and the hub are the real ones. The board's answers
and repeats are the emulated board's own.
"""

import os
import pty
import random
import select
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

import msgpack
from serial_probe import enrol, open_feed

from protocols.catalog import EventCode, EventPhase
from protocols.wearer import Gesture
from sim.devices.board import Board

DEVICE = 98
STEP_S = 0.005
WAIT_S_MAX = 20.0
PRE_S, ALARM_S = 5.0, 8.0
"""The shortest that the settings allow, so that twenty alarms take three minutes."""


class AlarmProbe:
    """One agent with a board on a pty, and a screen that waits for its alarms."""

    def __init__(self, data: Path, port: int, mqtt_port: int) -> None:
        self._data, self._port, self._mqtt_port = data, port, mqtt_port
        self._board = Board(board=DEVICE, values={"activity_mg": 10, "posture": 1, "heart_bpm": 80})
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._zero_s = time.monotonic()
        self._dice = random.Random(7)

    def __enter__(self) -> "AlarmProbe":
        enrol(self._data, DEVICE)
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        config = self._data / "alarm.toml"
        config.write_text(
            f'[device]\nnumber = {DEVICE}\nkey_file = "keys/{DEVICE}.key"\n[spool]\npath = "alarm.db"\n'
            f'[[port]]\nname = "board"\npath = "{os.ttyname(slave)}"\ndriver = "board"\nbaud = 115200\n'
            f"[guard.pass]\npre_s = {PRE_S}\nalarm_s = {ALARM_S}\n[mqtt]\nport = {self._mqtt_port}\n"
        )
        self._agent = subprocess.Popen([sys.executable, "-m", "edge", "run", "--config", config])
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()
        self._feed = open_feed(self._data, self._port)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._serving.join(5)
        self._feed.close()
        self._agent.terminate()
        self._agent.wait(10)

    def _say(self, press: Gesture | None = None) -> float:
        """What the board says now; the time just before its bytes are on the line."""
        with self._lock:
            if press is not None:
                self._board.press(press)
            data = self._board.step(round(1_000 * (time.monotonic() - self._zero_s)))
            now_s = time.time()
            if data:
                os.write(self._master, data)
            return now_s

    def _serve(self) -> None:
        while not self._stop.is_set():
            if select.select([self._master], [], [], STEP_S)[0]:
                heard = os.read(self._master, 4_096)
                with self._lock:
                    os.write(self._master, self._board.answer(heard))
            self._say()

    def _wait_for(self, code: EventCode, phases: tuple[EventPhase, ...]) -> tuple[dict[str, object], float]:
        """The feed's next event of this kind, and when it came."""
        end_s = time.monotonic() + WAIT_S_MAX
        while time.monotonic() < end_s:
            try:
                message = msgpack.unpackb(self._feed.recv(timeout=1))
            except TimeoutError:
                continue
            if message["k"] == "event" and message["code"] == code and message["phase"] in phases:
                return message, time.time()
        raise SystemExit(f"{code.name} did not reach the feed within {WAIT_S_MAX:g} s")

    def warm_up(self) -> None:
        """Until the agent is connected and its clock is the hub's: an entry is heard at the screen."""
        self._say(Gesture.ENTRY)
        self._wait_for(EventCode.ENTERED, (EventPhase.RAISED,))

    def presses(self, count: int) -> list[float]:
        """Milliseconds from the SOS frame on the line to the feed, for each of `count` presses."""
        found = []
        for _ in range(count):
            self._stop.wait(self._dice.uniform(0.05, 0.4))
            pressed_s = self._say(Gesture.SOS)
            _, came_s = self._wait_for(EventCode.SOS, (EventPhase.RAISED,))
            found.append(1_000 * (came_s - pressed_s))
            self._say(Gesture.CANCEL)
            self._wait_for(EventCode.SOS, (EventPhase.CANCELLED, EventPhase.CLEARED))
        return found

    def stillnesses(self, count: int) -> list[float]:
        """Milliseconds from the event's own time, by the edge's rule, to the feed, `count` times."""
        found = []
        for _ in range(count):
            told, came_s = self._wait_for(EventCode.MAN_DOWN, (EventPhase.RAISED,))
            fired_ms = told["t_event"]
            assert isinstance(fired_ms, int)
            found.append(1_000 * came_s - fired_ms)
            self._stop.wait(self._dice.uniform(0.0, 0.3))
            self._say(Gesture.CANCEL)
        return found
