"""Emulated BeiDou short-message terminals in three dialects, and the satellite between them.

Enters: what a program writes, the time, and the truth (beams, inhibits, card). Leaves: the terminal's bytes. Called by
drills and tests. It reads commands and writes answers with code of its own, so that the driver's end meets bytes that
it did not make itself.
"""

from collections import deque
from dataclasses import dataclass, field

MAIL_MAX = 64
INPUT_SIZE_MAX = 8_192
BEAM_PERIOD_MS = 1_000
MS_PER_S = 1_000
BODY_MAX = {1: 13, 2: 51, 3: 78, 4: 106, 5: 1_750}

BD2, BD3, BD40 = "BD-2", "BD-3", "BD 4.0"
INHIBITS = {"system": (1, 2, 7), "battery": (2, 2, 3), "silence": (3, 3, 8)}
"""An inhibit's code in the three dialects. BD-3 has none for the battery and calls it the system's."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message on its way. `kind` 0 characters, 1 code, 2 mixed, as BD-2 counts."""

    sender: int
    body: bytes
    kind: int


class Satellite:
    """Carries messages from card to card. The oldest one of a card that does not listen is lost."""

    def __init__(self) -> None:
        self._mail: dict[int, deque[Mail]] = {}
        self.carried = 0

    def post(self, to: int, mail: Mail) -> None:
        """Take a message for card `to`."""
        self._mail.setdefault(to, deque(maxlen=MAIL_MAX)).append(mail)
        self.carried += 1

    def take(self, card: int) -> Mail | None:
        """The oldest message for a card."""
        waiting = self._mail.get(card)
        return waiting.popleft() if waiting else None


