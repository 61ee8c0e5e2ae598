"""Devices: numbers, states, codes, bindings; enrolment and renewal as a gateway sees them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub.errors import RosterError
from hub.identity.authority import Authority
from hub.identity.enrolment import (
    HOUR_MS,
    TRIES_ALL_MAX,
    TRIES_MAX,
    Enrolment,
    EnrolmentRefused,
    Made,
    Wanted,
    digest,
    revoke,
)
from hub.identity.keys import KeyRing
from hub.settings import Settings
from hub.store.registry import SqliteRegistry
from protocols.enrolment import Granted, fingerprint_90, renewal_bytes, unpack
from protocols.keys import MacKey, device_key

MASTER = bytes(range(32))
T0 = 1_795_000_000_000
DAY_MS = 86_400_000


def new_csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


CSR = new_csr()


class Post:
    """A hub's enrolment on a real registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = T0
        self.told: list[tuple[str, int, str]] = []
        self.registry = SqliteRegistry(folder / "registry.db")
        self.registry.open(T0)
        self.devices = self.registry.devices
        self.authority = Authority(MASTER, "live", folder / "tls", lambda: self.now)
        self.enrolment = Enrolment(
            Settings(host="192.0.2.7"), self.registry, self.authority, KeyRing(MASTER, "live"),
            lambda: self.now, lambda *said: self.told.append(said),
        )  # fmt: skip

    def make(self, callsign: str = "一组1号", hours: int = 24, **wanted: Any) -> Made:
        return self.enrolment.make(Wanted(callsign, **wanted), ("192.0.2.7", 8600), hours, "zhang")

    def grant(self, made: Made, csr: str = CSR, firmware: str = "zhantu 0.1.0") -> Granted:
        return self.enrolment.grant(unpack(made.code).secret, csr, firmware, "192.0.2.9", "192.0.2.7")

    def enrolled(self, callsign: str = "一组1号", **wanted: Any) -> Granted:
        return self.grant(self.make(callsign, **wanted))

    def renew(
        self, granted: Granted, *, t_utc_ms: int | None = None, key: str = "", csr: str = CSR
    ) -> Granted:
        t_ms = self.now if t_utc_ms is None else t_utc_ms
        mac_key = MacKey(bytes.fromhex(key or granted.mac_key), "live")
        mac = mac_key.renewal(renewal_bytes(granted.device, t_ms, csr)).hex()
        return self.enrolment.renew(granted.device, t_ms, csr, mac, "192.0.2.9", "192.0.2.7")

    def refused(self, status: int, words: str, what: Any, *arguments: Any, **more: Any) -> EnrolmentRefused:
        with pytest.raises(EnrolmentRefused, match=words) as caught:
            what(*arguments, **more)
        assert caught.value.status == status
        return caught.value

    def state(self, device: int = 1001) -> str:
        row = self.devices.row(device)
        return "" if row is None else row.state


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path)
    yield made
    made.registry.close()


# --- codes -----------------------------------------------------------------------------------------------------


def test_a_code_reserves_number_unit_and_binding(post: Post) -> None:
    made = post.make(team="一队", unit_kind="vehicle", kind="vehicle")
    assert (made.device, made.callsign, made.expires_utc_ms) == (1001, "一组1号", T0 + DAY_MS)
    assert post.state() == "reserved"
    assert post.devices.epochs() == {}, "it may not send yet"
    (unit,) = post.registry.units()
    assert (unit.callsign, unit.team, unit.kind) == ("一组1号", "一队", "vehicle")
    assert [(b.device, b.unit) for b in post.registry.bindings()] == [(1001, unit.id)]
    code = unpack(made.code)
    assert (code.host, code.port) == ("192.0.2.7", 8600)
    assert code.print_90 == fingerprint_90(post.authority.der)


def test_numbers_are_the_smallest_free_ones(post: Post) -> None:
    assert [post.make("A").device, post.make("B", device=1003).device, post.make("C").device] == [
        1001,
        1003,
        1002,
    ]
    assert post.make("D").device == 1004
    assert post.make("E", device=7).device == 7
    assert post.make("F").device == 1005


