"""The driver `board` and its wire: every split, every damaged bit, what is acknowledged and what is repeated."""

from collections.abc import Iterable
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge import board_wire as wire
from firmware_bridge.board import (
    COMMAND_TRIES_MAX,
    EVENTS_KEPT,
    MAY_SEND,
    PLAYS_MAX,
    STALE_MS,
    BoardDriver,
    fuzz,
)
from firmware_bridge.board_image import parse_version, version_text
from firmware_bridge.board_wire import Can, Down, Event, Hello, Up, pack_event, pack_frame
from firmware_bridge.drivers import DRIVERS, sniff
from firmware_bridge.interface import Clock, Play, Settings, Show, Stats
from protocols.catalog import FIELDS_BY_NAME, Source, field_id
from protocols.samples import Identity, Impact, Note, Observed, Pressed, Reading, Sample
from protocols.wearer import Gesture, Pattern
from sim.devices.board import Board

MS = 10**6
HELLO = Hello(0x1122334455667788, 3, 0x010203, Can.BUZZER | Can.DISPLAY, 9)
VALUES = {
    field_id("heart_bpm"): 131,
    field_id("scba_kpa"): 28_400,
    field_id("ambient_dc"): -55,
    field_id("board_pct"): 0,
}
STREAM = b"".join(
    (
        pack_frame(Up.HELLO, 0, wire.pack_hello(HELLO)),
        pack_frame(Up.SAMPLES, 1, wire.pack_samples(70_000, VALUES)),
        pack_frame(Up.GESTURE, 2, pack_event(Up.GESTURE, Event(9, 1, 0, Gesture.SOS))),
        pack_frame(Up.IMPACT, 3, pack_event(Up.IMPACT, Event(9, 2, 20, 8_200))),
        pack_frame(Up.BEACON, 4, wire.BEACON.pack(2**64 - 1, -71) + wire.BEACON.pack(256, -90)),
    )
)
RSSI = field_id("obs_rssi_dbm")
EXPECTED: list[Sample] = [
    Identity("board 1122334455667788 hardware 3", "1.2.3"),
    Reading(VALUES),
    Pressed(Gesture.SOS),
    Impact(8_200),
    Observed(Source.BEACON, 2**63 - 1, {RSSI: -71}),
    Observed(Source.BEACON, 256, {RSSI: -90}),
]


def feed(chunks: Iterable[bytes]) -> tuple[list[Sample], BoardDriver]:
    driver = BoardDriver(Settings())
    samples = [sample for chunk in chunks for sample in driver.feed(chunk, 0)]
    return samples, driver


def sent(data: bytes) -> list[tuple[int, bytes]]:
    """Types and payloads of what the driver sends, read in another way than the splitter does."""
    bodies = [wire.unpack_body(part) for part in data.split(b"\x00") if part]
    return [(body[0], body[2:]) for body in bodies if body is not None]


def test_a_frame_byte_by_byte() -> None:
    """By hand: type 2, sequence 7, payload 00 11; CRC-32 of 02 07 00 11, lowest byte first; zeros become lengths."""
    crc = crc32(b"\x02\x07\x00\x11").to_bytes(4, "little")
    assert 0 not in crc
    assert pack_frame(2, 7, b"\x00\x11") == b"\x00" + b"\x03\x02\x07" + b"\x06\x11" + crc + b"\x00"
    assert crc32(b"123456789") == 0xCBF43926  # Source: the check value of CRC-32/ISO-HDLC


def test_every_split_gives_the_same() -> None:
    whole, driver = feed([STREAM])
    assert whole == EXPECTED
    assert (driver.stats.good, driver.stats.bad, driver.stats.noise, driver.lost_count) == (5, 0, 0, 0)
    for at in range(len(STREAM) + 1):
        assert feed([STREAM[:at], STREAM[at:]])[0] == EXPECTED, at
    samples, single = feed([STREAM[i : i + 1] for i in range(len(STREAM))])
    assert samples == EXPECTED
    assert single.stats == driver.stats


