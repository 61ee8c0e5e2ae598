"""Devices over HTTP: codes, enrolment, renewal, revocation, bindings; and that each acts in the hub at once."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub.api.guard import BODY_BYTES_MAX as GUARD_BYTES_MAX
from hub.identity.enrolment import HOUR_MS, HOURS_MAX, TRIES_MAX
from hub.identity.permissions import Role
from hub.state import HubState
from protocols import enrolment
from protocols.enrolment import BODY_BYTES_MAX, fingerprint_90, renewal_bytes, unpack
from protocols.keys import MacKey

Ask = Callable[..., Any]
API = "/api/v1"
CALLSIGN = "一组1号"
JSON = {"content-type": "application/json"}


def new_csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


CSR = new_csr()


class Technician:
    """A signed-in technician, and the gateways before them, which are not signed in."""

    def __init__(self, new_browser: Callable[[], Ask], state: HubState) -> None:
        self.ask, self.gateway = new_browser(), new_browser()
        token = state.sign_in.new_token("Zhao", Role.TECHNICIAN)
        assert self.ask("POST", f"{API}/session", json={"token": token}).status_code == 200

    def code(self, **wanted: Any) -> Any:
        body = wanted if "device" in wanted else {"callsign": CALLSIGN, **wanted}
        return self.ask("POST", f"{API}/devices/enrolment", json=body)

    def secret(self, **wanted: Any) -> str:
        made = self.code(**wanted)
        assert made.status_code == 200, made.text
        return unpack(made.json()["code"]).secret

    def enrol(self, secret: str, /, **other: Any) -> Any:
        said = {"secret": secret, "csr": CSR, "firmware": "zhantu 0.1.0", "machine": "Pi 4", **other}
        content = json.dumps(said)  # ASCII, so that it can hold what UTF-8 cannot
        return self.gateway("POST", f"{API}/enrol", content=content, headers=JSON)

    def enrolled(self, **wanted: Any) -> dict[str, Any]:
        granted = self.enrol(self.secret(**wanted))
        assert granted.status_code == 200, granted.text
        return dict(granted.json())

    def renew(self, granted: dict[str, Any], t_utc_ms: int, **other: Any) -> Any:
        key = MacKey(bytes.fromhex(granted["mac_key"]), granted["realm"])
        mac = key.renewal(renewal_bytes(granted["device"], t_utc_ms, CSR)).hex()
        said = {"device": granted["device"], "t_utc_ms": t_utc_ms, "csr": CSR, "mac": mac, **other}
        return self.gateway("POST", f"{API}/renew", json=said)

    def revoke(self, device: int, why: str = "lost") -> Any:
        return self.ask("POST", f"{API}/devices/{device}/revoke", json={"why": why})

    def bind(self, device: int, unit: str, **more: Any) -> Any:
        return self.ask("PUT", f"{API}/devices/{device}/binding", json={"unit": unit, **more})

    def device(self, number: int) -> dict[str, Any]:
        found = self.ask("GET", f"{API}/devices").json()["devices"]
        return next(one for one in found if one["device"] == number)


@pytest.fixture
def zhao(new_browser: Callable[[], Ask], state: HubState) -> Technician:
    return Technician(new_browser, state)


def refused(answer: Any, status: int, words: str) -> None:
    """A problem that says so."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


# --- codes -----------------------------------------------------------------------------------------------------


def test_a_code_and_its_picture(zhao: Technician, state: HubState, clock: Any) -> None:
    made = zhao.code(team="一队", unit_kind="vehicle", kind="vehicle", hours=2).json()
    code = unpack(made["code"])
    assert (code.host, code.port) == ("127.0.0.1", 8600), "as this screen asks"
    assert code.print_90 == fingerprint_90(state.authority.der)
    assert (made["device"], made["expires_utc_ms"]) == (1001, clock() + 2 * HOUR_MS)
    assert ET.fromstring(made["qr_svg"]).tag == "{http://www.w3.org/2000/svg}svg"
    assert zhao.device(1001) == {
        "device": 1001, "unit": "u2", "callsign": CALLSIGN, "kind": "vehicle", "relay": False, "state": "reserved",
        "epoch": 0, "firmware": "", "not_after_utc_ms": None, "enrolled_utc_ms": None, "heard_utc_ms": None, "why": "",
    }  # fmt: skip
    assert "u2" in state.units.slot_by_id, "the hub knows the unit before the answer goes out"
    assert code.secret not in str(state.registry.records())


