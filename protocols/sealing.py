"""What others on the way must not read: XChaCha20 of PyNaCl, which is loaded with the first use.

Enters: a key of 32 bytes, a nonce of 24, bytes. Leaves: as many bytes. Callers: `protocols.keys.MacKey.seal`.
The frame's own MAC stands over the sealed bytes (encrypt, then MAC, under separate keys), so no second tag is carried:
on a link of 51 bytes a message 16 more would be a third of it. **Source:** draft-irtf-cfrg-xchacha-03.
"""

KEY_BYTES, NONCE_BYTES = 32, 24
_TAG_BYTES = 16


def keystream_xor(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """`data` with XChaCha20's stream from block 1 on; doing it twice gives `data` again.

    PyNaCl offers the stream only together with Poly1305, whose tag is cut off here.
    """
    from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt

    sealed: bytes = encrypt(data, None, nonce, key)
    return sealed[:-_TAG_BYTES]
