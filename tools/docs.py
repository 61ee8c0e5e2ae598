"""Writes the generated parts of the documentation; `--check` only says whether they are current.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`. Tests run the check.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import MISSING, is_dataclass, replace
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any

from edge.guard.rule import ALWAYS, INSIDE
from edge.guard.rules import RULES
from edge.guard.settings import GuardConfig, Person
from edge.guard.words import SOUNDS, WORDS
from edge.inspect_frame import as_text, inspect
from firmware_bridge import board, board_wire
from hub.api import app as api
from hub.api.guard import Names, Needs, Open, declared
from hub.api.openapi import unasked_state
from hub.identity.permissions import ALLOWED, MEANINGS, TITLES, Permission, Role
from hub.safety.kinds import KINDS
from hub.safety.rule_kinds import COMMON, KIND_TITLES, RULE_KINDS, Rule, Who
from hub.safety.zone_kinds import KINDS as ZONE_KINDS
from protocols import acks, catalog, frame, narrow, orders, wearer
from protocols.acks import Ack
from protocols.catalog import FIELDS, ClockSource, EventCode, EventPhase, Kind, Lane, Stream
from protocols.errors import REASONS
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.narrow_head import Head

ROOT = Path(__file__).resolve().parent.parent
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
KEY = bytes(range(32))
BOOT = 0x0123_4567_89AB_CDEF
UTC_ZERO_MS = 1_795_000_000_000


def numbers() -> str:
    """Every enumeration that crosses the wire, a line each."""
    mine = (
        catalog.Source,
        catalog.Said,
        catalog.Duty,
        catalog.PassState,
        catalog.Posture,
        catalog.Corrections,
        catalog.Bearer,
        catalog.BearerState,
        orders.What,
        orders.OrderType,
    )
    tables = (Kind, Stream, Lane, ClockSource, EventCode, EventPhase, *mine)
    lines = ["| table | values |", "|---|---|"]
    for table in tables:
        values = ", ".join(f"{int(item)} {item.name}" for item in table)
        lines.append(f"| {table.__name__} | {values} |")
    return "\n".join(lines)


def fields() -> str:
    """The catalog."""
    head = "| id | name | unit | quantum | range | order | 中文 | English | sent by |"
    lines = [head, "|--:|---|---|---|---|--:|---|---|---|"]
    for f in FIELDS:
        limits = f"{f.lo} … {f.hi}"
        cells = (f.id, f"`{f.name}`", f.unit, f.quantum, limits, f.order, f.zh, f.en, f.sender)
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def reasons() -> str:
    """Words and numbers of refusal."""
    lines = [f"| {number} | `{word}` |" for word, number in REASONS.items()]
    return "\n".join(["| number | reason |", "|--:|---|", *lines])


def _wrapped(data: bytes) -> str:
    digits = data.hex()
    return "\n".join(digits[i : i + 96] for i in range(0, len(digits), 96))


def worked_frames() -> dict[str, bytes]:
    """A live frame of one row, a history frame of three rows with a hole, an SOS."""
    key = MacKey(KEY, "live")
    head = {"device": 1007, "boot": BOOT, "utc_zero_ms": UTC_ZERO_MS, "clock_source": ClockSource.GNSS}
    place = {0: 366_500_216, 1: 1_170_000_000}
    one = [frame.Row(61_000, {**place, 2: 314, 3: 14, 4: 92, 6: 131, 11: 3, 12: 15})]
    three = [
        frame.Row(62_000, {0: 366_500_216, 1: 1_170_000_100, 6: 131}),
        frame.Row(63_000, {0: 366_500_220, 1: 1_170_000_160}),
        frame.Row(64_000, {0: 366_500_226, 1: 1_170_000_225, 6: 133}),
    ]
    sos = [
        frame.Row(
            64_350, {0: EventCode.SOS, 1: 74_565, 2: EventPhase.RAISED, 5: 366_500_226, 6: 1_170_000_225}
        )
    ]
    rows = {"kind": Kind.STATE, "stream": Stream.ROWS}
    return {
        "One row, live": frame.pack(key, rows=one, row=60, lane=Lane.LIVE, **rows, **head),
        "Three rows, the second without a heart rate": frame.pack(
            key, rows=three, row=61, lane=Lane.HISTORY, **rows, **head
        ),
        "An SOS": frame.pack(
            key, rows=sos, row=0, lane=Lane.SOS, kind=Kind.EVENT, stream=Stream.EVENTS, **head
        ),
    }  # fmt: skip


def frames() -> str:
    """The worked frames in hexadecimal, and what `zhantu-edge frame` says of them."""
    out = []
    for title, data in worked_frames().items():
        out.append(f"**{title}**\n\n```\n{_wrapped(data)}\n\n{as_text(inspect(data, KEY, 'live'))}\n```\n")
    return "\n".join(out)


def narrow_frames() -> str:
    """The same fixes, exact and as a preview, and the same SOS."""
    key = MacKey(KEY, "live")
    rows = [
        Row(61_000 + 1_000 * i, {0: 366_500_216 + 30 * i, 1: 1_170_000_000 + 70 * i, 3: 14, 4: 92, 6: 131})
        for i in range(10)
    ]
    sos = [Row(64_350, {0: 1, 1: 74_565, 2: 0, 5: 366_500_226, 6: 1_170_000_225})]
    exact = Head(1007, BOOT, UTC_ZERO_MS, ClockSource.GNSS, row=60)
    event = Head(1007, BOOT, UTC_ZERO_MS, ClockSource.GNSS, Kind.EVENT, Lane.SOS, Stream.EVENTS)
    made = {
        "Ten fixes, exact": narrow.pack(key, exact, rows),
        "The same as a preview": narrow.pack(key, replace(exact, is_preview=True), rows),
        "An SOS": narrow.pack(key, event, sos),
    }
    return "\n\n".join(f"{title}, {len(d)} bytes:\n\n```\n{_wrapped(d)}\n```" for title, d in made.items())


def ack() -> str:
    """One acknowledgement."""
    data = acks.pack(Ack(1_795_000_064_500, BOOT, int(Stream.ROWS), 61, ((63, 63),)), MacKey(KEY, "live"))
    return f"Rows 0–60 and 63 of that boot's stream 1, at 1795000064500:\n\n```\n{_wrapped(data)}\n```"


def feed() -> str:
    """The messages of the shared example, as maps and as bytes."""
    example = json.loads((ROOT / "tests/web/feed_example.json").read_text(encoding="utf-8"))
    out = []
    for entry in example["from_hub"]:
        if entry["message"]["k"] in ("hello", "tick", "event"):
            shown = json.dumps(entry["message"], ensure_ascii=False)
            out.append(f"```\n{shown}\n\n{_wrapped(bytes.fromhex(entry['hex']))}\n```")
    return "\n\n".join(out)


def roles() -> str:
    """The one table: a column a role, a row a permission."""
    heads = [f"{TITLES[role][0]} {TITLES[role][1]}" for role in Role]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{':-:|' * len(Role)}"]
    lines.append(f"| role | {' | '.join(f'`{role.value}`' for role in Role)} |")
    for permission in Permission:
        marks = ["●" if permission in ALLOWED[role] else "" for role in Role]
        lines.append(f"| `{permission.value}` | {' | '.join(marks)} |")
    return "\n".join(lines)


def permissions() -> str:
    """What each permission means."""
    lines = [f"| `{p.value}` | {MEANINGS[p][0]} | {MEANINGS[p][1]} |" for p in Permission]
    return "\n".join(["| permission | 含义 | meaning |", "|---|---|---|", *lines])


def routes() -> str:
    """Every route with what it declares. The routers are only made, never asked, so they need nothing of a hub."""
    app = api.make(unasked_state(), Names("127.0.0.1", 8600, ()))
    lines = ["| route | needs |", "|---|---|"]
    for route in sorted(declared(app.inner.routes), key=lambda route: route.path):
        if route.rule is not None:
            lines += [
                f"| `{method} {route.path}` | {_rule(route.rule)} |" for method in sorted(route.methods)
            ]
    return "\n".join(lines)


def _rule(rule: Needs | Open) -> str:
    if isinstance(rule, Open):
        return f"open: {rule.why}"
    words = (" or " if rule.any_of else " and ").join(f"`{p.value}`" for p in rule.permissions)
    more = ["not with an API token"] if rule.in_person else []
    return "; ".join(
        [words or "signed in", *more, *(["from loopback nobody is asked"] if rule.loopback else [])]
    )


def alarms() -> str:
    """Every kind of alarm."""
    lines = [
        "| kind | 中文 | English | priority | first | latches | protected | again after |",
        "|---|---|---|--:|---|:-:|:-:|--:|",
    ]
    for name, kind in KINDS.items():
        marks = ["●" if one else "" for one in (kind.latches, kind.protected)]
        lines.append(
            f"| `{name}` | {kind.zh} | {kind.en} | {int(kind.priority)} | {kind.advice_zh} {kind.advice_en} |"
            f" {marks[0]} | {marks[1]} | {kind.again_s} s |"
        )
    return "\n".join(lines)


def zones() -> str:
    """Every kind of zone."""
    lines = [
        "| kind | 中文 | English | entering calls | leaving calls | coming calls | priority |",
        "|---|---|---|:-:|:-:|--:|--:|",
    ]
    for name, kind in ZONE_KINDS.items():
        marks = ["●" if one else "" for one in (kind.on_enter, kind.on_leave)]
        lead = f"{kind.lead_s} s before" if kind.lead_s else ""
        lines.append(
            f"| `{name}` | {kind.zh} | {kind.en} | {marks[0]} | {marks[1]} | {lead} | {int(kind.priority)} |"
        )
    return "\n".join(lines)


def callout() -> str:
    """The sample of the call-out's file, whole."""
    return f"```toml\n{(ROOT / 'hub/safety/sample_callout.toml').read_text(encoding='utf-8')}```"


