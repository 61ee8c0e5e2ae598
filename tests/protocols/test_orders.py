"""Messages down, the list of commanders' keys, and what a commander signs. Ed25519 is the real one."""

from collections.abc import Callable, Iterable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from protocols import acks, orders
from protocols.acks import Ack
from protocols.errors import AckError, OrderError
from protocols.keys import MacKey
from protocols.orders import CommanderKey, KeyList, Order, OrderType, Signature, What

MAC = MacKey(bytes(range(32)), "live")
HUB = SigningKey(b"h" * 32)
SIGNER = bytes(HUB.verify_key)
LI, WANG, OLD = (SigningKey(letter * 32) for letter in (b"l", b"w", b"o"))
NOW = 1_795_000_000_000
HOUR = 3_600_000


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public).verify(message, signature)
    except (CryptoError, ValueError):
        return False
    return True


def sign(data: bytes) -> bytes:
    return bytes(HUB.sign(data).signature)


def commander(key: SigningKey, name: str) -> CommanderKey:
    public = bytes(key.verify_key)
    return CommanderKey(orders.key_id(public), public, name, "commander", NOW + HOUR)


KEYS = KeyList(7, "live", NOW, (commander(LI, "李"), commander(WANG, "王")))
PACKED = orders.pack_list(KEYS, sign)


def opened(data: bytes) -> KeyList:
    return orders.open_list(data, SIGNER, "live", verify)


# --- messages down -----------------------------------------------------------------------------------------


def test_a_list_reaches_a_device() -> None:
    what, body = orders.unpack_down(orders.pack_down(What.KEYS, PACKED, MAC), MAC)
    assert what == What.KEYS
    assert opened(body) == KEYS


def test_a_full_list_fits_into_a_message_and_a_longer_body_does_not_leave() -> None:
    name, role = "名" * 20, "safety-officer"
    many = tuple(
        CommanderKey(orders.key_id(p), p, name, role, NOW)
        for p in (bytes([i]) * 32 for i in range(orders.KEYS_MAX))
    )
    down = orders.pack_down(What.KEYS, orders.pack_list(KEYS._replace(keys=many), sign), MAC)
    assert len(opened(orders.unpack_down(down, MAC)[1]).keys) == orders.KEYS_MAX
    with pytest.raises(OrderError, match=f"at most {orders.DOWN_BYTES_MAX}"):
        orders.pack_down(What.KEYS, bytes(orders.DOWN_BYTES_MAX), MAC)


def test_a_damaged_message_is_refused() -> None:
    good = orders.pack_down(What.KEYS, PACKED, MAC)
    for i in range(len(good)):
        bad = bytearray(good)
        bad[i] ^= 1
        with pytest.raises(OrderError):
            orders.unpack_down(bytes(bad), MAC)
        with pytest.raises(OrderError):
            orders.unpack_down(good[:i], MAC)
    with pytest.raises(OrderError, match="bytes"):
        orders.unpack_down(good + bytes(orders.DOWN_BYTES_MAX), MAC)
    with pytest.raises(OrderError, match="MAC"):
        orders.unpack_down(good, MacKey(bytes(range(32)), "drill"))


def test_nothing_made_for_one_purpose_passes_for_another() -> None:
    ack = acks.pack(Ack(NOW, 5, 1, 0, (), ()), MAC)
    with pytest.raises(OrderError, match="MAC"):
        orders.unpack_down(ack, MAC)
    with pytest.raises(AckError):
        acks.unpack(orders.pack_down(What.KEYS, PACKED, MAC), MAC)
    data = b"the same bytes"
    assert len({MAC.up(data), MAC.ack(data), MAC.order(data), MAC.renewal(data)[:8]}) == 4


@given(st.binary(max_size=200))
def test_random_messages_are_only_refused(raw: bytes) -> None:
    with pytest.raises(OrderError):
        orders.unpack_down(raw + MAC.order(raw), MAC)


# --- the list ----------------------------------------------------------------------------------------------


def test_a_damaged_list_is_refused() -> None:
    for i in range(len(PACKED)):
        with pytest.raises(OrderError):
            opened(PACKED[:i])
        for bit in range(8):
            bad = bytearray(PACKED)
            bad[i] ^= 1 << bit
            with pytest.raises(OrderError):
                opened(bytes(bad))