def test_no_damaged_bit_gives_a_false_value() -> None:
    """Only frames that were not touched are left; each of the flips is tried, and every shorter twin."""
    for at in range(len(STREAM)):
        for bit in range(8):
            twin = STREAM[:at] + bytes((STREAM[at] ^ 1 << bit,)) + STREAM[at + 1 :]
            samples, _ = feed([twin, b"\x00"])
            assert [sample for sample in EXPECTED if sample in samples] == samples, (at, bit)
            assert len(samples) >= len(EXPECTED) - 3, (at, bit)
    for size in range(len(STREAM)):
        samples, _ = feed([STREAM[:size], b"\x00"])
        assert samples == EXPECTED[: len(samples)]


def test_garbage_costs_no_frame_behind_it() -> None:
    for garbage in (b"\xff" * 5, b"\xff" * 100_000, bytes(range(256)) * 9, b"$GPGGA,1*00\r\n"):
        assert feed([garbage, STREAM])[0] == EXPECTED
        assert feed([garbage[i : i + 7] for i in range(0, 700, 7)] + [STREAM])[0] == EXPECTED


@settings(max_examples=300, derandomize=True)
@given(st.lists(st.binary(max_size=400), max_size=8))
def test_any_bytes(chunks: list[bytes]) -> None:
    samples, driver = feed([*chunks, b"\x00", STREAM])
    assert samples[-len(EXPECTED) :] == EXPECTED
    assert driver.pending_size <= 4_096
    fuzz(b"".join(chunks))


@settings(max_examples=300, derandomize=True)
@given(st.integers(0, 255), st.binary(max_size=wire.PAYLOAD_SIZE_MAX))
def test_whole_frames_of_any_content(kind: int, payload: bytes) -> None:
    assert sent(pack_frame(kind, 1, payload)) == [(kind, payload)]
    for known in Up:
        fuzz(pack_frame(known, 1, payload))


@given(st.integers(0, 2**64 - 1), st.integers(-(2**62), 2**62))
def test_numbers_return(number: int, value: int) -> None:
    assert wire.unpack_varint(b"!" + wire.pack_varint(number), 1) == (
        number,
        1 + len(wire.pack_varint(number)),
    )
    assert wire.unzigzag(wire.zigzag(value)) == value


def test_fields_that_a_board_may_not_send_and_values_out_of_range() -> None:
    heart, floor = FIELDS_BY_NAME["heart_bpm"].id, FIELDS_BY_NAME["floor"].id
    for values, good in (({heart: 256}, {}), ({heart: -1}, {}), ({floor: 3, heart: 80}, {heart: 80})):
        samples, driver = feed([pack_frame(Up.SAMPLES, 0, wire.pack_samples(1, values))])
        assert samples == ([Reading(good)] if good else [])
        assert driver.stats.bad == 1
    samples, driver = feed([pack_frame(Up.SAMPLES, 0, wire.pack_samples(1, {500: 1, heart: 80}))])
    assert (samples, driver.stats.good) == ([Reading({heart: 80})], 1)  # a newer catalog's field does no harm
    assert {"lat_deg_e7", "floor", "pass_state", "uptime_s"}.isdisjoint(field.name for field in MAY_SEND)


def test_a_press_is_passed_on_once_and_acknowledged_each_time() -> None:
    driver = BoardDriver(Settings())
    press = pack_event(Up.GESTURE, Event(9, 5, 300, Gesture.ACCEPT))
    samples = [driver.feed(pack_frame(Up.GESTURE, i, press), i) for i in range(3)]
    assert samples == [[Pressed(Gesture.ACCEPT)], [], []]
    acks = [body for kind, body in sent(driver.talk(1)) if kind == Down.EVENT_ACK]
    assert acks == [wire.EVENT_ACK.pack(9, 5)] * 3
    other_boot = pack_event(Up.GESTURE, Event(10, 5, 0, Gesture.ACCEPT))
    assert driver.feed(pack_frame(Up.GESTURE, 4, other_boot), 9) == [Pressed(Gesture.ACCEPT)]
    for number in range(10 * EVENTS_KEPT):
        driver.feed(pack_frame(Up.IMPACT, 0, pack_event(Up.IMPACT, Event(9, number, 0, 1))), 9)
    assert driver.pending_size <= 4_096


