"""`zhantu-hub trust`: where phones and computers get this hub's certificate, and the fingerprint to compare it with."""

import argparse
import json
import sys
from pathlib import Path

import segno

from hub import addresses
from hub.api.trust_page import PAGE_PATH, fingerprint
from hub.commands.opening import address_of, registry_of, settings_of, utc_ms
from hub.errors import HubError
from hub.files import write_whole
from hub.identity.authority import Authority, authority_der
from hub.identity.keys import load_master


def reachable(address: str) -> str:
    """A hub that listens everywhere calls itself 127.0.0.1, which leads a phone to itself."""
    everywhere = "https://127.0.0.1:"
    host = addresses.outward()
    host = f"[{host}]" if ":" in host else host
    return address.replace(everywhere, f"https://{host}:", 1)


def run(args: argparse.Namespace) -> int:
    settings, data = settings_of(args), Path(args.data)
    with registry_of(args) as registry:
        address = reachable(address_of(settings, registry)) + PAGE_PATH
        realm = registry.setting("realm") or settings.realm
    der = authority_der(data / "tls")
    if der is None:  # the hub has not needed it yet
        der = Authority(load_master(data / "master.key"), realm, data / "tls", utc_ms).der
    if args.out:
        try:
            write_whole(Path(args.out), der)
        except OSError as err:
            raise HubError(f"trust: --out {args.out}: {err.strerror}") from None
    groups = fingerprint(der)
    if args.json:
        print(json.dumps({"address": address, "sha256": "".join(groups).lower(), "realm": realm}))
        return 0
    print(address)
    for i in range(0, len(groups), 4):
        print("  " + " ".join(groups[i : i + 4]))
    if args.qr or sys.stdout.isatty():
        segno.make(address, error="m").terminal(out=sys.stdout, compact=True)
    return 0
