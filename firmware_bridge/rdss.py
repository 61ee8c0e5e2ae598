"""The driver of BeiDou short-message (RDSS) terminals: BD-2 "2.1", BD-3 and BD 4.0, known by what answers.

Enters: bytes of the terminal, and messages to send. Leaves: how many beams it hears, how long until the next message,
messages that came, notes on what became of ours, and bytes for the terminal. Called through the table in `drivers.py`;
`send` and `taken` are for a bearer. One message waits or is on its way at a time: a card may send once a minute.
"""

from collections import deque
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from firmware_bridge.interface import DriverRow, Quiet, Settings, Stats
from firmware_bridge.rdss_frames import ADDRESS_MAX, RdssSplitter
from firmware_bridge.rdss_words import (
    BATTERY,
    BODY_MIXED,
    ID_MAX,
    NO_BEAM,
    NO_CARD,
    NOT_DUE,
    SILENCE,
    SYSTEM,
    Beams,
    Card,
    Dialect,
    Feedback,
    Message,
    Word,
    ask_beams,
    ask_card,
    parse_frame,
    parse_sentence,
    send_bd2,
    send_bd3,
    send_bd40,
)
from protocols import opening
from protocols.catalog import Said, Source, field_id
from protocols.samples import Heard, Identity, Note, Reading, Sample
from protocols.units import NS_PER_MS

BEAMS, WAIT = field_id("rdss_beams"), field_id("rdss_wait_s")
BEAMS_MAX = 32

ASK_CARD_MS = 5_000
CARD_AGAIN_MS = 60_000
"""A card may be changed while the terminal is on."""
BEAMS_EVERY_S = 5
BEAMS_AGE_MS_MAX = 30_000
"""Beams that were said longer ago are not there."""
FEEDBACK_MS = 10_000
INHIBIT_HOLD_S = 60
"""After a refusal by the system, the battery or radio silence nothing is sent for so long, unless the terminal says how
long. It does not say when they are lifted."""

FRAME_STALL_MS = 500
TAKEN_MAX = 16
SEND_COMMANDS = ("TXA", "TCQ", "TXSQ")
HOLDING = (SYSTEM, BATTERY, SILENCE)
NS_PER_S = 1_000 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class RdssOptions:
    """`[port.options]`. size_max 0: by the card's level."""

    size_max: int = 0
    empty_field: bool = False


@dataclass(frozen=True, slots=True)
class _Outgoing:
    to: int
    data: bytes