def stations() -> str:
    """The sample of a mapping file, whole."""
    return f"```toml\n{(ROOT / 'hub/safety/sample_stations.toml').read_text(encoding='utf-8')}```"


def rule_kinds() -> str:
    """Every kind of rule."""
    lines = ["| kind | 中文 | English | what | keys of its own |", "|---|---|---|---|---|"]
    for name, into in RULE_KINDS.items():
        own = (spec.name for spec in dataclass_fields(into) if spec.name not in COMMON)
        lines.append(f"| `{name}` | {' | '.join(KIND_TITLES[name])} | {into.what} | {_codes(own)} |")
    return "\n".join(lines)


def rule_keys() -> str:
    """Every key of a rule: those of all, those of kinds, those of `who` and `near`."""
    lines = ["| key | of | default | allowed | meaning |", "|---|---|--:|---|---|"]
    lines += _rule_keys(Rule, "all", ())
    for name, into in RULE_KINDS.items():
        lines += _rule_keys(into, f"`{name}`", COMMON)
    return "\n".join(lines + _rule_keys(Who, "`who`, `near`", ()))


def _rule_keys(into: type, of: str, known: tuple[str, ...]) -> list[str]:
    lines = []
    for spec in dataclass_fields(into):
        if spec.name in known:
            continue
        about, value = spec.metadata, spec.default
        limits = ", ".join(f"`{word}`" for word in about["words"] if word)
        if about["lo"] is not None:
            limits = f"{about['lo']:g} – {about['hi']:g} {about['unit']}".strip()
        default = (
            "" if value is None or isinstance(value, (type(MISSING), Who)) or value in ("", ()) else value
        )
        shown = json.dumps(default, ensure_ascii=False) if default != "" else ""
        lines.append(f"| `{spec.name}` | {of} | {shown} | {limits} | {about['about']} |")
    return lines


