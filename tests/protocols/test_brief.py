"""Orders for ways of few bytes: what fits, what is refused, and that nothing but the hub's own passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from protocols import brief, narrow, orders
from protocols.brief import Brief, Broadcast
from protocols.errors import OrderError
from protocols.keys import MacKey
from protocols.orders import NEVER_LATE, Order, OrderType, What

MAC = MacKey(bytes(range(32)), "live")
HUB = SigningKey(b"h" * 32)
SIGNER = bytes(HUB.verify_key)
NOW = 1_795_000_000_000
HOUR = 3_600_000
BASE = Order("a", "live", "all", OrderType.EVACUATE, {}, "李", "commander", NOW, NOW, NOW + HOUR)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public).verify(message, signature)
    except (CryptoError, ValueError):
        return False
    return True


def sign(data: bytes) -> bytes:
    return bytes(HUB.sign(data).signature)


def opened(data: bytes, realm: str = "live", signer: bytes = SIGNER) -> Broadcast:
    return brief.open_broadcast(data, signer, realm, verify)


# --- under a MAC -------------------------------------------------------------------------------------------

numbers = st.integers(0, orders.SEQ_MAX)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(st.sampled_from(sorted(brief.TYPES)), numbers, texts, st.integers(1, 2**42))
def test_what_fits_comes_out_again(kind: OrderType, seq: int, text: str, until_ms: int) -> None:
    order = BASE._replace(type=kind, seq=seq, body={"text": text}, expires_utc_ms=until_ms)
    body = brief.pack_brief(order)
    message = orders.pack_down(What.BRIEF, body, MAC)
    assert len(message) <= brief.MESSAGE_BYTES_MAX
    said = brief.open_brief(orders.unpack_down(message, MAC)[1])
    assert (said.type, said.seq) == (kind, seq)
    assert said.text == text or (said.text.endswith(brief.CUT) and text.startswith(said.text[:-1]))
    if kind in NEVER_LATE:
        assert said.expires_utc_ms == 0
    elif until_ms < brief.TIME_S_MAX * 1000:
        assert 0 <= said.expires_utc_ms - until_ms < 1000


def test_an_evacuation_is_25_bytes_and_a_text_is_cut_between_two_characters() -> None:
    assert len(orders.pack_down(What.BRIEF, brief.pack_brief(BASE), MAC)) == 25
    long = BASE._replace(type=OrderType.TEXT, body={"text": "到东门集合，" * 10})
    assert brief.open_brief(brief.pack_brief(long)).text == "到东门集合，到东门集…"
    exact = BASE._replace(type=OrderType.TEXT, body={"text": "x" * brief.TEXT_BYTES_MAX})
    assert brief.open_brief(brief.pack_brief(exact)).text == "x" * brief.TEXT_BYTES_MAX


@pytest.mark.parametrize("kind", sorted(set(OrderType) - brief.TYPES))
def test_what_needs_more_than_a_mac_has_no_brief_form(kind: OrderType) -> None:
    assert brief.pack_brief(BASE._replace(type=kind)) == b""
    body = bytearray(brief.pack_brief(BASE))
    body[0] = body[0] & 0xF0 | kind
    with pytest.raises(OrderError, match="allowed are"):
        brief.open_brief(bytes(body))


def test_a_body_that_is_damaged_is_refused_or_says_something_allowed() -> None:
    good = brief.pack_brief(BASE._replace(type=OrderType.TEXT, body={"text": "东门"}))
    for size in (*range(12), brief.BODY_BYTES_MAX + 1):
        with pytest.raises(OrderError, match="bytes"):
            brief.open_brief(good[:size].ljust(size, b"x"))
    for bad, words in (
        (b"\x24" + good[1:], "version"),
        (good[:1] + b"\xff" * 7 + good[8:], "number"),
        (good[:8] + bytes(4) + good[12:], "expires"),
        (b"\x11" + good[1:], "expires"),
        (good[:-1], "UTF-8"),
    ):
        with pytest.raises(OrderError, match=words):
            brief.open_brief(bad)


@given(st.binary(max_size=60))
def test_random_bytes_never_raise_anything_else(raw: bytes) -> None:
    try:
        said = brief.open_brief(raw)
    except OrderError:
        return
    assert isinstance(said, Brief)
    order = BASE._replace(
        type=said.type, seq=said.seq, body={"text": said.text}, expires_utc_ms=said.expires_utc_ms
    )
    assert brief.pack_brief(order) == raw


def test_a_number_out_of_range_does_not_leave() -> None:
    for seq in (-1, orders.SEQ_MAX + 1):
        with pytest.raises(OrderError, match="number"):
            brief.pack_brief(BASE._replace(seq=seq))
        with pytest.raises(OrderError, match="number"):
            brief.pack_broadcast(BASE._replace(seq=seq), sign)


# --- broadcast ---------------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(NEVER_LATE)), numbers, st.one_of(st.none(), texts))
def test_a_broadcast_comes_out_again(kind: OrderType, seq: int, team: str | None) -> None:
    target = "all" if team is None else f"team:{team}"
    data = brief.pack_broadcast(BASE._replace(type=kind, seq=seq, target=target), sign)
    assert len(data) == brief.BROADCAST_BYTES <= 78
    assert brief.is_broadcast(data)
    assert not narrow.is_narrow(data)
    assert not narrow.is_container(data)
    mark = brief.EVERYBODY if team is None else brief.team_mark(team)
    assert opened(data) == Broadcast(kind, seq, mark)
    assert (mark == brief.EVERYBODY) == (team is None)


def test_only_an_evacuation_or_retreat_for_all_or_a_team_is_broadcast() -> None:
    for kind in set(OrderType) - NEVER_LATE:
        assert brief.pack_broadcast(BASE._replace(type=kind), sign) == b""
    assert brief.pack_broadcast(BASE._replace(target="units:a,b"), sign) == b""


def test_every_damaged_twin_of_a_broadcast_is_refused() -> None:
    good = brief.pack_broadcast(BASE, sign)
    for i in range(len(good)):
        with pytest.raises(OrderError):
            opened(good[:i])
        for bit in range(8):
            bad = bytearray(good)
            bad[i] ^= 1 << bit
            with pytest.raises(OrderError):
                opened(bytes(bad))
    for other in ({"realm": "drill"}, {"signer": bytes(SigningKey(b"x" * 32).verify_key)}):
        with pytest.raises(OrderError, match="not the hub's"):
            opened(good, **other)
    clear = bytearray(good[: brief.CONTENT_BYTES])
    clear[1] = OrderType.ALL_CLEAR
    signed = bytes(clear) + sign(b"zhantu-broadcast\0live\0" + bytes(clear))
    with pytest.raises(OrderError, match="allowed are"):
        opened(signed)


def test_a_signature_for_an_order_is_none_for_a_broadcast() -> None:
    content = brief.pack_broadcast(BASE, sign)[: brief.CONTENT_BYTES]
    for message in (content, orders.signed_bytes(content)):
        with pytest.raises(OrderError, match="not the hub's"):
            opened(content + sign(message))
