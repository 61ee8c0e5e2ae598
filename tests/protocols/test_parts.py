"""Topics, keys, acknowledgements, intervals, units."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import acks, topics, units
from protocols.acks import Ack
from protocols.catalog import FIELDS, Lane
from protocols.errors import AckError, TopicError
from protocols.intervals import Intervals
from protocols.keys import MacKey, device_key

KEY = MacKey(bytes(range(32)), "live")


@pytest.mark.parametrize("device", [0, 1, 1001, 2**20 + 5, topics.DEVICE_MAX])
def test_a_topic_says_its_device_and_lane(device: int) -> None:
    for lane in Lane:
        assert topics.parse_up("live", topics.up("live", device, lane)) == (device, lane)


@pytest.mark.parametrize(
    "topic",
    ["", "z/live/0/1001/2", "z/drill/6/1001/2", "z/live/6/1001/9", "z/live/6/01001/2", "z/live/6/-1/2",
     "z/live/6/1001", "z/live/6/1001/2/3", "z/live/6/99999999999999/2", "z/live/6/١٠٠١/2", "x/live/6/1001/2"],
)  # fmt: skip
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(TopicError):
        topics.parse_up("live", topic)


@pytest.mark.parametrize("realm", ["", "Live", "a b", "x" * 17, "-a", "a/b", "战图", "live\n"])
def test_other_realms_are_refused(realm: str) -> None:
    with pytest.raises(TopicError, match="allowed are"):
        topics.check_realm(realm)


def test_device_keys_are_hkdf_and_differ_by_realm_device_and_epoch() -> None:
    master = bytes(range(32))
    made = {
        device_key(master, realm, device, epoch)
        for realm in ("live", "drill") for device in (1, 2) for epoch in (0, 1)
    }  # fmt: skip
    assert len(made) == 8
    assert all(len(key) == 32 for key in made)
    with pytest.raises(ValueError, match="at least 32"):
        device_key(b"short", "live", 1)


def test_device_key_is_that_of_an_independent_hkdf() -> None:
    hkdf = pytest.importorskip("cryptography.hazmat.primitives.kdf.hkdf", reason="no independent HKDF here")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    theirs = hkdf.HKDF(
        algorithm=hashes.SHA256(), length=32, salt=b"zhantu device key v1", info=b"zhantu|live|1001|0"
    )
    assert theirs.derive(bytes(range(32))) == device_key(bytes(range(32)), "live", 1001)


def test_up_and_down_macs_are_kept_apart() -> None:
    assert KEY.up(b"x") != KEY.ack(b"x")
    plain = hashlib.blake2b(b"live\0x", key=bytes(range(32)), digest_size=8, person=b"zhantu-up").digest()
    assert KEY.up(b"x") == plain


ACK = Ack(1_795_000_000_000, 2**63 + 1, 1, 500, ((600, 700), (710, 710)), ((650, 9),))


def test_an_acknowledgement_comes_back() -> None:
    assert acks.unpack(acks.pack(ACK, KEY), KEY) == ACK


def test_a_damaged_acknowledgement_deletes_nothing() -> None:
    good = acks.pack(ACK, KEY)
    for i in range(len(good)):
        bad = bytearray(good)
        bad[i] ^= 1
        with pytest.raises(AckError):
            acks.unpack(bytes(bad), KEY)
    with pytest.raises(AckError, match="bytes"):
        acks.unpack(b"", KEY)


@given(st.binary(max_size=200))
def test_random_acknowledgements_are_only_refused(raw: bytes) -> None:
    with pytest.raises(AckError):
        acks.unpack(raw + KEY.ack(raw), KEY)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 12)), max_size=40))
def test_intervals_are_a_set(steps: list[tuple[bool, int, int]]) -> None:
    ours, naive = Intervals(), set[int]()
    for adds, first, length in steps:
        span = set(range(first, first + length + 1))
        changed = ours.add(first, first + length) if adds else ours.remove(first, first + length)
        expected = span - naive if adds else span & naive
        naive = naive | span if adds else naive - span
        assert {n for a, b in changed for n in range(a, b + 1)} == expected
        assert {n for a, b in ours for n in range(a, b + 1)} == naive
        assert ours.total() == len(naive)
        assert all(b + 1 < c for (_, b), (c, _) in zip(ours, list(ours)[1:], strict=False))
        assert all((n in ours) == (n in naive) for n in range(0, 80, 7))
        touching = naive & set(range(first - 1, first + length + 2))
        assert ours.touches(first, first + length) == bool(touching)
        assert Intervals.of_flat(ours.flat()) == ours
        assert ours.flat() == [n for pair in ours for n in pair]
        missing = {n for a, b in ours.missing(0, 80) for n in range(a, b + 1)}
        assert missing == set(range(81)) - naive


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_rounding_is_to_nearest_even(value: int, divisor: int) -> None:
    got = units.divide_half_even(value, divisor)
    assert abs(2 * (value - got * divisor)) <= divisor
    if 2 * abs(value - got * divisor) == divisor:
        assert got % 2 == 0


def test_the_frozen_table_has_not_changed_its_past() -> None:
    """A field that was ever sent keeps its id, name, quantum, range and order. New fields only add lines; then
    this digest is made anew over the longer table, and the review sees that nothing above moved."""
    frozen = "\n".join(f"{f.id} {f.name} {f.unit} {f.quantum} {f.lo} {f.hi} {f.order}" for f in FIELDS)
    assert hashlib.sha256(frozen.encode()).hexdigest()[:16] == "1d5d2f291f21af10"
