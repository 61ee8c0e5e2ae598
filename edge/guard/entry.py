"""Entering and leaving: which duty state the wearer is in.

Enters: the ENTRY gesture, the beacon at the entrance, the cylinder's pressure. Leaves: the duty state. Called by
`edge.guard.guard`, which makes the events and starts and stops the air clock.
"""

from edge.guard.rule import INSIDE, Now
from edge.guard.settings import EntryConfig
from protocols.catalog import Duty, Source, field_id
from protocols.laws import air
from protocols.samples import Observed, Pressed, Reading, Sample
from protocols.wearer import Gesture

SCBA, RSSI = field_id("scba_kpa"), field_id("obs_rssi_dbm")
BREATH_MS_MIN, BREATH_MS_MAX = 20_000, 120_000
"""A fall of the pressure is breathing when it took so long; a bleed is quicker, a leak slower."""
KPA_MIN = 1_000
LEAVING_MS = 180_000
"""Who has just left may breathe from the cylinder a while longer."""


class Entry:
    """Proposes a new duty state out of a sample, or None."""

    def __init__(self, config: EntryConfig, cylinder_l: float) -> None:
        self._config = config
        self._cylinder_l = cylinder_l
        self._near_ms: int | None = None
        self._from: tuple[int, int] | None = None
        self._left_ms: int | None = None

    def left(self, t_ms: int) -> None:
        """The wearer has left."""
        self._left_ms = t_ms

    def hear(self, sample: Sample, now: Now) -> Duty | None:
        """What this sample makes of the duty state."""
        if isinstance(sample, Pressed):
            return self._other(now.duty) if sample.gesture == Gesture.ENTRY else None
        if isinstance(sample, Observed):
            return self._beacon(sample, now)
        if isinstance(sample, Reading) and (kpa := sample.values.get(SCBA)) is not None:
            return self._breathes(kpa, now)
        return None

    def _other(self, duty: Duty) -> Duty:
        return Duty.STANDBY if duty in INSIDE else Duty.ENTERED

    def _beacon(self, seen: Observed, now: Now) -> Duty | None:
        config = self._config
        if not config.beacon or seen.source != Source.BEACON or seen.id != config.beacon:
            return None
        if seen.values.get(RSSI, -999) < config.beacon_dbm:
            return None
        near_ms, self._near_ms = self._near_ms, now.t_ms
        if near_ms is not None and now.t_ms - near_ms < config.beacon_again_s * 1000:
            return None
        return self._other(now.duty)

    def _breathes(self, kpa: int, now: Now) -> Duty | None:
        """A steady fall at the pace of breathing. Whoever breathes from the cylinder is in danger, entered or not."""
        if self._from is None or kpa > self._from[0] or now.t_ms - self._from[1] > BREATH_MS_MAX:
            self._from = (kpa, now.t_ms)
            return None
        from_kpa, from_ms = self._from
        took_ms = now.t_ms - from_ms
        if from_kpa - kpa < self._config.on_air_kpa:
            return None
        self._from = (kpa, now.t_ms)
        if now.duty == Duty.ON_AIR or took_ms < BREATH_MS_MIN or kpa < KPA_MIN:
            return None
        if not now.inside and self._left_ms is not None and now.t_ms - self._left_ms < LEAVING_MS:
            return None
        used_l = air.litres(from_kpa, self._cylinder_l) - air.litres(kpa, self._cylinder_l)
        lpm = used_l * 60_000 / took_ms
        return Duty.ON_AIR if air.LPM_MIN <= lpm <= air.LPM_MAX else None
