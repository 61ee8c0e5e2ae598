"""Enrolment and renewal against a real HTTPS server: what a technician types, sees, and what lies there afterwards."""

import datetime
import json
import random
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge import certificates, config, control, enrol, identity
from edge.agent import Agent
from edge.cli import main
from edge.renew import DAY_S, FIRST_S, HOUR_S, REVOKED_EXIT, Renewer
from firmware_bridge.ports import PortInfo
from protocols import enrolment
from protocols.keys import MacKey

FILES = {"authority.pem", "device.key", "device.pem", "edge.toml", "identity.json"}
Hub = Any
MS = datetime.timedelta(milliseconds=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "zhantu"


@pytest.fixture
def hub(new_hub: Callable[..., Hub]) -> Hub:
    return new_hub()


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Types a command with --dir; its exit code, and what it said."""

    def type_it(*words: str) -> tuple[int, str]:
        code = main(["enrol", *words, "--dir", str(folder)])
        said = capsys.readouterr()
        if code:
            assert said.err.startswith("zhantu-edge: ")
            assert said.err.count("\n") == 1, "an error is one line"
        return code, said.out + said.err

    return type_it


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


# --- the good way ------------------------------------------------------------------------------------------


def test_a_code_makes_a_gateway_known(hub: Hub, folder: Path, run: Callable[..., tuple[int, str]]) -> None:
    code, said = run(*hub.code().replace("-", " ").split())
    assert code == 0, said
    assert "device 1001, 济南消防-01, of realm live" in said
    assert said.rstrip().endswith(f"zhantu-edge check --config {folder}/edge.toml")
    assert names(folder) == FILES
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("device.key", "device.pem"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    ((path, sent),) = hub.posts
    assert path == "/api/v1/enrol"
    assert sent["secret"] == "ABCDEFGH1234"
    assert sent["firmware"].startswith("zhantu ")
    assert sent["machine"]
    assert "PRIVATE" not in json.dumps(sent)
    loaded = config.load(folder / "edge.toml")
    assert (loaded.device.number, loaded.device.realm, loaded.device.callsign) == (
        1001,
        "live",
        "济南消防-01",
    )
    assert (loaded.mqtt.port, loaded.mqtt.cert_file) == (hub.mqtt_port, folder / "device.pem")
    assert config.read_key(loaded.device.key_file) == bytes(range(32))


def test_a_hub_on_this_machine_may_be_without_tls(
    new_hub: Callable[..., Hub], folder: Path, run: Callable[..., tuple[int, str]]
) -> None:
    plain = new_hub(tls=False)
    code, said = run(plain.code())
    assert code == 0, said
    assert identity.read(folder / "identity.json").hub == f"http://127.0.0.1:{plain.port}"
    wrong = plain.code(print_90=5)
    plain.posts.clear()
    assert "this is not the hub that made the code" in run(wrong, "--replace")[1]
    assert plain.posts == []


def test_an_identity_is_replaced_only_when_that_is_said(
    hub: Hub, folder: Path, run: Callable[..., tuple[int, str]]
) -> None:
    assert run(hub.code())[0] == 0
    before = {name: (folder / name).read_bytes() for name in FILES}
    code, said = run(hub.code())
    assert code == 1
    assert "this gateway is device 1001 already; --replace" in said
    assert len(hub.posts) == 1, "the second code was used up"
    (folder / "edge.toml").write_text('[device]\nidentity = "identity.json"\n')
    assert run(hub.code(), "--replace")[0] == 0
    assert (folder / "device.pem").read_bytes() != before["device.pem"]
    assert (folder / "edge.toml").read_text() == '[device]\nidentity = "identity.json"\n'
    (folder / "identity.json").write_text("{")
    assert "cannot be read" in run(hub.code())[1]


def test_the_configuration_names_the_ports_that_are_there(tmp_path: Path) -> None:
    ports = [
        PortInfo("/dev/ttyACM0", "/dev/serial/by-id/usb-u-blox", "u-blox GNSS"),
        PortInfo("/dev/ttyUSB0", "", 'a "quoted"\nname'),
    ]
    for found in (ports, []):
        text = enrol.config_text(tmp_path, found).replace('identity = "identity.json"', "number = 5")
        (tmp_path / "edge.toml").write_text(text)
        loaded = config.load(tmp_path / "edge.toml")
        assert [(p.name, p.path, p.driver, p.baud) for p in loaded.ports] == [
            ("gnss", "/dev/serial/by-id/usb-u-blox", "gnss", 0), ("gnss-2", "/dev/ttyUSB0", "gnss", 0),
        ][: len(found)]  # fmt: skip
    built_in = enrol.config_text(tmp_path, [PortInfo("/dev/ttyS0", "", "n/a")])
    assert '# path = "/dev/ttyS0"' in built_in, "nothing is on it, and check would call it silent for ever"
    assert "\n[[port]]" not in built_in
    assert "/var/lib/zhantu/spool.db" in enrol.config_text(Path("/etc/zhantu"), [])


# --- what goes wrong ---------------------------------------------------------------------------------------


def test_a_mistyped_code_is_not_sent(hub: Hub, folder: Path, run: Callable[..., tuple[int, str]]) -> None:
    text = hub.code()
    assert "mistyped" in run(text[:-1] + ("0" if text[-1] != "0" else "1"))[1]
    assert (hub.posts, names(folder)) == ([], set())


def test_another_hub_hears_nothing_secret(
    hub: Hub, parts: SimpleNamespace, folder: Path, run: Callable[..., tuple[int, str]]
) -> None:
    stranger = parts.Authority().print_90
    assert "this is not the hub that made the code; nothing was sent" in run(hub.code(print_90=stranger))[1]
    assert (hub.posts, names(folder)) == ([], set())


def test_one_in_the_middle_who_shows_the_right_authority_hears_nothing_secret(
    new_hub: Callable[..., Hub], folder: Path, run: Callable[..., tuple[int, str]]
) -> None:
    """The authority's certificate is public: whoever passes it on still cannot make a server's certificate."""
    real, middle = new_hub(), new_hub()
    middle.shown = real.authority.pem
    said = run(middle.code(print_90=real.authority.print_90))[1]
    assert "its certificate is not this hub's" in said
    assert (real.posts, middle.posts, names(folder)) == ([], [], set())


def test_an_installers_certificate_counts_when_the_system_knows_it_and_the_hub_shows_its_authority(
    new_hub: Callable[..., Hub], parts: SimpleNamespace, folder: Path, tmp_path: Path,
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    installer, ours = parts.Authority(), parts.Authority()
    hub = new_hub(authority=installer)  # its web server's certificate; everything else is the hub's own
    hub.authority, hub.shown = ours, ours.pem
    assert "its certificate is not this hub's" in run(hub.code())[1]
    assert hub.posts == []
    (tmp_path / "system.pem").write_text(installer.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    code, said = run(hub.code())
    assert code == 0, said
    assert (folder / "authority.pem").read_text() == ours.pem


SAYS_NO = [
    (401, "does not know this code", "mistyped or unknown"),
    (404, "does not know this code", ""),
    (410, "has been used or has run out: ask for a new one", "used on 2026-11-23 by another gateway"),
    (403, "has revoked this gateway", "lost in the river"),
    (409, "is not the device that the hub expects", ""),
    (429, "too many tries: wait", "try again in 40 s"),
    (500, "HTTP 500", ""),
]


@pytest.mark.parametrize(("status", "words", "detail"), SAYS_NO)
def test_a_hub_that_says_no_is_told_in_its_words(
    hub: Hub, folder: Path, run: Callable[..., tuple[int, str]], status: int, words: str, detail: str
) -> None:
    hub.answer = (
        status,
        json.dumps({"title": "no", "detail": detail + "\x1b\n"}).encode() if detail else b"<html>",
    )
    said = run(hub.code())[1]
    assert words in said
    assert f"({detail})" in said or not detail
    assert names(folder) == set()


@pytest.mark.parametrize(
    "answer",
    [b"", b"null", b"{}", b"[" * 9_000, b"\xff" * 50, b"x" * 17_000, b'{"device": 1001}'],
    ids=lambda body: repr(body[:10]),
)
def test_an_answer_of_garbage_leaves_nothing(
    hub: Hub, folder: Path, run: Callable[..., tuple[int, str]], answer: bytes
) -> None:
    hub.answer = (200, answer)
    assert run(hub.code())[0] == 1
    assert names(folder) == set()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "1001"}, "device is str, int needed"),
        ({"device": 1002}, "is for ['1001'], not for device 1002"),
        ({"realm": "../x"}, "realm '../x'"),
        ({"mac_key": ""}, "no mac_key"),
        ({"mac_key": "zz" * 32}, "64 hexadecimal digits"),
        ({"certificate": "-----BEGIN CERTIFICATE-----\n"}, "not a certificate"),
        ({"authority": "PEM"}, "not a certificate"),
    ],
    ids=str,
)
def test_an_answer_with_a_wrong_value_leaves_nothing(
    hub: Hub, folder: Path, run: Callable[..., tuple[int, str]], change: dict[str, Any], words: str
) -> None:
    hub.change = change
    assert words in run(hub.code())[1]
    assert names(folder) == set()


def test_a_certificate_for_another_key_or_of_another_authority_is_refused(
    hub: Hub, parts: SimpleNamespace, folder: Path, run: Callable[..., tuple[int, str]]
) -> None:
    other = certificates.new_request()
    for signer, csr in ((hub.authority, other.csr), (parts.Authority(), None)):
        plain_sign = signer.sign
        hub.authority.sign = lambda sent, *more, s=plain_sign, c=csr: s(c or sent, *more)
        assert re.search("another key|not signed by the hub's authority", run(hub.code())[1])
    hub.change = {"authority": parts.Authority().pem}
    assert "another authority" in run(hub.code())[1]
    assert names(folder) == set()


def test_a_hub_that_hangs_or_is_not_there_is_left_in_time(
    hub: Hub,
    folder: Path,
    run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    parts: SimpleNamespace,
) -> None:
    monkeypatch.setattr("edge.hub_http.TIMEOUT_S", 0.5)
    hub.hold = threading.Event()
    assert f"no hub answers at 127.0.0.1:{hub.port}: no answer within 0.5 s" in run(hub.code())[1]
    gone = enrolment.pack(enrolment.Code("127.0.0.1", parts.free_port(), "0" * 12, 1))
    assert "Connection refused" in run(gone)[1]
    assert (
        "no hub answers at no.invalid:1"
        in run(enrolment.pack(enrolment.Code("no.invalid", 1, "0" * 12, 1)))[1]
    )
    assert names(folder) == set()


@pytest.fixture
def dripping() -> Iterator[int]:
    """A server without TLS that sends a byte now and then, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                try:
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
                    while not over.wait(0.1):
                        peer.sendall(b"x")
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    over.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_server_that_drips_is_left_in_time(
    dripping: int, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.hub_http.ANSWER_S_MAX", 1.0)
    said = run(enrolment.pack(enrolment.Code("127.0.0.1", dripping, "0" * 12, 1)))[1]
    assert f"127.0.0.1:{dripping}" in said


def test_a_wrong_clock_is_told_with_both_times(
    new_hub: Callable[..., Hub], parts: SimpleNamespace, folder: Path, run: Callable[..., tuple[int, str]]
) -> None:
    ahead = new_hub(authority=parts.Authority(begins=parts.days(300)))
    said = run(ahead.code())[1]
    begins = identity.when(round(ahead.authority.certificate.not_valid_before_utc.timestamp() * 1000))
    assert "this gateway's clock says 20" in said
    assert f"valid only from {begins}: set the clock" in said
    assert (ahead.posts, names(folder)) == ([], set())


def enrol_as_program(hub: Hub, folder: Path, *more: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", "enrol", hub.code(), "--dir", folder, *more],
        capture_output=True, text=True, check=False, timeout=60, **how,
    )  # fmt: skip


def test_a_full_disk_or_a_folder_that_cannot_be_written_costs_no_code(hub: Hub, folder: Path) -> None:
    full = enrol_as_program(
        hub, folder, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
    )
    assert (full.returncode, full.stderr.count("\n")) == (1, 1), full.stderr
    assert "too large" in full.stderr.lower()
    nowhere = enrol_as_program(hub, Path("/proc/zhantu"))
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (1, 1), nowhere.stderr
    assert (hub.posts, names(folder)) == ([], set())


STEPS = 4


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_kill_between_files_leaves_no_half_identity(hub: Hub, folder: Path, step: int) -> None:
    """The program is killed for real, before its renaming number `step` of a replacement."""
    assert enrol_as_program(hub, folder).returncode == 0
    (folder / "device.key").write_text("old")
    code = f"""
import os, pathlib, signal, sys
from edge import cli, identity
true, count = pathlib.Path.replace, [0]
def replace(self, target):
    if str(target).endswith(("device.key", "authority.pem", "device.pem", "identity.json")):
        if count[0] == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
        count[0] += 1
    return true(self, target)
pathlib.Path.replace = replace
sys.exit(cli.main(sys.argv[1:]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "enrol", hub.code(), "--dir", folder, "--replace"],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == (-signal.SIGKILL if step < STEPS else 0)
    if step < STEPS:
        with pytest.raises(config.ConfigError, match=r"identity.json: No such file.*zhantu-edge enrol"):
            config.load(folder / "edge.toml")
        assert enrol_as_program(hub, folder).returncode == 0, "a new code heals it"
    loaded = config.load(folder / "edge.toml")
    assert config.read_key(loaded.device.key_file) == bytes(range(32))


# --- reading an identity -----------------------------------------------------------------------------------


@pytest.fixture
def enrolled(hub: Hub, folder: Path, run: Callable[..., tuple[int, str]]) -> Path:
    """A folder with an identity that is due for renewal."""
    hub.ends = datetime.timedelta(60)
    assert run(hub.code())[0] == 0
    path = folder / "identity.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"issued_utc_ms": 1_700_000_000_000}))
    hub.ends = datetime.timedelta(365)
    hub.posts.clear()
    return folder


def test_what_is_written_in_the_configuration_wins(enrolled: Path) -> None:
    (enrolled / "edge.toml").write_text(
        '[device]\nidentity = "identity.json"\ncallsign = "甲"\n[mqtt]\nhost = "hub.example"\n'
    )
    loaded = config.load(enrolled / "edge.toml")
    assert (loaded.device.callsign, loaded.device.number, loaded.mqtt.host) == ("甲", 1001, "hub.example")
    (enrolled / "other").mkdir()
    (enrolled / "other/edge.toml").write_text('[device]\nidentity = "../identity.json"\n')
    assert config.load(enrolled / "other/edge.toml").mqtt.ca_file == enrolled / "other/../authority.pem"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", "1001"), ("device", 0), ("realm", "A B"), ("signer", "00"), ("mqtt_port", 0), ("mqtt_tls", 1),
        ("not_after_utc_ms", 5), ("issued_utc_ms", None), ("hub", None),
    ],
)  # fmt: skip
def test_a_damaged_identity_is_told_with_its_file(enrolled: Path, name: str, value: object) -> None:
    path = enrolled / "identity.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(
        config.ConfigError, match=r"edge.toml: .*identity.json: .*(device|realm|of the right type|not_after)"
    ):
        config.load(enrolled / "edge.toml")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", "[" * 9_000, "\xff"], ids=lambda text: text[:4]
)
def test_garbage_for_an_identity_is_told(enrolled: Path, text: str) -> None:
    (enrolled / "identity.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(config.ConfigError, match=r"identity.json: not an identity"):
        config.load(enrolled / "edge.toml")


def test_keys_that_everybody_can_read_are_told(enrolled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check = ["check", "--config", str(enrolled / "edge.toml"), "--seconds", "1"]
    main(check)
    said = capsys.readouterr().out
    assert "device 1001 of realm live, certificate until " in said
    assert "EVERYBODY" not in said
    for name in ("device.key", "device.pem"):
        (enrolled / name).chmod(0o644)
    main(check)
    said = capsys.readouterr().out
    assert said.count("KEY THAT EVERYBODY ON THIS MACHINE CAN READ: chmod 600") == 2
    assert "something is wrong" in said


# --- renewal -----------------------------------------------------------------------------------------------


def test_a_renewal_by_hand_makes_a_new_key_and_proves_the_old_mac_key(
    hub: Hub, enrolled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (enrolled / "device.pem").read_text()
    due = identity.read(enrolled / "identity.json")
    assert main(["renew", "--config", str(enrolled / "edge.toml")]) == 0
    assert "device 1001: new certificate, until " in capsys.readouterr().out
    ((path, sent),) = hub.posts
    assert path == "/api/v1/renew"
    mac = MacKey(bytes(range(32)), "live").renewal(
        enrolment.renewal_bytes(sent["device"], sent["t_utc_ms"], sent["csr"])
    )
    assert (sent["mac"], sent["device"]) == (mac.hex(), 1001)
    after = (enrolled / "device.pem").read_text()
    assert after.split("-----BEGIN PRIVATE")[1] != before.split("-----BEGIN PRIVATE")[1]
    assert stat.S_IMODE((enrolled / "device.pem").stat().st_mode) == 0o600
    now = identity.read(enrolled / "identity.json")
    assert now.not_after_utc_ms > due.not_after_utc_ms
    assert (now.device, now.signer, now.hub) == (due.device, due.signer, due.hub)
    assert names(enrolled) == FILES


def test_a_renewal_that_is_refused_changes_nothing(
    hub: Hub, parts: SimpleNamespace, enrolled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (enrolled / name).read_bytes() for name in FILES}
    renew = ["renew", "--config", str(enrolled / "edge.toml")]
    hub.answer = (403, b'{"detail": "lost in the river"}')
    assert main(renew) == REVOKED_EXIT
    assert (
        "revoked this gateway: it must be enrolled with a new code (lost in the river)"
        in capsys.readouterr().err
    )
    hub.answer = None
    for change, words in (
        ({"device": 1002}, "answers for device 1002"),
        ({"realm": "drill"}, "realm drill"),
        ({"epoch": 1}, "epoch 1"),
        ({"authority": parts.Authority().pem}, "another authority"),
    ):
        hub.change = change
        assert main(renew) == 1
        assert words in capsys.readouterr().err
    (enrolled / "edge.toml").write_text('[device]\nnumber = 5\nkey_file = "device.key"\n')
    assert main(renew) == 1
    assert "no certificate to renew" in capsys.readouterr().err
    assert {name: (enrolled / name).read_bytes() for name in FILES - {"edge.toml"}} == {
        name: data for name, data in before.items() if name != "edge.toml"
    }


class Watched:
    """A Renewer with a command that ends as it is told, and a clock of its own."""

    def __init__(self, folder: Path, exit_code: int) -> None:
        self.runs = folder / "runs"
        self.runs.touch()
        self.news: list[identity.Identity] = []
        body = f"open({str(self.runs)!r}, 'a').write('x'); raise SystemExit({exit_code})"
        self.renewer = Renewer(
            config.load(folder / "edge.toml"),
            random.Random(3),
            self.news.append,
            [sys.executable, "-c", body],
        )
        assert self.renewer.identity
        self.t_utc_ms = self.renewer.identity.not_after_utc_ms - 1

    def count(self) -> int:
        return len(self.runs.read_text())

    def at(self, t_s: float, wait_for: Callable[..., Any]) -> int:
        """How often it has run, after this time was told and what it started has ended."""
        self.renewer.maintain(t_s, self.t_utc_ms)
        if child := self.renewer._child:
            wait_for(lambda: child.poll() is not None, "the renewal does not end")
            self.renewer.maintain(t_s, self.t_utc_ms)
        return self.count()


def test_the_agent_asks_when_a_third_is_left_and_at_most_once_an_hour(
    enrolled: Path, wait_for: Callable[..., Any]
) -> None:
    watched = Watched(enrolled, exit_code=1)
    held = watched.renewer.identity
    assert held
    third = held.not_after_utc_ms - (held.not_after_utc_ms - held.issued_utc_ms) // 3
    watched.t_utc_ms = third - 10
    assert watched.at(1e6, wait_for) == 0
    watched.t_utc_ms = third + 10
    watched.at(0.0, wait_for)
    assert watched.at(FIRST_S, wait_for) == 1
    assert watched.at(HOUR_S, wait_for) == 1
    assert watched.at(FIRST_S + 1.5 * HOUR_S, wait_for) == 2
    assert watched.news == []


def test_a_certificate_that_is_dated_back_is_not_renewed_for_that(
    hub: Hub, folder: Path, run: Callable[..., tuple[int, str]]
) -> None:
    hub.begins, hub.ends = datetime.timedelta(-25), datetime.timedelta(5)
    assert run(hub.code())[0] == 0
    held = identity.read(folder / "identity.json")
    assert not held.renewal_due(held.issued_utc_ms + 1_000)
    assert not held.renewal_due(held.not_after_utc_ms - datetime.timedelta(days=2) // MS)
    assert held.renewal_due(held.not_after_utc_ms - datetime.timedelta(days=1) // MS)


def test_a_revoked_gateway_asks_once_a_day(
    enrolled: Path, wait_for: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(enrolled, exit_code=REVOKED_EXIT)
    watched.at(0.0, wait_for)
    assert watched.at(FIRST_S, wait_for) == 1
    assert "revoked this gateway; it must be enrolled anew" in caplog.text
    assert watched.at(DAY_S, wait_for) == 1
    assert watched.at(FIRST_S + 1.5 * DAY_S, wait_for) == 2


def test_a_renewal_by_hand_is_noticed_instead_of_asking_again(
    enrolled: Path, wait_for: Callable[..., Any]
) -> None:
    watched = Watched(enrolled, exit_code=1)
    watched.at(0.0, wait_for)
    assert main(["renew", "--config", str(enrolled / "edge.toml")]) == 0
    assert watched.at(FIRST_S, wait_for) == 0
    assert watched.news == [identity.read(enrolled / "identity.json")]
    assert watched.at(2 * DAY_S, wait_for) == 0


def test_a_renewal_that_hangs_is_ended(enrolled: Path, wait_for: Callable[..., Any]) -> None:
    watched = Watched(enrolled, exit_code=1)
    watched.renewer._command = [sys.executable, "-c", "import time; time.sleep(600)"]
    watched.renewer.maintain(0.0, watched.t_utc_ms)
    watched.renewer.maintain(FIRST_S, watched.t_utc_ms)
    child = watched.renewer._child
    assert child
    watched.renewer.maintain(FIRST_S + 1, watched.t_utc_ms)
    assert child.poll() is None
    watched.renewer.maintain(FIRST_S + 200, watched.t_utc_ms)
    wait_for(lambda: child.poll() is not None, "it is not ended")
    watched.renewer.close()


def test_the_agent_renews_and_reconnects_without_a_restart(
    hub: Hub, enrolled: Path, tls_broker: Callable[[Hub], Any], wait_for: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("edge.renew.FIRST_S", 0.0)
    tls_broker(hub)
    loaded = config.load(enrolled / "edge.toml")
    assert loaded.identity
    agent = Agent(loaded)
    thread = threading.Thread(target=agent.run)
    thread.start()
    try:
        socket_path = loaded.spool.path.with_suffix(".sock")
        wait_for(socket_path.exists, "the agent does not start")
        ask = lambda: control.ask(socket_path, "status")  # noqa: E731
        status = wait_for(
            lambda: (s := ask())["bearer"]["connects"] >= 2 and s["link"] == "up" and s,  # type: ignore[call-overload]
            "no second connection",
        )
    finally:
        agent.stop()
        thread.join(20)
    renewed = identity.read(enrolled / "identity.json")
    assert renewed.not_after_utc_ms > loaded.identity.not_after_utc_ms
    assert status["certificate_until"].startswith(identity.when(renewed.not_after_utc_ms))
    assert [path for path, _ in hub.posts] == ["/api/v1/renew"]
