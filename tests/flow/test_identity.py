"""Devices with an identity, end to end: the hub beyond loopback, agents enrolled with codes, mosquitto's TLS port.

One test each for what arrives, who commands, what revocation ends, and a device that speaks for another.
"""

import json
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from hub import addresses
from hub.identity.commanders import proof_bytes
from hub.settings import is_loopback
from protocols import frame, orders, topics
from protocols.catalog import FIELDS_BY_NAME, ClockSource, Kind, Lane, Stream
from protocols.keys import MacKey

pytestmark = pytest.mark.skipif(
    is_loopback(addresses.outward()), reason="this machine has no address beyond loopback"
)
FIRST, SECOND = "济南消防-01", "济南消防-02"
NOT_AUTHORIZED = 135
TLS_NOTICE_AT = 5
"""Refused handshakes until there is a notice."""


def unit_of(client: httpx.Client, callsign: str) -> dict[str, Any]:
    units = client.get("/api/v1/units").raise_for_status().json()["units"]
    return next(unit for unit in units if unit["callsign"] == callsign)


def values_of(unit: dict[str, Any]) -> dict[str, Any]:
    return {value["name"]: value["value"] for value in unit["values"]}


def notices(client: httpx.Client, reason: str) -> list[dict[str, Any]]:
    found = client.get("/api/v1/notices").raise_for_status().json()["notices"]
    return [notice for notice in found if notice["reason"] == reason]


def trail(client: httpx.Client, unit: str) -> dict[str, list[int]]:
    asked = client.get(f"/api/v1/units/{unit}/trail", headers={"Accept": "application/json"})
    return dict(asked.raise_for_status().json()["c"])


