"""The command line: every command's help, rosters, links, exports, holds, the doctor, settings."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hub import roster, settings
from hub.cli import COMMANDS, main
from hub.commands import doctor
from hub.commands.opening import utc_ms
from hub.errors import RosterError, SettingsError
from hub.identity.authority import SERVER_DAYS, Authority
from hub.identity.keys import load_master
from protocols.keys import device_key
from protocols.units import MS_PER_DAY

T0 = 1_795_000_000_000
HEAD = "device,callsign,kind,branch,team"


@pytest.mark.parametrize(
    "words", [[], *[[c] for c in COMMANDS], ["user", "link"], ["roster", "add"], ["hold", "add"]]
)
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*words, "--help"])
    assert end.value.code == 0
    assert "usage: zhantu-hub" in capsys.readouterr().out


def test_help_is_fast_because_nothing_heavy_is_loaded() -> None:
    heavy = "('numpy', 'fastapi', 'sqlite_utils', 'paho')"
    code = f"import sys, hub.cli; hub.cli.parser(); print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


# --- rosters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0,A,person,fire,T", "line 2: device '0', a whole number 1–4294967295 is needed"),
        ("x,A,person,fire,T", "line 2: device 'x'"),
        ("٣,A,person,fire,T", "line 2: device"),
        ("5,,person,fire,T", "line 2: callsign is empty"),
        ("5,A,dog,fire,T", "line 2: kind 'dog', allowed are person, vehicle, drone, vessel, base"),
        ("5,A,person,navy,T", "line 2: branch 'navy', allowed are fire"),
        ("5,A,person,fire", "line 2: 4 columns, 5 needed"),
        ("5,A,person,fire,T\n\n5,B,person,fire,T", "line 4: device 5 stands on line 2 already"),
        (f"5,{'A' * 41},person,fire,T", "at most 40 printable characters"),
        ("5,A\x07,person,fire,T", "printable"),
    ],
)
def test_roster_errors_say_where_and_what(line: str, words: str) -> None:
    with pytest.raises(RosterError) as err:
        roster.parse(f"{HEAD}\n{line}\n", "team.csv")
    assert "team.csv: " in str(err.value)
    assert words in str(err.value)


def test_roster_columns() -> None:
    with pytest.raises(RosterError, match="line 1: columns"):
        roster.parse("device,name\n", "x.csv")
    with pytest.raises(RosterError, match="no units"):
        roster.parse(HEAD, "x.csv")
    with pytest.raises(RosterError, match="lost_s 10 is less than stale_s 20"):
        roster.parse(f"{HEAD},stale_s,lost_s\n5,A,,,,20,10", "x.csv")
    ((device, unit),) = roster.parse(f"\ufeff{HEAD},stale_s\n5,泰山-01,,,,60", "x.csv")
    assert (device, unit.callsign, unit.kind, unit.branch, unit.stale_s, unit.lost_s) == (
        5,
        "泰山-01",
        "person",
        "other",
        60,
        300,
    )


def test_import_writes_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, data, keys = tmp_path / "r.csv", tmp_path / "data", tmp_path / "keys"
    file.write_text(f"{HEAD}\n5,A,person,fire,T\n6,B,vehicle,medical,T\n")
    assert main(["roster", "import", str(file), "--data", str(data), "--keys", str(keys)]) == 0
    master = load_master(data / "master.key")
    for device in (5, 6):
        path = keys / f"{device}.key"
        assert bytes.fromhex(path.read_text()) == device_key(master, "live", device)
        assert path.stat().st_mode & 0o777 == 0o600
    assert (data / "master.key").stat().st_mode & 0o777 == 0o600
    assert main(["roster", "list", "--data", str(data)]) == 0
    assert "u2\tB\tvehicle\tmedical\tT\t30\t300\t\t6" in capsys.readouterr().out


def test_a_bad_line_registers_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r.csv"
    file.write_text(f"{HEAD}\n5,A,person,fire,T\n6,B,boat,fire,T\n")
    assert main(["roster", "import", str(file), "--data", str(tmp_path), "--keys", str(tmp_path / "k")]) == 1
    assert "r.csv: line 3: kind 'boat'" in capsys.readouterr().err
    main(["roster", "list", "--data", str(tmp_path)])
    assert "A" not in capsys.readouterr().out.splitlines()[1:]


def test_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "roster",
        "add",
        "--data",
        str(tmp_path),
        "--count",
        "12",
        "--first-device",
        "100",
        "--prefix",
        "L",
    ]
    assert main(words) == 0
    assert "12 units: 12 new devices, 0 changed" in capsys.readouterr().out
    main(["roster", "list", "--data", str(tmp_path)])
    assert "\tL12\t" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "mode"), [("zz", 0o600), ("00" * 31, 0o600), ("00" * 32, 0o644), (None, 0)])
def test_master_key_must_be_whole_and_private(
    tmp_path: Path, text: str | None, mode: int, capsys: Any
) -> None:
    if text is not None:
        (tmp_path / "master.key").write_text(text)
        (tmp_path / "master.key").chmod(mode)
    assert main(["doctor", "--data", str(tmp_path)]) == 1
    assert "master key" in capsys.readouterr().out


# --- people, holds ---------------------------------------------------------------------------------------------


def test_links_and_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path)]
    assert main(["user", "link", *data, "--name", "Li", "--role", "commander", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["link"] == f"http://127.0.0.1:8600/#t={said['token']}"
    assert len(said["token"]) == 22, "128 bits"
    main(["user", "list", *data])
    assert capsys.readouterr().out.startswith("Li\tcommander\t")
    assert main(["user", "sessions", *data]) == 0
    assert main(["user", "end", *data, "nobody"]) == 1


def test_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path)]
    window = ["--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00+08:00"]
    assert main(["hold", "add", *data, *window, "--reason", "mine fire"]) == 0
    main(["hold", "list", *data])
    assert "2026-11-01T16:00:00.000Z\tmine fire" in capsys.readouterr().out
    assert main(["hold", "end", *data, "1"]) == 0
    assert main(["hold", "end", *data, "1"]) == 1
    assert main(["hold", "add", *data, "--from", "2026-11-01T00:00:00", "--to", "5", "--reason", "x"]) == 1
    assert "needs its zone" in capsys.readouterr().err


# --- export, doctor ----------------------------------------------------------------------------------------------


@pytest.fixture
def filled(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    (bench.folder / "master.key").write_text(bytes(range(32)).hex())
    (bench.folder / "master.key").chmod(0o600)
    bench.folder.chmod(0o700)
    rows = [{"lat_deg_e7": 366_500_000 + i, "lon_deg_e7": 1_170_000_000, "alt_dm": 123} for i in range(5)]
    bench.put(bench.frame(row=0, rows=rows, t_ms=T0 - 4_000))
    bench.put(bench.frame(row=3, rows=rows, t_ms=T0 - 1_000, lane=3))
    bench.put(bench.event(0))
    return bench


def exported(bench: Any, out: Path, *more: str) -> str:
    window = ["--from", str(T0 - 60_000), "--to", str(T0 + 60_000)]
    assert main(["export", "--data", str(bench.folder), *window, "--out", str(out), *more]) == 0
    return out.read_text()


def test_every_row_once(filled: Any, tmp_path: Path) -> None:
    lines = exported(filled, tmp_path / "x.csv").splitlines()
    assert lines[0].startswith("realm,mark,t_utc,t_hub,unit,callsign,device,boot,stream,row,kind,lat_deg_e7,")
    assert len(lines) == 1 + 8 + 1
    rows = [
        json.loads(line) for line in exported(filled, tmp_path / "x.jsonl", "--format", "jsonl").splitlines()
    ]
    assert sorted(row["row"] for row in rows if row["stream"] == 1) == list(range(8))
    assert {row["callsign"] for row in rows} == {"C7"}
    gpx = exported(filled, tmp_path / "x.gpx", "--format", "gpx")
    assert gpx.count("<trkpt") == 8
    assert "<ele>12.3</ele><time>2026-11-18T" in gpx
    filled.enrol(8)
    assert len(exported(filled, tmp_path / "y.csv", "--unit", "C8").splitlines()) == 1
    assert "export" in str(filled.registry.records())


def test_a_drill_is_marked(filled: Any, tmp_path: Path) -> None:
    filled.registry.set_setting("realm", "drill")
    assert (
        main(["export", "--data", str(filled.folder), "--from", "0", "--to", str(2**45), "--out", os.devnull])
        == 1
    ), "the keys are another realm's"


def test_doctor(filled: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.commands.doctor.EARLIEST_UTC_MS", 0)
    assert main(["doctor", "--data", str(filled.folder)]) == 0
    said = capsys.readouterr().out
    for part in ("key", "registry", "records", "log", "disk", "forecast", "clock", "broker"):
        assert part in said
    assert "all is well" in said
    filled.registry.record(T0, "Li", "x", {})
    filled.registry._file.write("UPDATE records SET who = 'Wang'", [])
    (filled.folder / "log" / "2020-01-01.db").write_bytes(b"not a database, not at all" * 100)
    assert main(["doctor", "--data", str(filled.folder), "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    bad = [finding["words"] for finding in findings if finding["level"] == "bad"]
    assert any("does not fit the chain" in words for words in bad)
    assert any("2020-01-01" in words for words in bad)


def test_doctor_on_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data", str(tmp_path / "none")]) == 1
    assert "no folder" in capsys.readouterr().out


def findings(data: Path, capsys: pytest.CaptureFixture[str], part: str) -> list[tuple[str, str]]:
    """What the doctor says of one part: (level, words)."""
    capsys.readouterr()
    main(["doctor", "--data", str(data), "--json"])
    said = json.loads(capsys.readouterr().out)["findings"]
    return [(one["level"], one["words"]) for one in said if one["part"] == part]


def test_doctor_on_an_open_folder(filled: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert [level for level, _ in findings(filled.folder, capsys, "key")] == ["ok"]
    filled.folder.chmod(0o750)
    assert ("bad", "the data folder has mode 0750, 0700 needed") in findings(filled.folder, capsys, "key")


def test_doctor_before_the_first_start(filled: Any, capsys: pytest.CaptureFixture[str]) -> None:
    said = [("warn", "not made yet; `zhantu-hub run` or `enrol` makes it")]
    assert findings(filled.folder, capsys, "authority") == said


@pytest.mark.parametrize(
    ("name", "life_days", "warned_days"),
    [
        ("broker", SERVER_DAYS, doctor.SERVER_DAYS_LEFT_MIN),
        ("web", SERVER_DAYS, doctor.SERVER_DAYS_LEFT_MIN),
    ],
)
def test_doctor_on_certificates_that_end(
    filled: Any, capsys: pytest.CaptureFixture[str], name: str, life_days: int, warned_days: int
) -> None:
    tls = filled.folder / "tls"

    def said(left_days: float) -> tuple[str, str]:
        """Of a certificate that was made so long ago that this many days are left."""
        made_ms = utc_ms() - int((life_days - left_days) * MS_PER_DAY)
        shutil.rmtree(tls, ignore_errors=True)
        authority = Authority(filled.master, "live", tls, lambda: made_ms)
        authority.server(["127.0.0.1"], name)
        (found,) = [one for one in findings(filled.folder, capsys, "authority") if name_words in one[1]]
        return found

    name_words = {"broker": "broker's", "web": "screen's"}[name]
    words = f"the {name_words} certificate holds {{}} days more"
    assert said(warned_days + 1.5) == ("ok", words.format(warned_days + 1))
    assert said(warned_days - 0.5) == ("warn", words.format(warned_days - 1))
    assert said(-1.5) == ("bad", words.format(-2))


def test_doctor_on_devices_whose_certificate_ends(filled: Any, capsys: pytest.CaptureFixture[str]) -> None:
    devices = filled.registry.devices

    def certificate(device: int, left_days: float) -> None:
        now_ms = utc_ms()
        devices.reserve(device, "gateway", False, now_ms)
        devices.activate(device, "", now_ms)
        devices.add_certificate(f"{device:x}", device, 0, 0, now_ms + int(left_days * MS_PER_DAY))

    certificate(21, doctor.DEVICE_DAYS_LEFT_MIN + 1)
    certificate(22, 1)
    devices.revoke(22, "lost", utc_ms())
    assert findings(filled.folder, capsys, "devices") == [("ok", "2 may send, 1 revoked")], "7 and 21"
    certificate(23, doctor.DEVICE_DAYS_LEFT_MIN - 1)
    for device in range(31, 33 + doctor.NUMBERS_SHOWN_MAX):
        certificate(device, -1)
    numbers = ", ".join(str(device) for device in range(31, 31 + doctor.NUMBERS_SHOWN_MAX))
    assert findings(filled.folder, capsys, "devices") == [
        ("warn", f"certificate ended: {numbers} and 2 more"),
        ("warn", f"certificate ends within {doctor.DEVICE_DAYS_LEFT_MIN} days: 23"),
    ]


# --- settings ------------------------------------------------------------------------------------------------------


def test_sample_holds_every_key_with_its_default() -> None:
    path = Path(settings.__file__).parent / "sample.toml"
    values = tomllib.loads(path.read_text())
    assert list(values) == [field.name for field in fields(settings.Settings)]
    assert settings.load(path, {}) == settings.Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 1", "unknown key 'prot', did you mean 'port'?"),
        ("port = '1'", "port = '1', int needed"),
        ("port = 70000", "0–65535 allowed"),
        ("realm = 'No!'", "allowed are 1–16"),
        ("tls_cert = 'a.pem'", "go together"),
        ("port = ", "Invalid value"),
    ],
)
def test_wrong_settings(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "hub.toml").write_text(text)
    with pytest.raises(SettingsError) as err:
        settings.load(tmp_path / "hub.toml", {})
    assert words in str(err.value)


def test_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text("port = 1\nhost = '10.0.0.1'")
    assert settings.load(tmp_path / "hub.toml", {"port": 2, "realm": None}).port == 2


# --- as a program ----------------------------------------------------------------------------------------------------


def test_run_says_where_and_ends_with_its_children(tmp_path: Path, free_port: Callable[[], int]) -> None:
    words = [
        sys.executable,
        "-m",
        "hub",
        "run",
        "--data",
        str(tmp_path / "d"),
        "--port",
        "0",
        "--print-link",
        "--json",
    ]
    with subprocess.Popen(
        [*words, "--mqtt-port", str(free_port())], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as hub:
        assert hub.stdout is not None
        said = json.loads(hub.stdout.readline())
        assert said["link"].startswith(said["http"] + "/#t=")
        hub.terminate()
        assert hub.wait(15) == 0
    assert main(["doctor", "--data", str(tmp_path / "d")]) == 0


def test_run_on_a_taken_port(
    tmp_path: Path, free_port: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["run", "--data", str(tmp_path / "a"), "--port", port]) == 1
        assert main(["run", "--data", str(tmp_path / "b"), "--port", "0", "--mqtt-port", port]) == 1
    said = capsys.readouterr().err
    assert "another --port" in said
    assert "another with --mqtt-port" in said
