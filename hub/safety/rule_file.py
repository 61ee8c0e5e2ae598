"""Rules out of TOML or of an API's JSON, and back; the JSON Schema of both.

Enters: text, or a plain map. Leaves: frozen rules, or RuleError that says what came, where, and what is allowed. Pure.
Callers: `hub.safety.rules`, `hub.api.rule_routes`, `zhantu-hub rules`.
"""

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from hub.live.picture import CHANNEL
from hub.safety.rule_kinds import LIST_MAX, RULE_KINDS, TEXT_MAX, Rule, Who

SAMPLE = Path(__file__).with_name("sample_rules.toml")
RULES_MAX = 200
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
OFFSET_DEFAULT = "+08:00"


class RuleError(ValueError):
    """A rule that cannot be meant."""


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What a file says. `errors`: rules that were left out, and why. `offset_min`: of its times of day from UTC."""

    rules: tuple[Rule, ...]
    errors: tuple[str, ...]
    offset_min: int = 480


def read(text: str, name: str) -> RuleFile:
    """A file's rules; one that is wrong is left out with its error. RuleError when nothing can be read at all."""
    try:
        said = tomllib.loads(text)
    except ValueError as err:
        raise RuleError(f"{name}: {err}") from None
    tables = said.pop("rule", [])
    offset = said.pop("utc_offset", OFFSET_DEFAULT)
    if said:
        raise RuleError(f"{name}: {_unknown(next(iter(said)), ('rule', 'utc_offset'))}")
    if not isinstance(tables, list) or len(tables) > RULES_MAX:
        raise RuleError(f"{name}: at most {RULES_MAX} tables [[rule]] are allowed")
    rules: dict[str, Rule] = {}
    errors = []
    for number, table in enumerate(tables, 1):
        where = f"{name}: rule {number}"
        try:
            rule = rule_of(table)
            if rule.id in rules:
                raise RuleError(f"{rule.id}: the id stands twice")
            rules[rule.id] = rule
        except RuleError as err:
            errors.append(f"{where}: {err}")
    return RuleFile(tuple(rules.values()), tuple(errors), _offset(offset, name))


def _offset(said: Any, name: str) -> int:
    found = OFFSET.fullmatch(said) if isinstance(said, str) else None
    if found is None or int(found[2]) > 14:
        raise RuleError(f"{name}: utc_offset = {said!r}, such as {OFFSET_DEFAULT!r} is needed")
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def rule_of(said: Any) -> Rule:
    """One rule. RuleError names the key, what came and what is allowed."""
    if not isinstance(said, Mapping):
        raise RuleError(f"{str(said)[:40]!r}: a table is needed")
    kind = said.get("kind")
    if not isinstance(kind, str) or kind not in RULE_KINDS:
        near = difflib.get_close_matches(str(kind), RULE_KINDS, 1, 0)[0]
        raise RuleError(f"kind = {kind!r}, did you mean {near!r}? {', '.join(RULE_KINDS)} are known")
    name = said.get("id")
    at = f"{name}: " if isinstance(name, str) else ""
    try:
        rule: Rule = _made(RULE_KINDS[kind], {key: value for key, value in said.items() if key != "kind"}, "")
        _check(rule)
    except RuleError as err:
        raise RuleError(f"{at}{err}") from None
    return rule


def _made(into: type, said: Mapping[str, Any], where: str) -> Any:
    known = {one.name: one for one in fields(into)}
    for key in said:
        if key not in known:
            raise RuleError(where + _unknown(str(key), known))
    for key, one in known.items():
        if one.default is MISSING and key not in said:
            raise RuleError(f"{where}{key} is needed: {one.metadata['about']}")
    return into(**{key: _value(known[key], value, where) for key, value in said.items()})


def _unknown(key: str, known: Any) -> str:
    return f"unknown key {key[:60]!r}, did you mean {difflib.get_close_matches(key, list(known), 1, 0)[0]!r}?"


def _value(key: Field[Any], said: Any, where: str) -> Any:
    """One value in its type and within its limits."""
    at = (
        f"{where}{key.name} = {str(said)[:60]!r}"
        if isinstance(said, str)
        else f"{where}{key.name} = {str(said)[:60]}"
    )
    kind, words = str(key.type), key.metadata["words"]
    if key.default is not MISSING and is_dataclass(key.default):
        if not isinstance(said, Mapping):
            raise RuleError(f"{at}, a table of {', '.join(one.name for one in fields(Who))} is needed")
        return _made(Who, said, f"{where}{key.name}.")
    if _is_list(key):
        if not isinstance(said, list | tuple) or not all(isinstance(one, str) and one for one in said):
            raise RuleError(f"{at}, a list of texts is needed")
        if len(said) > LIST_MAX or any(len(one) > TEXT_MAX for one in said):
            raise RuleError(
                f"{where}{key.name}: at most {LIST_MAX} texts of {TEXT_MAX} characters are allowed"
            )
        for one in said:
            _word(at, one, words)
        return tuple(said)
    if _is_number(key):
        return None if said is None and key.default is None else _number(key, said, at)
    if key.type is bool or kind == "bool":
        if not isinstance(said, bool):
            raise RuleError(f"{at}, true or false is needed")
        return said
    if not isinstance(said, str) or len(said) > TEXT_MAX:
        raise RuleError(f"{at}, a text of at most {TEXT_MAX} characters is needed")
    _word(at, said, words)
    return said


