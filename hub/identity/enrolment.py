"""Making gateways known: one-time codes, certificates for those who hold one, renewal before the certificate ends.

Enters: what a technician wants, codes and certificate requests of gateways. Leaves: registry rows, operator records,
`Granted`. EnrolmentRefused says why not. Callers: `hub.api.device_routes`, `zhantu-hub enrol`.

The code is the only secret that people carry: used once, for a day, and kept as a digest. Neither it nor any key is
ever written to a record or a log.
"""

import hashlib
import secrets
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from hub import addresses, roster
from hub.errors import AuthorityError, Refused
from hub.identity.authority import Authority
from hub.identity.keys import KeyRing
from hub.settings import Settings
from hub.store.devices import FIRMWARE_CHARS_MAX, DeviceRow
from hub.store.interface import UnitRow
from hub.store.registry import SqliteRegistry
from protocols.enrolment import SECRET_CHARS, Code, Granted, fingerprint_90, pack, renewal_bytes
from protocols.keys import same

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
HOUR_MS = 3_600_000
HOURS_MAX = 24 * 31
CLOCK_MS = 48 * HOUR_MS
"""How far a gateway's idea of the time may be off when it asks for a renewal."""
TRIES_WINDOW_MS = 60_000
TRIES_MAX = 10
TRIES_ALL_MAX = 60
PLACES_MAX = 4_096
Tell = Callable[[str, int, str], None]
"""`tell(reason, device, words)`: a security notice."""


class EnrolmentRefused(Refused):
    """A code, an enrolment or a renewal that is not given."""


class Wanted(NamedTuple):
    """What a code shall stand for. `device` None: the next free number; "" or None of a known unit: as it is."""

    callsign: str
    device: int | None = None
    unit_kind: str | None = None
    branch: str | None = None
    team: str | None = None
    agency: str | None = None
    kind: str = "gateway"
    relay: bool = False


class Made(NamedTuple):
    """A code, shown once."""

    device: int
    callsign: str
    code: str
    expires_utc_ms: int


def digest(secret: str) -> str:
    """What is stored of a code's secret."""
    return hashlib.sha256(secret.upper().encode()).hexdigest()


def make_code(
    registry: SqliteRegistry,
    authority_der: bytes,
    wanted: Wanted,
    at: tuple[str, int],
    hours: int,
    by: str,
    now_ms: int,
) -> Made:
    """A code for a device; its number, unit and binding are there from now on, so that the roster shows who is missing.

    `at`: host and port under which the gateway asks. Errors: EnrolmentRefused, RosterError.
    """
    if not 1 <= hours <= HOURS_MAX:
        raise EnrolmentRefused(422, f"hours {hours}, 1–{HOURS_MAX} allowed")
    if wanted.kind == "hub":  # it may say who is enrolled, and has the master
        raise EnrolmentRefused(422, "a hub is not enrolled by a code: `zhantu-hub below add` makes its file")
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARS))
    try:
        code = pack(Code(*at, secret, fingerprint_90(authority_der)))
    except ValueError as err:
        raise EnrolmentRefused(422, str(err)) from None
    expires_utc_ms = now_ms + hours * HOUR_MS
    with registry.together():
        relay = wanted.relay or wanted.kind == "relay"
        unit = _unit(registry, wanted)
        device = registry.devices.reserve(wanted.device, wanted.kind, relay, now_ms)
        if unit is not None:
            registry.enrol([(device, unit)], now_ms)
        registry.devices.add_code(digest(secret), device, by, expires_utc_ms, now_ms)
        callsign = unit.callsign if unit else callsign_of(registry, device)
        what: dict[str, object] = {
            "device": device,
            "callsign": callsign,
            "kind": wanted.kind,
            "hours": hours,
        }
        registry.record(now_ms, by, "enrolment code made", what)
    return Made(device, callsign, code, expires_utc_ms)


