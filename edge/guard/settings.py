"""What the rules go by: every setting with its default, its range and its sentence.

Enters: nothing. Leaves: frozen dataclasses that `edge.config` fills from [guard…] and [person]; sample.toml and
docs/guard.md are held against them by tests. Callers: `edge.config`, the rules.
"""

# ruff: noqa: RUF009  (the calls below make fields, as dataclasses.field does)
from dataclasses import dataclass, field
from typing import Any


def _n(default: Any, lo: float, hi: float, about: str) -> Any:
    """A number with its range and its sentence."""
    return field(default=default, metadata={"lo": lo, "hi": hi, "about": about})


def _b(default: bool, about: str) -> Any:
    return field(default=default, metadata={"about": about})


def _table(make: Any, about: str) -> Any:
    return field(default_factory=make, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class Person:
    """Who wears the equipment, and what it is."""

    age_years: int = _n(35, 14, 90, "Age; gives the expected maximum of the heart rate, 208 - 0.7·age.")
    heart_max_bpm: int = _n(0, 0, 240, "The person's own measured maximum; 0 takes the expected one.")
    heart_rest_bpm: int = _n(70, 30, 120, "Heart rate at rest.")
    core_rest_c: float = _n(37.0, 35.0, 38.5, "Core temperature at rest, °C.")
    cylinder_l: float = _n(6.8, 0.5, 60.0, "Water volume of the cylinder, litres.")
    air_lpm: float = _n(
        40.0, 10.0, 150.0, "Expected air consumption, L/min, until the person's own is fitted."
    )


@dataclass(frozen=True, slots=True)
class PassConfig:
    """The personal alert safety system: motionless means an alarm."""

    on: bool = _b(True, "Whether the rule runs.")
    motion_mg: int = _n(120, 10, 4_000, "Motion of the board from here on counts as moving, 0.001 g.")
    speed_dmps: int = _n(7, 2, 100, "GNSS speed from here on counts as moving, 0.1 m/s.")
    pre_s: float = _n(20.0, 5.0, 120.0, "Motionless for so long, seconds: the pre-alarm asks.")
    alarm_s: float = _n(30.0, 8.0, 240.0, "Motionless for so long, seconds: the full alarm. More than pre_s.")
    source_lost_s: float = _n(
        15.0, 3.0, 120.0, "No motion value for so long, seconds: the rule is off and says so."
    )
    answer_ends_alarm: bool = _b(
        False, "Whether ANSWER ends the full alarm too; CANCEL always does, motion never."
    )


@dataclass(frozen=True, slots=True)
class FallConfig:
    """A fall: a blow, then lying still, and no answer."""

    on: bool = _b(True, "Whether the rule runs.")
    impact_mg: int = _n(3_000, 500, 16_000, "A blow from here on may be a fall, 0.001 g.")
    ask_s: float = _n(5.0, 1.0, 60.0, "Lying still for so long after it, seconds: the wearer is asked.")
    still_s: float = _n(15.0, 3.0, 120.0, "Lying still for so long without an answer, seconds: the alarm.")
    watch_s: float = _n(
        60.0, 10.0, 600.0, "So long after the blow, seconds, the rule waits for lying and stillness."
    )


@dataclass(frozen=True, slots=True)
class AirConfig:
    """Breathing air."""

    on: bool = _b(True, "Whether the rule runs.")
    whistle_kpa: int = _n(5_500, 1_000, 20_000, "Pressure of the whistle: LOW_AIR.")
    deadband_kpa: int = _n(
        300, 0, 5_000, "The pressure must rise so far above the whistle before LOW_AIR ends."
    )
    on_s: float = _n(2.0, 0.0, 30.0, "Below the whistle for so long, seconds, before LOW_AIR begins.")
    off_s: float = _n(10.0, 0.0, 120.0, "Above it for so long, seconds, before LOW_AIR ends.")
    reserve_kpa: int = _n(
        5_500, 0, 20_000, "Pressure that is kept for the unforeseen when the way out is reckoned."
    )
    factor: float = _n(1.0, 0.2, 3.0, "The way out needs so many times the air that the way in took.")
    back_off_s: float = _n(60.0, 0.0, 600.0, "TURN_BACK ends when so many seconds are left again.")
    lost_s: float = _n(
        10.0, 3.0, 120.0, "No pressure for so long, seconds: the sensor is lost, time is counted down."
    )


@dataclass(frozen=True, slots=True)
class GasLimits:
    """Limits of one gas in the detector's unit; 0 for none. Oxygen: `low` is the lower limit and `high` the upper."""

    low: float = _n(0.0, 0.0, 1e6, "First limit.")
    high: float = _n(0.0, 0.0, 1e6, "Second limit.")
    stel: float = _n(0.0, 0.0, 1e6, "Limit of the mean of 15 minutes.")
    twa: float = _n(0.0, 0.0, 1e6, "Limit of the dose of 8 hours.")
    rise: float = _n(0.0, 0.0, 1e6, "Limit of the rise in a minute.")


def _gas(about: str, low: float, high: float, stel: float = 0.0, twa: float = 0.0, rise: float = 0.0) -> Any:
    return _table(lambda: GasLimits(*map(float, (low, high, stel, twa, rise))), about)


@dataclass(frozen=True, slots=True)
class GasConfig:
    """Gas. Limits of exposure: **Source:** GBZ 2.1-2019 in mg/m³, at 22.4 L/mol; 0 where it has none."""

    on: bool = _b(True, "Whether the rule runs.")
    standby: bool = _b(True, "Whether it is armed outside the danger area too.")
    deadband_part: float = _n(
        0.1, 0.0, 0.5, "An alarm ends this part of its limit below it (oxygen: 0.3 % vol)."
    )
    on_s: float = _n(0.0, 0.0, 60.0, "Beyond a limit for so long, seconds, before the alarm begins.")
    off_s: float = _n(10.0, 0.0, 600.0, "Well within it for so long, seconds, before the alarm ends.")
    silent_s: float = _n(600.0, 30.0, 86_400.0, "No value for so long, seconds: a gas's open alarms end.")
    lel_permille: GasLimits = _gas("Combustible gas, % LEL.", 10, 50, rise=10)
    o2_permille: GasLimits = _gas("Oxygen, % vol: lower and upper limit.", 19.5, 23.5)
    co_ppm: GasLimits = _gas("Carbon monoxide, ppm.", 24, 160, 24, 16, 30)
    h2s_dppm: GasLimits = _gas("Hydrogen sulphide, ppm.", 6, 20, 0, 0, 10)
    co2_ppm: GasLimits = _gas("Carbon dioxide, ppm.", 5_000, 30_000, 9_162, 4_581, 0)
    so2_dppm: GasLimits = _gas("Sulphur dioxide, ppm.", 2, 10, 3.5, 1.7, 0)
    nh3_dppm: GasLimits = _gas("Ammonia, ppm.", 26, 100, 39, 26, 0)
    cl2_dppm: GasLimits = _gas("Chlorine, ppm.", 0.3, 2, 0, 0, 0)
    voc_dppm: GasLimits = _gas("Volatile organic compounds, ppm.", 50, 500, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class HeartConfig:
    """Heart and heat."""

    on: bool = _b(True, "Whether the rule runs.")
    fraction: float = _n(0.9, 0.5, 1.2, "This part of the person's maximum …")
    high_s: float = _n(120.0, 5.0, 3_600.0, "… for so long, seconds, is an alarm.")
    deadband_bpm: int = _n(10, 0, 60, "It ends so far below, beats a minute …")
    off_s: float = _n(30.0, 0.0, 600.0, "… for so long, seconds.")
    effort: float = _n(
        0.75, 0.4, 1.2, "This part of the maximum is an effort that the heart must recover from."
    )
    recover_s: float = _n(120.0, 30.0, 1_800.0, "So long after the effort, seconds, it is judged …")
    recover_bpm: int = _n(20, 5, 80, "… whether the heart rate has fallen by so much.")
    core: bool = _b(
        False, "Estimate core temperature and strain; a patent in the USA covers it (docs/guard.md)."
    )
    strain_e1: int = _n(75, 30, 120, "Strain index (PSI) from here on, times 10, is an alarm.")
    core_limit_c: float = _n(39.0, 38.0, 41.0, "An alarm when the estimate's band reaches so far, °C.")


@dataclass(frozen=True, slots=True)
class FloorConfig:
    """The floor by the barometer, against the pressure at the entrance."""

    on: bool = _b(True, "Whether the rule runs.")
    storey_m: float = _n(3.0, 2.0, 8.0, "Height of a storey, metres.")
    drift_pa_per_h: float = _n(
        50.0, 0.0, 1_000.0, "The weather may change the pressure by so much an hour, Pa."
    )
    noise_pa: float = _n(12.0, 0.0, 200.0, "Noise of the barometer, Pa.")


@dataclass(frozen=True, slots=True)
class EntryConfig:
    """Entering and leaving."""

    beacon: int = _n(0, 0, 2**63 - 1, "Id of the beacon at the entrance; 0 for none.")
    beacon_dbm: int = _n(-60, -120, 20, "Heard this strongly it toggles between standby and entered, dBm.")
    beacon_again_s: float = _n(
        60.0, 5.0, 3_600.0, "It toggles again only after so long without being heard so strongly."
    )
    on_air_kpa: int = _n(
        300, 50, 5_000, "A steady fall of the pressure by so much means: on air. 50–5000 kPa."
    )
    kept_h: float = _n(
        12.0, 0.0, 72.0, "After a restart within so many hours, duty and open alarms are as before."
    )


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """All of it."""

    on: bool = _b(True, "Whether the gateway judges at all. SOS works in any case.")
    again_s: float = _n(
        30.0, 5.0, 600.0, "A warning that stands sounds again each so many seconds, until ANSWER."
    )
    report_s: float = _n(5.0, 0.2, 600.0, "Estimates that changed go into a row each so many seconds.")
    pass_: PassConfig = _table(PassConfig, "PASS: motionless means an alarm. Armed when entered or on air.")
    fall: FallConfig = _table(FallConfig, "A fall: a blow, lying, still, and no answer.")
    air: AirConfig = _table(AirConfig, "Breathing air.")
    gas: GasConfig = _table(GasConfig, "Gas; each gas has a table with its limits, 0 for none.")
    heart: HeartConfig = _table(HeartConfig, "Heart and heat.")
    floor: FloorConfig = _table(FloorConfig, "The floor by the barometer.")
    entry: EntryConfig = _table(EntryConfig, "Entering and leaving.")