def test_an_existing_unit_keeps_what_is_not_said(post: Post) -> None:
    post.make("A", team="一队", branch="fire", agency="east")
    post.make("A", device=1001, branch="medical")
    (unit,) = post.registry.units()
    assert (unit.team, unit.branch, unit.agency) == ("一队", "medical", "east")


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": "tank"},
        {"device": 0},
        {"device": 2**32},
        {"branch": "x"},
        {"callsign": ""},
        {"callsign": "x" * 41},
    ],
)
def test_what_no_code_is_made_for(post: Post, wanted: dict[str, Any]) -> None:
    with pytest.raises((RosterError, EnrolmentRefused)):
        post.make(**{"callsign": "A", **wanted})
    assert post.devices.rows() == []
    assert post.registry.units() == []


@pytest.mark.parametrize("hours", [0, -1, 10_000])
def test_hours_have_a_limit(post: Post, hours: int) -> None:
    post.refused(422, "hours", post.make, "A", hours)


def test_a_newer_code_replaces_the_one_before(post: Post) -> None:
    first, second = post.make("A"), post.make("", device=1001)
    post.refused(404, "not known", post.grant, first)
    assert post.grant(second).callsign == "A"


# --- enrolment -------------------------------------------------------------------------------------------------


def test_a_code_gives_all_that_a_gateway_needs(post: Post) -> None:
    got = post.enrolled()
    assert (got.device, got.realm, got.epoch, got.callsign) == (1001, "live", 0, "一组1号")
    assert got.mac_key == device_key(MASTER, "live", 1001, 0).hex()
    assert (got.mqtt_host, got.mqtt_port, got.mqtt_tls) == ("192.0.2.7", 8883, True)
    assert got.not_after_utc_ms == T0 + 90 * DAY_MS
    assert got.signer == post.authority.signer.hex()
    made = x509.load_pem_x509_certificate(got.certificate.encode())
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(got.authority.encode()))
    assert post.devices.epochs() == {1001: 0}
    row = post.devices.row(1001)
    assert row is not None
    assert (row.firmware, row.not_after_utc_ms) == ("zhantu 0.1.0", got.not_after_utc_ms)


def test_a_code_works_once_and_in_its_time(post: Post) -> None:
    made = post.make("A")
    post.grant(made)
    post.refused(410, "used already", post.grant, made)
    late = post.make("B", 1)
    post.now += HOUR_MS
    post.refused(410, "expired", post.grant, late)
    assert post.state(1002) == "reserved"


def test_a_bad_request_leaves_the_code_unused(post: Post) -> None:
    made = post.make("A")
    post.refused(422, "cannot be read", post.grant, made, "nonsense")
    assert post.grant(made).device == 1001


def test_enrolling_again_ends_the_old_key_and_certificate(post: Post) -> None:
    first = post.enrolled("A")
    again = post.grant(post.make("", device=1001), new_csr())
    assert (again.device, again.epoch) == (1001, 1)
    assert again.mac_key != first.mac_key
    (shut_out,) = post.devices.revoked_certificates(T0)
    old = x509.load_pem_x509_certificate(first.certificate.encode())
    assert (shut_out.serial, shut_out.device) == (f"{old.serial_number:x}", 1001)
    post.refused(403, "not made with the key", post.renew, again, key=first.mac_key)


def test_a_revoked_device(post: Post) -> None:
    got, waiting = post.enrolled("A"), post.make("", device=1001)
    assert revoke(post.registry, 1001, "lost", "zhang", T0)
    assert not revoke(post.registry, 1001, "lost", "zhang", T0)
    assert post.devices.revoked() == {1001}
    assert post.devices.epochs() == {}
    assert [row.device for row in post.devices.revoked_certificates(T0)] == [1001]
    post.refused(403, "revoked", post.grant, waiting)
    post.refused(403, "revoked", post.renew, got)
    back = post.enrolled("", device=1001)
    assert (post.state(), back.epoch) == ("active", 1)
    assert back.mac_key != got.mac_key
    assert [row.device for row in post.devices.revoked_certificates(T0)] == [1001], "the old one stays out"


