"""RTCM 3 frames: checked, found again after garbage, whole however they are cut."""

import random

import pyrtcm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.rtcm import FRAME_SIZE_MAX, MESSAGE_SIZE_MAX, RtcmSplitter, build, crc24q, message_number

messages = st.binary(max_size=MESSAGE_SIZE_MAX)


def test_reference_values() -> None:
    """The check value of CRC-24 with this polynomial and an initial value of nought (OpenPGP starts elsewhere)."""
    assert crc24q(b"123456789") == 0xCDE703
    assert crc24q(b"") == 0
    # The example of RTCM 10403, appendix: message 1005
    frame = bytes.fromhex("D300133ED7D30202980EDEEF34B4BD62AC0941986F33360B98")
    assert RtcmSplitter().feed(frame) == [frame]
    assert message_number(frame) == 1005
    assert message_number(build(b"")) is None


@given(messages)
def test_frames_beside_pyrtcm(message: bytes) -> None:
    frame = build(message)
    assert pyrtcm.calc_crc24q(frame) == 0 == crc24q(frame)
    assert pyrtcm.calc_crc24q(frame[:-3]) == crc24q(frame[:-3])
    assert RtcmSplitter().feed(frame) == [frame]


def test_every_split_point_and_garbage_between() -> None:
    rng = random.Random(3)
    frames = [build(rng.randbytes(size)) for size in (0, 1, 19, 300)]
    stream = b"ICY\r\n" + b"\xd3\x00".join(frames)
    for cut in range(len(stream) + 1):
        splitter = RtcmSplitter()
        assert splitter.feed(stream[:cut]) + splitter.feed(stream[cut:] + bytes(FRAME_SIZE_MAX)) == frames, (
            cut
        )


def test_each_damaged_bit_loses_its_frame_and_no_other() -> None:
    frames = [build(random.Random(n).randbytes(40)) for n in range(3)]
    stream = b"".join(frames)
    for bit in range(8 * len(frames[0]), 8 * (len(frames[0]) + len(frames[1]))):
        twin = bytearray(stream)
        twin[bit // 8] ^= 1 << bit % 8
        splitter = RtcmSplitter()
        assert splitter.feed(bytes(twin) + bytes(FRAME_SIZE_MAX)) == [frames[0], frames[2]], bit
        assert splitter.stats.bad + splitter.stats.noise > 0


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_bytes_are_bounded(parts: list[bytes]) -> None:
    splitter = RtcmSplitter()
    for part in parts:
        for frame in splitter.feed(b"\xd3\x00" + part):
            assert crc24q(frame) == 0
        assert splitter.pending_size <= FRAME_SIZE_MAX


def test_too_long_a_message_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 1023"):
        build(bytes(1024))
