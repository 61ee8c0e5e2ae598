"""Frames: what is packed comes back, and whatever else comes is refused with a reason and nothing worse."""

import math
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import frame
from protocols.catalog import FIELDS, ClockSource, Kind, Lane, Stream, page_fields
from protocols.errors import REASONS, FrameError
from protocols.keys import MAC_BYTES, MacKey

KEY = MacKey(bytes(range(32)), "live")
HEAD: dict[str, Any] = {
    "kind": Kind.STATE,
    "lane": Lane.LIVE,
    "device": 1007,
    "boot": 2**63 + 11,
    "stream": Stream.ROWS,
    "row": 40_000,
    "utc_zero_ms": 1_795_000_000_000,
    "clock_source": ClockSource.GNSS,
}


def walk(n: int) -> list[frame.Row]:
    """A walker at 1 Hz with the thirteen fields of the benchmark."""
    return [
        frame.Row(
            50_000_000 + 1000 * i,
            {0: 366_500_000 + 90 * i + i % 3, 1: 1_170_000_000 - 70 * i, 2: 320 + i % 2, 3: 13, 4: 322,
             5: 80, 6: 120 + i % 4, 7: 0, 8: 209, 9: 0, 10: 0},
        )
        for i in range(n)
    ]  # fmt: skip


def unpack(data: bytes, key: MacKey = KEY) -> frame.Frame:
    return frame.decode(frame.open_envelope(data, key))


def rows_of(decoded: frame.Frame) -> list[frame.Row]:
    return [
        frame.Row(t, {bit: v for bit, column in decoded.columns.items() if (v := column[i]) is not None})
        for i, t in enumerate(decoded.t_mono_ms)
    ]


def field_values(kind: Kind) -> st.SearchStrategy[dict[int, int]]:
    return st.fixed_dictionaries(
        {}, optional={bit: st.integers(f.lo, f.hi) for bit, f in page_fields(kind).items()}
    )


@settings(max_examples=300)
@given(
    kind=st.sampled_from([Kind.STATE, Kind.HEALTH, Kind.EVENT]),
    data=st.data(),
    zero=st.none() | st.integers(0, frame.UTC_ZERO_MS_MAX),
)
def test_what_is_packed_comes_back(kind: Kind, data: st.DataObject, zero: int | None) -> None:
    rows = data.draw(
        st.lists(
            st.builds(frame.Row, st.integers(0, frame.T_MONO_MS_MAX), field_values(kind)),
            min_size=1,
            max_size=12,
        )
    )
    head = HEAD | {"kind": kind, "utc_zero_ms": zero}
    decoded = unpack(frame.pack(KEY, rows=rows, **head))
    assert rows_of(decoded) == rows
    assert decoded.utc_zero_ms == zero
    envelope = decoded.envelope
    assert (envelope.device, envelope.boot, envelope.stream, envelope.row, envelope.n) == (
        1007, 2**63 + 11, Stream.ROWS, 40_000, len(rows),
    )  # fmt: skip


def test_a_frame_of_ten_is_small() -> None:
    assert len(frame.pack(KEY, rows=walk(10), **HEAD)) <= 150
    assert len(frame.pack(KEY, rows=walk(1), **HEAD)) <= 75


def test_the_largest_frame_is_taken_and_a_larger_one_is_not_made() -> None:
    assert len(unpack(frame.pack(KEY, rows=walk(frame.ROWS_MAX), **HEAD)).t_mono_ms) == frame.ROWS_MAX
    with pytest.raises(ValueError, match="241 rows, 1–240 allowed"):
        frame.pack(KEY, rows=walk(frame.ROWS_MAX + 1), **HEAD)


def elements(**changes: Any) -> list[Any]:
    """A good frame's eleven elements with some of them changed by name."""
    names = ["ver", "kind_lane", "device", "boot", "row_stream", "t0", "zero", "dt", "n", "mask", "body"]
    made = msgpack.unpackb(frame.pack(KEY, rows=walk(3), **HEAD)[:-MAC_BYTES])
    for name, value in changes.items():
        made[names.index(name)] = value
    return list(made)


BAD: list[tuple[str, list[Any], str]] = [
    ("another version", elements(ver=9), "version"),
    ("an unknown kind", elements(kind_lane=15 << 3 | 2), "kind"),
    ("a lane that does not exist", elements(kind_lane=7), "lane"),
    ("a stream that does not exist", elements(row_stream=3), "lane"),
    ("a huge count", elements(n=2**40), "count"),
    ("a negative count", elements(n=-1), "shape"),
    ("no rows", elements(n=0, dt=[], body=[]), "shape"),
    ("a count that is not the columns'", elements(n=4), "shape"),
    ("a boot that is text", elements(boot="x"), "shape"),
    ("a device that is a boolean", elements(device=True), "shape"),
    ("a device too large", elements(device=2**32), "range"),
    ("a row too large", elements(row_stream=2**60), "range"),
    ("NaN as the first time", elements(t0=math.nan), "range"),
    ("a time before the boot", elements(dt=-(2**30)), "range"),
    ("a UTC in the far future", elements(zero=2**60), "range"),
    ("fields of no catalog", elements(mask=1 << 60), "field"),
    ("too few columns", elements(body=[]), "shape"),
    ("NaN in a column", elements(mask=1, body=[5, [math.nan, 1]]), "shape"),
    ("a boolean in a column", elements(mask=1, body=[5, [True, 1]]), "shape"),
    ("a column that is text", elements(mask=1, body=[5, "ab"]), "shape"),
    ("a key that is a list", elements(mask=1, body=[[5], [1, 1]]), "shape"),
    ("a latitude beyond the pole", elements(mask=1, body=[899_999_999, [1, 1]]), "range"),
    ("a difference that overflows", elements(mask=1, body=[0, [2**63, 2**63]]), "range"),
    ("too few elements", elements()[:10], "shape"),
    ("no header", [1, 2, 3, 4, 5, 6, 7, 2**40], "shape"),
    ("too many elements", [*elements(), 1, 2, 3, 4, 5, 6], "shape"),
    ("a gap that falls", elements(kind_lane=Kind.GAP << 3 | 1, n=0, body=[1, 9, 5]), "range"),
    ("a gap of an odd number", elements(kind_lane=Kind.GAP << 3 | 1, n=0, body=[1, 9]), "shape"),
    ("a gap with rows", elements(kind_lane=Kind.GAP << 3 | 1, n=3, body=[1, 5, 9]), "shape"),
    ("held of no stream", elements(kind_lane=Kind.HELD << 3 | 1, n=0, body=[7, 5, 1, 2]), "range"),
    ("text that is a number", elements(kind_lane=Kind.TEXT << 3 | 1, n=1, dt=0, body=[5]), "shape"),
]


