"""The README names every file, command, scenario key and report key."""

import re
from pathlib import Path

import pytest

from sim import cli, load, scenario, sizes

ROOM = Path(scenario.__file__).parent
README = (ROOM / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [p.name for p in sorted(ROOM.glob("*.py")) if not p.name.startswith("__")])
def test_every_file_is_named(path):
    assert f"`{path}`" in README or path == "cli.py"


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_is_named(command):
    assert f"`zhantu-sim {command}" in README


def test_every_key_of_a_drill_is_named():
    for key in (*scenario._TOP, *scenario._UNIT_KEYS, *scenario._PATHS):
        assert f"`{key}" in README, key
    for name in (*scenario.DEVICES, *scenario.HAPPENINGS):
        assert f"| `{name}` |" in README, name


def test_every_key_of_a_report_is_named():
    for key in re.findall(r'"(\w+)"', sizes.EPILOG):
        assert re.search(rf'[`"]{key}[`"]', README), key
    for key in ("late_s_max", "generator_cpu", "screen_gaps", "rows_lost", "acks_bad"):
        assert key in README
        assert key in load.EPILOG