def rules_sample() -> str:
    """The sample of rules, whole."""
    return f"```toml\n{(ROOT / 'hub/safety/sample_rules.toml').read_text(encoding='utf-8')}```"


def gestures() -> str:
    """What the wearer can say, with numbers and times."""
    lines = [
        "| number | gesture | buttons | presses | hold | 中文 | English |",
        "|--:|---|---|--:|---|---|---|",
    ]
    for row in wearer.GESTURES:
        hold = f"{row.hold_ms} ms" if row.hold_ms else f"under {wearer.SHORT_MS} ms"
        cells = (int(row.gesture), f"`{row.gesture.name}`", row.buttons, row.presses, hold, row.zh, row.en)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def patterns() -> str:
    """What the wearer is told, with numbers and times."""
    head = "| number | pattern | urgency | tone | on / off, ms | times | 中文 | English |"
    lines = [head, "|--:|---|--:|---|---|---|---|---|"]
    for row in wearer.PATTERNS:
        tone = f"{row.tone_hz} Hz" if row.tone_hz else ""
        steps = ", ".join(f"{on}/{off}" for on, off in row.steps)
        times = str(row.times) if row.times else "until `OFF`"
        cells = (int(row.pattern), f"`{row.pattern.name}`", row.urgency, tone, steps, times, row.zh, row.en)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def board_fields() -> str:
    """What a board may send."""
    lines = ["| id | name | unit | quantum | range | 中文 | English |", "|--:|---|---|---|---|---|---|"]
    for f in board.MAY_SEND:
        cells = (f.id, f"`{f.name}`", f.unit, f.quantum, f"{f.lo} … {f.hi}", f.zh, f.en)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def board_numbers() -> str:
    """Every number of the board link."""
    lines = ["| table | values |", "|---|---|"]
    for table in (board_wire.Up, board_wire.Down):
        values = ", ".join(f"{int(item):02x} {item.name}" for item in table)
        lines.append(f"| {table.__name__}, hexadecimal | {values} |")
    counted = (board_wire.Can, board_wire.Result, board_wire.UpdateState, board_wire.UpdateError)
    for numbered in counted:
        values = ", ".join(f"{int(item)} {item.name}" for item in numbered)
        lines.append(f"| {numbered.__name__} | {values} |")
    return "\n".join(lines)