def test_a_screen_on_another_name_gives_that_one(new_browser: Callable[[], Ask], state: HubState) -> None:
    ask, base = new_browser(), "http://hub.example"
    token = state.sign_in.new_token("Zhao", Role.TECHNICIAN)
    ask("POST", f"{API}/session", base=base, json={"token": token})
    made = ask("POST", f"{API}/devices/enrolment", base=base, json={"callsign": CALLSIGN})
    code = unpack(made.json()["code"])
    assert (code.host, code.port) == ("hub.example", 80)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"callsign": ""}, "callsign"),
        ({"callsign": "x" * 41}, "callsign"),
        ({"callsign": "a\x07"}, "printable"),
        ({"callsign": "A", "kind": "dog"}, "allowed are gateway"),
        ({"callsign": "A", "unit_kind": "dog"}, "allowed are person"),
        ({"callsign": "A", "hours": 0}, "hours"),
        ({"callsign": "A", "hours": HOURS_MAX + 1}, "hours"),
        ({"device": 0}, "device"),
        ({"device": 2**32}, "device"),
        ({"device": 9}, "callsign: needed"),
    ],
)
def test_codes_that_are_not_made(zhao: Technician, wanted: dict[str, Any], words: str) -> None:
    before = zhao.ask("GET", f"{API}/devices").json()
    refused(zhao.ask("POST", f"{API}/devices/enrolment", json=wanted), 422, words)
    assert zhao.ask("GET", f"{API}/devices").json() == before


# --- enrolment ---------------------------------------------------------------------------------------------------


def test_a_gateway_enrols_and_its_frames_count_at_once(
    zhao: Technician, state: HubState, bench: Any, clock: Any
) -> None:
    secret = zhao.secret()
    bench.put(bench.frame(1001))
    assert bench.refusals.pop() == ("unknown_device", 1001), "a code alone lets nobody send"
    answer = zhao.enrol(secret)
    granted = enrolment.granted(answer.content)
    assert (granted.device, granted.realm, granted.epoch, granted.callsign) == (1001, "live", 0, CALLSIGN)
    assert granted.authority == state.authority.pem
    assert granted.signer == state.authority.signer.hex()
    assert bytes.fromhex(granted.mac_key) == bench.keys.secret_of(1001, 0)
    bench.put(bench.frame(1001))
    assert bench.refusals == []
    device = zhao.device(1001)
    assert (device["state"], device["firmware"]) == ("active", "zhantu 0.1.0 (Pi 4)")
    assert device["not_after_utc_ms"] == granted.not_after_utc_ms > clock()
    assert device["enrolled_utc_ms"] == device["heard_utc_ms"] == clock()
    records = str(state.registry.records())
    assert "device enrolled" in records
    assert granted.mac_key not in records


def test_codes_that_are_not_taken(zhao: Technician, clock: Any) -> None:
    refused(zhao.enrol("0" * 12), 404, "not known")
    used = zhao.secret()
    assert zhao.enrol(used).status_code == 200
    refused(zhao.enrol(used), 410, "used already")
    late = zhao.secret(callsign="B", hours=1)
    clock.now += HOUR_MS
    refused(zhao.enrol(late), 410, "expired")


def test_a_code_of_a_device_that_was_revoked_meanwhile(zhao: Technician) -> None:
    secret = zhao.secret()
    assert zhao.revoke(1001).status_code == 204
    refused(zhao.enrol(secret), 403, "revoked")


@pytest.mark.parametrize(
    "other",
    [
        {"csr": "nonsense"},
        {"csr": "x" * 8_193},
        {"csr": "\ud800"},
        {"csr": None},
        {"secret": "short"},
        {"secret": "\ud800" * 12},
        {"firmware": 7},
        {"machine": "x" * 201},
    ],
)
def test_bad_requests_leave_the_code_as_it_was(zhao: Technician, other: dict[str, Any]) -> None:
    secret = zhao.secret()
    assert zhao.enrol(secret, **other).status_code == 422
    assert zhao.enrol(secret).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 10_000])