def test_old_answers_are_left_out_and_an_old_sos_is_not() -> None:
    driver = BoardDriver(Settings())
    for number, gesture in enumerate((Gesture.ANSWER, Gesture.SOS)):
        press = pack_event(Up.GESTURE, Event(9, number, STALE_MS + 1, gesture))
        found = driver.feed(pack_frame(Up.GESTURE, number, press), 0)
        assert found == ([Pressed(gesture)] if gesture == Gesture.SOS else [])
    assert len([1 for kind, _ in sent(driver.talk(1)) if kind == Down.EVENT_ACK]) == 2


def test_a_newer_board_is_counted_and_ignored_but_its_sos_is_heard() -> None:
    driver = BoardDriver(Settings())
    newer = Hello(1, 1, 1, Can(0), 1, version=2)
    samples = driver.feed(pack_frame(Up.HELLO, 0, wire.pack_hello(newer) + b"more"), 0)
    samples += driver.feed(pack_frame(Up.SAMPLES, 1, wire.pack_samples(1, VALUES)) + pack_frame(0x3F, 2), 0)
    assert (samples, driver.stats.skipped) == ([], 3)
    assert (Down.HELLO_ACK, b"\x01") in sent(driver.talk(1))  # it may come down to our version
    press = pack_event(Up.GESTURE, Event(1, 1, 0, Gesture.SOS)) + b"more"
    assert driver.feed(pack_frame(Up.GESTURE, 3, press), 0) == [Pressed(Gesture.SOS)]


def test_commands_are_repeated_until_acknowledged_and_not_for_ever() -> None:
    driver = BoardDriver(Settings())
    driver.feed(pack_frame(Up.HELLO, 0, wire.pack_hello(HELLO)), 0)
    assert driver.tell(Play(Pattern.ORDER))
    assert driver.tell(Show("三楼"))
    assert not driver.tell(Show("长" * 22))
    times: list[int] = []
    for t_ms in range(0, 20_000, 100):
        kinds = [kind for kind, _ in sent(driver.talk(t_ms * MS))]
        times += [t_ms] if Down.PLAY in kinds else []
    assert times == [300 * i for i in range(COMMAND_TRIES_MAX)]
    notes = driver.idle(20_000 * MS)
    assert notes == [Note("board did not take a command", {"command": name}) for name in ("play", "show")]
    assert driver.talk_mono_ns is None


def test_patterns_keep_their_order_and_the_silence_before_them() -> None:
    driver = BoardDriver(Settings())
    driver.tell(Play(Pattern.ENTRY))
    driver.tell(Play(Pattern.OFF))  # clears what waits
    for _ in range(PLAYS_MAX + 5):
        driver.tell(Play(Pattern.ENTRY))
    driver.tell(Play(Pattern.ALARM))
    played: list[int] = []
    for i in range(PLAYS_MAX):
        frame = next(
            wire.unpack_body(part) for part in driver.talk(i * MS).split(b"\x00") if part[1:2] == b"\x43"
        )
        assert frame is not None
        played.append(frame[2])
        assert driver.feed(pack_frame(Up.COMMAND_ACK, i, wire.COMMAND_ACK.pack(frame[1], 0)), i * MS) == []
    assert played == [Pattern.OFF, *[Pattern.ENTRY] * (PLAYS_MAX - 2), Pattern.ALARM]


def test_a_board_that_was_reset_gets_its_alarm_again() -> None:
    driver, board = BoardDriver(Settings()), Board(values={"heart_bpm": 90})
    driver.tell(Play(Pattern.EVACUATE))
    down = driver.hello()
    for t_ms in range(0, 6_000, 50):
        if t_ms == 3_000:
            board.reset()
        driver.feed(board.answer(down) + board.step(t_ms), t_ms * MS)
        down = driver.talk(t_ms * MS)
    assert [pattern for _, pattern in board.played] == [Pattern.EVACUATE] * 2
    assert board.playing == Pattern.EVACUATE


