"""The hub's certificate authority and its signer, both derived from the one master.

Enters: the master, the realm, a folder for certificates; requests of devices. Leaves: certificates, keys and a
revocation list in files that mosquitto and uvicorn read, and signatures. Callers: `hub.app` (HTTPS, the broker),
`hub.identity.enrolment` (devices), `hub.identity.commanders` (lists of keys).

Losing the folder loses nothing that matters: the keys come out of the master again, so certificates that devices hold
still count. **Source:** RFC 5280 (profile), RFC 5869 (HKDF), RFC 6979 (the authority's own signature), RFC 8032
(Ed25519).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.errors import AuthorityError
from hub.files import write_whole
from protocols.enrolment import BODY_BYTES_MAX

DAY = timedelta(days=1)
BORN = datetime(2026, 1, 1, tzinfo=UTC)
"""When certificates that only this hub judges begin: a clock set back later must not make them "not yet valid"."""
AUTHORITY_DAYS = 30 * 365
"""From BORN. It is never made anew: gateways and phones hold it, and a new one would mean to visit each of them."""
SERVER_DAYS = 396
"""With the day before, 397 from first to last: phones refuse more than 398."""
_ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SALT = b"zhantu authority v1"


class Issued(NamedTuple):
    """A certificate for a device. `serial` hexadecimal, `pem` without its authority."""

    serial: str
    pem: str
    not_before_utc_ms: int
    not_after_utc_ms: int


class Authority:
    """Signs for one hub. The files are read or made when they are first asked for."""

    def __init__(
        self,
        master: bytes,
        realm: str,
        folder: Path,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.realm = realm
        self.folder = folder
        self._clock_ms = clock_ms
        number = int.from_bytes(_derive(master, f"zhantu|authority|{realm}", 48), "big")
        self._key = ec.derive_private_key(number % (_ORDER_P256 - 1) + 1, ec.SECP256R1())
        self._serial = int.from_bytes(_derive(master, f"zhantu|authority serial|{realm}", 16), "big") >> 1 | 1
        self._signer = ed25519.Ed25519PrivateKey.from_private_bytes(
            _derive(master, f"zhantu|signer|{realm}", 32)
        )
        self.signer = self._signer.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """Ed25519 under the hub's signer, 64 bytes."""
        return self._signer.sign(data)

    # --- the authority itself ----------------------------------------------------------------------------

    @cached_property
    def certificate(self) -> x509.Certificate:
        """Its own certificate. A lost one comes back to the last byte, as all of it follows from the master: gateways
        that hold it and codes that name it still count."""
        path = self.folder / "authority.pem"
        found = _read(path)
        if found is not None:
            if found.public_key() != self._key.public_key():
                raise AuthorityError(
                    f"{path}: belongs to another master key; put the right master key back, or delete this folder"
                    " to begin anew (every gateway must then be enrolled again)"
                )
            return found
        made = self._make()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, _pem(made))  # also over a damaged file; another program would write the same bytes
        return made

    @property
    def pem(self) -> str:
        return _pem(self.certificate).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def _make(self) -> x509.Certificate:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.realm),
                x509.NameAttribute(NameOID.COMMON_NAME, f"Zhantu hub authority ({self.realm})"),
            ]
        )
        public = self._key.public_key()
        usage = _usage(key_cert_sign=True, crl_sign=True)
        return (
            x509.CertificateBuilder(name, name, public, self._serial)
            .not_valid_before(BORN)
            .not_valid_after(BORN + AUTHORITY_DAYS * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock_ms() // 1000, UTC)

    # --- servers -----------------------------------------------------------------------------------------

    def server(self, names: Sequence[str], name: str) -> tuple[Path, Path]:
        """Files of the chain and the key of a server that is asked by `names` (host names and addresses).

        Issued anew when the names changed or a third of its life is left, and left alone otherwise.
        """
        chain, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        wanted = _names(names)
        found = _read(chain)
        if found is not None and key_file.exists() and self._serves(found, wanted):
            return chain, key_file
        key = ec.generate_private_key(ec.SECP256R1())
        now = self._now()
        builder = (
            self._builder(names[0] if names else name, key.public_key())
            .not_valid_before(now - DAY)
            .not_valid_after(now + SERVER_DAYS * DAY)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(wanted), critical=False)
        )
        made = builder.sign(self._key, hashes.SHA256())
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain.unlink(missing_ok=True)  # killed between the two files: neither counts, both are made again
        write_whole(key_file, secret, mode=0o600)
        write_whole(chain, _pem(made) + _pem(self.certificate))
        return chain, key_file

    def _serves(self, found: x509.Certificate, wanted: list[x509.GeneralName]) -> bool:
        life = found.not_valid_after_utc - found.not_valid_before_utc
        left = found.not_valid_after_utc - self._now()
        if not life / 3 < left <= life or not self._signed(found):
            return False
        said = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return list(said) == wanted

    def _signed(self, found: x509.Certificate) -> bool:
        try:
            found.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    # --- devices -----------------------------------------------------------------------------------------

    def client(self, csr: str, device: int, days: int) -> Issued:
        """A certificate for a device's own key. AuthorityError: the request cannot be granted.

        Only the key is taken from the request; who it belongs to is ours to say.
        """
        public = _requested_key(csr)
        now = self._now()
        serial = x509.random_serial_number()
        after = min(now + days * DAY, self.certificate.not_valid_after_utc)
        before = min(BORN, now - DAY)
        made = (
            self._builder(str(device), public, serial)
            .not_valid_before(before)
            .not_valid_after(after)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(f"{serial:x}", _pem(made).decode(), _ms(before), _ms(after))

    def revocations(self, revoked: Iterable[tuple[str, int]]) -> bytes:
        """The revocation list of (serial, UTC ms), PEM. It holds ten years: an outdated one would refuse everybody."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(min(BORN, self._now() - DAY))
            .next_update(self._now() + 3_650 * DAY)
        )
        for serial, revoked_utc_ms in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(
                    int(serial, 16), datetime.fromtimestamp(revoked_utc_ms // 1000, UTC)
                ).build()
            )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _builder(
        self, common_name: str, public: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey, serial: int = 0
    ) -> x509.CertificateBuilder:
        """What certificates of devices and servers have in common."""
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.realm),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]),
            ]
        )
        issuer = self.certificate
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder(issuer.subject, name, public, serial or x509.random_serial_number())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(identifier, critical=False)
        )


def authority_der(folder: Path) -> bytes | None:
    """The authority's certificate as it lies in its folder, for programs that do not hold the master."""
    found = _read(folder / "authority.pem")
    return None if found is None else found.public_bytes(serialization.Encoding.DER)


def days_left(path: Path, now_ms: int) -> int | None:
    """Days until the certificate in a file ends; None when there is none."""
    found = _read(path)
    return None if found is None else (_ms(found.not_valid_after_utc) - now_ms) // 86_400_000


def _derive(master: bytes, info: str, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, _SALT, info.encode()).derive(master)


def _read(path: Path) -> x509.Certificate | None:
    """The first certificate of a file; None when there is none that can be read."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(digital_signature, False, False, False, False, key_cert_sign, crl_sign, False, False)


def _names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Alternative names in a steady order, each once. AuthorityError names one that no certificate can hold."""
    addresses: set[IPv4Address | IPv6Address] = set()
    hosts: set[str] = set()
    for name in names:
        try:
            addresses.add(ip_address(name.strip("[]").partition("%")[0]))
        except ValueError:
            if not name.isascii():
                raise AuthorityError(f"name {name[:60]!r}: ASCII needed, such as hub.example") from None
            hosts.add(name.lower())
    return [
        *(x509.DNSName(host) for host in sorted(hosts)),
        *(x509.IPAddress(address) for address in sorted(addresses, key=str)),
    ]


def _requested_key(csr: str) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    if len(csr) > BODY_BYTES_MAX:
        raise AuthorityError(f"certificate request: {len(csr)} characters, at most {BODY_BYTES_MAX} allowed")
    try:
        request = x509.load_pem_x509_csr(csr.encode("ascii"))
        public = request.public_key()
        good = request.is_signature_valid
    except Exception as err:  # noqa: BLE001 -- whatever cryptography makes of bytes from outside
        raise AuthorityError(f"certificate request: cannot be read ({type(err).__name__})") from None
    if isinstance(public, ec.EllipticCurvePublicKey) and not isinstance(public.curve, ec.SECP256R1):
        raise AuthorityError(f"certificate request: curve {public.curve.name}, P-256 needed")
    if not isinstance(public, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise AuthorityError("certificate request: a key on P-256 or of Ed25519 is needed")
    if not good:
        raise AuthorityError("certificate request: not signed with its own key")
    return public
