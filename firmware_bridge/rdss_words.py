"""What a BeiDou short-message terminal says and is told, in its three dialects.

Enters: checked sentences and frames, or what is to be said. Leaves: `Card`, `Beams`, `Feedback`, `Message`, or bytes.
Called by `rdss`. The emulated terminal has its own end of all this.

**Source:** BD-2 "2.1" and BD-3 user-terminal data interfaces and the BD 4.0 general user-machine interface, as far as
makers and users have published frames of them; no library of independent origin is kept. The reference frames of the
tests are the ground; where makers disagree, it says so below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from firmware_bridge.rdss_frames import ADDRESS_MAX, frame, sentence

BODY_MIXED = b"\xa4"
"""Goes before a body of type "mixed", and is no part of it."""

CATEGORY_MIXED = 0x46
"""BD 4.0: an ordinary message in code, which with BODY_MIXED holds any bytes. The reference frame has 0x42."""

ID_MAX = 99_999_999
LEVEL_SIZE = {1: 13, 2: 51, 3: 78, 4: 106}
"""Bytes of a message by the card's level: 110, 408, 628 and 848 bits."""
BD3_SIZE = 1_750
"""14,000 bits, for cards of level 5, which terminals also call 0."""


class Dialect(Enum):
    """What a terminal speaks. The value is what people are told."""

    BD2 = "BD-2 2.1"
    BD3 = "BD-3"
    BD40 = "BD 4.0"


@dataclass(frozen=True, slots=True)
class Card:
    """The card in the terminal; `id` 0 is none. `interval_s`: how often it may send. `level`: how long a message."""

    dialect: Dialect
    id: int
    interval_s: int
    level: int

    @property
    def size_max(self) -> int:
        """Bytes of one message."""
        if self.dialect is Dialect.BD3 and self.level in (0, 5):
            return BD3_SIZE
        size = LEVEL_SIZE.get(self.level, LEVEL_SIZE[1])
        return size - len(BODY_MIXED) if self.dialect is Dialect.BD40 else size


@dataclass(frozen=True, slots=True)
class Beams:
    """How many beams are received at all, and the strongest one in the terminal's own steps."""

    dialect: Dialect
    count: int
    strongest: int


@dataclass(frozen=True, slots=True)
class Feedback:
    """The terminal's answer to a command. `reason` is "" when it was taken. `wait_s`: until the next one may come."""

    dialect: Dialect
    command: str
    reason: str
    wait_s: int


@dataclass(frozen=True, slots=True)
class Message:
    """One that came in. `sender` is a card's number; `is_text` says that the sender called it characters, not code."""

    dialect: Dialect
    sender: int
    body: bytes
    is_text: bool


Word = Card | Beams | Feedback | Message

NOT_DUE, SYSTEM, BATTERY, SILENCE, NO_BEAM, NO_CARD = (
    "not due", "system inhibit", "battery", "radio silence", "no beam", "no card"
)  # fmt: skip
BD2_INHIBITS = {"1": SYSTEM, "2": BATTERY, "3": SILENCE}
BD3_REASONS = {
    "1": NOT_DUE, "2": SYSTEM, "3": SILENCE, "4": NO_BEAM, "5": NO_CARD, "6": "no right", "11": "bad checksum",
}  # fmt: skip
BD40_FLAGS = {
    0: "", 1: "refused", 2: NO_BEAM, 3: BATTERY, 4: NOT_DUE, 5: "encryption", 6: "bad checksum", 7: SYSTEM, 8: SILENCE,
}  # fmt: skip


# --- what it says ------------------------------------------------------------------------------------------------


def parse_sentence(body: bytes) -> Word | None:
    """A sentence's meaning; None for a sentence that is none of ours. ValueError for one of ours that is wrong."""
    kind = _SENTENCES.get(body[:5])
    if kind is None:
        return None
    try:
        return kind(body.split(b",")[1:])
    except IndexError:
        raise ValueError("rdss: too few fields") from None


def parse_frame(command: bytes, address: int, body: bytes) -> Word | None:
    """A binary frame's meaning; None for one of no use. ValueError for one of ours that is wrong."""
    kind = _FRAMES.get(command)
    if kind is None:
        return None
    try:
        return kind(address, body)
    except IndexError:
        raise ValueError("rdss: too short") from None