class RdssDriver(Quiet):
    """One terminal on one port."""

    def __init__(self, settings: Settings) -> None:
        self.stats = Stats()
        self.card: Card | None = None
        self.taken: deque[Message] = deque(maxlen=TAKEN_MAX)
        """Messages that came, for a bearer, which takes them out; the oldest ones fall out."""
        self.outcome = ""
        """What became of the last message: "sent", or why not; "" while none was sent or it is on its way."""
        self._options = settings.options or RdssOptions()
        self._splitter = RdssSplitter(self.stats, self._sentence, self._frame)
        self._out: list[Sample] = []
        self._now_ns = self._last_byte_ns = 0
        self._ask_card_ns = self._ask_beams_ns = 0
        self._beams: Beams | None = None
        self._beams_ns = 0
        self._due_ns = self._held_ns = 0
        self._held_by = ""
        self._queued: _Outgoing | None = None
        self._on_its_way: _Outgoing | None = None
        self._sent_ns = 0
        self.talk_mono_ns: int | None = 0

    # --- bytes in ----------------------------------------------------------------------------------

    def feed(self, data: bytes, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        self._now_ns = self._last_byte_ns = t_mono_ns
        self._splitter.feed(data)
        return self._take()

    def idle(self, t_mono_ns: int) -> list[Sample]:
        """See `interface.Driver`."""
        self._now_ns = t_mono_ns
        if t_mono_ns - self._last_byte_ns >= FRAME_STALL_MS * NS_PER_MS:
            self._splitter.give_up()
        return self._take()

    @property
    def pending_size(self) -> int:
        """Bytes kept between calls."""
        return self._splitter.pending_size

    def _take(self) -> list[Sample]:
        self._time_out()
        out, self._out = self._out, []
        return out

    def _sentence(self, body: bytes) -> None:
        try:
            self._word(parse_sentence(body))
        except ValueError:
            self.stats.bad += 1

    def _frame(self, command: bytes, address: int, body: bytes) -> None:
        try:
            self._word(parse_frame(command, address, body))
        except ValueError:
            self.stats.bad += 1

    def _word(self, word: Word | None) -> None:
        if word is None:
            self.stats.skipped += 1
            return
        self.stats.good += 1
        if isinstance(word, Card):
            self._note_card(word)
        elif isinstance(word, Beams):
            self._beams, self._beams_ns = word, self._now_ns
            self._tell()
        elif isinstance(word, Feedback):
            self._note_feedback(word)
        else:
            self.taken.append(word)
            if word.is_text or not opening.is_ours(word.body):
                self._out.append(Heard(Source.RDSS, word.sender, Said.MESSAGE, text_of(word)))

    def _note_card(self, card: Card) -> None:
        if card == self.card:
            return
        if self.card is None or self.card.dialect is not card.dialect:
            self._out.append(Identity(f"RDSS {card.dialect.value}"))
        self.card = card
        self._ask_beams_ns = self.talk_mono_ns = self._now_ns
        words: dict[str, int | str] = {"dialect": card.dialect.value, "card": card.id}
        if card.id:
            words |= {"interval_s": card.interval_s, "level": card.level, "size_max": self.size_max}
        self._out.append(Note("rdss", words))

    def _note_feedback(self, feedback: Feedback) -> None:
        if feedback.command not in SEND_COMMANDS:
            return
        interval_s = self.card.interval_s if self.card else 0
        if not feedback.reason:
            self._due_ns = self._now_ns + max(feedback.wait_s, interval_s) * NS_PER_S
            self._held_by = ""
        elif feedback.reason in HOLDING:
            self._held_ns = self._now_ns + (feedback.wait_s or INHIBIT_HOLD_S) * NS_PER_S
            self._held_by = feedback.reason
        elif feedback.reason == NOT_DUE:
            self._due_ns = self._now_ns + (feedback.wait_s or interval_s) * NS_PER_S
        self._finish(feedback.reason or "sent")

    def _finish(self, outcome: str) -> None:
        """Tell what became of the message that was on its way."""
        outgoing, self._on_its_way = self._on_its_way, None
        if outgoing is not None:
            self.outcome = outcome
            self._out.append(Note("rdss", {"to": outgoing.to, "outcome": outcome, "wait_s": self.wait_s}))
        self._tell()

    def _time_out(self) -> None:
        if self._on_its_way is not None and self._now_ns - self._sent_ns >= FEEDBACK_MS * NS_PER_MS:
            self._finish("no answer")

    def _tell(self) -> None:
        self._out.append(
            Reading({BEAMS: min(self._beam_count(), BEAMS_MAX), WAIT: min(self.wait_s, 100_000)})
        )

    # --- what is known -----------------------------------------------------------------------------

    @property
    def size_max(self) -> int:
        """Bytes of one message; 0 without a card."""
        if self.card is None or not self.card.id:
            return 0
        return self._options.size_max or self.card.size_max

    @property
    def wait_s(self) -> int:
        """Seconds until the next message may be sent, rounded up."""
        until_ns = max(self._due_ns, self._held_ns if self._held_by else 0)
        return max(0, -((self._now_ns - until_ns) // NS_PER_S))

    def _beam_count(self) -> int:
        known = self._beams is not None and self._now_ns - self._beams_ns <= BEAMS_AGE_MS_MAX * NS_PER_MS
        return self._beams.count if known and self._beams is not None else 0

    # --- bytes out ---------------------------------------------------------------------------------

    def send(self, to: int, payload: bytes, t_mono_ns: int) -> str:
        """Take a message for card `to`; "" when it will be sent, else why not. `outcome` and a Note say what became of
        it. Nothing waits here for its time: a caller that is refused knows best what to send then."""
        self._now_ns = t_mono_ns
        self._time_out()
        why = self._wrong(to, payload) or self.why_not()
        if not why:
            assert self.card is not None
            self._queued = _Outgoing(to, self._packed(self.card, to, payload))
            self.outcome = ""
            self.talk_mono_ns = t_mono_ns
        return why

    def _wrong(self, to: int, payload: bytes) -> str:
        if self.card is None or not self.card.id:
            return NO_CARD
        to_max = ADDRESS_MAX if self.card.dialect is Dialect.BD40 else ID_MAX
        if not 0 < to <= to_max:
            return f"no such address: {to}"
        if not payload:
            return "empty"
        if len(payload) > self.size_max:
            return f"too long: {len(payload)} of {self.size_max} bytes"
        return ""

    def why_not(self) -> str:
        """Why no message may be sent now; "" when one may."""
        if self.card is None or not self.card.id:
            return NO_CARD
        if self._queued or self._on_its_way:
            return "busy"
        if self._held_by and self._now_ns < self._held_ns:
            return f"{self._held_by}: {self.wait_s} s"
        if self.wait_s:
            return f"{NOT_DUE}: {self.wait_s} s"
        return "" if self._beam_count() else NO_BEAM

    def _packed(self, card: Card, to: int, payload: bytes) -> bytes:
        if card.dialect is Dialect.BD2:
            return send_bd2(to, payload)
        if card.dialect is Dialect.BD3:
            return send_bd3(to, payload, self._options.empty_field)
        return send_bd40(to, BODY_MIXED + payload, card.id)

    def talk(self, t_mono_ns: int) -> bytes:
        """See `interface.Driver`: the message that waits, and questions that are due."""
        self._now_ns = t_mono_ns
        self._time_out()
        out = b""
        if self._queued is not None:
            out = self._queued.data
            self._queued, self._on_its_way, self._sent_ns = None, self._queued, t_mono_ns
        if t_mono_ns >= self._ask_card_ns:
            out += self._ask_card(t_mono_ns)
        if self.card is not None and self.card.id and t_mono_ns >= self._ask_beams_ns:
            out += ask_beams(self.card.dialect, BEAMS_EVERY_S)
            once = self.card.dialect is not Dialect.BD40
            self._ask_beams_ns = t_mono_ns + (BEAMS_AGE_MS_MAX if once else BEAMS_EVERY_S * 1_000) * NS_PER_MS
        self.talk_mono_ns = self._next_ns()
        return out

    def _next_ns(self) -> int:
        due = [self._ask_card_ns]
        if self.card is not None and self.card.id:
            due.append(self._ask_beams_ns)
        if self._on_its_way is not None:
            due.append(self._sent_ns + FEEDBACK_MS * NS_PER_MS)
        return min(due)

    def _ask_card(self, t_mono_ns: int) -> bytes:
        """All dialects at once until one has answered; a terminal ignores what it does not understand."""
        has_card = self.card is not None and self.card.id
        self._ask_card_ns = t_mono_ns + (CARD_AGAIN_MS if has_card else ASK_CARD_MS) * NS_PER_MS
        dialects = [self.card.dialect] if self.card is not None else list(Dialect)
        return b"".join(ask_card(dialect) for dialect in dialects)


def text_of(message: Message) -> str:
    """A message for people: characters in GBK, code as UTF-8 where it is that, else in hex."""
    if message.is_text:
        return message.body.decode("gbk", errors="replace")
    try:
        text = message.body.decode("utf-8")
    except UnicodeDecodeError:
        return message.body.hex().upper()
    return text if text.isprintable() else message.body.hex().upper()


def options(raw: dict[str, Any], folder: Path) -> RdssOptions:
    """See `RdssOptions`; ValueError says which key is wrong."""
    known = {"size_max": int, "empty_field": bool}
    for key, value in raw.items():
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"options: unknown key {key!r}; {hint}")
        if type(value) is not known[key]:
            raise ValueError(f"options.{key}: {known[key].__name__} needed, got {value!r}")
    made = RdssOptions(**raw)
    if not 0 <= made.size_max <= 1_750:
        raise ValueError(f"options.size_max: {made.size_max}, 0–1750 allowed")
    return made


def count_rdss(data: bytes) -> int:
    """How many messages of such a terminal `data` holds, and one more where there is any: GNSS receivers' sentences
    have the same form, and a tie should go to the terminal."""
    count = 0

    def note(word: Word | None) -> None:
        nonlocal count
        count += word is not None

    def on_sentence(body: bytes) -> None:
        try:
            note(parse_sentence(body))
        except ValueError:
            return

    def on_frame(command: bytes, address: int, body: bytes) -> None:
        try:
            note(parse_frame(command, address, body))
        except ValueError:
            return

    RdssSplitter(Stats(), on_sentence, on_frame).feed(data)
    return count + 1 if count else 0


ROWS = (
    DriverRow(
        "rdss",
        "BeiDou short-message terminal: BD-2 2.1, BD-3, BD 4.0",
        RdssDriver,
        count_rdss,
        ("rdss_beams", "rdss_wait_s", "heard", "note"),
        options,
        bauds=(115_200, 19_200, 9_600),
        probe=b"".join(ask_card(dialect) for dialect in Dialect),
    ),
)