def test_a_list_of_another_hub_or_realm_is_refused() -> None:
    with pytest.raises(OrderError, match="signature is not the hub's"):
        orders.open_list(PACKED, bytes(LI.verify_key), "live", verify)
    with pytest.raises(OrderError, match="realm 'live', not 'drill'"):
        orders.open_list(PACKED, SIGNER, "drill", verify)


def test_too_many_keys_are_neither_packed_nor_opened() -> None:
    too_many = KEYS._replace(keys=KEYS.keys[:1] * (orders.KEYS_MAX + 1))
    with pytest.raises(OrderError, match="at most"):
        orders.pack_list(too_many, sign)
    with pytest.raises(OrderError, match="at most"):
        opened(signed([7, "live", NOW, [list(key) for key in too_many.keys]]))


def signed(body: object) -> bytes:
    """What a hub with our key but another program would send."""
    data = msgpack.packb(body)
    packed: bytes = msgpack.packb([data, sign(b"zhantu-keys\0" + data)])
    return packed


ENTRY = list(KEYS.keys[0])


@pytest.mark.parametrize(
    "body",
    [
        None, [], {}, [7, "live", NOW], ["7", "live", NOW, []], [True, "live", NOW, []], [-1, "live", NOW, []],
        [2**32, "live", NOW, []], [7, ["live"], NOW, []], [7, "live", None, []], [7, "live", NOW, None],
        [7, "live", NOW, [None]], [7, "live", NOW, [ENTRY[:4]]], [7, "live", NOW, [[b"x" * 8, *ENTRY[1:]]]],
        [7, "live", NOW, [[ENTRY[0], b"short", *ENTRY[2:]]]], [7, "live", NOW, [[*ENTRY[:2], b"name", "r", 1]]],
    ],
    ids=repr,
)  # fmt: skip
def test_a_signed_list_of_the_wrong_shape_is_refused(body: object) -> None:
    with pytest.raises(OrderError):
        opened(signed(body))


def test_further_elements_of_a_later_version_are_ignored() -> None:
    assert opened(signed([7, "live", NOW, [[*ENTRY, "later"]], "later"])).keys == KEYS.keys[:1]


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.text(max_size=5), st.binary(max_size=40)),
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
)  # fmt: skip


@given(st.one_of(st.binary(max_size=200), JUNK.map(msgpack.packb), JUNK.map(signed)))
def test_garbage_for_a_list_is_only_refused(data: bytes) -> None:
    with pytest.raises(OrderError):
        opened(data)


@given(JUNK.map(msgpack.packb))
def test_garbage_for_an_order_is_only_refused(core: bytes) -> None:
    with pytest.raises(OrderError):
        orders.open_order(core)


# --- orders ------------------------------------------------------------------------------------------------


def order(kind: OrderType, **changes: Any) -> Order:
    base = Order("o-1", "live", "all", int(kind), {}, "李", "commander", 4, NOW, NOW + HOUR)
    return base._replace(**changes)


def by(core: bytes, *keys: SigningKey) -> list[Signature]:
    return [
        Signature(orders.key_id(bytes(key.verify_key)), bytes(key.sign(orders.signed_bytes(core)).signature))
        for key in keys
    ]


def check(core: bytes, signatures: Iterable[Signature], t_utc_ms: int | None = NOW) -> tuple[str, ...]:
    return orders.check_signatures(core, signatures, KEYS, verify, t_utc_ms)[1]


def test_one_commander_may_evacuate() -> None:
    core = orders.pack_order(order(OrderType.EVACUATE))
    assert check(core, by(core, LI)) == ("李",)
    assert orders.open_order(core) == order(OrderType.EVACUATE)


def test_an_all_clear_needs_two_people_or_a_reason() -> None:
    core = orders.pack_order(order(OrderType.ALL_CLEAR))
    assert check(core, by(core, LI, WANG)) == ("李", "王")
    broken = orders.pack_order(order(OrderType.ALL_CLEAR, body={orders.BREAK_GLASS: "王 cannot be reached"}))
    assert check(broken, by(broken, LI)) == ("李",)


def two_keys_of_one() -> tuple[bytes, list[Signature], KeyList]:
    core = orders.pack_order(order(OrderType.ALL_CLEAR))
    mine = KEYS._replace(keys=(commander(LI, "李"), commander(OLD, "李")))
    return core, by(core, LI, OLD), mine


