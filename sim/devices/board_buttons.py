"""Two buttons' levels to gestures: the second reading of the table in `protocols.wearer`, beside the C library's.

Enters: levels and their times. Leaves: gestures. Called by the emulated board; a test holds it against the C code.
It works on clean levels: bounces are the C library's business.
"""

from protocols.wearer import GAP_MS, GESTURES, SHORT_MS, Gesture

STUCK_MS = 10_000
"""A button that is down for longer is jammed and counts as up until it is let go."""
STEP_MS = 10
_HOLDS = {row.buttons: (row.hold_ms, row.gesture) for row in GESTURES if row.hold_ms}
_PRESSES = {row.presses: row.gesture for row in GESTURES if not row.hold_ms}
_NAMES = {(True, False): "red", (False, True): "grey", (True, True): "both"}


class Buttons:
    """The state of both. Times are ms, rising."""

    def __init__(self) -> None:
        self._now_ms = 0
        self._down_ms: list[int | None] = [None, None]
        self._press = ""  # red, grey or both; "void" for a press that is decided or is nothing
        self._press_ms = 0
        self._shorts = 0
        self._up_ms = 0

    def level(self, red: bool, grey: bool, t_ms: int) -> list[Gesture]:
        """New levels from `t_ms` on; gestures that were complete by then."""
        found = self.until(t_ms)
        for i, is_down in enumerate((red, grey)):
            if not is_down:
                self._down_ms[i] = None
            elif self._down_ms[i] is None:
                self._down_ms[i] = t_ms
        return found + self._look(t_ms)

    def until(self, t_ms: int) -> list[Gesture]:
        """Gestures that time alone completes, up to `t_ms`."""
        found: list[Gesture] = []
        while self._now_ms < t_ms:
            if all(down is None for down in self._down_ms) and not self._shorts and not self._press:
                self._now_ms = t_ms  # nothing can happen: do not count through a quiet hour
                break
            self._now_ms = min(t_ms, self._now_ms + STEP_MS)
            found += self._look(self._now_ms)
        return found

    def _look(self, t_ms: int) -> list[Gesture]:
        red, grey = (down is not None and t_ms - down < STUCK_MS for down in self._down_ms)
        if red or grey:
            return self._pressed(_NAMES[red, grey], t_ms)
        if self._press:
            is_short = self._press == "grey" and t_ms - self._press_ms < SHORT_MS
            self._shorts = self._shorts + 1 if is_short else 0
            self._press, self._up_ms = "", t_ms
        elif self._shorts and t_ms - self._up_ms >= GAP_MS:
            count, self._shorts = self._shorts, 0
            return [_PRESSES[count]] if count in _PRESSES else []
        return []

    def _pressed(self, name: str, t_ms: int) -> list[Gesture]:
        if self._press == "void":
            return []
        if self._press == "both" and name != "both":
            self._press, self._shorts = "void", 0
        elif self._press and self._press != name and name != "both":
            self._press, self._shorts = "void", 0  # one button changed for the other
        elif self._press != name:
            self._press, self._press_ms = name, t_ms
            self._shorts = self._shorts if name == "grey" else 0
        else:
            hold_ms, gesture = _HOLDS[name]
            if t_ms - self._press_ms >= hold_ms:
                self._press, self._shorts = "void", 0
                return [gesture]
        return []