@pytest.mark.parametrize(("made", "reason"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_authentic_nonsense_is_refused_with_its_reason(made: list[Any], reason: str) -> None:
    with pytest.raises(FrameError) as caught:
        unpack(frame.seal(KEY, made))
    assert caught.value.reason == reason


def test_unknown_trailing_elements_are_ignored() -> None:
    decoded = unpack(frame.seal(KEY, [*elements(), None, 1, "of a later version", [1, 2]]))
    assert rows_of(decoded) == walk(3)


def test_the_header_of_a_later_version_can_still_be_acknowledged() -> None:
    later = elements(ver=2)
    envelope = frame.open_envelope(frame.seal(KEY, [*later[:9], "whatever"]), KEY)
    assert (envelope.version, envelope.row, envelope.n) == (2, 40_000, 3)


def test_deep_nesting_is_refused() -> None:
    nested = b"\x91" * 4_000 + b"\xc0"
    with pytest.raises(FrameError) as caught:
        frame.open_envelope(nested + KEY.up(nested), KEY)
    assert caught.value.reason == "msgpack"


def test_a_map_and_a_huge_array_are_refused() -> None:
    for raw in (b"\x81\x01\x02" + bytes(30), b"\xdd" + struct.pack(">I", 2**31) + bytes(30)):
        with pytest.raises(FrameError) as caught:
            frame.open_envelope(raw + KEY.up(raw), KEY)
        assert caught.value.reason == "msgpack"


def test_every_flipped_bit_and_every_truncation_fails_the_mac() -> None:
    good = frame.pack(KEY, rows=walk(2), **HEAD)
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FrameError) as caught:
            frame.open_envelope(bytes(bad), KEY)
        assert caught.value.reason == "mac"
    for size in range(len(good)):
        with pytest.raises(FrameError) as caught:
            frame.open_envelope(good[:size], KEY)
        assert caught.value.reason in ("mac", "size")


def test_another_realm_and_another_key_are_other_macs() -> None:
    good = frame.pack(KEY, rows=walk(1), **HEAD)
    for key in (MacKey(bytes(range(32)), "drill"), MacKey(bytes(32), "live")):
        with pytest.raises(FrameError) as caught:
            frame.open_envelope(good, key)
        assert caught.value.reason == "mac"


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_random_bytes_never_do_more_than_be_refused(raw: bytes) -> None:
    for data in (raw, raw + KEY.up(raw)):
        try:
            unpack(data)
        except FrameError as err:
            assert err.reason in REASONS


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5)


@settings(max_examples=300)
@given(st.lists(SCALARS | st.lists(SCALARS, max_size=6), max_size=14), st.integers(0, 11))
def test_random_elements_never_do_more_than_be_refused(made: list[Any], kept: int) -> None:
    mixed = elements()[:kept] + made
    try:
        unpack(frame.seal(KEY, mixed))
    except FrameError as err:
        assert err.reason in REASONS


def test_text_gap_and_held_come_back() -> None:
    text = frame.pack_text(KEY, device=7, boot=1, row=4, t_mono_ms=5, text="三层北侧有人", utc_zero_ms=None)
    assert unpack(text).body == ["三层北侧有人"]
    rows = [frame.Row(5, {}, ("三层",)), frame.Row(9, {}, ("四层",))]
    several = frame.pack(
        KEY, kind=Kind.TEXT, lane=Lane.RECEIPTS, device=7, boot=1, stream=Stream.EVENTS, row=4, rows=rows,
        utc_zero_ms=None,
    )  # fmt: skip
    assert (unpack(several).body, unpack(several).t_mono_ms) == (["三层", "四层"], [5, 9])
    gap = frame.pack_ranges(KEY, Kind.GAP, device=7, boot=1, t_mono_ms=9, body=[1, 10, 20, 31, 31])
    assert unpack(gap).body == [1, 10, 20, 31, 31]
    held = unpack(frame.pack_ranges(KEY, Kind.HELD, device=7, boot=2, t_mono_ms=9, body=[1, 1]))
    assert (held.body, held.envelope.n) == ([1, 1], 0)
    with pytest.raises(ValueError, match="text of 1200 bytes, 1000 allowed"):
        frame.pack_text(KEY, device=7, boot=1, row=4, t_mono_ms=5, text="火" * 400, utc_zero_ms=None)


def test_fields_of_a_page_have_their_own_bits() -> None:
    ids = [field.id for field in FIELDS]
    assert len(set(ids)) == len(ids)
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    assert all(0 <= field.bit < 64 and field.lo <= field.hi for field in FIELDS)