def _number(field: bytes, hi: int = ID_MAX) -> int:
    """Digits alone: `int` would also take signs, spaces and underscores."""
    if not field.isdigit() or len(field) > 10 or int(field) > hi:
        raise ValueError("rdss: a number is wrong")
    return int(field)


def _ici(fields: list[bytes]) -> Card:
    """id, serial, broadcast id, feature, interval, level, encryption, subordinates."""
    return Card(Dialect.BD2, _number(fields[0]), _number(fields[4], 65_535), _number(fields[5], 99))


def _icp(fields: list[bytes]) -> Card:
    """id first; regional interval and level are the 14th and 15th. A terminal without a card leaves them empty."""
    if not fields[0] or not _number(fields[0]):
        return Card(Dialect.BD3, 0, 0, 0)
    return Card(Dialect.BD3, _number(fields[0]), _number(fields[13], 65_535), _number(fields[14], 99))


def _bsi(fields: list[bytes]) -> Beams:
    """Response beam, time-difference beam, ten powers of 0–4."""
    powers = [_number(field, 99) for field in fields[2:]]
    if not powers:
        raise ValueError("rdss: no powers")
    return Beams(Dialect.BD2, sum(power > 0 for power in powers), max(powers))


def _pwi(fields: list[bytes]) -> Beams:
    """Time, how many old signals and three fields for each, how many new ones and four fields for each (number, three
    powers, 0). Some makers leave out a field of each; a beam counts where the first power is above 0."""
    old = _number(fields[1], 64)
    at = 2 + 3 * old
    new = _number(fields[at], 64)
    rest = [_number(field, 255) if field else 0 for field in fields[at + 1 :]]
    if len(rest) < 3 * new:
        raise ValueError("rdss: beams are missing")
    width = len(rest) // new if new else 1
    powers = [max(rest[i * width + 1 : (i + 1) * width]) for i in range(new)]
    powers += [_number(fields[2 + 3 * i + 1] or b"0", 255) for i in range(old)]
    return Beams(Dialect.BD3, sum(power > 0 for power in powers), max(powers, default=0))


def _fki(fields: list[bytes]) -> Feedback:
    """Two layouts: BD-3 has the time first, then command, Y/N, reason, wait; BD-2 command, Y/N, due Y/N, inhibit,
    wait."""
    if fields[0][:6].isdigit() or not fields[0]:
        command, taken, code, wait_s = fields[1], fields[2], fields[3].decode(errors="replace"), fields[4]
        reason = BD3_REASONS.get(code.lstrip("0") or "0", "refused")
        dialect = Dialect.BD3
    else:
        command, taken, due, code, wait_s = (
            fields[0],
            fields[1],
            fields[2],
            fields[3].decode("latin-1"),
            fields[4],
        )
        reason = NOT_DUE if due == b"N" else BD2_INHIBITS.get(code.lstrip("0"), "refused")
        dialect = Dialect.BD2
    if taken not in (b"Y", b"N") or not command.isalpha():
        raise ValueError("rdss: feedback is neither Y nor N")
    wait = _number(wait_s, 65_535)
    if reason == "refused" and wait:
        reason = NOT_DUE
    return Feedback(dialect, command.decode("ascii"), "" if taken == b"Y" else reason, wait)


def _txr(fields: list[bytes]) -> Message:
    """Class, sender, type (0 characters, 1 code, 2 mixed), time, body. Raw characters may hold no comma."""
    kind = _number(fields[2], 9)
    return Message(Dialect.BD2, _number(fields[1]), _body(fields[4], kind == 2), kind != 1)


def _tci(fields: list[bytes]) -> Message:
    """Sender, receiver, frequency, time, coding (1 characters, 2 code, 3 mixed), body; some makers put one more field
    before the body."""
    kind = _number(fields[4], 9)
    return Message(
        Dialect.BD3,
        _number(fields[0]),
        _body(fields[-1] if len(fields) > 6 else fields[5], kind == 3),
        kind != 2,
    )


def _body(field: bytes, mixed: bool) -> bytes:
    """Digits of hex where it is hex, else the raw characters that some terminals give. An odd digit is the high half
    of a byte."""
    try:
        body = bytes.fromhex((field + b"0" * (len(field) % 2)).decode("ascii"))
    except ValueError:
        return field
    return body.removeprefix(BODY_MIXED) if mixed else body