def board_frames() -> dict[str, bytes]:
    """The conversation of the page, in order."""
    wire = board_wire
    who = wire.Hello(0x1001, 3, 0x010203, wire.Can.BUZZER | wire.Can.BUTTONS | wire.Can.HEART, 9)
    values = {catalog.field_id("heart_bpm"): 131, catalog.field_id("ambient_dc"): -55}
    press = wire.Event(9, 1, 0, wearer.Gesture.SOS)
    frames = (
        (
            "board: HELLO, board 0x1001, hardware 3, firmware 1.2.3, boot 9",
            wire.Up.HELLO,
            wire.pack_hello(who),
        ),
        ("gateway: HELLO_ACK", wire.Down.HELLO_ACK, bytes((wire.VERSION,))),
        (
            "board: SAMPLES at 70,000 ms, heart 131, -5.5 °C",
            wire.Up.SAMPLES,
            wire.pack_samples(70_000, values),
        ),
        ("board: GESTURE, SOS, number 1", wire.Up.GESTURE, wire.pack_event(wire.Up.GESTURE, press)),
        ("gateway: EVENT_ACK", wire.Down.EVENT_ACK, wire.EVENT_ACK.pack(9, 1)),
        ("gateway: PLAY, SENDING", wire.Down.PLAY, bytes((wearer.Pattern.SENDING,))),
        ("board: COMMAND_ACK of sequence 2", wire.Up.COMMAND_ACK, wire.COMMAND_ACK.pack(2, wire.Result.DONE)),
    )
    sequences = {"board": 0, "gateway": 0}
    out = {}
    for title, kind, payload in frames:
        end = title.split(":")[0]
        out[title] = wire.pack_frame(kind, sequences[end], payload)
        sequences[end] += 1
    return out


def board_example() -> str:
    """The conversation in hexadecimal."""
    lines = [f"{title}\n    {data.hex(' ')}" for title, data in board_frames().items()]
    return "```\n" + "\n".join(lines) + "\n```"


