"""docs/wire.md is current, and enough to write a decoder from: the one below knows nothing of protocols/."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/wire.md").read_text(encoding="utf-8")
KEY = bytes(range(32))


def test_generated_parts_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def column(key: Any, diffs: Any, n: int, order: int) -> list[Any]:
    """As the page says under Columns."""
    out = [key]
    newest, before = key, 0
    for diff in [0] * (n - 1) if diffs == 0 else diffs:
        if diff is None:
            out.append(None)
            continue
        if newest is None:
            newest = diff
        else:
            change = diff + before if order == 2 else diff
            newest, before = newest + change, change
        out.append(newest)
    return out


def fields_of_the_page() -> dict[tuple[int, int], tuple[str, int]]:
    found = re.findall(r"^\| (\d+) \| `(\w+)` \|.*? \| ([12]) \|", TEXT, re.MULTILINE)
    return {(int(number) // 64, int(number) % 64): (name, int(order)) for number, name, order in found}


def decode(data: bytes) -> list[str]:
    """Lines as `zhantu-edge frame` prints them."""
    body, mac = data[:-8], data[-8:]
    assert hashlib.blake2b(b"live\0" + body, digest_size=8, key=KEY, person=b"zhantu-up").digest() == mac
    _ver, kind_lane, _device, _boot, row_stream, t0, zero, dt, n, mask, columns = msgpack.unpackb(body)
    steps = [dt] * (n - 1) if isinstance(dt, int) else dt
    times = [t0 + sum(steps[:i]) for i in range(n)]
    table, bits = fields_of_the_page(), [bit for bit in range(64) if mask >> bit & 1]
    named = []
    for i, bit in enumerate(bits):
        name, order = table[kind_lane // 8, bit]
        named.append((name, column(columns[i], columns[len(bits) + i] if n > 1 else [], n, order)))
    lines = []
    for i in range(n):
        line = f"row={row_stream // 4 + i}  t_mono_ms={times[i]}  t_utc_ms={zero // 4 + times[i]}"
        lines.append("  ".join([line, *(f"{name}={c[i]}" for name, c in named if c[i] is not None)]))
    return lines


def test_a_stranger_can_decode_the_worked_frames() -> None:
    blocks = re.findall(r"```\n([0-9a-f\n]+)\n\n\d+ bytes\n.*?\n((?:row=.*\n)+)MAC good", TEXT)
    assert len(blocks) == 3
    for digits, lines in blocks:
        assert decode(bytes.fromhex(digits.replace("\n", ""))) == lines.splitlines()
