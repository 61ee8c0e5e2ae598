"""`zhantu-hub rules`: read a file of rules without a hub; what a rule would have said of the log. Works beside one."""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

from hub.commands.opening import registry_of, shown, time_of
from hub.errors import HubError
from hub.identity.keys import KeyRing, load_master
from hub.live.history import Decoder
from hub.safety.rule_file import SAMPLE, RuleError, RuleFile, read
from hub.safety.rule_kinds import Rule
from hub.safety.rule_trial import Past, Trial
from hub.store.reading import ReadOnlyLog

SHOWN_MAX = 20


def run(args: argparse.Namespace) -> int:
    return _check(args) if args.action == "check" else _try(args)


def _file(args: argparse.Namespace) -> tuple[str, RuleFile]:
    """--file, else DATA/rules.toml, else the sample."""
    own = Path(args.data) / "rules.toml"
    path = Path(args.file) if args.file else own if own.exists() else SAMPLE
    try:
        return path.name, read(path.read_text(encoding="utf-8"), path.name)
    except ValueError as err:  # also bytes that are no UTF-8
        raise HubError(str(err) if isinstance(err, RuleError) else f"{path.name}: {err}") from None


def _check(args: argparse.Namespace) -> int:
    name, found = _file(args)
    for rule in found.rules:
        state = "" if rule.enabled else "  (off)"
        print(f"{rule.id:24} {rule.kind:12} {rule.rank.name.lower():8} {rule.zh}{state}")
    print(f"{name}: {len(found.rules)} rules, {sum(rule.enabled for rule in found.rules)} of them on")
    for words in found.errors:
        print(words)
    return 1 if found.errors else 0


def _rule(args: argparse.Namespace, found: RuleFile, name: str) -> Rule:
    for rule in found.rules:
        if rule.id == args.rule:
            return replace(rule, enabled=True)
    raise HubError(
        f"{name}: no rule {args.rule!r}; it has {', '.join(rule.id for rule in found.rules) or 'none'}"
    )


def _try(args: argparse.Namespace) -> int:
    name, found = _file(args)
    rule = _rule(args, found, name)
    from_ms, to_ms = time_of(args.from_), time_of(args.to)
    if from_ms > to_ms:
        raise HubError(f"rules try: --from {args.from_} is later than --to {args.to}")
    with registry_of(args) as registry:
        units, bindings = registry.units(), registry.bindings()
        wanted = None
        if args.unit:
            wanted = frozenset(unit.id for unit in units if args.unit in (unit.id, unit.callsign))
            if not wanted:
                raise HubError(f"rules try: no unit {args.unit!r}; `roster list` shows them")
        data = Path(args.data)
        ring = KeyRing(load_master(data / "master.key"), registry.setting("realm") or "live")
        ring.ever = registry.devices.all_epochs()
        log = ReadOnlyLog(data)
        past = Past(rule, from_ms, to_ms, wanted, found.offset_min)
        trial = Trial(past, log, Decoder(log, ring.logged), units, bindings)
        while not trial.slice():
            pass
    _print(trial, as_json=args.json)
    return 0


def _print(trial: Trial, *, as_json: bool) -> None:
    found = trial.found
    if as_json:
        print(json.dumps(asdict(found) | {"trouble": trial.trouble}, ensure_ascii=False))
        return
    for one in found.firings[:SHOWN_MAX]:
        until = "still" if one.until_utc_ms is None else f"{(one.until_utc_ms - one.t_utc_ms) / 1000:.0f} s"
        print(f"{shown(one.t_utc_ms)}  {until:>8}  {one.callsign}  {one.zh}")
    more = found.count - min(len(found.firings), SHOWN_MAX)
    if more:
        print(f"and {more} more; --json shows 500")
    end = f", only until {shown(found.looked_until_utc_ms)}" if found.truncated else ""
    of = f"{found.count} times for {len(found.by_unit)} units"
    print(f"it would have fired {of}; {found.looked_rows} rows looked at{end}")
    if trial.trouble:
        print(f"but: {trial.trouble}")
