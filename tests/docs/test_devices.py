"""docs/devices.md: every ```toml block there is a configuration that the agent takes.

A block that begins with a line `# file: NAME` is a file that another block names.
"""

import re
from pathlib import Path

import pytest

from edge.config import load

TEXT = (Path(__file__).resolve().parents[2] / "docs/devices.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# file: (\S+)\n")


@pytest.mark.parametrize("block", [block for block in BLOCKS if not FILE.match(block)])
def test_the_block_loads(block: str, tmp_path: Path) -> None:
    for other in BLOCKS:
        named = FILE.match(other)
        if named:
            (tmp_path / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / named[1]).write_text(other, encoding="utf-8")
    head = "" if "[device]" in block else "[device]\nnumber = 1\n"
    (tmp_path / "edge.toml").write_text(head + block, encoding="utf-8")
    assert load(tmp_path / "edge.toml").ports or "[[port]]" not in block


def test_there_are_blocks() -> None:
    assert BLOCKS
