"""What others on the way must not read, and cannot change."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import frame
from protocols.catalog import PRIVATE_FIELDS, Bearer, Kind, Lane, Stream, field_id
from protocols.errors import FrameError
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.links import LinkState

KEY, OTHER = MacKey(bytes(range(32)), "live"), MacKey(bytes(32), "live")
HEART, STRAIN, SPEED = field_id("heart_bpm"), field_id("strain_e1"), field_id("speed_dmps")
ROWS = [Row(1_000 * i, {0: 366_500_000 + i, 1: 1_170_000_000, HEART: 120 + i, STRAIN: 30}) for i in range(3)]


def packed(rows: list[Row], *, sealed: bool, kind: Kind = Kind.STATE) -> bytes:
    return frame.pack(
        KEY, kind=kind, lane=Lane.LIVE, device=7, boot=9, stream=Stream.ROWS, row=0, rows=rows,
        utc_zero_ms=None, sealed=sealed,
    )  # fmt: skip


def test_a_relay_reads_the_place_and_not_the_heart() -> None:
    data = packed(ROWS, sealed=True)
    envelope = frame.open_envelope(data, KEY)
    assert set(frame.decode(envelope).columns) == {0, 1}
    assert (
        frame.decode(envelope, KEY).columns
        == frame.decode(frame.open_envelope(packed(ROWS, sealed=False), KEY)).columns
    )
    body = msgpack.packb([120, 1, 1])
    assert body[1:] not in data


def test_sealing_costs_two_bytes_and_repeats_are_the_same_bytes() -> None:
    plain, sealed = packed(ROWS, sealed=False), packed(ROWS, sealed=True)
    assert sealed == packed(ROWS, sealed=True)
    assert len(sealed) - len(plain) <= 8
    nothing_private = [Row(0, {SPEED: 3})]
    assert packed(nothing_private, sealed=True) == packed(nothing_private, sealed=False)


def test_another_row_never_shares_a_stream_of_keys() -> None:
    """XOR of two sealed parts is not the XOR of what they hide."""
    first, second = packed([ROWS[0]], sealed=True), packed([ROWS[1]], sealed=True)
    one, two = (frame.open_envelope(data, KEY).elements[11] for data in (first, second))
    hidden = [msgpack.packb([1 << 6 | 1 << 38, [120 + i, 30]]) for i in range(2)]
    assert bytes(a ^ b for a, b in zip(one, two, strict=True)) != bytes(
        a ^ b for a, b in zip(*hidden, strict=True)
    )


def test_only_private_columns_may_be_sealed() -> None:
    elements = frame.open_envelope(packed(ROWS, sealed=True), KEY).elements[:11]
    hidden = KEY.seal(frame._nonce(elements, 1), msgpack.packb([1 << SPEED, [5, [0, 0]]]))
    envelope = frame.open_envelope(frame.seal(KEY, [*elements, hidden]), KEY)
    with pytest.raises(FrameError, match="only what a body does"):
        frame.decode(envelope, KEY)


@given(st.binary(max_size=200))
def test_garbage_in_place_of_the_sealed_part_is_refused(garbage: bytes) -> None:
    elements = frame.open_envelope(packed(ROWS, sealed=True), KEY).elements[:11]
    envelope = frame.open_envelope(frame.seal(KEY, [*elements, garbage]), KEY)
    try:
        columns = frame.decode(envelope, KEY).columns
    except FrameError:
        return
    assert set(columns) <= {0, 1, HEART, STRAIN, field_id("core_dc"), field_id("core_band_dc")}


def test_another_device_opens_nothing() -> None:
    envelope = frame.open_envelope(packed(ROWS, sealed=True), KEY)
    try:
        assert frame.decode(envelope, OTHER).columns != frame.decode(envelope, KEY).columns
    except FrameError:
        pass


def test_what_is_left_of_a_thinned_history() -> None:
    """Its numbers go in steps; an older reader of the header would still see the first of them."""
    data = frame.pack(
        KEY, kind=Kind.STATE, lane=Lane.HISTORY, device=7, boot=9, stream=Stream.ROWS, row=20, rows=ROWS,
        utc_zero_ms=None, sealed=True, step=10,
    )  # fmt: skip
    envelope = frame.open_envelope(data, KEY)
    assert (envelope.row, envelope.n, envelope.step, envelope.last) == (20, 3, 10, 49)
    assert frame.decode(envelope, KEY).columns[HEART] == [120, 121, 122]
    for step in (0, 1_001, -2, "x", 1.5):
        elements = [*envelope.elements[:12], step]
        with pytest.raises(FrameError, match="step"):
            frame.open_envelope(frame.seal(KEY, elements), KEY)


def test_private_fields_are_all_in_the_catalog() -> None:
    assert {field_id(name) for name in PRIVATE_FIELDS} == {6, 38, 39, 40}


def test_ask_keys_are_of_one_pair() -> None:
    assert len({KEY.ask_key(1), KEY.ask_key(2), OTHER.ask_key(1)}) == 3


# --- bearers' states, and who sent it ----------------------------------------------------------------------


def test_states_of_bearers_travel_as_words() -> None:
    state = LinkState(0, "lte", Bearer.MQTT, 3, 12, 140, 0, 1, 900, 71_000)
    data = packed([Row(5, {}, tuple(state))], sealed=True, kind=Kind.LINK)
    assert LinkState(*frame.decode(frame.open_envelope(data, KEY)).body[0]) == state


@pytest.mark.parametrize(
    "words",
    [[], "x", [0, "lte", 1], [0, "x" * 17, 1, 3, 0, 0, 0, 0, 0, 0, 0], [0, "a", 99, 3, 0, 0, 0, 0, 0, 0, 0],
     [0, "a", 1, 9, 0, 0, 0, 0, 0, 0, 0], [0, "a", 1, 3, -1, 0, 0, 0, 0, 0, 0], [0, "a", 1, 3, 0.5, 0, 0, 0, 0, 0, 0],
     [0, "a", 1, 3, None, None, None, None, None, 0, 0]],
)  # fmt: skip
def test_other_words_are_refused(words: object) -> None:
    head = [1, Kind.LINK << 3 | Lane.LIVE, 7, 9, 1, 0, None, 0, 1, 0]
    with pytest.raises(FrameError):
        frame.decode(frame.open_envelope(frame.seal(KEY, [*head, [words]]), KEY))


def test_the_sender_is_known_before_the_key() -> None:
    assert frame.peek_device(packed(ROWS, sealed=True)) == 7


@given(st.binary(max_size=80))
def test_peeking_at_garbage(data: bytes) -> None:
    try:
        assert 0 <= frame.peek_device(data) < 2**32
    except FrameError:
        pass
