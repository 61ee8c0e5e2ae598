"""The demo as a user starts it: a link that signs in, units with positions, nothing left, and again on the data."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sim.access import HubAddress, sign_in, token_of

pytestmark = pytest.mark.slow


@pytest.fixture
def command(drill_text, tmp_path):
    """The demo with a small drill of which one unit is a real agent, on ports of its own."""
    path = tmp_path / "drill.yaml"
    text = drill_text.replace("device: 1001,", "device: 1001, fidelity: agent, receiver: nmea,")
    path.write_text(text.replace("at_s: 5,", "at_s: 3000,"), encoding="utf-8")
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], two.getsockname()[1]
    where = ["--data", str(tmp_path / "data"), "--port", str(ports[0]), "--mqtt-port", str(ports[1])]
    return [sys.executable, "-m", "sim", "demo", *where, "--scenario", str(path)]


def descendants(pid):
    """The processes below one, by number."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            parents[int(stat.parent.name)] = int(fields[1])
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def running(pids):
    out = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            out.add(pid)
    return out


class Demo:
    """A running demo, signed in to by its link."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert "http" in line, self.process.communicate()[1]
        link = next(word for word in line.split() if word.startswith("http"))
        self.hub = HubAddress.parse(link.partition("#")[0])
        self.cookie = sign_in(self.hub, token_of(link))

    def units(self):
        connection = http.client.HTTPConnection(self.hub.host, self.hub.port, timeout=10)
        connection.request("GET", "/api/v1/units", headers={"Cookie": self.cookie})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return {unit["device"]: unit for unit in answer["units"]}

    def end(self, number):
        os.kill(self.process.pid, number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out + err


def test_the_demo_shows_units_and_leaves_nothing(command, wait_until):
    for number, wanted in ((signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)):
        demo = Demo(command)
        before = demo.units()
        pids = descendants(demo.process.pid)
        try:
            assert len(pids) >= 2, "the hub and one agent"
            assert set(before) == {1001, 1002, 2001, 2002}

            def moved(demo=demo, before=before):
                now = demo.units()
                return all((now[d]["t_fix_utc_ms"] or 0) > (before[d]["t_fix_utc_ms"] or 0) for d in before)

            wait_until(moved)
        finally:
            code, said = demo.end(number)
        assert code == wanted, said
        assert "Traceback" not in said
        wait_until(lambda pids=pids: not running(pids))


def test_a_hub_that_ends_early_ends_the_demo_with_its_last_lines(command, wait_until):
    demo = Demo(command)
    pids = descendants(demo.process.pid)
    [hub] = [pid for pid in pids if b"hub\0run" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(hub, signal.SIGTERM)
    _out, err = demo.process.communicate(timeout=30)
    assert demo.process.returncode == 1
    assert "hub ended" in err
    assert "its last lines" in err
    assert "#t=" not in err, "a token does not belong into last words"
    wait_until(lambda: not running(pids))
