"""Narrow-band frames: whatever is packed comes back, whatever is broken is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import frame, narrow, narrow_columns, narrow_head
from protocols.catalog import FIELDS_BY_NAME, PRIVATE_FIELDS, ClockSource, Kind, Lane, Stream, page_fields
from protocols.errors import FrameError
from protocols.frame import ROWS_MAX, Row
from protocols.keys import MacKey
from protocols.narrow import Head

ZERO_MS = 1_795_000_000_000
BOOT = 0x4123_4567_89AB_CDEF
KEY = MacKey(bytes(range(32)), "live")
EXACT = Head(1007, BOOT, ZERO_MS, ClockSource.GNSS, row=60)
PREVIEW = Head(1007, BOOT, ZERO_MS, ClockSource.GNSS, is_preview=True)
HEART = FIELDS_BY_NAME["heart_bpm"].bit
SOS = {0: 1, 1: 2**62 + 5, 2: 0, 5: 366_500_216, 6: 1_170_000_000, 7: 314, 8: 3, 11: 2}


def walk(count: int, *, holes: bool = False) -> list[Row]:
    rows = []
    for at in range(count):
        values = {
            0: 366_500_000 + 120 * at + at % 3,
            1: 1_170_000_000 + 95 * at,
            2: 314 + at // 9,
            5: 88,
            6: 120 + at % 4,
        }
        if holes and at % 5 == 2:
            del values[6], values[0]
        rows.append(Row(60_000 + 1_000 * at, values))
    return rows


def opened(data: bytes, key: MacKey | None = KEY) -> frame.Frame:
    return narrow.decode(narrow.open_envelope(data, KEY), key)


def as_rows(decoded: frame.Frame) -> list[Row]:
    return [
        Row(t_ms, {bit: v for bit, column in decoded.columns.items() if (v := column[at]) is not None})
        for at, t_ms in enumerate(decoded.t_mono_ms)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 10, ROWS_MAX])
@pytest.mark.parametrize("holes", [False, True])
def test_an_exact_frame_is_as_a_wide_one(count, holes):
    rows = walk(count, holes=holes)
    data = narrow.pack(KEY, EXACT, rows)
    assert narrow.is_narrow(data)
    assert narrow.peek_device(data) == 1007
    envelope = narrow.open_envelope(data, KEY)
    decoded = narrow.decode(envelope, KEY)
    wide = frame.pack(
        KEY, kind=Kind.STATE, lane=Lane.LIVE, device=1007, boot=BOOT, stream=Stream.ROWS, row=60, rows=rows,
        utc_zero_ms=ZERO_MS, clock_source=ClockSource.GNSS,
    )  # fmt: skip
    twin = frame.decode(frame.open_envelope(wide, KEY), KEY)
    assert not envelope.is_preview
    assert envelope[:8] == twin.envelope[:8]
    assert decoded[1:] == twin[1:]
    assert len(data) < len(wide)


def test_a_preview_is_coarse_and_says_so():
    rows = walk(30)
    decoded = opened(narrow.pack(KEY, PREVIEW, rows))
    envelope = decoded.envelope
    assert (envelope.is_preview, envelope.boot, envelope.row, envelope.n) == (True, 0, 0, 30)
    assert (envelope.kind, envelope.lane, envelope.stream) == (Kind.STATE, Lane.LIVE, Stream.ROWS)
    assert [decoded.utc_zero_ms + t for t in decoded.t_mono_ms] == [ZERO_MS + row.t_mono_ms for row in rows]
    for at, row in enumerate(rows):
        assert abs(decoded.columns[0][at] - row.values[0]) <= 50
        assert abs(decoded.columns[2][at] - row.values[2]) <= 5
        assert decoded.columns[6][at] == row.values[6]


def test_a_preview_without_utc_has_the_boots_tag_and_clock():
    head = Head(1007, BOOT, None, is_preview=True)
    decoded = opened(narrow.pack(KEY, head, walk(3)))
    assert (decoded.utc_zero_ms, decoded.clock_source) == (None, ClockSource.NONE)
    assert (decoded.envelope.boot, decoded.t_mono_ms) == (BOOT & 0xFFFF, [60_000, 61_000, 62_000])


def test_gaps_in_the_trail_are_told():
    rows = [row for at, row in enumerate(walk(60)) if at not in (7, 8, 30)]
    decoded = opened(narrow.pack(KEY, PREVIEW, rows))
    assert [decoded.utc_zero_ms + t for t in decoded.t_mono_ms] == [ZERO_MS + row.t_mono_ms for row in rows]
    assert len(narrow.pack(KEY, PREVIEW, rows)) <= len(narrow.pack(KEY, PREVIEW, walk(60))) + 12


def test_a_header_with_its_mac_is_at_most_26_bytes():
    head = Head(41_277, BOOT, ZERO_MS, ClockSource.GNSS, Kind.EVENT, Lane.SOS, Stream.EVENTS, row=100)
    start = narrow_head.write(head, [100_000_000], narrow_head.EVENT_MASKS[0])
    assert (len(start) + 7) // 8 + 4 <= 26
    start = narrow_head.write(PREVIEW, [row.t_mono_ms for row in walk(60)], 0b1111)
    assert (len(start) + 7) // 8 + 4 <= 15


def test_an_sos_with_its_place_fits_the_smallest_message():
    head = Head(41_277, BOOT, ZERO_MS, ClockSource.GNSS, Kind.EVENT, Lane.SOS, Stream.EVENTS, row=100)
    data = narrow.pack(KEY, head, [Row(100_000_000, SOS)])
    assert len(data) <= 51
    assert as_rows(opened(data)) == [Row(100_000_000, SOS)]


# --- sealed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [EXACT, PREVIEW])
def test_a_heart_rate_is_hidden_and_costs_nothing(head):
    rows = walk(12)
    data = narrow.pack(KEY, head, rows)
    plain = narrow.pack(KEY, Head(**{n: getattr(head, n) for n in head.__slots__} | {"sealed": False}), rows)
    assert len(data) == len(plain)
    assert (
        opened(data).columns[HEART] == [row.values[6] for row in rows] == opened(plain, None).columns[HEART]
    )
    seen = opened(data, None)
    assert HEART not in seen.columns
    assert seen.columns[0] == opened(data).columns[0]
    other = [Row(row.t_mono_ms, row.values | {6: 70}) for row in rows]
    assert data[:20] == narrow.pack(KEY, head, other)[:20]


def test_the_same_values_at_another_time_look_different():
    [a, b] = [narrow.pack(KEY, PREVIEW, [Row(t_ms, {6: 99})]) for t_ms in (60_000, 61_000)]
    assert a[-6:-4] != b[-6:-4]


# --- as many as fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [30, 51, 78, 233])
@pytest.mark.parametrize("head", [EXACT, PREVIEW])
def test_as_many_as_fit_and_not_one_fewer(budget, head):
    rows = walk(150, holes=True)
    data, count = narrow.pack_as_many(KEY, head, rows, budget)
    assert len(data) <= budget
    assert data == (narrow.pack(KEY, head, rows[:count]) if count else b"")
    if count < len(rows):
        assert len(narrow.pack(KEY, head, rows[: count + 1])) > budget


def test_nothing_fits_too_small_a_message():
    assert narrow.pack_as_many(KEY, PREVIEW, walk(3), 12) == (b"", 0)
    assert narrow.pack_report(KEY, PREVIEW, walk(3), 12) == b""


@pytest.mark.parametrize("budget", [28, 40, 51, 63, 233])
def test_a_report_always_ends_with_the_last_fix(budget):
    rows = walk(60)
    data = narrow.pack_report(KEY, PREVIEW, rows, budget)
    assert 0 < len(data) <= budget
    decoded = opened(data)
    assert abs(decoded.columns[0][-1] - rows[-1].values[0]) <= 50
    assert decoded.utc_zero_ms + decoded.t_mono_ms[-1] == ZERO_MS + rows[-1].t_mono_ms
    if budget >= 63:
        assert decoded.envelope.n == 60
        assert decoded.columns[5] == [None] * 59 + [88]


# --- any rows ------------------------------------------------------------------------------------------


@st.composite
def pages(draw):
    kind = draw(st.sampled_from([Kind.STATE, Kind.HEALTH, Kind.EVENT, Kind.OBSERVED]))
    fields = draw(st.lists(st.sampled_from(sorted(page_fields(kind))), min_size=1, max_size=6, unique=True))
    count = draw(st.integers(1, 12))
    near = draw(st.booleans())
    rows, t_ms = [], draw(st.integers(0, 2**40))
    for _ in range(count):
        values = {}
        for bit in fields:
            f = page_fields(kind)[bit]
            hi = min(f.hi, f.lo + 9) if near else f.hi
            value = draw(st.none() | st.integers(f.lo, hi))
            if value is not None:
                values[bit] = value
        rows.append(Row(t_ms, values))
        t_ms = max(0, t_ms + draw(st.sampled_from([1_000, 1_000, 999, 3_000, 0, -5, 10**7])))
    return kind, rows


@settings(max_examples=300)
@given(
    pages(), st.integers(0, 2**32 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**50), st.sampled_from(Lane),
    st.sampled_from(Stream), st.none() | st.integers(narrow_head.EPOCH_UTC_MS, narrow_head.EPOCH_UTC_MS + 2**40 - 1),
)  # fmt: skip
def test_whatever_is_packed_exactly_comes_back(page, device, boot, row, lane, stream, zero_ms):
    kind, rows = page
    source = ClockSource.NONE if zero_ms is None else ClockSource.SYSTEM
    head = Head(device, boot, zero_ms, source, kind, lane, stream, row)
    if not any(each.values for each in rows):
        with pytest.raises(ValueError, match="no row has a column"):
            narrow.pack(KEY, head, rows)
        return
    data = narrow.pack(KEY, head, rows)
    decoded = opened(data)
    assert decoded.envelope[:8] == (1, kind, lane, device, boot, stream, row, len(rows))
    assert (decoded.utc_zero_ms, decoded.clock_source) == (zero_ms, source)
    assert as_rows(decoded) == rows
    assert narrow.peek_device(data) == device


@settings(max_examples=150)
@given(pages())
def test_a_preview_is_never_more_than_its_quantum_off(page):
    kind, rows = page
    rows = [Row(row.t_mono_ms % 2**35, row.values) for row in rows]
    bits = {FIELDS_BY_NAME[name].bit for name, _step in narrow_columns.PREVIEW}
    if kind != Kind.STATE or not any(set(row.values) & bits for row in rows):
        return
    decoded = opened(narrow.pack(KEY, PREVIEW, rows))
    for name, step in narrow_columns.PREVIEW:
        field = FIELDS_BY_NAME[name]
        for at, row in enumerate(rows):
            got, had = decoded.columns.get(field.bit, [None] * len(rows))[at], row.values.get(field.bit)
            assert (got is None) == (had is None)
            if got is not None:
                off = abs(got - had) if name != "course_deg" else min(abs(got - had), 360 - abs(got - had))
                assert off < step
                assert field.lo <= got <= field.hi


# --- broken --------------------------------------------------------------------------------------------


@settings(max_examples=400)
@given(st.binary(max_size=300), st.integers(0, 3))
def test_any_bytes_under_a_good_mac_are_decoded_or_refused(data, start):
    data = (bytes((0x11, 0x00, 0x00, 0x80))[: start + 1] if start else b"") + data
    signed = data + KEY.narrow(data)
    try:
        decoded = opened(signed)
    except FrameError:
        return
    assert all(len(column) == decoded.envelope.n <= ROWS_MAX for column in decoded.columns.values())


def test_every_truncation_and_every_flipped_bit_is_refused():
    data = narrow.pack(KEY, PREVIEW, walk(20, holes=True))
    for end in range(len(data)):
        with pytest.raises(FrameError):
            narrow.open_envelope(data[:end], KEY)
        if end >= 9:
            with pytest.raises(FrameError):
                opened(data[: end - 4] + KEY.narrow(data[: end - 4]))
    for bit in range(8 * len(data)):
        twin = bytearray(data)
        twin[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FrameError) as refused:
            narrow.open_envelope(bytes(twin), KEY)
        assert refused.value.reason == "mac"


def test_another_realm_or_key_or_direction_does_not_open():
    data = narrow.pack(KEY, PREVIEW, walk(5))
    for other in (MacKey(bytes(range(32)), "drill"), MacKey(bytes(32), "live")):
        with pytest.raises(FrameError, match="MAC"):
            narrow.open_envelope(data, other)
    assert KEY.narrow(b"x") != KEY.up(b"x")[:4] != KEY.ack(b"x")[:4]


def test_an_unknown_version_is_refused_as_such_and_still_says_whose_it_is():
    data = narrow.pack(KEY, PREVIEW, walk(5))
    body = bytes((0x12,)) + data[1:-4]
    later = body + KEY.narrow(body)
    assert narrow.is_narrow(later)
    assert narrow.peek_device(later) == 1007
    with pytest.raises(FrameError) as refused:
        narrow.open_envelope(later, KEY)
    assert refused.value.reason == "version"


def test_wide_frames_are_no_narrow_ones():
    wide = frame.pack(
        KEY, kind=0, lane=2, device=1, boot=1, stream=1, row=0, rows=walk(1), utc_zero_ms=None
    )  # fmt: skip
    assert not narrow.is_narrow(wide)
    assert not narrow.is_container(wide)
    assert not narrow.is_narrow(b"")
    with pytest.raises(FrameError):
        narrow.peek_device(wide)
    with pytest.raises(FrameError):
        narrow.peek_device(b"\x11")


@pytest.mark.parametrize(
    ("head", "rows", "told"),
    [
        (EXACT, [], "0 rows"),
        (EXACT, walk(ROWS_MAX + 1), "241 rows"),
        (EXACT, [Row(0, {})], "no row has a column"),
        (PREVIEW, [Row(0, {47: 3})], "no row has a column"),
        (EXACT, [Row(0, {0: 900_000_001})], "lat_deg_e7"),
        (Head(1, 2**63, None), walk(1), "does not fit"),
        (Head(2**32, 1, None), walk(1), "device"),
        (Head(1, 1, None, kind=Kind.TEXT), walk(1), "no row has a column"),
    ],
)
def test_our_own_mistakes_are_value_errors(head, rows, told):
    with pytest.raises(ValueError, match=told):
        narrow.pack(KEY, head, rows)


def test_a_zero_that_cannot_be_told_is_left_out():
    for zero_ms in (narrow_head.EPOCH_UTC_MS - 1, narrow_head.EPOCH_UTC_MS + 2**40):
        head = Head(1, 1, zero_ms, ClockSource.GNSS)
        assert opened(narrow.pack(KEY, head, walk(2))).utc_zero_ms is None


def test_the_previews_table_is_frozen():
    assert narrow_columns.PREVIEW[:7] == (
        ("lat_deg_e7", 100), ("lon_deg_e7", 100), ("alt_dm", 10), ("battery_pct", 1), ("heart_bpm", 1),
        ("speed_dmps", 2), ("course_deg", 2),
    )  # fmt: skip
    assert len(narrow_columns.PREVIEW) == len({name for name, _ in narrow_columns.PREVIEW}) >= 28
    assert {name for name, _ in narrow_columns.PREVIEW} >= PRIVATE_FIELDS
    assert all(FIELDS_BY_NAME[name].page == Kind.STATE for name, _ in narrow_columns.PREVIEW)


# --- containers ----------------------------------------------------------------------------------------


def test_several_units_share_a_packet():
    frames = [narrow.pack(KEY, Head(n, BOOT, ZERO_MS, 1, is_preview=True), walk(5)) for n in range(1, 9)]
    packet, count = narrow.pack_container(frames, 233)
    assert 1 < count < 8
    assert len(packet) <= 233
    assert narrow.is_container(packet)
    assert narrow.unpack_container(packet) == frames[:count]
    assert narrow.pack_container(frames[:1], 233) == (frames[0], 1)
    assert narrow.unpack_container(frames[0]) == [frames[0]]
    assert narrow.pack_container(frames, 10) == (b"", 0)
    assert narrow.pack_container([], 100) == (b"", 0)


@settings(max_examples=200)
@given(st.lists(st.binary(min_size=1, max_size=400), min_size=2, max_size=70), st.integers(0, 20_000))
def test_what_a_container_holds_comes_back(frames, budget):
    packet, count = narrow.pack_container(frames, budget)
    assert len(packet) <= budget
    if narrow.is_container(packet) and count > 1:
        assert narrow.unpack_container(packet) == frames[:count]


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_packet_is_taken_apart_or_refused(data):
    for packet in (data, b"\x21" + data, b"\x22" + data):
        try:
            frames = narrow.unpack_container(packet)
        except FrameError:
            continue
        assert sum(map(len, frames)) <= len(packet)
        assert len(frames) <= 64