def test_certificates_that_ended_leave_the_list(post: Post) -> None:
    post.enrolled("A")
    revoke(post.registry, 1001, "lost", "zhang", T0)
    assert post.devices.revoked_certificates(T0 + 90 * DAY_MS) == []


def test_expired(post: Post) -> None:
    got = post.enrolled("A")
    post.registry.enrol([(5, post.registry.units()[0])], T0)  # with a key file only
    assert post.devices.expired(T0 + 90 * DAY_MS) == set()
    assert post.devices.expired(T0 + 90 * DAY_MS + 1) == {1001}
    post.now += 100 * DAY_MS
    renewed = post.renew(got)
    assert post.devices.expired(post.now) == set()
    assert (renewed.mac_key, renewed.epoch) == ("", 0)
    assert renewed.not_after_utc_ms == post.now + 90 * DAY_MS


def test_renewals_that_are_refused(post: Post) -> None:
    got = post.enrolled("A")
    post.refused(403, "not made with the key", post.renew, got, key="00" * 32)
    post.refused(403, "48 h", post.renew, got, t_utc_ms=T0 - 49 * HOUR_MS)
    post.refused(403, "48 h", post.renew, got, t_utc_ms=T0 + 49 * HOUR_MS)
    post.refused(422, "cannot be read", post.renew, got, csr="x")
    post.refused(404, "not enrolled", post.renew, got._replace(device=9))
    assert post.renew(got, t_utc_ms=T0 - 47 * HOUR_MS).device == 1001


# --- guessing --------------------------------------------------------------------------------------------------


def test_guesses_are_slowed_and_told_and_never_shut_out_the_right_code(post: Post) -> None:
    made = post.make("A")
    guess = ("0" * 12, CSR, "", "198.51.100.1", "192.0.2.7")
    for _ in range(TRIES_MAX):
        post.refused(404, "not known", post.enrolment.grant, *guess)
    refused = post.refused(429, "wait", post.enrolment.grant, *guess)
    assert 0 < refused.wait_s <= 60
    assert post.told == [("sign_in", 0, "enrolment code from 198.51.100.1")] * (TRIES_MAX + 1)
    right = (unpack(made.code).secret, CSR, "", "198.51.100.1", "192.0.2.7")
    assert post.enrolment.grant(*right).device == 1001


def test_many_addresses_are_slowed_together(post: Post) -> None:
    for i in range(TRIES_ALL_MAX):
        post.refused(404, "not known", post.enrolment.grant, "0" * 12, CSR, "", f"198.51.100.{i}", "")
    post.refused(429, "wait", post.enrolment.grant, "0" * 12, CSR, "", "203.0.113.1", "")
    post.now += 61_000
    post.refused(404, "not known", post.enrolment.grant, "0" * 12, CSR, "", "203.0.113.1", "")


def test_wrong_codes_do_not_slow_renewals(post: Post) -> None:
    got = post.enrolled("A")
    for _ in range(TRIES_MAX + 1):
        with pytest.raises(EnrolmentRefused):
            post.enrolment.grant("0" * 12, CSR, "", "192.0.2.9", "")
    post.refused(403, "not made with", post.renew, got, key="11" * 32)
    assert post.renew(got).device == 1001


def test_no_secret_is_kept(post: Post) -> None:
    made = post.make("A")
    got = post.grant(made)
    secret = unpack(made.code).secret
    post.registry.close()
    kept = b"".join(path.read_bytes() for path in post.folder.glob("registry.db*"))
    for word in (secret, got.mac_key, "PRIVATE", re.sub("-", "", made.code.rpartition("/")[2])):
        assert word.encode() not in kept
    assert digest(secret).encode() in kept
    post.registry.open(T0)
    assert [row[3] for row in post.registry.records()] == ["enrolment code made", "device enrolled"]


