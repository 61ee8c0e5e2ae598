"""A fall: a blow, then lying still, and no answer.

Enters: impacts, posture, motion, presses. Leaves: FALL, and the question before it. Called by `edge.guard.guard`.
"""

from edge.guard.rule import Now, Rule, Standing
from edge.guard.settings import FallConfig
from protocols.catalog import EventCode, Posture, field_id
from protocols.samples import Impact, Reading, Sample
from protocols.wearer import Gesture, Pattern

ACTIVITY = field_id("activity_mg")
POSTURE = field_id("posture")
STALE_MS = 10_000
"""A posture older than this is not known."""
WATCHING, ASKING, OPEN, IDLE = "watching", "asking", "open", "armed"


class FallRule(Rule):
    """Armed when entered or on air. The alarm ends by CANCEL alone."""

    def __init__(self, config: FallConfig, motion_mg: int) -> None:
        self._config = config
        self._motion_mg = motion_mg
        self.state = IDLE
        self._peak_mg = 0
        self._struck_ms = 0
        self._still_from_ms: int | None = None

    def hear(self, sample: Sample, now: Now) -> None:
        """See `Rule`."""
        if isinstance(sample, Impact):
            if now.inside and sample.peak_mg >= self._config.impact_mg and self.state in (IDLE, WATCHING):
                self.state, self._peak_mg, self._struck_ms = WATCHING, sample.peak_mg, now.t_ms
                self._still_from_ms = None
        elif isinstance(sample, Reading) and sample.values.get(ACTIVITY, 0) >= self._motion_mg:
            self._still_from_ms = None
            if self.state == ASKING:
                self.state = WATCHING

    def press(self, gesture: Gesture, now: Now) -> bool:
        """See `Rule`. Any press shows that the wearer is awake; only CANCEL ends the alarm."""
        asked = self.state == ASKING
        if self.state != OPEN or gesture == Gesture.CANCEL:
            self.state = IDLE
        return asked and gesture == Gesture.ANSWER

    def step(self, now: Now) -> list[Standing]:
        """See `Rule`."""
        if self.state in (WATCHING, ASKING):
            self._watch(now)
        if self.state != OPEN:
            return []
        return [Standing(EventCode.FALL, ACTIVITY, self._peak_mg, self._config.impact_mg)]

    def _watch(self, now: Now) -> None:
        if not now.inside:
            self.state = IDLE
            return
        posture = now.fresh(POSTURE, STALE_MS)
        if posture is None and self._still_from_ms is not None:
            pass  # a board that breaks in the fall must not end the watch
        elif posture != Posture.LYING:
            self._still_from_ms = None
        elif self._still_from_ms is None:
            self._still_from_ms = now.t_ms
        if self._still_from_ms is None:
            late = now.t_ms - self._struck_ms > self._config.watch_s * 1000
            self.state = IDLE if late else WATCHING
            return
        still_ms = now.t_ms - self._still_from_ms
        if still_ms >= self._config.still_s * 1000:
            self.state = OPEN
        elif still_ms >= self._config.ask_s * 1000:
            self.state = ASKING

    def question(self) -> Pattern | None:
        """See `Rule`."""
        return Pattern.PRE_ALARM if self.state == ASKING else None

    def status(self, now: Now) -> dict[str, object]:
        """See `Rule`."""
        return {
            "state": self.state if now.inside or self.state == OPEN else f"rests at {now.duty.name.lower()}"
        }

    def resume(self, kept: dict[str, float], standing: list[Standing]) -> None:
        """See `Rule`."""
        if standing:
            self.state = OPEN
