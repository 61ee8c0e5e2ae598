"""The call-out: who is called when no screen shows that somebody is in danger.

Enters: DATA/callout.toml, alarms that nobody saw. Leaves: calls by every way that is set, and how they went.
Caller: `hub.safety.alarms`. Ways work one after the other on a thread of their own, so that a modem that hangs keeps
the siren waiting for WAIT_S at most and the hub not at all.
"""

import difflib
import logging
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.errors import SettingsError
from hub.safety.callout_ways import CallFailed, Relay, Sms, Sound, Way, Webhook

log = logging.getLogger(__name__)
TRIES = 3
WAITING_MAX = 50
"""Calls that wait; beyond it further ones are left out: whoever is called looks at the screen then."""
TEST_EVERY_MS = 24 * 3_600_000
KEYS = {
    "sound": {"command"},
    "relay": {"tty", "seconds"},
    "webhook": {"url", "secret_file"},
    "sms": {"tty", "numbers"},
}
WORDS_ZH = {"sound": "警铃", "relay": "继电器", "webhook": "网络推送", "sms": "短信"}
RELAY_S_MAX = 120
NUMBERS_MAX = 20


@dataclass(frozen=True, slots=True)
class Result:
    """How a way did when it was used last. `why` "": well."""

    t_utc_ms: int
    why: str


def read(path: Path, folder: Path) -> list[Way]:
    """The ways of a file; none when there is none. SettingsError names the key."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as err:
        raise SettingsError(f"{path.name}: {err}") from None
    ways: list[Way] = []
    for name, table in said.items():
        if name not in KEYS or not isinstance(table, dict):
            near = difflib.get_close_matches(name, KEYS, 1, 0)[0]
            raise SettingsError(f"{path.name}: unknown table {name!r}, did you mean [{near}]?")
        for key in table:
            if key not in KEYS[name]:
                near = difflib.get_close_matches(key, KEYS[name], 1, 0)[0]
                raise SettingsError(f"{path.name}: [{name}] unknown key {key!r}, did you mean {near!r}?")
        ways.append(_way(path, folder, name, table))
    return ways


def _way(path: Path, folder: Path, name: str, table: dict[str, Any]) -> Way:
    if name == "sound":
        return Sound(_texts(path, name, table, "command"), folder)
    if name == "relay":
        seconds = table.get("seconds", 10)
        if type(seconds) is not int or not 1 <= seconds <= RELAY_S_MAX:
            raise SettingsError(f"{path.name}: [relay] seconds = {seconds!r}, 1–{RELAY_S_MAX} allowed")
        return Relay(_text(path, name, table, "tty"), seconds)
    if name == "sms":
        numbers = _texts(path, name, table, "numbers")
        for number in numbers:
            if not number.removeprefix("+").isdecimal() or not 3 <= len(number) <= 20:
                raise SettingsError(
                    f"{path.name}: [sms] number {number[:30]!r}, digits with a + before allowed"
                )
        return Sms(_text(path, name, table, "tty"), numbers)
    url = _text(path, name, table, "url")
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise SettingsError(f"{path.name}: [webhook] url = {url[:60]!r}, https is needed beyond this machine")
    secret = table.get("secret_file", "")
    try:
        return Webhook(url, Path(str(secret)).read_bytes().strip() if secret else b"")
    except OSError as err:
        raise SettingsError(f"{path.name}: [webhook] secret_file: {err}") from None


def _text(path: Path, name: str, table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{path.name}: [{name}] {key} = {value!r}, a text is needed")
    return value


def _texts(path: Path, name: str, table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key)
    good = isinstance(value, list) and 1 <= len(value) <= NUMBERS_MAX
    if not good or not all(isinstance(one, str) and one for one in value or ()):
        raise SettingsError(f"{path.name}: [{name}] {key} = {value!r}, 1–{NUMBERS_MAX} texts are needed")
    return tuple(value or ())


class CallOut:
    """All ways. `results` by way's name."""

    def __init__(self, ways: list[Way], trouble: str, clock_ms: Callable[[], int]) -> None:
        self._ways = ways
        self._trouble = trouble
        self._clock_ms = clock_ms
        self._thread = ThreadPoolExecutor(1, "hub-callout")
        self._tested_ms: int | None = None
        self.waiting = 0
        self.left_out = 0
        self.results: dict[str, Result] = {}

    def call(self, words: str) -> None:
        """By every way, soon."""
        self._do(lambda way, now_ms: way.call(words, now_ms), TRIES)

    def test(self) -> None:
        """Every way shows that it would work."""
        self._tested_ms = self._clock_ms()
        self._do(lambda way, now_ms: way.test(now_ms), 1)

    def look(self, now_ms: int) -> None:
        """Test at the start, and once a day."""
        if self._ways and (self._tested_ms is None or now_ms - self._tested_ms >= TEST_EVERY_MS):
            self.test()

    def _do(self, act: Callable[[Way, int], None], tries: int) -> None:
        if self.waiting >= WAITING_MAX:
            self.left_out += 1
            return
        self.waiting += 1
        self._thread.submit(self._all, act, tries)

    def _all(self, act: Callable[[Way, int], None], tries: int) -> None:
        try:
            for way in self._ways:
                self.results[way.name] = self._one(way, act, tries)
        finally:
            self.waiting -= 1

    def _one(self, way: Way, act: Callable[[Way, int], None], tries: int) -> Result:
        why = ""
        for _ in range(tries):
            try:
                act(way, self._clock_ms())
                return Result(self._clock_ms(), "")
            except CallFailed as err:
                why = str(err)
            except Exception as err:
                log.exception("call-out by %s", way.name)
                why = f"{type(err).__name__}: {err}"
        log.error("call-out by %s: %s", way.name, why)
        return Result(self._clock_ms(), why)

    @property
    def failing(self) -> dict[str, str]:
        """Ways that did not work when they were used last, with why."""
        return {name: result.why for name, result in self.results.items() if result.why}

    def words(self) -> tuple[bool, str, str]:
        """Whether somebody would be called, in Chinese and English."""
        if self._trouble:
            return False, "呼叫设置有误，见 /healthz", self._trouble
        if not self._ways:
            return (
                False,
                "未设置：无人看屏幕时不会呼叫",
                "not configured: nobody is called when no screen is watched",
            )
        failing = self.failing
        if failing:
            zh = "、".join(WORDS_ZH[name] for name in failing)
            return False, f"呼叫不通：{zh}", "; ".join(f"{name}: {why}" for name, why in failing.items())
        return (
            True,
            "、".join(WORDS_ZH[way.name] for way in self._ways),
            ", ".join(way.name for way in self._ways),
        )

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
