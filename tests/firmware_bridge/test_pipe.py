"""The lines between a process of its own and the agent: round trip, garbage, bounds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.apart.pipe import LINE_SIZE_MAX, LineReader, State, decode, encode
from protocols.catalog import Kind, Said, Source, page_fields
from protocols.samples import Fix, FixMode, Heard, Identity, Note, Observed, Reading, Sample


def values(*kinds: Kind) -> st.SearchStrategy[dict[int, int]]:
    fields = [field for kind in kinds for field in page_fields(kind).values()]
    one = st.sampled_from(fields).flatmap(lambda f: st.tuples(st.just(f.id), st.integers(f.lo, f.hi)))
    return st.lists(one, max_size=12).map(dict)


texts = st.text(max_size=200)
ids = st.integers(0, 2**63 - 1)
when = st.none() | st.integers(0, 2**53)
things = st.one_of(
    st.builds(Observed, st.sampled_from(Source), ids, values(Kind.OBSERVED), when),
    st.builds(Heard, st.sampled_from(Source), ids, st.sampled_from(Said), texts),
    st.builds(Reading, values(Kind.STATE, Kind.HEALTH), when),
    st.builds(Identity, texts, texts),
    st.builds(
        Note, texts, st.dictionaries(st.text(max_size=20), st.integers() | st.text(max_size=50), max_size=8)
    ),
    st.builds(State, st.booleans(), st.booleans(), *[st.integers(0, 2**63 - 1)] * 6, texts),
)


@given(things)
def test_round_trip(thing: Sample | State) -> None:
    line = encode(thing)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert decode(line) == thing


@given(st.lists(things, max_size=6), st.data())
def test_any_split_gives_the_same(sent: list[Sample | State], data: st.DataObject) -> None:
    stream = b"".join(encode(thing) for thing in sent)
    cut = data.draw(st.integers(0, len(stream)))
    reader = LineReader()
    assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) == sent
    assert (reader.good, reader.bad, reader.pending_size) == (len(sent), 0, 0)


OBSERVED = {"v": 1, "k": "observed", "source": 2, "id": 7, "values": {"194": 5}}


@pytest.mark.parametrize(
    "raw",
    [
        OBSERVED | {"v": 2},
        OBSERVED | {"v": None},
        OBSERVED | {"k": "fix"},
        OBSERVED | {"k": ["observed"]},
        OBSERVED | {"source": 99},
        OBSERVED | {"id": -1},
        OBSERVED | {"id": 2**63},
        OBSERVED | {"id": True},
        OBSERVED | {"id": "7"},
        OBSERVED | {"values": {"194": 900_000_001}},
        OBSERVED | {"values": {"194": 1.5}},
        OBSERVED | {"values": {"194": True}},
        OBSERVED | {"values": {"6": 70}},
        OBSERVED | {"values": {"9999": 1}},
        OBSERVED | {"values": {"lat": 1}},
        OBSERVED | {"values": [1]},
        OBSERVED | {"values": None},
        OBSERVED | {"t_utc_ms": -1},
        {"v": 1, "k": "heard", "source": 2, "id": 1, "what": 9, "text": "x"},
        {"v": 1, "k": "heard", "source": 2, "id": 1, "what": 0, "text": "x" * 1_001},
        {"v": 1, "k": "heard", "source": 2, "id": 1, "what": 0},
        {"v": 1, "k": "reading", "values": {"194": 1}},
        {"v": 1, "k": "identity", "model": 5, "firmware": ""},
        {"v": 1, "k": "note", "about": "x", "words": {"a": [1]}},
        {"v": 1, "k": "note", "about": "x", "words": {str(i): i for i in range(33)}},
        {"v": 1, "k": "state", "open": 1},
        ["v", 1],
        7,
    ],
)
def test_what_the_catalog_does_not_allow_is_no_sample(raw: Any) -> None:
    assert decode(json.dumps(raw).encode()) is None


def test_the_table_above_differs_from_a_good_line_by_one_thing() -> None:
    assert decode(json.dumps(OBSERVED).encode()) == Observed(Source.AIS, 7, {194: 5})


@pytest.mark.parametrize(
    "line", [b"", b"{", b"\xff\xfe", b"[" * 5_000, b'{"v":1}', b"null", b"Traceback (most"]
)
def test_garbage_is_none(line: bytes) -> None:
    assert decode(line) is None


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_garbage_never_raises_and_is_bounded(chunks: list[bytes]) -> None:
    reader = LineReader()
    for chunk in chunks:
        reader.feed(chunk)
        assert reader.pending_size < LINE_SIZE_MAX


def test_a_line_without_end_is_counted_once_and_what_follows_is_heard() -> None:
    reader, good = LineReader(), encode(Identity("x"))
    for _ in range(10):
        assert reader.feed(b"x" * 5_000) == []
        assert reader.pending_size < LINE_SIZE_MAX
    assert reader.bad == 1
    assert reader.feed(b"\n" + good) == [Identity("x")]
    assert reader.feed(b"y" * LINE_SIZE_MAX + b"\n" + good) == [Identity("x")]
    assert (reader.good, reader.bad) == (2, 2)


def test_what_does_not_cross() -> None:
    with pytest.raises(ValueError, match="Fix does not cross"):
        encode(Fix(None, FixMode.NONE))
    with pytest.raises(ValueError, match="at most 8191"):
        encode(Identity("x" * 9_000))


def test_the_longest_text_fits() -> None:
    heard = Heard(Source.RDSS, 2**62, Said.MESSAGE, "\x01" * 1_000)
    assert decode(encode(heard)) == heard
