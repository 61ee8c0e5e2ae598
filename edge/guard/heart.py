"""Heart and heat: too high for too long, no recovery after an effort, strain, and core temperature with its band.

Enters: heart rate, motion, duty. Leaves: HEART, STRAIN, HEAT; `strain_e1`, `core_dc`, `core_band_dc`. Called by
`edge.guard.guard`. Armed in every duty state: people collapse at rehab too.
"""

from math import ceil

from edge.guard.rule import Now, Rule, Standing
from edge.guard.settings import HeartConfig, Person
from protocols.catalog import Duty, EventCode, field_id
from protocols.laws import heart
from protocols.laws.latch import Latch
from protocols.samples import Reading, Sample

BPM, ACTIVITY = field_id("heart_bpm"), field_id("activity_mg")
STRAIN, CORE, CORE_BAND = (field_id(name) for name in ("strain_e1", "core_dc", "core_band_dc"))
BPM_MIN, BPM_MAX = 25, 240
"""Outside it the strap has lost its contact."""
STALE_MS = 30_000
REST_MS = 10_000
"""Without motion, or at rehab, for so long: the effort is over."""
EFFORT_MS = 30_000
MINUTE_MS = 60_000
HIGH, NO_RECOVERY = 1, 2


class HeartRule(Rule):
    """The person's own maximum, or the one expected at this age."""

    def __init__(self, config: HeartConfig, person: Person, motion_mg: int) -> None:
        self._config, self._person, self._motion_mg = config, person, motion_mg
        self.max_bpm = person.heart_max_bpm or heart.heart_max_bpm(person.age_years)
        self._limit_bpm = round(config.fraction * self.max_bpm)
        self._high = Latch(
            self._limit_bpm, config.deadband_bpm, round(config.high_s * 1000), round(config.off_s * 1000)
        )
        self._high_bpm = 0
        self._bpm: int | None = None
        self._recovery = Recovery(config, round(config.effort * self.max_bpm))
        self._core = heart.CoreTemperature(person.core_rest_c) if config.core else None
        self._minute_ms: int | None = None
        self._sum_bpm = self._count = 0
        self._strain = Latch(config.strain_e1, 5, 0, 60_000)
        self._heat = Latch(config.core_limit_c, 0.3, 0, 60_000)

    def hear(self, sample: Sample, now: Now) -> None:
        """See `Rule`."""
        if not isinstance(sample, Reading):
            return
        activity_mg = sample.values.get(ACTIVITY)
        if activity_mg is not None and activity_mg >= self._motion_mg:
            self._recovery.moved(now.t_ms)
        bpm = sample.values.get(BPM)
        if bpm is None or not BPM_MIN <= bpm <= BPM_MAX:
            return
        self._bpm = bpm
        before = self._high.stands
        if self._high.step(bpm, now.t_ms) and not before:
            self._high_bpm = bpm
        self._recovery.hear(bpm, now)
        self._sum_bpm += bpm
        self._count += 1

    def _each_minute(self, now: Now) -> None:
        if self._core is None or (self._count == 0 and self._minute_ms is None):
            return
        if self._minute_ms is None:
            self._minute_ms = now.t_ms
        if now.t_ms - self._minute_ms < MINUTE_MS:
            return
        self._minute_ms = now.t_ms
        core_c = self._core.step(self._sum_bpm / self._count if self._count else None)
        self._sum_bpm = self._count = 0
        self._heat.step(core_c + heart.CORE_BAND_C, now.t_ms)
        self._strain.step(self._psi_e1(), now.t_ms)

    def _psi_e1(self) -> int:
        if self._core is None or self._bpm is None:
            return 0
        person = self._person
        value = heart.psi(self._core.core_c, self._bpm, person.core_rest_c, person.heart_rest_bpm)
        return max(0, min(200, round(10 * value)))

    def step(self, now: Now) -> list[Standing]:
        """See `Rule`."""
        self._each_minute(now)
        out = []
        if self._high.stands:
            out.append(Standing(EventCode.HEART, BPM, self._high_bpm, self._limit_bpm, HIGH))
        if (missed := self._recovery.missed) is not None:
            out.append(Standing(EventCode.HEART, BPM, *missed, NO_RECOVERY))
        if self._strain.stands:
            out.append(Standing(EventCode.STRAIN, STRAIN, self._psi_e1(), self._config.strain_e1))
        if self._heat.stands and self._core is not None:
            value = round((self._core.core_c + heart.CORE_BAND_C) * 10)
            out.append(Standing(EventCode.HEAT, CORE, value, round(self._config.core_limit_c * 10)))
        return out

    def values(self, now: Now) -> dict[int, int]:
        """See `Rule`. Nothing is said of a body that was not heard for half a minute."""
        if self._core is None or self._minute_ms is None or now.fresh(BPM, STALE_MS) is None:
            return {}
        return {
            STRAIN: self._psi_e1(),
            CORE: round(self._core.core_c * 10),
            CORE_BAND: ceil(heart.CORE_BAND_C * 10),
        }

    def status(self, now: Now) -> dict[str, object]:
        """See `Rule`."""
        bpm = now.fresh(BPM, STALE_MS)
        out: dict[str, object] = {
            "state": "armed" if bpm is not None else "no heart rate",
            "heart_bpm": bpm,
            "limit_bpm": self._limit_bpm,
        }
        if self._core is not None:
            out |= {"core_c": round(self._core.core_c, 2), "core_band_c": heart.CORE_BAND_C}
            out["strain"] = self._psi_e1() / 10
        return out


