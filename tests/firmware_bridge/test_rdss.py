"""BeiDou short-message terminals: reference frames byte by byte, dialects, frequency control, damage.

There is no independent library of these protocols to compare with. The ground are frames that makers and users have
published: REFERENCE_IN, REFERENCE_OUT and the ones inside the tests; the emulated terminal has its own codec.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.drivers import make_driver, sniff
from firmware_bridge.interface import Settings
from firmware_bridge.rdss import (
    BEAMS,
    BEAMS_AGE_MS_MAX,
    FEEDBACK_MS,
    INHIBIT_HOLD_S,
    TAKEN_MAX,
    WAIT,
    RdssDriver,
    RdssOptions,
    count_rdss,
    options,
    text_of,
)
from firmware_bridge.rdss_frames import FRAME_SIZE_MAX, SENTENCE_LEN_MAX, frame, sentence
from firmware_bridge.rdss_words import (
    Beams,
    Card,
    Dialect,
    Feedback,
    Message,
    ask_beams,
    ask_card,
    parse_frame,
    parse_sentence,
    send_bd2,
    send_bd3,
    send_bd40,
)
from protocols.catalog import Said, Source
from protocols.samples import Heard, Note, Reading, Sample, sample_as_dict
from protocols.units import NS_PER_MS
from sim.devices.rdss import BD2, BD3, BD40, Satellite, Terminal

HERE = Path(__file__).parent / "captures/rdss"
S = 1_000 * NS_PER_MS
PENDING_SIZE_MAX = SENTENCE_LEN_MAX + 16

REFERENCE_IN = {
    b"$BDICI,0166166,02097151,0000011,6,40,3,N,000*33": Card(Dialect.BD2, 166_166, 40, 3),
    b"$BDICI,4207733,0,0,3,60,2,N,22*3A": Card(Dialect.BD2, 4_207_733, 60, 2),
    b"$BDFKI,TXA,Y,Y,0,0040*17": Feedback(Dialect.BD2, "TXA", "", 40),
    b"$BDFKI,TXA,N,Y,0,0000*04": Feedback(Dialect.BD2, "TXA", "refused", 0),
    b"$BDFKI,DWA,N,Y,0,0058*16": Feedback(Dialect.BD2, "DWA", "not due", 58),
    b"$BDTXR,1,0179773,2,,A468656C6C6F*43": Message(Dialect.BD2, 179_773, b"hello", True),
    b"$BDTXR,1,0166166,1,,3132333433333335*46": Message(Dialect.BD2, 166_166, b"12343335", False),
    b"$BDTXR,1,4207733,1,2337,90000000000065C1FAF4B2E2CAD4*3F": Message(
        Dialect.BD2, 4_207_733, bytes.fromhex("90000000000065C1FAF4B2E2CAD4"), False
    ),
    b"$BDBSI,01,03,3,2,2,0,3,0,0,3,0,0*5F": Beams(Dialect.BD2, 5, 3),
    b"$BDICP,15240507,2032472,1,3,0,N,1,Y,1,0,0,3,1,1,5,1,1,2,2,500,100,10,10*65": Card(
        Dialect.BD3, 15_240_507, 1, 5
    ),
    b"$BDPWI,023628.00,00,04,2,51,44,0,4,50,43,0,11,43,36,0,16,51,44,0*42": Beams(Dialect.BD3, 4, 51),
    b"$BDPWI,000000.00,00,01,51,40,33,0*7B": Beams(Dialect.BD3, 1, 40),
    b"$BDFKI,082920,TCQ,Y,0,0*70": Feedback(Dialect.BD3, "TCQ", "", 0),
}
REFERENCE_OUT = [
    (ask_card(Dialect.BD2), b"$CCICA,0,00*7B\r\n"),
    (ask_card(Dialect.BD3), b"$CCICR,0,00*68\r\n"),
    (ask_beams(Dialect.BD2, 1), b"$CCRMO,BSI,2,1*27\r\n"),
    (ask_beams(Dialect.BD2, 10), b"$CCRMO,BSI,2,10*17\r\n"),
    (send_bd2(166_166, b"12343335"), b"$CCTXA,0166166,1,1,3132333433333335*7F\r\n"),
    (send_bd2(179_773, b"hello", 2), b"$CCTXA,0179773,1,2,A468656C6C6F*7A\r\n"),
    (send_bd40(0x1FFA66, b"123 ", 0, 0x42), bytes.fromhex("24545853510016000000421FFA6600200031323320CD")),
]


@pytest.mark.parametrize(("line", "word"), REFERENCE_IN.items())
def test_reference_sentences(line: bytes, word: object) -> None:
    assert parse_sentence(line[1:-3]) == word
    assert sentence(line[1:-3].decode()) == line + b"\r\n", "the reference's checksum"
    driver = RdssDriver(Settings())
    driver.feed(line + b"\r\n", 0)
    assert (driver.stats.good, driver.stats.bad, driver.stats.noise) == (1, 0, 0)


@pytest.mark.parametrize(("ours", "reference"), REFERENCE_OUT)
def test_reference_commands_byte_by_byte(ours: bytes, reference: bytes) -> None:
    assert ours == reference


def test_bd3_messages_in_both_layouts() -> None:
    assert send_bd3(4_238_473, b"\x12\x34") == sentence("CCTCQ,4238473,2,1,2,1234,0")
    assert send_bd3(4_238_473, b"\x12\x34", True) == sentence("CCTCQ,4238473,2,1,2,,1234,0")
    body = bytes.fromhex("90000000000065BEF749B2E2CAD4")
    for text in ("BDTCI,04207733,4207733,2,023242,2,0,%s", "BDTCI,04207733,4207733,2,023242,2,%s",
                 "BDTCI,04207733,4207733,2,023242,2,,%s"):  # fmt: skip
        assert parse_sentence((text % body.hex()).encode()) == Message(Dialect.BD3, 4_207_733, body, False)


@pytest.mark.parametrize(
    ("text", "reason", "wait_s"),
    [
        ("BDFKI,TXA,N,N,0,0023", "not due", 23),
        ("BDFKI,TXA,N,Y,1,0000", "system inhibit", 0),
        ("BDFKI,TXA,N,Y,2,0000", "battery", 0),
        ("BDFKI,TXA,N,Y,3,0000", "radio silence", 0),
        ("BDFKI,080432,TCQ,N,1,7", "not due", 7),
        ("BDFKI,080432,TCQ,N,2,0", "system inhibit", 0),
        ("BDFKI,080432.00,TCQ,N,3,0", "radio silence", 0),
        ("BDFKI,,TCQ,N,4,0", "no beam", 0),
        ("BDFKI,080432,TCQ,N,5,0", "no card", 0),
        ("BDFKI,080432,TCQ,N,11,0", "bad checksum", 0),
        ("BDFKI,080432,TCQ,N,99,0", "refused", 0),
    ],
)
def test_feedback_of_both_layouts(text: str, reason: str, wait_s: int) -> None:
    word = parse_sentence(text.encode())
    assert isinstance(word, Feedback)
    assert (word.reason, word.wait_s) == (reason, wait_s)
    assert word.dialect is (Dialect.BD2 if "TXA" in text else Dialect.BD3)


def test_binary_words() -> None:
    icxx = bytes([0, 0, 0, 1, 6, 0, 60, 3, 0, 0, 0])
    assert parse_frame(b"ICXX", 2_096_742, icxx) == Card(Dialect.BD40, 2_096_742, 60, 3)
    assert parse_frame(b"ICXX", 1, b"\x01" + icxx[1:]) is None, "subordinates"
    assert parse_frame(b"GLZK", 1, bytes([4, 0, 3, 0, 0, 1])) == Beams(Dialect.BD40, 3, 4)
    assert parse_frame(b"FKXX", 1, b"\x00TXSQ") == Feedback(Dialect.BD40, "TXSQ", "", 0)
    for more in (bytes([42, 0, 0, 0]), bytes([0, 0, 0, 42])):
        assert parse_frame(b"FKXX", 1, b"\x04" + more) == Feedback(Dialect.BD40, "TXSQ", "not due", 42)
    for flag, reason in [(2, "no beam"), (3, "battery"), (7, "system inhibit"), (8, "radio silence")]:
        word = parse_frame(b"FKXX", 1, bytes([flag]) + b"TXSQ")
        assert isinstance(word, Feedback)
        assert word.reason == reason
    text = b"\xa4" + "水位".encode("gbk")
    txxx = b"\x46\x1f\xfa\x66\x0b\x1e" + (8 * len(text)).to_bytes(2, "big") + text + b"\x00"
    message = parse_frame(b"TXXX", 1, txxx)
    assert message == Message(Dialect.BD40, 0x1FFA66, text[1:], True)
    assert text_of(message) == "水位"  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="length"):
        parse_frame(b"TXXX", 1, txxx[:-1])


def test_text_of_messages() -> None:
    driver = RdssDriver(Settings())
    raw = "BDTXR,1,0412159,2,,北斗模块通信测试-!@#".encode("gbk")
    xor = 0
    for byte in raw:
        xor ^= byte
    samples = driver.feed(b"$%s*%02X\r\n" % (raw, xor), 0)
    assert samples == [Heard(Source.RDSS, 412_159, Said.MESSAGE, "北斗模块通信测试-!@#")]
    assert text_of(Message(Dialect.BD3, 1, "到达".encode(), False)) == "到达"
    assert text_of(Message(Dialect.BD3, 1, b"\xff\x00", False)) == "FF00"
    assert text_of(Message(Dialect.BD3, 1, b"\x01", False)) == "01"


@pytest.mark.parametrize(
    ("dialect", "level", "size_max"),
    [(Dialect.BD2, 3, 78), (Dialect.BD40, 3, 77), (Dialect.BD3, 5, 1_750), (Dialect.BD3, 0, 1_750),
     (Dialect.BD3, 3, 78), (Dialect.BD2, 9, 13)],
)  # fmt: skip
def test_budgets(dialect: Dialect, level: int, size_max: int) -> None:
    assert Card(dialect, 1, 60, level).size_max == size_max


class Link:
    """A driver and an emulated terminal, and what the driver said."""

    def __init__(self, terminal: Terminal, given: RdssOptions | None = None) -> None:
        self.terminal = terminal
        self.driver = RdssDriver(Settings(options=given))
        self.samples: list[Sample] = []

    def run(self, from_s: int, to_s: int) -> None:
        for t_ms in range(from_s * 1_000, to_s * 1_000, 250):
            said = self.terminal.step(t_ms)
            now_ns = t_ms * NS_PER_MS
            if self.driver.talk_mono_ns is not None and now_ns >= self.driver.talk_mono_ns:
                said += self.terminal.answer(self.driver.talk(now_ns))
            self.samples += self.driver.feed(said, now_ns) if said else self.driver.idle(now_ns)

    def outcomes(self) -> list[object]:
        return [s.words["outcome"] for s in self.samples if isinstance(s, Note) and "outcome" in s.words]

    def last(self, field: int) -> int:
        return next(s.values[field] for s in reversed(self.samples) if isinstance(s, Reading))


def terminal(
    dialect: str, card: int = 166_166, satellite: Satellite | None = None, **truth: object
) -> Terminal:
    return Terminal(dialect, satellite or Satellite(), card, **truth)  # type: ignore[arg-type]


ALL = [BD2, BD3, BD40]


@pytest.mark.parametrize("dialect", ALL)
def test_a_terminal_is_known_by_its_answer(dialect: str) -> None:
    link = Link(terminal(dialect))
    link.run(0, 3)
    card = link.driver.card
    assert card is not None
    assert (card.dialect.value[:4], card.id, card.interval_s, card.level) == (dialect[:4], 166_166, 60, 3)
    assert (link.last(BEAMS), link.last(WAIT)) == (4, 0)
    assert (link.driver.stats.bad, link.driver.stats.noise) == (0, 0)


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("other", ALL)
def test_two_terminals_talk(dialect: str, other: str) -> None:
    satellite = Satellite()
    ours, theirs = Link(terminal(dialect, 166_166, satellite)), Link(terminal(other, 179_773, satellite))
    ours.run(0, 3)
    theirs.run(0, 3)
    payload = bytes(range(256))[: min(ours.driver.size_max, 70)]
    assert ours.driver.send(179_773, payload, 3 * S) == ""
    assert ours.driver.send(179_773, b"x", 3 * S) == "busy"
    ours.run(3, 5)
    theirs.run(3, 6)
    assert (ours.driver.outcome, ours.outcomes(), satellite.carried) == ("sent", ["sent"], 1)
    (message,) = theirs.driver.taken
    sent = message.body.removeprefix(b"\xa4") if other != BD40 else message.body
    assert (message.sender, sent) == (166_166, payload)
    assert sum(isinstance(s, Heard) for s in theirs.samples) == 1
    assert 50 <= ours.last(WAIT) <= 60
    assert ours.driver.send(179_773, b"x", 25 * S) == "not due: 38 s"
    ours.run(25, 64)
    assert ours.driver.send(179_773, b"x", 64 * S) == ""
    ours.run(64, 66)
    assert satellite.carried == 2


@pytest.mark.parametrize("dialect", ALL)
def test_why_not(dialect: str) -> None:
    link = Link(terminal(dialect))
    assert link.driver.send(1, b"x", 0) == "no card"
    link.run(0, 3)
    size = link.driver.size_max
    assert link.driver.send(1, b"x" * 90, 3 * S) == f"too long: 90 of {size} bytes"
    assert link.driver.send(1, b"", 3 * S) == "empty"
    assert link.driver.send(0, b"x", 3 * S) == "no such address: 0"
    assert link.driver.send(10**9, b"x", 3 * S) == f"no such address: {10**9}"
    link.terminal.beams = [0] * 6
    link.run(3, 12)
    assert link.driver.send(1, b"x", 12 * S) == "no beam"
    link.terminal.beams = [1, 0, 0, 0, 0, 0]
    link.run(12, 20)
    assert link.driver.send(1, b"x", 20 * S) == ""
    link.run(20, 22)
    assert link.outcomes() == ["sent"]


def test_beams_that_are_not_said_any_more_are_not_there() -> None:
    link = Link(terminal(BD2))
    link.run(0, 3)
    assert link.driver.send(1, b"x", (2_000 + BEAMS_AGE_MS_MAX + 1_000) * NS_PER_MS) == "no beam"


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    ("inhibit", "reason"),
    [("system", "system inhibit"), ("battery", "battery"), ("silence", "radio silence")],
)
def test_an_inhibit_is_obeyed(dialect: str, inhibit: str, reason: str) -> None:
    link = Link(terminal(dialect, inhibit=inhibit))
    link.run(0, 3)
    if dialect == BD3 and inhibit == "battery":
        reason = "system inhibit"
    assert link.driver.send(1, b"x", 3 * S) == ""
    link.run(3, 5)
    assert link.outcomes() == [reason]
    assert link.driver.send(1, b"x", 6 * S) == f"{reason}: {INHIBIT_HOLD_S - 3} s"
    link.terminal.inhibit = ""
    link.run(5, 4 + INHIBIT_HOLD_S)
    assert link.driver.send(1, b"x", (4 + INHIBIT_HOLD_S) * S) == ""
    link.run(4 + INHIBIT_HOLD_S, 6 + INHIBIT_HOLD_S)
    assert link.driver.outcome == "sent"


@pytest.mark.parametrize("dialect", ALL)
def test_a_terminal_that_knows_better_is_believed(dialect: str) -> None:
    """It has sent for somebody else just before: "not due", and how long."""
    link = Link(terminal(dialect))
    link.run(0, 3)
    link.terminal._due_ms = 26_000
    assert link.driver.send(1, b"x", 3 * S) == ""
    link.run(3, 4)
    assert link.outcomes() == ["not due"]
    assert link.driver.send(1, b"x", 4 * S) == "not due: 22 s"


def test_no_answer_is_said_and_the_next_one_may_go() -> None:
    link = Link(terminal(BD2))
    link.run(0, 3)
    driver = link.driver
    assert driver.send(1, b"x", 3 * S) == ""
    assert driver.talk(3 * S).startswith(b"$CCTXA,0000001,1,1,78*")
    assert driver.talk_mono_ns is not None
    assert driver.talk_mono_ns <= 3 * S + FEEDBACK_MS * NS_PER_MS
    assert driver.send(1, b"x", 12 * S) == "busy"
    link.samples += driver.idle(3 * S + FEEDBACK_MS * NS_PER_MS)
    assert link.outcomes() == ["no answer"]
    assert driver.send(1, b"x", 14 * S) == ""


@pytest.mark.parametrize("dialect", ALL)
def test_without_a_card_it_is_asked_again(dialect: str) -> None:
    link = Link(terminal(dialect, 0))
    link.run(0, 3)
    assert link.driver.send(1, b"x", 3 * S) == "no card"
    link.terminal.card = 166_166
    link.run(3, 12)
    assert link.driver.send(1, b"x", 12 * S) == ""


def test_the_empty_field_is_an_option() -> None:
    link = Link(terminal(BD3, empty_field=True), options({"empty_field": True}, Path()))
    link.run(0, 3)
    assert link.driver.send(1, b"x", 3 * S) == ""
    link.run(3, 5)
    assert link.outcomes() == ["sent"]
    wrong = Link(terminal(BD3, empty_field=True))
    wrong.run(0, 3)
    wrong.driver.send(1, b"x", 3 * S)
    wrong.run(3, 5)
    assert wrong.outcomes() == ["refused"]


def test_options() -> None:
    assert options({}, Path()) == RdssOptions()
    assert options({"size_max": 120}, Path()) == RdssOptions(120)
    for raw, words in [
        ({"sizemax": 1}, "did you mean 'size_max'"),
        ({"size_max": "78"}, "int needed"),
        ({"size_max": True}, "int needed"),
        ({"size_max": 9_999}, "0–1750"),
    ]:
        with pytest.raises(ValueError, match=words):
            options(raw, Path())


def test_what_came_is_kept_within_a_bound() -> None:
    driver = RdssDriver(Settings())
    for number in range(40):
        driver.feed(sentence(f"BDTXR,1,{number:07d},1,,31"), 0)
    assert [message.sender for message in driver.taken] == list(range(40 - TAKEN_MAX, 40))


def mixture() -> bytes:
    """Of all dialects, which no terminal sends, but a stream must survive it."""
    out = b"".join(line + b"\r\n" for line in REFERENCE_IN)
    satellite = Satellite()
    for dialect in ALL:
        one = terminal(dialect, 166_166, satellite)
        out += one.answer(b"".join(ask_card(d) for d in Dialect)) + one._say_beams()
    text = b"\xa4$*$" + b"BDICI"
    body = b"\x46\x1f\xfa\x66\x0b\x1e" + (8 * len(text)).to_bytes(2, "big") + text + b"\x00"
    return out + frame("TXXX", 5, body) + frame("SJXX", 5, bytes(7)) + b"$GNZDA,,,,,,*56\r\n"


def feed(chunks: list[bytes]) -> tuple[list[Sample], RdssDriver]:
    driver = RdssDriver(Settings())
    samples = [sample for chunk in chunks for sample in driver.feed(chunk, 0)]
    return samples + driver.idle(10**10), driver


def test_every_split_point_gives_the_same() -> None:
    data = mixture()
    whole, driver = feed([data])
    assert (driver.stats.good, driver.stats.bad, driver.stats.noise) == (len(REFERENCE_IN) + 7, 0, 0)
    assert driver.stats.skipped == 2
    for cut in range(len(data)):
        assert feed([data[:cut], data[cut:]])[0] == whole, cut
    assert feed([data[i : i + 1] for i in range(len(data))])[0] == whole


def test_a_flipped_bit_gives_no_false_message() -> None:
    data = sentence("BDTXR,1,0179773,2,,A468656C6C6F")
    text = b"\xa4hello"
    head = b"\x46\x1f\xfa\x66\x0b\x1e" + (8 * len(text)).to_bytes(2, "big")
    data += frame("TXXX", 5, head + text + b"\x00") + sentence("BDICI,0166166,02097151,0000011,6,40,3,N,000")
    whole, _ = feed([data])
    for at in range(8 * len(data)):
        twin = bytearray(data)
        twin[at // 8] ^= 1 << at % 8
        found, _ = feed([bytes(twin) + b"\r\n" * 300])
        assert all(sample in whole for sample in found), at
        assert len(found) >= len(whole) - 2, at


def test_truncated_words_are_bad_with_a_good_checksum() -> None:
    for line in REFERENCE_IN:
        fields = line[1:-3].decode().split(",")
        for size in range(1, len(fields)):
            _, driver = feed([sentence(",".join(fields[:size])) if size > 1 else b""])
            if fields[0] in ("BDBSI", "BDTXR", "BDICP", "BDPWI") or size == 1:
                continue
            assert driver.stats.good == 0 or (fields[0] == "BDICI" and size > 6), (line, size)
    for command, size in [("GLZK", 5), ("FKXX", 4), ("ICXX", 7), ("TXXX", 8)]:
        for short in range(size + 1):
            _, driver = feed([frame(command, 1, bytes(short))])
            assert (driver.stats.good, driver.stats.bad) == (0, 1)


def test_it_finds_its_way_after_garbage_within_one_frame() -> None:
    good = sentence("BDICI,0166166,02097151,0000011,6,40,3,N,000")
    for garbage in (
        b"$BDTXR,1,",
        b"$ABCD\x01\xff",
        b"$" * 50,
        b"\x00\xff" * 100,
        b"$BDTXR,1,0166166,1,,31*4",
    ):
        driver = RdssDriver(Settings())
        driver.feed(garbage + good * (1 + FRAME_SIZE_MAX // len(good)), 0)
        assert driver.card is not None
        assert driver.card.id == 166_166


@given(
    st.lists(st.binary(max_size=80) | st.sampled_from([*REFERENCE_IN, b"$TXXX\x00", b"$BDTXR,"]), max_size=20)
)
def test_garbage_never_raises_and_is_bounded(chunks: list[bytes]) -> None:
    driver = RdssDriver(Settings())
    for chunk in chunks:
        driver.feed(chunk, 0)
        driver.talk(0)
        assert driver.pending_size <= PENDING_SIZE_MAX
    driver.idle(10**10)
    assert driver.pending_size == 0


@given(st.sampled_from(["BDICI", "BDICP", "BDBSI", "BDPWI", "BDFKI", "BDTXR", "BDTCI"]),
       st.lists(st.text("0123456789YNA.x-", max_size=8), max_size=30))  # fmt: skip
def test_any_fields_never_raise(kind: str, fields: list[str]) -> None:
    driver = RdssDriver(Settings())
    driver.feed(sentence(",".join([kind, *fields, ""])), 0)
    assert driver.stats.good + driver.stats.bad == 1
    for sample in driver.idle(0):
        sample_as_dict(sample)


@given(st.sampled_from(["ICXX", "GLZK", "FKXX", "TXXX"]), st.binary(max_size=60))
def test_any_body_never_raises(kind: str, body: bytes) -> None:
    _, driver = feed([frame(kind, 5, body)])
    assert driver.stats.good + driver.stats.bad + driver.stats.skipped == 1


def test_it_is_told_from_a_gnss_receiver() -> None:
    data = mixture()
    assert sniff(data) == "rdss"
    assert count_rdss(b"$GPGGA,1*47\r\n" * 5) == 0
    assert isinstance(make_driver("rdss"), RdssDriver)


@pytest.mark.parametrize("dialect", ALL)
def test_capture_and_golden(dialect: str) -> None:
    """A terminal's talk of half a minute, kept as it was: card, beams, a message out, one in."""
    name = dialect.lower().replace(" ", "")
    samples, driver = feed([(HERE / f"{name}.bin").read_bytes()])
    golden = [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text("utf-8").splitlines()]
    assert [json.loads(json.dumps(sample_as_dict(sample))) for sample in samples] == golden
    assert (driver.stats.bad, driver.stats.noise) == (0, 0)
