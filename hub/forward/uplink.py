"""The connection to the hub above: frames up as a relay passes them on, answers and messages down.

Enters: numbers and frames. Leaves: bytes of the two topics that a relay hears. Caller: `hub.forward.passer`.

This hub is a device of the hub above, enrolled as a relay. Both have one master, so one authority: this hub makes its
own certificate for the number that it has there.
"""

import ssl
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.files import write_whole
from hub.identity.authority import Authority, days_left
from hub.mqtt import Line
from protocols import mqtt_wire, relay, topics
from protocols.catalog import Bearer

UNSENT_BYTES_MAX = 65_536
"""In the socket. Beyond it nothing is handed over: an alarm must not stand behind much."""
PATIENCE = 12
"""A minute for a handshake at 1.2 kbit/s."""
NAME = "above.pem"


class Uplink:
    """One connection, kept up by `line.run`. `hear` gets (topic, payload)."""

    def __init__(
        self,
        realm: str,
        device: int,
        address: tuple[str, int],
        hear: Callable[[str, bytes], None],
        clock_ms: Callable[[], int],
        tls: Callable[[], ssl.SSLContext] | None,
    ) -> None:
        self._head = mqtt_wire.publish_head(topics.relayed(realm, device), version_5=True)
        self._family = mqtt_wire.publish_head(topics.family(realm, device), version_5=True)
        self._hear = hear
        self.line = Line(
            "above",
            [topics.orders(realm, device), topics.back(realm, device)],
            self._put,
            address,
            version_5=True,
            clock_ms=clock_ms,
            tls=tls,
            patience=PATIENCE,
        )

    @property
    def is_up(self) -> bool:
        return self.line.transport is not None

    @property
    def may_send(self) -> bool:
        transport = self.line.transport
        return transport is not None and transport.get_write_buffer_size() < UNSENT_BYTES_MAX

    def send(self, number: int, data: bytes) -> None:
        """Gone, or not: what is not answered is sent again."""
        transport = self.line.transport
        if transport is not None:
            carried = relay.pack_up(relay.Carried(Bearer.RELAY, data, number))
            transport.write(mqtt_wire.publish(self._head, carried))

    def say_family(self, message: bytes) -> None:
        """Who is enrolled here."""
        if self.line.transport is not None and self.may_send:
            self.line.transport.write(mqtt_wire.publish(self._family, message))

    def _put(self, messages: list[mqtt_wire.Message]) -> None:
        for topic, payload in messages:
            self._hear(topic, payload)


def tls_of(
    authority: Authority, device: int, days: int, clock_ms: Callable[[], int]
) -> Callable[[], ssl.SSLContext]:
    """Makes the context for each connection, with a certificate that is made anew in its last third."""

    def context() -> ssl.SSLContext:
        path = authority.folder / NAME
        left = days_left(path, clock_ms())
        if left is None or left < days / 3:
            _issue(authority, device, days, path)
        made = ssl.create_default_context(cadata=authority.pem)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        made.load_cert_chain(path)
        return made

    return context


def _issue(authority: Authority, device: int, days: int, path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(device))])
    request = x509.CertificateSigningRequestBuilder(name).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    issued = authority.client(pem, device, days)
    write_whole(path, issued.pem.encode() + secret, mode=0o600)
