"""Relays are told their team: at once when it changes, soon again because nobody says that it came, then seldom."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from hub.identity.keys import KeyRing
from hub.live.team_sender import AGAIN_MS, EVERY_MS, TeamSender

CAR, SOLDIER, LATER = 1001, 1002, 1003


class Bench:
    def __init__(self) -> None:
        self.now_ms = 1_795_000_000_000
        ring = KeyRing(bytes(32), "live")
        ring.epochs = {CAR: 0, SOLDIER: 0, LATER: 0}
        row = SimpleNamespace(agency="", team="一队", callsign="某人")
        self.devices = {0: [CAR], 1: [SOLDIER]}
        units: Any = SimpleNamespace(
            rows=[row, row, row], carrier_of=lambda _relay: 0, devices_now=lambda: self.devices
        )
        self.picture: Any = SimpleNamespace(t_rx=np.array([self.now_ms, self.now_ms, self.now_ms], float))
        self.sent: list[int] = []
        self.sender = TeamSender(
            units, self.picture, ring, lambda: frozenset({CAR}),
            lambda relay, _message: self.sent.append(relay), lambda: self.now_ms,
        )  # fmt: skip

    def goes_on(self, ms: int, *, heard: bool = True) -> int:
        """How often it was told meanwhile."""
        before = len(self.sent)
        for _ in range(0, ms, EVERY_MS):
            self.now_ms += EVERY_MS
            if heard:
                self.picture.t_rx[:] = self.now_ms
            self.sender.step()
        return len(self.sent) - before


def test_it_is_told_again_soon_and_then_seldom() -> None:
    bench = Bench()
    bench.sender.step()
    assert bench.sent == [CAR]
    assert bench.goes_on(AGAIN_MS[0]) == 1
    assert bench.goes_on(AGAIN_MS[1]) == 1
    assert bench.goes_on(3 * AGAIN_MS[2]) == 3


def test_a_team_that_changed_is_told_at_once_and_soon_again() -> None:
    bench = Bench()
    bench.goes_on(300_000)
    bench.devices = {0: [CAR], 1: [SOLDIER], 2: [LATER]}
    assert bench.goes_on(EVERY_MS) == 1
    assert bench.goes_on(AGAIN_MS[0]) == 1


def test_one_that_was_silent_is_told_when_it_speaks() -> None:
    bench = Bench()
    bench.goes_on(300_000)
    assert bench.goes_on(90_000, heard=False) == 0
    assert bench.goes_on(EVERY_MS) == 1
