"""The floor by the barometer, against the pressure when the danger area was entered.

Enters: air pressure, duty. Leaves: `floor` and `floor_band_e1`; no alarm. Called by `edge.guard.guard`. Nothing
corrects the reference afterwards, so the band grows with the time since the entry.
"""

from math import ceil

from edge.guard.rule import Now, Rule
from edge.guard.settings import FloorConfig
from protocols.catalog import FIELDS_BY_NAME, field_id
from protocols.laws import floor
from protocols.samples import Reading, Sample

PRESSURE = field_id("pressure_pa")
FLOOR, BAND = field_id("floor"), field_id("floor_band_e1")
LIMITS = FIELDS_BY_NAME["floor"]
STALE_MS = 10_000


class FloorRule(Rule):
    """The reference is the pressure at the entry, or the first one after it."""

    def __init__(self, config: FloorConfig) -> None:
        self._config = config
        self._reference: tuple[int, int] | None = None

    def entered(self, now: Now) -> None:
        """See `Rule`."""
        found = now.fresh(PRESSURE, STALE_MS)
        self._reference = (found, now.t_ms) if now.inside and found is not None else None

    def hear(self, sample: Sample, now: Now) -> None:
        """See `Rule`."""
        if not now.inside or self._reference is not None or not isinstance(sample, Reading):
            return
        pressure_pa = sample.values.get(PRESSURE)
        if pressure_pa is not None:
            self._reference = (pressure_pa, now.t_ms)

    def values(self, now: Now) -> dict[int, int]:
        """See `Rule`."""
        pressure_pa = now.fresh(PRESSURE, STALE_MS)
        if not now.inside or self._reference is None or pressure_pa is None:
            return {}
        config, (reference_pa, since_ms) = self._config, self._reference
        up_m = floor.height_m(pressure_pa, reference_pa)
        band = floor.band_storeys(
            (now.t_ms - since_ms) / 1000, config.drift_pa_per_h, config.noise_pa, pressure_pa, config.storey_m
        )
        here = floor.storeys(up_m, config.storey_m)
        return {FLOOR: max(LIMITS.lo, min(LIMITS.hi, here)), BAND: min(1_000, ceil(10 * band))}

    def status(self, now: Now) -> dict[str, object]:
        """See `Rule`."""
        found = self.values(now)
        if not found:
            return {"state": "no barometer" if now.fresh(PRESSURE, STALE_MS) is None else "rests at standby"}
        return {"state": "armed", "floor": found[FLOOR], "band": found[BAND] / 10}