def _unit(registry: SqliteRegistry, wanted: Wanted) -> UnitRow | None:
    """The unit to be bound; None: the device keeps the one it has. What is not given stays as it is."""
    if not wanted.callsign:
        if wanted.device is None or not callsign_of(registry, wanted.device):
            raise EnrolmentRefused(422, "callsign: needed for a device that no unit carries yet")
        return None
    known = {unit.callsign: unit for unit in registry.units()}.get(wanted.callsign)
    values = {} if known is None else {name: str(value) for name, value in known._asdict().items()}
    given = {"kind": wanted.unit_kind, "branch": wanted.branch, "team": wanted.team, "agency": wanted.agency}
    values = {"kind": "", "branch": "", "team": ""} | values
    values |= {name: value for name, value in given.items() if value is not None}
    return roster.entry(values | {"callsign": wanted.callsign, "device": str(wanted.device or 1)}, "enrol")[1]


def callsign_of(registry: SqliteRegistry, device: int) -> str:
    """The callsign of the unit that carries a device now, or ""."""
    units = {unit.id: unit.callsign for unit in registry.units()}
    for binding in registry.bindings():
        if binding.device == device and binding.to_utc_ms is None:
            return units.get(binding.unit, "")
    return ""


def revoke(registry: SqliteRegistry, device: int, why: str, by: str, now_ms: int) -> bool:
    """Take a device's enrolment back. False: it is revoked already, or unknown."""
    with registry.together():
        done = registry.devices.revoke(device, why, now_ms)
        if done:
            registry.record(now_ms, by, "device revoked", {"device": device, "why": why})
    return done


