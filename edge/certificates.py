"""The gateway's TLS key, and reading the hub's certificates. The only importer of `cryptography`.

Enters: PEM, DER. Leaves: PEM, or IdentityError in words. Callers: `edge.enrol` and `edge.renew`, which end soon; the
agent must never load this: the package costs 8 MB of memory. So it is imported inside functions.
"""

import ssl
from typing import TYPE_CHECKING, NamedTuple

from edge.identity import IdentityError

if TYPE_CHECKING:
    from cryptography import x509


class Request(NamedTuple):
    """A fresh private key and the request for its certificate, both PEM."""

    key: str
    csr: str


def new_request() -> Request:
    """A new ECDSA P-256 key. The request has no name: the hub alone gives names."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Request(pem.decode(), csr.public_bytes(serialization.Encoding.PEM).decode())


def as_der(certificate: str) -> bytes:
    """PEM to DER; IdentityError when it is no PEM."""
    try:
        return ssl.PEM_cert_to_DER_cert(certificate.strip())
    except ValueError:
        raise IdentityError("the hub sent something that is not a certificate") from None


def validity(certificate: str | bytes) -> tuple[int, int]:
    """(not before, not after) of a certificate, PEM or DER, in UTC ms."""
    loaded = _load(certificate)
    begin, end = loaded.not_valid_before_utc, loaded.not_valid_after_utc
    return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)


def check_granted(certificate: str, request: Request, authority_der: bytes, device: int) -> int:
    """The end, UTC ms, of a certificate that is made for our key and device by that authority; IdentityError if not."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import NameOID

    loaded = _load(certificate)
    if loaded.public_key() != load_pem_private_key(request.key.encode(), None).public_key():
        raise IdentityError("the hub's certificate is for another key than this gateway's")
    names = [name.value for name in loaded.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [str(device)]:
        raise IdentityError(f"the hub's certificate is for {names}, not for device {device}")
    try:
        loaded.verify_directly_issued_by(_load(authority_der))
    except (ValueError, TypeError, InvalidSignature):
        raise IdentityError("the hub's certificate is not signed by the hub's authority") from None
    return validity(certificate)[1]


def _load(certificate: str | bytes) -> "x509.Certificate":
    from cryptography import x509

    try:
        if isinstance(certificate, str):
            return x509.load_pem_x509_certificate(certificate.encode())
        return x509.load_der_x509_certificate(certificate)
    except ValueError:
        raise IdentityError("the hub sent something that is not a certificate") from None