@dataclass(slots=True)
class Terminal:
    """One terminal; change its truth as the drill wants. `card` 0: none is in it. `beams`: powers 0–4."""

    dialect: str
    satellite: Satellite
    card: int
    interval_s: int = 60
    level: int = 3
    beams: list[int] = field(default_factory=lambda: [3, 2, 2, 0, 3, 0])
    inhibit: str = ""
    empty_field: bool = False
    _t_ms: int = 0
    _due_ms: int = 0
    _beams_every_ms: int = 0
    _beams_ms: int = 0
    _input: bytes = b""

    def step(self, t_ms: int) -> bytes:
        """What it says by itself at `t_ms`: beams, when they were asked for, and messages that came."""
        self._t_ms = t_ms
        out = b""
        if self._beams_every_ms and t_ms - self._beams_ms >= self._beams_every_ms:
            self._beams_ms = t_ms
            out += self._say_beams()
        if self.card and any(self.beams):
            mail = self.satellite.take(self.card)
            if mail is not None:
                out += self._say_mail(mail)
        return out

    def answer(self, data: bytes) -> bytes:
        """What it says to what a program wrote."""
        self._input = (self._input + data)[-INPUT_SIZE_MAX:]
        out = b""
        while (start := self._input.find(b"$")) >= 0:
            self._input = self._input[start:]
            size = self._size()
            if size is None:
                break
            whole, self._input = self._input[:size], self._input[size:]
            out += self._binary(whole) if self.dialect == BD40 else self._ascii(whole)
        return out

    def _size(self) -> int | None:
        """How long the command at the start is; None while it is not whole. What is not of its dialect is passed over
        by its "$"."""
        if self.dialect == BD40:
            if len(self._input) < 7:
                return None
            size = self._input[5] << 8 | self._input[6]
            if not 11 <= size <= 512:
                return 1
            return size if len(self._input) >= size else None
        end = self._input.find(b"\r\n")
        following = self._input.find(b"$", 1)
        if following >= 0 and (end < 0 or following < end):
            return following
        return end + 2 if end >= 0 else None

    # --- ASCII -------------------------------------------------------------------------------------

    def _ascii(self, line: bytes) -> bytes:
        body, star, digits = line[1:].partition(b"*")
        words = body.decode("latin-1").split(",")
        command = words[0][2:]
        if not star or f"{_xor(body):02X}" != digits.strip().decode("latin-1"):
            wrong = self.dialect == BD3 and command in ("TCQ", "ICR")
            return _line(f"BDFKI,{self._clock()},{command},N,11,0") if wrong else b""
        if self.dialect == BD2:
            return self._bd2(command, words)
        return self._bd3(command, words)

    def _bd2(self, command: str, words: list[str]) -> bytes:
        if command == "ICA":
            return _line(f"BDICI,{self.card:07d},02097151,0000011,6,{self.interval_s},{self.level},N,000")
        if command == "RMO" and words[1] == "BSI":
            return self._beams_wanted(words)
        if command != "TXA" or len(words) != 5:
            return b""
        body = bytes.fromhex(words[4])
        why = self._refusal(len(body))
        if not why:
            kind = int(words[3])
            self._carry(int(words[1]), body, kind)
            return _line(f"BDFKI,TXA,Y,Y,0,{self.interval_s:04d}")
        due = "N" if why == "due" else "Y"
        code = INHIBITS[why][0] if why in INHIBITS else 0
        return _line(f"BDFKI,TXA,N,{due},{code},{self._wait_s() if why == 'due' else 0:04d}")

    def _bd3(self, command: str, words: list[str]) -> bytes:
        if command == "ICR":
            if not self.card:
                return _line("BDICP" + "," * 23)
            tail = f"{self.interval_s},{self.level},1,1,2,2,500,100,10,10"
            return _line(f"BDICP,{self.card},2032472,1,3,0,N,1,Y,1,0,0,3,1,{tail}")
        if command == "RMO" and words[1] == "PWI":
            return self._beams_wanted(words)
        if command != "TCQ":
            return b""
        if len(words) != (8 if self.empty_field else 7):
            return _line(f"BDFKI,{self._clock()},TCQ,N,7,0")
        body = bytes.fromhex(words[-2])
        why = self._refusal(len(body))
        if not why:
            self._carry(int(words[1]), body, 1)
            return _line(f"BDFKI,{self._clock()},TCQ,Y,0,0")
        code = {"due": 1, "beam": 4, "card": 5, "long": 6}.get(why) or INHIBITS[why][1]
        return _line(f"BDFKI,{self._clock()},TCQ,N,{code},{self._wait_s() if why == 'due' else 0}")

    def _beams_wanted(self, words: list[str]) -> bytes:
        self._beams_every_ms = int(words[3]) * MS_PER_S if words[2] == "2" else 0
        self._beams_ms = self._t_ms
        return self._say_beams()

    def _clock(self) -> str:
        seconds = self._t_ms // MS_PER_S
        return f"{seconds // 3600 % 24:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"

    # --- binary ------------------------------------------------------------------------------------

    def _binary(self, whole: bytes) -> bytes:
        if len(whole) < 11 or _xor(whole[:-1]) != whole[-1]:
            return b""
        command, body = whole[1:5], whole[10:-1]
        if command == b"ICJC":
            more = bytes([0, 0, 0, 1, 6]) + self.interval_s.to_bytes(2, "big") + bytes([self.level, 0, 0, 0])
            return self._frame(b"ICXX", more)
        if command == b"GLJC":
            return self._say_beams()
        if command != b"TXSQ":
            return b""
        text = body[7 : 7 + (body[4] << 8 | body[5]) // 8]
        why = self._refusal(len(text))
        if not why:
            kind = 2 if text[:1] == b"\xa4" else 1
            self._carry(int.from_bytes(body[1:4], "big"), text, kind)
            return self._frame(b"FKXX", b"\x00TXSQ")
        if why == "due":
            return self._frame(b"FKXX", bytes([4, min(255, self._wait_s()), 0, 0, 0]))
        flag = {"beam": 2, "card": 1, "long": 1}.get(why) or INHIBITS[why][2]
        return self._frame(b"FKXX", bytes([flag]) + b"TXSQ")

    def _frame(self, command: bytes, body: bytes) -> bytes:
        size = 11 + len(body)
        data = b"$" + command + bytes([size >> 8, size & 0xFF]) + self.card.to_bytes(3, "big") + body
        return data + bytes([_xor(data)])

    # --- both --------------------------------------------------------------------------------------

    def _wait_s(self) -> int:
        return max(0, -((self._t_ms - self._due_ms) // MS_PER_S))

    def _refusal(self, size: int) -> str:
        """Why a message of `size` bytes cannot go now; "" when it can."""
        if not self.card:
            return "card"
        if self.inhibit:
            return self.inhibit
        if self._t_ms < self._due_ms:
            return "due"
        if not any(self.beams):
            return "beam"
        return "long" if size > BODY_MAX[self.level] else ""

    def _carry(self, to: int, body: bytes, kind: int) -> None:
        self._due_ms = self._t_ms + self.interval_s * MS_PER_S
        self.satellite.post(to, Mail(self.card, body, kind))

    def _say_beams(self) -> bytes:
        powers = (self.beams + [0] * 10)[:10]
        if self.dialect == BD2:
            return _line("BDBSI,01,03," + ",".join(map(str, powers)))
        if self.dialect == BD40:
            return self._frame(b"GLZK", bytes(powers[:6]))
        heard = [(number, 36 + 4 * power) for number, power in enumerate(self.beams, 1) if power]
        words = "".join(f",{number},{dbhz},{dbhz - 7},0" for number, dbhz in heard)
        return _line(f"BDPWI,{self._clock()}.00,00,{len(heard):02d}{words}")

    def _say_mail(self, mail: Mail) -> bytes:
        if self.dialect == BD2:
            return _line(f"BDTXR,1,{mail.sender:07d},{mail.kind},,{mail.body.hex().upper()}")
        if self.dialect == BD3:
            coding = {0: 1, 1: 2, 2: 3}[mail.kind]
            more = "0," if self.empty_field else ""
            return _line(
                f"BDTCI,{mail.sender:08d},{self.card},2,{self._clock()},{coding},{more}{mail.body.hex().upper()}"
            )
        bits = (8 * len(mail.body)).to_bytes(2, "big")
        minutes = self._t_ms // 60_000
        head = bytes([0x44 if mail.kind == 0 else 0x46])
        when = bytes([minutes // 60 % 24, minutes % 60])
        return self._frame(b"TXXX", head + mail.sender.to_bytes(3, "big") + when + bits + mail.body + b"\x00")


def _xor(data: bytes) -> int:
    out = 0
    for byte in data:
        out ^= byte
    return out


def _line(body: str) -> bytes:
    return f"${body}*{_xor(body.encode()):02X}\r\n".encode()