def test_what_a_board_lacks_is_refused_at_once() -> None:
    driver = BoardDriver(Settings())
    bare = Hello(1, 1, 1, Can.HEART, 1)
    driver.feed(pack_frame(Up.HELLO, 0, wire.pack_hello(bare)), 0)
    assert not driver.tell(Play(Pattern.ORDER))
    assert not driver.tell(Show("x"))
    assert driver.tell(Clock(5))


def test_time_is_told_and_answered() -> None:
    driver = BoardDriver(Settings())
    driver.feed(pack_frame(Up.TIME_ASK, 0, wire.TIME_ASK.pack(77)), 0)
    assert Down.TIME not in [kind for kind, _ in sent(driver.talk(0))]  # nobody has told us
    driver.tell(Clock(1_795_000_000_000))
    assert (Down.TIME, wire.TIME.pack(1_795_000_000_000)) in sent(driver.talk(1_000 * MS))
    driver.feed(pack_frame(Up.TIME_ASK, 1, wire.TIME_ASK.pack(78)), 0)
    assert (Down.TIME, wire.TIME_ANSWER.pack(1_795_000_001_500, 78)) in sent(driver.talk(2_500 * MS))


def test_it_asks_until_the_board_says_who_it_is() -> None:
    driver = BoardDriver(Settings())
    assert sent(driver.hello())[0][0] == Down.HELLO_ASK
    asked = [t for t in range(0, 3_500, 100) if sent(driver.talk(t * MS))]
    assert asked == [1_000, 2_000, 3_000]
    driver.feed(STREAM, 0)
    driver.talk(4_000 * MS)
    assert driver.talk_mono_ns is None


def test_lost_frames_are_counted() -> None:
    _, driver = feed([pack_frame(Up.HELLO, i & 0xFF, wire.pack_hello(HELLO)) for i in (254, 255, 256, 260)])
    assert driver.lost_count == 3


def test_it_is_recognised() -> None:
    assert sniff(STREAM) == "board"
    assert DRIVERS["board"].score(STREAM[5:]) == 4
    assert DRIVERS["board"].score(DRIVERS["board"].probe) == 0  # our own question, echoed, is no board
    assert wire.unpack_body(b"\x01" * 8) is None
    assert wire.cobs_decode(b"\x05\x01") is None


def test_frames_of_both_ends_never_hold_a_zero_inside() -> None:
    stats = Stats()
    found: list[bytes] = []
    wire.FrameSplitter(stats, lambda _kind, _sequence, payload: found.append(payload)).feed(
        pack_frame(1, 0, bytes(240)) + pack_frame(1, 0, b"\xff" * 240)
    )
    assert found == [bytes(240), b"\xff" * 240]
    with pytest.raises(ValueError, match="241 bytes"):
        pack_frame(1, 0, bytes(241))


@pytest.mark.parametrize("text", ["1.2", "1.2.3.4", "a.b.c", "1.2.256", "65536.0.0", "1.-2.3", ""])
def test_versions(text: str) -> None:
    assert version_text(parse_version("1.2.3")) == "1.2.3"
    with pytest.raises(ValueError, match="version"):
        parse_version(text)


def test_the_emulated_wearer() -> None:
    """Presses by levels, a lost line, and what the wearer hears."""
    driver, board = BoardDriver(Settings()), Board(values={"heart_bpm": 131, "scba_kpa": 28_400})
    samples: list[Sample] = []
    down = b""
    for t_ms in range(0, 12_000, 50):
        board.levels(red=2_000 <= t_ms < 3_700, grey=6_000 <= t_ms < 6_200, t_ms=t_ms)
        up = board.answer(down) + board.step(t_ms)
        alive = not 2_000 <= t_ms < 5_000  # the cable is out while the SOS is pressed
        samples += driver.feed(up, t_ms * MS) if alive else []
        down = driver.talk(t_ms * MS) if alive else b""
        if t_ms == 8_000:
            driver.tell(Play(Pattern.SEEN))
            driver.tell(Show("收到"))
    assert [s.gesture for s in samples if isinstance(s, Pressed)] == [Gesture.SOS, Gesture.ANSWER]
    assert board.waiting == 0
    assert [pattern for _, pattern in board.played] == [Pattern.SEEN]
    assert [text for _, text in board.shown] == ["收到"]
    assert board.playing == Pattern.OFF
