"""The command line: help of each command, one line for each mistake, no traceback."""

import subprocess
import sys

import pytest

from sim import cli


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as told:
        cli.main([command, "--help"])
    assert told.value.code == 0
    assert f"zhantu-sim {command}" in capsys.readouterr().out


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as told:
        cli.main(["--help"])
    assert told.value.code == 0
    out = capsys.readouterr().out
    assert all(command in out for command in cli.COMMANDS)


@pytest.mark.parametrize("words", [[], ["flood"], ["load", "--unit"], ["sizes"]])
def test_words_that_are_not_understood_are_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as told:
        cli.main(words)
    assert told.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


MISTAKES = [
    (["sizes", "none.csv"], "none.csv: No such file"),
    (["run", "none.yaml", "--digest", "5"], "none.yaml: No such file"),
    (["run", "--digest", "0"], "--digest: 0 seconds, 1–86400 allowed"),
    (["run"], "--keys: a folder"),
    (["run", "--keys", ".", "--mqtt", "somewhere"], "--mqtt: 'somewhere', HOST:PORT"),
    (["run", "--keys", ".", "--realm", "No"], "realm 'No'"),
    (["load", "--keys", "none"], "none is not a folder"),
    (["load", "--master", "none"], "none: No such file"),
    (["load", "--keys", ".", "--units", "0"], "--units: 0, 1–100000 allowed"),
    (["load", "--keys", ".", "--hz", "nan"], "--hz: nan"),
    (["load", "--keys", ".", "--units", "100000", "--hz", "100"], "at most 50000 allowed"),
    (["load", "--keys", ".", "--hub", "http://192.0.2.1:8600"], "--yes-not-loopback allows it"),
    (["load", "--keys", ".", "--mqtt", "example.net:1883"], "--yes-not-loopback allows it"),
    (["load", "--keys", ".", "--hub", "ftp://x"], "http://HOST:PORT is needed"),
    (["demo", "--port", "0"], "--port: 0, 1–65535 allowed"),
    (["demo", "--scenario", "none.yaml"], "none.yaml: No such file"),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_line_and_exit_code_1(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 1
    err = capsys.readouterr().err
    assert told in err
    assert err.startswith(f"zhantu-sim {words[0]}: ")
    assert err.count("\n") == 1


def test_a_defect_of_ours_is_not_hidden(monkeypatch):
    from sim import sizes

    def broken(_args):
        raise ValueError("not meant for a person")

    monkeypatch.setattr(sizes, "run", broken)
    with pytest.raises(ValueError, match="not meant"):
        cli.main(["sizes", "x.csv"])


def test_the_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "sim", "--help"], capture_output=True, text=True, check=True)
    assert "zhantu-sim" in done.stdout
