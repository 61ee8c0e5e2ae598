"""Firmware of a board, through the gateway's port: carrying an image to it, and making images.

Enters: a `Config`, a port's name, an image. Leaves: progress through a callback, and a report. Called by
`zhantu-edge board`. The agent must be stopped: two programs on one port hear half each.
"""

import os
import select
import time
from collections.abc import Callable
from pathlib import Path

from edge.config import Config, ConfigError, PortConfig
from firmware_bridge.board import ROWS
from firmware_bridge.board_image import Image, build_image, parse_image, version_text
from firmware_bridge.board_update import Step, Updater
from firmware_bridge.ports import Port

WAIT_S = 0.05
OPEN_S = 10.0
AWAY_S = 60.0
"""A board that went away while it restarts on USB is waited for so long."""
SEED_BYTES = 32


def read_image(path: Path) -> Image:
    """The image of a file; ValueError says what is wrong with it."""
    try:
        return parse_image(path.read_bytes())
    except ValueError as err:
        raise ValueError(f"{path}: {err}") from None


def choose_port(config: Config, name: str | None) -> PortConfig:
    """The port of that name; without one, the only one with driver board. ConfigError where that is not one."""
    ports = [port for port in config.ports if (port.driver == "board" if name is None else port.name == name)]
    if len(ports) == 1:
        return ports[0]
    known = ", ".join(f"{port.name} ({port.driver})" for port in config.ports) or "none"
    wanted = "give --port; ports with driver board" if name is None else f"port {name!r}"
    raise ConfigError(f"{wanted}: {len(ports)} found; configured are {known}")


def update(wanted: PortConfig, image: Image, on_progress: Callable[[str], None]) -> str:
    """Carries the image there and waits until it is confirmed; a sentence for people. ValueError when it fails."""
    row = ROWS[0]
    port = Port(wanted.path, baud=wanted.baud or None, score=row.score, bauds=row.bauds, probe=row.probe)
    updater = Updater(image)
    try:
        _carry(port, updater, on_progress)
    finally:
        port.close()
    if updater.step != Step.DONE:
        raise ValueError(f"port {wanted.name}: {updater.why}")
    board = updater.board
    return f"board {board.board if board else 0:016x} runs {version_text(image.version)}, confirmed"


def _carry(port: Port, updater: Updater, on_progress: Callable[[str], None]) -> None:
    """One turn after another until it is over. A board on USB goes away while it restarts, and comes back."""
    said = ""
    opened_ns = time.monotonic_ns()
    while not updater.over:
        now_ns = time.monotonic_ns()
        port.maintain(now_ns)
        if port.locked:
            opened_ns = now_ns
            port.write(updater.talk(now_ns))
        elif now_ns - opened_ns > (OPEN_S if updater.step == Step.ASK else AWAY_S) * 1e9:
            raise ValueError(
                f"{port.path}: no board speaks there; {port.stats.last_error or 'is it powered?'}"
            )
        fd = port.fileno()
        ready = select.select([fd] if fd is not None else [], [], [], WAIT_S)[0]
        if ready:
            updater.feed(port.read(time.monotonic_ns()))
            if port.locked:
                port.write(updater.talk(time.monotonic_ns()))
        line = _progress(updater)
        if line != said:
            on_progress(line)
            said = line


def _progress(updater: Updater) -> str:
    size = updater.image_size
    if updater.step != Step.DATA:
        return str(updater.step.value)
    resumed = f", resumed at {updater.resumed_at}" if updater.resumed_at else ""
    return f"{updater.step.value} {100 * updater.offset // size} % of {size} bytes{resumed}"


def make_key(path: Path) -> str:
    """A new key of a vendor: 64 hexadecimal digits that only the owner may read. The public key, for the board."""
    from nacl.signing import SigningKey

    key = SigningKey.generate()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(bytes(key).hex() + "\n")
    return bytes(key.verify_key).hex()


def sign(source: Path, target: Path, hardware: int, version: int, key_path: Path) -> None:
    """Make an image file of a firmware's bytes. ValueError for a key that is none."""
    from nacl.signing import SigningKey

    try:
        seed = bytes.fromhex(key_path.read_text(encoding="ascii"))
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"{key_path}: {2 * SEED_BYTES} hexadecimal digits are needed")
    key = SigningKey(seed)
    image = build_image(source.read_bytes(), hardware, version, lambda header: key.sign(header).signature)
    target.write_bytes(image)
