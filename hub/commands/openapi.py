"""`zhantu-hub openapi`: the API's document, without a running hub."""

import argparse
import json
from pathlib import Path

from hub.api import app as api
from hub.api.guard import Names
from hub.api.openapi import unasked_state
from hub.version import current


def run(args: argparse.Namespace) -> int:
    app = api.make(unasked_state(), Names("127.0.0.1", 8600, ())).inner
    app.version = current()
    text = json.dumps(app.openapi(), ensure_ascii=False, indent=1)
    if args.out:
        Path(args.out).write_text(text + "\n")
    else:
        print(text)
    return 0