@pytest.mark.parametrize("path", ["enrol", "renew"])
def test_bodies_that_are_not_ours(zhao: Technician, path: str, body: bytes) -> None:
    answer = zhao.gateway("POST", f"{API}/{path}", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text


@pytest.mark.parametrize("size", [BODY_BYTES_MAX, GUARD_BYTES_MAX])
def test_bodies_that_are_too_large(zhao: Technician, clock: Any, size: int) -> None:
    secret = zhao.secret()
    refused(zhao.enrol(secret, more="x" * size), 413, "bytes")
    granted = zhao.enrolled(callsign="B")
    refused(zhao.renew(granted, clock(), more="x" * size), 413, "bytes")
    assert zhao.enrol(secret).status_code == 200


def test_guessing_is_slowed_and_told(zhao: Technician, state: HubState) -> None:
    secret = zhao.secret()
    for _ in range(TRIES_MAX):
        refused(zhao.enrol("0" * 12), 404, "not known")
    slowed = zhao.enrol("0" * 12)
    refused(slowed, 429, "wait")
    assert 0 < int(slowed.headers["retry-after"]) <= 60
    assert zhao.enrol(secret).status_code == 200, "whoever has the right code does not wait"
    (notice,) = state.watch.open()
    assert (notice.reason, notice.words) == ("sign_in", "enrolment code from 127.0.0.1")


# --- renewal -----------------------------------------------------------------------------------------------------


def test_a_renewal(zhao: Technician, clock: Any) -> None:
    granted = zhao.enrolled()
    clock.now += 100 * 24 * HOUR_MS
    renewed = zhao.renew(granted, clock() - 47 * HOUR_MS)
    assert renewed.status_code == 200, "also when the old one ran out"
    again = renewed.json()
    assert (again["mac_key"], again["epoch"]) == ("", 0), "the key stays"
    assert again["certificate"] != granted["certificate"]
    assert again["not_after_utc_ms"] > clock()


def test_renewals_that_are_refused(zhao: Technician, clock: Any) -> None:
    granted = zhao.enrolled()
    refused(zhao.renew(granted, clock(), mac="00" * 32), 403, "not made with the key")
    refused(zhao.renew(granted, clock(), mac="é" * 64), 422, "mac")
    refused(zhao.renew(granted, clock(), csr=new_csr()), 403, "not made with the key")
    for off in (-49, 49):
        refused(zhao.renew(granted, clock() + off * HOUR_MS), 403, "49 h off")
    refused(zhao.renew({**granted, "device": 9}, clock()), 404, "device 9 is not enrolled")
    refused(zhao.renew(granted, clock(), device=0), 422, "device")
    zhao.revoke(1001)
    refused(zhao.renew(granted, clock()), 403, "revoked")


# --- authority, revocation, bindings -----------------------------------------------------------------------------


def test_the_authority_is_there_for_all(zhao: Technician, state: HubState) -> None:
    answer = zhao.gateway("GET", f"{API}/authority")
    assert (answer.status_code, answer.text) == (200, state.authority.pem)
    der = x509.load_pem_x509_certificate(answer.content).public_bytes(serialization.Encoding.DER)
    assert fingerprint_90(der) == fingerprint_90(state.authority.der)


def test_revocation_acts_at_once(zhao: Technician, state: HubState, bench: Any) -> None:
    zhao.enrolled()
    bench.put(bench.frame(1001))
    before = bench.lat(1001)
    assert zhao.revoke(1001, " left in the tunnel ").status_code == 204
    bench.put(bench.frame(1001, row=1))
    assert bench.refusals == [("unknown_device", 1001)]
    assert bench.lat(1001) == before
    device = zhao.device(1001)
    assert (device["state"], device["why"], device["callsign"]) == ("revoked", "left in the tunnel", CALLSIGN)
    assert [row.device for row in state.registry.devices.revoked_certificates(bench.clock())] == [1001]
    record = state.registry.records()[-1]
    assert "device revoked" in str(record)
    assert "Zhao" in str(record)


def test_revocations_of_nothing(zhao: Technician, state: HubState) -> None:
    refused(zhao.revoke(4242), 404, "device 4242")
    zhao.enrolled()
    assert zhao.revoke(1001).status_code == 204
    kept = len(state.registry.records())
    refused(zhao.revoke(1001), 404, "revoked already")
    for why in ("", "   ", "x" * 201):
        refused(zhao.revoke(7, why), 422, "why")
    refused(zhao.revoke(0), 422, "device")
    assert zhao.device(7)["state"] == "active"
    assert len(state.registry.records()) == kept


def test_a_revoked_device_comes_back_with_a_new_code(zhao: Technician, bench: Any) -> None:
    old = zhao.enrolled()
    zhao.revoke(1001)
    back = zhao.enrolled(device=1001)
    assert (back["epoch"], back["callsign"]) == (1, CALLSIGN)
    assert back["mac_key"] != old["mac_key"]
    bench.put(bench.frame(1001))
    assert bench.refusals == [("mac", 1001)], "its old key counts no more"


def test_a_binding_acts_at_once(zhao: Technician, state: HubState, bench: Any, clock: Any) -> None:
    zhao.enrolled()
    other = zhao.device(7)["unit"]
    assert zhao.bind(1001, other).status_code == 204
    assert zhao.device(1001)["callsign"] == "C7"
    bench.put(bench.frame(1001, rows=[{"lat_deg_e7": 300_000_000, "lon_deg_e7": 1, "fix_mode": 3}]))
    bench.ingest.follow(clock())  # two devices on one unit: the next tick decides between them
    assert bench.picture.pos[0, state.units.slot_by_id[other]] == 300_000_000
    assert zhao.bind(1001, "").status_code == 204
    assert zhao.device(1001)["unit"] == ""
    assert zhao.bind(1001, other, from_utc_ms=clock() - HOUR_MS).status_code == 204
    binding = state.registry.bindings()[-1]
    now = next(b for b in state.registry.bindings() if b.device == 1001 and b.to_utc_ms is None)
    assert (now.unit, now.from_utc_ms) == (other, clock() - HOUR_MS), binding


def test_bindings_to_nothing(zhao: Technician) -> None:
    refused(zhao.bind(4242, zhao.device(7)["unit"]), 422, "no device '4242'")
    refused(zhao.bind(7, "u99"), 422, "no unit 'u99'")
    refused(zhao.bind(7, "u1", from_utc_ms=-1), 422, "from_utc_ms")
    assert zhao.device(7)["callsign"] == "C7"