def _is_list(key: Field[Any]) -> bool:
    return str(key.type).startswith("tuple")


def _is_number(key: Field[Any]) -> bool:
    return key.type in (int, float, float | None)


def _word(at: str, said: str, words: tuple[str, ...]) -> None:
    if words and said not in words:
        near = difflib.get_close_matches(said, words, 1, 0)[0]
        raise RuleError(f"{at}, did you mean {near!r}? {', '.join(filter(None, words))} are allowed")


def _number(key: Field[Any], said: Any, at: str) -> float:
    lo, hi = key.metadata["lo"], key.metadata["hi"]
    good = isinstance(said, int | float) and not isinstance(said, bool) and math.isfinite(said)
    if not good or (key.type is int and not isinstance(said, int)):
        raise RuleError(f"{at}, a {'whole ' if key.type is int else ''}number is needed")
    if (lo is not None and said < lo) or (hi is not None and said > hi):
        raise RuleError(f"{at}, {lo:g}–{hi:g} {key.metadata['unit']} is allowed".replace(" is", " is"))
    return said if key.type is int else float(said)


def _check(rule: Rule) -> None:
    """What no single key can tell."""
    if not ID.fullmatch(rule.id):
        raise RuleError(f"id = {rule.id[:60]!r}, a-z, 0-9, - and _ are allowed, at most 40")
    for channel in rule.channels:
        if channel not in CHANNEL:
            near = difflib.get_close_matches(channel, CHANNEL, 1, 0)[0]
            raise RuleError(f"channel = {channel[:60]!r}, did you mean {near!r}?")
    if rule.hours and (len(rule.hours) != 2 or not all(map(HOURS.fullmatch, rule.hours))):
        raise RuleError(f'hours = {list(rule.hours)}, such as ["22:00", "06:00"] is needed')
    for words in rule.faults():
        raise RuleError(words)


def as_map(rule: Rule) -> dict[str, Any]:
    """A rule as its file or body would say it: only what is not by default."""
    said: dict[str, Any] = {"id": rule.id, "kind": rule.kind}
    for one in fields(rule):
        value = getattr(rule, one.name)
        if one.name == "id" or (one.default is not MISSING and value == one.default):
            continue
        if isinstance(value, Who):
            value = {key: list(words) for key, words in asdict(value).items() if words}
        said[one.name] = list(value) if isinstance(value, tuple) else value
    return said


# --- JSON Schema -----------------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """Of a whole file, JSON Schema 2020-12: editors of TOML take it too."""
    kinds = [_object(into, kind) for kind, into in RULE_KINDS.items()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Zhantu rules.toml", "type": "object",
        "additionalProperties": False,
        "properties": {
            "utc_offset": {"type": "string", "pattern": f"^{OFFSET.pattern}$", "default": OFFSET_DEFAULT},
            "rule": {"type": "array", "maxItems": RULES_MAX, "items": {"oneOf": kinds}},
        },
    }  # fmt: skip


def _object(into: type, kind: str = "") -> dict[str, Any]:
    properties = {one.name: _property(one) for one in fields(into)}
    if kind:
        properties = {"kind": {"const": kind, "description": getattr(into, "what", "")}, **properties}
        properties["id"]["pattern"] = f"^{ID.pattern}$"
    if "channel" in properties and "enum" not in properties["channel"]:
        empty = [""] if "default" in properties["channel"] else []
        properties["channel"]["enum"] = [*empty, *CHANNEL]
    needed = (["kind"] if kind else []) + [one.name for one in fields(into) if one.default is MISSING]
    return {"type": "object", "additionalProperties": False, "required": needed, "properties": properties}


def _property(key: Field[Any]) -> dict[str, Any]:
    about: dict[str, Any] = {"description": key.metadata["about"]}
    if key.default is not MISSING and is_dataclass(key.default):
        return _object(Who) | about
    if _is_list(key):
        one: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX}
        if key.metadata["words"]:
            one = {"enum": list(key.metadata["words"])}
        about |= {"type": "array", "maxItems": LIST_MAX, "items": one}
    elif _is_number(key):
        about["type"] = "integer" if key.type is int else "number"
        limits = (("minimum", "lo"), ("maximum", "hi"))
        about |= {word: key.metadata[limit] for word, limit in limits if key.metadata[limit] is not None}
    elif key.type is bool:
        about["type"] = "boolean"
    elif key.metadata["words"]:
        about["enum"] = list(key.metadata["words"])
    else:
        about |= {"type": "string", "maxLength": TEXT_MAX}
    if key.default is not MISSING and key.default is not None:
        about["default"] = list(key.default) if isinstance(key.default, tuple) else key.default
    return about
