"""Files of rules: the sample, what is refused and in which words, and the schema that says the same."""

import tomllib
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from hub.safety.rule_file import RULES_MAX, SAMPLE, RuleError, as_map, read, rule_of, schema
from hub.safety.rule_kinds import RULE_KINDS, SIGNALS, Threshold, Who

SAID = SAMPLE.read_text(encoding="utf-8")


def test_the_sample_is_whole_and_current() -> None:
    """Every kind stands in it, and every key under its sentence or beside a word."""
    found = read(SAID, "sample")
    assert found.errors == ()
    assert {rule.kind for rule in found.rules} == set(RULE_KINDS)
    said = {
        key
        for table in tomllib.loads(SAID)["rule"]
        for key in (*table, *table.get("who", ()), *table.get("near", ()))
    }
    known = {one.name for into in RULE_KINDS.values() for one in fields(into)} | {
        one.name for one in fields(Who)
    }
    assert said - known == {"kind"} - known
    missing = {key for key in known - said if f" {key}" not in SAID and f"`{key}`" not in SAID}
    assert missing == set()
    assert all(rule.zh and rule.en for rule in found.rules)


def test_its_rules_are_what_a_commander_expects() -> None:
    rules = {rule.id: rule for rule in read(SAID, "sample").rules}
    assert {id for id, rule in rules.items() if rule.enabled} == {
        "lost-inside", "lost", "air-transmitter-silent", "overdue-entry", "battery", "battery-inside", "board-battery",
        "gas-sensor-fault", "port-down", "low-air", "oxygen", "combustible", "heat-rise", "no-medic-staging",
    }  # fmt: skip
    assert (rules["lost-inside"].rank, rules["battery"].rank, rules["low-air"].rank) == (2, 4, 1)


@pytest.mark.parametrize("rule", read(SAID, "sample").rules, ids=lambda rule: rule.id)
def test_a_rule_said_again_is_the_same(rule: Any) -> None:
    assert rule_of(as_map(rule)) == rule


GOOD = {"id": "r", "kind": "threshold", "channel": "co_ppm", "above": 100}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "treshold"}, "kind = 'treshold', did you mean 'threshold'? threshold, rate, "),
        ({"kind": None}, "kind = None"),
        ({"id": "R 1"}, "id = 'R 1', a-z, 0-9, - and _ are allowed, at most 40"),
        ({"id": "a:b"}, "id = 'a:b'"),
        ({"id": 5}, "id = 5, a text of at most 200 characters is needed"),
        ({"abov": 1}, "r: unknown key 'abov', did you mean 'above'?"),
        ({"who": {"teem": []}}, "who.unknown key 'teem', did you mean 'team'?"),
        ({"who": "fire"}, "who = 'fire', a table of units, kind, branch, team, agency, duty, zone is needed"),
        ({"who": {"duty": ["enterd"]}}, "who.duty = ['enterd'], did you mean 'entered'?"),
        ({"who": {"team": "A"}}, "who.team = 'A', a list of texts is needed"),
        ({"who": {"team": [""]}}, "a list of texts is needed"),
        ({"who": {"team": ["A"] * 51}}, "who.team: at most 50 texts"),
        ({"channel": "co"}, "channel = 'co', did you mean 'co_ppm'?"),
        ({"channel": "event_code"}, "channel = 'event_code'"),
        ({"below": 3}, "above or below is needed, not both"),
        ({"above": None}, "above or below is needed, not both"),
        ({"above": "100"}, "above = '100', a number is needed"),
        ({"above": True}, "above = True, a number is needed"),
        ({"above": float("nan")}, "above = nan, a number is needed"),
        ({"on_s": -1}, "on_s = -1, 0–3600 s is allowed"),
        ({"deadband": None}, "deadband = None, a number is needed"),
        ({"priority": "hi"}, "priority = 'hi', did you mean 'high'? critical, high, medium, low are allowed"),
        ({"joins": "gass"}, "joins = 'gass', did you mean 'gas'?"),
        ({"joins": "entered"}, "joins = 'entered'"),
        ({"hours": ["22:00"]}, "hours = ['22:00'], such as [\"22:00\", \"06:00\"] is needed"),
        ({"hours": ["22:00", "24:00"]}, "hours = "),
        ({"enabled": 1}, "enabled = 1, true or false is needed"),
        ({"zh": "长" * 201}, "a text of at most 200 characters is needed"),
        ({"old": "never"}, "end, absence are allowed"),
    ],
)  # fmt: skip
def test_what_is_refused_says_key_and_limits(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RuleError) as err:
        rule_of(GOOD | change)
    assert words in str(err.value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"kind": "zone"}, "zones or zone_kinds is needed"), ({"kind": "capability"}, "zones or zone_kinds is needed"),
        ({"kind": "zone", "zones": ["a"], "event": "entr"}, "did you mean 'enter'?"),
        ({"kind": "proximity"}, "nearer_m or farther_m is needed, not both"),
        ({"kind": "sensor_fault", "signals": []}, "signals = []"),
        ({"kind": "sensor_fault", "signals": ["port_down"]}, "did you mean 'ports_down'?"),
        ({"kind": "rate", "channel": "co_ppm"}, "above or below is needed"),
        ({"kind": "rate", "channel": "co_ppm", "below": 5}, "below = 5, -1e+09–0"),
        ({"kind": "capability", "zones": ["a"], "least": 1.5}, "least = 1.5, a whole number is needed"),
        ({"kind": "threshold", "above": 5}, "channel is needed: a channel of docs/wire.md"),
        ({"kind": "battery", "channel": "co_ppm"}, "channel = 'co_ppm', did you mean"),
    ],
)  # fmt: skip
def test_kinds_have_needs_of_their_own(said: dict[str, Any], words: str) -> None:
    with pytest.raises(RuleError) as err:
        rule_of({"id": "r", **said})
    assert words in str(err.value)


