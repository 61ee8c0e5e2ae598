"""Image files of boards' firmware: header, signature, data. Read, and made with a caller's signature.

Enters: a file's bytes, or firmware and a way to sign. Leaves: an `Image`, or ValueError that says what is wrong with
it. Called by the updater, by `zhantu-edge board`, and by tests. The board checks the signature, with the vendor's
public key that is built into it; a gateway holds no key of the vendor and only carries the file.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

MAGIC = b"ZTFW"
FORMAT = 1
_HEADER = struct.Struct("<4sB3xIII32s")
HEADER_SIZE = _HEADER.size
SIGNATURE_SIZE = 64
CHUNK_SIZE = 128
DATA_SIZE_MAX = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware for one kind of hardware. `version` is major << 16 | minor << 8 | patch."""

    hardware: int
    version: int
    signed_header: bytes
    data: bytes


def version_text(version: int) -> str:
    """66051 → 1.2.3."""
    return f"{version >> 16}.{version >> 8 & 0xFF}.{version & 0xFF}"


def parse_version(text: str) -> int:
    """1.2.3 → 66051. ValueError for another form."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"version {text!r}: three numbers are needed, like 1.2.3")
    major, minor, patch = map(int, parts)
    if major > 0xFFFF or minor > 0xFF or patch > 0xFF:
        raise ValueError(f"version {text!r}: at most 65535.255.255")
    return major << 16 | minor << 8 | patch


def build_image(data: bytes, hardware: int, version: int, sign: Callable[[bytes], bytes]) -> bytes:
    """A file. `sign(header)` leaves 64 bytes of Ed25519 over the header, which holds the data's SHA-256."""
    if not 0 < len(data) <= DATA_SIZE_MAX:
        raise ValueError(f"firmware of {len(data)} bytes, 1–{DATA_SIZE_MAX} allowed")
    header = _HEADER.pack(MAGIC, FORMAT, hardware, version, len(data), hashlib.sha256(data).digest())
    signature = sign(header)
    if len(signature) != SIGNATURE_SIZE:
        raise ValueError(f"signature of {len(signature)} bytes, {SIGNATURE_SIZE} are needed")
    return header + signature + data


def parse_image(raw: bytes) -> Image:
    """The image of a file whose size and SHA-256 are right. ValueError says what is wrong."""
    start = HEADER_SIZE + SIGNATURE_SIZE
    if len(raw) < start:
        raise ValueError(f"image: {len(raw)} bytes, the header and the signature alone are {start}")
    magic, layout, hardware, version, size, digest = _HEADER.unpack_from(raw)
    if magic != MAGIC or layout != FORMAT:
        raise ValueError(f"image: begins with {raw[:5].hex()}, {(MAGIC + bytes((FORMAT,))).hex()} is needed")
    data = raw[start:]
    if len(data) != size or not 0 < size <= DATA_SIZE_MAX:
        raise ValueError(f"image: {len(data)} bytes of firmware, its header says {size} (1–{DATA_SIZE_MAX})")
    if hashlib.sha256(data).digest() != digest:
        raise ValueError("image: the SHA-256 of the firmware is not that of the header: the file is damaged")
    return Image(hardware, version, raw[:start], data)
