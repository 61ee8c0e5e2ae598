"""`zhantu-hub hold {add,list,end}`: a stretch of time that retention must not touch."""

import argparse

from hub.commands.opening import registry_of, shown, time_of, utc_ms
from hub.errors import HubError


def run(args: argparse.Namespace) -> int:
    with registry_of(args) as registry:
        if args.action == "list":
            for hold in registry.holds():
                print(f"{hold.id}\t{shown(hold.from_utc_ms)}\t{shown(hold.to_utc_ms)}\t{hold.reason}")
            return 0
        if args.action == "add":
            from_ms, to_ms = time_of(args.from_), time_of(args.to)
            number = registry.add_hold(from_ms, to_ms, args.reason)
            print(number)
        elif not registry.end_hold(args.hold):
            raise HubError(f"hold: no hold {args.hold}; `hold list` shows them")
        else:
            number = args.hold
        registry.record(utc_ms(), "cli", f"hold {args.action}", {"hold": number})
    return 0
