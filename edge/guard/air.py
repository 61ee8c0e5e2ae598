"""Breathing air: how long until the whistle, when to turn back, and what when the sensor is lost.

Enters: cylinder pressure, duty. Leaves: LOW_AIR, TURN_BACK, AIR_SENSOR_LOST; `air_left_s`, `turn_back_s`, `air_dlpm`.
Called by `edge.guard.guard`. Armed when entered or on air. The air clock starts with the first pressure after entering.
"""

from edge.guard.rule import Now, Rule, Standing
from edge.guard.settings import AirConfig, Person
from protocols.catalog import FIELDS_BY_NAME, EventCode, field_id
from protocols.laws import air
from protocols.laws.latch import Latch
from protocols.samples import Reading, Sample

SCBA = field_id("scba_kpa")
AIR_LEFT, TURN_BACK, AIR_LPM = (field_id(name) for name in ("air_left_s", "turn_back_s", "air_dlpm"))
LEFT_S_MAX = FIELDS_BY_NAME["air_left_s"].hi


class AirRule(Rule):
    """Estimates are made with each pressure; between two of them, and after the last, time is counted down."""

    def __init__(self, config: AirConfig, person: Person) -> None:
        self._config = config
        self._person = person
        self._fit = air.Consumption(person.cylinder_l, person.air_lpm)
        self._low = Latch(
            config.whistle_kpa, config.deadband_kpa, round(config.on_s * 1000), round(config.off_s * 1000),
            falling=True,
        )  # fmt: skip
        self._heard: tuple[int, int] | None = None
        self._entry_kpa: int | None = None
        self._back = False
        self._waits_ms: int | None = None

    def hear(self, sample: Sample, now: Now) -> None:
        """See `Rule`."""
        if not isinstance(sample, Reading) or (kpa := sample.values.get(SCBA)) is None:
            return
        refilled = self._fit.hear(kpa, now.t_ms)
        self._heard = (kpa, now.t_ms)
        self._waits_ms = None
        if now.inside:
            if self._entry_kpa is None or refilled:
                self._entry_kpa = kpa
            self._low.step(kpa, now.t_ms)

    def entered(self, now: Now) -> None:
        """See `Rule`."""
        self._low.reset()
        self._back = False
        self._waits_ms = None
        heard = now.fresh(SCBA, round(self._config.lost_s * 1000))
        self._entry_kpa = heard if now.inside else None

    def _counts(self, now: Now) -> bool:
        """Whether the air clock runs: inside, and a pressure was heard since the entry."""
        return now.inside and self._entry_kpa is not None and self._heard is not None

    def _lost(self, now: Now) -> bool:
        return (
            self._counts(now)
            and self._heard is not None
            and now.t_ms - self._heard[1] > self._config.lost_s * 1000
        )

    def left_s(self, now: Now) -> tuple[float, float] | None:
        """(seconds to the whistle, seconds to turning back); None while nothing counts."""
        if not self._counts(now) or self._heard is None or self._entry_kpa is None:
            return None
        kpa, heard_ms = self._heard
        litres, lpm, c = self._person.cylinder_l, self._fit.lpm, self._config
        age_s = (now.t_ms - heard_ms) / 1000
        return (
            air.left_s(kpa, c.whistle_kpa, litres, lpm) - age_s,
            air.turn_back_s(kpa, self._entry_kpa, c.reserve_kpa, litres, lpm, c.factor) - age_s,
        )

    def step(self, now: Now) -> list[Standing]:
        """See `Rule`."""
        left = self.left_s(now)
        if left is None:
            return self._never_heard(now)
        whistle_s, back_s = left
        self._back = back_s <= 0 or (self._back and back_s < self._config.back_off_s)
        lost = self._lost(now)
        out = []
        if lost:
            out.append(Standing(EventCode.AIR_SENSOR_LOST, SCBA, self._heard and self._heard[0]))
        if self._low.stands or (lost and whistle_s <= 0):
            value = None if lost else self._heard and self._heard[0]
            out.append(Standing(EventCode.LOW_AIR, SCBA, value, self._config.whistle_kpa))
        if self._back:
            out.append(Standing(EventCode.TURN_BACK, TURN_BACK, _whole(back_s), 0))
        return out

    def _never_heard(self, now: Now) -> list[Standing]:
        """On air by the wearer's own word or before a restart, and no pressure comes."""
        if now.duty != now.duty.ON_AIR:
            self._waits_ms = None
            return []
        if self._waits_ms is None:
            self._waits_ms = now.t_ms
        lost = now.t_ms - self._waits_ms > self._config.lost_s * 1000
        return [Standing(EventCode.AIR_SENSOR_LOST, SCBA)] if lost else []

    def values(self, now: Now) -> dict[int, int]:
        """See `Rule`."""
        left = self.left_s(now)
        if left is None:
            return {}
        return {
            AIR_LEFT: max(0, min(LEFT_S_MAX, int(left[0]))),
            TURN_BACK: _whole(left[1]),
            AIR_LPM: round(self._fit.lpm * 10),
        }

    def status(self, now: Now) -> dict[str, object]:
        """See `Rule`."""
        left = self.left_s(now)
        if left is None:
            return {
                "state": "armed" if now.inside else f"rests at {now.duty.name.lower()}",
                "pressure": "none",
            }
        return {
            "state": "sensor lost, counting down" if self._lost(now) else "armed",
            "entry_kpa": self._entry_kpa,
            "scba_kpa": self._heard and self._heard[0],
            "air_left_s": round(left[0]),
            "turn_back_s": round(left[1]),
            "air_lpm": round(self._fit.lpm, 1),
        }

    def keep(self) -> dict[str, float]:
        """See `Rule`."""
        kept = {"air_lpm": round(self._fit.lpm, 1)}
        if self._entry_kpa is not None:
            kept["entry_kpa"] = self._entry_kpa
        return kept

    def resume(self, kept: dict[str, float], standing: list[Standing]) -> None:
        """See `Rule`. What stood is judged anew with the first pressure; until then the guard keeps it open."""
        lpm, entry_kpa = kept.get("air_lpm"), kept.get("entry_kpa")
        if lpm is not None and air.LPM_MIN <= lpm <= air.LPM_MAX:
            self._fit.lpm = lpm
        if entry_kpa is not None and 0 <= entry_kpa <= FIELDS_BY_NAME["scba_kpa"].hi:
            self._entry_kpa = int(entry_kpa)


def _whole(seconds: float) -> int:
    return max(-LEFT_S_MAX, min(LEFT_S_MAX, int(seconds // 1)))
