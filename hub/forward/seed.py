"""What makes a new hub one of the family: a file under a code, made by one hub and opened once on the new machine.

Enters: the master, numbers, the roster. Leaves: bytes, and back. Caller: `zhantu-hub below`.

The file holds the master key, so whoever has file and code can be the hub and any device: they travel apart, and the
file is deleted when it was used. **Source:** RFC 7914 (scrypt), RFC 8439 (ChaCha20-Poly1305).
"""

import base64
import json
import os
import re
import secrets
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hub.errors import KeyFileError, RosterError
from hub.forward import family
from hub.settings import Settings
from hub.store.sharing import Shared
from protocols.errors import TopicError
from protocols.keys import KEY_BYTES
from protocols.topics import DEVICE_MAX, check_realm

MARK = b"zhantu-seed-1\n"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_CHARS, GROUP = 20, 4
"""100 bits."""
AUTHORITY_MAX = 4_095
FILE_BYTES_MAX = 64 * 2**20
_SALT, _NONCE = 16, 12


class Seed(NamedTuple):
    """What the new hub begins with. `peer` 0: it only passes up; else it is a standby, which is passed to as well."""

    realm: str
    master: bytes
    device: int
    authority: int
    above_host: str
    above_port: int
    above_tls: bool
    peer: int
    entries: list[Shared]


def new_code() -> str:
    chars = [secrets.choice(ALPHABET) for _ in range(CODE_CHARS)]
    return "-".join("".join(chars[i : i + GROUP]) for i in range(0, CODE_CHARS, GROUP))


def pack(seed: Seed, code: str) -> bytes:
    said = seed._asdict() | {"master": seed.master.hex()}
    packs = [family.pack(seed.entries[i : i + 50]) for i in range(0, len(seed.entries), 50)]
    said["entries"] = [base64.b64encode(one).decode() for one in packs]
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    hidden = ChaCha20Poly1305(_key(code, salt)).encrypt(nonce, json.dumps(said).encode(), MARK)
    return MARK + salt + nonce + hidden


def unpack(data: bytes, code: str) -> Seed:
    """The seed in a file; KeyFileError when file or code is not right."""
    if not data.startswith(MARK) or len(data) > FILE_BYTES_MAX:
        raise KeyFileError("seed: not a file of `zhantu-hub below add`")
    salt, nonce = data[len(MARK) :][:_SALT], data[len(MARK) + _SALT :][:_NONCE]
    try:
        clear = ChaCha20Poly1305(_key(code, salt)).decrypt(nonce, data[len(MARK) + _SALT + _NONCE :], MARK)
        return _opened(json.loads(clear))
    except InvalidTag:
        raise KeyFileError("seed: the code does not fit the file, or the file is damaged") from None
    except (ValueError, KeyError, TypeError, TopicError, RosterError) as err:
        raise KeyFileError(f"seed: {err}") from None


def _opened(said: dict[str, Any]) -> Seed:
    check_realm(said["realm"])
    master = bytes.fromhex(said["master"])
    if len(master) < KEY_BYTES or not 1 <= said["device"] <= DEVICE_MAX:
        raise ValueError("master or number are out of range")
    if not 1 <= said["authority"] <= AUTHORITY_MAX:
        raise ValueError(f"authority {said['authority']}, 1–{AUTHORITY_MAX} allowed")
    packs = [base64.b64decode(one) for one in said["entries"]]
    entries = [entry for one in packs for entry in family.unpack(one)]
    return Seed(**{**said, "master": master, "entries": entries})


def settings_text(seed: Seed) -> str:
    """hub.toml of the new hub."""
    lines = [
        "# Written by `zhantu-hub below join`; zhantu's sample.toml has every key.",
        f'realm = "{seed.realm}"',
        "# Where gateways reach this hub: an address of its own.",
        'host = "0.0.0.0"' if seed.above_tls else f'host = "{Settings().host}"',
        f"above_host = {json.dumps(seed.above_host)}",
        f"above_port = {seed.above_port}",
        f"above_device = {seed.device}",
        f"above_peer = {seed.peer}",
        f"above_tls = {str(seed.above_tls).lower()}",
    ]
    return "\n".join(lines) + "\n"


def _key(code: str, salt: bytes) -> bytes:
    chars = re.sub(r"[\s-]", "", code).upper().replace("O", "0").replace("I", "1").replace("L", "1")
    if len(chars) != CODE_CHARS or not set(chars) <= set(ALPHABET):
        raise KeyFileError(
            f"seed: a code of {CODE_CHARS} characters is needed, {CODE_CHARS // GROUP} groups of {GROUP}"
        )
    return Scrypt(salt, 32, 2**15, 8, 1).derive(chars.encode())