def guard_rules() -> str:
    """The table of rules."""
    lines = [
        "| rule | what | takes | armed | events | ends | gives | settings |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in RULES:
        armed = {ALWAYS: "always", INSIDE: "entered, on air"}[row.armed]
        cells = (
            f"**{row.name}**", row.about, _codes(row.inputs), armed, _codes(code.name for code in row.events),
            row.ends if row.events else "", _codes(row.gives), f"`[guard.{row.section}]`" if row.section else "",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def guard_events() -> str:
    """What the wearer hears and reads with each alarm."""
    lines = ["| event | number | the wearer hears | and reads |", "|---|--:|---|---|"]
    for code, (zh, en) in WORDS.items():
        sound = SOUNDS[code].name if code in SOUNDS else ""
        lines.append(f"| `{code.name}` | {int(code)} | {sound} | {zh} {en} |")
    return "\n".join(lines)


def guard_settings() -> str:
    """Every setting with its default and range."""
    lines = ["| key | default | allowed | meaning |", "|---|--:|---|---|"]
    lines += _settings("guard", GuardConfig())
    return "\n".join(lines + _settings("person", Person()))


def _settings(name: str, made: Any) -> list[str]:
    lines, tables = [], []
    for spec in dataclass_fields(made):
        value, key = getattr(made, spec.name), f"{name}.{spec.name.rstrip('_')}"
        if is_dataclass(value):
            tables += _settings(key, value)
        elif isinstance(value, bool):
            lines.append(f"| `{key}` | {str(value).lower()} | | {spec.metadata['about']} |")
        else:
            limits = f"{spec.metadata['lo']:g} – {spec.metadata['hi']:g}"
            lines.append(f"| `{key}` | {value:g} | {limits} | {spec.metadata['about']} |")
    return lines + tables


def keys(language: str) -> str:
    """The commands of the screen that have a key, out of its own table and words."""
    web = ROOT / "hub/web/src"
    words = dict(
        re.findall(
            r"^  (\w+): '((?:[^'\\]|\\.)*)',$",
            "\n".join(path.read_text(encoding="utf-8") for path in sorted(web.glob(f"i18n/{language}*.ts"))),
            re.MULTILINE,
        )
    )
    table = re.findall(
        r"^  \{ id: '[\w-]+', name: '(\w+)', key: '([^']+)'(, ctrl: true)?",
        (web / "app/commands.ts").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    named = {" ": {"zh": "空格", "en": "space"}[language], "Escape": "Esc"}
    head = {"zh": "| 键 | 作用 |", "en": "| key | does |"}[language]
    lines = [head, "|---|---|"]
    for name, key, ctrl in table:
        shown = named.get(key, key.upper() if len(key) == 1 else key)
        lines.append(f"| `{'Ctrl ' if ctrl else ''}{shown}` | {words[name]} |")
    return "\n".join(lines)


PARTS: dict[str, Callable[[], str]] = {
    "numbers": numbers, "fields": fields, "reasons": reasons, "frames": frames, "narrow": narrow_frames,
    "ack": ack, "feed": feed, "roles": roles, "permissions": permissions, "routes": routes,
    "guard_rules": guard_rules, "guard_events": guard_events, "guard_settings": guard_settings,
    "alarms": alarms, "callout": callout, "stations": stations, "rule_kinds": rule_kinds,
    "rule_keys": rule_keys, "rules_sample": rules_sample, "gestures": gestures, "patterns": patterns,
    "board_fields": board_fields, "board_numbers": board_numbers, "board_example": board_example,
    "zones": zones,
    "keys_zh": lambda: keys("zh"), "keys_en": lambda: keys("en"),
}  # fmt: skip


def regenerate(text: str) -> str:
    """The text with every generated part made anew. KeyError for a part that nobody makes."""
    return PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}\n{found[3]}", text)


def main() -> int:
    """Rewrite what is old; with `--check` name it and return 1."""
    old = []
    for path in sorted(ROOT.glob("docs/*.md")):
        text = path.read_text(encoding="utf-8")
        new = regenerate(text)
        if new != text:
            old.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    if old:
        print(f"docs: {'not current' if '--check' in sys.argv else 'rewritten'}: {', '.join(old)}")
    return 1 if old and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
