"""The wearer of a board: what the world does to a body becomes levels of two buttons, blows, posture and motion.

Enters: a unit's `State`, acts, the time in ms. Leaves: values, levels and blows of an emulated board. Caller:
`sim.equipment`. Buttons are held as the table of gestures says, so that the board itself has to understand them.
"""

import random
from collections import deque

from protocols.catalog import Posture
from protocols.wearer import GESTURES, Gesture
from sim.devices.board import Board
from sim.surroundings import Air
from sim.world import State

GESTURE_OF = {"sos": Gesture.SOS, "entry": Gesture.ENTRY}
"""Which gesture an event of a drill is."""
BLOW_MG = 5_200
SHORT_PRESS_MS, BETWEEN_MS, EXTRA_MS = 150, 200, 250
"""A press and the pause behind it; a hold is held a little longer than it has to be."""
LEVELS_MAX = 64


class Wearer:
    """One person with one board."""

    def __init__(self, board: Board, rng: random.Random, has_air: bool) -> None:
        """`has_air`: the cylinder's transmitter is on the board."""
        self._board, self._rng, self._has_air = board, rng, has_air
        self._levels: deque[tuple[int, bool, bool]] = deque(maxlen=LEVELS_MAX)

    def feel(self, state: State, air: Air) -> None:
        """What the board measures from now on."""
        values = {
            "activity_mg": self._activity_mg(state),
            "posture": int(Posture.LYING if state.lying else Posture.UPRIGHT),
            "pressure_pa": round(100 * air.pressure_hpa(state.up_m) + self._rng.gauss(0, 3)),
            "ambient_dc": round(10 * air.temperature_c),
            "board_pct": round(state.battery_pct),
        }
        if state.heart_bpm is not None:
            values["heart_bpm"] = round(state.heart_bpm)
        if self._has_air and state.scba_kpa is not None:
            values["scba_kpa"] = round(state.scba_kpa)
        self._board.values = values

    def _activity_mg(self, state: State) -> int:
        """Who stands fidgets now and then; who lies still only breathes."""
        if state.lying:
            return round(self._rng.uniform(4, 18))
        return min(16_000, round(60 + 260 * state.speed_mps + self._rng.expovariate(1 / 120)))

    def act(self, what: str, t_ms: int) -> None:
        """Something that a drill makes the wearer do."""
        if what == "man_down":
            self._board.impact(BLOW_MG)
            return
        row = next(row for row in GESTURES if row.gesture == GESTURE_OF[what])
        red, grey = row.buttons in ("red", "both"), row.buttons in ("grey", "both")
        at_ms = max(t_ms, self._levels[-1][0] + BETWEEN_MS if self._levels else 0)
        for _ in range(row.presses):
            self._levels.append((at_ms, red, grey))
            at_ms += row.hold_ms + EXTRA_MS if row.hold_ms else SHORT_PRESS_MS
            self._levels.append((at_ms, False, False))
            at_ms += BETWEEN_MS

    def step(self, t_ms: int) -> None:
        """Moves the fingers until `t_ms`."""
        while self._levels and self._levels[0][0] <= t_ms:
            at_ms, red, grey = self._levels.popleft()
            self._board.levels(red, grey, at_ms)