def test_one_person_with_two_keys_is_one_person() -> None:
    core, signatures, keys = two_keys_of_one()
    with pytest.raises(OrderError, match="two people"):
        orders.check_signatures(core, signatures, keys, verify, NOW)


Case = Callable[[], tuple[bytes, list[Signature], int | None]]


def _case(kind: OrderType, *keys: SigningKey, t_utc_ms: int | None = NOW, **changes: Any) -> Case:
    core = orders.pack_order(order(kind, **changes))
    return lambda: (core, by(core, *keys), t_utc_ms)


def _altered() -> tuple[bytes, list[Signature], int | None]:
    core = orders.pack_order(order(OrderType.EVACUATE))
    return orders.pack_order(order(OrderType.EVACUATE, target="team:二队")), by(core, LI), NOW


def _as_another() -> tuple[bytes, list[Signature], int | None]:
    core = orders.pack_order(order(OrderType.EVACUATE))
    return core, [Signature(orders.key_id(bytes(LI.verify_key)), by(core, WANG)[0].signature)], NOW


def _without_its_mark() -> tuple[bytes, list[Signature], int | None]:
    core = orders.pack_order(order(OrderType.EVACUATE))
    return core, [Signature(orders.key_id(bytes(LI.verify_key)), bytes(LI.sign(core).signature))], NOW


def _short() -> tuple[bytes, list[Signature], int | None]:
    core = orders.pack_order(order(OrderType.EVACUATE))
    return core, [Signature(orders.key_id(bytes(LI.verify_key)), b"short")], NOW


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (_case(OrderType.EVACUATE), "nobody signed"),
        (_case(OrderType.ALL_CLEAR, LI), "two people"),
        (_case(OrderType.ALL_CLEAR, LI, LI), "two people"),
        (_case(OrderType.ALL_CLEAR, LI, body={orders.BREAK_GLASS: ""}), "two people"),
        (_case(OrderType.ALL_CLEAR, LI, body={orders.BREAK_GLASS: "  \n"}), "two people"),
        (_case(OrderType.ALL_CLEAR, LI, body={orders.BREAK_GLASS: True}), "two people"),
        (_case(OrderType.EVACUATE, LI, t_utc_ms=NOW + HOUR + 1), "key of 李 has expired"),
        (_case(OrderType.EVACUATE, OLD), "on no list"),
        (_case(OrderType.EVACUATE, LI, OLD), "on no list"),
        (_case(OrderType.EVACUATE, WANG), "named as its issuer and did not sign"),
        (_case(OrderType.EVACUATE, LI, realm="drill"), "realm 'drill', not 'live'"),
        (_altered, "does not fit"),
        (_as_another, "does not fit"),
        (_without_its_mark, "does not fit"),
        (_short, "does not fit"),
    ],
)
def test_an_order_that_may_not_be_obeyed(case: Case, message: str) -> None:
    core, signatures, t_utc_ms = case()
    with pytest.raises(OrderError, match=message):
        check(core, signatures, t_utc_ms)


def test_a_key_counts_while_the_time_is_not_known() -> None:
    core = orders.pack_order(order(OrderType.EVACUATE))
    assert check(core, by(core, LI), None) == ("李",)
    assert check(core, by(core, LI), NOW + HOUR) == ("李",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": 9}, "type 9, known are 1, 2, 3"),
        ({"seq": "4"}, "seq is str, int needed"),
        ({"body": []}, "body is list, dict needed"),
        ({"expires_utc_ms": NOW}, "expires before it begins"),
    ],
    ids=str,
)
def test_an_order_of_the_wrong_shape_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderError, match=message):
        orders.open_order(orders.pack_order(order(OrderType.EVACUATE, **changes)))


def test_seen() -> None:
    body = orders.pack_seen(2**63 - 1, "王海", 1_795_000_000_000)
    assert orders.open_seen(body) == (2**63 - 1, "王海", 1_795_000_000_000)
    more = msgpack.packb([5, "Li", 7, "later"])
    assert orders.open_seen(more) == (5, "Li", 7), "what comes after is for later versions"
    for wrong in (
        [5, "Li"],
        [-1, "Li", 7],
        [2**63, "Li", 7],
        [True, "Li", 7],
        [5, b"Li", 7],
        [5, "Li", -7],
        5,
        {},
    ):
        with pytest.raises(OrderError):
            orders.open_seen(msgpack.packb(wrong))
    for cut in range(len(body)):
        with pytest.raises(OrderError):
            orders.open_seen(body[:cut])
