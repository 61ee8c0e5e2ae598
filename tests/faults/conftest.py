"""Fixtures of the campaign of faults: the recorder of writes, and the length of each campaign.

SEED and MINUTES in the environment choose the long form (`make faults`); without them each test runs its short one.
"""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

HERE = Path(__file__).parent
SEED = int(os.environ.get("SEED", "20261124"))
MINUTES = float(os.environ.get("MINUTES", "0"))


@pytest.fixture(scope="session")
def seed() -> int:
    return SEED


@pytest.fixture(scope="session")
def powercut() -> SimpleNamespace:
    """The functions of powercut.py."""
    return SimpleNamespace(**runpy.run_path(str(HERE / "powercut" / "powercut.py")))


@pytest.fixture(scope="session")
def recorder(powercut: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = powercut.build(tmp_path_factory.mktemp("recorder"))
    return made


@pytest.fixture
def recorded(powercut: SimpleNamespace, recorder: Path, tmp_path: Path) -> Callable[..., Any]:
    """Runs a program of powercut/ under the recorder: its operations, and the folder it wrote to."""

    def run(program: str, *arguments: str) -> tuple[list[Any], Path]:
        data, log = tmp_path / "data", tmp_path / "operations"
        data.mkdir()
        command = [sys.executable, str(HERE / "powercut" / program), str(data), *arguments]
        environment = powercut.environment(recorder, log, data) | {"PYTHONPATH": str(HERE.parents[1])}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return powercut.load(log), data

    return run
