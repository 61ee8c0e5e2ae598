"""Calling people who look at no screen: real child processes, ptys and HTTP."""

import hashlib
import hmac
import json
import os
import pty
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from hub.errors import SettingsError
from hub.safety import callout, callout_ways
from hub.safety.callout import TEST_EVERY_MS, TRIES, WAITING_MAX, CallOut
from hub.safety.callout_ways import RELAY_OFF, RELAY_ON, CallFailed, Relay, Sms, Sound, Webhook

T0 = 1_795_000_000_000
SAMPLE = Path(callout.__file__).with_name("sample_callout.toml")


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """A pty: our end, and the path of the other."""
    ours, theirs = pty.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_sound_is_played_by_its_command(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    program = f"import shutil, sys; shutil.copy(sys.argv[-1], {str(heard)!r})"
    Sound((sys.executable, "-c", program), tmp_path).call("求救", T0)
    with wave.open(str(heard)) as tone:
        assert (tone.getnframes() / tone.getframerate(), tone.getnchannels()) == (3.0, 1)


def test_a_sound_that_cannot_be_played_says_why(tmp_path: Path) -> None:
    with pytest.raises(CallFailed, match="no-such-player"):
        Sound(("no-such-player",), tmp_path).call("", T0)
    program = "import sys; sys.stderr.write('no card'); sys.exit(3)"
    with pytest.raises(CallFailed, match="ended with 3: no card"):
        Sound((sys.executable, "-c", program), tmp_path).test(T0)


def test_a_relay_goes_on_and_off_again(line: tuple[int, str]) -> None:
    ours, path = line
    Relay(path, 0).call("求救", T0)
    assert os.read(ours, 4) + os.read(ours, 4) == RELAY_ON + RELAY_OFF
    Relay(path, 0).test(T0)
    assert os.read(ours, 64) == RELAY_OFF, "a test switches nothing on"
    with pytest.raises(CallFailed, match="/dev/no-such-tty: No such file"):
        Relay("/dev/no-such-tty", 1).call("", T0)


def modem(ours: int, answers: Callable[[bytes], bytes], heard: list[bytes]) -> None:
    """Reads commands until the line is closed."""
    said = b""
    while b"END" not in said:
        said += os.read(ours, 256)
        while (end := next((i for i, byte in enumerate(said) if byte in b"\r\x1a"), None)) is not None:
            one, said = said[:end], said[end + 1 :]
            heard.append(one)
            os.write(ours, answers(one))


def good(command: bytes) -> bytes:
    return b"\r\n> " if command.startswith(b"AT+CMGS") else b"\r\nOK\r\n"


def test_an_sms_goes_to_every_number_in_ucs2(line: tuple[int, str]) -> None:
    ours, path = line
    heard: list[bytes] = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(modem, ours, good, heard)
        sms = Sms(path, ("+8613800000000", "119"))
        sms.test(T0)
        sms.call("求救 SOS 济南-01", T0)
        with callout_ways.line(path) as fd:
            os.write(fd, b"END")
        running.result(5)
    assert heard[:2] == [b"AT", b"AT+CREG?"]
    text = "求救 SOS 济南-01".encode("utf-16-be").hex().upper().encode()
    assert heard[6:] == [
        b'AT+CMGS="' + "+8613800000000".encode("utf-16-be").hex().upper().encode() + b'"', text,
        b'AT+CMGS="' + "119".encode("utf-16-be").hex().upper().encode() + b'"', text,
    ]  # fmt: skip


def test_a_modem_that_refuses_or_is_silent_says_so(
    line: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, path = line
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(modem, ours, lambda _: b"\r\n+CMS ERROR: 310\r\n", [])
        with pytest.raises(CallFailed, match="CMS ERROR: 310"):
            Sms(path, ("119",)).test(T0)
        with callout_ways.line(path) as fd:
            os.write(fd, b"END")
        running.result(5)
    monkeypatch.setattr(callout_ways, "WAIT_S", 0.05)
    with pytest.raises(CallFailed, match="was answered ''"):
        Sms(path, ("119",)).test(T0)


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    got: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers.items()), body))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}", got
        made.shutdown()
        thread.join()


def test_a_webhook_is_signed(server: tuple[str, list[tuple[dict[str, str], bytes]]]) -> None:
    url, got = server
    Webhook(url + "/alarm", b"key").call("求救 SOS", T0)
    Webhook(url + "/alarm", b"").test(T0)
    (headers, body), (bare, tested) = got
    assert json.loads(body) == {"kind": "alarm", "words": "求救 SOS", "t_utc_ms": T0}
    wanted = "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
    assert headers["X-Zhantu-Signature"] == wanted
    assert "X-Zhantu-Signature" not in bare
    assert json.loads(tested)["kind"] == "test"
    with pytest.raises(CallFailed, match="500"):
        Webhook(url + "/broken", b"").call("", T0)


