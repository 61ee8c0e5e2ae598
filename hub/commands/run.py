"""`zhantu-hub run`."""

import argparse
import asyncio
import logging
from pathlib import Path

from hub.commands.opening import settings_of
from hub.errors import HubError


def run(args: argparse.Namespace) -> int:
    from hub.app import serve
    from hub.identity.people import role_of

    settings = settings_of(args)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        links = [role_of(word) for word in args.print_link or ()]
        asyncio.run(serve(settings, Path(args.data), links=links, as_json=args.json))
    except* HubError as group:
        raise _first(group) from None
    return 0


def _first(group: BaseExceptionGroup[HubError]) -> HubError:
    err = group.exceptions[0]
    return err if isinstance(err, HubError) else _first(err)
