"""The demo's own parts: roster, ports, what is said when a program fails."""

import csv
import socket
import tomllib
from pathlib import Path

import pytest

from sim import agents, cli, demo, run, scenario
from sim.equipment import Equipment


def test_the_roster_holds_every_unit(tmp_path):
    drill = scenario.load(scenario.built_in())
    demo.write_roster(drill, tmp_path / "roster.csv")
    with (tmp_path / "roster.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert rows[0] == {
        "device": "1001",
        "callsign": "济南消防-01",
        "kind": "vehicle",
        "branch": "fire",
        "team": "消防救援",
        "stale_s": "30",
        "lost_s": "120",
    }


@pytest.mark.parametrize("option", ["--port", "--mqtt-port"])
def test_a_port_in_use_is_one_clear_line(option, capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = {"--port": "--mqtt-port", "--mqtt-port": "--port"}[option]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        code = cli.main(["demo", "--data", str(tmp_path), option, str(port), other, str(free)])
    err = capsys.readouterr().err
    assert code == 1
    assert f"{option}: port {port} is in use" in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], (
        "nothing is started or written before the ports are known to be free"
    )


def test_the_agents_configuration_is_toml_that_holds_all(tmp_path):
    unit = next(unit for unit in scenario.load(scenario.built_in()).units if unit.fidelity == "agent")
    ports = Equipment(unit, 7).ports
    tables = [line for port in ports for line in port.toml(Path("/run/x\\y"))]
    settings = "[guard.pass]\npre_s = 5.0"
    text = agents.config_toml(unit, "127.0.0.1", 1884, "live", tmp_path / '战"图.key', tables, settings)
    told = tomllib.loads(text)
    assert told["device"]["number"] == 1001
    assert told["device"]["callsign"] == "济南消防-01"
    assert told["device"]["key_file"] == str(tmp_path / '战"图.key')
    assert told["port"] == [
        {"name": "gnss", "path": "/run/x\\y", "driver": "gnss", "baud": 0},
        {
            "name": "bus", "path": "/run/x\\y", "driver": "modbus", "baud": 9_600,
            "options": {"maps": ["gas-detector"]},
        },
        {"name": "obd", "path": "/run/x\\y", "driver": "obd", "baud": 38_400},
    ]  # fmt: skip
    assert told["guard"] == {"pass": {"pre_s": 5.0}}
    assert told["mqtt"] == {"host": "127.0.0.1", "port": 1884}


def test_starts_are_remembered_and_bounded(tmp_path):
    path = tmp_path / "new" / "starts.txt"
    assert run.remember_start(path, 1) == []
    for start in range(2, 20):
        earlier = run.remember_start(path, start)
    assert earlier == list(range(11, 19))
    path.write_text("junk 5 -3 99999999999999999999")
    assert run.remember_start(path, 6) == [5]