class Guesses:
    """Wrong tries of the last minute, by address and of all. Whoever has the right answer never waits."""

    def __init__(self) -> None:
        self._all: deque[int] = deque(maxlen=TRIES_ALL_MAX)
        self._by_address: dict[str, deque[int]] = {}

    def wrong(self, address: str, now_ms: int) -> int:
        """Note one. How many seconds this address should wait before the next, 0 while it is below its share."""
        if address not in self._by_address and len(self._by_address) >= PLACES_MAX:
            del self._by_address[next(iter(self._by_address))]
        tries = self._by_address.setdefault(address, deque(maxlen=TRIES_MAX))
        wait_ms = 0
        for recent in (tries, self._all):
            if len(recent) == recent.maxlen:
                wait_ms = max(wait_ms, recent[0] + TRIES_WINDOW_MS - now_ms)
            recent.append(now_ms)
        return -(-wait_ms // 1000)


class Enrolment:
    """The hub's side of `zhantu-edge enrol` and of renewals."""

    def __init__(
        self,
        settings: Settings,
        registry: SqliteRegistry,
        authority: Authority,
        keys: KeyRing,
        clock_ms: Callable[[], int],
        tell: Tell,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._authority = authority
        self._keys = keys
        self._clock_ms = clock_ms
        self._tell = tell
        self._codes = Guesses()
        self._renewals = Guesses()

    def make(self, wanted: Wanted, at: tuple[str, int], hours: int, by: str) -> Made:
        """As `make_code`."""
        return make_code(self._registry, self._authority.der, wanted, at, hours, by, self._clock_ms())

    # --- enrolment ---------------------------------------------------------------------------------------

    def grant(self, secret: str, csr: str, firmware: str, address: str, host: str) -> Granted:
        """What a gateway with a good code gets. `address` asks, under the name `host`.

        A bad request leaves the code as it was, so that a gateway may try again.
        """
        now_ms, devices = self._clock_ms(), self._registry.devices
        mark = digest(secret)
        code = devices.code(mark)
        if code is None:
            raise self._wrong(
                self._codes, address, now_ms, 404, "code: not known to this hub", "enrolment code"
            )
        with self._registry.together():
            before = devices.row(code.device)
            if before is None or before.state == "revoked":
                raise EnrolmentRefused(403, f"device {code.device} was revoked after this code was made")
            try:  # before the code is used up: the certificate depends on nothing that changes with it
                issued = self._authority.client(csr, code.device, self._settings.certificate_days)
            except AuthorityError as err:
                raise EnrolmentRefused(422, str(err)) from None
            if not devices.use_code(mark, now_ms):
                over = "was used already" if code.used_utc_ms is not None else "has expired"
                raise EnrolmentRefused(410, f"code: it {over}; `zhantu-hub enrol` makes a new one")
            device = devices.activate(code.device, _printable(firmware), now_ms)
            assert device is not None
            devices.add_certificate(issued.serial, device.device, device.epoch, *issued[2:])
            self._registry.record(
                now_ms, f"device {device.device}", "device enrolled",
                {"device": device.device, "epoch": device.epoch, "code_of": code.made_by, "address": address,
                 "serial": issued.serial},
            )  # fmt: skip
        mac_key = self._keys.secret_of(device.device, device.epoch).hex()
        return self._granted(device, issued.pem, mac_key, issued.not_after_utc_ms, host)

    def renew(self, device: int, t_utc_ms: int, csr: str, mac: str, address: str, host: str) -> Granted:
        """A new certificate for a device that shows its key; also when the old one ran out."""
        now_ms, devices = self._clock_ms(), self._registry.devices
        row = devices.row(device)
        if row is None or row.state == "reserved":
            raise self._wrong(
                self._renewals, address, now_ms, 404, f"device {device} is not enrolled", "renewal"
            )
        if row.state == "revoked":
            raise EnrolmentRefused(403, f"device {device} was revoked")
        key = self._keys.made(device, row.epoch)
        if not same(key.renewal(renewal_bytes(device, t_utc_ms, csr)).hex(), mac.lower()):
            words = f"the request is not made with the key of device {device}; enrol it again"
            raise self._wrong(self._renewals, address, now_ms, 403, words, f"renewal for device {device}")
        if abs(t_utc_ms - now_ms) > CLOCK_MS:
            raise EnrolmentRefused(
                403,
                f"the gateway's clock is {abs(t_utc_ms - now_ms) / HOUR_MS:.0f} h off, at most 48 h allowed",
            )
        try:
            issued = self._authority.client(csr, device, self._settings.certificate_days)
        except AuthorityError as err:
            raise EnrolmentRefused(422, str(err)) from None
        with self._registry.together():
            now = devices.row(device)
            if now is None or (now.state, now.epoch) != (row.state, row.epoch):
                raise EnrolmentRefused(403, f"device {device} was revoked or enrolled again in this moment")
            devices.add_certificate(issued.serial, device, row.epoch, *issued[2:])
            self._registry.record(
                now_ms, f"device {device}", "certificate renewed", {"device": device, "serial": issued.serial}
            )
        return self._granted(row, issued.pem, "", issued.not_after_utc_ms, host)

    def _wrong(
        self, guesses: Guesses, address: str, now_ms: int, status: int, words: str, what: str
    ) -> EnrolmentRefused:
        """A guess: told to whoever looks after security, and after too many only answered with a wait."""
        self._tell("sign_in", 0, f"{what} from {address}")
        wait_s = guesses.wrong(address, now_ms)
        if wait_s:
            return EnrolmentRefused(429, "too many wrong tries, wait a little", wait_s)
        return EnrolmentRefused(status, words)

    def _granted(
        self, device: DeviceRow, certificate: str, mac_key: str, not_after_utc_ms: int, host: str
    ) -> Granted:
        mqtt_host, mqtt_port, mqtt_tls = mqtt_address(self._settings, host)
        return Granted(
            device=device.device,
            realm=self._settings.realm,
            epoch=device.epoch,
            callsign=callsign_of(self._registry, device.device),
            certificate=certificate,
            authority=self._authority.pem,
            mac_key=mac_key,
            signer=self._authority.signer.hex(),
            mqtt_host=mqtt_host,
            mqtt_port=mqtt_port,
            mqtt_tls=mqtt_tls,
            not_after_utc_ms=not_after_utc_ms,
        )


def mqtt_address(settings: Settings, host: str) -> tuple[str, int, bool]:
    """Where a gateway that reached the hub as `host` finds the broker, and whether over TLS."""
    if settings.broker and not settings.devices_host:
        name, _, port = settings.broker.rpartition(":")
        return name.strip("[]"), int(port), False
    if not settings.devices_at:
        return "127.0.0.1", settings.mqtt_port, False
    if settings.devices_host not in addresses.ANY:
        return settings.devices_host, settings.devices_port, True
    names = addresses.server_names(settings, settings.devices_at)
    return (host if host in names else addresses.reached_at(settings)), settings.devices_port, True


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:FIRMWARE_CHARS_MAX]
