"""Settings and tables: the sample holds every one under its sentence, wrong ones are told, every rule is documented."""

import tomllib
from dataclasses import fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config, ConfigError, load
from edge.guard.guard import Guard
from edge.guard.report import as_text
from edge.guard.rules import RULES, is_on
from edge.guard.settings import GuardConfig, Person
from edge.guard.words import SHOW_BYTES_MAX, SOUNDS, WORDS, line
from protocols.catalog import FIELDS_BY_NAME, HAPPENINGS_FROM, EventCode, field_id
from protocols.samples import Reading

SAMPLE = (files("edge") / "sample.toml").read_text(encoding="utf-8")


def check_table(table: dict[str, Any], made: Any) -> int:
    """Every key of a settings class stands in the table with its default, under its sentence; how many."""
    assert set(table) == {spec.name.rstrip("_") for spec in fields(made)}
    count = 0
    for spec in fields(made):
        value, default = table[spec.name.rstrip("_")], getattr(made, spec.name)
        assert f"# {spec.metadata['about']}\n" in SAMPLE
        if is_dataclass(default):
            count += check_table(value, default)
        else:
            assert (type(value), value) == (type(default), default), spec.name
            count += 1
    return count


def test_the_sample_holds_every_setting_with_its_default_under_its_sentence() -> None:
    raw = tomllib.loads(SAMPLE)
    assert check_table(raw["guard"], GuardConfig()) > 90
    assert check_table(raw["person"], Person()) == 6


def test_every_default_is_within_its_own_range(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(SAMPLE)
    assert (load(path).guard, load(path).person) == (Config().guard, Config().person)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[guard]\nonn = true", "unknown key in [guard] 'onn'; did you mean 'on'?"),
        ("[guard.pass]\npre_s = 1", "guard.pass.pre_s: 1.0, 5.0–120.0 allowed"),
        ("[guard.pass]\npre_s = 40", "guard.pass.alarm_s: more than pre_s is needed"),
        ("[guard.fall]\nask_s = 20", "guard.fall.still_s: more than ask_s is needed"),
        ("[guard.gas.co_pm]\nlow = 1", "unknown key in [guard.gas] 'co_pm'; did you mean 'co_ppm'?"),
        ("[guard.gas.co_ppm]\nlow = -1", "guard.gas.co_ppm.low: -1.0, 0.0–1000000.0 allowed"),
        ("[guard.gas]\nco_ppm = 5", "guard.gas.co_ppm: a table is needed, got int"),
        ("[guard.air]\nwhistle_kpa = '5'", "guard.air.whistle_kpa: int needed, got '5'"),
        ("[person]\ncylinder_l = nan", "person.cylinder_l: nan, 0.5–60.0 allowed"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(f"[device]\nnumber = 1\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in str(caught.value)


def test_one_limit_of_a_gas_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text("[device]\nnumber = 1\n[guard.gas.co_ppm]\nlow = 30\n")
    gas = load(path).guard.gas
    assert (gas.co_ppm.low, gas.co_ppm.high, gas.h2s_dppm) == (30.0, 160.0, GuardConfig().gas.h2s_dppm)


def test_every_alarm_has_a_rule_words_and_a_rule_that_is_on() -> None:
    alarms = {code for code in EventCode if code < HAPPENINGS_FROM}
    assert {code for row in RULES for code in row.events} == set(WORDS) == alarms
    assert set(SOUNDS) <= alarms
    assert all(is_on(row, GuardConfig()) for row in RULES)
    for row in RULES:
        assert all(name in FIELDS_BY_NAME for name in row.gives)


def test_the_text_of_the_command_names_rules_gases_and_what_is_open() -> None:
    guard = Guard(GuardConfig(), Person(), 1)
    guard.hear(Reading({field_id("co_ppm"): 200, field_id("heart_bpm"): 80}), 0)
    acts = guard.tick(200)
    assert acts.commands
    text = as_text(guard.status(200))
    assert "OPEN GAS co_ppm 200 against 24" in text
    assert "limits low 24 high 160 stel 24 twa 16 rise 30" in text
    assert all(row.name in text for row in RULES)
    for event in guard.status(200)["open"]:  # type: ignore[attr-defined]
        assert event["id"] > 0
    for standing in (stood for part in guard._stood for stood in part.values()):
        assert len(line(standing, {}).encode()) <= SHOW_BYTES_MAX
