"""The authority: what it signs, what it refuses, what it makes again; and where the master comes from."""

import datetime
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.errors import AuthorityError, KeyFileError
from hub.identity.authority import AUTHORITY_DAYS, BORN, Authority, authority_der, days_left
from hub.identity.keys import KeyRing, load_master
from protocols.keys import device_key

MASTER = bytes(range(32))
DAY_MS = 86_400_000
T0 = 1_795_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> Authority:
    return Authority(MASTER, "live", tmp_path / "tls", clock)


Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def csr_of(key: Key, name: str = "whoever") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, algorithm)
    return made.public_bytes(serialization.Encoding.PEM).decode()


def moment(t_utc_ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(t_utc_ms // 1000, datetime.UTC)


def test_it_is_its_own_authority_for_its_realm(authority: Authority) -> None:
    made = authority.certificate
    made.verify_directly_issued_by(made)
    assert made.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "live"
    basic = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (
        BORN,
        BORN + datetime.timedelta(days=AUTHORITY_DAYS),
    )
    assert authority.der == authority_der(authority.folder)


def test_a_lost_folder_comes_back_to_the_last_byte(
    authority: Authority, tmp_path: Path, clock: Clock
) -> None:
    """Gateways compare it, phones have installed it, and codes hold its fingerprint."""
    issued = authority.client(csr_of(ec.generate_private_key(ec.SECP256R1())), 1001, 90)
    clock.now += 3_000 * DAY_MS
    again = Authority(MASTER, "live", tmp_path / "elsewhere", clock)
    assert (again.der, again.signer) == (authority.der, authority.signer)
    x509.load_pem_x509_certificate(issued.pem.encode()).verify_directly_issued_by(again.certificate)


def test_a_damaged_file_is_made_again(authority: Authority, clock: Clock) -> None:
    der = authority.der
    (authority.folder / "authority.pem").write_text("junk")
    assert Authority(MASTER, "live", authority.folder, clock).der == der
    assert authority_der(authority.folder) == der


def test_keys_differ_by_realm_and_another_master_is_noticed(authority: Authority, clock: Clock) -> None:
    drill = Authority(MASTER, "drill", authority.folder.parent / "drill", clock)
    assert drill.signer != authority.signer
    assert drill.certificate.public_key() != authority.certificate.public_key()
    assert authority.pem
    with pytest.raises(AuthorityError, match="another master key"):
        _ = Authority(bytes(32), "live", authority.folder, clock).pem


def test_it_signs(authority: Authority) -> None:
    public = ed25519.Ed25519PublicKey.from_public_bytes(authority.signer)
    public.verify(authority.sign(b"list"), b"list")


# --- servers -------------------------------------------------------------------------------------------------


def test_a_server_certificate(authority: Authority) -> None:
    chain, key = authority.server(["hub.example", "10.0.0.5", "fd00::2"], "web")
    assert key.stat().st_mode & 0o777 == 0o600
    leaf, above = x509.load_pem_x509_certificates(chain.read_bytes())
    assert above == authority.certificate
    leaf.verify_directly_issued_by(above)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == datetime.timedelta(days=397)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["hub.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5", "fd00::2"]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    strict = ["openssl", "verify", "-x509_strict", "-CAfile", authority.folder / "authority.pem"]
    at = ["-attime", str(T0 // 1000), "-verify_hostname", "hub.example", chain]
    assert subprocess.run([*strict, *at], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("days", "names", "anew"),
    [
        (0, ["b", "a"], False),
        (200, ["a", "b"], False),
        (300, ["a", "b"], True),  # less than a third is left
        (0, ["a"], True),
        (-400, ["a", "b"], True),  # the clock was far ahead when it was made
    ],
)
def test_it_is_issued_anew_when_due(
    authority: Authority, clock: Clock, days: int, names: list[str], anew: bool
) -> None:
    chain, key = authority.server(["a", "b"], "broker")
    before = chain.read_bytes(), key.read_bytes()
    clock.now += days * DAY_MS
    authority.server(names, "broker")
    after = chain.read_bytes(), key.read_bytes()
    assert (before != after) == anew
    assert (before[1] != after[1]) == anew
    assert (days_left(chain, clock.now) or 0) > 100


def test_half_written_files_are_made_again(authority: Authority) -> None:
    chain, key = authority.server(["a"], "broker")
    key.unlink()
    authority.server(["a"], "broker")
    assert key.exists()
    chain.write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense")
    authority.server(["a"], "broker")
    assert len(x509.load_pem_x509_certificates(chain.read_bytes())) == 2


def test_a_name_that_no_certificate_can_hold(authority: Authority) -> None:
    with pytest.raises(AuthorityError, match="ASCII"):
        authority.server(["指挥部"], "web")


# --- devices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [lambda: ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate]
)
def test_a_device_certificate_says_what_we_say(authority: Authority, make: Callable[[], Key]) -> None:
    issued = authority.client(csr_of(make(), "1002"), 1001, 90)
    made = x509.load_pem_x509_certificate(issued.pem.encode())
    assert [a.value for a in made.subject] == ["live", "1001"], "the name is ours, never the request's"
    assert f"{made.serial_number:x}" == issued.serial
    assert issued.not_after_utc_ms == T0 + 90 * DAY_MS
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    made.verify_directly_issued_by(authority.certificate)


def test_no_certificate_outlives_the_authority(authority: Authority) -> None:
    issued = authority.client(csr_of(ec.generate_private_key(ec.SECP256R1())), 1001, 20_000)
    assert moment(issued.not_after_utc_ms) == authority.certificate.not_valid_after_utc


def _forged() -> str:
    """A request whose signature is of another key."""
    good = csr_of(ec.generate_private_key(ec.SECP256R1()))
    der = bytearray(x509.load_pem_x509_csr(good.encode()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("csr", "words"),
    [
        ("", "cannot be read"),
        ("x" * 20_000, "at most"),
        ("战图", "cannot be read"),
        (csr_of(ec.generate_private_key(ec.SECP384R1())), "P-256 needed"),
        (csr_of(rsa.generate_private_key(65_537, 2048)), "P-256 or of Ed25519"),
        (_forged(), "not signed with its own key"),
    ],
)
def test_requests_that_are_refused(authority: Authority, csr: str, words: str) -> None:
    with pytest.raises(AuthorityError, match=words):
        authority.client(csr, 1001, 90)


def test_the_revocation_list(authority: Authority) -> None:
    made = x509.load_pem_x509_crl(authority.revocations([("1f", T0), ("2a", T0)]))
    assert {f"{line.serial_number:x}" for line in made} == {"1f", "2a"}
    assert made.next_update_utc is not None
    assert made.next_update_utc - moment(T0) == datetime.timedelta(days=3_650)
    key = authority.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert made.is_signature_valid(key)


# --- the master ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [MASTER, MASTER.hex().encode() + b"\n"])
def test_a_credential_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    load_master(tmp_path / "master.key", create=True)
    (tmp_path / "zhantu-master").write_bytes(content)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_master(tmp_path / "master.key") == MASTER
    assert load_master(tmp_path / "none" / "master.key", create=True) == MASTER
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("content", [b"zz", b"00" * 16, b"\xff" * 31])
def test_a_bad_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (tmp_path / "zhantu-master").write_bytes(content)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(KeyFileError, match="zhantu-master"):
        load_master(tmp_path / "master.key", create=True)


def test_a_lost_master_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    assert Authority(load_master(path, create=True), "live", tmp_path / "tls").pem
    os.unlink(path)
    with pytest.raises(KeyFileError, match="put it back"):
        load_master(path, create=True)


def test_keys_of_any_epoch() -> None:
    ring = KeyRing(MASTER, "live")
    ring.epochs = {7: 3}
    assert ring.secret(7) == ring.secret_of(7, 3) == device_key(MASTER, "live", 7, 3)
    assert ring.secret_of(7, 2) != ring.secret(7)
