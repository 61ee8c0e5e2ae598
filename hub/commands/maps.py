"""`zhantu-hub maps check`: can every base map be read? Exit code 0: all; 1: one cannot."""

import argparse
import json
from pathlib import Path

from hub.commands.opening import settings_of, utc_ms
from hub.maps.cache import TileCache
from hub.maps.proxy import Proxy
from hub.maps.shelf import CACHE, MIB, Shelved, open_map


def run(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    cache = TileCache(Path(args.data) / CACHE, settings.map_cache_mib * MIB)
    found = [checked(open_map(made, cache, utc_ms)) for made in settings.basemap]
    if args.json:
        print(json.dumps({"ok": not any(why for _, why in found), "maps": [_row(*one) for one in found]}))
    else:
        for one, why in found:
            print(_line(one, why))
        if not found:
            print("no base map is declared: [[basemap]] in hub.toml, or `zhantu-hub run --basemap FILE`")
    return 1 if any(why for _, why in found) else 0


def checked(one: Shelved) -> tuple[Shelved, str]:
    """The map, and why it cannot be read; another server is asked for a tile."""
    why = one.trouble
    if isinstance(one.source, Proxy):
        why = one.source.check()
    elif one.source is not None:
        one.source.close()
    return one, why


def _line(one: Shelved, why: str) -> str:
    facts = one.facts
    about = f"{one.made.form:8}{facts.kind:7}{one.made.crs:6} z {facts.min_zoom}–{facts.max_zoom}"
    return f"{'bad' if why else 'ok':4}{one.made.id:24}{about}" + (f"  {why}" if why else "")


def _row(one: Shelved, why: str) -> dict[str, object]:
    return {
        "id": one.made.id, "form": one.made.form, "kind": one.facts.kind, "crs": one.made.crs,
        "min_zoom": one.facts.min_zoom, "max_zoom": one.facts.max_zoom, "ok": not why, "why": why,
    }  # fmt: skip