class Recovery:
    """Whether the heart calms down after an effort: `missed` is (heart rate, what it should be below), or None."""

    def __init__(self, config: HeartConfig, effort_bpm: int) -> None:
        self._config = config
        self._effort_bpm = effort_bpm
        self._effort_from_ms: int | None = None
        self._moved_ms = 0
        self._heard_ms = 0
        self._rest: tuple[int, int] | None = None
        self.missed: tuple[int, int] | None = None

    def moved(self, t_ms: int) -> None:
        """The wearer works again: nothing is judged."""
        self._moved_ms = t_ms
        self._rest = None

    def hear(self, bpm: int, now: Now) -> None:
        """One heart rate."""
        gap = now.t_ms - self._heard_ms > STALE_MS
        self._heard_ms = now.t_ms
        if self.missed is not None:
            if bpm < self.missed[1]:
                self.missed, self._effort_from_ms = None, None
            return
        if gap:
            self._effort_from_ms = self._rest = None
        if bpm >= self._effort_bpm and self._effort_from_ms is None:
            self._effort_from_ms = now.t_ms
        if self._effort_from_ms is None:
            return
        if self._rest is not None:
            self._judge(bpm, now.t_ms)
        elif now.t_ms - self._effort_from_ms >= EFFORT_MS and self._rests(now):
            self._rest = (now.t_ms, bpm)

    def _rests(self, now: Now) -> bool:
        """At rehab, or a board that is heard and does not move. Without one nobody knows."""
        if now.duty == Duty.REHAB:
            return True
        return now.fresh(ACTIVITY, STALE_MS) is not None and now.t_ms - self._moved_ms >= REST_MS

    def _judge(self, bpm: int, t_ms: int) -> None:
        assert self._rest is not None
        start_ms, start_bpm = self._rest
        should_bpm = start_bpm - self._config.recover_bpm
        if bpm < should_bpm:
            self._effort_from_ms = self._rest = None
        elif start_bpm < self._effort_bpm - self._config.recover_bpm:
            self._effort_from_ms = self._rest = None  # it was calm when the rest began
        elif t_ms - start_ms >= self._config.recover_s * 1000:
            self.missed, self._rest = (bpm, should_bpm), None