def test_the_sample_is_current(tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8").replace("/etc/zhantu/pager.secret", str(tmp_path / "secret"))
    (tmp_path / "secret").write_text("s\n")
    (tmp_path / "callout.toml").write_text(text)
    ways = callout.read(tmp_path / "callout.toml", tmp_path)
    assert [way.name for way in ways] == list(callout.KEYS) == list(callout.WORDS_ZH)
    for name, keys in callout.KEYS.items():
        table = text.split(f"[{name}]\n")[1].split("\n\n")[0]
        assert {row.split(" = ")[0] for row in table.splitlines() if " = " in row} == keys


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sond]\n", "did you mean [sound]"),
        ("[sound]\ncomand = ['a']", "did you mean 'command'"),
        ("[sound]\ncommand = 'aplay'", "1–20 texts are needed"),
        ("[relay]\ntty = ''", "a text is needed"),
        ("[relay]\ntty = '/dev/x'\nseconds = 121", "1–120 allowed"),
        ("[webhook]\nurl = 'http://pager.example/'", "https is needed"),
        ("[webhook]\nurl = 'https://a.example'\nsecret_file = '/no/such'", "secret_file"),
        ("[sms]\ntty = '/dev/x'\nnumbers = ['12a']", "digits"),
        ("sound = 1", "did you mean [sound]"),
        ("[", "callout.toml"),
    ],
)
def test_a_wrong_file_names_the_key(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "callout.toml").write_text(text)
    with pytest.raises(SettingsError) as err:
        callout.read(tmp_path / "callout.toml", tmp_path)
    assert words in str(err.value)


class Fake:
    name = "relay"

    def __init__(self, fails: int) -> None:
        self.fails = fails
        self.calls: list[str] = []

    def call(self, words: str, t_utc_ms: int) -> None:
        self.calls.append(words)
        if len(self.calls) <= self.fails:
            raise CallFailed("stuck")

    def test(self, t_utc_ms: int) -> None:
        self.call("test", t_utc_ms)


def settled(out: CallOut) -> None:
    out._thread.submit(lambda: None).result(5)


def test_a_way_is_tried_three_times() -> None:
    way = Fake(fails=TRIES - 1)
    out = CallOut([way], "", lambda: T0)
    out.call("求救")
    settled(out)
    assert (way.calls, out.words()[0]) == (["求救"] * TRIES, True)
    way = Fake(fails=TRIES)
    out = CallOut([way], "", lambda: T0)
    out.call("求救")
    settled(out)
    assert out.failing == {"relay": "stuck"}
    assert out.words() == (False, "呼叫不通：继电器", "relay: stuck")


def test_it_is_tested_at_the_start_and_once_a_day() -> None:
    way, now = Fake(fails=0), [T0]
    out = CallOut([way], "", lambda: now[0])
    for after in (0, 1, TEST_EVERY_MS - 1, TEST_EVERY_MS, TEST_EVERY_MS + 1):
        now[0] = T0 + after
        out.look(now[0])
    settled(out)
    assert way.calls == ["test", "test"]


def test_a_hanging_way_gathers_only_so_many_calls() -> None:
    go = threading.Event()

    class Hanging(Fake):
        def call(self, words: str, t_utc_ms: int) -> None:
            go.wait(5)
            super().call(words, t_utc_ms)

    way = Hanging(fails=0)
    out = CallOut([way], "", lambda: T0)
    for _ in range(WAITING_MAX + 3):
        out.call("求救")
    assert out.left_out == 3
    go.set()
    settled(out)
    assert (len(way.calls), out.waiting) == (WAITING_MAX, 0)


def test_a_hub_with_a_wrong_file_says_so_and_one_that_fails_alarms(
    bench: Any, state: Any, tmp_path: Path
) -> None:
    alarms = state.safety.alarms
    (tmp_path / "callout.toml").write_text("[sond]")
    alarms.load()
    assert "did you mean [sound]" in alarms.notes()[0]
    (tmp_path / "callout.toml").write_text("[relay]\ntty = '/dev/no-such-tty'\n")
    alarms.load()
    alarms.look(bench.clock())
    settled(alarms.call_out)
    alarms.look(bench.clock())
    (alarm,) = alarms.open()
    assert (alarm.kind, alarm.zh) == ("callout", "呼叫不通：继电器")
    assert "no-such-tty" in alarm.why[0]["value"]


def test_a_person_tests_it(state: Any, ask: Any, bench: Any) -> None:
    ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("王海")})
    way = Fake(fails=0)
    state.safety.alarms.call_out = CallOut([way], "", bench.clock)
    assert ask("POST", "/api/v1/alarms/callout/test").status_code == 202
    settled(state.safety.alarms.call_out)
    assert way.calls == ["test"]
    assert ask("GET", "/api/v1/alarms/health").json()["callout"]["ok"] is True
    assert bench.registry.records()[-1][3] == "call-out tested"
