"""The gateway's command line, as a newcomer types it."""

import json
from pathlib import Path

import pytest

from edge.cli import main
from firmware_bridge.drivers import DRIVERS
from protocols import frame
from protocols.catalog import FIELDS_BY_NAME, Kind, Lane, Stream
from protocols.keys import MacKey

GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
RMC = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230326,003.1,W*69\r\n"
HEAD = {"kind": Kind.STATE, "lane": Lane.LIVE, "device": 1007, "boot": 5, "stream": Stream.ROWS, "row": 3}


@pytest.fixture
def packed(mac_key: MacKey) -> bytes:
    return frame.pack(
        mac_key, rows=[frame.Row(10, {0: 7, 6: 131})], utc_zero_ms=1_000, clock_source=1, **HEAD
    )  # type: ignore[arg-type]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "k"
    path.write_text(bytes(range(32)).hex())
    return path


def test_decode_prints_one_sample_a_line_and_a_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "a.log"
    checksum = 0
    for byte in RMC[1 : RMC.index(b"*")]:
        checksum ^= byte
    rmc = RMC[: RMC.index(b"*") + 1] + b"%02X\r\n" % checksum
    log.write_bytes(GGA + rmc + b"$GPGGA,broken*00\r\n")
    assert main(["decode", str(log), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["sample"] == "fix"
    assert lines[0]["lat_deg_e9"] == 48_117_300_000
    assert lines[0]["lon_deg_e9"] == 11_516_666_667
    assert (lines[-1]["summary"]["good"], lines[-1]["summary"]["bad"]) == (2, 1)
    assert main(["decode", str(log)]) == 0
    assert "lat_deg_e9=48117300000" in capsys.readouterr().out


def test_decode_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "a").write_bytes(GGA)
    assert main(["decode", str(tmp_path / "a"), "--driver", "nmae"]) == 1
    assert "nmae" in capsys.readouterr().err


def test_frame_takes_hexadecimal_and_files(
    tmp_path: Path, packed: bytes, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw").write_bytes(packed)
    (tmp_path / "hex").write_text(packed.hex(" "))
    outs = []
    for argument in (packed.hex(), str(tmp_path / "raw"), str(tmp_path / "hex")):
        assert main(["frame", argument, "--key", str(key_file), "--json"]) == 0
        outs.append(json.loads(capsys.readouterr().out))
    assert outs[0] == outs[1] == outs[2]
    assert outs[0]["mac"] == "good"
    assert outs[0]["rows"] == [
        {"row": 3, "t_mono_ms": 10, "t_utc_ms": 1010, "lat_deg_e7": 7, "heart_bpm": 131}
    ]


def test_frame_says_why_it_is_refused(
    packed: bytes, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["frame", packed.hex()]) == 0
    assert "MAC not checked" in capsys.readouterr().out
    bad = bytearray(packed)
    bad[20] ^= 1
    assert main(["frame", bad.hex(), "--key", str(key_file)]) == 1
    assert "refused: mac" in capsys.readouterr().out
    assert main(["frame", "abc"]) == 1
    assert "3 hexadecimal digits, an even number is needed" in capsys.readouterr().err
    assert main(["frame", "00ff"]) == 1
    assert "refused: size" in capsys.readouterr().out


def test_config_prints_the_sample_and_checks_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config"]) == 0
    sample = capsys.readouterr().out
    path = tmp_path / "edge.toml"
    path.write_text(sample)
    assert main(["config", str(path)]) == 1
    assert (
        "1001.key: No such file or directory; `zhantu-edge enrol` or the hub's roster command writes it"
        in capsys.readouterr().err
    )
    (tmp_path / "1001.key").write_text("00" * 32)
    assert main(["config", str(path)]) == 0
    assert "good; device 1001, 1 ports, broker 127.0.0.1:18830" in capsys.readouterr().out


def test_status_without_an_agent_is_a_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edge.toml"
    path.write_text("[device]\nnumber = 5\n")
    assert main(["status", "--config", str(path)]) == 1
    assert "is it running?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        "enrol",
        "run",
        "check",
        "ports",
        "drivers",
        "config",
        "status",
        "sos",
        "guard",
        "renew",
        "decode",
        "frame",
    ],
)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert name in capsys.readouterr().out


def test_ports_says_so_when_there_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ports", "--list", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_drivers_says_what_each_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drivers", "--json"]) == 0
    rows = {row["driver"]: row for row in json.loads(capsys.readouterr().out)}
    assert "heading_ddeg" in rows["gnss"]["reads"]
    assert main(["drivers"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name:<10} " in out for name in rows)


def test_what_a_driver_reads_are_names_of_the_catalog() -> None:
    kinds = {"observed", "heard", "pressed", "impact", "note"}
    for row in DRIVERS.values():
        assert row.reads, row.name
        assert set(row.reads) <= {*FIELDS_BY_NAME, *kinds}, row.name
