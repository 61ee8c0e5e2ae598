"""`zhantu-hub run`: the hub until a signal, and the line it says once screens can connect."""

import argparse
import asyncio
import json
import logging
import signal
from collections.abc import Sequence
from pathlib import Path

from hub.addresses import ANY, outward, web_address
from hub.app import Hub
from hub.commands.opening import settings_of
from hub.errors import HubError
from hub.identity.people import role_of
from hub.identity.permissions import Role
from hub.settings import Settings
from protocols.enrolment import address


def run(args: argparse.Namespace) -> int:
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


async def serve(settings: Settings, data: Path, *, links: Sequence[Role], as_json: bool) -> None:
    """Run until SIGTERM or SIGINT. `links`: roles for which the start line holds a one-time link; the role is also the
    name."""
    hub = Hub(settings, data)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, hub.stop.set)

    def started(ready: Hub) -> None:
        ready.registry.set_setting("address", web_address(settings, ready.port))
        tokens = {role.value: ready.sign_in.new_token(role.value, role) for role in links}
        print(start_line(ready, tokens, as_json=as_json), flush=True)

    await hub.run(started)


def start_line(hub: Hub, tokens: dict[str, str], *, as_json: bool) -> str:
    """What the hub says when it is ready. `tokens`: one-time tokens by name; the first one's link stands for itself."""
    web = web_address(hub.settings, hub.port)
    links = {name: f"{web}/#t={token}" for name, token in tokens.items()}
    link = next(iter(links.values()), "")
    mqtt = f"{hub.broker.host}:{hub.broker.port}"
    tls = ""
    if hub.door is not None:
        tls = address(outward() if hub.door.host in ANY else hub.door.host, hub.door.port)
    if as_json:
        said = {
            "http": web,
            "mqtt": mqtt,
            "mqtts": tls,
            "broker": hub.broker.kind,
            "realm": hub.settings.realm,
        }
        return json.dumps({**said, "link": link, "token": next(iter(tokens.values()), ""), "links": links})
    devices = f"{tls} (TLS)" if tls else f"{mqtt} ({hub.broker.kind})"
    return f"zhantu-hub: realm {hub.settings.realm}, devices at {devices}, screen at {link or web}"