def context_of(gateway: Any) -> ssl.SSLContext:
    """TLS with a gateway's own files."""
    context = ssl.create_default_context(cafile=str(gateway.folder / "authority.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(gateway.folder / "device.pem")
    return context


def handshake_refused(hub: Any, gateway: Any, wait_s: float = 10.0) -> bool:
    """Whether the door sends this gateway's certificate away. In TLS 1.3 that shows with the first read."""
    with socket.create_connection((addresses.outward(), hub.devices_port), 10) as plain:
        try:
            with context_of(gateway).wrap_socket(plain, server_hostname=addresses.outward()) as tls:
                assert tls.version() == "TLSv1.3"
                tls.settimeout(wait_s)
                return not tls.recv(1)
        except TimeoutError:
            return False  # it waits for our CONNECT
        except (ssl.SSLError, ConnectionError):
            return True


def publish(hub: Any, gateway: Any, topic: str, data: bytes) -> int:
    """Publish with a gateway's certificate, QoS 1; the broker's reason code."""
    answered, codes = threading.Event(), []

    def published(_client: object, _data: object, _mid: int, code: Any, _props: object) -> None:
        codes.append(int(code.value))
        answered.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.tls_set_context(context_of(gateway))
    client.on_connect = lambda c, *_: c.publish(topic, data, qos=1)
    client.on_publish = published
    client.connect(addresses.outward(), hub.devices_port)
    client.loop_start()
    try:
        assert answered.wait(10), "no PUBACK"
    finally:
        client.disconnect()
        client.loop_stop()
    return codes[0]


def position(gateway: Any, device: int, boot: int, lat_deg_e7: int) -> bytes:
    """A frame of one position under this gateway's own key."""
    values = {"lat_deg_e7": lat_deg_e7, "lon_deg_e7": 1_170_000_000, "fix_mode": 3}
    row = frame.Row(1_000, {FIELDS_BY_NAME[name].bit: value for name, value in values.items()})
    key = MacKey(bytes.fromhex((gateway.folder / "device.key").read_text()), "live")
    return frame.pack(
        key, kind=Kind.STATE, lane=Lane.LIVE, device=device, boot=boot, stream=Stream.ROWS, row=0, rows=[row],
        utc_zero_ms=time.time_ns() // 1_000_000 - 1_000, clock_source=ClockSource.GNSS,
    )  # fmt: skip


def test_an_enrolled_agent_is_seen_and_learns_who_commands(
    open_hub: Any, enrol: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    gateway = enrol(open_hub, 1001, FIRST)
    held = json.loads((gateway.folder / "identity.json").read_text())
    assert (held["mqtt_tls"], held["mqtt_port"]) == (True, open_hub.devices_port), "nothing but TLS"
    gateway.start_and_wait()
    with open_hub.client() as client:
        open_hub.sign_in(client, "commander")
        first = patiently(lambda: unit_of(client, FIRST)["lat_deg"], "no position at the hub")
        patiently(lambda: unit_of(client, FIRST)["lat_deg"] > first, "the unit does not move")

        assert gateway.status()["trust"]["commanders"] == []
        secret = Ed25519PrivateKey.generate()
        public = secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        proof = secret.sign(proof_bytes("commander", "live", public))
        begun = client.post(
            "/api/v1/commanders", json={"public": public.hex(), "proof": proof.hex(), "hours": 12}
        )
        told = begun.raise_for_status().json()
        assert told["key_id"] == orders.key_id(public).hex()
        number = told["list_number"]
        patiently(
            lambda: values_of(unit_of(client, FIRST)).get("key_list") == number,
            f"the device does not report list {number}",
        )
        trust = gateway.status()["trust"]
        assert (trust["list"], trust["commanders"], trust["refused"]) == (number, ["commander"], {})
        assert client.get("/api/v1/commanders").json()["behind"] == 0
        assert gateway.status()["bearer"]["connects"] == 1


def test_a_revoked_device_is_out_for_good_and_others_do_not_notice(
    open_hub: Any, enrol: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    lost, other = enrol(open_hub, 1001, FIRST), enrol(open_hub, 1002, SECOND)
    for gateway in (lost, other):
        gateway.start_and_wait()
    with open_hub.client() as client:
        open_hub.sign_in(client, "administrator")
        for callsign in (FIRST, SECOND):
            patiently(
                lambda name=callsign: unit_of(client, name)["t_fix_utc_ms"], f"no position of {callsign}"
            )
        # A boot's first rows have no proven time yet, and would keep none if the device fell silent for ever.
        patiently(lambda: trail(client, unit_of(client, FIRST)["id"])["t"], "no row with a proven time")
        assert not handshake_refused(open_hub, lost, wait_s=0.5)

        open_hub.command("device", "revoke", "1001", "--why", "left behind in the tunnel")
        bearer = patiently(
            lambda: (now := lost.status()["bearer"])["failures"] >= 2 and now,
            "the session of the revoked device did not end, or it did not try again",
        )
        assert bearer["connects"] == 1, "it came back"
        assert bearer["last_error"]
        last = unit_of(client, FIRST)
        for _ in range(TLS_NOTICE_AT):
            assert handshake_refused(open_hub, lost)
        patiently(lambda: notices(client, "tls") or notices(client, "revoked"), "no notice")

        seen = unit_of(client, SECOND)["t_fix_utc_ms"]
        patiently(lambda: unit_of(client, SECOND)["t_fix_utc_ms"] >= seen + 2_000, "the other one stopped")
        assert other.status()["bearer"]["connects"] == 1
        now = unit_of(client, FIRST)
        for what in ("lat_deg", "lon_deg", "t_fix_utc_ms", "t_rx_utc_ms"):
            assert now[what] == last[what], what
        (device,) = [one for one in client.get("/api/v1/devices").json()["devices"] if one["device"] == 1001]
        assert (device["state"], device["why"]) == ("revoked", "left behind in the tunnel")

        walked = trail(client, now["id"])
        assert walked["t"][-1] == last["t_fix_utc_ms"], "what it said before stays readable"
        assert walked["lat"][-1] == round(last["lat_deg"] * 1e7)


def test_a_device_cannot_speak_for_another_even_with_its_key(
    open_hub: Any, enrol: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    """The frame is good in every respect: only the certificate that it comes under is another's."""
    thief, owner = enrol(open_hub, 1001, FIRST), enrol(open_hub, 1002, SECOND)
    topic = topics.up("live", 1002, Lane.LIVE)
    forged = position(owner, 1002, secrets.randbits(63), 300_000_000)
    true = position(owner, 1002, secrets.randbits(63), 366_500_000)
    with open_hub.client() as client:
        open_hub.sign_in(client, "administrator")
        assert publish(open_hub, thief, topic, forged) == NOT_AUTHORIZED
        (notice,) = patiently(lambda: notices(client, "denied"), "no notice")
        assert (notice["device"], notice["callsign"], notice["count"]) == (1001, FIRST, 1)
        assert "zhantu_hub_broker_denied 1.0" in client.get("/metrics").text

        assert publish(open_hub, owner, topic, true) in (0, 16), "the owner's own certificate may"
        patiently(lambda: unit_of(client, SECOND)["lat_deg"], "the owner is not heard")
        assert trail(client, unit_of(client, SECOND)["id"])["lat"] == [366_500_000]
        assert unit_of(client, FIRST)["t_rx_utc_ms"] is None
