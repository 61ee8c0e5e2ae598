"""The READMEs' commands: every program, command and option they name exists, both languages name the same ones, and
those that end by themselves are run."""

import re
import shlex
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "*/README.md")
    for path in ROOT.glob(pattern)
    if ".venv" not in path.parts
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHELLS = ("", "sh", "bash")
PROGRAMS = {"zhantu-edge": "edge", "zhantu-hub": "hub", "zhantu-sim": "sim"}


def lines_of(page: Path) -> list[str]:
    """The command lines of a page's blocks, without comments."""
    text = page.read_text(encoding="utf-8")
    blocks = [block for language, block in BLOCK.findall(text) if language in SHELLS]
    found = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in found if line and not line.startswith("#")]


def calls_of(page: Path) -> list[list[str]]:
    """Calls of our programs as words: program, command, options."""
    calls = []
    for line in lines_of(page):
        words = shlex.split(line.split(" > ")[0].split(" && ")[-1])
        if words and Path(words[0]).name in PROGRAMS:
            calls.append([Path(words[0]).name, *words[1:]])
    return calls


@cache
def help_of(module: str, *commands: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *commands, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, f"{module} {commands}: {done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_exists(page: Path) -> None:
    for program, command, *rest in calls_of(page):
        if any(mark in command for mark in "{<…"):
            continue
        text = help_of(PROGRAMS[program], command)
        if rest and re.match(r"[a-z]+\Z", rest[0]) and re.search(rf"^    {rest[0]}\b", text, re.MULTILINE):
            text = help_of(PROGRAMS[program], command, rest[0])
        for word in rest:
            if word.startswith("--"):
                assert word.split("=")[0] in text, f"{page.name}: {program} {command} has no {word}"


def test_both_languages_name_the_same_commands() -> None:
    english, chinese = (calls_of(ROOT / name) for name in ("README.md", "README.zh-CN.md"))
    assert english == chinese
    assert len(english) >= 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, (page.name, named - targets)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_the_readmes_way_to_a_real_receiver_works(tmp_path: Path) -> None:
    """Hub beyond loopback, code, enrolment, check: as written, in one folder; only the ports are free ones."""
    calls = {tuple(call[:2]): call for call in calls_of(ROOT / "README.md")}

    def words(program: str, command: str, *more: str) -> list[str]:
        return [sys.executable, "-m", PROGRAMS[program], *calls[program, command][1:], *more]

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
        )  # fmt: skip

    ports = ["--port", free_port(), "--mqtt-port", free_port(), "--devices-port", free_port()]
    with (
        (tmp_path / "hub.log").open("w") as errors,
        subprocess.Popen(
            words("zhantu-hub", "run", *ports), stdout=subprocess.PIPE, stderr=errors, text=True, cwd=tmp_path
        ) as hub,
    ):
        try:
            assert hub.stdout is not None
            said = hub.stdout.readline()
            assert "https://" in said, said + (tmp_path / "hub.log").read_text()
            made = run(words("zhantu-hub", "enrol"))
            assert made.returncode == 0, made.stderr
            (code,) = [
                line.split(" ", 1)[1].strip() for line in made.stdout.splitlines() if line.startswith("code ")
            ]
            enrolled = run([code if word == "CODE" else word for word in words("zhantu-edge", "enrol")])
            assert enrolled.returncode == 0, enrolled.stderr
            assert "济南消防-11" in enrolled.stdout
            assert (tmp_path / "gateway/device.key").stat().st_mode & 0o777 == 0o600
            checked = run(words("zhantu-edge", "check", "--seconds", "1"))
            assert "hub: answers in" in checked.stdout, checked.stdout + checked.stderr
            again = run(
                [code if word == "CODE" else word for word in words("zhantu-edge", "enrol", "--replace")]
            )
            assert (again.returncode, "used" in again.stderr) == (1, True), again.stderr
        finally:
            hub.terminate()
            hub.wait(20)
