"""Fixtures of the campaign of faults: its length, its parts, and the table that its long form writes.

SEED and MINUTES in the environment choose the long form (`make faults`); without them each test runs its short one.
"""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
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
def minutes() -> float:
    """Of the long form; 0 in the short one."""
    return MINUTES


@pytest.fixture(scope="session")
def table() -> SimpleNamespace:
    """The functions of table.py."""
    return SimpleNamespace(**runpy.run_path(str(HERE / "table.py")))


@pytest.fixture(scope="session")
def report(table: SimpleNamespace) -> Iterator[Callable[..., None]]:
    """Takes a line of the table. The long form writes what came together into docs/reliability.md; a run of a few
    tests only leaves the page as it is."""
    lines: dict[str, Any] = {}

    def take(fault: str, **figures: Any) -> None:
        lines[fault] = table.joined(lines.get(fault), table.Line(fault, **figures))
        print(f"{fault}: {lines[fault]}")

    yield take
    if MINUTES and len(lines) >= table.FAMILIES_MIN:
        table.write(list(lines.values()), SEED, MINUTES)


@pytest.fixture(scope="session")
def parts() -> SimpleNamespace:
    """The classes of world.py."""
    return SimpleNamespace(**runpy.run_path(str(HERE / "world.py")))


@pytest.fixture(scope="session")
def bench_parts() -> SimpleNamespace:
    """The hub without sockets that the hub's own tests use."""
    return SimpleNamespace(**runpy.run_path(str(HERE.parent / "hub" / "conftest.py")))


@pytest.fixture
def new_world(
    parts: SimpleNamespace, bench_parts: SimpleNamespace, tmp_path: Path
) -> Iterator[Callable[..., Any]]:
    """Makes a gateway and a hub in virtual time."""
    made: list[Any] = []

    def make(seed: int, *ways: Any, **how: Any) -> Any:
        folder = tmp_path / f"world-{len(made)}"
        made.append(parts.World(bench_parts.Bench, bench_parts.FakeClock(), folder, seed, list(ways), **how))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture(scope="session")
def judge(report: Callable[..., None]) -> Callable[..., Any]:
    """Settles a world, holds it to the promise, and notes its line."""

    def check(fault: str, world: Any, times: int) -> Any:
        world.settle()
        found = world.outcome()
        assert (found.lost, found.twice, found.changed) == (0, 0, 0), (fault, found)
        assert world.spool.count() == 0, (fault, "rows remain in the spool")
        report(
            fault, times=times, made=found.made, stored=found.stored, shed=found.shed, lost=found.lost,
            twice=found.twice, worst_s=found.worst_ms / 1_000,
        )  # fmt: skip
        return found

    return check


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