@pytest.mark.parametrize("said", [None, 5, [], "x", {}])
def test_what_is_no_rule_at_all(said: Any) -> None:
    with pytest.raises(RuleError):
        rule_of(said)


def test_a_wrong_rule_is_left_out_and_the_others_stand() -> None:
    first, second = (
        '[[rule]]\nid = "a"\nkind = "battery"\n',
        '[[rule]]\nid = "b"\nkind = "battery"\nbelwo = 3\n',
    )
    text = f'{first}{second}[[rule]]\nid = "a"\nkind = "lost"'
    found = read(text, "rules.toml")
    assert [rule.id for rule in found.rules] == ["a"]
    assert found.errors == (
        "rules.toml: rule 2: b: unknown key 'belwo', did you mean 'below'?",
        "rules.toml: rule 3: a: the id stands twice",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rule]", "rules.toml: "), ("[[rules]]\n", "unknown key 'rules', did you mean 'rule'?"),
        ("rule = 3", "[[rule]]"),
        ('utc_offset = "8"', "utc_offset = '8', such as '+08:00' is needed"), ("utc_offset = 8", "utc_offset = 8"),
        ("[[rule]]\n" * (RULES_MAX + 1), "at most 200"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(RuleError) as err:
        read(text, "rules.toml")
    assert words in str(err.value)


@pytest.mark.parametrize(("said", "minutes"), [("+08:00", 480), ("-03:30", -210), ("+00:00", 0)])
def test_the_offset_of_times_of_day(said: str, minutes: int) -> None:
    assert read(f'utc_offset = "{said}"', "x").offset_min == minutes


# --- the schema ------------------------------------------------------------------------------------------------------

FILE = Draft202012Validator(schema())


def test_the_schema_takes_the_sample_and_no_unknown_key() -> None:
    assert FILE.is_valid(tomllib.loads(SAID))
    assert not FILE.is_valid({"rule": [GOOD | {"abov": 3}]})
    assert not FILE.is_valid({"rules": []})


values = st.one_of(st.none(), st.booleans(), st.integers(-5, 5_000),
                   st.sampled_from(["", "x", "gas", "22:00", "enter", "high", *SIGNALS]),
                   st.lists(st.sampled_from(["A", "entered", "gas_faults"]), max_size=2))  # fmt: skip
KEYS = sorted({one.name for into in RULE_KINDS.values() for one in fields(into)} - {"who", "near"})


@given(
    kind=st.sampled_from(sorted(RULE_KINDS)),
    change=st.dictionaries(st.sampled_from(KEYS), values, max_size=3),
)
def test_what_the_reader_takes_the_schema_takes(kind: str, change: dict[str, Any]) -> None:
    """Never the other way round: what no single key can tell is the reader's alone."""
    plain: dict[str, Any] = {"id": "r", "kind": kind}
    more: dict[str, dict[str, Any]] = {
        "threshold": {"channel": "co_ppm", "above": 1}, "rate": {"channel": "co_ppm", "above": 1},
            "zone": {"zones": ["a"]}, "capability": {"zones": ["a"]}, "proximity": {"nearer_m": 5}}  # fmt: skip
    said = plain | more.get(kind, {}) | change
    try:
        rule = rule_of(said)
    except RuleError:
        return
    clean = {key: value for key, value in said.items() if value is not None}
    assert FILE.is_valid({"rule": [clean]}), said
    assert rule_of(as_map(rule)) == rule


def test_the_schema_says_what_each_key_means() -> None:
    kinds = schema()["properties"]["rule"]["items"]["oneOf"]
    threshold = next(one for one in kinds if one["properties"]["kind"]["const"] == "threshold")
    assert threshold["required"] == ["kind", "id", "channel"]
    assert threshold["properties"]["on_s"] == {
        "description": "it must be so for so long before it alarms", "type": "number", "minimum": 0, "maximum": 3_600,
        "default": 0.0,
    }  # fmt: skip
    assert {one.name for one in fields(Threshold)} <= threshold["properties"].keys()
