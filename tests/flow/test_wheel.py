"""The wheel: the edge runs from it with its extras alone, and the screen is inside it whole."""

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APART = {"firmware_bridge.apart.ais": "zhantu[ais]", "firmware_bridge.apart.ble": "zhantu[ble]"}
"""Run as processes of their own, with an extra of their own."""
HEAVY = ("numpy", "pydantic", "fastapi", "sqlite_utils", "uvicorn", "starlette")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-build-isolation",
         "--no-deps", "-w", folder, ROOT],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (made,) = folder.glob("zhantu-*.whl")
    return made


@pytest.fixture(scope="module")
def edge_only(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content and what the extra [edge] names, and nothing else."""
    folder = tmp_path_factory.mktemp("edge-only")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in ("msgpack", "paho", "serial"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        home = Path(next(iter(spec.submodule_search_locations or ())))
        (folder / name).symlink_to(home)
    return folder


def alone(edge_only: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python without its site-packages: only the standard library and that folder."""
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        env={"PYTHONPATH": str(edge_only), "PATH": os.environ["PATH"], "PYTHONSAFEPATH": "1"},
        cwd=edge_only, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_edge_runs_with_its_extra_alone(edge_only: Path) -> None:
    done = alone(edge_only, "-m", "edge", "--help")
    assert done.returncode == 0, done.stderr
    assert "run the agent" in done.stdout
    modules = [
        ".".join(path.relative_to(edge_only).with_suffix("").parts)
        for room in ("edge", "protocols", "firmware_bridge")
        for path in sorted((edge_only / room).rglob("*.py"))
        if path.stem not in ("__main__", "__init__")
    ]
    modules = [name for name in modules if name not in APART]
    code = f"""
import importlib, sys
for heavy in {HEAVY!r}:
    try:
        importlib.import_module(heavy)
    except ImportError:
        continue
    raise SystemExit(heavy + " is here, so this proves nothing")
for name in {modules!r}:
    importlib.import_module(name)
assert "asyncio" not in sys.modules, "asyncio"
"""
    done = alone(edge_only, "-c", code)
    assert done.returncode == 0, done.stderr


def test_without_its_extra_a_process_apart_says_what_to_install(edge_only: Path) -> None:
    """The one of AIS: that of Bluetooth ends with its standard input, here perhaps before it looks for its extra."""
    module = "firmware_bridge.apart.ais"
    done = alone(edge_only, "-m", module, "--path", "/dev/null")
    assert done.returncode != 0
    assert APART[module] in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_configuration_is_one_clear_line(edge_only: Path) -> None:
    done = alone(edge_only, "-m", "edge", "run", "--config", "none.toml")
    assert done.returncode == 1
    assert done.stderr.strip() == "zhantu-edge: none.toml: No such file or directory"


def test_the_screen_is_in_the_wheel_and_asks_for_nothing_outside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert not any(name.startswith("hub/web/") or "node_modules" in name for name in names)
        page = archive.read("hub/static/index.html").decode()
        wanted = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert len(wanted) >= 2
        for url in wanted:
            assert not re.match(r"(?:https?:)?//", url), url
            assert "hub/static/" + url.lstrip("./") in names, url
        outside = {
            url.decode()
            for name in names if name.startswith("hub/static/") and name.endswith((".js", ".css", ".html"))
            for url in re.findall(rb"(?:fetch|import|url)\(\s*[\"']?(https?://[^\"')]+)", archive.read(name))
        }  # fmt: skip
        assert outside == set()
        for name in ("edge/sample.toml", "edge/systemd/zhantu-edge.service", "hub/py.typed"):
            assert name in names
