"""Configuration: the sample is complete and good, and every mistake is told where and how."""

import tomllib
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

import pytest

from edge.config import (
    Config,
    ConfigError,
    DatagramConfig,
    Device,
    MqttConfig,
    NtripConfig,
    PaceConfig,
    PortConfig,
    RelayConfig,
    RouteConfig,
    SpoolConfig,
    TeamConfig,
    load,
    read_key,
)
from edge.guard.settings import GuardConfig, Person

SAMPLE = (files("edge") / "sample.toml").read_text(encoding="utf-8")
SECTIONS = {
    "device": Device,
    "spool": SpoolConfig,
    "pace": PaceConfig,
    "mqtt": MqttConfig,
    "ntrip": NtripConfig,
    "guard": GuardConfig,
    "person": Person,
    "port": PortConfig,
    "relay": RelayConfig,
    "team": TeamConfig,
    "bearer": DatagramConfig,
}


def test_the_sample_holds_every_key_with_its_default_under_a_sentence(tmp_path: Path) -> None:
    raw = tomllib.loads(SAMPLE)
    assert set(raw) == set(SECTIONS)
    assert set(raw["mqtt"]["route"][0]) == {spec.name for spec in fields(RouteConfig)}
    for name, kind in SECTIONS.items():
        table = raw[name][0] if name in ("port", "bearer") else raw[name]
        assert set(table) == {spec.name.rstrip("_") for spec in fields(kind)}, name
    assert SAMPLE.count("\n# ") >= sum(len(fields(kind)) for kind in SECTIONS.values()) - 2
    path = tmp_path / "edge.toml"
    path.write_text(SAMPLE)
    loaded = load(path)
    assert isinstance(loaded, Config)
    assert (loaded.spool.mib_max, loaded.pace, loaded.mqtt.version) == (512, PaceConfig(), "auto")
    assert loaded.device.key_file == tmp_path / "1001.key"
    assert loaded.mqtt.ca_file is None


BAD = [
    ("[devise]", "unknown section 'devise'; did you mean 'device'?"),
    ("[spool]\nmb_max = 5", "unknown key in [spool] 'mb_max'; did you mean 'mib_max'?"),
    ("[device]\nnumber = 'x'", "device.number: int needed, got 'x'"),
    ("[device]\nnumber = -1", "device.number: -1, 1–4294967295 allowed"),
    ("[device]\nnumber = 0", "an identity or a number is missing"),
    ("[device]\nnumber = 1\nrealm = 'A B'", "device.realm: topics: realm 'A B'"),
    ("[pace]\nrow_s = 0", "pace.row_s: 0.0, 0.05–3600 allowed"),
    ("[mqtt]\nport = true", "mqtt.port: int needed, got True"),
    ("[mqtt]\nversion = '4'", '"auto", "5" or "3.1.1" allowed'),
    ("[mqtt]\ncert_key_file = 'a'", "cert_key_file needs a cert_file"),
    ("[mqtt]\ncert_file = 'a'", "cert_file needs a ca_file"),
    ("[team]\non = true", "team.on: a team is heard by a relay"),
    ("[relay]\non = true\n[team]\non = true\nlisten = '10.0.0.1'", "it needs a code_file"),
    ("[[bearer]]\nkind = 'pigeon'", "bearer: kind 'pigeon', allowed are datagram, mesh, rdss"),
    ("[[bearer]]\nkind = 'mesh'\nhost = 'a'", "unknown key in [bearer mesh] 'host'"),
    ("[[bearer]]\nkind = 'mesh'", "bearer lora.port: 'mesh' is no [[port]] with driver 'mesh'"),
    ("[[bearer]]\nkind = 'datagram'\nname = 'mqtt'", "bearer mqtt: a name of its own"),
    ("[[bearer]]\nkind = 'datagram'\ninterface = 'a b'", "bearer udp.interface: 'a b', 1–15 characters"),
    ("[[mqtt.route]]\nport = 0", "mqtt.route.port: 0, 1–65535 allowed"),
    ("[mqtt]\nroute = 5", "mqtt.route: write [[mqtt.route]]"),
    ("[[mqtt.route]]\nhots = 'x'", "unknown key in [mqtt.route 1] 'hots'; did you mean 'host'?"),
    ("[ntrip]\nhost = 'h'\nmountpoint = 'M'", "ntrip.port: 'gnss' is no port; known are none"),
    ("[ntrip]\nhost = 'h'", "ntrip.mountpoint: '', 1–200 characters"),
    ("[ntrip]\nhost = 'h'\nmountpoint = 'a b'", "ntrip.mountpoint: 'a b', 1–200 characters"),
    ("[ntrip]\nhost = 'h'\nmountpoint = 'M'\nversion = '3'", '"auto", "1" or "2" allowed'),
    ("[ntrip]\npassword = 'x'", "unknown key in [ntrip] 'password'"),
    ("[device]\nrealm = 'live'", "an identity or a number is missing"),
    ("[device]\nidentity = 5", "device.identity: a path in quotes is needed, got 5"),
    (
        "[device]\nidentity = 'none.json'",
        "none.json: No such file or directory; `zhantu-edge enrol` writes it",
    ),
    ("[[port]]\npath = '/dev/x'", "name '' is empty or used twice"),
    ("[[port]]\nname = 'a'", "port a: path is missing"),
    ("[[port]]\nname = 'a'\npath = 'x'\ndriver = 'nmae'", "driver 'nmae'; did you mean 'nmea'?"),
    ("[[port]]\nname = 'a'\npath = 'x'\nbaud = 7", "port a: baud 7, 0 or 300–4000000 allowed"),
    ("[port]\nname = 'a'", "write [[port]]"),
    ("device = 5", "device: a table is needed, got int"),
    ("[", "not TOML"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[case[0] for case in BAD])
def test_a_mistake_is_told_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(
        text if "[device]" in text else "[device]\nnumber = 1\n" + text if text[0] == "[" else text
    )
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_a_missing_file_and_bad_keys_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="roster command"):
        read_key(tmp_path / "none.key")
    for text, message in (("zz", "not hexadecimal"), ("ab", "2 digits, 64 are needed")):
        (tmp_path / "bad.key").write_text(text)
        with pytest.raises(ConfigError, match=message):
            read_key(tmp_path / "bad.key")
