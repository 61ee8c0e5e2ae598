"""`zhantu-sim`: the command line of the simulator. Each command is imported only when it is asked for.

Enters: words. Leaves: an exit code. 0: done; 1: it could not be done, one line on stderr says why; 2: the
words are not understood.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

COMMANDS: dict[str, tuple[str, str]] = {
    "play": ("sim.play", "play a recorded log or track through a pty, as a receiver would"),
    "load": ("sim.load", "generate load against a hub and measure it"),
    "sizes": ("sim.sizes", "bytes a fix over tracks, beside other formats"),
    "run": ("sim.run", "run a drill against a hub that is already there"),
    "demo": ("sim.demo", "start a hub and a demonstration drill in one go"),
}
"""Command -> the module with `add_arguments(parser)` and `run(args)`, and what it does."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zhantu-sim",
        description="The simulator of Zhantu 战图: devices, drills and load that speak real bytes.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_module, words) in COMMANDS.items():
        commands.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".", add_help=False)
    return parser


def _command(name: str) -> tuple[argparse.ArgumentParser, Callable[[argparse.Namespace], int]]:
    module_name, words = COMMANDS[name]
    module = import_module(module_name)
    parser = argparse.ArgumentParser(
        prog=f"zhantu-sim {name}", description=words[0].upper() + words[1:] + "."
    )
    module.add_arguments(parser)
    return parser, module.run


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command."""
    words = list(sys.argv[1:] if argv is None else argv)
    outer = _parser()
    if not words or words[0] not in COMMANDS:
        outer.parse_args(words)  # help, or an error that names the commands
        return 2
    name = words[0]
    try:
        parser, run = _command(name)
        return run(parser.parse_args(words[1:]))
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, ValueError, OSError, ImportError) as err:
        if not _is_ours(err):
            raise
        print(f"zhantu-sim {name}: {_words(err)}", file=sys.stderr)
        return 1


def _words(err: Exception) -> str:
    if isinstance(err, OSError) and err.filename is not None and err.strerror:
        return f"{err.filename}: {err.strerror}"
    return str(err)


def _is_ours(err: Exception) -> bool:
    """Whether an error is meant for a person: one of our own exceptions, a missing package, or a file's or
    network's trouble. Anything else is a defect and shows its traceback."""
    return isinstance(err, OSError | ImportError) or type(err).__module__.partition(".")[0] in (
        "sim",
        "protocols",
        "firmware_bridge",
    )
