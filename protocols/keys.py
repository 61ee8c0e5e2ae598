"""MACs of frames and acknowledgements, and the derivation of a device's key.

Enters: a key, a realm and bytes. Leaves: 8 bytes of keyed BLAKE2b. Up and down are kept apart by
personalisation, so a frame can never be played back as an acknowledgement, and the realm is covered, so that
a drill's frame can never enter the live picture.
"""

import hashlib
import hmac

from protocols import sealing

KEY_BYTES = 32
MAC_BYTES = 8
NARROW_MAC_BYTES = 4
"""On links where a message has 51 bytes; a forger has one chance in 2^32 a try, and each try is counted."""
_UP = b"zhantu-up"
_ACK = b"zhantu-ack"
_ORDER = b"zhantu-order"
_RENEWAL = b"zhantu-renewal"
_SEAL = b"zhantu-seal"
_ASK = b"zhantu-ask"
_NARROW = b"zhantu-narrow"


def device_key(master: bytes, realm: str, device: int, epoch: int = 0) -> bytes:
    """The 32-byte key of one device = HKDF-SHA256(master, info = "zhantu|realm|device|epoch").

    **Source:** RFC 5869; one output block, so expand is one HMAC. `master` is at least 32 bytes.
    """
    if len(master) < KEY_BYTES:
        raise ValueError(f"keys: master of {len(master)} bytes, at least {KEY_BYTES} needed")
    pseudo_random = hmac.digest(b"zhantu device key v1", master, "sha256")
    info = f"zhantu|{realm}|{device}|{epoch}".encode()
    return hmac.digest(pseudo_random, info + b"\x01", "sha256")


class MacKey:
    """A device's key made ready for one realm: hashing the key and the realm happens once."""

    __slots__ = ("_ack", "_ask", "_narrow", "_order", "_renewal", "_seal", "_up")

    def __init__(self, key: bytes, realm: str) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"keys: key of {len(key)} bytes, {KEY_BYTES} needed")
        prefix = realm.encode() + b"\0"
        self._up = hashlib.blake2b(prefix, key=key, digest_size=MAC_BYTES, person=_UP)
        self._ack = hashlib.blake2b(prefix, key=key, digest_size=MAC_BYTES, person=_ACK)
        self._order = hashlib.blake2b(prefix, key=key, digest_size=MAC_BYTES, person=_ORDER)
        self._renewal = hashlib.blake2b(prefix, key=key, digest_size=KEY_BYTES, person=_RENEWAL)
        self._seal = hashlib.blake2b(prefix, key=key, digest_size=KEY_BYTES, person=_SEAL).digest()
        self._ask = hashlib.blake2b(prefix, key=key, digest_size=KEY_BYTES, person=_ASK)
        self._narrow = hashlib.blake2b(prefix, key=key, digest_size=NARROW_MAC_BYTES, person=_NARROW)

    def up(self, data: bytes) -> bytes:
        """The MAC of a frame's bytes."""
        state = self._up.copy()
        state.update(data)
        return state.digest()

    def ack(self, data: bytes) -> bytes:
        """The MAC of an acknowledgement's bytes."""
        state = self._ack.copy()
        state.update(data)
        return state.digest()

    def narrow(self, data: bytes) -> bytes:
        """The MAC of a narrow-band frame's bytes: 4 bytes."""
        state = self._narrow.copy()
        state.update(data)
        return state.digest()

    def order(self, data: bytes) -> bytes:
        """The MAC of a message down that is no acknowledgement."""
        state = self._order.copy()
        state.update(data)
        return state.digest()

    def renewal(self, data: bytes) -> bytes:
        """32 bytes under a request for a new certificate."""
        state = self._renewal.copy()
        state.update(data)
        return state.digest()

    def seal(self, nonce: bytes, data: bytes) -> bytes:
        """Private columns, hidden; the same call opens them again. See `protocols.sealing`."""
        return sealing.keystream_xor(self._seal, nonce, data)

    def ask_key(self, relay: int) -> bytes:
        """The 32-byte key under which the gateway `relay` may ask this device a roll-call, and nothing else."""
        state = self._ask.copy()
        state.update(relay.to_bytes(4, "big"))
        return state.digest()


same = hmac.compare_digest
