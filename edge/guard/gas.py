"""Gas: limits, the mean of 15 minutes, the dose of 8 hours, the rise; sensors that failed or are over range.

Enters: concentrations, `gas_faults`, `gas_over`. Leaves: GAS, GAS_STEL, GAS_TWA, GAS_RISE, GAS_FAULT, GAS_OVER_RANGE,
one each a gas. Called by `edge.guard.guard`. A failed sensor's value is no value: neither clean nor zero. One beyond
its range counts as beyond every limit. Alarms outlive a short silence of the detector.
"""

from edge.guard.rule import Now, Rule, Standing
from edge.guard.settings import GasConfig, GasLimits
from protocols.catalog import FIELDS_BY_NAME, GAS_FIELDS, EventCode, field_id
from protocols.laws.gas import Exposure, Rise
from protocols.laws.latch import Latch
from protocols.samples import Reading, Sample

FAULTS, OVER = field_id("gas_faults"), field_id("gas_over")
OXYGEN = "o2_permille"
OXYGEN_DEADBAND = 3
"""0.3 % vol: a tenth of 19.5 would never end in air."""


class OneGas:
    """One gas, in the catalog's quanta."""

    def __init__(self, bit: int, name: str, limits: GasLimits, config: GasConfig) -> None:
        field = FIELDS_BY_NAME[name]
        self.name, self.bit, self.field, self._hi = name, bit, field.id, field.hi
        self._quantum = float(field.quantum)
        self._on_ms, self._off_ms = round(config.on_s * 1000), round(config.off_s * 1000)
        self._part = config.deadband_part
        self._oxygen = name == OXYGEN
        self.silent_ms = round(config.silent_s * 1000)
        self.limits = {
            key: self._quanta(getattr(limits, key)) for key in ("low", "high", "stel", "twa", "rise")
        }
        self._latches = {key: self._latch(key, limit) for key, limit in self.limits.items() if limit}
        self._exposure = Exposure()
        self._rise = Rise()
        self._kept = 0.0
        self.value: int | None = None
        self.heard_ms: int | None = None
        self.failed = self.over = False
        self._began: dict[str, int] = {}

    def _quanta(self, value: float) -> int:
        return round(value / self._quantum)

    def _latch(self, key: str, limit: int) -> Latch:
        deadband = OXYGEN_DEADBAND if self._oxygen else limit * self._part
        return Latch(limit, deadband, self._on_ms, self._off_ms, falling=self._oxygen and key == "low")

    def hear(self, value: int, t_ms: int) -> None:
        """A value of a sensor that works."""
        self.value, self.heard_ms = value, t_ms
        counted = self._hi if self.over and not self._oxygen else value
        self._exposure.hear(value, t_ms)
        judged = {
            "low": counted,
            "high": counted,
            "stel": self._exposure.stel(t_ms),
            "twa": self._exposure.twa(),
            "rise": self._rise.hear(value, t_ms),
        }
        for key, latch in self._latches.items():
            before = latch.stands
            if latch.step(judged[key], t_ms) and not before:
                self._began[key] = int(judged[key])

    def silent(self, t_ms: int) -> bool:
        return self.heard_ms is None or t_ms - self.heard_ms > self.silent_ms

    def step(self, t_ms: int) -> list[Standing]:
        """What stands of this gas."""
        out = []
        if self.failed:
            out.append(Standing(EventCode.GAS_FAULT, self.field))
        if self.over:
            out.append(Standing(EventCode.GAS_OVER_RANGE, self.field, self.value))
        if self.silent(t_ms):
            for latch in self._latches.values():
                latch.reset()
        for key, latch in self._latches.items():
            if latch.stands:
                code, level = CODES[key]
                out.append(Standing(code, self.field, self._began.get(key), self.limits[key], level))
        return out

    @property
    def dose(self) -> float:
        return self._exposure.dose

    def resume(self, dose: float) -> None:
        self._exposure = Exposure(max(0.0, dose))

    def status(self, t_ms: int) -> dict[str, object]:
        """Values in the detector's unit."""
        state = "sensor failed" if self.failed else "over range" if self.over else "armed"
        return {
            "state": state,
            "value": None if self.value is None or self.failed else self._shown(self.value),
            "stel": self._shown(self._exposure.stel(t_ms)),
            "twa": self._shown(self._exposure.twa()),
            "limits": {key: self._shown(limit) for key, limit in self.limits.items() if limit},
        }

    def _shown(self, value: float) -> float:
        return round(value * self._quantum, 2)


CODES: dict[str, tuple[EventCode, int]] = {
    "low": (EventCode.GAS, 1),
    "high": (EventCode.GAS, 2),
    "stel": (EventCode.GAS_STEL, 0),
    "twa": (EventCode.GAS_TWA, 0),
    "rise": (EventCode.GAS_RISE, 0),
}


class GasRule(Rule):
    """Every gas that a detector has spoken of."""

    def __init__(self, config: GasConfig) -> None:
        self._config = config
        self._gases = [OneGas(i, name, getattr(config, name), config) for i, name in enumerate(GAS_FIELDS)]

    def _armed(self, now: Now) -> bool:
        return now.inside or self._config.standby

    def hear(self, sample: Sample, now: Now) -> None:
        """See `Rule`. The bits of the same reading come first: they say what its values are worth."""
        if not isinstance(sample, Reading):
            return
        faults, over = sample.values.get(FAULTS), sample.values.get(OVER)
        for gas in self._gases:
            if faults is not None:
                gas.failed = bool(faults >> gas.bit & 1)
            if over is not None:
                gas.over = bool(over >> gas.bit & 1)
            value = sample.values.get(gas.field)
            if value is not None and not gas.failed:
                gas.hear(value, now.t_ms)

    def step(self, now: Now) -> list[Standing]:
        """See `Rule`."""
        if not self._armed(now):
            return []
        return [
            standing
            for gas in self._gases
            if gas.heard_ms is not None or gas.failed or gas.over
            for standing in gas.step(now.t_ms)
        ]

    def status(self, now: Now) -> dict[str, object]:
        """See `Rule`."""
        heard = {
            gas.name: gas.status(now.t_ms)
            for gas in self._gases
            if gas.heard_ms is not None or gas.failed or gas.over
        }
        return {
            "state": "armed" if self._armed(now) else f"rests at {now.duty.name.lower()}",
            "gases": heard or "no detector",
        }

    def keep(self) -> dict[str, float]:
        """See `Rule`. The dose of the shift."""
        return {f"dose_{gas.name}": round(gas.dose) for gas in self._gases if gas.dose}

    def resume(self, kept: dict[str, float], standing: list[Standing]) -> None:
        """See `Rule`."""
        for gas in self._gases:
            dose = kept.get(f"dose_{gas.name}")
            if dose:
                gas.resume(dose)
