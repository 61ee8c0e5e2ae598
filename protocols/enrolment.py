"""The one-time code that makes a gateway known to a hub, and the words both say over HTTPS.

Enters: address, secret, fingerprint of the hub's authority. Leaves: `HOST:PORT/XXXX-XXXX-…`, and back. Pure.

The code authenticates both sides: the secret shows the gateway to the hub, the fingerprint shows the hub to the
gateway, so nothing has to be trusted beforehand. 32 characters of Crockford's base 32 hold 60 bits of secret,
90 bits of SHA-256 over the authority's certificate (DER), and 10 check bits over all of it, so that a mistyped code
is noticed before anything is sent. **Source:** Crockford, Base 32, 2019.
"""

import hashlib
import json
import re
from typing import Any, NamedTuple

from protocols.errors import EnrolmentError, TopicError
from protocols.keys import KEY_BYTES
from protocols.topics import DEVICE_MAX, check_realm

SECRET_BITS, PRINT_BITS, CHECK_BITS = 60, 90, 10
SECRET_CHARS = SECRET_BITS // 5
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {**{c: i for i, c in enumerate(_ALPHABET)}, "O": 0, "I": 1, "L": 1}
_HEX_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}\Z")
_CHARS = (SECRET_BITS + PRINT_BITS + CHECK_BITS) // 5
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})\Z")
ENROL_PATH = "/api/v1/enrol"
RENEW_PATH = "/api/v1/renew"
BODY_BYTES_MAX = 16_384
CALLSIGN_CHARS_MAX = 100


class Code(NamedTuple):
    """What a code says. `secret` 12 characters; `print_90` the authority's fingerprint, its first 90 bits."""

    host: str
    port: int
    secret: str
    print_90: int


class Granted(NamedTuple):
    """What the hub answers to a good code or a renewal.

    certificate, authority  PEM
    mac_key                 64 hexadecimal digits; "" in a renewal: it stays
    signer                  the hub's Ed25519 public key, 64 hexadecimal digits
    mqtt_host, mqtt_port    where the gateway finds the broker, `mqtt_tls` whether over TLS
    """

    device: int
    realm: str
    epoch: int
    callsign: str
    certificate: str
    authority: str
    mac_key: str
    signer: str
    mqtt_host: str
    mqtt_port: int
    mqtt_tls: bool
    not_after_utc_ms: int


def fingerprint_90(authority_der: bytes) -> int:
    """The first 90 bits of SHA-256 over the authority's certificate."""
    return int.from_bytes(hashlib.sha256(authority_der).digest(), "big") >> (256 - PRINT_BITS)


def address(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def pack(code: Code) -> str:
    """The code as people see it. ValueError when it would not come back."""
    if len(code.secret) != SECRET_CHARS or not set(code.secret) <= set(_ALPHABET):
        raise ValueError(
            f"code: secret of {len(code.secret)} characters, {SECRET_CHARS} of {_ALPHABET} needed"
        )
    where = address(code.host, code.port)
    if not _ADDRESS.match(where) or not 0 < code.port < 65_536 or code.print_90 >> PRINT_BITS:
        raise ValueError(f"code: {where!r} is no HOST:PORT, or a fingerprint of more than {PRINT_BITS} bits")
    number = _number(code.secret) << PRINT_BITS | code.print_90
    number = number << CHECK_BITS | _check(where, number)
    chars = "".join(_ALPHABET[number >> 5 * i & 31] for i in reversed(range(_CHARS)))
    return where + "/" + "-".join(chars[i : i + 4] for i in range(0, _CHARS, 4))


def unpack(text: str) -> Code:
    """The code in `text`. EnrolmentError says what came and what is needed. Case, spaces and hyphens do not matter."""
    where, slash, rest = re.sub(r"\s", "", text).rpartition("/")
    where = where.lower().removeprefix("zhantu:")
    found = _ADDRESS.match(where)
    chars = rest.replace("-", "").upper()
    if not slash or found is None or not 0 < int(found[2]) < 65_536:
        raise EnrolmentError(f"code {text[:80]!r}: HOST:PORT/ and eight groups of four characters are needed")
    if len(chars) != _CHARS or not all(c in _VALUE for c in chars):
        raise EnrolmentError(
            f"code: {len(chars)} characters behind the address, {_CHARS} of 0–9 A–Z without I L O U are needed"
        )
    number = _number(chars)
    check, number = number & (1 << CHECK_BITS) - 1, number >> CHECK_BITS
    if check != _check(where, number):
        raise EnrolmentError(
            "code: mistyped: its check characters do not fit; compare it with the hub's screen"
        )
    print_90 = number & (1 << PRINT_BITS) - 1
    return Code(found[1].strip("[]"), int(found[2]), _plain(chars[:SECRET_CHARS]), print_90)


def granted(body: bytes) -> Granted:
    """The hub's answer out of JSON. EnrolmentError when a key is missing, of the wrong type or out of range."""
    try:
        said: Any = json.loads(body)
        values = [said[name] for name in Granted._fields]
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise EnrolmentError(
            f"hub: not an answer to an enrolment ({type(err).__name__}: {str(err)[:100]})"
        ) from None
    for name, value, kind in zip(Granted._fields, values, Granted.__annotations__.values(), strict=True):
        if type(value) is not kind:
            raise EnrolmentError(f"hub: {name} is {type(value).__name__}, {kind.__name__} needed")
    answer = Granted(*values)
    _check_granted(answer)
    return answer


def _check_granted(answer: Granted) -> None:
    try:
        check_realm(answer.realm)
    except TopicError as err:
        raise EnrolmentError(f"hub: {err}") from None
    limits = {"device": DEVICE_MAX, "mqtt_port": 65_535, "not_after_utc_ms": 2**48}
    for name, most in limits.items():
        if not 1 <= (value := getattr(answer, name)) <= most:
            raise EnrolmentError(f"hub: {name} {value}, 1–{most} allowed")
    if not 0 <= answer.epoch < 2**32:
        raise EnrolmentError(f"hub: epoch {answer.epoch}, 0–{2**32 - 1} allowed")
    if not _HEX_KEY.match(answer.signer) or (answer.mac_key and not _HEX_KEY.match(answer.mac_key)):
        raise EnrolmentError(f"hub: mac_key and signer need {2 * KEY_BYTES} hexadecimal digits each")
    if not _ADDRESS.match(address(answer.mqtt_host, answer.mqtt_port)):
        raise EnrolmentError(f"hub: mqtt_host {answer.mqtt_host[:80]!r} is not a host")
    if len(answer.callsign) > CALLSIGN_CHARS_MAX or not answer.callsign.isprintable():
        raise EnrolmentError(f"hub: callsign needs at most {CALLSIGN_CHARS_MAX} printable characters")


def renewal_bytes(device: int, t_utc_ms: int, csr: str) -> bytes:
    """What the gateway puts a MAC under when it asks for a new certificate (`MacKey.renewal`)."""
    return f"{device}|{t_utc_ms}|{csr}".encode()


def _number(chars: str) -> int:
    number = 0
    for c in chars:
        number = number << 5 | _VALUE[c]
    return number


def _plain(chars: str) -> str:
    return "".join(_ALPHABET[_VALUE[c]] for c in chars)


def _check(where: str, number: int) -> int:
    digest = hashlib.sha256(f"zhantu code|{where.lower()}|{number:x}".encode()).digest()
    return int.from_bytes(digest[:2], "big") >> (16 - CHECK_BITS)
