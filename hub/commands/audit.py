"""`zhantu-hub audit {verify,list}`: operator records, and whether their chain is whole. Works while the hub runs.

`verify` prints count and head as COUNT:DIGEST. Noted somewhere else and given again with --expect, it shows a tail that
was cut off or a chain that was made anew, which no chain can show by itself.
"""

import argparse
import json
import sys

from hub.commands.opening import registry_of, shown
from hub.errors import HubError
from hub.store.chain import parsed
from hub.store.registry import SqliteRegistry


def run(args: argparse.Namespace) -> int:
    with registry_of(args) as registry:
        if args.action == "verify":
            return _verify(args, registry)
        for seq, t_utc_ms, who, what, content, _previous, digest in registry.records(args.after, args.count):
            if args.json:
                record = {"seq": seq, "t_utc_ms": t_utc_ms, "who": who, "what": what, "digest": digest}
                print(json.dumps({**record, "content": parsed(str(content))}, ensure_ascii=False))
            else:
                print(f"{seq}\t{shown(int(str(t_utc_ms)))}\t{who}\t{what}\t{content}")
    return 0


def _verify(args: argparse.Namespace, registry: SqliteRegistry) -> int:
    verdict = registry.audit(_expected(args.expect))
    if args.json:
        said = {"whole": verdict.broken is None, "words": verdict.words, "head": verdict.head}
        print(json.dumps({**said, "notes": verdict.notes}, ensure_ascii=False))
    else:
        print(f"{verdict.words}\nhead {verdict.head}")
        for note in verdict.notes:
            print(f"note: {note}", file=sys.stderr)
    return 0 if verdict.broken is None else 1


def _expected(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not (number.isascii() and number.isdecimal() and 0 < int(number) < 2**52 and digest):
        raise HubError(
            f"audit verify: --expect {text[:80]!r}, NUMBER:DIGEST needed as `audit verify` prints it"
        )
    return int(number), digest
