"""Security notices: what of all refusals a person must look at.

Enters: every refusal with its reason. Leaves: at most one open notice a reason and device, to the feed and to the
registry, until somebody takes it. Callers of `tell`: ingest, the broker's log, sign-in, enrolment, from any thread.
`speak` runs on the hub's loop with each tick; `keep` writes, off the loop, about once a second.
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hub.identity.permissions import Permission, Principal
from hub.store.registry import SqliteRegistry
from hub.store.trust import NoticeRow

NOTICES_MAX = 1_000
"""Open notices and tallies that may become one. Each reason has an equal share, so that who invents device numbers
cannot push out the notice of a revoked device; beyond its share a reason has one notice for all others."""
SPOKEN_MAX = 20
"""Messages to the screens in one tick. A viewer that is 1,000 behind is sent away, and a flood of notices must not do
that; what is left over is said with the next tick."""
GREETED_MAX = 100
QUIET_MS = 60_000
"""How long the same thing stays quiet after somebody took its notice: what was already on its way is not news."""
WORDS_MAX = 200
MINUTES_10 = 600_000


@dataclass(frozen=True, slots=True)
class Rule:
    """A notice is raised when it happened `least` times within `within_ms`."""

    least: int = 1
    within_ms: int = MINUTES_10


RULES: dict[str, Rule] = {
    "denied": Rule(),  # the broker knows who it was: a certificate of ours is used to publish as another
    "device": Rule(),  # a good MAC under another's topic: the device is opened, or badly cloned
    "revoked": Rule(),  # somebody has a device that was given up for lost
    "teleport": Rule(),  # a position on the map is wrong, or a fix is forged
    "break_glass": Rule(),  # a person did this on purpose, and another must know
    "mac": Rule(3),  # one flipped bit is no attack, and links flip bits; three are a wrong key or a forger
    "expired": Rule(10),  # a gateway that was off for long renews by itself within its first frames
    "unknown_device": Rule(
        5
    ),  # sends every few seconds until enrolled; a stray frame of a removed one is nothing
    "tls": Rule(
        5
    ),  # a port scan or a browser on the wrong port makes one or two; a gateway tries again for ever
    "sign_in": Rule(10),  # who has forgotten a password tries three or four; a guesser does not stop
    "replay": Rule(
        200
    ),  # see hub.live.ingest: a device that lost all acknowledgements repeats fewer than this
}
"""What is not here (a bad shape, a future time …) is counted in the metrics, and nobody is called for it."""
SHARE_MAX = NOTICES_MAX // len(RULES) - 1
"""Of one reason, beside the one for all others."""

Place = tuple[str, int, str]  # reason, device, words when no device is known


@dataclass(slots=True)
class Tally:
    """One place: the latest times until there are enough of them, then the notice."""

    recent: deque[int]
    n: int = 0
    notice: NoticeRow | None = None


@dataclass(slots=True)
class _Reason:
    rule: Rule
    tallies: dict[Place, Tally] = field(default_factory=dict)


class Watch:
    """All open notices. `say` takes a message of docs/feed.md; `callsign` names the unit of a device, or ""."""

    def __init__(
        self,
        registry: SqliteRegistry,
        clock_ms: Callable[[], int],
        say: Callable[[dict[str, Any]], None],
        callsign: Callable[[int], str] = lambda _device: "",
    ) -> None:
        self._registry = registry
        self._clock_ms = clock_ms
        self._say = say
        self._callsign = callsign
        self._lock = threading.Lock()
        self._reasons = {reason: _Reason(rule) for reason, rule in RULES.items()}
        self._places: dict[str, Place] = {}  # of open notices, by id
        self._quiet: dict[Place, int] = {}  # taken, and when
        self._unsaid: dict[str, NoticeRow] = {}
        self._unkept: dict[str, NoticeRow] = {}

    def load(self) -> None:
        """Open notices of the hub's last run."""
        for row in self._registry.trust.open_notices(NOTICES_MAX):
            reason = self._reasons.get(row.reason)
            if reason is not None:
                place = _place(row.reason, row.device, row.words)
                reason.tallies[place] = Tally(deque(), row.count, row)
                self._places[row.id] = place

    def tell(self, reason: str, device: int = 0, words: str = "", n: int = 1) -> None:
        """Something was refused. `device` 0: not known; then `words` say who or where. Cheap, from any thread."""
        known = self._reasons.get(reason)
        if known is None:
            return
        now_ms = self._clock_ms()
        with self._lock:
            place = self._room(known, _place(reason, device, words[:WORDS_MAX]), now_ms)
            if now_ms - self._quiet.get(place, -QUIET_MS) < QUIET_MS:
                return
            tally = known.tallies.get(place)
            if tally is None:
                tally = known.tallies[place] = Tally(deque(maxlen=known.rule.least))
            self._count(known.rule, place, tally, words[:WORDS_MAX], n, now_ms)

    def _room(self, known: _Reason, place: Place, now_ms: int) -> Place:
        """The place itself, or the one for all others when the reason's share is used up."""
        if place in known.tallies or len(known.tallies) < SHARE_MAX:
            return place
        oldest = next(iter(known.tallies))
        first = known.tallies[oldest]
        if first.notice is None and now_ms - first.recent[-1] > known.rule.within_ms:
            del known.tallies[oldest]  # came to nothing
            return place
        return _place(place[0], 0, "")

    def _count(self, rule: Rule, place: Place, tally: Tally, words: str, n: int, now_ms: int) -> None:
        if tally.notice is not None:
            count = tally.notice.count + n
            notice = replace(tally.notice, count=count, last_utc_ms=max(now_ms, tally.notice.last_utc_ms))
        else:
            tally.n = n if tally.recent and now_ms - tally.recent[-1] > rule.within_ms else tally.n + n
            tally.recent.extend([now_ms] * min(n, rule.least))
            first_ms = tally.recent[0]
            if len(tally.recent) < rule.least or now_ms - first_ms > rule.within_ms:
                return
            reason, device, said = place
            words = said or (words if device else "")
            notice = NoticeRow(secrets.token_hex(6), reason, device, words, tally.n, first_ms, now_ms, "")
            self._places[notice.id] = place
        tally.notice = self._unsaid[notice.id] = self._unkept[notice.id] = notice

    def take(self, notice_id: str, who: str) -> bool:
        """A person has seen to it. False: no such notice is open. Happens it again later, it is a new notice."""
        now_ms = self._clock_ms()
        with self._lock:
            place = self._places.pop(notice_id, None)
            if place is None:
                return False
            tally = self._reasons[place[0]].tallies.pop(place)
            assert tally.notice is not None
            self._quiet = {p: t for p, t in self._quiet.items() if now_ms - t < QUIET_MS}
            self._quiet[place] = now_ms
            taken = self._unsaid[notice_id] = replace(tally.notice, taken_by=who)
            self._unkept.pop(notice_id, None)
        self._registry.trust.take_notice(taken, now_ms)
        about = {"notice": taken.id, "reason": taken.reason, "device": taken.device, "count": taken.count}
        self._registry.record(now_ms, who, "notice taken", about)
        return True

    def open(self) -> list[NoticeRow]:
        """Open notices, the latest first."""
        with self._lock:
            found = [t.notice for known in self._reasons.values() for t in known.tallies.values() if t.notice]
        return sorted(found, key=lambda notice: notice.last_utc_ms, reverse=True)

    def message(self, notice: NoticeRow) -> dict[str, Any]:
        """docs/feed.md's `notice`."""
        return {"k": "notice", **self.shown(notice)}

    def shown(self, notice: NoticeRow) -> dict[str, Any]:
        """A notice for people: with the callsign of its device."""
        return {**asdict(notice), "callsign": self._callsign(notice.device)}

    def greeting(self, me: Principal) -> list[dict[str, Any]]:
        """What a screen is told when it comes: the latest open ones, oldest first."""
        if not me.may(Permission.SECURITY):
            return []
        return [self.message(notice) for notice in reversed(self.open()[:GREETED_MAX])]

    def speak(self) -> None:
        """Tell the screens what is new or has grown. On the hub's loop."""
        with self._lock:
            ids = list(self._unsaid)[:SPOKEN_MAX]
            notices = [self._unsaid.pop(notice_id) for notice_id in ids]
        for notice in notices:
            self._say(self.message(notice))

    def keep(self) -> None:
        """Write what has changed. Blocks for the disk. What could not be written stays for the next time."""
        with self._lock:
            changed, self._unkept = self._unkept, {}
        if not changed:
            return
        try:
            self._registry.trust.keep_notices(list(changed.values()))
        except BaseException:
            with self._lock:
                self._unkept = {**{i: row for i, row in changed.items() if i in self._places}, **self._unkept}
            raise


def _place(reason: str, device: int, words: str) -> Place:
    return reason, device, "" if device else words