def _icxx(address: int, body: bytes) -> Card | None:
    """Frame 0: frame number, broadcast 3, feature, interval 2, level, encryption, subordinates 2. Others list those."""
    if body[0] != 0:
        return None
    return Card(Dialect.BD40, address, body[5] << 8 | body[6], body[7])


def _glzk(_address: int, body: bytes) -> Beams:
    """Six powers of 0–4."""
    powers = (body[0], body[1], body[2], body[3], body[4], body[5])
    return Beams(Dialect.BD40, sum(power > 0 for power in powers), max(powers))


def _fkxx(_address: int, body: bytes) -> Feedback:
    """A flag and four bytes more. "Not due" has the seconds in the first or in the last of them, so the larger one is
    taken; "done" and "refused" have the command's name. The seconds after a message are not said."""
    flag, more = body[0], (body[1], body[2], body[3], body[4])
    command = bytes(more).decode("latin-1")
    if BD40_FLAGS.get(flag) == NOT_DUE:
        return Feedback(Dialect.BD40, "TXSQ", NOT_DUE, max(more))
    named = command if command.isalpha() and command.isascii() else "TXSQ"
    return Feedback(Dialect.BD40, named, BD40_FLAGS.get(flag, "refused"), 0)


def _txxx(_address: int, body: bytes) -> Message:
    """Category, sender 3, hour, minute, bits 2, body, CRC flag."""
    size = ((body[6] << 8 | body[7]) + 7) // 8
    if len(body) != 9 + size:
        raise ValueError("rdss: length of the body")
    text, sender = body[8 : 8 + size], int.from_bytes(body[1:4], "big") & ADDRESS_MAX
    is_code = bool(body[0] & 0x02) and not text.startswith(BODY_MIXED)
    return Message(Dialect.BD40, sender, text.removeprefix(BODY_MIXED), not is_code)


_SENTENCES: dict[bytes, Callable[[list[bytes]], Word]] = {
    b"BDICI": _ici, b"BDICP": _icp, b"BDBSI": _bsi, b"BDPWI": _pwi, b"BDFKI": _fki, b"BDTXR": _txr, b"BDTCI": _tci,
}  # fmt: skip
_FRAMES: dict[bytes, Callable[[int, bytes], Word | None]] = {
    b"ICXX": _icxx,
    b"GLZK": _glzk,
    b"FKXX": _fkxx,
    b"TXXX": _txxx,
}


# --- what it is told ---------------------------------------------------------------------------------------------


def ask_card(dialect: Dialect) -> bytes:
    """Who are you?"""
    if dialect is Dialect.BD40:
        return frame("ICJC", 0, b"\x00")
    return sentence("CCICA,0,00" if dialect is Dialect.BD2 else "CCICR,0,00")


def ask_beams(dialect: Dialect, every_s: int) -> bytes:
    """How well do you hear? BD-2 and BD-3 say it each `every_s` from then on, BD 4.0 once."""
    if dialect is Dialect.BD40:
        return frame("GLJC", 0, b"\x00")
    return sentence(f"CCRMO,{'BSI' if dialect is Dialect.BD2 else 'PWI'},2,{every_s}")


def send_bd2(to: int, body: bytes, kind: int = 1) -> bytes:
    """A message by TXA; `kind` 1 code, 2 mixed (BODY_MIXED goes before it)."""
    whole = BODY_MIXED + body if kind == 2 else body
    return sentence(f"CCTXA,{to:07d},1,{kind},{whole.hex().upper()}")


def send_bd3(to: int, body: bytes, empty_field: bool = False) -> bytes:
    """A message by TCQ: frequency Lf1, with acknowledgement, in code. `empty_field`: some makers want one before the
    body."""
    return sentence(f"CCTCQ,{to},2,1,2,{',' if empty_field else ''}{body.hex().upper()},0")


def send_bd40(to: int, body: bytes, own: int = 0, category: int = CATEGORY_MIXED) -> bytes:
    """A message by TXSQ. BODY_MIXED, where it is wanted, is part of `body`."""
    bits = (8 * len(body)).to_bytes(2, "big")
    return frame("TXSQ", own, bytes([category]) + to.to_bytes(3, "big") + bits + b"\x00" + body)
