"""Enrolment codes and the hub's answer: what goes in comes out, and what is mistyped or garbage is refused."""

import json
import random
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import enrolment
from protocols.enrolment import Code, Granted
from protocols.errors import EnrolmentError

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
HOST = st.one_of(
    st.from_regex(r"[a-z0-9][a-z0-9.-]{0,40}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
CODE = st.builds(
    Code,
    HOST,
    st.integers(1, 65_535),
    st.text(CROCKFORD, min_size=12, max_size=12),
    st.integers(0, 2**90 - 1),
)
GRANTED = Granted(
    1001, "live", 0, "济南消防-01", "PEM", "PEM", "0f" * 32, "a0" * 32, "192.168.1.5", 8883, True, 1_800_000_000_000
)  # fmt: skip


def code(seed: int) -> Code:
    rng = random.Random(seed)
    return Code("192.168.1.5", 18443, "".join(rng.choices(CROCKFORD, k=12)), rng.getrandbits(90))


@given(CODE)
def test_a_code_comes_back(made: Code) -> None:
    assert enrolment.unpack(enrolment.pack(made)) == made


@given(CODE, st.data())
def test_a_code_comes_back_however_it_is_typed(made: Code, data: st.DataObject) -> None:
    where, _, rest = enrolment.pack(made).rpartition("/")
    alike = {"0": "0Oo", "1": "1IiLl"}
    rest = "".join(data.draw(st.sampled_from(alike.get(c, c + c.lower()))) for c in rest)
    rest = data.draw(st.sampled_from((rest, rest.replace("-", " "), rest.replace("-", ""), f" {rest}\n")))
    prefix = data.draw(st.sampled_from(("", "zhantu:", "ZHANTU:", "  zhantu:")))
    where = data.draw(st.sampled_from((where, where.upper())))
    assert enrolment.unpack(f"{prefix}{where}/{rest}") == made


def test_an_ipv6_address_stands_in_brackets() -> None:
    made = Code("fd00::5", 443, "0" * 12, 7)
    text = enrolment.pack(made)
    assert text.startswith("[fd00::5]:443/0000-0000-0000-")
    assert enrolment.unpack(text) == made


def test_a_changed_character_is_noticed_all_but_once_in_a_thousand() -> None:
    """Ten check bits let 1/1024 of the changes pass: of 20 × 30 × 31 changes that are not of the check itself, 18."""
    passed_at = dict.fromkeys(range(32), 0)
    tried = 0
    for seed in range(20):
        where, _, rest = enrolment.pack(code(seed)).rpartition("/")
        chars = rest.replace("-", "")
        for i in range(32):
            for other in CROCKFORD.replace(chars[i], ""):
                tried += 1
                try:
                    enrolment.unpack(f"{where}/{chars[:i]}{other}{chars[i + 1 :]}")
                except EnrolmentError as err:
                    assert "mistyped" in str(err)
                else:
                    passed_at[i] += 1
    assert tried == 20 * 32 * 31
    assert sum(passed_at.values()) <= 36, "twice what chance allows"
    assert passed_at[30] == passed_at[31] == 0, "the check characters themselves"
    assert max(passed_at.values()) <= 5


def test_a_changed_address_is_noticed() -> None:
    text = enrolment.pack(code(1))
    for changed in (text.replace("1.5", "1.6"), text.replace("18443", "18444")):
        with pytest.raises(EnrolmentError, match="mistyped"):
            enrolment.unpack(changed)


@given(st.one_of(st.text(max_size=80), st.text(string.printable, max_size=80)))
def test_garbage_is_only_refused(text: str) -> None:
    with pytest.raises(EnrolmentError):
        enrolment.unpack(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "HOST:PORT/"),
        ("host/0000", "HOST:PORT/"),
        ("host:0/" + "0" * 32, "HOST:PORT/"),
        ("host:65536/" + "0" * 32, "HOST:PORT/"),
        ("host:٤٤٣/" + "0" * 32, "HOST:PORT/"),
        ("ho st_x:443/" + "0" * 32, "HOST:PORT/"),
        ("host:443/" + "0" * 31, "31 characters"),
        ("host:443/" + "U" * 32, "32 of 0–9 A–Z without I L O U"),
        ("host:443/" + "0" * 32, "mistyped"),
    ],
)
def test_a_wrong_code_is_told_what_is_needed(text: str, message: str) -> None:
    with pytest.raises(EnrolmentError, match=message):
        enrolment.unpack(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "0" * 11},
        {"secret": "U" * 12},
        {"host": "a b"},
        {"host": ""},
        {"port": 0},
        {"port": 65_536},
        {"print_90": 2**90},
    ],
    ids=str,
)
def test_a_code_that_would_not_come_back_is_not_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        enrolment.pack(code(1)._replace(**wrong))


def test_the_answer_comes_back() -> None:
    assert enrolment.granted(json.dumps(GRANTED._asdict() | {"later": 1}).encode()) == GRANTED
    assert enrolment.granted(json.dumps(GRANTED._replace(mac_key="")._asdict()).encode()).mac_key == ""


@pytest.mark.parametrize("name", Granted._fields)
@pytest.mark.parametrize("value", [None, True, -1, 2**70, 1.5, [], {}, "\x07" * 200])
def test_an_answer_with_a_wrong_value_is_refused(name: str, value: object) -> None:
    if name == "mqtt_tls" and value is True:
        return
    if name in ("certificate", "authority") and isinstance(value, str):
        return  # whether they are certificates is for whoever can read those
    body = json.dumps(GRANTED._asdict() | {name: value}).encode()
    with pytest.raises(EnrolmentError, match=name if name not in ("mac_key", "signer") else "hub: "):
        enrolment.granted(body)


@pytest.mark.parametrize("name", Granted._fields)
def test_an_answer_without_a_key_is_refused(name: str) -> None:
    said = GRANTED._asdict()
    del said[name]
    with pytest.raises(EnrolmentError, match=name):
        enrolment.granted(json.dumps(said).encode())


@given(
    st.one_of(
        st.binary(max_size=100), st.sampled_from((b"[" * 16_000, b'"\xff', b"1" * 9_000, b"null", b"[]"))
    )
)
def test_an_answer_of_garbage_is_only_refused(body: bytes) -> None:
    with pytest.raises(EnrolmentError):
        enrolment.granted(body)
