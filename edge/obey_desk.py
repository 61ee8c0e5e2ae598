"""Where orders arrive: is it genuine, is it to be obeyed now, what does the wearer hear, what is the hub told.

Enters: bodies of messages down, broadcasts, the wearer's answers, questions of the local socket, the time. Leaves:
what is asked of the wearer, receipts as event rows. Called by `edge.agent`. What is refused is counted by a reason:

forged     a signature that does not fit            signer   signed by nobody whom the held list knows
keys       no list of commanders' keys yet          realm    of another realm
old        a number below all that are remembered   late     expired
early      its time has not come                    clock    not before the time is proven
broadcast  not this hub's, overheard                target   a broadcast for another team
expired    signed by a key whose time is over
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from edge.obey import Now, Said, Verdict, said_of
from edge.obey_book import Book, Open
from edge.obey_ears import Ears, heard_as
from edge.obey_proof import Keys, Proof
from edge.overlay import Outcome
from protocols import brief, orders
from protocols.catalog import EventCode
from protocols.errors import OrderError
from protocols.orders import NEVER_LATE, OrderType, Verify

log = logging.getLogger("zhantu.edge.orders")

LOG_EVERY_MS = 60_000
AGAIN_MS = 30_000
"""The receipts of an order that is said again are given again at most so often."""
AGAINS_MAX = 64
ANSWERS = {
    "accept": EventCode.ACCEPTED,
    "refuse": EventCode.REFUSED,
    "done": EventCode.DONE,
    "here": EventCode.ROLL_CALL,
}


Configure = Callable[[int, dict[str, Any]], Outcome | None]


class ObeyDesk:
    """`now` makes of a monotonic time (ns) what is known of the time. `configure` takes an order of CONFIG."""

    def __init__(
        self,
        book: Book,
        realm: str,
        team: str,
        trust: Keys,
        ears: Ears,
        verify: Verify,
        now: Callable[[int], Now],
        configure: Configure,
    ) -> None:
        self._book = book
        self._realm = realm
        self._teams = (brief.EVERYBODY, *((brief.team_mark(team),) if team else ()))
        self._trust = trust
        self._proof = Proof(trust, realm, verify)
        self._ears = ears
        self._verify = verify
        self._now = now
        self._configure = configure
        self._again_ms: dict[int, int] = {}
        self._logged_ms: int | None = None
        self.refused: Counter[str] = Counter()
        self.obeyed = 0

    def load(self, t_ms: int) -> None:
        """What is open from before a restart is asked again, and receipts that were not given are given."""
        self._book.load()
        for one in self._book.open.values():
            if EventCode.RECEIVED not in self._book.judge.codes(one.said):
                self._receipt(one.said, EventCode.RECEIVED, t_ms)
            self._ask(one, t_ms)
        if self._book.open:
            log.info("%s orders are open, as before the restart", len(self._book.open))
        self._book.save(t_ms)

    # --- what comes --------------------------------------------------------------------------------

    def hear_order(self, body: bytes, t_mono_ns: int) -> None:
        """A body of ORDER. OrderError when it is none."""
        core, signatures = orders.open_signed(body)
        order = orders.open_order(core)
        numbers = (order.seq, order.not_before_utc_ms, order.expires_utc_ms)
        if min(numbers) < 0 or max(numbers) > orders.SEQ_MAX:
            raise OrderError(f"order: number {order.seq} or a time of it is out of range")
        now = self._now(t_mono_ns)
        self._judge(
            said_of(order), now, lambda: self._proof.doubt(core, order, signatures, now.utc_ms), order.body
        )

    def hear_brief(self, body: bytes, t_mono_ns: int) -> None:
        """A body of BRIEF: its MAC is enough. OrderError when it is none."""
        short = brief.open_brief(body)
        said = Said(short.seq, short.type, short.text, expires_utc_ms=short.expires_utc_ms)
        self._judge(said, self._now(t_mono_ns), lambda: "")

    def hear_broadcast(self, data: bytes, t_mono_ns: int) -> None:
        """A packet that looks like a broadcast."""
        now, signer = self._now(t_mono_ns), self._trust.signer
        if signer is None:
            self._refuse("signer", "a broadcast cannot be proven: this gateway was never enrolled", now)
            return
        try:
            heard = brief.open_broadcast(data, signer, self._realm, self._verify)
        except OrderError as err:
            self._refuse("broadcast", str(err), now)
            return
        if heard.team not in self._teams:
            self.refused["target"] += 1
            return
        self._judge(Said(heard.seq, heard.type), now, lambda: "")

    # --- is it to be obeyed ------------------------------------------------------------------------

    def _judge(
        self, said: Said, now: Now, doubt: Callable[[], str], body: dict[str, Any] | None = None
    ) -> None:
        verdict = self._book.verdict(said, now.utc_ms)
        if verdict == Verdict.AGAIN:
            self._repeat(said, now)
            return
        if verdict == Verdict.OLD:
            self.refused["old"] += 1
            return
        reason = doubt()
        if reason:
            self._disbelieve(said, reason, now)
        elif verdict == Verdict.LIFTED:
            self._take(said, now, is_open=False)
            log.info("order %s: %s, lifted by a newer all-clear", said.seq, said.type.name.lower())
        elif verdict == Verdict.OBEY:
            self._obey(said, now, body or {})
        else:
            self._refuse(verdict.name.lower(), f"order {said.seq}: {verdict.name.lower()}", now)
        self._book.save(now.t_ms)

    def _obey(self, said: Said, now: Now, body: dict[str, Any]) -> None:
        if said.type == OrderType.CONFIG:
            outcome = self._configure(said.seq, body)  # which knows itself what it did before
            self._take(said, now, is_open=False)
            self._log(said)
            if outcome is not None:
                self._receipt(said, outcome.code, now.t_ms, outcome.why)
            return
        if said.type == OrderType.ALL_CLEAR:
            self._lift(said.seq)
        self._take(said, now, is_open=True)
        one = self._book.open.get(said.seq)
        if one is not None:
            self._ask(one, now.t_ms)
        self._log(said)

    def _log(self, said: Said) -> None:
        """One line an order, once it was done: a campaign of faults counts them."""
        self.obeyed += 1
        by = said.issuer or "the hub"
        log.warning("order %s obeyed: %s %s by %s", said.seq, said.type.name.lower(), said.text, by)

    def _take(self, said: Said, now: Now, *, is_open: bool) -> None:
        """On the disk before it is done, so that it is done once; and the hub is told that it is here."""
        gone = self._book.take(said, now.about_utc_ms, is_open=is_open)
        if gone is not None:
            self._ears.unask(gone.said.seq)
        self._book.save(now.t_ms)
        self._receipt(said, EventCode.RECEIVED, now.t_ms)

    def _lift(self, seq: int) -> None:
        older = [one.said.seq for one in self._evacuations() if one.said.seq < seq]
        for number in older:
            self._close(number)

    def _evacuations(self) -> list[Open]:
        return [one for one in self._book.open.values() if one.said.type in NEVER_LATE]

    def _close(self, seq: int) -> None:
        self._ears.unask(seq)
        self._book.end(seq)

    def _ask(self, one: Open, t_ms: int) -> None:
        pattern, text = heard_as(one.said)
        is_task = one.said.type == OrderType.TASK
        self._ears.ask(pattern, text, t_ms, one.said.seq, is_task=is_task)
        if is_task and EventCode.ACCEPTED in self._book.judge.codes(one.said):
            self._ears.accept(one.said.seq)

    def _repeat(self, said: Said, now: Now) -> None:
        """The hub has not heard our receipts, or somebody plays it back: nothing is done, and they are given again."""
        last_ms = self._again_ms.get(said.seq)
        if last_ms is not None and now.t_ms - last_ms < AGAIN_MS:
            return
        _remember(self._again_ms, said.seq, now.t_ms, AGAINS_MAX)
        for code in self._book.judge.codes(said) or (EventCode.RECEIVED,):
            self._ears.say(EventCode(code), said.seq, now.t_ms)

    def _receipt(self, said: Said, code: EventCode, t_ms: int, value: int | None = None) -> None:
        self._ears.say(code, said.seq, t_ms, value)
        self._book.note(said, code)

    # --- what is refused ---------------------------------------------------------------------------

    def _disbelieve(self, said: Said, reason: str, now: Now) -> None:
        if self._proof.is_forged(said.seq, reason, now.t_ms):
            self._ears.forged()
        self._refuse(reason, f"order {said.seq}, {said.type.name.lower()}, is not believed: {reason}", now)

    def _refuse(self, reason: str, words: str, now: Now) -> None:
        """Count, and say it once a minute at most."""
        self.refused[reason] += 1
        if self._logged_ms is None or now.t_ms - self._logged_ms >= LOG_EVERY_MS:
            self._logged_ms = now.t_ms
            log.warning("%s", words)

    # --- answers -----------------------------------------------------------------------------------

    def answered(self, seq: int, code: EventCode, t_ms: int) -> None:
        """The wearer's word, whose row is kept already; or a board has shown it."""
        one = self._book.open.get(seq)
        if one is not None:
            self._book.note(one.said, code)
            if code != EventCode.SHOWN and one.said.type in NEVER_LATE:
                self._answer_older(one.said, code, t_ms)
            if self._book.is_answered(one):
                self._close(seq)
        self._book.save(t_ms)

    def _answer_older(self, said: Said, code: EventCode, t_ms: int) -> None:
        """Who answers an evacuation has answered those before it too."""
        for one in self._evacuations():
            if one.said.seq < said.seq:
                self._receipt(one.said, code, t_ms)
                self._close(one.said.seq)

    def outcome(self, done: Outcome, t_ms: int) -> None:
        """What became of a CONFIG after a restart."""
        self._receipt(Said(done.order, OrderType.CONFIG), done.code, t_ms, done.why)
        self._book.save(t_ms)

    def tick(self, t_mono_ns: int) -> None:
        """End what has expired. Each second or so."""
        now = self._now(t_mono_ns)
        if now.utc_ms is not None:
            over = [
                seq
                for seq, one in self._book.open.items()
                if 0 < one.said.expires_utc_ms < now.utc_ms and one.said.type not in NEVER_LATE
            ]
            for seq in over:
                self._close(seq)
        self._book.save(now.t_ms)

    # --- the local socket --------------------------------------------------------------------------

    def listed(self, t_mono_ns: int) -> dict[str, object]:
        """For `zhantu-edge orders`: who asks has seen them, so they are SHOWN."""
        now = self._now(t_mono_ns)
        for one in self._book.open.values():
            if EventCode.SHOWN not in self._book.judge.codes(one.said):
                self._receipt(one.said, EventCode.SHOWN, now.t_ms)
        self._book.save(now.t_ms)
        return {"orders": [self._as_dict(one) for one in reversed(self._book.open.values())]}

    def _as_dict(self, one: Open) -> dict[str, object]:
        said = one.said
        codes = [EventCode(code).name.lower() for code in self._book.judge.codes(said)]
        return {
            "seq": said.seq, "type": said.type.name.lower(), "text": said.text, "issuer": said.issuer,
            "role": said.role, "came_utc_ms": one.since_utc_ms, "expires_utc_ms": said.expires_utc_ms or None,
            "lat_deg_e7": said.lat_deg_e7, "lon_deg_e7": said.lon_deg_e7, "receipts": codes,
        }  # fmt: skip

    def answer(self, words: str, t_mono_ns: int) -> dict[str, object]:
        """`SEQ accept|refuse|done|here` of a person at the gateway."""
        number, _, word = words.strip().partition(" ")
        one = self._book.open.get(int(number)) if number.isascii() and number.isdigit() else None
        if one is None:
            return {"error": f"no open order {number[:20]!r}; `zhantu-edge orders` lists them"}
        code = ANSWERS.get(word)
        if code is None or (code == EventCode.ROLL_CALL) != (one.said.type == OrderType.ROLL_CALL):
            fit = "here" if one.said.type == OrderType.ROLL_CALL else "accept, refuse, done"
            return {"error": f"answer {word[:20]!r}; allowed for this order: {fit}"}
        t_ms = self._now(t_mono_ns).t_ms
        self._ears.say(code, one.said.seq, t_ms)
        self.answered(one.said.seq, code, t_ms)
        if code == EventCode.ACCEPTED and one.said.seq in self._book.open:
            self._ears.accept(one.said.seq)
        return {"order": one.said.seq, "answer": word}

    def status(self) -> dict[str, object]:
        """For `zhantu-edge status`."""
        return {"open": len(self._book.open), "obeyed": self.obeyed, "refused": dict(self.refused)}


def _remember(into: dict[int, int], key: int, t_ms: int, most: int) -> None:
    into.pop(key, None)
    into[key] = t_ms
    if len(into) > most:
        del into[next(iter(into))]
