"""The table of rules: what each takes, when it is armed, what it says, and how it is made.

Enters: settings and the person. Leaves: `RULES`, for `edge.guard.guard` and for docs/guard.md, which is made of it.
A new rule is one file and one row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from edge.guard.air import AirRule
from edge.guard.disk import DiskRule
from edge.guard.fall import FallRule
from edge.guard.floor import FloorRule
from edge.guard.forged import ForgedRule
from edge.guard.gas import GasRule
from edge.guard.heart import HeartRule
from edge.guard.motionless import PassRule
from edge.guard.rule import ALWAYS, INSIDE, Rule
from edge.guard.settings import GuardConfig, Person
from edge.guard.sos import SosRule
from protocols.catalog import Duty, EventCode


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule. `section` is its table in edge.toml, "" for none; `sure`: it runs even where the guard is off."""

    name: str
    about: str
    make: Callable[[GuardConfig, Person], Rule]
    inputs: tuple[str, ...]
    armed: frozenset[Duty]
    events: tuple[EventCode, ...] = ()
    gives: tuple[str, ...] = ()
    section: str = ""
    ends: str = "by itself"
    sure: bool = False


RULES: tuple[RuleRow, ...] = (
    RuleRow(
        "sos", "the wearer's own call", lambda _config, _person: SosRule(), ("pressed",), ALWAYS,
        (EventCode.SOS,), ends="CANCEL", sure=True,
    ),
    RuleRow(
        "pass", "motionless: asks, then calls", lambda config, _person: PassRule(config.pass_),
        ("activity_mg", "fix", "pressed"), INSIDE, (EventCode.MAN_DOWN,), ("pass_state",), "pass", "CANCEL",
    ),
    RuleRow(
        "fall", "a blow, lying, still, no answer",
        lambda config, _person: FallRule(config.fall, config.pass_.motion_mg),
        ("impact", "posture", "activity_mg", "pressed"), INSIDE, (EventCode.FALL,), (), "fall", "CANCEL",
    ),
    RuleRow(
        "air", "time to the whistle and to turning back", lambda config, person: AirRule(config.air, person),
        ("scba_kpa",), INSIDE, (EventCode.LOW_AIR, EventCode.TURN_BACK, EventCode.AIR_SENSOR_LOST),
        ("air_left_s", "turn_back_s", "air_dlpm"), "air",
    ),
    RuleRow(
        "gas", "limits, 15 minutes, 8 hours, rise, failed sensors", lambda config, _person: GasRule(config.gas),
        ("gases", "gas_faults", "gas_over"), ALWAYS,
        (EventCode.GAS, EventCode.GAS_STEL, EventCode.GAS_TWA, EventCode.GAS_RISE, EventCode.GAS_FAULT,
         EventCode.GAS_OVER_RANGE), (), "gas",
    ),
    RuleRow(
        "heart", "too high for too long, no recovery, strain and heat",
        lambda config, person: HeartRule(config.heart, person, config.pass_.motion_mg),
        ("heart_bpm", "activity_mg"), ALWAYS, (EventCode.HEART, EventCode.STRAIN, EventCode.HEAT),
        ("strain_e1", "core_dc", "core_band_dc"), "heart",
    ),
    RuleRow(
        "floor", "the floor by the barometer", lambda config, _person: FloorRule(config.floor),
        ("pressure_pa",), INSIDE, (), ("floor", "floor_band_e1"), "floor",
    ),
    RuleRow(
        "disk", "the gateway's disk refuses the spool", lambda _config, _person: DiskRule(), ("spool",), ALWAYS,
        (EventCode.SPOOL_FAULT,), sure=True,
    ),
    RuleRow(
        "orders", "orders that are forged", lambda _config, _person: ForgedRule(), ("messages down",), ALWAYS,
        (EventCode.FORGED_ORDER,), sure=True,
    ),
)  # fmt: skip


def is_on(row: RuleRow, config: GuardConfig) -> bool:
    """Whether a configuration runs this rule."""
    if row.sure:
        return True
    section = "pass_" if row.section == "pass" else row.section
    return config.on and bool(getattr(config, section).on)
