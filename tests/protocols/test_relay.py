"""What a relay carries, both ways."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import topics
from protocols.catalog import Bearer
from protocols.errors import RelayError, TopicError
from protocols.relay import Back, Carried, pack_back, pack_up, unpack_back, unpack_up


@pytest.mark.parametrize("number", [None, 0, 2**40])
def test_up_and_back(number: int | None) -> None:
    carried = Carried(Bearer.MESH, b"frame", number)
    assert unpack_up(pack_up(carried)) == carried
    back = Back(1007, "o", b"order")
    assert unpack_back(pack_back(back)) == back


@pytest.mark.parametrize(
    "elements",
    [[], [1, 1], [2, 1, b"x"], [1, 99, b"x"], [1, 1, "x"], [1, 1, b"x", -1], [1, 1, b"x", 2**63], 7, {}],
)
def test_what_is_not_carried_is_refused(elements: object) -> None:
    with pytest.raises(RelayError):
        unpack_up(msgpack.packb(elements))


@pytest.mark.parametrize(
    "elements", [[1, 7, "x", b""], [1, -1, "a", b""], [1, 2**32, "a", b""], [1, 7, "a", ""]]
)
def test_what_is_not_a_message_back_is_refused(elements: object) -> None:
    with pytest.raises(RelayError):
        unpack_back(msgpack.packb(elements))


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    for unpack in (unpack_up, unpack_back):
        try:
            unpack(data)
        except RelayError:
            pass


def test_too_long() -> None:
    with pytest.raises(RelayError, match="at most"):
        unpack_up(bytes(9_000))


def test_topics() -> None:
    topic = topics.relayed("live", 1007)
    assert topics.parse_relayed("live", topic) == 1007
    assert topics.back("live", 1007)[:-1] == topic[:-1]
    for wrong in (topics.up("live", 1007, 2), topic.replace("live", "drill"), "z/live/0/x/r", "r", ""):
        with pytest.raises(TopicError):
            topics.parse_relayed("live", wrong)
