"""The command line of a gateway: `zhantu-edge COMMAND`.

Enters: arguments. Leaves: text or JSON on standard output and an exit code: 0 well, 1 something is wrong,
2 the command was not understood, 3 the hub has revoked this gateway (`renew`). Imports are made inside commands,
so that each stays quick and light.
"""

import argparse
import json
import logging
import os
import sqlite3
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CONFIG_DEFAULT = "/etc/zhantu/edge.toml"
DECODE_KEYS = """\
keys of a JSON line (a key is left out when the device did not say):
  sample          fix, reading or identity
  t_utc_ms        UTC of validity, ms since 1970
  mode            none, dead_reckoned, fix_2d, fix_3d, dgnss, rtk_float, rtk_fixed; none has no position
  lat_deg_e9, lon_deg_e9   WGS-84 degrees times 10^9
  alt_mm, hacc_mm, speed_mmps, course_cdeg   mm above sea level, mm (68 %), mm/s, 0.01 degrees
  sats_used, sats_seen, hdop_e2              counts, and HDOP times 100
the last line is {"summary": {"driver", "samples", "fixes", "good", "bad", "skipped", "noise_bytes", "bytes"}}:
messages that were used, that were damaged, and that are of kinds the driver does not use
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run one command; an error is one line on standard error."""
    args = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        return command(args)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as err:
        named = err.filename is not None and err.strerror
        print(
            f"zhantu-edge: {err.filename}: {err.strerror}" if named else f"zhantu-edge: {err}",
            file=sys.stderr,
        )
        return 1
    except ValueError as err:
        print(f"zhantu-edge: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zhantu-edge",
        description="Agent of a Zhantu gateway: reads devices, keeps and sends what they say.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(command=command)
        return sub

    def with_config(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--config", type=Path, default=Path(CONFIG_DEFAULT), help=f"default {CONFIG_DEFAULT}"
        )

    enrol = add(
        "enrol", _enrol, "make this gateway known to a hub, with the one-time code that the hub shows"
    )
    enrol.add_argument(
        "code", nargs="+", help="HOST:PORT/ and eight groups of four characters, spaces allowed"
    )
    enrol.add_argument("--dir", type=Path, default=Path(CONFIG_DEFAULT).parent, help="default %(default)s")
    enrol.add_argument(
        "--replace", action="store_true", help="put it in the place of the identity that is there"
    )
    run = add("run", _run, "run the agent until it is stopped")
    with_config(run)
    run.add_argument("--verbose", action="store_true", help="log more than changes of state")
    check = add("check", _check, "say what each port really delivers and whether the hub answers")
    with_config(check)
    check.add_argument("--seconds", type=float, default=8.0, help="how long to listen, 1–120 (default 8)")
    check.add_argument("--json", action="store_true", help="one JSON object instead of text")
    ports = add("ports", _ports, "say what is on the serial ports of this machine, by listening")
    ports.add_argument("path", nargs="*", help="these ports only; default: all that there are")
    ports.add_argument("--list", action="store_true", help="only list them, listen to none")
    ports.add_argument(
        "--ask", action="store_true", help="ask silent devices to speak; it writes to every one of them"
    )
    ports.add_argument("--seconds", type=float, default=15.0, help="how long to listen, 1–120 (default 15)")
    ports.add_argument("--json", action="store_true", help="one JSON list")
    drivers = add("drivers", _drivers, "list the drivers and what each reads")
    drivers.add_argument("--json", action="store_true", help="one JSON list")
    config = add("config", _config, "check a configuration, or print the sample of one")
    config.add_argument("file", type=Path, nargs="?", help="check this file")
    status = add("status", _status, "ask the running agent how it is")
    with_config(status)
    sos = add("sos", _sos, "raise an SOS through the running agent, or cancel it")
    with_config(sos)
    sos.add_argument("--cancel", action="store_true", help="cancel the open SOS")
    guard = add("guard", _guard, "say what is armed, which alarms are open, values and settings")
    with_config(guard)
    guard.add_argument("--duty", help="first set the duty state: standby, entered, on_air, rehab")
    guard.add_argument("--json", action="store_true", help="one JSON object")
    orders = add(
        "orders", _orders, "list the open orders; who reads them has seen them, and the hub is told so"
    )
    with_config(orders)
    orders.add_argument("--json", action="store_true", help="one JSON object")
    answer = add("answer", _answer, "answer an open order")
    with_config(answer)
    answer.add_argument("seq", type=int, help="its number, as `orders` shows it")
    answer.add_argument("word", choices=("accept", "refuse", "done", "here"), help="here: to a roll-call")
    say = add("say", _say, "write a text to the command post")
    with_config(say)
    say.add_argument("text", nargs="+", help="at most 1,000 bytes of UTF-8 are sent")
    with_config(add("renew", _renew, "get a new certificate now; the agent does it by itself in time"))
    salvage = add("salvage", _salvage, "save the rows of a damaged spool, so that the agent sends them")
    salvage.add_argument("file", type=Path, help="the file that was set aside, *.damaged-*")
    salvage.add_argument(
        "--into", type=Path, help="this spool file instead of the configured one, whose agent must be stopped"
    )
    with_config(salvage)
    salvage.add_argument("--json", action="store_true", help="one JSON object")
    decode = add("decode", _decode, "decode a device's raw log: one sample a line, then a count")
    decode.formatter_class = argparse.RawDescriptionHelpFormatter
    decode.epilog = DECODE_KEYS
    decode.add_argument("file", type=Path, help="raw bytes as the device sent them; - for standard input")
    decode.add_argument("--driver", default="auto", help="a driver's name, or auto (default)")
    decode.add_argument("--json", action="store_true", help="JSON lines, units in the names")
    frame = add("frame", _frame, "take a frame apart: its samples, or the reason it is refused")
    frame.add_argument("frame", help="a frame as hexadecimal digits, or a file of one (raw or hexadecimal)")
    frame.add_argument("--key", type=Path, help="the device's key file; without it the MAC is not checked")
    frame.add_argument("--realm", default="live", help="the realm of the MAC (default live)")
    frame.add_argument("--json", action="store_true", help="one JSON object")
    _board_parser(add("board", lambda _args: 2, "firmware of a board that a responder wears (docs/board.md)"))
    return parser


def _board_parser(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    about = "carry an image to a board while the agent is stopped; it goes on where it was interrupted"
    update = commands.add_parser("update", help=about, description=about)
    update.set_defaults(command=_board_update)
    update.add_argument("file", type=Path, help="an image, as `board sign` makes it")
    update.add_argument("--config", type=Path, default=Path(CONFIG_DEFAULT), help=f"default {CONFIG_DEFAULT}")
    update.add_argument("--port", help="the port's name; not needed where only one has driver board")
    about = "make an image file: header, the vendor's signature, firmware"
    sign = commands.add_parser("sign", help=about, description=about)
    sign.set_defaults(command=_board_sign)
    sign.add_argument("firmware", type=Path, help="the bytes that go to the board's second slot")
    sign.add_argument("image", type=Path, help="the file to write")
    sign.add_argument("--hardware", type=int, required=True, help="the kind of board, 0–4294967295")
    sign.add_argument("--version", required=True, help="three numbers, like 1.2.3")
    sign.add_argument("--key", type=Path, required=True, help="the vendor's key file, of `board key`")
    about = "make a vendor's key; prints the public half, which goes into the board"
    key = commands.add_parser("key", help=about, description=about)
    key.set_defaults(command=_board_key)
    key.add_argument("file", type=Path, help="the file to write; keep it off gateways")


def _run(args: argparse.Namespace) -> int:
    from edge import agent, config, overlay

    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    wanted = config.load(args.config)
    with config.alone(wanted.device):
        settings = overlay.Overlay(args.config)
        wanted = settings.start()
        try:
            while agent.run(wanted, settings):
                wanted = settings.start()
        except sqlite3.Error as err:
            raise ValueError(f"spool {wanted.spool.path}: {err}") from err
    return 0


def _enrol(args: argparse.Namespace) -> int:
    from edge import enrol

    print(enrol.as_text(enrol.enrol("".join(args.code), args.dir, args.replace)))
    return 0


def _renew(args: argparse.Namespace) -> int:
    from edge import config, identity, renew
    from edge.hub_http import HubError

    try:
        made = renew.renew(config.load(args.config))
    except HubError as err:
        if err.status != 403:
            raise
        print(f"zhantu-edge: {err}", file=sys.stderr)
        return renew.REVOKED_EXIT
    print(f"device {made.device}: new certificate, until {identity.when(made.not_after_utc_ms)}")
    return 0


def _salvage(args: argparse.Namespace) -> int:
    from edge import config, salvage, spool_file

    if not args.file.is_file():
        raise ValueError(f"{args.file}: no such file")
    try:
        if args.into is not None:
            report = salvage.salvage(args.file, args.into)
        else:
            wanted = config.load(args.config)
            with config.alone(wanted.device):
                report = salvage.salvage(args.file, wanted.spool.path)
                if report.rows and args.file.resolve() in spool_file.damaged(wanted.spool.path):
                    spool_file.mark_salvaged(args.file.resolve())
    except sqlite3.Error as err:
        raise ValueError(f"the spool to save into: {err}") from err
    if args.json:
        print(json.dumps(salvage.as_json(report), ensure_ascii=False))
    else:
        print(salvage.as_text(report))
    return 0 if report.rows else 1


def _check(args: argparse.Namespace) -> int:
    from edge import check, config

    if not 1 <= args.seconds <= 120:
        raise ValueError(f"--seconds {args.seconds:g}: 1–120 allowed")
    wanted = config.load(args.config)
    with config.alone(wanted.device):
        report = check.check(wanted, args.seconds)
    print(json.dumps(report, ensure_ascii=False, indent=2) if args.json else check.as_text(report))
    return 0 if report["ok"] else 1


def _ports(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from edge import sniffing
    from firmware_bridge.ports import list_ports

    if not 1 <= args.seconds <= 120:
        raise ValueError(f"--seconds {args.seconds:g}: 1–120 allowed")
    if args.list:
        found: list[dict[str, object]] = [asdict(port) for port in list_ports()]
    else:
        found = sniffing.sniff(args.path, args.seconds, args.ask)
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    elif args.list:
        print("\n".join(f"{port['by_id'] or port['path']}\n    {port['description']}" for port in found))
    else:
        print(sniffing.as_text(found))
    return 0


def _drivers(args: argparse.Namespace) -> int:
    from firmware_bridge.drivers import DRIVERS

    if args.json:
        rows = [
            {
                "driver": row.name,
                "about": row.about,
                "reads": row.reads,
                "recognised": row.auto,
                "process": bool(row.apart),
            }
            for row in DRIVERS.values()
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    for row in DRIVERS.values():
        print(f"{row.name:<10} {row.about}")
        print(textwrap.fill(" ".join(row.reads), 110, initial_indent=" " * 11, subsequent_indent=" " * 11))
    return 0


def _config(args: argparse.Namespace) -> int:
    from importlib.resources import files

    from edge import config

    if args.file is None:
        print((files("edge") / "sample.toml").read_text(encoding="utf-8"), end="")
        return 0
    loaded = config.load(args.file)
    config.read_key(loaded.device.key_file)
    print(f"{args.file}: good; device {loaded.device.number}, {len(loaded.ports)} ports, "
          f"broker {loaded.mqtt.host}:{loaded.mqtt.port}")  # fmt: skip
    return 0


def _ask(args: argparse.Namespace, question: str) -> dict[str, object]:
    from edge import config, control

    path = config.load(args.config).spool.path.with_suffix(".sock")
    try:
        return control.ask(path, question)
    except OSError as err:
        raise ValueError(f"no agent answers at {path} ({err.strerror or err}); is it running?") from None


def _status(args: argparse.Namespace) -> int:
    print(json.dumps(_ask(args, "status"), ensure_ascii=False, indent=2))
    return 0


def _sos(args: argparse.Namespace) -> int:
    failed = _refusals_of_the_disk(args)
    answer = _ask(args, "cancel" if args.cancel else "sos")
    if "error" in answer:
        raise ValueError(str(answer["error"]))
    what = "cancelled" if args.cancel else "raised"
    print(
        f"SOS {what}; " + ("sent, repeated until the hub has it" if answer["sent"] else "kept: no link yet")
    )
    if _refusals_of_the_disk(args) > failed:
        print("THE DISK REFUSES IT: it is in memory only, do not switch the gateway off", file=sys.stderr)
    return 0


def _guard(args: argparse.Namespace) -> int:
    answer: dict[str, Any] = _ask(args, f"duty {args.duty}" if args.duty else "guard")
    if "error" in answer:
        raise ValueError(str(answer["error"]))
    if args.json:
        print(json.dumps(answer, ensure_ascii=False, indent=2))
        return 0
    from edge.guard.report import as_text

    print(as_text(answer))
    return 0


def _orders(args: argparse.Namespace) -> int:
    from edge.obey_text import as_text

    answer = _ask(args, "orders")
    print(json.dumps(answer, ensure_ascii=False, indent=2) if args.json else as_text(answer))
    return 0


def _answer(args: argparse.Namespace) -> int:
    answer = _ask(args, f"answer {args.seq} {args.word}")
    if "error" in answer:
        raise ValueError(str(answer["error"]))
    print(f"order {answer['order']}: {answer['answer']}")
    return 0


def _say(args: argparse.Namespace) -> int:
    text = " ".join(" ".join(args.text).split())
    if not text:
        raise ValueError("say: a text is needed")
    answer = _ask(args, f"say {text.encode()[:1_000].decode(errors='ignore')}")
    print("sent, repeated until the hub has it" if answer["sent"] else "kept: no link yet")
    return 0


def _board_update(args: argparse.Namespace) -> int:
    from edge import board_update, config

    image = board_update.read_image(args.file)
    wanted = config.load(args.config)
    port = board_update.choose_port(wanted, args.port)
    with config.alone(wanted.device):
        print(board_update.update(port, image, lambda line: print(line, file=sys.stderr)))
    return 0


def _board_sign(args: argparse.Namespace) -> int:
    from edge import board_update
    from firmware_bridge.board_image import parse_version

    if not 0 <= args.hardware < 2**32:
        raise ValueError(f"--hardware {args.hardware}: 0–{2**32 - 1} allowed")
    board_update.sign(args.firmware, args.image, args.hardware, parse_version(args.version), args.key)
    return 0


def _board_key(args: argparse.Namespace) -> int:
    from edge import board_update

    print(board_update.make_key(args.file))
    return 0


def _refusals_of_the_disk(args: argparse.Namespace) -> int:
    """How often the agent's disk took nothing; 0 when it does not say. An SOS is raised whatever this says."""
    try:
        spool = _ask(args, "status").get("spool")
    except ValueError:
        return 0
    return int(spool["commit_failures"]) if isinstance(spool, dict) else 0


def _decode(args: argparse.Namespace) -> int:
    from firmware_bridge.decode import decode_lines

    data = sys.stdin.buffer.read() if str(args.file) == "-" else args.file.read_bytes()
    for line in decode_lines(data, args.driver):
        print(json.dumps(line, ensure_ascii=False) if args.json else _as_text(line))
    return 0


def _as_text(line: dict[str, object]) -> str:
    summary = line.get("summary")
    if isinstance(summary, dict):
        return "-- " + ", ".join(f"{name} {value}" for name, value in summary.items())
    return "  ".join(f"{name}={value}" for name, value in line.items())


def _frame(args: argparse.Namespace) -> int:
    from edge import inspect_frame

    key = None
    if args.key is not None:
        from edge.config import read_key

        key = read_key(args.key)
    report = inspect_frame.inspect(inspect_frame.read(args.frame), key, args.realm)
    print(json.dumps(report, ensure_ascii=False) if args.json else inspect_frame.as_text(report))
    return 0 if "refused" not in report else 1
