"""Children: their start line, their last words, and that none outlives its parent."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sim import programs
from sim.programs import ProgramError


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Starts a Python text as `python -m child`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = []

    def start(text):
        (tmp_path / "child.py").write_text(textwrap.dedent(text))
        started.append(programs.start("the child", ["child"]))
        return started[-1]

    yield start
    programs.stop_all(started)


def alive(pid):
    """Whether a process runs; one that is dead and not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_start_line_is_found_among_other_output(module):
    child = module("""
        import sys, time
        print("{not json"); print("[1]"); print('{"link": "http://x"}', flush=True)
        print("noise", file=sys.stderr); sys.stdin.read(); time.sleep(60)
    """)
    assert child.start_line(20.0) == {"link": "http://x"}
    child.check()
    programs.stop_all([child])
    assert not child.running()


def test_a_child_that_ends_early_is_reported_with_its_last_lines(module):
    child = module("""
        import sys
        for number in range(100): print("line", number)
        print("port 8600 is in use", file=sys.stderr); sys.exit(3)
    """)
    with pytest.raises(ProgramError) as told:
        child.start_line(20.0)
    assert "the child ended with exit code 3" in str(told.value)
    assert "line 99" in str(told.value)
    assert "in use" in str(told.value)
    assert str(told.value).count("\n") == programs.LINES_SHOWN + 1


def test_a_child_that_does_not_stop_is_killed(module, monkeypatch):
    monkeypatch.setattr(programs, "STOP_S", 0.2)
    child = module("""
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{"up": 1}', flush=True); time.sleep(60)
    """)
    child.start_line(20.0)
    child.terminate()
    child.wait(0.2)
    assert not child.running()
    with pytest.raises(ProgramError, match="signal 9"):
        child.check()


def test_nothing_is_left_when_the_parent_is_killed(wait_until):
    text = """
        import sys
        from sim import programs
        child = programs.start("sleeper", ["http.server", "--bind", "127.0.0.1", "0"])
        print(child.pid, flush=True)
        child.wait(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        wait_until(lambda: alive(pid))
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))