TWO = """
import sys, json
from pathlib import Path
sys.path.insert(0, {here!r})
from test_devices import Post, CSR
from hub.identity.enrolment import EnrolmentRefused
post = Post(Path({folder!r}))
sys.stdin.readline()
try:
    print(post.enrolment.grant({secret!r}, CSR, "", "a", "").epoch, flush=True)
except EnrolmentRefused as err:
    print(err.status, flush=True)
"""


def test_of_two_programs_at_once_one_wins(post: Post) -> None:
    for n in range(5):
        secret = unpack(post.make(f"C{n}").code).secret
        script = TWO.format(here=str(Path(__file__).parent), folder=str(post.folder), secret=secret)
        both = [
            subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True) for _ in range(2)
        ]
        for program in both:
            assert program.stdin is not None
            program.stdin.write("go\n")
            program.stdin.flush()
        said = sorted(program.communicate(timeout=30)[0].strip() for program in both)
        assert said == ["0", "410"]
    assert len(post.devices.epochs()) == 5


# --- bindings --------------------------------------------------------------------------------------------------


def test_bindings_are_dated(post: Post) -> None:
    post.make("A")
    post.make("B")
    a, b = (unit.id for unit in post.registry.units())

    def carried() -> list[tuple[str, int, int | None]]:
        return [(x.unit, x.from_utc_ms, x.to_utc_ms) for x in post.registry.bindings() if x.device == 1001]

    post.registry.bind(1001, b, T0 + 10)
    assert carried() == [(a, 0, T0 + 10), (b, T0 + 10, None)]
    assert post.registry.unbind(1001, T0 + 20)
    assert not post.registry.unbind(1001, T0 + 20)
    assert carried()[-1] == (b, T0 + 10, T0 + 20)
    post.registry.bind(1001, a, T0 + 5)
    assert carried() == [(a, 0, T0 + 5), (a, T0 + 5, None)], "what was said of later times counts no more"
    post.registry.unbind(1001, T0 + 30)
    post.registry.enrol([(1001, post.registry.units()[1])], T0 + 40)
    assert carried()[-1] == (b, T0 + 40, None), "not from the beginning: it was carried before"
    for device, unit in ((9, a), (1001, "u99")):
        with pytest.raises(RosterError, match="no "):
            post.registry.bind(device, unit, T0)


# --- the command line ------------------------------------------------------------------------------------------


def hub(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "hub", *words], capture_output=True, text=True, check=False)


def test_commands(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    made = hub("enrol", *data, "--callsign", "A", "--address", "[fd00::9]:8600", "--qr")
    assert made.returncode == 0, made.stderr
    code = re.search(r"zhantu-edge enrol (\S+)", made.stdout)
    assert code is not None
    assert (unpack(code[1]).host, unpack(code[1]).port) == ("fd00::9", 8600)
    assert "█" in made.stdout
    assert "note: this address is loopback" not in made.stdout
    local = hub("enrol", *data, "--callsign", "B")
    assert "note: this address is loopback" in local.stdout
    assert "█" not in local.stdout
    as_json = json.loads(hub("enrol", *data, "--callsign", "C", "--kind", "relay", "--json").stdout)
    assert as_json["device"] == 1003
    assert "1003\treserved\trelay\tC" in hub("device", "list", *data).stdout
    assert hub("device", "bind", "1003", "A", *data).returncode == 0
    assert "carried by A" in hub("device", "show", "1003", *data).stdout
    assert hub("device", "unbind", "1003", *data).returncode == 0
    assert hub("device", "revoke", "1003", "--why", "lost", *data).returncode == 0
    assert "revoked already" in hub("device", "revoke", "1003", "--why", "lost", *data).stderr
    assert "not known" in hub("device", "show", "9", *data).stderr
    keys = hub("roster", "add", "--device", "1003", "--callsign", "C", "--keys", str(tmp_path / "k"), *data)
    assert "was revoked" in keys.stderr
    assert hub("enrol", *data, "--callsign", "D", "--address", "ho st:1").returncode == 1
