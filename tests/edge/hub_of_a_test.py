"""The enrolling half of a hub, for the edge tests: a real authority, a real HTTPS server, a real broker over TLS.

Run by path from conftest.py; the tests get it as fixtures.
"""

import datetime
import ipaddress
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.signing import SigningKey

from protocols import enrolment, orders
from protocols.enrolment import Code
from protocols.orders import CommanderKey, KeyList

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
MAC_KEY = bytes(range(32))
NOT_A_CA = x509.BasicConstraints(ca=False, path_length=None)


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def days(count: float) -> datetime.timedelta:
    return datetime.timedelta(days=count)


BEGINS = days(-30)


class Authority:
    """Signs certificates, as a hub does."""

    def __init__(self, begins: datetime.timedelta = BEGINS) -> None:
        self.now = datetime.datetime.now(datetime.UTC)
        self.begins = begins
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        ca = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = self._made(self.name, self.key.public_key(), ca, begins, days(3_650))
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.print_90 = enrolment.fingerprint_90(self.certificate.public_bytes(serialization.Encoding.DER))

    def _made(
        self, name: x509.Name, key: Any, basic: x509.BasicConstraints,
        begins: datetime.timedelta, ends: datetime.timedelta,
    ) -> x509.Certificate:  # fmt: skip
        local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(self.now + begins)
            .not_valid_after(self.now + ends)
            .add_extension(x509.SubjectAlternativeName(local), critical=False)
            .add_extension(basic, critical=True).sign(self.key, hashes.SHA256())
        )  # fmt: skip

    def sign(
        self, csr: str, device: int, begins: datetime.timedelta, ends: datetime.timedelta
    ) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, str(device))])
        key = x509.load_pem_x509_csr(csr.encode()).public_key()
        return self._made(name, key, NOT_A_CA, begins, ends)

    def server(self, folder: Path) -> tuple[Path, Path]:
        """Certificate and key of a server on this machine."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        certificate = self._made(name, key.public_key(), NOT_A_CA, self.begins, days(365))
        folder.mkdir(exist_ok=True)
        (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / "server.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return folder / "server.pem", folder / "server.key"


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        self._answer(*self.server.hub.on_get(self.path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(*self.server.hub.on_post(self.path, body))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


class Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: "EnrollingHub"
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake belongs to the connection's own thread."""
        if self.context is not None:
            request.settimeout(10)
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return
        with request:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        return  # a client that hangs up is part of the tests


class EnrollingHub:
    """Answers /authority, /enrol and /renew. What a test wants otherwise, it puts into `answer` or `change`."""

    def __init__(self, folder: Path, tls: bool = True, authority: Authority | None = None) -> None:
        self.authority = authority or Authority()
        self.shown = self.authority.pem
        self.signer = SigningKey(b"h" * 32)
        self.mqtt_port = free_port()
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.answer: tuple[int, bytes] | None = None
        self.change: dict[str, Any] = {}
        self.begins, self.ends = days(-1), days(365)
        self.hold: threading.Event | None = None
        self.folder = folder
        self.certificate, self.key = self.authority.server(folder)
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.hub = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            self._server.context = context
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def code(self, secret: str = "ABCDEFGH1234", host: str = "127.0.0.1", print_90: int | None = None) -> str:
        mark = self.authority.print_90 if print_90 is None else print_90
        return enrolment.pack(Code(host, self.port, secret, mark))

    def on_get(self, path: str) -> tuple[int, bytes]:
        return (200, self.shown.encode()) if path == "/api/v1/authority" else (404, b"")

    def on_post(self, path: str, body: bytes) -> tuple[int, bytes]:
        said = json.loads(body)
        self.posts.append((path, said))
        if self.hold is not None:
            self.hold.wait(30)
        if self.answer is not None:
            return self.answer
        made = self.authority.sign(said["csr"], 1001, self.begins, self.ends)
        granted = {
            "device": 1001, "realm": "live", "epoch": 0, "callsign": "济南消防-01",
            "certificate": made.public_bytes(serialization.Encoding.PEM).decode(),
            "authority": self.authority.pem,
            "mac_key": MAC_KEY.hex() if path == enrolment.ENROL_PATH else "",
            "signer": bytes(self.signer.verify_key).hex(),
            "mqtt_host": "127.0.0.1", "mqtt_port": self.mqtt_port, "mqtt_tls": True,
            "not_after_utc_ms": round(made.not_valid_after_utc.timestamp() * 1000),
        }  # fmt: skip
        return 200, json.dumps(granted | self.change).encode()

    def keys(self, number: int, *names: str, realm: str = "live", by: SigningKey | None = None) -> bytes:
        """A signed list of commanders' keys."""
        publics = [bytes(SigningKey(name.encode().ljust(32)[:32]).verify_key) for name in names]
        entries = tuple(
            CommanderKey(orders.key_id(p), p, name, "commander", 2**42)
            for p, name in zip(publics, names, strict=True)
        )
        sign: Callable[[bytes], bytes] = lambda data: bytes((by or self.signer).sign(data).signature)  # noqa: E731
        return orders.pack_list(KeyList(number, realm, 1, entries), sign)

    def close(self) -> None:
        if self.hold is not None:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()


class TlsBroker:
    """mosquitto as a hub runs it: TLS 1.3 and client certificates, and a plain listener for the hub itself."""

    def __init__(self, hub: EnrollingHub) -> None:
        self.hub_port = free_port()
        folder = hub.folder
        (folder / "authority.pem").write_text(hub.authority.pem)
        (folder / "acl").write_text(
            "".join(f"pattern write z/live/+/%u/{lane}\n" for lane in range(5))
            + "pattern read z/live/+/%u/a\npattern read z/live/+/%u/o\n"
        )
        self._config = folder / "broker.conf"
        self._config.write_text(
            "per_listener_settings true\nuser root\n"
            f"listener {self.hub_port} 127.0.0.1\nallow_anonymous true\n"
            f"listener {hub.mqtt_port} 127.0.0.1\nallow_anonymous false\nrequire_certificate true\n"
            f"use_identity_as_username true\ntls_version tlsv1.3\nacl_file {folder}/acl\n"
            f"cafile {folder}/authority.pem\ncertfile {hub.certificate}\nkeyfile {hub.key}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        assert MOSQUITTO, "mosquitto is missing; `make test` installs it"
        self._process = subprocess.Popen([MOSQUITTO, "-c", self._config], stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
