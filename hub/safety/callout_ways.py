"""Ways to call people who look at no screen: a loudspeaker's command, a relay board, a webhook, an SMS modem.

Enters: words. Leaves: a call, or CallFailed. Each blocks for at most WAIT_S and runs on the call-out's own thread.
Serial lines are opened with the standard library alone: a siren and a modem are no devices of the field.
"""

import hashlib
import hmac
import json
import math
import os
import select
import struct
import subprocess
import termios
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

WAIT_S = 10.0
ANSWER_BYTES_MAX = 4_096
SMS_CHARS_MAX = 70
"""Of one message in UCS-2. **Source:** 3GPP TS 23.038, 6.2.3."""
RELAY_ON, RELAY_OFF = bytes.fromhex("a00101a2"), bytes.fromhex("a00100a1")
"""LCUS-1 boards: start, channel, state, sum of the three."""
BAUD = termios.B9600


class CallFailed(Exception):
    """Why nobody was called, in words."""


class Way(Protocol):
    """One way to call. `test` shows that it would work, and disturbs nobody more than it must."""

    name: str

    def call(self, words: str, t_utc_ms: int) -> None: ...
    def test(self, t_utc_ms: int) -> None: ...


class Sound:
    """A command that plays a WAV file, whose path is its last argument."""

    name = "sound"

    def __init__(self, command: tuple[str, ...], folder: Path) -> None:
        self._command = command
        self._tone = folder / "alarm.wav"

    def call(self, words: str, t_utc_ms: int) -> None:
        if not self._tone.exists():
            write_tone(self._tone)
        try:
            done = subprocess.run(
                [*self._command, str(self._tone)], capture_output=True, timeout=WAIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as err:
            raise CallFailed(f"{self._command[0]}: {err}") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[:200]
            raise CallFailed(f"{self._command[0]} ended with {done.returncode}: {said}")

    def test(self, t_utc_ms: int) -> None:
        self.call("", t_utc_ms)


class Relay:
    """A siren or lamp at a serial relay board, on for `seconds`."""

    name = "relay"

    def __init__(self, tty: str, seconds: int) -> None:
        self._tty = tty
        self._seconds = seconds

    def call(self, words: str, t_utc_ms: int) -> None:
        with line(self._tty) as fd:
            os.write(fd, RELAY_ON)
            try:
                time.sleep(self._seconds)
            finally:
                os.write(fd, RELAY_OFF)

    def test(self, t_utc_ms: int) -> None:
        with line(self._tty) as fd:
            os.write(fd, RELAY_OFF)


class Webhook:
    """A POST of JSON; with a secret, its HMAC-SHA256 over the body stands in `X-Zhantu-Signature`."""

    name = "webhook"

    def __init__(self, url: str, secret: bytes) -> None:
        self._url = url
        self._secret = secret

    def call(self, words: str, t_utc_ms: int) -> None:
        self._post({"kind": "alarm", "words": words, "t_utc_ms": t_utc_ms})

    def test(self, t_utc_ms: int) -> None:
        self._post({"kind": "test", "words": "", "t_utc_ms": t_utc_ms})

    def _post(self, said: dict[str, object]) -> None:
        body = json.dumps(said, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"}
        if self._secret:
            headers["X-Zhantu-Signature"] = (
                "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
            )
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                answer.read(ANSWER_BYTES_MAX)
        except (OSError, ValueError, urllib.error.URLError) as err:
            raise CallFailed(f"{self._url}: {err}") from None


class Sms:
    """A modem with AT commands, text mode in UCS-2. **Source:** 3GPP TS 27.005, 3.5.1 (+CMGS), TS 27.007, 5.5."""

    name = "sms"

    def __init__(self, tty: str, numbers: tuple[str, ...]) -> None:
        self._tty = tty
        self._numbers = numbers

    def call(self, words: str, t_utc_ms: int) -> None:
        with line(self._tty) as fd:
            for command in ("AT", "AT+CMGF=1", 'AT+CSCS="UCS2"', "AT+CSMP=17,167,0,8"):
                _ask(fd, command, "OK")
            for number in self._numbers:
                _ask(fd, f'AT+CMGS="{_ucs2(number)}"', ">")
                _ask(fd, _ucs2(words[:SMS_CHARS_MAX]), "OK", end="\x1a")

    def test(self, t_utc_ms: int) -> None:
        with line(self._tty) as fd:
            _ask(fd, "AT", "OK")
            _ask(fd, "AT+CREG?", "OK")


def _ucs2(text: str) -> str:
    return text.encode("utf-16-be").hex().upper()


@contextmanager
def line(tty: str) -> Iterator[int]:
    """A serial line, raw at 9,600 baud. CallFailed when it cannot be opened or used."""
    try:
        fd = os.open(tty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as err:
        raise CallFailed(f"{tty}: {err.strerror}") from None
    try:
        settings = termios.tcgetattr(fd)
        settings[0], settings[1], settings[3] = 0, 0, 0
        settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
        settings[4] = settings[5] = BAUD
        termios.tcsetattr(fd, termios.TCSANOW, settings)
        termios.tcflush(fd, termios.TCIFLUSH)
        yield fd
    except (OSError, termios.error) as err:
        raise CallFailed(f"{tty}: {err}") from None
    finally:
        os.close(fd)


def _ask(fd: int, command: str, wanted: str, end: str = "\r") -> None:
    """Say it, and wait until the modem answers as wanted. CallFailed on ERROR or silence."""
    os.write(fd, (command + end).encode("ascii"))
    heard, until = b"", time.monotonic() + WAIT_S
    while len(heard) < ANSWER_BYTES_MAX:
        left = until - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            break
        heard += os.read(fd, 256)
        if b"ERROR" in heard:
            break
        if wanted.encode() in heard:
            return
    said = heard.decode("ascii", "replace").strip()[-80:]
    raise CallFailed(f"modem: {command[:20]!r} was answered {said!r}, {wanted} is needed")


def write_tone(path: Path) -> None:
    """Three rising pairs of tones, 3 s, 16 bit mono at 16 kHz. Our own."""
    rate = 16_000
    samples = []
    for i in range(3 * rate):
        t = i / rate
        hz = 660 if t % 1 < 0.5 else 990
        samples.append(round(24_000 * math.sin(2 * math.pi * hz * t) * min(1.0, 20 * (t % 0.5))))
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
