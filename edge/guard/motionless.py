"""PASS, the personal alert safety system: who does not move is asked, and then called for.

Enters: motion of the board, GNSS speed, presses. Leaves: MAN_DOWN, the question before it, `pass_state`. Called by
`edge.guard.guard`. Armed when entered or on air; rests at standby and rehab. Without a motion value it is off and
says so: GNSS speed alone shows that somebody moves, never that somebody lies still.
"""

from edge.guard.rule import Now, Rule, Standing
from edge.guard.settings import PassConfig
from protocols.catalog import EventCode, PassState, field_id
from protocols.samples import Fix, FixMode, Reading, Sample
from protocols.units import MMPS_PER_DMPS
from protocols.wearer import Gesture, Pattern

ACTIVITY = field_id("activity_mg")
PASS_STATE = field_id("pass_state")


class PassRule(Rule):
    """States as the catalog's `PassState`. The alarm outlives leaving, rehab and the loss of the board."""

    def __init__(self, config: PassConfig) -> None:
        self._config = config
        self.state = PassState.OFF
        self._moved_ms = 0
        self._heard_ms: int | None = None

    def hear(self, sample: Sample, now: Now) -> None:
        """See `Rule`."""
        if isinstance(sample, Reading):
            activity_mg = sample.values.get(ACTIVITY)
            if activity_mg is None:
                return
            self._heard_ms = now.t_ms
            if activity_mg >= self._config.motion_mg:
                self._moved(now.t_ms)
        elif isinstance(sample, Fix) and self._walks(sample):
            self._moved(now.t_ms)

    def _walks(self, fix: Fix) -> bool:
        speed_mmps = fix.speed_mmps or 0
        return fix.mode > FixMode.DEAD_RECKONED and speed_mmps >= self._config.speed_dmps * MMPS_PER_DMPS

    def _moved(self, t_ms: int) -> None:
        self._moved_ms = t_ms
        if self.state == PassState.PRE_ALARM:
            self.state = PassState.ARMED

    def press(self, gesture: Gesture, now: Now) -> bool:
        """See `Rule`. Whoever presses a button is awake; the full alarm still needs its own answer."""
        asked = self.state == PassState.PRE_ALARM
        self._moved(now.t_ms)
        if self.state == PassState.ALARM:
            ends = gesture == Gesture.CANCEL or (gesture == Gesture.ANSWER and self._config.answer_ends_alarm)
            if ends:
                self.state = PassState.OFF
                return gesture == Gesture.ANSWER
        return asked and gesture == Gesture.ANSWER

    def step(self, now: Now) -> list[Standing]:
        """See `Rule`."""
        self.state = self._next(now)
        if self.state != PassState.ALARM:
            return []
        value = now.values.get(ACTIVITY)
        return [Standing(EventCode.MAN_DOWN, ACTIVITY, value and value[0], self._config.motion_mg)]

    def _next(self, now: Now) -> PassState:
        if self.state == PassState.ALARM:
            return PassState.ALARM
        if not now.inside:
            return PassState.OFF
        if self.state != PassState.PRE_ALARM and self._is_deaf(now.t_ms):
            return PassState.OFF
        if self.state == PassState.OFF:
            self._moved_ms = now.t_ms  # from now on it is watched
            return PassState.ARMED
        still_ms = now.t_ms - self._moved_ms
        if still_ms >= self._config.alarm_s * 1000:
            return PassState.ALARM
        return PassState.PRE_ALARM if still_ms >= self._config.pre_s * 1000 else PassState.ARMED

    def _is_deaf(self, t_ms: int) -> bool:
        return self._heard_ms is None or t_ms - self._heard_ms > self._config.source_lost_s * 1000

    def question(self) -> Pattern | None:
        """See `Rule`."""
        return Pattern.PRE_ALARM if self.state == PassState.PRE_ALARM else None

    def values(self, now: Now) -> dict[int, int]:
        """See `Rule`."""
        return {PASS_STATE: int(self.state)}

    def status(self, now: Now) -> dict[str, object]:
        """See `Rule`."""
        why = ""
        if self.state == PassState.OFF:
            why = "no motion value" if self._is_deaf(now.t_ms) else f"rests at {now.duty.name.lower()}"
        return {
            "state": self.state.name.lower(),
            "why": why,
            "still_s": (now.t_ms - self._moved_ms) // 1000 if self.state != PassState.OFF else None,
        }

    def resume(self, kept: dict[str, float], standing: list[Standing]) -> None:
        """See `Rule`."""
        if standing:
            self.state = PassState.ALARM
